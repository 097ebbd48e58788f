use jiff::Span;
use jiff::civil::date;
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

fn period(id: &str, bias: &str) -> Period {
    Period {
        bias: bias.to_owned(),
        name: id.to_owned(),
        id: id.to_owned(),
    }
}

fn turn(to: &str, month: i8, weekday: &str, occurrence: i8, offset: &str) -> Transition {
    Transition {
        to: Target {
            kind: "Period".to_owned(),
            id: to.to_owned(),
        },
        kind: Kind::Day {
            offset: offset.to_owned(),
            month: month.to_string(),
            weekday: weekday.to_owned(),
            occurrence: occurrence.to_string(),
        },
    }
}

/// One group, followed from the beginning.
fn yearly(periods: Vec<Period>, transitions: Vec<Transition>) -> Definition {
    Definition {
        periods,
        groups: vec![Group {
            id: "0".to_owned(),
            transitions,
        }],
        transitions: vec![Transition {
            to: Target {
                kind: "Group".to_owned(),
                id: "0".to_owned(),
            },
            kind: Kind::Always,
        }],
    }
}

fn berlin() -> Definition {
    yearly(
        vec![period("std", "-PT1H"), period("dlt", "-PT2H")],
        vec![
            turn("dlt", 3, "Sunday", -1, "PT2H"),
            turn("std", 10, "Sunday", -1, "PT3H"),
        ],
    )
}

fn sydney() -> Definition {
    yearly(
        vec![period("std", "-PT10H"), period("dlt", "-PT11H")],
        vec![
            turn("dlt", 10, "Sunday", 1, "PT2H"),
            turn("std", 4, "Sunday", 1, "PT3H"),
        ],
    )
}

fn own(definition: Definition) -> Zone {
    Zone::Own(definition::Rules::of(&definition).unwrap())
}

#[test]
fn every_name_is_a_zone_and_comes_back() {
    for (windows, iana) in windows::all() {
        assert!(Zone::named(windows).is_some(), "{windows}");
        assert!(Zone::named(iana).is_some(), "{iana}");
        let back = windows::windows(iana).unwrap();
        assert!(windows::iana(back).is_some(), "{iana}");
    }
    assert!(Zone::named("w. europe standard time").is_some());
    for nobody in [
        "",
        "Middle Earth Standard Time",
        "Customized Time Zone",
        "EST5EDT",
        "../etc/passwd",
        "Mars/Olympus",
    ] {
        assert!(Zone::named(nobody).is_none(), "{nobody}");
    }
}

#[test]
fn days_of_zones_at_the_edges() {
    let days = [
        ("Pacific/Kiritimati", "2026-01-01T10:00:00Z", date(2026, 1, 2)),
        ("Etc/GMT+12", "2026-01-01T12:00:00Z", date(2026, 1, 1)),
        (
            "New Zealand Standard Time",
            "2026-01-01T11:00:00Z",
            date(2026, 1, 2),
        ),
        (
            "W. Europe Standard Time",
            "2026-03-28T23:00:00Z",
            date(2026, 3, 29),
        ),
        (
            "W. Europe Standard Time",
            "2026-03-29T22:00:00Z",
            date(2026, 3, 30),
        ),
        // The clock jumps from midnight to one.
        (
            "Middle East Standard Time",
            "2026-03-28T22:00:00Z",
            date(2026, 3, 29),
        ),
        (
            "Lord Howe Standard Time",
            "2026-01-01T13:00:00Z",
            date(2026, 1, 2),
        ),
        ("Nepal Standard Time", "2025-12-31T18:15:00Z", date(2026, 1, 1)),
    ];
    for (name, text, day) in days {
        let zone = Zone::named(name).unwrap();
        assert_eq!(zone.nearest_day(at(text)), Some(day), "{name} {text}");
        assert_eq!(zone.midnight(day), Some(at(text)), "{name} {day}");
        assert!(zone.is_day_start(at(text)), "{name}");
    }
    assert!(!Zone::UTC.is_day_start(at("2026-01-01T01:00:00Z")));
}

