//! `POST /api/renew`: a fresh bearer, before the one in the pane's memory ends.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, SET_COOKIE};
use tandem_types::{ApiError, HandoverReply};

use crate::http::App;
use crate::http::session::{self, By, MaybeViewer};

pub(crate) async fn post(
    State(app): State<App>,
    MaybeViewer(viewer): MaybeViewer,
    headers: HeaderMap,
) -> Response {
    let Some(viewer) = viewer else {
        return (StatusCode::UNAUTHORIZED, Json(ApiError::SignedOut)).into_response();
    };
    let now = app.clock.now();
    let expires = now.plus_seconds(session::SESSION_SECONDS);
    if let Err(error) = app
        .store
        .touch_web_session(&viewer.token_hash, expires, now)
        .await
    {
        tracing::error!(%error, "web session not prolonged");
    }
    let reply = HandoverReply {
        bearer: session::make_bearer(&app, &viewer.token_hash, now),
        expires_in: u32::try_from(session::BEARER_SECONDS).unwrap_or_default(),
    };
    let mut response = Json(reply).into_response();
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // The browser's copy of the session ends with the store's.
    if viewer.by == By::Cookie
        && let Some(token) = session::cookie(&headers, session::COOKIE_NAME)
    {
        response
            .headers_mut()
            .insert(SET_COOKIE, session::set_cookie(token));
    }
    response
}
