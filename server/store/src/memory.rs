//! The store of the simulation: what a session needs, in memory, forkable at any point.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tandem_sync::model::Cursor;
use tandem_sync::ports::{
    self, Closing, Commit, HashKey, Issue, IssueKey, JournalEntry, Lease, LinkAsk, Opening, Pick, StoreError,
};
use tandem_sync::{Link, LinkState};
use tandem_types::{
    BrakeView, ConnectionId, IssueId, IssueView, LinkId, MailboxAccount, OrgId, PreviewView, SessionId,
    SessionOutcome, SessionView, Settings, StateReason, SyncState, Timestamp, UserId,
};

use crate::ConnectionRow;
use crate::lease::until;
use crate::rules::{NOTE_CUT, NOTE_EXPIRED, Standing, pair_of, succeeded};

/// Implements [`tandem_sync::ports::Store`] in memory, under the same contract suite as the databases.
///
/// Nothing is sealed: for tests and the simulation only. Its own methods are those of [`Store`](crate::Store) that
/// change what a session sees.
#[derive(Default)]
pub struct MemoryStore {
    rows: Mutex<BTreeMap<ConnectionId, Row>>,
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("connections", &self.rows().len())
            .finish()
    }
}

/// A connection to be added: not activated.
#[derive(Clone, Debug)]
pub struct MemoryConnection {
    pub id: ConnectionId,
    pub org_id: OrgId,
    pub user_id: UserId,
    pub settings: Settings,
    pub hash_key: HashKey,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts of one row, no state machine"
)]
#[derive(Clone)]
struct Row {
    about: MemoryConnection,
    state: SyncState,
    reason: Option<StateReason>,
    ask_activation: bool,
    mailbox: Option<MailboxAccount>,
    pair: String,
    due: Option<Timestamp>,
    woken: bool,
    fence: i64,
    lease: Option<Held>,
    mailbox_cursor: Option<Cursor>,
    crm_cursor: Option<Cursor>,
    last_full: Option<Timestamp>,
    first_round_done: bool,
    released: bool,
    rejections: u32,
    failures: u32,
    preview: Option<PreviewView>,
    brake: Option<BrakeView>,
    last_success: Option<Timestamp>,
    links: BTreeMap<LinkId, (String, Link)>,
    issues: Vec<Raised>,
    sessions: Vec<SessionView>,
    notes: BTreeMap<SessionId, String>,
    journal: Vec<(SessionId, Timestamp, JournalEntry)>,
    created: Timestamp,
}

#[derive(Clone)]
struct Held {
    session: SessionId,
    until: Timestamp,
    at_claim: SyncState,
}

#[derive(Clone)]
struct Raised {
    pair: String,
    issue: Issue,
    since: Timestamp,
    is: Is,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Is {
    Open,
    Solved,
    Ignored,
}

impl Row {
    fn new(about: MemoryConnection, now: Timestamp) -> Self {
        Self {
            about,
            state: SyncState::NotActivated,
            reason: None,
            ask_activation: true,
            mailbox: None,
            pair: String::new(),
            due: None,
            woken: false,
            fence: 0,
            lease: None,
            mailbox_cursor: None,
            crm_cursor: None,
            last_full: None,
            first_round_done: false,
            released: false,
            rejections: 0,
            failures: 0,
            preview: None,
            brake: None,
            last_success: None,
            links: BTreeMap::new(),
            issues: Vec::new(),
            sessions: Vec::new(),
            notes: BTreeMap::new(),
            journal: Vec::new(),
            created: now,
        }
    }

    fn free(&self, now: Timestamp) -> bool {
        self.lease.as_ref().is_none_or(|held| held.until <= now)
    }

    fn open(&self) -> bool {
        !matches!(self.state, SyncState::Deactivated | SyncState::NotActivated)
    }

    fn current(&self) -> impl Iterator<Item = &Link> {
        self.links
            .values()
            .filter(|(pair, _)| *pair == self.pair)
            .map(|(_, link)| link)
    }

    fn live(&self) -> u32 {
        let live = self
            .current()
            .filter(|link| link.state == LinkState::Live)
            .count();
        u32::try_from(live).unwrap_or(u32::MAX)
    }

