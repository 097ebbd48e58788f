use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use tandem_types::Timestamp;

use super::Window;

const DAY_SECONDS: i64 = 24 * 3600;

/// From when to when an event lasts.
///
/// As text: `2026-03-29T00:30:00Z/2026-03-29T02:00:00Z`, or for whole days `2026-03-29/2026-03-30`, where the second
/// day is the one after the last. Whole days have no zone and are never shifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum When {
    Timed { start: Timestamp, end: Timestamp },
    AllDay { first: Date, until: Date },
}

/// The text is no [`When`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time or a number of days")]
pub struct ParseWhenError;

impl When {
    /// Of whole days: midnight, as if it was in UTC.
    pub fn start(self) -> Timestamp {
        match self {
            Self::Timed { start, .. } => start,
            Self::AllDay { first, .. } => midnight(first),
        }
    }

    /// As [`When::start`].
    pub fn end(self) -> Timestamp {
        match self {
            Self::Timed { end, .. } => end,
            Self::AllDay { until, .. } => midnight(until),
        }
    }

    /// The start alone, as text: what an occurrence is known by.
    pub fn start_text(self) -> String {
        match self {
            Self::Timed { start, .. } => instant(start),
            Self::AllDay { first, .. } => first.to_string(),
        }
    }

    pub fn all_day(self) -> bool {
        matches!(self, Self::AllDay { .. })
    }

    /// Ends before it starts, or (whole days) takes none.
    pub fn is_backwards(self) -> bool {
        match self {
            Self::Timed { start, end } => end < start,
            Self::AllDay { first, until } => until <= first,
        }
    }

    pub fn seconds(self) -> i64 {
        self.end().seconds_since(self.start())
    }

    /// Over before the window begins. Whole days end somewhere on earth half a day later.
    pub fn is_before(self, window: Window) -> bool {
        let slack = if self.all_day() { DAY_SECONDS / 2 } else { 0 };
        self.end().plus_seconds(slack) <= window.from && self.start() < window.from
    }

    /// Starts in the window, or is going on when it begins.
    pub fn is_in(self, window: Window) -> bool {
        !self.is_before(window) && self.start() < window.to
    }
}

fn midnight(day: Date) -> Timestamp {
    let epoch = jiff::civil::date(1970, 1, 1);
    let days = day.since(epoch).map_or(0, |span| i64::from(span.get_days()));
    Timestamp::from_seconds(days * DAY_SECONDS)
}

/// `YYYY-MM-DDTHH:MM:SSZ`; parts of a second are dropped.
pub fn instant(at: Timestamp) -> String {
    jiff::Timestamp::from_second(at.seconds()).map_or_else(|_| String::new(), |at| at.to_string())
}

/// The reverse of [`instant`]; takes every offset.
pub fn parse_instant(text: &str) -> Option<Timestamp> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_seconds(at.as_second()))
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timed { start, end } => write!(f, "{}/{}", instant(*start), instant(*end)),
            Self::AllDay { first, until } => write!(f, "{first}/{until}"),
        }
    }
}

impl FromStr for When {
    type Err = ParseWhenError;

    fn from_str(text: &str) -> Result<Self, ParseWhenError> {
        let (from, to) = text.split_once('/').ok_or(ParseWhenError)?;
        if from.len() == 10 && to.len() == 10 {
            let day = |text: &str| text.parse().map_err(|_| ParseWhenError);
            return Ok(Self::AllDay {
                first: day(from)?,
                until: day(to)?,
            });
        }
        let at = |text: &str| parse_instant(text).ok_or(ParseWhenError);
        Ok(Self::Timed {
            start: at(from)?,
            end: at(to)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        for text in [
            "2026-03-29T00:30:00Z/2026-03-29T02:00:00Z",
            "2026-03-29/2026-03-30",
            "1969-12-31/1970-01-01",
        ] {
            assert_eq!(text.parse::<When>().unwrap().to_string(), text);
        }
        let shifted: When = "2026-03-29T02:30:00+02:00/2026-03-29T04:00:00+02:00"
            .parse()
            .unwrap();
        assert_eq!(shifted.to_string(), "2026-03-29T00:30:00Z/2026-03-29T02:00:00Z");
        for text in [
            "",
            "2026-03-29",
            "2026-02-30/2026-03-01",
            "2026-03-29/",
            "a/b",
            "2026-03-29T02:30/2026-03-29T03:00",
        ] {
            assert!(text.parse::<When>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_window_keeps_what_is_going_on() {
        let day = |n: i64| Timestamp::from_seconds(n * DAY_SECONDS);
        let window = Window {
            from: day(10),
            to: day(20),
        };
        let timed = |a, b| When::Timed {
            start: day(a),
            end: day(b),
        };
        assert!(timed(9, 11).is_in(window));
        assert!(timed(10, 10).is_in(window), "without length, at the very edge");
        assert!(!timed(8, 10).is_in(window) && timed(8, 10).is_before(window));
        assert!(!timed(20, 21).is_in(window) && !timed(20, 21).is_before(window));
        let days: When = "1970-01-10/1970-01-11".parse().unwrap();
        assert!(days.is_in(window), "it is still that day west of here");
    }
}
