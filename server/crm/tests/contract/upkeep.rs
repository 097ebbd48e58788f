//! Taking deletes back, list views, other tools, and what is deployed into an organisation.

use std::sync::Arc;

use serde_json::{Value, json};
use tandem_crm::{InstallError, Step, install};
use tandem_sandbox::Options;
use tandem_sync::model::{Change, Field, ItemId, Kinds, Outcome, Record, Trace};
use tandem_sync::ports::{Crm as _, Endpoint as _};
use tandem_types::{ContactScope, IssueCode, ItemKind, Settings};

use super::activities::{done, make};
use super::{Rig, key, listing_of, present, want, written};

fn trace(kind: ItemKind, id: &ItemId) -> Trace {
    Trace {
        kind,
        id: id.clone(),
        key: key(1),
        carried: true,
        meeting: None,
    }
}

#[tokio::test]
async fn deletes_are_taken_back_or_gone_for_good() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let binned = rig.contact(0, json!({"LastName": "Binned & <co>"})).await;
    let purged = rig.contact(0, json!({"LastName": "Purged"})).await;
    let there = rig.contact(0, json!({"LastName": "There"})).await;
    let task = rig.make("Task", 0, json!({"Subject": "Binned"})).await;
    rig.delete(&binned, "").await;
    rig.delete(&purged, "?hard=true").await;
    rig.control("DELETE", &format!("/salesforce/records/Task/{task}"), Value::Null)
        .await;
    let odd = ItemId("no id".to_owned());
    let gone = [
        trace(ItemKind::Contact, &binned),
        trace(ItemKind::Contact, &purged),
        trace(ItemKind::Contact, &there),
        trace(ItemKind::Task, &task),
        trace(ItemKind::Contact, &odd),
    ];
    rig.control(
        "POST",
        &format!("/salesforce/users/{}/expire_access", session.username),
        Value::Null,
    )
    .await;
    let outcomes = session.salesforce.restore(&gone).await.unwrap();
    assert_eq!(written(&outcomes[0]).id, binned);
    assert_eq!(outcomes[1], Outcome::Missing);
    assert_eq!(written(&outcomes[2]).id, there, "it was there all along");
    assert_eq!(written(&outcomes[3]).id, task);
    assert_eq!(outcomes[4], Outcome::Missing);
    assert!(session.salesforce.restore(&[]).await.unwrap().is_empty());

    // Without an answer, what is there decides.
    rig.delete(&binned, "").await;
    rig.fault(json!({"operation": "undelete", "kind": {"kind": "timeout_after", "ms": 10}, "times": 1}))
        .await;
    let outcomes = session.salesforce.restore(&gone[..1]).await.unwrap();
    assert_eq!(written(&outcomes[0]).id, binned);
    rig.delete(&binned, "").await;
    rig.fault(json!({"operation": "undelete", "kind": {"kind": "timeout_before", "ms": 10}, "times": 1}))
        .await;
    let outcomes = session.salesforce.restore(&gone[..1]).await.unwrap();
    assert_eq!(outcomes, [Outcome::InDoubt]);
}

#[tokio::test]
async fn a_list_view_decides_about_contacts() {
    let rig = Rig::fresh().await;
    let boss = rig.contact(1, json!({"LastName": "Boss", "Title": "CEO"})).await;
    let clerk = rig
        .contact(0, json!({"LastName": "Clerk", "Title": "Clerk"}))
        .await;
    let view =
        json!({"object": "Contact", "label": "VIPs", "scope": "everything", "where": "Title LIKE '%CEO%'"});
    let list = rig.control("POST", "/salesforce/listviews", view).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let settings = Settings {
        contact_scope: ContactScope::ListView,
        contact_list: Some(list.clone()),
        ..Settings::default()
    };
    let session = rig.session_with(0, settings).await;
    let contacts = want(&session, Kinds::of(ItemKind::Contact));
    let (items, last) = listing_of(&session, None, &contacts).await;
    assert!(present(&items).contains_key(&boss) && !present(&items).contains_key(&clerk));
    assert!(last.full.has(ItemKind::Contact));
    let before = rig.requests().await;
    let (_, last) = listing_of(&session, Some(&last), &contacts).await;
    assert_eq!(rig.requests().await - before, 1);
    assert!(last.full.is_empty());
    // Who comes makes the list another: it is told in full.
    rig.change(&clerk, json!({"Title": "Deputy CEO"})).await;
    let (items, last) = listing_of(&session, Some(&last), &contacts).await;
    assert!(last.full.has(ItemKind::Contact));
    assert!(present(&items).contains_key(&clerk) && present(&items).contains_key(&boss));
    // A list that is gone moves nothing, and is told.
    rig.control(
        "DELETE",
        &format!("/salesforce/records/ListView/{list}?hard=true"),
        Value::Null,
    )
    .await;
    let (items, last) = listing_of(&session, Some(&last), &contacts).await;
    assert!(items.is_empty() && last.full.is_empty(), "{items:?}");
    let told = session.salesforce.unreadable();
    assert!(
        matches!(told.as_slice(), [(ItemKind::Contact, id, refusal)]
        if id.0 == list && refusal.code == IssueCode::NoPermission),
        "{told:?}"
    );
    assert!(session.salesforce.unreadable().is_empty());
}

