//! A mailbox that moves to another kind of server: the same items under new ids, and To Do tasks without our key.

use tandem_sync::LinkState;
use tandem_sync::model::{
    Address, Attendee, AttendeeRole, Clue, EventFacts, Extra, Field, ItemId, Known, KnownKind, MailFacts,
    MailPlace, Record, Scope, Write,
};
use tandem_sync::ports::Clock as _;
use tandem_types::{DeletedInMailbox, IssueCode, ItemKind, SessionOutcome, Side, Timestamp};

use crate::world::{World, person};

/// A mailbox with two of each kind, all of them in Salesforce too.
fn full(seed: u64) -> World {
    let world = World::new(seed);
    let now = world.clock.now();
    let address = |text: &str| Address {
        address: text.to_owned(),
        name: String::new(),
    };
    for name in ["Ann", "Bob"] {
        let mail = format!("{name}@example.com");
        let found = Known {
            id: ItemId(format!("003{name}")),
            kind: KnownKind::Contact,
            account: None,
            own: true,
            modified: now,
        };
        let clue = Clue::Address(mail.to_lowercase());
        world.crm.with(|state| state.known.insert(clue, vec![found]));
        world.mailbox.add(person(name, "Lee", &mail), Scope::In);
        let task = Record::new(ItemKind::Task)
            .with(Field::Subject, &format!("Call {name}"))
            .with(Field::Due, "2023-11-20")
            .with(Field::Status, "not_started")
            .with(Field::Priority, "normal");
        world.mailbox.add(task, Scope::In);
        let day = format!("2023-11-{}", if name == "Ann" { 16 } else { 17 });
        let event = Record::new(ItemKind::Event)
            .with(Field::Subject, &format!("Visit {name}"))
            .with(Field::When, &format!("{day}T09:00:00Z/{day}T10:00:00Z"))
            .with(Field::ShowAs, "busy")
            .with(Field::Private, "no");
        let facts = EventFacts {
            uid: Some(format!("uid {name}")),
            attendees: vec![Attendee {
                who: address(&mail),
                role: AttendeeRole::Required,
                answer: tandem_sync::model::Answer::None,
            }],
            organizer: Some(address("me@own.example")),
            ..EventFacts::default()
        };
        let extra = Extra {
            event: Some(Box::new(facts)),
            ..Extra::default()
        };
        world.mailbox.add_with(event, Scope::In, true, extra);
        let saved = Record::new(ItemKind::Email)
            .with(Field::Subject, &format!("About {name}"))
            .with(Field::FromAddress, &mail)
            .with(Field::ToAddresses, "me@own.example")
            .with(Field::MessageId, &format!("<{name}>"))
            .with(Field::Incoming, "yes");
        let facts = MailFacts {
            place: MailPlace::Inbox,
            message_id: Some(format!("<{name}>")),
            from: Some(address(&mail)),
            to: vec![address("me@own.example")],
            sent: now,
            incoming: true,
            ..MailFacts::default()
        };
        let extra = Extra {
            mail: Some(Box::new(facts)),
            ..Extra::default()
        };
        world.mailbox.add_with(saved, Scope::In, true, extra);
    }
    world.settle();
    assert_eq!(world.crm.here().len(), 8, "all are there");
    assert_eq!(world.links().len(), 8);
    world
}

/// What the move does there, and what the store does when the mailbox is connected again (`carry_over`).
fn moved(world: &World) {
    world.mailbox.with(|state| {
        let old = std::mem::take(&mut state.items);
        state.log.clear();
        for (n, (_, mut item)) in old.into_iter().filter(|(_, item)| item.is_here()).enumerate() {
            if item.record.kind == ItemKind::Task {
                item.key = None;
            }
            item.version += 100;
            state.items.insert(ItemId(format!("cloud-{n}")), item);
        }
    });
    world.store.with(|kept| {
        kept.opening.mailbox_cursor = None;
        kept.opening.last_full = Some(Timestamp(0));
        for link in kept.links.values_mut() {
            link.traits.keyless = true;
        }
    });
}

fn in_the_cloud(world: &World) -> usize {
    let links = world.links();
    let live = links.iter().filter(|link| link.state == LinkState::Live);
    live.filter(|link| {
        link.mailbox_id
            .as_ref()
            .is_some_and(|id| id.0.starts_with("cloud-"))
    })
    .count()
}

#[test]
fn nothing_is_doubled_and_nothing_is_lost() {
    let world = full(1);
    let before = world.crm.here();
    moved(&world);
    assert_eq!(world.session().outcome(), SessionOutcome::Done);
    assert!(
        world.writes(Side::Crm).is_empty(),
        "{:?}",
        world.writes(Side::Crm)
    );
    let mailbox = world.writes(Side::Mailbox);
    assert!(
        !mailbox
            .iter()
            .any(|write| matches!(write, Write::Create { .. } | Write::Delete { .. })),
        "{mailbox:?}"
    );
    world.settle();
    let after: Vec<_> = world
        .crm
        .here()
        .into_iter()
        .map(|(id, item)| (id, item.version))
        .collect();
    let before: Vec<_> = before.into_iter().map(|(id, item)| (id, item.version)).collect();
    assert_eq!(after, before, "Salesforce is as it was");
    assert_eq!(world.mailbox.here().len(), 8);
    assert_eq!(world.issues(), []);

    // The pairs work on.
    let ids: Vec<_> = world.mailbox.here();
    for (id, item) in ids {
        match item.record.kind {
            ItemKind::Contact => world.mailbox.edit(&id, Field::JobTitle, "Head"),
            ItemKind::Task | ItemKind::Event => world.mailbox.edit(&id, Field::Subject, "Renamed"),
            ItemKind::Email => {}
        }
    }
    world.settle();
    assert_eq!(world.crm.here().len(), 8);
    let renamed = world
        .crm
        .here()
        .iter()
        .filter(|(_, item)| {
            item.record.get(Field::Subject).known() == Some("Renamed")
                || item.record.get(Field::JobTitle).known() == Some("Head")
        })
        .count();
    assert_eq!(renamed, 6);
    // A mail is looked at again only when something reports it.
    assert!(in_the_cloud(&world) >= 6, "{:?}", world.links());
}

#[test]
fn what_was_deleted_during_the_move_is_told_and_not_believed() {
    let world = full(2);
    world.settings(|settings| {
        settings.contact_deleted_in_mailbox = DeletedInMailbox::DeleteOwn;
        settings.task_deleted_in_mailbox = DeletedInMailbox::DeleteOwn;
    });
    for (id, item) in world.mailbox.here() {
        let subject = item
            .record
            .get(Field::Subject)
            .known()
            .unwrap_or_default()
            .to_owned();
        if item.record.get(Field::GivenName).known() == Some("Ann") || subject.ends_with("Ann") {
            world.mailbox.delete(&id);
        }
    }
    moved(&world);
    for _ in 0..3 {
        world.session();
    }
    assert_eq!(world.crm.here().len(), 8, "nothing is deleted there");
    assert_eq!(world.mailbox.here().len(), 4, "and nothing is made again here");
    let unproved = world
        .issues()
        .into_iter()
        .filter(|(_, code)| *code == IssueCode::FateUnknown)
        .count();
    assert_eq!(unproved, 3, "{:?}", world.issues());
}
