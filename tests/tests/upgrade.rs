//! What a new version finds: bases of another normaliser, and the whole database of the version before.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};
use tandem_store::testing;
use tandem_tests::ledger::Ledger;
use tandem_tests::server::Options;
use tandem_tests::stage::Stage;

const COMPANY: [&str; 16] = [
    "--contacts",
    "30",
    "--mailbox-contacts",
    "20",
    "--mailbox-events",
    "8",
    "--crm-events",
    "8",
    "--mailbox-tasks",
    "4",
    "--crm-tasks",
    "4",
    "--mailbox-messages",
    "6",
    "--seed",
    "5",
];

/// Turns every hash round, and says that another normaliser made it.
fn of_another_normaliser(base: &mut Value) -> usize {
    match base {
        Value::String(text) if text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()) => {
            *text = text.chars().rev().collect();
            1
        }
        Value::Array(all) => all.iter_mut().map(of_another_normaliser).sum(),
        Value::Object(all) => all
            .iter_mut()
            .map(|(name, value)| {
                if name == "normaliser" && *value != 0 {
                    *value = 999.into();
                    return 0;
                }
                of_another_normaliser(value)
            })
            .sum(),
        _ => 0,
    }
}

#[tokio::test]
async fn after_a_change_of_the_normaliser_nothing_is_written_and_everything_flows() -> Result<()> {
    let mut stage = Stage::synced(&COMPANY, &Options::default()).await?;
    stage.idle().await?;
    stage.tandem.stop().await?;
    let path = stage.tandem.folder().join("tandem.db");
    let mut line = SqliteConnection::connect(&format!("sqlite:{}", path.display())).await?;
    let links = sqlx::query("SELECT connection_id, id, base FROM links")
        .fetch_all(&mut line)
        .await?;
    let mut hashes = 0;
    for link in &links {
        let mut base: Value = serde_json::from_str(link.try_get("base")?)?;
        hashes += of_another_normaliser(&mut base);
        sqlx::query("UPDATE links SET base = $1 WHERE connection_id = $2 AND id = $3")
            .bind(base.to_string())
            .bind(link.try_get::<String, _>("connection_id")?)
            .bind(link.try_get::<String, _>("id")?)
            .execute(&mut line)
            .await?;
    }
    ensure!(
        links.len() > 40 && hashes > links.len() * 3,
        "{hashes} hashes in {} links",
        links.len()
    );
    // Everything is compared in the next session, not only what changes.
    sqlx::query(AssertSqlSafe("UPDATE connections SET last_full = NULL"))
        .execute(&mut line)
        .await?;
    line.close().await?;
    stage.tandem.start_again().await?;

    stage.idle().await?;
    let (mut rng, mut ledger) = (ChaCha8Rng::seed_from_u64(7), Ledger::default());
    for _ in 0..12 {
        ledger.edit(&stage, &mut rng).await?;
    }
    stage.rests().await?;
    ledger.check(&stage).await
}

/// The binary of an earlier version; `cargo xtask upgrade` builds it.
fn before() -> Result<PathBuf> {
    let path = std::env::var_os("TANDEM_TEST_BEFORE").context("TANDEM_TEST_BEFORE names no binary")?;
    Ok(path.into())
}

async fn upgraded_and_stepped_back(mut options: Options) -> Result<()> {
    options.binary = Some(before()?);
    let mut stage = Stage::synced(&COMPANY, &options).await?;
    let (mut rng, mut ledger) = (ChaCha8Rng::seed_from_u64(7), Ledger::default());
    for _ in 0..12 {
        ledger.edit(&stage, &mut rng).await?;
    }
    stage.rests().await?;
    ledger.check(&stage).await?;
    // Forward, back, and forward again: each finds what the other has left, has nothing to repair, and carries on.
    for binary in [None, Some(before()?), None] {
        stage.tandem.stop().await?;
        stage.tandem.becomes(binary.clone());
        stage.tandem.start_again().await?;
        ensure!(
            stage.nina.connection().await?["state"] == "active",
            "signed out or stopped by {binary:?}"
        );
        stage.idle().await.with_context(|| format!("{binary:?}"))?;
        for _ in 0..6 {
            ledger.edit(&stage, &mut rng).await?;
        }
        stage.rests().await?;
        ledger
            .check(&stage)
            .await
            .with_context(|| format!("{binary:?}"))?;
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs the binary of an earlier version: cargo xtask upgrade"]
async fn the_version_before_is_upgraded_and_stepped_back_to_on_sqlite() -> Result<()> {
    upgraded_and_stepped_back(Options::default()).await
}

#[tokio::test]
#[ignore = "needs the binary of an earlier version: cargo xtask upgrade"]
async fn the_version_before_is_upgraded_and_stepped_back_to_on_postgresql() -> Result<()> {
    let database = testing::postgres().await.context("PostgreSQL was left out")?;
    upgraded_and_stepped_back(Options {
        database: Some(database.url.clone()),
        ..Options::default()
    })
    .await
}
