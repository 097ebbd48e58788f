//! What administrators are and do: their right as Salesforce last told it, support access, orders for many connections.

use tandem_types::{
    ConnectionId, OrgAct, OrgFault, OrgId, OrgRunState, SessionId, SessionOutcome, Timestamp, UserId,
};

use crate::db::{Row, Tx, Val, from_json, json, vals};
use crate::{StandingPick, Store, StoreError, integration};

/// A running order whose server has said nothing for so long has ended with it.
const SILENT_SECONDS: i64 = 300;

/// What Salesforce last said of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminRight {
    pub administers: bool,
    pub asked: Timestamp,
}

/// Who has allowed administrators to see subjects and addresses, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupportAccess {
    /// `None`: somebody who is erased.
    pub by: Option<UserId>,
    /// The user's name, as far as it is known.
    pub name: String,
    pub since: Timestamp,
}

/// An order for many connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrgRunRow {
    pub id: SessionId,
    pub org_id: OrgId,
    /// The administrator.
    pub user_id: UserId,
    /// The administrator's name, as far as it is known.
    pub name: String,
    pub act: OrgAct,
    pub target: StandingPick,
    /// The last user that was reached.
    pub after: Option<UserId>,
    pub state: OrgRunState,
    /// Who carries it out writes with this; it moves when another one takes over.
    pub turn: i64,
    pub total: u32,
    pub done: u32,
    pub passed: u32,
    pub failed: u32,
    /// Users' names and why: the first of them.
    pub faults: Vec<(String, OrgFault)>,
    pub started: Timestamp,
    pub updated: Timestamp,
}

const RUN: &str = "SELECT r.id, r.org_id, r.user_id, u.name, r.act, r.target, r.after_user, r.state, r.turn, r.total, \
     r.done, r.passed, r.failed, r.faults, r.started_at, r.updated_at \
     FROM org_runs r LEFT JOIN users u ON u.id = r.user_id";

impl OrgRunRow {
    fn read(row: &Row, now: Timestamp) -> Result<Self, StoreError> {
        let updated = row.time("updated_at")?;
        let state = row.word("state", OrgRunState::parse)?;
        let silent = now.seconds_since(updated) > SILENT_SECONDS;
        Ok(Self {
            id: row.parsed("id")?,
            org_id: row.parsed("org_id")?,
            user_id: row.parsed("user_id")?,
            name: row.opt_text("name")?.unwrap_or_default(),
            act: row.word("act", OrgAct::parse)?,
            target: from_json(&row.text("target")?, "target")?,
            after: row.opt_parsed("after_user")?,
            state: if silent && state == OrgRunState::Running {
                OrgRunState::BrokenOff
            } else {
                state
            },
            turn: row.int("turn")?,
            total: row.count("total")?,
            done: row.count("done")?,
            passed: row.count("passed")?,
            failed: row.count("failed")?,
            faults: from_json(&row.text("faults")?, "faults")?,
            started: row.time("started_at")?,
            updated,
        })
    }
}

/// Of a user who is erased: what he allowed stays allowed, by nobody; orders that are his or name him are forgotten, for the
/// rest of one that is under way nobody would answer; his grant, where it is the integration user's, is gone.
///
/// # Errors
/// [`StoreError::NotFound`]: there is no such user.
pub(crate) async fn forget_person(tx: &mut Tx, user: &UserId) -> Result<(), StoreError> {
    let row = tx
        .row(
            "SELECT org_id, username, name FROM users WHERE id = $1",
            vals![user],
        )
        .await?
        .ok_or(StoreError::NotFound("user"))?;
    let org: OrgId = row.parsed("org_id")?;
    let names = [row.text("username")?, row.text("name")?];
    // The organisation's row first, as by whoever begins an order or signs in.
    tx.exec(
        "UPDATE orgs SET support_by = CASE WHEN support_by = $2 THEN NULL ELSE support_by END WHERE id = $1",
        vals![&org, user],
    )
    .await?;
    let runs = tx
        .rows(
            "SELECT id, user_id, after_user, target, faults FROM org_runs WHERE org_id = $1",
            vals![&org],
        )
        .await?;
    for run in runs {
        let target: StandingPick = from_json(&run.text("target")?, "target")?;
        let faults: Vec<(String, OrgFault)> = from_json(&run.text("faults")?, "faults")?;
        let his = run.text("user_id")? == user.as_str()
            || run.opt_text("after_user")?.as_deref() == Some(user.as_str())
            || target.users.contains(user)
            || faults.iter().any(|(name, _)| names.contains(name));
        if his {
            tx.exec("DELETE FROM org_runs WHERE id = $1", vals![run.text("id")?])
                .await?;
        }
    }
    integration::forget_person(tx, &org, user).await
}

