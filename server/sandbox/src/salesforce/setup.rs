//! Permissions, and the lists that follow from the organisation's settings.

use std::collections::BTreeMap;

use super::access::KeyField;
use super::error::ApiError;
use super::ids::Id;
use super::rows::{Draft, Fields, Rows, Writer, reference};
use super::schema::{FieldSet, TANDEM_KEY};
use super::state::State;
use super::value::Val;

/// The objects that have the key where *Activity* has it.
pub(crate) const ACTIVITIES: [&str; 2] = ["Event", "Task"];

fn duplicate(code: &'static str, message: impl Into<String>, fields: &[&str]) -> ApiError {
    ApiError::row(code, message, fields)
}

/// Rules of permission sets and of what they hold.
pub(crate) fn prepare(rows: &Rows, w: &Writer<'_>, draft: &mut Draft<'_>) -> Result<(), ApiError> {
    let same = |table: &str, fields: &[&str]| {
        rows.all(table)
            .filter(|r| Some(&r.id) != draft.id)
            .find(|r| fields.iter().all(|f| r.get(f) == draft.get(f)))
            .map(|r| r.id.clone())
    };
    let again = |id: &Id| {
        format!(
            "duplicate value found: <unknown> duplicates value on record with id: {}",
            id.short()
        )
    };
    match draft.object.name {
        "PermissionSet" => {
            let name = draft.get("Name").as_text().unwrap_or_default();
            let plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && !name.ends_with('_')
                && !name.contains("__");
            if !plain {
                return Err(ApiError::row(
                    "INVALID_INPUT",
                    "The name can only contain underscores and alphanumeric characters, must begin with a letter, and \
                     not end with an underscore or hold two in a row",
                    &["Name"],
                ));
            }
            if same("PermissionSet", &["Name"]).is_some() {
                return Err(duplicate(
                    "DUPLICATE_DEVELOPER_NAME",
                    format!("There is already a permission set named {name}"),
                    &["Name"],
                ));
            }
            draft.fields.insert("IsCustom", Val::Bool(true));
        }
        "FieldPermissions" => {
            let field = draft.get("Field").as_text().unwrap_or_default();
            let known = field
                .split_once('.')
                .filter(|(object, _)| draft.get("SobjectType").as_text() == Some(object))
                .and_then(|(object, name)| {
                    let object = w.access.object(object)?;
                    object.field(name).filter(|f| w.access.exists(object, f))
                })
                .is_some_and(|f| f.create && f.nillable);
            if !known {
                return Err(ApiError::row(
                    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
                    format!("Field Name: bad value for restricted picklist field: {field}"),
                    &["Field"],
                ));
            }
            if !draft.get("PermissionsRead").is_true() {
                return Err(ApiError::row(
                    "FIELD_INTEGRITY_EXCEPTION",
                    "Permission to edit a field needs the permission to read it, and one of them must be given",
                    &["PermissionsRead"],
                ));
            }
            if let Some(other) = same("FieldPermissions", &["ParentId", "Field"]) {
                return Err(duplicate("DUPLICATE_VALUE", again(&other), &[]));
            }
        }
        "ObjectPermissions" => {
            if let Some(other) = same("ObjectPermissions", &["ParentId", "SobjectType"]) {
                return Err(duplicate("DUPLICATE_VALUE", again(&other), &[]));
            }
        }
        _ => {
            let given = |field: &str| *draft.get(field) != Val::Null;
            if given("PermissionSetId") == given("PermissionSetGroupId") {
                return Err(ApiError::row(
                    "FIELD_INTEGRITY_EXCEPTION",
                    "Either a permission set or a permission set group is assigned",
                    &["PermissionSetId", "PermissionSetGroupId"],
                ));
            }
            let of = ["PermissionSetId", "PermissionSetGroupId", "AssigneeId"];
            if let Some(other) = same("PermissionSetAssignment", &of) {
                return Err(duplicate("DUPLICATE_VALUE", again(&other), &[]));
            }
            draft.fields.insert("IsActive", Val::Bool(true));
        }
    }
    Ok(())
}

