//! The harness itself: a browser that blocks third-party cookies, in front of a page in a frame of another site.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName};
use axum::response::Html;
use axum::routing::get;
use fantoccini::key::Key;
use tandem_tests::browser::{Options, ThirdPartyCookies};
use tandem_tests::{Chrome, FrameHost};
use tokio::net::TcpListener;
use url::Url;

const PAGE: &str = r#"<!doctype html><html lang="en"><body>
<label for="login">Login</label><input id="login">
<label>Password <input type="password" aria-label="Password"></label>
<button onclick="document.getElementById('out').textContent = 'hello ' + document.getElementById('login').value">Greet</button>
<button hidden>Hidden</button>
<p id="out"></p><p id="cookies">COOKIES</p></body></html>"#;

/// Sets a plain cross-site cookie and a partitioned one, and shows which of them came back.
async fn page(headers: HeaderMap) -> ([(HeaderName, &'static str); 1], Html<String>) {
    let sent = headers
        .get(COOKIE)
        .and_then(|c| c.to_str().ok())
        .unwrap_or("none");
    let html = PAGE.replace("COOKIES", &format!("cookies: {sent}"));
    (
        [(
            SET_COOKIE,
            "__Host-part=1; Path=/; Secure; HttpOnly; SameSite=None; Partitioned",
        )],
        Html(html),
    )
}

async fn plain() -> ([(HeaderName, &'static str); 1], Html<String>) {
    (
        [(
            SET_COOKIE,
            "__Host-plain=1; Path=/; Secure; HttpOnly; SameSite=None",
        )],
        Html("<body>plain</body>".into()),
    )
}

async fn serve() -> Result<Url> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = Url::parse(&format!("http://localhost:{}/", listener.local_addr()?.port()))?;
    let router = Router::new().route("/", get(page)).route("/plain", get(plain));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

/// What the second visit's request brought along, in a frame of another site.
async fn cookies_in_the_frame(cookies: ThirdPartyCookies) -> Result<String> {
    let pane = serve().await?;
    let host = FrameHost::start().await?;
    let chrome = Chrome::start(Options {
        cookies,
        ..Options::default()
    })
    .await?;
    for visit in [pane.join("plain")?, pane.clone(), pane.clone()] {
        chrome.goto(&host.page(&visit, 320)).await?;
        chrome.enter_pane().await?;
        chrome.css("body").await?;
    }
    let shown = chrome.css("#cookies").await?.text().await?;
    chrome.close().await?;
    Ok(shown)
}

#[tokio::test]
async fn browser_blocks_all_but_partitioned_cookies() -> Result<()> {
    assert_eq!(
        cookies_in_the_frame(ThirdPartyCookies::Blocked).await?,
        "cookies: __Host-part=1"
    );
    Ok(())
}

#[tokio::test]
async fn browser_sends_all_cookies_where_it_may() -> Result<()> {
    let shown = cookies_in_the_frame(ThirdPartyCookies::Allowed).await?;
    assert!(
        shown.contains("__Host-part=1") && shown.contains("__Host-plain=1"),
        "{shown}"
    );
    Ok(())
}

#[tokio::test]
async fn browser_finds_things_by_the_names_that_people_read() -> Result<()> {
    let pane = serve().await?;
    let host = FrameHost::start().await?;
    let chrome = Chrome::start(Options::default()).await?;
    chrome.goto(&host.page(&pane, 320)).await?;
    chrome.enter_pane().await?;
    chrome.fill("Login", "Žofie").await?;
    assert_eq!(chrome.focused().await?, "Login");
    chrome.key(Key::Tab).await?;
    assert_eq!(chrome.focused().await?, "Password");
    chrome.press("Greet").await?;
    chrome.sees("hello Žofie").await?;
    chrome.leave_frames().await?;
    assert_eq!(chrome.client.title().await?, "Mail");
    let picture = chrome.screenshot("harness").await?;
    assert!(
        std::fs::read(&picture)?.starts_with(b"\x89PNG"),
        "no picture at {}",
        picture.display()
    );
    chrome.close().await
}

#[tokio::test]
async fn browser_can_be_dark() -> Result<()> {
    let pane = serve().await?;
    for dark in [true, false] {
        let chrome = Chrome::start(Options {
            dark,
            ..Options::default()
        })
        .await?;
        chrome.goto(&pane).await?;
        let script = "return matchMedia('(prefers-color-scheme: dark)').matches";
        assert_eq!(chrome.client.execute(script, vec![]).await?, dark);
        chrome.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn browser_says_what_it_saw_instead() -> Result<()> {
    let pane = serve().await?;
    let mut chrome = Chrome::start(Options::default()).await?;
    chrome.patience = Duration::from_millis(500);
    chrome.goto(&pane).await?;
    let error = chrome.named("Hidden").await.unwrap_err().to_string();
    assert!(
        error.contains("something to press called \"Hidden\"") && error.contains("Greet"),
        "{error}"
    );
    chrome.close().await
}

#[tokio::test]
async fn browser_ends_with_its_driver() -> Result<()> {
    let chrome = Chrome::start(Options::default()).await?;
    let browser = chrome.process_id().context("chromedriver names no process")?;
    assert!(runs(browser), "the browser {browser} does not run");
    // As after a panic: nobody closed anything.
    drop(chrome);
    let gone = async {
        let mut every = tokio::time::interval(Duration::from_millis(50));
        while runs(browser) {
            every.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), gone)
        .await
        .context("the browser outlived its driver")
}

/// Whether a process is there and no zombie.
fn runs(id: u64) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| {
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| !rest.trim_start().starts_with('Z'))
    })
}
