//! Events, tasks, and the rows that tie people and records to them.

use super::{
    ACCOUNT, Field, Kind, Needs, Object, Ops, PEOPLE, WHAT, WHO, date, demanded, flag, id, pick, refer,
    system, tandem_key, text, time,
};

/// What an event shows to others.
const SHOW_AS: &[&str] = &["Busy", "OutOfOffice", "Free"];
const EVENT_TYPES: &[&str] = &["Call", "Email", "Meeting", "Other"];
const EVENT_SUBTYPES: &[&str] = &["Event"];
const GROUP_TYPES: &[&str] = &["0", "1", "2", "3"];
const ANSWERS: &[&str] = &["New", "Declined", "Accepted", "Uncertain", "Maybe"];
/// Statuses of a task; the organisation may have others, see `picklists` of the control API.
pub(in super::super) const TASK_STATUSES: &[&str] = &[
    "Not Started",
    "In Progress",
    "Completed",
    "Waiting on someone else",
    "Deferred",
];
/// Priorities of a task.
pub(in super::super) const TASK_PRIORITIES: &[&str] = &["High", "Normal", "Low"];
const TASK_SUBTYPES: &[&str] = &["Task", "Email", "ListEmail", "Cadence", "Call", "LinkedIn"];
const TASK_TYPES: &[&str] = &["Call", "Meeting", "Other", "Email"];
const CALL_TYPES: &[&str] = &["Internal", "Inbound", "Outbound"];
const RECURRENCES: &[&str] = &[
    "RecursDaily",
    "RecursEveryWeekday",
    "RecursMonthly",
    "RecursMonthlyNth",
    "RecursWeekly",
    "RecursYearly",
    "RecursYearlyNth",
];
const EVENT: &[&str] = &["Event"];
const TASK: &[&str] = &["Task"];

/// The objects of this module.
pub(super) fn objects() -> Vec<Object> {
    vec![
        event(),
        task(),
        event_relation(),
        task_relation(),
        who_relation("EventWhoRelation", "Event", "0RE").rows_of("EventRelation"),
        who_relation("TaskWhoRelation", "Task", "0RT").rows_of("TaskRelation"),
    ]
}

fn int(name: &'static str, label: &'static str) -> Field {
    Field::new(name, label, Kind::Int, 0)
}

fn stamp(name: &'static str, label: &'static str) -> Field {
    Field::new(name, label, Kind::Time, 0)
}

fn junction(name: &'static str, label: &'static str, to: &'static [&'static str]) -> Field {
    Field::new(name, label, Kind::Junction(to), 0)
}

