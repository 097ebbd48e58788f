//! Events. <https://learn.microsoft.com/graph/api/resources/event>
//!
//! Graph has no switch for mail: who makes a meeting invites, who changes it tells, who deletes it cancels.

use std::collections::BTreeMap;

use jiff::civil::Time;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Outcome, Refused};
use super::call::{Call, Target};
use super::query::Wanted;
use super::values::{
    IMPORTANCES, NEVER, RESPONSES, SENSITIVITIES, SHOWN_AS, Stamp, body, categories, flag, in_zone, mismatch,
    object, or_null, ours, preview, recipient, set_body, set_common, stamp, text, theirs, whole,
};
use super::{attach, extended, folders, recurrence};
use crate::exchange::content::{Class, Content, Person};
use crate::exchange::event::{GUESTS, overlaps};
use crate::exchange::items::{dispose, drop_occurrence, edited, store_edit};
use crate::exchange::meeting::{self, Send};
use crate::exchange::props::write_time;
use crate::exchange::zones::Zone;

/// What can be filtered and sorted by.
const FILTERS: &[&str] = &[
    "start/dateTime",
    "end/dateTime",
    "subject",
    "iCalUId",
    "categories",
    "createdDateTime",
    "lastModifiedDateTime",
    "isCancelled",
    "type",
    "singleValueExtendedProperties",
];
/// A view covers five years at most.
const WIDEST: i64 = 1825 * 86_400_000_000;
const TYPES: [&str; 3] = ["required", "optional", "resource"];

/// The zone's name: one that a client made up has no name that Graph would take back.
fn zone_name(zone: Option<&Zone>) -> String {
    match zone {
        Some(zone) if Zone::named(&zone.id).is_some() => zone.id.clone(),
        Some(_) => "tzone://Microsoft/Custom".to_owned(),
        None => "UTC".to_owned(),
    }
}

/// The id that travels with invitations; that of an occurrence has its date in it.
fn i_cal_uid(content: &Content, original: Option<i64>) -> String {
    let uid = content.text("UID");
    match original {
        Some(original) if uid.len() >= 40 && uid.starts_with("040000008200E00074C5B7101A82E008") => {
            let date = content.zone().wall(original).date();
            format!(
                "{}{:04X}{:02X}{:02X}{}",
                &uid[..32],
                date.year(),
                date.month(),
                date.day(),
                &uid[40..]
            )
        }
        _ => uid.to_owned(),
    }
}

/// Where the online meeting is.
fn join_url(content: &Content) -> String {
    let uid = content.text("UID");
    format!(
        "https://teams.microsoft.com/l/meetup-join/{}",
        uid.get(uid.len().saturating_sub(24)..).unwrap_or(uid)
    )
}

fn location(name: &str) -> Value {
    if name.is_empty() {
        return json!({ "displayName": "", "locationType": "default", "uniqueIdType": "unknown", "address": {}, "coordinates": {} });
    }
    json!({ "displayName": name, "locationType": "default", "uniqueId": name, "uniqueIdType": "private" })
}

fn attendees(content: &Content) -> Value {
    GUESTS
        .iter()
        .zip(TYPES)
        .flat_map(|(name, ty)| {
            content.people.get(name).into_iter().flatten().map(move |p| {
                let time = p.answered.map_or_else(|| NEVER.to_owned(), write_time);
                json!({
                    "type": ty,
                    "status": { "response": theirs(RESPONSES, p.response.unwrap_or("Unknown"), "none"), "time": time },
                    "emailAddress": { "name": p.name, "address": p.address },
                })
            })
        })
        .collect()
}

