//! SIGKILL at random moments while both sides change, again and again: nothing is lost, nothing is doubled, and in the
//! end nothing is left to do. A few kills in every run; `TANDEM_KILLS=100` for as many as one has time for.
//!
//! Access tokens are expired before each life, so that refresh tokens rotate all the time: Salesforce's, and Microsoft's
//! where the mailbox is in Office 365. A kill between a refresh and its commit costs the grant of Salesforce; then the
//! connection says so, and the test signs in again. Microsoft's refresh tokens outlive their use: no kill costs that grant.
//! <https://learn.microsoft.com/entra/identity-platform/refresh-tokens#token-lifetime>

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use http::StatusCode;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use serde_json::{Value, json};
use tandem_tests::Person;
use tandem_tests::ledger::{Kind, Ledger};
use tandem_tests::server::Options;
use tandem_tests::stage::Stage;

const KILLS: u32 = 5;
/// The pane's bearer is good for ten minutes: who works on signs in again before that.
const SIGNED_IN: Duration = Duration::from_mins(4);

/// Where the mailbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    Exchange,
    Office365,
}

impl Server {
    /// A session of this test makes about so many requests; a later moment than its end would kill nobody.
    fn moments(self) -> u64 {
        match self {
            Self::Exchange => 30,
            Self::Office365 => 40,
        }
    }
}

fn kills() -> u32 {
    std::env::var("TANDEM_KILLS").map_or(KILLS, |text| text.parse().unwrap_or(KILLS))
}

fn seed() -> u64 {
    std::env::var("TANDEM_SEED").map_or(1, |text| text.parse().unwrap_or(1))
}

async fn killed_again_and_again(server: Server, mut options: Options, key: bool) -> Result<()> {
    // A dead process's connection waits for the end of its lease.
    options
        .variables
        .push(("TANDEM_WORKER_LEASE_SECONDS".into(), "5".into()));
    let mut arguments = vec!["--contacts", "5"];
    if !key {
        arguments.push("--no-tandem-key");
    }
    let mut stage = match server {
        Server::Exchange => Stage::synced(&arguments, &options).await?,
        Server::Office365 => Stage::synced_in_the_cloud(&arguments, &options).await?,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed());
    let mut ledger = Ledger::default();
    let mut at: BTreeMap<&str, u32> = BTreeMap::new();
    let mut sign_ins = 0;
    let mut since = tokio::time::Instant::now();

    for kill in 0..kills() {
        for _ in 0..4 + rng.next_u32() % 6 {
            ledger.edit(&stage, &mut rng).await?;
        }
        let user = &stage.nina.user;
        for whose in [
            format!("/salesforce/users/{}", user.salesforce_username),
            format!("/microsoft/users/{}", user.microsoft_username),
        ] {
            let path = format!("{whose}/expire_access");
            stage.sandbox.post(&path, &json!({})).await?;
        }
        if since.elapsed() > SIGNED_IN {
            since = tokio::time::Instant::now();
            sign_in(&mut stage).await?;
        }
        sign_ins += u32::from(signed_in(&mut stage).await?);
        begin(&stage).await?;
        // Left in peace for once: over Graph twenty items are read by one request, and who is cut off again and again
        // while more and more is waiting never gets beyond reading.
        let moment = match (server, kill % 5) {
            (Server::Office365, 4) => u64::MAX,
            _ => u64::from(rng.next_u32()) % server.moments(),
        };
        let reached = run_until(&stage, moment).await?;
        stage.tandem.kill().await?;
        *at.entry(reached).or_default() += 1;
        // Somebody works on while the server is down.
        ledger.edit(&stage, &mut rng).await?;
        stage.tandem.start_again().await?;
        if kill % 10 == 9 {
            println!(
                "{} kills, {} edits, {sign_ins} sign-ins again: {at:?}",
                kill + 1,
                ledger.edits()
            );
        }
    }
    sign_ins += quiet(&mut stage).await?;
    ledger.check(&stage).await?;
    println!(
        "{} kills, {} edits of {} items, {sign_ins} sign-ins again: {at:?}",
        kills(),
        ledger.edits(),
        ledger.len(),
    );
    ensure!(
        at.contains_key("in a session") || kills() < 5,
        "no kill met a session: {at:?}"
    );
    ensure!(ledger.kinds().contains(&Kind::Contact));
    let counters = stage.sandbox.get("/counters").await?;
    if server == Server::Office365 {
        let refreshes = &counters["microsoft"]["refreshes"];
        ensure!(
            refreshes.as_u64() >= Some(u64::from(kills()) / 2),
            "Microsoft's tokens were refreshed {refreshes} times"
        );
    }
    Ok(())
}

