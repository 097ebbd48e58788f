//! Takes a session back, as a session of its own.

use tandem_sync::ports::{Lease, Pick, Store as _, StoreError};
use tandem_sync::undo::{UndoReport, undo};
use tandem_types::{ConnectionId, SessionId};

use super::observe::Watcher;
use super::quota;
use super::session::{self, Opened, Ready};
use crate::app::App;
use crate::clock::new_id;

/// What became of an undo.
#[derive(Debug)]
pub(crate) enum Undone {
    Done(Box<UndoReport>),
    /// Another session holds the connection, or it is not activated.
    Busy,
    /// It could not be brought to an end that the store knows; the log says why. What was noted until then is done.
    Broken,
}

/// Takes back what `session` of this connection wrote. `dry_run`: only says what it would do.
///
/// # Errors
/// The store's, before it began.
pub(crate) async fn run(
    app: &App,
    connection: &ConnectionId,
    session: &SessionId,
    dry_run: bool,
) -> Result<Undone, StoreError> {
    let pick = Pick::Aside(connection.clone());
    let id = new_id(app.rng.as_ref());
    let Some(lease) = app
        .store
        .claim(&pick, &app.worker, id, app.clock.now(), app.config.worker_lease)
        .await?
    else {
        return Ok(Undone::Busy);
    };
    let observer = Watcher::new(app.clone(), connection.clone());
    let work = Box::pin(attempt(app, lease.clone(), session, dry_run, &observer));
    Ok(match session::watched(app, &lease, &observer, work).await {
        Some(Some(report)) => {
            tracing::info!(%connection, undone = %session, session = %lease.session, note = report.closing.note, "session undone");
            Undone::Done(Box::new(report))
        }
        Some(None) | None => Undone::Broken,
    })
}

/// `None`: there is nothing to work with, and the session is closed.
async fn attempt(
    app: &App,
    lease: Lease,
    session: &SessionId,
    dry_run: bool,
    observer: &Watcher,
) -> Result<Option<UndoReport>, StoreError> {
    let Opened::Ready(ready) = Ready::open(app, &lease).await? else {
        return Ok(None);
    };
    let report = undo(&ready.context(app, observer, dry_run), lease.clone(), session).await?;
    if let Some(wait) = report.whole_org {
        quota::hold(app, &lease, wait).await?;
    }
    if dry_run {
        ready.hand_back(app, &lease, report.closing.clone()).await?;
    }
    Ok(Some(report))
}
