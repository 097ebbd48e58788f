//! What is seen of the server while it works: how late the latest connection is, and how much memory it has.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tandem_tests::clockwork::Clockwork;
use tandem_tests::{Tandem, usage};

/// A tenth of the interval of half an hour.
const LATE_SECONDS: f64 = 180.0;
/// What the last quarter may have more than the second: caches of the allocator.
const GROWTH: f64 = 1.1;
const A_MINUTE: usize = 60;

/// How the clocks run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time {
    pub(crate) speed: i64,
    /// Seconds since 1970.
    pub(crate) since: i64,
}

impl Time {
    /// Microseconds since 1970, as the server counts them.
    pub(crate) const fn at(self, real: i64) -> i64 {
        let since = self.since * 1_000_000;
        if real <= since {
            real
        } else {
            since + (real - since) * self.speed
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Seconds of the server's clock, once a second.
    late: Vec<f64>,
    /// MB.
    memory: Vec<f64>,
    sessions: i64,
    bad: i64,
    days: f64,
}

impl Seen {
    pub(crate) async fn look(&mut self, clockwork: &Clockwork, tandem: &Tandem, time: Time) -> Result<()> {
        let now = time.at(clockwork.now().await?);
        let late = format!(
            "SELECT CAST(COALESCE(MAX({now} - due_at), 0) AS BIGINT) FROM connections WHERE state = 'active' \
             AND due_at <= {now} AND (lease_until IS NULL OR lease_until <= {now})"
        );
        let late = clockwork.numbers(&late).await?[0];
        self.late.push(seconds(late));
        self.memory.push(usage::resident_mb(tandem)?);
        self.days = seconds(now - time.since * 1_000_000) / 86_400.0;
        if self.late.len().is_multiple_of(A_MINUTE) {
            self.count(clockwork).await?;
            println!("{}", self.told(&[]));
        }
        Ok(())
    }

    /// Counts the sessions up to here: those after it meet no faults any more.
    pub(crate) async fn end_of_storm(&mut self, clockwork: &Clockwork) -> Result<()> {
        self.count(clockwork).await
    }

    async fn count(&mut self, clockwork: &Clockwork) -> Result<()> {
        let counts = "SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN outcome IN ('done', 'partial', 'preview') \
                      THEN 0 ELSE 1 END), 0) AS BIGINT) FROM sessions WHERE ended_at IS NOT NULL";
        let counts = clockwork.numbers(counts).await?;
        (self.sessions, self.bad) = (counts[0], counts[1]);
        Ok(())
    }

    /// One JSON object.
    pub(crate) fn told(&self, more: &[(&str, Value)]) -> Value {
        let mut late = self.late.clone();
        late.sort_by(f64::total_cmp);
        let mut told = json!({
            "days": rounded(self.days),
            "sessions": self.sessions,
            "sessions_failed": self.bad,
            "latest_s": late.last().copied().map(rounded),
            "latest_p99_s": late.get(late.len() * 99 / 100).copied().map(rounded),
            "memory_mb": self.memory.last().copied().map(rounded),
            "memory_mb_second_quarter": self.quarter(1).map(rounded),
            "memory_mb_last_quarter": self.quarter(3).map(rounded),
        });
        for (name, value) in more {
            told[*name] = value.clone();
        }
        told
    }

    /// # Errors
    /// Somebody was served too late, or the memory grows.
    pub(crate) fn judge(&self) -> Result<()> {
        let latest = self.late.iter().copied().fold(0.0, f64::max);
        ensure!(
            latest <= LATE_SECONDS,
            "a connection was {latest:.0} s late; {LATE_SECONDS:.0} s are a tenth of its interval"
        );
        let (before, after) = (
            self.quarter(1).context("too short")?,
            self.quarter(3).context("too short")?,
        );
        ensure!(
            after <= before * GROWTH,
            "the memory grew from {before:.0} to {after:.0} MB"
        );
        Ok(())
    }

    /// The median of a quarter of the time.
    fn quarter(&self, n: usize) -> Option<f64> {
        let length = self.memory.len() / 4;
        let mut part = self.memory.get(n * length..(n + 1) * length)?.to_vec();
        part.sort_by(f64::total_cmp);
        part.get(part.len() / 2).copied()
    }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of some days")]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_and_lateness_are_told() {
        let flat = Seen {
            late: vec![0.0, 3.0, 179.0],
            memory: vec![50.0; 40],
            ..Seen::default()
        };
        assert!(flat.judge().is_ok());
        let late = Seen {
            late: vec![0.0, 181.0],
            memory: vec![50.0; 40],
            ..Seen::default()
        };
        assert!(late.judge().is_err());
        let growing = Seen {
            memory: (0..40).map(|n| 50.0 + f64::from(n)).collect(),
            ..Seen::default()
        };
        assert!(growing.judge().is_err());
        assert!(Seen::default().judge().is_err());
    }
}
