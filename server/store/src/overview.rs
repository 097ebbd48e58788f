use tandem_types::{IssueCode, StateReason, SyncState, Timestamp};

use crate::db::vals;
use crate::{Store, StoreError};

/// A connection that has been due for longer than this without a session is overdue, in seconds.
pub(crate) const OVERDUE_SECONDS: i64 = 300;

/// How all connections stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// States and reasons that occur.
    pub states: Vec<StateCount>,
    /// Active, due for more than five minutes, and nobody runs them.
    pub overdue: u32,
    /// Active, due, and nobody runs them yet; but for organisations that wait for their quota.
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
                "WITH shown (state, reason) AS (SELECT c.state, COALESCE(c.reason, CASE WHEN c.state = 'active' \
                 AND EXISTS (SELECT 1 FROM orgs o WHERE o.id = c.org_id AND o.held_until > $1) \
                 THEN 'quota' END) FROM connections c) \
                 SELECT state, reason, COUNT(*) AS n FROM shown GROUP BY state, reason ORDER BY state, reason",
                vals![now],
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
                "WITH waits (due_at) AS (SELECT c.due_at FROM connections c WHERE c.state = 'active' \
                 AND c.due_at <= $1 AND (c.lease_until IS NULL OR c.lease_until <= $1) AND NOT EXISTS \
                 (SELECT 1 FROM orgs o WHERE o.id = c.org_id AND o.held_until > $1)) \
                 SELECT (SELECT COUNT(*) FROM waits WHERE due_at < $2) AS overdue, \
                 (SELECT COUNT(*) FROM waits) AS due, (SELECT MIN(due_at) FROM waits) AS oldest, \
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
