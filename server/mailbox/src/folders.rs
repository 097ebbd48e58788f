//! Where contacts lie in a mailbox, and making what is missing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tandem_sync::{Fault, FaultKind};

use crate::categories;
use crate::client::Effect;
use crate::error::CallError;
use crate::ews::folders::{CONTACTS_CLASS, Folder, FolderPage};
use crate::ews::{FolderRef, configuration, folders};
use crate::mailbox::Ews;
use crate::map::{FOLDER, Places};
use crate::xml::XmlError;

const PAGE: u32 = 500;
/// A mailbox with more folders than this is beyond what we look through.
const MOST_FOLDERS: usize = 20_000;

/// Every folder of a mailbox, and the special ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    pub(crate) places: Places,
    pub(crate) folders: Vec<Folder>,
    /// Deleted Items and what lies below it.
    deleted: HashSet<String>,
}

impl Tree {
    pub(crate) fn new(contacts: &str, deleted_items: &str, folders: Vec<Folder>) -> Self {
        let parents: HashMap<&str, &str> = folders
            .iter()
            .map(|f| (f.id.as_str(), f.parent.as_str()))
            .collect();
        let is_deleted = |id: &str| {
            let mut at = id;
            // A tree is not deeper than it has folders: a circle ends too.
            for _ in 0..=parents.len() {
                if at == deleted_items {
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
        deleted.insert(deleted_items.to_owned());
        let ours = |f: &&Folder| {
            f.name.eq_ignore_ascii_case(FOLDER)
                && f.class.starts_with(CONTACTS_CLASS)
                && !deleted.contains(&f.id)
        };
        let salesforce = folders
            .iter()
            .filter(ours)
            // Where it was made, else where a user has moved it.
            .max_by_key(|f| f.parent == contacts)
            .map(|f| f.id.clone());
        Self {
            places: Places {
                contacts: contacts.to_owned(),
                deleted: deleted_items.to_owned(),
                salesforce,
            },
            folders,
            deleted,
        }
    }

    pub(crate) fn is_deleted(&self, folder: &str) -> bool {
        self.deleted.contains(folder)
    }

    /// Folders of people's contacts, none of them deleted.
    pub(crate) fn contact_folders(&self) -> Vec<&str> {
        let mut ids = vec![self.places.contacts.as_str()];
        for folder in &self.folders {
            // Longer classes are folders that Exchange keeps for itself: recipient caches, quick contacts.
            if folder.class == CONTACTS_CLASS
                && !self.is_deleted(&folder.id)
                && folder.id != self.places.contacts
            {
                ids.push(&folder.id);
            }
        }
        ids
    }

    /// All folders in two lots: those that may well hold a contact that somebody filed or deleted, and the others.
    pub(crate) fn likely_and_others(&self) -> (Vec<&str>, Vec<&str>) {
        let mut ids: Vec<&Folder> = self.folders.iter().collect();
        ids.sort_by_key(|f| f.id.clone());
        let (mut likely, others): (Vec<_>, Vec<_>) = ids
            .into_iter()
            .partition(|f| f.class.starts_with(CONTACTS_CLASS) || self.is_deleted(&f.id));
        likely.retain(|f| f.id != self.places.contacts && f.id != self.places.deleted);
        let mut first = vec![self.places.deleted.as_str(), self.places.contacts.as_str()];
        first.extend(likely.into_iter().map(|f| f.id.as_str()));
        (first, others.into_iter().map(|f| f.id.as_str()).collect())
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
            FolderRef::Distinguished("contacts"),
            FolderRef::Distinguished("deleteditems"),
        ];
        let found = self
            .client
            .call(
                folders::GET,
                Effect::Reads,
                folders::get(&special),
                folders::payload,
            )
            .await
            .map_err(|error| error.into_fault(folders::GET, false))?;
        let mut ids = Vec::new();
        for message in found {
            let folder = message.map_err(|error| error.into_fault(folders::GET))?;
            ids.extend(folder.into_iter().map(|f| f.id));
        }
        let [contacts, deleted] = ids.as_slice() else {
            return Err(
                CallError::from(XmlError::Unexpected("not one folder for each asked"))
                    .into_fault(folders::GET, false),
            );
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
        let tree = Arc::new(Tree::new(contacts, deleted, all));
        self.with_known(|known| {
            known.places = Some(tree.places.clone());
            known.tree = Some(Arc::clone(&tree));
        });
        Ok(tree)
    }

    /// *Salesforce Contacts*, made where it is missing.
    pub(crate) async fn ensure_folder(&self) -> Result<String, Fault> {
        if let Some(id) = self.fresh_tree().await?.places.salesforce.clone() {
            return Ok(id);
        }
        let request = folders::create(FolderRef::Distinguished("contacts"), FOLDER);
        let made = self
            .client
            .call_one(folders::CREATE, Effect::Writes, request, folders::payload)
            .await;
        match made {
            Ok(_) => tracing::info!("made the folder for contacts"),
            // Somebody else was faster: two sessions, or the user.
            Err(CallError::Response(error)) if error.code == "ErrorFolderExists" => {}
            Err(error) => return Err(error.into_fault(folders::CREATE, true)),
        }
        let tree = self.fresh_tree().await?;
        tree.places.salesforce.clone().ok_or_else(|| {
            Fault::new(
                FaultKind::Invalid,
                "a folder with the name of ours exists, and holds no contacts",
            )
        })
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
        let tree = Tree::new("c", "d", folders.clone());
        assert_eq!(tree.places.salesforce.as_deref(), Some("x"));
        assert!(
            tree.is_deleted("d")
                && tree.is_deleted("d1")
                && tree.is_deleted("d2")
                && !tree.is_deleted("loop1")
        );
        assert_eq!(tree.contact_folders(), ["c", "x", "loop1", "loop2"]);
        let (likely, others) = tree.likely_and_others();
        assert_eq!(likely, ["d", "c", "d1", "d2", "loop1", "loop2", "q", "x"]);
        assert_eq!(others, ["n"]);
        let mut both = folders;
        both.push(folder("s", "c", "IPF.Contact", FOLDER));
        assert_eq!(Tree::new("c", "d", both).places.salesforce.as_deref(), Some("s"));
        assert_eq!(Tree::new("c", "d", vec![]).places.salesforce, None);
    }
}
