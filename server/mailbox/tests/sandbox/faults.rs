use std::time::Duration;

use serde_json::{Value, json};
use tandem_sync::FaultKind;
use tandem_sync::model::{Field, Outcome, Write};
use tandem_sync::ports::{Endpoint as _, Mailbox as _};
use tandem_types::{ItemKind, Timestamp};

use crate::support::{World, contacts, create, key, known, listing, make, person, update, written};

#[tokio::test]
async fn a_refused_password_is_shown_once_in_a_session() {
    let world = World::new().await;
    let cursor = world.settled().await;
    world.reset().await;
    let ews = world.session_with("wrong");
    let first = ews.changes(Some(&cursor), &contacts()).await.unwrap_err();
    assert_eq!(first.kind, FaultKind::Rejected);
    for _ in 0..3 {
        assert_eq!(
            ews.changes(None, &contacts()).await.unwrap_err().kind,
            FaultKind::Rejected
        );
        assert_eq!(ews.prepare().await.unwrap_err().kind, FaultKind::Rejected);
        let delete = [create(1, person("A", "B", ""))];
        assert_eq!(ews.write(&delete).await.unwrap_err().kind, FaultKind::Rejected);
    }
    assert_eq!(world.failed_logons().await, 1);
    assert_eq!(world.requests().await, 1);
    assert!(!first.to_string().contains("wrong"), "{first}");
    // Calls at the same time: one goes out, the others learn from it.
    world.reset().await;
    let together = world.session_with("wrong");
    let keys = [key(1)];
    let want = contacts();
    let (a, b, c) = tokio::join!(
        together.changes(None, &want),
        together.prepare(),
        together.created(ItemKind::Contact, &keys, Timestamp(0))
    );
    assert!(a.is_err() && b.is_err() && c.is_err());
    assert_eq!(world.failed_logons().await, 1);
    // Refused from now on although right.
    world.fault(None, json!({ "kind": "credentials_wrong" })).await;
    assert_eq!(
        world
            .session()
            .changes(Some(&cursor), &contacts())
            .await
            .unwrap_err()
            .kind,
        FaultKind::Rejected
    );
}

#[tokio::test]
async fn access_denied_is_a_rejection_and_a_busy_server_is_not() {
    let world = World::new().await;
    let cursor = world.settled().await;
    let ask = async |kind: Value| {
        world.no_faults().await;
        world.fault(Some("GetEvents"), kind).await;
        world
            .session()
            .changes(Some(&cursor), &contacts())
            .await
            .unwrap_err()
    };
    assert_eq!(
        ask(json!({ "kind": "status", "code": 403 })).await.kind,
        FaultKind::Rejected
    );
    let waited = ask(json!({ "kind": "status", "code": 503, "retry_after_s": 90 })).await;
    assert_eq!(
        waited.kind,
        FaultKind::Transient {
            retry_after: Some(Duration::from_secs(90))
        }
    );
    assert!(matches!(
        ask(json!({ "kind": "status", "code": 500 })).await.kind,
        FaultKind::Transient { .. }
    ));
    assert!(matches!(
        ask(json!({ "kind": "status", "code": 404 })).await.kind,
        FaultKind::Fatal
    ));
    for _ in 0..2 {
        // Once as a fault, once inside of a good answer.
        let busy = ask(json!({ "kind": "throttle", "ms": 1500 })).await;
        let wait = Some(Duration::from_millis(1500));
        assert_eq!(
            busy.kind,
            FaultKind::RateLimited {
                retry_after: wait,
                whole_org: false
            },
            "{busy}"
        );
    }
    world.set_mailbox(json!({ "no_mailbox": true })).await;
    world.no_faults().await;
    assert_eq!(
        world
            .session()
            .changes(Some(&cursor), &contacts())
            .await
            .unwrap_err()
            .kind,
        FaultKind::Rejected
    );
    world
        .set_mailbox(json!({ "no_mailbox": false, "disabled": true }))
        .await;
    assert_eq!(
        world
            .session()
            .changes(Some(&cursor), &contacts())
            .await
            .unwrap_err()
            .kind,
        FaultKind::Rejected
    );
}

