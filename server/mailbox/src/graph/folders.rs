//! Where items lie in a mailbox, and making what is missing.
//! <https://learn.microsoft.com/graph/api/resources/mailfolder>

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Value, json};
use tandem_sync::{Fault, FaultKind};
use tandem_types::ItemKind;

use super::Graph;
use super::ask::{Ask, escaped, with_query};
use super::client::Part;
use super::error::{CallError, Problem};
use super::ground::{CALENDAR, CONTACTS, Ground};
use super::item::text;
use super::property::{self, ENTRY};
use crate::client::Effect;
use crate::ews::folders::{CONTACTS_CLASS, Folder, MAILS_CLASS, TASKS_CLASS};
use crate::folders::Tree;
use crate::map::{CATEGORY, FAILED, FOLDER, MAILS_FOLDER, TASKS_FOLDER, UNSYNC};
use crate::places::Places;

/// A mailbox with more folders than this is beyond what we look through.
const MOST_FOLDERS: usize = 20_000;
const MAIL_FOLDERS: &[(&str, &str)] = &[
    ("$top", "250"),
    ("$select", "id,displayName,parentFolderId,childFolderCount"),
];
const TOP: &[(&str, &str)] = &[("$top", "250")];

/// Our categories, with their colours: the numbers are those that Outlook has in its own list.
/// <https://learn.microsoft.com/graph/api/resources/outlookcategory>
const CATEGORIES: [(&str, &str); 3] = [
    (CATEGORY, "preset7"), // blue
    (FAILED, "preset0"),   // red
    (UNSYNC, "preset12"),  // grey
];

/// Folders whose own folders are still to be read.
struct Open {
    kind: ItemKind,
    ask: Ask,
}

impl Graph {
    /// What decides about scope: from the cursor, else from the server.
    pub(crate) async fn ground(&self) -> Result<Ground, Fault> {
        if let Some(ground) = self.with_known(|known| known.ground.clone()) {
            return Ok(ground);
        }
        self.fresh_tree().await?;
        self.with_known(|known| known.ground.clone())
            .ok_or_else(|| Fault::fatal("the folders were read, and are not known"))
    }

    /// All folders, as of the first time that this session asked.
    pub(crate) async fn tree(&self) -> Result<Arc<Tree>, Fault> {
        match self.with_known(|known| known.tree.clone()) {
            Some(tree) => Ok(tree),
            None => self.fresh_tree().await,
        }
    }

