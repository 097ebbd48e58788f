//! Times as Graph writes them: `{"dateTime": "2026-03-29T00:30:00.0000000", "timeZone": "UTC"}`.
//! <https://learn.microsoft.com/graph/api/resources/datetimetimezone>

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp as Instant};
use serde_json::{Value, json};
use tandem_sync::model::{When, instant as write_instant};

use crate::zones::{Written, Zone};

/// The clock on the wall, and the zone's name.
fn parts(value: &Value) -> Option<(DateTime, &str)> {
    let wall = value["dateTime"].as_str()?.trim().trim_end_matches('Z');
    Some((wall.parse().ok()?, value["timeZone"].as_str().unwrap_or("UTC")))
}

/// When it is. `None`: not a time, or in a zone that nobody knows.
pub(crate) fn instant(value: &Value) -> Option<Instant> {
    let (wall, zone) = parts(value)?;
    let zone = match Zone::named(zone)? {
        Zone::Known(zone) => zone,
        Zone::Own(_) => return None,
    };
    zone.to_ambiguous_timestamp(wall).compatible().ok()
}

/// An instant as [`crate::map::instant`] reads it; empty where there is none.
pub(crate) fn instant_text(value: &Value) -> String {
    instant(value).map_or_else(String::new, |at| at.to_string())
}

/// The day of a date that has no zone: midnight, as it was written, or (by clients that shifted it) the nearest one.
pub(crate) fn date(value: &Value) -> Option<Date> {
    let (wall, _) = parts(value)?;
    wall.checked_add(SignedDuration::from_hours(12))
        .ok()
        .map(DateTime::date)
}

/// The day on which whole days begin or end. They stand at midnight, whatever zone was asked for; one that was shifted all
/// the same is a day of the event's own zone.
pub(crate) fn day(value: &Value, own: &Zone) -> Option<Date> {
    let (wall, _) = parts(value)?;
    if wall.time() == Time::midnight() {
        return Some(wall.date());
    }
    own.nearest_day(instant(value)?)
}

/// A date, as a midnight that nobody shifts.
pub(crate) fn write_date(date: Date) -> Value {
    json!({ "dateTime": format!("{date}T00:00:00"), "timeZone": "UTC" })
}

/// An instant.
pub(crate) fn write_utc(at: tandem_types::Timestamp) -> Value {
    let text = write_instant(at);
    json!({ "dateTime": text.trim_end_matches('Z'), "timeZone": "UTC" })
}

/// `start`, `end` and `isAllDay` of an event. `own`: its zone, which is kept. `home`: the user's. `None`: a time that a
/// calendar cannot hold.
pub(crate) fn write_when(when: When, own: Option<&Written>, home: Option<&Written>) -> Option<[Value; 3]> {
    let own = own.filter(|zone| zone.is_given()).and_then(Written::writable);
    match when {
        When::Timed { start, end } => {
            let at = |at: tandem_types::Timestamp| {
                let instant = Instant::from_second(at.seconds()).ok()?;
                let local = own.as_ref().and_then(|zone| wall_in(zone, instant));
                Some(local.unwrap_or_else(|| write_utc(at)))
            };
            let (start, end) = (at(start)?, at(end)?);
            // One zone for both, or none.
            if start["timeZone"] != end["timeZone"] {
                let When::Timed { start, end } = when else {
                    return None;
                };
                return Some([write_utc(start), write_utc(end), json!(false)]);
            }
            Some([start, end, json!(false)])
        }
        When::AllDay { first, until } => {
            let zone = own
                .filter(|zone| !zone.is_utc())
                .or_else(|| home.and_then(Written::writable))
                .unwrap_or_else(|| Written::named("UTC"));
            let at = |day: Date| {
                (1601..4500)
                    .contains(&day.year())
                    .then(|| json!({ "dateTime": format!("{day}T00:00:00"), "timeZone": zone.id }))
            };
            Some([at(first)?, at(until)?, json!(true)])
        }
    }
}

