//! A running session, seen from the panes; and what the user does meanwhile, seen from the session.

use std::convert::Infallible;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tandem_sync::ports::Observer;
use tandem_types::{ConnectionId, OrgId, Progress, SyncState};

use super::quota;
use crate::app::App;

/// A pause may be ordered in another process: the row is what all of them see.
const LOOK: Duration = Duration::from_secs(2);

/// Tells the hub, and is told by the server's stop and by the user's pause.
pub(super) struct Watcher {
    app: App,
    connection: ConnectionId,
    /// The state in which the session found it.
    found: OnceLock<SyncState>,
    unwanted: AtomicBool,
    /// Ends when no more of this organisation's quota may be used.
    org: Option<OrgId>,
}

impl Watcher {
    pub(super) fn new(app: App, connection: ConnectionId) -> Self {
        Self {
            app,
            connection,
            found: OnceLock::new(),
            unwanted: AtomicBool::new(false),
            org: None,
        }
    }

    /// The session ends at its next safe point when the organisation's reserve is reached: not what a user waits for.
    pub(super) fn within_quota(mut self, org: &OrgId) -> Self {
        self.org = Some(org.clone());
        self
    }

    /// The session has read the connection for the first time.
    pub(super) fn found(&self, state: SyncState) {
        // Whoever came first has seen it as it was.
        let _ = self.found.set(state);
    }

    /// Looks whether the connection is still in the state in which the session found it. Most sessions are over before the
    /// first look. Never ends by itself.
    pub(super) async fn follow(&self) -> Infallible {
        loop {
            self.app.clock.sleep(LOOK).await;
            match self.app.store.connection(&self.connection).await {
                Ok(Some(row)) if *self.found.get_or_init(|| row.state) == row.state => {}
                Ok(_) => self.unwanted.store(true, Ordering::Relaxed),
                // The session meets the same database.
                Err(error) => tracing::debug!(%error, "a running session's connection was not read"),
            }
        }
    }
}

impl Observer for Watcher {
    fn progress(&self, progress: Progress) {
        self.app.hub.progressed(&self.connection, Some(progress));
    }

    fn should_stop(&self) -> bool {
        self.app.stop.is_cancelled()
            || self.unwanted.load(Ordering::Relaxed)
            || self.org.as_ref().is_some_and(|org| quota::is_low(&self.app, org))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.app.hub.progressed(&self.connection, None);
        self.app.hub.changed(&self.connection);
    }
}
