//! What no server should hold and some do: each is told on that one item, everything else goes on beside it.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tandem_tests::desk::bare;
use tandem_tests::server::Options;
use tandem_tests::shop::{BARE, day_ahead, hours_ahead, id_of};
use tandem_tests::stage::{Stage, encoded};

/// Requests of a session in which only what is known to be bad waits: one question to each side, and a try.
const QUIET: usize = 4;

async fn stage() -> Result<Stage> {
    let stage = Stage::synced(&BARE, &Options::default()).await?;
    stage.without_brake().await?;
    Ok(stage)
}

/// An event that the user wants in Salesforce.
fn event(subject: &str, start: &str, end: &str) -> Value {
    json!({ "subject": subject, "start": start, "end": end, "categories": ["Salesforce"] })
}

/// A mail that the user wants in Salesforce. From a colleague: of a stranger's he would be asked where it belongs.
fn mail(stage: &Stage, id: &str, more: &Value) -> Value {
    let mut all = json!({ "folder": "Salesforce Emails", "subject": id, "text": "Text.",
        "from": "somebody@contoso.example", "to": [stage.nina.user.mailbox], "message_id": format!("<{id}@elsewhere.example>") });
    for (name, value) in more.as_object().into_iter().flatten() {
        all[name] = value.clone();
    }
    all
}

