//! A headless Chromium, driven through chromedriver as a person would.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use fantoccini::elements::Element;
use fantoccini::error::{CmdError, ErrorStatus};
use fantoccini::key::Key;
use fantoccini::wd::{Capabilities, WindowHandle};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use url::Url;

use crate::places;
use crate::process::Process;

/// How long something on the page usually may take to appear.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a browser is told about cookies of embedded pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThirdPartyCookies {
    /// As browsers do it by default, or soon: only partitioned cookies reach a frame of another site.
    Blocked,
    /// Not even a partitioned cookie reaches a frame: an administrator's rule for `localhost` inside of `127.0.0.1`.
    Refused,
    Allowed,
}

/// How a browser differs from the usual one of the tests.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub cookies: ThirdPartyCookies,
    pub dark: bool,
    /// Whether pages may run scripts.
    pub script: bool,
    /// Of the window, in pixels.
    pub width: u32,
    pub height: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cookies: ThirdPartyCookies::Blocked,
            dark: false,
            script: true,
            width: 900,
            height: 900,
        }
    }
}

/// A browser with a profile of its own. Dropping it ends chromedriver, which ends the browser.
#[derive(Debug)]
pub struct Chrome {
    pub client: Client,
    /// How long something on the page may take to appear.
    pub patience: Duration,
    driver: Process,
    _folder: TempDir,
}

/// chromedriver, and the port that it took. It lets the system pick one for IPv4 and wants the same for IPv6, which another
/// may have: then it ends.
async fn driver(folder: &TempDir) -> Result<(Process, u16)> {
    let mut tries = 1..=5;
    loop {
        let mut command = Command::new("chromedriver");
        // It listens on loopback as long as nobody passes `--allowed-ips`.
        command.arg("--port=0");
        let mut driver = Process::start("chromedriver", command, folder.path(), true).context(
            "the browser tests need chromium and chromium-driver: `cargo xtask test` installs them",
        )?;
        match driver.first_line(Duration::from_secs(30), port_in).await {
            Ok(port) => return Ok((driver, port)),
            Err(error) if tries.next().is_some() && format!("{error}").contains("Address already in use") => {
            }
            Err(error) => return Err(error),
        }
    }
}

