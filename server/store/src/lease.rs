//! Claims, leases, and what a session starts from and ends with.

use std::time::Duration;

use async_trait::async_trait;
use tandem_sync::model::Cursor;
use tandem_sync::ports::{
    self, Backfill, Claim, Closing, Commit, JournalEntry, Lease, LinkAsk, Opening, Pick, Wish,
};
use tandem_sync::{BaseHash, Link};
use tandem_types::{ConnectionId, ItemKind, SessionId, StateReason, SyncState, Timestamp};

use crate::db::{Tx, json, vals};
use crate::rules::{NOTE_EXPIRED, Standing, deletes_since, succeeded};
use crate::seal::DataKey;
use crate::shares::{Found, Taken, Taker, Turn};
use crate::{Store, StoreError, org, settings};

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

/// `org_pass` of a connection whose plan stopped the organisation and was let through.
const ORG_RELEASED: i64 = 2;

impl Store {
    /// As [`ports::Store::claim`] of [`Pick::Due`]; and where there is nothing to be had, why.
    ///
    /// # Errors
    /// The store's.
    pub async fn next_due(
        &self,
        worker: &str,
        session: &SessionId,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Turn, StoreError> {
        let until = until(now, ttl);
        self.turn(&Taker {
            worker,
            session,
            now,
            until,
        })
        .await
    }

    async fn turn(&self, taker: &Taker<'_>) -> Result<Turn, StoreError> {
        Ok(match self.next_turn(taker).await? {
            Found::Taken(tx, taken) => Turn::Yours(begin(*tx, taken, taker).await?),
            Found::Full => Turn::Later,
            Found::Nothing => Turn::Nothing,
        })
    }

    /// Takes this connection, in a transaction that is not yet through.
    async fn take(
        &self,
        id: &ConnectionId,
        aside: bool,
        taker: &Taker<'_>,
    ) -> Result<Option<(Tx, Taken)>, StoreError> {
        let mut tx = self.db.begin().await?;
        let sql = format!(
            "SELECT org_id, user_id FROM connections WHERE id = $2 \
             AND state NOT IN ('deactivated', 'not_activated') \
             AND (lease_until IS NULL OR lease_until <= $1){}",
            tx.for_update()
        );
        let Some(found) = tx.row(sql, vals![taker.now, id]).await? else {
            return Ok(None);
        };
        let org = found.parsed("org_id")?;
        // Asked for in a statement of its own, now that the row is locked: one that waited for the lock would still see
        // the organisation as it was before the stop that it waited for.
        if !aside && org::stopped(&mut tx, &org).await? {
            return Ok(None);
        }
        let claimed = tx
            .row(
                "UPDATE connections SET fence = fence + 1, lease_session = $2, lease_worker = $3, \
                 lease_until = $4, lease_state = state, woken = 0 WHERE id = $1 RETURNING fence",
                vals![id, taker.session, taker.worker, taker.until],
            )
            .await?
            .ok_or(StoreError::NotFound("connection"))?;
        let taken = Taken {
            connection: id.clone(),
            org,
            user: found.parsed("user_id")?,
            fence: claimed.int("fence")?,
        };
        Ok(Some((tx, taken)))
    }
}

/// Opens the session of what was taken, and ends what its connection left behind.
async fn begin(mut tx: Tx, taken: Taken, taker: &Taker<'_>) -> Result<Lease, StoreError> {
    let lease = Lease {
        connection: taken.connection,
        session: taker.session.clone(),
        org: taken.org,
        user: taken.user,
        fence: taken.fence,
        until: taker.until,
    };
    tx.exec(
        "UPDATE sessions SET ended_at = $2, outcome = 'failed', note = $3 \
         WHERE connection_id = $1 AND org_id = $4 AND ended_at IS NULL",
        vals![&lease.connection, taker.now, NOTE_EXPIRED, &lease.org],
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
            taker.worker,
            taker.now
        ],
    )
    .await
    .map_err(|e| match e {
        StoreError::Taken(_) => StoreError::Taken("session"),
        other => other,
    })?;
    tx.commit().await?;
    Ok(lease)
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
        let taker = Taker {
            worker,
            session: &session,
            now,
            until: until(now, ttl),
        };
        let taken = match pick {
            Pick::Due => return Ok(self.turn(&taker).await?.lease()),
            Pick::This(id) => self.take(id, false, &taker).await?,
            Pick::Aside(id) => self.take(id, true, &taker).await?,
        };
        match taken {
            Some((tx, taken)) => begin(tx, taken, &taker).await.map(Some),
            None => Ok(None),
        }
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
                     failures, first_round_done, released, org_pass, last_full, pair, backfill, last_moved, \
                     COALESCE(activated_at, created_at) AS activated, \
                     (SELECT COUNT(*) FROM links l WHERE l.connection_id = $1 AND l.org_id = $2 \
                     AND l.user_id = $3 AND l.pair = connections.pair AND l.state = 'live') AS live, \
                     (SELECT o.settings FROM orgs o WHERE o.id = $2) AS org_settings, \
                     (SELECT o.claims_key FROM orgs o WHERE o.id = $2) AS claims_key, \
                     (SELECT o.released_at FROM orgs o WHERE o.id = $2) AS released_at, \
                     (SELECT o.stopped_at FROM orgs o WHERE o.id = $2) AS stopped_at, \
                     (SELECT s.started_at FROM sessions s WHERE s.id = $5) AS started_at \
                     FROM connections WHERE {HELD}"
                ),
                held![lease],
            )
            .await?
            .ok_or(StoreError::LeaseLost)?;
        let journal = DataKey::journal(&lease.connection, row.blob("journal_key")?);
        let since = deletes_since(row.time("started_at")?, row.opt_time("released_at")?);
        let backfill: Option<Backfill> = row.opt_json("backfill")?;
        let org_key = match row.opt_blob("claims_key")? {
            Some(wrapped) => self.claim_hash_key(&DataKey::claims(&lease.org, wrapped))?,
            None => self.org_key(&lease.org).await?,
        };
        Ok(Opening {
            state: row.word("state", SyncState::parse)?,
            reason: row.opt_word("reason", StateReason::parse)?,
            settings: settings::resolved(&row.text("org_settings")?, &row.text("settings")?)?,
            mailbox_cursor: row.opt_text("mailbox_cursor")?.map(Cursor),
            crm_cursor: row.opt_text("crm_cursor")?.map(Cursor),
            hash_key: self.hash_key(&journal)?,
            live_links: row.count("live")?,
            rejections: row.count("rejections")?,
            failures: row.count("failures")?,
            first_round_done: row.flag("first_round_done")?,
            released: row.flag("released")?,
            last_full: row.opt_time("last_full")?,
            org_key,
            org_deletes: self.org_deletes(&lease.org, since).await?,
            org_stopped: row.opt_time("stopped_at")?.is_some(),
            org_released: row.int("org_pass")? == ORG_RELEASED,
            last_moved: row.opt_time("last_moved")?,
            backfill: backfill.filter(|b| !b.finished),
            activated: row.time("activated")?,
            address: row.text("pair")?,
        })
    }

    async fn links(&self, lease: &Lease, ask: &LinkAsk) -> Result<Vec<Link>, StoreError> {
        self.read_links(lease, ask).await
    }

    async fn commit(&self, lease: &Lease, now: Timestamp, commit: Commit) -> Result<(), StoreError> {
        self.write_commit(lease, now, commit).await
    }

    async fn claims(
        &self,
        lease: &Lease,
        now: Timestamp,
        wishes: &[Wish],
        stale_before: Timestamp,
    ) -> Result<Vec<Claim>, StoreError> {
        self.make_claims(lease, now, wishes, stale_before).await
    }

    async fn claimed(
        &self,
        lease: &Lease,
        hashes: &[(ItemKind, BaseHash)],
    ) -> Result<Vec<Option<Claim>>, StoreError> {
        self.read_claims(lease, hashes).await
    }

    async fn colleagues(&self, lease: &Lease, addresses: &[String]) -> Result<Vec<bool>, StoreError> {
        self.read_colleagues(lease, addresses).await
    }

    async fn journal(&self, lease: &Lease, session: &SessionId) -> Result<Vec<JournalEntry>, StoreError> {
        self.ask_held(lease).await?;
        self.read_journal(&lease.connection, session).await
    }

    async fn close(&self, lease: &Lease, closing: Closing) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        close_in(&mut tx, lease, closing).await?;
        tx.commit().await
    }

    async fn finish(
        &self,
        lease: &Lease,
        now: Timestamp,
        last: Commit,
        closing: Closing,
    ) -> Result<(), StoreError> {
        if closing.stop_org {
            // Whoever stops an organisation locks its connections before his own.
            self.write_commit(lease, now, last).await?;
            return self.close(lease, closing).await;
        }
        let mut tx = self.db.begin().await?;
        self.commit_in(&mut tx, lease, now, last).await?;
        close_in(&mut tx, lease, closing).await?;
        tx.commit().await
    }
}

