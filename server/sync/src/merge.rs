//! Three-way merge, field by field, against a base per side.

use std::collections::BTreeMap;

use tandem_types::{ConflictPolicy, Direction, Side, Timestamp};

use crate::hash::Hasher;
use crate::link::{Base, BaseHash};
use crate::model::{Access, Field, FieldRule, FieldValue, Profile, Record};
use crate::mutant::{self, Mutant};
use crate::normalise::{self, fit, image, is_default, normalise};

/// Two stamps closer than this do not tell who was last: the clocks of two servers are compared.
const SAME_TIME_SECONDS: i64 = 120;

/// When a side's item was changed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub modified: Timestamp,
    /// The last change there is our own write.
    pub own: bool,
}

/// Who wins where both sides changed one field differently; `None`: the user is asked.
#[must_use]
pub fn winner(policy: ConflictPolicy, mailbox: Stamp, crm: Stamp) -> Option<Side> {
    match policy {
        ConflictPolicy::Mailbox => Some(Side::Mailbox),
        ConflictPolicy::Crm => Some(Side::Crm),
        ConflictPolicy::Ask => None,
        ConflictPolicy::Newest => {
            let later = crm.modified.micros().saturating_sub(mailbox.modified.micros());
            if later > SAME_TIME_SECONDS * 1_000_000 && !crm.own {
                Some(Side::Crm)
            } else {
                Some(Side::Mailbox)
            }
        }
    }
}

/// One value for each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Both<T> {
    pub mailbox: T,
    pub crm: T,
}

impl<T> Both<T> {
    pub const fn new(mailbox: T, crm: T) -> Self {
        Self { mailbox, crm }
    }

    pub fn on(&self, side: Side) -> &T {
        match side {
            Side::Mailbox => &self.mailbox,
            Side::Crm => &self.crm,
        }
    }

    pub fn on_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Mailbox => &mut self.mailbox,
            Side::Crm => &mut self.crm,
        }
    }
}

/// Where values may be written at all.
#[must_use]
pub fn may_write(direction: Direction) -> Both<bool> {
    Both::new(direction.writes_mailbox(), direction.writes_crm())
}

/// What is known of one field.
#[derive(Clone, Copy, Debug)]
pub struct FieldCase<'a> {
    pub field: Field,
    pub value: Both<&'a FieldValue>,
    pub base: Both<Option<BaseHash>>,
    pub rule: Both<FieldRule>,
    pub may_write: Both<bool>,
    pub winner: Option<Side>,
}

impl FieldCase<'_> {
    /// The canonical values, as far as they can be read.
    fn now(&self) -> Both<FieldValue> {
        let readable = |side: Side| {
            let value = if self.rule.on(side).access == Access::None {
                FieldValue::Unknown
            } else {
                normalise(self.field, self.value.on(side))
            };
            if value.is_unknown() && mutant::on(Mutant::UnknownIsEmpty) {
                FieldValue::Empty
            } else {
                value
            }
        };
        Both::new(readable(Side::Mailbox), readable(Side::Crm))
    }

    fn agrees(&self) -> bool {
        agree(self, &self.now())
    }
}

/// What follows for one field. No verdict ever depends on an unknown value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to do: each side's base is what it holds now.
    Settled,
    /// The other side's value goes to this one. `lost`: this side had changed too.
    Write { to: Side, lost: bool },
    /// Nothing to do, and what changed stays unsettled: it cannot go where it belongs now.
    Pending,
    /// Nothing to do; one side cannot be read, and never could: the other's value is remembered.
    OneSided(Side),
    /// Both sides changed it, and the user is asked.
    Asked,
    /// Never agreed on, and both are filled: left alone, listed once.
    Different,
    /// The other side changed it, but this side takes it at creation only.
    TooLate(Side),
    /// It would empty a field that this side needs.
    Needed(Side),
}

/// Decides one field.
#[must_use]
pub fn merge_field(hasher: &Hasher, case: &FieldCase<'_>) -> Verdict {
    let field = case.field;
    let now = case.now();
    match (now.mailbox.is_unknown(), now.crm.is_unknown()) {
        (true, true) => return Verdict::Pending,
        (false, true) => return one_sided(case, Side::Mailbox),
        (true, false) => return one_sided(case, Side::Crm),
        (false, false) => {}
    }
    if agree(case, &now) && !(mutant::on(Mutant::LossTravelsBack) && now.mailbox != now.crm) {
        return Verdict::Settled;
    }
    let (Some(base_mailbox), Some(base_crm)) = (case.base.mailbox, case.base.crm) else {
        return adopt(case, &now);
    };
    let mailbox_changed = hasher.of_normal(field, &now.mailbox) != Some(base_mailbox);
    let crm_changed = hasher.of_normal(field, &now.crm) != Some(base_crm);
    match (mailbox_changed, crm_changed) {
        // Different, and known to be: a loss of the mapping, or a difference that was left alone.
        (false, false) if mutant::on(Mutant::LossTravelsBack) => carry(case, &now, Side::Mailbox),
        (false, false) => Verdict::Settled,
        (true, false) => carry(case, &now, Side::Crm),
        (false, true) => carry(case, &now, Side::Mailbox),
        (true, true) => conflict(case, &now),
    }
}

