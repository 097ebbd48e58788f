//! Both ends of a connection, by the letter of the contract: hostile wherever it lets a server be.

use async_trait::async_trait;
use tandem_sync::model::{
    Answer, Candidate, Change, Changes, Clue, Cursor, Fate, Field, FieldValue, File, ItemId, Kinds, Known,
    KnownKind, LinkKey, Mark, MatchKey, Message, Outcome, Profiles, Record, Refusal, Relations, Rival, Scope,
    SeriesPart, Snapshot, Trace, Want, Window, Write,
};
use tandem_sync::mutant::{self, Mutant};
use tandem_sync::ports::{Crm, Endpoint, Mailbox};
use tandem_sync::{Fault, FaultKind};
use tandem_types::{AttachmentRules, IssueCode, ItemKind, Side, Timestamp, UserId};

use crate::faults::{Op, Woe};
use crate::truth::{Home, canon, image};
use crate::world::{Place, Shared, World, turn, user_id};

/// One end, for one session.
#[derive(Clone, Debug)]
pub struct End {
    pub shared: Shared,
    pub conn: usize,
    pub run: usize,
    pub side: Side,
}

impl End {
    fn home(&self) -> Home {
        match self.side {
            Side::Mailbox => Home::Box(self.conn),
            Side::Crm => Home::Org,
        }
    }

    /// Everything that every call has in common. What is left of a woe is for the call itself.
    async fn call(&self, op: Op) -> Result<Option<Woe>, Fault> {
        turn().await;
        let mut world = self.shared.lock();
        let pause = 20_000 + i64::try_from(world.dice.below(400_000)).unwrap_or(0);
        world.hands.turn(pause);
        let (run, side) = (self.run, self.side);
        let name = if op == Op::LastLook { Op::Read } else { op }.as_str();
        world.runs[run].calls[usize::from(side == Side::Crm)].push(name);
        world.note(|| format!("run {run} {} {}", side.as_str(), op.as_str()));
        let Some(woe) = world.strike(run, Some(self.side), op) else {
            return Ok(None);
        };
        match woe.kind() {
            Some(kind) => {
                let fault = Fault::new(kind, "as ordered");
                if let Some(wait) = fault.retry_after() {
                    world.runs[run].asked_to_wait = Some(wait);
                }
                Err(fault)
            }
            None => Ok(Some(woe)),
        }
    }
}

impl World {
    /// Whether a woe was waiting for this call.
    pub fn strike(&mut self, run: usize, side: Option<Side>, op: Op) -> Option<Woe> {
        if self.calm {
            return None;
        }
        let conn = self.runs[run].conn;
        let list = &mut self.troubles[conn];
        let fits = |t: &crate::faults::Trouble| t.side == side && t.op.is_none_or(|wanted| wanted == op);
        let at = list.iter().position(fits)?;
        // A lost answer and a meddling user need a write; an expired cursor needs one.
        let sensible = match list[at].woe {
            Woe::Lost { .. } | Woe::LostHalf | Woe::Locked => op == Op::Write,
            Woe::Meddle => matches!(op, Op::Write | Op::Read | Op::LastLook),
            Woe::CursorExpired => op == Op::Changes,
            _ => true,
        };
        if !sensible {
            return None;
        }
        if list[at].after > 0 {
            list[at].after -= 1;
            return None;
        }
        let woe = list.remove(at).woe;
        self.runs[run].struck = true;
        let name = side.map_or("store", Side::as_str);
        self.counters.count("fault", format!("{name} {}", woe.as_str()));
        self.note(|| format!("woe {name} {} {}", op.as_str(), woe.as_str()));
        Some(woe)
    }

    fn listed(&self, home: Home, index: usize, conn: usize, want: &Want) -> bool {
        let item = self.item(home, index);
        if !item.here() {
            return false;
        }
        match home {
            Home::Box(_) => match item.kind {
                ItemKind::Contact | ItemKind::Task => {
                    matches!(item.place, Place::Ours | Place::Plain) || item.category
                }
                ItemKind::Event => item.place != Place::Elsewhere,
                ItemKind::Email => self.looked_at(home, index, want),
            },
            Home::Org => {
                self.visible(item, conn)
                    && item.kind != ItemKind::Email
                    && self.scope(home, item, conn) == Scope::In
            }
        }
    }

    fn looked_at(&self, home: Home, index: usize, want: &Want) -> bool {
        let item = self.item(home, index);
        let looked_at = match item.place {
            Place::Plain | Place::Sent | Place::Ours => true,
            Place::Chosen => !want.mail_folders.is_empty(),
            Place::Elsewhere => false,
        };
        // Who marks an old one means it.
        item.here() && looked_at && (item.mail.sent >= want.mails_since || item.marked())
    }

    fn in_full_listing(&self, home: Home, index: usize, conn: usize, want: &Want) -> bool {
        if !self.listed(home, index, conn, want) {
            return false;
        }
        let item = self.item(home, index);
        match item.kind {
            ItemKind::Contact => true,
            // Of the old ones those that were marked lately, or lie in our folder and were never saved.
            ItemKind::Email => {
                item.mail.sent >= want.mails_since
                    || item.modified >= want.mails_since
                    || item.place == Place::Ours && !item.category
            }
            ItemKind::Event => item.when().is_none_or(|when| when.is_in(want.events)),
            ItemKind::Task => item.task.completed.is_none_or(|at| {
                let due = item
                    .text(Field::Due)
                    .parse::<jiff::civil::Date>()
                    .ok()
                    .map(|day| format!("{day}/{}", day.tomorrow().unwrap_or(day)))
                    .and_then(|text| text.parse::<tandem_sync::model::When>().ok());
                at >= want.tasks_since
                    || item.modified >= want.tasks_since
                    || due.is_some_and(|when| when.start() >= want.tasks_since)
            }),
        }
    }

