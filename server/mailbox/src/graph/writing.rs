//! A batch of writes: looked at, written, read back.
//!
//! Graph tells the attendees of a meeting whatever is done to it, and has no switch against that. So nothing is ever
//! written that it would tell of, unless the user wants it to: events are made without attendees; of a meeting that the
//! user organises, and of his copy of somebody else's, only categories, the reminder and our own property are changed.
//! <https://learn.microsoft.com/graph/api/event-update>

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value, json};
use tandem_sync::Fault;
use tandem_sync::FaultKind;
use tandem_sync::model::{Field, FieldValue, Outcome, Part as Role, Record, Snapshot, Write};
use tandem_types::{IssueCode, ItemKind};

use super::ask::{Ask, escaped};
use super::client::{PARTS, Part};
use super::error::{CallError, Problem};
use super::item::{Got, Item, path};
use super::property::{self, EXTENSION, KEY};
use super::reading::not_shown;
use super::{Graph, contact, event, task};
use crate::client::Effect;
use crate::event::Event;
use crate::held::Held;
use crate::map::{CATEGORY, display_name};
use crate::places::Places;
use crate::writing::{
    NAMES, RICH, check_order, event_of, needs_home, new_display_name, refused, refused_as, same_content,
    unwritable, value_of,
};
use crate::zones::Written;

const NAME: &str = "a batch of writes";

/// What a write left behind, before it was read back.
#[derive(Clone)]
struct Trace {
    /// The write's place in the batch.
    at: usize,
    kind: ItemKind,
    /// Empty until the server has given one; of a task that is being made, its list until then.
    id: String,
    replaced: BTreeMap<Field, FieldValue>,
    /// The server said that the version moved: nothing was written.
    conflict: bool,
    /// It was not there before.
    made: bool,
    deletes: bool,
    /// Of a task that gets its key: what is asked once the rest is written.
    then: Option<Box<Ask>>,
}

impl Trace {
    fn of(at: usize, kind: ItemKind, id: &str) -> Self {
        Self {
            at,
            kind,
            id: id.to_owned(),
            replaced: BTreeMap::new(),
            conflict: false,
            made: false,
            deletes: false,
            then: None,
        }
    }
}

/// A batch under way.
struct Batch {
    outcomes: Vec<Option<Outcome>>,
    written: Vec<Trace>,
    /// Something has been sent that took effect, or may have.
    begun: bool,
    /// Nothing more is sent: the server is busy, gone, or has refused us.
    broken: bool,
}

impl Batch {
    fn settle(&mut self, at: usize, outcome: Outcome) {
        self.outcomes[at] = Some(outcome);
    }

    /// A request of this batch failed as a whole. A fault only if nothing of the batch can have been done.
    fn failed(&mut self, error: CallError, of: &[(Trace, Ask)]) -> Result<(), Fault> {
        if !self.begun && !error.in_doubt() {
            return Err(error.into_fault(NAME, true));
        }
        tracing::warn!(%error, "a batch of writes was broken off");
        self.begun = true;
        self.broken = true;
        // What was not sent, or surely refused, is said to be in doubt too: it is looked at again, and nothing is lost.
        for (trace, _) in of {
            self.settle(trace.at, Outcome::InDoubt);
        }
        Ok(())
    }
}

