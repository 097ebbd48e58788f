//! The setup page in a tab of its own: another mail server, a new grant of Salesforce's, another account there.

use anyhow::{Context as _, Result, ensure};
use fantoccini::Locator;
use fantoccini::error::CmdError;
use fantoccini::key::Key;
use fantoccini::wd::WindowHandle;
use serde_json::json;
use tandem_tests::browser::{self, Chrome};
use tandem_tests::pane::answer_microsoft_window;
use tandem_tests::sandbox::User;
use url::Url;

use crate::house::{House, eventually};
use crate::office::answers;

/// A desk's screen, and Outlook's narrowest.
const SIZES: [(u32, u32); 2] = [(1100, 1000), (320, 1400)];

/// One tab.
struct Tab {
    chrome: Chrome,
    window: WindowHandle,
    setup: Url,
}

impl Tab {
    /// Signed in by the page's own button, not yet connected.
    async fn open(house: &House) -> Result<Self> {
        let mut chrome = Chrome::start(browser::Options {
            width: SIZES[0].0,
            height: SIZES[0].1,
            ..browser::Options::default()
        })
        .await?;
        chrome.patience = std::time::Duration::from_mins(1);
        let tab = Self {
            window: chrome.client.window().await?,
            setup: house.tandem.url.join("setup")?,
            chrome,
        };
        // The incumbent's address.
        tab.chrome.goto(&house.tandem.url.join("ui/")?).await?;
        tab.chrome.css("html[data-hydrated]").await?;
        tab.picture("setup-1-signed-out").await?;
        tab.chrome.press("Sign in with Salesforce").await?;
        tab.salesforce(&house.nina).await?;
        tab.chrome.css("#mail-server").await?;
        Ok(tab)
    }

    /// Answers Salesforce's pages, in this window or another, until this one shows the setup page again.
    async fn salesforce(&self, user: &User) -> Result<()> {
        let client = &self.chrome.client;
        self.chrome
            .until("the way back from Salesforce", || async {
                let look = async {
                    let windows = client.windows().await?;
                    let other = windows.iter().find(|w| **w != self.window);
                    client
                        .switch_to_window(other.unwrap_or(&self.window).clone())
                        .await?;
                    if other.is_none() && client.current_url().await?.path() == self.setup.path() {
                        let back = "html:not([data-left]) #mail-server";
                        return Ok(!client.find_all(Locator::Css(back)).await?.is_empty());
                    }
                    self.log_in(user).await?;
                    Ok::<bool, CmdError>(false)
                };
                // A page may be gone at any moment, with or without our doing: whatever fails is looked at again.
                Ok(look.await.unwrap_or(false).then_some(()))
            })
            .await?;
        self.chrome.css("html[data-hydrated]").await.map(drop)
    }

    /// Leaves the page by one of its buttons: it is told from the one that comes back.
    async fn leave_by(&self, name: &str) -> Result<()> {
        let mark = "document.documentElement.dataset.left = ''";
        self.chrome.client.execute(mark, vec![]).await?;
        self.chrome.press(name).await
    }

    /// Answers Salesforce's one page in this window.
    async fn salesforce_page(&self, user: &User) -> Result<()> {
        self.chrome.css("#Login").await?;
        Ok(self.log_in(user).await?)
    }

    async fn log_in(&self, user: &User) -> Result<(), CmdError> {
        let client = &self.chrome.client;
        let button = client
            .find(Locator::Css("html:not([data-answered]) #Login"))
            .await?;
        for (id, text) in [
            ("#username", &user.salesforce_username),
            ("#password", &user.salesforce_password),
        ] {
            let field = client.find(Locator::Css(id)).await?;
            field.clear().await?;
            field.send_keys(text).await?;
        }
        // So that the next page, which may look the same, can be told from this one.
        client
            .execute("document.documentElement.dataset.answered = ''", vec![])
            .await?;
        button.click().await
    }

    /// *Change* of the Salesforce account.
    async fn change(&self, user: &User) -> Result<()> {
        self.leave_by("Change: Salesforce account").await?;
        self.salesforce(user).await
    }