/// The event, the series, or one occurrence of it.
pub(super) fn write(call: &Call<'_>, target: Target, wanted: &[Wanted]) -> Result<Value, Refused> {
    let item = call.item(target.number)?;
    let (content, differs) = call.content(target)?;
    let content = &content;
    let key = call.change_key(target);
    let zone = &call.request.prefer.zone;
    let id = call.id(target);
    let master = target.original.map(|_| call.id(Target::item(target.number)));
    let ty = match (target.original, differs, &content.recurrence) {
        (Some(_), true, _) => "exception",
        (Some(_), false, _) => "occurrence",
        (None, _, Some(_)) => "seriesMaster",
        (None, _, None) => "singleInstance",
    };
    let mine = !content.is_invitation();
    let me = call.mailbox().me.clone();
    let organizer = content.person("Organizer").filter(|_| !mine).unwrap_or(&me);
    let online = content.text("IsOnlineMeeting") == "true";
    let minutes = content
        .text("ReminderMinutesBeforeStart")
        .parse::<i64>()
        .unwrap_or(15);
    let all_day = content.text("IsAllDayEvent") == "true";
    // Some servers show whole days at midnight of whatever zone was asked for.
    let floats = all_day && call.knobs.all_day_floats;
    let time = |micros: i64| {
        if floats {
            let wall = content.zone().wall(micros);
            return json!({ "dateTime": super::values::wall(wall), "timeZone": zone.id });
        }
        in_zone(micros, zone)
    };
    let replied = content
        .texts
        .get("AppointmentReplyTime")
        .cloned()
        .unwrap_or_else(|| NEVER.to_owned());
    let mut out = Map::new();
    for (name, value) in [
        ("@odata.etag", json!(format!("W/\"{key}\""))),
        ("id", json!(id)),
        ("createdDateTime", json!(write_time(item.created))),
        ("lastModifiedDateTime", json!(write_time(item.modified))),
        ("changeKey", json!(key)),
        ("categories", categories(content)),
        (
            "transactionId",
            if mine {
                or_null(content, "TransactionId")
            } else {
                Value::Null
            },
        ),
        (
            "originalStartTimeZone",
            json!(zone_name(content.zones.get("StartTimeZone"))),
        ),
        (
            "originalEndTimeZone",
            json!(zone_name(content.zones.get("EndTimeZone"))),
        ),
        ("iCalUId", json!(i_cal_uid(content, target.original))),
        ("reminderMinutesBeforeStart", json!(minutes)),
        ("isReminderOn", json!(content.text("ReminderIsSet") != "false")),
        (
            "hasAttachments",
            json!(content.attachments.iter().any(|a| !a.inline)),
        ),
        ("subject", json!(content.text("Subject"))),
        ("bodyPreview", json!(preview(content))),
        (
            "importance",
            json!(theirs(IMPORTANCES, content.text("Importance"), "normal")),
        ),
        (
            "sensitivity",
            json!(theirs(SENSITIVITIES, content.text("Sensitivity"), "normal")),
        ),
        ("isAllDay", json!(all_day)),
        ("isCancelled", json!(content.text("IsCancelled") == "true")),
        ("isOrganizer", json!(mine)),
        (
            "responseRequested",
            json!(content.text("IsResponseRequested") != "false"),
        ),
        ("seriesMasterId", json!(master)),
        (
            "showAs",
            json!(theirs(SHOWN_AS, content.text("LegacyFreeBusyStatus"), "busy")),
        ),
        ("type", json!(ty)),
        (
            "webLink",
            json!(format!(
                "https://outlook.office365.com/owa/?itemid={id}&exvsurl=1&path=/calendar/item"
            )),
        ),
        ("onlineMeetingUrl", Value::Null),
        ("isOnlineMeeting", json!(online)),
        (
            "onlineMeetingProvider",
            json!(if online { "teamsForBusiness" } else { "unknown" }),
        ),
        (
            "allowNewTimeProposals",
            json!(content.text("AllowNewTimeProposal") != "false"),
        ),
        ("isDraft", json!(false)),
        ("hideAttendees", json!(false)),
        (
            "responseStatus",
            json!({ "response": theirs(RESPONSES, content.text("MyResponseType"), "organizer"), "time": replied }),
        ),
        ("body", body(content, &call.request.prefer)),
        ("start", time(content.start())),
        ("end", time(content.end())),
        ("location", location(content.text("Location"))),
        (
            "locations",
            if content.text("Location").is_empty() {
                json!([])
            } else {
                json!([location(content.text("Location"))])
            },
        ),
        (
            "recurrence",
            match &content.recurrence {
                Some(r) => recurrence::write(r, &zone_name(content.zones.get("StartTimeZone"))),
                None => Value::Null,
            },
        ),
        ("attendees", attendees(content)),
        ("organizer", recipient(organizer)),
        (
            "onlineMeeting",
            if online {
                json!({ "joinUrl": join_url(content) })
            } else {
                Value::Null
            },
        ),
    ] {
        out.insert(name.to_owned(), value);
    }
    if let Some(original) = target.original {
        out.insert("originalStart".into(), json!(write_time(original)));
    }
    only_on_demand(call, target, content, &mut out)?;
    let at = target.original.map(|o| (o, differs));
    let extended = call.mailbox().around_at(target.number, item, at, |around| {
        extended::write(content, wanted, around)
    });
    if let Some(list) = extended {
        out.insert("singleValueExtendedProperties".into(), list);
    }
    Ok(Value::Object(out))
}

