//! SIGKILL in the middle of a session, on both databases: nothing is lost, nothing is doubled, it goes on by itself.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tandem_tests::server::Options;
use tandem_tests::stage::Stage;

const CONTACTS: usize = 400;
const KILLS: u32 = 4;

/// Dies `KILLS` times in its first sync, each time somewhere else, and ends it all the same.
async fn killed_in_the_first_sync(mut options: Options, key: bool) -> Result<()> {
    // A dead process's connection waits for the end of its lease.
    options
        .variables
        .push(("TANDEM_WORKER_LEASE_SECONDS".into(), "5".into()));
    let contacts = CONTACTS.to_string();
    let mut arguments = vec!["--contacts", contacts.as_str(), "--mailbox-contacts", "150"];
    if !key {
        arguments.push("--no-tandem-key");
    }
    let mut stage = Stage::set(&arguments, &options).await?;
    // Some go up, most come down.
    let path = format!("/exchange/mailboxes/{}/contacts", stage.nina.user.mailbox);
    for n in 0..60 {
        let fields =
            json!({ "Surname": format!("Hinauf{n}"), "EmailAddress1": format!("up{n}@example.org") });
        stage
            .sandbox
            .post(&path, &json!({ "fields": fields, "categories": ["Salesforce"] }))
            .await?;
    }
    stage.nina.connect_well().await?;
    stage
        .nina
        .until("the preview", |c| !c["preview"].is_null())
        .await?;

    for kill in 0..KILLS {
        // The n-th write is held after its effect: the process dies with the answer outstanding.
        let (service, operation) = if kill % 2 == 0 {
            ("exchange", "CreateItem")
        } else {
            ("salesforce", "composite")
        };
        let fault = json!({ "kind": "timeout_after", "ms": 60_000, "operation": operation, "times": 1, "skip": if kill % 2 == 0 { kill / 2 } else { 1 + kill } });
        stage.sandbox.fault(service, &fault).await?;
        let since = stage.mark().await?;
        go_on(&stage).await?;
        let held = held(&stage, since, operation).await?;
        stage.tandem.kill().await?;
        stage.sandbox.heal().await?;
        stage.tandem.start_again().await?;
        println!("killed with {held} outstanding");
    }
    go_on(&stage).await?;
    stage
        .nina
        .until("the end of the first sync", |c| {
            c["preview"].is_null() && c["progress"].is_null() && c["sessions"][0]["outcome"] == "done"
        })
        .await?;
    stage.idle().await?;
    everything_once(&stage).await
}

/// *Start*, if it waits for that. What was let through once stays so over a crash.
async fn go_on(stage: &Stage) -> Result<()> {
    if !stage.nina.connection().await?["reason"].is_null() {
        stage.nina.order("release", &[]).await?;
    }
    Ok(())
}

/// Waits until the fault has bitten: the request stands in the log, and no answer will come.
async fn held(stage: &Stage, since: u64, operation: &str) -> Result<String> {
    let patience = std::time::Duration::from_mins(1);
    let mut every = tokio::time::interval(std::time::Duration::from_millis(20));
    let begun = tokio::time::Instant::now();
    loop {
        every.tick().await;
        let faults = stage.sandbox.get("/faults").await?;
        let bitten = faults
            .as_array()
            .is_some_and(|all| all.iter().all(|f| f["times"] == json!(0)));
        let ended = stage.nina.connection().await?["sessions"][0].clone();
        if bitten {
            let entries = stage.sandbox.requests_since(since).await?;
            return Ok(format!("{operation} after {} requests", entries.len()));
        }
        if !ended["outcome"].is_null() && ended["outcome"] != "preview" && begun.elapsed().as_secs() > 8 {
            // The round ended before the fault was reached: as good a place to die as any.
            return Ok(format!("nothing, the session was {}", ended["outcome"]));
        }
        ensure!(
            begun.elapsed() < patience,
            "no session reached {operation}: {faults}"
        );
    }
}

async fn everything_once(stage: &Stage) -> Result<()> {
    let records = stage.sandbox.records("Contact", &stage.nina.user).await?;
    let mine = stage.nina.user.salesforce_user_id.as_str();
    let mut there: HashMap<String, u32> = HashMap::new();
    for record in records
        .iter()
        .filter(|r| r["OwnerId"] == mine && r["IsDeleted"] != true)
    {
        *there.entry(lower(&record["Email"])).or_default() += 1;
    }
    let items = stage.sandbox.mailbox_contacts(&stage.nina.user).await?;
    let mut here: HashMap<String, u32> = HashMap::new();
    for item in items.iter().filter(|i| i["folder"] != "Deleted Items") {
        *here.entry(lower(&item["fields"]["EmailAddress1"])).or_default() += 1;
    }
    for (email, count) in &there {
        ensure!(*count == 1, "{email} is {count} times in Salesforce");
        ensure!(
            here.get(email) == Some(&1),
            "{email} is {:?} times in the mailbox",
            here.get(email)
        );
    }
    for n in 0..60 {
        ensure!(
            there.contains_key(&format!("up{n}@example.org")),
            "up{n} is not in Salesforce"
        );
    }
    ensure!(there.len() >= CONTACTS + 60, "{}", there.len());
    Ok(())
}

fn lower(text: &Value) -> String {
    text.as_str().unwrap_or_default().to_lowercase()
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_killed_in_the_first_sync_with_key() -> Result<()> {
    killed_in_the_first_sync(Options::default(), true).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_killed_in_the_first_sync_without_key() -> Result<()> {
    killed_in_the_first_sync(Options::default(), false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_killed_in_the_first_sync_without_key() -> Result<()> {
    let Some(database) = tandem_store::testing::postgres().await else {
        return Ok(());
    };
    let options = Options {
        database: Some(database.url.clone()),
        ..Options::default()
    };
    killed_in_the_first_sync(options, false).await
}
