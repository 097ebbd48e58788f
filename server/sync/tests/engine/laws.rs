//! Level 3: the laws of merging.

use proptest::prelude::*;
use tandem_sync::Base;
use tandem_sync::hash::Hasher;
use tandem_sync::merge::{Both, FieldCase, Stamp, Verdict, holds_more, make, merge, merge_field, winner};
use tandem_sync::model::{Access, Field, FieldRule, FieldValue, Profile, Record};
use tandem_sync::normalise::{VERSION, image, normalise};
use tandem_sync::ports::HashKey;
use tandem_types::{ConflictPolicy, ItemKind, Side, Timestamp};

fn hasher() -> Hasher {
    Hasher::new(&HashKey([9; 32]))
}

const FIELD: Field = Field::JobTitle;

fn any_field() -> impl Strategy<Value = Field> {
    prop_oneof![Just(FIELD), prop::sample::select(Field::ALL)]
}

/// Short texts of few letters: equal ones, prefixes and blanks are frequent. And of what a field really holds, few.
fn value(field: Field) -> impl Strategy<Value = FieldValue> {
    let texts: &[&str] = match field {
        Field::When => &[
            "2026-03-29T00:30:00Z/2026-03-29T02:00:00Z",
            "2026-03-29T02:30:00+02:00/2026-03-29T04:00:00+02:00",
            "2026-03-29/2026-03-30",
        ],
        Field::Relations => &["who=a,c,b;what=x", "who=a,b,c;what=x", "invited=u:accepted"],
        Field::RemindAt | Field::SentAt => &["2026-03-29T00:30:00Z", "2026-03-29T02:30:00+02:00"],
        Field::Birthday | Field::Due => &["2026-03-29", "2026-03-29T00:00:00Z", "2026-03-30"],
        Field::ShowAs => &["busy", "Busy", "free", "tentative"],
        Field::Email => &["A@b.c", "a@b.c ", "d@e.f"],
        _ => &["ab", " ab", "ab\r\n"],
    };
    prop_oneof![
        1 => Just(FieldValue::Unknown),
        2 => Just(FieldValue::Empty),
        3 => "[ab ]{0,5}".prop_map(FieldValue::Known),
        3 => prop::sample::select(texts).prop_map(|text| FieldValue::Known(text.to_owned())),
    ]
}

fn access() -> impl Strategy<Value = Access> {
    prop_oneof![
        6 => Just(Access::ReadWrite),
        1 => Just(Access::ReadOnly),
        1 => Just(Access::CreateOnly),
        1 => Just(Access::None),
    ]
}

fn rule() -> impl Strategy<Value = FieldRule> {
    let words: [&'static [&'static str]; 3] = [&[], &[], &["busy", "a"]];
    (
        access(),
        prop::option::of(1_u32..4),
        prop::bool::weighted(0.1),
        prop::sample::select(words.to_vec()),
    )
        .prop_map(|(access, max_chars, required, words)| FieldRule {
            access,
            max_chars: max_chars.filter(|_| words.is_empty()),
            required,
            words,
        })
}

fn side() -> impl Strategy<Value = Option<Side>> {
    prop_oneof![Just(None), Just(Some(Side::Mailbox)), Just(Some(Side::Crm))]
}

#[derive(Clone, Debug)]
struct Given {
    field: Field,
    value: Both<FieldValue>,
    base: Both<FieldValue>,
    rule: Both<FieldRule>,
    may_write: Both<bool>,
    winner: Option<Side>,
}

fn given() -> impl Strategy<Value = Given> {
    any_field().prop_flat_map(given_of)
}

fn given_of(field: Field) -> impl Strategy<Value = Given> {
    (
        (value(field), value(field), value(field), value(field)),
        (rule(), rule()),
        (prop::bool::weighted(0.8), prop::bool::weighted(0.8)),
        side(),
    )
        .prop_map(move |((m, c, bm, bc), (rm, rc), (wm, wc), winner)| Given {
            field,
            value: Both::new(m, c),
            base: Both::new(bm, bc),
            rule: Both::new(rm, rc),
            may_write: Both::new(wm, wc),
            winner,
        })
}

