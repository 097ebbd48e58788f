//! Events and tasks: what they may hold, what follows from it, and whom they are tied to.

use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};

use super::error::ApiError;
use super::ids::Id;
use super::lifecycle::live;
use super::rows::{Draft, Fields, Rows, Writer, fields_missing, no_access, reference};
use super::schema::Object;
use super::value::Val;

/// The event of which an invitee's copy is one; no field of any object.
pub(crate) const MASTER: &str = "~Master";
const MINUTE_MS: i64 = 60 * 1000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
const DAY_MINUTES: i64 = 24 * 60;
/// Minutes of the longest event.
const LONGEST: i64 = 14 * DAY_MINUTES;
const MOST_CONTACTS: usize = 50;
const MOST_INVITEES: usize = 1000;

fn wrong(message: &str, fields: &[&str]) -> ApiError {
    ApiError::row("FIELD_INTEGRITY_EXCEPTION", message, fields)
}

/// Midnight of that day, UTC.
fn midnight(date: Date) -> Option<i64> {
    date.to_zoned(TimeZone::UTC)
        .ok()
        .map(|z| z.timestamp().as_millisecond())
}

/// The day of a time, UTC.
pub(crate) fn day_of(ms: i64) -> Option<Date> {
    Timestamp::from_millisecond(ms)
        .ok()
        .map(|t| t.to_zoned(TimeZone::UTC).date())
}

fn floor_day(ms: i64) -> i64 {
    ms.div_euclid(DAY_MS) * DAY_MS
}

fn time(fields: &Fields, name: &str) -> Option<i64> {
    match fields.get(name) {
        Some(Val::Time(ms)) => Some(*ms),
        _ => None,
    }
}

fn int(fields: &Fields, name: &str) -> Option<i64> {
    match fields.get(name) {
        Some(Val::Int(n)) => Some(*n),
        _ => None,
    }
}

fn text(fields: &Fields, name: &str) -> Option<String> {
    fields.get(name).and_then(Val::as_text).map(str::to_owned)
}

/// Rules of events and of tasks.
pub(crate) fn prepare(rows: &Rows, w: &Writer<'_>, draft: &mut Draft<'_>) -> Result<(), ApiError> {
    if draft.was(MASTER) != &Val::Null {
        prepare_child(draft)?;
        prepare_reminder(draft);
        return Ok(());
    }
    if draft.object.name == "Event" {
        prepare_times(draft)?;
    } else {
        prepare_task(w, draft)?;
    }
    prepare_reminder(draft);
    prepare_record_type(rows, w, draft)?;
    prepare_links(rows, w, draft)
}

/// Of his copy an invitee can set the reminder only.
fn prepare_child(draft: &Draft<'_>) -> Result<(), ApiError> {
    let own = ["IsReminderSet", "ReminderDateTime"];
    match draft.given.iter().find(|f| !own.contains(f)) {
        None => Ok(()),
        Some(field) => Err(ApiError::row(
            "INSUFFICIENT_ACCESS_OR_READONLY",
            format!("{field} cannot be changed in a child event: change the event of the organizer"),
            &[field],
        )),
    }
}

