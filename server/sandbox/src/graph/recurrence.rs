//! `patternedRecurrence`. <https://learn.microsoft.com/graph/api/resources/patternedrecurrence>

use serde_json::{Value, json};

use super::answer::Refused;
use super::values::{mismatch, object};
use crate::exchange::recur::{INDEXES, MONTHS, Pattern, Range, Recurrence, WEEKDAYS};

const WORKING: &[&str] = &["monday", "tuesday", "wednesday", "thursday", "friday"];
const WEEKEND: &[&str] = &["sunday", "saturday"];

/// The days that a word of the store means.
fn days_of(word: &str) -> Vec<String> {
    match word {
        "Day" => WEEKDAYS[..7].iter().map(|d| d.to_lowercase()).collect(),
        "Weekday" => WORKING.iter().map(|d| (*d).to_owned()).collect(),
        "WeekendDay" => WEEKEND.iter().map(|d| (*d).to_owned()).collect(),
        day => vec![day.to_lowercase()],
    }
}

/// The word of the store for these days.
fn word_of(days: &[String]) -> Option<String> {
    let same =
        |wanted: &[&str]| days.len() == wanted.len() && wanted.iter().all(|w| days.iter().any(|d| d == w));
    if let [day] = days {
        return named(WEEKDAYS, day);
    }
    if same(WORKING) {
        Some("Weekday".to_owned())
    } else if same(WEEKEND) {
        Some("WeekendDay".to_owned())
    } else if days.len() == 7 {
        Some("Day".to_owned())
    } else {
        None
    }
}

fn named(list: &[&str], word: &str) -> Option<String> {
    list.iter()
        .find(|w| w.eq_ignore_ascii_case(word))
        .map(|w| (*w).to_owned())
}

/// As an answer has it.
pub(super) fn write(recurrence: &Recurrence, zone: &str) -> Value {
    let (mut ty, mut interval, mut month, mut day) = ("daily", 1, 0, 0);
    let mut days: Vec<String> = Vec::new();
    let (mut first_day, mut index) = ("sunday".to_owned(), "first".to_owned());
    let month_of = |name: &str| MONTHS.iter().position(|m| *m == name).map_or(0, |n| n + 1);
    match &recurrence.pattern {
        Pattern::Daily { interval: n } => interval = *n,
        Pattern::Weekly {
            interval: n,
            days: all,
            first_day: first,
        } => {
            (ty, interval) = ("weekly", *n);
            days = all.iter().flat_map(|d| days_of(d)).collect();
            first_day = first.as_deref().unwrap_or("Sunday").to_lowercase();
        }
        Pattern::AbsoluteMonthly { interval: n, day: d } => (ty, interval, day) = ("absoluteMonthly", *n, *d),
        Pattern::RelativeMonthly {
            interval: n,
            day_of_week,
            index: i,
        } => {
            (ty, interval) = ("relativeMonthly", *n);
            days = days_of(day_of_week);
            index = i.to_lowercase();
        }
        Pattern::AbsoluteYearly { day: d, month: m } => {
            (ty, day, month) = ("absoluteYearly", *d, month_of(m));
        }
        Pattern::RelativeYearly {
            day_of_week,
            index: i,
            month: m,
        } => {
            (ty, month) = ("relativeYearly", month_of(m));
            days = days_of(day_of_week);
            index = i.to_lowercase();
        }
        // Graph has no words for *so long after the last one was done*.
        Pattern::Regenerating { interval: n, every } => {
            interval = *n;
            ty = match every.as_str() {
                "day" => "daily",
                "week" => "weekly",
                "month" => "absoluteMonthly",
                _ => "absoluteYearly",
            };
        }
    }
    let none = "0001-01-01".to_owned();
    let (range, end, count) = match &recurrence.range {
        Range::NoEnd => ("noEnd", none, 0),
        Range::Until(end) => ("endDate", end.to_string(), 0),
        Range::Count(n) => ("numbered", none, *n),
    };
    json!({
        "pattern": {
            "type": ty, "interval": interval, "month": month, "dayOfMonth": day, "daysOfWeek": days,
            "firstDayOfWeek": first_day, "index": index,
        },
        "range": {
            "type": range, "startDate": recurrence.start.to_string(), "endDate": end, "recurrenceTimeZone": zone,
            "numberOfOccurrences": count,
        },
    })
}

