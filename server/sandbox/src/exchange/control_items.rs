//! The control API for events, tasks and messages: what a user does with them in Outlook.
//!
//! All below `/exchange/mailboxes/{address}`; `{id}` is percent-encoded. `K` is `events`, `tasks` or `messages`.
//!
//! | request | does |
//! | --- | --- |
//! | `GET /K` | all items, also deleted ones (`folder` tells), as JSON |
//! | `POST /K` | makes one, answers with it (201) |
//! | `GET`, `PATCH`, `DELETE /K/{id}` (or `PATCH`, `DELETE /K?id=`) | reads, edits, deletes to *Deleted Items* (`?hard=true`: for good) |
//! | `POST /K/{id}/move` `{"folder"}` | files it elsewhere, which gives it a new id |
//! | `POST /events/{id}/respond` `{"answer": "accept"\|"tentative"\|"decline", "send"?, "original_start"?}` | answers an invitation |
//! | `DELETE /K/all` | removes all of the kind for good |
//! | `POST /zone` `{"zone"}` | the zone of the user's Outlook |
//! | `POST /fill` `{"events"?, "tasks"?, "messages"?}` | adds believable ones |
//!
//! Event: `subject, body | html, location, start, end, zone, all_day, show_as, sensitivity | private,
//! reminder_minutes (null: none), categories, properties, attendees: [{address, name?, role?, response?}],
//! organizer: {address, name?} (makes it an invitation), my_response, cancelled, recurrence (null: none),
//! online_meeting, uid, folder, send, raw_end` (an end that nobody checks, as broken clients store it). Times are RFC 3339, or the wall clock of the zone, or for whole days a date.
//! With `?original_start=` (or in the body) an edit or a deletion is of that occurrence. With `send: true` guests get
//! mail, as when the user presses *Send*.
//!
//! Recurrence: `{"pattern": "daily"|"weekly"|"absolute_monthly"|"relative_monthly"|"absolute_yearly"|"relative_yearly"|
//! "regenerating", "interval", "days", "first_day", "day", "day_of_week", "index", "month", "every", "start"?, "count" |
//! "until"}`.
//!
//! Task: `subject, body | html, due, start, status, percent_complete, completed, importance, reminder, categories,
//! sensitivity | private, recurrence, properties, folder`.
//!
//! Message: `mime_base64`, or `from, to, cc, bcc, subject, text, html, attachments: [{name, content_type?, base64 | size,
//! content_id?, inline?}], message_id, in_reply_to, references, sent, sensitivity, headers`; and with both `folder,
//! received, item_class, read, draft, categories, properties`. An edit changes `read, categories, properties, subject,
//! sensitivity, item_class` only.

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::content::{Class, Content, Ctx, Person, crlf, static_of};
use super::control::{Answer, Refused, no, properties_of, set_properties};
use super::event::GUESTS;
use super::items::{dispose, drop_occurrence, edited, store_edit};
use super::meeting::{self, Send};
use super::mime::{self, Draft, Piece};
use super::props::{
    ANSWERS, FREE_BUSY, SENSITIVITIES, TASK_STATUSES, base64, date_time, date_time_in, write_time,
};
use super::recur::{Range, Recurrence};
use super::store::{Mailbox, Store};
use super::zones::Zone;
use super::{Exchange, Fail};

/// The routes below `/exchange` of this module.
pub(super) fn router() -> Router<Exchange> {
    let mut router = Router::new()
        .route("/mailboxes/{address}/zone", post(set_zone))
        .route("/mailboxes/{address}/fill", post(fill))
        .route("/mailboxes/{address}/events/{id}/respond", post(respond));
    for (name, class) in [
        ("events", Class::Event),
        ("tasks", Class::Task),
        ("messages", Class::Message),
    ] {
        let base = format!("/mailboxes/{{address}}/{name}");
        router = router
            .route(
                &base,
                get(async move |State(e): State<Exchange>, Path(a): Path<String>| list(&e, &a, class))
                    .post(
                        async move |State(e): State<Exchange>,
                                    Path(a): Path<String>,
                                    Json(entry): Json<Map<String, Value>>| {
                            add(&e, &a, class, &entry)
                        },
                    )
                    .patch(
                        async move |State(e): State<Exchange>,
                                    Path(a): Path<String>,
                                    Query(which): Query<Which>,
                                    Json(entry): Json<Map<String, Value>>| {
                            change(&e, &a, class, &which, &entry)
                        },
                    )
                    .delete(
                        async move |State(e): State<Exchange>,
                                    Path(a): Path<String>,
                                    Query(which): Query<Which>| {
                            remove(&e, &a, class, &which)
                        },
                    ),
            )
            .route(
                &format!("{base}/all"),
                axum::routing::delete(async move |State(e): State<Exchange>, Path(a): Path<String>| {
                    remove_all(&e, &a, class)
                }),
            )
            .route(
                &format!("{base}/{{id}}"),
                get(
                    async move |State(e): State<Exchange>, Path((a, id)): Path<(String, String)>| {
                        one(&e, &a, class, &id)
                    },
                )
                .patch(
                    async move |State(e): State<Exchange>,
                                Path((a, id)): Path<(String, String)>,
                                Query(which): Query<Which>,
                                Json(entry): Json<Map<String, Value>>| {
                        change(&e, &a, class, &which.of(id), &entry)
                    },
                )
                .delete(
                    async move |State(e): State<Exchange>,
                                Path((a, id)): Path<(String, String)>,
                                Query(which): Query<Which>| {
                        remove(&e, &a, class, &which.of(id))
                    },
                ),
            )
            .route(
                &format!("{base}/{{id}}/move"),
                post(
                    async move |State(e): State<Exchange>,
                                Path((a, id)): Path<(String, String)>,
                                Json(to): Json<To>| { shift(&e, &a, class, &id, &to) },
                ),
            );
    }
    router
}

