//! The pane in a browser, in a frame of another site, as a person uses it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fantoccini::Locator;
use fantoccini::error::CmdError;
use fantoccini::wd::WindowHandle;
use serde_json::Value;
use url::Url;

use crate::browser::{Chrome, Options};
use crate::frame::FrameHost;
use crate::office::Answers;
use crate::sandbox::User;
use crate::server::Tandem;

/// A first sync, or a start on a busy machine, takes longer than a page.
const PATIENCE: Duration = Duration::from_mins(1);
/// Outlook's narrowest.
const WIDTH: u16 = 320;
/// Of the pictures.
const WIDTHS: [u16; 2] = [WIDTH, 450];

/// One person at one browser.
#[derive(Debug)]
pub struct Pane {
    pub chrome: Chrome,
    pub user: User,
    page: Url,
    window: WindowHandle,
}

impl Pane {
    /// Opens the pane in a frame of `host`, and waits until its scripts run.
    pub async fn open(tandem: &Tandem, host: &FrameHost, user: &User, options: Options) -> Result<Self> {
        Self::open_at(host.page(&tandem.url, WIDTH), user, options).await
    }

    /// Opens the pane in the sandbox's browser preview: beside a mailbox, with an Office.js.
    pub async fn open_in_preview(tandem: &Tandem, user: &User, options: Options) -> Result<Self> {
        let mut page = tandem.url.join("preview")?;
        page.query_pairs_mut().append_pair("user", &user.mailbox);
        Self::open_at(page, user, options).await
    }

    /// Opens a page that shows the pane in a frame.
    async fn open_at(page: Url, user: &User, options: Options) -> Result<Self> {
        let mut chrome = Chrome::start(Options {
            height: 1200,
            ..options
        })
        .await?;
        chrome.patience = PATIENCE;
        let window = chrome.client.window().await?;
        let pane = Self {
            chrome,
            user: user.clone(),
            page,
            window,
        };
        pane.load().await?;
        Ok(pane)
    }

    /// Loads the page around the pane (again).
    pub async fn load(&self) -> Result<()> {
        self.chrome.leave_frames().await?;
        self.chrome.goto(&self.page).await?;
        self.enter().await
    }

    async fn enter(&self) -> Result<()> {
        self.chrome.enter_pane().await?;
        self.chrome.css("html[data-hydrated]").await.map(drop)
    }

    /// *Sign in with Salesforce*, and all that the window asks for.
    pub async fn sign_in(&self) -> Result<()> {
        self.chrome.press("Sign in with Salesforce").await?;
        self.finish_sign_in().await
    }

    /// Does what the sign-in window asks for, if it asks at all, until it has closed itself and the pane is signed in.
    pub async fn finish_sign_in(&self) -> Result<()> {
        let done = || async {
            let windows = self.chrome.client.windows().await?;
            if let Some(window) = windows.into_iter().find(|w| *w != self.window) {
                // It may be gone at any moment, with or without our doing: whatever fails is looked at again.
                let _ = self.answer(window).await;
                return Ok(None);
            }
            self.chrome.client.switch_to_window(self.window.clone()).await?;
            self.chrome
                .client
                .find(Locator::Css("iframe#pane"))
                .await?
                .enter_frame()
                .await?;
            let asks = self.chrome.client.find_all(Locator::Css("#sign-in")).await?;
            Ok(asks.is_empty().then_some(()))
        };
        self.chrome.until("the end of the sign-in", done).await?;
        self.chrome.css("#menu").await.map(drop)
    }

