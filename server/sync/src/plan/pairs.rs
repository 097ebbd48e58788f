//! What is planned for items that are linked.

use std::collections::BTreeMap;

use tandem_types::{IssueCode, IssueCure, ItemKind, Side};

use crate::decide::Decision;
use crate::link::{Base, EndReason, Link, LinkState};
use crate::merge::{Both, Carried, Merged, Stamp, edited, merge, rule, winner};
use crate::model::{
    Access, Answer, Field, FieldValue, ItemId, LinkKey, Mark, Part, Profile, Record, Scope, Snapshot,
};
use crate::mutant;
use crate::normalise::{fit, normalise};
use crate::relate;
use crate::roles;
use crate::survey::{Case, Stand, here};

use super::told::{REFUSALS, of_pairs, of_sources};
use super::{After, Job, Planner, Step, Update, limits, linked, name_of, own_id, title};

impl<'a> Planner<'a> {
    pub(super) fn case(&mut self, case: &Case<'a>) {
        let link = case.link;
        match case.decision {
            Decision::Nothing | Decision::Pair { .. } | Decision::Remake { .. } => {}
            Decision::Note => self.note(case),
            Decision::Merge { mark } | Decision::Follow { mark } => self.merge(case, mark),
            Decision::Delete { on, end } => self.remove(case, on, LinkState::Ended(end)),
            Decision::SleepAndRemove => self.remove(case, Side::Mailbox, LinkState::Dormant),
            Decision::DeleteKeep { end } => self.depart(case, end, None, true),
            Decision::Decline => {
                let declined = FieldValue::from_text(Answer::Declined.as_str());
                self.depart(case, EndReason::DeletedInMailbox, Some(declined), false);
            }
            Decision::LetGo { end } => self.depart(case, end, Some(FieldValue::Empty), false),
            Decision::Unmark { end } => self.depart(case, end, None, false),
            Decision::End(reason) => self.rest(case, LinkState::Ended(reason), "ended"),
            Decision::Sleep => self.rest(case, LinkState::Dormant, "slept"),
            Decision::EndAndOffer => {
                self.rest(case, LinkState::Ended(EndReason::DeletedInMailbox), "ended");
                if let Some(record) = case.winner.or_else(|| here(&case.stand.crm)) {
                    self.issue(
                        (link.kind, Side::Crm, &record.id),
                        IssueCode::DeletedInMailbox,
                        title(&record.record),
                        String::new(),
                        vec![IssueCure::BringBack, IssueCure::DeleteThere, IssueCure::Ignore],
                    );
                }
            }
            Decision::EndMerged => {
                self.rest(case, LinkState::Ended(EndReason::Merged), "ended");
                let item = here(&case.stand.mailbox);
                if let Some(id) = item.map(|item| &item.id).or(link.mailbox_id.as_ref()) {
                    let winner = match case.stand.crm {
                        Stand::Deleted {
                            merged_into: Some(winner),
                        } => winner.0.clone(),
                        Stand::Here(winner) => winner.id.0.clone(),
                        _ => String::new(),
                    };
                    let name = item.map(|item| title(&item.record)).unwrap_or_default();
                    self.issue(
                        (link.kind, Side::Mailbox, id),
                        IssueCode::MergedIntoLinked,
                        name,
                        winner,
                        vec![IssueCure::Ignore],
                    );
                }
            }
            Decision::Unproved { on } => {
                // What a lost create has made is the link's from now on, and so is what its record was merged into; what
                // is owed waits until both are seen again.
                let items = Both::new(
                    here(&case.stand.mailbox),
                    case.winner.or_else(|| here(&case.stand.crm)),
                );
                let mut kept = link.clone();
                self.take_winner(case);
                if link.intent.is_some() || case.winner.is_some() {
                    kept = Self::with_items(&self.as_found(link, &items), &items, Both::default());
                    kept.intent = None;
                    if case.winner.is_some() {
                        // The version that is noted is the other record's.
                        kept.crm_version = None;
                    }
                    self.solve(link, &[IssueCode::FateUnknown]);
                }
                let name = [items.mailbox, items.crm]
                    .into_iter()
                    .flatten()
                    .next()
                    .map(|item| title(&item.record))
                    .unwrap_or_default();
                let (side, id) = name_of(&kept);
                self.keep(kept, link, "");
                self.issue(
                    (link.kind, side, &id),
                    IssueCode::FateUnknown,
                    name,
                    on.as_str().to_owned(),
                    vec![IssueCure::Retry, IssueCure::Ignore],
                );
            }
        }
    }

