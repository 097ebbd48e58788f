//! The sign-in window's own pages: an error that says what to do, or the hand-over.

use axum::response::{Html, IntoResponse as _, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue};
use tandem_app::text::SignInFailure;

use crate::http::App;
use crate::http::headers::Policy;

/// Why there is nothing to hand over.
pub(super) fn page(app: &App, status: StatusCode, failure: SignInFailure) -> Response {
    html(app, status, tandem_app::handover_failed_page(failure), None)
}

/// A page of the sign-in window. It may talk to Office.
pub(super) fn html(app: &App, status: StatusCode, body: String, nonce: Option<&str>) -> Response {
    let mut response = (status, Html(body)).into_response();
    // A window of its own: nobody frames it.
    let policy = Policy {
        nonce,
        office: true,
        framed: false,
    };
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, policy.value(&app.config));
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
