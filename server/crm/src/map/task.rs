//! The neutral task and Salesforce's `Task`.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_task.htm>

use std::collections::BTreeMap;

use serde_json::Value;
use tandem_sync::model::{Field, FieldValue, Profile, Refusal, Scope, TaskFacts, instant, parse_instant};
use tandem_types::{IssueCode, Timestamp};

use super::event::refusal;
use super::ties::{self, Tie};
use super::{
    Malformed, Reading, Row, flag, put_links, reference, text, texts, time, wanted_relations, writable,
};
use crate::words::Tables;

/// Plain texts.
pub(crate) const TEXTS: [(Field, &str); 3] = [
    (Field::Subject, "Subject"),
    (Field::Body, "Description"),
    (Field::Due, "ActivityDate"),
];
/// The field that decides whether a neutral field can be read and written.
pub(crate) const CARRIERS: [(Field, &str); 7] = [
    (Field::Subject, "Subject"),
    (Field::Body, "Description"),
    (Field::Due, "ActivityDate"),
    (Field::Status, "Status"),
    (Field::Priority, "Priority"),
    (Field::RemindAt, "ReminderDateTime"),
    (Field::Relations, "WhoId"),
];
/// Read where the organisation and the user have them.
pub(crate) const WANTED: [&str; 14] = [
    "Subject",
    "Description",
    "ActivityDate",
    "Status",
    "Priority",
    "IsClosed",
    "CompletedDateTime",
    "IsReminderSet",
    "ReminderDateTime",
    "WhoId",
    "WhatId",
    "TaskSubtype",
    "IsRecurrence",
    "RecurrenceActivityId",
];
/// The only subtype that is synced: calls are history, and those of the subtype Email are made by an `EmailMessage` or
/// are saved emails themselves.
pub(crate) const SUBTYPE: &str = "Task";
pub(crate) const EMAIL_SUBTYPE: &str = "Email";

pub(super) fn field_of(name: &str) -> Option<Field> {
    Some(match name {
        "IsReminderSet" => Field::RemindAt,
        "WhatId" | "TaskWhoIds" => Field::Relations,
        _ => return CARRIERS.iter().find(|(_, n)| *n == name).map(|(f, _)| *f),
    })
}

pub(super) fn scope(me: &str, row: &Row) -> Result<Scope, Malformed> {
    let owner = reference(row, "OwnerId").ok_or(Malformed("a task without OwnerId"))?;
    let plain = text(row, "TaskSubtype").is_none_or(|subtype| subtype == SUBTYPE)
        && !flag(row, "IsRecurrence").unwrap_or(false);
    Ok(if owner == me && plain {
        Scope::In
    } else {
        Scope::Out
    })
}

pub(super) fn facts(row: &Row) -> TaskFacts {
    let closed = flag(row, "IsClosed").unwrap_or(false);
    TaskFacts {
        recurring: flag(row, "IsRecurrence").unwrap_or(false),
        completed: closed
            .then(|| time(row, "CompletedDateTime").or_else(|| time(row, "LastModifiedDate")))
            .flatten(),
    }
}

pub(super) fn value(reading: &Reading<'_>, field: Field, row: &Row, ties: &[Tie]) -> FieldValue {
    let word = |name: &str, word: &dyn Fn(&str) -> &'static str| match text(row, name) {
        Some(there) => FieldValue::Known(word(there).to_owned()),
        None => super::value(row.get(name)),
    };
    match field {
        Field::Status => word("Status", &|there| {
            reading.tables.status_word(there, flag(row, "IsClosed"))
        }),
        Field::Priority => word("Priority", &|there| reading.tables.priority_word(there)),
        Field::RemindAt => match (flag(row, "IsReminderSet"), time(row, "ReminderDateTime")) {
            (Some(false), _) => FieldValue::Empty,
            (Some(true), Some(at)) => FieldValue::Known(instant(Timestamp::from_seconds(at.seconds()))),
            _ => FieldValue::Unknown,
        },
        Field::Relations => ties::relations(reading.me, row, ties),
        _ => {
            let name = TEXTS.iter().find(|(f, _)| *f == field).map(|(_, name)| *name);
            super::value(name.and_then(|name| row.get(name)))
        }
    }
}

/// The organisation's picklists, empty where they are not known.
#[derive(Clone, Copy)]
pub(crate) struct Picklists<'p> {
    pub(crate) status: &'p [String],
    pub(crate) priority: &'p [String],
}

