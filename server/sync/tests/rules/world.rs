//! Two sides and a store in memory, as small as undo and cures need them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use tandem_sync::hash::Hasher;
use tandem_sync::model::{
    Candidate, Changes, Clue, Cursor, Extra, Fate, Field, FieldValue, File, ItemId, Known, LinkKey, MatchKey,
    Message, Outcome, Profiles, Record, Refusal, Rival, Scope, Snapshot, Trace, Version, Want, Window, Write,
};
use tandem_sync::ports::{
    Claim, Clock, Closing, Commit, Crm, Endpoint, HashKey, Issue, JournalEntry, Lease, LinkAsk, Mailbox,
    Observer, Opening, Pick, Rng, Store, StoreError, Wish,
};
use tandem_sync::session::{Context, Limits};
use tandem_sync::{Base, BaseHash, Fault, Link, LinkState, Traits, normalise};
use tandem_types::{
    AttachmentRules, IssueCode, ItemKind, LinkId, Progress, SessionId, Settings, Side, StateReason,
    SyncState, Timestamp, UserId,
};

use crate::items::{ME, at, user};

pub(crate) const KEY: HashKey = HashKey([7; 32]);

#[derive(Default)]
pub(crate) struct End {
    pub(crate) items: BTreeMap<ItemId, Snapshot>,
    /// Deleted, and to be had back.
    pub(crate) bin: BTreeMap<ItemId, Snapshot>,
    /// What comes back has another id.
    pub(crate) renames: bool,
    pub(crate) refuses: BTreeSet<ItemId>,
    /// The answers to the next call of `write` are lost: with or without its effect.
    pub(crate) doubt: Option<bool>,
    /// The n-th call from now fails.
    pub(crate) fails: Option<u32>,
    /// Somebody edits the item between our reading and our writing.
    pub(crate) meddle: Option<(ItemId, Field, &'static str)>,
    pub(crate) batch: usize,
    pub(crate) writes: Vec<Write>,
    counter: u32,
}

pub(crate) struct FakeSide(pub(crate) Mutex<End>);

impl FakeSide {
    fn end(&self) -> std::sync::MutexGuard<'_, End> {
        self.0.lock().unwrap()
    }

