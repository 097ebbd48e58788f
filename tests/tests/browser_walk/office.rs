//! With a mailbox in Office 365: the same way, and what Microsoft's window adds to it.

use anyhow::{Context as _, Result, ensure};
use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::{Value, json};
use tandem_tests::browser::{self, Chrome};
use tandem_tests::office::Answers;
use tandem_tests::pane::code_of_window;
use tandem_tests::sandbox::User;
use tandem_tests::{Pane, Person};
use tandem_types::MailboxServer;

use crate::house::{House, eventually};
use crate::parts::{
    both_ways, deactivate, first_sync, focus, pause_and_start, set_up_again, tab_to, ten_sign_ins,
};

/// Signs in with this user's account, and agrees.
pub(crate) fn answers(user: &User) -> Answers {
    Answers {
        username: user.microsoft_username.clone(),
        password: user.microsoft_password.clone(),
        agrees: true,
    }
}

/// What the dialog asks for.
pub(crate) async fn connect(pane: &Pane, user: &User) -> Result<()> {
    pane.chrome.css("#kind-office").await?.click().await?;
    pane.chrome.press("Connect to Office 365").await?;
    pane.finish_microsoft(&answers(user)).await
}

/// As `office-dialog.js` says it in Outlook.
async fn outlook_shows(pane: &Pane, address: &str) -> Result<()> {
    let told = json!({ "address": address, "accountType": "office365" });
    pane.ask(&format!("window.tandemOutlook = () => ({told})"))
        .await
        .map(drop)
}

async fn nothing_connected(person: &Person) -> Result<()> {
    let connection = person.connection().await?;
    ensure!(
        connection["mailbox"].is_null() && connection["state"] == "not_activated",
        "{connection:#}"
    );
    Ok(())
}

#[tokio::test]
async fn browser_office_walk() -> Result<()> {
    let house = House::open(&[]).await?;
    let pane = house.pane(browser::Options::default()).await?;
    pane.sign_in().await?;
    refused_and_blocked(&house, &pane).await?;
    another_account(&house, &pane).await?;
    first_sync(&house, &pane, MailboxServer::Office365).await?;
    both_ways(&house, &pane).await?;
    pause_and_start(&house, &pane).await?;
    revoked(&house, &pane).await?;
    rejected(&house, &pane).await?;
    ten_sign_ins(&house, &pane).await?;
    deactivate(&house, &pane).await?;
    set_up_again(&house, &pane, async || connect(&pane, &house.nina).await).await?;
    pane.close().await
}

/// The dialog's part for Office 365; a window that cannot be opened; a user who does not agree.
async fn refused_and_blocked(house: &House, pane: &Pane) -> Result<()> {
    pane.dialog("activation", true).await?;
    // The radio decides what is to be seen.
    let shown =
        "return ['office', 'activation-form'].map(id => document.getElementById(id).offsetParent !== null)";
    ensure!(pane.ask(shown).await? == json!([false, true]));
    pane.chrome.css("#kind-office").await?.click().await?;
    ensure!(pane.ask(shown).await? == json!([true, false]));
    pane.picture("office-1-kind").await?;

    pane.ask("window.tandemOpen = window.open; window.open = () => null")
        .await?;
    pane.chrome.press("Connect to Office 365").await?;
    pane.chrome.css("#office-blocked a").await?;
    pane.picture("office-2-blocked").await?;
    pane.ask("window.open = window.tandemOpen").await?;

    // By the link, then.
    let no = Answers {
        agrees: false,
        ..answers(&house.nina)
    };
    pane.chrome.css("#office-blocked a").await?.click().await?;
    pane.finish_microsoft(&no).await?;
    nothing_connected(&house.http().await?).await?;
    // The window's page of refusal, and nothing else.
    let told = pane.complaints().await?;
    ensure!(
        told.iter()
            .all(|line| line.contains("/auth/microsoft/callback") && line.contains("403")),
        "{told:?}"
    );
    Ok(())
}

/// An account whose mailbox is not Outlook's: both addresses are said, and nothing is stored before somebody decides.
async fn another_account(house: &House, pane: &Pane) -> Result<()> {
    let tomas = &house.sandbox.info.users[1];
    outlook_shows(pane, &house.nina.mailbox).await?;
    pane.chrome.press("Connect to Office 365").await?;
    pane.finish_microsoft(&answers(tomas)).await?;
    let said = pane.chrome.css("#office-other").await?.text().await?;
    ensure!(
        said.contains(&tomas.mailbox) && said.contains(&house.nina.mailbox),
        "both addresses: {said}"
    );
    pane.picture("office-3-other").await?;
    nothing_connected(&house.http().await?).await?;

    pane.chrome.press("Use another account").await?;
    pane.finish_microsoft(&answers(&house.nina)).await?;
    pane.dialog("activation", false).await?;
    pane.chrome.sees("Ready for the first sync").await?;
    pane.chrome.sees("Office 365").await
}

