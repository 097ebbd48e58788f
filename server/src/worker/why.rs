//! Explains one item: a look under a lease, which goes back as it came.

use tandem_sync::ports::{Lease, Pick, Store as _, StoreError};
use tandem_sync::why::{Why, WhyAsk, why};
use tandem_types::ConnectionId;

use super::observe::Watcher;
use super::session::{self, Opened, Ready};
use crate::app::App;
use crate::clock::new_id;

/// Explains an item of this connection; `None`: another session holds the connection, or the look broke off (the log
/// says why).
///
/// # Errors
/// The store's, before it began.
pub(crate) async fn run(
    app: &App,
    connection: &ConnectionId,
    ask: &WhyAsk,
) -> Result<Option<Why>, StoreError> {
    let pick = Pick::Aside(connection.clone());
    let id = new_id(app.rng.as_ref());
    let Some(lease) = app
        .store
        .claim(&pick, &app.worker, id, app.clock.now(), app.config.worker_lease)
        .await?
    else {
        return Ok(None);
    };
    let observer = Watcher::new(app.clone(), connection.clone());
    let work = Box::pin(attempt(app, lease.clone(), ask, &observer));
    Ok(session::watched(app, &lease, &observer, work).await.flatten())
}

async fn attempt(
    app: &App,
    lease: Lease,
    ask: &WhyAsk,
    observer: &Watcher,
) -> Result<Option<Why>, StoreError> {
    let Opened::Ready(ready) = Ready::open(app, &lease).await? else {
        return Ok(None);
    };
    let told = why(&ready.context(app, observer, true), lease.clone(), ask).await?;
    ready.hand_back(app, &lease, told.closing.clone()).await?;
    Ok(Some(told))
}
