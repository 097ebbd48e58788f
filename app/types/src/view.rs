use serde::{Deserialize, Serialize};

use crate::{
    ConnectionId, IssueCode, IssueCure, IssueId, ItemKind, OrgId, SessionId, Settings, Side, StateReason,
    SyncState, Timestamp,
};

/// All that the pane shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaneView {
    /// The server's clock when this was made: ages are counted from here.
    pub now: Timestamp,
    /// `None`: signed out.
    pub viewer: Option<ViewerView>,
    /// `None` while signed out.
    pub connection: Option<ConnectionView>,
    /// To be sent back by plain forms (`form_token`); bound to the web session.
    pub form_token: Option<String>,
}

/// Who is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewerView {
    pub name: String,
    pub crm: CrmAccount,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrmAccount {
    pub username: String,
    pub org_id: OrgId,
    pub org_name: String,
    /// Host of the organisation, for example `acme.my.salesforce.com`.
    pub host: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxAccount {
    /// The primary SMTP address, as the server says it.
    pub address: String,
    pub server: MailboxServer,
    /// Host of the mail server.
    pub host: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailboxServer {
    Exchange,
    Office365,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionView {
    pub id: ConnectionId,
    pub state: SyncState,
    pub reason: Option<StateReason>,
    /// The activation dialog is to open by itself.
    pub ask_activation: bool,
    /// The user chose *Skip*; a hint stays.
    pub skipped: bool,
    /// Refused sessions in a row.
    pub rejections: u32,
    pub crm: CrmAccount,
    pub mailbox: Option<MailboxAccount>,
    pub settings: Settings,
    /// A session is running now.
    pub progress: Option<Progress>,
    /// The last session that both servers accepted.
    pub last_success: Option<Timestamp>,
    pub next_due: Option<Timestamp>,
    pub links: u32,
    /// Newest first, at most 10.
    pub sessions: Vec<SessionView>,
    /// Oldest first, at most 50; `issues_total` counts all.
    pub issues: Vec<IssueView>,
    pub issues_total: u32,
    pub preview: Option<PreviewView>,
    pub brake: Option<BrakeView>,
    /// The last back-fill, under way or finished.
    #[serde(default)]
    pub backfill: Option<BackfillView>,
    /// Since when the present mailbox is connected.
    #[serde(default)]
    pub activated: Option<Timestamp>,
    /// What Tandem made in the mailbox is being taken out of it; then the sync is deactivated.
    #[serde(default)]
    pub clearing: bool,
    /// How a mailbox of Office 365 is connected; `None`: the operator has not set it up.
    #[serde(default)]
    pub office: Option<OfficeView>,
}

/// What the sign-in with Microsoft starts from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfficeView {
    /// No Exchange server can be connected, so this is offered first.
    pub first: bool,
    /// The mailbox that is to be connected again.
    pub hint: Option<String>,
    /// What Microsoft demands of the next sign-in (JSON).
    pub claims: Option<String>,
    /// For a page without script: a nonce that only this web session's pages know, and its SHA-256.
    pub nonce: Option<(String, String)>,
}

/// What became of a sign-in with Microsoft.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfficeAnswer {
    Connected(Box<PaneView>),
    /// The account has another mailbox than the one that is shown. Nothing is stored; the same code connects it all the
    /// same, if the user says so.
    OtherMailbox {
        /// The account's.
        account: String,
        /// The one that Outlook shows, or that was connected before.
        expected: String,
    },
}

/// Saving of older mails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillView {
    pub from: Timestamp,
    pub to: Timestamp,
    /// Mails that were looked at.
    pub done: u32,
    /// About so many there are.
    pub total: u32,
    pub saved: u32,
    pub finished: bool,
}

/// What became of an undo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoView {
    /// Items that are as they were before.
    pub undone: u32,
    /// Items that were left as they are.
    pub left: Vec<UndoLeftView>,
}

