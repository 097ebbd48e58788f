//! What a session needs from outside. Each contract is documented here, once, and holds for every implementation.

use std::time::Duration;

use async_trait::async_trait;
use tandem_types::{
    BrakeView, ConnectionId, Counts, IssueCode, IssueCure, IssueId, ItemKind, LinkId, OrgId, PreviewView,
    Progress, SessionId, SessionOutcome, Settings, StateReason, SyncState, Timestamp, UserId,
};

use crate::Fault;
use crate::link::Link;
use crate::model::{
    Candidate, Changes, Cursor, Fate, Field, FieldValue, ItemId, LinkKey, MatchKey, Outcome, Profile,
    Snapshot, Write,
};

/// The present. Virtual in tests.
#[async_trait]
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
    async fn sleep(&self, duration: Duration);
}

/// Random numbers. Seeded in tests, the operating system's in the server.
pub trait Rng: Send + Sync {
    fn fill(&self, bytes: &mut [u8]);
}

/// One end of a connection, for one user, for one session.
///
/// Every call has a time-out, a size limit and its own retries of what is safe to retry; what comes out as a
/// [`Fault`] ends the session. A call that was cancelled half-way leaves nothing that a later call trips over.
#[async_trait]
pub trait Endpoint: Send + Sync {
    /// What this side can hold. Cached by the implementation.
    async fn profile(&self) -> Result<Profile, Fault>;

    /// A page of what changed since `since`; `None` lists everything, and so does a side that needs to
    /// (`Changes::full`). An unchanged side costs one request. Items that are not in scope are listed too where that
    /// costs nothing more, so that they can be paired.
    ///
    /// # Errors
    /// [`FaultKind::CursorExpired`](crate::FaultKind::CursorExpired): call again with `None`.
    async fn changes(&self, since: Option<&Cursor>) -> Result<Changes, Fault>;

    /// The items as they are now, in the order of `ids`; `None` where the side does not show one.
    async fn read(&self, ids: &[ItemId]) -> Result<Vec<Option<Snapshot>>, Fault>;

    /// What has become of items that are no longer listed, in the order asked. The key finds one that was moved.
    async fn fates(&self, asked: &[(ItemId, LinkKey)]) -> Result<Vec<Fate>, Fault>;

    /// Possible matches for each key, in the order asked, in scope or not, never one that lies in Deleted Items.
    async fn candidates(&self, keys: &[MatchKey]) -> Result<Vec<Vec<Candidate>>, Fault>;

    /// Items that earlier creates may have made. A side that holds keys returns exactly those that carry one of
    /// `keys`; another returns everything that this user created since `since`, and the engine compares.
    async fn created(&self, keys: &[LinkKey], since: Timestamp) -> Result<Vec<Snapshot>, Fault>;

    /// How many writes one call of [`Endpoint::write`] takes at most.
    fn batch(&self) -> usize;

    /// Does at most [`Endpoint::batch`] writes; answers each, in order. A request that was lost after it was sent
    /// answers [`Outcome::InDoubt`] for its writes, not a fault. A fault means that nothing of the batch was done.
    async fn write(&self, writes: &[Write]) -> Result<Vec<Outcome>, Fault>;
}

/// A mailbox: an [`Endpoint`] with folders and categories.
#[async_trait]
pub trait Mailbox: Endpoint {
    /// Makes the folders and categories that are missing. Idempotent. Called in the first session, and when
    /// [`Endpoint::changes`] starts anew.
    async fn prepare(&self) -> Result<(), Fault>;
}

/// A CRM, acting for one user.
#[async_trait]
pub trait Crm: Endpoint {
    /// The user's own id there.
    fn user(&self) -> UserId;
}

/// The right to run one connection's session until `until`. `fence` grows with every claim; a stale one changes no row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub connection: ConnectionId,
    pub session: SessionId,
    pub org: OrgId,
    pub user: UserId,
    pub fence: i64,
    pub until: Timestamp,
}

/// Which connection a worker wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// Any that is active and due, longest overdue first.
    Due,
    /// This one, whatever is due, in any state but deactivated and not activated.
    This(ConnectionId),
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another worker holds the connection now: stop, write nothing more.
    #[error("the lease is lost")]
    LeaseLost,
    /// No such row.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// A row that may exist once exists already.
    #[error("{0} exists already")]
    Taken(&'static str),
    /// The database cannot be reached, is full, or refuses. Nothing was written.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// A row that cannot be read: a newer version's, or damage.
    #[error("a stored row makes no sense: {0}")]
    Corrupt(String),
}