/// The clock on the wall there, where it says the same instant when it is read again: not in the hour that comes twice.
fn wall_in(zone: &Written, at: Instant) -> Option<Value> {
    let Zone::Known(rules) = zone.zone()? else {
        return None;
    };
    let offset = SignedDuration::from_secs(i64::from(rules.to_offset(at).seconds()));
    let wall = TimeZone::UTC.to_datetime(at.checked_add(offset).ok()?);
    (rules.to_ambiguous_timestamp(wall).compatible().ok() == Some(at))
        .then(|| json!({ "dateTime": wall.to_string(), "timeZone": zone.id }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall: &str, zone: &str) -> Value {
        json!({ "dateTime": wall, "timeZone": zone })
    }

    #[test]
    fn times_are_read_in_every_zone() {
        let of = |wall: &str, zone: &str| instant_text(&at(wall, zone));
        assert_eq!(of("2026-03-29T00:30:00.0000000", "UTC"), "2026-03-29T00:30:00Z");
        assert_eq!(
            of("2026-07-01T10:00:00", "W. Europe Standard Time"),
            "2026-07-01T08:00:00Z"
        );
        assert_eq!(of("2026-07-01T10:00:00", "Europe/Berlin"), "2026-07-01T08:00:00Z");
        assert_eq!(of("2026-07-01T10:00:00", "Middle-earth Standard Time"), "");
        assert_eq!(of("soon", "UTC"), "");
        assert_eq!(instant_text(&Value::Null), "");
    }

    #[test]
    fn dates_are_not_shifted() {
        let of = |wall: &str| date(&at(wall, "UTC")).map(|date| date.to_string());
        assert_eq!(of("2026-03-29T00:00:00.0000000").as_deref(), Some("2026-03-29"));
        assert_eq!(of("2026-03-28T22:00:00").as_deref(), Some("2026-03-29"));
        assert_eq!(of("2026-03-29T08:00:00").as_deref(), Some("2026-03-29"));
        let berlin = Zone::named("W. Europe Standard Time").unwrap();
        let day = |wall: &str| day(&at(wall, "UTC"), &berlin).map(|day| day.to_string());
        assert_eq!(day("2026-03-29T00:00:00").as_deref(), Some("2026-03-29"));
        assert_eq!(day("2026-03-28T23:00:00").as_deref(), Some("2026-03-29"));
        assert_eq!(day("2026-07-31T22:00:00").as_deref(), Some("2026-08-01"));
    }

    #[test]
    fn times_are_written_in_the_zone_of_the_event() {
        let berlin = Written::named("W. Europe Standard Time");
        let when = |text: &str| text.parse::<When>().unwrap();
        let summer = when("2026-07-01T08:00:00Z/2026-07-01T09:00:00Z");
        let [start, end, all_day] = write_when(summer, Some(&berlin), None).unwrap();
        assert_eq!(start, at("2026-07-01T10:00:00", "W. Europe Standard Time"));
        assert_eq!(end["dateTime"], "2026-07-01T11:00:00");
        assert_eq!(all_day, json!(false));
        // The second 02:30 of that night.
        let twice = when("2026-10-25T01:30:00Z/2026-10-25T02:30:00Z");
        let [start, end, _] = write_when(twice, Some(&berlin), None).unwrap();
        assert_eq!(start, at("2026-10-25T01:30:00", "UTC"));
        assert_eq!(end, at("2026-10-25T02:30:00", "UTC"));
        let days = when("2026-03-29/2026-03-30");
        let [start, ..] = write_when(days, None, Some(&berlin)).unwrap();
        assert_eq!(start, at("2026-03-29T00:00:00", "W. Europe Standard Time"));
        let [start, ..] = write_when(days, Some(&Written::named("UTC")), None).unwrap();
        assert_eq!(start, at("2026-03-29T00:00:00", "UTC"));
    }
}