impl Graph {
    pub(crate) async fn write_batch(&self, writes: &[Write]) -> Result<Vec<Outcome>, Fault> {
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let mut batch = Batch {
            outcomes: writes.iter().map(|_| None).collect(),
            written: Vec::new(),
            begun: false,
            broken: false,
        };
        let places = self.ground().await?.places;
        let before = self.look(writes, &places, &mut batch).await?;
        let events: HashMap<usize, Held> = before.iter().map(|(at, item)| (*at, item.held.clone())).collect();
        let home = if writes.iter().any(|write| needs_home(write, &events)) {
            self.home_zone().await?
        } else {
            None
        };
        let mut asks = self.creates(writes, home.as_ref(), &mut batch).await?;
        let mut later = Vec::new();
        let mut series = HashSet::new();
        for (at, write) in writes.iter().enumerate() {
            if batch.outcomes[at].is_some() {
                continue;
            }
            match (write, before.get(&at)) {
                (Write::Create { .. }, _) | (_, None) => {}
                (
                    Write::Delete {
                        kind, id, version, ..
                    },
                    Some(_),
                ) => {
                    let mut trace = Trace::of(at, *kind, &id.0);
                    trace.deletes = true;
                    asks.push((trace, Ask::delete(path(*kind, &id.0)).only_if(&version.0)));
                }
                (Write::Update { id, set, .. }, Some(item)) => {
                    let mut trace = Trace::of(at, item.held.kind(), &id.0);
                    trace.replaced = set
                        .keys()
                        .map(|field| (*field, value_of(&item.held, *field, &places)))
                        .collect();
                    let again = event_of(&item.held)
                        .is_some_and(|event| event.is_of_series() && !series.insert(event.uid.clone()));
                    match changed(write, item, home.as_ref()) {
                        Err(outcome) => batch.settle(at, *outcome),
                        Ok(Changed { body: None, then }) => match then {
                            // A task gets nothing but its key.
                            Some(ask) => asks.push((trace, *ask)),
                            None => batch.written.push(trace),
                        },
                        Ok(Changed {
                            body: Some(ask),
                            then,
                        }) => {
                            trace.then = then;
                            if again {
                                later.push((trace, *ask));
                            } else {
                                asks.push((trace, *ask));
                            }
                        }
                    }
                }
            }
        }
        self.send(asks, writes, home.as_ref(), &mut batch).await?;
        self.update_later(later, &events, &mut batch).await?;
        self.read_back(&mut batch, &places).await;
        Ok(batch
            .outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or(Outcome::InDoubt))
            .collect())
    }

    /// The items to be changed or deleted, as they are now. Settles what cannot be written.
    async fn look(
        &self,
        writes: &[Write],
        places: &Places,
        batch: &mut Batch,
    ) -> Result<HashMap<usize, Item>, Fault> {
        let mut asked = Vec::new();
        for (at, write) in writes.iter().enumerate() {
            match write {
                Write::Create { .. } => {}
                Write::Update {
                    kind, id, version, ..
                } => asked.push((at, *kind, &id.0, &version.0, false)),
                Write::Delete {
                    kind, id, version, ..
                } => asked.push((at, *kind, &id.0, &version.0, true)),
            }
        }
        let ids: Vec<(ItemKind, String)> = asked
            .iter()
            .map(|(_, kind, id, ..)| (*kind, (*id).clone()))
            .collect();
        let got = self.get(&ids).await?;
        let mut before = HashMap::new();
        for ((at, kind, _, version, deletes), got) in asked.into_iter().zip(got) {
            match got {
                Got::Item(item) if item.held.folder() == places.deleted => {
                    let gone = if deletes {
                        Outcome::Deleted
                    } else {
                        Outcome::Missing
                    };
                    batch.settle(at, gone);
                }
                Got::Item(item) if item.held.kind() != kind || item.held.is_master() => {
                    batch.settle(at, Outcome::Refused(not_shown()));
                }
                Got::Item(item) if item.held.change_key() != version => {
                    batch.settle(at, Outcome::Conflict(Box::new(item.held.snapshot(places))));
                }
                Got::Item(item) => match protected(&writes[at], &item.held, places) {
                    Some(outcome) => batch.settle(at, outcome),
                    None => {
                        before.insert(at, *item);
                    }
                },
                Got::Missing => batch.settle(at, Outcome::Missing),
                Got::Unreadable(refusal) => {
                    let refusal = if refusal.retry { refusal } else { not_shown() };
                    batch.settle(at, Outcome::Refused(refusal));
                }
            }
        }
        Ok(before)
    }

    /// The user's own zone, in which whole days begin.
    async fn home_zone(&self) -> Result<Option<Written>, Fault> {
        if let Some(known) = self.with_known(|known| known.home.clone()) {
            return Ok(Some(known).filter(Written::is_given));
        }
        let ask = Ask::get("/me/mailboxSettings?$select=timeZone");
        let zone = match self.client.one(&ask, Effect::Reads).await {
            Ok(settings) => {
                let zone = Written::named(settings["timeZone"].as_str().unwrap_or_default());
                zone.writable().filter(Written::is_given)
            }
            // Whole days then begin in UTC, as programs write them.
            Err(CallError::Answered(problem)) if matches!(problem.status, 400 | 403 | 404) => {
                tracing::warn!(code = problem.shown(), "the user's time zone is not shown");
                None
            }
            Err(error) => return Err(error.into_fault("reading the user's time zone", false)),
        };
        self.with_known(|known| known.home = Some(zone.clone().unwrap_or_default()));
        Ok(zone)
    }

    async fn creates(
        &self,
        writes: &[Write],
        home: Option<&Written>,
        batch: &mut Batch,
    ) -> Result<Vec<(Trace, Ask)>, Fault> {
        let mut folders: HashMap<ItemKind, String> = HashMap::new();
        let mut asks = Vec::new();
        for (at, write) in writes.iter().enumerate() {
            let Write::Create { key, record, .. } = write else {
                continue;
            };
            let kind = record.kind;
            let body = match new_item(&key.0, record, home) {
                Ok(body) => body,
                Err(outcome) => {
                    batch.settle(at, *outcome);
                    continue;
                }
            };
            let folder = match folders.entry(kind) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => {
                    let ours = self.ground().await?.places.ours(kind).map(str::to_owned);
                    place.insert(match ours {
                        Some(folder) => folder,
                        None => self.ensure_folder(kind).await?,
                    })
                }
            };
            let mut trace = Trace::of(at, kind, folder);
            trace.made = true;
            asks.push((trace, Ask::post(home_of(kind, folder), body)));
        }
        Ok(asks)
    }

    /// Sends what is asked, twenty at a time.
    async fn send(
        &self,
        asks: Vec<(Trace, Ask)>,
        writes: &[Write],
        home: Option<&Written>,
        batch: &mut Batch,
    ) -> Result<(), Fault> {
        let homeless = self.send_once(asks, batch).await?;
        if homeless.is_empty() || batch.broken {
            for (trace, problem) in homeless {
                batch.settle(trace.at, told(&problem));
            }
            return Ok(());
        }
        // Our folder is gone: it is made again, once.
        let kinds: HashSet<ItemKind> = homeless.iter().map(|(trace, _)| trace.kind).collect();
        for kind in kinds {
            match self.ensure_folder(kind).await {
                Ok(_) => {}
                Err(fault) if batch.begun => {
                    tracing::warn!(%fault, "a folder of ours cannot be made again");
                    for (trace, problem) in homeless {
                        batch.settle(trace.at, told(&problem));
                    }
                    return Ok(());
                }
                Err(fault) => return Err(fault),
            }
        }
        let wanted: HashSet<usize> = homeless.iter().map(|(trace, _)| trace.at).collect();
        let mut asks = self.creates(writes, home, batch).await?;
        asks.retain(|(trace, _)| wanted.contains(&trace.at));
        for (trace, problem) in self.send_once(asks, batch).await? {
            batch.settle(trace.at, told(&problem));
        }
        Ok(())
    }

    /// What comes back is what could not be made because its folder is gone.
    async fn send_once(
        &self,
        asks: Vec<(Trace, Ask)>,
        batch: &mut Batch,
    ) -> Result<Vec<(Trace, Problem)>, Fault> {
        let mut homeless = Vec::new();
        let mut then: Vec<(Trace, Ask)> = Vec::new();
        for lot in asks.chunks(PARTS) {
            let Some(parts) = self.send_lot(lot, batch).await? else {
                continue;
            };
            for ((trace, _), part) in lot.iter().zip(parts) {
                let mut trace = trace.clone();
                match part {
                    Ok(_) if trace.deletes => batch.settle(trace.at, Outcome::Deleted),
                    Ok(body) => {
                        if trace.made {
                            trace.id = match (body["id"].as_str().unwrap_or_default(), trace.kind) {
                                ("", _) => String::new(),
                                (id, ItemKind::Task) => format!("{}/{id}", trace.id),
                                (id, _) => id.to_owned(),
                            };
                        }
                        match trace.then.take() {
                            // Made, and no id told.
                            _ if trace.id.is_empty() => batch.settle(trace.at, Outcome::InDoubt),
                            Some(ask) => then.push((trace, *ask)),
                            None => batch.written.push(trace),
                        }
                    }
                    Err(problem) if trace.made && problem.is_missing() => homeless.push((trace, problem)),
                    // Made before, by a request whose answer was lost: it is looked for by its key.
                    Err(problem) if trace.made && problem.kind() == FaultKind::Conflict => {
                        batch.settle(trace.at, Outcome::InDoubt);
                    }
                    Err(problem) if problem.kind() == FaultKind::Conflict => {
                        trace.conflict = true;
                        batch.written.push(trace);
                    }
                    Err(problem) => batch.settle(trace.at, told(&problem)),
                }
            }
        }
        for lot in then.chunks(PARTS) {
            let Some(parts) = self.send_lot(lot, batch).await? else {
                continue;
            };
            for ((trace, _), part) in lot.iter().zip(parts) {
                match part {
                    Ok(_) => batch.written.push(trace.clone()),
                    // Written, but for its key: it is looked at again, and the key is written then.
                    Err(problem) => {
                        tracing::warn!(code = problem.shown(), "a task did not take its key");
                        batch.settle(trace.at, Outcome::InDoubt);
                    }
                }
            }
        }
        Ok(homeless)
    }

    /// One request. `None`: it failed, and what was asked is settled.
    async fn send_lot(&self, lot: &[(Trace, Ask)], batch: &mut Batch) -> Result<Option<Vec<Part>>, Fault> {
        if batch.broken {
            for (trace, _) in lot {
                batch.settle(trace.at, Outcome::InDoubt);
            }
            return Ok(None);
        }
        let asks: Vec<Ask> = lot.iter().map(|(_, ask)| ask.clone()).collect();
        let parts = match self.client.batch(&asks, Effect::Writes).await {
            Ok(parts) => parts,
            Err(error) => {
                batch.failed(error, lot)?;
                return Ok(None);
            }
        };
        // Nothing was done, and what is said means every call.
        let nothing = parts.iter().all(|part| match part {
            Err(problem) => {
                problem.is_no_mailbox() || matches!(problem.kind(), FaultKind::RateLimited { .. })
            }
            Ok(_) => false,
        });
        if let (true, false, Some(Err(problem))) = (nothing, batch.begun, parts.first()) {
            return Err(problem.clone().into_fault(NAME));
        }
        batch.begun = true;
        Ok(Some(parts))
    }

    /// Occurrences of a series that another one of was changed before: that has moved the version of all of them. They
    /// are looked at once more, and written whatever their version is now, if nothing else has changed.
    async fn update_later(
        &self,
        later: Vec<(Trace, Ask)>,
        before: &HashMap<usize, Held>,
        batch: &mut Batch,
    ) -> Result<(), Fault> {
        // One after the other, for the same reason.
        for (mut trace, mut ask) in later {
            if batch.broken {
                batch.settle(trace.at, Outcome::InDoubt);
                continue;
            }
            let got = match self.get(&[(trace.kind, trace.id.clone())]).await {
                Ok(got) => got.into_iter().next(),
                // Something of this batch has been done: no fault any more.
                Err(fault) if batch.begun => {
                    tracing::warn!(%fault, "the other occurrences of a series are left for later");
                    batch.broken = true;
                    batch.settle(trace.at, Outcome::InDoubt);
                    continue;
                }
                Err(fault) => return Err(fault),
            };
            match got {
                Some(Got::Item(item)) => {
                    let same = match (event_of(&item.held), before.get(&trace.at).and_then(event_of)) {
                        (Some(now), Some(then)) => same_content(now, then),
                        _ => false,
                    };
                    if same {
                        ask = ask.only_if(item.held.change_key());
                        for (trace, problem) in self.send_once(vec![(trace, ask)], batch).await? {
                            batch.settle(trace.at, told(&problem));
                        }
                    } else {
                        trace.conflict = true;
                        batch.written.push(trace);
                    }
                }
                Some(Got::Missing) => batch.settle(trace.at, Outcome::Missing),
                _ => batch.settle(trace.at, Outcome::InDoubt),
            }
        }
        Ok(())
    }

    /// One reading of all that was written. What cannot be read back is in doubt.
    async fn read_back(&self, batch: &mut Batch, places: &Places) {
        let written = std::mem::take(&mut batch.written);
        if written.is_empty() {
            return;
        }
        let asked: Vec<(ItemKind, String)> = written
            .iter()
            .map(|trace| (trace.kind, trace.id.clone()))
            .collect();
        let got = match self.get(&asked).await {
            Ok(got) => got,
            Err(fault) => {
                tracing::warn!(%fault, "what was written cannot be read back");
                return;
            }
        };
        for (trace, got) in written.into_iter().zip(got) {
            let outcome = match got {
                Got::Item(item) => {
                    let now: Box<Snapshot> = Box::new(item.held.snapshot(places));
                    if trace.conflict {
                        Outcome::Conflict(now)
                    } else {
                        Outcome::Written {
                            now,
                            replaced: trace.replaced,
                            left: None,
                        }
                    }
                }
                // Made, and moved or not to be seen yet: said to be missing, it would be made again.
                Got::Missing if !trace.made => Outcome::Missing,
                Got::Missing | Got::Unreadable(_) => Outcome::InDoubt,
            };
            batch.settle(trace.at, outcome);
        }
    }
}