    fn shown(&mut self, home: Home, index: usize, conn: usize) -> Snapshot {
        let seq = self.seq;
        self.looked.entry((conn, home, index)).or_default().push(seq);
        let mut snapshot = self.snapshot(home, index, conn);
        if !self.calm && self.config.partial_percent > 0 && self.dice.percent(self.config.partial_percent) {
            // By what an item is recognised, and what it may show, is part of every answer.
            let fields: Vec<Field> = snapshot
                .record
                .fields
                .keys()
                .copied()
                .filter(|field| {
                    matches!(
                        field,
                        Field::Body
                            | Field::Department
                            | Field::JobTitle
                            | Field::MiddleName
                            | Field::MobilePhone
                            | Field::HomePhone
                            | Field::Location
                            | Field::Reminder
                            | Field::ShowAs
                            | Field::Private
                            | Field::Status
                            | Field::Priority
                            | Field::RemindAt
                    )
                })
                .collect();
            if !fields.is_empty() {
                let field = *self.dice.pick(&fields);
                snapshot.record.fields.remove(&field);
                self.counters.count("world", "partial answer");
            }
        }
        snapshot
    }

    fn change(
        &mut self,
        home: Home,
        index: usize,
        old: Option<ItemId>,
        conn: usize,
        want: &Want,
    ) -> Option<Change> {
        let item = self.item(home, index);
        if let Some(old) = old {
            return Some(Change::Absent(old));
        }
        let id = item.id.clone();
        match home {
            Home::Box(_) => {
                if item.kind == ItemKind::Email && item.here() && !self.looked_at(home, index, want) {
                    return None;
                }
                if self.in_cloud(home) && self.out_of_sight(home, index, want) {
                    return Some(Change::Absent(id));
                }
                let item = self.item(home, index);
                if !self.listed(home, index, conn, want) {
                    return Some(Change::Absent(id));
                }
                if item.unreadable {
                    let kind = item.kind;
                    self.shelf_mut(home).refused.push((kind, id));
                    return None;
                }
            }
            Home::Org => {
                if !self.visible(item, conn) {
                    return None;
                }
                if item.gone.is_some() {
                    let merged_into = item.merged_into.map(|winner| self.item(home, winner).id.clone());
                    return Some(Change::Deleted { id, merged_into });
                }
                if item.kind == ItemKind::Email {
                    return None;
                }
                if self.scope(home, item, conn) != Scope::In {
                    return Some(Change::Left(id));
                }
            }
        }
        Some(Change::Present(Box::new(self.shown(home, index, conn))))
    }

    fn read_changes(&mut self, home: Home, conn: usize, since: Option<&Cursor>, want: &Want) -> Changes {
        let end = self.shelf(home).log.len();
        let kinds = mask(want.kinds);
        let sign = u64::from(want.contact_scope == tandem_types::ContactScope::AllVisible);
        let mut at = match since.and_then(Bookmark::parse) {
            None => Bookmark {
                full: kinds,
                listing: true,
                busy: true,
                offset: 0,
                from: end,
                to: end,
                kinds,
                sign,
            },
            Some(at) if at.busy => at,
            Some(old) => {
                let late = if self.config.late && !self.calm {
                    self.dice.below(3)
                } else {
                    0
                };
                let to = end.saturating_sub(late).max(old.to);
                let mut full = kinds & !old.kinds;
                if sign != old.sign {
                    full |= kinds & bit(ItemKind::Contact);
                }
                if !self.calm && self.dice.percent(self.config.full_percent) {
                    full = kinds;
                    self.counters.count("world", "full for no reason");
                }
                if self.in_cloud(home) && !self.calm && self.dice.percent(10) {
                    let kind = *self.dice.pick(&ItemKind::ALL);
                    full |= kinds & bit(kind);
                    self.counters
                        .count("cloud", format!("the delta of {}s ran out", kind.as_str()));
                }
                let series = self.shelf(home).log[old.to..to].iter().any(|(index, _)| {
                    matches!(home, Home::Box(_))
                        && self.item(home, *index).event.series == SeriesPart::Occurrence
                });
                if series {
                    full |= kinds & bit(ItemKind::Event);
                }
                Bookmark {
                    full,
                    listing: full != 0,
                    busy: true,
                    offset: if full == 0 { old.to } else { 0 },
                    from: old.to,
                    to,
                    kinds,
                    sign,
                }
            }
        };
        let mut items: Vec<Change> = Vec::new();
        let page = self.config.page;
        if at.listing {
            let count = self.shelf(home).items.len();
            while at.offset < count && items.len() < page {
                let index = at.offset;
                at.offset += 1;
                let item = self.item(home, index);
                if at.full & bit(item.kind) == 0 || !self.in_full_listing(home, index, conn, want) {
                    continue;
                }
                if item.unreadable && home != Home::Org {
                    let refused = (item.kind, item.id.clone());
                    self.shelf_mut(home).refused.push(refused);
                    continue;
                }
                let snapshot = self.shown(home, index, conn);
                items.push(Change::Present(Box::new(snapshot)));
            }
            if at.offset >= count {
                at.listing = false;
                at.offset = at.from;
            }
        }
        if !at.listing {
            while at.offset < at.to && items.len() < page {
                let (index, old) = self.shelf(home).log[at.offset].clone();
                at.offset += 1;
                let kind = self.item(home, index).kind;
                // Of a kind that is listed, only what is not there any more is told beside.
                let wanted = at.kinds & bit(kind) != 0 && at.full & bit(kind) == 0;
                if wanted && let Some(change) = self.change(home, index, old, conn, want) {
                    items.push(change);
                }
            }
            if at.offset >= at.to {
                at.busy = false;
            }
        }
        if self.config.shuffle {
            // What is told twice is told as it is now: the last one of an item wins whatever the order.
            for n in (1..items.len()).rev() {
                let other = self.dice.below(n + 1);
                items.swap(n, other);
            }
            if !self.calm && !items.is_empty() && self.dice.percent(20) {
                let again = self.dice.below(items.len());
                items.push(items[again].clone());
            }
        }
        if self.in_cloud(home) {
            Self::newest(&mut items);
        }
        self.turn_round(&mut items);
        let full = ItemKind::ALL
            .into_iter()
            .filter(|kind| *kind != ItemKind::Email && at.full & bit(*kind) != 0)
            .collect();
        Changes {
            items,
            more: at.busy,
            cursor: Cursor(at.text()),
            full,
        }
    }

