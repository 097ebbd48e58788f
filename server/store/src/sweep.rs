use tandem_types::{ConnectionId, Timestamp};

use crate::db::{Tx, vals};
use crate::seal::DataKey;
use crate::trials::TRIALS_SECONDS;
use crate::{Store, StoreError, integration};

const DAY: i64 = 86_400;
/// What no session could carry out by then is not wanted any more.
const ORDERS_DAYS: i64 = 7;
/// Connections that are forgotten in one sweep; the next goes on.
const FORGET: u32 = 200;

/// How long what is over is kept, in days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Old values, sealed: as long an undo is possible.
    pub journal: u32,
    /// What sessions did, in numbers.
    pub sessions: u32,
    pub audit: u32,
    /// After a deactivation: journal, issues and links, and the key that sealed and hashed them.
    pub deactivated: u32,
    /// The sign-in or the mailbox has ended, and nobody has come back: then it is deactivated.
    pub unused: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            journal: 30,
            sessions: 90,
            audit: 400,
            deactivated: 30,
            unused: 30,
        }
    }
}

/// What a sweep deleted, in rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Flows, codes, tickets, web sessions, trials that are over.
    pub expired: u64,
    pub sessions: u64,
    pub journal: u64,
    pub audit: u64,
    /// Deactivated connections whose second key was shredded.
    pub forgotten: u64,
    /// Connections of those who have left, deactivated.
    pub left: u64,
}

fn before(now: Timestamp, days: u32) -> Timestamp {
    now.plus_seconds(-i64::from(days) * DAY)
}

impl Store {
    /// Deletes what is over: sign-ins, codes, tickets, web sessions, trials; and what has been kept for long enough.
    /// Safe at any time, in any process.
    pub async fn sweep(&self, keep: &Retention, now: Timestamp) -> Result<Swept, StoreError> {
        let mut swept = Swept::default();
        for sql in [
            "DELETE FROM flows WHERE expires_at <= $1",
            "DELETE FROM codes WHERE expires_at <= $1",
            "DELETE FROM sign_ins WHERE digits_until <= $1",
            "DELETE FROM tickets WHERE expires_at <= $1",
            "DELETE FROM web_sessions WHERE expires_at <= $1",
        ] {
            swept.expired += self.db.exec(sql, vals![now]).await?;
        }
        swept.expired += self
            .db
            .exec(
                "DELETE FROM trials WHERE updated_at <= $1",
                vals![now.plus_seconds(-TRIALS_SECONDS)],
            )
            .await?;
        swept.expired += self
            .db
            .exec(
                "DELETE FROM orders WHERE at <= $1",
                vals![now.plus_seconds(-ORDERS_DAYS * DAY)],
            )
            .await?;
        swept.sessions = self
            .db
            .exec(
                "DELETE FROM sessions WHERE started_at < $1 AND ended_at IS NOT NULL",
                vals![before(now, keep.sessions)],
            )
            .await?;
        swept.journal = self
            .db
            .exec(
                "DELETE FROM journal WHERE at < $1",
                vals![before(now, keep.journal)],
            )
            .await?;
        swept.audit = self.sweep_audit(before(now, keep.audit), now).await?;
        let over = self
            .db
            .rows(
                "SELECT id FROM connections WHERE state = 'deactivated' AND pair <> '' AND updated_at < $1 \
                 ORDER BY updated_at LIMIT $2",
                vals![before(now, keep.deactivated), FORGET],
            )
            .await?;
        for row in &over {
            let id = row.parsed("id")?;
            if self.forget(&id, before(now, keep.deactivated), now).await? {
                swept.forgotten += 1;
            }
        }
        swept.left = self.leavers(before(now, keep.unused), now).await?;
        self.db.settle().await?;
        Ok(swept)
    }

    /// Deactivates those that have waited for a sign-in since `before`: what opened the accounts is shredded. Whoever comes
    /// back sets the sync up again, and finds the pairs.
    async fn leavers(&self, before: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT id, org_id, user_id FROM connections WHERE state = 'needs_activation' AND updated_at < $1 \
                 ORDER BY updated_at LIMIT $2",
                vals![before, FORGET],
            )
            .await?;
        let mut left = 0;
        for row in &rows {
            let (id, org, user) = (row.parsed("id")?, row.parsed("org_id")?, row.parsed("user_id")?);
            let mut tx = self.db.begin().await?;
            if !stands_since(&mut tx, &id, "needs_activation", before).await? {
                continue;
            }
            self.deactivate_in(&mut tx, &id, now).await?;
            integration::drop_unused(&mut tx, &org).await?;
            tx.commit().await?;
            self.audit(&org, &user, "deactivated", "nobody came back", now)
                .await?;
            left += 1;
        }
        Ok(left)
    }

    /// Shreds the second key of a connection that was deactivated before `before`, with all that it sealed and hashed:
    /// a later activation begins as the first one did.
    async fn forget(&self, id: &ConnectionId, before: Timestamp, now: Timestamp) -> Result<bool, StoreError> {
        let fresh = self.new_journal_key(id)?;
        let mut tx = self.db.begin().await?;
        if !stands_since(&mut tx, id, "deactivated", before).await? {
            return Ok(false);
        }
        begin_anew(&mut tx, id, fresh, now).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Whether it is in that state, untouched since `before`: else somebody has activated it again meanwhile. Locks it.
async fn stands_since(
    tx: &mut Tx,
    id: &ConnectionId,
    state: &str,
    before: Timestamp,
) -> Result<bool, StoreError> {
    let select = "SELECT id FROM connections WHERE id = $1 AND state = $2 AND updated_at < $3";
    let row = tx
        .row(format!("{select}{}", tx.for_update()), vals![id, state, before])
        .await?;
    Ok(row.is_some())
}

/// Takes a fresh second key, and with the old one all that it sealed and hashed.
pub(crate) async fn begin_anew(
    tx: &mut Tx,
    id: &ConnectionId,
    fresh: DataKey,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.exec(
        "UPDATE connections SET journal_key = $2, pair = '', mailbox_cursor = NULL, crm_cursor = NULL, \
         last_full = NULL, first_round_done = 0, last_success = NULL, last_moved = NULL, backfill = NULL, \
         activated_at = NULL, fence = fence + 1, updated_at = $3 WHERE id = $1",
        vals![id, fresh.into_bytes(), now],
    )
    .await?;
    for sql in [
        "DELETE FROM journal WHERE connection_id = $1",
        "DELETE FROM issues WHERE connection_id = $1",
        "DELETE FROM orders WHERE connection_id = $1",
        "DELETE FROM links WHERE connection_id = $1",
        "DELETE FROM mailboxes WHERE connection_id = $1",
    ] {
        tx.exec(sql, vals![id]).await?;
    }
    Ok(())
}
