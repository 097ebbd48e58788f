use std::fmt::Write as _;

use tandem_sync::Link;
use tandem_sync::merge::{Both, rule};
use tandem_sync::model::{Access, Answer, Field, FieldRule, FieldValue, Part, Profile, Snapshot};
use tandem_sync::roles::{PRIVATE_SUBJECT, is_follower, mask, masked, rules};
use tandem_types::{ItemKind, Side};

use crate::items::*;

fn whole(kind: ItemKind, side: Side) -> Profile {
    Profile {
        fields: Field::of(kind)
            .iter()
            .filter(|field| side == Side::Crm || **field != Field::Relations)
            .map(|field| (*field, FieldRule::default()))
            .collect(),
        ..Profile::default()
    }
}

fn narrowed(
    link: &Link,
    kind: ItemKind,
    mailbox: Option<&Snapshot>,
    crm: Option<&Snapshot>,
) -> Both<Profile> {
    let all = Both::new(whole(kind, Side::Mailbox), whole(kind, Side::Crm));
    rules(link, kind, mailbox, crm, Both::new(&all.mailbox, &all.crm))
}

/// Per side: which fields can be written, which can be seen at all, in one word.
fn shown(link: &Link, kind: ItemKind, mailbox: Option<&Snapshot>, crm: Option<&Snapshot>) -> String {
    let both = narrowed(link, kind, mailbox, crm);
    let mut out = String::new();
    for side in Side::BOTH {
        let of = |access: Access| {
            let names: Vec<_> = Field::of(kind)
                .iter()
                .filter(|field| rule(both.on(side), **field).access == access)
                .map(|field| field.as_str())
                .collect();
            names.join(" ")
        };
        let _ = writeln!(out, "{}: {}", side.as_str(), of(Access::ReadWrite));
        let _ = writeln!(out, "  read: {}", of(Access::ReadOnly));
        let _ = writeln!(out, "  none: {}", of(Access::None));
    }
    out
}

fn crm(part: Part) -> Snapshot {
    let mut out = event();
    facts(&mut out).part = part;
    out
}

#[test]
fn each_role_carries_what_the_design_says() {
    let plain = link(ItemKind::Event);
    let mut follower = plain.clone();
    follower.traits.follower = true;
    let mut came_down = plain.clone();
    came_down.made_on = Some(Side::Mailbox);
    let mut online = event();
    facts(&mut online).online = true;
    let mut hidden = event();
    hidden.record = hidden.record.with(Field::Private, "yes");
    let mut hidden_meeting = meeting(&["x@out.example"]);
    hidden_meeting.record = hidden_meeting.record.with(Field::Private, "yes");
    let own = crm(Part::Organizer);
    let invited = crm(Part::Attendee);
    let copy = invitation("x@out.example", Answer::Accepted);
    let met = meeting(&["x@out.example"]);
    let plainly = event();
    let mut out = String::new();
    for (what, link, mailbox, crm) in [
        ("appointment", &plain, Some(&plainly), Some(&own)),
        ("appointment, on its way up", &plain, Some(&plainly), None),
        ("on its way down", &came_down, None, Some(&own)),
        ("own meeting", &plain, Some(&met), Some(&own)),
        ("own meeting, on its way up", &plain, Some(&met), None),
        ("online", &plain, Some(&online), Some(&own)),
        ("copy of an outsider's meeting", &plain, Some(&copy), Some(&own)),
        (
            "copy of a colleague's meeting",
            &follower,
            Some(&copy),
            Some(&own),
        ),
        (
            "own meeting that another saved first",
            &follower,
            Some(&met),
            Some(&own),
        ),
        (
            "invited in the CRM, came down",
            &came_down,
            Some(&plainly),
            Some(&invited),
        ),
        (
            "invited in the CRM, has a copy",
            &plain,
            Some(&copy),
            Some(&invited),
        ),
        ("made private", &plain, Some(&hidden), Some(&own)),
        ("meeting made private", &plain, Some(&hidden_meeting), Some(&own)),
    ] {
        let _ = writeln!(out, "# {what}\n{}", shown(link, ItemKind::Event, mailbox, crm));
    }
    let task_link = link(ItemKind::Task);
    let todo = task();
    let _ = writeln!(
        out,
        "# task\n{}",
        shown(&task_link, ItemKind::Task, Some(&todo), Some(&todo))
    );
    let mail_link = link(ItemKind::Email);
    let letter = mail("x@out.example", &[ME]);
    let _ = writeln!(
        out,
        "# email, on its way up\n{}",
        shown(&mail_link, ItemKind::Email, Some(&letter), None)
    );
    let _ = writeln!(
        out,
        "# email\n{}",
        shown(&mail_link, ItemKind::Email, Some(&letter), Some(&letter))
    );
    insta::assert_snapshot!(out);
}

