//! The main job without a page: activate, first sync, both ways, again and again, with real processes.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tandem_tests::server::Options;
use tandem_tests::stage::{Stage, encoded};

#[tokio::test]
async fn contacts_flow_both_ways_and_a_second_session_writes_nothing() -> Result<()> {
    contacts_flow_both_ways(&Options::default()).await
}

/// The same by the other path: what has changed in Salesforce is asked by one user for all.
#[tokio::test]
async fn contacts_flow_both_ways_with_an_integration_user() -> Result<()> {
    let integration = true;
    contacts_flow_both_ways(&Options {
        integration,
        ..Options::default()
    })
    .await
}

async fn contacts_flow_both_ways(options: &Options) -> Result<()> {
    let stage = Stage::synced(&["--contacts", "20"], options).await?;

    // Everything of Nina's is in the mailbox now, once.
    let mine = stage.sandbox.records("Contact", &stage.nina.user).await?;
    let mine: Vec<_> = mine
        .iter()
        .filter(|c| c["OwnerId"] == stage.nina.user.salesforce_user_id.as_str())
        .collect();
    ensure!(mine.len() >= 20, "{}", mine.len());
    let mailbox = stage.sandbox.mailbox_contacts(&stage.nina.user).await?;
    for record in &mine {
        let email = record["Email"].as_str().unwrap_or_default().to_lowercase();
        let there = mailbox
            .iter()
            .filter(|c| {
                c["fields"]["EmailAddress1"]
                    .as_str()
                    .unwrap_or_default()
                    .to_lowercase()
                    == email
            })
            .count();
        ensure!(
            there == 1,
            "{} is in the mailbox {there} times",
            record["LastName"]
        );
    }
    let (exchange, salesforce) = stage.idle().await?;
    println!("after the first sync: Exchange {exchange:?}, Salesforce {salesforce:?}");

    // Mailbox to Salesforce.
    let made = json!({ "folder": "Salesforce Contacts", "fields": {
        "GivenName": "Grażyna", "Surname": "Żółć-O'Neil", "EmailAddress1": "Grazyna@example.org",
        "BusinessPhone": "+48 22 1", "JobTitle": "R&D <lead>" } });
    stage.sandbox.post(&stage.contacts_path(), &made).await?;
    println!("{}", stage.session().await?);
    let found = stage.in_salesforce("Żółć-O'Neil").await?;
    ensure!(found.len() == 1, "{found:?}");
    ensure!(
        found[0]["Title"] == "R&D <lead>" && found[0]["Phone"] == "+48 22 1",
        "{:?}",
        found[0]
    );
    stage.idle().await?;

    // Salesforce to mailbox.
    let record = json!({ "FirstName": "Jürgen", "LastName": "Größer", "Email": "j.groesser@example.org",
        "OwnerId": stage.nina.user.salesforce_user_id });
    stage
        .sandbox
        .post(
            &format!(
                "/salesforce/records/Contact?as={}",
                stage.nina.user.salesforce_username
            ),
            &record,
        )
        .await?;
    println!("{}", stage.session().await?);
    let came = stage.in_mailbox("Größer").await?;
    ensure!(
        came.len() == 1 && came[0]["folder"] == "Salesforce Contacts",
        "{came:?}"
    );
    ensure!(
        came[0]["categories"]
            .as_array()
            .is_some_and(|c| c.contains(&json!("Salesforce"))),
        "{came:?}"
    );
    stage.idle().await?;

    // Both change, different fields: both arrive. The same field: one wins, both end equal.
    let crm_id = stage.in_salesforce("Größer").await?[0]["Id"]
        .as_str()
        .context("no id")?
        .to_owned();
    let item = came[0]["id"].as_str().context("no id")?;
    let path = format!("{}?id={}", stage.contacts_path(), encoded(item));
    let record_path = format!(
        "/salesforce/records/Contact/{crm_id}?as={}",
        stage.nina.user.salesforce_username
    );
    stage
        .sandbox
        .patch(
            &path,
            &json!({ "fields": { "MobilePhone": "1", "JobTitle": "Chef" } }),
        )
        .await?;
    stage
        .sandbox
        .patch(&record_path, &json!({ "Department": "Bau", "Title": "Boss" }))
        .await?;
    println!("{}", stage.session().await?);
    let here = &stage.in_mailbox("Größer").await?[0];
    let there = &stage.in_salesforce("Größer").await?[0];
    ensure!(
        here["fields"]["Department"] == "Bau" && there["MobilePhone"] == "1",
        "{here:?} {there:?}"
    );
    // Within two minutes the mailbox wins.
    ensure!(
        here["fields"]["JobTitle"] == "Chef" && there["Title"] == "Chef",
        "{here:?} {there:?}"
    );
    stage.idle().await?;

    // Deleted in Salesforce: to Deleted Items.
    stage.sandbox.delete(&record_path).await?;
    println!("{}", stage.session().await?);
    let gone = stage.in_mailbox("Größer").await?;
    ensure!(
        gone.len() == 1 && gone[0]["folder"] == "Deleted Items",
        "{gone:?}"
    );
    stage.idle().await?;

    // Deleted in the mailbox: kept in Salesforce, said in the pane, not created again.
    let item = stage.in_mailbox("Żółć-O'Neil").await?[0]["id"]
        .as_str()
        .context("no id")?
        .to_owned();
    stage
        .sandbox
        .delete(&format!("{}?id={}", stage.contacts_path(), encoded(&item)))
        .await?;
    println!("{}", stage.session().await?);
    ensure!(stage.in_salesforce("Żółć-O'Neil").await?.len() == 1);
    stage.idle().await?;
    let issues = stage.nina.connection().await?["issues"].take();
    ensure!(
        issues
            .as_array()
            .is_some_and(|all| all.iter().any(|i| i["code"] == "deleted_in_mailbox")),
        "{issues:#}"
    );
    ensure!(
        stage
            .in_mailbox("Żółć-O'Neil")
            .await?
            .iter()
            .all(|c| c["folder"] == "Deleted Items")
    );

    // *Bring back*, and it is there again; deleted once more, *delete there too*, and it is gone on both sides.
    cure(&stage, "bring_back").await?;
    let back: Vec<_> = stage
        .in_mailbox("Żółć-O'Neil")
        .await?
        .into_iter()
        .filter(|c| c["folder"] != "Deleted Items")
        .collect();
    ensure!(
        back.len() == 1 && back[0]["fields"]["JobTitle"] == "R&D <lead>",
        "{back:?}"
    );
    stage.idle().await?;
    let item = back[0]["id"].as_str().context("no id")?;
    stage
        .sandbox
        .delete(&format!("{}?id={}", stage.contacts_path(), encoded(item)))
        .await?;
    stage.session().await?;
    cure(&stage, "delete_there").await?;
    ensure!(stage.in_salesforce("Żółć-O'Neil").await?.is_empty());
    stage.idle().await?;
    Ok(())
}

