//! What changed, what is there, what became of an item, and who is in the mailbox already.

use std::collections::{BTreeMap, HashMap, HashSet};

use tandem_sync::model::{
    Candidate, Change, Changes, Cursor, Fate, Field, FieldValue, ItemId, LinkKey, MatchKey, Snapshot,
};
use tandem_sync::{Fault, FaultKind};

use crate::client::{Effect, grave};
use crate::cursor::{Pull, State, Which};
use crate::error::CallError;
use crate::ews::find_item::{self, ItemPage, Wanted};
use crate::ews::get_item::{self, Item};
use crate::ews::notifications::{self, Events, Subscription};
use crate::ews::sync_items::{self, SyncPage};
use crate::mailbox::Ews;
use crate::map::Contact;

/// Items in one `GetItem`.
const GET_BATCH: usize = 250;
/// Items on one page of `FindItem`.
const FIND_PAGE: u32 = 500;
/// Folders in one `FindItem`.
const FIND_FOLDERS: usize = 40;
/// Alternatives in one restriction.
const FIND_WANTED: usize = 20;
/// With more keys than this, listing the mailbox costs less than asking for each.
const FEW_KEYS: usize = 60;
/// Pages of events in one session; with more, the folders are read anyway.
const EVENT_PAGES: usize = 20;
/// Rounds without asking for a subscription where the server gave none: a day of them.
const PAUSE: u16 = 48;

/// How often a folder is read again that did not show a change which an event had told of.
const AGAIN: u8 = 2;

/// What events told of a folder: for each, the ids of which one must be listed.
type Told = BTreeMap<Which, Vec<Vec<String>>>;

/// One item asked for by its id.
pub(crate) enum Got {
    Contact(Box<Contact>),
    /// The server says that there is none.
    Missing,
    /// It is there, and no contact.
    Other,
    /// It may be there: this one cannot be read.
    Unreadable,
}

/// What a search has brought, and where it could not look.
#[derive(Default)]
struct Search {
    found: Vec<(String, Contact)>,
    failed: usize,
}

impl Ews {
    pub(crate) async fn read_changes(&self, since: Option<&Cursor>) -> Result<Changes, Fault> {
        let mut told = Told::new();
        let mut state = match since {
            None => {
                let tree = self.fresh_tree().await?;
                let mut state = State::new(&tree.places);
                // Before the first listing, so that nothing falls between the two.
                self.subscribe(&mut state).await?;
                state
            }
            Some(cursor) => {
                let mut state = State::parse(cursor)?;
                self.with_known(|known| {
                    if known.places.is_none() {
                        known.places = Some(state.places());
                    }
                });
                if state.todo.is_empty() {
                    state.full = false;
                    match self.begin_round(&mut state).await {
                        Ok(ids) => told = ids,
                        Err(fault) => {
                            if fault.kind == FaultKind::CursorExpired {
                                self.forget(cursor).await;
                            }
                            return Err(fault);
                        }
                    }
                }
                state
            }
        };
        let full = state.full;
        let items = match self.read_page(&mut state, &told).await {
            Ok(items) => items,
            Err(fault) => {
                if let (FaultKind::CursorExpired, Some(cursor)) = (fault.kind, since) {
                    self.forget(cursor).await;
                }
                return Err(fault);
            }
        };
        let more = !state.todo.is_empty();
        Ok(Changes {
            items,
            cursor: state.cursor()?,
            more,
            full,
        })
    }

    /// The cursor is of no use any more: its subscription is not left to stand for a day. Best effort.
    async fn forget(&self, cursor: &Cursor) {
        if let Err(fault) = self.unsubscribe(cursor).await {
            tracing::debug!(%fault, "the subscription was not ended");
        }
    }

