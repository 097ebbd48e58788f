//! The organisation as its administrators see it: states, counts and reasons, without content.

use serde::{Deserialize, Serialize};

use crate::{
    IssueCode, IssueView, MailboxServer, OrgId, SessionId, SessionOutcome, SessionView, StateReason,
    SyncState, Timestamp, UserId,
};

/// Whether a connection syncs, in the order in which somebody who has to help wants to see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It should sync and does not, and will not by itself.
    Stopped,
    /// It should sync, and what it tries fails; it goes on trying.
    Failing,
    /// It should have begun minutes ago: the server does not run, or has too much to do.
    Overdue,
    /// It waits for its user, as it should: the first preview, a quota.
    Waiting,
    /// The user wants it so.
    Off,
    Syncing,
}

impl Verdict {
    pub const ALL: [Self; 6] = [
        Self::Stopped,
        Self::Failing,
        Self::Overdue,
        Self::Waiting,
        Self::Off,
        Self::Syncing,
    ];

    /// The word in the database's answers, in addresses, and in the command line's JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Failing => "failing",
            Self::Overdue => "overdue",
            Self::Waiting => "waiting",
            Self::Off => "off",
            Self::Syncing => "syncing",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == word)
    }

    /// Whether somebody has to do something.
    pub const fn is_trouble(self) -> bool {
        matches!(self, Self::Stopped | Self::Failing | Self::Overdue)
    }
}

/// How one user's connection stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgUser {
    pub user: UserId,
    pub name: String,
    /// The Salesforce user name.
    pub username: String,
    /// `None`: no mailbox is connected.
    pub server: Option<MailboxServer>,
    /// The mailbox's address; told with support access only.
    pub address: Option<String>,
    pub verdict: Verdict,
    pub state: SyncState,
    pub reason: Option<StateReason>,
    /// The user chose *Skip*.
    pub skipped: bool,
    /// Sessions refused by the mail server in a row.
    pub rejections: u32,
    /// Other failures in a row.
    pub failures: u32,
    /// A session runs.
    pub running: bool,
    /// How the latest session that ended did so, and when.
    pub last: Option<(SessionOutcome, Timestamp)>,
    pub last_success: Option<Timestamp>,
    /// When it should have begun, where it is overdue.
    pub overdue: Option<Timestamp>,
    /// Open issues.
    pub issues: u32,
}

/// So many connections stand so, for the same reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgCount {
    pub verdict: Verdict,
    pub state: SyncState,
    pub reason: Option<StateReason>,
    pub users: u32,
}

/// The organisation's API calls in the last 24 hours, and what the sync leaves to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeterView {
    pub used: u64,
    pub limit: u64,
    /// In percent of the limit.
    pub reserve: u64,
}

/// What is done to many connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrgAct {
    Pause,
    /// Ends a pause.
    Resume,
    SyncNow,
    Deactivate,
}

impl OrgAct {
    pub const ALL: [Self; 4] = [Self::Pause, Self::Resume, Self::SyncNow, Self::Deactivate];

    /// The word kept in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::SyncNow => "sync_now",
            Self::Deactivate => "deactivate",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.as_str() == word)
    }
}

/// Why an act was not done to a connection, or its next session failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrgFault {
    /// The user has to sign in, or connect the mailbox, again.
    SignInNeeded,
    /// The mail server refused the password; it is not sent again before the user gives another.
    Refused,
    /// A brake stopped it: somebody has to look.
    Braked,
    /// The session failed.
    Failed,
    /// Our database did not do it.
    Database,
}

/// How far an order for many connections is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrgRunState {
    Running,
    Done,
    /// Too many of a wave failed.
    Failed,
    /// An administrator stopped it.
    Halted,
    /// The server that carried it out has ended.
    BrokenOff,
}

impl OrgRunState {
    const ALL: [Self; 5] = [
        Self::Running,
        Self::Done,
        Self::Failed,
        Self::Halted,
        Self::BrokenOff,
    ];

    /// The word kept in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Halted => "halted",
            Self::BrokenOff => "broken_off",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether the rest can still be done.
    pub const fn can_go_on(self) -> bool {
        matches!(self, Self::Failed | Self::Halted | Self::BrokenOff)
    }
}

/// An order for many connections, and what became of it so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgRun {
    /// Random; of the same form as a session's.
    pub id: SessionId,
    pub act: OrgAct,
    /// The administrator's name.
    pub by: String,
    pub state: OrgRunState,
    /// Connections that it was ordered for.
    pub total: u32,
    /// Those that it was done to.
    pub done: u32,
    /// Those in a state in which there is nothing to do.
    pub passed: u32,
    /// Those that failed.
    pub failed: u32,
    /// Who they are, and why: the first of them.
    pub faults: Vec<(String, OrgFault)>,
    pub started: Timestamp,
    pub updated: Timestamp,
}

/// Why somebody is shown nothing of the organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrgDenied {
    /// Salesforce says that the user administers nothing.
    NotAdministrator,
    /// Salesforce cannot be asked before the user has signed in there again.
    SignInEnded,
    /// Salesforce did not answer: nothing is known, so nothing is shown.
    NoAnswer,
}

/// Why an organisation's integration user does not tell who is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntegrationTrouble {
    /// Salesforce has ended its sign-in: an administrator connects it again.
    SignInEnded,
    /// It may not *View All Data*: what changed may be more than what it sees.
    SeesTooLittle,
    /// Salesforce refuses what it asks.
    Refused,
    /// Salesforce does not answer.
    NoAnswer,
}

impl IntegrationTrouble {
    const ALL: [Self; 4] = [
        Self::SignInEnded,
        Self::SeesTooLittle,
        Self::Refused,
        Self::NoAnswer,
    ];

    /// The word kept in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignInEnded => "sign_in_ended",
            Self::SeesTooLittle => "sees_too_little",
            Self::Refused => "refused",
            Self::NoAnswer => "no_answer",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trouble| trouble.as_str() == word)
    }
}

/// The Salesforce user who asks for everybody what has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntegrationView {
    /// Its Salesforce user name.
    pub username: String,
    /// The administrator who connected it: a name, or an id; empty: who is erased.
    pub by: String,
    pub since: Timestamp,
    /// When it was last asked with success.
    pub asked: Option<Timestamp>,
    /// Since when it does not tell, and why: each mailbox asks by itself meanwhile.
    pub trouble: Option<(IntegrationTrouble, Timestamp)>,
}

/// A page of the organisation's users, with what is counted over all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgView {
    pub org: OrgId,
    pub name: String,
    /// Counts by how they stand and why, the worst first; over those whom the search finds.
    pub counts: Vec<OrgCount>,
    /// Open issues, by what they say.
    pub issues: Vec<(IssueCode, u32)>,
    /// Of this page, by user name.
    pub users: Vec<OrgUser>,
    /// Whom search and filter find, over all pages.
    pub matching: u32,
    /// The next page begins after this user.
    pub next: Option<UserId>,
    pub meter: Option<MeterView>,
    /// Who has allowed administrators to see subjects and addresses (empty: who is erased), and since when; `None`: nobody.
    pub support: Option<(String, Timestamp)>,
    /// The latest order for many connections.
    pub run: Option<OrgRun>,
    /// `None`: each mailbox asks for itself.
    pub integration: Option<IntegrationView>,
}

/// One user, in detail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgUserView {
    pub user: OrgUser,
    pub sessions: Vec<SessionView>,
    /// Open issues, by what they say.
    pub counts: Vec<(IssueCode, u32)>,
    /// With their subjects; `None`: without support access nobody sees them.
    pub issues: Option<Vec<IssueView>>,
}
