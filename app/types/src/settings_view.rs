use serde::{Deserialize, Serialize};

use crate::{Counts, IssueView, ItemKind, SessionView, Settings, Side, Timestamp};

/// A setting that a user changes himself. The others are the administrator's: they guard the organisation, or name what
/// is the same for all of its people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingKey {
    Contacts,
    ContactScope,
    ContactList,
    ContactLimit,
    ContactConflicts,
    ContactDeleted,
    Events,
    EventConflicts,
    EventDaysBack,
    EventDaysAhead,
    SaveMeetings,
    SaveAppointments,
    KeepHistory,
    SendInvitations,
    Tasks,
    TaskConflicts,
    TaskDeleted,
    Emails,
    SaveEmails,
    SaveThreads,
    EmailDaysBack,
    EmailFolders,
    Attachments,
    AttachmentBytes,
    AttachmentEndings,
    Blocklist,
    Interval,
}

impl SettingKey {
    pub const ALL: [Self; 27] = [
        Self::Contacts,
        Self::ContactScope,
        Self::ContactList,
        Self::ContactLimit,
        Self::ContactConflicts,
        Self::ContactDeleted,
        Self::Events,
        Self::EventConflicts,
        Self::EventDaysBack,
        Self::EventDaysAhead,
        Self::SaveMeetings,
        Self::SaveAppointments,
        Self::KeepHistory,
        Self::SendInvitations,
        Self::Tasks,
        Self::TaskConflicts,
        Self::TaskDeleted,
        Self::Emails,
        Self::SaveEmails,
        Self::SaveThreads,
        Self::EmailDaysBack,
        Self::EmailFolders,
        Self::Attachments,
        Self::AttachmentBytes,
        Self::AttachmentEndings,
        Self::Blocklist,
        Self::Interval,
    ];

    /// Where it stands in [`Settings`], and the name of its field in a form: `attachments.save` stands in a group.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Contacts => "contacts",
            Self::ContactScope => "contact_scope",
            Self::ContactList => "contact_list",
            Self::ContactLimit => "contact_limit",
            Self::ContactConflicts => "contact_conflicts",
            Self::ContactDeleted => "contact_deleted_in_mailbox",
            Self::Events => "events",
            Self::EventConflicts => "event_conflicts",
            Self::EventDaysBack => "event_days_back",
            Self::EventDaysAhead => "event_days_ahead",
            Self::SaveMeetings => "save_meetings",
            Self::SaveAppointments => "save_appointments",
            Self::KeepHistory => "keep_history",
            Self::SendInvitations => "send_invitations",
            Self::Tasks => "tasks",
            Self::TaskConflicts => "task_conflicts",
            Self::TaskDeleted => "task_deleted_in_mailbox",
            Self::Emails => "emails",
            Self::SaveEmails => "save_emails",
            Self::SaveThreads => "save_threads",
            Self::EmailDaysBack => "email_days_back",
            Self::EmailFolders => "email_folders",
            Self::Attachments => "attachments.save",
            Self::AttachmentBytes => "attachments.max_bytes",
            Self::AttachmentEndings => "attachments.endings",
            Self::Blocklist => "blocklist",
            Self::Interval => "interval_minutes",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.as_str() == word)
    }
}

/// What the settings page's forms start from, beside the settings that count ([`crate::ConnectionView::settings`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsView {
    /// As they would be without the user's own: the organisation's.
    pub inherited: Settings,
    /// What the user has chosen otherwise.
    pub chosen: Vec<SettingKey>,
    /// The user's own part of the blocklist.
    pub blocklist: Vec<String>,
}

/// A field that is kept the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappingRow {
    pub kind: ItemKind,
    /// The word of the neutral field, `job_title`.
    pub field: String,
    /// The API name of Salesforce's field, `Title`.
    pub there: String,
}

/// One page of what the sessions did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryView {
    /// Newest first.
    pub sessions: Vec<SessionView>,
    /// How many are kept in all.
    pub total: u32,
    /// In days.
    pub kept_for: u32,
    /// For how many days one can be undone.
    pub undone_for: u32,
    /// There are older ones.
    pub more: bool,
    /// What each of the last days did, oldest first; without gaps.
    pub days: Vec<DayView>,
}

