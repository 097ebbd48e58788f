//! What changed since, and how a client can lose it.

use serde_json::{Value, json};

use crate::calendar::weekly;
use crate::support::{Bench, IMMUTABLE, id, utc, values};

const VIEW: &str =
    "/me/calendarView/delta?startDateTime=2026-11-01T00:00:00Z&endDateTime=2026-12-31T00:00:00Z";

fn removed(all: &[Value]) -> Vec<Value> {
    all.iter()
        .filter(|v| v.get("@removed").is_some())
        .map(|v| v["id"].clone())
        .collect()
}

#[tokio::test]
async fn a_round_goes_on_to_its_end() {
    let bench = Bench::new().await;
    for n in 0..25 {
        bench
            .post("/me/contacts", json!({ "givenName": format!("P{n}") }))
            .await
            .is(201);
    }
    bench.knobs(json!({ "empty_pages": 2 })).await;
    let first = bench.get("/me/contacts/delta?$select=givenName").await.is(200);
    assert_eq!(values(&first).len(), 0);
    assert!(
        first["@odata.nextLink"]
            .as_str()
            .unwrap()
            .contains("/me/contacts/delta?$skiptoken=")
    );
    let (all, link) = bench.round("/me/contacts/delta?$select=givenName").await;
    assert_eq!(all.len(), 25);
    assert!(
        all.iter()
            .all(|c| c.get("surname").is_none() && c["givenName"].is_string())
    );
    // Nothing happened: one request, one link.
    let (nothing, link) = bench.round(&link).await;
    assert_eq!(nothing.len(), 0);
    let path = format!("/me/contacts/{}", id(&all[3]));
    bench
        .patch(&path, json!({ "surname": "Z", "givenName": "Y" }))
        .await
        .is(200);
    bench.delete(&format!("/me/contacts/{}", id(&all[4]))).await;
    let (changes, next) = bench.round(&link).await;
    assert_eq!(changes.len(), 2);
    assert_eq!(removed(&changes), [all[4]["id"].clone()]);
    // What was selected at the beginning still is.
    let changed = changes.iter().find(|c| c["givenName"] == "Y").unwrap();
    assert!(changed.get("surname").is_none());
    // An old link tells the same once more.
    assert_eq!(bench.round(&link).await.0.len(), 2);
    assert_eq!(bench.round(&next).await.0.len(), 0);
}

#[tokio::test]
async fn tokens_expire_in_more_than_one_way() {
    let bench = Bench::new().await;
    let (_, link) = bench.round(VIEW).await;
    bench
        .control(
            "POST",
            &format!("/graph/mailboxes/{}/expire", crate::support::NINA),
            Value::Null,
        )
        .await;
    bench.get(&link).await.refused(410, "SyncStateNotFound");
    let (_, link) = bench.round(VIEW).await;
    bench.fault(json!({ "kind": "expired_cursor", "times": 2 })).await;
    let gone = bench.get(&link).await;
    gone.refused(410, "resyncRequired");
    let anew = gone.headers["location"].clone();
    bench.get(&link).await.refused(400, "syncStateNotFound");
    bench.get(&anew).await.is(200);
    // The fault was one: the token is still good. Age ends it too.
    bench.get(&link).await.is(200);
    bench.knobs(json!({ "token_life_s": 3600 })).await;
    bench
        .control("POST", "/clock", json!({ "advance_s": 3000 }))
        .await;
    bench.get(&link).await.is(200);
    bench.control("POST", "/clock", json!({ "advance_s": 700 })).await;
    assert_eq!(bench.get(&link).await.status, 410);
    let forged = format!("{link}x");
    bench.get(&forged).await.refused(400, "BadRequest");
    // A token is of one thing only.
    let other = link.replace("calendarView", "contacts");
    assert_ne!(bench.get(&other).await.status, 200);
}

