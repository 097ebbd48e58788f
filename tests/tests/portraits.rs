//! The eight states that people see most, as pictures in `target/screenshots`, light and dark; those in
//! `docs/screenshots` are copies that somebody has looked at.

use anyhow::{Result, ensure};
use serde_json::json;
use tandem_tests::Chrome;
use tandem_tests::browser::Options;
use tandem_tests::gallery::{Gallery, mail};
use tandem_types::OpenItem;

/// Outlook's narrowest, in CSS pixels.
const NARROW: u32 = 320;
/// The settings stand in a tab of their own.
const WIDE: u32 = 540;
/// Nobody's sidebar is higher.
const HEIGHTS: std::ops::RangeInclusive<u64> = 480..=840;

/// What is done before the picture is taken.
enum Before {
    Nothing,
    /// The kind of mailbox is chosen.
    Exchange,
    /// A mail is open in Outlook.
    Mail,
    /// And the links that it is saved with.
    Links,
}

const STATES: [(&str, &str, Before); 8] = [
    ("activation", "/state/cloud-first", Before::Exchange),
    ("open-item", "/state/in-step", Before::Mail),
    ("syncing", "/state/progress", Before::Nothing),
    ("paused", "/state/paused", Before::Nothing),
    ("needs-sign-in", "/state/refused-once", Before::Nothing),
    ("pick-a-match", "/state/choices", Before::Nothing),
    ("settings", "/state/in-step/settings", Before::Nothing),
    ("save", "/state/in-step", Before::Links),
];

/// With short words, as most mails have.
fn offer() -> OpenItem {
    let mut item = mail();
    "Offer for 2027".clone_into(&mut item.subject);
    for file in &mut item.attachments {
        "Offer 2027.pdf".clone_into(&mut file.name);
    }
    item
}

#[tokio::test]
async fn browser_portraits() -> Result<()> {
    let gallery = Gallery::start().await?;
    let chrome = Chrome::start(Options::default()).await?;
    let hidden = json!({ "hidden": true });
    chrome.devtools("Emulation.setScrollbarsHidden", hidden).await?;
    for theme in ["light", "dark"] {
        chrome.emulate(&[("prefers-color-scheme", theme)]).await?;
        for (name, path, before) in &STATES {
            let width = if path.contains("settings") { WIDE } else { NARROW };
            chrome.resize(width, 900).await?;
            chrome.goto(&gallery.page(path)?).await?;
            chrome.css("html[data-hydrated]").await?;
            match before {
                Before::Nothing => {}
                Before::Exchange => chrome.css("#kind-exchange").await?.click().await?,
                Before::Mail => gallery.show_item(&chrome, &offer(), "en").await?,
                Before::Links => {
                    gallery.show_item(&chrome, &offer(), "en").await?;
                    chrome.css("#save-links summary").await?.click().await?;
                }
            }
            let script = "const root = document.documentElement; \
                 const dialog = document.querySelector('dialog[open]'); \
                 return [root.scrollWidth - root.clientWidth, \
                     dialog ? dialog.scrollHeight + 26 : document.getElementById('main').scrollHeight + 60]";
            let (wide, height): (u64, u64) =
                serde_json::from_value(chrome.client.execute(script, vec![]).await?)?;
            ensure!(wide == 0, "{name} is {wide} px too wide");
            // The settings' charts stand under two cards.
            let most = if width == WIDE { 1000 } else { *HEIGHTS.end() };
            let height = height.clamp(*HEIGHTS.start(), most);
            chrome.resize(width, u32::try_from(height)?).await?;
            let path = chrome.screenshot(&format!("{name}-{theme}")).await?;
            let bytes = std::fs::metadata(&path)?.len();
            ensure!(
                (3_000..66_000).contains(&bytes),
                "{} has {bytes} bytes",
                path.display()
            );
        }
    }
    chrome.close().await
}
