use tandem_sync::ports::Backfill;
use tandem_types::{
    BrakeView, ConnectionId, MailboxAccount, OrgId, PreviewView, SessionId, Settings, StateReason, SyncState,
    Timestamp, UserId,
};

use crate::db::{Row, Tx, vals};
use crate::rules::NOTE_CUT;
use crate::{Store, StoreError, claims, integration, quota, settings};

/// A connection as it stands, without its secrets.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts of one row, no state machine"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionRow {
    pub id: ConnectionId,
    pub org_id: OrgId,
    pub user_id: UserId,
    pub state: SyncState,
    pub reason: Option<StateReason>,
    /// The activation dialog is to open by itself.
    pub ask_activation: bool,
    /// The user chose *Skip*.
    pub skipped: bool,
    /// Sessions refused by the mail server in a row.
    pub rejections: u32,
    /// Other failures in a row.
    pub failures: u32,
    pub settings: Settings,
    /// `None`: no mailbox is connected (never, or deactivated).
    pub mailbox: Option<MailboxAccount>,
    pub next_due: Option<Timestamp>,
    /// The end of the last session that both servers accepted.
    pub last_success: Option<Timestamp>,
    /// Live links of the present pair.
    pub links: u32,
    pub first_round_done: bool,
    pub released: bool,
    pub preview: Option<PreviewView>,
    pub brake: Option<BrakeView>,
    /// The session that holds the lease; it runs if `lease_until` has not passed.
    pub running: Option<SessionId>,
    pub lease_until: Option<Timestamp>,
    pub created: Timestamp,
    /// When the present mailbox was first activated.
    pub activated: Option<Timestamp>,
    /// When something was carried over last.
    pub last_moved: Option<Timestamp>,
    /// The last back-fill, under way or finished.
    pub backfill: Option<Backfill>,
    /// It is to be deactivated once what Tandem made in the mailbox is taken out of it: see [`Store::ask_clearing`].
    pub clearing: bool,
    /// The mail server whose load its sessions add to, as it was last noted; empty: none, or not noted yet.
    pub mail_host: String,
    /// The organisation's API calls are used up, or the reserve is reached: nothing of it comes due before. May have passed.
    pub org_held: Option<Timestamp>,
    /// The organisation has an integration user, who may ask for all: see [`Store::told`].
    pub integrated: bool,
}

impl ConnectionRow {
    /// The session that is running at `now`.
    pub fn running_at(&self, now: Timestamp) -> Option<&SessionId> {
        self.running
            .as_ref()
            .filter(|_| self.lease_until.is_some_and(|until| until > now))
    }

    /// What a user is told: why it does not sync at `now`.
    pub fn reason_at(&self, now: Timestamp) -> Option<StateReason> {
        quota::reason_at(self.state, self.reason, self.org_held, now)
    }

    /// What a user is told: when it syncs next.
    pub fn due_at(&self, now: Timestamp) -> Option<Timestamp> {
        quota::due_at(self.next_due, self.org_held, now)
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.parsed("id")?,
            org_id: row.parsed("org_id")?,
            user_id: row.parsed("user_id")?,
            state: row.word("state", SyncState::parse)?,
            reason: row.opt_word("reason", StateReason::parse)?,
            ask_activation: row.flag("ask_activation")?,
            skipped: row.flag("skipped")?,
            rejections: row.count("rejections")?,
            failures: row.count("failures")?,
            settings: settings::resolved(&row.text("org_settings")?, &row.text("settings")?)?,
            mailbox: row.opt_json("mailbox")?,
            next_due: row.opt_time("due_at")?,
            last_success: row.opt_time("last_success")?,
            links: row.count("links")?,
            first_round_done: row.flag("first_round_done")?,
            released: row.flag("released")?,
            preview: row.opt_json("preview")?,
            brake: row.opt_json("brake")?,
            running: row.opt_parsed("lease_session")?,
            lease_until: row.opt_time("lease_until")?,
            created: row.time("created_at")?,
            activated: row.opt_time("activated_at")?,
            last_moved: row.opt_time("last_moved")?,
            backfill: row.opt_json("backfill")?,
            clearing: row.flag("clearing")?,
            mail_host: row.text("mail_host")?,
            org_held: row.opt_time("org_held")?,
            integrated: row.flag("integrated")?,
        })
    }
}