/// Start, end, duration and day agree, and make an event of at most 14 days.
fn prepare_times(draft: &mut Draft<'_>) -> Result<(), ApiError> {
    let given = |name: &str| {
        draft
            .given
            .contains(name)
            .then(|| time(&draft.fields, name))
            .flatten()
    };
    let (start, due, end) = (
        given("StartDateTime"),
        given("ActivityDateTime"),
        given("EndDateTime"),
    );
    let day = match draft.get("ActivityDate") {
        Val::Date(date) if draft.given.contains("ActivityDate") => midnight(*date),
        _ => None,
    };
    let minutes = draft
        .given
        .contains("DurationInMinutes")
        .then(|| int(&draft.fields, "DurationInMinutes"))
        .flatten();
    let old_start = draft.before.as_ref().and_then(|f| time(f, "StartDateTime"));
    let old_minutes = draft.before.as_ref().and_then(|f| int(f, "DurationInMinutes"));
    let length_field = if minutes.is_some() {
        "DurationInMinutes"
    } else {
        "EndDateTime"
    };
    if let (Some(start), Some(due)) = (start, due)
        && start != due
    {
        return Err(wrong(
            "StartDateTime and ActivityDateTime must match, or one of them must be null",
            &["ActivityDateTime"],
        ));
    }
    if minutes.is_some_and(|m| m < 0) {
        return Err(wrong("Event duration can't be negative", &["DurationInMinutes"]));
    }
    let too_long = || wrong("An event can't last longer than 14 days.", &[length_field]);
    if minutes.is_some_and(|m| m > LONGEST) {
        return Err(too_long());
    }
    let disagree = || {
        wrong(
            "DurationInMinutes and EndDateTime must make the same end of the event",
            &["DurationInMinutes", "EndDateTime"],
        )
    };
    let (start, end, minutes) = if draft.get("IsAllDayEvent").is_true() {
        let first = start.or(due).map(floor_day);
        if let (Some(first), Some(day)) = (first, day)
            && first != day
        {
            return Err(wrong(
                "StartDateTime and ActivityDate must match, or one of them must be null",
                &["ActivityDate"],
            ));
        }
        let Some(first) = first.or(day).or(old_start.map(floor_day)) else {
            return Err(fields_missing(&["ActivityDate"]));
        };
        let days_of = |minutes: i64| ((minutes + DAY_MINUTES - 1) / DAY_MINUTES).max(1);
        let days = match (end, minutes) {
            (Some(end), _) => (floor_day(end) - first) / DAY_MS + 1,
            (None, Some(minutes)) => days_of(minutes),
            (None, None) => days_of(old_minutes.unwrap_or(DAY_MINUTES)),
        };
        if end.is_some() && minutes.is_some_and(|m| days_of(m) != days) {
            return Err(disagree());
        }
        // The last day, not the one after.
        (first, first + (days - 1) * DAY_MS, days * DAY_MINUTES)
    } else {
        let Some(first) = start.or(due).or(old_start) else {
            return Err(if end.is_some() || minutes.is_some() {
                fields_missing(&["ActivityDateTime"])
            } else {
                fields_missing(&["DurationInMinutes", "ActivityDateTime"])
            });
        };
        let Some(last) = end.or_else(|| minutes.or(old_minutes).map(|m| first + m * MINUTE_MS)) else {
            return Err(fields_missing(&["DurationInMinutes"]));
        };
        let length = (last - first).div_euclid(MINUTE_MS);
        if end.is_some() && minutes.is_some_and(|m| m != length) {
            return Err(disagree());
        }
        (first, last, length)
    };
    if minutes < 0 || end < start {
        return Err(wrong("Event duration can't be negative", &[length_field]));
    }
    if minutes > LONGEST {
        return Err(too_long());
    }
    let date = |ms: i64| day_of(ms).map_or(Val::Null, Val::Date);
    let all_day = draft.get("IsAllDayEvent").is_true();
    draft.fields.extend([
        ("StartDateTime", Val::Time(start)),
        ("ActivityDate", date(start)),
        ("EndDateTime", Val::Time(end)),
        ("EndDate", date(end)),
        ("DurationInMinutes", Val::Int(minutes)),
    ]);
    // An all-day event is due on a day, at no time.
    let due = if all_day { Val::Null } else { Val::Time(start) };
    draft.fields.insert("ActivityDateTime", due);
    if draft.get("GroupEventType") == &Val::Null {
        draft.fields.insert("GroupEventType", Val::text("0"));
    }
    Ok(())
}

