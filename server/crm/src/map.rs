//! Salesforce's rows and the neutral records, kind by kind.

pub(crate) mod contact;
pub(crate) mod email;
pub(crate) mod event;
pub(crate) mod task;
pub(crate) mod ties;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};
use tandem_sync::model::{
    Access, Field, FieldValue, ItemId, LinkKey, Profile, Record, Relations, Scope, Snapshot, Version,
};
use tandem_types::{ItemKind, Timestamp};

use crate::describe::Described;
use crate::ids::id18;
use crate::times;
use crate::words::Tables;
use ties::Ties;

pub(crate) type Row = Map<String, Value>;

/// Whose contacts are in scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Mine,
    All,
    /// The members of a list view.
    List(Arc<HashSet<String>>),
}

/// How rows are read for one user.
pub(crate) struct Reading<'r> {
    pub(crate) described: &'r Described,
    pub(crate) me: &'r str,
    pub(crate) reach: &'r Reach,
    pub(crate) tables: &'r Tables,
}

/// A row that lacks what every row has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl Reading<'_> {
    /// The row as an item of the kind that its id and subtype say.
    pub(crate) fn snapshot(&self, row: &Row, ties: &Ties) -> Result<Snapshot, Malformed> {
        let id = id_of(row)?;
        let kind = kind_of_row(self.described, row, &id).ok_or(Malformed("a record of another kind"))?;
        let stamp = time(row, "SystemModstamp").ok_or(Malformed("a record without SystemModstamp"))?;
        let view = self.described.view(kind);
        let key = view
            .and_then(|view| view.key_field.as_deref())
            .and_then(|field| text(row, field))
            .and_then(link_key);
        let tied = ties.of(&id.0);
        let scope = match kind {
            ItemKind::Contact => contact::scope(self, row, &id)?,
            ItemKind::Event => event::scope(self.me, row, tied)?,
            ItemKind::Task => task::scope(self.me, row)?,
            ItemKind::Email => Scope::In,
        };
        let mut extra = tandem_sync::model::Extra::default();
        match kind {
            ItemKind::Event => extra.event = Some(Box::new(event::facts(self.me, row, tied))),
            ItemKind::Task => extra.task = Some(task::facts(row)),
            ItemKind::Contact | ItemKind::Email => {}
        }
        Ok(Snapshot {
            id,
            version: version(stamp, ties::mark(tied)),
            key,
            scope,
            record: self.record(kind, row, ties),
            modified: time(row, "LastModifiedDate").unwrap_or(stamp),
            created: time(row, "CreatedDate").unwrap_or(stamp),
            marked: true,
            extra,
        })
    }

    /// The mapped fields; one that the user may not read, or that the row does not have, stays unknown.
    pub(crate) fn record(&self, kind: ItemKind, row: &Row, ties: &Ties) -> Record {
        let mut record = Record::new(kind);
        let Some(view) = self.described.view(kind) else {
            return record;
        };
        let tied = text(row, "Id")
            .and_then(id18)
            .map(|id| ties.of(&id))
            .unwrap_or_default();
        for (field, rule) in &view.profile.fields {
            if rule.access == Access::None {
                continue;
            }
            let read = match kind {
                ItemKind::Contact => contact::value(*field, row),
                ItemKind::Event => event::value(self, *field, row, tied),
                ItemKind::Task => task::value(self, *field, row, tied),
                ItemKind::Email => email::value(view, *field, row),
            };
            if !read.is_unknown() {
                record.set(*field, read);
            }
        }
        record
    }
}

/// The kind of a row, from the prefix of its id; a task of the subtype Email is an email where emails are kept so.
fn kind_of_row(described: &Described, row: &Row, id: &ItemId) -> Option<ItemKind> {
    match kind_of_id(&id.0)? {
        ItemKind::Task
            if described.emails_are_tasks() && text(row, "TaskSubtype") == Some(task::EMAIL_SUBTYPE) =>
        {
            Some(ItemKind::Email)
        }
        kind => Some(kind),
    }
}

