//! What a salesperson does beside a mail, in the preview of Outlook, each to its end in Salesforce.

use anyhow::{Context as _, Result, ensure};
use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::{Value, json};
use tandem_tests::browser::{self, Chrome};
use tandem_tests::desk::{BARE, Desk, day, id_of};
use tandem_tests::server::Options;
use tandem_tests::stage::Stage;
use tandem_tests::{Pane, desk};

use crate::house::eventually;

const STRANGER: &str = "From a stranger";
const KNOWN: &str = "From a customer";
const SIGNED: &str = "Signed below";
const SPAM: &str = "Win a windmill";

/// Nina, connected and in step, and her pane pinned beside her mailbox.
struct Scene {
    stage: Stage,
    pane: Pane,
    customer: Value,
}

impl Scene {
    /// `prepare`: what is there before the pane opens.
    async fn open(prepare: impl AsyncFnOnce(&Desk<'_>, &Value) -> Result<()>) -> Result<Self> {
        let options = Options {
            preview: true,
            ..Options::default()
        };
        let stage = Stage::synced(&BARE, &options).await?;
        let nina = Desk::nina(&stage);
        let customer = customer(&nina).await?;
        prepare(&nina, &customer).await?;
        let pane =
            Pane::open_in_preview(&stage.tandem, &stage.nina.user, browser::Options::default()).await?;
        pane.chrome.client.set_window_size(1250, 1100).await?;
        pane.sign_in().await?;
        pane.status("n step").await?;
        pane.outside(async |chrome| chrome.press("Pin").await).await?;
        Ok(Self {
            stage,
            pane,
            customer,
        })
    }

    fn nina(&self) -> Desk<'_> {
        Desk::nina(&self.stage)
    }

    fn chrome(&self) -> &Chrome {
        &self.pane.chrome
    }

    /// The focus where Outlook's keys put it: at the beginning of the pane.
    async fn begin_at_the_top(&self) -> Result<()> {
        self.pane
            .ask("document.getElementById('main').focus()")
            .await
            .map(drop)
    }

    /// Below an element of the panel: what a script finds.
    async fn panel(&self, script: &str) -> Result<Value> {
        self.pane
            .ask(&format!(
                "const item = document.getElementById('item'); return {script}"
            ))
            .await
    }

    /// The focus is somewhere: the next key is not lost.
    async fn keeps_the_focus(&self) -> Result<()> {
        let lost = self
            .pane
            .ask("return document.activeElement === document.body")
            .await?;
        ensure!(lost == false, "the focus is lost");
        Ok(())
    }
}

/// A customer whom Salesforce knows: the record.
async fn customer(nina: &Desk<'_>) -> Result<Value> {
    let all = nina.all("Contact").await?;
    all.into_iter()
        .find(|row| {
            row["OwnerId"] == nina.user_id() && row["Email"].is_string() && row["AccountId"].is_string()
        })
        .context("no customer")
}

fn text(row: &Value, field: &str) -> String {
    row[field].as_str().unwrap_or_default().to_owned()
}

fn mail(subject: &str, from: &str, to: &str, text: &str) -> Value {
    json!({ "subject": subject, "from": from, "to": [to], "text": text,
        "message_id": format!("<{}@open.example>", subject.replace(' ', ".")) })
}

/// Everything beside a mail, in one pane.
#[tokio::test]
async fn browser_flows_beside_a_mail() -> Result<()> {
    let scene = Scene::open(mails).await?;
    save_with_links_by_keys(&scene).await?;
    edit_call_and_task(&scene).await?;
    contact_from_the_signature(&scene).await?;
    discard(&scene).await?;
    never_sync(&scene).await?;
    save_on_send(&scene).await?;
    scene.pane.close().await
}

async fn mails(nina: &Desk<'_>, customer: &Value) -> Result<()> {
    let deal = json!({ "Name": "Windmills 2027", "StageName": "Prospecting", "CloseDate": day(30).to_string(),
        "AccountId": customer["AccountId"] });
    nina.create("Opportunity", deal).await?;
    let to = nina.address();
    let mut stranger = mail(STRANGER, "who@nowhere.example", to, "About windmills.");
    stranger["attachments"] = json!([
        { "name": "offer.pdf", "content_type": "application/pdf", "size": 2000 },
        { "name": "private.pdf", "content_type": "application/pdf", "size": 2000 },
    ]);
    let signature = "See you.\nBest regards\nBo Ek\nHead of Sales\nFabrikam Inc.\nTel. +46 8 5550100";
    for one in [
        stranger,
        mail(KNOWN, &text(customer, "Email"), to, "When do they come?"),
        mail(SIGNED, "bo.ek@fabrikam.example", to, signature),
        mail(SPAM, "win@luck.example", to, "Now."),
    ] {
        nina.make("messages", one).await?;
    }
    nina.settles().await
}

