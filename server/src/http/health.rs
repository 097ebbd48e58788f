//! `GET /healthz`: 200 while the database answers, else 503.

use axum::extract::State;
use http::StatusCode;

use super::App;

pub(crate) async fn get(State(app): State<App>) -> (StatusCode, &'static str) {
    match app.store.health().await {
        Ok(()) => (StatusCode::OK, "ok\n"),
        Err(error) => {
            tracing::warn!(%error, "health check failed");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n")
        }
    }
}