/// Chooses a cure of the first issue, and waits until its session is over.
async fn cure(stage: &Stage, cure: &str) -> Result<()> {
    let connection = stage.nina.connection().await?;
    let issue = connection["issues"][0]["id"]
        .as_str()
        .context("no issue")?
        .to_owned();
    let before = connection["sessions"][0]["id"].clone();
    stage
        .nina
        .order("cure", &[("issue", &issue), ("cure", cure)])
        .await?;
    let after = stage
        .nina
        .until("the cure's session", |c| {
            c["sessions"][0]["id"] != before
                && c["sessions"][0]["outcome"] == "done"
                && c["issues_total"] == 0
        })
        .await?;
    println!("{cure}: {}", after["sessions"][0]);
    Ok(())
}

#[tokio::test]
async fn an_idle_session_asks_each_side_once() -> Result<()> {
    // Events that were written moments ago are read once more; `requests.rs` has the session of all kinds at rest.
    let quiet = ["--contacts", "10", "--crm-events", "0", "--mailbox-events", "0"];
    let stage = Stage::synced(&quiet, &Options::default()).await?;
    // The process of the command line starts with empty caches: the server's own session is measured.
    stage.idle().await?;
    let since = stage.mark().await?;
    let before = stage.nina.connection().await?["sessions"][0]["id"].clone();
    stage.nina.order("sync_now", &[]).await?;
    stage
        .nina
        .until("the next session", |c| {
            c["sessions"][0]["outcome"] == "done"
                && c["progress"].is_null()
                && c["sessions"][0]["id"] != before
        })
        .await?;
    let entries = stage.sandbox.requests_since(since).await?;
    let of = |service: &str| {
        entries
            .iter()
            .filter(|e| e["service"] == service)
            .map(|e| e["operation"].to_string())
            .collect::<Vec<_>>()
    };
    println!(
        "idle session: Exchange {:?}, Salesforce {:?}",
        of("exchange"),
        of("salesforce")
    );
    ensure!(of("exchange").len() == 1, "{:?}", of("exchange"));
    ensure!(of("salesforce").len() == 1, "{:?}", of("salesforce"));
    Ok(())
}
