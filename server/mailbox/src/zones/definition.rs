//! Zones that come with their own rules, and what these rules say.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/timezonedefinition>

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp as Instant};

/// The elements below `TimeZoneDefinition`, as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) periods: Vec<Period>,
    pub(crate) groups: Vec<Group>,
    pub(crate) transitions: Vec<Transition>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Period {
    /// What is added to the local time to get UTC: `-PT1H` east of Greenwich.
    pub(crate) bias: String,
    pub(crate) name: String,
    pub(crate) id: String,
}

/// Transitions that come back every year.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) transitions: Vec<Transition>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transition {
    pub(crate) to: Target,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    /// `Period` or `Group`.
    pub(crate) kind: String,
    pub(crate) id: String,
}

/// When, in local time before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// From the beginning.
    #[default]
    Always,
    At(String),
    /// The n-th weekday of a month; the last: -1.
    Day {
        offset: String,
        month: String,
        weekday: String,
        occurrence: String,
    },
    Date {
        offset: String,
        month: String,
        day: String,
    },
}

impl Definition {
    pub(crate) fn is_empty(&self) -> bool {
        self.periods.is_empty() && self.groups.is_empty() && self.transitions.is_empty()
    }
}

/// Nothing on earth is further from UTC.
const FURTHEST: i64 = 16 * 3600;
/// More of anything is no zone.
const MOST: usize = 500;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Turn {
    Day {
        month: i8,
        weekday: Weekday,
        occurrence: i8,
        at: SignedDuration,
    },
    Date {
        month: i8,
        day: i8,
        at: SignedDuration,
    },
    /// From the first day of each year on: a group without any change.
    Always,
}

impl Turn {
    /// The local time of the turn in a year.
    fn wall(&self, year: i16) -> Option<DateTime> {
        let (day, at) = match self {
            Self::Day {
                month,
                weekday,
                occurrence,
                at,
            } => {
                let first = Date::new(year, *month, 1).ok()?;
                // A fifth that the month has not is its last.
                let day = first.nth_weekday_of_month(*occurrence, *weekday);
                (
                    day.or_else(|_| first.nth_weekday_of_month(-1, *weekday)).ok()?,
                    *at,
                )
            }
            Self::Date { month, day, at } => {
                let day = Date::new(year, *month, *day)
                    .or_else(|_| Date::new(year, *month, 28))
                    .ok()?;
                (day, *at)
            }
            Self::Always => (Date::new(year, 1, 1).ok()?, SignedDuration::ZERO),
        };
        day.to_datetime(jiff::civil::Time::midnight())
            .checked_add(at)
            .ok()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Fixed(i32),
    /// Each turn with the offset after it, in seconds.
    Yearly(Vec<(Turn, i32)>),
}

/// Rules that can be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    first: Phase,
    /// Later ones, from an instant on that is given as UTC would be.
    later: Vec<(DateTime, Phase)>,
}

impl Rules {
    /// `None`: they make no sense.
    pub(super) fn of(definition: &Definition) -> Option<Self> {
        let sizes = [
            definition.periods.len(),
            definition.groups.len(),
            definition.transitions.len(),
        ];
        if sizes.iter().any(|n| *n > MOST) || definition.periods.is_empty() {
            return None;
        }
        let mut phases = Vec::new();
        for transition in &definition.transitions {
            let phase = phase(definition, &transition.to)?;
            match &transition.kind {
                Kind::Always => phases.push((None, phase)),
                Kind::At(text) => phases.push((Some(date_time(text)?), phase)),
                Kind::Day { .. } | Kind::Date { .. } => return None,
            }
        }
        if phases.is_empty() {
            // Sent without an order: one group or one period is all there is.
            let only = match (definition.groups.as_slice(), definition.periods.as_slice()) {
                ([group], _) => yearly(definition, group)?,
                ([], [period]) => Phase::Fixed(offset(period)?),
                _ => return None,
            };
            phases.push((None, only));
        }
        phases.sort_by_key(|(from, _)| *from);
        let mut phases = phases.into_iter();
        // What was before the first dated one is not told: as after it.
        let (_, first) = phases.next()?;
        let later = phases.filter_map(|(from, phase)| Some((from?, phase))).collect();
        Some(Self { first, later })
    }

    /// Seconds ahead of UTC.
    pub(super) fn offset(&self, at: Instant) -> i32 {
        let utc = TimeZone::UTC.to_datetime(at);
        let mut offset = self.first.offset(at);
        for (from, phase) in &self.later {
            // The change is given in the local time before it.
            let Ok(local) = utc.checked_add(SignedDuration::from_secs(i64::from(offset))) else {
                break;
            };
            if *from > local {
                break;
            }
            offset = phase.offset(at);
        }
        offset
    }

