//! What one object's rows do to those of others: rules before a row is stored, side rows after it, what goes into the
//! bin together, who sees a row because of another.

use super::access::{Access, Sharing};
use super::error::ApiError;
use super::ids::Id;
use super::rows::{Draft, Fields, Lists, Row, Rows, Writer, reference};
use super::schema::{Kind, Object};
use super::value::Val;
use super::{activity, email, setup};

/// Objects of which new references must lead to live rows that the user sees.
pub(crate) fn is_of_an_activity(object: &Object) -> bool {
    matches!(
        object.name,
        "Event" | "Task" | "EventRelation" | "TaskRelation" | "EmailMessage" | "EmailMessageRelation"
    )
}

/// The object's own rules, and the values that Salesforce computes.
pub(crate) fn prepare(rows: &Rows, w: &Writer<'_>, draft: &mut Draft<'_>) -> Result<(), ApiError> {
    if draft.object.is_activity() {
        activity::prepare(rows, w, draft)?;
    }
    match draft.object.name {
        "EventRelation" => activity::prepare_event_relation(rows, w, draft),
        "TaskRelation" => activity::prepare_task_relation(rows, w, draft),
        "EmailMessage" => email::prepare(w, draft),
        "EmailMessageRelation" => email::prepare_relation(rows, w, draft),
        "ContentVersion" => email::prepare_version(w, draft),
        "ContentDocumentLink" => email::prepare_link(rows, draft),
        "Opportunity" => {
            let stage = draft.get("StageName").as_text().unwrap_or_default();
            let (won, closed) = (stage == "Closed Won", stage.starts_with("Closed"));
            draft.fields.insert("IsWon", Val::Bool(won));
            draft.fields.insert("IsClosed", Val::Bool(closed));
            Ok(())
        }
        "Case" => {
            let closed = draft.get("Status").as_text() == Some("Closed");
            draft.fields.insert("IsClosed", Val::Bool(closed));
            if draft.id.is_none() {
                let number = 1001 + rows.all("Case").count();
                draft
                    .fields
                    .insert("CaseNumber", Val::text(format!("{number:08}")));
            }
            Ok(())
        }
        "Lead" if draft.was("IsConverted").is_true() && !w.access.all => Err(ApiError::row(
            "CANNOT_UPDATE_CONVERTED_LEAD",
            "cannot update converted lead",
            &[],
        )),
        "PermissionSet" | "FieldPermissions" | "ObjectPermissions" | "PermissionSetAssignment" => {
            setup::prepare(rows, w, draft)
        }
        _ => Ok(()),
    }
}

/// Side rows of a new or changed row.
pub(crate) fn saved(
    rows: &mut Rows,
    w: &Writer<'_>,
    object: &Object,
    id: &Id,
    before: Option<&Fields>,
    lists: &Lists,
) {
    match object.name {
        "Event" => {
            activity::sync_parents(rows, w, object, id, before, lists.get("EventWhoIds"));
            activity::copy_to_children(rows, w, object, id);
        }
        "Task" => activity::sync_parents(rows, w, object, id, before, lists.get("TaskWhoIds")),
        "EventRelation" if before.is_none() => activity::relation_made(rows, w, id),
        "TaskRelation" => activity::task_relation_made(rows, w, id),
        "EmailMessage" => email::saved(rows, w, id, before, lists),
        "EmailMessageRelation" => email::relation_changed(rows, w, id),
        "ContentVersion" if before.is_none() => email::version_made(rows, w, id),
        "ContentDocumentLink" => email::refresh_attachments(rows, w, id),
        _ => {}
    }
}

/// Deletes that sharing alone does not forbid.
pub(crate) fn may_delete(rows: &Rows, w: &Writer<'_>, object: &Object, fields: &Fields) -> bool {
    let me = w.access.user.id.as_str();
    let mine = |name: &str| fields.get(name).and_then(Val::as_text) == Some(me);
    if object.name == "ContentVersion" {
        // Versions go with their document.
        return false;
    }
    if w.access.all {
        return true;
    }
    match object.name {
        "EmailMessage" => mine("CreatedById"),
        "EventRelation" => mine("RelationId") || edits_parent(rows, w, "Event", reference(fields, "EventId")),
        "TaskRelation" => edits_parent(rows, w, "Task", reference(fields, "TaskId")),
        _ => true,
    }
}

