//! The lists and tasks of To Do.

use serde_json::{Value, json};

use crate::support::{Bench, id, utc, values};

async fn list(bench: &Bench) -> String {
    let lists = values(&bench.get("/me/todo/lists").await.is(200));
    let default = lists
        .iter()
        .find(|l| l["wellknownListName"] == "defaultList")
        .unwrap();
    assert!(lists.iter().any(|l| l["wellknownListName"] == "flaggedEmails"));
    format!("/me/todo/lists/{}/tasks", id(default))
}

#[tokio::test]
async fn days_are_those_of_utc() {
    let bench = Bench::new().await;
    let tasks = list(&bench).await;
    let made = bench
        .post(
            &tasks,
            json!({ "title": "Call", "dueDateTime": utc("2026-11-30T00:00:00"), "importance": "high",
            "body": { "content": "a\nb", "contentType": "text" }, "categories": ["x"],
            "reminderDateTime": utc("2026-11-29T08:30:00"), "isReminderOn": true }),
        )
        .await
        .is(201);
    assert_eq!(
        made["dueDateTime"],
        json!({ "dateTime": "2026-11-30T00:00:00.0000000", "timeZone": "UTC" })
    );
    assert_eq!(
        made["reminderDateTime"]["dateTime"],
        "2026-11-29T08:30:00.0000000"
    );
    assert!(made.get("completedDateTime").is_none() && made.get("recurrence").is_none());
    let seen = bench.nina("GET", "tasks", Value::Null).await[0].clone();
    assert_eq!(
        (&seen["due"], &seen["importance"], &seen["body"]),
        (&json!("2026-11-30"), &json!("High"), &json!("a\r\nb"))
    );
    // Midnight in Berlin is the day before in UTC.
    let path = format!("{tasks}/{}", id(&made));
    let berlin = json!({ "dueDateTime": { "dateTime": "2026-11-30T00:00:00", "timeZone": "W. Europe Standard Time" } });
    let shifted = bench.patch(&path, berlin).await.is(200);
    assert_eq!(shifted["dueDateTime"]["dateTime"], "2026-11-29T00:00:00.0000000");
    let cleared = bench
        .patch(&path, json!({ "dueDateTime": null, "status": "completed" }))
        .await
        .is(200);
    assert!(cleared.get("dueDateTime").is_none());
    assert_eq!(cleared["status"], "completed");
    assert!(cleared["completedDateTime"]["dateTime"].is_string());
    bench
        .patch(&path, json!({ "status": "nearly" }))
        .await
        .refused(400, "RequestBodyRead");
    bench
        .post(&tasks, json!({ "body": { "content": "x" } }))
        .await
        .refused(400, "invalidRequest");
    assert_eq!(bench.delete(&path).await.status, 204);
    bench.get(&path).await.refused(404, "ErrorItemNotFound");
    assert_eq!(
        bench.nina("GET", "tasks", Value::Null).await[0]["folder"],
        "Deleted Items"
    );
}

