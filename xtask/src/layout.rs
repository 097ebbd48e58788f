//! Where things stand.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

/// One choice of packages and features for every build, so that nothing is compiled twice, whoever asks first. The
/// browser's entry is left out: cargo would give its features of leptos to the server as well.
pub(crate) const SELECTION: [&str; 6] = [
    "--locked",
    "--workspace",
    "--exclude",
    "tandem-frontend",
    "--features",
    "tandem-server/sandbox",
];

/// The folders of a checkout and of what is built from it.
pub(crate) struct Layout {
    /// The workspace.
    pub(crate) root: PathBuf,
    /// Cargo's own, for this machine.
    pub(crate) target: PathBuf,
    /// Beside it, for the browser: other flags, and often another compiler.
    pub(crate) wasm_target: PathBuf,
    /// What the server serves, laid out as cargo-leptos does it.
    pub(crate) site: PathBuf,
    /// What the tests need and the project may install for itself.
    pub(crate) tools: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

impl Layout {
    /// Asks cargo, which knows every way to configure a target folder.
    pub(crate) fn find() -> Result<Self> {
        let output = cargo()
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
            .output()
            .context("cargo does not start")?;
        anyhow::ensure!(
            output.status.success(),
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
        Ok(Self::of(metadata.workspace_root, metadata.target_directory))
    }

    fn of(root: PathBuf, target: PathBuf) -> Self {
        let mut wasm_target = OsString::from(&target);
        wasm_target.push("-wasm");
        Self {
            root,
            wasm_target: wasm_target.into(),
            site: target.join("site"),
            tools: target.join("tools"),
            target,
        }
    }

    /// The binary that a build for this machine leaves.
    pub(crate) fn tandem(&self) -> PathBuf {
        self.target.join("debug").join("tandem")
    }

    /// A command of cargo in the workspace.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = cargo();
        command.current_dir(&self.root);
        command
    }
}

/// What cargo tells the program that it runs, here us. Build scripts watch some of these: passed on, they would be
/// run again each time that somebody builds without us.
const OF_THE_RUN: [&str; 5] = [
    "CARGO_PKG_",
    "CARGO_MANIFEST_",
    "CARGO_BIN_",
    "CARGO_CRATE_NAME",
    "CARGO_PRIMARY_PACKAGE",
];

/// The cargo that runs us, so that a chosen toolchain stays chosen.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    forget_the_run(&mut command);
    command
}

/// Gives a command the environment that it would have without us in between.
pub(crate) fn forget_the_run(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if OF_THE_RUN
            .iter()
            .any(|prefix| name.to_string_lossy().starts_with(prefix))
        {
            command.env_remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wasm_target_stands_beside_the_other() {
        let layout = Layout::of("/w".into(), "/build/out".into());
        assert_eq!(layout.wasm_target, Path::new("/build/out-wasm"));
        assert_eq!(layout.site, Path::new("/build/out/site"));
    }

    #[test]
    fn cargo_knows_this_workspace() {
        let layout = Layout::find().unwrap();
        assert!(layout.root.join("xtask").join("Cargo.toml").is_file());
    }
}
