//! Keeps EWS messages as files, as they were sent, for validators that know the protocol's schemas.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;

/// Writes to a folder, or does nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorder(Option<Arc<PathBuf>>);

impl Recorder {
    /// Makes the folder.
    pub(crate) fn new(folder: Option<PathBuf>) -> anyhow::Result<Self> {
        if let Some(folder) = &folder {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        Ok(Self(folder.map(Arc::new)))
    }

    /// Whether messages of this service are kept: SOAP only.
    pub(crate) fn keeps(&self, service: &str) -> bool {
        self.0.is_some() && service == "exchange"
    }

    /// Keeps one body under the number of its request in the log; `part` is `request` or `response`.
    pub(crate) fn keep(&self, service: &str, n: u64, part: &str, body: &[u8]) {
        // A refusal before SOAP, such as 401, has no message in it.
        if !self.keeps(service) || body.is_empty() {
            return;
        }
        if let Some(folder) = &self.0 {
            let path = folder.join(format!("{n:06}.{part}.xml"));
            if let Err(error) = std::fs::write(&path, body) {
                tracing::warn!(path = %path.display(), %error, "a message cannot be kept");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_soap_is_kept_and_only_where_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder::new(Some(folder.path().join("made"))).unwrap();
        recorder.keep("exchange", 7, "request", b"<a/>");
        recorder.keep("exchange", 7, "response", b"");
        recorder.keep("salesforce", 8, "request", b"{}");
        let names: Vec<_> = std::fs::read_dir(folder.path().join("made"))
            .unwrap()
            .map(|f| f.unwrap().file_name())
            .collect();
        assert_eq!(names, ["000007.request.xml"]);
        Recorder::default().keep("exchange", 1, "request", b"<a/>");
    }
}