/// Signs in again if a kill has cost the grant. The pane says that, and why.
async fn signed_in(stage: &mut Stage) -> Result<bool> {
    let connection = stage.nina.connection().await?;
    ensure!(
        connection["reason"] != "microsoft_sign_in_ended",
        "a refresh token of Microsoft is good until it is revoked: {connection:#}"
    );
    if connection["reason"] != "salesforce_sign_in_ended" {
        return Ok(false);
    }
    sign_in(stage).await?;
    stage
        .nina
        .until("an end of the missing sign-in", |c| {
            c["reason"] != "salesforce_sign_in_ended" && c["state"] == "active"
        })
        .await?;
    Ok(true)
}

/// Into the pane; into the sync, too, where its grant has ended.
async fn sign_in(stage: &mut Stage) -> Result<()> {
    stage.nina = Person::sign_in(&stage.tandem, &stage.sandbox, &stage.nina.user.clone()).await?;
    Ok(())
}

/// Makes a session begin: one that was cut off is due still; else *Sync now*, or, where that was asked for too often,
/// nothing: this kill then meets a server at rest.
async fn begin(stage: &Stage) -> Result<()> {
    if !stage.nina.connection().await?["reason"].is_null() {
        let answer = stage.nina.call("release", &[]).await?;
        // A session that ends in between may have found that it needs a sign-in.
        ensure!(
            matches!(answer.status, StatusCode::OK | StatusCode::CONFLICT),
            "release: {} {}",
            answer.status,
            answer.text()
        );
    }
    stage.nina.call("sync_now", &[]).await.map(drop)
}

/// Waits until both servers together have been asked `moment` more times, or the session is over.
async fn run_until(stage: &Stage, moment: u64) -> Result<&'static str> {
    let since = stage.mark().await?;
    let before = newest(stage).await?;
    let mut every = tokio::time::interval(Duration::from_millis(3));
    let begun = tokio::time::Instant::now();
    loop {
        every.tick().await;
        let asked = stage.sandbox.requests_since(since).await?.len();
        if asked as u64 > moment {
            return Ok("in a session");
        }
        let now = newest(stage).await?;
        if now != before && !now["outcome"].is_null() {
            return Ok("after a session");
        }
        if begun.elapsed() > Duration::from_secs(if asked == 0 { 12 } else { 60 }) {
            // Longer than a lease: nothing is due.
            return Ok("at rest");
        }
    }
}

async fn newest(stage: &Stage) -> Result<Value> {
    Ok(stage.nina.connection().await?["sessions"][0].take())
}

/// Sessions by the command line until one writes nothing; how often that needed a sign-in: the last kill may have cost
/// the grant too. The lease of a life that ended has to run out first.
async fn quiet(stage: &mut Stage) -> Result<u32> {
    let mut sign_ins = 0;
    let mut last = String::new();
    for _ in 0..20 {
        sign_ins += u32::from(signed_in(stage).await?);
        stage
            .nina
            .until("an end of the running session", |c| c["progress"].is_null())
            .await?;
        if stage.nina.connection().await?["reason"] == "stopped_by_brake" {
            stage.nina.order("release", &[]).await?;
        }
        let before = stage.writes().await?;
        match stage.session().await {
            Ok(_) if stage.writes().await? == before => return Ok(sign_ins),
            Ok(said) => last = said,
            Err(error) => {
                last = error.to_string();
                let row = newest(stage).await?;
                stage
                    .nina
                    .until("another session, or a missing sign-in", |c| {
                        c["sessions"][0] != row || c["reason"] == "salesforce_sign_in_ended"
                    })
                    .await?;
            }
        }
    }
    anyhow::bail!("it does not come to rest: {last}")
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_killed_again_and_again() -> Result<()> {
    killed_again_and_again(Server::Exchange, Options::default(), true).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_killed_again_and_again_without_key() -> Result<()> {
    killed_again_and_again(Server::Exchange, Options::default(), false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_killed_again_and_again_in_the_cloud() -> Result<()> {
    killed_again_and_again(Server::Office365, Options::default(), true).await
}

async fn on_postgres(server: Server) -> Result<()> {
    let Some(database) = tandem_store::testing::postgres().await else {
        return Ok(());
    };
    let options = Options {
        database: Some(database.url.clone()),
        ..Options::default()
    };
    killed_again_and_again(server, options, true)
        .await
        .context("PostgreSQL")
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_killed_again_and_again() -> Result<()> {
    on_postgres(Server::Exchange).await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_killed_again_and_again_in_the_cloud() -> Result<()> {
    on_postgres(Server::Office365).await
}
