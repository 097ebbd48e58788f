//! Several servers on one PostgreSQL: they share the database and the master key, and nothing else.

use anyhow::Result;

use crate::server::Options;
use crate::{SandboxProc, Tandem};

/// One more, that is not started yet. `first` has been, so that there is a key.
pub fn beside(first: &Tandem, sandbox: &SandboxProc, options: &Options) -> Result<Tandem> {
    let key = first.folder().join("tandem.key");
    let mut options = options.clone();
    options
        .variables
        .push(("TANDEM_MASTER_KEY_FILE".into(), key.display().to_string()));
    Tandem::prepare(sandbox, &options)
}