#[tokio::test]
async fn a_span_shows_series_and_their_occurrences() {
    let bench = Bench::new().await;
    let master = weekly(&bench).await;
    bench
        .get(&format!("{VIEW}&$select=subject"))
        .await
        .refused(400, "ErrorInvalidUrlQuery");
    let (all, link) = bench.round(VIEW).await;
    assert_eq!(all.len(), 6);
    let series = all.iter().position(|e| e["type"] == "seriesMaster").unwrap();
    assert_eq!(all[series]["subject"], "Weekly");
    assert!(series > 0, "occurrences may come before their series");
    let occurrences: Vec<&Value> = all.iter().filter(|e| e["type"] == "occurrence").collect();
    assert_eq!(occurrences.len(), 5);
    for one in &occurrences {
        assert_eq!(one["seriesMasterId"], master["id"]);
        assert!(
            one.get("subject").is_none() && one.get("originalStart").is_none(),
            "{one}"
        );
    }
    // An occurrence that was edited is told, its series is not.
    let second = occurrences
        .iter()
        .find(|o| o["start"]["dateTime"] == "2026-11-09T09:00:00.0000000")
        .unwrap();
    bench
        .patch(
            &format!("/me/events/{}", id(second)),
            json!({ "subject": "Other" }),
        )
        .await
        .is(200);
    let (changes, link) = bench.round(&link).await;
    assert_eq!(changes.len(), 1);
    assert_eq!(
        (&changes[0]["type"], &changes[0]["subject"]),
        (&json!("exception"), &json!("Other"))
    );
    let third = occurrences
        .iter()
        .find(|o| o["start"]["dateTime"] == "2026-11-16T09:00:00.0000000")
        .unwrap();
    bench.delete(&format!("/me/events/{}", id(third))).await;
    let (changes, link) = bench.round(&link).await;
    assert_eq!(changes.len(), 1);
    assert_eq!(removed(&changes), [third["id"].clone()]);
    // A change of the series' subject tells the series only; of its time all.
    let path = format!("/me/events/{}", id(&master));
    bench.patch(&path, json!({ "subject": "Weekly 2" })).await.is(200);
    let (changes, link) = bench.round(&link).await;
    assert_eq!(changes.iter().filter(|c| c["type"] == "seriesMaster").count(), 1);
    assert_eq!(changes.len(), 1, "{changes:?}");
    bench
        .patch(&path, json!({ "start": utc("2026-11-02T12:00:00") }))
        .await
        .is(200);
    let (changes, link) = bench.round(&link).await;
    assert!(changes.len() > 5, "{changes:?}");
    bench.delete(&path).await;
    let (changes, _) = bench.round(&link).await;
    assert!(changes.iter().all(|c| c.get("@removed").is_some()));
    assert!(removed(&changes).contains(&master["id"]));
}

#[tokio::test]
async fn what_lies_outside_of_the_span_seems_deleted() {
    let bench = Bench::new().await;
    let event = |from: &str, to: &str| json!({ "subject": "E", "start": utc(from), "end": utc(to) });
    let inside = bench
        .post("/me/events", event("2026-11-10T10:00:00", "2026-11-10T11:00:00"))
        .await
        .is(201);
    let (_, link) = bench.round(VIEW).await;
    let outside = bench
        .post("/me/events", event("2027-03-10T10:00:00", "2027-03-10T11:00:00"))
        .await
        .is(201);
    bench
        .patch(
            &format!("/me/events/{}", id(&inside)),
            json!({ "start": utc("2027-04-01T10:00:00") }),
        )
        .await
        .is(200);
    let (changes, link) = bench.round(&link).await;
    let gone = removed(&changes);
    assert_eq!(gone.len(), 2);
    assert!(gone.contains(&inside["id"]) && gone.contains(&outside["id"]));
    assert!(changes.iter().all(|c| c["@removed"]["reason"] == "deleted"));
    // Both are there.
    bench.get(&format!("/me/events/{}", id(&inside))).await.is(200);
    bench.get(&format!("/me/events/{}", id(&outside))).await.is(200);
    assert_eq!(bench.round(&link).await.0.len(), 0);
}

