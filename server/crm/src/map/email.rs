//! The neutral email and Salesforce's `EmailMessage`, or a completed `Task` of the subtype Email.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_emailmessage.htm>

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use tandem_sync::model::{Field, FieldValue, ItemId, Record, Refusal, instant, parse_instant};
use tandem_types::IssueCode;

use super::event::refusal;
use super::{Row, flag, put_links, text, time, wanted_relations};
use crate::describe::View;
use crate::words::{COMPLETED, Tables};

/// The field that decides whether a neutral field can be written.
pub(crate) const CARRIERS: [(Field, &str); 11] = [
    (Field::Subject, "Subject"),
    (Field::Body, "TextBody"),
    (Field::Html, "HtmlBody"),
    (Field::FromAddress, "FromAddress"),
    (Field::ToAddresses, "ToAddress"),
    (Field::CcAddresses, "CcAddress"),
    (Field::SentAt, "MessageDate"),
    (Field::Incoming, "Incoming"),
    (Field::MessageId, "MessageIdentifier"),
    (Field::Thread, "ThreadIdentifier"),
    (Field::Relations, "RelatedToId"),
];
/// Of a task that stands for an email.
pub(crate) const TASK_CARRIERS: [(Field, &str); 4] = [
    (Field::Subject, "Subject"),
    (Field::Body, "Description"),
    (Field::SentAt, "ActivityDate"),
    (Field::Relations, "WhoId"),
];
/// Read back. The bodies are not: they are large, and nobody compares them.
pub(crate) const WANTED: [&str; 10] = [
    "Subject",
    "FromAddress",
    "ToAddress",
    "CcAddress",
    "MessageDate",
    "Incoming",
    "MessageIdentifier",
    "ThreadIdentifier",
    "RelatedToId",
    "ActivityId",
];
pub(crate) const TASK_WANTED: [&str; 2] = ["Subject", "TaskSubtype"];
/// A file without a name.
pub(crate) const NAMELESS: &str = "attachment";
/// Sent: the only status of an email that belongs to no case.
const SENT: &str = "3";

pub(super) fn field_of(name: &str) -> Option<Field> {
    match name {
        "FromName" => Some(Field::FromAddress),
        "ToIds" | "CcIds" | "WhoId" | "WhatId" | "RelationId" => Some(Field::Relations),
        "Description" => Some(Field::Body),
        _ => CARRIERS.iter().find(|(_, n)| *n == name).map(|(f, _)| *f),
    }
}

pub(super) fn value(view: &View, field: Field, row: &Row) -> FieldValue {
    let plain = |name: &str| super::value(row.get(name));
    match field {
        Field::Subject => plain("Subject"),
        _ if view.object != "EmailMessage" => FieldValue::Unknown,
        Field::FromAddress => plain("FromAddress"),
        Field::ToAddresses => plain("ToAddress"),
        Field::CcAddresses => plain("CcAddress"),
        Field::Thread => plain("ThreadIdentifier"),
        Field::SentAt => time(row, "MessageDate").map_or(FieldValue::Unknown, |at| {
            FieldValue::Known(instant(tandem_types::Timestamp::from_seconds(at.seconds())))
        }),
        Field::Incoming => super::yes(flag(row, "Incoming")),
        Field::MessageId => match text(row, "MessageIdentifier") {
            Some(id) => FieldValue::from_text(bare(id)),
            None => plain("MessageIdentifier"),
        },
        // The people are rows of their own, which nobody changes.
        _ => FieldValue::Unknown,
    }
}

/// A Message-ID without its angle brackets.
pub(crate) fn bare(id: &str) -> &str {
    let id = id.trim();
    id.strip_prefix('<')
        .and_then(|id| id.strip_suffix('>'))
        .unwrap_or(id)
}

/// As it stands in a mail, and as Salesforce and other tools keep it.
pub(crate) fn bracketed(id: &str) -> String {
    format!("<{}>", bare(id))
}

/// One address of a list.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Mailbox {
    pub(crate) name: String,
    /// As it was written.
    pub(crate) address: String,
}

/// The addresses of a list: `name <address>` or an address, separated by `; `.
pub(crate) fn addresses(list: &str) -> Vec<Mailbox> {
    list.split(';')
        .filter_map(|one| {
            let one = one.trim();
            let (name, address) = match one.rsplit_once('<') {
                Some((name, rest)) => (name.trim().trim_matches('"'), rest.trim_end_matches('>').trim()),
                None => ("", one),
            };
            (!address.is_empty()).then(|| Mailbox {
                name: name.to_owned(),
                address: address.to_owned(),
            })
        })
        .collect()
}

/// Whom of the email's people Salesforce knows: their ids by their addresses in lower case.
pub(crate) type People = HashMap<String, ItemId>;

/// Every address that the record names, in lower case.
pub(crate) fn named(record: &Record) -> impl Iterator<Item = String> {
    [Field::FromAddress, Field::ToAddresses, Field::CcAddresses]
        .into_iter()
        .filter_map(|field| record.get(field).known())
        .flat_map(addresses)
        .map(|one| one.address.to_lowercase())
}

