//! With a mailbox on an Exchange server.

use anyhow::{Context as _, Result, ensure};
use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::json;
use tandem_tests::Pane;
use tandem_tests::browser::{self, Chrome, ThirdPartyCookies};
use tandem_types::MailboxServer;

use crate::house::{House, eventually, ids};
use crate::parts::{
    both_ways, deactivate, first_sync, focus, pause_and_start, set_up_again, sync_now, tab_to, ten_sign_ins,
};

#[tokio::test]
async fn browser_walk() -> Result<()> {
    let house = House::open(&[]).await?;
    let pane = house.pane(browser::Options::default()).await?;

    // Signed out, then in by a window of its own.
    pane.status("Signed out").await?;
    pane.picture("1-signed-out").await?;
    pane.sign_in().await?;

    activate(&house, &pane).await?;
    first_sync(&house, &pane, MailboxServer::Exchange).await?;
    both_ways(&house, &pane).await?;
    pause_and_start(&house, &pane).await?;
    refused(&house, &pane).await?;
    ten_sign_ins(&house, &pane).await?;
    deactivate(&house, &pane).await?;
    set_up_again(&house, &pane, async || connect(&house, &pane).await).await?;
    pane.close().await
}

/// Who ticks the box takes along what came from Salesforce. A mail server that is down leaves both ways out.
#[tokio::test]
async fn browser_leaves_with_the_items() -> Result<()> {
    let house = House::open(&["--contacts", "8", "--mailbox-contacts", "3"]).await?;
    let pane = house.pane(browser::Options::default()).await?;
    pane.sign_in().await?;
    pane.dialog("activation", true).await?;
    connect(&house, &pane).await?;
    pane.dialog("activation", false).await?;
    pane.chrome.sees("Ready for the first sync").await?;
    let own = house.in_mailbox().await?.len();
    pane.chrome.press("Start").await?;
    pane.status("n step").await?;
    let (with, salesforce) = (
        house.in_mailbox().await?.len(),
        house.in_salesforce().await?.len(),
    );
    ensure!(with > own, "nothing came down: {with}");

    let down = json!({ "kind": "status", "code": 500 });
    house.sandbox.fault("exchange", &down).await?;
    leave(&pane).await?;
    pane.chrome.sees("The sync is being deactivated").await?;
    pane.picture("10-clearing").await?;
    house.sandbox.heal().await?;
    pane.chrome.press("Keep the sync").await?;
    pane.status("n step").await?;
    ensure!(
        house.in_mailbox().await?.len() == with,
        "something went, or came twice"
    );

    leave(&pane).await?;
    pane.status("Sync is off").await?;
    ensure!(
        house.in_mailbox().await?.len() == own,
        "what was his went, or what was not his stayed"
    );
    ensure!(
        house.in_salesforce().await?.len() == salesforce,
        "Salesforce changed"
    );
    eventually("the grant's end in Salesforce", async || {
        Ok((house.grants().await? == 0).then_some(()))
    })
    .await?;
    pane.close().await
}

/// *Deactivate*, with the box ticked, by its words.
async fn leave(pane: &Pane) -> Result<()> {
    pane.choose("Deactivate").await?;
    pane.dialog("deactivation", true).await?;
    let ticked = "return document.getElementById('dialog-remove-items').checked";
    ensure!(pane.ask(ticked).await? == json!(false), "nobody has ticked it");
    pane.chrome
        .css("label[for=dialog-remove-items]")
        .await?
        .click()
        .await?;
    ensure!(pane.ask(ticked).await? == json!(true));
    pane.picture("10-deactivate-with-the-items").await?;
    pane.chrome.press("Deactivate").await?;
    pane.dialog("deactivation", false).await
}

/// What the dialog asks for.
async fn connect(house: &House, pane: &Pane) -> Result<()> {
    pane.chrome.fill("Login", &house.nina.exchange_login).await?;
    pane.chrome
        .fill("Password", &house.nina.exchange_password)
        .await?;
    pane.chrome.press("Connect to Exchange").await
}

