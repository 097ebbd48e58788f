//! Who leaves may take along what Tandem had put into the mailbox: nothing else goes, and all of it comes back.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tandem_tests::Person;
use tandem_tests::desk::{BARE, BIN, Desk, at};
use tandem_tests::server::Options;
use tandem_tests::stage::{Stage, encoded};

const REMOVE: [(&str, &str); 1] = [("remove_items", "1")];

/// Contacts of Nina's mailbox that are not deleted.
async fn contacts(nina: &Desk<'_>) -> Result<Vec<Value>> {
    let mut all = nina.sandbox.mailbox_contacts(&nina.person.user).await?;
    all.retain(|one| one["folder"] != BIN);
    Ok(all)
}

/// How much Salesforce holds of each kind.
async fn records(nina: &Desk<'_>) -> Result<Vec<usize>> {
    let mut counts = Vec::new();
    for object in ["Contact", "Event", "Task"] {
        let mut rows = nina.all(object).await?;
        rows.retain(|row| row["IsDeleted"] != true);
        counts.push(rows.len());
    }
    Ok(counts)
}

/// Of both sides, and in step: five contacts, an event and a task have come from Salesforce, one of each from Outlook.
async fn fill(stage: &Stage, nina: &Desk<'_>) -> Result<()> {
    let event = json!({ "Subject": "From Salesforce", "StartDateTime": at(2, "09:00"), "EndDateTime": at(2, "10:00"),
        "OwnerId": nina.user_id() });
    nina.create("Event", event).await?;
    let task =
        json!({ "Subject": "Call from Salesforce", "OwnerId": nina.user_id(), "Status": "Not Started" });
    nina.create("Task", task).await?;
    let mine = json!({ "subject": "My own", "start": at(3, "09:00"), "end": at(3, "10:00"),
        "categories": ["Salesforce"] });
    nina.make("events", mine).await?;
    let todo = json!({ "subject": "My own task", "categories": ["Salesforce"] });
    nina.make("tasks", todo).await?;
    let contact =
        json!({ "fields": { "GivenName": "Mein", "Surname": "Eigener" }, "categories": ["Salesforce"] });
    stage.sandbox.post(&stage.contacts_path(), &contact).await?;
    nina.settles().await?;
    ensure!(contacts(nina).await?.len() == 6);
    nina.item("events", "From Salesforce").await?;
    nina.item("tasks", "Call from Salesforce").await.map(drop)
}

async fn and_comes_back(stage: &Stage, cloud: bool) -> Result<()> {
    let nina = Desk::nina(stage);
    fill(stage, &nina).await?;
    let before = records(&nina).await?;
    // Not carried over yet: it is his now.
    let mut changed = contacts(&nina).await?;
    changed.retain(|one| one["fields"]["Surname"] != "Eigener");
    let id = changed[0]["id"].as_str().context("no id")?.to_owned();
    let path = format!("{}?id={}", stage.contacts_path(), encoded(&id));
    let edit = json!({ "fields": { "JobTitle": "Changed by hand" } });
    stage.sandbox.patch(&path, &edit).await?;

    nina.person.order("deactivate", &REMOVE).await?;
    let off = nina
        .person
        .until("the end of the sync", |c| c["state"] == "deactivated")
        .await?;
    ensure!(off["mailbox"].is_null() && off["clearing"] == false, "{off:#}");
    let left = contacts(&nina).await?;
    ensure!(left.len() == 2, "his own, and the one that he changed: {left:#?}");
    nina.binned("events", "From Salesforce").await?;
    nina.binned("tasks", "Call from Salesforce").await?;
    nina.item("events", "My own").await?;
    nina.item("tasks", "My own task").await?;
    ensure!(records(&nina).await? == before, "Salesforce lost something");
    nina.sandbox.nobody_got_mail().await?;
    let told = off["sessions"][0]["counts"].to_string();
    ensure!(
        told.contains("\"deleted\":4") && told.contains("\"skipped\":1"),
        "{told}"
    );

    // Back again: every item once, and his change is carried over.
    let again = Person::sign_in(&stage.tandem, &stage.sandbox, &nina.person.user).await?;
    if cloud {
        again.connect_office(&stage.tandem).await?;
    } else {
        again.connect_well().await?;
    }
    let nina = Desk {
        person: &again,
        ..nina
    };
    again
        .until("a session", |c| {
            c["progress"].is_null()
                && c["sessions"][0]["outcome"] == "done"
                && c["sessions"][0]["id"] != off["sessions"][0]["id"]
        })
        .await?;
    nina.settles().await?;
    ensure!(contacts(&nina).await?.len() == 6, "{:#?}", contacts(&nina).await?);
    for kind in ["events", "tasks"] {
        let subjects = if kind == "events" {
            ["From Salesforce", "My own"]
        } else {
            ["Call from Salesforce", "My own task"]
        };
        for subject in subjects {
            nina.item(kind, subject).await?;
        }
    }
    ensure!(records(&nina).await? == before, "doubled in Salesforce");
    let rows = nina.all("Contact").await?;
    ensure!(
        rows.iter().any(|row| row["Title"] == "Changed by hand"),
        "{rows:#?}"
    );
    nina.no_issues().await?;
    nina.sandbox.nobody_got_mail().await
}

#[tokio::test]
async fn who_leaves_exchange_takes_the_items_out_and_finds_them_again() -> Result<()> {
    let stage = Stage::synced(&BARE, &Options::default()).await?;
    and_comes_back(&stage, false).await
}

#[tokio::test]
async fn who_leaves_office_365_takes_the_items_out_and_finds_them_again() -> Result<()> {
    let stage = Stage::synced_in_the_cloud(&BARE, &Options::default()).await?;
    and_comes_back(&stage, true).await
}

/// The mail server cannot be reached: nothing is shredded before the work is done, and both ways out stand open.
#[tokio::test]
async fn who_thinks_better_of_it_has_everything_again() -> Result<()> {
    let stage = Stage::synced(&BARE, &Options::default()).await?;
    let nina = Desk::nina(&stage);
    fill(&stage, &nina).await?;
    let before = records(&nina).await?;
    stage
        .sandbox
        .fault("exchange", &json!({ "kind": "status", "code": 500 }))
        .await?;
    let sessions = nina.person.connection().await?["sessions"][0]["id"].clone();
    nina.person.order("deactivate", &REMOVE).await?;
    let waits = nina
        .person
        .until("a failed session", |c| {
            c["sessions"][0]["id"] != sessions
                && !c["sessions"][0]["outcome"].is_null()
                && c["progress"].is_null()
        })
        .await?;
    ensure!(
        waits["state"] == "active" && waits["clearing"] == true,
        "{waits:#}"
    );
    ensure!(contacts(&nina).await?.len() == 6);
    let page = nina.person.view().await?.to_string();
    ensure!(page.contains("\"clearing\":true"), "{page}");

    stage.sandbox.heal().await?;
    nina.person.order("keep_sync", &[]).await?;
    nina.settles().await?;
    let kept = nina.person.connection().await?;
    ensure!(kept["state"] == "active" && kept["clearing"] == false, "{kept:#}");
    ensure!(contacts(&nina).await?.len() == 6);
    ensure!(records(&nina).await? == before);
    // Nothing is to be taken back any more.
    let refused = nina.person.call("keep_sync", &[]).await?;
    ensure!(
        refused.status.is_client_error() || refused.status.is_server_error(),
        "{}",
        refused.status
    );
    Ok(())
}