/// Whether both sides hold the same, or one holds the image of the other.
fn agree(case: &FieldCase<'_>, now: &Both<FieldValue>) -> bool {
    now.mailbox == now.crm
        || image(case.field, case.value.mailbox, case.rule.crm) == now.crm
        || image(case.field, case.value.crm, case.rule.mailbox) == now.mailbox
}

/// A change is remembered only where nothing was agreed with the side that cannot be read; else it waits for it.
fn one_sided(case: &FieldCase<'_>, known: Side) -> Verdict {
    if case.base.on(known.other()).is_none() {
        Verdict::OneSided(known)
    } else {
        Verdict::Pending
    }
}

fn adopt(case: &FieldCase<'_>, now: &Both<FieldValue>) -> Verdict {
    for to in Side::BOTH {
        if *now.on(to) == FieldValue::Empty {
            return match (*case.may_write.on(to), case.rule.on(to).access) {
                // Once the direction is opened, it is filled.
                (false, _) => Verdict::Pending,
                (true, Access::ReadWrite) => Verdict::Write { to, lost: false },
                (true, _) => Verdict::Different,
            };
        }
    }
    if mutant::on(Mutant::OverwriteOnAdopt) {
        return carry(case, now, Side::Crm);
    }
    Verdict::Different
}

/// Only the other side of `to` changed.
fn carry(case: &FieldCase<'_>, now: &Both<FieldValue>, to: Side) -> Verdict {
    if !case.may_write.on(to) {
        return Verdict::Pending;
    }
    let rule = case.rule.on(to);
    match rule.access {
        Access::CreateOnly => return Verdict::TooLate(to),
        // Nobody can ever make them equal from here; the next change there comes over.
        Access::ReadOnly | Access::None => return Verdict::Settled,
        Access::ReadWrite => {}
    }
    if rule.required && *now.on(to.other()) == FieldValue::Empty {
        return Verdict::Needed(to);
    }
    Verdict::Write { to, lost: false }
}

fn conflict(case: &FieldCase<'_>, now: &Both<FieldValue>) -> Verdict {
    let open = |to: Side| *case.may_write.on(to) && case.rule.on(to).access == Access::ReadWrite;
    let to = match (open(Side::Mailbox), open(Side::Crm)) {
        (false, false) => return Verdict::Pending,
        // Only one way is open: who may write wins.
        (true, false) => Side::Mailbox,
        (false, true) => Side::Crm,
        (true, true) => match case.winner {
            Some(winner) if mutant::on(Mutant::SwapMerge) => winner,
            Some(winner) => winner.other(),
            None => return Verdict::Asked,
        },
    };
    if case.rule.on(to).required && *now.on(to.other()) == FieldValue::Empty {
        return Verdict::Needed(to);
    }
    Verdict::Write { to, lost: true }
}

/// A value on its way to one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// What is written.
    pub value: FieldValue,
    /// What the side held when this was decided.
    pub held: FieldValue,
    /// What the source's base becomes once it is written.
    pub source: Option<BaseHash>,
    /// The side had changed it too.
    pub lost: bool,
}

/// What follows for a record. `Debug` shows no content.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    pub to: Both<BTreeMap<Field, Carried>>,
    pub asked: Vec<Field>,
    pub different: Vec<Field>,
    pub too_late: Vec<Field>,
    pub needed: Vec<Field>,
    /// Settled, and yet not the same on both sides: left alone, now or before.
    pub apart: Vec<Field>,
}

/// Decides every field of a pair, and moves the bases of what is settled.
pub fn merge(
    hasher: &Hasher,
    base: &mut Base,
    records: Both<&Record>,
    profiles: Both<&Profile>,
    may_write: Both<bool>,
    winner: Option<Side>,
) -> Merged {
    let mut merged = Merged::default();
    if base.normaliser != normalise::VERSION {
        // Other hashes than ours say nothing: as if never agreed on.
        *base = Base {
            normaliser: normalise::VERSION,
            ..Base::default()
        };
    }
    for &field in Field::of(records.mailbox.kind) {
        let case = FieldCase {
            field,
            value: Both::new(records.mailbox.get(field), records.crm.get(field)),
            base: Both::new(base.mailbox.get(&field).copied(), base.crm.get(&field).copied()),
            rule: Both::new(rule(profiles.mailbox, field), rule(profiles.crm, field)),
            may_write,
            winner,
        };
        let verdict = merge_field(hasher, &case);
        let rebase = |base: &mut Base, side: Side| {
            if let Some(hash) = hasher.of(field, case.value.on(side)) {
                base.on_mut(side).insert(field, hash);
            }
        };
        if matches!(
            verdict,
            Verdict::Settled | Verdict::Different | Verdict::TooLate(_)
        ) && !case.agrees()
        {
            merged.apart.push(field);
        }
        match verdict {
            Verdict::Settled => {
                rebase(base, Side::Mailbox);
                rebase(base, Side::Crm);
            }
            Verdict::Different => {
                rebase(base, Side::Mailbox);
                rebase(base, Side::Crm);
                merged.different.push(field);
            }
            Verdict::OneSided(side) => rebase(base, side),
            Verdict::TooLate(to) => {
                rebase(base, to.other());
                merged.too_late.push(field);
            }
            Verdict::Asked => merged.asked.push(field),
            Verdict::Needed(_) => merged.needed.push(field),
            Verdict::Pending => {}
            Verdict::Write { to, lost } => {
                let from = *case.value.on(to.other());
                // What was left apart stands on this side only: nobody else has it once it is overwritten.
                let lost = lost || case.base.mailbox.is_some() && case.base.mailbox != case.base.crm;
                merged.to.on_mut(to).insert(
                    field,
                    Carried {
                        value: fit(field, from, *case.rule.on(to)),
                        held: (*case.value.on(to)).clone(),
                        source: hasher.of(field, from),
                        lost,
                    },
                );
            }
        }
    }
    merged
}

