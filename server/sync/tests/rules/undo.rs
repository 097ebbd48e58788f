use futures::executor::block_on;
use tandem_sync::hash::Hasher;
use tandem_sync::model::{EventFacts, Field, FieldValue, ItemId, Scope, Write};
use tandem_sync::ports::{JournalAct, JournalEntry, StoreError};
use tandem_sync::undo::{LeftReason, UndoReport, undo};
use tandem_sync::{BaseHash, EndReason, LinkState};
use tandem_types::{IssueCode, ItemKind, LinkId, SessionId, SessionOutcome, Side, StateReason};

use crate::world::*;

const CONTACT: ItemKind = ItemKind::Contact;

fn person(name: &str, title: &str) -> tandem_sync::model::Record {
    record(CONTACT, &[(Field::Surname, name), (Field::JobTitle, title)])
}

/// A pair that was agreed on, and then a session that carried a title up.
fn carried_up(world: &mut World, n: u8) -> (LinkId, SessionId) {
    world.put(Side::Mailbox, &format!("m{n}"), n, person("Lee", "new"));
    world.put(Side::Crm, &format!("c{n}"), n, person("Lee", "new"));
    let link = world.link(n, CONTACT, LinkState::Live);
    let session = world.lease().session;
    let act = JournalAct::Changed {
        old: vec![(Field::JobTitle, FieldValue::from_text("old"))],
        wrote: wrote(world, Side::Crm, &format!("c{n}"), &[Field::JobTitle]),
    };
    note(world, &session, &link, Side::Crm, &format!("c{n}"), act);
    (link, session)
}

fn wrote(world: &World, side: Side, name: &str, fields: &[Field]) -> Vec<(Field, BaseHash)> {
    let hasher = Hasher::new(&KEY);
    let end = world.side(side);
    let item = &end.items[&id(name)];
    item.record
        .fields
        .iter()
        .filter(|(field, _)| fields.is_empty() || fields.contains(field))
        .map(|(field, value)| (*field, hasher.of(*field, value).unwrap()))
        .collect()
}

fn note(world: &World, session: &SessionId, link: &LinkId, side: Side, name: &str, act: JournalAct) {
    let kind = world.linked(link).kind;
    let entry = JournalEntry {
        link: link.clone(),
        kind,
        side,
        item: id(name),
        act,
    };
    world.rows().journal.push((session.clone(), entry));
}

/// The mailbox item was made by the session.
fn came_down(world: &mut World, n: u8) -> (LinkId, SessionId) {
    world.put(Side::Mailbox, &format!("m{n}"), n, person("Lee", "x"));
    world.put(Side::Crm, &format!("c{n}"), n, person("Lee", "x"));
    let link = world.link(n, CONTACT, LinkState::Live);
    let session = world.lease().session;
    let act = JournalAct::Created {
        wrote: wrote(world, Side::Mailbox, &format!("m{n}"), &[]),
    };
    note(world, &session, &link, Side::Mailbox, &format!("m{n}"), act);
    (link, session)
}

/// The session deleted the record, and the link ended.
fn deleted_there(world: &mut World, n: u8, mailbox_stays: bool, end: EndReason) -> (LinkId, SessionId) {
    world.put(Side::Mailbox, &format!("m{n}"), n, person("Lee", "x"));
    world.put(Side::Crm, &format!("c{n}"), n, person("Lee", "x"));
    let link = world.link(n, CONTACT, LinkState::Ended(end));
    let record = world.side(Side::Crm).items.remove(&id(&format!("c{n}"))).unwrap();
    world.side(Side::Crm).bin.insert(record.id.clone(), record);
    if !mailbox_stays {
        world.side(Side::Mailbox).items.remove(&id(&format!("m{n}")));
    }
    let session = world.lease().session;
    let act = JournalAct::Deleted { old: Vec::new() };
    note(world, &session, &link, Side::Crm, &format!("c{n}"), act);
    (link, session)
}

