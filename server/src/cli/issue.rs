//! `tandem issue list|cure`: what is not synced, and what can be done about it.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use tandem_types::{ConnectionId, IssueCure, IssueId};

use super::connection::when;
use crate::app::App;
use crate::config::Config;
use crate::worker::cure::{self, Cured};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Open issues, oldest first: since when, what, and the cures.
    List {
        #[arg(long)]
        connection: ConnectionId,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Do something about one.
    Cure {
        #[arg(long)]
        connection: ConnectionId,
        issue: IssueId,
        /// As `list` shows it: `retry`, `ignore`, `bring_back`, `delete_there`, `pick_match`, `keep_mine`, `keep_theirs`,
        /// `link_to`.
        cure: String,
        /// The id that `pick_match` and `link_to` need.
        #[arg(long)]
        choice: Option<String>,
    },
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<ExitCode> {
    let app = App::start(config).await?;
    match command {
        Command::List { connection, limit } => list(&app, &connection, limit).await,
        Command::Cure {
            connection,
            issue,
            cure,
            choice,
        } => carry_out(&app, &connection, &issue, &cure, choice.as_deref()).await,
    }
}

/// The word of a cure, as the pane's calls know it.
fn word(cure: IssueCure) -> String {
    serde_json::to_value(cure)
        .ok()
        .and_then(|word| word.as_str().map(str::to_owned))
        .unwrap_or_default()
}

async fn list(app: &App, id: &ConnectionId, limit: u32) -> anyhow::Result<ExitCode> {
    app.store
        .connection(id)
        .await?
        .with_context(|| format!("there is no connection {id}"))?;
    let (issues, total) = app.store.issues(id, limit).await?;
    for issue in &issues {
        let cures: Vec<String> = issue.cures.iter().map(|cure| word(*cure)).collect();
        println!(
            "{}  {}  {:<7}  {:<20}  {}",
            issue.id,
            when(Some(issue.since)),
            issue.kind.as_str(),
            issue.code.as_str(),
            cures.join(" ")
        );
    }
    println!("{} of {total} issues", issues.len());
    Ok(ExitCode::SUCCESS)
}

async fn carry_out(
    app: &App,
    id: &ConnectionId,
    issue: &IssueId,
    cure: &str,
    choice: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let row = app
        .store
        .connection(id)
        .await?
        .with_context(|| format!("there is no connection {id}"))?;
    let cure: IssueCure = serde_json::from_value(serde_json::Value::String(cure.to_owned()))
        .with_context(|| format!("there is no cure {cure}"))?;
    let now = app.clock.now();
    app.store.audit_operator("cured", id.as_str(), now).await?;
    match cure::carry_out(app, &row, issue, cure, choice).await? {
        Cured::Done => println!("done"),
        Cured::Running(session) => {
            let Some(report) = session.await? else {
                bail!("it is noted, but the session broke off; the log says why");
            };
            println!("done: {}", report.outcome().as_str());
        }
        Cured::No => bail!(
            "not possible now: `tandem issue list` shows the open issues and their cures; some need --choice, and no \
             session may be running"
        ),
    }
    Ok(ExitCode::SUCCESS)
}
