//! An event in Graph's words. <https://learn.microsoft.com/graph/api/resources/event>

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tandem_sync::model::{AttendeeRole, Field, FieldValue, LinkKey, Record, When};

use super::ground::{CALENDAR, Ground};
use super::item::{self, text};
use super::property::{self, KEY, NATIVE_BODY, PARENT};
use super::times;
use crate::event::{self as words, Event};
use crate::ews::item::{Body, Head};
use crate::map::Email;
use crate::zones::{Written, Zone};

pub(crate) const SELECT: &str = "id,changeKey,categories,createdDateTime,lastModifiedDateTime,subject,body,sensitivity,\
     iCalUId,start,end,originalStart,originalStartTimeZone,isAllDay,showAs,location,attendees,organizer,isOrganizer,\
     isCancelled,isOnlineMeeting,onlineMeetingUrl,onlineMeeting,type,seriesMasterId,responseStatus,isReminderOn,\
     reminderMinutesBeforeStart";

pub(crate) const EXPAND: [&str; 3] = [KEY, NATIVE_BODY, PARENT];

/// A zone that somebody made up, whose rules Graph does not show.
const OWN_ZONES: &str = "tzone://";

/// `None`: it lacks what every event has.
pub(crate) fn read(json: &Value, ground: &Ground) -> Option<Event> {
    let item_type = match text(json, "type") {
        "singleInstance" => "Single",
        "occurrence" => "Occurrence",
        "exception" => "Exception",
        "seriesMaster" => "RecurringMaster",
        _ => return None,
    };
    let all_day = json["isAllDay"].as_bool()?;
    let start_zone = zone_of(text(json, "originalStartTimeZone"));
    let zone = start_zone.zone().unwrap_or(Zone::UTC);
    let point = |name: &str| {
        if all_day {
            // As the day begins in its own zone: what reads it turns it into the same day again.
            let day = times::day(&json[name], &zone)?;
            return zone.midnight(day).map(|at| at.to_string());
        }
        times::instant(&json[name]).map(|at| at.to_string())
    };
    let (start, end) = (
        point("start").unwrap_or_default(),
        point("end").unwrap_or_default(),
    );
    let organizer = person(&json["organizer"]["emailAddress"]);
    let attendees: Vec<_> = json["attendees"].as_array()?.iter().map(attendee).collect();
    let deleted = !ground.deleted_entry.is_empty()
        && property::value(json, PARENT) == Some(ground.deleted_entry.as_str());
    Some(Event {
        head: Head {
            id: item::id(json)?,
            change_key: item::version(json)?,
            folder: if deleted {
                ground.places.deleted.clone()
            } else {
                CALENDAR.to_owned()
            },
            subject: text(json, "subject").to_owned(),
            sensitivity: capital(text(json, "sensitivity")),
            body: body(json, &json["body"])?,
            categories: item::categories(json),
            created: text(json, "createdDateTime").to_owned(),
            modified: text(json, "lastModifiedDateTime").to_owned(),
            key: property::value(json, KEY).map(str::to_owned),
            ..Head::default()
        },
        uid: series_uid(text(json, "iCalUId")),
        // Of an occurrence that is as it was planned, the plan is its start; it is told in the words of its zone.
        original_start: if item_type == "Occurrence" {
            start.clone()
        } else {
            text(json, "originalStart").to_owned()
        },
        start,
        end,
        all_day,
        show_as: show_as(text(json, "showAs")).to_owned(),
        location: text(&json["location"], "displayName").to_owned(),
        meeting: !attendees.is_empty(),
        cancelled: json["isCancelled"].as_bool().unwrap_or_default(),
        online: json["isOnlineMeeting"].as_bool().unwrap_or_default()
            || !text(json, "onlineMeetingUrl").is_empty()
            || !text(&json["onlineMeeting"], "joinUrl").is_empty(),
        item_type: item_type.to_owned(),
        response: response(json).to_owned(),
        organizer,
        attendees,
        start_zone,
        reminder_set: json["isReminderOn"].as_bool().unwrap_or_default(),
        reminder: json["reminderMinutesBeforeStart"]
            .as_i64()
            .map_or_else(String::new, |minutes| minutes.to_string()),
        ..Event::default()
    })
}

