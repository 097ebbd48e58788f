//! Where items lie in a mailbox, and making what is missing.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use tandem_sync::{Fault, FaultKind};
use tandem_types::ItemKind;

use crate::categories;
use crate::client::Effect;
use crate::error::CallError;
use crate::ews::folders::{CALENDAR_CLASS, CONTACTS_CLASS, Folder, FolderPage, MAILS_CLASS, TASKS_CLASS};
use crate::ews::{FolderRef, configuration, folders};
use crate::mailbox::Ews;
use crate::map::{FOLDER, MAILS_FOLDER, TASKS_FOLDER};
use crate::places::Places;
use crate::xml::XmlError;

const PAGE: u32 = 500;
/// A mailbox with more folders than this is beyond what we look through.
const MOST_FOLDERS: usize = 20_000;

/// Every folder of a mailbox, and the special ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    pub(crate) places: Places,
    /// The top of all folders that a user sees.
    root: String,
    pub(crate) folders: Vec<Folder>,
    /// Deleted Items and what lies below it.
    deleted: HashSet<String>,
}

impl Tree {
    /// `places`: the folders that the server keeps for itself; ours are looked for among `folders`.
    pub(crate) fn new(places: Places, root: &str, folders: Vec<Folder>) -> Self {
        let parents: HashMap<&str, &str> = folders
            .iter()
            .map(|f| (f.id.as_str(), f.parent.as_str()))
            .collect();
        let is_deleted = |id: &str| {
            let mut at = id;
            // A tree is not deeper than it has folders: a circle ends too.
            for _ in 0..=parents.len() {
                if at == places.deleted {
                    return true;
                }
                let Some(parent) = parents.get(at) else {
                    return false;
                };
                at = parent;
            }
            false
        };
        let mut deleted: HashSet<String> = folders
            .iter()
            .filter(|f| is_deleted(&f.id))
            .map(|f| f.id.clone())
            .collect();
        deleted.insert(places.deleted.clone());
        let ours = |(name, class, home): (&str, &str, &str)| {
            folders
                .iter()
                .filter(|f| {
                    f.name.eq_ignore_ascii_case(name)
                        && (f.class.starts_with(class) || (class == MAILS_CLASS && f.class.is_empty()))
                        && !deleted.contains(&f.id)
                })
                // Where it was made, else where a user has moved it.
                .max_by_key(|f| f.parent == home)
                .map(|f| f.id.clone())
        };
        let mut places = places;
        places.salesforce = ours((FOLDER, CONTACTS_CLASS, &places.contacts));
        places.salesforce_tasks = ours((TASKS_FOLDER, TASKS_CLASS, &places.tasks));
        places.salesforce_emails = ours((MAILS_FOLDER, MAILS_CLASS, root));
        Self {
            places,
            root: root.to_owned(),
            folders,
            deleted,
        }
    }

    /// The folder at a path of names from the top: `Inbox/Acme`. The Inbox and Sent Items are known by these names in
    /// every language.
    pub(crate) fn at_path(&self, path: &str) -> Option<&str> {
        let mut at = self.root.as_str();
        let mut first = true;
        for name in path.split('/').map(str::trim).filter(|name| !name.is_empty()) {
            let named = self
                .folders
                .iter()
                .find(|f| f.parent == at && f.name.to_lowercase() == name.to_lowercase())
                .map(|f| f.id.as_str());
            let known = match name.to_lowercase().as_str() {
                "inbox" if first => Some(self.places.inbox.as_str()),
                "sent items" if first => Some(self.places.sent.as_str()),
                _ => None,
            };
            at = named.or(known).filter(|id| !id.is_empty())?;
            first = false;
        }
        (!first && !self.is_deleted(at)).then_some(at)
    }

    /// The folders of mail that the user chose, as far as they exist.
    pub(crate) fn chosen(&self, paths: &[String]) -> BTreeSet<String> {
        paths
            .iter()
            .filter_map(|path| self.at_path(path))
            .map(str::to_owned)
            .collect()
    }

    pub(crate) fn is_deleted(&self, folder: &str) -> bool {
        self.deleted.contains(folder)
    }

