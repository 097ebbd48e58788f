//! What the planner alone costs: criterion's figures of `server/sync/benches/planner.rs`.

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::layout::Layout;
use crate::run::run;

/// By this name it is chosen.
pub(crate) const NAME: &str = "planner";
pub(crate) const FIGURE: &str = "planner_decisions_per_s";
/// Where criterion leaves what it measured last, below its own folder.
const MEASURED: &str = "planner/round/new";

/// See <https://criterion-rs.github.io/book/user_guide/custom_measurements.html>: by wall clock, in nanoseconds.
#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

#[derive(Deserialize)]
struct Benchmark {
    throughput: Throughput,
}

#[derive(Deserialize)]
struct Throughput {
    #[serde(rename = "Elements")]
    elements: u32,
}

/// Runs the benchmark, built for speed; decisions in a second, the median.
pub(crate) fn measure(layout: &Layout) -> Result<f64> {
    let home = layout.target.join("criterion");
    run(layout
        .cargo()
        .args([
            "bench",
            "--locked",
            "--package",
            "tandem-sync",
            "--bench",
            "planner",
        ])
        .env("CRITERION_HOME", &home))?;
    let read = |name: &str| {
        let path = home.join(MEASURED).join(name);
        std::fs::read_to_string(&path).with_context(|| format!("{} is not there", path.display()))
    };
    rate(&read("estimates.json")?, &read("benchmark.json")?)
}

fn rate(estimates: &str, benchmark: &str) -> Result<f64> {
    let estimates: Estimates = serde_json::from_str(estimates)?;
    let benchmark: Benchmark = serde_json::from_str(benchmark)?;
    let seconds = estimates.median.point_estimate / 1e9;
    // Three digits are as many as repeat; it is a large number.
    Ok((f64::from(benchmark.throughput.elements) / seconds / 1e3).round() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_what_criterion_counted_by_what_it_took() {
        let estimates = r#"{"mean":{"point_estimate":9.0},"median":{"point_estimate":2750000.0}}"#;
        let benchmark = r#"{"group_id":"planner","throughput":{"Elements":1100}}"#;
        assert!((rate(estimates, benchmark).unwrap() - 400_000.0).abs() < 1.0);
    }
}