fn prepare_task(w: &Writer<'_>, draft: &mut Draft<'_>) -> Result<(), ApiError> {
    let empty: Vec<&str> = ["Status", "Priority"]
        .into_iter()
        .filter(|f| draft.get(f) == &Val::Null)
        .collect();
    if !empty.is_empty() {
        return Err(fields_missing(&empty));
    }
    let chosen = |name: &str| {
        let field = draft.object.field(name)?;
        let (choices, _) = w.access.choices(draft.object, field);
        let value = draft.get(name).as_text()?;
        choices.into_iter().find(|c| c.value == value)
    };
    let closed = chosen("Status").is_some_and(|c| c.closed);
    let high = draft.get("Priority").as_text() == Some("High");
    let was_closed = draft.was("IsClosed").is_true();
    if closed && !was_closed {
        draft
            .fields
            .insert("CompletedDateTime", Val::Time(w.now_ms.div_euclid(1000) * 1000));
    } else if !closed {
        draft.fields.insert("CompletedDateTime", Val::Null);
    }
    draft.fields.insert("IsClosed", Val::Bool(closed));
    draft.fields.insert("IsHighPriority", Val::Bool(high));
    Ok(())
}

/// No reminder has no time; an event's reminder without a time comes 15 minutes before it.
fn prepare_reminder(draft: &mut Draft<'_>) {
    if !draft.get("IsReminderSet").is_true() {
        if draft.given.contains("IsReminderSet") {
            draft.fields.insert("ReminderDateTime", Val::Null);
        }
        return;
    }
    if draft.get("ReminderDateTime") == &Val::Null
        && let Some(start) = time(&draft.fields, "StartDateTime")
    {
        draft
            .fields
            .insert("ReminderDateTime", Val::Time(start - 15 * MINUTE_MS));
    }
}

fn prepare_record_type(rows: &Rows, w: &Writer<'_>, draft: &mut Draft<'_>) -> Result<(), ApiError> {
    if !w.access.knobs.record_types {
        return Ok(());
    }
    let of_object = |name: &str| {
        rows.all("RecordType")
            .filter(|r| r.get("SobjectType").as_text() == Some(draft.object.name))
            .find(|r| r.get("DeveloperName").as_text() == Some(name))
            .map(|r| r.id.clone())
    };
    let Some(chosen) = draft.reference("RecordTypeId") else {
        if let Some(standard) = of_object("Standard") {
            draft
                .fields
                .insert("RecordTypeId", Val::Text(standard.to_string()));
        }
        return Ok(());
    };
    let restricted = of_object("Restricted").as_ref() == Some(&chosen);
    let known = restricted || of_object("Standard").as_ref() == Some(&chosen);
    let may = w.access.user.admin || w.access.all;
    if !known || (restricted && !may && draft.given.contains("RecordTypeId")) {
        return Err(ApiError::row(
            "INVALID_CROSS_REFERENCE_KEY",
            format!(
                "Record Type ID: this ID value isn't valid for the user: {}",
                chosen.short()
            ),
            &["RecordTypeId"],
        ));
    }
    Ok(())
}

/// People and the record: what goes together, and the account that follows.
fn prepare_links(rows: &Rows, w: &Writer<'_>, draft: &mut Draft<'_>) -> Result<(), ApiError> {
    let list = if draft.object.name == "Event" {
        "EventWhoIds"
    } else {
        "TaskWhoIds"
    };
    if let Some(people) = draft.lists.get(list).cloned() {
        let leads = people.iter().filter(|p| p.prefix() == "00Q").count();
        if people.len() > MOST_CONTACTS || leads > 1 || (leads == 1 && people.len() > 1) {
            return Err(wrong(
                "An activity can have one lead or up to 50 contacts",
                &[list],
            ));
        }
        let named = draft.reference("WhoId").filter(|_| draft.given.contains("WhoId"));
        let first = match named {
            Some(who) if people.contains(&who) => Some(who),
            Some(_) => {
                return Err(wrong("WhoId must be one of the people of the list", &["WhoId"]));
            }
            None => people.first().cloned(),
        };
        let first = first.map_or(Val::Null, |id| Val::Text(id.to_string()));
        draft.fields.insert("WhoId", first);
    }
    let (who, what) = (draft.reference("WhoId"), draft.reference("WhatId"));
    if draft.get("IsPrivate").is_true() && (who.is_some() || what.is_some()) && !w.access.all {
        return Err(wrong(
            "A private event can't be related to other records",
            &["IsPrivate"],
        ));
    }
    if who.as_ref().is_some_and(|w| w.prefix() == "00Q") && what.is_some() {
        return Err(wrong(
            "Related To ID must be empty if the name is a lead",
            &["WhatId"],
        ));
    }
    let account = account_for(rows, who.as_ref(), what.as_ref());
    draft.fields.insert(
        "AccountId",
        account.map_or(Val::Null, |id| Val::Text(id.to_string())),
    );
    Ok(())
}

