//! The pane in the sandbox's browser preview: with an Office.js, beside a mailbox, on another site than the mailbox's.

use anyhow::{Context as _, Result, ensure};
use fantoccini::Locator;
use serde_json::{Value, json};
use tandem_tests::browser::{self, Chrome};
use tandem_tests::server::Options;
use tandem_tests::{Pane, SandboxProc, Tandem};

use crate::house::eventually;

pub(crate) struct Shell {
    pub(crate) sandbox: SandboxProc,
    _tandem: Tandem,
    pub(crate) pane: Pane,
}

impl Shell {
    pub(crate) async fn open(options: browser::Options) -> Result<Self> {
        let sandbox = SandboxProc::start(&[
            "--mailbox-messages",
            "12",
            "--mailbox-events",
            "10",
            "--contacts",
            "8",
        ])
        .await?;
        let tandem = Tandem::start(
            &sandbox,
            &Options {
                preview: true,
                ..Options::default()
            },
        )
        .await?;
        let pane = Pane::open_in_preview(&tandem, sandbox.nina(), options).await?;
        Ok(Self {
            sandbox,
            _tandem: tandem,
            pane,
        })
    }

    pub(crate) fn chrome(&self) -> &Chrome {
        &self.pane.chrome
    }

    /// Does something in the mailbox around the pane, and goes back into the pane.
    pub(crate) async fn outside<T>(&self, work: impl AsyncFnOnce(&Chrome) -> Result<T>) -> Result<T> {
        self.pane.outside(work).await
    }

    /// Opens the `n`-th message of the list; its subject.
    pub(crate) async fn select(&self, n: usize) -> Result<String> {
        self.outside(async |chrome| {
            let link = chrome.css(&format!(".list li:nth-child({n}) a")).await?;
            link.click().await?;
            chrome
                .css(&format!(".list li:nth-child({n}) a[aria-current]"))
                .await?;
            Ok(chrome.css("#reading h1").await?.text().await?)
        })
        .await
    }

    /// Waits until Office in the frame shows what `script` (an expression) is to be.
    pub(crate) async fn office(&self, script: &str, wanted: &Value) -> Result<()> {
        let mut last = Value::Null;
        let found = eventually(script, async || {
            // The frame may be loading.
            self.chrome().leave_frames().await?;
            self.chrome().enter_pane().await?;
            let told = self
                .pane
                .ask(&format!(
                    "const o = window.Office && Office.context && Office.context.mailbox; return o ? ({script}) : 'no Office'"
                ))
                .await;
            last = told.unwrap_or_else(|error| json!(error.to_string()));
            Ok((last == *wanted).then_some(()))
        })
        .await;
        found.with_context(|| format!("{script} is {last}, not {wanted}"))
    }

    /// The value of a call of Office, made as `script` with `done` as its callback.
    async fn call(&self, script: &str) -> Result<Value> {
        let script = format!(
            "const all = arguments; const done = r => all[all.length - 1](JSON.stringify(r)); {script}"
        );
        let told = self.chrome().client.execute_async(&script, vec![]).await?;
        Ok(serde_json::from_str(told.as_str().context("no answer")?)?)
    }
}

