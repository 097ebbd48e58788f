//! Level 2: the planner alone. A small world of all kinds is perturbed on both sides, twice; what is planned is carried
//! out in any order, again and again, until nothing is planned any more. Then both sides are equal, nothing is doubled,
//! nothing came back, and the order made no difference.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sync::facts::{Facts, Links};
use tandem_sync::hash::Hasher;
use tandem_sync::merge::Both;
use tandem_sync::model::{
    Candidate, Change, EventFacts, Extra, Fate, Field, FieldValue, ItemId, Kinds, LinkKey, Mark, MatchKey,
    Profiles, Record, Scope, Snapshot, TaskFacts, Version, Window, instant,
};
use tandem_sync::normalise::{VERSION, email, folded, image, normalise};
use tandem_sync::plan::{After, Job, Plan, Setting, Step, Update, plan};
use tandem_sync::ports::{HashKey, JournalAct};
use tandem_sync::survey::{Frame, Look, Lookups, View};
use tandem_sync::{Link, LinkState};
use tandem_types::{
    ConflictPolicy, DeletedInMailbox, IssueCode, ItemKind, LinkId, Settings, Side, Timestamp,
};

use crate::world::{Seeded, known, profiles, when};

/// How many worlds are told in a test run; the environment asks for more.
const CASES: u64 = 100_000;
const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);
const DAY: i64 = 24 * 3600;
/// As long as anything is planned, but not for ever.
const ROUNDS_MAX: usize = 6;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    record: Record,
    version: u64,
    modified: Timestamp,
    key: Option<LinkKey>,
    marked: bool,
    extra: Extra,
    gone: bool,
}

/// Both sides, what is stored, and what the users did.
#[derive(Clone)]
struct World {
    items: Both<BTreeMap<ItemId, Item>>,
    links: BTreeMap<LinkId, Link>,
    /// Items with news since the last reading.
    news: Both<BTreeSet<ItemId>>,
    issues: BTreeMap<(ItemId, IssueCode), String>,
    journal: BTreeSet<String>,
    /// What the users wrote last, where.
    edits: BTreeMap<(Side, ItemId, Field), String>,
    clock: i64,
    made: u64,
}

struct Bench {
    hasher: Hasher,
    org: Hasher,
    profiles: Both<Profiles>,
    settings: Settings,
    frame: Frame,
}

const KINDS: [ItemKind; 3] = [ItemKind::Contact, ItemKind::Event, ItemKind::Task];

fn edited(kind: ItemKind) -> &'static [Field] {
    match kind {
        ItemKind::Contact => &[
            Field::GivenName,
            Field::JobTitle,
            Field::Department,
            Field::Body,
            Field::Birthday,
        ],
        ItemKind::Event => &[
            Field::Subject,
            Field::Body,
            Field::Location,
            Field::When,
            Field::Reminder,
            Field::ShowAs,
        ],
        ItemKind::Task => &[
            Field::Subject,
            Field::Body,
            Field::Due,
            Field::Status,
            Field::Priority,
            Field::RemindAt,
        ],
        ItemKind::Email => &[],
    }
}

/// A value that nobody wrote before, unless the field knows only words.
fn value(field: Field, rng: &Seeded, made: &mut u64) -> String {
    *made += 1;
    let count = |n: u64| i64::try_from(n).unwrap();
    let day = |n: u64| instant(NOW.plus_seconds(count(n % 50) * DAY))[..10].to_owned();
    let choose = |words: &[&str]| words[rng.below(words.len())].to_owned();
    match field {
        Field::When => {
            let start = NOW.plus_seconds(count(rng.next() % 40) * DAY + count(*made));
            if rng.below(4) == 0 {
                let first = NOW.plus_seconds(count(*made % 50) * DAY);
                format!(
                    "{}/{}",
                    &instant(first)[..10],
                    &instant(first.plus_seconds(DAY))[..10]
                )
            } else {
                format!("{}/{}", instant(start), instant(start.plus_seconds(1_800)))
            }
        }
        Field::Birthday | Field::Due => day(*made),
        Field::RemindAt => instant(NOW.plus_seconds(count(*made) * 60)),
        Field::Reminder => (*made % 600).to_string(),
        Field::ShowAs => choose(&["busy", "free", "tentative", "out_of_office", "elsewhere"]),
        Field::Status => choose(&["not_started", "in_progress", "waiting", "deferred"]),
        Field::Priority => choose(&["low", "normal", "high"]),
        _ => format!("w{made} and a tail that is cut"),
    }
}

