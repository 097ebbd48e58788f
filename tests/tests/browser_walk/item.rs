//! The item that is open in Outlook: the pane follows it, and loses nothing that was typed.

use anyhow::{Result, ensure};
use fantoccini::key::Key;
use serde_json::{Value, json};
use tandem_tests::browser;

use crate::house::eventually;
use crate::parts::focus;
use crate::preview::Shell;

/// What a script finds in the panel.
async fn panel(shell: &Shell, script: &str) -> Result<Value> {
    shell
        .pane
        .ask(&format!(
            "const item = document.getElementById('item'); return item ? ({script}) : null"
        ))
        .await
}

async fn until(shell: &Shell, script: &str, wanted: &Value) -> Result<()> {
    let mut last = Value::Null;
    let found = eventually(script, async || {
        // An unpinned pane is loaded anew.
        shell.chrome().leave_frames().await?;
        shell.chrome().enter_pane().await?;
        last = panel(shell, script).await.unwrap_or_default();
        Ok((last == *wanted).then_some(()))
    })
    .await;
    found.map_err(|error| error.context(format!("{script} is {last}, not {wanted}")))
}

const SUBJECT: &str = "(item.querySelector('#item-subject') || {}).innerText";
/// All is there that a provider has to say.
const WHOLE: &str =
    "!item.querySelector('#item-rest') && !!item.querySelector('#item-people').childElementCount";

/// Opens the `n`-th message, and waits until the panel is about it.
async fn open(shell: &Shell, n: usize) -> Result<String> {
    let subject = shell.select(n).await?;
    until(shell, SUBJECT, &json!(subject)).await?;
    until(shell, WHOLE, &json!(true)).await?;
    Ok(subject)
}

async fn fits(shell: &Shell) -> Result<()> {
    let wide = shell
        .pane
        .ask("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        .await?;
    ensure!(wide == 0, "{wide} px wider than its frame");
    Ok(())
}

#[tokio::test]
async fn browser_open_item() -> Result<()> {
    let shell = Shell::open(browser::Options::default()).await?;
    let chrome = shell.chrome();
    chrome.client.set_window_size(1200, 900).await?;
    shell.pane.sign_in().await?;
    shell.pane.dialog("activation", true).await?;
    chrome.press("Skip").await?;
    shell.pane.dialog("activation", false).await?;
    shell.outside(async |chrome| chrome.press("Pin").await).await?;

    // Without the sync the people are there, and the panel says what is not.
    let first = open(&shell, 1).await?;
    let line = panel(&shell, "item.querySelector('#item-line').innerText").await?;
    ensure!(line == "Saving needs the sync", "{line}");
    ensure!(panel(&shell, "item.innerText.includes('Set up sync')").await? == true);
    fits(&shell).await?;
    shell
        .outside(async |chrome| chrome.screenshot("item-1-open").await)
        .await?;
    create_by_keyboard(&shell).await?;
    unsaved(&shell, &first).await?;
    let told = shell.pane.complaints().await?;
    ensure!(told.is_empty(), "{told:?}");
    shell.pane.close().await
}

/// Somebody who is not in Salesforce: by keys alone, prefilled from the mail.
async fn create_by_keyboard(shell: &Shell) -> Result<()> {
    let contacts = shell.sandbox.records("Contact", &shell.pane.user).await?.len();
    let button = "document.querySelector('#item form[action=\"/api/draft_person\"] button')";
    shell
        .pane
        .ask(&format!(
            "document.getElementById('main').focus(); window.wanted = {button}"
        ))
        .await?;
    for _ in 0..60 {
        shell.chrome().key(Key::Tab).await?;
        if shell
            .pane
            .ask("return document.activeElement === window.wanted")
            .await?
            == true
        {
            break;
        }
    }
    let (at, _) = focus(&shell.pane).await?;
    ensure!(at == "Create contact", "Tab does not reach it: {at}");
    shell.chrome().key(Key::Enter).await?;
    let last_name = shell.chrome().field("Last name").await?;
    ensure!(
        !last_name.prop("value").await?.unwrap_or_default().is_empty(),
        "nothing is filled in"
    );
    last_name.click().await?;
    shell.chrome().key(Key::Enter).await?;
    shell.chrome().sees("Contact created:").await?;
    eventually("the contact in Salesforce", async || {
        let now = shell.sandbox.records("Contact", &shell.pane.user).await?.len();
        Ok((now == contacts + 1).then_some(()))
    })
    .await?;
    // The card has it now.
    until(shell, "!!item.querySelector('.record .kind-of')", &json!(true)).await?;
    shell
        .outside(async |chrome| chrome.screenshot("item-2-created").await)
        .await
        .map(drop)
}

/// What is typed is asked about before another item takes its place.
async fn unsaved(shell: &Shell, first: &str) -> Result<()> {
    let typed = "item.querySelector('.act input[name=subject]').value";
    shell
        .pane
        .ask("const d = document.querySelector('#item .act'); d.open = true; d.querySelector('input[name=subject]').focus()")
        .await?;
    shell
        .chrome()
        .client
        .active_element()
        .await?
        .send_keys("Talked about the offer")
        .await?;
    let mut n = 2;
    let second = loop {
        let subject = shell.select(n).await?;
        if subject != first {
            break subject;
        }
        n += 1;
    };
    shell.pane.dialog("item-changed", true).await?;
    shell
        .outside(async |chrome| chrome.screenshot("item-3-unsaved").await)
        .await?;
    shell.chrome().press("Stay").await?;
    shell.pane.dialog("item-changed", false).await?;
    ensure!(panel(shell, SUBJECT).await? == json!(first));
    ensure!(panel(shell, typed).await? == "Talked about the offer");
    ensure!(
        panel(shell, "!item.querySelector('#item-held').hidden").await? == true,
        "it does not say whose it is"
    );

    // Saved by the dialog, and then the open one is shown.
    shell.chrome().press("Show the open item").await?;
    shell.pane.dialog("item-changed", true).await?;
    shell.chrome().press("Save").await?;
    until(shell, SUBJECT, &json!(second)).await?;
    eventually("the call in Salesforce", async || {
        let tasks = shell.sandbox.records("Task", &shell.pane.user).await?;
        Ok(tasks
            .iter()
            .any(|task| task["Subject"] == "Talked about the offer")
            .then_some(()))
    })
    .await
}
