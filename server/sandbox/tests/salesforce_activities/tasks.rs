//! Tasks: status, priority, completion, series.

use serde_json::{Value, json};

use crate::rig::{World, text};

#[tokio::test]
async fn status_decides_completion() {
    let world = World::start().await;
    let id = world
        .create("Task", json!({"Subject": "Offer", "ActivityDate": "2026-12-01"}))
        .await;
    let row = world.row("Task", &id).await;
    for (name, value) in [
        ("Status", json!("Not Started")),
        ("Priority", json!("Normal")),
        ("TaskSubtype", json!("Task")),
        ("IsClosed", json!(false)),
        ("IsHighPriority", json!(false)),
        ("CompletedDateTime", Value::Null),
        ("ActivityDate", json!("2026-12-01")),
    ] {
        assert_eq!(row[name], value, "{name}");
    }
    World::changed(
        &world
            .update("Task", &id, json!({"Status": "Completed", "Priority": "High"}))
            .await,
    );
    let row = world.row("Task", &id).await;
    assert_eq!(
        (row["IsClosed"].clone(), row["IsHighPriority"].clone()),
        (json!(true), json!(true))
    );
    let completed = text(&row, "CompletedDateTime");
    World::changed(&world.update("Task", &id, json!({"Subject": "Offer 2"})).await);
    assert_eq!(
        world.row("Task", &id).await["CompletedDateTime"],
        json!(completed)
    );
    World::changed(&world.update("Task", &id, json!({"Status": "In Progress"})).await);
    assert_eq!(world.row("Task", &id).await["CompletedDateTime"], Value::Null);

    for (body, code, fields) in [
        (
            json!({"Status": null}),
            "REQUIRED_FIELD_MISSING",
            json!(["Status"]),
        ),
        (
            json!({"Priority": null}),
            "REQUIRED_FIELD_MISSING",
            json!(["Priority"]),
        ),
        (
            json!({"TaskSubtype": "Call"}),
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            json!(["TaskSubtype"]),
        ),
        (
            json!({"IsClosed": true}),
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            json!(["IsClosed"]),
        ),
        (
            json!({"IsRecurrence": true}),
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            json!(["IsRecurrence"]),
        ),
        (
            json!({"Subject": "x".repeat(256)}),
            "STRING_TOO_LONG",
            json!(["Subject"]),
        ),
    ] {
        let (status, got, at) = world.update("Task", &id, body.clone()).await.error();
        assert_eq!((status, got.as_str(), at), (400, code, fields), "{body}");
    }
    let got = world
        .update("Task", &id, json!({"ActivityDate": "2026-12-01T00:00:00Z"}))
        .await;
    assert_eq!(got.code(), "JSON_PARSER_ERROR");
    assert_eq!(
        world.refused("Task", json!({"TaskSubtype": "Fax"})).await.1,
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    );
    let call = world
        .create(
            "Task",
            json!({"TaskSubtype": "Call", "CallDurationInSeconds": 90}),
        )
        .await;
    assert_eq!(world.row("Task", &call).await["CallDurationInSeconds"], 90);
}

#[tokio::test]
async fn reminders_are_set_and_cleared() {
    let world = World::start().await;
    let id = world
        .create(
            "Task",
            json!({"Subject": "x", "IsReminderSet": true, "ReminderDateTime": "2026-12-01T07:00:00Z"}),
        )
        .await;
    assert_eq!(
        world.row("Task", &id).await["ReminderDateTime"],
        "2026-12-01T07:00:00.000+0000"
    );
    World::changed(&world.update("Task", &id, json!({"IsReminderSet": false})).await);
    assert_eq!(world.row("Task", &id).await["ReminderDateTime"], Value::Null);
}