    fn note(&mut self, case: &Case<'a>) {
        let items = Both::new(here(&case.stand.mailbox), here(&case.stand.crm));
        let mut kept = Self::with_items(case.link, &items, Both::new(true, true));
        kept.intent = None;
        if case.link.kind == ItemKind::Email {
            self.note_email(case.link, kept, items.mailbox);
            return;
        }
        let compared = |side: Side| {
            let item = items.on(side);
            item.is_some_and(|item| !self.view.quiet(case.link, side, item))
        };
        if kept.traits.refused && compared(Side::Mailbox) && compared(Side::Crm) {
            // Both are as they were agreed on: what was refused was taken back.
            kept.traits.refused = false;
            self.solve(case.link, &REFUSALS);
        }
        // An appointment may have become a meeting, whatever its fields say.
        let register = items.mailbox.and_then(|item| self.register(&mut kept, item));
        if register.is_some() {
            kept.changed = self.setting.now;
            self.plan.jobs.push(Job {
                register,
                ..Self::job(kept, Step::Note)
            });
        } else {
            self.keep(kept, case.link, "");
        }
        self.solve(case.link, &[IssueCode::FateUnknown]);
        if let Some(item) = items.mailbox
            && let Some(event) = item.extra.event.as_deref()
            && (case.link.traits.follower || !self.too_many(item, event.attendees.len()))
        {
            self.solve(case.link, &[IssueCode::TooManyPeople]);
        }
    }

    /// Whether the category was written to a saved mail is not known: it is written again.
    fn note_email(&mut self, link: &Link, kept: Link, item: Option<&Snapshot>) {
        let Some(item) = item.filter(|item| link.intent.is_some() && !item.extra.untaggable) else {
            // Whose attachments are still to be read is found where it lies now.
            if link.intent.is_some() || link.traits.files_owed {
                self.keep(kept, link, "");
            }
            return;
        };
        let mut kept = kept;
        let register = self.register(&mut kept, item);
        let update = self.tag(&kept, item);
        let step = if update.key || update.mark.is_some() {
            Step::Update(Both::new(Some(update), None))
        } else {
            Step::Note
        };
        self.plan.jobs.push(Job {
            dirty: kept != *link || register.is_some(),
            saw: boxed(&Both::new(Some(item), None)),
            thread: crate::meeting::thread(self.view.org, &self.view.frame.connection, item),
            register,
            ..Self::job(kept, step)
        });
    }

    /// The link ends or goes dormant; both items stay.
    fn rest(&mut self, case: &Case<'a>, state: LinkState, what: &'static str) {
        // What the record was merged into may find another item now: whoever wakes later is told of that pair.
        let held = |record: &ItemId| {
            // Also one that has ended: its user may bring back what he deleted.
            let other = self.view.links.of_item(Side::Crm, record);
            self.adopted.contains(record) || other.is_some_and(|other| other.id != case.link.id)
        };
        let winner = case.winner.filter(|winner| !held(&winner.id));
        let items = Both::new(
            here(&case.stand.mailbox),
            winner.or_else(|| here(&case.stand.crm)),
        );
        // Dormant, nothing is carried over: the versions stay behind until it wakes. What a lost create seems to have made may
        // be a colleague's, who took over the claim, and hold other things than were sent.
        let mut kept = Self::with_items(&self.as_found(case.link, &items), &items, Both::default());
        kept.state = state;
        kept.intent = None;
        kept.traits.waits_since = None;
        if kept.crm_id.is_none() {
            // Nothing was made of it there: what is saved of it later is its first copy, private or not.
            kept.made_on = None;
            kept.base = Base::default();
        }
        self.keep(kept, case.link, what);
        self.solve(case.link, of_pairs(case.link.kind));
        self.solve(case.link, &[IssueCode::CreateInDoubt]);
        // Nothing is offered any more, so nothing is refused. Who wakes is offered anew.
        self.solve(case.link, &REFUSALS);
    }

