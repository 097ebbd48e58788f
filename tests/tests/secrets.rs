//! No secret stands where somebody may read it: not in the log at its most talkative, not in what the command line says,
//! not in the database.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tandem_tests::Person;
use tandem_tests::office::issued;
use tandem_tests::server::Options;
use tandem_tests::stage::Stage;

/// Every secret of this run, by what it is. The parts that are random: a log that shortens is no better.
async fn secrets(stage: &Stage, own: &[String]) -> Result<BTreeSet<String>> {
    let info = &stage.sandbox.info;
    let mut all = BTreeSet::new();
    for token in issued(&stage.sandbox).await? {
        ensure!(token.len() >= 24, "too short to be looked for");
        // What is signed with, or the random end.
        all.insert(token[token.len() - 24..].to_owned());
    }
    let microsoft = all.len();
    let salesforce = stage.sandbox.get("/salesforce/secrets").await?;
    for secret in salesforce.as_array().context("no list")? {
        all.insert(secret.as_str().context("no text")?.to_owned());
    }
    ensure!(
        microsoft > 6 && all.len() > microsoft + 6,
        "{microsoft} of {} secrets are Microsoft's",
        all.len()
    );
    for user in &info.users {
        all.insert(user.salesforce_password.clone());
        all.insert(user.exchange_password.clone());
        all.insert(user.microsoft_password.clone());
        let basic = format!("{}:{}", user.exchange_login, user.exchange_password);
        all.insert(STANDARD.encode(basic));
    }
    all.insert(info.client.secret.clone());
    all.insert(info.microsoft_client.secret.clone());
    all.extend(own.iter().cloned());
    Ok(all)
}

/// What the server gave a signed-in person.
fn of(person: &Person) -> Result<[String; 2]> {
    let (_, cookie) = person.cookie.split_once('=').context("no cookie")?;
    Ok([person.bearer.clone(), cookie.to_owned()])
}

/// A rotated refresh token whose answer was lost costs the grant: signed in again, if so.
async fn signed_in(stage: &mut Stage, own: &mut Vec<String>) -> Result<()> {
    if stage.nina.connection().await?["reason"] == "salesforce_sign_in_ended" {
        stage.nina = Person::sign_in(&stage.tandem, &stage.sandbox, &stage.nina.user.clone()).await?;
        own.extend(of(&stage.nina)?);
        stage
            .nina
            .until("an end of the missing sign-in", |c| c["state"] == "active")
            .await?;
    }
    Ok(())
}

/// Where a secret of these stands; not which.
fn found(place: &str, bytes: &[u8], secrets: &BTreeSet<String>) -> Result<()> {
    for secret in secrets {
        ensure!(secret.len() >= 8, "too short to be looked for");
        let at = bytes
            .windows(secret.len())
            .position(|window| window == secret.as_bytes());
        if let Some(at) = at {
            let before = String::from_utf8_lossy(&bytes[at.saturating_sub(120)..at]).into_owned();
            anyhow::bail!(
                "a secret of {} characters stands in {place}, after: {before}",
                secret.len()
            );
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_told_in_a_whole_run() -> Result<()> {
    let options = Options {
        variables: vec![("TANDEM_LOG".to_owned(), "trace".to_owned())],
        ..Options::default()
    };
    let mut stage = Stage::synced(&["--contacts", "6", "--mailbox-contacts", "4"], &options).await?;
    let mut said = String::new();
    let mut own = of(&stage.nina)?.to_vec();
    stage.healthy("Atlas", 1).await?;
    said += &stage.run().await?.said;

    // Tokens are refreshed; a server answers nonsense, fails, and breaks off in the middle.
    let user = stage.nina.user.clone();
    let expire = |service: &'static str, name: &str| format!("/{service}/users/{name}/expire_access");
    for kind in ["malformed", "cut_body", "reset"] {
        for service in ["exchange", "salesforce", "login"] {
            let path = expire("salesforce", &user.salesforce_username);
            stage.sandbox.post(&path, &Value::Null).await?;
            stage
                .sandbox
                .fault(service, &json!({ "kind": kind, "times": 2 }))
                .await?;
            said += &stage.run().await?.said;
            stage.sandbox.heal().await?;
            signed_in(&mut stage, &mut own).await?;
        }
    }
    let wrong = stage.nina.connect("not the password at all", "").await?;
    said += &wrong.text();

    // The mailbox moves to the cloud.
    stage.home("cloud").await?;
    stage.nina.connect_office(&stage.tandem).await?;
    stage
        .nina
        .until("a session in the cloud", |c| {
            c["mailbox"]["server"] == "office365"
                && c["sessions"][0]["outcome"] == "done"
                && c["progress"].is_null()
        })
        .await?;
    stage.healthy("Boreas", 2).await?;
    said += &stage.run().await?.said;
    for kind in ["malformed", "cut_body", "reset"] {
        for service in ["graph", "microsoft"] {
            let path = expire("microsoft", &user.microsoft_username);
            stage.sandbox.post(&path, &Value::Null).await?;
            stage
                .sandbox
                .fault(service, &json!({ "kind": kind, "times": 2 }))
                .await?;
            said += &stage.run().await?.said;
            stage.sandbox.heal().await?;
            signed_in(&mut stage, &mut own).await?;
        }
    }
    stage.tandem.kill().await?;
    stage.tandem.start_again().await?;
    said += &stage.run().await?.said;
    for arguments in [
        &["connection", "list"][..],
        &["connection", "show", &stage.connection],
        &["settings", "list", "--connection", &stage.connection],
    ] {
        let output = stage.tandem.run(arguments).await?;
        said += &String::from_utf8_lossy(&output.stdout);
        said += &String::from_utf8_lossy(&output.stderr);
    }
    said += &stage.nina.connection().await?.to_string();

    // The last of it: both grants are taken away.
    let path = format!("/microsoft/users/{}/revoke_all", user.microsoft_username);
    stage.sandbox.post(&path, &Value::Null).await?;
    said += &stage.run().await?.said;
    let secrets = secrets(&stage, &own).await?;
    stage.tandem.stop().await?;

    let log = stage.tandem.log();
    ensure!(
        log.contains("TRACE") || log.contains("DEBUG"),
        "the log is not talkative"
    );
    found("the server's log", log.as_bytes(), &secrets)?;
    found("what was said", said.as_bytes(), &secrets)?;
    found("the sandbox's log", stage.sandbox.log_text().as_bytes(), &secrets)?;
    for file in std::fs::read_dir(stage.tandem.folder())? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        if name.starts_with("tandem.db") {
            found(&name, &std::fs::read(file.path())?, &secrets)?;
        }
    }
    Ok(())
}
