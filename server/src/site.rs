//! Where the web files are: in the folder that is configured, or inside the binary (feature `site`).

use std::path::{Path, PathBuf};

/// Where a build of the workspace leaves them.
#[cfg(not(feature = "site"))]
const BUILT: &str = "target/site";

/// The folder that is served, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Site {
    root: PathBuf,
    #[cfg(feature = "site")]
    _unpacked: Option<tempfile::TempDir>,
}

impl Site {
    /// `configured`: `site_root`, which wins over what is inside.
    ///
    /// # Errors
    /// What is inside cannot be unpacked to the folder for temporary files.
    pub(crate) fn find(configured: Option<&Path>) -> std::io::Result<Self> {
        match configured {
            Some(root) => Ok(Self::folder(root)),
            None => Self::without_configuration(),
        }
    }

    fn folder(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            #[cfg(feature = "site")]
            _unpacked: None,
        }
    }

    #[cfg(not(feature = "site"))]
    #[expect(clippy::unnecessary_wraps, reason = "with the files inside it can fail")]
    fn without_configuration() -> std::io::Result<Self> {
        Ok(Self::folder(Path::new(BUILT)))
    }

    /// A folder of this process's own: a binary of another version may be running beside it.
    #[cfg(feature = "site")]
    fn without_configuration() -> std::io::Result<Self> {
        let unpacked = tempfile::Builder::new().prefix("tandem-site-").tempdir()?;
        for name in inside::Files::iter() {
            let Some(file) = inside::Files::get(&name) else {
                continue;
            };
            let path = unpacked.path().join(name.as_ref());
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(path, file.data)?;
        }
        Ok(Self {
            root: unpacked.path().to_owned(),
            _unpacked: Some(unpacked),
        })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether a built pane is in it.
    pub(crate) fn is_built(&self) -> bool {
        self.root.join("hash.txt").exists()
    }
}

#[cfg(feature = "site")]
mod inside {
    /// What `cargo xtask web` has built; `cargo xtask dist` names the folder.
    #[derive(rust_embed::Embed)]
    #[folder = "$TANDEM_EMBED_SITE"]
    pub(super) struct Files;
}