    /// All folders, now. Two requests, and one more for each twenty that hold folders.
    pub(crate) async fn fresh_tree(&self) -> Result<Arc<Tree>, Fault> {
        const NAME: &str = "reading the folders";
        let named = |name: &str| {
            Ask::get(with_query(
                &format!("/me/mailFolders/{name}"),
                &[("$select", "id")],
            ))
        };
        let entry = with_query(
            "/me/mailFolders/deleteditems",
            &[("$select", "id"), ("$expand", &property::expand(&[ENTRY]))],
        );
        let asks = [
            named("msgfolderroot"),
            named("inbox"),
            named("sentitems"),
            named("deleteditems"),
            Ask::get(entry),
            Ask::get(with_query("/me/mailFolders", MAIL_FOLDERS)),
            Ask::get(with_query("/me/contactFolders", TOP)),
            Ask::get(with_query("/me/todo/lists", TOP)),
        ];
        let parts = self
            .client
            .read_all(&asks)
            .await
            .map_err(|error| error.into_fault(NAME, false))?;
        let [root, inbox, sent, deleted, entry, mails, contacts, lists]: [Part; 8] = parts
            .try_into()
            .map_err(|_| Fault::fatal("a batch did not answer each part"))?;
        let must = |part: Part| part.map_err(|problem: Problem| problem.into_fault(NAME));
        let (root, deleted) = (must(root)?, must(deleted)?);
        let special = |part: Part| match part {
            Ok(folder) => Ok(text(&folder, "id").to_owned()),
            // A mailbox may lack one: it has no items of that kind then.
            Err(problem) if problem.is_missing() => Ok(String::new()),
            Err(problem) => Err(problem.into_fault(NAME)),
        };
        let mut places = Places {
            contacts: CONTACTS.to_owned(),
            deleted: text(&deleted, "id").to_owned(),
            calendar: CALENDAR.to_owned(),
            inbox: special(inbox)?,
            sent: special(sent)?,
            address: self.address.clone(),
            ..Places::default()
        };
        let mut all: Vec<Folder> = Vec::new();
        let mut open: Vec<Open> = Vec::new();
        self.take_folders(ItemKind::Email, &must(mails)?, &mut all, &mut open)?;
        self.take_folders(ItemKind::Contact, &must(contacts)?, &mut all, &mut open)?;
        match lists {
            Ok(lists) => self.take_folders(ItemKind::Task, &lists, &mut all, &mut open)?,
            // To Do may be switched off: the mailbox then has no tasks that Graph shows.
            Err(problem) if problem.is_missing() || problem.status == 403 => {
                tracing::info!(code = problem.shown(), "To Do shows no lists");
            }
            Err(problem) => return Err(problem.into_fault(NAME)),
        }
        while !open.is_empty() && all.len() < MOST_FOLDERS {
            let asks: Vec<Ask> = open.iter().map(|open| open.ask.clone()).collect();
            let parts = self
                .client
                .read_all(&asks)
                .await
                .map_err(|error| error.into_fault(NAME, false))?;
            for (from, part) in std::mem::take(&mut open).into_iter().zip(parts) {
                match part {
                    Ok(body) => self.take_folders(from.kind, &body, &mut all, &mut open)?,
                    // Taken away meanwhile.
                    Err(problem) if problem.is_missing() => {}
                    Err(problem) => return Err(problem.into_fault(NAME)),
                }
            }
        }
        if all.len() >= MOST_FOLDERS {
            return Err(Fault::fatal("the list of folders does not end"));
        }
        let mut seen = HashSet::new();
        all.retain(|folder| seen.insert(folder.id.clone()));
        if let Some(default) = all.iter().find(|folder| folder.class == DEFAULT_LIST) {
            places.tasks = default.id.clone();
        }
        for folder in &mut all {
            if folder.class == DEFAULT_LIST {
                TASKS_CLASS.clone_into(&mut folder.class);
            }
        }
        let mut tree = Tree::new(places, text(&root, "id"), all);
        tree.places.chosen = self.with_known(|known| tree.chosen(&known.paths));
        let tree = Arc::new(tree);
        let ground = Ground {
            places: tree.places.clone(),
            // A server that does not tell it shows no event that was deleted.
            deleted_entry: entry
                .ok()
                .and_then(|folder| property::value(&folder, ENTRY).map(str::to_owned))
                .unwrap_or_default(),
        };
        self.with_known(|known| {
            known.ground = Some(ground);
            known.tree = Some(Arc::clone(&tree));
        });
        Ok(tree)
    }

