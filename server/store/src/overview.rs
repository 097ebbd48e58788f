use tandem_types::{StateReason, SyncState, Timestamp};

use crate::db::vals;
use crate::{Store, StoreError};

/// A connection that has been due for longer than this without a session is overdue, in seconds.
const OVERDUE_SECONDS: i64 = 300;

/// How all connections stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// States and reasons that occur.
    pub states: Vec<StateCount>,
    /// Active, due for more than five minutes, and nobody runs them.
    pub overdue: u32,
    /// Sessions that are running.
    pub running: u32,
    pub users: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateCount {
    pub state: SyncState,
    pub reason: Option<StateReason>,
    pub connections: u32,
}

impl Store {
    pub async fn overview(&self, now: Timestamp) -> Result<Overview, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT state, reason, COUNT(*) AS n FROM connections GROUP BY state, reason \
                 ORDER BY state, reason",
                Vec::new(),
            )
            .await?;
        let states = rows
            .iter()
            .map(|row| {
                Ok(StateCount {
                    state: row.word("state", SyncState::parse)?,
                    reason: row.opt_word("reason", StateReason::parse)?,
                    connections: row.count("n")?,
                })
            })
            .collect::<Result<_, StoreError>>()?;
        let row = self
            .db
            .row(
                "SELECT (SELECT COUNT(*) FROM connections WHERE state = 'active' AND due_at < $2 \
                 AND (lease_until IS NULL OR lease_until <= $1)) AS overdue, \
                 (SELECT COUNT(*) FROM connections WHERE lease_until > $1) AS running, \
                 (SELECT COUNT(*) FROM users) AS users",
                vals![now, now.plus_seconds(-OVERDUE_SECONDS)],
            )
            .await?
            .ok_or(StoreError::NotFound("row"))?;
        Ok(Overview {
            states,
            overdue: row.count("overdue")?,
            running: row.count("running")?,
            users: row.count("users")?,
        })
    }
}
