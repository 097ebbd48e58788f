//! What is planned for items that have no counterpart.

use std::collections::BTreeSet;

use tandem_types::{IssueCode, IssueCure, ItemKind, Side};

use crate::cure::{Candidate, candidates_to_detail};
use crate::link::{Base, BaseHash, Intent, Link, LinkState};
use crate::linker::{INVITED_MAX, people};
use crate::meeting;
use crate::merge::{Both, make};
use crate::model::{Field, FieldValue, ItemId, LinkKey, Mark, Part, Snapshot};
use crate::normalise::normalise;
use crate::pair::Pairing;
use crate::ports::IssueKey;
use crate::relate;
use crate::roles;
use crate::save::{NotSaved, Rule};
use crate::survey::Source;

use super::told::{REFUSALS, of_sources};
use super::{Draft, Job, Planner, Step, Update, limits, linked, name_of, own_id, park, set_item, title};

impl<'a> Planner<'a> {
    pub(super) fn pairing(&mut self, pairing: Pairing<'a>, made: &mut Vec<Source<'a>>) {
        match pairing {
            Pairing::Adopt {
                mailbox,
                crm,
                link,
                retired,
            } => self.adopt(mailbox, crm, link, retired),
            Pairing::Make(source) => made.push(source),
            Pairing::Several { source, with } => self.several(source, &with),
            Pairing::Lead { source, lead } => {
                self.plan.possible_duplicates += 1;
                self.blocked(source, IssueCode::LeadExists, lead.0);
            }
            Pairing::Follow {
                source,
                record,
                own,
                retired,
            } => self.follow(source, record, own, retired),
            Pairing::Saved { source, record, own } => self.saved(source, record, own),
            Pairing::Wait(source) => self.wait(source),
            Pairing::Hidden(source) => {
                self.blocked(source, IssueCode::NoPermission, "colleague".to_owned());
            }
        }
    }

    pub(super) fn make(&mut self, source: Source<'a>) {
        let on = source.side.other();
        let item = source.item;
        let kind = item.record.kind;
        let Some(profiles) = self.profiles(kind) else {
            self.unavailable(source);
            return;
        };
        if let Some(code) = Self::cannot(source) {
            self.blocked(source, code, String::new());
            return;
        }
        if on == Side::Mailbox && kind == ItemKind::Contact {
            let Some(room) = self.mailbox_room.checked_sub(1) else {
                self.blocked(
                    source,
                    IssueCode::OverLimit,
                    self.view.settings.contact_limit.to_string(),
                );
                return;
            };
            self.mailbox_room = room;
        }
        *self.moved.on_mut(source.side) = true;
        let mut link = source.link.cloned().unwrap_or_else(|| self.new_link(kind));
        // Taken away when its record went to a colleague, and no create of it is under way.
        let taken_away = link.intent.is_none() && link.made_on == Some(on);
        if source.remade || taken_away {
            // The one that is gone carries the old key, and so may a copy of it: made by that, they would be found. And
            // restored by the user, it would be taken for the one that was made again.
            link.key = LinkKey(own_id(self.setting.rng));
            link.traits.claim = None;
        }
        let (mut record, base) = make(self.view.hasher, source.side, &item.record, profiles.on(on));
        let before = std::mem::replace(&mut link.base, base);
        if source.remade && before.normaliser == link.base.normaliser {
            // What cannot be read now was agreed on before: it is no word of a user that nobody else has.
            let base = link.base.on_mut(source.side);
            for (field, hash) in before.on(source.side) {
                base.entry(*field).or_insert(*hash);
            }
        }
        let again = source
            .link
            .is_some_and(|link| link.intent.is_some_and(|intent| intent.side == on))
            && !source.remade;
        let unsure = if again {
            differing(&before, &link.base, on)
        } else {
            BTreeSet::new()
        };
        link.state = LinkState::Live;
        link.made_on = Some(on);
        link.touched = false;
        link.changed = self.setting.now;
        link.intent = Some(Intent {
            side: on,
            at: self.setting.now,
        });
        set_item(&mut link, source.side, Some(item));
        set_item(&mut link, on, None);
        self.new_traits(&mut link, source);
        if on == Side::Mailbox && roles::masked(&link, item) {
            let owed = if source.remade && before.normaliser == link.base.normaliser {
                roles::shown_still(self.view.hasher, &before, &item.record)
            } else {
                Vec::new()
            };
            roles::agree_on_mask(self.view.hasher, &mut link.base, &owed);
            for field in owed {
                // What cannot be read now is not sent either.
                if let Some(hash) = before.mailbox.get(&field).or(before.crm.get(&field)) {
                    link.base.mailbox.entry(field).or_insert(*hash);
                }
            }
        }
        // Whoever owns a record is nobody's guest there; and what a mailbox cannot hold is not sent to it.
        let unsent: &[Field] = match (kind, on) {
            (ItemKind::Event, Side::Crm) => &[Field::Answer],
            (_, Side::Mailbox) => &[Field::Answer, Field::Relations],
            _ => &[],
        };
        for field in unsent {
            record.fields.remove(field);
            link.base.on_mut(on).remove(field);
        }
        if !self.view.frame.backfilled.contains(&item.id) {
            self.plan.load.creates += 1;
        }
        let tag = on == Side::Crm && self.may_tag(kind) && !item.extra.untaggable && {
            let tag = self.tag(&link, item);
            tag.key || !item.marked || (kind != ItemKind::Contact && tag.mark.is_some())
        };
        let mut saw = Both::default();
        *saw.on_mut(source.side) = Some(Box::new(item.clone()));
        self.solve_item(kind, source.side, &item.id, of_sources(kind));
        if source.side == Side::Mailbox {
            self.told_once(item);
        }
        self.plan.jobs.push(Job {
            journal: vec![linked(&link, if source.remade { "remade" } else { "made" })],
            saw,
            claim: source
                .claim
                .filter(|_| on == Side::Crm && meeting::is_shared(item)),
            once_made: self.is_nobodys(source).then(|| nobodys(item)),
            gone: source.gone.cloned(),
            thread: self.thread_of(item),
            unsure,
            ..Self::job(link, Step::Make { on, record, tag })
        });
    }