/// Where items of a kind are made.
fn home_of(kind: ItemKind, folder: &str) -> String {
    match kind {
        ItemKind::Contact => format!("/me/contactFolders/{}/contacts", escaped(folder)),
        ItemKind::Event => "/me/events".to_owned(),
        ItemKind::Task => format!("/me/todo/lists/{}/tasks", escaped(folder)),
        ItemKind::Email => "/me/messages".to_owned(),
    }
}

/// Why an item is not touched at all.
fn protected(write: &Write, held: &Held, places: &Places) -> Option<Outcome> {
    let Some(event) = event_of(held) else {
        let rich = matches!(held, Held::Task(task) if task.is_rich());
        let body = matches!(write, Write::Update { set, .. } if set.contains_key(&Field::Body));
        return (rich && body).then(|| refused_as(IssueCode::RichBody, RICH, vec![Field::Body]));
    };
    if let Some(outcome) = would_be_told(write, event, held, places) {
        return Some(outcome);
    }
    let Write::Update { set, .. } = write else {
        return None;
    };
    if !set.contains_key(&Field::Body) {
        return None;
    }
    let why = if event.is_online() {
        "The text says where the online meeting is held: it is not overwritten."
    } else if event.is_rich() {
        RICH
    } else {
        return None;
    };
    Some(refused_as(IssueCode::RichBody, why, vec![Field::Body]))
}

