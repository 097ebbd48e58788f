//! The command line. One file per command.

mod audit;
mod backfill;
mod backup;
mod connection;
mod doctor;
mod healthcheck;
mod issue;
mod keys;
mod log;
mod migrate;
mod org;
mod salesforce;
#[cfg(feature = "sandbox")]
mod sandbox;
mod serve;
mod session;
mod settings;
mod status;
mod tls;
mod user;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{self, Config, ConfigError, LogFormat};

/// Two-way sync between Microsoft mailboxes and Salesforce, with an Outlook sidebar.
#[derive(Debug, Parser)]
#[command(name = "tandem", version, about)]
struct Cli {
    /// The configuration file (TOML). Variables TANDEM_… win over it.
    #[arg(long, short, global = true, env = "TANDEM_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the pane and run the sync until ended.
    Serve(serve::Args),
    /// Play Exchange and Salesforce on this machine, for development and tests.
    #[cfg(feature = "sandbox")]
    Sandbox(sandbox::Args),
    /// Bring the database up to date, and say what was done.
    Migrate(migrate::Args),
    /// Check the configuration, the key, the database and the servers; explain what is wrong.
    Doctor(doctor::Args),
    /// Is everyone syncing, and if not, why not? One line for each who is not; exits with 1 if somebody should be.
    Status(status::Args),
    /// Write a copy of the SQLite database while the server runs.
    Backup(backup::BackupArgs),
    /// Put such a copy in the database's place; what stands there is kept beside it. The server must have ended.
    Restore(backup::RestoreArgs),
    /// Ask a running server whether it is well; exits with 1 if it is not.
    Healthcheck(tls::Args),
    /// Sync sessions.
    #[command(subcommand)]
    Session(session::Command),
    /// Connections between a mailbox and a Salesforce user.
    #[command(subcommand)]
    Connection(connection::Command),
    /// What is not synced, and what can be done about it.
    #[command(subcommand)]
    Issue(issue::Command),
    /// Explain one item, synced or not: which rule decided, and what the next session would do.
    Why(why::Args),
    /// Saving of older mails.
    #[command(subcommand)]
    Backfill(backfill::Command),
    /// What a Salesforce organisation needs.
    #[command(subcommand)]
    Salesforce(salesforce::Command),
    /// Organisations: how they stand, and letting one go on that the brake has stopped.
    #[command(subcommand)]
    Org(org::Command),
    /// What is synced, and how: for an organisation, or for one connection.
    #[command(subcommand)]
    Settings(settings::Command),
    /// The master key, and the data keys that it wraps.
    #[command(subcommand)]
    Keys(keys::Command),
    /// What is stored of one person.
    #[command(subcommand)]
    User(user::Command),
    /// Who did what.
    #[command(subcommand)]
    Audit(audit::Command),
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("tandem: no threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tandem: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        #[cfg(feature = "sandbox")]
        Command::Sandbox(args) => {
            log::to_stderr("info", LogFormat::Text);
            sandbox::run(args).await
        }
        Command::Doctor(args) => doctor::run(read(cli.config.as_ref()), args).await,
        Command::Serve(args) => {
            let (mut config, limits) = read(cli.config.as_ref())?;
            let clock = args.clock();
            args.apply(&mut config)?;
            log::to_stderr(&config.log, config.log_format);
            for limit in limits {
                tracing::warn!("{limit}");
            }
            serve::run(config, clock).await
        }
        Command::Migrate(args) => migrate::run(quiet(cli.config.as_ref())?, args).await,
        Command::Healthcheck(args) => {
            let mut config = quiet(cli.config.as_ref())?;
            args.apply(&mut config)?;
            healthcheck::run(config).await
        }
        Command::Status(args) => status::run(quiet(cli.config.as_ref())?, args).await,
        Command::Backup(args) => backup::backup(quiet(cli.config.as_ref())?, args).await,
        Command::Restore(args) => backup::restore(quiet(cli.config.as_ref())?, args).await,
        Command::Session(command) => session::run(quiet(cli.config.as_ref())?, command).await,
        Command::Issue(command) => issue::run(quiet(cli.config.as_ref())?, command).await,
        Command::Why(args) => why::run(quiet(cli.config.as_ref())?, args).await,
        Command::Backfill(command) => backfill::run(quiet(cli.config.as_ref())?, command).await,
        Command::Connection(command) => connection::run(quiet(cli.config.as_ref())?, command).await,
        Command::Salesforce(command) => salesforce::run(quiet(cli.config.as_ref())?, command).await,
        Command::Org(command) => org::run(quiet(cli.config.as_ref())?, command).await,
        Command::Settings(command) => settings::run(quiet(cli.config.as_ref())?, command).await,
        Command::Keys(command) => keys::run(quiet(cli.config.as_ref())?, command).await,
        Command::User(command) => user::run(quiet(cli.config.as_ref())?, command).await,
        Command::Audit(command) => audit::run(quiet(cli.config.as_ref())?, command).await,
    }
}

type Loaded = Result<(Config, Vec<config::Problem>), ConfigError>;

fn read(file: Option<&PathBuf>) -> Loaded {
    config::load(file.map(PathBuf::as_path), std::env::vars())
}

/// The configuration for a command whose output is read: only faults are logged.
fn quiet(file: Option<&PathBuf>) -> anyhow::Result<Config> {
    let (config, _) = read(file)?;
    log::to_stderr("warn", LogFormat::Text);
    Ok(config)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    /// Clap finds out only when a command is run, and only in debug builds.
    #[test]
    fn no_command_contradicts_another() {
        Cli::command().debug_assert();
    }
}
