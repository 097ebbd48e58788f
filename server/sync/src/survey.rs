//! Where each pair stands, as far as it is known, and what must still be found out.

mod sources;
mod standing;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tandem_types::{
    ConnectionId, ContactScope, DeletedInMailbox, ItemKind, LinkId, Settings, Side, Timestamp, UserId,
};

use crate::decide::{CrmState, Decision, MailboxState, Terms, decide};
use crate::facts::{Facts, Links, Made, Seen};
use crate::hash::Hasher;
use crate::link::{BaseHash, EndReason, Link, LinkState};
use crate::linker::LinkerContext;
use crate::meeting;
use crate::merge::{Both, may_write};
use crate::model::{Candidate, Clue, Field, ItemId, Kinds, LinkKey, Part, Snapshot, Window};
use crate::mutant::{self, Mutant};
use crate::order::Order;
use crate::roles;
use crate::save::{NotSaved, Rule};

pub(crate) use standing::{here, when};

/// All that decisions are made from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub hasher: &'a Hasher,
    pub links: &'a Links,
    pub facts: &'a Facts,
    pub settings: &'a Settings,
    /// Hashes under the organisation's key.
    pub org: &'a Hasher,
    pub frame: &'a Frame,
    /// Links to be looked at although nothing reported them.
    pub again: &'a BTreeSet<LinkId>,
    pub look: Look,
}

/// For whom a session runs, and which days it takes in.
#[derive(Clone, Debug)]
pub struct Frame {
    pub now: Timestamp,
    /// Kinds that are synced in any direction: all others are left alone in every way.
    pub kinds: Kinds,
    pub window: Window,
    pub tasks_since: Timestamp,
    pub mails_since: Timestamp,
    /// The user's mailbox, lower case.
    pub address: String,
    pub user: UserId,
    pub connection: ConnectionId,
    /// Mails that are saved however old they are.
    pub backfilled: BTreeSet<ItemId>,
    /// Mailbox items that the user has ordered to be saved.
    pub ordered: BTreeMap<ItemId, Order>,
}

/// What a look takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Everything that was reported, and what is owed.
    Everything,
    /// Only [`View::again`]: the second look at what moved under our hands.
    Again,
}

/// What must be known before the next decision. In the order of ids and keys: the same facts ask the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lookups {
    pub read: Both<BTreeSet<ItemId>>,
    pub fates: Both<BTreeMap<ItemId, (ItemKind, LinkKey)>>,
    pub candidates: Both<BTreeSet<crate::model::MatchKey>>,
    /// Creates whose answer was lost, by the side where they were sent.
    pub created: Both<BTreeMap<LinkId, (ItemKind, Timestamp)>>,
    /// Whom the CRM knows.
    pub clues: BTreeSet<Clue>,
    /// Mailbox items of which it must be known to what they belong.
    pub related: BTreeSet<ItemId>,
    /// What may be claimed for the organisation.
    pub claims: BTreeSet<(ItemKind, BaseHash)>,
    /// Organizers who may sync too.
    pub colleagues: BTreeSet<String>,
    /// What the sides can hold must be known: something is going to be decided.
    pub profiles: bool,
}

impl Lookups {
    /// Nothing is to be asked of a side but perhaps its profile.
    pub fn is_empty(&self) -> bool {
        let ours = self.clues.is_empty()
            && self.related.is_empty()
            && self.claims.is_empty()
            && self.colleagues.is_empty();
        ours && Side::BOTH.into_iter().all(|side| {
            self.read.on(side).is_empty()
                && self.fates.on(side).is_empty()
                && self.candidates.on(side).is_empty()
                && self.created.on(side).is_empty()
        })
    }
}

/// Where a link's item stands on one side.
#[derive(Clone, Copy, Debug)]
pub enum Stand<'a> {
    /// The link has no item there.
    Nowhere,
    /// No news: as it was.
    Unseen,
    Missing,
    Here(&'a Snapshot),
    Deleted {
        merged_into: Option<&'a ItemId>,
    },
    Left,
    Unproved,
}

