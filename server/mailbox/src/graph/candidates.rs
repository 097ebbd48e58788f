//! Who or what is in the mailbox already.

use std::collections::{BTreeMap, HashSet};

use tandem_sync::Fault;
use tandem_sync::model::{Candidate, Field, MatchKey};
use tandem_types::ItemKind;

use super::Graph;
use super::ask::{Ask, escaped, quoted};
use super::changes::view;
use super::item::{Item, full};
use super::reading::{FEW_KEYS, Search, is_deleted};
use crate::candidates::{Index, event, folded, is, spans};
use crate::held::Held;
use crate::map::Contact;

const NEAR: i64 = 86_400;

impl Graph {
    pub(crate) async fn find_candidates(&self, keys: &[MatchKey]) -> Result<Vec<Vec<Candidate>>, Fault> {
        let mut all: Vec<Vec<Candidate>> = keys.iter().map(|_| Vec::new()).collect();
        for kind in [ItemKind::Contact, ItemKind::Event, ItemKind::Task] {
            let of: Vec<usize> = (0..keys.len()).filter(|at| keys[*at].kind() == kind).collect();
            if of.is_empty() {
                continue;
            }
            let asked: Vec<&MatchKey> = of.iter().map(|at| &keys[*at]).collect();
            let found = match kind {
                ItemKind::Contact => self.contact_candidates(&asked).await?,
                ItemKind::Event => self.event_candidates(&asked).await?,
                _ => self.task_candidates(&asked).await?,
            };
            for (at, found) in of.into_iter().zip(found) {
                all[at] = found;
            }
        }
        Ok(all)
    }

    async fn contact_candidates(&self, keys: &[&MatchKey]) -> Result<Vec<Vec<Candidate>>, Fault> {
        let tree = self.tree().await?;
        let filters: HashSet<String> = keys.iter().filter_map(|key| filter(key)).collect();
        let mut search = Search::default();
        if !filters.is_empty() {
            let paths = self.contact_paths().await?;
            let asks: Vec<String> = if filters.len() * paths.len() > FEW_KEYS {
                paths
                    .iter()
                    .map(|path| full(ItemKind::Contact, path, &[("$top", "100")]))
                    .collect()
            } else {
                paths
                    .iter()
                    .flat_map(|path| filters.iter().map(move |filter| (path, filter)))
                    .map(|(path, filter)| full(ItemKind::Contact, path, &[("$filter", filter)]))
                    .collect()
            };
            let asks = asks
                .into_iter()
                .map(|url| (String::new(), Ask::get(url)))
                .collect();
            self.find(ItemKind::Contact, asks, &mut search).await?;
            search = search.whole()?;
        }
        // Compared once more here, with the values that will be shown: a server may find more than we mean.
        let by_id: BTreeMap<&str, &Item> = search
            .found
            .iter()
            .filter(|item| !is_deleted(&tree, &item.held))
            .map(|item| (item.held.id(), item))
            .collect();
        let index = Index::new(by_id.values().filter_map(|item| contact(item)));
        let same = |id: &str| Candidate::Same(Box::new(by_id[id].held.snapshot(&tree.places)));
        Ok(keys
            .iter()
            .map(|key| index.matching(key).into_iter().map(same).collect())
            .collect())
    }

    /// Tasks with the subjects asked for; dates are compared here.
    async fn task_candidates(&self, keys: &[&MatchKey]) -> Result<Vec<Vec<Candidate>>, Fault> {
        let tree = self.tree().await?;
        let subjects: HashSet<&str> = keys
            .iter()
            .filter_map(|key| match key {
                MatchKey::Task { subject, .. } => Some(subject.trim()).filter(|text| !text.is_empty()),
                _ => None,
            })
            .collect();
        let lists = self.lists().await?;
        let mut asks = Vec::new();
        for list in &lists {
            if subjects.len() * lists.len() > FEW_KEYS {
                asks.push((list.clone(), Ask::get(Self::everything(ItemKind::Task, list))));
                continue;
            }
            for subject in &subjects {
                let filter = format!("title eq {}", quoted(subject));
                let path = format!("/me/todo/lists/{}/tasks", escaped(list));
                let url = full(ItemKind::Task, &path, &[("$filter", &filter)]);
                asks.push((list.clone(), Ask::get(url)));
            }
        }
        let mut search = Search::default();
        if !subjects.is_empty() {
            self.find(ItemKind::Task, asks, &mut search).await?;
            search = search.whole()?;
        }
        let mut seen = HashSet::new();
        search.found.retain(|item| seen.insert(item.held.id().to_owned()));
        let same = |key: &&MatchKey| {
            let MatchKey::Task { subject, due } = key else {
                return Vec::new();
            };
            if subject.trim().is_empty() {
                return Vec::new();
            }
            let matches = search.found.iter().filter(|item| {
                let Held::Task(task) = &item.held else {
                    return false;
                };
                let date = task.value(Field::Due);
                folded(&task.head.subject) == folded(subject)
                    && date.known().unwrap_or_default() == due
                    && !date.is_unknown()
            });
            matches
                .map(|item| Candidate::Same(Box::new(item.held.snapshot(&tree.places))))
                .collect()
        };
        Ok(keys.iter().map(same).collect())
    }

