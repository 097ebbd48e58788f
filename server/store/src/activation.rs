use std::fmt;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tandem_types::{ConnectionId, MailboxAccount, MailboxServer, Timestamp};

use crate::db::{Row, Tx, from_json, json, vals};
use crate::rules::{NOTE_CUT, mail_host, pair_of};
use crate::seal::DataKey;
use crate::{GrantSecret, Provider, Store, StoreError};

/// What opens a mailbox.
#[derive(Clone, Debug)]
pub enum MailboxKey {
    /// Exchange.
    Login(MailboxSecret),
    /// Office 365: kept, and refreshed, as [`Provider::Microsoft`]'s grant.
    Grant(GrantSecret),
}

impl From<MailboxSecret> for MailboxKey {
    fn from(secret: MailboxSecret) -> Self {
        Self::Login(secret)
    }
}

impl From<GrantSecret> for MailboxKey {
    fn from(grant: GrantSecret) -> Self {
        Self::Grant(grant)
    }
}

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
    /// and issues count; those of the old one are kept, and come back with it. The same mailbox on another kind of server
    /// keeps its links: see `carry_over`.
    ///
    /// # Errors
    /// [`StoreError::Taken`]: another connection of the organisation has this mailbox.
    pub async fn activate(
        &self,
        id: &ConnectionId,
        mailbox: MailboxAccount,
        key: impl Into<MailboxKey>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.activate_in(&mut tx, id, &mailbox, &key.into(), now).await?;
        tx.commit().await
    }

    /// Takes the mailbox of one connection over to another, whose sync begins (again) with it; the first is deactivated.
    /// `None`: the first has no mailbox, and nothing was done.
    ///
    /// # Errors
    /// [`StoreError::Taken`]: the other has a mailbox of its own, or a third has this one.
    pub async fn move_mailbox(
        &self,
        from: &ConnectionId,
        to: &ConnectionId,
        now: Timestamp,
    ) -> Result<Option<MailboxAccount>, StoreError> {
        let mut tx = self.db.begin().await?;
        // In one order, however many move at once.
        let select = "SELECT id FROM connections WHERE id IN ($1, $2) ORDER BY id";
        tx.rows(format!("{select}{}", tx.for_update()), vals![from, to])
            .await?;
        let other = tx
            .row("SELECT mailbox FROM connections WHERE id = $1", vals![to])
            .await?
            .ok_or(StoreError::NotFound("connection"))?;
        let select = "SELECT mailbox, credentials_key, credentials FROM connections WHERE id = $1";
        let row = tx.row(select, vals![from]).await?;
        let row = row.ok_or(StoreError::NotFound("connection"))?;
        let Some(account) = row.opt_json::<MailboxAccount>("mailbox")? else {
            return Ok(None);
        };
        if other.opt_text("mailbox")?.is_some() {
            return Err(StoreError::Taken("mailbox"));
        }
        let key = match account.server {
            MailboxServer::Exchange => self.open_login(from, &row)?.map(MailboxKey::Login),
            MailboxServer::Office365 => {
                let grant = self.grant_in(&mut tx, from, Provider::Microsoft).await?;
                grant.map(|(grant, _)| MailboxKey::Grant(grant))
            }
        };
        let key = key.ok_or(StoreError::NotFound("mailbox login"))?;
        self.deactivate_in(&mut tx, from, now).await?;
        self.activate_in(&mut tx, to, &account, &key, now).await?;
        tx.commit().await?;
        Ok(Some(account))
    }

    async fn activate_in(
        &self,
        tx: &mut Tx,
        id: &ConnectionId,
        mailbox: &MailboxAccount,
        secret: &MailboxKey,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let select = "SELECT credentials_key FROM connections WHERE id = $1";
        let row = tx.row(format!("{select}{}", tx.for_update()), vals![id]).await?;
        let row = row.ok_or(StoreError::NotFound("connection"))?;
        let key = match row.opt_blob("credentials_key")? {
            Some(wrapped) => DataKey::credentials(id, wrapped),
            None => self.new_credentials_key(id)?,
        };
        let sealed = match secret {
            MailboxKey::Login(secret) => Some(self.seal_login(&key, id, secret)?),
            MailboxKey::Grant(_) => None,
        };
        let pair = pair_of(&mailbox.address);
        let carried = carry_over(tx, id, &pair, mailbox.server).await?;
        // SET sees the row as it was: `pair` is the old one in every CASE. `$7`: the ids are another server's.
        tx.exec(
            "UPDATE connections SET state = 'active', \
             reason = CASE WHEN EXISTS (SELECT 1 FROM orgs o WHERE o.id = connections.org_id \
             AND o.stopped_at IS NOT NULL) THEN 'org_brake' END, held_reason = NULL, held_due = NULL, \
             activated_at = CASE WHEN pair = $2 THEN COALESCE(activated_at, $3) ELSE $3 END, \
             last_moved = CASE WHEN pair = $2 THEN last_moved END, \
             backfill = CASE WHEN pair = $2 AND $7 = 0 THEN backfill END, \
             ask_activation = 0, skipped = 0, rejections = 0, failures = 0, due_at = $3, woken = 0, \
             mailbox = $4, mailbox_taken = $2, mail_host = $8, credentials_key = $5, credentials = $6, \
             mailbox_cursor = CASE WHEN pair = $2 AND $7 = 0 THEN mailbox_cursor END, \
             crm_cursor = CASE WHEN pair = $2 THEN crm_cursor END, \
             last_full = CASE WHEN pair = $2 AND $7 = 1 AND last_full IS NOT NULL THEN 0 \
             WHEN pair = $2 THEN last_full END, \
             first_round_done = CASE WHEN pair = $2 THEN first_round_done ELSE 0 END, \
             last_success = CASE WHEN pair = $2 THEN last_success END, \
             released = 0, org_pass = 0, preview = NULL, brake = NULL, pair = $2, fence = fence + 1, clearing = 0, \
             lease_session = NULL, lease_worker = NULL, lease_until = NULL, lease_state = NULL, \
             updated_at = $3 WHERE id = $1",
            vals![
                id,
                &pair,
                now,
                json(mailbox)?,
                key.clone().into_bytes(),
                sealed,
                carried,
                mail_host(mailbox)
            ],
        )
        .await
        .map_err(|e| match e {
            StoreError::Taken(_) => StoreError::Taken("mailbox"),
            other => other,
        })?;
        match secret {
            MailboxKey::Login(_) => {
                tx.exec(
                    "DELETE FROM grants WHERE connection_id = $1 AND provider = $2",
                    vals![id, Provider::Microsoft.as_str()],
                )
                .await?;
            }
            MailboxKey::Grant(grant) => {
                self.put_in(tx, &key, id, Provider::Microsoft, grant, now).await?;
            }
        }
        tx.exec(
            "UPDATE sessions SET ended_at = $2, outcome = 'partial', note = $3 \
             WHERE connection_id = $1 AND ended_at IS NULL",
            vals![id, now, NOTE_CUT],
        )
        .await?;
        Ok(())
    }

    /// `None`: no mailbox is connected, or one of Office 365.
    pub async fn mailbox_secret(&self, id: &ConnectionId) -> Result<Option<MailboxSecret>, StoreError> {
        let row = self
            .db
            .row(
                "SELECT credentials_key, credentials FROM connections WHERE id = $1",
                vals![id],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        self.open_login(id, &row)
    }

    fn seal_login(
        &self,
        key: &DataKey,
        id: &ConnectionId,
        secret: &MailboxSecret,
    ) -> Result<Vec<u8>, StoreError> {
        let plain = Plain {
            login: secret.login.as_str().into(),
            password: secret.password.expose_secret().into(),
            ews_url: secret.ews_url.as_str().into(),
            extra: secret.extra.as_str().into(),
        };
        let plain = Zeroizing::new(json(&plain)?);
        self.seal(key, &aad(id), plain.as_bytes())
    }

    fn open_login(&self, id: &ConnectionId, row: &Row) -> Result<Option<MailboxSecret>, StoreError> {
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

const fn word(server: MailboxServer) -> &'static str {
    match server {
        MailboxServer::Exchange => "exchange",
        MailboxServer::Office365 => "office365",
    }
}

/// A mailbox that moves to another kind of server keeps its address and its items, and gives each a new id. Its links
/// stay, with the old ids: the next session lists both sides in full and finds the items by the link's key and by what
/// they hold. Until then not finding one proves nothing, so no delete follows from the move. Whether that is so here.
async fn carry_over(
    tx: &mut Tx,
    id: &ConnectionId,
    pair: &str,
    server: MailboxServer,
) -> Result<bool, StoreError> {
    let known = tx
        .row(
            "SELECT server FROM mailboxes WHERE connection_id = $1 AND pair = $2",
            vals![id, pair],
        )
        .await?
        .map(|row| row.text("server"))
        .transpose()?;
    // What is older than the table was Exchange.
    let carried = known.as_deref().unwrap_or(word(MailboxServer::Exchange)) != word(server);
    tx.exec(
        "INSERT INTO mailboxes (connection_id, pair, org_id, user_id, server) \
         SELECT id, $2, org_id, user_id, $3 FROM connections WHERE id = $1 \
         ON CONFLICT (connection_id, pair) DO UPDATE SET server = $3",
        vals![id, pair, word(server)],
    )
    .await?;
    if !carried {
        return Ok(false);
    }
    let rows = tx
        .rows(
            "SELECT id, traits FROM links WHERE connection_id = $1 AND pair = $2 AND mailbox_id IS NOT NULL",
            vals![id, pair],
        )
        .await?;
    for row in rows {
        let mut traits: tandem_sync::Traits = from_json(&row.text("traits")?, "traits")?;
        if traits.keyless {
            continue;
        }
        traits.keyless = true;
        tx.exec(
            "UPDATE links SET traits = $3 WHERE connection_id = $1 AND id = $2",
            vals![id, row.text("id")?, json(&traits)?],
        )
        .await?;
    }
    Ok(true)
}
