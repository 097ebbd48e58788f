//! What a task says, and how it is said to the mailbox.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use jiff::civil::Date;
use tandem_sync::model::{
    Extra, Field, FieldValue, Record, Snapshot, TaskFacts, instant as write_instant, parse_instant,
};
use tandem_types::{ItemKind, Timestamp};

use crate::event::{body, extra, line, scope, snapshot, text_change, text_field};
use crate::ews::item::Head;
use crate::ews::write_items::Change;
use crate::html;
use crate::map::{CATEGORY, date_value, has, instant, timestamp};
use crate::places::Places;

/// `PidLidTaskDueDate`, in the property set `Task`: the date as a midnight without a zone.
/// <https://learn.microsoft.com/openspecs/exchange_server_protocols/ms-oxotask/>
pub(crate) const DUE_ID: &str = "33029";

/// A task as the server gave it. No `Debug`: it is content.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Task {
    pub(crate) head: Head,
    pub(crate) importance: String,
    pub(crate) remind_at: String,
    pub(crate) reminder_set: bool,
    pub(crate) completed: String,
    pub(crate) due: String,
    pub(crate) complete: bool,
    pub(crate) recurring: bool,
    pub(crate) status: String,
}

const STATUS: [(&str, &str); 5] = [
    ("NotStarted", "not_started"),
    ("InProgress", "in_progress"),
    ("WaitingOnOthers", "waiting"),
    ("Deferred", "deferred"),
    ("Completed", "completed"),
];

const PRIORITY: [(&str, &str); 3] = [("Normal", "normal"), ("Low", "low"), ("High", "high")];

fn ours(table: &[(&str, &'static str)], theirs: &str) -> FieldValue {
    let found = table.iter().find(|(word, _)| *word == theirs.trim());
    found.map_or(FieldValue::Unknown, |(_, ours)| {
        FieldValue::Known((*ours).to_owned())
    })
}

fn theirs(table: &[(&'static str, &str)], ours: &str) -> Option<&'static str> {
    table
        .iter()
        .find(|(_, word)| *word == ours)
        .map(|(theirs, _)| *theirs)
}

/// EWS' word for a status; nothing is not started.
pub(crate) fn status(value: &FieldValue) -> Option<&'static str> {
    theirs(&STATUS, value.known().unwrap_or("not_started"))
}

/// EWS' word for a priority; nothing is normal.
pub(crate) fn importance(value: &FieldValue) -> Option<&'static str> {
    theirs(&PRIORITY, value.known().unwrap_or("normal"))
}

/// A date as EWS takes it for a task: a midnight in UTC, which stands for that day in every zone.
pub(crate) fn due(date: &str) -> Option<String> {
    let date: Date = date.parse().ok()?;
    (1601..4500)
        .contains(&date.year())
        .then(|| format!("{date}T00:00:00Z"))
}

/// An instant as EWS takes it.
pub(crate) fn remind_at(text: &str) -> Option<String> {
    Some(write_instant(parse_instant(text)?)).filter(|text| !text.is_empty())
}

/// The date of a midnight somewhere. `local`: the same without a zone, where the server tells it.
pub(crate) fn due_date(due: &str, local: &str) -> FieldValue {
    if due.trim().is_empty() {
        return FieldValue::Empty;
    }
    let Some(at) = instant(due) else {
        return FieldValue::Unknown;
    };
    if let Some(local) = instant(local) {
        let behind = at.duration_since(local);
        if behind < SignedDuration::from_hours(13) && behind > SignedDuration::from_hours(-15) {
            return date_value(local);
        }
    }
    match at.checked_add(SignedDuration::from_hours(12)) {
        Ok(rounded) => date_value(rounded),
        Err(_) => FieldValue::Unknown,
    }
}

impl Task {
    fn marked(&self, places: &Places) -> bool {
        has(&self.head.categories, CATEGORY) || places.salesforce_tasks.as_ref() == Some(&self.head.folder)
    }

    /// Plain text would destroy something of its body.
    pub(crate) fn is_rich(&self) -> bool {
        self.head.body.html && html::is_rich(&self.head.body.text)
    }

    pub(crate) fn value(&self, field: Field) -> FieldValue {
        match field {
            Field::Subject => line(&self.head.subject),
            Field::Body => body(&self.head.body),
            Field::Due => due_date(&self.due, self.head.extended(DUE_ID)),
            Field::Status if self.complete => FieldValue::Known("completed".to_owned()),
            Field::Status => ours(&STATUS, &self.status),
            Field::Priority => ours(&PRIORITY, &self.importance),
            Field::RemindAt if self.reminder_set => match instant(&self.remind_at) {
                Some(at) => FieldValue::Known(write_instant(Timestamp::from_seconds(at.as_second()))),
                None => FieldValue::Unknown,
            },
            Field::RemindAt => FieldValue::Empty,
            _ => FieldValue::Unknown,
        }
    }

    pub(crate) fn snapshot(&self, places: &Places) -> Snapshot {
        let mut record = Record::new(ItemKind::Task);
        for field in Field::TASK {
            record.set(*field, self.value(*field));
        }
        let marked = self.marked(places);
        let done = self.complete || self.status == "Completed";
        let completed = if instant(&self.completed).is_some() {
            &self.completed
        } else {
            &self.head.modified
        };
        Snapshot {
            scope: scope(&self.head, marked, places),
            marked,
            extra: Extra {
                task: Some(TaskFacts {
                    recurring: self.recurring,
                    completed: done.then(|| timestamp(completed)),
                }),
                ..extra(&self.head)
            },
            ..snapshot(&self.head, record)
        }
    }

    /// What has to be said to the mailbox so that it holds `set`.
    ///
    /// # Errors
    /// A value that a mailbox cannot hold: the field.
    pub(crate) fn changes(set: &BTreeMap<Field, FieldValue>) -> Result<Vec<Change>, Field> {
        let mut changes = Vec::new();
        for (field, value) in set {
            match (field, value) {
                (_, FieldValue::Unknown) => {}
                (Field::Subject | Field::Body, value) => changes.extend(text_field(*field, value)),
                (Field::Due, FieldValue::Known(date)) => {
                    let due = due(date).ok_or(Field::Due)?;
                    changes.push(text_change("task:DueDate", "t:DueDate", &due));
                }
                (Field::Due, FieldValue::Empty) => changes.push(Change::Delete("task:DueDate")),
                (Field::Status, value) => {
                    // The status says it all: the server keeps completion, its date and the percentage in step.
                    let word = status(value).ok_or(Field::Status)?;
                    changes.push(text_change("task:Status", "t:Status", word));
                }
                (Field::Priority, value) => {
                    let word = importance(value).ok_or(Field::Priority)?;
                    changes.push(text_change("item:Importance", "t:Importance", word));
                }
                (Field::RemindAt, FieldValue::Known(at)) => {
                    let at = remind_at(at).ok_or(Field::RemindAt)?;
                    changes.push(text_change("item:ReminderDueBy", "t:ReminderDueBy", &at));
                    changes.push(text_change("item:ReminderIsSet", "t:ReminderIsSet", "true"));
                }
                (Field::RemindAt, FieldValue::Empty) => {
                    changes.push(text_change("item:ReminderIsSet", "t:ReminderIsSet", "false"));
                }
                _ => {}
            }
        }
        Ok(changes)
    }
}