/// The account that follows from a person and a record.
pub(crate) fn account_for(rows: &Rows, who: Option<&Id>, what: Option<&Id>) -> Option<Id> {
    let of = |name: &str, id: &Id| reference(&rows.get(name, id)?.fields, "AccountId");
    match what {
        Some(id) if id.prefix() == "001" => Some(id.clone()),
        Some(id) if id.prefix() == "006" => of("Opportunity", id),
        Some(_) | None => of("Contact", who?),
    }
}

/// The row that ties somebody or something to an activity.
fn relation_of(rows: &Rows, table: &str, field: &str, activity: &Id, to: &Id) -> Option<Id> {
    rows.leading(table, field, activity.as_str())
        .filter(|r| !r.is_deleted() && r.get(field).as_text() == Some(activity.as_str()))
        .find(|r| r.get("RelationId").as_text() == Some(to.as_str()))
        .map(|r| r.id.clone())
}

/// With Shared Activities the people and the record of an activity are rows of their own.
pub(crate) fn sync_parents(
    rows: &mut Rows,
    w: &Writer<'_>,
    object: &Object,
    id: &Id,
    before: Option<&Fields>,
    people: Option<&Vec<Id>>,
) {
    if !w.access.knobs.shared_activities {
        return;
    }
    let (table, field) = if object.name == "Event" {
        ("EventRelation", "EventId")
    } else {
        ("TaskRelation", "TaskId")
    };
    let (Some(relation), Some(row)) = (w.access.schema.object(table), rows.get(object.name, id)) else {
        return;
    };
    let (who, what) = (reference(&row.fields, "WhoId"), reference(&row.fields, "WhatId"));
    if row.get(MASTER) != &Val::Null {
        return;
    }
    let is_parent = |r: &Fields| table == "TaskRelation" || r.get("IsParent").is_some_and(Val::is_true);
    let now: Vec<(Id, Id, bool)> = rows
        .leading(table, field, id.as_str())
        .filter(|r| !r.is_deleted() && r.get(field).as_text() == Some(id.as_str()))
        .filter(|r| is_parent(&r.fields))
        .filter_map(|r| {
            Some((
                r.id.clone(),
                reference(&r.fields, "RelationId")?,
                r.get("IsWhat").is_true(),
            ))
        })
        .collect();
    let mut wanted: Vec<(Id, bool)> = Vec::new();
    if let Some(people) = people {
        wanted.extend(people.iter().map(|p| (p.clone(), false)));
    } else if let Some(who) = who {
        // Another first person takes the place of the one before; the rest stay.
        let old = before.and_then(|f| reference(f, "WhoId"));
        let others = now
            .iter()
            .filter(|(_, to, what)| !what && Some(to) != old.as_ref());
        wanted.push((who, false));
        wanted.extend(others.map(|(_, to, _)| (to.clone(), false)));
    }
    wanted.extend(what.map(|w| (w, true)));
    for (row, to, _) in &now {
        if wanted.iter().any(|(id, _)| id == to) {
            continue;
        }
        let invited = rows.get(table, row).is_some_and(|r| r.get("IsInvitee").is_true());
        if invited {
            rows.force(w, relation, row, Fields::from([("IsParent", Val::Bool(false))]));
        } else {
            rows.bin(w, relation, row, None, None);
        }
    }
    for (to, is_what) in wanted {
        if now.iter().any(|(_, have, _)| *have == to) {
            continue;
        }
        if let Some(row) = relation_of(rows, table, field, id, &to) {
            rows.force(w, relation, &row, Fields::from([("IsParent", Val::Bool(true))]));
            continue;
        }
        let mut fields = Fields::from([
            (field, Val::Text(id.to_string())),
            ("RelationId", Val::Text(to.to_string())),
            ("IsWhat", Val::Bool(is_what)),
        ]);
        if table == "EventRelation" {
            fields.insert("IsParent", Val::Bool(true));
        }
        rows.insert(w, relation, fields);
    }
}