    /// Finds out which folders moved: one request where nothing did.
    async fn begin_round(&self, state: &mut State) -> Result<Told, Fault> {
        if state.salesforce.is_none() {
            return Err(Fault::new(
                FaultKind::CursorExpired,
                "the folder for contacts did not exist before",
            ));
        }
        let Some(pull) = state.pull.clone() else {
            if state.pause == 0 {
                self.subscribe(state).await?;
            } else {
                state.pause -= 1;
            }
            state.todo = state.all();
            return Ok(Told::new());
        };
        let Some((pull, mut events)) = self.events(pull).await? else {
            // The subscription is lost. Both folders are read; the next round asks for a new one.
            state.pull = None;
            state.todo = state.all();
            return Ok(Told::new());
        };
        state.pull = Some(pull);
        let ours = state
            .salesforce
            .as_ref()
            .map(|f| f.id.clone())
            .unwrap_or_default();
        if events.structure.contains(&ours) {
            let tree = self.fresh_tree().await?;
            if tree.places.salesforce.as_ref() != Some(&ours) {
                let text = "the folder for contacts was taken away";
                return Err(Fault::new(FaultKind::CursorExpired, text));
            }
        }
        let told: Told = [
            (Which::Contacts, state.contacts.id.clone()),
            (Which::Salesforce, ours),
        ]
        .into_iter()
        .filter_map(|(which, id)| Some((which, events.folders.remove(&id)?)))
        .collect();
        state.todo = if events.more {
            state.all()
        } else {
            told.keys().chain(state.again.keys()).copied().collect()
        };
        Ok(told)
    }

    /// Everything that the subscription has seen; `None`: it is lost.
    async fn events(&self, mut pull: Pull) -> Result<Option<(Pull, Events)>, Fault> {
        let mut all = Events::default();
        for _ in 0..EVENT_PAGES {
            let request = notifications::get_events(&pull.id, &pull.watermark);
            let page: Result<Events, CallError> = self
                .client
                .call_one(
                    notifications::GET_EVENTS,
                    Effect::Reads,
                    request,
                    notifications::events_payload,
                )
                .await;
            let mut page = match page {
                Ok(page) => page,
                Err(CallError::Response(error)) if is_lost(&error.code) => return Ok(None),
                Err(error) => return Err(error.into_fault(notifications::GET_EVENTS, false)),
            };
            for (folder, ids) in std::mem::take(&mut page.folders) {
                all.folders.entry(folder).or_default().extend(ids);
            }
            all.structure.append(&mut page.structure);
            let moved = !page.watermark.is_empty() && page.watermark != pull.watermark;
            if moved {
                pull.watermark = page.watermark;
            }
            all.more = page.more;
            if !page.more || !moved {
                return Ok(Some((pull, all)));
            }
        }
        // So many that it is cheaper to read the folders than to go on: a fresh subscription, later.
        Ok(None)
    }

    async fn subscribe(&self, state: &mut State) -> Result<(), Fault> {
        let request = notifications::subscribe(&state.ids());
        let made: Result<Subscription, CallError> = self
            .client
            .call_one(
                notifications::SUBSCRIBE,
                Effect::Reads,
                request,
                notifications::subscribe_payload,
            )
            .await;
        state.pull = match made {
            Ok(made) if !made.id.is_empty() && !made.watermark.is_empty() => Some(Pull {
                id: made.id,
                watermark: made.watermark,
            }),
            Ok(_) => None,
            // The folder is gone, which reading it will tell; or this server makes no subscriptions for us.
            Err(CallError::Response(error))
                if matches!(
                    error.kind(),
                    FaultKind::Invalid | FaultKind::NotFound | FaultKind::Rejected
                ) =>
            {
                tracing::info!(
                    code = crate::error::shown(&error.code),
                    "the server gives no subscription"
                );
                None
            }
            Err(error) => return Err(error.into_fault(notifications::SUBSCRIBE, false)),
        };
        state.pause = if state.pull.is_some() { 0 } else { PAUSE };
        Ok(())
    }

