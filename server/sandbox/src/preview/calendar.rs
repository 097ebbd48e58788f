//! A day of the calendar, and the appointment that is open: an attendee reads it, its organizer writes on it.

use std::fmt::Write as _;

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde_json::Value;

use super::compose;
use super::draw::{Part, avatar, chips, deed, icon, tandem_button};
use super::item;
use super::mail::{answers, categorize, files};
use super::outlook::{Meeting, Outlook, micros};
use super::view::{Lang, View};
use crate::exchange::zones::Zone;
use crate::graph::Told;
use crate::pages::escape;

/// A slot of the day's grid, in minutes.
const SLOT: i64 = 15;
/// Slots of a day.
pub(super) const SLOTS: i64 = 24 * 60 / SLOT;
/// As many appointments stand side by side; more lie in the last lane.
pub(super) const LANES: usize = 4;

const DAYS: [(&str, &str); 7] = [
    ("Mon", "Mo"),
    ("Tue", "Di"),
    ("Wed", "Mi"),
    ("Thu", "Do"),
    ("Fri", "Fr"),
    ("Sat", "Sa"),
    ("Sun", "So"),
];
const MONTHS: [(&str, &str); 12] = [
    ("January", "Januar"),
    ("February", "Februar"),
    ("March", "März"),
    ("April", "April"),
    ("May", "Mai"),
    ("June", "Juni"),
    ("July", "Juli"),
    ("August", "August"),
    ("September", "September"),
    ("October", "Oktober"),
    ("November", "November"),
    ("December", "Dezember"),
];

fn weekday(lang: Lang, day: Date) -> &'static str {
    let at = usize::try_from(day.weekday().to_monday_zero_offset()).unwrap_or_default();
    let (en, de) = DAYS[at % 7];
    lang.say(en, de)
}

fn title_of(lang: Lang, day: Date) -> String {
    let at = usize::try_from(day.month() - 1).unwrap_or_default();
    let (en, de) = MONTHS[at % 12];
    match lang {
        Lang::En => format!("{}, {en} {}, {}", weekday(lang, day), day.day(), day.year()),
        Lang::De => format!("{}, {}. {de} {}", weekday(lang, day), day.day(), day.year()),
    }
}

/// Begin and end in microseconds.
fn times(event: &Value) -> (i64, i64) {
    let time = |name: &str| {
        event[name]["dateTime"]
            .as_str()
            .and_then(micros)
            .unwrap_or_default()
    };
    (time("start"), time("end"))
}

/// The slots of a day that an appointment covers.
fn slots(zone: &Zone, day: Date, (start, end): (i64, i64)) -> (i64, i64) {
    let slot = |at: i64| {
        let wall = zone.wall(at);
        match wall.date().cmp(&day) {
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Greater => SLOTS,
            std::cmp::Ordering::Equal => (i64::from(wall.hour()) * 60 + i64::from(wall.minute())) / SLOT,
        }
    };
    let from = slot(start).min(SLOTS - 1);
    (from, slot(end).max(from + 2).min(SLOTS))
}

/// Which lane each appointment stands in; they come in the order of their start.
fn lanes(spans: &[(i64, i64)]) -> Vec<usize> {
    let mut ends = [0_i64; LANES];
    spans
        .iter()
        .map(|(from, to)| {
            let lane = ends.iter().position(|end| end <= from).unwrap_or(LANES - 1);
            ends[lane] = *to;
            lane
        })
        .collect()
}

fn grid(
    view: &View,
    zone: &Zone,
    day: Date,
    events: &[Value],
    chosen: Option<&str>,
    colours: &[(String, String)],
) -> String {
    let say = |en: &'static str, de: &'static str| view.lang.say(en, de);
    let entry = |event: &Value, class: &str| {
        let id = event["id"].as_str().unwrap_or_default();
        let (start, end) = times(event);
        let clock = |at: i64| zone.wall(at).strftime("%H:%M").to_string();
        let subject = event["subject"]
            .as_str()
            .filter(|s| !s.is_empty())
            .unwrap_or_else(|| say("(no subject)", "(kein Betreff)"));
        format!(
            "<li class=\"{class} {}\"><a id=\"e-{id}\" href=\"/calendar/{day}/{id}\"{}><strong>{}</strong>\
             <span>{}–{}</span><span>{}</span>{}</a></li>",
            event["showAs"].as_str().unwrap_or_default(),
            if chosen == Some(id) {
                " aria-current=\"true\""
            } else {
                ""
            },
            escape(subject),
            clock(start),
            clock(end),
            escape(event["location"]["displayName"].as_str().unwrap_or_default()),
            chips(&event["categories"], colours),
        )
    };
    let (whole, timed): (Vec<&Value>, Vec<&Value>) = events.iter().partition(|e| e["isAllDay"] == true);
    let spans: Vec<(i64, i64)> = timed.iter().map(|e| slots(zone, day, times(e))).collect();
    let placed = lanes(&spans);
    let many = placed.iter().max().map_or(1, |most| most + 1);
    let mut hours = String::new();
    for hour in 0..24 {
        let _ = write!(
            hours,
            "<span class=\"hour from-{}\">{hour:02}:00</span>",
            hour * 60 / SLOT
        );
    }
    let mut all = String::new();
    for event in whole {
        all.push_str(&entry(event, "whole"));
    }
    let mut out = String::new();
    for ((event, (from, to)), lane) in timed.iter().zip(&spans).zip(&placed) {
        out.push_str(&entry(event, &format!("from-{from} to-{to} lane-{lane}")));
    }
    format!(
        "{}<div class=\"hours\" id=\"hours\" tabindex=\"-1\"><div class=\"clock\" aria-hidden=\"true\">{hours}</div>\
         <ul class=\"slots lanes-{many}\">{out}</ul></div>{}",
        if all.is_empty() {
            String::new()
        } else {
            format!("<ul class=\"allday\">{all}</ul>")
        },
        if events.is_empty() {
            format!(
                "<p class=\"nothing\">{}</p>",
                say("Nothing on this day.", "Nichts an diesem Tag.")
            )
        } else {
            String::new()
        }
    )
}

