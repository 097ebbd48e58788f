//! A To Do task in Graph's words. <https://learn.microsoft.com/graph/api/resources/todotask>

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tandem_sync::model::{Field, FieldValue, LinkKey, Record, parse_instant};

use super::item::{self, text};
use super::property::EXTENSION;
use super::times;
use crate::ews::item::{Body, Head};
use crate::task::Task;

const STATUS: [(&str, &str, &str); 5] = [
    ("notStarted", "NotStarted", "not_started"),
    ("inProgress", "InProgress", "in_progress"),
    ("waitingOnOthers", "WaitingOnOthers", "waiting"),
    ("deferred", "Deferred", "deferred"),
    ("completed", "Completed", "completed"),
];

const IMPORTANCE: [(&str, &str); 3] = [("normal", "Normal"), ("low", "Low"), ("high", "High")];

/// `list`: the list that it was read from; its id does not tell. `None`: it lacks what every task has.
pub(crate) fn read(json: &Value, list: &str) -> Option<Task> {
    let status = STATUS
        .iter()
        .find(|(theirs, ..)| *theirs == text(json, "status"))?
        .1;
    let importance = IMPORTANCE
        .iter()
        .find(|(theirs, _)| *theirs == text(json, "importance"))
        .map_or("", |(_, ours)| ours);
    let html = text(&json["body"], "contentType").eq_ignore_ascii_case("html");
    let due = times::date(&json["dueDateTime"]);
    Some(Task {
        head: Head {
            id: format!("{list}/{}", item::id(json)?),
            change_key: item::version(json)?,
            folder: list.to_owned(),
            subject: json["title"].as_str()?.to_owned(),
            sensitivity: "Normal".to_owned(),
            body: Body {
                text: text(&json["body"], "content").to_owned(),
                html,
                cut: false,
            },
            categories: item::categories(json),
            created: text(json, "createdDateTime").to_owned(),
            modified: text(json, "lastModifiedDateTime").to_owned(),
            key: key(json).map(str::to_owned),
            ..Head::default()
        },
        importance: importance.to_owned(),
        remind_at: times::instant_text(&json["reminderDateTime"]),
        reminder_set: json["isReminderOn"].as_bool().unwrap_or_default()
            && json["reminderDateTime"].is_object(),
        completed: times::instant_text(&json["completedDateTime"]),
        due: due.map_or_else(String::new, |date| format!("{date}T00:00:00Z")),
        complete: status == "Completed",
        recurring: json["recurrence"].is_object(),
        status: status.to_owned(),
    })
}

/// The link's key, in our extension.
pub(crate) fn key(json: &Value) -> Option<&str> {
    extension(json)?["key"].as_str()
}

pub(crate) fn extension(json: &Value) -> Option<&Value> {
    json["extensions"].as_array()?.iter().find(|extension| {
        let named = |name: &str| {
            let text = text(extension, name);
            // The id of one may have the type's name before it.
            text.eq_ignore_ascii_case(EXTENSION)
                || text
                    .to_ascii_lowercase()
                    .ends_with(&format!(".{}", EXTENSION.to_ascii_lowercase()))
        };
        named("extensionName") || named("id")
    })
}

pub(crate) fn new_extension(key: &str) -> Value {
    json!({
        "@odata.type": "microsoft.graph.openTypeExtension",
        "extensionName": EXTENSION,
        "key": key,
    })
}

/// What is sent to make a task.
///
/// # Errors
/// A value that a mailbox cannot hold: the field.
pub(crate) fn new(key: &LinkKey, record: &Record) -> Result<Value, Field> {
    let set: BTreeMap<Field, FieldValue> = [Field::Subject, Field::Body, Field::Due, Field::RemindAt]
        .into_iter()
        .map(|field| (field, record.get(field).clone()))
        .filter(|(_, value)| value.known().is_some_and(|text| !text.is_empty()))
        .collect();
    let mut body = changes(&set)?;
    body.entry("title").or_insert_with(|| json!(""));
    body.insert(
        "status".to_owned(),
        json!(status(record.get(Field::Status)).ok_or(Field::Status)?),
    );
    body.insert(
        "importance".to_owned(),
        json!(importance(record.get(Field::Priority)).ok_or(Field::Priority)?),
    );
    body.insert("categories".to_owned(), json!([crate::map::CATEGORY]));
    body.insert("extensions".to_owned(), json!([new_extension(&key.0)]));
    Ok(Value::Object(body))
}

