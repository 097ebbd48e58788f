//! Takes back what a session wrote, from its journal, newest first, where nobody has changed it since.
//!
//! What was changed gets its old values back, what was made is deleted, what was deleted comes back (never as a new
//! item). The other side keeps what it has: both are settled apart, so that no later session carries anything over
//! because of an undo. Whatever was changed since, by anyone, is left as it is, and said.
//!
//! Before each write the link is stored as it must be if the answer is lost: then nothing is carried over either.

mod clear;
mod deeds;

pub use clear::clear;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use tandem_types::{
    Counts, IssueCode, IssueCure, IssueId, ItemKind, LinkId, ProgressPhase, SessionId, SessionOutcome, Side,
};

use crate::fault::Fault;
use crate::hash::Hasher;
use crate::link::{BaseHash, EndReason, Link, LinkState};
use crate::model::{
    Fate, Field, FieldValue, ItemId, Mark, Outcome, Part, Record, Scope, Snapshot, Trace, Write,
};
use crate::mutant::{self, Mutant};
use crate::normalise::{self, normalise};
use crate::ports::{
    Claim, Closing, Commit, Issue, IssueKey, JournalAct, JournalEntry, Lease, LinkAsk, Opening, StoreError,
    Wish,
};
use crate::round::{Halt, Keeper};
use crate::session::{Context, progress};
use crate::{FaultKind, aside, meeting, roles};

use deeds::{Deed, deeds};

/// Items in one question, and in one batch where the side takes more.
const CHUNK: usize = 200;

/// What an undo did.
#[derive(Clone, Debug)]
pub struct UndoReport {
    /// Items that are as they were before.
    pub undone: u32,
    /// In the order in which they were met.
    pub left: Vec<UndoLeft>,
    /// As the undo's own session was closed; a dry run is not.
    pub closing: Closing,
    /// As [`crate::session::Report::whole_org`].
    pub whole_org: Option<Option<Duration>>,
}

/// An item that was left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndoLeft {
    pub side: Side,
    pub item: ItemId,
    pub kind: ItemKind,
    pub reason: LeftReason,
}

/// Why an item was left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeftReason {
    /// It holds something else than the session wrote.
    ChangedSince,
    /// Another one was made in its place meanwhile.
    Replaced,
    /// Its event was made private: what it held is not shown again.
    MadePrivate,
    /// The record is another user's by now.
    NotOwn,
    /// It is no longer there, or not to be seen.
    Gone,
    /// It was deleted, and cannot be brought back: its bin was emptied.
    GoneForGood,
    /// The side refused the write.
    Refused(IssueCode),
    /// The write was sent, and no answer came.
    InDoubt,
    /// The undo ended before it came to this one: once more does the rest.
    NotReached,
}

impl LeftReason {
    /// The reason, for the user.
    pub const fn text(self) -> &'static str {
        match self {
            Self::ChangedSince => "it was changed since",
            Self::Replaced => "there is a new one in its place",
            Self::MadePrivate => "the event is private: what it held stays hidden",
            Self::NotOwn => "the record belongs to somebody else now",
            Self::Gone => "it is no longer there, or you may no longer see it",
            Self::GoneForGood => "it was deleted for good",
            Self::Refused(_) => "the change was refused",
            Self::InDoubt => "no answer came: it may be undone or not",
            Self::NotReached => "the undo ended before it: run it again for the rest",
        }
    }
}

/// Takes back what `session` wrote, as a session of its own under `lease`, and closes it. A dry run
/// ([`Context::dry_run`]) says what would be done, writes nothing, and is not closed.
///
/// Nothing that it does makes a server send mail. A preview or a stop of the brake that stands is looked at again by a
/// session that is due at once.
///
/// # Errors
/// The store's, as [`crate::session::run`]. A side's fault ends the undo and stands in the closing.
pub async fn undo(cx: &Context<'_>, lease: Lease, session: &SessionId) -> Result<UndoReport, StoreError> {
    let opening = cx.store.open(&lease).await?;
    let journal = cx.store.journal(&lease, session).await?;
    let deeds = deeds(&journal);
    let links = if deeds.is_empty() {
        Vec::new()
    } else {
        cx.store.links(&lease, &LinkAsk::All).await?
    };
    let keeper = Keeper::new(*cx, lease);
    let hasher = Hasher::new(&opening.hash_key);
    let work = Work {
        name: "undo",
        then: LinkState::Ended(EndReason::Undone),
    };
    let undo = Undo::new(*cx, &keeper, (&opening, &hasher), links, work);
    let report = undo.run(&deeds).await?;
    if !cx.dry_run {
        cx.store.close(&keeper.lease(), report.closing.clone()).await?;
    }
    Ok(report)
}

