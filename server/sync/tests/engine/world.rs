//! Two sides, a store and a clock in memory, with everything that can go wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tandem_sync::model::{
    Access, Candidate, Change, Changes, Clue, Cursor, Extra, Fate, Field, FieldRule, FieldValue, File,
    ItemId, Kinds, Known, LinkKey, Mark, MatchKey, Message, Outcome, Profile, Profiles, Record, Refusal,
    Rival, Scope, Snapshot, Trace, Version, Want, When, Window, Write,
};
use tandem_sync::normalise::{email, fit, folded, normalise};
use tandem_sync::ports::{
    Claim, Clock, Closing, Commit, Crm, Endpoint, HashKey, IssueKey, JournalAct, JournalEntry, Lease,
    LinkAsk, Mailbox, Observer, Opening, Pick, Rng, Store, StoreError, Wish,
};
use tandem_sync::session::{Context, Limits, Report, run};
use tandem_sync::{BaseHash, Fault, FaultKind, Link, LinkState};
use tandem_types::{
    AttachmentRules, IssueCode, ItemKind, LinkId, Progress, SessionId, Settings, Side, StateReason,
    SyncState, Timestamp, UserId,
};

/// SplitMix64: the same seed, the same numbers.
pub(crate) struct Seeded(AtomicU64);

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    pub(crate) fn next(&self) -> u64 {
        let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}

impl Rng for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let n = self.next().to_le_bytes();
            chunk.copy_from_slice(&n[..chunk.len()]);
        }
    }
}

pub(crate) struct Virtual(AtomicI64);

#[async_trait]
impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    async fn sleep(&self, duration: Duration) {
        self.0
            .fetch_add(i64::try_from(duration.as_micros()).unwrap(), Ordering::Relaxed);
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) record: Record,
    pub(crate) version: u64,
    pub(crate) key: Option<LinkKey>,
    pub(crate) scope: Scope,
    pub(crate) marked: bool,
    pub(crate) extra: Extra,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    pub(crate) gone: Option<Option<ItemId>>,
    /// Neither shown nor explained.
    pub(crate) hidden: bool,
    /// Filed under another id.
    pub(crate) moved_to: Option<ItemId>,
}

/// Which faults happen. Counted down by the calls concerned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// The n-th call fails.
    pub(crate) call: Option<(u32, FaultKind)>,
    /// The n-th call of `write` from now is lost: with or without its effect.
    pub(crate) doubt: Option<(u32, bool)>,
    /// Edits by the user between our reading and our writing.
    pub(crate) meddle: Vec<(ItemId, Field, String)>,
    /// Refused whenever it is written: by surname.
    pub(crate) refuse: BTreeMap<String, Refusal>,
    /// Its fields are not written, all others are.
    pub(crate) leave: Option<Refusal>,
    pub(crate) expired: bool,
    /// Attachments that are refused, by name.
    pub(crate) refuse_files: BTreeMap<String, Refusal>,
    /// The answer to a write does not show these.
    pub(crate) unread: BTreeSet<Field>,
    /// A listing of what changed does not show these.
    pub(crate) unlisted: BTreeSet<Field>,
    /// Not shown, with this reason.
    pub(crate) unreadable: Vec<(ItemKind, ItemId, Refusal)>,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct State {
    pub(crate) items: BTreeMap<ItemId, Item>,
    pub(crate) log: Vec<ItemId>,
    pub(crate) calls: Vec<&'static str>,
    pub(crate) writes: Vec<Write>,
    pub(crate) faults: Faults,
    pub(crate) page: usize,
    pub(crate) shuffle: bool,
    pub(crate) profiles: Profiles,
    /// What the clues of the linker lead to.
    pub(crate) known: BTreeMap<Clue, Vec<Known>>,
    /// The contents of mails.
    pub(crate) contents: BTreeMap<ItemId, Result<Message, Refusal>>,
    /// What was attached to which record.
    pub(crate) files: Vec<(ItemId, File)>,
    pub(crate) rivals: Vec<Rival>,
    /// The user wants that mail is sent for his own meetings; how often it was.
    pub(crate) may_mail: bool,
    pub(crate) mails: usize,
    /// Every change lists events in full, as when a series changed.
    pub(crate) events_full: bool,
    /// The server writes values its own way.
    pub(crate) rewrites: bool,
    /// Updates are not checked against a version.
    pub(crate) blind: bool,
    counter: u64,
}

impl State {
    pub(crate) fn contacts(&mut self) -> &mut Profile {
        self.profiles.0.get_mut(&ItemKind::Contact).unwrap()
    }
}

pub(crate) struct FakeSide {
    pub(crate) side: Side,
    pub(crate) state: Mutex<State>,
    clock: std::sync::Arc<Virtual>,
    rng: std::sync::Arc<Seeded>,
}

/// Mails in one page of a back-fill.
const HISTORY_PAGE: usize = 100;

pub(crate) fn known(text: &str) -> FieldValue {
    FieldValue::from_text(text)
}