    /// Folders of people's items of a kind, none of them deleted, the default one first.
    pub(crate) fn folders_of(&self, kind: ItemKind) -> Vec<&str> {
        let default = self.places.default_of(kind);
        let mut ids: Vec<&str> = vec![default];
        for folder in &self.folders {
            // Longer classes are folders that Exchange keeps for itself: recipient caches, quick contacts.
            if folder.class == class(kind) && !self.is_deleted(&folder.id) && folder.id != default {
                ids.push(&folder.id);
            }
        }
        ids.retain(|id| !id.is_empty());
        ids
    }

    /// All folders in two lots: those that may well hold an item of that kind that somebody filed or deleted, and the
    /// others.
    pub(crate) fn likely_and_others(&self, kind: ItemKind) -> (Vec<&str>, Vec<&str>) {
        let default = self.places.default_of(kind);
        let mut ids: Vec<&Folder> = self.folders.iter().collect();
        ids.sort_by_key(|f| f.id.clone());
        let (mut likely, others): (Vec<_>, Vec<_>) = ids
            .into_iter()
            .partition(|f| f.class.starts_with(class(kind)) || self.is_deleted(&f.id));
        likely.retain(|f| f.id != default && f.id != self.places.deleted);
        let mut first = vec![self.places.deleted.as_str(), default];
        first.retain(|id| !id.is_empty());
        first.extend(likely.into_iter().map(|f| f.id.as_str()));
        (
            first,
            others
                .into_iter()
                .map(|f| f.id.as_str())
                .filter(|id| *id != default)
                .collect(),
        )
    }
}

/// The class of folders that hold items of a kind.
const fn class(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Contact => CONTACTS_CLASS,
        ItemKind::Event => CALENDAR_CLASS,
        ItemKind::Task => TASKS_CLASS,
        ItemKind::Email => MAILS_CLASS,
    }
}

impl Ews {
    /// The folders that decide about scope: from the cursor, else from the server.
    pub(crate) async fn places(&self) -> Result<Places, Fault> {
        match self.with_known(|known| known.places.clone()) {
            Some(places) => Ok(places),
            None => Ok(self.tree().await?.places.clone()),
        }
    }

    /// All folders, as of the first time that this session asked.
    pub(crate) async fn tree(&self) -> Result<Arc<Tree>, Fault> {
        match self.with_known(|known| known.tree.clone()) {
            Some(tree) => Ok(tree),
            None => self.fresh_tree().await,
        }
    }

    /// All folders, now.
    pub(crate) async fn fresh_tree(&self) -> Result<Arc<Tree>, Fault> {
        let special = [
            "msgfolderroot",
            "contacts",
            "deleteditems",
            "calendar",
            "tasks",
            "inbox",
            "sentitems",
        ];
        let found: Vec<Result<Vec<Folder>, _>> = self
            .client
            .call(
                folders::GET,
                Effect::Reads,
                folders::get(&special.map(FolderRef::Distinguished)),
                folders::payload,
            )
            .await
            .map_err(|error| error.into_fault(folders::GET, false))?;
        let mut ids = Vec::new();
        for (at, message) in found.into_iter().enumerate() {
            match message {
                Ok(folders) => ids.extend(folders.into_iter().take(1).map(|f| f.id)),
                // A mailbox may lack one of those that came later: it has no items of that kind then.
                Err(error) if at > 2 && error.is_missing_folder() => ids.push(String::new()),
                Err(error) => return Err(error.into_fault(folders::GET)),
            }
        }
        let [root, contacts, deleted, calendar, tasks, inbox, sent] = ids.as_slice() else {
            return Err(
                CallError::from(XmlError::Unexpected("not one folder for each asked"))
                    .into_fault(folders::GET, false),
            );
        };
        let known = Places {
            contacts: contacts.clone(),
            deleted: deleted.clone(),
            calendar: calendar.clone(),
            tasks: tasks.clone(),
            inbox: inbox.clone(),
            sent: sent.clone(),
            address: self.address.clone(),
            ..Places::default()
        };
        let mut all = Vec::new();
        let mut offset = 0;
        loop {
            let request = folders::find(FolderRef::Distinguished("msgfolderroot"), offset, PAGE);
            let page: FolderPage = self
                .client
                .call_one(folders::FIND, Effect::Reads, request, folders::page_payload)
                .await
                .map_err(|error| error.into_fault(folders::FIND, false))?;
            all.extend(page.folders);
            match page.next {
                // An offset that does not move would go on for ever.
                Some(next) if next > offset && all.len() < MOST_FOLDERS => offset = next,
                Some(_) => return Err(Fault::fatal("the list of folders does not end")),
                None => break,
            }
        }
        let mut tree = Tree::new(known, root, all);
        tree.places.chosen = self.with_known(|known| tree.chosen(&known.paths));
        let tree = Arc::new(tree);
        self.with_known(|known| {
            known.places = Some(tree.places.clone());
            known.tree = Some(Arc::clone(&tree));
        });
        Ok(tree)
    }

