//! One session of one connection: its two ends, the engine, and what is said afterwards.

use std::convert::Infallible;
use std::time::Duration;

use tandem_store::ConnectionRow;
use tandem_sync::due;
use tandem_sync::ports::{Closing, Lease, Store as _, StoreError};
use tandem_sync::session::{Context, Limits, Report};
use tandem_types::SessionOutcome;

use super::endpoints;
use super::observe::Watcher;
use crate::app::App;

/// For an organisation whose quota is used up, where Salesforce does not say how long.
const ORG_PAUSE_SECONDS: i64 = 15 * 60;

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
    let ran = tokio::select! {
        ran = attempt(app, lease.clone(), mode, &observer) => ran,
        never = keep(app, &lease) => match never {},
        never = observer.follow() => match never {},
    };
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

/// Prolongs the lease while a single slow call holds the engine up. It is the engine that finds out if it is lost.
async fn keep(app: &App, lease: &Lease) -> Infallible {
    loop {
        app.clock.sleep(app.config.worker_lease / 3).await;
        if let Err(error) = app
            .store
            .renew(lease, app.clock.now(), app.config.worker_lease)
            .await
        {
            tracing::warn!(connection = %lease.connection, %error, "the lease was not prolonged");
        }
    }
}

async fn attempt(app: &App, lease: Lease, mode: Mode, observer: &Watcher) -> Result<Report, StoreError> {
    let row = app.store.connection(&lease.connection).await?;
    let row = row.ok_or(StoreError::NotFound("connection"))?;
    let ends = match endpoints::open(app, &row).await {
        Ok(ends) => ends,
        Err(error @ StoreError::Unavailable(_)) => return Err(error),
        // Without its end it would be due again, and fail again, each time that the lease runs out.
        Err(error) => return unopened(app, &lease, &row, &error).await,
    };
    let context = Context {
        mailbox: ends.mailbox.as_ref(),
        crm: ends.crm.as_ref(),
        store: &app.store,
        clock: app.clock.as_ref(),
        rng: app.rng.as_ref(),
        observer,
        dry_run: mode == Mode::DryRun,
        limits: Limits {
            lease: app.config.worker_lease,
            ..Limits::default()
        },
    };
    let mut report = tandem_sync::session::run(&context, lease.clone()).await?;
    if let Some(wait) = report.whole_org {
        // The quota is the organisation's: its other connections would only be refused too.
        let until = app
            .clock
            .now()
            .plus_seconds(wait.map_or(ORG_PAUSE_SECONDS, whole_seconds));
        app.store.hold_org(&lease.org, until).await?;
    }
    if mode == Mode::DryRun {
        // The engine has written nothing, not even its own end: the lease goes back as it came.
        hand_back(&mut report.closing, row);
        app.store.close(&lease, report.closing.clone()).await?;
    }
    Ok(report)
}

/// Rounded up: not a moment too early.
fn whole_seconds(wait: Duration) -> i64 {
    i64::try_from(wait.as_secs())
        .unwrap_or(i64::MAX)
        .saturating_add(1)
}

/// A look changes nothing of what waits for the user or the clock. A refusal counts: the password was sent.
fn hand_back(closing: &mut Closing, row: ConnectionRow) {
    if closing.outcome == SessionOutcome::Preview {
        closing.next_due = row.next_due;
    }
    closing.preview = row.preview;
    closing.brake = row.brake;
}

/// The end of a session that had nothing to work with: a login or a key that cannot be read.
async fn unopened(
    app: &App,
    lease: &Lease,
    row: &ConnectionRow,
    error: &StoreError,
) -> Result<Report, StoreError> {
    tracing::error!(connection = %row.id, %error, "the stored login cannot be used");
    let now = app.clock.now();
    let failures = row.failures.saturating_add(1);
    let closing = Closing {
        outcome: SessionOutcome::Failed,
        counts: Vec::new(),
        state: row.state,
        reason: row.reason,
        rejections: row.rejections,
        failures,
        next_due: Some(due::after_failure(now, failures, None, app.rng.as_ref())),
        ended: now,
        preview: row.preview.clone(),
        brake: row.brake.clone(),
        release_used: false,
        note: format!("the stored login cannot be used: {error}"),
    };
    app.store.close(lease, closing.clone()).await?;
    Ok(Report {
        closing,
        issues: 0,
        lines: Vec::new(),
        whole_org: None,
    })
}
