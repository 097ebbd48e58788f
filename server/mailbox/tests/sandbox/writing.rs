use std::collections::BTreeMap;

use serde_json::json;
use tandem_sandbox::Options;
use tandem_sync::model::{
    Field, FieldValue, ItemId, LinkKey, Mark, Outcome, Record, Scope, Trace, Version, Write,
};
use tandem_sync::ports::{Endpoint as _, Mailbox as _};
use tandem_types::{ItemKind, Timestamp};

use crate::support::{World, create, key, known, listing, make, person, update, written};

fn full(salt: &str) -> Record {
    let mut record = Record::new(ItemKind::Contact);
    for field in Field::CONTACT {
        let value = match field {
            Field::Birthday => "1964-12-31".to_owned(),
            Field::Email => format!("zoë.{salt}@contoso.example"),
            Field::Body => format!("{salt} one\n\ntwo <&> 🎉"),
            Field::BusinessStreet => format!("{salt} Weg 1\nHinterhaus"),
            _ => format!("{salt} {} Ünï 渡辺 e\u{301} \"&<>'", field.as_str()),
        };
        record.set(*field, FieldValue::Known(value));
    }
    record
}

#[tokio::test]
async fn what_is_written_is_read_back_and_cleared() {
    let world = World::new().await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    world.reset().await;
    let made = make(&ews, 1, full("a")).await;
    assert_eq!(
        world.operations().await.into_iter().collect::<Vec<_>>(),
        [("CreateItem".to_owned(), 1), ("GetItem".to_owned(), 1)]
    );
    assert_eq!(made.record, full("a"));
    assert_eq!(
        (made.scope, made.marked, made.key.clone()),
        (Scope::In, true, Some(key(1)))
    );

    let all: Vec<_> = full("b").fields.into_iter().collect();
    let outcome = ews.write(&[update(&made, &all)]).await.unwrap().remove(0);
    let Outcome::Written { now, replaced, .. } = &outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(now.record, full("b"));
    assert_eq!(*replaced, full("a").fields);
    assert!(now.marked && now.version != made.version && now.key == Some(key(1)));

    let cleared: Vec<_> = Field::CONTACT
        .iter()
        .map(|field| (*field, FieldValue::Empty))
        .collect();
    let now = written(&ews.write(&[update(now, &cleared)]).await.unwrap()[0]);
    assert!(
        now.record.fields.values().all(|v| *v == FieldValue::Empty),
        "{:?}",
        now.record
    );
    let raw = world
        .contacts()
        .await
        .into_iter()
        .find(|c| c["id"] == now.id.0.as_str())
        .unwrap();
    assert!(
        raw["fields"].get("Birthday").is_none() && raw["fields"].get("BusinessPhone").is_none(),
        "{raw}"
    );
}

#[tokio::test]
async fn only_what_is_set_changes_and_the_name_shown_follows() {
    let world = World::new().await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let made = make(&ews, 1, person("Nina", "Berg", "n@x.example")).await;
    let now = written(
        &ews.write(&[update(&made, &[(Field::Surname, known("Holm"))])])
            .await
            .unwrap()[0],
    );
    assert_eq!(now.record.get(Field::GivenName), &known("Nina"));
    assert_eq!(now.record.get(Field::Email), &known("n@x.example"));
    let raw = world
        .contacts()
        .await
        .into_iter()
        .find(|c| c["id"] == now.id.0.as_str())
        .unwrap();
    assert_eq!(raw["fields"]["DisplayName"], "Nina Holm");
    assert_eq!(raw["fields"]["FileAs"], "Holm, Nina");
    world
        .change(&now.id, json!({ "fields": { "DisplayName": "Nini" } }))
        .await;
    let now = ews
        .read(std::slice::from_ref(&now.id))
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    let now = written(
        &ews.write(&[update(&now, &[(Field::Surname, known("Falk"))])])
            .await
            .unwrap()[0],
    );
    let raw = world
        .contacts()
        .await
        .into_iter()
        .find(|c| c["id"] == now.id.0.as_str())
        .unwrap();
    assert_eq!(raw["fields"]["DisplayName"], "Nini");
}