fn run(world: &mut World, session: &SessionId) -> UndoReport {
    let lease = world.lease();
    block_on(undo(&world.context(false), lease, session)).unwrap()
}

fn reasons(report: &UndoReport) -> Vec<(&str, LeftReason)> {
    report
        .left
        .iter()
        .map(|left| (left.item.0.as_str(), left.reason))
        .collect()
}

#[test]
fn a_changed_field_gets_its_old_value_and_nothing_travels_for_it() {
    let mut world = World::new();
    let (link, session) = carried_up(&mut world, 1);
    let report = run(&mut world, &session);
    assert_eq!((report.undone, reasons(&report)), (1, vec![]));
    assert_eq!(
        world.text(Side::Crm, "c1", Field::JobTitle).as_deref(),
        Some("old")
    );
    assert_eq!(
        world.text(Side::Mailbox, "m1", Field::JobTitle).as_deref(),
        Some("new")
    );
    assert!(world.settled(&link, Side::Crm) && world.settled(&link, Side::Mailbox));
    let now = world.side(Side::Crm).items[&id("c1")].version.clone();
    assert_eq!(
        world.linked(&link).crm_version,
        Some(now),
        "our own write is no news"
    );
    // It is a session of its own, with a journal of its own, and can itself be undone.
    let rows = world.rows();
    let closing = rows.closed.last().unwrap();
    assert_eq!(closing.outcome, SessionOutcome::Done);
    assert_eq!((closing.counts.len(), closing.counts[0].crm.changed), (1, 1));
    let own = rows.journal.last().unwrap().0.clone();
    drop(rows);
    let again = run(&mut world, &own);
    assert_eq!(again.undone, 1);
    assert_eq!(
        world.text(Side::Crm, "c1", Field::JobTitle).as_deref(),
        Some("new")
    );
    assert!(world.settled(&link, Side::Crm));
    // And once more finds nothing to do.
    let twice = run(&mut world, &own);
    assert_eq!((twice.undone, reasons(&twice)), (0, vec![]));
}

#[test]
fn a_record_that_was_given_away_is_left_to_its_owner() {
    let mut world = World::new();
    let (_, session) = carried_up(&mut world, 1);
    world.side(Side::Crm).items.get_mut(&id("c1")).unwrap().scope = Scope::Out;
    let report = run(&mut world, &session);
    assert_eq!(reasons(&report), [("c1", LeftReason::NotOwn)]);
    assert!(world.side(Side::Crm).writes.is_empty());
}

#[test]
fn what_was_changed_since_is_left_and_said() {
    for (side, field, text, expected) in [
        (Side::Crm, Field::JobTitle, "mine", Some(LeftReason::ChangedSince)),
        // Another field of the same item, or the other side, is nobody's business here.
        (Side::Crm, Field::Surname, "Ray", None),
        (Side::Mailbox, Field::JobTitle, "mine", None),
        // Spelled otherwise by the server.
        (Side::Crm, Field::JobTitle, " new ", None),
    ] {
        let mut world = World::new();
        let (link, session) = carried_up(&mut world, 1);
        let name = if side == Side::Crm { "c1" } else { "m1" };
        world.edit(side, name, field, text);
        let before = world.linked(&link);
        let report = run(&mut world, &session);
        if let Some(reason) = expected {
            assert_eq!(reasons(&report), [("c1", reason)]);
            assert_eq!(world.text(side, name, field).as_deref(), Some(text));
            assert_eq!(world.linked(&link), before);
            assert!(world.side(Side::Crm).writes.is_empty());
            assert_eq!(report.closing.counts[0].crm.skipped, 1);
        } else {
            assert_eq!((report.undone, reasons(&report)), (1, vec![]), "{text}");
            assert_eq!(
                world.text(Side::Crm, "c1", Field::JobTitle).as_deref(),
                Some("old")
            );
            let version = world.side(side).items[&id(name)].version.clone();
            let noted = match side {
                Side::Crm => world.linked(&link).crm_version,
                Side::Mailbox => world.linked(&link).mailbox_version,
            };
            assert_ne!(noted, Some(version), "the edit is still news");
        }
    }
}