/// A link that something has happened to, and what follows.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    pub link: &'a Link,
    pub stand: Both<Stand<'a>>,
    /// The record that the link's record was merged into.
    pub winner: Option<&'a Snapshot>,
    pub decision: Decision,
}

impl Case<'_> {
    /// Whether the link goes on with this record, into which its own was merged.
    fn gets_winner(&self, record: &ItemId) -> bool {
        matches!(self.decision, Decision::Follow { .. } | Decision::Unproved { .. })
            && self.winner.is_some_and(|winner| winner.id == *record)
    }
}

/// An item without a counterpart.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    pub side: Side,
    pub item: &'a Snapshot,
    /// The link that waits for the counterpart.
    pub link: Option<&'a Link>,
    /// It was on the other side before, and is made again.
    pub remade: bool,
    /// Why a mailbox item is saved.
    pub rule: Option<Rule>,
    /// Under what it is claimed for the organisation before it is made.
    pub claim: Option<BaseHash>,
    /// The record that was made of it before, and is proved to be deleted.
    pub gone: Option<&'a ItemId>,
    pub course: Course<'a>,
}

/// What becomes of an item that has no counterpart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// It gets one.
    Go,
    /// That is not known yet: something is asked.
    Ask,
    /// It stays alone.
    Leave,
}

/// How a source finds its counterpart.
#[derive(Clone, Copy, Debug)]
pub enum Course<'a> {
    /// Looked for by what it holds, else made.
    Look,
    /// Another connection, or an earlier session, has made this record for it. `own`: this connection did.
    Follow { record: &'a Snapshot, own: bool },
    /// An email that stands in the CRM already.
    Saved { record: &'a ItemId, own: bool },
    /// Another makes it: it is looked at again after an interval.
    Wait,
    /// It was made by another, and the user may not see it.
    Hidden,
}

impl Course<'_> {
    /// It may still be paired with what holds the same.
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::Look | Self::Wait | Self::Hidden)
    }
}

/// Everything that is to be decided now, and what is missing for the rest.
#[derive(Clone, Debug, Default)]
pub struct Survey<'a> {
    pub cases: Vec<Case<'a>>,
    pub sources: Vec<Source<'a>>,
    /// Links whose create may have made one of several items.
    pub in_doubt: Vec<(&'a Link, &'a [ItemId])>,
    /// Mailbox items that are not saved, and why; with the link that waited for it.
    pub not_saved: Vec<(&'a Snapshot, NotSaved, Option<&'a Link>)>,
    /// Links whose mailbox item has lost its mark (true), or was marked once more while the record is there.
    pub marks: Vec<(&'a Link, bool)>,
    /// Saved emails whose attachments are still to be carried over.
    pub files_owed: Vec<&'a Link>,
    pub lookups: Lookups,
    claimed: Both<HashMap<ItemId, LinkId>>,
    /// Links whose item of this side is gone, or cannot be found.
    lost: Both<BTreeSet<LinkId>>,
}

