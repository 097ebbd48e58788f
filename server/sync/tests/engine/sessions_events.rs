//! Sessions with events, one story each.

use tandem_sync::cure::cure;
use tandem_sync::model::{
    Address, Answer, Attendee, AttendeeRole, Clue, EventFacts, Extra, Field, FieldValue, ItemId, Known,
    KnownKind, Part, Record, Refusal, Scope, SeriesPart, Write, instant,
};
use tandem_sync::{EndReason, LinkState};
use tandem_types::{IssueCode, IssueCure, ItemKind, SessionOutcome, Side, StateReason, Timestamp};

use crate::world::{World, known};

const MAILBOX: Side = Side::Mailbox;
const CRM: Side = Side::Crm;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn now(world: &World) -> Timestamp {
    tandem_sync::ports::Clock::now(&*world.clock)
}

/// From so many seconds from now on, for so long.
fn span(world: &World, from: i64, seconds: i64) -> String {
    let start = now(world).plus_seconds(from);
    format!("{}/{}", instant(start), instant(start.plus_seconds(seconds)))
}

fn event(subject: &str, when: &str) -> Record {
    Record::new(ItemKind::Event)
        .with(Field::Subject, subject)
        .with(Field::When, when)
        .with(Field::ShowAs, "busy")
        .with(Field::Private, "no")
}

fn address(text: &str) -> Address {
    Address {
        address: text.to_owned(),
        name: String::new(),
    }
}

fn attendee(text: &str) -> Attendee {
    Attendee {
        who: address(text),
        role: AttendeeRole::Required,
        answer: Answer::None,
    }
}

/// A meeting with Ann, as its organizer sees it.
fn meeting(uid: &str) -> EventFacts {
    EventFacts {
        uid: Some(uid.to_owned()),
        attendees: vec![attendee("ann@example.com")],
        organizer: Some(address("me@own.example")),
        ..EventFacts::default()
    }
}

/// The user's copy of a colleague's meeting with Ann, accepted.
fn invitation(uid: &str) -> EventFacts {
    EventFacts {
        part: Part::Attendee,
        answer: Answer::Accepted,
        attendees: vec![attendee("ann@example.com"), attendee("me@own.example")],
        organizer: Some(address("boss@own.example")),
        ..meeting(uid)
    }
}

fn extra(facts: EventFacts) -> Extra {
    Extra {
        event: Some(Box::new(facts)),
        ..Extra::default()
    }
}

fn knows_ann(world: &World) {
    let ann = Known {
        id: ItemId("003ann".to_owned()),
        kind: KnownKind::Contact,
        account: Some(ItemId("001acme".to_owned())),
        own: true,
        modified: now(world),
    };
    let clue = Clue::Address("ann@example.com".to_owned());
    world.crm.with(|state| state.known.insert(clue, vec![ann]));
}

fn marked(world: &World, subject: &str, from: i64) -> ItemId {
    let record = event(subject, &span(world, from, HOUR));
    world.mailbox.add(record, Scope::In)
}

/// One appointment, marked, on both sides and quiet.
fn linked(world: &World) -> (ItemId, ItemId) {
    let mailbox = marked(world, "Visit", DAY);
    world.settle();
    let [(crm, _)] = &world.crm.here()[..] else {
        panic!()
    };
    (mailbox, crm.clone())
}

/// One meeting with Ann, saved by itself.
fn met(world: &World, facts: EventFacts) -> (ItemId, ItemId) {
    knows_ann(world);
    let answer = facts.answer;
    let mut record = event("Meeting", &span(world, DAY, HOUR));
    if facts.part == Part::Attendee {
        record.set(Field::Answer, known(answer.as_str()));
    }
    let mailbox = world.mailbox.add_with(record, Scope::Out, false, extra(facts));
    world.settle();
    let [(crm, _)] = &world.crm.here()[..] else {
        panic!()
    };
    (mailbox, crm.clone())
}

fn count(world: &World, side: Side) -> usize {
    world.side(side).here().len()
}

fn state(world: &World) -> LinkState {
    world.links()[0].state
}

fn is_marked(world: &World, id: &ItemId) -> bool {
    world.mailbox.with(|state| state.items[id].marked)
}

#[test]
fn an_event_of_each_side_goes_to_the_other() {
    let world = World::new(1);
    let (mailbox, crm) = linked(&world);
    world
        .crm
        .add(event("Down", &span(&world, 2 * DAY, HOUR)), Scope::In);
    world
        .crm
        .add(event("Whole day", "2023-11-20/2023-11-22"), Scope::In);
    world
        .crm
        .add(event("Too far", &span(&world, 90 * DAY, HOUR)), Scope::In);
    world
        .crm
        .add(event("Too long ago", &span(&world, -30 * DAY, HOUR)), Scope::In);
    world.session();
    assert_eq!((count(&world, MAILBOX), count(&world, CRM)), (3, 5));
    let whole = world
        .mailbox
        .here()
        .into_iter()
        .any(|(_, item)| item.record.get(Field::When) == &known("2023-11-20/2023-11-22"));
    assert!(whole, "whole days have no zone");
    world.assert_quiet();
    let later = span(&world, 3 * DAY, HOUR);
    world.crm.edit(&crm, Field::When, &later);
    world.mailbox.edit(&mailbox, Field::Location, "Room 1");
    world.session();
    assert_eq!(world.mailbox.value(&mailbox, Field::When), known(&later));
    assert_eq!(world.crm.value(&crm, Field::Location), known("Room 1"));
    world.assert_quiet();
}

#[test]
fn what_salesforce_cannot_hold_never_travels_back() {
    let world = World::new(2);
    let (mailbox, crm) = linked(&world);
    world.mailbox.edit(&mailbox, Field::ShowAs, "tentative");
    world
        .mailbox
        .edit(&mailbox, Field::Subject, "A subject that is too long for it");
    world.settle();
    assert_eq!(world.crm.value(&crm, Field::ShowAs), known("busy"));
    world.crm.edit(&crm, Field::Location, "Room 1");
    world.settle();
    assert_eq!(world.mailbox.value(&mailbox, Field::ShowAs), known("tentative"));
    assert_eq!(
        world.mailbox.value(&mailbox, Field::Subject),
        known("A subject that is too long for it")
    );
    world.crm.edit(&crm, Field::ShowAs, "free");
    world.settle();
    assert_eq!(world.mailbox.value(&mailbox, Field::ShowAs), known("free"));
}

#[test]
fn a_meeting_with_somebody_known_saves_itself_with_its_relations() {
    let world = World::new(3);
    let (mailbox, crm) = met(&world, meeting("uid-1"));
    let relations = world.crm.value(&crm, Field::Relations);
    assert!(relations.known().unwrap().contains("who=003ann"));
    assert!(is_marked(&world, &mailbox));
    assert_eq!(world.store.with(|kept| kept.claims.len()), 1);
    assert_eq!(
        world
            .store
            .with(|kept| kept.claims.values().next().unwrap().crm_id.clone()),
        Some(crm.clone())
    );
    world.assert_quiet();
    // The text went up with the create: it is left alone from then on, on both sides.
    world.mailbox.edit(&mailbox, Field::Body, "new agenda");
    world.session();
    assert_eq!(world.crm.value(&crm, Field::Body), FieldValue::Unknown);
    world.crm.edit(&crm, Field::Body, "notes");
    world.session();
    assert_eq!(world.mailbox.value(&mailbox, Field::Body), known("new agenda"));
    world.settle();
    assert_eq!(world.issues(), []);
}

#[test]
fn what_no_rule_saves_is_left_alone() {
    let world = World::new(4);
    knows_ann(&world);
    let when = span(&world, DAY, HOUR);
    let add = |facts: EventFacts, scope: Scope| {
        world
            .mailbox
            .add_with(event("No", &when), scope, false, extra(facts))
    };
    add(EventFacts::default(), Scope::Out);
    add(
        EventFacts {
            answer: Answer::None,
            ..invitation("a")
        },
        Scope::Out,
    );
    add(
        EventFacts {
            answer: Answer::Declined,
            ..invitation("b")
        },
        Scope::Out,
    );
    add(
        EventFacts {
            cancelled: true,
            ..invitation("c")
        },
        Scope::Out,
    );
    add(
        EventFacts {
            attendees: vec![attendee("boss@own.example")],
            ..meeting("d")
        },
        Scope::Out,
    );
    add(meeting("e"), Scope::Private);
    world.session();
    assert_eq!((world.wrote(), count(&world, CRM)), (0, 0));
    assert_eq!(world.issues(), []);
    world.assert_quiet();
}