    /// By what its conversation is remembered, unless the user ordered this mail alone.
    fn thread_of(&self, item: &Snapshot) -> Option<BaseHash> {
        let alone = self
            .view
            .frame
            .ordered
            .get(&item.id)
            .is_some_and(|order| !order.thread);
        meeting::thread(self.view.org, &self.view.frame.connection, item).filter(|_| !alone)
    }

    fn new_traits(&self, link: &mut Link, source: Source<'_>) {
        let item = source.item;
        let traits = &mut link.traits;
        traits.waits_since = None;
        traits.claimed = false;
        traits.unmade = false;
        traits.unmarked = false;
        if let Some(order) = self.view.frame.ordered.get(&item.id) {
            traits.links_chosen = true;
            traits.ordered = order.at;
            traits.without = order.without(self.view.hasher);
        }
        // One that is made again, or whose first create was lost, keeps what it was: made private since, it is hidden.
        let kept = source.link.is_some_and(|link| {
            source.remade
                || match source.side {
                    Side::Mailbox => roles::was_saved(link),
                    Side::Crm => link.intent.is_some(),
                }
        });
        if !kept {
            traits.private_on_purpose = roles::saved_private(source.link, item);
        }
        if let Some(event) = item.extra.event.as_deref() {
            let guest = event.part == Part::Attendee;
            match source.side {
                Side::Mailbox => (traits.invited, traits.follower) = (guest, false),
                Side::Crm => (traits.invited, traits.follower) = (false, guest),
            }
        }
        if source.side == Side::Mailbox {
            traits.claim = meeting::identity(self.view.org, item);
        }
    }

    /// It has people from outside, is saved because the user asked for it, and belongs to no record. Not asked of mails:
    /// what they belong to is fixed once they are made.
    fn is_nobodys(&self, source: Source<'_>) -> bool {
        let item = source.item;
        source.side == Side::Mailbox
            && item.record.kind == ItemKind::Event
            && source.rule == Some(Rule::Marked)
             // Who chose nothing meant nothing.
            && !self.view.frame.ordered.contains_key(&item.id)
            && !roles::is_private(item)
            && relate::belongs(item.record.get(Field::Relations)) == Some(false)
            && !people::people(item, &self.view.linker()).list.is_empty()
    }

    /// Why nothing can be made of it, if so.
    fn cannot(source: Source<'_>) -> Option<IssueCode> {
        let record = &source.item.record;
        match (record.kind, source.side) {
            (ItemKind::Contact, Side::Mailbox) => {
                let surname = normalise(Field::Surname, record.get(Field::Surname));
                (!matches!(surname, FieldValue::Known(_))).then_some(IssueCode::LastNameMissing)
            }
            (ItemKind::Event, Side::Mailbox) => {
                let event = source.item.extra.event.as_deref();
                if event.is_some_and(|event| event.broken_zone) {
                    return Some(IssueCode::ZoneUnknown);
                }
                limits::wrong_times(record.get(Field::When))
            }
            _ => None,
        }
    }

