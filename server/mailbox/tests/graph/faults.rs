use std::sync::atomic::Ordering;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tandem_mailbox::graph::{GraphLimits, not_in_cloud, whoami};
use tandem_mailbox::microsoft::claims_of;
use tandem_sync::FaultKind;
use tandem_sync::model::{Field, Kinds, Outcome, Write};
use tandem_sync::ports::{Endpoint as _, Mailbox as _};
use tandem_types::{ItemKind, Timestamp};

use crate::support::{contacts, create, key, known, make, person, update, want, written};
use crate::world::Cloud;

#[tokio::test]
async fn a_token_that_is_over_is_refreshed_once() {
    let cloud = Cloud::new().await;
    let tokens = cloud.tokens(&SecretString::from("stale"));
    let graph = cloud.graph_with(tokens.clone(), Cloud::limits());
    graph.prepare().await.unwrap();
    graph.changes(None, &want(Kinds::ALL)).await.unwrap();
    assert_eq!(tokens.refreshed.load(Ordering::SeqCst), 1);
    // The fresh one is refused, too: that sign-in is over.
    let path = format!("/microsoft/users/{}/revoke_all", cloud.user.mailbox);
    cloud.control("POST", &path, Value::Null).await;
    let tokens = cloud.tokens(cloud.token());
    let fault = cloud
        .graph_with(tokens.clone(), Cloud::limits())
        .changes(None, &contacts())
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::SignInEnded, "{fault}");
    assert_eq!(tokens.refreshed.load(Ordering::SeqCst), 1);
    assert!(!format!("{fault:?}").contains(cloud.token().expose_secret()));
}

#[tokio::test]
async fn what_was_done_before_the_sign_in_ended_is_told() {
    let cloud = Cloud::new().await;
    let graph = cloud.graph();
    graph.prepare().await.unwrap();
    // The first part is done, the second is refused with every token.
    let rule = json!({ "kind": "status", "code": 401, "skip": 1 });
    cloud
        .graph_fault(Some("POST contactFolders/{id}/contacts"), rule)
        .await;
    let batch = [
        create(1, person("P", "One", "")),
        create(2, person("P", "Two", "")),
    ];
    let outcomes = graph.write(&batch).await.unwrap();
    assert_eq!(written(&outcomes[0]).key, Some(key(1)));
    assert!(
        matches!(&outcomes[1], Outcome::Refused(refusal) if refusal.retry),
        "{outcomes:?}"
    );
    cloud.no_faults().await;
    let outcomes = graph.write(&batch[1..]).await.unwrap();
    assert_eq!(written(&outcomes[0]).key, Some(key(2)));
    // Where nothing was done, that is what is said.
    let rule = json!({ "kind": "status", "code": 401 });
    cloud
        .graph_fault(Some("POST contactFolders/{id}/contacts"), rule)
        .await;
    let fault = cloud
        .graph()
        .write(&[create(3, person("P", "Three", ""))])
        .await
        .unwrap_err();
    assert!(fault.kind == FaultKind::SignInEnded && !fault.in_doubt, "{fault}");
}

#[tokio::test]
async fn what_conditional_access_demands_is_passed_on() {
    let cloud = Cloud::new().await;
    let path = format!("/microsoft/users/{}", cloud.user.mailbox);
    cloud
        .control("PUT", &path, json!({ "conditional_access": true }))
        .await;
    let fault = cloud.graph().changes(None, &contacts()).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::SignInEnded);
    let claims: Value = serde_json::from_str(claims_of(&fault).unwrap()).unwrap();
    assert!(claims["access_token"].is_object(), "{claims}");
}

#[tokio::test]
async fn whose_mailbox_it_is_and_whether_it_is_in_the_cloud() {
    let cloud = Cloud::new().await;
    let url = cloud.account().url;
    let me = whoami(&cloud.net, &url, cloud.token()).await.unwrap();
    assert_eq!(me.address, cloud.user.mailbox.to_lowercase());
    assert!(me.owns(&cloud.user.mailbox.to_uppercase()) && !me.owns("somebody@else.example"));
    let path = format!("/exchange/mailboxes/{}/home", cloud.user.mailbox);
    cloud
        .control("POST", &path, json!({ "home": "on_premises" }))
        .await;
    let fault = whoami(&cloud.net, &url, cloud.token()).await.unwrap_err();
    assert!(
        not_in_cloud(&fault) && fault.kind == FaultKind::Rejected,
        "{fault}"
    );
    let fault = cloud.graph().changes(None, &contacts()).await.unwrap_err();
    assert!(
        not_in_cloud(&fault) && fault.to_string().contains("no mailbox in Exchange Online"),
        "{fault}"
    );
    let fault = whoami(&cloud.net, &url, &SecretString::from("wrong"))
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::SignInEnded);
}

