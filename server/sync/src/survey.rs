//! Where each pair stands, as far as it is known, and what must still be found out.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tandem_types::{ContactScope, DeletedInMailbox, LinkId, Settings, Side, Timestamp};

use crate::decide::{CrmState, Decision, MailboxState, Terms, decide};
use crate::facts::{Facts, Links, Made, Seen};
use crate::hash::Hasher;
use crate::link::{EndReason, Link, LinkState};
use crate::merge::{Both, differs, edited, may_write};
use crate::model::{ItemId, LinkKey, Scope, Snapshot};

/// A merged record may have been merged again; a chain longer than this is somebody's mistake.
const MERGES_MAX: usize = 8;

/// All that decisions are made from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub hasher: &'a Hasher,
    pub links: &'a Links,
    pub facts: &'a Facts,
    pub settings: &'a Settings,
    /// Links to be looked at although nothing reported them.
    pub again: &'a BTreeSet<LinkId>,
    pub look: Look,
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
    pub fates: Both<BTreeMap<ItemId, LinkKey>>,
    pub candidates: Both<BTreeSet<crate::model::MatchKey>>,
    /// Creates whose answer was lost, by the side where they were sent.
    pub created: Both<BTreeMap<LinkId, Timestamp>>,
    /// What the sides can hold must be known: something is going to be decided.
    pub profiles: bool,
}

