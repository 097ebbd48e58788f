//! What a session needs from outside. Each contract is documented here, once, and holds for every implementation.

use std::time::Duration;

use async_trait::async_trait;
use tandem_types::{
    AttachmentRules, BrakeView, ConnectionId, Counts, IssueCode, IssueCure, IssueId, ItemKind, LinkId, OrgId,
    PreviewView, Progress, SessionId, SessionOutcome, Settings, StateReason, SyncState, Timestamp, UserId,
};

use crate::Fault;
use crate::link::BaseHash;
use crate::link::Link;
use crate::model::{
    Candidate, Changes, Clue, Cursor, Fate, Field, FieldValue, File, ItemId, Known, LinkKey, MatchKey,
    Message, Outcome, Profiles, Refusal, Relations, Rival, Snapshot, Trace, Want, Window, Write,
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
    /// What this side can hold, kind by kind. Cached by the implementation.
    async fn profile(&self) -> Result<Profiles, Fault>;

    /// A page of what changed since `since`, of the kinds wanted; `None` lists everything, and so does a side that needs
    /// to (`Changes::full`). An unchanged side costs one request, however many kinds. Items that are not in scope are
    /// listed too where that costs nothing more, so that they can be paired, or saved by a rule.
    ///
    /// Of a series, the mailbox lists the occurrences in the window, never the series itself. Whenever a series has
    /// changed in any way, events are listed in full.
    ///
    /// An item that cannot be read by itself is left out of the page and stands in [`Endpoint::unreadable`].
    ///
    /// # Errors
    /// [`FaultKind::CursorExpired`](crate::FaultKind::CursorExpired): call again with `None`.
    async fn changes(&self, since: Option<&Cursor>, want: &Want) -> Result<Changes, Fault>;

    /// Items that the side refused to show since the last call of this, with its reason: each becomes an issue.
    fn unreadable(&self) -> Vec<(tandem_types::ItemKind, ItemId, Refusal)> {
        Vec::new()
    }

    /// The items as they are now, in the order of `ids`, of any kind; `None` where the side does not show one.
    async fn read(&self, ids: &[ItemId]) -> Result<Vec<Option<Snapshot>>, Fault>;

    /// What has become of items that are no longer listed, in the order asked. The key finds one that was moved.
    async fn fates(&self, asked: &[Trace]) -> Result<Vec<Fate>, Fault>;

    /// Possible matches for each key, in the order asked, in scope or not, never one that lies in Deleted Items.
    async fn candidates(&self, keys: &[MatchKey]) -> Result<Vec<Vec<Candidate>>, Fault>;

    /// Items that earlier creates may have made. A side that holds keys returns exactly those that carry one of
    /// `keys`; another returns everything of this kind that this user created since `since`, and the engine compares.
    async fn created(
        &self,
        kind: ItemKind,
        keys: &[LinkKey],
        since: Timestamp,
    ) -> Result<Vec<Snapshot>, Fault>;

    /// Takes deletes back, in the order asked: from Deleted Items to the folder of the kind, from the recycle bin
    /// ([`Outcome::Written`]; the mailbox may give another id). [`Outcome::Missing`]: it is gone for good. Never makes
    /// anything anew, and sends no mail.
    async fn restore(&self, gone: &[Trace]) -> Result<Vec<Outcome>, Fault>;

    /// Signs of another tool at work on the same mailbox or user.
    async fn rivals(&self) -> Result<Vec<Rival>, Fault>;

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

    /// The contents of mails, in the order asked: text, cleaned HTML, and the attachments that `files` lets through.
    /// `Err`: this one cannot be read or is too large.
    async fn messages(
        &self,
        ids: &[ItemId],
        files: &AttachmentRules,
    ) -> Result<Vec<Result<Message, Refusal>>, Fault>;

    /// A page of the mails that came or went in the window, in the folders that are looked at, for a back-fill. The
    /// cursor is of this reading only.
    async fn history(&self, window: Window, want: &Want, after: Option<&Cursor>) -> Result<Changes, Fault>;

    /// The id by which an item is known here that Outlook names with the id of Exchange Web Services; `None`: the mailbox
    /// has no such item.
    async fn named_by_outlook(&self, id: &str) -> Result<Option<ItemId>, Fault> {
        Ok(Some(ItemId(id.to_owned())))
    }

    /// About how many mails [`Mailbox::history`] will list.
    async fn estimate(&self, window: Window, want: &Want) -> Result<u32, Fault>;
}