impl FakeSide {
    fn new(side: Side, clock: std::sync::Arc<Virtual>, rng: std::sync::Arc<Seeded>, holds_key: bool) -> Self {
        let profiles = profiles(side, holds_key);
        Self {
            side,
            state: Mutex::new(State {
                items: BTreeMap::new(),
                log: Vec::new(),
                calls: Vec::new(),
                writes: Vec::new(),
                faults: Faults::default(),
                page: 7,
                shuffle: false,
                profiles,
                known: BTreeMap::new(),
                contents: BTreeMap::new(),
                files: Vec::new(),
                rivals: Vec::new(),
                may_mail: false,
                mails: 0,
                events_full: false,
                rewrites: false,
                blind: false,
                counter: 0,
            }),
            clock,
            rng,
        }
    }

    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap())
    }

    fn snapshot(state: &State, id: &ItemId, item: &Item) -> Snapshot {
        let kind = item.record.kind;
        let profile = state.profiles.of(kind).cloned().unwrap_or_default();
        let mut record = item.record.clone();
        record
            .fields
            .retain(|field, _| profile.fields.contains_key(field));
        for field in profile.fields.keys() {
            let content = kind == ItemKind::Email && matches!(field, Field::Body | Field::Html);
            if !content {
                record.fields.entry(*field).or_insert(FieldValue::Empty);
            }
        }
        Snapshot {
            id: id.clone(),
            version: Version(item.version.to_string()),
            key: item.key.clone().filter(|_| profile.holds_key),
            scope: item.scope,
            record,
            modified: item.modified,
            created: item.created,
            marked: item.marked,
            extra: item.extra.clone(),
        }
    }

    /// One with what decides beside its fields; marked or not.
    pub(crate) fn add_with(&self, record: Record, scope: Scope, marked: bool, extra: Extra) -> ItemId {
        let now = self.clock.now();
        self.with(|state| {
            let id = put(state, self.side, record, scope, marked, None, now);
            state.items.get_mut(&id).unwrap().extra = extra;
            id
        })
    }

    pub(crate) fn add(&self, record: Record, scope: Scope) -> ItemId {
        let now = self.clock.now();
        self.with(|state| {
            let marked = self.side == Side::Crm || scope == Scope::In;
            put(state, self.side, record, scope, marked, None, now)
        })
    }

    pub(crate) fn edit(&self, id: &ItemId, field: Field, text: &str) {
        let now = self.clock.now();
        self.with(|state| change(state, id, now, |item| item.record.set(field, known(text))));
    }

    pub(crate) fn touch(&self, id: &ItemId, f: impl FnOnce(&mut Item)) {
        let now = self.clock.now();
        self.with(|state| change(state, id, now, f));
    }

    pub(crate) fn delete(&self, id: &ItemId) {
        self.touch(id, |item| item.gone = Some(None));
    }

    pub(crate) fn merge_into(&self, id: &ItemId, winner: &ItemId) {
        self.touch(id, |item| item.gone = Some(Some(winner.clone())));
    }

    /// Filed into another folder: a new id, the same content and key.
    pub(crate) fn file(&self, id: &ItemId) -> ItemId {
        let now = self.clock.now();
        self.with(|state| {
            let mut item = state.items[id].clone();
            state.counter += 1;
            let new = ItemId(format!("{}-moved-{}", self.side.as_str(), state.counter));
            item.version += 1;
            item.modified = now;
            state.items.insert(new.clone(), item);
            change(state, id, now, |old| old.moved_to = Some(new.clone()));
            state.log.push(new.clone());
            new
        })
    }

    pub(crate) fn here(&self) -> Vec<(ItemId, Item)> {
        self.with(|state| {
            state
                .items
                .iter()
                .filter(|(_, item)| item.is_here())
                .map(|(id, item)| (id.clone(), item.clone()))
                .collect()
        })
    }

    pub(crate) fn value(&self, id: &ItemId, field: Field) -> FieldValue {
        self.with(|state| state.items[id].record.get(field).clone())
    }

    fn call(&self, name: &'static str) -> Result<(), Fault> {
        self.clock.0.fetch_add(1_000, Ordering::Relaxed);
        self.with(|state| {
            state.calls.push(name);
            if let Some((left, kind)) = state.faults.call {
                if left == 0 {
                    state.faults.call = None;
                    return Err(Fault::new(kind, "as ordered"));
                }
                state.faults.call = Some((left - 1, kind));
            }
            Ok(())
        })
    }

    fn found(&self, key: &MatchKey, among: &[ItemId]) -> Vec<Candidate> {
        self.with(|state| {
            among
                .iter()
                .map(|id| (id, &state.items[id]))
                .filter(|(_, item)| item.is_here())
                .filter(|(_, item)| match key {
                    MatchKey::Email(address) => {
                        email(item.record.get(Field::Email)).as_ref() == Some(address)
                    }
                    MatchKey::Event { subject, start } => {
                        item.record.kind == ItemKind::Event
                            && folded(Field::Subject, item.record.get(Field::Subject)) == *subject
                            && when(&item.record).is_some_and(|when| when.start_text() == *start)
                    }
                    MatchKey::Task { subject, due } => {
                        item.record.kind == ItemKind::Task
                            && folded(Field::Subject, item.record.get(Field::Subject)) == *subject
                            && item.record.get(Field::Due).known().unwrap_or("") == due
                    }
                    MatchKey::Message(id) => item.record.get(Field::MessageId).known() == Some(id),
                    MatchKey::Meeting { .. } => false,
                    MatchKey::Name { given, surname } => {
                        let text = |field| match normalise(field, item.record.get(field)) {
                            FieldValue::Known(text) => text.to_lowercase(),
                            _ => String::new(),
                        };
                        text(Field::GivenName) == given.to_lowercase()
                            && text(Field::Surname) == surname.to_lowercase()
                    }
                })
                .map(|(id, item)| {
                    if item.record.get(Field::Department) == &known("LEAD") {
                        Candidate::Lead {
                            id: id.clone(),
                            email: String::new(),
                        }
                    } else {
                        Candidate::Same(Box::new(Self::snapshot(state, id, item)))
                    }
                })
                .collect()
        })
    }
}

impl Item {
    pub(crate) fn is_here(&self) -> bool {
        self.gone.is_none() && !self.hidden && self.moved_to.is_none()
    }
}

fn put(
    state: &mut State,
    side: Side,
    record: Record,
    scope: Scope,
    marked: bool,
    key: Option<LinkKey>,
    now: Timestamp,
) -> ItemId {
    state.counter += 1;
    let id = ItemId(format!("{}-{:04}", side.as_str(), state.counter));
    let item = Item {
        version: 1,
        key,
        scope,
        marked,
        extra: Extra {
            event: (record.kind == ItemKind::Event).then(Default::default),
            task: (record.kind == ItemKind::Task).then(Default::default),
            ..Extra::default()
        },
        record,
        created: now,
        modified: now,
        gone: None,
        hidden: false,
        moved_to: None,
    };
    state.items.insert(id.clone(), item);
    state.log.push(id.clone());
    id
}

