//! Microsoft's window, without a browser: the same pages and forms, in the same order.

use anyhow::{Context as _, Result, ensure};
use http::{StatusCode, header};
use serde_json::Value;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::http::Answer;
use crate::person::{Person, Walked, Window, between, code_of, sha256_hex, unescape};
use crate::sandbox::SandboxProc;
use crate::server::Tandem;

/// What the user does in the window.
#[derive(Clone, Debug)]
pub struct Answers {
    pub username: String,
    pub password: String,
    /// Accepts what the consent page asks for.
    pub agrees: bool,
}

impl Answers {
    /// Signs in and agrees.
    pub fn of(person: &Person) -> Self {
        Self {
            username: person.user.microsoft_username.clone(),
            password: person.user.microsoft_password.clone(),
            agrees: true,
        }
    }
}

/// Where a pane that made this nonce opens the window.
pub fn start(tandem: &Tandem, nonce: &str) -> Result<Url> {
    let mut start = tandem.url.join("auth/microsoft/start")?;
    start
        .query_pairs_mut()
        .append_pair("n", &sha256_hex(nonce.as_bytes()));
    Ok(start)
}

/// Follows redirects and answers Microsoft's pages, until the last page, or until it would go to an address that `stop`
/// takes.
pub async fn walk(
    window: &mut Window,
    start: Url,
    answers: &Answers,
    stop: impl Fn(&Url) -> bool,
) -> Result<Walked> {
    let mut at = start;
    let mut answer = window.get(&at).await?;
    for _ in 0..12 {
        if let Some(location) = answer.headers.get(header::LOCATION) {
            at = at.join(location.to_str()?)?;
            if stop(&at) {
                return Ok(Walked::Stopped(at));
            }
            answer = window.get(&at).await?;
            continue;
        }
        let page = answer.text();
        let Some((action, form)) = filled(&page, answers) else {
            return Ok(Walked::Page(answer));
        };
        at = at.join(&action)?;
        answer = window.post(&at, form).await?;
    }
    anyhow::bail!("the sign-in goes round in circles at {at}")
}

/// The form of one of Microsoft's pages as the user sends it; `None`: there is none to send.
fn filled(page: &str, answers: &Answers) -> Option<(String, String)> {
    let action = unescape(between(page, "<form method=\"post\" action=\"", "\"")?);
    let context = unescape(between(page, "name=\"ctx\" value=\"", "\"")?);
    let mut form = Serializer::new(String::new());
    form.append_pair("ctx", &context);
    if page.contains("name=\"loginfmt\"") {
        form.append_pair("loginfmt", &answers.username);
        form.append_pair("passwd", &answers.password);
    } else if page.contains("id=\"otherTile\"") {
        form.append_pair("other", "1");
    } else if page.contains("id=\"adminSignIn\"") {
        form.append_pair("ucaccept", "Return");
    } else if page.contains("id=\"idBtn_Back\"") {
        form.append_pair("ucaccept", if answers.agrees { "Yes" } else { "No" });
    } else if !page.contains("SAS/ProcessAuth") {
        return None;
    }
    Some((action, form.finish()))
}

/// A pane's nonce: 32 bytes, hexadecimal.
pub fn nonce(n: u64) -> String {
    format!("{n:064x}")
}

/// Goes through the whole window; its last page.
pub async fn last_page(tandem: &Tandem, nonce: &str, answers: &Answers) -> Result<Answer> {
    match walk(&mut Window::default(), start(tandem, nonce)?, answers, |_| false).await? {
        Walked::Page(answer) => Ok(answer),
        Walked::Stopped(at) => anyhow::bail!("stopped at {at}"),
    }
}

/// Goes through the window, and answers the code that it hands over.
pub async fn code(tandem: &Tandem, nonce: &str, answers: &Answers) -> Result<String> {
    let page = last_page(tandem, nonce, answers).await?.text();
    let code = code_of(&page).with_context(|| format!("the window shows: {page}"))?;
    Ok(code.to_owned())
}

impl Person {
    /// Hands a window's code to the server; any status is an answer.
    pub async fn hand_office(&self, code: &str, nonce: &str, more: &[(&str, &str)]) -> Result<Answer> {
        let fields = [&[("code", code), ("nonce", nonce)], more].concat();
        self.call("connect_office", &fields).await
    }

    /// *Connect to Office 365*, with everything that the window asks for.
    pub async fn connect_office(&self, tandem: &Tandem) -> Result<Value> {
        let nonce = nonce(u64::from(std::process::id()));
        let code = code(tandem, &nonce, &Answers::of(self)).await?;
        let answer = self.hand_office(&code, &nonce, &[]).await?;
        ensure!(
            answer.status == StatusCode::OK,
            "connect: {} {}",
            answer.status,
            answer.text()
        );
        let mut said = answer.json()?;
        ensure!(!said["connected"].is_null(), "not connected: {said}");
        Ok(said["connected"].take())
    }
}

/// Every token that Microsoft's sign-in has ever issued, codes and sessions too.
pub async fn issued(sandbox: &SandboxProc) -> Result<Vec<String>> {
    let all = sandbox.get("/microsoft/tokens").await?;
    let all = all.as_array().context("no list")?;
    all.iter()
        .map(|one| Ok(one["value"].as_str().context("no value")?.to_owned()))
        .collect()
}
