//! Sessions, one story each.

use tandem_sync::cure::cure;
use tandem_sync::model::{Access, Field, FieldRule, FieldValue, ItemId, LinkKey, Refusal, Scope, Write};
use tandem_sync::ports::StoreError;
use tandem_sync::{EndReason, FaultKind, LinkState};
use tandem_types::{
    ConflictPolicy, DeletedInMailbox, Direction, IssueCode, IssueCure, ProgressPhase, SessionOutcome, Side,
    StateReason, SyncState,
};

use crate::world::{World, known, person};

const MAILBOX: Side = Side::Mailbox;
const CRM: Side = Side::Crm;

/// One contact on both sides, linked and quiet.
fn linked(world: &World) -> (ItemId, ItemId) {
    let mailbox = world
        .mailbox
        .add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    world.settle();
    let crm = world.crm.here()[0].0.clone();
    (mailbox, crm)
}

fn count(world: &World, side: Side) -> usize {
    world.side(side).here().len()
}

#[test]
fn a_contact_of_each_side_goes_to_the_other_and_nothing_follows() {
    let world = World::new(1);
    world
        .mailbox
        .add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    world.crm.add(person("Bob", "Ray", "bob@example.com"), Scope::In);
    world
        .mailbox
        .add(person("Out", "Side", "out@example.com"), Scope::Out);
    world
        .mailbox
        .add(person("Pri", "Vate", "private@example.com"), Scope::Private);
    let report = world.session();
    assert_eq!(report.outcome(), SessionOutcome::Done);
    let counts = report.closing.counts[0];
    assert_eq!((counts.crm.created, counts.mailbox.created), (1, 1));
    assert_eq!(
        (counts.mailbox.changed, counts.crm.changed),
        (0, 0),
        "the key alone is no change"
    );
    assert_eq!(count(&world, CRM), 2);
    assert_eq!(count(&world, MAILBOX), 4);
    assert!(world.mailbox.with(|state| state.calls.contains(&"prepare")));
    world.assert_quiet();
    world.assert_quiet();
    assert!(world.store.with(|kept| kept.opening.first_round_done));
    let phases: Vec<ProgressPhase> = world
        .watch
        .progress
        .lock()
        .unwrap()
        .iter()
        .map(|p| p.phase)
        .collect();
    for phase in [
        ProgressPhase::Reading,
        ProgressPhase::Comparing,
        ProgressPhase::Writing,
    ] {
        assert!(phases.contains(&phase), "{phase:?}");
    }
}

#[test]
fn an_idle_session_commits_nothing_and_asks_once() {
    let world = World::new(2);
    linked(&world);
    let before = world.store.commits.load(std::sync::atomic::Ordering::Relaxed);
    let asked = world.store.asked.load(std::sync::atomic::Ordering::Relaxed);
    world.assert_quiet();
    assert_eq!(
        (world.calls(MAILBOX), world.calls(CRM)),
        (vec!["changes"], vec!["changes"])
    );
    assert_eq!(
        world.store.asked.load(std::sync::atomic::Ordering::Relaxed),
        asked + 1
    );
    assert_eq!(
        world.store.commits.load(std::sync::atomic::Ordering::Relaxed),
        before
    );
}

#[test]
fn a_changed_field_goes_over_and_only_that() {
    let world = World::new(3);
    let (mailbox, crm) = linked(&world);
    world.mailbox.edit(&mailbox, Field::Department, "Sales");
    world.session();
    let [Write::Update { set, key, mark, .. }] = &world.writes(CRM)[..] else {
        panic!()
    };
    assert_eq!(set.len(), 1);
    assert_eq!(set[&Field::Department], known("Sales"));
    assert_eq!((key, mark), (&None, &None));
    assert!(world.writes(MAILBOX).is_empty());
    world.assert_quiet();
    world.crm.edit(&crm, Field::Department, "");
    world.session();
    assert_eq!(
        world.mailbox.value(&mailbox, Field::Department),
        FieldValue::Empty
    );
    assert!(world.writes(CRM).is_empty());
    assert!(world.journalled("Sales"));
    world.assert_quiet();
}

#[test]
fn what_a_server_rewrites_is_no_change() {
    let world = World::new(4);
    world.crm.with(|state| state.rewrites = true);
    world.mailbox.with(|state| state.rewrites = true);
    let (mailbox, crm) = linked(&world);
    world.mailbox.edit(&mailbox, Field::Body, "one\r\ntwo");
    world.crm.edit(&crm, Field::GivenName, "Anna");
    world.session();
    assert_eq!(world.wrote(), 2);
    world.assert_quiet();
    // Touched, not changed: noted without a question.
    world.crm.touch(&crm, |item| {
        item.record.set(Field::Email, known(" ANN@example.com"));
    });
    world.assert_quiet();
}

#[test]
fn what_is_cut_never_comes_back() {
    let world = World::new(5);
    let (mailbox, crm) = linked(&world);
    world
        .mailbox
        .edit(&mailbox, Field::JobTitle, "Head of absolutely everything");
    world.settle();
    assert_eq!(world.crm.value(&crm, Field::JobTitle), known("Head of ab"));
    world.crm.edit(&crm, Field::Department, "Sales");
    world.settle();
    assert_eq!(
        world.mailbox.value(&mailbox, Field::JobTitle),
        known("Head of absolutely everything")
    );
}

#[test]
fn both_sides_changed_the_newer_wins_and_the_other_is_in_the_journal() {
    let world = World::new(6);
    let (mailbox, crm) = linked(&world);
    world
        .mailbox
        .edit(&mailbox, Field::Department, "from the mailbox");
    world.minutes(3);
    world.crm.edit(&crm, Field::Department, "from the crm");
    world.crm.edit(&crm, Field::MobilePhone, "1");
    world.mailbox.edit(&mailbox, Field::HomePhone, "2");
    world.minutes(3);
    world.crm.touch(&crm, |_| {});
    world.session();
    assert_eq!(
        world.mailbox.value(&mailbox, Field::Department),
        known("from the crm")
    );
    assert_eq!(world.mailbox.value(&mailbox, Field::MobilePhone), known("1"));
    assert_eq!(world.crm.value(&crm, Field::HomePhone), known("2"));
    assert!(world.journalled("from the mailbox"));
    world.assert_quiet();
}

#[test]
fn ask_leaves_both_and_says_so_until_one_side_gives_in() {
    let world = World::new(7);
    world.settings(|settings| settings.contact_conflicts = ConflictPolicy::Ask);
    let (mailbox, crm) = linked(&world);
    world.mailbox.edit(&mailbox, Field::Department, "a");
    world.crm.edit(&crm, Field::Department, "b");
    world.session();
    assert_eq!(world.wrote(), 0);
    assert_eq!(world.issues(), [(CRM, IssueCode::Conflict)]);
    world.assert_quiet();
    world.crm.edit(&crm, Field::Department, "a");
    world.session();
    assert_eq!(world.issues(), []);
    world.assert_quiet();
}

/// What was deleted in the mailbox, and whose record another pair has followed a merge into: it is that one's now.
#[test]
fn a_record_that_a_pair_has_followed_is_paired_once() {
    for bring_back in [true, false] {
        let world = World::new(95);
        let (mailbox, crm) = linked(&world);
        let other = world.crm.add(person("Bob", "Ray", "bob@example.com"), Scope::In);
        world.settle();
        world.mailbox.delete(&mailbox);
        world.session();
        assert_eq!(world.issues(), [(CRM, IssueCode::DeletedInMailbox)]);
        let ended = world
            .links()
            .into_iter()
            .find(|link| link.mailbox_id.as_ref() == Some(&mailbox))
            .unwrap();
        world.crm.merge_into(&other, &crm);
        world.settle();
        assert_eq!(world.issues(), [], "it has an item in the mailbox again");
        if bring_back {
            // Chosen on a page that was still open.
            let now = tandem_sync::ports::Clock::now(&*world.clock);
            let link = cure(&ended, IssueCure::BringBack, now, LinkKey("f".repeat(32))).unwrap();
            world.store.with(|kept| kept.links.insert(link.id.clone(), link));
        } else {
            let back = world.mailbox.file(&mailbox);
            world.mailbox.touch(&back, |item| item.gone = None);
        }
        world.settle();
        let pairs = world
            .links()
            .into_iter()
            .filter(|link| link.state == LinkState::Live && link.crm_id.as_ref() == Some(&crm));
        assert_eq!(pairs.count(), 1);
        assert_eq!(count(&world, MAILBOX), if bring_back { 1 } else { 2 });
        let told = [(MAILBOX, IssueCode::MergedIntoLinked)];
        assert_eq!(world.issues(), if bring_back { &told[..0] } else { &told[..] });
        world.assert_quiet();
    }
}

#[test]
fn deleted_in_the_mailbox_is_kept_in_the_crm_and_offered() {
    let world = World::new(8);
    let (mailbox, crm) = linked(&world);
    world.mailbox.delete(&mailbox);
    world.session();
    assert_eq!(world.wrote(), 0);
    assert_eq!(
        world.links()[0].state,
        LinkState::Ended(EndReason::DeletedInMailbox)
    );
    assert_eq!(world.issues(), [(CRM, IssueCode::DeletedInMailbox)]);
    world.assert_quiet();
    // The record that is left may be edited: nothing is created again by itself.
    world.crm.edit(&crm, Field::Department, "Sales");
    world.session();
    assert_eq!((world.wrote(), count(&world, MAILBOX)), (0, 0));
    world.minutes(25 * 60);
    world.session();
    assert_eq!(
        (world.wrote(), count(&world, MAILBOX)),
        (0, 0),
        "nor by the full compare"
    );
}

fn cured(world: &World, which: IssueCure) {
    let link = world.links()[0].clone();
    let now = tandem_sync::ports::Clock::now(&*world.clock);
    let link = cure(&link, which, now, LinkKey("f".repeat(32))).expect("this cure applies");
    world.store.with(|kept| kept.links.insert(link.id.clone(), link));
}

