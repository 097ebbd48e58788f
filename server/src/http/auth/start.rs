//! `GET /auth/start`: the sign-in window's first page sends it on to Salesforce.
//!
//! With `challenge` for a pane, with `to=setup` for the setup page in the same window, there also with `as=refresh` and
//! `as=change`; with `to=organisation&as=integration` for the organisation's integration user.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::header::{CACHE_CONTROL, LOCATION, SET_COOKIE};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use tandem_app::text::SignInFailure;
use tandem_crm::Purpose;
use tandem_store::FlowRow;
use tandem_types::UserId;

use super::goal::Goal;
use super::{FLOW_COOKIE, FLOW_SECONDS, flow_cookie, integration_user, notice, parse_hash};
use crate::http::session::MaybeViewer;
use crate::http::{App, session};

#[derive(Deserialize)]
pub(crate) struct Params {
    /// SHA-256 of the nonce that the pane made, hexadecimal.
    challenge: Option<String>,
    to: Option<String>,
    #[serde(rename = "as")]
    act: Option<String>,
}

/// Whose result goes where.
pub(super) struct Begin {
    pub(super) goal: Goal,
    pub(super) nonce_hash: [u8; 32],
    pub(super) binding_hash: [u8; 32],
    pub(super) user: Option<UserId>,
}

pub(crate) async fn get(
    State(app): State<App>,
    MaybeViewer(viewer): MaybeViewer,
    params: Result<Query<Params>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let expired = || notice::page(&app, StatusCode::BAD_REQUEST, SignInFailure::Expired);
    let Ok(Query(params)) = params else {
        return expired();
    };
    let (goal, nonce_hash) = match (&params.challenge, params.to.as_deref(), params.act.as_deref()) {
        (Some(challenge), None, None) => match parse_hash(challenge) {
            Some(hash) => (Goal::Pane(Purpose::SignIn), hash),
            None => return expired(),
        },
        (None, Some("setup"), None) => (Goal::Page(Purpose::SignIn), [0; 32]),
        (None, Some("setup"), Some("refresh")) => (Goal::Refresh, [0; 32]),
        (None, Some("setup"), Some("change")) => (Goal::Change, [0; 32]),
        (None, Some("organisation"), Some("integration")) => (Goal::Integration, [0; 32]),
        _ => return expired(),
    };
    let mut user = None;
    if matches!(goal, Goal::Refresh | Goal::Change | Goal::Integration) {
        // Ordered by our own page alone: another could begin it, and hope that the user clicks through.
        let ours = headers
            .get("sec-fetch-site")
            .is_none_or(|site| site == "same-origin");
        match viewer.filter(|_| ours) {
            Some(viewer) if goal != Goal::Integration => user = Some(viewer.session.user_id),
            Some(viewer) => match integration_user::administrator(&app, &viewer).await {
                Ok(true) => user = Some(viewer.session.user_id),
                // The page says why not.
                Ok(false) => return Redirect::to(integration_user::PAGE).into_response(),
                Err(error) => {
                    tracing::error!(%error, "who administers is not known");
                    let failure = SignInFailure::Unavailable;
                    return notice::page(&app, StatusCode::SERVICE_UNAVAILABLE, failure);
                }
            },
            None => return Redirect::to("/setup").into_response(),
        }
    }
    let (binding, binding_hash) = session::new_token(&app);
    let begin = Begin {
        goal,
        nonce_hash,
        binding_hash,
        user,
    };
    match send_on(&app, begin).await {
        Ok(mut response) => {
            if let Some(value) = flow_cookie(FLOW_COOKIE, &binding) {
                response.headers_mut().insert(SET_COOKIE, value);
            }
            response
        }
        Err(response) => response,
    }
}

/// Notes the flow and redirects to Salesforce.
pub(super) async fn send_on(app: &App, begin: Begin) -> Result<Response, Response> {
    let failed = || notice::page(app, StatusCode::SERVICE_UNAVAILABLE, SignInFailure::Unavailable);
    let host = app.config.salesforce.login_hosts.first().ok_or_else(failed)?;
    let (mut url, state, pkce_verifier) =
        app.salesforce
            .authorize_url(host, begin.goal.purpose())
            .map_err(|error| {
                tracing::error!(%error, "no authorize address");
                failed()
            })?;
    if matches!(begin.goal, Goal::Change | Goal::Integration) {
        // Else Salesforce takes whoever is signed in there already.
        url.query_pairs_mut().append_pair("prompt", "login");
    }
    let now = app.clock.now();
    let flow = FlowRow {
        binding_hash: begin.binding_hash,
        nonce_hash: begin.nonce_hash,
        pkce_verifier,
        purpose: begin.goal.as_str().into(),
        login_host: host.to_string(),
        id_nonce: None,
        user_id: begin.user,
        created: now,
        expires: now.plus_seconds(FLOW_SECONDS),
    };
    app.store
        .put_flow(&session::hash(state.as_bytes()), &flow)
        .await
        .map_err(|error| {
            tracing::error!(%error, "sign-in not noted");
            failed()
        })?;
    Ok(redirect(&url))
}

/// Sends the browser on. Nothing of it is kept.
pub(super) fn redirect(url: &url::Url) -> Response {
    let mut headers = HeaderMap::new();
    if let Ok(location) = url.as_str().parse() {
        headers.insert(LOCATION, location);
    }
    headers.insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    (StatusCode::SEE_OTHER, headers).into_response()
}
