//! `GET /auth/start?challenge=…`: the sign-in window's first page sends it on to Salesforce.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, LOCATION, SET_COOKIE};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use tandem_app::text::SignInFailure;
use tandem_crm::Purpose;
use tandem_store::FlowRow;

use super::{FLOW_COOKIE, FLOW_SECONDS, notice, parse_hash};
use crate::http::{App, session};

#[derive(Deserialize)]
pub(crate) struct Params {
    /// SHA-256 of the nonce that the pane made, hexadecimal.
    challenge: String,
}

pub(crate) async fn get(State(app): State<App>, params: Result<Query<Params>, QueryRejection>) -> Response {
    let Some(nonce_hash) = params.ok().and_then(|Query(p)| parse_hash(&p.challenge)) else {
        return notice::page(&app, StatusCode::BAD_REQUEST, SignInFailure::Expired);
    };
    let (binding, binding_hash) = session::new_token(&app);
    match send_on(&app, Purpose::SignIn, nonce_hash, binding_hash).await {
        Ok(mut response) => {
            let cookie = format!(
                "{FLOW_COOKIE}={binding}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={FLOW_SECONDS}"
            );
            if let Ok(value) = cookie.parse() {
                response.headers_mut().insert(SET_COOKIE, value);
            }
            response
        }
        Err(response) => response,
    }
}

/// Notes the flow and redirects to Salesforce.
pub(super) async fn send_on(
    app: &App,
    purpose: Purpose,
    nonce_hash: [u8; 32],
    binding_hash: [u8; 32],
) -> Result<Response, Response> {
    let Some(host) = app.config.salesforce.login_hosts.first() else {
        return Err(notice::page(
            app,
            StatusCode::SERVICE_UNAVAILABLE,
            SignInFailure::Unavailable,
        ));
    };
    let (url, state, pkce_verifier) = app.salesforce.authorize_url(host, purpose).map_err(|error| {
        tracing::error!(%error, "no authorize address");
        notice::page(app, StatusCode::SERVICE_UNAVAILABLE, SignInFailure::Unavailable)
    })?;
    let now = app.clock.now();
    let flow = FlowRow {
        binding_hash,
        nonce_hash,
        pkce_verifier,
        purpose: match purpose {
            Purpose::SignIn => "sign_in",
            Purpose::Sync => "sync",
        }
        .into(),
        login_host: host.to_string(),
        created: now,
        expires: now.plus_seconds(FLOW_SECONDS),
    };
    app.store
        .put_flow(&session::hash(state.as_bytes()), &flow)
        .await
        .map_err(|error| {
            tracing::error!(%error, "sign-in not noted");
            notice::page(app, StatusCode::SERVICE_UNAVAILABLE, SignInFailure::Unavailable)
        })?;
    let mut headers = HeaderMap::new();
    if let Ok(location) = url.as_str().parse() {
        headers.insert(LOCATION, location);
    }
    headers.insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}