fn born(kind: ItemKind, rng: &Seeded, made: &mut u64) -> Record {
    let mut record = Record::new(kind);
    *made += 1;
    let name = format!("N{made}");
    match kind {
        ItemKind::Contact => {
            record.set(Field::Surname, known(&name));
            record.set(Field::Email, known(&format!("{name}@example.com")));
        }
        _ => record.set(Field::Subject, known(&name)),
    }
    for &field in edited(kind) {
        if field != Field::Subject && (field == Field::When || rng.below(2) == 0) {
            record.set(field, known(&value(field, rng, made)));
        }
    }
    if kind == ItemKind::Event {
        record.set(Field::Private, known("no"));
    }
    record
}

impl World {
    fn add(&mut self, side: Side, record: Record, key: Option<LinkKey>, marked: bool) -> ItemId {
        self.made += 1;
        let id = ItemId(format!("{}-{:04}", side.as_str(), self.made));
        let item = Item {
            extra: Extra {
                event: (record.kind == ItemKind::Event).then(|| Box::new(EventFacts::default())),
                task: (record.kind == ItemKind::Task).then(TaskFacts::default),
                ..Extra::default()
            },
            record,
            version: 1,
            modified: NOW.plus_seconds(self.clock),
            key,
            marked,
            gone: false,
        };
        self.items.on_mut(side).insert(id.clone(), item);
        self.news.on_mut(side).insert(id.clone());
        id
    }

    fn touch(&mut self, side: Side, id: &ItemId, change: impl FnOnce(&mut Item)) {
        let item = self.items.on_mut(side).get_mut(id).unwrap();
        change(item);
        item.version += 1;
        item.modified = NOW.plus_seconds(self.clock);
        self.news.on_mut(side).insert(id.clone());
    }

    fn here(&self, side: Side) -> Vec<ItemId> {
        let items = self.items.on(side).iter().filter(|(_, item)| !item.gone);
        items.map(|(id, _)| id.clone()).collect()
    }

    fn snapshot(&self, bench: &Bench, side: Side, id: &ItemId) -> Option<Snapshot> {
        let item = self.items.on(side).get(id).filter(|item| !item.gone)?;
        let profile = bench.profiles.on(side).of(item.record.kind).unwrap();
        let mut record = item.record.clone();
        record
            .fields
            .retain(|field, _| profile.fields.contains_key(field));
        for field in profile.fields.keys() {
            record.fields.entry(*field).or_insert(FieldValue::Empty);
        }
        if side == Side::Mailbox && record.kind != ItemKind::Contact {
            record.set(Field::Relations, FieldValue::Empty);
        }
        Some(Snapshot {
            id: id.clone(),
            version: Version(item.version.to_string()),
            key: item.key.clone(),
            scope: if item.marked { Scope::In } else { Scope::Out },
            record,
            modified: item.modified,
            created: NOW,
            marked: item.marked,
            extra: item.extra.clone(),
        })
    }

    /// What a side says of an item when asked.
    fn report(&self, bench: &Bench, side: Side, id: &ItemId) -> Change {
        match self.snapshot(bench, side, id) {
            Some(now) => Change::Present(Box::new(now)),
            None if side == Side::Crm => Change::Deleted {
                id: id.clone(),
                merged_into: None,
            },
            None => Change::Absent(id.clone()),
        }
    }

    fn answer(&self, bench: &Bench, lookups: &Lookups, facts: &mut Facts) {
        for side in Side::BOTH {
            for id in lookups.read.on(side) {
                facts
                    .sides
                    .on_mut(side)
                    .read(id.clone(), self.snapshot(bench, side, id));
            }
            for id in lookups.fates.on(side).keys() {
                let fate = match self.snapshot(bench, side, id) {
                    Some(now) => Fate::Here(Box::new(now)),
                    None => Fate::Deleted { merged_into: None },
                };
                facts.sides.on_mut(side).fate(id.clone(), fate);
            }
            for key in lookups.candidates.on(side) {
                let found = self
                    .here(side)
                    .into_iter()
                    .filter_map(|id| self.snapshot(bench, side, &id))
                    .filter(|now| matches(now, key))
                    .map(|now| Candidate::Same(Box::new(now)))
                    .collect();
                facts.sides.on_mut(side).candidates.insert(key.clone(), found);
            }
            assert!(lookups.created.on(side).is_empty(), "no answer was ever lost");
        }
        for (_, hash) in &lookups.claims {
            facts.claims.insert(*hash, None);
        }
        facts
            .sides
            .mailbox
            .related
            .extend(lookups.related.iter().cloned());
        assert!(lookups.clues.is_empty() && lookups.colleagues.is_empty());
    }