    fn remove(&mut self, case: &Case<'a>, on: Side, then: LinkState) {
        let Some(target) = here(case.stand.on(on)) else {
            return;
        };
        let items = Both::new(here(&case.stand.mailbox), here(&case.stand.crm));
        let kept = Self::with_items(case.link, &items, Both::default());
        self.plan.load.deletes += 1;
        let mut saw = Both::default();
        *saw.on_mut(on) = Some(Box::new(target.clone()));
        self.plan.jobs.push(Job {
            dirty: false,
            saw,
            ..Self::job(kept, Step::Remove { on, then })
        });
        self.solve(case.link, of_pairs(case.link.kind));
    }

    /// The pair parts: the user's answer is left in the CRM, the mailbox item loses its category, the record goes if
    /// `delete`.
    fn depart(&mut self, case: &Case<'a>, end: EndReason, answer: Option<FieldValue>, delete: bool) {
        let link = case.link;
        let items = Both::new(here(&case.stand.mailbox), here(&case.stand.crm));
        let mut updates: Both<Option<Update>> = Both::default();
        if let Some(item) = items.mailbox
            && (item.marked || item.extra.failed)
            && !item.extra.untaggable
            && self.may_write(link.kind).mailbox
        {
            updates.mailbox.get_or_insert_default().mark = Some(Mark::None);
        }
        if let (Some(answer), Some(record)) = (answer, items.crm)
            && record
                .extra
                .event
                .as_deref()
                .is_some_and(|event| event.part == Part::Attendee)
            && self
                .profiles(link.kind)
                .is_some_and(|both| rule(both.crm, Field::Answer).access == Access::ReadWrite)
        {
            let held = record.record.get(Field::Answer).clone();
            if held != answer {
                let carried = Carried {
                    value: answer,
                    held,
                    source: None,
                    lost: false,
                };
                updates
                    .crm
                    .get_or_insert_default()
                    .set
                    .insert(Field::Answer, carried);
            }
        }
        let then = LinkState::Ended(end);
        let remove = delete && items.crm.is_some();
        if updates.mailbox.is_none() && updates.crm.is_none() {
            if remove {
                self.remove(case, Side::Crm, then);
            } else {
                self.rest(case, then, "ended");
            }
            return;
        }
        let mut kept = Self::with_items(link, &items, Both::default());
        kept.intent = None;
        kept.traits.waits_since = None;
        self.solve(link, of_pairs(link.kind));
        let after = if remove {
            self.plan.load.deletes += 1;
            After::Remove { on: Side::Crm, then }
        } else {
            After::Rest(then)
        };
        self.plan.jobs.push(Job {
            dirty: false,
            saw: boxed(&items),
            after: Some(after),
            ..Self::job(kept, Step::Update(updates))
        });
    }

    fn merge(&mut self, case: &Case<'a>, mark: bool) {
        let link = case.link;
        let crm = case.winner.or_else(|| here(&case.stand.crm));
        let items = Both::new(here(&case.stand.mailbox), crm);
        self.take_winner(case);
        let mut what = "";
        if link.mailbox_id.is_none() || link.crm_id.is_none() {
            // What was told of it while it had no counterpart is over. Where it belongs was not asked meanwhile.
            for side in Side::BOTH {
                let Some(item) = items.on(side) else { continue };
                let over = of_sources(link.kind)
                    .iter()
                    .filter(|code| **code != IssueCode::NoMatch);
                let over: Vec<IssueCode> = over.copied().collect();
                self.solve_item(link.kind, side, &item.id, &over);
            }
        }
        if link.state != LinkState::Live {
            what = "woken";
            self.solve(link, &[IssueCode::DeletedInMailbox, IssueCode::NoPermission]);
        } else if case.winner.is_some() {
            what = "followed";
        } else if link
            .intent
            .is_some_and(|intent| link.id_on(intent.side).is_none())
        {
            what = "found";
        }
        self.pair_up(&self.as_found(link, &items), Some(link), items, mark, what, false);
    }

