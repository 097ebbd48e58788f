use std::fmt;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tandem_types::{ConnectionId, MailboxAccount, Timestamp};

use crate::db::{json, vals};
use crate::rules::{NOTE_CUT, pair_of};
use crate::seal::DataKey;
use crate::{Store, StoreError};

/// What opens the mailbox. `Debug` shows the URL only.
#[derive(Clone)]
pub struct MailboxSecret {
    pub login: String,
    pub password: SecretString,
    /// The endpoint that worked.
    pub ews_url: String,
    /// The connector's own notes, for example the schema version; may be empty.
    pub extra: String,
}

impl fmt::Debug for MailboxSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailboxSecret")
            .field("ews_url", &self.ews_url)
            .finish_non_exhaustive()
    }
}

/// The plain text under the seal.
#[derive(Serialize, Deserialize)]
struct Plain<'a> {
    login: std::borrow::Cow<'a, str>,
    password: std::borrow::Cow<'a, str>,
    ews_url: std::borrow::Cow<'a, str>,
    extra: std::borrow::Cow<'a, str>,
}

fn aad(connection: &ConnectionId) -> String {
    format!("connections/{connection}/credentials")
}

impl Store {
    /// Connects a mailbox whose login has just worked: active, due now, rejections forgotten. The first
    /// session shows its preview. A running session is fenced off.
    ///
    /// With another mailbox than before, both cursors and the first round start anew, and only that mailbox's links
    /// and issues count; those of the old one are kept, and come back with it.
    ///
    /// # Errors
    /// [`StoreError::Taken`]: another connection of the organisation has this mailbox.
    pub async fn activate(
        &self,
        id: &ConnectionId,
        mailbox: MailboxAccount,
        secret: MailboxSecret,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let select = "SELECT credentials_key FROM connections WHERE id = $1";
        let row = tx.row(format!("{select}{}", tx.for_update()), vals![id]).await?;
        let row = row.ok_or(StoreError::NotFound("connection"))?;
        let key = match row.opt_blob("credentials_key")? {
            Some(wrapped) => DataKey::credentials(id, wrapped),
            None => self.new_credentials_key(id)?,
        };
        let plain = Plain {
            login: secret.login.as_str().into(),
            password: secret.password.expose_secret().into(),
            ews_url: secret.ews_url.as_str().into(),
            extra: secret.extra.as_str().into(),
        };
        let plain = Zeroizing::new(json(&plain)?);
        let sealed = self.seal(&key, &aad(id), plain.as_bytes())?;
        // SET sees the row as it was: `pair` is the old one in every CASE.
        tx.exec(
            "UPDATE connections SET state = 'active', \
             reason = CASE WHEN EXISTS (SELECT 1 FROM orgs o WHERE o.id = connections.org_id \
             AND o.stopped_at IS NOT NULL) THEN 'org_brake' END, held_reason = NULL, held_due = NULL, \
             activated_at = CASE WHEN pair = $2 THEN COALESCE(activated_at, $3) ELSE $3 END, \
             last_moved = CASE WHEN pair = $2 THEN last_moved END, \
             backfill = CASE WHEN pair = $2 THEN backfill END, \
             ask_activation = 0, skipped = 0, rejections = 0, failures = 0, due_at = $3, woken = 0, \
             mailbox = $4, mailbox_taken = $2, credentials_key = $5, credentials = $6, \
             mailbox_cursor = CASE WHEN pair = $2 THEN mailbox_cursor END, \
             crm_cursor = CASE WHEN pair = $2 THEN crm_cursor END, \
             last_full = CASE WHEN pair = $2 THEN last_full END, \
             first_round_done = CASE WHEN pair = $2 THEN first_round_done ELSE 0 END, \
             last_success = CASE WHEN pair = $2 THEN last_success END, \
             released = 0, org_pass = 0, preview = NULL, brake = NULL, pair = $2, fence = fence + 1, \
             lease_session = NULL, lease_worker = NULL, lease_until = NULL, lease_state = NULL, \
             updated_at = $3 WHERE id = $1",
            vals![
                id,
                pair_of(&mailbox.address),
                now,
                json(&mailbox)?,
                key.into_bytes(),
                sealed
            ],
        )
        .await
        .map_err(|e| match e {
            StoreError::Taken(_) => StoreError::Taken("mailbox"),
            other => other,
        })?;
        tx.exec(
            "UPDATE sessions SET ended_at = $2, outcome = 'partial', note = $3 \
             WHERE connection_id = $1 AND ended_at IS NULL",
            vals![id, now, NOTE_CUT],
        )
        .await?;
        tx.commit().await
    }

    /// `None`: no mailbox is connected.
    pub async fn mailbox_secret(&self, id: &ConnectionId) -> Result<Option<MailboxSecret>, StoreError> {
        let row = self
            .db
            .row(
                "SELECT credentials_key, credentials FROM connections WHERE id = $1",
                vals![id],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let (Some(wrapped), Some(sealed)) = (row.opt_blob("credentials_key")?, row.opt_blob("credentials")?)
        else {
            return Ok(None);
        };
        let plain = self.unseal(&DataKey::credentials(id, wrapped), &aad(id), &sealed)?;
        let plain: Plain<'_> = serde_json::from_slice(plain.expose_secret())
            .map_err(|_| StoreError::Corrupt("the credentials cannot be read".to_owned()))?;
        Ok(Some(MailboxSecret {
            login: plain.login.into_owned(),
            password: plain.password.into_owned().into(),
            ews_url: plain.ews_url.into_owned(),
            extra: plain.extra.into_owned(),
        }))
    }
}