    /// Reads the news, and plans. The reports come in any order, some of them twice.
    fn plan(&mut self, bench: &Bench, rng: &Seeded, full: bool) -> Plan {
        let mut facts = Facts::default();
        let mut links = Links::default();
        for link in self.links.values() {
            links.put(link.clone());
        }
        links.complete = true;
        for side in Side::BOTH {
            let mut ids: Vec<ItemId> = std::mem::take(self.news.on_mut(side)).into_iter().collect();
            if full {
                let linked = self.links.values().filter(|link| link.state == LinkState::Live);
                let listed: BTreeSet<ItemId> = self.here(side).into_iter().collect();
                let missing = linked
                    .filter_map(|link| link.id_on(side))
                    .filter(|id| !listed.contains(*id));
                ids = missing.cloned().collect();
                ids.extend(listed);
            }
            shuffle(&mut ids, rng);
            let twice = ids.first().cloned();
            let facts = facts.sides.on_mut(side);
            for id in ids.into_iter().chain(twice) {
                facts.report(self.report(bench, side, &id));
            }
            if full {
                facts.full = KINDS.into_iter().collect::<Kinds>();
                facts.compare = facts.full;
                facts.whole = facts.full;
            }
        }
        let again = BTreeSet::new();
        for _ in 0..16 {
            let view = View {
                hasher: &bench.hasher,
                links: &links,
                facts: &facts,
                settings: &bench.settings,
                org: &bench.org,
                frame: &bench.frame,
                again: &again,
                look: Look::Everything,
            };
            let survey = view.survey();
            if survey.lookups.is_empty() {
                let live = self.links.values().filter(|link| link.state == LinkState::Live);
                return plan(
                    view,
                    &survey,
                    Setting {
                        profiles: Both::new(&bench.profiles.mailbox, &bench.profiles.crm),
                        now: NOW.plus_seconds(self.clock),
                        rng,
                        live_links: u32::try_from(live.count()).unwrap(),
                        fresh: false,
                    },
                );
            }
            let lookups = survey.lookups;
            self.answer(bench, &lookups, &mut facts);
        }
        panic!("it asks for ever");
    }

    fn carry_out(&mut self, bench: &Bench, job: Job) {
        let mut link = job.link;
        for entry in &job.journal {
            assert!(matches!(entry.act, JournalAct::Linked(_)));
        }
        match job.step {
            Step::Note => {}
            Step::Attach => panic!("no mails here"),
            Step::Make { on, record, tag } => {
                let id = self.add(on, record, Some(link.key.clone()), true);
                let now = self.snapshot(bench, on, &id).unwrap();
                link.intent = None;
                for (field, value) in &now.record.fields {
                    if let Some(hash) = bench.hasher.of(*field, value)
                        && !(on == Side::Mailbox && *field == Field::Relations)
                    {
                        link.base.on_mut(on).insert(*field, hash);
                    }
                }
                note(&mut link, on, &now);
                if tag {
                    let update = Update {
                        key: true,
                        mark: Some(Mark::Synced),
                        ..Update::default()
                    };
                    self.write(bench, &mut link, Side::Mailbox, &update);
                }
            }
            Step::Update(updates) => {
                for side in Side::BOTH {
                    if let Some(update) = updates.on(side) {
                        self.write(bench, &mut link, side, update);
                    }
                }
                // With both written, nothing of either waits any more.
                for side in Side::BOTH {
                    let id = link.id_on(side).cloned();
                    if let Some(now) = id.and_then(|id| self.snapshot(bench, side, &id)) {
                        note(&mut link, side, &now);
                    }
                }
                match job.after {
                    None => {}
                    Some(After::Rest(state)) => link.state = state,
                    Some(After::Remove { on, then }) => self.remove(&mut link, on, then),
                }
            }
            Step::Remove { on, then } => self.remove(&mut link, on, then),
        }
        self.links.insert(link.id.clone(), link);
    }