/// Known senders: they become rows of their own.
pub(crate) fn senders(record: &Record, people: &People) -> Vec<(ItemId, String)> {
    let from = record
        .get(Field::FromAddress)
        .known()
        .map(addresses)
        .unwrap_or_default();
    from.into_iter()
        .filter_map(|one| Some((people.get(&one.address.to_lowercase())?.clone(), one.address)))
        .collect()
}

/// The members of a new `EmailMessage`.
pub(crate) fn message_body(view: &View, record: &Record, people: &People) -> Row {
    let mut row = Row::new();
    let mut put = |name: &str, value: Value| {
        if view.may_create(name) {
            row.insert(name.to_owned(), value);
        }
    };
    let known = |field| record.get(field).known();
    let cut = |name: &str, text: &str| -> String { text.chars().take(view.length(name)).collect() };
    let fits = |name: &str, text: &str| text.chars().count() <= view.length(name);
    if let Some(subject) = known(Field::Subject) {
        put("Subject", Value::from(cut("Subject", subject)));
    }
    if let Some(body) = known(Field::Body) {
        put("TextBody", Value::from(cut("TextBody", body)));
    }
    // Half of a page is none: the text is there all the same.
    if let Some(html) = known(Field::Html).filter(|html| fits("HtmlBody", html)) {
        put("HtmlBody", Value::from(html));
    }
    if let Some(from) = known(Field::FromAddress).and_then(|from| addresses(from).into_iter().next()) {
        put("FromAddress", Value::from(cut("FromAddress", &from.address)));
        if !from.name.is_empty() {
            put("FromName", Value::from(cut("FromName", &from.name)));
        }
    }
    for (field, list, ids) in [
        (Field::ToAddresses, "ToAddress", "ToIds"),
        (Field::CcAddresses, "CcAddress", "CcIds"),
    ] {
        let holds_ids = view.may_create(ids);
        let mut known_ids: Vec<&str> = Vec::new();
        let mut rest = String::new();
        for one in known(field).map(addresses).unwrap_or_default() {
            if let Some(id) = people.get(&one.address.to_lowercase()).filter(|_| holds_ids) {
                if !known_ids.contains(&id.0.as_str()) {
                    known_ids.push(&id.0);
                }
                continue;
            }
            // Whole addresses only.
            if rest.chars().count() + one.address.chars().count() + 2 <= view.length(list) {
                if !rest.is_empty() {
                    rest.push_str("; ");
                }
                rest.push_str(&one.address);
            }
        }
        if !rest.is_empty() {
            put(list, Value::from(rest));
        }
        if !known_ids.is_empty() {
            put(ids, Value::from(known_ids));
        }
    }
    if let Some(at) = known(Field::SentAt).and_then(parse_instant) {
        put("MessageDate", Value::from(instant(at)));
    }
    put("Incoming", Value::Bool(known(Field::Incoming) == Some("yes")));
    put("Status", Value::from(SENT));
    if let Some(id) = known(Field::MessageId)
        .map(bracketed)
        .filter(|id| fits("MessageIdentifier", id))
    {
        put("MessageIdentifier", Value::from(id));
    }
    if let Some(thread) = known(Field::Thread).filter(|thread| fits("ThreadIdentifier", thread)) {
        put("ThreadIdentifier", Value::from(thread));
    }
    if let Some(what) = wanted_relations(&record.fields).and_then(|relations| relations.what) {
        put("RelatedToId", Value::from(what.0));
    }
    put("IsClientManaged", Value::Bool(true));
    row
}

/// The members of a completed task that stands for an email.
///
/// # Errors
/// The organisation has no status for what is done.
pub(crate) fn task_body(
    view: &View,
    record: &Record,
    tables: &Tables,
    statuses: &[String],
    shared: bool,
) -> Result<Row, Refusal> {
    let known = |field| record.get(field).known();
    let status = tables.status_there(COMPLETED, statuses).map_err(|word| {
        let text = format!("the organisation has no status \"{word}\" for what is done");
        refusal(IssueCode::UnknownValue, &text, Field::Status)
    })?;
    let mut row = Row::new();
    let cut = |name: &str, text: &str| -> String { text.chars().take(view.length(name)).collect() };
    if let Some(subject) = known(Field::Subject) {
        row.insert("Subject".to_owned(), Value::from(cut("Subject", subject)));
    }
    let mut text = String::new();
    for (label, field) in [
        ("From", Field::FromAddress),
        ("To", Field::ToAddresses),
        ("CC", Field::CcAddresses),
    ] {
        if let Some(list) = known(field) {
            text.push_str(label);
            text.push_str(": ");
            text.push_str(list);
            text.push('\n');
        }
    }
    if let Some(body) = known(Field::Body) {
        text.push('\n');
        text.push_str(body);
    }
    row.insert(
        "Description".to_owned(),
        Value::from(cut("Description", text.trim())),
    );
    row.insert("TaskSubtype".to_owned(), Value::from(super::task::EMAIL_SUBTYPE));
    row.insert("Status".to_owned(), Value::from(status));
    if let Some(day) = known(Field::SentAt).and_then(|at| at.get(..10)) {
        row.insert("ActivityDate".to_owned(), Value::from(day));
    }
    if let Some(relations) = wanted_relations(&record.fields) {
        put_links(&mut row, &relations, shared.then_some("TaskWhoIds"), true);
    }
    Ok(row)
}

