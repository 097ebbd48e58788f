//! Patterns of recurrence: reading, writing, and the dates that they give.
//!
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/recurrence-recurrencetype>

use jiff::ToSpan as _;
use jiff::civil::{Date, Weekday};
use serde::{Deserialize, Serialize};

use super::Fail;
use super::xml::{Element, tag, wrap};

/// From Sunday on; then the three that mean several days.
pub(crate) const WEEKDAYS: &[&str] = &[
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Day",
    "Weekday",
    "WeekendDay",
];
pub(crate) const INDEXES: &[&str] = &["First", "Second", "Third", "Fourth", "Last"];
pub(crate) const MONTHS: &[&str] = &[
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// No series of the sandbox is followed further.
const MOST: usize = 20_000;

/// How often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "pattern", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Pattern {
    Daily {
        #[serde(default = "one")]
        interval: i32,
    },
    Weekly {
        #[serde(default = "one")]
        interval: i32,
        days: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first_day: Option<String>,
    },
    AbsoluteMonthly {
        #[serde(default = "one")]
        interval: i32,
        day: i8,
    },
    RelativeMonthly {
        #[serde(default = "one")]
        interval: i32,
        day_of_week: String,
        index: String,
    },
    AbsoluteYearly {
        day: i8,
        month: String,
    },
    RelativeYearly {
        day_of_week: String,
        index: String,
        month: String,
    },
    /// For tasks: so long after the last one was completed. `every` is day, week, month or year.
    Regenerating {
        #[serde(default = "one")]
        interval: i32,
        every: String,
    },
}

fn one() -> i32 {
    1
}

/// How long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Range {
    NoEnd,
    Until(Date),
    Count(usize),
}

/// A pattern with its range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recurrence {
    pub(crate) pattern: Pattern,
    pub(crate) start: Date,
    pub(crate) range: Range,
}

fn invalid(text: &str) -> Fail {
    Fail::new(
        "ErrorCalendarInvalidRecurrence",
        format!("The recurrence is invalid: {text}"),
    )
}

fn date_of(text: &str) -> Option<Date> {
    text.trim().get(..10)?.parse().ok()
}

impl Recurrence {
    /// Reads `t:Recurrence`; the schema was checked already.
    pub(crate) fn parse(element: &Element) -> Result<Self, Fail> {
        let [pattern, range] = &element.children[..] else {
            return Err(invalid("a pattern and a range are needed"));
        };
        let text = |name: &str| pattern.child_text(name).unwrap_or_default().trim().to_owned();
        let interval = || text("Interval").parse::<i32>().unwrap_or(1);
        let day = || text("DayOfMonth").parse::<i8>().unwrap_or(0);
        let parsed = match pattern.name.as_str() {
            "DailyRecurrence" => Pattern::Daily { interval: interval() },
            "WeeklyRecurrence" => Pattern::Weekly {
                interval: interval(),
                days: text("DaysOfWeek").split_whitespace().map(str::to_owned).collect(),
                first_day: Some(text("FirstDayOfWeek")).filter(|d| !d.is_empty()),
            },
            "AbsoluteMonthlyRecurrence" => Pattern::AbsoluteMonthly {
                interval: interval(),
                day: day(),
            },
            "RelativeMonthlyRecurrence" => Pattern::RelativeMonthly {
                interval: interval(),
                day_of_week: text("DaysOfWeek"),
                index: text("DayOfWeekIndex"),
            },
            "AbsoluteYearlyRecurrence" => Pattern::AbsoluteYearly {
                day: day(),
                month: text("Month"),
            },
            "RelativeYearlyRecurrence" => Pattern::RelativeYearly {
                day_of_week: text("DaysOfWeek"),
                index: text("DayOfWeekIndex"),
                month: text("Month"),
            },
            other => Pattern::Regenerating {
                interval: interval(),
                every: match other {
                    "DailyRegeneration" => "day",
                    "WeeklyRegeneration" => "week",
                    "MonthlyRegeneration" => "month",
                    _ => "year",
                }
                .to_owned(),
            },
        };
        let start = range
            .child_text("StartDate")
            .and_then(date_of)
            .ok_or_else(|| invalid("no start"))?;
        let range = match range.name.as_str() {
            "EndDateRecurrence" => Range::Until(
                range
                    .child_text("EndDate")
                    .and_then(date_of)
                    .ok_or_else(|| invalid("no end"))?,
            ),
            "NumberedRecurrence" => Range::Count(
                range
                    .child_text("NumberOfOccurrences")
                    .and_then(|n| n.trim().parse().ok())
                    .unwrap_or(0),
            ),
            _ => Range::NoEnd,
        };
        let made = Self {
            pattern: parsed,
            start,
            range,
        };
        made.check().map_err(|text| invalid(&text))?;
        Ok(made)
    }