/// The members of a write's body.
///
/// # Errors
/// A status or a priority that the organisation does not have.
pub(crate) fn body(
    profile: &Profile,
    fields: &BTreeMap<Field, FieldValue>,
    tables: &Tables,
    picklists: Picklists<'_>,
    shared: bool,
    creating: bool,
) -> Result<Row, Refusal> {
    let mut row = texts(profile, &TEXTS, fields, creating);
    let may = |field| writable(profile, field, creating);
    let known = |field| {
        fields
            .get(&field)
            .and_then(FieldValue::known)
            .filter(|_| may(field))
    };
    let lacks = |what: &str, word: &str, field| {
        let text =
            format!("the organisation has no {what} \"{word}\"; the settings say which of its own to use");
        refusal(IssueCode::UnknownValue, &text, field)
    };
    if let Some(word) = known(Field::Status) {
        let there = tables
            .status_there(word, picklists.status)
            .map_err(|word| lacks("status", &word, Field::Status))?;
        row.insert("Status".to_owned(), Value::from(there));
    }
    if let Some(word) = known(Field::Priority) {
        let there = tables
            .priority_there(word, picklists.priority)
            .map_err(|word| lacks("priority", &word, Field::Priority))?;
        row.insert("Priority".to_owned(), Value::from(there));
    }
    match fields.get(&Field::RemindAt).filter(|_| may(Field::RemindAt)) {
        Some(FieldValue::Known(text)) => {
            let at = parse_instant(text)
                .ok_or_else(|| refusal(IssueCode::Refused, "the reminder cannot be read", Field::RemindAt))?;
            row.insert("IsReminderSet".to_owned(), Value::Bool(true));
            row.insert("ReminderDateTime".to_owned(), Value::from(instant(at)));
        }
        Some(FieldValue::Empty) => {
            row.insert("IsReminderSet".to_owned(), Value::Bool(false));
        }
        _ => {}
    }
    if may(Field::Relations)
        && let Some(relations) = wanted_relations(fields)
    {
        put_links(&mut row, &relations, shared.then_some("TaskWhoIds"), creating);
    }
    Ok(row)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use tandem_sync::model::FieldRule;
    use tandem_types::Settings;

    use super::*;

    fn profile() -> Profile {
        let mut profile = Profile::default();
        for field in Field::TASK {
            profile.fields.insert(*field, FieldRule::default());
        }
        profile
    }

    const NO_LISTS: Picklists<'_> = Picklists {
        status: &[],
        priority: &[],
    };

    #[test]
    fn a_status_that_the_organisation_lacks_is_refused_by_name() {
        let tables = Tables::of(&Settings::default());
        let status = ["Not Started".to_owned()];
        let lists = Picklists {
            status: &status,
            ..NO_LISTS
        };
        let fields = [(Field::Status, FieldValue::Known("deferred".to_owned()))].into();
        let refused = body(&profile(), &fields, &tables, lists, false, true).unwrap_err();
        assert_eq!(refused.code, IssueCode::UnknownValue);
        assert_eq!(refused.fields, [Field::Status]);
        assert!(refused.message.contains("Deferred"), "{}", refused.message);
    }

    #[test]
    fn only_plain_tasks_of_mine_are_in_scope() {
        let me = "005000000000001AAA";
        for (row, expected) in [
            (json!({"OwnerId": me, "TaskSubtype": "Task"}), Scope::In),
            (json!({"OwnerId": me, "TaskSubtype": null}), Scope::In),
            (json!({"OwnerId": me, "TaskSubtype": "Email"}), Scope::Out),
            (json!({"OwnerId": me, "TaskSubtype": "Call"}), Scope::Out),
            (json!({"OwnerId": me, "IsRecurrence": true}), Scope::Out),
            (json!({"OwnerId": "005000000000002AAA"}), Scope::Out),
        ] {
            assert_eq!(scope(me, row.as_object().unwrap()), Ok(expected), "{row}");
        }
        assert!(scope(me, &Row::new()).is_err());
    }

    #[test]
    fn when_it_was_completed_is_told_where_it_is_closed() {
        let row = json!({"IsClosed": true, "CompletedDateTime": null, "LastModifiedDate": "2026-11-21T16:22:14.000+0000"});
        let at = facts(row.as_object().unwrap()).completed.unwrap();
        assert_eq!(instant(at), "2026-11-21T16:22:14Z");
        let open = json!({"IsClosed": false, "CompletedDateTime": "2026-11-21T16:22:14.000+0000"});
        assert_eq!(facts(open.as_object().unwrap()).completed, None);
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(
            word in 0_usize..5, priority in 0_usize..3, remind in proptest::option::of(-1_000_000_000_i64..5_000_000_000),
        ) {
            let status = ["not_started", "in_progress", "waiting", "deferred", "completed"][word];
            let priority = ["low", "normal", "high"][priority];
            let remind = remind.map_or(FieldValue::Empty, |s| FieldValue::Known(instant(Timestamp::from_seconds(s))));
            let fields = [
                (Field::Status, FieldValue::Known(status.to_owned())),
                (Field::Priority, FieldValue::Known(priority.to_owned())),
                (Field::RemindAt, remind.clone()),
            ].into();
            let tables = Tables::of(&Settings::default());
            let row = body(&profile(), &fields, &tables, NO_LISTS, false, false).unwrap();
            let there = text(&row, "Status").unwrap();
            prop_assert_eq!(tables.status_word(there, Some(there == "Completed")), status);
            prop_assert_eq!(tables.priority_word(text(&row, "Priority").unwrap()), priority);
            let back = match time(&row, "ReminderDateTime") {
                Some(at) => FieldValue::Known(instant(at)),
                None => FieldValue::Empty,
            };
            prop_assert_eq!(back, remind);
        }
    }
}
