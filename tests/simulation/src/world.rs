//! Everything outside of the engine: two mailboxes, one Salesforce organisation, and what is known about all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use tandem_sync::Link;
use tandem_sync::model::{
    Access, Answer, EventFacts, Extra, Field, FieldRule, FieldValue, ItemId, KnownKind, LinkKey, MailFacts,
    MailPlace, Part, Profile, Profiles, Relations, Scope, Snapshot, TaskFacts, Version, When,
};
use tandem_sync::ports::{Clock, JournalEntry};
use tandem_types::{ContactScope, IssueCure, ItemKind, LinkId, SessionId, Settings, Side, Timestamp};

use crate::counters::Counters;
use crate::dice::Dice;
use crate::faults::Trouble;
use crate::truth::{Edit, Home, Truth, canon};

/// The two users whose mailboxes are synced, and a third who only works in Salesforce.
pub const USERS: usize = 3;
/// 2026-03-24T08:00:00Z: the last Sunday of March, when clocks change, is near.
pub const START: i64 = 1_774_339_200;
pub const DAY: i64 = 24 * 3600;

/// Where a mailbox item lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// *Salesforce Contacts*, *Salesforce Tasks*, *Salesforce Emails*.
    Ours,
    /// The folder where such items lie by default.
    Plain,
    /// A folder that nobody looks at.
    Elsewhere,
    Sent,
    /// A folder whose mails are saved.
    Chosen,
}

/// How an item went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone {
    pub seq: u64,
    pub by_user: bool,
    /// Not in Deleted Items or the recycle bin any more.
    pub purged: bool,
    pub at: Timestamp,
}

/// An item of a mailbox, or a record that is synced.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent traits of an item, no state machine"
)]
#[derive(Clone, Debug)]
pub struct Item {
    pub id: ItemId,
    pub kind: ItemKind,
    pub soul: usize,
    pub fields: BTreeMap<Field, String>,
    pub version: u64,
    pub key: Option<LinkKey>,
    pub created: Timestamp,
    pub modified: Timestamp,
    /// The run that made it; `None`: a user did.
    pub made_by: Option<usize>,
    pub made_seq: u64,
    /// Of which item of the other side.
    pub made_for: Option<(Home, usize)>,
    /// When a user asked last that it be saved.
    pub asked: u64,
    /// The last time that anything but a write of ours touched it.
    pub user_seq: u64,
    /// The last write of each connection.
    pub ours: [u64; 2],
    pub gone: Option<Gone>,
    pub merged_into: Option<usize>,
    /// Which user's words stand in which field.
    pub held: BTreeMap<Field, usize>,

    pub place: Place,
    pub category: bool,
    pub failed: bool,
    pub unsync: bool,
    pub private: bool,
    pub unreadable: bool,
    pub event: EventFacts,
    pub task: TaskFacts,
    pub mail: MailFacts,
    pub files: Vec<String>,

    pub owner: usize,
    /// Somebody else owned it before.
    pub passed: bool,
    pub hidden: [bool; USERS],
    pub who: Vec<ItemId>,
    pub what: Option<ItemId>,
    pub invited: BTreeMap<ItemId, Answer>,
}

impl Item {
    pub fn here(&self) -> bool {
        self.gone.is_none()
    }

    pub fn text(&self, field: Field) -> &str {
        self.fields.get(&field).map_or("", String::as_str)
    }

    pub fn when(&self) -> Option<When> {
        self.text(Field::When).parse().ok()
    }

    /// The category, or our folder, whose items need none. A folder that was chosen fills by itself.
    pub fn marked(&self) -> bool {
        self.category || self.place == Place::Ours
    }
}

/// The items of one mailbox, or of the organisation.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    pub items: Vec<Item>,
    pub by_id: BTreeMap<ItemId, usize>,
    /// Ids that items had before they were moved.
    pub old_ids: BTreeMap<ItemId, usize>,
    /// What changed, in order; an id that an item had before it was moved.
    pub log: Vec<(usize, Option<ItemId>)>,
    pub refused: Vec<(ItemKind, ItemId)>,
}

/// A record that is only linked to.
#[derive(Clone, Debug)]
pub struct Rec {
    pub id: ItemId,
    pub kind: KnownKind,
    pub email: String,
    pub domain: String,
    pub account: Option<ItemId>,
    pub owner: usize,
    pub number: String,
    /// A lead that was converted, a deal that is closed.
    pub over: bool,
    pub modified: Timestamp,
}

