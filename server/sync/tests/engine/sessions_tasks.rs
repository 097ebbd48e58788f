//! Sessions with tasks, one story each.

use tandem_sync::model::{Extra, Field, FieldValue, ItemId, Record, Scope, TaskFacts, Write};
use tandem_sync::{EndReason, LinkState};
use tandem_types::{DeletedInMailbox, Direction, IssueCode, ItemKind, Side};

use crate::world::{World, known};

const MAILBOX: Side = Side::Mailbox;
const CRM: Side = Side::Crm;

fn task(subject: &str, due: &str) -> Record {
    Record::new(ItemKind::Task)
        .with(Field::Subject, subject)
        .with(Field::Due, due)
        .with(Field::Status, "not_started")
        .with(Field::Priority, "normal")
}

fn linked(world: &World) -> (ItemId, ItemId) {
    let mailbox = world.mailbox.add(task("Call Ann", "2023-11-20"), Scope::In);
    world.settle();
    let [(crm, _)] = &world.crm.here()[..] else {
        panic!()
    };
    (mailbox, crm.clone())
}

fn count(world: &World, side: Side) -> usize {
    world.side(side).here().len()
}

fn complete(world: &World, side: Side, id: &ItemId) {
    let now = tandem_sync::ports::Clock::now(&*world.clock);
    world.side(side).touch(id, |item| {
        item.record.set(Field::Status, known("completed"));
        item.extra.task = Some(TaskFacts {
            completed: Some(now),
            ..TaskFacts::default()
        });
    });
}

#[test]
fn a_task_of_each_side_goes_to_the_other() {
    let world = World::new(1);
    world.mailbox.add(task("Up", "2023-11-20"), Scope::In);
    world.mailbox.add(task("Not marked", "2023-11-20"), Scope::Out);
    world.crm.add(task("Down", ""), Scope::In);
    world.session();
    assert_eq!((count(&world, CRM), count(&world, MAILBOX)), (2, 3));
    world.assert_quiet();
    let ids: Vec<ItemId> = world.crm.here().into_iter().map(|(id, _)| id).collect();
    for id in ids {
        world.crm.edit(&id, Field::Status, "in_progress");
    }
    world.session();
    let changed = world
        .mailbox
        .here()
        .iter()
        .filter(|(_, item)| item.record.get(Field::Status) == &known("in_progress"))
        .count();
    assert_eq!(changed, 2);
    world.assert_quiet();
}

/// A delete waits until the whole item was told: an edit may stand in the part that was not.
#[test]
fn what_was_told_in_part_is_not_deleted() {
    let world = World::new(20);
    let (mailbox, crm) = linked(&world);
    world.crm.delete(&crm);
    world.mailbox.touch(&mailbox, |item| {
        item.record.set(Field::Subject, FieldValue::Unknown);
    });
    for _ in 0..2 {
        world.session();
        assert_eq!((world.wrote(), count(&world, MAILBOX)), (0, 1));
    }
    world.mailbox.edit(&mailbox, Field::Subject, "Call Ann today");
    world.settle();
    assert_eq!((count(&world, MAILBOX), count(&world, CRM)), (1, 1));
    assert_eq!(
        world.crm.here()[0].1.record.get(Field::Subject),
        &known("Call Ann today")
    );
    world.assert_quiet();

    let world = World::new(21);
    let (mailbox, crm) = linked(&world);
    world.crm.delete(&crm);
    world.mailbox.touch(&mailbox, |item| {
        item.record.set(Field::Subject, FieldValue::Unknown);
    });
    world.session();
    world.mailbox.edit(&mailbox, Field::Subject, "Call Ann");
    world.settle();
    assert_eq!(count(&world, MAILBOX), 0, "nothing was edited after all");
    world.assert_quiet();
}

#[test]
fn the_same_task_on_both_sides_is_paired_and_equal_ones_of_one_side_are_as_many() {
    let world = World::new(2);
    world.mailbox.add(task("Call", "2023-11-20"), Scope::In);
    world.crm.add(task("call ", "2023-11-20"), Scope::In);
    world.mailbox.add(task("Twice", "2023-11-20"), Scope::In);
    world.mailbox.add(task("Twice", "2023-11-20"), Scope::In);
    world.session();
    assert_eq!((count(&world, MAILBOX), count(&world, CRM)), (3, 3));
    assert_eq!(world.links().len(), 3);
    world.assert_quiet();
}