    async fn event_candidates(&self, keys: &[&MatchKey]) -> Result<Vec<Vec<Candidate>>, Fault> {
        let tree = self.tree().await?;
        let mut search = Search::default();
        let asks = spans(keys)
            .into_iter()
            .map(|(from, to)| (String::new(), Ask::get(view(from, to, 100))))
            .collect();
        self.find(ItemKind::Event, asks, &mut search).await?;
        search = search.whole()?;
        // Meetings that are not where their plan says.
        let open: Vec<&MatchKey> = keys
            .iter()
            .filter(|key| matches!(key, MatchKey::Meeting { .. }))
            .filter(|key| !search.found.iter().any(|item| is_one(item, key)))
            .copied()
            .collect();
        if !open.is_empty() {
            search.found.extend(self.meetings(&open).await?.whole()?.found);
        }
        let mut seen = HashSet::new();
        search.found.retain(|item| seen.insert(item.held.id().to_owned()));
        let same = |key: &&MatchKey| {
            let matches = search.found.iter().filter(|item| is_one(item, key));
            matches
                .filter(|item| !is_deleted(&tree, &item.held))
                .map(|item| Candidate::Same(Box::new(item.held.snapshot(&tree.places))))
                .collect()
        };
        Ok(keys.iter().map(same).collect())
    }

    /// Meetings by their UIDs, in every calendar: single ones, what is of a series around the planned starts, and what was
    /// moved from there.
    pub(crate) async fn meetings(&self, keys: &[&MatchKey]) -> Result<Search, Fault> {
        let uids: HashSet<&str> = keys
            .iter()
            .filter_map(|key| match key {
                MatchKey::Meeting { uid, .. } => Some(uid.trim()).filter(|uid| !uid.is_empty()),
                _ => None,
            })
            .collect();
        let mut search = Search::default();
        if uids.is_empty() {
            return Ok(search);
        }
        let paths = self.calendar_paths().await?;
        let asks = paths
            .iter()
            .flat_map(|path| uids.iter().map(move |uid| (path, uid)))
            .map(|(path, uid)| {
                let filter = format!("iCalUId eq {}", quoted(uid));
                (
                    String::new(),
                    Ask::get(full(ItemKind::Event, path, &[("$filter", &filter)])),
                )
            })
            .collect();
        self.find(ItemKind::Event, asks, &mut search).await?;
        let masters: Vec<String> = search
            .found
            .iter()
            .filter(|item| item.held.is_master())
            .map(|item| item.held.id().to_owned())
            .collect();
        if masters.is_empty() {
            return Ok(search);
        }
        let mut asks = Vec::new();
        for master in &masters {
            let path = format!("/me/events/{}", escaped(master));
            for (from, to) in spans(keys) {
                let at = |at| super::changes::at(at);
                let url = full(
                    ItemKind::Event,
                    &format!("{path}/instances"),
                    &[
                        ("startDateTime", &at(from - NEAR)),
                        ("endDateTime", &at(to + NEAR)),
                    ],
                );
                asks.push((String::new(), Ask::get(url)));
            }
        }
        self.find(ItemKind::Event, asks, &mut search).await?;
        let changed = self.moved(&masters).await?;
        let known: HashSet<String> = search
            .found
            .iter()
            .map(|item| item.held.id().to_owned())
            .collect();
        let asked: Vec<(ItemKind, String)> = changed
            .into_iter()
            .filter(|id| !known.contains(id))
            .map(|id| (ItemKind::Event, id))
            .collect();
        for got in self.get(&asked).await? {
            match got {
                super::item::Got::Unreadable(refusal) => search.unreadable.push(refusal),
                got => search.found.extend(got.item()),
            }
        }
        Ok(search)
    }

    /// The occurrences of these series that were changed by themselves.
    async fn moved(&self, masters: &[String]) -> Result<Vec<String>, Fault> {
        let asks: Vec<Ask> = masters
            .iter()
            .map(|id| {
                let path = format!("/me/events/{}", escaped(id));
                Ask::get(super::ask::with_query(
                    &path,
                    &[("$select", "id"), ("$expand", "exceptionOccurrences")],
                ))
            })
            .collect();
        let mut ids = Vec::new();
        for part in self.parts(&asks).await? {
            let body = match part {
                Ok(body) => body,
                Err(problem) if problem.is_missing() => continue,
                Err(problem) => return Err(problem.into_fault("reading a series")),
            };
            let list = body["exceptionOccurrences"].as_array();
            ids.extend(
                list.into_iter()
                    .flatten()
                    .filter_map(|one| one["id"].as_str().map(str::to_owned)),
            );
        }
        Ok(ids)
    }
}

fn contact(item: &Item) -> Option<&Contact> {
    match &item.held {
        Held::Contact(contact) => Some(contact),
        _ => None,
    }
}

fn is_one(item: &Item, key: &MatchKey) -> bool {
    event(&item.held).is_some_and(|event| is(event, key))
}

/// What finds a contact. Exchange compares without case.
fn filter(key: &MatchKey) -> Option<String> {
    match key {
        MatchKey::Email(address) if !address.trim().is_empty() => Some(format!(
            "emailAddresses/any(a:a/address eq {})",
            quoted(address.trim())
        )),
        MatchKey::Name { given, surname } => {
            let (given, surname) = (given.trim(), surname.trim());
            // A part that is empty is compared here: Graph finds no empty text.
            let parts: Vec<String> = [("givenName", given), ("surname", surname)]
                .iter()
                .filter(|(_, text)| !text.is_empty())
                .map(|(name, text)| format!("{name} eq {}", quoted(text)))
                .collect();
            (!parts.is_empty()).then(|| parts.join(" and "))
        }
        _ => None,
    }
}