#[test]
fn bring_back_and_delete_there() {
    for which in [IssueCure::BringBack, IssueCure::DeleteThere] {
        let world = World::new(9);
        let (mailbox, crm) = linked(&world);
        world.mailbox.delete(&mailbox);
        world.session();
        assert_eq!(
            cure(
                &world.links()[0],
                IssueCure::Ignore,
                tandem_types::Timestamp(0),
                LinkKey("f".repeat(32))
            ),
            None
        );
        cured(&world, which);
        world.session();
        assert_eq!(world.issues(), [], "{which:?}");
        if which == IssueCure::BringBack {
            assert_eq!((count(&world, MAILBOX), count(&world, CRM)), (1, 1));
            world.crm.edit(&crm, Field::Department, "Sales");
            world.session();
            assert_eq!(
                world.mailbox.here()[0].1.record.get(Field::Department),
                &known("Sales")
            );
        } else {
            assert_eq!((count(&world, MAILBOX), count(&world, CRM)), (0, 0));
            assert_eq!(world.links()[0].state, LinkState::Ended(EndReason::DeletedOnBoth));
            assert!(world.journalled("ann@example.com"));
        }
        world.settle();
        world.assert_quiet();
    }
}

/// A choice that the settings no longer allow is not owed for ever: it rests, and is done once they do.
#[test]
fn a_choice_that_the_settings_forbid_rests() {
    let world = World::new(91);
    let (mailbox, _) = linked(&world);
    world.mailbox.delete(&mailbox);
    world.session();
    cured(&world, IssueCure::BringBack);
    world.settings(|settings| settings.contacts = Direction::ToCrm);
    world.session();
    let [link] = &world.links()[..] else { panic!() };
    assert_eq!((link.state, link.intent), (LinkState::Dormant, None));
    assert_eq!(count(&world, MAILBOX), 0);
    world.assert_quiet();
    world.settings(|settings| settings.contacts = Direction::TwoWay);
    world.minutes(25 * 60);
    world.settle();
    assert_eq!((count(&world, MAILBOX), count(&world, CRM)), (1, 1));
    world.assert_quiet();

    let world = World::new(92);
    let (mailbox, _) = linked(&world);
    world.mailbox.delete(&mailbox);
    world.session();
    cured(&world, IssueCure::DeleteThere);
    world.store.with(|kept| kept.issues.clear());
    world.settings(|settings| settings.contacts = Direction::ToMailbox);
    world.session();
    assert_eq!((world.wrote(), count(&world, CRM)), (0, 1));
    assert_eq!(
        world.links()[0].state,
        LinkState::Ended(EndReason::DeletedInMailbox)
    );
    assert_eq!(
        world.issues(),
        [(CRM, IssueCode::DeletedInMailbox)],
        "offered again"
    );
    world.assert_quiet();
}

#[test]
fn deleted_in_the_mailbox_as_the_settings_say() {
    for (policy, left) in [(DeletedInMailbox::Recreate, 1), (DeletedInMailbox::DeleteOwn, 0)] {
        let world = World::new(10);
        world.settings(|settings| settings.contact_deleted_in_mailbox = policy);
        let (mailbox, _) = linked(&world);
        world.mailbox.delete(&mailbox);
        world.settle();
        assert_eq!(
            (count(&world, MAILBOX), count(&world, CRM)),
            (left, left),
            "{policy:?}"
        );
        world.assert_quiet();
    }
}

#[test]
fn deleted_in_the_crm_goes_to_deleted_items() {
    let world = World::new(11);
    let (_, crm) = linked(&world);
    world.crm.delete(&crm);
    let report = world.session();
    assert_eq!(report.closing.counts[0].mailbox.deleted, 1);
    assert_eq!(count(&world, MAILBOX), 0);
    assert_eq!(world.links()[0].state, LinkState::Ended(EndReason::DeletedInCrm));
    assert!(world.journalled("ann@example.com"));
    world.assert_quiet();
}

#[test]
fn an_edit_beats_a_delete() {
    for side in Side::BOTH {
        let world = World::new(12);
        let (mailbox, crm) = linked(&world);
        match side {
            MAILBOX => {
                world.mailbox.delete(&mailbox);
                world.crm.edit(&crm, Field::Department, "Sales");
            }
            CRM => {
                world.crm.delete(&crm);
                world.mailbox.edit(&mailbox, Field::Department, "Sales");
            }
        }
        world.settle();
        assert_eq!((count(&world, MAILBOX), count(&world, CRM)), (1, 1), "{side:?}");
        assert_eq!(
            world.side(side).here()[0].1.record.get(Field::Department),
            &known("Sales")
        );
        assert_eq!(world.links().len(), 1);
        world.assert_quiet();
    }
}

#[test]
fn an_edit_that_comes_while_we_delete_beats_it_too() {
    let world = World::new(13);
    let (mailbox, crm) = linked(&world);
    world.crm.delete(&crm);
    // The delete's own re-reading sees it, or the version of the write does.
    let late = (mailbox.clone(), Field::Department, "late".to_owned());
    world.mailbox.with(|state| state.faults.meddle.push(late));
    world.settle();
    assert_eq!((count(&world, MAILBOX), count(&world, CRM)), (1, 1));
    assert_eq!(
        world.crm.here()[0].1.record.get(Field::Department),
        &known("late")
    );
}

#[test]
fn deleted_on_both_sides_ends_quietly() {
    let world = World::new(14);
    let (mailbox, crm) = linked(&world);
    world.mailbox.delete(&mailbox);
    world.crm.delete(&crm);
    world.session();
    assert_eq!(world.wrote(), 0);
    assert_eq!(world.issues(), []);
    assert_eq!(world.links()[0].state, LinkState::Ended(EndReason::DeletedOnBoth));
}

#[test]
fn absent_is_not_deleted() {
    for side in Side::BOTH {
        let world = World::new(15);
        let (mailbox, crm) = linked(&world);
        let id = if side == MAILBOX { &mailbox } else { &crm };
        world.side(side).touch(id, |item| item.hidden = true);
        // Salesforce does not say that something cannot be seen any more: only the full compare finds out.
        world.minutes(25 * 60);
        world.session();
        assert_eq!(world.wrote(), 0, "{side:?}");
        assert_eq!(world.links()[0].state, LinkState::Live);
        assert_eq!(world.issues(), [(CRM, IssueCode::FateUnknown)]);
        world.assert_quiet();
        world.side(side).touch(id, |item| {
            item.hidden = false;
            item.record.set(Field::Department, known("back"));
        });
        world.session();
        assert_eq!(world.issues(), []);
        for (side, id) in [(MAILBOX, &mailbox), (CRM, &crm)] {
            assert_eq!(world.side(side).value(id, Field::Department), known("back"));
        }
    }
}

#[test]
fn a_moved_item_is_found_by_its_key() {
    let world = World::new(16);
    let (mailbox, crm) = linked(&world);
    let moved = world.mailbox.file(&mailbox);
    world.session();
    assert_eq!(world.wrote(), 0);
    assert_eq!(world.links()[0].mailbox_id.as_ref(), Some(&moved));
    world.crm.edit(&crm, Field::Department, "Sales");
    world.session();
    assert_eq!(world.mailbox.value(&moved, Field::Department), known("Sales"));
    assert_eq!(world.links().len(), 1);
}

#[test]
fn an_item_that_moved_without_a_key_is_known_by_its_address() {
    let world = World::new(65);
    let (mailbox, crm) = linked(&world);
    world.mailbox.touch(&mailbox, |item| item.key = None);
    world.mailbox.with(|state| state.log.clear());
    world
        .store
        .with(|kept| kept.opening.mailbox_cursor = Some(tandem_sync::model::Cursor("since:0".to_owned())));
    let moved = world.mailbox.file(&mailbox);
    world.mailbox.with(|state| state.log.retain(|id| *id == moved));
    world.settle();
    assert_eq!((count(&world, CRM), world.links().len()), (1, 1));
    assert_eq!(world.links()[0].mailbox_id.as_ref(), Some(&moved));
    assert_eq!(world.links()[0].crm_id.as_ref(), Some(&crm));
}

#[test]
fn a_copy_is_a_person_of_its_own() {
    let world = World::new(17);
    let (mailbox, _) = linked(&world);
    let original = world.mailbox.here()[0].1.clone();
    let copy = world
        .mailbox
        .add(person("Copy", "Lee", "copy@example.com"), Scope::In);
    world.mailbox.touch(&copy, |item| item.key = original.key.clone());
    assert!(original.key.is_some(), "the key was written");
    world.settle();
    let links = world.links();
    assert_eq!((count(&world, CRM), links.len()), (2, 2));
    assert!(
        links
            .iter()
            .any(|link| link.mailbox_id.as_ref() == Some(&mailbox))
    );
    let keys: std::collections::BTreeSet<_> = world
        .mailbox
        .here()
        .into_iter()
        .map(|(_, item)| item.key)
        .collect();
    assert_eq!(keys.len(), 2, "the copy got a key of its own");
}

/// What the user took out stays out; what he copied from it and did not take out is a person like any other.
#[test]
fn a_copy_of_what_was_taken_out_is_a_person_of_its_own() {
    let world = World::new(93);
    let (mailbox, _) = linked(&world);
    world.mailbox.touch(&mailbox, |item| item.extra.unsync = true);
    world.settle();
    assert_eq!(world.links()[0].state, LinkState::Ended(EndReason::Unsynced));
    let key = world.mailbox.here()[0].1.key.clone();
    assert!(key.is_some());
    let copy = world
        .mailbox
        .add(person("Copy", "Lee", "copy@example.com"), Scope::In);
    world.mailbox.touch(&copy, |item| item.key = key);
    world.settle();
    assert_eq!(count(&world, CRM), 2);
    let of_copy = |link: &tandem_sync::Link| link.mailbox_id.as_ref() == Some(&copy);
    assert!(
        world
            .links()
            .iter()
            .any(|link| of_copy(link) && link.state == LinkState::Live)
    );
    world.assert_quiet();
}

