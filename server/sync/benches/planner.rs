//! How many decisions the planner makes in a second: pairs that have changed on a side, and new items, in one round.

#![expect(clippy::unwrap_used, reason = "what it cannot make it cannot measure")]

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tandem_sync::facts::{Facts, Links};
use tandem_sync::hash::Hasher;
use tandem_sync::merge::Both;
use tandem_sync::model::{
    Change, EventFacts, Extra, Fate, Field, FieldRule, FieldValue, ItemId, LinkKey, Profile, Profiles,
    Record, Scope, Snapshot, TaskFacts, Version, Window, instant,
};
use tandem_sync::normalise::VERSION;
use tandem_sync::plan::{Plan, Setting, plan};
use tandem_sync::ports::{HashKey, Rng};
use tandem_sync::survey::{Frame, Look, View};
use tandem_sync::{Base, Link, LinkState, Traits};
use tandem_types::{ItemKind, Settings, Side, Timestamp};

/// Linked items of which a side reports something.
const PAIRS: u64 = 1_000;
/// Items that are new on one side.
const NEW: u64 = 100;
const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);
const DAY: i64 = 24 * 3600;
const KINDS: [ItemKind; 3] = [ItemKind::Contact, ItemKind::Event, ItemKind::Task];

/// Ids are different, and that is all that counts here.
struct Counting(AtomicU64);

impl Rng for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let n = self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes();
            chunk.copy_from_slice(&n[..chunk.len()]);
        }
    }
}

/// All that a round has read, and what it is judged by.
struct Round {
    hashers: [Hasher; 2],
    profiles: Both<Profiles>,
    settings: Settings,
    frame: Frame,
    links: Links,
    facts: Facts,
    again: BTreeSet<tandem_types::LinkId>,
    rng: Counting,
}

fn profiles(side: Side) -> Profiles {
    let of = |kind: ItemKind| {
        let fields = Field::of(kind)
            .iter()
            .filter(|field| **field != Field::Relations || side == Side::Crm)
            .map(|field| (*field, FieldRule::default()));
        Profile {
            fields: fields.collect(),
            holds_key: true,
            people_max: 50,
        }
    };
    Profiles(KINDS.map(|kind| (kind, of(kind))).into())
}

/// As people fill them in.
fn record(kind: ItemKind, n: u64) -> Record {
    let mut record = Record::new(kind);
    let mut set = |field: Field, text: String| record.set(field, FieldValue::Known(text));
    let start = NOW.plus_seconds(i64::try_from(n % 40).unwrap() * DAY);
    match kind {
        ItemKind::Contact => {
            set(Field::GivenName, "Grażyna".to_owned());
            set(Field::Surname, format!("Größer {n}"));
            set(Field::Email, format!("person{n}@example.com"));
            set(Field::JobTitle, "Head of Analytics".to_owned());
            set(Field::Department, "Research".to_owned());
            set(Field::BusinessPhone, "+44 20 7946 0001".to_owned());
            set(Field::BusinessCity, "London".to_owned());
        }
        ItemKind::Event => {
            set(Field::Subject, format!("Kick-off {n}"));
            set(Field::Location, "Room 4".to_owned());
            set(Field::Body, "What we spoke about last week. ".repeat(8));
            let end = start.plus_seconds(1_800);
            set(Field::When, format!("{}/{}", instant(start), instant(end)));
            set(Field::Private, "no".to_owned());
        }
        ItemKind::Task => {
            set(Field::Subject, format!("Send the offer {n}"));
            set(Field::Body, "By mail, with the new prices.".to_owned());
            set(Field::Due, instant(start)[..10].to_owned());
            set(Field::Status, "not_started".to_owned());
        }
        ItemKind::Email => {}
    }
    record
}

impl Round {
    fn item(&self, side: Side, n: u64, key: Option<LinkKey>, record: Record) -> Snapshot {
        let profile = self.profiles.on(side).of(record.kind).unwrap();
        let mut record = record;
        for field in profile.fields.keys() {
            record.fields.entry(*field).or_insert(FieldValue::Empty);
        }
        if side == Side::Mailbox && record.kind != ItemKind::Contact {
            record.set(Field::Relations, FieldValue::Empty);
        }
        let kind = record.kind;
        Snapshot {
            id: ItemId(format!("{}-{n:06}", side.as_str())),
            version: Version("2".to_owned()),
            key,
            scope: Scope::In,
            record,
            modified: NOW.plus_seconds(-60),
            created: NOW.plus_seconds(-30 * DAY),
            marked: true,
            extra: Extra {
                event: (kind == ItemKind::Event).then(|| Box::new(EventFacts::default())),
                task: (kind == ItemKind::Task).then(TaskFacts::default),
                ..Extra::default()
            },
        }
    }

    /// A pair that both sides hold as they were left.
    fn link(&self, n: u64, kind: ItemKind) -> (Link, Both<Snapshot>) {
        let key = LinkKey(format!("{n:032x}"));
        let items = Both::new(
            self.item(Side::Mailbox, n, Some(key.clone()), record(kind, n)),
            self.item(Side::Crm, n, Some(key.clone()), record(kind, n)),
        );
        let mut base = Base {
            normaliser: VERSION,
            ..Base::default()
        };
        for side in Side::BOTH {
            for (field, value) in &items.on(side).record.fields {
                if let Some(hash) = self.hashers[0].of(*field, value)
                    && !(side == Side::Mailbox && *field == Field::Relations)
                {
                    base.on_mut(side).insert(*field, hash);
                }
            }
        }
        let link = Link {
            id: format!("{n:032x}").parse().unwrap(),
            kind,
            state: LinkState::Live,
            key,
            mailbox_id: Some(items.mailbox.id.clone()),
            mailbox_version: Some(Version("1".to_owned())),
            crm_id: Some(items.crm.id.clone()),
            crm_version: Some(Version("1".to_owned())),
            base,
            made_on: Some(Side::Mailbox),
            touched: true,
            intent: None,
            changed: NOW.plus_seconds(-DAY),
            traits: Traits::default(),
        };
        (link, items)
    }