    fn matches(&self, home: Home, index: usize, key: &MatchKey) -> bool {
        let item = self.item(home, index);
        let text = |field: Field| canon(field, item.text(field)).to_lowercase();
        // What Salesforce has cut is looked for as it is there.
        let held = |subject: &str| {
            let rule = self.rule(home.side(), item.kind, Field::Subject);
            image(Field::Subject, subject, &rule.unwrap_or_default()).to_lowercase()
        };
        match key {
            MatchKey::Email(address) => text(Field::Email) == *address,
            MatchKey::Name { given, surname } => {
                text(Field::GivenName) == canon(Field::GivenName, given).to_lowercase()
                    && text(Field::Surname) == canon(Field::Surname, surname).to_lowercase()
            }
            MatchKey::Event { subject, start } => {
                text(Field::Subject) == held(subject)
                    && item.when().is_some_and(|when| when.start_text() == *start)
            }
            MatchKey::Meeting { uid, original_start } => {
                item.event.uid.as_ref() == Some(uid) && item.event.original_start == *original_start
            }
            MatchKey::Task { subject, due } => {
                text(Field::Subject) == held(subject) && canon(Field::Due, item.text(Field::Due)) == *due
            }
            MatchKey::Message(id) => item.text(Field::MessageId) == id,
        }
    }

    fn candidates_of(&self, home: Home, conn: usize, key: &MatchKey) -> Vec<Candidate> {
        let mut found: Vec<Candidate> = self
            .living(home, key.kind())
            .into_iter()
            .filter(|index| {
                let item = self.item(home, *index);
                (home != Home::Org || self.visible(item, conn)) && !item.unreadable
            })
            .filter(|index| self.matches(home, *index, key))
            .filter(|index| {
                // A task of the user's.
                home != Home::Org || key.kind() != ItemKind::Task || self.item(home, *index).owner == conn
            })
            .map(|index| Candidate::Same(Box::new(self.snapshot(home, index, conn))))
            .collect();
        if let (Home::Org, MatchKey::Email(address)) = (home, key) {
            let leads = self
                .recs
                .iter()
                .filter(|rec| rec.kind == KnownKind::Lead && !rec.over && rec.email == *address);
            found.extend(leads.map(|rec| Candidate::Lead {
                id: rec.id.clone(),
                email: rec.email.clone(),
            }));
        }
        self.turn_round(&mut found);
        found
    }

    fn fate(&mut self, home: Home, conn: usize, trace: &Trace) -> Fate {
        if !self.calm && self.dice.percent(self.config.unproved_percent) {
            self.counters.count("world", "fate unproved");
            return Fate::Unproved;
        }
        if self.in_cloud(home) {
            return self.fate_in_cloud(home, conn, trace);
        }
        let by_key = |world: &Self| {
            let keyed = world.profiles[usize::from(home == Home::Org)]
                .of(trace.kind)
                .is_some_and(|profile| profile.holds_key);
            let items = &world.shelf(home).items;
            let has = |index: &usize| items[*index].key.as_ref() == Some(&trace.key);
            let all: Vec<usize> = (0..items.len()).filter(|_| keyed).filter(has).collect();
            all.iter()
                .copied()
                .find(|index| items[*index].here())
                .or_else(|| all.last().copied())
        };
        let by_meeting = |world: &Self| {
            let meeting = trace.meeting.as_ref().filter(|_| !trace.carried)?;
            let items = &world.shelf(home).items;
            (0..items.len()).find(|index| {
                let item = &items[*index];
                item.kind == trace.kind
                    && item.here()
                    && item.event.uid.as_ref() == Some(&meeting.uid)
                    && item.event.original_start == meeting.original_start
            })
        };
        let found = self
            .find(home, &trace.id)
            .or_else(|| by_key(self))
            .or_else(|| by_meeting(self));
        let Some(index) = found else {
            // An id is another one after a move: only the key that it carried, or what every calendar knows a meeting
            // by, proves that it is gone.
            let proved = home == Home::Org || trace.carried || trace.meeting.is_some();
            return if proved {
                Fate::Deleted { merged_into: None }
            } else {
                self.counters.count("world", "fate not to be proved");
                Fate::Unproved
            };
        };
        let item = self.item(home, index);
        if home == Home::Org && !self.visible(item, conn) || item.unreadable {
            return Fate::Unproved;
        }
        if item.gone.is_some() {
            // A copy with the same key may still be there.
            if let Some(other) = by_key(self)
                && self.item(home, other).here()
            {
                return Fate::Here(Box::new(self.snapshot(home, other, conn)));
            }
            let merged_into = item.merged_into.map(|winner| self.item(home, winner).id.clone());
            return Fate::Deleted { merged_into };
        }
        Fate::Here(Box::new(self.snapshot(home, index, conn)))
    }