#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Which {
    #[serde(default)]
    id: String,
    #[serde(default)]
    hard: bool,
    original_start: Option<String>,
    #[serde(default)]
    send: bool,
}

impl Which {
    fn of(self, id: String) -> Self {
        Self { id, ..self }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct To {
    folder: String,
}

fn bad(text: impl Into<String>) -> Refused {
    no(StatusCode::BAD_REQUEST, text)
}

fn failed(fail: &Fail) -> Refused {
    bad(format!("{}: {}", fail.code, fail.text))
}

fn with_store<T>(
    exchange: &Exchange,
    address: &str,
    then: impl FnOnce(&mut Store, usize, i64) -> Result<T, Refused>,
) -> Result<T, Refused> {
    let now = exchange.now();
    let mut store = exchange.store();
    let me = store
        .find(address, "")
        .ok_or_else(|| no(StatusCode::NOT_FOUND, format!("there is no mailbox {address}")))?;
    then(&mut store, me, now)
}

/// The item of that kind and id.
fn item_of(mailbox: &Mailbox, class: Class, id: &str) -> Result<u64, Refused> {
    // In a query, an unescaped plus has become a space.
    mailbox
        .item_of(id)
        .or_else(|| mailbox.item_of(&id.replace(' ', "+")))
        .filter(|n| mailbox.items.get(n).is_some_and(|i| i.content.class == class))
        .ok_or_else(|| no(StatusCode::NOT_FOUND, "there is no item of that kind and id"))
}

fn folder_of(mailbox: &Mailbox, name: Option<&str>, default: &str) -> Result<u64, Refused> {
    mailbox
        .folder_named(name.unwrap_or(default))
        .ok_or_else(|| no(StatusCode::NOT_FOUND, format!("there is no folder {name:?}")))
}

fn list(exchange: &Exchange, address: &str, class: Class) -> Answer {
    with_store(exchange, address, |store, me, _| {
        let mailbox = &store.mailboxes[me];
        let all: Vec<Value> = mailbox
            .items
            .iter()
            .filter(|(_, i)| i.content.class == class)
            .filter_map(|(n, _)| describe(mailbox, *n))
            .collect();
        Ok(Json(all).into_response())
    })
}

fn one(exchange: &Exchange, address: &str, class: Class, id: &str) -> Answer {
    with_store(exchange, address, |store, me, _| {
        let mailbox = &store.mailboxes[me];
        let number = item_of(mailbox, class, id)?;
        Ok(Json(describe(mailbox, number)).into_response())
    })
}

fn people(all: Option<&Vec<Person>>) -> Value {
    all.into_iter()
        .flatten()
        .map(|p| json!({ "name": p.name, "address": p.address }))
        .collect()
}

fn recurrence_json(recurrence: &Recurrence) -> Value {
    let mut out = serde_json::to_value(&recurrence.pattern).unwrap_or_default();
    out["start"] = json!(recurrence.start.to_string());
    match &recurrence.range {
        Range::NoEnd => {}
        Range::Until(end) => out["until"] = json!(end.to_string()),
        Range::Count(n) => out["count"] = json!(n),
    }
    out
}

fn attachments(mailbox: &Mailbox, number: u64, moves: u64, content: &Content) -> Value {
    content
        .attachments
        .iter()
        .map(|a| {
            json!({
                "id": mailbox.attachment_id(number, moves, a.number), "name": a.name, "size": a.content.len(),
                "content_type": a.content_type, "content_id": a.content_id, "inline": a.inline,
                "item": a.item.is_some(),
            })
        })
        .collect()
}

fn common(content: &Content) -> Map<String, Value> {
    let text = |name: &str| content.texts.get(name).cloned();
    let sensitivity = text("Sensitivity").unwrap_or_else(|| "Normal".to_owned());
    let mut out = Map::new();
    out.insert("subject".into(), json!(content.text("Subject")));
    out.insert("body".into(), json!(content.plain_body()));
    out.insert(
        "html".into(),
        json!(content.body_is_html.then_some(&content.body)),
    );
    out.insert(
        "categories".into(),
        json!(content.lists.get("Categories").cloned().unwrap_or_default()),
    );
    out.insert("private".into(), json!(sensitivity == "Private"));
    out.insert("sensitivity".into(), json!(sensitivity));
    out.insert("item_class".into(), json!(content.text("ItemClass")));
    out.insert(
        "importance".into(),
        json!(text("Importance").unwrap_or_else(|| "Normal".to_owned())),
    );
    out.insert("properties".into(), properties_of(content));
    out
}

fn event_fields(content: &Content) -> Map<String, Value> {
    let text = |name: &str| content.texts.get(name).cloned();
    let flag = |name: &str| content.text(name) == "true";
    let mut out = common(content);
    let guests: Vec<Value> = GUESTS
        .iter()
        .zip(["required", "optional", "resource"])
        .flat_map(|(name, role)| {
            content.people.get(name).into_iter().flatten().map(move |p| {
                json!({
                    "name": p.name, "address": p.address, "role": role, "response": p.response.unwrap_or("Unknown"),
                    "answered": p.answered.map(write_time),
                })
            })
        })
        .collect();
    let reminder = content.text("ReminderIsSet") != "false";
    let minutes = content
        .text("ReminderMinutesBeforeStart")
        .parse::<i64>()
        .unwrap_or(15);
    for (name, value) in [
        ("uid", json!(content.text("UID"))),
        ("location", json!(content.text("Location"))),
        ("start", json!(write_time(content.start()))),
        ("end", json!(write_time(content.end()))),
        (
            "zone",
            json!(content.zones.get("StartTimeZone").map(|z| z.id.clone())),
        ),
        ("all_day", json!(flag("IsAllDayEvent"))),
        (
            "show_as",
            json!(text("LegacyFreeBusyStatus").unwrap_or_else(|| "Busy".to_owned())),
        ),
        ("reminder_minutes", json!(reminder.then_some(minutes))),
        ("is_meeting", json!(content.is_meeting())),
        ("cancelled", json!(flag("IsCancelled"))),
        ("sent", json!(flag("MeetingRequestWasSent"))),
        ("online_meeting", json!(flag("IsOnlineMeeting"))),
        (
            "my_response",
            json!(text("MyResponseType").unwrap_or_else(|| "Organizer".to_owned())),
        ),
        ("organizer", people(content.people.get("Organizer"))[0].clone()),
        ("attendees", json!(guests)),
    ] {
        out.insert(name.to_owned(), value);
    }
    out
}

/// The JSON of an item of this module.
fn describe(mailbox: &Mailbox, number: u64) -> Option<Value> {
    let item = mailbox.items.get(&number)?;
    let content = &item.content;
    let text = |name: &str| content.texts.get(name).cloned();
    let mut out = match content.class {
        Class::Event => event_fields(content),
        Class::Task | Class::Message => common(content),
        Class::Contact => return None,
    };
    out.insert("id".into(), json!(mailbox.item_id(number, item.moves)));
    out.insert("change_key".into(), json!(mailbox.change_key(number, item.seq)));
    out.insert(
        "folder".into(),
        json!(mailbox.folders.get(&item.folder).map(|f| f.name.as_str())),
    );
    out.insert("created".into(), json!(write_time(item.created)));
    out.insert("modified".into(), json!(write_time(item.modified)));
    out.insert(
        "attachments".into(),
        attachments(mailbox, number, item.moves, content),
    );
    match content.class {
        Class::Event => {
            let exceptions: Vec<Value> = content
                .exceptions
                .iter()
                .map(|(original, own)| {
                    let mut one = own.as_ref().map(|own| event_fields(own)).unwrap_or_default();
                    one.insert("original_start".into(), json!(write_time(*original)));
                    one.insert("deleted".into(), json!(own.is_none()));
                    Value::Object(one)
                })
                .collect();
            let kind = if content.recurrence.is_some() {
                "master"
            } else {
                "single"
            };
            out.insert("type".into(), json!(kind));
            out.insert(
                "recurrence".into(),
                json!(content.recurrence.as_ref().map(recurrence_json)),
            );
            out.insert("exceptions".into(), json!(exceptions));
        }
        Class::Task => {
            let day = |name: &str| text(name).and_then(|t| t.get(..10).map(str::to_owned));
            let reminder = content.text("ReminderIsSet") == "true";
            let percent = content.text("PercentComplete").parse::<f64>().unwrap_or(0.0);
            for (name, value) in [
                ("due", json!(day("DueDate"))),
                ("start", json!(day("StartDate"))),
                ("completed", json!(day("CompleteDate"))),
                ("status", json!(text("Status"))),
                ("percent_complete", json!(percent)),
                ("complete", json!(content.text("Status") == "Completed")),
                ("reminder", json!(text("ReminderDueBy").filter(|_| reminder))),
                (
                    "recurrence",
                    json!(content.recurrence.as_ref().map(recurrence_json)),
                ),
            ] {
                out.insert(name.to_owned(), value);
            }
        }
        Class::Message | Class::Contact => {
            let headers: Vec<Value> = content
                .headers
                .iter()
                .map(|(n, v)| json!([n, mime::decode_words(v)]))
                .collect();
            for (name, value) in [
                ("from", people(content.people.get("From"))[0].clone()),
                ("to", people(content.people.get("ToRecipients"))),
                ("cc", people(content.people.get("CcRecipients"))),
                ("bcc", people(content.people.get("BccRecipients"))),
                ("message_id", json!(text("InternetMessageId"))),
                ("in_reply_to", json!(text("InReplyTo"))),
                ("references", json!(text("References"))),
                (
                    "conversation_id",
                    json!(mailbox.conversation_id(&content.conversation)),
                ),
                (
                    "received",
                    json!(text("DateTimeReceived").unwrap_or_else(|| write_time(item.created))),
                ),
                (
                    "sent",
                    json!(text("DateTimeSent").unwrap_or_else(|| write_time(item.created))),
                ),
                ("read", json!(content.text("IsRead") == "true")),
                ("draft", json!(content.text("IsDraft") == "true")),
                ("headers", json!(headers)),
                ("mime_bytes", json!(content.mime.as_ref().map(|m| m.len()))),
            ] {
                out.insert(name.to_owned(), value);
            }
        }
    }
    Some(Value::Object(out))
}

/// A text that XML can carry; null is empty.
fn text_of(name: &str, value: &Value) -> Result<String, String> {
    let text = match value {
        Value::Null => "",
        Value::String(text) => text,
        _ => return Err(format!("{name} must be a text")),
    };
    match text.chars().find(|c| !super::xml::allowed(*c)) {
        Some(c) => Err(format!(
            "{name} holds U+{:04X}, which XML cannot carry",
            u32::from(c)
        )),
        None => Ok(text.to_owned()),
    }
}

fn flag_of(name: &str, value: &Value) -> Result<bool, String> {
    value
        .as_bool()
        .ok_or_else(|| format!("{name} must be true or false"))
}

fn strings(name: &str, value: &Value) -> Result<Vec<String>, String> {
    let all = value.as_array().ok_or_else(|| format!("{name} must be a list"))?;
    all.iter().map(|v| text_of(name, v)).collect()
}

fn moment(name: &str, value: &Value, zone: &Zone) -> Result<i64, String> {
    let text = text_of(name, value)?;
    let full = if text.len() == 10 {
        format!("{text}T00:00:00")
    } else {
        text
    };
    date_time_in(&full, zone).ok_or_else(|| format!("{name}: {full:?} is no time"))
}

fn person(value: &Value) -> Result<Person, String> {
    match value {
        // `Name <address>` as in a header, or the bare address.
        Value::String(text) => mime::addresses(text)
            .into_iter()
            .next()
            .map(|(name, address)| Person::new(&name, &address))
            .ok_or_else(|| format!("{text:?} is no address")),
        Value::Object(o) => {
            if let Some(unknown) = o
                .keys()
                .find(|k| !matches!(k.as_str(), "name" | "address" | "role" | "response"))
            {
                return Err(format!("somebody has no {unknown:?}"));
            }
            let get = |key: &str| o.get(key).and_then(Value::as_str).unwrap_or_default();
            let (name, address) = (get("name"), get("address"));
            let response = match get("response") {
                "" => None,
                r => Some(static_of(ANSWERS, r).ok_or_else(|| format!("there is no answer {r:?}"))?),
            };
            Ok(Person {
                response,
                ..Person::new(if name.is_empty() { address } else { name }, address)
            })
        }
        _ => Err("somebody is a text or an object".to_owned()),
    }
}

fn zone_of(value: &Value) -> Result<Zone, String> {
    match value {
        Value::String(name) => Ok(Zone::named(name).unwrap_or_else(|| Zone::nowhere(name))),
        Value::Object(o) => {
            let get = |key: &str| o.get(key).and_then(Value::as_str).unwrap_or_default();
            Zone::invented(get("id"), get("rules"))
        }
        _ => Err("a zone is a name or {id, rules}".to_owned()),
    }
}

fn recurrence_of(value: &Value, start: i64, zone: &Zone) -> Result<Option<Recurrence>, String> {
    let Value::Object(given) = value else {
        return if value.is_null() {
            Ok(None)
        } else {
            Err("recurrence must be an object".to_owned())
        };
    };
    let mut given = given.clone();
    let mut date = |name: &str| -> Result<Option<jiff::civil::Date>, String> {
        match given.remove(name) {
            None => Ok(None),
            Some(v) => text_of(name, &v)?
                .parse()
                .map(Some)
                .map_err(|e: jiff::Error| format!("{name}: {e}")),
        }
    };
    let first = date("start")?.unwrap_or_else(|| zone.wall(start).date());
    let until = date("until")?;
    let count = given
        .remove("count")
        .map(|n| n.as_u64().ok_or("count is a number"))
        .transpose()?;
    let range = match (until, count) {
        (Some(_), Some(_)) => return Err("either until or count".to_owned()),
        (Some(until), None) => Range::Until(until),
        (None, Some(n)) => Range::Count(usize::try_from(n).map_err(|e| e.to_string())?),
        (None, None) => Range::NoEnd,
    };
    let pattern = serde_json::from_value(Value::Object(given)).map_err(|e| e.to_string())?;
    let recurrence = Recurrence {
        pattern,
        start: first,
        range,
    };
    recurrence.check()?;
    Ok(Some(recurrence))
}

/// Applies what all kinds have; whether the name was one of these.
fn apply_common(content: &mut Content, name: &str, value: &Value) -> Result<bool, String> {
    match name {
        "subject" => content.set_text("Subject", &text_of(name, value)?),
        "body" | "text" => {
            content.body = crlf(&text_of(name, value)?);
            content.body_is_html = false;
        }
        "html" => {
            content.body = text_of(name, value)?;
            content.body_is_html = true;
        }
        "categories" => {
            let all = strings(name, value)?;
            content.lists.remove("Categories");
            if !all.is_empty() {
                content.lists.insert("Categories", all);
            }
        }
        "private" => {
            let value = if flag_of(name, value)? {
                "Private"
            } else {
                "Normal"
            };
            content.texts.insert("Sensitivity", value.to_owned());
        }
        "sensitivity" => {
            let text = text_of(name, value)?;
            let value = static_of(SENSITIVITIES, &text).ok_or_else(|| format!("no sensitivity {text:?}"))?;
            content.texts.insert("Sensitivity", value.to_owned());
        }
        "importance" => {
            let text = text_of(name, value)?;
            if !matches!(text.as_str(), "Low" | "Normal" | "High") {
                return Err(format!("no importance {text:?}"));
            }
            content.texts.insert("Importance", text);
        }
        "item_class" => content.set_text("ItemClass", &text_of(name, value)?),
        "properties" => set_properties(content, value)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn apply(content: &mut Content, entry: &Map<String, Value>, mailbox_zone: &Zone) -> Result<(), String> {
    match content.class {
        Class::Event => apply_event(content, entry, mailbox_zone),
        Class::Task => apply_task(content, entry, mailbox_zone),
        Class::Message => apply_message(content, entry),
        Class::Contact => Ok(()),
    }
}

fn apply_event(content: &mut Content, entry: &Map<String, Value>, mailbox_zone: &Zone) -> Result<(), String> {
    // The zone comes first: the times are read in it.
    if let Some(zone) = entry.get("zone") {
        let zone = zone_of(zone)?;
        content.zones.insert("StartTimeZone", zone.clone());
        content.zones.insert("EndTimeZone", zone);
    }
    let zone = content
        .zones
        .entry("StartTimeZone")
        .or_insert_with(|| mailbox_zone.clone())
        .clone();
    let length = content.end() - content.start();
    let had_times = content.texts.contains_key("Start");
    if let Some(start) = entry.get("start") {
        let start = moment("start", start, &zone)?;
        content.texts.insert("Start", write_time(start));
        if had_times && !entry.contains_key("end") {
            // Dragged: it keeps its length.
            content.texts.insert("End", write_time(start + length));
        }
    }
    for (name, value) in entry {
        if apply_common(content, name, value)? {
            continue;
        }
        match name.as_str() {
            "zone" | "start" | "folder" | "send" | "original_start" | "recurrence" | "raw_end" => {}
            "end" => {
                let end = moment(name, value, &zone)?;
                content.texts.insert("End", write_time(end));
            }
            "location" => content.set_text("Location", &text_of(name, value)?),
            "uid" => content.set_text("UID", &text_of(name, value)?),
            "all_day" => drop(
                content
                    .texts
                    .insert("IsAllDayEvent", flag_of(name, value)?.to_string()),
            ),
            "online_meeting" => {
                content
                    .texts
                    .insert("IsOnlineMeeting", flag_of(name, value)?.to_string());
            }
            "cancelled" => drop(
                content
                    .texts
                    .insert("IsCancelled", flag_of(name, value)?.to_string()),
            ),
            "show_as" => {
                let text = text_of(name, value)?;
                let value = static_of(FREE_BUSY, &text).ok_or_else(|| format!("no status {text:?}"))?;
                content.texts.insert("LegacyFreeBusyStatus", value.to_owned());
            }
            "reminder_minutes" => {
                content
                    .texts
                    .insert("ReminderIsSet", (!value.is_null()).to_string());
                if let Some(n) = value.as_i64() {
                    content.texts.insert("ReminderMinutesBeforeStart", n.to_string());
                }
            }
            "my_response" => {
                let text = text_of(name, value)?;
                let value = static_of(ANSWERS, &text).ok_or_else(|| format!("no answer {text:?}"))?;
                content.texts.insert("MyResponseType", value.to_owned());
            }
            "organizer" => {
                content.people.insert("Organizer", vec![person(value)?]);
                content
                    .texts
                    .entry("MyResponseType")
                    .or_insert_with(|| "NoResponseReceived".to_owned());
            }
            "attendees" => {
                let all = value.as_array().ok_or("attendees must be a list")?;
                let mut lists: BTreeMap<&'static str, Vec<Person>> = BTreeMap::new();
                for one in all {
                    let role = one.get("role").and_then(Value::as_str).unwrap_or("required");
                    let list = match role {
                        "required" => GUESTS[0],
                        "optional" => GUESTS[1],
                        "resource" => GUESTS[2],
                        other => return Err(format!("there is no role {other:?}")),
                    };
                    lists.entry(list).or_default().push(person(one)?);
                }
                for list in GUESTS {
                    content.set_people(list, lists.remove(list).unwrap_or_default());
                }
            }
            _ => return Err(format!("an event has no {name:?}")),
        }
    }
    if let Some(value) = entry.get("recurrence") {
        content.recurrence = recurrence_of(value, content.start(), &zone)?;
    }
    Ok(())
}

fn apply_task(content: &mut Content, entry: &Map<String, Value>, zone: &Zone) -> Result<(), String> {
    for (name, value) in entry {
        if apply_common(content, name, value)? {
            continue;
        }
        match name.as_str() {
            "folder" | "recurrence" => {}
            "due" | "start" | "completed" => {
                let field = match name.as_str() {
                    "due" => "DueDate",
                    "start" => "StartDate",
                    _ => "CompleteDate",
                };
                if value.is_null() {
                    content.texts.remove(field);
                } else {
                    let day = super::task::day_of(moment(name, value, zone)?, zone);
                    content.texts.insert(field, write_time(day));
                }
            }
            "status" => {
                let text = text_of(name, value)?;
                let value = static_of(TASK_STATUSES, &text).ok_or_else(|| format!("no status {text:?}"))?;
                content.texts.insert("Status", value.to_owned());
            }
            "percent_complete" => {
                let n = value.as_f64().filter(|n| (0.0..=100.0).contains(n));
                let n = n.ok_or("percent_complete is not between 0 and 100")?;
                content.texts.insert("PercentComplete", n.to_string());
            }
            "reminder" => {
                content
                    .texts
                    .insert("ReminderIsSet", (!value.is_null()).to_string());
                if !value.is_null() {
                    content
                        .texts
                        .insert("ReminderDueBy", write_time(moment(name, value, zone)?));
                }
            }
            _ => return Err(format!("a task has no {name:?}")),
        }
    }
    if let Some(value) = entry.get("recurrence") {
        let due = content
            .texts
            .get("DueDate")
            .and_then(|t| date_time(t))
            .unwrap_or_default();
        content.recurrence = recurrence_of(value, due, &Zone::utc())?;
    }
    Ok(())
}

fn apply_message(content: &mut Content, entry: &Map<String, Value>) -> Result<(), String> {
    for (name, value) in entry {
        if matches!(name.as_str(), "body" | "text" | "html") {
            return Err(format!("the {name} of a message that is there cannot be changed"));
        }
        if apply_common(content, name, value)? {
            continue;
        }
        match name.as_str() {
            "folder" => {}
            "read" => drop(content.texts.insert("IsRead", flag_of(name, value)?.to_string())),
            "draft" => drop(content.texts.insert("IsDraft", flag_of(name, value)?.to_string())),
            "received" => {
                let at = moment(name, value, &Zone::utc())?;
                content.texts.insert("DateTimeReceived", write_time(at));
            }
            _ => return Err(format!("a message has no {name:?} that could be changed")),
        }
    }
    Ok(())
}

/// A message as it comes in: its MIME text is given, or made from the fields.
fn new_message(entry: &Map<String, Value>, me: &Person, now: i64) -> Result<Content, String> {
    let mut rest = entry.clone();
    let bytes = match rest.remove("mime_base64") {
        Some(given) => base64(&text_of("mime_base64", &given)?).ok_or("mime_base64 is no base64")?,
        None => build(&mut rest, me, now)?,
    };
    let mut content = Content::from_mime(bytes, now);
    let mime = content.mime.clone();
    content.texts.insert("IsDraft", "false".to_owned());
    content.texts.insert("DateTimeReceived", write_time(now));
    apply_message(&mut content, &rest)?;
    content.settle_message(&Content::default());
    content.mime = mime;
    content
        .texts
        .entry("ItemClass")
        .or_insert_with(|| "IPM.Note".to_owned());
    Ok(content)
}

fn build(rest: &mut Map<String, Value>, me: &Person, now: i64) -> Result<Vec<u8>, String> {
    let mut headers: Vec<(String, String)> = Vec::new();
    let addresses = |value: &Value| -> Result<String, String> {
        let all: Vec<Value> = match value {
            Value::Array(all) => all.clone(),
            one => vec![one.clone()],
        };
        let all: Result<Vec<String>, String> = all
            .iter()
            .map(|v| person(v).map(|p| mime::mailbox(&p.name, &p.address)))
            .collect();
        Ok(all?.join(", "))
    };
    let from = match rest.remove("from") {
        Some(from) => addresses(&from)?,
        None => mime::mailbox(&me.name, &me.address),
    };
    headers.push(("From".to_owned(), from));
    for (field, header) in [("to", "To"), ("cc", "Cc"), ("bcc", "Bcc")] {
        if let Some(value) = rest.remove(field) {
            headers.push((header.to_owned(), addresses(&value)?));
        }
    }
    for (field, header) in [
        ("subject", "Subject"),
        ("message_id", "Message-ID"),
        ("in_reply_to", "In-Reply-To"),
        ("references", "References"),
    ] {
        if let Some(value) = rest.remove(field) {
            headers.push((header.to_owned(), text_of(field, &value)?));
        }
    }
    match rest.remove("sensitivity") {
        None => {}
        Some(value) => {
            let text = text_of("sensitivity", &value)?;
            let word = match text.as_str() {
                "Confidential" => "Company-Confidential",
                "Normal" => "",
                other if SENSITIVITIES.contains(&other) => other,
                other => return Err(format!("no sensitivity {other:?}")),
            };
            if !word.is_empty() {
                headers.push(("Sensitivity".to_owned(), word.to_owned()));
            }
        }
    }
    let sent = match rest.remove("sent") {
        Some(value) => moment("sent", &value, &Zone::utc())?,
        None => match rest.get("received") {
            Some(value) => moment("received", value, &Zone::utc())?,
            None => now,
        },
    };
    let stamp = jiff::Timestamp::from_microsecond(sent).map_err(|e| e.to_string())?;
    let date =
        jiff::fmt::rfc2822::to_string(&stamp.to_zoned(jiff::tz::TimeZone::UTC)).map_err(|e| e.to_string())?;
    headers.push(("Date".to_owned(), date));
    if let Some(Value::Object(more)) = rest.remove("headers") {
        for (name, value) in &more {
            headers.push((name.clone(), text_of(name, value)?));
        }
    }
    let mut pieces = Vec::new();
    for one in rest
        .remove("attachments")
        .as_ref()
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        pieces.push(attachment(one)?);
    }
    let optional = |value: Option<Value>, name: &str| value.map(|v| text_of(name, &v)).transpose();
    let text = optional(rest.remove("text"), "text")?;
    let html = optional(rest.remove("html"), "html")?;
    let draft = Draft {
        headers: headers.iter().map(|(n, v)| (n.as_str(), v.clone())).collect(),
        text: text.as_deref(),
        html: html.as_deref(),
        pieces,
        seed: "control",
    };
    Ok(mime::build(&draft))
}

fn attachment(value: &Value) -> Result<Piece, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Given {
        name: String,
        content_type: Option<String>,
        base64: Option<String>,
        size: Option<usize>,
        content_id: Option<String>,
        #[serde(default)]
        inline: bool,
    }
    let given: Given = serde_json::from_value(value.clone()).map_err(|e| format!("attachments: {e}"))?;
    let content = match (given.base64, given.size) {
        (Some(text), None) => base64(&text).ok_or("attachments: no base64")?,
        (None, size) => vec![b'x'; size.unwrap_or(0)],
        (Some(_), Some(_)) => return Err("attachments: either base64 or size".to_owned()),
    };
    Ok(Piece {
        name: given.name,
        content_type: given
            .content_type
            .unwrap_or_else(|| "application/octet-stream".to_owned()),
        content_id: given.content_id.unwrap_or_default(),
        inline: given.inline,
        content,
    })
}

/// An end as a broken client has stored it, past all checks.
fn put_raw_end(content: &mut Content, entry: &Map<String, Value>) -> Result<(), String> {
    if let Some(end) = entry.get("raw_end") {
        let end = moment("raw_end", end, &content.zone())?;
        content.texts.insert("End", write_time(end));
    }
    Ok(())
}

fn sends(entry: &Map<String, Value>) -> Send {
    match entry.get("send").and_then(Value::as_bool) {
        Some(true) => Send::All { copy: true },
        _ => Send::Nobody,
    }
}

fn add(exchange: &Exchange, address: &str, class: Class, entry: &Map<String, Value>) -> Answer {
    with_store(exchange, address, |store, me, now| {
        let mailbox = &mut store.mailboxes[me];
        let default = match class {
            Class::Event => "calendar",
            Class::Task => "tasks",
            _ => "inbox",
        };
        let folder = folder_of(mailbox, entry.get("folder").and_then(Value::as_str), default)?;
        let zone = mailbox.zone.clone();
        let content = if class == Class::Message {
            new_message(entry, &mailbox.me, now).map_err(bad)?
        } else {
            let mut content = Content {
                class,
                ..Content::default()
            };
            apply(&mut content, entry, &zone).map_err(bad)?;
            let ctx = Ctx { now, zone: &zone };
            content.settle(&Content::default(), ctx).map_err(|f| failed(&f))?;
            put_raw_end(&mut content, entry).map_err(bad)?;
            content
        };
        let arrives = class == Class::Message && Some(folder) == mailbox.distinguished("inbox");
        let number = if arrives {
            mailbox.receive(content, now)
        } else {
            mailbox.create(folder, content, now, now)
        };
        if class == Class::Event {
            meeting::announce(store, me, number, None, sends(entry), now);
        }
        let made = describe(&store.mailboxes[me], number);
        Ok((StatusCode::CREATED, Json(made)).into_response())
    })
}

/// The original start that the query or the body names.
fn original_of(mailbox: &Mailbox, number: u64, text: Option<&str>) -> Result<Option<i64>, Refused> {
    let Some(text) = text else { return Ok(None) };
    let content = mailbox.items.get(&number).map(|i| &i.content);
    let zone = content.map_or_else(Zone::utc, Content::zone);
    let original = moment("original_start", &json!(text.replace(' ', "+")), &zone).map_err(bad)?;
    if content.is_some_and(|c| c.recurrence.is_some() && c.is_original(original)) {
        Ok(Some(original))
    } else {
        Err(no(
            StatusCode::NOT_FOUND,
            "the series has no occurrence of that original start",
        ))
    }
}

fn change(
    exchange: &Exchange,
    address: &str,
    class: Class,
    which: &Which,
    entry: &Map<String, Value>,
) -> Answer {
    with_store(exchange, address, |store, me, now| {
        let mailbox = &mut store.mailboxes[me];
        let number = item_of(mailbox, class, &which.id)?;
        let named = entry.get("original_start").and_then(Value::as_str);
        let original = original_of(mailbox, number, named.or(which.original_start.as_deref()))?;
        let before = mailbox
            .items
            .get(&number)
            .map(|i| i.content.clone())
            .unwrap_or_default();
        let zone = mailbox.zone.clone();
        let ctx = Ctx { now, zone: &zone };
        let mut wrong = None;
        let after = edited(&before, original, |content| {
            let was = content.clone();
            if let Err(text) = apply(content, entry, &zone) {
                wrong = Some(text);
                return Ok(());
            }
            content.settle(&was, ctx)?;
            wrong = put_raw_end(content, entry).err();
            Ok(())
        })
        .map_err(|f| failed(&f))?;
        if let Some(text) = wrong {
            return Err(bad(text));
        }
        store_edit(mailbox, number, &before, after, now);
        if class == Class::Event {
            meeting::announce(store, me, number, Some(&before), sends(entry), now);
        }
        Ok(Json(describe(&store.mailboxes[me], number)).into_response())
    })
}

fn remove(exchange: &Exchange, address: &str, class: Class, which: &Which) -> Answer {
    with_store(exchange, address, |store, me, now| {
        let mailbox = &store.mailboxes[me];
        let number = item_of(mailbox, class, &which.id)?;
        let original = original_of(mailbox, number, which.original_start.as_deref())?;
        if class == Class::Event && which.send {
            meeting::before_delete(store, me, number, original, Send::All { copy: true }, now);
        }
        let mailbox = &mut store.mailboxes[me];
        if let Some(original) = original {
            drop_occurrence(mailbox, number, original, now);
        } else {
            let how = if which.hard {
                "HardDelete"
            } else {
                "MoveToDeletedItems"
            };
            dispose(Some(mailbox), number, how, now);
        }
        Ok(StatusCode::NO_CONTENT.into_response())
    })
}

fn remove_all(exchange: &Exchange, address: &str, class: Class) -> Answer {
    with_store(exchange, address, |store, me, now| {
        let mailbox = &mut store.mailboxes[me];
        let all: Vec<u64> = mailbox
            .items
            .iter()
            .filter(|(_, i)| i.content.class == class)
            .map(|(n, _)| *n)
            .collect();
        for number in all {
            mailbox.remove(number, now);
        }
        Ok(StatusCode::NO_CONTENT.into_response())
    })
}

fn shift(exchange: &Exchange, address: &str, class: Class, id: &str, to: &To) -> Answer {
    with_store(exchange, address, |store, me, now| {
        let mailbox = &mut store.mailboxes[me];
        let number = item_of(mailbox, class, id)?;
        let folder = folder_of(mailbox, Some(&to.folder), "")?;
        mailbox.shift(number, folder, now);
        Ok(Json(describe(mailbox, number)).into_response())
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reaction {
    answer: String,
    #[serde(default = "yes")]
    send: bool,
    original_start: Option<String>,
}

fn yes() -> bool {
    true
}

async fn respond(
    State(exchange): State<Exchange>,
    Path((address, id)): Path<(String, String)>,
    Json(reaction): Json<Reaction>,
) -> Answer {
    with_store(&exchange, &address, |store, me, now| {
        let mailbox = &store.mailboxes[me];
        let number = item_of(mailbox, Class::Event, &id)?;
        let original = original_of(mailbox, number, reaction.original_start.as_deref())?;
        let answer = match reaction.answer.as_str() {
            "accept" => "Accept",
            "tentative" => "Tentative",
            "decline" => "Decline",
            other => {
                return Err(bad(format!(
                    "the answer {other:?} is none of accept, tentative, decline"
                )));
            }
        };
        meeting::respond(store, me, number, original, answer, reaction.send, now).map_err(|f| failed(&f))?;
        Ok(Json(describe(&store.mailboxes[me], number)).into_response())
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ZoneName {
    zone: String,
}

async fn set_zone(
    State(exchange): State<Exchange>,
    Path(address): Path<String>,
    Json(given): Json<ZoneName>,
) -> Answer {
    with_store(&exchange, &address, |store, me, _| {
        let zone = Zone::named(&given.zone);
        store.mailboxes[me].zone = zone.ok_or_else(|| bad(format!("there is no zone {:?}", given.zone)))?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Fill {
    events: usize,
    tasks: usize,
    messages: usize,
}

async fn fill(
    State(exchange): State<Exchange>,
    Path(address): Path<String>,
    Json(fill): Json<Fill>,
) -> Answer {
    let company = exchange.0.company.clone();
    with_store(&exchange, &address, |store, me, now| {
        super::seed::mailbox(store, &company, me, [fill.events, fill.tasks, fill.messages], now);
        Ok(StatusCode::NO_CONTENT.into_response())
    })
}
