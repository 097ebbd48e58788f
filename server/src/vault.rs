//! Secrets at rest: XChaCha20-Poly1305, a data key per purpose wrapped by the master key.
//!
//! The master key lives in a file of its own (0600), never in the database: a stolen database opens nothing.
//! Every ciphertext is bound to its row by the associated data, so that one cannot be moved to another row.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretBox, SecretSlice};
use sha2::Sha256;
use tandem_store::{VaultError, WrappedKey};
use tandem_sync::ports::Rng;

use crate::clock::SystemRng;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
/// Version of the format of everything sealed here.
const FORMAT: u8 = 1;

/// The master key, and what it can do.
pub struct Vault {
    master: SecretBox<[u8; KEY_BYTES]>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(..)")
    }
}

/// Why the master key cannot be had. For the operator.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    #[error("{path}: {source}")]
    Io { path: String, source: std::io::Error },
    #[error("{0} is not a master key: 32 bytes in base64 are expected. Restore it from your backup")]
    Malformed(String),
    #[error("{0} can be read by others than its owner: chmod 600 it")]
    Readable(String),
}

impl Vault {
    /// Reads the master key; makes the file on the first start.
    ///
    /// # Errors
    /// A file that others can read is refused, as is one that holds no key.
    pub fn open_or_create(path: &Path) -> Result<Self, MasterKeyError> {
        match Self::open(path) {
            Err(MasterKeyError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                match Self::create(path) {
                    // Two processes started at once: the other one was first, its key counts.
                    Err(MasterKeyError::Io { source, .. })
                        if source.kind() == std::io::ErrorKind::AlreadyExists =>
                    {
                        Self::open(path)
                    }
                    made => made,
                }
            }
            opened => opened,
        }
    }

    /// Reads the master key.
    ///
    /// # Errors
    /// As [`Vault::open_or_create`]; a missing file is an error too.
    pub fn open(path: &Path) -> Result<Self, MasterKeyError> {
        let name = || path.display().to_string();
        let io = |source| MasterKeyError::Io { path: name(), source };
        let file = std::fs::File::open(path).map_err(io)?;
        if file.metadata().map_err(io)?.permissions().mode() & 0o077 != 0 {
            return Err(MasterKeyError::Readable(name()));
        }
        let mut text = String::new();
        file.take(256).read_to_string(&mut text).map_err(io)?;
        let bytes = BASE64
            .decode(text.trim())
            .map_err(|_| MasterKeyError::Malformed(name()))?;
        let key: [u8; KEY_BYTES] = bytes.try_into().map_err(|_| MasterKeyError::Malformed(name()))?;
        Ok(Self {
            master: SecretBox::new(Box::new(key)),
        })
    }

    fn create(path: &Path) -> Result<Self, MasterKeyError> {
        let io = |source| MasterKeyError::Io {
            path: path.display().to_string(),
            source,
        };
        let mut key = [0; KEY_BYTES];
        SystemRng.fill(&mut key);
        // Written beside and linked into place: a crash leaves no half key, and an existing key is never replaced.
        // A name of its own each time: in a container every process has the same number.
        let mut unique = [0; 8];
        SystemRng.fill(&mut unique);
        let draft = path.with_extension(format!("new-{:016x}", u64::from_be_bytes(unique)));
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)
            .map_err(io)?;
        let written = file
            .write_all(format!("{}\n", BASE64.encode(key)).as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::hard_link(&draft, path));
        let removed = std::fs::remove_file(&draft);
        written.map_err(io)?;
        removed.map_err(io)?;
        // A key that a power failure forgets takes all that it has sealed with it.
        let folder = path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        std::fs::File::open(folder)
            .and_then(|f| f.sync_all())
            .map_err(io)?;
        Ok(Self {
            master: SecretBox::new(Box::new(key)),
        })
    }

    /// A key for one purpose of the whole server (tokens that are signed, not stored).
    pub fn server_key(&self, purpose: &str) -> [u8; 32] {
        mac(self.master.expose_secret(), &["server", purpose])
    }

    fn unwrap_key(&self, key: &WrappedKey, aad: &str) -> Result<SecretBox<[u8; KEY_BYTES]>, VaultError> {
        let plain =
            open(self.master.expose_secret(), &format!("key:{aad}"), &key.0).map_err(|_| VaultError::Key)?;
        let key: [u8; KEY_BYTES] = plain.try_into().map_err(|_| VaultError::Key)?;
        Ok(SecretBox::new(Box::new(key)))
    }
}

impl tandem_store::Vault for Vault {
    fn new_data_key(&self, aad: &str) -> Result<WrappedKey, VaultError> {
        let mut key = [0; KEY_BYTES];
        SystemRng.fill(&mut key);
        seal(self.master.expose_secret(), &format!("key:{aad}"), &key).map(WrappedKey)
    }

