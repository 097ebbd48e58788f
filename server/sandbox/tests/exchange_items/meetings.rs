//! Meetings: who gets mail, and what it does to the calendars.

use serde_json::{Value, json};

use crate::support::{ALL, Bench, NINA, TOMAS, quoted, set};

fn meeting(guests: &[&str]) -> String {
    let guests = guests
        .iter()
        .map(|g| {
            format!("<t:Attendee><t:Mailbox><t:EmailAddress>{g}</t:EmailAddress></t:Mailbox></t:Attendee>")
        })
        .collect::<Vec<_>>()
        .concat();
    format!(
        "<t:CalendarItem><t:Subject>Review</t:Subject><t:Start>2026-07-01T10:00:00Z</t:Start><t:End>2026-07-01T11:00:00Z</t:End>\
<t:RequiredAttendees>{guests}</t:RequiredAttendees></t:CalendarItem>"
    )
}

async fn theirs(bench: &Bench) -> Option<Value> {
    bench
        .list(TOMAS.0, "events")
        .await
        .into_iter()
        .find(|e| e["folder"] == "Calendar")
}

#[tokio::test]
async fn nobody_hears_of_what_is_sent_to_none() {
    let bench = Bench::new().await;
    let id = bench
        .create(
            "SendMeetingInvitations=\"SendToNone\"",
            &meeting(&[TOMAS.0, "guest@x.example"]),
        )
        .await
        .ok()
        .id();
    let place = set("calendar:Location", "CalendarItem", "<t:Location>x</t:Location>");
    let id = bench
        .update(
            "SendMeetingInvitationsOrCancellations=\"SendToNone\"",
            &id,
            &place,
        )
        .await
        .ok()
        .id();
    let read = bench.get(&id.0, ALL).await.ok();
    read.has("<t:IsMeeting>true</t:IsMeeting>");
    read.has("<t:MeetingRequestWasSent>false</t:MeetingRequestWasSent>");
    bench
        .delete(
            "DeleteType=\"MoveToDeletedItems\" SendMeetingCancellations=\"SendToNone\"",
            &id.0,
        )
        .await
        .ok();
    assert!(bench.mails().await.is_empty());
    assert!(theirs(&bench).await.is_none());
    assert!(bench.list(TOMAS.0, "messages").await.is_empty());
}

