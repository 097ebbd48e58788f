//! The store of the simulation: what a session needs, in memory, forkable at any point.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tandem_sync::model::{Cursor, ItemId, LinkKey};
use tandem_sync::mutant::{self, Mutant};
use tandem_sync::order::Order;
use tandem_sync::ports::{
    self, Backfill, Claim, Closing, Commit, HashKey, Issue, IssueKey, JournalEntry, Lease, LinkAsk, Opening,
    Pick, StoreError, Wish,
};
use tandem_sync::{BaseHash, Link, LinkState};
use tandem_types::{
    BrakeView, ConnectionId, IssueId, IssueView, ItemKind, LinkId, MailboxAccount, OrgId, PreviewView,
    SessionId, SessionOutcome, SessionView, Settings, StateReason, SyncState, Timestamp, UserId,
};

use crate::issues::{self, Kept};
use crate::lease::until;
use crate::orders::ORDERS_MAX;
use crate::rules::{
    GIVEN_UP, NOTE_CUT, NOTE_EXPIRED, Standing, deletes_since, due_after_release, goes_on, mail_host,
    pair_of, pending, stale, succeeded,
};
use crate::settings::{self, SettingsFault};
use crate::{Budgets, ConnectionRow, OrderRow, OrgRow, Quota};

/// Implements [`tandem_sync::ports::Store`] in memory, under the same contract suite as the databases.
///
/// Holds any number of organisations and connections. Nothing is sealed: for tests and the simulation only. Its own
/// methods are those of [`Store`](crate::Store) that change what a session sees.
#[derive(Default)]
pub struct MemoryStore {
    all: Mutex<All>,
}

/// Shared between a store and its forks until one of them writes.
#[derive(Clone, Default)]
struct All {
    budgets: Budgets,
    orgs: BTreeMap<OrgId, Arc<Org>>,
    rows: BTreeMap<ConnectionId, Arc<Row>>,
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("connections", &self.all().rows.len())
            .finish()
    }
}

/// A connection to be added: not activated.
#[derive(Clone, Debug)]
pub struct MemoryConnection {
    pub id: ConnectionId,
    pub org_id: OrgId,
    pub user_id: UserId,
    /// What it sets beside its organisation's settings, a JSON object. Whole [`Settings`] will do.
    pub overrides: Value,
    pub hash_key: HashKey,
}

impl MemoryConnection {
    /// With the organisation's settings and a key that follows from the id.
    pub fn new(id: ConnectionId, org_id: OrgId, user_id: UserId) -> Self {
        let hash_key = key_from(id.as_str());
        Self {
            id,
            org_id,
            user_id,
            overrides: nothing(),
            hash_key,
        }
    }
}

fn nothing() -> Value {
    Value::Object(serde_json::Map::new())
}

/// Another key for each id of at most 32 bytes; no secret.
fn key_from(id: &str) -> HashKey {
    let mut key = [0; 32];
    for (to, from) in key.iter_mut().zip(id.bytes()) {
        *to = from;
    }
    HashKey(key)
}

#[derive(Clone)]
struct Org {
    key: HashKey,
    overrides: Value,
    stopped: Option<Timestamp>,
    released: Option<Timestamp>,
    served: Timestamp,
    held: Option<Timestamp>,
    quota: Option<Quota>,
    claims: BTreeMap<(ItemKind, [u8; 16]), Claim>,
}

impl Org {
    fn new(id: &OrgId) -> Self {
        Self {
            key: key_from(id.as_str()),
            overrides: nothing(),
            stopped: None,
            released: None,
            served: Timestamp(0),
            held: None,
            quota: None,
            claims: BTreeMap::new(),
        }
    }

    fn give_up(&mut self, holder: &ConnectionId) {
        for claim in self.claims.values_mut() {
            if claim.holder == *holder && claim.crm_id.is_none() {
                claim.since = GIVEN_UP;
            }
        }
    }
}

/// The links of a connection, found by everything that a session asks for.
#[derive(Clone, Default)]
struct Links {
    all: BTreeMap<LinkId, (Arc<str>, Link)>,
    by_mailbox: BTreeMap<ItemId, BTreeSet<LinkId>>,
    by_crm: BTreeMap<ItemId, BTreeSet<LinkId>>,
    by_key: BTreeMap<LinkKey, BTreeSet<LinkId>>,
    pending: BTreeSet<LinkId>,
}

