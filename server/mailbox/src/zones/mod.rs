//! Time zones as Exchange writes them: Windows names, and zones that a client invented with rules of its own.
//! <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/time-zones-and-ews-in-exchange>
//!
//! A timed event needs none of this: EWS says when it is in UTC. Whole days do: they are the days of the event's own
//! zone, wherever we and the server are.

mod definition;
mod windows;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp as Instant};

pub(crate) use definition::{Definition, Group, Kind, Period, Target, Transition};

/// A zone whose offsets are known.
#[derive(Clone, Debug)]
pub(crate) enum Zone {
    Known(TimeZone),
    /// From the periods and transitions that came with the item.
    Own(definition::Rules),
}

impl Zone {
    pub(crate) const UTC: Self = Self::Known(TimeZone::UTC);

    /// By a Windows name, or by an IANA name as some clients write.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let name = name.trim();
        if windows::is_utc(name) {
            return Some(Self::UTC);
        }
        if let Some(iana) = windows::iana(name) {
            return TimeZone::get(iana).ok().map(Self::Known);
        }
        // An IANA name has an area; everything else is not looked up, so that no word of a client is taken for one.
        name.contains('/')
            .then(|| TimeZone::get(name).ok().map(Self::Known))
            .flatten()
    }

    /// Seconds ahead of UTC.
    pub(crate) fn offset(&self, at: Instant) -> i32 {
        match self {
            Self::Known(zone) => zone.to_offset(at).seconds(),
            Self::Own(rules) => rules.offset(at),
        }
    }

    /// The day whose midnight is nearest to `at` in this zone. Where the clock skips midnight, the day begins at one;
    /// and a client that took the wrong offset is wrong by hours, not by half a day.
    pub(crate) fn nearest_day(&self, at: Instant) -> Option<Date> {
        self.wall_after(at, SignedDuration::from_hours(12))
            .map(DateTime::date)
    }

    /// Whether a day begins at `at` here.
    pub(crate) fn is_day_start(&self, at: Instant) -> bool {
        self.nearest_day(at).and_then(|day| self.midnight(day)) == Some(at)
    }

    fn wall_after(&self, at: Instant, more: SignedDuration) -> Option<DateTime> {
        let offset = SignedDuration::from_secs(i64::from(self.offset(at)));
        let shifted = at.checked_add(offset).ok()?.checked_add(more).ok()?;
        Some(TimeZone::UTC.to_datetime(shifted))
    }

    /// When a day begins: at midnight, or (where the clock skips it) right after.
    pub(crate) fn midnight(&self, day: Date) -> Option<Instant> {
        let wall = day.to_datetime(Time::midnight());
        match self {
            Self::Known(zone) => zone.to_ambiguous_timestamp(wall).compatible().ok(),
            Self::Own(rules) => rules.instant(wall),
        }
    }
}

/// The zone of an event as it came: perhaps one that nobody knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) definition: Definition,
}

impl Written {
    pub(crate) fn named(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn is_given(&self) -> bool {
        !self.id.is_empty() || !self.name.is_empty() || !self.definition.is_empty()
    }

    /// `None`: nobody knows it.
    pub(crate) fn zone(&self) -> Option<Zone> {
        // A name's rules may be those of another year in the definition beside it: the name comes first.
        Zone::named(&self.id)
            .or_else(|| definition::Rules::of(&self.definition).map(Zone::Own))
            .or_else(|| Zone::named(&self.name))
    }

    pub(crate) fn is_utc(&self) -> bool {
        windows::is_utc(&self.id)
    }

    /// The same zone as Exchange takes it in a request: a Windows name, or the definition as it came.
    pub(crate) fn writable(&self) -> Option<Self> {
        if windows::is_utc(&self.id) {
            return Some(Self::named("UTC"));
        }
        if windows::iana(&self.id).is_some() {
            return Some(Self::named(&self.id));
        }
        if let Some(name) = windows::windows(&self.id) {
            return Some(Self::named(name));
        }
        definition::Rules::of(&self.definition)
            .is_some()
            .then(|| self.clone())
    }
}

#[cfg(test)]
mod tests;