fn edits_parent(rows: &Rows, w: &Writer<'_>, name: &str, parent: Option<Id>) -> bool {
    let row = parent.as_ref().and_then(|id| rows.get(name, id));
    match (w.access.object(name), row) {
        (Some(object), Some(row)) => w.access.edits_row(object, &row.id, &row.fields),
        _ => false,
    }
}

/// An invitee answers for himself, whoever owns the event.
pub(crate) fn edits_as_guest(rows: &Rows, w: &Writer<'_>, object: &Object, fields: &Fields) -> bool {
    object.name == "EventRelation" && may_delete(rows, w, object, fields)
}

/// Children without an owner are seen by those who see their parent.
pub(crate) fn reads_by_parent(
    rows: &Rows,
    access: &Access<'_>,
    object: &Object,
    _id: &Id,
    fields: &Fields,
) -> bool {
    if access.all {
        return true;
    }
    let sees = |name: &str, field: &str| {
        let Some(id) = reference(fields, field) else {
            return true;
        };
        match (access.object(name), rows.get(name, &id)) {
            (Some(parent), Some(row)) => rows.reads(access, parent, &id, &row.fields),
            _ => true,
        }
    };
    match object.name {
        "EventRelation" | "EventWhoRelation" => sees("Event", "EventId"),
        "TaskRelation" | "TaskWhoRelation" => sees("Task", "TaskId"),
        "EmailMessageRelation" => sees("EmailMessage", "EmailMessageId"),
        "EmailMessage" => {
            fields.get("CreatedById").and_then(Val::as_text) == Some(access.user.id.as_str())
                || (sees("Task", "ActivityId") && sees("Case", "ParentId"))
        }
        _ => true,
    }
}

/// Activities are also seen by their invitees, and by those who see what they are about.
pub(crate) fn reads_as_guest(
    rows: &Rows,
    access: &Access<'_>,
    object: &Object,
    id: &Id,
    fields: &Fields,
) -> bool {
    if !object.is_activity() {
        return false;
    }
    is_invited(rows, access.user.id.as_str(), id)
        || ["WhoId", "WhatId"].iter().any(|field| {
            let Some(parent) = reference(fields, field) else {
                return false;
            };
            let target = access.by_prefix(parent.prefix());
            // Where the parent is open to everybody its activities follow their own switch.
            let restricted = target.is_some_and(|t| {
                access
                    .knobs
                    .sharing
                    .get(t.name)
                    .is_some_and(|s| *s != Sharing::ReadWrite)
            });
            match (target, target.and_then(|t| rows.get(t.name, &parent))) {
                (Some(target), Some(row)) => restricted && rows.reads(access, target, &parent, &row.fields),
                _ => false,
            }
        })
}

/// Whether a user is an invitee of an event.
pub(crate) fn is_invited(rows: &Rows, user: &str, event: &Id) -> bool {
    rows.leading("EventRelation", "EventId", event.as_str()).any(|r| {
        !r.is_deleted()
            && r.get("EventId").as_text() == Some(event.as_str())
            && r.get("RelationId").as_text() == Some(user)
    })
}

fn bin_pointing(rows: &mut Rows, w: &Writer<'_>, name: &str, field: &str, id: &Id, root: &Id) {
    let Some(object) = w.access.schema.object(name) else {
        return;
    };
    for child in rows.pointing(name, field, id) {
        rows.bin(w, object, &child, None, Some(root));
        deleted(rows, w, object, &child, root);
    }
}

