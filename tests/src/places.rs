//! Where the build left what the tests use. `cargo xtask test` says it; else it is guessed from where we stand.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The real binary, built with the `sandbox` feature.
pub fn tandem() -> Result<PathBuf> {
    found(
        "TANDEM_BIN",
        || Ok(target()?.join("debug").join("tandem")),
        "cargo build -p tandem-server --features sandbox",
    )
}

/// The Python that has the clients others wrote.
pub fn python() -> Result<PathBuf> {
    found(
        "TANDEM_TEST_PYTHON",
        || Ok(target()?.join("tools/python/bin/python")),
        "cargo xtask test",
    )
}

/// The folder of the `node_modules` that others wrote.
///
/// # Errors
/// It is not there.
pub fn node_tools() -> Result<PathBuf> {
    found(
        "TANDEM_TEST_NODE",
        || Ok(target()?.join("tools/node")),
        "cargo xtask test",
    )
}

/// The example that shows every state of the pane without a server.
///
/// # Errors
/// It is not there.
pub fn gallery() -> Result<PathBuf> {
    found(
        "TANDEM_TEST_GALLERY",
        || Ok(target()?.join("debug/examples/gallery")),
        "cargo build -p tandem-app --features ssr --example gallery",
    )
}

/// The packaged pane.
pub fn site() -> Result<PathBuf> {
    found(
        "TANDEM_TEST_SITE",
        || Ok(target()?.join("site")),
        "cargo xtask web",
    )
}

/// Where screenshots go.
pub fn screenshots() -> Result<PathBuf> {
    let folder = target()?.join("screenshots");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The folder of the scripts in other languages.
pub fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign")
}

fn found(variable: &str, guess: impl FnOnce() -> Result<PathBuf>, make: &str) -> Result<PathBuf> {
    let path = match std::env::var_os(variable) {
        Some(path) => path.into(),
        None => guess()?,
    };
    anyhow::ensure!(
        path.exists(),
        "{} is missing: run `{make}`, or set {variable}",
        path.display()
    );
    Ok(path)
}

/// Cargo's target folder: a test's executable stands in `TARGET/PROFILE/deps`.
fn target() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let target = here
        .ancestors()
        .nth(3)
        .context("the test does not stand in a target folder")?;
    Ok(target.to_owned())
}