/// Whether others would get a mail, or the user's copy would say what its organizer did not.
fn would_be_told(write: &Write, event: &Event, held: &Held, places: &Places) -> Option<Outcome> {
    let facts = held.snapshot(places).extra.event?;
    let invited = facts.part == Role::Attendee;
    if !invited && event.attendees.is_empty() {
        return None;
    }
    match write {
        Write::Update { set, notify, .. } => {
            let loud: Vec<Field> = set
                .iter()
                .filter(|(field, value)| **field != Field::Reminder && !value.is_unknown())
                .map(|(field, _)| *field)
                .collect();
            let why = if invited {
                "This is somebody else's meeting: only its organizer can change it."
            } else {
                "Microsoft would send this change to the attendees. Change it in Outlook."
            };
            (!loud.is_empty() && (invited || !notify))
                .then(|| refused_as(IssueCode::ChangeInOutlook, why, loud))
        }
        Write::Delete { notify, .. } => {
            let why = if invited {
                "Microsoft would tell the organizer. Delete it in Outlook."
            } else {
                "Microsoft would send a cancellation to the attendees. Delete it in Outlook."
            };
            (invited || !notify).then(|| refused_as(IssueCode::ChangeInOutlook, why, vec![]))
        }
        Write::Create { .. } => None,
    }
}

