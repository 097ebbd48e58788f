//! The sandbox under clients that others wrote: what they take for Exchange, Graph and Salesforce, our connectors may.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};
use tandem_tests::server::Options;
use tandem_tests::stage::{Stage, encoded};
use tandem_tests::{Person, SandboxProc, foreign};

async fn info(sandbox: &SandboxProc) -> Result<Value> {
    sandbox.get("/info").await
}

fn recordings(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, |files| {
        files
            .flatten()
            .filter(|f| f.path().extension().is_some_and(|e| e == "xml"))
            .count()
    })
}

#[tokio::test]
async fn exchangelib_works_with_the_sandbox_and_every_message_is_valid() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let recorded = scratch.path().join("ews");
    let folder = recorded.to_string_lossy().into_owned();
    let sandbox = SandboxProc::start(&["--seed", "7", "--record", &folder]).await?;
    let info = info(&sandbox).await?;
    let worked = foreign::python("exchange.py", &[], &info, &sandbox.info.ca_pem).await;

    // Also after a failure: what is wrong with a message explains what its reader said.
    assert!(recordings(&recorded) > 20, "the sandbox recorded next to nothing");
    let valid = foreign::python("schemas.py", &[&folder], &info, &sandbox.info.ca_pem).await;
    if worked.is_err() {
        eprintln!("---- the sandbox's log\n{}", sandbox.log_text());
    }
    worked?;
    valid?;
    sandbox.stop().await
}

#[tokio::test]
async fn every_request_that_we_send_is_valid() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let recorded = scratch.path().join("ews");
    let folder = recorded.to_string_lossy().into_owned();
    // Li Wei's mailbox has no category list yet: that is made, too.
    let stage = Stage::set(&["--contacts", "30", "--record", &folder], &Options::default()).await?;
    let li = Person::sign_in(
        &stage.tandem,
        &stage.sandbox,
        &stage.sandbox.info.users[3].clone(),
    )
    .await?;
    for person in [&stage.nina, &li] {
        person.connect_well().await?;
        person.first_sync().await?;
    }
    let path = stage.contacts_path();
    let fields = json!({ "GivenName": "Ö", "Surname": "Hinauf", "EmailAddress1": "o@example.org" });
    stage
        .sandbox
        .post(&path, &json!({ "fields": fields, "categories": ["Salesforce"] }))
        .await?;
    stage.session().await?;
    let record = stage.in_salesforce("Hinauf").await?;
    let record = format!(
        "/salesforce/records/Contact/{}",
        record[0]["Id"].as_str().unwrap_or_default()
    );
    let changes = json!({ "Title": "Chefin", "Birthdate": "1980-02-29", "Description": "zwei\nZeilen", "Phone": null,
        "MobilePhone": "1", "MailingStreet": "Allee 1", "OtherCity": "Köln" });
    stage.sandbox.patch(&record, &changes).await?;
    stage.session().await?;
    stage
        .sandbox
        .patch(
            &record,
            &json!({ "MobilePhone": null, "Title": null, "MailingStreet": null }),
        )
        .await?;
    stage.session().await?;
    let item = stage.in_mailbox("Hinauf").await?[0]["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    stage
        .sandbox
        .post(
            &format!("{path}/move?id={}&folder=Salesforce%20Contacts", encoded(&item)),
            &json!({}),
        )
        .await?;
    stage.session().await?;
    stage.sandbox.delete(&record).await?;
    stage.session().await?;
    stage
        .sandbox
        .fault("exchange", &json!({ "kind": "expired_cursor", "times": 1 }))
        .await?;
    stage.session().await?;
    stage.idle().await?;

    let sent = recordings(&recorded);
    assert!(sent > 60, "{sent} messages were recorded");
    let info = info(&stage.sandbox).await?;
    foreign::python("schemas.py", &[&folder], &info, &stage.sandbox.info.ca_pem)
        .await
        .map(drop)
}

#[tokio::test]
async fn msgraph_sdk_works_with_the_sandbox() -> Result<()> {
    let sandbox = SandboxProc::start(&["--seed", "7"]).await?;
    let info = info(&sandbox).await?;
    let worked = foreign::python("graph.py", &[], &info, &sandbox.info.ca_pem).await;
    if worked.is_err() {
        eprintln!("---- the sandbox's log\n{}", sandbox.log_text());
    }
    worked?;
    sandbox.stop().await
}

#[tokio::test]
async fn simple_salesforce_works_with_the_sandbox() -> Result<()> {
    let sandbox = SandboxProc::start(&["--seed", "7"]).await?;
    let info = info(&sandbox).await?;
    let worked = foreign::python("salesforce.py", &[], &info, &sandbox.info.ca_pem).await;
    if worked.is_err() {
        eprintln!("---- the sandbox's log\n{}", sandbox.log_text());
    }
    worked?;
    sandbox.stop().await
}

#[tokio::test]
async fn the_validator_tells_good_messages_from_bad_ones() -> Result<()> {
    foreign::python("schemas.py", &["--selftest"], &Value::Null, Path::new("none"))
        .await
        .map(drop)
}

#[tokio::test]
async fn a_failed_check_of_a_script_fails_the_test() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("000001.request.xml"), "<not-an-envelope/>")?;
    let path = folder.path().to_string_lossy().into_owned();
    let error = foreign::python("schemas.py", &[&path], &Value::Null, Path::new("none"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no SOAP envelope"), "{error}");
    // Nothing to validate is no success either.
    let empty = tempfile::tempdir()?;
    let path = empty.path().to_string_lossy().into_owned();
    assert!(
        foreign::python("schemas.py", &[&path], &Value::Null, Path::new("none"))
            .await
            .is_err()
    );
    Ok(())
}
