use tandem_types::{IssueCode, StateReason, SyncState, Timestamp};

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
    /// Active, due, and nobody runs them yet.
    pub due: u32,
    /// For how long the oldest of these has been due, in seconds.
    pub queue_seconds: u32,
    /// Open issues, by what they say.
    pub issues: Vec<(IssueCode, u32)>,
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
        let rows = self
            .db
            .rows(
                "SELECT i.code, COUNT(*) AS n FROM issues i JOIN connections c ON c.id = i.connection_id \
                 WHERE i.state = 'open' AND i.pair = c.pair GROUP BY i.code ORDER BY i.code",
                Vec::new(),
            )
            .await?;
        let issues = rows
            .iter()
            .map(|row| Ok((row.word("code", IssueCode::parse)?, row.count("n")?)))
            .collect::<Result<_, StoreError>>()?;
        let row = self
            .db
            .row(
                "SELECT (SELECT COUNT(*) FROM connections WHERE state = 'active' AND due_at < $2 \
                 AND (lease_until IS NULL OR lease_until <= $1)) AS overdue, \
                 (SELECT COUNT(*) FROM connections WHERE state = 'active' AND due_at <= $1 \
                 AND (lease_until IS NULL OR lease_until <= $1)) AS due, \
                 (SELECT MIN(due_at) FROM connections WHERE state = 'active' AND due_at <= $1 \
                 AND (lease_until IS NULL OR lease_until <= $1)) AS oldest, \
                 (SELECT COUNT(*) FROM connections WHERE lease_until > $1) AS running, \
                 (SELECT COUNT(*) FROM users) AS users",
                vals![now, now.plus_seconds(-OVERDUE_SECONDS)],
            )
            .await?
            .ok_or(StoreError::NotFound("row"))?;
        Ok(Overview {
            states,
            overdue: row.count("overdue")?,
            due: row.count("due")?,
            queue_seconds: row
                .opt_time("oldest")?
                .map_or(0, |at| u32::try_from(now.seconds_since(at)).unwrap_or(0)),
            issues,
            running: row.count("running")?,
            users: row.count("users")?,
        })
    }
}
