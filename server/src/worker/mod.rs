//! Runs sessions when they are due: tokio tasks around the rules in `tandem-sync`.

pub(crate) mod backfill;
mod clear;
pub(crate) mod cure;
pub(crate) mod endpoints;
pub(crate) mod fan_in;
mod mail;
mod observe;
pub(crate) mod order;
pub(crate) mod probe;
pub(crate) mod quota;
mod renewal;
pub mod session;
pub(crate) mod undo;
mod wake;
pub(crate) mod why;

use std::sync::Arc;
use std::time::Duration;

use tandem_store::Turn;
use tandem_types::Timestamp;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::app::App;
use crate::clock::new_id;

/// Connections become due by the clock, and another process may have made one due without telling this one. Up to a fifth
/// more or less: replicas that started together do not ask together.
const POLL: Duration = Duration::from_secs(5);
/// A database that does not answer is asked again after this.
const STORE_PAUSE: Duration = Duration::from_secs(2);
const SWEEP_SECONDS: i64 = 3600;

/// Runs until the server stops; then waits until the running sessions have come to a safe point.
pub async fn run(app: App) {
    let slots = Arc::new(Semaphore::new(app.config.worker_sessions));
    let mut sessions = JoinSet::new();
    let mut swept = app.clock.now();
    // A server that is started anew every few minutes sweeps too.
    sweep(&app, swept).await;
    sessions.spawn(mail::run(app.clone()));
    sessions.spawn(wake::tell(app.clone()));
    if app.config.worker_sessions > 0 {
        sessions.spawn(wake::hear(app.clone()));
    }
    while !app.stop.is_cancelled() {
        while let Some(ended) = sessions.try_join_next() {
            report_panic(ended);
        }
        if app.clock.now().seconds_since(swept) >= SWEEP_SECONDS {
            swept = app.clock.now();
            sweep(&app, swept).await;
            quota::forget_silent(&app);
            let app = app.clone();
            sessions.spawn(async move { renewal::idle(&app).await });
        }
        let slot = tokio::select! {
            () = app.stop.cancelled() => break,
            slot = Arc::clone(&slots).acquire_owned() => match slot {
                Ok(slot) => slot,
                Err(_) => break,
            },
        };
        let id = new_id(app.rng.as_ref());
        let now = app.clock.now();
        let turn = app
            .store
            .next_due(&app.worker, &id, now, app.config.worker_lease)
            .await;
        match turn {
            Ok(Turn::Yours(lease)) => {
                let app = app.clone();
                sessions.spawn(async move {
                    session::run(&app, lease, session::Mode::Real).await;
                    drop(slot);
                });
            }
            Ok(Turn::Later) => {
                drop(slot);
                let longest = spread(&app, POLL);
                tokio::select! {
                    () = wait(&app, longest) => {}
                    // Most likely its session's end makes room.
                    Some(ended) = sessions.join_next() => report_panic(ended),
                }
            }
            Ok(Turn::Nothing) => {
                drop(slot);
                wait(&app, spread(&app, POLL)).await;
            }
            Err(error) => {
                drop(slot);
                tracing::error!(%error, "no connection claimed");
                wait(&app, STORE_PAUSE).await;
            }
        }
    }
    while let Some(ended) = sessions.join_next().await {
        report_panic(ended);
    }
}

/// Deletes what is over, and tells the log how the audit log ends.
async fn sweep(app: &App, now: Timestamp) {
    match app.store.sweep(&app.config.retention, now).await {
        Ok(swept) => tracing::debug!(?swept, "old rows"),
        Err(error) => tracing::warn!(%error, "old rows were not swept"),
    }
    match app.store.audit_head_of_the_day(now).await {
        // Kept where the database's owner cannot write, it shows that the last entries were cut off.
        Ok(Some(head)) => tracing::info!(%head, "audit log"),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the audit log's head is not known"),
    }
}

/// A session that panicked keeps its lease until it expires; another run takes over then.
fn report_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a session broke off");
    }
}

/// `mean`, up to a fifth more or less.
fn spread(app: &App, mean: Duration) -> Duration {
    let mut byte = [0];
    app.rng.fill(&mut byte);
    mean * 4 / 5 + mean * 2 / 5 * u32::from(byte[0]) / 255
}

async fn wait(app: &App, longest: Duration) {
    tokio::select! {
        () = app.stop.cancelled() => {}
        () = app.hub.woken() => {}
        () = app.clock.sleep(longest) => {}
    }
}
