//! What is there, and what became of an item.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::{Value, json};
use tandem_sync::model::{Fate, ItemId, LinkKey, MatchKey, MeetingId, Refusal, Snapshot, Trace};
use tandem_sync::{Fault, FaultKind};
use tandem_types::{IssueCode, ItemKind};

use super::Graph;
use super::ask::{Ask, escaped, with_query};
use super::changes::contacts;
use super::client::{PARTS, Part};
use super::error::CallError;
use super::item::{self, Got, Item, full, path};
use super::property;
use crate::client::Effect;
use crate::held::Held;
use crate::reading::MOST_REMEMBERED;
use crate::{candidates, folders::Tree};

const NAME: &str = "reading items";
/// With more keys than this, listing a list costs less than asking for each.
pub(crate) const FEW_KEYS: usize = 60;

/// What a search has brought, and where it could not look.
#[derive(Default)]
pub(crate) struct Search {
    pub(crate) found: Vec<Item>,
    pub(crate) unreadable: Vec<Refusal>,
    pub(crate) failed: usize,
    /// Of those, where it may pass.
    pub(crate) passing: usize,
}

impl Search {
    /// # Errors
    /// A part failed that may be answered later: what is not found may be there.
    pub(crate) fn whole(self) -> Result<Self, Fault> {
        if self.passing > 0 {
            return Err(Fault::transient("not every folder could be searched for matches"));
        }
        Ok(self)
    }
}

