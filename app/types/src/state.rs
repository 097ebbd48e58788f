use serde::{Deserialize, Serialize};

/// One of the two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Mailbox,
    Crm,
}

impl Side {
    pub const BOTH: [Self; 2] = [Self::Mailbox, Self::Crm];

    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Mailbox => Self::Crm,
            Self::Crm => Self::Mailbox,
        }
    }

    /// The word kept in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mailbox => "mailbox",
            Self::Crm => "crm",
        }
    }
}

/// The kinds of things that are synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    Contact,
    Event,
    Task,
    Email,
}

impl ItemKind {
    pub const ALL: [Self; 4] = [Self::Contact, Self::Event, Self::Task, Self::Email];

    /// The word kept in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Event => "event",
            Self::Task => "task",
            Self::Email => "email",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == word)
    }
}

/// Where a connection stands. `not_activated -> activating -> active <-> paused`,
/// `active -> needs_activation`, any `-> deactivated`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncState {
    NotActivated,
    Activating,
    Active,
    Paused,
    NeedsActivation,
    Deactivated,
}

impl SyncState {
    const ALL: [Self; 6] = [
        Self::NotActivated,
        Self::Activating,
        Self::Active,
        Self::Paused,
        Self::NeedsActivation,
        Self::Deactivated,
    ];

    /// The word kept in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotActivated => "not_activated",
            Self::Activating => "activating",
            Self::Active => "active",
            Self::Paused => "paused",
            Self::NeedsActivation => "needs_activation",
            Self::Deactivated => "deactivated",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }
}

/// Why a connection does not simply sync, beside its [`SyncState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateReason {
    /// The mail server refused the login or the access. Six in a row open the activation dialog.
    MailServerRefused,
    MicrosoftSignInEnded,
    SalesforceSignInEnded,
    /// Too many deletes, creates or clears at once: someone must look.
    StoppedByBrake,
    /// The first session waits until the user has seen what it will do.
    WaitingForPreview,
    /// The organisation's API calls or storage are used up.
    Quota,
    /// The whole organisation deleted too much in an hour: an administrator must look.
    OrgBrake,
}

impl StateReason {
    const ALL: [Self; 7] = [
        Self::MailServerRefused,
        Self::MicrosoftSignInEnded,
        Self::SalesforceSignInEnded,
        Self::StoppedByBrake,
        Self::WaitingForPreview,
        Self::Quota,
        Self::OrgBrake,
    ];

    /// The word kept in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MailServerRefused => "mail_server_refused",
            Self::MicrosoftSignInEnded => "microsoft_sign_in_ended",
            Self::SalesforceSignInEnded => "salesforce_sign_in_ended",
            Self::StoppedByBrake => "stopped_by_brake",
            Self::WaitingForPreview => "waiting_for_preview",
            Self::Quota => "quota",
            Self::OrgBrake => "org_brake",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_serde_names() {
        for s in SyncState::ALL {
            assert_eq!(serde_json::to_string(&s).unwrap(), format!("\"{}\"", s.as_str()));
            assert_eq!(SyncState::parse(s.as_str()), Some(s));
        }
        for r in StateReason::ALL {
            assert_eq!(serde_json::to_string(&r).unwrap(), format!("\"{}\"", r.as_str()));
            assert_eq!(StateReason::parse(r.as_str()), Some(r));
        }
    }
}
