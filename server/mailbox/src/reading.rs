//! What is there, and what became of an item.

use std::collections::{BTreeSet, HashMap, HashSet};

use tandem_sync::Fault;
use tandem_sync::model::{Fate, ItemId, LinkKey, MatchKey, MeetingId, Refusal, Snapshot, Trace};
use tandem_types::{IssueCode, ItemKind};

use crate::candidates;
use crate::client::{Effect, grave};
use crate::error::{CallError, ResponseError, shown};
use crate::ews::find_item::{self, ItemPage, Wanted};
use crate::ews::get_item::{self, Item, Shape};
use crate::held::Held;
use crate::mailbox::Ews;
use crate::writing::SENT_AT_ONCE;

/// Items in one `GetItem`.
const GET_BATCH: usize = 3 * SENT_AT_ONCE;
/// Items on one page of `FindItem`.
const FIND_PAGE: u32 = 500;
/// Folders in one `FindItem`.
const FIND_FOLDERS: usize = 40;
/// Alternatives in one restriction.
const FIND_WANTED: usize = 20;
/// Kinds of items that one session remembers.
pub(crate) const MOST_REMEMBERED: usize = 50_000;

/// One item asked for by its id.
pub(crate) enum Got {
    Item(Held),
    /// The server says that there is none.
    Missing,
    /// It is there, and of no kind that is synced.
    Other,
    /// It may be there: this one cannot be read.
    Unreadable(Refusal),
}

impl Got {
    /// There, and not shown.
    fn is_hidden(&self) -> bool {
        matches!(self, Self::Unreadable(_))
    }

    pub(crate) fn held(self) -> Option<Held> {
        match self {
            Self::Item(held) => Some(held),
            _ => None,
        }
    }
}

/// What a search has brought, and where it could not look.
#[derive(Default)]
pub(crate) struct Search {
    /// With the folder of each.
    pub(crate) found: Vec<(String, Held)>,
    pub(crate) failed: usize,
}

impl Search {
    pub(crate) fn ids(&self) -> Vec<String> {
        self.found.iter().map(|(_, held)| held.id().to_owned()).collect()
    }
}

impl Ews {
    /// Items by their ids, in that order.
    pub(crate) async fn get(&self, ids: &[String], shape: Shape) -> Result<Vec<Got>, Fault> {
        let mut all = Vec::with_capacity(ids.len());
        let mut waiting: Vec<&[String]> = ids.chunks(GET_BATCH).rev().collect();
        while let Some(batch) = waiting.pop() {
            let refs: Vec<&str> = batch.iter().map(String::as_str).collect();
            let request = get_item::request(&refs, shape);
            let answer: Result<Vec<_>, CallError> = self
                .client
                .call(get_item::NAME, Effect::Reads, request, get_item::payload)
                .await;
            let messages: Vec<Result<Item, _>> = match answer {
                Ok(messages) => messages,
                // A few enormous items: fewer at a time.
                Err(error) if error.too_large() && batch.len() > 1 => {
                    let (left, right) = batch.split_at(batch.len() / 2);
                    waiting.push(right);
                    waiting.push(left);
                    continue;
                }
                Err(error) if error.too_large() => {
                    tracing::warn!(%error, "an item is too large to be read");
                    all.push(Got::Unreadable(Refusal {
                        code: IssueCode::TooLarge,
                        message: "The item is too large to be read.".to_owned(),
                        fields: vec![],
                        retry: false,
                    }));
                    continue;
                }
                Err(error) => return Err(error.into_fault(get_item::NAME, false)),
            };
            if messages.len() != batch.len() {
                return Err(Fault::fatal("GetItem did not answer each item"));
            }
            grave(get_item::NAME, &messages)?;
            all.extend(messages.into_iter().map(got));
        }
        self.remember(&all);
        Ok(all)
    }

    /// What kinds items are, so that they can be asked for as such.
    fn remember(&self, all: &[Got]) {
        self.with_known(|known| {
            for got in all {
                if let Got::Item(held) = got
                    && known.kinds.len() < MOST_REMEMBERED
                {
                    known.kinds.insert(held.id().to_owned(), held.kind());
                }
            }
        });
    }

