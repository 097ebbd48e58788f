//! Emails with their tasks and relations, and files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::activity::day_of;
use super::error::ApiError;
use super::ids::Id;
use super::lifecycle::live;
use super::rows::{Draft, Fields, Lists, Rows, Writer, fields_missing, no_access, reference};
use super::value::Val;

const SENT: &str = "3";
const DRAFT: &str = "5";
/// What can change in an email that is no draft.
const ALWAYS: [&str; 3] = [
    "IsExternallyVisible",
    super::schema::TANDEM_KEY,
    super::schema::DEMANDED,
];
/// What can change, too, where a client manages the email.
const BY_CLIENT: [&str; 5] = ["RelatedToId", "ToIds", "CcIds", "BccIds", "IsClientManaged"];
const LISTS: [(&str, &str); 3] = [
    ("ToIds", "ToAddress"),
    ("CcIds", "CcAddress"),
    ("BccIds", "BccAddress"),
];

/// The junction list that shows relations of that type.
pub(crate) fn relation_type(list: &str) -> Option<&'static str> {
    LISTS
        .iter()
        .find(|(name, _)| *name == list)
        .map(|(_, kind)| *kind)
}

fn wrong(message: &str, fields: &[&str]) -> ApiError {
    ApiError::row("FIELD_INTEGRITY_EXCEPTION", message, fields)
}

/// Rules of an email.
pub(crate) fn prepare(w: &Writer<'_>, draft: &mut Draft<'_>) -> Result<(), ApiError> {
    let on_case = draft.reference("ParentId").is_some();
    if draft.before.is_none() {
        if draft.reference("ActivityId").is_some() && !on_case {
            return Err(ApiError::row(
                "INSUFFICIENT_ACCESS_OR_READONLY",
                "ActivityId can only be specified for emails on cases",
                &["ActivityId"],
            ));
        }
        if draft.get("Source") == &Val::Null {
            let source = if on_case { "EmailToCase" } else { "Manual" };
            draft.fields.insert("Source", Val::text(source));
        }
        let status = draft.get("Status").as_text().unwrap_or_default();
        if !on_case && status != SENT && status != DRAFT {
            return Err(wrong(
                "Status: an email that isn't on a case is sent (3) or a draft (5)",
                &["Status"],
            ));
        }
        if on_case && draft.get("RelatedToId") == &Val::Null {
            let case = draft.get("ParentId").clone();
            draft.fields.insert("RelatedToId", case);
        }
        return Ok(());
    }
    if draft.was("Status").as_text() == Some(DRAFT) || w.access.all {
        return Ok(());
    }
    let managed = draft.was("IsClientManaged").is_true();
    let read = draft.given.contains("Status")
        && draft.was("Status").as_text() == Some("0")
        && draft.get("Status").as_text() == Some("1");
    let refused: Vec<&str> = draft
        .given
        .iter()
        .copied()
        .filter(|f| !(ALWAYS.contains(f) || managed && BY_CLIENT.contains(f) || read && *f == "Status"))
        .collect();
    if refused.is_empty() {
        return Ok(());
    }
    Err(ApiError::row(
        "INSUFFICIENT_ACCESS_OR_READONLY",
        format!(
            "An email that isn't a draft can't be edited: {}",
            refused.join(", ")
        ),
        &refused,
    ))
}

/// After an email is stored: its relations, and its task.
pub(crate) fn saved(rows: &mut Rows, w: &Writer<'_>, id: &Id, before: Option<&Fields>, lists: &Lists) {
    let Some(relation) = w.access.schema.object("EmailMessageRelation") else {
        return;
    };
    for (list, kind) in LISTS {
        let Some(people) = lists.get(list) else { continue };
        let old: Vec<(Id, Option<Id>)> = rows
            .pointing("EmailMessageRelation", "EmailMessageId", id)
            .into_iter()
            .filter_map(|r| {
                let row = rows.get("EmailMessageRelation", &r)?;
                (row.get("RelationType").as_text() == Some(kind))
                    .then(|| (r.clone(), reference(&row.fields, "RelationId")))
            })
            .collect();
        for (row, to) in &old {
            if !to.as_ref().is_some_and(|to| people.contains(to)) {
                rows.bin(w, relation, row, None, None);
            }
        }
        for person in people {
            if !old.iter().any(|(_, to)| to.as_ref() == Some(person)) {
                relate(rows, w, id, person, kind);
            }
        }
    }
    let Some(fields) = rows.get("EmailMessage", id).map(|r| r.fields.clone()) else {
        return;
    };
    if before.is_none()
        && let Some(sender) = reference(&fields, "FromId")
    {
        relate(rows, w, id, &sender, "FromAddress");
    }
    keep_task(rows, w, id, &fields, before.is_none());
}