    fn remove(&mut self, link: &mut Link, on: Side, then: LinkState) {
        let id = link.id_on(on).cloned().unwrap();
        for value in self.items.on(on)[&id].record.fields.values() {
            self.journal.extend(value.known().map(str::to_owned));
        }
        self.touch(on, &id, |item| item.gone = true);
        link.state = then;
        link.intent = None;
        if then == LinkState::Dormant {
            match on {
                Side::Mailbox => (link.mailbox_id, link.mailbox_version) = (None, None),
                Side::Crm => (link.crm_id, link.crm_version) = (None, None),
            }
        }
    }

    fn write(&mut self, bench: &Bench, link: &mut Link, side: Side, update: &Update) {
        let id = link.id_on(side).cloned().unwrap();
        let key = update.key.then(|| link.key.clone());
        for (field, carried) in &update.set {
            assert!(!carried.value.is_unknown(), "unknown is written");
            self.journal.extend(carried.held.known().map(str::to_owned));
            let hash = bench.hasher.of(*field, &carried.value).unwrap();
            link.base.on_mut(side).insert(*field, hash);
            if let Some(source) = carried.source {
                link.base.on_mut(side.other()).insert(*field, source);
            }
        }
        self.touch(side, &id, |item| {
            for (field, carried) in &update.set {
                item.record.set(*field, carried.value.clone());
            }
            item.key = key.or(item.key.take());
            match update.mark {
                Some(Mark::Synced) => item.marked = true,
                Some(Mark::None) => item.marked = false,
                _ => {}
            }
        });
        let now = self.snapshot(bench, side, &id).unwrap();
        note(link, side, &now);
    }

    /// Plans and carries out, in any order, until nothing is planned.
    fn settle(&mut self, bench: &Bench, rng: &Seeded, story: &str) {
        for round in 0..ROUNDS_MAX {
            self.clock += 1_800;
            let plan = self.plan(bench, rng, round == ROUNDS_MAX / 2);
            let quiet = !plan.writes();
            for key in &plan.solved {
                self.issues.remove(&(key.item.clone(), key.code));
            }
            for issue in &plan.issues {
                self.issues
                    .insert((issue.key.item.clone(), issue.key.code), issue.detail.clone());
            }
            let mut jobs = plan.jobs;
            shuffle(&mut jobs, rng);
            for job in jobs {
                self.carry_out(bench, job);
            }
            if quiet && round > ROUNDS_MAX / 2 {
                return;
            }
        }
        panic!("{story}: it never comes to rest");
    }
}

fn note(link: &mut Link, side: Side, now: &Snapshot) {
    let (id, version) = (Some(now.id.clone()), Some(now.version.clone()));
    match side {
        Side::Mailbox => (link.mailbox_id, link.mailbox_version) = (id, version),
        Side::Crm => (link.crm_id, link.crm_version) = (id, version),
    }
}

fn shuffle<T>(list: &mut [T], rng: &Seeded) {
    for n in (1..list.len()).rev() {
        list.swap(n, rng.below(n + 1));
    }
}

fn matches(now: &Snapshot, key: &MatchKey) -> bool {
    let record = &now.record;
    let subject = || folded(Field::Subject, record.get(Field::Subject));
    match key {
        MatchKey::Email(address) => email(record.get(Field::Email)).as_ref() == Some(address),
        MatchKey::Event { subject: like, start } => {
            record.kind == ItemKind::Event
                && subject() == *like
                && when(record).is_some_and(|when| when.start_text() == *start)
        }
        MatchKey::Task { subject: like, due } => {
            record.kind == ItemKind::Task
                && subject() == *like
                && record.get(Field::Due).known().unwrap_or("") == due
        }
        MatchKey::Name { .. } | MatchKey::Meeting { .. } | MatchKey::Message(_) => false,
    }
}

