use proptest::prelude::*;

use super::*;
use crate::zones::{Definition, Period};

fn zone(id: &str) -> Written {
    Written::named(id)
}

fn days(start: &str, end: &str, start_zone: Written, end_zone: Written) -> String {
    let event = Event {
        start: start.to_owned(),
        end: end.to_owned(),
        all_day: true,
        start_zone,
        end_zone,
        ..Event::default()
    };
    event.when().unwrap().to_string()
}

#[test]
fn whole_days_are_those_of_the_events_own_zone() {
    let none = Written::default;
    let rows = [
        (
            "2026-03-28T23:00:00Z",
            "2026-03-29T22:00:00Z",
            zone("W. Europe Standard Time"),
            none(),
            "2026-03-29/2026-03-30",
        ),
        (
            "2026-06-30T12:00:00Z",
            "2026-07-03T12:00:00Z",
            zone("New Zealand Standard Time"),
            none(),
            "2026-07-01/2026-07-04",
        ),
        (
            "2026-07-01T10:00:00Z",
            "2026-07-02T10:00:00Z",
            zone("Hawaiian Standard Time"),
            none(),
            "2026-07-01/2026-07-02",
        ),
        // The days of a trip: out in Berlin, back in New York.
        (
            "2026-06-09T22:00:00Z",
            "2026-06-12T04:00:00Z",
            zone("W. Europe Standard Time"),
            zone("Eastern Standard Time"),
            "2026-06-10/2026-06-12",
        ),
        // Written with the wrong offset, an hour off.
        (
            "2026-06-09T23:00:00Z",
            "2026-06-10T23:00:00Z",
            zone("W. Europe Standard Time"),
            none(),
            "2026-06-10/2026-06-11",
        ),
        (
            "2026-06-10T00:00:00Z",
            "2026-06-11T00:00:00Z",
            none(),
            none(),
            "2026-06-10/2026-06-11",
        ),
        (
            "2026-06-10T00:00:00Z",
            "2026-06-11T00:00:00Z",
            zone("Middle Earth Standard Time"),
            none(),
            "2026-06-10/2026-06-11",
        ),
    ];
    for (start, end, start_zone, end_zone, expected) in rows {
        assert_eq!(
            days(start, end, start_zone.clone(), end_zone),
            expected,
            "{start} {start_zone:?}"
        );
    }
}

#[test]
fn a_zone_that_nobody_knows_is_told() {
    let facts = |zone: Written| {
        let event = Event {
            start_zone: zone,
            ..Event::default()
        };
        event.facts(&Places::default()).broken_zone
    };
    assert!(facts(zone("Middle Earth Standard Time")));
    assert!(!facts(zone("UTC")) && !facts(Written::default()));
    let fixed = |bias: &str| Written {
        id: "Custom".to_owned(),
        definition: Definition {
            periods: vec![Period {
                bias: bias.to_owned(),
                ..Period::default()
            }],
            ..Definition::default()
        },
        ..Written::default()
    };
    assert!(!facts(fixed("-PT3H")) && facts(fixed("nonsense")));
}

#[test]
fn occurrences_are_known_by_their_plan() {
    let event = |change: &dyn Fn(&mut Event)| {
        let mut event = Event {
            start: "2026-06-10T10:00:00Z".to_owned(),
            end: "2026-06-10T11:00:00Z".to_owned(),
            item_type: "Occurrence".to_owned(),
            start_zone: zone("W. Europe Standard Time"),
            ..Event::default()
        };
        change(&mut event);
        event.planned()
    };
    assert_eq!(event(&|_| {}).as_deref(), Some("2026-06-10T10:00:00Z"));
    assert_eq!(
        event(&|e| e.recurrence_id = "2026-06-09T10:00:00Z".to_owned()).as_deref(),
        Some("2026-06-09T10:00:00Z")
    );
    assert_eq!(
        event(&|e| e.original_start = "2026-06-08T10:00:00.0000000Z".to_owned()).as_deref(),
        Some("2026-06-08T10:00:00Z")
    );
    assert_eq!(event(&|e| e.item_type = "Single".to_owned()), None);
    let whole = |original: &str| {
        event(&|e| {
            e.all_day = true;
            original.clone_into(&mut e.original_start);
        })
    };
    assert_eq!(whole("2026-06-07T22:00:00Z").as_deref(), Some("2026-06-08"));
    assert_eq!(
        whole("2026-06-08T10:00:00Z").as_deref(),
        Some("2026-06-08T10:00:00Z"),
        "its plan had an hour"
    );
}

