//! Every state of the pane, shown by the app's own example.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tempfile::TempDir;
use tokio::process::Command;
use url::Url;

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
            .map(str::to_owned)
            .collect();
        anyhow::ensure!(paths.len() > 20, "the gallery is empty: {text}");
        Ok(paths)
    }

    /// The address of one of its pages.
    ///
    /// # Errors
    /// It is no path.
    pub fn page(&self, path: &str) -> Result<Url> {
        self.url.join(path).with_context(|| format!("{path} is no path"))
    }
}
