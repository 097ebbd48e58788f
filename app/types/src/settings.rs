use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ItemKind;

/// What a connection syncs, and how.
///
/// Kept as what differs: the built-in defaults, then the organisation's, then the connection's own. A change takes effect
/// in the next session; turning anything off deletes nothing. Unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own in the settings page and in the stored JSON"
)]
pub struct Settings {
    pub contacts: Direction,
    pub contact_scope: ContactScope,
    /// For [`ContactScope::ListView`]: the list view's id.
    pub contact_list: Option<String>,
    /// At most so many contacts per mailbox.
    pub contact_limit: u32,
    pub contact_conflicts: ConflictPolicy,
    pub contact_deleted_in_mailbox: DeletedInMailbox,

    pub events: Direction,
    pub event_conflicts: ConflictPolicy,
    /// Events that start from so many days back …
    pub event_days_back: u32,
    /// … to so many days ahead.
    pub event_days_ahead: u32,
    /// Meetings with an external attendee who is known in Salesforce are saved by themselves.
    pub save_meetings: bool,
    /// Appointments without attendees are saved by themselves.
    pub save_appointments: bool,
    /// Events and completed tasks of the past that are deleted in the mailbox stay in Salesforce: they are history.
    pub keep_history: bool,
    /// The user's own meetings send invitations and updates when the sync creates or changes them. Off: nothing that the
    /// sync does makes a server send mail to anyone.
    pub send_invitations: bool,

    pub tasks: Direction,
    pub task_conflicts: ConflictPolicy,
    pub task_deleted_in_mailbox: DeletedInMailbox,
    /// Salesforce's word for each of `not_started`, `in_progress`, `waiting`, `deferred`, `completed`; those that are
    /// missing have the platform's standard words.
    pub task_status: BTreeMap<String, String>,
    /// Salesforce's word for each of `low`, `normal`, `high`.
    pub task_priority: BTreeMap<String, String>,

    /// [`Direction::ToCrm`] or [`Direction::Off`]: emails only go up.
    pub emails: Direction,
    /// Mails in Inbox and Sent Items with somebody who is known in Salesforce are saved by themselves.
    pub save_emails: bool,
    /// Later mails of a conversation that was saved are saved too.
    pub save_threads: bool,
    /// Automatic saving begins so many days before the activation.
    pub email_days_back: u32,
    /// Further folders whose mails are saved: paths, `Inbox/Acme`.
    pub email_folders: Vec<String>,
    pub attachments: AttachmentRules,

    /// Addresses, domains (`example.com`), wildcards (`*@*.example.com`) that are never matched or saved. The
    /// organisation's and the connection's own add up.
    pub blocklist: Vec<String>,
    /// Domains of the company beside that of the mailbox: internal.
    pub own_domains: Vec<String>,

    pub brake: BrakeLimits,
    /// From the end of one session to the start of the next, before jitter.
    pub interval_minutes: u32,
}

/// Which attachments of emails are carried over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttachmentRules {
    pub save: bool,
    /// Per file.
    pub max_bytes: u64,
    /// Lower case, without the dot. Empty: all but what runs.
    pub endings: Vec<String>,
}

impl Default for AttachmentRules {
    fn default() -> Self {
        Self {
            save: true,
            max_bytes: 10 * 1024 * 1024,
            endings: Vec::new(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            contacts: Direction::TwoWay,
            contact_scope: ContactScope::Mine,
            contact_list: None,
            contact_limit: 10_000,
            contact_conflicts: ConflictPolicy::Newest,
            contact_deleted_in_mailbox: DeletedInMailbox::Ask,
            events: Direction::TwoWay,
            event_conflicts: ConflictPolicy::Mailbox,
            event_days_back: 14,
            event_days_ahead: 60,
            save_meetings: true,
            save_appointments: false,
            keep_history: true,
            send_invitations: false,
            tasks: Direction::TwoWay,
            task_conflicts: ConflictPolicy::Newest,
            task_deleted_in_mailbox: DeletedInMailbox::Ask,
            task_status: BTreeMap::new(),
            task_priority: BTreeMap::new(),
            emails: Direction::ToCrm,
            save_emails: true,
            save_threads: true,
            email_days_back: 6,
            email_folders: Vec::new(),
            attachments: AttachmentRules::default(),
            blocklist: Vec::new(),
            own_domains: Vec::new(),
            brake: BrakeLimits::default(),
            interval_minutes: 30,
        }
    }
}

impl Settings {
    /// # Errors
    /// A limit that would switch a safety off or starve the servers; a combination that means nothing.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let wrong = |key, text| Err(SettingsError { key, text });
        if !(5..=24 * 60).contains(&self.interval_minutes) {
            return wrong("interval_minutes", "must be between 5 and 1440");
        }
        if !(1..=100_000).contains(&self.contact_limit) {
            return wrong("contact_limit", "must be between 1 and 100000");
        }
        if self.brake.percent > 100 {
            return wrong("brake.percent", "must be at most 100");
        }
        if self.event_days_back > 366 {
            return wrong("event_days_back", "must be at most 366");
        }
        if !(1..=730).contains(&self.event_days_ahead) {
            return wrong("event_days_ahead", "must be between 1 and 730");
        }
        if self.email_days_back > 366 {
            return wrong(
                "email_days_back",
                "must be at most 366; older mails are saved by a back-fill",
            );
        }
        if !matches!(self.emails, Direction::ToCrm | Direction::Off) {
            return wrong(
                "emails",
                "is to_crm or off: emails are never written to the mailbox",
            );
        }
        if (self.contact_scope == ContactScope::ListView) != self.contact_list.is_some() {
            return wrong("contact_list", "belongs to contact_scope list_view");
        }
        if !(1..=50 * 1024 * 1024).contains(&self.attachments.max_bytes) {
            return wrong("attachments.max_bytes", "must be between 1 and 52428800");
        }
        for (key, entries, most, text) in [
            (
                "blocklist",
                self.blocklist.len(),
                10_000,
                "takes at most 10000 entries",
            ),
            (
                "own_domains",
                self.own_domains.len(),
                1_000,
                "takes at most 1000 entries",
            ),
            (
                "email_folders",
                self.email_folders.len(),
                100,
                "takes at most 100 entries",
            ),
        ] {
            if entries > most {
                return wrong(key, text);
            }
        }
        for (key, table, words) in [
            (
                "task_status",
                &self.task_status,
                &["not_started", "in_progress", "waiting", "deferred", "completed"][..],
            ),
            (
                "task_priority",
                &self.task_priority,
                &["low", "normal", "high"][..],
            ),
        ] {
            if !known(table, words) {
                return wrong(key, "takes only the words that the documentation lists");
            }
        }
        Ok(())
    }