impl State {
    /// Which fields the permission sets open for whom.
    pub(crate) fn refresh_permissions(&mut self) {
        let mut by_set: BTreeMap<Id, (FieldSet, FieldSet)> = BTreeMap::new();
        for row in self.rows.all("FieldPermissions") {
            let (Some(set), Some(field)) = (reference(&row.fields, "ParentId"), row.get("Field").as_text())
            else {
                continue;
            };
            let (read, edit) = by_set.entry(set).or_default();
            if row.get("PermissionsRead").is_true() {
                read.insert(field.to_lowercase());
            }
            if row.get("PermissionsEdit").is_true() {
                edit.insert(field.to_lowercase());
            }
        }
        for user in &mut self.users {
            user.opened.clear();
            user.opened_for_edit.clear();
        }
        for row in self.rows.all("PermissionSetAssignment") {
            let assignee = reference(&row.fields, "AssigneeId");
            let set = reference(&row.fields, "PermissionSetId").and_then(|s| by_set.get(&s));
            let user = self.users.iter_mut().find(|u| Some(&u.id) == assignee.as_ref());
            if let (Some((read, edit)), Some(user)) = (set, user) {
                user.opened.extend(read.iter().cloned());
                user.opened_for_edit.extend(edit.iter().cloned());
            }
        }
    }

    /// Gives the key to an object, or takes it away.
    pub(crate) fn set_key(&mut self, object: &'static str, on: bool, everyone: bool, exact: bool) {
        if !on {
            self.knobs.keys.remove(object);
            // A field that is deleted takes its permissions with it.
            let field = format!("{object}.{TANDEM_KEY}");
            let gone: Vec<Id> = self
                .rows
                .all("FieldPermissions")
                .filter(|r| r.get("Field").as_text() == Some(field.as_str()))
                .map(|r| r.id.clone())
                .collect();
            for id in gone {
                self.rows.purge_by_name("FieldPermissions", &id);
            }
        } else if !self.knobs.keys.contains_key(object) {
            // Events and tasks have one field together.
            let shared = ACTIVITIES
                .iter()
                .filter(|_| ACTIVITIES.contains(&object))
                .find_map(|name| self.knobs.keys.get(name).map(|k| k.id.clone()));
            let id = shared.unwrap_or_else(|| self.rows.next_id("00N"));
            let key = KeyField { id, everyone, exact };
            self.knobs.keys.insert(object, key);
        }
        self.list_custom_fields();
    }

    fn list_custom_fields(&mut self) {
        let mut rows: Vec<(Id, Fields)> = Vec::new();
        for (object, key) in &self.knobs.keys {
            if rows.iter().any(|(id, _)| *id == key.id) {
                continue;
            }
            let table = if ACTIVITIES.contains(object) {
                "Activity"
            } else {
                object
            };
            rows.push((
                key.id.clone(),
                Fields::from([
                    ("DeveloperName", Val::text(TANDEM_KEY.trim_end_matches("__c"))),
                    ("TableEnumOrId", Val::text(table)),
                ]),
            ));
        }
        self.rows.replace("CustomField", rows);
    }

    /// The rows that show the statuses and priorities of tasks.
    pub(crate) fn list_choices(&mut self, now_ms: i64) {
        for (table, name, prefix) in [
            ("TaskStatus", "Status", "01U"),
            ("TaskPriority", "Priority", "01W"),
        ] {
            let Some(task) = self.schema.object("Task") else {
                return;
            };
            let Some(field) = task.field(name) else { return };
            let access = super::access::Access {
                schema: &self.schema,
                knobs: &self.knobs,
                user: &self.users[0],
                all: true,
            };
            let (choices, _) = access.choices(task, field);
            let mut rows = Vec::new();
            for (n, choice) in choices.iter().enumerate() {
                let mut fields = Fields::from([
                    ("MasterLabel", Val::text(choice.value.clone())),
                    ("ApiName", Val::text(choice.value.clone())),
                    ("SortOrder", Val::Int(i64::try_from(n + 1).unwrap_or_default())),
                    ("IsDefault", Val::Bool(choice.default)),
                    ("CreatedDate", Val::Time(now_ms)),
                    ("LastModifiedDate", Val::Time(now_ms)),
                    ("SystemModstamp", Val::Time(now_ms)),
                ]);
                let (flag, is) = if table == "TaskStatus" {
                    ("IsClosed", choice.closed)
                } else {
                    ("IsHighPriority", choice.value == "High")
                };
                fields.insert(flag, Val::Bool(is));
                rows.push((self.rows.next_id(prefix), fields));
            }
            self.rows.replace(table, rows);
        }
    }
}