fn change(state: &mut State, id: &ItemId, now: Timestamp, f: impl FnOnce(&mut Item)) {
    let item = state.items.get_mut(id).unwrap();
    f(item);
    item.version += 1;
    item.modified = now;
    state.log.push(id.clone());
}

#[async_trait]
impl Endpoint for FakeSide {
    async fn profile(&self) -> Result<Profiles, Fault> {
        self.call("profile")?;
        Ok(self.with(|state| state.profiles.clone()))
    }

    fn unreadable(&self) -> Vec<(ItemKind, ItemId, Refusal)> {
        self.with(|state| std::mem::take(&mut state.faults.unreadable))
    }

    async fn restore(&self, gone: &[Trace]) -> Result<Vec<Outcome>, Fault> {
        self.call("restore")?;
        let now = self.clock.now();
        Ok(self.with(|state| {
            gone.iter()
                .map(|trace| {
                    if !state.items.contains_key(&trace.id) {
                        return Outcome::Missing;
                    }
                    change(state, &trace.id, now, |item| item.gone = None);
                    Outcome::Written {
                        now: Box::new(Self::snapshot(state, &trace.id, &state.items[&trace.id])),
                        replaced: BTreeMap::new(),
                        left: None,
                    }
                })
                .collect()
        }))
    }

    async fn rivals(&self) -> Result<Vec<Rival>, Fault> {
        Ok(self.with(|state| state.rivals.clone()))
    }

    async fn changes(&self, since: Option<&Cursor>, want: &Want) -> Result<Changes, Fault> {
        self.call("changes")?;
        self.with(|state| {
            let end = state.log.len();
            let (full, from, to, offset) = match since {
                None => (true, 0, end, 0),
                Some(cursor) => {
                    if std::mem::take(&mut state.faults.expired) {
                        return Err(Fault::new(FaultKind::CursorExpired, "expired"));
                    }
                    let mut parts = cursor.0.split(':');
                    let kind = parts.next().unwrap();
                    let mut number = || parts.next().map(|n| n.parse::<usize>().unwrap());
                    let (from, to, offset) = (number(), number(), number());
                    match kind {
                        "since" => (false, from.unwrap(), end, 0),
                        word => (word == "full", from.unwrap(), to.unwrap(), offset.unwrap()),
                    }
                }
            };
            let events = state.events_full;
            let listed = |item: &Item| full || (events && item.record.kind == ItemKind::Event);
            let reported: BTreeSet<&ItemId> = state.log[from..to].iter().collect();
            let ids = state
                .items
                .iter()
                .filter(|(id, item)| listed(item) || reported.contains(id))
                .map(|(id, _)| id);
            let mut list: Vec<Change> = Vec::new();
            for id in ids {
                let item = &state.items[id];
                let kind = item.record.kind;
                if !want.kinds.has(kind) {
                    continue;
                }
                let full = listed(item);
                if full && !in_full(item, want) {
                    continue;
                }
                let change = if item.is_here() {
                    match (self.side, item.scope) {
                        (Side::Crm, Scope::Out) if full => continue,
                        (Side::Crm, Scope::Out) => Change::Left(id.clone()),
                        _ => {
                            let mut now = Self::snapshot(state, id, item);
                            for field in &state.faults.unlisted {
                                now.record.set(*field, FieldValue::Unknown);
                            }
                            Change::Present(Box::new(now))
                        }
                    }
                } else if full {
                    continue;
                } else {
                    match (&item.gone, self.side) {
                        (Some(merged_into), Side::Crm) => Change::Deleted {
                            id: id.clone(),
                            merged_into: merged_into.clone(),
                        },
                        _ => Change::Absent(id.clone()),
                    }
                };
                list.push(change);
            }
            let more = list.len() > offset + state.page;
            let mut items: Vec<Change> = list.into_iter().skip(offset).take(state.page).collect();
            if state.shuffle {
                for n in (1..items.len()).rev() {
                    items.swap(n, self.rng.below(n + 1));
                }
                if let Some(change) = items.first().cloned() {
                    items.push(change);
                }
            }
            let cursor = if more {
                let word = if full { "full" } else { "part" };
                format!("{word}:{from}:{to}:{}", offset + state.page)
            } else {
                format!("since:{to}")
            };
            Ok(Changes {
                items,
                cursor: Cursor(cursor),
                more,
                full: if full {
                    want.kinds.without(ItemKind::Email)
                } else if events {
                    Kinds::of(ItemKind::Event).and(want.kinds)
                } else {
                    Kinds::NONE
                },
            })
        })
    }

    async fn read(&self, ids: &[ItemId]) -> Result<Vec<Option<Snapshot>>, Fault> {
        self.call("read")?;
        Ok(self.with(|state| {
            ids.iter()
                .map(|id| {
                    let item = state.items.get(id)?;
                    item.is_here().then(|| Self::snapshot(state, id, item))
                })
                .collect()
        }))
    }

