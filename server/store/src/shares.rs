//! Whose turn it is: what is due is shared out among organisations, within what the servers behind them bear. The counts
//! are those of the leases in the database, so they hold over all replicas.

use tandem_sync::ports::Lease;
use tandem_types::{ConnectionId, OrgId, SessionId, Timestamp, UserId};

use crate::db::{Tx, vals};
use crate::rules::mail_host;
use crate::{ConnectionRow, Store, StoreError};

/// How much may run at once of what has come due. What a user orders (`Pick::This`, `Pick::Aside`) counts, and waits for
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// Sessions of one organisation at once. Salesforce answers 25 requests at once that take longer than 20 seconds:
    /// <https://developer.salesforce.com/docs/atlas.en-us.salesforce_app_limits_cheatsheet.meta/salesforce_app_limits_cheatsheet/salesforce_app_limits_platform_api.htm>
    pub org_sessions: u32,
    /// Sessions at once on one Exchange server, of whichever organisation. Exchange throttles each user; the machine has
    /// limits of its own. Office 365 has none but those of the mailbox.
    pub mail_host_sessions: u32,
    /// Per cent of an organisation's API calls that are left to others. Where Salesforce last said that less is left, one
    /// session at a time looks whether it is more again.
    pub api_reserve_percent: u32,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            org_sessions: 25,
            mail_host_sessions: 50,
            api_reserve_percent: 10,
        }
    }
}

/// Connections of one organisation on one mail server: what is taken, the one that is due longest first.
struct Lane {
    org: OrgId,
    /// Empty: no server whose load counts.
    mail_host: String,
}

/// Who takes, and until when.
pub(crate) struct Taker<'a> {
    pub(crate) worker: &'a str,
    pub(crate) session: &'a SessionId,
    pub(crate) now: Timestamp,
    pub(crate) until: Timestamp,
}

/// What is taken.
pub(crate) struct Taken {
    pub(crate) connection: ConnectionId,
    pub(crate) org: OrgId,
    pub(crate) user: UserId,
    pub(crate) fence: i64,
}

/// What comes of asking for what is due.
#[derive(Debug)]
pub enum Turn {
    Yours(Lease),
    /// Something is due, and as much runs as may: there may be more when a session ends.
    Later,
    Nothing,
}

impl Turn {
    pub(crate) fn lease(self) -> Option<Lease> {
        match self {
            Self::Yours(lease) => Some(lease),
            Self::Later | Self::Nothing => None,
        }
    }
}

/// As [`Turn`], before the session is opened.
pub(crate) enum Found {
    Taken(Box<Tx>, Taken),
    Full,
    Nothing,
}

/// Others are quicker with all that was seen: look again, at most so often.
const LOOKS: u32 = 4;
/// Lanes that one look brings, in the order of their turn.
const LANES: u32 = 8;

/// `$1` is now. Every row under a lease; in words that lead to the small indexes of these.
const LIVE: &str = "r.lease_session > '' AND r.lease_until > $1";

/// Sessions of organisation `o` at once: `$2`, or one where less than `$3` per cent of its API calls are left.
const ORG_SESSIONS: &str =
    "CASE WHEN o.api_limit > 0 AND (o.api_limit - o.api_used) * 100 < o.api_limit * $3 THEN 1 ELSE $2 END";

/// The lanes in which something is due, and whether it may run (`free`), fairest first: of the organisation of which the
/// least runs, and of those that are equal in this the one that has waited longest. A lane costs a few steps down indexes,
/// however many wait in it.
fn lanes() -> String {
    format!(
        "WITH RECURSIVE lane (org_id, mail_host) AS ( \
         SELECT o.id, (SELECT c.mail_host FROM connections c WHERE c.org_id = o.id AND c.state = 'active' \
         ORDER BY c.mail_host LIMIT 1) FROM orgs o \
         WHERE o.stopped_at IS NULL AND (o.held_until IS NULL OR o.held_until <= $1) \
         UNION ALL \
         SELECT l.org_id, (SELECT c.mail_host FROM connections c WHERE c.org_id = l.org_id AND c.state = 'active' \
         AND c.mail_host > l.mail_host ORDER BY c.mail_host LIMIT 1) FROM lane l WHERE l.mail_host IS NOT NULL), \
         waiting (org_id, mail_host, since) AS ( \
         SELECT l.org_id, l.mail_host, (SELECT c.due_at FROM connections c WHERE c.org_id = l.org_id \
         AND c.mail_host = l.mail_host AND c.state = 'active' AND c.due_at <= $1 \
         AND (c.lease_until IS NULL OR c.lease_until <= $1) ORDER BY c.due_at LIMIT 1) \
         FROM lane l WHERE l.mail_host IS NOT NULL), \
         turn (org_id, mail_host, since, served_at, sessions, of_org, of_host) AS ( \
         SELECT w.org_id, w.mail_host, w.since, COALESCE(o.served_at, 0), {ORG_SESSIONS}, \
         (SELECT COUNT(*) FROM connections r WHERE r.org_id = w.org_id AND {LIVE}), \
         CASE WHEN w.mail_host = '' THEN 0 ELSE \
         (SELECT COUNT(*) FROM connections r WHERE r.mail_host = w.mail_host AND {LIVE}) END \
         FROM waiting w JOIN orgs o ON o.id = w.org_id WHERE w.since IS NOT NULL) \
         SELECT org_id, mail_host, \
         CAST(CASE WHEN of_org < sessions AND of_host < $4 THEN 1 ELSE 0 END AS BIGINT) AS free FROM turn \
         ORDER BY free DESC, of_org, served_at, org_id, since, mail_host LIMIT {LANES}"
    )
}

