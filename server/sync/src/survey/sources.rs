//! Items that have no counterpart yet: which of them get one, and how it is found.

use std::collections::BTreeSet;

use tandem_types::{ItemKind, Side};

use crate::facts::Seen;
use crate::link::{EndReason, Link, LinkState};
use crate::linker;
use crate::meeting;
use crate::merge::may_write;
use crate::model::{Candidate, ItemId, MatchKey, Scope, Snapshot};
use crate::mutant::{self, Mutant};
use crate::ports::Claim;
use crate::roles;
use crate::save::{NotSaved, Rule, SaveContext, Saving, saving};

use super::{Course, Look, Source, Survey, Turn, View, paired, when};

/// Two servers' clocks, and ours, differ.
const CLOCKS_DIFFER_SECONDS: i64 = 10 * 60;

impl<'a> View<'a> {
    pub(super) fn unlinked(self, survey: &mut Survey<'a>) {
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
        // A link that waits for a counterpart of such a record has lost it to that one.
        survey.sources.retain(|source| {
            source.link.is_none_or(|waiting| {
                !survey.cases.iter().any(|case| {
                    case.gets_winner(&source.item.id)
                        && source.side == Side::Crm
                        && case.link.id != waiting.id
                })
            })
        });
        for side in Side::BOTH {
            if self.look == Look::Again {
                continue;
            }
            let facts = self.facts.sides.on(side);
            for id in &facts.news {
                let Some(item) = facts.here(id) else { continue };
                let kind = item.record.kind;
                if item.id == *id
                    && self.frame.kinds.has(kind)
                    && *may_write(self.settings.direction(kind)).on(side.other())
                    && self.is_free(side, item)
                    && !survey.claimed.on(side).contains_key(id)
                    && !spoken_for.contains(id)
                {
                    self.source(side, item, None, false, survey);
                }
            }
        }
        survey
            .sources
            .sort_by(|a, b| (a.side, &a.item.id).cmp(&(b.side, &b.item.id)));
        survey
            .sources
            .dedup_by(|a, b| (a.side, &a.item.id) == (b.side, &b.item.id));
        crate::pair::questions(self, survey);
    }

    /// No link speaks for it: or only one that the user ended with *Salesforce Unsync* and has taken back since.
    fn is_free(self, side: Side, item: &Snapshot) -> bool {
        match self.links.of_item(side, &item.id) {
            None => true,
            Some(link) => {
                let anew = item.marked && (link.traits.unmarked || !link.traits.taken_out);
                let taken_back = item.record.kind != ItemKind::Email && anew && !item.extra.unsync;
                side == Side::Mailbox
                    && link.state == LinkState::Ended(EndReason::Unsynced)
                    && (taken_back || self.frame.ordered.contains_key(&item.id))
            }
        }
    }

    /// Takes an item as a source, if it is one and everything that it needs is known.
    ///
    /// [`Turn::Leave`]: nothing is made of it as it stands; a link that waits for the counterpart need not be looked at
    /// before the item, the settings or the calendar change.
    pub(super) fn source(
        self,
        side: Side,
        item: &'a Snapshot,
        link: Option<&'a Link>,
        remade: bool,
        survey: &mut Survey<'a>,
    ) -> Turn {
        if !*may_write(self.settings.direction(item.record.kind)).on(side.other()) {
            return Turn::Leave;
        }
        let mut source = Source {
            side,
            item,
            link,
            remade,
            rule: None,
            claim: None,
            gone: link.filter(|_| remade).and_then(|link| self.deleted_record(link)),
            course: Course::Look,
        };
        let kind = item.record.kind;
        // Of an item that is linked already, the table has decided.
        let inside = link.is_some() || (item.scope == Scope::In && !item.extra.unsync);
        let inside = match (side, kind) {
            // Whether it is private when it is saved decides whether it is hidden for good: until that is told, it waits.
            (Side::Mailbox, ItemKind::Event)
                if roles::is_veiled(item) && !link.is_some_and(roles::was_saved) =>
            {
                return Turn::Leave;
            }
            (Side::Mailbox, ItemKind::Event | ItemKind::Email) if !remade => {
                match self.saved(&mut source, survey) {
                    Turn::Go => {}
                    other => return other,
                }
                match self.course(&mut source, survey) {
                    Turn::Go => true,
                    other => return other,
                }
            }
            (Side::Mailbox, ItemKind::Event | ItemKind::Email) => {
                source.claim = meeting::identity(self.org, item);
                true
            }
            // Changes are told wherever they are: only those of the window come down.
            (Side::Crm, ItemKind::Event) => {
                inside
                    && (remade
                        || when(item).is_some_and(|when| when.is_in(self.frame.window))
                        || mutant::on(Mutant::IgnoreWindow))
            }
            (_, ItemKind::Email) => false,
            (_, ItemKind::Task) => inside && (remade || !self.is_past(item)),
            (_, ItemKind::Contact) => inside,
        };
        if !inside {
            return Turn::Leave;
        }
        if side == Side::Mailbox
            && kind != ItemKind::Contact
            && matches!(source.course, Course::Look | Course::Follow { .. })
            && !self.facts.sides.mailbox.related.contains(&item.id)
        {
            survey.lookups.related.insert(item.id.clone());
            return Turn::Ask;
        }
        survey.sources.push(source);
        Turn::Go
    }

