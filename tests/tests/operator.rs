//! What an administrator does and asks for, with the real binary on both ends: why, undo, back-fill, install, brakes,
//! cures.

use anyhow::{Context as _, Result, ensure};
use http::StatusCode;
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, SqliteConnection};
use tandem_tests::server::Options;
use tandem_tests::shop::{BARE, day_ahead, hours_ahead, id_of};
use tandem_tests::stage::Stage;

async fn stage() -> Result<Stage> {
    let stage = Stage::synced(&BARE, &Options::default()).await?;
    stage.without_brake().await?;
    Ok(stage)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A command of the command line, however it ends: whether it succeeded, and what it said.
async fn told(stage: &Stage, arguments: &[&str]) -> Result<(bool, String)> {
    let output = stage.tandem.run(arguments).await?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok((output.status.success(), said))
}

async fn why(stage: &Stage, item: &str) -> Result<String> {
    let (_, said) = told(stage, &["why", "--connection", &stage.connection, "--item", item]).await?;
    Ok(said)
}

/// The newest session's id.
async fn newest(stage: &Stage) -> Result<String> {
    Ok(text(&stage.nina.connection().await?["sessions"][0]["id"]).to_owned())
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

#[tokio::test]
async fn why_names_the_rule_that_decided() -> Result<()> {
    let stage = stage().await?;
    stage.healthy("Kind", 0).await?;
    let plain = |subject: &str, hours: i64| json!({ "subject": subject, "start": hours_ahead(hours), "end": hours_ahead(hours + 1) });
    let appointment = stage.here("events", &plain("Zahnarzt", 20)).await?;
    let mut unknown = plain("Fremde", 22);
    unknown["attendees"] = json!([{ "address": "nobody@unknown.example" }]);
    let unknown = stage.here("events", &unknown).await?;
    let mut inside = plain("Runde", 24);
    inside["attendees"] = json!([{ "address": stage.sandbox.info.users[1].mailbox }]);
    let inside = stage.here("events", &inside).await?;
    let far = stage.here("events", &plain("Fern", 24 * 300)).await?;
    let mut private = plain("Arzt", 26);
    private["private"] = json!(true);
    private["attendees"] = json!([{ "address": "nobody@unknown.example" }]);
    let private = stage.here("events", &private).await?;
    let loose_task = stage
        .here("tasks", &json!({ "subject": "Milch", "folder": "Tasks" }))
        .await?;
    let letter = |subject: &str, more: Value| {
        let mut all = json!({ "subject": subject, "text": "t", "from": "nobody@unknown.example",
            "to": [stage.nina.user.mailbox], "message_id": format!("<{subject}@unknown.example>"),
            "sent": hours_ahead(-1), "received": hours_ahead(-1) });
        for (name, value) in more.as_object().into_iter().flatten() {
            all[name] = value.clone();
        }
        all
    };
    let mut letters = Vec::new();
    for (subject, more) in [
        ("strange", json!({})),
        (
            "colleague",
            json!({ "from": stage.sandbox.info.users[1].mailbox }),
        ),
        (
            "machine",
            json!({ "headers": { "Auto-Submitted": "auto-replied" } }),
        ),
        ("secret", json!({ "sensitivity": "Confidential" })),
        ("locked", json!({ "item_class": "IPM.Note.SMIME" })),
        (
            "ancient",
            json!({ "sent": "2020-01-01T00:00:00Z", "received": "2020-01-01T00:00:00Z" }),
        ),
    ] {
        letters.push((subject, stage.here("messages", &letter(subject, more)).await?));
    }
    let outside = json!({ "folder": "Contacts", "fields": { "Surname": "Privat", "EmailAddress1": "p@unknown.example" } });
    let outside = stage.here("contacts", &outside).await?;
    stage.rests().await?;
    stage.healthy_arrived("Kind").await?;

    // What is synced: its link on both sides, and where it came from; by either id.
    for (kind, object, way) in [
        ("contacts", "Contact", "up"),
        ("events", "Event", "up"),
        ("tasks", "Task", "up"),
        ("messages", "EmailMessage", "up"),
        ("contacts", "Contact", "down"),
        ("events", "Event", "down"),
        ("tasks", "Task", "down"),
    ] {
        let name = format!("Kind-{way}");
        let here = id_of(&stage.one_here(kind, &name).await?)?;
        let there = id_of(&stage.one_there(object, &name).await?)?;
        for id in [&here, &there] {
            let (well, said) =
                told(&stage, &["why", "--connection", &stage.connection, "--item", id]).await?;
            ensure!(
                well && said.contains(&here) && said.contains(&there) && said.contains("link"),
                "{name} of {kind}: {said}"
            );
            ensure!(
                said.contains("decision: "),
                "no decision for {name} of {kind}: {said}"
            );
        }
    }
    // By a Message-ID, too.
    let said = why(&stage, "<kind@elsewhere.example>").await?;
    ensure!(said.contains("decision: "), "{said}");

    // What is not: the rule, in words.
    for (id, rule) in [
        (&appointment, "the settings do not save such items by themselves"),
        (&unknown, "nobody in Salesforce has any of its addresses"),
        (&inside, "only your own company takes part"),
        (&far, "it is outside of the days that are synced"),
        (&private, "it is private, and was not saved on purpose"),
        (
            &loose_task,
            "it has no category Salesforce and lies in no folder that is synced",
        ),
        (
            &outside,
            "it has no category Salesforce and lies in no folder that is synced",
        ),
        (&letters[0].1, "nobody in Salesforce has any of its addresses"),
        (&letters[1].1, "only your own company takes part"),
        (&letters[2].1, "it was made by a machine"),
        (&letters[3].1, "it is marked private, personal or confidential"),
        (&letters[4].1, "it is encrypted or rights-protected"),
        (&letters[5].1, "it is older than the mail that is saved by itself"),
    ] {
        let said = why(&stage, id).await?;
        ensure!(said.contains(rule), "{rule:?} is not said: {said}");
    }
    // Records that are none of Nina's.
    let theirs = json!({ "Subject": "Fremd", "StartDateTime": hours_ahead(30), "EndDateTime": hours_ahead(31),
        "OwnerId": stage.sandbox.info.users[1].salesforce_user_id });
    let theirs = id_of(&stage.sandbox.post("/salesforce/records/Event", &theirs).await?)?;
    stage.rests().await?;
    let said = why(&stage, &theirs).await?;
    ensure!(
        said.contains("none that comes to this mailbox") || said.contains("not"),
        "{said}"
    );

    // Turned off: that is the rule.
    stage.own_setting("tasks", "off").await?;
    let marked = stage
        .here(
            "tasks",
            &json!({ "subject": "Aus", "folder": "Salesforce Tasks" }),
        )
        .await?;
    stage.rests().await?;
    let said = why(&stage, &marked).await?;
    ensure!(said.contains("the settings do not sync tasks"), "{said}");
    // Nothing was written by asking; nonsense is said to be none.
    for nonsense in [
        "",
        "003000000000000AAA",
        "<no@such.mail>",
        "'; DROP TABLE links; --",
        "\u{202e}",
    ] {
        let (well, said) = told(
            &stage,
            &["why", "--connection", &stage.connection, "--item", nonsense],
        )
        .await?;
        ensure!(
            (!well || said.contains("no such item")) && !said.contains("panicked"),
            "{nonsense:?}: {said}"
        );
    }
    let (well, _) = told(&stage, &["why", "--connection", "0", "--item", &marked]).await?;
    ensure!(!well);
    stage.rests().await?;
    stage.nothing_mailed().await
}

#[tokio::test]
async fn a_session_is_taken_back_where_nobody_has_changed_it_since() -> Result<()> {
    let stage = stage().await?;
    for (name, n) in [("Old", 0), ("Kept", 1), ("Gone", 2)] {
        stage.healthy(name, n).await?;
    }
    stage.rests().await?;

    // One session that makes, changes and deletes on both sides.
    stage.healthy("New", 3).await?;
    let change_up = async |name: &str| -> Result<()> {
        let up = format!("{name}-up");
        for (kind, change) in [
            ("contacts", json!({ "fields": { "JobTitle": "Neu" } })),
            ("events", json!({ "location": "Neu" })),
            ("tasks", json!({ "body": "Neu" })),
        ] {
            let id = id_of(&stage.one_here(kind, &up).await?)?;
            stage.edit_here(kind, &id, &change).await?;
        }
        let down = format!("{name}-down");
        for (object, change) in [
            ("Contact", json!({ "Title": "Neu" })),
            ("Event", json!({ "Location": "Neu" })),
            ("Task", json!({ "Description": "Neu" })),
        ] {
            let id = id_of(&stage.one_there(object, &down).await?)?;
            stage.edit_there(object, &id, &change).await?;
        }
        Ok(())
    };
    change_up("Old").await?;
    change_up("Kept").await?;
    stage
        .delete_here("events", &id_of(&stage.one_here("events", "Gone-up").await?)?)
        .await?;
    for object in ["Contact", "Event", "Task"] {
        let id = id_of(&stage.one_there(object, "Gone-down").await?)?;
        stage.delete_there(object, &id).await?;
    }
    stage.done().await?;
    let session = newest(&stage).await?;
    stage.healthy_arrived("New").await?;
    ensure!(
        stage.found_there("Event", "Gone-up").await?.is_empty(),
        "the delete did not arrive"
    );
    for kind in ["contacts", "events", "tasks"] {
        ensure!(
            stage.found_here(kind, "Gone-down").await?.is_empty(),
            "{kind}: the delete did not arrive"
        );
    }

    // Changed since by a person, on the side that the session wrote to.
    let id = id_of(&stage.one_there("Contact", "Kept-up").await?)?;
    stage
        .edit_there("Contact", &id, &json!({ "Title": "Von Hand" }))
        .await?;
    let id = id_of(&stage.one_here("events", "Kept-down").await?)?;
    stage
        .edit_here("events", &id, &json!({ "location": "Von Hand" }))
        .await?;

    // Looked at first: nothing is written.
    let before = stage.writes().await?;
    let (well, said) = told(&stage, &["session", "undo", &session, "--dry-run"]).await?;
    ensure!(well && said.contains("would be undone"), "{said}");
    println!("dry run: {said}");
    ensure!(stage.writes().await? == before, "a dry run has written");

    let (well, said) = told(&stage, &["session", "undo", &session]).await?;
    ensure!(well, "{said}");
    ensure!(said.matches("it was changed since").count() == 2, "{said}");
    // What it made is gone: on the other side only.
    for (kind, object) in [("contacts", "Contact"), ("events", "Event"), ("tasks", "Task")] {
        stage.one_here(kind, "New-up").await?;
        ensure!(
            stage.found_there(object, "New-up").await?.is_empty(),
            "{object} New-up"
        );
        stage.one_there(object, "New-down").await?;
        ensure!(
            stage.found_here(kind, "New-down").await?.is_empty(),
            "{kind} New-down"
        );
    }
    ensure!(stage.found_there("EmailMessage", "New-up").await?.is_empty());
    // What it changed has its old values; what it deleted is back, the same record.
    let check = async || -> Result<()> {
        ensure!(stage.one_there("Contact", "Old-up").await?["Title"].is_null());
        ensure!(stage.one_there("Event", "Old-up").await?["Location"].is_null());
        ensure!(text(&stage.one_here("contacts", "Old-down").await?["fields"]["JobTitle"]).is_empty());
        ensure!(text(&stage.one_here("events", "Old-down").await?["location"]).is_empty());
        ensure!(
            text(&stage.one_here("tasks", "Old-down").await?["body"])
                .trim()
                .is_empty()
        );
        ensure!(stage.one_there("Contact", "Kept-up").await?["Title"] == "Von Hand");
        ensure!(stage.one_here("events", "Kept-down").await?["location"] == "Von Hand");
        stage.one_there("Event", "Gone-up").await?;
        for kind in ["contacts", "events", "tasks"] {
            stage.one_here(kind, "Gone-down").await?;
        }
        Ok(())
    };
    check().await?;
    // Nothing of it comes again by itself.
    let quiet = stage.rests().await?;
    ensure!(quiet.writes == 0);
    for (kind, object) in [("contacts", "Contact"), ("events", "Event"), ("tasks", "Task")] {
        ensure!(
            stage.found_there(object, "New-up").await?.is_empty(),
            "{object} New-up came again"
        );
        ensure!(
            stage.found_here(kind, "New-down").await?.is_empty(),
            "{kind} New-down came again"
        );
    }
    ensure!(stage.one_there("Contact", "Old-up").await?["Title"].is_null());

    // Twice: there is nothing left to take back, and nothing is harmed.
    let before = stage.writes().await?;
    let (_, said) = told(&stage, &["session", "undo", &session]).await?;
    ensure!(
        stage.writes().await? == before,
        "the second undo has written: {said}"
    );
    let (well, said) = told(&stage, &["session", "undo", "00000000000000000000000000000000"]).await?;
    ensure!(!well && said.contains("no session"), "{said}");

    // By the pane, for one's own session only.
    stage.healthy("Pane", 5).await?;
    stage.done().await?;
    let session = newest(&stage).await?;
    let undone = stage.nina.order("undo_session", &[("session", &session)]).await?;
    ensure!(
        undone["undone"] == 7 && undone["left"].as_array().is_some_and(Vec::is_empty),
        "{undone}"
    );
    ensure!(stage.found_there("Contact", "Pane-up").await?.is_empty());
    let answer = stage
        .nina
        .call("undo_session", &[("session", "00000000000000000000000000000000")])
        .await?;
    ensure!(answer.status != StatusCode::OK, "{}", answer.text());
    stage.nothing_mailed().await
}

#[tokio::test]
async fn a_back_fill_says_how_much_and_goes_on_after_a_kill() -> Result<()> {
    let mut options = Options::default();
    // A dead process's connection waits for the end of its lease.
    options
        .variables
        .push(("TANDEM_WORKER_LEASE_SECONDS".into(), "5".into()));
    let mut stage = Stage::synced(&BARE, &options).await?;
    stage.without_brake().await?;
    let known = stage.sandbox.records("Contact", &stage.nina.user).await?;
    let known = known
        .iter()
        .find(|c| c["OwnerId"] == stage.nina.user.salesforce_user_id.as_str())
        .and_then(|c| c["Email"].as_str())
        .context("nobody is known")?
        .to_owned();
    // 450 old mails with somebody who is known, 20 with nobody, 5 outside of the range.
    let add = async |stage: &Stage, n: usize, from: &str, at: &str| -> Result<()> {
        let item = json!({ "subject": format!("old {n}"), "text": "t", "from": from, "to": [stage.nina.user.mailbox],
            "message_id": format!("<old{n}@back.example>"), "sent": at, "received": at, "folder": "Inbox" });
        stage.here("messages", &item).await.map(drop)
    };
    for n in 0..450 {
        add(&stage, n, &known, &hours_ahead(-24 * 60 - i64::try_from(n)?)).await?;
    }
    for n in 450..470 {
        add(&stage, n, "nobody@unknown.example", &hours_ahead(-24 * 62)).await?;
    }
    for n in 470..475 {
        add(&stage, n, &known, &hours_ahead(-24 * 200)).await?;
    }
    stage.rests().await?;
    ensure!(
        stage.emails_there("@back.example").await?.is_empty(),
        "old mail was saved by itself"
    );

    let (from, to) = (day_ahead(-100), day_ahead(-30));
    let connection = stage.connection.clone();
    let start = [
        "backfill",
        "start",
        "--connection",
        &connection,
        "--from",
        &from,
        "--to",
        &to,
    ];
    let mut estimate = start.to_vec();
    estimate.push("--estimate");
    let (well, said) = told(&stage, &estimate).await?;
    ensure!(well && said.contains("470"), "{said}");
    let (_, said) = told(&stage, &["backfill", "show", "--connection", &connection]).await?;
    ensure!(
        said.contains("no back-fill"),
        "an estimate has started it: {said}"
    );
    for (from, to) in [(&to, &from), (&from, &day_ahead(3)), (&"gestern".to_owned(), &to)] {
        let (well, said) = told(
            &stage,
            &[
                "backfill",
                "start",
                "--connection",
                &connection,
                "--from",
                from,
                "--to",
                to,
            ],
        )
        .await?;
        ensure!(!well && said.contains("--from and --to"), "{said}");
    }
    let (well, said) = told(&stage, &start).await?;
    ensure!(well && said.contains("started"), "{said}");
    let (well, said) = told(&stage, &start).await?;
    ensure!(!well && said.contains("under way"), "{said}");

    // The server does it part by part; a power cut in the middle costs nothing.
    let some = async || -> Result<usize> { Ok(stage.emails_there("@back.example").await?.len()) };
    let mut every = tokio::time::interval(std::time::Duration::from_millis(20));
    let begun = async {
        while some().await? == 0 {
            every.tick().await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), begun)
        .await
        .context("the back-fill does not begin")??;
    stage.tandem.kill().await?;
    let partly = stage.emails_there("@back.example").await?.len();
    println!("killed after {partly} of 450");
    stage.tandem.start_again().await?;
    // The lease of the killed server ends by itself, or the next one takes it over.
    let finished = async {
        loop {
            let (_, said) = told(&stage, &["backfill", "show", "--connection", &connection]).await?;
            if said.starts_with("done") {
                return anyhow::Ok(said);
            }
            stage.run().await?;
        }
    };
    let said = tokio::time::timeout(std::time::Duration::from_mins(4), finished)
        .await
        .context("the back-fill does not end")??;
    ensure!(
        said.contains("470 of 470") && said.contains("450 saved"),
        "{said}"
    );
    let saved = stage.emails_there("@back.example").await?;
    ensure!(saved.len() == 450, "{} of 450 are saved", saved.len());
    let ids: std::collections::BTreeSet<&str> = saved.iter().map(|e| text(&e["MessageIdentifier"])).collect();
    ensure!(ids.len() == 450, "some are saved twice");
    stage.rests().await?;

    // Once more over the same days: looked at, and nothing is doubled; and it can be ended.
    let (well, said) = told(&stage, &start).await?;
    ensure!(well, "{said}");
    let (well, said) = told(&stage, &["backfill", "cancel", "--connection", &connection]).await?;
    ensure!(well && said.contains("ended"), "{said}");
    stage.rests().await?;
    ensure!(stage.emails_there("@back.example").await?.len() == 450);
    let (_, said) = told(&stage, &["backfill", "cancel", "--connection", &connection]).await?;
    ensure!(said.contains("no back-fill is under way"), "{said}");
    stage.own_setting("emails", "off").await?;
    let (well, said) = told(&stage, &start).await?;
    ensure!(!well && said.contains("do not save emails"), "{said}");
    // As the pane does it.
    stage.no_setting("emails").await?;
    let count = stage
        .nina
        .order("estimate_backfill", &[("from", &from), ("to", &to)])
        .await?;
    ensure!(count == 470, "{count}");
    stage
        .nina
        .order("start_backfill", &[("from", &from), ("to", &to)])
        .await?;
    stage.nina.order("cancel_backfill", &[]).await?;
    let answer = stage
        .nina
        .call("start_backfill", &[("from", "x"), ("to", &to)])
        .await?;
    ensure!(
        answer.status == StatusCode::UNPROCESSABLE_ENTITY,
        "{} {}",
        answer.status,
        answer.text()
    );
    stage.nothing_mailed().await
}

#[tokio::test]
async fn the_key_field_is_installed_once_and_used_from_then_on() -> Result<()> {
    let mut arguments = BARE.to_vec();
    arguments.push("--no-tandem-key");
    let mut stage = Stage::synced(&arguments, &Options::default()).await?;
    stage.without_brake().await?;
    stage.healthy("Before", 0).await?;
    stage.rests().await?;
    stage.healthy_arrived("Before").await?;
    ensure!(stage.one_there("Contact", "Before-up").await?["Tandem_Key__c"].is_null());

    // Not everybody may.
    let user = format!("/salesforce/users/{}", stage.nina.user.salesforce_username);
    stage.sandbox.put(&user, &json!({ "admin": false })).await?;
    let (well, said) = told(&stage, &["salesforce", "install"]).await?;
    ensure!(!well && said.to_lowercase().contains("refuses"), "{said}");
    stage.sandbox.put(&user, &json!({ "admin": true })).await?;
    let said = stage.tandem.read(&["salesforce", "install"]).await?;
    ensure!(said.matches("made ").count() >= 4, "{said}");
    let again = stage.tandem.read(&["salesforce", "install"]).await?;
    ensure!(!again.contains("made ") && again.contains("was there"), "{again}");

    // From the next start on, creates carry the key: an answer that is lost doubles nothing.
    stage.tandem.stop().await?;
    stage.tandem.start_again().await?;
    stage.healthy_up("After", 1).await?;
    let rule = json!({ "service": "salesforce", "kind": "timeout_after", "ms": 50, "operation": "composite", "skip": 1, "times": 1 });
    stage.sandbox.post("/faults", &rule).await?;
    stage.run().await?;
    stage.sandbox.heal().await?;
    stage.rests().await?;
    for object in ["Contact", "Event", "Task"] {
        let record = stage.one_there(object, "After-up").await?;
        ensure!(!text(&record["Tandem_Key__c"]).is_empty(), "{record:#}");
    }
    stage.email_there("after@").await.map(drop)
}

#[tokio::test]
async fn a_thousand_deletes_in_an_hour_stop_the_whole_organisation() -> Result<()> {
    let stage = stage().await?;
    for n in 0..1_020 {
        stage
            .there(
                "Task",
                &json!({ "Subject": format!("Masse {n}"), "Status": "Not Started" }),
            )
            .await?;
    }
    stage.rests().await?;
    let all = stage.sandbox.records("Task", &stage.nina.user).await?;
    let mass: Vec<&Value> = all
        .iter()
        .filter(|t| text(&t["Subject"]).starts_with("Masse "))
        .collect();
    ensure!(mass.len() == 1_020, "{}", mass.len());
    for task in &mass {
        stage.delete_there("Task", &id_of(task)?).await?;
    }
    let ran = stage.run().await?;
    let connection = stage.nina.connection().await?;
    ensure!(
        connection["reason"] == "org_brake",
        "{} {} {:#}",
        ran.outcome,
        ran.said,
        connection["reason"]
    );
    let here = stage.sandbox.get(&stage.items_path("tasks")).await?;
    let gone = here
        .as_array()
        .context("no list")?
        .iter()
        .filter(|t| text(&t["subject"]).starts_with("Masse ") && t["folder"] == "Deleted Items")
        .count();
    ensure!(
        gone == 0,
        "{gone} are deleted although it stopped before the first"
    );
    // Nobody goes on by themselves, nor by the user's *Start* alone.
    let (well, said) = told(&stage, &["session", "run", "--connection", &stage.connection]).await?;
    ensure!(!well && said.contains("tandem org release"), "{said}");
    let list = stage.tandem.read(&["org", "list"]).await?;
    ensure!(list.contains(&stage.sandbox.info.org_id), "{list}");
    let said = stage
        .tandem
        .read(&["org", "release", &stage.sandbox.info.org_id])
        .await?;
    ensure!(said.contains("goes on"), "{said}");
    let again = stage
        .tandem
        .read(&["org", "release", &stage.sandbox.info.org_id])
        .await?;
    ensure!(again.contains("was not stopped"), "{again}");
    let (well, _) = told(&stage, &["org", "release", "00D000000000000AAA"]).await?;
    ensure!(!well);
    // Whoever let it go on knows what comes: nothing is lost but what was deleted.
    let user = stage.run().await?;
    println!(
        "after the release: {} {}",
        user.outcome,
        user.said.lines().last().unwrap_or_default()
    );
    stage.nothing_mailed().await
}

#[tokio::test]
async fn a_second_sync_tool_is_warned_of() -> Result<()> {
    let stage = stage().await?;
    stage.rests().await?;
    stage.org(&json!({ "activity_capture": true })).await?;
    let folders = format!("/exchange/mailboxes/{}/folders", stage.nina.user.mailbox);
    stage
        .sandbox
        .post(
            &folders,
            &json!({ "name": "Cirrus Insight", "class": "IPF.Note" }),
        )
        .await?;
    sql(&stage, "UPDATE connections SET last_full = 1").await?;
    stage.rests().await?;
    let einstein = stage
        .issue("other_sync_tool", "Einstein Activity Capture")
        .await?;
    let cirrus = stage.issue("other_sync_tool", "Cirrus Insight").await?;
    ensure!(
        !text(&einstein["detail"]).is_empty() && text(&cirrus["detail"]).contains("Cirrus Insight"),
        "{einstein} {cirrus}"
    );
    // It warns; it does not stop.
    stage.healthy("Beside", 0).await?;
    stage.done().await?;
    stage.healthy_arrived("Beside").await?;
    // What another tool saved is none of ours: it is not taken for a user's work.
    stage.cure(&cirrus, "ignore", None).await?;
    sql(&stage, "UPDATE connections SET last_full = 1").await?;
    stage.rests().await?;
    stage.no_issue("Cirrus Insight").await?;
    stage
        .issue("other_sync_tool", "Einstein Activity Capture")
        .await?;
    Ok(())
}

#[tokio::test]
async fn cures_do_what_they_say() -> Result<()> {
    let stage = stage().await?;
    // Pick the match: two records with the address of one item.
    for name in ["Zwilling", "Doppel"] {
        stage
            .there(
                "Contact",
                &json!({ "LastName": name, "FirstName": "Bo", "Email": "twin@elsewhere.example" }),
            )
            .await?;
    }
    stage
        .here("contacts", &json!({ "folder": "Salesforce Contacts", "fields": { "Surname": "Einzel", "EmailAddress1": "twin@elsewhere.example", "JobTitle": "Chef" } }))
        .await?;
    stage.rests().await?;
    let issue = stage.issue("several_matches", "Einzel").await?;
    let choice = id_of(&stage.one_there("Contact", "Doppel").await?)?;
    // A choice that is none is refused, and changes nothing.
    let id = text(&issue["id"]).to_owned();
    for wrong in ["", "003000000000000AAA", "x' OR 1=1"] {
        let answer = stage
            .nina
            .call(
                "cure",
                &[("issue", &id), ("cure", "pick_match"), ("choice", wrong)],
            )
            .await?;
        let refused = answer.status != StatusCode::OK;
        stage.rests().await?;
        ensure!(
            stage.found_there("Contact", "Einzel").await?.is_empty(),
            "{wrong:?} made a record"
        );
        ensure!(
            refused || wrong.starts_with("003"),
            "{wrong:?} is taken: {}",
            answer.text()
        );
    }
    let issue = stage.issue("several_matches", "Einzel").await?;
    stage.cure(&issue, "pick_match", Some(&choice)).await?;
    stage.rests().await?;
    let record = stage.record("Contact", &choice).await?;
    ensure!(
        record["Title"] == "Chef" && record["LastName"] == "Doppel",
        "{record:#}"
    );

    // Keep mine, keep theirs.
    stage.own_setting("task_conflicts", "ask").await?;
    stage.own_setting("event_conflicts", "ask").await?;
    stage.healthy("Streit", 0).await?;
    stage.rests().await?;
    for (kind, object, name, here, there) in [
        ("tasks", "Task", "Streit-up", "body", "Description"),
        ("events", "Event", "Streit-up", "location", "Location"),
    ] {
        for (cure, winner) in [("keep_mine", "Meins"), ("keep_theirs", "Deren")] {
            let item = id_of(&stage.one_here(kind, name).await?)?;
            let record = id_of(&stage.one_there(object, name).await?)?;
            stage
                .edit_here(kind, &item, &json!({ (here): format!("Meins {cure}") }))
                .await?;
            stage
                .edit_there(object, &record, &json!({ (there): format!("Deren {cure}") }))
                .await?;
            stage.rests().await?;
            let issue = stage.issue("conflict", name).await?;
            ensure!(text(&stage.one_here(kind, name).await?[here]).trim() == format!("Meins {cure}"));
            ensure!(stage.record(object, &record).await?[there] == format!("Deren {cure}"));
            stage.cure(&issue, cure, None).await?;
            stage.rests().await?;
            let value = format!("{winner} {cure}");
            ensure!(
                text(&stage.one_here(kind, name).await?[here]).trim() == value,
                "{kind} {cure}"
            );
            ensure!(
                stage.record(object, &record).await?[there] == value.as_str(),
                "{object} {cure}"
            );
            stage.no_issue(name).await?;
        }
    }

    // Deleted in the mailbox: bring back; delete there too.
    stage.healthy("Weg", 2).await?;
    stage.rests().await?;
    for (kind, object) in [("contacts", "Contact"), ("tasks", "Task")] {
        for (way, cure) in [("up", "bring_back"), ("down", "delete_there")] {
            let name = format!("Weg-{way}");
            stage
                .delete_here(kind, &id_of(&stage.one_here(kind, &name).await?)?)
                .await?;
            stage.rests().await?;
            stage.one_there(object, &name).await?;
            let issues = stage.issues().await?;
            let issue = issues
                .iter()
                .find(|i| i["title"] == name.as_str() && i["code"] == "deleted_in_mailbox")
                .with_context(|| format!("{name}: {issues:#?}"))?;
            stage.cure(issue, cure, None).await?;
            stage.rests().await?;
            if cure == "bring_back" {
                stage.one_here(kind, &name).await?;
                stage.one_there(object, &name).await?;
            } else {
                ensure!(stage.found_here(kind, &name).await?.is_empty());
                ensure!(
                    stage.found_there(object, &name).await?.is_empty(),
                    "{object} {name} is still there"
                );
            }
            stage.no_issue(&name).await?;
        }
    }
    stage.nothing_mailed().await
}