/// The dialog opens by itself, refuses a wrong password after one trial, and takes the right one.
async fn activate(house: &House, pane: &Pane) -> Result<()> {
    pane.dialog("activation", true).await?;
    pane.chrome.sees("Connect your mailbox").await?;
    // To what the mailbox will be connected.
    pane.chrome.sees(&house.nina.salesforce_username).await?;
    ensure!(
        pane.chrome.focused().await? == "Login",
        "{}",
        pane.chrome.focused().await?
    );
    pane.picture("2-dialog").await?;

    let before = house.failed_logons().await?;
    pane.chrome.fill("Login", &house.nina.exchange_login).await?;
    pane.chrome.fill("Password", "wrong").await?;
    pane.chrome.press("Connect to Exchange").await?;
    pane.chrome
        .sees("The server refused this login or password. It was tried once.")
        .await?;
    ensure!(
        house.failed_logons().await? == before + 1,
        "{} failed logons",
        house.failed_logons().await?
    );
    pane.chrome
        .until("the focus in the field to correct", || async {
            let focused = pane.chrome.client.active_element().await?.attr("id").await?;
            Ok((focused.as_deref() == Some("password")).then_some(()))
        })
        .await?;
    pane.picture("3-dialog-refused").await?;
    // The browser tells of the refused request, and of nothing else.
    let told = pane.complaints().await?;
    ensure!(
        told.len() == 1 && told.iter().all(|line| line.contains("/api/connect_exchange")),
        "{told:?}"
    );

    let login = pane.chrome.field("Login").await?.prop("value").await?;
    ensure!(
        login.as_deref() == Some(house.nina.exchange_login.as_str()),
        "the login was lost: {login:?}"
    );
    pane.chrome
        .fill("Password", &house.nina.exchange_password)
        .await?;
    pane.chrome.press("Connect to Exchange").await?;
    pane.dialog("activation", false).await?;
    ensure!(house.failed_logons().await? == before + 1);
    Ok(())
}