#[test]
fn records_that_a_user_of_the_crm_chose_are_not_moved() {
    let world = World::new(5);
    let (mailbox, crm) = met(&world, meeting("uid-1"));
    world
        .crm
        .edit(&crm, Field::Relations, "who=003bob;invited=003ann:none");
    world.session();
    assert_eq!(world.wrote(), 0);
    world.mailbox.touch(&mailbox, |item| {
        item.extra.event.as_mut().unwrap().attendees[0].answer = Answer::Accepted;
    });
    world.session();
    let value = world.crm.value(&crm, Field::Relations);
    assert!(
        value.known().unwrap().contains("who=003bob"),
        "{:?}",
        value.known()
    );
    world.minutes(25 * 60);
    world.settle();
    let value = world.crm.value(&crm, Field::Relations);
    assert!(
        value.known().unwrap().contains("who=003bob"),
        "{:?}",
        value.known()
    );
    assert_eq!(world.issues(), []);
}

#[test]
fn the_same_event_on_both_sides_is_paired_and_equal_ones_of_one_side_are_as_many() {
    let world = World::new(6);
    let when = span(&world, DAY, HOUR);
    // Not marked, and found all the same.
    world.mailbox.add(event("Lunch", &when), Scope::Out);
    world.crm.add(event(" Lunch", &when), Scope::In);
    world.mailbox.add(event("Block", &when), Scope::In);
    world.mailbox.add(event("Block", &when), Scope::In);
    world.crm.add(event("Row", &when), Scope::In);
    world.crm.add(event("Row", &when), Scope::In);
    world.session();
    assert_eq!((count(&world, MAILBOX), count(&world, CRM)), (5, 5));
    assert_eq!(world.links().len(), 5);
    assert_eq!(world.issues(), []);
    world.assert_quiet();
}

#[test]
fn several_that_could_be_it_are_asked_and_nothing_is_made() {
    let world = World::new(7);
    let when = span(&world, DAY, HOUR);
    world.mailbox.add(event("Lunch", &when), Scope::In);
    world.mailbox.add(event("Lunch", &when), Scope::Out);
    world.crm.add(event("Lunch", &when), Scope::In);
    world.session();
    assert_eq!((world.wrote(), world.links().len()), (0, 0));
    assert!(
        world
            .issues()
            .iter()
            .all(|(_, code)| *code == IssueCode::SeveralMatches)
    );
    assert_eq!(world.issues().len(), 2);
    world.assert_quiet();
}

#[test]
fn the_rows_of_deletions_for_events_of_ones_own() {
    // Born in the mailbox: deleted there, deleted in the CRM.
    let world = World::new(8);
    let (mailbox, _) = linked(&world);
    world.mailbox.delete(&mailbox);
    world.session();
    assert_eq!(count(&world, CRM), 0);
    assert_eq!(state(&world), LinkState::Ended(EndReason::DeletedInMailbox));
    world.assert_quiet();
    // Deleted in the CRM: the item is kept, without its category.
    let world = World::new(9);
    let (mailbox, crm) = linked(&world);
    world.crm.delete(&crm);
    world.session();
    assert_eq!(count(&world, MAILBOX), 1);
    assert!(!is_marked(&world, &mailbox));
    assert_eq!(state(&world), LinkState::Ended(EndReason::DeletedInCrm));
    world.assert_quiet();
    world.minutes(25 * 60);
    world.settle();
    assert_eq!(count(&world, CRM), 0, "never made again by itself");
    // Born in the CRM: to Deleted Items.
    let world = World::new(10);
    let crm = world.crm.add(event("Down", &span(&world, DAY, HOUR)), Scope::In);
    world.settle();
    assert_eq!(count(&world, MAILBOX), 1);
    world.crm.delete(&crm);
    world.session();
    assert_eq!(count(&world, MAILBOX), 0);
    // Unsync: deleted in the CRM, the item is kept.
    let world = World::new(11);
    let (mailbox, _) = linked(&world);
    world.mailbox.touch(&mailbox, |item| item.extra.unsync = true);
    world.session();
    assert_eq!((count(&world, MAILBOX), count(&world, CRM)), (1, 0));
    assert!(!is_marked(&world, &mailbox));
    assert_eq!(state(&world), LinkState::Ended(EndReason::Unsynced));
    assert!(world.journalled("Visit"));
    world.assert_quiet();
    // The category comes back.
    let world = World::new(12);
    let (mailbox, _) = linked(&world);
    world.mailbox.touch(&mailbox, |item| {
        item.marked = false;
        item.scope = Scope::Out;
    });
    world.session();
    assert!(is_marked(&world, &mailbox));
    world.assert_quiet();
}

#[test]
fn history_stays() {
    for keep in [true, false] {
        let world = World::new(13);
        world.settings(|settings| settings.keep_history = keep);
        let (mailbox, _) = linked(&world);
        world.minutes(3 * 24 * 60);
        world.session();
        world.mailbox.delete(&mailbox);
        world.session();
        assert_eq!(count(&world, CRM), usize::from(keep));
        assert_eq!(state(&world), LinkState::Ended(EndReason::DeletedInMailbox));
        world.settle();
    }
}

#[test]
fn an_edit_beats_a_delete_of_an_event() {
    for side in Side::BOTH {
        let world = World::new(14);
        let (mailbox, crm) = linked(&world);
        let (gone, kept) = match side {
            Side::Mailbox => (&mailbox, &crm),
            Side::Crm => (&crm, &mailbox),
        };
        world.side(side).delete(gone);
        world.side(side.other()).edit(kept, Field::Location, "Room 1");
        world.settle();
        assert_eq!(
            (count(&world, MAILBOX), count(&world, CRM)),
            (1, 1),
            "deleted in {side:?}"
        );
        assert_eq!(
            world.side(side).here()[0].1.record.get(Field::Location),
            &known("Room 1")
        );
    }
}

#[test]
fn time_puts_to_sleep_and_a_move_wakes() {
    let world = World::new(15);
    let (mailbox, crm) = linked(&world);
    world.minutes(20 * 24 * 60);
    world.session();
    assert_eq!(state(&world), LinkState::Dormant);
    assert_eq!(
        (count(&world, MAILBOX), count(&world, CRM)),
        (1, 1),
        "both are kept"
    );
    world.assert_quiet();
    world.minutes(25 * 60);
    world.session();
    assert_eq!(world.wrote(), 0);
    assert_eq!(state(&world), LinkState::Dormant);
    let soon = span(&world, DAY, HOUR);
    world.crm.edit(&crm, Field::When, &soon);
    world.session();
    assert_eq!(world.mailbox.value(&mailbox, Field::When), known(&soon));
    assert_eq!(state(&world), LinkState::Live);
    world.assert_quiet();
    // Moved far ahead, it is followed.
    let far = span(&world, 300 * DAY, HOUR);
    world.mailbox.edit(&mailbox, Field::When, &far);
    world.session();
    assert_eq!(world.crm.value(&crm, Field::When), known(&far));
    world.minutes(25 * 60);
    world.session();
    assert_eq!((world.wrote(), state(&world)), (0, LinkState::Live));
}

#[test]
fn made_private_later_only_the_times_stay() {
    let world = World::new(16);
    let (mailbox, crm) = linked(&world);
    world.mailbox.edit(&mailbox, Field::Body, "the body");
    world.mailbox.edit(&mailbox, Field::Location, "the place");
    world.settle();
    world.mailbox.edit(&mailbox, Field::Private, "yes");
    world.mailbox.edit(&mailbox, Field::Subject, "Doctor");
    world.session();
    let of = |field| world.crm.value(&crm, field);
    assert_eq!(of(Field::Subject), known("Private"));
    assert_eq!(
        (of(Field::Body), of(Field::Location)),
        (FieldValue::Empty, FieldValue::Empty)
    );
    assert_eq!(of(Field::Private), known("yes"));
    for text in ["Visit", "the body", "the place"] {
        assert!(world.journalled(text), "{text}");
    }
    world.assert_quiet();
    // Nothing of the mask comes down, and nothing else goes up.
    let later = span(&world, 2 * DAY, HOUR);
    world.crm.edit(&crm, Field::When, &later);
    world.crm.edit(&crm, Field::Subject, "Renamed");
    world.mailbox.edit(&mailbox, Field::Subject, "Dentist");
    world.settle();
    assert_eq!(world.mailbox.value(&mailbox, Field::Subject), known("Dentist"));
    assert_eq!(world.mailbox.value(&mailbox, Field::When), known(&later));
    let leaked = world.crm.here().iter().any(|(_, item)| {
        matches!(
            item.record.get(Field::Subject).known(),
            Some("Dentist" | "Doctor")
        )
    });
    assert!(!leaked);
    world.minutes(25 * 60);
    world.session();
    assert_eq!(world.wrote(), 0);
    world.mailbox.edit(&mailbox, Field::Private, "no");
    world.settle();
    assert_eq!(of(Field::Subject), known("Dentist"));
}