impl Chrome {
    /// Starts chromedriver on a port of its choice, and a browser.
    pub async fn start(options: Options) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (driver, port) = driver(&folder).await?;
        let profile = folder.path().join("profile");
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(options, &profile))
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .context("chromedriver starts no browser")?;
        Ok(Self {
            client,
            patience: PATIENCE,
            driver,
            _folder: folder,
        })
    }

    /// Closes the browser, then its driver.
    pub async fn close(mut self) -> Result<()> {
        self.client.clone().close().await?;
        self.driver.terminate(Duration::from_secs(10)).await.map(drop)
    }

    /// The browser's process, as chromedriver names it.
    pub fn process_id(&self) -> Option<u64> {
        self.client.capabilities()?.get("goog:processID")?.as_u64()
    }

    /// Opens a page.
    pub async fn goto(&self, url: &Url) -> Result<()> {
        Ok(self.client.goto(url.as_str()).await?)
    }

    /// Goes into the frame that a [`FrameHost`](crate::FrameHost)'s page shows.
    pub async fn enter_pane(&self) -> Result<()> {
        let frame = self.css("iframe#pane").await?;
        Ok(frame.enter_frame().await?)
    }

    /// Back to the page around all frames.
    pub async fn leave_frames(&self) -> Result<()> {
        self.client
            .issue_cmd(Raw {
                path: "frame",
                body: json!({ "id": null }),
            })
            .await?;
        Ok(())
    }

    /// Waits for an element by CSS selector.
    pub async fn css(&self, selector: &str) -> Result<Element> {
        self.wait(Locator::Css(selector), &format!("an element {selector}"))
            .await
    }

    /// Waits for a button, a link or a menu item that a screen reader calls `name`, and that can be seen.
    pub async fn named(&self, name: &str) -> Result<Element> {
        let path = named_path(name);
        self.until(&format!("something to press called \"{name}\""), || async {
            visible(&self.client, Locator::XPath(&path)).await
        })
        .await
    }

    /// Waits for the field whose label is `label`, and that can be seen.
    pub async fn field(&self, label: &str) -> Result<Element> {
        let path = field_path(label);
        self.until(&format!("a field called \"{label}\""), || async {
            visible(&self.client, Locator::XPath(&path)).await
        })
        .await
    }

    /// Presses what is called `name`, once it can be pressed: not while it is marked as disabled, which it is while an
    /// earlier call is under way. What is replaced or covered just then is looked for again.
    pub async fn press(&self, name: &str) -> Result<()> {
        let path = named_path(name);
        self.until(
            &format!("something called \"{name}\" that can be pressed"),
            || async {
                let Some(found) = visible(&self.client, Locator::XPath(&path)).await? else {
                    return Ok(None);
                };
                if !found.is_enabled().await? || found.attr("aria-disabled").await?.as_deref() == Some("true")
                {
                    return Ok(None);
                }
                match found.click().await {
                    Ok(()) => Ok(Some(())),
                    Err(error) if not_pressed(&error) => Ok(None),
                    Err(error) => Err(error),
                }
            },
        )
        .await
    }

    /// Presses the first element of that CSS selector whose text contains `text`.
    pub async fn press_containing(&self, selector: &str, text: &str) -> Result<()> {
        self.until(&format!("{selector} with \"{text}\""), || async {
            for found in self.client.find_all(Locator::Css(selector)).await? {
                if found.text().await?.contains(text) {
                    return match found.click().await {
                        Ok(()) => Ok(Some(())),
                        Err(error) if not_pressed(&error) => Ok(None),
                        Err(error) => Err(error),
                    };
                }
            }
            Ok(None)
        })
        .await
    }

    /// Replaces what stands in the field with this label.
    pub async fn fill(&self, label: &str, text: &str) -> Result<()> {
        let field = self.field(label).await?;
        field.clear().await?;
        field
            .send_keys(text)
            .await
            .with_context(|| format!("\"{label}\" takes no text"))
    }

    /// Waits until the text that can be seen contains `text`.
    pub async fn sees(&self, text: &str) -> Result<()> {
        self.until(&format!("the text \"{text}\""), || async {
            Ok(self.text().await?.contains(text).then_some(()))
        })
        .await
    }

    /// Waits until the text that can be seen no longer contains `text`.
    pub async fn no_longer_sees(&self, text: &str) -> Result<()> {
        self.until(&format!("the text \"{text}\" to go away"), || async {
            Ok((!self.text().await?.contains(text)).then_some(()))
        })
        .await
    }

    /// The text of the page (or of the frame that was entered) that can be seen now.
    pub async fn text(&self) -> Result<String, CmdError> {
        let text = self
            .client
            .execute("return document.body ? document.body.innerText : ''", vec![])
            .await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// What has the focus, as a screen reader would name it: its `aria-label`, or its text.
    pub async fn focused(&self) -> Result<String> {
        let script = "const e = document.activeElement; \
            return e ? (e.getAttribute('aria-label') || (e.labels && e.labels[0] && e.labels[0].innerText) || e.innerText || e.tagName) : ''";
        let name = self.client.execute(script, vec![]).await?;
        Ok(name.as_str().unwrap_or_default().trim().to_owned())
    }

    /// Types a key at whatever has the focus, for example `Key::Tab`.
    pub async fn key(&self, key: Key) -> Result<()> {
        let text = String::from(char::from(key));
        Ok(self.client.active_element().await?.send_keys(&text).await?)
    }

    /// Waits for a window that `known` does not hold, and goes there.
    pub async fn switch_to_new_window(&self, known: &[WindowHandle]) -> Result<()> {
        let window = self
            .until("a new window", || async {
                Ok(self
                    .client
                    .windows()
                    .await?
                    .into_iter()
                    .find(|w| !known.contains(w)))
            })
            .await?;
        Ok(self.client.switch_to_window(window).await?)
    }

    /// Waits until only `count` windows are left.
    pub async fn windows_left(&self, count: usize) -> Result<()> {
        self.until(&format!("{count} windows"), || async {
            Ok((self.client.windows().await?.len() == count).then_some(()))
        })
        .await
    }

    /// Errors that the page wrote to its console since this was asked last: refused scripts, failed requests,
    /// panics of the wasm. (Warnings are left out.)
    pub async fn console_errors(&self) -> Result<Vec<String>> {
        let entries = self
            .client
            .issue_cmd(Raw {
                path: "se/log",
                body: json!({ "type": "browser" }),
            })
            .await?;
        let entries = entries.as_array().cloned().unwrap_or_default();
        Ok(entries
            .iter()
            .filter(|e| e["level"] == "SEVERE")
            .map(|e| e["message"].as_str().unwrap_or_default().to_owned())
            .collect())
    }

    /// Keeps a cookie for the page that is open, as if its server had set it.
    pub async fn keep_cookie(&self, name: &str, value: &str) -> Result<()> {
        let cookie = json!({ "name": name, "value": value, "path": "/", "secure": true, "httpOnly": true });
        self.client
            .issue_cmd(Raw {
                path: "cookie",
                body: json!({ "cookie": cookie }),
            })
            .await?;
        Ok(())
    }

    /// Lets pages believe what a media query asks for, for example `("prefers-color-scheme", "dark")`.
    pub async fn emulate(&self, features: &[(&str, &str)]) -> Result<()> {
        let features: Vec<Value> = features
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features }))
            .await
    }

    /// Gives pages so many pixels, whatever the window has.
    pub async fn resize(&self, width: u32, height: u32) -> Result<()> {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await
    }

    /// A command of <https://chromedevtools.github.io/devtools-protocol/>.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Result<()> {
        self.client
            .issue_cmd(Raw {
                path: "goog/cdp/execute",
                body: json!({ "cmd": command, "params": parameters }),
            })
            .await
            .with_context(|| format!("the browser does not take {command}"))?;
        Ok(())
    }

    /// Saves what the window shows as `NAME.png` under the target folder; returns its path.
    pub async fn screenshot(&self, name: &str) -> Result<PathBuf> {
        let path = places::screenshots()?.join(format!("{name}.png"));
        std::fs::write(&path, self.client.screenshot().await?)?;
        Ok(path)
    }

    /// Saves one element as `NAME.png`.
    pub async fn screenshot_of(&self, element: &Element, name: &str) -> Result<PathBuf> {
        let path = places::screenshots()?.join(format!("{name}.png"));
        std::fs::write(&path, element.screenshot().await?)?;
        Ok(path)
    }

    async fn wait(&self, search: Locator<'_>, what: &str) -> Result<Element> {
        match self
            .client
            .wait()
            .at_most(self.patience)
            .every(Duration::from_millis(50))
            .for_element(search)
            .await
        {
            Ok(element) => Ok(element),
            Err(error) => self.gave_up(what, Some(error)).await,
        }
    }

    /// Asks `look` until it has an answer. An element that vanishes under the question is asked for again.
    pub async fn until<T, F>(&self, what: &str, mut look: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<Option<T>, CmdError>>,
    {
        let search = async {
            let mut every = tokio::time::interval(Duration::from_millis(50));
            loop {
                every.tick().await;
                match look().await {
                    Ok(Some(found)) => return Ok(found),
                    Ok(None) => {}
                    Err(error) if error.is_stale_element_reference() || error.is_no_such_element() => {}
                    Err(error) => return Err(error),
                }
            }
        };
        match tokio::time::timeout(self.patience, search).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => self.gave_up(what, Some(error)).await,
            Err(_) => self.gave_up(what, None).await,
        }
    }

    /// Fails with what the page showed instead.
    async fn gave_up<T>(&self, what: &str, error: Option<CmdError>) -> Result<T> {
        let url = self
            .client
            .current_url()
            .await
            .map_or_else(|e| e.to_string(), |u| u.to_string());
        let shown = self.text().await.unwrap_or_else(|e| e.to_string());
        let picture = self
            .screenshot("failed")
            .await
            .map_or_else(|e| e.to_string(), |p| p.display().to_string());
        let console = self.console_errors().await.unwrap_or_default().join("\n");
        let error = error.map(|e| format!(" ({e})")).unwrap_or_default();
        bail!(
            "waited in vain for {what}{error}\n  at {url}\n  console: {console}\n  picture: {picture}\n  the page reads:\n{shown}"
        )
    }
}