    fn call(&self) -> Result<(), Fault> {
        let mut end = self.end();
        match end.fails {
            Some(1) => {
                end.fails = None;
                Err(Fault::transient("no network"))
            }
            Some(n) => {
                end.fails = Some(n - 1);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl End {
    fn fresh(&mut self) -> Version {
        self.counter += 1;
        Version(format!("w{}", self.counter))
    }

    fn one(&mut self, write: &Write) -> Outcome {
        let (Write::Update { id, version, .. } | Write::Delete { id, version, .. }) = write else {
            return Outcome::InDoubt;
        };
        if self.refuses.contains(id) {
            return Outcome::Refused(Refusal {
                code: IssueCode::NoPermission,
                message: "no".to_owned(),
                fields: Vec::new(),
                retry: false,
            });
        }
        let fresh = self.fresh();
        let Some(item) = self.items.get_mut(id) else {
            return Outcome::Missing;
        };
        if item.version != *version {
            return Outcome::Conflict(Box::new(item.clone()));
        }
        if let Write::Update { set, mark, .. } = write {
            for (field, value) in set {
                item.record.set(*field, value.clone());
            }
            if let Some(mark) = mark {
                item.marked = *mark == tandem_sync::model::Mark::Synced;
            }
            item.version = fresh;
            return Outcome::Written {
                now: Box::new(item.clone()),
                replaced: BTreeMap::new(),
                left: None,
            };
        }
        let item = self.items.remove(id).unwrap();
        self.bin.insert(id.clone(), item);
        Outcome::Deleted
    }
}

#[async_trait]
impl Endpoint for FakeSide {
    async fn profile(&self) -> Result<Profiles, Fault> {
        Ok(Profiles::default())
    }

    async fn changes(&self, _: Option<&Cursor>, _: &Want) -> Result<Changes, Fault> {
        Err(Fault::fatal("nobody lists anything here"))
    }

    async fn read(&self, ids: &[ItemId]) -> Result<Vec<Option<Snapshot>>, Fault> {
        self.call()?;
        let mut end = self.end();
        let found = ids.iter().map(|id| end.items.get(id).cloned()).collect();
        if let Some((id, field, text)) = end.meddle.take() {
            let fresh = end.fresh();
            let item = end.items.get_mut(&id).unwrap();
            item.record.set(field, FieldValue::from_text(text));
            item.version = fresh;
        }
        Ok(found)
    }

    async fn fates(&self, asked: &[Trace]) -> Result<Vec<Fate>, Fault> {
        self.call()?;
        let end = self.end();
        let by_key = |key: &LinkKey| end.items.values().find(|item| item.key.as_ref() == Some(key));
        Ok(asked
            .iter()
            .map(|trace| match by_key(&trace.key) {
                Some(item) => Fate::Here(Box::new(item.clone())),
                None => Fate::Deleted { merged_into: None },
            })
            .collect())
    }

    async fn candidates(&self, keys: &[MatchKey]) -> Result<Vec<Vec<Candidate>>, Fault> {
        Ok(keys.iter().map(|_| Vec::new()).collect())
    }

    async fn created(&self, _: ItemKind, _: &[LinkKey], _: Timestamp) -> Result<Vec<Snapshot>, Fault> {
        Ok(Vec::new())
    }

    async fn restore(&self, gone: &[Trace]) -> Result<Vec<Outcome>, Fault> {
        self.call()?;
        let mut end = self.end();
        Ok(gone
            .iter()
            .map(|trace| {
                let Some(mut item) = end.bin.remove(&trace.id) else {
                    return Outcome::Missing;
                };
                item.version = end.fresh();
                if end.renames {
                    item.id = ItemId(format!("{}-back", item.id.0));
                }
                end.items.insert(item.id.clone(), item.clone());
                Outcome::Written {
                    now: Box::new(item),
                    replaced: BTreeMap::new(),
                    left: None,
                }
            })
            .collect())
    }

    async fn rivals(&self) -> Result<Vec<Rival>, Fault> {
        Ok(Vec::new())
    }

    fn batch(&self) -> usize {
        self.end().batch
    }

    async fn write(&self, writes: &[Write]) -> Result<Vec<Outcome>, Fault> {
        self.call()?;
        let mut end = self.end();
        end.writes.extend(writes.iter().cloned());
        let doubt = end.doubt.take();
        Ok(writes
            .iter()
            .map(|write| match doubt {
                Some(false) => Outcome::InDoubt,
                Some(true) => {
                    end.one(write);
                    Outcome::InDoubt
                }
                None => end.one(write),
            })
            .collect())
    }
}

#[async_trait]
impl Mailbox for FakeSide {
    async fn prepare(&self) -> Result<(), Fault> {
        Ok(())
    }

    async fn messages(
        &self,
        _: &[ItemId],
        _: &AttachmentRules,
    ) -> Result<Vec<Result<Message, Refusal>>, Fault> {
        Ok(Vec::new())
    }

    async fn history(&self, _: Window, _: &Want, _: Option<&Cursor>) -> Result<Changes, Fault> {
        Err(Fault::fatal("no history here"))
    }

    async fn estimate(&self, _: Window, _: &Want) -> Result<u32, Fault> {
        Ok(0)
    }
}

#[async_trait]
impl Crm for FakeSide {
    fn user(&self) -> UserId {
        user()
    }

    async fn known(&self, clues: &[Clue]) -> Result<Vec<Vec<Known>>, Fault> {
        Ok(clues.iter().map(|_| Vec::new()).collect())
    }

    async fn attach(&self, _: &ItemId, _: &[File]) -> Result<Vec<Result<(), Refusal>>, Fault> {
        Ok(Vec::new())
    }
}

#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) links: BTreeMap<LinkId, Link>,
    /// By session.
    pub(crate) journal: Vec<(SessionId, JournalEntry)>,
    pub(crate) issues: Vec<Issue>,
    pub(crate) unclaimed: Vec<BaseHash>,
    /// Under what which record is named for the organisation.
    pub(crate) claims: Vec<Claim>,
    pub(crate) closed: Vec<Closing>,
    pub(crate) reason: Option<StateReason>,
    /// The n-th commit from now finds the database gone.
    pub(crate) crash: Option<u32>,
}

pub(crate) struct FakeStore(pub(crate) Mutex<Rows>);

#[async_trait]
impl Store for FakeStore {
    async fn claim(
        &self,
        _: &Pick,
        _: &str,
        _: SessionId,
        _: Timestamp,
        _: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        Ok(None)
    }

    async fn renew(&self, lease: &Lease, now: Timestamp, ttl: Duration) -> Result<Lease, StoreError> {
        Ok(Lease {
            until: now.plus_seconds(i64::try_from(ttl.as_secs()).unwrap()),
            ..lease.clone()
        })
    }

    async fn open(&self, _: &Lease) -> Result<Opening, StoreError> {
        let rows = self.0.lock().unwrap();
        Ok(Opening {
            state: SyncState::Active,
            reason: rows.reason,
            settings: Settings::default(),
            mailbox_cursor: None,
            crm_cursor: None,
            hash_key: KEY,
            live_links: 0,
            rejections: 0,
            failures: 0,
            first_round_done: true,
            released: false,
            last_full: None,
            org_key: HashKey([8; 32]),
            org_deletes: 0,
            org_stopped: false,
            org_released: false,
            last_moved: None,
            backfill: None,
            activated: at(0),
            address: ME.to_owned(),
        })
    }

    async fn links(&self, _: &Lease, _: &LinkAsk) -> Result<Vec<Link>, StoreError> {
        Ok(self.0.lock().unwrap().links.values().cloned().collect())
    }

    async fn commit(&self, lease: &Lease, _: Timestamp, commit: Commit) -> Result<(), StoreError> {
        let mut rows = self.0.lock().unwrap();
        match &mut rows.crash {
            Some(1) => {
                rows.crash = None;
                return Err(StoreError::Unavailable("gone".to_owned()));
            }
            Some(n) => *n -= 1,
            None => {}
        }
        rows.links
            .extend(commit.links.into_iter().map(|link| (link.id.clone(), link)));
        let session = lease.session.clone();
        rows.journal
            .extend(commit.journal.into_iter().map(|entry| (session.clone(), entry)));
        rows.issues.extend(commit.issues);
        rows.unclaimed
            .extend(commit.unclaimed.into_iter().map(|(_, hash)| hash));
        rows.claims.extend(commit.claims);
        Ok(())
    }

    async fn claims(
        &self,
        lease: &Lease,
        now: Timestamp,
        wishes: &[Wish],
        _: Timestamp,
    ) -> Result<Vec<Claim>, StoreError> {
        let granted = |wish: &Wish| Claim {
            kind: wish.kind,
            hash: wish.hash,
            holder: lease.connection.clone(),
            key: wish.key.clone(),
            crm_id: None,
            since: now,
        };
        Ok(wishes.iter().map(granted).collect())
    }

    async fn claimed(
        &self,
        _: &Lease,
        asked: &[(ItemKind, BaseHash)],
    ) -> Result<Vec<Option<Claim>>, StoreError> {
        Ok(asked.iter().map(|_| None).collect())
    }

    async fn colleagues(&self, _: &Lease, addresses: &[String]) -> Result<Vec<bool>, StoreError> {
        Ok(addresses.iter().map(|_| false).collect())
    }

    async fn journal(&self, _: &Lease, session: &SessionId) -> Result<Vec<JournalEntry>, StoreError> {
        let rows = self.0.lock().unwrap();
        Ok(rows
            .journal
            .iter()
            .filter(|(of, _)| of == session)
            .map(|(_, entry)| entry.clone())
            .collect())
    }

    async fn close(&self, _: &Lease, closing: Closing) -> Result<(), StoreError> {
        self.0.lock().unwrap().closed.push(closing);
        Ok(())
    }
}

pub(crate) struct Quiet;

impl Observer for Quiet {
    fn progress(&self, _: Progress) {}

    fn should_stop(&self) -> bool {
        false
    }
}

pub(crate) struct Still;

#[async_trait]
impl Clock for Still {
    fn now(&self) -> Timestamp {
        at(100)
    }

    async fn sleep(&self, _: Duration) {}
}

pub(crate) struct Counting(Mutex<u8>);

impl Rng for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let mut n = self.0.lock().unwrap();
            *n = n.wrapping_add(1);
            *byte = *n;
        }
    }
}

