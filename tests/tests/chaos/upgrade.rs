//! While replicas are replaced one after the other, an older server works on what a newer one has made of the database.

use anyhow::{Result, ensure};
use tandem_tests::clockwork::Clockwork;
use tandem_tests::ledger::Ledger;
use tandem_tests::server::Options;
use tandem_tests::stage::Stage;

use super::{FEW, dice, options, quiet};

/// What a newer version's migration does that only adds.
const EXPAND: [&str; 4] = [
    "CREATE TABLE newer (id TEXT NOT NULL PRIMARY KEY, what TEXT NOT NULL)",
    "ALTER TABLE connections ADD COLUMN newer TEXT",
    "ALTER TABLE links ADD COLUMN newer BIGINT NOT NULL DEFAULT 7",
    "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time) \
     SELECT 9001, 'newer', installed_on, success, checksum, 0 FROM _sqlx_migrations WHERE version = 1",
];
/// It takes away what this version uses.
const CONTRACT: &str =
    "UPDATE _sqlx_migrations SET description = 'drop_links_needs_9000' WHERE version = 9001";

async fn told(stage: &Stage, arguments: &[&str]) -> Result<(bool, String)> {
    let output = stage.tandem.run(arguments).await?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok((output.status.success(), said))
}

async fn an_older_server_goes_on(options: &Options, clock: impl Fn(&Stage) -> Clockwork) -> Result<()> {
    let mut stage = Stage::synced(&FEW, options).await?;
    let clock = clock(&stage);
    let (mut rng, mut ledger) = (dice(), Ledger::default());
    let (well, said) = told(&stage, &["migrate", "--dry-run"]).await?;
    ensure!(well && said == "the database is up to date\n", "{said}");
    for _ in 0..4 {
        ledger.edit(&stage, &mut rng).await?;
    }
    // Under a running server, which has prepared its statements.
    for step in EXPAND {
        clock.execute(step).await?;
    }
    quiet(&stage.sandbox, &clock).await?;
    for _ in 0..4 {
        ledger.edit(&stage, &mut rng).await?;
    }
    // And one that starts there, as after a step back.
    stage.tandem.stop().await?;
    stage.tandem.start_again().await?;
    quiet(&stage.sandbox, &clock).await?;
    ledger.check(&stage).await?;
    for arguments in [["migrate", "--dry-run"].as_slice(), &["migrate"]] {
        let (well, said) = told(&stage, arguments).await?;
        ensure!(
            well && said.contains("applied by a newer version, left as it is: 9001 newer")
                && said.contains("up to date"),
            "{said}"
        );
    }
    let (_, said) = told(&stage, &["doctor"]).await?;
    ensure!(said.contains("a newer version has been here"), "{said}");

    clock.execute(CONTRACT).await?;
    stage.tandem.stop().await?;
    for arguments in [["migrate"].as_slice(), &["migrate", "--dry-run"], &["serve"]] {
        let (well, said) = told(&stage, arguments).await?;
        ensure!(
            !well && said.contains("9001 drop_links_needs_9000") && said.contains("too old"),
            "{arguments:?}: {said}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_may_be_newer_than_the_server() -> Result<()> {
    let options = Options {
        database: None,
        ..options("")
    };
    an_older_server_goes_on(&options, |stage| {
        let path = stage.tandem.folder().join("tandem.db");
        Clockwork::of(&format!("sqlite:{}", path.display()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_may_be_newer_than_the_server() -> Result<()> {
    let Some(database) = tandem_store::testing::postgres().await else {
        return Ok(());
    };
    an_older_server_goes_on(&options(&database.url), |_| Clockwork::of(&database.url)).await
}
