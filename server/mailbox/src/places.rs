//! The folders of a mailbox that decide about scope.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tandem_types::ItemKind;

/// Ids of folders; an empty one: the mailbox has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Places {
    pub(crate) contacts: String,
    pub(crate) deleted: String,
    pub(crate) calendar: String,
    pub(crate) tasks: String,
    pub(crate) inbox: String,
    pub(crate) sent: String,
    /// *Salesforce Contacts*, where it exists.
    pub(crate) salesforce: Option<String>,
    /// *Salesforce Tasks*.
    pub(crate) salesforce_tasks: Option<String>,
    /// *Salesforce Emails*.
    pub(crate) salesforce_emails: Option<String>,
    /// Folders of mail that the user chose.
    pub(crate) chosen: BTreeSet<String>,
    /// The mailbox's own address, lower case.
    pub(crate) address: String,
}

impl Places {
    /// The folder that is ours for that kind.
    pub(crate) fn ours(&self, kind: ItemKind) -> Option<&str> {
        match kind {
            ItemKind::Contact => self.salesforce.as_deref(),
            ItemKind::Task => self.salesforce_tasks.as_deref(),
            ItemKind::Email => self.salesforce_emails.as_deref(),
            ItemKind::Event => Some(&self.calendar),
        }
    }

    /// The folder that the server keeps for that kind.
    pub(crate) fn default_of(&self, kind: ItemKind) -> &str {
        match kind {
            ItemKind::Contact => &self.contacts,
            ItemKind::Event => &self.calendar,
            ItemKind::Task => &self.tasks,
            ItemKind::Email => &self.inbox,
        }
    }

    /// The folders that are read for a kind.
    pub(crate) fn of(&self, kind: ItemKind) -> Vec<&str> {
        let mut all = vec![self.default_of(kind)];
        if kind == ItemKind::Email {
            all.push(&self.sent);
        }
        all.extend(self.ours(kind));
        if kind == ItemKind::Email {
            all.extend(self.chosen.iter().map(String::as_str));
        }
        let mut seen = BTreeSet::new();
        all.retain(|id| !id.is_empty() && seen.insert(*id));
        all
    }
}
