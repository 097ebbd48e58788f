//! An administrator's way through the organisation's page, each order to its end with those whom it is for.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tandem_tests::Person;
use tandem_tests::browser::{self, Chrome};

use crate::house::House;

/// Outlook's narrowest, and a browser's window, in CSS pixels.
const WIDTHS: [u32; 2] = [320, 760];

/// Nina, who administers, and two colleagues, all in step.
async fn company(house: &House) -> Result<[Person; 3]> {
    let mut people = Vec::new();
    for user in house.sandbox.info.users.iter().take(3) {
        let person = house.http_as(user).await?;
        person.connect_well().await?;
        person.first_sync().await?;
        people.push(person);
    }
    people.try_into().ok().context("three people")
}

async fn states(people: &[Person; 3]) -> Result<[Value; 3]> {
    let mut states = [Value::Null, Value::Null, Value::Null];
    for (state, person) in states.iter_mut().zip(people) {
        *state = person.connection().await?["state"].take();
    }
    Ok(states)
}

/// One of the buttons below the table: the page's menu has words of the same kind.
async fn order(chrome: &Chrome, act: &str) -> Result<()> {
    chrome.press_containing("#org-actions button", act).await
}

/// Shows those alone who stand so; waits until they are so many.
async fn show_only(chrome: &Chrome, verdict: &str, people: usize) -> Result<()> {
    chrome.press_containing(".chips a", verdict).await?;
    chrome
        .until(&format!("{people} in the table"), || async {
            let rows = chrome
                .client
                .execute(
                    "return document.querySelectorAll('table.people tbody tr').length",
                    vec![],
                )
                .await?;
            Ok((rows == people).then_some(()))
        })
        .await
}

async fn fits(chrome: &Chrome) -> Result<()> {
    for width in WIDTHS {
        chrome.resize(width, 1500).await?;
        let script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
        let wide = chrome.client.execute(script, vec![]).await?;
        ensure!(wide == 0, "{wide} px too wide at {width} px");
        chrome.screenshot(&format!("19-organisation-{width}")).await?;
    }
    Ok(())
}

#[tokio::test]
async fn browser_organisation() -> Result<()> {
    let house = House::open(&["--contacts", "5"]).await?;
    let people = company(&house).await?;
    let [nina, otto, third] = &people;
    let chrome = Chrome::start(browser::Options {
        width: 760,
        height: 1500,
        ..browser::Options::default()
    })
    .await?;
    let settings = house.tandem.url.join("settings")?;
    chrome.goto(&settings).await?;
    let (name, value) = nina.cookie.split_once('=').context("no cookie")?;
    chrome.keep_cookie(name, value).await?;
    chrome.goto(&settings).await?;
    chrome.css("html[data-hydrated]").await?;
    // The way there is shown once Salesforce has said who administers.
    chrome.press("Organisation").await?;
    chrome.sees("Everyone who should be syncing is: 3.").await?;
    fits(&chrome).await?;

    // Some, by their boxes.
    for person in [otto, third] {
        chrome
            .field(&format!("Choose {}", person.user.name))
            .await?
            .click()
            .await?;
    }
    order(&chrome, "Pause").await?;
    chrome
        .sees("Of 2: 2 done, 0 with nothing to do, 0 failed.")
        .await?;
    chrome.sees("Everyone who should be syncing is: 1.").await?;
    ensure!(states(&people).await? == ["active", "paused", "paused"]);
    fits(&chrome).await?;

    // All whom a filter finds.
    show_only(&chrome, "Off", 2).await?;
    chrome.css("#org-actions input[name=all]").await?.click().await?;
    order(&chrome, "Resume").await?;
    chrome.sees("Resume: done").await?;
    chrome.sees("Nobody is found so.").await?;
    ensure!(states(&people).await? == ["active", "active", "active"]);

    // Sessions, of one alone.
    for person in &people {
        person
            .until("its session's end", |c| c["progress"].is_null())
            .await?;
    }
    show_only(&chrome, "Everybody", 3).await?;
    let newest = |c: &Value| c["sessions"][0]["started"].as_i64().unwrap_or_default();
    let before = [
        newest(&otto.connection().await?),
        newest(&third.connection().await?),
    ];
    chrome
        .field(&format!("Choose {}", otto.user.name))
        .await?
        .click()
        .await?;
    order(&chrome, "Sync now").await?;
    chrome.sees("Sync now: done").await?;
    otto.until("a session that was ordered", |c| {
        newest(c) > before[0] && c["sessions"][0]["outcome"] == "done"
    })
    .await?;
    ensure!(newest(&third.connection().await?) == before[1], "nobody else's");

    // What the page shows, as a file.
    let folder = tempfile::tempdir()?;
    let allow = json!({ "behavior": "allow", "downloadPath": folder.path() });
    chrome.devtools("Page.setDownloadBehavior", allow).await?;
    chrome.press("Export as CSV").await?;
    let file = folder.path().join("organisation.csv");
    let csv = chrome
        .until("the file", || async { Ok(std::fs::read_to_string(&file).ok()) })
        .await?;
    let lines: Vec<&str> = csv.split_terminator("\r\n").collect();
    ensure!(lines.len() == 4, "a head, and the three: {csv}");
    for person in &people {
        let of = lines
            .iter()
            .filter(|line| line.contains(&person.user.salesforce_username));
        ensure!(of.count() == 1, "{}: {csv}", person.user.name);
    }

    let mut complaints = chrome.console_errors().await?;
    complaints.retain(|line| !line.contains("/favicon.ico"));
    ensure!(complaints.is_empty(), "{complaints:?}");
    chrome.close().await
}