#[tokio::test]
async fn keys_and_marks_are_set_and_taken_off() {
    let world = World::new().await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let id = world
        .add(json!({ "categories": ["Friends"], "fields": { "Surname": "Own" } }))
        .await;
    let own = ews.read(&[id]).await.unwrap().remove(0).unwrap();
    let adopt = |of: &tandem_sync::model::Snapshot, mark| Write::Update {
        kind: ItemKind::Contact,
        id: of.id.clone(),
        version: of.version.clone(),
        set: BTreeMap::new(),
        key: Some(key(5)),
        mark: Some(mark),
        notify: false,
    };
    let now = written(&ews.write(&[adopt(&own, Mark::Synced)]).await.unwrap()[0]);
    assert_eq!(
        (now.marked, now.scope, now.key.clone()),
        (true, Scope::In, Some(key(5)))
    );
    // The same again sends nothing but the two looks at it.
    world.reset().await;
    let same = written(&ews.write(&[adopt(&now, Mark::Synced)]).await.unwrap()[0]);
    assert_eq!(same.version, now.version);
    assert_eq!(
        world.operations().await.into_keys().collect::<Vec<_>>(),
        ["GetItem"]
    );
    let now = written(&ews.write(&[adopt(&now, Mark::None)]).await.unwrap()[0]);
    assert_eq!((now.marked, now.scope), (false, Scope::Out));
    let raw = world
        .contacts()
        .await
        .into_iter()
        .find(|c| c["id"] == now.id.0.as_str())
        .unwrap();
    assert_eq!(raw["categories"], json!(["Friends"]));
}

#[tokio::test]
async fn a_mixed_batch_is_answered_in_order() {
    let world = World::new().await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(make(&ews, n, person("P", &n.to_string(), "")).await);
    }
    world
        .change(
            &made[1].id,
            json!({ "fields": { "JobTitle": "changed meanwhile" } }),
        )
        .await;
    world
        .change(
            &made[2].id,
            json!({ "fields": { "JobTitle": "changed meanwhile" } }),
        )
        .await;
    world.delete(&made[3].id, true).await;
    let title = [(Field::JobTitle, known("ours"))];
    let delete = |n: usize| Write::Delete {
        kind: ItemKind::Contact,
        id: made[n].id.clone(),
        version: made[n].version.clone(),
        notify: false,
    };
    let impossible = Record::new(ItemKind::Contact).with(Field::Birthday, "12 May");
    let batch = [
        update(&made[0], &title),
        update(&made[1], &title),
        create(50, person("New", "One", "")),
        delete(2),
        update(&made[3], &title),
        delete(3),
        delete(4),
        create(51, impossible),
        update(&made[0], &[(Field::Birthday, known("1980-13-01"))]),
    ];
    world.reset().await;
    let outcomes = world.session().write(&batch).await.unwrap();
    assert_eq!(written(&outcomes[0]).record.get(Field::JobTitle), &known("ours"));
    for n in [1, 3] {
        let Outcome::Conflict(fresh) = &outcomes[n] else {
            panic!("{n}: {:?}", outcomes[n])
        };
        assert_eq!(fresh.record.get(Field::JobTitle), &known("changed meanwhile"));
    }
    assert_eq!(written(&outcomes[2]).key, Some(key(50)));
    assert_eq!(
        (&outcomes[4], &outcomes[5], &outcomes[6]),
        (&Outcome::Missing, &Outcome::Missing, &Outcome::Deleted)
    );
    for n in [7, 8] {
        let Outcome::Refused(refusal) = &outcomes[n] else {
            panic!("{n}: {:?}", outcomes[n])
        };
        assert_eq!(refusal.fields, [Field::Birthday]);
    }
    let operations = world.operations().await;
    let writes: Vec<_> = ["CreateItem", "UpdateItem", "DeleteItem"]
        .iter()
        .map(|o| operations[*o])
        .collect();
    assert_eq!(writes, [1, 1, 1], "{operations:?}");
    assert_eq!(operations["GetItem"], 2);
    let bin = world
        .contacts()
        .await
        .into_iter()
        .find(|c| c["fields"]["Surname"] == "4")
        .unwrap();
    assert_eq!(bin["folder"], "Deleted Items");
    let counters = world.control("GET", "/counters", serde_json::Value::Null).await;
    assert_eq!(counters["exchange"]["mails_sent"], 0);
}

#[tokio::test]
async fn three_hundred_at_once_and_our_own_writes_are_quiet_after_one_look() {
    let world = World::with(Options {
        mailbox_contacts: 0,
        ..Options::default()
    })
    .await;
    let cursor = world.settled().await;
    let ews = world.session();
    let batch: Vec<Write> = (0..300).map(|n| create(n, full(&n.to_string()))).collect();
    assert_eq!(ews.batch(), batch.len());
    world.reset().await;
    let outcomes = ews.write(&batch).await.unwrap();
    let made: Vec<_> = outcomes.iter().map(written).collect();
    for (n, snapshot) in (0..).zip(&made) {
        assert_eq!(
            (snapshot.key.clone(), &snapshot.record),
            (Some(key(n)), &full(&n.to_string()))
        );
    }
    let operations = world.operations().await;
    assert_eq!((operations["CreateItem"], operations["GetItem"]), (3, 1));
    let (listed, cursor, _) = listing(&world.session(), Some(&cursor)).await;
    assert_eq!(listed.present.len(), 300);
    assert!(
        made.iter().all(|s| listed.present[&s.id] == *s),
        "what was read back is what is listed"
    );
    world.reset().await;
    listing(&world.session(), Some(&cursor)).await;
    assert_eq!(world.requests().await, 1);
}