async fn close_in(tx: &mut Tx, lease: &Lease, closing: Closing) -> Result<(), StoreError> {
    if closing.stop_org {
        org::lock_connections(tx, &lease.org).await?;
    }
    let select = format!(
        "SELECT state, reason, due_at, woken, lease_state, held_reason, held_due FROM connections \
         WHERE {HELD}{}",
        tx.for_update()
    );
    let row = tx.row(select, held![lease]).await?.ok_or(StoreError::LeaseLost)?;
    let standing = Standing {
        state: row.word("state", SyncState::parse)?,
        reason: row.opt_word("reason", StateReason::parse)?,
        due: row.opt_time("due_at")?,
        woken: row.flag("woken")?,
        at_claim: row.word("lease_state", SyncState::parse)?,
        held_reason: row.opt_word("held_reason", StateReason::parse)?,
        held_due: row.opt_time("held_due")?,
    };
    if closing.stop_org {
        org::stop(tx, &lease.org, &lease.connection, closing.ended).await?;
    }
    // Asked for when the row is locked: a stop by another session has come before, or waits for this one's end.
    let stopped = org::stopped(tx, &lease.org).await?;
    let settled = standing.settle(&closing, stopped);
    tx.exec(
        format!(
            "UPDATE connections SET state = $6, reason = $7, due_at = $8, woken = 0, rejections = $9, \
             failures = $10, preview = $11, brake = $12, \
             released = CASE WHEN $13 = 1 THEN 0 ELSE released END, \
             last_success = CASE WHEN $14 = 1 THEN $15 ELSE last_success END, \
             ask_activation = CASE WHEN $6 = 'needs_activation' THEN 1 ELSE ask_activation END, \
             held_reason = $16, held_due = $17, \
             org_pass = CASE WHEN $18 = 1 THEN 1 WHEN $13 = 1 AND org_pass = 2 THEN 0 ELSE org_pass END, \
             lease_session = NULL, lease_worker = NULL, lease_until = NULL, lease_state = NULL, \
             updated_at = $15 WHERE {HELD}"
        ),
        held![
            lease,
            settled.state.as_str(),
            settled.reason.map(StateReason::as_str),
            settled.due,
            closing.rejections,
            closing.failures,
            closing
                .preview
                .as_ref()
                .filter(|_| settled.asks)
                .map(json)
                .transpose()?,
            closing
                .brake
                .as_ref()
                .filter(|_| settled.asks)
                .map(json)
                .transpose()?,
            closing.release_used,
            succeeded(closing.outcome),
            closing.ended,
            settled.held_reason.map(StateReason::as_str),
            settled.held_due,
            closing.stop_org,
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
    Ok(())
}