/// A record that waits because it looks like another's gets its own item back when the user restores that.
#[test]
fn a_restored_item_goes_back_to_the_record_that_waits_for_it() {
    let world = World::new(94);
    let crm = world.crm.add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    world.settle();
    let mailbox = world.mailbox.here()[0].0.clone();
    world.settings(|settings| settings.contact_deleted_in_mailbox = DeletedInMailbox::Recreate);
    world.mailbox.delete(&mailbox);
    let twin = world.crm.add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    world.session();
    let issues = world.issues();
    assert_eq!(
        issues,
        [(CRM, IssueCode::SeveralMatches), (CRM, IssueCode::SeveralMatches)]
    );
    let [link] = &world.links()[..] else { panic!() };
    assert_eq!((&link.mailbox_id, link.crm_id.as_ref()), (&None, Some(&crm)));
    // Restored, under another id.
    world.mailbox.touch(&mailbox, |item| item.gone = None);
    let restored = world.mailbox.file(&mailbox);
    world.crm.touch(&twin, |_| {});
    world.settle();
    let pairs: std::collections::BTreeMap<_, _> = world
        .links()
        .into_iter()
        .map(|link| (link.crm_id.unwrap(), (link.mailbox_id, link.state)))
        .collect();
    assert_eq!(pairs[&crm], (Some(restored), LinkState::Live));
    assert_eq!(
        count(&world, MAILBOX),
        2,
        "and the other record gets one of its own"
    );
    assert_eq!(pairs[&twin].1, LinkState::Live);
    assert_eq!(world.issues(), []);
    world.assert_quiet();
}

/// Deleted and brought back by the user: no other item that looks like it takes its record meanwhile.
#[test]
fn a_restored_item_keeps_its_record_beside_one_that_looks_like_it() {
    let world = World::new(95);
    let (mailbox, crm) = linked(&world);
    world.mailbox.delete(&mailbox);
    world.session();
    assert_eq!(
        world.links()[0].state,
        LinkState::Ended(EndReason::DeletedInMailbox)
    );
    world.mailbox.touch(&mailbox, |item| item.gone = None);
    let restored = world.mailbox.file(&mailbox);
    let twin = world
        .mailbox
        .add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    world.settle();
    let pairs: std::collections::BTreeMap<_, _> = world
        .links()
        .into_iter()
        .map(|link| (link.mailbox_id.unwrap(), link.crm_id.unwrap()))
        .collect();
    assert_eq!(pairs[&restored], crm);
    assert_ne!(pairs[&twin], crm);
    world.minutes(25 * 60);
    world.session();
    assert_eq!(world.wrote(), 0, "a full compare finds nothing to repair");
}

/// Merged since the user chose to delete it, the record is another one, and more: he is asked again.
#[test]
fn what_was_merged_since_is_not_deleted_by_the_choice_of_before() {
    let world = World::new(96);
    let (mailbox, crm) = linked(&world);
    world.mailbox.delete(&mailbox);
    world.session();
    cured(&world, IssueCure::DeleteThere);
    world.store.with(|kept| kept.issues.clear());
    let winner = world
        .crm
        .add(person("Ann", "Lee-Ray", "lee@example.com"), Scope::In);
    world.crm.merge_into(&crm, &winner);
    world.session();
    assert_eq!((world.wrote(), count(&world, CRM)), (0, 1));
    let [link] = &world.links()[..] else { panic!() };
    assert_eq!(link.state, LinkState::Ended(EndReason::DeletedInMailbox));
    assert_eq!((link.crm_id.as_ref(), link.intent), (Some(&winner), None));
    assert_eq!(world.issues(), [(CRM, IssueCode::DeletedInMailbox)]);
    world.assert_quiet();
}

#[test]
fn a_copy_beside_a_moved_item_is_not_taken_for_it() {
    let world = World::new(18);
    let (mailbox, _) = linked(&world);
    let key = world.mailbox.here()[0].1.key.clone();
    let ann = || person("Ann", "Lee", "ann@example.com");
    let copy = world.mailbox.add(ann(), Scope::In);
    world.mailbox.touch(&copy, |item| item.key = key);
    let others = [world.crm.add(ann(), Scope::In), world.crm.add(ann(), Scope::In)];
    world.settle();
    assert_eq!(
        (count(&world, MAILBOX), count(&world, CRM)),
        (2, 3),
        "who is who?"
    );
    let moved = world.mailbox.file(&mailbox);
    world.crm.edit(&others[0], Field::Department, "Sales");
    world.settle();
    assert_eq!((count(&world, MAILBOX), count(&world, CRM)), (2, 3));
    assert_eq!(world.links()[0].mailbox_id.as_ref(), Some(&moved));
}

#[test]
fn what_was_deleted_on_both_sides_and_restored_is_free_for_its_match() {
    let world = World::new(19);
    let (mailbox, crm) = linked(&world);
    let item = world.mailbox.here()[0].1.clone();
    world.mailbox.delete(&mailbox);
    world.crm.delete(&crm);
    world.settle();
    assert_eq!(world.links()[0].state, LinkState::Ended(EndReason::DeletedOnBoth));
    let restored = world.mailbox.add(item.record, Scope::In);
    world.mailbox.touch(&restored, |now| now.key = item.key);
    world.settle();
    assert_eq!(count(&world, CRM), 0, "not made again by itself");
    let new = world.crm.add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    world.settle();
    assert_eq!((count(&world, MAILBOX), count(&world, CRM)), (1, 1));
    assert!(
        world
            .links()
            .iter()
            .any(|link| link.state == LinkState::Live && link.crm_id.as_ref() == Some(&new))
    );
    world.assert_quiet();
}

#[test]
fn the_category_comes_back_unless_the_item_was_filed_elsewhere() {
    let world = World::new(18);
    let (mailbox, crm) = linked(&world);
    world.mailbox.touch(&mailbox, |item| {
        item.marked = false;
        item.scope = Scope::Out;
    });
    world.session();
    assert!(world.mailbox.with(|state| state.items[&mailbox].marked));
    world.assert_quiet();

    let moved = world.mailbox.file(&mailbox);
    world.mailbox.touch(&moved, |item| {
        item.marked = false;
        item.scope = Scope::Out;
    });
    world.session();
    assert_eq!(world.wrote(), 0);
    assert_eq!(world.links()[0].state, LinkState::Dormant);
    world.crm.edit(&crm, Field::Department, "meanwhile");
    world.session();
    assert_eq!((world.wrote(), count(&world, MAILBOX)), (0, 1), "dormant");
    world.mailbox.touch(&moved, |item| {
        item.marked = true;
        item.scope = Scope::In;
    });
    world.settle();
    assert_eq!(world.links()[0].state, LinkState::Live);
    assert_eq!(world.mailbox.value(&moved, Field::Department), known("meanwhile"));
}

#[test]
fn made_private_it_sleeps_and_nothing_of_it_is_read() {
    let world = World::new(19);
    let (mailbox, crm) = linked(&world);
    world.mailbox.touch(&mailbox, |item| {
        item.scope = Scope::Private;
        item.record.set(Field::Body, known("secret"));
    });
    world.settle();
    assert_eq!(world.crm.value(&crm, Field::Body), FieldValue::Unknown);
    assert_eq!(world.links()[0].state, LinkState::Dormant);
}

#[test]
fn a_record_that_goes_to_a_colleague_takes_our_untouched_item_along() {
    for touched in [false, true] {
        let world = World::new(20);
        let crm = world.crm.add(person("Bob", "Ray", "bob@example.com"), Scope::In);
        world.settle();
        let mailbox = world.mailbox.here()[0].0.clone();
        if touched {
            world.mailbox.edit(&mailbox, Field::Department, "mine");
            world.settle();
        }
        world.crm.touch(&crm, |item| item.scope = Scope::Out);
        world.settle();
        assert_eq!(count(&world, MAILBOX), usize::from(touched), "touched: {touched}");
        assert_eq!(world.links()[0].state, LinkState::Dormant);
        world.crm.touch(&crm, |item| item.scope = Scope::In);
        world.settle();
        assert_eq!((count(&world, MAILBOX), world.links().len()), (1, 1), "it wakes");
        assert_eq!(world.links()[0].state, LinkState::Live);
        world.assert_quiet();
    }
}

/// The copy of an item whose record went to a colleague carries its key, and is no pair with that record: nobody who looks
/// like it gets a second one.
#[test]
fn a_copy_of_what_went_to_a_colleague_makes_no_room_for_another() {
    let world = World::new(97);
    let crm = world.crm.add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    world.settle();
    let key = world.mailbox.here()[0].1.key.clone();
    let ann = || {
        world
            .mailbox
            .add(person("Ann", "Lee", "ann@example.com"), Scope::In)
    };
    let (copy, _) = (ann(), ann());
    world.mailbox.touch(&copy, |item| item.key = key);
    world.crm.touch(&crm, |item| item.scope = Scope::Out);
    world.settle();
    world.minutes(25 * 60);
    world.settle();
    assert_eq!(count(&world, CRM), 1);
}

#[test]
fn a_merged_record_takes_the_link_along() {
    let world = World::new(21);
    let (mailbox, crm) = linked(&world);
    let winner = world
        .crm
        .add(person("Ann", "Lee-Ray", "lee@example.com"), Scope::Out);
    world.crm.touch(&winner, |item| item.scope = Scope::In);
    world.crm.merge_into(&crm, &winner);
    world.settle();
    assert_eq!(world.links().len(), 1);
    assert_eq!(world.links()[0].crm_id.as_ref(), Some(&winner));
    assert_eq!(world.mailbox.value(&mailbox, Field::Surname), known("Lee-Ray"));
    assert_eq!(count(&world, MAILBOX), 1);
}

#[test]
fn merged_into_a_linked_record_is_told() {
    let world = World::new(22);
    let (mailbox, crm) = linked(&world);
    let other = world.crm.add(person("Bob", "Ray", "bob@example.com"), Scope::In);
    world.settle();
    world.crm.merge_into(&crm, &other);
    world.session();
    assert_eq!(world.wrote(), 0);
    assert_eq!(world.issues(), [(MAILBOX, IssueCode::MergedIntoLinked)]);
    assert_eq!(count(&world, MAILBOX), 2);
    let link = world
        .links()
        .into_iter()
        .find(|link| link.mailbox_id.as_ref() == Some(&mailbox))
        .unwrap();
    assert_eq!(link.state, LinkState::Ended(EndReason::Merged));
    world.assert_quiet();
}

#[test]
fn what_cannot_be_found_out_is_asked_again_later_and_later() {
    let world = World::new(45);
    let (_, crm) = linked(&world);
    let chain: Vec<ItemId> = (0..60)
        .map(|n| {
            let someone = person("X", &format!("Y{n}"), &format!("y{n}@example.com"));
            world.crm.add(someone, Scope::Out)
        })
        .collect();
    for two in chain.windows(2) {
        world.crm.merge_into(&two[0], &two[1]);
    }
    world.session();
    world.crm.merge_into(&crm, &chain[0]);
    let mut waits = Vec::new();
    for _ in 0..3 {
        let report = world.session();
        assert_eq!(report.outcome(), SessionOutcome::Partial, "{:?}", report.lines);
        let due = report.closing.next_due.unwrap();
        waits.push(due.seconds_since(report.closing.ended));
    }
    for (wait, least) in waits.iter().zip([120, 240, 480]) {
        assert!((least..=least + least / 10).contains(wait), "{waits:?}");
    }
}

