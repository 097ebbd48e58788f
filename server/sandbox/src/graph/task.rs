//! The tasks of To Do. <https://learn.microsoft.com/graph/api/resources/todotask>
//!
//! Days have no time here: what a client gives is turned into UTC, and the day of that is kept.

use jiff::civil::Time;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Outcome, Refused};
use super::call::{Call, Target};
use super::folders;
use super::recurrence;
use super::values::{
    IMPORTANCES, STATUSES, categories, flag, in_zone, ours, set_body, set_common, stamp, text, theirs,
};
use crate::exchange::content::{Class, Content};
use crate::exchange::items::{dispose, store_edit};
use crate::exchange::props::{date_time, write_time};
use crate::exchange::zones::Zone;

/// Where the store keeps what only To Do has: JSON, under names that EWS does not know.
const EXTENSIONS: &str = "GraphExtensions";
const LINKED: &str = "GraphLinkedResources";
const CHECKLIST: &str = "GraphChecklistItems";

/// What can be filtered and sorted by.
const FILTERS: &[&str] = &[
    "title",
    "status",
    "importance",
    "createdDateTime",
    "lastModifiedDateTime",
    "dueDateTime/dateTime",
    "completedDateTime/dateTime",
];
const DAYS: &[(&str, &str)] = &[
    ("dueDateTime", "DueDate"),
    ("startDateTime", "StartDate"),
    ("completedDateTime", "CompleteDate"),
];

/// What is kept under one of the names above.
fn kept(content: &Content, name: &'static str) -> Vec<Value> {
    content
        .texts
        .get(name)
        .and_then(|t| serde_json::from_str(t).ok())
        .unwrap_or_default()
}

fn keep(content: &mut Content, name: &'static str, all: &[Value]) {
    if all.is_empty() {
        content.texts.remove(name);
    } else {
        content.texts.insert(name, json!(all).to_string());
    }
}

/// The whole task. What it does not have is left out.
pub(super) fn write(call: &Call<'_>, number: u64) -> Result<Value, Refused> {
    let item = call.item(number)?;
    let content = &item.content;
    let target = Target::item(number);
    let mut out = Map::new();
    let reminder = content.text("ReminderIsSet") == "true";
    let kind = if content.body_is_html { "html" } else { "text" };
    for (name, value) in [
        ("@odata.etag", json!(format!("W/\"{}\"", call.change_key(target)))),
        ("id", json!(call.id(target))),
        (
            "importance",
            json!(theirs(IMPORTANCES, content.text("Importance"), "normal")),
        ),
        ("isReminderOn", json!(reminder)),
        (
            "status",
            json!(theirs(STATUSES, content.text("Status"), "notStarted")),
        ),
        ("title", json!(content.text("Subject"))),
        ("createdDateTime", json!(write_time(item.created))),
        ("lastModifiedDateTime", json!(write_time(item.modified))),
        ("hasAttachments", json!(!content.attachments.is_empty())),
        ("categories", categories(content)),
        ("body", json!({ "content": content.body, "contentType": kind })),
    ] {
        out.insert(name.to_owned(), value);
    }
    let utc = Zone::utc();
    for (name, field) in DAYS {
        if let Some(micros) = content.texts.get(*field).and_then(|t| date_time(t)) {
            out.insert((*name).to_owned(), in_zone(micros, &utc));
        }
    }
    if reminder && let Some(micros) = content.texts.get("ReminderDueBy").and_then(|t| date_time(t)) {
        out.insert("reminderDateTime".to_owned(), in_zone(micros, &utc));
    }
    if let Some(r) = &content.recurrence {
        out.insert("recurrence".to_owned(), recurrence::write(r, "UTC"));
    }
    let expanded = &call.query().expand;
    for (name, field) in [
        ("extensions", EXTENSIONS),
        ("linkedResources", LINKED),
        ("checklistItems", CHECKLIST),
    ] {
        if expanded.iter().any(|e| e == name) {
            let mut all = kept(content, field);
            if let (EXTENSIONS, Some(only)) = (field, &call.query().extension) {
                all.retain(|e| e["id"].as_str().is_some_and(|id| id.eq_ignore_ascii_case(only)));
            }
            out.insert(name.to_owned(), json!(all));
        }
    }
    Ok(Value::Object(out))
}