/// Follows `SELECT`: the columns of a [`ConnectionRow`].
macro_rules! select_connection {
    ($rest:literal) => {
        concat!(
            "SELECT c.id, c.org_id, c.user_id, c.state, c.reason, c.ask_activation, c.skipped, c.rejections, \
             c.failures, c.settings, c.mailbox, c.due_at, c.last_success, c.first_round_done, c.released, \
             c.preview, c.brake, c.lease_session, c.lease_until, c.created_at, c.activated_at, \
             c.last_moved, c.backfill, c.clearing, c.mail_host, \
             (SELECT o.held_until FROM orgs o WHERE o.id = c.org_id) AS org_held, \
             (SELECT o.settings FROM orgs o WHERE o.id = c.org_id) AS org_settings, \
             (SELECT COUNT(*) FROM integrations i WHERE i.org_id = c.org_id) AS integrated, \
             (SELECT COUNT(*) FROM links l WHERE l.connection_id = c.id AND l.org_id = c.org_id \
             AND l.pair = c.pair AND l.state = 'live') AS links FROM connections c ",
            $rest
        )
    };
}

impl Store {
    /// The user's connection, if there is one.
    pub async fn connection_of(&self, user: &UserId) -> Result<Option<ConnectionRow>, StoreError> {
        let row = self
            .db
            .row(select_connection!("WHERE c.user_id = $1"), vals![user])
            .await?;
        row.as_ref().map(ConnectionRow::read).transpose()
    }

    pub async fn connection(&self, id: &ConnectionId) -> Result<Option<ConnectionRow>, StoreError> {
        let row = self
            .db
            .row(select_connection!("WHERE c.id = $1"), vals![id])
            .await?;
        row.as_ref().map(ConnectionRow::read).transpose()
    }

    /// Connections in the order in which they were made, of one organisation or of all.
    pub async fn connections(
        &self,
        org: Option<&OrgId>,
        limit: u32,
    ) -> Result<Vec<ConnectionRow>, StoreError> {
        let rows = match org {
            Some(org) => {
                self.db
                    .rows(
                        select_connection!("WHERE c.org_id = $1 ORDER BY c.created_at, c.id LIMIT $2"),
                        vals![org, limit],
                    )
                    .await?
            }
            None => {
                self.db
                    .rows(
                        select_connection!("ORDER BY c.created_at, c.id LIMIT $1"),
                        vals![limit],
                    )
                    .await?
            }
        };
        rows.iter().map(ConnectionRow::read).collect()
    }

    /// The user's connection; made with `new_id` and both data keys, not activated, if there is none. Two calls at
    /// once get the same one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: the user is not known.
    pub async fn ensure_connection(
        &self,
        user: &UserId,
        new_id: ConnectionId,
        now: Timestamp,
    ) -> Result<ConnectionRow, StoreError> {
        if let Some(row) = self.connection_of(user).await? {
            return Ok(row);
        }
        self.db
            .exec(
                "INSERT INTO connections (id, org_id, user_id, state, ask_activation, skipped, rejections, \
                 failures, settings, pair, woken, fence, first_round_done, released, credentials_key, \
                 journal_key, created_at, updated_at) \
                 SELECT $1, org_id, id, 'not_activated', 1, 0, 0, 0, $3, '', 0, 0, 0, 0, $4, $5, $6, $6 \
                 FROM users WHERE id = $2 \
                 ON CONFLICT (user_id) DO NOTHING",
                vals![
                    &new_id,
                    user,
                    settings::NONE,
                    self.new_credentials_key(&new_id)?.into_bytes(),
                    self.new_journal_key(&new_id)?.into_bytes(),
                    now
                ],
            )
            .await?;
        self.connection_of(user)
            .await?
            .ok_or(StoreError::NotFound("user"))
    }

