//! What a pair may carry, and to which side: what the user is in it narrows what both sides can hold.
//!
//! A meeting has one writer. Everybody else writes only his own answer to the CRM, and takes only a reminder from it.
//! The text of a meeting with attendees goes up once and never comes down. The linker's findings never go to the
//! mailbox. An event that was made private after it was saved is seen masked.

use tandem_types::{ItemKind, Side};

use crate::hash::Hasher;
use crate::link::{Base, BaseHash, Link};
use crate::merge::Both;
use crate::model::{Access, EventFacts, Field, FieldRule, FieldValue, Part, Profile, Record, Snapshot};
use crate::mutant::{self, Mutant};

/// What stands for the subject of an event that was made private.
pub const PRIVATE_SUBJECT: &str = "Private";
/// What a mask hides.
pub(crate) const MASKED: [Field; 3] = [Field::Subject, Field::Body, Field::Location];

/// What an event that was made private no longer shows there.
pub(crate) const HIDDEN: [Field; 5] = [
    Field::Subject,
    Field::Body,
    Field::Location,
    Field::Relations,
    Field::Private,
];

/// The profiles, narrowed to what this pair may carry. A snapshot that is `None` is not there (yet).
#[must_use]
pub fn rules(
    link: &Link,
    kind: ItemKind,
    mailbox: Option<&Snapshot>,
    crm: Option<&Snapshot>,
    profiles: Both<&Profile>,
) -> Both<Profile> {
    let mut out = Both::new(profiles.mailbox.clone(), profiles.crm.clone());
    match kind {
        ItemKind::Contact => {}
        ItemKind::Task => linked_upwards(&mut out),
        ItemKind::Email => {
            linked_upwards(&mut out);
            close(&mut out.mailbox, |_| true);
            if crm.is_some() {
                close(&mut out.crm, |_| true);
            }
        }
        ItemKind::Event => {
            linked_upwards(&mut out);
            event(link, mailbox, crm, &mut out);
        }
    }
    out
}

/// The mailbox shows what the linker found, and never holds it.
fn linked_upwards(out: &mut Both<Profile>) {
    let rule = FieldRule {
        access: Access::ReadOnly,
        ..FieldRule::default()
    };
    out.mailbox.fields.insert(Field::Relations, rule);
}

fn event(link: &Link, mailbox: Option<&Snapshot>, crm: Option<&Snapshot>, out: &mut Both<Profile>) {
    let follower = is_follower(link, crm);
    let masked = mailbox.is_some_and(|mailbox| masked(link, mailbox));
    let copy = facts(mailbox).is_some_and(|event| event.part == Part::Attendee);
    let made_here = link.made_on == Some(Side::Mailbox);
    let meeting = facts(mailbox).is_some_and(EventFacts::is_meeting);
    let online = facts(mailbox).is_some_and(|event| event.online);

    if copy || (follower && !made_here) {
        close(&mut out.mailbox, |field| field != Field::Reminder);
    }
    if meeting || online {
        close(&mut out.mailbox, |field| field == Field::Body);
    }
    if masked {
        close(&mut out.mailbox, |field| MASKED.contains(&field));
    } else if meeting && crm.is_some() {
        // It went up with the create. What a mask takes away still goes.
        close(&mut out.crm, |field| field == Field::Body);
    }
    if follower {
        restrict(&mut out.mailbox, Field::Answer, Access::ReadOnly);
        if !mutant::on(Mutant::FollowerWrites) {
            close(&mut out.crm, |field| field != Field::Answer);
        }
    } else {
        // The owner of a record is nobody's guest there: an answer has no place, and is no difference.
        restrict(&mut out.mailbox, Field::Answer, Access::None);
        restrict(&mut out.crm, Field::Answer, Access::None);
    }
}

/// Whether another connection, or another user of the CRM, writes the event: only the user's answer is ours.
#[must_use]
pub fn is_follower(link: &Link, crm: Option<&Snapshot>) -> bool {
    link.traits.follower || facts(crm).is_some_and(|event| event.part == Part::Attendee)
}

/// Whether the event was made private after it was saved: it is then seen masked (see [`mask`]).
#[must_use]
pub fn masked(link: &Link, mailbox: &Snapshot) -> bool {
    mailbox.record.kind == ItemKind::Event
        && was_saved(link)
        && !link.traits.private_on_purpose
        && is_private(mailbox)
        && !mutant::on(Mutant::LeakPrivate)
}