    fn seal(&self, key: &WrappedKey, key_aad: &str, aad: &str, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        seal(self.unwrap_key(key, key_aad)?.expose_secret(), aad, plain)
    }

    fn open(
        &self,
        key: &WrappedKey,
        key_aad: &str,
        aad: &str,
        sealed: &[u8],
    ) -> Result<SecretSlice<u8>, VaultError> {
        open(self.unwrap_key(key, key_aad)?.expose_secret(), aad, sealed).map(Into::into)
    }

    fn derive(&self, key: &WrappedKey, key_aad: &str, purpose: &str) -> Result<[u8; 32], VaultError> {
        Ok(mac(
            self.unwrap_key(key, key_aad)?.expose_secret(),
            &["derive", purpose],
        ))
    }
}

/// HMAC-SHA-256 over parts that cannot run into each other.
pub fn mac(key: &[u8], parts: &[&str]) -> [u8; 32] {
    let Ok(mut mac) = <Hmac<Sha256> as hmac::Mac>::new_from_slice(key) else {
        unreachable!("HMAC takes a key of any length")
    };
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac.finalize().into_bytes().into()
}

fn seal(key: &[u8; KEY_BYTES], aad: &str, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
    let mut nonce = [0; NONCE_BYTES];
    SystemRng.fill(&mut nonce);
    let sealed = XChaCha20Poly1305::new(key.into())
        .encrypt(
            XNonce::from_slice(&nonce),
            Payload {
                msg: plain,
                aad: aad.as_bytes(),
            },
        )
        .map_err(|_| VaultError::Failed)?;
    let mut out = Vec::with_capacity(1 + NONCE_BYTES + sealed.len());
    out.push(FORMAT);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&sealed);
    Ok(out)
}

fn open(key: &[u8; KEY_BYTES], aad: &str, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
    let Some((&FORMAT, rest)) = sealed.split_first() else {
        return Err(VaultError::Sealed);
    };
    let Some((nonce, body)) = rest.split_at_checked(NONCE_BYTES) else {
        return Err(VaultError::Sealed);
    };
    XChaCha20Poly1305::new(key.into())
        .decrypt(
            XNonce::from_slice(nonce),
            Payload {
                msg: body,
                aad: aad.as_bytes(),
            },
        )
        .map_err(|_| VaultError::Sealed)
}

#[cfg(test)]
mod tests {
    use tandem_store::Vault as _;

    use super::*;

    fn vault() -> (tempfile::TempDir, Vault) {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open_or_create(&dir.path().join("key")).unwrap();
        (dir, vault)
    }

    #[test]
    fn the_key_file_is_made_once_and_private() {
        let (dir, first) = vault();
        let path = dir.path().join("key");
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let second = Vault::open_or_create(&path).unwrap();
        assert_eq!(first.master.expose_secret(), second.master.expose_secret());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let (dir, _) = vault();
        let path = dir.path().join("key");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Vault::open(&path), Err(MasterKeyError::Readable(_))));
    }

    #[test]
    fn a_file_that_is_no_key_is_refused_and_kept() {
        let (dir, _) = vault();
        let path = dir.path().join("key");
        std::fs::write(&path, "half").unwrap();
        assert!(matches!(
            Vault::open_or_create(&path),
            Err(MasterKeyError::Malformed(_))
        ));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "half");
    }

    #[test]
    fn a_ciphertext_opens_only_in_its_row_and_with_its_key() {
        let (_dir, vault) = vault();
        let key = vault.new_data_key("connections/1/key").unwrap();
        let sealed = vault.seal(&key, "connections/1/key", "a/1", b"secret").unwrap();
        assert!(!sealed.windows(6).any(|w| w == b"secret"));
        assert_eq!(
            vault
                .open(&key, "connections/1/key", "a/1", &sealed)
                .unwrap()
                .expose_secret(),
            b"secret"
        );
        assert!(vault.open(&key, "connections/1/key", "a/2", &sealed).is_err());
        assert!(vault.open(&key, "connections/2/key", "a/1", &sealed).is_err());
        let other = vault.new_data_key("connections/1/key").unwrap();
        assert!(vault.open(&other, "connections/1/key", "a/1", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert!(
                vault.open(&key, "connections/1/key", "a/1", &bent).is_err(),
                "byte {at}"
            );
        }
        assert!(vault.open(&key, "connections/1/key", "a/1", &[]).is_err());
    }

    #[test]
    fn parts_of_a_mac_cannot_run_into_each_other() {
        assert_ne!(mac(b"k", &["ab", "c"]), mac(b"k", &["a", "bc"]));
    }
}