fn perturb(world: &mut World, rng: &Seeded) {
    world.clock += 600;
    for _ in 0..=rng.below(4) {
        world.clock += i64::try_from(rng.below(400)).unwrap();
        let side = Side::BOTH[rng.below(2)];
        let here = world.here(side);
        if here.is_empty() {
            continue;
        }
        let id = here[rng.below(here.len())].clone();
        let kind = world.items.on(side)[&id].record.kind;
        match rng.below(12) {
            0 => {
                world.touch(side, &id, |item| item.gone = true);
                world.edits.retain(|(of, item, _), _| (*of, item) != (side, &id));
            }
            1 if side == Side::Mailbox => world.touch(side, &id, |item| item.marked = false),
            2 if side == Side::Mailbox => world.touch(side, &id, |item| item.extra.unsync = true),
            // Written in its own way by the server: no change.
            3 => world.touch(side, &id, |item| {
                for (field, value) in &mut item.record.fields {
                    if let (Field::Body | Field::Location | Field::Subject, FieldValue::Known(text)) =
                        (*field, value)
                    {
                        *text = format!(" {}\u{a0}", text.trim());
                    }
                }
            }),
            4 => {
                let mut made = world.made;
                let record = born(KINDS[rng.below(3)], rng, &mut made);
                world.made = made;
                world.add(side, record, None, true);
            }
            _ => {
                let fields = edited(kind);
                let field = fields[rng.below(fields.len())];
                let needed = matches!(
                    field,
                    Field::When | Field::Subject | Field::ShowAs | Field::Status | Field::Priority
                );
                let text = if rng.below(5) == 0 && !needed {
                    String::new()
                } else {
                    let mut made = world.made;
                    let text = value(field, rng, &mut made);
                    world.made = made;
                    text
                };
                // Nobody types more than a field holds.
                let text = match (side, field) {
                    (Side::Crm, Field::JobTitle) => text.chars().take(10).collect(),
                    (Side::Crm, Field::Subject) => text.chars().take(20).collect(),
                    (Side::Crm, Field::ShowAs) if !["busy", "free", "out_of_office"].contains(&&*text) => {
                        "busy".to_owned()
                    }
                    _ => text,
                };
                world.touch(side, &id, |item| item.record.set(field, known(&text)));
                world.edits.insert((side, id, field), text);
            }
        }
    }
}

/// What must be so once nothing is planned any more.
fn check(world: &World, bench: &Bench, story: &str) {
    for ((side, id, field), text) in &world.edits {
        let now = normalise(*field, world.items.on(*side)[id].record.get(*field));
        let kept = now == normalise(*field, &known(text)) || text.is_empty();
        let journalled = || world.journal.iter().any(|held| held.trim() == text.trim());
        assert!(
            kept || journalled(),
            "{story}: {text:?} in {field:?} of {id} is lost"
        );
    }
    for side in Side::BOTH {
        let mut held = BTreeSet::new();
        for link in world.links.values() {
            if let (false, Some(id)) = (matches!(link.state, LinkState::Ended(_)), link.id_on(side)) {
                assert!(held.insert(id), "{story}: {id} is in two pairs");
            }
        }
    }
    for link in world.links.values().filter(|link| link.state == LinkState::Live) {
        assert_eq!(link.intent, None, "{story}: something is owed");
        let (Some(m), Some(c)) = (&link.mailbox_id, &link.crm_id) else {
            panic!("{story}: half a live link")
        };
        let (Some(mailbox), Some(crm)) = (
            world.snapshot(bench, Side::Mailbox, m),
            world.snapshot(bench, Side::Crm, c),
        ) else {
            panic!("{story}: a live link without its items: {m} {c}")
        };
        assert!(mailbox.marked, "{story}: {m} lost its category");
        let told = |code: IssueCode, field: Field| {
            world
                .issues
                .get(&(c.clone(), code))
                .is_some_and(|detail| detail.contains(field.as_str()))
        };
        for &field in edited(link.kind) {
            let rule = |side: Side| {
                let profile = bench.profiles.on(side).of(link.kind).unwrap();
                profile.fields.get(&field).copied()
            };
            let (Some(here), Some(there)) = (rule(Side::Mailbox), rule(Side::Crm)) else {
                continue;
            };
            let (mv, cv) = (mailbox.record.get(field), crm.record.get(field));
            let equal = normalise(field, mv) == normalise(field, cv)
                || image(field, mv, there) == normalise(field, cv)
                || image(field, cv, here) == normalise(field, mv);
            assert!(
                equal || told(IssueCode::Conflict, field) || told(IssueCode::Differences, field),
                "{story}: {field:?} of {m} and {c}: {mv:?} {cv:?}: {:?} {:?}",
                mv.known(),
                cv.known(),
            );
            if !equal {
                continue;
            }
            for (side, value) in [(Side::Mailbox, mv), (Side::Crm, cv)] {
                assert_eq!(
                    link.base.on(side).get(&field).copied(),
                    bench.hasher.of(field, value),
                    "{story}: the base of {field:?} on {side:?}"
                );
            }
            assert_eq!(link.base.normaliser, VERSION);
        }
    }
}