/// Found by the simulation, seed 1019296: the mask hides what the mailbox says, never what somebody wrote into the CRM.
#[test]
fn words_that_a_colleague_wrote_beside_a_mask_beat_a_delete() {
    for written in [false, true] {
        let world = World::new(64);
        let (mailbox, crm) = linked(&world);
        world.mailbox.edit(&mailbox, Field::Private, "yes");
        world.settle();
        if written {
            world.crm.edit(&crm, Field::Location, "room 7");
        }
        // The list is silent of it: only the look before the delete shows it.
        world
            .crm
            .with(|state| state.faults.unlisted.insert(Field::Location));
        world.crm.touch(&crm, |_| ());
        world.mailbox.delete(&mailbox);
        world.session();
        assert_eq!(world.crm.here().len(), usize::from(written), "written: {written}");
    }
}

#[test]
fn made_private_it_is_no_longer_thrown_away_with_its_record() {
    for private in [false, true] {
        let world = World::new(63);
        let crm = world.crm.add(event("Visit", &span(&world, DAY, HOUR)), Scope::In);
        world.settle();
        let mailbox = world.mailbox.here()[0].0.clone();
        if private {
            world.mailbox.edit(&mailbox, Field::Private, "yes");
            world.settle();
            // Hidden, it is not carried over; and nobody else has it.
            world.mailbox.edit(&mailbox, Field::Subject, "Doctor");
            world.settle();
        }
        world.crm.delete(&crm);
        world.settle();
        assert_eq!(count(&world, MAILBOX), usize::from(private));
        assert_eq!(state(&world), LinkState::Ended(EndReason::DeletedInCrm));
        assert!(!private || !is_marked(&world, &mailbox));
        world.assert_quiet();
    }
}

#[test]
fn saved_while_private_it_keeps_its_flag_and_content() {
    let world = World::new(17);
    let mut record = event("Mine", &span(&world, DAY, HOUR));
    record.set(Field::Private, known("yes"));
    let mailbox = world.mailbox.add(record, Scope::In);
    world.settle();
    let crm = world.crm.here()[0].0.clone();
    assert_eq!(world.crm.value(&crm, Field::Subject), known("Mine"));
    world.mailbox.edit(&mailbox, Field::Subject, "Still mine");
    world.settle();
    assert_eq!(world.crm.value(&crm, Field::Subject), known("Still mine"));
    assert_eq!(world.crm.value(&crm, Field::Private), known("yes"));
}

/// Whether an event is private when it is saved decides whether it is hidden for good: an answer that does not tell is
/// waited for.
#[test]
fn what_may_be_private_is_not_saved_before_that_is_known() {
    let world = World::new(117);
    let when = span(&world, DAY, HOUR);
    let record = event("Mine", &when).with(Field::Private, "yes");
    let mailbox = world.mailbox.add(record, Scope::In);
    world.mailbox.touch(&mailbox, |item| {
        item.record.set(Field::Private, FieldValue::Unknown);
    });
    world.settle();
    assert_eq!(count(&world, CRM), 0);
    // One that looks like it is not paired with it either, nor made beside it.
    world.crm.add(event("Mine", &when), Scope::In);
    world.session();
    assert_eq!((count(&world, CRM), count(&world, MAILBOX)), (1, 1));
    assert!(world.links().is_empty());
    let record = world.crm.here()[0].0.clone();
    world.crm.delete(&record);
    world.session();
    world.mailbox.edit(&mailbox, Field::Private, "yes");
    world.settle();
    let crm = world.crm.here()[0].0.clone();
    assert_eq!(
        world.crm.value(&crm, Field::Subject),
        known("Mine"),
        "saved on purpose"
    );
    assert_eq!(world.crm.value(&crm, Field::Private), known("yes"));
    world.assert_quiet();
}

/// What a mask hides was not edited: whoever deletes the record meant it.
#[test]
fn a_mask_is_no_edit_that_beats_a_delete() {
    let world = World::new(119);
    let mailbox = marked(&world, "Visit", DAY);
    world.mailbox.edit(&mailbox, Field::Location, "Room 1");
    world.settle();
    let crm = world.crm.here()[0].0.clone();
    // The place can neither be read nor written there for now.
    let place = world.crm.with(|state| {
        state
            .profiles
            .0
            .get_mut(&ItemKind::Event)
            .unwrap()
            .fields
            .remove(&Field::Location)
    });
    assert!(place.is_some());
    world.mailbox.edit(&mailbox, Field::Private, "yes");
    world.settle();
    assert_eq!(world.crm.value(&crm, Field::Subject), known("Private"));
    world.crm.delete(&crm);
    world.mailbox.touch(&mailbox, |_| {});
    world.settle();
    assert_eq!(count(&world, CRM), 0);
    assert_eq!(state(&world), LinkState::Ended(EndReason::DeletedInCrm));
}

/// What comes down shows nothing that the CRM does not: what is written there stays.
#[test]
fn a_private_record_that_is_made_again_in_the_mailbox_keeps_its_words() {
    let world = World::new(118);
    let (mailbox, crm) = linked(&world);
    world.mailbox.edit(&mailbox, Field::Private, "yes");
    world.session();
    assert_eq!(world.crm.value(&crm, Field::Subject), known("Private"));
    world.crm.edit(&crm, Field::Body, "bring the papers");
    world.mailbox.delete(&mailbox);
    world.settle();
    let [(again, _)] = &world.mailbox.here()[..] else {
        panic!()
    };
    assert_eq!(world.mailbox.value(again, Field::Body), known("bring the papers"));
    assert_eq!(world.mailbox.value(again, Field::Private), known("yes"));
    world.minutes(25 * 60);
    world.settle();
    assert_eq!(world.crm.value(&crm, Field::Body), known("bring the papers"));
    world.assert_quiet();
}

#[test]
fn bad_times_are_told_and_everything_else_goes_on() {
    let world = World::new(18);
    let fine = marked(&world, "Fine", DAY);
    world
        .mailbox
        .add(event("Long", &span(&world, DAY, 15 * DAY)), Scope::In);
    world
        .mailbox
        .add(event("Backwards", &span(&world, DAY, -HOUR)), Scope::In);
    let broken = EventFacts {
        broken_zone: true,
        ..EventFacts::default()
    };
    world.mailbox.add_with(
        Record::new(ItemKind::Event).with(Field::Subject, "Nowhere"),
        Scope::In,
        true,
        extra(broken),
    );
    world.session();
    assert_eq!(count(&world, CRM), 1);
    let mut codes: Vec<IssueCode> = world.issues().into_iter().map(|(_, code)| code).collect();
    codes.sort();
    assert_eq!(
        codes,
        [
            IssueCode::EventTooLong,
            IssueCode::EndBeforeStart,
            IssueCode::ZoneUnknown
        ]
    );
    world.assert_quiet();
    // An event that was fine becomes too long: its other fields still go over.
    world.store.with(|kept| kept.issues.clear());
    let long = span(&world, DAY, 15 * DAY);
    world.mailbox.edit(&fine, Field::When, &long);
    world.mailbox.edit(&fine, Field::Location, "Room 1");
    world.session();
    let crm = world.crm.here()[0].0.clone();
    assert_eq!(world.crm.value(&crm, Field::Location), known("Room 1"));
    assert_eq!(world.issues(), [(CRM, IssueCode::EventTooLong)]);
    world.settle();
    let short = span(&world, DAY, HOUR);
    world.mailbox.edit(&fine, Field::When, &short);
    world.session();
    assert_eq!(world.crm.value(&crm, Field::When), known(&short));
    assert_eq!(world.issues(), []);
}

#[test]
fn a_rich_body_is_not_overwritten() {
    let world = World::new(19);
    let (mailbox, crm) = linked(&world);
    world.mailbox.touch(&mailbox, |item| {
        item.record.set(Field::Body, known("with pictures"));
        item.extra.event.as_mut().unwrap().rich_body = true;
    });
    world.settle();
    world.crm.edit(&crm, Field::Body, "plain");
    world.session();
    assert_eq!(world.mailbox.value(&mailbox, Field::Body), known("with pictures"));
    assert_eq!(world.issues(), [(CRM, IssueCode::RichBody)]);
    world.assert_quiet();
}

