//! Events: times, series and what is looked at.

use serde_json::{Value, json};

use crate::support::{Bench, IMMUTABLE, KEY, id, utc, values};

fn berlin(time: &str) -> Value {
    json!({ "dateTime": time, "timeZone": "W. Europe Standard Time" })
}

pub(crate) async fn weekly(bench: &Bench) -> Value {
    bench
        .post(
            "/me/events",
            json!({
                "subject": "Weekly", "start": berlin("2026-11-02T10:00:00"), "end": berlin("2026-11-02T11:00:00"),
                "recurrence": {
                    "pattern": { "type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "monday" },
                    "range": { "type": "numbered", "startDate": "2026-11-02", "numberOfOccurrences": 5 },
                },
            }),
        )
        .await
        .is(201)
}

#[tokio::test]
async fn times_are_what_the_client_prefers() {
    let bench = Bench::new().await;
    let made = bench
        .post(
            "/me/events",
            json!({
                "subject": "Visit", "start": berlin("2026-07-01T10:00:00"), "end": berlin("2026-07-01T11:30:00"),
                "location": { "displayName": "Berlin" }, "showAs": "oof", "sensitivity": "private",
                "isReminderOn": true, "reminderMinutesBeforeStart": 30, "body": { "contentType": "text", "content": "a\nb" },
            }),
        )
        .await
        .is(201);
    assert_eq!(
        made["start"],
        json!({ "dateTime": "2026-07-01T08:00:00.0000000", "timeZone": "UTC" })
    );
    assert_eq!(made["originalStartTimeZone"], "W. Europe Standard Time");
    assert_eq!(made["type"], "singleInstance");
    let path = format!("/me/events/{}", id(&made));
    let tokyo = bench
        .ask(
            "GET",
            &path,
            &[(
                "Prefer",
                "outlook.timezone=\"Asia/Tokyo\", outlook.body-content-type=\"text\"",
            )],
            &Value::Null,
        )
        .await
        .is(200);
    assert_eq!(
        tokyo["end"],
        json!({ "dateTime": "2026-07-01T18:30:00.0000000", "timeZone": "Tokyo Standard Time" })
    );
    assert_eq!(
        tokyo["body"],
        json!({ "contentType": "text", "content": "a\r\nb" })
    );
    let seen = bench.nina("GET", "events", Value::Null).await[0].clone();
    assert_eq!(
        (&seen["show_as"], &seen["sensitivity"], &seen["reminder_minutes"]),
        (&json!("OOF"), &json!("Private"), &json!(30))
    );
    for (bad, code) in [
        (
            json!({ "start": { "dateTime": "2026-07-01T10:00:00", "timeZone": "Mars" } }),
            "TimeZoneNotSupportedException",
        ),
        (
            json!({ "start": { "dateTime": "2026-07-01T10:00:00Z", "timeZone": "UTC" } }),
            "ErrorInvalidParameter",
        ),
        (
            json!({ "start": { "dateTime": "2026-07-01T10:00:00" } }),
            "ErrorInvalidParameter",
        ),
        (json!({ "showAs": "asleep" }), "RequestBodyRead"),
        (
            json!({ "end": utc("2026-06-01T10:00:00") }),
            "ErrorCalendarEndDateIsEarlierThanStartDate",
        ),
    ] {
        bench.patch(&path, bad).await.refused(400, code);
    }
    // Moved, it keeps its length.
    let moved = bench
        .patch(&path, json!({ "start": berlin("2026-07-02T12:00:00") }))
        .await
        .is(200);
    assert_eq!(moved["end"]["dateTime"], "2026-07-02T11:30:00.0000000");
    bench
        .post("/me/events", json!({ "subject": "no times" }))
        .await
        .refused(400, "ErrorPropertyValidationFailure");
}

#[tokio::test]
async fn whole_days_start_at_midnight_of_their_own_zone() {
    let bench = Bench::new().await;
    let day = |from: &str, to: &str| json!({ "subject": "Fair", "isAllDay": true, "start": berlin(from), "end": berlin(to) });
    bench
        .post("/me/events", day("2026-07-01T00:00:00", "2026-07-02T10:00:00"))
        .await
        .refused(400, "ErrorPropertyValidationFailure");
    let made = bench
        .post("/me/events", day("2026-07-01T00:00:00", "2026-07-03T00:00:00"))
        .await
        .is(201);
    // In another zone they are shifted; in their own one they are not.
    assert_eq!(made["start"]["dateTime"], "2026-06-30T22:00:00.0000000");
    let path = format!("/me/events/{}", id(&made));
    let own = [
        IMMUTABLE,
        ("Prefer", "outlook.timezone=\"W. Europe Standard Time\""),
    ];
    let read = bench.ask("GET", &path, &own, &Value::Null).await.is(200);
    assert_eq!(read["end"]["dateTime"], "2026-07-03T00:00:00.0000000");
    bench.knobs(json!({ "all_day_floats": true })).await;
    assert_eq!(
        bench.get(&path).await.is(200)["start"]["dateTime"],
        "2026-07-01T00:00:00.0000000"
    );
    // A zone that somebody made up has no name that goes back.
    bench
        .nina(
            "POST",
            "events",
            json!({ "subject": "odd", "start": "2026-07-05T10:00:00", "end": "2026-07-05T11:00:00",
            "zone": { "id": "x", "rules": "XST-1XDT,M3.5.0,M10.5.0/3" } }),
        )
        .await;
    let odd = values(&bench.get("/me/events?$filter=subject eq 'odd'").await.is(200))[0].clone();
    assert_eq!(odd["originalStartTimeZone"], "tzone://Microsoft/Custom");
    let prefer = [("Prefer", "outlook.timezone=\"tzone://Microsoft/Custom\"")];
    bench
        .ask("GET", &path, &prefer, &Value::Null)
        .await
        .refused(400, "TimeZoneNotSupportedException");
}

#[tokio::test]
async fn a_series_has_occurrences_and_exceptions() {
    let bench = Bench::new().await;
    let master = weekly(&bench).await;
    assert_eq!(
        (
            &master["type"],
            &master["recurrence"]["range"]["numberOfOccurrences"]
        ),
        (&json!("seriesMaster"), &json!(5))
    );
    let path = format!("/me/events/{}", id(&master));
    let all = format!("{path}/instances?startDateTime=2026-11-01T00:00:00Z&endDateTime=2027-01-01T00:00:00Z");
    let instances = values(&bench.get(&all).await.is(200));
    assert_eq!(instances.len(), 5);
    assert!(
        instances
            .iter()
            .all(|o| o["seriesMasterId"] == master["id"] && o["type"] == "occurrence")
    );
    assert_ne!(instances[0]["iCalUId"], instances[1]["iCalUId"]);
    assert_eq!(instances[1]["originalStart"], "2026-11-09T09:00:00Z");
    // One is moved, one is deleted.
    let second = format!("/me/events/{}", id(&instances[1]));
    let moved = bench
        .patch(
            &second,
            json!({ "start": berlin("2026-11-10T15:00:00"), "subject": "Moved" }),
        )
        .await
        .is(200);
    assert_eq!(
        (&moved["type"], &moved["originalStart"], &moved["id"]),
        (
            &json!("exception"),
            &json!("2026-11-09T09:00:00Z"),
            &instances[1]["id"]
        )
    );
    let third = format!("/me/events/{}", id(&instances[2]));
    assert_eq!(bench.delete(&third).await.status, 204);
    bench.get(&third).await.refused(404, "ErrorItemNotFound");
    bench
        .patch(&second, json!({ "start": berlin("2026-11-30T15:00:00") }))
        .await
        .refused(400, "ErrorOccurrenceCrossingBoundary");

    let view = bench.get("/me/calendarView?startDateTime=2026-11-08T00:00:00Z&endDateTime=2026-11-24T00:00:00Z&$select=subject,type").await.is(200);
    let kinds: Vec<Value> = values(&view).iter().map(|e| e["type"].clone()).collect();
    assert_eq!(kinds, [json!("exception"), json!("occurrence")]);
    let whole = bench
        .get(&format!(
            "{path}?$select=subject,cancelledOccurrences&$expand=exceptionOccurrences"
        ))
        .await
        .is(200);
    assert_eq!(
        whole["cancelledOccurrences"],
        json!([format!("OID.{}.2026-11-16", master["id"].as_str().unwrap())])
    );
    assert_eq!(whole["exceptionOccurrences"][0]["subject"], "Moved");
    // Without being asked for they are not there.
    let plain = bench.get(&path).await.is(200);
    assert_eq!(
        (&plain["cancelledOccurrences"], &plain["exceptionOccurrences"]),
        (&Value::Null, &Value::Null)
    );
    let not_a_series =
        format!("{second}/instances?startDateTime=2026-11-01T00:00:00Z&endDateTime=2027-01-01T00:00:00Z");
    bench.get(&not_a_series).await.refused(400, "ErrorInvalidRequest");
    bench
        .get(&format!("{path}/instances"))
        .await
        .refused(400, "ErrorInvalidParameter");
}

#[tokio::test]
async fn a_request_that_comes_twice_makes_one_event() {
    let bench = Bench::new().await;
    let body = json!({
        "subject": "Once", "start": utc("2026-12-01T10:00:00"), "end": utc("2026-12-01T11:00:00"),
        "transactionId": "7e9b1f8c-0000-4000-8000-000000000001",
        "singleValueExtendedProperties": [{"id": KEY, "value": "k1"}],
    });
    let first = bench.post("/me/events", body.clone()).await.is(201);
    let again = bench.post("/me/events", body.clone()).await.is(201);
    assert_eq!(first["id"], again["id"]);
    assert_eq!(
        bench
            .nina("GET", "events", Value::Null)
            .await
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let found = bench
        .get(&format!("/me/events?$filter=singleValueExtendedProperties/Any(ep: ep/id eq '{KEY}' and ep/value eq 'k1')&$select=id"))
        .await
        .is(200);
    assert_eq!(values(&found)[0]["id"], first["id"]);
    // Deleted it no longer stands in the way, and nobody finds it.
    let path = format!("/me/events/{}", id(&first));
    assert_eq!(bench.delete(&path).await.status, 204);
    bench.get(&path).await.refused(404, "ErrorItemNotFound");
    assert_ne!(bench.post("/me/events", body).await.is(201)["id"], first["id"]);
}
