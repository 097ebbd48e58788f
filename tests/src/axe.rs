//! [axe-core](https://github.com/dequelabs/axe-core), which others wrote, looks at the page that is open.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{Chrome, places};

/// What of it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Every rule, the best practices too.
    All,
    /// Contrast alone: all that colours can change.
    Colours,
}

/// The checker's source, as it is put into a page.
#[derive(Debug)]
pub struct Axe(String);

impl Axe {
    /// # Errors
    /// It is not installed.
    pub fn load() -> Result<Self> {
        let path = places::node_tools()?.join("node_modules/axe-core/axe.min.js");
        let source =
            std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        Ok(Self(source))
    }

    /// What it finds on the page: `rule: element: why`. Nothing is as it should be.
    ///
    /// # Errors
    /// It does not run there.
    pub async fn faults(&self, chrome: &Chrome, look: Look) -> Result<Vec<String>> {
        let client = &chrome.client;
        let there = client.execute("return typeof axe === 'object'", vec![]).await?;
        if there != Value::Bool(true) {
            client.execute(&self.0, vec![]).await?;
        }
        let options = match look {
            Look::All => json!({ "resultTypes": ["violations"] }),
            Look::Colours => json!({
                "resultTypes": ["violations"],
                "runOnly": { "type": "rule", "values": ["color-contrast", "link-in-text-block"] },
            }),
        };
        let script = "const done = arguments[1]; axe.run(document, arguments[0]).then( \
             (r) => done({ passed: r.passes.length, found: r.violations }), (e) => done({ error: String(e) }))";
        let said = client.execute_async(script, vec![options]).await?;
        anyhow::ensure!(said["error"].is_null(), "axe: {}", said["error"]);
        let rules = said["found"].as_array().context("no findings, not even none")?;
        let mut faults = Vec::new();
        for rule in rules {
            for node in rule["nodes"].as_array().into_iter().flatten() {
                faults.push(format!(
                    "{}: {}: {}",
                    rule["id"].as_str().unwrap_or_default(),
                    node["target"],
                    node["failureSummary"].as_str().unwrap_or_default()
                ));
            }
        }
        // A checker that looked at nothing finds nothing.
        anyhow::ensure!(
            !faults.is_empty() || said["passed"].as_u64() > Some(0),
            "axe looked at nothing"
        );
        Ok(faults)
    }
}
