//! What a session reads and finds out before it decides.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tandem_types::{LinkId, ProgressPhase, Side, Timestamp};

use crate::facts::{Facts, Links, Made};
use crate::hash::Hasher;
use crate::link::{BaseHash, Link, LinkState};
use crate::merge::Both;
use crate::model::{Candidate, Change, Cursor, Fate, Field, ItemId, LinkKey, MatchKey, Profile, Snapshot};
use crate::plan::{Plan, Setting, plan};
use crate::ports::{Commit, Endpoint, Lease, LinkAsk, Opening, StoreError};
use crate::session::{Context, progress};
use crate::survey::{Look, Lookups, View};
use crate::{Fault, FaultKind, due, lease};

const PHONES: [Field; 4] = [
    Field::BusinessPhone,
    Field::MobilePhone,
    Field::HomePhone,
    Field::OtherPhone,
];
/// Ids or keys in one question to a side.
const ASK_MAX: usize = 200;
/// Answers lead to questions, but not for ever: what is not known by then waits for the next session.
const ROUNDS_MAX: usize = 16;
/// Two servers' clocks, and ours, differ.
const CLOCKS_DIFFER_SECONDS: i64 = 10 * 60;

/// Why a session cannot go on.
#[derive(Debug)]
pub(crate) enum Halt {
    Store(StoreError),
    Fault(Side, Fault),
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Keeps the lease alive while the session waits for others.
pub(crate) struct Keeper<'a> {
    cx: Context<'a>,
    lease: Mutex<Lease>,
}

impl<'a> Keeper<'a> {
    pub(crate) fn new(cx: Context<'a>, lease: Lease) -> Self {
        Self {
            cx,
            lease: Mutex::new(lease),
        }
    }

    pub(crate) fn lease(&self) -> Lease {
        // A lease is replaced as a whole: a panic elsewhere cannot have left half of one.
        self.lease
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    pub(crate) async fn keep(&self) -> Result<(), StoreError> {
        let lease = self.lease();
        let now = self.cx.clock.now();
        let ttl = self.cx.limits.lease;
        if lease::renewal_due(&lease, now, ttl) {
            let renewed = self.cx.store.renew(&lease, now, ttl).await?;
            *self
                .lease
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner) = renewed;
        }
        Ok(())
    }
}

/// What one side reported.
struct Reading {
    items: Vec<Change>,
    cursor: Cursor,
    full: bool,
    truncated: bool,
}

/// What a session knows.
pub(crate) struct Round<'a> {
    pub(crate) cx: Context<'a>,
    pub(crate) keeper: &'a Keeper<'a>,
    pub(crate) opening: &'a Opening,
    pub(crate) hasher: &'a Hasher,
    pub(crate) links: Links,
    pub(crate) facts: Facts,
    pub(crate) again: BTreeSet<LinkId>,
    pub(crate) look: Look,
    pub(crate) profiles: Option<Both<Profile>>,
    pub(crate) started: Timestamp,
    pub(crate) written: usize,
    /// Something could not be found out: the cursors stay where they are.
    unknown: bool,
    cursors: Both<Option<Cursor>>,
    truncated: bool,
    mailbox_accepted: bool,
}

impl<'a> Round<'a> {
    pub(crate) fn new(
        cx: Context<'a>,
        keeper: &'a Keeper<'a>,
        opening: &'a Opening,
        hasher: &'a Hasher,
    ) -> Self {
        Self {
            cx,
            keeper,
            opening,
            hasher,
            links: Links::default(),
            facts: Facts::default(),
            again: BTreeSet::new(),
            look: Look::Everything,
            profiles: None,
            started: cx.clock.now(),
            written: 0,
            unknown: false,
            cursors: Both::default(),
            truncated: false,
            mailbox_accepted: false,
        }
    }

    pub(crate) fn mailbox_accepted(&self) -> bool {
        self.mailbox_accepted
    }

    pub(crate) fn truncated(&self) -> bool {
        self.truncated || self.unknown
    }

