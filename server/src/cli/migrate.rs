//! `tandem migrate`.

use std::process::ExitCode;

use tandem_store::Migrations;

use crate::app::App;
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(config: Config, args: Args) -> anyhow::Result<ExitCode> {
    let app = App::connect(config).await?;
    let Migrations { pending, newer } = app.store.migrations().await?;
    for name in &newer {
        println!("applied by a newer version, left as it is: {name}");
    }
    if pending.is_empty() {
        println!("the database is up to date");
        return Ok(ExitCode::SUCCESS);
    }
    for name in &pending {
        println!("{} {name}", if args.dry_run { "would apply" } else { "applying" });
    }
    if !args.dry_run {
        app.store.migrate().await?;
    }
    Ok(ExitCode::SUCCESS)
}
