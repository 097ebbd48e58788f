//! Messages. <https://learn.microsoft.com/graph/api/resources/message>

use serde_json::{Map, Value, json};

use super::answer::{Answer, Outcome, Refused};
use super::call::{Call, Target};
use super::query::Wanted;
use super::values::{
    IMPORTANCES, body, categories, flag, mismatch, people, person, preview, recipient, recipients, set_body,
    set_common, text, theirs,
};
use super::{attach, extended, folders};
use crate::exchange::content::{Class, Content};
use crate::exchange::items::{LARGEST, dispose, too_large};
use crate::exchange::meeting;
use crate::exchange::mime::decode_words;
use crate::exchange::props::{base64, write_time};
use crate::exchange::store::encode;

/// What can be filtered and sorted by.
pub(super) const FILTERS: &[&str] = &[
    "receivedDateTime",
    "sentDateTime",
    "createdDateTime",
    "lastModifiedDateTime",
    "internetMessageId",
    "conversationId",
    "subject",
    "isRead",
    "isDraft",
    "hasAttachments",
    "importance",
    "from/emailAddress/address",
    "categories",
    "parentFolderId",
    "singleValueExtendedProperties",
];

/// The whole message.
pub(super) fn write(call: &Call<'_>, number: u64, wanted: &[Wanted]) -> Result<Value, Refused> {
    let item = call.item(number)?;
    let content = &item.content;
    let target = Target::item(number);
    let key = call.change_key(target);
    let id = call.id(target);
    let text_or = |name: &str, default: String| content.texts.get(name).cloned().unwrap_or(default);
    let created = write_time(item.created);
    let mut out = Map::new();
    if content.text("ItemClass").starts_with("IPM.Schedule.Meeting") {
        let ty = match content.text("ItemClass") {
            "IPM.Schedule.Meeting.Request" => "eventMessageRequest",
            c if c.starts_with("IPM.Schedule.Meeting.Resp.") => "eventMessageResponse",
            _ => "eventMessage",
        };
        out.insert("@odata.type".into(), json!(format!("#microsoft.graph.{ty}")));
        let kind = match content.text("ItemClass") {
            "IPM.Schedule.Meeting.Request" => "meetingRequest",
            "IPM.Schedule.Meeting.Canceled" => "meetingCancelled",
            "IPM.Schedule.Meeting.Resp.Pos" => "meetingAccepted",
            "IPM.Schedule.Meeting.Resp.Tent" => "meetingTentativelyAccepted",
            _ => "meetingDeclined",
        };
        out.insert("meetingMessageType".into(), json!(kind));
    }
    let received = text_or("DateTimeReceived", created.clone());
    let sent = text_or("DateTimeSent", created.clone());
    for (name, value) in [
        ("@odata.etag", json!(format!("W/\"{key}\""))),
        ("id", json!(id)),
        ("createdDateTime", json!(created)),
        ("lastModifiedDateTime", json!(write_time(item.modified))),
        ("changeKey", json!(key)),
        ("categories", categories(content)),
        ("receivedDateTime", json!(received)),
        ("sentDateTime", json!(sent)),
        (
            "hasAttachments",
            json!(content.attachments.iter().any(|a| !a.inline)),
        ),
        ("internetMessageId", json!(content.text("InternetMessageId"))),
        ("subject", json!(content.text("Subject"))),
        ("bodyPreview", json!(preview(content))),
        (
            "importance",
            json!(theirs(IMPORTANCES, content.text("Importance"), "normal")),
        ),
        ("parentFolderId", json!(call.folder_id(item.folder))),
        (
            "conversationId",
            json!(
                call.mailbox()
                    .conversation_id(&content.conversation)
                    .replace('/', "-")
                    .replace('+', "_")
            ),
        ),
        (
            "isDeliveryReceiptRequested",
            json!(content.text("IsDeliveryReceiptRequested") == "true"),
        ),
        (
            "isReadReceiptRequested",
            json!(content.text("IsReadReceiptRequested") == "true"),
        ),
        ("isRead", json!(content.text("IsRead") == "true")),
        ("isDraft", json!(content.text("IsDraft") == "true")),
        (
            "webLink",
            json!(format!(
                "https://outlook.office365.com/owa/?ItemID={id}&exvsurl=1&viewmodel=ReadMessageItem"
            )),
        ),
        ("inferenceClassification", json!("focused")),
        ("body", body(content, &call.request.prefer)),
        ("toRecipients", recipients(content.people.get("ToRecipients"))),
        ("ccRecipients", recipients(content.people.get("CcRecipients"))),
        ("bccRecipients", recipients(content.people.get("BccRecipients"))),
        ("replyTo", recipients(content.people.get("ReplyTo"))),
        ("flag", json!({ "flagStatus": "notFlagged" })),
    ] {
        out.insert(name.to_owned(), value);
    }
    for (name, field) in [("sender", "Sender"), ("from", "From")] {
        if let Some(one) = content.person(field) {
            out.insert(name.to_owned(), recipient(one));
        }
    }
    // Only when it is asked for by name.
    let select = &call.query().select;
    if select.iter().any(|s| s == "internetMessageHeaders") {
        let headers: Vec<Value> = content
            .headers
            .iter()
            .map(|(n, v)| json!({ "name": n, "value": decode_words(v) }))
            .collect();
        out.insert("internetMessageHeaders".into(), json!(headers));
    }
    if select.iter().any(|s| s == "conversationIndex") {
        let depth = content.text("References").split_whitespace().count().min(20);
        let index = crate::exchange::store::Mailbox::conversation_index(&content.conversation, depth);
        out.insert("conversationIndex".into(), json!(encode(&index)));
    }
    if call.query().expand.iter().any(|e| e == "attachments") {
        out.insert("attachments".into(), attach::list_of(call, number)?);
    }
    let extended = call
        .mailbox()
        .around(number, item, |around| extended::write(content, wanted, around));
    if let Some(list) = extended {
        out.insert("singleValueExtendedProperties".into(), list);
    }
    Ok(Value::Object(out))
}