#[test]
fn the_same_people_on_both_sides_are_paired_not_doubled() {
    for (mailbox_keys, crm_keys) in [(true, true), (true, false), (false, false)] {
        let world = World::keyed(23, mailbox_keys, crm_keys);
        for n in 0..40 {
            let someone = person("P", &format!("N{n}"), &format!("p{n}@example.com"));
            world.mailbox.add(someone.clone(), Scope::In);
            world.crm.add(someone, Scope::In);
        }
        let report = world.session();
        assert_eq!(report.closing.counts[0].adopted, 40);
        assert_eq!((count(&world, MAILBOX), count(&world, CRM)), (40, 40));
        assert_eq!(world.links().len(), 40);
        assert!(world.writes(CRM).is_empty(), "nothing to fill, nothing to write");
        assert_eq!(
            world.writes(MAILBOX).len(),
            if mailbox_keys { 40 } else { 0 },
            "the key"
        );
        world.assert_quiet();
    }
}

#[test]
fn adopting_fills_agrees_and_leaves_alone() {
    let world = World::new(24);
    let mut mine = person("Ann", "Lee", "Ann@Example.com");
    mine.set(Field::Department, known("mine"));
    mine.set(Field::HomePhone, known("1"));
    mine.set(Field::JobTitle, known("A very long title"));
    let mut theirs = person("Ann", "Lee", "ann@example.com");
    theirs.set(Field::Department, known("theirs"));
    theirs.set(Field::MobilePhone, known("2"));
    theirs.set(Field::JobTitle, known("A very lon"));
    let mailbox = world.mailbox.add(mine, Scope::In);
    let crm = world.crm.add(theirs, Scope::In);
    world.session();
    let get = |field| (world.mailbox.value(&mailbox, field), world.crm.value(&crm, field));
    assert_eq!(get(Field::Department), (known("mine"), known("theirs")));
    assert_eq!(get(Field::HomePhone), (known("1"), known("1")));
    assert_eq!(get(Field::MobilePhone), (known("2"), known("2")));
    assert_eq!(
        get(Field::JobTitle),
        (known("A very long title"), known("A very lon"))
    );
    assert_eq!(world.issues(), [(CRM, IssueCode::Differences)]);
    let detail = world.store.with(|kept| kept.issues.values().next().cloned());
    assert_eq!(detail.as_deref(), Some("department"));
    world.assert_quiet();
    world.crm.edit(&crm, Field::Department, "mine");
    world.session();
    assert_eq!(world.issues(), [], "over when they agree");
}

/// The user chose while one side did not show the field: his choice waits until it does.
#[test]
fn a_choice_about_what_cannot_be_read_waits() {
    let world = World::new(95);
    let mut mine = person("Ann", "Lee", "ann@example.com");
    let mut theirs = mine.clone();
    mine.set(Field::Department, known("mine"));
    theirs.set(Field::Department, known("theirs"));
    world.mailbox.add(mine, Scope::In);
    let crm = world.crm.add(theirs, Scope::In);
    world.settle();
    world.crm.touch(&crm, |item| {
        item.record.set(Field::Department, FieldValue::Unknown);
    });
    cured(&world, IssueCure::KeepMine);
    world.settle();
    world.crm.edit(&crm, Field::Department, "theirs");
    world.settle();
    assert_eq!(world.crm.value(&crm, Field::Department), known("mine"));
    world.assert_quiet();
}

/// What is refused keeps nobody busy who sleeps; and what is apart is told to whoever wakes, also by the user's own word.
#[test]
fn who_sleeps_is_told_of_no_refusal_and_who_is_woken_of_what_is_apart() {
    let world = World::new(96);
    let mut mine = person("Ann", "Lee", "ann@example.com");
    let mut theirs = mine.clone();
    mine.set(Field::Department, known("mine"));
    theirs.set(Field::Department, known("theirs"));
    let mailbox = world.mailbox.add(mine, Scope::In);
    world.crm.add(theirs, Scope::In);
    world.settle();
    let refusal = Refusal {
        code: IssueCode::Refused,
        message: String::new(),
        fields: Vec::new(),
        retry: false,
    };
    world
        .crm
        .with(|state| state.faults.refuse.insert("Lee".to_owned(), refusal));
    world.mailbox.edit(&mailbox, Field::HomePhone, "1");
    world.session();
    assert_eq!(
        world.issues(),
        [(CRM, IssueCode::Differences), (CRM, IssueCode::Refused)]
    );
    let moved = world.mailbox.file(&mailbox);
    world.mailbox.touch(&moved, |item| {
        item.marked = false;
        item.scope = Scope::Out;
    });
    world.session();
    assert_eq!(world.links()[0].state, LinkState::Dormant);
    assert_eq!(world.issues(), []);
    world.crm.with(|state| state.faults.refuse.clear());
    cured(&world, IssueCure::Retry);
    world.settle();
    assert_eq!(world.links()[0].state, LinkState::Live);
    assert_eq!(world.issues(), [(CRM, IssueCode::Differences)]);
}

#[test]
fn a_record_that_comes_down_adopts_an_item_outside_of_the_scope() {
    let world = World::new(25);
    let mailbox = world
        .mailbox
        .add(person("Ann", "Lee", "ann@example.com"), Scope::Out);
    world.crm.add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    world.session();
    assert_eq!((count(&world, MAILBOX), count(&world, CRM)), (1, 1));
    assert!(world.mailbox.with(|state| state.items[&mailbox].marked));
    world.assert_quiet();
}

#[test]
fn a_private_item_is_no_match() {
    let world = World::new(26);
    let private = world
        .mailbox
        .add(person("Ann", "Lee", "ann@example.com"), Scope::Private);
    world.crm.add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    world.session();
    assert!(
        world
            .links()
            .iter()
            .all(|link| link.mailbox_id.as_ref() != Some(&private))
    );
    assert_eq!(world.mailbox.with(|state| state.items[&private].version), 1);
}

#[test]
fn a_colleagues_record_is_not_doubled_and_not_touched() {
    let world = World::new(27);
    world
        .mailbox
        .add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    let crm = world.crm.add(person("Ann", "Ray", "ann@example.com"), Scope::Out);
    world.session();
    assert_eq!(world.wrote(), 0);
    assert_eq!(world.links()[0].state, LinkState::Dormant);
    assert_eq!(world.issues(), [(CRM, IssueCode::NoPermission)]);
    world.assert_quiet();
    world.crm.touch(&crm, |item| item.scope = Scope::In);
    world.settle();
    assert_eq!(world.links()[0].state, LinkState::Live);
    assert_eq!(world.issues(), [(CRM, IssueCode::Differences)]);
}

#[test]
fn who_was_paired_with_what_is_gone_after_a_merge_is_paired_anew() {
    let world = World::new(59);
    world
        .mailbox
        .add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    let crm = world.crm.add(person("Ann", "Ray", "ann@example.com"), Scope::Out);
    world.settle();
    assert_eq!(world.links()[0].state, LinkState::Dormant);
    let winner = world.crm.add(person("Ann", "May", "may@example.com"), Scope::Out);
    world.crm.merge_into(&crm, &winner);
    world.settle();
    world.crm.delete(&winner);
    world.settle();
    let new = world.crm.add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    world.settle();
    assert_eq!((count(&world, MAILBOX), count(&world, CRM)), (1, 1));
    assert!(world.links().iter().any(|link| {
        link.state == LinkState::Live && link.crm_id.as_ref() == Some(&new) && link.mailbox_id.is_some()
    }));
    world.assert_quiet();
}

#[test]
fn several_matches_create_nothing() {
    let world = World::new(28);
    let first = world
        .mailbox
        .add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    world
        .mailbox
        .add(person("Ann", "Lee", "ANN@example.com"), Scope::In);
    world.session();
    assert_eq!(world.wrote(), 0);
    assert_eq!(
        world.issues(),
        [
            (MAILBOX, IssueCode::SeveralMatches),
            (MAILBOX, IssueCode::SeveralMatches)
        ]
    );
    world.crm.add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    world.session();
    assert_eq!(world.wrote(), 0, "one record, two items");
    world.assert_quiet();
    world.mailbox.delete(&first);
    let crm = world.crm.here()[0].0.clone();
    world.crm.edit(&crm, Field::Department, "Sales");
    world.session();
    assert_eq!(world.links().len(), 1, "now it is the only one on both sides");
    assert!(!world.issues().contains(&(CRM, IssueCode::SeveralMatches)));
    world.assert_quiet();
}

#[test]
fn twins_stay_twins_when_only_one_of_them_is_touched() {
    let world = World::new(29);
    let first = world
        .mailbox
        .add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    world
        .mailbox
        .add(person("Bea", "Lee", "ann@example.com"), Scope::In);
    world.session();
    world.mailbox.edit(&first, Field::Department, "Sales");
    world.session();
    assert_eq!(world.wrote(), 0);
}

#[test]
fn a_linked_record_is_adopted_by_nobody_else() {
    let world = World::new(30);
    linked(&world);
    let second = world
        .mailbox
        .add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    world.session();
    let links = world.links();
    let link = links
        .iter()
        .find(|link| link.mailbox_id.as_ref() == Some(&second))
        .unwrap();
    assert_ne!(
        Some(link.crm_id.clone()),
        links
            .iter()
            .find(|other| other.id != link.id)
            .map(|l| l.crm_id.clone())
    );
}

#[test]
fn by_name_only_where_one_side_has_no_address_and_something_else_agrees() {
    for (mail, phone, paired) in [
        ("", "+49 30 123456", true),
        ("", "+49 30 999999", false),
        ("b@x.org", "+49 30 123456", false),
    ] {
        let world = World::new(31);
        let mut mine = person("Ann", "Lee", "ann@example.com");
        mine.set(Field::MobilePhone, known("+49 (30) 123-456"));
        let mut theirs = person("ann", "LEE", mail);
        theirs.set(Field::BusinessPhone, known(phone));
        world.mailbox.add(mine, Scope::In);
        world.crm.add(theirs, Scope::In);
        world.session();
        assert_eq!(count(&world, CRM), if paired { 1 } else { 2 }, "{mail} {phone}");
        assert_eq!(
            count(&world, MAILBOX),
            if paired { 1 } else { 2 },
            "{mail} {phone}"
        );
    }
}

