use serde::{Deserialize, Serialize};

use crate::SettingKey;

/// Why *Connect to Exchange* did not connect: what the user can do differs for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivationFailure {
    /// No server was found for the login, or the URL leads nowhere.
    Address,
    /// The server's certificate is not trusted, or not for this name.
    Certificate,
    /// Login or password refused.
    Login,
    /// The same by a sign-in that is bound to the connection's certificate: Exchange's Extended Protection refuses so too,
    /// where something on the way ends TLS. The server does not say which.
    LoginOrProtection,
    /// The server takes neither NTLM nor Basic: Kerberos or modern authentication alone.
    NoCommonSignIn,
    /// Something on the way does not keep connections apart, and NTLM cannot work through it.
    ProxyBetween,
    /// Something answers there, but it is not Exchange Web Services.
    NotExchange,
    /// The mailbox lives in Office 365.
    UseOffice365,
    /// The address is outside of what the administrator allowed.
    NotAllowed,
    /// The login works, but the mailbox cannot be opened with it.
    NoMailbox,
    /// Three passwords were tried in 15 minutes; the next could lock the account.
    TooManyTrials,
    /// The server did not answer in time, or is busy: the same click may work later.
    Unavailable,
    /// This mailbox is connected by another Salesforce user already.
    MailboxTaken,
    /// Signed in with Microsoft as somebody else than whose mailbox it is.
    OtherAccount,
    /// The operator has not set up Office 365.
    OfficeOff,
}

/// Why one item was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssueCode {
    /// Salesforce wants a last name, and the contact has none.
    LastNameMissing,
    /// Several records match: which one is it?
    SeveralMatches,
    /// An unconverted lead has this e-mail address.
    LeadExists,
    /// Deleted in the mailbox, kept in Salesforce.
    DeletedInMailbox,
    /// Deleted, moved or no longer shared: it cannot be told which.
    FateUnknown,
    /// Both sides changed the same field, and the policy is to ask.
    Conflict,
    /// Adopted, and these fields differ.
    Differences,
    /// The company was changed: *Move to account …*.
    CompanyChanged,
    /// The other side refused this item; its own message stands beside.
    Refused,
    /// A duplicate rule of the organisation refused it.
    DuplicateRule,
    /// No permission for this record or field.
    NoPermission,
    /// A create may or may not have happened, and several records could be it.
    CreateInDoubt,
    /// Past the limit of contacts per mailbox.
    OverLimit,
    /// The record it was merged into is linked to another item.
    MergedIntoLinked,
    /// A value was replaced there between our reading and our writing; the old one stands in the journal.
    ReplacedUnseen,
    /// Salesforce takes events of 14 days at most.
    EventTooLong,
    /// It ends before it starts.
    EndBeforeStart,
    /// Its time zone is known to nobody: when it is cannot be told.
    ZoneUnknown,
    /// Its text has pictures, tables or links that plain text would destroy: change it in Outlook.
    RichBody,
    /// A recurring task: Salesforce cannot hold the recurrence, so only the task that is open now is there.
    RecurringTask,
    /// The item is larger than what is carried over.
    TooLarge,
    /// An attachment was left out: too large, of a kind that is not allowed, or refused.
    AttachmentLeftOut,
    /// Encrypted or rights-protected: it cannot be read.
    Encrypted,
    /// Marked private, personal or confidential.
    Confidential,
    /// The mail server did not show this item; its own message stands beside.
    Unreadable,
    /// The organisation's storage is full.
    StorageFull,
    /// A value that the organisation does not know (a status, a priority).
    UnknownValue,
    /// The organisation has no way to keep emails, or the user may not use it.
    EmailsUnavailable,
    /// Another tool syncs the same mailbox or user: two of them fight.
    OtherSyncTool,
    /// Nothing was carried over for a day although both sides changed.
    NothingMoved,
    /// Nobody in Salesforce has any of its addresses.
    NoMatch,
    /// It has more people than Salesforce can hold; the first ones are kept.
    TooManyPeople,
    /// Microsoft would send mail to the people of a meeting, or lets only the user do it: it is left to him.
    ChangeInOutlook,
}