    /// Whether its numbers can be meant.
    pub(crate) fn check(&self) -> Result<(), String> {
        let days_good = |days: &[&String]| days.iter().all(|d| WEEKDAYS.contains(&d.as_str()));
        let month_good = |month: &String| MONTHS.contains(&month.as_str());
        let index_good = |index: &String| INDEXES.contains(&index.as_str());
        let good = match &self.pattern {
            Pattern::Daily { interval } => (1..=999).contains(interval),
            Pattern::Weekly {
                interval,
                days,
                first_day,
            } => {
                (1..=99).contains(interval)
                    && !days.is_empty()
                    && days_good(&days.iter().chain(first_day).collect::<Vec<_>>())
            }
            Pattern::AbsoluteMonthly { interval, day } => {
                (1..=99).contains(interval) && (1..=31).contains(day)
            }
            Pattern::RelativeMonthly {
                interval,
                day_of_week,
                index,
            } => (1..=99).contains(interval) && days_good(&[day_of_week]) && index_good(index),
            Pattern::AbsoluteYearly { day, month } => (1..=31).contains(day) && month_good(month),
            Pattern::RelativeYearly {
                day_of_week,
                index,
                month,
            } => days_good(&[day_of_week]) && index_good(index) && month_good(month),
            Pattern::Regenerating { interval, every } => {
                (1..=999).contains(interval) && matches!(every.as_str(), "day" | "week" | "month" | "year")
            }
        };
        if !good {
            return Err("its pattern is out of range".to_owned());
        }
        match self.range {
            Range::Until(end) if end < self.start => Err("it ends before it starts".to_owned()),
            Range::Count(n) if !(1..=999).contains(&n) => {
                Err("it has less than 1 or more than 999 occurrences".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Writes `t:Recurrence`.
    pub(crate) fn write(&self, out: &mut String) {
        let mut p = String::new();
        let name = match &self.pattern {
            Pattern::Daily { interval } => {
                tag(&mut p, "t:Interval", &interval.to_string());
                "t:DailyRecurrence"
            }
            Pattern::Weekly {
                interval,
                days,
                first_day,
            } => {
                tag(&mut p, "t:Interval", &interval.to_string());
                tag(&mut p, "t:DaysOfWeek", &days.join(" "));
                tag(
                    &mut p,
                    "t:FirstDayOfWeek",
                    first_day.as_deref().unwrap_or("Sunday"),
                );
                "t:WeeklyRecurrence"
            }
            Pattern::AbsoluteMonthly { interval, day } => {
                tag(&mut p, "t:Interval", &interval.to_string());
                tag(&mut p, "t:DayOfMonth", &day.to_string());
                "t:AbsoluteMonthlyRecurrence"
            }
            Pattern::RelativeMonthly {
                interval,
                day_of_week,
                index,
            } => {
                tag(&mut p, "t:Interval", &interval.to_string());
                tag(&mut p, "t:DaysOfWeek", day_of_week);
                tag(&mut p, "t:DayOfWeekIndex", index);
                "t:RelativeMonthlyRecurrence"
            }
            Pattern::AbsoluteYearly { day, month } => {
                tag(&mut p, "t:DayOfMonth", &day.to_string());
                tag(&mut p, "t:Month", month);
                "t:AbsoluteYearlyRecurrence"
            }
            Pattern::RelativeYearly {
                day_of_week,
                index,
                month,
            } => {
                tag(&mut p, "t:DaysOfWeek", day_of_week);
                tag(&mut p, "t:DayOfWeekIndex", index);
                tag(&mut p, "t:Month", month);
                "t:RelativeYearlyRecurrence"
            }
            Pattern::Regenerating { interval, every } => {
                tag(&mut p, "t:Interval", &interval.to_string());
                match every.as_str() {
                    "day" => "t:DailyRegeneration",
                    "week" => "t:WeeklyRegeneration",
                    "month" => "t:MonthlyRegeneration",
                    _ => "t:YearlyRegeneration",
                }
            }
        };
        let mut inner = String::new();
        wrap(&mut inner, name, &[], &p);
        let mut r = String::new();
        tag(&mut r, "t:StartDate", &self.start.to_string());
        let name = match &self.range {
            Range::NoEnd => "t:NoEndRecurrence",
            Range::Until(end) => {
                tag(&mut r, "t:EndDate", &end.to_string());
                "t:EndDateRecurrence"
            }
            Range::Count(n) => {
                tag(&mut r, "t:NumberOfOccurrences", &n.to_string());
                "t:NumberedRecurrence"
            }
        };
        wrap(&mut inner, name, &[], &r);
        wrap(out, "t:Recurrence", &[], &inner);
    }

    /// The dates from the first on, up to and with `until`.
    pub(crate) fn dates(&self, until: Date) -> Vec<Date> {
        let mut found = Vec::new();
        let most = match self.range {
            Range::Count(n) => n,
            _ => MOST,
        };
        let last = match self.range {
            Range::Until(end) => end.min(until),
            _ => until,
        };
        let mut step = 0_i32;
        'all: while let Some(mut round) = self.round(step) {
            if round.first > last {
                break;
            }
            round.dates.sort_unstable();
            for date in round.dates {
                if date < self.start {
                    continue;
                }
                if date > last || found.len() >= most {
                    break 'all;
                }
                found.push(date);
            }
            step += 1;
        }
        found
    }

    /// The dates of the n-th day, week, month or year, and its first day.
    fn round(&self, step: i32) -> Option<Round> {
        let days = |n: i32| self.start.checked_add(n.checked_mul(step)?.days()).ok();
        let month = |n: i32| {
            let first = self.start.first_of_month();
            first.checked_add(n.checked_mul(step)?.months()).ok()
        };
        match &self.pattern {
            Pattern::Daily { interval } => {
                let first = days(*interval)?;
                Some(Round {
                    first,
                    dates: vec![first],
                })
            }
            Pattern::Weekly {
                interval,
                days: names,
                first_day,
            } => {
                let begin = position(WEEKDAYS, first_day.as_deref().unwrap_or("Sunday"));
                let back = (super::zones::from_sunday(self.start.weekday()) - begin).rem_euclid(7);
                let week = self.start.checked_sub(i32::from(back).days()).ok()?;
                let first = week.checked_add((interval.checked_mul(step)? * 7).days()).ok()?;
                let dates = (0..7)
                    .filter_map(|n| first.checked_add(n.days()).ok())
                    .filter(|d| names.iter().any(|name| is_day(*d, name)))
                    .collect();
                Some(Round { first, dates })
            }
            Pattern::AbsoluteMonthly { interval, day } => {
                let first = month(*interval)?;
                Some(Round {
                    first,
                    dates: vec![on(first, *day)],
                })
            }
            Pattern::RelativeMonthly {
                interval,
                day_of_week,
                index,
            } => {
                let first = month(*interval)?;
                Some(Round {
                    first,
                    dates: nth(first, day_of_week, index).into_iter().collect(),
                })
            }
            Pattern::AbsoluteYearly { day, month } => {
                let first = self.in_year(step, month)?;
                Some(Round {
                    first,
                    dates: vec![on(first, *day)],
                })
            }
            Pattern::RelativeYearly {
                day_of_week,
                index,
                month,
            } => {
                let first = self.in_year(step, month)?;
                Some(Round {
                    first,
                    dates: nth(first, day_of_week, index).into_iter().collect(),
                })
            }
            // Only completing the task tells the next date.
            Pattern::Regenerating { .. } => (step == 0).then(|| Round {
                first: self.start,
                dates: vec![self.start],
            }),
        }
    }

    fn in_year(&self, step: i32, month: &str) -> Option<Date> {
        let year = self.start.year().checked_add(i16::try_from(step).ok()?)?;
        Date::new(year, position(MONTHS, month) + 1, 1).ok()
    }

    /// The date after `date` on which a task comes again; `completed` is today.
    pub(crate) fn next(&self, date: Date, completed: Date) -> Option<Date> {
        if let Pattern::Regenerating { interval, every } = &self.pattern {
            let span = match every.as_str() {
                "day" => interval.days(),
                "week" => (interval * 7).days(),
                "month" => interval.months(),
                _ => interval.years(),
            };
            return completed.checked_add(span).ok();
        }
        let horizon = date.checked_add(10.years()).ok()?;
        self.dates(horizon).into_iter().find(|d| *d > date)
    }
}

struct Round {
    first: Date,
    dates: Vec<Date>,
}

fn position(list: &[&str], name: &str) -> i8 {
    list.iter()
        .position(|n| *n == name)
        .and_then(|n| i8::try_from(n).ok())
        .unwrap_or(0)
}

/// That day of the month, or its last one where the month is shorter.
fn on(first: Date, day: i8) -> Date {
    let day = day.min(first.days_in_month());
    Date::new(first.year(), first.month(), day).unwrap_or(first)
}

fn is_day(date: Date, name: &str) -> bool {
    let weekend = matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
    match name {
        "Day" => true,
        "Weekday" => !weekend,
        "WeekendDay" => weekend,
        _ => weekday_name(date.weekday()) == name,
    }
}

fn nth(first: Date, day: &str, index: &str) -> Option<Date> {
    let fitting: Vec<Date> = (1..=first.days_in_month())
        .filter_map(|d| Date::new(first.year(), first.month(), d).ok())
        .filter(|d| is_day(*d, day))
        .collect();
    match index {
        "Last" => fitting.last().copied(),
        _ => fitting
            .get(usize::try_from(position(INDEXES, index)).ok()?)
            .copied(),
    }
}

/// The day's English name.
pub(crate) fn weekday_name(day: Weekday) -> &'static str {
    WEEKDAYS[usize::try_from(super::zones::from_sunday(day)).unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dates(pattern: Pattern, start: &str, range: Range) -> Vec<String> {
        let start: Date = start.parse().unwrap();
        let r = Recurrence {
            pattern,
            start,
            range,
        };
        r.check().unwrap();
        r.dates(start.checked_add(6.years()).unwrap())
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    fn s(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn each_pattern_gives_its_dates() {
        assert_eq!(
            dates(Pattern::Daily { interval: 3 }, "2026-02-27", Range::Count(3)),
            ["2026-02-27", "2026-03-02", "2026-03-05"]
        );
        let weekly = |first: &str| Pattern::Weekly {
            interval: 2,
            days: vec![s("Tuesday"), s("Sunday")],
            first_day: Some(s(first)),
        };
        // The well-known trap: the first day of the week decides which Sunday goes with which Tuesday.
        assert_eq!(
            dates(weekly("Sunday"), "1997-08-05", Range::Count(4)),
            ["1997-08-05", "1997-08-17", "1997-08-19", "1997-08-31"]
        );
        assert_eq!(
            dates(weekly("Monday"), "1997-08-05", Range::Count(4)),
            ["1997-08-05", "1997-08-10", "1997-08-19", "1997-08-24"]
        );
        assert_eq!(
            dates(
                Pattern::AbsoluteMonthly { interval: 1, day: 31 },
                "2026-01-31",
                Range::Count(3)
            ),
            ["2026-01-31", "2026-02-28", "2026-03-31"]
        );
        assert_eq!(
            dates(
                Pattern::RelativeMonthly {
                    interval: 1,
                    day_of_week: s("Weekday"),
                    index: s("Last")
                },
                "2026-01-01",
                Range::Until("2026-03-31".parse().unwrap())
            ),
            ["2026-01-30", "2026-02-27", "2026-03-31"]
        );
        assert_eq!(
            dates(
                Pattern::AbsoluteYearly {
                    day: 29,
                    month: s("February")
                },
                "2026-01-01",
                Range::Count(3)
            ),
            ["2026-02-28", "2027-02-28", "2028-02-29"]
        );
        assert_eq!(
            dates(
                Pattern::RelativeYearly {
                    day_of_week: s("Thursday"),
                    index: s("Fourth"),
                    month: s("November")
                },
                "2026-12-01",
                Range::Count(1)
            ),
            ["2027-11-25"]
        );
    }

    #[test]
    fn senseless_patterns_are_refused() {
        let start: Date = "2026-01-01".parse().unwrap();
        let make = |pattern, range| {
            Recurrence {
                pattern,
                start,
                range,
            }
            .check()
        };
        assert!(make(Pattern::Daily { interval: 0 }, Range::NoEnd).is_err());
        assert!(make(Pattern::Daily { interval: 1 }, Range::Count(0)).is_err());
        assert!(make(Pattern::Daily { interval: 1 }, Range::Count(1000)).is_err());
        assert!(
            make(
                Pattern::Daily { interval: 1 },
                Range::Until("2025-01-01".parse().unwrap())
            )
            .is_err()
        );
        let weekly = |days| Pattern::Weekly {
            interval: 1,
            days,
            first_day: None,
        };
        assert!(make(weekly(vec![]), Range::NoEnd).is_err());
        assert!(make(weekly(vec![s("Funday")]), Range::NoEnd).is_err());
        assert!(make(Pattern::AbsoluteMonthly { interval: 1, day: 32 }, Range::NoEnd).is_err());
    }
}