fn set(content: &mut Content, name: &str, value: &Value) -> Result<(), Refused> {
    if name != "singleValueExtendedProperties" && set_common(content, name, value)? {
        return Ok(());
    }
    if let Some((_, field)) = DAYS.iter().find(|(n, _)| *n == name) {
        if value.is_null() {
            content.texts.remove(field);
        } else {
            let day = Zone::utc().wall(stamp(name, value)?.micros).date();
            let midnight = Zone::utc().moment(day.to_datetime(Time::midnight()));
            content.texts.insert(field, write_time(midnight));
        }
        return Ok(());
    }
    match name {
        "title" => content.set_text("Subject", &text(name, value)?),
        "body" => set_body(content, value)?,
        "status" => {
            content
                .texts
                .insert("Status", ours(STATUSES, name, value)?.to_owned());
        }
        "isReminderOn" => {
            content
                .texts
                .insert("ReminderIsSet", flag(name, value)?.to_string());
        }
        "reminderDateTime" => {
            if value.is_null() {
                content.texts.remove("ReminderDueBy");
                content.texts.insert("ReminderIsSet", "false".to_owned());
            } else {
                content
                    .texts
                    .insert("ReminderDueBy", write_time(stamp(name, value)?.micros));
            }
        }
        "recurrence" => {
            content.recurrence = if value.is_null() {
                None
            } else {
                Some(recurrence::read(value)?)
            };
        }
        // Read only; clients that send whole objects back are not stopped by it.
        "createdDateTime" | "lastModifiedDateTime" | "bodyLastModifiedDateTime" | "hasAttachments" => {}
        _ => return Err(Refused::no_property(name, "todoTask")),
    }
    Ok(())
}

/// Answers what is below `todo/lists`.
pub(super) fn lists(call: &mut Call<'_>, rest: &[&str]) -> Outcome {
    let sort = folders::Sort::Lists;
    match (call.request.method.as_str(), rest) {
        ("GET", []) => folders::list(call, sort, None),
        ("POST", []) => folders::create(call, sort, None),
        ("GET", ["delta"]) => Err(Refused::unknown("the delta of lists")),
        (method, [id, rest @ ..]) if folders::is_flagged(call, id) => match (method, rest) {
            // Nothing is ever flagged here.
            ("GET", ["tasks"]) => call.list("todo/lists/tasks", Vec::new(), FILTERS, 10),
            ("GET", ["tasks", "delta"]) => super::delta::tasks(call, 0),
            _ => Err(Refused::new(
                400,
                "invalidRequest",
                "Invalid request: the list of flagged emails cannot be changed.",
            )),
        },
        (_, [id, rest @ ..]) => {
            let list = folders::find(call, id, sort)?;
            match rest {
                [] => folders::one(call, sort, list),
                ["tasks", rest @ ..] => serve(call, list, rest),
                _ => Err(Refused::unknown(&call.request.operation)),
            }
        }
        _ => Err(Refused::unknown(&call.request.operation)),
    }
}

fn serve(call: &mut Call<'_>, list: u64, rest: &[&str]) -> Outcome {
    match (call.request.method.as_str(), rest) {
        ("GET", []) => {
            call.query().only(&[
                "$select", "$top", "$skip", "$orderby", "$filter", "$expand", "$count",
            ])?;
            let numbers: Vec<u64> = call
                .mailbox()
                .items_in(list)
                .filter(|(_, i)| i.content.class == Class::Task)
                .map(|(n, _)| n)
                .collect();
            let all: Result<Vec<Value>, Refused> = numbers.into_iter().map(|n| write(call, n)).collect();
            call.list("todo/lists/tasks", all?, FILTERS, 10)
        }
        ("POST", []) => create(call, list),
        ("GET", ["delta"]) => super::delta::tasks(call, list),
        (_, [id, rest @ ..]) => {
            let number = call.resolve(id, Class::Task)?.number;
            if call.item(number)?.folder != list {
                return Err(Refused::not_found());
            }
            one(call, number, rest)
        }
        _ => Err(Refused::unknown(&call.request.operation)),
    }
}