fn decide(given: &Given) -> Verdict {
    let hasher = hasher();
    merge_field(
        &hasher,
        &FieldCase {
            field: given.field,
            value: Both::new(&given.value.mailbox, &given.value.crm),
            base: Both::new(
                hasher.of(given.field, &given.base.mailbox),
                hasher.of(given.field, &given.base.crm),
            ),
            rule: given.rule,
            may_write: given.may_write,
            winner: given.winner,
        },
    )
}

/// The field after the verdict was carried out.
fn carry_out(mut given: Given, verdict: Verdict) -> Given {
    let both = |given: &mut Given| given.base = given.value.clone();
    match verdict {
        Verdict::Write { to, .. } => {
            let from = given.value.on(to.other()).clone();
            *given.value.on_mut(to) = image(given.field, &from, *given.rule.on(to));
            both(&mut given);
        }
        Verdict::Settled | Verdict::Different => both(&mut given),
        Verdict::OneSided(side) => *given.base.on_mut(side) = given.value.on(side).clone(),
        Verdict::TooLate(to) => {
            let from = to.other();
            *given.base.on_mut(from) = given.value.on(from).clone();
        }
        Verdict::Pending | Verdict::Asked | Verdict::Needed(_) => {}
    }
    given
}

fn swap<T: Clone>(both: &Both<T>) -> Both<T> {
    Both::new(both.crm.clone(), both.mailbox.clone())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn unknown_changes_nothing(given in given(), which in prop::bool::ANY) {
        let mut given = given;
        *given.value.on_mut(if which { Side::Mailbox } else { Side::Crm }) = FieldValue::Unknown;
        let verdict = decide(&given);
        prop_assert!(matches!(verdict, Verdict::Pending | Verdict::OneSided(_)), "{verdict:?}");
        let after = carry_out(given.clone(), verdict);
        prop_assert_eq!(&after.value, &given.value);
        // A field that was agreed on keeps its base on both sides.
        if !given.base.mailbox.is_unknown() && !given.base.crm.is_unknown() {
            prop_assert_eq!(&after.base, &given.base);
        }
    }

    #[test]
    fn carried_out_once_is_enough(given in given()) {
        let first = decide(&given);
        let after = carry_out(given, first);
        let second = decide(&after);
        let quiet = !matches!(second, Verdict::Write { .. });
        prop_assert!(quiet, "{first:?} then {second:?}");
        if matches!(first, Verdict::Different | Verdict::TooLate(_)) {
            prop_assert!(matches!(second, Verdict::Settled | Verdict::OneSided(_)), "told twice: {second:?}");
        }
    }

    #[test]
    fn the_sides_are_alike(given in given()) {
        let mirror = Given {
            field: given.field,
            value: swap(&given.value),
            base: swap(&given.base),
            rule: swap(&given.rule),
            may_write: swap(&given.may_write),
            winner: given.winner.map(Side::other),
        };
        let turned = match decide(&mirror) {
            Verdict::Write { to, lost } => Verdict::Write { to: to.other(), lost },
            Verdict::OneSided(side) => Verdict::OneSided(side.other()),
            Verdict::Needed(side) => Verdict::Needed(side.other()),
            Verdict::TooLate(side) => Verdict::TooLate(side.other()),
            other => other,
        };
        prop_assert_eq!(decide(&given), turned);
    }

    #[test]
    fn only_what_changed_is_carried(given in given()) {
        let verdict = decide(&given);
        if let Verdict::Write { to, lost } = verdict {
            let changed = |side: Side| {
                normalise(given.field, given.value.on(side)) != normalise(given.field, given.base.on(side))
            };
            let rule = given.rule.on(to);
            prop_assert!(*given.may_write.on(to));
            prop_assert_eq!(rule.access, Access::ReadWrite);
            let adopted = given.base.mailbox.is_unknown() || given.base.crm.is_unknown();
            if adopted {
                prop_assert_eq!(normalise(given.field, given.value.on(to)), FieldValue::Empty, "adopting overwrites");
            } else {
                prop_assert!(changed(to.other()), "carried although it did not change");
                prop_assert_eq!(lost, changed(to));
            }
            if lost && given.may_write.mailbox && given.may_write.crm
                && given.rule.mailbox.access == Access::ReadWrite && given.rule.crm.access == Access::ReadWrite {
                prop_assert_eq!(Some(to.other()), given.winner);
            }
            prop_assert!(!(rule.required && normalise(given.field, given.value.on(to.other())) == FieldValue::Empty));
        }
    }

    /// What a mapping cuts off stays where it is: after a value went over and was cut, nothing comes back, until a
    /// user changes the cut one.
    #[test]
    fn a_loss_never_travels_back(text in "[ab]{4,9}", max in 1_u32..4, other in "[cd]{1,3}") {
        let rule = FieldRule { max_chars: Some(max), ..FieldRule::default() };
        let start = Given {
            field: FIELD,
            value: Both::new(FieldValue::Known(text.clone()), FieldValue::Empty),
            base: Both::new(FieldValue::Empty, FieldValue::Empty),
            rule: Both::new(FieldRule::default(), rule),
            may_write: Both::new(true, true),
            winner: Some(Side::Crm),
        };
        let verdict = decide(&start);
        prop_assert_eq!(verdict, Verdict::Write { to: Side::Crm, lost: false });
        let cut = carry_out(start, verdict);
        prop_assert_eq!(cut.value.crm.known().unwrap().chars().count(), max as usize);
        prop_assert_eq!(decide(&cut), Verdict::Settled);
        let mut without_base = cut.clone();
        without_base.base = Both::new(FieldValue::Unknown, FieldValue::Unknown);
        prop_assert_eq!(decide(&without_base), Verdict::Settled, "an image agrees with what it is the image of");
        let mut edited = cut;
        edited.value.crm = FieldValue::Known(other);
        prop_assert_eq!(decide(&edited), Verdict::Write { to: Side::Mailbox, lost: false });
    }
}