/// The body as Graph gives it is HTML, whatever it was written as: one that was plain text has nothing to lose.
fn body(json: &Value, body: &Value) -> Option<Body> {
    let content = body["content"].as_str()?;
    let html = text(body, "contentType").eq_ignore_ascii_case("html");
    let was_plain = html && property::value(json, NATIVE_BODY).map(str::trim) == Some("1");
    if was_plain {
        return Some(Body {
            text: crate::html::to_text(content),
            html: false,
            cut: false,
        });
    }
    Some(Body {
        text: content.to_owned(),
        html,
        cut: false,
    })
}

fn zone_of(name: &str) -> Written {
    let name = name.trim();
    if name.is_empty() || name.to_ascii_lowercase().starts_with(OWN_ZONES) {
        // Graph has turned its times into UTC, and whole days have no zone there.
        return Written::default();
    }
    Written::named(name)
}

fn capital(word: &str) -> String {
    match word {
        "" | "normal" => "Normal",
        "personal" => "Personal",
        "private" => "Private",
        _ => "Confidential",
    }
    .to_owned()
}

/// In the words that [`Event`] has from Exchange Web Services.
fn response(json: &Value) -> &'static str {
    match text(&json["responseStatus"], "response") {
        "organizer" => "Organizer",
        "accepted" => "Accept",
        "tentativelyAccepted" => "Tentative",
        "declined" => "Decline",
        "notResponded" => "NoResponseReceived",
        _ => match json["isOrganizer"].as_bool() {
            Some(false) => "NoResponseReceived",
            _ => "Unknown",
        },
    }
}

const SHOW_AS: [(&str, &str); 5] = [
    ("busy", "Busy"),
    ("free", "Free"),
    ("tentative", "Tentative"),
    ("oof", "OOF"),
    ("workingElsewhere", "WorkingElsewhere"),
];

fn show_as(word: &str) -> &'static str {
    SHOW_AS
        .iter()
        .find(|(theirs, _)| *theirs == word)
        .map_or("", |(_, ours)| ours)
}

fn person(address: &Value) -> Option<Email> {
    let email = Email {
        text: text(address, "address").to_owned(),
        name: text(address, "name").to_owned(),
        ..Email::default()
    };
    (!email.text.is_empty() || !email.name.is_empty()).then_some(email)
}

fn attendee(json: &Value) -> (AttendeeRole, Email, String) {
    let role = match text(json, "type") {
        "optional" => AttendeeRole::Optional,
        "resource" => AttendeeRole::Resource,
        _ => AttendeeRole::Required,
    };
    let answer = match text(&json["status"], "response") {
        "accepted" => "Accept",
        "tentativelyAccepted" => "Tentative",
        "declined" => "Decline",
        _ => "Unknown",
    };
    (
        role,
        person(&json["emailAddress"]).unwrap_or_default(),
        answer.to_owned(),
    )
}

/// `iCalUId` of an occurrence may carry its date; every calendar knows the series by the id without it.
/// <https://learn.microsoft.com/openspecs/exchange_server_protocols/ms-oxocal/1d3aac05-a7b9-45cc-a213-47f0a0a2c5c1>
pub(crate) fn series_uid(uid: &str) -> String {
    const START: &str = "040000008200E00074C5B7101A82E008";
    let uid = uid.trim();
    let is_object_id = uid.len() >= 40
        && uid.is_ascii()
        && uid[..START.len()].eq_ignore_ascii_case(START)
        && uid.bytes().all(|b| b.is_ascii_hexdigit());
    if is_object_id {
        format!("{}00000000{}", &uid[..32], &uid[40..])
    } else {
        uid.to_owned()
    }
}