    /// *Change* of the mail server.
    async fn change_mail_server(&self) -> Result<()> {
        self.chrome.css("#mail-server .buttons a").await?.click().await?;
        self.dialog(true).await
    }

    /// The browser told of refused requests to `path`, and of nothing else.
    async fn complained(&self, path: &str) -> Result<()> {
        let mut lines = self.complaints().await?;
        lines.retain(|line| !line.contains(path));
        ensure!(lines.is_empty(), "the browser complained:\n{}", lines.join("\n"));
        Ok(())
    }

    /// Answers Microsoft's window until it has closed itself.
    async fn microsoft(&self, user: &User) -> Result<()> {
        answer_microsoft_window(&self.chrome, &self.window, &answers(user)).await
    }

    /// Waits until it is so.
    async fn says(&self, name: &str, text: &str) -> Result<()> {
        self.chrome
            .until(&format!("{name} to be {text}"), || async {
                let path = format!(
                    "//dt[normalize-space(.)=\"{name}\"]/following-sibling::dd[contains(., \"{text}\")]"
                );
                let shown = self.chrome.client.find_all(Locator::XPath(&path)).await?;
                Ok((!shown.is_empty()).then_some(()))
            })
            .await
    }

    /// Both sizes; nobody scrolls sideways.
    async fn picture(&self, name: &str) -> Result<()> {
        for (width, height) in SIZES {
            self.chrome.client.set_window_size(width, height).await?;
            self.chrome.screenshot(&format!("{name}-{width}")).await?;
            let script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
            let wide = self.chrome.client.execute(script, vec![]).await?;
            ensure!(wide == 0, "{name} is {wide} px wider than its window of {width}");
        }
        let (width, height) = SIZES[0];
        Ok(self.chrome.client.set_window_size(width, height).await?)
    }

    async fn dialog(&self, open: bool) -> Result<()> {
        let script = "const d = document.getElementById('activation'); return !!d && d.open";
        self.chrome
            .until(&format!("the dialog to be open: {open}"), || async {
                let is = self.chrome.client.execute(script, vec![]).await?;
                Ok((is == open).then_some(()))
            })
            .await
    }

    async fn connect_exchange(&self, user: &User) -> Result<()> {
        self.dialog(true).await?;
        self.chrome.css("#kind-exchange").await?.click().await?;
        self.chrome.fill("Login", &user.exchange_login).await?;
        self.chrome.fill("Password", &user.exchange_password).await?;
        self.chrome.press("Connect to Exchange").await?;
        self.dialog(false).await
    }

    async fn close(self) -> Result<()> {
        let lines = self.complaints().await?;
        ensure!(lines.is_empty(), "the browser complained:\n{}", lines.join("\n"));
        self.chrome.close().await
    }

    async fn complaints(&self) -> Result<Vec<String>> {
        let mut lines = self.chrome.console_errors().await?;
        lines.retain(|line| !line.contains("/favicon.ico"));
        Ok(lines)
    }
}

/// How many contacts each side has: Nina's and Tomas's mailbox, Nina's and Tomas's own in Salesforce.
async fn inventory(house: &House) -> Result<[usize; 4]> {
    let tomas = &house.sandbox.info.users[1];
    Ok([
        house.in_mailbox().await?.len(),
        house.in_mailbox_of(tomas).await?.len(),
        house.in_salesforce().await?.len(),
        house.in_salesforce_of(tomas).await?.len(),
    ])
}

/// One session of the user's connection, after the one that the worker may be at; what it said.
async fn session(house: &House, user: &User) -> Result<String> {
    let connection = house.http_as(user).await?.connection_id().await?;
    eventually("a session", async || {
        let run = house
            .tandem
            .run(&["session", "run", "--connection", &connection])
            .await?;
        let held = String::from_utf8_lossy(&run.stderr).contains("another session holds it");
        ensure!(
            held || run.status.success(),
            "{}{}",
            String::from_utf8_lossy(&run.stdout),
            String::from_utf8_lossy(&run.stderr)
        );
        Ok((!held).then(|| String::from_utf8_lossy(&run.stdout).into_owned()))
    })
    .await
}

