//! `cargo xtask soak`: hours of a whole company's sync in minutes, see `tests/src/bin/soak`.

use std::process::Command;

use anyhow::Result;

use crate::bench::release;
use crate::install;
use crate::layout::{Layout, SELECTION, forget_the_run};
use crate::run::run;
use crate::steps::Steps;

/// Whatever follows is the driver's: `--minutes 60 --connections 2000 --postgresql`.
#[derive(clap::Args)]
pub(crate) struct Choice {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    driver: Vec<String>,
}

pub(crate) fn soak(layout: &Layout, steps: &mut Steps, choice: &Choice) -> Result<()> {
    steps.run("get a database server", install::for_tests)?;
    let server = steps.run("build the server (for speed)", || release(layout))?;
    steps.run("build the driver", || {
        run(layout
            .cargo()
            .arg("build")
            .args(SELECTION)
            .args(["--bin", "soak"]))
    })?;
    steps.run("soak", || {
        let mut command = Command::new(layout.target.join("debug").join("soak"));
        forget_the_run(&mut command);
        command
            .args(&choice.driver)
            .env("TANDEM_BIN", server)
            .env("TANDEM_TEST_SITE", &layout.site);
        run(&mut command)
    })
}