#[test]
fn invented_zones_keep_the_same_clock_as_the_real_ones() {
    for (definition, name) in [(berlin(), "Europe/Berlin"), (sydney(), "Australia/Sydney")] {
        let (own, real) = (own(definition), Zone::named(name).unwrap());
        for hour in 0..3 * 366 * 24 {
            let when = at("2025-01-01T00:30:00Z") + SignedDuration::from_hours(hour);
            assert_eq!(own.offset(when), real.offset(when), "{name} {when}");
        }
        for day in 0..1000 {
            let day = date(2025, 1, 1).checked_add(Span::new().days(day)).unwrap();
            assert_eq!(own.midnight(day), real.midnight(day), "{name} {day}");
        }
    }
}

#[test]
fn a_zone_that_changed_its_rules_once() {
    let mut definition = berlin();
    definition.periods.push(period("east", "-PT3H"));
    definition.transitions.push(Transition {
        to: Target {
            kind: "Period".to_owned(),
            id: "east".to_owned(),
        },
        kind: Kind::At("2026-07-01T00:00:00".to_owned()),
    });
    let zone = own(definition);
    assert_eq!(zone.offset(at("2026-06-30T21:59:59Z")), 2 * 3600);
    assert_eq!(zone.offset(at("2026-06-30T22:00:00Z")), 3 * 3600);
    assert_eq!(zone.offset(at("2026-12-24T00:00:00Z")), 3 * 3600);
    assert_eq!(zone.offset(at("2026-01-24T00:00:00Z")), 3600);
}

#[test]
fn fixed_and_dated_rules() {
    let fixed = Definition {
        periods: vec![period("only", "PT3H30M")],
        ..Definition::default()
    };
    assert_eq!(own(fixed).offset(at("2026-01-01T00:00:00Z")), -(3 * 3600 + 1800));
    let mut dated = berlin();
    for (n, (month, day)) in [(3, 31), (9, 31)].into_iter().enumerate() {
        dated.groups[0].transitions[n].kind = Kind::Date {
            offset: "PT0S".to_owned(),
            month: month.to_string(),
            day: day.to_string(),
        };
    }
    let zone = own(dated);
    assert_eq!(zone.offset(at("2026-03-30T22:59:59Z")), 3600);
    assert_eq!(zone.offset(at("2026-03-30T23:00:00Z")), 7200);
    assert_eq!(
        zone.offset(at("2026-09-30T00:00:00Z")),
        3600,
        "September has no 31st: its 28th"
    );
}

#[test]
fn rules_that_make_no_sense_are_nobodys() {
    let mut broken = vec![Definition::default()];
    let mut change = |edit: &dyn Fn(&mut Definition)| {
        let mut definition = berlin();
        edit(&mut definition);
        broken.push(definition);
    };
    change(&|d| d.periods[0].bias = "eight".to_owned());
    change(&|d| d.periods[0].bias = "PT90H".to_owned());
    change(&|d| d.periods[0].bias = "P".to_owned());
    change(&|d| d.periods[0].id = "other".to_owned());
    change(&|d| d.transitions[0].to.id = "7".to_owned());
    change(&|d| d.groups[0].transitions.clear());
    change(&|d| d.groups[0].transitions[0] = turn("dlt", 13, "Sunday", -1, "PT2H"));
    change(&|d| d.groups[0].transitions[0] = turn("dlt", 3, "Caturday", -1, "PT2H"));
    change(&|d| d.groups[0].transitions[0] = turn("dlt", 3, "Sunday", 0, "PT2H"));
    change(&|d| d.groups[0].transitions[0] = turn("dlt", 3, "Sunday", 1, "soon"));
    change(&|d| d.groups[0].transitions[0].kind = Kind::At("2026-01-01T00:00:00".to_owned()));
    change(&|d| d.transitions[0].kind = Kind::At("some day".to_owned()));
    for definition in broken {
        assert!(definition::Rules::of(&definition).is_none(), "{definition:?}");
        let written = Written {
            id: "tzone://Microsoft/Custom".to_owned(),
            definition,
            ..Written::default()
        };
        assert!(written.zone().is_none() && written.writable().is_none());
    }
}

