use tandem_types::{ConnectionId, MailboxAccount, OrgId, SessionOutcome, StateReason, SyncState, Timestamp};

use crate::db::{Row, vals};
use crate::{Store, StoreError};

/// How one connection stands: what an operator needs to say whether it syncs, and why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub id: ConnectionId,
    pub org_id: OrgId,
    pub org_name: String,
    /// The Salesforce user name.
    pub username: String,
    pub mailbox: Option<MailboxAccount>,
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
    /// Open issues of the present pair.
    pub issues: u32,
    /// How the latest session that ended did so, and its note.
    pub last: Option<(SessionOutcome, String)>,
}

impl Standing {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let outcome = row.opt_word("outcome", SessionOutcome::parse)?;
        Ok(Self {
            id: row.parsed("id")?,
            org_id: row.parsed("org_id")?,
            org_name: row.text("org_name")?,
            username: row.text("username")?,
            mailbox: row.opt_json("mailbox")?,
            state: row.word("state", SyncState::parse)?,
            reason: row.opt_word("reason", StateReason::parse)?,
            skipped: row.flag("skipped")?,
            rejections: row.count("rejections")?,
            failures: row.count("failures")?,
            next_due: row.opt_time("due_at")?,
            lease_until: row.opt_time("lease_until")?,
            last_success: row.opt_time("last_success")?,
            issues: row.count("issues")?,
            last: match outcome {
                Some(outcome) => Some((outcome, row.opt_text("note")?.unwrap_or_default())),
                None => None,
            },
        })
    }
}

impl Store {
    /// All connections by organisation and user name, of one organisation or of all, at most `limit`.
    pub async fn standings(&self, org: Option<&OrgId>, limit: u32) -> Result<Vec<Standing>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT c.id, c.org_id, o.name AS org_name, u.username, c.mailbox, c.state, c.reason, c.skipped, \
                 c.rejections, c.failures, c.due_at, c.lease_until, c.last_success, \
                 (SELECT COUNT(*) FROM issues i WHERE i.connection_id = c.id AND i.pair = c.pair \
                 AND i.state = 'open') AS issues, s.outcome, s.note \
                 FROM connections c JOIN orgs o ON o.id = c.org_id JOIN users u ON u.id = c.user_id \
                 LEFT JOIN sessions s ON s.id = (SELECT l.id FROM sessions l WHERE l.connection_id = c.id \
                 AND l.ended_at IS NOT NULL ORDER BY l.started_at DESC, l.id DESC LIMIT 1) \
                 WHERE ($1 = '' OR c.org_id = $1) ORDER BY o.name, u.username, c.id LIMIT $2",
                vals![org.map_or("", OrgId::as_str), limit],
            )
            .await?;
        rows.iter().map(Standing::read).collect()
    }
}
