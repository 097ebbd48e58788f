//! `tandem salesforce install`: what the organisation needs, deployed with the sign-in of one of its users.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use tandem_store::{ConnectionRow, Provider};
use tandem_types::{OrgId, UserId};

use crate::app::App;
use crate::config::Config;
use crate::grants::StoredGrants;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Deploy the field that pairs records with Outlook items, and the permission set that opens it. Can be repeated.
    ///
    /// Uses the stored sign-in of a user who may customise the organisation and who has a connection here.
    Install {
        /// The organisation, where users of several are connected.
        #[arg(long)]
        org: Option<OrgId>,
        /// Whose sign-in is used: a Salesforce user id. Without it, that of the organisation's only connection.
        #[arg(long)]
        user: Option<UserId>,
    },
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<ExitCode> {
    let Command::Install { org, user } = command;
    let app = App::start(config).await?;
    let row = chosen(&app, org.as_ref(), user.as_ref()).await?;
    println!(
        "organisation {}, with the sign-in of user {}",
        row.org_id, row.user_id
    );
    let grants = Arc::new(StoredGrants::new(
        app.clone(),
        row.id.clone(),
        Provider::Salesforce,
    ));
    let steps = tandem_crm::install(&app.platform, grants, &row.user_id)
        .await
        .context("nothing more was done; what was done before stays")?;
    for step in &steps {
        println!("{step}");
    }
    println!(
        "Other users need the permission set \"Tandem\" too: assign it in Setup. A running server sees the field within \
         two hours, or at once after a restart."
    );
    Ok(ExitCode::SUCCESS)
}

async fn chosen(app: &App, org: Option<&OrgId>, user: Option<&UserId>) -> anyhow::Result<ConnectionRow> {
    if let Some(user) = user {
        let row = app.store.connection_of(user).await?;
        return row
            .filter(|row| org.is_none_or(|org| row.org_id == *org))
            .with_context(|| {
                format!("user {user} has no connection here; he signs in at the setup page first")
            });
    }
    // Two are enough to know that there are several.
    let mut rows = app.store.connections(org, 2).await?;
    match (rows.pop(), rows.is_empty()) {
        (Some(row), true) => Ok(row),
        (Some(_), false) => bail!("several users are connected: say with --user whose sign-in is to be used"),
        (None, _) => bail!(
            "nobody is connected; an administrator of the organisation signs in at the setup page first"
        ),
    }
}
