use serde_json::json;
use tandem_sync::model::{
    Candidate, Cursor, Fate, Field, FieldValue, Kinds, Mark, MatchKey, Outcome, Record, Scope, Snapshot,
    Write,
};
use tandem_sync::ports::{Endpoint as _, Mailbox as _};
use tandem_types::{IssueCode, ItemKind};

use crate::support::{World, create, delete, key, known, make, round, trace, update, want, written};

const ONLY: Kinds = Kinds::of(ItemKind::Task);
const FOLDER: &str = "Salesforce Tasks";

async fn settled(world: &World) -> Cursor {
    let ews = world.session();
    ews.prepare().await.unwrap();
    round(&ews, None, &want(ONLY)).await.1
}

fn text(of: &Snapshot, field: Field) -> String {
    of.record.get(field).known().unwrap_or("-").to_owned()
}

#[tokio::test]
async fn what_is_written_is_read_back_with_every_word() {
    let world = World::new().await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let mut n = 0;
    for status in ["not_started", "in_progress", "waiting", "deferred", "completed"] {
        for priority in ["low", "normal", "high"] {
            n += 1;
            let record = Record::new(ItemKind::Task)
                .with(Field::Subject, &format!("Call {n} <&>"))
                .with(Field::Body, "one\ntwo")
                .with(Field::Due, "2026-12-24")
                .with(Field::Status, status)
                .with(Field::Priority, priority)
                .with(Field::RemindAt, "2026-12-24T08:00:00Z");
            let made = make(&ews, n, record.clone()).await;
            for field in record.fields.keys() {
                assert_eq!(made.record.get(*field), record.get(*field), "{status} {field:?}");
            }
            assert_eq!(
                (made.scope, made.marked, made.key.clone()),
                (Scope::In, true, Some(key(n)))
            );
            assert_eq!(
                made.extra.task.unwrap().completed.is_some(),
                status == "completed"
            );
            assert_eq!(world.item("tasks", &made.id).await["folder"], FOLDER);
        }
    }
    let made = make(&ews, 99, Record::new(ItemKind::Task).with(Field::Subject, "x")).await;
    // From every status to every other.
    let mut now = made;
    for status in [
        "completed",
        "deferred",
        "waiting",
        "completed",
        "not_started",
        "deferred",
        "completed",
        "in_progress",
    ] {
        now = written(
            &ews.write(&[update(&now, &[(Field::Status, known(status))])])
                .await
                .unwrap()[0],
        );
        assert_eq!(text(&now, Field::Status), status);
    }
    let all = [
        (Field::Subject, known("y")),
        (Field::Body, known("text")),
        (Field::Due, known("2026-12-31")),
        (Field::RemindAt, known("2026-12-30T08:00:00Z")),
        (Field::Priority, known("high")),
    ];
    now = written(&ews.write(&[update(&now, &all)]).await.unwrap()[0]);
    for (field, value) in &all {
        assert_eq!(now.record.get(*field), value, "{field:?}");
    }
    let cleared = [Field::Body, Field::Due, Field::RemindAt].map(|field| (field, FieldValue::Empty));
    now = written(&ews.write(&[update(&now, &cleared)]).await.unwrap()[0]);
    for (field, value) in &cleared {
        assert_eq!(now.record.get(*field), value, "{field:?}");
    }
    assert_eq!(ews.write(&[delete(&now)]).await.unwrap(), [Outcome::Deleted]);
}

#[tokio::test]
async fn folder_and_category_decide() {
    let world = World::new().await;
    let cursor = settled(&world).await;
    let plain = world.add_item("tasks", json!({ "subject": "Plain" })).await;
    let marked = world
        .add_item(
            "tasks",
            json!({ "subject": "Marked", "categories": ["salesforce"] }),
        )
        .await;
    let ours = world
        .add_item("tasks", json!({ "subject": "Ours", "folder": FOLDER }))
        .await;
    let private = world
        .add_item("tasks", json!({ "subject": "Private", "private": true }))
        .await;
    let unsync = world
        .add_item(
            "tasks",
            json!({ "subject": "Unsync", "categories": ["Salesforce", "Salesforce Unsync", "Sync Error"] }),
        )
        .await;
    let ews = world.session();
    let (listed, cursor, _) = round(&ews, Some(&cursor), &want(ONLY)).await;
    let scope = |id| (listed.present[id].scope, listed.present[id].marked);
    assert_eq!(scope(&plain), (Scope::Out, false));
    assert_eq!(scope(&marked), (Scope::In, true));
    assert_eq!(scope(&ours), (Scope::In, true));
    assert_eq!(scope(&private), (Scope::Private, false));
    let extra = &listed.present[&unsync].extra;
    assert!(extra.unsync && extra.failed);
    // Marked as synced: one category more, one less, the user's own kept.
    let mark = Write::Update {
        kind: ItemKind::Task,
        id: unsync.clone(),
        version: listed.present[&unsync].version.clone(),
        set: std::collections::BTreeMap::new(),
        key: Some(key(5)),
        mark: Some(Mark::None),
        notify: false,
    };
    let now = written(&ews.write(&[mark]).await.unwrap()[0]);
    assert_eq!(
        (now.marked, now.extra.unsync, now.extra.failed, now.key.clone()),
        (false, true, false, Some(key(5)))
    );
    // Filed: found by its key; deleted: proved.
    let moved = world.move_item("tasks", &unsync, FOLDER).await;
    let (listed, ..) = round(&ews, Some(&cursor), &want(ONLY)).await;
    assert!(listed.present.contains_key(&moved) && (moved == unsync || listed.absent.contains(&unsync)));
    world.delete_item("tasks", &moved, "").await;
    assert_eq!(
        ews.fates(&[trace(&now)]).await.unwrap(),
        [Fate::Deleted { merged_into: None }]
    );
    let back = ews.restore(&[trace(&now)]).await.unwrap().remove(0);
    assert_eq!(written(&back).scope, Scope::In);
}