/// A CRM, acting for one user.
#[async_trait]
pub trait Crm: Endpoint {
    /// The user's own id there.
    fn user(&self) -> UserId;

    /// What each clue leads to, in the order asked: everything that the user can see. Batched: few requests for many.
    async fn known(&self, clues: &[Clue]) -> Result<Vec<Vec<Known>>, Fault>;

    /// Whom and what a saved email belongs to; `None`: it is not to be seen, or nothing is kept of it.
    async fn email_links(&self, _email: &ItemId) -> Result<Option<Relations>, Fault> {
        Ok(None)
    }

    /// Ties people to a saved email who stand in none of its addresses. Idempotent.
    async fn tie_to_email(&self, _email: &ItemId, _people: &[ItemId]) -> Result<Result<(), Refusal>, Fault> {
        Err(Fault::fatal("this CRM ties nobody to an email"))
    }

    /// Puts files to a saved email. Idempotent: one that is there already, by name and size, is not put again. `Err` for
    /// one file: it alone is refused.
    async fn attach(&self, to: &ItemId, files: &[File]) -> Result<Vec<Result<(), Refusal>>, Fault>;
}

/// A claim on something that may exist in Salesforce once per organisation: an email, a meeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub kind: ItemKind,
    /// Of the Message-ID, or of uid and original start, under the organisation's key.
    pub hash: BaseHash,
    /// The connection that makes it, or has made it.
    pub holder: ConnectionId,
    /// The key under which the holder creates it: whoever takes the claim over uses the same, so that two cannot make
    /// two.
    pub key: LinkKey,
    /// Known once it is made.
    pub crm_id: Option<ItemId>,
    pub since: Timestamp,
}

/// What a connection wants to claim: see [`Store::claims`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    pub kind: ItemKind,
    pub hash: BaseHash,
    /// Under which it will be made, if the claim is new or taken over from `gone`.
    pub key: LinkKey,
    /// The record that was made of it before, and is proved to be deleted: a claim that still names it is taken over.
    pub gone: Option<ItemId>,
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
    /// One that is active and due: of the organisation of which the least runs, or that has waited longest; in that the one
    /// that is overdue longest. None while its organisation, or its mail server, has as much running as the store allows,
    /// or the organisation waits for its quota.
    Due,
    /// This one, whatever is due, in any state but deactivated and not activated. Not while its organisation is stopped
    /// ([`Closing::stop_org`]): no session of it begins then.
    This(ConnectionId),
    /// As [`Pick::This`], to take something back or only to look: while its organisation is stopped too.
    Aside(ConnectionId),
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
    /// The database cannot be reached, or refuses. Nothing was written.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// There is no room for what was to be written. What is there can be read.
    #[error("the database's disk is full: {0}")]
    Full(String),
    /// A row that cannot be read: a newer version's, or damage.
    #[error("a stored row makes no sense: {0}")]
    Corrupt(String),
}

/// What a session starts from.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "what a session starts from: each is a column of its own"
)]
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
    /// Keys the hashes of the organisation's claims.
    pub org_key: HashKey,
    /// Deletes and emptied fields of the whole organisation in the last hour.
    pub org_deletes: u32,
    /// The organisation's brake has stopped it: by another session, while this one runs, or this is [`Pick::Aside`].
    pub org_stopped: bool,
    /// This connection stopped the organisation, and an administrator let it go on: this round is let through.
    pub org_released: bool,
    /// When something was carried over last, in either direction.
    pub last_moved: Option<Timestamp>,
    /// A back-fill that is under way.
    pub backfill: Option<Backfill>,
    /// When the connection was first activated: automatic saving of mail begins a few days before.
    pub activated: Timestamp,
    /// The user's mailbox address, lower case.
    pub address: String,
}

