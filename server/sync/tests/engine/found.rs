//! What long runs of the simulation found, one story each.

use tandem_sync::model::{Field, FieldValue, ItemId, Record, Refusal, Scope, instant};
use tandem_sync::ports::{Clock as _, StoreError};
use tandem_sync::{EndReason, Link, LinkState};
use tandem_types::{DeletedInMailbox, IssueCode, ItemKind, Side};

use crate::world::{World, known, person};

const MAILBOX: Side = Side::Mailbox;
const CRM: Side = Side::Crm;
const DAY: i64 = 24 * 3600;

fn count(world: &World, side: Side) -> usize {
    world.side(side).here().len()
}

/// One contact on both sides, linked and quiet.
fn linked(world: &World) -> (ItemId, ItemId) {
    let mailbox = world
        .mailbox
        .add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    world.settle();
    (mailbox, world.crm.here()[0].0.clone())
}

fn event(world: &World, subject: &str) -> Record {
    let start = world.clock.now().plus_seconds(DAY);
    Record::new(ItemKind::Event)
        .with(Field::Subject, subject)
        .with(
            Field::When,
            &format!("{}/{}", instant(start), instant(start.plus_seconds(3600))),
        )
        .with(Field::ShowAs, "busy")
        .with(Field::Private, "no")
}

/// A copy of a mailbox item, made by hand: it carries the key along.
fn copied(world: &World, id: &ItemId) -> ItemId {
    let item = world.mailbox.with(|state| state.items[id].clone());
    let copy = world.mailbox.add(item.record, item.scope);
    world.mailbox.touch(&copy, |copy| copy.key = item.key);
    copy
}

/// Links that still hold a record.
fn holders(world: &World, record: &ItemId) -> Vec<Link> {
    let holds =
        |link: &Link| link.crm_id.as_ref() == Some(record) && !matches!(link.state, LinkState::Ended(_));
    world.links().into_iter().filter(holds).collect()
}

fn refusal(retry: bool, fields: Vec<Field>) -> Refusal {
    Refusal {
        code: IssueCode::Refused,
        message: "no".to_owned(),
        fields,
        retry,
    }
}

/// What the user copied from a card carries its key, also after an undo has taken the card back: a second record of the
/// same person finds the copy, and is not made a second time beside it.
#[test]
fn a_copy_of_what_an_undo_took_back_is_the_users_own() {
    let world = World::new(301);
    let first = world.crm.add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    world.settle();
    let card = world.mailbox.here()[0].0.clone();
    let copy = copied(&world, &card);
    world.store.with(|kept| {
        for link in kept.links.values_mut() {
            link.state = LinkState::Ended(EndReason::Undone);
        }
    });
    world.mailbox.delete(&card);
    world.settle();
    let second = world.crm.add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    world.settle();
    let living = world.mailbox.here();
    assert_eq!(living.iter().map(|(id, _)| id).collect::<Vec<_>>(), [&copy]);
    let [link] = &holders(&world, &second)[..] else {
        panic!()
    };
    assert_eq!(link.mailbox_id, Some(copy));
    // What the undo has ended stays ended.
    assert!(holders(&world, &first).is_empty());
    assert!(
        world
            .links()
            .iter()
            .any(|link| link.crm_id == Some(first.clone()))
    );
    world.assert_quiet();
}

/// Where the organisation has no keys, what a lost create has made is known by its words. Edited since, it may have none
/// of them left: then the user is asked, and nothing is made a second time.
#[test]
fn what_was_edited_before_its_create_was_noted_is_asked_about() {
    let all = [Field::When, Field::Location, Field::Body, Field::Subject];
    for edited in 1..=all.len() {
        let world = World::keyed(302, true, false);
        let mut visit = event(&world, "Visit");
        visit.set(Field::Location, known("here"));
        visit.set(Field::Body, known("words"));
        world.mailbox.add(visit, Scope::In);
        world.crm.with(|state| state.faults.doubt = Some((0, true)));
        world.session();
        let made = world.crm.here()[0].0.clone();
        world.minutes(1);
        for field in &all[..edited] {
            let text = match field {
                Field::When => event(&world, "").get(Field::When).known().unwrap().to_owned(),
                _ => "other".to_owned(),
            };
            world.crm.edit(&made, *field, &text);
        }
        world.settle();
        assert_eq!((count(&world, CRM), count(&world, MAILBOX)), (1, 1), "{edited}");
        let asked = world.issues() == [(MAILBOX, IssueCode::CreateInDoubt)];
        let found = world.links()[0].crm_id == Some(made);
        assert!(asked != found, "{edited}");
        assert_eq!(found, edited < 3, "two words are enough");
    }
}

