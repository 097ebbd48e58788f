//! Events: times, privacy, invitees and their copies, sharing.

use serde_json::{Value, json};
use tandem_sandbox::Options;

use crate::rig::{World, form, text};

const START: &str = "2026-12-01T09:00:00.000+0000";

fn timed() -> Value {
    json!({ "Subject": "Talk", "StartDateTime": START, "DurationInMinutes": 60 })
}

fn with(mut body: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[tokio::test]
async fn start_end_and_duration_follow_from_each_other() {
    let world = World::start().await;
    let id = world.create("Event", timed()).await;
    let row = world.row("Event", &id).await;
    for (name, value) in [
        ("EndDateTime", json!("2026-12-01T10:00:00.000+0000")),
        ("ActivityDateTime", json!(START)),
        ("ActivityDate", json!("2026-12-01")),
        ("EndDate", json!("2026-12-01")),
        ("DurationInMinutes", json!(60)),
        ("ShowAs", json!("Busy")),
        ("EventSubtype", json!("Event")),
        ("IsChild", json!(false)),
        ("IsGroupEvent", json!(false)),
        ("OwnerId", json!(world.user_id(0))),
    ] {
        assert_eq!(row[name], value, "{name}");
    }
    // Moving the start keeps the length; a new end changes it; given times lose their milliseconds.
    let move_it = json!({ "StartDateTime": "2026-12-02T23:30:00.987Z" });
    World::changed(&world.update("Event", &id, move_it).await);
    let row = world.row("Event", &id).await;
    assert_eq!(row["StartDateTime"], "2026-12-02T23:30:00.000+0000");
    assert_eq!(row["EndDateTime"], "2026-12-03T00:30:00.000+0000");
    assert_eq!(
        (row["EndDate"].clone(), row["ActivityDate"].clone()),
        (json!("2026-12-03"), json!("2026-12-02"))
    );
    let end = json!({ "EndDateTime": "2026-12-16T23:30:00Z" });
    World::changed(&world.update("Event", &id, end).await);
    assert_eq!(world.row("Event", &id).await["DurationInMinutes"], 14 * 24 * 60);

    for (more, code, fields) in [
        (
            json!({"EndDateTime": "2026-12-15T09:01:00Z", "DurationInMinutes": null}),
            "FIELD_INTEGRITY_EXCEPTION",
            json!(["EndDateTime"]),
        ),
        (
            json!({"DurationInMinutes": 14 * 24 * 60 + 1}),
            "FIELD_INTEGRITY_EXCEPTION",
            json!(["DurationInMinutes"]),
        ),
        (
            json!({"DurationInMinutes": i64::MAX}),
            "FIELD_INTEGRITY_EXCEPTION",
            json!(["DurationInMinutes"]),
        ),
        (
            json!({"DurationInMinutes": -1}),
            "FIELD_INTEGRITY_EXCEPTION",
            json!(["DurationInMinutes"]),
        ),
        (
            json!({"EndDateTime": "2026-12-01T08:00:00Z", "DurationInMinutes": null}),
            "FIELD_INTEGRITY_EXCEPTION",
            json!(["EndDateTime"]),
        ),
        (
            json!({"EndDateTime": "2026-12-01T11:00:00Z"}),
            "FIELD_INTEGRITY_EXCEPTION",
            json!(["DurationInMinutes", "EndDateTime"]),
        ),
        (
            json!({"ActivityDateTime": "2026-12-01T08:00:00Z"}),
            "FIELD_INTEGRITY_EXCEPTION",
            json!(["ActivityDateTime"]),
        ),
        (
            json!({"DurationInMinutes": null}),
            "REQUIRED_FIELD_MISSING",
            json!(["DurationInMinutes"]),
        ),
        (
            json!({"StartDateTime": null}),
            "REQUIRED_FIELD_MISSING",
            json!(["ActivityDateTime"]),
        ),
        (
            json!({"StartDateTime": null, "DurationInMinutes": null}),
            "REQUIRED_FIELD_MISSING",
            json!(["DurationInMinutes", "ActivityDateTime"]),
        ),
        (
            json!({"Subject": "x".repeat(256)}),
            "STRING_TOO_LONG",
            json!(["Subject"]),
        ),
        (
            json!({"Description": "x".repeat(32_001)}),
            "STRING_TOO_LONG",
            json!(["Description"]),
        ),
        (
            json!({"ShowAs": "Tentative"}),
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            json!(["ShowAs"]),
        ),
        (
            json!({"WhoId": "003000000000000AAA"}),
            "INVALID_CROSS_REFERENCE_KEY",
            json!(["WhoId"]),
        ),
        (
            json!({"WhoId": world.user_id(0)}),
            "MALFORMED_ID",
            json!(["WhoId"]),
        ),
        (
            json!({"OwnerId": "00G000000000000EAA"}),
            "MALFORMED_ID",
            json!(["OwnerId"]),
        ),
    ] {
        let (status, got, at) = world.refused("Event", with(timed(), &more)).await;
        assert_eq!((status, got.as_str(), at), (400, code, fields), "{more}");
    }
    let read_only = with(timed(), &json!({"IsRecurrence": true, "IsChild": true}));
    assert_eq!(
        world.refused("Event", read_only).await.1,
        "INVALID_FIELD_FOR_INSERT_UPDATE"
    );
    let wrong_type = with(timed(), &json!({"DurationInMinutes": "60"}));
    assert_eq!(world.refused("Event", wrong_type).await.1, "JSON_PARSER_ERROR");
}

#[tokio::test]
async fn all_day_events_end_on_their_last_day() {
    let world = World::start().await;
    let one = json!({ "Subject": "Fair", "IsAllDayEvent": true, "ActivityDate": "2026-12-05" });
    let id = world.create("Event", one).await;
    let row = world.row("Event", &id).await;
    let midnight = json!("2026-12-05T00:00:00.000+0000");
    assert_eq!(
        (row["StartDateTime"].clone(), row["EndDateTime"].clone()),
        (midnight.clone(), midnight)
    );
    assert_eq!(
        (row["DurationInMinutes"].clone(), row["ActivityDateTime"].clone()),
        (json!(1440), Value::Null)
    );
    let three = json!({
        "Subject": "Fair", "IsAllDayEvent": true, "StartDateTime": "2026-12-05T00:00:00Z",
        "EndDateTime": "2026-12-07T00:00:00Z",
    });
    let id = world.create("Event", three).await;
    let row = world.row("Event", &id).await;
    assert_eq!(
        (row["DurationInMinutes"].clone(), row["EndDate"].clone()),
        (json!(3 * 1440), json!("2026-12-07"))
    );
    let fourteen = json!({ "EndDateTime": "2026-12-18T00:00:00Z" });
    World::changed(&world.update("Event", &id, fourteen).await);
    let got = world
        .update("Event", &id, json!({ "EndDateTime": "2026-12-19T00:00:00Z" }))
        .await;
    assert_eq!(got.code(), "FIELD_INTEGRITY_EXCEPTION");
    for (more, code) in [
        (
            json!({"EndDateTime": "2026-12-04T00:00:00Z"}),
            "FIELD_INTEGRITY_EXCEPTION",
        ),
        (
            json!({"StartDateTime": "2026-12-06T00:00:00Z"}),
            "FIELD_INTEGRITY_EXCEPTION",
        ),
        (
            json!({"EndDateTime": "2026-12-06T00:00:00Z", "DurationInMinutes": 1440}),
            "FIELD_INTEGRITY_EXCEPTION",
        ),
        (json!({"ActivityDate": null}), "REQUIRED_FIELD_MISSING"),
        (json!({"ActivityDate": "2026-13-01"}), "JSON_PARSER_ERROR"),
    ] {
        let body = with(
            json!({"IsAllDayEvent": true, "ActivityDate": "2026-12-05"}),
            &more,
        );
        assert_eq!(world.refused("Event", body).await.1, code, "{more}");
    }
}

#[tokio::test]
async fn what_goes_together() {
    let world = World::start().await;
    let (contact, account) = world.contact().await;
    let lead = text(&world.rows("SELECT Id FROM Lead LIMIT 1").await[0], "Id");
    let deal = world
        .create("Opportunity", json!({"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2027-01-01", "AccountId": account}))
        .await;
    let id = world
        .create("Event", with(timed(), &json!({"WhoId": contact, "WhatId": deal})))
        .await;
    let soql = format!(
        "SELECT AccountId, Who.Name, Who.Type, Who.Email, What.Name, What.Type, Owner.Name FROM Event WHERE Id = '{id}'"
    );
    let row = world.rows(&soql).await.remove(0);
    assert_eq!(row["AccountId"], json!(account));
    assert_eq!(
        (row["Who"]["Type"].clone(), row["What"]["Type"].clone()),
        (json!("Contact"), json!("Opportunity"))
    );
    assert_eq!(row["What"]["Name"], "Deal");
    assert_eq!(row["Who"]["attributes"]["type"], "Name");
    assert_eq!(row["Owner"]["Name"], "Nina Berg");
    let by_parent = format!(
        "SELECT Id FROM Event WHERE Who.Type = 'Contact' AND What.Name = 'Deal' AND WhoId = '{contact}'"
    );
    assert_eq!(world.id(&by_parent).await, id);

    for (more, code) in [
        (
            json!({"WhoId": lead, "WhatId": account}),
            "FIELD_INTEGRITY_EXCEPTION",
        ),
        (
            json!({"IsPrivate": true, "WhoId": contact}),
            "FIELD_INTEGRITY_EXCEPTION",
        ),
        (
            json!({"IsPrivate": true, "WhatId": account}),
            "FIELD_INTEGRITY_EXCEPTION",
        ),
    ] {
        assert_eq!(
            world.refused("Event", with(timed(), &more)).await.1,
            code,
            "{more}"
        );
    }
    // Made private later: the links must go with it.
    let got = world.update("Event", &id, json!({"IsPrivate": true})).await;
    assert_eq!(got.code(), "FIELD_INTEGRITY_EXCEPTION");
    let alone = json!({"IsPrivate": true, "WhoId": null, "WhatId": null});
    World::changed(&world.update("Event", &id, alone).await);
    assert_eq!(world.row("Event", &id).await["AccountId"], Value::Null);

    let done = world
        .control("POST", &format!("/salesforce/leads/{lead}/convert"), json!({}))
        .await;
    assert!(done["account"].is_string() && done["contact"].is_string());
    let (_, code, fields) = world
        .refused("Event", with(timed(), &json!({"WhoId": lead})))
        .await;
    assert_eq!(
        (code.as_str(), fields),
        ("CANNOT_UPDATE_CONVERTED_LEAD", json!(["WhoId"]))
    );
    world
        .api("DELETE", &format!("/sobjects/Opportunity/{deal}"), Value::Null)
        .await;
    let gone = with(timed(), &json!({"WhatId": deal}));
    assert_eq!(world.refused("Event", gone).await.1, "ENTITY_IS_DELETED");
}

#[tokio::test]
async fn an_invited_user_gets_a_copy_that_follows() {
    let world = World::start().await;
    let (contact, _) = world.contact().await;
    let id = world.create("Event", timed()).await;
    let relation = world
        .create(
            "EventRelation",
            json!({"EventId": id, "RelationId": world.user_id(1)}),
        )
        .await;
    let row = world.row("EventRelation", &relation).await;
    assert_eq!(
        (row["Status"].clone(), row["IsInvitee"].clone()),
        (json!("New"), json!(true))
    );
    assert_eq!(row.get("IsParent"), None, "only with Shared Activities");
    let child = world
        .id(&format!(
            "SELECT Id FROM Event WHERE IsChild = true AND OwnerId = '{}'",
            world.user_id(1)
        ))
        .await;
    assert_eq!(world.row("Event", &id).await["IsGroupEvent"], true);
    World::changed(
        &world
            .update("Event", &id, json!({"Subject": "Moved", "DurationInMinutes": 30}))
            .await,
    );
    let copy = world.row("Event", &child).await;
    assert_eq!(
        (copy["Subject"].clone(), copy["DurationInMinutes"].clone()),
        (json!("Moved"), json!(30))
    );
    assert_eq!(
        (copy["IsChild"].clone(), copy["IsGroupEvent"].clone()),
        (json!(true), json!(true))
    );
    // The copy takes a reminder and nothing else.
    let got = world
        .api_as(
            1,
            "PATCH",
            &format!("/sobjects/Event/{child}"),
            json!({"Subject": "Mine"}),
        )
        .await;
    assert_eq!(
        (got.status, got.code().as_str()),
        (403, "INSUFFICIENT_ACCESS_OR_READONLY")
    );
    let got = world
        .api_as(
            1,
            "PATCH",
            &format!("/sobjects/Event/{child}"),
            json!({"IsReminderSet": true}),
        )
        .await;
    World::changed(&got);
    assert_eq!(
        world.row("Event", &child).await["ReminderDateTime"],
        "2026-12-01T08:45:00.000+0000"
    );
    assert_eq!(world.row("Event", &id).await["IsReminderSet"], false);

    // As one finds one's events: own ones, and those one is invited to.
    let soql = format!(
        "SELECT Id FROM Event WHERE IsChild = false AND Id IN (SELECT EventId FROM EventRelation WHERE RelationId = '{}')",
        world.user_id(1)
    );
    assert_eq!(world.id(&soql).await, id);
    let rows = world.rows(&format!("SELECT Status, Relation.Type, Relation.Name, Event.Subject FROM EventRelation WHERE EventId = '{id}' AND Event.StartDateTime > 2026-11-01T00:00:00Z")).await;
    assert_eq!(
        (
            rows[0]["Relation"]["Type"].clone(),
            rows[0]["Event"]["Subject"].clone()
        ),
        (json!("User"), json!("Moved"))
    );

    for (body, code) in [
        (
            json!({"EventId": id, "RelationId": world.user_id(1)}),
            "DUPLICATE_VALUE",
        ),
        (
            json!({"EventId": id, "RelationId": world.user_id(0)}),
            "FIELD_INTEGRITY_EXCEPTION",
        ),
        (
            json!({"EventId": child, "RelationId": contact}),
            "FIELD_INTEGRITY_EXCEPTION",
        ),
        (json!({"EventId": id}), "REQUIRED_FIELD_MISSING"),
        (
            json!({"EventId": id, "RelationId": contact, "Status": "Perhaps"}),
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        ),
        (json!({"EventId": contact, "RelationId": contact}), "MALFORMED_ID"),
    ] {
        assert_eq!(
            world.refused("EventRelation", body.clone()).await.1,
            code,
            "{body}"
        );
    }
    let guest = world
        .create(
            "EventRelation",
            json!({"EventId": id, "RelationId": contact, "Status": "Accepted"}),
        )
        .await;
    let answer = json!({"Status": "Declined", "Response": "No time"});
    World::changed(
        &world
            .api_as(1, "PATCH", &format!("/sobjects/EventRelation/{relation}"), answer)
            .await,
    );
    let got = world
        .update("EventRelation", &relation, json!({"RelationId": contact}))
        .await;
    assert_eq!(got.code(), "INVALID_FIELD_FOR_INSERT_UPDATE");

    // Uninvited: the copy goes, the event stays.
    World::changed(
        &world
            .api(
                "DELETE",
                &format!("/sobjects/EventRelation/{relation}"),
                Value::Null,
            )
            .await,
    );
    assert_eq!(world.get(&format!("/sobjects/Event/{child}")).await.status, 404);
    assert_eq!(
        world.row("Event", &id).await["IsGroupEvent"],
        true,
        "the contact is still invited"
    );
    World::changed(
        &world
            .api("DELETE", &format!("/sobjects/EventRelation/{guest}"), Value::Null)
            .await,
    );
    assert_eq!(world.row("Event", &id).await["IsGroupEvent"], false);
}

#[tokio::test]
async fn an_event_takes_its_relations_and_copies_into_the_bin_and_back() {
    let world = World::start().await;
    let id = world.create("Event", timed()).await;
    let relation = world
        .create(
            "EventRelation",
            json!({"EventId": id, "RelationId": world.user_id(1)}),
        )
        .await;
    let child = world.id("SELECT Id FROM Event WHERE IsChild = true").await;
    World::changed(
        &world
            .api("DELETE", &format!("/sobjects/Event/{id}"), Value::Null)
            .await,
    );
    for (object, gone) in [("Event", &id), ("Event", &child), ("EventRelation", &relation)] {
        let rows = world
            .all_rows(&format!("SELECT Id, IsDeleted FROM {object} WHERE Id = '{gone}'"))
            .await;
        assert_eq!(rows[0]["IsDeleted"], true, "{object}");
    }
    // Apart from each other they do not come back.
    let alone = world.undelete(0, &[&child]).await;
    assert!(
        alone.text.contains("<statusCode>UNDELETE_FAILED</statusCode>"),
        "{}",
        alone.text
    );
    let both = world.undelete(0, &[&id]).await;
    assert!(both.text.contains("<success>true</success>"), "{}", both.text);
    assert_eq!(
        world.row("Event", &child).await["OwnerId"],
        json!(world.user_id(1))
    );
    assert_eq!(world.row("EventRelation", &relation).await["EventId"], json!(id));
    // He who deletes his copy has declined.
    World::changed(
        &world
            .api_as(1, "DELETE", &format!("/sobjects/Event/{child}"), Value::Null)
            .await,
    );
    assert_eq!(world.row("EventRelation", &relation).await["Status"], "Declined");
    assert_eq!(world.row("Event", &id).await["Subject"], "Talk");
}

#[tokio::test]
async fn shared_activities_have_several_people() {
    let world = World::start().await;
    for name in ["EventWhoIds", "IsPrivate"] {
        let has = world.field("Event", name).await != Value::Null;
        assert_eq!(has, name == "IsPrivate", "{name}");
    }
    assert_eq!(
        world.query_as(0, "SELECT Id FROM TaskRelation").await.code(),
        "INVALID_TYPE"
    );
    let list = json!({"EventWhoIds": []});
    assert_eq!(
        world.refused("Event", with(timed(), &list)).await.1,
        "INVALID_FIELD"
    );
    world.org(json!({"shared_activities": true})).await;
    assert_eq!(
        world.field("Event", "EventWhoIds").await["type"],
        "junctionidlist"
    );

    let mut people = Vec::new();
    for n in 0..51 {
        people.push(
            world
                .create("Contact", json!({"LastName": format!("P{n}")}))
                .await,
        );
    }
    let account = text(&world.rows("SELECT Id FROM Account LIMIT 1").await[0], "Id");
    let body = with(timed(), &json!({"EventWhoIds": people[..3], "WhatId": account}));
    let id = world.create("Event", body).await;
    let row = world.row("Event", &id).await;
    assert_eq!(
        (row["WhoId"].clone(), row["EventWhoIds"].clone()),
        (json!(people[0]), json!(people[..3]))
    );
    let soql =
        format!("SELECT RelationId, IsParent, IsInvitee, IsWhat FROM EventRelation WHERE EventId = '{id}'");
    let rows = world.rows(&soql).await;
    assert_eq!(rows.len(), 4);
    assert!(
        rows.iter()
            .all(|r| r["IsParent"] == true && r["IsInvitee"] == false)
    );
    assert_eq!(rows.iter().filter(|r| r["IsWhat"] == true).count(), 1);
    let people_only = format!("SELECT RelationId FROM EventWhoRelation WHERE EventId = '{id}'");
    assert_eq!(world.rows(&people_only).await.len(), 3);

    World::changed(
        &world
            .update("Event", &id, json!({"EventWhoIds": [people[2], people[4]]}))
            .await,
    );
    let row = world.row("Event", &id).await;
    assert_eq!(
        (row["WhoId"].clone(), row["EventWhoIds"].clone()),
        (json!(people[2]), json!([people[2], people[4]]))
    );
    // The first one goes: the next takes the place.
    let first = world
        .id(&format!(
            "SELECT Id FROM EventRelation WHERE EventId = '{id}' AND RelationId = '{}'",
            people[2]
        ))
        .await;
    World::changed(
        &world
            .api("DELETE", &format!("/sobjects/EventRelation/{first}"), Value::Null)
            .await,
    );
    assert_eq!(world.row("Event", &id).await["WhoId"], json!(people[4]));
    // The last person is deleted: the event goes, too, and comes back with the person.
    World::changed(
        &world
            .api("DELETE", &format!("/sobjects/Contact/{}", people[4]), Value::Null)
            .await,
    );
    assert_eq!(world.get(&format!("/sobjects/Event/{id}")).await.status, 404);
    world.undelete(0, &[&people[4]]).await;
    assert_eq!(world.row("Event", &id).await["WhoId"], json!(people[4]));

    let lead = text(
        &world
            .rows("SELECT Id FROM Lead WHERE IsConverted = false LIMIT 1")
            .await[0],
        "Id",
    );
    for (list, code) in [
        (json!(people), "FIELD_INTEGRITY_EXCEPTION"),
        (json!([people[0], lead]), "FIELD_INTEGRITY_EXCEPTION"),
        (json!([account]), "MALFORMED_ID"),
        (json!("x"), "JSON_PARSER_ERROR"),
    ] {
        assert_eq!(
            world
                .refused("Event", with(timed(), &json!({"EventWhoIds": list})))
                .await
                .1,
            code
        );
    }
}

#[tokio::test]
async fn others_see_of_a_private_event_its_times_only() {
    let world = World::start().await;
    let body = with(
        timed(),
        &json!({"IsPrivate": true, "Subject": "Doctor", "Location": "Clinic", "Description": "x"}),
    );
    let id = world.create("Event", body).await;
    let soql =
        format!("SELECT Subject, Location, StartDateTime, IsPrivate, ShowAs FROM Event WHERE Id = '{id}'");
    let seen = world.rows_as(1, &soql).await.remove(0);
    assert_eq!(
        (seen["Subject"].clone(), seen["Location"].clone()),
        (Value::Null, Value::Null)
    );
    assert_eq!(
        (seen["StartDateTime"].clone(), seen["ShowAs"].clone()),
        (json!(START), json!("Busy"))
    );
    assert_eq!(world.rows(&soql).await[0]["Subject"], "Doctor");
    let got = world
        .api_as(1, "GET", &format!("/sobjects/Event/{id}"), Value::Null)
        .await;
    assert_eq!(got.json()["Description"], Value::Null);
    // Nor can one ask for it.
    assert!(
        world
            .rows_as(1, "SELECT Id FROM Event WHERE Subject = 'Doctor'")
            .await
            .is_empty()
    );
    assert_eq!(
        world
            .rows("SELECT Id FROM Event WHERE Subject = 'Doctor'")
            .await
            .len(),
        1
    );
    // An invitee sees it whole, also through the relation.
    let relation = world
        .create(
            "EventRelation",
            json!({"EventId": id, "RelationId": world.user_id(1)}),
        )
        .await;
    assert_eq!(world.rows_as(1, &soql).await[0]["Subject"], "Doctor");
    let through = format!("SELECT Event.Subject FROM EventRelation WHERE Id = '{relation}'");
    assert_eq!(world.rows_as(1, &through).await[0]["Event"]["Subject"], "Doctor");
}

#[tokio::test]
async fn activities_are_seen_by_owner_invitee_and_through_their_parent() {
    let world = World::start().await;
    let (contact, _) = world.contact().await;
    let id = world
        .create("Event", with(timed(), &json!({"WhoId": contact})))
        .await;
    let soql = format!("SELECT Id FROM Event WHERE Id = '{id}'");
    assert_eq!(world.rows_as(1, &soql).await.len(), 1);
    world.org(json!({"sharing": {"Event": "private"}})).await;
    assert!(world.rows_as(1, &soql).await.is_empty());
    let hidden = world
        .api_as(1, "GET", &format!("/sobjects/Event/{id}"), Value::Null)
        .await;
    assert_eq!(hidden.status, 404);
    // Readable contacts open their activities.
    world
        .org(json!({"sharing": {"Event": "private", "Contact": "read"}}))
        .await;
    assert_eq!(world.rows_as(1, &soql).await.len(), 1);
    let got = world
        .api_as(
            1,
            "PATCH",
            &format!("/sobjects/Event/{id}"),
            json!({"Subject": "x"}),
        )
        .await;
    assert_eq!(got.status, 403);
    world
        .org(json!({"sharing": {"Event": "private", "Contact": "private"}}))
        .await;
    assert!(world.rows_as(1, &soql).await.is_empty());
    let relation = world
        .create(
            "EventRelation",
            json!({"EventId": id, "RelationId": world.user_id(1)}),
        )
        .await;
    assert_eq!(world.rows_as(1, &soql).await.len(), 1);
    let answer = json!({"Status": "Accepted"});
    World::changed(
        &world
            .api_as(1, "PATCH", &format!("/sobjects/EventRelation/{relation}"), answer)
            .await,
    );
    let got = world
        .api_as(1, "DELETE", &format!("/sobjects/Event/{id}"), Value::Null)
        .await;
    assert_eq!(got.code(), "INSUFFICIENT_ACCESS_OR_READONLY");
}

#[tokio::test]
async fn a_thousand_invitees_and_no_more() {
    let world = World::with(Options {
        contacts: 0,
        ..Options::default()
    })
    .await;
    world
        .control("POST", "/salesforce/seed", json!({"count": 1001}))
        .await;
    let id = world.create("Event", timed()).await;
    let people: Vec<String> = world
        .rows(&format!(
            "SELECT Id FROM Contact WHERE OwnerId = '{}'",
            world.user_id(0)
        ))
        .await
        .iter()
        .map(|r| text(r, "Id"))
        .collect();
    assert_eq!(people.len(), 1001);
    let mut made = 0;
    let mut refused = Vec::new();
    for batch in people.chunks(200) {
        let records: Vec<Value> = batch
            .iter()
            .map(|p| json!({"attributes": {"type": "EventRelation"}, "EventId": id, "RelationId": p}))
            .collect();
        let got = world
            .api("POST", "/composite/sobjects", json!({"records": records}))
            .await
            .json();
        for row in got.as_array().unwrap() {
            if row["success"] == true {
                made += 1;
            } else {
                refused.push(text(&row["errors"][0], "statusCode"));
            }
        }
    }
    assert_eq!((made, refused), (1000, vec!["LIMIT_EXCEEDED".to_owned()]));
}

#[tokio::test]
async fn changes_of_events_are_listed() {
    let world = World::start().await;
    let id = world.create("Event", timed()).await;
    let gone = world.create("Event", timed()).await;
    world
        .api("DELETE", &format!("/sobjects/Event/{gone}"), Value::Null)
        .await;
    let clock = world.control("POST", "/clock", json!({"advance_s": 120})).await;
    let now = clock["now_ms"].as_i64().unwrap();
    let minute = |delta: i64| {
        let at = jiff::Timestamp::from_millisecond(now + delta * 1000).unwrap();
        at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
    };
    let window = form(&[("start", &minute(-300)), ("end", &minute(120))]);
    let updated = world
        .get(&format!("/sobjects/Event/updated/?{window}"))
        .await
        .json();
    assert!(
        updated["ids"].as_array().unwrap().contains(&json!(id)),
        "{updated}"
    );
    let deleted = world
        .get(&format!("/sobjects/Event/deleted/?{window}"))
        .await
        .json();
    assert_eq!(deleted["deletedRecords"][0]["id"], json!(gone), "{deleted}");
}