/// What can be changed of a saved email: to which record it belongs.
pub(crate) fn update_body(view: &View, fields: &BTreeMap<Field, FieldValue>) -> Row {
    let mut row = Row::new();
    let Some(relations) = wanted_relations(fields) else {
        return row;
    };
    if view.object == "EmailMessage" {
        let what = relations.what.map_or(Value::Null, |id| Value::from(id.0));
        row.insert("RelatedToId".to_owned(), what);
    } else {
        put_links(&mut row, &relations, None, false);
    }
    row
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tandem_types::{ItemKind, Settings};

    use super::*;
    use crate::describe::tests::email_view;

    fn record() -> Record {
        Record::new(ItemKind::Email)
            .with(Field::Subject, "Offer")
            .with(Field::Body, "Dear all")
            .with(Field::Html, "<p>Dear all</p>")
            .with(Field::FromAddress, "Nina Berg <Nina@x.example>")
            .with(
                Field::ToAddresses,
                "\"Doe, Joe\" <joe@y.example>; ann@y.example; joe@y.example",
            )
            .with(Field::CcAddresses, "zoe@z.example")
            .with(Field::SentAt, "2026-11-21T16:22:14Z")
            .with(Field::Incoming, "yes")
            .with(Field::MessageId, "1@x.example")
            .with(Field::Relations, "who=003000000000001AAA;what=006000000000001AAA")
    }

    #[test]
    fn known_people_are_ids_and_the_others_addresses() {
        let view = email_view(131_072);
        let people: People = [
            (
                "joe@y.example".to_owned(),
                ItemId("003000000000001AAA".to_owned()),
            ),
            (
                "nina@x.example".to_owned(),
                ItemId("003000000000002AAA".to_owned()),
            ),
        ]
        .into();
        let row = Value::Object(message_body(&view, &record(), &people));
        assert_eq!(
            row,
            json!({
                "Subject": "Offer", "TextBody": "Dear all", "HtmlBody": "<p>Dear all</p>",
                "FromAddress": "Nina@x.example", "FromName": "Nina Berg", "ToIds": ["003000000000001AAA"],
                "ToAddress": "ann@y.example", "CcAddress": "zoe@z.example", "MessageDate": "2026-11-21T16:22:14Z",
                "Incoming": true, "Status": "3", "MessageIdentifier": "<1@x.example>",
                "RelatedToId": "006000000000001AAA", "IsClientManaged": true,
            })
        );
        let senders = senders(&record(), &people);
        assert_eq!(senders.len(), 1);
        assert_eq!(senders[0].0.0, "003000000000002AAA");
    }

    #[test]
    fn bodies_are_cut_and_pages_are_not() {
        let view = email_view(10);
        let long = record()
            .with(Field::Body, &"🦊".repeat(11))
            .with(Field::Html, "<p>longer</p>");
        let row = message_body(&view, &long, &People::new());
        assert_eq!(row["TextBody"].as_str().unwrap().chars().count(), 10);
        assert!(!row.contains_key("HtmlBody"));
    }

    #[test]
    fn without_enhanced_email_it_is_a_completed_task() {
        let view = View::plain("Task", &[("Subject", 5), ("Description", 200)]);
        let row = task_body(&view, &record(), &Tables::of(&Settings::default()), &[], false).unwrap();
        assert_eq!(
            Value::Object(row),
            json!({
                "Subject": "Offer", "TaskSubtype": "Email", "Status": "Completed", "ActivityDate": "2026-11-21",
                "Description": "From: Nina Berg <Nina@x.example>\nTo: \"Doe, Joe\" <joe@y.example>; ann@y.example; \
                                joe@y.example\nCC: zoe@z.example\n\nDear all",
                "WhoId": "003000000000001AAA", "WhatId": "006000000000001AAA",
            })
        );
        let none = task_body(
            &view,
            &record(),
            &Tables::of(&Settings::default()),
            &["Open".to_owned()],
            false,
        );
        assert_eq!(none.unwrap_err().code, IssueCode::UnknownValue);
    }

    #[test]
    fn lists_are_read_as_they_come() {
        let read = |list| -> Vec<String> { addresses(list).into_iter().map(|a| a.address).collect() };
        assert_eq!(read("a@x; B <b@x>;; <c@x> ;"), ["a@x", "b@x", "c@x"]);
        assert!(read(" ; <>").is_empty());
        assert_eq!(bare(" <a@b> "), "a@b");
        assert_eq!(bracketed("a@b"), bracketed("<a@b>"));
    }
}
