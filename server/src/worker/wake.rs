//! Wake-ups between replicas: what one has made due, the others' workers learn at once where the database can tell them.

use std::time::Duration;

use tandem_sync::ports::StoreError;

use crate::app::App;

/// A database that cannot be listened to is asked again after this; until then the worker's own look has to do.
const AGAIN: Duration = Duration::from_secs(5);

/// A connection that a firewall has forgotten is silent for ever: so often another one is made.
const ANEW: Duration = Duration::from_mins(10);

/// Tells the others, until the server stops. What is not told is found by their own look.
pub(super) async fn tell(app: App) {
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = app.hub.untold() => {}
        }
        if let Err(error) = app.store.announce_due().await {
            tracing::debug!(%error, "the other replicas were not told that something is due");
        }
    }
}

/// Listens to the others, until the server stops.
pub(super) async fn hear(app: App) {
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = app.clock.sleep(ANEW) => continue,
            heard = listen(&app) => match heard {
                // A database that tells nobody.
                Ok(()) => return,
                Err(error) => tracing::debug!(%error, "the other replicas are not heard"),
            }
        }
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = app.clock.sleep(AGAIN) => {}
        }
    }
}

async fn listen(app: &App) -> Result<(), StoreError> {
    let Some(mut announcements) = app.store.announcements().await? else {
        return Ok(());
    };
    loop {
        // Before the first one, too: something may have been announced while nobody listened here.
        app.hub.heard();
        announcements.next().await?;
    }
}
