use std::fmt;

use secrecy::SecretSlice;

/// Seals and opens with data keys that only it can unwrap. Stateless; the wrapped keys live in the store.
///
/// The associated data (`aad`) of a key and of a ciphertext names its table, row and column: what was moved to
/// another place does not open there.
pub trait Vault: Send + Sync {
    /// A new random key, wrapped by the master key and bound to `aad`.
    fn new_data_key(&self, aad: &str) -> Result<WrappedKey, VaultError>;

    /// The same data key under the present master key; `None`: it is already. What it seals and derives stays the same.
    fn rewrap(&self, key: &WrappedKey, aad: &str) -> Result<Option<WrappedKey>, VaultError>;

    /// Encrypts and authenticates `plain`, bound to `aad`. Sealing the same twice gives two ciphertexts.
    fn seal(&self, key: &WrappedKey, key_aad: &str, aad: &str, plain: &[u8]) -> Result<Vec<u8>, VaultError>;

    fn open(
        &self,
        key: &WrappedKey,
        key_aad: &str,
        aad: &str,
        sealed: &[u8],
    ) -> Result<SecretSlice<u8>, VaultError>;

    /// A sub-key for `purpose`: always the same for the same data key, whatever master key wraps it.
    fn derive(&self, key: &WrappedKey, key_aad: &str, purpose: &str) -> Result<[u8; 32], VaultError>;
}

/// A data key as it is stored: ciphertext.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey(pub Vec<u8>);

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey({} bytes)", self.0.len())
    }
}

/// Why something was not sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The master key is another one, or the stored key was moved or damaged.
    #[error("the data key does not unwrap with this master key")]
    Key,
    /// Moved, damaged, or sealed with another key.
    #[error("the sealed value does not open here")]
    Sealed,
    /// The operating system gave no random numbers, or the value is too long.
    #[error("sealing failed")]
    Failed,
}
