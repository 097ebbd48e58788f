//! Which key seals what, and what each ciphertext is bound to.

use secrecy::{ExposeSecret as _, SecretSlice};
use tandem_sync::ports::{HashKey, StoreError};
use tandem_types::{ConnectionId, OrgId, Timestamp};

use crate::db::vals;
use crate::{Store, VaultError, WrappedKey};

/// A wrapped key together with the place that it is bound to.
#[derive(Clone, Debug)]
pub(crate) struct DataKey {
    wrapped: WrappedKey,
    aad: String,
}

impl DataKey {
    /// Seals logins and grants; deleted on deactivation.
    pub(crate) fn credentials(connection: &ConnectionId, wrapped: Vec<u8>) -> Self {
        Self {
            wrapped: WrappedKey(wrapped),
            aad: format!("connections/{connection}/credentials_key"),
        }
    }

    /// Seals the journal and the issues; keys the base hashes.
    pub(crate) fn journal(connection: &ConnectionId, wrapped: Vec<u8>) -> Self {
        Self {
            wrapped: WrappedKey(wrapped),
            aad: format!("connections/{connection}/journal_key"),
        }
    }

    /// Keys the hashes of an organisation's claims.
    pub(crate) fn claims(org: &OrgId, wrapped: Vec<u8>) -> Self {
        Self {
            wrapped: WrappedKey(wrapped),
            aad: format!("orgs/{org}/claims_key"),
        }
    }

    fn server(wrapped: WrappedKey) -> Self {
        Self {
            wrapped,
            aad: SERVER_KEY.to_owned(),
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.wrapped.0
    }
}

const SERVER_KEY: &str = "server_keys/server/wrapped";

fn unsealed(error: VaultError) -> StoreError {
    match error {
        VaultError::Failed => StoreError::Unavailable(error.to_string()),
        VaultError::Key | VaultError::Sealed => StoreError::Corrupt(error.to_string()),
    }
}

impl Store {
    pub(crate) fn new_credentials_key(&self, connection: &ConnectionId) -> Result<DataKey, StoreError> {
        let mut key = DataKey::credentials(connection, Vec::new());
        key.wrapped = self.vault.new_data_key(&key.aad).map_err(unsealed)?;
        Ok(key)
    }

    pub(crate) fn new_journal_key(&self, connection: &ConnectionId) -> Result<DataKey, StoreError> {
        let mut key = DataKey::journal(connection, Vec::new());
        key.wrapped = self.vault.new_data_key(&key.aad).map_err(unsealed)?;
        Ok(key)
    }

    pub(crate) fn new_claims_key(&self, org: &OrgId) -> Result<DataKey, StoreError> {
        let mut key = DataKey::claims(org, Vec::new());
        key.wrapped = self.vault.new_data_key(&key.aad).map_err(unsealed)?;
        Ok(key)
    }

    /// The key for what lives minutes and belongs to no connection; made once, by whoever asks first.
    pub(crate) async fn server_key(&self, now: Timestamp) -> Result<DataKey, StoreError> {
        let wrapped = self
            .server_key
            .get_or_try_init(async || {
                let select = "SELECT wrapped FROM server_keys WHERE id = 'server'";
                if let Some(row) = self.db.row(select, Vec::new()).await? {
                    return row.blob("wrapped").map(WrappedKey);
                }
                let fresh = self.vault.new_data_key(SERVER_KEY).map_err(unsealed)?;
                self.db
                    .exec(
                        "INSERT INTO server_keys (id, wrapped, created_at) VALUES ('server', $1, $2) \
                         ON CONFLICT (id) DO NOTHING",
                        vals![fresh.0, now],
                    )
                    .await?;
                let row = self.db.row(select, Vec::new()).await?;
                row.ok_or(StoreError::NotFound("server key"))?
                    .blob("wrapped")
                    .map(WrappedKey)
            })
            .await?;
        Ok(DataKey::server(wrapped.clone()))
    }

    pub(crate) fn seal(&self, key: &DataKey, aad: &str, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.vault
            .seal(&key.wrapped, &key.aad, aad, plain)
            .map_err(unsealed)
    }

    pub(crate) fn unseal(
        &self,
        key: &DataKey,
        aad: &str,
        sealed: &[u8],
    ) -> Result<SecretSlice<u8>, StoreError> {
        self.vault
            .open(&key.wrapped, &key.aad, aad, sealed)
            .map_err(unsealed)
    }

    pub(crate) fn unseal_text(&self, key: &DataKey, aad: &str, sealed: &[u8]) -> Result<String, StoreError> {
        let plain = self.unseal(key, aad, sealed)?;
        std::str::from_utf8(plain.expose_secret())
            .map(str::to_owned)
            .map_err(|_| StoreError::Corrupt("a sealed text is not UTF-8".to_owned()))
    }

    pub(crate) fn hash_key(&self, journal: &DataKey) -> Result<HashKey, StoreError> {
        self.vault
            .derive(&journal.wrapped, &journal.aad, "base-hash")
            .map(HashKey)
            .map_err(unsealed)
    }

    pub(crate) fn claim_hash_key(&self, claims: &DataKey) -> Result<HashKey, StoreError> {
        self.vault
            .derive(&claims.wrapped, &claims.aad, "claim-hash")
            .map(HashKey)
            .map_err(unsealed)
    }
}
