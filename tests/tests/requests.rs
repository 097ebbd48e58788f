//! What the sync costs: requests of an idle session, of the daily full round, and of a thousand changes.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tandem_tests::desk::{BARE, Desk, at, day};
use tandem_tests::server::Options;
use tandem_tests::stage::Stage;

/// Changes of each kind.
const EACH: usize = 250;
/// How many times the lower bound may be asked.
const ALLOWED: f64 = 1.6;
/// The same, of a mailbox in Office 365.
const ALLOWED_IN_THE_CLOUD: f64 = 1.03;

/// How often each operation was asked for, by service.
type Asked = BTreeMap<String, BTreeMap<String, usize>>;

fn counted(entries: &[Value]) -> Asked {
    let mut all = Asked::new();
    for entry in entries {
        let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        *all.entry(text("service"))
            .or_default()
            .entry(text("operation"))
            .or_default() += 1;
    }
    all
}

fn sum(asked: &Asked, service: &str) -> usize {
    asked.get(service).map_or(0, |all| all.values().sum())
}

/// A session of the server itself, whose caches are warm; what it asked.
async fn in_the_server(stage: &Stage) -> Result<Asked> {
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
    Ok(counted(&stage.sandbox.requests_since(since).await?))
}

/// A mailbox in which all four kinds are in use.
#[tokio::test]
async fn an_idle_session_asks_each_side_once_whatever_is_synced() -> Result<()> {
    // Without meetings: for ten minutes after one was changed in Salesforce it is read again, and who is invited to it
    // is a question of its own.
    let arguments = ["--contacts", "40", "--crm-events", "0", "--mailbox-events", "0"];
    let stage = Stage::synced(&arguments, &Options::default()).await?;
    let nina = Desk::nina(&stage);
    nina.make("events", json!({ "subject": "One", "start": at(1, "09:00"), "end": at(1, "10:00"), "categories": ["Salesforce"] }))
        .await?;
    nina.make(
        "events",
        json!({ "subject": "Series", "start": at(1, "11:00"), "end": at(1, "12:00"), "categories": ["Salesforce"],
            "recurrence": { "pattern": "weekly", "interval": 1, "days": ["Monday"] } }),
    )
    .await?;
    nina.make("tasks", json!({ "subject": "One", "folder": "Salesforce Tasks" }))
        .await?;
    nina.make(
        "messages",
        json!({ "subject": "One", "folder": "Salesforce Emails", "text": "x",
        "from": "a@elsewhere.example", "to": [nina.address()], "message_id": "<one@elsewhere.example>" }),
    )
    .await?;
    let plain = json!({ "Subject": "There", "StartDateTime": at(2, "09:00"), "EndDateTime": at(2, "10:00") });
    nina.create("Event", plain).await?;
    nina.settles().await?;
    nina.item("events", "There").await?;
    let objects = ["Event", "Task", "EmailMessage"];
    for object in objects {
        ensure!(!nina.records(object, "One").await?.is_empty(), "no {object}");
    }
    let idle = in_the_server(&stage).await?;
    println!("idle, all four kinds: {idle:?}");
    ensure!(
        idle.get("exchange")
            .is_some_and(|all| all.len() == 1 && all.get("GetEvents") == Some(&1)),
        "{idle:?}"
    );
    ensure!(sum(&idle, "salesforce") == 1, "{idle:?}");

    // Once a day everything is listed; here by a process that knows nothing of the organisation yet.
    nina.choose("interval_minutes", "31").await?;
    let since = stage.mark().await?;
    let (outcome, said) = nina.session().await?;
    ensure!(outcome == "done", "{said}");
    let full = counted(&stage.sandbox.requests_since(since).await?);
    println!(
        "daily full round: Exchange {} {:?}, Salesforce {} {:?}",
        sum(&full, "exchange"),
        full.get("exchange"),
        sum(&full, "salesforce"),
        full.get("salesforce")
    );
    ensure!(
        sum(&full, "exchange") > 3 && sum(&full, "exchange") <= 30,
        "{full:?}"
    );
    ensure!(sum(&full, "salesforce") <= 15, "{full:?}");
    nina.rests().await?;
    stage.sandbox.nobody_got_mail().await
}

fn batches(items: usize, batch: usize) -> usize {
    items.div_ceil(batch)
}