    /// Items of any kind by their ids, in that order.
    pub(crate) async fn get_any(&self, ids: &[String]) -> Result<Vec<Got>, Fault> {
        let kinds: Vec<Option<ItemKind>> =
            self.with_known(|known| ids.iter().map(|id| known.kinds.get(id).copied()).collect());
        let shapes: Vec<Shape> = kinds
            .into_iter()
            .map(|kind| kind.map_or(Shape::Any, Shape::Of))
            .collect();
        let mut all = self.get_shaped(ids, &shapes).await?;
        // A contact's body is read as text; asked for in its best form, it may have come as something else.
        let again: Vec<usize> = all
            .iter()
            .enumerate()
            .filter(|(_, got)| matches!(got, Got::Item(Held::Contact(contact)) if contact.body_html))
            .map(|(at, _)| at)
            .collect();
        let ids: Vec<String> = again.iter().map(|at| ids[*at].clone()).collect();
        if !ids.is_empty() {
            let got = self.get(&ids, Shape::Of(ItemKind::Contact)).await?;
            for (at, got) in again.into_iter().zip(got) {
                all[at] = got;
            }
        }
        Ok(all)
    }

    /// Items by their ids, each in its shape, in that order.
    pub(crate) async fn get_shaped(&self, ids: &[String], shapes: &[Shape]) -> Result<Vec<Got>, Fault> {
        let mut all: Vec<Got> = ids.iter().map(|_| Got::Missing).collect();
        let mut seen: Vec<Shape> = Vec::new();
        for shape in shapes {
            if seen.contains(shape) {
                continue;
            }
            seen.push(*shape);
            let of: Vec<usize> = (0..ids.len()).filter(|at| shapes[*at] == *shape).collect();
            let asked: Vec<String> = of.iter().map(|at| ids[*at].clone()).collect();
            for (at, got) in of.into_iter().zip(self.get(&asked, *shape).await?) {
                all[at] = got;
            }
        }
        Ok(all)
    }