#[tokio::test]
async fn messages_are_tracked_in_a_folder_and_a_time() {
    let bench = Bench::new().await;
    for (subject, received) in [("old", "2026-10-01T10:00:00Z"), ("new", "2026-11-20T10:00:00Z")] {
        bench
            .nina(
                "POST",
                "messages",
                json!({ "from": "k@x.example", "subject": subject, "received": received }),
            )
            .await;
    }
    let path = "/me/mailFolders/inbox/messages/delta?$select=subject,isRead&$filter=receivedDateTime ge 2026-11-01T00:00:00Z";
    let (all, link) = bench.round(path).await;
    assert_eq!(all.len(), 1);
    assert_eq!(all[0]["subject"], "new");
    bench
        .get("/me/mailFolders/inbox/messages/delta?$filter=subject eq 'new'")
        .await
        .refused(400, "ErrorInvalidUrlQueryFilter");
    // Read: nothing else is told.
    let one = format!("/me/messages/{}", id(&all[0]));
    bench.patch(&one, json!({ "isRead": true })).await.is(200);
    let (changes, link) = bench.round(&link).await;
    assert_eq!(
        (changes.len(), &changes[0]["isRead"], changes[0].get("subject")),
        (1, &json!(true), None)
    );
    // Moved away it is removed here, under the id that it had.
    let plain = bench.ask("GET", &link, &[], &Value::Null).await.is(200);
    assert_eq!(values(&plain).len(), 0);
    bench
        .post(&format!("{one}/move"), json!({ "destinationId": "archive" }))
        .await
        .is(201);
    assert_eq!(removed(&bench.round(&link).await.0), [all[0]["id"].clone()]);
    let mutable = bench.ask("GET", &link, &[], &Value::Null).await.is(200);
    assert_ne!(removed(&values(&mutable))[0], all[0]["id"]);
}

#[tokio::test]
async fn changes_come_late_twice_or_all_over() {
    let bench = Bench::new().await;
    let made = bench
        .post("/me/contacts", json!({ "givenName": "A" }))
        .await
        .is(201);
    let (_, link) = bench.round("/me/contacts/delta").await;
    let path = format!("/me/contacts/{}", id(&made));
    bench.patch(&path, json!({ "givenName": "B" })).await.is(200);
    bench
        .fault(json!({ "kind": "late_changes", "n": 3, "operation": "GET contacts/delta", "times": 1 }))
        .await;
    let (none, late) = bench.round(&link).await;
    assert_eq!(none.len(), 0);
    bench.get("/me/contacts").await.is(200);
    bench.get("/me/contacts").await.is(200);
    let (told, link) = bench.round(&late).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["givenName"], "B");
    bench.patch(&path, json!({ "givenName": "C" })).await.is(200);
    bench
        .fault(json!({ "kind": "duplicate_changes", "times": 1 }))
        .await;
    let (twice, link) = bench.round(&link).await;
    assert_eq!(twice.len(), 2);
    assert_eq!(twice[0]["id"], twice[1]["id"]);
    bench.fault(json!({ "kind": "silent_resync", "times": 1 })).await;
    assert_eq!(bench.round(&link).await.0.len(), 1);
    bench.fault(json!({ "kind": "empty", "times": 1 })).await;
    let (gone, _) = bench.round(&link).await;
    assert_eq!(removed(&gone), [made["id"].clone()]);
}

#[tokio::test]
async fn tasks_are_tracked_with_their_ends() {
    let bench = Bench::new().await;
    let list = values(&bench.get("/me/todo/lists").await.is(200))[0].clone();
    let tasks = format!("/me/todo/lists/{}/tasks", id(&list));
    bench
        .get(&format!("{tasks}/delta?$expand=extensions"))
        .await
        .refused(400, "ErrorInvalidUrlQuery");
    let (_, link) = bench.round(&format!("{tasks}/delta")).await;
    let made = bench.post(&tasks, json!({ "title": "T" })).await.is(201);
    let (changes, link) = bench.round(&link).await;
    assert_eq!(changes[0]["title"], "T");
    bench.delete(&format!("{tasks}/{}", id(&made))).await;
    let (changes, _) = bench.round(&link).await;
    assert_eq!(removed(&changes), [made["id"].clone()]);
    // A page is as large as the client prefers.
    for n in 0..4 {
        bench
            .post(&tasks, json!({ "title": format!("T{n}") }))
            .await
            .is(201);
    }
    let prefer = [IMMUTABLE, ("Prefer", "odata.maxpagesize=4")];
    let page = bench
        .ask("GET", &format!("{tasks}/delta"), &prefer, &Value::Null)
        .await
        .is(200);
    assert_eq!(values(&page).len(), 4);
    let end = bench
        .ask(
            "GET",
            page["@odata.nextLink"].as_str().unwrap(),
            &prefer,
            &Value::Null,
        )
        .await
        .is(200);
    assert_eq!(values(&end).len(), 0);
    assert!(end["@odata.deltaLink"].is_string());
}
