//! One session of one connection: its two ends, the engine, and what is said afterwards.

use tandem_sync::ports::{Lease, Store as _, StoreError};
use tandem_sync::session::{Context, Report};

use super::endpoints;
use super::observe::Watcher;
use crate::app::App;

/// What a session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Real,
    /// Plans, writes nothing.
    DryRun,
}

/// Runs the session of a lease; `None` where it could not be brought to an end that the store knows.
pub async fn run(app: &App, lease: Lease, mode: Mode) -> Option<Report> {
    let connection = lease.connection.clone();
    let session = lease.session.clone();
    let observer = Watcher::new(app.clone(), connection.clone());
    app.hub.changed(&connection);
    let ran = attempt(app, lease, mode, &observer).await;
    match ran {
        Ok(report) => {
            tracing::info!(%connection, %session, outcome = report.outcome().as_str(), note = report.closing.note, "session ended");
            Some(report)
        }
        Err(StoreError::LeaseLost) => {
            tracing::warn!(%connection, %session, "another worker has taken the connection over, or it was deactivated");
            None
        }
        Err(error) => {
            tracing::error!(%connection, %session, %error, "the session broke off; its lease ends by itself");
            None
        }
    }
}

async fn attempt(app: &App, lease: Lease, mode: Mode, observer: &Watcher) -> Result<Report, StoreError> {
    let ends = endpoints::open(app, &lease.connection).await?;
    let context = Context {
        mailbox: ends.mailbox.as_ref(),
        crm: ends.crm.as_ref(),
        store: &app.store,
        clock: app.clock.as_ref(),
        rng: app.rng.as_ref(),
        observer,
        dry_run: mode == Mode::DryRun,
        limits: tandem_sync::session::Limits::default(),
    };
    let report = tandem_sync::session::run(&context, lease.clone()).await?;
    if mode == Mode::DryRun {
        // The engine has written nothing, not even its own end: the lease goes back as it came.
        app.store.close(&lease, report.closing.clone()).await?;
    }
    Ok(report)
}