/// What is said so that a task holds `set`.
///
/// # Errors
/// A value that a mailbox cannot hold: the field.
pub(crate) fn changes(set: &BTreeMap<Field, FieldValue>) -> Result<Map<String, Value>, Field> {
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    for (field, value) in set {
        match (field, value) {
            (_, FieldValue::Unknown) => {}
            (Field::Subject, value) => {
                put("title", json!(value.known().unwrap_or_default()));
            }
            (Field::Body, value) => {
                put("body", item::plain_body(value.known().unwrap_or_default()));
            }
            (Field::Due, FieldValue::Known(date)) => {
                let date = date.parse::<jiff::civil::Date>().map_err(|_| Field::Due)?;
                if !(1601..4500).contains(&date.year()) {
                    return Err(Field::Due);
                }
                put("dueDateTime", times::write_date(date));
            }
            (Field::Due, FieldValue::Empty) => {
                put("dueDateTime", Value::Null);
            }
            (Field::Status, value) => {
                put("status", json!(status(value).ok_or(Field::Status)?));
            }
            (Field::Priority, value) => {
                put("importance", json!(importance(value).ok_or(Field::Priority)?));
            }
            (Field::RemindAt, FieldValue::Known(at)) => {
                let at = parse_instant(at).ok_or(Field::RemindAt)?;
                put("reminderDateTime", times::write_utc(at));
                put("isReminderOn", json!(true));
            }
            (Field::RemindAt, FieldValue::Empty) => {
                put("isReminderOn", json!(false));
            }
            _ => {}
        }
    }
    Ok(body)
}

fn status(value: &FieldValue) -> Option<&'static str> {
    let word = value.known().unwrap_or("not_started");
    STATUS
        .iter()
        .find(|(_, _, ours)| *ours == word)
        .map(|(theirs, ..)| *theirs)
}

fn importance(value: &FieldValue) -> Option<&'static str> {
    match value.known().unwrap_or("normal") {
        "low" => Some("low"),
        "normal" => Some("normal"),
        "high" => Some("high"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Value {
        json!({
            "@odata.etag": "W/\"xzyPKP0BiUGgld+lMKXwbQAAgdhkVw==\"",
            "importance": "low",
            "isReminderOn": true,
            "status": "waitingOnOthers",
            "title": "Linked entity new task 1",
            "createdDateTime": "2026-07-08T11:15:19.9359889Z",
            "lastModifiedDateTime": "2026-07-08T11:15:20.0614375Z",
            "categories": ["Important"],
            "id": "AlMKXwbQAAAJws6wcAAAA=",
            "body": {"content": "note", "contentType": "text"},
            "dueDateTime": {"dateTime": "2026-07-09T22:00:00.0000000", "timeZone": "UTC"},
            "reminderDateTime": {"dateTime": "2026-07-09T09:00:00.0000000", "timeZone": "W. Europe Standard Time"},
            "recurrence": {"pattern": {"type": "daily", "interval": 1}},
            "extensions": [{"id": "microsoft.graph.openTypeExtension.io.tandem.link", "extensionName": "io.tandem.link", "key": "k"}],
        })
    }

    #[test]
    fn a_task_in_full() {
        let task = read(&example(), "L").unwrap();
        let text = |field| task.value(field).known().unwrap_or("-").to_owned();
        assert_eq!(text(Field::Subject), "Linked entity new task 1");
        assert_eq!(
            text(Field::Due),
            "2026-07-10",
            "written by a client east of Greenwich"
        );
        assert_eq!(text(Field::RemindAt), "2026-07-09T07:00:00Z");
        assert_eq!(text(Field::Status), "waiting");
        assert_eq!(text(Field::Priority), "low");
        assert_eq!(task.head.id, "L/AlMKXwbQAAAJws6wcAAAA=");
        assert_eq!(task.head.change_key, "xzyPKP0BiUGgld+lMKXwbQAAgdhkVw==");
        assert_eq!(task.head.key.as_deref(), Some("k"));
        assert!(task.recurring);
        let bare = json!({"@odata.etag": "W/\"1\"", "id": "a", "title": "", "status": "completed"});
        let task = read(&bare, "L").unwrap();
        assert_eq!(task.value(Field::Due), FieldValue::Empty);
        assert_eq!(task.value(Field::RemindAt), FieldValue::Empty);
        assert!(task.complete && !task.recurring);
    }

    #[test]
    fn what_is_written() {
        let known = |text: &str| FieldValue::Known(text.to_owned());
        let set = BTreeMap::from([
            (Field::Due, known("2026-07-10")),
            (Field::Status, FieldValue::Empty),
            (Field::RemindAt, FieldValue::Empty),
            (Field::Body, FieldValue::Unknown),
        ]);
        let body = changes(&set).unwrap();
        assert_eq!(
            body["dueDateTime"],
            json!({"dateTime": "2026-07-10T00:00:00", "timeZone": "UTC"})
        );
        assert_eq!(
            (&body["status"], &body["isReminderOn"]),
            (&json!("notStarted"), &json!(false))
        );
        assert!(!body.contains_key("body"));
        let bad = |field, text: &str| changes(&BTreeMap::from([(field, known(text))])).unwrap_err();
        assert_eq!(bad(Field::Due, "2026-02-30"), Field::Due);
        assert_eq!(bad(Field::Status, "lost"), Field::Status);
        let record = Record::new(tandem_types::ItemKind::Task).with(Field::Subject, "x");
        let body = new(&LinkKey("k".to_owned()), &record).unwrap();
        assert_eq!(body["extensions"][0]["key"], "k");
        assert_eq!(body["importance"], "normal");
    }
}