impl Store {
    /// As it runs beside what other processes take: within these budgets.
    #[must_use]
    pub const fn with_budgets(mut self, budgets: Budgets) -> Self {
        self.budgets = budgets;
        self
    }

    /// Notes where the connection's mailbox is, for [`Budgets::mail_host_sessions`], if an older server has connected it.
    ///
    /// # Errors
    /// The store's.
    pub async fn note_mail_host(&self, row: &ConnectionRow) -> Result<(), StoreError> {
        let host = row.mailbox.as_ref().map(mail_host).unwrap_or_default();
        if row.mail_host == host {
            return Ok(());
        }
        self.db
            .exec(
                "UPDATE connections SET mail_host = $2 WHERE id = $1",
                vals![&row.id, host],
            )
            .await
            .map(|_| ())
    }

    /// Takes what is due and has its turn, in a transaction that is not yet through.
    pub(crate) async fn next_turn(&self, taker: &Taker<'_>) -> Result<Found, StoreError> {
        let budgets = &self.budgets;
        for _ in 0..LOOKS {
            // An idle worker asks often: only a reader's question then, no lock.
            let lanes = self
                .db
                .rows(
                    lanes(),
                    vals![
                        taker.now,
                        budgets.org_sessions,
                        budgets.api_reserve_percent,
                        budgets.mail_host_sessions
                    ],
                )
                .await?;
            if lanes.is_empty() {
                return Ok(Found::Nothing);
            }
            for (n, row) in lanes.iter().enumerate() {
                if !row.flag("free")? {
                    // Behind those that are free.
                    if n == 0 {
                        return Ok(Found::Full);
                    }
                    break;
                }
                let lane = Lane {
                    org: row.parsed("org_id")?,
                    mail_host: row.text("mail_host")?,
                };
                // One organisation's lock at a time: whoever waits for a second while holding a first may wait for ever.
                let mut tx = self.db.begin().await?;
                if let Some(taken) = take(&mut tx, lane, budgets, taker).await? {
                    return Ok(Found::Taken(Box::new(tx), taken));
                }
            }
        }
        Ok(Found::Full)
    }
}

/// Takes the lane's next one, if the budgets still allow it. Whoever else counts leases of the organisation, or of the mail
/// server, waits for the end of this transaction: so the counts are true.
async fn take(
    tx: &mut Tx,
    lane: Lane,
    budgets: &Budgets,
    taker: &Taker<'_>,
) -> Result<Option<Taken>, StoreError> {
    let now = taker.now;
    let served = tx
        .exec(
            "UPDATE orgs SET served_at = $2 WHERE id = $1 AND stopped_at IS NULL \
             AND (held_until IS NULL OR held_until <= $2)",
            vals![&lane.org, now],
        )
        .await?;
    if served == 0 {
        return Ok(None);
    }
    if !lane.mail_host.is_empty() {
        tx.lock(&lane.mail_host).await?;
    }
    let row = tx
        .row(
            format!(
                "UPDATE connections SET fence = fence + 1, lease_session = $7, lease_worker = $8, \
                 lease_until = $9, lease_state = state, woken = 0 WHERE id = \
                 (SELECT c.id FROM connections c WHERE c.org_id = $5 AND c.mail_host = $6 AND c.state = 'active' \
                 AND c.due_at <= $1 AND (c.lease_until IS NULL OR c.lease_until <= $1) \
                 AND (SELECT COUNT(*) FROM connections r WHERE r.org_id = $5 AND {LIVE}) < \
                 (SELECT {ORG_SESSIONS} FROM orgs o WHERE o.id = $5) \
                 AND ($6 = '' OR (SELECT COUNT(*) FROM connections r WHERE r.mail_host = $6 AND {LIVE}) < $4) \
                 ORDER BY c.due_at, c.id LIMIT 1{}) RETURNING id, user_id, fence",
                tx.skip_locked()
            ),
            vals![
                now,
                budgets.org_sessions,
                budgets.api_reserve_percent,
                budgets.mail_host_sessions,
                &lane.org,
                &lane.mail_host,
                taker.session,
                taker.worker,
                taker.until
            ],
        )
        .await?;
    row.map(|row| {
        Ok(Taken {
            connection: row.parsed("id")?,
            user: row.parsed("user_id")?,
            fence: row.int("fence")?,
            org: lane.org,
        })
    })
    .transpose()
}