    /// The first instant that this local time names; where it is skipped, as far after the gap.
    pub(super) fn instant(&self, wall: DateTime) -> Option<Instant> {
        let as_utc = wall.to_zoned(TimeZone::UTC).ok()?.timestamp();
        let around = |days: i64| {
            as_utc
                .checked_add(Span::new().days(0).hours(days * 24))
                .map(|at| self.offset(at))
        };
        let (before, after) = (around(-1).ok()?, around(1).ok()?);
        let at = |offset: i32| {
            as_utc
                .checked_sub(SignedDuration::from_secs(i64::from(offset)))
                .ok()
        };
        [before, after]
            .into_iter()
            .filter_map(|offset| at(offset).filter(|at| self.offset(*at) == offset))
            .min()
            .or_else(|| at(before))
    }
}

impl Phase {
    fn offset(&self, at: Instant) -> i32 {
        let turns = match self {
            Self::Fixed(offset) => return *offset,
            Self::Yearly(turns) => turns,
        };
        let year = TimeZone::UTC.to_datetime(at).year();
        let mut dated: Vec<(DateTime, i32)> = (year.saturating_sub(1)..=year.saturating_add(1))
            .flat_map(|year| {
                turns
                    .iter()
                    .filter_map(move |(turn, offset)| Some((turn.wall(year)?, *offset)))
            })
            .collect();
        dated.sort_unstable();
        // Before the first turn of the year before, it was as after the last of a year.
        let mut offset = dated.last().map_or(0, |(_, offset)| *offset);
        for (wall, after) in dated {
            let local = TimeZone::UTC
                .to_datetime(at)
                .checked_add(SignedDuration::from_secs(i64::from(offset)));
            if local.is_ok_and(|local| local < wall) {
                break;
            }
            offset = after;
        }
        offset
    }
}

fn phase(definition: &Definition, to: &Target) -> Option<Phase> {
    if to.kind == "Group" {
        let group = definition.groups.iter().find(|group| group.id == to.id)?;
        return yearly(definition, group);
    }
    Some(Phase::Fixed(offset_of(definition, &to.id)?))
}

fn yearly(definition: &Definition, group: &Group) -> Option<Phase> {
    if group.transitions.is_empty() || group.transitions.len() > MOST {
        return None;
    }
    let mut turns = Vec::new();
    for transition in &group.transitions {
        let offset = offset_of(definition, &transition.to.id)?;
        let number = |text: &str, from: i8, to: i8| {
            let number: i8 = text.trim().parse().ok()?;
            (from..=to).contains(&number).then_some(number)
        };
        let turn = match &transition.kind {
            Kind::Always => Turn::Always,
            Kind::At(_) => return None,
            Kind::Day {
                offset,
                month,
                weekday,
                occurrence,
            } => Turn::Day {
                month: number(month, 1, 12)?,
                weekday: self::weekday(weekday)?,
                occurrence: Some(number(occurrence, -5, 5)?).filter(|n| *n != 0)?,
                at: duration(offset)?,
            },
            Kind::Date { offset, month, day } => Turn::Date {
                month: number(month, 1, 12)?,
                day: number(day, 1, 31)?,
                at: duration(offset)?,
            },
        };
        turns.push((turn, offset));
    }
    Some(Phase::Yearly(turns))
}

fn offset_of(definition: &Definition, id: &str) -> Option<i32> {
    offset(definition.periods.iter().find(|period| period.id == id)?)
}

fn offset(period: &Period) -> Option<i32> {
    let seconds = duration(&period.bias)?.as_secs();
    (-FURTHEST..=FURTHEST)
        .contains(&seconds)
        .then(|| i32::try_from(-seconds).ok())?
}

fn weekday(name: &str) -> Option<Weekday> {
    Some(match name.trim() {
        "Sunday" => Weekday::Sunday,
        "Monday" => Weekday::Monday,
        "Tuesday" => Weekday::Tuesday,
        "Wednesday" => Weekday::Wednesday,
        "Thursday" => Weekday::Thursday,
        "Friday" => Weekday::Friday,
        "Saturday" => Weekday::Saturday,
        _ => return None,
    })
}

/// Without a zone, or as if it had none.
fn date_time(text: &str) -> Option<DateTime> {
    let text = text.trim().trim_end_matches('Z');
    text.parse().ok()
}

/// An `xs:duration` of at most a few days: `-PT5H30M`, `PT2H0M0S`, `P1DT0H`.
fn duration(text: &str) -> Option<SignedDuration> {
    let text = text.trim();
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let rest = rest.strip_prefix('P')?;
    let (days, clock) = rest.split_once('T').unwrap_or((rest, ""));
    let mut seconds = 0_i64;
    for (part, units) in [
        (days, &[('D', 86_400)][..]),
        (clock, &[('H', 3600), ('M', 60), ('S', 1)][..]),
    ] {
        let mut number = String::new();
        for c in part.chars() {
            if c.is_ascii_digit() || c == '.' {
                number.push(c);
                continue;
            }
            let (_, unit) = units.iter().find(|(name, _)| *name == c)?;
            // Parts of a second are of no interest.
            let whole: i64 = number.split('.').next()?.parse().ok()?;
            seconds = seconds.checked_add(whole.checked_mul(*unit)?)?;
            number.clear();
        }
        if !number.is_empty() {
            return None;
        }
    }
    (!days.is_empty() || !clock.is_empty()).then_some(SignedDuration::from_secs(sign * seconds))
}