#[test]
fn an_edit_between_reading_and_writing_is_left() {
    let mut world = World::new();
    let (link, session) = carried_up(&mut world, 1);
    world.side(Side::Crm).meddle = Some((id("c1"), Field::JobTitle, "quick"));
    let before = world.linked(&link);
    let report = run(&mut world, &session);
    assert_eq!(reasons(&report), [("c1", LeftReason::ChangedSince)]);
    assert_eq!(
        world.text(Side::Crm, "c1", Field::JobTitle).as_deref(),
        Some("quick")
    );
    assert_eq!(world.linked(&link).base, before.base);

    let (made, session) = came_down(&mut world, 2);
    world.side(Side::Mailbox).meddle = Some((id("m2"), Field::JobTitle, "quick"));
    let report = run(&mut world, &session);
    assert_eq!(reasons(&report), [("m2", LeftReason::ChangedSince)]);
    assert_eq!(world.linked(&made).state, LinkState::Live);
}

#[test]
fn what_was_made_is_deleted_and_never_made_again() {
    let mut world = World::new();
    let (link, session) = came_down(&mut world, 1);
    let report = run(&mut world, &session);
    assert_eq!((report.undone, reasons(&report)), (1, vec![]));
    assert_eq!(world.text(Side::Mailbox, "m1", Field::Surname), None);
    assert!(world.text(Side::Crm, "c1", Field::Surname).is_some());
    let ended = world.linked(&link);
    assert_eq!(ended.state, LinkState::Ended(EndReason::Undone));
    assert_eq!(
        ended.crm_id,
        Some(id("c1")),
        "the record is known, so that it is not taken for new"
    );
    let own = world.rows().journal.last().unwrap().0.clone();
    // Undone itself, the pair lives again.
    world.side(Side::Mailbox).renames = true;
    let back = run(&mut world, &own);
    assert_eq!((back.undone, reasons(&back)), (1, vec![]));
    let woken = world.linked(&link);
    assert_eq!(
        (woken.state, woken.mailbox_id.clone()),
        (LinkState::Live, Some(id("m1-back")))
    );
    assert!(world.settled(&link, Side::Mailbox));
}

#[test]
fn what_was_made_and_edited_since_stays() {
    let mut world = World::new();
    let (link, session) = came_down(&mut world, 1);
    world.edit(Side::Mailbox, "m1", Field::JobTitle, "mine");
    let report = run(&mut world, &session);
    assert_eq!(reasons(&report), [("m1", LeftReason::ChangedSince)]);
    assert_eq!(world.linked(&link).state, LinkState::Live);
    assert!(world.side(Side::Mailbox).writes.is_empty());
}

#[test]
fn what_was_made_and_holds_more_by_now_stays() {
    let mut world = World::new();
    let (_, session) = came_down(&mut world, 1);
    // It could not be read when it was made.
    world.edit(Side::Mailbox, "m1", Field::Department, "mine");
    let report = run(&mut world, &session);
    assert_eq!(reasons(&report), [("m1", LeftReason::ChangedSince)]);
    assert!(world.side(Side::Mailbox).writes.is_empty());
}

#[test]
fn the_same_value_written_anew_is_not_undone_a_second_time() {
    let mut world = World::new();
    let (_, session) = carried_up(&mut world, 1);
    let report = run(&mut world, &session);
    assert_eq!((report.undone, reasons(&report)), (1, vec![]));
    world.edit(Side::Crm, "c1", Field::JobTitle, "new");
    let again = run(&mut world, &session);
    assert_eq!(
        (again.undone, reasons(&again)),
        (0, vec![("c1", LeftReason::ChangedSince)])
    );
    assert_eq!(
        world.text(Side::Crm, "c1", Field::JobTitle).as_deref(),
        Some("new")
    );
}