/// What a request must name: deleted and changed occurrences of a series, attachments.
fn only_on_demand(
    call: &Call<'_>,
    target: Target,
    content: &Content,
    out: &mut Map<String, Value>,
) -> Result<(), Refused> {
    let query = call.query();
    if content.recurrence.is_some() && query.select.iter().any(|s| s == "cancelledOccurrences") {
        let zone = content.zone();
        let gone: Vec<String> = content
            .exceptions
            .iter()
            .filter(|(_, own)| own.is_none())
            .map(|(original, _)| format!("OID.{}.{}", call.id(target), zone.wall(*original).date()))
            .collect();
        out.insert("cancelledOccurrences".into(), json!(gone));
    }
    if content.recurrence.is_some() && query.expand.iter().any(|e| e == "exceptionOccurrences") {
        let mut all = Vec::new();
        for (original, own) in &content.exceptions {
            if own.is_some() {
                all.push(write(
                    call,
                    Target {
                        number: target.number,
                        original: Some(*original),
                    },
                    &[],
                )?);
            }
        }
        out.insert("exceptionOccurrences".into(), Value::Array(all));
    }
    if query.expand.iter().any(|e| e == "attachments") {
        out.insert("attachments".into(), attach::list_of(call, target.number)?);
    }
    Ok(())
}

/// What a view and a delta tell of an occurrence that is like its series.
pub(super) fn write_partial(call: &Call<'_>, target: Target) -> Result<Value, Refused> {
    let (content, _) = call.content(target)?;
    let zone = &call.request.prefer.zone;
    Ok(json!({
        "@odata.etag": format!("W/\"{}\"", call.change_key(target)),
        "id": call.id(target),
        "seriesMasterId": call.id(Target::item(target.number)),
        "type": "occurrence",
        "start": in_zone(content.start(), zone),
        "end": in_zone(content.end(), zone),
    }))
}

/// All that a span shows of a calendar: singles and occurrences in the order of their start.
pub(super) fn in_view(call: &Call<'_>, folder: u64, from: i64, until: i64) -> Vec<Target> {
    let mut found: Vec<(i64, Target)> = Vec::new();
    for (number, item) in call.mailbox().items_in(folder) {
        let content = &item.content;
        if content.class != Class::Event {
            continue;
        }
        if content.recurrence.is_some() {
            found.extend(
                content
                    .occurrences(from, until)
                    .into_iter()
                    .map(|(original, one, _)| {
                        (
                            one.start(),
                            Target {
                                number,
                                original: Some(original),
                            },
                        )
                    }),
            );
        } else if overlaps(content.start(), content.end(), from, until) {
            found.push((content.start(), Target::item(number)));
        }
    }
    found.sort_unstable();
    found.into_iter().map(|(_, target)| target).collect()
}

/// The two ends of a view, from the query.
pub(super) fn span(call: &Call<'_>) -> Result<(i64, i64), Refused> {
    let (Some(from), Some(until)) = (call.query().start, call.query().end) else {
        return Err(Refused::new(
            400,
            "ErrorInvalidParameter",
            "This request requires a time window specified by the query string parameters StartDateTime and EndDateTime.",
        ));
    };
    if until < from {
        return Err(Refused::new(
            400,
            "ErrorInvalidParameter",
            "EndDateTime is earlier than StartDateTime.",
        ));
    }
    if until - from > WIDEST {
        return Err(Refused::new(
            400,
            "ErrorCalendarViewRangeTooBig",
            "The requested time duration specified for FreeBusy is too large: 1825 days are the most.",
        ));
    }
    Ok((from, until))
}