/// The days of the week, and the way to others.
fn strip(view: &View, day: Date, today: Date) -> String {
    let say = |en: &'static str, de: &'static str| view.lang.say(en, de);
    let offset = i64::from(day.weekday().to_monday_zero_offset());
    let monday = day.checked_sub(offset.days()).unwrap_or(day);
    let week = |by: i64| day.checked_add((by * 7).days()).unwrap_or(day);
    let mut days = String::new();
    for n in 0..7_i64 {
        let one = monday.checked_add(n.days()).unwrap_or(monday);
        let _ = write!(
            days,
            "<a id=\"d-{one}\" href=\"/calendar/{one}\"{}{}><span>{}</span><b>{}</b></a>",
            if one == day { " aria-current=\"date\"" } else { "" },
            if one == today { " class=\"today\"" } else { "" },
            weekday(view.lang, one),
            one.day()
        );
    }
    format!(
        "<nav class=\"week\" aria-label=\"{}\"><a id=\"week-before\" href=\"/calendar/{}\" aria-label=\"{}\">{}</a>{days}\
         <a id=\"week-after\" href=\"/calendar/{}\" aria-label=\"{}\">{}</a></nav>",
        say("Week", "Woche"),
        week(-1),
        say("Week before", "Vorige Woche"),
        icon("left"),
        week(1),
        say("Next week", "Nächste Woche"),
        icon("right"),
    )
}

fn line(picture: &str, text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(
            "<p class=\"line\">{}<span>{}</span></p>",
            icon(picture),
            escape(text)
        )
    }
}

fn invited(event: &Value, lang: Lang) -> String {
    let mut out = String::new();
    for one in event["attendees"].as_array().into_iter().flatten() {
        let name = one["emailAddress"]["name"].as_str().unwrap_or_default();
        let said = match one["status"]["response"].as_str() {
            Some("accepted") => lang.say("accepted", "zugesagt"),
            Some("declined") => lang.say("declined", "abgesagt"),
            Some("tentativelyAccepted") => lang.say("tentative", "mit Vorbehalt"),
            Some("organizer") => lang.say("organizer", "Organisator"),
            _ => lang.say("no answer", "keine Antwort"),
        };
        let _ = write!(
            out,
            "<li>{}<span>{}</span><small>{said}</small></li>",
            avatar(name),
            escape(name)
        );
    }
    if out.is_empty() {
        out
    } else {
        format!("<ul class=\"guests\">{out}</ul>")
    }
}

/// What an attendee sees.
fn read(view: &View, zone: &Zone, event: &Value, day: Date, colours: &[(String, String)]) -> String {
    let say = |en: &'static str, de: &'static str| view.lang.say(en, de);
    let text = |name: &str| event[name].as_str().unwrap_or_default();
    let (start, end) = times(event);
    let span = if event["isAllDay"] == true {
        say("All day", "Ganztägig").to_owned()
    } else {
        format!(
            "{}–{}",
            zone.wall(start).strftime("%H:%M"),
            zone.wall(end).strftime("%H:%M")
        )
    };
    let organizer = event["organizer"]["emailAddress"]["name"]
        .as_str()
        .unwrap_or_default();
    let repeated = if text("type") == "singleInstance" {
        ""
    } else {
        say("Part of a series", "Teil einer Serie")
    };
    let day_text = day.to_string();
    format!(
        "<article class=\"reading\" id=\"reading\" tabindex=\"-1\"><div class=\"tools\" role=\"toolbar\" aria-label=\"{}\">{}{}{}</div>\
         <h1>{}</h1>{}{}{}{}{}{}{}{}<div class=\"body\">{}</div></article>",
        say("Appointment", "Termin"),
        deed(
            "delete",
            &[("kind", "events"), ("id", text("id")), ("day", &day_text)],
            say("Remove", "Entfernen"),
            "deleteditems"
        ),
        categorize(view, "events", text("id"), &event["categories"], colours),
        tandem_button(view),
        escape(text("subject")),
        chips(&event["categories"], colours),
        line(
            "clock",
            &format!("{}, {span}", title_of(view.lang, zone.wall(start).date()))
        ),
        line("repeat", repeated),
        line(
            "place",
            event["location"]["displayName"].as_str().unwrap_or_default()
        ),
        line(
            "people",
            &format!("{} {organizer}", say("Organizer:", "Organisator:"))
        ),
        answers(view, event),
        invited(event, view.lang),
        files(event),
        escape(event["body"]["content"].as_str().unwrap_or_default().trim()),
    )
}