/// Invitees' copies say what the organizer's event says, but for owner and reminder.
pub(crate) fn copy_to_children(rows: &mut Rows, w: &Writer<'_>, object: &Object, id: &Id) {
    let Some(master) = rows.get("Event", id).map(|r| r.fields.clone()) else {
        return;
    };
    for child in rows.pointing("Event", MASTER, id) {
        let Some(own) = rows.get("Event", &child).map(|r| r.fields.clone()) else {
            continue;
        };
        rows.force(w, object, &child, child_of(&master, id, Some(&own)));
    }
}

fn child_of(master: &Fields, id: &Id, own: Option<&Fields>) -> Fields {
    let mut fields = master.clone();
    let kept = [
        "CreatedDate",
        "CreatedById",
        "OwnerId",
        "IsReminderSet",
        "ReminderDateTime",
        "IsDeleted",
        super::schema::TANDEM_KEY,
    ];
    for name in kept {
        fields.remove(name);
        if let Some(value) = own.and_then(|o| o.get(name)) {
            fields.insert(name, value.clone());
        }
    }
    fields.extend([(MASTER, Val::Text(id.to_string())), ("IsChild", Val::Bool(true))]);
    fields
}

/// Rules of an invitation, or of another tie of an event.
pub(crate) fn prepare_event_relation(
    rows: &Rows,
    w: &Writer<'_>,
    draft: &mut Draft<'_>,
) -> Result<(), ApiError> {
    let (Some(event), Some(to)) = (draft.reference("EventId"), draft.reference("RelationId")) else {
        return Ok(());
    };
    let Some(row) = live(rows, "Event", &event) else {
        return Err(ApiError::row("ENTITY_IS_DELETED", "entity is deleted", &[]));
    };
    if draft.id.is_some() {
        return Ok(());
    }
    if row.get(MASTER) != &Val::Null {
        return Err(wrong(
            "An EventRelation can't be created for a child event",
            &["EventId"],
        ));
    }
    let may = w
        .access
        .object("Event")
        .is_some_and(|o| w.access.edits_row(o, &event, &row.fields));
    if !may {
        return Err(no_access(&event));
    }
    let is_parent = draft.get("IsParent").is_true();
    if !draft.given.contains("IsInvitee") {
        draft.fields.insert("IsInvitee", Val::Bool(!is_parent));
    }
    let invited = draft.get("IsInvitee").is_true();
    if !invited && !is_parent {
        return Err(wrong(
            "A relation is an invitee, a parent, or both",
            &["IsInvitee"],
        ));
    }
    let is_what = matches!(to.prefix(), "001" | "006" | "500");
    if (is_what && invited) || (to.prefix() == "005" && is_parent) {
        return Err(wrong("This record can't have this relation", &["RelationId"]));
    }
    draft.fields.insert("IsWhat", Val::Bool(is_what));
    if row.get("OwnerId").as_text() == Some(to.as_str()) {
        return Err(wrong("The owner of an event is not its invitee", &["RelationId"]));
    }
    if relation_of(rows, "EventRelation", "EventId", &event, &to).is_some() {
        return Err(ApiError::row(
            "DUPLICATE_VALUE",
            format!(
                "duplicate value found: <unknown> duplicates value on record with id: {}",
                to.short()
            ),
            &[],
        ));
    }
    let invitees = rows
        .pointing("EventRelation", "EventId", &event)
        .iter()
        .filter_map(|id| rows.get("EventRelation", id))
        .filter(|r| r.get("IsInvitee").is_true())
        .count();
    if invited && invitees >= MOST_INVITEES {
        return Err(ApiError::row(
            "LIMIT_EXCEEDED",
            "An event can't have more than 1,000 invitees",
            &[],
        ));
    }
    Ok(())
}