#[test]
fn contacts_are_as_they_are() {
    let all = Both::new(
        whole(ItemKind::Contact, Side::Mailbox),
        whole(ItemKind::Contact, Side::Crm),
    );
    let link = link(ItemKind::Contact);
    let out = rules(
        &link,
        ItemKind::Contact,
        None,
        None,
        Both::new(&all.mailbox, &all.crm),
    );
    assert_eq!(out, all);
}

#[test]
fn a_role_never_widens_what_a_side_can_do() {
    let mut follower = link(ItemKind::Event);
    follower.traits.follower = true;
    let mut hidden = meeting(&["x@out.example"]);
    hidden.record = hidden.record.with(Field::Private, "yes");
    let items = [
        event(),
        meeting(&["x@out.example"]),
        invitation("x@out.example", Answer::None),
        hidden,
    ];
    let rank = |access: Access| match access {
        Access::None => 0,
        Access::ReadOnly => 1,
        Access::CreateOnly => 2,
        Access::ReadWrite => 3,
    };
    for access in [
        Access::None,
        Access::ReadOnly,
        Access::CreateOnly,
        Access::ReadWrite,
    ] {
        let narrow = Profile {
            fields: Field::EVENT
                .iter()
                .map(|field| {
                    (
                        *field,
                        FieldRule {
                            access,
                            ..FieldRule::default()
                        },
                    )
                })
                .collect(),
            ..Profile::default()
        };
        for link in [&link(ItemKind::Event), &follower] {
            for item in &items {
                for crm in [None, Some(&crm(Part::Organizer)), Some(&crm(Part::Attendee))] {
                    let out = rules(
                        link,
                        ItemKind::Event,
                        Some(item),
                        crm,
                        Both::new(&narrow, &narrow),
                    );
                    for (side, field) in Side::BOTH
                        .into_iter()
                        .flat_map(|side| Field::EVENT.iter().map(move |field| (side, *field)))
                    {
                        // What the linker found is no value of the mailbox's.
                        if (side, field) != (Side::Mailbox, Field::Relations) {
                            assert!(
                                rank(rule(out.on(side), field).access) <= rank(access),
                                "{side:?} {field:?}"
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_mask_shows_the_times_and_nothing_else() {
    let mut link = link(ItemKind::Event);
    let mut item = event();
    item.record = item
        .record
        .with(Field::Body, "secret")
        .with(Field::Location, "home")
        .with(Field::Relations, "who=003A");
    assert!(!masked(&link, &item));
    item.record = item.record.clone().with(Field::Private, "yes");
    assert!(masked(&link, &item));
    let out = mask(&item.record);
    for field in Field::EVENT {
        let expected = match field {
            Field::Subject => FieldValue::from_text(PRIVATE_SUBJECT),
            Field::Body | Field::Location | Field::Relations => FieldValue::Empty,
            field => item.record.get(*field).clone(),
        };
        assert_eq!(*out.get(*field), expected, "{}", field.as_str());
    }
    assert_eq!(mask(&out), out);
    link.traits.private_on_purpose = true;
    assert!(!masked(&link, &item), "it was saved as it is");
    link.traits.private_on_purpose = false;
    link.crm_id = None;
    assert!(!masked(&link, &item), "nothing is saved yet");
    link.intent = Some(tandem_sync::Intent {
        side: Side::Crm,
        at: at(0),
    });
    assert!(masked(&link, &item), "a create of which no answer came");
    link.intent = None;
    link.made_on = Some(Side::Crm);
    assert!(masked(&link, &item));
}

#[test]
fn who_is_invited_follows() {
    let mut pair = link(ItemKind::Event);
    assert!(!is_follower(&pair, None));
    assert!(!is_follower(&pair, Some(&crm(Part::Organizer))));
    assert!(is_follower(&pair, Some(&crm(Part::Attendee))));
    pair.traits.follower = true;
    assert!(is_follower(&pair, Some(&crm(Part::Organizer))));
}
