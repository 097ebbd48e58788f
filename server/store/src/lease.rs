//! Claims, leases, and what a session starts from and ends with.

use std::time::Duration;

use async_trait::async_trait;
use tandem_sync::Link;
use tandem_sync::model::Cursor;
use tandem_sync::ports::{self, Closing, Commit, Lease, LinkAsk, Opening, Pick};
use tandem_types::{SessionId, StateReason, SyncState, Timestamp};

use crate::db::{Tx, json, vals};
use crate::rules::{NOTE_EXPIRED, Standing, succeeded};
use crate::seal::DataKey;
use crate::{Store, StoreError};

pub(crate) fn until(now: Timestamp, ttl: Duration) -> Timestamp {
    Timestamp(
        now.0
            .saturating_add(i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX)),
    )
}

/// `id`, `org_id`, `user_id`, `fence` and `lease_session` as `$1` to `$5`: what every statement under a lease asks for.
pub(crate) const HELD: &str =
    "id = $1 AND org_id = $2 AND user_id = $3 AND fence = $4 AND lease_session = $5";

/// The values for [`HELD`], and more after them.
macro_rules! held {
    ($lease:expr $(, $more:expr)* $(,)?) => {
        $crate::db::vals![
            &$lease.connection, &$lease.org, &$lease.user, $lease.fence, &$lease.session $(, $more)*
        ]
    };
}
pub(crate) use held;

const DUE: &str = "FROM connections WHERE state = 'active' AND due_at <= $1 \
     AND (lease_until IS NULL OR lease_until <= $1)";

impl Store {
    async fn pick(tx: &mut Tx, pick: &Pick, now: Timestamp) -> Result<Option<crate::db::Row>, StoreError> {
        match pick {
            Pick::Due => {
                let sql = format!(
                    "SELECT id, org_id, user_id {DUE} ORDER BY due_at, id LIMIT 1{}",
                    tx.skip_locked()
                );
                tx.row(sql, vals![now]).await
            }
            Pick::This(id) => {
                let sql = format!(
                    "SELECT id, org_id, user_id FROM connections WHERE id = $2 \
                     AND state NOT IN ('deactivated', 'not_activated') \
                     AND (lease_until IS NULL OR lease_until <= $1){}",
                    tx.for_update()
                );
                tx.row(sql, vals![now, id]).await
            }
        }
    }
}

#[async_trait]
impl ports::Store for Store {
    async fn claim(
        &self,
        pick: &Pick,
        worker: &str,
        session: SessionId,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        // An idle worker asks often: only a reader's question then, no write lock.
        if *pick == Pick::Due
            && self
                .db
                .row(format!("SELECT id {DUE} LIMIT 1"), vals![now])
                .await?
                .is_none()
        {
            return Ok(None);
        }
        let mut tx = self.db.begin().await?;
        let Some(found) = Self::pick(&mut tx, pick, now).await? else {
            return Ok(None);
        };
        let id = found.parsed("id")?;
        let until = until(now, ttl);
        let claimed = tx
            .row(
                "UPDATE connections SET fence = fence + 1, lease_session = $2, lease_worker = $3, \
                 lease_until = $4, lease_state = state, woken = 0 WHERE id = $1 RETURNING fence",
                vals![&id, &session, worker, until],
            )
            .await?
            .ok_or(StoreError::NotFound("connection"))?;
        let lease = Lease {
            connection: id,
            session,
            org: found.parsed("org_id")?,
            user: found.parsed("user_id")?,
            fence: claimed.int("fence")?,
            until,
        };
        tx.exec(
            "UPDATE sessions SET ended_at = $2, outcome = 'failed', note = $3 \
             WHERE connection_id = $1 AND org_id = $4 AND ended_at IS NULL",
            vals![&lease.connection, now, NOTE_EXPIRED, &lease.org],
        )
        .await?;
        tx.exec(
            "INSERT INTO sessions (id, connection_id, org_id, user_id, fence, worker, started_at, counts, \
             issues, entries, note) VALUES ($1, $2, $3, $4, $5, $6, $7, '[]', 0, 0, '')",
            vals![
                &lease.session,
                &lease.connection,
                &lease.org,
                &lease.user,
                lease.fence,
                worker,
                now
            ],
        )
        .await
        .map_err(|e| match e {
            StoreError::Taken(_) => StoreError::Taken("session"),
            other => other,
        })?;
        tx.commit().await?;
        Ok(Some(lease))
    }