#[tokio::test]
async fn an_organisation_has_its_own_statuses() {
    let world = World::start().await;
    let rows = world
        .rows("SELECT MasterLabel, IsClosed, IsDefault FROM TaskStatus ORDER BY SortOrder")
        .await;
    assert_eq!(rows.len(), 5);
    assert_eq!(
        (rows[0]["MasterLabel"].clone(), rows[0]["IsDefault"].clone()),
        (json!("Not Started"), json!(true))
    );
    let closed: Vec<&Value> = rows
        .iter()
        .filter(|r| r["IsClosed"] == true)
        .map(|r| &r["MasterLabel"])
        .collect();
    assert_eq!(closed, [&json!("Completed")]);
    world
        .org(json!({"picklists": {
            "Task.Status": ["Offen", {"value": "Erledigt", "closed": true}],
            "Event.ShowAs": ["Busy"],
        }}))
        .await;
    let rows = world
        .rows("SELECT ApiName FROM TaskStatus WHERE IsClosed = true")
        .await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["ApiName"], "Erledigt");
    let status = world.field("Task", "Status").await;
    let values: Vec<&Value> = status["picklistValues"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| &v["value"])
        .collect();
    assert_eq!(
        (values, status["restrictedPicklist"].clone()),
        (vec![&json!("Offen"), &json!("Erledigt")], json!(true))
    );
    let id = world.create("Task", json!({"Subject": "x"})).await;
    assert_eq!(world.row("Task", &id).await["Status"], "Offen");
    World::changed(&world.update("Task", &id, json!({"Status": "Erledigt"})).await);
    assert_eq!(world.row("Task", &id).await["IsClosed"], true);
    let got = world.update("Task", &id, json!({"Status": "In Progress"})).await;
    assert_eq!(got.code(), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST");
    let free = json!({"StartDateTime": "2026-12-01T07:00:00Z", "DurationInMinutes": 5, "ShowAs": "Free"});
    assert_eq!(
        world.refused("Event", free).await.1,
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    );
    for bad in [
        json!({"picklists": {"Task.Nope": ["x"]}}),
        json!({"picklists": {"Task.Status": []}}),
        json!({"picklists": {"Task.Subject": ["x"]}}),
    ] {
        assert_eq!(world.sandbox.control("PUT", "/salesforce/org", bad).await.0, 400);
    }
}

#[tokio::test]
async fn a_series_is_born_in_the_user_interface() {
    let world = World::start().await;
    let body = json!({
        "Subject": "Weekly", "IsRecurrence": true, "RecurrenceType": "RecursWeekly", "RecurrenceInterval": 1,
        "RecurrenceStartDateOnly": "2026-12-01", "RecurrenceEndDateOnly": "2026-12-31", "RecurrenceDayOfWeekMask": 4,
    });
    let path = format!("/salesforce/records/Task?as={}", world.username(0));
    let series = text(&world.control("POST", &path, body).await, "id");
    let one = json!({"Subject": "Weekly", "RecurrenceActivityId": series, "ActivityDate": "2026-12-08"});
    let one = text(&world.control("POST", &path, one).await, "id");
    let soql = "SELECT Id, RecurrenceActivityId FROM Task WHERE IsRecurrence = false AND RecurrenceActivityId != null";
    assert_eq!(world.id(soql).await, one);
    let described = world.field("Task", "RecurrenceActivityId").await;
    assert_eq!(
        (described["createable"].clone(), described["updateable"].clone()),
        (json!(false), json!(false))
    );
}

#[tokio::test]
async fn several_people_of_a_task() {
    let world = World::start().await;
    world.org(json!({"shared_activities": true})).await;
    let (a, b) = (
        world.create("Contact", json!({"LastName": "A"})).await,
        world.create("Contact", json!({"LastName": "B"})).await,
    );
    let id = world
        .create("Task", json!({"Subject": "x", "TaskWhoIds": [a]}))
        .await;
    let more = world
        .create("TaskRelation", json!({"TaskId": id, "RelationId": b}))
        .await;
    assert_eq!(world.row("Task", &id).await["TaskWhoIds"], json!([a, b]));
    assert_eq!(
        world
            .refused("TaskRelation", json!({"TaskId": id, "RelationId": b}))
            .await
            .1,
        "DUPLICATE_VALUE"
    );
    assert_eq!(
        world
            .rows(&format!("SELECT Id FROM TaskWhoRelation WHERE TaskId = '{id}'"))
            .await
            .len(),
        2
    );
    World::changed(
        &world
            .api("DELETE", &format!("/sobjects/TaskRelation/{more}"), Value::Null)
            .await,
    );
    assert_eq!(world.row("Task", &id).await["TaskWhoIds"], json!([a]));
    // A merge moves the activities to the winner.
    world
        .control(
            "POST",
            &format!("/salesforce/records/Contact/{b}/merge"),
            json!({"loser": a}),
        )
        .await;
    let row = world.row("Task", &id).await;
    assert_eq!(
        (row["WhoId"].clone(), row["TaskWhoIds"].clone()),
        (json!(b), json!([b]))
    );
}
