//! `cargo xtask upgrade`: the version before is built, does its work, is replaced by this one, and comes back.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::layout::{Layout, SELECTION};
use crate::run::{read, remove_folder, run};
use crate::steps::Steps;
use crate::{install, wasm, web};

/// Which version is upgraded.
#[derive(clap::Args)]
pub(crate) struct Choice {
    /// A commit, a tag.
    #[arg(long, default_value = "HEAD~1")]
    from: String,
    /// Its binary, where somebody has built it already (with the feature `sandbox`).
    #[arg(long)]
    binary: Option<PathBuf>,
}

pub(crate) fn upgrade(layout: &Layout, steps: &mut Steps, choice: &Choice) -> Result<()> {
    steps.run("get a database server", install::for_tests)?;
    let before = match &choice.binary {
        Some(binary) => std::path::absolute(binary)?,
        None => steps.run(&format!("build {}", choice.from), || before(layout, &choice.from))?,
    };
    web(layout, steps, wasm::Choice::default())?;
    steps.run("build this version", || {
        run(layout
            .cargo()
            .arg("build")
            .args(SELECTION)
            .args(["--bin", "tandem", "--test", "upgrade"]))
    })?;
    steps.run("upgrade, and step back", || {
        run(layout
            .cargo()
            .arg("test")
            .args(SELECTION)
            .args([
                "--package",
                "tandem-tests",
                "--test",
                "upgrade",
                "--",
                "--ignored",
            ])
            .env("TANDEM_BIN", layout.tandem())
            .env("TANDEM_TEST_SITE", &layout.site)
            .env("TANDEM_TEST_BEFORE", before))
    })
}

/// In a checkout and a target folder of its own.
fn before(layout: &Layout, from: &str) -> Result<PathBuf> {
    let source = layout.target.join("before");
    let target = layout.target.join("before-target");
    let git = || {
        let mut git = Command::new("git");
        git.current_dir(&layout.root);
        git
    };
    let commit = read(
        git()
            .args(["rev-parse", "--verify"])
            .arg(format!("{from}^{{commit}}")),
    )?;
    remove_folder(&source)?;
    run(git().args(["worktree", "prune"]))?;
    run(git()
        .args(["worktree", "add", "--detach"])
        .arg(&source)
        .arg(&commit))?;
    let built = run(layout
        .cargo()
        .current_dir(&source)
        .args([
            "build",
            "--locked",
            "--package",
            "tandem-server",
            "--features",
            "sandbox",
        ])
        .arg("--target-dir")
        .arg(&target));
    run(git().args(["worktree", "remove", "--force"]).arg(&source))?;
    built?;
    Ok(target.join("debug").join("tandem"))
}