async fn revoke(house: &House) -> Result<()> {
    let path = format!("/microsoft/users/{}/revoke_all", house.nina.microsoft_username);
    house.sandbox.post(&path, &Value::Null).await.map(drop)
}

/// Microsoft takes the access back while a session runs: the dialog opens by itself, and after it nothing is lost.
async fn revoked(house: &House, pane: &Pane) -> Result<()> {
    house.new_in_mailbox("Odwołana").await?;
    house.new_in_salesforce("Widerruf").await?;
    pane.status("n step").await?;
    pane.choose("Pause").await?;
    pane.status("Paused").await?;
    // Long enough to be there when Microsoft takes it back.
    let slow = json!({ "kind": "slow_body", "ms_per_chunk": 400 });
    house.sandbox.fault("graph", &slow).await?;
    pane.chrome.press("Start").await?;
    pane.chrome.css("#progress progress").await?;
    revoke(house).await?;
    house.sandbox.heal().await?;
    pane.status("Needs your Microsoft sign-in").await?;
    pane.dialog("activation", true).await?;
    pane.chrome
        .sees("Microsoft has ended Tandem’s access to your mailbox")
        .await?;
    pane.picture("office-6-again").await?;
    connect(pane, &house.nina).await?;
    pane.dialog("activation", false).await?;
    pane.status("n step").await?;
    eventually("what the session did not carry", async || {
        let there = house.salesforce_contact("Odwołana").await?;
        Ok(there.and(house.mailbox_contact("Widerruf").await?))
    })
    .await?;
    ensure!(pane.rows("#preview").await?.is_empty(), "a second preview");
    Ok(())
}

/// The sixth refusal in a row opens the dialog, in the pane that has been open all the time.
async fn rejected(house: &House, pane: &Pane) -> Result<()> {
    let connection = house.http().await?.connection_id().await?;
    let lives = async |home: &str| {
        let path = format!("/exchange/mailboxes/{}/home", house.nina.mailbox);
        house.sandbox.post(&path, &json!({ "home": home })).await
    };
    lives("on_premises").await?;
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
                .sees("Microsoft has refused access to your mailbox 5 times in a row")
                .await?;
            pane.picture("office-7-refused").await?;
        }
    }
    pane.dialog("activation", true).await?;
    pane.chrome.sees("Your mailbox needs your sign-in").await?;
    pane.picture("office-8-needs-sign-in").await?;
    lives("both").await?;
    connect(pane, &house.nina).await?;
    pane.dialog("activation", false).await?;
    pane.status("n step").await?;
    ensure!(pane.rows("#preview").await?.is_empty(), "a second preview");
    Ok(())
}

/// All the way by keys, with Microsoft's window too.
#[tokio::test]
async fn browser_office_keyboard() -> Result<()> {
    let house = House::open(&["--contacts", "5"]).await?;
    let pane = house
        .pane(browser::Options {
            dark: true,
            ..browser::Options::default()
        })
        .await?;
    tab_to(&pane, "sign-in").await?;
    pane.chrome.key(Key::Enter).await?;
    pane.finish_sign_in().await?;
    pane.dialog("activation", true).await?;
    let mut way = tab_to(&pane, "kind-exchange").await?;
    pane.chrome.key(Key::Right).await?;
    ensure!(
        focus(&pane).await?.0 == "kind-office",
        "{:?}",
        focus(&pane).await?
    );
    way.extend(tab_to(&pane, "connect-office").await?);
    way.extend(tab_to(&pane, "kind-office").await?);
    ensure!(
        way.iter().all(|(_, inside)| *inside),
        "the focus gets behind the dialog: {way:?}"
    );
    tab_to(&pane, "connect-office").await?;
    pane.chrome.key(Key::Enter).await?;
    pane.finish_microsoft(&answers(&house.nina)).await?;
    pane.dialog("activation", false).await?;
    pane.chrome.sees("Ready for the first sync").await?;
    let mut tabs = 0;
    while focus(&pane).await?.0 != "Start" {
        ensure!(tabs < 20, "Tab does not reach Start");
        tabs += 1;
        pane.chrome.key(Key::Tab).await?;
    }
    pane.chrome.key(Key::Enter).await?;
    pane.status("n step").await?;
    pane.close().await
}