/// How one seed's world behaves.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent traits of a world, no state machine"
)]
#[derive(Clone, Debug)]
pub struct Config {
    /// The organisation has the key field.
    pub crm_keys: bool,
    /// Salesforce writes some values its own way.
    pub rewrites: bool,
    /// Salesforce takes updates whatever the version is.
    pub blind: bool,
    /// The organisation has EmailMessage.
    pub emails: bool,
    pub people_max: u32,
    /// Statuses that the organisation does not know.
    pub few_words: bool,
    /// Mailboxes in Office 365.
    pub cloud: [bool; 2],
    pub page: usize,
    pub batch: usize,
    pub limit_items: usize,
    pub limit_writes: usize,
    /// Of a hundred readings, so many are told in full for no reason.
    pub full_percent: usize,
    /// Of a hundred items read, so many lack a field.
    pub partial_percent: usize,
    pub shuffle: bool,
    pub late: bool,
    pub unproved_percent: usize,
}

/// A session on its way, or over.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts of one session, no state machine"
)]
#[derive(Clone, Debug)]
pub struct Run {
    pub conn: usize,
    pub seq: u64,
    pub session: SessionId,
    pub started: Timestamp,
    pub fence: i64,
    /// Until when its lease holds.
    pub until: Timestamp,
    /// What follows is as the session found it.
    pub opened: bool,
    pub live_links: u32,
    pub released: bool,
    pub org_released: bool,
    pub first: bool,
    pub creates: u32,
    pub deletes: u32,
    pub writes: u32,
    /// Of those, to events and emails: time passes, and more of them come into the window, or match somebody.
    pub event_writes: u32,
    pub calls: [Vec<&'static str>; 2],
    /// Cut off: it neither closed nor failed.
    pub cut: bool,
    pub closed: bool,
    pub undo: bool,
    /// The session that it takes back.
    pub undoes: Option<SessionId>,
    pub settings: Settings,
    pub lost_lease: bool,
    /// A fault was ordered for one of its calls, and came.
    pub struck: bool,
    /// Things that it wrote since its last commit.
    pub unnoted: Vec<usize>,
    pub asked_to_wait: Option<Duration>,
}

/// When a link was stored last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noted {
    pub run: usize,
    pub at: u64,
    /// By the last run before that one.
    pub before: u64,
    pub before_run: usize,
}

/// Something that must never be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// `S1` … `L6`.
    pub invariant: &'static str,
    pub text: String,
}

/// Microseconds since 1970, moved by hand.
#[derive(Debug)]
pub struct Hands(AtomicI64);

impl Hands {
    pub fn new() -> Self {
        Self(AtomicI64::new(START * 1_000_000))
    }

    pub fn turn(&self, micros: i64) {
        self.0.fetch_add(micros, Ordering::Relaxed);
    }

    pub fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

impl Default for Hands {
    fn default() -> Self {
        Self::new()
    }
}

/// The engine's clock.
#[derive(Clone, Debug)]
pub struct Virtual(pub Arc<Hands>);

#[async_trait]
impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.0
            .turn(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX));
        turn().await;
    }
}

/// Lets others go first, once.
pub async fn turn() {
    let mut waited = false;
    futures::future::poll_fn(move |_| {
        if waited {
            Poll::Ready(())
        } else {
            waited = true;
            Poll::Pending
        }
    })
    .await;
}

