//! Says what is being done and how long it took.

use std::time::{Duration, Instant};

use anyhow::Result;

/// The steps so far.
pub(crate) struct Steps {
    rows: Vec<Row>,
    start: Instant,
}

struct Row {
    name: String,
    took: Duration,
    passed: bool,
}

impl Steps {
    pub(crate) fn new() -> Self {
        Self {
            rows: Vec::new(),
            start: now(),
        }
    }

    /// Announces `name`, does it, and says how long it took.
    pub(crate) fn run<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("==> {name}");
        let start = now();
        let outcome = work();
        let took = start.elapsed();
        let passed = outcome.is_ok();
        println!(
            "    {name}: {} in {}",
            if passed { "done" } else { "FAILED" },
            readable(took)
        );
        self.rows.push(Row {
            name: name.to_owned(),
            took,
            passed,
        });
        outcome.map_err(|e| e.context(format!("step \"{name}\" failed")))
    }

    /// All steps, with minutes.
    pub(crate) fn print_table(&self) {
        let width = self
            .rows
            .iter()
            .map(|r| r.name.chars().count())
            .max()
            .unwrap_or(0)
            .max(5);
        println!("\n{:width$}  minutes", "stage");
        for row in &self.rows {
            let verdict = if row.passed { "" } else { "  FAILED" };
            println!("{:width$}  {:7.2}{verdict}", row.name, minutes(row.took));
        }
        println!("{:width$}  {:7.2}", "total", minutes(self.start.elapsed()));
    }
}

fn minutes(took: Duration) -> f64 {
    took.as_secs_f64() / 60.0
}

/// `840 ms`, `12.3 s`, or `3 min 20 s`.
pub(crate) fn readable(took: Duration) -> String {
    if took < Duration::from_secs(1) {
        format!("{} ms", took.as_millis())
    } else if took < Duration::from_mins(1) {
        format!("{:.1} s", took.as_secs_f64())
    } else {
        format!("{} min {} s", took.as_secs() / 60, took.as_secs() % 60)
    }
}

/// The time, to measure with.
#[expect(clippy::disallowed_methods, reason = "a tool that says how long it took")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        for (ms, text) in [(840, "840 ms"), (12_340, "12.3 s"), (200_000, "3 min 20 s")] {
            assert_eq!(readable(Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn a_failed_step_keeps_its_cause_and_stands_in_the_table() {
        let mut steps = Steps::new();
        let error = steps
            .run("dig", || -> Result<()> { anyhow::bail!("rock") })
            .unwrap_err();
        assert_eq!(format!("{error:#}"), "step \"dig\" failed: rock");
        assert!(!steps.rows[0].passed);
    }
}
