//! Secrets at rest: XChaCha20-Poly1305, a data key per purpose wrapped by the master key.
//!
//! Master keys come from outside of the database (see [`MasterKeySource`]): a stolen database opens nothing.
//! Every ciphertext is bound to its row by the associated data, so that one cannot be moved to another row.
//!
//! There may be several master keys at a time. The first wraps, all of them unwrap: so a key is exchanged while servers
//! run. One that meets a data key which none of its master keys unwraps asks the source again.

mod source;

use std::sync::{Mutex, PoisonError, RwLock};

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretBox, SecretSlice};
use sha2::Sha256;
use tandem_store::{VaultError, WrappedKey};
use tandem_sync::ports::{Clock as _, Rng};
use tandem_types::Timestamp;

use crate::clock::{SystemClock, SystemRng};

pub use source::{MasterKeyError, MasterKeySource};

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
/// Version of the format of everything sealed here.
const FORMAT: u8 = 1;
/// A command may cost money and time: not more often than this, however many rows do not open.
const ASK_AGAIN_SECONDS: i64 = 60;

/// One master key.
type MasterKey = SecretBox<[u8; KEY_BYTES]>;

/// The master keys, and what they can do.
pub struct Vault {
    source: MasterKeySource,
    /// Never empty; the first wraps.
    ring: RwLock<Vec<MasterKey>>,
    /// When the source was last asked in vain.
    asked: Mutex<Option<Timestamp>>,
    /// Whether the source held no key before.
    new: bool,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(..)")
    }
}

impl Vault {
    /// Asks the source; a file is made on the first start.
    ///
    /// # Errors
    /// A file that others can read is refused, as is a source that gives no key.
    pub fn open_or_create(source: MasterKeySource) -> Result<Self, MasterKeyError> {
        let (ring, new) = source.read_or_create()?;
        Ok(Self::with(source, ring, new))
    }

    /// As [`Vault::open_or_create`]; the key of a missing file is made, and kept nowhere.
    pub fn open_or_pretend(source: MasterKeySource) -> Result<Self, MasterKeyError> {
        match source.read() {
            Err(error) if error.is_missing() => Ok(Self::with(source, vec![source::new_key()], true)),
            read => Ok(Self::with(source, read?, false)),
        }
    }

    /// Asks the source.
    ///
    /// # Errors
    /// As [`Vault::open_or_create`]; a missing file is an error too.
    pub fn open(source: MasterKeySource) -> Result<Self, MasterKeyError> {
        let ring = source.read()?;
        Ok(Self::with(source, ring, false))
    }

    fn with(source: MasterKeySource, ring: Vec<MasterKey>, new: bool) -> Self {
        Self {
            source,
            ring: RwLock::new(ring),
            asked: Mutex::new(None),
            new,
        }
    }

    /// Whether the key was made just now: nothing that was sealed before opens with it.
    pub const fn is_new(&self) -> bool {
        self.new
    }

    /// Removes the file that [`Vault::open_or_create`] has made, because it has sealed nothing.
    pub fn take_back(&self) -> Result<(), MasterKeyError> {
        self.source.remove()
    }

    pub const fn source(&self) -> &MasterKeySource {
        &self.source
    }

    /// Puts a new key before those of the file: it wraps from now on, here and in every process that reads the file.
    ///
    /// # Errors
    /// The source is no file, or it cannot be written; nothing has changed then.
    pub fn add_master_key(&self) -> Result<(), MasterKeyError> {
        self.source.add()?;
        self.ask_source()
    }

    /// Leaves the first key alone in the file.
    ///
    /// # Errors
    /// As [`Vault::add_master_key`].
    pub fn drop_old_master_keys(&self) -> Result<(), MasterKeyError> {
        self.source.keep_first()
    }

    /// How many master keys the source gives.
    pub fn master_keys(&self) -> Result<usize, MasterKeyError> {
        Ok(self.source.read()?.len())
    }

    /// Takes over what the source says now. Keys that it gives no longer still open in this process: a data key may be
    /// on its way to the database.
    fn ask_source(&self) -> Result<(), MasterKeyError> {
        let mut fresh = self.source.read()?;
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        for known in ring.drain(..) {
            if !fresh
                .iter()
                .any(|key| key.expose_secret() == known.expose_secret())
            {
                fresh.push(known);
            }
        }
        *ring = fresh;
        Ok(())
    }

    /// As [`Vault::ask_source`], if that can bring anything. Says whether to try again.
    fn may_have_changed(&self) -> bool {
        if !self.source.can_change() {
            return false;
        }
        if !self.source.is_file() {
            let now = SystemClock.now();
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            if asked.is_some_and(|then| now.seconds_since(then) < ASK_AGAIN_SECONDS) {
                return false;
            }
            *asked = Some(now);
        }
        match self.ask_source() {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "the master keys are not read again");
                false
            }
        }
    }

    /// What tokens that are signed, not stored, were signed with before that key stood in the database.
    pub fn first_token_key(&self) -> [u8; 32] {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        // The oldest: a rotation that came first must not sign the users out.
        let oldest = ring.last().map_or([0; KEY_BYTES], |key| *key.expose_secret());
        mac(&oldest, &["server", "web tokens"])
    }

    /// The data key, and whether the first master key wraps it.
    fn unwrap_known(
        &self,
        key: &WrappedKey,
        aad: &str,
    ) -> Result<(SecretBox<[u8; KEY_BYTES]>, bool), VaultError> {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        for (n, master) in ring.iter().enumerate() {
            if let Ok(plain) = open(master.expose_secret(), &format!("key:{aad}"), &key.0) {
                let key: [u8; KEY_BYTES] = plain.try_into().map_err(|_| VaultError::Key)?;
                return Ok((SecretBox::new(Box::new(key)), n == 0));
            }
        }
        Err(VaultError::Key)
    }

    fn unwrap_key(&self, key: &WrappedKey, aad: &str) -> Result<SecretBox<[u8; KEY_BYTES]>, VaultError> {
        match self.unwrap_known(key, aad) {
            Err(VaultError::Key) if self.may_have_changed() => self.unwrap_known(key, aad),
            known => known,
        }
        .map(|(key, _)| key)
    }

    fn wrap(&self, aad: &str, key: &[u8; KEY_BYTES]) -> Result<WrappedKey, VaultError> {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        let master = ring.first().ok_or(VaultError::Key)?;
        seal(master.expose_secret(), &format!("key:{aad}"), key).map(WrappedKey)
    }
}

impl tandem_store::Vault for Vault {
    fn new_data_key(&self, aad: &str) -> Result<WrappedKey, VaultError> {
        // A key that is exchanged wraps nothing new. This is asked once in a connection's life.
        if self.source.is_file()
            && let Err(error) = self.ask_source()
        {
            tracing::error!(%error, "the master keys are not read again");
        }
        let mut key = [0; KEY_BYTES];
        SystemRng.fill(&mut key);
        self.wrap(aad, &key)
    }

    fn rewrap(&self, key: &WrappedKey, aad: &str) -> Result<Option<WrappedKey>, VaultError> {
        let (plain, current) = self.unwrap_known(key, aad)?;
        if current {
            return Ok(None);
        }
        self.wrap(aad, plain.expose_secret()).map(Some)
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
mod tests;
