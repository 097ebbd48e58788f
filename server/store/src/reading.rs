//! What the pane and the operator read.

use tandem_sync::model::ItemId;
use tandem_sync::ports::{IssueKey, JournalEntry};
use tandem_types::{
    ConnectionId, IssueCode, IssueId, IssueView, ItemKind, SessionId, SessionOutcome, SessionView, Timestamp,
};

use crate::commit::issue_aad;
use crate::db::{Row, Val, vals};
use crate::issues::{self, Kept};
use crate::links::side;
use crate::seal::DataKey;
use crate::{Store, StoreError};

const ISSUE: &str = "i.id, i.kind, i.side, i.item, i.code, i.title, i.detail, i.cures, i.since, c.journal_key \
     FROM issues i JOIN connections c ON c.id = i.connection_id AND c.org_id = i.org_id \
     AND c.user_id = i.user_id AND c.pair = i.pair";

/// As many as a connection has in a month at the shortest interval.
const SESSIONS_AT_ONCE: u32 = 10_000;

/// Which open issues of the present pair are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuePick {
    /// Only of this kind.
    pub kind: Option<ItemKind>,
    /// Only for this cause.
    pub code: Option<IssueCode>,
}

/// An issue of one item, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemIssue {
    pub view: IssueView,
    pub key: IssueKey,
    /// The user wants to hear no more of it.
    pub ignored: bool,
}

fn session_view(row: &Row) -> Result<SessionView, StoreError> {
    Ok(SessionView {
        id: row.parsed("id")?,
        started: row.time("started_at")?,
        ended: row.opt_time("ended_at")?,
        outcome: row.opt_word("outcome", SessionOutcome::parse)?,
        counts: row.json("counts")?,
        issues: row.count("issues")?,
    })
}

fn issue_key(row: &Row) -> Result<IssueKey, StoreError> {
    Ok(IssueKey {
        kind: row.word("kind", ItemKind::parse)?,
        side: row.word("side", side)?,
        item: ItemId(row.text("item")?),
        code: row.word("code", IssueCode::parse)?,
    })
}

/// `$2` and `$3`: kind and code; empty for all.
const PICKED: &str = "AND ($2 = '' OR i.kind = $2) AND ($3 = '' OR i.code = $3)";

impl IssuePick {
    fn values(&self, id: &ConnectionId) -> Vec<Val> {
        let kind = self.kind.map_or("", ItemKind::as_str);
        let code = self.code.map_or("", IssueCode::as_str);
        vals![id, kind, code]
    }
}

