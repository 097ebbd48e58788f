//! When a connection may run again after the user, not the clock, set it going.

use tandem_store::ConnectionRow;
use tandem_sync::due;
use tandem_sync::ports::StoreError;
use tandem_types::{StateReason, Timestamp};

use crate::app::App;

/// Now; but a password that was refused waits as long as it would have waited by itself: pausing and starting must not
/// turn into failed logons, of which a few lock the account.
pub(crate) async fn next_start(
    app: &App,
    row: &ConnectionRow,
    now: Timestamp,
) -> Result<Timestamp, StoreError> {
    if row.rejections == 0 {
        return Ok(now);
    }
    let sessions = app.store.sessions(&row.id, 1).await?;
    let last = sessions.first().map_or(now, |s| s.ended.unwrap_or(s.started));
    Ok(due::after_rejection(last, row.rejections).max(now))
}

/// What is still true of a connection that goes on.
pub(crate) fn reason(row: &ConnectionRow) -> Option<StateReason> {
    (row.rejections > 0).then_some(StateReason::MailServerRefused)
}
