//! `tandem session run|undo`: one session now, or one taken back; plan and result on the terminal.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use tandem_sync::ports::{Pick, Store as _};
use tandem_types::{ConnectionId, SessionId, SessionOutcome, StateReason};

use super::connection::counts;
use crate::app::App;
use crate::clock::new_id;
use crate::config::Config;
use crate::worker::session::{self, Mode};
use crate::worker::undo::{self, Undone};

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
    /// Take a session back: what it changed, made and deleted, where nobody has changed it since.
    Undo {
        id: SessionId,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<ExitCode> {
    let app = App::start(config).await?;
    match command {
        Command::Run { connection, dry_run } => once(&app, connection, dry_run).await,
        Command::Undo { id, dry_run } => take_back(&app, &id, dry_run).await,
    }
}

async fn take_back(app: &App, session: &SessionId, dry_run: bool) -> anyhow::Result<ExitCode> {
    let Some((connection, journal)) = app.store.journal_of(session).await? else {
        bail!("there is no session {session}, or its journal is no longer kept");
    };
    if journal.is_empty() {
        println!("this session has written nothing, or its journal is no longer kept");
        return Ok(ExitCode::SUCCESS);
    }
    if !dry_run {
        let now = app.clock.now();
        app.store.audit_operator("undone", session.as_str(), now).await?;
    }
    stop_at_signal(app);
    let report = match undo::run(app, &connection, session, dry_run).await? {
        Undone::Done(report) => report,
        Undone::Busy => {
            bail!("connection {connection} cannot run now: another session holds it, or it is stopped")
        }
        Undone::Broken => bail!("the undo broke off; the log says why. Run it again for the rest"),
    };
    for left in &report.left {
        println!(
            "left: {} {} {}: {}",
            left.side.as_str(),
            left.kind.as_str(),
            left.item,
            left.reason.text()
        );
    }
    let word = if dry_run { "would be undone" } else { "undone" };
    println!("{} {word}, {} left as they are", report.undone, report.left.len());
    Ok(match report.closing.outcome {
        SessionOutcome::Done | SessionOutcome::Partial | SessionOutcome::Preview => ExitCode::SUCCESS,
        _ => {
            println!("{}", report.closing.note);
            ExitCode::FAILURE
        }
    })
}

/// Ended by hand, it stops at its next safe point and gives the connection back.
fn stop_at_signal(app: &App) {
    let stop = app.stop.clone();
    tokio::spawn(async move {
        super::serve::ended_by_signal().await;
        stop.cancel();
    });
}

async fn once(app: &App, connection: ConnectionId, dry_run: bool) -> anyhow::Result<ExitCode> {
    let row = app
        .store
        .connection(&connection)
        .await?
        .with_context(|| format!("there is no connection {connection}"))?;
    let pick = if dry_run {
        Pick::Aside(connection.clone())
    } else {
        Pick::This(connection.clone())
    };
    let id = new_id(app.rng.as_ref());
    let Some(lease) = app
        .store
        .claim(&pick, &app.worker, id, app.clock.now(), app.config.worker_lease)
        .await?
    else {
        if row.reason == Some(StateReason::OrgBrake) {
            bail!(
                "the organisation's brake has stopped it: `tandem org release {}` lets its connections go on",
                row.org_id
            );
        }
        bail!(
            "the connection is {} and cannot run now: another session holds it, or it is not activated",
            row.state.as_str()
        );
    };
    stop_at_signal(app);
    let mode = if dry_run { Mode::DryRun } else { Mode::Real };
    let Some(report) = session::run(app, lease, mode).await else {
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
