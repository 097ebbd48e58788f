//! A person who uses the pane, without a browser: the same requests, in the same order.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Value, json};
use url::Url;
use url::form_urlencoded::Serializer;

use crate::http::{Answer, Body, call_with};
use crate::sandbox::{SandboxProc, User};
use crate::server::Tandem;

/// How long a state may take to come.
const PATIENCE: Duration = Duration::from_mins(1);

/// A signed-in pane.
#[derive(Debug)]
pub struct Person {
    pub user: User,
    base: Url,
    /// What a script sends: the frame's cookie may not arrive.
    pub bearer: String,
    /// The session's cookie, `NAME=VALUE`: what a browser keeps beside the bearer.
    pub cookie: String,
}

impl Person {
    /// Signs in with Salesforce, in a window of their own, and hands the session over to the pane.
    pub async fn sign_in(tandem: &Tandem, sandbox: &SandboxProc, user: &User) -> Result<Self> {
        let nonce = format!(
            "{:064x}",
            u128::from(std::process::id()) << 64 | u128::from(user.name.len() as u64)
        );
        let mut window = Window::default();
        Self::sign_in_by(&mut window, tandem, sandbox, user, &nonce).await
    }

    /// As [`Person::sign_in`], from an address of their own, where the server believes it (`trusted_proxies`).
    pub async fn sign_in_from(
        address: Ipv4Addr,
        tandem: &Tandem,
        sandbox: &SandboxProc,
        user: &User,
    ) -> Result<Self> {
        let mut window = Window {
            address: Some(address.to_string()),
            ..Window::default()
        };
        let nonce = format!("{:064x}", address.to_bits());
        Self::sign_in_by(&mut window, tandem, sandbox, user, &nonce).await
    }

    async fn sign_in_by(
        window: &mut Window,
        tandem: &Tandem,
        sandbox: &SandboxProc,
        user: &User,
        nonce: &str,
    ) -> Result<Self> {
        let start = Window::start(tandem, nonce)?;
        match window.walk(start, sandbox, user, |_| false).await? {
            Walked::Page(answer) => {
                let page = answer.text();
                let code = code_of(&page).with_context(|| format!("the sign-in window shows: {page}"))?;
                Self::hand_over(tandem, user, code, nonce, window.address.as_deref()).await
            }
            Walked::Stopped(at) => anyhow::bail!("stopped at {at}"),
        }
    }

    async fn hand_over(
        tandem: &Tandem,
        user: &User,
        code: &str,
        nonce: &str,
        address: Option<&str>,
    ) -> Result<Self> {
        let url = tandem.url.join("api/handover")?;
        let body = json!({ "code": code, "nonce": nonce }).to_string();
        let origin = tandem.url.origin().ascii_serialization();
        let headers = [
            ("origin", origin.as_str()),
            ("sec-fetch-site", "same-origin"),
            ("tandem-request", "1"),
            ("x-forwarded-for", address.unwrap_or("127.0.0.1")),
        ];
        let answer = call_with(Method::POST, &url, &headers, Body::Json(body)).await?;
        ensure!(
            answer.status.is_success(),
            "hand-over: {} {}",
            answer.status,
            answer.text()
        );
        let bearer = answer.json()?["bearer"].as_str().context("no bearer")?.to_owned();
        let cookie = answer
            .headers
            .get(header::SET_COOKIE)
            .context("no cookie")?
            .to_str()?;
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Ok(Self {
            user: user.clone(),
            base: tandem.url.clone(),
            bearer,
            cookie,
        })
    }

    /// Connects the organisation's integration user, as its administrator does on the organisation's page.
    ///
    /// # Errors
    /// The sign-in does not come back to that page.
    pub async fn connect_integration(
        &self,
        tandem: &Tandem,
        sandbox: &SandboxProc,
        user: &User,
    ) -> Result<()> {
        let mut window = Window::with_cookie(&tandem.url, &self.cookie)?;
        let start = tandem.url.join("auth/start?to=organisation&as=integration")?;
        let stop = |at: &Url| at.path() == "/settings/organisation";
        match window.walk(start, sandbox, user, stop).await? {
            Walked::Stopped(_) => Ok(()),
            Walked::Page(answer) => anyhow::bail!("the sign-in window shows: {}", answer.text()),
        }
    }

    /// The same session, at another replica.
    pub fn at(&self, replica: &Tandem) -> Self {
        Self {
            user: self.user.clone(),
            base: replica.url.clone(),
            bearer: self.bearer.clone(),
            cookie: self.cookie.clone(),
        }
    }

