//! Who is told when something changes: the open panes of a connection, and the worker.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tandem_types::{ConnectionId, PaneEvent, Progress};
use tokio::sync::{Notify, broadcast};

/// Streams of one connection at a time in this process: more than a person has windows.
const STREAMS: usize = 32;
/// A pane that lags behind by more than this asks for the whole view again anyway.
const BACKLOG: usize = 16;

/// In-process news. What another process did is found by [`crate::watch`]; that it has made something due is told by the
/// database, if that can.
#[derive(Debug, Default)]
pub struct Hub {
    channels: Mutex<HashMap<ConnectionId, Channel>>,
    due: Notify,
    untold: Notify,
}

#[derive(Debug)]
struct Channel {
    sender: broadcast::Sender<PaneEvent>,
    progress: Option<Progress>,
}

impl Hub {
    fn channels(&self) -> MutexGuard<'_, HashMap<ConnectionId, Channel>> {
        // A panic while the lock was held leaves a map that is still whole.
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything said about the connection from now on; `None` where too many listen already.
    pub fn subscribe(&self, connection: &ConnectionId) -> Option<broadcast::Receiver<PaneEvent>> {
        let mut channels = self.channels();
        let channel = channels.entry(connection.clone()).or_insert_with(|| Channel {
            sender: broadcast::channel(BACKLOG).0,
            progress: None,
        });
        (channel.sender.receiver_count() < STREAMS).then(|| channel.sender.subscribe())
    }

    /// The connections that somebody looks at. Forgets those that nobody does.
    pub fn watched(&self) -> Vec<ConnectionId> {
        let mut channels = self.channels();
        channels.retain(|_, c| c.sender.receiver_count() > 0 || c.progress.is_some());
        channels
            .iter()
            .filter(|(_, c)| c.sender.receiver_count() > 0)
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// Something other than progress changed.
    pub fn changed(&self, connection: &ConnectionId) {
        if let Some(channel) = self.channels().get(connection) {
            // Nobody listening is no fault.
            let _ = channel.sender.send(PaneEvent::Changed);
        }
    }

    /// A session of this process is so far; `None`: it has ended.
    pub fn progressed(&self, connection: &ConnectionId, progress: Option<Progress>) {
        let mut channels = self.channels();
        if progress.is_none() && !channels.contains_key(connection) {
            return;
        }
        let channel = channels.entry(connection.clone()).or_insert_with(|| Channel {
            sender: broadcast::channel(BACKLOG).0,
            progress: None,
        });
        channel.progress = progress;
        if let Some(progress) = progress {
            let _ = channel.sender.send(PaneEvent::Progress(progress));
        }
    }

    /// How far the running session is, if this process runs it.
    pub fn progress(&self, connection: &ConnectionId) -> Option<Progress> {
        self.channels().get(connection).and_then(|c| c.progress)
    }

    /// This process has made a connection due: its worker is woken, and the other processes' are to be.
    pub fn wake_worker(&self) {
        self.due.notify_one();
        self.untold.notify_one();
    }

    /// Another process may have made a connection due.
    pub fn heard(&self) {
        self.due.notify_one();
    }

    /// Waits until a connection has become due.
    pub async fn woken(&self) {
        self.due.notified().await;
    }

    /// Waits until there is something to tell the other processes.
    pub async fn untold(&self) {
        self.untold.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use tandem_types::ProgressPhase;

    use super::*;

    #[tokio::test]
    async fn a_pane_hears_its_own_connection_only() {
        let hub = Hub::default();
        let (a, b): (ConnectionId, ConnectionId) =
            ("a".repeat(32).parse().unwrap(), "b".repeat(32).parse().unwrap());
        let mut heard = hub.subscribe(&a).unwrap();
        hub.changed(&b);
        hub.changed(&a);
        assert_eq!(heard.recv().await.unwrap(), PaneEvent::Changed);
        let progress = Progress {
            phase: ProgressPhase::Writing,
            done: 1,
            total: 2,
        };
        hub.progressed(&a, Some(progress));
        assert_eq!(hub.progress(&a), Some(progress));
        assert_eq!(heard.recv().await.unwrap(), PaneEvent::Progress(progress));
        hub.progressed(&a, None);
        assert_eq!(hub.progress(&a), None);
        assert_eq!(hub.watched(), std::slice::from_ref(&a));
        drop(heard);
        assert_eq!(hub.watched(), Vec::<ConnectionId>::new());
    }

    #[tokio::test]
    async fn what_was_heard_is_not_told_again() {
        let hub = Hub::default();
        hub.wake_worker();
        hub.woken().await;
        hub.untold().await;
        hub.heard();
        hub.woken().await;
        let told = tokio::time::timeout(std::time::Duration::from_millis(20), hub.untold()).await;
        assert!(told.is_err(), "two processes would wake each other for ever");
    }

    #[tokio::test]
    async fn a_connection_has_so_many_streams_and_no_more() {
        let hub = Hub::default();
        let (a, b): (ConnectionId, ConnectionId) =
            ("a".repeat(32).parse().unwrap(), "b".repeat(32).parse().unwrap());
        let mut open: Vec<_> = (0..STREAMS).map(|_| hub.subscribe(&a).unwrap()).collect();
        assert!(hub.subscribe(&a).is_none());
        assert!(hub.subscribe(&b).is_some());
        open.pop();
        assert!(hub.subscribe(&a).is_some());
    }
}
