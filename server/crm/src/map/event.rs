//! The neutral event and Salesforce's `Event`.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_event.htm>

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;
use tandem_sync::model::{
    Answer, EventFacts, Field, FieldValue, Part, Profile, Refusal, Scope, SeriesPart, When, instant,
};
use tandem_types::{IssueCode, Timestamp};

use super::ties::{self, Tie};
use super::{
    Malformed, Reading, Row, flag, put_links, reference, text, texts, time, wanted_relations, writable,
};

/// Plain texts.
pub(crate) const TEXTS: [(Field, &str); 3] = [
    (Field::Subject, "Subject"),
    (Field::Body, "Description"),
    (Field::Location, "Location"),
];
/// The field that decides whether a neutral field can be read and written.
pub(crate) const CARRIERS: [(Field, &str); 8] = [
    (Field::Subject, "Subject"),
    (Field::Body, "Description"),
    (Field::Location, "Location"),
    (Field::When, "StartDateTime"),
    (Field::Reminder, "ReminderDateTime"),
    (Field::ShowAs, "ShowAs"),
    (Field::Private, "IsPrivate"),
    (Field::Relations, "WhoId"),
];
/// Read where the organisation and the user have them.
pub(crate) const WANTED: [&str; 20] = [
    "Subject",
    "Description",
    "Location",
    "StartDateTime",
    "EndDateTime",
    "ActivityDate",
    "DurationInMinutes",
    "IsAllDayEvent",
    "IsReminderSet",
    "ReminderDateTime",
    "ShowAs",
    "IsPrivate",
    "WhoId",
    "WhatId",
    "IsChild",
    "IsGroupEvent",
    "IsRecurrence",
    "RecurrenceActivityId",
    "IsRecurrence2",
    "EventSubtype",
];
/// What Salesforce shows an event as, the usual first.
pub(crate) const SHOW_AS: &[&str] = &["busy", "out_of_office", "free"];
const SHOW_AS_THERE: [(&str, &str); 3] = [
    ("busy", "Busy"),
    ("out_of_office", "OutOfOffice"),
    ("free", "Free"),
];
/// Salesforce takes no longer event.
const LONGEST_SECONDS: i64 = 14 * 24 * 3600;
const MINUTE: i64 = 60;

pub(super) fn field_of(name: &str) -> Option<Field> {
    Some(match name {
        "StartDateTime" | "EndDateTime" | "ActivityDate" | "ActivityDateTime" | "DurationInMinutes"
        | "IsAllDayEvent" => Field::When,
        "ReminderDateTime" | "IsReminderSet" => Field::Reminder,
        "WhoId" | "WhatId" | "EventWhoIds" | "RelationId" => Field::Relations,
        "Status" => Field::Answer,
        _ => return CARRIERS.iter().find(|(_, n)| *n == name).map(|(f, _)| *f),
    })
}

/// The user's own invitation.
pub(crate) fn own<'t>(me: &str, ties: &'t [Tie]) -> Option<&'t Tie> {
    ties.iter().find(|tie| tie.invitee && tie.to == me)
}

/// Mine or one that I am invited to; never the copy that an invitee gets, and never the row that stands for a series.
pub(super) fn scope(me: &str, row: &Row, ties: &[Tie]) -> Result<Scope, Malformed> {
    let owner = reference(row, "OwnerId").ok_or(Malformed("an event without OwnerId"))?;
    let part_of_it = owner == me || own(me, ties).is_some();
    let real = !flag(row, "IsChild").unwrap_or(false) && !flag(row, "IsRecurrence").unwrap_or(false);
    Ok(if part_of_it && real { Scope::In } else { Scope::Out })
}