    /// What is told when a pair is made.
    pub(super) fn told_once(&mut self, item: &Snapshot) {
        let kind = item.record.kind;
        let mut tell = |code, detail: String| {
            self.issue(
                (kind, Side::Mailbox, &item.id),
                code,
                title(&item.record),
                detail,
                vec![IssueCure::Ignore],
            );
        };
        if item.extra.task.is_some_and(|task| task.recurring) {
            tell(IssueCode::RecurringTask, String::new());
        }
        if let Some(event) = item.extra.event.as_deref() {
            self.too_many(item, event.attendees.len());
        }
    }

    /// Whether a meeting has more people than are carried over; if so, that is told.
    pub(super) fn too_many(&mut self, item: &Snapshot, people: usize) -> bool {
        let too_many = people > INVITED_MAX;
        if too_many {
            self.issue(
                (ItemKind::Event, Side::Mailbox, &item.id),
                IssueCode::TooManyPeople,
                title(&item.record),
                people.to_string(),
                vec![IssueCure::Ignore],
            );
        }
        too_many
    }

    /// The organisation has no place for this kind: said once, at an item that the user asked for.
    fn unavailable(&mut self, source: Source<'a>) {
        if source.side == Side::Mailbox && source.item.marked && !self.unavailable_told {
            self.unavailable_told = true;
            self.issue(
                (source.item.record.kind, Side::Mailbox, &source.item.id),
                IssueCode::EmailsUnavailable,
                title(&source.item.record),
                String::new(),
                vec![IssueCure::Ignore],
            );
        }
    }

    /// The record that was made of this meeting: by a colleague, then only the user's own answer is ours.
    fn follow(&mut self, source: Source<'a>, record: &'a Snapshot, own: bool, retired: Option<&Link>) {
        let item = source.item;
        let kind = item.record.kind;
        self.retire(retired, &item.id, &record.id);
        let mut link = source.link.cloned().unwrap_or_else(|| self.new_link(kind));
        link.base = Base::default();
        link.touched = false;
        link.intent = None;
        link.made_on = None;
        set_item(&mut link, Side::Mailbox, Some(item));
        set_item(&mut link, Side::Crm, Some(record));
        link.mailbox_version = None;
        link.crm_version = None;
        self.new_traits(&mut link, source);
        link.traits.follower = !own;
        self.solve_item(kind, Side::Mailbox, &item.id, of_sources(kind));
        self.pair_up(
            &link,
            source.link,
            Both::new(Some(item), Some(record)),
            true,
            "adopted",
            true,
        );
    }

    /// A mail that the organisation has already: only the category says so.
    fn saved(&mut self, source: Source<'a>, record: &ItemId, own: bool) {
        let item = source.item;
        let held = self
            .view
            .links
            .of_item(Side::Crm, record)
            .is_some_and(|link| source.link.is_none_or(|own| own.id != link.id));
        if held {
            // Another copy in this mailbox stands for it.
            return;
        }
        let mut link = source
            .link
            .cloned()
            .unwrap_or_else(|| self.new_link(ItemKind::Email));
        link.state = LinkState::Live;
        link.intent = None;
        link.changed = self.setting.now;
        self.new_traits(&mut link, source);
        link.traits.follower = !own;
        set_item(&mut link, Side::Mailbox, Some(item));
        link.crm_id = Some(record.clone());
        self.solve_item(
            ItemKind::Email,
            Side::Mailbox,
            &item.id,
            of_sources(ItemKind::Email),
        );
        let mut update = self.tag(&link, item);
        if item.extra.untaggable {
            update = Update::default();
        }
        let saw = Both::new(Some(Box::new(item.clone())), None);
        let step = if update.key || update.mark.is_some() {
            Step::Update(Both::new(Some(update), None))
        } else {
            Step::Note
        };
        self.plan.jobs.push(Job {
            journal: vec![linked(&link, "adopted")],
            saw,
            adopted: true,
            thread: self.thread_of(item),
            ..Self::job(link, step)
        });
    }

    /// Another connection goes first.
    fn wait(&mut self, source: Source<'a>) {
        let item = source.item;
        let mut link = source
            .link
            .cloned()
            .unwrap_or_else(|| self.new_link(item.record.kind));
        let stored = link.clone();
        park(&mut link, Side::Mailbox, item);
        self.new_traits(&mut link, source);
        // The interval starts anew only when it was over.
        let fresh = source
            .link
            .and_then(|link| link.traits.waits_since)
            .is_none_or(|since| {
                meeting::has_waited(since, self.view.frame.now, self.view.settings.interval_minutes)
            });
        link.traits.waits_since = if fresh {
            Some(self.setting.now)
        } else {
            stored.traits.waits_since
        };
        if source.link.is_some() {
            self.keep(link, &stored, "");
        } else {
            link.changed = self.setting.now;
            self.plan.jobs.push(Self::job(link, Step::Note));
        }
    }