    /// The next page of what is to do.
    async fn read_page(&self, state: &mut State, told: &Told) -> Result<Vec<Change>, Fault> {
        let mut items = Vec::new();
        let mut changed: Vec<String> = Vec::new();
        let mut seen = HashSet::new();
        for which in state.todo.clone() {
            let Some(folder) = state.folder(which) else {
                state.todo.remove(&which);
                continue;
            };
            let request = sync_items::request(&folder.id, folder.state.as_deref());
            let page: SyncPage = self
                .client
                .call_one(sync_items::NAME, Effect::Reads, request, sync_items::payload)
                .await
                .map_err(|error| match error {
                    CallError::Response(error) if error.is_missing_folder() || error.is_missing_item() => {
                        Fault::new(FaultKind::CursorExpired, "a folder that was read before is gone")
                    }
                    error => error.into_fault(sync_items::NAME, false),
                })?;
            if page.state.is_empty() {
                return Err(Fault::fatal("SyncFolderItems gave no state"));
            }
            let stuck = !page.last && folder.state.as_ref() == Some(&page.state);
            if stuck {
                return Err(Fault::fatal("SyncFolderItems does not move on"));
            }
            folder.state = Some(page.state.clone());
            if page.last {
                state.todo.remove(&which);
                expect(&mut state.again, which, &page, told.get(&which));
            }
            // An item that went and came back within the page is read below: the last one wins.
            items.extend(page.deleted.into_iter().map(|id| Change::Absent(ItemId(id))));
            changed.extend(page.changed.into_iter().filter(|id| seen.insert(id.clone())));
            if !page.last {
                break;
            }
        }
        if changed.is_empty() {
            return Ok(items);
        }
        let places = self.places().await?;
        let got = self.get(&changed).await?;
        for (id, got) in changed.into_iter().zip(got) {
            match got {
                Got::Contact(contact) if contact.folder == places.deleted => {
                    items.push(Change::Absent(ItemId(id)));
                }
                Got::Contact(contact) => items.push(Change::Present(Box::new(contact.snapshot(&places)))),
                Got::Missing => items.push(Change::Absent(ItemId(id))),
                Got::Other => {}
                Got::Unreadable => tracing::warn!("a contact cannot be read, and is passed over"),
            }
        }
        Ok(items)
    }

    /// The items by their ids, in that order.
    pub(crate) async fn get(&self, ids: &[String]) -> Result<Vec<Got>, Fault> {
        let mut all = Vec::with_capacity(ids.len());
        let mut waiting: Vec<&[String]> = ids.chunks(GET_BATCH).rev().collect();
        while let Some(batch) = waiting.pop() {
            let refs: Vec<&str> = batch.iter().map(String::as_str).collect();
            let request = get_item::request(&refs);
            let answer: Result<Vec<_>, CallError> = self
                .client
                .call(get_item::NAME, Effect::Reads, request, get_item::payload)
                .await;
            let messages: Vec<Result<Item, _>> = match answer {
                Ok(messages) => messages,
                // A few enormous contacts: fewer at a time.
                Err(error) if error.too_large() && batch.len() > 1 => {
                    let (left, right) = batch.split_at(batch.len() / 2);
                    waiting.push(right);
                    waiting.push(left);
                    continue;
                }
                Err(error) if error.too_large() => {
                    tracing::warn!(%error, "a contact is too large to be read");
                    all.push(Got::Unreadable);
                    continue;
                }
                Err(error) => return Err(error.into_fault(get_item::NAME, false)),
            };
            if messages.len() != batch.len() {
                return Err(Fault::fatal("GetItem did not answer each item"));
            }
            grave(get_item::NAME, &messages)?;
            all.extend(messages.into_iter().map(|message| match message {
                Ok(Item::Contact(contact)) => Got::Contact(contact),
                Ok(Item::Other) => Got::Other,
                Ok(Item::Nothing) => Got::Missing,
                Err(error) if error.is_missing_item() => Got::Missing,
                Err(error) => {
                    tracing::debug!(code = crate::error::shown(&error.code), "an item cannot be read");
                    Got::Unreadable
                }
            }));
        }
        Ok(all)
    }

