//! The package: the external id by the Tooling API, and the permission set that opens it.

use serde_json::{Value, json};
use tandem_sandbox::Options;

use crate::rig::{World, form, text};

fn field(object: &str) -> Value {
    json!({
        "FullName": format!("{object}.Tandem_Key__c"),
        "Metadata": {
            "label": "Tandem Key", "type": "Text", "length": 64, "externalId": true, "unique": true,
            "caseSensitive": true, "description": "Set by the sync",
        },
    })
}

async fn bare() -> World {
    World::with(Options {
        tandem_key: false,
        ..Options::default()
    })
    .await
}

const FIELDS: &str = "/tooling/sobjects/CustomField";

#[tokio::test]
async fn the_field_is_there_once_and_nobody_sees_it_before_he_may() {
    let world = bare().await;
    for object in ["Contact", "Activity", "EmailMessage"] {
        let got = world.api("POST", FIELDS, field(object)).await;
        assert_eq!(
            (got.status, got.json()["success"].clone()),
            (201, json!(true)),
            "{}",
            got.text
        );
        let again = world.api("POST", FIELDS, field(object)).await;
        assert_eq!(
            (again.status, again.code().as_str()),
            (400, "DUPLICATE_DEVELOPER_NAME")
        );
    }
    let soql = "SELECT Id, DeveloperName, TableEnumOrId FROM CustomField WHERE DeveloperName = 'Tandem_Key' ORDER BY TableEnumOrId";
    let listed = world
        .get(&format!("/tooling/query?{}", form(&[("q", soql)])))
        .await
        .json();
    let tables: Vec<&Value> = listed["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["TableEnumOrId"])
        .collect();
    assert_eq!(
        tables,
        [&json!("Activity"), &json!("Contact"), &json!("EmailMessage")]
    );
    // Not even the administrator.
    for object in ["Contact", "Event", "Task", "EmailMessage"] {
        assert_eq!(
            world.field(object, "Tandem_Key__c").await,
            Value::Null,
            "{object}"
        );
        let got = world
            .query_as(0, &format!("SELECT Tandem_Key__c FROM {object}"))
            .await;
        assert_eq!(got.code(), "INVALID_FIELD");
    }
    let set = world
        .create("PermissionSet", json!({"Name": "Tandem", "Label": "Tandem"}))
        .await;
    assert_eq!(
        world
            .refused("PermissionSet", json!({"Name": "Tandem", "Label": "x"}))
            .await
            .1,
        "DUPLICATE_DEVELOPER_NAME"
    );
    for object in ["Contact", "Event", "Task"] {
        let body = json!({
            "ParentId": set, "SobjectType": object, "Field": format!("{object}.Tandem_Key__c"),
            "PermissionsRead": true, "PermissionsEdit": object != "Task",
        });
        world.create("FieldPermissions", body.clone()).await;
        assert_eq!(world.refused("FieldPermissions", body).await.1, "DUPLICATE_VALUE");
    }
    let assignment = json!({"PermissionSetId": set, "AssigneeId": world.user_id(1)});
    let assignment = world.create("PermissionSetAssignment", assignment).await;
    assert_eq!(
        world.field("Event", "Tandem_Key__c").await,
        Value::Null,
        "it is assigned to another"
    );
    let event = json!({"StartDateTime": "2026-12-01T09:00:00Z", "DurationInMinutes": 5});
    let path = "/sobjects/Event/Tandem_Key__c/Key-A";
    let made = world.api_as(1, "PATCH", path, event.clone()).await;
    assert_eq!((made.status, made.json()["created"].clone()), (201, json!(true)));
    let again = world.api_as(1, "PATCH", path, event.clone()).await;
    assert_eq!(
        (again.status, again.json()["created"].clone()),
        (200, json!(false))
    );
    // Case counts.
    let other = world
        .api_as(1, "PATCH", "/sobjects/Event/Tandem_Key__c/key-a", event.clone())
        .await;
    assert_eq!(other.status, 201);
    let found = world
        .rows_as(1, "SELECT Id FROM Event WHERE Tandem_Key__c = 'Key-A'")
        .await;
    assert_eq!(text(&found[0], "Id"), text(&made.json(), "id"));
    assert_eq!(found.len(), 1);
    let read_only = world
        .api_as(
            1,
            "PATCH",
            "/sobjects/Task/Tandem_Key__c/k",
            json!({"Subject": "x"}),
        )
        .await;
    assert_eq!(read_only.code(), "INVALID_FIELD_FOR_INSERT_UPDATE");
    assert_eq!(
        world
            .query_as(1, "SELECT Tandem_Key__c FROM EmailMessage")
            .await
            .code(),
        "INVALID_FIELD"
    );
    // Taken away again.
    World::changed(
        &world
            .api(
                "DELETE",
                &format!("/sobjects/PermissionSetAssignment/{assignment}"),
                Value::Null,
            )
            .await,
    );
    assert_eq!(world.api_as(1, "PATCH", path, event).await.status, 404);
}

#[tokio::test]
async fn only_who_may_customise_does() {
    let world = bare().await;
    let got = world.api_as(1, "POST", FIELDS, field("Contact")).await;
    assert_eq!((got.status, got.code().as_str()), (403, "INSUFFICIENT_ACCESS"));
    let got = world
        .api_as(
            1,
            "POST",
            "/sobjects/PermissionSet",
            json!({"Name": "T", "Label": "T"}),
        )
        .await;
    assert_eq!(
        (got.status, got.code().as_str()),
        (403, "INSUFFICIENT_ACCESS_OR_READONLY")
    );
    let soql = format!("SELECT Profile.Name FROM User WHERE Id = '{}'", world.user_id(1));
    assert_eq!(world.rows(&soql).await[0]["Profile"]["Name"], "Standard User");
    world
        .control(
            "PUT",
            &format!("/salesforce/users/{}", world.username(1)),
            json!({"admin": true}),
        )
        .await;
    assert_eq!(
        world.rows(&soql).await[0]["Profile"]["Name"],
        "System Administrator"
    );
    assert_eq!(
        world.api_as(1, "POST", FIELDS, field("Contact")).await.status,
        201
    );
}

#[tokio::test]
async fn other_fields_are_not_played() {
    let world = bare().await;
    let wrong = |path: &str, value: Value| {
        let mut body = field("Contact");
        match path.split_once('.') {
            Some((a, b)) => body[a][b] = value,
            None => body[path] = value,
        }
        body
    };
    for body in [
        wrong("FullName", json!("Contact.Other__c")),
        wrong("FullName", json!("Tandem_Key__c")),
        wrong("FullName", json!("Event.Tandem_Key__c")),
        wrong("FullName", json!("Account.Tandem_Key__c")),
        wrong("Metadata.type", json!("Number")),
        wrong("Metadata.length", json!(18)),
        wrong("Metadata.unique", json!(false)),
        wrong("Metadata.externalId", json!(false)),
        wrong("Metadata.label", json!("")),
        wrong("Metadata.formula", json!("1")),
        wrong("Metadata", Value::Null),
        json!({}),
    ] {
        let got = world.api("POST", FIELDS, body.clone()).await;
        assert_eq!(got.status, 400, "{body}: {}", got.text);
    }
    assert_eq!(world.get("/tooling/sobjects/ApexClass").await.status, 404);
    let query = form(&[("q", "SELECT Id FROM ApexClass")]);
    assert_eq!(
        world.get(&format!("/tooling/query?{query}")).await.code(),
        "INVALID_TYPE"
    );
    assert_eq!(
        world.query_as(0, "SELECT Id FROM CustomField").await.code(),
        "INVALID_TYPE"
    );
    let set = world
        .create("PermissionSet", json!({"Name": "T", "Label": "T"}))
        .await;
    for (body, code) in [
        (
            json!({"SobjectType": "Contact", "Field": "Contact.Tandem_Key__c"}),
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        ),
        (
            json!({"SobjectType": "Event", "Field": "Contact.Title"}),
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        ),
        (
            json!({"SobjectType": "Nope", "Field": "Contact.Title"}),
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        ),
        (
            json!({"SobjectType": "Contact", "Field": "Contact.Title", "PermissionsRead": false}),
            "FIELD_INTEGRITY_EXCEPTION",
        ),
    ] {
        let mut all = json!({"ParentId": set, "PermissionsRead": true, "PermissionsEdit": true});
        for (name, value) in body.as_object().unwrap() {
            all[name] = value.clone();
        }
        assert_eq!(world.refused("FieldPermissions", all).await.1, code, "{body}");
    }
    assert_eq!(
        world
            .refused("PermissionSet", json!({"Name": "1 x", "Label": "T"}))
            .await
            .1,
        "INVALID_INPUT"
    );
}

#[tokio::test]
async fn a_field_is_deleted_with_its_permissions() {
    let world = bare().await;
    let id = text(&world.api("POST", FIELDS, field("Activity")).await.json(), "id");
    let set = world
        .create("PermissionSet", json!({"Name": "T", "Label": "T"}))
        .await;
    let grant = json!({"ParentId": set, "SobjectType": "Event", "Field": "Event.Tandem_Key__c", "PermissionsRead": true});
    world.create("FieldPermissions", grant).await;
    World::changed(&world.api("DELETE", &format!("{FIELDS}/{id}"), Value::Null).await);
    assert!(world.rows("SELECT Id FROM FieldPermissions").await.is_empty());
    assert_eq!(
        world
            .api("DELETE", &format!("{FIELDS}/{id}"), Value::Null)
            .await
            .status,
        404
    );
    world
        .org(json!({"tandem_key": {"Contact": false, "Activity": true}}))
        .await;
    let has = async |object: &str| world.field(object, "Tandem_Key__c").await != Value::Null;
    assert!(has("Event").await && has("Task").await && !has("Contact").await && !has("EmailMessage").await);
    let org = world.control("GET", "/salesforce/org", Value::Null).await;
    assert_eq!(org["tandem_key_objects"], json!(["Event", "Task"]));
    assert_eq!(
        world.api("POST", FIELDS, field("Activity")).await.code(),
        "DUPLICATE_DEVELOPER_NAME"
    );
    for bad in [
        json!({"tandem_key": {"Event": true}}),
        json!({"tandem_key": {"Contact": 1}}),
        json!({"tandem_key": 1}),
    ] {
        assert_eq!(world.sandbox.control("PUT", "/salesforce/org", bad).await.0, 400);
    }
}