/// A mail from somebody who is not in Salesforce, saved with a customer, about an opportunity, with one of two files:
/// by keys alone.
async fn save_with_links_by_keys(scene: &Scene) -> Result<()> {
    let (nina, chrome) = (scene.nina(), scene.chrome());
    scene.pane.open_mail(STRANGER).await?;
    let line = scene.panel("item.querySelector('#item-line').innerText").await?;
    ensure!(line == "Not saved in Salesforce", "{line}");

    scene.begin_at_the_top().await?;
    chrome.enter_on("Save with*").await?;
    chrome.tab_to("Search contacts and leads").await?;
    let last_name = text(&scene.customer, "LastName");
    chrome.type_text(&last_name).await?;
    chrome.key(Key::Enter).await?;
    chrome.css("#found-who input").await?;
    let name = text(&scene.customer, "Name");
    chrome.tab_back_to(&name).await?;
    chrome.type_text(" ").await?;

    chrome.tab_to("Search accounts, opportunities, cases").await?;
    chrome.type_text("windmills").await?;
    chrome.key(Key::Enter).await?;
    chrome.css("#found-what input").await?;
    chrome.tab_back_to("Nothing").await?;
    chrome.arrow_to("Windmills 2027").await?;

    chrome.tab_to("private.pdf").await?;
    chrome.type_text(" ").await?;
    scene.pane.fits("the links of a mail").await?;
    scene
        .pane
        .outside(async |chrome| chrome.screenshot("flow-1-links").await)
        .await?;
    chrome.enter_on("Save all the same").await?;
    chrome.sees("Saved in Salesforce").await?;
    scene.keeps_the_focus().await?;

    let row = nina.record("EmailMessage", STRANGER).await?;
    let deals = nina.all("Opportunity").await?;
    let deal = deals
        .iter()
        .find(|row| row["Name"] == "Windmills 2027")
        .context("no deal")?;
    ensure!(row["RelatedToId"] == deal["Id"], "{row:#}");
    let files = nina.all("ContentDocumentLink").await?;
    let files = files
        .iter()
        .filter(|link| link["LinkedEntityId"] == row["Id"])
        .count();
    ensure!(files == 1, "{files} files");
    let with = scene
        .panel("item.querySelector('#save-links summary').innerText")
        .await?;
    ensure!(
        with == json!(format!("Saved with: {name}, Windmills 2027")),
        "{with}"
    );
    scene.pane.fits("a saved mail").await
}

/// A field in place, a call, a task: on the card of a customer who wrote.
async fn edit_call_and_task(scene: &Scene) -> Result<()> {
    let (nina, chrome) = (scene.nina(), scene.chrome());
    let (contact, name) = (id_of(&scene.customer)?, text(&scene.customer, "Name"));
    scene.pane.open_mail(KNOWN).await?;

    let phone = format!("#edit-{contact}-Phone");
    let edit = format!("#item details:has({phone}) > summary");
    chrome.css(&edit).await?.click().await?;
    let field = chrome.css(&phone).await?;
    field.clear().await?;
    field.send_keys("+49 30 5550199").await?;
    scene.pane.fits("a field that is changed").await?;
    field.send_keys("\u{e007}").await?;
    eventually("the telephone in Salesforce", async || {
        let all = nina.all("Contact").await?;
        Ok(all
            .iter()
            .any(|row| row["Id"] == contact.as_str() && row["Phone"] == "+49 30 5550199")
            .then_some(()))
    })
    .await?;
    chrome.sees("+49 30 5550199").await?;

    chrome.press(&format!("Log a call: {name}")).await?;
    let subject = chrome.css(&format!("#call-{contact}-subject")).await?;
    subject.send_keys("Spoke about windmills").await?;
    let notes = chrome.css(&format!("#call-{contact}-text")).await?;
    notes.send_keys("He’s in.").await?;
    scene.pane.fits("a call").await?;
    subject.send_keys("\u{e007}").await?;
    chrome.sees("Spoke about windmills").await?;
    let call = nina.record("Task", "Spoke about windmills").await?;
    ensure!(
        call["WhoId"] == contact.as_str() && call["IsClosed"] == true && call["Description"] == "He’s in.",
        "{call:#}"
    );

    chrome.press(&format!("Add a task: {name}")).await?;
    let subject = chrome.css(&format!("#task-{contact}-subject")).await?;
    subject.send_keys("Send the offer").await?;
    let due = day(3);
    chrome
        .css(&format!("#task-{contact}-due"))
        .await?
        .send_keys(&due.strftime("%m%d%Y").to_string())
        .await?;
    scene.pane.fits("a task").await?;
    subject.send_keys("\u{e007}").await?;
    eventually("the task in Salesforce", async || {
        Ok(nina.records("Task", "Send the offer").await?.pop())
    })
    .await?;
    let task = nina.record("Task", "Send the offer").await?;
    ensure!(
        task["WhoId"] == contact.as_str()
            && task["IsClosed"] == false
            && task["ActivityDate"] == due.to_string(),
        "{task:#}"
    );
    Ok(())
}

