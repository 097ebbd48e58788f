//! `tandem backfill start|show|cancel`: saving of older mails.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use tandem_store::ConnectionRow;
use tandem_sync::ports::StoreError;
use tandem_types::{ConnectionId, ItemKind};

use super::connection::when;
use crate::app::App;
use crate::config::Config;
use crate::worker::backfill;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Save the mails of these days by the rules of the settings; the server's sessions do it part by part.
    Start {
        #[arg(long)]
        connection: ConnectionId,
        /// The first day, YYYY-MM-DD.
        #[arg(long)]
        from: String,
        /// The last day, YYYY-MM-DD.
        #[arg(long)]
        to: String,
        /// Only say how many mails there are.
        #[arg(long)]
        estimate: bool,
    },
    /// How far it is.
    Show {
        #[arg(long)]
        connection: ConnectionId,
    },
    /// End it; what is saved stays.
    Cancel {
        #[arg(long)]
        connection: ConnectionId,
    },
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<ExitCode> {
    let app = App::start(config).await?;
    match command {
        Command::Start {
            connection,
            from,
            to,
            estimate,
        } => start(&app, &row(&app, &connection).await?, &from, &to, estimate).await,
        Command::Show { connection } => {
            show(&row(&app, &connection).await?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Cancel { connection } => {
            if app.store.cancel_backfill(&connection, app.clock.now()).await? {
                println!("ended; what is saved stays");
            } else {
                println!("no back-fill is under way");
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn row(app: &App, id: &ConnectionId) -> anyhow::Result<ConnectionRow> {
    app.store
        .connection(id)
        .await?
        .with_context(|| format!("there is no connection {id}"))
}

async fn start(
    app: &App,
    row: &ConnectionRow,
    from: &str,
    to: &str,
    only_estimate: bool,
) -> anyhow::Result<ExitCode> {
    let window = backfill::days(from, to, app.clock.now()).context(
        "--from and --to take days, YYYY-MM-DD, the earlier one first, none of them in the future",
    )?;
    if !row.settings.direction(ItemKind::Email).writes_crm() {
        bail!("the settings of this connection do not save emails");
    }
    let Some(mails) = backfill::estimate(app, &row.id, window).await? else {
        bail!(
            "the mails cannot be counted now: another session holds the connection, or the mail server did not answer"
        );
    };
    println!("about {mails} mails from {from} to {to}");
    if only_estimate {
        return Ok(ExitCode::SUCCESS);
    }
    match backfill::start(app, &row.id, window, mails).await {
        Ok(()) => {
            let now = app.clock.now();
            app.store
                .audit_operator("backfill_started", row.id.as_str(), now)
                .await?;
            // A server that is not told looks by itself within seconds.
            app.store.announce_due().await.ok();
            println!("started: the next sessions do it");
        }
        Err(StoreError::Taken(_)) => {
            bail!("one is under way: `tandem backfill show` says how far, `cancel` ends it")
        }
        Err(error) => return Err(error.into()),
    }
    Ok(ExitCode::SUCCESS)
}

fn show(row: &ConnectionRow) {
    let Some(backfill) = &row.backfill else {
        println!("no back-fill");
        return;
    };
    println!(
        "{}: {} to {}, {} of {} mails looked at, {} saved",
        if backfill.finished { "done" } else { "under way" },
        when(Some(backfill.from)),
        when(Some(backfill.to)),
        backfill.done,
        backfill.total,
        backfill.saved
    );
}