    fn refusal(home: Home, kind: ItemKind, record: &Record) -> Option<Refusal> {
        if home != Home::Org {
            return None;
        }
        let refuse = |code, fields: &[Field]| {
            Some(Refusal {
                code,
                message: "no".to_owned(),
                fields: fields.to_vec(),
                retry: false,
            })
        };
        for (field, value) in &record.fields {
            if value.known().is_some_and(|text| text.contains("poison")) {
                return refuse(IssueCode::Refused, &[*field]);
            }
        }
        if kind == ItemKind::Event
            && let Some(text) = record.get(Field::When).known()
        {
            let Ok(when) = text.parse::<tandem_sync::model::When>() else {
                return refuse(IssueCode::Refused, &[Field::When]);
            };
            if when.is_backwards() {
                return refuse(IssueCode::EndBeforeStart, &[Field::When]);
            }
            if when.seconds() > 14 * crate::world::DAY {
                return refuse(IssueCode::EventTooLong, &[Field::When]);
            }
        }
        None
    }

    fn apply(&mut self, run: usize, home: Home, write: &Write) -> Outcome {
        match write {
            Write::Create { key, record, notify } => self.make(run, home, key, record, *notify),
            Write::Update {
                kind,
                id,
                version,
                set,
                key,
                mark,
                notify,
            } => {
                let conn = self.runs[run].conn;
                let Some(index) = self.find(home, id).filter(|index| {
                    let item = self.item(home, *index);
                    item.here() && (home != Home::Org || self.visible(item, conn))
                }) else {
                    return Outcome::Missing;
                };
                let moved = self.item(home, index).version.to_string() != version.0;
                let blind = home == Home::Org && self.config.blind && !self.calm;
                let careless = mutant::on(Mutant::IgnoreVersion);
                if moved && !blind && !careless {
                    self.counters.count("world", "version moved");
                    return Outcome::Conflict(Box::new(self.snapshot(home, index, conn)));
                }
                if self.in_cloud(home)
                    && let Some(refused) = self.loud(home, index, write)
                {
                    return refused;
                }
                let mut whole = Record::new(*kind);
                whole
                    .fields
                    .extend(set.iter().map(|(field, value)| (*field, value.clone())));
                if let Some(refusal) = Self::refusal(home, *kind, &whole) {
                    return Outcome::Refused(refusal);
                }
                self.judge_update(run, home, index, set, key.as_ref(), *mark, *notify);
                let before = self.snapshot(home, index, conn);
                for (field, value) in set {
                    self.set_by_us(run, home, index, *field, value, moved && blind);
                }
                let replaced = set
                    .keys()
                    .filter(|_| !careless)
                    .map(|field| {
                        let held = before.record.get(*field).clone();
                        (*field, held)
                    })
                    .collect();
                let item = self.item_mut(home, index);
                if let Some(key) = key {
                    item.key = Some(key.clone());
                }
                if home != Home::Org {
                    match mark {
                        Some(Mark::Synced) => (item.category, item.failed) = (true, false),
                        Some(Mark::Failed) => item.failed = true,
                        Some(Mark::None) => (item.category, item.failed) = (false, false),
                        None => {}
                    }
                }
                self.stamp(home, index);
                let seq = self.seq;
                self.item_mut(home, index).ours[conn] = seq;
                Outcome::Written {
                    now: Box::new(self.snapshot(home, index, conn)),
                    replaced,
                    left: None,
                }
            }
            Write::Delete {
                id, version, notify, ..
            } => {
                let conn = self.runs[run].conn;
                let Some(index) = self.find(home, id).filter(|index| {
                    let item = self.item(home, *index);
                    item.here() && (home != Home::Org || self.visible(item, conn))
                }) else {
                    return Outcome::Missing;
                };
                if self.item(home, index).version.to_string() != version.0 {
                    return Outcome::Conflict(Box::new(self.snapshot(home, index, conn)));
                }
                if self.in_cloud(home)
                    && let Some(refused) = self.loud(home, index, write)
                {
                    return refused;
                }
                self.judge_delete(run, home, index, *notify);
                self.remove(home, index, false, false);
                Outcome::Deleted
            }
        }
    }