    /// Reads both sides' changes, both at once.
    pub(crate) async fn read(&mut self) -> Result<(), Halt> {
        let full = self.opening.last_full.is_some() && due::full_due(self.opening.last_full, self.started);
        let since = |cursor: &Option<Cursor>| if full { None } else { cursor.clone() };
        let count = AtomicUsize::new(0);
        progress(&self.cx, ProgressPhase::Reading, 0, 0);
        let (mailbox, crm) = futures::join!(
            self.read_side(Side::Mailbox, since(&self.opening.mailbox_cursor), &count),
            self.read_side(Side::Crm, since(&self.opening.crm_cursor), &count),
        );
        self.mailbox_accepted = mailbox.is_ok();
        let (mailbox, crm) = match (mailbox, crm) {
            (Ok(mailbox), Ok(crm)) => (mailbox, crm),
            (Err(Halt::Store(error)), _) | (_, Err(Halt::Store(error))) => return Err(Halt::Store(error)),
            // A grant that has ended is certain; everything else of the other side may pass.
            (Err(mailbox), Err(crm)) => {
                return Err(if ended(&crm) { crm } else { mailbox });
            }
            (Err(halt), Ok(_)) | (Ok(_), Err(halt)) => return Err(halt),
        };
        for (side, reading) in [(Side::Mailbox, mailbox), (Side::Crm, crm)] {
            self.truncated |= reading.truncated;
            let old = match side {
                Side::Mailbox => &self.opening.mailbox_cursor,
                Side::Crm => &self.opening.crm_cursor,
            };
            if old.as_ref() != Some(&reading.cursor) {
                *self.cursors.on_mut(side) = Some(reading.cursor);
            }
            let facts = self.facts.sides.on_mut(side);
            facts.full = reading.full && !reading.truncated;
            for change in reading.items {
                facts.report(change);
            }
        }
        self.first_links().await
    }

    async fn read_side(
        &self,
        side: Side,
        since: Option<Cursor>,
        count: &AtomicUsize,
    ) -> Result<Reading, Halt> {
        let fault = |fault| Halt::Fault(side, fault);
        let endpoint = self.cx.side(side);
        let mut since = since;
        let mut anew = since.is_none();
        self.start(side, anew).await?;
        let mut reading: Option<Reading> = None;
        loop {
            let page = match endpoint.changes(since.as_ref()).await {
                Err(error) if error.kind == FaultKind::CursorExpired && !anew => {
                    anew = true;
                    since = None;
                    reading = None;
                    self.start(side, anew).await?;
                    continue;
                }
                Err(error) if error.kind == FaultKind::CursorExpired => {
                    return Err(fault(
                        Fault::transient("a fresh cursor has expired already").caused_by(error),
                    ));
                }
                page => page.map_err(fault)?,
            };
            let read = count.fetch_add(page.items.len(), Ordering::Relaxed) + page.items.len();
            progress(&self.cx, ProgressPhase::Reading, read, 0);
            let so_far = reading.get_or_insert_with(|| Reading {
                items: Vec::new(),
                cursor: page.cursor.clone(),
                full: true,
                truncated: false,
            });
            so_far.items.extend(page.items);
            so_far.full &= page.full;
            if page.more && since.as_ref() == Some(&page.cursor) {
                return Err(fault(Fault::transient(
                    "the cursor does not move although more is said to wait",
                )));
            }
            so_far.cursor = page.cursor;
            if page.more && (so_far.items.len() >= self.cx.limits.items || self.cx.observer.should_stop()) {
                so_far.truncated = true;
            }
            if let Some(done) = reading.take_if(|reading| !page.more || reading.truncated) {
                return Ok(done);
            }
            since = reading.as_ref().map(|reading| reading.cursor.clone());
            self.keeper.keep().await?;
        }
    }

    /// Folders and categories that were removed come back whenever the mailbox is listed anew.
    async fn start(&self, side: Side, anew: bool) -> Result<(), Halt> {
        if anew && side == Side::Mailbox && !self.cx.dry_run {
            self.cx
                .mailbox
                .prepare()
                .await
                .map_err(|fault| Halt::Fault(Side::Mailbox, fault))?;
        }
        Ok(())
    }