fn unnote<K: Ord>(index: &mut BTreeMap<K, BTreeSet<LinkId>>, key: &K, id: &LinkId) {
    if let Some(ids) = index.get_mut(key) {
        ids.remove(id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}

impl Links {
    fn put(&mut self, pair: &Arc<str>, link: Link) {
        self.remove(&link.id);
        let id = &link.id;
        if let Some(item) = &link.mailbox_id {
            self.by_mailbox
                .entry(item.clone())
                .or_default()
                .insert(id.clone());
        }
        if let Some(item) = &link.crm_id {
            self.by_crm.entry(item.clone()).or_default().insert(id.clone());
        }
        self.by_key
            .entry(link.key.clone())
            .or_default()
            .insert(id.clone());
        if pending(&link) {
            self.pending.insert(id.clone());
        }
        self.all.insert(id.clone(), (Arc::clone(pair), link));
    }

    fn remove(&mut self, id: &LinkId) {
        let Some((_, old)) = self.all.remove(id) else {
            return;
        };
        if let Some(item) = &old.mailbox_id {
            unnote(&mut self.by_mailbox, item, id);
        }
        if let Some(item) = &old.crm_id {
            unnote(&mut self.by_crm, item, id);
        }
        unnote(&mut self.by_key, &old.key, id);
        self.pending.remove(id);
    }

    fn of<'a>(&'a self, pair: &'a str) -> impl Iterator<Item = &'a Link> {
        self.all
            .values()
            .filter(move |(p, _)| &**p == pair)
            .map(|(_, link)| link)
    }

    fn pick<'a>(&self, pair: &str, ids: impl Iterator<Item = &'a LinkId>) -> Vec<Link> {
        ids.filter_map(|id| self.all.get(id))
            .filter(|(p, _)| &**p == pair)
            .map(|(_, link)| link.clone())
            .collect()
    }

    fn ask(&self, pair: &str, ask: &LinkAsk) -> Vec<Link> {
        match ask {
            LinkAsk::All => self.of(pair).cloned().collect(),
            LinkAsk::Pending => self.pick(pair, self.pending.iter()),
            LinkAsk::Of { mailbox, crm, keys } => {
                let mut ids = BTreeSet::new();
                ids.extend(mailbox.iter().filter_map(|id| self.by_mailbox.get(id)).flatten());
                ids.extend(crm.iter().filter_map(|id| self.by_crm.get(id)).flatten());
                ids.extend(keys.iter().filter_map(|key| self.by_key.get(key)).flatten());
                self.pick(pair, ids.into_iter())
            }
        }
    }
}

/// A session's row.
#[derive(Clone)]
struct Ran {
    view: SessionView,
    note: String,
    deletes: u32,
    deletes_at: Option<Timestamp>,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts of one row, no state machine"
)]
#[derive(Clone)]
struct Row {
    about: MemoryConnection,
    settings: Settings,
    state: SyncState,
    reason: Option<StateReason>,
    ask_activation: bool,
    mailbox: Option<MailboxAccount>,
    pair: Arc<str>,
    due: Option<Timestamp>,
    held_reason: Option<StateReason>,
    held_due: Option<Timestamp>,
    woken: bool,
    fence: i64,
    lease: Option<Held>,
    mailbox_cursor: Option<Cursor>,
    crm_cursor: Option<Cursor>,
    last_full: Option<Timestamp>,
    last_moved: Option<Timestamp>,
    activated: Option<Timestamp>,
    backfill: Option<Backfill>,
    orders: BTreeMap<(Arc<str>, ItemId), OrderRow>,
    first_round_done: bool,
    released: bool,
    /// As the column `org_pass`.
    org_pass: OrgPass,
    rejections: u32,
    failures: u32,
    preview: Option<PreviewView>,
    brake: Option<BrakeView>,
    last_success: Option<Timestamp>,
    links: Links,
    issues: BTreeMap<(Arc<str>, IssueKey), Raised>,
    sessions: Vec<Ran>,
    numbers: BTreeMap<SessionId, usize>,
    journal: Vec<(SessionId, Timestamp, JournalEntry)>,
    created: Timestamp,
}

/// Whether a connection's plan stopped its organisation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OrgPass {
    No,
    Stopped,
    LetThrough,
}

#[derive(Clone)]
struct Held {
    session: SessionId,
    until: Timestamp,
    at_claim: SyncState,
}

#[derive(Clone)]
struct Raised {
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
    fn new(about: MemoryConnection, settings: Settings, now: Timestamp) -> Self {
        Self {
            about,
            settings,
            state: SyncState::NotActivated,
            reason: None,
            ask_activation: true,
            mailbox: None,
            pair: Arc::from(""),
            due: None,
            held_reason: None,
            held_due: None,
            woken: false,
            fence: 0,
            lease: None,
            mailbox_cursor: None,
            crm_cursor: None,
            last_full: None,
            last_moved: None,
            activated: None,
            backfill: None,
            orders: BTreeMap::new(),
            first_round_done: false,
            released: false,
            org_pass: OrgPass::No,
            rejections: 0,
            failures: 0,
            preview: None,
            brake: None,
            last_success: None,
            links: Links::default(),
            issues: BTreeMap::new(),
            sessions: Vec::new(),
            numbers: BTreeMap::new(),
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

    fn held_by(&self, lease: &Lease) -> bool {
        self.fence == lease.fence
            && self.about.org_id == lease.org
            && self.about.user_id == lease.user
            && self
                .lease
                .as_ref()
                .is_some_and(|held| held.session == lease.session)
    }

    fn live(&self) -> u32 {
        let live = self
            .links
            .of(&self.pair)
            .filter(|link| link.state == LinkState::Live)
            .count();
        u32::try_from(live).unwrap_or(u32::MAX)
    }

    fn session(&self, id: &SessionId) -> Option<&Ran> {
        self.numbers.get(id).and_then(|n| self.sessions.get(*n))
    }

    fn session_mut(&mut self, id: &SessionId) -> Option<&mut Ran> {
        self.numbers.get(id).and_then(|n| self.sessions.get_mut(*n))
    }

    fn journal_of(&self, session: &SessionId) -> Vec<JournalEntry> {
        let entries = self.journal.iter().filter(|(s, ..)| s == session);
        entries.map(|(.., entry)| entry.clone()).collect()
    }

    /// Ends session rows that nobody will end any more.
    fn end_sessions(&mut self, outcome: SessionOutcome, note: &str, now: Timestamp) {
        // Only the last one can be open: each beginning ends the one before.
        if let Some(ran) = self.sessions.last_mut().filter(|ran| ran.view.ended.is_none()) {
            ran.view.ended = Some(now);
            ran.view.outcome = Some(outcome);
            note.clone_into(&mut ran.note);
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
        let name = (Arc::clone(&self.pair), issue.key.clone());
        match self.issues.get_mut(&name) {
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
                let raised = Raised {
                    issue,
                    since: now,
                    is: Is::Open,
                };
                self.issues.insert(name, raised);
                true
            }
        }
    }

    fn solve(&mut self, key: &IssueKey) {
        let name = (Arc::clone(&self.pair), key.clone());
        if let Some(raised) = self.issues.get_mut(&name).filter(|r| r.is == Is::Open) {
            raised.is = Is::Solved;
        }
    }

    /// Whatever is open about an item is over.
    fn over_with(&mut self, side: tandem_types::Side, item: &ItemId) {
        let pair = &self.pair;
        for ((of, key), raised) in &mut self.issues {
            if of == pair && key.side == side && key.item == *item && raised.is == Is::Open {
                raised.is = Is::Solved;
            }
        }
    }

    fn end_issue(&mut self, id: &IssueId, is: Is) -> bool {
        let found = self
            .issues
            .values_mut()
            .find(|r| r.is == Is::Open && r.issue.id == *id);
        found.map(|raised| raised.is = is).is_some()
    }

    /// Open issues of the present pair.
    fn open_issues(&self) -> impl Iterator<Item = &Raised> {
        self.issues
            .iter()
            .filter(|((pair, _), raised)| *pair == self.pair && raised.is == Is::Open)
            .map(|(_, raised)| raised)
    }

    fn stop(&mut self) {
        if self.state == SyncState::Active && self.reason != Some(StateReason::OrgBrake) {
            self.held_reason = self.reason.replace(StateReason::OrgBrake);
            self.held_due = self.due.take();
        }
    }

    /// What would go on under the organisation's brake waits for its end.
    fn under(&mut self, stopped: bool) {
        self.held_reason = None;
        self.held_due = None;
        if stopped && self.state == SyncState::Active {
            self.held_reason = self.reason.replace(StateReason::OrgBrake);
        }
    }

    fn mail_host(&self) -> String {
        self.mailbox.as_ref().map(mail_host).unwrap_or_default()
    }

    fn view(&self, org: Option<&Org>) -> ConnectionRow {
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
            settings: self.settings.clone(),
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
            activated: self.activated,
            last_moved: self.last_moved,
            backfill: self.backfill.clone(),
            // Deactivated at once, and never cleared before.
            clearing: false,
            mail_host: self.mail_host(),
            org_held: org.and_then(|org| org.held),
            // Integration users are for the databases alone.
            integrated: false,
        }
    }
}

fn row_of<'a>(
    rows: &'a mut BTreeMap<ConnectionId, Arc<Row>>,
    id: &ConnectionId,
) -> Result<&'a mut Row, StoreError> {
    rows.get_mut(id)
        .map(Arc::make_mut)
        .ok_or(StoreError::NotFound("connection"))
}

