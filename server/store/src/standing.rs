use tandem_types::{
    ConnectionId, IssueCode, MailboxAccount, OrgCount, OrgId, SessionOutcome, StateReason, SyncState,
    Timestamp, UserId, Verdict,
};

use crate::db::{Row, Val, vals};
use crate::overview::OVERDUE_SECONDS;
use crate::{Store, StoreError, quota};

/// How one connection stands: what an operator needs to say whether it syncs, and why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub id: ConnectionId,
    pub org_id: OrgId,
    pub org_name: String,
    pub user_id: UserId,
    pub name: String,
    /// The Salesforce user name.
    pub username: String,
    pub mailbox: Option<MailboxAccount>,
    pub verdict: Verdict,
    pub state: SyncState,
    pub reason: Option<StateReason>,
    /// The user chose *Skip*.
    pub skipped: bool,
    /// Sessions refused by the mail server in a row.
    pub rejections: u32,
    /// Other failures in a row.
    pub failures: u32,
    pub next_due: Option<Timestamp>,
    /// A session runs until then, if it does not prolong its lease.
    pub lease_until: Option<Timestamp>,
    pub last_success: Option<Timestamp>,
    /// The organisation's API calls are used up, or the reserve is reached: nothing of it comes due before. May have passed.
    pub org_held: Option<Timestamp>,
    /// Open issues of the present pair.
    pub issues: u32,
    /// How the latest session that ended did so, its note, and when.
    pub last: Option<(SessionOutcome, String, Timestamp)>,
}

/// Whom a list of connections is of.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StandingPick {
    pub verdict: Option<Verdict>,
    /// A part of the user's name or user name; empty: everybody.
    #[serde(default)]
    pub search: String,
    /// These users alone; empty: everybody.
    #[serde(default)]
    pub users: Vec<UserId>,
}

/// Whether a connection syncs: decided here, for the command line, the organisation's page and its filter. `$1`: now,
/// `$2`: since when what is due is overdue.
const VERDICT: &str = "CASE \
     WHEN c.state IN ('not_activated', 'deactivated') THEN 'off' \
     WHEN c.state = 'paused' AND c.reason IS NULL THEN 'off' \
     WHEN c.reason IN ('salesforce_sign_in_ended', 'microsoft_sign_in_ended', 'stopped_by_brake', 'org_brake') \
     THEN 'stopped' \
     WHEN c.reason = 'mail_server_refused' AND c.state = 'active' THEN 'failing' \
     WHEN c.reason = 'mail_server_refused' THEN 'stopped' \
     WHEN c.reason IN ('waiting_for_preview', 'quota') THEN 'waiting' \
     WHEN c.reason IS NULL AND c.state = 'active' AND o.held_until > $1 THEN 'waiting' \
     WHEN c.state = 'needs_activation' THEN 'stopped' \
     WHEN c.due_at < $2 AND (c.lease_until IS NULL OR c.lease_until <= $1) THEN 'overdue' \
     WHEN c.failures > 0 THEN 'failing' ELSE 'syncing' END";

const COLUMNS: &str = "c.id, c.org_id, o.name AS org_name, c.user_id, u.name, u.username, c.mailbox, c.state, \
     c.reason, c.skipped, c.rejections, c.failures, c.due_at, c.lease_until, c.last_success, \
     o.held_until, (SELECT COUNT(*) FROM issues i WHERE i.connection_id = c.id AND i.pair = c.pair \
     AND i.state = 'open') AS issues, s.outcome, s.note, s.ended_at";

const FROM: &str = "FROM connections c JOIN orgs o ON o.id = c.org_id JOIN users u ON u.id = c.user_id";
const LAST: &str = "LEFT JOIN sessions s ON s.id = (SELECT l.id FROM sessions l WHERE l.connection_id = c.id \
     AND l.ended_at IS NOT NULL ORDER BY l.started_at DESC, l.id DESC LIMIT 1)";

impl Standing {
    /// Why it does not sync at `now`.
    pub fn reason_at(&self, now: Timestamp) -> Option<StateReason> {
        quota::reason_at(self.state, self.reason, self.org_held, now)
    }

    /// When it comes due, with the organisation's pause.
    pub fn due_at(&self, now: Timestamp) -> Option<Timestamp> {
        quota::due_at(self.next_due, self.org_held, now)
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let outcome = row.opt_word("outcome", SessionOutcome::parse)?;
        let ended = row.opt_time("ended_at")?;
        Ok(Self {
            id: row.parsed("id")?,
            org_id: row.parsed("org_id")?,
            org_name: row.text("org_name")?,
            user_id: row.parsed("user_id")?,
            name: row.text("name")?,
            username: row.text("username")?,
            mailbox: row.opt_json("mailbox")?,
            verdict: row.word("verdict", Verdict::parse)?,
            state: row.word("state", SyncState::parse)?,
            reason: row.opt_word("reason", StateReason::parse)?,
            skipped: row.flag("skipped")?,
            rejections: row.count("rejections")?,
            failures: row.count("failures")?,
            next_due: row.opt_time("due_at")?,
            lease_until: row.opt_time("lease_until")?,
            last_success: row.opt_time("last_success")?,
            org_held: row.opt_time("held_until")?,
            issues: row.count("issues")?,
            last: match outcome.zip(ended) {
                Some((outcome, ended)) => Some((outcome, row.opt_text("note")?.unwrap_or_default(), ended)),
                None => None,
            },
        })
    }
}