impl Graph {
    /// Items by kind and id, in that order.
    pub(crate) async fn get(&self, asked: &[(ItemKind, String)]) -> Result<Vec<Got>, Fault> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let ground = self.ground().await?;
        let asks: Vec<Ask> = asked
            .iter()
            .map(|(kind, id)| Ask::get(full(*kind, &path(*kind, id), &[])))
            .collect();
        let parts = self.parts(&asks).await?;
        let mut all = Vec::with_capacity(asked.len());
        for ((kind, id), part) in asked.iter().zip(parts) {
            let list = id.split_once('/').map_or("", |(list, _)| list);
            let got = match part {
                Ok(json) => item::read(*kind, json, list, &ground),
                Err(problem) => {
                    if !problem.is_missing() {
                        tracing::debug!(code = problem.shown(), "an item cannot be read");
                    }
                    item::unreadable(&problem)
                }
            };
            self.remember(*kind, id, &got);
            all.push(got);
        }
        Ok(all)
    }

    /// The parts of as many batches as it takes; what means every call ends the session.
    pub(crate) async fn parts(&self, asks: &[Ask]) -> Result<Vec<Part>, Fault> {
        let parts = self
            .client
            .read_all(asks)
            .await
            .map_err(|error| error.into_fault(NAME, false))?;
        grave(&parts)?;
        Ok(parts)
    }

    /// What kinds items are, so that they can be asked for as such.
    pub(crate) fn remember(&self, kind: ItemKind, id: &str, got: &Got) {
        if matches!(got, Got::Item(_)) {
            self.with_known(|known| {
                if known.kinds.len() < MOST_REMEMBERED {
                    known.kinds.insert(id.to_owned(), kind);
                }
            });
        }
    }

    /// The immutable id of an item that Outlook names as Exchange Web Services do.
    /// <https://learn.microsoft.com/graph/api/user-translateexchangeids>
    pub(crate) async fn immutable_id(&self, id: &str) -> Result<Option<ItemId>, Fault> {
        let body = json!({
            "inputIds": [id], "sourceIdType": "ewsId", "targetIdType": "restImmutableEntryId",
        });
        let ask = Ask::post("/me/translateExchangeIds", body);
        let answer = match self.client.one(&ask, Effect::Reads).await {
            Ok(answer) => answer,
            // What is no id of this mailbox may make the whole request a bad one.
            Err(CallError::Answered(problem)) if problem.status == 400 || problem.is_missing() => {
                return Ok(None);
            }
            Err(error) => return Err(error.into_fault("translating an id", false)),
        };
        let target = answer.pointer("/value/0/targetId").and_then(Value::as_str);
        Ok(target.filter(|id| !id.is_empty()).map(|id| ItemId(id.to_owned())))
    }

    pub(crate) async fn read_items(&self, ids: &[ItemId]) -> Result<Vec<Option<Snapshot>>, Fault> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let places = self.ground().await?.places;
        let known: Vec<Option<ItemKind>> = self.with_known(|known| {
            ids.iter()
                .map(|id| {
                    if id.0.contains('/') {
                        Some(ItemKind::Task)
                    } else {
                        known.kinds.get(&id.0).copied()
                    }
                })
                .collect()
        });
        // An id does not tell what it is of: where this is not known, it is asked for as each.
        let mut asked = Vec::new();
        for (id, kind) in ids.iter().zip(known) {
            match kind {
                Some(kind) => asked.push((kind, id.0.clone())),
                None => asked.extend(
                    [ItemKind::Event, ItemKind::Contact, ItemKind::Email].map(|kind| (kind, id.0.clone())),
                ),
            }
        }
        let mut found: HashMap<&str, Snapshot> = HashMap::new();
        let got = self.get(&asked).await?;
        for ((_, id), got) in asked.iter().zip(got) {
            if let Got::Item(item) = got
                && item.held.folder() != places.deleted
                && !found.contains_key(id.as_str())
            {
                found.insert(id, item.held.snapshot(&places));
            }
        }
        Ok(ids.iter().map(|id| found.get(id.0.as_str()).cloned()).collect())
    }

    pub(crate) async fn find_fates(&self, asked: &[Trace]) -> Result<Vec<Fate>, Fault> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let tree = self.tree().await?;
        let ids: Vec<(ItemKind, String)> = asked
            .iter()
            .map(|trace| (trace.kind, trace.id.0.clone()))
            .collect();
        let mut fates: Vec<Option<Fate>> = Vec::with_capacity(asked.len());
        for got in self.get(&ids).await? {
            fates.push(match got {
                Got::Item(item) if is_deleted(&tree, &item.held) => Some(deleted()),
                Got::Item(item) => Some(Fate::Here(Box::new(item.held.snapshot(&tree.places)))),
                Got::Missing => None,
                Got::Unreadable(_) => Some(Fate::Unproved),
            });
        }
        let mut failed = [false; ItemKind::ALL.len()];
        for kind in ItemKind::ALL {
            let open: Vec<&str> = asked
                .iter()
                .zip(&fates)
                // Of one that lies in Deleted Items, too: a copy of it may be alive.
                .filter(|(trace, fate)| {
                    trace.kind == kind
                        && matches!(fate, None | Some(Fate::Deleted { .. }))
                        && may_carry(trace)
                })
                .map(|(trace, _)| trace.key.0.as_str())
                .collect();
            if open.is_empty() {
                continue;
            }
            let search = self.by_keys(kind, &open).await?;
            // Where To Do shows no list, nobody has looked. Found, and not to be read: whose it is cannot be told.
            let blind = kind == ItemKind::Task && self.lists().await?.is_empty();
            failed[kind as usize] = blind || search.failed > 0 || !search.unreadable.is_empty();
            let mut by_key: HashMap<String, Fate> = HashMap::new();
            for item in &search.found {
                let Some(key) = item.held.key().map(str::to_owned) else {
                    continue;
                };
                // A copy that is alive outweighs one that is deleted.
                if is_deleted(&tree, &item.held) {
                    by_key.entry(key).or_insert_with(deleted);
                } else {
                    by_key.insert(key, Fate::Here(Box::new(item.held.snapshot(&tree.places))));
                }
            }
            for (trace, fate) in asked.iter().zip(&mut fates) {
                if trace.kind != kind || trace.key.0.is_empty() {
                    continue;
                }
                let found = by_key.get(&trace.key.0);
                match fate {
                    None => *fate = found.cloned(),
                    Some(Fate::Deleted { .. }) if matches!(found, Some(Fate::Here(_))) => {
                        *fate = found.cloned();
                    }
                    // A copy may be alive where nobody could look.
                    Some(Fate::Deleted { .. }) if failed[kind as usize] => *fate = Some(Fate::Unproved),
                    _ => {}
                }
            }
        }
        self.by_meetings(asked, &mut fates, &tree).await?;
        Ok(asked
            .iter()
            .zip(fates)
            .map(|(trace, fate)| {
                // Gone by its id, which every move keeps, and by the key that it carried: that is the proof.
                let proved = !failed[trace.kind as usize] && trace.carried && !trace.key.0.is_empty();
                fate.unwrap_or_else(|| if proved { deleted() } else { Fate::Unproved })
            })
            .collect())
    }

    /// Events that carry no key, as no occurrence does: by what every calendar knows them by.
    async fn by_meetings(
        &self,
        asked: &[Trace],
        fates: &mut [Option<Fate>],
        tree: &Tree,
    ) -> Result<(), Fault> {
        let open: Vec<(usize, MatchKey)> = asked
            .iter()
            .enumerate()
            .filter(|(at, trace)| fates[*at].is_none() && trace.kind == ItemKind::Event && !trace.carried)
            .filter_map(|(at, trace)| Some((at, meeting(trace.meeting.as_ref()?)?)))
            .collect();
        if open.is_empty() {
            return Ok(());
        }
        let keys: Vec<&MatchKey> = open.iter().map(|(_, key)| key).collect();
        let search = self.meetings(&keys).await?;
        let proved = search.failed == 0 && search.unreadable.is_empty();
        for (at, key) in &open {
            let alive = search
                .found
                .iter()
                .map(|item| &item.held)
                .filter(|held| !is_deleted(tree, held))
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
        let places = self.ground().await?.places;
        let keys: Vec<&str> = keys.iter().map(|key| key.0.as_str()).collect();
        // Every mailbox has one: what was made before would be made again.
        if kind == ItemKind::Task && self.lists().await?.is_empty() {
            return Err(Fault::new(FaultKind::Rejected, "To Do shows no lists"));
        }
        let search = self.by_keys(kind, &keys).await?;
        if search.failed > 0 {
            return Err(Fault::transient(
                "not every folder could be searched for what was made before",
            ));
        }
        // It is there, or it would be made twice; but whose it is cannot be told.
        if !search.unreadable.is_empty() {
            return Err(Fault::transient("what was made before cannot be read"));
        }
        let mut seen = HashSet::new();
        Ok(search
            .found
            .iter()
            .filter(|item| seen.insert(item.held.id().to_owned()))
            .map(|item| item.held.snapshot(&places))
            .collect())
    }

    /// Items that carry one of the keys, wherever they lie.
    pub(crate) async fn by_keys(&self, kind: ItemKind, keys: &[&str]) -> Result<Search, Fault> {
        let keys: BTreeSet<&str> = keys.iter().copied().filter(|key| !key.is_empty()).collect();
        if keys.is_empty() {
            return Ok(Search::default());
        }
        let mut search = Search::default();
        let paths: Vec<String> = match kind {
            ItemKind::Task => {
                // To Do has no search by what is said in an extension.
                let lists: Vec<String> = self.lists().await?;
                let asks: Vec<(String, Ask)> = lists
                    .iter()
                    .map(|list| (list.clone(), Ask::get(Self::everything(kind, list))))
                    .collect();
                self.find(kind, asks, &mut search).await?;
                search
                    .found
                    .retain(|item| item.held.key().is_some_and(|key| keys.contains(key)));
                return Ok(search);
            }
            ItemKind::Contact => self.contact_paths().await?,
            ItemKind::Event => self.calendar_paths().await?,
            ItemKind::Email => vec!["/me/messages".to_owned()],
        };
        let asks: Vec<(String, Ask)> = if kind == ItemKind::Contact && keys.len() * paths.len() > FEW_KEYS * 3
        {
            paths
                .iter()
                .map(|path| (String::new(), Ask::get(full(kind, path, &[("$top", "100")]))))
                .collect()
        } else {
            paths
                .iter()
                .flat_map(|path| keys.iter().map(move |key| (path, key)))
                .map(|(path, key)| {
                    let filter = property::with_key(key);
                    (String::new(), Ask::get(full(kind, path, &[("$filter", &filter)])))
                })
                .collect()
        };
        self.find(kind, asks, &mut search).await?;
        // A server may find more than we mean.
        search.found.retain(|item| {
            let carried = match &item.held {
                Held::Event(event) => event.head.key.as_deref(),
                held => held.key(),
            };
            carried.is_some_and(|key| keys.contains(key))
        });
        Ok(search)
    }

    /// The lists that are asked for, each to its end. `asks`: of tasks, with their list.
    pub(crate) async fn find(
        &self,
        kind: ItemKind,
        asks: Vec<(String, Ask)>,
        search: &mut Search,
    ) -> Result<(), Fault> {
        let ground = self.ground().await?;
        let mut open = asks;
        while !open.is_empty() {
            let lot: Vec<(String, Ask)> = open.drain(..open.len().min(PARTS)).collect();
            let asks: Vec<Ask> = lot.iter().map(|(_, ask)| ask.clone()).collect();
            for ((list, _), part) in lot.into_iter().zip(self.parts(&asks).await?) {
                let body = match part {
                    Ok(body) => body,
                    // A folder that is not there any more holds nothing.
                    Err(problem) if problem.is_missing() => continue,
                    Err(problem) => {
                        tracing::debug!(code = problem.shown(), "a folder cannot be searched");
                        search.failed += 1;
                        search.passing += usize::from(matches!(problem.kind(), FaultKind::Transient { .. }));
                        continue;
                    }
                };
                let page = self
                    .client
                    .page_of(&body)
                    .map_err(|error| error.into_fault(NAME, false))?;
                for json in page.items {
                    match item::read(kind, json, &list, &ground) {
                        Got::Item(item) => search.found.push(*item),
                        Got::Unreadable(refusal) => search.unreadable.push(refusal),
                        Got::Missing => {}
                    }
                }
                open.extend(page.next.map(|next| (list, Ask::get(next))));
            }
        }
        Ok(())
    }

    /// Everything of a list of tasks.
    pub(crate) fn everything(kind: ItemKind, list: &str) -> String {
        full(
            kind,
            &format!("/me/todo/lists/{}/tasks", escaped(list)),
            &[("$top", "100")],
        )
    }

    /// All lists of tasks.
    pub(crate) async fn lists(&self) -> Result<Vec<String>, Fault> {
        let tree = self.tree().await?;
        Ok(tree
            .folders_of(ItemKind::Task)
            .into_iter()
            .map(str::to_owned)
            .collect())
    }

    /// Where contacts lie, Deleted Items left out: a contact that was deleted keeps its id.
    pub(crate) async fn contact_paths(&self) -> Result<Vec<String>, Fault> {
        let tree = self.tree().await?;
        Ok(tree
            .folders_of(ItemKind::Contact)
            .into_iter()
            .map(contacts)
            .collect())
    }

    /// Where events lie: the default calendar, and the others.
    pub(crate) async fn calendar_paths(&self) -> Result<Vec<String>, Fault> {
        let known = self.with_known(|known| known.calendars.clone());
        let others = if let Some(others) = known {
            others
        } else {
            let url = with_query(
                "/me/calendars",
                &[("$top", "100"), ("$select", "id,isDefaultCalendar")],
            );
            let page = self
                .client
                .page(&Ask::get(url))
                .await
                .map_err(|error| error.into_fault(NAME, false))?;
            let others: Vec<String> = page
                .items
                .iter()
                .filter(|calendar| calendar["isDefaultCalendar"] != Value::Bool(true))
                .map(|calendar| item::text(calendar, "id").to_owned())
                .collect();
            self.with_known(|known| known.calendars = Some(others.clone()));
            others
        };
        Ok(std::iter::once("/me/events".to_owned())
            .chain(
                others
                    .iter()
                    .map(|id| format!("/me/calendars/{}/events", escaped(id))),
            )
            .collect())
    }
}

