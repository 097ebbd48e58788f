//! A batch of writes: looked at, written, read back.

use std::collections::{BTreeMap, HashMap, HashSet};

use tandem_sync::model::{Field, FieldValue, Outcome, Record, Refusal, Snapshot, When, Write};
use tandem_sync::{Fault, FaultKind};
use tandem_types::{IssueCode, ItemKind};

use crate::client::Effect;
use crate::error::{CallError, ResponseError, shown};
use crate::event::{self, Event, Times};
use crate::ews::calendar::NewEvent;
use crate::ews::get_item::{self, Item, Shape};
use crate::ews::task::NewTask;
use crate::ews::write_items::{self, ContactUpdate, ItemUpdate, New, NewContact, Update};
use crate::held::Held;
use crate::mailbox::Ews;
use crate::map::{Contact, display_name};
use crate::places::Places;
use crate::reading::Got;
use crate::task::{self, Task};
use crate::zones::Written;

/// Items in one request that writes: a server that is slow has answered by the end of its time.
pub(crate) const SENT_AT_ONCE: usize = 100;
pub(crate) const NAMES: [Field; 3] = [Field::GivenName, Field::MiddleName, Field::Surname];

/// What a write left behind, before it was read back.
#[derive(Clone)]
struct Trace {
    /// The write's place in the batch.
    at: usize,
    kind: ItemKind,
    id: String,
    replaced: BTreeMap<Field, FieldValue>,
    /// The server said that the version moved: nothing was written.
    conflict: bool,
    /// It was not there before.
    made: bool,
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

    /// A call of this batch failed as a whole. A fault only if nothing of the batch can have been done.
    fn failed(
        &mut self,
        operation: &str,
        error: CallError,
        of: impl Iterator<Item = usize>,
    ) -> Result<(), Fault> {
        if !self.begun && !error.in_doubt() {
            return Err(error.into_fault(operation, true));
        }
        tracing::warn!(operation, %error, "a batch of writes was broken off");
        self.begun = true;
        self.broken = true;
        // What was not sent, or surely refused, is said to be in doubt too: it is looked at again, and nothing is lost.
        of.for_each(|at| self.outcomes[at] = Some(Outcome::InDoubt));
        Ok(())
    }

    /// What a call has made, message by message.
    fn made(&mut self, kind: ItemKind, places: &[usize], messages: Vec<Result<String, ResponseError>>) {
        self.begun = true;
        for (&at, message) in places.iter().zip(messages) {
            match message {
                Ok(id) if !id.is_empty() => self.written.push(Trace {
                    at,
                    kind,
                    id,
                    replaced: BTreeMap::new(),
                    conflict: false,
                    made: true,
                }),
                // Made, and no id told.
                Ok(_) => self.settle(at, Outcome::InDoubt),
                Err(error) => self.settle(at, told(error)),
            }
        }
    }

    /// Whether nothing more is sent: then the writes at these places are in doubt.
    fn gives_up(&mut self, of: impl Iterator<Item = usize>) -> bool {
        if self.broken {
            of.for_each(|at| self.outcomes[at] = Some(Outcome::InDoubt));
        }
        self.broken
    }
}

/// One write of an item that is there.
struct Asked<'a> {
    at: usize,
    kind: ItemKind,
    id: &'a str,
    version: &'a str,
    deletes: bool,
}

fn asked(writes: &[Write]) -> Vec<Asked<'_>> {
    writes
        .iter()
        .enumerate()
        .filter_map(|(at, write)| match write {
            Write::Create { .. } => None,
            Write::Update {
                kind, id, version, ..
            } => Some(Asked {
                at,
                kind: *kind,
                id: &id.0,
                version: &version.0,
                deletes: false,
            }),
            Write::Delete {
                kind, id, version, ..
            } => Some(Asked {
                at,
                kind: *kind,
                id: &id.0,
                version: &version.0,
                deletes: true,
            }),
        })
        .collect()
}