#[tokio::test]
async fn browser_preview() -> Result<()> {
    let shell = Shell::open(browser::Options::default()).await?;
    let chrome = shell.chrome();
    chrome.client.set_window_size(1200, 800).await?;
    // The frame is of another site, and the host is Outlook.
    shell
        .office(
            "Office.context.host + ' ' + Office.context.displayLanguage",
            &json!("Outlook en-US"),
        )
        .await?;
    shell.office("Office.context.mailbox.item", &Value::Null).await?;
    ensure!(
        shell
            .pane
            .ask("try { return !!window.parent.document } catch { return false }")
            .await?
            == false,
        "the frame is of the shell's own site"
    );
    // What Office.js takes away is there again.
    shell
        .office("typeof history.pushState", &json!("function"))
        .await?;
    // The window of the sign-in is a dialog of Office; third-party cookies are blocked.
    shell.pane.sign_in().await?;
    shell.pane.dialog("activation", true).await?;
    shell.pane.chrome.press("Skip").await?;
    shell.pane.dialog("activation", false).await?;

    // Not pinned: the pane is loaded anew for each message.
    shell.pane.ask("window.sameLife = true").await?;
    let first = shell.select(1).await?;
    shell
        .office(
            "Office.context.mailbox.item && Office.context.mailbox.item.subject",
            &json!(first),
        )
        .await?;
    shell.office("window.sameLife === true", &json!(false)).await?;
    chrome.css("html[data-hydrated]").await?;
    let address = shell.pane.user.mailbox.clone();
    shell
        .office("Office.context.mailbox.userProfile.emailAddress", &json!(address))
        .await?;
    shell
        .office(
            "Office.context.mailbox.convertToRestId(Office.context.mailbox.item.itemId, 'v2.0').includes('/')",
            &json!(false),
        )
        .await?;
    // Nobody but the shell says what is open.
    let lie = "{ mark: 'tandem-preview', event: 'olkItemSelectedChanged', item: null }";
    shell
        .call(&format!(
            "window.addEventListener('message', () => done('heard'), {{ once: true }}); window.postMessage({lie}, '*')"
        ))
        .await?;
    shell
        .office(
            "Office.context.mailbox.item && Office.context.mailbox.item.subject",
            &json!(first),
        )
        .await?;
    shell
        .outside(async |chrome| chrome.screenshot("preview-1-message").await)
        .await?;

    pinned(&shell, &first).await?;
    categories(&shell).await?;
    compose(&shell).await?;
    shell.pane.close().await
}

/// Pinned: the pane lives on, and is told.
async fn pinned(shell: &Shell, first: &str) -> Result<()> {
    shell.outside(async |chrome| chrome.press("Pin").await).await?;
    let added = shell
        .call(
            "window.sameLife = true; window.told = []; \
             Office.context.mailbox.addHandlerAsync(Office.EventType.ItemChanged, \
             e => window.told.push(e.type + ' ' + (Office.context.mailbox.item ? Office.context.mailbox.item.subject : 'nothing')), done)",
        )
        .await?;
    ensure!(added["status"] == "succeeded", "{added}");
    let mut n = 2;
    let second = loop {
        let subject = shell.select(n).await?;
        if subject != first {
            break subject;
        }
        n += 1;
    };
    shell
        .office(
            "window.told && window.told[window.told.length - 1]",
            &json!(format!("olkItemSelectedChanged {second}")),
        )
        .await?;
    ensure!(shell.pane.ask("return window.sameLife === true").await? == true);
    // A folder where nothing is selected: the item may be null.
    shell
        .outside(async |chrome| {
            chrome.css("#f-inbox").await?.click().await?;
            chrome.css(".reading.empty").await.map(drop)
        })
        .await?;
    shell
        .office(
            "window.told && window.told[window.told.length - 1]",
            &json!("olkItemSelectedChanged nothing"),
        )
        .await?;
    shell.outside(async |chrome| chrome.press("Pin").await).await
}

/// What the pane marks is seen beside it.
async fn categories(shell: &Shell) -> Result<()> {
    let subject = shell.select(1).await?;
    shell
        .office(
            "Office.context.mailbox.item && Office.context.mailbox.item.subject",
            &json!(subject),
        )
        .await?;
    let mark = "Office.context.mailbox.item.categories.addAsync(['Seen by Tandem'], done)";
    let refused = shell.call(mark).await?;
    ensure!(refused["error"]["name"] == "InvalidCategory", "{refused}");
    let made = shell
        .call(
            "Office.context.mailbox.masterCategories.addAsync(\
             [{ displayName: 'Seen by Tandem', color: Office.MailboxEnums.CategoryColor.Preset4 }], done)",
        )
        .await?;
    ensure!(made["status"] == "succeeded", "{made}");
    let marked = shell.call(mark).await?;
    ensure!(marked["status"] == "succeeded", "{marked}");
    shell
        .outside(async |chrome| chrome.css("#reading .chip.preset4").await.map(drop))
        .await
}

