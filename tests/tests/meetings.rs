//! Meetings of colleagues and customers: one record per organisation, everybody's own answer, and never a mail.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tandem_tests::Person;
use tandem_tests::desk::{BARE, Desk, at, has, id_of, same_time, seconds};
use tandem_tests::server::Options;
use tandem_tests::stage::{Stage, encoded};

const MINE: &str = "Salesforce";

/// Nina connected; the colleague signed in, not connected.
async fn two(options: &Options) -> Result<(Stage, Person)> {
    let stage = Stage::synced(&BARE, options).await?;
    let user = stage.sandbox.info.users[1].clone();
    let tomas = Person::sign_in(&stage.tandem, &stage.sandbox, &user).await?;
    Ok((stage, tomas))
}

async fn connect(person: &Person) -> Result<()> {
    person.connect_well().await?;
    person.first_sync().await.map(drop)
}

/// A customer whom Salesforce knows: record and address.
async fn customer(nina: &Desk<'_>) -> Result<(String, String)> {
    let all = nina.all("Contact").await?;
    let known = all
        .iter()
        .find(|row| {
            row["OwnerId"] == nina.user_id() && row["Email"].is_string() && row["AccountId"].is_string()
        })
        .context("no customer")?;
    Ok((
        id_of(known)?,
        known["Email"].as_str().unwrap_or_default().to_owned(),
    ))
}

/// A meeting that Outlook sends to those who are invited.
fn meeting(subject: &str, day: i64, guests: &[&str]) -> Value {
    let guests: Vec<_> = guests
        .iter()
        .map(|address| json!({ "address": address }))
        .collect();
    json!({ "subject": subject, "start": at(day, "09:00"), "end": at(day, "10:00"), "body": "Agenda",
        "attendees": guests, "send": true })
}

async fn answer_of(nina: &Desk<'_>, event: &str, who: &str) -> Result<Option<String>> {
    let row = nina.invitation(event, who).await?;
    Ok(row.and_then(|row| row["Status"].as_str().map(str::to_owned)))
}

