//! What a session asks both sides and the store before it decides, until nothing is left to be asked.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tandem_types::{ItemKind, LinkId, ProgressPhase, Side};

use super::{Halt, Round, both};
use crate::Fault;
use crate::facts::{Links, Made, Seen};
use crate::hash::Hasher;
use crate::link::{BaseHash, Link};
use crate::merge::Both;
use crate::model::{Candidate, Fate, Field, FieldValue, ItemId, LinkKey, MatchKey, Snapshot, Trace};
use crate::mutant::{self, Mutant};
use crate::ports::{Endpoint, LinkAsk};
use crate::session::progress;
use crate::survey::Lookups;

const PHONES: [Field; 4] = [
    Field::BusinessPhone,
    Field::MobilePhone,
    Field::HomePhone,
    Field::OtherPhone,
];
/// What of an activity is somebody's own words: the rest is the same in many.
const fn words(kind: ItemKind) -> &'static [Field] {
    match kind {
        ItemKind::Event => &[Field::Subject, Field::When, Field::Location, Field::Body],
        ItemKind::Task => &[Field::Subject, Field::Due, Field::Body],
        ItemKind::Contact | ItemKind::Email => &[],
    }
}

/// Ids or keys in one question to a side.
pub(super) const ASK_MAX: usize = 200;
/// Match keys in one question: a side that is asked for many lists its items once, instead of looking for each.
const CANDIDATES_MAX: usize = 50_000;
/// Answers lead to questions, but not for ever: what is not known by then waits for the next session.
const ROUNDS_MAX: usize = 16;
/// Hashes or addresses in one question to the store.
const STORE_ASK_MAX: usize = 1_000;
/// Two servers' clocks, and ours, differ.
const CLOCKS_DIFFER_SECONDS: i64 = 10 * 60;

