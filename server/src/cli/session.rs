//! `tandem session run`: one session now, its plan and result on the terminal.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use tandem_sync::ports::{Pick, Store as _};
use tandem_types::{ConnectionId, SessionOutcome};

use super::connection::counts;
use crate::app::App;
use crate::clock::new_id;
use crate::config::Config;
use crate::worker::session::{self, Mode};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// One session now, whatever is due. It counts like any session.
    Run {
        #[arg(long)]
        connection: ConnectionId,
        /// Show the plan, write nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<ExitCode> {
    let Command::Run { connection, dry_run } = command;
    let app = App::start(config).await?;
    let row = app
        .store
        .connection(&connection)
        .await?
        .with_context(|| format!("there is no connection {connection}"))?;
    let pick = Pick::This(connection.clone());
    let id = new_id(app.rng.as_ref());
    let Some(lease) = app
        .store
        .claim(&pick, &app.worker, id, app.clock.now(), app.config.worker_lease)
        .await?
    else {
        bail!(
            "the connection is {} and cannot run now: another session holds it, or it is not activated",
            row.state.as_str()
        );
    };
    let stop = app.stop.clone();
    // Ended by hand, it stops at its next safe point and gives the connection back.
    tokio::spawn(async move {
        super::serve::ended_by_signal().await;
        stop.cancel();
    });
    let mode = if dry_run { Mode::DryRun } else { Mode::Real };
    let Some(report) = session::run(&app, lease, mode).await else {
        bail!("the session lost its connection or its database; the log says why");
    };
    for line in &report.lines {
        println!("{line}");
    }
    println!("{}{}", report.outcome().as_str(), counts(&report.closing.counts));
    if !report.closing.note.is_empty() {
        println!("{}", report.closing.note);
    }
    Ok(match report.outcome() {
        SessionOutcome::Done | SessionOutcome::Partial | SessionOutcome::Preview => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