#[test]
fn several_that_could_be_it_are_asked() {
    let world = World::new(3);
    world.mailbox.add(task("Call", "2023-11-20"), Scope::In);
    world.crm.add(task("Call", "2023-11-20"), Scope::In);
    world.crm.add(task("Call", "2023-11-20"), Scope::In);
    world.session();
    assert_eq!(world.wrote(), 0);
    assert_eq!(world.issues().len(), 3);
    assert!(
        world
            .issues()
            .iter()
            .all(|(_, code)| *code == IssueCode::SeveralMatches)
    );
    world.assert_quiet();
}

#[test]
fn deleted_open_tasks_are_offered_and_completed_ones_are_history() {
    let world = World::new(4);
    let (mailbox, _) = linked(&world);
    world.mailbox.delete(&mailbox);
    world.session();
    assert_eq!(world.issues(), [(CRM, IssueCode::DeletedInMailbox)]);
    assert_eq!(count(&world, CRM), 1);

    let world = World::new(5);
    world.settings(|settings| settings.task_deleted_in_mailbox = DeletedInMailbox::DeleteOwn);
    let (mailbox, _) = linked(&world);
    complete(&world, MAILBOX, &mailbox);
    world.settle();
    world.mailbox.delete(&mailbox);
    world.session();
    assert_eq!((world.wrote(), count(&world, CRM)), (0, 1), "history stays");
    assert_eq!(world.issues(), []);
    assert_eq!(
        world.links()[0].state,
        LinkState::Ended(EndReason::DeletedInMailbox)
    );
    world.assert_quiet();
}

#[test]
fn completed_long_ago_it_sleeps_and_an_edit_wakes_it() {
    let world = World::new(6);
    let (mailbox, crm) = linked(&world);
    complete(&world, MAILBOX, &mailbox);
    world.settle();
    world.minutes(20 * 24 * 60);
    world.session();
    world.session();
    assert_eq!(world.links()[0].state, LinkState::Live, "it was due lately");
    world.minutes(2 * 24 * 60);
    world.session();
    world.session();
    assert_eq!(world.links()[0].state, LinkState::Dormant);
    assert_eq!(
        (count(&world, MAILBOX), count(&world, CRM)),
        (1, 1),
        "both are kept"
    );
    world.assert_quiet();
    world.mailbox.touch(&mailbox, |item| {
        item.record.set(Field::Status, known("in_progress"));
        item.extra.task = Some(TaskFacts::default());
    });
    world.session();
    assert_eq!(world.crm.value(&crm, Field::Status), known("in_progress"));
    assert_eq!(world.links()[0].state, LinkState::Live);
    world.settle();
}

#[test]
fn unsync_takes_the_category_off_keeps_both_and_ends() {
    let world = World::new(7);
    let (mailbox, crm) = linked(&world);
    world.mailbox.touch(&mailbox, |item| item.extra.unsync = true);
    world.session();
    assert!(!world.mailbox.with(|state| state.items[&mailbox].marked));
    assert_eq!(world.links()[0].state, LinkState::Ended(EndReason::Unsynced));
    assert_eq!((count(&world, MAILBOX), count(&world, CRM)), (1, 1));
    world.assert_quiet();
    world.mailbox.edit(&mailbox, Field::Body, "mine alone");
    world.crm.edit(&crm, Field::Body, "theirs alone");
    world.assert_quiet();
    world.minutes(25 * 60);
    world.session();
    assert_eq!(
        (world.wrote(), count(&world, CRM)),
        (0, 1),
        "nor by the full compare"
    );
    // Taken back: it finds its record again.
    world.mailbox.touch(&mailbox, |item| {
        item.extra.unsync = false;
        item.marked = true;
        item.scope = Scope::In;
    });
    world.session();
    assert_eq!((count(&world, MAILBOX), count(&world, CRM)), (1, 1));
    assert_eq!(
        world
            .links()
            .iter()
            .filter(|link| link.state == LinkState::Live)
            .count(),
        1
    );
    world.settle();
}

