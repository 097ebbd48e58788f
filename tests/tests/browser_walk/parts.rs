//! Parts of the way that are the same for every kind of mailbox.

use anyhow::{Context as _, Result, ensure};
use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::{Value, json};
use tandem_tests::Pane;
use tandem_types::MailboxServer;

use crate::house::{House, eventually, ids, number};

/// What would be created on a side, by the table of the preview.
fn would_create(rows: &[Vec<String>], to: &str) -> Result<usize> {
    rows.iter()
        .find(|r| r[0].ends_with(to))
        .map_or(Ok(0), |r| number(&r[1]))
}

/// Both accounts and what would be done are shown before anything is; then it is done.
pub(crate) async fn first_sync(house: &House, pane: &Pane, kind: MailboxServer) -> Result<()> {
    let (mailbox, salesforce) = (house.in_mailbox().await?, house.in_salesforce().await?);
    pane.chrome.sees("Ready for the first sync").await?;
    let accounts = pane
        .ask("return document.querySelector('#preview dl').innerText")
        .await?;
    let accounts = accounts.as_str().unwrap_or_default();
    ensure!(
        accounts.contains(&house.nina.mailbox) && accounts.contains(&house.nina.salesforce_username),
        "both accounts: {accounts}"
    );
    let rows = pane.rows("#preview").await?;
    let (to_mailbox, to_salesforce) = (
        would_create(&rows, "mailbox")?,
        would_create(&rows, "Salesforce")?,
    );
    ensure!(to_mailbox > 0, "{rows:?}");
    let name = match kind {
        MailboxServer::Exchange => "4-preview",
        MailboxServer::Office365 => "office-4-preview",
    };
    pane.picture(name).await?;
    ensure!(
        house.in_mailbox().await?.len() == mailbox.len(),
        "the preview wrote to the mailbox"
    );
    ensure!(
        house.in_salesforce().await?.len() == salesforce.len(),
        "the preview wrote to Salesforce"
    );

    // Slow enough to be seen.
    let (service, operation) = match kind {
        MailboxServer::Exchange => ("exchange", "CreateItem"),
        MailboxServer::Office365 => ("graph", "batch"),
    };
    let slow = json!({ "kind": "slow_body", "ms_per_chunk": 200, "operation": operation });
    house.sandbox.fault(service, &slow).await?;
    pane.chrome.press("Start").await?;
    let line = pane.status("Syncing, ").await?;
    ensure!(line.contains(" of "), "{line}");
    pane.chrome.css("#progress progress").await?;
    pane.picture("5-running").await?;
    house.sandbox.heal().await?;
    pane.status("All in step").await?;
    let mailbox_now = house.in_mailbox().await?.len();
    let salesforce_now = house.in_salesforce().await?.len();
    ensure!(
        mailbox_now == mailbox.len() + to_mailbox,
        "{mailbox_now} of {} + {to_mailbox}",
        mailbox.len()
    );
    ensure!(
        salesforce_now == salesforce.len() + to_salesforce,
        "{salesforce_now} of {} + {to_salesforce}",
        salesforce.len()
    );
    Ok(())
}

pub(crate) async fn sync_now(pane: &Pane) -> Result<()> {
    pane.status("n step").await?;
    pane.choose("Sync now").await
}

/// New contacts, fields and deletes go both ways.
pub(crate) async fn both_ways(house: &House, pane: &Pane) -> Result<()> {
    house.new_in_mailbox("Żółć-O'Neil").await?;
    house.new_in_salesforce("Größer").await?;
    sync_now(pane).await?;
    eventually("the mailbox's contact in Salesforce", async || {
        house.salesforce_contact("Żółć-O'Neil").await
    })
    .await?;
    let item = eventually("Salesforce's contact in the mailbox", async || {
        house.mailbox_contact("Größer").await
    })
    .await?;
    pane.chrome.sees("Salesforce, contacts: 1 created").await?;
    pane.chrome.sees("Mailbox, contacts: 1 created").await?;

    // Different fields of one contact: both arrive.
    let record = house.salesforce_contact("Größer").await?.context("gone")?;
    house
        .sandbox
        .patch(
            &house.item_path(&item),
            &json!({ "fields": { "MobilePhone": "+49 170 1" } }),
        )
        .await?;
    house
        .sandbox
        .patch(&house.record_path(&record), &json!({ "Department": "Bau" }))
        .await?;
    sync_now(pane).await?;
    eventually("both fields on both sides", async || {
        let here = house.mailbox_contact("Größer").await?.unwrap_or_default();
        let there = house.salesforce_contact("Größer").await?.unwrap_or_default();
        Ok((here["fields"]["Department"] == "Bau" && there["MobilePhone"] == "+49 170 1").then_some(()))
    })
    .await?;
    pane.chrome.sees("Salesforce, contacts: 1 changed").await?;
    pane.picture("6-in-step").await?;

    house.sandbox.delete(&house.record_path(&record)).await?;
    sync_now(pane).await?;
    eventually("the delete in the mailbox", async || {
        Ok(house.mailbox_contact("Größer").await?.is_none().then_some(()))
    })
    .await?;
    pane.chrome.sees("Mailbox, contacts: 1 deleted").await
}

