//! Sign-ins with Microsoft that are through, and wait for the pane that began them.

use std::fmt;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tandem_types::Timestamp;

use crate::db::{json, vals};
use crate::flows::hex;
use crate::{GrantSecret, Store, StoreError};

/// Who has signed in, and what was granted. `Debug` shows no token.
#[derive(Clone)]
pub struct WaitingSignIn {
    pub grant: GrantSecret,
    /// The mailbox's primary address.
    pub address: String,
    /// All its addresses, lower case.
    pub addresses: Vec<String>,
    /// SHA-256 of the web session's token that alone may fetch it; `None`: whoever knows the nonce.
    pub session: Option<[u8; 32]>,
}

impl fmt::Debug for WaitingSignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitingSignIn").finish_non_exhaustive()
    }
}

/// The plain text under the seal.
#[derive(Serialize, Deserialize)]
struct Plain {
    access_token: String,
    refresh_token: String,
    owner: String,
    issued_at: Timestamp,
    expires: Option<Timestamp>,
    address: String,
    addresses: Vec<String>,
    session: Option<[u8; 32]>,
}

impl Drop for Plain {
    fn drop(&mut self) {
        use secrecy::zeroize::Zeroize as _;
        self.access_token.zeroize();
        self.refresh_token.zeroize();
    }
}

fn aad(nonce_hash: &[u8; 32]) -> String {
    format!("sign_ins/{}/sealed", hex(nonce_hash))
}

impl Store {
    /// Keeps a sign-in for the pane whose nonce has this hash; one that waited for it before is gone. `code` is fetched
    /// by script, `digits` are typed; each with its end.
    pub async fn put_sign_in(
        &self,
        nonce_hash: &[u8; 32],
        (code, code_until): (&[u8; 32], Timestamp),
        (digits, digits_until): (&[u8; 32], Timestamp),
        waiting: &WaitingSignIn,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let plain = Plain {
            access_token: waiting.grant.access_token.expose_secret().to_owned(),
            refresh_token: waiting.grant.refresh_token.expose_secret().to_owned(),
            owner: waiting.grant.owner.clone(),
            issued_at: waiting.grant.issued_at,
            expires: waiting.grant.expires,
            address: waiting.address.clone(),
            addresses: waiting.addresses.clone(),
            session: waiting.session,
        };
        let plain = Zeroizing::new(json(&plain)?);
        let key = self.server_key(now).await?;
        let sealed = self.seal(&key, &aad(nonce_hash), plain.as_bytes())?;
        self.db
            .exec(
                "INSERT INTO sign_ins (nonce_hash, code_hash, code_until, digits_hash, digits_until, sealed) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (nonce_hash) DO UPDATE SET code_hash = $2, \
                 code_until = $3, digits_hash = $4, digits_until = $5, sealed = $6",
                vals![nonce_hash, code, code_until, digits, digits_until, sealed],
            )
            .await
            .map(|_| ())
    }

    /// The sign-in, once: for whoever knows the nonce and one of the two codes, in time.
    pub async fn take_sign_in(
        &self,
        nonce_hash: &[u8; 32],
        code: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<WaitingSignIn>, StoreError> {
        let row = self
            .db
            .write_row(
                "DELETE FROM sign_ins WHERE nonce_hash = $1 AND ((code_hash = $2 AND code_until > $3) \
                 OR (digits_hash = $2 AND digits_until > $3)) RETURNING sealed",
                vals![nonce_hash, code, now],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let key = self.server_key(now).await?;
        let plain = self.unseal(&key, &aad(nonce_hash), &row.blob("sealed")?)?;
        let mut plain: Plain = serde_json::from_slice(plain.expose_secret())
            .map_err(|_| StoreError::Corrupt("a sign-in cannot be read".to_owned()))?;
        Ok(Some(WaitingSignIn {
            grant: GrantSecret {
                access_token: SecretString::from(std::mem::take(&mut plain.access_token)),
                refresh_token: SecretString::from(std::mem::take(&mut plain.refresh_token)),
                instance_url: String::new(),
                owner: std::mem::take(&mut plain.owner),
                issued_at: plain.issued_at,
                expires: plain.expires,
                previous_refresh: None,
            },
            address: std::mem::take(&mut plain.address),
            addresses: std::mem::take(&mut plain.addresses),
            session: plain.session,
        }))
    }
}
