//! When the next session is due.

use std::time::Duration;

use tandem_types::{Settings, Timestamp};

use crate::ports::Rng;

/// An idle connection compares everything once a day, in case that a side forgot to tell something.
const FULL_EVERY_SECONDS: i64 = 24 * 3600;
const DAY_SECONDS: i64 = 24 * 3600;
/// After a refused session; doubled by each further one.
const AFTER_REJECTION_SECONDS: i64 = 30 * 60;
/// After a failed session; doubled by each further one.
const AFTER_FAILURE_SECONDS: i64 = 2 * 60;

/// After a session that went well: the interval, up to a tenth more or less, so that sessions spread.
#[must_use]
pub fn after_success(now: Timestamp, settings: &Settings, rng: &dyn Rng) -> Timestamp {
    let interval = i64::from(settings.interval_minutes) * 60;
    now.plus_seconds(interval - interval / 10 + below(rng, interval / 5))
}

/// After the `rejections`-th refused session in a row: 30, 60, 120 … minutes, a day at most. Never sooner: each try
/// is a failed logon.
#[must_use]
pub fn after_rejection(now: Timestamp, rejections: u32) -> Timestamp {
    now.plus_seconds(doubled(AFTER_REJECTION_SECONDS, rejections))
}

/// After the `failures`-th failed session in a row: 2, 4, 8 … minutes, a day at most, up to a tenth more; not before
/// `retry_after`.
#[must_use]
pub fn after_failure(
    now: Timestamp,
    failures: u32,
    retry_after: Option<Duration>,
    rng: &dyn Rng,
) -> Timestamp {
    let asked = retry_after.map_or(0, |wait| {
        i64::try_from(wait.as_secs())
            .unwrap_or(i64::MAX)
            .saturating_add(1)
            .min(7 * DAY_SECONDS)
    });
    let wait = doubled(AFTER_FAILURE_SECONDS, failures).max(asked);
    now.plus_seconds(wait + below(rng, wait / 10))
}

/// Whether both sides are to be listed in full.
#[must_use]
pub fn full_due(last_full: Option<Timestamp>, now: Timestamp) -> bool {
    last_full.is_none_or(|last| now.seconds_since(last) >= FULL_EVERY_SECONDS)
}

fn doubled(first: i64, times: u32) -> i64 {
    let factor = 1_i64 << times.saturating_sub(1).min(20);
    first.saturating_mul(factor).min(DAY_SECONDS)
}

/// A number from 0 to `limit`.
fn below(rng: &dyn Rng, limit: i64) -> i64 {
    let mut bytes = [0; 8];
    rng.fill(&mut bytes);
    let limit = u64::try_from(limit).unwrap_or(0);
    i64::try_from(u64::from_le_bytes(bytes) % (limit + 1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl Rng for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

    #[test]
    fn rejections_wait_30_60_120_minutes_and_a_day_at_most() {
        let minutes = |n| after_rejection(NOW, n).seconds_since(NOW) / 60;
        assert_eq!(
            [1, 2, 3, 4, 5, 6, 7].map(minutes),
            [30, 60, 120, 240, 480, 960, 1440]
        );
        assert_eq!(minutes(u32::MAX), 1440);
    }

    #[test]
    fn the_interval_is_kept_within_a_tenth() {
        let settings = Settings::default();
        let mut waits = Vec::new();
        for byte in 0..=255 {
            let wait = after_success(NOW, &settings, &Fixed(byte)).seconds_since(NOW);
            assert!((27 * 60..=33 * 60).contains(&wait), "{wait}");
            waits.push(wait);
        }
        waits.sort_unstable();
        waits.dedup();
        assert!(waits.len() > 50, "no jitter");
    }

    #[test]
    fn what_the_server_asks_for_is_kept() {
        let wait = |n, after: Option<u64>| {
            after_failure(NOW, n, after.map(Duration::from_secs), &Fixed(0)).seconds_since(NOW)
        };
        assert_eq!([1, 2, 3].map(|n| wait(n, None)), [120, 240, 480]);
        assert_eq!(wait(1_000, None), DAY_SECONDS);
        assert!(wait(1, Some(3600)) >= 3600);
        assert!(
            wait(3, Some(10)) >= 480,
            "a short hint does not undo our own patience"
        );
        assert!(wait(1, Some(u64::MAX)) >= 7 * DAY_SECONDS);
    }

    #[test]
    fn a_full_compare_once_a_day() {
        assert!(full_due(None, NOW));
        assert!(!full_due(Some(NOW), NOW));
        assert!(
            !full_due(Some(NOW), NOW.plus_seconds(-10)),
            "a clock that jumped back"
        );
        assert!(full_due(Some(NOW), NOW.plus_seconds(DAY_SECONDS)));
    }
}