    pub(crate) async fn read_items(&self, ids: &[ItemId]) -> Result<Vec<Option<Snapshot>>, Fault> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let places = self.places().await?;
        let ids: Vec<String> = ids.iter().map(|id| id.0.clone()).collect();
        let got = self.get(&ids).await?;
        Ok(got
            .into_iter()
            .map(|got| match got {
                Got::Contact(contact) if contact.folder != places.deleted => Some(contact.snapshot(&places)),
                _ => None,
            })
            .collect())
    }

    pub(crate) async fn find_fates(&self, asked: &[(ItemId, LinkKey)]) -> Result<Vec<Fate>, Fault> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let tree = self.tree().await?;
        let ids: Vec<String> = asked.iter().map(|(id, _)| id.0.clone()).collect();
        let mut fates: Vec<Option<Fate>> = Vec::with_capacity(asked.len());
        for got in self.get(&ids).await? {
            fates.push(match got {
                Got::Contact(contact) if tree.is_deleted(&contact.folder) => Some(deleted()),
                Got::Contact(contact) => Some(Fate::Here(Box::new(contact.snapshot(&tree.places)))),
                Got::Missing => None,
                Got::Other | Got::Unreadable => Some(Fate::Unproved),
            });
        }
        let (likely, others) = tree.likely_and_others();
        let mut failed = 0;
        for folders in [likely, others] {
            let open: Vec<&str> = asked
                .iter()
                .zip(&fates)
                .filter(|((_, key), fate)| fate.is_none() && !key.0.is_empty())
                .map(|((_, key), _)| key.0.as_str())
                .collect();
            if open.is_empty() || folders.is_empty() {
                continue;
            }
            let search = self
                .search(
                    &folders,
                    &open.iter().map(|key| Wanted::Key(key)).collect::<Vec<_>>(),
                )
                .await?;
            failed += search.failed;
            let alive: Vec<String> = search
                .found
                .iter()
                .filter(|(folder, _)| !tree.is_deleted(folder))
                .map(|(_, contact)| contact.id.clone())
                .collect();
            let mut by_key: HashMap<String, Fate> = search
                .found
                .iter()
                .filter(|(folder, _)| tree.is_deleted(folder))
                .filter_map(|(_, contact)| Some((contact.key.clone()?, deleted())))
                .collect();
            for got in self.get(&alive).await? {
                // A copy that is alive outweighs one that is deleted.
                if let Got::Contact(contact) = got
                    && let Some(key) = contact.key.clone()
                {
                    by_key.insert(key, Fate::Here(Box::new(contact.snapshot(&tree.places))));
                }
            }
            for ((_, key), fate) in asked.iter().zip(&mut fates) {
                if fate.is_none() {
                    *fate = by_key.get(&key.0).cloned();
                }
            }
        }
        Ok(asked
            .iter()
            .zip(fates)
            .map(|((_, key), fate)| {
                // Gone by its id and by its key, everywhere: that is the proof.
                let proved = failed == 0 && !key.0.is_empty();
                fate.unwrap_or_else(|| if proved { deleted() } else { Fate::Unproved })
            })
            .collect())
    }

    pub(crate) async fn find_created(&self, keys: &[LinkKey]) -> Result<Vec<Snapshot>, Fault> {
        let wanted: Vec<Wanted<'_>> = keys.iter().map(|key| Wanted::Key(&key.0)).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let places = self.places().await?;
        let folders: Vec<&str> = [
            places.salesforce.as_deref(),
            Some(&places.contacts),
            Some(&places.deleted),
        ]
        .into_iter()
        .flatten()
        .collect();
        let search = self.search(&folders, &wanted).await?;
        if search.failed > 0 {
            return Err(Fault::transient(
                "not every folder could be searched for what was made before",
            ));
        }
        let ids: Vec<String> = search.found.into_iter().map(|(_, contact)| contact.id).collect();
        Ok(self
            .contacts(&ids)
            .await?
            .iter()
            .map(|contact| contact.snapshot(&places))
            .collect())
    }

    pub(crate) async fn find_candidates(&self, keys: &[MatchKey]) -> Result<Vec<Vec<Candidate>>, Fault> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let tree = self.tree().await?;
        let folders = tree.contact_folders();
        let wanted: Vec<Wanted<'_>> = keys.iter().filter_map(wanted).collect();
        let hits: Vec<String> = if wanted.is_empty() {
            Vec::new()
        } else if wanted.len() <= FEW_KEYS {
            ids(self.search(&folders, &wanted).await?.found)
        } else {
            let all = self.search(&folders, &[]).await?.found;
            let index = Index::new(all.iter().map(|(_, contact)| contact));
            let mut hits: Vec<&str> = keys.iter().flat_map(|key| index.matching(key)).collect();
            hits.sort_unstable();
            hits.dedup();
            hits.into_iter().map(str::to_owned).collect()
        };
        // Compared once more here, with the values that will be shown: a server may find more than we mean.
        let contacts = self.contacts(&hits).await?;
        let by_id: HashMap<&str, &Contact> = contacts.iter().map(|c| (c.id.as_str(), c)).collect();
        let index = Index::new(contacts.iter());
        let same = |id: &str| Candidate::Same(Box::new(by_id[id].snapshot(&tree.places)));
        Ok(keys
            .iter()
            .map(|key| index.matching(key).into_iter().map(same).collect())
            .collect())
    }

    /// Contacts by id, without those that are gone meanwhile or cannot be read.
    async fn contacts(&self, ids: &[String]) -> Result<Vec<Contact>, Fault> {
        let mut seen = HashSet::new();
        let once: Vec<String> = ids
            .iter()
            .filter(|id| seen.insert(id.as_str()))
            .cloned()
            .collect();
        let got = self.get(&once).await?;
        Ok(got
            .into_iter()
            .filter_map(|got| match got {
                Got::Contact(contact) => Some(*contact),
                _ => None,
            })
            .collect())
    }

    /// What matches any of `wanted` in `folders` (everything, if there is nothing in it), with the folder of each.
    async fn search(&self, folders: &[&str], wanted: &[Wanted<'_>]) -> Result<Search, Fault> {
        let mut search = Search::default();
        let lots: Vec<&[Wanted<'_>]> = if wanted.is_empty() {
            vec![&[]]
        } else {
            wanted.chunks(FIND_WANTED).collect()
        };
        for folders in folders.chunks(FIND_FOLDERS) {
            for wanted in &lots {
                let mut open = self.search_page(folders, wanted, 0, &mut search).await?;
                while let Some((folder, offset)) = open.pop() {
                    open.extend(self.search_page(&[folder], wanted, offset, &mut search).await?);
                }
            }
        }
        Ok(search)
    }

    /// One page of each folder; returns those that have more, and where that begins.
    async fn search_page<'f>(
        &self,
        folders: &[&'f str],
        wanted: &[Wanted<'_>],
        offset: u32,
        search: &mut Search,
    ) -> Result<Vec<(&'f str, u32)>, Fault> {
        let request = find_item::request(folders, wanted, offset, FIND_PAGE);
        let messages: Vec<Result<ItemPage, _>> = match self
            .client
            .call(find_item::NAME, Effect::Reads, request, find_item::payload)
            .await
        {
            Ok(messages) => messages,
            Err(error) => return Err(error.into_fault(find_item::NAME, false)),
        };
        if messages.len() != folders.len() {
            return Err(Fault::fatal("FindItem did not answer for each folder"));
        }
        grave(find_item::NAME, &messages)?;
        let mut open = Vec::new();
        for (folder, message) in folders.iter().zip(messages) {
            match message {
                Ok(page) => {
                    search
                        .found
                        .extend(page.contacts.into_iter().map(|c| ((*folder).to_owned(), c)));
                    match page.next {
                        Some(next) if next > offset => open.push((*folder, next)),
                        Some(_) => return Err(Fault::fatal("FindItem does not move on")),
                        None => {}
                    }
                }
                Err(error) => {
                    tracing::debug!(
                        code = crate::error::shown(&error.code),
                        "a folder cannot be searched"
                    );
                    search.failed += 1;
                }
            }
        }
        Ok(open)
    }
}

/// A change may be listed later than an event tells of it: the folder is then read again in the next rounds.
fn expect(again: &mut BTreeMap<Which, u8>, which: Which, page: &SyncPage, told: Option<&Vec<Vec<String>>>) {
    let listed: HashSet<&String> = page
        .changed
        .iter()
        .chain(&page.deleted)
        .chain(&page.others)
        .collect();
    let missing =
        told.is_some_and(|events| events.iter().any(|ids| !ids.iter().any(|id| listed.contains(id))));
    let left = match again.get(&which) {
        _ if missing => AGAIN,
        Some(left) if listed.is_empty() => left - 1,
        _ => 0,
    };
    if left == 0 {
        again.remove(&which);
    } else {
        again.insert(which, left);
    }
}

/// The subscription or its watermark is not known to the server any more, or cannot be used here.
fn is_lost(code: &str) -> bool {
    matches!(
        code,
        "ErrorSubscriptionNotFound"
            | "ErrorInvalidSubscription"
            | "ErrorExpiredSubscription"
            | "ErrorSubscriptionUnsubscribed"
            | "ErrorSubscriptionAccessDenied"
            | "ErrorSubscriptionDelegateAccessNotSupported"
            | "ErrorInvalidWatermark"
            | "ErrorInvalidPullSubscriptionId"
            | "ErrorReadEventsFailed"
            | "ErrorMissedNotificationEvents"
            | "ErrorEventNotFound"
            | "ErrorNewEventStreamConnectionOpened"
    )
}

fn deleted() -> Fate {
    Fate::Deleted { merged_into: None }
}

fn ids(found: Vec<(String, Contact)>) -> Vec<String> {
    found.into_iter().map(|(_, contact)| contact.id).collect()
}

fn wanted(key: &MatchKey) -> Option<Wanted<'_>> {
    match key {
        MatchKey::Email(address) => {
            Some(Wanted::Email(address.trim())).filter(|_| !address.trim().is_empty())
        }
        MatchKey::Name { given, surname } => {
            let (given, surname) = (given.trim(), surname.trim());
            (!given.is_empty() || !surname.is_empty()).then_some(Wanted::Name { given, surname })
        }
    }
}