    pub(crate) async fn read_items(&self, ids: &[ItemId]) -> Result<Vec<Option<Snapshot>>, Fault> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let places = self.places().await?;
        let ids: Vec<String> = ids.iter().map(|id| id.0.clone()).collect();
        let got = self.get_any(&ids).await?;
        Ok(got
            .into_iter()
            .map(|got| match got {
                Got::Item(held) if held.folder() != places.deleted => Some(held.snapshot(&places)),
                _ => None,
            })
            .collect())
    }

    pub(crate) async fn find_fates(&self, asked: &[Trace]) -> Result<Vec<Fate>, Fault> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let tree = self.tree().await?;
        let ids: Vec<String> = asked.iter().map(|trace| trace.id.0.clone()).collect();
        let shapes: Vec<Shape> = asked.iter().map(|trace| Shape::Of(trace.kind)).collect();
        let mut fates: Vec<Option<Fate>> = Vec::with_capacity(asked.len());
        for got in self.get_shaped(&ids, &shapes).await? {
            fates.push(match got {
                Got::Item(held) if tree.is_deleted(held.folder()) => Some(deleted()),
                Got::Item(held) => Some(Fate::Here(Box::new(held.snapshot(&tree.places)))),
                Got::Missing => None,
                Got::Other | Got::Unreadable(_) => Some(Fate::Unproved),
            });
        }
        let mut failed = [0_usize; ItemKind::ALL.len()];
        for kind in ItemKind::ALL {
            let (likely, others) = tree.likely_and_others(kind);
            // One that was moved or copied within the mailbox is found by its key.
            for folders in [likely, others] {
                let open: Vec<&str> = asked
                    .iter()
                    .zip(&fates)
                    .filter(|(trace, fate)| trace.kind == kind && fate.is_none() && may_carry(trace))
                    .map(|(trace, _)| trace.key.0.as_str())
                    .collect();
                if open.is_empty() || folders.is_empty() {
                    continue;
                }
                let wanted: Vec<Wanted<'_>> = open.iter().map(|key| Wanted::Key(key)).collect();
                let search = self.search(&folders, &wanted).await?;
                failed[kind as usize] += search.failed;
                let alive: Vec<String> = search
                    .found
                    .iter()
                    .filter(|(folder, _)| !tree.is_deleted(folder))
                    .map(|(_, held)| held.id().to_owned())
                    .collect();
                let mut by_key: HashMap<String, Fate> = search
                    .found
                    .iter()
                    .filter(|(folder, _)| tree.is_deleted(folder))
                    .filter_map(|(_, held)| Some((held.key()?.to_owned(), deleted())))
                    .collect();
                let alive = self.get(&alive, Shape::Of(kind)).await?;
                // Found alive, and not to be read: whose it is cannot be told.
                failed[kind as usize] += alive.iter().filter(|got| got.is_hidden()).count();
                for held in alive.into_iter().filter_map(Got::held) {
                    // A copy that is alive outweighs one that is deleted.
                    if let Some(key) = held.key() {
                        by_key.insert(key.to_owned(), Fate::Here(Box::new(held.snapshot(&tree.places))));
                    }
                }
                for (trace, fate) in asked.iter().zip(&mut fates) {
                    if fate.is_none() && trace.kind == kind {
                        *fate = by_key.get(&trace.key.0).cloned();
                    }
                }
            }
        }
        self.by_meetings(asked, &mut fates).await?;
        Ok(asked
            .iter()
            .zip(fates)
            .map(|(trace, fate)| {
                // Gone by its id and by the key that it carried, everywhere: that is the proof. A move gives another
                // id, so for one without a key the id alone proves nothing.
                let proved = failed[trace.kind as usize] == 0 && trace.carried && !trace.key.0.is_empty();
                fate.unwrap_or_else(|| if proved { deleted() } else { Fate::Unproved })
            })
            .collect())
    }

    /// Events that carry no key, as no occurrence does: by what every calendar knows them by, in every folder but the
    /// deleted ones.
    async fn by_meetings(&self, asked: &[Trace], fates: &mut [Option<Fate>]) -> Result<(), Fault> {
        let tree = self.tree().await?;
        let open: Vec<(usize, MatchKey)> = asked
            .iter()
            .enumerate()
            .filter(|(at, trace)| fates[*at].is_none() && trace.kind == ItemKind::Event && !trace.carried)
            .filter_map(|(at, trace)| Some((at, meeting(trace.meeting.as_ref()?)?)))
            .collect();
        let ids: BTreeSet<String> = open.iter().flat_map(|(_, key)| candidates::ids_of(key)).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let (likely, others) = tree.likely_and_others(ItemKind::Event);
        let folders: Vec<&str> = likely
            .into_iter()
            .chain(others)
            .filter(|folder| !tree.is_deleted(folder))
            .collect();
        let wanted: Vec<Wanted<'_>> = ids.iter().map(|id| Wanted::Meeting(id)).collect();
        let search = self.search(&folders, &wanted).await?;
        let mut got = self.get(&search.ids(), Shape::Of(ItemKind::Event)).await?;
        let keys: Vec<&MatchKey> = open.iter().map(|(_, key)| key).collect();
        let mut occurrences = BTreeSet::new();
        for got in &got {
            let Got::Item(Held::Event(series)) = got else {
                continue;
            };
            if series.is_master() {
                occurrences.extend(series.exceptions.iter().cloned());
                occurrences.extend(self.planned(&series.head.folder, &keys).await?);
            }
        }
        let occurrences: Vec<String> = occurrences.into_iter().collect();
        got.extend(self.get(&occurrences, Shape::Of(ItemKind::Event)).await?);
        let proved = search.failed == 0 && !got.iter().any(Got::is_hidden);
        let held: Vec<Held> = got.into_iter().filter_map(Got::held).collect();
        for (at, key) in &open {
            let alive = held
                .iter()
                .filter(|held| !tree.is_deleted(held.folder()))
                .find(|held| candidates::event(held).is_some_and(|event| candidates::is(event, key)));
            fates[*at] = Some(match alive {
                Some(held) => Fate::Here(Box::new(held.snapshot(&tree.places))),
                None if proved => deleted(),
                None => Fate::Unproved,
            });
        }
        Ok(())
    }

    pub(crate) async fn find_created(
        &self,
        kind: ItemKind,
        keys: &[LinkKey],
    ) -> Result<Vec<Snapshot>, Fault> {
        let wanted: Vec<Wanted<'_>> = keys.iter().map(|key| Wanted::Key(&key.0)).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let places = self.places().await?;
        let mut folders = places.of(kind);
        folders.push(&places.deleted);
        let search = self.search(&folders, &wanted).await?;
        if search.failed > 0 {
            return Err(Fault::transient(
                "not every folder could be searched for what was made before",
            ));
        }
        let mut seen = HashSet::new();
        let rows: Vec<Held> = search
            .found
            .into_iter()
            .map(|(folder, held)| held.lying_in(&folder))
            .filter(|held| seen.insert(held.id().to_owned()))
            .collect();
        let ids: Vec<String> = rows.iter().map(|held| held.id().to_owned()).collect();
        let mut found = Vec::with_capacity(rows.len());
        for (row, got) in rows.iter().zip(self.get(&ids, Shape::Of(kind)).await?) {
            match got {
                Got::Item(held) if held.kind() == kind => found.push(held.snapshot(&places)),
                // It is there, or it would be made twice: what can be told of it is its id and its key.
                Got::Unreadable(_) => {
                    let mut snapshot = row.snapshot(&places);
                    snapshot.record.fields.clear();
                    found.push(snapshot);
                }
                Got::Item(_) | Got::Missing | Got::Other => {}
            }
        }
        Ok(found)
    }

    /// Items by id, without those that are gone meanwhile or cannot be read, none twice.
    pub(crate) async fn once(&self, ids: &[String], kind: ItemKind) -> Result<Vec<Held>, Fault> {
        let mut seen = HashSet::new();
        let once: Vec<String> = ids
            .iter()
            .filter(|id| seen.insert(id.as_str()))
            .cloned()
            .collect();
        let got = self.get(&once, Shape::Of(kind)).await?;
        Ok(got
            .into_iter()
            .filter_map(Got::held)
            .filter(|held| held.kind() == kind)
            .collect())
    }

    /// What matches any of `wanted` in `folders` (everything, if there is nothing in it), with the folder of each.
    pub(crate) async fn search(&self, folders: &[&str], wanted: &[Wanted<'_>]) -> Result<Search, Fault> {
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
                    if page.cut && page.next.is_none() {
                        return Err(Fault::fatal("FindItem does not say where the next page begins"));
                    }
                    search
                        .found
                        .extend(page.items.into_iter().map(|held| ((*folder).to_owned(), held)));
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

fn got(message: Result<Item, ResponseError>) -> Got {
    match message {
        Ok(Item::Nothing) => Got::Missing,
        Ok(item) => Held::of(item).map_or(Got::Other, Got::Item),
        Err(error) if error.is_missing_item() => Got::Missing,
        Err(error) => {
            tracing::debug!(code = shown(&error.code), "an item cannot be read");
            // An id that is none will never be one.
            let retry = !error.code.starts_with("ErrorInvalidId");
            let message = if error.text.trim().is_empty() {
                shown(&error.code).to_owned()
            } else {
                error.text
            };
            Got::Unreadable(Refusal {
                code: IssueCode::Unreadable,
                message,
                fields: vec![],
                retry,
            })
        }
    }
}

/// Whether a search by its key may find it: occurrences never have one.
fn may_carry(trace: &Trace) -> bool {
    let of_series = trace.meeting.as_ref().is_some_and(|m| m.original_start.is_some());
    !trace.key.0.is_empty() && (trace.carried || !of_series)
}

/// `None`: a UID that no search can ask for.
fn meeting(id: &MeetingId) -> Option<MatchKey> {
    let key = MatchKey::Meeting {
        uid: id.uid.clone(),
        original_start: id.original_start.clone(),
    };
    (!candidates::ids_of(&key).is_empty()).then_some(key)
}

fn deleted() -> Fate {
    Fate::Deleted { merged_into: None }
}