/// Saving of older mails, over a range of dates. Goes on from session to session.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Backfill {
    pub from: Timestamp,
    pub to: Timestamp,
    /// When it was ordered: another order for the same days is another back-fill.
    pub started: Timestamp,
    /// Where [`Mailbox::history`] goes on.
    pub cursor: Option<Cursor>,
    pub done: u32,
    pub total: u32,
    pub saved: u32,
    pub finished: bool,
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
    /// Those with an intent, that wait ([`crate::link::Traits::waits_since`]) or that owe files.
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
    /// Items that are gone from where they were looked at, and that nothing is wanted of any more: all their issues are
    /// over, before this step's own are raised.
    pub gone: Vec<(tandem_types::Side, ItemId)>,
    /// The cursors move only with the last effects of what they passed.
    pub mailbox_cursor: Option<Cursor>,
    pub crm_cursor: Option<Cursor>,
    /// Set with the round's last commit when both sides were listed in full.
    pub last_full: Option<Timestamp>,
    /// Set with the first round's last commit.
    pub first_round_done: bool,
    /// Claims of this connection: set once made (a new row where none stands), or (no longer wanted) let go of. Only its
    /// own are touched.
    pub claims: Vec<Claim>,
    pub unclaimed: Vec<(ItemKind, BaseHash)>,
    /// Deletes and emptied fields that this step did: counted for the organisation's brake.
    pub deletes: u32,
    /// Something was carried over.
    pub moved: bool,
    /// Replaces the stored one, unless it was cancelled meanwhile.
    pub backfill: Option<Backfill>,
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
    Created {
        /// What the item held once it was made, hashed under the connection's key: undo compares.
        wrote: Vec<(Field, BaseHash)>,
    },
    Changed {
        old: Vec<(Field, FieldValue)>,
        /// What was written, as [`JournalAct::Created`].
        wrote: Vec<(Field, BaseHash)>,
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
    /// The release, the user's own or the organisation's, was used up by this round.
    pub release_used: bool,
    /// The organisation's brake: every connection of it stops, until an administrator lets them go on.
    pub stop_org: bool,
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

    /// For each wish, the organisation's claim: the one that stands, or a new one of this connection's. One that is
    /// `stale_before` and was never made is taken over, with its key; one that names the wish's `gone` record is taken
    /// over with the wish's key, and names none: of all who know that the record is gone, the first gets it. Durable
    /// before it returns.
    async fn claims(
        &self,
        lease: &Lease,
        now: Timestamp,
        wishes: &[Wish],
        stale_before: Timestamp,
    ) -> Result<Vec<Claim>, StoreError>;

    /// The claims that stand, without making any.
    async fn claimed(
        &self,
        lease: &Lease,
        hashes: &[(ItemKind, BaseHash)],
    ) -> Result<Vec<Option<Claim>>, StoreError>;

    /// Which of these addresses (lower case) are mailboxes of the organisation that are syncing now.
    async fn colleagues(&self, lease: &Lease, addresses: &[String]) -> Result<Vec<bool>, StoreError>;

    /// A session's journal, oldest entry first. Empty once its retention is over.
    async fn journal(&self, lease: &Lease, session: &SessionId) -> Result<Vec<JournalEntry>, StoreError>;

    /// Writes the session row, the connection's new state and due time, and gives the lease back. If the connection
    /// was woken, paused or deactivated meanwhile, that stands (a wake-up makes it due at once again).
    async fn close(&self, lease: &Lease, closing: Closing) -> Result<(), StoreError>;

    /// The last [`Store::commit`] of a session that ends with it, and its [`Store::close`]. A store that can makes one
    /// step of the two; one that died between them has done the first.
    async fn finish(
        &self,
        lease: &Lease,
        now: Timestamp,
        last: Commit,
        closing: Closing,
    ) -> Result<(), StoreError> {
        self.commit(lease, now, last).await?;
        self.close(lease, closing).await
    }
}

/// Told while a session runs. Must not block.
pub trait Observer: Send + Sync {
    fn progress(&self, progress: Progress);
    /// True once the session should end at its next safe point.
    fn should_stop(&self) -> bool;
}