    /// The user chose *Skip* in the activation dialog.
    pub async fn skip_activation(&self, id: &ConnectionId, now: Timestamp) -> Result<(), StoreError> {
        let changed = self
            .db
            .exec(
                "UPDATE connections SET ask_activation = 0, skipped = 1, updated_at = $2 WHERE id = $1",
                vals![id, now],
            )
            .await?;
        if changed == 0 {
            return Err(StoreError::NotFound("connection"));
        }
        Ok(())
    }

    /// Moves the connection to `to` if it is in one of `from`; says whether it did. A session that is running keeps
    /// its lease, and what is set here stands when it closes. To `needs_activation` asks for the dialog. What a session
    /// has asked the user (preview, brake) is not asked any longer: the next session asks anew.
    pub async fn set_state(
        &self,
        id: &ConnectionId,
        from: &[SyncState],
        to: SyncState,
        reason: Option<StateReason>,
        due: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if from.is_empty() {
            return Ok(false);
        }
        // What would go on under the organisation's brake waits for its end.
        let mut sql = "UPDATE connections SET state = $2, \
             reason = CASE WHEN $2 = 'active' AND EXISTS (SELECT 1 FROM orgs o WHERE o.id = connections.org_id \
             AND o.stopped_at IS NOT NULL) THEN 'org_brake' ELSE $3 END, \
             held_reason = CASE WHEN $2 = 'active' AND EXISTS (SELECT 1 FROM orgs o \
             WHERE o.id = connections.org_id AND o.stopped_at IS NOT NULL) THEN $3 END, held_due = NULL, \
             preview = NULL, brake = NULL, due_at = $4, \
             woken = CASE WHEN $4 IS NOT NULL AND lease_session IS NOT NULL THEN 1 ELSE woken END, \
             ask_activation = CASE WHEN $2 = 'needs_activation' THEN 1 ELSE ask_activation END, \
             updated_at = $5 WHERE id = $1 AND state IN ("
            .to_owned();
        let mut values = vals![id, to.as_str(), reason.map(StateReason::as_str), due, now];
        for (n, state) in from.iter().enumerate() {
            sql.push_str(if n == 0 { "$" } else { ", $" });
            sql.push_str(&(values.len() + 1).to_string());
            values.push(state.as_str().into());
        }
        sql.push(')');
        Ok(self.db.exec(sql, values).await? > 0)
    }

    /// The user answered the preview or the brake with *go on*: the next round is let through, and is due now.
    pub async fn release(&self, id: &ConnectionId, now: Timestamp) -> Result<bool, StoreError> {
        let changed = self
            .db
            .exec(
                "UPDATE connections SET released = 1, due_at = $2, \
                 woken = CASE WHEN lease_session IS NOT NULL THEN 1 ELSE woken END, \
                 reason = CASE WHEN reason IN ('stopped_by_brake', 'waiting_for_preview') THEN NULL ELSE reason END, \
                 held_reason = CASE WHEN held_reason IN ('stopped_by_brake', 'waiting_for_preview') THEN NULL \
                 ELSE held_reason END, \
                 preview = NULL, brake = NULL, updated_at = $2 \
                 WHERE id = $1 AND state NOT IN ('deactivated', 'not_activated')",
                vals![id, now],
            )
            .await?;
        Ok(changed > 0)
    }

    /// Makes the connection due now; also if a session is running, when that one has closed.
    pub async fn wake(&self, id: &ConnectionId, now: Timestamp) -> Result<bool, StoreError> {
        let changed = self
            .db
            .exec(
                "UPDATE connections SET due_at = $2, \
                 woken = CASE WHEN lease_session IS NOT NULL THEN 1 ELSE woken END \
                 WHERE id = $1 AND state NOT IN ('deactivated', 'not_activated')",
                vals![id, now],
            )
            .await?;
        Ok(changed > 0)
    }