    /// Loads the links that the reports concern, and finds what a full listing leaves out.
    async fn first_links(&mut self) -> Result<(), Halt> {
        let full = Side::BOTH.into_iter().any(|side| self.facts.sides.on(side).full);
        let ask = if full { LinkAsk::All } else { LinkAsk::Pending };
        for link in self.cx.store.links(&self.keeper.lease(), &ask).await? {
            self.links.put(link);
        }
        self.links.complete = full;
        for side in Side::BOTH {
            let facts = self.facts.sides.on(side);
            if !facts.full {
                continue;
            }
            let unlisted: Vec<ItemId> = self
                .links
                .iter()
                .filter(|link| link.state == LinkState::Live)
                .filter_map(|link| link.id_on(side))
                .filter(|id| !facts.news.contains(*id))
                .cloned()
                .collect();
            let facts = self.facts.sides.on_mut(side);
            for id in unlisted {
                facts.report(Change::Absent(id));
            }
        }
        Ok(())
    }

    /// Asks, until nothing is left to be asked.
    pub(crate) async fn find_out(&mut self) -> Result<(), Halt> {
        for _ in 0..ROUNDS_MAX {
            self.load_links().await?;
            let lookups = self.view().survey().lookups;
            if lookups.profiles || !lookups.is_empty() {
                self.load_profiles().await?;
            }
            if lookups.is_empty() {
                return Ok(());
            }
            progress(&self.cx, ProgressPhase::Comparing, 0, 0);
            self.keeper.keep().await?;
            let (mailbox, crm) =
                futures::join!(self.ask(Side::Mailbox, &lookups), self.ask(Side::Crm, &lookups));
            let answers = Both::new(mailbox?, crm?);
            self.take(&lookups, answers).await?;
        }
        self.unknown = true;
        Ok(())
    }

