//! Values that several types share: times, bodies, people, enumerations.

use jiff::civil::DateTime;
use serde_json::{Map, Value, json};

use super::answer::Refused;
use super::call::{Prefer, zone_named};
use crate::exchange::content::{Content, Person, crlf, html_of, text_of};
use crate::exchange::xml::allowed;
use crate::exchange::zones::Zone;

/// What stands for *never*.
pub(super) const NEVER: &str = "0001-01-01T00:00:00Z";

/// Our words beside Graph's.
pub(super) type Pairs = &'static [(&'static str, &'static str)];

pub(super) const IMPORTANCES: Pairs = &[("Low", "low"), ("Normal", "normal"), ("High", "high")];
pub(super) const SENSITIVITIES: Pairs = &[
    ("Normal", "normal"),
    ("Personal", "personal"),
    ("Private", "private"),
    ("Confidential", "confidential"),
];
pub(super) const SHOWN_AS: Pairs = &[
    ("Free", "free"),
    ("Tentative", "tentative"),
    ("Busy", "busy"),
    ("OOF", "oof"),
    ("WorkingElsewhere", "workingElsewhere"),
    ("NoData", "unknown"),
];
pub(super) const RESPONSES: Pairs = &[
    ("Unknown", "none"),
    ("Organizer", "organizer"),
    ("Tentative", "tentativelyAccepted"),
    ("Accept", "accepted"),
    ("Decline", "declined"),
    ("NoResponseReceived", "notResponded"),
];
pub(super) const STATUSES: Pairs = &[
    ("NotStarted", "notStarted"),
    ("InProgress", "inProgress"),
    ("Completed", "completed"),
    ("WaitingOnOthers", "waitingOnOthers"),
    ("Deferred", "deferred"),
];

/// Graph's word for ours, or for the default.
pub(super) fn theirs(pairs: Pairs, ours: &str, default: &'static str) -> &'static str {
    pairs.iter().find(|(o, _)| *o == ours).map_or(default, |(_, t)| t)
}

/// Our word for Graph's.
pub(super) fn ours(pairs: Pairs, name: &str, value: &Value) -> Result<&'static str, Refused> {
    let text = value.as_str().unwrap_or_default();
    pairs
        .iter()
        .find(|(_, t)| *t == text)
        .map(|(o, _)| *o)
        .ok_or_else(|| {
            Refused::new(
                400,
                "RequestBodyRead",
                format!("Requested value '{value}' of '{name}' was not found."),
            )
        })
}

/// A text, or null for an empty one.
pub(super) fn text(name: &str, value: &Value) -> Result<String, Refused> {
    let text = match value {
        Value::Null => "",
        Value::String(text) => text,
        _ => return Err(mismatch(name, "Edm.String")),
    };
    // The same store is shown by EWS, which is XML.
    match text.chars().find(|c| !allowed(*c)) {
        Some(c) => Err(Refused::invalid(format!(
            "'{name}' holds U+{:04X}.",
            u32::from(c)
        ))),
        None => Ok(text.to_owned()),
    }
}

/// A value of another type than the property has.
pub(super) fn mismatch(name: &str, ty: &str) -> Refused {
    Refused::new(
        400,
        "RequestBodyRead",
        format!("Cannot convert the value of '{name}' to the expected type '{ty}'."),
    )
}

pub(super) fn flag(name: &str, value: &Value) -> Result<bool, Refused> {
    value.as_bool().ok_or_else(|| mismatch(name, "Edm.Boolean"))
}

pub(super) fn whole(name: &str, value: &Value) -> Result<i64, Refused> {
    value.as_i64().ok_or_else(|| mismatch(name, "Edm.Int32"))
}

/// A list of texts; null is none.
pub(super) fn texts(name: &str, value: &Value) -> Result<Vec<String>, Refused> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(all) => all.iter().map(|v| text(name, v)).collect(),
        _ => Err(mismatch(name, "Collection(Edm.String)")),
    }
}

/// An object that has no other names than these.
pub(super) fn object<'a>(
    name: &str,
    value: &'a Value,
    known: &[&str],
) -> Result<&'a Map<String, Value>, Refused> {
    let map = value.as_object().ok_or_else(|| mismatch(name, "an object"))?;
    match map
        .keys()
        .find(|k| !k.contains('@') && !known.contains(&k.as_str()))
    {
        Some(unknown) => Err(Refused::no_property(unknown, name)),
        None => Ok(map),
    }
}

/// A wall clock as Graph writes it: seven digits behind the point.
pub(super) fn wall(at: DateTime) -> String {
    format!("{}.0000000", at.strftime("%Y-%m-%dT%H:%M:%S"))
}

/// `dateTimeTimeZone` of a moment in a zone.
pub(super) fn in_zone(micros: i64, zone: &Zone) -> Value {
    json!({ "dateTime": wall(zone.wall(micros)), "timeZone": zone.id })
}

/// What a `dateTimeTimeZone` says.
pub(super) struct Stamp {
    /// Microseconds since 1970.
    pub(super) micros: i64,
    pub(super) wall: DateTime,
    pub(super) zone: Zone,
}