#[tokio::test]
async fn an_invitation_travels_and_its_answer_comes_back() {
    let bench = Bench::new().await;
    let id = bench
        .create(
            "SendMeetingInvitations=\"SendToAllAndSaveCopy\"",
            &meeting(&[TOMAS.0, "guest@x.example"]),
        )
        .await
        .ok()
        .id();
    let mails = bench.mails().await;
    assert_eq!(mails.len(), 1);
    assert_eq!(
        (&mails[0]["kind"], &mails[0]["to"]),
        (&json!("request"), &json!([TOMAS.0, "guest@x.example"]))
    );
    let copy = theirs(&bench).await.unwrap();
    let read = bench.get(&id.0, ALL).await.ok();
    assert_eq!(copy["uid"], read.field("UID"));
    assert_ne!(copy["id"], id.0);
    assert_eq!(
        (&copy["my_response"], &copy["organizer"]["address"]),
        (&json!("NoResponseReceived"), &json!(NINA.0))
    );
    let inbox = bench.list(TOMAS.0, "messages").await;
    assert_eq!(inbox[0]["item_class"], "IPM.Schedule.Meeting.Request");
    let sent = bench.list(NINA.0, "messages").await;
    assert_eq!((&sent[0]["folder"], sent.len()), (&json!("Sent Items"), 1));
    // The organizer cannot answer; the guest answers by the message in the inbox.
    let accept = |id: &Value| {
        format!(
            "<m:CreateItem MessageDisposition=\"SendAndSaveCopy\"><m:Items><t:AcceptItem><t:ReferenceItemId Id=\"{}\"/></t:AcceptItem></m:Items></m:CreateItem>",
            id.as_str().unwrap()
        )
    };
    assert_eq!(
        bench.ews(&accept(&json!(id.0))).await.code(),
        "ErrorCalendarIsOrganizerForAccept"
    );
    bench.ews_as(TOMAS, "", &accept(&inbox[0]["id"])).await.ok();
    assert_eq!(theirs(&bench).await.unwrap()["my_response"], "Accept");
    let now = bench.get(&id.0, ALL).await.ok();
    assert_ne!(now.id().1, id.1, "the answer changed the organizer's event");
    now.has("<t:ResponseType>Accept</t:ResponseType><t:LastResponseTime>");
    assert_eq!(bench.mails().await.last().unwrap()["kind"], "response");
    let answer = bench.list(NINA.0, "messages").await;
    assert!(
        answer
            .iter()
            .any(|m| m["item_class"] == "IPM.Schedule.Meeting.Resp.Pos" && m["folder"] == "Inbox")
    );
    // A change of the place keeps the answer, a new time asks again; categories stay the guest's own.
    let copy = format!("events/{}", quoted(&theirs(&bench).await.unwrap()["id"]));
    bench
        .user("PATCH", TOMAS.0, &copy, json!({"categories": ["Mine"]}))
        .await;
    let all = "SendMeetingInvitationsOrCancellations=\"SendToAllAndSaveCopy\"";
    let place = set(
        "calendar:Location",
        "CalendarItem",
        "<t:Location>Room 5</t:Location>",
    );
    let id = bench.update(all, &now.id(), &place).await.ok().id();
    let copy = theirs(&bench).await.unwrap();
    assert_eq!(
        (&copy["location"], &copy["my_response"], &copy["categories"]),
        (&json!("Room 5"), &json!("Accept"), &json!(["Mine"]))
    );
    let later = set(
        "calendar:End",
        "CalendarItem",
        "<t:End>2026-07-01T12:00:00Z</t:End>",
    );
    let id = bench.update(all, &id, &later).await.ok().id();
    assert_eq!(theirs(&bench).await.unwrap()["my_response"], "NoResponseReceived");
    // Who is taken off is told so; nobody else is where only changes are sent.
    let before = bench.mails().await.len();
    let guests = set(
        "calendar:RequiredAttendees",
        "CalendarItem",
        "<t:RequiredAttendees><t:Attendee><t:Mailbox><t:EmailAddress>guest@x.example</t:EmailAddress></t:Mailbox></t:Attendee></t:RequiredAttendees>",
    );
    bench
        .update(
            "SendMeetingInvitationsOrCancellations=\"SendToChangedAndSaveCopy\"",
            &id,
            &guests,
        )
        .await
        .ok();
    let mails = bench.mails().await;
    assert_eq!(mails.len(), before + 1);
    assert_eq!(
        (&mails[before]["kind"], &mails[before]["to"]),
        (&json!("cancellation"), &json!([TOMAS.0]))
    );
    let copy = theirs(&bench).await.unwrap();
    assert_eq!(
        (&copy["cancelled"], &copy["subject"]),
        (&json!(true), &json!("Canceled: Review"))
    );
    let id = quoted(&copy["id"]);
    let path = format!("/exchange/mailboxes/{}/events/{id}/respond", TOMAS.0);
    assert_eq!(
        bench
            .sandbox
            .control("POST", &path, json!({"answer": "accept"}))
            .await
            .0,
        400
    );
}

