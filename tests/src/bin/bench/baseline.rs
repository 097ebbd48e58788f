//! The same work as a script does it that somebody writes with exchangelib and simple-salesforce (Python).

use anyhow::{Context as _, Result};
use serde_json::Value;
use tandem_tests::desk::bare;
use tandem_tests::{SandboxProc, foreign};

use crate::database::Kind;
use crate::{Figures, rounded};

const SCRIPT: &str = "baseline.py";
/// What a script of this kind is used for.
const CONTACTS: &str = "1000";

/// It knows no database: the figures stand beside those of SQLite.
pub(crate) async fn measure(figures: &mut Figures) -> Result<()> {
    let sandbox = SandboxProc::start(&bare(CONTACTS, "0")).await?;
    let info = sandbox.get("/info").await?;
    let said = foreign::python(SCRIPT, &[], &info, &sandbox.info.ca_pem).await?;
    let last = said.lines().last().context("the script said nothing")?;
    let found: Value = serde_json::from_str(last).context("the script's figures")?;
    for (name, key) in [
        ("baseline_idle_cpu_ms", "idle_ms"),
        ("baseline_first_sync_cpu_us_per_item", "first_us_per_item"),
    ] {
        let value = found[key].as_f64().with_context(|| format!("no {key}"))?;
        figures.note(name, Kind::Sqlite, rounded(value));
    }
    Ok(())
}
