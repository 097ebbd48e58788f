//! `GET /healthz` and `GET /readyz`, for probes: 200 or 503.

use axum::extract::State;
use http::StatusCode;

use super::App;

/// 200 while the database answers.
pub(crate) async fn get(State(app): State<App>) -> (StatusCode, &'static str) {
    match app.store.health().await {
        Ok(()) => (StatusCode::OK, "ok\n"),
        Err(error) => {
            tracing::warn!(%error, "health check failed");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n")
        }
    }
}

/// 200 while this replica should get requests: as [`get`], and it is not about to end.
pub(crate) async fn ready(State(app): State<App>) -> (StatusCode, &'static str) {
    if app.stop.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "ending\n");
    }
    get(State(app)).await
}
