//! axe-core finds nothing in any state of any page, light, dark, or in forced colours; and nothing is wider than the
//! sidebar, in either language.

use anyhow::Result;
use serde_json::Value;
use tandem_tests::Chrome;
use tandem_tests::axe::{Axe, Look};
use tandem_tests::browser::Options;
use tandem_tests::gallery::{Gallery, mail};
use url::Url;

/// The narrowest sidebar, in CSS pixels.
const NARROW: u32 = 320;

const LIGHT: &[(&str, &str)] = &[("prefers-color-scheme", "light"), ("forced-colors", "none")];
const DARK: &[(&str, &str)] = &[("prefers-color-scheme", "dark"), ("forced-colors", "none")];
const FORCED: &[(&str, &str)] = &[("prefers-color-scheme", "dark"), ("forced-colors", "active")];

/// Opens a page and waits until its script has taken it over.
async fn open(chrome: &Chrome, url: &Url) -> Result<()> {
    chrome.goto(url).await?;
    if !url.path().starts_with("/help") {
        chrome.css("html[data-hydrated]").await?;
    }
    Ok(())
}

/// Opens what stands behind a click without leaving the page.
async fn unfold(chrome: &Chrome) -> Result<()> {
    let script = "for (const part of document.querySelectorAll('details')) part.open = true";
    chrome.client.execute(script, vec![]).await?;
    Ok(())
}

async fn width(chrome: &Chrome) -> Result<u64> {
    let script = "return Math.ceil(document.scrollingElement.scrollWidth)";
    Ok(chrome
        .client
        .execute(script, vec![])
        .await?
        .as_u64()
        .unwrap_or(u64::MAX))
}

/// What reaches over the page's edge.
async fn too_wide(chrome: &Chrome) -> Result<Value> {
    let script = "return [...document.querySelectorAll('body *')] \
         .filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1) \
         .map((e) => e.tagName + '.' + e.className + ': ' + e.textContent.slice(0, 40)).slice(0, 5)";
    Ok(chrome.client.execute(script, vec![]).await?)
}

async fn narrow_browser() -> Result<Chrome> {
    let chrome = Chrome::start(Options::default()).await?;
    chrome.resize(NARROW, 900).await?;
    Ok(chrome)
}

#[tokio::test]
async fn axe_finds_nothing_in_any_state() -> Result<()> {
    let axe = Axe::load()?;
    let gallery = Gallery::start().await?;
    let chrome = narrow_browser().await?;
    let mut faults = Vec::new();
    for path in gallery.pages().await? {
        let url = gallery.page(&path)?;
        chrome.emulate(LIGHT).await?;
        open(&chrome, &url).await?;
        let mut found = |how: &str, some: Vec<String>| {
            faults.extend(some.into_iter().map(|fault| format!("{path}, {how}: {fault}")));
        };
        found("light", axe.faults(&chrome, Look::All).await?);
        for (name, media) in [("dark", DARK), ("forced colours", FORCED)] {
            chrome.emulate(media).await?;
            found(name, axe.faults(&chrome, Look::Colours).await?);
        }
        unfold(&chrome).await?;
        chrome.emulate(LIGHT).await?;
        found("unfolded", axe.faults(&chrome, Look::All).await?);
    }
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
    chrome.close().await
}

#[tokio::test]
async fn axe_finds_nothing_beside_an_open_mail() -> Result<()> {
    let axe = Axe::load()?;
    let gallery = Gallery::start().await?;
    let chrome = narrow_browser().await?;
    let mut faults = Vec::new();
    for lang in ["en", "de"] {
        let mut url = gallery.page("/state/in-step")?;
        url.query_pairs_mut().append_pair("lang", lang);
        open(&chrome, &url).await?;
        gallery.show_item(&chrome, &mail(), lang).await?;
        unfold(&chrome).await?;
        for (name, media, look) in [
            ("light", LIGHT, Look::All),
            ("dark", DARK, Look::Colours),
            ("forced colours", FORCED, Look::Colours),
        ] {
            chrome.emulate(media).await?;
            let found = axe.faults(&chrome, look).await?;
            faults.extend(found.into_iter().map(|fault| format!("{lang}, {name}: {fault}")));
        }
        chrome.emulate(LIGHT).await?;
        chrome.screenshot(&format!("narrow-item-{lang}")).await?;
        let width = width(&chrome).await?;
        if width > u64::from(NARROW) {
            faults.push(format!("{lang}: {width} px: {}", too_wide(&chrome).await?));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    chrome.close().await
}

#[tokio::test]
async fn axe_finds_what_is_wrong() -> Result<()> {
    let axe = Axe::load()?;
    let gallery = Gallery::start().await?;
    let chrome = narrow_browser().await?;
    open(&chrome, &gallery.page("/state/in-step")?).await?;
    let script = "document.querySelector('main').insertAdjacentHTML('beforeend', \
         '<p><button></button></p><p id=\"pale\">pale</p>'); \
         Object.assign(document.getElementById('pale').style, { color: '#ccc', background: '#fff' })";
    chrome.client.execute(script, vec![]).await?;
    let faults = axe.faults(&chrome, Look::All).await?;
    for rule in ["button-name", "color-contrast"] {
        assert!(faults.iter().any(|fault| fault.starts_with(rule)), "{faults:?}");
    }
    chrome.close().await
}

#[tokio::test]
async fn nothing_is_wider_than_the_sidebar_in_either_language() -> Result<()> {
    let gallery = Gallery::start().await?;
    let chrome = narrow_browser().await?;
    let mut faults = Vec::new();
    for path in gallery.pages().await? {
        for lang in ["en", "de"] {
            let mut url = gallery.page(&path)?;
            url.query_pairs_mut().append_pair("lang", lang);
            open(&chrome, &url).await?;
            unfold(&chrome).await?;
            let width = width(&chrome).await?;
            if width > u64::from(NARROW) {
                faults.push(format!(
                    "{path} in {lang}: {width} px: {}",
                    too_wide(&chrome).await?
                ));
            }
            if ["/state/preview", "/state/issues", "/state/first-start", "/help"].contains(&path.as_str()) {
                let name = path.trim_start_matches('/').replace('/', "-");
                chrome.screenshot(&format!("narrow-{name}-{lang}")).await?;
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    chrome.close().await
}