#[test]
fn the_organizers_connection_goes_first_and_the_invited_follow() {
    let world = World::new(20);
    knows_ann(&world);
    world
        .store
        .with(|kept| kept.colleagues.insert("boss@own.example".to_owned()));
    let mut record = event("Meeting", &span(&world, DAY, HOUR));
    record.set(Field::Answer, known("accepted"));
    let mailbox = world
        .mailbox
        .add_with(record, Scope::Out, false, extra(invitation("uid-1")));
    world.session();
    assert_eq!((world.wrote(), count(&world, CRM)), (0, 0), "it waits");
    assert_eq!(state(&world), LinkState::Dormant);
    assert!(world.links()[0].traits.waits_since.is_some());
    let hash = world.links()[0].traits.claim.unwrap();
    // The organizer's connection has made it meanwhile; this user is not its owner.
    let theirs = event("Meeting", &span(&world, DAY - 600, HOUR));
    let facts = EventFacts {
        part: Part::Attendee,
        ..EventFacts::default()
    };
    let crm = world.crm.add_with(theirs, Scope::Out, true, extra(facts));
    world.store.with(|kept| {
        let claim = tandem_sync::ports::Claim {
            kind: ItemKind::Event,
            hash,
            holder: "d".repeat(32).parse().unwrap(),
            key: tandem_sync::model::LinkKey("e".repeat(32)),
            crm_id: Some(crm.clone()),
            since: Timestamp(0),
        };
        kept.claims.insert(hash, claim);
    });
    world.minutes(30);
    world.session();
    let [link] = &world.links()[..] else { panic!() };
    assert_eq!(
        (link.crm_id.clone(), link.traits.follower),
        (Some(crm.clone()), true)
    );
    assert_eq!(count(&world, CRM), 1);
    // Only the user's own answer went up.
    assert_eq!(world.crm.value(&crm, Field::Answer), known("accepted"));
    let [Write::Update { set, .. }] = &world.writes(CRM)[..] else {
        panic!()
    };
    assert_eq!(set.keys().copied().collect::<Vec<_>>(), [Field::Answer]);
    assert_eq!(world.issues(), []);
    world.crm.touch(&crm, |item| item.scope = Scope::In);
    world.settle();
    // Nothing else ever does, and nothing but a reminder comes down.
    world.mailbox.edit(&mailbox, Field::Subject, "My name for it");
    world.crm.edit(&crm, Field::Location, "Room 1");
    world.crm.edit(&crm, Field::Reminder, "15");
    world.settle();
    assert_eq!(world.crm.value(&crm, Field::Subject), known("Meeting"));
    assert_eq!(
        world.mailbox.value(&mailbox, Field::Location),
        FieldValue::Unknown
    );
    assert_eq!(world.mailbox.value(&mailbox, Field::Reminder), known("15"));
    // Deleted in his mailbox, he declines, and the record stays.
    world.mailbox.delete(&mailbox);
    world.session();
    assert_eq!(world.crm.value(&crm, Field::Answer), known("declined"));
    assert_eq!(count(&world, CRM), 1);
    assert_eq!(state(&world), LinkState::Ended(EndReason::DeletedInMailbox));
    world.assert_quiet();
}

#[test]
fn an_invitation_of_a_colleague_who_never_saves_it_is_saved_after_an_interval() {
    let world = World::new(21);
    knows_ann(&world);
    world
        .store
        .with(|kept| kept.colleagues.insert("boss@own.example".to_owned()));
    let record = event("Meeting", &span(&world, DAY, HOUR));
    let mailbox = world
        .mailbox
        .add_with(record, Scope::Out, false, extra(invitation("uid-1")));
    world.session();
    assert_eq!(count(&world, CRM), 0);
    world.assert_quiet();
    world.minutes(30);
    world.session();
    assert_eq!(count(&world, CRM), 1);
    assert!(is_marked(&world, &mailbox));
    assert_eq!(world.links().len(), 1);
    world.settle();
    // He owns the record, but the meeting is not his: a delete in his mailbox leaves it.
    world.mailbox.delete(&mailbox);
    world.session();
    assert_eq!(count(&world, CRM), 1);
    assert_eq!(state(&world), LinkState::Ended(EndReason::DeletedInMailbox));
}

#[test]
fn a_record_to_which_the_user_is_invited_finds_his_own_copy() {
    let world = World::new(22);
    let when = span(&world, DAY, HOUR);
    let mut record = event("Meeting", &when);
    record.set(Field::Answer, known("none"));
    let facts = EventFacts {
        answer: Answer::None,
        ..invitation("uid-1")
    };
    let mailbox = world.mailbox.add_with(record, Scope::Out, false, extra(facts));
    let mut theirs = event("Meeting", &when);
    theirs.set(Field::Answer, known("none"));
    let guest = EventFacts {
        part: Part::Attendee,
        ..EventFacts::default()
    };
    let crm = world.crm.add_with(theirs, Scope::In, true, extra(guest));
    world.session();
    assert_eq!((count(&world, MAILBOX), count(&world, CRM)), (1, 1));
    assert!(world.links()[0].traits.follower);
    assert_eq!(world.issues(), []);
    world.assert_quiet();
    world.mailbox.touch(&mailbox, |item| {
        item.record.set(Field::Answer, known("tentative"));
        item.extra.event.as_mut().unwrap().answer = Answer::Tentative;
    });
    world.session();
    assert_eq!(world.crm.value(&crm, Field::Answer), known("tentative"));
    // Unsync: no longer invited, both are kept.
    world.mailbox.touch(&mailbox, |item| item.extra.unsync = true);
    world.session();
    assert_eq!(world.crm.value(&crm, Field::Answer), FieldValue::Empty);
    assert_eq!((count(&world, MAILBOX), count(&world, CRM)), (1, 1));
    assert!(!is_marked(&world, &mailbox));
    assert_eq!(state(&world), LinkState::Ended(EndReason::Unsynced));
    world.assert_quiet();
}

/// Taken off the list there and invited anew: what he answered in his mailbox is his answer still.
#[test]
fn who_is_invited_anew_has_answered_already() {
    let world = World::new(29);
    let when = span(&world, DAY, HOUR);
    let record = event("Meeting", &when).with(Field::Answer, "accepted");
    world
        .mailbox
        .add_with(record, Scope::Out, false, extra(invitation("uid-1")));
    let theirs = event("Meeting", &when).with(Field::Answer, "none");
    let guest = EventFacts {
        part: Part::Attendee,
        ..EventFacts::default()
    };
    let crm = world.crm.add_with(theirs, Scope::In, true, extra(guest));
    world.settle();
    assert_eq!(world.crm.value(&crm, Field::Answer), known("accepted"));
    world
        .crm
        .touch(&crm, |item| item.record.set(Field::Answer, FieldValue::Empty));
    world.settle();
    assert_eq!(
        world.crm.value(&crm, Field::Answer),
        FieldValue::Empty,
        "taken off"
    );
    world.crm.edit(&crm, Field::Answer, "none");
    world.settle();
    assert_eq!(world.crm.value(&crm, Field::Answer), known("accepted"));
    // What he answers there himself is left as it is.
    world.crm.edit(&crm, Field::Answer, "tentative");
    world.settle();
    assert_eq!(world.crm.value(&crm, Field::Answer), known("tentative"));
    world.assert_quiet();
}

/// No rule saves it any more: the link that was to get its record does not wait for ever.
#[test]
fn a_meeting_that_nothing_saves_any_more_is_owed_no_record() {
    let world = World::new(30);
    let record = event("Mine", &span(&world, DAY, HOUR));
    let mailbox = world
        .mailbox
        .add_with(record, Scope::In, true, extra(EventFacts::default()));
    world.settle();
    let link = world.links()[0].clone();
    let crm = link.crm_id.clone().unwrap();
    world.crm.delete(&crm);
    world.session();
    assert_eq!(state(&world), LinkState::Ended(EndReason::DeletedInCrm));
    // The user wants it back, and takes it to a day that is not synced before that is done.
    let key = tandem_sync::model::LinkKey("f".repeat(32));
    let cured = cure(&world.links()[0], IssueCure::BringBack, now(&world), key).unwrap();
    world
        .store
        .with(|kept| kept.links.insert(cured.id.clone(), cured));
    world
        .mailbox
        .edit(&mailbox, Field::When, &span(&world, 300 * DAY, HOUR));
    world.session();
    let [link] = &world.links()[..] else { panic!() };
    assert_eq!((link.state, link.intent), (LinkState::Dormant, None));
    assert_eq!(count(&world, CRM), 0);
    world.assert_quiet();
    world.mailbox.touch(&mailbox, |item| {
        item.marked = true;
        item.scope = Scope::In;
    });
    world
        .mailbox
        .edit(&mailbox, Field::When, &span(&world, DAY, HOUR));
    world.settle();
    assert_eq!(count(&world, CRM), 1);
    assert_eq!(state(&world), LinkState::Live);
    world.assert_quiet();
}

