//! The whole way of a person, from the first sight of the pane to the last, in a real browser: the pane stands in a
//! frame of another site, whose cookies the browser blocks.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::{Value, json};
use tandem_tests::browser::{self, Chrome, ThirdPartyCookies};
use tandem_tests::sandbox::User;
use tandem_tests::server::Options;
use tandem_tests::{FrameHost, Pane, Person, SandboxProc, Tandem};

/// How long something beside the page may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Everything but the browser.
struct House {
    sandbox: SandboxProc,
    tandem: Tandem,
    host: FrameHost,
    nina: User,
}

impl House {
    async fn open(arguments: &[&str]) -> Result<Self> {
        let host = FrameHost::start().await?;
        // What is counted here is contacts.
        let mut all = vec![
            "--mailbox-events",
            "0",
            "--mailbox-tasks",
            "0",
            "--mailbox-messages",
            "0",
        ];
        all.extend(["--crm-events", "0", "--crm-tasks", "0"]);
        all.extend(arguments);
        let sandbox = SandboxProc::start(&all).await?;
        let options = Options {
            frame_ancestors: vec![host.origin()],
            ..Options::default()
        };
        let tandem = Tandem::start(&sandbox, &options).await?;
        let nina = sandbox.nina().clone();
        Ok(Self {
            sandbox,
            tandem,
            host,
            nina,
        })
    }

    async fn pane(&self, options: browser::Options) -> Result<Pane> {
        Pane::open(&self.tandem, &self.host, &self.nina, options).await
    }

    async fn http(&self) -> Result<Person> {
        Person::sign_in(&self.tandem, &self.sandbox, &self.nina).await
    }

    fn contacts_path(&self) -> String {
        format!("/exchange/mailboxes/{}/contacts", self.nina.mailbox)
    }

    /// Contacts that are not in *Deleted Items*.
    async fn in_mailbox(&self) -> Result<Vec<Value>> {
        let mut all = self.sandbox.mailbox_contacts(&self.nina).await?;
        all.retain(|c| c["folder"] != "Deleted Items");
        Ok(all)
    }

    /// Nina's contacts that are not in the recycle bin.
    async fn in_salesforce(&self) -> Result<Vec<Value>> {
        let mut all = self.sandbox.records("Contact", &self.nina).await?;
        all.retain(|c| c["IsDeleted"] != true && c["OwnerId"] == self.nina.salesforce_user_id.as_str());
        Ok(all)
    }

    async fn mailbox_contact(&self, surname: &str) -> Result<Option<Value>> {
        only(
            surname,
            self.in_mailbox()
                .await?
                .into_iter()
                .filter(|c| c["fields"]["Surname"] == surname),
        )
    }

    async fn salesforce_contact(&self, last_name: &str) -> Result<Option<Value>> {
        only(
            last_name,
            self.in_salesforce()
                .await?
                .into_iter()
                .filter(|c| c["LastName"] == last_name),
        )
    }

    async fn new_in_mailbox(&self, surname: &str) -> Result<()> {
        let contact = json!({ "folder": "Salesforce Contacts", "fields": {
            "GivenName": "Grażyna", "Surname": surname, "EmailAddress1": address(surname) } });
        self.sandbox.post(&self.contacts_path(), &contact).await.map(drop)
    }

    async fn new_in_salesforce(&self, last_name: &str) -> Result<()> {
        let record = json!({ "FirstName": "Jürgen", "LastName": last_name,
            "Email": address(last_name), "OwnerId": self.nina.salesforce_user_id });
        let path = format!("/salesforce/records/Contact?as={}", self.nina.salesforce_username);
        self.sandbox.post(&path, &record).await.map(drop)
    }

    fn record_path(&self, record: &Value) -> String {
        let id = record["Id"].as_str().unwrap_or_default();
        format!(
            "/salesforce/records/Contact/{id}?as={}",
            self.nina.salesforce_username
        )
    }

    fn item_path(&self, item: &Value) -> String {
        let id = item["id"].as_str().unwrap_or_default();
        let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
        format!("{}?id={id}", self.contacts_path())
    }

    async fn failed_logons(&self) -> Result<u64> {
        let mailbox = self
            .sandbox
            .get(&format!("/exchange/mailboxes/{}", self.nina.mailbox))
            .await?;
        mailbox["failed_logons"]
            .as_u64()
            .context("no count of failed logons")
    }

    async fn grants(&self) -> Result<usize> {
        let user = self
            .sandbox
            .get(&format!("/salesforce/users/{}", self.nina.salesforce_username))
            .await?;
        Ok(user["grants"].as_array().context("no list of grants")?.len())
    }
}

/// One that each server takes.
fn address(name: &str) -> String {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{name}@example.org")
}

