//! `cargo xtask`: everything that a developer runs, one sub-command each.

mod bench;
mod demo;
mod dist;
mod fuzz;
mod install;
mod layout;
mod package;
mod planner;
mod run;
mod simulate;
mod soak;
mod steps;
mod suite;
mod upgrade;
mod wasm;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::layout::Layout;
use crate::steps::Steps;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Set-up, web build, demo and tests of Tandem")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds everything, starts Tandem beside a sandbox of Exchange and Salesforce, prints the address.
    Demo {
        /// The port of the pane on localhost; 0 takes a free one.
        #[arg(long, default_value_t = 7433)]
        port: u16,
        /// The sandbox's people and records are drawn from it.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[arg(long, value_enum, default_value_t)]
        wasm: wasm::Choice,
    },
    /// Installs what the tests need, builds, lints, and runs every test (or those whose name contains FILTER).
    Test {
        filter: Option<String>,
        #[arg(long, value_enum, default_value_t)]
        wasm: wasm::Choice,
    },
    /// Measures what the product costs, on both databases: processor time, requests, memory, seconds.
    Bench(bench::Choice),
    /// Plays seeded worlds against the whole engine; the last line is the figure.
    Simulate(simulate::Choice),
    /// Throws what no server would send at the readers of what servers send.
    Fuzz(fuzz::Choice),
    /// Runs a whole company's sync for an hour, a hundred times as fast, with faults.
    Soak(soak::Choice),
    /// Lets an earlier version work, replaces it by this one, and steps back.
    Upgrade(upgrade::Choice),
    /// Packs what is handed to those who run it: the server, the web files, and a list of all that is inside.
    Dist,
    /// Builds the pane for the browser and packages it.
    Web {
        #[arg(long, value_enum, default_value_t)]
        wasm: wasm::Choice,
    },
}

fn main() -> ExitCode {
    let mut steps = Steps::new();
    let outcome = perform(Cli::parse(), &mut steps);
    if let Err(error) = &outcome {
        eprintln!("\nerror: {error:#}");
    }
    if outcome.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn perform(cli: Cli, steps: &mut Steps) -> Result<()> {
    let layout = Layout::find()?;
    match cli.task {
        Task::Demo { port, seed, wasm } => demo::demo(&layout, steps, port, seed, wasm),
        Task::Test { filter, wasm } => {
            let outcome = suite::test(&layout, steps, filter.as_deref(), wasm);
            steps.print_table();
            outcome
        }
        Task::Bench(choice) => bench::bench(&layout, steps, &choice),
        Task::Simulate(choice) => simulate::simulate(&layout, steps, &choice),
        Task::Fuzz(choice) => {
            let outcome = fuzz::fuzz(&layout, steps, &choice);
            steps.print_table();
            outcome
        }
        Task::Soak(choice) => soak::soak(&layout, steps, &choice),
        Task::Upgrade(choice) => upgrade::upgrade(&layout, steps, &choice),
        Task::Dist => dist::dist(&layout, steps),
        Task::Web { wasm } => {
            web(&layout, steps, wasm)?;
            Ok(())
        }
    }
}

/// Builds the pane and packages it; both do nothing where nothing changed.
fn web(layout: &Layout, steps: &mut Steps, choice: wasm::Choice) -> Result<wasm::Toolchain> {
    let toolchain = steps.run("find a standard library for wasm", || wasm::toolchain(choice))?;
    let built = steps.run("build the pane (wasm, for size)", || {
        wasm::build(layout, &toolchain)
    })?;
    steps.run("package the pane", || package::package(layout, &built))?;
    Ok(toolchain)
}