/// What goes into the bin with a row.
pub(crate) fn deleted(rows: &mut Rows, w: &Writer<'_>, object: &Object, id: &Id, root: &Id) {
    let with: &[(&str, &str)] = match object.name {
        "Account" => &[
            ("Contact", "AccountId"),
            ("Opportunity", "AccountId"),
            ("Case", "AccountId"),
            ("Event", "WhatId"),
            ("Task", "WhatId"),
        ],
        "Contact" => &[("OpportunityContactRole", "ContactId")],
        "Opportunity" => &[
            ("OpportunityContactRole", "OpportunityId"),
            ("Event", "WhatId"),
            ("Task", "WhatId"),
        ],
        "Case" => &[
            ("EmailMessage", "ParentId"),
            ("Event", "WhatId"),
            ("Task", "WhatId"),
        ],
        "Event" => &[("EventRelation", "EventId"), ("Event", activity::MASTER)],
        "Task" => &[("TaskRelation", "TaskId")],
        "EmailMessage" => &[("EmailMessageRelation", "EmailMessageId")],
        "ContentDocument" => &[
            ("ContentVersion", "ContentDocumentId"),
            ("ContentDocumentLink", "ContentDocumentId"),
        ],
        _ => &[],
    };
    for (name, field) in with {
        bin_pointing(rows, w, name, field, id, root);
    }
    match object.name {
        "Contact" | "Lead" => activity::person_gone(rows, w, id, root),
        "EmailMessage" => {
            bin_pointing(rows, w, "ContentDocumentLink", "LinkedEntityId", id, root);
            let task = rows
                .get("EmailMessage", id)
                .and_then(|r| reference(&r.fields, "ActivityId"));
            if let (Some(task), Some(of)) = (task, w.access.schema.object("Task")) {
                rows.bin(w, of, &task, None, Some(root));
                deleted(rows, w, of, &task, root);
            }
        }
        "EventRelation" => activity::relation_gone(rows, w, id, root),
        "Event" => activity::child_gone(rows, w, id),
        "EmailMessageRelation" => email::relation_changed(rows, w, id),
        "ContentDocumentLink" => email::refresh_attachments(rows, w, id),
        _ => {}
    }
}

/// After a row and its company are back.
pub(crate) fn undeleted(rows: &mut Rows, w: &Writer<'_>, object: &Object, id: &Id) {
    if object.name == "Event" {
        activity::refresh_group(rows, w, id);
    }
}

/// What pointed to the loser points to the winner.
pub(crate) fn merged(rows: &mut Rows, w: &Writer<'_>, object: &Object, winner: &Id, loser: &Id) {
    for other in &w.access.schema.objects {
        for field in &other.fields {
            let points = matches!(field.kind, Kind::Reference(to, _) if to.contains(&object.name));
            if !points || field.name == "MasterRecordId" || other.table != other.name {
                continue;
            }
            for id in rows.pointing(other.name, field.name, loser) {
                let change = Fields::from([(field.name, Val::Text(winner.to_string()))]);
                rows.force(w, other, &id, change);
            }
        }
    }
}

/// A permission set, or a group, takes its permissions, assignments and places in groups with it.
pub(crate) fn set_up_gone(rows: &mut Rows, object: &Object, id: &Id) {
    let children: &[(&str, &str)] = match object.name {
        "PermissionSet" => &[
            ("FieldPermissions", "ParentId"),
            ("ObjectPermissions", "ParentId"),
            ("PermissionSetAssignment", "PermissionSetId"),
            ("PermissionSetGroupComponent", "PermissionSetId"),
        ],
        "PermissionSetGroup" => &[
            ("PermissionSetAssignment", "PermissionSetGroupId"),
            ("PermissionSetGroupComponent", "PermissionSetGroupId"),
        ],
        _ => return,
    };
    for &(name, field) in children {
        for child in rows.pointing(name, field, id) {
            rows.purge_by_name(name, &child);
        }
    }
}

/// A row that exists and is not in the bin.
pub(crate) fn live<'a>(rows: &'a Rows, object: &str, id: &Id) -> Option<&'a Row> {
    rows.get(object, id).filter(|r| !r.is_deleted())
}
