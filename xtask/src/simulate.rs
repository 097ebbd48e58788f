//! The simulation: whole worlds from seeds, each judged from its first step to its last.

use anyhow::Result;

use crate::layout::{Layout, SELECTION};
use crate::run::run;
use crate::steps::Steps;

/// So many seeds in every run of the tests.
const IN_TESTS: u64 = 10_000;
/// And so many of worlds with mailboxes in Office 365, which begin at that seed.
const IN_THE_CLOUD: u64 = 500;
const FIRST_IN_THE_CLOUD: u64 = 100_000;
/// The seeds that still violate something: what is known to be open (see docs/measurements.md). Any other fails the run,
/// and so does one of these that no longer does: the list only becomes shorter.
const KNOWN: &[u64] = &[];
/// The same in Office 365.
const KNOWN_IN_THE_CLOUD: &[u64] = &[];

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
    /// Goes on after a violation, and says each as soon as it is found.
    #[arg(long)]
    all: bool,
    /// Seeds that are known to violate something, and must do so still.
    #[arg(long, value_delimiter = ',')]
    known: Vec<u64>,
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
    for (seeds, seed, known) in [
        (IN_TESTS, None, KNOWN),
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
                all: false,
                known: known.to_vec(),
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
    if !choice.known.is_empty() {
        let known: Vec<String> = choice.known.iter().map(u64::to_string).collect();
        command.args(["--known", &known.join(",")]);
    }
    for (name, wanted) in [("--mutants", choice.mutants), ("--all", choice.all)] {
        if wanted {
            command.arg(name);
        }
    }
    if let Some(mutant) = &choice.mutant {
        command.args(["--mutant", mutant]);
    }
    run(&mut command)
}
