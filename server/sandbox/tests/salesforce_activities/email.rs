//! Emails, their tasks and people, and files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::rig::{World, text};

fn mail(more: &Value) -> Value {
    let mut body = json!({
        "Subject": "Offer", "TextBody": "Hello", "HtmlBody": "<p>Hello</p>", "FromAddress": "x@customer.example",
        "ToAddress": "nina@contoso.example", "MessageDate": "2026-11-20T10:11:12Z", "Incoming": true, "Status": "3",
        "MessageIdentifier": "<a@customer.example>", "ThreadIdentifier": "<t@customer.example>",
        "IsClientManaged": true,
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[tokio::test]
async fn an_email_makes_its_completed_task() {
    let world = World::start().await;
    let (contact, account) = world.contact().await;
    let subject = "S".repeat(300);
    let body = mail(&json!({"RelatedToId": account, "ToIds": [world.user_id(0)], "Subject": subject}));
    let id = world.create("EmailMessage", body).await;
    let row = world.row("EmailMessage", &id).await;
    assert_eq!(
        (row["Source"].clone(), row["HasAttachment"].clone()),
        (json!("Manual"), json!(false))
    );
    assert_eq!(row["ToIds"], json!([world.user_id(0)]));
    let task = text(&row, "ActivityId");
    let made = world.row("Task", &task).await;
    for (name, value) in [
        ("TaskSubtype", json!("Email")),
        ("Status", json!("Completed")),
        ("IsClosed", json!(true)),
        ("ActivityDate", json!("2026-11-20")),
        ("Subject", json!("S".repeat(255))),
        ("Description", json!("Hello")),
        ("WhatId", json!(account)),
        ("WhoId", Value::Null),
        ("OwnerId", json!(world.user_id(0))),
    ] {
        assert_eq!(made[name], value, "{name}");
    }
    // The sender of an incoming mail is the person of its task.
    let sender = json!({"EmailMessageId": id, "RelationId": contact, "RelationType": "FromAddress"});
    world.create("EmailMessageRelation", sender.clone()).await;
    assert_eq!(world.row("Task", &task).await["WhoId"], json!(contact));
    let soql = format!(
        "SELECT RelationType, RelationAddress, RelationObjectType FROM EmailMessageRelation WHERE RelationId = '{contact}'"
    );
    let relation = world.rows(&soql).await.remove(0);
    assert_eq!(relation["RelationObjectType"], "Contact");
    assert_eq!(
        relation["RelationAddress"],
        world.row("Contact", &contact).await["Email"]
    );
    assert_eq!(
        world.refused("EmailMessageRelation", sender).await.1,
        "DUPLICATE_VALUE"
    );
    let nobody = json!({"EmailMessageId": id, "RelationType": "OtherAddress"});
    assert_eq!(
        world.refused("EmailMessageRelation", nobody).await.1,
        "REQUIRED_FIELD_MISSING"
    );

    let found = world
        .id("SELECT Id FROM EmailMessage WHERE MessageIdentifier = '<a@customer.example>'")
        .await;
    assert_eq!(found, id);
    let soql = format!(
        "SELECT Id FROM EmailMessage WHERE Id IN (SELECT EmailMessageId FROM EmailMessageRelation WHERE RelationId = '{contact}')"
    );
    assert_eq!(world.id(&soql).await, id);
}

#[tokio::test]
async fn what_an_email_may_hold_and_what_changes_later() {
    let world = World::start().await;
    let (contact, account) = world.contact().await;
    for (more, code, field) in [
        (json!({"Status": "0"}), "FIELD_INTEGRITY_EXCEPTION", "Status"),
        (
            json!({"Status": "9"}),
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "Status",
        ),
        (
            json!({"Subject": "x".repeat(3_001)}),
            "STRING_TOO_LONG",
            "Subject",
        ),
        (
            json!({"HtmlBody": "x".repeat(131_073)}),
            "STRING_TOO_LONG",
            "HtmlBody",
        ),
        (
            json!({"ToAddress": "x".repeat(4_001)}),
            "STRING_TOO_LONG",
            "ToAddress",
        ),
        (json!({"RelatedToId": contact}), "MALFORMED_ID", "RelatedToId"),
        (json!({"ToIds": [account]}), "MALFORMED_ID", "ToIds"),
        (
            json!({"Source": "Manual"}),
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "Source",
        ),
    ] {
        let (_, got, fields) = world.refused("EmailMessage", mail(&more)).await;
        assert_eq!((got.as_str(), fields), (code, json!([field])), "{more}");
    }
    let task = world.create("Task", json!({"Subject": "x"})).await;
    let own = mail(&json!({"ActivityId": task}));
    assert_eq!(
        world.refused("EmailMessage", own).await.1,
        "INSUFFICIENT_ACCESS_OR_READONLY"
    );

    let id = world
        .create("EmailMessage", mail(&json!({"ToIds": [contact]})))
        .await;
    let task = text(&world.row("EmailMessage", &id).await, "ActivityId");
    World::changed(
        &world
            .update("EmailMessage", &id, json!({"RelatedToId": account}))
            .await,
    );
    assert_eq!(world.row("Task", &task).await["WhatId"], json!(account));
    let stamp = world.row("Task", &task).await["SystemModstamp"].clone();
    World::changed(
        &world
            .update("EmailMessage", &id, json!({"Tandem_Key__c": "k"}))
            .await,
    );
    assert_eq!(
        world.row("Task", &task).await["SystemModstamp"],
        stamp,
        "what does not concern the task leaves it alone"
    );
    let lead = text(
        &world
            .rows("SELECT Id FROM Lead WHERE IsConverted = false LIMIT 1")
            .await[0],
        "Id",
    );
    World::changed(&world.update("EmailMessage", &id, json!({"ToIds": [lead]})).await);
    let row = world.row("Task", &task).await;
    assert_eq!(
        (row["WhoId"].clone(), row["WhatId"].clone()),
        (json!(lead), Value::Null)
    );
    for body in [
        json!({"Subject": "y"}),
        json!({"TextBody": "y"}),
        json!({"Status": "4"}),
    ] {
        let got = world.update("EmailMessage", &id, body).await;
        assert_eq!(
            (got.status, got.code().as_str()),
            (403, "INSUFFICIENT_ACCESS_OR_READONLY")
        );
    }
    // Without a client that manages it, not even the record changes.
    let plain = world
        .create("EmailMessage", mail(&json!({"IsClientManaged": false})))
        .await;
    let got = world
        .update("EmailMessage", &plain, json!({"RelatedToId": account}))
        .await;
    assert_eq!(got.code(), "INSUFFICIENT_ACCESS_OR_READONLY");
}

#[tokio::test]
async fn emails_of_cases_are_another_matter() {
    let world = World::start().await;
    let (contact, _) = world.contact().await;
    let case = world
        .create("Case", json!({"Subject": "Broken", "ContactId": contact}))
        .await;
    assert_eq!(text(&world.row("Case", &case).await, "CaseNumber").len(), 8);
    let body = json!({"ParentId": case, "Subject": "Re: Broken", "Incoming": true, "Status": "0"});
    let id = world.create("EmailMessage", body).await;
    let row = world.row("EmailMessage", &id).await;
    assert_eq!(
        (row["ActivityId"].clone(), row["RelatedToId"].clone()),
        (Value::Null, json!(case))
    );
    World::changed(&world.update("EmailMessage", &id, json!({"Status": "1"})).await);
    assert_eq!(
        world
            .update("EmailMessage", &id, json!({"Status": "0"}))
            .await
            .status,
        403
    );
    world
        .api("DELETE", &format!("/sobjects/Case/{case}"), Value::Null)
        .await;
    assert_eq!(
        world.get(&format!("/sobjects/EmailMessage/{id}")).await.status,
        404
    );
}

#[tokio::test]
async fn a_file_becomes_a_document_that_is_linked() {
    let world = World::start().await;
    let id = world.create("EmailMessage", mail(&json!({}))).await;
    let data = STANDARD.encode("plain words");
    let file =
        json!({"PathOnClient": "C:\\tmp\\Offer 1.TXT", "VersionData": data, "FirstPublishLocationId": id});
    let version = world.create("ContentVersion", file.clone()).await;
    let row = world.row("ContentVersion", &version).await;
    assert_eq!(
        (
            row["Title"].clone(),
            row["FileExtension"].clone(),
            row["ContentSize"].clone()
        ),
        (json!("Offer 1"), json!("TXT"), json!(11))
    );
    let address = text(&row, "VersionData");
    assert!(
        address.ends_with(&format!("/sobjects/ContentVersion/{version}/VersionData")),
        "{address}"
    );
    let bytes = world.get(address.strip_prefix(crate::rig::API).unwrap()).await;
    assert_eq!((bytes.status, bytes.text.as_str()), (200, "plain words"));
    let document = text(&row, "ContentDocumentId");
    assert_eq!(world.row("EmailMessage", &id).await["HasAttachment"], true);
    let soql = format!(
        "SELECT ContentDocumentId, ContentDocument.Title FROM ContentDocumentLink WHERE LinkedEntityId = '{id}'"
    );
    let links = world.rows(&soql).await;
    assert_eq!(
        (links.len(), links[0]["ContentDocument"]["Title"].clone()),
        (1, json!("Offer 1"))
    );
    let refused = world.query_as(0, "SELECT Id FROM ContentDocumentLink").await;
    assert!(
        refused.text.contains("Implementation restriction"),
        "{}",
        refused.text
    );

    let second = world
        .create(
            "ContentVersion",
            json!({"PathOnClient": "o.txt", "VersionData": data, "ContentDocumentId": document}),
        )
        .await;
    let versions = world.rows(&format!("SELECT Id, IsLatest, VersionNumber FROM ContentVersion WHERE ContentDocumentId = '{document}' AND IsLatest = true")).await;
    assert_eq!(
        (
            versions.len(),
            text(&versions[0], "Id"),
            text(&versions[0], "VersionNumber")
        ),
        (1, second, "2".to_owned())
    );

    for (more, code) in [
        (json!({"VersionData": "not base64!"}), "JSON_PARSER_ERROR"),
        (json!({"VersionData": null}), "REQUIRED_FIELD_MISSING"),
        (json!({"PathOnClient": null}), "REQUIRED_FIELD_MISSING"),
        (
            json!({"FirstPublishLocationId": "02s000000000000AAA"}),
            "INVALID_CROSS_REFERENCE_KEY",
        ),
    ] {
        let mut body = file.clone();
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        assert_eq!(world.refused("ContentVersion", body).await.1, code, "{more}");
    }
    world.org(json!({"file_size_limit": 10})).await;
    assert_eq!(
        world.refused("ContentVersion", file.clone()).await.1,
        "FILE_SIZE_LIMIT_EXCEEDED"
    );
    world
        .org(json!({"file_size_limit": 1000, "storage_full": "files"}))
        .await;
    assert_eq!(
        world.refused("ContentVersion", file).await.1,
        "STORAGE_LIMIT_EXCEEDED"
    );
    world.create("EmailMessage", mail(&json!({}))).await;
    let limits = world.get("/limits").await.json();
    assert_eq!(
        (
            limits["FileStorageMB"]["Remaining"].clone(),
            limits["DataStorageMB"]["Remaining"].clone()
        ),
        (json!(0), json!(1019))
    );
    world.org(json!({"storage_full": true})).await;
    assert_eq!(
        world.refused("EmailMessage", mail(&json!({}))).await.1,
        "STORAGE_LIMIT_EXCEEDED"
    );

    World::changed(
        &world
            .api(
                "DELETE",
                &format!("/sobjects/ContentDocument/{document}"),
                Value::Null,
            )
            .await,
    );
    assert_eq!(world.row("EmailMessage", &id).await["HasAttachment"], false);
    assert_eq!(
        world
            .get(&format!("/sobjects/ContentVersion/{version}"))
            .await
            .status,
        404
    );
    // The control API shows what is inside.
    let kept = world
        .control(
            "GET",
            &format!("/salesforce/records/ContentVersion/{version}"),
            Value::Null,
        )
        .await;
    assert_eq!(kept["VersionData"], json!(data));
}

#[tokio::test]
async fn an_email_goes_and_comes_back_with_all_that_is_its() {
    let world = World::start().await;
    let (contact, _) = world.contact().await;
    let id = world
        .create("EmailMessage", mail(&json!({"ToIds": [contact]})))
        .await;
    let task = text(&world.row("EmailMessage", &id).await, "ActivityId");
    let got = world
        .api_as(1, "DELETE", &format!("/sobjects/EmailMessage/{id}"), Value::Null)
        .await;
    assert_eq!(got.code(), "INSUFFICIENT_ACCESS_OR_READONLY");
    World::changed(
        &world
            .api("DELETE", &format!("/sobjects/EmailMessage/{id}"), Value::Null)
            .await,
    );
    for (object, field, value) in [
        ("Task", "Id", &task),
        ("EmailMessageRelation", "EmailMessageId", &id),
    ] {
        assert!(
            world
                .rows(&format!("SELECT Id FROM {object} WHERE {field} = '{value}'"))
                .await
                .is_empty(),
            "{object}"
        );
    }
    assert!(
        world
            .undelete(0, &[&id])
            .await
            .text
            .contains("<success>true</success>")
    );
    assert_eq!(world.row("Task", &task).await["WhoId"], json!(contact));
    assert_eq!(world.row("EmailMessage", &id).await["ToIds"], json!([contact]));
}

#[tokio::test]
async fn without_enhanced_email_there_are_tasks_only() {
    let world = World::start().await;
    world.org(json!({"enhanced_email": false})).await;
    assert_eq!(world.describe("EmailMessage").await["createable"], false);
    assert_eq!(world.field("EmailMessage", "RelatedToId").await, Value::Null);
    assert_eq!(world.field("EmailMessage", "Subject").await["createable"], false);
    let body = json!({"Subject": "x", "Status": "3"});
    let (status, code, _) = world.refused("EmailMessage", body).await;
    assert_eq!((status, code.as_str()), (400, "INVALID_TYPE_FOR_OPERATION"));
    assert_eq!(
        world.get("/sobjects/EmailMessageRelation/describe").await.status,
        404
    );
    let listed = world.get("/sobjects").await.json();
    let names: Vec<&Value> = listed["sobjects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| &o["name"])
        .collect();
    assert!(!names.contains(&&json!("EmailMessageRelation")) && names.contains(&&json!("EmailMessage")));
    let task = json!({"Subject": "Email: x", "TaskSubtype": "Email", "Status": "Completed"});
    world.create("Task", task).await;
}

#[tokio::test]
async fn another_tool_leaves_its_mark() {
    let world = World::start().await;
    let soql = "SELECT Id FROM EmailMessage WHERE Source = 'EinsteinActivityCapture'";
    assert!(world.rows(soql).await.is_empty());
    world.org(json!({"activity_capture": true})).await;
    assert_eq!(world.rows(soql).await.len(), 2);
    world.org(json!({"activity_capture": false})).await;
    assert!(world.rows(soql).await.is_empty());
    assert!(
        world
            .rows("SELECT Id FROM Task WHERE TaskSubtype = 'Email'")
            .await
            .is_empty()
    );
}