#[test]
fn what_was_made_and_filed_elsewhere_is_found_by_its_key() {
    let mut world = World::new();
    let (link, session) = came_down(&mut world, 1);
    let mut moved = world.side(Side::Mailbox).items.remove(&id("m1")).unwrap();
    moved.id = id("elsewhere");
    world.side(Side::Mailbox).items.insert(id("elsewhere"), moved);
    assert_eq!(run(&mut world, &session).undone, 1);
    assert!(world.side(Side::Mailbox).items.is_empty());
    assert_eq!(world.linked(&link).state, LinkState::Ended(EndReason::Undone));

    let (_, session) = came_down(&mut world, 2);
    world.side(Side::Mailbox).items.clear();
    assert_eq!(reasons(&run(&mut world, &session)), [("m2", LeftReason::Gone)]);
}

#[test]
fn what_was_deleted_comes_back_and_the_pair_with_it_where_both_are_there() {
    let mut world = World::new();
    for (n, stays, expected) in [
        (1, true, LinkState::Live),
        // Its other item is gone: alive, the next session would delete the record once more.
        (2, false, LinkState::Ended(EndReason::DeletedInMailbox)),
    ] {
        let (link, session) = deleted_there(&mut world, n, stays, EndReason::DeletedInMailbox);
        let report = run(&mut world, &session);
        assert_eq!((report.undone, reasons(&report)), (1, vec![]));
        let name = format!("c{n}");
        assert!(world.text(Side::Crm, &name, Field::Surname).is_some());
        assert_eq!(world.linked(&link).state, expected, "{n}");
        assert_eq!(world.linked(&link).crm_id, Some(id(&name)));
        assert!(world.side(Side::Crm).writes.is_empty(), "nothing is made anew");
    }
    let (_, session) = deleted_there(&mut world, 3, true, EndReason::DeletedInMailbox);
    world.side(Side::Crm).bin.clear();
    assert_eq!(
        reasons(&run(&mut world, &session)),
        [("c3", LeftReason::GoneForGood)]
    );
}

#[test]
fn a_pair_that_the_user_ended_stays_ended() {
    for cancelled in [false, true] {
        let mut world = World::new();
        let (link, session) = deleted_there(&mut world, 1, true, EndReason::Unsynced);
        let mut end = world.side(Side::Mailbox);
        let item = end.items.get_mut(&id("m1")).unwrap();
        item.extra.unsync = !cancelled;
        item.extra.event = Some(Box::new(EventFacts {
            cancelled,
            ..EventFacts::default()
        }));
        drop(end);
        assert_eq!(run(&mut world, &session).undone, 1);
        assert_eq!(world.linked(&link).state, LinkState::Ended(EndReason::Unsynced));
        assert!(world.text(Side::Crm, "c1", Field::Surname).is_some());
    }
}

#[test]
fn a_dormant_pair_gets_its_item_back_and_sleeps_on() {
    let mut world = World::new();
    world.put(Side::Crm, "c1", 1, person("Lee", "x"));
    world.put(Side::Mailbox, "m1", 1, person("Lee", "x"));
    let link = world.link(1, CONTACT, LinkState::Dormant);
    let item = world.side(Side::Mailbox).items.remove(&id("m1")).unwrap();
    world.side(Side::Mailbox).bin.insert(id("m1"), item);
    world.rows().links.get_mut(&link).unwrap().mailbox_id = None;
    let session = world.lease().session;
    let act = JournalAct::Deleted { old: Vec::new() };
    note(&world, &session, &link, Side::Mailbox, "m1", act);
    assert_eq!(run(&mut world, &session).undone, 1);
    let now = world.linked(&link);
    assert_eq!((now.state, now.mailbox_id), (LinkState::Dormant, Some(id("m1"))));
}