/// What means every call, in one part of a batch: it ends the session. One item that fails with 500 is its own trouble,
/// as long as the others do not.
pub(crate) fn grave(parts: &[Part]) -> Result<(), Fault> {
    for problem in parts.iter().filter_map(|part| part.as_ref().err()) {
        let alone = problem.status == 500 && parts.len() > 1 && parts.iter().any(Result::is_ok);
        let grave = match problem.kind() {
            FaultKind::RateLimited { .. } | FaultKind::SignInEnded | FaultKind::CursorExpired => true,
            FaultKind::Transient { .. } => !alone,
            FaultKind::Rejected => problem.is_no_mailbox(),
            _ => false,
        };
        if grave {
            return Err(problem.clone().into_fault(NAME));
        }
    }
    Ok(())
}

pub(crate) fn is_deleted(tree: &Tree, held: &Held) -> bool {
    !held.folder().is_empty() && tree.is_deleted(held.folder())
}

/// Whether a search by its key may find it: occurrences never have one.
fn may_carry(trace: &Trace) -> bool {
    let of_series = trace.meeting.as_ref().is_some_and(|m| m.original_start.is_some());
    !trace.key.0.is_empty() && (trace.carried || !of_series)
}

/// `None`: a UID that no search can ask for.
fn meeting(id: &MeetingId) -> Option<MatchKey> {
    (!id.uid.trim().is_empty()).then(|| MatchKey::Meeting {
        uid: id.uid.clone(),
        original_start: id.original_start.clone(),
    })
}

fn deleted() -> Fate {
    Fate::Deleted { merged_into: None }
}

/// An item that cannot be shown as what it was.
pub(crate) fn not_shown() -> Refusal {
    Refusal {
        code: IssueCode::Refused,
        message: "the mailbox does not show this item as what it was".to_owned(),
        fields: vec![],
        retry: false,
    }
}