    /// The record that the link's own was merged into is the link's. Whoever had it before has no mailbox item, or has
    /// lost it: now the record has one again.
    fn take_winner(&mut self, case: &Case<'a>) {
        let Some(winner) = case.winner else { return };
        let kind = case.link.kind;
        let waiting = self.view.links.of_item(Side::Crm, &winner.id).filter(|other| {
            other.id != case.link.id
                && !matches!(other.state, LinkState::Ended(_))
                && other.mailbox_id.is_none()
        });
        if let Some(other) = waiting {
            let mut kept = other.clone();
            kept.state = LinkState::Ended(EndReason::Merged);
            kept.intent = None;
            kept.traits.waits_since = None;
            kept.crm_id = None;
            self.keep(kept, other, "");
        }
        self.solve_item(kind, Side::Crm, &winner.id, of_sources(kind));
    }

    /// A link as far as the item that a lost create seems to have made bears it out. One that is known by most of its
    /// words only may be somebody else's own: nothing was agreed with it, and it is not ours to delete. One that carries
    /// the key is ours, and yet another create than the last one may have made it: a session that hung.
    fn as_found(&self, link: &Link, items: &Both<Option<&'a Snapshot>>) -> Link {
        let mut found = link.clone();
        let Some(intent) = link.intent.filter(|intent| link.id_on(intent.side).is_none()) else {
            return found;
        };
        found.traits.unmade = false;
        let Some(item) = items.on(intent.side).filter(|item| {
            link.kind != ItemKind::Email && edited(self.view.hasher, &link.base, intent.side, &item.record)
        }) else {
            return found;
        };
        if !self.holds_key(intent.side, link.kind) {
            found.base = Base::default();
            found.made_on = None;
        } else if item.is_as_made() || link.traits.unmade {
            // Not the last create has made it, but one before, of what the other side held then.
            for &field in Field::of(link.kind) {
                let held = self.view.hasher.of(field, item.record.get(field));
                let agreed = link.base.on(intent.side).get(&field);
                if let Some(held) = held.filter(|held| agreed.is_some_and(|agreed| agreed != held)) {
                    for side in Side::BOTH {
                        found.base.on_mut(side).insert(field, held);
                    }
                }
            }
        }
        found
    }

    /// Merges two items into `link`, and plans what is to be written. `stored`: the link as it is in the store.
    pub(super) fn pair_up(
        &mut self,
        link: &Link,
        stored: Option<&Link>,
        items: Both<Option<&'a Snapshot>>,
        mark: bool,
        what: &'static str,
        adopted: bool,
    ) {
        let kind = link.kind;
        let Some(profiles) = self.profiles(kind) else {
            return;
        };
        let mut kept = link.clone();
        let mut open = Vec::new();
        let mut merged = match (items.mailbox, items.crm) {
            (Some(mailbox), Some(crm)) => self.merged(&mut kept, mailbox, crm, profiles, &mut open),
            _ => Merged::default(),
        };
        // Its issues were closed when it went to sleep; a user who tries it again wakes it too.
        let woken = what == "woken" || stored.is_some_and(Self::is_looked_at_anew);
        if woken {
            merged.different.clone_from(&merged.apart);
        }
        self.told(&merged, link, &items, &open);
        if merged.to.mailbox.is_empty() && merged.to.crm.is_empty() {
            // Nothing is owed: what was refused before was taken back.
            self.solve(link, &REFUSALS);
            kept.traits.refused = false;
        }
        self.moved.mailbox |= !merged.to.crm.is_empty();
        self.moved.crm |= !merged.to.mailbox.is_empty();
        let mut kept = Self::with_items(
            &kept,
            &items,
            Both::new(merged.to.crm.is_empty(), merged.to.mailbox.is_empty()),
        );
        kept.state = LinkState::Live;
        kept.intent = None;
        kept.traits.waits_since = None;
        let mut updates: Both<Option<Update>> = Both::default();
        for (side, set) in [(Side::Mailbox, merged.to.mailbox), (Side::Crm, merged.to.crm)] {
            self.plan.load.overwritten += overwritten(&set);
            self.plan.load.clears += cleared(&set);
            if !set.is_empty() {
                updates.on_mut(side).get_or_insert_default().set = set;
            }
        }
        if let Some(item) = items
            .mailbox
            .filter(|item| self.may_write(kind).mailbox && !item.extra.untaggable)
        {
            // A copy carries the key of what it was copied from: that one is replaced.
            if self.holds_key(Side::Mailbox, kind) && item.key.as_ref() != Some(&kept.key) {
                updates.mailbox.get_or_insert_default().key = true;
            }
            // One that was found is in its first session with both items, as if it had just been made.
            if (mark || adopted || what == "found") && !item.marked {
                updates.mailbox.get_or_insert_default().mark = Some(Mark::Synced);
            }
        }
        let register = items.mailbox.and_then(|item| self.register(&mut kept, item));
        let writes = updates.mailbox.is_some() || updates.crm.is_some();
        let dirty = stored != Some(&kept) || register.is_some();
        if !writes && !dirty {
            return;
        }
        kept.changed = self.setting.now;
        let journal = if what.is_empty() {
            Vec::new()
        } else {
            vec![linked(&kept, what)]
        };
        self.plan.jobs.push(Job {
            saw: boxed(&items),
            dirty,
            journal,
            adopted,
            register,
            prefer: link.traits.prefer.filter(|_| kept.traits.prefer.is_none()),
            ..Self::job(kept, if writes { Step::Update(updates) } else { Step::Note })
        });
    }