/// As a request has it.
pub(super) fn read(value: &Value) -> Result<Recurrence, Refused> {
    let bad = |text: String| {
        Refused::new(
            400,
            "ErrorInvalidRecurrence",
            format!("The recurrence is invalid: {text}."),
        )
    };
    let whole = object("patternedRecurrence", value, &["pattern", "range"])?;
    let (Some(pattern), Some(range)) = (whole.get("pattern"), whole.get("range")) else {
        return Err(bad("pattern and range are needed".to_owned()));
    };
    let pattern = object(
        "recurrencePattern",
        pattern,
        &[
            "type",
            "interval",
            "month",
            "dayOfMonth",
            "daysOfWeek",
            "firstDayOfWeek",
            "index",
        ],
    )?;
    let number = |name: &str| -> Result<i32, Refused> {
        match pattern.get(name) {
            None | Some(Value::Null) => Ok(0),
            Some(v) => v
                .as_i64()
                .and_then(|n| i32::try_from(n).ok())
                .ok_or_else(|| mismatch(name, "Edm.Int32")),
        }
    };
    let word = |name: &str| {
        pattern
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_lowercase()
    };
    let days: Vec<String> = pattern
        .get("daysOfWeek")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|d| d.as_str().map(str::to_lowercase))
        .collect();
    let interval = number("interval")?;
    let day = || i8::try_from(number("dayOfMonth")?).map_err(|_| bad("dayOfMonth".to_owned()));
    let month = || {
        let n = usize::try_from(number("month")?).unwrap_or(0);
        n.checked_sub(1)
            .and_then(|n| MONTHS.get(n))
            .map(|m| (*m).to_owned())
            .ok_or_else(|| bad("month".to_owned()))
    };
    let one_day =
        || word_of(&days).ok_or_else(|| bad("the sandbox knows no such daysOfWeek with an index".to_owned()));
    let index = || {
        let given = word("index");
        named(INDEXES, if given.is_empty() { "first" } else { &given }).ok_or_else(|| bad("index".to_owned()))
    };
    let yearly = || {
        if interval > 1 {
            return Err(bad(
                "the sandbox knows no yearly pattern with an interval".to_owned()
            ));
        }
        Ok(())
    };
    let kind = pattern.get("type").and_then(Value::as_str).unwrap_or_default();
    let pattern = match kind {
        "daily" => Pattern::Daily { interval },
        "weekly" => Pattern::Weekly {
            interval,
            days: days.iter().filter_map(|d| named(WEEKDAYS, d)).collect(),
            first_day: named(WEEKDAYS, &word("firstDayOfWeek")),
        },
        "absoluteMonthly" => Pattern::AbsoluteMonthly {
            interval,
            day: day()?,
        },
        "relativeMonthly" => Pattern::RelativeMonthly {
            interval,
            day_of_week: one_day()?,
            index: index()?,
        },
        "absoluteYearly" => {
            yearly()?;
            Pattern::AbsoluteYearly {
                day: day()?,
                month: month()?,
            }
        }
        "relativeYearly" => {
            yearly()?;
            Pattern::RelativeYearly {
                day_of_week: one_day()?,
                index: index()?,
                month: month()?,
            }
        }
        other => return Err(bad(format!("'{other}' is no type of a pattern"))),
    };
    let range = object(
        "recurrenceRange",
        range,
        &[
            "type",
            "startDate",
            "endDate",
            "recurrenceTimeZone",
            "numberOfOccurrences",
        ],
    )?;
    let date = |name: &str| {
        let text = range.get(name).and_then(Value::as_str).unwrap_or_default();
        text.parse::<jiff::civil::Date>()
            .map_err(|_| bad(format!("{name} '{text}'")))
    };
    let start = date("startDate")?;
    let range = match range.get("type").and_then(Value::as_str) {
        Some("noEnd") => Range::NoEnd,
        Some("endDate") => Range::Until(date("endDate")?),
        Some("numbered") => {
            let count = range
                .get("numberOfOccurrences")
                .and_then(Value::as_u64)
                .unwrap_or(0);
            Range::Count(usize::try_from(count).unwrap_or(0))
        }
        other => return Err(bad(format!("{other:?} is no type of a range"))),
    };
    let made = Recurrence {
        pattern,
        start,
        range,
    };
    made.check().map_err(bad)?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        let start = "2026-11-02".parse().unwrap();
        let s = |t: &str| t.to_owned();
        for (pattern, range) in [
            (Pattern::Daily { interval: 3 }, Range::NoEnd),
            (
                Pattern::Weekly {
                    interval: 2,
                    days: vec![s("Monday"), s("Friday")],
                    first_day: Some(s("Monday")),
                },
                Range::Count(5),
            ),
            (
                Pattern::AbsoluteMonthly { interval: 1, day: 31 },
                Range::Until("2027-11-02".parse().unwrap()),
            ),
            (
                Pattern::RelativeMonthly {
                    interval: 1,
                    day_of_week: s("Weekday"),
                    index: s("Last"),
                },
                Range::NoEnd,
            ),
            (
                Pattern::AbsoluteYearly {
                    day: 29,
                    month: s("February"),
                },
                Range::NoEnd,
            ),
            (
                Pattern::RelativeYearly {
                    day_of_week: s("Thursday"),
                    index: s("Fourth"),
                    month: s("November"),
                },
                Range::NoEnd,
            ),
        ] {
            let one = Recurrence {
                pattern,
                start,
                range,
            };
            assert_eq!(read(&write(&one, "UTC")).unwrap(), one);
        }
    }

    #[test]
    fn senseless_ones_are_refused() {
        let good = json!({"pattern": {"type": "daily", "interval": 1}, "range": {"type": "noEnd", "startDate": "2026-01-01"}});
        assert!(read(&good).is_ok());
        for (path, value) in [
            ("/pattern/type", json!("hourly")),
            ("/pattern/interval", json!(0)),
            ("/range/type", json!("numbered")),
            ("/range/startDate", json!("yesterday")),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(path).unwrap() = value;
            assert!(read(&bad).is_err(), "{path}");
        }
    }
}