#[derive(Debug)]
pub struct World {
    pub config: Config,
    pub hands: Arc<Hands>,
    pub seq: u64,
    /// What the servers do by chance.
    pub dice: Dice,
    pub truth: Truth,
    boxes: [Shelf; 2],
    org: Shelf,
    pub recs: Vec<Rec>,
    pub profiles: [Profiles; 2],
    /// Fields that the users may not see for now.
    pub denied: BTreeSet<(ItemKind, Field)>,
    /// … or could not for some time.
    pub ever_denied: BTreeSet<(ItemKind, Field)>,
    pub settings: [Settings; 2],
    pub activated: Timestamp,
    pub runs: Vec<Run>,
    pub troubles: [Vec<Trouble>; 2],
    pub links: [BTreeMap<LinkId, Link>; 2],
    pub link_seq: BTreeMap<LinkId, Noted>,
    /// Things whose record was merged with another, or that were copied with their key.
    pub blurred: BTreeSet<usize>,
    /// Of each connection: two make the same under one key, when one takes over the other's claim.
    pub keys: BTreeMap<(usize, LinkKey), LinkId>,
    /// By which run.
    pub journal: Vec<(usize, JournalEntry)>,
    /// Items whose fate a user decided by a cure.
    pub cured: BTreeMap<LinkId, Vec<IssueCure>>,
    /// Kinds whose deleted items were to be made again for some time, by connection.
    pub ever_recreate: BTreeSet<(usize, ItemKind)>,
    /// Things of which somebody emptied what he did not name: by a merge, an undo, a copy, or by keeping one side.
    pub emptied: BTreeSet<usize>,
    /// Kinds of which one direction was closed for some time.
    pub one_way: BTreeSet<(usize, ItemKind)>,
    /// When a link first held both its items.
    pub paired: BTreeMap<(usize, LinkId), u64>,
    /// Ids that a link ever held.
    pub noted_ids: BTreeSet<(usize, Home, ItemId)>,
    /// Mailbox items and records that a link ever held together: a link that is parked lets go of one of them.
    pub ever_paired: BTreeSet<(usize, ItemId, ItemId)>,
    /// Private events that were saved on purpose.
    pub private_on_purpose: BTreeSet<(usize, usize)>,
    /// Their links.
    pub on_purpose: BTreeSet<(usize, LinkId)>,
    /// Pairs of which a write was sent, and its outcome is not known.
    pub owed: BTreeSet<(usize, LinkId)>,
    /// What each run wrote last into each field.
    pub left: BTreeMap<(usize, Home, usize, Field), String>,
    /// Records that a user linked a thing to by his own hand.
    pub chosen: BTreeSet<(usize, ItemId)>,
    /// Mailbox items that could not be read for some time.
    pub spoilt: BTreeSet<(usize, usize)>,
    /// When an item was shown to a connection, in order.
    pub looked: BTreeMap<(usize, Home, usize), Vec<u64>>,
    /// Events and mails that a user ordered to be saved, …
    pub ordered: BTreeSet<(usize, usize)>,
    /// … without these attachments, …
    pub left_out: BTreeSet<(usize, usize, String)>,
    /// … and events that he ordered to be taken out.
    pub taken_out: BTreeSet<(usize, usize)>,
    /// When that was done.
    pub out_since: BTreeMap<(usize, usize), u64>,
    pub backfilling: [bool; 2],
    /// Those outside of the company, by their souls.
    pub people: Vec<usize>,
    /// Things of which an answer was lost after a write: what the server made of the words looks like an edit.
    pub doubted: BTreeSet<usize>,
    /// Things that a worker wrote after it had lost its lease: a batch that was on its way.
    pub torn: BTreeSet<usize>,
    /// Until then the organisation's storage takes no more files, …
    pub files_full: Timestamp,
    /// … and no more records.
    pub storage_full: Timestamp,
    /// What connections that are not part of the play have deleted: when, in both orders, and how much.
    pub others_deleted: Vec<(u64, Timestamp, u32)>,
    /// When an administrator let the organisation go on last.
    pub org_released: Option<Timestamp>,
    pub violations: Vec<Violation>,
    pub counters: Counters,
    pub trace: u64,
    pub events: u64,
    pub edits: u32,
    /// Every line of the trace, where it is wanted.
    pub diary: Option<Vec<String>>,
    /// The faults have stopped.
    pub calm: bool,
    /// From then on, whatever is answered comes in the opposite order.
    pub turned: bool,
    ids: u64,
}

/// How tests and sessions hold the world.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub fn user_id(user: usize) -> ItemId {
    ItemId(format!("005{:012}AAA", user + 1))
}

pub fn address(user: usize) -> String {
    format!("u{user}@corp.example")
}