/// While it is paused nothing is asked of any server; after *Start* nothing was missed.
pub(crate) async fn pause_and_start(house: &House, pane: &Pane) -> Result<()> {
    pane.status("n step").await?;
    pane.choose("Pause").await?;
    pane.status("Paused").await?;
    pane.chrome.sees("Sync is paused").await?;
    pane.picture("7-paused").await?;
    house.new_in_mailbox("Pausiński").await?;
    ensure!(
        pane.chrome
            .text()
            .await?
            .contains("Nothing is read or written until you press Start")
    );
    ensure!(house.salesforce_contact("Pausiński").await?.is_none());
    pane.chrome.press("Start").await?;
    eventually("what was made meanwhile", async || {
        house.salesforce_contact("Pausiński").await
    })
    .await?;
    pane.status("n step").await.map(drop)
}

/// Salesforce keeps five grants per user and app: sign-ins to the pane must not push out the sync's.
pub(crate) async fn ten_sign_ins(house: &House, pane: &Pane) -> Result<()> {
    for _ in 0..5 {
        pane.sign_out().await?;
        pane.sign_in().await?;
        pane.status("n step").await?;
        ensure!(
            !pane.dialog_is_open("activation").await?,
            "the dialog came for a connected mailbox"
        );
    }
    let mut person = house.http().await?;
    for _ in 0..4 {
        person = house.http().await?;
    }
    let grants = house.grants().await?;
    ensure!((1..=5).contains(&grants), "{grants} grants");
    // The next call of the sync has to renew by its grant.
    let path = format!(
        "/salesforce/users/{}/expire_access",
        house.nina.salesforce_username
    );
    house.sandbox.post(&path, &Value::Null).await?;
    house.new_in_salesforce("Nachzügler").await?;
    let said = house
        .tandem
        .read(&["session", "run", "--connection", &person.connection_id().await?])
        .await?;
    ensure!(said.contains("done"), "{said}");
    ensure!(house.mailbox_contact("Nachzügler").await?.is_some(), "{said}");
    pane.status("n step").await.map(drop)
}

/// The access is given back, and nothing is deleted.
pub(crate) async fn deactivate(house: &House, pane: &Pane) -> Result<()> {
    let mailbox = ids(&house.in_mailbox().await?, "id");
    let salesforce = ids(&house.in_salesforce().await?, "Id");
    pane.choose("Deactivate").await?;
    pane.dialog("deactivation", true).await?;
    pane.picture("10-deactivate").await?;
    pane.chrome.press("Keep the sync").await?;
    pane.dialog("deactivation", false).await?;
    ensure!(house.grants().await? > 0);
    pane.choose("Deactivate").await?;
    pane.dialog("deactivation", true).await?;
    pane.chrome.press("Deactivate").await?;
    pane.dialog("deactivation", false).await?;
    pane.status("Sync is off").await?;
    pane.picture("11-deactivated").await?;
    eventually("the grant's end in Salesforce", async || {
        Ok((house.grants().await? == 0).then_some(()))
    })
    .await?;
    ensure!(
        ids(&house.in_mailbox().await?, "id") == mailbox,
        "the mailbox changed"
    );
    ensure!(
        ids(&house.in_salesforce().await?, "Id") == salesforce,
        "Salesforce changed"
    );
    Ok(())
}

/// After *Deactivate* the way back is open, without a single duplicate.
/// `connect`: what the dialog asks for.
pub(crate) async fn set_up_again(
    house: &House,
    pane: &Pane,
    connect: impl AsyncFn() -> Result<()>,
) -> Result<()> {
    let (mailbox, salesforce) = (
        house.in_mailbox().await?.len(),
        house.in_salesforce().await?.len(),
    );
    pane.chrome.press("Set up sync").await?;
    pane.dialog("activation", true).await?;
    connect().await?;
    pane.dialog("activation", false).await?;
    // The grant was given back: Salesforce has to be asked for a new one.
    pane.chrome.sees("Salesforce needs your sign-in").await?;
    ensure!(
        !pane.dialog_is_open("activation").await?,
        "the mailbox's password is no answer to that"
    );
    pane.picture("15-salesforce-again").await?;
    pane.chrome.press("Sign in with Salesforce again").await?;
    pane.finish_sign_in().await?;
    // What was linked is linked still: there is nothing to look at first, and nothing to write.
    pane.status("n step").await?;
    pane.chrome
        .until("a session without a change", || async {
            let last = pane
                .chrome
                .client
                .find(Locator::Css("#sessions li"))
                .await?
                .text()
                .await?;
            Ok((last.contains("done") && last.contains("No changes")).then_some(()))
        })
        .await?;
    ensure!(
        house.in_mailbox().await?.len() == mailbox,
        "doubled in the mailbox"
    );
    ensure!(
        house.in_salesforce().await?.len() == salesforce,
        "doubled in Salesforce"
    );
    Ok(())
}

/// What has the focus in the pane: an id, or a text; and whether that is in the open dialog. Nothing has it while it is
/// in the page around the frame, which belongs to Outlook.
pub(crate) async fn focus(pane: &Pane) -> Result<(String, bool)> {
    let found = pane
        .ask(
            "const e = document.activeElement; \
             if (!e || e === document.body) return ['', true]; \
             return [e.id || e.name || e.innerText.trim(), !!e.closest('dialog[open]')]",
        )
        .await?;
    Ok(serde_json::from_value(found)?)
}

/// Presses Tab until `id` has the focus. Returns all that had it on the way.
pub(crate) async fn tab_to(pane: &Pane, id: &str) -> Result<Vec<(String, bool)>> {
    let mut way = Vec::new();
    for _ in 0..20 {
        pane.chrome.key(Key::Tab).await?;
        way.push(focus(pane).await?);
        if way.last().is_some_and(|(at, _)| at == id) {
            return Ok(way);
        }
    }
    anyhow::bail!("Tab does not reach {id}: {way:?}")
}