/// A mail that is written: the pane reads the form, saves the draft, and the mail is sent.
async fn compose(shell: &Shell) -> Result<()> {
    shell
        .outside(async |chrome| {
            chrome.css("#new-mail").await?.click().await?;
            chrome.fill("To", "Ada <ada@example.org>").await?;
            chrome.fill("Subject", "Written in the preview").await
        })
        .await?;
    shell
        .office(
            "Office.context.mailbox.item && typeof Office.context.mailbox.item.subject.getAsync",
            &json!("function"),
        )
        .await?;
    let to = shell
        .call("Office.context.mailbox.item.to.getAsync(done)")
        .await?;
    ensure!(to["value"][0]["emailAddress"] == "ada@example.org", "{to}");
    let unsaved = shell
        .call("Office.context.mailbox.item.getItemIdAsync(done)")
        .await?;
    ensure!(unsaved["status"] == "failed", "{unsaved}");
    let saved = shell.call("Office.context.mailbox.item.saveAsync(done)").await?;
    let id = saved["value"].as_str().context("no id")?;
    let known = shell
        .call("Office.context.mailbox.item.getItemIdAsync(done)")
        .await?;
    ensure!(known["value"] == id, "{known}");
    shell
        .outside(async |chrome| {
            chrome.screenshot("preview-2-compose").await?;
            chrome.press("Send").await?;
            chrome.css("#f-sentitems[aria-current]").await?;
            chrome.sees("Written in the preview").await
        })
        .await
}

/// The calendar, dark; and a browser that blocks pop-ups.
#[tokio::test]
async fn browser_preview_dark() -> Result<()> {
    let shell = Shell::open(browser::Options {
        dark: true,
        ..browser::Options::default()
    })
    .await?;
    let chrome = shell.chrome();
    chrome.client.set_window_size(1200, 800).await?;
    shell
        .outside(async |chrome| {
            let theme = chrome.field("Theme").await?;
            theme.select_by_value("dark").await?;
            chrome.css("#app-calendar").await?.click().await?;
            chrome.css(".week a[aria-current]").await.map(drop)
        })
        .await?;
    shell
        .office(
            "Office.context.officeTheme.bodyBackgroundColor",
            &json!("#1f1f1f"),
        )
        .await?;
    shell
        .outside(async |chrome| {
            for step in 0..14 {
                if !chrome.client.find_all(Locator::Css(".slots a")).await?.is_empty() {
                    break;
                }
                ensure!(step < 13, "two weeks without an appointment");
                let before = chrome.css(".day h2").await?.text().await?;
                chrome.css(".week a[aria-current] + a").await?.click().await?;
                chrome
                    .until("another day", || async {
                        let title = chrome.client.find(Locator::Css(".day h2")).await?;
                        Ok((title.text().await? != before).then_some(()))
                    })
                    .await?;
            }
            chrome.css(".slots a").await?.click().await?;
            chrome.css(".slots a[aria-current]").await?;
            chrome.screenshot("preview-3-calendar-dark").await
        })
        .await?;
    shell
        .office(
            "Office.context.mailbox.item && Office.context.mailbox.item.itemType",
            &json!("appointment"),
        )
        .await?;
    // As where somebody's browser lets nothing open.
    shell
        .outside(async |chrome| {
            chrome.field("Pop-ups").await?.select_by_value("1").await?;
            chrome
                .css("#view-blocked option[value='1'][selected]")
                .await
                .map(drop)
        })
        .await?;
    shell.office("window.open('about:blank')", &Value::Null).await?;
    let refused = shell
        .call("Office.context.ui.displayDialogAsync(location.origin + '/x', {}, done)")
        .await?;
    ensure!(refused["error"]["code"] == 12011, "{refused}");
    shell.pane.close().await
}
