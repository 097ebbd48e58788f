//! A running session, seen from the panes; and what the user does meanwhile, seen from the session.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tandem_sync::ports::Observer;
use tandem_types::{ConnectionId, Progress};

use crate::app::App;

/// A pause may be ordered in another process: the row is what all of them see.
const LOOK: Duration = Duration::from_secs(2);

/// Tells the hub, and is told by the server's stop and by the user's pause.
pub(super) struct Watcher {
    app: App,
    connection: ConnectionId,
    unwanted: AtomicBool,
}

impl Watcher {
    pub(super) fn new(app: App, connection: ConnectionId) -> Self {
        Self {
            app,
            connection,
            unwanted: AtomicBool::new(false),
        }
    }

    /// Looks whether the connection is still in the state in which the session found it. Never ends by itself.
    pub(super) async fn follow(&self) -> Infallible {
        let mut found = None;
        loop {
            match self.app.store.connection(&self.connection).await {
                Ok(Some(row)) if *found.get_or_insert(row.state) == row.state => {}
                Ok(_) => self.unwanted.store(true, Ordering::Relaxed),
                // The session meets the same database.
                Err(error) => tracing::debug!(%error, "a running session's connection was not read"),
            }
            self.app.clock.sleep(LOOK).await;
        }
    }
}

impl Observer for Watcher {
    fn progress(&self, progress: Progress) {
        self.app.hub.progressed(&self.connection, Some(progress));
    }

    fn should_stop(&self) -> bool {
        self.app.stop.is_cancelled() || self.unwanted.load(Ordering::Relaxed)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.app.hub.progressed(&self.connection, None);
        self.app.hub.changed(&self.connection);
    }
}