    fn make(&mut self, run: usize, home: Home, key: &LinkKey, record: &Record, notify: bool) -> Outcome {
        let conn = self.runs[run].conn;
        let kind = record.kind;
        let Some(profile) = self.profiles[usize::from(home == Home::Org)].of(kind) else {
            self.violate("S2", format!("made a {} where there are none", kind.as_str()));
            return Outcome::Missing;
        };
        let holds_key = profile.holds_key;
        if home == Home::Org && kind == ItemKind::Contact && record.get(Field::Surname).known().is_none() {
            return Outcome::Refused(Refusal {
                code: IssueCode::LastNameMissing,
                message: "Required fields are missing: [LastName]".to_owned(),
                fields: vec![Field::Surname],
                retry: false,
            });
        }
        if let Some(refusal) = Self::refusal(home, kind, record) {
            return Outcome::Refused(refusal);
        }
        if home == Home::Org && self.storage_full > self.now() {
            self.counters.count("world", "create: storage full");
            return Outcome::Refused(Refusal {
                code: IssueCode::StorageFull,
                message: "STORAGE_LIMIT_EXCEEDED".to_owned(),
                fields: Vec::new(),
                retry: true,
            });
        }
        let existing = self
            .living(home, kind)
            .into_iter()
            .find(|index| holds_key && self.item(home, *index).key.as_ref() == Some(key))
            .filter(|_| !self.in_cloud(home) || kind == ItemKind::Event);
        if let Some(index) = existing {
            self.counters.count("world", "made already");
            return Outcome::Written {
                now: Box::new(self.snapshot(home, index, conn)),
                replaced: std::collections::BTreeMap::new(),
                left: None,
            };
        }
        let (soul, made_for) = self.judge_create(run, home, key, record, notify);
        let index = self.add(home, kind, soul, Some(run));
        let item = self.item_mut(home, index);
        item.made_for = made_for;
        item.owner = conn;
        item.key = holds_key.then(|| key.clone());
        if home != Home::Org {
            item.category = true;
            if matches!(kind, ItemKind::Contact | ItemKind::Task) {
                item.place = Place::Ours;
            }
            if kind == ItemKind::Event {
                item.event.uid = Some(format!("uid-{}", key.0));
            }
        }
        for (field, value) in &record.fields {
            self.set_by_us(run, home, index, *field, value, false);
        }
        self.fill_defaults(home, index);
        self.stamp(home, index);
        Outcome::Written {
            now: Box::new(self.snapshot(home, index, conn)),
            replaced: std::collections::BTreeMap::new(),
            left: None,
        }
    }

    /// What a server fills in by itself.
    pub fn fill_defaults(&mut self, home: Home, index: usize) {
        let item = self.item_mut(home, index);
        let defaults: &[(Field, &str)] = match item.kind {
            ItemKind::Event => &[(Field::ShowAs, "busy"), (Field::Private, "no")],
            ItemKind::Task => &[(Field::Status, "not_started"), (Field::Priority, "normal")],
            _ => &[],
        };
        for (field, value) in defaults {
            item.fields.entry(*field).or_insert_with(|| (*value).to_owned());
        }
        if item.kind == ItemKind::Task {
            let completed = item.text(Field::Status) == "completed";
            item.task.completed = match (completed, item.task.completed) {
                (true, None) => Some(item.modified),
                (true, at) => at,
                (false, _) => None,
            };
        }
    }

    fn clue(&self, conn: usize, clue: &Clue) -> Vec<Known> {
        let mut found = Vec::new();
        let of_rec = |rec: &crate::world::Rec| Known {
            id: rec.id.clone(),
            kind: rec.kind,
            account: rec.account.clone(),
            own: rec.owner == conn,
            modified: rec.modified,
        };
        let contacts = || {
            self.living(Home::Org, ItemKind::Contact)
                .into_iter()
                .map(|index| self.item(Home::Org, index))
                .filter(|item| self.visible(item, conn))
        };
        let of_contact = |item: &crate::world::Item| Known {
            id: item.id.clone(),
            kind: KnownKind::Contact,
            account: item.what.clone(),
            own: item.owner == conn,
            modified: item.modified,
        };
        match clue {
            Clue::Address(address) => {
                found.extend(
                    self.recs
                        .iter()
                        .filter(|rec| matches!(rec.kind, KnownKind::Lead | KnownKind::User) && !rec.over)
                        .filter(|rec| rec.email == *address)
                        .map(of_rec),
                );
                found.extend(
                    contacts()
                        .filter(|item| canon(Field::Email, item.text(Field::Email)) == *address)
                        .map(of_contact),
                );
            }
            Clue::Domain(domain) => found.extend(
                self.recs
                    .iter()
                    .filter(|rec| rec.kind == KnownKind::Account && rec.domain == *domain)
                    .map(of_rec),
            ),
            Clue::DealsOf(contact) => {
                let account = self
                    .find(Home::Org, contact)
                    .and_then(|index| self.item(Home::Org, index).what.clone());
                if account.is_some() {
                    found.extend(
                        self.recs
                            .iter()
                            .filter(|rec| {
                                rec.kind == KnownKind::Opportunity
                                    && !rec.over
                                    && rec.owner == conn
                                    && rec.account == account
                            })
                            .map(of_rec),
                    );
                }
            }
            Clue::CaseNumber(number) => found.extend(
                self.recs
                    .iter()
                    .filter(|rec| rec.kind == KnownKind::Case && rec.number == *number)
                    .map(of_rec),
            ),
            Clue::Record(id) => {
                found.extend(self.recs.iter().filter(|rec| rec.id == *id).map(of_rec));
                found.extend(contacts().filter(|item| item.id == *id).map(of_contact));
            }
        }
        found
    }
}

fn bit(kind: ItemKind) -> u8 {
    1 << kind as u8
}

fn mask(kinds: Kinds) -> u8 {
    kinds.iter().map(bit).sum()
}

/// What a cursor remembers.
#[derive(Clone, Copy, Debug)]
struct Bookmark {
    /// Kinds that are listed in full in this reading.
    full: u8,
    listing: bool,
    /// A reading is under way.
    busy: bool,
    offset: usize,
    from: usize,
    to: usize,
    kinds: u8,
    sign: u64,
}

impl Bookmark {
    fn text(self) -> String {
        format!(
            "{}.{}.{}.{}.{}.{}.{}.{}",
            self.full,
            u8::from(self.listing),
            u8::from(self.busy),
            self.offset,
            self.from,
            self.to,
            self.kinds,
            self.sign
        )
    }

    fn parse(cursor: &Cursor) -> Option<Self> {
        let numbers: Vec<usize> = cursor.0.split('.').filter_map(|part| part.parse().ok()).collect();
        let [full, listing, busy, offset, from, to, kinds, sign] = numbers[..] else {
            return None;
        };
        Some(Self {
            full: u8::try_from(full).ok()?,
            listing: listing == 1,
            busy: busy == 1,
            offset,
            from,
            to,
            kinds: u8::try_from(kinds).ok()?,
            sign: u64::try_from(sign).ok()?,
        })
    }
}