pub(crate) fn is_private(item: &Snapshot) -> bool {
    item.record.get(Field::Private).known() == Some("yes")
}

/// Whether an event that is saved now was private before, and is saved on purpose. What carries a key of ours, we have
/// marked ourselves: that it is private since, nobody asked us to show.
pub(crate) fn saved_private(link: Option<&Link>, item: &Snapshot) -> bool {
    item.record.kind == ItemKind::Event
        && is_private(item)
        && (item.key.is_none() || link.is_some_and(|link| link.traits.private_on_purpose))
}

/// An event of the mailbox of which it is not known now whether it is private.
pub(crate) fn is_veiled(mailbox: &Snapshot) -> bool {
    mailbox.record.kind == ItemKind::Event && mailbox.record.get(Field::Private).is_unknown()
}

/// Whether the CRM holds it, has held it, or may hold it: a create may have been done whose answer was lost.
pub(crate) fn was_saved(link: &Link) -> bool {
    link.crm_id.is_some()
        || link.made_on == Some(Side::Crm)
        || link.intent.is_some_and(|intent| intent.side == Side::Crm)
}

/// What the CRM may see of an event that was made private: its times, and that it is private.
#[must_use]
pub fn mask(record: &Record) -> Record {
    let mut out = record.clone();
    for field in [Field::Body, Field::Location, Field::Relations] {
        out.set(field, FieldValue::Empty);
    }
    out.set(Field::Subject, FieldValue::Known(PRIVATE_SUBJECT.to_owned()));
    out.set(Field::Private, FieldValue::Known("yes".to_owned()));
    out
}

/// What stands in the CRM where the mailbox item is hidden is agreed on, and nothing of the mask is carried there; but for
/// what is `owed`: see [`shown_still`].
pub(crate) fn agree_on_mask(hasher: &Hasher, base: &mut Base, owed: &[Field]) {
    for (field, hash) in mask_hashes(hasher) {
        if !owed.contains(&field) {
            base.mailbox.insert(field, hash);
        }
    }
}

/// What the CRM still shows, as far as can be told, of an event that was made private: it could not be read when the mask
/// was written, and is word for word as it was agreed on, or cannot be read now either. `before`: what was agreed on with
/// the mailbox item that is gone.
pub(crate) fn shown_still(hasher: &Hasher, before: &Base, crm: &Record) -> Vec<Field> {
    mask_hashes(hasher)
        .filter(|(field, hidden)| {
            let agreed = before.crm.get(field);
            let now = hasher.of(*field, crm.get(*field));
            agreed.is_some_and(|agreed| agreed != hidden && now.is_none_or(|now| now == *agreed))
                && before.mailbox.get(field) != Some(hidden)
        })
        .map(|(field, _)| field)
        .collect()
}

/// What is still owed to the mask of an item that is made: its base does not say that it is hidden.
pub(crate) fn unmasked(hasher: &Hasher, base: &Base) -> Vec<Field> {
    mask_hashes(hasher)
        .filter(|(field, hidden)| base.mailbox.get(field) != Some(hidden))
        .map(|(field, _)| field)
        .collect()
}

fn mask_hashes(hasher: &Hasher) -> impl Iterator<Item = (Field, BaseHash)> {
    let hidden = mask(&Record::new(ItemKind::Event));
    MASKED
        .into_iter()
        .filter_map(move |field| Some((field, hasher.of(field, hidden.get(field))?)))
}

fn facts(item: Option<&Snapshot>) -> Option<&EventFacts> {
    item.and_then(|item| item.extra.event.as_deref())
}

/// Readable as before, no longer writable.
fn close(profile: &mut Profile, which: impl Fn(Field) -> bool) {
    for (field, rule) in &mut profile.fields {
        if which(*field) && rule.access != Access::None {
            rule.access = Access::ReadOnly;
        }
    }
}

/// At most this; what the side cannot do stays impossible.
fn restrict(profile: &mut Profile, field: Field, access: Access) {
    if let Some(rule) = profile.fields.get_mut(&field)
        && rule.access != Access::None
    {
        rule.access = access;
    }
}
