//! `tandem doctor`: what is missing or wrong, each with what to do; and whether everyone is syncing.

use std::process::ExitCode;
use std::time::Duration;

use tandem_net::{NetErrorKind, Request, Schemes};

use super::Loaded;
use crate::app::App;

pub(super) async fn run(loaded: Loaded) -> anyhow::Result<ExitCode> {
    let (config, limits) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            for problem in error.0 {
                println!("{} {problem}", if problem.fatal { "WRONG  " } else { "LIMITED" });
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    println!("ok      configuration: reached at {}", config.public_url);
    for limit in &limits {
        println!("LIMITED {limit}");
    }
    let mut well = true;
    let mut wrong = |what: String| {
        println!("WRONG   {what}");
        well = false;
    };
    if !config.site_root.join("hash.txt").exists() {
        wrong(format!(
            "site_root: {} holds no built pane (hash.txt is missing); build it with `cargo xtask web`",
            config.site_root.display()
        ));
    }
    let app = match App::connect(config).await {
        Ok(app) => app,
        Err(error) => {
            wrong(error.to_string());
            return Ok(ExitCode::FAILURE);
        }
    };
    println!("ok      master key: {}", app.config.master_key);
    let mut has_tables = false;
    match app.store.migrations().await {
        Ok(migrations) if migrations.pending.is_empty() => {
            has_tables = true;
            let newer = migrations.newer.len();
            println!(
                "ok      database: reached, {}",
                if newer == 0 {
                    "up to date".to_owned()
                } else {
                    format!("and a newer version has been here ({newer} migrations)")
                }
            );
            if let Err(error) = app.store.writable().await {
                wrong(format!("database: it cannot be written: {error}"));
            }
        }
        Ok(migrations) => println!(
            "LIMITED database: {} migrations wait; `tandem serve` or `tandem migrate` applies them",
            migrations.pending.len()
        ),
        Err(error) => wrong(format!("database: {error}")),
    }
    for host in &app.config.salesforce.login_hosts {
        let name = host.origin().ascii_serialization();
        let mut url = host.clone();
        url.set_path("/services/data");
        let schemes = if host.scheme() == "http" {
            Schemes::HttpToo
        } else {
            Schemes::HttpsOnly
        };
        let request = Request::get(url)
            .schemes(schemes)
            .timeout(Duration::from_secs(10))
            .max_bytes(1 << 20);
        match app.net.send(request).await {
            Ok(response) if response.status.is_success() => println!("ok      Salesforce: {name} answers"),
            Ok(response) => wrong(format!(
                "salesforce.login_hosts: {name} answers {}",
                response.status
            )),
            Err(error) => wrong(format!(
                "salesforce.login_hosts: {name} {}",
                unreached(error.kind)
            )),
        }
    }
    if let Some(microsoft) = &app.config.microsoft {
        let name = microsoft.authority.origin().ascii_serialization();
        let mut url = microsoft.authority.clone();
        url.set_path(&format!(
            "/{}/v2.0/.well-known/openid-configuration",
            microsoft.tenant
        ));
        let schemes = if url.scheme() == "http" {
            Schemes::HttpToo
        } else {
            Schemes::HttpsOnly
        };
        let request = Request::get(url)
            .schemes(schemes)
            .timeout(Duration::from_secs(10))
            .max_bytes(1 << 20);
        match app.net.send(request).await {
            Ok(response) if response.status.is_success() => println!("ok      Microsoft: {name} answers"),
            Ok(response) => wrong(format!(
                "microsoft.tenant: {name} answers {} for {}",
                response.status, microsoft.tenant
            )),
            Err(error) => wrong(format!("microsoft.authority: {name} {}", unreached(error.kind))),
        }
    }
    // Before the first start there is nobody to count.
    if has_tables {
        match app.store.overview(app.clock.now()).await {
            Ok(overview) => {
                for line in &overview.states {
                    let reason = line
                        .reason
                        .map(|r| format!(" ({})", r.as_str()))
                        .unwrap_or_default();
                    println!(
                        "ok      connections: {} {}{reason}",
                        line.connections,
                        line.state.as_str()
                    );
                }
                if overview.overdue > 0 {
                    wrong(format!(
                        "connections: {} are overdue by more than an interval; is `tandem serve` running?",
                        overview.overdue
                    ));
                }
            }
            Err(error) => wrong(format!("database: {error}")),
        }
    }
    Ok(if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
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