impl Store {
    /// Newest first; one that is running has no end.
    pub async fn sessions(&self, id: &ConnectionId, limit: u32) -> Result<Vec<SessionView>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT s.id, s.started_at, s.ended_at, s.outcome, s.counts, s.issues FROM sessions s \
                 JOIN connections c ON c.id = s.connection_id AND c.org_id = s.org_id AND c.user_id = s.user_id \
                 WHERE s.connection_id = $1 ORDER BY s.started_at DESC, s.fence DESC LIMIT $2",
                vals![id, limit],
            )
            .await?;
        rows.iter().map(session_view).collect()
    }

    /// The sessions before `before`, newest first: the next page after one that ended with it. Kept for 90 days.
    pub async fn sessions_before(
        &self,
        id: &ConnectionId,
        before: &SessionId,
        limit: u32,
    ) -> Result<Vec<SessionView>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT s.id, s.started_at, s.ended_at, s.outcome, s.counts, s.issues FROM sessions s \
                 JOIN connections c ON c.id = s.connection_id AND c.org_id = s.org_id AND c.user_id = s.user_id \
                 JOIN sessions b ON b.id = $2 AND b.connection_id = s.connection_id \
                 WHERE s.connection_id = $1 AND (s.started_at < b.started_at \
                 OR (s.started_at = b.started_at AND s.fence < b.fence)) \
                 ORDER BY s.started_at DESC, s.fence DESC LIMIT $3",
                vals![id, before, limit],
            )
            .await?;
        rows.iter().map(session_view).collect()
    }

    /// The sessions that began at `since` or later, newest first; of a long time, only the last of them.
    pub async fn sessions_since(
        &self,
        id: &ConnectionId,
        since: Timestamp,
    ) -> Result<Vec<SessionView>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT s.id, s.started_at, s.ended_at, s.outcome, s.counts, s.issues FROM sessions s \
                 JOIN connections c ON c.id = s.connection_id AND c.org_id = s.org_id AND c.user_id = s.user_id \
                 WHERE s.connection_id = $1 AND s.started_at >= $2 \
                 ORDER BY s.started_at DESC, s.fence DESC LIMIT $3",
                vals![id, since, SESSIONS_AT_ONCE],
            )
            .await?;
        rows.iter().map(session_view).collect()
    }

    /// How many sessions are kept.
    pub async fn session_count(&self, id: &ConnectionId) -> Result<u32, StoreError> {
        self.db
            .row(
                "SELECT COUNT(*) AS n FROM sessions WHERE connection_id = $1",
                vals![id],
            )
            .await?
            .ok_or(StoreError::NotFound("row"))?
            .count("n")
    }

    /// The operator's note of a session; empty while it runs.
    pub async fn session_note(
        &self,
        id: &ConnectionId,
        session: &SessionId,
    ) -> Result<Option<String>, StoreError> {
        let row = self
            .db
            .row(
                "SELECT note FROM sessions WHERE id = $1 AND connection_id = $2",
                vals![session, id],
            )
            .await?;
        row.map(|row| row.text("note")).transpose()
    }

    /// Open issues of the present pair, oldest first, and how many there are in all.
    pub async fn issues(&self, id: &ConnectionId, limit: u32) -> Result<(Vec<IssueView>, u32), StoreError> {
        let total = self
            .db
            .row(
                "SELECT COUNT(*) AS n FROM issues i JOIN connections c ON c.id = i.connection_id \
                 AND c.org_id = i.org_id AND c.user_id = i.user_id AND c.pair = i.pair \
                 WHERE i.connection_id = $1 AND i.state = 'open'",
                vals![id],
            )
            .await?
            .ok_or(StoreError::NotFound("row"))?
            .count("n")?;
        let rows = self
            .db
            .rows(
                format!(
                    "SELECT {ISSUE} WHERE i.connection_id = $1 AND i.state = 'open' \
                     ORDER BY i.since, i.id LIMIT $2"
                ),
                vals![id, limit],
            )
            .await?;
        let views = rows
            .iter()
            .map(|row| self.issue_view(id, row))
            .collect::<Result<_, _>>()?;
        Ok((views, total))
    }

    /// One open issue of the present pair, and what it is about.
    pub async fn issue(
        &self,
        id: &ConnectionId,
        issue: &IssueId,
    ) -> Result<Option<(IssueView, IssueKey)>, StoreError> {
        let row = self
            .db
            .row(
                format!("SELECT {ISSUE} WHERE i.connection_id = $1 AND i.id = $2 AND i.state = 'open'"),
                vals![id, issue],
            )
            .await?;
        row.map(|row| Ok((self.issue_view(id, &row)?, issue_key(&row)?)))
            .transpose()
    }

    /// Open issues of the present pair that are picked, oldest first, from the `skip`-th; and how many there are in all.
    pub async fn issue_page(
        &self,
        id: &ConnectionId,
        pick: &IssuePick,
        skip: u32,
        limit: u32,
    ) -> Result<(Vec<IssueView>, u32), StoreError> {
        let total = self
            .db
            .row(
                format!(
                    "SELECT COUNT(*) AS n FROM issues i JOIN connections c ON c.id = i.connection_id \
                     AND c.org_id = i.org_id AND c.user_id = i.user_id AND c.pair = i.pair \
                     WHERE i.connection_id = $1 AND i.state = 'open' {PICKED}"
                ),
                pick.values(id),
            )
            .await?
            .ok_or(StoreError::NotFound("row"))?
            .count("n")?;
        let mut values = pick.values(id);
        values.extend(vals![limit, skip]);
        let rows = self
            .db
            .rows(
                format!(
                    "SELECT {ISSUE} WHERE i.connection_id = $1 AND i.state = 'open' {PICKED} \
                     ORDER BY i.since, i.id LIMIT $4 OFFSET $5"
                ),
                values,
            )
            .await?;
        let views = rows
            .iter()
            .map(|row| self.issue_view(id, row))
            .collect::<Result<_, _>>()?;
        Ok((views, total))
    }

    /// What there is about one item of the present pair, oldest first: open issues, and those that are ignored.
    pub async fn issues_of_item(
        &self,
        id: &ConnectionId,
        item: &ItemId,
    ) -> Result<Vec<ItemIssue>, StoreError> {
        let rows = self
            .db
            .rows(
                format!(
                    "SELECT i.state, {ISSUE} WHERE i.connection_id = $1 AND i.item = $2 \
                     AND i.state IN ('open', 'ignored') ORDER BY i.since, i.id"
                ),
                vals![id, &item.0],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(ItemIssue {
                    view: self.issue_view(id, row)?,
                    key: issue_key(row)?,
                    ignored: row.text("state")? == "ignored",
                })
            })
            .collect()
    }

    /// As [`Store::solve_issue`], for all that are picked; says how many.
    pub async fn solve_issues(
        &self,
        id: &ConnectionId,
        pick: &IssuePick,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.end_issues(id, pick, "solved", now).await
    }

    /// As [`Store::ignore_issue`], for all that are picked; says how many.
    pub async fn ignore_issues(
        &self,
        id: &ConnectionId,
        pick: &IssuePick,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.end_issues(id, pick, "ignored", now).await
    }

    async fn end_issues(
        &self,
        id: &ConnectionId,
        pick: &IssuePick,
        state: &str,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut values = pick.values(id);
        values.extend(vals![state, now]);
        self.db
            .exec(
                "UPDATE issues SET state = $4, updated_at = $5 WHERE connection_id = $1 AND state = 'open' \
                 AND ($2 = '' OR kind = $2) AND ($3 = '' OR code = $3) \
                 AND pair = (SELECT c.pair FROM connections c WHERE c.id = $1)",
                values,
            )
            .await
    }

    fn issue_view(&self, id: &ConnectionId, row: &Row) -> Result<IssueView, StoreError> {
        let key = DataKey::journal(id, row.blob("journal_key")?);
        let issue: IssueId = row.parsed("id")?;
        let title = self.unseal_text(&key, &issue_aad(id, issue.as_str(), "title"), &row.blob("title")?)?;
        let detail = self.unseal_text(
            &key,
            &issue_aad(id, issue.as_str(), "detail"),
            &row.blob("detail")?,
        )?;
        let kept = Kept {
            id: issue,
            title,
            detail,
            since: row.time("since")?,
            cures: row.json("cures")?,
        };
        Ok(issues::view(&issue_key(row)?, kept))
    }

    /// The issue is over, until a session raises it again. False: it is not open.
    pub async fn solve_issue(
        &self,
        id: &ConnectionId,
        issue: &IssueId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.end_issue(id, issue, "solved", now).await
    }

    /// The issue is never mentioned again. False: it is not open.
    pub async fn ignore_issue(
        &self,
        id: &ConnectionId,
        issue: &IssueId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.end_issue(id, issue, "ignored", now).await
    }

    async fn end_issue(
        &self,
        id: &ConnectionId,
        issue: &IssueId,
        state: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .db
            .exec(
                "UPDATE issues SET state = $3, updated_at = $4 \
                 WHERE connection_id = $1 AND id = $2 AND state = 'open'",
                vals![id, issue, state, now],
            )
            .await?;
        Ok(changed > 0)
    }

    /// Live links of the present pair.
    pub async fn live_links(&self, id: &ConnectionId) -> Result<u32, StoreError> {
        self.db
            .row(
                "SELECT COUNT(*) AS n FROM links l JOIN connections c ON c.id = l.connection_id \
                 AND c.org_id = l.org_id AND c.user_id = l.user_id AND c.pair = l.pair \
                 WHERE l.connection_id = $1 AND l.state = 'live'",
                vals![id],
            )
            .await?
            .ok_or(StoreError::NotFound("row"))?
            .count("n")
    }

    /// What a session changed, in order, and whose it was; `None`: there is no such session (any more).
    pub async fn journal_of(
        &self,
        session: &SessionId,
    ) -> Result<Option<(ConnectionId, Vec<JournalEntry>)>, StoreError> {
        let row = self
            .db
            .row("SELECT connection_id FROM sessions WHERE id = $1", vals![session])
            .await?;
        let Some(row) = row else { return Ok(None) };
        let id: ConnectionId = row.parsed("connection_id")?;
        let entries = self.read_journal(&id, session).await?;
        Ok(Some((id, entries)))
    }

    pub(crate) async fn read_journal(
        &self,
        id: &ConnectionId,
        session: &SessionId,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT j.seq, j.link_id, j.kind, j.sealed, c.journal_key FROM journal j \
                 JOIN connections c ON c.id = j.connection_id AND c.org_id = j.org_id AND c.user_id = j.user_id \
                 WHERE j.connection_id = $1 AND j.session_id = $2 ORDER BY j.seq",
                vals![id, session],
            )
            .await?;
        rows.iter()
            .map(|row| {
                let key = DataKey::journal(id, row.blob("journal_key")?);
                let kind = row.word("kind", ItemKind::parse)?;
                let (seq, link) = (row.int("seq")?, row.parsed("link_id")?);
                self.open_entry(&key, session, seq, link, kind, &row.blob("sealed")?)
            })
            .collect()
    }
}