    async fn fates(&self, asked: &[Trace]) -> Result<Vec<Fate>, Fault> {
        self.call("fates")?;
        Ok(self.with(|state| {
            asked
                .iter()
                .map(|Trace { kind, id, key, .. }| {
                    // But for its attachments, if they are owed: they are looked for where it lies now.
                    let owed = state.calls.ends_with(&["messages", "fates"]);
                    let mail = *kind == ItemKind::Email && self.side == Side::Mailbox;
                    assert!(!mail || owed, "nothing follows from a mail that is gone");
                    let Some(item) = state.items.get(id) else {
                        return Fault::transient("never was").unproved();
                    };
                    if item.is_here() {
                        return Fate::Here(Box::new(Self::snapshot(state, id, item)));
                    }
                    let by_key = state
                        .items
                        .iter()
                        .find(|(_, item)| item.is_here() && item.key.as_ref() == Some(key));
                    if let (Some((id, item)), true) =
                        (by_key, holds_key(state, *kind) && self.side == Side::Mailbox)
                    {
                        return Fate::Here(Box::new(Self::snapshot(state, id, item)));
                    }
                    // Deleted where it had been filed to: it lies in Deleted Items under its key.
                    let mut last = item;
                    while let Some(next) = &last.moved_to {
                        last = &state.items[next];
                    }
                    match &last.gone {
                        Some(merged_into) => Fate::Deleted {
                            merged_into: merged_into.clone(),
                        },
                        None => Fate::Unproved,
                    }
                })
                .collect()
        }))
    }

    async fn candidates(&self, keys: &[MatchKey]) -> Result<Vec<Vec<Candidate>>, Fault> {
        self.call("candidates")?;
        // Looked up once for all of them, so that thousands can be asked.
        let mut addresses: BTreeMap<String, Vec<ItemId>> = BTreeMap::new();
        self.with(|state| {
            for (id, item) in state.items.iter().filter(|(_, item)| item.is_here()) {
                if let Some(address) = email(item.record.get(Field::Email)) {
                    addresses.entry(address).or_default().push(id.clone());
                }
            }
        });
        let all: Vec<ItemId> = self.with(|state| state.items.keys().cloned().collect());
        Ok(keys
            .iter()
            .map(|key| match key {
                MatchKey::Email(address) => {
                    self.found(key, addresses.get(address).map_or(&[], Vec::as_slice))
                }
                _ => self.found(key, &all),
            })
            .collect())
    }

    async fn created(
        &self,
        kind: ItemKind,
        keys: &[LinkKey],
        since: Timestamp,
    ) -> Result<Vec<Snapshot>, Fault> {
        self.call("created")?;
        Ok(self.with(|state| {
            state
                .items
                .iter()
                .filter(|(_, item)| item.is_here() && item.record.kind == kind)
                .filter(|(_, item)| {
                    if holds_key(state, kind) {
                        item.key.as_ref().is_some_and(|key| keys.contains(key))
                    } else {
                        item.created >= since
                    }
                })
                .map(|(id, item)| Self::snapshot(state, id, item))
                .collect()
        }))
    }

    fn batch(&self) -> usize {
        3
    }

    async fn write(&self, writes: &[Write]) -> Result<Vec<Outcome>, Fault> {
        assert!(writes.len() <= self.batch());
        self.call("write")?;
        let now = self.clock.now();
        self.with(|state| {
            for (id, field, text) in std::mem::take(&mut state.faults.meddle) {
                if state.items.get(&id).is_some_and(Item::is_here) {
                    change(state, &id, now, |item| item.record.set(field, known(&text)));
                }
            }
            let lost = match state.faults.doubt {
                Some((0, effect)) => {
                    state.faults.doubt = None;
                    Some(effect)
                }
                Some((n, effect)) => {
                    state.faults.doubt = Some((n - 1, effect));
                    None
                }
                None => None,
            };
            if lost == Some(false) {
                return Ok(vec![Outcome::InDoubt; writes.len()]);
            }
            let mut outcomes: Vec<Outcome> = writes.iter().map(|write| self.one(state, write, now)).collect();
            for outcome in &mut outcomes {
                if let Outcome::Written { now, .. } = outcome {
                    for field in &state.faults.unread {
                        now.record.set(*field, FieldValue::Unknown);
                    }
                }
            }
            Ok(if lost.is_some() {
                vec![Outcome::InDoubt; writes.len()]
            } else {
                outcomes
            })
        })
    }
}

trait Unproved {
    fn unproved(self) -> Fate;
}

impl Unproved for Fault {
    fn unproved(self) -> Fate {
        Fate::Unproved
    }
}