    /// `open`: codes of issues that this merge leaves.
    fn merged(
        &mut self,
        kept: &mut Link,
        mailbox: &'a Snapshot,
        crm: &'a Snapshot,
        profiles: Both<&Profile>,
        open: &mut Vec<IssueCode>,
    ) -> Merged {
        let settings = self.view.settings;
        let kind = kept.kind;
        note_parts(kept, mailbox, crm);
        let before = kept.clone();
        let narrowed = match kind {
            ItemKind::Contact => None,
            _ => Some(roles::rules(kept, kind, Some(mailbox), Some(crm), profiles)),
        };
        let profiles = match &narrowed {
            Some(own) => Both::new(&own.mailbox, &own.crm),
            None => profiles,
        };
        let shown = relate::shown(self.view.hasher, kept, mailbox, crm);
        for (side, record) in [(Side::Mailbox, &*shown), (Side::Crm, &crm.record)] {
            if kept.made_on == Some(side) && edited(self.view.hasher, &before.base, side, record) {
                kept.touched = true;
            }
        }
        let stamp = |side: Side, item: &Snapshot| Stamp {
            modified: item.modified,
            own: version(&before, side) == Some(&item.version),
        };
        let may_write = self.may_write(kind);
        let records = Both::new(&*shown, &crm.record);
        let prefer = kept.traits.prefer;
        // What was left apart and cannot be read now waits for the user's choice still.
        let waits = Field::of(kind).iter().any(|field| {
            let (ours, theirs) = (before.base.mailbox.get(field), before.base.crm.get(field));
            let hidden = records.mailbox.get(*field).is_unknown() || records.crm.get(*field).is_unknown();
            *field != Field::Relations && hidden && ours.is_some() && theirs.is_some() && ours != theirs
        });
        if !waits {
            kept.traits.prefer = None;
        }
        let mut merged = merge(
            self.view.hasher,
            &mut kept.base,
            records,
            profiles,
            may_write,
            prefer.or_else(|| {
                winner(
                    settings.conflicts(kind),
                    stamp(Side::Mailbox, mailbox),
                    stamp(Side::Crm, crm),
                )
            }),
        );
        let fought = |side: Side| merged.to.on(side).values().any(|carried| carried.lost);
        if prefer.is_none() && (!merged.asked.is_empty() || fought(Side::Mailbox) || fought(Side::Crm)) {
            mutant::count(|| format!("policy {} {:?}", kind.as_str(), settings.conflicts(kind)));
        }
        let closed = |field: Field| {
            Side::BOTH.into_iter().all(|side| {
                rule(profiles.on(side), field).access != Access::ReadWrite || !*may_write.on(side)
            })
        };
        if kind != ItemKind::Contact {
            // What this pair never carries is no difference that anybody could settle.
            merged.different.retain(|field| !closed(*field));
            merged.apart.retain(|field| !closed(*field));
        }
        if let Some(side) = prefer {
            settle_apart(&mut merged, records, profiles, may_write, side, |field, value| {
                self.view.hasher.of(field, value)
            });
        }
        if roles::masked(&before, mailbox) {
            // Whoever wrote what is taken away there: nobody else has it if the answer is lost.
            for carried in merged.to.crm.values_mut() {
                carried.lost = true;
            }
            // What is edited there meanwhile is carried over once the event is public again.
            for field in roles::MASKED {
                let before = before
                    .base
                    .crm
                    .get(&field)
                    .filter(|_| before.base.normaliser == kept.base.normaliser);
                if let (Some(before), true) = (before, merged.apart.contains(&field)) {
                    kept.base.crm.insert(field, *before);
                }
            }
        }
        if kind == ItemKind::Event {
            self.limits(kept, &mut merged, mailbox, crm, open);
        }
        merged
    }

