//! A running session, seen from the panes.

use tandem_sync::ports::Observer;
use tandem_types::{ConnectionId, Progress};

use crate::app::App;

/// Tells the hub, and is told by the server's stop.
pub(super) struct Watcher {
    app: App,
    connection: ConnectionId,
}

impl Watcher {
    pub(super) fn new(app: App, connection: ConnectionId) -> Self {
        Self { app, connection }
    }
}

impl Observer for Watcher {
    fn progress(&self, progress: Progress) {
        self.app.hub.progressed(&self.connection, Some(progress));
    }

    fn should_stop(&self) -> bool {
        self.app.stop.is_cancelled()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.app.hub.progressed(&self.connection, None);
        self.app.hub.changed(&self.connection);
    }
}