pub(super) fn facts(me: &str, row: &Row, ties: &[Tie]) -> EventFacts {
    let mine = reference(row, "OwnerId").is_some_and(|owner| owner == me);
    EventFacts {
        series: SeriesPart::Single,
        part: if mine { Part::Organizer } else { Part::Attendee },
        answer: own(me, ties)
            .filter(|_| !mine)
            .map_or(Answer::None, |tie| tie.answer),
        crm_series: flag(row, "IsRecurrence").unwrap_or(false)
            || flag(row, "IsRecurrence2").unwrap_or(false)
            || reference(row, "RecurrenceActivityId").is_some(),
        ..EventFacts::default()
    }
}

pub(super) fn value(reading: &Reading<'_>, field: Field, row: &Row, ties: &[Tie]) -> FieldValue {
    match field {
        Field::When => when(row).map_or(FieldValue::Unknown, |when| FieldValue::Known(when.to_string())),
        Field::Reminder => reminder(row, &reading.described.zone),
        Field::ShowAs => match text(row, "ShowAs") {
            Some(there) => {
                let known = SHOW_AS_THERE.iter().find(|(_, name)| *name == there);
                FieldValue::Known(known.map_or("busy", |(word, _)| word).to_owned())
            }
            None => super::value(row.get("ShowAs")),
        },
        Field::Private => super::yes(flag(row, "IsPrivate")),
        Field::Relations => ties::relations(reading.me, row, ties),
        Field::Answer => {
            let mine = reference(row, "OwnerId").is_some_and(|owner| owner == reading.me);
            match own(reading.me, ties).filter(|_| !mine) {
                Some(tie) => FieldValue::Known(tie.answer.as_str().to_owned()),
                None => FieldValue::Empty,
            }
        }
        _ => {
            let name = TEXTS.iter().find(|(f, _)| *f == field).map(|(_, name)| *name);
            super::value(name.and_then(|name| row.get(name)))
        }
    }
}

/// From when to when a row lasts. Of whole days only the dates count: they are written at midnight UTC, and the end is
/// the last day itself.
pub(crate) fn when(row: &Row) -> Option<When> {
    if flag(row, "IsAllDayEvent")? {
        let first = text(row, "ActivityDate")
            .and_then(date)
            .or_else(|| time(row, "StartDateTime").and_then(day))?;
        let last = match time(row, "EndDateTime").and_then(day) {
            Some(last) => last,
            None => days_after(first, minutes(row).map_or(0, |m| (m - 1).div_euclid(24 * 60)))?,
        };
        return Some(When::AllDay {
            first,
            until: days_after(last.max(first), 1)?,
        });
    }
    let start = time(row, "StartDateTime")?;
    let end = match time(row, "EndDateTime") {
        Some(end) => end,
        None => start.plus_seconds(minutes(row)?.checked_mul(MINUTE)?),
    };
    // Finer than a second is nobody's appointment.
    let whole = |at: Timestamp| Timestamp::from_seconds(at.seconds());
    Some(When::Timed {
        start: whole(start),
        end: whole(end),
    })
}

fn minutes(row: &Row) -> Option<i64> {
    row.get("DurationInMinutes")?.as_i64()
}

fn date(text: &str) -> Option<Date> {
    text.get(..10)?.parse().ok()
}

fn day(at: Timestamp) -> Option<Date> {
    let at = jiff::Timestamp::from_second(at.seconds()).ok()?;
    Some(at.to_zoned(TimeZone::UTC).date())
}

fn days_after(day: Date, days: i64) -> Option<Date> {
    day.checked_add(jiff::Span::new().try_days(days).ok()?).ok()
}

/// The moment at which an event starts for this user: whole days start at his midnight.
fn starts(when: When, zone: &TimeZone) -> Timestamp {
    match when {
        When::Timed { start, .. } => start,
        When::AllDay { first, .. } => first.to_zoned(zone.clone()).map_or_else(
            |_| when.start(),
            |at| Timestamp::from_seconds(at.timestamp().as_second()),
        ),
    }
}