/// The sixth refused session in a row opens the dialog, in the pane that has been open all the time.
async fn refused(house: &House, pane: &Pane) -> Result<()> {
    let person = house.http().await?;
    let connection = person.connection_id().await?;
    let before = house.failed_logons().await?;
    house
        .sandbox
        .fault("exchange", &json!({ "kind": "credentials_wrong" }))
        .await?;
    for time in 1..=6 {
        ensure!(
            !pane.dialog_is_open("activation").await?,
            "the dialog came before refusal {time}"
        );
        let run = house
            .tandem
            .run(&["session", "run", "--connection", &connection])
            .await?;
        ensure!(!run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
        if time == 5 {
            pane.chrome
                .sees("refused the stored login 5 times in a row")
                .await?;
            pane.picture("8-refused").await?;
        }
    }
    pane.dialog("activation", true).await?;
    pane.chrome.sees("Your mailbox needs your sign-in").await?;
    pane.status("Needs your sign-in").await?;
    pane.picture("9-needs-sign-in").await?;
    ensure!(
        house.failed_logons().await? == before,
        "the stored password was counted as a failed logon"
    );

    house.sandbox.heal().await?;
    // The login is known; the password is not shown again.
    let login = pane.chrome.field("Login").await?.prop("value").await?;
    ensure!(login.as_deref() == Some(house.nina.mailbox.as_str()), "{login:?}");
    let password = pane.chrome.field("Password").await?.prop("value").await?;
    ensure!(password.as_deref() == Some(""), "a password stands in the field");
    pane.chrome
        .fill("Password", &house.nina.exchange_password)
        .await?;
    pane.chrome.press("Connect to Exchange").await?;
    pane.dialog("activation", false).await?;
    pane.status("n step").await?;
    // Nothing has to be seen a second time.
    ensure!(pane.rows("#preview").await?.is_empty(), "a second preview");
    Ok(())
}

#[tokio::test]
async fn browser_keyboard() -> Result<()> {
    let house = House::open(&["--contacts", "5"]).await?;
    let pane = house
        .pane(browser::Options {
            dark: true,
            ..browser::Options::default()
        })
        .await?;
    pane.picture("1-signed-out-dark").await?;
    tab_to(&pane, "sign-in").await?;
    pane.chrome.key(Key::Enter).await?;
    pane.finish_sign_in().await?;

    // The focus reaches all of the dialog's controls, and nothing behind it.
    pane.dialog("activation", true).await?;
    pane.picture("2-dialog-dark").await?;
    ensure!(focus(&pane).await?.0 == "login", "{:?}", focus(&pane).await?);
    let mut way = tab_to(&pane, "skip").await?;
    way.extend(tab_to(&pane, "login").await?);
    for id in ["password", "connect", "skip"] {
        ensure!(way.iter().any(|(at, _)| at == id), "{id}: {way:?}");
    }
    ensure!(
        way.iter().all(|(_, inside)| *inside),
        "the focus gets behind the dialog: {way:?}"
    );

    // Escape is *Skip*, but not over something typed.
    let login = pane.chrome.field("Login").await?;
    login.send_keys("x").await?;
    pane.chrome.key(Key::Escape).await?;
    ensure!(
        pane.dialog_is_open("activation").await?,
        "Escape threw away what was typed"
    );
    pane.chrome.key(Key::Backspace).await?;
    pane.chrome.key(Key::Escape).await?;
    pane.dialog("activation", false).await?;
    pane.chrome.sees("Sync is not set up").await?;
    for line in [
        "saving while you write",
        "saving by category",
        "contacts that are the same on both sides",
    ] {
        ensure!(pane.chrome.text().await?.contains(line), "{line}");
    }
    pane.picture("12-skipped-dark").await?;

    // It was answered: a fresh pane does not ask again.
    eventually("the answer at the server", async || {
        Ok((house.http().await?.connection().await?["skipped"] == true).then_some(()))
    })
    .await?;
    pane.load().await?;
    pane.status("Sync is not set up").await?;
    ensure!(
        !pane.dialog_is_open("activation").await?,
        "the dialog opens again by itself"
    );

    // And all the way by keys.
    let mut tabs = 0;
    while focus(&pane).await?.0 != "Set up sync" {
        ensure!(tabs < 20, "Tab does not reach Set up sync");
        tabs += 1;
        pane.chrome.key(Key::Tab).await?;
    }
    pane.chrome.key(Key::Enter).await?;
    pane.dialog("activation", true).await?;
    pane.chrome
        .client
        .active_element()
        .await?
        .send_keys(&house.nina.exchange_login)
        .await?;
    tab_to(&pane, "password").await?;
    pane.chrome
        .client
        .active_element()
        .await?
        .send_keys(&house.nina.exchange_password)
        .await?;
    pane.chrome.key(Key::Enter).await?;
    pane.dialog("activation", false).await?;
    pane.chrome.sees("Ready for the first sync").await?;
    pane.picture("4-preview-dark").await?;
    pane.close().await
}

/// More deletes at once than anybody means: nothing is written before somebody has looked.
#[tokio::test]
async fn browser_brake() -> Result<()> {
    let house = House::open(&["--contacts", "40", "--mailbox-contacts", "3"]).await?;
    let person = house.http().await?;
    person.connect_well().await?;
    person.first_sync().await?;
    let before = ids(&house.in_mailbox().await?, "id");
    for record in house.in_salesforce().await?.iter().take(30) {
        house.sandbox.delete(&house.record_path(record)).await?;
    }
    let pane = house
        .pane(browser::Options {
            dark: true,
            ..browser::Options::default()
        })
        .await?;
    pane.sign_in().await?;
    sync_now(&pane).await?;
    pane.status("Stopped").await?;
    pane.chrome.sees("Stopped, so that you can look").await?;
    let rows = pane.rows("#brake").await?;
    ensure!(
        rows.iter()
            .any(|r| r[0].ends_with("mailbox") && r.contains(&"30".to_owned())),
        "{rows:?}"
    );
    ensure!(
        ids(&house.in_mailbox().await?, "id") == before,
        "the brake let something through"
    );
    pane.picture("13-brake-dark").await?;
    pane.close().await?;

    let pane = house.pane(browser::Options::default()).await?;
    pane.sign_in().await?;
    pane.chrome.sees("Stopped, so that you can look").await?;
    pane.picture("13-brake").await?;
    pane.chrome.press("Cancel").await?;
    pane.status("Paused").await?;
    ensure!(
        pane.ask("return document.getElementById('brake')")
            .await?
            .is_null(),
        "what was cancelled is still asked about"
    );
    ensure!(
        ids(&house.in_mailbox().await?, "id") == before,
        "Cancel wrote something"
    );
    // Started again it stops again; *Go on* lets these changes through, once.
    pane.chrome.press("Start").await?;
    pane.chrome.sees("Stopped, so that you can look").await?;
    pane.chrome.press("Go on").await?;
    eventually("the deletes", async || {
        Ok((house.in_mailbox().await?.len() + 30 == before.len()).then_some(()))
    })
    .await?;
    pane.status("n step").await?;
    pane.close().await
}

/// Where the browser keeps not even the partitioned cookie, the pane works for as long as it is open.
#[tokio::test]
async fn browser_bearer() -> Result<()> {
    let house = House::open(&["--contacts", "5"]).await?;
    let options = browser::Options {
        cookies: ThirdPartyCookies::Refused,
        ..browser::Options::default()
    };
    let pane = house.pane(options).await?;
    pane.sign_in().await?;
    pane.dialog("activation", true).await?;
    connect(&house, &pane).await?;
    // The rest comes by events: their ticket needs no cookie either.
    pane.chrome.sees("Ready for the first sync").await?;
    pane.chrome.press("Start").await?;
    pane.status("n step").await?;
    // So the cookie was refused indeed.
    pane.load().await?;
    pane.status("Signed out").await?;
    pane.close().await
}

/// The pages in a tab of their own.
#[tokio::test]
async fn browser_settings() -> Result<()> {
    let house = House::open(&["--contacts", "5"]).await?;
    let person = house.http().await?;
    let chrome = Chrome::start(browser::Options {
        width: 760,
        height: 1500,
        ..browser::Options::default()
    })
    .await?;
    let setup = house.tandem.url.join("setup")?;
    chrome.goto(&setup).await?;
    let (name, value) = person.cookie.split_once('=').context("no cookie")?;
    chrome.keep_cookie(name, value).await?;
    chrome.goto(&setup).await?;
    chrome.css("html[data-hydrated]").await?;
    chrome.sees("Connect your mailbox").await?;
    chrome.press("Skip").await?;
    chrome.no_longer_sees("Connect your mailbox").await?;
    chrome.screenshot("17-setup").await?;
    person.connect_well().await?;
    person.first_sync().await?;
    chrome.sees(&house.nina.mailbox).await?;

    chrome.goto(&house.tandem.url.join("settings")?).await?;
    chrome.css("html[data-hydrated]").await?;
    chrome.sees("All in step").await?;
    chrome.screenshot("18-settings").await?;
    chrome.fill("Minutes between two syncs", "15").await?;
    chrome.press("Save").await?;
    chrome.sees("Saved. It takes effect with the next sync.").await?;
    chrome.sees("Your organisation has: 30").await?;
    ensure!(person.connection().await?["settings"]["interval_minutes"] == 15);
    chrome.press("As the organisation has it").await?;
    chrome.no_longer_sees("Your organisation has: 30").await?;
    ensure!(person.connection().await?["settings"]["interval_minutes"] == 30);
    chrome.press("Pause").await?;
    chrome.sees("Sync is paused").await?;
    chrome.press("Start").await?;
    chrome.no_longer_sees("Sync is paused").await?;
    for (part, seen) in [
        ("issues", "Needs a look"),
        ("sync", "Which contacts come from Salesforce"),
        ("conflicts", "The newest change wins"),
        ("linking", "Domains of your company"),
        ("blocklist", "Your own entries"),
        ("mapping", "MobilePhone"),
        ("deactivate", "This is what happens"),
        ("connectivity", "Test connection"),
    ] {
        chrome
            .goto(&house.tandem.url.join(&format!("settings/{part}"))?)
            .await?;
        chrome.css("html[data-hydrated]").await?;
        chrome.sees(seen).await?;
        chrome.screenshot(&format!("18-settings-{part}")).await?;
    }
    chrome.press("Test the mailbox").await?;
    chrome.sees("The mailbox can be reached.").await?;
    chrome.press("Test Salesforce").await?;
    chrome.sees("Salesforce can be reached.").await?;
    let mut complaints = chrome.console_errors().await?;
    complaints.retain(|line| !line.contains("/favicon.ico"));
    ensure!(complaints.is_empty(), "{complaints:?}");
    chrome.close().await
}

/// Without script the pages still tell the truth, and their forms work.
#[tokio::test]
async fn browser_plain() -> Result<()> {
    let house = House::open(&["--contacts", "5"]).await?;
    let person = house.http().await?;
    let chrome = Chrome::start(browser::Options {
        script: false,
        ..browser::Options::default()
    })
    .await?;
    chrome.goto(&house.tandem.url).await?;
    chrome.named("Sign in with Salesforce").await?;
    ensure!(
        chrome
            .client
            .find_all(Locator::Css("html[data-hydrated]"))
            .await?
            .is_empty(),
        "scripts run"
    );

    let (name, value) = person.cookie.split_once('=').context("no cookie")?;
    chrome.keep_cookie(name, value).await?;
    chrome.goto(&house.tandem.url).await?;
    // Open by itself, as a plain form, which goes the whole way.
    chrome.sees("Connect your mailbox").await?;
    chrome.fill("Login", &house.nina.exchange_login).await?;
    chrome.fill("Password", "wrong").await?;
    chrome.press("Connect to Exchange").await?;
    chrome.sees("The server refused this login or password").await?;
    chrome.fill("Login", &house.nina.exchange_login).await?;
    chrome.fill("Password", &house.nina.exchange_password).await?;
    chrome.press("Connect to Exchange").await?;
    person.first_sync().await?;
    chrome.goto(&house.tandem.url).await?;
    chrome.sees("n step").await?;
    chrome.screenshot("14-plain").await?;
    chrome.press("Menu").await?;
    chrome.press("Pause").await?;
    chrome.sees("Sync is paused").await?;
    chrome.press("Start").await?;
    chrome.no_longer_sees("Sync is paused").await?;
    chrome.close().await
}
