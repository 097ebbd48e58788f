//! Organisations that differ, list views, leads, joins, and the work that is seeded.

use serde_json::{Value, json};
use tandem_sandbox::Options;

use crate::rig::{World, form, text};

fn event() -> Value {
    json!({"Subject": "x", "StartDateTime": "2026-12-01T09:00:00Z", "DurationInMinutes": 5})
}

#[tokio::test]
async fn rules_and_demanded_fields_of_any_object() {
    let world = World::start().await;
    world
        .org(json!({
            "required_custom_field": ["Event", "EmailMessage"],
            "validation_rule": [
                {"object": "Event", "field": "Subject", "contains": "lunch", "message": "No private lunches"},
                {"object": "Task", "field": "Subject", "pattern": "a%", "message": "Not with a"},
            ],
        }))
        .await;
    let (status, code, fields) = world.refused("Event", event()).await;
    assert_eq!(
        (status, code.as_str(), fields),
        (400, "REQUIRED_FIELD_MISSING", json!(["Region__c"]))
    );
    assert_eq!(world.field("Event", "Region__c").await["nillable"], false);
    assert_eq!(world.field("Task", "Region__c").await, Value::Null);
    let mut body = event();
    body["Region__c"] = json!("EMEA");
    let id = world.create("Event", body).await;
    let got = world.update("Event", &id, json!({"Subject": "Team lunch"})).await;
    assert_eq!(
        (got.code().as_str(), got.json()[0]["message"].clone()),
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", json!("No private lunches"))
    );
    assert_eq!(
        world.refused("Task", json!({"Subject": "Abc"})).await.1,
        "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    );
    assert_eq!(
        world
            .update("Event", &id, json!({"Region__c": null}))
            .await
            .code(),
        "REQUIRED_FIELD_MISSING"
    );
    // Neither binds a user of the control API.
    let path = format!("/salesforce/records/Event?as={}", world.username(1));
    world.control("POST", &path, event()).await;
}

#[tokio::test]
async fn describe_knows_the_new_objects() {
    let world = World::start().await;
    for (object, name, property, value) in [
        ("Event", "Subject", "length", json!(255)),
        ("Event", "Description", "length", json!(32_000)),
        ("Event", "Description", "filterable", json!(false)),
        ("Event", "WhoId", "referenceTo", json!(["Contact", "Lead"])),
        ("Event", "WhoId", "polymorphicForeignKey", json!(true)),
        ("Event", "WhoId", "relationshipName", json!("Who")),
        ("Event", "DurationInMinutes", "type", json!("int")),
        ("Event", "ShowAs", "restrictedPicklist", json!(true)),
        ("Event", "IsChild", "createable", json!(false)),
        ("Event", "EventSubtype", "updateable", json!(false)),
        ("Event", "Tandem_Key__c", "caseSensitive", json!(true)),
        ("Task", "Status", "nillable", json!(false)),
        ("Task", "Status", "defaultedOnCreate", json!(true)),
        ("Task", "TaskSubtype", "createable", json!(true)),
        ("Task", "TaskSubtype", "updateable", json!(false)),
        ("EmailMessage", "HtmlBody", "length", json!(131_072)),
        ("EmailMessage", "MessageIdentifier", "filterable", json!(true)),
        ("EmailMessage", "Incoming", "updateable", json!(false)),
        ("EmailMessage", "ToIds", "type", json!("junctionidlist")),
        ("EventRelation", "RelationId", "nillable", json!(false)),
        ("EventRelation", "EventId", "updateable", json!(false)),
        ("ContentVersion", "VersionData", "type", json!("base64")),
        ("Lead", "ConvertedOpportunityId", "createable", json!(false)),
    ] {
        assert_eq!(
            world.field(object, name).await[property],
            value,
            "{object}.{name} {property}"
        );
    }
    let choices = world.field("Event", "ShowAs").await["picklistValues"].clone();
    assert_eq!(
        choices
            .as_array()
            .unwrap()
            .iter()
            .find(|c| c["defaultValue"] == true)
            .unwrap()["value"],
        "Busy"
    );
    for (object, undeletable, updateable) in [
        ("Event", true, true),
        ("EmailMessage", true, true),
        ("EventRelation", false, true),
        ("EmailMessageRelation", false, false),
        ("TaskStatus", false, false),
    ] {
        let described = world.describe(object).await;
        assert_eq!(
            (described["undeletable"].clone(), described["updateable"].clone()),
            (json!(undeletable), json!(updateable)),
            "{object}"
        );
    }
}

#[tokio::test]
async fn record_types_that_a_user_may_not_use() {
    let world = World::start().await;
    assert_eq!(world.field("Event", "RecordTypeId").await, Value::Null);
    world.org(json!({"record_types": true})).await;
    let standard = world
        .id("SELECT Id FROM RecordType WHERE SobjectType = 'Event' AND DeveloperName = 'Standard'")
        .await;
    let restricted = world
        .id("SELECT Id FROM RecordType WHERE SobjectType = 'Event' AND DeveloperName = 'Restricted'")
        .await;
    let of_task = world
        .id("SELECT Id FROM RecordType WHERE SobjectType = 'Task' AND DeveloperName = 'Standard'")
        .await;
    let id = world.create("Event", event()).await;
    assert_eq!(world.row("Event", &id).await["RecordTypeId"], json!(standard));
    let with = |kind: &str| {
        let mut body = event();
        body["RecordTypeId"] = json!(kind);
        body
    };
    world.create("Event", with(&restricted)).await;
    let got = world
        .api_as(1, "POST", "/sobjects/Event", with(&restricted))
        .await;
    assert_eq!(
        (got.status, got.code().as_str()),
        (400, "INVALID_CROSS_REFERENCE_KEY")
    );
    assert_eq!(
        world.refused("Event", with(&of_task)).await.1,
        "INVALID_CROSS_REFERENCE_KEY"
    );
    let got = world
        .api_as(1, "GET", "/sobjects/Event/describe", Value::Null)
        .await
        .json();
    let types = got["recordTypeInfos"].as_array().unwrap().clone();
    let open: Vec<&Value> = types
        .iter()
        .filter(|t| t["available"] == true)
        .map(|t| &t["developerName"])
        .collect();
    assert_eq!(open, [&json!("Standard")]);
}

#[tokio::test]
async fn list_views_show_what_they_say() {
    let world = World::start().await;
    let listed = world.get("/sobjects/Contact/listviews").await.json();
    assert_eq!(listed["size"], 2);
    let mine = listed["listviews"]
        .as_array()
        .unwrap()
        .iter()
        .find(|v| v["label"] == "My Contacts")
        .unwrap()
        .clone();
    let described = world
        .get(&text(&mine, "describeUrl")[crate::rig::API.len()..])
        .await
        .json();
    assert!(text(&described, "query").contains("USING SCOPE mine"));
    let by_query = world.rows(&text(&described, "query")).await;
    assert_eq!(by_query.len(), 60);
    let results = world
        .get(&format!(
            "/sobjects/Contact/listviews/{}/results?limit=50",
            text(&mine, "id")
        ))
        .await
        .json();
    assert_eq!(
        (results["size"].clone(), results["done"].clone()),
        (json!(50), json!(false))
    );
    let rest = world
        .get(&format!(
            "/sobjects/Contact/listviews/{}/results?limit=50&offset=50",
            text(&mine, "id")
        ))
        .await
        .json();
    assert_eq!(
        (rest["size"].clone(), rest["done"].clone()),
        (json!(10), json!(true))
    );
    let cell = |row: &Value, name: &str| {
        let cells = row["columns"].as_array().unwrap();
        cells.iter().find(|c| c["fieldNameOrPath"] == name).unwrap()["value"].clone()
    };
    assert!(
        by_query
            .iter()
            .any(|r| r["Id"] == cell(&rest["records"][0], "Id"))
    );

    world
        .create("Contact", json!({"LastName": "Vip", "Title": "Emperor"}))
        .await;
    let view = json!({"object": "Contact", "label": "Rulers", "where": "Title = 'Emperor'"});
    let id = text(&world.control("POST", "/salesforce/listviews", view).await, "id");
    let found = world
        .get(&format!("/sobjects/Contact/listviews/{id}/results"))
        .await
        .json();
    assert_eq!(
        (found["size"].clone(), cell(&found["records"][0], "Name")),
        (json!(1), json!("Vip"))
    );
    assert_eq!(
        world
            .id("SELECT Id FROM ListView WHERE SobjectType = 'Contact' AND Name = 'Rulers'")
            .await,
        id
    );
    for path in [
        format!("/sobjects/Lead/listviews/{id}/results"),
        "/sobjects/Contact/listviews/00B000000000000AAA".to_owned(),
        format!("/sobjects/Contact/listviews/{id}/nothing"),
    ] {
        assert_eq!(world.get(&path).await.status, 404, "{path}");
    }
    assert_eq!(
        world
            .get(&format!("/sobjects/Contact/listviews/{id}/results?limit=2001"))
            .await
            .status,
        400
    );
    let broken = json!({"object": "Contact", "label": "x", "where": "Title ="});
    assert_eq!(
        world
            .sandbox
            .control("POST", "/salesforce/listviews", broken)
            .await
            .0,
        400
    );
}

#[tokio::test]
async fn semi_joins_and_their_limits() {
    let world = World::start().await;
    let deals = world
        .rows("SELECT Id FROM Opportunity WHERE IsClosed = false AND Id IN (SELECT OpportunityId FROM OpportunityContactRole WHERE Contact.Email != null)")
        .await;
    assert!(!deals.is_empty());
    let none = world
        .rows("SELECT Id FROM Opportunity WHERE Id NOT IN (SELECT OpportunityId FROM OpportunityContactRole)")
        .await;
    assert!(none.is_empty());
    let owners = world
        .rows("SELECT Id FROM Opportunity WHERE OwnerId IN (SELECT Id FROM User WHERE Name = 'Nina Berg')")
        .await;
    assert_eq!(owners.len(), 3);
    let bins = world
        .get(&format!(
            "/query?{}",
            form(&[("q", "SELECT COUNT() FROM Opportunity WHERE Amount > 5000")])
        ))
        .await;
    assert_eq!(bins.json()["totalSize"], 8);
    for soql in [
        "SELECT Id FROM Event WHERE Subject = 'x' OR Id IN (SELECT EventId FROM EventRelation)",
        "SELECT Id FROM Event WHERE (NOT Id IN (SELECT EventId FROM EventRelation))",
        "SELECT Id FROM Event WHERE Id IN (SELECT EventId, Id FROM EventRelation)",
        "SELECT Id FROM Event WHERE Id IN (SELECT COUNT() FROM EventRelation)",
        "SELECT Id FROM Event WHERE Id IN (SELECT Response FROM EventRelation)",
        "SELECT Id FROM Event WHERE Subject IN (SELECT EventId FROM EventRelation)",
        "SELECT Id FROM Event WHERE Id IN (SELECT RecurrenceActivityId FROM Event)",
        "SELECT Id FROM Event WHERE Id IN (SELECT EventId FROM EventRelation WHERE RelationId IN (SELECT Id FROM User))",
        "SELECT Id FROM Event WHERE Id IN (SELECT EventId FROM EventRelation) AND WhoId IN (SELECT Id FROM Contact) AND OwnerId IN (SELECT Id FROM User)",
        "SELECT Id FROM EventRelation USING SCOPE mine",
        "SELECT Id, TYPEOF What WHEN Account THEN Name END FROM Event",
    ] {
        assert_eq!(world.query_as(0, soql).await.code(), "MALFORMED_QUERY", "{soql}");
    }
    for soql in [
        "SELECT Id FROM Event WHERE Id IN (SELECT EventId FROM Nothing)",
        "SELECT Who.Nope FROM Event",
        "SELECT Who.Account.Name FROM Event",
        "SELECT Id FROM Event WHERE EventWhoIds = 'x'",
        "SELECT Id FROM Event WHERE DurationInMinutes = 1.5",
        "SELECT Id FROM Event WHERE DurationInMinutes = '1'",
        "SELECT Id FROM Event WHERE Description LIKE '%x%'",
    ] {
        let code = world.query_as(0, soql).await.code();
        assert!(
            code == "INVALID_FIELD" || code == "INVALID_TYPE",
            "{soql}: {code}"
        );
    }
}

#[tokio::test]
async fn a_lead_becomes_account_contact_and_opportunity_with_its_activities() {
    let world = World::start().await;
    let lead = world
        .create(
            "Lead",
            json!({"LastName": "Neu", "Company": "Brand New Corp", "Email": "neu@example.com"}),
        )
        .await;
    let mut body = event();
    body["WhoId"] = json!(lead);
    let meeting = world.create("Event", body).await;
    let done = world
        .control(
            "POST",
            &format!("/salesforce/leads/{lead}/convert"),
            json!({"opportunity": "First deal"}),
        )
        .await;
    let row = world.row("Lead", &lead).await;
    for (field, made) in [
        ("ConvertedContactId", "contact"),
        ("ConvertedAccountId", "account"),
        ("ConvertedOpportunityId", "opportunity"),
    ] {
        assert_eq!(row[field], done[made], "{field}");
    }
    assert_eq!(
        world.row("Account", &text(&done, "account")).await["Name"],
        "Brand New Corp"
    );
    assert_eq!(world.row("Event", &meeting).await["WhoId"], done["contact"]);
    let got = world.update("Lead", &lead, json!({"Title": "x"})).await;
    assert_eq!(got.code(), "CANNOT_UPDATE_CONVERTED_LEAD");
    let path = format!("/salesforce/leads/{lead}/convert");
    assert_eq!(world.sandbox.control("POST", &path, json!({})).await.0, 400);
}

#[tokio::test]
async fn collections_and_composite_take_the_new_objects() {
    let world = World::start().await;
    let rows: Vec<Value> = (0..200)
        .map(|n| {
            let mut row = event();
            row["attributes"] = json!({"type": "Event"});
            row["Tandem_Key__c"] = json!(format!("k{n}"));
            if n == 100 {
                row["DurationInMinutes"] = json!(99_999);
            }
            row
        })
        .collect();
    let path = "/composite/sobjects/Event/Tandem_Key__c";
    let got = world.api("PATCH", path, json!({"records": rows})).await.json();
    let failed: Vec<usize> = (0..200).filter(|n| got[*n]["success"] != true).collect();
    assert_eq!(failed, [100]);
    assert_eq!(got[100]["errors"][0]["statusCode"], "FIELD_INTEGRITY_EXCEPTION");
    let again = world
        .api("PATCH", path, json!({"records": rows, "allOrNone": true}))
        .await
        .json();
    assert!(again.as_array().unwrap().iter().all(|r| r["success"] == false));
    let first = text(&got[0], "id");
    let parts = json!({"allOrNone": true, "compositeRequest": [
        {"method": "POST", "url": format!("{}/sobjects/Contact", crate::rig::API), "referenceId": "who", "body": {"LastName": "Both"}},
        {"method": "PATCH", "url": format!("{}/sobjects/Event/{first}", crate::rig::API), "referenceId": "event", "body": {"WhoId": "@{who.id}"}},
        {"method": "POST", "url": format!("{}/sobjects/EventRelation", crate::rig::API), "referenceId": "bad", "body": {"EventId": first}},
    ]});
    let got = world.api("POST", "/composite", parts).await.json();
    assert_eq!(
        got["compositeResponse"][2]["body"][0]["errorCode"],
        "REQUIRED_FIELD_MISSING"
    );
    assert_eq!(
        world.row("Event", &first).await["WhoId"],
        Value::Null,
        "all or none"
    );
    assert!(
        world
            .rows("SELECT Id FROM Contact WHERE LastName = 'Both'")
            .await
            .is_empty()
    );
    let gone = world
        .api("DELETE", &format!("/composite/sobjects?ids={first}"), Value::Null)
        .await
        .json();
    assert_eq!(gone[0]["success"], true);
}

#[tokio::test]
async fn seeded_work_is_believable_and_the_same_each_time() {
    let options = Options {
        crm_events: 20,
        crm_tasks: 20,
        ..Options::default()
    };
    let world = World::with(options.clone()).await;
    let events = world
        .rows(&format!(
            "SELECT Subject, Who.Name, DurationInMinutes FROM Event WHERE IsChild = false AND OwnerId = '{}'",
            world.user_id(0)
        ))
        .await;
    assert_eq!(events.len(), 20);
    assert!(
        events
            .iter()
            .all(|e| e["Who"]["Name"].is_string() && e["DurationInMinutes"].as_i64() > Some(0))
    );
    assert_eq!(world.rows("SELECT Id FROM Task").await.len(), 80);
    assert!(
        !world
            .rows("SELECT Id FROM Event WHERE IsChild = true")
            .await
            .is_empty()
    );
    assert_eq!(world.rows("SELECT Id FROM Case").await.len(), 4);
    let again = World::with(options).await;
    let soql = "SELECT Id, Subject, WhoId FROM Event ORDER BY Id";
    let names = |rows: Vec<Value>| {
        rows.iter()
            .map(|r| (r["Id"].clone(), r["Subject"].clone(), r["WhoId"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(world.rows(soql).await), names(again.rows(soql).await));
    let quiet = World::start().await;
    assert!(quiet.rows("SELECT Id FROM Event").await.is_empty());
}