/// The appointment as the form of its organizer has it.
fn meeting(zone: &Zone, event: &Value) -> Meeting {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (start, end) = times(event);
    let wall = |at: i64| zone.wall(at).strftime("%Y-%m-%dT%H:%M").to_string();
    let guests = |ty: &str| {
        let all = event["attendees"].as_array().into_iter().flatten();
        let all: Vec<String> = all
            .filter(|one| one["type"] == ty)
            .map(|one| {
                let (name, address) = (
                    text(&one["emailAddress"]["name"]),
                    text(&one["emailAddress"]["address"]),
                );
                if name == address {
                    address
                } else {
                    format!("{name} <{address}>")
                }
            })
            .collect();
        all.join("; ")
    };
    let categories = event["categories"].as_array().into_iter().flatten();
    Meeting {
        id: Some(text(&event["id"])),
        subject: text(&event["subject"]),
        location: text(&event["location"]["displayName"]),
        start: wall(start),
        end: wall(end),
        required: guests("required"),
        optional: guests("optional"),
        body: text(&event["body"]["content"]).trim().to_owned(),
        categories: categories.filter_map(|c| c.as_str().map(str::to_owned)).collect(),
        quietly: false,
        offset: compose::offset(zone, start),
    }
}

/// The page of a day; `chosen` is the appointment that is open.
pub(super) fn page(
    view: &View,
    outlook: &Outlook<'_>,
    day: Option<Date>,
    chosen: Option<&str>,
    now: i64,
) -> Result<Part, Told> {
    let say = |en: &'static str, de: &'static str| view.lang.say(en, de);
    let zone = outlook.zone();
    let today = zone.wall(now).date();
    let day = day.unwrap_or(today);
    let (events, colours) = (outlook.day(day)?, outlook.master_categories());
    let opened = chosen.map(|id| outlook.event(id)).transpose()?;
    let (detail, item) = match &opened {
        Some(event) if event["isOrganizer"] == true => (
            compose::event_form(view, &meeting(&zone, event), Some(event), day, &colours),
            item::event(view, event),
        ),
        Some(event) => (read(view, &zone, event, day, &colours), item::event(view, event)),
        None => (
            format!(
                "<div class=\"reading empty\">{}<p>{}</p>{}</div>",
                icon("calendar"),
                say("Select an appointment to see it.", "Wählen Sie einen Termin aus."),
                tandem_button(view)
            ),
            Value::Null,
        ),
    };
    let title = title_of(view.lang, day);
    let main = format!(
        "<section class=\"day\" aria-label=\"{title}\"><div class=\"tools\"><h2>{title}</h2>\
         <a class=\"button\" id=\"today\" href=\"/calendar/{today}\">{}</a>\
         <a class=\"button primary\" id=\"new-event\" href=\"/new/event?day={day}\">{}<span>{}</span></a></div>{}{}</section>{detail}",
        say("Today", "Heute"),
        icon("plus"),
        say("New appointment", "Neuer Termin"),
        strip(view, day, today),
        grid(view, &zone, day, &events, chosen, &colours),
    );
    Ok(Part {
        title,
        main,
        item,
        app: "calendar",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appointments_at_the_same_time_stand_side_by_side() {
        assert_eq!(lanes(&[(0, 4), (0, 2), (2, 4), (4, 8)]), [0, 1, 1, 0]);
        let crowd = [(0, 8); 6];
        assert_eq!(lanes(&crowd), [0, 1, 2, 3, 3, 3]);
    }

    #[test]
    fn an_appointment_over_midnight_ends_with_the_day() {
        let zone = Zone::utc();
        let day = jiff::civil::date(2026, 11, 23);
        let at = |text: &str| micros(text).unwrap();
        let late = (at("2026-11-23T22:00:00Z"), at("2026-11-24T02:00:00Z"));
        assert_eq!(slots(&zone, day, late), (88, 96));
        assert_eq!(slots(&zone, day.tomorrow().unwrap(), late), (0, 8));
        let instant = (at("2026-11-23T23:59:00Z"), at("2026-11-23T23:59:00Z"));
        assert_eq!(slots(&zone, day, instant), (95, 96));
    }

    #[test]
    fn days_are_named_in_both_languages() {
        let day = jiff::civil::date(2026, 11, 23);
        assert_eq!(title_of(Lang::En, day), "Mon, November 23, 2026");
        assert_eq!(title_of(Lang::De, day), "Mo, 23. November 2026");
    }
}