    /// Salesforce's login, on each of its pages once.
    async fn answer(&self, window: WindowHandle) -> Result<(), CmdError> {
        let client = &self.chrome.client;
        client.switch_to_window(window).await?;
        let button = client
            .find(Locator::Css("html:not([data-answered]) #Login"))
            .await?;
        for (id, text) in [
            ("#username", &self.user.salesforce_username),
            ("#password", &self.user.salesforce_password),
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

    /// Answers Microsoft's window, which is about to open, until it has closed itself; or until it says that the user did
    /// not agree: then it is closed as a user would.
    pub async fn finish_microsoft(&self, answers: &Answers) -> Result<()> {
        answer_microsoft_window(&self.chrome, &self.window, answers).await?;
        self.chrome.enter_pane().await
    }

    /// As [`Pane::finish_microsoft`], where the last page has a code to type; the code.
    pub async fn microsoft_code(&self, answers: &Answers) -> Result<String> {
        self.chrome
            .switch_to_new_window(std::slice::from_ref(&self.window))
            .await?;
        let code = code_of_window(&self.chrome, answers).await?;
        self.chrome.client.close_window().await?;
        self.chrome.client.switch_to_window(self.window.clone()).await?;
        self.chrome.enter_pane().await?;
        Ok(code)
    }

    /// Chooses an entry of the menu.
    pub async fn choose(&self, entry: &str) -> Result<()> {
        self.chrome.press("Menu").await?;
        self.chrome.press(entry).await
    }

    /// Signs out by the menu.
    pub async fn sign_out(&self) -> Result<()> {
        self.choose("Sign out").await?;
        self.status("Signed out").await.map(drop)
    }

    /// Waits until the status line contains `text`; the whole line.
    pub async fn status(&self, text: &str) -> Result<String> {
        self.chrome
            .until(&format!("the status \"{text}\""), || async {
                let line = self
                    .chrome
                    .client
                    .find(Locator::Css("#status"))
                    .await?
                    .text()
                    .await?;
                Ok(line.contains(text).then_some(line))
            })
            .await
    }

    /// Whether the dialog is open, and so that nothing behind it can be reached.
    pub async fn dialog_is_open(&self, id: &str) -> Result<bool, CmdError> {
        let script =
            format!("const d = document.getElementById('{id}'); return !!d && d.open && d.matches(':modal')");
        Ok(self
            .chrome
            .client
            .execute(&script, vec![])
            .await?
            .as_bool()
            .unwrap_or_default())
    }

    /// Waits until the dialog is open, or closed.
    pub async fn dialog(&self, id: &str, open: bool) -> Result<()> {
        let what = format!("the dialog {id} to be {}", if open { "open" } else { "closed" });
        self.chrome
            .until(&what, || async {
                Ok((self.dialog_is_open(id).await? == open).then_some(()))
            })
            .await
    }

    /// What a script in the pane returns.
    pub async fn ask(&self, script: &str) -> Result<Value> {
        Ok(self.chrome.client.execute(script, vec![]).await?)
    }

    /// A table below `selector`: its rows' cells.
    pub async fn rows(&self, selector: &str) -> Result<Vec<Vec<String>>> {
        let script = format!(
            "return [...document.querySelectorAll('{selector} tbody tr')].map(r => [...r.children].map(c => c.innerText.trim()))"
        );
        Ok(serde_json::from_value(self.ask(&script).await?)?)
    }

    /// Does something in the page around the pane, and goes back into the pane.
    pub async fn outside<T>(&self, work: impl AsyncFnOnce(&Chrome) -> Result<T>) -> Result<T> {
        self.chrome.leave_frames().await?;
        let done = work(&self.chrome).await?;
        self.chrome.enter_pane().await?;
        Ok(done)
    }

    /// In the preview: opens the message of that subject, and waits until the panel is about it and has all that a
    /// provider says.
    pub async fn open_mail(&self, subject: &str) -> Result<()> {
        self.outside(async |chrome| chrome.press_containing(".list li a", subject).await)
            .await?;
        self.panel_is(subject).await
    }

    /// Waits until the panel is about the item of that subject, and whole. A pane that is not pinned is loaded anew.
    pub async fn panel_is(&self, subject: &str) -> Result<()> {
        let script = "const item = document.getElementById('item'); if (!item) return null; \
             const line = item.querySelector('#item-subject'); \
             return [line && line.innerText, !item.querySelector('#item-rest')]";
        self.chrome
            .until(&format!("the panel of \"{subject}\""), || async {
                // The frame may be loading.
                let look = async {
                    self.chrome.leave_frames().await?;
                    self.chrome.enter_pane().await?;
                    self.ask(script).await
                };
                let told = look.await.unwrap_or_default();
                Ok((told == serde_json::json!([subject, true])).then_some(()))
            })
            .await
    }

    /// Nothing is wider than the frame: nobody scrolls sideways in a sidebar.
    pub async fn fits(&self, what: &str) -> Result<()> {
        for width in WIDTHS {
            self.outside(async |_| self.width(width).await).await?;
            self.is_no_wider(&format!("{what}, {width} px")).await?;
        }
        self.outside(async |_| self.width(WIDTH).await).await
    }

    async fn is_no_wider(&self, what: &str) -> Result<()> {
        let wide = self
            .ask("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
            .await?;
        ensure!(wide == 0, "the pane is {wide} px wider than its frame: {what}");
        Ok(())
    }

    /// Saves what the pane shows at 320 and at 450 pixels.
    pub async fn picture(&self, name: &str) -> Result<[PathBuf; 2]> {
        self.chrome.leave_frames().await?;
        let frame = self.chrome.css("iframe#pane").await?;
        let mut paths = Vec::new();
        for width in WIDTHS {
            self.width(width).await?;
            paths.push(
                self.chrome
                    .screenshot_of(&frame, &format!("{name}-{width}"))
                    .await?,
            );
        }
        self.width(WIDTH).await?;
        self.chrome.enter_pane().await?;
        self.is_no_wider(name).await?;
        paths.try_into().ok().context("two widths")
    }

    async fn width(&self, width: u16) -> Result<()> {
        self.ask(&format!(
            "document.getElementById('pane').style.width = '{width}px'"
        ))
        .await
        .map(drop)
    }

    /// What the browser complained about, since this was asked last: refused scripts and styles, panics, failed requests.
    /// A page without an icon is none of ours.
    pub async fn complaints(&self) -> Result<Vec<String>> {
        let mut lines = self.chrome.console_errors().await?;
        lines.retain(|line| !line.contains("/favicon.ico"));
        Ok(lines)
    }

    /// Closes the browser; fails if it has complained.
    pub async fn close(self) -> Result<()> {
        let lines = self.complaints().await?;
        ensure!(lines.is_empty(), "the browser complained:\n{}", lines.join("\n"));
        self.chrome.close().await
    }
}

/// Answers Microsoft's window, which is about to open beside `own`, until it has closed itself (or is closed: see
/// [`Pane::finish_microsoft`]), and goes back.
pub async fn answer_microsoft_window(chrome: &Chrome, own: &WindowHandle, answers: &Answers) -> Result<()> {
    chrome.switch_to_new_window(std::slice::from_ref(own)).await?;
    chrome
        .until("the end of Microsoft's window", || async {
            let windows = chrome.client.windows().await?;
            let Some(window) = windows.into_iter().find(|w| w != own) else {
                return Ok(Some(()));
            };
            // It may be gone at any moment, with or without our doing: whatever fails is looked at again.
            let _ = answer_microsoft(chrome, window, answers).await;
            Ok(None)
        })
        .await?;
    Ok(chrome.client.switch_to_window(own.clone()).await?)
}

/// One of Microsoft's pages, each once.
async fn answer_microsoft(chrome: &Chrome, window: WindowHandle, answers: &Answers) -> Result<(), CmdError> {
    let client = &chrome.client;
    client.switch_to_window(window).await?;
    if !answers.agrees && chrome.text().await?.contains("did not agree") {
        return client.close_window().await.map(drop);
    }
    // In one look: the page may be another one with the next.
    let look = "const there = id => document.getElementById(id); \
        if (document.documentElement.matches('[data-answered]')) return null; \
        if (there('i0116')) return 'login'; \
        if (there('otherTile')) return 'otherTile'; \
        return there('idBtn_Back') ? 'consent' : there('idSIButton9') && 'idSIButton9'";
    let page = client.execute(look, vec![]).await?;
    let button = match page.as_str() {
        None => return Ok(()),
        Some("login") => "idSIButton9",
        Some("consent") if answers.agrees => "idSIButton9",
        Some("consent") => "idBtn_Back",
        Some(other) => other,
    };
    let button = client.find(Locator::Id(button)).await?;
    if page == "login" {
        for (id, text) in [("#i0116", &answers.username), ("#i0118", &answers.password)] {
            let field = client.find(Locator::Css(id)).await?;
            field.clear().await?;
            field.send_keys(text).await?;
        }
    }
    // So that the next page, which may look the same, can be told from this one.
    client
        .execute("document.documentElement.dataset.answered = ''", vec![])
        .await?;
    button.click().await
}

/// Answers Microsoft's pages in the window that is shown, until one shows a code to type.
pub async fn code_of_window(chrome: &Chrome, answers: &Answers) -> Result<String> {
    let window = chrome.client.window().await?;
    chrome
        .until("a code to type", || async {
            for digits in chrome.client.find_all(Locator::Css(".digits")).await? {
                if digits.is_displayed().await? {
                    return Ok(Some(digits.text().await?));
                }
            }
            let _ = answer_microsoft(chrome, window.clone(), answers).await;
            Ok(None)
        })
        .await
}