/// The parts that events and tasks share.
fn common(label: &'static str, owners: &'static [&'static str]) -> Vec<Field> {
    vec![
        id(label),
        refer("RecordTypeId", "Record Type ID", &["RecordType"], "RecordType").needs(Needs::RecordTypes),
        refer("WhoId", "Name ID", WHO, "Who"),
        refer("WhatId", "Related To ID", WHAT, "What"),
        text("Subject", "Subject", 255),
        Field::new("Description", "Description", Kind::Long, 32_000),
        refer("OwnerId", "Assigned To ID", owners, "Owner").defaulted(),
        refer("AccountId", "Account ID", ACCOUNT, "Account").read_only(),
        flag("IsReminderSet", "Reminder Set"),
        stamp("ReminderDateTime", "Reminder Date/Time"),
        flag("IsArchived", "Archived").by_control(),
        flag("IsVisibleInSelfService", "Public"),
        flag("IsDeleted", "Deleted").read_only(),
        tandem_key(),
        demanded(),
    ]
}

/// Series: how they repeat. Rows of a series are born in the user interface only.
fn series(label: &'static str, of: &'static [&'static str]) -> Vec<Field> {
    vec![
        refer("RecurrenceActivityId", label, of, "RecurrenceActivity").by_control(),
        flag("IsRecurrence", "Create Recurring Series").by_control(),
        date("RecurrenceStartDateOnly", "Recurrence Start").by_control(),
        date("RecurrenceEndDateOnly", "Recurrence End").by_control(),
        text("RecurrenceTimeZoneSidKey", "Recurrence Time Zone", 40).by_control(),
        pick("RecurrenceType", "Recurrence Type", RECURRENCES, 40).by_control(),
        int("RecurrenceInterval", "Recurrence Interval").by_control(),
        int("RecurrenceDayOfWeekMask", "Recurrence Day of Week Mask").by_control(),
        int("RecurrenceDayOfMonth", "Recurrence Day of Month").by_control(),
    ]
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_event.htm>
fn event() -> Object {
    let mut fields = common("Activity ID", &["User", "Calendar"]);
    fields.extend([
        junction("EventWhoIds", "Event Who IDs", WHO).needs(Needs::SharedActivities),
        text("Location", "Location", 255),
        flag("IsAllDayEvent", "All-Day Event"),
        stamp("ActivityDateTime", "Due Date Time"),
        date("ActivityDate", "Due Date Only"),
        int("DurationInMinutes", "Duration"),
        stamp("StartDateTime", "Start Date Time"),
        stamp("EndDateTime", "End Date Time"),
        date("EndDate", "End Date").read_only(),
        flag("IsPrivate", "Private"),
        pick("ShowAs", "Show Time As", SHOW_AS, 40)
            .initial("Busy")
            .restricted(),
        flag("IsChild", "Is Child").read_only(),
        flag("IsGroupEvent", "Is Group Event").read_only(),
        pick("GroupEventType", "Group Event Type", GROUP_TYPES, 40)
            .restricted()
            .read_only(),
        pick("Type", "Type", EVENT_TYPES, 40),
        pick("EventSubtype", "Event Subtype", EVENT_SUBTYPES, 40)
            .initial("Event")
            .restricted()
            .create_only(),
        flag("IsRecurrence2", "Repeat").by_control(),
        flag(
            "IsRecurrence2Exclusion",
            "Historical Event, Not Following Recurrence",
        )
        .by_control(),
        flag("IsRecurrence2Exception", "Is Exception").by_control(),
        text("Recurrence2PatternText", "Recurrence Pattern", 512).by_control(),
        text("Recurrence2PatternVersion", "Pattern Version", 40).by_control(),
        stamp("Recurrence2PatternStartDate", "Repeat Start Date").by_control(),
        text("Recurrence2PatternTimeZone", "Repeat Time Zone Reference", 255).by_control(),
    ]);
    fields.extend(series("Recurrence Activity ID", EVENT));
    fields.extend(system());
    Object::new("Event", "Event", "Events", "00U", Ops::All, fields)
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_task.htm>
fn task() -> Object {
    let mut fields = common("Activity ID", &["User", "Group"]);
    fields.extend([
        junction("TaskWhoIds", "Task Who IDs", WHO).needs(Needs::SharedActivities),
        date("ActivityDate", "Due Date Only"),
        pick("Status", "Status", TASK_STATUSES, 255).initial("Not Started"),
        pick("Priority", "Priority", TASK_PRIORITIES, 255).initial("Normal"),
        flag("IsHighPriority", "High Priority").read_only(),
        flag("IsClosed", "Closed").read_only(),
        time("CompletedDateTime", "Completed Date/Time"),
        pick("TaskSubtype", "Task Subtype", TASK_SUBTYPES, 40)
            .initial("Task")
            .restricted()
            .create_only(),
        pick("Type", "Type", TASK_TYPES, 40),
        int("CallDurationInSeconds", "Call Duration"),
        pick("CallType", "Call Type", CALL_TYPES, 40),
        text("CallDisposition", "Call Result", 255),
        text("CallObject", "Call Object Identifier", 255),
        text("RecurrenceRegeneratedType", "Repeat This Task", 40).by_control(),
    ]);
    fields.extend(series("Recurrence Activity ID", TASK));
    fields.extend(system());
    Object::new("Task", "Task", "Tasks", "00T", Ops::All, fields)
}

/// Who is invited, and with Shared Activities also which contacts and which record an event is about.
///
/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_eventrelation.htm>
fn event_relation() -> Object {
    let mut fields = vec![
        id("Event Relation ID"),
        refer(
            "RelationId",
            "Relation ID",
            &["Contact", "Lead", "User", "Account", "Opportunity", "Case"],
            "Relation",
        )
        .required()
        .create_only(),
        refer("EventId", "Event ID", EVENT, "Event")
            .required()
            .create_only(),
        pick("Status", "Status", ANSWERS, 40).initial("New").restricted(),
        stamp("RespondedDate", "Response Date"),
        text("Response", "Response", 255),
        flag("IsInvitee", "Is Invitee"),
        flag("IsParent", "Is Parent").needs(Needs::SharedActivities),
        flag("IsWhat", "Is What")
            .read_only()
            .needs(Needs::SharedActivities),
        refer("AccountId", "Account ID", ACCOUNT, "Account")
            .read_only()
            .needs(Needs::SharedActivities),
        flag("IsDeleted", "Deleted").read_only(),
    ];
    fields.extend(system());
    Object::new(
        "EventRelation",
        "Event Relation",
        "Event Relations",
        "0RE",
        Ops::Junction,
        fields,
    )
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_taskrelation.htm>
fn task_relation() -> Object {
    let mut fields = vec![
        id("Task Relation ID"),
        refer(
            "RelationId",
            "Relation ID",
            &["Contact", "Lead", "Account", "Opportunity", "Case"],
            "Relation",
        )
        .required()
        .create_only(),
        refer("TaskId", "Task ID", TASK, "Task").required().create_only(),
        flag("IsWhat", "Is What").read_only(),
        refer("AccountId", "Account ID", ACCOUNT, "Account").read_only(),
        flag("IsDeleted", "Deleted").read_only(),
    ];
    fields.extend(system());
    Object::new(
        "TaskRelation",
        "Task Relation",
        "Task Relations",
        "0RT",
        Ops::Fixed,
        fields,
    )
    .needs(Needs::SharedActivities)
}

/// The contacts or the lead of an activity: those rows of its relations that are about people.
fn who_relation(name: &'static str, of: &'static str, prefix: &'static str) -> Object {
    let activity = if of == "Event" {
        refer("EventId", "Event ID", EVENT, "Event")
    } else {
        refer("TaskId", "Task ID", TASK, "Task")
    };
    let mut fields = vec![
        id("ID"),
        refer("RelationId", "Relation ID", PEOPLE, "Relation").read_only(),
        activity.read_only(),
        refer("AccountId", "Account ID", ACCOUNT, "Account").read_only(),
        flag("IsDeleted", "Deleted").read_only(),
    ];
    fields.extend(system());
    Object::new(name, name, name, prefix, Ops::Nothing, fields).needs(Needs::SharedActivities)
}