impl All {
    fn stopped(&self, org: &OrgId) -> bool {
        self.orgs.get(org).is_some_and(|org| org.stopped.is_some())
    }

    fn view(&self, row: &Row) -> ConnectionRow {
        row.view(self.orgs.get(&row.about.org_id).map(|org| &**org))
    }

    /// What is due and has its turn, as the databases choose it.
    fn next_turn(&self, now: Timestamp, to_be_had: &dyn Fn(&Row) -> bool) -> Option<ConnectionId> {
        let live = |row: &&Arc<Row>| !row.free(now);
        let of_org = |org: &OrgId| {
            self.rows
                .values()
                .filter(live)
                .filter(|r| r.about.org_id == *org)
                .count()
        };
        let of_host = |host: &str| {
            self.rows
                .values()
                .filter(live)
                .filter(|r| r.mail_host() == host)
                .count()
        };
        let below = |n: usize, most: u32| u32::try_from(n).is_ok_and(|n| n < most);
        self.rows
            .values()
            .filter(|row| row.state == SyncState::Active && to_be_had(row))
            .filter_map(|row| row.due.filter(|due| *due <= now).map(|due| (due, row)))
            .filter_map(|(due, row)| {
                let org = self.orgs.get(&row.about.org_id)?;
                let (running, host) = (of_org(&row.about.org_id), row.mail_host());
                let goes = org.held.is_none_or(|until| until <= now)
                    && below(running, self.org_sessions(org))
                    && (host.is_empty() || below(of_host(&host), self.budgets.mail_host_sessions));
                goes.then_some((running, org.served, &row.about.org_id, due, host, &row.about.id))
            })
            .min()
            .map(|(.., id)| id.clone())
    }

    fn org_sessions(&self, org: &Org) -> u32 {
        let percent = u64::from(self.budgets.api_reserve_percent);
        let low = org.quota.is_some_and(|quota| {
            let left = quota.limit.saturating_sub(quota.used);
            quota.limit > 0 && left * 100 < quota.limit * percent
        });
        if low { 1 } else { self.budgets.org_sessions }
    }

    /// To read under a lease.
    fn seen(&self, lease: &Lease) -> Result<&Row, StoreError> {
        self.rows
            .get(&lease.connection)
            .map(|row| &**row)
            .filter(|row| row.held_by(lease))
            .ok_or(StoreError::LeaseLost)
    }

    /// To write under a lease.
    fn held(&mut self, lease: &Lease) -> Result<(&mut Row, &mut Org), StoreError> {
        self.seen(lease)?;
        self.both(lease)
    }

    fn both(&mut self, lease: &Lease) -> Result<(&mut Row, &mut Org), StoreError> {
        let row = self.rows.get_mut(&lease.connection).map(Arc::make_mut);
        let org = self.orgs.get_mut(&lease.org).map(Arc::make_mut);
        row.zip(org).ok_or(StoreError::LeaseLost)
    }

    /// What the organisation's sessions deleted, as its brake counts it.
    fn deletes(&self, org: &OrgId, since: Timestamp) -> u32 {
        let rows = self.rows.values().filter(|row| row.about.org_id == *org);
        rows.flat_map(|row| &row.sessions)
            .filter(|ran| ran.deletes_at.is_some_and(|at| at > since))
            .fold(0, |sum, ran| sum.saturating_add(ran.deletes))
    }
}

impl MemoryStore {
    pub fn new() -> Self {
        Self::default()
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, id: &ConnectionId, work: impl FnOnce(&mut Row) -> T) -> Result<T, StoreError> {
        row_of(&mut self.all().rows, id).map(work)
    }

    fn see<T>(&self, id: &ConnectionId, look: impl FnOnce(&Row) -> T) -> Option<T> {
        self.all().rows.get(id).map(|row| look(row))
    }