#[tokio::test]
async fn who_asks_to_wait_is_waited_for() {
    let cloud = Cloud::new().await;
    let graph = cloud.graph();
    graph.prepare().await.unwrap();
    // Parts of a batch that were told to wait are asked again; the others are not.
    let batch: Vec<Write> = (0..10)
        .map(|n| create(n, person("P", &format!("Nr {n}"), "")))
        .collect();
    cloud
        .graph_fault(
            None,
            json!({ "kind": "throttle", "ms": 1000, "times": 3, "skip": 1 }),
        )
        .await;
    let outcomes = graph.write(&batch).await.unwrap();
    for (n, outcome) in (0..).zip(&outcomes) {
        assert_eq!(written(outcome).key, Some(key(n)));
    }
    cloud.no_faults().await;
    let made = cloud
        .contacts()
        .await
        .iter()
        .filter(|c| c["fields"]["GivenName"] == "P")
        .count();
    assert_eq!(made, 10, "none twice");
    // Longer than patience: the fault says how long.
    cloud
        .graph_fault(None, json!({ "kind": "throttle", "ms": 600_000 }))
        .await;
    let fault = cloud.graph().changes(None, &contacts()).await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::RateLimited { .. }), "{fault}");
    assert_eq!(fault.retry_after(), Some(std::time::Duration::from_mins(10)));
    let fault = graph
        .write(&[create(90, person("Q", "Q", ""))])
        .await
        .unwrap_err();
    assert!(
        matches!(fault.kind, FaultKind::RateLimited { .. }) && !fault.in_doubt,
        "{fault}"
    );
}

#[tokio::test]
async fn a_lost_answer_leaves_doubt_and_the_key_resolves_it() {
    let cloud = Cloud::new().await;
    let graph = cloud.graph();
    graph.prepare().await.unwrap();
    for (n, fault) in (0..).zip([
        json!({ "kind": "status_after", "code": 503, "times": 1 }),
        json!({ "kind": "status_after", "code": 500, "times": 1 }),
        json!({ "kind": "timeout_after", "ms": 8000, "times": 1 }),
    ]) {
        cloud.graph_fault(Some("POST $batch"), fault).await;
        let outcome = graph
            .write(&[create(n, person("P", &format!("Nr {n}"), ""))])
            .await;
        cloud.no_faults().await;
        let found = cloud
            .graph()
            .created(ItemKind::Contact, &[key(n)], Timestamp(0))
            .await
            .unwrap();
        match outcome {
            Ok(outcomes) => assert!(
                outcomes == [Outcome::InDoubt] && found.len() == 1,
                "{outcomes:?} {}",
                found.len()
            ),
            // What stands before Graph said so: nothing was done.
            Err(fault) => panic!("{n}: {fault}, and {} made", found.len()),
        }
    }
}

#[tokio::test]
async fn a_version_that_moves_in_between_is_a_conflict() {
    let cloud = Cloud::new().await;
    let graph = cloud.graph();
    graph.prepare().await.unwrap();
    let made = make(&graph, 1, person("A", "B", "")).await;
    cloud
        .graph_fault(
            Some("PATCH contacts/{id}"),
            json!({ "kind": "stale_version", "times": 1 }),
        )
        .await;
    let outcome = graph
        .write(&[update(&made, &[(Field::JobTitle, known("x"))])])
        .await
        .unwrap()
        .remove(0);
    assert!(matches!(outcome, Outcome::Conflict(_)), "{outcome:?}");
}

#[tokio::test]
async fn answers_that_are_none_or_too_large_are_refused() {
    let cloud = Cloud::new().await;
    let small = GraphLimits {
        max_response: 300,
        ..Cloud::limits()
    };
    let graph = cloud.graph_with(cloud.tokens(cloud.token()), small);
    let fault = graph.changes(None, &contacts()).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Fatal, "{fault}");
    for kind in ["malformed", "cut_body", "reset"] {
        cloud.graph_fault(None, json!({ "kind": kind })).await;
        let fault = cloud.graph().changes(None, &contacts()).await.unwrap_err();
        assert!(
            matches!(fault.kind, FaultKind::Fatal | FaultKind::Transient { .. }),
            "{kind}: {fault}"
        );
        cloud.no_faults().await;
    }
    cloud.graph().changes(None, &contacts()).await.unwrap();
}
