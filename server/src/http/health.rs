//! `GET /healthz` and `GET /readyz`, for probes: 200 or 503.

use std::future::Future;
use std::time::Duration;

use axum::extract::State;
use http::StatusCode;
use tandem_sync::ports::StoreError;
use tandem_types::Timestamp;
use tokio::sync::Mutex;

use super::App;

/// Whoever probes waits no longer; and neither does whoever waits for the same answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// What was found out is good for so long: anybody may ask, and being ready is tried by a write.
const FRESH_SECONDS: i64 = 2;

type Answer = (StatusCode, &'static str);

const WELL: Answer = (StatusCode::OK, "ok\n");
const SILENT: Answer = (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n");
const FULL: Answer = (StatusCode::SERVICE_UNAVAILABLE, "the database's disk is full\n");
const UNWRITABLE: Answer = (
    StatusCode::SERVICE_UNAVAILABLE,
    "the database cannot be written\n",
);

/// What was found out last, and when.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Mutex<Option<(Timestamp, Answer)>>);

/// 200 while this process serves. Not a word on the database: whoever starts anew what is not alive would do so with all
/// replicas at once while it is away, and none of them would be the better for it.
pub(crate) async fn get() -> Answer {
    WELL
}

/// 200 while this replica should get requests: the database answers and takes writes, and this is not about to end.
pub(crate) async fn ready(State(app): State<App>) -> Answer {
    if app.stop.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "ending\n");
    }
    let mut known = app.readiness.0.lock().await;
    let now = app.clock.now();
    if let Some((at, answer)) = *known
        && (0..FRESH_SECONDS).contains(&now.seconds_since(at))
    {
        return answer;
    }
    let answer = look(&app).await;
    *known = Some((app.clock.now(), answer));
    answer
}

async fn look(app: &App) -> Answer {
    match in_time(app.store.health()).await {
        Some(Ok(())) => {}
        Some(Err(error)) => {
            tracing::warn!(%error, "not ready: the database does not answer");
            return SILENT;
        }
        None => {
            tracing::warn!("not ready: the database does not answer in time");
            return SILENT;
        }
    }
    let error = match in_time(app.store.writable()).await {
        // A queue of writers is work, no fault.
        None | Some(Ok(())) => return WELL,
        Some(Err(error)) => error,
    };
    tracing::warn!(%error, "not ready: the database takes no write");
    match error {
        StoreError::Full(_) => FULL,
        _ => UNWRITABLE,
    }
}

async fn in_time<T>(asked: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(PATIENCE, asked).await.ok()
}
