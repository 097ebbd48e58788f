use tandem_types::Timestamp;

use crate::db::vals;
use crate::trials::TRIALS_SECONDS;
use crate::{Store, StoreError};

const DAY: i64 = 86_400;
const SESSIONS_DAYS: i64 = 90;
const JOURNAL_DAYS: i64 = 30;
/// What no session could carry out by then is not wanted any more.
const ORDERS_DAYS: i64 = 7;

/// What a sweep deleted, in rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Flows, codes, tickets, web sessions, trials that are over.
    pub expired: u64,
    pub sessions: u64,
    pub journal: u64,
}

impl Store {
    /// Deletes what is over: sign-ins, codes, tickets, web sessions, trials; sessions after 90 days, the journal after
    /// 30. Safe at any time, in any process.
    pub async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError> {
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
                vals![now.plus_seconds(-SESSIONS_DAYS * DAY)],
            )
            .await?;
        swept.journal = self
            .db
            .exec(
                "DELETE FROM journal WHERE at < $1",
                vals![now.plus_seconds(-JOURNAL_DAYS * DAY)],
            )
            .await?;
        Ok(swept)
    }
}