#[test]
fn what_was_saved_on_purpose_and_belongs_to_nobody_asks_where_to() {
    let world = World::new(62);
    knows_ann(&world);
    let with = |uid: &str, who: &str| EventFacts {
        attendees: vec![attendee(who)],
        ..meeting(uid)
    };
    for (uid, who, told) in [
        ("known", "ann@example.com", false),
        ("inside", "you@own.example", false),
        ("strange", "stranger@else.example", true),
    ] {
        let record = event(uid, &span(&world, DAY, HOUR));
        let id = world
            .mailbox
            .add_with(record, Scope::In, true, extra(with(uid, who)));
        world.settle();
        assert!(count(&world, CRM) > 0 && is_marked(&world, &id));
        let asked = world.issues().contains(&(MAILBOX, IssueCode::NoMatch));
        assert_eq!(asked, told, "{uid}");
    }
    // Somebody of Salesforce says it there.
    let strange = world.crm.here();
    let (crm, _) = strange
        .iter()
        .find(|(_, item)| item.record.get(Field::Subject) == &known("strange"))
        .unwrap();
    world.crm.edit(crm, Field::Relations, "who=003bob");
    world.settle();
    assert_eq!(world.issues(), []);
}

/// The mailbox's event has no people: what its records are is known there alone.
#[test]
fn what_an_event_of_the_crm_belongs_to_is_kept_when_everything_is_compared_again() {
    for relations in [
        "who=003bob;what=001acme;invited=003ann:none",
        "what=001acme;invited=005colleague:none",
        "who=003bob",
    ] {
        let world = World::new(61);
        let record = event("Down", &span(&world, DAY, HOUR)).with(Field::Relations, relations);
        let crm = world.crm.add(record, Scope::In);
        world.settle();
        let before = world.crm.value(&crm, Field::Relations);
        assert!(
            before
                .known()
                .is_some_and(|value| value.contains("acme") || value.contains("bob"))
        );
        world.minutes(25 * 60);
        world.session();
        assert_eq!(world.crm.value(&crm, Field::Relations), before);
        // An edit in the mailbox is no word about it either.
        let [(mailbox, _)] = &world.mailbox.here()[..] else {
            panic!()
        };
        world.mailbox.edit(mailbox, Field::Location, "Room 1");
        world.settle();
        assert_eq!(world.crm.value(&crm, Field::Location), known("Room 1"));
        assert_eq!(world.crm.value(&crm, Field::Relations), before);
    }
}

#[test]
fn an_invitation_of_the_crm_without_a_copy_comes_down_and_is_followed() {
    let world = World::new(23);
    let guest = EventFacts {
        part: Part::Attendee,
        crm_series: true,
        ..EventFacts::default()
    };
    let when = span(&world, DAY, HOUR);
    let crm = world
        .crm
        .add_with(event("Webinar", &when), Scope::In, true, extra(guest));
    world.settle();
    let [(mailbox, _)] = &world.mailbox.here()[..] else {
        panic!()
    };
    let later = span(&world, 2 * DAY, HOUR);
    world.crm.edit(&crm, Field::When, &later);
    world.settle();
    assert_eq!(world.mailbox.value(mailbox, Field::When), known(&later));
    world.mailbox.edit(mailbox, Field::Location, "at home");
    world.settle();
    assert_eq!(world.crm.value(&crm, Field::Location), FieldValue::Unknown);
    world.crm.delete(&crm);
    world.session();
    assert_eq!(count(&world, MAILBOX), 1, "his item is kept");
    assert!(!is_marked(&world, mailbox));
    world.assert_quiet();
}

#[test]
fn a_cancelled_meeting_goes_and_the_item_stays() {
    let world = World::new(24);
    let (mailbox, _) = met(&world, invitation("uid-1"));
    world.mailbox.touch(&mailbox, |item| {
        item.extra.event.as_mut().unwrap().cancelled = true;
        item.record.set(Field::Subject, known("Cancelled: Meeting"));
    });
    world.session();
    assert_eq!((count(&world, MAILBOX), count(&world, CRM)), (1, 0));
    assert_eq!(state(&world), LinkState::Ended(EndReason::Cancelled));
    assert!(!is_marked(&world, &mailbox));
    world.assert_quiet();
    world.minutes(25 * 60);
    world.session();
    assert_eq!(count(&world, CRM), 0);
}

#[test]
fn occurrences_are_single_events_that_take_no_category() {
    let world = World::new(25);
    knows_ann(&world);
    let add = |start: i64| {
        let when = span(&world, start, HOUR);
        let facts = EventFacts {
            series: SeriesPart::Occurrence,
            original_start: Some(when.split('/').next().unwrap().to_owned()),
            ..meeting("series")
        };
        let extra = Extra {
            untaggable: true,
            ..extra(facts)
        };
        world
            .mailbox
            .add_with(event("Weekly", &when), Scope::Out, false, extra)
    };
    let first = add(DAY);
    let second = add(8 * DAY);
    world.mailbox.with(|state| state.events_full = true);
    world.session();
    assert_eq!(count(&world, CRM), 2);
    assert!(world.writes(MAILBOX).is_empty());
    world.session();
    assert_eq!(world.wrote(), 0);
    // Listed in full each time, and nothing is asked for it.
    assert_eq!(world.calls(CRM), ["changes"]);
    // An occurrence that became an exception has another id, and is still the same one.
    let moved = world.mailbox.file(&first);
    let later = span(&world, 2 * DAY, HOUR);
    world.mailbox.edit(&moved, Field::When, &later);
    world.session();
    assert_eq!(count(&world, CRM), 2);
    assert!(
        world
            .crm
            .here()
            .iter()
            .any(|(_, item)| item.record.get(Field::When) == &known(&later))
    );
    world.mailbox.delete(&second);
    world.session();
    assert_eq!(count(&world, CRM), 1);
    world.settle();
}

#[test]
fn a_copy_of_a_meeting_in_the_same_mailbox_makes_nothing() {
    let world = World::new(26);
    let (mailbox, _) = met(&world, meeting("uid-1"));
    let record = event("Meeting", &span(&world, DAY, HOUR));
    world
        .mailbox
        .add_with(record, Scope::Out, false, extra(meeting("uid-1")));
    world.settle();
    assert_eq!(count(&world, CRM), 1);
    assert_eq!(world.links()[0].mailbox_id, Some(mailbox));
}

#[test]
fn a_copy_that_the_user_marks_is_told() {
    let world = World::new(26);
    met(&world, meeting("uid-1"));
    let record = event("Meeting", &span(&world, DAY, HOUR));
    world
        .mailbox
        .add_with(record, Scope::In, true, extra(meeting("uid-1")));
    world.settle();
    assert_eq!(count(&world, CRM), 1);
    assert_eq!(world.issues(), [(MAILBOX, IssueCode::SeveralMatches)]);
}

#[test]
fn what_was_restored_beside_the_one_made_again_does_not_take_its_place() {
    let world = World::new(50);
    let (mailbox, crm) = linked(&world);
    let old = world.links()[0].key.clone();
    world.mailbox.delete(&mailbox);
    world.crm.edit(&crm, Field::Location, "Room 1");
    world.settle();
    let again = world.links()[0].mailbox_id.clone();
    assert_ne!(again, Some(mailbox));
    let restored = marked(&world, "Visit", DAY);
    world.mailbox.touch(&restored, |item| item.key = Some(old));
    world.settle();
    assert_eq!(world.crm.value(&crm, Field::Location), known("Room 1"));
    let link = world
        .links()
        .into_iter()
        .find(|link| link.crm_id.as_ref() == Some(&crm));
    assert_eq!(link.unwrap().mailbox_id, again);
}

/// The category and the key on it are ours: nobody asked that what is private since be saved.
#[test]
fn what_was_hidden_and_is_restored_beside_the_one_made_again_stays_hidden() {
    let world = World::new(151);
    let crm = world.crm.add(event("Visit", &span(&world, DAY, HOUR)), Scope::In);
    world.settle();
    let (mailbox, key) = (world.mailbox.here()[0].0.clone(), world.links()[0].key.clone());
    world.mailbox.edit(&mailbox, Field::Private, "yes");
    world.settle();
    world.mailbox.delete(&mailbox);
    world.crm.edit(&crm, Field::ShowAs, "free");
    world.settle();
    assert_ne!(world.links()[0].key, key, "made again under another key");
    let restored = marked(&world, "Doctor", 2 * DAY);
    world.mailbox.touch(&restored, |item| {
        item.key = Some(key);
        item.record.set(Field::Private, known("yes"));
    });
    world.settle();
    world.mailbox.edit(&restored, Field::Body, "secret");
    world.settle();
    assert_eq!(count(&world, CRM), 2);
    for (_, item) in world.crm.here() {
        let of = |field| item.record.get(field).known();
        assert_ne!(of(Field::Subject), Some("Doctor"));
        assert_ne!(of(Field::Body), Some("secret"));
    }
}

