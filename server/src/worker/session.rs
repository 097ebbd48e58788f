//! One session of one connection: its two ends, the engine, and what is said afterwards.

use std::convert::Infallible;
use std::time::Duration;

use tandem_store::ConnectionRow;
use tandem_sync::due;
use tandem_sync::ports::{Closing, Lease, Store as _, StoreError};
use tandem_sync::session::{Context, Limits, Report};
use tandem_types::{OrgId, SessionOutcome};

use super::clear;
use super::endpoints;
use super::observe::Watcher;
use super::order;
use super::quota;
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
    let observer = Watcher::new(app.clone(), lease.connection.clone()).within_quota(&lease.org);
    let connection = lease.connection.clone();
    let started = app.clock.now();
    let report = watched(
        app,
        &lease,
        &observer,
        Box::pin(attempt(app, lease.clone(), mode, &observer)),
    )
    .await?;
    if mode == Mode::Real {
        // What was ordered while it ran has waited for its end.
        order::after_session(app, &connection).await;
    }
    let took = app.clock.now().micros().saturating_sub(started.micros());
    let took = Duration::from_micros(u64::try_from(took).unwrap_or(0));
    app.metrics.session_ended(report.outcome(), took);
    tracing::info!(
        connection = %lease.connection,
        session = %lease.session,
        outcome = report.outcome().as_str(),
        note = report.closing.note,
        "session ended"
    );
    Some(report)
}

/// Does something under a lease, which is kept meanwhile; `None` where it broke off: its lease then ends by itself.
pub(super) async fn watched<T>(
    app: &App,
    lease: &Lease,
    observer: &Watcher,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Option<T> {
    let connection = &lease.connection;
    let session = &lease.session;
    app.hub.changed(connection);
    let done = tokio::select! {
        done = work => done,
        never = keep(app, lease) => match never {},
        never = observer.follow() => match never {},
    };
    match done {
        Ok(done) => Some(done),
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

/// What a session runs with.
pub(super) struct Ready {
    pub(super) row: ConnectionRow,
    ends: endpoints::Ends,
}

/// Whether a session has what it runs with.
pub(super) enum Opened {
    Ready(Box<Ready>),
    /// It has not, and is closed.
    Closed(Box<Report>),
}

impl Ready {
    pub(super) async fn open(app: &App, lease: &Lease) -> Result<Opened, StoreError> {
        let row = app.store.connection(&lease.connection).await?;
        let row = row.ok_or(StoreError::NotFound("connection"))?;
        app.store.note_mail_host(&row).await?;
        match endpoints::open(app, &row).await {
            Ok(ends) => Ok(Opened::Ready(Box::new(Self { row, ends }))),
            Err(error @ (StoreError::Unavailable(_) | StoreError::Full(_))) => Err(error),
            // Without its end it would be due again, and fail again, each time that the lease runs out.
            Err(error) => Ok(Opened::Closed(Box::new(
                unopened(app, lease, &row, &error).await?,
            ))),
        }
    }

    pub(super) fn context<'a>(&'a self, app: &'a App, observer: &'a Watcher, dry_run: bool) -> Context<'a> {
        observer.found(self.row.state);
        Context {
            mailbox: self.ends.mailbox.as_ref(),
            crm: self.ends.crm.as_ref(),
            store: &app.store,
            clock: app.clock.as_ref(),
            rng: app.rng.as_ref(),
            observer,
            dry_run,
            limits: Limits {
                lease: app.config.worker_lease,
                ..Limits::default()
            },
        }
    }

    /// Gives the lease back as it came, after a look.
    pub(super) async fn hand_back(
        self,
        app: &App,
        lease: &Lease,
        mut closing: Closing,
    ) -> Result<(), StoreError> {
        hand_back(&mut closing, self.row);
        app.store.close(lease, closing).await
    }
}

async fn attempt(app: &App, lease: Lease, mode: Mode, observer: &Watcher) -> Result<Report, StoreError> {
    let ready = match Ready::open(app, &lease).await? {
        Opened::Ready(ready) => ready,
        Opened::Closed(report) => return Ok(*report),
    };
    let context = ready.context(app, observer, mode == Mode::DryRun);
    let mut report = if ready.row.clearing {
        clear::run(app, &lease, &ready.row, &context).await?
    } else {
        tandem_sync::session::run(&context, lease.clone()).await?
    };
    if let Some(wait) = report.whole_org {
        quota::hold(app, &lease, wait).await?;
    }
    let went_well = report.closing.outcome == SessionOutcome::Done;
    quota::after_session(app, &lease, ready.row.org_held.filter(|_| went_well)).await?;
    if report.closing.stop_org && mode == Mode::Real {
        tell_of_stop(app, &lease.org).await;
    }
    if mode == Mode::DryRun {
        // The engine has written nothing, not even its own end: the lease goes back as it came.
        hand_back(&mut report.closing, ready.row);
        app.store.close(&lease, report.closing.clone()).await?;
    }
    Ok(report)
}

/// Every pane of the organisation shows something else now, and the operator has to look.
async fn tell_of_stop(app: &App, org: &OrgId) {
    tracing::error!(%org, "very many deletes within an hour: the organisation is stopped until `tandem org release`");
    match app.store.connections(Some(org), u32::MAX).await {
        Ok(rows) => rows.iter().for_each(|row| app.hub.changed(&row.id)),
        // Panes ask again by themselves.
        Err(error) => tracing::debug!(%error, "the organisation's panes were not told"),
    }
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
        stop_org: false,
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
