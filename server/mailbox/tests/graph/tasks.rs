use std::collections::BTreeMap;

use serde_json::json;
use tandem_sync::model::{Fate, Field, FieldValue, Kinds, Mark, MatchKey, Outcome, Record, Scope, Write};
use tandem_sync::ports::Endpoint as _;
use tandem_types::{IssueCode, ItemKind, Timestamp};

use crate::support::{at, create, delete, key, known, make, trace, update, written};
use crate::world::{Cloud, find, named, text};

const ONLY: Kinds = Kinds::of(ItemKind::Task);

fn task(subject: &str) -> Record {
    Record::new(ItemKind::Task).with(Field::Subject, subject)
}

#[tokio::test]
async fn what_is_written_is_read_back_with_every_word() {
    let cloud = Cloud::new().await;
    let cursor = cloud.ready(ONLY).await;
    let graph = cloud.graph();
    let record = task("Call 渡辺 <&>")
        .with(Field::Body, "one\n\ntwo <b>")
        .with(Field::Due, "2026-12-24")
        .with(Field::Status, "waiting")
        .with(Field::Priority, "high")
        .with(Field::RemindAt, "2026-12-23T08:30:00Z");
    let made = make(&graph, 1, record.clone()).await;
    for (field, value) in &record.fields {
        assert_eq!(made.record.get(*field), value, "{field:?}");
    }
    assert_eq!(
        (made.scope, made.marked, made.key.clone()),
        (Scope::In, true, Some(key(1)))
    );
    let (listed, cursor, _) = cloud.next(&cursor, ONLY).await;
    assert_eq!(listed.present[&made.id], made);
    let set = [
        (Field::Due, FieldValue::Empty),
        (Field::RemindAt, FieldValue::Empty),
        (Field::Status, known("completed")),
        (Field::Body, FieldValue::Empty),
    ];
    let now = written(&graph.write(&[update(&made, &set)]).await.unwrap()[0]);
    assert_eq!(
        (now.id.clone(), now.key.clone()),
        (made.id.clone(), made.key.clone())
    );
    assert_eq!(text(&now, Field::Status), "completed");
    assert!(now.extra.task.unwrap().completed.is_some());
    for field in [Field::Due, Field::RemindAt, Field::Body] {
        assert_eq!(now.record.get(field), &FieldValue::Empty, "{field:?}");
    }
    let (listed, cursor, _) = cloud.next(&cursor, ONLY).await;
    assert_eq!(listed.present[&made.id], now);
    cloud.reset().await;
    cloud.next(&cursor, ONLY).await;
    assert_eq!(cloud.graph_requests().await, 1);
    let stale = graph.write(&[update(&made, &set)]).await.unwrap().remove(0);
    assert!(matches!(stale, Outcome::Conflict(_)), "{stale:?}");
}

#[tokio::test]
async fn a_date_is_the_same_date_in_every_zone() {
    let cloud = Cloud::new().await;
    let cursor = cloud.ready(ONLY).await;
    for zone in [
        "Tokyo Standard Time",
        "Hawaiian Standard Time",
        "W. Europe Standard Time",
    ] {
        let path = format!("/exchange/mailboxes/{}/zone", cloud.user.mailbox);
        cloud.control("POST", &path, json!({ "zone": zone })).await;
        cloud
            .add_item(
                "tasks",
                json!({ "subject": zone, "due": "2026-12-01", "categories": ["Salesforce"] }),
            )
            .await;
    }
    let (listed, ..) = cloud.next(&cursor, ONLY).await;
    assert_eq!(listed.present.len(), 3);
    assert!(
        listed
            .present
            .values()
            .all(|task| text(task, Field::Due) == "2026-12-01")
    );
    let graph = cloud.graph();
    let made = make(&graph, 1, task("ours").with(Field::Due, "2027-02-28")).await;
    assert_eq!(text(&made, Field::Due), "2027-02-28");
    assert_eq!(cloud.shown("tasks", "ours").await["due"], "2027-02-28");
}

#[tokio::test]
async fn list_and_category_decide_and_keys_are_written() {
    let cloud = Cloud::new().await;
    let cursor = cloud.ready(ONLY).await;
    cloud.add_item("tasks", json!({ "subject": "plain" })).await;
    cloud
        .add_item(
            "tasks",
            json!({ "subject": "marked", "categories": ["salesforce", "x"] }),
        )
        .await;
    cloud
        .add_item(
            "tasks",
            json!({ "subject": "ours", "folder": "Salesforce Tasks" }),
        )
        .await;
    let (listed, cursor, _) = cloud.next(&cursor, ONLY).await;
    let scope = |name: &str| (named(&listed, name).scope, named(&listed, name).marked);
    assert_eq!(scope("plain"), (Scope::Out, false));
    assert_eq!(scope("marked"), (Scope::In, true));
    assert_eq!(scope("ours"), (Scope::In, true));
    let graph = cloud.graph();
    let adopt = |n: u32, mark| Write::Update {
        kind: ItemKind::Task,
        id: named(&listed, "plain").id.clone(),
        version: named(&listed, "plain").version.clone(),
        set: BTreeMap::from([(Field::Priority, known("low"))]),
        key: Some(key(n)),
        mark: Some(mark),
        notify: false,
    };
    let now = written(&graph.write(&[adopt(7, Mark::Synced)]).await.unwrap()[0]);
    assert_eq!(
        (now.key.clone(), now.marked, text(&now, Field::Priority)),
        (Some(key(7)), true, "low".to_owned())
    );
    // Another key replaces it.
    let again = Write::Update {
        kind: ItemKind::Task,
        id: now.id.clone(),
        version: now.version.clone(),
        set: BTreeMap::new(),
        key: Some(key(8)),
        mark: None,
        notify: false,
    };
    let now = written(&graph.write(&[again]).await.unwrap()[0]);
    assert_eq!(now.key, Some(key(8)));
    let found = graph
        .created(ItemKind::Task, &[key(8), key(7)], Timestamp(0))
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].id, now.id);
    drop(cursor);
}