/// What somebody made at that time and left as it was, holds its first words: others than were sent.
#[test]
fn what_nobody_edited_is_not_taken_for_a_lost_create() {
    let world = World::keyed(303, true, false);
    world.mailbox.add(event(&world, "Visit"), Scope::In);
    world.crm.with(|state| state.faults.doubt = Some((0, false)));
    world.session();
    world.minutes(-5);
    world.crm.add(event(&world, "Another"), Scope::In);
    world.settle();
    assert_eq!((count(&world, CRM), count(&world, MAILBOX)), (2, 2));
    assert_eq!(world.issues(), []);
}

/// A place that could not be read when its event was made private is taken away when the event is made again.
#[test]
fn what_a_mask_could_not_take_away_goes_when_the_event_is_made_again() {
    for hidden_then in [false, true] {
        let world = World::new(304);
        let mut visit = event(&world, "Visit");
        visit.set(Field::Location, known("at the doctor's"));
        let mailbox = world.mailbox.add(visit, Scope::In);
        world.settle();
        let crm = world.crm.here()[0].0.clone();
        let hide = |value: FieldValue| {
            world
                .crm
                .touch(&crm, |item| item.record.set(Field::Location, value));
        };
        hide(FieldValue::Unknown);
        world.mailbox.edit(&mailbox, Field::Private, "yes");
        world.settle();
        assert_eq!(world.crm.value(&crm, Field::Subject), known("Private"));
        if !hidden_then {
            hide(known("at the doctor's"));
        }
        // An edit there beats the delete here.
        world.crm.edit(&crm, Field::Reminder, "15");
        world.mailbox.delete(&mailbox);
        world.settle();
        assert_eq!((count(&world, CRM), count(&world, MAILBOX)), (1, 1));
        if hidden_then {
            hide(known("at the doctor's"));
            // Everything is compared once a day.
            world.minutes(25 * 60);
            world.settle();
        }
        assert_eq!(
            world.crm.value(&crm, Field::Location),
            FieldValue::Empty,
            "hidden then {hidden_then}"
        );
        assert!(world.journalled("at the doctor's"));
        // What somebody writes there later is his affair.
        world.crm.edit(&crm, Field::Location, "his words");
        world.settle();
        assert_eq!(world.crm.value(&crm, Field::Location), known("his words"));
    }
}

/// What is left of an update after a refusal is sent only when what became of the first request is noted: who has lost the
/// lease meanwhile sends nothing more.
#[test]
fn the_rest_of_a_refused_update_is_not_sent_before_the_refusal_is_noted() {
    let world = World::new(305);
    let (mailbox, _) = linked(&world);
    let no = refusal(false, vec![Field::Department]);
    world
        .crm
        .with(|state| state.faults.refuse.insert("Lee".to_owned(), no));
    world.mailbox.edit(&mailbox, Field::Department, "Sales");
    world.mailbox.edit(&mailbox, Field::HomePhone, "1");
    // The first commit tells what is over before anything is sent.
    *world.store.fuse.lock().unwrap() = Some(1);
    let error = world.try_session().unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    let asked = world.calls(CRM).iter().filter(|call| **call == "write").count();
    assert_eq!((asked, world.wrote()), (1, 1), "refused, and nothing after it");
}

/// A record that a pair goes on with after a merge is that pair's, although a link that has ended held it: no new card is
/// paired with it in the same session.
#[test]
fn what_a_pair_follows_is_no_longer_held_by_what_ended() {
    let world = World::new(306);
    let (_, loser) = linked(&world);
    let bob = world
        .mailbox
        .add(person("Bob", "Ray", "bob@example.com"), Scope::In);
    world.settle();
    let winner = world
        .links()
        .into_iter()
        .find(|link| link.mailbox_id.as_ref() == Some(&bob))
        .and_then(|link| link.crm_id)
        .unwrap();
    world.mailbox.delete(&bob);
    world.settle();
    assert!(holders(&world, &winner).is_empty());
    world.crm.merge_into(&loser, &winner);
    world
        .mailbox
        .add(person("Bob", "Ray", "bob@example.com"), Scope::In);
    world.session();
    assert_eq!(holders(&world, &winner).len(), 1);
    world.settle();
    assert_eq!(holders(&world, &winner).len(), 1);
}