/// By the object's key prefix. Events, tasks, contacts and emails have the same in every organisation.
pub(crate) fn kind_of_id(id: &str) -> Option<ItemKind> {
    match id.get(..3)? {
        "003" => Some(ItemKind::Contact),
        "00U" => Some(ItemKind::Event),
        "00T" => Some(ItemKind::Task),
        "02s" => Some(ItemKind::Email),
        _ => None,
    }
}

/// The neutral field behind an API name in an error.
pub(crate) fn field_of(kind: ItemKind, name: &str) -> Option<Field> {
    match kind {
        ItemKind::Contact => contact::field_of(name),
        ItemKind::Event => event::field_of(name),
        ItemKind::Task => task::field_of(name),
        ItemKind::Email => email::field_of(name),
    }
}

/// Whether a field may be written now.
pub(crate) fn writable(profile: &Profile, field: Field, creating: bool) -> bool {
    profile.fields.get(&field).is_some_and(|rule| match rule.access {
        Access::ReadWrite => true,
        Access::CreateOnly => creating,
        Access::ReadOnly | Access::None => false,
    })
}

/// Plain texts of a write's body. What the profile does not let be written is left out.
pub(crate) fn texts(
    profile: &Profile,
    table: &[(Field, &'static str)],
    fields: &BTreeMap<Field, FieldValue>,
    creating: bool,
) -> Row {
    let mut row = Row::new();
    for (field, name) in table {
        if !writable(profile, *field, creating) {
            continue;
        }
        match fields.get(field) {
            Some(FieldValue::Known(text)) => {
                row.insert((*name).to_owned(), Value::from(text.as_str()));
            }
            // A new record is empty anyway.
            Some(FieldValue::Empty) if !creating => {
                row.insert((*name).to_owned(), Value::Null);
            }
            _ => {}
        }
    }
    row
}

/// The relations of a write, where it says any.
pub(crate) fn wanted_relations(fields: &BTreeMap<Field, FieldValue>) -> Option<Relations> {
    match fields.get(&Field::Relations)? {
        FieldValue::Known(text) => text.parse().ok(),
        FieldValue::Empty => Some(Relations::default()),
        FieldValue::Unknown => None,
    }
}

/// Whom and what an activity belongs to, as members of its row: nothing of it for a private one; a lead stands alone.
pub(crate) fn put_links(row: &mut Row, relations: &Relations, shared: Option<&str>, creating: bool) {
    let who = relations.who.first();
    let lead = who.is_some_and(|id| id.0.starts_with("00Q"));
    let what = relations.what.as_ref().filter(|_| !lead);
    let mut put = |name: &str, id: Option<&ItemId>| match id {
        Some(id) => {
            row.insert(name.to_owned(), Value::from(id.0.as_str()));
        }
        None if !creating => {
            row.insert(name.to_owned(), Value::Null);
        }
        None => {}
    };
    put("WhoId", who);
    put("WhatId", what);
    if let Some(list) = shared
        && (!creating || relations.who.len() > 1)
    {
        let ids: Vec<&str> = relations.who.iter().map(|id| id.0.as_str()).collect();
        row.insert(list.to_owned(), Value::from(ids));
    }
}

pub(crate) fn id_of(row: &Row) -> Result<ItemId, Malformed> {
    text(row, "Id")
        .and_then(id18)
        .map(ItemId)
        .ok_or(Malformed("a record without Id"))
}

pub(crate) fn text<'v>(row: &'v Row, name: &str) -> Option<&'v str> {
    row.get(name)?.as_str()
}

pub(crate) fn flag(row: &Row, name: &str) -> Option<bool> {
    row.get(name)?.as_bool()
}

pub(crate) fn reference(row: &Row, name: &str) -> Option<String> {
    text(row, name).and_then(id18)
}