/// Of what an undo is a part.
#[derive(Clone, Copy)]
struct Work {
    /// For the operator's note.
    name: &'static str,
    /// What becomes of the link whose item was deleted.
    then: LinkState,
}

struct Undo<'a> {
    cx: Context<'a>,
    keeper: &'a Keeper<'a>,
    opening: &'a Opening,
    hasher: &'a Hasher,
    work: Work,
    links: HashMap<LinkId, Link>,
    total: usize,
    met: usize,
    mailbox_accepted: bool,
    stopped: bool,
    counts: BTreeMap<ItemKind, Counts>,
    undone: u32,
    left: Vec<UndoLeft>,
}

/// A write that is about to be sent, and the link as it was.
struct Sent<'d> {
    deed: &'d Deed,
    before: Link,
    saw: Snapshot,
    write: Write,
}

impl<'a> Undo<'a> {
    fn new(
        cx: Context<'a>,
        keeper: &'a Keeper<'a>,
        (opening, hasher): (&'a Opening, &'a Hasher),
        links: Vec<Link>,
        work: Work,
    ) -> Self {
        Self {
            cx,
            keeper,
            opening,
            hasher,
            work,
            links: links.into_iter().map(|link| (link.id.clone(), link)).collect(),
            total: 0,
            met: 0,
            mailbox_accepted: false,
            stopped: false,
            counts: BTreeMap::new(),
            undone: 0,
            left: Vec::new(),
        }
    }

    async fn run(mut self, deeds: &[Deed]) -> Result<UndoReport, StoreError> {
        self.total = deeds.len();
        let ended = self.go(deeds).await;
        let mut whole_org = None;
        let closing = match ended {
            Ok(()) => self.closed(),
            Err(Halt::Store(error)) => return Err(error),
            Err(Halt::Fault(side, fault)) => {
                tracing::info!(work = self.work.name, side = side.as_str(), fault = %fault, "ended by a fault");
                if let FaultKind::RateLimited {
                    retry_after,
                    whole_org: true,
                } = fault.kind
                {
                    whole_org = Some(retry_after);
                }
                self.broken(side, &fault)
            }
        };
        Ok(UndoReport {
            undone: self.undone,
            left: self.left,
            closing,
            whole_org,
        })
    }

    async fn go(&mut self, deeds: &[Deed]) -> Result<(), Halt> {
        // What comes back first may be what a changed value refers to.
        for side in [Side::Crm, Side::Mailbox] {
            self.each(deeds, side, Act::Restore).await?;
        }
        for side in [Side::Crm, Side::Mailbox] {
            self.each(deeds, side, Act::Write).await?;
        }
        for side in [Side::Mailbox, Side::Crm] {
            self.each(deeds, side, Act::Delete).await?;
        }
        Ok(())
    }

    async fn each(&mut self, deeds: &[Deed], side: Side, act: Act) -> Result<(), Halt> {
        let todo: Vec<&Deed> = deeds
            .iter()
            .filter(|deed| deed.side == side && Act::of(deed) == act)
            .collect();
        let batch = self.cx.side(side).batch().clamp(1, CHUNK);
        let mut chunks = todo.chunks(batch);
        while let Some(chunk) = chunks.next() {
            progress(&self.cx, ProgressPhase::Writing, self.met, self.total);
            self.stopped |= self.cx.observer.should_stop();
            let done = if self.stopped {
                Ok(())
            } else {
                self.keeper.keep().await?;
                match act {
                    Act::Restore => self.restore(side, chunk).await,
                    Act::Write => self.write_back(side, chunk).await,
                    Act::Delete => self.delete(side, chunk).await,
                }
            };
            if self.stopped || done.is_err() {
                // Of the chunk that broke off, what was sent is said by what was noted of it.
                let rest = chunk.iter().chain(chunks.by_ref().flatten());
                for deed in rest {
                    if !self.left.iter().any(|left| left.is(deed)) {
                        self.leave(deed, LeftReason::NotReached);
                    }
                }
            }
            done?;
            self.met += chunk.len();
        }
        Ok(())
    }