impl Store {
    /// What Salesforce last said of the user; `None`: it was never asked.
    pub async fn admin_right(&self, user: &UserId) -> Result<Option<AdminRight>, StoreError> {
        let row = self
            .db
            .row(
                "SELECT administers, asked_at FROM users WHERE id = $1 AND asked_at IS NOT NULL",
                vals![user],
            )
            .await?;
        row.map(|row| {
            Ok(AdminRight {
                administers: row.flag("administers")?,
                asked: row.time("asked_at")?,
            })
        })
        .transpose()
    }

    pub async fn set_admin_right(
        &self,
        user: &UserId,
        administers: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.db
            .exec(
                "UPDATE users SET administers = $2, asked_at = $3 WHERE id = $1",
                vals![user, administers, now],
            )
            .await
            .map(|_| ())
    }

    /// `None`: administrators see neither subjects nor addresses.
    pub async fn support_access(&self, org: &OrgId) -> Result<Option<SupportAccess>, StoreError> {
        let row = self
            .db
            .row(
                "SELECT o.support_by, o.support_at, u.name FROM orgs o LEFT JOIN users u ON u.id = o.support_by \
                 WHERE o.id = $1 AND o.support_at IS NOT NULL",
                vals![org],
            )
            .await?;
        row.map(|row| {
            Ok(SupportAccess {
                by: row.opt_parsed("support_by")?,
                name: row.opt_text("name")?.unwrap_or_default(),
                since: row.time("support_at")?,
            })
        })
        .transpose()
    }

    /// Allows it, in the name of `by`, or ends it; says whether that changed anything.
    pub async fn set_support_access(
        &self,
        org: &OrgId,
        by: Option<&UserId>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = match by {
            Some(by) => self
                .db
                .exec(
                    "UPDATE orgs SET support_at = $2, support_by = $3 WHERE id = $1 AND support_at IS NULL",
                    vals![org, now, by],
                )
                .await?,
            None => {
                self.db
                    .exec(
                        "UPDATE orgs SET support_at = NULL, support_by = NULL \
                         WHERE id = $1 AND support_at IS NOT NULL",
                        vals![org],
                    )
                    .await?
            }
        };
        Ok(changed > 0)
    }

    /// The organisation's latest order.
    pub async fn org_run(&self, org: &OrgId, now: Timestamp) -> Result<Option<OrgRunRow>, StoreError> {
        let row = self
            .db
            .row(
                format!("{RUN} WHERE r.org_id = $1 ORDER BY r.started_at DESC, r.id DESC LIMIT 1"),
                vals![org],
            )
            .await?;
        row.map(|row| OrgRunRow::read(&row, now)).transpose()
    }