    /// An item that no rule saves. Only what the user asked for is told. `linked`: a link waited for it, which rests now.
    pub(super) fn not_saved(&mut self, item: &Snapshot, reason: NotSaved, linked: bool) {
        let kind = item.record.kind;
        let asked = item.marked || self.view.frame.ordered.contains_key(&item.id);
        if let Some(code) = reason.issue(asked) {
            self.issue(
                (kind, Side::Mailbox, &item.id),
                code,
                title(&item.record),
                reason.text().to_owned(),
                vec![IssueCure::Ignore],
            );
        } else {
            self.solve_item(kind, Side::Mailbox, &item.id, of_sources(kind));
            if linked {
                // What was refused before is not wanted any more.
                self.solve_item(kind, Side::Mailbox, &item.id, &REFUSALS);
            }
        }
    }

    pub(super) fn attach(&mut self, link: &Link) {
        self.plan.jobs.push(Job {
            dirty: false,
            ..Self::job(link.clone(), Step::Attach)
        });
    }

    fn several(&mut self, source: Source<'a>, with: &[(Side, ItemId)]) {
        self.plan.possible_duplicates += 1;
        let others: Vec<Candidate> = with
            .iter()
            .filter(|(side, id)| (*side, id) != (source.side, &source.item.id))
            .map(|(side, id)| self.candidate(*side, id))
            .collect();
        self.blocked(source, IssueCode::SeveralMatches, candidates_to_detail(&others));
    }

    fn candidate(&self, side: Side, id: &ItemId) -> Candidate {
        let here = self.view.facts.sides.on(side).here(id);
        let words = here.map(|item| {
            let name = title(&item.record);
            // Doubles are called the same.
            match item.record.get(Field::Email).known() {
                Some(mail) if mail != name => format!("{name} · {mail}"),
                _ => name,
            }
        });
        Candidate {
            side,
            id: id.clone(),
            title: words.unwrap_or_default(),
        }
    }

    /// A source that gets no counterpart now. A link that waits for one goes dormant, so that nobody asks each time.
    fn blocked(&mut self, source: Source<'a>, code: IssueCode, detail: String) {
        let kind = source.item.record.kind;
        if let Some(link) = source.link {
            let mut kept = link.clone();
            park(&mut kept, source.side, source.item);
            kept.traits.waits_since = None;
            self.keep(kept, link, "");
        }
        let others: Vec<IssueCode> = of_sources(kind)
            .iter()
            .copied()
            .filter(|other| *other != code)
            .collect();
        self.solve_item(kind, source.side, &source.item.id, &others);
        let cures = match code {
            IssueCode::SeveralMatches => vec![IssueCure::PickMatch, IssueCure::Retry, IssueCure::Ignore],
            _ => vec![IssueCure::Retry, IssueCure::Ignore],
        };
        self.issue(
            (kind, source.side, &source.item.id),
            code,
            title(&source.item.record),
            detail,
            cures,
        );
    }

    pub(super) fn in_doubt(&mut self, link: &Link, ids: &[ItemId]) {
        let (side, id) = name_of(link);
        let others: Vec<Candidate> = ids.iter().map(|id| self.candidate(side.other(), id)).collect();
        let name = self
            .view
            .facts
            .sides
            .on(side)
            .here(&id)
            .map(|item| title(&item.record))
            .unwrap_or_default();
        self.plan.possible_duplicates += 1;
        self.issue(
            (link.kind, side, &id),
            IssueCode::CreateInDoubt,
            name,
            candidates_to_detail(&others),
            vec![IssueCure::PickMatch, IssueCure::Ignore],
        );
    }
}

/// What two creates of one item say differently.
fn differing(before: &Base, now: &Base, on: Side) -> BTreeSet<Field> {
    let (before_on, now_on) = (before.on(on), now.on(on));
    let fields = before_on.keys().chain(now_on.keys()).copied();
    fields
        .filter(|field| before.normaliser != now.normaliser || before_on.get(field) != now_on.get(field))
        .collect()
}

/// Saved as the user asked, and it belongs to no record: he can choose one.
fn nobodys(item: &Snapshot) -> Draft {
    Draft {
        key: IssueKey {
            kind: item.record.kind,
            side: Side::Mailbox,
            item: item.id.clone(),
            code: IssueCode::NoMatch,
        },
        title: title(&item.record),
        detail: String::new(),
        cures: vec![IssueCure::LinkTo, IssueCure::Ignore],
    }
}

/// The category that tells the user that his mail could not be saved: once.
pub(crate) fn failed_mark(item: &Snapshot) -> Option<Update> {
    let wanted =
        item.record.kind == ItemKind::Email && item.marked && !item.extra.failed && !item.extra.untaggable;
    wanted.then(|| Update {
        mark: Some(Mark::Failed),
        ..Update::default()
    })
}