impl<'a> View<'a> {
    /// Looks at everything that has happened.
    pub fn survey(self) -> Survey<'a> {
        let mut survey = Survey::default();
        let bound = self.bind(&mut survey);
        for link in self.concerned(&survey.claimed) {
            self.look_at(link, &bound, &mut survey);
        }
        self.unlinked(&mut survey);
        survey.lookups.profiles |= !survey.sources.is_empty()
            || survey.cases.iter().any(|case| {
                !matches!(
                    case.decision,
                    Decision::Note | Decision::Nothing | Decision::Sleep | Decision::End(_)
                )
            });
        survey
    }

    /// Items that carry a link's key under an id that the link does not know: moved, unless the old one is still
    /// there (then it is a copy, which carries the key along).
    fn bind(self, survey: &mut Survey<'a>) -> Both<HashMap<LinkId, ItemId>> {
        let mut bound: Both<HashMap<LinkId, ItemId>> = Both::default();
        for side in Side::BOTH {
            let facts = self.facts.sides.on(side);
            for id in &facts.news {
                let Some(snapshot) = facts.here(id) else { continue };
                if self.links.of_item(side, id).is_some() {
                    continue;
                }
                let Some(link) = snapshot
                    .key
                    .as_ref()
                    .and_then(|key| self.links.of_key(key))
                    .or_else(|| self.same_thing(side, snapshot))
                else {
                    continue;
                };
                if !self.frame.kinds.has(link.kind) || link.kind != snapshot.record.kind {
                    continue;
                }
                if bound.on(side).contains_key(&link.id) {
                    continue;
                }
                // Also of a link that has ended: what was copied from its item is an item of its own.
                let moved = match link.id_on(side) {
                    // It let go of its item for another link's sake, which may not have come to put its own key there.
                    None if link.state == LinkState::Ended(EndReason::Merged) => continue,
                    None => true,
                    Some(old) => match facts.seen.get(old) {
                        Some(Seen::Here(now)) => now.id == *id,
                        // Not listed is not gone: it may lie elsewhere, or was told by an earlier part of the listing.
                        Some(Seen::Missing) if facts.unlisted.contains(old) => {
                            let asked = (link.kind, link.key.clone());
                            survey.lookups.fates.on_mut(side).insert(old.clone(), asked);
                            survey.claimed.on_mut(side).insert(id.clone(), link.id.clone());
                            continue;
                        }
                        Some(_) => true,
                        None => {
                            survey.lookups.read.on_mut(side).insert(old.clone());
                            // Until that is known, it is neither a new item nor the link's.
                            survey.claimed.on_mut(side).insert(id.clone(), link.id.clone());
                            continue;
                        }
                    },
                };
                if moved {
                    bound.on_mut(side).insert(link.id.clone(), id.clone());
                    survey.claimed.on_mut(side).insert(id.clone(), link.id.clone());
                }
            }
            self.bind_candidates(side, survey);
            for link in self.links.iter() {
                if let Some(old) = link.id_on(side)
                    && let Some(now) = facts.here(old)
                    && now.id != *old
                {
                    survey
                        .claimed
                        .on_mut(side)
                        .insert(now.id.clone(), link.id.clone());
                }
            }
        }
        for (link, made) in &self.facts.made {
            let Some(link) = self.links.get(link) else {
                continue;
            };
            if let (Made::This(snapshot), Some(intent)) = (made, link.intent) {
                survey
                    .claimed
                    .on_mut(intent.side)
                    .insert(snapshot.id.clone(), link.id.clone());
            }
        }
        bound
    }

    /// What a match key has found under an id that no link knows, and carries a link's key, was moved: it is that
    /// link's, and nobody else's to adopt. Unless the old one is still there: then it is a copy.
    fn bind_candidates(self, side: Side, survey: &mut Survey<'a>) {
        let facts = self.facts.sides.on(side);
        for candidate in facts.candidates.values().flatten() {
            let Candidate::Same(item) = candidate else {
                continue;
            };
            let Some(link) = item.key.as_ref().and_then(|key| self.links.of_key(key)) else {
                continue;
            };
            let Some(old) = link.id_on(side) else { continue };
            let known = facts.news.contains(&item.id) || self.links.of_item(side, &item.id).is_some();
            if known || link.kind != item.record.kind {
                continue;
            }
            // Another has been found for it already: this one is a copy of that.
            if survey.claimed.on(side).values().any(|held| *held == link.id) {
                continue;
            }
            match facts.seen.get(old) {
                Some(Seen::Here(now)) if now.id != item.id => continue,
                Some(Seen::Missing) if link.kind != ItemKind::Email => {
                    let asked = (link.kind, link.key.clone());
                    survey.lookups.fates.on_mut(side).insert(old.clone(), asked);
                }
                Some(_) => {}
                None => {
                    survey.lookups.read.on_mut(side).insert(old.clone());
                }
            }
            survey
                .claimed
                .on_mut(side)
                .insert(item.id.clone(), link.id.clone());
        }
    }

    /// The link of an item whose id has changed without a key on it: an occurrence is known by its series and its
    /// planned start, a mail by its Message-ID.
    fn same_thing(self, side: Side, item: &Snapshot) -> Option<&'a Link> {
        if side != Side::Mailbox {
            return None;
        }
        let identity = meeting::identity(self.org, item)?;
        self.links
            .of_claim(&identity)
            .filter(|link| link.kind == item.record.kind && !matches!(link.state, LinkState::Ended(_)))
    }

    fn concerned(self, claimed: &Both<HashMap<ItemId, LinkId>>) -> Vec<&'a Link> {
        let mut ids: BTreeSet<&LinkId> = self.again.iter().collect();
        if self.look == Look::Everything {
            for side in Side::BOTH {
                for item in &self.facts.sides.on(side).news {
                    let link = self
                        .links
                        .of_item(side, item)
                        .map(|link| &link.id)
                        .or_else(|| claimed.on(side).get(item));
                    ids.extend(link);
                }
                // Also what only a search has found: its link goes on with it.
                ids.extend(claimed.on(side).values());
            }
            let pending = |link: &&Link| link.intent.is_some() || link.traits.files_owed || self.is_up(link);
            ids.extend(self.links.iter().filter(pending).map(|l| &l.id));
        }
        ids.into_iter()
            .filter_map(|id| self.links.get(id))
            .filter(|link| self.frame.kinds.has(link.kind))
            .collect()
    }

    /// It waited for another connection, and has waited long enough.
    fn is_up(self, link: &Link) -> bool {
        link.state == LinkState::Dormant
            && link.traits.waits_since.is_some_and(|since| {
                meeting::has_waited(since, self.frame.now, self.settings.interval_minutes)
            })
    }

    fn look_at(self, link: &'a Link, bound: &Both<HashMap<LinkId, ItemId>>, survey: &mut Survey<'a>) {
        if let LinkState::Ended(reason) = link.state
            && !(reason == EndReason::DeletedInMailbox && bound.mailbox.contains_key(&link.id))
        {
            if reason == EndReason::DeletedInCrm {
                let mailbox = self.stand(link, Side::Mailbox, bound);
                self.asked_again(link, mailbox, survey);
            }
            if reason == EndReason::Unsynced
                && link.traits.taken_out
                && let Stand::Here(now) = self.stand(link, Side::Mailbox, bound)
                && !now.marked
                && !link.traits.unmarked
            {
                survey.marks.push((link, true));
            }
            return;
        }
        if let Some(intent) = link.intent
            && link.is_in_doubt()
            && !delete_asked(link)
        {
            match self.facts.made.get(&link.id) {
                None => {
                    survey
                        .lookups
                        .created
                        .on_mut(intent.side)
                        .insert(link.id.clone(), (link.kind, intent.at));
                    return;
                }
                Some(Made::Several(ids)) => {
                    survey.in_doubt.push((link, ids));
                    return;
                }
                Some(Made::Nothing | Made::This(_)) => {}
            }
        }
        let stand = Both::new(
            self.stand(link, Side::Mailbox, bound),
            self.stand(link, Side::Crm, bound),
        );
        if link.kind == ItemKind::Email {
            self.look_at_email(link, stand, survey);
            return;
        }
        let mut known = true;
        for side in Side::BOTH {
            if let (Stand::Missing, Some(id)) = (stand.on(side), item_id(link, side, bound)) {
                survey
                    .lookups
                    .fates
                    .on_mut(side)
                    .insert(id.clone(), (link.kind, link.key.clone()));
                known = false;
            }
        }
        if let Stand::Here(now) = stand.mailbox
            && self.wants_relations(link, now)
        {
            survey.lookups.related.insert(now.id.clone());
            known = false;
        }
        let (crm, winner) = self.crm_state(link, &stand, survey, &mut known);
        let mailbox = self.mailbox_state(link, &stand);
        let quiet = |side: Side| matches!(stand.on(side), Stand::Unseen | Stand::Nowhere);
        if link.state == LinkState::Dormant && crm == CrmState::Out && quiet(Side::Mailbox) {
            // Another's record that changes again and again wakes nobody: not worth a question.
            return;
        }
        let idle = (quiet(Side::Mailbox) || matches!(mailbox, MailboxState::Same | MailboxState::Unmarked))
            && (quiet(Side::Crm) || crm == CrmState::Same);
        // What is over stays asleep, whatever is still listed of it.
        let over = link.state == LinkState::Dormant
            && mailbox == MailboxState::Past
            && (quiet(Side::Crm) || crm == CrmState::Same);
        let stirred = |side: Side| here(stand.on(side)).is_some_and(|now| !self.quiet(link, side, now));
        let refused = link.traits.refused && (stirred(Side::Mailbox) || stirred(Side::Crm));
        let looks = !idle || link.state != LinkState::Live || link.intent.is_some() || refused;
        if (looks && !over) || self.again.contains(&link.id) {
            for side in Side::BOTH {
                if let (Stand::Unseen, Some(id)) = (stand.on(side), item_id(link, side, bound)) {
                    survey.lookups.read.on_mut(side).insert(id.clone());
                    known = false;
                }
            }
        }
        if !known || self.retried(link, &stand) {
            return;
        }
        for side in Side::BOTH {
            if matches!(
                stand.on(side),
                Stand::Deleted { merged_into: None } | Stand::Unproved
            ) {
                survey.lost.on_mut(side).insert(link.id.clone());
            }
        }
        let decision = decide(link.state, mailbox, crm, self.terms(link, &stand));
        let decision = Self::claim_winner(link, winner, decision, survey);
        self.follows(link, stand, winner, decision, survey);
    }

    /// The record that a link goes on with is its own from now on: no other item is paired with it, and no second link
    /// whose record ended up in it goes on with it.
    fn claim_winner(
        link: &Link,
        winner: Option<&Snapshot>,
        decision: Decision,
        survey: &mut Survey<'_>,
    ) -> Decision {
        let (Decision::Follow { .. } | Decision::Unproved { .. }, Some(winner)) = (decision, winner) else {
            return decision;
        };
        let holder = survey
            .claimed
            .crm
            .entry(winner.id.clone())
            .or_insert_with(|| link.id.clone());
        if *holder == link.id {
            decision
        } else {
            Decision::EndMerged
        }
    }

    /// What somebody deleted in the CRM is saved again only when the user asks for it: when he marks an event or a mail
    /// that had lost its mark. True: that is all there is to decide about it now.
    fn asked_again(self, link: &'a Link, mailbox: Stand<'a>, survey: &mut Survey<'a>) -> bool {
        let may_save = may_write(self.settings.direction(link.kind)).crm;
        let (Stand::Here(now), Some(record)) = (mailbox, &link.crm_id) else {
            return false;
        };
        let owes = link.intent.is_some() || link.traits.files_owed;
        let over = now.extra.event.as_deref().is_some_and(|event| event.cancelled) || self.is_past(now);
        if !matches!(link.kind, ItemKind::Event | ItemKind::Email) || !may_save || owes || over {
            return false;
        }
        let ordered = self.frame.ordered.contains_key(&now.id);
        let marked = now.marked && !now.extra.unsync;
        let anew = link.traits.unmarked || ordered || mutant::on(Mutant::MarkIsAsking);
        match (marked || ordered, anew) {
            (true, false) | (false, true) => return false,
            (false, false) => {
                survey.marks.push((link, true));
                return true;
            }
            (true, true) => {}
        }
        match self.facts.sides.crm.seen.get(record) {
            None => {
                survey.lookups.read.crm.insert(record.clone());
            }
            Some(Seen::Missing) => {
                survey
                    .lookups
                    .fates
                    .crm
                    .insert(record.clone(), (link.kind, link.key.clone()));
            }
            Some(Seen::Deleted { .. }) => {
                self.source(Side::Mailbox, now, Some(link), true, survey);
            }
            Some(Seen::Here(_) | Seen::Left | Seen::Unproved) => survey.marks.push((link, false)),
        }
        true
    }

    /// A saved email is left alone. Nothing is believed of one that is not to be seen.
    fn look_at_email(self, link: &'a Link, stand: Both<Stand<'a>>, survey: &mut Survey<'a>) {
        let waiting = link.crm_id.is_none() && matches!(stand.crm, Stand::Nowhere);
        if let (Stand::Unseen, Some(id), true) = (
            stand.mailbox,
            &link.mailbox_id,
            waiting || link.intent.is_some() || self.again.contains(&link.id),
        ) {
            survey.lookups.read.mailbox.insert(id.clone());
            return;
        }
        if self.retried(link, &stand) || (!waiting && self.asked_again(link, stand.mailbox, survey)) {
            return;
        }
        if link.traits.files_owed && !waiting {
            survey.files_owed.push(link);
        }
        let crm = match stand.crm {
            Stand::Nowhere => CrmState::Nowhere,
            Stand::Deleted { .. } => CrmState::Deleted,
            _ => CrmState::Same,
        };
        let mailbox = match stand.mailbox {
            Stand::Nowhere => MailboxState::Nowhere,
            Stand::Here(now) if now.extra.unsync => MailboxState::Unsynced,
            Stand::Here(_) => MailboxState::Same,
            // It is not there any more, or lies where nobody looks: nobody waits for it any longer.
            Stand::Missing | Stand::Left | Stand::Deleted { .. } if waiting => MailboxState::Deleted,
            _ => MailboxState::Unproved,
        };
        let decision = decide(link.state, mailbox, crm, self.terms(link, &stand));
        // A mail that is gone has nothing that could still be marked.
        let decision = match decision {
            Decision::Nothing if link.intent.is_some() && !waiting => Decision::Note,
            other => other,
        };
        self.follows(link, stand, None, decision, survey);
    }

    fn follows(
        self,
        link: &'a Link,
        stand: Both<Stand<'a>>,
        winner: Option<&'a Snapshot>,
        decision: Decision,
        survey: &mut Survey<'a>,
    ) {
        let turn = match decision {
            Decision::Pair { from } => self.counterpart(link, &stand, winner, from, false, survey),
            Decision::Remake { on } => self.counterpart(link, &stand, winner, on.other(), true, survey),
            _ => Turn::Leave,
        };
        // A link to which nothing is made must not wait for it awake, session after session.
        let decision = match (decision, turn) {
            (Decision::Nothing, _) | (_, Turn::Go | Turn::Ask) => return,
            (Decision::Pair { .. } | Decision::Remake { .. }, Turn::Leave) => Decision::Sleep,
            (other, Turn::Leave) => other,
        };
        survey.cases.push(Case {
            link,
            stand,
            winner,
            decision,
        });
    }

    /// What the linker finds for a mailbox item counts only where it can go up, and where the item has changed.
    fn wants_relations(self, link: &Link, now: &Snapshot) -> bool {
        matches!(link.kind, ItemKind::Event | ItemKind::Task)
            && self.settings.direction(link.kind).writes_crm()
            && !self.facts.sides.mailbox.related.contains(&now.id)
            && !self.quiet(link, Side::Mailbox, now)
            && !(link.state == LinkState::Dormant && self.is_past(now))
    }

    /// A link that waits for its counterpart since a create was refused: the same item is not offered again and
    /// again, but when it changes, and once a day.
    fn retried(self, link: &Link, stand: &Both<Stand<'_>>) -> bool {
        !self.is_up(link)
            && Side::BOTH.into_iter().any(|side| {
                link.id_on(side.other()).is_none()
                    && here(stand.on(side.other())).is_none()
                    && matches!(stand.on(side), Stand::Here(now) if self.quiet(link, side, now))
            })
    }

    fn counterpart(
        self,
        link: &'a Link,
        stand: &Both<Stand<'a>>,
        winner: Option<&'a Snapshot>,
        from: Side,
        remade: bool,
        survey: &mut Survey<'a>,
    ) -> Turn {
        let item = match (winner, stand.on(from)) {
            (Some(winner), _) if from == Side::Crm => winner,
            (_, Stand::Here(now)) => now,
            // It is being read.
            _ => return Turn::Ask,
        };
        self.source(from, item, Some(link), remade, survey)
    }

    pub(crate) fn terms(self, link: &Link, stand: &Both<Stand<'_>>) -> Terms {
        let settings = self.settings;
        let (mailbox, crm) = (here(&stand.mailbox), here(&stand.crm));
        let part = |item: Option<&Snapshot>| item.and_then(|item| Some(item.extra.event.as_deref()?.part));
        let deleted_in_mailbox = match link.kind {
            ItemKind::Task => settings.task_deleted_in_mailbox,
            _ => settings.contact_deleted_in_mailbox,
        };
        let over = crm.or(mailbox).is_some_and(|item| match link.kind {
            ItemKind::Event => when(item).is_some_and(|when| when.end() <= self.frame.now),
            ItemKind::Task => item.record.get(Field::Status).known() == Some("completed"),
            ItemKind::Contact | ItemKind::Email => false,
        });
        Terms {
            kind: link.kind,
            direction: settings.direction(link.kind),
            deleted_in_mailbox,
            own_record: deleted_in_mailbox == DeletedInMailbox::DeleteOwn
                // Only in this scope does "in scope" prove that the record is the user's.
                && (link.kind != ItemKind::Contact || settings.contact_scope == ContactScope::Mine),
            // Under another id, it was moved by hand, or is a copy of it: the user's own.
            untouched: link.made_on == Some(Side::Mailbox)
                && !link.touched
                && mailbox.is_none_or(|now| link.mailbox_id.as_ref() == Some(&now.id)),
            delete_asked: delete_asked(link),
            born: match (link.made_on, mailbox) {
                // What it says since it was made private stands nowhere else.
                (_, Some(now)) if roles::masked(link, now) => Side::Mailbox,
                (made_on, _) => made_on.map_or(Side::Mailbox, Side::other),
            },
            organizes: part(mailbox).map_or(!link.traits.invited, |part| part == Part::Organizer),
            follower: part(crm).map_or(link.traits.follower, |part| {
                part == Part::Attendee || link.traits.follower
            }),
            history: settings.keep_history && over,
        }
    }

    pub(crate) fn linker(self) -> LinkerContext<'a> {
        LinkerContext {
            settings: self.settings,
            address: &self.frame.address,
            user: &self.frame.user,
        }
    }
}