/// What the user may not see for now does not tell against the record that a lost create has made.
#[test]
fn without_keys_a_lost_create_is_not_done_again_because_a_field_is_hidden_now() {
    let world = World::keyed(152, false, false);
    let record = event("Visit", &span(&world, DAY, HOUR)).with(Field::Location, "Room 1");
    world.mailbox.add(record, Scope::In);
    world.crm.with(|state| state.faults.doubt = Some((0, true)));
    world.session();
    let crm = world.crm.here()[0].0.clone();
    world.crm.edit(&crm, Field::When, &span(&world, 2 * DAY, HOUR));
    world.crm.with(|state| {
        let events = state.profiles.0.get_mut(&ItemKind::Event);
        events.unwrap().fields.remove(&Field::Location);
    });
    world.settle();
    assert_eq!(count(&world, CRM), 1);
    assert!(world.issues().contains(&(MAILBOX, IssueCode::CreateInDoubt)));
}

/// When it begins is its user's alone: the server wrote one word its own way, and a user another.
#[test]
fn without_keys_a_lost_create_that_only_begins_at_the_same_minute_is_asked_about() {
    for (moved, told) in [(false, true), (true, false)] {
        let world = World::keyed(153, false, false);
        let record = event("Visit", &span(&world, DAY, HOUR)).with(Field::Location, "Room 1");
        world.mailbox.add(record, Scope::In);
        world.crm.with(|state| state.faults.doubt = Some((0, true)));
        world.session();
        let crm = world.crm.here()[0].0.clone();
        world.crm.edit(&crm, Field::Subject, "Visit of Ann");
        if moved {
            world.crm.edit(&crm, Field::When, &span(&world, 2 * DAY, HOUR));
        } else {
            world.crm.edit(&crm, Field::Location, "ROOM 1");
        }
        world.settle();
        let asked = world.issues().contains(&(MAILBOX, IssueCode::CreateInDoubt));
        assert_eq!((asked, count(&world, CRM)), (told, if told { 1 } else { 2 }));
    }
}

#[test]
fn without_keys_a_lost_create_is_found_although_a_word_was_changed_at_once() {
    for (place, made) in [("Room 1", 1), ("", 0)] {
        let world = World::keyed(51, false, false);
        let mut record = event("Visit", &span(&world, DAY, HOUR));
        if !place.is_empty() {
            record.set(Field::Location, known(place));
        }
        world.mailbox.add(record, Scope::In);
        world.crm.with(|state| state.faults.doubt = Some((0, true)));
        world.session();
        let [(crm, _)] = &world.crm.here()[..] else {
            panic!()
        };
        world.crm.edit(crm, Field::Subject, "Visit of Ann");
        world.settle();
        assert_eq!((count(&world, MAILBOX), count(&world, CRM)), (1, 1), "{place}");
        let found = usize::from(world.links()[0].crm_id.is_some());
        assert_eq!(found, made, "one word that is the same is anybody's");
        let told = world.issues().contains(&(MAILBOX, IssueCode::CreateInDoubt));
        assert_eq!(told, made == 0);
    }
}

#[test]
fn what_was_deleted_in_the_crm_is_saved_again_when_it_is_marked_again() {
    let world = World::new(52);
    let (mailbox, crm) = met(&world, meeting("uid-1"));
    let hash = world.links()[0].traits.claim.unwrap();
    world.crm.delete(&crm);
    world.settle();
    assert_eq!(state(&world), LinkState::Ended(EndReason::DeletedInCrm));
    assert!(!is_marked(&world, &mailbox));
    world.mailbox.edit(&mailbox, Field::Subject, "Meeting of two");
    world.settle();
    assert_eq!(count(&world, CRM), 0, "nobody asked");
    world.mailbox.touch(&mailbox, |item| {
        item.marked = true;
        item.scope = Scope::In;
    });
    world.settle();
    let [(again, _)] = &world.crm.here()[..] else {
        panic!()
    };
    assert_ne!(*again, crm);
    assert_eq!(state(&world), LinkState::Live);
    let claim = world.store.with(|kept| kept.claims[&hash].clone());
    assert_eq!(claim.crm_id.as_ref(), Some(again), "and everybody finds it");
    assert_eq!(claim.key, world.links()[0].key);
    world.assert_quiet();
}

/// A claim of a colleague's on the meeting of these facts.
fn colleague_claims(world: &World, crm_id: Option<&ItemId>) {
    world.store.with(|kept| {
        for claim in kept.claims.values_mut() {
            claim.holder = "d".repeat(32).parse().unwrap();
            claim.key = tandem_sync::model::LinkKey("e".repeat(32));
            claim.crm_id = crm_id.cloned();
            claim.since = Timestamp(0);
        }
    });
}

#[test]
fn a_colleagues_record_that_is_gone_is_made_again_under_one_claim() {
    let world = World::new(53);
    let (mailbox, crm) = met(&world, invitation("uid-1"));
    let hash = world.links()[0].traits.claim.unwrap();
    // As if a colleague had made it, and somebody deleted it.
    colleague_claims(&world, Some(&crm));
    world.crm.delete(&crm);
    world.settle();
    assert_eq!(count(&world, CRM), 0);
    world.mailbox.touch(&mailbox, |item| {
        item.marked = true;
        item.scope = Scope::In;
    });
    world.settle();
    assert_eq!(count(&world, CRM), 1);
    let claim = world.store.with(|kept| kept.claims[&hash].clone());
    assert_eq!(claim.crm_id, Some(world.crm.here()[0].0.clone()));
    assert_ne!(claim.holder.to_string(), "d".repeat(32));
}

#[test]
fn what_a_colleague_made_and_never_noted_is_followed() {
    let world = World::new(54);
    let (_, crm) = met(&world, invitation("uid-1"));
    colleague_claims(&world, None);
    world.store.with(|kept| kept.links.clear());
    world.mailbox.with(|state| {
        for item in state.items.values_mut() {
            item.key = None;
        }
    });
    world.crm.touch(&crm, |item| {
        item.scope = Scope::Out;
        item.key = None;
    });
    world.store.with(|kept| kept.opening.mailbox_cursor = None);
    world.settle();
    assert_eq!(count(&world, CRM), 1, "his is not made a second time");
    let [link] = &world.links()[..] else { panic!() };
    assert_eq!(link.crm_id, Some(crm));
    assert!(link.traits.follower);
}

#[test]
fn a_create_whose_answer_is_lost_is_done_once() {
    for keys in [true, false] {
        for effect in [true, false] {
            for side in Side::BOTH {
                let world = World::keyed(27, keys, keys);
                let record = event("Visit", &span(&world, DAY, HOUR));
                world.side(side.other()).add(record, Scope::In);
                world
                    .side(side)
                    .with(|state| state.faults.doubt = Some((0, effect)));
                world.session();
                world.settle();
                assert_eq!(
                    (count(&world, MAILBOX), count(&world, CRM)),
                    (1, 1),
                    "keys {keys} effect {effect} {side:?}"
                );
            }
        }
    }
}

#[test]
fn cut_off_anywhere_while_a_pair_parts_it_ends_the_same() {
    for commit in 0..6 {
        let world = World::new(28);
        let (mailbox, _) = linked(&world);
        world.mailbox.touch(&mailbox, |item| item.extra.unsync = true);
        *world.store.fuse.lock().unwrap() = Some(commit);
        let _ = world.try_session();
        *world.store.fuse.lock().unwrap() = None;
        world.settle();
        world.minutes(25 * 60);
        world.settle();
        assert_eq!(
            (count(&world, MAILBOX), count(&world, CRM)),
            (1, 0),
            "commit {commit}"
        );
        assert!(!is_marked(&world, &mailbox));
        let LinkState::Ended(_) = state(&world) else {
            panic!("commit {commit}: {:?}", state(&world))
        };
    }
}

#[test]
fn an_organisation_that_deletes_too_much_stops() {
    let world = World::new(29);
    let (mailbox, _) = linked(&world);
    world.store.with(|kept| {
        kept.opening.org_deletes = 1_000;
        kept.opening.released = false;
    });
    world.mailbox.delete(&mailbox);
    let report = world.session();
    assert_eq!(report.outcome(), SessionOutcome::StoppedByBrake);
    assert!(report.closing.stop_org);
    assert_eq!(report.closing.reason, Some(StateReason::OrgBrake));
    assert_eq!((world.wrote(), count(&world, CRM)), (0, 1));
    world.store.with(|kept| kept.opening.org_deletes = 0);
    world.session();
    assert_eq!(count(&world, CRM), 0);
}