fn reminder(row: &Row, zone: &TimeZone) -> FieldValue {
    match flag(row, "IsReminderSet") {
        None => FieldValue::Unknown,
        Some(false) => FieldValue::Empty,
        Some(true) => match (time(row, "ReminderDateTime"), when(row)) {
            (Some(at), Some(when)) => {
                let before = starts(when, zone).seconds_since(at).div_euclid(MINUTE).max(0);
                FieldValue::Known(before.to_string())
            }
            _ => FieldValue::Unknown,
        },
    }
}

/// What is known of the event before an update.
#[derive(Clone, Copy, Default)]
pub(crate) struct Before {
    pub(crate) when: Option<When>,
    /// Minutes; `None`: no reminder, or not known.
    pub(crate) reminder: Option<i64>,
    pub(crate) private: bool,
}

impl Before {
    pub(crate) fn of(record: &tandem_sync::model::Record) -> Self {
        Self {
            when: record.get(Field::When).known().and_then(|text| text.parse().ok()),
            private: record.get(Field::Private).known() == Some("yes"),
            reminder: record
                .get(Field::Reminder)
                .known()
                .and_then(|text| text.parse().ok()),
        }
    }
}

/// Whether a body can only be made with what the event holds now: the reminder is a moment there, and moves with the
/// start.
pub(crate) fn needs_before(fields: &BTreeMap<Field, FieldValue>) -> bool {
    let touched = |field| fields.get(&field).is_some_and(|value| !value.is_unknown());
    let reminds = fields.get(&Field::Reminder).and_then(FieldValue::known).is_some();
    touched(Field::When) != touched(Field::Reminder) && (touched(Field::When) || reminds)
}

/// The members of a write's body.
///
/// # Errors
/// What Salesforce cannot hold: an end before the start, more than 14 days.
pub(crate) fn body(
    profile: &Profile,
    fields: &BTreeMap<Field, FieldValue>,
    before: Before,
    shared: bool,
    zone: &TimeZone,
    creating: bool,
) -> Result<Row, Refusal> {
    let mut row = texts(profile, &TEXTS, fields, creating);
    let may = |field| writable(profile, field, creating);
    let known = |field| fields.get(&field).and_then(FieldValue::known);
    let wanted_when = known(Field::When).map(str::parse::<When>).transpose();
    let wanted_when =
        wanted_when.map_err(|_| refusal(IssueCode::Refused, "the time cannot be read", Field::When))?;
    if let Some(when) = wanted_when.filter(|_| may(Field::When)) {
        put_when(&mut row, when)?;
    }
    let start = wanted_when.or(before.when).map(|when| starts(when, zone));
    if may(Field::Reminder) {
        let minutes = match fields.get(&Field::Reminder) {
            Some(FieldValue::Known(text)) => Some(text.trim().parse::<i64>().ok()),
            Some(FieldValue::Empty) => Some(None),
            // The moment moves with the start.
            _ if wanted_when.is_some() && before.reminder.is_some() => Some(before.reminder),
            _ => None,
        };
        match (minutes, start) {
            (Some(Some(minutes)), Some(start)) => {
                let at = start.plus_seconds(-minutes.clamp(0, 60 * 24 * 366).saturating_mul(MINUTE));
                row.insert("IsReminderSet".to_owned(), Value::Bool(true));
                row.insert("ReminderDateTime".to_owned(), Value::from(instant(at)));
            }
            // Salesforce's user interface sets one by itself where none is asked for.
            (Some(None), _) => {
                row.insert("IsReminderSet".to_owned(), Value::Bool(false));
            }
            _ => {}
        }
    }
    if let Some(word) = known(Field::ShowAs).filter(|_| may(Field::ShowAs)) {
        let there = SHOW_AS_THERE.iter().find(|(w, _)| *w == word);
        row.insert(
            "ShowAs".to_owned(),
            Value::from(there.map_or("Busy", |(_, there)| there)),
        );
    }
    let private = known(Field::Private)
        .filter(|_| may(Field::Private))
        .map(|word| word == "yes");
    if let Some(private) = private {
        row.insert("IsPrivate".to_owned(), Value::Bool(private));
    }
    if may(Field::Relations) {
        let list = shared.then_some("EventWhoIds");
        if private == Some(true)
            || (private.is_none() && before.private && fields.contains_key(&Field::Relations))
        {
            // A private event belongs to nobody: what it belonged to goes with the same row.
            put_links(
                &mut row,
                &tandem_sync::model::Relations::default(),
                list,
                creating,
            );
        } else if let Some(relations) = wanted_relations(fields) {
            put_links(&mut row, &relations, list, creating);
        }
    }
    Ok(row)
}

