use tandem_types::{OrgId, Timestamp, UserId};

use crate::db::vals;
use crate::{Store, StoreError};

/// A web session to be made. The token itself is never stored.
#[derive(Clone, Debug)]
pub struct WebSessionNew {
    /// SHA-256 of the token's bytes.
    pub token_hash: [u8; 32],
    pub user_id: UserId,
    pub org_id: OrgId,
    pub expires: Timestamp,
}

/// Who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSession {
    pub user_id: UserId,
    pub org_id: OrgId,
    pub expires: Timestamp,
    pub created: Timestamp,
}

impl Store {
    pub async fn create_web_session(&self, new: &WebSessionNew, now: Timestamp) -> Result<(), StoreError> {
        self.db
            .exec(
                "INSERT INTO web_sessions (token_hash, user_id, org_id, created_at, touched_at, expires_at) \
                 VALUES ($1, $2, $3, $4, $4, $5)",
                vals![&new.token_hash, &new.user_id, &new.org_id, now, new.expires],
            )
            .await
            .map(|_| ())
    }

    /// `None`: there is none, or it is over.
    pub async fn web_session(
        &self,
        token_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<WebSession>, StoreError> {
        let row = self
            .db
            .row(
                "SELECT user_id, org_id, created_at, expires_at FROM web_sessions \
                 WHERE token_hash = $1 AND expires_at > $2",
                vals![token_hash, now],
            )
            .await?;
        row.map(|row| {
            Ok(WebSession {
                user_id: row.parsed("user_id")?,
                org_id: row.parsed("org_id")?,
                expires: row.time("expires_at")?,
                created: row.time("created_at")?,
            })
        })
        .transpose()
    }

    /// Moves the end of a session that is not over to `expires`; says whether there is one.
    pub async fn touch_web_session(
        &self,
        token_hash: &[u8; 32],
        expires: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .db
            .exec(
                "UPDATE web_sessions SET expires_at = $2, touched_at = $3 \
                 WHERE token_hash = $1 AND expires_at > $3",
                vals![token_hash, expires, now],
            )
            .await?;
        Ok(changed > 0)
    }

    pub async fn delete_web_session(&self, token_hash: &[u8; 32]) -> Result<(), StoreError> {
        self.db
            .exec(
                "DELETE FROM web_sessions WHERE token_hash = $1",
                vals![token_hash],
            )
            .await
            .map(|_| ())
    }

    /// Signs the user out everywhere.
    pub async fn delete_web_sessions_of(&self, user: &UserId) -> Result<(), StoreError> {
        self.db
            .exec("DELETE FROM web_sessions WHERE user_id = $1", vals![user])
            .await
            .map(|_| ())
    }
}