/// What a side can do with a field: nothing, if it is not listed.
#[must_use]
pub fn rule(profile: &Profile, field: Field) -> FieldRule {
    profile.fields.get(&field).copied().unwrap_or(FieldRule {
        access: Access::None,
        ..FieldRule::default()
    })
}

/// What is made on a side for a record of the other one, and the base that such a link starts with.
///
/// The source's base holds what it holds, the target's only what is sent: what the server fills in by itself is not
/// ours.
#[must_use]
pub fn make(hasher: &Hasher, source: Side, from: &Record, target: &Profile) -> (Record, Base) {
    let mut record = Record::new(from.kind);
    let mut base = Base {
        normaliser: normalise::VERSION,
        ..Base::default()
    };
    for (&field, value) in &from.fields {
        if let Some(hash) = hasher.of(field, value) {
            base.on_mut(source).insert(field, hash);
        }
        let rule = rule(target, field);
        if !matches!(rule.access, Access::ReadWrite | Access::CreateOnly) {
            continue;
        }
        let sent = fit(field, value, rule);
        if let FieldValue::Known(_) = sent {
            // What becomes of a value that is taken at creation only cannot be told before (an account may be found
            // for a company's name, or not).
            if rule.access == Access::ReadWrite
                && let Some(hash) = hasher.of(field, &sent)
            {
                base.on_mut(source.other()).insert(field, hash);
            }
            record.set(field, sent);
        }
    }
    (record, base)
}

/// Whether a side's item holds anything that its base does not know. Without a base: yes.
#[must_use]
pub fn differs(hasher: &Hasher, base: &Base, side: Side, record: &Record) -> bool {
    base.normaliser != normalise::VERSION
        || record.fields.iter().any(|(field, value)| {
            !value.is_unknown() && hasher.of(*field, value) != base.on(side).get(field).copied()
        })
}

/// Whether a side's item holds something else than was agreed: a user's edit, not merely a field seen for the first
/// time.
#[must_use]
pub fn edited(hasher: &Hasher, base: &Base, side: Side, record: &Record) -> bool {
    base.normaliser == normalise::VERSION
        && base.on(side).iter().any(|(field, hash)| {
            // Who takes part, and what others answered, is no edit of the item.
            !matches!(field, Field::Relations | Field::Answer)
                && hasher
                    .of(*field, record.get(*field))
                    .is_some_and(|now| now != *hash)
        })
}

/// Whether a side's item holds words of a user that the other side does not have: an edit, or what was never agreed on
/// because it could not be read before, where the other side held something else. In the mailbox also what was agreed on
/// with nobody: a user may have written it where a value was still to be carried to. (What is still to be carried down is
/// no reason to make a mailbox item again that a user deleted.)
#[must_use]
pub fn holds_more(hasher: &Hasher, base: &Base, side: Side, record: &Record) -> bool {
    let unshared = |(field, value): (&Field, &FieldValue)| {
        let theirs = base.on(side.other()).get(field);
        !matches!(field, Field::Relations | Field::Answer)
            && !base.on(side).contains_key(field)
            && matches!(normalise(*field, value), FieldValue::Known(_))
            && !is_default(*field, value)
            && theirs.map_or(side == Side::Mailbox, |theirs| {
                hasher.of(*field, value) != Some(*theirs)
            })
    };
    edited(hasher, base, side, record)
        || base.normaliser == normalise::VERSION && record.fields.iter().any(unshared)
}

/// Whether an edit may stand in the item that was not told: a value that was agreed on cannot be read now.
#[must_use]
pub fn unread(base: &Base, side: Side, record: &Record, profile: &Profile) -> bool {
    base.normaliser == normalise::VERSION
        && base.on(side).keys().any(|field| {
            !matches!(field, Field::Relations | Field::Answer)
                && rule(profile, *field).access != Access::None
                && record.get(*field).is_unknown()
        })
}
