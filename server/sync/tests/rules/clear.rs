use futures::executor::block_on;
use tandem_sync::LinkState;
use tandem_sync::model::{Field, Record};
use tandem_sync::undo::{LeftReason, UndoReport, clear, undo};
use tandem_types::{ItemKind, LinkId, SessionId, Side};

use crate::world::*;

const CONTACT: ItemKind = ItemKind::Contact;

fn person() -> Record {
    record(CONTACT, &[(Field::Surname, "Lee"), (Field::JobTitle, "x")])
}

/// A pair that was agreed on.
fn pair(world: &mut World, n: u8, kind: ItemKind, state: LinkState, made_on: Option<Side>) -> LinkId {
    world.put(Side::Mailbox, &format!("m{n}"), n, person());
    world.put(Side::Crm, &format!("c{n}"), n, person());
    let link = world.link(n, kind, state);
    world.rows().links.get_mut(&link).unwrap().made_on = made_on;
    link
}

fn made(world: &mut World, n: u8) -> LinkId {
    pair(world, n, CONTACT, LinkState::Live, Some(Side::Mailbox))
}

fn run(world: &mut World) -> (SessionId, UndoReport) {
    let lease = world.lease();
    let session = lease.session.clone();
    (session, block_on(clear(&world.context(false), lease)).unwrap())
}

fn left(report: &UndoReport) -> Vec<(&str, LeftReason)> {
    let of = |left: &tandem_sync::undo::UndoLeft| left.reason;
    report
        .left
        .iter()
        .map(|left| (left.item.0.as_str(), of(left)))
        .collect()
}

fn mailbox(world: &World) -> Vec<String> {
    let end = world.side(Side::Mailbox);
    end.items.keys().map(|id| id.0.clone()).collect()
}

#[test]
fn only_what_was_made_in_the_mailbox_goes_and_salesforce_is_not_written_to() {
    let mut world = World::new();
    let first = made(&mut world, 1);
    pair(&mut world, 2, CONTACT, LinkState::Live, Some(Side::Crm));
    pair(&mut world, 3, CONTACT, LinkState::Live, None);
    pair(
        &mut world,
        4,
        ItemKind::Email,
        LinkState::Live,
        Some(Side::Mailbox),
    );
    let taken_out = LinkState::Ended(tandem_sync::EndReason::Unsynced);
    pair(&mut world, 5, CONTACT, taken_out, Some(Side::Mailbox));
    pair(&mut world, 6, CONTACT, LinkState::Dormant, Some(Side::Mailbox));
    made(&mut world, 7);
    let (_, report) = run(&mut world);
    assert_eq!((report.undone, left(&report)), (3, vec![]));
    assert_eq!(mailbox(&world), ["m2", "m3", "m4", "m5"]);
    assert_eq!(world.side(Side::Mailbox).bin.len(), 3, "it lies in Deleted Items");
    assert!(world.side(Side::Crm).writes.is_empty());
    let link = world.linked(&first);
    assert_eq!(
        (link.state, link.mailbox_id.clone()),
        (LinkState::Dormant, None),
        "it is made anew one day"
    );
    assert!(world.rows().closed.is_empty(), "the caller's");
    let (_, again) = run(&mut world);
    assert_eq!((again.undone, left(&again)), (0, vec![]), "nothing is done twice");
}

#[test]
fn what_the_user_changed_since_stays() {
    let mut world = World::new();
    let changed = made(&mut world, 1);
    made(&mut world, 2);
    let gone = made(&mut world, 3);
    world.edit(Side::Mailbox, "m1", Field::JobTitle, "mine");
    // Nobody has read this before: it may be his too.
    world.edit(Side::Mailbox, "m2", Field::Email, "lee@home.example");
    world.side(Side::Mailbox).items.remove(&id("m3"));
    let before = (world.linked(&changed).clone(), world.linked(&gone).clone());
    let (_, report) = run(&mut world);
    assert_eq!(report.undone, 0);
    let mut told = left(&report);
    told.sort_unstable();
    assert_eq!(
        told,
        [
            ("m1", LeftReason::ChangedSince),
            ("m2", LeftReason::ChangedSince),
            ("m3", LeftReason::Gone)
        ]
    );
    assert_eq!(mailbox(&world), ["m1", "m2"]);
    let after = (world.linked(&changed).clone(), world.linked(&gone).clone());
    assert_eq!(after, before, "the delete that is his own stays his own");
}

#[test]
fn a_fault_leaves_the_rest_for_the_next_time() {
    let mut world = World::new();
    (1..=5).for_each(|n| drop(made(&mut world, n)));
    // Two go at a time, by a look and a write each.
    world.side(Side::Mailbox).fails = Some(4);
    let (_, report) = run(&mut world);
    assert_eq!(report.undone, 2);
    assert!(
        left(&report)
            .iter()
            .all(|(_, why)| *why == LeftReason::NotReached)
    );
    assert!(
        world
            .rows()
            .links
            .values()
            .filter(|l| l.state == LinkState::Live)
            .count()
            == 3
    );
    let (_, report) = run(&mut world);
    assert_eq!((report.undone, left(&report)), (3, vec![]));
    assert!(mailbox(&world).is_empty());
}

#[test]
fn it_can_be_undone_until_there_is_a_new_one_in_its_place() {
    let mut world = World::new();
    let (first, second) = (made(&mut world, 1), made(&mut world, 2));
    let (session, _) = run(&mut world);
    // The second came down anew before.
    world.put(Side::Mailbox, "new", 2, person());
    world.rows().links.get_mut(&second).unwrap().mailbox_id = Some(id("new"));
    let lease = world.lease();
    let report = block_on(undo(&world.context(false), lease, &session)).unwrap();
    assert_eq!(
        (report.undone, left(&report)),
        (1, vec![("m2", LeftReason::Replaced)])
    );
    assert_eq!(mailbox(&world), ["m1", "new"]);
    assert_eq!(world.linked(&first).mailbox_id, Some(id("m1")));
}
