//! Numbers, lengths, points in time and dates.

use tandem_types::Timestamp;

use super::{Lang, say, spoken};

/// `1 contact`, `2 contacts`, `1,234 contacts`.
pub fn count(n: u32, one: &str, many: &str) -> String {
    format!("{} {}", number(n), if n == 1 { one } else { many })
}

/// With a comma between thousands, in German a point.
pub fn number(n: u32) -> String {
    let digits = n.to_string();
    let between = match spoken() {
        Lang::En => ',',
        Lang::De => '.',
    };
    let mut out = String::with_capacity(digits.len() + 3);
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(between);
        }
        out.push(digit);
    }
    out
}

/// A length of time in its largest unit that fits: how many, and of which.
fn span(seconds: i64) -> (u32, Unit) {
    let (n, unit) = match seconds {
        ..60 => (seconds.max(0), Unit::Second),
        60..3_600 => (seconds / 60, Unit::Minute),
        3_600..86_400 => (seconds / 3_600, Unit::Hour),
        _ => (seconds / 86_400, Unit::Day),
    };
    (u32::try_from(n).unwrap_or(u32::MAX), unit)
}

#[derive(Clone, Copy)]
enum Unit {
    Second,
    Minute,
    Hour,
    Day,
}

/// `2 minutes`, by itself.
fn length(seconds: i64) -> String {
    let (n, unit) = span(seconds);
    let (one, many) = match unit {
        Unit::Second => (say("second", "Sekunde"), say("seconds", "Sekunden")),
        Unit::Minute => (say("minute", "Minute"), say("minutes", "Minuten")),
        Unit::Hour => (say("hour", "Stunde"), say("hours", "Stunden")),
        Unit::Day => (say("day", "Tag"), say("days", "Tage")),
    };
    count(n, one, many)
}

/// As it reads after *in* or, in German, after *vor*: there several days take another ending.
pub(super) fn within(seconds: i64) -> String {
    let mut text = length(seconds);
    if spoken() == Lang::De && text.ends_with("Tage") {
        text.push('n');
    }
    text
}

/// `just now`, `2 minutes ago`, `1 day ago`. A point in the future counts as now: clocks differ a little.
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = match now.seconds_since(then) {
        ..45 => return say("just now", "gerade eben").to_owned(),
        seconds @ 45..60 => seconds.max(60),
        seconds => seconds,
    };
    let length = within(seconds);
    match spoken() {
        Lang::En => format!("{length} ago"),
        Lang::De => format!("vor {length}"),
    }
}

/// `in a moment`, `in 5 minutes`.
pub fn until(then: Timestamp, now: Timestamp) -> String {
    let seconds = match then.seconds_since(now) {
        ..30 => return say("in a moment", "gleich").to_owned(),
        seconds @ 30..60 => seconds.max(60),
        seconds => seconds,
    };
    // The same word in both.
    format!("in {}", within(seconds))
}

/// `8 seconds`, `2 minutes`.
pub fn took(started: Timestamp, ended: Timestamp) -> String {
    match ended.seconds_since(started) {
        ..1 => say("under a second", "unter einer Sekunde").to_owned(),
        seconds => length(seconds),
    }
}

/// `Starts by itself in 1:43`, counted down.
pub fn countdown(starts_at: Timestamp, now: Timestamp) -> String {
    match starts_at.seconds_since(now) {
        ..1 => say("Starting now …", "Beginnt jetzt …").to_owned(),
        left => {
            let starts = say("Starts by itself in", "Beginnt von selbst in");
            format!("{starts} {}:{:02}", left / 60, left % 60)
        }
    }
}

/// RFC 3339 in UTC, for `datetime` attributes: `2026-11-22T19:05:30Z`.
pub fn iso(at: Timestamp) -> String {
    let seconds = at.seconds();
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let rest = seconds.rem_euclid(86_400);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    )
}

/// The day of the proleptic Gregorian calendar, from days since 1970-01-01. Years are counted from March, so that the
/// leap day is the last one.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// How a point in time is told, relative to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// `2 minutes ago`.
    Ago,
    /// `in 5 minutes`.
    Until,
    /// `Starts by itself in 1:43`.
    Countdown,
}

impl Moment {
    const ALL: [Self; 3] = [Self::Ago, Self::Until, Self::Countdown];

    /// The word in the page, by which the browser keeps it true.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ago => "ago",
            Self::Until => "until",
            Self::Countdown => "countdown",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|moment| moment.as_str() == word)
    }

    pub fn say(self, at: Timestamp, now: Timestamp) -> String {
        match self {
            Self::Ago => ago(at, now),
            Self::Until => until(at, now),
            Self::Countdown => countdown(at, now),
        }
    }
}

/// A part of a [`Sentence`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Words(String),
    Time(Moment, Timestamp),
}

/// Words with points in time in between, which grow older while they are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence(pub Vec<Part>);

impl Sentence {
    pub(super) fn words(words: impl Into<String>) -> Self {
        Self(vec![Part::Words(words.into())])
    }

    /// `… {time} {words}`
    pub(super) fn time(mut self, moment: Moment, at: Timestamp, words: &str) -> Self {
        self.0.push(Part::Time(moment, at));
        if !words.is_empty() {
            self.0.push(Part::Words(words.to_owned()));
        }
        self
    }

    /// As it reads now.
    pub fn at(&self, now: Timestamp) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Words(words) => words.clone(),
            Part::Time(moment, at) => moment.say(*at, now),
        });
        parts.collect()
    }
}

/// The day in UTC, `2026-11-22`, as a field for dates takes it.
pub fn day(at: Timestamp) -> String {
    let mut text = iso(at);
    text.truncate(10);
    text
}

/// The day in UTC as a reader takes it: `22 November 2026`, `22. November 2026`.
pub fn date(at: Timestamp) -> String {
    date_of(&day(at))
}

/// As [`date`], of a day `YYYY-MM-DD`; what is none is told as it is.
pub fn date_of(day: &str) -> String {
    let told = || {
        let mut parts = day.splitn(3, '-');
        let year = parts.next()?;
        let month = month(parts.next()?)?;
        let day: u8 = parts.next()?.parse().ok()?;
        Some(match spoken() {
            Lang::En => format!("{day} {month} {year}"),
            Lang::De => format!("{day}. {month} {year}"),
        })
    };
    told().unwrap_or_else(|| day.to_owned())
}

/// `22 November 2026, 19:05 UTC`.
pub fn date_and_time(at: Timestamp) -> String {
    let iso = iso(at);
    let time = iso.get(11..16).unwrap_or_default();
    format!("{}, {time} UTC", date(at))
}

fn month(number: &str) -> Option<&'static str> {
    Some(match number {
        "01" => say("January", "Januar"),
        "02" => say("February", "Februar"),
        "03" => say("March", "März"),
        "04" => "April",
        "05" => say("May", "Mai"),
        "06" => say("June", "Juni"),
        "07" => say("July", "Juli"),
        "08" => "August",
        "09" => "September",
        "10" => say("October", "Oktober"),
        "11" => "November",
        "12" => say("December", "Dezember"),
        _ => return None,
    })
}