    /// A page of folders; what is left to be read is added to `open`.
    fn take_folders(
        &self,
        kind: ItemKind,
        body: &Value,
        all: &mut Vec<Folder>,
        open: &mut Vec<Open>,
    ) -> Result<(), Fault> {
        let page = self
            .client
            .page_of(body)
            .map_err(|error| error.into_fault("reading the folders", false))?;
        for folder in &page.items {
            let id = text(folder, "id");
            let class = match (kind, text(folder, "wellknownListName")) {
                (ItemKind::Contact, _) => CONTACTS_CLASS,
                (ItemKind::Task, "defaultList") => DEFAULT_LIST,
                // Flagged mail is not a task.
                (ItemKind::Task, "flaggedEmails") => continue,
                (ItemKind::Task, _) => TASKS_CLASS,
                _ => MAILS_CLASS,
            };
            let below = match kind {
                ItemKind::Email if folder["childFolderCount"].as_u64() != Some(0) => Some((
                    format!("/me/mailFolders/{}/childFolders", escaped(id)),
                    MAIL_FOLDERS,
                )),
                ItemKind::Contact => Some((format!("/me/contactFolders/{}/childFolders", escaped(id)), TOP)),
                _ => None,
            };
            open.extend(below.map(|(path, query)| Open {
                kind,
                ask: Ask::get(with_query(&path, query)),
            }));
            all.push(Folder {
                id: id.to_owned(),
                parent: text(folder, "parentFolderId").to_owned(),
                class: class.to_owned(),
                name: text(folder, "displayName").to_owned(),
            });
        }
        open.extend(page.next.map(|next| Open {
            kind,
            ask: Ask::get(next),
        }));
        Ok(())
    }

    /// Our folders, made where they are missing.
    pub(crate) async fn ensure_folders(&self) -> Result<(), Fault> {
        let tree = self.fresh_tree().await?;
        let mut made = false;
        for kind in [ItemKind::Contact, ItemKind::Task, ItemKind::Email] {
            if tree.places.ours(kind).is_none() && !tree.places.default_of(kind).is_empty() {
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
        tree.places
            .ours(kind)
            .map(str::to_owned)
            .ok_or_else(|| Fault::new(FaultKind::Invalid, "a folder of ours was made, and is not there"))
    }

    async fn make_folder(&self, kind: ItemKind) -> Result<(), Fault> {
        let (path, name) = match kind {
            ItemKind::Contact => ("/me/contactFolders", FOLDER),
            ItemKind::Task => ("/me/todo/lists", TASKS_FOLDER),
            ItemKind::Email => ("/me/mailFolders", MAILS_FOLDER),
            // Events are in the calendar itself.
            ItemKind::Event => return Ok(()),
        };
        let ask = Ask::post(path, json!({ "displayName": name }));
        match self.client.one(&ask, Effect::Writes).await {
            Ok(_) => tracing::info!(?kind, "made our folder"),
            // Somebody else was faster: two sessions, or the user.
            Err(CallError::Answered(problem)) if problem.status == 409 => {}
            Err(error) => return Err(error.into_fault("making a folder", true)),
        }
        Ok(())
    }

    /// Our categories in the mailbox's list, so that they have their colours. Items carry their names in any case: a list
    /// that cannot be read or written ends no session.
    pub(crate) async fn ensure_categories(&self) -> Result<(), Fault> {
        const PATH: &str = "/me/outlook/masterCategories";
        let found = self
            .client
            .page(&Ask::get(with_query(PATH, &[("$top", "250")])))
            .await;
        let names: HashSet<String> = match found {
            Ok(page) => page
                .items
                .iter()
                .map(|category| text(category, "displayName").to_lowercase())
                .collect(),
            Err(error) => return passed_over(error),
        };
        for (name, colour) in CATEGORIES {
            if names.contains(&name.to_lowercase()) {
                continue;
            }
            let ask = Ask::post(PATH, json!({ "displayName": name, "color": colour }));
            match self.client.one(&ask, Effect::Writes).await {
                Ok(_) => {}
                Err(CallError::Answered(problem)) if problem.status == 409 => {}
                Err(error) => return passed_over(error),
            }
        }
        Ok(())
    }
}

/// Marks the default list of tasks among the others.
const DEFAULT_LIST: &str = "IPF.Task.Default";

/// What means every call is told; of anything else the colours suffer, and nothing more.
fn passed_over(error: CallError) -> Result<(), Fault> {
    match error.kind() {
        FaultKind::SignInEnded | FaultKind::RateLimited { .. } | FaultKind::Transient { .. } => {
            Err(error.into_fault("our categories", true))
        }
        _ => {
            tracing::warn!(%error, "our categories have no colours");
            Ok(())
        }
    }
}
