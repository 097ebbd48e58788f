//! `tandem serve`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use crate::app::App;
use crate::config::Config;
use crate::{http, watch, worker};

/// A session that has not come to a safe point by then is left to its lease.
const GRACE: Duration = Duration::from_secs(25);

pub(super) async fn run(config: Config) -> anyhow::Result<ExitCode> {
    // The first page with async data panics without it.
    any_spawner::Executor::init_tokio().context("the page renderer has an executor already")?;
    let app = App::start(config).await?;
    let listener = tokio::net::TcpListener::bind(app.config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", app.config.listen))?;
    let address = listener.local_addr()?;
    tracing::info!(%address, public_url = %app.config.public_url, "serving");
    let worker = tokio::spawn(worker::run(app.clone()));
    let watch = tokio::spawn(watch::run(app.clone()));
    let stop = app.stop.clone();
    tokio::spawn(async move {
        ended_by_signal().await;
        tracing::info!("ending: running sessions stop at their next safe point");
        stop.cancel();
    });
    let stop = app.stop.clone();
    let served = axum::serve(listener, http::router(&app))
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await;
    app.stop.cancel();
    if tokio::time::timeout(GRACE, worker).await.is_err() {
        tracing::warn!("a session did not end in time; its lease will");
    }
    watch.await.ok();
    served.context("the server broke off")?;
    Ok(ExitCode::SUCCESS)
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
