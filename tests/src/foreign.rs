//! Runs a script that uses clients others wrote.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::process::Command;

use crate::places;

/// How long a script may take.
const LIMIT: Duration = Duration::from_mins(3);

/// Runs `SCRIPT` of `tests/foreign`; its output is the test's. Returns what it wrote.
///
/// # Errors
/// It ended with anything but 0; with what it wrote.
pub async fn python(
    script: &str,
    arguments: &[&str],
    input: &serde_json::Value,
    authority: &Path,
) -> Result<String> {
    let mut command = Command::new(places::python()?);
    // -I would keep the script's own folder off the path; -B leaves the checkout clean.
    command
        .arg("-B")
        .arg(places::scripts().join(script))
        .args(arguments);
    command.env("TANDEM_TEST_INFO", input.to_string());
    command
        .env("REQUESTS_CA_BUNDLE", authority)
        .env("SSL_CERT_FILE", authority);
    command.env("PYTHONUNBUFFERED", "1");
    // A proxy of the machine's has no business on loopback.
    for name in [
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "all_proxy",
    ] {
        command.env_remove(name);
    }
    command.kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, command.output())
        .await
        .with_context(|| format!("{script} took longer than {} s", LIMIT.as_secs()))??;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    eprintln!("---- {script}\n{said}");
    let complained = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(
        output.status.success(),
        "{script}: {}\n{said}\n{complained}",
        output.status
    );
    Ok(said)
}
