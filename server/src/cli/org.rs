//! `tandem org list|settings|release|integration`: an organisation as a whole.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use tandem_types::{OrgId, UserId};

use super::connection::when;
use super::settings;
use crate::app::App;
use crate::config::Config;
use crate::integration;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// One line each: connections, deletes of the last hour, API calls of the last day, and until when it waits for them or
    /// since when the brake has stopped it.
    List,
    /// Show the organisation's settings, or replace them with those of a file.
    Settings {
        org: OrgId,
        /// A JSON object of what differs from the built-in defaults; `-` reads it from the standard input.
        #[arg(long, value_name = "FILE")]
        set: Option<PathBuf>,
    },
    /// Let the connections go on that the organisation's brake has stopped.
    Release { org: OrgId },
    /// Show the organisation's integration user, who asks Salesforce for all of its connections what has changed. An
    /// administrator connects it on the organisation's page.
    Integration {
        org: OrgId,
        /// Shred its grant, here and at Salesforce: each connection asks for itself again.
        #[arg(long)]
        disconnect: bool,
    },
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<ExitCode> {
    let app = App::start(config).await?;
    match command {
        Command::List => list(&app).await,
        Command::Settings { org, set: None } => settings::show_org(&app, &org).await,
        Command::Settings { org, set: Some(file) } => {
            settings::replace(&app, &settings::Whose::org(org), &file).await
        }
        Command::Release { org } => release(&app, &org).await,
        Command::Integration { org, disconnect } => integration_user(&app, &org, disconnect).await,
    }
}

async fn list(app: &App) -> anyhow::Result<ExitCode> {
    let now = app.clock.now();
    let orgs = app.store.orgs(now).await?;
    println!(
        "{:<18}  {:<32}  {:>11}  {:>6}  {:>7}  {:>17}  {:<20}  STOPPED",
        "ORGANISATION", "NAME", "CONNECTIONS", "ACTIVE", "DELETES", "API CALLS", "WAITS UNTIL"
    );
    for org in &orgs {
        println!(
            "{:<18}  {:<32}  {:>11}  {:>6}  {:>7}  {:>17}  {:<20}  {}",
            org.id,
            org.name,
            org.connections,
            org.active,
            org.deletes,
            org.quota.map_or_else(
                || "-".to_owned(),
                |quota| format!("{}/{}", quota.used, quota.limit)
            ),
            when(org.held.filter(|until| *until > now)),
            when(org.stopped)
        );
    }
    println!("organisations: {}", orgs.len());
    Ok(ExitCode::SUCCESS)
}

async fn release(app: &App, org: &OrgId) -> anyhow::Result<ExitCode> {
    let now = app.clock.now();
    let Some(row) = app.store.org(org, now).await? else {
        bail!("there is no organisation {org}");
    };
    if app.store.release_org(org, now).await? {
        app.store
            .audit_operator("org_released", org.as_str(), now)
            .await?;
        // A server that is not told looks by itself within seconds.
        app.store.announce_due().await.ok();
        println!(
            "{} goes on, connections that sync: {}; what was deleted so far counts no more for the brake",
            row.name, row.active
        );
    } else {
        println!("{} was not stopped", row.name);
    }
    Ok(ExitCode::SUCCESS)
}

async fn integration_user(app: &App, org: &OrgId, disconnect: bool) -> anyhow::Result<ExitCode> {
    let Some(row) = app.store.integration(org).await? else {
        println!("{org} has no integration user: each connection asks for itself");
        return Ok(ExitCode::SUCCESS);
    };
    if disconnect {
        integration::disconnect(app, org, integration::By::Operator).await?;
        println!(
            "{} is disconnected: each connection of {org} asks for itself",
            row.username
        );
        return Ok(ExitCode::SUCCESS);
    }
    println!("user: {} ({})", row.username, row.user);
    println!(
        "connected: {} by {} {}",
        when(Some(row.connected)),
        row.by.as_ref().map_or("somebody who is erased", UserId::as_str),
        row.by_name
    );
    println!("last asked: {}", when(row.asked));
    match row.trouble {
        Some((trouble, since)) => {
            println!("trouble: {} since {}", trouble.as_str(), when(Some(since)));
            Ok(ExitCode::FAILURE)
        }
        None => Ok(ExitCode::SUCCESS),
    }
}