#[test]
fn deleted_in_the_crm_it_goes_to_deleted_items_unless_it_was_edited() {
    for edited in [false, true] {
        let world = World::new(8);
        let (mailbox, crm) = linked(&world);
        world.crm.delete(&crm);
        if edited {
            world.mailbox.edit(&mailbox, Field::Body, "new");
        }
        world.settle();
        let left = usize::from(edited);
        assert_eq!((count(&world, MAILBOX), count(&world, CRM)), (left, left));
    }
}

#[test]
fn a_recurring_task_is_told_once() {
    let world = World::new(9);
    let facts = TaskFacts {
        recurring: true,
        completed: None,
    };
    let extra = Extra {
        task: Some(facts),
        ..Extra::default()
    };
    world
        .mailbox
        .add_with(task("Weekly", "2023-11-20"), Scope::In, true, extra);
    world.session();
    assert_eq!(world.issues(), [(MAILBOX, IssueCode::RecurringTask)]);
    assert_eq!(count(&world, CRM), 1);
    world.assert_quiet();
    world.store.with(|kept| kept.issues.clear());
    world.minutes(25 * 60);
    world.session();
    assert_eq!(world.issues(), []);
}

#[test]
fn each_kind_has_its_own_direction() {
    let world = World::new(10);
    let (mailbox, crm) = linked(&world);
    world.settings(|settings| settings.tasks = Direction::Off);
    world.mailbox.delete(&mailbox);
    world.crm.edit(&crm, Field::Subject, "Other");
    world.session();
    world.minutes(25 * 60);
    world.session();
    assert_eq!(world.wrote(), 0, "off: left alone in every way");
    assert_eq!(world.links()[0].state, LinkState::Live);
    world.settings(|settings| settings.tasks = Direction::TwoWay);
    world.minutes(25 * 60);
    world.session();
    assert_eq!(count(&world, MAILBOX), 1, "the edit beats the delete");
    world.settle();
}

#[test]
fn a_create_whose_answer_is_lost_is_done_once_with_and_without_keys() {
    for keys in [true, false] {
        for effect in [true, false] {
            for side in Side::BOTH {
                let world = World::keyed(11, keys, keys);
                world
                    .side(side.other())
                    .add(task("Call", "2023-11-20"), Scope::In);
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
                assert!(world.links().iter().all(|link| link.intent.is_none()));
            }
        }
    }
}

#[test]
fn a_refused_task_does_not_block_the_others() {
    let world = World::new(12);
    let refusal = tandem_sync::model::Refusal {
        code: IssueCode::UnknownValue,
        message: "no such status".to_owned(),
        fields: vec![Field::Status],
        retry: false,
    };
    world
        .crm
        .with(|state| state.faults.refuse.insert("Poison".to_owned(), refusal));
    let poison = world.mailbox.add(task("Poison", ""), Scope::In);
    world.mailbox.add(task("Fine", ""), Scope::In);
    world.session();
    assert_eq!(count(&world, CRM), 1);
    assert_eq!(world.issues(), [(MAILBOX, IssueCode::UnknownValue)]);
    world.assert_quiet();
    world.crm.with(|state| state.faults.refuse.clear());
    world.mailbox.edit(&poison, Field::Status, "waiting");
    world.session();
    assert_eq!(count(&world, CRM), 2);
    assert_eq!(world.issues(), []);
    world.settle();
}

#[test]
fn a_cleared_date_is_cleared_and_counts_for_the_organisation() {
    let world = World::new(13);
    let (mailbox, crm) = linked(&world);
    world.mailbox.edit(&mailbox, Field::Due, "");
    world.session();
    assert_eq!(world.crm.value(&crm, Field::Due), FieldValue::Empty);
    assert_eq!(world.store.with(|kept| kept.opening.org_deletes), 1);
    assert!(matches!(&world.writes(CRM)[..], [Write::Update { set, .. }] if set.len() == 1));
    assert!(world.journalled("2023-11-20"));
    world.assert_quiet();
}