/// A record whose card was made, and the answer lost, is a pair as soon as the card is found: another pair whose record
/// was merged into it in the meantime does not go on with it.
#[test]
fn what_a_lost_create_has_made_is_a_pair_for_a_merge_too() {
    let world = World::new(307);
    let (card, loser) = linked(&world);
    let winner = world.crm.add(person("Bob", "Ray", "bob@example.com"), Scope::In);
    world.mailbox.with(|state| state.faults.doubt = Some((0, true)));
    world.session();
    assert_eq!(count(&world, MAILBOX), 2);
    world.crm.merge_into(&loser, &winner);
    world.settle();
    let [link] = &holders(&world, &winner)[..] else {
        panic!("{:?}", holders(&world, &winner))
    };
    assert_ne!(link.mailbox_id, Some(card));
    assert_eq!(world.issues(), [(MAILBOX, IssueCode::MergedIntoLinked)]);
}

/// A card that was taken away with its record, and copied before, is made again beside the copy.
#[test]
fn what_comes_back_from_a_colleague_is_no_copy_of_what_was_taken_away() {
    let world = World::new(308);
    let crm = world.crm.add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    world.settle();
    let before = world.links()[0].key.clone();
    let card = world.mailbox.here()[0].0.clone();
    world.crm.touch(&crm, |item| item.scope = Scope::Out);
    world.settle();
    assert_eq!(count(&world, MAILBOX), 0);
    // It lies in another folder, and is somebody else there by now.
    let copy = copied(&world, &card);
    world.mailbox.touch(&copy, |item| {
        item.scope = Scope::Out;
        item.record = person("Cee", "Dee", "cee@example.com");
        item.marked = false;
        item.gone = Some(None);
    });
    world.settle();
    world.crm.touch(&crm, |item| item.scope = Scope::In);
    world.settle();
    let [link] = &holders(&world, &crm)[..] else {
        panic!()
    };
    assert_eq!(link.state, LinkState::Live);
    assert_ne!(link.key, before);
}

/// A value that the answer to a write does not show may not have been taken: nothing was agreed on, and found empty later it
/// empties nothing.
#[test]
fn what_a_write_does_not_show_was_not_agreed_on() {
    for made in [true, false] {
        let world = World::new(309);
        let mut ann = person("Ann", "Lee", "ann@example.com");
        if made {
            ann.set(Field::Department, known("Sales"));
        }
        let mailbox = world.mailbox.add(ann, Scope::In);
        if !made {
            world.settle();
            world.mailbox.edit(&mailbox, Field::Department, "Sales");
        }
        world.crm.with(|state| {
            state.faults.unread.insert(Field::Department);
        });
        world.session();
        let crm = world.crm.here()[0].0.clone();
        assert_eq!(world.crm.value(&crm, Field::Department), known("Sales"));
        world.crm.with(|state| state.faults.unread.clear());
        // It was not taken.
        world.crm.edit(&crm, Field::Department, "");
        world.settle();
        assert_eq!(
            world.mailbox.value(&mailbox, Field::Department),
            known("Sales"),
            "made {made}"
        );
        // Everything is compared once a day.
        world.minutes(25 * 60);
        world.settle();
        assert_eq!(
            world.crm.value(&crm, Field::Department),
            known("Sales"),
            "made {made}"
        );
    }
}