/// Reads a `dateTimeTimeZone`. <https://learn.microsoft.com/graph/api/resources/datetimetimezone>
pub(super) fn stamp(name: &str, value: &Value) -> Result<Stamp, Refused> {
    let map = object(name, value, &["dateTime", "timeZone"])?;
    let bad = |what: &str| Refused::new(400, "ErrorInvalidParameter", format!("'{name}': {what}."));
    let time = map
        .get("dateTime")
        .and_then(Value::as_str)
        .ok_or_else(|| bad("dateTime is missing"))?;
    let zone = map
        .get("timeZone")
        .and_then(Value::as_str)
        .ok_or_else(|| bad("timeZone is missing"))?;
    let wall: DateTime = match time.strip_suffix('Z') {
        Some(_) => return Err(bad("dateTime has an offset, beside a timeZone")),
        None => time.parse().map_err(|_| bad(&format!("'{time}' is no time")))?,
    };
    let zone = zone_named(zone)?;
    Ok(Stamp {
        micros: zone.moment(wall),
        wall,
        zone,
    })
}

/// `itemBody`: HTML unless the client prefers text.
pub(super) fn body(content: &Content, prefer: &Prefer) -> Value {
    let html = match (content.body_is_html, prefer.text_bodies) {
        (true, true) => return json!({ "contentType": "text", "content": text_of(&content.body) }),
        (false, true) => return json!({ "contentType": "text", "content": content.body }),
        (true, false) => content.body.clone(),
        (false, false) if content.body.is_empty() => String::new(),
        (false, false) => html_of(&content.body),
    };
    json!({ "contentType": "html", "content": html })
}

/// The first 255 characters of the text.
pub(super) fn preview(content: &Content) -> String {
    content
        .plain_body()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(255)
        .collect()
}

/// Stores an `itemBody`. A fragment of HTML becomes a document, as in a mailbox.
pub(super) fn set_body(content: &mut Content, value: &Value) -> Result<(), Refused> {
    if value.is_null() {
        content.body.clear();
        content.body_is_html = false;
        return Ok(());
    }
    let map = object("body", value, &["contentType", "content"])?;
    let given = text("content", map.get("content").unwrap_or(&Value::Null))?;
    let html = match map
        .get("contentType")
        .and_then(Value::as_str)
        .map(str::to_lowercase)
        .as_deref()
    {
        Some("html") => true,
        Some("text") | None => false,
        Some(other) => return Err(Refused::invalid(format!("'{other}' is no contentType."))),
    };
    content.body_is_html = html && !given.is_empty();
    content.body = if !html || given.is_empty() || given.to_ascii_lowercase().contains("<html") {
        crlf(&given)
    } else {
        crlf(&format!(
            "<html><head>\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\"></head><body>\
{given}</body></html>"
        ))
    };
    Ok(())
}

/// `recipient`.
pub(super) fn recipient(person: &Person) -> Value {
    json!({ "emailAddress": { "name": person.name, "address": person.address } })
}

/// `Collection(recipient)`.
pub(super) fn recipients(people: Option<&Vec<Person>>) -> Value {
    people.into_iter().flatten().map(recipient).collect()
}

/// Reads a `recipient`.
pub(super) fn person(name: &str, value: &Value) -> Result<Person, Refused> {
    let inner = value
        .get("emailAddress")
        .ok_or_else(|| mismatch(name, "microsoft.graph.recipient"))?;
    let map = object("emailAddress", inner, &["name", "address"])?;
    let get = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default().trim();
    let address = get("address");
    if address.is_empty() {
        return Err(Refused::new(
            400,
            "ErrorInvalidRecipients",
            "At least one recipient isn't valid., A message can't be sent because it contains no recipients.",
        ));
    }
    Ok(Person::new(
        if get("name").is_empty() {
            address
        } else {
            get("name")
        },
        address,
    ))
}

/// Reads a list of recipients.
pub(super) fn people(name: &str, value: &Value) -> Result<Vec<Person>, Refused> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(all) => all.iter().map(|one| person(name, one)).collect(),
        _ => Err(mismatch(name, "Collection(microsoft.graph.recipient)")),
    }
}

/// Applies what all kinds of items have; whether the name was one of these.
pub(super) fn set_common(content: &mut Content, name: &str, value: &Value) -> Result<bool, Refused> {
    match name {
        "categories" => {
            let mut all: Vec<String> = Vec::new();
            for category in texts(name, value)? {
                if !category.trim().is_empty() && !all.contains(&category) {
                    all.push(category);
                }
            }
            content.lists.remove("Categories");
            if !all.is_empty() {
                content.lists.insert("Categories", all);
            }
        }
        "importance" => drop(
            content
                .texts
                .insert("Importance", ours(IMPORTANCES, name, value)?.to_owned()),
        ),
        "singleValueExtendedProperties" => super::extended::apply(content, value)?,
        // What a request says of the version was checked already.
        "changeKey" | "id" => {}
        _ => return Ok(false),
    }
    Ok(true)
}

/// The categories as a list.
pub(super) fn categories(content: &Content) -> Value {
    json!(content.lists.get("Categories").cloned().unwrap_or_default())
}

/// A text of the store, or null.
pub(super) fn or_null(content: &Content, name: &str) -> Value {
    content.texts.get(name).map_or(Value::Null, |t| json!(t))
}
