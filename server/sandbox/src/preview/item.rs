//! What Office.js tells an add-in of the item that is open, as the shim expects it.
//!
//! <https://learn.microsoft.com/javascript/api/outlook/office.messageread> and its siblings.

use serde_json::{Value, json};

use super::outlook::{ews_id, micros};
use super::view::View;

/// `Re:` and its like, as Outlook strips them.
const PREFIXES: [&str; 6] = ["re:", "fw:", "fwd:", "aw:", "wg:", "antw:"];

/// `EmailAddressDetails`.
fn person(value: &Value) -> Value {
    let one = &value["emailAddress"];
    if one.is_null() {
        return Value::Null;
    }
    json!({ "displayName": one["name"], "emailAddress": one["address"], "recipientType": "other" })
}

fn people(value: &Value) -> Vec<Value> {
    value.as_array().into_iter().flatten().map(person).collect()
}

fn guests(event: &Value, ty: &str) -> Vec<Value> {
    let all = event["attendees"].as_array().into_iter().flatten();
    all.filter(|one| one["type"] == ty)
        .map(|one| {
            let mut person = person(one);
            person["appointmentResponse"] = json!(match one["status"]["response"].as_str() {
                Some("accepted") => "accepted",
                Some("declined") => "declined",
                Some("tentativelyAccepted") => "tentative",
                Some("organizer") => "organizer",
                _ => "none",
            });
            person
        })
        .collect()
}

/// `AttachmentDetails`.
fn attachments(item: &Value) -> Vec<Value> {
    let all = item["attachments"].as_array().into_iter().flatten();
    all.map(|one| {
        let is_file = one["@odata.type"] == "#microsoft.graph.fileAttachment";
        json!({
            "id": ews_id(one["id"].as_str().unwrap_or_default()), "name": one["name"], "size": one["size"],
            "isInline": one["isInline"], "contentType": one["contentType"],
            "attachmentType": if is_file { "file" } else { "item" },
        })
    })
    .collect()
}

/// ISO with a `Z`, for `new Date`.
fn stamp(value: &Value) -> Option<String> {
    let text = value.as_str().or_else(|| value["dateTime"].as_str())?;
    let stamp = jiff::Timestamp::from_microsecond(micros(text)?).ok()?;
    Some(stamp.to_string())
}

/// The subject without `Re:` and the like.
pub(super) fn normalized(subject: &str) -> &str {
    let mut rest = subject.trim();
    while let Some(prefix) = PREFIXES.iter().find(|p| {
        rest.get(..p.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(p))
    }) {
        rest = rest[prefix.len()..].trim_start();
    }
    rest
}

fn owner(view: &View) -> Option<&str> {
    view.is_shared().then_some(view.owner.as_str())
}

/// A message that is read, or a draft that is written on.
pub(super) fn message(view: &View, message: &Value) -> Value {
    let text = |name: &str| message[name].as_str().unwrap_or_default();
    let id = ews_id(text("id"));
    let event = &message["event"];
    let class = match message["meetingMessageType"].as_str() {
        None => "IPM.Note",
        Some("meetingRequest") => "IPM.Schedule.Meeting.Request",
        Some("meetingCancelled") => "IPM.Schedule.Meeting.Canceled",
        Some("meetingAccepted") => "IPM.Schedule.Meeting.Resp.Pos",
        Some("meetingTentativelyAccepted") => "IPM.Schedule.Meeting.Resp.Tent",
        Some(_) => "IPM.Schedule.Meeting.Resp.Neg",
    };
    json!({
        "key": id, "kind": "messages", "itemType": "message",
        "mode": if message["isDraft"] == true { "compose" } else { "read" },
        "itemId": id, "itemClass": class, "conversationId": ews_id(text("conversationId")),
        "internetMessageId": text("internetMessageId"), "subject": text("subject"),
        "normalizedSubject": normalized(text("subject")), "from": person(&message["from"]),
        "sender": person(&message["sender"]), "to": people(&message["toRecipients"]),
        "cc": people(&message["ccRecipients"]), "attachments": attachments(message),
        "created": stamp(&message["createdDateTime"]), "modified": stamp(&message["lastModifiedDateTime"]),
        "start": stamp(&event["start"]), "end": stamp(&event["end"]), "owner": owner(view),
    })
}

/// An appointment: its organizer writes, an attendee reads.
pub(super) fn event(view: &View, event: &Value) -> Value {
    let text = |name: &str| event[name].as_str().unwrap_or_default();
    let id = ews_id(text("id"));
    json!({
        "key": id, "kind": "events", "itemType": "appointment",
        "mode": if event["isOrganizer"] == true { "compose" } else { "read" },
        "itemId": id, "itemClass": "IPM.Appointment", "subject": text("subject"),
        "normalizedSubject": normalized(text("subject")), "organizer": person(&event["organizer"]),
        "required": guests(event, "required"), "optional": guests(event, "optional"),
        "start": stamp(&event["start"]), "end": stamp(&event["end"]),
        "location": event["location"]["displayName"], "attachments": attachments(event),
        "seriesId": event["seriesMasterId"].as_str().map(ews_id),
        "created": stamp(&event["createdDateTime"]), "modified": stamp(&event["lastModifiedDateTime"]),
        "owner": owner(view),
    })
}

/// What is being written and was never saved. `key` tells it from others.
pub(super) fn fresh(view: &View, appointment: bool, key: &str, name: &str) -> Value {
    let me = json!({ "displayName": name, "emailAddress": view.owner, "recipientType": "user" });
    json!({
        "key": key, "kind": if appointment { "events" } else { "messages" },
        "itemType": if appointment { "appointment" } else { "message" }, "mode": "compose",
        "itemId": null, "conversationId": null, "seriesId": null, "organizer": me, "from": me, "owner": owner(view),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_normalized() {
        assert_eq!(normalized("RE: AW: Fwd:  Offer"), "Offer");
        assert_eq!(normalized("Reply: no prefix"), "Reply: no prefix");
        assert_eq!(normalized("re:"), "");
        assert_eq!(normalized("Ré: Δ"), "Ré: Δ");
    }

    #[test]
    fn an_occurrence_is_told_with_its_series() {
        let view = View::new("nina@x.example", None);
        let given = json!({
            "id": "AAM-k_=", "subject": "Weekly", "isOrganizer": false, "seriesMasterId": "M-1",
            "organizer": { "emailAddress": { "name": "Tom", "address": "tom@x.example" } },
            "attendees": [
                { "type": "required", "status": { "response": "accepted" },
                  "emailAddress": { "name": "Nina", "address": "nina@x.example" } },
                { "type": "optional", "emailAddress": { "name": "Eve", "address": "eve@x.example" } },
            ],
            "start": { "dateTime": "2026-11-23T09:00:00.0000000", "timeZone": "UTC" },
            "end": { "dateTime": "2026-11-23T10:00:00.0000000", "timeZone": "UTC" },
        });
        let told = event(&view, &given);
        assert_eq!(told["itemId"], "AAM/k+=");
        assert_eq!(told["seriesId"], "M/1");
        assert_eq!(told["mode"], "read");
        assert_eq!(told["start"], "2026-11-23T09:00:00Z");
        assert_eq!(told["required"][0]["appointmentResponse"], "accepted");
        assert_eq!(told["optional"][0]["emailAddress"], "eve@x.example");
        assert_eq!(told["owner"], Value::Null);
    }
}