/// A side that the user chose, and that the other refused, is not chosen for ever: else the other would be written anew with
/// every session.
#[test]
fn a_choice_that_was_refused_is_spent() {
    let world = World::new(310);
    let (mailbox, crm) = linked(&world);
    world.mailbox.edit(&mailbox, Field::Department, "mine");
    world.crm.edit(&crm, Field::Department, "theirs");
    // The record takes something too, and before the card refuses.
    world.mailbox.edit(&mailbox, Field::HomePhone, "1");
    let no = refusal(false, Vec::new());
    world
        .mailbox
        .with(|state| state.faults.refuse.insert("Lee".to_owned(), no));
    world.store.with(|kept| {
        for link in kept.links.values_mut() {
            link.traits.prefer = Some(CRM);
        }
    });
    world.session();
    assert_eq!(world.crm.value(&crm, Field::HomePhone), known("1"));
    assert!(world.calls(MAILBOX).contains(&"write"));
    assert_eq!(world.links()[0].traits.prefer, None);
    assert_eq!(world.issues(), [(CRM, IssueCode::Refused)]);
}

/// A card that the user brought back is its pair's, also where only a search for another has found it so far.
#[test]
fn a_search_knows_what_was_brought_back_by_its_key() {
    let world = World::new(311);
    let (card, crm) = linked(&world);
    world.mailbox.delete(&card);
    world.settle();
    let link = world.links()[0].clone();
    assert_eq!(link.state, LinkState::Ended(EndReason::DeletedInMailbox));
    let back = copied(&world, &card);
    world.mailbox.touch(&back, |item| item.gone = None);
    // Its record is called otherwise by now, and the listing does not tell the card yet.
    world.crm.edit(&crm, Field::Email, "lee@example.com");
    world.mailbox.with(|state| state.log.retain(|id| *id != back));
    world.crm.add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    world.session();
    let taken = |link: &Link| link.mailbox_id.as_ref() == Some(&back);
    assert!(!world.links().iter().any(taken), "it is nobody else's");
    world.mailbox.with(|state| state.log.push(back.clone()));
    world.settle();
    let [held] = &holders(&world, &crm)[..] else {
        panic!()
    };
    assert_eq!((&held.id, &held.mailbox_id), (&link.id, &Some(back)));
}

/// The user's own card takes the place of one that he deleted. Fetched back, the old one is a second card: what it lacks was
/// not emptied by anybody.
#[test]
fn a_card_that_is_fetched_back_is_not_the_one_that_took_its_place() {
    let world = World::new(312);
    let (card, crm) = linked(&world);
    world.mailbox.delete(&card);
    let mut own = person("Ann", "Lee", "ann@example.com");
    own.set(Field::Department, known("Sales"));
    let own = world.mailbox.add(own, Scope::In);
    world.settle();
    assert_eq!(holders(&world, &crm)[0].mailbox_id.as_ref(), Some(&own));
    assert_eq!(world.crm.value(&crm, Field::Department), known("Sales"));
    world.mailbox.delete(&own);
    let back = copied(&world, &card);
    world.mailbox.touch(&back, |item| item.gone = None);
    world.settle();
    assert_eq!(world.crm.value(&crm, Field::Department), known("Sales"));
}

/// If an update was done whose answer was lost, nobody else has what it replaced.
#[test]
fn what_an_update_in_doubt_replaces_is_in_the_journal() {
    for effect in [false, true] {
        let world = World::new(313);
        let (mailbox, crm) = linked(&world);
        world.mailbox.edit(&mailbox, Field::Department, "mine");
        world.crm.edit(&crm, Field::Department, "theirs");
        world.settings(|settings| settings.contact_conflicts = tandem_types::ConflictPolicy::Mailbox);
        world.crm.edit(&crm, Field::JobTitle, "chief");
        world.settle();
        world.mailbox.edit(&mailbox, Field::JobTitle, "clerk");
        world.crm.with(|state| state.faults.doubt = Some((0, effect)));
        world.session();
        assert!(world.journalled("chief"), "{effect}");
        world.settle();
        assert_eq!(world.crm.value(&crm, Field::JobTitle), known("clerk"));
    }
}