/// A batch is several requests: what the first has made is told, whatever becomes of the others.
#[tokio::test]
async fn a_batch_that_breaks_in_its_middle_keeps_what_was_made() {
    let world = World::new().await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let batch: Vec<Write> = (0..300).map(|n| create(n, full(&n.to_string()))).collect();
    let lost = json!({ "kind": "timeout_after", "ms": 0, "skip": 1, "times": 1 });
    world.fault(Some("CreateItem"), lost).await;
    world.reset().await;
    let outcomes = ews.write(&batch).await.unwrap();
    outcomes[..100].iter().for_each(|outcome| drop(written(outcome)));
    assert!(outcomes[100..].iter().all(|outcome| *outcome == Outcome::InDoubt));
    let operations = world.operations().await;
    assert_eq!(operations["CreateItem"], 2, "nothing more is sent");
    // Those of the second request are found by their keys; those of the third were never sent.
    let keys: Vec<LinkKey> = (0..300).map(key).collect();
    let found = ews
        .created(ItemKind::Contact, &keys, Timestamp::from_seconds(0))
        .await
        .unwrap();
    assert_eq!(found.len(), 200);
}

#[tokio::test]
async fn what_exchange_refuses_is_told_in_its_words() {
    let world = World::new().await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let made = make(&ews, 1, person("A", "B", "")).await;
    // Longer than any property may be.
    let long = "x".repeat(2 << 20);
    let outcomes = ews
        .write(&[
            update(&made, &[(Field::JobTitle, known(&long))]),
            create(2, person("C", "D", "")),
        ])
        .await
        .unwrap();
    let Outcome::Refused(refusal) = &outcomes[0] else {
        panic!("not refused")
    };
    assert!(!refusal.message.is_empty() && !refusal.retry);
    written(&outcomes[1]);
}

#[tokio::test]
async fn items_in_deleted_items_are_gone_for_writes_and_can_be_restored() {
    let world = World::new().await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let made = make(&ews, 1, person("A", "B", "")).await;
    let delete = Write::Delete {
        kind: ItemKind::Contact,
        id: made.id.clone(),
        version: made.version.clone(),
        notify: false,
    };
    assert_eq!(
        ews.write(std::slice::from_ref(&delete)).await.unwrap(),
        [Outcome::Deleted]
    );
    let in_bin = ews
        .created(ItemKind::Contact, &[key(1)], tandem_types::Timestamp(0))
        .await
        .unwrap()
        .remove(0);
    let again = [
        Write::Delete {
            kind: ItemKind::Contact,
            id: in_bin.id.clone(),
            version: in_bin.version.clone(),
            notify: false,
        },
        update(&in_bin, &[(Field::JobTitle, known("x"))]),
    ];
    assert_eq!(
        ews.write(&again).await.unwrap(),
        [Outcome::Deleted, Outcome::Missing]
    );
    let gone = |id: &str, n: u32| Trace {
        kind: ItemKind::Contact,
        id: ItemId(id.to_owned()),
        key: key(n),
        carried: true,
        meeting: None,
    };
    // Once by its id in the bin, once by the key alone: the second time it is back already.
    for id in [&in_bin.id.0, &made.id.0, "AAMkADUAAA="] {
        let back = written(&ews.restore(&[gone(id, 1)]).await.unwrap()[0]);
        assert_eq!((back.scope, back.key), (Scope::In, Some(key(1))));
    }
    assert_eq!(
        ews.restore(&[gone("AAMkADUAAA=", 99)]).await.unwrap(),
        [Outcome::Missing]
    );
}

#[tokio::test]
async fn stale_versions_write_nothing() {
    let world = World::new().await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let made = make(&ews, 1, person("A", "B", "")).await;
    let mut stale = made.clone();
    stale.version = Version("nonsense".to_owned());
    let outcome = ews
        .write(&[update(&stale, &[(Field::JobTitle, known("x"))])])
        .await
        .unwrap()
        .remove(0);
    assert_eq!(outcome, Outcome::Conflict(Box::new(made)));
}