    /// A meeting that was paired by what it holds, or became one later, is nobody else's to make.
    fn register(&self, link: &mut Link, item: &Snapshot) -> Option<crate::link::BaseHash> {
        if link.traits.follower || !crate::meeting::is_shared(item) {
            return None;
        }
        let identity = crate::meeting::identity(self.view.org, item)?;
        if link.traits.claimed && link.traits.claim == Some(identity) {
            return None;
        }
        link.traits.claim = Some(identity);
        // Until the row names it.
        link.traits.claimed = false;
        Some(identity)
    }

    fn limits(
        &mut self,
        link: &Link,
        merged: &mut Merged,
        mailbox: &Snapshot,
        crm: &Snapshot,
        open: &mut Vec<IssueCode>,
    ) {
        let event = mailbox.extra.event.as_deref();
        if let Some(event) = event
            && !link.traits.follower
            && self.too_many(mailbox, event.attendees.len())
        {
            open.push(IssueCode::TooManyPeople);
        }
        let mut tell = |planner: &mut Self, code: IssueCode, detail: &str| {
            open.push(code);
            planner.issue(
                (ItemKind::Event, Side::Crm, &crm.id),
                code,
                title(&mailbox.record),
                detail.to_owned(),
                vec![IssueCure::Retry, IssueCure::Ignore],
            );
        };
        if let Some(carried) = merged.to.crm.get(&Field::When)
            && let Some(code) = limits::wrong_times(&carried.value)
        {
            merged.to.crm.remove(&Field::When);
            tell(self, code, "");
        }
        if event.is_some_and(|event| event.broken_zone) {
            merged.to.crm.remove(&Field::When);
            tell(self, IssueCode::ZoneUnknown, "");
        }
        if event.is_some_and(|event| event.rich_body) && merged.to.mailbox.remove(&Field::Body).is_some() {
            tell(self, IssueCode::RichBody, "body");
        }
    }

    pub(super) fn adopt(
        &mut self,
        mailbox: &'a Snapshot,
        crm: &'a Snapshot,
        link: Option<&Link>,
        retired: Option<&Link>,
    ) {
        let kind = mailbox.record.kind;
        self.retire(retired, &mailbox.id, &crm.id);
        let mut paired = link.cloned().unwrap_or_else(|| self.new_link(kind));
        let replaces = |side, id: &ItemId| {
            link.and_then(|link| link.id_on(side))
                .is_some_and(|held| held != id)
        };
        if matches!(kind, ItemKind::Contact | ItemKind::Task)
            && (replaces(Side::Mailbox, &mailbox.id) || replaces(Side::Crm, &crm.id))
        {
            // The one that it had carries the old key: fetched back by the user, it would be taken for this one, and what it
            // lacks for emptied. (The key of an event is its organisation's.)
            paired.key = LinkKey(own_id(self.setting.rng));
        }
        paired.base = Base::default();
        paired.made_on = None;
        paired.touched = false;
        paired.intent = None;
        paired.mailbox_id = Some(mailbox.id.clone());
        paired.mailbox_version = None;
        paired.crm_id = Some(crm.id.clone());
        paired.crm_version = None;
        paired.traits.private_on_purpose = roles::saved_private(link, mailbox);
        paired.traits.claim = crate::meeting::identity(self.view.org, mailbox);
        self.solve_item(kind, Side::Mailbox, &mailbox.id, of_sources(kind));
        self.solve_item(kind, Side::Crm, &crm.id, of_sources(kind));
        self.told_once(mailbox);
        if crm.scope == Scope::In {
            self.pair_up(
                &paired,
                link,
                Both::new(Some(mailbox), Some(crm)),
                true,
                "adopted",
                true,
            );
            return;
        }
        // Somebody else's record: neither read nor written, and not made a second time either.
        paired.state = LinkState::Dormant;
        paired.changed = self.setting.now;
        self.issue(
            (kind, Side::Crm, &crm.id),
            IssueCode::NoPermission,
            title(&mailbox.record),
            "owner".to_owned(),
            vec![IssueCure::Ignore],
        );
        self.plan.jobs.push(Job {
            journal: vec![linked(&paired, "adopted")],
            adopted: true,
            ..Self::job(paired, Step::Note)
        });
    }