/// What is sent to make an item.
fn new_item(key: &str, record: &Record, home: Option<&Written>) -> Result<Value, Box<Outcome>> {
    let bad = |field: Field| Box::new(unwritable(field));
    let link = tandem_sync::model::LinkKey(key.to_owned());
    match record.kind {
        ItemKind::Contact => {
            let (mut body, mut properties) = contact::write(&record.fields, None).map_err(bad)?;
            body.retain(|_, value| !value.is_null() && *value != json!([]));
            properties.retain(|property| property["value"] != "");
            let known = |field| record.get(field).known().unwrap_or_default();
            let shown = display_name(
                known(NAMES[0]),
                known(NAMES[1]),
                known(NAMES[2]),
                known(Field::Company),
            );
            if !shown.is_empty() {
                body.insert("displayName".to_owned(), json!(shown));
            }
            body.insert("categories".to_owned(), json!([CATEGORY]));
            properties.push(property::entry(KEY, key));
            body.insert(
                "singleValueExtendedProperties".to_owned(),
                Value::Array(properties),
            );
            Ok(Value::Object(body))
        }
        ItemKind::Event => {
            if let Some(when) = record.get(Field::When).known() {
                check_order(when.parse().map_err(|_| bad(Field::When))?)?;
            }
            event::new(&link, record, home).map_err(bad)
        }
        ItemKind::Task => task::new(&link, record).map_err(bad),
        ItemKind::Email => Err(Box::new(refused(
            "Mails are never made in a mailbox.",
            vec![],
            false,
        ))),
    }
}