/// What the sessions of one day did, by UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayView {
    /// Its first moment.
    pub day: Timestamp,
    /// Sessions that ended well or early at a safe point.
    pub well: u32,
    /// Sessions that failed, were refused or stopped.
    pub badly: u32,
    /// Items that were written, on both sides.
    pub written: u32,
    /// How long the middle one of its sessions took, in milliseconds.
    pub took: u32,
}

impl DayView {
    /// Items that a session wrote.
    pub fn written(counts: &[Counts]) -> u32 {
        counts
            .iter()
            .flat_map(|of| [of.mailbox, of.crm])
            .fold(0, |sum, ops| {
                sum.saturating_add(ops.created)
                    .saturating_add(ops.changed)
                    .saturating_add(ops.deleted)
            })
    }
}

/// What a test of a connection tries, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeStep {
    /// The server's name is known.
    Name,
    /// Something answers there.
    Reach,
    /// Its certificate is trusted.
    Certificate,
    /// It takes the sign-in.
    SignIn,
    /// The mailbox, or the records, can be read.
    Open,
}

impl ProbeStep {
    pub const ALL: [Self; 5] = [
        Self::Name,
        Self::Reach,
        Self::Certificate,
        Self::SignIn,
        Self::Open,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Reach => "reach",
            Self::Certificate => "certificate",
            Self::SignIn => "sign_in",
            Self::Open => "open",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

/// Why a step of a test failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeFault {
    /// The name servers do not know it.
    UnknownName,
    /// Its address is one that the administrator has not allowed.
    NotAllowed,
    /// Nothing answers, or it speaks something else.
    NoConnection,
    /// It did not answer in time.
    NoAnswer,
    /// Its certificate is not trusted, or not for this name.
    NotTrusted,
    /// The password was refused.
    Refused,
    /// The sign-in has ended.
    SignInEnded,
    /// It was refused before, and once more could lock the account: nothing was sent.
    NotTriedAgain,
    /// Three passwords were tried in 15 minutes: nothing was sent.
    TooManyTrials,
    /// It told us to come later.
    Busy,
    /// Signed in, but without the right to read there.
    NoAccess,
    /// There is nothing to test: no account is connected.
    NotConnected,
}

impl ProbeFault {
    pub const ALL: [Self; 12] = [
        Self::UnknownName,
        Self::NotAllowed,
        Self::NoConnection,
        Self::NoAnswer,
        Self::NotTrusted,
        Self::Refused,
        Self::SignInEnded,
        Self::NotTriedAgain,
        Self::TooManyTrials,
        Self::Busy,
        Self::NoAccess,
        Self::NotConnected,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownName => "unknown_name",
            Self::NotAllowed => "not_allowed",
            Self::NoConnection => "no_connection",
            Self::NoAnswer => "no_answer",
            Self::NotTrusted => "not_trusted",
            Self::Refused => "refused",
            Self::SignInEnded => "sign_in_ended",
            Self::NotTriedAgain => "not_tried_again",
            Self::TooManyTrials => "too_many_trials",
            Self::Busy => "busy",
            Self::NoAccess => "no_access",
            Self::NotConnected => "not_connected",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

/// What became of a test of one side: the steps before the one that failed went well, those after it were not tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeView {
    pub side: Side,
    /// `None`: all went well.
    pub failed: Option<(ProbeStep, ProbeFault)>,
}

/// One page of the open issues, of those that are picked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuePage {
    /// Oldest first.
    pub issues: Vec<IssueView>,
    /// How many are picked in all.
    pub total: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_a_setting() {
        let all = serde_json::to_value(Settings::default()).unwrap();
        for key in SettingKey::ALL {
            let pointer = format!("/{}", key.as_str().replace('.', "/"));
            assert!(all.pointer(&pointer).is_some(), "{pointer}");
            assert_eq!(SettingKey::parse(key.as_str()), Some(key));
        }
        for guarded in ["brake", "brake.hard", "own_domains", "task_status", ""] {
            assert_eq!(SettingKey::parse(guarded), None, "{guarded}");
        }
    }
}