/// A new tie: a user gets a copy of the event.
pub(crate) fn relation_made(rows: &mut Rows, w: &Writer<'_>, id: &Id) {
    let Some(fields) = rows.get("EventRelation", id).map(|r| r.fields.clone()) else {
        return;
    };
    let (Some(event), Some(to)) = (reference(&fields, "EventId"), reference(&fields, "RelationId")) else {
        return;
    };
    let (Some(object), Some(master)) = (
        w.access.schema.object("Event"),
        rows.get("Event", &event).map(|r| r.fields.clone()),
    ) else {
        return;
    };
    if to.prefix() == "005" {
        let mut child = child_of(&master, &event, None);
        child.insert("OwnerId", Val::Text(to.to_string()));
        rows.insert(w, object, child);
    }
    if fields.get("IsParent").is_some_and(Val::is_true) {
        let field = if matches!(to.prefix(), "003" | "00Q") {
            "WhoId"
        } else {
            "WhatId"
        };
        if text(&master, field).is_none() {
            rows.force(
                w,
                object,
                &event,
                Fields::from([(field, Val::Text(to.to_string()))]),
            );
        }
    }
    refresh_group(rows, w, &event);
}

/// Whether an event has invitees shows in the event and in its copies.
pub(crate) fn refresh_group(rows: &mut Rows, w: &Writer<'_>, event: &Id) {
    let Some(object) = w.access.schema.object("Event") else {
        return;
    };
    let group = rows.leading("EventRelation", "EventId", event.as_str()).any(|r| {
        !r.is_deleted() && r.get("IsInvitee").is_true() && r.get("EventId").as_text() == Some(event.as_str())
    });
    let Some(row) = live(rows, "Event", event) else {
        return;
    };
    if row.get("IsGroupEvent").is_true() != group {
        let change = Fields::from([
            ("IsGroupEvent", Val::Bool(group)),
            ("GroupEventType", Val::text(if group { "1" } else { "0" })),
        ]);
        rows.force(w, object, event, change);
    }
    copy_to_children(rows, w, object, event);
}

/// An invitation is withdrawn: the copy goes; a first person who goes leaves the place to the next. Without Shared
/// Activities the rows are invitations and nothing else: whom the event is about stands in the event alone.
pub(crate) fn relation_gone(rows: &mut Rows, w: &Writer<'_>, id: &Id, root: &Id) {
    let Some(fields) = rows.get("EventRelation", id).map(|r| r.fields.clone()) else {
        return;
    };
    let (Some(event), Some(to)) = (reference(&fields, "EventId"), reference(&fields, "RelationId")) else {
        return;
    };
    let Some(object) = w.access.schema.object("Event") else {
        return;
    };
    if live(rows, "Event", &event).is_none() {
        return;
    }
    for child in rows.pointing("Event", MASTER, &event) {
        let his = rows
            .get("Event", &child)
            .is_some_and(|r| r.get("OwnerId").as_text() == Some(to.as_str()));
        if his {
            rows.bin(w, object, &child, None, Some(root));
        }
    }
    let parent = w.access.knobs.shared_activities && fields.get("IsParent").is_some_and(Val::is_true);
    for field in ["WhoId", "WhatId"].into_iter().filter(|_| parent) {
        let was = rows
            .get("Event", &event)
            .is_some_and(|r| r.get(field).as_text() == Some(to.as_str()));
        if was {
            let next = other_parent(rows, "EventRelation", "EventId", &event, field == "WhatId");
            rows.force(w, object, &event, Fields::from([(field, next)]));
        }
    }
    refresh_group(rows, w, &event);
}

fn other_parent(rows: &Rows, table: &str, field: &str, activity: &Id, what: bool) -> Val {
    rows.leading(table, field, activity.as_str())
        .filter(|r| !r.is_deleted() && r.get(field).as_text() == Some(activity.as_str()))
        .filter(|r| table == "TaskRelation" || r.get("IsParent").is_true())
        .find(|r| r.get("IsWhat").is_true() == what)
        .map_or(Val::Null, |r| r.get("RelationId").clone())
}