#[test]
fn an_undone_mail_loses_its_claim_and_its_category() {
    let mut world = World::new();
    let mail = record(ItemKind::Email, &[(Field::Subject, "Offer")]);
    world.put(Side::Mailbox, "m1", 1, mail.clone());
    world.put(Side::Crm, "c1", 1, mail);
    let link = world.link(1, ItemKind::Email, LinkState::Live);
    let claim = BaseHash([5; 16]);
    world.rows().links.get_mut(&link).unwrap().traits.claim = Some(claim);
    let session = world.lease().session;
    let act = JournalAct::Created {
        wrote: wrote(&world, Side::Crm, "c1", &[]),
    };
    note(&world, &session, &link, Side::Crm, "c1", act);
    assert_eq!(run(&mut world, &session).undone, 1);
    assert_eq!(world.rows().unclaimed, [claim]);
    assert!(!world.linked(&link).traits.claimed);
    assert!(!world.side(Side::Mailbox).items[&id("m1")].marked);
    assert!(world.text(Side::Mailbox, "m1", Field::Subject).is_some());
    // The undo is taken back: the record is there again, and is what a colleague finds.
    let again = world.rows().journal.last().unwrap().0.clone();
    assert_eq!(run(&mut world, &again).undone, 1);
    let named: Vec<_> = world
        .rows()
        .claims
        .iter()
        .map(|named| (named.hash, named.crm_id.clone()))
        .collect();
    assert_eq!(named, [(claim, Some(id("c1")))]);
    assert!(world.linked(&link).traits.claimed);
}

#[test]
fn refusals_and_lost_answers_are_said_one_by_one() {
    let mut world = World::new();
    let (refused, session) = carried_up(&mut world, 1);
    world.side(Side::Crm).refuses.insert(id("c1"));
    let before = world.linked(&refused);
    let report = run(&mut world, &session);
    assert_eq!(
        reasons(&report),
        [("c1", LeftReason::Refused(IssueCode::NoPermission))]
    );
    assert_eq!(world.linked(&refused).base, before.base);

    for effect in [false, true] {
        let n = if effect { 3 } else { 2 };
        let (link, session) = carried_up(&mut world, n);
        world.side(Side::Crm).doubt = Some(effect);
        let report = run(&mut world, &session);
        assert_eq!(reasons(&report)[0].1, LeftReason::InDoubt);
        // Done or not, the next session carries nothing over: the record holds what was agreed on with it, or what the
        // mailbox holds.
        let agreed = world.settled(&link, Side::Crm);
        let equal = world.text(Side::Crm, &format!("c{n}"), Field::JobTitle)
            == world.text(Side::Mailbox, &format!("m{n}"), Field::JobTitle);
        assert!(agreed || equal);
        assert_eq!(agreed, effect);
    }

    let (link, session) = came_down(&mut world, 4);
    world.side(Side::Mailbox).doubt = Some(true);
    assert_eq!(reasons(&run(&mut world, &session))[0].1, LeftReason::InDoubt);
    assert_eq!(world.linked(&link).state, LinkState::Ended(EndReason::Undone));
}

#[test]
fn a_fault_ends_it_and_the_rest_is_said() {
    for fails in 1..=3 {
        let mut world = World::new();
        let mut session = None;
        let links: Vec<LinkId> = (1..=5)
            .map(|n| {
                let (link, its) = carried_up(&mut world, n);
                let one: SessionId = session.get_or_insert(its.clone()).clone();
                for (of, _) in &mut world.rows().journal {
                    if *of == its {
                        of.clone_from(&one);
                    }
                }
                link
            })
            .collect();
        let session = session.unwrap();
        world.side(Side::Crm).fails = Some(fails);
        let report = run(&mut world, &session);
        assert_eq!(report.closing.outcome, SessionOutcome::Failed);
        assert_eq!(report.closing.failures, 1);
        assert!(report.closing.next_due.is_some());
        let told = report.undone as usize + report.left.len();
        assert_eq!(told, 5, "{fails}: {:?}", report.left);
        assert!(
            report
                .left
                .iter()
                .all(|left| left.reason == LeftReason::NotReached)
        );
        // What was not reached is as it was; once more does the rest.
        let rest = run(&mut world, &session);
        assert_eq!(report.undone + rest.undone, 5);
        assert!(rest.left.is_empty());
        assert!(links.iter().all(|link| world.settled(link, Side::Crm)));
    }
}

