//! `POST /api/handover`: the pane trades the one-time code and its nonce for a session of its own.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue, SET_COOKIE};
use tandem_store::WebSessionNew;
use tandem_sync::ports::StoreError;
use tandem_types::{ApiError, HandoverReply, HandoverRequest, InvalidField};

use super::{CODE_TRIES, code_hash};
use crate::http::{App, session};

pub(crate) async fn post(State(app): State<App>, Json(request): Json<HandoverRequest>) -> Response {
    match trade(&app, &request).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(%error, "hand-over not stored");
            (StatusCode::SERVICE_UNAVAILABLE, Json(ApiError::Unavailable)).into_response()
        }
    }
}

async fn trade(app: &App, request: &HandoverRequest) -> Result<Response, StoreError> {
    let now = app.clock.now();
    let nonce_hash = session::hash(request.nonce.as_bytes());
    let refused = || (StatusCode::FORBIDDEN, Json(ApiError::Invalid(InvalidField::Code))).into_response();
    // Six digits can be guessed; five guesses for one nonce cannot reach far. Each is counted before it is looked at,
    // else many at once would all be the first.
    let tries = format!("code/{}", session::hex(&nonce_hash));
    if app.store.trials(&tries, now).await? >= CODE_TRIES
        || app.store.record_trial(&tries, now).await? > CODE_TRIES
    {
        return Ok((StatusCode::TOO_MANY_REQUESTS, Json(ApiError::TooOften(900))).into_response());
    }
    let hash = code_hash(&request.code, &nonce_hash);
    let Some(code) = app.store.take_code(&hash, &nonce_hash, now).await? else {
        return Ok(refused());
    };
    app.store.forget_trial(&tries, now).await?;
    let (token, token_hash) = session::new_token(app);
    let new = WebSessionNew {
        token_hash,
        user_id: code.user_id,
        org_id: code.org_id,
        expires: now.plus_seconds(session::SESSION_SECONDS),
    };
    app.store.create_web_session(&new, now).await?;
    let reply = HandoverReply {
        bearer: session::make_bearer(app, &token_hash, now),
        expires_in: u32::try_from(session::BEARER_SECONDS).unwrap_or_default(),
    };
    let mut response = Json(reply).into_response();
    response
        .headers_mut()
        .insert(SET_COOKIE, session::set_cookie(&token));
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