/// 125 of each of contacts, events and tasks made on either side, and 250 mails.
async fn a_thousand_changes(stage: &Stage) -> Result<Asked> {
    let nina = Desk::nina(stage);
    nina.choose("brake.count", "5000").await?;
    nina.choose("brake.hard", "5000").await?;
    nina.settles().await?;
    in_the_server(stage).await?;
    let half = EACH / 2;
    let contacts = format!("/exchange/mailboxes/{}/contacts", nina.address());
    for n in 0..half {
        let (hour, minute) = (7 + n % 10, (n / 10) * 4 % 60);
        let on = 2 + i64::try_from(n % 20)?;
        let (start, end) = (at(on, &format!("{hour:02}:{minute:02}")), at(on, "19:00"));
        stage
            .sandbox
            .post(
                &contacts,
                &json!({ "folder": "Salesforce Contacts", "fields": { "Surname": format!("Up{n}"),
                "EmailAddress1": format!("up{n}@bulk.example") } }),
            )
            .await?;
        nina.create(
            "Contact",
            json!({ "LastName": format!("Down{n}"), "Email": format!("down{n}@bulk.example") }),
        )
        .await?;
        nina.make(
            "events",
            json!({ "subject": format!("Up {n}"), "start": start, "end": end, "categories": ["Salesforce"] }),
        )
        .await?;
        nina.create(
            "Event",
            json!({ "Subject": format!("Down {n}"), "StartDateTime": start, "EndDateTime": end }),
        )
        .await?;
        nina.make(
            "tasks",
            json!({ "subject": format!("Up {n}"), "folder": "Salesforce Tasks" }),
        )
        .await?;
        nina.create(
            "Task",
            json!({ "Subject": format!("Down {n}"), "ActivityDate": day(3).to_string() }),
        )
        .await?;
    }
    for n in 0..EACH {
        nina.make(
            "messages",
            json!({ "subject": format!("Mail {n}"), "folder": "Salesforce Emails",
            "from": format!("up{}@bulk.example", n % half), "to": [nina.address()], "text": "Text",
            "message_id": format!("<bulk{n}@bulk.example>") }),
        )
        .await?;
    }
    let asked = in_the_server(stage).await?;
    for (object, name, wanted) in [
        ("Contact", "LastName", EACH),
        ("Event", "Subject", EACH),
        ("Task", "Subject", EACH),
        ("EmailMessage", "Subject", EACH),
    ] {
        let there = nina.all(object).await?;
        let bulk = |row: &&Value| {
            row[name].as_str().is_some_and(|text| {
                text.starts_with("Up") || text.starts_with("Down") || text.starts_with("Mail")
            }) && row["TaskSubtype"] != "Email"
        };
        let there = there.iter().filter(bulk).count();
        ensure!(there == wanted, "{object}: {there}");
    }
    for (kind, wanted) in [("events", EACH), ("tasks", EACH)] {
        let here = stage
            .sandbox
            .get(&format!("/exchange/mailboxes/{}/{kind}", nina.address()))
            .await?;
        let here = here.as_array().context("no list")?.len();
        ensure!(here == wanted, "{kind}: {here}");
    }
    nina.rests().await?;
    stage.sandbox.nobody_got_mail().await?;
    Ok(asked)
}

/// The least that Salesforce can be asked: 200 rows are written or read by one request, and 5 questions are asked.
fn least_of_salesforce() -> usize {
    let half = EACH / 2;
    let up = 3 * half + EACH;
    1 // what changed
        + batches(up, 200) // created
        + batches(up, 200) // read back
        + batches(2 * half + EACH, 200) // matches for what is new in the mailbox
        + batches(half, 200) // who the senders are
}

/// Fails where more was asked than is allowed; `least` of the mailbox.
fn compare(asked: &Asked, service: &str, least: usize, allowed: f64) -> Result<()> {
    let salesforce = least_of_salesforce();
    let (here, there) = (sum(asked, service), sum(asked, "salesforce"));
    println!(
        "1,000 mixed changes: {service} {here} requests (lower bound {least}) {:?}; Salesforce {there} (lower bound {salesforce}) {:?}",
        asked.get(service),
        asked.get("salesforce")
    );
    let ratio = f64::from(u32::try_from(here + there)?) / f64::from(u32::try_from(least + salesforce)?);
    println!(
        "together {} of {}: {ratio:.2} times",
        here + there,
        least + salesforce
    );
    ensure!(ratio <= allowed, "{ratio:.2} times the lower bound");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_mixed_changes() -> Result<()> {
    let stage = Stage::synced(&BARE, &Options::default()).await?;
    let asked = a_thousand_changes(&stage).await?;
    let half = EACH / 2;
    // The least that can be asked with batches of these sizes. A server tells 100 changes at once; 300 items are read by
    // one request, 100 written, each kind by itself; 10 mails are fetched with their content, for they may be large. What
    // is new in Salesforce may be here already: 60 contacts or tasks are looked for at once, all events in one view. What
    // was written is read back: only then it is known what the server made of it.
    let up = 3 * half + EACH;
    let exchange = batches(6 * half / 2 + 2 * EACH, 100) // GetEvents: of a mail its coming is told, too
        + 3 // SyncFolderItems of contacts, calendar, tasks
        + 3 * batches(half, 300) + batches(EACH, 300) // GetItem of what changed
        + 2 * batches(half, 60) + 1 // FindItem
        + 3 * batches(half, 100) // CreateItem
        + 3 * batches(half, 300) // GetItem, read back
        + batches(EACH, 10) // GetItem with the MIME content
        + batches(up, 100) // UpdateItem: category and key
        + 3 * batches(half, 300) + batches(EACH, 300); // GetItem, read back
    compare(&asked, "exchange", exchange, ALLOWED)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_mixed_changes_in_the_cloud() -> Result<()> {
    let stage = Stage::synced_in_the_cloud(&BARE, &Options::default()).await?;
    let asked = a_thousand_changes(&stage).await?;
    let half = EACH / 2;
    // The least that can be asked with batches of 20 and pages of 200. The content of a mail is bytes, and comes alone.
    // What is new in Salesforce may be here already: for so many, contacts and tasks are listed, events looked for in one
    // view of their days. An item that is changed is looked at before and after.
    let up = 3 * half + EACH;
    let graph = 1 // all deltas, and old mails that were marked
        + batches(EACH, 200) - 1 // the rest of the mails' delta
        + 3 * batches(half, 20) + batches(EACH, 20) // what changed
        + 3 * batches(half, 100) // whether it is here
        + 3 * batches(half, 20) // made
        + 3 * batches(half, 20) // read back
        + batches(EACH, 20) + EACH // sizes of mails, and their content
        + batches(up, 20) // looked at
        + batches(up, 20) // category and key
        + batches(half, 20) // a task's key is an extension
        + batches(up, 20); // read back
    compare(&asked, "graph", graph, ALLOWED_IN_THE_CLOUD)
}