#[test]
fn a_crash_at_any_commit_carries_nothing_over() {
    for crash in 1..=4 {
        let mut world = World::new();
        let (changed, session) = carried_up(&mut world, 1);
        let (made, other) = came_down(&mut world, 2);
        for (of, _) in &mut world.rows().journal {
            if *of == other {
                of.clone_from(&session);
            }
        }
        world.rows().crash = Some(crash);
        let lease = world.lease();
        let broken = block_on(undo(&world.context(false), lease, &session));
        assert!(matches!(broken, Err(StoreError::Unavailable(_))), "{crash}");
        // Whatever was written: no link says that an edit of the record waits to be carried, or that a live pair lost
        // an item.
        let title = |side, name: &str| world.text(side, name, Field::JobTitle);
        assert!(
            world.settled(&changed, Side::Crm) || title(Side::Crm, "c1") == title(Side::Mailbox, "m1"),
            "{crash}"
        );
        let pair = world.linked(&made);
        assert!(
            world.text(Side::Mailbox, "m2", Field::Surname).is_some()
                || pair.state == LinkState::Ended(EndReason::Undone),
            "{crash}"
        );
        run(&mut world, &session);
        assert_eq!(
            world.text(Side::Crm, "c1", Field::JobTitle).as_deref(),
            Some("old")
        );
        assert_eq!(world.text(Side::Mailbox, "m2", Field::Surname), None);
    }
}

#[test]
fn a_dry_run_tells_and_touches_nothing() {
    let mut world = World::new();
    let (link, session) = carried_up(&mut world, 1);
    let (_, gone) = came_down(&mut world, 2);
    let (_, back) = deleted_there(&mut world, 3, true, EndReason::DeletedInMailbox);
    let before = world.linked(&link);
    for session in [session, gone, back] {
        let lease = world.lease();
        let report = block_on(undo(&world.context(true), lease, &session)).unwrap();
        assert_eq!(report.undone, 1);
    }
    assert_eq!(world.linked(&link), before);
    assert!(world.rows().closed.is_empty());
    for side in Side::BOTH {
        assert!(world.side(side).writes.is_empty());
    }
    assert!(world.side(Side::Crm).bin.contains_key(&id("c3")));
}

#[test]
fn nobody_is_written_to_and_what_waits_for_the_user_waits_on() {
    let mut world = World::new();
    let (_, session) = carried_up(&mut world, 1);
    let (_, made) = came_down(&mut world, 2);
    world.rows().reason = Some(StateReason::StoppedByBrake);
    let report = run(&mut world, &session);
    assert_eq!(report.closing.reason, Some(StateReason::StoppedByBrake));
    assert_eq!(report.closing.next_due, Some(report.closing.ended));
    run(&mut world, &made);
    for side in Side::BOTH {
        for write in &world.side(side).writes {
            let (Write::Create { notify, .. } | Write::Update { notify, .. } | Write::Delete { notify, .. }) =
                write;
            assert!(!notify);
        }
    }
    let nothing = run(&mut world, &"f".repeat(32).parse().unwrap());
    assert_eq!((nothing.undone, nothing.left.len()), (0, 0));
}

fn visit(subject: &str, private: &str) -> tandem_sync::model::Record {
    let fields = [
        (Field::Subject, subject),
        (Field::When, "2023-11-16T10:00:00Z/2023-11-16T11:00:00Z"),
        (Field::Private, private),
    ];
    record(ItemKind::Event, &fields)
}

