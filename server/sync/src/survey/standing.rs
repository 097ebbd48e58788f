//! Where a link's two items stand.

use std::collections::{BTreeSet, HashMap};
use std::str::FromStr;

use tandem_types::{ItemKind, LinkId, Side};

use crate::decide::{CrmState, MailboxState};
use crate::facts::{MERGES_MAX, Made, Seen};
use crate::link::{Link, LinkState};
use crate::merge::{Both, differs, holds_more, may_write};
use crate::model::{Field, ItemId, Scope, Snapshot, When, instant};
use crate::mutant::{self, Mutant};
use crate::roles;

use super::{Stand, Survey, View, paired};

impl<'a> View<'a> {
    pub(super) fn stand(
        self,
        link: &'a Link,
        side: Side,
        bound: &Both<HashMap<LinkId, ItemId>>,
    ) -> Stand<'a> {
        let facts = self.facts.sides.on(side);
        if let (Some(Made::This(now)), Some(intent)) = (self.facts.made.get(&link.id), link.intent)
            && intent.side == side
            && link.id_on(side).is_none()
        {
            return Stand::Here(facts.here(&now.id).unwrap_or(now));
        }
        if let Some(now) = bound.on(side).get(&link.id).and_then(|id| facts.here(id)) {
            return Stand::Here(now);
        }
        let Some(id) = link.id_on(side) else {
            return Stand::Nowhere;
        };
        match facts.seen.get(id) {
            None => Stand::Unseen,
            // A copy carries the key along. One that has a link of its own is no place to which this item was moved: by
            // its id and by its key, it is gone.
            Some(Seen::Here(now))
                if now.id != *id
                    && self.links.of_item(side, &now.id).is_some_and(|other| {
                        other.id != link.id && !matches!(other.state, LinkState::Ended(_))
                    }) =>
            {
                Stand::Deleted { merged_into: None }
            }
            // What was read of a moved item may be older than what is known under its new id.
            Some(Seen::Here(now)) => Stand::Here(facts.here(&now.id).unwrap_or(now)),
            Some(Seen::Missing) => Stand::Missing,
            Some(Seen::Deleted { merged_into }) => Stand::Deleted {
                merged_into: merged_into.as_ref(),
            },
            Some(Seen::Left) => Stand::Left,
            Some(Seen::Unproved) if side == Side::Crm && mutant::on(Mutant::UnsharedIsDeleted) => {
                Stand::Deleted { merged_into: None }
            }
            Some(Seen::Unproved) => Stand::Unproved,
        }
    }

    /// Nothing new: our own write coming back, or a repeated report. Where a value was refused, both items are compared
    /// as soon as one of them has anything new.
    pub(crate) fn quiet(self, link: &Link, side: Side, now: &Snapshot) -> bool {
        let other = || {
            let other = side.other();
            let now = self.facts.sides.on(other).here(link.id_on(other)?)?;
            Some(self.as_noted(link, other, now))
        };
        self.as_noted(link, side, now) && !(link.traits.refused && other() == Some(false))
    }

    /// The same version as we have noted.
    fn as_noted(self, link: &Link, side: Side, now: &Snapshot) -> bool {
        let version = match side {
            Side::Mailbox => &link.mailbox_version,
            Side::Crm => &link.crm_version,
        };
        version.as_ref() == Some(&now.version)
            && link.id_on(side) == Some(&now.id)
            && !self.facts.sides.on(side).compare.has(link.kind)
            && link.intent.is_none()
            && !self.again.contains(&link.id)
            && !mutant::on(Mutant::VersionIsChange)
    }

    /// Whether there is anything to carry over; against a delete, only what a user really edited counts.
    fn changed(self, link: &Link, side: Side, now: &Snapshot, against: &Stand<'_>) -> bool {
        if self.quiet(link, side, now) {
            return false;
        }
        match against {
            Stand::Here(_) | Stand::Unseen => {
                // A choice of the user's is about what was left apart, too.
                link.traits.prefer.is_some()
                    || differs(self.hasher, &link.base, side, &now.record)
                    || side == Side::Mailbox
                        && roles::masked(link, now)
                        && !roles::unmasked(self.hasher, &link.base).is_empty()
                    || self.lacks_key(link, side, now)
            }
            // Nothing was ever agreed on with what is gone, a colleague's record perhaps: all of it is the user's own.
            Stand::Deleted { .. } if side == Side::Mailbox && link.base.normaliser == 0 => true,
            // A mask is no edit.
            _ if side == Side::Mailbox && roles::masked(link, now) => {
                let mut seen = now.record.clone();
                seen.fields.retain(|field, _| !roles::MASKED.contains(field));
                holds_more(self.hasher, &link.base, side, &seen)
            }
            _ => {
                let hidden = |field: &Field| now.record.get(*field).is_unknown();
                holds_more(self.hasher, &link.base, side, &now.record)
                    || mutant::on(Mutant::HiddenIsEdited) && link.base.on(side).keys().any(hidden)
            }
        }
    }

    fn lacks_key(self, link: &Link, side: Side, now: &Snapshot) -> bool {
        side == Side::Mailbox
            && now.key.is_none()
            && !now.extra.untaggable
            && may_write(self.settings.direction(link.kind)).mailbox
            && link.state == LinkState::Live
            // Looking costs the profile only; whether the side holds keys at all, the plan knows.
            && self.facts.sides.mailbox.compare.has(link.kind)
    }

    /// Over before the window began, or completed, and neither due nor changed lately.
    pub(super) fn is_past(self, item: &Snapshot) -> bool {
        match item.record.kind {
            ItemKind::Event => when(item).is_some_and(|when| when.is_before(self.frame.window)),
            ItemKind::Task => {
                let since = instant(self.frame.tasks_since);
                // Both are written so that the earlier one sorts first.
                let due_since = |due: &str| since.get(..10).is_some_and(|day| due >= day);
                item.record.get(Field::Status).known() == Some("completed")
                    && item.modified < self.frame.tasks_since
                    && !item.record.get(Field::Due).known().is_some_and(due_since)
            }
            ItemKind::Contact | ItemKind::Email => false,
        }
    }

    pub(super) fn mailbox_state(self, link: &Link, stand: &Both<Stand<'_>>) -> MailboxState {
        let now = match stand.mailbox {
            Stand::Nowhere => return MailboxState::Nowhere,
            Stand::Unseen => return MailboxState::Same,
            Stand::Deleted { .. } => return MailboxState::Deleted,
            Stand::Left => return MailboxState::Out,
            Stand::Missing | Stand::Unproved => return MailboxState::Unproved,
            Stand::Here(now) => now,
        };
        if now.extra.unsync && !mutant::on(Mutant::IgnoreUnsync) {
            return MailboxState::Unsynced;
        }
        if now.extra.event.as_deref().is_some_and(|event| event.cancelled) {
            return MailboxState::Cancelled;
        }
        let may_mark = may_write(self.settings.direction(link.kind)).mailbox && !now.extra.untaggable;
        let stayed = link.mailbox_id.as_ref() == Some(&now.id);
        let unmarked = !now.marked && may_mark && link.mailbox_id.is_some() && link.crm_id.is_some();
        // Taken off where it stands, the category comes back; filed elsewhere without it, it left.
        let comes_back = unmarked && stayed && link.state == LinkState::Live;
        let inside = match (link.kind, now.scope) {
            (_, Scope::In) => true,
            // An event is followed wherever it goes; one that became private is seen masked.
            (ItemKind::Event, _) => link.mailbox_id.is_some() || link.intent.is_some(),
            (_, Scope::Out) => comes_back,
            (_, Scope::Private) => false,
        };
        if !inside {
            return MailboxState::Out;
        }
        let changed = self.changed(link, Side::Mailbox, now, &stand.crm);
        if !changed && self.is_past(now) && here(&stand.crm).is_none_or(|crm| self.is_past(crm)) {
            return MailboxState::Past;
        }
        if unmarked && mutant::on(Mutant::UnmarkedIsGone) {
            return MailboxState::Deleted;
        }
        match (unmarked, changed) {
            (false, false) => MailboxState::Same,
            (false, true) => MailboxState::Changed,
            (true, false) => MailboxState::Unmarked,
            (true, true) => MailboxState::UnmarkedChanged,
        }
    }

    pub(super) fn crm_state(
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
            // Another pair has followed a merge into this record since this one lost its mailbox item.
            Stand::Here(now) if self.is_others(link, now) => CrmState::MergedIntoLinked,
            Stand::Here(now) if self.changed(link, Side::Crm, now, &stand.mailbox) => CrmState::Changed,
            Stand::Unseen | Stand::Here(_) => CrmState::Same,
        };
        (state, None)
    }

    fn is_others(self, link: &Link, record: &Snapshot) -> bool {
        let alone = matches!(link.state, LinkState::Ended(_)) || link.mailbox_id.is_none();
        let holder = self.links.of_item(Side::Crm, &record.id);
        alone && holder.is_some_and(|other| other.id != link.id && self.goes_on_with_both(other))
    }

    /// It holds both its items, or what its create has made was just found.
    fn goes_on_with_both(self, link: &Link) -> bool {
        paired(link) || matches!(self.facts.made.get(&link.id), Some(Made::This(_)))
    }

    fn merged(
        self,
        link: &'a Link,
        winner: &'a ItemId,
        survey: &mut Survey<'a>,
        known: &mut bool,
    ) -> (CrmState, Option<&'a Snapshot>) {
        let mut winner = winner;
        let mut asked = BTreeSet::new();
        for _ in 0..MERGES_MAX {
            if !asked.insert(winner) {
                break;
            }
            if let Some(other) = self.links.of_item(Side::Crm, winner)
                && other.id != link.id
                && (self.goes_on_with_both(other) || survey.wakes(other))
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
                    survey
                        .lookups
                        .fates
                        .crm
                        .insert(winner.clone(), (link.kind, link.key.clone()));
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
}

pub(crate) fn here<'a>(stand: &Stand<'a>) -> Option<&'a Snapshot> {
    match stand {
        Stand::Here(now) => Some(now),
        _ => None,
    }
}

/// When an event is, where that can be told.
pub(crate) fn when(item: &Snapshot) -> Option<When> {
    When::from_str(item.record.get(Field::When).known()?).ok()
}
