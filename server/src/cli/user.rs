//! `tandem user export|erase`: what is stored of one person, for that person.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use tandem_store::StoreError;
use tandem_types::{SyncState, UserId};

use crate::app::App;
use crate::config::Config;
use crate::{deactivation, integration};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Prints all that is stored of a user as JSON, with what is encrypted in clear; no passwords, tokens and keys.
    Export {
        /// The Salesforce user's id; `tandem connection list` names it.
        user: UserId,
    },
    /// Deactivates a user's sync, gives the access to Salesforce back, and erases all that is stored but the user's id.
    Erase {
        /// The Salesforce user's id; `tandem connection list` names it.
        user: UserId,
        /// Cannot be taken back; what is in the mailbox and in Salesforce stays.
        #[arg(long)]
        yes: bool,
    },
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<ExitCode> {
    let app = App::start(config).await?;
    match command {
        Command::Export { user } => export(&app, &user).await,
        Command::Erase { user, yes } => erase(&app, &user, yes).await,
    }
}

async fn export(app: &App, user: &UserId) -> anyhow::Result<ExitCode> {
    let org = org_of(app, user).await?;
    let all = app.store.export_user(user).await?.context("no such user")?;
    let now = app.clock.now();
    app.store
        .audit(&org, user, "exported", "by the operator", now)
        .await?;
    println!("{}", serde_json::to_string_pretty(&all)?);
    Ok(ExitCode::SUCCESS)
}

async fn erase(app: &App, user: &UserId, yes: bool) -> anyhow::Result<ExitCode> {
    let org = org_of(app, user).await?;
    if !yes {
        bail!("this cannot be taken back: add --yes");
    }
    // One who has signed in, and never connected, has a grant that is given back, too.
    if let Some(row) = app.store.connection_of(user).await?
        && row.state != SyncState::Deactivated
    {
        deactivation::carry_out(app, (&org, user, &row.id), "by the operator, to erase").await?;
    }
    // Given back in Salesforce, too, where all of the organisation is asked for by it.
    let asks_for_all = app.store.integration(&org).await?;
    if asks_for_all.is_some_and(|row| row.user == *user) {
        integration::disconnect(app, &org, integration::By::Operator).await?;
    }
    let now = app.clock.now();
    match app.store.erase_user(user, now).await {
        Err(StoreError::Taken(_)) => bail!("the user has activated the sync again meanwhile: once more"),
        erased => erased?,
    }
    app.store
        .audit(&org, user, "erased", "by the operator", now)
        .await?;
    println!("erased; the id stays in the audit log and where it says that a mail or meeting is saved");
    Ok(ExitCode::SUCCESS)
}

async fn org_of(app: &App, user: &UserId) -> anyhow::Result<tandem_types::OrgId> {
    let known = app.store.user(user).await?;
    Ok(known.with_context(|| format!("there is no user {user}"))?.org_id)
}
