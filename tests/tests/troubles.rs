//! What goes wrong while two servers are kept in step: each trouble is told, nothing is lost, nothing is doubled.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use http::StatusCode;
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, SqliteConnection};
use tandem_tests::Person;
use tandem_tests::desk::bare;
use tandem_tests::server::Options;
use tandem_tests::stage::{Stage, encoded};

const FOLDER: &str = "Salesforce Contacts";

/// One session by the command line, however it ends: its outcome, and what it said.
async fn session(stage: &Stage) -> Result<(String, String)> {
    let output = stage
        .tandem
        .run(&["session", "run", "--connection", &stage.connection])
        .await?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok((outcome(stage).await?, said))
}

/// How the newest session ended.
async fn outcome(stage: &Stage) -> Result<String> {
    let connection = stage.nina.connection().await?;
    Ok(connection["sessions"][0]["outcome"]
        .as_str()
        .unwrap_or("running")
        .to_owned())
}

/// Sessions until one has done all, and then one that finds nothing more to do.
async fn settles(stage: &Stage) -> Result<()> {
    let mut said = Vec::new();
    for _ in 0..4 {
        let (outcome, text) = session(stage).await?;
        if outcome == "done" {
            stage.idle().await?;
            return Ok(());
        }
        said.push(format!("{outcome}: {text}"));
    }
    bail!("it does not come to an end: {said:#?}")
}

/// Sessions until one is done and writes nothing; fails if that takes more than five.
async fn comes_to_rest(stage: &Stage) -> Result<()> {
    let mut said = Vec::new();
    for _ in 0..5 {
        let before = stage.writes().await?;
        let (outcome, text) = session(stage).await?;
        if outcome == "done" && stage.writes().await? == before {
            return Ok(());
        }
        said.push(format!("{outcome}: {text}"));
    }
    bail!("it does not come to rest: {said:#?}")
}

/// All rules with a number of times have come to it: without that a test proves nothing.
async fn all_fired(stage: &Stage) -> Result<()> {
    let left = stage.sandbox.get("/faults").await?;
    ensure!(
        left.as_array().is_some_and(Vec::is_empty),
        "this never happened: {left}"
    );
    Ok(())
}

async fn issues(stage: &Stage, code: &str) -> Result<Vec<Value>> {
    let mut connection = stage.nina.connection().await?;
    let Value::Array(all) = connection["issues"].take() else {
        bail!("the issues are no list")
    };
    Ok(all.into_iter().filter(|i| i["code"] == code).collect())
}

async fn one_issue(stage: &Stage, code: &str) -> Result<Value> {
    let mut found = issues(stage, code).await?;
    let all = stage.nina.connection().await?["issues"].take();
    ensure!(found.len() == 1, "{} issues {code} among {all:#}", found.len());
    Ok(found.remove(0))
}

/// Made in the mailbox; its id.
async fn in_outlook(stage: &Stage, entry: &Value) -> Result<String> {
    let made = stage.sandbox.post(&stage.contacts_path(), entry).await?;
    Ok(made["id"].as_str().context("no id")?.to_owned())
}

async fn person_in_outlook(stage: &Stage, surname: &str, more: &Value) -> Result<String> {
    let mut fields = json!({ "GivenName": "Ada", "Surname": surname, "EmailAddress1": address(surname) });
    for (name, value) in more.as_object().into_iter().flatten() {
        fields[name] = value.clone();
    }
    in_outlook(stage, &json!({ "folder": FOLDER, "fields": fields })).await
}

fn address(surname: &str) -> String {
    // Salesforce takes no other letters there.
    let name = surname
        .to_lowercase()
        .replace(' ', ".")
        .replace('ü', "ue")
        .replace('ä', "ae");
    format!("{name}@example.org")
}

async fn edit_in_outlook(stage: &Stage, id: &str, entry: &Value) -> Result<()> {
    let path = format!("{}?id={}", stage.contacts_path(), encoded(id));
    stage.sandbox.patch(&path, entry).await.map(drop)
}

/// Made by Nina in Salesforce; its id.
async fn person_in_crm(stage: &Stage, last_name: &str) -> Result<String> {
    let user = &stage.nina.user;
    let record = json!({ "FirstName": "Bo", "LastName": last_name, "Email": address(last_name), "OwnerId": user.salesforce_user_id });
    let path = format!("/salesforce/records/Contact?as={}", user.salesforce_username);
    let made = stage.sandbox.post(&path, &record).await?;
    Ok(made["id"].as_str().context("no id")?.to_owned())
}

async fn edit_in_crm(stage: &Stage, id: &str, fields: &Value) -> Result<()> {
    let path = format!(
        "/salesforce/records/Contact/{id}?as={}",
        stage.nina.user.salesforce_username
    );
    stage.sandbox.patch(&path, fields).await.map(drop)
}

async fn one_here(stage: &Stage, surname: &str) -> Result<Value> {
    let mut found = stage.in_mailbox(surname).await?;
    found.retain(|c| c["folder"] != "Deleted Items");
    ensure!(
        found.len() == 1,
        "{surname} is in the mailbox {} times: {found:#?}",
        found.len()
    );
    Ok(found.remove(0))
}

async fn one_there(stage: &Stage, surname: &str) -> Result<Value> {
    let mut found = stage.in_salesforce(surname).await?;
    ensure!(
        found.len() == 1,
        "{surname} is in Salesforce {} times: {found:#?}",
        found.len()
    );
    Ok(found.remove(0))
}

fn id_of(value: &Value) -> Result<String> {
    let id = if value["id"].is_null() {
        &value["Id"]
    } else {
        &value["id"]
    };
    Ok(id.as_str().context("no id")?.to_owned())
}

/// Nina's live records, and her mailbox's items that take part, by e-mail address.
async fn both_sides(stage: &Stage) -> Result<(BTreeMap<String, Value>, BTreeMap<String, Value>)> {
    let email = |v: &Value| v.as_str().unwrap_or_default().to_lowercase();
    let (mut there, mut here) = (BTreeMap::new(), BTreeMap::new());
    for record in stage.sandbox.records("Contact", &stage.nina.user).await? {
        if record["IsDeleted"] != true && record["OwnerId"] == stage.nina.user.salesforce_user_id.as_str() {
            let key = email(&record["Email"]);
            ensure!(
                there.insert(key.clone(), record).is_none(),
                "{key} is in Salesforce twice"
            );
        }
    }
    for item in stage.sandbox.mailbox_contacts(&stage.nina.user).await? {
        if item["folder"] == FOLDER {
            let key = email(&item["fields"]["EmailAddress1"]);
            ensure!(
                here.insert(key.clone(), item).is_none(),
                "{key} is in the mailbox twice"
            );
        }
    }
    Ok((here, there))
}