/// Contacts by what they are matched with, whatever the case.
struct Index<'a> {
    emails: BTreeMap<String, Vec<&'a str>>,
    names: BTreeMap<(String, String), Vec<&'a str>>,
}

impl<'a> Index<'a> {
    fn new(contacts: impl Iterator<Item = &'a Contact>) -> Self {
        let mut index = Self {
            emails: BTreeMap::new(),
            names: BTreeMap::new(),
        };
        for contact in contacts {
            for email in &contact.emails {
                if let FieldValue::Known(address) = email.value() {
                    let ids = index.emails.entry(folded(&address)).or_default();
                    if !ids.contains(&contact.id.as_str()) {
                        ids.push(&contact.id);
                    }
                }
            }
            let name = (
                folded(contact.text(Field::GivenName)),
                folded(contact.text(Field::Surname)),
            );
            index.names.entry(name).or_default().push(&contact.id);
        }
        index
    }

    fn matching(&self, key: &MatchKey) -> Vec<&'a str> {
        if wanted(key).is_none() {
            return Vec::new();
        }
        let found = match key {
            MatchKey::Email(address) => self.emails.get(&folded(address)),
            MatchKey::Name { given, surname } => self.names.get(&(folded(given), folded(surname))),
        };
        found.cloned().unwrap_or_default()
    }
}

fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use tandem_sync::model::Scope;

    use super::*;
    use crate::map::{Email, Places};

    fn contact(id: &str, given: &str, surname: &str, emails: &[&str]) -> Contact {
        let email = |text: &&str| Email {
            index: "EmailAddress2".to_owned(),
            text: (*text).to_owned(),
            ..Email::default()
        };
        Contact {
            id: id.to_owned(),
            texts: vec![
                (Field::GivenName, given.to_owned()),
                (Field::Surname, surname.to_owned()),
            ],
            emails: emails.iter().map(email).collect(),
            ..Contact::default()
        }
    }

    #[test]
    fn matching_does_not_see_case_and_never_matches_nothing() {
        let all = [
            contact("1", "Zoë", "ÅNGSTRÖM", &["Zoe@X.example", "zoe@x.example"]),
            contact("2", "", "", &[""]),
            contact("3", "zoë ", "ångström", &[]),
        ];
        let index = Index::new(all.iter());
        assert_eq!(
            index.matching(&MatchKey::Email(" ZOE@x.EXAMPLE".to_owned())),
            ["1"]
        );
        let name = |given: &str, surname: &str| MatchKey::Name {
            given: given.to_owned(),
            surname: surname.to_owned(),
        };
        assert_eq!(index.matching(&name("ZOË", "Ångström")), ["1", "3"]);
        assert!(index.matching(&name("", " ")).is_empty());
        assert!(index.matching(&name("", "Ångström")).is_empty());
        assert!(index.matching(&MatchKey::Email(" ".to_owned())).is_empty());
    }

    #[test]
    fn a_change_that_is_listed_late_is_waited_for() {
        let page = |ids: &[&str]| SyncPage {
            deleted: ids.iter().map(|id| (*id).to_owned()).collect(),
            ..SyncPage::default()
        };
        let told = vec![vec!["new".to_owned(), "old".to_owned()], vec!["b".to_owned()]];
        let mut again = BTreeMap::new();
        expect(&mut again, Which::Contacts, &page(&["old", "b"]), Some(&told));
        assert!(again.is_empty());
        expect(&mut again, Which::Contacts, &page(&["old"]), Some(&told));
        assert_eq!(again[&Which::Contacts], AGAIN);
        expect(&mut again, Which::Contacts, &page(&[]), None);
        assert_eq!(again[&Which::Contacts], AGAIN - 1);
        expect(&mut again, Which::Contacts, &page(&["b"]), None);
        assert!(again.is_empty());
        expect(&mut again, Which::Contacts, &page(&[]), Some(&told));
        for _ in 0..AGAIN {
            assert!(again.contains_key(&Which::Contacts));
            expect(&mut again, Which::Contacts, &page(&[]), None);
        }
        assert!(again.is_empty(), "it is not waited for for ever");
    }

    #[test]
    fn contacts_in_other_places() {
        let places = Places {
            contacts: "c".to_owned(),
            deleted: "d".to_owned(),
            salesforce: Some("s".to_owned()),
        };
        let scope = |folder: &str, category: &str, sensitivity: &str| {
            let contact = Contact {
                folder: folder.to_owned(),
                categories: vec![category.to_owned()],
                sensitivity: sensitivity.to_owned(),
                ..Contact::default()
            };
            contact.snapshot(&places).scope
        };
        assert_eq!(scope("s", "", "Normal"), Scope::In);
        assert_eq!(scope("c", "", ""), Scope::Out);
        assert_eq!(scope("x", "salesforce", "Personal"), Scope::In);
        assert_eq!(scope("d", "Salesforce", ""), Scope::Out);
        assert_eq!(scope("s", "Salesforce", "Private"), Scope::Private);
        assert_eq!(scope("c", "", "Confidential"), Scope::Private);
    }
}