#[tokio::test]
async fn another_tool_is_noticed() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    assert_eq!(session.salesforce.rivals().await.unwrap(), []);
    rig.org(json!({"activity_capture": true})).await;
    let rivals = session.salesforce.rivals().await.unwrap();
    assert_eq!(rivals.len(), 1, "{rivals:?}");
    assert_eq!(rivals[0].name, "Einstein Activity Capture");
}

#[tokio::test]
async fn what_is_needed_is_deployed_once() {
    let rig = Rig::start(Options {
        tandem_key: false,
        ..Options::default()
    })
    .await;
    let session = rig.session().await;
    let me = session.salesforce.user();
    let grants = || Arc::clone(&session.grants) as Arc<_>;
    let steps = install(&rig.platform, grants(), &me).await.unwrap();
    assert!(
        steps.iter().all(|step| matches!(step, Step::Made(_))),
        "{steps:?}"
    );
    assert_eq!(steps.len(), 3 + 1 + 4 + 1, "{steps:?}");
    let again = install(&rig.platform, grants(), &me).await.unwrap();
    assert!(
        again.iter().all(|step| matches!(step, Step::There(_))),
        "{again:?}"
    );
    let profiles = session.salesforce.profile().await.unwrap();
    for kind in ItemKind::ALL {
        assert!(profiles.of(kind).unwrap().holds_key, "{kind:?}");
    }
    let record = Record::new(ItemKind::Task)
        .with(Field::Subject, "keyed")
        .with(Field::Status, "not_started");
    assert_eq!(done(&session, make(7, record)).await.key, Some(key(7)));
}

#[tokio::test]
async fn a_user_who_may_not_customise_is_told_so() {
    let rig = Rig::start(Options {
        tandem_key: false,
        ..Options::default()
    })
    .await;
    let session = rig.session_of(1, ContactScope::Mine).await;
    let me = session.salesforce.user();
    let error = install(&rig.platform, Arc::clone(&session.grants) as Arc<_>, &me)
        .await
        .unwrap_err();
    assert!(matches!(error, InstallError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("Salesforce refuses"), "{error}");
}

#[tokio::test]
async fn a_cursor_of_contacts_alone_goes_on() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let now = tandem_sync::ports::Clock::now(&*session.clock).micros();
    let old = tandem_sync::model::Cursor(format!(
        r#"{{"v":1,"mine":true,"watermark":{now},"polled":{now},"round":null}}"#
    ));
    let all = want(&session, Kinds::ALL);
    let changes = session.salesforce.changes(Some(&old), &all).await.unwrap();
    assert_eq!(changes.full, Kinds::of(ItemKind::Event).with(ItemKind::Task));
    assert!(changes.items.iter().all(|item| !matches!(item, Change::Left(_))));
}

#[tokio::test]
async fn salesforce_says_who_administers() {
    let rig = Rig::fresh().await;
    // The sandbox's first user is a system administrator, the second is not.
    let (admin, other) = (rig.session().await, rig.session_of(1, ContactScope::Mine).await);
    let asked = async |session: &super::Session| session.salesforce.administers("Tandem_Admin").await;
    assert!(asked(&admin).await.unwrap());
    assert!(!asked(&other).await.unwrap());

    // A permission set gives the right to its users alone, and only the one that is named.
    let set = json!({"Name": "Tandem_Admin", "Label": "Tandem Administrators"});
    let set = rig.make("PermissionSet", 0, set).await;
    assert!(!asked(&other).await.unwrap(), "it is nobody's yet");
    let user = rig.sandbox.info().users[1].salesforce_user_id.clone();
    let assigned = json!({"PermissionSetId": set.0, "AssigneeId": user});
    let assigned = rig.make("PermissionSetAssignment", 0, assigned).await;
    assert!(asked(&other).await.unwrap());
    assert!(!other.salesforce.administers("Another").await.unwrap());
    let path = format!("/salesforce/records/PermissionSetAssignment/{assigned}");
    rig.control("DELETE", &path, Value::Null).await;
    assert!(!asked(&other).await.unwrap());

    // So does a group that holds it, for as long as it does.
    let group = json!({"DeveloperName": "Helpdesk", "MasterLabel": "Helpdesk"});
    let group = rig.make("PermissionSetGroup", 0, group).await;
    let assigned = json!({"PermissionSetGroupId": group.0, "AssigneeId": user});
    rig.make("PermissionSetAssignment", 0, assigned).await;
    assert!(!asked(&other).await.unwrap(), "the group holds nothing yet");
    let held = json!({"PermissionSetGroupId": group.0, "PermissionSetId": set.0});
    let held = rig.make("PermissionSetGroupComponent", 0, held).await;
    assert!(asked(&other).await.unwrap());
    assert!(!other.salesforce.administers("Another").await.unwrap());
    let path = format!("/salesforce/records/PermissionSetGroupComponent/{held}");
    rig.control("DELETE", &path, Value::Null).await;
    assert!(!asked(&other).await.unwrap());

    // It is one call, and takes effect when it is withdrawn.
    let before = rig.requests().await;
    asked(&admin).await.unwrap();
    assert_eq!(rig.requests().await - before, 1);
    let path = format!("/salesforce/users/{}", admin.username);
    rig.control("PUT", &path, json!({"admin": false})).await;
    assert!(!asked(&admin).await.unwrap());

    // What is not answered gives no right.
    rig.control("PUT", &path, json!({"admin": true})).await;
    rig.org(json!({"api_disabled": true})).await;
    assert!(asked(&admin).await.is_err());
}