    /// The user deactivates the sync, and wants what Tandem made in the mailbox taken out of it before: the next sessions,
    /// from now on, do that and nothing else. A pause ends. `false`: it is in no state in which a session could.
    pub async fn ask_clearing(&self, id: &ConnectionId, now: Timestamp) -> Result<bool, StoreError> {
        let changed = self
            .db
            .exec(
                "UPDATE connections SET clearing = 1, state = 'active', due_at = $2, \
                 woken = CASE WHEN lease_session IS NOT NULL THEN 1 ELSE woken END, \
                 updated_at = $2 WHERE id = $1 AND state IN ('active', 'paused')",
                vals![id, now],
            )
            .await?;
        Ok(changed > 0)
    }

    /// The user keeps the sync: what was taken out comes back with the next session, which is due now.
    pub async fn end_clearing(&self, id: &ConnectionId, now: Timestamp) -> Result<bool, StoreError> {
        let changed = self
            .db
            .exec(
                "UPDATE connections SET clearing = 0, due_at = $2, \
                 last_full = CASE WHEN last_full IS NULL THEN last_full ELSE 0 END, \
                 woken = CASE WHEN lease_session IS NOT NULL THEN 1 ELSE woken END, \
                 updated_at = $2 WHERE id = $1 AND clearing = 1",
                vals![id, now],
            )
            .await?;
        Ok(changed > 0)
    }

    /// Ends the sync: the credentials' key, the credentials and the grant are deleted, a running session is fenced
    /// off, the mailbox is free for another user, and so is what it claimed and did not make. With the last of an
    /// organisation goes the grant of its integration user. Links, issues and journal
    /// stay. Of what was taken out of the mailbox before, the next activation lists both sides in full, and makes it anew.
    pub async fn deactivate(&self, id: &ConnectionId, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.deactivate_in(&mut tx, id, now).await?;
        let row = tx
            .row("SELECT org_id FROM connections WHERE id = $1", vals![id])
            .await?;
        let org: OrgId = row.ok_or(StoreError::NotFound("connection"))?.parsed("org_id")?;
        integration::drop_unused(&mut tx, &org).await?;
        tx.commit().await
    }

    pub(crate) async fn deactivate_in(
        &self,
        tx: &mut Tx,
        id: &ConnectionId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let changed = tx
            .exec(
                "UPDATE connections SET state = 'deactivated', reason = NULL, due_at = NULL, woken = 0, \
                 ask_activation = 0, skipped = 0, rejections = 0, failures = 0, released = 0, org_pass = 0, \
                 preview = NULL, brake = NULL, mailbox = NULL, mailbox_taken = NULL, \
                 credentials_key = NULL, credentials = NULL, fence = fence + 1, \
                 held_reason = NULL, held_due = NULL, \
                 last_full = CASE WHEN clearing = 1 AND last_full IS NOT NULL THEN 0 ELSE last_full END, \
                 clearing = 0, \
                 lease_session = NULL, lease_worker = NULL, lease_until = NULL, lease_state = NULL, \
                 updated_at = $2 WHERE id = $1",
                vals![id, now],
            )
            .await?;
        if changed == 0 {
            return Err(StoreError::NotFound("connection"));
        }
        tx.exec("DELETE FROM grants WHERE connection_id = $1", vals![id])
            .await?;
        tx.exec(
            "UPDATE sessions SET ended_at = $2, outcome = 'partial', note = $3 \
             WHERE connection_id = $1 AND ended_at IS NULL",
            vals![id, now, NOTE_CUT],
        )
        .await?;
        claims::give_up(tx, id).await
    }

    /// The next session lists both sides in full, as it does once a day; a first round that is going on goes on.
    pub async fn request_full_round(&self, id: &ConnectionId, now: Timestamp) -> Result<(), StoreError> {
        let changed = self
            .db
            .exec(
                "UPDATE connections SET last_full = CASE WHEN last_full IS NULL THEN last_full ELSE 0 END, \
                 updated_at = $2 WHERE id = $1",
                vals![id, now],
            )
            .await?;
        if changed == 0 {
            return Err(StoreError::NotFound("connection"));
        }
        Ok(())
    }
}