impl Survey<'_> {
    /// Whether a pair has lost its item on this side.
    pub fn has_lost(&self, view: View<'_>, link: &Link, side: Side) -> bool {
        let gone = |id: &ItemId| {
            let last = view.facts.sides.on(side).merged(id);
            matches!(
                view.facts.sides.on(side).seen.get(last),
                Some(Seen::Deleted { .. } | Seen::Unproved)
            ) || last != id
                && self
                    .sources
                    .iter()
                    .any(|source| source.side == side && source.item.id == *last)
        };
        self.lost.on(side).contains(&link.id) || link.id_on(side).is_some_and(gone)
    }

    /// It ended when its item was deleted, and the user has taken that back.
    pub fn wakes(&self, link: &Link) -> bool {
        link.state == LinkState::Ended(EndReason::DeletedInMailbox)
            && link.crm_id.is_some()
            && self.claimed.mailbox.values().any(|held| *held == link.id)
    }

    /// The link that an item belongs to, under whichever id. What a link goes on with in this session is that link's, whatever
    /// link held it before, or still waits beside it.
    pub fn link_of<'v>(&self, view: View<'v>, side: Side, id: &ItemId) -> Option<&'v Link> {
        let held = view.links.of_item(side, id);
        let claimed = self
            .claimed
            .on(side)
            .get(id)
            .and_then(|link| view.links.get(link));
        match held {
            Some(held) if paired(held) => Some(held),
            held => claimed
                .filter(|link| !matches!(link.state, LinkState::Ended(_)))
                .or(held)
                .or(claimed),
        }
    }
}

/// Both items are held by the link: neither can be paired with another.
#[must_use]
pub fn paired(link: &Link) -> bool {
    !matches!(link.state, LinkState::Ended(_)) && link.mailbox_id.is_some() && link.crm_id.is_some()
}

/// The mailbox item is gone, and the user asked for the delete of the record: see [`crate::cure`].
#[must_use]
pub fn delete_asked(link: &Link) -> bool {
    link.intent
        .is_some_and(|intent| link.id_on(intent.side).is_some() && link.id_on(intent.side.other()).is_none())
}

fn item_id<'v>(link: &'v Link, side: Side, bound: &'v Both<HashMap<LinkId, ItemId>>) -> Option<&'v ItemId> {
    bound.on(side).get(&link.id).or_else(|| link.id_on(side))
}
