use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::Sha256;
use tandem_store::{Vault, VaultError, WrappedKey};

/// Counts instead of drawing random numbers; otherwise as strict as a real one.
#[derive(Debug)]
pub(crate) struct TestVault {
    master: [u8; 32],
    /// Opens, and wraps nothing.
    old: Option<[u8; 32]>,
    next: AtomicU64,
}

impl TestVault {
    pub(crate) fn new(master: u8) -> Arc<Self> {
        Arc::new(Self {
            master: [master; 32],
            old: None,
            next: AtomicU64::new(1),
        })
    }

    /// With the key of another one behind its own.
    pub(crate) fn after(master: u8, old: u8) -> Arc<Self> {
        Arc::new(Self {
            master: [master; 32],
            old: Some([old; 32]),
            next: AtomicU64::new(1),
        })
    }

    fn fresh<const N: usize>(&self) -> [u8; N] {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&self.master).unwrap();
        mac.update(&n.to_be_bytes());
        // Two vaults of one test must not agree by chance of their counters.
        mac.update(&(std::ptr::from_ref(self) as usize).to_be_bytes());
        let digest = mac.finalize().into_bytes();
        std::array::from_fn(|i| digest[i])
    }

    fn encrypt(&self, key: &[u8], aad: &str, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let nonce: [u8; 24] = self.fresh();
        let cipher = XChaCha20Poly1305::new_from_slice(key).map_err(|_| VaultError::Key)?;
        let payload = Payload {
            msg: plain,
            aad: aad.as_bytes(),
        };
        let sealed = cipher
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| VaultError::Failed)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    fn decrypt(key: &[u8], aad: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, msg) = sealed.split_at_checked(24)?;
        let payload = Payload {
            msg,
            aad: aad.as_bytes(),
        };
        XChaCha20Poly1305::new_from_slice(key)
            .ok()?
            .decrypt(XNonce::from_slice(nonce), payload)
            .ok()
    }

    fn unwrap_key(&self, key: &WrappedKey, aad: &str) -> Result<SecretSlice<u8>, VaultError> {
        Self::decrypt(&self.master, aad, &key.0)
            .or_else(|| Self::decrypt(&self.old?, aad, &key.0))
            .map(SecretSlice::from)
            .ok_or(VaultError::Key)
    }
}

impl Vault for TestVault {
    fn new_data_key(&self, aad: &str) -> Result<WrappedKey, VaultError> {
        let key: [u8; 32] = self.fresh();
        self.encrypt(&self.master, aad, &key).map(WrappedKey)
    }

    fn rewrap(&self, key: &WrappedKey, aad: &str) -> Result<Option<WrappedKey>, VaultError> {
        if Self::decrypt(&self.master, aad, &key.0).is_some() {
            return Ok(None);
        }
        let plain = self.unwrap_key(key, aad)?;
        self.encrypt(&self.master, aad, plain.expose_secret())
            .map(WrappedKey)
            .map(Some)
    }

    fn seal(&self, key: &WrappedKey, key_aad: &str, aad: &str, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        self.encrypt(self.unwrap_key(key, key_aad)?.expose_secret(), aad, plain)
    }

    fn open(
        &self,
        key: &WrappedKey,
        key_aad: &str,
        aad: &str,
        sealed: &[u8],
    ) -> Result<SecretSlice<u8>, VaultError> {
        let key = self.unwrap_key(key, key_aad)?;
        Self::decrypt(key.expose_secret(), aad, sealed)
            .map(SecretSlice::from)
            .ok_or(VaultError::Sealed)
    }

    fn derive(&self, key: &WrappedKey, key_aad: &str, purpose: &str) -> Result<[u8; 32], VaultError> {
        let key = self.unwrap_key(key, key_aad)?;
        let mut mac =
            <Hmac<Sha256> as Mac>::new_from_slice(key.expose_secret()).map_err(|_| VaultError::Key)?;
        mac.update(purpose.as_bytes());
        Ok(mac.finalize().into_bytes().into())
    }
}