pub(crate) fn time(row: &Row, name: &str) -> Option<Timestamp> {
    text(row, name).and_then(times::parse)
}

pub(crate) fn is_deleted(row: &Row) -> bool {
    flag(row, "IsDeleted").unwrap_or(false)
}

/// The winner of a merge that this row lost.
pub(crate) fn merged_into(row: &Row) -> Option<ItemId> {
    reference(row, "MasterRecordId").map(ItemId)
}

/// One spelling, whichever endpoint the row came from. An event's relations move no stamp of the event: they add a mark
/// of their own.
pub(crate) fn version(stamp: Timestamp, mark: Option<String>) -> Version {
    let mut text = times::literal(stamp);
    if let Some(mark) = mark {
        text.push(';');
        text.push_str(&mark);
    }
    Version(text)
}

/// A member of a row as text.
pub(crate) fn value(value: Option<&Value>) -> FieldValue {
    match value {
        Some(Value::String(text)) => FieldValue::from_text(text.replace("\r\n", "\n").replace('\r', "\n")),
        Some(Value::Null) => FieldValue::Empty,
        _ => FieldValue::Unknown,
    }
}

/// Yes or no.
pub(crate) fn yes(value: Option<bool>) -> FieldValue {
    match value {
        Some(true) => FieldValue::Known("yes".to_owned()),
        Some(false) => FieldValue::Known("no".to_owned()),
        None => FieldValue::Unknown,
    }
}

/// Only what can be one of our keys: someone else may have filled the field.
fn link_key(text: &str) -> Option<LinkKey> {
    let ours = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    ours.then(|| LinkKey(text.to_ascii_lowercase()))
}

/// Which field of Salesforce holds each neutral field of a kind, as the settings page tells it. Where several hold one
/// value (when an event is), the first of them.
pub fn mapping(kind: ItemKind) -> Vec<(Field, &'static str)> {
    match kind {
        ItemKind::Contact => {
            let mut rows = contact::FIELDS.to_vec();
            rows.push((Field::Company, "Account"));
            rows
        }
        ItemKind::Event => event::CARRIERS.to_vec(),
        ItemKind::Task => task::CARRIERS.to_vec(),
        ItemKind::Email => email::CARRIERS.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_their_prefix() {
        for (id, kind) in [
            ("003000000000001AAA", Some(ItemKind::Contact)),
            ("00U000000000001AAA", Some(ItemKind::Event)),
            ("00T000000000001AAA", Some(ItemKind::Task)),
            ("02s000000000001AAA", Some(ItemKind::Email)),
            ("001000000000001AAA", None),
            ("0", None),
            ("", None),
            ("ää", None),
        ] {
            assert_eq!(kind_of_id(id), kind, "{id}");
        }
    }

    #[test]
    fn a_lead_stands_alone_and_the_others_follow_the_first() {
        let relations = |text: &str| text.parse::<Relations>().unwrap();
        let put = |text: &str, shared, creating| {
            let mut row = Row::new();
            put_links(&mut row, &relations(text), shared, creating);
            Value::Object(row)
        };
        assert_eq!(
            put("who=00Q000000000001AAA;what=006000000000001AAA", None, true),
            serde_json::json!({"WhoId": "00Q000000000001AAA"})
        );
        assert_eq!(
            put("who=00Q000000000001AAA;what=006000000000001AAA", None, false),
            serde_json::json!({"WhoId": "00Q000000000001AAA", "WhatId": null})
        );
        assert_eq!(
            put("who=0032,0031", Some("EventWhoIds"), true),
            serde_json::json!({"WhoId": "0032", "EventWhoIds": ["0032", "0031"]})
        );
        assert_eq!(
            put("", Some("TaskWhoIds"), false),
            serde_json::json!({"WhoId": null, "WhatId": null, "TaskWhoIds": []})
        );
    }
}