impl FakeSide {
    fn one(&self, state: &mut State, write: &Write, now: Timestamp) -> Outcome {
        state.writes.push(write.clone());
        let leaves = |state: &State, field: Field| {
            let leave = state.faults.leave.as_ref();
            leave.is_some_and(|refusal| refusal.fields.contains(&field))
        };
        let left = |state: &State, fields: std::collections::btree_map::Keys<'_, Field, FieldValue>| {
            let any = fields.into_iter().any(|field| leaves(state, *field));
            state.faults.leave.clone().filter(|_| any).map(Box::new)
        };
        let refusal = |state: &State, record: &Record| {
            let name = record
                .get(Field::Surname)
                .known()
                .or(record.get(Field::Subject).known())?;
            state.faults.refuse.get(name).cloned()
        };
        let held = |state: &State, kind: ItemKind, field: Field, value: &FieldValue| {
            assert!(!value.is_unknown(), "unknown is never written");
            let rule = state.profiles.0[&kind].fields[&field];
            assert_eq!(
                &fit(field, value, rule),
                value,
                "longer than the side takes, or not for it"
            );
            let text = match value {
                FieldValue::Known(text) if state.rewrites => FieldValue::Known(format!(" {text}\u{a0}")),
                other => other.clone(),
            };
            if matches!(rule.access, Access::CreateOnly) && kind == ItemKind::Contact {
                FieldValue::Empty
            } else {
                text
            }
        };
        match write {
            Write::Create { key, record, notify } => {
                assert!(!notify, "a create sends mail");
                let kind = record.kind;
                if let Some(refusal) = refusal(state, record) {
                    return Outcome::Refused(refusal);
                }
                if self.side == Side::Crm && kind == ItemKind::Contact {
                    assert!(
                        record.get(Field::Surname).known().is_some(),
                        "Salesforce needs a last name"
                    );
                }
                let existing = state
                    .items
                    .iter()
                    .find(|(_, item)| {
                        holds_key(state, kind) && item.key.as_ref() == Some(key) && item.is_here()
                    })
                    .map(|(id, _)| id.clone());
                let id = existing.unwrap_or_else(|| {
                    let mut taken = Record::new(kind);
                    for (field, value) in &record.fields {
                        let value = if leaves(state, *field) {
                            FieldValue::Empty
                        } else {
                            held(state, kind, *field, value)
                        };
                        taken.set(*field, value);
                    }
                    let key = holds_key(state, kind).then(|| key.clone());
                    put(state, self.side, taken, Scope::In, true, key, now)
                });
                let now = Self::snapshot(state, &id, &state.items[&id]);
                Outcome::Written {
                    now: Box::new(now),
                    replaced: BTreeMap::new(),
                    left: left(state, record.fields.keys()),
                }
            }
            Write::Update {
                kind,
                id,
                version,
                set,
                key,
                mark,
                notify,
            } => {
                assert!(!notify || state.may_mail, "an update sends mail");
                state.mails += usize::from(*notify);
                let Some(item) = state.items.get(id).filter(|item| item.is_here()).cloned() else {
                    return Outcome::Missing;
                };
                if item.version.to_string() != version.0 && !state.blind {
                    return Outcome::Conflict(Box::new(Self::snapshot(state, id, &item)));
                }
                if let Some(refusal) = refusal(state, &item.record) {
                    return Outcome::Refused(refusal);
                }
                let mut replaced = BTreeMap::new();
                let mut record = item.record.clone();
                for (field, value) in set {
                    if leaves(state, *field) {
                        continue;
                    }
                    replaced.insert(*field, record.get(*field).clone());
                    let value = held(state, *kind, *field, value);
                    record.set(*field, value);
                }
                for value in replaced.values_mut().filter(|value| value.is_unknown()) {
                    *value = FieldValue::Empty;
                }
                change(state, id, now, |item| {
                    item.record = record;
                    item.key = key.clone().or(item.key.take());
                    match mark {
                        Some(Mark::Synced) => {
                            item.marked = true;
                            item.scope = Scope::In;
                            item.extra.failed = false;
                        }
                        Some(Mark::Failed) => item.extra.failed = true,
                        Some(Mark::None) => {
                            item.marked = false;
                            item.scope = Scope::Out;
                            item.extra.failed = false;
                        }
                        None => {}
                    }
                });
                let now = Self::snapshot(state, id, &state.items[id]);
                Outcome::Written {
                    now: Box::new(now),
                    replaced,
                    left: left(state, set.keys()),
                }
            }
            Write::Delete {
                id, version, notify, ..
            } => {
                assert!(!notify || state.may_mail, "a delete sends mail");
                state.mails += usize::from(*notify);
                let Some(item) = state.items.get(id).filter(|item| item.is_here()).cloned() else {
                    return Outcome::Missing;
                };
                if item.version.to_string() != version.0 {
                    return Outcome::Conflict(Box::new(Self::snapshot(state, id, &item)));
                }
                change(state, id, now, |item| item.gone = Some(None));
                Outcome::Deleted
            }
        }
    }
}

#[async_trait]
impl Mailbox for FakeSide {
    async fn prepare(&self) -> Result<(), Fault> {
        self.call("prepare")
    }

    async fn messages(
        &self,
        ids: &[ItemId],
        files: &AttachmentRules,
    ) -> Result<Vec<Result<Message, Refusal>>, Fault> {
        self.call("messages")?;
        assert!(ids.len() <= 10, "too many mails at once");
        Ok(self.with(|state| {
            ids.iter()
                .map(|id| {
                    let mut message = state.contents.get(id).cloned().unwrap_or_else(|| {
                        Ok(Message {
                            text: "text".to_owned(),
                            ..Message::default()
                        })
                    })?;
                    if !files.save {
                        message.files.clear();
                    }
                    Ok(message)
                })
                .collect()
        }))
    }

    async fn history(&self, window: Window, want: &Want, after: Option<&Cursor>) -> Result<Changes, Fault> {
        self.call("history")?;
        assert!(want.kinds.has(ItemKind::Email));
        let start: usize = after.map_or(0, |cursor| cursor.0.parse().unwrap());
        Ok(self.with(|state| {
            let all: Vec<Change> = state
                .items
                .iter()
                .filter(|(_, item)| {
                    item.extra
                        .mail
                        .as_deref()
                        .is_some_and(|mail| mail.sent >= window.from && mail.sent < window.to)
                })
                .map(|(id, item)| Change::Present(Box::new(Self::snapshot(state, id, item))))
                .collect();
            let end = (start + HISTORY_PAGE).min(all.len());
            Changes {
                more: end < all.len(),
                items: all[start.min(end)..end].to_vec(),
                cursor: Cursor(end.to_string()),
                full: Kinds::NONE,
            }
        }))
    }

    async fn estimate(&self, window: Window, _: &Want) -> Result<u32, Fault> {
        self.call("estimate")?;
        Ok(self.with(|state| {
            let mails = state.items.values().filter_map(|item| item.extra.mail.as_deref());
            let found = mails.filter(|mail| mail.sent >= window.from && mail.sent < window.to);
            u32::try_from(found.count()).unwrap()
        }))
    }
}

#[async_trait]
impl Crm for FakeSide {
    fn user(&self) -> UserId {
        "005000000000001AAA".parse().unwrap()
    }

    async fn known(&self, clues: &[Clue]) -> Result<Vec<Vec<Known>>, Fault> {
        self.call("known")?;
        Ok(self.with(|state| {
            clues
                .iter()
                .map(|clue| state.known.get(clue).cloned().unwrap_or_default())
                .collect()
        }))
    }