impl Lookups {
    /// Nothing is to be asked of a side but perhaps its profile.
    pub fn is_empty(&self) -> bool {
        Side::BOTH.into_iter().all(|side| {
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

/// An item without a counterpart.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    pub side: Side,
    pub item: &'a Snapshot,
    /// The link that waits for the counterpart.
    pub link: Option<&'a Link>,
    /// It was on the other side before, and is made again.
    pub remade: bool,
}

/// Everything that is to be decided now, and what is missing for the rest.
#[derive(Clone, Debug, Default)]
pub struct Survey<'a> {
    pub cases: Vec<Case<'a>>,
    pub sources: Vec<Source<'a>>,
    /// Links whose create may have made one of several items.
    pub in_doubt: Vec<(&'a Link, &'a [ItemId])>,
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
                let Some(link) = snapshot.key.as_ref().and_then(|key| self.links.of_key(key)) else {
                    continue;
                };
                if bound.on(side).contains_key(&link.id) {
                    continue;
                }
                let moved = match (link.state, link.id_on(side)) {
                    (LinkState::Ended(_), _) | (_, None) => true,
                    (_, Some(old)) => match facts.seen.get(old) {
                        Some(Seen::Here(now)) => now.id == *id,
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
            }
            ids.extend(self.links.iter().filter(|l| l.intent.is_some()).map(|l| &l.id));
        }
        ids.into_iter().filter_map(|id| self.links.get(id)).collect()
    }

    fn look_at(self, link: &'a Link, bound: &Both<HashMap<LinkId, ItemId>>, survey: &mut Survey<'a>) {
        if let LinkState::Ended(reason) = link.state
            && !(reason == EndReason::DeletedInMailbox && bound.mailbox.contains_key(&link.id))
        {
            return;
        }
        if let Some(intent) = link.intent
            && link.id_on(intent.side).is_none()
            && !delete_asked(link)
        {
            match self.facts.made.get(&link.id) {
                None => {
                    survey
                        .lookups
                        .created
                        .on_mut(intent.side)
                        .insert(link.id.clone(), intent.at);
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
        let mut known = true;
        for side in Side::BOTH {
            if let (Stand::Missing, Some(id)) = (stand.on(side), item_id(link, side, bound)) {
                survey
                    .lookups
                    .fates
                    .on_mut(side)
                    .insert(id.clone(), link.key.clone());
                known = false;
            }
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
        if !idle || link.state != LinkState::Live || link.intent.is_some() || self.again.contains(&link.id) {
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
        let decision = decide(link.state, mailbox, crm, self.terms(link));
        match decision {
            Decision::Pair { from } => Self::counterpart(link, &stand, winner, from, false, survey),
            Decision::Remake { on } => Self::counterpart(link, &stand, winner, on.other(), true, survey),
            Decision::Nothing => {}
            _ => survey.cases.push(Case {
                link,
                stand,
                winner,
                decision,
            }),
        }
    }

    /// A link that waits for its counterpart since a create was refused: the same item is not offered again and
    /// again, but when it changes, and once a day.
    fn retried(self, link: &Link, stand: &Both<Stand<'_>>) -> bool {
        Side::BOTH.into_iter().any(|side| {
            link.id_on(side.other()).is_none()
                && matches!(stand.on(side), Stand::Here(now) if self.quiet(link, side, now))
        })
    }

    fn counterpart(
        link: &'a Link,
        stand: &Both<Stand<'a>>,
        winner: Option<&'a Snapshot>,
        from: Side,
        remade: bool,
        survey: &mut Survey<'a>,
    ) {
        let item = match (winner, stand.on(from)) {
            (Some(winner), _) if from == Side::Crm => winner,
            (_, Stand::Here(now)) => now,
            _ => return,
        };
        survey.sources.push(Source {
            side: from,
            item,
            link: Some(link),
            remade,
        });
    }

    fn terms(self, link: &Link) -> Terms {
        Terms {
            direction: self.settings.contacts,
            deleted_in_mailbox: self.settings.contact_deleted_in_mailbox,
            // Only in this scope does "in scope" prove that the record is the user's.
            own_record: self.settings.contact_scope == ContactScope::Mine
                && self.settings.contact_deleted_in_mailbox == DeletedInMailbox::DeleteOwn,
            untouched: link.made_on == Some(Side::Mailbox) && !link.touched,
            delete_asked: delete_asked(link),
        }
    }

    fn stand(self, link: &'a Link, side: Side, bound: &Both<HashMap<LinkId, ItemId>>) -> Stand<'a> {
        if let (Some(Made::This(now)), Some(intent)) = (self.facts.made.get(&link.id), link.intent)
            && intent.side == side
            && link.id_on(side).is_none()
        {
            let facts = self.facts.sides.on(side);
            return Stand::Here(facts.here(&now.id).unwrap_or(now));
        }
        let facts = self.facts.sides.on(side);
        if let Some(now) = bound.on(side).get(&link.id).and_then(|id| facts.here(id)) {
            return Stand::Here(now);
        }
        let Some(id) = link.id_on(side) else {
            return Stand::Nowhere;
        };
        match facts.seen.get(id) {
            None => Stand::Unseen,
            Some(Seen::Here(now)) => Stand::Here(now),
            Some(Seen::Missing) => Stand::Missing,
            Some(Seen::Deleted { merged_into }) => Stand::Deleted {
                merged_into: merged_into.as_ref(),
            },
            Some(Seen::Left) => Stand::Left,
            Some(Seen::Unproved) => Stand::Unproved,
        }
    }

    /// The same version as we have noted: our own write coming back, or a repeated report.
    fn quiet(self, link: &Link, side: Side, now: &Snapshot) -> bool {
        let version = match side {
            Side::Mailbox => &link.mailbox_version,
            Side::Crm => &link.crm_version,
        };
        version.as_ref() == Some(&now.version)
            && link.id_on(side) == Some(&now.id)
            && !self.facts.sides.on(side).full
            && link.intent.is_none()
            && !self.again.contains(&link.id)
    }

    /// Whether there is anything to carry over; against a delete, only what a user really edited counts.
    fn changed(self, link: &Link, side: Side, now: &Snapshot, against: &Stand<'_>) -> bool {
        if self.quiet(link, side, now) {
            return false;
        }
        match against {
            Stand::Here(_) | Stand::Unseen => {
                differs(self.hasher, &link.base, side, &now.record) || self.lacks_key(link, side, now)
            }
            _ => edited(self.hasher, &link.base, side, &now.record),
        }
    }

    fn lacks_key(self, link: &Link, side: Side, now: &Snapshot) -> bool {
        side == Side::Mailbox
            && now.key.is_none()
            && may_write(self.settings.contacts).mailbox
            && link.state == LinkState::Live
            // Looking costs the profile only; whether the side holds keys at all, the plan knows.
            && self.facts.sides.mailbox.full
    }

    fn mailbox_state(self, link: &Link, stand: &Both<Stand<'_>>) -> MailboxState {
        match stand.mailbox {
            Stand::Nowhere => MailboxState::Nowhere,
            Stand::Unseen => MailboxState::Same,
            Stand::Deleted { .. } => MailboxState::Deleted,
            Stand::Left => MailboxState::Out,
            Stand::Missing | Stand::Unproved => MailboxState::Unproved,
            Stand::Here(now) => {
                let may_mark = may_write(self.settings.contacts).mailbox;
                let stayed = link.mailbox_id.as_ref() == Some(&now.id);
                let unmarked = !now.marked && may_mark && link.mailbox_id.is_some() && link.crm_id.is_some();
                // Taken off where it stands, the category comes back; filed elsewhere without it, it left.
                let comes_back = unmarked && stayed && link.state == LinkState::Live;
                let inside = match now.scope {
                    Scope::In => true,
                    Scope::Out => comes_back,
                    Scope::Private => false,
                };
                if !inside {
                    return MailboxState::Out;
                }
                match (unmarked, self.changed(link, Side::Mailbox, now, &stand.crm)) {
                    (false, false) => MailboxState::Same,
                    (false, true) => MailboxState::Changed,
                    (true, false) => MailboxState::Unmarked,
                    (true, true) => MailboxState::UnmarkedChanged,
                }
            }
        }
    }

    fn crm_state(
        self,
        link: &'a Link,
        stand: &Both<Stand<'a>>,
        survey: &mut Survey<'a>,
        known: &mut bool,
    ) -> (CrmState, Option<&'a Snapshot>) {
        let state = match stand.crm {
            Stand::Nowhere => CrmState::Nowhere,
            Stand::Left => CrmState::Out,
            Stand::Missing | Stand::Unproved => CrmState::Unproved,
            Stand::Deleted { merged_into: None } => CrmState::Deleted,
            Stand::Deleted {
                merged_into: Some(winner),
            } => return self.merged(link, winner, survey, known),
            Stand::Here(now) if now.scope != Scope::In => CrmState::Out,
            Stand::Here(now) if self.changed(link, Side::Crm, now, &stand.mailbox) => CrmState::Changed,
            Stand::Unseen | Stand::Here(_) => CrmState::Same,
        };
        (state, None)
    }

    fn merged(
        self,
        link: &'a Link,
        winner: &'a ItemId,
        survey: &mut Survey<'a>,
        known: &mut bool,
    ) -> (CrmState, Option<&'a Snapshot>) {
        let mut winner = winner;
        for _ in 0..MERGES_MAX {
            if let Some(other) = self.links.of_item(Side::Crm, winner)
                && other.id != link.id
                && paired(other)
            {
                return (CrmState::MergedIntoLinked, None);
            }
            match self.facts.sides.crm.seen.get(winner) {
                None => {
                    survey.lookups.read.crm.insert(winner.clone());
                    *known = false;
                    return (CrmState::Unproved, None);
                }
                Some(Seen::Missing) => {
                    survey.lookups.fates.crm.insert(winner.clone(), link.key.clone());
                    *known = false;
                    return (CrmState::Unproved, None);
                }
                Some(Seen::Here(now)) if now.scope == Scope::In => {
                    // Two records merged into a third: the link with the smaller id moves, the other is told.
                    let taken = self.links.iter().any(|other| {
                        other.id < link.id
                            && paired(other)
                            && other
                                .crm_id
                                .as_ref()
                                .and_then(|id| self.facts.sides.crm.seen.get(id))
                                .is_some_and(|seen| {
                                    matches!(seen, Seen::Deleted { merged_into: Some(into) } if into == winner)
                                })
                    });
                    return if taken {
                        (CrmState::MergedIntoLinked, None)
                    } else {
                        (CrmState::Merged, Some(now))
                    };
                }
                Some(Seen::Here(_) | Seen::Left) => return (CrmState::Out, None),
                Some(Seen::Deleted { merged_into: None }) => return (CrmState::Deleted, None),
                Some(Seen::Deleted {
                    merged_into: Some(next),
                }) => winner = next,
                Some(Seen::Unproved) => return (CrmState::Unproved, None),
            }
        }
        (CrmState::Unproved, None)
    }

    fn unlinked(self, survey: &mut Survey<'a>) {
        let writes = may_write(self.settings.contacts);
        let spoken_for: BTreeSet<&ItemId> = survey
            .in_doubt
            .iter()
            .flat_map(|(_, ids)| ids.iter())
            // What a record was merged into is its link's.
            .chain(
                survey
                    .cases
                    .iter()
                    .filter_map(|case| case.winner.map(|winner| &winner.id)),
            )
            .collect();
        for side in Side::BOTH {
            if self.look == Look::Again || !writes.on(side.other()) {
                continue;
            }
            let facts = self.facts.sides.on(side);
            for id in &facts.news {
                let Some(item) = facts.here(id) else { continue };
                if item.scope == Scope::In
                    && item.id == *id
                    && self.links.of_item(side, id).is_none()
                    && !survey.claimed.on(side).contains_key(id)
                    && !spoken_for.contains(id)
                {
                    survey.sources.push(Source {
                        side,
                        item,
                        link: None,
                        remade: false,
                    });
                }
            }
        }
        survey.sources.retain(|source| *writes.on(source.side.other()));
        survey
            .sources
            .sort_by(|a, b| (a.side, &a.item.id).cmp(&(b.side, &b.item.id)));
        survey
            .sources
            .dedup_by(|a, b| (a.side, &a.item.id) == (b.side, &b.item.id));
        crate::pair::questions(self, survey);
    }
}

impl Survey<'_> {
    /// Whether a pair has lost its item on this side.
    pub fn has_lost(&self, view: View<'_>, link: &Link, side: Side) -> bool {
        let gone = |id: &ItemId| {
            matches!(
                view.facts.sides.on(side).seen.get(id),
                Some(Seen::Deleted { merged_into: None } | Seen::Unproved)
            )
        };
        self.lost.on(side).contains(&link.id) || link.id_on(side).is_some_and(gone)
    }

    /// The link that an item belongs to, under whichever id.
    pub fn link_of<'v>(&self, view: View<'v>, side: Side, id: &ItemId) -> Option<&'v Link> {
        view.links
            .of_item(side, id)
            .or_else(|| view.links.get(self.claimed.on(side).get(id)?))
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