    pub const fn direction(&self, kind: ItemKind) -> Direction {
        match kind {
            ItemKind::Contact => self.contacts,
            ItemKind::Event => self.events,
            ItemKind::Task => self.tasks,
            ItemKind::Email => self.emails,
        }
    }

    pub const fn conflicts(&self, kind: ItemKind) -> ConflictPolicy {
        match kind {
            ItemKind::Contact => self.contact_conflicts,
            ItemKind::Event => self.event_conflicts,
            ItemKind::Task => self.task_conflicts,
            ItemKind::Email => ConflictPolicy::Mailbox,
        }
    }
}

fn known(table: &BTreeMap<String, String>, words: &[&str]) -> bool {
    table
        .iter()
        .all(|(word, there)| words.contains(&word.as_str()) && !there.trim().is_empty())
}

/// A setting that cannot be taken, said for an administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettingsError {
    /// Which: `interval_minutes`, `brake.percent`.
    pub key: &'static str,
    /// Follows the key.
    pub text: &'static str,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.text)
    }
}

impl std::error::Error for SettingsError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    TwoWay,
    ToCrm,
    ToMailbox,
    Off,
}

impl Direction {
    pub const ALL: [Self; 4] = [Self::TwoWay, Self::ToCrm, Self::ToMailbox, Self::Off];

    /// The word in the stored JSON and in forms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TwoWay => "two_way",
            Self::ToCrm => "to_crm",
            Self::ToMailbox => "to_mailbox",
            Self::Off => "off",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }

    /// Whether changes may be written to the CRM.
    pub const fn writes_crm(self) -> bool {
        matches!(self, Self::TwoWay | Self::ToCrm)
    }

    /// Whether changes may be written to the mailbox.
    pub const fn writes_mailbox(self) -> bool {
        matches!(self, Self::TwoWay | Self::ToMailbox)
    }
}

/// Which Salesforce contacts come down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactScope {
    /// Those that the user owns.
    Mine,
    /// All that the user can see.
    AllVisible,
    /// Those of one list view.
    ListView,
}

impl ContactScope {
    pub const ALL: [Self; 3] = [Self::Mine, Self::AllVisible, Self::ListView];

    /// The word in the stored JSON and in forms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mine => "mine",
            Self::AllVisible => "all_visible",
            Self::ListView => "list_view",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

/// Who wins where both sides changed the same field differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictPolicy {
    /// The record that was changed last; within two minutes, or where the newer stamp is our own write, the mailbox.
    Newest,
    Mailbox,
    Crm,
    /// Neither: an issue asks the user.
    Ask,
}

impl ConflictPolicy {
    pub const ALL: [Self; 4] = [Self::Newest, Self::Mailbox, Self::Crm, Self::Ask];

    /// The word in the stored JSON and in forms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Mailbox => "mailbox",
            Self::Crm => "crm",
            Self::Ask => "ask",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

/// What a delete in the mailbox does to the Salesforce record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeletedInMailbox {
    /// Kept there, not created again here; an issue offers both ways on.
    Ask,
    /// Created again in the mailbox.
    Recreate,
    /// Deleted there too, if the user owns it.
    DeleteOwn,
}

impl DeletedInMailbox {
    pub const ALL: [Self; 3] = [Self::Ask, Self::Recreate, Self::DeleteOwn];

    /// The word in the stored JSON and in forms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Recreate => "recreate",
            Self::DeleteOwn => "delete_own",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

/// When a session stops and asks: more than `count` **and** more than `percent` of the links, or more than `hard`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BrakeLimits {
    pub count: u32,
    pub percent: u32,
    pub hard: u32,
}

impl Default for BrakeLimits {
    fn default() -> Self {
        Self {
            count: 25,
            percent: 20,
            hard: 200,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Copy + Serialize>(all: &[T], word: impl Fn(T) -> &'static str) {
        for &one in all {
            assert_eq!(serde_json::to_value(one).unwrap(), word(one));
        }
    }

    #[test]
    fn words_are_those_of_the_stored_json() {
        check(&Direction::ALL, Direction::as_str);
        check(&ContactScope::ALL, ContactScope::as_str);
        check(&ConflictPolicy::ALL, ConflictPolicy::as_str);
        check(&DeletedInMailbox::ALL, DeletedInMailbox::as_str);
        assert_eq!(Direction::parse("to_crm"), Some(Direction::ToCrm));
        assert_eq!(Direction::parse("sideways"), None);
    }
}