    /// The link's record, if it is known that somebody deleted it.
    fn deleted_record(self, link: &'a Link) -> Option<&'a ItemId> {
        let seen = self.facts.sides.crm.seen.get(link.crm_id.as_ref()?);
        link.crm_id
            .as_ref()
            .filter(|_| matches!(seen, Some(Seen::Deleted { .. })))
    }

    /// Which rule saves it, if any.
    fn saved(self, source: &mut Source<'a>, survey: &mut Survey<'a>) -> Turn {
        let item = source.item;
        let mut thread_saved = None;
        if item.record.kind == ItemKind::Email
            && let Some(thread) = meeting::thread(self.org, &self.frame.connection, item)
        {
            match self.facts.claims.get(&thread) {
                None => {
                    survey.lookups.claims.insert((ItemKind::Email, thread));
                    return Turn::Ask;
                }
                Some(claim) => thread_saved = Some(claim.is_some()),
            }
        }
        let mut context = self.save_context(&item.id, thread_saved);
        if source.link.is_some() {
            // It was let through before, perhaps by a back-fill, and has only waited since: it grew older meanwhile.
            context.mails_since = tandem_types::Timestamp(i64::MIN);
        }
        match saving(item, &context, &self.facts.known) {
            Saving::Yes(rule) => {
                source.rule = Some(rule);
                Turn::Go
            }
            Saving::Ask => {
                survey.lookups.clues.extend(linker::clues(item, &self.linker()));
                Turn::Ask
            }
            Saving::No(reason) => {
                survey.not_saved.push((item, reason, source.link));
                Turn::Leave
            }
        }
    }

    pub(crate) fn save_context(self, item: &ItemId, thread_saved: Option<bool>) -> SaveContext<'a> {
        let backfilled = self.frame.backfilled.contains(item);
        SaveContext {
            linker: self.linker(),
            now: self.frame.now,
            window: self.frame.window,
            mails_since: if backfilled {
                tandem_types::Timestamp(i64::MIN)
            } else {
                self.frame.mails_since
            },
            thread_saved,
            ordered: self.frame.ordered.contains_key(item),
        }
    }

    /// Whether the organisation has it already, or somebody else makes it.
    fn course(self, source: &mut Source<'a>, survey: &mut Survey<'a>) -> Turn {
        let item = source.item;
        let Some(hash) = meeting::identity(self.org, item) else {
            return Turn::Go;
        };
        source.claim = Some(hash);
        if !meeting::is_shared(item) || mutant::on(Mutant::SkipClaim) {
            return self.saved_before(source, survey);
        }
        let kind = item.record.kind;
        let Some(claim) = self.facts.claims.get(&hash) else {
            survey.lookups.claims.insert((kind, hash));
            return Turn::Ask;
        };
        let stale = meeting::stale_before(self.frame.now, self.settings.interval_minutes);
        match claim {
            Some(claim) if meeting::is_held(claim, &self.frame.connection, stale) => {
                source.course = Course::Wait;
                Turn::Go
            }
            Some(
                claim @ Claim {
                    crm_id: Some(record), ..
                },
            ) => {
                let own = claim.holder == self.frame.connection;
                if kind == ItemKind::Email {
                    return self.mailed_by_somebody(source, (claim, record), own, survey);
                }
                self.made_by_somebody(source, (claim, record), own, survey)
            }
            Some(claim) => match self.maybe_made(source, claim, survey) {
                Turn::Go => self.saved_before(source, survey),
                other => other,
            },
            None => match self.may_go_first(source, survey) {
                Turn::Go => self.saved_before(source, survey),
                other => other,
            },
        }
    }

    /// A mail that the organisation has, unless somebody deleted it there: then it is saved again when the user asks.
    fn mailed_by_somebody(
        self,
        source: &mut Source<'a>,
        (claim, record): (&'a Claim, &'a ItemId),
        own: bool,
        survey: &mut Survey<'a>,
    ) -> Turn {
        match self.facts.sides.crm.seen.get(record) {
            None => {
                survey.lookups.read.crm.insert(record.clone());
                Turn::Ask
            }
            Some(Seen::Missing) => {
                let key = claim.key.clone();
                survey
                    .lookups
                    .fates
                    .crm
                    .insert(record.clone(), (ItemKind::Email, key));
                Turn::Ask
            }
            Some(Seen::Deleted { .. }) => {
                let asked = matches!(source.rule, Some(Rule::Marked | Rule::Folder));
                source.gone = Some(record);
                if asked {
                    self.saved_before(source, survey)
                } else {
                    Turn::Leave
                }
            }
            // Whether this user may see it or not.
            Some(Seen::Here(_) | Seen::Left | Seen::Unproved) => {
                source.course = Course::Saved { record, own };
                Turn::Go
            }
        }
    }

