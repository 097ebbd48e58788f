use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use tandem_types::{ConnectionId, OrgId, Timestamp, UserId};

use crate::db::vals;
use crate::{Store, StoreError};

/// Wrong nonces that a one-time code survives.
const CODE_TRIES: i64 = 5;

/// A sign-in under way at the provider, found again by the SHA-256 of its `state`.
#[derive(Clone)]
pub struct FlowRow {
    /// SHA-256 of the cookie that binds the flow to the browser that started it.
    pub binding_hash: [u8; 32],
    /// SHA-256 of the pane's nonce.
    pub nonce_hash: [u8; 32],
    /// Sealed in the store.
    pub pkce_verifier: SecretString,
    pub purpose: String,
    pub login_host: String,
    /// The nonce that the identity token must repeat, where there is one.
    pub id_nonce: Option<String>,
    /// Whose page began it, where somebody was signed in.
    pub user_id: Option<UserId>,
    pub created: Timestamp,
    pub expires: Timestamp,
}

impl fmt::Debug for FlowRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlowRow")
            .field("purpose", &self.purpose)
            .field("login_host", &self.login_host)
            .finish_non_exhaustive()
    }
}

/// A one-time code that hands a finished sign-in to the pane.
#[derive(Clone, PartialEq, Eq)]
pub struct CodeRow {
    pub user_id: UserId,
    pub org_id: OrgId,
    /// SHA-256 of the pane's nonce.
    pub nonce_hash: [u8; 32],
    pub expires: Timestamp,
}

impl fmt::Debug for CodeRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeRow")
            .field("user_id", &self.user_id)
            .finish_non_exhaustive()
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn aad(state_hash: &[u8; 32]) -> String {
    format!("flows/{}/verifier", hex(state_hash))
}

impl Store {
    pub async fn put_flow(&self, state_hash: &[u8; 32], flow: &FlowRow) -> Result<(), StoreError> {
        let key = self.server_key(flow.created).await?;
        let verifier = self.seal(
            &key,
            &aad(state_hash),
            flow.pkce_verifier.expose_secret().as_bytes(),
        )?;
        self.db
            .exec(
                "INSERT INTO flows (state_hash, binding_hash, nonce_hash, verifier, purpose, login_host, \
                 created_at, expires_at, id_nonce, user_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                vals![
                    state_hash,
                    &flow.binding_hash,
                    &flow.nonce_hash,
                    verifier,
                    &flow.purpose,
                    &flow.login_host,
                    flow.created,
                    flow.expires,
                    flow.id_nonce.as_deref(),
                    flow.user_id.as_ref().map(UserId::as_str)
                ],
            )
            .await
            .map(|_| ())
    }

    /// The flow, once: whoever asks first has it. `None`: there is none, or it is over.
    pub async fn take_flow(
        &self,
        state_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<FlowRow>, StoreError> {
        let row = self
            .db
            .write_row(
                "DELETE FROM flows WHERE state_hash = $1 RETURNING binding_hash, nonce_hash, verifier, purpose, \
                 login_host, created_at, expires_at, id_nonce, user_id",
                vals![state_hash],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        if row.time("expires_at")? <= now {
            return Ok(None);
        }
        let key = self.server_key(now).await?;
        Ok(Some(FlowRow {
            binding_hash: row.hash("binding_hash")?,
            nonce_hash: row.hash("nonce_hash")?,
            pkce_verifier: self
                .unseal_text(&key, &aad(state_hash), &row.blob("verifier")?)?
                .into(),
            purpose: row.text("purpose")?,
            login_host: row.text("login_host")?,
            id_nonce: row.opt_text("id_nonce")?,
            user_id: row.opt_parsed("user_id")?,
            created: row.time("created_at")?,
            expires: row.time("expires_at")?,
        }))
    }

    pub async fn put_code(&self, code_hash: &[u8; 32], code: &CodeRow) -> Result<(), StoreError> {
        self.db
            .exec(
                "INSERT INTO codes (code_hash, user_id, org_id, nonce_hash, tries, expires_at) \
                 VALUES ($1, $2, $3, $4, 0, $5)",
                vals![
                    code_hash,
                    &code.user_id,
                    &code.org_id,
                    &code.nonce_hash,
                    code.expires
                ],
            )
            .await
            .map(|_| ())
    }

    /// The code's user, once, for the pane whose nonce it was made for. The fifth wrong nonce burns the code.
    pub async fn take_code(
        &self,
        code_hash: &[u8; 32],
        nonce_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<CodeRow>, StoreError> {
        let mut tx = self.db.begin().await?;
        let row = tx
            .row(
                "UPDATE codes SET tries = tries + 1 WHERE code_hash = $1 \
                 RETURNING user_id, org_id, nonce_hash, tries, expires_at",
                vals![code_hash],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let code = CodeRow {
            user_id: row.parsed("user_id")?,
            org_id: row.parsed("org_id")?,
            nonce_hash: row.hash("nonce_hash")?,
            expires: row.time("expires_at")?,
        };
        let over = code.expires <= now;
        let right = code.nonce_hash == *nonce_hash;
        if over || right || row.int("tries")? >= CODE_TRIES {
            tx.exec("DELETE FROM codes WHERE code_hash = $1", vals![code_hash])
                .await?;
        }
        tx.commit().await?;
        Ok((right && !over).then_some(code))
    }

    /// A ticket that opens one stream of events.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: the user has no such connection.
    pub async fn put_ticket(
        &self,
        ticket_hash: &[u8; 32],
        user: &UserId,
        connection: &ConnectionId,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        let written = self
            .db
            .exec(
                "INSERT INTO tickets (ticket_hash, connection_id, org_id, user_id, expires_at) \
                 SELECT $1, id, org_id, user_id, $4 FROM connections WHERE id = $2 AND user_id = $3",
                vals![ticket_hash, connection, user, expires],
            )
            .await?;
        if written == 0 {
            return Err(StoreError::NotFound("connection"));
        }
        Ok(())
    }

    /// Whose stream the ticket opens, once.
    pub async fn take_ticket(
        &self,
        ticket_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<(UserId, ConnectionId)>, StoreError> {
        let row = self
            .db
            .write_row(
                "DELETE FROM tickets WHERE ticket_hash = $1 RETURNING user_id, connection_id, expires_at",
                vals![ticket_hash],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        if row.time("expires_at")? <= now {
            return Ok(None);
        }
        Ok(Some((row.parsed("user_id")?, row.parsed("connection_id")?)))
    }
}