    /// Our folders, made where they are missing.
    pub(crate) async fn ensure_folders(&self) -> Result<(), Fault> {
        let tree = self.fresh_tree().await?;
        let mut made = false;
        for kind in [ItemKind::Contact, ItemKind::Task, ItemKind::Email] {
            if tree.places.ours(kind).is_none() {
                self.make_folder(kind).await?;
                made = true;
            }
        }
        if made {
            self.fresh_tree().await?;
        }
        Ok(())
    }

    /// The folder that is ours for that kind, made where it is missing.
    pub(crate) async fn ensure_folder(&self, kind: ItemKind) -> Result<String, Fault> {
        if let Some(id) = self.fresh_tree().await?.places.ours(kind) {
            return Ok(id.to_owned());
        }
        self.make_folder(kind).await?;
        let tree = self.fresh_tree().await?;
        tree.places.ours(kind).map(str::to_owned).ok_or_else(|| {
            Fault::new(
                FaultKind::Invalid,
                "a folder with the name of ours exists, and holds items of another kind",
            )
        })
    }

    async fn make_folder(&self, kind: ItemKind) -> Result<(), Fault> {
        let (parent, name) = match kind {
            ItemKind::Contact => ("contacts", FOLDER),
            ItemKind::Task => ("tasks", TASKS_FOLDER),
            ItemKind::Email => ("msgfolderroot", MAILS_FOLDER),
            // Events are in the calendar itself.
            ItemKind::Event => return Ok(()),
        };
        let request = folders::create(FolderRef::Distinguished(parent), name, class(kind));
        let made = self
            .client
            .call_one(folders::CREATE, Effect::Writes, request, folders::payload)
            .await;
        match made {
            Ok(_) => tracing::info!(?kind, "made our folder"),
            // Somebody else was faster: two sessions, or the user.
            Err(CallError::Response(error)) if error.code == "ErrorFolderExists" => {}
            // A mailbox without tasks has no place for them; the others go on.
            Err(CallError::Response(error)) if kind != ItemKind::Contact && error.is_missing_folder() => {}
            Err(error) => return Err(error.into_fault(folders::CREATE, true)),
        }
        Ok(())
    }

    /// Our categories in the mailbox's list, so that they have their colours. Items carry their names in any case: a list
    /// that cannot be read or written ends no session.
    pub(crate) async fn ensure_categories(&self) -> Result<(), Fault> {
        let found = self
            .client
            .call_one(
                configuration::GET,
                Effect::Reads,
                configuration::get(),
                configuration::payload,
            )
            .await;
        let (operation, document) = match found {
            Ok(list) if list.xml.is_empty() => (configuration::UPDATE, categories::fresh()),
            Ok(list) => match categories::with_ours(&list.xml) {
                Ok(None) => return Ok(()),
                Ok(Some(document)) => (configuration::UPDATE, document),
                Err(error) => {
                    tracing::warn!(%error, "the mailbox's list of categories is left as it is");
                    return Ok(());
                }
            },
            Err(CallError::Response(error)) if error.is_missing_item() => {
                (configuration::CREATE, categories::fresh())
            }
            Err(error) => return tolerate(error, configuration::GET, false),
        };
        let put = configuration::put(operation, &document);
        match self
            .client
            .call_one(operation, Effect::Writes, put, |_, _, (): &mut ()| Ok(()))
            .await
        {
            Ok(()) => Ok(()),
            Err(error) => tolerate(error, operation, true),
        }
    }
}

