//! `tandem serve`.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tandem_sync::ports::Clock;

use crate::app::App;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::{http, watch, worker};

/// A session that has not come to a safe point by then is left to its lease.
const GRACE: Duration = Duration::from_secs(25);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A certificate authority to trust beside the operating system's (PEM), for a mail server with a private one.
    /// May be given more than once; the same as net.extra_roots.
    #[arg(long, value_name = "FILE")]
    ca_file: Vec<std::path::PathBuf>,
    #[command(flatten)]
    tls: super::tls::Args,
    /// `100@SECONDS`: runs a hundred times as fast since that second of 1970, as the sandbox does that was told so.
    #[cfg(feature = "sandbox")]
    #[arg(long, hide = true)]
    clock: Option<tandem_sandbox::Hurry>,
}

impl Args {
    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        #[cfg(feature = "sandbox")]
        if let Some(hurry) = self.clock {
            return Arc::new(crate::clock::HurriedClock(hurry));
        }
        Arc::new(SystemClock)
    }

    pub(super) fn apply(self, config: &mut Config) -> anyhow::Result<()> {
        config.net.extra_roots.extend(self.ca_file);
        self.tls.apply(config)
    }
}

pub(super) async fn run(config: Config, clock: Arc<dyn Clock>) -> anyhow::Result<ExitCode> {
    // The first page with async data panics without it.
    any_spawner::Executor::init_tokio().context("the page renderer has an executor already")?;
    let app = App::start_at(config, clock).await?;
    let listener = tokio::net::TcpListener::bind(app.config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", app.config.listen))?;
    let address = listener.local_addr()?;
    let identity = crate::tls::identity(&app.config, app.clock.now())?;
    tracing::info!(%address, public_url = %app.config.public_url, tls = identity.is_some(), "serving");
    if let Some(identity) = &identity {
        tracing::info!(
            sha256 = %identity.fingerprint,
            file = %identity.certificate.display(),
            "the certificate that visitors are shown"
        );
    }
    let metrics = match app.config.metrics_listen {
        Some(address) => Some(listen_for_metrics(&app, address).await?),
        None => None,
    };
    let worker = tokio::spawn(run_worker(app.clone()));
    let watch = tokio::spawn(watch::run(app.clone()));
    let stop = app.stop.clone();
    tokio::spawn(async move {
        ended_by_signal().await;
        tracing::info!("ending: running sessions stop at their next safe point");
        stop.cancel();
    });
    let (worker, ()) = tokio::join!(
        async {
            app.stop.cancelled().await;
            tokio::time::timeout(GRACE, worker).await
        },
        http::listen::serve(
            &app,
            listener,
            identity.map(|i| i.config),
            http::router(&app),
            GRACE
        ),
    );
    watch.await.ok();
    if let Some(metrics) = metrics {
        metrics.await.ok();
    }
    if let Ok(ended) = worker {
        ended.context("the worker broke off")?;
    } else {
        tracing::warn!("a session did not end in time; its lease will");
    }
    Ok(ExitCode::SUCCESS)
}

/// Prometheus has an address of its own.
async fn listen_for_metrics(app: &App, address: SocketAddr) -> anyhow::Result<tokio::task::JoinHandle<()>> {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} for metrics"))?;
    tracing::info!(address = %listener.local_addr()?, "metrics");
    let app = app.clone();
    Ok(tokio::spawn(async move {
        http::listen::serve(&app, listener, None, crate::metrics::router(&app), GRACE).await;
    }))
}

/// A server that answers and no longer syncs would look well: it ends with its worker.
async fn run_worker(app: App) {
    let _stop = app.stop.clone().drop_guard();
    worker::run(app).await;
}

pub(super) async fn ended_by_signal() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}