    /// A copy of all that is durable now: what a process finds that starts after a crash here. Cheap: what neither
    /// changes is shared.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            all: Mutex::new(self.all().clone()),
        }
    }

    /// Adds a connection; its organisation is there from then on.
    ///
    /// # Errors
    /// [`StoreError::Taken`]: the id or the user has a connection. [`StoreError::Corrupt`]: its settings are not valid.
    pub fn add_connection(&self, connection: MemoryConnection, now: Timestamp) -> Result<(), StoreError> {
        let mut all = self.all();
        let taken = all
            .rows
            .values()
            .any(|row| row.about.id == connection.id || row.about.user_id == connection.user_id);
        if taken {
            return Err(StoreError::Taken("connection"));
        }
        let org = all
            .orgs
            .entry(connection.org_id.clone())
            .or_insert_with(|| Arc::new(Org::new(&connection.org_id)));
        let settings = settings::resolve(&org.overrides, &connection.overrides)
            .map_err(|wrong| StoreError::Corrupt(wrong.text))?;
        let id = connection.id.clone();
        all.rows.insert(id, Arc::new(Row::new(connection, settings, now)));
        Ok(())
    }

    /// As [`Store::activate`](crate::Store::activate).
    pub fn activate(
        &self,
        id: &ConnectionId,
        mailbox: MailboxAccount,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut all = self.all();
        let pair: Arc<str> = Arc::from(pair_of(&mailbox.address));
        let org = all
            .rows
            .get(id)
            .map(|row| row.about.org_id.clone())
            .ok_or(StoreError::NotFound("connection"))?;
        let taken = all.rows.values().any(|row| {
            row.about.id != *id && row.about.org_id == org && row.mailbox.is_some() && row.pair == pair
        });
        if taken {
            return Err(StoreError::Taken("mailbox"));
        }
        let stopped = all.stopped(&org);
        let row = row_of(&mut all.rows, id)?;
        if row.pair != pair {
            row.mailbox_cursor = None;
            row.crm_cursor = None;
            row.last_full = None;
            row.first_round_done = false;
            row.last_success = None;
            row.last_moved = None;
            row.activated = None;
            row.backfill = None;
            row.pair = pair;
        }
        row.state = SyncState::Active;
        row.reason = None;
        row.ask_activation = false;
        row.rejections = 0;
        row.failures = 0;
        row.mailbox = Some(mailbox);
        row.activated = row.activated.or(Some(now));
        row.released = false;
        row.org_pass = OrgPass::No;
        row.preview = None;
        row.brake = None;
        row.under(stopped);
        row.cut(now);
        row.due = Some(now);
        Ok(())
    }

    /// As [`Store::deactivate`](crate::Store::deactivate).
    pub fn deactivate(&self, id: &ConnectionId, now: Timestamp) -> Result<(), StoreError> {
        let mut all = self.all();
        let row = row_of(&mut all.rows, id)?;
        row.state = SyncState::Deactivated;
        row.reason = None;
        row.under(false);
        row.ask_activation = false;
        row.rejections = 0;
        row.failures = 0;
        row.released = false;
        row.org_pass = OrgPass::No;
        row.preview = None;
        row.brake = None;
        row.mailbox = None;
        row.cut(now);
        row.due = None;
        let org = row.about.org_id.clone();
        if let Some(org) = all.orgs.get_mut(&org) {
            Arc::make_mut(org).give_up(id);
        }
        Ok(())
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
        let mut all = self.all();
        let Some(org) = all.rows.get(id).map(|row| row.about.org_id.clone()) else {
            return false;
        };
        let stopped = all.stopped(&org);
        let Ok(row) = row_of(&mut all.rows, id) else {
            return false;
        };
        if !from.contains(&row.state) {
            return false;
        }
        row.state = to;
        row.reason = reason;
        row.preview = None;
        row.brake = None;
        row.under(stopped);
        row.due = due;
        row.woken |= due.is_some() && row.lease.is_some();
        row.ask_activation |= to == SyncState::NeedsActivation;
        true
    }

    /// As [`Store::release`](crate::Store::release).
    pub fn release(&self, id: &ConnectionId, now: Timestamp) -> bool {
        let kept = |reason: &StateReason| {
            !matches!(
                reason,
                StateReason::StoppedByBrake | StateReason::WaitingForPreview
            )
        };
        self.with(id, |row| {
            if !row.open() {
                return false;
            }
            row.released = true;
            row.reason = row.reason.filter(kept);
            row.held_reason = row.held_reason.filter(kept);
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

    /// As [`Store::request_full_round`](crate::Store::request_full_round).
    pub fn request_full_round(&self, id: &ConnectionId) -> Result<(), StoreError> {
        self.with(id, |row| row.last_full = row.last_full.and(Some(Timestamp(0))))
    }

    /// As [`Store::set_settings`](crate::Store::set_settings).
    pub fn set_settings(&self, id: &ConnectionId, overrides: &Value) -> Result<Settings, SettingsFault> {
        let mut all = self.all();
        let All { orgs, rows, .. } = &mut *all;
        let row = row_of(rows, id)?;
        let org = orgs
            .get(&row.about.org_id)
            .ok_or(StoreError::NotFound("organisation"))?;
        let settings = settings::resolve(&org.overrides, overrides)?;
        row.about.overrides = overrides.clone();
        row.settings = settings.clone();
        row.last_full = row.last_full.and(Some(Timestamp(0)));
        Ok(settings)
    }

    /// As [`Store::settings_overrides`](crate::Store::settings_overrides).
    pub fn settings_overrides(&self, id: &ConnectionId) -> Option<Value> {
        self.see(id, |row| row.about.overrides.clone())
    }

    /// As [`Store::set_org_settings`](crate::Store::set_org_settings).
    pub fn set_org_settings(&self, org: &OrgId, overrides: &Value) -> Result<(), SettingsFault> {
        let mut all = self.all();
        settings::resolve(overrides, &nothing())?;
        let mut resolved = BTreeMap::new();
        for (id, row) in all.rows.iter().filter(|(_, row)| row.about.org_id == *org) {
            let settings = settings::resolve(overrides, &row.about.overrides)?;
            resolved.insert(id.clone(), settings);
        }
        let stored = all
            .orgs
            .get_mut(org)
            .ok_or(StoreError::NotFound("organisation"))?;
        Arc::make_mut(stored).overrides = overrides.clone();
        for (id, settings) in resolved {
            let row = row_of(&mut all.rows, &id)?;
            row.settings = settings;
            row.last_full = row.last_full.and(Some(Timestamp(0)));
        }
        Ok(())
    }

    /// As [`Store::org_settings`](crate::Store::org_settings).
    pub fn org_settings(&self, org: &OrgId) -> Option<Value> {
        self.all().orgs.get(org).map(|org| org.overrides.clone())
    }

    /// As [`Store::release_org`](crate::Store::release_org).
    pub fn release_org(&self, org: &OrgId, now: Timestamp) -> bool {
        let mut all = self.all();
        let Some(stopped) = all.orgs.get_mut(org).filter(|org| org.stopped.is_some()) else {
            return false;
        };
        let stopped = Arc::make_mut(stopped);
        stopped.stopped = None;
        stopped.released = Some(now);
        for row in all.rows.values_mut() {
            if row.about.org_id == *org && row.org_pass == OrgPass::Stopped {
                Arc::make_mut(row).org_pass = OrgPass::LetThrough;
            }
        }
        let braked = |row: &Row| {
            row.about.org_id == *org
                && row.state == SyncState::Active
                && row.reason == Some(StateReason::OrgBrake)
        };
        for row in all.rows.values_mut().filter(|row| braked(row)) {
            let row = Arc::make_mut(row);
            row.reason = row.held_reason.take();
            row.due = due_after_release(row.due, row.held_due.take(), now);
        }
        true
    }

    /// As [`Store::hold_org`](crate::Store::hold_org).
    pub fn hold_org(&self, org: &OrgId, until: Timestamp) -> bool {
        let mut all = self.all();
        let Some(org) = all.orgs.get_mut(org).map(Arc::make_mut) else {
            return false;
        };
        let longer = org.held.is_none_or(|held| held < until);
        if longer {
            org.held = Some(until);
        }
        longer
    }

    /// As [`Store::note_quota`](crate::Store::note_quota).
    pub fn note_quota(&self, org: &OrgId, quota: Quota) {
        let mut all = self.all();
        if let Some(org) = all.orgs.get_mut(org).map(Arc::make_mut)
            && org.quota.is_none_or(|known| known.at < quota.at)
        {
            org.quota = Some(quota);
        }
    }

    /// As [`Store::with_budgets`](crate::Store::with_budgets).
    pub fn set_budgets(&self, budgets: Budgets) {
        self.all().budgets = budgets;
    }

    /// As [`Store::org`](crate::Store::org); without names.
    pub fn org(&self, id: &OrgId, now: Timestamp) -> Option<OrgRow> {
        let all = self.all();
        let org = all.orgs.get(id)?;
        let count = |which: &dyn Fn(&Row) -> bool| {
            let rows = all
                .rows
                .values()
                .filter(|row| row.about.org_id == *id && which(row));
            u32::try_from(rows.count()).unwrap_or(u32::MAX)
        };
        Some(OrgRow {
            id: id.clone(),
            name: String::new(),
            instance_url: String::new(),
            connections: count(&|_| true),
            active: count(&|row| row.state == SyncState::Active),
            stopped: org.stopped,
            deletes: all.deletes(id, deletes_since(now, org.released)),
            quota: org.quota,
            held: org.held,
        })
    }

    /// All claims of the organisation, by kind and hash.
    pub fn org_claims(&self, org: &OrgId) -> Vec<Claim> {
        let all = self.all();
        let org = all.orgs.get(org);
        org.map(|org| org.claims.values().cloned().collect())
            .unwrap_or_default()
    }

    /// Keys the hashes of the organisation's claims.
    pub fn org_key(&self, org: &OrgId) -> Option<HashKey> {
        self.all().orgs.get(org).map(|org| org.key.clone())
    }

    /// As [`Store::start_backfill`](crate::Store::start_backfill).
    pub fn start_backfill(
        &self,
        id: &ConnectionId,
        backfill: &Backfill,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.with(id, |row| {
            if !row.open() {
                return Err(StoreError::NotFound("connection"));
            }
            if row.backfill.as_ref().is_some_and(|b| !b.finished) {
                return Err(StoreError::Taken("back-fill"));
            }
            row.backfill = Some(backfill.clone());
            if row.state == SyncState::Active && row.reason.is_none() && row.rejections == 0 {
                row.due_now(now);
            }
            Ok(())
        })?
    }

    /// As [`Store::cancel_backfill`](crate::Store::cancel_backfill).
    pub fn cancel_backfill(&self, id: &ConnectionId) -> Result<bool, StoreError> {
        self.with(id, |row| {
            let running = row.backfill.as_ref().is_some_and(|b| !b.finished);
            if running {
                row.backfill = None;
            }
            running
        })
    }

    /// As [`Store::put_order`](crate::Store::put_order).
    pub fn put_order(
        &self,
        id: &ConnectionId,
        item: &ItemId,
        order: &Order,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.with(id, |row| {
            if !row.open() {
                return Err(StoreError::NotFound("connection"));
            }
            let name = (Arc::clone(&row.pair), item.clone());
            let others = row.orders.keys().filter(|key| key.0 == name.0 && **key != name);
            if others.count() >= ORDERS_MAX as usize {
                return Err(StoreError::Taken("order"));
            }
            let order = OrderRow {
                item: item.clone(),
                order: order.clone(),
                at: now,
                tries: 0,
            };
            row.orders.insert(name, order);
            Ok(())
        })?
    }

    /// As [`Store::orders`](crate::Store::orders).
    pub fn orders(&self, id: &ConnectionId) -> Vec<OrderRow> {
        let mut rows = self.see(id, |row| {
            let own = row.orders.iter().filter(|((pair, _), _)| *pair == row.pair);
            own.map(|(_, order)| order.clone()).collect::<Vec<_>>()
        });
        let rows = rows.get_or_insert_default();
        rows.sort_by(|a, b| (a.at, &a.item).cmp(&(b.at, &b.item)));
        std::mem::take(rows)
    }

    /// As [`Store::end_order`](crate::Store::end_order).
    pub fn end_order(&self, id: &ConnectionId, item: &ItemId, at: Timestamp) -> Result<(), StoreError> {
        self.with(id, |row| {
            row.orders
                .retain(|_, order| order.item != *item || order.at != at);
        })
    }

    /// As [`Store::order_tried`](crate::Store::order_tried).
    pub fn order_tried(&self, id: &ConnectionId, item: &ItemId, at: Timestamp) -> Result<(), StoreError> {
        self.with(id, |row| {
            for order in row.orders.values_mut() {
                if order.item == *item && order.at == at {
                    order.tries += 1;
                }
            }
        })
    }

    pub fn connection(&self, id: &ConnectionId) -> Option<ConnectionRow> {
        let all = self.all();
        all.rows.get(id).map(|row| all.view(row))
    }

    pub fn connections(&self) -> Vec<ConnectionRow> {
        let all = self.all();
        all.rows.values().map(|row| all.view(row)).collect()
    }

    /// Newest first.
    pub fn sessions(&self, id: &ConnectionId) -> Vec<SessionView> {
        self.see(id, |row| {
            row.sessions.iter().rev().map(|ran| ran.view.clone()).collect()
        })
        .unwrap_or_default()
    }

    /// Open issues of the present pair, oldest first.
    pub fn issues(&self, id: &ConnectionId) -> Vec<IssueView> {
        let views = self.see(id, |row| {
            row.open_issues()
                .map(|r| {
                    let kept = Kept {
                        id: r.issue.id.clone(),
                        title: r.issue.title.clone(),
                        detail: r.issue.detail.clone(),
                        since: r.since,
                        cures: r.issue.cures.clone(),
                    };
                    issues::view(&r.issue.key, kept)
                })
                .collect::<Vec<_>>()
        });
        let mut views = views.unwrap_or_default();
        views.sort_by(|a, b| (a.since, &a.id).cmp(&(b.since, &b.id)));
        views
    }

    /// What the open issues of the present pair are about.
    pub fn issue_keys(&self, id: &ConnectionId) -> BTreeSet<IssueKey> {
        self.see(id, |row| row.open_issues().map(|r| r.issue.key.clone()).collect())
            .unwrap_or_default()
    }

    /// What the open issues say.
    pub fn issue_details(&self, id: &ConnectionId) -> Vec<(IssueKey, String)> {
        self.see(id, |row| {
            row.open_issues()
                .map(|r| (r.issue.key.clone(), r.issue.detail.clone()))
                .collect()
        })
        .unwrap_or_default()
    }

    /// As [`Store::solve_issue`](crate::Store::solve_issue).
    pub fn solve_issue(&self, id: &ConnectionId, issue: &IssueId) -> bool {
        self.with(id, |row| row.end_issue(issue, Is::Solved))
            .unwrap_or(false)
    }

    /// As [`Store::ignore_issue`](crate::Store::ignore_issue).
    pub fn ignore_issue(&self, id: &ConnectionId, issue: &IssueId) -> bool {
        self.with(id, |row| row.end_issue(issue, Is::Ignored))
            .unwrap_or(false)
    }

    /// The links of the present pair, by id.
    pub fn links_of(&self, id: &ConnectionId) -> Vec<Link> {
        self.see(id, |row| row.links.of(&row.pair).cloned().collect())
            .unwrap_or_default()
    }

    /// Both cursors, the mailbox's first.
    pub fn cursors(&self, id: &ConnectionId) -> (Option<Cursor>, Option<Cursor>) {
        self.see(id, |row| (row.mailbox_cursor.clone(), row.crm_cursor.clone()))
            .unwrap_or_default()
    }

    /// All that was journalled, in order, with the session and the time of the commit.
    pub fn journal_of(&self, id: &ConnectionId) -> Vec<(SessionId, Timestamp, JournalEntry)> {
        self.see(id, |row| row.journal.clone()).unwrap_or_default()
    }

    /// The operator's note of an ended session.
    pub fn session_note(&self, id: &ConnectionId, session: &SessionId) -> Option<String> {
        self.see(id, |row| row.session(session).map(|ran| ran.note.clone()))?
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
        let mut all = self.all();
        let aside = matches!(pick, Pick::Aside(_));
        let to_be_had = |row: &Row| {
            (aside || !all.stopped(&row.about.org_id)) && (row.free(now) || mutant::on(Mutant::SkipLease))
        };
        let picked = match pick {
            Pick::Due => all.next_turn(now, &to_be_had),
            Pick::This(id) | Pick::Aside(id) => all
                .rows
                .get(id)
                .filter(|row| row.open() && to_be_had(row))
                .map(|_| id.clone()),
        };
        let Some(id) = picked else { return Ok(None) };
        if all.rows.values().any(|row| row.numbers.contains_key(&session)) {
            return Err(StoreError::Taken("session"));
        }
        let row = row_of(&mut all.rows, &id)?;
        let org = row.about.org_id.clone();
        row.end_sessions(SessionOutcome::Failed, NOTE_EXPIRED, now);
        row.fence += 1;
        row.woken = false;
        row.lease = Some(Held {
            session: session.clone(),
            until: until(now, ttl),
            at_claim: row.state,
        });
        row.numbers.insert(session.clone(), row.sessions.len());
        row.sessions.push(Ran {
            view: SessionView {
                id: session.clone(),
                started: now,
                ended: None,
                outcome: None,
                counts: Vec::new(),
                issues: 0,
            },
            note: String::new(),
            deletes: 0,
            deletes_at: None,
        });
        let (user, fence) = (row.about.user_id.clone(), row.fence);
        if let (Pick::Due, Some(org)) = (pick, all.orgs.get_mut(&org)) {
            Arc::make_mut(org).served = now;
        }
        Ok(Some(Lease {
            connection: id,
            session,
            org,
            user,
            fence,
            until: until(now, ttl),
        }))
    }

    async fn renew(&self, lease: &Lease, now: Timestamp, ttl: Duration) -> Result<Lease, StoreError> {
        let until = until(now, ttl);
        let mut all = self.all();
        if let Some(held) = &mut all.held(lease)?.0.lease {
            held.until = until;
        }
        Ok(Lease {
            until,
            ..lease.clone()
        })
    }

    async fn open(&self, lease: &Lease) -> Result<Opening, StoreError> {
        let all = self.all();
        let row = all.seen(lease)?;
        let org = all.orgs.get(&lease.org).ok_or(StoreError::LeaseLost)?;
        let ran = row.session(&lease.session).ok_or(StoreError::LeaseLost)?;
        let since = deletes_since(ran.view.started, org.released);
        Ok(Opening {
            state: row.state,
            reason: row.reason,
            settings: row.settings.clone(),
            mailbox_cursor: row.mailbox_cursor.clone(),
            crm_cursor: row.crm_cursor.clone(),
            hash_key: row.about.hash_key.clone(),
            live_links: row.live(),
            rejections: row.rejections,
            failures: row.failures,
            first_round_done: row.first_round_done,
            released: row.released,
            last_full: row.last_full,
            org_key: org.key.clone(),
            org_deletes: all.deletes(&lease.org, since),
            org_stopped: org.stopped.is_some(),
            org_released: row.org_pass == OrgPass::LetThrough,
            last_moved: row.last_moved,
            backfill: row.backfill.clone().filter(|b| !b.finished),
            activated: row.activated.unwrap_or(row.created),
            address: row.pair.to_string(),
        })
    }

    async fn links(&self, lease: &Lease, ask: &LinkAsk) -> Result<Vec<Link>, StoreError> {
        let all = self.all();
        let row = all.seen(lease)?;
        Ok(row.links.ask(&row.pair, ask))
    }

    async fn commit(&self, lease: &Lease, now: Timestamp, commit: Commit) -> Result<(), StoreError> {
        let mut all = self.all();
        if all.seen(lease).is_err() && !mutant::on(Mutant::SkipFence) {
            return Err(StoreError::LeaseLost);
        }
        let (row, org) = all.both(lease)?;
        let pair = Arc::clone(&row.pair);
        for link in commit.links {
            if matches!(link.state, LinkState::Ended(_)) && mutant::on(Mutant::DropTombstone) {
                row.links.remove(&link.id);
            } else {
                row.links.put(&pair, link);
            }
        }
        let entries = commit.journal.into_iter();
        row.journal
            .extend(entries.map(|entry| (lease.session.clone(), now, entry)));
        for key in &commit.solved {
            row.solve(key);
        }
        for (side, item) in &commit.gone {
            row.over_with(*side, item);
        }
        let mut raised = 0;
        for issue in commit.issues {
            raised += u32::from(row.raise(issue, now));
        }
        if let Some(ran) = row.session_mut(&lease.session) {
            ran.view.issues += raised;
            if commit.deletes > 0 {
                ran.deletes = ran.deletes.saturating_add(commit.deletes);
                ran.deletes_at = Some(now);
            }
        }
        row.mailbox_cursor = commit.mailbox_cursor.or(row.mailbox_cursor.take());
        row.crm_cursor = commit.crm_cursor.or(row.crm_cursor.take());
        row.last_full = commit.last_full.or(row.last_full);
        row.first_round_done |= commit.first_round_done;
        if commit.moved {
            row.last_moved = Some(now);
        }
        if let Some(backfill) = commit.backfill
            && goes_on(row.backfill.as_ref(), &backfill)
        {
            row.backfill = Some(backfill);
        }
        for made in commit.claims {
            let claim = org
                .claims
                .entry((made.kind, made.hash.0))
                .or_insert_with(|| Claim {
                    holder: lease.connection.clone(),
                    ..made.clone()
                });
            if claim.holder == lease.connection {
                claim.crm_id = made.crm_id;
                claim.key = made.key;
            }
        }
        for (kind, hash) in commit.unclaimed {
            let name = (kind, hash.0);
            if org
                .claims
                .get(&name)
                .is_some_and(|c| c.holder == lease.connection)
            {
                org.claims.remove(&name);
            }
        }
        Ok(())
    }

    async fn claims(
        &self,
        lease: &Lease,
        now: Timestamp,
        wishes: &[Wish],
        stale_before: Timestamp,
    ) -> Result<Vec<Claim>, StoreError> {
        let mut all = self.all();
        let (_, org) = all.held(lease)?;
        let mut claims = Vec::with_capacity(wishes.len());
        for wish in wishes {
            let claim = org
                .claims
                .entry((wish.kind, wish.hash.0))
                .or_insert_with(|| Claim {
                    kind: wish.kind,
                    hash: wish.hash,
                    holder: lease.connection.clone(),
                    key: wish.key.clone(),
                    crm_id: None,
                    since: now,
                });
            if wish.gone.is_some() && wish.gone == claim.crm_id {
                *claim = Claim {
                    holder: lease.connection.clone(),
                    key: wish.key.clone(),
                    crm_id: None,
                    since: now,
                    ..claim.clone()
                };
            } else if stale(claim, stale_before) {
                claim.holder = lease.connection.clone();
                claim.since = now;
            }
            claims.push(claim.clone());
        }
        Ok(claims)
    }

    async fn claimed(
        &self,
        lease: &Lease,
        hashes: &[(ItemKind, BaseHash)],
    ) -> Result<Vec<Option<Claim>>, StoreError> {
        let all = self.all();
        all.seen(lease)?;
        let org = all.orgs.get(&lease.org).ok_or(StoreError::LeaseLost)?;
        let claims = hashes.iter();
        Ok(claims
            .map(|(kind, hash)| org.claims.get(&(*kind, hash.0)).cloned())
            .collect())
    }

    async fn colleagues(&self, lease: &Lease, addresses: &[String]) -> Result<Vec<bool>, StoreError> {
        let all = self.all();
        all.seen(lease)?;
        let syncs = |address: &String| {
            let pair = pair_of(address);
            all.rows.values().any(|row| {
                row.about.org_id == lease.org
                    && row.state == SyncState::Active
                    && row.mailbox.is_some()
                    && *row.pair == *pair
            })
        };
        Ok(addresses.iter().map(syncs).collect())
    }

    async fn journal(&self, lease: &Lease, session: &SessionId) -> Result<Vec<JournalEntry>, StoreError> {
        let all = self.all();
        Ok(all.seen(lease)?.journal_of(session))
    }

    async fn close(&self, lease: &Lease, closing: Closing) -> Result<(), StoreError> {
        let mut all = self.all();
        all.seen(lease)?;
        if closing.stop_org {
            let (_, org) = all.held(lease)?;
            org.stopped = org.stopped.or(Some(closing.ended));
            for row in all.rows.values_mut() {
                if row.about.org_id == lease.org && row.about.id != lease.connection {
                    Arc::make_mut(row).stop();
                }
            }
        }
        let stopped = all.stopped(&lease.org);
        let (row, _) = all.held(lease)?;
        let at_claim = row.lease.take().map_or(row.state, |held| held.at_claim);
        let standing = Standing {
            state: row.state,
            reason: row.reason,
            due: row.due,
            woken: row.woken,
            at_claim,
            held_reason: row.held_reason,
            held_due: row.held_due,
        };
        let settled = standing.settle(&closing, stopped);
        row.state = settled.state;
        row.reason = settled.reason;
        row.due = settled.due;
        row.held_reason = settled.held_reason;
        row.held_due = settled.held_due;
        row.woken = false;
        row.rejections = closing.rejections;
        row.failures = closing.failures;
        row.preview = closing.preview.filter(|_| settled.asks);
        row.brake = closing.brake.filter(|_| settled.asks);
        row.released &= !closing.release_used;
        if closing.stop_org {
            row.org_pass = OrgPass::Stopped;
        } else if closing.release_used && row.org_pass == OrgPass::LetThrough {
            row.org_pass = OrgPass::No;
        }
        row.ask_activation |= row.state == SyncState::NeedsActivation;
        if succeeded(closing.outcome) {
            row.last_success = Some(closing.ended);
        }
        if let Some(ran) = row.session_mut(&lease.session) {
            ran.view.ended = Some(closing.ended);
            ran.view.outcome = Some(closing.outcome);
            ran.view.counts = closing.counts;
            ran.note = closing.note;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tandem_types::MailboxServer;

    use super::*;

    const T0: Timestamp = Timestamp::from_seconds(1_000_000);
    const TTL: Duration = Duration::from_mins(5);

    fn id<T: std::str::FromStr<Err: fmt::Debug>>(n: u32) -> T {
        format!("{n:032x}").parse().unwrap()
    }

    /// A store with `n` active connections of one organisation.
    fn store(n: u32) -> MemoryStore {
        let store = MemoryStore::new();
        for n in 1..=n {
            let org = "00D000000000001AAA".parse().unwrap();
            let user = format!("005{n:012}AAA").parse().unwrap();
            store
                .add_connection(MemoryConnection::new(id(n), org, user), T0)
                .unwrap();
            let mailbox = MailboxAccount {
                address: format!("user{n}@example.com"),
                server: MailboxServer::Exchange,
                host: "mail.example.com".to_owned(),
            };
            store.activate(&id(n), mailbox, T0).unwrap();
        }
        store
    }

    /// Nothing in here ever waits.
    fn now<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let mut work = std::pin::pin!(work);
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        match work.as_mut().poll(&mut cx) {
            std::task::Poll::Ready(done) => done,
            std::task::Poll::Pending => panic!("it waited"),
        }
    }

    fn claim(store: &dyn ports::Store, n: u32, session: u32, at: Timestamp) -> Option<Lease> {
        now(store.claim(&Pick::This(id(n)), "w", id(session), at, TTL)).unwrap()
    }

    fn link(n: u32, state: LinkState) -> Link {
        Link {
            id: id(n),
            kind: ItemKind::Contact,
            state,
            key: LinkKey(format!("k{n}")),
            mailbox_id: Some(ItemId(format!("m{n}"))),
            mailbox_version: None,
            crm_id: None,
            crm_version: None,
            base: tandem_sync::Base::default(),
            made_on: None,
            touched: false,
            intent: None,
            changed: T0,
            traits: tandem_sync::Traits::default(),
        }
    }

    fn commit(store: &dyn ports::Store, lease: &Lease, links: Vec<Link>) -> Result<(), StoreError> {
        let commit = Commit {
            links,
            ..Commit::default()
        };
        now(store.commit(lease, T0, commit))
    }

    #[test]
    fn a_fork_and_its_origin_go_their_own_ways() {
        let store = store(2);
        let lease = claim(&store, 1, 1, T0).unwrap();
        commit(&store, &lease, vec![link(1, LinkState::Live)]).unwrap();
        let fork = store.fork();
        commit(&store, &lease, vec![link(2, LinkState::Live)]).unwrap();
        let wish = [Wish {
            kind: ItemKind::Email,
            hash: BaseHash([1; 16]),
            key: LinkKey("a".to_owned()),
            gone: None,
        }];
        now(ports::Store::claims(&store, &lease, T0, &wish, T0)).unwrap();
        fork.deactivate(&id(2), T0).unwrap();

        let ids = |store: &MemoryStore| {
            let links = store.links_of(&id(1));
            links.into_iter().map(|l| l.id).collect::<Vec<LinkId>>()
        };
        assert_eq!(ids(&store), [id(1), id(2)]);
        assert_eq!(ids(&fork), [id(1)]);
        assert_eq!(fork.org_claims(&lease.org), []);
        assert_eq!(store.org_claims(&lease.org).len(), 1);
        assert_eq!(store.connection(&id(2)).unwrap().state, SyncState::Active);
        // The same process, after the crash: its lease is still held in the fork.
        assert!(claim(&fork, 1, 2, T0).is_none());
        let heir = claim(&fork, 1, 3, T0.plus_seconds(301)).unwrap();
        assert_eq!(heir.fence, lease.fence + 1);
        commit(&store, &lease, Vec::new()).unwrap();
    }

    #[test]
    fn a_link_is_found_where_it_is_now_only() {
        let store = store(1);
        let lease = claim(&store, 1, 1, T0).unwrap();
        let mut moved = link(1, LinkState::Live);
        commit(&store, &lease, vec![moved.clone()]).unwrap();
        moved.mailbox_id = None;
        moved.crm_id = Some(ItemId("c1".to_owned()));
        moved.key = LinkKey("other".to_owned());
        commit(&store, &lease, vec![moved.clone()]).unwrap();
        let find = |mailbox: &[&str], crm: &[&str], keys: &[&str]| {
            let ids = |names: &[&str]| names.iter().map(|n| ItemId((*n).to_owned())).collect();
            let ask = LinkAsk::Of {
                mailbox: ids(mailbox),
                crm: ids(crm),
                keys: keys.iter().map(|k| LinkKey((*k).to_owned())).collect(),
            };
            now(ports::Store::links(&store, &lease, &ask)).unwrap()
        };
        assert_eq!(find(&["m1", "c1"], &["m1"], &["k1"]), []);
        assert_eq!(find(&[], &["c1"], &["other"]), [moved.clone()], "once");
        assert_eq!(find(&[], &[], &["other"]), [moved]);
    }

    #[cfg(feature = "mutants")]
    #[test]
    fn each_bug_shows_only_where_it_is_switched_on() {
        let ended = LinkState::Ended(tandem_sync::EndReason::Unsynced);
        for bug in [
            None,
            Some(Mutant::SkipFence),
            Some(Mutant::SkipLease),
            Some(Mutant::DropTombstone),
        ] {
            mutant::switch(bug);
            let store = store(1);
            let old = claim(&store, 1, 1, T0).unwrap();
            commit(&store, &old, vec![link(1, ended)]).unwrap();
            assert_eq!(
                store.links_of(&id(1)).is_empty(),
                bug == Some(Mutant::DropTombstone)
            );
            let early = claim(&store, 1, 2, T0.plus_seconds(1));
            assert_eq!(early.is_some(), bug == Some(Mutant::SkipLease));
            claim(&store, 1, 3, T0.plus_seconds(1000)).unwrap();
            let stale = commit(&store, &old, vec![link(2, LinkState::Live)]);
            assert_eq!(stale.is_ok(), bug == Some(Mutant::SkipFence));
            mutant::switch(None);
        }
    }
}