/// Answers what is below `calendarView` of a calendar.
pub(super) fn view(call: &mut Call<'_>, folder: u64, rest: &[&str]) -> Outcome {
    match rest {
        [] => {
            call.query().only(&[
                "startDateTime",
                "endDateTime",
                "$select",
                "$top",
                "$skip",
                "$orderby",
                "$filter",
                "$expand",
                "$count",
            ])?;
            let (from, until) = span(call)?;
            let wanted = call.wanted_properties()?;
            let all: Result<Vec<Value>, Refused> = in_view(call, folder, from, until)
                .into_iter()
                .map(|t| write(call, t, &wanted))
                .collect();
            call.list("calendarView", all?, FILTERS, 10)
        }
        ["delta"] => super::delta::view(call, folder),
        _ => Err(Refused::unknown(&call.request.operation)),
    }
}

/// Answers what is below `events`, of one calendar or of the default one.
pub(super) fn serve(call: &mut Call<'_>, folder: Option<u64>, rest: &[&str]) -> Outcome {
    let calendar = match folder {
        Some(folder) => folder,
        None => folders::well_known(call, "calendar")?,
    };
    match (call.request.method.as_str(), rest) {
        ("GET", []) => {
            call.query().only(&[
                "$select", "$top", "$skip", "$orderby", "$filter", "$expand", "$count",
            ])?;
            let wanted = call.wanted_properties()?;
            let numbers: Vec<u64> = call
                .mailbox()
                .items_in(calendar)
                .filter(|(_, i)| i.content.class == Class::Event)
                .map(|(n, _)| n)
                .collect();
            let all: Result<Vec<Value>, Refused> = numbers
                .into_iter()
                .map(|n| write(call, Target::item(n), &wanted))
                .collect();
            call.list("events", all?, FILTERS, 10)
        }
        ("POST", []) => create(call, calendar),
        ("GET", ["delta"]) => Err(Refused::new(
            400,
            "BadRequest",
            "Change tracking of events is by calendarView only in this version.",
        )),
        (_, [id, rest @ ..]) => {
            let target = call.resolve(id, Class::Event)?;
            if let Some(folder) = folder
                && call.item(target.number)?.folder != folder
            {
                return Err(Refused::not_found());
            }
            one(call, target, rest)
        }
        _ => Err(Refused::unknown(&call.request.operation)),
    }
}

/// Start and end as a request brings them.
#[derive(Default)]
struct Times {
    start: Option<Stamp>,
    end: Option<Stamp>,
}

fn put(content: &mut Content, field: &'static str, text: String) {
    content.texts.insert(field, text);
}