/// Of three that could be meant by name, the one that comes later is no better match than the two that were told.
#[test]
fn by_name_too_a_match_is_the_only_one_on_both_sides() {
    let world = World::new(97);
    let ann = || {
        let mut ann = person("Ann", "Lee", "");
        ann.set(Field::BusinessPhone, known("+49 30 123456"));
        ann
    };
    world.mailbox.add(ann(), Scope::In);
    world.crm.add(ann(), Scope::In);
    world.crm.add(ann(), Scope::In);
    world.session();
    assert_eq!(world.wrote(), 0);
    world.crm.add(ann(), Scope::In);
    world.session();
    assert_eq!((world.wrote(), world.links().len()), (0, 0));
    world.minutes(25 * 60);
    world.session();
    assert_eq!(world.wrote(), 0, "nor when everything is compared");
}

#[test]
fn a_new_item_for_a_record_whose_item_was_deleted_takes_its_place() {
    let world = World::new(32);
    let (mailbox, _) = linked(&world);
    world.mailbox.delete(&mailbox);
    world.session();
    world
        .mailbox
        .add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    world.settle();
    assert_eq!((count(&world, MAILBOX), count(&world, CRM)), (1, 1));
    assert_eq!(world.links().len(), 1);
    assert_eq!(world.issues(), []);
}

#[test]
fn what_cannot_be_created_is_told_and_tried_again_when_it_changes() {
    let world = World::new(33);
    let nameless = world.mailbox.add(person("Ann", "", "ann@example.com"), Scope::In);
    let mut lead = person("Lea", "Der", "lead@example.com");
    lead.set(Field::Department, known("LEAD"));
    world.crm.add(lead, Scope::Out);
    world
        .mailbox
        .add(person("Lea", "Der", "lead@example.com"), Scope::In);
    world.session();
    assert_eq!(world.wrote(), 0);
    assert_eq!(
        world.issues(),
        [
            (MAILBOX, IssueCode::LastNameMissing),
            (MAILBOX, IssueCode::LeadExists)
        ]
    );
    world.assert_quiet();
    world.mailbox.edit(&nameless, Field::Surname, "Lee");
    world.settle();
    assert_eq!(world.issues(), [(MAILBOX, IssueCode::LeadExists)]);
    assert_eq!(world.links().len(), 1);
}

#[test]
fn a_surname_that_is_cleared_is_not_cleared_in_the_crm() {
    let world = World::new(34);
    let (mailbox, crm) = linked(&world);
    world.mailbox.edit(&mailbox, Field::Surname, "");
    world.session();
    assert_eq!(world.wrote(), 0);
    assert_eq!(world.issues(), [(CRM, IssueCode::LastNameMissing)]);
    world.mailbox.edit(&mailbox, Field::Surname, "Ray");
    world.session();
    assert_eq!(world.crm.value(&crm, Field::Surname), known("Ray"));
    assert_eq!(world.issues(), []);
}

#[test]
fn a_company_that_changes_later_is_told_once() {
    let world = World::new(35);
    let (mailbox, _) = linked(&world);
    world.mailbox.edit(&mailbox, Field::Company, "Acme");
    world.session();
    assert_eq!(world.wrote(), 0);
    assert_eq!(world.issues(), [(CRM, IssueCode::CompanyChanged)]);
    world.assert_quiet();
    world.mailbox.edit(&mailbox, Field::Company, "");
    world.session();
    assert_eq!(world.issues(), []);
}

#[test]
fn the_limit_of_contacts() {
    let world = World::new(36);
    world.settings(|settings| settings.contact_limit = 3);
    for n in 0..5 {
        world.minutes(1);
        world.crm.add(
            person("P", &format!("N{n}"), &format!("p{n}@example.com")),
            Scope::In,
        );
    }
    world.session();
    assert_eq!(count(&world, MAILBOX), 3);
    assert_eq!(world.issues(), [(CRM, IssueCode::OverLimit); 2]);
    let surnames: Vec<_> = world
        .mailbox
        .here()
        .into_iter()
        .map(|(_, item)| item.record.get(Field::Surname).clone())
        .collect();
    assert!(surnames.contains(&known("N0")), "the oldest come first");
    world.assert_quiet();
}

#[test]
fn a_refused_item_does_not_block_the_others() {
    for retry in [false, true] {
        let world = World::new(37);
        let poison = world
            .mailbox
            .add(person("Poi", "Son", "poison@example.com"), Scope::In);
        for n in 0..7 {
            world.mailbox.add(
                person("P", &format!("N{n}"), &format!("p{n}@example.com")),
                Scope::In,
            );
        }
        let refusal = Refusal {
            code: IssueCode::DuplicateRule,
            message: "no".to_owned(),
            fields: vec![Field::Surname],
            retry,
        };
        world
            .crm
            .with(|state| state.faults.refuse.insert("Son".to_owned(), refusal));
        let report = world.session();
        assert_eq!(report.outcome(), SessionOutcome::Done);
        assert_eq!(count(&world, CRM), 7);
        assert_eq!(world.issues(), [(MAILBOX, IssueCode::DuplicateRule)]);
        world.session();
        assert_eq!(
            world.wrote(),
            usize::from(retry),
            "only what may work later is tried again"
        );
        world.crm.with(|state| state.faults.refuse.clear());
        if !retry {
            world.mailbox.edit(&poison, Field::Department, "Sales");
        }
        world.settle();
        assert_eq!(count(&world, CRM), 8);
        assert_eq!(world.issues(), []);
        assert_eq!(world.links().len(), 8);
    }
}

#[test]
fn a_refused_update_stays_known_and_goes_over_later() {
    for retry in [false, true] {
        let world = World::new(38);
        let (mailbox, crm) = linked(&world);
        let refusal = Refusal {
            code: IssueCode::Refused,
            message: String::new(),
            fields: Vec::new(),
            retry,
        };
        world
            .crm
            .with(|state| state.faults.refuse.insert("Lee".to_owned(), refusal));
        world.mailbox.edit(&mailbox, Field::Department, "Sales");
        world.session();
        assert_eq!(world.issues(), [(CRM, IssueCode::Refused)]);
        world.session();
        assert_eq!(world.wrote(), usize::from(retry));
        world.crm.with(|state| state.faults.refuse.clear());
        if !retry {
            world.minutes(25 * 60);
        }
        world.settle();
        assert_eq!(world.crm.value(&crm, Field::Department), known("Sales"));
        assert_eq!(world.issues(), []);
    }
}

#[test]
fn a_create_whose_answer_is_lost_is_done_once() {
    for (keys, effect) in [(true, true), (true, false), (false, true), (false, false)] {
        for side in Side::BOTH {
            let world = World::keyed(39, true, keys);
            world
                .side(side.other())
                .add(person("Ann", "Lee", "ann@example.com"), Scope::In);
            world
                .side(side)
                .with(|state| state.faults.doubt = Some((0, effect)));
            world.session();
            assert_eq!(world.links()[0].intent.map(|intent| intent.side), Some(side));
            world.settle();
            assert_eq!(count(&world, side), 1, "keys {keys}, effect {effect}");
            assert_eq!(world.links().len(), 1);
            assert_eq!(world.links()[0].intent, None);
            world.assert_quiet();
        }
    }
}

/// A create was put off, and a colleague who took it over has made the record, from what his copy said: with nobody agreed
/// on, none of it goes over what stands here once the record is the user's.
#[test]
fn what_another_made_under_the_same_key_was_not_sent_by_us() {
    let world = World::keyed(98, true, true);
    let mut ann = person("Ann", "Lee", "ann@example.com");
    ann.set(Field::Department, known("mine"));
    let refusal = Refusal {
        code: IssueCode::StorageFull,
        message: String::new(),
        fields: Vec::new(),
        retry: true,
    };
    world
        .crm
        .with(|state| state.faults.refuse.insert("Lee".to_owned(), refusal));
    let mailbox = world.mailbox.add(ann.clone(), Scope::In);
    world.session();
    world.crm.with(|state| state.faults.refuse.clear());
    ann.set(Field::Department, known("theirs"));
    let crm = world.crm.add(ann, Scope::Out);
    let key = world.links()[0].key.clone();
    world.crm.touch(&crm, |item| item.key = Some(key));
    world.settle();
    assert_eq!(world.links()[0].state, LinkState::Dormant);
    world.crm.touch(&crm, |item| item.scope = Scope::In);
    world.settle();
    assert_eq!(world.links()[0].crm_id, Some(crm));
    assert_eq!(world.mailbox.value(&mailbox, Field::Department), known("mine"));
    world.assert_quiet();
}

#[test]
fn a_create_in_doubt_that_could_be_several_is_asked() {
    let world = World::keyed(40, true, false);
    world.mailbox.add(person("Ann", "Lee", ""), Scope::In);
    world.crm.with(|state| state.faults.doubt = Some((0, false)));
    world.session();
    for _ in 0..2 {
        world.crm.add(person("Ann", "Lee", ""), Scope::In);
    }
    world.session();
    assert_eq!(world.wrote(), 0);
    assert_eq!(world.issues(), [(MAILBOX, IssueCode::CreateInDoubt)]);
    let first = world.crm.here()[0].0.clone();
    world.crm.delete(&first);
    world.settle();
    assert_eq!(count(&world, CRM), 1);
    assert_eq!(world.issues(), []);
}

