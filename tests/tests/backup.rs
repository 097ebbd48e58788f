//! A backup, taken while the server runs, put back after more has happened: nothing is doubled, nothing lost.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tandem_tests::server::Options;
use tandem_tests::stage::Stage;
use tokio::process::Command;

const FEW: [&str; 4] = ["--contacts", "5", "--mailbox-contacts", "4"];

/// A contact of the mailbox that is to be synced.
async fn person(stage: &Stage, surname: &str) -> Result<()> {
    let entry = json!({ "folder": "Salesforce Contacts", "fields": {
        "GivenName": "Ada", "Surname": surname, "EmailAddress1": format!("{surname}@example.org") } });
    stage.sandbox.post(&stage.contacts_path(), &entry).await.map(drop)
}

/// So many contacts have that name on either side.
async fn both(stage: &Stage, surname: &str) -> Result<(usize, usize)> {
    Ok((
        stage.in_mailbox(surname).await?.len(),
        stage.in_salesforce(surname).await?.len(),
    ))
}

async fn told(stage: &Stage, arguments: &[&str]) -> Result<(bool, String)> {
    let output = stage.tandem.run(arguments).await?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok((output.status.success(), said))
}

/// What happened since the copy was made is compared, and neither made again nor lost.
async fn goes_on(stage: &Stage) -> Result<()> {
    stage.session().await?;
    for surname in ["Davor", "Danach"] {
        ensure!(both(stage, surname).await? == (1, 1), "{surname}");
    }
    stage.session().await?;
    stage.idle().await.map(drop)
}

#[tokio::test]
async fn a_backup_that_is_put_back_doubles_nothing() -> Result<()> {
    let mut stage = Stage::synced(&FEW, &Options::default()).await?;
    person(&stage, "Davor").await?;
    stage.session().await?;
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("tandem.backup");
    let copy_text = copy.to_str().context("a path")?;
    let (well, said) = told(&stage, &["backup", copy_text]).await?;
    ensure!(well && said.contains("master key"), "{said}");
    let (well, said) = told(&stage, &["backup", copy_text]).await?;
    ensure!(!well && said.contains("exists already"), "{said}");

    // What is to be kept from those who find it.
    let bytes = std::fs::read(&copy)?;
    for secret in [&stage.nina.user.exchange_password, &"Davor".to_owned()] {
        ensure!(
            !bytes.windows(secret.len()).any(|w| w == secret.as_bytes()),
            "it shows {secret}"
        );
    }

    person(&stage, "Danach").await?;
    stage.session().await?;
    let (well, said) = told(&stage, &["restore", copy_text]).await?;
    ensure!(!well && said.contains("end the server first"), "{said}");
    stage.tandem.stop().await?;
    let broken = folder.path().join("broken");
    std::fs::write(&broken, [&bytes[..bytes.len() / 2], &[0; 4096]].concat())?;
    let (well, said) = told(&stage, &["restore", broken.to_str().context("a path")?]).await?;
    ensure!(!well && said.contains("no backup"), "{said}");
    let (well, said) = told(&stage, &["restore", copy_text]).await?;
    ensure!(well && said.contains("is kept as"), "{said}");
    stage.tandem.start_again().await?;
    goes_on(&stage).await?;

    // Without the key it opens nothing.
    stage.tandem.stop().await?;
    let key = stage.tandem.folder().join("tandem.key");
    std::fs::rename(&key, folder.path().join("key"))?;
    let (well, said) = told(&stage, &["session", "run", "--connection", &stage.connection]).await?;
    ensure!(!well, "another key opened it: {said}");
    Ok(())
}

#[tokio::test]
async fn postgres_backs_up_with_its_own_tools() -> Result<()> {
    let Some(database) = tandem_store::testing::postgres().await else {
        return Ok(());
    };
    let options = Options {
        database: Some(database.url.clone()),
        ..Options::default()
    };
    let mut stage = Stage::synced(&FEW, &options).await?;
    person(&stage, "Davor").await?;
    stage.session().await?;
    let (well, said) = told(&stage, &["backup", "unused"]).await?;
    ensure!(!well && said.contains("pg_dump"), "{said}");
    let folder = tempfile::tempdir()?;
    let dump = folder.path().join("tandem.dump");
    let run = |program: &str, arguments: Vec<String>| {
        let mut command = Command::new(program);
        command.args(arguments).kill_on_drop(true);
        async move {
            let output = command.output().await.context("PostgreSQL's tools")?;
            ensure!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            anyhow::Ok(())
        }
    };
    let file = format!("--file={}", dump.display());
    run(
        "pg_dump",
        vec!["--format=custom".into(), file, database.url.clone()],
    )
    .await?;
    person(&stage, "Danach").await?;
    stage.session().await?;
    stage.tandem.stop().await?;
    let mut connection = PgConnection::connect(&database.url).await?;
    connection
        .execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        .await?;
    connection.close().await?;
    run(
        "pg_restore",
        vec![
            "--no-owner".into(),
            format!("--dbname={}", database.url),
            dump.display().to_string(),
        ],
    )
    .await?;
    stage.tandem.start_again().await?;
    goes_on(&stage).await
}
