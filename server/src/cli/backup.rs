//! `tandem backup` and `tandem restore`, for SQLite. PostgreSQL has its own tools: see `docs/operate`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use secrecy::ExposeSecret as _;
use tandem_sync::ports::Clock as _;

use crate::app::App;
use crate::clock::SystemClock;
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(super) struct BackupArgs {
    /// Must not exist yet.
    file: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(super) struct RestoreArgs {
    /// What `tandem backup` wrote.
    file: PathBuf,
}

pub(super) async fn backup(config: Config, args: BackupArgs) -> anyhow::Result<ExitCode> {
    let key = config.master_key.clone();
    let app = App::connect(config).await?;
    let bytes = app.store.backup(&args.file).await?;
    println!("{}: {bytes} bytes", args.file.display());
    println!("It opens with the master key alone: keep a copy of {key} too, and not beside it.");
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn restore(config: Config, args: RestoreArgs) -> anyhow::Result<ExitCode> {
    let url = config.database.expose_secret();
    let Some(path) = url
        .strip_prefix("sqlite://")
        .or_else(|| url.strip_prefix("sqlite:"))
    else {
        bail!(tandem_store::BackupError::NotSqlite);
    };
    let stamp = SystemClock.now().micros() / 1_000_000;
    let kept = tandem_store::restore(Path::new(path), &args.file, &format!("before-{stamp}")).await?;
    println!("{path} is as {} says", args.file.display());
    if let Some(kept) = kept {
        println!("what stood there is kept as {}", kept.display());
    }
    println!("What has changed since is compared at the next session of each mailbox, not created again.");
    Ok(ExitCode::SUCCESS)
}