/// A create that was refused has made nothing, and of one that was lost nobody knows: a record like it is the user's own.
#[test]
fn a_record_like_the_one_that_could_not_be_made_is_adopted() {
    for refused in [true, false] {
        let world = World::keyed(93, true, false);
        let ann = person("Ann", "Lee", "ann@example.com").with(Field::Department, "Sales");
        let mailbox = world.mailbox.add(ann, Scope::In);
        world.crm.with(|state| {
            if refused {
                let refusal = Refusal {
                    code: IssueCode::StorageFull,
                    message: String::new(),
                    fields: Vec::new(),
                    retry: true,
                };
                state.faults.refuse.insert("Lee".to_owned(), refusal);
            } else {
                state.faults.doubt = Some((0, false));
            }
        });
        world.session();
        assert!(world.links()[0].intent.is_some());
        world.crm.with(|state| state.faults.refuse.clear());
        let theirs = person("Ann", "Lee", "ann@example.com").with(Field::HomePhone, "1");
        let crm = world.crm.add(theirs, Scope::In);
        world.settle();
        assert_eq!((count(&world, CRM), count(&world, MAILBOX)), (1, 1));
        let [link] = &world.links()[..] else { panic!() };
        assert_eq!((link.intent, link.made_on), (None, None), "refused {refused}");
        for (side, id) in [(MAILBOX, &mailbox), (CRM, &crm)] {
            assert_eq!(world.side(side).value(id, Field::Department), known("Sales"));
            assert_eq!(world.side(side).value(id, Field::HomePhone), known("1"));
        }
        assert_eq!(world.issues(), []);
        world.assert_quiet();
    }
}

/// Nor is the record of another person taken for it that has some of its words.
#[test]
fn what_was_refused_takes_no_record_of_another() {
    let world = World::keyed(94, true, false);
    world
        .mailbox
        .add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    let refusal = Refusal {
        code: IssueCode::StorageFull,
        message: String::new(),
        fields: Vec::new(),
        retry: true,
    };
    world
        .crm
        .with(|state| state.faults.refuse.insert("Lee".to_owned(), refusal));
    world.session();
    world.crm.with(|state| state.faults.refuse.clear());
    world.crm.add(person("Ann", "Lee", "lee@example.com"), Scope::In);
    world.session();
    assert!(world.calls(CRM).iter().all(|call| *call != "created"));
    world.settle();
    assert_eq!((count(&world, CRM), count(&world, MAILBOX)), (2, 2));
    assert_eq!(world.links().len(), 2);
}

/// The one with the same content that was made minutes before is somebody else's already.
#[test]
fn a_create_in_doubt_takes_nothing_that_is_linked() {
    let world = World::keyed(67, true, false);
    world.mailbox.add(person("Ann", "Lee", ""), Scope::In);
    world.session();
    world.mailbox.add(person("Ann", "Lee", ""), Scope::In);
    world.minutes(-8);
    world.crm.with(|state| state.faults.doubt = Some((0, false)));
    world.session();
    world.minutes(-8);
    world.settle();
    assert_eq!((count(&world, CRM), world.links().len()), (2, 2));
    let ids: std::collections::BTreeSet<_> = world.links().into_iter().map(|link| link.crm_id).collect();
    assert_eq!(ids.len(), 2);
}

#[test]
fn two_of_the_same_content_in_doubt() {
    let world = World::keyed(41, true, false);
    world.mailbox.add(person("Ann", "Lee", ""), Scope::In);
    world.mailbox.add(person("Ann", "Lee", ""), Scope::In);
    world.crm.with(|state| state.faults.doubt = Some((0, true)));
    world.session();
    world.settle();
    assert_eq!((count(&world, CRM), world.links().len()), (2, 2));
}

#[test]
fn a_change_under_our_hands_is_merged_in_the_same_session() {
    let world = World::new(42);
    let (mailbox, crm) = linked(&world);
    world.mailbox.edit(&mailbox, Field::Department, "Sales");
    let late = (crm.clone(), Field::HomePhone, "late".to_owned());
    world.crm.with(|state| state.faults.meddle.push(late));
    world.session();
    for (side, id) in [(MAILBOX, &mailbox), (CRM, &crm)] {
        assert_eq!(world.side(side).value(id, Field::HomePhone), known("late"));
        assert_eq!(world.side(side).value(id, Field::Department), known("Sales"));
    }
    world.settle();
}

/// A side that does not check versions says what it replaced.
#[test]
fn what_was_replaced_unseen_is_journalled_and_told() {
    let world = World::new(66);
    let (mailbox, crm) = linked(&world);
    world.crm.with(|state| state.blind = true);
    world.mailbox.edit(&mailbox, Field::Department, "ours");
    world.crm.with(|state| {
        let late = |field, text: &str| (crm.clone(), field, text.to_owned());
        state.faults.meddle = vec![late(Field::Department, "unseen"), late(Field::HomePhone, "late")];
    });
    world.session();
    assert_eq!(world.crm.value(&crm, Field::Department), known("ours"));
    assert!(world.journalled("unseen"));
    assert_eq!(world.issues(), [(CRM, IssueCode::ReplacedUnseen)]);
    assert_eq!(
        world.mailbox.value(&mailbox, Field::HomePhone),
        known("late"),
        "in the same session"
    );
    world.assert_quiet();
}

#[test]
fn cut_off_between_the_two_sides_of_one_pair() {
    for side in Side::BOTH {
        let world = World::new(64);
        let (mailbox, crm) = linked(&world);
        world.mailbox.edit(&mailbox, Field::Department, "up");
        world.crm.edit(&crm, Field::HomePhone, "down");
        // Each side is asked for its changes and its profile, then written to.
        let fault = FaultKind::Transient { retry_after: None };
        world
            .side(side)
            .with(|state| state.faults.call = Some((2, fault)));
        assert_eq!(world.session().outcome(), SessionOutcome::Failed);
        assert_eq!(world.session().outcome(), SessionOutcome::Done);
        for (side, id) in [(MAILBOX, &mailbox), (CRM, &crm)] {
            assert_eq!(world.side(side).value(id, Field::Department), known("up"));
            assert_eq!(world.side(side).value(id, Field::HomePhone), known("down"));
        }
        world.assert_quiet();
    }
}

#[test]
fn an_update_in_doubt_is_read_again() {
    for effect in [true, false] {
        let world = World::new(43);
        let (mailbox, crm) = linked(&world);
        world.mailbox.edit(&mailbox, Field::Department, "Sales");
        world.crm.with(|state| state.faults.doubt = Some((0, effect)));
        world.session();
        world.settle();
        assert_eq!(world.crm.value(&crm, Field::Department), known("Sales"));
        world.assert_quiet();
    }
}

#[test]
fn an_item_that_vanishes_before_the_write_is_traced_in_the_next_session() {
    let world = World::new(44);
    let (mailbox, crm) = linked(&world);
    world.mailbox.edit(&mailbox, Field::Department, "Sales");
    // Salesforce forgets to say so: only the write notices.
    world.crm.with(|state| state.log.truncate(state.log.len()));
    world.crm.touch(&crm, |item| item.gone = Some(None));
    world.crm.with(|state| {
        state.log.pop();
    });
    world.settle();
    assert_eq!(
        (count(&world, MAILBOX), count(&world, CRM)),
        (1, 1),
        "the edit beats the delete"
    );
    assert_eq!(
        world.crm.here()[0].1.record.get(Field::Department),
        &known("Sales")
    );
}

#[test]
fn directions() {
    for direction in [Direction::ToCrm, Direction::ToMailbox, Direction::Off] {
        let world = World::new(45);
        world.settings(|settings| {
            settings.contacts = direction;
            settings.events = Direction::Off;
            settings.tasks = Direction::Off;
            settings.emails = Direction::Off;
        });
        world
            .mailbox
            .add(person("Ann", "Lee", "ann@example.com"), Scope::In);
        world.crm.add(person("Bob", "Ray", "bob@example.com"), Scope::In);
        world.session();
        let down = usize::from(direction.writes_mailbox());
        let up = usize::from(direction.writes_crm());
        assert_eq!(
            (count(&world, MAILBOX), count(&world, CRM)),
            (1 + down, 1 + up),
            "{direction:?}"
        );
        if !direction.writes_mailbox() {
            assert!(world.writes(MAILBOX).is_empty(), "not even a key");
        }
        if direction == Direction::Off {
            assert!(world.calls(MAILBOX).is_empty() && world.calls(CRM).is_empty());
        }
        for side in Side::BOTH {
            for (id, _) in world.side(side).here() {
                world.side(side).edit(&id, Field::Department, side.as_str());
            }
        }
        world.session();
        assert_eq!(world.writes(MAILBOX).len(), down, "{direction:?}");
        assert_eq!(world.writes(CRM).len(), up, "{direction:?}");
        // Turned on again, nothing was lost.
        world.settings(|settings| settings.contacts = Direction::TwoWay);
        world.minutes(25 * 60);
        world.settle();
        assert_eq!(
            (count(&world, MAILBOX), count(&world, CRM)),
            (2, 2),
            "{direction:?}"
        );
    }
}

#[test]
fn the_preview_waits_two_minutes_then_goes_on() {
    let world = World::new(46);
    world.store.with(|kept| {
        kept.opening.released = false;
        kept.opening.state = SyncState::Activating;
    });
    world
        .mailbox
        .add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    let report = world.session();
    assert_eq!(report.outcome(), SessionOutcome::Preview);
    assert_eq!(world.wrote(), 0);
    assert!(world.links().is_empty());
    assert_eq!(
        (report.closing.state, world.reason()),
        (SyncState::Active, Some(StateReason::WaitingForPreview))
    );
    let view = report.closing.preview.unwrap();
    assert_eq!(view.counts[0].crm.created, 1);
    assert_eq!(view.starts_at, Some(report.closing.ended.plus_seconds(120)));
    assert_eq!(report.closing.next_due, view.starts_at);
    assert_eq!(world.session().outcome(), SessionOutcome::Done);
    assert_eq!(count(&world, CRM), 1);
    assert_eq!(world.reason(), None);
    assert!(
        world
            .store
            .with(|kept| kept.closing.clone())
            .unwrap()
            .preview
            .is_none()
    );
    world.assert_quiet();
}

#[test]
fn past_the_limits_the_preview_waits_for_start() {
    let world = World::new(47);
    world.store.with(|kept| kept.opening.released = false);
    for n in 0..26 {
        world.mailbox.add(
            person("P", &format!("N{n}"), &format!("p{n}@example.com")),
            Scope::In,
        );
    }
    for _ in 0..3 {
        let report = world.session();
        assert_eq!(
            (report.outcome(), report.closing.next_due),
            (SessionOutcome::Preview, None)
        );
        assert_eq!(world.wrote(), 0);
    }
    world.store.with(|kept| kept.opening.released = true);
    assert_eq!(world.session().outcome(), SessionOutcome::Done);
    assert_eq!(count(&world, CRM), 26);
    assert!(
        !world.store.with(|kept| kept.opening.released),
        "for this round only"
    );
}