    async fn renew(&self, lease: &Lease, now: Timestamp, ttl: Duration) -> Result<Lease, StoreError> {
        let until = until(now, ttl);
        let changed = self
            .db
            .exec(
                format!("UPDATE connections SET lease_until = $6 WHERE {HELD}"),
                held![lease, until],
            )
            .await?;
        if changed == 0 {
            return Err(StoreError::LeaseLost);
        }
        Ok(Lease {
            until,
            ..lease.clone()
        })
    }

    async fn open(&self, lease: &Lease) -> Result<Opening, StoreError> {
        let row = self
            .db
            .row(
                format!(
                    "SELECT state, reason, settings, mailbox_cursor, crm_cursor, journal_key, rejections, \
                     failures, first_round_done, released, last_full, \
                     (SELECT COUNT(*) FROM links l WHERE l.connection_id = $1 AND l.org_id = $2 \
                     AND l.user_id = $3 AND l.pair = connections.pair AND l.state = 'live') AS live \
                     FROM connections WHERE {HELD}"
                ),
                held![lease],
            )
            .await?
            .ok_or(StoreError::LeaseLost)?;
        let journal = DataKey::journal(&lease.connection, row.blob("journal_key")?);
        Ok(Opening {
            state: row.word("state", SyncState::parse)?,
            reason: row.opt_word("reason", StateReason::parse)?,
            settings: row.json("settings")?,
            mailbox_cursor: row.opt_text("mailbox_cursor")?.map(Cursor),
            crm_cursor: row.opt_text("crm_cursor")?.map(Cursor),
            hash_key: self.hash_key(&journal)?,
            live_links: row.count("live")?,
            rejections: row.count("rejections")?,
            failures: row.count("failures")?,
            first_round_done: row.flag("first_round_done")?,
            released: row.flag("released")?,
            last_full: row.opt_time("last_full")?,
        })
    }

    async fn links(&self, lease: &Lease, ask: &LinkAsk) -> Result<Vec<Link>, StoreError> {
        self.read_links(lease, ask).await
    }

    async fn commit(&self, lease: &Lease, now: Timestamp, commit: Commit) -> Result<(), StoreError> {
        self.write_commit(lease, now, commit).await
    }

    async fn close(&self, lease: &Lease, closing: Closing) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let select = format!(
            "SELECT state, reason, due_at, woken, lease_state FROM connections WHERE {HELD}{}",
            tx.for_update()
        );
        let row = tx.row(select, held![lease]).await?.ok_or(StoreError::LeaseLost)?;
        let standing = Standing {
            state: row.word("state", SyncState::parse)?,
            reason: row.opt_word("reason", StateReason::parse)?,
            due: row.opt_time("due_at")?,
            woken: row.flag("woken")?,
            at_claim: row.word("lease_state", SyncState::parse)?,
        };
        let (state, reason, due) = standing.settle(&closing);
        tx.exec(
            format!(
                "UPDATE connections SET state = $6, reason = $7, due_at = $8, woken = 0, rejections = $9, \
                 failures = $10, preview = $11, brake = $12, \
                 released = CASE WHEN $13 = 1 THEN 0 ELSE released END, \
                 last_success = CASE WHEN $14 = 1 THEN $15 ELSE last_success END, \
                 ask_activation = CASE WHEN $6 = 'needs_activation' THEN 1 ELSE ask_activation END, \
                 lease_session = NULL, lease_worker = NULL, lease_until = NULL, lease_state = NULL, \
                 updated_at = $15 WHERE {HELD}"
            ),
            held![
                lease,
                state.as_str(),
                reason.map(StateReason::as_str),
                due,
                closing.rejections,
                closing.failures,
                closing.preview.as_ref().map(json).transpose()?,
                closing.brake.as_ref().map(json).transpose()?,
                closing.release_used,
                succeeded(closing.outcome),
                closing.ended,
            ],
        )
        .await?;
        tx.exec(
            "UPDATE sessions SET ended_at = $4, outcome = $5, counts = $6, note = $7 \
             WHERE id = $1 AND connection_id = $2 AND org_id = $3",
            vals![
                &lease.session,
                &lease.connection,
                &lease.org,
                closing.ended,
                closing.outcome.as_str(),
                json(&closing.counts)?,
                closing.note
            ],
        )
        .await?;
        tx.commit().await
    }
}