fn set(
    content: &mut Content,
    times: &mut Times,
    name: &str,
    value: &Value,
    new: bool,
) -> Result<(), Refused> {
    if set_common(content, name, value)? {
        return Ok(());
    }
    match name {
        "subject" => content.set_text("Subject", &text(name, value)?),
        "body" => set_body(content, value)?,
        "start" => times.start = Some(stamp(name, value)?),
        "end" => times.end = Some(stamp(name, value)?),
        "isAllDay" => put(content, "IsAllDayEvent", flag(name, value)?.to_string()),
        "showAs" => put(
            content,
            "LegacyFreeBusyStatus",
            ours(SHOWN_AS, name, value)?.to_owned(),
        ),
        "sensitivity" => put(
            content,
            "Sensitivity",
            ours(SENSITIVITIES, name, value)?.to_owned(),
        ),
        "isReminderOn" => put(content, "ReminderIsSet", flag(name, value)?.to_string()),
        "reminderMinutesBeforeStart" => put(
            content,
            "ReminderMinutesBeforeStart",
            whole(name, value)?.to_string(),
        ),
        "responseRequested" => put(content, "IsResponseRequested", flag(name, value)?.to_string()),
        "allowNewTimeProposals" => put(content, "AllowNewTimeProposal", flag(name, value)?.to_string()),
        "isOnlineMeeting" => {
            let online = flag(name, value)?;
            if !online && content.text("IsOnlineMeeting") == "true" {
                return Err(Refused::new(
                    400,
                    "ErrorInvalidRequest",
                    "Your request can't be completed. An online meeting cannot be made an ordinary one.",
                ));
            }
            put(content, "IsOnlineMeeting", online.to_string());
        }
        "location" => {
            let known = [
                "displayName",
                "locationType",
                "uniqueId",
                "uniqueIdType",
                "address",
                "coordinates",
                "locationEmailAddress",
                "locationUri",
            ];
            let shown = match value {
                Value::Null => String::new(),
                _ => text(
                    "displayName",
                    object("location", value, &known)?
                        .get("displayName")
                        .unwrap_or(&Value::Null),
                )?,
            };
            content.set_text("Location", &shown);
        }
        "locations" => {
            let all = value
                .as_array()
                .ok_or_else(|| mismatch(name, "Collection(microsoft.graph.location)"))?;
            let shown: Vec<&str> = all
                .iter()
                .filter_map(|l| l.get("displayName").and_then(Value::as_str))
                .collect();
            content.set_text("Location", &shown.join("; "));
        }
        "attendees" => {
            let all = match value {
                Value::Null => Vec::new(),
                Value::Array(all) => all.clone(),
                _ => return Err(mismatch(name, "Collection(microsoft.graph.attendee)")),
            };
            let mut lists: BTreeMap<&'static str, Vec<Person>> = BTreeMap::new();
            for one in &all {
                object(
                    "attendee",
                    one,
                    &["type", "status", "emailAddress", "proposedNewTime"],
                )?;
                let ty = one.get("type").and_then(Value::as_str).unwrap_or("required");
                let list = GUESTS.iter().zip(TYPES).find(|(_, t)| *t == ty).map(|(l, _)| *l);
                let list =
                    list.ok_or_else(|| Refused::invalid(format!("'{ty}' is no type of an attendee.")))?;
                lists
                    .entry(list)
                    .or_default()
                    .push(super::values::person(name, one)?);
            }
            for list in GUESTS {
                content.set_people(list, lists.remove(list).unwrap_or_default());
            }
        }
        "recurrence" => {
            content.recurrence = match value {
                Value::Null => None,
                _ => Some(recurrence::read(value)?),
            };
        }
        "transactionId" if new => content.set_text("TransactionId", &text(name, value)?),
        "transactionId" => {
            if *value != or_null(content, "TransactionId") {
                return Err(Refused::invalid("transactionId cannot be changed."));
            }
        }
        // Read only; clients that send whole objects back are not stopped by it.
        "createdDateTime"
        | "lastModifiedDateTime"
        | "iCalUId"
        | "originalStartTimeZone"
        | "originalEndTimeZone"
        | "organizer"
        | "responseStatus"
        | "isOrganizer"
        | "type"
        | "seriesMasterId"
        | "webLink"
        | "bodyPreview"
        | "hasAttachments"
        | "isCancelled"
        | "onlineMeeting"
        | "onlineMeetingUrl"
        | "originalStart"
        // There is one provider, everybody is seen, and nothing waits to be sent.
        | "onlineMeetingProvider"
        | "hideAttendees"
        | "isDraft" => {}
        _ => return Err(Refused::no_property(name, "event")),
    }
    Ok(())
}

/// Applies a body.
fn apply(content: &mut Content, given: &Map<String, Value>, new: bool) -> Result<(), Refused> {
    let mut times = Times::default();
    let before = content.clone();
    for (name, value) in given {
        set(content, &mut times, name, value, new)?;
    }
    if new && (times.start.is_none() || times.end.is_none()) {
        return Err(Refused::new(
            400,
            "ErrorPropertyValidationFailure",
            "At least one property failed validation: start and end are required.",
        ));
    }
    if content.text("IsAllDayEvent") == "true" {
        for (stamp, name) in [(&times.start, "Start"), (&times.end, "End")] {
            if stamp.as_ref().is_some_and(|s| s.wall.time() != Time::midnight()) {
                return Err(Refused::new(
                    400,
                    "ErrorPropertyValidationFailure",
                    format!(
                        "Your request can't be completed. The Event.{name} property for an all-day event needs to be set to midnight."
                    ),
                ));
            }
        }
        if let (Some(start), Some(end)) = (&times.start, &times.end)
            && start.zone != end.zone
        {
            return Err(Refused::new(
                400,
                "ErrorPropertyValidationFailure",
                "The TimeZone of Start and End of an all-day event must be the same.",
            ));
        }
    }
    if let Some(start) = &times.start {
        content.texts.insert("Start", write_time(start.micros));
        content.zones.insert("StartTimeZone", start.zone.clone());
        if times.end.is_none() {
            // Moved: it keeps its length.
            let end = start.micros + (before.end() - before.start());
            content.texts.insert("End", write_time(end));
            content.zones.insert("EndTimeZone", start.zone.clone());
        }
    }
    if let Some(end) = &times.end {
        content.texts.insert("End", write_time(end.micros));
        content.zones.insert("EndTimeZone", end.zone.clone());
    }
    // The invitation to the online meeting is in the text: a new text without it takes it away.
    if !new
        && before.text("IsOnlineMeeting") == "true"
        && given.contains_key("body")
        && !content.body.contains(&join_url(&before))
    {
        content.texts.insert("IsOnlineMeeting", "false".to_owned());
    }
    Ok(())
}