impl Ews {
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
        let places = self.places().await?;
        let before = self.look(writes, &places, &mut batch).await?;
        let home = if writes.iter().any(|write| needs_home(write, &before)) {
            self.home_zone(&before).await?
        } else {
            None
        };
        for kind in [ItemKind::Contact, ItemKind::Event, ItemKind::Task] {
            for notify in [false, true] {
                self.create(writes, kind, notify, home.as_ref(), &mut batch)
                    .await?;
            }
        }
        for notify in [false, true] {
            self.update(writes, notify, &before, home.as_ref(), &places, &mut batch)
                .await?;
        }
        for notify in [false, true] {
            self.delete(writes, notify, &mut batch).await?;
        }
        self.read_back(&mut batch).await;
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
    ) -> Result<HashMap<usize, Held>, Fault> {
        let asked = asked(writes);
        let mut before = HashMap::new();
        if asked.is_empty() {
            return Ok(before);
        }
        let ids: Vec<String> = asked.iter().map(|asked| asked.id.to_owned()).collect();
        let shapes: Vec<Shape> = asked.iter().map(|asked| Shape::Of(asked.kind)).collect();
        let got = self.get_shaped(&ids, &shapes).await?;
        for (asked, got) in asked.into_iter().zip(got) {
            match got {
                Got::Item(held) if held.folder() == places.deleted => {
                    batch.settle(
                        asked.at,
                        if asked.deletes {
                            Outcome::Deleted
                        } else {
                            Outcome::Missing
                        },
                    );
                }
                Got::Item(held) if held.kind() != asked.kind || held.is_master() => {
                    batch.settle(asked.at, not_shown());
                }
                Got::Item(held) if held.change_key() != asked.version => {
                    batch.settle(asked.at, Outcome::Conflict(Box::new(held.snapshot(places))));
                }
                Got::Item(held) => {
                    before.insert(asked.at, held);
                }
                Got::Missing => batch.settle(asked.at, Outcome::Missing),
                Got::Other | Got::Unreadable(_) => batch.settle(asked.at, not_shown()),
            }
        }
        self.protect_bodies(writes, &mut before, batch).await?;
        Ok(before)
    }

    /// A body with pictures or tables is not overwritten by plain text.
    async fn protect_bodies(
        &self,
        writes: &[Write],
        before: &mut HashMap<usize, Held>,
        batch: &mut Batch,
    ) -> Result<(), Fault> {
        let with_body: Vec<usize> = before
            .keys()
            .copied()
            .filter(|at| matches!(&writes[*at], Write::Update { set, .. } if set.contains_key(&Field::Body)))
            .collect();
        let mut asked: Vec<(usize, String)> = Vec::new();
        for at in with_body {
            let rich = match &before[&at] {
                Held::Contact(contact) => {
                    if !contact.body.trim().is_empty() {
                        asked.push((at, contact.id.clone()));
                    }
                    None
                }
                Held::Event(event) if event.is_online() => {
                    Some("The text says where the online meeting is held: it is not overwritten.")
                }
                Held::Event(event) if event.is_rich() => Some(RICH),
                Held::Task(task) if task.is_rich() => Some(RICH),
                Held::Event(_) | Held::Task(_) | Held::Mail(_) => None,
            };
            if let Some(text) = rich {
                before.remove(&at);
                batch.settle(at, refused_as(IssueCode::RichBody, text, vec![Field::Body]));
            }
        }
        if asked.is_empty() {
            return Ok(());
        }
        asked.sort_unstable();
        let ids: Vec<&str> = asked.iter().map(|(_, id)| id.as_str()).collect();
        let messages: Vec<Result<Item, ResponseError>> = self
            .client
            .call(
                get_item::NAME,
                Effect::Reads,
                get_item::request_html(&ids),
                get_item::payload,
            )
            .await
            .map_err(|error| error.into_fault(get_item::NAME, false))?;
        for ((at, _), message) in asked.into_iter().zip(messages) {
            if let Ok(Item::Contact(contact)) = message
                && is_rich(&contact.body)
            {
                before.remove(&at);
                let text = "The notes hold pictures or tables, which plain text would destroy.";
                batch.settle(at, refused(text, vec![Field::Body], false));
            }
        }
        Ok(())
    }

    /// The user's own zone: that of most of the events at hand, else of those next in the calendar. Exchange has no
    /// property for it, and whole days have to begin at midnight there.
    async fn home_zone(&self, before: &HashMap<usize, Held>) -> Result<Option<Written>, Fault> {
        if let Some(known) = self.with_known(|known| known.home.clone()) {
            return Ok(Some(known).filter(Written::is_given));
        }
        let mut zone = usual_zone(before.values().filter_map(event_of));
        if zone.is_none() {
            let places = self.places().await?;
            let window = self.with_known(|known| known.window);
            if let (Some(window), false) = (window, places.calendar.is_empty()) {
                let (from, to) = (window.from.seconds(), window.to.seconds());
                let found = self.view_page(&places.calendar, from, to).await?;
                let ids: Vec<String> = found
                    .iter()
                    .flat_map(|page| &page.items)
                    .map(|held| held.id().to_owned())
                    .take(50)
                    .collect();
                let held = self.once(&ids, ItemKind::Event).await?;
                zone = usual_zone(held.iter().filter_map(event_of));
            }
        }
        self.with_known(|known| known.home = Some(zone.clone().unwrap_or_default()));
        Ok(zone)
    }

    async fn create(
        &self,
        writes: &[Write],
        kind: ItemKind,
        notify: bool,
        home: Option<&Written>,
        batch: &mut Batch,
    ) -> Result<(), Fault> {
        let mut places = Vec::new();
        let mut items = Vec::new();
        for (at, write) in writes.iter().enumerate() {
            if let Write::Create {
                key,
                record,
                notify: notifies,
            } = write
            {
                if record.kind == ItemKind::Email {
                    batch.settle(at, refused("Mails are never made in a mailbox.", vec![], false));
                    continue;
                }
                if record.kind != kind || *notifies != notify {
                    continue;
                }
                match new_item(&key.0, record, home) {
                    Ok(item) => {
                        places.push(at);
                        items.push(item);
                    }
                    Err(outcome) => batch.settle(at, *outcome),
                }
            }
        }
        if items.is_empty() {
            return Ok(());
        }
        let mut folder = match self.places().await?.ours(kind) {
            Some(folder) => folder.to_owned(),
            None => self.ensure_folder(kind).await?,
        };
        let mut tried_anew = false;
        for (places, items) in places.chunks(SENT_AT_ONCE).zip(items.chunks(SENT_AT_ONCE)) {
            if batch.gives_up(places.iter().copied()) {
                continue;
            }
            let answer = loop {
                let request = write_items::create(&folder, items, notify);
                let answer: Result<Vec<Result<String, _>>, CallError> = self
                    .client
                    .call(write_items::CREATE, Effect::Writes, request, write_items::payload)
                    .await;
                let folder_gone = match &answer {
                    Ok(messages) => messages
                        .iter()
                        .all(|m| m.as_ref().is_err_and(ResponseError::is_missing_folder)),
                    Err(CallError::Response(error)) => error.is_missing_folder(),
                    Err(_) => false,
                };
                if !folder_gone || tried_anew {
                    break answer;
                }
                tried_anew = true;
                folder = self.ensure_folder(kind).await?;
            };
            match answer {
                Ok(messages) => batch.made(kind, places, messages),
                Err(error) => batch.failed(write_items::CREATE, error, places.iter().copied())?,
            }
        }
        Ok(())
    }

    async fn update(
        &self,
        writes: &[Write],
        notify: bool,
        before: &HashMap<usize, Held>,
        home: Option<&Written>,
        places: &Places,
        batch: &mut Batch,
    ) -> Result<(), Fault> {
        let mut first: Vec<(Trace, Update<'_>)> = Vec::new();
        let mut later: Vec<(Trace, Update<'_>)> = Vec::new();
        let mut series = HashSet::new();
        for (at, write) in writes.iter().enumerate() {
            let (
                Write::Update {
                    id,
                    set,
                    notify: notifies,
                    ..
                },
                Some(held),
            ) = (write, before.get(&at))
            else {
                continue;
            };
            if *notifies != notify {
                continue;
            }
            let update = match changed(write, held, home) {
                Ok(update) => update,
                Err(outcome) => {
                    batch.settle(at, *outcome);
                    continue;
                }
            };
            let trace = Trace {
                at,
                kind: held.kind(),
                id: id.0.clone(),
                replaced: set
                    .keys()
                    .map(|field| (*field, value_of(held, *field, places)))
                    .collect(),
                conflict: false,
                made: false,
            };
            if update.is_empty() {
                batch.written.push(trace);
            } else if let Held::Event(event) = held
                && event.is_of_series()
                && !series.insert(event.uid.clone())
            {
                later.push((trace, update));
            } else {
                first.push((trace, update));
            }
        }
        self.send_updates(first, notify, batch).await?;
        self.update_later(later, notify, before, batch).await
    }

    /// Occurrences of a series that another one of was changed before: that has moved the version of all of them. They
    /// are looked at once more, and written whatever their version is now, if nothing else has changed.
    async fn update_later(
        &self,
        later: Vec<(Trace, Update<'_>)>,
        notify: bool,
        before: &HashMap<usize, Held>,
        batch: &mut Batch,
    ) -> Result<(), Fault> {
        if later.is_empty() || batch.gives_up(later.iter().map(|(trace, _)| trace.at)) {
            return Ok(());
        }
        let ids: Vec<String> = later.iter().map(|(trace, _)| trace.id.clone()).collect();
        let got = match self.get(&ids, Shape::Of(ItemKind::Event)).await {
            Ok(got) => got,
            // Something of this batch has been done: no fault any more.
            Err(fault) if batch.begun => {
                tracing::warn!(%fault, "the other occurrences of a series are left for later");
                batch.broken = true;
                batch.gives_up(later.iter().map(|(trace, _)| trace.at));
                return Ok(());
            }
            Err(fault) => return Err(fault),
        };
        let mut ready = Vec::new();
        for ((mut trace, mut update), got) in later.into_iter().zip(got) {
            let same = match (&got, before.get(&trace.at).and_then(event_of)) {
                (Got::Item(Held::Event(now)), Some(then)) => same_content(now, then),
                _ => false,
            };
            if same {
                if let Update::Item(item) = &mut update {
                    item.change_key = None;
                }
                ready.push((trace, update));
            } else if matches!(got, Got::Missing) {
                batch.settle(trace.at, Outcome::Missing);
            } else {
                trace.conflict = true;
                batch.written.push(trace);
            }
        }
        self.send_updates(ready, notify, batch).await
    }

    async fn send_updates(
        &self,
        updates: Vec<(Trace, Update<'_>)>,
        notify: bool,
        batch: &mut Batch,
    ) -> Result<(), Fault> {
        let mut waiting = updates.into_iter();
        loop {
            let some: Vec<(Trace, Update<'_>)> = waiting.by_ref().take(SENT_AT_ONCE).collect();
            if some.is_empty() {
                return Ok(());
            }
            if !batch.gives_up(some.iter().map(|(trace, _)| trace.at)) {
                self.send_some_updates(some, notify, batch).await?;
            }
        }
    }

    async fn send_some_updates(
        &self,
        updates: Vec<(Trace, Update<'_>)>,
        notify: bool,
        batch: &mut Batch,
    ) -> Result<(), Fault> {
        let (traces, updates): (Vec<Trace>, Vec<Update<'_>>) = updates.into_iter().unzip();
        let answer: Result<Vec<Result<String, _>>, CallError> = self
            .client
            .call(
                write_items::UPDATE,
                Effect::Writes,
                write_items::update(&updates, notify),
                write_items::payload,
            )
            .await;
        let messages = match answer {
            Ok(messages) => messages,
            Err(CallError::Response(error)) if error.kind() == FaultKind::Conflict => {
                traces.iter().map(|_| Err(error.clone())).collect()
            }
            Err(error) => return batch.failed(write_items::UPDATE, error, traces.into_iter().map(|t| t.at)),
        };
        batch.begun = true;
        for (mut trace, message) in traces.into_iter().zip(messages) {
            match message {
                Ok(id) => {
                    if !id.is_empty() {
                        trace.id = id;
                    }
                    batch.written.push(trace);
                }
                Err(error) if error.kind() == FaultKind::Conflict => {
                    trace.conflict = true;
                    batch.written.push(trace);
                }
                Err(error) => batch.settle(trace.at, told(error)),
            }
        }
        Ok(())
    }

    async fn delete(&self, writes: &[Write], notify: bool, batch: &mut Batch) -> Result<(), Fault> {
        let asked: Vec<(usize, &str)> = writes
            .iter()
            .enumerate()
            .filter_map(|(at, write)| match write {
                Write::Delete {
                    id, notify: notifies, ..
                } if *notifies == notify && batch.outcomes[at].is_none() => Some((at, id.0.as_str())),
                _ => None,
            })
            .collect();
        for asked in asked.chunks(SENT_AT_ONCE) {
            if batch.gives_up(asked.iter().map(|(at, _)| *at)) {
                continue;
            }
            let ids: Vec<&str> = asked.iter().map(|(_, id)| *id).collect();
            let answer: Result<Vec<Result<String, _>>, CallError> = self
                .client
                .call(
                    write_items::DELETE,
                    Effect::Writes,
                    write_items::delete(&ids, notify),
                    write_items::payload,
                )
                .await;
            match answer {
                Ok(messages) => {
                    batch.begun = true;
                    for ((at, _), message) in asked.iter().zip(messages) {
                        batch.settle(*at, message.map_or_else(told, |_| Outcome::Deleted));
                    }
                }
                Err(error) => batch.failed(write_items::DELETE, error, asked.iter().map(|(at, _)| *at))?,
            }
        }
        Ok(())
    }

    /// One reading of each kind for all that was written. What cannot be read back is in doubt.
    async fn read_back(&self, batch: &mut Batch) {
        let written = std::mem::take(&mut batch.written);
        if written.is_empty() {
            return;
        }
        let ids: Vec<String> = written.iter().map(|trace| trace.id.clone()).collect();
        let shapes: Vec<Shape> = written.iter().map(|trace| Shape::Of(trace.kind)).collect();
        let read = async { Ok::<_, Fault>((self.places().await?, self.get_shaped(&ids, &shapes).await?)) };
        let (places, got) = match read.await {
            Ok(read) => read,
            Err(fault) => {
                tracing::warn!(%fault, "what was written cannot be read back");
                return;
            }
        };
        for (trace, got) in written.into_iter().zip(got) {
            let outcome = match got {
                Got::Item(held) => {
                    let now: Box<Snapshot> = Box::new(held.snapshot(&places));
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
                Got::Missing | Got::Other | Got::Unreadable(_) => Outcome::InDoubt,
            };
            batch.settle(trace.at, outcome);
        }
    }
}

pub(crate) const RICH: &str = "The text has pictures, tables or links, which plain text would destroy.";

pub(crate) fn event_of(held: &Held) -> Option<&Event> {
    match held {
        Held::Event(event) => Some(event),
        _ => None,
    }
}

/// Whether a write needs to know where the user's days begin.
pub(crate) fn needs_home(write: &Write, before: &HashMap<usize, Held>) -> bool {
    let whole_days = |value: &FieldValue| {
        value
            .known()
            .and_then(|text| text.parse::<When>().ok())
            .is_some_and(When::all_day)
    };
    match write {
        Write::Create { record, .. } => record.kind == ItemKind::Event && whole_days(record.get(Field::When)),
        Write::Update { id, set, .. } => set.get(&Field::When).is_some_and(|value| {
            let own = before
                .values()
                .filter_map(event_of)
                .find(|event| event.head.id == id.0);
            whole_days(value)
                && own.is_none_or(|event| !event.start_zone.is_given() || event.start_zone.is_utc())
        }),
        Write::Delete { .. } => false,
    }
}

/// The zone of most of them that can be written again, UTC left out: it is what programs write.
fn usual_zone<'a>(events: impl Iterator<Item = &'a Event>) -> Option<Written> {
    let mut counted: Vec<(usize, Written)> = Vec::new();
    for zone in events
        .filter_map(|event| event.start_zone.writable())
        .filter(|zone| !zone.is_utc())
    {
        match counted.iter_mut().find(|(_, other)| *other == zone) {
            Some((count, _)) => *count += 1,
            None => counted.push((1, zone)),
        }
    }
    counted
        .into_iter()
        .max_by_key(|(count, _)| *count)
        .map(|(_, zone)| zone)
}

/// Everything but what moves with its series.
pub(crate) fn same_content(a: &Event, b: &Event) -> bool {
    let bare = |event: &Event| {
        let mut event = event.clone();
        event.head.change_key.clear();
        event.head.modified.clear();
        event.exceptions.clear();
        event
    };
    bare(a) == bare(b)
}

pub(crate) fn value_of(held: &Held, field: Field, places: &Places) -> FieldValue {
    match held {
        Held::Contact(contact) => contact.value(field),
        Held::Event(event) => event.value(field, places),
        Held::Task(task) => task.value(field),
        Held::Mail(mail) => mail.snapshot(places).record.get(field).clone(),
    }
}

/// What is sent to make an item.
pub(crate) fn new_item<'a>(
    key: &'a str,
    record: &'a Record,
    home: Option<&Written>,
) -> Result<New<'a>, Box<Outcome>> {
    let known = |field| record.get(field).known().filter(|text| !text.is_empty());
    let bad = |field: Field| Box::new(unwritable(field));
    match record.kind {
        ItemKind::Contact => match write_items::unwritable(&record.fields) {
            Some(field) => Err(Box::new(refused(
                "Exchange cannot hold this date.",
                vec![field],
                false,
            ))),
            None => Ok(New::Contact(NewContact { key, record })),
        },
        ItemKind::Event => {
            let when = known(Field::When).ok_or_else(|| bad(Field::When))?;
            let when: When = when.parse().map_err(|_| bad(Field::When))?;
            check_order(when)?;
            let reminder = known(Field::Reminder);
            if reminder.is_some_and(|text| event::reminder(text).is_none()) {
                return Err(bad(Field::Reminder));
            }
            let show_as = known(Field::ShowAs).unwrap_or("busy");
            Ok(New::Event(NewEvent {
                key,
                subject: known(Field::Subject),
                body: known(Field::Body),
                location: known(Field::Location),
                times: Times::of(when, None, home).ok_or_else(|| bad(Field::When))?,
                reminder,
                show_as: event::free_busy(show_as).ok_or_else(|| bad(Field::ShowAs))?,
                private: known(Field::Private) == Some("yes"),
            }))
        }
        ItemKind::Task => {
            let due = match known(Field::Due) {
                Some(date) => Some(task::due(date).ok_or_else(|| bad(Field::Due))?),
                None => None,
            };
            let remind_at = known(Field::RemindAt);
            if remind_at.is_some_and(|at| task::remind_at(at).is_none()) {
                return Err(bad(Field::RemindAt));
            }
            Ok(New::Task(NewTask {
                key,
                subject: known(Field::Subject),
                body: known(Field::Body),
                importance: task::importance(record.get(Field::Priority))
                    .ok_or_else(|| bad(Field::Priority))?,
                remind_at,
                due,
                status: task::status(record.get(Field::Status)).ok_or_else(|| bad(Field::Status))?,
            }))
        }
        ItemKind::Email => Err(Box::new(refused(
            "Mails are never made in a mailbox.",
            vec![],
            false,
        ))),
    }
}

/// What is sent to change an item.
fn changed<'a>(write: &'a Write, held: &Held, home: Option<&Written>) -> Result<Update<'a>, Box<Outcome>> {
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
    let key = key
        .as_ref()
        .map(|key| key.0.as_str())
        .filter(|key| held.key() != Some(key));
    let categories = held.marked(*mark);
    let bad = |field: Field| Box::new(unwritable(field));
    if let Some(text) = set.get(&Field::When).and_then(FieldValue::known) {
        check_order(text.parse().map_err(|_| bad(Field::When))?)?;
    }
    let changes = match held {
        Held::Contact(contact) => {
            if let Some(field) = write_items::unwritable(set) {
                return Err(Box::new(refused(
                    "Exchange cannot hold this date.",
                    vec![field],
                    false,
                )));
            }
            return Ok(Update::Contact(ContactUpdate {
                id: &id.0,
                change_key: &version.0,
                set,
                key,
                categories,
                display_name: new_display_name(contact, set),
            }));
        }
        Held::Event(event) => event.changes(set, home).map_err(bad)?,
        Held::Task(_) => Task::changes(set).map_err(bad)?,
        // A mail is marked, and nothing else of it is ever changed.
        Held::Mail(_) => Vec::new(),
    };
    // On an occurrence, they would make it an exception of its series.
    let tagged = !matches!(held, Held::Event(event) if event.is_of_series());
    Ok(Update::Item(ItemUpdate {
        kind: *kind,
        id: &id.0,
        change_key: Some(&version.0),
        changes,
        key: key.filter(|_| tagged),
        categories: categories.filter(|_| tagged),
    }))
}

pub(crate) fn check_order(when: When) -> Result<(), Box<Outcome>> {
    if when.is_backwards() {
        let text = "The event ends before it starts.";
        return Err(Box::new(refused_as(
            IssueCode::EndBeforeStart,
            text,
            vec![Field::When],
        )));
    }
    Ok(())
}

pub(crate) fn unwritable(field: Field) -> Outcome {
    refused("Exchange cannot hold this value.", vec![field], false)
}

pub(crate) fn not_shown() -> Outcome {
    refused(
        "the mailbox does not show this item as what it was",
        vec![],
        false,
    )
}

/// The name shown follows the parts of the name, unless a user has given it another.
pub(crate) fn new_display_name(contact: &Contact, set: &BTreeMap<Field, FieldValue>) -> Option<String> {
    if !NAMES
        .iter()
        .any(|field| set.get(field).is_some_and(|value| !value.is_unknown()))
    {
        return None;
    }
    let company = contact.text(Field::Company);
    let old = |field| contact.text(field);
    let shown = display_name(old(NAMES[0]), old(NAMES[1]), old(NAMES[2]), company);
    if !contact.display_name.trim().is_empty() && contact.display_name.trim() != shown {
        return None;
    }
    let new = |field| match set.get(&field) {
        Some(FieldValue::Known(text)) => text.as_str(),
        Some(FieldValue::Empty) => "",
        Some(FieldValue::Unknown) | None => old(field),
    };
    Some(display_name(new(NAMES[0]), new(NAMES[1]), new(NAMES[2]), company)).filter(|name| !name.is_empty())
}

/// Pictures and tables cannot be said in plain text. (Links can: servers make them of any address in a text.)
fn is_rich(html: &str) -> bool {
    let html = html.to_ascii_lowercase();
    ["<img", "<table", "<object", "<v:imagedata"]
        .iter()
        .any(|tag| html.contains(tag))
}

/// One item's error, as the engine is told.
pub(crate) fn told(error: ResponseError) -> Outcome {
    if error.is_missing_item() {
        return Outcome::Missing;
    }
    let text = if error.text.trim().is_empty() {
        shown(&error.code)
    } else {
        &error.text
    };
    match error.code.as_str() {
        "ErrorCalendarDurationIsTooLong" => {
            return refused_as(IssueCode::EventTooLong, text, vec![Field::When]);
        }
        "ErrorCalendarEndDateIsEarlierThanStartDate" => {
            return refused_as(IssueCode::EndBeforeStart, text, vec![Field::When]);
        }
        "ErrorTimeZone" | "ErrorCalendarInvalidTimeZone" => {
            return refused_as(IssueCode::ZoneUnknown, text, vec![Field::When]);
        }
        "ErrorMessageSizeExceeded" | "ErrorDataSizeLimitExceeded" => {
            return refused_as(IssueCode::TooLarge, text, vec![]);
        }
        _ => {}
    }
    match error.kind() {
        _ if error.in_doubt() => Outcome::InDoubt,
        FaultKind::RateLimited { .. } | FaultKind::Transient { .. } => refused(&error.text, vec![], true),
        FaultKind::Rejected => refused_as(IssueCode::NoPermission, &error.text, vec![]),
        _ => {
            tracing::debug!(code = shown(&error.code), "an item was refused");
            refused(text, vec![], false)
        }
    }
}

pub(crate) fn refused(message: &str, fields: Vec<Field>, retry: bool) -> Outcome {
    Outcome::Refused(Refusal {
        code: IssueCode::Refused,
        message: message.to_owned(),
        fields,
        retry,
    })
}

pub(crate) fn refused_as(code: IssueCode, message: &str, fields: Vec<Field>) -> Outcome {
    Outcome::Refused(Refusal {
        code,
        message: message.to_owned(),
        fields,
        retry: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(display: &str) -> Contact {
        Contact {
            display_name: display.to_owned(),
            texts: vec![
                (Field::GivenName, "Nina".to_owned()),
                (Field::Surname, "Berg".to_owned()),
            ],
            categories: vec!["Friends".to_owned()],
            ..Contact::default()
        }
    }

    #[test]
    fn the_name_shown_follows_unless_a_user_chose_it() {
        let set = BTreeMap::from([(Field::Surname, FieldValue::Known("Holm".to_owned()))]);
        assert_eq!(
            new_display_name(&contact("Nina Berg"), &set).as_deref(),
            Some("Nina Holm")
        );
        assert_eq!(new_display_name(&contact(""), &set).as_deref(), Some("Nina Holm"));
        assert_eq!(new_display_name(&contact("Nini"), &set), None);
        let other = BTreeMap::from([(Field::JobTitle, FieldValue::Known("CEO".to_owned()))]);
        assert_eq!(new_display_name(&contact("Nina Berg"), &other), None);
        let cleared = BTreeMap::from([
            (Field::GivenName, FieldValue::Empty),
            (Field::Surname, FieldValue::Empty),
        ]);
        assert_eq!(new_display_name(&contact("Nina Berg"), &cleared), None);
    }

    #[test]
    fn rich_bodies_are_known() {
        assert!(is_rich("<html><IMG src=x></html>") && is_rich("<Table>"));
        assert!(!is_rich(
            "<p>see <a href=\"https://x.example\">https://x.example</a></p>"
        ));
    }

    #[test]
    fn errors_of_items() {
        let error = |code: &str| ResponseError {
            code: code.to_owned(),
            text: "full".to_owned(),
            ..ResponseError::default()
        };
        assert_eq!(told(error("ErrorItemNotFound")), Outcome::Missing);
        assert_eq!(told(error("ErrorTimeoutExpired")), Outcome::InDoubt);
        assert_eq!(told(error("ErrorQuotaExceeded")), refused("full", vec![], false));
        let code = |name: &str| match told(error(name)) {
            Outcome::Refused(refusal) => refusal.code,
            other => panic!("{other:?}"),
        };
        assert_eq!(code("ErrorCalendarDurationIsTooLong"), IssueCode::EventTooLong);
        assert_eq!(
            code("ErrorCalendarEndDateIsEarlierThanStartDate"),
            IssueCode::EndBeforeStart
        );
        assert_eq!(code("ErrorMessageSizeExceeded"), IssueCode::TooLarge);
        assert_eq!(code("ErrorTimeZone"), IssueCode::ZoneUnknown);
        assert_eq!(
            told(error("ErrorBatchProcessingStopped")),
            refused("full", vec![], true)
        );
        let Outcome::Refused(refusal) = told(error("ErrorAccessDenied")) else {
            panic!("not refused")
        };
        assert_eq!(refusal.code, IssueCode::NoPermission);
    }
}
