//! One item of the mailbox, of any kind.

use tandem_sync::model::{Mark, Snapshot};
use tandem_types::ItemKind;

use crate::event::Event;
use crate::ews::get_item::Item;
use crate::mail::Mail;
use crate::map::{CATEGORY, Contact, FAILED, has};
use crate::places::Places;
use crate::task::Task;

/// As the server gave it. No `Debug`: it is content.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Held {
    Contact(Box<Contact>),
    Event(Box<Event>),
    Task(Box<Task>),
    Mail(Box<Mail>),
}

impl Held {
    pub(crate) fn of(item: Item) -> Option<Self> {
        match item {
            Item::Contact(contact) => Some(Self::Contact(contact)),
            Item::Event(event) => Some(Self::Event(event)),
            Item::Task(task) => Some(Self::Task(task)),
            Item::Mail(mail) => Some(Self::Mail(mail)),
            Item::Other | Item::Nothing => None,
        }
    }

    pub(crate) fn kind(&self) -> ItemKind {
        match self {
            Self::Contact(_) => ItemKind::Contact,
            Self::Event(_) => ItemKind::Event,
            Self::Task(_) => ItemKind::Task,
            Self::Mail(_) => ItemKind::Email,
        }
    }

    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Contact(contact) => &contact.id,
            Self::Event(event) => &event.head.id,
            Self::Task(task) => &task.head.id,
            Self::Mail(mail) => &mail.head.id,
        }
    }

    pub(crate) fn change_key(&self) -> &str {
        match self {
            Self::Contact(contact) => &contact.change_key,
            Self::Event(event) => &event.head.change_key,
            Self::Task(task) => &task.head.change_key,
            Self::Mail(mail) => &mail.head.change_key,
        }
    }

    pub(crate) fn folder(&self) -> &str {
        match self {
            Self::Contact(contact) => &contact.folder,
            Self::Event(event) => &event.head.folder,
            Self::Task(task) => &task.head.folder,
            Self::Mail(mail) => &mail.head.folder,
        }
    }

    /// A row of a search does not tell its folder; the search does.
    pub(crate) fn lying_in(mut self, folder: &str) -> Self {
        let place = match &mut self {
            Self::Contact(contact) => &mut contact.folder,
            Self::Event(event) => &mut event.head.folder,
            Self::Task(task) => &mut task.head.folder,
            Self::Mail(mail) => &mut mail.head.folder,
        };
        folder.clone_into(place);
        self
    }

    /// As the item carries it. An occurrence shows its series' and has none of its own.
    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            Self::Contact(contact) => contact.key.as_deref(),
            Self::Event(event) if event.is_of_series() => None,
            Self::Event(event) => event.head.key.as_deref(),
            Self::Task(task) => task.head.key.as_deref(),
            Self::Mail(mail) => mail.head.key.as_deref(),
        }
    }

    pub(crate) fn categories(&self) -> &[String] {
        match self {
            Self::Contact(contact) => &contact.categories,
            Self::Event(event) => &event.head.categories,
            Self::Task(task) => &task.head.categories,
            Self::Mail(mail) => &mail.head.categories,
        }
    }

    /// The series itself, which is never shown.
    pub(crate) fn is_master(&self) -> bool {
        matches!(self, Self::Event(event) if event.is_master())
    }

    pub(crate) fn snapshot(&self, places: &Places) -> Snapshot {
        match self {
            Self::Contact(contact) => contact.snapshot(places),
            Self::Event(event) => event.snapshot(places),
            Self::Task(task) => task.snapshot(places),
            Self::Mail(mail) => mail.snapshot(places),
        }
    }

    /// The whole list of categories, if `mark` changes it.
    pub(crate) fn marked(&self, mark: Option<Mark>) -> Option<Vec<String>> {
        marked(self.categories(), mark)
    }
}

fn marked(now: &[String], mark: Option<Mark>) -> Option<Vec<String>> {
    let mut list = now.to_vec();
    let mut put = |name: &str, on: bool| {
        if !on {
            list.retain(|c| !c.eq_ignore_ascii_case(name));
        } else if !has(&list, name) {
            list.push(name.to_owned());
        }
    };
    match mark? {
        Mark::Synced => {
            put(CATEGORY, true);
            put(FAILED, false);
        }
        Mark::Failed => put(FAILED, true),
        Mark::None => {
            put(CATEGORY, false);
            put(FAILED, false);
        }
    }
    (list != now).then_some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (
        &'static [&'static str],
        Option<Mark>,
        Option<&'static [&'static str]>,
    );

    #[test]
    fn marking_keeps_the_other_categories() {
        let list = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let rows: [Row; 9] = [
            (&["Friends"], Some(Mark::Synced), Some(&["Friends", "Salesforce"])),
            (&["Friends"], Some(Mark::None), None),
            (&["Friends"], None, None),
            (&["salesforce"], Some(Mark::None), Some(&[])),
            (&["salesforce"], Some(Mark::Synced), None),
            (
                &["sync error", "x"],
                Some(Mark::Synced),
                Some(&["x", "Salesforce"]),
            ),
            (
                &["Salesforce"],
                Some(Mark::Failed),
                Some(&["Salesforce", "Sync Error"]),
            ),
            (&["SYNC ERROR"], Some(Mark::Failed), None),
            (&["Salesforce", "a", "Sync Error"], Some(Mark::None), Some(&["a"])),
        ];
        for (now, mark, then) in rows {
            assert_eq!(marked(&list(now), mark), then.map(list), "{now:?} {mark:?}");
        }
    }
}