/// Somebody new, read off the end of the mail.
async fn contact_from_the_signature(scene: &Scene) -> Result<()> {
    let (nina, chrome) = (scene.nina(), scene.chrome());
    scene.pane.open_mail(SIGNED).await?;
    let draft = "#item form[action='/api/draft_person']";
    chrome
        .press_containing(&format!("{draft} button"), "Create contact")
        .await?;
    for (label, value) in [
        ("Phone", "+46 8 5550100"),
        ("Title", "Head of Sales"),
        ("Account", "Fabrikam Inc."),
        ("E-mail", "bo.ek@fabrikam.example"),
    ] {
        let stands = chrome.field(label).await?.prop("value").await?;
        ensure!(stands.as_deref() == Some(value), "{label}: {stands:?}");
    }
    scene.pane.fits("a new contact").await?;
    scene
        .pane
        .outside(async |chrome| chrome.screenshot("flow-2-contact").await)
        .await?;
    chrome.fill("Last name", "Ek").await?;
    chrome
        .press_containing("#item form[action='/api/create_person'] button", "Create contact")
        .await?;
    chrome.sees("Contact created:").await?;
    let all = nina.all("Contact").await?;
    let made = all.iter().find(|row| row["Email"] == "bo.ek@fabrikam.example");
    let made = made.context("no contact")?;
    ensure!(
        made["LastName"] == "Ek" && made["Phone"] == "+46 8 5550100" && made["Title"] == "Head of Sales",
        "{made:#}"
    );
    Ok(())
}

/// What was typed is thrown away, because that was said.
async fn discard(scene: &Scene) -> Result<()> {
    let (nina, chrome) = (scene.nina(), scene.chrome());
    scene.pane.open_mail(KNOWN).await?;
    let name = text(&scene.customer, "Name");
    chrome.press(&format!("Log a call: {name}")).await?;
    let subject = format!("#call-{}-subject", id_of(&scene.customer)?);
    chrome.css(&subject).await?.send_keys("Never mind").await?;
    scene
        .pane
        .outside(async |chrome| chrome.press_containing(".list li a", SPAM).await)
        .await?;
    scene.pane.dialog("item-changed", true).await?;
    scene.pane.fits("unsaved edits").await?;
    chrome.press("Discard").await?;
    scene.pane.dialog("item-changed", false).await?;
    scene.pane.panel_is(SPAM).await?;
    scene.pane.open_mail(KNOWN).await?;
    let typed = chrome.css(&subject).await?.prop("value").await?;
    ensure!(typed.as_deref() == Some(""), "{typed:?} is still there");
    ensure!(nina.records("Task", "Never mind").await?.is_empty());
    Ok(())
}

/// *Do not sync* a domain, and take that back.
async fn never_sync(scene: &Scene) -> Result<()> {
    let chrome = scene.chrome();
    scene.pane.open_mail(SPAM).await?;
    chrome.press("Do not sync …").await?;
    scene.pane.fits("what is not to be synced").await?;
    chrome.press("Do not sync: Nobody of luck.example").await?;
    let again = chrome.named("Sync again: @luck.example").await?;
    scene.pane.fits("somebody who is not synced").await?;
    let line = scene.panel("item.querySelector('#item-line').innerText").await?;
    ensure!(line == "Not saved in Salesforce", "{line}");
    again.click().await?;
    chrome.named("Do not sync …").await.map(drop)
}

