//! `tandem connection list|show`: is everyone syncing, and if not, why not?

use std::process::ExitCode;

use anyhow::Context as _;
use tandem_store::ConnectionRow;
use tandem_types::{ConnectionId, Counts, OrgId, Timestamp};

use crate::app::App;
use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// One line each: state, reason, mailbox, user, last success, what is next.
    List {
        /// Only this organisation.
        #[arg(long)]
        org: Option<OrgId>,
        /// At most so many.
        #[arg(long, default_value_t = 1000)]
        limit: u32,
    },
    /// One connection: its state, last sessions and issues.
    Show { id: ConnectionId },
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<ExitCode> {
    let app = App::start(config).await?;
    match command {
        Command::List { org, limit } => list(&app, org.as_ref(), limit).await,
        Command::Show { id } => show(&app, &id).await,
    }
}

async fn list(app: &App, org: Option<&OrgId>, limit: u32) -> anyhow::Result<ExitCode> {
    let rows = app.store.connections(org, limit).await?;
    let now = app.clock.now();
    println!(
        "{:<32}  {:<16}  {:<24}  {:<34}  {:<20}  {:<20}  USER",
        "CONNECTION", "STATE", "REASON", "MAILBOX", "LAST SUCCESS", "NEXT"
    );
    for row in &rows {
        println!(
            "{:<32}  {:<16}  {:<24}  {:<34}  {:<20}  {:<20}  {}",
            row.id,
            row.state.as_str(),
            row.reason_at(now).map_or("-", tandem_types::StateReason::as_str),
            row.mailbox.as_ref().map_or("-", |m| m.address.as_str()),
            when(row.last_success),
            when(row.due_at(now)),
            row.user_id
        );
    }
    println!("{} connections", rows.len());
    Ok(ExitCode::SUCCESS)
}

async fn show(app: &App, id: &ConnectionId) -> anyhow::Result<ExitCode> {
    let row = app
        .store
        .connection(id)
        .await?
        .with_context(|| format!("there is no connection {id}"))?;
    head(&row, app.clock.now());
    for session in app.store.sessions(id, 10).await? {
        println!(
            "session {}  {}  {}  {} issues{}",
            session.id,
            when(Some(session.started)),
            session
                .outcome
                .map_or("running", tandem_types::SessionOutcome::as_str),
            session.issues,
            counts(&session.counts)
        );
    }
    let (issues, total) = app.store.issues(id, 20).await?;
    println!("issues: {total}");
    for issue in issues {
        println!(
            "  {}  {}  since {}",
            issue.code.as_str(),
            issue.id,
            when(Some(issue.since))
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn head(row: &ConnectionRow, now: Timestamp) {
    println!("connection {}", row.id);
    println!(
        "  state:        {}{}",
        row.state.as_str(),
        row.reason_at(now)
            .map(|r| format!(" ({})", r.as_str()))
            .unwrap_or_default()
    );
    println!("  organisation: {}", row.org_id);
    println!("  user:         {}", row.user_id);
    if let Some(mailbox) = &row.mailbox {
        println!("  mailbox:      {} at {}", mailbox.address, mailbox.host);
    }
    println!("  links:        {}", row.links);
    println!(
        "  refused:      {} in a row; other failures: {}",
        row.rejections, row.failures
    );
    println!(
        "  last success: {}; next: {}",
        when(row.last_success),
        when(row.due_at(now))
    );
}

/// ` mailbox +1 ~2 -3 crm +4 ~5 -6 adopted 7`, kinds without any left out.
pub(super) fn counts(counts: &[Counts]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for c in counts {
        if c.mailbox.is_zero() && c.crm.is_zero() && c.adopted == 0 {
            continue;
        }
        let side = |o: &tandem_types::OpCounts| {
            format!(
                "+{} ~{} -{} skipped {}",
                o.created, o.changed, o.deleted, o.skipped
            )
        };
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "  {}: mailbox {}, salesforce {}, paired {}",
            c.kind.as_str(),
            side(&c.mailbox),
            side(&c.crm),
            c.adopted
        );
    }
    text
}

pub(super) fn when(at: Option<Timestamp>) -> String {
    at.and_then(|t| jiff::Timestamp::from_microsecond(t.micros()).ok())
        .map_or_else(|| "-".into(), |t| t.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}