    /// Ends session rows that nobody will end any more.
    fn end_sessions(&mut self, outcome: SessionOutcome, note: &str, now: Timestamp) {
        for session in self.sessions.iter_mut().filter(|s| s.ended.is_none()) {
            session.ended = Some(now);
            session.outcome = Some(outcome);
            self.notes.insert(session.id.clone(), note.to_owned());
        }
    }

    fn cut(&mut self, now: Timestamp) {
        self.fence += 1;
        self.lease = None;
        self.woken = false;
        self.end_sessions(SessionOutcome::Partial, NOTE_CUT, now);
    }

    fn due_now(&mut self, now: Timestamp) {
        self.due = Some(now);
        self.woken |= self.lease.is_some();
    }

    /// True if it was not open before.
    fn raise(&mut self, issue: Issue, now: Timestamp) -> bool {
        let pair = &self.pair;
        let known = self
            .issues
            .iter_mut()
            .find(|r| r.pair == *pair && r.issue.key == issue.key);
        match known {
            Some(raised) if raised.is == Is::Ignored => false,
            Some(raised) => {
                let again = raised.is == Is::Solved;
                if again {
                    raised.since = now;
                    raised.is = Is::Open;
                }
                let id = raised.issue.id.clone();
                raised.issue = Issue { id, ..issue };
                again
            }
            None => {
                self.issues.push(Raised {
                    pair: pair.clone(),
                    issue,
                    since: now,
                    is: Is::Open,
                });
                true
            }
        }
    }

    fn end_issue(&mut self, which: impl Fn(&Issue) -> bool, is: Is) -> bool {
        let pair = &self.pair;
        let found = self
            .issues
            .iter_mut()
            .find(|r| r.pair == *pair && r.is == Is::Open && which(&r.issue));
        found.map(|raised| raised.is = is).is_some()
    }

    fn view(&self) -> ConnectionRow {
        ConnectionRow {
            id: self.about.id.clone(),
            org_id: self.about.org_id.clone(),
            user_id: self.about.user_id.clone(),
            state: self.state,
            reason: self.reason,
            ask_activation: self.ask_activation,
            skipped: false,
            rejections: self.rejections,
            failures: self.failures,
            settings: self.about.settings.clone(),
            mailbox: self.mailbox.clone(),
            next_due: self.due,
            last_success: self.last_success,
            links: self.live(),
            first_round_done: self.first_round_done,
            released: self.released,
            preview: self.preview.clone(),
            brake: self.brake.clone(),
            running: self.lease.as_ref().map(|held| held.session.clone()),
            lease_until: self.lease.as_ref().map(|held| held.until),
            created: self.created,
        }
    }
}

impl MemoryStore {
    pub fn new() -> Self {
        Self::default()
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<ConnectionId, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, id: &ConnectionId, work: impl FnOnce(&mut Row) -> T) -> Result<T, StoreError> {
        self.rows()
            .get_mut(id)
            .map(work)
            .ok_or(StoreError::NotFound("connection"))
    }

    fn held<T>(&self, lease: &Lease, work: impl FnOnce(&mut Row) -> T) -> Result<T, StoreError> {
        let mut rows = self.rows();
        rows.get_mut(&lease.connection)
            .filter(|row| {
                row.fence == lease.fence
                    && row.about.org_id == lease.org
                    && row.about.user_id == lease.user
                    && row
                        .lease
                        .as_ref()
                        .is_some_and(|held| held.session == lease.session)
            })
            .map(work)
            .ok_or(StoreError::LeaseLost)
    }

