//! `tandem audit list|verify`: who did what, and whether that is all.

use std::process::ExitCode;

use tandem_store::AuditHead;

use super::connection::when;
use crate::app::App;
use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// The last entries, the youngest first.
    List {
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Check that no entry was changed or taken away; exits with 1 if one was.
    Verify {
        /// A head that a server wrote to its log (`audit log head=17:9f…`): whether the chain still holds it. May be given
        /// more than once.
        #[arg(long, value_name = "NUMBER:MAC")]
        head: Vec<AuditHead>,
    },
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<ExitCode> {
    let app = App::start(config).await?;
    match command {
        Command::List { limit } => list(&app, limit).await,
        Command::Verify { head } => verify(&app, &head).await,
    }
}

async fn list(app: &App, limit: u32) -> anyhow::Result<ExitCode> {
    println!(
        "{:>8}  {:<20}  {:<18}  {:<18}  {:<22}  DETAIL",
        "ENTRY", "AT", "ORGANISATION", "USER", "ACTION"
    );
    for entry in app.store.audit_entries(limit).await? {
        println!(
            "{:>8}  {:<20}  {:<18}  {:<18}  {:<22}  {}",
            entry.seq.map_or_else(|| "-".to_owned(), |seq| seq.to_string()),
            when(Some(entry.at)),
            entry.org,
            entry.user,
            entry.action,
            entry.detail
        );
    }
    Ok(ExitCode::SUCCESS)
}

async fn verify(app: &App, heads: &[AuditHead]) -> anyhow::Result<ExitCode> {
    let audited = match app.store.verify_audit(heads, app.clock.now()).await? {
        Ok(audited) => audited,
        Err(fault) => {
            println!("the audit log was tampered with: {fault}");
            return Ok(ExitCode::FAILURE);
        }
    };
    println!(
        "the audit log is whole: {} entries, {} before them deleted at the end of their retention",
        audited.entries, audited.swept
    );
    println!("head: {}", audited.head);
    if audited.older > 0 {
        println!("older than the chain: {} entries, not protected", audited.older);
    }
    if audited.unchained > 0 {
        println!(
            "outside of the chain: {} entries, by a server of an earlier version or forged",
            audited.unchained
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