    /// The items as they are now: by the id that the journal knows, else, where they were moved, by the link's key.
    async fn now(&self, side: Side, deeds: &[&Deed]) -> Result<Vec<Option<Snapshot>>, Halt> {
        let ids = deeds.iter().map(|deed| deed.item.clone()).collect();
        let traces = deeds.iter().map(|deed| self.trace(deed)).collect();
        self.find(side, ids, traces).await
    }

    async fn find(
        &self,
        side: Side,
        ids: Vec<ItemId>,
        traces: Vec<Option<Trace>>,
    ) -> Result<Vec<Option<Snapshot>>, Halt> {
        let fault = |fault| Halt::Fault(side, fault);
        let endpoint = self.cx.side(side);
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = endpoint.read(&ids).await.map_err(fault)?;
        same_number(side, ids.len(), found.len())?;
        let missing: Vec<usize> = (0..found.len()).filter(|n| found[*n].is_none()).collect();
        let traces: Vec<Trace> = missing.iter().filter_map(|n| traces[*n].clone()).collect();
        if traces.len() == missing.len() && !traces.is_empty() {
            let fates = endpoint.fates(&traces).await.map_err(fault)?;
            same_number(side, traces.len(), fates.len())?;
            for (n, fate) in missing.into_iter().zip(fates) {
                if let Fate::Here(now) = fate {
                    found[n] = Some(*now);
                }
            }
        }
        Ok(found)
    }

    fn trace(&self, deed: &Deed) -> Option<Trace> {
        let link = self.links.get(&deed.link)?;
        Some(link.trace(&deed.item))
    }

    /// Of these, the links whose events were made private after they were saved, or whose privacy is not known now: the
    /// CRM gets nothing back of what it held before. An event that is in the mailbox no more hides nothing.
    async fn hidden(&self, side: Side, deeds: &[&Deed]) -> Result<HashSet<LinkId>, Halt> {
        let mut asked: Vec<&Link> = Vec::new();
        if side == Side::Crm {
            let events = deeds.iter().filter(|deed| deed.kind == ItemKind::Event);
            asked.extend(events.filter_map(|deed| self.links.get(&deed.link)));
        }
        asked.retain(|link| link.mailbox_id.is_some() && !link.traits.private_on_purpose);
        let ids: Vec<ItemId> = asked.iter().filter_map(|link| link.mailbox_id.clone()).collect();
        let traces = asked
            .iter()
            .zip(&ids)
            .map(|(link, id)| Some(link.trace(id)))
            .collect();
        let found = self.find(Side::Mailbox, ids, traces).await?;
        let is_hidden = |link: &Link, now: &Snapshot| {
            roles::masked(link, now)
                || now.scope == Scope::Private
                || now.record.get(Field::Private).is_unknown()
        };
        Ok(asked
            .into_iter()
            .zip(found)
            .filter(|(link, now)| now.as_ref().is_some_and(|now| is_hidden(link, now)))
            .map(|(link, _)| link.id.clone())
            .collect())
    }

    /// Of these, the links that have another item there by now: a second one would be a duplicate.
    async fn replaced(&self, side: Side, deeds: &[&Deed]) -> Result<HashSet<LinkId>, Halt> {
        let others: Vec<(&Deed, ItemId)> = deeds
            .iter()
            .filter_map(|deed| {
                let now = self.links.get(&deed.link)?.id_on(side)?;
                (*now != deed.item).then(|| (*deed, now.clone()))
            })
            .collect();
        let ids = others.iter().map(|(_, id)| id.clone()).collect();
        let found = self.find(side, ids, vec![None; others.len()]).await?;
        Ok(others
            .into_iter()
            .zip(found)
            .filter(|(_, found)| found.is_some())
            .map(|((deed, _), _)| deed.link.clone())
            .collect())
    }