/// An item that an undo left as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoLeftView {
    pub side: Side,
    pub kind: ItemKind,
    /// Its id on its side.
    pub item: String,
    pub reason: UndoReason,
}

/// Why an undo left an item as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoReason {
    /// It holds something else than the session wrote.
    ChangedSince,
    /// Another one was made in its place meanwhile.
    Replaced,
    /// It is no longer there, or not to be seen.
    Gone,
    /// It was deleted, and its bin was emptied.
    GoneForGood,
    /// The other side refused the change.
    Refused,
    /// No answer came: it may be undone or not.
    InDoubt,
    /// The undo ended before it: once more does the rest.
    NotReached,
}

/// How far a running session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub phase: ProgressPhase,
    pub done: u32,
    /// 0 while it is not known.
    pub total: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgressPhase {
    Reading,
    Comparing,
    Writing,
}

/// What was done to one kind of item on one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct OpCounts {
    pub created: u32,
    pub changed: u32,
    pub deleted: u32,
    pub skipped: u32,
}

impl OpCounts {
    pub const fn is_zero(&self) -> bool {
        self.created == 0 && self.changed == 0 && self.deleted == 0 && self.skipped == 0
    }
}

/// What a session did, or a plan would do, to one kind of item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Counts {
    pub kind: ItemKind,
    pub mailbox: OpCounts,
    pub crm: OpCounts,
    /// Paired without a create: the same person was on both sides already.
    pub adopted: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionOutcome {
    Done,
    /// Ended early at a safe point (limit, shutdown); goes on in the next.
    Partial,
    /// The mail server refused it.
    Rejected,
    /// Network, busy server, 5xx: tried again by itself.
    Failed,
    StoppedByBrake,
    /// Only looked: the first session's preview, or a dry run.
    Preview,
    SignInEnded,
}

impl SessionOutcome {
    const ALL: [Self; 7] = [
        Self::Done,
        Self::Partial,
        Self::Rejected,
        Self::Failed,
        Self::StoppedByBrake,
        Self::Preview,
        Self::SignInEnded,
    ];

    /// The word kept in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Partial => "partial",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::StoppedByBrake => "stopped_by_brake",
            Self::Preview => "preview",
            Self::SignInEnded => "sign_in_ended",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.as_str() == word)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionView {
    pub id: SessionId,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    pub outcome: Option<SessionOutcome>,
    pub counts: Vec<Counts>,
    pub issues: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IssueView {
    pub id: IssueId,
    pub kind: ItemKind,
    pub code: IssueCode,
    /// What the user calls the item: a name, a subject.
    pub title: String,
    /// The provider's own message, or the fields concerned; may be empty.
    pub detail: String,
    pub since: Timestamp,
    pub cures: Vec<IssueCure>,
    /// What [`IssueCure::PickMatch`] chooses from.
    #[serde(default)]
    pub choices: Vec<IssueChoice>,
    /// The id of the Salesforce record that it is about, where one is known.
    #[serde(default)]
    pub record: Option<String>,
}

/// One of the items that an issue's item could be paired with.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IssueChoice {
    /// Its id on its side.
    pub id: String,
    pub side: Side,
    /// What the user calls it; empty where that is not known.
    pub label: String,
}

/// What the first session would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewView {
    pub counts: Vec<Counts>,
    pub possible_duplicates: u32,
    /// It goes on by itself then; `None`: only with *Start*.
    pub starts_at: Option<Timestamp>,
}

/// What the brake stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrakeView {
    pub counts: Vec<Counts>,
    /// Fields that would be emptied or overwritten.
    pub overwritten: u32,
    /// A side is suddenly empty.
    pub side_empty: bool,
}

/// One message of the pane's stream of server-sent events (`/events?ticket=…`, as JSON).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event", content = "data")]
pub enum PaneEvent {
    /// A session is running.
    Progress(Progress),
    /// Something else changed: ask for the [`PaneView`] again.
    Changed,
}