/// *Change* of the mail server: the same mailbox at another kind of server, and another mailbox and back.
#[tokio::test]
async fn browser_setup_mail_server() -> Result<()> {
    let house = House::open(&["--contacts", "6", "--mailbox-contacts", "3"]).await?;
    let tomas = house.sandbox.info.users[1].clone();
    let tab = Tab::open(&house).await?;
    tab.connect_exchange(&house.nina).await?;
    tab.says("Kind", "Exchange").await?;
    let person = house.http().await?;
    person.first_sync().await?;
    pair(&house).await?;
    let before = inventory(&house).await?;
    tab.says("Account", &house.nina.mailbox).await?;
    tab.chrome.no_longer_sees("never").await?;
    tab.picture("setup-2-connected").await?;

    // To the cloud, where the same mailbox has other ids: by keys alone, as far as the page is ours.
    tab.chrome.enter_on("Change").await?;
    tab.dialog(true).await?;
    tab.chrome.tab_to("Exchange*").await?;
    tab.chrome.arrow_to("Office 365*").await?;
    tab.picture("setup-3-change").await?;
    tab.chrome.enter_on("Connect to Office 365").await?;
    tab.microsoft(&house.nina).await?;
    tab.dialog(false).await?;
    tab.says("Kind", "Office 365").await?;
    session(&house, &house.nina).await?;
    ensure!(
        inventory(&house).await? == before,
        "doubled by the move to the cloud: {before:?} {:?}",
        inventory(&house).await?
    );
    tab.picture("setup-4-office").await?;

    // Another mailbox, on purpose: it gets links of its own.
    tab.change_mail_server().await?;
    tab.chrome.press("Connect to Office 365").await?;
    tab.microsoft(&tomas).await?;
    tab.dialog(false).await?;
    tab.says("Account", &tomas.mailbox).await?;
    person.first_sync().await?;
    let between = inventory(&house).await?;
    ensure!(
        between[0] == before[0],
        "the mailbox that was left changed: {before:?} {between:?}"
    );
    ensure!(
        between[1] > before[1],
        "nothing came to the other mailbox: {before:?} {between:?}"
    );

    // And back: what was linked is linked, what came meanwhile comes, nothing is there twice.
    changes_meanwhile(&house).await?;
    tab.chrome.enter_on("Change").await?;
    tab.dialog(true).await?;
    tab.chrome.tab_to("Office 365*").await?;
    tab.chrome.arrow_to("Exchange*").await?;
    tab.chrome.tab_to("Login").await?;
    tab.chrome.type_text(&house.nina.exchange_login).await?;
    tab.chrome.tab_to("Password").await?;
    tab.chrome.type_text(&house.nina.exchange_password).await?;
    tab.chrome.key(Key::Enter).await?;
    tab.dialog(false).await?;
    tab.says("Account", &house.nina.mailbox).await?;
    settled(&house, &house.nina).await?;
    let after = inventory(&house).await?;
    ensure!(
        after == between,
        "the way back made something: {between:?} {after:?}"
    );
    pair_is_back(&house).await?;
    tab.close().await
}

/// Sessions until one changes nothing.
async fn settled(house: &House, user: &User) -> Result<()> {
    let person = house.http_as(user).await?;
    for _ in 0..6 {
        let connection = person.connection().await?;
        if !connection["preview"].is_null() {
            person.order("release", &[]).await?;
        }
        let writes = house.sandbox.writes().await?;
        session(house, user).await?;
        if house.sandbox.writes().await? == writes && person.connection().await?["preview"].is_null() {
            return Ok(());
        }
    }
    anyhow::bail!("it does not come to rest")
}

/// The last name of [`pair`].
const PAIR: &str = "Żółwik";