#[tokio::test]
async fn damaged_answers_and_lost_connections() {
    let world = World::new().await;
    let cursor = world.settled().await;
    let cases = [
        (json!({ "kind": "cut_body" }), "transient"),
        (json!({ "kind": "reset" }), "transient"),
        (json!({ "kind": "timeout_before", "ms": 10_000 }), "transient"),
        (json!({ "kind": "timeout_after", "ms": 50 }), "transient"),
        (json!({ "kind": "malformed" }), "fatal or transient"),
    ];
    for (kind, expected) in cases {
        world.no_faults().await;
        world.fault(Some("GetEvents"), kind.clone()).await;
        let fault = world
            .session()
            .changes(Some(&cursor), &contacts())
            .await
            .unwrap_err();
        match fault.kind {
            FaultKind::Transient { .. } => {}
            FaultKind::Fatal if expected != "transient" => {}
            other => panic!("{kind}: {other:?}"),
        }
        assert!(!fault.in_doubt, "a reading leaves no doubt");
    }
    // Once only: what is safe to send again is sent again, after the password was accepted.
    world.no_faults().await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    for kind in [json!({ "kind": "reset" }), json!({ "kind": "cut_body" })] {
        let mut once = kind;
        once["times"] = json!(1);
        world.fault(Some("GetEvents"), once).await;
        ews.changes(Some(&cursor), &contacts()).await.unwrap();
    }
    world
        .fault(
            Some("GetEvents"),
            json!({ "kind": "slow_body", "ms_per_chunk": 1 }),
        )
        .await;
    ews.changes(Some(&cursor), &contacts()).await.unwrap();
}

#[tokio::test]
async fn an_expired_cursor_starts_anew() {
    let world = World::new().await;
    let cursor = world.settled().await;
    // The subscription is lost: the folders are read instead, in three requests at most.
    world
        .fault(Some("GetEvents"), json!({ "kind": "expired_cursor", "times": 1 }))
        .await;
    world.reset().await;
    let (listed, next, full) = listing(&world.session(), Some(&cursor)).await;
    assert!(!full && listed.present.is_empty());
    assert!(world.requests().await <= 3, "{:?}", world.operations().await);
    // The state is lost.
    world
        .fault(
            Some("SyncFolderItems"),
            json!({ "kind": "expired_cursor", "times": 1 }),
        )
        .await;
    let fault = world
        .session()
        .changes(Some(&next), &contacts())
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::CursorExpired);
    let (listed, _, full) = listing(&world.session(), None).await;
    assert!(full);
    assert_eq!(listed.present.len(), 12);
}

#[tokio::test]
async fn repeated_late_and_missing_changes_do_no_harm() {
    let world = World::new().await;
    let mut cursor = world.settled().await;
    world
        .fault(
            Some("SyncFolderItems"),
            json!({ "kind": "duplicate_changes", "times": 1 }),
        )
        .await;
    let id = world.add(json!({ "fields": { "Surname": "Twice" } })).await;
    let (listed, next, _) = listing(&world.session(), Some(&cursor)).await;
    assert_eq!(listed.present.keys().collect::<Vec<_>>(), [&id]);
    cursor = next;
    world
        .fault(
            Some("SyncFolderItems"),
            json!({ "kind": "late_changes", "n": 3, "times": 1 }),
        )
        .await;
    let late = world.add(json!({ "fields": { "Surname": "Late" } })).await;
    let mut seen = 0;
    for _ in 0..6 {
        let (listed, next, _) = listing(&world.session(), Some(&cursor)).await;
        seen += usize::from(listed.present.contains_key(&late));
        cursor = next;
    }
    assert_eq!(seen, 1, "{:?}", world.operations().await);
    world.reset().await;
    listing(&world.session(), Some(&cursor)).await;
    assert_eq!(world.requests().await, 1, "and then it is quiet again");
}

