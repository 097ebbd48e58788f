//! `soak`: a company for an hour at a hundred times the speed, both sides changing, faults on. The memory stays flat, every
//! connection is served in its time, and at the end nothing is lost.
//!
//! Prints a line a minute, and one JSON object at the end. `cargo xtask soak` builds both for speed.

mod faults;
mod watch;

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use serde_json::json;
use tandem_store::testing;
use tandem_tests::clockwork::Clockwork;
use tandem_tests::desk::bare;
use tandem_tests::ledger::Ledger;
use tandem_tests::sandbox::User;
use tandem_tests::server::Options;
use tandem_tests::{Person, SandboxProc, Tandem};

/// People who are connected at the same time.
const AT_ONCE: usize = 8;
/// Employees that every sandbox has.
const NAMED: usize = 4;
/// Between the order to hurry and the moment from which the clocks do: both sides must know it by then.
const NOTICE_SECONDS: i64 = 3;
/// API calls that Salesforce lets an organisation make within 24 hours, and for each licence more.
/// <https://developer.salesforce.com/docs/atlas.en-us.salesforce_app_limits_cheatsheet.meta/salesforce_app_limits_cheatsheet/salesforce_app_limits_platform_api.htm>
const CALLS: u64 = 100_000;
const CALLS_OF_LICENCE: u64 = 1_000;
/// Between two sessions of a connection.
const INTERVAL_MICROS: i64 = 30 * 60 * 1_000_000;
/// Everything may take so long to come to rest at the end.
const REST: Duration = Duration::from_mins(15);

#[derive(Parser)]
struct Choice {
    /// Mailboxes that are synced.
    #[arg(long, default_value_t = 2000)]
    connections: usize,
    /// How many of them somebody works in all the time.
    #[arg(long, default_value_t = 100)]
    busy: usize,
    /// Changes a second, on either side.
    #[arg(long, default_value_t = 5.0)]
    edits: f64,
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// How many times as fast the clocks run.
    #[arg(long, default_value_t = 100)]
    speed: i64,
    /// On PostgreSQL; else on SQLite.
    #[arg(long)]
    postgresql: bool,
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let choice = Choice::parse();
    ensure!(choice.connections >= NAMED, "{NAMED} people work there at least");
    let database = if choice.postgresql {
        Some(testing::postgres().await.context("PostgreSQL was left out")?)
    } else {
        None
    };
    let options = Options {
        database: database.as_ref().map(|database| database.url.clone()),
        variables: [
            ("TANDEM_LOG", "error"),
            ("TANDEM_TRUSTED_PROXIES", "127.0.0.0/8"),
            ("TANDEM_WORKER_SESSIONS", "24"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
        ..Options::default()
    };
    let sandbox = SandboxProc::start(&company(choice.connections)).await?;
    let limit = CALLS + CALLS_OF_LICENCE * u64::try_from(choice.connections)?;
    sandbox
        .put("/salesforce/org", &json!({ "api_limit": limit }))
        .await?;
    let mut tandem = Tandem::start(&sandbox, &options).await?;
    let users = sandbox.info.users.clone();
    connect_all(&tandem, &sandbox, &users).await?;
    println!("{} connections", users.len());

    tandem.stop().await?;
    let url = options
        .database
        .clone()
        .unwrap_or_else(|| format!("sqlite:{}", tandem.folder().join("tandem.db").display()));
    let clockwork = Clockwork::of(&url);
    let since = clockwork.now().await? / 1_000_000 + NOTICE_SECONDS;
    // They signed in within a minute; in a company, that takes weeks.
    clockwork.spread(since * 1_000_000, INTERVAL_MICROS).await?;
    let hurry = format!("{}@{since}", choice.speed);
    sandbox.post("/clock", &json!({ "hurry": hurry })).await?;
    tandem.serve_with(&["--clock", &hurry]);
    tandem.start_again().await?;

    let time = watch::Time {
        speed: choice.speed,
        since,
    };
    let mut seen = watch::Seen::default();
    let busy: Vec<&User> = users.iter().take(choice.busy).collect();
    let mut ledgers: Vec<Ledger> = (0..busy.len()).map(|n| Ledger::of(&format!("p{n} "))).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(choice.seed);
    let end = tokio::time::Instant::now() + Duration::from_secs_f64(choice.minutes * 60.0);
    let mut edit = tokio::time::interval(Duration::from_secs_f64(1.0 / choice.edits));
    let mut look = tokio::time::interval(Duration::from_secs(1));
    let mut fault = tokio::time::interval(Duration::from_secs(2));
    let mut edits = 0_u64;
    while tokio::time::Instant::now() < end {
        tokio::select! {
            _ = edit.tick() => {
                let n = usize::try_from(rng.next_u32())? % busy.len();
                ledgers[n].edit(&(&sandbox, busy[n]), &mut rng).await?;
                edits += 1;
            }
            _ = look.tick() => seen.look(&clockwork, &tandem, time).await?,
            _ = fault.tick() => faults::one(&sandbox, &mut rng).await?,
        }
    }
    seen.end_of_storm(&clockwork).await?;
    sandbox.heal().await?;
    until_at_rest(&clockwork, time).await?;
    for (ledger, user) in ledgers.iter().zip(&busy) {
        ledger
            .check(&(&sandbox, *user))
            .await
            .context(user.name.clone())?;
    }
    ensure!(
        clockwork.all_went_well().await?,
        "somebody does not sync in the end"
    );
    let things: usize = ledgers.iter().map(Ledger::len).sum();
    println!(
        "{}",
        seen.told(&[("edits", json!(edits)), ("things", json!(things))])
    );
    seen.judge()
}

fn company(connections: usize) -> Vec<&'static str> {
    let agents: &'static str = Box::leak((connections - NAMED).to_string().into_boxed_str());
    // Everybody's contacts are one table: with more, the sandbox would be what is measured.
    let few = ["--agents", agents, "--agent-contacts", "5"];
    [few.as_slice(), bare("5", "2").as_slice()].concat()
}

/// Signs everybody in, each from an address of their own, and connects their mailboxes.
async fn connect_all(tandem: &Tandem, sandbox: &SandboxProc, users: &[User]) -> Result<()> {
    let ews = format!("{}/EWS/Exchange.asmx", sandbox.info.exchange.http);
    let ews = ews.as_str();
    stream::iter(users.iter().enumerate())
        .map(|(n, user)| async move {
            let address = Ipv4Addr::from_bits(0x0a00_0000 + u32::try_from(n)?);
            let person = Person::sign_in_from(address, tandem, sandbox, user).await?;
            let answer = person.connect(&user.exchange_password, ews).await?;
            ensure!(
                answer.status.is_success(),
                "connect: {} {}",
                answer.status,
                answer.text()
            );
            person.first_sync().await.map(drop)
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// Until everybody had two good sessions after the last fault: the first repairs, the second finds nothing to do.
async fn until_at_rest(clockwork: &Clockwork, time: watch::Time) -> Result<()> {
    let healed = time.at(clockwork.now().await?);
    let unserved = format!(
        "SELECT COUNT(*) FROM connections c WHERE state = 'active' AND (SELECT COUNT(*) FROM sessions s \
         WHERE s.connection_id = c.id AND s.outcome = 'done' AND s.started_at > {healed}) < 2"
    );
    let waiting = async {
        let mut every = tokio::time::interval(Duration::from_secs(1));
        loop {
            every.tick().await;
            if clockwork.numbers(&unserved).await? == [0] {
                return anyhow::Ok(());
            }
        }
    };
    tokio::time::timeout(REST, waiting)
        .await
        .context("somebody is not served any more")?
}
