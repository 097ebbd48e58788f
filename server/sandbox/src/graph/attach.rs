//! Attachments of messages and events, small ones at once and large ones by upload sessions.
//!
//! <https://learn.microsoft.com/graph/api/resources/attachment>,
//! <https://learn.microsoft.com/graph/outlook-large-attachments>

use serde_json::{Map, Value, json};

use super::answer::{Answer, Outcome, Refused};
use super::call::Call;
use super::values::{object, text};
use crate::exchange::content::{Attachment, Class, Content};
use crate::exchange::mime::Piece;
use crate::exchange::props::{base64, write_time};
use crate::exchange::store::encode;

/// Larger files need an upload session.
const SMALL: usize = 3 << 20;
/// What one upload session takes.
const LARGE: usize = 150 << 20;
/// The most that one `PUT` of a session may bring.
const PIECE: usize = 4 << 20;
/// An upload session lives so long, in microseconds.
const SESSION: i64 = 3600 * 1_000_000;

/// A file that comes in pieces.
#[derive(Debug)]
pub(super) struct Upload {
    mailbox: usize,
    number: u64,
    piece: Piece,
    size: usize,
    until: i64,
}

fn write(call: &Call<'_>, number: u64, one: &Attachment, content: bool) -> Value {
    let mut out = Map::new();
    let (ty, media) = match one.item {
        Some(_) => ("#microsoft.graph.itemAttachment", Value::Null),
        None => ("#microsoft.graph.fileAttachment", json!(one.content_type)),
    };
    for (name, value) in [
        ("@odata.type", json!(ty)),
        ("@odata.mediaContentType", media.clone()),
        ("id", json!(call.attachment_id(number, one.number))),
        ("lastModifiedDateTime", json!(write_time(one.modified))),
        ("name", json!(one.name)),
        ("contentType", media),
        ("size", json!(one.content.len())),
        ("isInline", json!(one.inline)),
    ] {
        out.insert(name.to_owned(), value);
    }
    if one.item.is_none() {
        out.insert(
            "contentId".into(),
            json!(Some(&one.content_id).filter(|c| !c.is_empty())),
        );
        out.insert("contentLocation".into(), Value::Null);
        if content {
            out.insert("contentBytes".into(), json!(encode(&one.content)));
        }
    }
    if let Some(item) = &one.item
        && call
            .query()
            .expand
            .iter()
            .any(|e| e == "microsoft.graph.itemAttachment/item")
    {
        let kind = if item.class == Class::Message {
            "message"
        } else {
            "event"
        };
        out.insert(
            "item".into(),
            json!({
                "@odata.type": format!("#microsoft.graph.{kind}"), "id": "", "subject": item.text("Subject"),
                "internetMessageId": item.text("InternetMessageId"),
                "body": super::values::body(item, &call.request.prefer),
            }),
        );
    }
    out.retain(|name, value| !(name == "@odata.mediaContentType" && value.is_null()));
    Value::Object(out)
}

/// All of an item, for `$expand=attachments`.
pub(super) fn list_of(call: &Call<'_>, number: u64) -> Result<Value, Refused> {
    let item = call.item(number)?;
    Ok(item
        .content
        .attachments
        .iter()
        .map(|one| write(call, number, one, true))
        .collect())
}

/// Adds what a request describes, and returns its number.
pub(super) fn add(content: &mut Content, value: &Value, now: i64) -> Result<u64, Refused> {
    let ty = value
        .get("@odata.type")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .trim_start_matches('#');
    if ty != "microsoft.graph.fileAttachment" {
        return Err(Refused::unknown(&format!("how to attach a '{ty}'")));
    }
    let map = object(
        "fileAttachment",
        value,
        &[
            "name",
            "contentType",
            "contentBytes",
            "contentId",
            "isInline",
            "size",
            "contentLocation",
        ],
    )?;
    let get = |name: &str| text(name, map.get(name).unwrap_or(&Value::Null));
    let bytes = base64(&get("contentBytes")?)
        .ok_or_else(|| Refused::new(400, "RequestBodyRead", "contentBytes is no base64."))?;
    if bytes.len() > SMALL {
        return Err(Refused::new(
            413,
            "ErrorMessageSizeExceeded",
            "The attachment is larger than 3 MB: an upload session is needed.",
        ));
    }
    let piece = Piece {
        name: get("name")?,
        content_type: Some(get("contentType")?)
            .filter(|t| !t.is_empty())
            .unwrap_or_else(octets),
        content_id: get("contentId")?,
        inline: map.get("isInline").and_then(Value::as_bool).unwrap_or(false),
        content: bytes,
    };
    if piece.name.is_empty() {
        return Err(Refused::new(
            400,
            "ErrorInvalidRequest",
            "The attachment has no name.",
        ));
    }
    Ok(content.attach(piece, now))
}