/// A mail to somebody whom nobody knows: marked while it is written, saved once it is sent.
async fn save_on_send(scene: &Scene) -> Result<()> {
    const SUBJECT: &str = "Written beside Tandem";
    let (nina, chrome) = (scene.nina(), scene.chrome());
    scene
        .pane
        .outside(async |chrome| {
            chrome.css("#new-mail").await?.click().await?;
            chrome.fill("To", "Nobody Yet <nobody@unknown.example>").await?;
            chrome.fill("Subject", SUBJECT).await?;
            chrome.key(Key::Tab).await
        })
        .await?;
    // Not a mail that is read: the pane is loaded anew.
    chrome
        .until("the pane beside the new mail", || async {
            let look = async {
                chrome.leave_frames().await?;
                chrome.enter_pane().await?;
                scene
                    .pane
                    .ask("return !!document.querySelector('#mark-form')")
                    .await
            };
            Ok((look.await.unwrap_or_default() == true).then_some(()))
        })
        .await?;
    chrome.press("Save when sent").await?;
    chrome.sees("Will be saved when it is sent").await?;
    scene.pane.fits("a mail that is written").await?;
    scene
        .pane
        .outside(async |chrome| {
            chrome.screenshot("flow-3-compose").await?;
            chrome.press("Send").await?;
            chrome.css("#f-sentitems[aria-current]").await.map(drop)
        })
        .await?;
    let sent = nina.item("messages", SUBJECT).await?;
    ensure!(desk::has(&sent, "Salesforce"), "{sent:#}");
    nina.settles().await?;
    nina.record("EmailMessage", SUBJECT).await.map(drop)
}

/// A contact with two possible partners: one is chosen, and the session that paired them is undone. By keys alone.
#[tokio::test]
async fn browser_flows_by_keys() -> Result<()> {
    let scene = Scene::open(twins).await?;
    let (nina, chrome) = (scene.nina(), scene.chrome());
    chrome.sees("Which one is the same?").await?;
    scene.pane.fits("a match to pick").await?;
    scene.begin_at_the_top().await?;
    chrome.tab_to("Bo *").await?;
    chrome.arrow_to("Bo Doppel*").await?;
    chrome.enter_on("Pair: Einzel").await?;
    let pair = Locator::XPath("//button[@aria-label='Pair: Einzel']");
    chrome
        .until("the end of the question", || async {
            Ok(chrome.client.find_all(pair).await?.is_empty().then_some(()))
        })
        .await?;
    scene.keeps_the_focus().await?;
    let title = async || -> Result<Value> {
        let all = nina.all("Contact").await?;
        let row = all.into_iter().find(|row| row["LastName"] == "Doppel");
        Ok(row.context("the record is gone")?["Title"].take())
    };
    eventually("what the mailbox has in Salesforce", async || {
        Ok((title().await? == "Chef").then_some(()))
    })
    .await?;
    scene.pane.status("n step").await?;

    chrome.sees("Undo …").await?;
    scene.begin_at_the_top().await?;
    chrome.enter_on("Undo …*").await?;
    scene.pane.fits("what undo would do").await?;
    chrome.enter_on("Undo this sync").await?;
    chrome.sees("3 items are as they were before.").await?;
    scene.keeps_the_focus().await?;
    ensure!(title().await?.is_null(), "not undone: {}", title().await?);
    let forms = chrome.client.find_all(Locator::Css("#undone")).await?;
    ensure!(forms.len() == 1, "{} are told", forms.len());
    scene.pane.close().await
}

async fn twins(nina: &Desk<'_>, _customer: &Value) -> Result<()> {
    for name in ["Zwilling", "Doppel"] {
        let row = json!({ "LastName": name, "FirstName": "Bo", "Email": "twin@elsewhere.example" });
        nina.create("Contact", row).await?;
    }
    let item = json!({ "folder": "Salesforce Contacts", "fields": { "Surname": "Einzel",
        "EmailAddress1": "twin@elsewhere.example", "JobTitle": "Chef" } });
    nina.make("contacts", item).await?;
    nina.settles().await
}