/// Ten appointments on both sides, six of which are then deleted in the mailbox.
fn six_of_ten_deleted(world: &World) {
    let mailbox: Vec<ItemId> = (1..=10)
        .map(|n| marked(world, &format!("Visit {n}"), n * DAY))
        .collect();
    world.settle();
    assert_eq!(count(world, CRM), 10);
    for id in &mailbox[..6] {
        world.mailbox.delete(id);
    }
}

#[test]
fn what_a_user_lets_through_does_not_answer_for_the_organisation() {
    let world = World::new(41);
    six_of_ten_deleted(&world);
    world.store.with(|kept| {
        kept.opening.org_deletes = 1_000;
        kept.opening.released = true;
    });
    let report = world.session();
    assert!(report.closing.stop_org && !report.closing.release_used);
    assert_eq!((world.wrote(), count(&world, CRM)), (0, 10));
    // An administrator has looked: this plan goes through once, and stops nobody else.
    world.store.with(|kept| kept.opening.org_released = true);
    let report = world.session();
    assert_eq!(report.outcome(), SessionOutcome::Done);
    assert!(report.closing.release_used);
    assert_eq!(count(&world, CRM), 4);
    assert_eq!(world.store.with(|kept| kept.opening.org_deletes), 1_000);
}

#[test]
fn what_others_delete_meanwhile_stops_a_session_between_two_batches() {
    let world = World::new(42);
    six_of_ten_deleted(&world);
    world.store.with(|kept| {
        kept.opening.org_deletes = 900;
        kept.others_delete = 200;
    });
    let report = world.session();
    assert_eq!(report.outcome(), SessionOutcome::StoppedByBrake);
    assert!(report.closing.stop_org);
    assert_eq!(report.closing.reason, Some(StateReason::OrgBrake));
    let deleted: u32 = report
        .closing
        .counts
        .iter()
        .map(|counts| counts.crm.deleted)
        .sum();
    assert_eq!((deleted, count(&world, CRM)), (3, 7), "one batch");
    // One whose organisation was stopped by somebody else deletes nothing more either.
    world.store.with(|kept| {
        kept.opening.org_deletes = 0;
        kept.opening.org_stopped = true;
    });
    let report = world.session();
    assert_eq!(report.outcome(), SessionOutcome::Partial);
    assert!(!report.closing.stop_org);
    assert_eq!(count(&world, CRM), 7);
    world.store.with(|kept| {
        kept.opening.org_stopped = false;
        kept.others_delete = 0;
    });
    world.settle();
    assert_eq!(count(&world, CRM), 4);
}

#[test]
fn what_attendees_need_not_know_sends_them_no_mail() {
    let world = World::new(43);
    world.settings(|settings| settings.send_invitations = true);
    world.mailbox.with(|state| state.may_mail = true);
    let (mailbox, crm) = met(&world, meeting("uid-1"));
    assert!(
        world.links()[0].mailbox_version.is_some()
            && world.mailbox.with(|state| state.items[&mailbox].version) > 1,
        "the category and the key were written"
    );
    assert_eq!(world.mailbox.with(|state| state.mails), 0);
    world.crm.edit(&crm, Field::Reminder, "15");
    world.settle();
    assert_eq!(world.mailbox.value(&mailbox, Field::Reminder), known("15"));
    assert_eq!(world.mailbox.with(|state| state.mails), 0);
}

/// What was written there is not noted yet, and is taken for somebody's words: the mask takes it away all the same.
#[test]
fn made_private_while_a_write_was_in_doubt_nothing_of_it_stays() {
    let world = World::new(47);
    let (mailbox, crm) = linked(&world);
    world.mailbox.edit(&mailbox, Field::Body, "ill");
    world.crm.with(|state| state.faults.doubt = Some((0, true)));
    world.session();
    assert_eq!(world.crm.value(&crm, Field::Body), known("ill"));
    world.mailbox.edit(&mailbox, Field::Private, "yes");
    world.settle();
    assert_eq!(world.crm.value(&crm, Field::Body), FieldValue::Empty);
    assert_eq!(world.crm.value(&crm, Field::Subject), known("Private"));
    assert!(world.journalled("ill"));
    // What somebody writes there later is his affair.
    world.crm.edit(&crm, Field::Body, "his words");
    world.settle();
    assert_eq!(world.crm.value(&crm, Field::Body), known("his words"));
    world.assert_quiet();
}

#[test]
fn made_private_while_its_create_was_in_doubt_it_is_seen_masked() {
    for done in [true, false] {
        let world = World::new(44);
        let mailbox = marked(&world, "Visit", DAY);
        world.crm.with(|state| state.faults.doubt = Some((0, done)));
        world.session();
        assert_eq!(count(&world, CRM), usize::from(done));
        world.mailbox.edit(&mailbox, Field::Private, "yes");
        world.mailbox.edit(&mailbox, Field::Subject, "Doctor");
        world.mailbox.edit(&mailbox, Field::Body, "ill");
        for _ in 0..4 {
            world.session();
            for write in world.writes(CRM) {
                let (Write::Create {
                    record: Record { fields, .. },
                    ..
                }
                | Write::Update { set: fields, .. }) = write
                else {
                    continue;
                };
                let said: Vec<_> = fields.values().filter_map(FieldValue::known).collect();
                assert!(!said.contains(&"Doctor") && !said.contains(&"ill"), "{said:?}");
            }
        }
        for (id, _) in world.crm.here() {
            assert_eq!(world.crm.value(&id, Field::Subject), known("Private"));
            assert_eq!(world.crm.value(&id, Field::Private), known("yes"));
        }
        world.assert_quiet();
    }
}

#[test]
fn another_tool_is_warned_of_once_a_day_and_an_unreadable_item_is_told() {
    let world = World::new(30);
    world.crm.with(|state| {
        state.rivals.push(tandem_sync::model::Rival {
            name: "Einstein Activity Capture".to_owned(),
            sign: "rows".to_owned(),
        });
    });
    let odd = ItemId("odd".to_owned());
    world.mailbox.with(|state| {
        let refusal = tandem_sync::model::Refusal {
            code: IssueCode::Unreadable,
            message: "corrupt".to_owned(),
            fields: Vec::new(),
            retry: false,
        };
        state.faults.unreadable.push((ItemKind::Event, odd, refusal));
    });
    marked(&world, "Fine", DAY);
    world.session();
    assert_eq!(count(&world, CRM), 1);
    let mut codes: Vec<IssueCode> = world.issues().into_iter().map(|(_, code)| code).collect();
    codes.sort();
    assert_eq!(codes, [IssueCode::Unreadable, IssueCode::OtherSyncTool]);
    world.assert_quiet();
}

#[test]
fn nothing_ever_sends_mail_unless_the_organizer_wants_it() {
    for wanted in [false, true] {
        // The mailbox refuses every write that would, as long as it is not wanted.
        let world = World::new(31);
        world.settings(|settings| settings.send_invitations = wanted);
        world.mailbox.with(|state| state.may_mail = wanted);
        let (mailbox, crm) = met(&world, meeting("uid-1"));
        world.mailbox.with(|state| state.mails = 0);
        let later = span(&world, 2 * DAY, HOUR);
        world.crm.edit(&crm, Field::When, &later);
        world.settle();
        assert_eq!(world.mailbox.value(&mailbox, Field::When), known(&later));
        assert_eq!(world.mailbox.with(|state| state.mails), usize::from(wanted));
        // Somebody else's meeting, or no meeting at all, never does.
        let other = World::new(32);
        other.settings(|settings| settings.send_invitations = wanted);
        let (mailbox, crm) = linked(&other);
        other.crm.edit(&crm, Field::Location, "Room 1");
        other.settle();
        assert_eq!(other.mailbox.value(&mailbox, Field::Location), known("Room 1"));
        assert_eq!(other.mailbox.with(|state| state.mails), 0);
    }
}

