//! Which key seals what, and what each ciphertext is bound to.

use secrecy::{ExposeSecret as _, SecretSlice};
use tandem_sync::ports::{HashKey, StoreError};
use tandem_types::{ConnectionId, OrgId, Timestamp};

use crate::db::vals;
use crate::{Store, Vault, VaultError, WrappedKey};

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

    /// Seals the grant of an organisation's integration user; deleted with it.
    pub(crate) fn integration(org: &OrgId, wrapped: Vec<u8>) -> Self {
        Self {
            wrapped: WrappedKey(wrapped),
            aad: format!("integrations/{org}/credentials_key"),
        }
    }

    /// Seals what belongs to no connection; keys the audit log.
    pub(crate) fn server(wrapped: Vec<u8>) -> Self {
        Self {
            wrapped: WrappedKey(wrapped),
            aad: SERVER_KEY.to_owned(),
        }
    }

    /// This key under the present master key; `None`: it is already.
    pub(crate) fn rewrapped(&self, vault: &dyn Vault) -> Result<Option<Vec<u8>>, VaultError> {
        Ok(vault.rewrap(&self.wrapped, &self.aad)?.map(|key| key.0))
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

    pub(crate) fn new_integration_key(&self, org: &OrgId) -> Result<DataKey, StoreError> {
        let mut key = DataKey::integration(org, Vec::new());
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
        Ok(DataKey::server(wrapped.0.clone()))
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

    /// Whether anything of ours is sealed in the database; not before its first start.
    pub async fn is_sealed(&self) -> Result<bool, StoreError> {
        let first = |name: &String| name.starts_with("0001");
        if self.migrations().await?.pending.iter().any(first) {
            return Ok(false);
        }
        let key = self
            .db
            .row("SELECT id FROM server_keys LIMIT 1", Vec::new())
            .await?;
        Ok(key.is_some())
    }

    /// What the entries of the audit log are chained with.
    pub(crate) async fn audit_key(&self, now: Timestamp) -> Result<[u8; 32], StoreError> {
        let key = self.server_key(now).await?;
        self.vault
            .derive(&key.wrapped, &key.aad, "audit-chain")
            .map_err(unsealed)
    }

    /// What signs the tokens that are not stored; `first` where there is none yet. It stays the same whatever master key
    /// wraps the data keys.
    pub async fn token_key(&self, first: &[u8; 32], now: Timestamp) -> Result<[u8; 32], StoreError> {
        let key = self.server_key(now).await?;
        let aad = "server_keys/web_tokens/wrapped";
        let sealed = self.seal(&key, aad, first)?;
        self.db
            .exec(
                "INSERT INTO server_keys (id, wrapped, created_at) VALUES ('web_tokens', $1, $2) \
                 ON CONFLICT (id) DO NOTHING",
                vals![sealed, now],
            )
            .await?;
        let row = self
            .db
            .row(
                "SELECT wrapped FROM server_keys WHERE id = 'web_tokens'",
                Vec::new(),
            )
            .await?
            .ok_or(StoreError::NotFound("token key"))?;
        let plain = self.unseal(&key, aad, &row.blob("wrapped")?)?;
        plain
            .expose_secret()
            .try_into()
            .map_err(|_| StoreError::Corrupt("the token key has not 32 bytes".to_owned()))
    }

    pub(crate) fn claim_hash_key(&self, claims: &DataKey) -> Result<HashKey, StoreError> {
        self.vault
            .derive(&claims.wrapped, &claims.aad, "claim-hash")
            .map(HashKey)
            .map_err(unsealed)
    }
}