    async fn attach(&self, to: &ItemId, files: &[File]) -> Result<Vec<Result<(), Refusal>>, Fault> {
        self.call("attach")?;
        Ok(self.with(|state| {
            files
                .iter()
                .map(|file| {
                    if let Some(refusal) = state.faults.refuse_files.get(&file.name) {
                        return Err(refusal.clone());
                    }
                    if !state
                        .files
                        .iter()
                        .any(|(of, other)| of == to && other.name == file.name)
                    {
                        state.files.push((to.clone(), file.clone()));
                    }
                    Ok(())
                })
                .collect()
        }))
    }
}

/// What both sides can hold. Contacts differ as the real ones do; the CRM takes an email once.
pub(crate) fn profiles(side: Side, holds_key: bool) -> Profiles {
    let mut profiles = Profiles::default();
    for kind in ItemKind::ALL {
        let mut profile = Profile {
            holds_key,
            people_max: 50,
            ..Profile::default()
        };
        for &field in Field::of(kind) {
            profile.fields.insert(field, FieldRule::default());
        }
        let mut rule = |field: Field, rule: FieldRule| {
            profile.fields.insert(field, rule);
        };
        let access = |access: Access| FieldRule {
            access,
            ..FieldRule::default()
        };
        let at_most = |max: u32| FieldRule {
            max_chars: Some(max),
            ..FieldRule::default()
        };
        match (kind, side) {
            (ItemKind::Contact, Side::Crm) => {
                rule(Field::JobTitle, at_most(10));
                rule(
                    Field::Surname,
                    FieldRule {
                        required: true,
                        ..FieldRule::default()
                    },
                );
                rule(Field::Company, access(Access::CreateOnly));
                profile.fields.remove(&Field::OtherStreet);
            }
            (ItemKind::Event, Side::Crm) => {
                rule(Field::Subject, at_most(20));
                rule(
                    Field::ShowAs,
                    FieldRule {
                        words: &["busy", "free", "out_of_office"],
                        ..FieldRule::default()
                    },
                );
            }
            (ItemKind::Event, Side::Mailbox) => {
                rule(Field::Answer, access(Access::ReadOnly));
                profile.fields.remove(&Field::Relations);
            }
            (ItemKind::Task, Side::Mailbox) => {
                profile.fields.remove(&Field::Relations);
            }
            (ItemKind::Email, Side::Mailbox) => {
                profile.fields.remove(&Field::Relations);
                for rule in profile.fields.values_mut() {
                    rule.access = Access::ReadOnly;
                }
            }
            (ItemKind::Email, Side::Crm) => {
                for rule in profile.fields.values_mut() {
                    rule.access = Access::CreateOnly;
                }
            }
            _ => {}
        }
        profiles.0.insert(kind, profile);
    }
    profiles
}

fn holds_key(state: &State, kind: ItemKind) -> bool {
    state.profiles.of(kind).is_some_and(|profile| profile.holds_key)
}

pub(crate) fn when(record: &Record) -> Option<When> {
    record.get(Field::When).known()?.trim().parse().ok()
}

/// Whether a full listing holds it.
fn in_full(item: &Item, want: &Want) -> bool {
    match item.record.kind {
        ItemKind::Contact => true,
        ItemKind::Event => when(&item.record).is_none_or(|when| when.is_in(want.events)),
        ItemKind::Task => {
            item.record.get(Field::Status).known() != Some("completed") || item.modified >= want.tasks_since
        }
        ItemKind::Email => item
            .extra
            .mail
            .as_deref()
            .is_some_and(|mail| mail.sent >= want.mails_since),
    }
}

/// What is durable.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) opening: Opening,
    pub(crate) links: BTreeMap<LinkId, Link>,
    pub(crate) journal: Vec<JournalEntry>,
    pub(crate) issues: BTreeMap<IssueKey, String>,
    pub(crate) claims: BTreeMap<BaseHash, Claim>,
    /// Mailboxes of the organisation that sync.
    pub(crate) colleagues: BTreeSet<String>,
    /// Deletes by others of the organisation, at each commit of ours that deletes.
    pub(crate) others_delete: u32,
    pub(crate) closing: Option<Closing>,
    pub(crate) fence: i64,
    pub(crate) next_due: Option<Timestamp>,
}

pub(crate) struct FakeStore {
    pub(crate) kept: Mutex<Kept>,
    /// The n-th commit finds the database gone.
    pub(crate) fuse: Mutex<Option<u32>>,
    pub(crate) commits: AtomicU64,
    pub(crate) asked: AtomicU64,
    pub(crate) renewed: AtomicU64,
}

impl FakeStore {
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Kept) -> T) -> T {
        f(&mut self.kept.lock().unwrap())
    }

    fn holds(&self, lease: &Lease) -> Result<(), StoreError> {
        self.with(|kept| {
            if kept.fence == lease.fence {
                Ok(())
            } else {
                Err(StoreError::LeaseLost)
            }
        })
    }
}

#[async_trait]
impl Store for FakeStore {
    async fn claim(
        &self,
        _: &Pick,
        _: &str,
        session: SessionId,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        let fence = self.with(|kept| {
            kept.fence += 1;
            kept.fence
        });
        Ok(Some(Lease {
            connection: "c".repeat(32).parse().unwrap(),
            session,
            org: "00D000000000001AAA".parse().unwrap(),
            user: "005000000000001AAA".parse().unwrap(),
            fence,
            until: now.plus_seconds(i64::try_from(ttl.as_secs()).unwrap()),
        }))
    }

    async fn renew(&self, lease: &Lease, now: Timestamp, ttl: Duration) -> Result<Lease, StoreError> {
        self.holds(lease)?;
        self.renewed.fetch_add(1, Ordering::Relaxed);
        let until = now.plus_seconds(i64::try_from(ttl.as_secs()).unwrap());
        Ok(Lease {
            until,
            ..lease.clone()
        })
    }