impl World {
    pub fn new(config: Config, settings: [Settings; 2], seed: u64) -> Self {
        let profiles = [mailbox_profiles(), crm_profiles(&config)];
        let hands = Arc::new(Hands::new());
        let activated = hands.now();
        let recs = (0..USERS)
            .map(|user| Rec {
                id: user_id(user),
                kind: KnownKind::User,
                email: address(user),
                domain: String::new(),
                account: None,
                owner: user,
                number: String::new(),
                over: false,
                modified: activated,
            })
            .collect();
        Self {
            config,
            hands,
            seq: 0,
            dice: Dice::new(seed ^ 0x0057_0f1d),
            truth: Truth::default(),
            boxes: [Shelf::default(), Shelf::default()],
            org: Shelf::default(),
            recs,
            profiles,
            denied: BTreeSet::new(),
            ever_denied: BTreeSet::new(),
            settings,
            activated,
            runs: Vec::new(),
            troubles: [Vec::new(), Vec::new()],
            links: [BTreeMap::new(), BTreeMap::new()],
            link_seq: BTreeMap::new(),
            blurred: BTreeSet::new(),
            keys: BTreeMap::new(),
            journal: Vec::new(),
            cured: BTreeMap::new(),
            ever_recreate: BTreeSet::new(),
            emptied: BTreeSet::new(),
            one_way: BTreeSet::new(),
            paired: BTreeMap::new(),
            noted_ids: BTreeSet::new(),
            ever_paired: BTreeSet::new(),
            private_on_purpose: BTreeSet::new(),
            on_purpose: BTreeSet::new(),
            owed: BTreeSet::new(),
            left: BTreeMap::new(),
            chosen: BTreeSet::new(),
            spoilt: BTreeSet::new(),
            looked: BTreeMap::new(),
            ordered: BTreeSet::new(),
            left_out: BTreeSet::new(),
            taken_out: BTreeSet::new(),
            out_since: BTreeMap::new(),
            backfilling: [false; 2],
            people: Vec::new(),
            doubted: BTreeSet::new(),
            torn: BTreeSet::new(),
            files_full: activated,
            storage_full: activated,
            others_deleted: Vec::new(),
            org_released: None,
            violations: Vec::new(),
            counters: Counters::default(),
            trace: 0xcbf2_9ce4_8422_2325,
            events: 0,
            edits: 0,
            diary: None,
            calm: false,
            turned: false,
            ids: 0,
        }
    }

    pub fn now(&self) -> Timestamp {
        self.hands.now()
    }