/// Where a finished reading ends: all changes before are told.
pub fn told_until(cursor: &Cursor) -> usize {
    Bookmark::parse(cursor).map_or(0, |at| if at.busy { at.from } else { at.to })
}

#[async_trait]
impl Endpoint for End {
    async fn profile(&self) -> Result<Profiles, Fault> {
        self.call(Op::Profile).await?;
        Ok(self.shared.lock().profiles_now(self.side))
    }

    async fn changes(&self, since: Option<&Cursor>, want: &Want) -> Result<Changes, Fault> {
        self.call(Op::Changes).await.and_then(|_| {
            if since.is_some_and(|cursor| Bookmark::parse(cursor).is_none()) {
                return Err(Fault::new(FaultKind::CursorExpired, "never heard of it"));
            }
            Ok(())
        })?;
        let mut world = self.shared.lock();
        let changes = world.read_changes(self.home(), self.conn, since, want);
        let (run, side) = (self.run, self.side);
        world.note(|| {
            format!(
                "run {run} {} {} items, full {:?}, more {}",
                side.as_str(),
                changes.items.len(),
                changes.full,
                changes.more
            )
        });
        Ok(changes)
    }

    fn unreadable(&self) -> Vec<(ItemKind, ItemId, Refusal)> {
        let mut world = self.shared.lock();
        let home = self.home();
        std::mem::take(&mut world.shelf_mut(home).refused)
            .into_iter()
            .map(|(kind, id)| {
                let refusal = Refusal {
                    code: IssueCode::Unreadable,
                    message: "ErrorItemCorrupt".to_owned(),
                    fields: Vec::new(),
                    retry: false,
                };
                (kind, id, refusal)
            })
            .collect()
    }

    async fn read(&self, ids: &[ItemId]) -> Result<Vec<Option<Snapshot>>, Fault> {
        let home = self.home();
        let last_look = {
            let world = self.shared.lock();
            ids.iter()
                .find(|id| world.half_gone(self.conn, home, id))
                .cloned()
        };
        let op = if last_look.is_some() {
            Op::LastLook
        } else {
            Op::Read
        };
        let woe = self.call(op).await?;
        let mut world = self.shared.lock();
        let touched = last_look.as_ref().or(ids.first());
        if woe == Some(Woe::Meddle)
            && let Some(index) = touched.and_then(|id| world.find(home, id))
        {
            world.meddle(home, index);
        }
        let read = |id: &ItemId| {
            let index = world.find(home, id)?;
            let item = world.item(home, index);
            let shown =
                item.here() && !item.unreadable && (home != Home::Org || world.visible(item, self.conn));
            shown.then(|| world.shown(home, index, self.conn))
        };
        Ok(ids.iter().map(read).collect())
    }

    async fn fates(&self, asked: &[Trace]) -> Result<Vec<Fate>, Fault> {
        self.call(Op::Fates).await?;
        let mut world = self.shared.lock();
        let home = self.home();
        Ok(asked
            .iter()
            .map(|trace| world.fate(home, self.conn, trace))
            .collect())
    }

    async fn candidates(&self, keys: &[MatchKey]) -> Result<Vec<Vec<Candidate>>, Fault> {
        self.call(Op::Candidates).await?;
        let mut world = self.shared.lock();
        let home = self.home();
        Ok(keys
            .iter()
            .map(|key| {
                let mut found = world.candidates_of(home, self.conn, key);
                if world.config.shuffle && world.dice.percent(50) {
                    found.reverse();
                }
                found
            })
            .collect())
    }

    async fn created(
        &self,
        kind: ItemKind,
        keys: &[LinkKey],
        since: Timestamp,
    ) -> Result<Vec<Snapshot>, Fault> {
        self.call(Op::Created).await?;
        let world = self.shared.lock();
        let home = self.home();
        let holds_key = world.profiles[usize::from(self.side == Side::Crm)]
            .of(kind)
            .is_some_and(|profile| profile.holds_key);
        let mut made: Vec<Snapshot> = world
            .living(home, kind)
            .into_iter()
            .filter(|index| {
                let item = world.item(home, *index);
                if home == Home::Org && !world.visible(item, self.conn) {
                    return false;
                }
                if holds_key {
                    item.key.as_ref().is_some_and(|key| keys.contains(key))
                } else {
                    // Who made it stays who made it, whoever owns it now.
                    let maker = item.made_by.map_or(item.owner, |run| world.runs[run].conn);
                    let mine = home != Home::Org || maker == self.conn;
                    mine && item.created >= since
                }
            })
            .map(|index| world.snapshot(home, index, self.conn))
            .collect();
        world.turn_round(&mut made);
        Ok(made)
    }

    async fn restore(&self, gone: &[Trace]) -> Result<Vec<Outcome>, Fault> {
        self.call(Op::Restore).await?;
        let mut world = self.shared.lock();
        let home = self.home();
        let mut outcomes = Vec::new();
        for trace in gone {
            if world.in_cloud(home) {
                let outcome = world.bring_back(home, self.conn, trace);
                outcomes.push(outcome);
                continue;
            }
            let keyed = |world: &World| {
                let items = &world.shelf(home).items;
                (0..items.len()).find(|index| items[*index].key.as_ref() == Some(&trace.key))
            };
            let found = world.find(home, &trace.id).or_else(|| keyed(&world));
            let restorable =
                found.filter(|index| world.item(home, *index).gone.is_some_and(|gone| !gone.purged));
            let Some(index) = restorable else {
                outcomes.push(Outcome::Missing);
                continue;
            };
            world.item_mut(home, index).gone = None;
            if home != Home::Org {
                world.rename(home, index);
            }
            world.stamp(home, index);
            let seq = world.seq;
            world.item_mut(home, index).ours[self.conn] = seq;
            outcomes.push(Outcome::Written {
                now: Box::new(world.snapshot(home, index, self.conn)),
                replaced: std::collections::BTreeMap::new(),
                left: None,
            });
        }
        Ok(outcomes)
    }

