//! `bench`: what the product costs, measured on the real binary beside its sandbox; one JSON object on one line.
//!
//! Each figure stands by itself or per database. `cargo xtask bench` builds both for speed and prints a table.

mod baseline;
mod claims;
mod database;
mod first_sync;
mod idle;
mod pane;
mod start;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use database::Kind;

/// Figures by name, each per database.
#[derive(Default)]
struct Figures(BTreeMap<&'static str, BTreeMap<&'static str, Value>>);

impl Figures {
    fn note(&mut self, name: &'static str, kind: Kind, value: impl Into<Value>) {
        let per_database = self.0.entry(name).or_default();
        per_database.insert(kind.as_str(), value.into());
    }
}

/// Three digits are as many as repeat.
fn rounded(value: f64) -> Value {
    if value == 0.0 || !value.is_finite() {
        return json!(value);
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the logarithm of a figure is small"
    )]
    let places = 2 - value.abs().log10().floor() as i32;
    let scale = 10f64.powi(places);
    json!((value * scale).round() / scale)
}

/// The middle one.
fn median(mut values: Vec<f64>) -> Result<f64> {
    values.sort_by(f64::total_cmp);
    values
        .get(values.len() / 2)
        .copied()
        .context("nothing was measured")
}

const ALL: [&str; 6] = ["start", "idle", "first_sync", "claims", "pane", "baseline"];

#[tokio::main]
async fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    for name in &wanted {
        ensure!(ALL.contains(&name.as_str()), "there is {ALL:?}, and no {name}");
    }
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|w| w == name);
    let mut figures = Figures::default();
    for kind in Kind::ALL {
        if wants("start") {
            start::measure(kind, &mut figures).await?;
        }
        if wants("idle") {
            idle::measure(kind, &mut figures).await?;
        }
        if wants("first_sync") {
            first_sync::measure(kind, &mut figures).await?;
        }
        if wants("claims") {
            claims::measure(kind, &mut figures).await?;
        }
        if wants("pane") {
            pane::measure(kind, &mut figures).await?;
        }
    }
    if wants("baseline") {
        baseline::measure(&mut figures).await?;
    }
    println!("{}", serde_json::to_string(&figures.0)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_told() {
        assert_eq!(rounded(1234.56), json!(1230.0));
        assert_eq!(rounded(0.012_345), json!(0.0123));
        assert_eq!(rounded(0.0), json!(0.0));
    }

    #[test]
    fn the_middle_is_the_median() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]).ok(), Some(2.0));
        assert!(median(Vec::new()).is_err());
    }
}