fn overdue_since(now: Timestamp) -> Timestamp {
    now.plus_seconds(-OVERDUE_SECONDS)
}

/// A `LIKE` of the text itself, with `\` for its escapes.
fn containing(search: &str) -> String {
    let mut out = String::from("%");
    for c in search.trim().to_lowercase().chars() {
        if matches!(c, '%' | '_' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('%');
    out
}

/// The condition of a pick in an organisation, after `$1` and `$2` of [`VERDICT`].
fn picked(org: &OrgId, pick: &StandingPick, now: Timestamp) -> (String, Vec<Val>) {
    let mut values = vals![now, overdue_since(now), org];
    let mut conditions = vec!["c.org_id = $3".to_owned()];
    if let Some(verdict) = pick.verdict {
        values.push(verdict.as_str().into());
        conditions.push(format!("{VERDICT} = ${}", values.len()));
    }
    if !pick.search.trim().is_empty() {
        values.push(containing(&pick.search).into());
        let n = values.len();
        conditions.push(format!(
            "(lower(u.username) LIKE ${n} ESCAPE '\\' OR lower(u.name) LIKE ${n} ESCAPE '\\')"
        ));
    }
    if !pick.users.is_empty() {
        let first = values.len() + 1;
        values.extend(pick.users.iter().map(Val::from));
        let places: Vec<String> = (first..=values.len()).map(|n| format!("${n}")).collect();
        conditions.push(format!("c.user_id IN ({})", places.join(", ")));
    }
    (conditions.join(" AND "), values)
}

impl Store {
    /// All connections by organisation and user name, of one organisation or of all, at most `limit`.
    pub async fn standings(
        &self,
        org: Option<&OrgId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Standing>, StoreError> {
        let rows = self
            .db
            .rows(
                format!(
                    "SELECT {COLUMNS}, {VERDICT} AS verdict {FROM} {LAST} \
                     WHERE ($3 = '' OR c.org_id = $3) ORDER BY o.name, u.username, c.id LIMIT $4"
                ),
                vals![now, overdue_since(now), org.map_or("", OrgId::as_str), limit],
            )
            .await?;
        rows.iter().map(Standing::read).collect()
    }

    /// A page of an organisation's connections, by user name: those after the user `after`, at most `limit`.
    pub async fn standing_page(
        &self,
        org: &OrgId,
        pick: &StandingPick,
        after: Option<&UserId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Standing>, StoreError> {
        let (mut condition, mut values) = picked(org, pick, now);
        if let Some(after) = after {
            values.push(after.into());
            condition = format!(
                "{condition} AND (u.username, u.id) > \
                 (SELECT a.username, a.id FROM users a WHERE a.id = ${} AND a.org_id = $3)",
                values.len()
            );
        }
        values.push(limit.into());
        let sql = format!(
            "SELECT {COLUMNS}, {VERDICT} AS verdict {FROM} {LAST} WHERE {condition} \
             ORDER BY u.username, u.id LIMIT ${}",
            values.len()
        );
        let rows = self.db.rows(sql, values).await?;
        rows.iter().map(Standing::read).collect()
    }

    /// How many of an organisation's connections stand how, and why; the worst first, then the most.
    pub async fn standing_counts(
        &self,
        org: &OrgId,
        pick: &StandingPick,
        now: Timestamp,
    ) -> Result<Vec<OrgCount>, StoreError> {
        let (condition, values) = picked(org, pick, now);
        let sql = format!(
            "SELECT verdict, state, reason, COUNT(*) AS n FROM (SELECT {VERDICT} AS verdict, c.state, c.reason \
             {FROM} WHERE {condition}) AS stand GROUP BY verdict, state, reason"
        );
        let rows = self.db.rows(sql, values).await?;
        let mut counts = rows
            .iter()
            .map(|row| {
                Ok(OrgCount {
                    verdict: row.word("verdict", Verdict::parse)?,
                    state: row.word("state", SyncState::parse)?,
                    reason: row.opt_word("reason", StateReason::parse)?,
                    users: row.count("n")?,
                })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        counts.sort_by_key(|count| {
            (
                count.verdict,
                std::cmp::Reverse(count.users),
                count.state.as_str(),
            )
        });
        Ok(counts)
    }

    /// An organisation's open issues, by what they say; of one user or of all. The most first.
    pub async fn issue_counts(
        &self,
        org: &OrgId,
        user: Option<&UserId>,
    ) -> Result<Vec<(IssueCode, u32)>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT i.code, COUNT(*) AS n FROM issues i JOIN connections c ON c.id = i.connection_id \
                 WHERE i.state = 'open' AND i.pair = c.pair AND c.org_id = $1 AND ($2 = '' OR c.user_id = $2) \
                 GROUP BY i.code ORDER BY n DESC, i.code",
                vals![org, user.map_or("", UserId::as_str)],
            )
            .await?;
        rows.iter()
            .map(|row| Ok((row.word("code", IssueCode::parse)?, row.count("n")?)))
            .collect()
    }
}