#[test]
fn who_is_newest() {
    let at = |seconds, own| Stamp {
        modified: Timestamp::from_seconds(seconds),
        own,
    };
    let newest = |m, c| winner(ConflictPolicy::Newest, m, c);
    assert_eq!(newest(at(1_000, false), at(1_121, false)), Some(Side::Crm));
    assert_eq!(
        newest(at(1_000, false), at(1_120, false)),
        Some(Side::Mailbox),
        "two minutes tell nothing"
    );
    assert_eq!(newest(at(1_121, false), at(1_000, false)), Some(Side::Mailbox));
    assert_eq!(
        newest(at(1_000, false), at(9_000, true)),
        Some(Side::Mailbox),
        "the newer stamp is our own"
    );
    assert_eq!(
        newest(at(i64::MIN / 2_000_000, false), at(0, false)),
        Some(Side::Crm)
    );
    let (m, c) = (at(9_000, false), at(1_000, false));
    assert_eq!(winner(ConflictPolicy::Crm, m, c), Some(Side::Crm));
    assert_eq!(winner(ConflictPolicy::Mailbox, c, m), Some(Side::Mailbox));
    assert_eq!(winner(ConflictPolicy::Ask, m, c), None);
}

fn profile() -> Profile {
    let fields = Field::CONTACT
        .iter()
        .map(|field| (*field, FieldRule::default()))
        .collect();
    Profile {
        fields,
        holds_key: true,
        people_max: 1,
    }
}