    /// Both items are to be compared once more: it is not known what became of a write, or the user has asked for it.
    fn is_looked_at_anew(link: &Link) -> bool {
        link.intent.is_some() && link.mailbox_id.is_some() && link.crm_id.is_some()
    }

    /// Another link that held one of two items lets go of it.
    pub(super) fn retire(&mut self, retired: Option<&Link>, mailbox: &ItemId, crm: &ItemId) {
        let Some(other) = retired else { return };
        let mut kept = other.clone();
        kept.state = LinkState::Ended(EndReason::Merged);
        kept.intent = None;
        kept.traits.waits_since = None;
        if kept.mailbox_id.as_ref() == Some(mailbox) {
            kept.mailbox_id = None;
        }
        if kept.crm_id.as_ref() == Some(crm) {
            kept.crm_id = None;
        }
        self.keep(kept, other, "");
    }

    /// The key and the category for a mailbox item that is synced now.
    pub(super) fn tag(&self, link: &Link, item: &Snapshot) -> Update {
        Update {
            key: self.holds_key(Side::Mailbox, link.kind) && item.key.as_ref() != Some(&link.key),
            mark: (!item.marked || item.extra.failed).then_some(Mark::Synced),
            ..Update::default()
        }
    }
}

/// What the user is in the two items is remembered: it is asked again when one of them is gone.
pub(super) fn note_parts(link: &mut Link, mailbox: &Snapshot, crm: &Snapshot) {
    if let Some(event) = mailbox.extra.event.as_deref() {
        link.traits.invited = event.part == Part::Attendee;
    }
    if let Some(event) = crm.extra.event.as_deref() {
        match (event.part, crm.scope) {
            (Part::Attendee, _) => link.traits.follower = true,
            (Part::Organizer, Scope::In) => link.traits.follower = false,
            (Part::Organizer, _) => {}
        }
    }
}

/// The user chose a side: what was left apart becomes what that side holds.
fn settle_apart(
    merged: &mut Merged,
    records: Both<&Record>,
    profiles: Both<&Profile>,
    may_write: Both<bool>,
    side: Side,
    hash: impl Fn(Field, &FieldValue) -> Option<crate::link::BaseHash>,
) {
    let to = side.other();
    for field in std::mem::take(&mut merged.apart) {
        let from = records.on(side).get(field);
        let open = rule(profiles.on(to), field);
        let needed = open.required && normalise(field, from) == FieldValue::Empty;
        if open.access != Access::ReadWrite || !*may_write.on(to) || needed || from.is_unknown() {
            merged.apart.push(field);
            continue;
        }
        merged.different.retain(|other| *other != field);
        merged.to.on_mut(to).insert(
            field,
            Carried {
                value: fit(field, from, open),
                held: records.on(to).get(field).clone(),
                source: hash(field, from),
                lost: true,
            },
        );
    }
}

fn boxed(items: &Both<Option<&Snapshot>>) -> Both<Option<Box<Snapshot>>> {
    Both::new(
        items.mailbox.cloned().map(Box::new),
        items.crm.cloned().map(Box::new),
    )
}

fn version(link: &Link, side: Side) -> Option<&crate::model::Version> {
    match side {
        Side::Mailbox => link.mailbox_version.as_ref(),
        Side::Crm => link.crm_version.as_ref(),
    }
}

fn overwritten(set: &BTreeMap<Field, Carried>) -> u32 {
    let fields = set.iter().filter(|(field, carried)| {
        let held = normalise(**field, &carried.held);
        matches!(held, FieldValue::Known(_)) && held != normalise(**field, &carried.value)
    });
    u32::try_from(fields.count()).unwrap_or(u32::MAX)
}

fn cleared(set: &BTreeMap<Field, Carried>) -> u32 {
    let fields = set.iter().filter(|(field, carried)| {
        matches!(normalise(**field, &carried.held), FieldValue::Known(_))
            && normalise(**field, &carried.value) == FieldValue::Empty
    });
    u32::try_from(fields.count()).unwrap_or(u32::MAX)
}