#[tokio::test]
async fn what_was_done_long_ago_is_not_listed() {
    let world = World::new().await;
    let open = world
        .add_item("tasks", json!({ "subject": "Open", "due": "2020-01-01" }))
        .await;
    let recent = world
        .add_item(
            "tasks",
            json!({ "subject": "Done", "due": "2026-11-20", "status": "Completed" }),
        )
        .await;
    let later = {
        let mut later = want(ONLY);
        // Everything was changed before.
        later.tasks_since = crate::support::at("2035-01-01T00:00:00Z");
        later
    };
    let ews = world.session();
    ews.prepare().await.unwrap();
    let (listed, ..) = round(&ews, None, &want(ONLY)).await;
    assert!(listed.present.contains_key(&open) && listed.present.contains_key(&recent));
    let (listed, cursor, full) = round(&ews, None, &later).await;
    assert!(full.has(ItemKind::Task));
    assert_eq!(listed.present.keys().collect::<Vec<_>>(), [&open]);
    // A change is told however old it is.
    world
        .change_item("tasks", &recent, json!({ "subject": "Done twice" }))
        .await;
    let (listed, ..) = round(&ews, Some(&cursor), &later).await;
    assert_eq!(listed.present.keys().collect::<Vec<_>>(), [&recent]);
}

#[tokio::test]
async fn recurring_tasks_are_told() {
    let world = World::new().await;
    let cursor = settled(&world).await;
    let id = world
        .add_item("tasks", json!({ "subject": "Weekly", "due": "2026-11-24", "folder": FOLDER, "recurrence": { "pattern": "weekly", "interval": 1, "days": ["Tuesday"], "start": "2026-11-24" } }))
        .await;
    let ews = world.session();
    let (listed, ..) = round(&ews, Some(&cursor), &want(ONLY)).await;
    assert!(listed.present[&id].extra.task.unwrap().recurring);
}

#[tokio::test]
async fn candidates_by_subject_and_date() {
    let world = World::new().await;
    let cursor = settled(&world).await;
    world
        .add_item("tasks", json!({ "subject": "Call Ada", "due": "2026-11-24" }))
        .await;
    world
        .add_item("tasks", json!({ "subject": "call ada", "due": "2026-11-25" }))
        .await;
    let undated = world.add_item("tasks", json!({ "subject": "Call Ada" })).await;
    let deleted = world
        .add_item("tasks", json!({ "subject": "Call Ada", "due": "2026-11-24" }))
        .await;
    world.delete_item("tasks", &deleted, "").await;
    let _ = cursor;
    let key = |subject: &str, due: &str| MatchKey::Task {
        subject: subject.to_owned(),
        due: due.to_owned(),
    };
    let keys = [
        key("CALL ADA", "2026-11-24"),
        key("Call Ada", ""),
        key("Call", "2026-11-24"),
        key(" ", ""),
    ];
    let found = world.session().candidates(&keys).await.unwrap();
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 0, 0]);
    let Candidate::Same(one) = &found[1][0] else {
        panic!("no task")
    };
    assert_eq!(one.id, undated);
}

#[tokio::test]
async fn bad_tasks_are_refused_one_by_one() {
    let world = World::new().await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let task = |field, text: &str| {
        Record::new(ItemKind::Task)
            .with(Field::Subject, "x")
            .with(field, text)
    };
    let writes = [
        create(1, task(Field::Due, "24 December")),
        create(2, task(Field::Status, "dreaming")),
        create(3, task(Field::Priority, "extreme")),
        create(4, task(Field::RemindAt, "at noon")),
        create(5, task(Field::Body, "fine")),
    ];
    let outcomes = ews.write(&writes).await.unwrap();
    for (n, field) in [Field::Due, Field::Status, Field::Priority, Field::RemindAt]
        .into_iter()
        .enumerate()
    {
        let Outcome::Refused(refusal) = &outcomes[n] else {
            panic!("{:?}", outcomes[n])
        };
        assert_eq!(
            (refusal.code, refusal.fields.as_slice()),
            (IssueCode::Refused, &[field][..])
        );
    }
    let made = written(&outcomes[4]);
    // A text with a table is the user's.
    world
        .change_item(
            "tasks",
            &made.id,
            json!({ "html": "<table><tr><td>1</td></tr></table>" }),
        )
        .await;
    let now = ews
        .read(std::slice::from_ref(&made.id))
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    let outcome = ews
        .write(&[update(&now, &[(Field::Body, known("x"))])])
        .await
        .unwrap()
        .remove(0);
    let Outcome::Refused(refusal) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(refusal.code, IssueCode::RichBody);
}
