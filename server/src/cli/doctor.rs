//! `tandem doctor`: what is missing or wrong, each with what to do; and whether everyone is syncing.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use http::header::DATE;
use tandem_app::text::settings as words;
use tandem_net::{NetErrorKind, Request, Response, Schemes};
use tandem_sync::ports::StoreError;
use tandem_types::{ConnectionId, Side};
use url::Url;

use super::Loaded;
use crate::app::App;
use crate::config::Config;
use crate::mail::Mailer;
use crate::worker::probe;

/// A sign-in's tokens, and what was changed when, are judged by the clock: more than this is told.
const CLOCK_SECONDS: i64 = 30;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Tests this connection too, step by step: its mailbox and its Salesforce. A password that was refused before is not
    /// sent again.
    #[arg(long, value_name = "ID")]
    connection: Option<ConnectionId>,
}

/// What was found; each line is printed as it is.
struct Findings {
    well: bool,
}

impl Findings {
    fn wrong(&mut self, what: &str) {
        println!("WRONG   {what}");
        self.well = false;
    }
}

fn fine(what: &str) {
    println!("ok      {what}");
}

fn limited(what: &str) {
    println!("LIMITED {what}");
}

pub(super) async fn run(loaded: Loaded, args: Args) -> anyhow::Result<ExitCode> {
    let (config, limits) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            for problem in error.0 {
                println!("{} {problem}", if problem.fatal { "WRONG  " } else { "LIMITED" });
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    fine(&format!("configuration: reached at {}", config.public_url));
    for limit in &limits {
        limited(&limit.to_string());
    }
    let mut found = Findings { well: true };
    let app = match App::connect(config).await {
        Ok(app) => app,
        Err(error) => {
            found.wrong(&error.to_string());
            return Ok(ExitCode::FAILURE);
        }
    };
    master_key(&app, &mut found).await;
    if !app.site.is_built() {
        found.wrong(&format!(
            "site_root: {} holds no built pane (hash.txt is missing); build it with `cargo xtask web`",
            app.site.root().display()
        ));
    }
    let has_tables = database(&app, &mut found).await;
    for host in &app.config.salesforce.login_hosts {
        salesforce(&app, host, &mut found).await;
    }
    microsoft(&app, &mut found).await;
    mail(&app.config, &mut found).await;
    // Before the first start there is nobody to count.
    if has_tables {
        connections(&app, &mut found).await;
        integrations(&app, &mut found).await;
        if let Some(id) = &args.connection {
            connection(&app, id, &mut found).await?;
        }
    }
    Ok(if found.well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn master_key(app: &App, found: &mut Findings) {
    let key = &app.config.master_key;
    if !app.vault().is_new() {
        return fine(&format!("master key: {key}"));
    }
    // Only what was sealed is lost without it.
    match app.store.is_sealed().await {
        Ok(false) => limited(&format!(
            "master key: {key} is not there; the first `tandem serve` makes it, and it belongs in your backup"
        )),
        Ok(true) => found.wrong(&format!(
            "master key: {key} is missing, and what is in the database was sealed by it: restore it from your backup"
        )),
        // What is the matter with the database is told below.
        Err(_) => limited(&format!("master key: {key} is not there")),
    }
}

/// Whether our tables are there.
async fn database(app: &App, found: &mut Findings) -> bool {
    match app.store.migrations().await {
        Ok(migrations) if migrations.pending.is_empty() => {
            match migrations.newer.len() {
                0 => fine("database: reached, up to date"),
                newer => fine(&format!(
                    "database: reached, and a newer version has been here ({newer} migrations)"
                )),
            }
            if let Err(error) = app.store.writable().await {
                found.wrong(&format!("database: it cannot be written: {error}"));
            }
            return true;
        }
        Ok(migrations) => limited(&format!(
            "database: {} migrations wait; `tandem serve` or `tandem migrate` applies them",
            migrations.pending.len()
        )),
        Err(error) => found.wrong(&format!("database: {error}")),
    }
    false
}

async fn ask(app: &App, url: Url) -> Result<Response, NetErrorKind> {
    let schemes = Schemes::of(&url);
    let request = Request::get(url)
        .schemes(schemes)
        .timeout(Duration::from_secs(10))
        .max_bytes(1 << 20);
    app.net.send(request).await.map_err(|error| error.kind)
}

async fn salesforce(app: &App, host: &Url, found: &mut Findings) {
    let name = host.origin().ascii_serialization();
    let mut url = host.clone();
    url.set_path("/services/data");
    match ask(app, url).await {
        Ok(response) if response.status.is_success() => {
            fine(&format!("Salesforce: {name} answers"));
            clock(app, &name, &response, found);
        }
        Ok(response) => found.wrong(&format!(
            "salesforce.login_hosts: {name} answers {}",
            response.status
        )),
        Err(kind) => found.wrong(&format!("salesforce.login_hosts: {name} {}", unreached(kind))),
    }
}

/// Of a server that says what time it is: <https://www.rfc-editor.org/rfc/rfc9110#name-date>
fn clock(app: &App, name: &str, response: &Response, found: &mut Findings) {
    let Some(there) = response.header(DATE.as_str()).and_then(seconds) else {
        return;
    };
    let ahead = app.clock.now().seconds() - there;
    if ahead.abs() > CLOCK_SECONDS {
        found.wrong(&format!(
            "clock: this machine's is {} s {} that of {name}; set it by NTP",
            ahead.abs(),
            if ahead > 0 { "before" } else { "behind" }
        ));
    } else {
        fine("clock: as Salesforce's");
    }
}

/// Since 1970, of `Sun, 06 Nov 1994 08:49:37 GMT`.
fn seconds(date: &str) -> Option<i64> {
    let time = jiff::fmt::rfc2822::parse(date).ok()?;
    Some(time.timestamp().as_second())
}

async fn microsoft(app: &App, found: &mut Findings) {
    let Some(microsoft) = &app.config.microsoft else {
        return;
    };
    let name = microsoft.authority.origin().ascii_serialization();
    let mut url = microsoft.authority.clone();
    url.set_path(&format!(
        "/{}/v2.0/.well-known/openid-configuration",
        microsoft.tenant
    ));
    match ask(app, url).await {
        Ok(response) if response.status.is_success() => fine(&format!("Microsoft: {name} answers")),
        Ok(response) => found.wrong(&format!(
            "microsoft.tenant: {name} answers {} for {}",
            response.status, microsoft.tenant
        )),
        Err(kind) => found.wrong(&format!("microsoft.authority: {name} {}", unreached(kind))),
    }
    let graph = microsoft.graph.origin().ascii_serialization();
    match ask(app, microsoft.graph_v1()).await {
        // Without a token it refuses, and is there.
        Ok(_) => fine(&format!("Microsoft Graph: {graph} answers")),
        Err(kind) => found.wrong(&format!("microsoft.graph: {graph} {}", unreached(kind))),
    }
}

async fn mail(config: &Config, found: &mut Findings) {
    let server = config.mail.as_ref().map(|mail| mail.server.as_str());
    match Mailer::of(config) {
        Ok(Some(mailer)) => match mailer.greet().await {
            Ok(()) => fine(&format!("mail: {} takes mails", server.unwrap_or_default())),
            Err(fault) => found.wrong(&format!("mail.server: {}: {fault}", server.unwrap_or_default())),
        },
        Ok(None) => limited("mail: is left out, so that nobody is told by mail when the sync breaks"),
        Err(fault) => found.wrong(&format!("mail: {fault}")),
    }
}

async fn connections(app: &App, found: &mut Findings) {
    let overview = match app.store.overview(app.clock.now()).await {
        Ok(overview) => overview,
        Err(error) => return found.wrong(&format!("database: {error}")),
    };
    for line in &overview.states {
        let reason = line
            .reason
            .map(|r| format!(" ({})", r.as_str()))
            .unwrap_or_default();
        let state = line.state.as_str();
        fine(&format!("connections: {} {state}{reason}", line.connections));
    }
    if overview.overdue > 0 {
        found.wrong(&format!(
            "connections: {} are overdue by more than an interval; is `tandem serve` running?",
            overview.overdue
        ));
    }
}

/// Without them everybody syncs too: what is wrong with one costs API calls.
async fn integrations(app: &App, found: &mut Findings) {
    match app.store.integrations().await {
        Ok(all) => {
            for of in &all {
                if of.trouble.is_some() {
                    limited(&super::status::told_of(of));
                } else {
                    fine(&format!("integration user: {} asks for {}", of.username, of.org));
                }
            }
        }
        Err(error) => found.wrong(&format!("database: {error}")),
    }
}

/// As *Test connection* does it in the settings.
async fn connection(app: &App, id: &ConnectionId, found: &mut Findings) -> anyhow::Result<()> {
    let row = app.store.connection(id).await?;
    let row = row.with_context(|| format!("there is no connection {id}"))?;
    for (side, name) in [(Side::Mailbox, "mailbox"), (Side::Crm, "Salesforce")] {
        match probe::probe(app, &row, side).await {
            Ok(None) => fine(&format!("connection: its {name} can be opened")),
            Ok(Some((step, fault))) => found.wrong(&format!(
                "connection: its {name}: {}: {}",
                words::step(step, side),
                words::fault(fault)
            )),
            Err(error @ (StoreError::Unavailable(_) | StoreError::Full(_))) => {
                found.wrong(&format!("database: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Why a server did not answer, and where to look.
fn unreached(kind: NetErrorKind) -> &'static str {
    match kind {
        NetErrorKind::NotAllowed => {
            "is at an address that is refused (see net.allow_networks, net.allow_private, net.allow_loopback)"
        }
        NetErrorKind::UnknownHost => "is not a known name",
        NetErrorKind::Certificate => "shows a certificate that is not trusted (see net.extra_roots)",
        _ => "cannot be reached",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_time_is_read() {
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(seconds("yesterday"), None);
    }
}