pub(crate) struct World {
    pub(crate) mailbox: FakeSide,
    pub(crate) crm: FakeSide,
    pub(crate) store: FakeStore,
    rng: Counting,
    sessions: u32,
}

/// A record of the fields and texts.
pub(crate) fn record(kind: ItemKind, fields: &[(Field, &str)]) -> Record {
    fields.iter().fold(Record::new(kind), |record, (field, text)| {
        record.with(*field, text)
    })
}

pub(crate) fn id(text: &str) -> ItemId {
    ItemId(text.to_owned())
}

impl World {
    pub(crate) fn new() -> Self {
        let end = || {
            FakeSide(Mutex::new(End {
                batch: 2,
                ..End::default()
            }))
        };
        Self {
            mailbox: end(),
            crm: end(),
            store: FakeStore(Mutex::new(Rows::default())),
            rng: Counting(Mutex::new(0)),
            sessions: 0,
        }
    }

    pub(crate) fn side(&self, side: Side) -> std::sync::MutexGuard<'_, End> {
        match side {
            Side::Mailbox => self.mailbox.end(),
            Side::Crm => self.crm.end(),
        }
    }

    pub(crate) fn rows(&self) -> std::sync::MutexGuard<'_, Rows> {
        self.store.0.lock().unwrap()
    }

    pub(crate) fn put(&self, side: Side, name: &str, key: u8, record: Record) {
        let mut end = self.side(side);
        let version = end.fresh();
        end.items.insert(
            id(name),
            Snapshot {
                id: id(name),
                version,
                key: Some(LinkKey(format!("key{key}"))),
                scope: Scope::In,
                record,
                modified: at(1),
                created: at(1),
                marked: true,
                extra: Extra::default(),
            },
        );
    }

    pub(crate) fn edit(&self, side: Side, name: &str, field: Field, text: &str) {
        let mut end = self.side(side);
        let fresh = end.fresh();
        let item = end.items.get_mut(&id(name)).unwrap();
        item.record.set(field, FieldValue::from_text(text));
        item.version = fresh;
    }

    pub(crate) fn text(&self, side: Side, name: &str, field: Field) -> Option<String> {
        let end = self.side(side);
        end.items
            .get(&id(name))
            .map(|item| item.record.get(field).known().unwrap_or_default().to_owned())
    }

    /// A link of two items, `m…` and `c…`, both agreed on as they are now.
    pub(crate) fn link(&self, n: u8, kind: ItemKind, state: LinkState) -> LinkId {
        let hasher = Hasher::new(&KEY);
        let mut base = Base {
            normaliser: normalise::VERSION,
            ..Base::default()
        };
        let ids = (id(&format!("m{n}")), id(&format!("c{n}")));
        for (side, id) in [(Side::Mailbox, &ids.0), (Side::Crm, &ids.1)] {
            if let Some(item) = self.side(side).items.get(id) {
                for (field, value) in &item.record.fields {
                    base.on_mut(side)
                        .insert(*field, hasher.of(*field, value).unwrap());
                }
            }
        }
        let version =
            |side: Side, id: &ItemId| self.side(side).items.get(id).map(|item| item.version.clone());
        let link = Link {
            id: format!("{n:032x}").parse().unwrap(),
            kind,
            state,
            key: LinkKey(format!("key{n}")),
            mailbox_version: version(Side::Mailbox, &ids.0),
            crm_version: version(Side::Crm, &ids.1),
            mailbox_id: Some(ids.0),
            crm_id: Some(ids.1),
            base,
            made_on: None,
            touched: false,
            intent: None,
            changed: at(1),
            traits: Traits::default(),
        };
        let id = link.id.clone();
        self.rows().links.insert(id.clone(), link);
        id
    }

    pub(crate) fn linked(&self, id: &LinkId) -> Link {
        self.rows().links[id].clone()
    }

    /// Whether a side of a link holds what was agreed on.
    pub(crate) fn settled(&self, id: &LinkId, side: Side) -> bool {
        let link = self.linked(id);
        let hasher = Hasher::new(&KEY);
        let end = self.side(side);
        let item = &end.items[link.id_on(side).unwrap()];
        link.base
            .on(side)
            .iter()
            .all(|(field, hash)| hasher.of(*field, item.record.get(*field)) == Some(*hash))
    }

    pub(crate) fn lease(&mut self) -> Lease {
        self.sessions += 1;
        Lease {
            connection: "c".repeat(32).parse().unwrap(),
            session: format!("{:032x}", self.sessions).parse().unwrap(),
            org: "00D000000000001AAA".parse().unwrap(),
            user: user(),
            fence: i64::from(self.sessions),
            until: at(1000),
        }
    }

    pub(crate) fn context(&self, dry_run: bool) -> Context<'_> {
        Context {
            mailbox: &self.mailbox,
            crm: &self.crm,
            store: &self.store,
            clock: &Still,
            rng: &self.rng,
            observer: &Quiet,
            dry_run,
            limits: Limits::default(),
        }
    }
}