    /// A copy of all that is durable now: what a process finds that starts after a crash here.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            rows: Mutex::new(self.rows().clone()),
        }
    }

    /// # Errors
    /// [`StoreError::Taken`]: the id or the user has a connection.
    pub fn add(&self, connection: MemoryConnection, now: Timestamp) -> Result<(), StoreError> {
        let mut rows = self.rows();
        let taken = rows
            .values()
            .any(|row| row.about.id == connection.id || row.about.user_id == connection.user_id);
        if taken {
            return Err(StoreError::Taken("connection"));
        }
        rows.insert(connection.id.clone(), Row::new(connection, now));
        Ok(())
    }

    /// As [`Store::activate`](crate::Store::activate).
    pub fn activate(
        &self,
        id: &ConnectionId,
        mailbox: MailboxAccount,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut rows = self.rows();
        let pair = pair_of(&mailbox.address);
        let org = rows
            .get(id)
            .map(|row| row.about.org_id.clone())
            .ok_or(StoreError::NotFound("connection"))?;
        let taken = rows.values().any(|row| {
            row.about.id != *id && row.about.org_id == org && row.mailbox.is_some() && row.pair == pair
        });
        if taken {
            return Err(StoreError::Taken("mailbox"));
        }
        let row = rows.get_mut(id).ok_or(StoreError::NotFound("connection"))?;
        if row.pair != pair {
            row.mailbox_cursor = None;
            row.crm_cursor = None;
            row.last_full = None;
            row.first_round_done = false;
            row.last_success = None;
            row.pair = pair;
        }
        row.state = SyncState::Active;
        row.reason = None;
        row.ask_activation = false;
        row.rejections = 0;
        row.failures = 0;
        row.mailbox = Some(mailbox);
        row.released = false;
        row.preview = None;
        row.brake = None;
        row.cut(now);
        row.due = Some(now);
        Ok(())
    }

    /// As [`Store::deactivate`](crate::Store::deactivate).
    pub fn deactivate(&self, id: &ConnectionId, now: Timestamp) -> Result<(), StoreError> {
        self.with(id, |row| {
            row.state = SyncState::Deactivated;
            row.reason = None;
            row.ask_activation = false;
            row.rejections = 0;
            row.failures = 0;
            row.released = false;
            row.preview = None;
            row.brake = None;
            row.mailbox = None;
            row.cut(now);
            row.due = None;
        })
    }

    /// As [`Store::set_state`](crate::Store::set_state).
    pub fn set_state(
        &self,
        id: &ConnectionId,
        from: &[SyncState],
        to: SyncState,
        reason: Option<StateReason>,
        due: Option<Timestamp>,
    ) -> bool {
        self.with(id, |row| {
            if !from.contains(&row.state) {
                return false;
            }
            row.state = to;
            row.reason = reason;
            row.due = due;
            row.woken |= due.is_some() && row.lease.is_some();
            row.ask_activation |= to == SyncState::NeedsActivation;
            true
        })
        .unwrap_or(false)
    }

    /// As [`Store::release`](crate::Store::release).
    pub fn release(&self, id: &ConnectionId, now: Timestamp) -> bool {
        self.with(id, |row| {
            if !row.open() {
                return false;
            }
            row.released = true;
            row.reason = row
                .reason
                .filter(|r| !matches!(r, StateReason::StoppedByBrake | StateReason::WaitingForPreview));
            row.preview = None;
            row.brake = None;
            row.due_now(now);
            true
        })
        .unwrap_or(false)
    }

    /// As [`Store::wake`](crate::Store::wake).
    pub fn wake(&self, id: &ConnectionId, now: Timestamp) -> bool {
        self.with(id, |row| {
            if row.open() {
                row.due_now(now);
            }
            row.open()
        })
        .unwrap_or(false)
    }

    pub fn update_settings(&self, id: &ConnectionId, settings: &Settings) -> Result<(), StoreError> {
        self.with(id, |row| row.about.settings = settings.clone())
    }

    pub fn connection(&self, id: &ConnectionId) -> Option<ConnectionRow> {
        self.rows().get(id).map(Row::view)
    }

    pub fn connections(&self) -> Vec<ConnectionRow> {
        self.rows().values().map(Row::view).collect()
    }

    /// Newest first.
    pub fn sessions(&self, id: &ConnectionId) -> Vec<SessionView> {
        self.rows()
            .get(id)
            .map(|row| row.sessions.iter().rev().cloned().collect())
            .unwrap_or_default()
    }

    /// Open issues of the present pair, oldest first.
    pub fn issues(&self, id: &ConnectionId) -> Vec<IssueView> {
        let rows = self.rows();
        let Some(row) = rows.get(id) else {
            return Vec::new();
        };
        let mut views: Vec<_> = row
            .issues
            .iter()
            .filter(|r| r.is == Is::Open && r.pair == row.pair)
            .map(|r| IssueView {
                id: r.issue.id.clone(),
                kind: r.issue.key.kind,
                code: r.issue.key.code,
                title: r.issue.title.clone(),
                detail: r.issue.detail.clone(),
                since: r.since,
                cures: r.issue.cures.clone(),
            })
            .collect();
        views.sort_by(|a, b| (a.since, &a.id).cmp(&(b.since, &b.id)));
        views
    }

    /// What the open issues of the present pair are about.
    pub fn issue_keys(&self, id: &ConnectionId) -> BTreeSet<IssueKey> {
        let rows = self.rows();
        let Some(row) = rows.get(id) else {
            return BTreeSet::new();
        };
        let open = row
            .issues
            .iter()
            .filter(|r| r.is == Is::Open && r.pair == row.pair);
        open.map(|r| r.issue.key.clone()).collect()
    }

    /// As [`Store::solve_issue`](crate::Store::solve_issue).
    pub fn solve_issue(&self, id: &ConnectionId, issue: &IssueId) -> bool {
        self.with(id, |row| row.end_issue(|i| i.id == *issue, Is::Solved))
            .unwrap_or(false)
    }

    /// As [`Store::ignore_issue`](crate::Store::ignore_issue).
    pub fn ignore_issue(&self, id: &ConnectionId, issue: &IssueId) -> bool {
        self.with(id, |row| row.end_issue(|i| i.id == *issue, Is::Ignored))
            .unwrap_or(false)
    }

    /// The links of the present pair, by id.
    pub fn links_of(&self, id: &ConnectionId) -> Vec<Link> {
        self.rows()
            .get(id)
            .map(|row| row.current().cloned().collect())
            .unwrap_or_default()
    }

    /// Both cursors, the mailbox's first.
    pub fn cursors(&self, id: &ConnectionId) -> (Option<Cursor>, Option<Cursor>) {
        let rows = self.rows();
        rows.get(id)
            .map(|row| (row.mailbox_cursor.clone(), row.crm_cursor.clone()))
            .unwrap_or_default()
    }

    /// All that was journalled, in order, with the session and the time of the commit.
    pub fn journal(&self, id: &ConnectionId) -> Vec<(SessionId, Timestamp, JournalEntry)> {
        self.rows()
            .get(id)
            .map(|row| row.journal.clone())
            .unwrap_or_default()
    }

    /// The operator's note of an ended session.
    pub fn session_note(&self, id: &ConnectionId, session: &SessionId) -> Option<String> {
        self.rows()
            .get(id)
            .and_then(|row| row.notes.get(session).cloned())
    }
}