    /// What was deleted comes back.
    async fn restore(&mut self, side: Side, deeds: &[&Deed]) -> Result<(), Halt> {
        let hidden = self.hidden(side, deeds).await?;
        let replaced = self.replaced(side, deeds).await?;
        let mut known = Vec::new();
        for deed in deeds {
            match self.trace(deed) {
                Some(_) if hidden.contains(&deed.link) => self.leave(deed, LeftReason::MadePrivate),
                Some(_) if replaced.contains(&deed.link) => self.leave(deed, LeftReason::Replaced),
                Some(trace) => known.push((*deed, trace)),
                None => self.leave(deed, LeftReason::Gone),
            }
        }
        if self.cx.dry_run {
            self.undone += count(known.len());
            return Ok(());
        }
        if known.is_empty() {
            return Ok(());
        }
        let others = self.others(side, &known).await?;
        let traces: Vec<Trace> = known.iter().map(|(_, trace)| trace.clone()).collect();
        let outcomes = self
            .cx
            .side(side)
            .restore(&traces)
            .await
            .map_err(|fault| Halt::Fault(side, fault))?;
        self.accepted(side);
        same_number(side, traces.len(), outcomes.len())?;
        let mut commit = Commit::default();
        let mut back_there = Vec::new();
        for ((deed, _), outcome) in known.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Written { now, .. } => {
                    let Some(mut link) = self.links.get(&deed.link).cloned() else {
                        continue;
                    };
                    back_there.push((deed.link.clone(), now.id.clone()));
                    let back = others.get(&deed.link).is_some_and(can_live_with);
                    if back && matches!(link.state, LinkState::Ended(_)) {
                        link.state = LinkState::Live;
                        commit
                            .journal
                            .push(entry(&link, side, &now.id, JournalAct::Linked("woken")));
                    }
                    set_id(&mut link, side, &now.id);
                    commit.journal.push(entry(
                        &link,
                        side,
                        &now.id,
                        JournalAct::Created {
                            wrote: self.hashed(&now.record, now.record.fields.keys()),
                        },
                    ));
                    self.keep(link, &mut commit);
                    self.counted(deed.kind, side, |counts| counts.created += 1);
                    self.undone += 1;
                }
                Outcome::Missing | Outcome::Deleted => self.leave(deed, LeftReason::GoneForGood),
                Outcome::Conflict(_) => self.leave(deed, LeftReason::ChangedSince),
                Outcome::Refused(refusal) => self.leave(deed, LeftReason::Refused(refusal.code)),
                Outcome::InDoubt => self.leave(deed, LeftReason::InDoubt),
            }
        }
        if side == Side::Crm {
            self.claim_again(back_there, &mut commit).await?;
        }
        self.commit(commit).await
    }

    /// A meeting or an email that is in the CRM again is named for the organisation again, unless a colleague has made
    /// another meanwhile: else the next one would.
    async fn claim_again(&mut self, back: Vec<(LinkId, ItemId)>, commit: &mut Commit) -> Result<(), Halt> {
        let named: Vec<(Link, ItemId, BaseHash)> = back
            .into_iter()
            .filter_map(|(link, record)| {
                let link = self.links.get(&link).filter(|link| !link.traits.claimed)?;
                Some((link.clone(), record, link.traits.claim?))
            })
            .collect();
        if named.is_empty() {
            return Ok(());
        }
        let wishes: Vec<Wish> = named
            .iter()
            .map(|(link, _, hash)| Wish {
                kind: link.kind,
                hash: *hash,
                key: link.key.clone(),
                gone: None,
            })
            .collect();
        let lease = self.keeper.lease();
        let now = self.cx.clock.now();
        let stale = meeting::stale_before(now, self.opening.settings.interval_minutes);
        let claims = self.cx.store.claims(&lease, now, &wishes, stale).await?;
        for (claim, (mut link, record, _)) in claims.into_iter().zip(named) {
            if claim.holder == lease.connection && claim.crm_id.is_none() {
                commit.claims.push(Claim {
                    crm_id: Some(record),
                    ..claim
                });
                link.traits.claimed = true;
                self.keep(link, commit);
            }
        }
        Ok(())
    }

    /// The other items of these links, where they are there.
    async fn others(&self, side: Side, known: &[(&Deed, Trace)]) -> Result<HashMap<LinkId, Snapshot>, Halt> {
        let other = side.other();
        let asked: Vec<(LinkId, ItemId)> = known
            .iter()
            .filter_map(|(deed, _)| {
                let id = self.links.get(&deed.link)?.id_on(other)?;
                Some((deed.link.clone(), id.clone()))
            })
            .collect();
        if asked.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<ItemId> = asked.iter().map(|(_, id)| id.clone()).collect();
        let found = self
            .cx
            .side(other)
            .read(&ids)
            .await
            .map_err(|fault| Halt::Fault(other, fault))?;
        same_number(other, ids.len(), found.len())?;
        Ok(asked
            .into_iter()
            .zip(found)
            .filter_map(|((link, _), found)| Some((link, found?)))
            .collect())
    }

    /// What was changed gets its old values back.
    async fn write_back(&mut self, side: Side, deeds: &[&Deed]) -> Result<(), Halt> {
        let found = self.now(side, deeds).await?;
        let hidden = self.hidden(side, deeds).await?;
        self.accepted(side);
        let mut ready = Vec::new();
        let mut ahead = Commit::default();
        for (deed, now) in deeds.iter().copied().zip(found) {
            let Some((now, link)) = now.zip(self.links.get(&deed.link).cloned()) else {
                self.leave(deed, LeftReason::Gone);
                continue;
            };
            let mut set: BTreeMap<Field, FieldValue> = deed
                .old
                .iter()
                .filter(|(_, value)| !value.is_unknown())
                .map(|(field, value)| (*field, value.clone()))
                .collect();
            if set.is_empty() || self.holds(&now.record, &set) {
                continue;
            }
            if !may_change(side, &now, set.keys().all(|field| *field == Field::Answer)) {
                self.leave(deed, LeftReason::NotOwn);
                continue;
            }
            if !self.as_written(deed, &link, &now) {
                self.leave(deed, LeftReason::ChangedSince);
                continue;
            }
            if hidden.contains(&deed.link) {
                let before = set.len();
                set.retain(|field, _| !roles::HIDDEN.contains(field));
                if set.len() < before {
                    self.leave(deed, LeftReason::MadePrivate);
                }
                if set.is_empty() || self.holds(&now.record, &set) {
                    continue;
                }
            }
            let mut moved = link.clone();
            self.rebase(&mut moved, side, set.iter().map(|(field, value)| (*field, value)));
            self.keep(moved, &mut ahead);
            ready.push(Sent {
                write: Write::Update {
                    kind: deed.kind,
                    id: now.id.clone(),
                    version: now.version.clone(),
                    set,
                    key: None,
                    mark: None,
                    notify: false,
                },
                deed,
                before: link,
                saw: now,
            });
        }
        let outcomes = self.send(side, &ready, ahead).await?;
        let mut commit = Commit::default();
        for (sent, outcome) in ready.into_iter().zip(outcomes) {
            self.written(side, sent, outcome, &mut commit);
        }
        self.commit(commit).await
    }

    fn written(&mut self, side: Side, sent: Sent<'_>, outcome: Outcome, commit: &mut Commit) {
        let Sent {
            deed,
            before,
            saw,
            write,
        } = sent;
        let Write::Update { set, .. } = write else {
            return;
        };
        let Outcome::Written { now, replaced, left } = outcome else {
            self.failed(deed, before, &outcome, commit);
            return;
        };
        let Some(mut link) = self.links.get(&deed.link).cloned() else {
            return;
        };
        self.rebase(
            &mut link,
            side,
            set.keys().map(|field| (*field, now.record.get(*field))),
        );
        // Of an item whose last change was carried over, this write is the last change.
        let noted = match side {
            Side::Mailbox => &mut link.mailbox_version,
            Side::Crm => &mut link.crm_version,
        };
        if noted.as_ref() == Some(&saw.version) {
            *noted = Some(now.version.clone());
        }
        let held = |field: &Field| match replaced.get(field) {
            None | Some(FieldValue::Unknown) => saw.record.get(*field).clone(),
            Some(value) => value.clone(),
        };
        let unseen: Vec<&str> = replaced
            .iter()
            .filter(|(field, was)| {
                let was = normalise(**field, was);
                set.contains_key(field)
                    && !was.is_unknown()
                    && was != normalise(**field, saw.record.get(**field))
                    && was != normalise(**field, now.record.get(**field))
            })
            .map(|(field, _)| field.as_str())
            .collect();
        if !unseen.is_empty() {
            let issue = self.replaced_unseen(&link, &now, unseen.join(", "));
            commit.issues.push(issue);
        }
        let old = set.keys().map(|field| (*field, held(field))).collect();
        let wrote = self.hashed(&now.record, set.keys());
        commit
            .journal
            .push(entry(&link, side, &now.id, JournalAct::Changed { old, wrote }));
        self.keep(link, commit);
        self.counted(deed.kind, side, |counts| counts.changed += 1);
        match left {
            Some(left) => self.leave(deed, LeftReason::Refused(left.code)),
            None => self.undone += 1,
        }
    }

    /// What was made is deleted. What it was made from stays, and is not made again by itself.
    async fn delete(&mut self, side: Side, deeds: &[&Deed]) -> Result<(), Halt> {
        let found = self.now(side, deeds).await?;
        self.accepted(side);
        let mut ready = Vec::new();
        let mut ahead = Commit::default();
        for (deed, now) in deeds.iter().copied().zip(found) {
            let Some((now, link)) = now.zip(self.links.get(&deed.link).cloned()) else {
                self.leave(deed, LeftReason::Gone);
                continue;
            };
            if !may_change(side, &now, false) {
                self.leave(deed, LeftReason::NotOwn);
                continue;
            }
            if !self.as_written(deed, &link, &now) {
                self.leave(deed, LeftReason::ChangedSince);
                continue;
            }
            let mut ended = link.clone();
            ended.state = self.work.then;
            ended.intent = None;
            self.keep(ended, &mut ahead);
            ready.push(Sent {
                write: Write::Delete {
                    kind: deed.kind,
                    id: now.id.clone(),
                    version: now.version.clone(),
                    notify: false,
                },
                deed,
                before: link,
                saw: now,
            });
        }
        // The link ends before the item goes: a session that found only the item gone would delete the other one.
        let outcomes = self.send(side, &ready, ahead).await?;
        let mut commit = Commit::default();
        let mut unmark = Vec::new();
        for (sent, outcome) in ready.into_iter().zip(outcomes) {
            let Sent {
                deed, before, saw, ..
            } = sent;
            if !matches!(outcome, Outcome::Deleted | Outcome::Written { .. }) {
                self.failed(deed, before, &outcome, &mut commit);
                continue;
            }
            let Some(mut link) = self.links.get(&deed.link).cloned() else {
                continue;
            };
            let old = saw
                .record
                .fields
                .iter()
                .filter(|(_, value)| value.known().is_some())
                .map(|(field, value)| (*field, value.clone()))
                .collect();
            commit
                .journal
                .push(entry(&link, side, &saw.id, JournalAct::Deleted { old }));
            let linked = if self.work.then == LinkState::Dormant {
                // It is made anew when the pair wakes.
                forget_id(&mut link, side);
                "slept"
            } else {
                "ended"
            };
            commit
                .journal
                .push(entry(&link, side, &saw.id, JournalAct::Linked(linked)));
            if side == Side::Crm {
                // Nobody may take the record for made that is gone. By what it was claimed stays known: it may be restored.
                link.traits.claimed = false;
                commit
                    .unclaimed
                    .extend(link.traits.claim.map(|claim| (link.kind, claim)));
                if link.kind == ItemKind::Email {
                    unmark.extend(link.mailbox_id.clone());
                }
            }
            self.keep(link, &mut commit);
            self.counted(deed.kind, side, |counts| counts.deleted += 1);
            self.undone += 1;
        }
        self.commit(commit).await?;
        self.unmark(unmark).await;
        Ok(())
    }

    /// A mail that is no longer saved does not say that it is. A category that stays all the same does no harm.
    async fn unmark(&self, ids: Vec<ItemId>) {
        let batch = self.cx.mailbox.batch().clamp(1, CHUNK);
        for chunk in ids.chunks(batch) {
            if let Err(fault) = self.unmark_some(chunk).await {
                tracing::info!(%fault, "the category was left on mails that are no longer saved");
                return;
            }
        }
    }

    async fn unmark_some(&self, ids: &[ItemId]) -> Result<(), Fault> {
        let found = self.cx.mailbox.read(ids).await?;
        let writes: Vec<Write> = found
            .into_iter()
            .flatten()
            .filter(|now| now.marked && !now.extra.untaggable)
            .map(|now| Write::Update {
                kind: ItemKind::Email,
                id: now.id,
                version: now.version,
                set: BTreeMap::new(),
                key: None,
                mark: Some(Mark::None),
                notify: false,
            })
            .collect();
        if !writes.is_empty() {
            self.cx.mailbox.write(&writes).await?;
        }
        Ok(())
    }

    /// Makes the links durable as they must be if no answer comes, then sends.
    async fn send(&mut self, side: Side, ready: &[Sent<'_>], ahead: Commit) -> Result<Vec<Outcome>, Halt> {
        if ready.is_empty() {
            return Ok(Vec::new());
        }
        if self.cx.dry_run {
            self.undone += count(ready.len());
            return Ok(Vec::new());
        }
        self.commit(ahead).await?;
        let writes: Vec<Write> = ready.iter().map(|sent| sent.write.clone()).collect();
        match self.cx.side(side).write(&writes).await {
            Ok(outcomes) => {
                same_number(side, writes.len(), outcomes.len())?;
                Ok(outcomes)
            }
            Err(fault) => {
                // Nothing of the batch was done: the links are as they were.
                let mut back = Commit::default();
                for sent in ready {
                    self.keep(sent.before.clone(), &mut back);
                }
                self.commit(back).await?;
                Err(Halt::Fault(side, fault))
            }
        }
    }

    /// A write that was not done, or of which it is not known.
    fn failed(&mut self, deed: &Deed, before: Link, outcome: &Outcome, commit: &mut Commit) {
        let reason = match outcome {
            // The link stays as it was stored before the write: nothing is carried over, whether it was done or not.
            Outcome::InDoubt => {
                self.leave(deed, LeftReason::InDoubt);
                return;
            }
            Outcome::Refused(refusal) => LeftReason::Refused(refusal.code),
            Outcome::Missing => LeftReason::Gone,
            Outcome::Conflict(_) | Outcome::Written { .. } | Outcome::Deleted => LeftReason::ChangedSince,
        };
        self.keep(before, commit);
        self.leave(deed, reason);
    }

    /// Whether the item holds what the session wrote, and that is what was agreed on last: after an undo, somebody may
    /// have written the same anew. Of an item that was made, nothing that could not be read then may stand in it.
    fn as_written(&self, deed: &Deed, link: &Link, now: &Snapshot) -> bool {
        let masked = deed.side == Side::Mailbox && roles::masked(link, now);
        let base =
            Some(link.base.on(deed.side)).filter(|_| link.base.normaliser == normalise::VERSION && !masked);
        let holds = |(field, wrote): (&Field, &BaseHash)| {
            let held = self.hasher.of(*field, now.record.get(*field));
            let agreed = base.and_then(|base| base.get(field)).copied();
            held == Some(*wrote) && (agreed.is_none() || agreed == held)
        };
        let added = |(field, value): (&Field, &FieldValue)| {
            !deed.wrote.contains_key(field) && matches!(normalise(*field, value), FieldValue::Known(_))
        };
        mutant::on(Mutant::UndoBlindly)
            || deed.wrote.iter().all(holds) && !(deed.created && now.record.fields.iter().any(added))
    }

    /// Whether the item holds these values already.
    fn holds(&self, now: &Record, values: &BTreeMap<Field, FieldValue>) -> bool {
        values
            .iter()
            .all(|(field, value)| self.hasher.of(*field, value) == self.hasher.of(*field, now.get(*field)))
    }

    /// What this side holds is agreed on from now on.
    fn rebase<'v>(&self, link: &mut Link, side: Side, values: impl Iterator<Item = (Field, &'v FieldValue)>) {
        if link.base.normaliser != normalise::VERSION {
            // Without a base of ours the next session takes them as found: nothing is carried over either.
            return;
        }
        for (field, value) in values {
            if let Some(hash) = self.hasher.of(field, value) {
                link.base.on_mut(side).insert(field, hash);
            }
        }
    }

    fn hashed<'f>(&self, record: &Record, fields: impl Iterator<Item = &'f Field>) -> Vec<(Field, BaseHash)> {
        fields
            .filter_map(|field| Some((*field, self.hasher.of(*field, record.get(*field))?)))
            .collect()
    }

    fn keep(&mut self, mut link: Link, commit: &mut Commit) {
        link.changed = self.cx.clock.now();
        self.links.insert(link.id.clone(), link.clone());
        commit.links.push(link);
    }

    async fn commit(&self, commit: Commit) -> Result<(), Halt> {
        let nothing = commit.links.is_empty() && commit.journal.is_empty() && commit.issues.is_empty();
        if self.cx.dry_run || nothing {
            return Ok(());
        }
        let now = self.cx.clock.now();
        Ok(self.cx.store.commit(&self.keeper.lease(), now, commit).await?)
    }

    fn replaced_unseen(&self, link: &Link, now: &Snapshot, detail: String) -> Issue {
        let mut bytes = [0; 16];
        self.cx.rng.fill(&mut bytes);
        let id = format!("{:032x}", u128::from_le_bytes(bytes));
        let named = if link.mailbox_id.is_some() {
            Side::Mailbox
        } else {
            Side::Crm
        };
        Issue {
            id: crate::plan::parse_own::<IssueId>(&id),
            key: IssueKey {
                kind: link.kind,
                side: named,
                item: link.id_on(named).unwrap_or(&now.id).clone(),
                code: IssueCode::ReplacedUnseen,
            },
            title: crate::plan::title(&now.record),
            detail,
            cures: vec![IssueCure::Ignore],
        }
    }

    fn accepted(&mut self, side: Side) {
        self.mailbox_accepted |= side == Side::Mailbox;
    }

    fn leave(&mut self, deed: &Deed, reason: LeftReason) {
        self.left.push(UndoLeft {
            side: deed.side,
            item: deed.item.clone(),
            kind: deed.kind,
            reason,
        });
        self.counted(deed.kind, deed.side, |counts| counts.skipped += 1);
    }

    fn counted(&mut self, kind: ItemKind, side: Side, count: impl FnOnce(&mut tandem_types::OpCounts)) {
        let counts = self.counts.entry(kind).or_insert(Counts {
            kind,
            mailbox: tandem_types::OpCounts::default(),
            crm: tandem_types::OpCounts::default(),
            adopted: 0,
        });
        count(match side {
            Side::Mailbox => &mut counts.mailbox,
            Side::Crm => &mut counts.crm,
        });
    }

    fn closed(&self) -> Closing {
        let outcome = if self.stopped {
            SessionOutcome::Partial
        } else {
            SessionOutcome::Done
        };
        let note = format!(
            "{}: {} done, {} left",
            self.work.name,
            self.undone,
            self.left.len()
        );
        aside::closed(&self.cx, self.opening, outcome, self.told(), note)
    }

    fn broken(&self, side: Side, fault: &Fault) -> Closing {
        let accepted = self.mailbox_accepted;
        aside::broken(
            &self.cx,
            self.opening,
            (side, fault),
            accepted,
            self.told(),
            self.work.name,
        )
    }

    fn told(&self) -> Vec<Counts> {
        self.counts.values().copied().collect()
    }
}