#[test]
fn what_is_written_back_is_what_exchange_takes() {
    let back = |id: &str| Written::named(id).writable().map(|zone| zone.id);
    assert_eq!(back("Europe/Vienna").as_deref(), Some("W. Europe Standard Time"));
    assert_eq!(back("tzone://Microsoft/Utc").as_deref(), Some("UTC"));
    assert_eq!(
        back("Tokyo Standard Time").as_deref(),
        Some("Tokyo Standard Time")
    );
    assert_eq!(back("Middle Earth Standard Time"), None);
    let custom = Written {
        id: "tzone://Microsoft/Custom".to_owned(),
        name: "mine".to_owned(),
        definition: sydney(),
    };
    assert_eq!(custom.writable(), Some(custom.clone()));
}

fn zones() -> impl Strategy<Value = Zone> {
    let names: Vec<&'static str> = windows::all().map(|(windows, _)| windows).collect();
    let weekday = prop::sample::select(vec!["Sunday", "Monday", "Thursday", "Saturday"]);
    let invented = (
        -47_i64..=56,
        0_i64..=8,
        1_i8..=6,
        7_i8..=12,
        prop::sample::select(vec![1_i8, 2, 3, 4, -1]),
        weekday,
        0_i64..=4,
    )
        .prop_map(|(quarters, more, first, second, occurrence, weekday, hour)| {
            let bias = |quarters: i64| {
                let minutes = quarters * 15;
                let sign = if minutes > 0 { "-" } else { "" };
                format!("{sign}PT{}H{}M", minutes.abs() / 60, minutes.abs() % 60)
            };
            own(yearly(
                vec![
                    period("std", &bias(quarters)),
                    period("dlt", &bias(quarters + more)),
                ],
                vec![
                    turn("dlt", first, weekday, occurrence, &format!("PT{hour}H")),
                    turn("std", second, weekday, occurrence, &format!("PT{hour}H")),
                ],
            ))
        });
    prop_oneof![
        prop::sample::select(names).prop_map(|name| Zone::named(name).unwrap()),
        invented,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_day_is_the_same_day_in_every_zone(zone in zones(), day in 0..20_000_i32) {
        // Two islands have skipped a whole day before.
        let day = date(2012, 1, 1).checked_add(Span::new().days(day)).unwrap();
        let start = zone.midnight(day).unwrap();
        prop_assert_eq!(zone.nearest_day(start), Some(day));
        prop_assert!(zone.is_day_start(start));
        let next = zone.midnight(day.tomorrow().unwrap()).unwrap();
        let hours = next.duration_since(start).as_secs();
        prop_assert!((20 * 3600..=28 * 3600).contains(&hours), "{} {}", day, hours);
    }

    #[test]
    fn no_definition_panics(bias in "\\PC{0,12}", month in "\\PC{0,3}", when in "\\PC{0,24}", weekday in "\\PC{0,9}", at in any::<i32>()) {
        let mut definition = berlin();
        definition.periods[0].bias = bias;
        definition.groups[0].transitions[0].kind = Kind::Day { offset: when.clone(), month, weekday, occurrence: "1".to_owned() };
        definition.transitions.push(Transition { to: Target { kind: "Group".to_owned(), id: "0".to_owned() }, kind: Kind::At(when) });
        if let Some(rules) = definition::Rules::of(&definition) {
            rules.offset(Instant::from_second(i64::from(at)).unwrap());
        }
    }
}
