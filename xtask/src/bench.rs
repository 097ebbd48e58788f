//! What the product costs: the driver in `tests/src/bin/bench` beside a server that is built for speed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::layout::{Layout, SELECTION, forget_the_run};
use crate::run::{read, run};
use crate::steps::Steps;
use crate::{install, planner, wasm, web};

/// By name, then by database.
type Figures = BTreeMap<String, BTreeMap<String, Value>>;

/// What is measured.
#[derive(clap::Args)]
pub(crate) struct Choice {
    /// Prints one JSON object on one line, and nothing else, to the standard output.
    #[arg(long)]
    json: bool,
    /// Where the object is written, too.
    #[arg(long, hide = true)]
    out: Option<PathBuf>,
    /// `start`, `idle`, `first_sync`, `claims`, `pane`, `baseline`, `planner`; all of them without a name.
    names: Vec<String>,
}

/// Builds, measures, and prints a table, or the object.
pub(crate) fn bench(layout: &Layout, steps: &mut Steps, choice: &Choice) -> Result<()> {
    if choice.json {
        return only_json(layout, choice);
    }
    let (planner, driven) = split(&choice.names);
    let mut figures = Figures::new();
    if let Some(names) = driven {
        figures = whole(layout, steps, names)?;
    }
    if planner {
        let rate = steps.run("measure the planner", || planner::measure(layout))?;
        // It knows no database: as all of that kind it stands beside the figures of SQLite.
        let row = BTreeMap::from([("sqlite".to_owned(), Value::from(rate))]);
        figures.insert(planner::FIGURE.to_owned(), row);
    }
    if let Some(out) = &choice.out {
        std::fs::write(out, serde_json::to_string(&figures)?)?;
    }
    print!("\n{}", table(&figures));
    Ok(())
}

/// Whether the planner is to be measured, and what the driver is told to; `None`: nothing.
fn split(names: &[String]) -> (bool, Option<Vec<String>>) {
    let driven: Vec<String> = names
        .iter()
        .filter(|name| *name != planner::NAME)
        .cloned()
        .collect();
    let planner = names.is_empty() || driven.len() < names.len();
    (
        planner,
        (names.is_empty() || !driven.is_empty()).then_some(driven),
    )
}

/// What the whole product costs.
fn whole(layout: &Layout, steps: &mut Steps, names: Vec<String>) -> Result<Figures> {
    steps.run("get a database server", install::for_tests)?;
    web(layout, steps, wasm::Choice::default())?;
    let server = steps.run("build the server (for speed)", || release(layout))?;
    steps.run("build the driver", || {
        run(layout
            .cargo()
            .arg("build")
            .args(SELECTION)
            .args(["--bin", "bench"]))
    })?;
    let python = steps.run("get foreign clients (Python)", || install::python(layout))?;
    let line = steps.run("measure", || measured(layout, &server, &python, &names))?;
    serde_json::from_str(&line).context("the driver's figures")
}

/// The same by another run of ourselves, whose words go to the standard error.
fn only_json(layout: &Layout, choice: &Choice) -> Result<()> {
    std::fs::create_dir_all(&layout.tools)?;
    let out = layout.tools.join("bench.json");
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("bench").arg("--out").arg(&out).args(&choice.names);
    let status = command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .context("xtask does not start again")?;
    anyhow::ensure!(status.success(), "not measured: {status}");
    println!("{}", std::fs::read_to_string(&out)?.trim());
    Ok(())
}

fn measured(layout: &Layout, server: &Path, python: &Path, names: &[String]) -> Result<String> {
    let mut command = Command::new(layout.target.join("debug").join("bench"));
    forget_the_run(&mut command);
    command
        .args(names)
        .env("TANDEM_BIN", server)
        .env("TANDEM_TEST_SITE", &layout.site)
        .env("TANDEM_TEST_PYTHON", python)
        .stderr(Stdio::inherit());
    read(&mut command)
}

/// Builds the server as a release, with its sandbox. Its file.
pub(crate) fn release(layout: &Layout) -> Result<PathBuf> {
    // Of the server alone: what the other packages switch on for their tests is in no release.
    run(layout
        .cargo()
        .args(["build", "--locked", "--release", "--package", "tandem-server"])
        .args(["--features", "sandbox", "--bin", "tandem"]))?;
    Ok(layout.target.join("release").join("tandem"))
}

/// A row per figure, a column per database.
fn table(figures: &Figures) -> String {
    let mut databases: Vec<&str> = figures
        .values()
        .flat_map(|row| row.keys().map(String::as_str))
        .collect();
    databases.sort_unstable();
    databases.dedup();
    let width = figures.keys().map(String::len).max().unwrap_or(0);
    let line = |name: &str, cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| format!("  {cell:>12}")).collect();
        format!("{name:width$}{}\n", cells.concat())
    };
    let head: Vec<String> = databases.iter().map(|&name| name.to_owned()).collect();
    let mut lines = vec![line("", &head)];
    for (name, row) in figures {
        let cells: Vec<String> = databases
            .iter()
            .map(|&database| row.get(database).map_or_else(String::new, Value::to_string))
            .collect();
        lines.push(line(name, &cells));
    }
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_planner_is_measured_by_itself_or_with_all() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(split(&[]), (true, Some(Vec::new())));
        assert_eq!(split(&names(&["planner"])), (true, None));
        assert_eq!(split(&names(&["idle"])), (false, Some(names(&["idle"]))));
        assert_eq!(
            split(&names(&["planner", "idle"])),
            (true, Some(names(&["idle"])))
        );
    }

    #[test]
    fn a_figure_stands_under_its_database() {
        let figures =
            serde_json::from_str(r#"{"start_ms":{"sqlite":12.5,"postgresql":20},"rss":{"sqlite":30}}"#)
                .unwrap();
        assert_eq!(
            table(&figures),
            "            postgresql        sqlite\n\
             rss                               30\n\
             start_ms            20          12.5\n"
        );
    }
}