/// What a session starts from.
#[derive(Clone, Debug)]
pub struct Opening {
    pub state: SyncState,
    pub reason: Option<StateReason>,
    pub settings: Settings,
    pub mailbox_cursor: Option<Cursor>,
    pub crm_cursor: Option<Cursor>,
    /// Keys the base hashes of this connection.
    pub hash_key: HashKey,
    /// Live links now.
    pub live_links: u32,
    /// Sessions refused by the mail server in a row, before this one.
    pub rejections: u32,
    /// Other failures in a row, before this one.
    pub failures: u32,
    /// The first round has been through: later ones need no preview.
    pub first_round_done: bool,
    /// The user answered the preview or the brake with *go on*: this round is let through.
    pub released: bool,
    /// The last full compare of both sides.
    pub last_full: Option<Timestamp>,
}

/// A key that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct HashKey(pub [u8; 32]);

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey(..)")
    }
}

/// Which links are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkAsk {
    All,
    /// Those that name one of these items or keys, on either side. Any state.
    Of {
        mailbox: Vec<ItemId>,
        crm: Vec<ItemId>,
        keys: Vec<LinkKey>,
    },
    /// Those with an intent.
    Pending,
}

/// One step of a session, durable as a whole or not at all.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// Inserted or replaced by id.
    pub links: Vec<Link>,
    pub journal: Vec<JournalEntry>,
    pub issues: Vec<Issue>,
    /// Issues that are over.
    pub solved: Vec<IssueKey>,
    /// The cursors move only with the last effects of what they passed.
    pub mailbox_cursor: Option<Cursor>,
    pub crm_cursor: Option<Cursor>,
    /// Set with the round's last commit when both sides were listed in full.
    pub last_full: Option<Timestamp>,
    /// Set with the first round's last commit.
    pub first_round_done: bool,
}

/// What was changed where, with the old value. Sealed in the store; kept for the retention time.
#[derive(Clone, Debug)]
pub struct JournalEntry {
    pub link: LinkId,
    pub kind: ItemKind,
    pub side: tandem_types::Side,
    pub item: ItemId,
    pub act: JournalAct,
}

/// The kinds of journal entries. Old values are what the side held before; `lost` is a value that a conflict rule
/// did not choose.
#[derive(Clone, Debug)]
pub enum JournalAct {
    Created,
    Changed {
        old: Vec<(Field, FieldValue)>,
    },
    Deleted {
        old: Vec<(Field, FieldValue)>,
    },
    LostToConflict {
        lost: Vec<(Field, FieldValue)>,
    },
    /// A link was made, woken, put to sleep or ended.
    Linked(&'static str),
}

/// One item that is not synced, for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    pub id: IssueId,
    pub key: IssueKey,
    /// What the user calls the item. Sealed in the store.
    pub title: String,
    /// The provider's message, the candidates, the fields. Sealed in the store.
    pub detail: String,
    pub cures: Vec<IssueCure>,
}

/// What an issue is about: the same key is the same issue, raised once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssueKey {
    pub kind: ItemKind,
    pub side: tandem_types::Side,
    pub item: ItemId,
    pub code: IssueCode,
}

/// How a session ended, and what follows.
#[derive(Clone, Debug)]
pub struct Closing {
    pub outcome: SessionOutcome,
    pub counts: Vec<Counts>,
    pub state: SyncState,
    pub reason: Option<StateReason>,
    pub rejections: u32,
    pub failures: u32,
    pub next_due: Option<Timestamp>,
    pub ended: Timestamp,
    /// Shown until the user answers or the round is through; `None` clears it.
    pub preview: Option<PreviewView>,
    pub brake: Option<BrakeView>,
    /// The release was used up by this round.
    pub release_used: bool,
    /// For the operator; no content, no secret.
    pub note: String,
}

/// What a session needs kept. Every write checks the lease's fence in the same transaction.
#[async_trait]
pub trait Store: Send + Sync {
    /// Takes a connection for `ttl`, if one is to be had, and opens its session row. At most one holder at a time; an
    /// expired lease is taken over with a higher fence.
    async fn claim(
        &self,
        pick: &Pick,
        worker: &str,
        session: SessionId,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Lease>, StoreError>;

    /// Prolongs the lease to `now + ttl`.
    async fn renew(&self, lease: &Lease, now: Timestamp, ttl: Duration) -> Result<Lease, StoreError>;

    async fn open(&self, lease: &Lease) -> Result<Opening, StoreError>;

    async fn links(&self, lease: &Lease, ask: &LinkAsk) -> Result<Vec<Link>, StoreError>;

    async fn commit(&self, lease: &Lease, now: Timestamp, commit: Commit) -> Result<(), StoreError>;

    /// Writes the session row, the connection's new state and due time, and gives the lease back. If the connection
    /// was woken, paused or deactivated meanwhile, that stands (a wake-up makes it due at once again).
    async fn close(&self, lease: &Lease, closing: Closing) -> Result<(), StoreError>;
}

/// Told while a session runs. Must not block.
pub trait Observer: Send + Sync {
    fn progress(&self, progress: Progress);
    /// True once the session should end at its next safe point.
    fn should_stop(&self) -> bool;
}