impl Round<'_> {
    /// Asks, until nothing is left to be asked.
    pub(crate) async fn find_out(&mut self) -> Result<(), Halt> {
        for _ in 0..ROUNDS_MAX {
            self.load_links().await?;
            self.hide();
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
            let (mailbox, crm) = both(mailbox, crm)?;
            let answers = Both::new(mailbox, crm);
            self.take(&lookups, answers).await?;
            self.ask_store(&lookups).await?;
            self.find_relations(&lookups).await?;
            self.unreadable();
        }
        self.hide();
        self.unknown = true;
        Ok(())
    }

    async fn load_profiles(&mut self) -> Result<(), Halt> {
        if self.profiles.is_none() {
            let (mailbox, crm) = futures::join!(self.cx.mailbox.profile(), self.cx.crm.profile());
            let (mailbox, crm) = both(
                mailbox.map_err(|fault| Halt::Fault(Side::Mailbox, fault)),
                crm.map_err(|fault| Halt::Fault(Side::Crm, fault)),
            )?;
            self.profiles = Some(Both::new(mailbox, crm));
        }
        Ok(())
    }

    async fn ask_store(&mut self, lookups: &Lookups) -> Result<(), Halt> {
        let lease = self.keeper.lease();
        let claims: Vec<_> = lookups.claims.iter().copied().collect();
        for chunk in claims.chunks(STORE_ASK_MAX) {
            let found = self.cx.store.claimed(&lease, chunk).await?;
            self.facts
                .claims
                .extend(chunk.iter().map(|(_, hash)| *hash).zip(found));
        }
        let addresses: Vec<String> = lookups.colleagues.iter().cloned().collect();
        for chunk in addresses.chunks(STORE_ASK_MAX) {
            let found = self.cx.store.colleagues(&lease, chunk).await?;
            self.facts.colleagues.extend(chunk.iter().cloned().zip(found));
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
                    Seen::Here(now) => keys.extend(now.key.clone()),
                    Seen::Deleted {
                        merged_into: Some(winner),
                    } => ids.push(winner.clone()),
                    _ => {}
                }
            }
            for candidate in facts.candidates.values().flatten() {
                if let Candidate::Same(item) = candidate {
                    ids.push(item.id.clone());
                    keys.extend(item.key.clone());
                }
            }
        }
        let claimed = self.facts.claims.values().flatten();
        ids.crm.extend(claimed.filter_map(|claim| claim.crm_id.clone()));
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
        let fates: Vec<Trace> = lookups
            .fates
            .on(side)
            .iter()
            .map(|(id, (kind, key))| match self.links.of_key(key) {
                Some(link) => link.trace(id),
                None => Trace::new(*kind, id.clone(), key.clone()),
            })
            .collect();
        for chunk in fates.chunks(ASK_MAX) {
            let found = endpoint.fates(chunk).await?;
            matching(chunk.len(), found.len())?;
            answers
                .fates
                .extend(chunk.iter().map(|asked| asked.id.clone()).zip(found));
        }
        let keys: Vec<MatchKey> = lookups.candidates.on(side).iter().cloned().collect();
        for chunk in keys.chunks(CANDIDATES_MAX) {
            let found = endpoint.candidates(chunk).await?;
            matching(chunk.len(), found.len())?;
            answers.candidates.extend(chunk.iter().cloned().zip(found));
        }
        for kind in ItemKind::ALL {
            let created = || {
                lookups
                    .created
                    .on(side)
                    .iter()
                    .filter(move |(_, (of, _))| *of == kind)
            };
            let Some(since) = created().map(|(_, (_, since))| *since).min() else {
                continue;
            };
            let keys: Vec<LinkKey> = created()
                .filter_map(|(id, _)| self.links.get(id))
                .map(|link| link.key.clone())
                .collect();
            let found = endpoint
                .created(kind, &keys, since.plus_seconds(-CLOCKS_DIFFER_SECONDS))
                .await?;
            answers.created.extend(found);
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
                    .or_insert_with(|| Seen::Here(Box::new(item.clone())));
            }
            *created.on_mut(side) = answers.created;
        }
        if Side::BOTH
            .into_iter()
            .any(|side| !lookups.created.on(side).is_empty())
        {
            self.load_links().await?;
            for side in Side::BOTH {
                for kind in ItemKind::ALL {
                    let asked: Vec<&Link> = lookups
                        .created
                        .on(side)
                        .keys()
                        .filter_map(|id| self.links.get(id))
                        .filter(|link| link.kind == kind)
                        .collect();
                    if asked.is_empty() {
                        continue;
                    }
                    let holds_key = self.holds_key(side, kind);
                    let created: Vec<&Snapshot> = created
                        .on(side)
                        .iter()
                        .filter(|item| item.record.kind == kind)
                        .collect();
                    let made = half_done(self.hasher, &self.links, side, holds_key, &asked, &created);
                    self.facts.made.extend(made);
                }
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

pub(super) fn matching(asked: usize, answered: usize) -> Result<(), Fault> {
    if asked == answered {
        Ok(())
    } else {
        Err(Fault::fatal(format!("{asked} questions, {answered} answers")))
    }
}

/// Whether an item was made when the link's create was sent, as far as two clocks can tell.
fn made_then(link: &Link, item: &Snapshot) -> bool {
    link.intent
        .is_some_and(|intent| item.created.seconds_since(intent.at).abs() <= CLOCKS_DIFFER_SECONDS)
}

/// Which of the items that were made lately are ours: by the key where the side holds it, else the unlinked ones with
/// the values that were sent, or nearly.
fn half_done(
    hasher: &Hasher,
    links: &Links,
    side: Side,
    holds_key: bool,
    asked: &[&Link],
    created: &[&Snapshot],
) -> BTreeMap<LinkId, Made> {
    let mut free: Vec<&Snapshot> = created
        .iter()
        .copied()
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
                .filter(|item| item.is_as_made() || !mutant::on(Mutant::EditedIsNobodys))
                .filter(|item| !taken.contains(&item.id) && is_it(item))
                .collect()
        };
        let mut unsure = Vec::new();
        let hits = if holds_key {
            hits(&|item| item.key.as_ref() == Some(&link.key))
        } else {
            let same = hits(&|item| !base.is_empty() && base.keys().all(|field| holds(item, *field)));
            // Somebody may have edited it in the meantime, but hardly what it is known by.
            let known_by = || {
                hits(&|item| match item.record.kind {
                    ItemKind::Contact => {
                        holds(item, Field::Email)
                            || (holds(item, Field::Surname) && PHONES.iter().any(|phone| holds(item, *phone)))
                    }
                    ItemKind::Event => holds(item, Field::Subject) && holds(item, Field::When),
                    ItemKind::Task => holds(item, Field::Subject) && holds(item, Field::Due),
                    ItemKind::Email => holds(item, Field::MessageId),
                })
            };
            // Or just that: most of its words are still the same. One word alone may be anybody's.
            let words: Vec<Field> = words(link.kind)
                .iter()
                .copied()
                .filter(|field| {
                    let empty = hasher.of(*field, &FieldValue::Empty);
                    base.get(field).is_some_and(|hash| Some(*hash) != empty)
                })
                .collect();
            let kept = |item: &Snapshot| words.iter().filter(|field| holds(item, **field)).count();
            // What may not be seen now says nothing.
            let shown = |item: &Snapshot| {
                let shown = |field: &&Field| !item.record.get(**field).is_unknown();
                words.iter().filter(shown).count()
            };
            let most = |item: &Snapshot| kept(item) * 2 >= shown(item);
            let mut found = same;
            if found.is_empty() {
                found = known_by();
            }
            if found.is_empty() {
                found = hits(&|item| kept(item) >= 2 && most(item));
            }
            if found.is_empty() {
                // What it is called, what it says and the minute in which an event begins say more than any other single
                // word: the rest may have been written anew by the server, and by a user since.
                let telling = |item: &Snapshot| {
                    words
                        .iter()
                        .any(|field| !matches!(field, Field::Location | Field::Due) && holds(item, *field))
                };
                unsure = hits(&|item| kept(item) == 1 && (most(item) || telling(item)));
            }
            if found.is_empty() && unsure.is_empty() && !words.is_empty() {
                // Of an activity that came into being in those minutes and was edited since, its words say nothing: it may be
                // the one, with all of them changed, if the rest is as it was sent.
                let rest = |item: &Snapshot| {
                    let rest = |field: &&Field| !words.contains(*field) && **field != Field::Relations;
                    base.keys().filter(rest).all(|field| holds(item, *field))
                };
                unsure = hits(&|item| !item.is_as_made() && made_then(link, item) && rest(item));
            }
            found
        };
        let twins = if holds_key {
            1
        } else {
            alike.get(&sent(link)).copied().unwrap_or(1)
        };
        let named =
            |items: &[&Snapshot]| Made::Several(items.iter().take(10).map(|item| item.id.clone()).collect());
        let made = match &hits[..] {
            [] if unsure.is_empty() => Made::Nothing,
            [] => named(&unsure),
            [first, ..] if hits.len() <= twins => {
                taken.insert(&first.id);
                Made::This(Box::new((*first).clone()))
            }
            several => named(several),
        };
        if !holds_key && let Some(n) = alike.get_mut(&sent(link)) {
            *n -= 1;
        }
        out.insert(link.id.clone(), made);
    }
    out
}