fn relate(rows: &mut Rows, w: &Writer<'_>, email: &Id, person: &Id, kind: &str) {
    let Some(relation) = w.access.schema.object("EmailMessageRelation") else {
        return;
    };
    let target = w.access.schema.by_prefix(person.prefix());
    let address = target
        .and_then(|t| rows.get(t.name, person))
        .map_or(Val::Null, |r| r.get("Email").clone());
    rows.insert(
        w,
        relation,
        Fields::from([
            ("EmailMessageId", Val::Text(email.to_string())),
            ("RelationId", Val::Text(person.to_string())),
            ("RelationType", Val::text(kind)),
            ("RelationAddress", address),
            (
                "RelationObjectType",
                target.map_or(Val::Null, |t| Val::text(t.name)),
            ),
        ]),
    );
}

/// The first contact or lead among those whom an email names; the sender of an incoming one before its receivers.
fn person_of(rows: &Rows, email: &Id, incoming: bool) -> Option<Id> {
    let rank = |kind: &str| match kind {
        "FromAddress" if incoming => 0,
        "ToAddress" => 1,
        "CcAddress" => 2,
        "FromAddress" => 3,
        _ => 4,
    };
    let mut people: Vec<(u8, Id)> = rows
        .pointing("EmailMessageRelation", "EmailMessageId", email)
        .iter()
        .filter_map(|id| rows.get("EmailMessageRelation", id))
        .filter_map(|r| {
            let person = reference(&r.fields, "RelationId")?;
            let kind = r.get("RelationType").as_text()?;
            matches!(person.prefix(), "003" | "00Q").then(|| (rank(kind), person))
        })
        .collect();
    people.sort_by_key(|(rank, _)| *rank);
    people.into_iter().next().map(|(_, id)| id)
}

/// A sent email outside of cases has a completed task, which follows its people and its record.
fn keep_task(rows: &mut Rows, w: &Writer<'_>, id: &Id, email: &Fields, is_new: bool) {
    let Some(object) = w.access.schema.object("Task") else {
        return;
    };
    let flag = |name: &str| email.get(name).is_some_and(Val::is_true);
    let text = |name: &str| email.get(name).and_then(Val::as_text).unwrap_or_default();
    let managed = flag("IsClientManaged");
    let case_only = email.get("ParentId").is_some_and(|v| v != &Val::Null) && !managed;
    if !w.access.knobs.enhanced_email || case_only || text("Status") == DRAFT {
        return;
    }
    let who = person_of(rows, id, flag("Incoming"));
    let is_lead = who.as_ref().is_some_and(|w| w.prefix() == "00Q");
    // A task of a lead is about nothing else.
    let what = reference(email, "RelatedToId").filter(|_| !is_lead);
    let as_val = |id: &Option<Id>| id.as_ref().map_or(Val::Null, |i| Val::Text(i.to_string()));
    let account = super::activity::account_for(rows, who.as_ref(), what.as_ref());
    let links = [
        ("WhoId", as_val(&who)),
        ("WhatId", as_val(&what)),
        ("AccountId", as_val(&account)),
    ];
    if let Some(task) = reference(email, "ActivityId") {
        if !is_new {
            let before = rows.get("Task", &task).map(|r| r.fields.clone());
            let same = |(name, value): &(&'static str, Val)| {
                before.as_ref().and_then(|b| b.get(name)).unwrap_or(&Val::Null) == value
            };
            if links.iter().all(same) {
                return;
            }
            rows.force(w, object, &task, Fields::from(links));
            super::activity::sync_parents(rows, w, object, &task, before.as_ref(), None);
        }
        return;
    }
    let at = match email.get("MessageDate") {
        Some(Val::Time(ms)) => *ms,
        _ => w.now_ms.div_euclid(1000) * 1000,
    };
    let cut = |text: &str, length: usize| text.chars().take(length).collect::<String>();
    let mut fields = Fields::from([
        ("Subject", Val::text(cut(text("Subject"), 255))),
        ("Description", Val::text(cut(text("TextBody"), 32_000))),
        ("TaskSubtype", Val::text("Email")),
        ("Type", Val::text("Email")),
        ("IsClosed", Val::Bool(true)),
        ("CompletedDateTime", Val::Time(w.now_ms.div_euclid(1000) * 1000)),
        ("ActivityDate", day_of(at).map_or(Val::Null, Val::Date)),
    ]);
    let status = object.field("Status").map(|f| w.access.choices(object, f).0);
    let done = status.unwrap_or_default().into_iter().find(|c| c.closed);
    fields.insert(
        "Status",
        Val::text(done.map_or_else(|| "Completed".to_owned(), |c| c.value)),
    );
    fields.extend(links);
    let task = rows.insert(w, object, fields);
    super::activity::sync_parents(rows, w, object, &task, None, None);
    if let Some(of) = w.access.schema.object("EmailMessage") {
        rows.force(
            w,
            of,
            id,
            Fields::from([("ActivityId", Val::Text(task.to_string()))]),
        );
    }
}