async fn visible(client: &Client, search: Locator<'_>) -> Result<Option<Element>, CmdError> {
    for element in client.find_all(search).await? {
        if element.is_displayed().await? {
            return Ok(Some(element));
        }
    }
    Ok(None)
}

/// Something lay over it, or it was just being hidden: the click was not made.
fn not_pressed(error: &CmdError) -> bool {
    error.is_element_not_interactable()
        || matches!(error, CmdError::Standard(told) if told.error == ErrorStatus::ElementClickIntercepted)
}

/// The port in chromedriver's greeting.
fn port_in(line: &str) -> Option<u16> {
    line.split("started successfully on port ")
        .nth(1)?
        .trim_end_matches('.')
        .parse()
        .ok()
}

/// A string as XPath writes it, which knows no escapes.
fn literal(text: &str) -> String {
    if !text.contains('"') {
        return format!("\"{text}\"");
    }
    if !text.contains('\'') {
        return format!("'{text}'");
    }
    let parts: Vec<String> = text.split('"').map(|part| format!("\"{part}\"")).collect();
    format!("concat({})", parts.join(", '\"', "))
}

fn named_path(name: &str) -> String {
    let name = literal(name);
    format!(
        "//*[self::button or self::a or self::summary or @role='button' or @role='menuitem' or @role='link' \
         or @role='tab' or (self::input and @type='submit')]\
         [normalize-space(.)={name} or @aria-label={name} or @value={name}]"
    )
}