#[tokio::test]
async fn deletes_moves_and_recurrence_are_not_lost() {
    let cloud = Cloud::new().await;
    let cursor = cloud.ready(ONLY).await;
    let graph = cloud.graph();
    let mut made = Vec::new();
    for n in 0..4 {
        made.push(make(&graph, n, task(&format!("Nr {n}"))).await);
    }
    let (_, cursor, _) = cloud.next(&cursor, ONLY).await;
    cloud
        .delete_item("tasks", &cloud.theirs("tasks", "Nr 1").await, "")
        .await;
    cloud
        .delete_item("tasks", &cloud.theirs("tasks", "Nr 2").await, "hard=true")
        .await;
    cloud
        .move_item("tasks", &cloud.theirs("tasks", "Nr 3").await, "Tasks")
        .await;
    cloud
        .add_item(
            "tasks",
            json!({
                "subject": "every day", "due": "2026-12-01", "folder": "Salesforce Tasks",
                "recurrence": { "pattern": "daily", "interval": 1, "count": 5 },
            }),
        )
        .await;
    let (listed, cursor, full) = cloud.next(&cursor, ONLY).await;
    assert!(full.is_empty());
    for gone in &made[1..] {
        assert!(listed.absent.contains(&gone.id), "{gone:?}");
    }
    let daily = named(&listed, "every day");
    assert!(daily.extra.task.unwrap().recurring);
    let moved = named(&listed, "Nr 3");
    assert_eq!(
        (moved.key.clone(), moved.scope),
        (Some(key(3)), Scope::In),
        "it is marked"
    );
    let fates = graph
        .fates(&made.iter().map(trace).collect::<Vec<_>>())
        .await
        .unwrap();
    assert_eq!(fates[1], Fate::Deleted { merged_into: None });
    assert_eq!(fates[2], Fate::Deleted { merged_into: None });
    assert!(
        matches!(&fates[3], Fate::Here(now) if now.id == moved.id),
        "{:?}",
        fates[3]
    );
    // Done: the next one takes its place.
    let before = text(daily, Field::Due);
    let now = graph
        .write(&[update(daily, &[(Field::Status, known("completed"))])])
        .await
        .unwrap()
        .remove(0);
    assert!(matches!(now, Outcome::Written { .. }), "{now:?}");
    let (listed, ..) = cloud.next(&cursor, ONLY).await;
    let open: Vec<_> = listed
        .present
        .values()
        .filter(|task| text(task, Field::Status) != "completed")
        .collect();
    assert_eq!(open.len(), 1, "{:?}", listed.present.len());
    assert!(text(open[0], Field::Due) > before);
    assert_eq!(
        graph.write(&[delete(&made[0])]).await.unwrap(),
        [Outcome::Deleted]
    );
    assert_eq!(cloud.shown("tasks", "Nr 0").await["folder"], "Deleted Items");
    let outcome = graph.restore(&[trace(&made[0])]).await.unwrap().remove(0);
    assert!(
        matches!(outcome, Outcome::Refused(ref refusal) if refusal.code == IssueCode::ChangeInOutlook),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn candidates_history_and_bad_values() {
    let cloud = Cloud::new().await;
    let graph = cloud.graph();
    for (subject, due) in [
        ("Call", "2026-12-01"),
        ("call", ""),
        ("O'Neil & Co", "2026-12-01"),
    ] {
        let mut entry = json!({ "subject": subject });
        if !due.is_empty() {
            entry["due"] = json!(due);
        }
        cloud.add_item("tasks", entry).await;
    }
    let ask = |subject: &str, due: &str| MatchKey::Task {
        subject: subject.to_owned(),
        due: due.to_owned(),
    };
    let keys = [
        ask("CALL", "2026-12-01"),
        ask("Call", ""),
        ask("o'neil & co", "2026-12-01"),
        ask("Call", "2026-12-02"),
        ask("", ""),
    ];
    let found: Vec<usize> = graph
        .candidates(&keys)
        .await
        .unwrap()
        .iter()
        .map(Vec::len)
        .collect();
    assert_eq!(found, [1, 1, 1, 0, 0]);
    let outcomes = graph
        .write(&[
            create(1, task("a").with(Field::Due, "2026-02-30")),
            create(2, task("b").with(Field::Status, "lost")),
            create(3, task("c")),
        ])
        .await
        .unwrap();
    for (n, field) in [(0, Field::Due), (1, Field::Status)] {
        assert!(
            matches!(&outcomes[n], Outcome::Refused(refusal) if refusal.fields == [field]),
            "{:?}",
            outcomes[n]
        );
    }
    written(&outcomes[2]);
    // What was done long ago is not listed in full.
    cloud
        .add_item("tasks", json!({ "subject": "done", "status": "Completed" }))
        .await;
    let mut want = crate::support::want(ONLY);
    let (listed, ..) = crate::support::round(&graph, None, &want).await;
    assert!(find(&listed, "done").is_some());
    want.tasks_since = at("2030-01-01T00:00:00Z");
    let (listed, ..) = crate::support::round(&graph, None, &want).await;
    assert!(find(&listed, "done").is_none() && find(&listed, "c").is_some());
}