    /// Another claimed the meeting, and did not note what came of it: if a colleague's record of it is there, it is that
    /// one. Its key, where the organisation has keys, is asked for when it is made.
    fn maybe_made(self, source: &mut Source<'a>, claim: &Claim, survey: &mut Survey<'a>) -> Turn {
        let item = source.item;
        if item.record.kind != ItemKind::Event || claim.holder == self.frame.connection {
            return Turn::Go;
        }
        let Some(key) = crate::pair::activity_key(item) else {
            return Turn::Go;
        };
        let there = &self.facts.sides.crm;
        if !there.candidates.contains_key(&key) {
            survey.lookups.candidates.crm.insert(key);
            return Turn::Ask;
        }
        let made = |record: &&Snapshot| {
            record.scope == Scope::Out
                && (record.key.is_none() || record.key.as_ref() == Some(&claim.key))
                && record.created >= claim.since.plus_seconds(-CLOCKS_DIFFER_SECONDS)
        };
        let mut found = there.found(&key).filter(made);
        if let (Some(record), None) = (found.next(), found.next()) {
            source.course = Course::Follow { record, own: false };
        }
        Turn::Go
    }

    fn made_by_somebody(
        self,
        source: &mut Source<'a>,
        (claim, record): (&'a Claim, &'a ItemId),
        own: bool,
        survey: &mut Survey<'a>,
    ) -> Turn {
        // Another item of this mailbox is the meeting's already: this one is a copy.
        let taken = self
            .links
            .of_item(Side::Crm, record)
            .is_some_and(|link| paired(link) && source.link.is_none_or(|own| own.id != link.id));
        if taken {
            survey
                .not_saved
                .push((source.item, NotSaved::Double, source.link));
            return Turn::Leave;
        }
        match self.facts.sides.crm.seen.get(record) {
            // Not the user's, and perhaps to be seen all the same.
            None | Some(Seen::Left) => {
                survey.lookups.read.crm.insert(record.clone());
                Turn::Ask
            }
            Some(Seen::Here(record)) => {
                source.course = Course::Follow { record, own };
                Turn::Go
            }
            // Nothing that was deleted there is made again by itself.
            Some(Seen::Deleted { .. }) if source.rule == Some(Rule::Marked) => {
                source.remade = own;
                source.gone = Some(record);
                Turn::Go
            }
            Some(Seen::Deleted { .. }) => Turn::Leave,
            // Deleted, or not for this user's eyes?
            Some(Seen::Missing) => {
                let key = claim.key.clone();
                survey
                    .lookups
                    .fates
                    .crm
                    .insert(record.clone(), (ItemKind::Event, key));
                Turn::Ask
            }
            Some(Seen::Unproved) => {
                source.course = Course::Hidden;
                Turn::Go
            }
        }
    }

    /// An invitation waits one interval for the organizer's own connection.
    fn may_go_first(self, source: &mut Source<'a>, survey: &mut Survey<'a>) -> Turn {
        let Some(organizer) = meeting::organizer(source.item) else {
            return Turn::Go;
        };
        if source.link.is_some_and(|link| self.is_up(link)) {
            return Turn::Go;
        }
        match self.facts.colleagues.get(organizer) {
            None => {
                survey.lookups.colleagues.insert(organizer.to_owned());
                Turn::Ask
            }
            Some(true) => {
                source.course = Course::Wait;
                Turn::Go
            }
            Some(false) => Turn::Go,
        }
    }

    /// Somebody may have saved this mail without us.
    fn saved_before(self, source: &mut Source<'a>, survey: &mut Survey<'a>) -> Turn {
        if source.item.record.kind != ItemKind::Email || !matches!(source.course, Course::Look) {
            return Turn::Go;
        }
        let Some(id) = source
            .item
            .extra
            .mail
            .as_deref()
            .and_then(|mail| mail.message_id.clone())
        else {
            return Turn::Go;
        };
        let key = MatchKey::Message(id);
        let Some(found) = self.facts.sides.crm.candidates.get(&key) else {
            survey.lookups.candidates.crm.insert(key);
            return Turn::Ask;
        };
        let oldest = found
            .iter()
            .filter_map(|candidate| match candidate {
                Candidate::Same(record) => Some(record),
                Candidate::Lead { .. } => None,
            })
            .min_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        if let Some(record) = oldest {
            source.course = Course::Saved {
                record: &record.id,
                own: true,
            };
        }
        Turn::Go
    }
}