/// Both sides hold the same people with the same names, titles and phones.
async fn in_step(stage: &Stage) -> Result<usize> {
    let (here, there) = both_sides(stage).await?;
    for (email, item) in &here {
        let record = there
            .get(email)
            .with_context(|| format!("{email} is not in Salesforce"))?;
        for (field, name) in [
            ("GivenName", "FirstName"),
            ("Surname", "LastName"),
            ("JobTitle", "Title"),
            ("BusinessPhone", "Phone"),
            ("MobilePhone", "MobilePhone"),
            ("Department", "Department"),
        ] {
            let (a, b) = (item["fields"][field].as_str(), record[name].as_str());
            ensure!(
                a.unwrap_or_default() == b.unwrap_or_default(),
                "{email}: {field} {a:?}, {name} {b:?}"
            );
        }
    }
    // What was in the default folder before is linked there.
    let all = stage.sandbox.mailbox_contacts(&stage.nina.user).await?;
    for email in there.keys() {
        let held = all.iter().any(|i| {
            i["folder"] != "Deleted Items"
                && i["fields"]["EmailAddress1"]
                    .as_str()
                    .unwrap_or_default()
                    .to_lowercase()
                    == *email
        });
        ensure!(held, "{email} is not in the mailbox");
    }
    Ok(here.len())
}

async fn sql(stage: &Stage, statement: &str) -> Result<()> {
    let path = stage.tandem.folder().join("tandem.db");
    let mut connection = SqliteConnection::connect(&format!("sqlite:{}", path.display())).await?;
    let done = connection
        .execute(sqlx::AssertSqlSafe(statement.to_owned()))
        .await?;
    ensure!(done.rows_affected() == 1, "{} rows", done.rows_affected());
    Ok(connection.close().await?)
}

const FEW: [&str; 4] = ["--contacts", "5", "--mailbox-contacts", "0"];

#[tokio::test]
async fn a_contact_that_does_not_fit_is_told_and_kept() -> Result<()> {
    let stage = Stage::synced(&FEW, &Options::default()).await?;

    // Without a last name: told, and taken when it has one.
    let nameless = in_outlook(
        &stage,
        &json!({ "folder": FOLDER, "fields": {
        "GivenName": "Cher", "EmailAddress1": "cher@example.org" } }),
    )
    .await?;
    settles(&stage).await?;
    let issue = one_issue(&stage, "last_name_missing").await?;
    ensure!(
        issue["title"]
            .as_str()
            .is_some_and(|t| t.contains("Cher") || t.contains("cher")),
        "{issue}"
    );
    let records = stage.sandbox.records("Contact", &stage.nina.user).await?;
    ensure!(records.iter().all(|r| r["Email"] != "cher@example.org"));
    edit_in_outlook(
        &stage,
        &nameless,
        &json!({ "fields": { "Surname": "Sarkisian" } }),
    )
    .await?;
    settles(&stage).await?;
    one_there(&stage, "Sarkisian").await?;
    ensure!(issues(&stage, "last_name_missing").await?.is_empty());

    // Longer than Salesforce takes: cut there, whole here, for good.
    let title = "Ä".repeat(300);
    let street = format!("{}\r\nHinterhof", "Lange Straße ".repeat(40));
    let long = person_in_outlook(
        &stage,
        "Lang",
        &json!({
        "JobTitle": title, "BusinessStreet": street, "Body": "y".repeat(40_000) }),
    )
    .await?;
    settles(&stage).await?;
    let record = one_there(&stage, "Lang").await?;
    ensure!(
        record["Title"]
            .as_str()
            .is_some_and(|t| t.chars().count() == 128 && title.starts_with(t)),
        "{record}"
    );
    ensure!(
        record["MailingStreet"]
            .as_str()
            .is_some_and(|s| s.chars().count() <= 255),
        "{record}"
    );
    edit_in_crm(&stage, &id_of(&record)?, &json!({ "Department": "Bau" })).await?;
    settles(&stage).await?;
    let item = one_here(&stage, "Lang").await?;
    ensure!(
        item["fields"]["JobTitle"] == title.as_str() && item["fields"]["Department"] == "Bau",
        "{item}"
    );
    ensure!(
        item["fields"]["BusinessStreet"]
            .as_str()
            .is_some_and(|s| s.contains("Hinterhof")),
        "{item}"
    );
    ensure!(
        item["fields"]["Body"]
            .as_str()
            .is_some_and(|b| b.trim_end().len() == 40_000)
    );
    // A change behind the cut is no change there; one before it is.
    edit_in_outlook(
        &stage,
        &long,
        &json!({ "fields": { "JobTitle": format!("{title}!") } }),
    )
    .await?;
    settles(&stage).await?;
    ensure!(one_here(&stage, "Lang").await?["fields"]["JobTitle"] == format!("{title}!"));
    edit_in_crm(&stage, &id_of(&record)?, &json!({ "Title": "Short" })).await?;
    settles(&stage).await?;
    ensure!(one_here(&stage, "Lang").await?["fields"]["JobTitle"] == "Short");

    // Two with one address: neither is guessed at.
    let second = json!({ "EmailAddress1": "twin@example.org" });
    person_in_outlook(&stage, "Zwilling", &second).await?;
    let twin = person_in_outlook(&stage, "Zwillinger", &second).await?;
    settles(&stage).await?;
    ensure!(!issues(&stage, "several_matches").await?.is_empty());
    let of_twins = async || -> Result<usize> {
        let all = stage.sandbox.records("Contact", &stage.nina.user).await?;
        Ok(all
            .iter()
            .filter(|r| r["Email"] == "twin@example.org" && r["IsDeleted"] != true)
            .count())
    };
    ensure!(of_twins().await? <= 1, "{}", of_twins().await?);
    // Told apart by the user, both go their ways.
    edit_in_outlook(
        &stage,
        &twin,
        &json!({ "fields": { "EmailAddress1": "other@example.org" } }),
    )
    .await?;
    settles(&stage).await?;
    one_there(&stage, "Zwillinger").await?;
    // And one that is in Salesforce already, beside two in the mailbox that could be it.
    person_in_crm(&stage, "Drilling").await?;
    for surname in ["Drilling", "Drillinger"] {
        let entry = json!({ "folder": "Contacts", "categories": ["Salesforce"], "fields": {
            "GivenName": "Bo", "Surname": surname, "EmailAddress1": address("Drilling") } });
        in_outlook(&stage, &entry).await?;
    }
    settles(&stage).await?;
    let records = stage.sandbox.records("Contact", &stage.nina.user).await?;
    let same = records
        .iter()
        .filter(|r| r["Email"] == address("Drilling") && r["IsDeleted"] != true)
        .count();
    ensure!(same == 1, "{same} records of one address");
    let items = stage.sandbox.mailbox_contacts(&stage.nina.user).await?;
    let same = items
        .iter()
        .filter(|i| i["fields"]["EmailAddress1"] == address("Drilling"))
        .count();
    ensure!(same == 2, "{same} items of one address");
    ensure!(!issues(&stage, "several_matches").await?.is_empty());

    // Private stays private: a new one, and one that turns private later.
    in_outlook(
        &stage,
        &json!({ "folder": FOLDER, "private": true, "fields": {
        "GivenName": "Dr", "Surname": "Geheim", "EmailAddress1": "arzt@example.org" } }),
    )
    .await?;
    edit_in_outlook(
        &stage,
        &nameless,
        &json!({ "private": true, "fields": { "MobilePhone": "secret" } }),
    )
    .await?;
    settles(&stage).await?;
    ensure!(stage.in_salesforce("Geheim").await?.is_empty());
    ensure!(one_there(&stage, "Sarkisian").await?["MobilePhone"].is_null());
    one_here(&stage, "Sarkisian").await?;
    Ok(())
}

