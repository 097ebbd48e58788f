//! What the pane and the operator read.

use tandem_sync::model::ItemId;
use tandem_sync::ports::{IssueKey, JournalEntry};
use tandem_types::{
    ConnectionId, IssueCode, IssueId, IssueView, ItemKind, SessionId, SessionOutcome, SessionView, Timestamp,
};

use crate::commit::issue_aad;
use crate::db::{Row, vals};
use crate::links::side;
use crate::seal::DataKey;
use crate::{Store, StoreError};

const ISSUE: &str = "i.id, i.kind, i.side, i.item, i.code, i.title, i.detail, i.cures, i.since, c.journal_key \
     FROM issues i JOIN connections c ON c.id = i.connection_id AND c.org_id = i.org_id \
     AND c.user_id = i.user_id AND c.pair = i.pair";

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
        rows.iter()
            .map(|row| {
                Ok(SessionView {
                    id: row.parsed("id")?,
                    started: row.time("started_at")?,
                    ended: row.opt_time("ended_at")?,
                    outcome: row.opt_word("outcome", SessionOutcome::parse)?,
                    counts: row.json("counts")?,
                    issues: row.count("issues")?,
                })
            })
            .collect()
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
        row.map(|row| {
            let key = IssueKey {
                kind: row.word("kind", ItemKind::parse)?,
                side: row.word("side", side)?,
                item: ItemId(row.text("item")?),
                code: row.word("code", IssueCode::parse)?,
            };
            Ok((self.issue_view(id, &row)?, key))
        })
        .transpose()
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
        Ok(IssueView {
            id: issue,
            kind: row.word("kind", ItemKind::parse)?,
            code: row.word("code", IssueCode::parse)?,
            title,
            detail,
            since: row.time("since")?,
            cures: row.json("cures")?,
        })
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

    /// What a session changed, in order.
    pub async fn journal(
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