async fn one_record_for_both(options: Options) -> Result<()> {
    let (stage, person) = two(&options).await?;
    connect(&person).await?;
    let (nina, tomas) = (Desk::nina(&stage), Desk::of(&stage, &person).await?);
    let (contact, address) = customer(&nina).await?;

    let id = nina
        .make("events", meeting("Vertrag", 3, &[tomas.address(), &address]))
        .await?;
    stage.sandbox.outlook_has_sent().await?;
    // He answers, and his session comes first: it waits for the organizer's.
    let copy = id_of(&tomas.item("events", "Vertrag").await?)?;
    tomas.respond(&copy, "accept").await?;
    stage.sandbox.outlook_has_sent().await?;
    tomas.settles().await?;
    nina.gone("Event", "Vertrag").await?;
    nina.settles().await?;
    let row = nina.record("Event", "Vertrag").await?;
    let event = id_of(&row)?;
    ensure!(
        row["OwnerId"] == nina.user_id() && row["WhoId"] == contact.as_str(),
        "{row:#}"
    );
    ensure!(
        row["WhatId"].is_string(),
        "its account, or an open deal of it: {row:#}"
    );
    same_time(&nina.item("events", "Vertrag").await?, &row)?;
    ensure!(has(&nina.item("events", "Vertrag").await?, MINE));

    // His session follows: the same record, and nothing of it is written but his answer.
    stage.an_interval_passes().await?;
    tomas.settles().await?;
    nina.settles().await?;
    ensure!(id_of(&nina.record("Event", "Vertrag").await?)? == event);
    ensure!(answer_of(&nina, &event, tomas.user_id()).await?.as_deref() == Some("Accepted"));
    let his = tomas.item("events", "Vertrag").await?;
    ensure!(
        his["is_meeting"] == true && his["my_response"] == "Accept",
        "{his:#}"
    );
    tomas
        .edit(
            "events",
            &copy,
            json!({ "location": "nur bei mir", "subject": "Vertrag" }),
        )
        .await?;
    tomas.settles().await?;
    ensure!(nina.record("Event", "Vertrag").await?["Location"].is_null());

    // Answers travel: his, and the customer's.
    tomas.respond(&copy, "tentative").await?;
    let answered = json!({ "attendees": [{ "address": tomas.address(), "response": "Tentative" },
        { "address": address, "response": "Accept" }] });
    nina.edit("events", &id, answered).await?;
    stage.sandbox.outlook_has_sent().await?;
    nina.settles().await?;
    tomas.settles().await?;
    ensure!(
        answer_of(&nina, &event, tomas.user_id()).await?.as_deref() == Some("Uncertain"),
        "{:?}",
        answer_of(&nina, &event, tomas.user_id()).await?
    );
    if let Some(status) = answer_of(&nina, &event, &contact).await? {
        ensure!(status == "Accepted", "{status}");
    }

    // The organizer moves it: followed there; he is not written to by us.
    nina.edit(
        "events",
        &id,
        json!({ "start": at(4, "13:00"), "end": at(4, "14:00") }),
    )
    .await?;
    nina.settles().await?;
    tomas.settles().await?;
    nina.settles().await?;
    let row = nina.record("Event", "Vertrag").await?;
    ensure!(
        id_of(&row)? == event && seconds(&row["StartDateTime"])? == seconds(&json!(at(4, "13:00")))?,
        "{row:#}"
    );
    // What the owner changes in Salesforce comes to his own item, but never the text of a meeting.
    nina.update(
        "Event",
        &event,
        json!({ "Location": "Raum 9", "Description": "Notizen dort" }),
    )
    .await?;
    nina.edit("events", &id, json!({ "body": "Agenda 2" })).await?;
    nina.settles().await?;
    let (item, row) = (
        nina.item("events", "Vertrag").await?,
        nina.record("Event", "Vertrag").await?,
    );
    ensure!(item["location"] == "Raum 9", "{item:#}");
    ensure!(
        item["body"]
            .as_str()
            .is_some_and(|text| text.trim() == "Agenda 2")
            && row["Description"] == "Notizen dort",
        "the text goes up once: {item:#} {row:#}"
    );
    stage.sandbox.nobody_got_mail().await?;

    // He deletes his copy: declined, the record stays, and so does hers.
    tomas.discard("events", &copy).await?;
    tomas.settles().await?;
    nina.settles().await?;
    ensure!(answer_of(&nina, &event, tomas.user_id()).await?.as_deref() == Some("Declined"));
    ensure!(id_of(&nina.record("Event", "Vertrag").await?)? == event);
    nina.item("events", "Vertrag").await?;
    ensure!(
        tomas.found("events", "Vertrag").await?.is_empty(),
        "it does not come back to him"
    );

    // She cancels it.
    let path = format!(
        "/exchange/mailboxes/{}/events?send=true&id={}",
        nina.address(),
        encoded(&id)
    );
    stage.sandbox.delete(&path).await?;
    stage.sandbox.outlook_has_sent().await?;
    nina.settles().await?;
    tomas.settles().await?;
    nina.gone("Event", "Vertrag").await?;
    nina.no_issues().await?;
    stage.sandbox.nobody_got_mail().await
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_one_record_for_both() -> Result<()> {
    one_record_for_both(Options::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_one_record_for_both() -> Result<()> {
    let Some(database) = tandem_store::testing::postgres().await else {
        return Ok(());
    };
    one_record_for_both(Options {
        database: Some(database.url.clone()),
        ..Options::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_without_a_connected_organizer_saves_it_himself() -> Result<()> {
    let (stage, person) = two(&Options::default()).await?;
    let nina = Desk::nina(&stage);
    let (_, address) = customer(&nina).await?;
    // Tomás organises, and is not connected.
    let his_address = person.user.mailbox.clone();
    let path = format!("/exchange/mailboxes/{his_address}/events");
    let invited = meeting("Messebau", 5, &[nina.address(), &address]);
    stage.sandbox.post(&path, &invited).await?;
    let mine = id_of(&nina.item("events", "Messebau").await?)?;
    nina.settles().await?;
    nina.gone("Event", "Messebau").await?;
    nina.respond(&mine, "accept").await?;
    stage.sandbox.outlook_has_sent().await?;
    nina.settles().await?;
    let row = nina.record("Event", "Messebau").await?;
    ensure!(
        row["OwnerId"] == nina.user_id(),
        "the one who saved it first: {row:#}"
    );

    // Later he connects: his own meeting is there already, once.
    connect(&person).await?;
    let tomas = Desk::of(&stage, &person).await?;
    tomas.settles().await?;
    nina.settles().await?;
    stage.an_interval_passes().await?;
    tomas.settles().await?;
    ensure!(id_of(&nina.record("Event", "Messebau").await?)? == id_of(&row)?);
    ensure!(tomas.found("events", "Messebau").await?.len() == 1);
    ensure!(nina.found("events", "Messebau").await?.len() == 1);

    // The organizer cancels: the item goes on lying where it is without the category, nothing is made again.
    let his = id_of(&tomas.item("events", "Messebau").await?)?;
    let path = format!(
        "/exchange/mailboxes/{his_address}/events?send=true&id={}",
        encoded(&his)
    );
    stage.sandbox.delete(&path).await?;
    stage.sandbox.outlook_has_sent().await?;
    tomas.settles().await?;
    nina.settles().await?;
    tomas.settles().await?;
    nina.gone("Event", "Messebau").await?;
    let left = nina.found("events", "Messebau").await?;
    ensure!(left.iter().all(|item| !has(item, MINE)), "{left:#?}");
    stage.sandbox.nobody_got_mail().await
}

#[tokio::test]
async fn only_what_concerns_customers_is_saved_by_itself() -> Result<()> {
    let stage = Stage::synced(&BARE, &Options::default()).await?;
    let nina = Desk::nina(&stage);
    let (_, address) = customer(&nina).await?;
    let colleague = stage.sandbox.info.users[1].mailbox.clone();
    let lead =
        json!({ "FirstName": "Lia", "LastName": "Lead", "Company": "Neu GmbH", "Email": "lia@neu.example" });
    let lead = nina.create("Lead", lead).await?;
    nina.choose("blocklist", r#"["*@blocked.example"]"#).await?;
    let blocked = json!({ "LastName": "Blocked", "Email": "b@blocked.example" });
    nina.create("Contact", blocked).await?;

    let quiet = |mut entry: Value| {
        entry["send"] = json!(false);
        entry
    };
    let from_customer = |subject: &str, response: &str| {
        json!({ "subject": subject, "start": at(2, "09:00"), "end": at(2, "10:00"),
            "organizer": { "address": address, "name": "Customer" }, "my_response": response,
            "attendees": [{ "address": nina.address() }] })
    };
    let saved = ["Customer", "Lead", "Accepted", "Perhaps"];
    nina.make("events", quiet(meeting("Customer", 2, &[&colleague, &address])))
        .await?;
    nina.make("events", quiet(meeting("Lead", 2, &["LIA@NEU.example"])))
        .await?;
    nina.make("events", from_customer("Accepted", "Accept")).await?;
    nina.make("events", from_customer("Perhaps", "Tentative")).await?;
    nina.make("events", from_customer("Unanswered", "NoResponseReceived"))
        .await?;
    nina.make("events", from_customer("Declined", "Decline")).await?;
    nina.make("events", quiet(meeting("Internal", 2, &[&colleague])))
        .await?;
    nina.make("events", quiet(meeting("Stranger", 2, &["who@nowhere.example"])))
        .await?;
    nina.make("events", quiet(meeting("Blocked", 2, &["b@blocked.example"])))
        .await?;
    let mut private = quiet(meeting("Private talk", 2, &[&address]));
    private["private"] = json!(true);
    nina.make("events", private).await?;
    let mut cancelled = from_customer("Cancelled", "Accept");
    cancelled["cancelled"] = json!(true);
    nina.make("events", cancelled).await?;
    nina.make("events", quiet(meeting("Too far", 80, &[&address])))
        .await?;
    nina.settles().await?;
    let mut there: Vec<_> = nina
        .all("Event")
        .await?
        .iter()
        .map(|row| row["Subject"].as_str().unwrap_or_default().to_owned())
        .collect();
    there.sort();
    let mut wanted = saved.map(str::to_owned).to_vec();
    wanted.sort();
    ensure!(there == wanted, "{there:?}");
    ensure!(nina.record("Event", "Lead").await?["WhoId"] == lead.as_str());
    ensure!(nina.record("Event", "Lead").await?["WhatId"].is_null());
    nina.no_issues().await?;

    // Answered now; switched off, nothing more is saved by itself.
    let unanswered = id_of(&nina.item("events", "Unanswered").await?)?;
    nina.edit("events", &unanswered, json!({ "my_response": "Accept" }))
        .await?;
    nina.settles().await?;
    nina.record("Event", "Unanswered").await?;
    nina.choose("save_meetings", "false").await?;
    nina.make("events", quiet(meeting("Not any more", 2, &[&address])))
        .await?;
    nina.settles().await?;
    nina.gone("Event", "Not any more").await?;
    nina.record("Event", "Customer").await?;
    stage.sandbox.nobody_got_mail().await
}

#[tokio::test]
async fn what_somebody_filed_in_salesforce_stays_filed_there() -> Result<()> {
    let stage = Stage::synced(&BARE, &Options::default()).await?;
    let nina = Desk::nina(&stage);
    let (contact, address) = customer(&nina).await?;
    let mut entry = meeting("Ablage", 2, &[&address]);
    entry["send"] = json!(false);
    let id = nina.make("events", entry).await?;
    nina.settles().await?;
    let row = nina.record("Event", "Ablage").await?;
    ensure!(row["WhoId"] == contact.as_str(), "{row:#}");
    let all = nina.all("Contact").await?;
    let other = all
        .iter()
        .find(|one| one["Id"] != contact.as_str() && one["OwnerId"] == nina.user_id())
        .context("no other")?;
    let account = nina.all("Account").await?;
    let account = account
        .iter()
        .find(|one| one["Id"] != row["WhatId"])
        .context("no other account")?;
    let moved = json!({ "WhoId": other["Id"], "WhatId": account["Id"] });
    nina.update("Event", &id_of(&row)?, moved).await?;
    nina.settles().await?;
    nina.edit(
        "events",
        &id,
        json!({ "location": "Raum", "start": at(3, "09:00"), "end": at(3, "10:00") }),
    )
    .await?;
    nina.settles().await?;
    let row = nina.record("Event", "Ablage").await?;
    ensure!(
        row["WhoId"] == other["Id"] && row["WhatId"] == account["Id"] && row["Location"] == "Raum",
        "{row:#}"
    );
    // Made private later: everybody is taken off.
    nina.edit("events", &id, json!({ "private": true })).await?;
    nina.settles().await?;
    let row = nina.record("Event", "Private").await?;
    ensure!(
        row["WhoId"].is_null()
            && row["WhatId"].is_null()
            && row["Location"].is_null()
            && row["IsPrivate"] == true,
        "{row:#}"
    );
    stage.sandbox.nobody_got_mail().await
}

#[tokio::test]
async fn an_invitation_in_salesforce_is_answered_by_deleting_it_here() -> Result<()> {
    let (stage, person) = two(&Options::default()).await?;
    let nina = Desk::nina(&stage);
    let tomas = Desk {
        person: &person,
        ..nina.clone()
    };
    let mut events = Vec::new();
    for (n, subject) in ["Delete", "Unsync", "Category", "Uninvited"]
        .into_iter()
        .enumerate()
    {
        let hour = format!("{:02}:00", 8 + n);
        let end = format!("{:02}:30", 8 + n);
        let row = json!({ "Subject": subject, "StartDateTime": at(3, &hour), "EndDateTime": at(3, &end) });
        let event = tomas.create("Event", row).await?;
        let relation = json!({ "EventId": event, "RelationId": nina.user_id() });
        tomas.create("EventRelation", relation).await?;
        events.push(event);
    }
    nina.settles().await?;
    for subject in ["Delete", "Unsync", "Category", "Uninvited"] {
        let item = nina.item("events", subject).await?;
        ensure!(has(&item, MINE) && item["is_meeting"] == false, "{item:#}");
    }
    let id = async |subject: &str| id_of(&nina.item("events", subject).await?);
    nina.discard("events", &id("Delete").await?).await?;
    nina.edit(
        "events",
        &id("Unsync").await?,
        json!({ "categories": [MINE, "Salesforce Unsync"] }),
    )
    .await?;
    nina.edit(
        "events",
        &id("Category").await?,
        json!({ "categories": [], "location": "bei mir" }),
    )
    .await?;
    let uninvited = tomas
        .invitation(&events[3], nina.user_id())
        .await?
        .context("not invited")?;
    tomas.erase("EventRelation", &id_of(&uninvited)?).await?;
    nina.settles().await?;
    for (event, subject) in events.iter().zip(["Delete", "Unsync", "Category", "Uninvited"]) {
        ensure!(
            id_of(&tomas.record("Event", subject).await?)? == *event,
            "his records stay"
        );
    }
    ensure!(
        answer_of(&tomas, &events[0], nina.user_id()).await?.as_deref() == Some("Declined"),
        "{:?}",
        answer_of(&tomas, &events[0], nina.user_id()).await?
    );
    ensure!(tomas.invitation(&events[1], nina.user_id()).await?.is_none());
    let kept = nina.item("events", "Unsync").await?;
    ensure!(!has(&kept, MINE), "{kept:#}");
    ensure!(has(&nina.item("events", "Category").await?, MINE));
    ensure!(
        tomas.record("Event", "Category").await?["Location"].is_null(),
        "his record is not hers to change"
    );
    nina.item("events", "Uninvited").await?;
    // He changes and deletes; hers follows, and loses the category.
    tomas
        .update(
            "Event",
            &events[2],
            json!({ "StartDateTime": at(4, "12:00"), "EndDateTime": at(4, "13:00") }),
        )
        .await?;
    nina.settles().await?;
    same_time(
        &nina.item("events", "Category").await?,
        &tomas.record("Event", "Category").await?,
    )?;
    tomas.erase("Event", &events[2]).await?;
    nina.settles().await?;
    let left = nina.item("events", "Category").await?;
    ensure!(!has(&left, MINE), "{left:#}");
    stage.sandbox.nobody_got_mail().await
}

#[tokio::test]
async fn a_meeting_of_a_series_and_one_that_is_no_meeting_any_more() -> Result<()> {
    let stage = Stage::synced(&BARE, &Options::default()).await?;
    let nina = Desk::nina(&stage);
    let (_, address) = customer(&nina).await?;
    let mut series = meeting("Reihe", 1, &[&address]);
    series["send"] = json!(false);
    series["zone"] = json!("UTC");
    series["recurrence"] = json!({ "pattern": "daily", "interval": 1, "count": 4 });
    let series = nina.make("events", series).await?;
    let mut single = meeting("Wird Termin", 2, &[&address]);
    single["send"] = json!(false);
    let single = nina.make("events", single).await?;
    nina.settles().await?;
    ensure!(nina.records("Event", "Reihe").await?.len() == 4);
    let event = id_of(&nina.record("Event", "Wird Termin").await?)?;
    // Nobody is invited any more: it stays paired, for it was saved.
    nina.edit(
        "events",
        &single,
        json!({ "attendees": [], "location": "allein" }),
    )
    .await?;
    // One of the series is cancelled for itself, without telling anybody.
    let path = format!(
        "/exchange/mailboxes/{}/events/{}?original_start={}",
        nina.address(),
        encoded(&series),
        encoded(&at(2, "09:00"))
    );
    stage.sandbox.delete(&path).await?;
    nina.settles().await?;
    let row = nina.record("Event", "Wird Termin").await?;
    ensure!(id_of(&row)? == event && row["Location"] == "allein", "{row:#}");
    ensure!(nina.records("Event", "Reihe").await?.len() == 3);
    // Unsync on the series: all of it leaves Salesforce, the series stays here.
    nina.edit("events", &series, json!({ "categories": ["Salesforce Unsync"] }))
        .await?;
    nina.settles().await?;
    nina.gone("Event", "Reihe").await?;
    ensure!(nina.item("events", "Reihe").await?["type"] == "master");
    stage.sandbox.nobody_got_mail().await
}