/// An invitee deletes his copy: he has declined.
pub(crate) fn child_gone(rows: &mut Rows, w: &Writer<'_>, id: &Id) {
    let Some(fields) = rows.get("Event", id).map(|r| r.fields.clone()) else {
        return;
    };
    let (Some(master), Some(owner)) = (reference(&fields, MASTER), reference(&fields, "OwnerId")) else {
        return;
    };
    if live(rows, "Event", &master).is_none() {
        return;
    }
    let relation = relation_of(rows, "EventRelation", "EventId", &master, &owner);
    if let (Some(relation), Some(object)) = (relation, w.access.schema.object("EventRelation")) {
        let change = Fields::from([
            ("Status", Val::text("Declined")),
            ("RespondedDate", Val::Time(w.now_ms.div_euclid(1000) * 1000)),
        ]);
        rows.force(w, object, &relation, change);
    }
}

/// Rules of a tie of a task.
pub(crate) fn prepare_task_relation(
    rows: &Rows,
    w: &Writer<'_>,
    draft: &mut Draft<'_>,
) -> Result<(), ApiError> {
    let (Some(task), Some(to)) = (draft.reference("TaskId"), draft.reference("RelationId")) else {
        return Ok(());
    };
    let Some(row) = live(rows, "Task", &task) else {
        return Err(ApiError::row("ENTITY_IS_DELETED", "entity is deleted", &[]));
    };
    let may = w
        .access
        .object("Task")
        .is_some_and(|o| w.access.edits_row(o, &task, &row.fields));
    if !may {
        return Err(no_access(&task));
    }
    if relation_of(rows, "TaskRelation", "TaskId", &task, &to).is_some() {
        return Err(ApiError::row(
            "DUPLICATE_VALUE",
            format!(
                "duplicate value found: <unknown> duplicates value on record with id: {}",
                to.short()
            ),
            &[],
        ));
    }
    let is_what = !matches!(to.prefix(), "003" | "00Q");
    draft.fields.insert("IsWhat", Val::Bool(is_what));
    Ok(())
}

/// The first person of a task is its `WhoId`.
pub(crate) fn task_relation_made(rows: &mut Rows, w: &Writer<'_>, id: &Id) {
    let Some(fields) = rows.get("TaskRelation", id).map(|r| r.fields.clone()) else {
        return;
    };
    let (Some(task), Some(to)) = (reference(&fields, "TaskId"), reference(&fields, "RelationId")) else {
        return;
    };
    let field = if fields.get("IsWhat").is_some_and(Val::is_true) {
        "WhatId"
    } else {
        "WhoId"
    };
    let empty = rows
        .get("Task", &task)
        .is_some_and(|r| r.get(field) == &Val::Null);
    if let (true, Some(object)) = (empty, w.access.schema.object("Task")) {
        rows.force(
            w,
            object,
            &task,
            Fields::from([(field, Val::Text(to.to_string()))]),
        );
    }
}

/// A person goes: so do the activities that were about nobody else.
pub(crate) fn person_gone(rows: &mut Rows, w: &Writer<'_>, id: &Id, root: &Id) {
    for (name, table, field) in [
        ("Event", "EventRelation", "EventId"),
        ("Task", "TaskRelation", "TaskId"),
    ] {
        let (Some(object), Some(relation)) = (w.access.schema.object(name), w.access.schema.object(table))
        else {
            continue;
        };
        for row in rows.pointing(table, "RelationId", id) {
            rows.bin(w, relation, &row, None, Some(root));
        }
        for activity in rows.pointing(name, "WhoId", id) {
            let next = other_parent(rows, table, field, &activity, false);
            if next == Val::Null {
                rows.bin(w, object, &activity, None, Some(root));
                super::lifecycle::deleted(rows, w, object, &activity, root);
            } else {
                rows.force(w, object, &activity, Fields::from([("WhoId", next)]));
            }
        }
    }
}
