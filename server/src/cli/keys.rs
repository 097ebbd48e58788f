//! `tandem keys show|rotate`: another master key, while servers run.

use std::process::ExitCode;

use tandem_store::Rewrapped;

use crate::app::App;
use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Where the master key comes from, and how many data keys it wraps.
    Show,
    /// Wrap all data keys with a new master key. Nothing that is sealed or hashed changes, and running servers go on.
    ///
    /// The new key becomes the first line of the master key's file; the old one stays behind it until --drop-old. Where
    /// the key is no file, put the new one in front of the old one there, restart the servers, and use --only-rewrap.
    Rotate {
        /// Make no new key: wrap with the first one that there is.
        #[arg(long)]
        only_rewrap: bool,
        /// Take the old keys out of the file, once nothing is wrapped by them any more. Older backups of the database
        /// then need the older file.
        #[arg(long)]
        drop_old: bool,
    },
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<ExitCode> {
    let app = App::start(config).await?;
    match command {
        Command::Show => show(&app).await,
        Command::Rotate {
            only_rewrap,
            drop_old,
        } => rotate(&app, only_rewrap, drop_old).await,
    }
}

async fn show(app: &App) -> anyhow::Result<ExitCode> {
    let Rewrapped {
        keys,
        rewrapped,
        lost,
    } = app.store.count_keys().await?;
    println!("source: {}", app.vault().source());
    println!("master keys: {}", app.vault().master_keys()?);
    println!("data keys: {keys}, by an older master key: {rewrapped}, by none of these: {lost}");
    Ok(if lost == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn rotate(app: &App, only_rewrap: bool, drop_old: bool) -> anyhow::Result<ExitCode> {
    if !only_rewrap {
        app.vault().add_master_key()?;
        println!("new master key: {}", app.vault().source());
    }
    let Rewrapped {
        keys,
        rewrapped,
        lost,
    } = app.store.rewrap_keys().await?;
    println!("data keys: {keys}, wrapped anew: {rewrapped}");
    app.store
        .audit_operator("keys_rotated", &rewrapped.to_string(), app.clock.now())
        .await?;
    if lost > 0 {
        println!("by none of these master keys: {lost}; what they sealed cannot be opened");
        if drop_old {
            println!("the old master keys were kept");
        }
        return Ok(ExitCode::FAILURE);
    }
    if drop_old {
        app.vault().drop_old_master_keys()?;
        println!("old master keys were taken out of {}", app.vault().source());
    }
    Ok(ExitCode::SUCCESS)
}