impl IssueCode {
    pub const ALL: [Self; 33] = [
        Self::LastNameMissing,
        Self::SeveralMatches,
        Self::LeadExists,
        Self::DeletedInMailbox,
        Self::FateUnknown,
        Self::Conflict,
        Self::Differences,
        Self::CompanyChanged,
        Self::Refused,
        Self::DuplicateRule,
        Self::NoPermission,
        Self::CreateInDoubt,
        Self::OverLimit,
        Self::MergedIntoLinked,
        Self::ReplacedUnseen,
        Self::EventTooLong,
        Self::EndBeforeStart,
        Self::ZoneUnknown,
        Self::RichBody,
        Self::RecurringTask,
        Self::TooLarge,
        Self::AttachmentLeftOut,
        Self::Encrypted,
        Self::Confidential,
        Self::Unreadable,
        Self::StorageFull,
        Self::UnknownValue,
        Self::EmailsUnavailable,
        Self::OtherSyncTool,
        Self::NothingMoved,
        Self::NoMatch,
        Self::TooManyPeople,
        Self::ChangeInOutlook,
    ];

    /// The word kept in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LastNameMissing => "last_name_missing",
            Self::SeveralMatches => "several_matches",
            Self::LeadExists => "lead_exists",
            Self::DeletedInMailbox => "deleted_in_mailbox",
            Self::FateUnknown => "fate_unknown",
            Self::Conflict => "conflict",
            Self::Differences => "differences",
            Self::CompanyChanged => "company_changed",
            Self::Refused => "refused",
            Self::DuplicateRule => "duplicate_rule",
            Self::NoPermission => "no_permission",
            Self::CreateInDoubt => "create_in_doubt",
            Self::OverLimit => "over_limit",
            Self::MergedIntoLinked => "merged_into_linked",
            Self::ReplacedUnseen => "replaced_unseen",
            Self::EventTooLong => "event_too_long",
            Self::EndBeforeStart => "end_before_start",
            Self::ZoneUnknown => "zone_unknown",
            Self::RichBody => "rich_body",
            Self::RecurringTask => "recurring_task",
            Self::TooLarge => "too_large",
            Self::AttachmentLeftOut => "attachment_left_out",
            Self::Encrypted => "encrypted",
            Self::Confidential => "confidential",
            Self::Unreadable => "unreadable",
            Self::StorageFull => "storage_full",
            Self::UnknownValue => "unknown_value",
            Self::EmailsUnavailable => "emails_unavailable",
            Self::OtherSyncTool => "other_sync_tool",
            Self::NothingMoved => "nothing_moved",
            Self::NoMatch => "no_match",
            Self::TooManyPeople => "too_many_people",
            Self::ChangeInOutlook => "change_in_outlook",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == word)
    }
}

/// What the user can do about an issue, one click away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssueCure {
    /// Try again in the next session.
    Retry,
    /// Never mention it again.
    Ignore,
    /// Create it again in the mailbox.
    BringBack,
    /// Delete it in Salesforce too.
    DeleteThere,
    /// Pair it with one of the candidates: the choice is its id.
    PickMatch,
    /// What the mailbox holds wins.
    KeepMine,
    /// What Salesforce holds wins.
    KeepTheirs,
    /// Save it with these records: the choice is a record's id.
    LinkTo,
    /// Shown only: opens the record.
    OpenInSalesforce,
    /// Shown only: opens the item.
    OpenInOutlook,
}

/// Why a call of the browser was not done. The text for the user is in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "error", content = "cause")]
pub enum ApiError {
    /// Not signed in, or the sign-in has ended.
    SignedOut,
    /// The request did not come from our own page.
    Forbidden,
    /// What was sent is not valid; says which field.
    Invalid(InvalidField),
    Activation(ActivationFailure),
    /// Not now: the state of the connection does not allow it.
    WrongState,
    /// That is for administrators of the organisation, and Salesforce does not say that the user is one.
    NotAdministrator,
    /// Too often: try again after so many seconds.
    TooOften(u32),
    /// Our own fault, or the database's. The log knows more.
    Unavailable,
}

/// One question of the search for a mail server, and what came of it: for the user to read, or to send to somebody who
/// can mend it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchStep {
    /// A URL without its query, or the name of a DNS record.
    pub asked: String,
    pub answer: String,
}

/// An [`ApiError`] with what belongs to it; the same JSON, and `search` where there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    #[serde(flatten)]
    pub error: ApiError,
    /// How the mail server was searched for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<SearchStep>,
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self {
            error,
            search: Vec::new(),
        }
    }
}

/// A field of a form that cannot be taken as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvalidField {
    Login,
    Password,
    EwsUrl,
    Code,
    /// From which day to which.
    Dates,
    /// A record of Salesforce.
    Record,
    /// The item that is open in Outlook.
    Item,
    /// A name, an address, a text of the open item's forms.
    Value,
    /// A setting, in the settings page.
    Setting(SettingKey),
    /// Nobody was chosen, in the organisation page.
    Chosen,
    /// What cannot be taken back was not confirmed.
    Sure,
}
