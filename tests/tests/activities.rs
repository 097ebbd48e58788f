//! Events and tasks as the people see them: Outlook here, Salesforce there, sessions in between. Nobody gets mail.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tandem_tests::desk::{BARE, Desk, at, clocks_go_forward, day, has, id_of, same_time, seconds};
use tandem_tests::server::Options;
use tandem_tests::stage::Stage;

const MINE: &str = "Salesforce";

async fn stage() -> Result<Stage> {
    Stage::synced(&BARE, &Options::default()).await
}

/// An event that is marked for Salesforce.
fn marked(subject: &str, start: &str, end: &str) -> Value {
    json!({ "subject": subject, "start": start, "end": end, "categories": [MINE] })
}

fn minutes_before(row: &Value) -> Result<i64> {
    Ok((seconds(&row["StartDateTime"])? - seconds(&row["ReminderDateTime"])?) / 60)
}

async fn both_ways(options: Options) -> Result<()> {
    let stage = Stage::synced(&BARE, &options).await?;
    let nina = Desk::nina(&stage);

    // Up: only what is marked.
    let mut entry = marked("Lieferung <A&B> 🚚", &at(2, "09:30"), &at(2, "10:15"));
    entry["body"] = json!("Erste Zeile\nzweite & <dritte>");
    entry["location"] = json!("Werk 2, \"Tor\" 5");
    entry["reminder_minutes"] = json!(45);
    entry["show_as"] = json!("Tentative");
    let id = nina.make("events", entry).await?;
    nina.make(
        "events",
        json!({ "subject": "Zahnarzt", "start": at(2, "11:00"), "end": at(2, "12:00") }),
    )
    .await?;
    nina.settles().await?;
    let row = nina.record("Event", "Lieferung <A&B> 🚚").await?;
    let item = nina.item("events", "Lieferung <A&B> 🚚").await?;
    same_time(&item, &row)?;
    ensure!(
        row["Location"] == "Werk 2, \"Tor\" 5" && row["ShowAs"] == "Busy" && row["IsPrivate"] == false,
        "{row:#}"
    );
    ensure!(
        row["Description"]
            .as_str()
            .is_some_and(|text| text.replace("\r\n", "\n").trim() == "Erste Zeile\nzweite & <dritte>"),
        "{row:#}"
    );
    ensure!(
        row["IsReminderSet"] == true && minutes_before(&row)? == 45,
        "{row:#}"
    );
    ensure!(row["OwnerId"] == nina.user_id(), "{row:#}");
    nina.gone("Event", "Zahnarzt").await?;

    // Down: what Salesforce can hold; Tentative is Busy there, and stays Tentative here.
    let row_id = id_of(&row)?;
    nina.update("Event", &row_id, json!({ "Location": "Werk 3" }))
        .await?;
    nina.settles().await?;
    let item = nina.item("events", "Lieferung <A&B> 🚚").await?;
    ensure!(
        item["location"] == "Werk 3" && item["show_as"] == "Tentative" && item["reminder_minutes"] == 45,
        "{item:#}"
    );
    // Who changes it there means it.
    let free = json!({ "ShowAs": "Free", "StartDateTime": at(3, "14:00"), "EndDateTime": at(3, "16:00"),
        "IsReminderSet": false });
    nina.update("Event", &row_id, free).await?;
    nina.settles().await?;
    let item = nina.item("events", "Lieferung <A&B> 🚚").await?;
    let row = nina.record("Event", "Lieferung <A&B> 🚚").await?;
    same_time(&item, &row)?;
    ensure!(
        item["show_as"] == "Free" && item["reminder_minutes"].is_null() && item["start"] == at(3, "14:00"),
        "{item:#}"
    );

    // Moved here, far out of the window: followed there; and back.
    for (start, end) in [(400, 400), (5, 6)] {
        let times = json!({ "start": at(start, "22:00"), "end": at(end, "23:30") });
        nina.edit("events", &id, times).await?;
        nina.settles().await?;
        same_time(
            &nina.item("events", "Lieferung <A&B> 🚚").await?,
            &nina.record("Event", "Lieferung <A&B> 🚚").await?,
        )?;
    }

    // Born there: comes down with the category, into the calendar; then both change different things, and both the time.
    let born = json!({ "Subject": "Messe", "StartDateTime": at(4, "08:00"), "EndDateTime": at(4, "17:00"),
        "Location": "Halle 7", "ShowAs": "OutOfOffice", "IsReminderSet": true, "ReminderDateTime": at(4, "07:00") });
    let born = nina.create("Event", born).await?;
    nina.settles().await?;
    let item = nina.item("events", "Messe").await?;
    ensure!(
        has(&item, MINE) && item["folder"] == "Calendar" && item["show_as"] == "OOF",
        "{item:#}"
    );
    ensure!(
        item["reminder_minutes"] == 60 && item["location"] == "Halle 7" && item["is_meeting"] == false,
        "{item:#}"
    );
    let mine = json!({ "location": "Halle 8", "start": at(4, "09:00"), "end": at(4, "18:00") });
    nina.edit("events", &id_of(&item)?, mine).await?;
    let theirs =
        json!({ "Description": "Stand 12", "StartDateTime": at(4, "10:00"), "EndDateTime": at(4, "11:00") });
    nina.update("Event", &born, theirs).await?;
    nina.settles().await?;
    let (item, row) = (
        nina.item("events", "Messe").await?,
        nina.record("Event", "Messe").await?,
    );
    same_time(&item, &row)?;
    ensure!(
        item["start"] == at(4, "09:00") && item["end"] == at(4, "18:00"),
        "the mailbox wins, and the time is one value: {item:#}"
    );
    ensure!(
        row["Location"] == "Halle 8"
            && item["body"]
                .as_str()
                .is_some_and(|text| text.trim() == "Stand 12"),
        "{row:#} {item:#}"
    );
    nina.no_issues().await?;
    stage.sandbox.nobody_got_mail().await
}