/// What is sent to make an event. It never has attendees: Graph would invite them.
///
/// # Errors
/// A value that a calendar cannot hold: the field.
pub(crate) fn new(key: &LinkKey, record: &Record, home: Option<&Written>) -> Result<Value, Field> {
    let set: BTreeMap<Field, FieldValue> = [Field::Subject, Field::Body, Field::Location, Field::When]
        .into_iter()
        .map(|field| (field, record.get(field).clone()))
        .filter(|(field, value)| *field == Field::When || value.known().is_some())
        .collect();
    let mut body = changes(&Event::default(), &set, home)?;
    if !body.contains_key("start") {
        return Err(Field::When);
    }
    let show_as = record.get(Field::ShowAs).known().unwrap_or("busy");
    body.insert(
        "showAs".to_owned(),
        json!(free_busy(show_as).ok_or(Field::ShowAs)?),
    );
    let private = record.get(Field::Private).known() == Some("yes");
    body.insert(
        "sensitivity".to_owned(),
        json!(if private { "private" } else { "normal" }),
    );
    match record
        .get(Field::Reminder)
        .known()
        .filter(|text| !text.is_empty())
    {
        Some(minutes) => remind(&mut body, minutes)?,
        None => {
            body.insert("isReminderOn".to_owned(), json!(false));
        }
    }
    body.insert("categories".to_owned(), json!([crate::map::CATEGORY]));
    body.insert("transactionId".to_owned(), json!(transaction(key)));
    body.insert(
        "singleValueExtendedProperties".to_owned(),
        json!([property::entry(KEY, &key.0)]),
    );
    Ok(Value::Object(body))
}

/// The key as a GUID: a request that is sent twice makes one event.
fn transaction(key: &LinkKey) -> String {
    let hex = &key.0;
    if hex.len() == 32 && hex.is_ascii() {
        return format!(
            "{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        );
    }
    hex.clone()
}

/// What is said so that an event holds `set`.
///
/// # Errors
/// A value that a calendar cannot hold: the field.
pub(crate) fn changes(
    event: &Event,
    set: &BTreeMap<Field, FieldValue>,
    home: Option<&Written>,
) -> Result<Map<String, Value>, Field> {
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    for (field, value) in set {
        match (field, value) {
            (_, FieldValue::Unknown) => {}
            (Field::Subject, value) => {
                put("subject", json!(value.known().unwrap_or_default()));
            }
            (Field::Body, value) => {
                put("body", item::plain_body(value.known().unwrap_or_default()));
            }
            (Field::Location, value) => {
                put(
                    "location",
                    json!({ "displayName": value.known().unwrap_or_default() }),
                );
            }
            (Field::When, FieldValue::Known(text)) => {
                let when: When = text.parse().map_err(|_| Field::When)?;
                let [start, end, all_day] =
                    times::write_when(when, Some(&event.start_zone), home).ok_or(Field::When)?;
                put("start", start);
                put("end", end);
                put("isAllDay", all_day);
            }
            (Field::When, FieldValue::Empty) => return Err(Field::When),
            (Field::ShowAs, value) => {
                let word = free_busy(value.known().unwrap_or("busy")).ok_or(Field::ShowAs)?;
                put("showAs", json!(word));
            }
            (Field::Private, value) => {
                let private = value.known() == Some("yes");
                // However it is called, it stays so.
                if words::is_private(&event.head) != private {
                    put("sensitivity", json!(if private { "private" } else { "normal" }));
                }
            }
            (Field::Reminder, FieldValue::Empty) => {
                put("isReminderOn", json!(false));
            }
            // Below: two properties at once. Nobody answers for the user, and who belongs to it is not the calendar's
            // to know.
            _ => {}
        }
    }
    if let Some(FieldValue::Known(minutes)) = set.get(&Field::Reminder) {
        remind(&mut body, minutes)?;
    }
    Ok(body)
}

fn remind(body: &mut Map<String, Value>, minutes: &str) -> Result<(), Field> {
    let minutes = words::reminder(minutes).ok_or(Field::Reminder)?;
    body.insert("isReminderOn".to_owned(), json!(true));
    body.insert("reminderMinutesBeforeStart".to_owned(), json!(minutes));
    Ok(())
}

fn free_busy(word: &str) -> Option<&'static str> {
    let theirs = words::free_busy(word)?;
    SHOW_AS
        .iter()
        .find(|(_, ours)| *ours == theirs)
        .map(|(graph, _)| *graph)
}

/// Whether an answer of a delta tells of a series: its master, or one of its occurrences.
pub(crate) fn is_of_series(json: &Value) -> bool {
    json["type"].as_str().is_none_or(|word| word != "singleInstance") || json["seriesMasterId"].is_string()
}

pub(crate) fn is_master(json: &Value) -> bool {
    json["type"] == "seriesMaster"
}