/// Answers what is below `messages`, in a folder or without one.
pub(super) fn serve(call: &mut Call<'_>, folder: Option<u64>, rest: &[&str]) -> Outcome {
    match (call.request.method.as_str(), rest) {
        ("GET", []) => list(call, folder),
        ("POST", []) => create(call, folder),
        ("GET", ["delta"]) => match folder {
            Some(folder) => super::delta::messages(call, folder),
            None => Err(Refused::new(
                400,
                "ErrorInvalidRequest",
                "Change tracking is not supported against 'microsoft.graph.message' outside of a folder.",
            )),
        },
        (_, [id, rest @ ..]) => {
            let number = call.resolve(id, Class::Message)?.number;
            if let Some(folder) = folder
                && call.item(number)?.folder != folder
            {
                return Err(Refused::not_found());
            }
            one(call, number, rest)
        }
        _ => Err(Refused::unknown(&call.request.operation)),
    }
}

fn list(call: &Call<'_>, folder: Option<u64>) -> Outcome {
    call.query().only(&[
        "$select", "$top", "$skip", "$orderby", "$filter", "$expand", "$count",
    ])?;
    let wanted = call.wanted_properties()?;
    let dumpster = call.mailbox().distinguished("recoverableitemsdeletions");
    let mut numbers: Vec<(i64, u64)> = call
        .mailbox()
        .items
        .iter()
        .filter(|(_, i)| i.content.class == Class::Message)
        .filter(|(_, i)| folder.map_or(Some(i.folder) != dumpster, |f| i.folder == f))
        .map(|(n, i)| (received(&i.content, i.created), *n))
        .collect();
    // Newest first, as long as nothing else is said.
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    let all: Result<Vec<Value>, Refused> = numbers
        .into_iter()
        .map(|(_, n)| write(call, n, &wanted))
        .collect();
    call.list("messages", all?, FILTERS, 10)
}

/// When it came, in microseconds since 1970.
pub(super) fn received(content: &Content, created: i64) -> i64 {
    content
        .texts
        .get("DateTimeReceived")
        .and_then(|t| crate::exchange::props::date_time(t))
        .unwrap_or(created)
}