fn person(address: &str, name: &str) -> Email {
    Email {
        text: address.to_owned(),
        name: name.to_owned(),
        routing: "SMTP".to_owned(),
        ..Email::default()
    }
}

#[test]
fn who_takes_part() {
    let places = Places {
        address: "nina@contoso.example".to_owned(),
        ..Places::default()
    };
    let facts = |change: &dyn Fn(&mut Event)| {
        let mut event = Event {
            meeting: true,
            organizer: Some(person("Max@Fabrikam.example", "Max")),
            attendees: vec![
                (
                    AttendeeRole::Required,
                    person("max@fabrikam.example", ""),
                    "Organizer".to_owned(),
                ),
                (
                    AttendeeRole::Required,
                    person("nina@contoso.example", "nina@contoso.example"),
                    "Accept".to_owned(),
                ),
                (AttendeeRole::Optional, person("", "nobody"), "Unknown".to_owned()),
                (
                    AttendeeRole::Optional,
                    person("/o=x/cn=y", "Room (room@contoso.example)"),
                    "Decline".to_owned(),
                ),
            ],
            ..Event::default()
        };
        change(&mut event);
        event.facts(&places)
    };
    let seen = facts(&|e| e.response = "Tentative".to_owned());
    assert_eq!((seen.part, seen.answer), (Part::Attendee, Answer::Tentative));
    let attendees: Vec<(&str, Answer)> = seen
        .attendees
        .iter()
        .map(|a| (a.who.address.as_str(), a.answer))
        .collect();
    assert_eq!(
        attendees,
        [
            ("nina@contoso.example", Answer::Accepted),
            ("room@contoso.example", Answer::Declined)
        ]
    );
    assert_eq!(
        facts(&|e| e.response = "Organizer".to_owned()).part,
        Part::Organizer
    );
    assert_eq!(
        facts(&|e| e.response = "Unknown".to_owned()).part,
        Part::Attendee,
        "another one organises it"
    );
    assert_eq!(facts(&|e| e.state = 3).part, Part::Attendee);
    assert_eq!(
        facts(&|e| e.organizer = Some(person("nina@contoso.example", ""))).part,
        Part::Organizer
    );
    assert!(
        facts(&|e| e.state = 7).cancelled
            && facts(&|e| e.cancelled = true).cancelled
            && !facts(&|e| e.state = 3).cancelled
    );
    let appointment = facts(&|e| {
        e.meeting = false;
        e.attendees.clear();
    });
    assert_eq!(appointment.part, Part::Organizer);
}

#[test]
fn scope_and_privacy() {
    let snapshot = |category: &str, sensitivity: &str, item_type: &str| {
        let event = Event {
            item_type: item_type.to_owned(),
            head: Head {
                categories: vec![category.to_owned()],
                sensitivity: sensitivity.to_owned(),
                key: Some("k".to_owned()),
                ..Head::default()
            },
            ..Event::default()
        };
        event.snapshot(&Places::default())
    };
    assert_eq!(snapshot("salesforce", "Normal", "Single").scope, Scope::In);
    assert_eq!(snapshot("", "Normal", "Single").scope, Scope::Out);
    assert_eq!(snapshot("", "Personal", "Single").scope, Scope::Private);
    let marked = snapshot("Salesforce", "Confidential", "Single");
    assert_eq!(
        (marked.scope, marked.record.get(Field::Private).known()),
        (Scope::In, Some("yes"))
    );
    let occurrence = snapshot("Salesforce Unsync", "Normal", "Exception");
    assert!(occurrence.extra.untaggable && occurrence.extra.unsync && occurrence.key.is_none());
    assert_eq!(snapshot("", "", "Single").key.unwrap().0, "k");
}