#[cfg(test)]
mod tests {
    use tandem_types::ItemKind;

    use super::*;

    /// After the example of the documentation.
    fn example() -> Value {
        json!({
            "@odata.etag": "W/\"ZlnW4RIAV06KYYwlfNZvQAAAKGvwPQ==\"",
            "id": "AAMkAGIAAAoZDOFAAA=",
            "createdDateTime": "2026-06-16T12:00:00Z",
            "lastModifiedDateTime": "2026-06-17T12:00:00.1234567Z",
            "changeKey": "ZlnW4RIAV06KYYwlfNZvQAAAKGvwPQ==",
            "categories": ["Salesforce"],
            "iCalUId": "040000008200E00074C5B7101A82E00807EA0A131AF",
            "subject": "Let's go for lunch",
            "body": {"contentType": "html", "content": "<html><head></head><body><p>Does noon work?</p></body></html>"},
            "sensitivity": "normal",
            "start": {"dateTime": "2026-07-01T10:00:00.0000000", "timeZone": "UTC"},
            "end": {"dateTime": "2026-07-01T11:00:00.0000000", "timeZone": "UTC"},
            "originalStartTimeZone": "W. Europe Standard Time",
            "isAllDay": false,
            "showAs": "oof",
            "location": {"displayName": "Harry's Bar", "locationType": "default"},
            "attendees": [
                {"type": "optional", "status": {"response": "tentativelyAccepted"}, "emailAddress": {"name": "Samantha", "address": "Samantha@contoso.example"}},
                {"type": "required", "status": {"response": "none"}, "emailAddress": {"name": "Nobody"}},
            ],
            "organizer": {"emailAddress": {"name": "Dana", "address": "dana@contoso.example"}},
            "isOrganizer": true,
            "isCancelled": false,
            "isOnlineMeeting": false,
            "onlineMeeting": null,
            "type": "singleInstance",
            "responseStatus": {"response": "organizer"},
            "isReminderOn": true,
            "reminderMinutesBeforeStart": 15,
        })
    }

    fn snapshot(change: impl FnOnce(&mut Value)) -> tandem_sync::model::Snapshot {
        let mut json = example();
        change(&mut json);
        let ground = Ground {
            deleted_entry: "D=".to_owned(),
            places: crate::places::Places {
                deleted: "deleted".to_owned(),
                address: "dana@contoso.example".to_owned(),
                ..crate::places::Places::default()
            },
        };
        read(&json, &ground).unwrap().snapshot(&ground.places)
    }

    #[test]
    fn an_event_in_full() {
        use tandem_sync::model::{Answer, Part, Scope, SeriesPart};
        let snapshot = snapshot(|_| {});
        let text = |field| snapshot.record.get(field).known().unwrap_or("-").to_owned();
        assert_eq!(text(Field::When), "2026-07-01T10:00:00Z/2026-07-01T11:00:00Z");
        assert_eq!(text(Field::Body), "Does noon work?");
        assert_eq!(text(Field::ShowAs), "out_of_office");
        assert_eq!(text(Field::Reminder), "15");
        assert_eq!(text(Field::Location), "Harry's Bar");
        assert_eq!((snapshot.scope, snapshot.marked), (Scope::In, true));
        let facts = snapshot.extra.event.unwrap();
        assert_eq!((facts.part, facts.series), (Part::Organizer, SeriesPart::Single));
        assert_eq!(facts.attendees.len(), 1, "one has no address");
        assert_eq!(facts.attendees[0].answer, Answer::Tentative);
        assert!(!facts.rich_body && !facts.online && !facts.broken_zone);
    }