/// A pair of Nina's, to be looked for later.
async fn pair(house: &House) -> Result<()> {
    house.new_in_mailbox(PAIR).await?;
    session(house, &house.nina).await?;
    ensure!(house.salesforce_contact(PAIR).await?.is_some(), "no pair");
    Ok(())
}

/// The pair changes on one side while nobody looks.
async fn changes_meanwhile(house: &House) -> Result<()> {
    let record = house
        .salesforce_contact(PAIR)
        .await?
        .context("the record is gone")?;
    let path = house.record_path(&record);
    house
        .sandbox
        .patch(&path, &json!({ "Department": "Bau" }))
        .await
        .map(drop)
}

/// The pair is one still: what changed meanwhile has come, and what changes now goes.
async fn pair_is_back(house: &House) -> Result<()> {
    let item = house.mailbox_contact(PAIR).await?.context("the item is gone")?;
    ensure!(item["fields"]["Department"] == "Bau", "{item:#}");
    let phone = json!({ "fields": { "MobilePhone": "+49 170 2" } });
    house.sandbox.patch(&house.item_path(&item), &phone).await?;
    session(house, &house.nina).await?;
    let record = house.salesforce_contact(PAIR).await?.context("gone")?;
    ensure!(record["MobilePhone"] == "+49 170 2", "{record:#}");
    Ok(())
}

/// *Refresh*: the same account, a new grant. *Change*: another account takes the mailbox over, and gives it back.
#[tokio::test]
async fn browser_setup_salesforce() -> Result<()> {
    let house = House::open(&["--contacts", "6", "--mailbox-contacts", "3"]).await?;
    let tomas = house.sandbox.info.users[1].clone();
    let tab = Tab::open(&house).await?;
    tab.connect_exchange(&house.nina).await?;
    house.http().await?.first_sync().await?;
    pair(&house).await?;
    let before = inventory(&house).await?;
    let granted = house.grants().await?;

    tab.leave_by("Refresh").await?;
    tab.salesforce(&house.nina).await?;
    eventually("the old grant's end", async || {
        Ok((house.grants().await? == granted).then_some(()))
    })
    .await?;
    session(&house, &house.nina).await?;
    ensure!(
        inventory(&house).await? == before,
        "a new grant changed something"
    );

    // With another account it is no refresh: told with both names, and nothing changes hands.
    tab.chrome.client.delete_cookie("sid").await?;
    tab.leave_by("Refresh").await?;
    tab.salesforce_page(&tomas).await?;
    let said = tab.chrome.css("[role=alert]").await?.text().await?;
    ensure!(
        said.contains(&tomas.salesforce_username) && said.contains(&house.nina.salesforce_username),
        "both names: {said}"
    );
    ensure!(
        house.grants_of(&tomas).await? == 0,
        "a grant that nobody uses is left"
    );
    tab.complained("/auth/callback").await?;
    tab.chrome.goto(&tab.setup).await?;
    tab.says("User", &house.nina.salesforce_username).await?;

    // Changed, the mailbox goes on with the other account, whose links are its own.
    tab.change(&tomas).await?;
    tab.says("User", &tomas.salesforce_username).await?;
    tab.says("Account", &house.nina.mailbox).await?;
    tab.picture("setup-5-other-salesforce").await?;
    ensure!(
        house.grants().await? == 0,
        "the left account's grant is still there"
    );
    settled(&house, &tomas).await?;
    let between = inventory(&house).await?;
    ensure!(
        between[2] == before[2],
        "the left account's records changed: {before:?} {between:?}"
    );
    ensure!(
        between[0] > before[0],
        "nothing came of the other account: {before:?} {between:?}"
    );

    // And back.
    changes_meanwhile(&house).await?;
    tab.change(&house.nina.clone()).await?;
    tab.says("User", &house.nina.salesforce_username).await?;
    tab.says("Account", &house.nina.mailbox).await?;
    settled(&house, &house.nina).await?;
    let after = inventory(&house).await?;
    ensure!(
        after == between,
        "the way back made something: {between:?} {after:?}"
    );
    pair_is_back(&house).await?;
    tab.close().await
}