/// The one that there is; two of a name are an error.
fn only(name: &str, mut all: impl Iterator<Item = Value>) -> Result<Option<Value>> {
    let first = all.next();
    ensure!(all.next().is_none(), "{name} is there more than once");
    Ok(first)
}

/// Looks until there is something.
async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let search = async {
        let mut every = tokio::time::interval(Duration::from_millis(100));
        loop {
            every.tick().await;
            if let Some(found) = look().await? {
                return Ok(found);
            }
        }
    };
    tokio::time::timeout(PATIENCE, search)
        .await
        .with_context(|| format!("waited in vain for {what}"))?
}

fn ids(items: &[Value], key: &str) -> Vec<String> {
    let mut ids: Vec<String> = items
        .iter()
        .map(|i| i[key].as_str().unwrap_or_default().to_owned())
        .collect();
    ids.sort();
    ids
}

fn number(cell: &str) -> Result<usize> {
    cell.replace(',', "")
        .parse()
        .with_context(|| format!("\"{cell}\" is no number"))
}

/// What would be created on a side, by the table of the preview.
fn would_create(rows: &[Vec<String>], to: &str) -> Result<usize> {
    rows.iter()
        .find(|r| r[0].ends_with(to))
        .map_or(Ok(0), |r| number(&r[1]))
}

/// Keeps a picture for the README, where that was asked for.
fn keep_for_docs(picture: &Path) -> Result<()> {
    if std::env::var_os("TANDEM_TEST_UPDATE_DOCS").is_some_and(|v| v == "1") {
        let docs: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pane.png");
        std::fs::copy(picture, docs)?;
    }
    Ok(())
}

#[tokio::test]
async fn browser_walk() -> Result<()> {
    let house = House::open(&[]).await?;
    let pane = house.pane(browser::Options::default()).await?;

    // Signed out, then in by a window of its own.
    pane.status("Signed out").await?;
    pane.picture("1-signed-out").await?;
    pane.sign_in().await?;

    activate(&house, &pane).await?;
    first_sync(&house, &pane).await?;
    both_ways(&house, &pane).await?;
    pause_and_start(&house, &pane).await?;
    refused(&house, &pane).await?;
    ten_sign_ins(&house, &pane).await?;
    deactivate(&house, &pane).await?;
    set_up_again(&house, &pane).await?;
    pane.close().await
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

/// Both accounts and what would be done are shown before anything is; then it is done.
async fn first_sync(house: &House, pane: &Pane) -> Result<()> {
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
    pane.picture("4-preview").await?;
    keep_for_docs(&pane.portrait("pane", 450).await?)?;
    ensure!(
        house.in_mailbox().await?.len() == mailbox.len(),
        "the preview wrote to the mailbox"
    );
    ensure!(
        house.in_salesforce().await?.len() == salesforce.len(),
        "the preview wrote to Salesforce"
    );

    // Slow enough to be seen.
    let slow = json!({ "kind": "slow_body", "ms_per_chunk": 200, "operation": "CreateItem" });
    house.sandbox.fault("exchange", &slow).await?;
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

async fn sync_now(pane: &Pane) -> Result<()> {
    pane.status("n step").await?;
    pane.choose("Sync now").await
}

/// New contacts, fields and deletes go both ways.
async fn both_ways(house: &House, pane: &Pane) -> Result<()> {
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
async fn pause_and_start(house: &House, pane: &Pane) -> Result<()> {
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

/// Salesforce keeps five grants per user and app: sign-ins to the pane must not push out the sync's.
async fn ten_sign_ins(house: &House, pane: &Pane) -> Result<()> {
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
async fn deactivate(house: &House, pane: &Pane) -> Result<()> {
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
async fn set_up_again(house: &House, pane: &Pane) -> Result<()> {
    let (mailbox, salesforce) = (
        house.in_mailbox().await?.len(),
        house.in_salesforce().await?.len(),
    );
    pane.chrome.press("Set up sync").await?;
    pane.dialog("activation", true).await?;
    pane.chrome.fill("Login", &house.nina.exchange_login).await?;
    pane.chrome
        .fill("Password", &house.nina.exchange_password)
        .await?;
    pane.chrome.press("Connect to Exchange").await?;
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
async fn focus(pane: &Pane) -> Result<(String, bool)> {
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
async fn tab_to(pane: &Pane, id: &str) -> Result<Vec<(String, bool)>> {
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
    pane.chrome.fill("Login", &house.nina.exchange_login).await?;
    pane.chrome
        .fill("Password", &house.nina.exchange_password)
        .await?;
    pane.chrome.press("Connect to Exchange").await?;
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
    chrome.sees("the newest change wins").await?;
    chrome.screenshot("18-settings").await?;
    chrome.press("Pause").await?;
    chrome.sees("Sync is paused").await?;
    chrome.press("Start").await?;
    chrome.no_longer_sees("Sync is paused").await?;
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