/// What concerns the list only is no fault of the session.
fn tolerate(error: CallError, operation: &str, write: bool) -> Result<(), Fault> {
    if let CallError::Response(response) = &error
        && matches!(
            response.kind(),
            FaultKind::Invalid | FaultKind::NotFound | FaultKind::Rejected | FaultKind::Conflict
        )
    {
        tracing::warn!(%error, operation, "the mailbox's list of categories is left as it is");
        return Ok(());
    }
    Err(error.into_fault(operation, write))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(id: &str, parent: &str, class: &str, name: &str) -> Folder {
        Folder {
            id: id.to_owned(),
            parent: parent.to_owned(),
            class: class.to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn ours_is_found_and_never_in_deleted_items() {
        let folders = vec![
            folder("c", "root", "IPF.Contact", "Contacts"),
            folder("d", "root", "IPF.Note", "Deleted Items"),
            folder("d1", "d", "IPF.Contact", FOLDER),
            folder("d2", "d1", "IPF.Contact", "below"),
            folder("n", "c", "IPF.Note", FOLDER),
            folder("x", "root", "IPF.Contact", "salesforce contacts"),
            folder("q", "c", "IPF.Contact.MOC.QuickContacts", "quick"),
            folder("loop1", "loop2", "IPF.Contact", "a"),
            folder("loop2", "loop1", "IPF.Contact", "b"),
        ];
        let places = || Places {
            contacts: "c".to_owned(),
            deleted: "d".to_owned(),
            inbox: "in".to_owned(),
            ..Places::default()
        };
        let tree = Tree::new(places(), "root", folders.clone());
        assert_eq!(tree.places.salesforce.as_deref(), Some("x"));
        assert!(
            tree.is_deleted("d")
                && tree.is_deleted("d1")
                && tree.is_deleted("d2")
                && !tree.is_deleted("loop1")
        );
        assert_eq!(tree.folders_of(ItemKind::Contact), ["c", "x", "loop1", "loop2"]);
        let (likely, others) = tree.likely_and_others(ItemKind::Contact);
        assert_eq!(likely, ["d", "c", "d1", "d2", "loop1", "loop2", "q", "x"]);
        assert_eq!(others, ["n"]);
        let mut both = folders;
        both.push(folder("s", "c", "IPF.Contact", FOLDER));
        assert_eq!(
            Tree::new(places(), "root", both).places.salesforce.as_deref(),
            Some("s")
        );
        assert_eq!(Tree::new(places(), "root", vec![]).places.salesforce, None);
    }

    #[test]
    fn chosen_folders_by_their_paths() {
        let folders = vec![
            folder("in", "root", "IPF.Note", "Posteingang"),
            folder("a", "in", "IPF.Note", "Acme"),
            folder("b", "a", "IPF.Note", "Ärger"),
            folder("d", "root", "IPF.Note", "Deleted Items"),
            folder("g", "d", "IPF.Note", "Gone"),
            folder("e", "root", "", MAILS_FOLDER),
            folder("k", "t", "IPF.Task", TASKS_FOLDER),
        ];
        let places = Places {
            deleted: "d".to_owned(),
            inbox: "in".to_owned(),
            tasks: "t".to_owned(),
            ..Places::default()
        };
        let tree = Tree::new(places, "root", folders);
        for path in ["Inbox/Acme", "posteingang/ACME", "/Inbox/ Acme /"] {
            assert_eq!(tree.at_path(path), Some("a"), "{path}");
        }
        assert_eq!(tree.at_path("Inbox/acme/ärger"), Some("b"));
        for nothing in ["", "/", "Inbox/None", "Acme", "Deleted Items/Gone", "Sent Items"] {
            assert_eq!(tree.at_path(nothing), None, "{nothing}");
        }
        assert_eq!(tree.places.salesforce_emails.as_deref(), Some("e"));
        assert_eq!(tree.places.salesforce_tasks.as_deref(), Some("k"));
    }
}
