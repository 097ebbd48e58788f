//! Did this request come from our own page? SameSite protects nothing inside Outlook's frame, so this does.

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_TYPE, HeaderMap, ORIGIN};
use http::{Method, StatusCode};
use subtle::ConstantTimeEq as _;
use tandem_types::ApiError;

use super::App;
use super::session::{self, Proof};

/// Set by our scripts; a form of another site cannot.
pub(crate) const REQUEST_HEADER: &str = "tandem-request";
/// The hidden field of our plain forms.
pub(crate) const FORM_FIELD: &str = "form_token";
/// Nothing that the pane sends is larger.
pub(crate) const BODY_LIMIT: usize = 64 * 1024;

/// Refuses unsafe requests that our own pages did not make.
pub(crate) async fn own_pages_only(State(app): State<App>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    if !same_origin(&app, request.headers()) {
        return refuse();
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_LIMIT).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let by_script = parts.headers.get(REQUEST_HEADER).is_some_and(|v| v == "1");
    if !by_script && !form_token_fits(&app, &parts.headers, &body) {
        return refuse();
    }
    next.run(Request::from_parts(parts, Body::from(body))).await
}

fn refuse() -> Response {
    (StatusCode::FORBIDDEN, axum::Json(ApiError::Forbidden)).into_response()
}

fn same_origin(app: &App, headers: &HeaderMap) -> bool {
    let own = app.config.public_url.origin().ascii_serialization();
    headers
        .get(ORIGIN)
        .is_some_and(|v| v.as_bytes() == own.as_bytes())
        && headers.get("sec-fetch-site").is_some_and(|v| v == "same-origin")
}

fn form_token_fits(app: &App, headers: &HeaderMap, body: &Bytes) -> bool {
    let form = headers
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.starts_with("application/x-www-form-urlencoded"));
    let Some(Proof { token_hash, .. }) = session::cookie_proof(headers) else {
        return false;
    };
    let expected = app.form_token(&token_hash);
    form && url::form_urlencoded::parse(body)
        .find(|(name, _)| name == FORM_FIELD)
        .is_some_and(|(_, given)| bool::from(given.as_bytes().ct_eq(expected.as_bytes())))
}