fn octets() -> String {
    "application/octet-stream".to_owned()
}

/// Answers what is below `attachments`.
pub(super) fn serve(call: &mut Call<'_>, number: u64, rest: &[&str]) -> Outcome {
    let context = "messages/attachments";
    let now = call.now;
    match (call.request.method.as_str(), rest) {
        ("GET", []) => {
            call.query()
                .only(&["$select", "$top", "$skip", "$expand", "$count"])?;
            let all = match list_of(call, number)? {
                Value::Array(all) => all,
                _ => Vec::new(),
            };
            call.list(context, all, &[], 1000)
        }
        ("POST", []) => {
            let body: Value = serde_json::from_slice(&call.request.body).map_err(|e| {
                Refused::new(
                    400,
                    "BadRequest",
                    format!("Unable to read JSON request payload: {e}"),
                )
            })?;
            let mut content = call.item(number)?.content.clone();
            let made = add(&mut content, &body, now)?;
            call.mailbox_mut().change(number, content, now);
            let item = call.item(number)?;
            let one = item
                .content
                .attachments
                .iter()
                .find(|a| a.number == made)
                .ok_or_else(Refused::not_found)?;
            let object = write(call, number, one, true);
            Ok(call.entity(201, context, object))
        }
        ("POST", ["createUploadSession"]) => create_session(call, number),
        (_, [id, rest @ ..]) => {
            let attachment = call.resolve_attachment(number, id)?;
            one(call, number, attachment, rest)
        }
        _ => Err(Refused::unknown(&call.request.operation)),
    }
}

fn one(call: &mut Call<'_>, number: u64, attachment: u64, rest: &[&str]) -> Outcome {
    let now = call.now;
    let item = call.item(number)?;
    let found = item
        .content
        .attachments
        .iter()
        .find(|a| a.number == attachment)
        .ok_or_else(Refused::not_found)?;
    match (call.request.method.as_str(), rest) {
        ("GET", []) => {
            call.query().only(&["$select", "$expand"])?;
            let object = write(call, number, found, true);
            Ok(call.entity(200, "messages/attachments", object))
        }
        ("GET", ["$value"]) => {
            let media = if found.item.is_some() {
                "message/rfc822".to_owned()
            } else {
                found.content_type.clone()
            };
            ranged(call, &media, found.content.to_vec())
        }
        ("DELETE", []) => {
            let mut content = item.content.clone();
            content.attachments.retain(|a| a.number != attachment);
            content.mime = None;
            call.mailbox_mut().change(number, content, now);
            Ok(Answer::nothing())
        }
        _ => Err(Refused::unknown(&call.request.operation)),
    }
}

/// Bytes, or the range of them that `Range` asks for.
pub(super) fn ranged(call: &Call<'_>, media: &str, bytes: Vec<u8>) -> Outcome {
    let Some(range) = &call.request.range else {
        return Ok(Answer::bytes(media, bytes).with("accept-ranges", "bytes"));
    };
    let total = bytes.len();
    let parsed = range
        .strip_prefix("bytes=")
        .and_then(|r| r.split_once('-'))
        .and_then(|(from, to)| {
            let from: usize = from.trim().parse().ok()?;
            let to: usize = if to.trim().is_empty() {
                total.checked_sub(1)?
            } else {
                to.trim().parse().ok()?
            };
            (from < total && from <= to).then(|| (from, to.min(total - 1)))
        });
    let Some((from, to)) = parsed else {
        return Err(Refused::new(
            416,
            "RequestedRangeNotSatisfiable",
            format!("There is no range '{range}'."),
        )
        .with("content-range", format!("bytes */{total}")));
    };
    let mut answer = Answer::bytes(media, bytes[from..=to].to_vec());
    answer.status = 206;
    Ok(answer
        .with("accept-ranges", "bytes")
        .with("content-range", format!("bytes {from}-{to}/{total}")))
}

