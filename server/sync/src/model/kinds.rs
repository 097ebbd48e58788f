use std::fmt;

use tandem_types::{ContactScope, ItemKind, Timestamp};

/// A set of kinds.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self(0b1111);

    pub const fn of(kind: ItemKind) -> Self {
        Self(1 << kind as u8)
    }

    #[must_use]
    pub const fn with(self, kind: ItemKind) -> Self {
        Self(self.0 | Self::of(kind).0)
    }

    #[must_use]
    pub const fn without(self, kind: ItemKind) -> Self {
        Self(self.0 & !Self::of(kind).0)
    }

    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub const fn has(self, kind: ItemKind) -> bool {
        self.0 & Self::of(kind).0 != 0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = ItemKind> {
        ItemKind::ALL.into_iter().filter(move |kind| self.has(*kind))
    }
}

impl FromIterator<ItemKind> for Kinds {
    fn from_iter<I: IntoIterator<Item = ItemKind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// A stretch of time; `to` is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub from: Timestamp,
    pub to: Timestamp,
}

/// What a session wants to be told by [`crate::ports::Endpoint::changes`].
///
/// A cursor remembers what it was made for. A kind that it was not made for, a folder or a contact scope that is new:
/// that kind is listed in full, as from nothing. The window may have moved since: changes are told wherever they are,
/// and only a full listing is cut to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    pub kinds: Kinds,
    /// Which events a full listing holds: those that start in it, or are going on when it begins.
    pub events: Window,
    /// Tasks that are completed, and were due and changed before: not listed in full (they are history).
    pub tasks_since: Timestamp,
    /// Emails that came or went before are told only where the user has marked them, or moved them to our folder, since
    /// then; all others of them only by [`crate::ports::Mailbox::history`].
    pub mails_since: Timestamp,
    /// Folders beside Inbox, Sent Items and *Salesforce Emails* whose mail is looked at: their paths, `Inbox/Acme`.
    pub mail_folders: Vec<String>,
    pub contact_scope: ContactScope,
    /// For [`ContactScope::ListView`]: its id.
    pub contact_list: Option<String>,
}