/// A choice that the other side refused is an edit that is not taken: told as long as it stands, and carried over once it can be.
#[test]
fn a_choice_that_was_refused_stays_told() {
    let world = World::new(314);
    let mut theirs = person("Ann", "Lee", "ann@example.com");
    theirs.set(Field::Department, known("theirs"));
    let mut mine = person("Ann", "Lee", "ann@example.com");
    mine.set(Field::Department, known("mine"));
    let crm = world.crm.add(theirs, Scope::In);
    let mailbox = world.mailbox.add(mine, Scope::In);
    world.settle();
    assert_eq!(world.issues(), [(CRM, IssueCode::Differences)]);
    let no = refusal(false, Vec::new());
    world
        .crm
        .with(|state| state.faults.refuse.insert("Lee".to_owned(), no));
    world.store.with(|kept| {
        for link in kept.links.values_mut() {
            link.traits.prefer = Some(MAILBOX);
            link.crm_version = None;
        }
    });
    // Nothing tells of it but the choice.
    world.mailbox.touch(&mailbox, |_| ());
    world.session();
    assert_eq!(world.issues(), [(CRM, IssueCode::Refused)]);
    world.minutes(25 * 60);
    world.session();
    assert_eq!(world.issues(), [(CRM, IssueCode::Refused)], "a day later");
    world.crm.with(|state| state.faults.refuse.clear());
    world.minutes(25 * 60);
    world.settle();
    assert_eq!(world.crm.value(&crm, Field::Department), known("mine"));
    assert_eq!(world.issues(), []);
}

/// Of two creates the first may arrive after all, with what was said then: that the item lacks what the second one said is
/// nobody's edit.
#[test]
fn what_an_earlier_create_did_not_say_was_not_emptied() {
    let world = World::new(315);
    let crm = world.crm.add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    world.mailbox.with(|state| state.faults.doubt = Some((0, false)));
    world.session();
    let key = world.links()[0].key.clone();
    world.crm.edit(&crm, Field::Department, "Sales");
    world.mailbox.with(|state| state.faults.doubt = Some((0, false)));
    world.session();
    assert_eq!(world.links()[0].key, key, "it is the same item still");
    assert!(world.calls(MAILBOX).contains(&"write"), "and was made anew");
    // A process that stood still for long sends the first one.
    let late = world
        .mailbox
        .add(person("Ann", "Lee", "ann@example.com"), Scope::In);
    world.mailbox.touch(&late, |item| item.key = Some(key));
    world.minutes(1);
    world.mailbox.edit(&late, Field::JobTitle, "chief");
    world.settle();
    assert_eq!((count(&world, CRM), count(&world, MAILBOX)), (1, 1));
    assert_eq!(world.crm.value(&crm, Field::Department), known("Sales"));
    assert_eq!(world.mailbox.value(&late, Field::Department), known("Sales"));
}

/// The record that was to be deleted too is not the user's any more: when it comes back, the card is not made again by itself.
#[test]
fn a_delete_that_was_asked_for_is_not_forgotten_while_the_record_is_a_colleagues() {
    let world = World::new(316);
    let (card, crm) = linked(&world);
    world.mailbox.delete(&card);
    world.settle();
    world.store.with(|kept| {
        for link in kept.links.values_mut() {
            assert_eq!(link.state, LinkState::Ended(EndReason::DeletedInMailbox));
            let now = world.clock.now();
            let key = link.key.clone();
            *link = tandem_sync::cure::cure(link, tandem_types::IssueCure::DeleteThere, now, key).unwrap();
        }
    });
    world.crm.touch(&crm, |record| record.scope = Scope::Out);
    world.settle();
    world.crm.touch(&crm, |record| record.scope = Scope::In);
    world.settle();
    assert_eq!((count(&world, CRM), count(&world, MAILBOX)), (1, 0));
    assert_eq!(world.issues(), [(CRM, IssueCode::DeletedInMailbox)]);
}

/// A copy that Salesforce had refused waits by itself, and carries the key of the card that it was made of. When that card is
/// deleted, it is the one to pair: no second one is made beside it (seed 1005434).
#[test]
fn a_card_is_not_made_again_beside_its_copy() {
    let world = World::new(317);
    world.settings(|settings| settings.contact_deleted_in_mailbox = DeletedInMailbox::Recreate);
    let (card, crm) = linked(&world);
    let no = refusal(false, Vec::new());
    world
        .crm
        .with(|state| state.faults.refuse.insert("Lee".to_owned(), no));
    let copy = copied(&world, &card);
    world.session();
    assert_eq!(world.issues(), [(MAILBOX, IssueCode::Refused)]);
    world.mailbox.delete(&card);
    world.settle();
    assert_eq!((count(&world, CRM), count(&world, MAILBOX)), (1, 1));
    let holder = &holders(&world, &crm)[0];
    assert_eq!(holder.mailbox_id.as_ref(), Some(&copy));
}