/// An older base says nothing: equal values are agreed on silently, different ones are left alone and listed.
#[test]
fn a_base_of_another_normaliser_is_no_change() {
    let hasher = hasher();
    let mailbox = Record::new(ItemKind::Contact)
        .with(Field::Surname, "Lee")
        .with(Field::JobTitle, "Head");
    let crm = Record::new(ItemKind::Contact)
        .with(Field::Surname, "Lee")
        .with(Field::JobTitle, "Chief");
    let profile = profile();
    for version in [0, VERSION + 1] {
        let (_, mut base) = make(&hasher, Side::Mailbox, &mailbox, &profile);
        base.normaliser = version;
        let merged = merge(
            &hasher,
            &mut base,
            Both::new(&mailbox, &crm),
            Both::new(&profile, &profile),
            Both::new(true, true),
            Some(Side::Crm),
        );
        assert!(merged.to.mailbox.is_empty() && merged.to.crm.is_empty());
        assert_eq!(merged.different, [Field::JobTitle]);
        assert_eq!(base.normaliser, VERSION);
        assert_eq!(base.mailbox.len(), 2);
        assert_eq!(base.mailbox[&Field::Surname], base.crm[&Field::Surname]);
        assert_ne!(base.mailbox[&Field::JobTitle], base.crm[&Field::JobTitle]);
    }
}

/// A field that is not in a side's profile exists for nobody.
#[test]
fn a_field_outside_of_the_profile_is_not_made() {
    let hasher = hasher();
    let record = Record::new(ItemKind::Contact)
        .with(Field::Surname, "Lee")
        .with(Field::Company, "Acme")
        .with(Field::Body, "text");
    let mut target = profile();
    target.fields.remove(&Field::Body);
    target.fields.insert(
        Field::Company,
        FieldRule {
            access: Access::CreateOnly,
            ..FieldRule::default()
        },
    );
    let (made, base) = make(&hasher, Side::Mailbox, &record, &target);
    assert!(made.get(Field::Body).is_unknown());
    assert_eq!(made.get(Field::Company).known(), Some("Acme"));
    assert!(
        !base.crm.contains_key(&Field::Company),
        "what becomes of it is not known yet"
    );
    assert!(base.mailbox.contains_key(&Field::Company));
    let _: Base = base;
}

/// Against a delete, what stands in the mailbox and was never agreed on counts as a user's word. What a server fills in by
/// itself does not, nor what is still to be carried down.
#[test]
fn what_was_never_agreed_on_is_a_word_of_its_side_and_a_default_is_none() {
    let base = Base {
        normaliser: VERSION,
        ..Base::default()
    };
    let holds = |side: Side, field: Field, text: &str, base: &Base| {
        let record = Record::new(ItemKind::Task).with(field, text);
        holds_more(&hasher(), base, side, &record)
    };
    assert!(holds(Side::Mailbox, Field::Body, "word", &base));
    assert!(!holds(Side::Crm, Field::Body, "word", &base));
    assert!(holds(Side::Mailbox, Field::Priority, "high", &base));
    assert!(!holds(Side::Mailbox, Field::Priority, "normal", &base));
    assert!(!holds(Side::Mailbox, Field::Status, "not_started", &base));
    let nothing = Base::default();
    assert!(
        !holds(Side::Mailbox, Field::Body, "word", &nothing),
        "nothing is known"
    );
    let word = hasher().of(Field::Body, &FieldValue::from_text("word")).unwrap();
    let mut shared = base.clone();
    shared.mailbox.insert(Field::Body, word);
    assert!(
        !holds(Side::Crm, Field::Body, "word", &shared),
        "the other side holds the same"
    );
    assert!(holds(Side::Crm, Field::Body, "another", &shared));
    shared.crm.insert(Field::Priority, word);
    assert!(
        holds(Side::Crm, Field::Priority, "normal", &shared),
        "changed to it by a user"
    );
}