impl UndoLeft {
    fn is(&self, deed: &Deed) -> bool {
        (self.side, &self.item, self.kind) == (deed.side, &deed.item, deed.kind)
    }
}

/// How a deed is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Restore,
    Write,
    Delete,
}

impl Act {
    fn of(deed: &Deed) -> Self {
        match (deed.created, deed.deleted) {
            (true, _) => Self::Delete,
            (false, true) => Self::Restore,
            (false, false) => Self::Write,
        }
    }
}

/// A record may have been given away since: then only the user's own answer is his to take back.
fn may_change(side: Side, now: &Snapshot, answers: bool) -> bool {
    let guest = now
        .extra
        .event
        .as_deref()
        .is_some_and(|event| event.part == Part::Attendee);
    side == Side::Mailbox
        || now.record.kind == ItemKind::Email
        || (now.scope == Scope::In && (answers || !guest))
}

/// Whether a pair can go on with this other item: it would not be deleted again for what it says.
fn can_live_with(other: &Snapshot) -> bool {
    !other.extra.unsync && !other.extra.event.as_ref().is_some_and(|event| event.cancelled)
}

fn set_id(link: &mut Link, side: Side, id: &ItemId) {
    // Without a version: it is compared with what was agreed on.
    match side {
        Side::Mailbox => {
            link.mailbox_id = Some(id.clone());
            link.mailbox_version = None;
        }
        Side::Crm => {
            link.crm_id = Some(id.clone());
            link.crm_version = None;
        }
    }
}

fn forget_id(link: &mut Link, side: Side) {
    match side {
        Side::Mailbox => (link.mailbox_id, link.mailbox_version) = (None, None),
        Side::Crm => (link.crm_id, link.crm_version) = (None, None),
    }
}

fn entry(link: &Link, side: Side, item: &ItemId, act: JournalAct) -> JournalEntry {
    JournalEntry {
        link: link.id.clone(),
        kind: link.kind,
        side,
        item: item.clone(),
        act,
    }
}

fn same_number(side: Side, asked: usize, answered: usize) -> Result<(), Halt> {
    if asked == answered {
        Ok(())
    } else {
        let text = format!("asked for {asked} items, answered {answered}");
        Err(Halt::Fault(side, Fault::fatal(text)))
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
