//! `tandem why`: which rule decided about an item, and what follows.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use tandem_sync::why::WhyAsk;
use tandem_types::{ConnectionId, IssueId, Side};

use super::connection::when;
use crate::app::App;
use crate::config::Config;
use crate::worker::why;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(long)]
    connection: ConnectionId,
    /// Its id in the mailbox or in Salesforce, an email's Message-ID, or the id of a link or of an issue.
    #[arg(long)]
    item: String,
    /// Look only there.
    #[arg(long, value_enum)]
    side: Option<Where>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Where {
    Mailbox,
    Crm,
}

pub(super) async fn run(config: Config, args: Args) -> anyhow::Result<ExitCode> {
    let app = App::start(config).await?;
    let id = &args.connection;
    app.store
        .connection(id)
        .await?
        .with_context(|| format!("there is no connection {id}"))?;
    let mut ask = WhyAsk {
        side: args.side.map(|at| match at {
            Where::Mailbox => Side::Mailbox,
            Where::Crm => Side::Crm,
        }),
        item: args.item,
    };
    if let Ok(issue) = ask.item.trim().parse::<IssueId>()
        && let Some((_, key)) = app.store.issue(id, &issue).await?
    {
        ask = WhyAsk {
            side: Some(key.side),
            item: key.item.0,
        };
    }
    let Some(told) = why::run(&app, id, &ask).await? else {
        bail!("the connection cannot be looked at now: another session holds it, or the log says why");
    };
    for line in &told.lines {
        println!("{line}");
    }
    for item in &told.items {
        for issue in app.store.issues_of_item(id, item).await? {
            let ignored = if issue.ignored { " (ignored)" } else { "" };
            println!(
                "issue {} since {}{ignored}: {}",
                issue.view.code.as_str(),
                when(Some(issue.view.since)),
                issue.view.id
            );
        }
    }
    Ok(if told.items.is_empty() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
