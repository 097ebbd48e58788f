//! Everything that must hold before a change lands.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::layout::{Layout, SELECTION};
use crate::run::{read, run};
use crate::steps::Steps;
use crate::{install, simulate, wasm, web};

/// Runs all of it; stops at the first stage that fails.
pub(crate) fn test(
    layout: &Layout,
    steps: &mut Steps,
    filter: Option<&str>,
    choice: wasm::Choice,
) -> Result<()> {
    let lint = filter.is_none();
    // A build gets only those of this system; the licences of all are looked at.
    steps.run("get the crates", || {
        run(layout.cargo().args(["fetch", "--locked"]))
    })?;
    steps.run("get a database server and a browser", install::for_tests)?;
    let python = steps.run("get foreign clients (Python)", || install::python(layout))?;
    let node = steps.run("get foreign checkers (Node)", || install::node(layout))?;
    if lint {
        steps.run("check the format", || {
            run(layout.cargo().args(["fmt", "--all", "--", "--check"]))
        })?;
    }
    let toolchain = web(layout, steps, choice)?;
    steps.run("build the server and the tests", || {
        run(layout
            .cargo()
            .arg("build")
            .args(SELECTION)
            .args(["--all-targets"]))
    })?;
    if lint {
        steps.run("lint the server and the tests", || {
            run(layout
                .cargo()
                .arg("clippy")
                .args(SELECTION)
                .args(["--all-targets", "--", "-D", "warnings"]))
        })?;
        steps.run("lint the pane", || wasm::lint(layout, &toolchain))?;
        steps.run("run the examples in the documentation", || {
            run(layout.cargo().args(["test", "--quiet", "--doc"]).args(SELECTION))
        })?;
    }
    if lint {
        steps.run("play the simulation's seeds", || simulate::in_tests(layout))?;
    }
    // Last, so that their summary is what a reader of the end sees.
    steps.run("run the tests", || {
        run(&mut tests(layout, &python, &node, filter))
    })
}

fn tests(layout: &Layout, python: &Path, node: &Path, filter: Option<&str>) -> Command {
    let mut command = layout.cargo();
    if read(layout.cargo().args(["nextest", "--version"])).is_ok() {
        command.args(["nextest", "run"]).args(SELECTION).args(filter);
    } else {
        println!(
            "    cargo-nextest is not installed (`cargo install --locked cargo-nextest`): using `cargo test`"
        );
        command
            .arg("test")
            .args(SELECTION)
            .args(["--no-fail-fast", "--all-targets"]);
        command.args(filter);
    }
    command.env("TANDEM_BIN", layout.tandem());
    command.env("TANDEM_TEST_PYTHON", python);
    command.env("TANDEM_TEST_NODE", node);
    command.env("TANDEM_TEST_SITE", &layout.site);
    command
}