#[tokio::test]
async fn a_lost_answer_leaves_doubt_and_the_key_resolves_it() {
    let world = World::new().await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let made = make(&ews, 1, person("A", "One", "")).await;
    world
        .fault(
            Some("CreateItem"),
            json!({ "kind": "timeout_after", "ms": 50, "times": 1 }),
        )
        .await;
    let batch = [
        create(7, person("In", "Doubt", "")),
        update(&made, &[(Field::JobTitle, known("x"))]),
    ];
    let outcomes = ews.write(&batch).await.unwrap();
    assert_eq!(outcomes, [Outcome::InDoubt, Outcome::InDoubt]);
    let found = world
        .session()
        .created(ItemKind::Contact, &[key(7)], Timestamp(0))
        .await
        .unwrap();
    assert_eq!(found.len(), 1, "it was made");
    // Done or not, it was sent once.
    assert_eq!(
        world
            .contacts()
            .await
            .iter()
            .filter(|c| c["fields"]["Surname"] == "Doubt")
            .count(),
        1
    );

    world
        .fault(Some("UpdateItem"), json!({ "kind": "cut_body", "times": 1 }))
        .await;
    let outcomes = ews
        .write(&[update(&made, &[(Field::JobTitle, known("y"))])])
        .await
        .unwrap();
    assert_eq!(outcomes, [Outcome::InDoubt]);
    let now = ews
        .read(std::slice::from_ref(&made.id))
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    world
        .fault(
            Some("DeleteItem"),
            json!({ "kind": "timeout_after", "ms": 50, "times": 1 }),
        )
        .await;
    let delete = Write::Delete {
        kind: ItemKind::Contact,
        id: now.id.clone(),
        version: now.version.clone(),
        notify: false,
    };
    assert_eq!(ews.write(&[delete]).await.unwrap(), [Outcome::InDoubt]);
    // Written, and not read back.
    world
        .fault(
            Some("GetItem"),
            json!({ "kind": "status", "code": 500, "times": 1 }),
        )
        .await;
    assert_eq!(
        ews.write(&[create(8, person("No", "Echo", ""))]).await.unwrap(),
        [Outcome::InDoubt]
    );
    assert_eq!(
        world
            .session()
            .created(ItemKind::Contact, &[key(8)], Timestamp(0))
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_fault_means_that_nothing_was_done() {
    let world = World::new().await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let before = world.contacts().await.len();
    let batch = [create(1, person("A", "B", ""))];
    for kind in [
        json!({ "kind": "throttle", "ms": 10 }),
        json!({ "kind": "throttle", "ms": 10 }),
        json!({ "kind": "status", "code": 503 }),
        json!({ "kind": "status", "code": 403 }),
    ] {
        world.no_faults().await;
        world.fault(Some("CreateItem"), kind).await;
        ews.write(&batch).await.unwrap_err();
    }
    assert_eq!(world.contacts().await.len(), before);
    // Busy in the middle of a batch: what was done is told.
    world.no_faults().await;
    let made = make(&ews, 2, person("C", "D", "")).await;
    world
        .fault(Some("UpdateItem"), json!({ "kind": "throttle", "ms": 10 }))
        .await;
    let outcomes = ews
        .write(&[
            update(&made, &[(Field::JobTitle, known("x"))]),
            create(3, person("E", "F", "")),
        ])
        .await
        .unwrap();
    assert_eq!(outcomes[0], Outcome::InDoubt);
    written(&outcomes[1]);
}

#[tokio::test]
async fn a_version_that_moves_in_between_is_a_conflict() {
    let world = World::new().await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let made = make(&ews, 1, person("A", "B", "")).await;
    world
        .fault(Some("UpdateItem"), json!({ "kind": "stale_version", "times": 1 }))
        .await;
    let outcomes = ews
        .write(&[update(&made, &[(Field::JobTitle, known("x"))])])
        .await
        .unwrap();
    let Outcome::Conflict(fresh) = &outcomes[0] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(fresh.record, made.record);
    let now = written(
        &ews.write(&[update(fresh, &[(Field::JobTitle, known("x"))])])
            .await
            .unwrap()[0],
    );
    assert_eq!(now.record.get(Field::JobTitle), &known("x"));
}

#[tokio::test]
async fn answers_over_the_limit_are_refused() {
    let world = World::new().await;
    let account = tandem_mailbox::EwsAccount {
        url: world.sandbox.info().ews_url.parse().unwrap(),
        login: world.user.exchange_login.clone(),
        password: world.user.exchange_password.clone().into(),
        sign_in: tandem_mailbox::SignIn::Basic,
        address: world.user.mailbox.clone(),
    };
    let limits = tandem_mailbox::EwsLimits {
        max_response: 8 << 10,
        ..tandem_mailbox::EwsLimits::default()
    };
    let ews = tandem_mailbox::Ews::with_limits(world.net.clone(), account, limits);
    // Twelve contacts do not fit into one answer: they come in smaller ones.
    let (listed, ..) = listing(&ews, None).await;
    assert_eq!(listed.present.len(), 12);
    assert!(world.operations().await["GetItem"] > 1);
}