#[async_trait]
impl ports::Store for MemoryStore {
    async fn claim(
        &self,
        pick: &Pick,
        _worker: &str,
        session: SessionId,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        let mut rows = self.rows();
        let picked = match pick {
            Pick::Due => rows
                .values()
                .filter(|row| row.state == SyncState::Active && row.free(now))
                .filter_map(|row| row.due.map(|due| (due, &row.about.id)))
                .filter(|(due, _)| *due <= now)
                .min()
                .map(|(_, id)| id.clone()),
            Pick::This(id) => rows
                .get(id)
                .filter(|row| row.open() && row.free(now))
                .map(|_| id.clone()),
        };
        let Some(id) = picked else { return Ok(None) };
        if rows
            .values()
            .any(|row| row.sessions.iter().any(|s| s.id == session))
        {
            return Err(StoreError::Taken("session"));
        }
        let row = rows.get_mut(&id).ok_or(StoreError::NotFound("connection"))?;
        row.end_sessions(SessionOutcome::Failed, NOTE_EXPIRED, now);
        row.fence += 1;
        row.woken = false;
        row.lease = Some(Held {
            session: session.clone(),
            until: until(now, ttl),
            at_claim: row.state,
        });
        row.sessions.push(SessionView {
            id: session.clone(),
            started: now,
            ended: None,
            outcome: None,
            counts: Vec::new(),
            issues: 0,
        });
        Ok(Some(Lease {
            connection: id,
            session,
            org: row.about.org_id.clone(),
            user: row.about.user_id.clone(),
            fence: row.fence,
            until: until(now, ttl),
        }))
    }

