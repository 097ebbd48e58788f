//! Finds what other processes did to the connections that somebody looks at.

use std::collections::HashMap;
use std::time::Duration;

use tandem_store::ConnectionRow;
use tandem_types::{ConnectionId, Timestamp};

use crate::app::App;

const EVERY: Duration = Duration::from_secs(2);

/// What a pane shows of a connection, cut to what tells a change.
#[derive(PartialEq)]
struct Mark(String);

impl Mark {
    fn of(row: &ConnectionRow, now: Timestamp) -> Self {
        Self(format!(
            "{:?} {:?} {} {} {} {:?} {:?} {:?} {}",
            row.state,
            row.reason_at(now),
            row.ask_activation,
            row.skipped,
            row.rejections,
            row.running,
            row.due_at(now),
            row.last_success,
            row.links
        ))
    }
}

/// Runs until the server stops.
pub(crate) async fn run(app: App) {
    let mut seen: HashMap<ConnectionId, Mark> = HashMap::new();
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = app.clock.sleep(EVERY) => {}
        }
        let watched = app.hub.watched();
        seen.retain(|id, _| watched.contains(id));
        for id in watched {
            match app.store.connection(&id).await {
                Ok(Some(row)) => {
                    let mark = Mark::of(&row, app.clock.now());
                    if seen.get(&id).is_some_and(|old| *old != mark) {
                        app.hub.changed(&id);
                    }
                    seen.insert(id, mark);
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "a watched connection was not read"),
            }
        }
    }
}