#[tokio::test]
async fn sqlite_events_go_both_ways() -> Result<()> {
    both_ways(Options::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_events_go_both_ways() -> Result<()> {
    let Some(database) = tandem_store::testing::postgres().await else {
        return Ok(());
    };
    both_ways(Options {
        database: Some(database.url.clone()),
        ..Options::default()
    })
    .await
}

/// Whole days are days, wherever the people are.
#[tokio::test]
async fn whole_days_do_not_move_between_zones() -> Result<()> {
    let stage = stage().await?;
    let nina = Desk::nina(&stage);
    // Midnight is at 11:00 UTC of the day before there, at 10:00 UTC of the same day here.
    for (zone, midnight, before) in [
        ("Tonga Standard Time", "11:00", 1),
        ("Hawaiian Standard Time", "10:00", 0),
        ("India Standard Time", "18:30", 1),
    ] {
        let path = format!("/exchange/mailboxes/{}/zone", nina.address());
        stage.sandbox.post(&path, &json!({ "zone": zone })).await?;
        for days in [1, 3] {
            let subject = format!("{days} in {zone}");
            // The end is the first day that is not part of it.
            let entry = json!({ "subject": subject, "all_day": true, "categories": [MINE],
                "start": day(10).to_string(), "end": day(10 + days).to_string(), "zone": zone });
            let id = nina.make("events", entry).await?;
            nina.settles().await?;
            let row = nina.record("Event", &subject).await?;
            ensure!(
                row["IsAllDayEvent"] == true && row["ActivityDate"] == day(10).to_string(),
                "{row:#}"
            );
            let last = row["EndDateTime"].as_str().context("no end")?;
            ensure!(last.starts_with(&day(10 + days - 1).to_string()), "{row:#}");
            // Moved there by two days.
            let moved = json!({ "IsAllDayEvent": true, "StartDateTime": at(12, "00:00"),
                "EndDateTime": at(12 + days - 1, "00:00") });
            nina.update("Event", &id_of(&row)?, moved).await?;
            nina.settles().await?;
            let item = nina.item("events", &subject).await?;
            ensure!(
                item["all_day"] == true
                    && item["start"] == at(12 - before, midnight)
                    && item["end"] == at(12 + days - before, midnight),
                "{item:#}"
            );
            // A new text is no new time.
            nina.edit("events", &id, json!({ "location": "überall" })).await?;
            nina.settles().await?;
            let row = nina.record("Event", &subject).await?;
            ensure!(
                row["ActivityDate"] == day(12).to_string() && row["Location"] == "überall",
                "{row:#}"
            );
        }
        // Born there.
        let subject = format!("Feiertag {zone}");
        let row = json!({ "Subject": subject, "IsAllDayEvent": true, "StartDateTime": at(7, "00:00"),
            "EndDateTime": at(8, "00:00") });
        nina.create("Event", row).await?;
        nina.settles().await?;
        let item = nina.item("events", &subject).await?;
        ensure!(item["all_day"] == true, "{item:#}");
        ensure!(
            seconds(&item["end"])? - seconds(&item["start"])? == 2 * 86_400,
            "two days: {item:#}"
        );
        // And back up, only changed in its text: still those two days.
        nina.edit("events", &id_of(&item)?, json!({ "location": "frei" }))
            .await?;
        nina.settles().await?;
        let row = nina.record("Event", &subject).await?;
        ensure!(
            row["ActivityDate"] == day(7).to_string()
                && row["EndDateTime"]
                    .as_str()
                    .is_some_and(|end| end.starts_with(&day(8).to_string()))
                && row["Location"] == "frei",
            "{row:#}"
        );
        // From timed to whole days and back, as one value.
        nina.edit(
            "events",
            &id_of(&item)?,
            json!({ "all_day": false, "start": at(7, "09:00"), "end": at(7, "09:45") }),
        )
        .await?;
        nina.settles().await?;
        same_time(
            &nina.item("events", &subject).await?,
            &nina.record("Event", &subject).await?,
        )?;
    }
    stage.sandbox.nobody_got_mail().await
}

#[tokio::test]
async fn clocks_that_jump_invented_zones_and_long_events() -> Result<()> {
    let stage = stage().await?;
    let nina = Desk::nina(&stage);
    nina.choose("event_days_ahead", "730").await?;
    let sunday = clocks_go_forward();
    let local = |time: &str| format!("{sunday}T{time}:00");
    let in_zone = |subject: &str, start: &str, end: &str, zone: Value| {
        json!({ "subject": subject,
        "start": start, "end": end, "zone": zone, "categories": [MINE] })
    };
    let europe = json!("W. Europe Standard Time");
    let custom = json!({ "id": "tzone://Microsoft/Custom", "rules": "XST-1XDT,M3.5.0,M10.5.0/3" });

    nina.make(
        "events",
        in_zone("Over the gap", &local("01:30"), &local("03:30"), europe.clone()),
    )
    .await?;
    let mut short_day = in_zone("A day of 23 hours", &sunday.to_string(), "", europe);
    short_day["end"] = json!(sunday.tomorrow()?.to_string());
    short_day["all_day"] = json!(true);
    nina.make("events", short_day).await?;
    nina.make(
        "events",
        in_zone("Invented", &local("01:30"), &local("03:30"), custom.clone()),
    )
    .await?;
    let mut invented_day = in_zone("Invented day", &sunday.to_string(), "", custom);
    invented_day["end"] = json!(sunday.tomorrow()?.to_string());
    invented_day["all_day"] = json!(true);
    nina.make("events", invented_day).await?;
    nina.make(
        "events",
        marked("Over midnight", &at(6, "23:15"), &at(7, "00:45")),
    )
    .await?;
    nina.make("events", marked("Thirty hours", &at(6, "08:00"), &at(7, "14:00")))
        .await?;
    nina.make("events", marked("A moment", &at(6, "08:00"), &at(6, "08:00")))
        .await?;
    nina.make(
        "events",
        marked("Fourteen days", &at(1, "08:00"), &at(15, "08:00")),
    )
    .await?;
    nina.make(
        "events",
        marked("Fifteen days", &at(1, "08:00"), &at(16, "08:00")),
    )
    .await?;
    let mut nowhere = in_zone(
        "Nowhere",
        &day(9).to_string(),
        &day(10).to_string(),
        json!("Nowhere Standard Time"),
    );
    nowhere["all_day"] = json!(true);
    let nowhere = nina.make("events", nowhere).await?;
    nina.settles().await?;

    for subject in ["Over the gap", "Invented"] {
        let row = nina.record("Event", subject).await?;
        let length = seconds(&row["EndDateTime"])? - seconds(&row["StartDateTime"])?;
        ensure!(
            length == 3600
                && seconds(&row["StartDateTime"])? == seconds(&json!(format!("{sunday}T00:30:00Z")))?,
            "{row:#}"
        );
    }
    for subject in ["A day of 23 hours", "Invented day"] {
        let row = nina.record("Event", subject).await?;
        ensure!(
            row["IsAllDayEvent"] == true
                && row["ActivityDate"] == sunday.to_string()
                && row["EndDateTime"]
                    .as_str()
                    .is_some_and(|end| end.starts_with(&sunday.to_string())),
            "{row:#}"
        );
    }
    for subject in ["Over midnight", "Thirty hours", "A moment", "Fourteen days"] {
        same_time(
            &nina.item("events", subject).await?,
            &nina.record("Event", subject).await?,
        )?;
    }
    nina.gone("Event", "Fifteen days").await?;
    let told = nina.issue("event_too_long").await?;
    ensure!(
        told["title"].as_str().is_some_and(|t| t.contains("Fifteen")),
        "{told}"
    );
    nina.gone("Event", "Nowhere").await?;
    nina.issue("zone_unknown").await?;

    // Put right, each is taken, and no longer told.
    let long = id_of(&nina.item("events", "Fifteen days").await?)?;
    nina.edit("events", &long, json!({ "end": at(2, "08:00") }))
        .await?;
    nina.edit(
        "events",
        &nowhere,
        json!({ "zone": "Tokyo Standard Time", "start": day(9).to_string(), "end": day(10).to_string() }),
    )
    .await?;
    nina.settles().await?;
    nina.record("Event", "Fifteen days").await?;
    let row = nina.record("Event", "Nowhere").await?;
    ensure!(row["ActivityDate"] == day(9).to_string(), "{row:#}");
    nina.no_issues().await?;

    // Grown there beyond what fits: refused there already; grown here: told, the record stays as it was.
    nina.edit("events", &long, json!({ "end": at(20, "08:00") }))
        .await?;
    nina.settles().await?;
    nina.issue("event_too_long").await?;
    let row = nina.record("Event", "Fifteen days").await?;
    ensure!(
        seconds(&row["EndDateTime"])? == seconds(&json!(at(2, "08:00")))?,
        "{row:#}"
    );
    stage.sandbox.nobody_got_mail().await
}

#[tokio::test]
async fn deleted_events_follow_the_table() -> Result<()> {
    let stage = stage().await?;
    let nina = Desk::nina(&stage);
    let here = [
        "Category",
        "Gone here",
        "Past",
        "Unsync",
        "Gone there",
        "Edited here",
        "Edited there",
        "Purged",
    ];
    for subject in here {
        let entry = if subject == "Past" {
            marked(subject, &at(-3, "09:00"), &at(-3, "10:00"))
        } else {
            marked(subject, &at(3, "09:00"), &at(3, "10:00"))
        };
        nina.make("events", entry).await?;
    }
    for subject in [
        "Born and gone there",
        "Born there, gone here",
        "Born there, unsync",
    ] {
        let row =
            json!({ "Subject": subject, "StartDateTime": at(5, "09:00"), "EndDateTime": at(5, "10:00") });
        nina.create("Event", row).await?;
    }
    nina.settles().await?;
    let id = async |subject: &str| id_of(&nina.item("events", subject).await?);
    let row = async |subject: &str| id_of(&nina.record("Event", subject).await?);
    let kept = row("Past").await?;

    nina.edit(
        "events",
        &id("Category").await?,
        json!({ "categories": ["Blau"] }),
    )
    .await?;
    for subject in ["Gone here", "Past", "Born there, gone here", "Edited there"] {
        nina.discard("events", &id(subject).await?).await?;
    }
    let purge = format!(
        "/exchange/mailboxes/{}/events?hard=true&id={}",
        nina.address(),
        tandem_tests::stage::encoded(&id("Purged").await?)
    );
    stage.sandbox.delete(&purge).await?;
    for subject in ["Unsync", "Born there, unsync"] {
        nina.edit(
            "events",
            &id(subject).await?,
            json!({ "categories": [MINE, "Salesforce Unsync"] }),
        )
        .await?;
    }
    for subject in ["Gone there", "Born and gone there", "Edited here"] {
        nina.erase("Event", &row(subject).await?).await?;
    }
    nina.edit("events", &id("Edited here").await?, json!({ "location": "neu" }))
        .await?;
    nina.update("Event", &row("Edited there").await?, json!({ "Location": "neu" }))
        .await?;
    nina.settles().await?;

    let item = nina.item("events", "Category").await?;
    ensure!(has(&item, MINE) && has(&item, "Blau"), "{item:#}");
    nina.record("Event", "Category").await?;
    for subject in ["Gone here", "Born there, gone here", "Purged"] {
        nina.gone("Event", subject).await?;
        ensure!(nina.found("events", subject).await?.is_empty());
    }
    ensure!(row("Past").await? == kept, "history stays");
    for subject in ["Unsync", "Born there, unsync"] {
        nina.gone("Event", subject).await?;
        let item = nina.item("events", subject).await?;
        ensure!(!has(&item, MINE), "{item:#}");
    }
    let item = nina.item("events", "Gone there").await?;
    ensure!(!has(&item, MINE), "{item:#}");
    nina.gone("Event", "Gone there").await?;
    nina.binned("events", "Born and gone there").await?;
    // An edit beats a delete.
    for subject in ["Edited here", "Edited there"] {
        let (item, row) = (
            nina.item("events", subject).await?,
            nina.record("Event", subject).await?,
        );
        ensure!(
            item["location"] == "neu" && row["Location"] == "neu" && has(&item, MINE),
            "{item:#} {row:#}"
        );
        same_time(&item, &row)?;
    }
    // What was taken out stays out, whatever is changed.
    for subject in ["Unsync", "Gone there"] {
        nina.edit("events", &id(subject).await?, json!({ "location": "anderswo" }))
            .await?;
    }
    nina.settles().await?;
    for subject in ["Unsync", "Gone there"] {
        nina.gone("Event", subject).await?;
    }
    stage.sandbox.nobody_got_mail().await
}

#[tokio::test]
async fn private_events_keep_their_secret() -> Result<()> {
    let stage = stage().await?;
    let nina = Desk::nina(&stage);
    nina.choose("save_appointments", "true").await?;
    let mut entry = marked("Saved on purpose", &at(2, "09:00"), &at(2, "10:00"));
    entry["private"] = json!(true);
    let on_purpose = nina.make("events", entry).await?;
    nina.make(
        "events",
        json!({ "subject": "Secret", "private": true, "start": at(2, "11:00"), "end": at(2, "12:00") }),
    )
    .await?;
    let later = json!({ "subject": "Open at first", "body": "text", "location": "Praxis Dr. Frei",
        "start": at(2, "13:00"), "end": at(2, "14:00"), "reminder_minutes": 15 });
    let later = nina.make("events", later).await?;
    nina.settles().await?;
    let row = nina.record("Event", "Saved on purpose").await?;
    ensure!(row["IsPrivate"] == true, "{row:#}");
    nina.gone("Event", "Secret").await?;
    let row = id_of(&nina.record("Event", "Open at first").await?)?;

    // Made private later: its times only.
    let private = json!({ "private": true, "start": at(3, "13:00"), "end": at(3, "14:00") });
    nina.edit("events", &later, private).await?;
    nina.settles().await?;
    let masked = nina.record("Event", "Private").await?;
    ensure!(
        id_of(&masked)? == row && masked["IsPrivate"] == true,
        "{masked:#}"
    );
    ensure!(
        masked["Location"].is_null() && masked["Description"].is_null() && masked["WhoId"].is_null(),
        "{masked:#}"
    );
    same_time(&nina.item("events", "Open at first").await?, &masked)?;
    // What is hidden there does not come down, whatever somebody writes over it.
    nina.update(
        "Event",
        &row,
        json!({ "Subject": "Curious", "Location": "Where?" }),
    )
    .await?;
    nina.settles().await?;
    let item = nina.item("events", "Open at first").await?;
    ensure!(
        item["location"] == "Praxis Dr. Frei" && item["private"] == true,
        "{item:#}"
    );
    // Changed here, it stays hidden there.
    nina.edit(
        "events",
        &later,
        json!({ "subject": "Open at last", "location": "Klinik" }),
    )
    .await?;
    nina.edit("events", &on_purpose, json!({ "location": "hier" }))
        .await?;
    nina.settles().await?;
    nina.gone("Event", "Open at last").await?;
    for row in nina.all("Event").await? {
        let text = row.to_string();
        ensure!(!text.contains("Klinik") && !text.contains("Praxis"), "{row:#}");
    }
    let row = nina.record("Event", "Saved on purpose").await?;
    ensure!(row["Location"] == "hier" && row["IsPrivate"] == true, "{row:#}");
    // No log knows it.
    let log = stage.tandem.log();
    for secret in ["Praxis", "Klinik", "Open at first", "Saved on purpose"] {
        ensure!(!log.contains(secret), "the log holds {secret:?}");
    }
    stage.sandbox.nobody_got_mail().await
}

#[tokio::test]
async fn a_window_that_slides_deletes_nothing() -> Result<()> {
    let stage = stage().await?;
    let nina = Desk::nina(&stage);
    let all = ["Long past", "Yesterday", "Soon", "Far", "Down far"];
    for (subject, on) in [("Long past", -9), ("Yesterday", -2), ("Soon", 2), ("Far", 30)] {
        nina.make("events", marked(subject, &at(on, "09:00"), &at(on, "10:00")))
            .await?;
    }
    let far =
        json!({ "Subject": "Down far", "StartDateTime": at(31, "09:00"), "EndDateTime": at(31, "10:00") });
    nina.create("Event", far).await?;
    nina.make("events", marked("Too far", &at(80, "09:00"), &at(80, "10:00")))
        .await?;
    nina.make("events", marked("Too old", &at(-20, "09:00"), &at(-20, "10:00")))
        .await?;
    nina.settles().await?;
    nina.gone("Event", "Too far").await?;
    nina.gone("Event", "Too old").await?;
    let there = async || {
        let mut ids = Vec::new();
        for subject in all {
            let (item, row) = (
                nina.item("events", subject).await?,
                nina.record("Event", subject).await?,
            );
            same_time(&item, &row)?;
            ids.push((id_of(&item)?, id_of(&row)?));
        }
        Ok::<_, anyhow::Error>(ids)
    };
    let before = there().await?;

    // The window becomes two days, then what it was, then much.
    nina.choose("event_days_back", "0").await?;
    nina.choose("event_days_ahead", "1").await?;
    nina.settles().await?;
    ensure!(there().await? == before);
    let new = marked("New and far", &at(30, "11:00"), &at(30, "12:00"));
    nina.make("events", new).await?;
    // One that was synced is followed wherever it lies.
    nina.edit("events", &before[3].0, json!({ "location": "weit" }))
        .await?;
    nina.update("Event", &before[4].1, json!({ "Location": "noch weiter" }))
        .await?;
    // One that is over rests.
    nina.edit("events", &before[0].0, json!({ "location": "damals" }))
        .await?;
    nina.settles().await?;
    nina.gone("Event", "New and far").await?;
    ensure!(nina.record("Event", "Far").await?["Location"] == "weit");
    ensure!(nina.item("events", "Down far").await?["location"] == "noch weiter");
    ensure!(there().await? == before);

    nina.choose("event_days_back", "14").await?;
    nina.choose("event_days_ahead", "90").await?;
    nina.settles().await?;
    ensure!(there().await? == before);
    ensure!(
        nina.record("Event", "Long past").await?["Location"] == "damals",
        "it wakes when it comes back"
    );
    nina.record("Event", "New and far").await?;
    nina.record("Event", "Too far").await?;
    nina.gone("Event", "Too old").await?;

    // Off stops, and deletes nothing; on again, what changed in between is carried.
    nina.choose("events", "off").await?;
    nina.edit("events", &before[2].0, json!({ "location": "während" }))
        .await?;
    nina.discard("events", &before[3].0).await?;
    nina.settles().await?;
    ensure!(nina.record("Event", "Soon").await?["Location"].is_null());
    nina.record("Event", "Far").await?;
    nina.choose("events", "two_way").await?;
    nina.settles().await?;
    ensure!(nina.record("Event", "Soon").await?["Location"] == "während");
    nina.gone("Event", "Far").await?;

    // One direction only.
    nina.choose("events", "to_crm").await?;
    nina.update("Event", &before[2].1, json!({ "Location": "nur dort" }))
        .await?;
    nina.settles().await?;
    ensure!(nina.item("events", "Soon").await?["location"] == "während");
    nina.no_issues().await?;
    stage.sandbox.nobody_got_mail().await
}

/// The rows of a subject by their start.
async fn starts(nina: &Desk<'_>, subject: &str) -> Result<Vec<(i64, Value)>> {
    let mut all = Vec::new();
    for row in nina.records("Event", subject).await? {
        all.push((seconds(&row["StartDateTime"])?, row));
    }
    all.sort_by_key(|(start, _)| *start);
    Ok(all)
}

fn moments(all: &[(i64, Value)]) -> Vec<i64> {
    all.iter().map(|(start, _)| *start).collect()
}

fn planned(days: &[i64], time: &str) -> Result<Vec<i64>> {
    days.iter().map(|n| seconds(&json!(at(*n, time)))).collect()
}

#[tokio::test]
async fn occurrences_of_a_series_are_events_of_their_own() -> Result<()> {
    let stage = stage().await?;
    let nina = Desk::nina(&stage);
    let series = json!({ "subject": "Jour fixe", "start": at(1, "09:00"), "end": at(1, "09:30"), "zone": "UTC",
        "categories": [MINE], "location": "Raum 1",
        "recurrence": { "pattern": "daily", "interval": 2, "count": 6 } });
    let id = nina.make("events", series).await?;
    // A calendar that is empty all of a sudden would be asked about.
    nina.make(
        "events",
        marked("Etwas anderes", &at(20, "09:00"), &at(20, "10:00")),
    )
    .await?;
    nina.settles().await?;
    let days = [1, 3, 5, 7, 9, 11];
    let all = starts(&nina, "Jour fixe").await?;
    ensure!(moments(&all) == planned(&days, "09:00")?, "{all:#?}");
    ensure!(
        all.iter()
            .all(|(_, row)| row["Location"] == "Raum 1" && row["IsRecurrence"] != true)
    );
    let ids: Vec<_> = all.iter().map(|(_, row)| id_of(row)).collect::<Result<_>>()?;

    // One is moved by a day (over its neighbour's head would not be allowed), one deleted, one changed.
    let occurrence = async |n: i64, mut change: Value| {
        change["original_start"] = json!(at(n, "09:00"));
        nina.edit("events", &id, change).await
    };
    occurrence(3, json!({ "start": at(4, "15:00"), "end": at(4, "16:00") })).await?;
    occurrence(5, json!({ "location": "Raum 5" })).await?;
    let path = format!(
        "/exchange/mailboxes/{}/events/{}?original_start={}",
        nina.address(),
        tandem_tests::stage::encoded(&id),
        tandem_tests::stage::encoded(&at(7, "09:00"))
    );
    stage.sandbox.delete(&path).await?;
    nina.settles().await?;
    let all = starts(&nina, "Jour fixe").await?;
    let mut wanted = planned(&[1, 5, 9, 11], "09:00")?;
    wanted.insert(1, seconds(&json!(at(4, "15:00")))?);
    ensure!(moments(&all) == wanted, "{all:#?}");
    ensure!(
        id_of(&all[1].1)? == ids[1] && id_of(&all[2].1)? == ids[2],
        "the same records"
    );
    ensure!(all[2].1["Location"] == "Raum 5", "{:#}", all[2].1);

    // Changed there: an exception of the series here, the series stays a series.
    nina.update("Event", &ids[4], json!({ "Location": "Raum 9" }))
        .await?;
    nina.settles().await?;
    let item = nina.item("events", "Jour fixe").await?;
    ensure!(
        item["type"] == "master" && !item["recurrence"].is_null(),
        "{item:#}"
    );
    let exceptions = item["exceptions"].as_array().context("no exceptions")?;
    let ninth = exceptions
        .iter()
        .find(|e| e["original_start"] == at(9, "09:00"))
        .with_context(|| format!("not changed: {item:#}"))?;
    ensure!(ninth["location"] == "Raum 9", "{ninth:#}");

    // The series gets another text: all take it but those that have their own.
    nina.edit("events", &id, json!({ "location": "Raum 2" })).await?;
    nina.settles().await?;
    let places: Vec<_> = starts(&nina, "Jour fixe")
        .await?
        .into_iter()
        .map(|(_, row)| row["Location"].clone())
        .collect();
    ensure!(
        places
            == [
                json!("Raum 2"),
                json!("Raum 2"),
                json!("Raum 5"),
                json!("Raum 9"),
                json!("Raum 2")
            ],
        "{places:?}"
    );

    // Moved as a whole: as many as there are, nothing twice.
    nina.edit(
        "events",
        &id,
        json!({ "start": at(1, "10:00"), "end": at(1, "10:30") }),
    )
    .await?;
    nina.settles().await?;
    let all = starts(&nina, "Jour fixe").await?;
    ensure!(moments(&all) == planned(&days, "10:00")?, "{all:#?}");

    // Deleted: all of the future are gone, and the mailbox's deleted series is where the user put it.
    nina.discard("events", &id).await?;
    nina.settles().await?;
    nina.gone("Event", "Jour fixe").await?;
    nina.binned("events", "Jour fixe").await?;
    nina.no_issues().await?;
    stage.sandbox.nobody_got_mail().await
}

#[tokio::test]
async fn a_series_without_end_is_only_what_lies_in_the_window() -> Result<()> {
    let stage = stage().await?;
    let nina = Desk::nina(&stage);
    nina.choose("brake.count", "1000").await?;
    nina.choose("brake.hard", "10000").await?;
    // Since ten years ago, 3,000 and more occurrences.
    let start = day(-3650);
    let series = json!({ "subject": "Frühstück", "start": format!("{start}T07:00:00Z"),
        "end": format!("{start}T07:15:00Z"), "zone": "UTC", "categories": [MINE],
        "recurrence": { "pattern": "daily", "interval": 1 } });
    let id = nina.make("events", series).await?;
    nina.settles().await?;
    let all = starts(&nina, "Frühstück").await?;
    ensure!((72..=75).contains(&all.len()), "{}", all.len());
    ensure!(
        all.first().is_some_and(
            |(at, _)| *at >= seconds(&json!(format!("{}T00:00:00Z", day(-15)))).unwrap_or(i64::MAX)
        ),
        "{:#?}",
        all.first()
    );
    // It ends: the future goes, the past stays.
    nina.edit(
        "events",
        &id,
        json!({ "recurrence": { "pattern": "daily", "interval": 1, "start": start.to_string(), "until": day(-1).to_string() } }),
    )
    .await?;
    nina.settles().await?;
    let left = starts(&nina, "Frühstück").await?;
    ensure!(
        left.iter()
            .all(|(at, _)| *at < seconds(&json!(format!("{}T00:00:00Z", day(1)))).unwrap_or(0)),
        "{:?}",
        moments(&left)
    );
    ensure!(left.len() >= 13, "history stays: {}", left.len());
    stage.sandbox.nobody_got_mail().await
}

#[tokio::test]
async fn a_salesforce_series_comes_down_singly_and_never_goes_up() -> Result<()> {
    let stage = stage().await?;
    let nina = Desk::nina(&stage);
    let series = json!({ "Subject": "Wartung", "IsRecurrence": true, "StartDateTime": at(2, "08:00"),
        "EndDateTime": at(2, "09:00") });
    let series = nina.create("Event", series).await?;
    for n in [2, 9, 16] {
        let row = json!({ "Subject": "Wartung", "StartDateTime": at(n, "08:00"), "EndDateTime": at(n, "09:00"),
            "RecurrenceActivityId": series });
        nina.create("Event", row).await?;
    }
    nina.settles().await?;
    let items = nina.found("events", "Wartung").await?;
    ensure!(
        items.len() == 3 && items.iter().all(|i| i["recurrence"].is_null()),
        "{items:#?}"
    );
    let rows = nina.records("Event", "Wartung").await?.len();
    ensure!(rows == 4, "{rows}");
    // A change of one here goes up to its own record, and makes none.
    nina.edit("events", &id_of(&items[0])?, json!({ "location": "Halle" }))
        .await?;
    nina.settles().await?;
    let rows = nina.records("Event", "Wartung").await?;
    ensure!(
        rows.len() == 4 && rows.iter().filter(|row| row["Location"] == "Halle").count() == 1,
        "{rows:#?}"
    );
    stage.sandbox.nobody_got_mail().await
}

#[tokio::test]
async fn what_does_not_fit_there_is_never_lost_here() -> Result<()> {
    let stage = stage().await?;
    let nina = Desk::nina(&stage);
    let subject = "Ü".repeat(400);
    nina.make("events", marked(&subject, &at(2, "09:00"), &at(2, "10:00")))
        .await?;
    let mut rich = marked("Rich", &at(4, "09:00"), &at(4, "10:00"));
    rich["html"] = json!(
        "<html><body><p>Agenda</p><table><tr><td>1</td><td><a href=\"https://x.example\">x</a></td></tr></table></body></html>"
    );
    nina.make("events", rich).await?;
    let mut online = marked("Online", &at(4, "11:00"), &at(4, "12:00"));
    online["online_meeting"] = json!(true);
    online["body"] = json!("Join here");
    nina.make("events", online).await?;
    nina.settles().await?;
    let cut = nina
        .all("Event")
        .await?
        .into_iter()
        .find(|row| row["Subject"].as_str().is_some_and(|s| s.starts_with('Ü')))
        .context("the long one is not there")?;
    let held = cut["Subject"].as_str().unwrap_or_default();
    ensure!(
        held.chars().count() == 255 && subject.starts_with(held),
        "{cut:#}"
    );
    // The loss does not travel back.
    nina.update("Event", &id_of(&cut)?, json!({ "Location": "Werk" }))
        .await?;
    for subject in ["Rich", "Online"] {
        let row = nina.record("Event", subject).await?;
        nina.update(
            "Event",
            &id_of(&row)?,
            json!({ "Description": "plain", "Location": "Werk" }),
        )
        .await?;
    }
    nina.settles().await?;
    let item = nina.item("events", &subject).await?;
    ensure!(item["location"] == "Werk", "{}", item["location"]);
    let item = nina.item("events", "Rich").await?;
    ensure!(
        item["html"].as_str().is_some_and(|html| html.contains("<table")) && item["location"] == "Werk",
        "{item:#}"
    );
    let item = nina.item("events", "Online").await?;
    ensure!(
        item["body"]
            .as_str()
            .is_some_and(|text| text.contains("Join here"))
            && item["location"] == "Werk",
        "{item:#}"
    );
    nina.issue("rich_body").await?;
    stage.sandbox.nobody_got_mail().await
}

/// A task in *Salesforce Tasks*.
fn task(subject: &str) -> Value {
    json!({ "subject": subject, "folder": "Salesforce Tasks" })
}

async fn tasks_both_ways(options: Options) -> Result<()> {
    let stage = Stage::synced(&BARE, &options).await?;
    let nina = Desk::nina(&stage);
    let mut entry = task("Angebot schicken");
    entry["due"] = json!(day(6).to_string());
    entry["body"] = json!("an Frau Żółć");
    entry["status"] = json!("InProgress");
    entry["importance"] = json!("High");
    entry["reminder"] = json!(at(5, "08:30"));
    let id = nina.make("tasks", entry).await?;
    // By category, in the usual folder; and one that is nobody's business.
    nina.make(
        "tasks",
        json!({ "subject": "Mit Kategorie", "categories": [MINE], "status": "WaitingOnOthers" }),
    )
    .await?;
    nina.make("tasks", json!({ "subject": "Milch kaufen" })).await?;
    nina.settles().await?;
    let row = nina.record("Task", "Angebot schicken").await?;
    ensure!(
        row["ActivityDate"] == day(6).to_string()
            && row["Status"] == "In Progress"
            && row["Priority"] == "High"
            && row["Description"] == "an Frau Żółć"
            && row["IsReminderSet"] == true
            && seconds(&row["ReminderDateTime"])? == seconds(&json!(at(5, "08:30")))?
            && row["OwnerId"] == nina.user_id(),
        "{row:#}"
    );
    ensure!(nina.record("Task", "Mit Kategorie").await?["Status"] == "Waiting on someone else");
    nina.gone("Task", "Milch kaufen").await?;

    // Every status, both ways.
    let row = id_of(&row)?;
    for (here, there) in [
        ("NotStarted", "Not Started"),
        ("WaitingOnOthers", "Waiting on someone else"),
        ("Deferred", "Deferred"),
        ("InProgress", "In Progress"),
        ("Completed", "Completed"),
    ] {
        nina.update("Task", &row, json!({ "Status": there })).await?;
        nina.settles().await?;
        let item = nina.item("tasks", "Angebot schicken").await?;
        ensure!(item["status"] == here, "{there}: {item:#}");
    }
    let item = nina.item("tasks", "Angebot schicken").await?;
    ensure!(
        item["complete"] == true && item["percent_complete"].as_f64() == Some(100.0),
        "{item:#}"
    );
    let again = json!({ "status": "Deferred", "percent_complete": 50, "importance": "Low", "due": null, "reminder": null });
    nina.edit("tasks", &id, again).await?;
    nina.settles().await?;
    let there = nina.record("Task", "Angebot schicken").await?;
    ensure!(
        there["Status"] == "Deferred"
            && there["IsClosed"] == false
            && there["Priority"] == "Low"
            && there["ActivityDate"].is_null()
            && there["IsReminderSet"] == false,
        "{there:#}"
    );

    // Born there.
    let born = json!({ "Subject": "Rückruf", "ActivityDate": day(1).to_string(), "Priority": "High",
        "Status": "Not Started", "IsReminderSet": true, "ReminderDateTime": at(1, "06:00") });
    let born = nina.create("Task", born).await?;
    // Not hers, not plain ones, not old ones.
    let tomas = &stage.sandbox.info.users[1].salesforce_user_id;
    nina.create("Task", json!({ "Subject": "Not hers", "OwnerId": tomas }))
        .await?;
    nina.create("Task", json!({ "Subject": "A call", "TaskSubtype": "Call" }))
        .await?;
    nina.create(
        "Task",
        json!({ "Subject": "Done long ago", "Status": "Completed", "ActivityDate": day(-60).to_string() }),
    )
    .await?;
    nina.settles().await?;
    let item = nina.item("tasks", "Rückruf").await?;
    ensure!(
        item["folder"] == "Salesforce Tasks"
            && has(&item, MINE)
            && item["importance"] == "High"
            && item["due"]
                .as_str()
                .is_some_and(|due| due.starts_with(&day(1).to_string()))
            && seconds(&item["reminder"])? == seconds(&json!(at(1, "06:00")))?,
        "{item:#}"
    );
    for subject in ["Not hers", "A call"] {
        ensure!(nina.every("tasks", subject).await?.is_empty(), "{subject}");
    }
    nina.edit("tasks", &id_of(&item)?, json!({ "status": "Completed" }))
        .await?;
    nina.settles().await?;
    let row = nina.record("Task", "Rückruf").await?;
    ensure!(
        row["Status"] == "Completed" && row["IsClosed"] == true && id_of(&row)? == born,
        "{row:#}"
    );
    nina.no_issues().await?;
    stage.sandbox.nobody_got_mail().await
}

#[tokio::test]
async fn sqlite_tasks_go_both_ways() -> Result<()> {
    tasks_both_ways(Options::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_tasks_go_both_ways() -> Result<()> {
    let Some(database) = tandem_store::testing::postgres().await else {
        return Ok(());
    };
    tasks_both_ways(Options {
        database: Some(database.url.clone()),
        ..Options::default()
    })
    .await
}

#[tokio::test]
async fn due_days_do_not_move_between_zones() -> Result<()> {
    let stage = stage().await?;
    let nina = Desk::nina(&stage);
    for zone in ["Line Islands Standard Time", "Dateline Standard Time"] {
        let path = format!("/exchange/mailboxes/{}/zone", nina.address());
        stage.sandbox.post(&path, &json!({ "zone": zone })).await?;
        let (up, down) = (format!("Up {zone}"), format!("Down {zone}"));
        let mut entry = task(&up);
        entry["due"] = json!(day(3).to_string());
        nina.make("tasks", entry).await?;
        nina.create(
            "Task",
            json!({ "Subject": down, "ActivityDate": day(3).to_string() }),
        )
        .await?;
        nina.settles().await?;
        let row = nina.record("Task", &up).await?;
        ensure!(row["ActivityDate"] == day(3).to_string(), "{row:#}");
        let item = nina.item("tasks", &down).await?;
        ensure!(
            item["due"]
                .as_str()
                .is_some_and(|due| due.starts_with(&day(3).to_string())),
            "{item:#}"
        );
        nina.edit("tasks", &id_of(&item)?, json!({ "body": "nur der Text" }))
            .await?;
        nina.update("Task", &id_of(&row)?, json!({ "Description": "nur der Text" }))
            .await?;
        nina.settles().await?;
        for subject in [&up, &down] {
            let (item, row) = (
                nina.item("tasks", subject).await?,
                nina.record("Task", subject).await?,
            );
            ensure!(
                row["ActivityDate"] == day(3).to_string()
                    && item["due"]
                        .as_str()
                        .is_some_and(|due| due.starts_with(&day(3).to_string())),
                "{item:#} {row:#}"
            );
        }
    }
    stage.sandbox.nobody_got_mail().await
}

#[tokio::test]
async fn deleted_tasks_follow_the_table() -> Result<()> {
    let stage = stage().await?;
    let nina = Desk::nina(&stage);
    for subject in ["Category", "Gone here", "Completed", "Unsync", "Gone there"] {
        let mut entry = json!({ "subject": subject, "categories": [MINE] });
        if subject == "Completed" {
            entry["status"] = json!("Completed");
        }
        nina.make("tasks", entry).await?;
    }
    nina.settles().await?;
    let id = async |subject: &str| id_of(&nina.item("tasks", subject).await?);
    let done = nina.record("Task", "Completed").await?;
    ensure!(done["IsClosed"] == true, "{done:#}");
    nina.edit("tasks", &id("Category").await?, json!({ "categories": [] }))
        .await?;
    for subject in ["Gone here", "Completed"] {
        nina.discard("tasks", &id(subject).await?).await?;
    }
    nina.edit(
        "tasks",
        &id("Unsync").await?,
        json!({ "categories": [MINE, "Salesforce Unsync"] }),
    )
    .await?;
    nina.erase("Task", &id_of(&nina.record("Task", "Gone there").await?)?)
        .await?;
    nina.settles().await?;
    ensure!(has(&nina.item("tasks", "Category").await?, MINE));
    nina.record("Task", "Gone here").await?;
    nina.issue("deleted_in_mailbox").await?;
    ensure!(id_of(&nina.record("Task", "Completed").await?)? == id_of(&done)?);
    nina.record("Task", "Unsync").await?;
    let item = nina.item("tasks", "Unsync").await?;
    ensure!(!has(&item, MINE), "{item:#}");
    nina.binned("tasks", "Gone there").await?;
    // The pair has ended: nothing is carried any more.
    nina.edit("tasks", &id("Unsync").await?, json!({ "body": "nur hier" }))
        .await?;
    nina.settles().await?;
    ensure!(nina.record("Task", "Unsync").await?["Description"].is_null());

    nina.cure("deleted_in_mailbox", "bring_back").await?;
    nina.item("tasks", "Gone here").await?;
    nina.settles().await?;
    nina.discard("tasks", &id("Gone here").await?).await?;
    nina.settles().await?;
    nina.cure("deleted_in_mailbox", "delete_there").await?;
    nina.gone("Task", "Gone here").await?;
    nina.settles().await?;
    nina.no_issues().await?;
    stage.sandbox.nobody_got_mail().await
}

#[tokio::test]
async fn recurring_tasks_and_other_words_are_told() -> Result<()> {
    let stage = stage().await?;
    let nina = Desk::nina(&stage);
    let mut entry = task("Wöchentlich");
    entry["due"] = json!(day(2).to_string());
    entry["recurrence"] = json!({ "pattern": "weekly", "interval": 1, "days": ["Monday"], "start": day(2).to_string(), "count": 10 });
    let id = nina.make("tasks", entry).await?;
    nina.settles().await?;
    nina.record("Task", "Wöchentlich").await?;
    let told = nina.issue("recurring_task").await?;
    ensure!(
        told["title"].as_str().is_some_and(|t| t.contains("Wöchentlich")),
        "{told}"
    );
    nina.edit("tasks", &id, json!({ "body": "mit Text" })).await?;
    nina.settles().await?;
    ensure!(nina.record("Task", "Wöchentlich").await?["Description"] == "mit Text");

    // A rule of the organisation keeps one back, not the others.
    stage
        .sandbox
        .org(json!({ "validation_rule": { "object": "Task", "field": "Subject", "contains": "verboten", "message": "Not that." } }))
        .await?;
    nina.make("tasks", task("verboten")).await?;
    nina.make("tasks", task("erlaubt")).await?;
    nina.settles().await?;
    nina.record("Task", "erlaubt").await?;
    let told = nina.issue("refused").await?;
    ensure!(told.to_string().contains("Not that."), "{told:#}");
    stage.sandbox.org(json!({ "validation_rule": null })).await?;
    nina.cure("refused", "retry").await?;
    nina.record("Task", "verboten").await?;
    nina.settles().await?;
    ensure!(nina.issues("refused").await?.is_empty());

    // The organisation has words of its own.
    stage
        .sandbox
        .org(json!({ "picklists": { "Task.Status": ["Offen", "Läuft", { "value": "Erledigt", "closed": true }] } }))
        .await?;
    nina.choose(
        "task_status",
        r#"{"not_started":"Offen","in_progress":"Läuft","completed":"Erledigt"}"#,
    )
    .await?;
    nina.make("tasks", task("Eigene Worte")).await?;
    let mut waiting = task("Ohne Wort");
    waiting["status"] = json!("WaitingOnOthers");
    let waiting = nina.make("tasks", waiting).await?;
    nina.settles().await?;
    let row = nina.record("Task", "Eigene Worte").await?;
    ensure!(row["Status"] == "Offen", "{row:#}");
    nina.gone("Task", "Ohne Wort").await?;
    nina.issue("unknown_value").await?;
    nina.update("Task", &id_of(&row)?, json!({ "Status": "Erledigt" }))
        .await?;
    nina.edit("tasks", &waiting, json!({ "status": "InProgress" }))
        .await?;
    nina.settles().await?;
    ensure!(nina.item("tasks", "Eigene Worte").await?["complete"] == true);
    ensure!(nina.record("Task", "Ohne Wort").await?["Status"] == "Läuft");
    ensure!(nina.issues("unknown_value").await?.is_empty());
    stage.sandbox.nobody_got_mail().await
}
