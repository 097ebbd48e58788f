//! The simulation: whole worlds from seeds, each judged from its first step to its last.

use anyhow::Result;

use crate::layout::{Layout, SELECTION};
use crate::run::run;
use crate::steps::Steps;

/// So many seeds in every run of the tests. It is to be 10,000 once none of them violates anything.
const IN_TESTS: u64 = 2_000;
/// And so many of worlds with mailboxes in Office 365, which begin at that seed.
const IN_THE_CLOUD: u64 = 500;
const FIRST_IN_THE_CLOUD: u64 = 100_000;
/// Of a thousand seeds so many may still violate something: what is known to be open (see docs/measurements.md). Only
/// ever lowered; whoever makes it worse is told here.
const KNOWN_PER_MILLE: u64 = 1;
/// The same in Office 365.
const KNOWN_IN_THE_CLOUD: u64 = 2;

/// What is played.
#[derive(clap::Args)]
pub(crate) struct Choice {
    /// So many seeds.
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed; without `--seeds`, only this one, with everything that happened if it fails.
    #[arg(long)]
    seed: Option<u64>,
    /// As many seeds as so many minutes give.
    #[arg(long)]
    minutes: Option<u64>,
    /// Switches on one deliberate bug after the other: each must be caught.
    #[arg(long)]
    mutants: bool,
    /// Only this deliberate bug.
    #[arg(long)]
    mutant: Option<String>,
    /// Passes although so many of a thousand seeds violate something.
    #[arg(long, default_value_t = 0)]
    tolerate: u64,
}

/// Builds it (its own packages optimised, see the workspace's profiles) and plays. Fails on any violation, on anything
/// that no seed reached, and on a bug that survived.
pub(crate) fn simulate(layout: &Layout, steps: &mut Steps, choice: &Choice) -> Result<()> {
    steps.run("build the simulation", || {
        run(layout
            .cargo()
            .arg("build")
            .args(SELECTION)
            .args(["--bin", "simulate"]))
    })?;
    play(layout, choice)
}

/// The seeds of a test run: the simulation is built already.
pub(crate) fn in_tests(layout: &Layout) -> Result<()> {
    for (seeds, seed, tolerate) in [
        (IN_TESTS, None, KNOWN_PER_MILLE),
        (IN_THE_CLOUD, Some(FIRST_IN_THE_CLOUD), KNOWN_IN_THE_CLOUD),
    ] {
        play(
            layout,
            &Choice {
                seeds: Some(seeds),
                seed,
                minutes: None,
                mutants: false,
                mutant: None,
                tolerate,
            },
        )?;
    }
    Ok(())
}

fn play(layout: &Layout, choice: &Choice) -> Result<()> {
    let mut command = std::process::Command::new(layout.target.join("debug").join("simulate"));
    command.current_dir(&layout.root);
    for (name, value) in [
        ("--seeds", choice.seeds),
        ("--seed", choice.seed),
        ("--minutes", choice.minutes),
    ] {
        if let Some(value) = value {
            command.args([name, &value.to_string()]);
        }
    }
    if choice.tolerate > 0 {
        command.args(["--tolerate", &choice.tolerate.to_string()]);
    }
    if choice.mutants {
        command.arg("--mutants");
    }
    if let Some(mutant) = &choice.mutant {
        command.args(["--mutant", mutant]);
    }
    run(&mut command)
}