    async fn rivals(&self) -> Result<Vec<Rival>, Fault> {
        self.call(Op::Rivals).await?;
        Ok(Vec::new())
    }

    fn batch(&self) -> usize {
        self.shared.lock().config.batch
    }

    async fn write(&self, writes: &[Write]) -> Result<Vec<Outcome>, Fault> {
        let woe = self.call(Op::Write).await?;
        let mut outcomes = Vec::with_capacity(writes.len());
        {
            let mut world = self.shared.lock();
            let (home, run) = (self.home(), self.run);
            world.judge_lease(run, writes.len());
            if let Some(Woe::Meddle) = woe {
                let id = writes.iter().find_map(|write| match write {
                    Write::Update { id, .. } | Write::Delete { id, .. } => Some(id.clone()),
                    Write::Create { .. } => None,
                });
                if let Some(index) = id.and_then(|id| world.find(home, &id)) {
                    world.meddle(home, index);
                }
            }
            if woe == Some(Woe::Lost { effect: false }) {
                return Ok(writes.iter().map(|_| Outcome::InDoubt).collect());
            }
            for (n, write) in writes.iter().enumerate() {
                if woe == Some(Woe::LostHalf) && n % 2 == 1 {
                    outcomes.push(Outcome::InDoubt);
                    continue;
                }
                if woe == Some(Woe::Locked) && n == 0 {
                    outcomes.push(Outcome::Refused(Refusal {
                        code: IssueCode::Refused,
                        message: "UNABLE_TO_LOCK_ROW".to_owned(),
                        fields: Vec::new(),
                        retry: true,
                    }));
                    continue;
                }
                let outcome = world.apply(run, home, write);
                if let Outcome::Written { now, .. } = &outcome
                    && let Some(index) = world.find(home, &now.id)
                {
                    let soul = world.item(home, index).soul;
                    world.runs[run].unnoted.push(soul);
                    if matches!(woe, Some(Woe::Lost { .. } | Woe::LostHalf)) {
                        world.doubted.insert(soul);
                    }
                }
                world.note(|| format!("run {run} {} {}", describe(home, write), name(&outcome)));
                outcomes.push(match woe {
                    Some(Woe::Lost { effect: true }) => Outcome::InDoubt,
                    Some(Woe::LostHalf) if n % 4 == 2 => Outcome::InDoubt,
                    _ => outcome,
                });
            }
        }
        // A crash here is one after the effect and before the answer.
        turn().await;
        Ok(outcomes)
    }
}

fn describe(home: Home, write: &Write) -> String {
    let side = home.side().as_str();
    match write {
        Write::Create { key, record, .. } => {
            let fields: Vec<&str> = record.fields.keys().map(|field| field.as_str()).collect();
            format!(
                "create {} in {side} {}: {}",
                record.kind.as_str(),
                &key.0[..6],
                fields.join(",")
            )
        }
        Write::Update {
            id, set, mark, key, ..
        } => {
            let fields: Vec<String> = set
                .iter()
                .map(|(field, value)| format!("{}={}", field.as_str(), value.known().unwrap_or("")))
                .collect();
            let key = if key.is_some() { " key" } else { "" };
            format!("update {side} {id}{key} {mark:?}: {}", fields.join(","))
        }
        Write::Delete { id, .. } => format!("delete {side} {id}"),
    }
}

fn name(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Written { now, .. } => format!("written {}", now.id),
        Outcome::Deleted => "deleted".to_owned(),
        Outcome::Conflict(_) => "conflict".to_owned(),
        Outcome::Missing => "missing".to_owned(),
        Outcome::Refused(refusal) => format!("refused {}", refusal.code.as_str()),
        Outcome::InDoubt => "in doubt".to_owned(),
    }
}

#[async_trait]
impl Mailbox for End {
    async fn prepare(&self) -> Result<(), Fault> {
        self.call(Op::Prepare).await?;
        Ok(())
    }

    async fn messages(
        &self,
        ids: &[ItemId],
        files: &AttachmentRules,
    ) -> Result<Vec<Result<Message, Refusal>>, Fault> {
        self.call(Op::Messages).await?;
        let world = self.shared.lock();
        let refuse = |code| {
            Err(Refusal {
                code,
                message: "no".to_owned(),
                fields: Vec::new(),
                retry: false,
            })
        };
        Ok(ids
            .iter()
            .map(|id| {
                let Some(index) = world.find(self.home(), id) else {
                    return refuse(IssueCode::Unreadable);
                };
                let item = world.item(self.home(), index);
                if !item.here() || item.unreadable {
                    return refuse(IssueCode::Unreadable);
                }
                if item.mail.size > 50_000_000 {
                    return refuse(IssueCode::TooLarge);
                }
                let mut message = Message {
                    text: item.text(Field::Body).to_owned(),
                    html: Some(format!("<p>{}</p>", item.text(Field::Body))),
                    ..Message::default()
                };
                for name in item.files.iter().filter(|_| files.save) {
                    if name.strip_suffix(".exe").is_some() {
                        message.left_out.push((name.clone(), "not allowed".to_owned()));
                    } else {
                        message.files.push(File {
                            name: name.clone(),
                            content_type: "text/plain".to_owned(),
                            bytes: name.clone().into_bytes(),
                        });
                    }
                }
                Ok(message)
            })
            .collect())
    }

