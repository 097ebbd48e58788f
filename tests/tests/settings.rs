//! Every setting takes effect in the next session, the organisation's and the connection's own; turning anything off
//! deletes nothing; what cannot be set is refused by its name.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tandem_tests::server::Options;
use tandem_tests::shop::{BARE, hours_ahead, id_of};
use tandem_tests::stage::Stage;

async fn stage() -> Result<Stage> {
    let stage = Stage::synced(&BARE, &Options::default()).await?;
    stage.without_brake().await?;
    Ok(stage)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What there is of all kinds on both sides, deleted things left out.
async fn inventory(stage: &Stage) -> Result<Vec<usize>> {
    let mut counts = Vec::new();
    for kind in ["contacts", "events", "tasks", "messages"] {
        let all = stage.sandbox.get(&stage.items_path(kind)).await?;
        let all = all.as_array().context("no list")?;
        counts.push(
            all.iter()
                .filter(|item| item["folder"] != "Deleted Items")
                .count(),
        );
    }
    for object in ["Contact", "Event", "Task", "EmailMessage"] {
        let all = stage
            .sandbox
            .get(&format!("/salesforce/records/{object}"))
            .await?;
        let all = all.as_array().context("no list")?;
        counts.push(all.iter().filter(|record| record["IsDeleted"] != true).count());
    }
    Ok(counts)
}

/// A contact of Nina's in Salesforce: its address.
async fn known(stage: &Stage) -> Result<String> {
    let all = stage.sandbox.records("Contact", &stage.nina.user).await?;
    all.iter()
        .find(|c| {
            c["OwnerId"] == stage.nina.user.salesforce_user_id.as_str() && !text(&c["Email"]).is_empty()
        })
        .map(|c| text(&c["Email"]).to_owned())
        .context("nobody is known")
}

/// A mail in the Inbox that came an hour ago.
async fn letter(stage: &Stage, id: &str, from: &str, more: Value) -> Result<String> {
    let mut all = json!({ "subject": id, "text": "t", "from": from, "to": [stage.nina.user.mailbox], "folder": "Inbox",
        "message_id": format!("<{id}@letters.example>"), "sent": hours_ahead(-1), "received": hours_ahead(-1) });
    for (name, value) in more.as_object().into_iter().flatten() {
        all[name] = value.clone();
    }
    stage.here("messages", &all).await
}

async fn is_saved(stage: &Stage, id: &str) -> Result<bool> {
    let found = stage.emails_there(&format!("<{id}@letters.example>")).await?;
    ensure!(found.len() <= 1, "{id} is saved {} times", found.len());
    Ok(found.len() == 1)
}

#[tokio::test]
async fn directions_hold_for_each_kind_and_deleting_is_none_of_them() -> Result<()> {
    let stage = stage().await?;
    stage.healthy("Way", 0).await?;
    stage.rests().await?;
    stage.healthy_arrived("Way").await?;
    for (key, kind, object, here, there) in [
        ("contacts", "contacts", "Contact", "JobTitle", "Title"),
        ("events", "events", "Event", "location", "Location"),
        ("tasks", "tasks", "Task", "body", "Description"),
    ] {
        let held = async |name: &str| -> Result<(String, String)> {
            let item = stage.one_here(kind, name).await?;
            let item = if kind == "contacts" {
                &item["fields"][here]
            } else {
                &item[here]
            };
            let record = stage.one_there(object, name).await?;
            Ok((text(item).trim().to_owned(), text(&record[there]).to_owned()))
        };
        let (mut last_up, mut last_down) = (String::new(), String::new());
        for (n, way) in ["to_crm", "off", "to_mailbox", "two_way"].into_iter().enumerate() {
            stage.own_setting(key, way).await?;
            let before = inventory(&stage).await?;
            stage.rests().await?;
            // What was deleted there in the meantime comes down when it may.
            ensure!(
                ["to_mailbox", "two_way"].contains(&way) || inventory(&stage).await? == before,
                "{key} {way} deletes or makes something"
            );
            let (up, down) = (format!("up {n}"), format!("down {n}"));
            // Each side edits the thing that was born on it.
            let item = id_of(&stage.one_here(kind, "Way-up").await?)?;
            let change = if kind == "contacts" {
                json!({ "fields": { (here): up } })
            } else {
                json!({ (here): up })
            };
            stage.edit_here(kind, &item, &change).await?;
            let record = id_of(&stage.one_there(object, "Way-down").await?)?;
            stage
                .edit_there(object, &record, &json!({ (there): down }))
                .await?;
            stage.rests().await?;
            let (writes_crm, writes_mailbox) = (
                ["to_crm", "two_way"].contains(&way),
                ["to_mailbox", "two_way"].contains(&way),
            );
            if writes_crm {
                last_up.clone_from(&up);
            }
            if writes_mailbox {
                last_down.clone_from(&down);
            }
            ensure!(
                held("Way-up").await? == (up.clone(), last_up.clone()),
                "{key} {way}: {:?}, not {last_up}",
                held("Way-up").await?
            );
            ensure!(
                held("Way-down").await? == (last_down.clone(), down.clone()),
                "{key} {way}: {:?}, not {last_down}",
                held("Way-down").await?
            );
            // And what is new goes only where it may.
            let name = format!("{key}-{n}");
            match kind {
                "contacts" => {
                    stage.here(kind, &json!({ "folder": "Salesforce Contacts", "fields": { "Surname": name, "EmailAddress1": format!("{name}@elsewhere.example") } })).await?;
                }
                "events" => {
                    let n = i64::try_from(n)?;
                    stage.here(kind, &json!({ "subject": name, "start": hours_ahead(200 + n), "end": hours_ahead(201 + n), "categories": ["Salesforce"] })).await?;
                }
                _ => {
                    stage
                        .here(kind, &json!({ "folder": "Salesforce Tasks", "subject": name }))
                        .await?;
                }
            }
            stage.rests().await?;
            let made = stage.found_there(object, &name).await?.len();
            ensure!(
                made == usize::from(writes_crm),
                "{key} {way}: {made} records of {name}"
            );
            // Deleted there while nothing may come down: it stays here.
            if way == "off" {
                let name = format!("{key}-0");
                stage
                    .delete_there(object, &id_of(&stage.one_there(object, &name).await?)?)
                    .await?;
                stage.rests().await?;
                stage.one_here(kind, &name).await?;
            }
        }
        // Turned on again, all that waited has arrived, once.
        for n in 1..4 {
            stage.one_there(object, &format!("{key}-{n}")).await?;
        }
    }
    // Emails: up or not at all.
    stage.own_setting("emails", "off").await?;
    let before = inventory(&stage).await?;
    let address = known(&stage).await?;
    letter(&stage, "off", &address, json!({})).await?;
    stage.rests().await?;
    ensure!(!is_saved(&stage, "off").await?);
    ensure!(
        inventory(&stage).await?[4..] == before[4..],
        "turning emails off deletes something"
    );
    stage.no_setting("emails").await?;
    stage.rests().await?;
    ensure!(is_saved(&stage, "off").await?, "what waited is not saved");
    stage.nothing_mailed().await
}

#[tokio::test]
async fn contacts_come_by_scope_list_and_limit() -> Result<()> {
    let stage = stage().await?;
    let linked = async || -> Result<u64> {
        stage.nina.connection().await?["links"]
            .as_u64()
            .context("no count")
    };
    let colleague = &stage.sandbox.info.users[1].salesforce_user_id;
    let theirs =
        json!({ "LastName": "Kollegenkunde", "Email": "kk@elsewhere.example", "OwnerId": colleague });
    stage.there("Contact", &theirs).await?;
    let listed = json!({ "LastName": "Gelistet", "Email": "gl@elsewhere.example", "Title": "CEO and founder", "OwnerId": colleague });
    stage.there("Contact", &listed).await?;
    stage.rests().await?;
    let mine = linked().await?;
    for name in ["Kollegenkunde", "Gelistet"] {
        ensure!(
            stage.found_here("contacts", name).await?.is_empty(),
            "{name} is none of hers"
        );
    }
    // A list view.
    let view = json!({ "object": "Contact", "label": "Chefs", "scope": "everything", "where": "Title LIKE '%CEO and%'" });
    let view = id_of(&stage.sandbox.post("/salesforce/listviews", &view).await?)?;
    let both = stage.tandem.folder().join("list.json");
    std::fs::write(
        &both,
        json!({ "contact_scope": "list_view", "contact_list": view, "brake": { "count": 5000, "percent": 100, "hard": 20000 } }).to_string(),
    )?;
    let file = both.to_str().context("a path that is no text")?;
    stage
        .tandem
        .read(&["settings", "replace", "--connection", &stage.connection, file])
        .await?;
    let before = inventory(&stage).await?;
    stage.rests().await?;
    stage.one_here("contacts", "Gelistet").await?;
    ensure!(stage.found_here("contacts", "Kollegenkunde").await?.is_empty());
    // A narrower scope deletes no record; what was made here and never touched may go to sleep.
    ensure!(inventory(&stage).await?[4..] == before[4..]);
    // All that can be seen, but no more than so many.
    std::fs::write(
        &both,
        json!({ "contact_scope": "all_visible", "brake": { "count": 5000, "percent": 100, "hard": 20000 } })
            .to_string(),
    )?;
    stage
        .tandem
        .read(&["settings", "replace", "--connection", &stage.connection, file])
        .await?;
    stage.rests().await?;
    stage.one_here("contacts", "Kollegenkunde").await?;
    ensure!(linked().await? > mine + 100, "{} after {mine}", linked().await?);
    let all = linked().await?;
    stage.own_setting("contact_limit", &(all + 1).to_string()).await?;
    for n in 0..3 {
        stage
            .there(
                "Contact",
                &json!({ "LastName": format!("Mehr {n}"), "Email": format!("mehr{n}@elsewhere.example") }),
            )
            .await?;
    }
    stage.rests().await?;
    let over = stage
        .issues()
        .await?
        .into_iter()
        .filter(|i| i["code"] == "over_limit")
        .count();
    ensure!(
        over == 2 && linked().await? == all + 1,
        "{over} over the limit, {} linked",
        linked().await?
    );
    stage.own_setting("contact_limit", "10000").await?;
    stage.rests().await?;
    ensure!(linked().await? == all + 3, "{}", linked().await?);
    ensure!(stage.issues().await?.iter().all(|i| i["code"] != "over_limit"));
    // Back to her own: nothing is deleted in Salesforce, hers stay here.
    let before = inventory(&stage).await?;
    stage.own_setting("contact_scope", "mine").await?;
    stage.rests().await?;
    ensure!(inventory(&stage).await?[4..] == before[4..]);
    stage.one_here("contacts", "Mehr 0").await.map(drop)
}

#[tokio::test]
async fn conflicts_end_as_the_policy_of_the_kind_says() -> Result<()> {
    let stage = stage().await?;
    stage.healthy("Streit", 0).await?;
    stage.rests().await?;
    for (key, kind, object, here, there) in [
        ("contact_conflicts", "contacts", "Contact", "JobTitle", "Title"),
        ("event_conflicts", "events", "Event", "location", "Location"),
        ("task_conflicts", "tasks", "Task", "body", "Description"),
    ] {
        for (policy, winner) in [
            ("mailbox", "mine"),
            ("crm", "theirs"),
            ("newest", "theirs"),
            ("ask", ""),
        ] {
            stage.own_setting(key, policy).await?;
            stage.rests().await?;
            let item = id_of(&stage.one_here(kind, "Streit-up").await?)?;
            let record = id_of(&stage.one_there(object, "Streit-up").await?)?;
            let (mine, theirs) = (format!("mine {policy}"), format!("theirs {policy}"));
            let change = if kind == "contacts" {
                json!({ "fields": { (here): mine } })
            } else {
                json!({ (here): mine })
            };
            stage.edit_here(kind, &item, &change).await?;
            if policy == "newest" {
                // Within two minutes of each other the mailbox would win.
                stage.sandbox.post("/clock", &json!({ "advance_s": 600 })).await?;
            }
            stage
                .edit_there(object, &record, &json!({ (there): theirs }))
                .await?;
            stage.rests().await?;
            let item = stage.one_here(kind, "Streit-up").await?;
            let item = text(if kind == "contacts" {
                &item["fields"][here]
            } else {
                &item[here]
            })
            .trim()
            .to_owned();
            let record = text(&stage.record(object, &record).await?[there]).to_owned();
            let wanted = match winner {
                "mine" => (mine.clone(), mine),
                "theirs" => (theirs.clone(), theirs),
                _ => {
                    stage.issue("conflict", "Streit-up").await?;
                    (mine, theirs)
                }
            };
            ensure!(
                (item.clone(), record.clone()) == wanted,
                "{key} {policy}: {item:?} {record:?}"
            );
        }
        let issue = stage.issue("conflict", "Streit-up").await?;
        stage.cure(&issue, "keep_mine", None).await?;
        stage.rests().await?;
        stage.no_issue("Streit-up").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_delete_in_outlook_does_what_the_setting_says() -> Result<()> {
    let stage = stage().await?;
    for (n, policy) in ["ask", "recreate", "delete_own"].into_iter().enumerate() {
        stage.own_setting("contact_deleted_in_mailbox", policy).await?;
        stage.own_setting("task_deleted_in_mailbox", policy).await?;
        let name = format!("Weg{n}");
        stage.healthy(&name, i64::try_from(n)?).await?;
        stage.rests().await?;
        for (kind, object) in [("contacts", "Contact"), ("tasks", "Task")] {
            let name = format!("{name}-down");
            stage
                .delete_here(kind, &id_of(&stage.one_here(kind, &name).await?)?)
                .await?;
            stage.rests().await?;
            let (here, there) = (
                stage.found_here(kind, &name).await?.len(),
                stage.found_there(object, &name).await?.len(),
            );
            let wanted = match policy {
                "ask" => (0, 1),
                "recreate" => (1, 1),
                _ => (0, 0),
            };
            ensure!(
                (here, there) == wanted,
                "{policy} {kind}: {here} here, {there} there"
            );
            let told = stage
                .issues()
                .await?
                .iter()
                .any(|i| i["title"] == name.as_str() && i["code"] == "deleted_in_mailbox");
            ensure!(
                told == (policy == "ask"),
                "{policy} {kind}: {:#?}",
                stage.issues().await?
            );
        }
    }
    stage.nothing_mailed().await
}

#[tokio::test]
async fn events_are_saved_in_the_window_and_by_the_rules_of_the_settings() -> Result<()> {
    let stage = stage().await?;
    let address = known(&stage).await?;
    let make = async |subject: &str, hours: i64, more: Value| -> Result<String> {
        let mut all =
            json!({ "subject": subject, "start": hours_ahead(hours), "end": hours_ahead(hours + 1) });
        for (name, value) in more.as_object().into_iter().flatten() {
            all[name] = value.clone();
        }
        stage.here("events", &all).await
    };
    let marked = json!({ "categories": ["Salesforce"] });
    make("Voraus", 24 * 90, marked.clone()).await?;
    make("Zurück", -24 * 30, marked.clone()).await?;
    stage.rests().await?;
    for name in ["Voraus", "Zurück"] {
        ensure!(
            stage.found_there("Event", name).await?.is_empty(),
            "{name} is outside of the window"
        );
    }
    stage.own_setting("event_days_ahead", "120").await?;
    stage.own_setting("event_days_back", "60").await?;
    stage.rests().await?;
    for name in ["Voraus", "Zurück"] {
        stage.one_there("Event", name).await?;
    }
    // Narrower again: nothing is deleted, and the pair goes on when it is moved into sight.
    stage.no_setting("event_days_ahead").await?;
    stage.no_setting("event_days_back").await?;
    let before = inventory(&stage).await?;
    stage.rests().await?;
    ensure!(inventory(&stage).await? == before);

    // Meetings by themselves, appointments only if wanted.
    let guest = json!({ "attendees": [{ "address": address }] });
    stage.own_setting("save_meetings", "false").await?;
    make("Treffen", 50, guest.clone()).await?;
    make("Termin", 60, json!({})).await?;
    stage.rests().await?;
    ensure!(
        stage.found_there("Event", "Treffen").await?.is_empty()
            && stage.found_there("Event", "Termin").await?.is_empty()
    );
    stage.no_setting("save_meetings").await?;
    stage.rests().await?;
    stage.one_there("Event", "Treffen").await?;
    ensure!(stage.found_there("Event", "Termin").await?.is_empty());
    stage.own_setting("save_appointments", "true").await?;
    stage.rests().await?;
    stage.one_there("Event", "Termin").await?;
    let before = inventory(&stage).await?;
    stage.no_setting("save_appointments").await?;
    stage.own_setting("save_meetings", "false").await?;
    stage.rests().await?;
    ensure!(
        inventory(&stage).await? == before,
        "turning it off deletes something"
    );
    stage.nothing_mailed().await?;

    // History: what is over and deleted here stays there, if so set.
    for (keep, name, hours) in [("true", "Vorbei", -50), ("false", "Vergessen", -60)] {
        stage.own_setting("keep_history", keep).await?;
        let id = make(name, hours, marked.clone()).await?;
        stage.rests().await?;
        stage.one_there("Event", name).await?;
        stage.delete_here("events", &id).await?;
        stage.rests().await?;
        let left = stage.found_there("Event", name).await?.len();
        ensure!(left == usize::from(keep == "true"), "{name}: {left}");
    }

    // Invitations: never, unless the user wants them for her own meetings.
    let there = id_of(&stage.one_there("Event", "Treffen").await?)?;
    stage
        .edit_there("Event", &there, &json!({ "Location": "Saal 1" }))
        .await?;
    stage.rests().await?;
    ensure!(stage.one_here("events", "Treffen").await?["location"] == "Saal 1");
    stage.nothing_mailed().await?;
    stage.own_setting("send_invitations", "true").await?;
    stage.rests().await?;
    stage.nothing_mailed().await?;
    stage
        .edit_there("Event", &there, &json!({ "Location": "Saal 2" }))
        .await?;
    stage.rests().await?;
    ensure!(stage.one_here("events", "Treffen").await?["location"] == "Saal 2");
    let sent = stage.sandbox.get("/counters").await?["exchange"]["mails"].take();
    let sent = sent.as_array().context("no list")?;
    ensure!(
        !sent.is_empty()
            && sent
                .iter()
                .all(|m| m["kind"] == "request" && m["to"].to_string().contains(&address)),
        "{sent:#?}"
    );
    Ok(())
}

#[tokio::test]
async fn mails_are_saved_by_the_rules_of_the_settings() -> Result<()> {
    let stage = stage().await?;
    let address = known(&stage).await?;
    let domain = address.split('@').nth(1).context("no domain")?.to_owned();
    let file = |name: &str, size: u32| json!({ "name": name, "content_type": "application/octet-stream", "size": size });

    letter(&stage, "first", &address, json!({})).await?;
    stage.rests().await?;
    ensure!(is_saved(&stage, "first").await?);
    // By themselves, and by their conversation.
    stage.own_setting("save_emails", "false").await?;
    stage.own_setting("save_threads", "false").await?;
    letter(&stage, "second", &address, json!({})).await?;
    let answer = json!({ "subject": "RE: first", "in_reply_to": "<first@letters.example>", "references": "<first@letters.example>" });
    letter(&stage, "answer", "nobody@unknown.example", answer).await?;
    stage.rests().await?;
    ensure!(!is_saved(&stage, "second").await? && !is_saved(&stage, "answer").await?);
    stage.no_setting("save_threads").await?;
    stage.rests().await?;
    ensure!(is_saved(&stage, "answer").await? && !is_saved(&stage, "second").await?);
    stage.no_setting("save_emails").await?;
    stage.rests().await?;
    ensure!(is_saved(&stage, "second").await?);
    // How far back.
    let old = json!({ "sent": hours_ahead(-24 * 10), "received": hours_ahead(-24 * 10) });
    letter(&stage, "older", &address, old).await?;
    stage.rests().await?;
    ensure!(!is_saved(&stage, "older").await?);
    stage.own_setting("email_days_back", "20").await?;
    stage.rests().await?;
    ensure!(is_saved(&stage, "older").await?);
    // A folder that was chosen.
    let folders = format!("/exchange/mailboxes/{}/folders", stage.nina.user.mailbox);
    stage
        .sandbox
        .post(
            &folders,
            &json!({ "name": "Acme", "class": "IPF.Note", "parent": "Inbox" }),
        )
        .await?;
    letter(
        &stage,
        "filed",
        "nobody@unknown.example",
        json!({ "folder": "Acme" }),
    )
    .await?;
    stage.rests().await?;
    ensure!(!is_saved(&stage, "filed").await?);
    stage.own_setting("email_folders", r#"["Inbox/Acme"]"#).await?;
    stage.rests().await?;
    ensure!(is_saved(&stage, "filed").await?);
    let before = inventory(&stage).await?;
    stage.no_setting("email_folders").await?;
    stage.no_setting("email_days_back").await?;
    stage.rests().await?;
    ensure!(inventory(&stage).await? == before);

    // Attachments: none, small ones, those with an ending that is allowed.
    for (n, (rules, wanted)) in [
        (r#"{"save":false}"#, vec![]),
        (r#"{"save":true,"max_bytes":500}"#, vec!["a.pdf", "b.txt"]),
        (r#"{"save":true,"endings":["pdf"]}"#, vec!["a.pdf", "big.pdf"]),
        (r#"{"save":true}"#, vec!["a.pdf", "b.txt", "big.pdf"]),
    ]
    .into_iter()
    .enumerate()
    {
        stage.own_setting("attachments", rules).await?;
        let names = ["a.pdf", "b.txt", "big.pdf"];
        let files: Vec<Value> = names
            .iter()
            .map(|name| {
                file(
                    &format!("{n}{name}"),
                    if name.starts_with("big") { 9_000 } else { 100 },
                )
            })
            .collect();
        letter(
            &stage,
            &format!("files{n}"),
            &address,
            json!({ "attachments": files }),
        )
        .await?;
        stage.rests().await?;
        ensure!(is_saved(&stage, &format!("files{n}")).await?);
        let there = stage.files_there().await?;
        for name in names {
            let found = there
                .iter()
                .filter(|(file, _)| *file == format!("{n}{name}"))
                .count();
            ensure!(
                found == usize::from(wanted.contains(&name)),
                "{rules}: {name} {found} times"
            );
        }
    }
    stage.no_setting("attachments").await?;

    // Whom nobody wants in Salesforce: the organisation's list and her own add up.
    stage
        .org_setting("blocklist", &json!([address]).to_string())
        .await?;
    stage.own_setting("blocklist", r#"["*@*.spam.example"]"#).await?;
    letter(&stage, "blocked", &address, json!({})).await?;
    letter(
        &stage,
        "spam",
        "x@mail.spam.example",
        json!({ "folder": "Salesforce Emails" }),
    )
    .await?;
    stage.rests().await?;
    ensure!(!is_saved(&stage, "blocked").await? && !is_saved(&stage, "spam").await?);
    stage.no_setting("blocklist").await?;
    stage
        .tandem
        .read(&[
            "settings",
            "clear",
            "--org",
            &stage.sandbox.info.org_id,
            "blocklist",
        ])
        .await?;
    stage.rests().await?;
    ensure!(is_saved(&stage, "blocked").await? && is_saved(&stage, "spam").await?);
    // A domain that is the company's own.
    stage
        .own_setting("own_domains", &json!([domain]).to_string())
        .await?;
    letter(&stage, "inside", &address, json!({})).await?;
    stage.rests().await?;
    ensure!(!is_saved(&stage, "inside").await?);
    stage.no_setting("own_domains").await?;
    stage.rests().await?;
    ensure!(is_saved(&stage, "inside").await?);
    stage.nothing_mailed().await
}

#[tokio::test]
async fn words_brakes_and_intervals_follow_the_settings() -> Result<()> {
    let stage = stage().await?;
    stage
        .own_setting("task_status", r#"{"waiting":"In Progress"}"#)
        .await?;
    stage.own_setting("task_priority", r#"{"high":"Low"}"#).await?;
    stage
        .here("tasks", &json!({ "folder": "Salesforce Tasks", "subject": "Worte", "status": "WaitingOnOthers", "importance": "High" }))
        .await?;
    stage.rests().await?;
    let record = stage.one_there("Task", "Worte").await?;
    ensure!(
        record["Status"] == "In Progress" && record["Priority"] == "Low",
        "{record:#}"
    );
    // What two words share is no reason to change either side.
    let item = stage.one_here("tasks", "Worte").await?;
    ensure!(
        item["status"] == "WaitingOnOthers" && item["importance"] == "High",
        "{item:#}"
    );

    stage
        .own_setting("brake", r#"{"count":3,"percent":0,"hard":5}"#)
        .await?;
    stage.rests().await?;
    for n in 0..7 {
        stage
            .here(
                "tasks",
                &json!({ "folder": "Salesforce Tasks", "subject": format!("Viele {n}") }),
            )
            .await?;
    }
    let before = stage.writes().await?;
    let ran = stage.run().await?;
    ensure!(
        ran.outcome == "stopped_by_brake" && stage.writes().await? == before,
        "{ran:#?}"
    );
    ensure!(stage.nina.connection().await?["reason"] == "stopped_by_brake");
    ensure!(stage.found_there("Task", "Viele 0").await?.is_empty());
    stage.without_brake().await?;
    stage.nina.order("release", &[]).await?;
    stage.rests().await?;
    for n in 0..7 {
        stage.one_there("Task", &format!("Viele {n}")).await?;
    }

    for minutes in [5, 45, 1440] {
        stage
            .own_setting("interval_minutes", &minutes.to_string())
            .await?;
        stage.rests().await?;
        let view = stage.nina.view().await?;
        let now = view["now"].as_i64().context("no clock")?;
        let due = (view["connection"]["next_due"].as_i64().context("not due")? - now) / 60_000_000;
        ensure!(
            (minutes * 8 / 10..=minutes * 12 / 10 + 1).contains(&due),
            "{minutes}: {due}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_set_is_refused_by_its_name() -> Result<()> {
    let stage = Stage::set(&BARE, &Options::default()).await?;
    let org = stage.sandbox.info.org_id.clone();
    let shown = async || -> Result<Value> {
        let said = stage
            .tandem
            .read(&["settings", "show", "--connection", &stage.connection])
            .await?;
        Ok(serde_json::from_str(&said)?)
    };
    let before = shown().await?;
    for (key, value) in [
        ("colour", "blue"),
        ("contacts", "sideways"),
        ("contacts", "7"),
        ("contact_limit", "0"),
        ("contact_limit", "1.5"),
        ("contact_limit", "100001"),
        ("contact_list", "\"00B000000000001\""),
        ("contact_conflicts", "loudest"),
        ("event_days_ahead", "0"),
        ("event_days_back", "400"),
        ("event_days_back", "1e99"),
        ("emails", "two_way"),
        ("emails", "to_mailbox"),
        ("email_days_back", "367"),
        ("email_folders", "\"Inbox\""),
        ("brake.percent", "101"),
        ("brake.colour", "1"),
        ("attachments.max_bytes", "0"),
        ("attachments.max_bytes", "52428801"),
        ("interval_minutes", "4"),
        ("interval_minutes", "1441"),
        ("interval_minutes", "null"),
        ("task_status", r#"{"sleeping":"Asleep"}"#),
        ("task_status", r#"{"waiting":" "}"#),
        ("save_emails", "maybe"),
        ("blocklist", "[1]"),
    ] {
        for whose in [
            ["--connection", stage.connection.as_str()],
            ["--org", org.as_str()],
        ] {
            let output = stage
                .tandem
                .run(&["settings", "set", whose[0], whose[1], key, value])
                .await?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let name = key.split('.').next_back().unwrap_or_default();
            ensure!(!output.status.success(), "{key} {value} is taken");
            ensure!(
                said.contains(name),
                "{key} {value}: the refusal does not name it: {said}"
            );
        }
    }
    ensure!(shown().await? == before, "something was set");

    // The organisation's, then the connection's own, then neither.
    stage.org_setting("contact_limit", "500").await?;
    ensure!(shown().await?["effective"]["contact_limit"] == 500);
    stage.own_setting("contact_limit", "600").await?;
    ensure!(shown().await?["effective"]["contact_limit"] == 600);
    ensure!(stage.nina.connection().await?["settings"]["contact_limit"] == 600);
    stage.no_setting("contact_limit").await?;
    ensure!(shown().await?["effective"]["contact_limit"] == 500);
    stage
        .tandem
        .read(&["settings", "clear", "--org", &org, "contact_limit"])
        .await?;
    ensure!(shown().await? == before);
    // Half of a pair is none: what the organisation takes away must not break what a connection has set.
    stage.org_setting("blocklist", r#"["a@b.example"]"#).await?;
    stage.own_setting("blocklist", r#"["c@d.example"]"#).await?;
    let list = shown().await?["effective"]["blocklist"].take();
    ensure!(list.as_array().is_some_and(|l| l.len() == 2), "{list}");
    Ok(())
}
