//! A thousand contacts that are on both sides already, at the same moment for two colleagues: nothing is doubled.

use std::collections::{BTreeMap, HashSet};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tandem_tests::server::Options;
use tandem_tests::stage::Stage;
use tandem_tests::{Person, SandboxProc};

const MANY: usize = 1000;

fn email(text: &Value) -> String {
    text.as_str().unwrap_or_default().to_lowercase()
}

/// Addresses that stand more than once among the records.
fn doubles<'v>(addresses: impl Iterator<Item = &'v Value>) -> Vec<String> {
    let mut seen = HashSet::new();
    addresses
        .map(email)
        .filter(|e| !e.is_empty() && !seen.insert(e.clone()))
        .collect()
}

async fn no_doubles(sandbox: &SandboxProc, people: &[&Person], records_before: usize) -> Result<()> {
    let records = sandbox.records("Contact", &people[0].user).await?;
    let live: Vec<_> = records.iter().filter(|r| r["IsDeleted"] != true).collect();
    let twice = doubles(live.iter().map(|r| &r["Email"]));
    ensure!(twice.is_empty(), "twice in Salesforce: {twice:?}");
    ensure!(
        live.len() == records_before,
        "{} records became {}",
        records_before,
        live.len()
    );
    for person in people {
        let items = sandbox.mailbox_contacts(&person.user).await?;
        let items: Vec<_> = items.iter().filter(|i| i["folder"] != "Deleted Items").collect();
        let twice = doubles(items.iter().map(|i| &i["fields"]["EmailAddress1"]));
        ensure!(
            twice.is_empty(),
            "twice in the mailbox of {}: {twice:?}",
            person.user.name
        );
    }
    Ok(())
}

/// The colleague's mailbox holds the same people as Nina's, marked for Salesforce.
async fn copy_contacts(sandbox: &SandboxProc, from: &Person, to: &Person) -> Result<usize> {
    let items = sandbox.mailbox_contacts(&from.user).await?;
    let path = format!("/exchange/mailboxes/{}/contacts", to.user.mailbox);
    sandbox.delete(&format!("{path}/all")).await?;
    for item in &items {
        let mut fields = serde_json::Map::new();
        for name in ["GivenName", "Surname", "EmailAddress1", "CompanyName"] {
            if let Some(value) = item["fields"].get(name) {
                fields.insert(name.to_owned(), value.clone());
            }
        }
        sandbox
            .post(&path, &json!({ "fields": fields, "categories": ["Salesforce"] }))
            .await?;
    }
    Ok(items.len())
}

async fn the_same_thousand(key: bool, options: Options) -> Result<()> {
    let database = if options.database.is_some() {
        "PostgreSQL"
    } else {
        "SQLite"
    };
    let contacts = MANY.to_string();
    let mut arguments = vec!["--contacts", contacts.as_str(), "--mailbox-contacts", "0"];
    if !key {
        arguments.push("--no-tandem-key");
    }
    let stage = Stage::set(&arguments, &options).await?;
    let Stage {
        sandbox,
        tandem,
        nina,
        ..
    } = &stage;
    sandbox
        .post(
            &format!("/exchange/mailboxes/{}/seed", nina.user.mailbox),
            &json!({ "count": MANY, "categories": ["Salesforce"] }),
        )
        .await?;
    let tomas = Person::sign_in(tandem, sandbox, &sandbox.info.users[1].clone()).await?;
    let copied = copy_contacts(sandbox, nina, &tomas).await?;
    ensure!(copied >= MANY, "{copied}");
    let before = sandbox.records("Contact", &nina.user).await?.len();

    nina.connect_well().await?;
    tomas.connect_well().await?;
    tokio::try_join!(nina.first_sync(), tomas.first_sync())?;
    no_doubles(sandbox, &[nina, &tomas], before).await?;
    let adopted: BTreeMap<_, _> = [nina, &tomas]
        .map(|p| (p.user.name.clone(), p))
        .into_iter()
        .collect();
    for (name, person) in adopted {
        let connection = person.connection().await?;
        println!(
            "{database}, key {key}: {name}: links {}, issues {}, {}",
            connection["links"], connection["issues_total"], connection["sessions"][0]["counts"]
        );
        // A colleague's record is paired, and left alone with its reason; one's own is in step.
        let told =
            connection["links"].as_u64().unwrap_or(0) + connection["issues_total"].as_u64().unwrap_or(0);
        ensure!(
            told >= MANY as u64,
            "{} {}",
            connection["links"],
            connection["issues_total"]
        );
        println!("for example {}", connection["issues"][0]);
    }
    stage.idle().await?;
    no_doubles(sandbox, &[nina, &tomas], before).await
}

/// Nina alone, her mailbox empty: everything comes down. Seconds and requests are printed.
async fn a_thousand_come_down(options: Options) -> Result<()> {
    let database = if options.database.is_some() {
        "PostgreSQL"
    } else {
        "SQLite"
    };
    let contacts = MANY.to_string();
    let stage = Stage::set(
        &["--contacts", contacts.as_str(), "--mailbox-contacts", "0"],
        &options,
    )
    .await?;
    stage.nina.connect_well().await?;
    stage
        .nina
        .until("the preview", |c| !c["preview"].is_null())
        .await?;
    stage.sandbox.post("/counters/reset", &json!({})).await?;
    stage.nina.order("release", &[]).await?;
    let connection = stage
        .nina
        .until("the end of the first sync", |c| {
            c["preview"].is_null() && c["progress"].is_null() && c["sessions"][0]["outcome"] == "done"
        })
        .await?;
    let session = &connection["sessions"][0];
    let span =
        session["ended"].as_i64().context("no end")? - session["started"].as_i64().context("no start")?;
    let counters = stage.sandbox.get("/counters").await?;
    println!(
        "first sync of {MANY} contacts on {database}: {:.2} s, Exchange {} requests {}, Salesforce {} requests {}",
        f64::from(i32::try_from(span)?) / 1e6,
        counters["exchange"]["requests"],
        counters["exchange"]["by_operation"],
        counters["salesforce"]["requests"],
        counters["salesforce"]["by_operation"],
    );
    ensure!(
        connection["links"].as_u64().unwrap_or(0) >= MANY as u64,
        "{connection:#}"
    );
    let items = stage.sandbox.mailbox_contacts(&stage.nina.user).await?;
    ensure!(items.len() >= MANY, "{}", items.len());
    stage.idle().await?;
    Ok(())
}

async fn postgres() -> Result<Option<(tandem_store::testing::Database, Options)>> {
    let database = tandem_store::testing::postgres().await;
    Ok(database.map(|d| {
        let options = Options {
            database: Some(d.url.clone()),
            ..Options::default()
        };
        (d, options)
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_a_thousand_come_down() -> Result<()> {
    a_thousand_come_down(Options::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_a_thousand_come_down() -> Result<()> {
    let Some((_keep, options)) = postgres().await? else {
        return Ok(());
    };
    a_thousand_come_down(options).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_the_same_thousand_with_key() -> Result<()> {
    the_same_thousand(true, Options::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_the_same_thousand_without_key() -> Result<()> {
    the_same_thousand(false, Options::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_the_same_thousand_without_key() -> Result<()> {
    let Some((_keep, options)) = postgres().await? else {
        return Ok(());
    };
    the_same_thousand(false, options).await
}
