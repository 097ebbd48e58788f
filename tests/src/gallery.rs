//! Every state of the pane, shown by the app's own example.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tandem_types::{ItemKind, OpenAttachment, OpenItem, OpenMode, OpenPerson, PersonRole};
use tempfile::TempDir;
use tokio::process::Command;
use url::Url;

use crate::browser::Chrome;
use crate::places;
use crate::process::Process;

/// The running example. Dropping it ends it.
#[derive(Debug)]
pub struct Gallery {
    /// Its list of pages.
    pub url: Url,
    _process: Process,
    _folder: TempDir,
}

impl Gallery {
    /// Starts it on a port of its choice.
    ///
    /// # Errors
    /// It is not built, or does not say where it is.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(places::gallery()?);
        command.arg("0").arg(places::site()?);
        // It serves the files beside the app as well.
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
        let mut process = Process::start("gallery", command, folder.path(), true)?;
        let url = process
            .first_line(Duration::from_secs(30), |line| Url::parse(line.trim()).ok())
            .await?;
        Ok(Self {
            url,
            _process: process,
            _folder: folder,
        })
    }

    /// The paths of all its pages.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn pages(&self) -> Result<Vec<String>> {
        let list = crate::http::get(&self.url).await?;
        let text = list.text();
        let paths: Vec<String> = text
            .split("href=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .map(|path| path.replace("&amp;", "&"))
            .collect();
        anyhow::ensure!(paths.len() > 20, "the gallery is empty: {text}");
        Ok(paths)
    }

    /// Shows an open item in the page that `chrome` has open, as the pane's script would, but without an Outlook around.
    ///
    /// # Errors
    /// The page is none of the gallery's.
    pub async fn show_item(&self, chrome: &Chrome, item: &OpenItem, lang: &str) -> Result<()> {
        let script = "const [item, lang, done] = arguments; fetch('/api/item_whole', { method: 'POST', \
             headers: { 'tandem-page': 'pane', 'accept-language': lang, \
                 'content-type': 'application/x-www-form-urlencoded' }, \
             body: new URLSearchParams({ item }).toString() }).then((r) => r.text()).then((html) => { \
             document.getElementById('tandem').innerHTML = html; done(html.length) })";
        let item = serde_json::to_string(item)?;
        chrome
            .client
            .execute_async(script, vec![item.into(), lang.into()])
            .await?;
        chrome.css("#item").await.map(drop)
    }

    /// The address of one of its pages.
    ///
    /// # Errors
    /// It is no path.
    pub fn page(&self, path: &str) -> Result<Url> {
        self.url.join(path).with_context(|| format!("{path} is no path"))
    }
}

/// A mail that is read, as Office.js tells of it.
#[must_use]
pub fn mail() -> OpenItem {
    let person = |address: &str, name: &str, role| OpenPerson {
        address: address.to_owned(),
        name: name.to_owned(),
        role,
    };
    OpenItem {
        kind: ItemKind::Email,
        mode: OpenMode::Read,
        id: Some("AAMkAD=".to_owned()),
        rest_id: None,
        message_id: Some("<1@northwind.example>".to_owned()),
        conversation: None,
        mailbox: "nina@contoso.example".to_owned(),
        owner: None,
        subject: "Angebot für die Donaudampfschifffahrtsgesellschaft 2027".to_owned(),
        people: vec![
            person("ada@northwind.example", "Ada Lind", PersonRole::From),
            person("bo@fabrikam.example", "Bo Ek", PersonRole::Cc),
        ],
        start: None,
        end: None,
        series: false,
        marked: false,
        attachments: vec![OpenAttachment {
            id: "file-1".to_owned(),
            name: "Angebot_Donaudampfschifffahrt_endgültig_2.pdf".to_owned(),
            size: 48_213,
            inline: false,
        }],
        text: None,
    }
}