/// What no order may change.
fn outcome(world: &World) -> Vec<String> {
    let mut out = Vec::new();
    for side in Side::BOTH {
        let mut items: Vec<String> = world
            .items
            .on(side)
            .values()
            .map(|item| {
                let fields: Vec<String> = item
                    .record
                    .fields
                    .iter()
                    .filter_map(|(field, value)| {
                        Some(format!(
                            "{}={}",
                            field.as_str(),
                            normalise(*field, value).known()?
                        ))
                    })
                    .collect();
                format!("{side:?} {} {} {}", item.gone, item.marked, fields.join(" "))
            })
            .collect();
        items.sort();
        out.append(&mut items);
    }
    out
}

fn bench(rng: &Seeded) -> Bench {
    let settings = Settings {
        contact_conflicts: [
            ConflictPolicy::Newest,
            ConflictPolicy::Mailbox,
            ConflictPolicy::Crm,
            ConflictPolicy::Ask,
        ][rng.below(4)],
        event_conflicts: [ConflictPolicy::Mailbox, ConflictPolicy::Newest][rng.below(2)],
        task_conflicts: [ConflictPolicy::Newest, ConflictPolicy::Crm][rng.below(2)],
        contact_deleted_in_mailbox: [
            DeletedInMailbox::Ask,
            DeletedInMailbox::Recreate,
            DeletedInMailbox::DeleteOwn,
        ][rng.below(3)],
        task_deleted_in_mailbox: [
            DeletedInMailbox::Ask,
            DeletedInMailbox::Recreate,
            DeletedInMailbox::DeleteOwn,
        ][rng.below(3)],
        ..Settings::default()
    };
    Bench {
        hasher: Hasher::new(&HashKey([1; 32])),
        org: Hasher::new(&HashKey([2; 32])),
        profiles: Both::new(profiles(Side::Mailbox, true), profiles(Side::Crm, true)),
        settings,
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
    }
}

fn tell(seed: u64) {
    let story = format!("seed {seed}");
    let rng = Seeded::new(seed);
    let bench = bench(&rng);
    let mut world = World {
        items: Both::default(),
        links: BTreeMap::new(),
        news: Both::default(),
        issues: BTreeMap::new(),
        journal: BTreeSet::new(),
        edits: BTreeMap::new(),
        clock: 0,
        made: 0,
    };
    for _ in 0..=rng.below(2) {
        let mut made = world.made;
        let record = born(KINDS[rng.below(3)], &rng, &mut made);
        world.made = made;
        match rng.below(3) {
            0 => {
                world.add(Side::Mailbox, record, None, true);
            }
            1 => {
                world.add(Side::Crm, record, None, true);
            }
            _ => {
                let mut there = record.clone();
                there.fields.remove(&Field::JobTitle);
                there.fields.remove(&Field::ShowAs);
                world.add(Side::Mailbox, record, None, true);
                world.add(Side::Crm, there, None, true);
            }
        }
    }
    world.settle(&bench, &rng, &story);
    check(&world, &bench, &story);
    for _ in 0..2 {
        perturb(&mut world, &rng);
        let mut other = world.clone();
        let swapped = Seeded::new(!seed);
        world.settle(&bench, &rng, &story);
        check(&world, &bench, &story);
        other.settle(&bench, &swapped, &story);
        assert_eq!(
            outcome(&world),
            outcome(&other),
            "{story}: the order made a difference"
        );
    }
}

#[test]
fn perturbed_twice_in_any_order_it_ends_equal() {
    let cases = std::env::var("PLANNER_CASES").map_or(CASES, |cases| cases.parse().unwrap());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = u64::try_from(threads).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                for seed in (thread..cases).step_by(usize::try_from(threads).unwrap()) {
                    tell(seed);
                }
            });
        }
    });
}
