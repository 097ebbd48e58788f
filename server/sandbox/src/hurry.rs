//! A clock that runs faster, for a sandbox and a server that have to agree on the time: days pass in minutes.

use std::str::FromStr;

/// Since when the clock runs how many times as fast, written `100@1790000000` (seconds since 1970).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hurry {
    speed: i64,
    /// Microseconds since 1970.
    since: i64,
}

const FASTEST: i64 = 10_000;

impl FromStr for Hurry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text} is not SPEED@SECONDS, with a speed from 1 to {FASTEST}");
        let (speed, since) = text.split_once('@').ok_or_else(wrong)?;
        let speed = speed.parse().map_err(|_| wrong())?;
        let since: i64 = since.parse().map_err(|_| wrong())?;
        let since = since.checked_mul(1_000_000).ok_or_else(wrong)?;
        if !(1..=FASTEST).contains(&speed) {
            return Err(wrong());
        }
        Ok(Self { speed, since })
    }
}

impl Hurry {
    /// The time that it is here when it is `real` elsewhere; both in microseconds since 1970.
    #[must_use]
    pub const fn at(&self, real: i64) -> i64 {
        if real <= self.since {
            return real;
        }
        self.since
            .saturating_add(real.saturating_sub(self.since).saturating_mul(self.speed))
    }

    /// How many times as fast it runs.
    #[must_use]
    pub const fn speed(&self) -> i64 {
        self.speed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_pass_in_minutes() {
        let hurry: Hurry = "100@1000".parse().unwrap();
        assert_eq!(hurry.at(999_000_000), 999_000_000);
        assert_eq!(hurry.at(1_000_000_000), 1_000_000_000);
        assert_eq!(hurry.at(1_001_000_000), 1_100_000_000);
        for wrong in ["", "100", "0@1", "100@x", "99999@1", "x@1"] {
            assert!(wrong.parse::<Hurry>().is_err(), "{wrong}");
        }
    }
}