    async fn open(&self, lease: &Lease) -> Result<Opening, StoreError> {
        self.holds(lease)?;
        Ok(self.with(|kept| {
            let live = kept
                .links
                .values()
                .filter(|link| link.state == LinkState::Live)
                .count();
            Opening {
                live_links: u32::try_from(live).unwrap(),
                ..kept.opening.clone()
            }
        }))
    }

    async fn links(&self, lease: &Lease, ask: &LinkAsk) -> Result<Vec<Link>, StoreError> {
        self.holds(lease)?;
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(self.with(|kept| {
            let hit = |link: &&Link| match ask {
                LinkAsk::All => true,
                LinkAsk::Pending => {
                    link.intent.is_some() || link.traits.files_owed || link.traits.waits_since.is_some()
                }
                LinkAsk::Of { mailbox, crm, keys } => {
                    link.mailbox_id.as_ref().is_some_and(|id| mailbox.contains(id))
                        || link.crm_id.as_ref().is_some_and(|id| crm.contains(id))
                        || keys.contains(&link.key)
                }
            };
            kept.links.values().filter(hit).cloned().collect()
        }))
    }

    async fn commit(&self, lease: &Lease, now: Timestamp, commit: Commit) -> Result<(), StoreError> {
        self.holds(lease)?;
        let mut fuse = self.fuse.lock().unwrap();
        match *fuse {
            Some(0) => {
                *fuse = None;
                return Err(StoreError::Unavailable("pulled the plug".to_owned()));
            }
            Some(n) => *fuse = Some(n - 1),
            None => {}
        }
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.with(|kept| {
            for link in commit.links {
                kept.links.insert(link.id.clone(), link);
            }
            kept.journal.extend(commit.journal);
            for key in commit.solved {
                kept.issues.remove(&key);
            }
            for (side, item) in commit.gone {
                kept.issues
                    .retain(|key, _| (key.side, &key.item) != (side, &item));
            }
            for issue in commit.issues {
                kept.issues.insert(issue.key, issue.detail);
            }
            let opening = &mut kept.opening;
            opening.mailbox_cursor = commit.mailbox_cursor.or(opening.mailbox_cursor.take());
            opening.crm_cursor = commit.crm_cursor.or(opening.crm_cursor.take());
            opening.last_full = commit.last_full.or(opening.last_full);
            opening.first_round_done |= commit.first_round_done;
            if commit.deletes > 0 {
                opening.org_deletes += commit.deletes + kept.others_delete;
            }
            if opening.backfill.is_some() {
                opening.backfill = commit.backfill.or(opening.backfill.take());
            }
            if commit.moved {
                opening.last_moved = Some(now);
            }
            for claim in commit.claims {
                kept.claims.insert(claim.hash, claim);
            }
            for (_, hash) in commit.unclaimed {
                kept.claims.remove(&hash);
            }
        });
        Ok(())
    }

    async fn claims(
        &self,
        lease: &Lease,
        now: Timestamp,
        wishes: &[Wish],
        stale_before: Timestamp,
    ) -> Result<Vec<Claim>, StoreError> {
        self.holds(lease)?;
        Ok(self.with(|kept| {
            wishes
                .iter()
                .map(|wish| {
                    let new = || Claim {
                        kind: wish.kind,
                        hash: wish.hash,
                        holder: lease.connection.clone(),
                        key: wish.key.clone(),
                        crm_id: None,
                        since: now,
                    };
                    let claim = kept.claims.entry(wish.hash).or_insert_with(new);
                    if wish.gone.is_some() && wish.gone == claim.crm_id {
                        *claim = new();
                    }
                    if claim.crm_id.is_none()
                        && claim.since < stale_before
                        && claim.holder != lease.connection
                    {
                        claim.holder = lease.connection.clone();
                        claim.since = now;
                    }
                    claim.clone()
                })
                .collect()
        }))
    }

    async fn claimed(
        &self,
        lease: &Lease,
        hashes: &[(ItemKind, BaseHash)],
    ) -> Result<Vec<Option<Claim>>, StoreError> {
        self.holds(lease)?;
        Ok(self.with(|kept| {
            hashes
                .iter()
                .map(|(_, hash)| kept.claims.get(hash).cloned())
                .collect()
        }))
    }

    async fn colleagues(&self, lease: &Lease, addresses: &[String]) -> Result<Vec<bool>, StoreError> {
        self.holds(lease)?;
        Ok(self.with(|kept| {
            addresses
                .iter()
                .map(|address| kept.colleagues.contains(address))
                .collect()
        }))
    }

    async fn journal(&self, lease: &Lease, _: &SessionId) -> Result<Vec<JournalEntry>, StoreError> {
        self.holds(lease)?;
        Ok(self.with(|kept| kept.journal.clone()))
    }

    async fn close(&self, lease: &Lease, closing: Closing) -> Result<(), StoreError> {
        self.holds(lease)?;
        self.with(|kept| {
            kept.opening.state = closing.state;
            kept.opening.reason = closing.reason;
            kept.opening.rejections = closing.rejections;
            kept.opening.failures = closing.failures;
            kept.opening.released &= !closing.release_used;
            kept.next_due = closing.next_due;
            kept.closing = Some(closing);
        });
        Ok(())
    }
}

#[derive(Default)]
pub(crate) struct Watch {
    pub(crate) progress: Mutex<Vec<Progress>>,
    pub(crate) stop_after: Mutex<Option<u32>>,
}

impl Observer for Watch {
    fn progress(&self, progress: Progress) {
        self.progress.lock().unwrap().push(progress);
    }

    fn should_stop(&self) -> bool {
        let mut left = self.stop_after.lock().unwrap();
        match *left {
            Some(0) => true,
            Some(n) => {
                *left = Some(n - 1);
                false
            }
            None => false,
        }
    }
}