fn create_session(call: &mut Call<'_>, number: u64) -> Outcome {
    let body = call.request.object()?;
    let item = body
        .iter()
        .find(|(n, _)| n.eq_ignore_ascii_case("AttachmentItem"))
        .map(|(_, v)| v);
    let map = object(
        "attachmentItem",
        item.unwrap_or(&Value::Null),
        &[
            "attachmentType",
            "name",
            "size",
            "contentType",
            "contentId",
            "isInline",
        ],
    )?;
    let get = |name: &str| text(name, map.get(name).unwrap_or(&Value::Null));
    if get("attachmentType")? != "file" {
        return Err(Refused::unknown("another attachmentType than file"));
    }
    let size = map
        .get("size")
        .and_then(Value::as_u64)
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(0);
    if size < SMALL {
        return Err(Refused::new(
            400,
            "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize",
            "Attachment size must be greater than the minimum size.",
        ));
    }
    if size > LARGE {
        return Err(Refused::new(
            413,
            "ErrorAttachmentSizeLimitExceeded",
            "The attachment size exceeds the allowable limit.",
        ));
    }
    let mailbox = call.mailbox();
    let token = mailbox
        .ids
        .guid("upload", &[mailbox.index, call.state.uploads_made]);
    let upload = Upload {
        mailbox: call.me,
        number,
        piece: Piece {
            name: get("name")?,
            content_type: Some(get("contentType")?)
                .filter(|t| !t.is_empty())
                .unwrap_or_else(octets),
            content_id: get("contentId")?,
            inline: map.get("isInline").and_then(Value::as_bool).unwrap_or(false),
            content: Vec::new(),
        },
        size,
        until: call.now + SESSION,
    };
    let until = write_time(upload.until);
    call.state.uploads_made += 1;
    call.state.uploads.insert(token.clone(), upload);
    let object = json!({
        "uploadUrl": format!("{}/api/v2.0/AttachmentSessions('{token}')?authtoken={}", call.request.origin, token.replace('-', "")),
        "expirationDateTime": until, "nextExpectedRanges": ["0-"],
    });
    Ok(call.entity(201, "uploadSession", object))
}

/// A request to an upload's own address: no token goes with it.
pub(super) fn upload(call: &mut Call<'_>, token: &str, range: Option<&str>) -> Outcome {
    let gone = || Refused::new(404, "ErrorItemNotFound", "The upload session was not found.");
    let now = call.now;
    let body = call.request.body.clone();
    let method = call.request.method.clone();
    let session = call
        .state
        .uploads
        .get_mut(token)
        .filter(|u| u.until > now)
        .ok_or_else(gone)?;
    if method == "DELETE" {
        call.state.uploads.remove(token);
        return Ok(Answer::nothing());
    }
    if method == "GET" {
        let next = format!("{}-", session.piece.content.len());
        let object = json!({ "expirationDateTime": write_time(session.until), "nextExpectedRanges": [next] });
        return Ok(Answer::json(200, object));
    }
    if method != "PUT" {
        return Err(Refused::unknown("that method for an upload session"));
    }
    let have = session.piece.content.len();
    let parsed = range.and_then(|r| r.strip_prefix("bytes ")).and_then(|r| {
        let (span, total) = r.split_once('/')?;
        let (from, to) = span.split_once('-')?;
        Some((
            from.parse::<usize>().ok()?,
            to.parse::<usize>().ok()?,
            total.parse::<usize>().ok()?,
        ))
    });
    let bad = |text: &str| Refused::new(400, "ErrorInvalidRequest", format!("Content-Range: {text}."));
    let Some((from, to, total)) = parsed else {
        return Err(bad("it is missing, or no range"));
    };
    if body.len() > PIECE {
        return Err(Refused::new(
            413,
            "ErrorMessageSizeExceeded",
            "A piece must be smaller than 4 MB.",
        ));
    }
    if total != session.size || to.checked_sub(from).map(|n| n + 1) != Some(body.len()) || to >= total {
        return Err(bad("it does not fit to what came"));
    }
    if from != have {
        return Err(Refused::new(
            416,
            "InvalidRange",
            "The range is not the next that was expected.",
        ));
    }
    session.piece.content.extend_from_slice(&body);
    if session.piece.content.len() < session.size {
        let next = format!("{}-", session.piece.content.len());
        let object = json!({ "expirationDateTime": write_time(session.until), "nextExpectedRanges": [next] });
        return Ok(Answer::json(200, object));
    }
    let Some(done) = call.state.uploads.remove(token) else {
        return Err(gone());
    };
    call.me = done.mailbox;
    let mut content = call.item(done.number)?.content.clone();
    let made = content.attach(done.piece, now);
    call.mailbox_mut().change(done.number, content, now);
    let id = call.attachment_id(done.number, made);
    let location = format!(
        "{}/api/v2.0/Users/Messages/Attachments('{id}')",
        call.request.origin
    );
    Ok(Answer {
        status: 201,
        ..Answer::nothing()
    }
    .with("location", location))
}