/// What is sent to change an item.
struct Changed {
    body: Option<Box<Ask>>,
    /// Once that is done.
    then: Option<Box<Ask>>,
}

fn changed(write: &Write, item: &Item, home: Option<&Written>) -> Result<Changed, Box<Outcome>> {
    let Write::Update {
        kind,
        id,
        version,
        set,
        key,
        mark,
        ..
    } = write
    else {
        return Err(Box::new(Outcome::InDoubt));
    };
    let held = &item.held;
    let bad = |field: Field| Box::new(unwritable(field));
    if let Some(text) = set.get(&Field::When).and_then(FieldValue::known) {
        check_order(text.parse().map_err(|_| bad(Field::When))?)?;
    }
    // On an occurrence, they would make it an exception of its series.
    let tagged = !matches!(held, Held::Event(event) if event.is_of_series());
    let key = key
        .as_ref()
        .map(|key| key.0.as_str())
        .filter(|key| tagged && held.key() != Some(key));
    let categories = held.marked(*mark).filter(|_| tagged);
    let mut properties: Vec<Value> = Vec::new();
    let mut body: Map<String, Value> = match held {
        Held::Contact(contact) => {
            let (mut body, more) = contact::write(set, Some(&item.json)).map_err(bad)?;
            properties.extend(more);
            if let Some(name) = new_display_name(contact, set) {
                body.insert("displayName".to_owned(), json!(name));
            }
            body
        }
        Held::Event(event) => event::changes(event, set, home).map_err(bad)?,
        Held::Task(_) => task::changes(set).map_err(bad)?,
        // A mail is marked, and nothing else of it is ever changed.
        Held::Mail(_) => Map::new(),
    };
    if let Some(categories) = categories {
        body.insert("categories".to_owned(), json!(categories));
    }
    let path = path(*kind, &id.0);
    let mut then = None;
    if let Some(key) = key {
        if matches!(held, Held::Task(_)) {
            let extension = json!({ "key": key });
            then = Some(Box::new(if task::extension(&item.json).is_some() {
                Ask::patch(format!("{path}/extensions/{EXTENSION}"), extension)
            } else {
                Ask::post(format!("{path}/extensions"), task::new_extension(key))
            }));
        } else {
            properties.push(property::entry(KEY, key));
        }
    }
    if !properties.is_empty() {
        body.insert(
            "singleValueExtendedProperties".to_owned(),
            Value::Array(properties),
        );
    }
    let body =
        (!body.is_empty()).then(|| Box::new(Ask::patch(path, Value::Object(body)).only_if(&version.0)));
    Ok(Changed { body, then })
}

/// One item's error, as the engine is told.
pub(crate) fn told(problem: &Problem) -> Outcome {
    if problem.is_missing() {
        return Outcome::Missing;
    }
    let text = problem.told();
    let is = |codes: &[&str]| codes.iter().any(|code| problem.code.eq_ignore_ascii_case(code));
    if is(&["ErrorCalendarDurationIsTooLong"]) {
        return refused_as(IssueCode::EventTooLong, &text, vec![Field::When]);
    }
    if is(&["ErrorCalendarEndDateIsEarlierThanStartDate"]) {
        return refused_as(IssueCode::EndBeforeStart, &text, vec![Field::When]);
    }
    if is(&[
        "TimeZoneNotSupportedException",
        "ErrorInvalidTimeZone",
        "ErrorTimeZone",
    ]) {
        return refused_as(IssueCode::ZoneUnknown, &text, vec![Field::When]);
    }
    if problem.status == 413 || is(&["ErrorMessageSizeExceeded", "ErrorDataSizeLimitExceeded"]) {
        return refused_as(IssueCode::TooLarge, &text, vec![]);
    }
    match problem.kind() {
        _ if problem.in_doubt() => Outcome::InDoubt,
        FaultKind::RateLimited { .. } | FaultKind::Transient { .. } | FaultKind::SignInEnded => {
            refused(&text, vec![], true)
        }
        FaultKind::Rejected => refused_as(IssueCode::NoPermission, &text, vec![]),
        _ => {
            tracing::debug!(code = problem.shown(), "an item was refused");
            refused(&text, vec![], false)
        }
    }
}