    /// Calls a server function with the fields of a form; any status is an answer.
    pub async fn call(&self, function: &str, fields: &[(&str, &str)]) -> Result<Answer> {
        let url = self.base.join(&format!("api/{function}"))?;
        let form = Serializer::new(String::new()).extend_pairs(fields).finish();
        let origin = self.base.origin().ascii_serialization();
        let bearer = format!("Bearer {}", self.bearer);
        let headers = [
            ("origin", origin.as_str()),
            ("sec-fetch-site", "same-origin"),
            ("tandem-request", "1"),
            ("accept", "application/json"),
            ("authorization", bearer.as_str()),
        ];
        call_with(Method::POST, &url, &headers, Body::Form(form)).await
    }

    /// A server function, as a page of its own calls it: with the cookie.
    ///
    /// # Errors
    /// Nobody answers.
    pub async fn call_by_page(&self, function: &str, fields: &[(&str, &str)]) -> Result<Answer> {
        let url = self.base.join(&format!("api/{function}"))?;
        let form = Serializer::new(String::new()).extend_pairs(fields).finish();
        let origin = self.base.origin().ascii_serialization();
        let headers = [
            ("origin", origin.as_str()),
            ("sec-fetch-site", "same-origin"),
            ("tandem-request", "1"),
            ("accept", "application/json"),
            ("cookie", self.cookie.as_str()),
        ];
        call_with(Method::POST, &url, &headers, Body::Form(form)).await
    }

    /// A page, by the session's cookie.
    ///
    /// # Errors
    /// Nobody answers.
    pub async fn page(&self, path: &str) -> Result<Answer> {
        let headers = [("cookie", self.cookie.as_str()), ("accept", "text/html")];
        call_with(Method::GET, &self.base.join(path)?, &headers, Body::None).await
    }

    /// As [`Person::call`]; the JSON of a good answer.
    pub async fn order(&self, function: &str, fields: &[(&str, &str)]) -> Result<Value> {
        let answer = self.call(function, fields).await?;
        ensure!(
            answer.status == StatusCode::OK,
            "{function}: {} {}",
            answer.status,
            answer.text()
        );
        answer.json()
    }

    /// What the pane shows.
    pub async fn view(&self) -> Result<Value> {
        self.order("pane", &[]).await
    }

    /// The connection's part of it.
    pub async fn connection(&self) -> Result<Value> {
        Ok(self.view().await?["connection"].take())
    }

    /// The id that the command line wants.
    pub async fn connection_id(&self) -> Result<String> {
        Ok(self.connection().await?["id"]
            .as_str()
            .context("no connection")?
            .to_owned())
    }

    /// *Connect to Exchange*.
    pub async fn connect(&self, password: &str, ews_url: &str) -> Result<Answer> {
        self.call(
            "connect_exchange",
            &[
                ("login", &self.user.exchange_login),
                ("password", password),
                ("ews_url", ews_url),
            ],
        )
        .await
    }

    /// Connects with the right password, found by Autodiscover.
    pub async fn connect_well(&self) -> Result<()> {
        let answer = self.connect(&self.user.exchange_password, "").await?;
        ensure!(
            answer.status == StatusCode::OK,
            "connect: {} {}",
            answer.status,
            answer.text()
        );
        Ok(())
    }

    /// Waits until the connection is as wanted; fails with how it is instead.
    pub async fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut last = Value::Null;
        let look = async {
            let mut every = tokio::time::interval(Duration::from_millis(100));
            loop {
                every.tick().await;
                last = self.connection().await?;
                if wanted(&last) {
                    return Ok(last.clone());
                }
            }
        };
        match tokio::time::timeout(PATIENCE, look).await {
            Ok(found) => found,
            Err(_) => anyhow::bail!("waited in vain for {what}; it is {last:#}"),
        }
    }

    /// Lets the first round through, whether or not it waits, and waits for its end.
    pub async fn first_sync(&self) -> Result<Value> {
        self.until("the preview", |c| !c["preview"].is_null()).await?;
        self.order("release", &[]).await?;
        self.until("the end of the first sync", |c| {
            c["preview"].is_null() && c["progress"].is_null() && c["sessions"][0]["outcome"] == "done"
        })
        .await
    }
}

/// The one-time code on the window's last page; `None` where the page says something else.
pub fn code_of(page: &str) -> Option<&str> {
    between(page, "<meta name=\"tandem-code\" content=\"", "\"")
}

/// How far a sign-in window came.
#[derive(Debug)]
pub enum Walked {
    /// A page without a form to sign in with: the last one.
    Page(Answer),
    /// It was to stop before it went there.
    Stopped(Url),
}

