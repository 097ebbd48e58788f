//! Items larger than anybody makes them.

use serde_json::{Value, json};
use tandem_sync::model::{Field, FieldValue, Kinds, Outcome, Record};
use tandem_sync::ports::{Endpoint as _, Mailbox as _};
use tandem_types::ItemKind;

use crate::support::{World, create, known, round, update, want, written};

const ONLY: Kinds = Kinds::of(ItemKind::Event);
const WHEN: &str = "2026-12-01T10:00:00Z/2026-12-01T11:00:00Z";

#[tokio::test]
async fn five_thousand_attendees_are_read_and_left_alone() {
    let world = World::new().await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let attendees: Vec<Value> = (0..5_000)
        .map(|n| json!({ "address": format!("guest.{n}@fabrikam.example"), "name": format!("Guest {n}") }))
        .collect();
    let meeting = json!({
        "subject": "Everybody", "start": "2026-12-01T10:00:00Z", "end": "2026-12-01T11:00:00Z",
        "categories": ["Salesforce"], "attendees": attendees,
    });
    let id = world.add_item("events", meeting).await;
    let small = world
        .add_item(
            "events",
            json!({ "subject": "Small", "start": "2026-12-01T10:00:00Z", "end": "2026-12-01T11:00:00Z" }),
        )
        .await;
    let sent = world.mails_sent().await;
    let (listed, ..) = round(&ews, None, &want(ONLY)).await;
    assert!(listed.present.contains_key(&small));
    let seen = &listed.present[&id];
    let facts = seen.extra.event.as_ref().unwrap();
    assert_eq!(facts.attendees.len(), 5_000);
    // Written: nobody is lost, nobody is told.
    let outcomes = ews
        .write(&[update(
            seen,
            &[
                (Field::Location, known("Hall")),
                (Field::Subject, known("All of us")),
            ],
        )])
        .await
        .unwrap();
    let now = written(&outcomes[0]);
    assert_eq!(now.record.get(Field::Location), &known("Hall"));
    assert_eq!(now.extra.event.as_ref().unwrap().attendees.len(), 5_000);
    let held = world.item("events", &id).await;
    assert_eq!(held["attendees"].as_array().unwrap().len(), 5_000);
    assert_eq!(world.mails_sent().await, sent);
}

#[tokio::test]
async fn a_subject_of_four_thousand_characters_stops_nothing() {
    let world = World::new().await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let long = "ß".repeat(4_000);
    let mut read = Vec::new();
    for (kind, name) in [
        (ItemKind::Event, "events"),
        (ItemKind::Task, "tasks"),
        (ItemKind::Email, "messages"),
    ] {
        let entry = match kind {
            ItemKind::Event => {
                json!({ "subject": long, "start": "2026-12-01T10:00:00Z", "end": "2026-12-01T11:00:00Z" })
            }
            ItemKind::Task => json!({ "subject": long }),
            _ => {
                json!({ "subject": long, "from": "a@b.example", "to": "c@d.example", "text": "x", "received": "2026-11-20T10:00:00Z" })
            }
        };
        let id = world.add_item(name, entry).await;
        let (listed, ..) = round(&ews, None, &want(Kinds::of(kind))).await;
        let seen = listed.present[&id].clone();
        assert_eq!(seen.record.get(Field::Subject), &known(&long), "{kind:?}");
        read.push(seen);
    }
    // Whatever becomes of the long one, the one beside it is written.
    for kind in [ItemKind::Event, ItemKind::Task] {
        let record = |subject: &str| {
            let record = Record::new(kind).with(Field::Subject, subject);
            if kind == ItemKind::Event {
                record.with(Field::When, WHEN)
            } else {
                record
            }
        };
        let n = kind as u32 * 10;
        let outcomes = ews
            .write(&[create(n, record(&long)), create(n + 1, record("short"))])
            .await
            .unwrap();
        match &outcomes[0] {
            Outcome::Written { now, .. } => {
                assert_eq!(now.record.get(Field::Subject), &known(&long));
            }
            Outcome::Refused(refusal) => assert!(!refusal.message.is_empty()),
            other => panic!("{kind:?}: {other:?}"),
        }
        assert_eq!(written(&outcomes[1]).record.get(Field::Subject), &known("short"));
        // What the engine writes is cut to what the profile says.
        let profiles = ews.profile().await.unwrap();
        let most = profiles.of(kind).unwrap().fields[&Field::Subject]
            .max_chars
            .unwrap() as usize;
        let cut = FieldValue::Known("ß".repeat(most));
        let of = written(&outcomes[1]);
        let now = written(
            &ews.write(&[update(&of, &[(Field::Subject, cut.clone())])])
                .await
                .unwrap()[0],
        );
        assert_eq!(now.record.get(Field::Subject), &cut);
    }
    assert_eq!(read.len(), 3);
}