/// As [`mail`], byte by byte: the headers that differ, and what comes after them.
fn raw_mail(stage: &Stage, id: &str, headers: &str, body: &[u8]) -> Value {
    let head = format!(
        "From: somebody@contoso.example\r\nTo: {}\r\nDate: Thu, 01 Oct 2026 10:00:00 +0000\r\nMessage-ID: <{id}@elsewhere.example>\r\n{headers}\r\n",
        stage.nina.user.mailbox
    );
    let bytes: Vec<u8> = head.bytes().chain(body.iter().copied()).collect();
    json!({ "folder": "Salesforce Emails", "mime_base64": STANDARD.encode(bytes) })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn seconds(value: &Value) -> Result<i64> {
    let text = text(value).replace("+0000", "Z");
    Ok(text
        .parse::<jiff::Timestamp>()
        .with_context(|| format!("{value} is no time"))?
        .as_second())
}

fn same_times(item: &Value, record: &Value) -> Result<()> {
    ensure!(
        seconds(&item["start"])? == seconds(&record["StartDateTime"])?
            && seconds(&item["end"])? == seconds(&record["EndDateTime"])?,
        "{item:#} {record:#}"
    );
    Ok(())
}

/// E-mail addresses of Nina's own contacts in Salesforce.
async fn known_addresses(stage: &Stage) -> Result<Vec<(String, String)>> {
    let all = stage.sandbox.records("Contact", &stage.nina.user).await?;
    Ok(all
        .iter()
        .filter(|c| c["OwnerId"] == stage.nina.user.salesforce_user_id.as_str())
        .filter_map(|c| Some((c["Email"].as_str()?.to_owned(), c["Id"].as_str()?.to_owned())))
        .collect())
}

#[tokio::test]
async fn events_that_cannot_be_are_told_and_the_rest_goes_on() -> Result<()> {
    let stage = stage().await?;
    let zone = |name: &str| json!({ "zone": name });
    let day = |days: i64| hours_ahead(24 * days);
    // What, and what Outlook says afterwards when the user has put it right.
    let cases = [
        (
            event("Kur", &day(2), &day(17)),
            "event_too_long",
            json!({ "end": day(16) }),
        ),
        (
            json!({ "subject": "Weltreise", "start": day_ahead(3), "end": day_ahead(18), "all_day": true, "categories": ["Salesforce"] }),
            "event_too_long",
            json!({ "end": day_ahead(17) }),
        ),
        (
            {
                let mut back = event("Zeitreise", &hours_ahead(50), &hours_ahead(51));
                back["raw_end"] = json!(hours_ahead(48));
                back
            },
            "end_before_start",
            json!({ "end": hours_ahead(51) }),
        ),
        (
            {
                let mut lost = event("Atlantis", &hours_ahead(60), &hours_ahead(61));
                lost["zone"] = json!("Atlantis Standard Time");
                lost
            },
            "zone_unknown",
            zone("Tokyo Standard Time"),
        ),
    ];
    let mut ids = Vec::new();
    for (item, ..) in &cases {
        ids.push(
            stage
                .here("events", item)
                .await
                .with_context(|| item.to_string())?,
        );
    }
    stage.healthy("Beside", 0).await?;
    stage.done().await?;
    stage.healthy_arrived("Beside").await?;
    for (item, code, _) in &cases {
        let subject = text(&item["subject"]);
        let issue = stage.issue(code, subject).await?;
        ensure!(issue["kind"] == "event", "{issue:#}");
        ensure!(
            stage.found_there("Event", subject).await?.is_empty(),
            "{subject} is there"
        );
        stage.one_here("events", subject).await?;
    }
    let quiet = stage.rests().await?;
    ensure!(quiet.requests() <= QUIET, "it hammers: {quiet:#?}");

    // Put right by the user, in Outlook: nothing else is needed.
    for ((_, _, cure), id) in cases.iter().zip(&ids) {
        stage.edit_here("events", id, cure).await?;
    }
    stage.rests().await?;
    for (item, ..) in &cases {
        let subject = text(&item["subject"]);
        stage.no_issue(subject).await?;
        let (here, there) = (
            stage.one_here("events", subject).await?,
            stage.one_there("Event", subject).await?,
        );
        if here["all_day"] == true {
            ensure!(there["IsAllDayEvent"] == true, "{there:#}");
        } else {
            same_times(&here, &there)?;
        }
    }

    // One that is paired, and turns bad later: what is there stays as it was.
    let before = stage.one_there("Event", "Kur").await?;
    for (change, code) in [
        (json!({ "end": day(40) }), "event_too_long"),
        (json!({ "end": day(3), "raw_end": day(1) }), "end_before_start"),
    ] {
        stage.edit_here("events", &ids[0], &change).await?;
        stage.done().await?;
        stage.issue(code, "Kur").await?;
        let now = stage.one_there("Event", "Kur").await?;
        ensure!(now["EndDateTime"] == before["EndDateTime"], "{now:#}");
        let quiet = stage.rests().await?;
        ensure!(quiet.requests() <= QUIET, "it hammers: {quiet:#?}");
    }
    stage
        .edit_here("events", &ids[0], &json!({ "end": day(3) }))
        .await?;
    stage.rests().await?;
    stage.no_issue("Kur").await?;
    same_times(
        &stage.one_here("events", "Kur").await?,
        &stage.one_there("Event", "Kur").await?,
    )?;
    stage.nothing_mailed().await
}

#[tokio::test]
async fn odd_events_are_saved_as_far_as_salesforce_holds_them() -> Result<()> {
    let stage = stage().await?;
    let known = known_addresses(&stage).await?;
    let (address, contact) = known.first().context("nobody is known")?;

    // An attendee without an address, beside one who is known.
    let mut nameless = event("Namenlos", &hours_ahead(30), &hours_ahead(31));
    nameless["attendees"] = json!([{ "name": "Herr Niemand" }, { "address": address }, { "name": "", "address": "not an address" }]);
    stage.here("events", &nameless).await?;
    // Longer than any field there.
    let long = format!("Lang {}", "Ä🚚".repeat(1998));
    let mut lengthy = event(&long, &hours_ahead(32), &hours_ahead(33));
    lengthy["body"] = json!("x".repeat(100_000));
    lengthy["location"] = json!("Werk ".repeat(400));
    let lengthy_id = stage.here("events", &lengthy).await?;
    // What no XML may hold, what ends XML, what runs from right to left.
    let odd = "Odd \t\u{85}\u{200b}\u{feff} ]]> </t:Subject> &amp; \u{202e}evil\u{202c} عربى \u{fffd}end";
    let mut strange = event(odd, &hours_ahead(34), &hours_ahead(35));
    strange["location"] = json!("\u{feff}Raum\u{2028} <b>4</b>");
    strange["body"] = json!("Eins\u{85}zwei\u{2029} drei");
    let strange_id = stage.here("events", &strange).await?;
    // Outside of all windows, but wanted.
    for (n, (start, end)) in [
        ("1601-01-01T00:00:00Z", "1601-01-01T01:00:00Z"),
        ("9999-12-30T20:00:00Z", "9999-12-30T21:00:00Z"),
        ("4500-08-31T22:00:00Z", "4500-08-31T23:59:00Z"),
    ]
    .into_iter()
    .enumerate()
    {
        stage
            .here("events", &event(&format!("Fern {n}"), start, end))
            .await?;
    }
    stage.healthy("Beside", 0).await?;
    stage.done().await?;
    stage.healthy_arrived("Beside").await?;

    let there = stage.one_there("Event", "Namenlos").await?;
    ensure!(there["WhoId"] == contact.as_str(), "{there:#}");
    stage.no_issue("Namenlos").await?;

    let all = stage.sandbox.records("Event", &stage.nina.user).await?;
    let cut: Vec<&Value> = all
        .iter()
        .filter(|e| text(&e["Subject"]).starts_with("Lang "))
        .collect();
    ensure!(cut.len() == 1, "{cut:#?}");
    let cut_id = id_of(cut[0])?;
    let subject = text(&cut[0]["Subject"]);
    ensure!(
        long.starts_with(subject) && (200..=255).contains(&subject.chars().count()),
        "{} characters: {subject}",
        subject.chars().count()
    );
    ensure!(text(&cut[0]["Location"]).len() <= 255 && text(&cut[0]["Description"]).len() <= 32_000);
    // The loss does not travel back, also not with a change there; a change behind the cut is none there.
    stage
        .edit_there("Event", &cut_id, &json!({ "ShowAs": "Free" }))
        .await?;
    stage.rests().await?;
    let here = stage.one_here("events", &long).await?;
    ensure!(
        here["show_as"] == "Free" && text(&here["body"]).trim_end().len() == 100_000,
        "{}",
        here["show_as"]
    );
    stage
        .edit_here("events", &lengthy_id, &json!({ "subject": format!("{long}!") }))
        .await?;
    stage.rests().await?;
    stage.one_here("events", &format!("{long}!")).await?;
    ensure!(stage.record("Event", &cut_id).await?["Subject"] == subject);

    // Characters that cannot be are left out, the words around them are kept; and nobody loses anything over it.
    let all = stage.sandbox.records("Event", &stage.nina.user).await?;
    let odd_there: Vec<&Value> = all
        .iter()
        .filter(|e| text(&e["Subject"]).starts_with("Odd "))
        .collect();
    ensure!(odd_there.len() == 1, "{odd_there:#?}");
    let subject = text(&odd_there[0]["Subject"]);
    for part in ["]]> </t:Subject> &amp;", "evil", "عربى", "end"] {
        ensure!(subject.contains(part), "{part} is lost: {subject:?}");
    }
    ensure!(
        text(&odd_there[0]["Location"]).contains("Raum")
            && text(&odd_there[0]["Location"]).contains("<b>4</b>")
    );
    ensure!(
        ["Eins", "zwei", "drei"]
            .iter()
            .all(|w| text(&odd_there[0]["Description"]).contains(w)),
        "{:#}",
        odd_there[0]
    );
    stage
        .edit_there("Event", &id_of(odd_there[0])?, &json!({ "Location": "Raum 5" }))
        .await?;
    stage.rests().await?;
    let item = stage
        .sandbox
        .get(&format!(
            "{}/{}",
            stage.items_path("events"),
            encoded(&strange_id)
        ))
        .await?;
    ensure!(
        item["location"] == "Raum 5" && text(&item["subject"]).contains("evil"),
        "{item:#}"
    );

    for n in 0..3 {
        ensure!(stage.found_there("Event", &format!("Fern {n}")).await?.is_empty());
        stage.one_here("events", &format!("Fern {n}")).await?;
    }
    let quiet = stage.rests().await?;
    ensure!(quiet.requests() <= QUIET + 1, "it hammers: {quiet:#?}");
    stage.nothing_mailed().await
}

#[tokio::test]
async fn a_meeting_of_five_thousand_is_saved_with_those_who_fit() -> Result<()> {
    let stage = Stage::synced(&bare("70", "0"), &Options::default()).await?;
    stage.org(&json!({ "shared_activities": true })).await?;
    stage.without_brake().await?;
    let idle = stage.rests().await?.requests();
    let known = known_addresses(&stage).await?;
    ensure!(known.len() >= 60, "{}", known.len());
    let strangers = (0..5_000 - known.len()).map(|n| format!("guest{n}@stadium.example"));
    let attendees: Vec<Value> = strangers
        .chain(known.iter().map(|(address, _)| address.clone()))
        .map(|address| json!({ "address": address }))
        .collect();
    ensure!(attendees.len() == 5_000);
    let mut crowd = event("Volksfest", &hours_ahead(40), &hours_ahead(44));
    crowd["attendees"] = json!(attendees);
    let id = stage.here("events", &crowd).await?;
    stage.healthy("Beside", 0).await?;
    let ran = stage.done().await?;
    println!("5,000 attendees: {:?}, {} requests", ran.took, ran.requests());
    stage.healthy_arrived("Beside").await?;
    let there = stage.one_there("Event", "Volksfest").await?;
    same_times(&stage.one_here("events", "Volksfest").await?, &there)?;
    let relations = stage.sandbox.get("/salesforce/records/EventRelation").await?;
    let mine = relations
        .as_array()
        .context("no list")?
        .iter()
        .filter(|r| r["EventId"] == there["Id"] && r["IsDeleted"] != true)
        .count();
    ensure!((1..=101).contains(&mine), "{mine} relations");
    stage.issue("too_many_people", "Volksfest").await?;
    let quiet = stage.rests().await?;
    ensure!(
        quiet.requests() <= idle + 1,
        "it hammers, {idle} are usual: {quiet:#?}"
    );
    // Fewer people: all of them, and nothing more to tell.
    let few: Vec<Value> = known[..3]
        .iter()
        .map(|(address, _)| json!({ "address": address }))
        .collect();
    stage
        .edit_here("events", &id, &json!({ "attendees": few }))
        .await?;
    stage.rests().await?;
    stage.no_issue("Volksfest").await?;
    stage.nothing_mailed().await
}

#[tokio::test]
async fn a_series_of_three_thousand_syncs_its_window() -> Result<()> {
    let stage = stage().await?;
    let mut series = event(
        "Stehung",
        &format!("{}T07:00:00Z", day_ahead(-40)),
        &format!("{}T07:15:00Z", day_ahead(-40)),
    );
    series["recurrence"] = json!({ "pattern": "daily", "interval": 1, "until": day_ahead(2_960) });
    stage.here("events", &series).await?;
    // Older than any calendar, and without an end.
    let mut eternal = event("Ewig", "1999-01-04T06:00:00Z", "1999-01-04T06:30:00Z");
    eternal["recurrence"] = json!({ "pattern": "weekly", "interval": 1, "days": ["Monday"] });
    stage.here("events", &eternal).await?;
    stage.healthy("Beside", 0).await?;
    let ran = stage.done().await?;
    println!("a series of 3,000: {:?}, {} requests", ran.took, ran.requests());
    ensure!(ran.took < Duration::from_mins(1), "{:?}", ran.took);
    stage.healthy_arrived("Beside").await?;
    let daily = stage.found_there("Event", "Stehung").await?;
    ensure!(
        (73..=76).contains(&daily.len()),
        "{} occurrences in 74 days",
        daily.len()
    );
    let weekly = stage.found_there("Event", "Ewig").await?;
    ensure!(
        (10..=11).contains(&weekly.len()),
        "{} occurrences in 74 days",
        weekly.len()
    );
    let starts: std::collections::BTreeSet<&str> = daily.iter().map(|e| text(&e["StartDateTime"])).collect();
    ensure!(starts.len() == daily.len(), "one occurrence is there twice");
    stage.no_issue("Stehung").await?;
    stage.no_issue("Ewig").await?;
    let quiet = stage.rests().await?;
    ensure!(quiet.requests() <= QUIET, "it hammers: {quiet:#?}");
    stage.one_here("events", "Stehung").await?;
    stage.nothing_mailed().await
}

#[tokio::test]
async fn mails_that_nobody_can_read_are_told_and_the_rest_goes_on() -> Result<()> {
    let stage = stage().await?;
    let html = |source: String| json!({ "text": null, "html": source });
    let film =
        json!({ "attachments": [{ "name": "film.mp4", "content_type": "video/mp4", "size": 60_000_000 }] });
    let mut cases = vec![
        ("film", mail(&stage, "film", &film), "too_large"),
        (
            "deep",
            mail(&stage, "deep", &html("<div>".repeat(100_000))),
            "too_large",
        ),
        (
            "huge",
            mail(
                &stage,
                "huge",
                &html(format!("<p>{}</p>", "words ".repeat(1_500_000))),
            ),
            "too_large",
        ),
        (
            "smime",
            mail(&stage, "smime", &json!({ "item_class": "IPM.Note.SMIME" })),
            "encrypted",
        ),
    ];
    for (_, item, _) in &mut cases {
        if item["text"].is_null() {
            item.as_object_mut().context("no object")?.remove("text");
        }
    }
    let mut ids = Vec::new();
    for (_, item, _) in &cases {
        ids.push(stage.here("messages", item).await?);
    }
    // Bytes that are no mail at all.
    let noise: Vec<u8> = (0..20_000_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[1] | 0x80)
        .collect();
    let noise = json!({ "folder": "Salesforce Emails", "mime_base64": STANDARD.encode(&noise) });
    ids.push(stage.here("messages", &noise).await?);
    stage.healthy("Beside", 0).await?;
    stage.done().await?;
    stage.healthy_arrived("Beside").await?;
    for (name, _, code) in &cases {
        let issue = stage.issue(code, name).await?;
        ensure!(
            issue["kind"] == "email" && !text(&issue["detail"]).is_empty(),
            "{issue:#}"
        );
        ensure!(
            stage.emails_there(&format!("{name}@")).await?.is_empty(),
            "{name} is there"
        );
    }
    let unreadable: Vec<Value> = stage
        .issues()
        .await?
        .into_iter()
        .filter(|i| i["code"] == "unreadable")
        .collect();
    ensure!(unreadable.len() == 1, "{unreadable:#?}");
    let quiet = stage.rests().await?;
    ensure!(quiet.requests() <= QUIET, "it hammers: {quiet:#?}");

    // The user takes them out of the folder: nothing is wanted of them any more.
    for id in &ids {
        let path = format!("{}/{}/move", stage.items_path("messages"), encoded(id));
        stage.sandbox.post(&path, &json!({ "folder": "Archive" })).await?;
    }
    stage.rests().await?;
    let left = stage.issues().await?;
    ensure!(left.is_empty(), "{left:#?}");
    stage.nothing_mailed().await
}

#[tokio::test]
async fn odd_mails_are_saved_without_what_harms() -> Result<()> {
    let stage = stage().await?;
    let long = "Betreff ".repeat(500);
    let make = async |item: Value| stage.here("messages", &item).await;
    make(mail(&stage, "long", &json!({ "subject": long }))).await?;
    let crowd: Vec<String> = (0..2_000).map(|n| format!("guest{n}@stadium.example")).collect();
    make(mail(&stage, "crowd", &json!({ "to": crowd, "cc": crowd }))).await?;
    let injected = STANDARD.encode("Hallo\r\nBcc: spy@evil.example\r\nX-Evil: 1\r\n\r\ninjected body");
    make(raw_mail(
        &stage,
        "inject",
        &format!("Subject: =?utf-8?B?{injected}?=\r\nContent-Type: text/plain\r\n"),
        b"Real text.",
    ))
    .await?;
    // Not Unicode: a lone surrogate, a zero, a byte order mark inside, a cut character.
    make(raw_mail(
        &stage,
        "bytes",
        "Subject: bytes\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n",
        b"before \xed\xa0\x80 \x00 \x1b \xef\xbb\xbf middle \xff\xfe after \xf0\x9f",
    ))
    .await?;
    make(raw_mail(
        &stage,
        "charset",
        "Subject: charset\r\nContent-Type: text/plain; charset=x-klingon\r\nContent-Transfer-Encoding: x-own\r\n",
        b"plain words",
    ))
    .await?;
    let evil = "<html><head><style>body{background:url(javascript:alert(1))}</style><base href='https://evil.example/'></head>\
        <body onload='alert(2)'><p>Harmless <b>words</b></p><script>alert(3)</script><a href='javascript:alert(4)'>a</a>\
        <a href='data:text/html;base64,PHNjcmlwdD4='>b</a><a href=' jav&#x09;ascript:alert(5)'>c</a><img src=x onerror=alert(6)>\
        <svg><script>alert(7)</script></svg><iframe src='https://evil.example'></iframe><form action='https://evil.example'><input></form>\
        <a href='https://good.example/?a=1&b=2'>good</a></body></html>";
    let mut page = mail(&stage, "evil", &json!({ "html": evil }));
    page.as_object_mut().context("no object")?.remove("text");
    make(page).await?;
    let mut entities = mail(
        &stage,
        "entities",
        &json!({ "html": format!("<p>{}</p>", "&lt;&amp;&#x41;".repeat(60_000)) }),
    );
    entities.as_object_mut().context("no object")?.remove("text");
    make(entities).await?;
    stage.healthy("Beside", 0).await?;
    stage.done().await?;
    stage.healthy_arrived("Beside").await?;

    let there = stage.email_there("long@").await?;
    let subject = text(&there["Subject"]);
    ensure!(
        subject.len() >= 250 && subject.len() <= 3_000 && long.starts_with(subject),
        "{}",
        subject.len()
    );
    let there = stage.email_there("crowd@").await?;
    ensure!(
        text(&there["ToAddress"]).len() <= 4_000
            && text(&there["ToAddress"]).contains("guest0@stadium.example"),
        "{}",
        text(&there["ToAddress"]).len()
    );
    let there = stage.email_there("inject@").await?;
    ensure!(
        text(&there["Subject"]).starts_with("Hallo") && !text(&there["Subject"]).contains(['\r', '\n']),
        "{there:#}"
    );
    ensure!(
        text(&there["BccAddress"]).is_empty()
            && text(&there["TextBody"]).trim() == "Real text."
            && !text(&there["Headers"]).contains("X-Evil: 1\n"),
        "{there:#}"
    );
    let there = stage.email_there("bytes@").await?;
    let body = text(&there["TextBody"]);
    ensure!(
        ["before", "middle", "after"].iter().all(|w| body.contains(w)) && !body.contains(['\0', '\u{1b}']),
        "{body:?}"
    );
    ensure!(text(&stage.email_there("charset@").await?["TextBody"]).contains("plain words"));
    let there = stage.email_there("evil@").await?;
    let html = text(&there["HtmlBody"]).to_lowercase();
    for bad in [
        "javascript",
        "data:",
        "alert(",
        "onload",
        "onerror",
        "<script",
        "<iframe",
        "<form",
        "<base",
        "<style",
        "evil.example",
    ] {
        ensure!(!html.contains(bad), "{bad} in {html}");
    }
    ensure!(
        html.contains("harmless") && html.contains("https://good.example/?a=1&amp;b=2"),
        "{html}"
    );
    ensure!(text(&there["TextBody"]).contains("Harmless words"), "{there:#}");
    let there = stage.email_there("entities@").await?;
    ensure!(
        text(&there["HtmlBody"]).chars().count() <= 131_072 && text(&there["TextBody"]).starts_with("<&A<&A"),
        "{}",
        text(&there["TextBody"]).chars().take(50).collect::<String>()
    );
    for name in ["inject", "bytes", "charset", "evil"] {
        stage.no_issue(name).await?;
    }
    let quiet = stage.rests().await?;
    ensure!(quiet.requests() <= QUIET, "it hammers: {quiet:#?}");
    stage.nothing_mailed().await
}

#[tokio::test]
async fn odd_attachments_are_carried_over_or_told() -> Result<()> {
    let stage = stage().await?;
    let file = |name: &str, size: usize| json!({ "name": name, "content_type": "application/octet-stream", "size": size });
    let long = format!("{}.pdf", "sehr lang ".repeat(60));
    let odd = json!({ "attachments": [
        file("empty.txt", 0),
        file("twice.pdf", 700), file("twice.pdf", 701), file("twice.pdf", 702),
        file(&long, 30),
        file("../../etc/passwd.txt", 31),
        file("bell\u{7}tab\t.txt", 32),
        file("invoice\u{202e}fdp.exe", 33),
        file("RUN.EXE", 34), file("run.exe ", 35), file("macro.JS.", 36),
        file("", 37),
        file("<b>&\"'.txt", 38),
        file("عربى.pdf", 39),
    ] });
    stage.here("messages", &mail(&stage, "oddfiles", &odd)).await?;
    let many: Vec<Value> = (0..300).map(|n| file(&format!("f{n:03}.txt"), 100 + n)).collect();
    stage
        .here(
            "messages",
            &mail(&stage, "manyfiles", &json!({ "attachments": many })),
        )
        .await?;
    stage.healthy("Beside", 0).await?;
    let ran = stage.run().await?;
    println!(
        "314 attachments: {:?}, {} requests: {}",
        ran.took,
        ran.requests(),
        ran.outcome
    );
    stage.rests().await?;
    stage.healthy_arrived("Beside").await?;

    let files = stage.files_there().await?;
    let of_size = |size: u64| {
        files
            .iter()
            .filter(|(_, s)| *s == size)
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>()
    };
    for size in [700, 701, 702, 30, 31, 32, 37, 38, 39] {
        ensure!(
            of_size(size).len() == 1,
            "{size} bytes: {:?} among {} files",
            of_size(size),
            files.len()
        );
    }
    // What runs is never carried over, however it is spelled; and that is told.
    for size in [33, 34, 35, 36] {
        ensure!(of_size(size).is_empty(), "{:?}", of_size(size));
    }
    ensure!(
        !of_size(31)[0].contains('/') && !of_size(32)[0].contains(['\u{7}', '\t']),
        "{files:?}"
    );
    ensure!(files.iter().all(|(name, _)| !name.contains('\u{202e}')));
    let told = stage.issue("attachment_left_out", "oddfiles").await?;
    for name in ["RUN.EXE", "macro.JS"] {
        ensure!(text(&told["detail"]).contains(name), "{told:#}");
    }
    ensure!(
        of_size(0).len() == 1 || text(&told["detail"]).contains("empty.txt"),
        "the empty file is neither there nor told: {told:#}"
    );
    let numbered = files
        .iter()
        .filter(|(name, _)| name.starts_with('f') && name.len() == 8)
        .count();
    ensure!(numbered == 300, "{numbered} of 300 files");
    stage.email_there("oddfiles@").await?;
    stage.email_there("manyfiles@").await?;
    let quiet = stage.rests().await?;
    ensure!(quiet.requests() <= QUIET, "it hammers: {quiet:#?}");
    stage.nothing_mailed().await
}

#[tokio::test]
async fn an_organisation_with_words_and_fields_of_its_own_says_so() -> Result<()> {
    let stage = stage().await?;
    stage.healthy("Old", 0).await?;
    stage.rests().await?;
    stage.healthy_arrived("Old").await?;

    // Its own words for the state of a task: told, until the settings say which.
    stage
        .org(&json!({ "picklists": { "Task.Status": ["Offen", { "value": "Erledigt", "closed": true }], "Task.Priority": ["Eilig", "Egal"] } }))
        .await?;
    let task = stage
        .here(
            "tasks",
            &json!({ "folder": "Salesforce Tasks", "subject": "Fremdwort", "importance": "High" }),
        )
        .await?;
    stage.healthy_down("Words", 1).await.ok();
    stage
        .here(
            "events",
            &event("Words-event", &hours_ahead(90), &hours_ahead(91)),
        )
        .await?;
    stage.done().await?;
    let issue = stage.issue("unknown_value", "Fremdwort").await?;
    ensure!(!text(&issue["detail"]).is_empty(), "{issue:#}");
    ensure!(stage.found_there("Task", "Fremdwort").await?.is_empty());
    stage.one_there("Event", "Words-event").await?;
    let quiet = stage.rests().await?;
    ensure!(quiet.requests() <= QUIET, "it hammers: {quiet:#?}");
    stage
        .own_setting(
            "task_status",
            r#"{"not_started":"Offen","in_progress":"Offen","waiting":"Offen","deferred":"Offen","completed":"Erledigt"}"#,
        )
        .await?;
    stage
        .own_setting(
            "task_priority",
            r#"{"low":"Egal","normal":"Egal","high":"Eilig"}"#,
        )
        .await?;
    stage.retry_all().await?;
    stage.rests().await?;
    stage.no_issue("Fremdwort").await?;
    let there = stage.one_there("Task", "Fremdwort").await?;
    ensure!(
        there["Status"] == "Offen" && there["Priority"] == "Eilig",
        "{there:#}"
    );
    stage
        .edit_here("tasks", &task, &json!({ "status": "Completed" }))
        .await?;
    stage.rests().await?;
    ensure!(stage.one_there("Task", "Fremdwort").await?["Status"] == "Erledigt");
    stage.org(&json!({ "picklists": {} })).await?;
    stage.no_setting("task_status").await?;
    stage.no_setting("task_priority").await?;
    stage.rests().await?;

    // A field that it wants on everything, and that nobody can know here.
    stage
        .org(&json!({ "required_custom_field": ["Contact", "Event", "Task", "EmailMessage"] }))
        .await?;
    stage.healthy_up("Wanted", 2).await?;
    stage.healthy_down("Wanted", 2).await?;
    stage.done().await?;
    let refused: Vec<Value> = stage
        .issues()
        .await?
        .into_iter()
        .filter(|i| {
            i["title"] == "Wanted-up" && i["code"] == "refused" && text(&i["detail"]).contains("Region__c")
        })
        .collect();
    ensure!(refused.len() == 4, "{:#?}", stage.issues().await?);
    for (kind, object) in [("contacts", "Contact"), ("events", "Event"), ("tasks", "Task")] {
        stage.one_here(kind, "Wanted-down").await?;
        ensure!(stage.found_there(object, "Wanted-up").await?.is_empty());
    }
    let quiet = stage.rests().await?;
    ensure!(quiet.requests() <= QUIET, "it hammers: {quiet:#?}");
    stage.org(&json!({ "required_custom_field": [] })).await?;
    stage.retry_all().await?;
    stage.rests().await?;
    stage.healthy_arrived("Wanted").await?;
    stage.nothing_mailed().await
}

#[tokio::test]
async fn a_record_type_that_the_user_may_not_use_stays_and_its_record_syncs() -> Result<()> {
    let stage = stage().await?;
    stage.org(&json!({ "record_types": true })).await?;
    let user = format!("/salesforce/users/{}", stage.nina.user.salesforce_username);
    stage.sandbox.put(&user, &json!({ "admin": false })).await?;
    let types = stage.sandbox.get("/salesforce/records/RecordType").await?;
    let restricted = async |object: &str| -> Result<String> {
        let found = types
            .as_array()
            .context("no list")?
            .iter()
            .find(|t| t["DeveloperName"] == "Restricted" && t["SobjectType"] == object)
            .with_context(|| format!("no record type of {object}"))?;
        id_of(found)
    };
    let (event_type, task_type) = (restricted("Event").await?, restricted("Task").await?);
    // Made by the board, given to Nina.
    let owner = &stage.nina.user.salesforce_user_id;
    let record = json!({ "Subject": "Klausur", "StartDateTime": hours_ahead(70), "EndDateTime": hours_ahead(72),
        "RecordTypeId": event_type, "OwnerId": owner });
    let klausur = id_of(&stage.sandbox.post("/salesforce/records/Event", &record).await?)?;
    let record = json!({ "Subject": "Beschluss", "Status": "Not Started", "RecordTypeId": task_type, "OwnerId": owner });
    let beschluss = id_of(&stage.sandbox.post("/salesforce/records/Task", &record).await?)?;
    stage.healthy("Beside", 0).await?;
    stage.done().await?;
    stage.healthy_arrived("Beside").await?;
    let item = stage.one_here("events", "Klausur").await?;
    stage
        .edit_here("events", &id_of(&item)?, &json!({ "location": "Schloss" }))
        .await?;
    let item = stage.one_here("tasks", "Beschluss").await?;
    stage
        .edit_here("tasks", &id_of(&item)?, &json!({ "status": "Completed" }))
        .await?;
    stage.healthy("Later", 1).await?;
    stage.rests().await?;
    stage.healthy_arrived("Later").await?;
    let there = stage.record("Event", &klausur).await?;
    ensure!(
        there["Location"] == "Schloss" && there["RecordTypeId"] == event_type.as_str(),
        "{there:#}"
    );
    let there = stage.record("Task", &beschluss).await?;
    ensure!(
        there["Status"] == "Completed" && there["RecordTypeId"] == task_type.as_str(),
        "{there:#}"
    );
    Ok(())
}

#[tokio::test]
async fn full_storage_is_told_and_passes() -> Result<()> {
    let stage = stage().await?;
    stage.healthy("Old", 0).await?;
    stage.rests().await?;
    let old = stage.one_here("contacts", "Old-up").await?;

    // Of the organisation's data: nothing can be made there; changes and the other way go on.
    stage.healthy_down("Full", 1).await?;
    stage.org(&json!({ "storage_full": "data" })).await?;
    stage.healthy_up("Full", 1).await?;
    stage
        .edit_here(
            "contacts",
            &id_of(&old)?,
            &json!({ "fields": { "JobTitle": "Köchin" } }),
        )
        .await?;
    let ran = stage.run().await?;
    ensure!(ran.outcome == "done" || ran.outcome == "partial", "{ran:#?}");
    let told: Vec<Value> = stage
        .issues()
        .await?
        .into_iter()
        .filter(|i| i["code"] == "storage_full")
        .collect();
    let stopped = stage.nina.connection().await?["reason"] == "quota";
    ensure!(
        told.len() == 4 || stopped,
        "{:#?}",
        stage.nina.connection().await?
    );
    for (kind, object) in [("contacts", "Contact"), ("events", "Event"), ("tasks", "Task")] {
        stage.one_here(kind, "Full-down").await?;
        ensure!(stage.found_there(object, "Full-up").await?.is_empty());
    }
    ensure!(stage.one_there("Contact", "Old-up").await?["Title"] == "Köchin");
    // It is tried again, and not more than that.
    for _ in 0..2 {
        let again = stage.run().await?;
        // All waiting items together: as many requests, however many they are.
        ensure!(again.requests() <= 32, "it hammers: {again:#?}");
    }
    stage.org(&json!({ "storage_full": false })).await?;
    stage.retry_all().await?;
    stage.rests().await?;
    stage.healthy_arrived("Full").await?;
    let left = stage.issues().await?;
    ensure!(left.is_empty(), "{left:#?}");

    // Of its files: the mail is saved, its file later, once.
    stage.org(&json!({ "storage_full": "files" })).await?;
    let paper =
        json!({ "attachments": [{ "name": "paper.pdf", "content_type": "application/pdf", "size": 4_321 }] });
    stage.here("messages", &mail(&stage, "paper", &paper)).await?;
    stage.healthy("Beside", 2).await?;
    stage.run().await?;
    stage.healthy_arrived("Beside").await?;
    stage.email_there("paper@").await?;
    ensure!(
        stage
            .files_there()
            .await?
            .iter()
            .all(|(name, _)| name != "paper.pdf")
    );
    let told = stage.issues().await?;
    ensure!(
        told.iter()
            .any(|i| i["title"] == "paper"
                && (i["code"] == "storage_full" || i["code"] == "attachment_left_out")),
        "{told:#?}"
    );
    let again = stage.run().await?;
    ensure!(again.requests() <= 20, "it hammers: {again:#?}");
    stage.org(&json!({ "storage_full": false })).await?;
    stage.retry_all().await?;
    stage.rests().await?;
    let papers = stage
        .files_there()
        .await?
        .into_iter()
        .filter(|(name, _)| name == "paper.pdf")
        .count();
    ensure!(papers == 1, "{papers} papers");
    stage.no_issue("paper").await?;

    // Of the mailbox.
    let mailbox = format!("/exchange/mailboxes/{}", stage.nina.user.mailbox);
    stage.healthy_up("Small", 3).await?;
    stage.sandbox.put(&mailbox, &json!({ "quota_items": 1 })).await?;
    stage.healthy_down("Small", 3).await?;
    let ran = stage.run().await?;
    ensure!(ran.outcome == "done" || ran.outcome == "partial", "{ran:#?}");
    let told: Vec<Value> = stage
        .issues()
        .await?
        .into_iter()
        .filter(|i| i["title"] == "Small-down")
        .collect();
    ensure!(
        told.len() == 3 && told.iter().all(|i| !text(&i["detail"]).is_empty()),
        "{:#?}",
        stage.issues().await?
    );
    for (object, name) in [
        ("Contact", "Small-up"),
        ("Event", "Small-up"),
        ("Task", "Small-up"),
    ] {
        stage.one_there(object, name).await?;
    }
    let again = stage.run().await?;
    ensure!(again.requests() <= 20, "it hammers: {again:#?}");
    stage.sandbox.put(&mailbox, &json!({ "quota_items": 0 })).await?;
    stage.retry_all().await?;
    stage.rests().await?;
    stage.healthy_arrived("Small").await?;
    let left = stage.issues().await?;
    ensure!(left.is_empty(), "{left:#?}");
    stage.nothing_mailed().await
}

#[tokio::test]
async fn odd_words_of_salesforce_come_down_as_far_as_xml_holds_them() -> Result<()> {
    let stage = stage().await?;
    let odd = "Down \u{1}\u{8}\u{b} ]]> <!-- & \u{fffe}\u{202e}txt عربى \u{1f69a} end";
    let mut huge = String::new();
    for n in 0..2_500 {
        write!(huge, "Zeile {n} ")?;
    }
    stage
        .there("Event", &json!({ "Subject": odd, "StartDateTime": hours_ahead(80), "EndDateTime": hours_ahead(81), "Description": huge }))
        .await?;
    stage
        .there(
            "Task",
            &json!({ "Subject": odd, "Status": "Not Started", "Description": "a\u{2}b\u{0}c" }),
        )
        .await?;
    stage
        .there(
            "Contact",
            &json!({ "LastName": odd, "Email": "odd@elsewhere.example", "Title": "]]>&lt;\u{3}" }),
        )
        .await?;
    stage.healthy("Beside", 0).await?;
    stage.done().await?;
    stage.healthy_arrived("Beside").await?;
    for kind in ["contacts", "events", "tasks"] {
        let all = stage.sandbox.get(&stage.items_path(kind)).await?;
        let found: Vec<&Value> = all
            .as_array()
            .context("no list")?
            .iter()
            .filter(|item| {
                let name = if kind == "contacts" {
                    &item["fields"]["Surname"]
                } else {
                    &item["subject"]
                };
                text(name).starts_with("Down ") && item["folder"] != "Deleted Items"
            })
            .collect();
        ensure!(found.len() == 1, "{kind}: {found:#?}");
        let name = if kind == "contacts" {
            &found[0]["fields"]["Surname"]
        } else {
            &found[0]["subject"]
        };
        for part in ["]]> <!-- &", "عربى", "\u{1f69a}", "end"] {
            ensure!(text(name).contains(part), "{kind}: {part} is lost in {name}");
        }
    }
    // The characters that were left out are not missed by the next session.
    stage.rests().await?;
    for object in ["Contact", "Event", "Task"] {
        stage.one_there(object, odd).await?;
    }
    Ok(())
}
