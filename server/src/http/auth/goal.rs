//! What a sign-in with Salesforce is for, and where its result goes.

use tandem_crm::Purpose;

/// Noted with the flow; the word is what the store keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// A session for the pane that opened the window.
    Pane(Purpose),
    /// A session for the setup page, in the same window.
    Page(Purpose),
    /// A new grant for the account that is connected.
    Refresh,
    /// The mailbox goes on with another account.
    Change,
    /// The grant of the organisation's integration user.
    Integration,
}

impl Goal {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Pane(Purpose::SignIn) => "sign_in",
            Self::Pane(Purpose::Sync) => "sync",
            Self::Page(Purpose::SignIn) => "page_sign_in",
            Self::Page(Purpose::Sync) => "page_sync",
            Self::Refresh => "refresh",
            Self::Change => "change",
            Self::Integration => "integration",
        }
    }

    /// `None`: a flow of another kind.
    pub(super) fn parse(word: &str) -> Option<Self> {
        [
            Self::Pane(Purpose::SignIn),
            Self::Pane(Purpose::Sync),
            Self::Page(Purpose::SignIn),
            Self::Page(Purpose::Sync),
            Self::Refresh,
            Self::Change,
            Self::Integration,
        ]
        .into_iter()
        .find(|goal| goal.as_str() == word)
    }

    /// What Salesforce is asked for.
    pub(super) const fn purpose(self) -> Purpose {
        match self {
            Self::Pane(purpose) | Self::Page(purpose) => purpose,
            Self::Refresh | Self::Change | Self::Integration => Purpose::Sync,
        }
    }

    /// The same, with a grant.
    pub(super) const fn with_grant(self) -> Self {
        match self {
            Self::Pane(_) => Self::Pane(Purpose::Sync),
            Self::Page(_) => Self::Page(Purpose::Sync),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_comes_back_and_nothing_else_is_one() {
        for goal in [
            Goal::Pane(Purpose::SignIn),
            Goal::Page(Purpose::Sync),
            Goal::Refresh,
            Goal::Change,
            Goal::Integration,
        ] {
            assert_eq!(Goal::parse(goal.as_str()), Some(goal));
            assert_eq!(goal.with_grant().purpose(), Purpose::Sync);
        }
        assert_eq!(Goal::parse("microsoft"), None);
        assert_eq!(Goal::parse(""), None);
    }
}