#[tokio::test]
async fn extensions_carry_what_a_client_needs() {
    let bench = Bench::new().await;
    let tasks = list(&bench).await;
    let made = bench
        .post(&tasks, json!({ "title": "Call", "extensions": [
            { "@odata.type": "microsoft.graph.openTypeExtension", "extensionName": "io.tandem.link", "key": "k1" }],
            "linkedResources": [{ "applicationName": "Tandem", "externalId": "00T1", "webUrl": "https://x.example/1" }] }))
        .await
        .is(201);
    assert!(made.get("extensions").is_none());
    let path = format!("{tasks}/{}", id(&made));
    let read = bench
        .get(&format!(
            "{path}?$expand=extensions($filter=id eq 'io.tandem.link'),linkedResources"
        ))
        .await
        .is(200);
    assert_eq!(read["extensions"][0]["key"], "k1");
    assert_eq!(read["linkedResources"][0]["externalId"], "00T1");
    let none = bench
        .get(&format!("{path}?$expand=extensions($filter=id eq 'other')"))
        .await
        .is(200);
    assert_eq!(none["extensions"], json!([]));
    let changed = bench
        .patch(
            &format!("{path}/extensions/io.tandem.link"),
            json!({ "key": "k2" }),
        )
        .await
        .is(200);
    assert_eq!(
        (&changed["key"], &changed["extensionName"]),
        (&json!("k2"), &json!("io.tandem.link"))
    );
    let twice = json!({ "@odata.type": "#microsoft.graph.openTypeExtension", "extensionName": "IO.Tandem.Link", "key": "k3" });
    assert_eq!(bench.post(&format!("{path}/extensions"), twice).await.status, 409);
    let all = values(&bench.get(&format!("{tasks}?$expand=extensions")).await.is(200));
    assert_eq!(all[0]["extensions"][0]["key"], "k2");
    let wrong = json!({ "extensionName": "x" });
    bench
        .post(&format!("{path}/extensions"), wrong)
        .await
        .refused(400, "BadRequest");
    assert_eq!(
        bench
            .delete(&format!("{path}/extensions/io.tandem.link"))
            .await
            .status,
        204
    );
    assert_eq!(
        bench
            .get(&format!("{path}/extensions/io.tandem.link"))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_recurring_task_comes_again() {
    let bench = Bench::new().await;
    let tasks = list(&bench).await;
    let body = json!({ "title": "Report", "dueDateTime": utc("2026-11-30T00:00:00"), "recurrence": {
        "pattern": { "type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "sunday" },
        "range": { "type": "noEnd", "startDate": "2026-11-30" } } });
    let made = bench.post(&tasks, body.clone()).await.is(201);
    assert_eq!(made["recurrence"]["pattern"]["daysOfWeek"], json!(["monday"]));
    let done = bench
        .patch(
            &format!("{tasks}/{}", id(&made)),
            json!({ "status": "completed" }),
        )
        .await
        .is(200);
    assert_eq!(
        (&done["status"], &done["dueDateTime"]["dateTime"]),
        (&json!("notStarted"), &json!("2026-12-07T00:00:00.0000000"))
    );
    let all = values(
        &bench
            .get(&format!("{tasks}?$filter=status eq 'completed'"))
            .await
            .is(200),
    );
    assert_eq!(all.len(), 1);
    assert_ne!(all[0]["id"], made["id"]);
    // The other way round: the done one keeps its id.
    bench.knobs(json!({ "next_task_gets_new_id": true })).await;
    let made = bench.post(&tasks, body).await.is(201);
    let done = bench
        .patch(
            &format!("{tasks}/{}", id(&made)),
            json!({ "status": "completed" }),
        )
        .await
        .is(200);
    assert_eq!(
        (&done["status"], done.get("recurrence")),
        (&json!("completed"), None)
    );
    assert_eq!(
        values(&bench.get(&format!("{tasks}?$top=100")).await.is(200)).len(),
        4
    );
}

#[tokio::test]
async fn lists_are_made_and_the_flagged_one_stays_as_it_is() {
    let bench = Bench::new().await;
    let made = bench
        .post("/me/todo/lists", json!({ "displayName": "Salesforce Tasks" }))
        .await
        .is(201);
    assert_eq!(made["wellknownListName"], "none");
    // Lists, unlike folders, may have the same name.
    bench
        .post("/me/todo/lists", json!({ "displayName": "Salesforce Tasks" }))
        .await
        .is(201);
    let lists = values(
        &bench
            .get("/me/todo/lists?$filter=displayName eq 'Salesforce Tasks'")
            .await
            .is(200),
    );
    assert_eq!(lists.len(), 2);
    let task = bench
        .post(
            &format!("/me/todo/lists/{}/tasks", id(&made)),
            json!({ "title": "x" }),
        )
        .await
        .is(201);
    // A task is found in its own list only.
    let other = format!("/me/todo/lists/{}/tasks/{}", id(&lists[1]), id(&task));
    bench.get(&other).await.refused(404, "ErrorItemNotFound");
    let lists = values(&bench.get("/me/todo/lists").await.is(200));
    let flagged = lists
        .iter()
        .find(|l| l["wellknownListName"] == "flaggedEmails")
        .unwrap();
    let path = format!("/me/todo/lists/{}/tasks", id(flagged));
    assert_eq!(values(&bench.get(&path).await.is(200)), Vec::<Value>::new());
    bench
        .post(&path, json!({ "title": "x" }))
        .await
        .refused(400, "invalidRequest");
    assert_eq!(bench.round(&format!("{path}/delta")).await.0, Vec::<Value>::new());
}