#[test]
fn the_brake_stops_before_the_first_write() {
    let world = World::new(48);
    for n in 0..60 {
        world.mailbox.add(
            person("P", &format!("N{n}"), &format!("p{n}@example.com")),
            Scope::In,
        );
    }
    world.settle();
    let records: Vec<_> = world.crm.here();
    for (id, _) in &records[..26] {
        world.crm.delete(id);
    }
    let report = world.session();
    assert_eq!(report.outcome(), SessionOutcome::StoppedByBrake);
    assert_eq!((world.wrote(), count(&world, MAILBOX)), (0, 60));
    assert_eq!(world.reason(), Some(StateReason::StoppedByBrake));
    assert_eq!(report.closing.next_due, None);
    assert_eq!(
        report.closing.brake.as_ref().unwrap().counts[0].mailbox.deleted,
        26
    );
    world.store.with(|kept| kept.opening.released = true);
    assert_eq!(world.session().outcome(), SessionOutcome::Done);
    assert_eq!(count(&world, MAILBOX), 34);
    assert_eq!(world.reason(), None);
    world.assert_quiet();
}

#[test]
fn the_brake_counts_what_is_overwritten() {
    let world = World::new(49);
    for n in 0..10 {
        world.mailbox.add(
            person("P", &format!("N{n}"), &format!("p{n}@example.com")),
            Scope::In,
        );
    }
    world.settle();
    for (id, _) in world.crm.here() {
        for field in [Field::GivenName, Field::Surname, Field::Email] {
            world
                .crm
                .edit(&id, field, if field == Field::GivenName { "" } else { "x" });
        }
        world.crm.edit(&id, Field::Department, "filled, not overwritten");
    }
    let report = world.session();
    assert_eq!(report.outcome(), SessionOutcome::StoppedByBrake);
    assert_eq!(report.closing.brake.unwrap().overwritten, 30);
    assert_eq!(world.wrote(), 0);
}

#[test]
fn a_side_that_is_suddenly_empty_stops() {
    for side in Side::BOTH {
        let world = World::new(50);
        for n in 0..4 {
            world.mailbox.add(
                person("P", &format!("N{n}"), &format!("p{n}@example.com")),
                Scope::In,
            );
        }
        world.settle();
        for (id, _) in world.side(side).here() {
            world.side(side).delete(&id);
        }
        let report = world.session();
        assert_eq!(report.outcome(), SessionOutcome::StoppedByBrake, "{side:?}");
        assert!(report.closing.brake.unwrap().side_empty);
        assert_eq!((world.wrote(), count(&world, side.other())), (0, 4));
        assert!(world.links().iter().all(|link| link.state == LinkState::Live));
    }
}

#[test]
fn six_refusals_ask_for_activation() {
    let world = World::new(51);
    linked(&world);
    for n in 1..=6 {
        world
            .mailbox
            .with(|state| state.faults.call = Some((0, FaultKind::Rejected)));
        let report = world.session();
        assert_eq!(report.outcome(), SessionOutcome::Rejected);
        assert_eq!(world.calls(MAILBOX), ["changes"], "one logon, no more");
        assert_eq!(world.reason(), Some(StateReason::MailServerRefused));
        let closing = report.closing;
        assert_eq!(closing.rejections, n);
        let waits = closing.next_due.map(|due| due.seconds_since(closing.ended) / 60);
        if n < 6 {
            assert_eq!((closing.state, waits), (SyncState::Active, Some(30 << (n - 1))));
        } else {
            assert_eq!((closing.state, waits), (SyncState::NeedsActivation, None));
        }
    }
    let report = world.session();
    assert_eq!(
        (report.closing.rejections, report.closing.state),
        (0, SyncState::Active)
    );
    assert_eq!(world.reason(), None);
}

#[test]
fn faults_keep_the_servers_patience() {
    let world = World::new(52);
    linked(&world);
    let wait = std::time::Duration::from_hours(1);
    let kind = FaultKind::RateLimited {
        retry_after: Some(wait),
        whole_org: true,
    };
    world.crm.with(|state| state.faults.call = Some((0, kind)));
    let report = world.session();
    assert_eq!(report.outcome(), SessionOutcome::Failed);
    assert_eq!(report.whole_org, Some(Some(wait)));
    assert!(
        report
            .closing
            .next_due
            .unwrap()
            .seconds_since(report.closing.ended)
            >= 3_600
    );
    assert_eq!(report.closing.failures, 1);
    assert_eq!(world.reason(), Some(StateReason::Quota));
    world
        .crm
        .with(|state| state.faults.call = Some((0, FaultKind::SignInEnded)));
    let report = world.session();
    assert_eq!(report.outcome(), SessionOutcome::SignInEnded);
    assert_eq!(world.reason(), Some(StateReason::SalesforceSignInEnded));
    assert_eq!(report.closing.next_due, None);
}

#[test]
fn an_expired_cursor_reads_everything_and_writes_nothing() {
    for side in Side::BOTH {
        let world = World::new(53);
        for n in 0..20 {
            world.mailbox.add(
                person("P", &format!("N{n}"), &format!("p{n}@example.com")),
                Scope::In,
            );
        }
        world.settle();
        world.side(side).with(|state| state.faults.expired = true);
        let report = world.session();
        assert_eq!((report.outcome(), world.wrote()), (SessionOutcome::Done, 0));
        if side == MAILBOX {
            assert!(
                world.calls(side).contains(&"prepare"),
                "removed folders come back"
            );
        }
        world.assert_quiet();
    }
}

#[test]
fn the_daily_compare_finds_what_nobody_told() {
    let world = World::new(54);
    let (mailbox, crm) = linked(&world);
    world.crm.edit(&crm, Field::Department, "untold");
    world.crm.with(|state| state.log.pop());
    world.session();
    assert_eq!(world.wrote(), 0);
    world.minutes(25 * 60);
    world.session();
    assert_eq!(world.mailbox.value(&mailbox, Field::Department), known("untold"));
    world.assert_quiet();
}

#[test]
fn a_field_that_turns_unreadable_changes_nothing_and_comes_back() {
    let world = World::new(55);
    let (mailbox, crm) = linked(&world);
    world.mailbox.edit(&mailbox, Field::Department, "Sales");
    world.settle();
    world
        .crm
        .with(|state| state.contacts().fields.remove(&Field::Department));
    world.crm.edit(&crm, Field::HomePhone, "1");
    world.mailbox.edit(&mailbox, Field::Department, "Service");
    world.settle();
    assert_eq!(world.mailbox.value(&mailbox, Field::Department), known("Service"));
    assert_eq!(world.mailbox.value(&mailbox, Field::HomePhone), known("1"));
    world.crm.with(|state| {
        state
            .contacts()
            .fields
            .insert(Field::Department, FieldRule::default())
    });
    world.minutes(25 * 60);
    world.settle();
    assert_eq!(world.crm.value(&crm, Field::Department), known("Service"));
}

/// A contact with a department that the user may not see in Salesforce yet.
fn linked_unseen(world: &World) -> (ItemId, ItemId) {
    world
        .crm
        .with(|state| state.contacts().fields.remove(&Field::Department));
    let mut ann = person("Ann", "Lee", "ann@example.com");
    ann.set(Field::Department, known("Sales"));
    let mailbox = world.mailbox.add(ann, Scope::In);
    world.settle();
    let crm = world.crm.here()[0].0.clone();
    (mailbox, crm)
}

fn now_seen(world: &World) {
    world.crm.with(|state| {
        state
            .contacts()
            .fields
            .insert(Field::Department, FieldRule::default())
    });
}

#[test]
fn a_refusal_is_told_until_both_sides_were_compared() {
    let world = World::new(57);
    let (mailbox, crm) = linked_unseen(&world);
    now_seen(&world);
    let refusal = Refusal {
        code: IssueCode::Refused,
        message: String::new(),
        fields: Vec::new(),
        retry: false,
    };
    world
        .crm
        .with(|state| state.faults.refuse.insert("Lee".to_owned(), refusal));
    world.minutes(25 * 60);
    world.session();
    assert_eq!(world.issues(), [(CRM, IssueCode::Refused)]);
    // The mailbox item is as it was agreed on: what Salesforce lacks is owed all the same.
    world.mailbox.touch(&mailbox, |_| {});
    world.session();
    assert_eq!(world.issues(), [(CRM, IssueCode::Refused)]);
    world.assert_quiet();
    world.mailbox.edit(&mailbox, Field::Department, "");
    world.settle();
    assert_eq!(world.issues(), [], "taken back");
    world.crm.with(|state| state.faults.refuse.clear());
    world.mailbox.edit(&mailbox, Field::Department, "Service");
    world.settle();
    assert_eq!(world.crm.value(&crm, Field::Department), known("Service"));
    assert_eq!(world.issues(), []);
}

#[test]
fn what_was_never_read_beats_a_delete() {
    for filled in [false, true] {
        let world = World::new(58);
        world
            .crm
            .with(|state| state.contacts().fields.remove(&Field::Department));
        let (mailbox, crm) = linked(&world);
        now_seen(&world);
        if filled {
            world.crm.edit(&crm, Field::Department, "Sales");
        } else {
            world.crm.touch(&crm, |_| {});
        }
        world.mailbox.delete(&mailbox);
        world.settle();
        assert_eq!(count(&world, MAILBOX), usize::from(filled));
        assert_eq!(count(&world, CRM), 1);
    }
}

#[test]
fn a_read_only_field_is_never_written() {
    let world = World::new(56);
    let rule = FieldRule {
        access: Access::ReadOnly,
        ..FieldRule::default()
    };
    world
        .crm
        .with(|state| state.contacts().fields.insert(Field::Department, rule));
    let (mailbox, crm) = linked(&world);
    world.mailbox.edit(&mailbox, Field::Department, "mine");
    world.settle();
    assert_eq!(world.crm.value(&crm, Field::Department), FieldValue::Unknown);
    world.crm.edit(&crm, Field::Department, "theirs");
    world.settle();
    assert_eq!(world.mailbox.value(&mailbox, Field::Department), known("theirs"));
}