fn create(call: &mut Call<'_>, folder: Option<u64>) -> Outcome {
    let folder = match folder {
        Some(folder) => folder,
        None => folders::well_known(call, "drafts")?,
    };
    call.check_quota()?;
    let mut content = if call
        .request
        .content_type
        .to_ascii_lowercase()
        .starts_with("text/plain")
    {
        // MIME, in base64. <https://learn.microsoft.com/graph/outlook-send-mime-message>
        let encoded = String::from_utf8_lossy(&call.request.body).into_owned();
        let bytes = base64(&encoded).ok_or_else(|| {
            Refused::new(
                400,
                "ErrorMimeContentInvalidBase64String",
                "Invalid base64 string for MIME content.",
            )
        })?;
        Content::from_mime(bytes, call.now)
    } else {
        let body = call.request.object()?;
        let mut content = Content {
            class: Class::Message,
            ..Content::default()
        };
        for (name, value) in &body {
            set(&mut content, name, value, true, call.now)?;
        }
        content
    };
    let zone = call.mailbox().zone.clone();
    content.settle(&Content::default(), call.ctx(&zone))?;
    content
        .texts
        .entry("IsDraft")
        .or_insert_with(|| "true".to_owned());
    // The writer knows it.
    content.texts.entry("IsRead").or_insert_with(|| "true".to_owned());
    let now = call.now;
    let number = call.mailbox_mut().create(folder, content, now, now);
    respond(call, 201, number)
}

fn set(content: &mut Content, name: &str, value: &Value, draft: bool, now: i64) -> Result<(), Refused> {
    if set_common(content, name, value)? {
        return Ok(());
    }
    let only_drafts = || {
        if draft {
            return Ok(());
        }
        Err(Refused::new(
            400,
            "ErrorInvalidPropertySet",
            format!("Can only set the property '{name}' of a draft."),
        ))
    };
    match name {
        "isRead" => drop(content.texts.insert("IsRead", flag(name, value)?.to_string())),
        "isReadReceiptRequested" => {
            only_drafts()?;
            content
                .texts
                .insert("IsReadReceiptRequested", flag(name, value)?.to_string());
        }
        "isDeliveryReceiptRequested" => {
            only_drafts()?;
            content
                .texts
                .insert("IsDeliveryReceiptRequested", flag(name, value)?.to_string());
        }
        "subject" => {
            only_drafts()?;
            content.set_text("Subject", &text(name, value)?);
        }
        "body" => {
            only_drafts()?;
            set_body(content, value)?;
        }
        "internetMessageId" => {
            only_drafts()?;
            content.set_text("InternetMessageId", &text(name, value)?);
        }
        "from" | "sender" => {
            only_drafts()?;
            let field = if name == "from" { "From" } else { "Sender" };
            content.set_people(field, vec![person(name, value)?]);
        }
        "toRecipients" | "ccRecipients" | "bccRecipients" | "replyTo" => {
            only_drafts()?;
            let field = match name {
                "toRecipients" => "ToRecipients",
                "ccRecipients" => "CcRecipients",
                "bccRecipients" => "BccRecipients",
                _ => "ReplyTo",
            };
            content.set_people(field, people(name, value)?);
        }
        "internetMessageHeaders" => {
            only_drafts()?;
            for header in value.as_array().into_iter().flatten() {
                let get = |key: &str| header.get(key).and_then(Value::as_str).unwrap_or_default();
                if !get("name").to_ascii_lowercase().starts_with("x-") {
                    return Err(Refused::new(
                        400,
                        "InvalidInternetMessageHeader",
                        format!(
                            "The internet message header name '{}' should start with 'x-' or 'X-'.",
                            get("name")
                        ),
                    ));
                }
                content
                    .headers
                    .push((get("name").to_owned(), get("value").to_owned()));
            }
        }
        "attachments" => {
            only_drafts()?;
            for one in value
                .as_array()
                .ok_or_else(|| mismatch(name, "Collection(microsoft.graph.attachment)"))?
            {
                attach::add(content, one, now)?;
            }
        }
        // Read only; clients that send whole objects back are not stopped by it.
        "parentFolderId"
        | "createdDateTime"
        | "lastModifiedDateTime"
        | "receivedDateTime"
        | "sentDateTime"
        | "isDraft"
        // Nobody looks at these.
        | "flag"
        | "inferenceClassification" => {}
        _ => return Err(Refused::no_property(name, "message")),
    }
    Ok(())
}