#[test]
fn a_meeting_that_was_paired_by_what_it_holds_is_claimed_all_the_same() {
    let world = World::new(33);
    let when = span(&world, DAY, HOUR);
    let record = event("Meeting", &when);
    world
        .mailbox
        .add_with(record, Scope::In, true, extra(meeting("uid-1")));
    let crm = world.crm.add(event("Meeting", &when), Scope::In);
    world.settle();
    assert_eq!(count(&world, CRM), 1);
    let claimed = || -> Vec<Option<ItemId>> {
        world
            .store
            .with(|kept| kept.claims.values().map(|claim| claim.crm_id.clone()).collect())
    };
    assert_eq!(claimed(), [Some(crm)]);
    world.assert_quiet();
    // An appointment becomes a meeting: its record is the organisation's from then on.
    let mailbox = marked(&world, "Visit", 2 * DAY);
    world.settle();
    assert_eq!(claimed().len(), 1);
    world.mailbox.touch(&mailbox, |item| {
        item.extra.event = Some(Box::new(meeting("uid-2")));
    });
    world.settle();
    assert_eq!(claimed().iter().flatten().count(), 2);
    world.assert_quiet();
}

#[test]
fn what_the_crm_refuses_is_no_longer_claimed() {
    let world = World::new(34);
    knows_ann(&world);
    let refusal = tandem_sync::model::Refusal {
        code: IssueCode::Refused,
        message: "a rule".to_owned(),
        fields: Vec::new(),
        retry: false,
    };
    world
        .crm
        .with(|state| state.faults.refuse.insert("Meeting".to_owned(), refusal));
    let record = event("Meeting", &span(&world, DAY, HOUR));
    world
        .mailbox
        .add_with(record, Scope::Out, false, extra(meeting("uid-1")));
    world.session();
    assert_eq!(world.issues(), [(MAILBOX, IssueCode::Refused)]);
    assert!(
        world.store.with(|kept| kept.claims.is_empty()),
        "a colleague may try"
    );
    world.assert_quiet();
    world.crm.with(|state| state.faults.refuse.clear());
    world.minutes(25 * 60);
    world.settle();
    assert_eq!(count(&world, CRM), 1);
    assert_eq!(world.issues(), []);
}

#[test]
fn a_connection_on_which_nothing_moves_is_told() {
    let world = World::new(35);
    let (mailbox, crm) = linked(&world);
    let refusal = tandem_sync::model::Refusal {
        code: IssueCode::Refused,
        message: "no".to_owned(),
        fields: Vec::new(),
        retry: false,
    };
    for side in Side::BOTH {
        world
            .side(side)
            .with(|state| state.faults.refuse.insert("Visit".to_owned(), refusal.clone()));
    }
    world.minutes(25 * 60);
    world.session();
    world.mailbox.edit(&mailbox, Field::Location, "Room 1");
    world.crm.edit(&crm, Field::Reminder, "15");
    world.session();
    let codes: Vec<IssueCode> = world.issues().into_iter().map(|(_, code)| code).collect();
    assert!(codes.contains(&IssueCode::NothingMoved), "{codes:?}");
    for side in Side::BOTH {
        world.side(side).with(|state| state.faults.refuse.clear());
    }
    world.mailbox.edit(&mailbox, Field::Location, "Room 2");
    world.session();
    let codes: Vec<IssueCode> = world.issues().into_iter().map(|(_, code)| code).collect();
    assert!(!codes.contains(&IssueCode::NothingMoved), "{codes:?}");
}

#[test]
fn a_kind_that_is_suddenly_gone_stops_although_others_are_there() {
    let world = World::new(36);
    for n in 1..5 {
        marked(&world, &format!("Visit {n}"), n * DAY);
    }
    for n in 0..9 {
        let task = Record::new(ItemKind::Task).with(Field::Subject, &format!("Task {n}"));
        world.mailbox.add(task, Scope::In);
    }
    world.settle();
    world.store.with(|kept| kept.opening.released = false);
    let events: Vec<ItemId> = world
        .mailbox
        .here()
        .into_iter()
        .filter(|(_, item)| item.record.kind == ItemKind::Event)
        .map(|(id, _)| id)
        .collect();
    for id in &events {
        world.mailbox.delete(id);
    }
    world.minutes(25 * 60);
    let report = world.session();
    assert_eq!(report.outcome(), SessionOutcome::StoppedByBrake);
    assert_eq!((world.wrote(), count(&world, CRM)), (0, 13));
}

#[test]
fn a_crowd_is_told_as_long_as_it_is_one() {
    let world = World::new(77);
    let crowd: Vec<Attendee> = (0..60)
        .map(|n| attendee(&format!("guest{n}@example.org")))
        .collect();
    let facts = EventFacts {
        attendees: [vec![attendee("ann@example.com")], crowd.clone()].concat(),
        ..meeting("crowd")
    };
    let (mailbox, _) = met(&world, facts);
    let told = [(Side::Mailbox, IssueCode::TooManyPeople)];
    assert_eq!(world.issues(), told);
    let people = |change: &dyn Fn(&mut Vec<Attendee>)| {
        world.mailbox.touch(&mailbox, |item| {
            change(&mut item.extra.event.as_mut().unwrap().attendees);
        });
        world.settle();
        world.issues()
    };
    assert_eq!(people(&|all| all.truncate(52)), told);
    assert_eq!(people(&|all| all.truncate(3)), []);
    assert_eq!(people(&|all| all.extend(crowd.clone())), told);
    // Also where what is known of them makes no difference to the record.
    assert_eq!(
        people(&|all| all.retain(|one| one.who.address.starts_with("ann"))),
        []
    );
}

fn leaves(retry: bool) -> Refusal {
    Refusal {
        code: IssueCode::Refused,
        message: "the row is locked".to_owned(),
        fields: vec![Field::Relations],
        retry,
    }
}

#[test]
fn invitations_that_were_not_written_are_owed() {
    let world = World::new(78);
    knows_ann(&world);
    world.crm.with(|state| state.faults.leave = Some(leaves(true)));
    let record = event("Meeting", &span(&world, DAY, HOUR));
    let mailbox = world
        .mailbox
        .add_with(record, Scope::Out, false, extra(meeting("uid-1")));
    world.session();
    let [(crm, _)] = &world.crm.here()[..] else {
        panic!("the event is made")
    };
    let relations = |world: &World| world.crm.value(crm, Field::Relations).known().map(str::to_owned);
    assert_eq!(relations(&world), None);
    assert!(is_marked(&world, &mailbox), "it is saved");
    world.minutes(5);
    let report = world.session();
    assert_eq!((relations(&world), world.issues()), (None, vec![]));
    let soon = report
        .closing
        .next_due
        .unwrap()
        .seconds_since(report.closing.ended);
    assert!(soon <= 300, "{soon} s");
    world.crm.with(|state| state.faults.leave = None);
    world.minutes(10);
    world.session();
    let with_ann = relations(&world).expect("what was owed is written");
    assert!(with_ann.contains("invited=003ann"), "{with_ann}");
    world.assert_quiet();

    // Of an update: everything else of it is done, and the answer follows.
    world.crm.with(|state| state.faults.leave = Some(leaves(true)));
    world.mailbox.touch(&mailbox, |item| {
        item.record.set(Field::Subject, known("Moved"));
        item.extra.event.as_mut().unwrap().attendees[0].answer = Answer::Accepted;
    });
    world.session();
    assert_eq!(world.crm.value(crm, Field::Subject), known("Moved"));
    assert_eq!(relations(&world).as_ref(), Some(&with_ann));
    world.crm.with(|state| state.faults.leave = None);
    world.minutes(10);
    world.session();
    assert!(relations(&world).unwrap().contains("003ann:accepted"));
    assert_eq!(world.issues(), []);
    world.assert_quiet();
    assert!(!world.links()[0].traits.links_chosen, "nobody chose anything");
}

#[test]
fn invitations_that_are_refused_are_told_until_they_are_taken() {
    let world = World::new(79);
    let (mailbox, crm) = met(&world, meeting("uid-1"));
    let relations = |world: &World| world.crm.value(&crm, Field::Relations).known().map(str::to_owned);
    let before = relations(&world);
    world.crm.with(|state| state.faults.leave = Some(leaves(false)));
    world.mailbox.touch(&mailbox, |item| {
        item.record.set(Field::Subject, known("Moved"));
        item.extra.event.as_mut().unwrap().attendees[0].answer = Answer::Accepted;
    });
    world.session();
    assert_eq!(world.crm.value(&crm, Field::Subject), known("Moved"));
    assert_eq!(relations(&world), before);
    let told: Vec<IssueCode> = world.issues().into_iter().map(|(_, code)| code).collect();
    assert_eq!(told, [IssueCode::Refused]);
    world.session();
    assert_eq!(world.wrote(), 0, "not again and again");
    world.crm.with(|state| state.faults.leave = None);
    world.minutes(25 * 60);
    world.settle();
    assert!(relations(&world).unwrap().contains("003ann:accepted"));
    assert_eq!(world.issues(), []);
}