    /// Begins an order, unless one is running; what was ordered before is forgotten with it, the audit log knows.
    pub async fn begin_org_run(&self, run: &OrgRunRow, now: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        // One after the other, on both databases: whoever else begins waits for this row.
        tx.exec(
            "UPDATE orgs SET updated_at = updated_at WHERE id = $1",
            vals![&run.org_id],
        )
        .await?;
        let running = tx
            .row(
                "SELECT id FROM org_runs WHERE org_id = $1 AND state = 'running' AND updated_at >= $2 LIMIT 1",
                vals![&run.org_id, now.plus_seconds(-SILENT_SECONDS)],
            )
            .await?;
        if running.is_some() {
            return Ok(false);
        }
        tx.exec("DELETE FROM org_runs WHERE org_id = $1", vals![&run.org_id])
            .await?;
        tx.exec(
            "INSERT INTO org_runs (id, org_id, user_id, act, target, after_user, state, turn, total, done, passed, \
             failed, faults, started_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, NULL, 'running', $6, $7, 0, 0, 0, '[]', $8, $8)",
            vals![
                &run.id,
                &run.org_id,
                &run.user_id,
                run.act.as_str(),
                json(&run.target)?,
                run.turn,
                run.total,
                now
            ],
        )
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Writes how far a running order is, or how it ended (`run.state`). `false`: it is not this one's any more.
    pub async fn note_org_run(&self, run: &OrgRunRow, now: Timestamp) -> Result<bool, StoreError> {
        let changed = self
            .db
            .exec(
                "UPDATE org_runs SET after_user = $3, state = $4, done = $5, passed = $6, failed = $7, faults = $8, \
                 updated_at = $9 WHERE id = $1 AND turn = $2 AND state = 'running'",
                vals![
                    &run.id,
                    run.turn,
                    run.after.as_ref().map(UserId::as_str),
                    run.state.as_str(),
                    run.done,
                    run.passed,
                    run.failed,
                    json(&run.faults)?,
                    now
                ],
            )
            .await?;
        Ok(changed > 0)
    }

    /// An administrator stops a running order.
    pub async fn halt_org_run(
        &self,
        org: &OrgId,
        id: &SessionId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .db
            .exec(
                "UPDATE org_runs SET state = 'halted', updated_at = $3 \
                 WHERE org_id = $1 AND id = $2 AND state = 'running'",
                vals![org, id, now],
            )
            .await?;
        Ok(changed > 0)
    }

    /// Takes over an order that has stopped, as it stands: `by` answers for the rest. `None`: it runs, is done, or is no order of the organisation's.
    pub async fn resume_org_run(
        &self,
        org: &OrgId,
        id: &SessionId,
        by: &UserId,
        now: Timestamp,
    ) -> Result<Option<OrgRunRow>, StoreError> {
        let changed = self
            .db
            .exec(
                "UPDATE org_runs SET state = 'running', turn = turn + 1, user_id = $5, updated_at = $3 \
                 WHERE org_id = $1 AND id = $2 AND (state IN ('failed', 'halted', 'broken_off') \
                 OR (state = 'running' AND updated_at < $4))",
                vals![org, id, now, now.plus_seconds(-SILENT_SECONDS), by],
            )
            .await?;
        if changed == 0 {
            return Ok(None);
        }
        self.org_run(org, now).await
    }

    /// How the sessions ended that began at `since` or later, of each connection the latest that has ended.
    pub async fn outcomes_since(
        &self,
        connections: &[ConnectionId],
        since: Timestamp,
    ) -> Result<Vec<(ConnectionId, SessionOutcome)>, StoreError> {
        if connections.is_empty() {
            return Ok(Vec::new());
        }
        let mut values = vals![since];
        values.extend(connections.iter().map(Val::from));
        let places: Vec<String> = (2..=values.len()).map(|n| format!("${n}")).collect();
        let rows = self
            .db
            .rows(
                format!(
                    "SELECT s.connection_id, s.outcome FROM sessions s WHERE s.started_at >= $1 \
                     AND s.outcome IS NOT NULL AND s.connection_id IN ({}) ORDER BY s.started_at, s.fence",
                    places.join(", ")
                ),
                values,
            )
            .await?;
        let mut latest = std::collections::BTreeMap::new();
        for row in &rows {
            let id: ConnectionId = row.parsed("connection_id")?;
            latest.insert(id, row.word("outcome", SessionOutcome::parse)?);
        }
        Ok(latest.into_iter().collect())
    }
}