/// A browser window that keeps cookies, for one sign-in.
#[derive(Debug, Default)]
pub struct Window {
    cookies: Vec<(String, String, String)>,
    /// What a proxy would say of where it stands.
    address: Option<String>,
}

impl Window {
    /// One that has a cookie of the site already, `NAME=VALUE`.
    ///
    /// # Errors
    /// It is no cookie.
    pub fn with_cookie(site: &Url, cookie: &str) -> Result<Self> {
        let (name, value) = cookie.split_once('=').context("no cookie")?;
        let site = site.origin().ascii_serialization();
        Ok(Self {
            cookies: vec![(site, name.to_owned(), value.to_owned())],
            ..Self::default()
        })
    }

    /// Where a pane that made this nonce opens its window.
    pub fn start(tandem: &Tandem, nonce: &str) -> Result<Url> {
        let mut start = tandem.url.join("auth/start")?;
        start
            .query_pairs_mut()
            .append_pair("challenge", &sha256_hex(nonce.as_bytes()));
        Ok(start)
    }

    /// Follows redirects and signs in at Salesforce's page wherever that comes, until the last page, or until it
    /// would go to an address that `stop` takes.
    pub async fn walk(
        &mut self,
        start: Url,
        sandbox: &SandboxProc,
        user: &User,
        stop: impl Fn(&Url) -> bool,
    ) -> Result<Walked> {
        let mut at = start;
        let mut answer = self.get(&at).await?;
        // Salesforce's page, at most two rounds (who is it; then the grant for the sync), then the last page.
        for _ in 0..8 {
            if let Some(location) = answer.headers.get(header::LOCATION) {
                at = at.join(location.to_str()?)?;
                if stop(&at) {
                    return Ok(Walked::Stopped(at));
                }
                answer = self.get(&at).await?;
                continue;
            }
            let page = answer.text();
            if !page.contains("name=\"password\"") {
                return Ok(Walked::Page(answer));
            }
            let mut form = Serializer::new(String::new());
            for part in page.split("<input type=\"hidden\" name=\"").skip(1) {
                let name = unescape(part.split('"').next().unwrap_or_default());
                let value = unescape(between(part, "value=\"", "\"").unwrap_or_default());
                form.append_pair(&name, &value);
            }
            form.append_pair("username", &user.salesforce_username);
            form.append_pair("password", &user.salesforce_password);
            at = Url::parse(&sandbox.info.salesforce.http)?.join("/services/oauth2/authorize")?;
            answer = self.post(&at, form.finish()).await?;
        }
        anyhow::bail!("the sign-in goes round in circles at {at}")
    }

    /// Asks for a page, with the cookies of its site.
    pub async fn get(&mut self, url: &Url) -> Result<Answer> {
        self.send(Method::GET, url, Body::None).await
    }

    /// Sends a form, with the cookies of its site.
    pub async fn post(&mut self, url: &Url, form: String) -> Result<Answer> {
        self.send(Method::POST, url, Body::Form(form)).await
    }

    async fn send(&mut self, method: Method, url: &Url, body: Body) -> Result<Answer> {
        let site = url.origin().ascii_serialization();
        let cookie: Vec<String> = self
            .cookies
            .iter()
            .filter(|(s, ..)| *s == site)
            .map(|(_, n, v)| format!("{n}={v}"))
            .collect();
        let cookie = cookie.join("; ");
        let mut headers = Vec::new();
        if !cookie.is_empty() {
            headers.push(("cookie", cookie.as_str()));
        }
        if let Some(address) = &self.address {
            headers.push(("x-forwarded-for", address.as_str()));
        }
        let answer = call_with(method, url, &headers, body).await?;
        self.keep(&site, &answer.headers);
        Ok(answer)
    }

    fn keep(&mut self, site: &str, headers: &HeaderMap) {
        for value in headers.get_all(header::SET_COOKIE) {
            let pair = value
                .to_str()
                .unwrap_or_default()
                .split(';')
                .next()
                .unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.retain(|(s, n, _)| s != site || n != name);
                self.cookies
                    .push((site.to_owned(), name.to_owned(), value.to_owned()));
            }
        }
    }
}

pub(crate) fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    text.split_once(before)?
        .1
        .split_once(after)
        .map(|(found, _)| found)
}

pub(crate) fn unescape(text: &str) -> String {
    text.replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    use sha2::Digest as _;
    let mut text = String::new();
    for byte in sha2::Sha256::digest(bytes) {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
