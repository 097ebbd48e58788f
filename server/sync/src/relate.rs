//! What an activity belongs to, as the mailbox sees it: what the linker found, unless a user of the CRM chose.

use std::borrow::Cow;
use std::str::FromStr;

use tandem_types::{ItemKind, Side};

use crate::hash::Hasher;
use crate::link::{Base, Link};
use crate::model::{Answer, Field, FieldValue, Record, Relations, Snapshot};
use crate::normalise::{self, normalise};
use crate::roles;

/// The mailbox item's record for the merge of a pair. Notes on the link when a user of the CRM has chosen the records
/// himself: the linker does not move them any more.
///
/// What the mailbox never held before counts as its news (nothing was there), so that it goes up without being a
/// difference to ask about.
pub(crate) fn shown<'a>(
    hasher: &Hasher,
    link: &mut Link,
    mailbox: &'a Snapshot,
    crm: &Snapshot,
) -> Cow<'a, Record> {
    if !matches!(link.kind, ItemKind::Event | ItemKind::Task) {
        return Cow::Borrowed(&mailbox.record);
    }
    if link.base.normaliser != normalise::VERSION {
        link.base = Base {
            normaliser: normalise::VERSION,
            ..Base::default()
        };
    }
    if link.kind == ItemKind::Event {
        first_answer(hasher, &mut link.base, &mailbox.record, &crm.record);
    }
    let ours = mailbox.record.get(Field::Relations);
    let theirs = crm.record.get(Field::Relations);
    let (Some(mut own), Some(there)) = (parsed(ours), parsed(theirs)) else {
        return Cow::Borrowed(&mailbox.record);
    };
    let masked = roles::masked(link, mailbox);
    // Of an item that was made from the CRM's, the mailbox has never told any: what stands there was chosen there.
    let agreed = link
        .base
        .crm
        .get(&Field::Relations)
        .filter(|_| link.base.mailbox.contains_key(&Field::Relations))
        .copied();
    if agreed.is_none() {
        preset(
            hasher,
            &mut link.base,
            Field::Relations,
            &FieldValue::Empty,
            theirs,
        );
    }
    if masked {
        let hidden = roles::mask(&mailbox.record);
        if hasher.of(Field::Private, hidden.get(Field::Private))
            != link.base.crm.get(&Field::Private).copied()
        {
            // All that may show it goes, also what a lost answer of ours left there: whose words they are is not known.
            for field in roles::HIDDEN {
                let theirs = crm.record.get(field);
                if normalise(field, theirs) != normalise(field, hidden.get(field)) {
                    preset(hasher, &mut link.base, field, theirs, theirs);
                }
            }
        }
        return Cow::Owned(hidden);
    }
    let apart = (&own.who, &own.what) != (&there.who, &there.what);
    let chosen = match agreed {
        None => !(there.who.is_empty() && there.what.is_none()),
        Some(agreed) => hasher.of(Field::Relations, theirs) != Some(agreed),
    };
    link.traits.links_chosen |= chosen && apart;
    if link.traits.links_chosen {
        own.who.clone_from(&there.who);
        own.what.clone_from(&there.what);
    }
    if link.made_on != Some(Side::Crm) {
        // Whom somebody invited there is not known here, and stays.
        for (id, answer) in &there.invited {
            own.invited.entry(id.clone()).or_insert(*answer);
        }
    }
    let value = own.to_value();
    if normalise(Field::Relations, &value) == normalise(Field::Relations, ours) {
        return Cow::Borrowed(&mailbox.record);
    }
    let mut record = mailbox.record.clone();
    record.set(Field::Relations, value);
    Cow::Owned(record)
}

/// An answer that was given in the mailbox goes up; one that was given in the CRM stays as long as there is none here.
///
/// Who was taken off the list there and is invited anew has answered nothing yet: what he answered here goes up again.
fn first_answer(hasher: &Hasher, base: &mut Base, mailbox: &Record, crm: &Record) {
    let (ours, theirs) = (mailbox.get(Field::Answer), crm.get(Field::Answer));
    let answer = |value: &FieldValue| value.known().and_then(Answer::parse);
    let given = answer(ours).unwrap_or_default() != Answer::None;
    let agreed = base.crm.get(&Field::Answer).copied();
    let anew = given && answer(theirs) == Some(Answer::None) && hasher.of(Field::Answer, theirs) != agreed;
    if agreed.is_some() && base.mailbox.contains_key(&Field::Answer) && !anew {
        return;
    }
    let before = if given { &FieldValue::Empty } else { ours };
    preset(hasher, base, Field::Answer, before, theirs);
}

fn preset(hasher: &Hasher, base: &mut Base, field: Field, mailbox: &FieldValue, crm: &FieldValue) {
    if let (Some(mailbox), Some(crm)) = (hasher.of(field, mailbox), hasher.of(field, crm)) {
        base.mailbox.insert(field, mailbox);
        base.crm.insert(field, crm);
    }
}

/// Whether an activity belongs to any record; `None`: not known.
pub(crate) fn belongs(relations: &FieldValue) -> Option<bool> {
    parsed(relations).map(|found| !found.who.is_empty() || found.what.is_some())
}

fn parsed(value: &FieldValue) -> Option<Relations> {
    match value {
        FieldValue::Unknown => None,
        FieldValue::Empty => Some(Relations::default()),
        FieldValue::Known(text) => Relations::from_str(text).ok(),
    }
}