fn field_path(label: &str) -> String {
    let label = literal(label);
    format!(
        "//*[self::input or self::textarea or self::select]\
         [@aria-label={label} or @id=//label[normalize-space(.)={label}]/@for \
         or ancestor::label[normalize-space(.)={label} or normalize-space(span[1])={label}]]"
    )
}

fn capabilities(options: Options, profile: &Path) -> Capabilities {
    let mut arguments = vec![
        "--headless=new".to_owned(),
        // The browser ends when its driver does, however that ends.
        "--remote-debugging-pipe".into(),
        "--no-sandbox".into(),
        "--disable-dev-shm-usage".into(),
        "--disable-gpu".into(),
        "--disable-background-networking".into(),
        "--disable-component-update".into(),
        "--disable-default-apps".into(),
        "--disable-extensions".into(),
        "--disable-sync".into(),
        "--no-first-run".into(),
        "--no-default-browser-check".into(),
        "--no-proxy-server".into(),
        "--lang=en-US".into(),
        // One process for the page and the pane in its frame: chromedriver hears the consoles of its window's process only.
        // What is another site for cookies and origins stays so.
        "--disable-site-isolation-trials".into(),
        "--disable-features=IsolateOrigins,site-per-process".into(),
        format!("--window-size={},{}", options.width, options.height),
        format!("--user-data-dir={}", profile.display()),
    ];
    if options.dark {
        arguments.push("--blink-settings=preferredColorScheme=0".into());
    }
    let blocked = options.cookies != ThirdPartyCookies::Allowed;
    // Pairs of *whose cookie* and *in whose page*; 2 blocks.
    let exceptions = match options.cookies {
        ThirdPartyCookies::Refused => json!({ "localhost,127.0.0.1": { "setting": 2 } }),
        ThirdPartyCookies::Blocked | ThirdPartyCookies::Allowed => json!({}),
    };
    let value = json!({
        // Pages and answers of ours are never in doubt about it.
        "acceptInsecureCerts": false,
        "goog:loggingPrefs": { "browser": "ALL" },
        "goog:chromeOptions": {
            "args": arguments,
            "prefs": {
                // 0 allows, 1 blocks third-party cookies; set explicitly, since defaults differ by distribution.
                "profile.cookie_controls_mode": i32::from(blocked),
                "profile.block_third_party_cookies": blocked,
                "profile.content_settings.exceptions.cookies": exceptions,
                // 1 allows, 2 blocks.
                "profile.managed_default_content_settings.javascript": if options.script { 1 } else { 2 },
                "credentials_enable_service": false,
                "profile.password_manager_enabled": false,
            },
        },
    });
    match value {
        Value::Object(map) => map,
        _ => Capabilities::new(),
    }
}

/// A command that the library does not know.
#[derive(Debug)]
struct Raw {
    path: &'static str,
    body: Value,
}

impl fantoccini::wd::WebDriverCompatibleCommand for Raw {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_off_the_greeting() {
        assert_eq!(
            port_in("ChromeDriver was started successfully on port 41235."),
            Some(41235)
        );
        assert_eq!(port_in("Starting ChromeDriver 130.0 on port 0"), None);
        assert_eq!(port_in("Please protect ports used by ChromeDriver"), None);
    }

    #[test]
    fn quotes_survive_in_xpath() {
        assert_eq!(literal("Sign in"), "\"Sign in\"");
        assert_eq!(literal("say \"hi\""), "'say \"hi\"'");
        assert_eq!(
            literal("it's \"x\""),
            "concat(\"it's \", '\"', \"x\", '\"', \"\")"
        );
    }
}