fn put_when(row: &mut Row, when: When) -> Result<(), Refusal> {
    if when.is_backwards() {
        return Err(refusal(
            IssueCode::EndBeforeStart,
            "it ends before it starts",
            Field::When,
        ));
    }
    if when.seconds() > LONGEST_SECONDS {
        return Err(refusal(
            IssueCode::EventTooLong,
            "an event lasts 14 days at most",
            Field::When,
        ));
    }
    let (start, end) = match when {
        When::Timed { start, end } => (instant(start), instant(end)),
        When::AllDay { first, until } => {
            let last = until.yesterday().unwrap_or(first);
            (format!("{first}T00:00:00Z"), format!("{last}T00:00:00Z"))
        }
    };
    row.insert("IsAllDayEvent".to_owned(), Value::Bool(when.all_day()));
    row.insert("StartDateTime".to_owned(), Value::from(start));
    row.insert("EndDateTime".to_owned(), Value::from(end));
    Ok(())
}

pub(crate) fn refusal(code: IssueCode, message: &str, field: Field) -> Refusal {
    Refusal {
        code,
        message: message.to_owned(),
        fields: vec![field],
        retry: false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use tandem_sync::model::{Access, FieldRule};

    use super::*;

    fn profile() -> Profile {
        let mut profile = Profile::default();
        for field in Field::EVENT {
            profile.fields.insert(*field, FieldRule::default());
        }
        profile
    }

    fn wrote(fields: &[(Field, &str)], before: Before) -> Result<Row, Refusal> {
        let fields = fields
            .iter()
            .map(|(f, v)| (*f, FieldValue::from_text(*v)))
            .collect();
        body(&profile(), &fields, before, false, &TimeZone::UTC, false)
    }

    #[test]
    fn whole_days_are_dates_and_their_end_is_the_last_day() {
        let row = wrote(&[(Field::When, "2026-03-29/2026-03-31")], Before::default()).unwrap();
        assert_eq!(
            Value::Object(row),
            json!({"IsAllDayEvent": true, "StartDateTime": "2026-03-29T00:00:00Z", "EndDateTime": "2026-03-30T00:00:00Z"})
        );
        for row in [
            json!({"IsAllDayEvent": true, "ActivityDate": "2026-03-29", "EndDateTime": "2026-03-30T00:00:00.000+0000"}),
            json!({"IsAllDayEvent": true, "StartDateTime": "2026-03-29T00:00:00.000+0000", "DurationInMinutes": 2880}),
            json!({"IsAllDayEvent": true, "ActivityDate": "2026-03-29", "EndDateTime": "2026-03-30T23:59:00.000+0000"}),
        ] {
            let read = when(row.as_object().unwrap()).unwrap();
            assert_eq!(read.to_string(), "2026-03-29/2026-03-31", "{row}");
        }
        let one = json!({"IsAllDayEvent": true, "ActivityDate": "2026-03-29", "EndDateTime": null, "DurationInMinutes": 1440});
        assert_eq!(
            when(one.as_object().unwrap()).unwrap().to_string(),
            "2026-03-29/2026-03-30"
        );
        let odd = json!({"IsAllDayEvent": true, "ActivityDate": "2026-03-29", "EndDateTime": "2026-03-20T00:00:00Z"});
        assert_eq!(
            when(odd.as_object().unwrap()).unwrap().to_string(),
            "2026-03-29/2026-03-30"
        );
    }

    #[test]
    fn what_salesforce_cannot_hold_is_refused_before_it_is_sent() {
        for (when, code) in [
            (
                "2026-03-29T10:00:00Z/2026-03-29T09:59:59Z",
                Some(IssueCode::EndBeforeStart),
            ),
            ("2026-03-29/2026-03-29", Some(IssueCode::EndBeforeStart)),
            ("2026-03-01/2026-03-15", None),
            ("2026-03-01/2026-03-16", Some(IssueCode::EventTooLong)),
            ("2026-03-01T00:00:00Z/2026-03-15T00:00:00Z", None),
            (
                "2026-03-01T00:00:00Z/2026-03-15T00:01:00Z",
                Some(IssueCode::EventTooLong),
            ),
            ("2026-03-29T10:00:00Z/2026-03-29T10:00:00Z", None),
            ("when it suits", Some(IssueCode::Refused)),
        ] {
            let result = wrote(&[(Field::When, when)], Before::default());
            assert_eq!(result.err().map(|r| r.code), code, "{when}");
        }
    }

    #[test]
    fn a_reminder_moves_with_its_event() {
        let before = Before {
            when: "2026-03-29T10:00:00Z/2026-03-29T11:00:00Z".parse().ok(),
            reminder: Some(15),
            private: false,
        };
        let moved = wrote(
            &[(Field::When, "2026-03-30T10:00:00Z/2026-03-30T11:00:00Z")],
            before,
        )
        .unwrap();
        assert_eq!(moved["ReminderDateTime"], json!("2026-03-30T09:45:00Z"));
        let changed = wrote(&[(Field::Reminder, "30")], before).unwrap();
        assert_eq!(
            Value::Object(changed),
            json!({"IsReminderSet": true, "ReminderDateTime": "2026-03-29T09:30:00Z"})
        );
        let off = wrote(&[(Field::Reminder, "")], before).unwrap();
        assert_eq!(Value::Object(off), json!({"IsReminderSet": false}));
        let needs = |fields: &[(Field, FieldValue)]| needs_before(&fields.iter().cloned().collect());
        assert!(needs(&[(Field::When, FieldValue::Known("x".into()))]));
        assert!(needs(&[(Field::Reminder, FieldValue::Known("5".into()))]));
        assert!(!needs(&[(Field::Reminder, FieldValue::Empty)]));
        assert!(!needs(&[(Field::Subject, FieldValue::Empty)]));
    }

    #[test]
    fn a_whole_days_reminder_counts_from_the_users_midnight() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let fields = [
            (Field::When, FieldValue::Known("2026-06-01/2026-06-02".to_owned())),
            (Field::Reminder, FieldValue::Known("60".to_owned())),
        ]
        .into();
        let row = body(&profile(), &fields, Before::default(), false, &zone, true).unwrap();
        assert_eq!(row["ReminderDateTime"], json!("2026-05-31T21:00:00Z"));
        assert_eq!(
            row["StartDateTime"],
            json!("2026-06-01T00:00:00Z"),
            "the day itself is not shifted"
        );
        assert_eq!(reminder(&row, &zone), FieldValue::Known("60".to_owned()));
    }

    #[test]
    fn a_private_event_loses_what_it_belonged_to_with_the_same_row() {
        let row = wrote(
            &[
                (Field::Private, "yes"),
                (Field::Relations, "who=003000000000001AAA"),
            ],
            Before::default(),
        )
        .unwrap();
        assert_eq!(
            Value::Object(row),
            json!({"IsPrivate": true, "WhoId": null, "WhatId": null})
        );
        let still = Before {
            private: true,
            ..Before::default()
        };
        let row = wrote(&[(Field::Relations, "who=003000000000001AAA")], still).unwrap();
        assert_eq!(Value::Object(row), json!({"WhoId": null, "WhatId": null}));
        let public = wrote(
            &[
                (Field::Private, "no"),
                (Field::Relations, "who=003000000000001AAA"),
            ],
            Before::default(),
        )
        .unwrap();
        assert_eq!(
            Value::Object(public),
            json!({"IsPrivate": false, "WhoId": "003000000000001AAA", "WhatId": null})
        );
    }

    #[test]
    fn what_may_not_be_written_is_left_out() {
        let mut profile = profile();
        for rule in profile.fields.values_mut() {
            rule.access = Access::ReadOnly;
        }
        let fields = Field::EVENT
            .iter()
            .map(|f| (*f, FieldValue::Empty))
            .chain([(Field::When, FieldValue::Known("2026-03-29/2026-03-30".to_owned()))])
            .collect();
        let row = body(&profile, &fields, Before::default(), true, &TimeZone::UTC, false).unwrap();
        assert!(row.is_empty(), "{row:?}");
    }

    #[test]
    fn copies_and_series_are_no_events_of_mine() {
        let me = "005000000000001AAA";
        let tie = |to: &str| {
            let row = json!({"Id": "0RE000000000001AAA", "EventId": "00U000000000001AAA", "RelationId": to, "Status": "Accepted"});
            Tie::of_event(row.as_object().unwrap()).unwrap().1
        };
        let row = |extra: Value| {
            let mut row = json!({"OwnerId": "005000000000002AAA"});
            row.as_object_mut()
                .unwrap()
                .extend(extra.as_object().unwrap().clone());
            row.as_object().unwrap().clone()
        };
        let invited = [tie(me)];
        assert_eq!(scope(me, &row(json!({})), &invited).unwrap(), Scope::In);
        assert_eq!(
            scope(me, &row(json!({})), &[tie("005000000000003AAA")]).unwrap(),
            Scope::Out
        );
        assert_eq!(scope(me, &row(json!({"OwnerId": me})), &[]).unwrap(), Scope::In);
        for series in [
            json!({"OwnerId": me, "IsChild": true}),
            json!({"OwnerId": me, "IsRecurrence": true}),
        ] {
            assert_eq!(scope(me, &row(series), &invited).unwrap(), Scope::Out);
        }
        let facts = facts(me, &row(json!({"IsRecurrence2": true})), &invited);
        assert_eq!(
            (facts.part, facts.answer, facts.crm_series),
            (Part::Attendee, Answer::Accepted, true)
        );
    }

    prop_compose! {
        fn any_when()(all_day: bool, start in -2_000_000_000_i64..6_000_000_000, length in 0..=LONGEST_SECONDS) -> When {
            let at = Timestamp::from_seconds(start);
            if all_day {
                let first = day(at).unwrap();
                let until = days_after(first, 1 + (length / 86_400).min(13)).unwrap();
                When::AllDay { first, until }
            } else {
                When::Timed { start: at, end: at.plus_seconds(length) }
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(
            when in any_when(),
            minutes in proptest::option::of(0_i64..40_000),
            show in 0_usize..3,
            private: bool,
            offset in -14_i8..=14,
        ) {
            let zone = TimeZone::fixed(jiff::tz::offset(offset));
            let mut fields: BTreeMap<Field, FieldValue> = [
                (Field::When, FieldValue::Known(when.to_string())),
                (Field::ShowAs, FieldValue::Known(SHOW_AS[show].to_owned())),
                (Field::Private, FieldValue::Known(if private { "yes" } else { "no" }.to_owned())),
            ].into();
            fields.insert(Field::Reminder, minutes.map_or(FieldValue::Empty, |m| FieldValue::Known(m.to_string())));
            let row = body(&profile(), &fields, Before::default(), false, &zone, false).unwrap();
            prop_assert_eq!(super::when(&row), Some(when));
            prop_assert_eq!(&reminder(&row, &zone), &fields[&Field::Reminder]);
            prop_assert_eq!(&super::super::yes(flag(&row, "IsPrivate")), &fields[&Field::Private]);
            let shown = text(&row, "ShowAs").unwrap();
            prop_assert_eq!(SHOW_AS_THERE.iter().find(|(_, t)| *t == shown).unwrap().0, SHOW_AS[show]);
        }
    }
}
