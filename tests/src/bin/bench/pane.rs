//! What a pane costs: the server's share of its load, and how long a browser takes until the page listens.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use http::Method;
use serde_json::json;
use tandem_tests::browser::Options;
use tandem_tests::http::{Body, call_with};
use tandem_tests::stage::Stage;
use tandem_tests::{Chrome, Person};
use url::Url;

use crate::database::{Fresh, Kind};
use crate::{Figures, median, rounded};

/// Panes that are open at the same time.
const PANES: u32 = 100;
/// How often each is loaded, once a second.
const LOADS: u32 = 6;
/// Who loads it again and again, without a pause.
const EAGER: usize = 16;
const EAGER_LOADS: usize = 100;
/// How often a browser loads it.
const LOOKS: usize = 9;

pub(crate) async fn measure(kind: Kind, figures: &mut Figures) -> Result<()> {
    let fresh = Fresh::new(kind).await?;
    let arguments = ["--contacts", "20", "--mailbox-contacts", "5"];
    let stage = Stage::synced(&arguments, &fresh.options).await?;
    let url = &stage.tandem.url;
    // Drawn once before anything is measured.
    load_ms(url, &stage.nina).await?;
    let mut took = open_panes(url, &stage.nina).await?;
    took.sort_by(f64::total_cmp);
    figures.note("pane_load_p50_ms", kind, rounded(share(&took, 50)?));
    figures.note("pane_load_p99_ms", kind, rounded(share(&took, 99)?));
    figures.note(
        "pane_loads_per_s",
        kind,
        rounded(loads_per_s(url, &stage.nina).await?),
    );
    // The browser's part knows no database.
    if kind == Kind::Sqlite {
        let (usual, slow) = listens_ms(url, &stage.nina).await?;
        figures.note("pane_listens_ms", kind, rounded(usual));
        figures.note("pane_listens_6x_ms", kind, rounded(slow));
    }
    Ok(())
}

/// How long each of the loads took of panes that are loaded once a second each, evenly spread.
async fn open_panes(url: &Url, nina: &Person) -> Result<Vec<f64>> {
    let pane = |n: u32| async move {
        tokio::time::sleep(Duration::from_secs(1) * n / PANES).await;
        let mut every = tokio::time::interval(Duration::from_secs(1));
        let mut took = Vec::new();
        for _ in 0..LOADS {
            every.tick().await;
            took.push(load_ms(url, nina).await?);
        }
        anyhow::Ok(took)
    };
    Ok(try_join_all((0..PANES).map(pane)).await?.concat())
}

/// As many as the server gives, with this driver on the same processors.
async fn loads_per_s(url: &Url, nina: &Person) -> Result<f64> {
    let began = now();
    let eager = (0..EAGER).map(|_| async move {
        for _ in 0..EAGER_LOADS {
            load_ms(url, nina).await?;
        }
        anyhow::Ok(())
    });
    try_join_all(eager).await?;
    let loads = u32::try_from(EAGER * EAGER_LOADS)?;
    Ok(f64::from(loads) / began.elapsed().as_secs_f64())
}

/// From the connection to the page's last byte.
async fn load_ms(url: &Url, nina: &Person) -> Result<f64> {
    let began = now();
    let headers = [("cookie", nina.cookie.as_str())];
    let answer = call_with(Method::GET, url, &headers, Body::None).await?;
    let took = began.elapsed().as_secs_f64() * 1000.0;
    ensure!(
        answer.status.is_success() && answer.text().contains("id=\"sessions\""),
        "{} is no pane in step: {}",
        url,
        answer.status
    );
    Ok(took)
}

#[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
fn now() -> Instant {
    Instant::now()
}

/// So many per cent of the sorted values are not above it.
fn share(sorted: &[f64], percent: usize) -> Result<f64> {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().context("nothing was measured")
}

/// From the start of the navigation until the script has taken the page over and hears what is pressed: as the machine is,
/// and with its processor slowed down to a sixth. Files come from the browser's cache, as for whoever has had the pane before.
async fn listens_ms(url: &Url, nina: &Person) -> Result<(f64, f64)> {
    let chrome = Chrome::start(Options::default()).await?;
    chrome.goto(url).await?;
    let (name, value) = nina.cookie.split_once('=').context("no cookie")?;
    chrome.keep_cookie(name, value).await?;
    let source = "new MutationObserver((_, observer) => { \
         if (document.documentElement.hasAttribute('data-hydrated')) { \
         window.listens = performance.now(); observer.disconnect(); } \
         }).observe(document, { attributes: true, subtree: true, attributeFilter: ['data-hydrated'] })";
    let script = json!({ "source": source });
    chrome
        .devtools("Page.addScriptToEvaluateOnNewDocument", script)
        .await?;
    chrome.goto(url).await?;
    chrome.css("html[data-hydrated] #sessions").await?;
    let usual = looks(&chrome, url).await?;
    chrome
        .devtools("Emulation.setCPUThrottlingRate", json!({ "rate": 6 }))
        .await?;
    let slow = looks(&chrome, url).await?;
    chrome.close().await?;
    Ok((usual, slow))
}

async fn looks(chrome: &Chrome, url: &Url) -> Result<f64> {
    let mut took = Vec::new();
    for _ in 0..LOOKS {
        chrome.goto(url).await?;
        chrome.css("html[data-hydrated]").await?;
        let told = chrome.client.execute("return window.listens", vec![]).await?;
        took.push(told.as_f64().context("the page did not say when it listened")?);
    }
    median(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let sorted: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(share(&sorted, 50).ok(), Some(100.0));
        assert_eq!(share(&sorted, 99).ok(), Some(198.0));
        assert_eq!(share(&[7.0], 99).ok(), Some(7.0));
        assert!(share(&[], 99).is_err());
    }
}
