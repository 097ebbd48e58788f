//! Where the log goes, and in which shape.

use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// `filter`: as of [`EnvFilter`]; one that cannot be read is `info`.
pub(super) fn to_stderr(filter: &str, format: LogFormat) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        // A file or a collector would keep the colours as rubbish between the words.
        .with_ansi(stderr().is_terminal());
    // A second subscriber in one process (tests) is no fault.
    let _ = match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
}