/// Whom a change makes Graph write to. Nobody hears of reminders and categories.
fn told(before: &Content, after: &Content) -> Send {
    let matters = |c: &Content| {
        (
            [
                "Subject",
                "Location",
                "Start",
                "End",
                "IsAllDayEvent",
                "IsOnlineMeeting",
                "Importance",
            ]
            .map(|name| c.text(name).to_owned()),
            c.body.clone(),
            c.recurrence.clone(),
        )
    };
    let inner = after.exceptions.iter().any(|(original, own)| {
        let old = before.occurrence(*original).map(|(c, _)| c);
        match (own, old) {
            (Some(own), Some(old)) => matters(own) != matters(&old),
            (own, old) => own.is_some() != old.is_some(),
        }
    });
    if matters(before) != matters(after) || inner {
        return Send::All { copy: true };
    }
    let guests = |c: &Content| -> Vec<String> { c.guests().map(|p| p.address.to_lowercase()).collect() };
    if guests(before) == guests(after) {
        Send::Nobody
    } else {
        Send::Changed { copy: true }
    }
}

fn create(call: &mut Call<'_>, calendar: u64) -> Outcome {
    let given = call.request.object()?;
    // A request that comes once more makes nothing.
    if let Some(transaction) = given.get("transactionId").and_then(Value::as_str) {
        let bin = call.mailbox().distinguished("deleteditems");
        let again = call
            .mailbox()
            .items
            .iter()
            .find(|(_, i)| {
                i.content.class == Class::Event
                    && i.content.text("TransactionId") == transaction
                    && !i.content.is_invitation()
                    && Some(i.folder) != bin
            })
            .map(|(n, _)| *n);
        if let Some(number) = again {
            return respond(call, 201, Target::item(number));
        }
    }
    call.check_quota()?;
    let mut content = Content {
        class: Class::Event,
        ..Content::default()
    };
    apply(&mut content, &given, true)?;
    let zone = call.mailbox().zone.clone();
    content.settle(&Content::default(), call.ctx(&zone))?;
    let (me, now) = (call.me, call.now);
    let number = call.mailbox_mut().create(calendar, content, now, now);
    if call.item(number)?.content.text("IsOnlineMeeting") == "true" {
        let mut content = call.item(number)?.content.clone();
        let link = format!(
            "<br><div>________________</div><div>Microsoft Teams</div><a href=\"{}\">Join the meeting now</a>",
            join_url(&content)
        );
        let html = if content.body_is_html {
            content.body.clone()
        } else {
            crate::exchange::content::html_of(&content.body)
        };
        content.body = match html.rfind("</body>") {
            Some(at) => format!("{}{link}{}", &html[..at], &html[at..]),
            None => format!("{html}{link}"),
        };
        content.body_is_html = true;
        call.mailbox_mut().change(number, content, now);
    }
    meeting::announce(call.store, me, number, None, Send::All { copy: true }, now);
    respond(call, 201, Target::item(number))
}

fn respond(call: &Call<'_>, status: u16, target: Target) -> Outcome {
    let wanted = call.wanted_properties()?;
    let object = write(call, target, &wanted)?;
    let etag = object["@odata.etag"].as_str().unwrap_or_default().to_owned();
    Ok(call.entity(status, "events", object).with("etag", etag))
}

fn change(call: &mut Call<'_>, target: Target) -> Outcome {
    let given = call.request.object()?;
    call.check_version(target, Some(&given))?;
    let before = call.item(target.number)?.content.clone();
    let zone = call.mailbox().zone.clone();
    let ctx = call.ctx(&zone);
    let mut wrong = None;
    let after = edited(&before, target.original, |content| {
        let old = content.clone();
        if let Err(refused) = apply(content, &given, false) {
            wrong = Some(refused);
            return Ok(());
        }
        content.settle(&old, ctx)
    });
    if let Some(refused) = wrong {
        return Err(refused);
    }
    let after = after?;
    let how = told(&before, &after);
    let (me, now) = (call.me, call.now);
    store_edit(call.mailbox_mut(), target.number, &before, after, now);
    meeting::announce(call.store, me, target.number, Some(&before), how, now);
    respond(call, 200, target)
}

