//! The sign-in window's own pages: an error that says what to do, or the hand-over.

use axum::response::{Html, IntoResponse as _, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue};
use tandem_app::text::SignInFailure;
use tandem_app::{Handover, OfficeScript};

use crate::http::headers::Policy;
use crate::http::{App, lang, session};

/// Why there is nothing to hand over.
pub(crate) fn page(app: &App, status: StatusCode, failure: SignInFailure) -> Response {
    let page = lang::say(|| tandem_app::handover_failed_page(failure));
    html(app, status, page, None)
}

/// As [`page`], in words that name somebody.
pub(super) fn said(app: &App, status: StatusCode, text: &str) -> Response {
    let page = lang::say(|| tandem_app::handover_said_page(text));
    html(app, status, page, None)
}

/// An administrator has to agree first: with the address where that is done.
pub(super) fn consent(app: &App, url: &str) -> Response {
    let page = lang::say(|| tandem_app::consent_page(url));
    html(app, StatusCode::FORBIDDEN, page, None)
}

/// Hands the code to the pane, by script or by the user's fingers.
pub(super) fn hand_over(app: &App, what: Handover, code: &str, digits: &str) -> Response {
    let office = app
        .config
        .outlook
        .office_js
        .as_ref()
        .map(|url| OfficeScript(url.as_str().into()));
    let (nonce, _) = session::new_token(app);
    let page = lang::say(|| tandem_app::handover_page(what, code, digits, &nonce, office.as_ref()));
    html(app, StatusCode::OK, page, Some(&nonce))
}

/// A page of the sign-in window. It may talk to Office.
pub(crate) fn html(app: &App, status: StatusCode, body: String, nonce: Option<&str>) -> Response {
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