    async fn history(&self, window: Window, want: &Want, after: Option<&Cursor>) -> Result<Changes, Fault> {
        self.call(Op::History).await?;
        let mut world = self.shared.lock();
        let home = self.home();
        let start: usize = after.and_then(|cursor| cursor.0.parse().ok()).unwrap_or(0);
        let all: Vec<usize> = world
            .living(home, ItemKind::Email)
            .into_iter()
            .filter(|index| {
                let item = world.item(home, *index);
                let looked = match item.place {
                    Place::Elsewhere => false,
                    Place::Chosen => !want.mail_folders.is_empty(),
                    _ => true,
                };
                looked && !item.unreadable && item.mail.sent >= window.from && item.mail.sent < window.to
            })
            .filter(|index| *index >= start)
            .collect();
        let page = world.config.page;
        let next = all.get(page).copied();
        let items = all
            .into_iter()
            .take(page)
            .map(|index| Change::Present(Box::new(world.shown(home, index, self.conn))))
            .collect();
        Ok(Changes {
            items,
            cursor: Cursor(next.unwrap_or(usize::MAX).to_string()),
            more: next.is_some(),
            full: Kinds::NONE,
        })
    }

    async fn estimate(&self, window: Window, _: &Want) -> Result<u32, Fault> {
        self.call(Op::History).await?;
        let world = self.shared.lock();
        let home = self.home();
        let count = world
            .living(home, ItemKind::Email)
            .into_iter()
            .filter(|index| {
                let sent = world.item(home, *index).mail.sent;
                sent >= window.from && sent < window.to
            })
            .count();
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

#[async_trait]
impl Crm for End {
    fn user(&self) -> UserId {
        user_id(self.conn)
            .0
            .parse()
            .unwrap_or_else(|_| unreachable!("it has the form of one"))
    }

    async fn known(&self, clues: &[Clue]) -> Result<Vec<Vec<Known>>, Fault> {
        self.call(Op::Known).await?;
        let world = self.shared.lock();
        Ok(clues
            .iter()
            .map(|clue| {
                let mut known = world.clue(self.conn, clue);
                world.turn_round(&mut known);
                known
            })
            .collect())
    }

    async fn email_links(&self, email: &ItemId) -> Result<Option<Relations>, Fault> {
        self.call(Op::Read).await?;
        let world = self.shared.lock();
        let item = world
            .find(Home::Org, email)
            .map(|index| world.item(Home::Org, index))
            .filter(|item| item.here() && world.visible(item, self.conn));
        Ok(item.map(|item| world.relations(item, self.conn)))
    }

    async fn tie_to_email(&self, email: &ItemId, people: &[ItemId]) -> Result<Result<(), Refusal>, Fault> {
        self.call(Op::Attach).await?;
        let mut world = self.shared.lock();
        if let Some(index) = world.find(Home::Org, email) {
            let item = world.item_mut(Home::Org, index);
            for id in people {
                if !item.who.contains(id) {
                    item.who.push(id.clone());
                }
            }
        }
        Ok(Ok(()))
    }

    async fn attach(&self, to: &ItemId, files: &[File]) -> Result<Vec<Result<(), Refusal>>, Fault> {
        self.call(Op::Attach).await?;
        let mut world = self.shared.lock();
        let Some(index) = world.find(Home::Org, to) else {
            return Ok(files
                .iter()
                .map(|_| {
                    Err(Refusal {
                        code: IssueCode::AttachmentLeftOut,
                        message: "gone".to_owned(),
                        fields: Vec::new(),
                        retry: false,
                    })
                })
                .collect());
        };
        let mut outcomes = Vec::new();
        for file in files {
            let refuse = |code, retry| {
                Err(Refusal {
                    code,
                    message: "no".to_owned(),
                    fields: Vec::new(),
                    retry,
                })
            };
            outcomes.push(if world.files_full > world.now() {
                world.counters.count("world", "attachment: storage full");
                refuse(IssueCode::StorageFull, true)
            } else if is_refused(&file.name) {
                world.counters.count("world", "attachment refused");
                refuse(IssueCode::AttachmentLeftOut, false)
            } else {
                let item = world.item_mut(Home::Org, index);
                if !item.files.contains(&file.name) {
                    item.files.push(file.name.clone());
                }
                Ok(())
            });
        }
        Ok(outcomes)
    }
}

/// What Salesforce does not take.
pub fn is_refused(file: &str) -> bool {
    file.strip_suffix(".bad").is_some()
}

/// Puts a value where a record holds its people.
pub fn take_relations(world: &mut World, index: usize, conn: usize, text: &str) {
    let relations: Relations = text.parse().unwrap_or_default();
    let own = user_id(conn);
    let item = world.item_mut(Home::Org, index);
    let mine = item.invited.get(&own).copied();
    item.who = relations.who;
    item.what = relations.what;
    item.invited = relations.invited;
    if let Some(answer) = mine {
        item.invited.insert(own, answer);
    }
}

/// Puts the user's own answer, or takes him off.
pub fn take_answer(world: &mut World, index: usize, conn: usize, value: &FieldValue) {
    let own = user_id(conn);
    let item = world.item_mut(Home::Org, index);
    match value.known().and_then(Answer::parse) {
        Some(answer) => {
            item.invited.insert(own, answer);
        }
        None => {
            item.invited.remove(&own);
        }
    }
}