    /// Of ten pairs four have changed in the mailbox, four in Salesforce, one on both sides, and one was deleted there.
    fn read() -> Self {
        let mut round = Self {
            hashers: [1, 2].map(|n| Hasher::new(&HashKey([n; 32]))),
            profiles: Both::new(profiles(Side::Mailbox), profiles(Side::Crm)),
            settings: Settings::default(),
            frame: Frame {
                now: NOW,
                kinds: KINDS.into_iter().collect(),
                window: Window {
                    from: NOW.plus_seconds(-14 * DAY),
                    to: NOW.plus_seconds(60 * DAY),
                },
                tasks_since: NOW.plus_seconds(-14 * DAY),
                mails_since: NOW,
                address: "me@own.example".to_owned(),
                user: "005000000000001AAA".parse().unwrap(),
                connection: "c".repeat(32).parse().unwrap(),
                backfilled: BTreeSet::new(),
                ordered: BTreeMap::new(),
            },
            links: Links::default(),
            facts: Facts::default(),
            again: BTreeSet::new(),
            rng: Counting(AtomicU64::new(1)),
        };
        let mut there: Both<BTreeMap<ItemId, Snapshot>> = Both::default();
        for (n, kind) in (0..PAIRS).zip(KINDS.into_iter().cycle()) {
            let (link, mut items) = round.link(n, kind);
            round.links.put(link);
            let field = if kind == ItemKind::Contact {
                [Field::JobTitle, Field::Department]
            } else {
                [Field::Body, Field::Subject]
            };
            let reports = match n % 10 {
                0..4 => vec![(Side::Mailbox, field[0])],
                4..8 => vec![(Side::Crm, field[0])],
                8 => vec![(Side::Mailbox, field[0]), (Side::Crm, field[1])],
                _ => Vec::new(),
            };
            for (side, field) in &reports {
                let item = items.on_mut(*side);
                item.record
                    .set(*field, FieldValue::Known(format!("Another one {n}")));
                let news = Change::Present(Box::new(item.clone()));
                round.facts.sides.on_mut(*side).report(news);
            }
            if reports.is_empty() {
                let gone = Change::Deleted {
                    id: items.crm.id.clone(),
                    merged_into: None,
                };
                round.facts.sides.crm.report(gone);
            }
            there.mailbox.insert(items.mailbox.id.clone(), items.mailbox);
            if !reports.is_empty() {
                there.crm.insert(items.crm.id.clone(), items.crm);
            }
        }
        for (n, kind) in (PAIRS..PAIRS + NEW).zip(KINDS.into_iter().cycle()) {
            let side = Side::BOTH[usize::from(n % 2 == 0)];
            let item = round.item(side, n, None, record(kind, n));
            round
                .facts
                .sides
                .on_mut(side)
                .report(Change::Present(Box::new(item)));
        }
        round.links.complete = true;
        round.answer(&there);
        round
    }

    /// Answers what a session would ask the two sides and the store, until nothing is asked.
    fn answer(&mut self, there: &Both<BTreeMap<ItemId, Snapshot>>) {
        loop {
            let lookups = self.view().survey().lookups;
            if lookups.is_empty() {
                return;
            }
            for side in Side::BOTH {
                let facts = self.facts.sides.on_mut(side);
                for id in lookups.read.on(side) {
                    facts.read(id.clone(), there.on(side).get(id).cloned());
                }
                for id in lookups.fates.on(side).keys() {
                    let fate = match there.on(side).get(id) {
                        Some(now) => Fate::Here(Box::new(now.clone())),
                        None => Fate::Deleted { merged_into: None },
                    };
                    facts.fate(id.clone(), fate);
                }
                for key in lookups.candidates.on(side) {
                    facts.candidates.insert(key.clone(), Vec::new());
                }
            }
            for (_, hash) in &lookups.claims {
                self.facts.claims.insert(*hash, None);
            }
            self.facts.sides.mailbox.related.extend(lookups.related);
            assert!(lookups.clues.is_empty() && lookups.colleagues.is_empty());
        }
    }

    fn view(&self) -> View<'_> {
        View {
            hasher: &self.hashers[0],
            links: &self.links,
            facts: &self.facts,
            settings: &self.settings,
            org: &self.hashers[1],
            frame: &self.frame,
            again: &self.again,
            look: Look::Everything,
        }
    }

    fn plan(&self) -> Plan {
        let survey = self.view().survey();
        let setting = Setting {
            profiles: Both::new(&self.profiles.mailbox, &self.profiles.crm),
            now: NOW,
            rng: &self.rng,
            live_links: u32::try_from(PAIRS).unwrap(),
            fresh: false,
        };
        plan(self.view(), &survey, setting)
    }
}

fn decisions(criterion: &mut Criterion) {
    let round = Round::read();
    // What is measured is deciding: each of them is something to do.
    assert_eq!(round.plan().jobs.len(), usize::try_from(PAIRS + NEW).unwrap());
    let mut group = criterion.benchmark_group("planner");
    group.throughput(Throughput::Elements(PAIRS + NEW));
    group.bench_function("round", |bencher| bencher.iter(|| black_box(round.plan())));
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
