//! `tandem status`: is everyone syncing, and if not, why not?

use std::process::ExitCode;

use serde_json::json;
use tandem_store::{IntegrationRow, Standing};
use tandem_types::{OrgId, Timestamp, Verdict};

use super::connection::when;
use crate::app::App;
use crate::config::Config;
use crate::standing::explain;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this organisation.
    #[arg(long)]
    org: Option<OrgId>,
    /// Those that sync, or are off, too.
    #[arg(long)]
    all: bool,
    /// One JSON object: counts by verdict, every connection, and the integration users that tell nothing.
    #[arg(long)]
    json: bool,
}

struct Line<'a> {
    of: &'a Standing,
    verdict: Verdict,
    why: String,
}

pub(super) async fn run(config: Config, args: Args) -> anyhow::Result<ExitCode> {
    let app = App::start(config).await?;
    let now = app.clock.now();
    let standings = app.store.standings(args.org.as_ref(), u32::MAX, now).await?;
    let mut lines: Vec<Line<'_>> = standings
        .iter()
        .map(|of| Line {
            of,
            verdict: of.verdict,
            why: explain(of, now),
        })
        .collect();
    // Stable: within a verdict by organisation and user.
    lines.sort_by_key(|line| line.verdict);
    let mut silent = app.store.integrations().await?;
    silent.retain(|of| of.trouble.is_some() && args.org.as_ref().is_none_or(|org| *org == of.org));
    if args.json {
        println!("{}", as_json(&lines, &silent, now));
    } else {
        print(&lines, args.all);
        for of in &silent {
            println!("{}", told_of(of));
        }
    }
    // Everybody syncs without an integration user too: it is told, and no trouble of a connection.
    let well = lines.iter().all(|line| !line.verdict.is_trouble());
    Ok(if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn count(lines: &[Line<'_>], verdict: Verdict) -> usize {
    lines.iter().filter(|line| line.verdict == verdict).count()
}

fn print(lines: &[Line<'_>], all: bool) {
    let shown: Vec<&Line<'_>> = lines
        .iter()
        .filter(|line| all || line.verdict.is_trouble() || line.verdict == Verdict::Waiting)
        .collect();
    if !shown.is_empty() {
        println!(
            "{:<8}  {:<34}  {:<34}  {:<32}  {:<20}  {:>6}  WHY",
            "VERDICT", "USER", "MAILBOX", "CONNECTION", "LAST SUCCESS", "ISSUES"
        );
    }
    for line in shown {
        println!(
            "{:<8}  {:<34}  {:<34}  {:<32}  {:<20}  {:>6}  {}",
            line.verdict.as_str(),
            line.of.username,
            line.of.mailbox.as_ref().map_or("-", |m| m.address.as_str()),
            line.of.id,
            when(line.of.last_success),
            line.of.issues,
            line.why
        );
    }
    let of = |verdict| count(lines, verdict);
    println!(
        "{} connections: {} sync, {} off, {} waiting; {} overdue, {} failing, {} stopped",
        lines.len(),
        of(Verdict::Syncing),
        of(Verdict::Off),
        of(Verdict::Waiting),
        of(Verdict::Overdue),
        of(Verdict::Failing),
        of(Verdict::Stopped)
    );
}

/// What is wrong with an organisation's integration user.
pub(super) fn told_of(of: &IntegrationRow) -> String {
    let (word, since) = of
        .trouble
        .map_or(("", None), |(trouble, since)| (trouble.as_str(), Some(since)));
    format!(
        "the integration user {} of {} tells nothing ({word}) since {}: each connection asks for itself",
        of.username,
        of.org,
        when(since)
    )
}

fn as_json(lines: &[Line<'_>], silent: &[IntegrationRow], now: Timestamp) -> serde_json::Value {
    let connections: Vec<_> = lines
        .iter()
        .map(|line| {
            let time = |at: Option<Timestamp>| at.map(|at| when(Some(at)));
            json!({
                "id": line.of.id,
                "org": line.of.org_id,
                "user": line.of.username,
                "mailbox": line.of.mailbox.as_ref().map(|m| &m.address),
                "verdict": line.verdict,
                "why": line.why,
                "state": line.of.state,
                "reason": line.of.reason_at(now),
                "last_success": time(line.of.last_success),
                "next": time(line.of.due_at(now)),
                "issues": line.of.issues,
            })
        })
        .collect();
    let counts: serde_json::Map<String, serde_json::Value> = Verdict::ALL
        .into_iter()
        .map(|verdict| (verdict.as_str().to_owned(), count(lines, verdict).into()))
        .collect();
    let silent: Vec<_> = silent
        .iter()
        .filter_map(|of| {
            let (trouble, since) = of.trouble?;
            Some(
                json!({ "org": of.org, "user": of.username, "trouble": trouble, "since": when(Some(since)) }),
            )
        })
        .collect();
    json!({ "at": when(Some(now)), "counts": counts, "connections": connections, "integrations": silent })
}
