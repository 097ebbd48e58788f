//! What the user orders about the item that is open in Outlook.

use std::collections::BTreeMap;

use tandem_sync::model::{EventFacts, Extra, Field, ItemId, Part, Record, Scope, Write, instant};
use tandem_sync::order::{Order, Ordered, carry_out};
use tandem_sync::ports::{Clock as _, Pick, Store as _};
use tandem_sync::session::Context;
use tandem_sync::{EndReason, LinkState};
use tandem_types::{Direction, ItemKind, NotSaved, Side};

use crate::world::{World, known};

const DAY: i64 = 24 * 3600;

fn event(world: &World, subject: &str) -> Record {
    let start = world.clock.now().plus_seconds(DAY);
    let when = format!("{}/{}", instant(start), instant(start.plus_seconds(3600)));
    Record::new(ItemKind::Event)
        .with(Field::Subject, subject)
        .with(Field::When, &when)
        .with(Field::ShowAs, "busy")
        .with(Field::Private, "no")
}

/// A session for one order, ten minutes later; closed as the worker does.
fn order(world: &World, item: &ItemId, order: Order) -> Ordered {
    world.minutes(10);
    for side in Side::BOTH {
        world.side(side).with(|state| state.writes.clear());
    }
    let session = "7".repeat(32).parse().unwrap();
    let cx = Context {
        mailbox: &world.mailbox,
        crm: &world.crm,
        store: &world.store,
        clock: &*world.clock,
        rng: &*world.rng,
        observer: &world.watch,
        dry_run: false,
        limits: world.limits,
    };
    futures::executor::block_on(async {
        let now = world.clock.now();
        let lease = world
            .store
            .claim(&Pick::Due, "test", session, now, world.limits.lease)
            .await
            .unwrap()
            .unwrap();
        let orders = BTreeMap::from([(item.clone(), order)]);
        let report = carry_out(&cx, lease.clone(), &orders).await.unwrap();
        world.store.close(&lease, report.closing).await.unwrap();
        report.orders[item].clone()
    })
}

fn linked_to(who: &str) -> Order {
    Order {
        who: vec![ItemId(who.to_owned())],
        ..Order::default()
    }
}

fn out() -> Order {
    Order {
        out: true,
        ..Order::default()
    }
}

fn to_crm(world: &World) -> Vec<Write> {
    world.writes(Side::Crm)
}

/// Saved with another link than it has.
fn saved(world: &World) -> (ItemId, ItemId) {
    let mailbox = world.mailbox.add(event(world, "Visit"), Scope::In);
    world.settle();
    (mailbox, world.crm.here()[0].0.clone())
}

#[test]
fn what_is_saved_is_linked_anew() {
    let world = World::new(1);
    let (mailbox, crm) = saved(&world);
    assert_eq!(
        order(&world, &mailbox, linked_to("003ann")),
        Ordered::Done(crm.clone())
    );
    assert_eq!(world.crm.value(&crm, Field::Relations), known("who=003ann"));
    assert!(world.links()[0].traits.links_chosen);
    world.settle();
    assert_eq!(world.crm.value(&crm, Field::Relations), known("who=003ann"));
}

/// Its writer is another: this user's connection writes his answer, and nothing else.
#[test]
fn a_colleagues_meeting_keeps_its_links() {
    let world = World::new(2);
    let facts = EventFacts {
        part: Part::Attendee,
        ..EventFacts::default()
    };
    let extra = Extra {
        event: Some(Box::new(facts)),
        ..Extra::default()
    };
    world.crm.add_with(event(&world, "Visit"), Scope::In, true, extra);
    world.settle();
    let mailbox = world.mailbox.here()[0].0.clone();
    assert_eq!(order(&world, &mailbox, linked_to("003ann")), Ordered::Refused);
    assert_eq!(to_crm(&world).len(), 0);
}

#[test]
fn where_nothing_goes_to_the_crm_no_order_does() {
    let world = World::new(3);
    let (mailbox, _) = saved(&world);
    world.settings(|settings| settings.events = Direction::ToMailbox);
    let ended = order(&world, &mailbox, linked_to("003ann"));
    assert_eq!(ended, Ordered::NotSaved(NotSaved::Off));
    assert_eq!(to_crm(&world).len(), 0);
}

/// Nothing is written to the mailbox, so the category stays: it is no word of the user's that he wants it saved again.
#[test]
fn what_was_taken_out_and_kept_its_mark_is_not_saved_again_by_itself() {
    let world = World::new(4);
    world.settings(|settings| settings.events = Direction::ToCrm);
    let (mailbox, crm) = saved(&world);
    assert_eq!(order(&world, &mailbox, out()), Ordered::Done(crm));
    assert_eq!(world.links()[0].state, LinkState::Ended(EndReason::Unsynced));
    assert!(world.mailbox.with(|state| state.items[&mailbox].marked));
    world.mailbox.edit(&mailbox, Field::Subject, "Visit of two");
    world.settle();
    assert_eq!(world.crm.here().len(), 0, "taken out");
    let mark = |marked: bool| {
        world.mailbox.touch(&mailbox, |item| {
            item.marked = marked;
            item.scope = if marked { Scope::In } else { Scope::Out };
        });
        world.settle();
    };
    mark(false);
    assert_eq!(world.crm.here().len(), 0);
    mark(true);
    assert_eq!(world.crm.here().len(), 1, "asked for again");
}

#[test]
fn what_was_taken_out_of_both_loses_its_mark_and_is_saved_when_it_is_marked_again() {
    let world = World::new(5);
    let (mailbox, crm) = saved(&world);
    assert_eq!(order(&world, &mailbox, out()), Ordered::Done(crm));
    assert!(!world.mailbox.with(|state| state.items[&mailbox].marked));
    world.mailbox.touch(&mailbox, |item| item.scope = Scope::Out);
    world.settle();
    assert_eq!(world.crm.here().len(), 0);
    world.mailbox.touch(&mailbox, |item| {
        item.marked = true;
        item.scope = Scope::In;
    });
    world.settle();
    assert_eq!(world.crm.here().len(), 1);
}