#[tokio::test]
async fn a_declined_series_and_a_declined_occurrence() {
    let bench = Bench::new().await;
    let made = bench
        .nina("POST", "events", json!({"subject": "weekly", "zone": "Europe/Berlin", "start": "2026-06-01T10:00:00", "end": "2026-06-01T11:00:00",
            "attendees": [{"address": TOMAS.0}], "recurrence": {"pattern": "weekly", "days": ["Monday"], "count": 4}, "send": true}))
        .await;
    let path = format!("events/{}", quoted(&made["id"]));
    bench
        .nina(
            "PATCH",
            &path,
            json!({"original_start": "2026-06-08T08:00:00Z", "location": "Elsewhere", "send": true}),
        )
        .await;
    let copy = theirs(&bench).await.unwrap();
    assert_eq!(
        (&copy["type"], &copy["exceptions"][0]["location"]),
        (&json!("master"), &json!("Elsewhere"))
    );
    let theirs_path = format!("events/{}", quoted(&copy["id"]));
    bench
        .user(
            "POST",
            TOMAS.0,
            &format!("{theirs_path}/respond"),
            json!({"answer": "tentative"}),
        )
        .await;
    bench
        .user(
            "POST",
            TOMAS.0,
            &format!("{theirs_path}/respond"),
            json!({"answer": "decline", "original_start": "2026-06-15T08:00:00Z"}),
        )
        .await;
    let mine = bench.nina("GET", &path, Value::Null).await;
    assert_eq!(mine["attendees"][0]["response"], "Tentative");
    let declined = mine["exceptions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|e| e["original_start"] == "2026-06-15T08:00:00Z");
    assert_eq!(declined.unwrap()["attendees"][0]["response"], "Decline");
    let copy = theirs(&bench).await.unwrap();
    assert!(
        copy["exceptions"]
            .as_array()
            .unwrap()
            .iter()
            .any(|e| e["deleted"] == true)
    );
    // Deleting with mail cancels the rest.
    bench
        .nina("DELETE", &format!("{path}?send=true"), Value::Null)
        .await;
    assert_eq!(theirs(&bench).await.unwrap()["cancelled"], true);
    let quiet = bench.mails().await.len();
    let id = quoted(&theirs(&bench).await.unwrap()["id"]);
    bench
        .user("DELETE", TOMAS.0, &format!("events/{id}"), Value::Null)
        .await;
    assert_eq!(
        bench.mails().await.len(),
        quiet,
        "a cancelled meeting is declined to nobody"
    );
    bench.control("POST", "/counters/reset", Value::Null).await;
    assert!(bench.mails().await.is_empty());
}

#[tokio::test]
async fn an_invitation_from_elsewhere() {
    let bench = Bench::new().await;
    let made = bench
        .nina(
            "POST",
            "events",
            json!({"subject": "Theirs", "start": "2026-06-01T10:00:00Z", "uid": "abc@x.example",
            "organizer": "Otto <otto@x.example>", "attendees": [{"address": NINA.0, "role": "optional"}]}),
        )
        .await;
    assert_eq!(
        (&made["my_response"], &made["organizer"]["address"]),
        (&json!("NoResponseReceived"), &json!("otto@x.example"))
    );
    let read = bench.get(made["id"].as_str().unwrap(), ALL).await.ok();
    read.has("<t:AppointmentState>3</t:AppointmentState>");
    read.has("<t:UID>abc@x.example</t:UID>");
    let global = "<t:ExtendedFieldURI DistinguishedPropertySetId=\"Meeting\" PropertyId=\"3\" PropertyType=\"Binary\"/>";
    let wrapped = bench
        .get(
            made["id"].as_str().unwrap(),
            &format!(
                "<t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>{global}</t:AdditionalProperties>"
            ),
        )
        .await;
    wrapped.has("<t:Value>BAAAAIIA4AB0xbcQGoLgCA");
    let path = format!("events/{}/respond", quoted(&made["id"]));
    bench.nina("POST", &path, json!({"answer": "decline"})).await;
    let mails = bench.mails().await;
    assert_eq!((&mails[0]["to"], mails.len()), (&json!(["otto@x.example"]), 1));
    assert_eq!(bench.list(NINA.0, "events").await[0]["folder"], "Deleted Items");
}