#[tokio::test]
async fn what_salesforce_refuses_is_told_in_its_own_words() -> Result<()> {
    let stage = Stage::synced(&FEW, &Options::default()).await?;
    let org = async |change: Value| stage.sandbox.put("/salesforce/org", &change).await;
    let words = "Titles of nobility are not kept in this house.";
    org(json!({ "validation_rule": { "object": "Contact", "field": "Title", "contains": "Baron", "message": words } })).await?;

    // A create and an update; everything else goes on beside them.
    let ok = person_in_outlook(&stage, "Bürger", &json!({ "JobTitle": "Koch" })).await?;
    settles(&stage).await?;
    let baron = person_in_outlook(&stage, "Münch", &json!({ "JobTitle": "Baron von" })).await?;
    edit_in_outlook(
        &stage,
        &ok,
        &json!({ "fields": { "JobTitle": "Baron", "MobilePhone": "1" } }),
    )
    .await?;
    person_in_outlook(&stage, "Nachbar", &json!({})).await?;
    settles(&stage).await?;
    let told = issues(&stage, "refused").await?;
    ensure!(
        told.len() == 2
            && told
                .iter()
                .all(|i| i["detail"].as_str().is_some_and(|d| d.contains(words))),
        "{told:#?}"
    );
    ensure!(stage.in_salesforce("Münch").await?.is_empty());
    ensure!(one_there(&stage, "Bürger").await?["Title"] == "Koch");
    ensure!(
        one_here(&stage, "Bürger").await?["fields"]["JobTitle"] == "Baron",
        "the mailbox lost what was typed"
    );
    one_there(&stage, "Nachbar").await?;
    edit_in_outlook(&stage, &baron, &json!({ "fields": { "JobTitle": "Wirt" } })).await?;
    edit_in_outlook(&stage, &ok, &json!({ "fields": { "JobTitle": "Chefkoch" } })).await?;
    settles(&stage).await?;
    ensure!(one_there(&stage, "Münch").await?["Title"] == "Wirt");
    let record = one_there(&stage, "Bürger").await?;
    ensure!(
        record["Title"] == "Chefkoch" && record["MobilePhone"] == "1",
        "{record}"
    );
    ensure!(
        issues(&stage, "refused").await?.is_empty(),
        "{:?}",
        issues(&stage, "refused").await?
    );
    org(json!({ "validation_rule": null })).await?;

    // A duplicate rule.
    org(json!({ "duplicate_rule": true })).await?;
    edit_in_outlook(
        &stage,
        &ok,
        &json!({ "fields": { "EmailAddress1": address("Nachbar") } }),
    )
    .await?;
    settles(&stage).await?;
    one_issue(&stage, "duplicate_rule").await?;
    ensure!(one_there(&stage, "Bürger").await?["Email"] == address("Bürger"));
    ensure!(one_here(&stage, "Bürger").await?["fields"]["EmailAddress1"] == address("Nachbar"));
    edit_in_outlook(
        &stage,
        &ok,
        &json!({ "fields": { "EmailAddress1": "koch@example.org" } }),
    )
    .await?;
    settles(&stage).await?;
    ensure!(one_there(&stage, "Bürger").await?["Email"] == "koch@example.org");
    ensure!(
        issues(&stage, "duplicate_rule").await?.is_empty(),
        "{:#?}",
        issues(&stage, "duplicate_rule").await?
    );
    org(json!({ "duplicate_rule": false })).await?;

    // A row that somebody else holds: for a moment; then for longer.
    for (times, surname) in [(1, "Kurz"), (40, "Dauer")] {
        let rule = json!({ "service": "salesforce", "kind": "lock_row", "times": times });
        stage.sandbox.post("/faults", &rule).await?;
        person_in_outlook(&stage, surname, &json!({})).await?;
        edit_in_outlook(&stage, &ok, &json!({ "fields": { "JobTitle": surname } })).await?;
        let (_, said) = session(&stage).await?;
        if times == 1 {
            ensure!(stage.in_salesforce(surname).await?.len() == 1, "{said}");
        }
        stage.sandbox.heal().await?;
        settles(&stage).await?;
        one_there(&stage, surname).await?;
        ensure!(one_there(&stage, "Bürger").await?["Title"] == surname);
        ensure!(
            issues(&stage, "refused").await?.is_empty(),
            "{:?}",
            issues(&stage, "refused").await?
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_field_that_turns_unreadable_empties_nothing() -> Result<()> {
    let stage = Stage::synced(&FEW, &Options::default()).await?;
    let of_user = format!("/salesforce/users/{}", stage.nina.user.salesforce_username);
    let hide = async |fields: Value| {
        stage
            .sandbox
            .put(&of_user, &json!({ "hidden_fields": fields }))
            .await
    };
    let before = json!({ "JobTitle": "Koch", "BusinessPhone": "+49 1", "MobilePhone": "+49 2" });
    let item = person_in_outlook(&stage, "Sichtbar", &before).await?;
    settles(&stage).await?;
    let record = id_of(&one_there(&stage, "Sichtbar").await?)?;

    hide(json!(["Contact.Phone", "Contact.Title", "Contact.MobilePhone"])).await?;
    settles(&stage).await?;
    let held = one_here(&stage, "Sichtbar").await?;
    ensure!(
        held["fields"]["BusinessPhone"] == "+49 1" && held["fields"]["JobTitle"] == "Koch",
        "{held}"
    );
    // Meanwhile one field changes here, another there, a third on both sides; a fourth can be read.
    let change =
        json!({ "fields": { "BusinessPhone": "+49 11", "MobilePhone": "+49 22", "Department": "Küche" } });
    edit_in_outlook(&stage, &item, &change).await?;
    // By an administrator, who sees them.
    let path = format!("/salesforce/records/Contact/{record}");
    stage
        .sandbox
        .patch(&path, &json!({ "Title": "Chefkoch", "AssistantName": "Bea" }))
        .await?;
    settles(&stage).await?;
    let held = one_here(&stage, "Sichtbar").await?;
    ensure!(
        held["fields"]["BusinessPhone"] == "+49 11" && held["fields"]["JobTitle"] == "Koch",
        "{held}"
    );
    ensure!(held["fields"]["AssistantName"] == "Bea", "{held}");
    let all = stage.sandbox.get(&path).await?;
    ensure!(
        all["Phone"] == "+49 1" && all["Title"] == "Chefkoch" && all["Department"] == "Küche",
        "{all}"
    );

    // It can be read again: what waited arrives, nothing is lost.
    hide(json!([])).await?;
    settles(&stage).await?;
    // Rights leave no trace in a listing of changes: the daily comparison of everything finds it at the latest.
    sql(&stage, "UPDATE connections SET last_full = 1").await?;
    settles(&stage).await?;
    let held = one_here(&stage, "Sichtbar").await?;
    let all = stage.sandbox.get(&path).await?;
    ensure!(
        held["fields"]["JobTitle"] == "Chefkoch" && all["Title"] == "Chefkoch",
        "{held} {all}"
    );
    ensure!(
        held["fields"]["BusinessPhone"] == "+49 11" && all["Phone"] == "+49 11",
        "{held} {all}"
    );
    ensure!(all["MobilePhone"] == "+49 22", "{all}");
    in_step(&stage).await?;
    Ok(())
}

/// One trouble on the way of one request, around all four kinds of change.
async fn survives(stage: &Stage, n: usize, rule: &Value) -> Result<()> {
    let (up, down, both) = (format!("Auf {n}"), format!("Ab {n}"), "Beide");
    person_in_outlook(stage, &up, &json!({ "JobTitle": "neu" })).await?;
    person_in_crm(stage, &down).await?;
    let (item, record) = (one_here(stage, both).await?, one_there(stage, both).await?);
    let (title, phone) = (format!("Titel {n}"), format!("+49 {n}"));
    edit_in_outlook(stage, &id_of(&item)?, &json!({ "fields": { "JobTitle": title } })).await?;
    edit_in_crm(stage, &id_of(&record)?, &json!({ "Phone": phone })).await?;
    stage.sandbox.post("/faults", rule).await?;
    let (ended, said) = session(stage).await?;
    ensure!(
        ["done", "partial", "failed"].contains(&ended.as_str()),
        "{ended}: {said}"
    );
    all_fired(stage).await?;
    comes_to_rest(stage).await?;
    for surname in [&up, &down] {
        one_here(stage, surname).await?;
        one_there(stage, surname).await?;
    }
    let (item, record) = (one_here(stage, both).await?, one_there(stage, both).await?);
    let same = item["fields"]["JobTitle"] == title.as_str()
        && record["Title"] == title.as_str()
        && item["fields"]["BusinessPhone"] == phone.as_str()
        && record["Phone"] == phone.as_str();
    ensure!(same, "{item} {record}");
    let connection = stage.nina.connection().await?;
    ensure!(
        connection["state"] == "active" && connection["reason"].is_null(),
        "{connection:#}"
    );
    Ok(())
}

async fn troubles_on_the_way(key: bool, parity: usize) -> Result<()> {
    let mut arguments = FEW.to_vec();
    if !key {
        arguments.push("--no-tandem-key");
    }
    let stage = Stage::synced(&arguments, &Options::default()).await?;
    person_in_outlook(&stage, "Beide", &json!({})).await?;
    settles(&stage).await?;
    let lost = [
        json!({ "kind": "malformed" }),
        json!({ "kind": "cut_body" }),
        json!({ "kind": "timeout_before", "ms": 50 }),
        json!({ "kind": "timeout_after", "ms": 50 }),
        json!({ "kind": "reset" }),
        json!({ "kind": "status", "code": 500 }),
        json!({ "kind": "status", "code": 503 }),
    ];
    // What only reads is asked again; composites read and write, and the trouble comes to each of a session.
    let places = [
        ("exchange", "CreateItem", 0, &lost[..]),
        ("exchange", "UpdateItem", 0, &lost[..]),
        ("exchange", "GetItem", 0, &lost[1..2]),
        ("salesforce", "composite", 0, &lost[1..2]),
        ("salesforce", "composite", 1, &lost[1..4]),
        ("salesforce", "composite", 2, &lost[..]),
        ("salesforce", "composite", 3, &lost[1..4]),
    ];
    let cases = places.into_iter().flat_map(|(service, operation, skip, kinds)| {
        kinds.iter().map(move |kind| ((service, operation, skip), kind))
    });
    for (n, ((service, operation, skip), kind)) in cases.enumerate().filter(|(n, _)| n % 2 == parity) {
        let mut rule = kind.clone();
        rule["service"] = json!(service);
        rule["operation"] = json!(operation);
        rule["times"] = json!(1);
        rule["skip"] = json!(skip);
        survives(&stage, n, &rule)
            .await
            .with_context(|| rule.to_string())?;
    }
    let links = in_step(&stage).await?;
    println!("key {key}: {links} contacts in step");
    Ok(())
}

#[tokio::test]
async fn troubles_on_the_way_lose_and_double_nothing_with_a_key() -> Result<()> {
    troubles_on_the_way(true, 0).await
}

#[tokio::test]
async fn more_troubles_on_the_way_lose_and_double_nothing_with_a_key() -> Result<()> {
    troubles_on_the_way(true, 1).await
}

#[tokio::test]
async fn troubles_on_the_way_lose_and_double_nothing_without_a_key() -> Result<()> {
    troubles_on_the_way(false, 0).await
}

#[tokio::test]
async fn more_troubles_on_the_way_lose_and_double_nothing_without_a_key() -> Result<()> {
    troubles_on_the_way(false, 1).await
}

/// Seconds from the server's now until the next session.
async fn due_in(person: &Person) -> Result<Option<i64>> {
    let view = person.view().await?;
    let now = view["now"].as_i64().context("no clock")?;
    Ok(view["connection"]["next_due"]
        .as_i64()
        .map(|due| (due - now) / 1_000_000))
}

#[tokio::test]
async fn busy_servers_lost_cursors_and_stale_tokens_pass_by() -> Result<()> {
    let stage = Stage::synced(
        &["--contacts", "8", "--mailbox-contacts", "4"],
        &Options::default(),
    )
    .await?;
    let Stage { sandbox, nina, .. } = &stage;
    settles(&stage).await?;
    let due = due_in(nina).await?.context("not due")?;
    ensure!((26 * 60..=33 * 60).contains(&due), "{due}");

    // Busy, with a hint and without; as a fault and inside of an answer.
    for kind in 0..2 {
        sandbox
            .fault("exchange", &json!({ "kind": "throttle", "ms": 1_200_000 }))
            .await?;
        let (ended, said) = session(&stage).await?;
        let due = due_in(nina).await?.context("not due")?;
        ensure!(
            ended == "failed" && (1170..=1330).contains(&due),
            "{kind}: {ended} {due}: {said}"
        );
        ensure!(nina.connection().await?["rejections"] == 0);
        sandbox.heal().await?;
        settles(&stage).await?;
    }
    sandbox
        .fault(
            "exchange",
            &json!({ "kind": "status", "code": 503, "retry_after_s": 900 }),
        )
        .await?;
    session(&stage).await?;
    let due = due_in(nina).await?.context("not due")?;
    ensure!((870..=1000).contains(&due), "{due}");
    sandbox.heal().await?;
    settles(&stage).await?;
    sandbox
        .fault("salesforce", &json!({ "kind": "throttle", "ms": 60_000 }))
        .await?;
    let (ended, said) = session(&stage).await?;
    let connection = nina.connection().await?;
    ensure!(
        ended == "failed" && connection["reason"] == "quota",
        "{ended} {}: {said}",
        connection["reason"]
    );
    ensure!(
        connection["state"] == "active" && due_in(nina).await?.is_some_and(|due| due >= 100),
        "{connection:#}"
    );
    sandbox.heal().await?;
    settles(&stage).await?;
    ensure!(nina.connection().await?["reason"].is_null());
    // Failures in a row wait longer and longer.
    sandbox.fault("salesforce", &json!({ "kind": "reset" })).await?;
    for (n, minutes) in [2, 4, 8].into_iter().enumerate() {
        session(&stage).await?;
        let due = due_in(nina).await?.context("not due")?;
        ensure!(
            (minutes * 60 - 30..=minutes * 66 + 5).contains(&due),
            "{n}: {due}"
        );
    }
    sandbox.heal().await?;
    settles(&stage).await?;

    // Cursors that nobody knows any more, with and without something new.
    let people = in_step(&stage).await?;
    for (n, operation) in [None, Some("GetEvents"), Some("SyncFolderItems")]
        .into_iter()
        .enumerate()
    {
        let surname = format!("Zeiger {n}");
        person_in_outlook(&stage, &surname, &json!({})).await?;
        let rule =
            json!({ "service": "exchange", "kind": "expired_cursor", "operation": operation, "times": 1 });
        sandbox.post("/faults", &rule).await?;
        session(&stage).await?;
        all_fired(&stage).await?;
        sandbox.heal().await?;
        settles(&stage).await?;
        one_there(&stage, &surname).await?;
    }
    for cursor in [
        "'{\"v\":1,\"mine\":true,\"watermark\":null,\"polled\":0,\"round\":null}'",
        "'nonsense'",
        "NULL",
    ] {
        let surname = format!("Marke {}", cursor.len());
        person_in_crm(&stage, &surname).await?;
        sql(&stage, &format!("UPDATE connections SET crm_cursor = {cursor}")).await?;
        session(&stage).await?;
        settles(&stage).await?;
        one_here(&stage, &surname).await?;
    }
    sql(&stage, "UPDATE connections SET mailbox_cursor = 'nonsense'").await?;
    session(&stage).await?;
    settles(&stage).await?;
    let now = in_step(&stage).await?;
    ensure!(now == people + 6, "{people} became {now}");
    ensure!(
        sandbox
            .mailbox_contacts(&nina.user)
            .await?
            .iter()
            .all(|c| c["folder"] != "Deleted Items")
    );

    // Access tokens end; refresh tokens rotate.
    let of_user = format!("/salesforce/users/{}", nina.user.salesforce_username);
    let refreshes = async || -> Result<u64> {
        sandbox.get("/counters").await?["salesforce"]["refreshes"]
            .as_u64()
            .context("no count")
    };
    for round in 0..3 {
        let before = refreshes().await?;
        sandbox
            .post(&format!("{of_user}/expire_access"), &json!({}))
            .await?;
        settles(&stage).await?;
        ensure!(
            refreshes().await? == before + 1,
            "{round}: {} refreshes",
            refreshes().await? - before
        );
    }
    // A refresh that comes to nothing is tried again; it ends nobody's sign-in.
    for kind in [
        json!({ "kind": "status", "code": 503 }),
        json!({ "kind": "timeout_before", "ms": 50 }),
        json!({ "kind": "reset" }),
    ] {
        sandbox
            .post(&format!("{of_user}/expire_access"), &json!({}))
            .await?;
        let mut rule = kind.clone();
        rule["operation"] = json!("token");
        sandbox.fault("login", &rule).await?;
        let (ended, said) = session(&stage).await?;
        ensure!(ended == "failed", "{kind}: {ended} {said}");
        ensure!(nina.connection().await?["state"] == "active", "{kind}");
        sandbox.heal().await?;
        settles(&stage).await?;
    }
    let user = sandbox.get(&of_user).await?;
    ensure!(user["grants"].as_array().is_some_and(|g| g.len() == 1), "{user}");
    // The running server goes on with what the command line has stored.
    let newest = nina.connection().await?["sessions"][0]["id"].clone();
    sql(&stage, "UPDATE connections SET due_at = 1").await?;
    nina.until("a session of the server", |c| {
        c["sessions"][0]["id"] != newest && c["progress"].is_null() && c["sessions"][0]["outcome"] == "done"
    })
    .await?;
    ensure!(in_step(&stage).await? == people + 6);
    Ok(())
}

#[tokio::test]
async fn a_grant_that_was_revoked_and_a_password_that_was_changed_ask_the_user() -> Result<()> {
    let stage = Stage::synced(&FEW, &Options::default()).await?;
    let Stage {
        sandbox,
        tandem,
        nina,
        ..
    } = &stage;
    let of_user = format!("/salesforce/users/{}", nina.user.salesforce_username);

    // Salesforce: certain at once. A sign-in, and it goes on where it was.
    sandbox.post(&format!("{of_user}/revoke_all"), &json!({})).await?;
    person_in_outlook(&stage, "Wartend", &json!({})).await?;
    let (ended, _) = session(&stage).await?;
    let connection = nina.connection().await?;
    ensure!(
        ended == "sign_in_ended" && connection["state"] == "needs_activation",
        "{ended} {connection:#}"
    );
    ensure!(
        connection["reason"] == "salesforce_sign_in_ended" && connection["next_due"].is_null(),
        "{connection:#}"
    );
    let answer = nina.call("sync_now", &[]).await?;
    ensure!(
        answer.status == StatusCode::CONFLICT,
        "{} {}",
        answer.status,
        answer.text()
    );
    let again = Person::sign_in(tandem, sandbox, &nina.user).await?;
    again
        .until("the sync after the sign-in", |c| {
            c["state"] == "active" && c["progress"].is_null() && c["sessions"][0]["outcome"] == "done"
        })
        .await?;
    one_there(&stage, "Wartend").await?;
    let user = sandbox.get(&of_user).await?;
    ensure!(user["grants"].as_array().is_some_and(|g| g.len() == 1), "{user}");
    stage.idle().await?;

    // Exchange: a changed password is one failed logon per session, and no more.
    let of_mailbox = format!("/exchange/mailboxes/{}", nina.user.mailbox);
    let failed = async || -> Result<u64> {
        sandbox.get(&of_mailbox).await?["failed_logons"]
            .as_u64()
            .context("no count")
    };
    sandbox
        .put(&of_mailbox, &json!({ "password": "another one" }))
        .await?;
    let since = stage.mark().await?;
    let (ended, _) = session(&stage).await?;
    ensure!(
        ended == "rejected" && failed().await? == 1,
        "{ended} {}",
        failed().await?
    );
    let entries = sandbox.requests_since(since).await?;
    let asked = entries.iter().filter(|e| e["service"] == "exchange").count();
    ensure!(
        asked == 1,
        "{asked} requests with a password that was refused: {entries:?}"
    );
    let connection = nina.connection().await?;
    ensure!(
        connection["state"] == "active" && connection["reason"] == "mail_server_refused",
        "{connection:#}"
    );
    ensure!(connection["rejections"] == 1, "{connection:#}");
    // *Sync now* asks for the password; it does not send the old one.
    let since = stage.mark().await?;
    let view = nina.order("sync_now", &[]).await?;
    ensure!(view["connection"]["ask_activation"] == true, "{view:#}");
    // There is nothing to wait for: a worker that had been woken would have asked by then.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let entries = sandbox.requests_since(since).await?;
    ensure!(entries.is_empty() && failed().await? == 1, "{entries:?}");
    sandbox
        .put(&of_mailbox, &json!({ "password": nina.user.exchange_password }))
        .await?;

    // Six in a row, each later than the one before. (The first was above; this kind does not lock the account.)
    sandbox
        .fault("exchange", &json!({ "kind": "credentials_wrong" }))
        .await?;
    let mut waited = vec![due_in(nina).await?.context("not due")?];
    for n in 2..=6 {
        let (ended, said) = session(&stage).await?;
        ensure!(ended == "rejected", "{n}: {ended} {said}");
        let connection = nina.connection().await?;
        ensure!(connection["rejections"] == n, "{n}: {connection:#}");
        if n < 6 {
            ensure!(
                connection["state"] == "active" && connection["ask_activation"] == false,
                "{n}: {connection:#}"
            );
            waited.push(due_in(nina).await?.context("not due")?);
        } else {
            ensure!(
                connection["state"] == "needs_activation" && connection["ask_activation"] == true,
                "{connection:#}"
            );
            ensure!(connection["next_due"].is_null(), "{connection:#}");
        }
    }
    for (seconds, minutes) in waited.iter().zip([30, 60, 120, 240, 480]) {
        ensure!((minutes * 60 - 30..=minutes * 60).contains(seconds), "{waited:?}");
    }
    // A network that fails in between counts for nothing; the right password sets all to rights.
    sandbox.heal().await?;
    person_in_outlook(&stage, "Danach", &json!({})).await?;
    nina.connect_well().await?;
    nina.until("the sync after the activation", |c| {
        c["state"] == "active"
            && c["rejections"] == 0
            && c["progress"].is_null()
            && c["sessions"][0]["outcome"] == "done"
    })
    .await?;
    one_there(&stage, "Danach").await?;
    in_step(&stage).await?;
    Ok(())
}

#[tokio::test]
async fn too_much_at_once_stops_and_waits_for_a_word() -> Result<()> {
    let stage = Stage::synced(&bare("80", "0"), &Options::default()).await?;
    let Stage { sandbox, nina, .. } = &stage;
    settles(&stage).await?;
    let links = nina.connection().await?["links"].as_u64().context("no links")?;
    ensure!(links >= 80, "{links}");
    let here = async || -> Result<usize> {
        let all = sandbox.mailbox_contacts(&nina.user).await?;
        Ok(all.iter().filter(|c| c["folder"] != "Deleted Items").count())
    };

    // A side that is suddenly empty, by mistake: nothing is believed of it.
    let live = async || -> Result<usize> {
        let records = sandbox.records("Contact", &nina.user).await?;
        Ok(records.iter().filter(|r| r["IsDeleted"] != true).count())
    };
    let records = live().await?;
    for (service, operation) in [("salesforce", "queryAll"), ("exchange", "SyncFolderItems")] {
        sql(&stage, "UPDATE connections SET crm_cursor = NULL").await?;
        let surname = format!("Anlass {operation}");
        person_in_outlook(&stage, &surname, &json!({})).await?;
        let rule = json!({ "service": service, "kind": "empty", "operation": operation, "times": 1 });
        sandbox.post("/faults", &rule).await?;
        let (ended, said) = session(&stage).await?;
        all_fired(&stage).await?;
        let connection = nina.connection().await?;
        println!("{service} suddenly empty: {ended}, brake {}", connection["brake"]);
        ensure!(live().await? >= records, "{ended}: {said}");
        let deleted = sandbox
            .mailbox_contacts(&nina.user)
            .await?
            .iter()
            .filter(|c| c["folder"] == "Deleted Items")
            .count();
        ensure!(deleted == 0, "{deleted} deleted: {ended}: {said}");
        if connection["reason"] == "stopped_by_brake" {
            ensure!(connection["brake"]["side_empty"] == true, "{connection:#}");
            nina.order("release", &[]).await?;
        }
        settles(&stage).await?;
        one_there(&stage, &surname).await?;
        in_step(&stage).await?;
    }

    // Many deletes in Salesforce: nothing is done, and it says what would be.
    let mine: Vec<String> = sandbox
        .records("Contact", &nina.user)
        .await?
        .iter()
        .filter(|r| r["OwnerId"] == nina.user.salesforce_user_id.as_str() && r["IsDeleted"] != true)
        .map(id_of)
        .collect::<Result<_>>()?;
    for id in &mine[..20] {
        sandbox
            .delete(&format!(
                "/salesforce/records/Contact/{id}?as={}",
                nina.user.salesforce_username
            ))
            .await?;
    }
    settles(&stage).await?;
    let people = here().await?;
    ensure!(
        people + 20 >= usize::try_from(links)?,
        "twenty are not too many: {people}"
    );
    for id in &mine[20..60] {
        sandbox
            .delete(&format!(
                "/salesforce/records/Contact/{id}?as={}",
                nina.user.salesforce_username
            ))
            .await?;
    }
    let stopped = async || -> Result<()> {
        let (ended, said) = session(&stage).await?;
        let connection = nina.connection().await?;
        ensure!(
            ended == "stopped_by_brake" && connection["reason"] == "stopped_by_brake",
            "{ended} {said}"
        );
        ensure!(
            connection["next_due"].is_null() && connection["state"] == "active",
            "{connection:#}"
        );
        ensure!(
            connection["brake"]["counts"][0]["mailbox"]["deleted"] == 40,
            "{:#}",
            connection["brake"]
        );
        ensure!(here().await? == people, "the brake did not hold");
        Ok(())
    };
    stopped().await?;
    // By hand it stops again; *Sync now* does not go round it.
    stopped().await?;
    let answer = nina.call("sync_now", &[]).await?;
    ensure!(
        answer.status == StatusCode::CONFLICT,
        "{} {}",
        answer.status,
        answer.text()
    );
    // Cancel: a pause; started again it stops again.
    nina.order("hold", &[]).await?;
    let connection = nina.connection().await?;
    ensure!(
        connection["state"] == "paused" && connection["next_due"].is_null(),
        "{connection:#}"
    );
    nina.order("start", &[]).await?;
    nina.until("the brake once more", |c| {
        c["progress"].is_null()
            && c["reason"] == "stopped_by_brake"
            && c["sessions"][0]["outcome"] == "stopped_by_brake"
    })
    .await?;
    ensure!(here().await? == people);
    // Go on: this round only.
    nina.order("release", &[]).await?;
    nina.until("the end of what was let through", |c| {
        c["progress"].is_null() && c["brake"].is_null() && c["sessions"][0]["outcome"] == "done"
    })
    .await?;
    ensure!(here().await? == people - 40, "{} of {people}", here().await?);
    stage.idle().await?;
    let gone = sandbox
        .mailbox_contacts(&nina.user)
        .await?
        .iter()
        .filter(|c| c["folder"] == "Deleted Items")
        .count();
    ensure!(gone == 60, "{gone} in Deleted Items: nothing is deleted for good");

    // The mailbox is empty in truth: that is asked about, too, and by itself deletes nothing over there.
    let records = live().await?;
    sandbox.delete(&format!("{}/all", stage.contacts_path())).await?;
    let (ended, said) = session(&stage).await?;
    let connection = nina.connection().await?;
    ensure!(
        ended == "stopped_by_brake" && connection["brake"]["side_empty"] == true,
        "{ended} {connection:#} {said}"
    );
    ensure!(live().await? == records, "{said}");
    nina.order("release", &[]).await?;
    nina.until("the end of what was let through", |c| {
        c["progress"].is_null() && c["brake"].is_null() && c["sessions"][0]["outcome"] == "done"
    })
    .await?;
    settles(&stage).await?;
    ensure!(live().await? == records && here().await? == 0);
    ensure!(!issues(&stage, "deleted_in_mailbox").await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn past_the_limit_of_contacts_nothing_more_comes_down() -> Result<()> {
    let stage = Stage::set(
        &["--contacts", "12", "--mailbox-contacts", "0"],
        &Options::default(),
    )
    .await?;
    let limit =
        |n: u32| format!("UPDATE connections SET settings = json_set(settings, '$.contact_limit', {n})");
    sql(&stage, &limit(7)).await?;
    stage.nina.connect_well().await?;
    stage.nina.first_sync().await?;
    settles(&stage).await?;
    let (here, there) = both_sides(&stage).await?;
    ensure!(
        here.len() == 7 && there.len() >= 12,
        "{} {}",
        here.len(),
        there.len()
    );
    ensure!(issues(&stage, "over_limit").await?.len() == there.len() - 7);
    // What goes up is not held back by what comes down; what is there already goes on.
    let (email, record) = there
        .iter()
        .find(|(email, _)| here.contains_key(*email))
        .context("none")?;
    edit_in_crm(&stage, &id_of(record)?, &json!({ "Department": "Bau" })).await?;
    settles(&stage).await?;
    let (here, _) = both_sides(&stage).await?;
    ensure!(here[email]["fields"]["Department"] == "Bau");
    // More room: the rest comes.
    sql(&stage, &limit(100)).await?;
    sql(&stage, "UPDATE connections SET crm_cursor = NULL").await?;
    settles(&stage).await?;
    let (here, there) = both_sides(&stage).await?;
    ensure!(here.len() == there.len(), "{} {}", here.len(), there.len());
    ensure!(issues(&stage, "over_limit").await?.is_empty());
    Ok(())
}

/// A file system of its own, with an end that is soon reached.
struct Disk {
    at: PathBuf,
}

impl Disk {
    /// `None`, with the reason printed, where this user may not mount.
    fn of(megabytes: u32, at: &Path) -> Option<Self> {
        let size = format!("size={megabytes}m,mode=0700");
        match Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(at)
            .output()
        {
            Ok(done) if done.status.success() => Some(Self { at: at.to_owned() }),
            Ok(done) => {
                eprintln!(
                    "skipped, no disk of its own: {}",
                    String::from_utf8_lossy(&done.stderr)
                );
                None
            }
            Err(error) => {
                eprintln!("skipped, no disk of its own: {error}");
                None
            }
        }
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }

    /// Not one byte more.
    fn fill(&self) -> Result<()> {
        let mut file = File::create(self.ballast())?;
        for size in [4096, 1] {
            while file.write(&vec![0; size]).is_ok_and(|n| n > 0) {}
        }
        Ok(())
    }

    fn make_room(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.ballast())?)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: the server may still have its database open.
        let done = Command::new("umount").arg("-l").arg(&self.at).status();
        if !done.is_ok_and(|status| status.success()) {
            eprintln!("{} stays mounted", self.at.display());
        }
    }
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_is_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let Some(disk) = Disk::of(8, folder.path()) else {
        return Ok(());
    };
    let database = Some(format!("sqlite:{}", disk.at.join("tandem.db").display()));
    let stage = Stage::synced(
        &["--contacts", "10", "--mailbox-contacts", "0"],
        &Options {
            database,
            ..Options::default()
        },
    )
    .await?;
    person_in_outlook(&stage, "Vorher", &json!({})).await?;
    settles(&stage).await?;

    disk.fill()?;
    person_in_outlook(&stage, "Während", &json!({})).await?;
    person_in_crm(&stage, "Währenddessen").await?;
    let output = stage
        .tandem
        .run(&["session", "run", "--connection", &stage.connection])
        .await?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    ensure!(
        !output.status.success(),
        "a session without a place for its notes succeeded: {said}"
    );
    ensure!(said.contains("full"), "it does not say why: {said}");
    // What wants to be stored is refused, and the server lives on.
    let answer = stage.nina.call("pause", &[]).await?;
    ensure!(
        answer.status == StatusCode::SERVICE_UNAVAILABLE,
        "{} {}",
        answer.status,
        answer.text()
    );
    ensure!(stage.nina.connection().await?["state"] == "active");
    let again = stage.nina.connect("wrong", "").await?;
    ensure!(
        again.status == StatusCode::SERVICE_UNAVAILABLE,
        "{} {}",
        again.status,
        again.text()
    );
    let counters = stage.sandbox.get("/counters").await?;
    ensure!(
        counters["exchange"]["failed_logons"]
            .as_object()
            .is_some_and(serde_json::Map::is_empty),
        "a trial that could not be counted was made"
    );
    ensure!(stage.tandem.log().contains("full"), "the log does not say why");

    disk.make_room()?;
    // The session that could not be closed holds the connection until its time is over; it is short in this test.
    settles(&stage).await?;
    for surname in ["Vorher", "Während", "Währenddessen"] {
        one_here(&stage, surname).await?;
        one_there(&stage, surname).await?;
    }
    stage.nina.order("pause", &[]).await?;
    in_step(&stage).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_and_comes_back() -> Result<()> {
    let Some(database) = tandem_store::testing::private_postgres().await else {
        return Ok(());
    };
    let options = Options {
        database: Some(database.url.clone()),
        // A session that was cut off is taken over soon.
        variables: vec![("TANDEM_WORKER_LEASE_SECONDS".to_owned(), "5".to_owned())],
        ..Options::default()
    };
    let mut stage = Stage::synced(&["--contacts", "10", "--mailbox-contacts", "0"], &options).await?;
    settles(&stage).await?;
    let health = stage.tandem.url.join("healthz")?;
    let alive = async || Ok::<_, anyhow::Error>(tandem_tests::http::get(&health).await?.status);
    ensure!(alive().await? == StatusCode::OK);

    // In the middle of a session: the answer to a write comes slowly.
    for n in 0..4 {
        person_in_outlook(&stage, &format!("Mitten {n}"), &json!({})).await?;
        person_in_crm(&stage, &format!("Drin {n}")).await?;
    }
    stage
        .sandbox
        .fault(
            "exchange",
            &json!({ "kind": "slow_body", "operation": "CreateItem", "ms_per_chunk": 60 }),
        )
        .await?;
    let since = stage.mark().await?;
    stage.nina.order("sync_now", &[]).await?;
    let mut every = tokio::time::interval(Duration::from_millis(20));
    let begun = async {
        loop {
            every.tick().await;
            if stage
                .sandbox
                .requests_since(since)
                .await?
                .iter()
                .any(|e| e["operation"] == "CreateItem")
            {
                return Ok::<_, anyhow::Error>(());
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), begun)
        .await
        .with_context(|| format!("no session began to write: {}", stage.tandem.log()))??;
    database.cluster.stop();
    stage
        .tandem
        .until_ready("that the database is away", |status, _| {
            status == StatusCode::SERVICE_UNAVAILABLE
        })
        .await?;
    ensure!(alive().await? == StatusCode::OK, "nobody is to start it anew");
    let answer = stage.nina.call("pane", &[]).await?;
    ensure!(
        answer.status == StatusCode::SERVICE_UNAVAILABLE,
        "{} {}",
        answer.status,
        answer.text()
    );
    let answer = stage.nina.connect("wrong", "").await?;
    ensure!(
        answer.status == StatusCode::SERVICE_UNAVAILABLE,
        "{} {}",
        answer.status,
        answer.text()
    );
    let output = stage
        .tandem
        .run(&["session", "run", "--connection", &stage.connection])
        .await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success() && said.contains("database"), "{said}");

    database.cluster.start().map_err(anyhow::Error::msg)?;
    stage
        .tandem
        .until_ready("that the database is back", |status, _| status == StatusCode::OK)
        .await?;
    stage.sandbox.heal().await?;
    stage
        .nina
        .until("the session that takes over", |c| {
            c["state"] == "active"
                && c["progress"].is_null()
                && c["sessions"][0]["outcome"] == "done"
                && c["next_due"].as_i64().unwrap_or(0)
                    > c["sessions"][0]["ended"].as_i64().unwrap_or(i64::MAX)
        })
        .await?;
    settles(&stage).await?;
    for n in 0..4 {
        for surname in [format!("Mitten {n}"), format!("Drin {n}")] {
            one_here(&stage, &surname).await?;
            one_there(&stage, &surname).await?;
        }
    }
    in_step(&stage).await?;
    ensure!(stage.tandem.stop().await?.success());
    Ok(())
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_finished_by_the_next_session() -> Result<()> {
    let stage = Stage::synced(&FEW, &Options::default()).await?;
    person_in_outlook(&stage, "Verschollen", &json!({})).await?;
    // The third composite of this session is the one that writes.
    let rule = json!({ "service": "salesforce", "operation": "composite", "kind": "cut_body", "times": 1, "skip": 2 });
    stage.sandbox.post("/faults", &rule).await?;
    session(&stage).await?;
    stage.sandbox.heal().await?;
    settles(&stage).await?;
    let item = one_here(&stage, "Verschollen").await?;
    ensure!(item["categories"] == json!(["Salesforce"]), "{item}");
    Ok(())
}

#[tokio::test]
async fn a_refusal_is_closed_when_the_change_is_taken_back() -> Result<()> {
    let stage = Stage::synced(&FEW, &Options::default()).await?;
    let id = person_in_outlook(&stage, "Rückzug", &json!({ "JobTitle": "Koch" })).await?;
    settles(&stage).await?;
    let rule = json!({ "object": "Contact", "field": "Title", "contains": "Baron", "message": "No." });
    stage
        .sandbox
        .put("/salesforce/org", &json!({ "validation_rule": rule }))
        .await?;
    edit_in_outlook(&stage, &id, &json!({ "fields": { "JobTitle": "Baron" } })).await?;
    settles(&stage).await?;
    one_issue(&stage, "refused").await?;
    edit_in_outlook(&stage, &id, &json!({ "fields": { "JobTitle": "Koch" } })).await?;
    settles(&stage).await?;
    ensure!(
        issues(&stage, "refused").await?.is_empty(),
        "{:#?}",
        issues(&stage, "refused").await?
    );
    Ok(())
}

#[tokio::test]
async fn one_refused_field_does_not_keep_the_others_back() -> Result<()> {
    let stage = Stage::synced(&FEW, &Options::default()).await?;
    let id = person_in_outlook(&stage, "Teilweise", &json!({ "JobTitle": "Koch" })).await?;
    settles(&stage).await?;
    let rule = json!({ "object": "Contact", "field": "Title", "contains": "Baron", "message": "No." });
    stage
        .sandbox
        .put("/salesforce/org", &json!({ "validation_rule": rule }))
        .await?;
    let both = json!({ "fields": { "JobTitle": "Baron", "MobilePhone": "+49 1" } });
    edit_in_outlook(&stage, &id, &both).await?;
    settles(&stage).await?;
    let there = &stage.in_salesforce("Teilweise").await?[0];
    ensure!(
        there["MobilePhone"] == "+49 1" && there["Title"] == "Koch",
        "{there}"
    );
    one_issue(&stage, "refused").await?;
    let here = &stage.in_mailbox("Teilweise").await?[0];
    ensure!(here["fields"]["JobTitle"] == "Baron", "{here}");
    // The rule goes, the next change of the contact carries both.
    stage
        .sandbox
        .put("/salesforce/org", &json!({ "validation_rule": null }))
        .await?;
    edit_in_outlook(&stage, &id, &json!({ "fields": { "HomePhone": "2" } })).await?;
    settles(&stage).await?;
    let there = &stage.in_salesforce("Teilweise").await?[0];
    ensure!(there["Title"] == "Baron" && there["HomePhone"] == "2", "{there}");
    ensure!(issues(&stage, "refused").await?.is_empty(), "still told");
    Ok(())
}

#[tokio::test]
async fn a_refusal_is_noted_although_the_request_for_the_rest_fails() -> Result<()> {
    let stage = Stage::synced(&FEW, &Options::default()).await?;
    let id = person_in_outlook(&stage, "Unterbrochen", &json!({ "JobTitle": "Koch" })).await?;
    settles(&stage).await?;
    let rule = json!({ "object": "Contact", "field": "Title", "contains": "Baron", "message": "No." });
    stage
        .sandbox
        .put("/salesforce/org", &json!({ "validation_rule": rule }))
        .await?;
    let both = json!({ "fields": { "JobTitle": "Baron", "MobilePhone": "+49 1" } });
    edit_in_outlook(&stage, &id, &both).await?;
    // The second request that writes is turned away before it does anything.
    let updates = |log: &[Value]| log.iter().filter(|e| e["operation"] == "composite").count();
    let since = stage.mark().await?;
    stage
        .tandem
        .run(&["session", "run", "--dry-run", "--connection", &stage.connection])
        .await?;
    let read = updates(&stage.sandbox.requests_since(since).await?);
    let turned_away = json!({ "service": "salesforce", "operation": "composite", "kind": "throttle",
        "ms": 1000, "times": 1, "skip": read + 1 });
    stage.sandbox.post("/faults", &turned_away).await?;
    session(&stage).await?;
    all_fired(&stage).await?;
    one_issue(&stage, "refused").await?;
    stage.sandbox.heal().await?;
    settles(&stage).await?;
    let there = &stage.in_salesforce("Unterbrochen").await?[0];
    ensure!(
        there["MobilePhone"] == "+49 1" && there["Title"] == "Koch",
        "{there}"
    );
    Ok(())
}