/// No message comes from the window: its code is typed. A wrong one is said to be wrong.
#[tokio::test]
async fn browser_office_code() -> Result<()> {
    let house = House::open(&["--contacts", "5"]).await?;
    let pane = house.pane(browser::Options::default()).await?;
    pane.sign_in().await?;
    pane.dialog("activation", true).await?;
    pane.chrome.css("#kind-office").await?.click().await?;
    // A window that knows of no opener, as where a browser cuts the two apart.
    pane.ask(
        "window.open = () => { const a = document.getElementById('connect-office').cloneNode(); \
         a.rel = 'noopener'; a.click(); return window }",
    )
    .await?;
    pane.chrome.press("Connect to Office 365").await?;
    let code = pane.microsoft_code(&answers(&house.nina)).await?;
    pane.chrome.css("#office summary").await?.click().await?;
    let wrong = format!("{:06}", (code.parse::<u32>()? + 1) % 1_000_000);
    pane.chrome.fill("Code from Microsoft’s window", &wrong).await?;
    pane.chrome.press("Continue").await?;
    pane.chrome
        .until("that the code is wrong", || async {
            let error = pane.chrome.client.find(Locator::Css("#office-error")).await?;
            Ok((!error.text().await?.is_empty()).then_some(()))
        })
        .await?;
    pane.picture("office-9-code").await?;
    let told = pane.complaints().await?;
    ensure!(
        told.len() == 1 && told.iter().all(|line| line.contains("/api/connect_office")),
        "{told:?}"
    );
    pane.chrome.fill("Code from Microsoft’s window", &code).await?;
    pane.chrome.press("Continue").await?;
    pane.dialog("activation", false).await?;
    pane.chrome.sees("Ready for the first sync").await?;
    pane.close().await
}

/// Without script the link opens the window, and its code is typed into a plain form.
#[tokio::test]
async fn browser_office_plain() -> Result<()> {
    let house = House::open(&["--contacts", "5"]).await?;
    let person = house.http().await?;
    let chrome = Chrome::start(browser::Options {
        script: false,
        ..browser::Options::default()
    })
    .await?;
    chrome.goto(&house.tandem.url).await?;
    let (name, value) = person.cookie.split_once('=').context("no cookie")?;
    chrome.keep_cookie(name, value).await?;
    chrome.goto(&house.tandem.url).await?;
    chrome.sees("Connect your mailbox").await?;
    chrome.css("#kind-office").await?.click().await?;
    let typed = async |user: &User| -> Result<()> {
        let own = chrome.client.window().await?;
        chrome.press("Connect to Office 365").await?;
        chrome.switch_to_new_window(std::slice::from_ref(&own)).await?;
        let code = code_of_window(&chrome, &answers(user)).await?;
        chrome.client.close_window().await?;
        chrome.client.switch_to_window(own).await?;
        chrome.css("#office summary").await?.click().await?;
        chrome.fill("Code from Microsoft’s window", &code).await
    };
    typed(&house.nina).await?;
    chrome.screenshot("office-10-plain").await?;
    chrome.press("Continue").await?;
    let connection = person.first_sync().await?;
    ensure!(connection["mailbox"]["server"] == "office365", "{connection:#}");
    chrome.goto(&house.tandem.url).await?;
    chrome.sees("n step").await?;

    // Ended by Microsoft, it is connected again; not with another account, as long as nobody says so.
    revoke(&house).await?;
    let run = house
        .tandem
        .run(&["session", "run", "--connection", &person.connection_id().await?])
        .await?;
    ensure!(!run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    chrome.goto(&house.tandem.url).await?;
    chrome.sees("Your mailbox needs your sign-in").await?;
    typed(&house.sandbox.info.users[1]).await?;
    chrome.press("Continue").await?;
    chrome.sees("You signed in with another account").await?;
    chrome.screenshot("office-11-plain-other").await?;
    let connection = person.connection().await?;
    ensure!(
        connection["state"] == "needs_activation" && connection["mailbox"]["address"] == house.nina.mailbox,
        "{connection:#}"
    );
    typed(&house.nina).await?;
    chrome.press("Continue").await?;
    person
        .until("the sync to go on", |c| {
            c["state"] == "active" && c["sessions"][0]["outcome"] == "done"
        })
        .await?;
    chrome.close().await
}