    pub(crate) fn view(&self) -> View<'_> {
        View {
            hasher: self.hasher,
            links: &self.links,
            facts: &self.facts,
            settings: &self.opening.settings,
            again: &self.again,
            look: self.look,
        }
    }

    pub(crate) fn plan(&self) -> Plan {
        let none = Profile::default();
        let profiles = match &self.profiles {
            Some(both) => Both::new(&both.mailbox, &both.crm),
            None => Both::new(&none, &none),
        };
        let view = self.view();
        plan(
            view,
            &view.survey(),
            Setting {
                profiles,
                now: self.cx.clock.now(),
                rng: self.cx.rng,
                live_links: self.opening.live_links,
                fresh: !self.opening.first_round_done && self.opening.live_links == 0,
            },
        )
    }

    pub(crate) async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        let now = self.cx.clock.now();
        self.cx.store.commit(&self.keeper.lease(), now, commit).await
    }

    /// The round's last commit: the cursors move now that everything that they pass is durable.
    pub(crate) fn last_commit(&mut self) -> Commit {
        let mut commit = Commit::default();
        if self.unknown {
            return commit;
        }
        commit.mailbox_cursor = self.cursors.mailbox.take();
        commit.crm_cursor = self.cursors.crm.take();
        if !self.truncated {
            let full = Side::BOTH.into_iter().all(|side| self.facts.sides.on(side).full);
            // A first round that was read in several sessions has listed everything too.
            if full || self.opening.last_full.is_none() {
                commit.last_full = Some(self.started);
            }
            commit.first_round_done = !self.opening.first_round_done;
        }
        commit
    }

    async fn load_profiles(&mut self) -> Result<(), Halt> {
        if self.profiles.is_none() {
            let (mailbox, crm) = futures::join!(self.cx.mailbox.profile(), self.cx.crm.profile());
            self.profiles = Some(Both::new(
                mailbox.map_err(|fault| Halt::Fault(Side::Mailbox, fault))?,
                crm.map_err(|fault| Halt::Fault(Side::Crm, fault))?,
            ));
        }
        Ok(())
    }

    /// Loads the links of all items and keys that turned up since the last time.
    async fn load_links(&mut self) -> Result<(), Halt> {
        if self.links.complete {
            return Ok(());
        }
        let mut ids: Both<Vec<ItemId>> = Both::default();
        let mut keys: Vec<LinkKey> = Vec::new();
        for side in Side::BOTH {
            let facts = self.facts.sides.on(side);
            let ids = ids.on_mut(side);
            for (id, seen) in &facts.seen {
                ids.push(id.clone());
                match seen {
                    crate::facts::Seen::Here(now) => keys.extend(now.key.clone()),
                    crate::facts::Seen::Deleted {
                        merged_into: Some(winner),
                    } => ids.push(winner.clone()),
                    _ => {}
                }
            }
            for candidate in facts.candidates.values().flatten() {
                if let Candidate::Same(item) = candidate {
                    ids.push(item.id.clone());
                }
            }
        }
        let ask = LinkAsk::Of {
            mailbox: self.links.ask_items(Side::Mailbox, ids.mailbox),
            crm: self.links.ask_items(Side::Crm, ids.crm),
            keys: self.links.ask_keys(keys),
        };
        let LinkAsk::Of { mailbox, crm, keys } = &ask else {
            return Ok(());
        };
        if mailbox.is_empty() && crm.is_empty() && keys.is_empty() {
            return Ok(());
        }
        for link in self.cx.store.links(&self.keeper.lease(), &ask).await? {
            // What this session has moved on in memory is newer than what is stored.
            if self.links.get(&link.id).is_none() {
                self.links.put(link);
            }
        }
        Ok(())
    }

    async fn ask(&self, side: Side, lookups: &Lookups) -> Result<Answers, Halt> {
        let endpoint = self.cx.side(side);
        self.ask_side(endpoint, side, lookups)
            .await
            .map_err(|fault| Halt::Fault(side, fault))
    }

    async fn ask_side(
        &self,
        endpoint: &dyn Endpoint,
        side: Side,
        lookups: &Lookups,
    ) -> Result<Answers, Fault> {
        let mut answers = Answers::default();
        let read: Vec<ItemId> = lookups.read.on(side).iter().cloned().collect();
        for chunk in read.chunks(ASK_MAX) {
            let found = endpoint.read(chunk).await?;
            matching(chunk.len(), found.len())?;
            answers.read.extend(chunk.iter().cloned().zip(found));
        }
        let fates: Vec<(ItemId, LinkKey)> = lookups
            .fates
            .on(side)
            .iter()
            .map(|(id, key)| (id.clone(), key.clone()))
            .collect();
        for chunk in fates.chunks(ASK_MAX) {
            let found = endpoint.fates(chunk).await?;
            matching(chunk.len(), found.len())?;
            answers
                .fates
                .extend(chunk.iter().map(|(id, _)| id.clone()).zip(found));
        }
        let keys: Vec<MatchKey> = lookups.candidates.on(side).iter().cloned().collect();
        for chunk in keys.chunks(ASK_MAX) {
            let found = endpoint.candidates(chunk).await?;
            matching(chunk.len(), found.len())?;
            answers.candidates.extend(chunk.iter().cloned().zip(found));
        }
        let created = lookups.created.on(side);
        if let Some(since) = created.values().min() {
            let keys: Vec<LinkKey> = created
                .keys()
                .filter_map(|id| self.links.get(id))
                .map(|link| link.key.clone())
                .collect();
            answers.created = endpoint
                .created(&keys, since.plus_seconds(-CLOCKS_DIFFER_SECONDS))
                .await?;
        }
        Ok(answers)
    }

    async fn take(&mut self, lookups: &Lookups, answers: Both<Answers>) -> Result<(), Halt> {
        let mut created: Both<Vec<Snapshot>> = Both::default();
        for (side, answers) in [(Side::Mailbox, answers.mailbox), (Side::Crm, answers.crm)] {
            let facts = self.facts.sides.on_mut(side);
            for (id, found) in answers.read {
                facts.read(id, found);
            }
            for (id, fate) in answers.fates {
                facts.fate(id, fate);
            }
            facts.candidates.extend(answers.candidates);
            for item in &answers.created {
                facts
                    .seen
                    .entry(item.id.clone())
                    .or_insert_with(|| crate::facts::Seen::Here(Box::new(item.clone())));
            }
            *created.on_mut(side) = answers.created;
        }
        if Side::BOTH
            .into_iter()
            .any(|side| !lookups.created.on(side).is_empty())
        {
            self.load_links().await?;
            for side in Side::BOTH {
                let asked: Vec<&Link> = lookups
                    .created
                    .on(side)
                    .keys()
                    .filter_map(|id| self.links.get(id))
                    .collect();
                let holds_key = self.profiles.as_ref().is_some_and(|both| both.on(side).holds_key);
                let made = half_done(
                    self.hasher,
                    &self.links,
                    side,
                    holds_key,
                    &asked,
                    created.on(side),
                );
                self.facts.made.extend(made);
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Answers {
    read: Vec<(ItemId, Option<Snapshot>)>,
    fates: Vec<(ItemId, Fate)>,
    candidates: Vec<(MatchKey, Vec<Candidate>)>,
    created: Vec<Snapshot>,
}

fn matching(asked: usize, answered: usize) -> Result<(), Fault> {
    if asked == answered {
        Ok(())
    } else {
        Err(Fault::fatal(format!("{asked} questions, {answered} answers")))
    }
}

fn ended(halt: &Halt) -> bool {
    matches!(halt, Halt::Fault(_, fault) if fault.kind == FaultKind::SignInEnded)
}

/// Which of the items that were made lately are ours: by the key where the side holds it, else the unlinked ones with
/// the values that were sent, or nearly.
fn half_done(
    hasher: &Hasher,
    links: &Links,
    side: Side,
    holds_key: bool,
    asked: &[&Link],
    created: &[Snapshot],
) -> BTreeMap<LinkId, Made> {
    let mut free: Vec<&Snapshot> = created
        .iter()
        .filter(|item| links.of_item(side, &item.id).is_none())
        .collect();
    free.sort_by(|a, b| a.id.cmp(&b.id));
    free.dedup_by(|a, b| a.id == b.id);
    let mut taken: BTreeSet<&ItemId> = BTreeSet::new();
    // Two creates of the same content cannot be told apart, and need not be.
    let mut alike: HashMap<Vec<(Field, BaseHash)>, usize> = HashMap::new();
    let sent = |link: &Link| {
        link.base
            .on(side)
            .iter()
            .map(|(f, h)| (*f, *h))
            .collect::<Vec<_>>()
    };
    for link in asked {
        *alike.entry(sent(link)).or_default() += 1;
    }
    let mut out = BTreeMap::new();
    for link in asked {
        let base = link.base.on(side);
        let holds = |item: &Snapshot, field: Field| {
            base.get(&field)
                .is_some_and(|hash| hasher.of(field, item.record.get(field)) == Some(*hash))
        };
        let hits = |is_it: &dyn Fn(&Snapshot) -> bool| -> Vec<&Snapshot> {
            free.iter()
                .copied()
                .filter(|item| !taken.contains(&item.id) && is_it(item))
                .collect()
        };
        let hits = if holds_key {
            hits(&|item| item.key.as_ref() == Some(&link.key))
        } else {
            let same = hits(&|item| !base.is_empty() && base.keys().all(|field| holds(item, *field)));
            if same.is_empty() {
                // Somebody may have edited it in the meantime, but hardly the person's address, or name and number.
                hits(&|item| {
                    holds(item, Field::Email)
                        || (holds(item, Field::Surname) && PHONES.iter().any(|phone| holds(item, *phone)))
                })
            } else {
                same
            }
        };
        let twins = if holds_key {
            1
        } else {
            alike.get(&sent(link)).copied().unwrap_or(1)
        };
        let made = match &hits[..] {
            [] => Made::Nothing,
            [first, ..] if hits.len() <= twins => {
                taken.insert(&first.id);
                Made::This(Box::new((*first).clone()))
            }
            several => Made::Several(several.iter().take(10).map(|item| item.id.clone()).collect()),
        };
        if !holds_key && let Some(n) = alike.get_mut(&sent(link)) {
            *n -= 1;
        }
        out.insert(link.id.clone(), made);
    }
    out
}