#[test]
fn a_first_round_that_is_stopped_again_and_again_ends() {
    let world = World::new(57);
    let world = World {
        limits: tandem_sync::session::Limits {
            writes: 10,
            ..world.limits
        },
        ..world
    };
    for n in 0..50 {
        world.mailbox.add(
            person("P", &format!("N{n}"), &format!("p{n}@example.com")),
            Scope::In,
        );
    }
    let mut partial = 0;
    while world.session().outcome() == SessionOutcome::Partial {
        partial += 1;
        assert!(partial < 30, "it does not get on");
        let closing = world.store.with(|kept| kept.closing.clone()).unwrap();
        assert_eq!(closing.next_due, Some(closing.ended), "goes on at once");
    }
    assert!(partial >= 4, "{partial}");
    assert_eq!((count(&world, CRM), world.links().len()), (50, 50));
    world.settle();
}

#[test]
fn a_reading_that_is_cut_goes_on_where_it_was() {
    let world = World::new(58);
    let world = World {
        limits: tandem_sync::session::Limits {
            items: 10,
            ..world.limits
        },
        ..world
    };
    for n in 0..50 {
        world.mailbox.add(
            person("P", &format!("N{n:02}"), &format!("p{n}@example.com")),
            Scope::In,
        );
    }
    assert_eq!(world.session().outcome(), SessionOutcome::Partial);
    for _ in 0..10 {
        world.session();
    }
    assert_eq!(count(&world, CRM), 50);
    world.assert_quiet();
    assert!(world.store.with(|kept| kept.opening.last_full.is_some()));
}

#[test]
fn two_of_one_address_are_told_though_a_listing_in_parts_shows_them_apart() {
    let world = World::new(64);
    let world = World {
        limits: tandem_sync::session::Limits {
            items: 10,
            ..world.limits
        },
        ..world
    };
    let twin = || person("Ann", "Lee", "ann@example.com");
    // Salesforce lists by id: one of them comes in the first part, and the other in the last.
    world.crm.add(twin(), Scope::In);
    for n in 0..20 {
        world.crm.add(
            person("P", &format!("N{n:02}"), &format!("p{n}@example.com")),
            Scope::In,
        );
    }
    world.crm.add(twin(), Scope::In);
    for _ in 0..10 {
        world.session();
    }
    assert_eq!(
        count(&world, MAILBOX),
        20,
        "nobody can tell which of the two is meant"
    );
    let told = world
        .issues()
        .into_iter()
        .filter(|issue| *issue == (CRM, IssueCode::SeveralMatches))
        .count();
    assert_eq!(told, 2);
}

#[test]
fn asked_to_stop_it_stops_at_a_safe_point() {
    let world = World::new(59);
    for n in 0..30 {
        world.mailbox.add(
            person("P", &format!("N{n}"), &format!("p{n}@example.com")),
            Scope::In,
        );
    }
    *world.watch.stop_after.lock().unwrap() = Some(8);
    let report = world.session();
    assert_eq!(report.outcome(), SessionOutcome::Partial);
    assert!(count(&world, CRM) < 30);
    assert_eq!(
        world.store.with(|kept| kept.opening.mailbox_cursor.clone()),
        None,
        "cursor after effects"
    );
    *world.watch.stop_after.lock().unwrap() = None;
    world.settle();
    assert_eq!(count(&world, CRM), 30);
}

#[test]
fn a_dry_run_leaves_no_trace() {
    let world = World {
        dry_run: true,
        ..World::new(60)
    };
    world
        .mailbox
        .add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    let report = world.session();
    assert_eq!(report.outcome(), SessionOutcome::Preview);
    assert_eq!(report.lines.len(), 1);
    assert!(
        report.lines[0].starts_with("create in crm: mailbox"),
        "{}",
        report.lines[0]
    );
    assert_eq!(world.wrote(), 0);
    assert!(!world.calls(MAILBOX).contains(&"prepare"));
    assert_eq!(world.store.commits.load(std::sync::atomic::Ordering::Relaxed), 0);
    assert!(world.store.with(|kept| kept.closing.is_none()));
    // What waits for the user's answer still waits for it.
    world
        .store
        .with(|kept| kept.opening.reason = Some(StateReason::WaitingForPreview));
    let closing = world.session().closing;
    assert_eq!(closing.reason, Some(StateReason::WaitingForPreview));
    assert_eq!(closing.next_due, closing.preview.and_then(|view| view.starts_at));
}

#[test]
fn the_lease_is_renewed() {
    let world = World::new(61);
    let world = World {
        limits: tandem_sync::session::Limits {
            lease: std::time::Duration::from_millis(10),
            ..world.limits
        },
        ..world
    };
    for n in 0..30 {
        world.mailbox.add(
            person("P", &format!("N{n}"), &format!("p{n}@example.com")),
            Scope::In,
        );
    }
    world.session();
    assert!(world.store.renewed.load(std::sync::atomic::Ordering::Relaxed) > 2);
}

struct Thief<'a>(&'a World);
impl tandem_sync::ports::Observer for Thief<'_> {
    fn progress(&self, progress: tandem_types::Progress) {
        if progress.phase == ProgressPhase::Writing && progress.done == 3 {
            self.0.store.with(|kept| kept.fence += 1);
        }
    }
    fn should_stop(&self) -> bool {
        false
    }
}

#[test]
fn the_loss_of_the_lease_stops_everything() {
    let world = World::new(62);
    for n in 0..30 {
        world.mailbox.add(
            person("P", &format!("N{n}"), &format!("p{n}@example.com")),
            Scope::In,
        );
    }
    let result = futures::executor::block_on(async {
        use tandem_sync::ports::Store as _;
        let session = "5".repeat(32).parse().unwrap();
        let now = tandem_sync::ports::Clock::now(&*world.clock);
        let pick = tandem_sync::ports::Pick::Due;
        let lease = world
            .store
            .claim(&pick, "t", session, now, world.limits.lease)
            .await
            .unwrap()
            .unwrap();
        let cx = tandem_sync::session::Context {
            mailbox: &world.mailbox,
            crm: &world.crm,
            store: &world.store,
            clock: &*world.clock,
            rng: &*world.rng,
            observer: &Thief(&world),
            dry_run: false,
            limits: world.limits,
        };
        tandem_sync::session::run(&cx, lease).await
    });
    assert!(matches!(result, Err(StoreError::LeaseLost)));
    assert_eq!(count(&world, CRM), 3, "nothing after the loss");
    assert!(world.store.with(|kept| kept.closing.is_none()));
    world.settle();
    assert_eq!(count(&world, CRM), 30);
}

/// What is left apart was agreed with nobody: emptied there before the pair is noted, it is filled.
#[test]
fn a_pair_that_changes_while_it_is_made_is_a_first_pair_still() {
    let world = World::new(161);
    let (mailbox, crm) = (
        person("Ann", "Lee", "ann@example.com")
            .with(Field::Birthday, "1990-01-02")
            .with(Field::MobilePhone, "+49 30 1"),
        person("Ann", "Lee", "ann@example.com")
            .with(Field::Birthday, "1990-01-03")
            .with(Field::JobTitle, "Clerk"),
    );
    let (mailbox, crm) = (
        world.mailbox.add(mailbox, Scope::In),
        world.crm.add(crm, Scope::In),
    );
    let late = (crm.clone(), Field::Birthday, String::new());
    world.crm.with(|state| state.faults.meddle.push(late));
    world.settle();
    assert!(world.crm.with(|state| state.faults.meddle.is_empty()));
    assert_eq!(
        world.mailbox.value(&mailbox, Field::Birthday),
        known("1990-01-02")
    );
    assert_eq!(world.crm.value(&crm, Field::Birthday), known("1990-01-02"));
    assert_eq!(world.mailbox.value(&mailbox, Field::JobTitle), known("Clerk"));
}

/// Where its record went is known, although nobody can tell where its mailbox item is.
#[test]
fn a_pair_goes_on_with_the_record_of_a_merge_while_its_mailbox_item_cannot_be_found() {
    let world = World::new(162);
    let mailbox = world
        .mailbox
        .add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    world.settle();
    let loser = world.crm.here()[0].0.clone();
    let winner = world
        .crm
        .add(person("Anna", "Lee", "anna@example.com"), Scope::In);
    world.crm.merge_into(&loser, &winner);
    world.mailbox.touch(&mailbox, |item| item.hidden = true);
    world.session();
    assert!(world.issues().contains(&(CRM, IssueCode::FateUnknown)));
    assert_eq!(world.links().len(), 1, "the winner is no new record");
    assert_eq!(world.links()[0].crm_id, Some(winner.clone()));
    world.mailbox.touch(&mailbox, |item| item.hidden = false);
    world.settle();
    let link = &world.links()[0];
    assert_eq!((&link.mailbox_id, &link.crm_id), (&Some(mailbox), &Some(winner)));
    assert!(!world.issues().contains(&(CRM, IssueCode::FateUnknown)));
    assert_eq!(world.mailbox.here().len(), 1);
}

/// As long as its mailbox item cannot be found, the record that a pair went on with is held by one pair all the same.
#[test]
fn what_a_merge_left_is_held_once_while_a_mailbox_item_cannot_be_found() {
    let world = World::new(163);
    let mailbox = world
        .mailbox
        .add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    world.settle();
    let loser = world.crm.here()[0].0.clone();
    let winner = world.crm.add(person("Bob", "Ray", "bob@example.com"), Scope::In);
    world.crm.merge_into(&loser, &winner);
    world.mailbox.touch(&mailbox, |item| item.hidden = true);
    world
        .mailbox
        .add(person("Bob", "Ray", "bob@example.com"), Scope::In);
    world.settle();
    world.mailbox.touch(&mailbox, |item| item.hidden = false);
    world.settle();
    let holders = world
        .links()
        .into_iter()
        .filter(|link| link.crm_id.as_ref() == Some(&winner) && !matches!(link.state, LinkState::Ended(_)));
    assert_eq!(holders.count(), 1);
}

/// Nothing in the engine grows with the square of the contacts: ten times as many take ten times as long, not a
/// hundred times. (A square would take minutes here.)
#[test]
fn ten_thousand_contacts_are_paired_in_one_session() {
    let world = World::new(63);
    for side in Side::BOTH {
        world.side(side).with(|state| state.page = 5_000);
        for n in 0..10_000 {
            let someone = person("P", &format!("N{n}"), &format!("p{n}@example.com"));
            world.side(side).add(someone, Scope::In);
        }
    }
    let report = world.session();
    assert_eq!(report.closing.counts[0].adopted, 10_000);
    assert_eq!(world.links().len(), 10_000);
    world.minutes(25 * 60);
    world.session();
    assert_eq!(world.wrote(), 0, "a full compare finds nothing");
}