    #[test]
    fn invitations_series_and_deleted_ones() {
        use tandem_sync::model::{Answer, Part, Scope};
        let invited = snapshot(|json| {
            json["isOrganizer"] = json!(false);
            json["responseStatus"]["response"] = json!("tentativelyAccepted");
        });
        let facts = invited.extra.event.unwrap();
        assert_eq!((facts.part, facts.answer), (Part::Attendee, Answer::Tentative));
        let moved = snapshot(|json| {
            json["type"] = json!("exception");
            json["originalStart"] = json!("2026-06-30T10:00:00Z");
            json["iCalUId"] = json!(format!(
                "040000008200E00074C5B7101A82E00807EA0A13{}",
                "AB".repeat(20)
            ));
        });
        let facts = moved.extra.event.unwrap();
        assert_eq!(facts.original_start.as_deref(), Some("2026-06-30T10:00:00Z"));
        assert!(
            facts
                .uid
                .unwrap()
                .starts_with("040000008200E00074C5B7101A82E00800000000AB")
        );
        assert_eq!(moved.key, None);
        let gone = snapshot(|json| {
            json["singleValueExtendedProperties"] = json!([{"id": "Binary 0xe09", "value": "D="}]);
        });
        assert_eq!(gone.scope, Scope::Out);
    }

    #[test]
    fn whole_days_are_never_shifted() {
        let of = |start: &str, end: &str, zone: &str| {
            let snapshot = snapshot(|json| {
                json["isAllDay"] = json!(true);
                json["start"]["dateTime"] = json!(start);
                json["end"]["dateTime"] = json!(end);
                json["originalStartTimeZone"] = json!(zone);
            });
            let broken = snapshot.extra.event.unwrap().broken_zone;
            (
                snapshot.record.get(Field::When).known().unwrap().to_owned(),
                broken,
            )
        };
        let day = ("2026-07-01/2026-07-02".to_owned(), false);
        for zone in [
            "W. Europe Standard Time",
            "UTC",
            "Samoa Standard Time",
            "Dateline Standard Time",
            "tzone://Microsoft/Custom",
            "",
        ] {
            assert_eq!(
                of("2026-07-01T00:00:00.0000000", "2026-07-02T00:00:00.0000000", zone),
                day,
                "{zone}"
            );
        }
        // By a server that shifts them all the same.
        assert_eq!(
            of(
                "2026-06-30T22:00:00",
                "2026-07-01T22:00:00",
                "W. Europe Standard Time"
            ),
            day
        );
        assert!(
            of(
                "2026-07-01T00:00:00",
                "2026-07-02T00:00:00",
                "Middle-earth Standard Time"
            )
            .1
        );
    }

    #[test]
    fn plain_text_that_graph_shows_as_html_has_nothing_to_lose() {
        let html = "<html><body><div class=\"PlainText\">see <a href=\"https://x.example\">https://x.example</a></div></body></html>";
        let of = |native: &str| {
            let snapshot = snapshot(|json| {
                json["body"]["content"] = json!(html);
                json["singleValueExtendedProperties"] = json!([{"id": "Integer 0x1016", "value": native}]);
            });
            let rich = snapshot.extra.event.unwrap().rich_body;
            (snapshot.record.get(Field::Body).known().unwrap().to_owned(), rich)
        };
        assert_eq!(of("1"), ("see https://x.example".to_owned(), false));
        assert!(of("3").1);
    }

    #[test]
    fn a_new_event_invites_nobody_and_is_made_once() {
        let key = LinkKey("0123456789abcdef0123456789abcdef".to_owned());
        let record = Record::new(ItemKind::Event)
            .with(Field::Subject, "x")
            .with(Field::When, "2026-07-01/2026-07-02")
            .with(Field::Private, "yes")
            .with(Field::Reminder, "30");
        let home = Written::named("W. Europe Standard Time");
        let body = new(&key, &record, Some(&home)).unwrap();
        assert_eq!(body["transactionId"], "01234567-89ab-cdef-0123-456789abcdef");
        assert_eq!(
            body["start"],
            json!({"dateTime": "2026-07-01T00:00:00", "timeZone": "W. Europe Standard Time"})
        );
        assert_eq!(body["sensitivity"], "private");
        assert_eq!(body["reminderMinutesBeforeStart"], 30);
        assert_eq!(body["showAs"], "busy");
        assert_eq!(body.get("attendees"), None);
        assert_eq!(
            new(&key, &Record::new(ItemKind::Event), None).unwrap_err(),
            Field::When
        );
    }

    #[test]
    fn uids() {
        assert_eq!(series_uid(" abc@google.com "), "abc@google.com");
        assert_eq!(series_uid(""), "");
        assert_eq!(
            series_uid("040000008200E00074C5B7101A82E008ü"),
            "040000008200E00074C5B7101A82E008ü"
        );
    }
}
