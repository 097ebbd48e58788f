//! Graph has no switch for mail: what is told to whom.

use serde_json::{Value, json};

use crate::support::{Bench, TOMAS, id, utc, values};

async fn meeting(bench: &Bench) -> Value {
    bench
        .post(
            "/me/events",
            json!({
                "subject": "Plan", "start": utc("2026-12-01T10:00:00"), "end": utc("2026-12-01T11:00:00"),
                "attendees": [
                    { "type": "required", "emailAddress": { "address": TOMAS, "name": "Tomás" } },
                    { "type": "optional", "emailAddress": { "address": "kim@x.example" } },
                ],
            }),
        )
        .await
        .is(201)
}

#[tokio::test]
async fn who_makes_changes_or_deletes_a_meeting_writes_to_all() {
    let bench = Bench::new().await;
    let made = meeting(&bench).await;
    let both = vec![TOMAS.to_owned(), "kim@x.example".to_owned()];
    assert_eq!(bench.mails().await, [("request".to_owned(), both.clone())]);
    let path = format!("/me/events/{}", id(&made));
    // What is one's own is nobody's business.
    for quiet in [
        json!({ "categories": ["Salesforce"] }),
        json!({ "isReminderOn": false }),
        json!({ "reminderMinutesBeforeStart": 5, "showAs": "free" }),
        json!({ "singleValueExtendedProperties": [{"id": crate::support::KEY, "value": "k"}] }),
    ] {
        bench.patch(&path, quiet).await.is(200);
    }
    assert_eq!(bench.mails().await.len(), 1);
    bench
        .patch(&path, json!({ "location": { "displayName": "Room 5" } }))
        .await
        .is(200);
    bench.patch(&path, json!({ "subject": "Plan B" })).await.is(200);
    assert_eq!(bench.mails().await.len(), 3);
    // Only who comes or goes is told of that.
    let fewer = json!({ "attendees": [
        { "emailAddress": { "address": TOMAS } }, { "emailAddress": { "address": "lee@x.example" } }] });
    bench.patch(&path, fewer).await.is(200);
    let mails = bench.mails().await;
    assert_eq!(
        mails[3..],
        [
            ("request".to_owned(), vec!["lee@x.example".to_owned()]),
            ("cancellation".to_owned(), vec!["kim@x.example".to_owned()]),
        ]
    );
    assert_eq!(bench.delete(&path).await.status, 204);
    assert_eq!(bench.mails().await[5].0, "cancellation");
    // Without anybody in it, it is no meeting.
    let alone =
        json!({ "subject": "Alone", "start": utc("2026-12-01T10:00:00"), "end": utc("2026-12-01T11:00:00") });
    let alone = bench.post("/me/events", alone).await.is(201);
    bench
        .patch(
            &format!("/me/events/{}", id(&alone)),
            json!({ "subject": "Still" }),
        )
        .await
        .is(200);
    bench.delete(&format!("/me/events/{}", id(&alone))).await;
    assert_eq!(bench.mails().await.len(), 6);
}

#[tokio::test]
async fn who_deletes_an_invitation_declines_it() {
    let mut bench = Bench::new().await;
    meeting(&bench).await;
    let nina = std::mem::take(&mut bench.token);
    bench.token = bench.token_of(TOMAS).await;
    let theirs = values(&bench.get("/me/events").await.is(200))[0].clone();
    assert_eq!(
        (&theirs["isOrganizer"], &theirs["responseStatus"]["response"]),
        (&json!(false), &json!("notResponded"))
    );
    assert_eq!(
        theirs["organizer"]["emailAddress"]["address"],
        crate::support::NINA
    );
    let path = format!("/me/events/{}", id(&theirs));
    bench
        .patch(&path, json!({ "categories": ["x"], "isReminderOn": false }))
        .await
        .is(200);
    bench
        .post(&format!("{path}/cancel"), json!({}))
        .await
        .refused(400, "ErrorAccessDenied");
    assert_eq!(bench.mails().await.len(), 1);
    assert_eq!(
        bench
            .post(&format!("{path}/accept"), json!({ "sendResponse": true }))
            .await
            .status,
        202
    );
    assert_eq!(
        bench.mails().await[1],
        ("response".to_owned(), vec![crate::support::NINA.to_owned()])
    );
    assert_eq!(bench.delete(&path).await.status, 204);
    assert_eq!(bench.mails().await.len(), 3);
    let invitation = values(&bench.get("/me/mailFolders/inbox/messages").await.is(200))[0].clone();
    assert_eq!(invitation["@odata.type"], "#microsoft.graph.eventMessageRequest");
    bench.token = nina;
    let mine = values(&bench.get("/me/events").await.is(200))[0].clone();
    assert_eq!(mine["attendees"][0]["status"]["response"], "declined");
}

#[tokio::test]
async fn a_new_text_takes_the_online_meeting_away() {
    let bench = Bench::new().await;
    let body = json!({ "subject": "Call", "start": utc("2026-12-01T10:00:00"), "end": utc("2026-12-01T11:00:00"),
        "isOnlineMeeting": true, "onlineMeetingProvider": "teamsForBusiness", "body": { "contentType": "html", "content": "<p>Agenda</p>" } });
    let made = bench.post("/me/events", body).await.is(201);
    let join = made["onlineMeeting"]["joinUrl"].as_str().unwrap().to_owned();
    let text = made["body"]["content"].as_str().unwrap().to_owned();
    assert!(text.contains(&join) && text.contains("Agenda"), "{text}");
    let path = format!("/me/events/{}", id(&made));
    // With the link in it, all stays.
    let kept = json!({ "body": { "contentType": "html", "content": text.replace("Agenda", "Agenda 2") } });
    assert_eq!(bench.patch(&path, kept).await.is(200)["isOnlineMeeting"], true);
    bench.patch(&path, json!({ "subject": "Call 2" })).await.is(200);
    let lost = bench
        .patch(
            &path,
            json!({ "body": { "contentType": "text", "content": "Agenda 3" } }),
        )
        .await
        .is(200);
    assert_eq!(
        (&lost["isOnlineMeeting"], &lost["onlineMeeting"]),
        (&json!(false), &Value::Null)
    );
}