#[test]
fn online_and_rich_texts() {
    let facts = |text: &str, html: bool| {
        let event = Event {
            head: Head {
                body: Body {
                    text: text.to_owned(),
                    html,
                    cut: false,
                },
                ..Head::default()
            },
            ..Event::default()
        };
        let facts = event.facts(&Places::default());
        (facts.online, facts.rich_body)
    };
    assert_eq!(
        facts("Join: https://teams.microsoft.com/l/meetup-join/x", false),
        (true, false)
    );
    assert_eq!(
        facts("<a href=\"https://contoso.zoom.us/j/1\">Join</a>", true),
        (true, true)
    );
    assert_eq!(facts("<p>plain</p>", true), (false, false));
    assert_eq!(
        facts("<img src=x>", false),
        (false, false),
        "text that looks like HTML"
    );
}

#[test]
fn only_what_is_set_is_said() {
    let event = Event {
        start_zone: zone("Tokyo Standard Time"),
        ..Event::default()
    };
    let set = |field: Field, value: FieldValue| event.changes(&BTreeMap::from([(field, value)]), None);
    let known = |text: &str| FieldValue::Known(text.to_owned());
    assert_eq!(set(Field::Private, known("no")), Ok(vec![]), "it is not private");
    assert_eq!(set(Field::Relations, known("who=1")), Ok(vec![]));
    assert_eq!(set(Field::Answer, known("accepted")), Ok(vec![]));
    assert_eq!(set(Field::Subject, FieldValue::Unknown), Ok(vec![]));
    assert_eq!(set(Field::When, FieldValue::Empty), Err(Field::When));
    assert_eq!(set(Field::When, known("soon")), Err(Field::When));
    assert_eq!(set(Field::Reminder, known("-5")), Err(Field::Reminder));
    assert_eq!(set(Field::ShowAs, known("dancing")), Err(Field::ShowAs));
    let moved = set(Field::When, known("2026-06-10T10:00:00Z/2026-06-10T11:00:00Z")).unwrap();
    assert!(moved.contains(&Change::Set(
        "calendar:StartTimeZone",
        Value::Zone("t:StartTimeZone", zone("Tokyo Standard Time"))
    )));
}

fn anything() -> impl Strategy<Value = (When, &'static str, Option<&'static str>)> {
    let zones = prop::sample::select(vec![
        "",
        "UTC",
        "W. Europe Standard Time",
        "New Zealand Standard Time",
        "Hawaiian Standard Time",
        "Line Islands Standard Time",
        "Dateline Standard Time",
        "Egypt Standard Time",
        "Lord Howe Standard Time",
        "Nobody's Standard Time",
        "Europe/Vienna",
        "Pacific SA Standard Time",
        "Iran Standard Time",
    ]);
    let home = prop::option::of(prop::sample::select(vec![
        "Middle East Standard Time",
        "Tonga Standard Time",
        "UTC",
    ]));
    let when = prop_oneof![
        (0_i64..4_000_000_000, 0_i64..2_000_000).prop_map(|(start, length)| When::Timed {
            start: Timestamp::from_seconds(start),
            end: Timestamp::from_seconds(start + length),
        }),
        (0_i32..25_000, 1_i32..40).prop_map(|(first, length)| {
            let day = |n: i32| {
                jiff::civil::date(2012, 1, 1)
                    .checked_add(jiff::Span::new().days(n))
                    .unwrap()
            };
            When::AllDay {
                first: day(first),
                until: day(first + length),
            }
        }),
    ];
    (when, zones, home)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_time_comes_back_whatever_the_zone((when, own, home) in anything()) {
        let (own, home) = (zone(own), home.map(zone));
        let times = Times::of(when, Some(&own), home.as_ref()).unwrap();
        let event = Event {
            start: times.start.clone(),
            end: times.end.clone(),
            all_day: times.all_day,
            start_zone: times.zone.clone(),
            end_zone: times.zone.clone(),
            ..Event::default()
        };
        prop_assert_eq!(event.when(), Some(when));
        // And once more, as a later change would write it.
        let again = Times::of(when, Some(&event.start_zone), home.as_ref()).unwrap();
        prop_assert_eq!(again, times);
    }
}