fn delete(call: &mut Call<'_>, target: Target, for_good: bool) -> Outcome {
    call.check_version(target, None)?;
    let (me, now) = (call.me, call.now);
    meeting::before_delete(
        call.store,
        me,
        target.number,
        target.original,
        Send::All { copy: true },
        now,
    );
    match target.original {
        Some(original) => drop_occurrence(call.mailbox_mut(), target.number, original, now),
        None if for_good => call.mailbox_mut().remove(target.number, now),
        None => dispose(Some(call.mailbox_mut()), target.number, "MoveToDeletedItems", now),
    }
    Ok(Answer::nothing())
}

fn answer(call: &mut Call<'_>, target: Target, answer: &'static str) -> Outcome {
    let given = call.request.object_or_nothing()?;
    if let Some(other) = given
        .keys()
        .find(|k| !matches!(k.to_ascii_lowercase().as_str(), "comment" | "sendresponse"))
    {
        return Err(Refused::no_property(other, "event"));
    }
    let send = given
        .iter()
        .find(|(n, _)| n.eq_ignore_ascii_case("sendResponse"))
        .and_then(|(_, v)| v.as_bool())
        .unwrap_or(true);
    let (me, now) = (call.me, call.now);
    meeting::respond(call.store, me, target.number, target.original, answer, send, now)?;
    Ok(Answer {
        status: 202,
        ..Answer::nothing()
    })
}

fn instances(call: &Call<'_>, target: Target) -> Outcome {
    call.query().only(&[
        "startDateTime",
        "endDateTime",
        "$select",
        "$top",
        "$skip",
        "$expand",
        "$orderby",
        "$filter",
    ])?;
    let (from, until) = span(call)?;
    let item = call.item(target.number)?;
    if item.content.recurrence.is_none() || target.original.is_some() {
        return Err(Refused::new(
            400,
            "ErrorInvalidRequest",
            "Expanding an event into its instances is for series masters only.",
        ));
    }
    let mut all = item.content.occurrences(from, until);
    all.sort_by_key(|(_, one, _)| one.start());
    let wanted = call.wanted_properties()?;
    let values: Result<Vec<Value>, Refused> = all
        .into_iter()
        .map(|(original, ..)| {
            write(
                call,
                Target {
                    number: target.number,
                    original: Some(original),
                },
                &wanted,
            )
        })
        .collect();
    call.list("events/instances", values?, FILTERS, 10)
}

fn one(call: &mut Call<'_>, target: Target, rest: &[&str]) -> Outcome {
    match (call.request.method.as_str(), rest) {
        ("GET", []) => {
            call.query()
                .only(&["$select", "$expand", "startDateTime", "endDateTime"])?;
            respond(call, 200, target)
        }
        ("PATCH", []) => change(call, target),
        ("DELETE", []) => delete(call, target, false),
        ("POST", ["permanentDelete"]) => delete(call, target, true),
        ("POST", ["cancel"]) => {
            if call.item(target.number)?.content.is_invitation() {
                return Err(Refused::new(
                    400,
                    "ErrorAccessDenied",
                    "Your request can't be completed. You need to be an organizer to cancel a meeting.",
                ));
            }
            delete(call, target, false).map(|_| Answer {
                status: 202,
                ..Answer::nothing()
            })
        }
        ("POST", ["accept"]) => answer(call, target, "Accept"),
        ("POST", ["tentativelyAccept"]) => answer(call, target, "Tentative"),
        ("POST", ["decline"]) => answer(call, target, "Decline"),
        ("GET", ["instances"]) => instances(call, target),
        ("GET", ["calendar"]) => {
            let folder = call.item(target.number)?.folder;
            folders::one(call, folders::Sort::Calendars, folder)
        }
        (_, ["attachments", rest @ ..]) if target.original.is_none() => {
            attach::serve(call, target.number, rest)
        }
        _ => Err(Refused::unknown(&call.request.operation)),
    }
}