/// Rules of a relation: a person or an address, once for each role.
pub(crate) fn prepare_relation(rows: &Rows, w: &Writer<'_>, draft: &mut Draft<'_>) -> Result<(), ApiError> {
    let Some(email) = draft.reference("EmailMessageId") else {
        return Ok(());
    };
    let person = draft.reference("RelationId");
    if person.is_none() && draft.get("RelationAddress") == &Val::Null {
        return Err(fields_missing(&["RelationAddress"]));
    }
    let Some(row) = live(rows, "EmailMessage", &email) else {
        return Err(ApiError::row("ENTITY_IS_DELETED", "entity is deleted", &[]));
    };
    let mine = row.get("CreatedById").as_text() == Some(w.access.user.id.as_str());
    if !mine && !w.access.all {
        return Err(no_access(&email));
    }
    let Some(person) = person else { return Ok(()) };
    let target = w.access.schema.by_prefix(person.prefix());
    if draft.get("RelationAddress") == &Val::Null {
        let address = target
            .and_then(|t| rows.get(t.name, &person))
            .map(|r| r.get("Email"));
        draft
            .fields
            .insert("RelationAddress", address.cloned().unwrap_or(Val::Null));
    }
    draft.fields.insert(
        "RelationObjectType",
        target.map_or(Val::Null, |t| Val::text(t.name)),
    );
    let again = rows
        .pointing("EmailMessageRelation", "EmailMessageId", &email)
        .iter()
        .filter_map(|id| rows.get("EmailMessageRelation", id))
        .find(|r| {
            r.get("RelationId").as_text() == Some(person.as_str())
                && r.get("RelationType") == draft.get("RelationType")
        });
    match again {
        None => Ok(()),
        Some(row) => Err(ApiError::row(
            "DUPLICATE_VALUE",
            format!(
                "duplicate value found: <unknown> duplicates value on record with id: {}",
                row.id.short()
            ),
            &[],
        )),
    }
}

/// The task of the email learns of a person who came or went.
pub(crate) fn relation_changed(rows: &mut Rows, w: &Writer<'_>, id: &Id) {
    let email = rows
        .get("EmailMessageRelation", id)
        .and_then(|r| reference(&r.fields, "EmailMessageId"));
    let Some(email) = email else { return };
    if let Some(fields) = live(rows, "EmailMessage", &email).map(|r| r.fields.clone()) {
        keep_task(rows, w, &email, &fields, false);
    }
}

/// Rules of a file: its size, its names, what it is published to.
pub(crate) fn prepare_version(w: &Writer<'_>, draft: &mut Draft<'_>) -> Result<(), ApiError> {
    if draft.id.is_some() {
        return Ok(());
    }
    let data = draft.get("VersionData").as_text().unwrap_or_default();
    let size = STANDARD.decode(data).map_or(0, |bytes| bytes.len());
    if size > w.access.knobs.file_limit {
        return Err(ApiError::row(
            "FILE_SIZE_LIMIT_EXCEEDED",
            format!("the file is larger than {} bytes", w.access.knobs.file_limit),
            &["VersionData"],
        ));
    }
    let path = draft.get("PathOnClient").as_text().unwrap_or_default().to_owned();
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    if draft.get("Title") == &Val::Null {
        let title = Val::text(if stem.is_empty() { name } else { stem });
        draft.fields.insert("Title", title);
    }
    let kind = match ending.to_lowercase().as_str() {
        "" => "UNKNOWN".to_owned(),
        "txt" => "TEXT".to_owned(),
        "docx" => "WORD_X".to_owned(),
        "xlsx" => "EXCEL_X".to_owned(),
        other => other.to_uppercase(),
    };
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    draft.fields.extend([
        ("ContentSize", Val::Int(size)),
        (
            "FileExtension",
            Val::text(ending.chars().take(40).collect::<String>()),
        ),
        ("FileType", Val::text(kind.chars().take(20).collect::<String>())),
        ("IsLatest", Val::Bool(true)),
        ("VersionNumber", Val::text("1")),
    ]);
    if draft.reference("ContentDocumentId").is_some() && draft.reference("FirstPublishLocationId").is_some() {
        return Err(wrong(
            "FirstPublishLocationId is for the first version of a document",
            &["FirstPublishLocationId"],
        ));
    }
    Ok(())
}

