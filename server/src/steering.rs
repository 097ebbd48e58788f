//! What sets a connection going or stops it, whoever ordered it: its user in the pane, or an administrator.

use tandem_store::ConnectionRow;
use tandem_sync::ports::StoreError;
use tandem_types::SyncState;

use crate::app::App;
use crate::patience;
use crate::worker::cure;

/// What became of *Sync now*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// A session is due now.
    Due,
    /// The stored password was refused: sending it again could lock the account.
    Refused,
    /// Somebody has to look before anything is written.
    Braked,
    /// It does not sync.
    Off,
}

/// Says whether it was active before.
///
/// # Errors
/// The store's, as of all here.
pub(crate) async fn pause(app: &App, row: &ConnectionRow) -> Result<bool, StoreError> {
    let from = [SyncState::Active];
    let now = app.clock.now();
    app.store
        .set_state(&row.id, &from, SyncState::Paused, None, None, now)
        .await
}

/// Ends a pause. Says whether there was one.
pub(crate) async fn start(app: &App, row: &ConnectionRow) -> Result<bool, StoreError> {
    let now = app.clock.now();
    let due = patience::next_start(app, row, now).await?;
    let reason = patience::reason(row);
    let from = [SyncState::Paused];
    app.store
        .set_state(&row.id, &from, SyncState::Active, reason, Some(due), now)
        .await
}

/// Makes a session due now, where one may run.
pub(crate) async fn sync_now(app: &App, row: &ConnectionRow) -> Result<Woken, StoreError> {
    if cure::braked(row) {
        return Ok(Woken::Braked);
    }
    if row.state != SyncState::Active {
        return Ok(Woken::Off);
    }
    if row.rejections > 0 {
        return Ok(Woken::Refused);
    }
    app.store.wake(&row.id, app.clock.now()).await?;
    Ok(Woken::Due)
}