fn create(call: &mut Call<'_>, list: u64) -> Outcome {
    // Open extensions carry their type in an annotation, so the body is read with those.
    call.request.object()?;
    let whole: Value = serde_json::from_slice(&call.request.body).unwrap_or_default();
    call.check_quota()?;
    let mut content = Content {
        class: Class::Task,
        ..Content::default()
    };
    for (name, value) in call.request.object()? {
        match name.as_str() {
            "extensions" => {
                let all: Result<Vec<Value>, Refused> = whole["extensions"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(extension)
                    .collect();
                keep(&mut content, EXTENSIONS, &all?);
            }
            "linkedResources" => {
                let mut all = Vec::new();
                for (n, one) in value.as_array().into_iter().flatten().enumerate() {
                    all.push(linked(call, one, n)?);
                }
                keep(&mut content, LINKED, &all);
            }
            name => set(&mut content, name, &value)?,
        }
    }
    if content.text("Subject").is_empty() {
        return Err(Refused::new(
            400,
            "invalidRequest",
            "Invalid request: title is missing.",
        ));
    }
    let zone = call.mailbox().zone.clone();
    content.settle(&Content::default(), call.ctx(&zone))?;
    let now = call.now;
    let number = call.mailbox_mut().create(list, content, now, now);
    respond(call, 201, number)
}

fn respond(call: &Call<'_>, status: u16, number: u64) -> Outcome {
    let object = write(call, number)?;
    Ok(call.entity(status, "todo/lists/tasks", object))
}

fn one(call: &mut Call<'_>, number: u64, rest: &[&str]) -> Outcome {
    let target = Target::item(number);
    let now = call.now;
    match (call.request.method.as_str(), rest) {
        ("GET", []) => {
            call.query().only(&["$select", "$expand"])?;
            respond(call, 200, number)
        }
        ("PATCH", []) => {
            let body = call.request.object()?;
            call.check_version(target, None)?;
            let before = call.item(number)?.content.clone();
            let mut after = before.clone();
            for (name, value) in &body {
                set(&mut after, name, value)?;
            }
            let zone = call.mailbox().zone.clone();
            after.settle(&before, call.ctx(&zone))?;
            store(call, number, &before, after);
            respond(call, 200, number)
        }
        ("DELETE", []) => {
            call.check_version(target, None)?;
            dispose(Some(call.mailbox_mut()), number, "MoveToDeletedItems", now);
            Ok(Answer::nothing())
        }
        (_, ["extensions", rest @ ..]) => extensions(call, number, rest),
        (_, ["linkedResources", rest @ ..]) => parts(call, number, LINKED, rest),
        (_, ["checklistItems", rest @ ..]) => parts(call, number, CHECKLIST, rest),
        _ => Err(Refused::unknown(&call.request.operation)),
    }
}

/// Stores an edit. A recurring task that was completed comes again: as itself with the done one as a new task, or the
/// other way round.
fn store(call: &mut Call<'_>, number: u64, before: &Content, mut after: Content) {
    let now = call.now;
    if call.knobs.next_task_gets_new_id
        && let Some(done) = after.come_again(before)
    {
        let folder = call.mailbox().items.get(&number).map_or(0, |i| i.folder);
        call.mailbox_mut().change(number, done, now);
        call.mailbox_mut().create(folder, after, now, now);
        return;
    }
    store_edit(call.mailbox_mut(), number, before, after, now);
}

/// An open extension as it is kept. <https://learn.microsoft.com/graph/api/resources/opentypeextension>
fn extension(value: &Value) -> Result<Value, Refused> {
    let map = value
        .as_object()
        .ok_or_else(|| Refused::invalid("An extension is an object."))?;
    let ty = map
        .get("@odata.type")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .trim_start_matches('#');
    if !ty.eq_ignore_ascii_case("microsoft.graph.openTypeExtension") {
        return Err(Refused::new(
            400,
            "BadRequest",
            format!("'{ty}' is no type of an open extension."),
        ));
    }
    let name = map
        .get("extensionName")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if name.is_empty() || name.len() > 127 {
        return Err(Refused::new(
            400,
            "BadRequest",
            "The extensionName is missing, or too long.",
        ));
    }
    let mut out = Map::new();
    out.insert("@odata.type".into(), json!("#microsoft.graph.openTypeExtension"));
    out.insert("id".into(), json!(name));
    for (name, value) in map {
        if name.starts_with('@') || name == "id" {
            continue;
        }
        if value.is_object()
            || value.is_array() && value.as_array().is_some_and(|a| a.iter().any(Value::is_object))
        {
            return Err(Refused::new(
                400,
                "BadRequest",
                format!("'{name}': extensions hold simple values only."),
            ));
        }
        out.insert(name.clone(), value.clone());
    }
    Ok(Value::Object(out))
}

fn extensions(call: &mut Call<'_>, number: u64, rest: &[&str]) -> Outcome {
    let context = "todo/lists/tasks/extensions";
    let mut content = call.item(number)?.content.clone();
    let mut all = kept(&content, EXTENSIONS);
    let gone = || Refused::new(404, "ErrorItemNotFound", "The specified extension was not found.");
    let given = || -> Result<Value, Refused> {
        call.request.object()?;
        Ok(serde_json::from_slice(&call.request.body).unwrap_or_default())
    };
    let named = |all: &[Value], name: &str| {
        all.iter()
            .position(|e| e["id"].as_str().is_some_and(|i| i.eq_ignore_ascii_case(name)))
    };
    let (answer, changed) = match (call.request.method.as_str(), rest) {
        ("GET", []) => (call.list(context, all.clone(), &["id"], 100)?, false),
        ("GET", [name]) => {
            let at = named(&all, name).ok_or_else(gone)?;
            (call.entity(200, context, all[at].clone()), false)
        }
        ("POST", []) => {
            let made = extension(&given()?)?;
            if named(&all, made["id"].as_str().unwrap_or_default()).is_some() {
                return Err(Refused::new(
                    409,
                    "BadRequest",
                    "An extension with this name exists already.",
                ));
            }
            all.push(made.clone());
            (call.entity(201, context, made), true)
        }
        ("PATCH", [name]) => {
            let at = named(&all, name).ok_or_else(gone)?;
            let mut merged = all[at].clone();
            let given = given()?;
            for (name, value) in given.as_object().into_iter().flatten() {
                merged[name] = value.clone();
            }
            all[at] = extension(&merged)?;
            (call.entity(200, context, all[at].clone()), true)
        }
        ("DELETE", [name]) => {
            all.remove(named(&all, name).ok_or_else(gone)?);
            (Answer::nothing(), true)
        }
        _ => return Err(Refused::unknown(&call.request.operation)),
    };
    if changed {
        keep(&mut content, EXTENSIONS, &all);
        let now = call.now;
        call.mailbox_mut().change(number, content, now);
    }
    Ok(answer)
}

/// A `linkedResource` as it is kept.
fn linked(call: &Call<'_>, value: &Value, n: usize) -> Result<Value, Refused> {
    let known = ["webUrl", "applicationName", "displayName", "externalId"];
    let map = super::values::object("linkedResource", value, &known)?;
    let mailbox = call.mailbox();
    let id = mailbox.ids.guid(
        "part",
        &[mailbox.index, mailbox.seq, u64::try_from(n).unwrap_or_default()],
    );
    let mut out = Map::new();
    for name in known {
        if let Some(value) = map.get(name) {
            out.insert(name.to_owned(), json!(text(name, value)?));
        }
    }
    out.insert("id".into(), json!(id));
    Ok(Value::Object(out))
}

fn checklist_item(call: &Call<'_>, value: &Value) -> Result<Value, Refused> {
    let map = super::values::object("checklistItem", value, &["displayName", "isChecked"])?;
    let mailbox = call.mailbox();
    Ok(json!({
        "id": mailbox.ids.guid("check", &[mailbox.index, mailbox.seq]),
        "displayName": text("displayName", map.get("displayName").unwrap_or(&Value::Null))?,
        "isChecked": map.get("isChecked").and_then(Value::as_bool).unwrap_or(false),
        "createdDateTime": write_time(call.now),
    }))
}

/// Links to other applications, or the steps of a task.
fn parts(call: &mut Call<'_>, number: u64, field: &'static str, rest: &[&str]) -> Outcome {
    let context = if field == LINKED {
        "todo/lists/tasks/linkedResources"
    } else {
        "todo/lists/tasks/checklistItems"
    };
    let mut content = call.item(number)?.content.clone();
    let mut all = kept(&content, field);
    let place = |all: &[Value], id: &str| {
        all.iter()
            .position(|e| e["id"] == *id)
            .ok_or_else(Refused::not_found)
    };
    let (answer, changed) = match (call.request.method.as_str(), rest) {
        ("GET", []) => (
            call.list(context, all.clone(), &["externalId", "displayName"], 100)?,
            false,
        ),
        ("GET", [id]) => (call.entity(200, context, all[place(&all, id)?].clone()), false),
        ("POST", []) => {
            let given = Value::Object(call.request.object()?);
            let made = if field == LINKED {
                linked(call, &given, 0)?
            } else {
                checklist_item(call, &given)?
            };
            all.push(made.clone());
            (call.entity(201, context, made), true)
        }
        ("PATCH", [id]) => {
            let at = place(&all, id)?;
            for (name, value) in call.request.object()? {
                all[at][name] = value;
            }
            (call.entity(200, context, all[at].clone()), true)
        }
        ("DELETE", [id]) => {
            all.remove(place(&all, id)?);
            (Answer::nothing(), true)
        }
        _ => return Err(Refused::unknown(&call.request.operation)),
    };
    if changed {
        keep(&mut content, field, &all);
        let now = call.now;
        call.mailbox_mut().change(number, content, now);
    }
    Ok(answer)
}