fn respond(call: &Call<'_>, status: u16, number: u64) -> Outcome {
    let wanted = call.wanted_properties()?;
    let object = write(call, number, &wanted)?;
    let etag = object["@odata.etag"].as_str().unwrap_or_default().to_owned();
    Ok(call.entity(status, "messages", object).with("etag", etag))
}

fn destination(call: &Call<'_>) -> Result<u64, Refused> {
    let body = call.request.object()?;
    // Clients write the name of this parameter in both ways.
    let id = body
        .iter()
        .find(|(n, _)| n.eq_ignore_ascii_case("destinationId"))
        .and_then(|(_, v)| v.as_str());
    folders::find(call, id.unwrap_or_default(), folders::Sort::Mail)
}

fn one(call: &mut Call<'_>, number: u64, rest: &[&str]) -> Outcome {
    let target = Target::item(number);
    let now = call.now;
    match (call.request.method.as_str(), rest) {
        ("GET", []) => {
            call.query().only(&["$select", "$expand"])?;
            respond(call, 200, number)
        }
        ("GET", ["$value"]) => {
            let item = call.item(number)?;
            let bytes = item.content.mime_bytes(&call.mailbox().me);
            if bytes.len() > LARGEST {
                return Err(too_large().into());
            }
            attach::ranged(call, "text/plain", bytes.to_vec())
        }
        ("PATCH", []) => {
            let body = call.request.object()?;
            call.check_version(target, Some(&body))?;
            let before = call.item(number)?.content.clone();
            let draft = before.text("IsDraft") == "true";
            let mut after = before.clone();
            for (name, value) in &body {
                set(&mut after, name, value, draft, now)?;
            }
            let zone = call.mailbox().zone.clone();
            after.settle(&before, call.ctx(&zone))?;
            call.mailbox_mut().change(number, after, now);
            respond(call, 200, number)
        }
        ("DELETE", []) => {
            call.check_version(target, None)?;
            dispose(Some(call.mailbox_mut()), number, "MoveToDeletedItems", now);
            Ok(Answer::nothing())
        }
        ("POST", ["permanentDelete"]) => {
            call.mailbox_mut().remove(number, now);
            Ok(Answer::nothing())
        }
        ("POST", ["move"]) => {
            let to = destination(call)?;
            call.mailbox_mut().shift(number, to, now);
            respond(call, 201, number)
        }
        ("POST", ["copy"]) => {
            let to = destination(call)?;
            call.check_quota()?;
            let made = call
                .mailbox_mut()
                .copy(number, to, now)
                .ok_or_else(Refused::not_found)?;
            respond(call, 201, made)
        }
        ("POST", ["send"]) => send(call, number),
        (_, ["attachments", rest @ ..]) => attach::serve(call, number, rest),
        _ => Err(Refused::unknown(&call.request.operation)),
    }
}

fn send(call: &mut Call<'_>, number: u64) -> Outcome {
    let content = call.item(number)?.content.clone();
    let to: Vec<String> = ["ToRecipients", "CcRecipients", "BccRecipients"]
        .iter()
        .filter_map(|name| content.people.get(name))
        .flatten()
        .map(|p| p.address.clone())
        .collect();
    if to.is_empty() {
        return Err(Refused::new(
            400,
            "ErrorInvalidRecipients",
            "At least one recipient isn't valid.",
        ));
    }
    let copy = call.mailbox().distinguished("sentitems");
    let (me, now) = (call.me, call.now);
    meeting::mail(call.store, me, &to, "message", content, copy, now);
    call.mailbox_mut().remove(number, now);
    Ok(Answer {
        status: 202,
        ..Answer::nothing()
    })
}
