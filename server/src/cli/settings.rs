//! `tandem settings show|set|clear`: what differs from the defaults, and what follows from it.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};
use tandem_types::{ConnectionId, OrgId};

use crate::app::App;
use crate::config::Config;

/// More than any sensible settings hold.
const LIMIT: u64 = 4 * 1024 * 1024;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// What is set, and what follows from it with the defaults, as JSON.
    Show {
        #[command(flatten)]
        whose: Whose,
    },
    /// Set one key: `contacts off`, `brake.hard 500`, `blocklist '["example.com"]'`.
    Set {
        #[command(flatten)]
        whose: Whose,
        key: String,
        /// JSON; what is none is taken as text.
        value: String,
    },
    /// Take one key back: what lies below it counts again.
    Clear {
        #[command(flatten)]
        whose: Whose,
        key: String,
    },
    /// Replace all with those of a file (`-`: the standard input): a JSON object of what differs.
    Replace {
        #[command(flatten)]
        whose: Whose,
        file: std::path::PathBuf,
    },
}

/// An organisation, or one connection.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct Whose {
    /// For all connections of this organisation.
    #[arg(long)]
    org: Option<OrgId>,
    /// For this one.
    #[arg(long)]
    connection: Option<ConnectionId>,
}

/// What is set for whom.
enum Layer<'a> {
    Org(&'a OrgId),
    Connection(&'a ConnectionId),
}

impl Whose {
    pub(super) const fn org(org: OrgId) -> Self {
        Self {
            org: Some(org),
            connection: None,
        }
    }

    fn layer(&self) -> anyhow::Result<Layer<'_>> {
        match (&self.org, &self.connection) {
            (Some(org), None) => Ok(Layer::Org(org)),
            (None, Some(connection)) => Ok(Layer::Connection(connection)),
            _ => bail!("either --org or --connection"),
        }
    }

    async fn overrides(&self, app: &App) -> anyhow::Result<Value> {
        Ok(match self.layer()? {
            Layer::Org(org) => app.store.org_settings(org).await?,
            Layer::Connection(id) => app.store.settings_overrides(id).await?,
        })
    }

    async fn store(&self, app: &App, overrides: &Value) -> anyhow::Result<()> {
        let now = app.clock.now();
        let whose = match self.layer()? {
            Layer::Org(org) => {
                app.store.set_org_settings(org, overrides, now).await?;
                org.as_str()
            }
            Layer::Connection(id) => {
                app.store.set_settings(id, overrides, now).await?;
                id.as_str()
            }
        };
        Ok(app.store.audit_operator("settings", whose, now).await?)
    }
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<ExitCode> {
    let app = App::start(config).await?;
    match command {
        Command::Show { whose } => match whose.layer()? {
            Layer::Org(org) => show_org(&app, org).await,
            Layer::Connection(id) => show_connection(&app, id).await,
        },
        Command::Set { whose, key, value } => {
            let mut overrides = whose.overrides(&app).await?;
            put(&mut overrides, &key, Some(parsed(&value)))?;
            stored(&app, &whose, &overrides).await
        }
        Command::Clear { whose, key } => {
            let mut overrides = whose.overrides(&app).await?;
            put(&mut overrides, &key, None)?;
            stored(&app, &whose, &overrides).await
        }
        Command::Replace { whose, file } => replace(&app, &whose, &file).await,
    }
}

/// What is no JSON is a word: `off` needs no quotes.
fn parsed(value: &str) -> Value {
    serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()))
}

/// Sets or takes away `key` or `group.key`. Whether there is such a setting is the store's to say.
fn put(overrides: &mut Value, key: &str, value: Option<Value>) -> anyhow::Result<()> {
    let (group, key) = match key.split_once('.') {
        Some((group, key)) => (Some(group), key),
        None => (None, key),
    };
    let all = overrides
        .as_object_mut()
        .context("the stored settings are no object")?;
    let place = match group {
        None => &mut *all,
        Some(group) => all
            .entry(group)
            .or_insert_with(|| Value::Object(Map::new()))
            .as_object_mut()
            .with_context(|| format!("`{group}` has no keys of its own"))?,
    };
    match value {
        Some(value) => {
            place.insert(key.to_owned(), value);
        }
        None => {
            place.remove(key);
        }
    }
    if let Some(group) = group
        && all
            .get(group)
            .and_then(Value::as_object)
            .is_some_and(Map::is_empty)
    {
        all.remove(group);
    }
    Ok(())
}

async fn stored(app: &App, whose: &Whose, overrides: &Value) -> anyhow::Result<ExitCode> {
    whose.store(app, overrides).await?;
    println!("{overrides:#}");
    println!("takes effect with the next session");
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn replace(app: &App, whose: &Whose, file: &Path) -> anyhow::Result<ExitCode> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().take(LIMIT).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(file)
            .and_then(|opened| opened.take(LIMIT).read_to_string(&mut text))
            .with_context(|| format!("{} cannot be read", file.display()))?;
    }
    let overrides: Value = serde_json::from_str(&text).context("the settings are no JSON")?;
    stored(app, whose, &overrides).await
}

pub(super) async fn show_org(app: &App, org: &OrgId) -> anyhow::Result<ExitCode> {
    let overrides = app.store.org_settings(org).await?;
    let effective = tandem_store::resolve_settings(&overrides, &Value::Object(Map::new()))?;
    show(&overrides, &effective)
}

async fn show_connection(app: &App, id: &ConnectionId) -> anyhow::Result<ExitCode> {
    let overrides = app.store.settings_overrides(id).await?;
    let row = app.store.connection(id).await?;
    let row = row.with_context(|| format!("there is no connection {id}"))?;
    show(&overrides, &row.settings)
}

fn show(overrides: &Value, effective: &tandem_types::Settings) -> anyhow::Result<ExitCode> {
    let shown = serde_json::json!({ "set": overrides, "effective": effective });
    println!("{}", serde_json::to_string_pretty(&shown)?);
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_key_is_set_and_taken_back() {
        let mut all = json!({});
        for (key, value) in [
            ("contacts", "off"),
            ("brake.hard", "500"),
            ("blocklist", "[\"example.com\"]"),
            ("contact_list", "null"),
        ] {
            put(&mut all, key, Some(parsed(value))).unwrap();
        }
        assert_eq!(
            all,
            json!({"contacts": "off", "brake": {"hard": 500}, "blocklist": ["example.com"], "contact_list": null})
        );
        for key in ["brake.hard", "blocklist", "contact_list", "never.there", "never"] {
            put(&mut all, key, None).unwrap();
        }
        assert_eq!(all, json!({"contacts": "off"}), "no empty group stays behind");
        assert!(put(&mut all, "contacts.deep", Some(json!(1))).is_err());
        assert!(put(&mut json!([]), "contacts", None).is_err());
    }
}