pub(crate) struct World {
    pub(crate) mailbox: FakeSide,
    pub(crate) crm: FakeSide,
    pub(crate) store: FakeStore,
    pub(crate) clock: std::sync::Arc<Virtual>,
    pub(crate) rng: std::sync::Arc<Seeded>,
    pub(crate) watch: Watch,
    pub(crate) limits: Limits,
    pub(crate) dry_run: bool,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self::keyed(seed, true, true)
    }

    /// An empty pair of sides whose first round is let through.
    pub(crate) fn keyed(seed: u64, mailbox_keys: bool, crm_keys: bool) -> Self {
        let rng = std::sync::Arc::new(Seeded::new(seed));
        let clock = std::sync::Arc::new(Virtual(AtomicI64::new(1_700_000_000_000_000)));
        let opening = Opening {
            state: SyncState::Active,
            reason: None,
            settings: Settings::default(),
            mailbox_cursor: None,
            crm_cursor: None,
            hash_key: HashKey([3; 32]),
            live_links: 0,
            rejections: 0,
            failures: 0,
            first_round_done: false,
            released: true,
            last_full: None,
            org_key: HashKey([4; 32]),
            org_deletes: 0,
            org_stopped: false,
            org_released: false,
            last_moved: None,
            backfill: None,
            activated: Timestamp(1_700_000_000_000_000),
            address: "me@own.example".to_owned(),
        };
        Self {
            mailbox: FakeSide::new(Side::Mailbox, clock.clone(), rng.clone(), mailbox_keys),
            crm: FakeSide::new(Side::Crm, clock.clone(), rng.clone(), crm_keys),
            store: FakeStore {
                kept: Mutex::new(Kept {
                    opening,
                    links: BTreeMap::new(),
                    journal: Vec::new(),
                    issues: BTreeMap::new(),
                    claims: BTreeMap::new(),
                    colleagues: BTreeSet::new(),
                    others_delete: 0,
                    closing: None,
                    fence: 0,
                    next_due: None,
                }),
                fuse: Mutex::new(None),
                commits: AtomicU64::new(0),
                asked: AtomicU64::new(0),
                renewed: AtomicU64::new(0),
            },
            clock,
            rng,
            watch: Watch::default(),
            limits: Limits::default(),
            dry_run: false,
        }
    }

    pub(crate) fn side(&self, side: Side) -> &FakeSide {
        match side {
            Side::Mailbox => &self.mailbox,
            Side::Crm => &self.crm,
        }
    }

    pub(crate) fn settings(&self, f: impl FnOnce(&mut Settings)) {
        self.store.with(|kept| f(&mut kept.opening.settings));
    }

    pub(crate) fn minutes(&self, minutes: i64) {
        self.seconds(minutes * 60);
    }

    pub(crate) fn seconds(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }

    /// One session, ten minutes later.
    pub(crate) fn try_session(&self) -> Result<Report, StoreError> {
        self.minutes(10);
        for side in Side::BOTH {
            self.side(side).with(|state| {
                state.calls.clear();
                state.writes.clear();
            });
        }
        futures::executor::block_on(async {
            let session = "5".repeat(32).parse().unwrap();
            let lease = self
                .store
                .claim(&Pick::Due, "test", session, self.clock.now(), self.limits.lease)
                .await?
                .unwrap();
            let cx = Context {
                mailbox: &self.mailbox,
                crm: &self.crm,
                store: &self.store,
                clock: &*self.clock,
                rng: &*self.rng,
                observer: &self.watch,
                dry_run: self.dry_run,
                limits: self.limits,
            };
            run(&cx, lease).await
        })
    }

    pub(crate) fn session(&self) -> Report {
        self.try_session().unwrap()
    }

    pub(crate) fn calls(&self, side: Side) -> Vec<&'static str> {
        self.side(side).with(|state| state.calls.clone())
    }

    pub(crate) fn writes(&self, side: Side) -> Vec<Write> {
        self.side(side).with(|state| state.writes.clone())
    }

    pub(crate) fn wrote(&self) -> usize {
        Side::BOTH.into_iter().map(|side| self.writes(side).len()).sum()
    }

    pub(crate) fn links(&self) -> Vec<Link> {
        self.store.with(|kept| kept.links.values().cloned().collect())
    }

    pub(crate) fn issues(&self) -> Vec<(Side, IssueCode)> {
        self.store
            .with(|kept| kept.issues.keys().map(|key| (key.side, key.code)).collect())
    }

    pub(crate) fn reason(&self) -> Option<StateReason> {
        self.store.with(|kept| kept.opening.reason)
    }

    /// Whether the journal holds this text as something that a side held.
    pub(crate) fn journalled(&self, text: &str) -> bool {
        self.store.with(|kept| {
            kept.journal.iter().any(|entry| match &entry.act {
                JournalAct::Changed { old: values, .. }
                | JournalAct::Deleted { old: values }
                | JournalAct::LostToConflict { lost: values } => values
                    .iter()
                    .any(|(_, value)| value.known().is_some_and(|held| held.trim() == text)),
                _ => false,
            })
        })
    }

    /// Asserts that a session finds nothing to do, and asks each side once.
    pub(crate) fn assert_quiet(&self) {
        let report = self.session();
        assert_eq!(self.wrote(), 0, "the session after writes: {:?}", report.lines);
        for side in Side::BOTH {
            let calls = self.calls(side);
            assert!(calls.iter().all(|call| *call == "changes"), "{side:?}: {calls:?}");
        }
    }

    /// Runs sessions until one writes nothing, then asserts that the next is quiet.
    pub(crate) fn settle(&self) {
        for _ in 0..8 {
            self.session();
            if self.wrote() == 0 {
                self.session();
                if self.wrote() == 0 {
                    return;
                }
            }
        }
        panic!("not quiet after eight sessions");
    }
}

pub(crate) fn person(given: &str, surname: &str, mail: &str) -> Record {
    Record::new(ItemKind::Contact)
        .with(Field::GivenName, given)
        .with(Field::Surname, surname)
        .with(Field::Email, mail)
}