    pub fn tick(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// One line of the trace: what happened, in the order in which it happened.
    pub fn note(&mut self, line: impl FnOnce() -> String) {
        self.events += 1;
        let line = line();
        for byte in line.bytes().chain([b'\n']) {
            self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if let Some(diary) = &mut self.diary {
            diary.push(line);
        }
    }

    /// Whether a user chose one of these for a pair.
    pub fn has_cured(&self, link: &LinkId, by: &[IssueCure]) -> bool {
        self.cured
            .get(link)
            .is_some_and(|chosen| chosen.iter().any(|cure| by.contains(cure)))
    }

    /// Turns an answer round, where that is wanted.
    pub fn turn_round<T>(&self, answer: &mut [T]) {
        if self.turned && self.calm {
            answer.reverse();
        }
    }

    /// Every item and every pair, a line each.
    pub fn state(&self) -> Vec<String> {
        let homes = [Home::Box(0), Home::Box(1), Home::Org];
        let items = homes.into_iter().flat_map(|home| &self.shelf(home).items);
        let items = items.map(|item| {
            let Item {
                id,
                fields,
                key,
                place,
                category,
                failed,
                owner,
                who,
                what,
                invited,
                files,
                ..
            } = item;
            let here = item.here();
            format!(
                "{id} here {here} {key:?} {place:?} {category} {failed} {owner} {who:?} {what:?} {invited:?} {files:?} {fields:?}"
            )
        });
        let links = self.links.iter().flat_map(BTreeMap::values).map(|link| {
            let (mailbox, crm) = (&link.mailbox_id, &link.crm_id);
            format!(
                "{mailbox:?} {crm:?} {:?} owes {:?}",
                link.state,
                link.intent.map(|i| i.side)
            )
        });
        items.chain(links).collect()
    }

    /// A line for a reader of the diary only.
    pub fn remark(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.diary.is_some() {
            let line = line(self);
            if let Some(diary) = &mut self.diary {
                diary.push(line);
            }
        }
    }

    pub fn violate(&mut self, invariant: &'static str, text: String) {
        self.note(|| format!("VIOLATION {invariant}: {text}"));
        // The first ones say what went wrong; the rest follows from them.
        if self.violations.len() < 20 {
            self.violations.push(Violation { invariant, text });
        }
    }

    pub fn shelf(&self, home: Home) -> &Shelf {
        match home {
            Home::Box(conn) => &self.boxes[conn],
            Home::Org => &self.org,
        }
    }

    pub fn shelf_mut(&mut self, home: Home) -> &mut Shelf {
        match home {
            Home::Box(conn) => &mut self.boxes[conn],
            Home::Org => &mut self.org,
        }
    }

    pub fn item(&self, home: Home, index: usize) -> &Item {
        &self.shelf(home).items[index]
    }

    pub fn item_mut(&mut self, home: Home, index: usize) -> &mut Item {
        &mut self.shelf_mut(home).items[index]
    }

    pub fn find(&self, home: Home, id: &ItemId) -> Option<usize> {
        self.shelf(home).by_id.get(id).copied()
    }

    pub fn homes() -> [Home; 3] {
        [Home::Box(0), Home::Box(1), Home::Org]
    }

    /// Everything of this thing that is there.
    pub fn of_soul(&self, home: Home, soul: usize) -> Vec<usize> {
        let items = &self.shelf(home).items;
        (0..items.len())
            .filter(|index| items[*index].here() && self.truth.same(items[*index].soul, soul))
            .collect()
    }

    pub fn fresh_id(&mut self, home: Home, kind: ItemKind) -> ItemId {
        self.ids += 1;
        let n = self.ids;
        ItemId(match home {
            Home::Box(conn) => format!("AAMk{conn}-{n:06}"),
            Home::Org => {
                let prefix = match kind {
                    ItemKind::Contact => "003",
                    ItemKind::Event => "00U",
                    ItemKind::Task => "00T",
                    ItemKind::Email => "02s",
                };
                format!("{prefix}{n:012}AAA")
            }
        })
    }

    /// A record that is only linked to.
    pub fn add_rec(
        &mut self,
        kind: KnownKind,
        email: &str,
        domain: &str,
        account: Option<ItemId>,
        owner: usize,
    ) -> ItemId {
        self.ids += 1;
        let prefix = match kind {
            KnownKind::Lead => "00Q",
            KnownKind::Account => "001",
            KnownKind::Opportunity => "006",
            KnownKind::Case => "500",
            _ => "a00",
        };
        let id = ItemId(format!("{prefix}{:012}AAA", self.ids));
        let number = format!("{:08}", self.ids);
        let modified = self.now();
        self.recs.push(Rec {
            id: id.clone(),
            kind,
            email: email.to_owned(),
            domain: domain.to_owned(),
            account,
            owner,
            number,
            over: false,
            modified,
        });
        id
    }

    /// A new item, without words yet.
    pub fn add(&mut self, home: Home, kind: ItemKind, soul: usize, made_by: Option<usize>) -> usize {
        let (seq, now) = (self.tick(), self.now());
        let id = self.fresh_id(home, kind);
        let shelf = self.shelf_mut(home);
        let index = shelf.items.len();
        shelf.items.push(Item {
            id: id.clone(),
            kind,
            soul,
            fields: BTreeMap::new(),
            version: seq,
            key: None,
            created: now,
            modified: now,
            made_by,
            made_seq: seq,
            made_for: None,
            asked: 0,
            user_seq: seq,
            ours: [0; 2],
            gone: None,
            merged_into: None,
            held: BTreeMap::new(),
            place: Place::Plain,
            category: false,
            failed: false,
            unsync: false,
            private: false,
            unreadable: false,
            event: EventFacts::default(),
            task: TaskFacts::default(),
            mail: MailFacts::default(),
            files: Vec::new(),
            owner: 0,
            passed: false,
            hidden: [false; USERS],
            who: Vec::new(),
            what: None,
            invited: BTreeMap::new(),
        });
        shelf.by_id.insert(id, index);
        shelf.log.push((index, None));
        index
    }

    /// The server notes a change: a new version, a new line for whoever reads changes.
    pub fn stamp(&mut self, home: Home, index: usize) {
        let (seq, now) = (self.tick(), self.now());
        let shelf = self.shelf_mut(home);
        let item = &mut shelf.items[index];
        item.version = seq;
        item.modified = now;
        shelf.log.push((index, None));
    }

    /// As [`World::stamp`], by a user.
    pub fn touch(&mut self, home: Home, index: usize) {
        self.stamp(home, index);
        self.remark(|world| {
            let item = world.item(home, index);
            format!(
                "  user changes {} {:?} marked {} unsync {} private {} unreadable {} owner {} hidden {:?} gone {} into {:?}",
                item.id,
                item.place,
                item.marked(),
                item.unsync,
                item.private,
                item.unreadable,
                item.owner,
                item.hidden,
                item.gone.is_some(),
                item.merged_into
            )
        });
        let seq = self.seq;
        self.item_mut(home, index).user_seq = seq;
    }

    /// A user writes a value. Nothing is stamped yet.
    pub fn write(&mut self, home: Home, index: usize, field: Field, value: &str) {
        let seq = self.tick();
        let at = self.now();
        self.remark(|world| {
            let id = &world.item(home, index).id;
            format!("  user writes {} of {id}: {value:?}", field.as_str())
        });
        let item = self.item_mut(home, index);
        let over = item.fields.get(&field).cloned().unwrap_or_default();
        if canon(field, &over) == canon(field, value) {
            return;
        }
        let soul = item.soul;
        if value.is_empty() {
            item.fields.remove(&field);
        } else {
            item.fields.insert(field, value.to_owned());
        }
        item.user_seq = seq;
        let edit = self.truth.say(Edit {
            seq,
            at,
            home,
            item: index,
            soul,
            field,
            value: value.to_owned(),
            over,
            carried: false,
            lost: None,
        });
        self.item_mut(home, index).held.insert(field, edit);
    }

    /// An item gets another id: it was moved.
    pub fn rename(&mut self, home: Home, index: usize) {
        let kind = self.item(home, index).kind;
        let id = self.fresh_id(home, kind);
        let shelf = self.shelf_mut(home);
        let old = std::mem::replace(&mut shelf.items[index].id, id.clone());
        shelf.by_id.remove(&old);
        shelf.old_ids.insert(old.clone(), index);
        shelf.by_id.insert(id, index);
        shelf.log.push((index, Some(old)));
    }

    pub fn remove(&mut self, home: Home, index: usize, by_user: bool, purged: bool) {
        self.stamp(home, index);
        self.remark(|world| {
            let id = &world.item(home, index).id;
            format!("  {id} is deleted, by a user {by_user}, for good {purged}")
        });
        let gone = Gone {
            seq: self.seq,
            by_user,
            purged,
            at: self.now(),
        };
        let item = self.item_mut(home, index);
        item.gone = Some(gone);
        if by_user {
            item.user_seq = gone.seq;
        }
    }

    /// What a side can do with a field now.
    pub fn rule(&self, side: Side, kind: ItemKind, field: Field) -> Option<FieldRule> {
        if side == Side::Crm && self.denied.contains(&(kind, field)) {
            return None;
        }
        let profiles = &self.profiles[usize::from(side == Side::Crm)];
        profiles.of(kind)?.fields.get(&field).copied()
    }

    /// What Salesforce does to a value, whoever may see it now.
    pub fn crm_rule(&self, kind: ItemKind, field: Field) -> FieldRule {
        let profile = self.profiles[1].of(kind);
        let rule = profile.and_then(|profile| profile.fields.get(&field).copied());
        rule.unwrap_or_default()
    }

    pub fn profiles_now(&self, side: Side) -> Profiles {
        let mut profiles = self.profiles[usize::from(side == Side::Crm)].clone();
        if side == Side::Crm {
            for (kind, field) in &self.denied {
                if let Some(profile) = profiles.0.get_mut(kind) {
                    profile.fields.remove(field);
                }
            }
        }
        profiles
    }

    /// Whether a user may see a record at all.
    pub fn visible(&self, item: &Item, user: usize) -> bool {
        !item.hidden[user]
    }

    pub fn scope(&self, home: Home, item: &Item, conn: usize) -> Scope {
        let within = match home {
            Home::Box(_) => {
                let private = match item.kind {
                    ItemKind::Event => item.text(Field::Private) == "yes",
                    ItemKind::Email => item.mail.confidential,
                    _ => item.private,
                };
                if item.marked() {
                    return Scope::In;
                }
                if private {
                    return Scope::Private;
                }
                item.place == Place::Chosen && !self.settings[conn].email_folders.is_empty()
            }
            Home::Org => match item.kind {
                ItemKind::Contact => {
                    self.settings[conn].contact_scope == ContactScope::AllVisible || item.owner == conn
                }
                ItemKind::Event => item.owner == conn || item.invited.contains_key(&user_id(conn)),
                ItemKind::Task => item.owner == conn,
                ItemKind::Email => true,
            },
        };
        if within { Scope::In } else { Scope::Out }
    }

    /// An item as its side shows it to this connection.
    pub fn snapshot(&self, home: Home, index: usize, conn: usize) -> Snapshot {
        let item = self.item(home, index);
        let side = home.side();
        let profile = self.profiles[usize::from(side == Side::Crm)].of(item.kind);
        let mut record = tandem_sync::model::Record::new(item.kind);
        if let Some(profile) = profile {
            for field in profile.fields.keys() {
                if side == Side::Crm && self.denied.contains(&(item.kind, *field)) {
                    continue;
                }
                let value = match (side, field) {
                    (Side::Mailbox, Field::Relations) => continue,
                    (Side::Mailbox, Field::Body | Field::Html) if item.kind == ItemKind::Email => continue,
                    (Side::Mailbox, Field::Answer) => match item.event.part {
                        Part::Organizer => FieldValue::Empty,
                        Part::Attendee => FieldValue::from_text(item.event.answer.as_str()),
                    },
                    (Side::Crm, Field::Answer) => item
                        .invited
                        .get(&user_id(conn))
                        .map_or(FieldValue::Empty, |answer| FieldValue::from_text(answer.as_str())),
                    (Side::Crm, Field::Relations) => self.relations(item, conn).to_value(),
                    _ => FieldValue::from_text(item.text(*field)),
                };
                record.set(*field, value);
            }
        }
        let holds_key = profile.is_some_and(|profile| profile.holds_key);
        let mut extra = Extra {
            unsync: item.unsync,
            failed: item.failed,
            untaggable: side == Side::Mailbox && item.event.original_start.is_some(),
            ..Extra::default()
        };
        match item.kind {
            ItemKind::Contact => {}
            ItemKind::Event => {
                let mut facts = item.event.clone();
                if side == Side::Crm {
                    facts.uid = None;
                    facts.part = if item.owner == conn {
                        Part::Organizer
                    } else {
                        Part::Attendee
                    };
                    facts.answer = item.invited.get(&user_id(conn)).copied().unwrap_or_default();
                    facts.attendees = Vec::new();
                }
                extra.event = Some(Box::new(facts));
            }
            ItemKind::Task => extra.task = Some(item.task),
            ItemKind::Email => {
                if side == Side::Mailbox {
                    let mut facts = item.mail.clone();
                    facts.place = match item.place {
                        Place::Plain => MailPlace::Inbox,
                        Place::Sent => MailPlace::Sent,
                        Place::Ours => MailPlace::Ours,
                        Place::Chosen if self.settings[conn].email_folders.is_empty() => MailPlace::Other,
                        Place::Chosen => MailPlace::Chosen,
                        Place::Elsewhere => MailPlace::Other,
                    };
                    extra.mail = Some(Box::new(facts));
                }
            }
        }
        Snapshot {
            id: item.id.clone(),
            version: Version(item.version.to_string()),
            key: item.key.clone().filter(|_| holds_key && !extra.untaggable),
            scope: self.scope(home, item, conn),
            record,
            modified: item.modified,
            created: item.created,
            marked: side == Side::Crm || item.marked(),
            extra,
        }
    }

    /// What a record belongs to, as this user's connection sees it.
    pub fn relations(&self, item: &Item, conn: usize) -> Relations {
        let own = user_id(conn);
        let invited = item
            .invited
            .iter()
            .filter(|(id, _)| **id != own)
            .map(|(id, answer)| (id.clone(), *answer))
            .collect();
        Relations {
            who: item.who.clone(),
            what: item.what.clone(),
            invited,
        }
        .canonical()
    }

    /// What Salesforce keeps of what is written to it.
    pub fn stored(&self, kind: ItemKind, field: Field, text: &str) -> String {
        let mut text = match self.crm_rule(kind, field).max_chars {
            Some(max) => text
                .chars()
                .take(usize::try_from(max).unwrap_or(usize::MAX))
                .collect(),
            None => text.to_owned(),
        };
        if self.config.rewrites && !text.is_empty() {
            match field {
                Field::Department | Field::Location => text = text.to_uppercase(),
                Field::Body => text = text.replace("\r\n", "\n").replace('\n', "\r\n"),
                Field::GivenName | Field::Subject => text = format!("{text} "),
                _ => {}
            }
        }
        text
    }

    /// A session ends without a word: of what it wrote last, nothing is noted.
    pub fn cut(&mut self, run: usize) {
        self.runs[run].cut = true;
        let unnoted = std::mem::take(&mut self.runs[run].unnoted);
        self.doubted.extend(unnoted);
    }

    /// When a link was stored last before this run.
    pub fn noted_before(&self, link: &LinkId, run: usize) -> u64 {
        self.link_seq
            .get(link)
            .map_or(0, |noted| if noted.run == run { noted.before } else { noted.at })
    }

    /// When the run began that stored a link last before this one: what was written since may have been missed.
    pub fn read_before(&self, link: &LinkId, run: usize) -> u64 {
        let noted = self
            .link_seq
            .get(link)
            .filter(|_| self.noted_before(link, run) > 0);
        noted.map_or(0, |noted| {
            let last = if noted.run == run {
                noted.before_run
            } else {
                noted.run
            };
            self.runs[last].seq
        })
    }

    /// When an item was shown to a session of this connection last, before this run began.
    pub fn looked_before(&self, conn: usize, home: Home, index: usize, run: usize) -> u64 {
        let start = self.runs[run].seq;
        let looks = self.looked.get(&(conn, home, index));
        let before = looks.and_then(|looks| looks.iter().rev().find(|seq| **seq < start));
        before.copied().unwrap_or(0)
    }

    /// How many links are over, and how many items are gone.
    pub fn over(&self) -> (usize, usize) {
        let links = self.links.iter().flat_map(BTreeMap::values);
        let ended = links.filter(|link| matches!(link.state, tandem_sync::LinkState::Ended(_)));
        let items = Self::homes().into_iter().flat_map(|home| &self.shelf(home).items);
        (ended.count(), items.filter(|item| !item.here()).count())
    }

    /// Items of a kind that are there.
    pub fn living(&self, home: Home, kind: ItemKind) -> Vec<usize> {
        let items = &self.shelf(home).items;
        (0..items.len())
            .filter(|index| items[*index].here() && items[*index].kind == kind)
            .collect()
    }

    /// Whether the other half of this item's pair was deleted.
    pub fn half_gone(&self, conn: usize, home: Home, id: &ItemId) -> bool {
        let other = match home {
            Home::Box(_) => Home::Org,
            Home::Org => Home::Box(conn),
        };
        self.links[conn]
            .values()
            .filter(|link| link.state == tandem_sync::LinkState::Live && link.id_on(home.side()) == Some(id))
            .filter_map(|link| self.find_ever(other, link.id_on(other.side())?))
            .any(|index| !self.item(other, index).here())
    }

    /// The link of a connection that holds this item and is not over.
    pub fn link_of(&self, conn: usize, home: Home, index: usize) -> Option<&Link> {
        let item = self.item(home, index);
        self.links[conn]
            .values()
            .filter(|link| link.id_on(home.side()) == Some(&item.id))
            .min_by_key(|link| match link.state {
                tandem_sync::LinkState::Live => 0,
                tandem_sync::LinkState::Dormant => 1,
                tandem_sync::LinkState::Ended(_) => 2,
            })
    }
}

fn rule() -> FieldRule {
    FieldRule::default()
}

fn cut(max: u32) -> FieldRule {
    FieldRule {
        max_chars: Some(max),
        ..rule()
    }
}

fn profile(
    fields: impl IntoIterator<Item = (Field, FieldRule)>,
    holds_key: bool,
    people_max: u32,
) -> Profile {
    Profile {
        fields: fields.into_iter().collect(),
        holds_key,
        people_max,
    }
}

fn mailbox_profiles() -> Profiles {
    let all = |kind: ItemKind| {
        let read_only = FieldRule {
            access: Access::ReadOnly,
            ..rule()
        };
        let fields = Field::of(kind).iter().map(move |field| {
            let ours = match (kind, field) {
                (ItemKind::Email, _) | (_, Field::Relations | Field::Answer) => read_only,
                _ => rule(),
            };
            (*field, ours)
        });
        (kind, profile(fields, true, 0))
    };
    Profiles(ItemKind::ALL.into_iter().map(all).collect())
}

fn crm_profiles(config: &Config) -> Profiles {
    let mut profiles = BTreeMap::new();
    for kind in ItemKind::ALL {
        if kind == ItemKind::Email && !config.emails {
            continue;
        }
        let fields = Field::of(kind).iter().filter_map(|field| {
            let ours = match (kind, field) {
                (ItemKind::Contact, Field::OtherStreet) => return None,
                (ItemKind::Contact, Field::Surname) => FieldRule {
                    required: true,
                    ..cut(40)
                },
                (ItemKind::Contact, Field::Company) => FieldRule {
                    access: Access::CreateOnly,
                    ..rule()
                },
                (ItemKind::Contact, Field::JobTitle) => cut(12),
                (ItemKind::Event | ItemKind::Task, Field::Subject) => cut(24),
                (ItemKind::Event | ItemKind::Task, Field::Body) => cut(80),
                (ItemKind::Event, Field::ShowAs) => FieldRule {
                    words: &["busy", "out_of_office", "free"],
                    ..rule()
                },
                (ItemKind::Task, Field::Status) if config.few_words => FieldRule {
                    words: &["not_started", "in_progress", "completed"],
                    ..rule()
                },
                _ => rule(),
            };
            Some((*field, ours))
        });
        profiles.insert(kind, profile(fields, config.crm_keys, config.people_max));
    }
    Profiles(profiles)
}