/// An event that was made private, and the session that masked its record and moved it.
fn masked_there(world: &mut World) -> (LinkId, SessionId) {
    world.put(Side::Mailbox, "m1", 1, visit("Doctor", "yes"));
    world.put(Side::Crm, "c1", 1, visit("Private", "yes"));
    let link = world.link(1, ItemKind::Event, LinkState::Live);
    let session = world.lease().session;
    let old = [
        (Field::Subject, "Visit"),
        (Field::Body, "the body"),
        (Field::Private, "no"),
        (Field::When, "2023-11-15T10:00:00Z/2023-11-15T11:00:00Z"),
    ];
    let act = JournalAct::Changed {
        old: old
            .map(|(field, text)| (field, FieldValue::from_text(text)))
            .into(),
        wrote: wrote(
            world,
            Side::Crm,
            "c1",
            &[Field::Subject, Field::Private, Field::When],
        ),
    };
    note(world, &session, &link, Side::Crm, "c1", act);
    (link, session)
}

#[test]
fn what_was_hidden_as_private_stays_hidden() {
    for moved in [false, true] {
        let mut world = World::new();
        let (_, session) = masked_there(&mut world);
        if moved {
            let mut end = world.side(Side::Mailbox);
            let mut item = end.items.remove(&id("m1")).unwrap();
            item.id = id("elsewhere");
            end.items.insert(item.id.clone(), item);
        }
        let report = run(&mut world, &session);
        assert_eq!(reasons(&report), [("c1", LeftReason::MadePrivate)]);
        let there = |field| world.text(Side::Crm, "c1", field);
        assert_eq!(there(Field::Subject).as_deref(), Some("Private"));
        assert_eq!(there(Field::Private).as_deref(), Some("yes"));
        assert_eq!(there(Field::Body).as_deref(), Some(""));
        let when = there(Field::When).unwrap();
        assert!(
            when.starts_with("2023-11-15"),
            "its times are nobody's secret: {when}"
        );
    }
    // Private on purpose, or no longer private, it gets everything back.
    for purpose in [false, true] {
        let mut world = World::new();
        let (link, session) = masked_there(&mut world);
        if purpose {
            let mut rows = world.rows();
            rows.links.get_mut(&link).unwrap().traits.private_on_purpose = true;
        } else {
            world.edit(Side::Mailbox, "m1", Field::Private, "no");
        }
        let report = run(&mut world, &session);
        assert_eq!(reasons(&report), []);
        assert_eq!(
            world.text(Side::Crm, "c1", Field::Subject).as_deref(),
            Some("Visit")
        );
    }
}

#[test]
fn a_record_of_an_event_that_is_private_now_does_not_come_back() {
    for (private, stays) in [("yes", true), ("no", false)] {
        let mut world = World::new();
        world.put(Side::Mailbox, "m1", 1, visit("Doctor", private));
        world.put(Side::Crm, "c1", 1, visit("Visit", "no"));
        let link = world.link(1, ItemKind::Event, LinkState::Ended(EndReason::Unsynced));
        let gone = world.side(Side::Crm).items.remove(&id("c1")).unwrap();
        world.side(Side::Crm).bin.insert(gone.id.clone(), gone);
        let session = world.lease().session;
        let act = JournalAct::Deleted { old: Vec::new() };
        note(&world, &session, &link, Side::Crm, "c1", act);
        let dry = {
            let lease = world.lease();
            block_on(undo(&world.context(true), lease, &session)).unwrap()
        };
        assert_eq!(dry.undone, u32::from(!stays));
        let report = run(&mut world, &session);
        assert_eq!(report.undone, u32::from(!stays));
        assert_eq!(world.side(Side::Crm).items.is_empty(), stays);
        assert_eq!(report.left.len(), usize::from(stays));
    }
}

#[test]
fn reasons_have_words() {
    let all = [
        LeftReason::ChangedSince,
        LeftReason::MadePrivate,
        LeftReason::Gone,
        LeftReason::GoneForGood,
        LeftReason::Refused(IssueCode::Refused),
        LeftReason::InDoubt,
        LeftReason::NotReached,
    ];
    let words: std::collections::BTreeSet<_> = all.map(LeftReason::text).into();
    assert_eq!(words.len(), all.len());
    let _: &ItemId = &id("x");
}