/// A first version brings its document, and ties it to its owner and to where it was published.
pub(crate) fn version_made(rows: &mut Rows, w: &Writer<'_>, id: &Id) {
    let (Some(version), Some(document), Some(link)) = (
        w.access.schema.object("ContentVersion"),
        w.access.schema.object("ContentDocument"),
        w.access.schema.object("ContentDocumentLink"),
    ) else {
        return;
    };
    let Some(fields) = rows.get("ContentVersion", id).map(|r| r.fields.clone()) else {
        return;
    };
    let shown: Vec<(&'static str, Val)> = ["Title", "FileExtension", "FileType", "ContentSize"]
        .into_iter()
        .map(|n| (n, fields.get(n).cloned().unwrap_or(Val::Null)))
        .chain([
            ("LatestPublishedVersionId", Val::Text(id.to_string())),
            ("ContentModifiedDate", Val::Time(w.now_ms.div_euclid(1000) * 1000)),
        ])
        .collect();
    if let Some(existing) = reference(&fields, "ContentDocumentId") {
        let versions = rows.pointing("ContentVersion", "ContentDocumentId", &existing);
        for older in versions.iter().filter(|v| *v != id) {
            rows.force(w, version, older, Fields::from([("IsLatest", Val::Bool(false))]));
        }
        let number = Val::text(versions.len().to_string());
        rows.force(w, version, id, Fields::from([("VersionNumber", number)]));
        rows.force(w, document, &existing, shown.into_iter().collect());
        return;
    }
    let owner = fields.get("OwnerId").cloned().unwrap_or(Val::Null);
    let mut made: Fields = shown.into_iter().collect();
    made.insert("OwnerId", owner.clone());
    let made = rows.insert(w, document, made);
    let made_val = Val::Text(made.to_string());
    rows.force(
        w,
        version,
        id,
        Fields::from([("ContentDocumentId", made_val.clone())]),
    );
    let place = fields.get("FirstPublishLocationId").cloned().unwrap_or(Val::Null);
    for (entity, share) in [(owner.clone(), "I"), (place, "V")] {
        if entity == Val::Null || (share == "V" && entity == owner) {
            continue;
        }
        let tie = rows.insert(
            w,
            link,
            Fields::from([
                ("ContentDocumentId", made_val.clone()),
                ("LinkedEntityId", entity),
                ("ShareType", Val::text(share)),
            ]),
        );
        refresh_attachments(rows, w, &tie);
    }
}

/// A document is tied to a record once.
pub(crate) fn prepare_link(rows: &Rows, draft: &Draft<'_>) -> Result<(), ApiError> {
    let (Some(document), Some(entity)) = (
        draft.reference("ContentDocumentId"),
        draft.reference("LinkedEntityId"),
    ) else {
        return Ok(());
    };
    let again = rows
        .pointing("ContentDocumentLink", "ContentDocumentId", &document)
        .iter()
        .filter(|id| Some(*id) != draft.id)
        .filter_map(|id| rows.get("ContentDocumentLink", id))
        .any(|r| r.get("LinkedEntityId").as_text() == Some(entity.as_str()));
    if again {
        return Err(ApiError::row(
            "DUPLICATE_VALUE",
            "duplicate value found: the document is linked with this record already",
            &[],
        ));
    }
    Ok(())
}

/// Whether an email has files shows in the email.
pub(crate) fn refresh_attachments(rows: &mut Rows, w: &Writer<'_>, link: &Id) {
    let entity = rows
        .get("ContentDocumentLink", link)
        .and_then(|r| reference(&r.fields, "LinkedEntityId"))
        .filter(|id| id.prefix() == "02s");
    let (Some(email), Some(object)) = (entity, w.access.schema.object("EmailMessage")) else {
        return;
    };
    let has = !rows
        .pointing("ContentDocumentLink", "LinkedEntityId", &email)
        .is_empty();
    let differs = live(rows, "EmailMessage", &email).is_some_and(|r| r.get("HasAttachment").is_true() != has);
    if differs {
        rows.force(
            w,
            object,
            &email,
            Fields::from([("HasAttachment", Val::Bool(has))]),
        );
    }
}