    async fn renew(&self, lease: &Lease, now: Timestamp, ttl: Duration) -> Result<Lease, StoreError> {
        let until = until(now, ttl);
        self.held(lease, |row| {
            if let Some(held) = &mut row.lease {
                held.until = until;
            }
        })?;
        Ok(Lease {
            until,
            ..lease.clone()
        })
    }

    async fn open(&self, lease: &Lease) -> Result<Opening, StoreError> {
        self.held(lease, |row| Opening {
            state: row.state,
            reason: row.reason,
            settings: row.about.settings.clone(),
            mailbox_cursor: row.mailbox_cursor.clone(),
            crm_cursor: row.crm_cursor.clone(),
            hash_key: row.about.hash_key.clone(),
            live_links: row.live(),
            rejections: row.rejections,
            failures: row.failures,
            first_round_done: row.first_round_done,
            released: row.released,
            last_full: row.last_full,
        })
    }

    async fn links(&self, lease: &Lease, ask: &LinkAsk) -> Result<Vec<Link>, StoreError> {
        self.held(lease, |row| match ask {
            LinkAsk::All => row.current().cloned().collect(),
            LinkAsk::Pending => row
                .current()
                .filter(|link| link.intent.is_some())
                .cloned()
                .collect(),
            LinkAsk::Of { mailbox, crm, keys } => {
                let mailbox: BTreeSet<_> = mailbox.iter().collect();
                let crm: BTreeSet<_> = crm.iter().collect();
                let keys: BTreeSet<_> = keys.iter().collect();
                row.current()
                    .filter(|link| {
                        link.mailbox_id.as_ref().is_some_and(|id| mailbox.contains(id))
                            || link.crm_id.as_ref().is_some_and(|id| crm.contains(id))
                            || keys.contains(&link.key)
                    })
                    .cloned()
                    .collect()
            }
        })
    }

    async fn commit(&self, lease: &Lease, now: Timestamp, commit: Commit) -> Result<(), StoreError> {
        self.held(lease, |row| {
            let pair = row.pair.clone();
            for link in commit.links {
                row.links.insert(link.id.clone(), (pair.clone(), link));
            }
            let entries = commit.journal.into_iter();
            row.journal
                .extend(entries.map(|entry| (lease.session.clone(), now, entry)));
            for key in &commit.solved {
                row.end_issue(|i| i.key == *key, Is::Solved);
            }
            let mut raised = 0;
            for issue in commit.issues {
                raised += u32::from(row.raise(issue, now));
            }
            if let Some(session) = row.sessions.iter_mut().find(|s| s.id == lease.session) {
                session.issues += raised;
            }
            row.mailbox_cursor = commit.mailbox_cursor.or(row.mailbox_cursor.take());
            row.crm_cursor = commit.crm_cursor.or(row.crm_cursor.take());
            row.last_full = commit.last_full.or(row.last_full);
            row.first_round_done |= commit.first_round_done;
        })
    }

    async fn close(&self, lease: &Lease, closing: Closing) -> Result<(), StoreError> {
        self.held(lease, |row| {
            let at_claim = row.lease.take().map_or(row.state, |held| held.at_claim);
            let standing = Standing {
                state: row.state,
                reason: row.reason,
                due: row.due,
                woken: row.woken,
                at_claim,
            };
            (row.state, row.reason, row.due) = standing.settle(&closing);
            row.woken = false;
            row.rejections = closing.rejections;
            row.failures = closing.failures;
            row.preview = closing.preview;
            row.brake = closing.brake;
            row.released &= !closing.release_used;
            row.ask_activation |= row.state == SyncState::NeedsActivation;
            if succeeded(closing.outcome) {
                row.last_success = Some(closing.ended);
            }
            if let Some(session) = row.sessions.iter_mut().find(|s| s.id == lease.session) {
                session.ended = Some(closing.ended);
                session.outcome = Some(closing.outcome);
                session.counts = closing.counts;
            }
            row.notes.insert(lease.session.clone(), closing.note);
        })
    }
}
