//! The sign-in with Microsoft: `GET /auth/microsoft/start?n=…` and `GET /auth/microsoft/callback`.
//!
//! The window knows neither the pane's session nor whose mailbox it is for. What it brings home waits, sealed, for the
//! pane whose nonce it was started with; only that pane's own session connects it.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use tandem_app::Handover;
use tandem_app::text::SignInFailure;
use tandem_mailbox::graph::{not_in_cloud, whoami};
use tandem_mailbox::microsoft::{Ask, MicrosoftApp, Prompt, Remedy, SignInError};
use tandem_store::{FlowRow, GrantSecret, WaitingSignIn};
use tandem_sync::ports::StoreError;
use tandem_sync::{Fault, FaultKind};

use super::start::redirect;
use super::{
    CODE_SECONDS, FLOW_SECONDS, MICROSOFT_COOKIE, TYPED_SECONDS, code_hash, flow_cookie, notice, parse_hash,
    six_digits,
};
use crate::config::MicrosoftConfig;
use crate::grants::owner_text;
use crate::http::{App, lang, session};

/// The word for such a flow in the store. No sign-in with Salesforce has it.
const PURPOSE: &str = "microsoft";
/// An address is never longer; what is longer suggests nothing.
const HINT_MAX: usize = 320;
const CLAIMS_MAX: usize = 4096;

#[derive(Deserialize)]
pub(crate) struct StartParams {
    /// SHA-256 of the nonce that the pane made, hexadecimal.
    n: String,
    /// The mailbox that Outlook shows: suggested to Microsoft, bound to nothing.
    hint: Option<String>,
    /// What Microsoft demanded of this sign-in when it ended the one before. Makes it stricter at most.
    claims: Option<String>,
}

pub(crate) async fn start(
    State(app): State<App>,
    params: Result<Query<StartParams>, QueryRejection>,
) -> Response {
    let Some(microsoft) = &app.microsoft else {
        return notice::page(&app, StatusCode::NOT_FOUND, SignInFailure::MicrosoftOff);
    };
    let begun = params
        .ok()
        .and_then(|Query(params)| parse_hash(&params.n).map(|nonce_hash| (nonce_hash, params)));
    let Some((nonce_hash, params)) = begun else {
        return notice::page(&app, StatusCode::BAD_REQUEST, SignInFailure::Expired);
    };
    match begin(&app, microsoft, nonce_hash, params).await {
        Ok(response) => response,
        Err(End::Failed(status, failure)) => notice::page(&app, status, failure),
        Err(End::Consent) => consent_page(&app, microsoft),
    }
}

/// Why the window ends without a code.
enum End {
    Failed(StatusCode, SignInFailure),
    /// An administrator has to agree for the organisation.
    Consent,
}

impl End {
    const fn expired() -> Self {
        Self::Failed(StatusCode::BAD_REQUEST, SignInFailure::Expired)
    }
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "sign-in with Microsoft not stored");
        Self::Failed(StatusCode::SERVICE_UNAVAILABLE, SignInFailure::Unavailable)
    }
}

impl From<SignInError> for End {
    fn from(error: SignInError) -> Self {
        tracing::warn!(%error, "sign-in with Microsoft failed");
        if error.lacks_consent() {
            return Self::Consent;
        }
        let (status, failure) = match error.remedy {
            Remedy::Later { .. } => (StatusCode::BAD_GATEWAY, SignInFailure::MicrosoftUnavailable),
            Remedy::Administrator => (StatusCode::BAD_GATEWAY, SignInFailure::MicrosoftRefused),
            Remedy::SignIn => {
                let failure = match error.code.as_str() {
                    "access_denied" => SignInFailure::MicrosoftCancelled,
                    "interaction_required" => SignInFailure::ConditionalAccess,
                    "wrong_tenant" => SignInFailure::TenantNotAllowed,
                    _ => SignInFailure::MicrosoftAgain,
                };
                (StatusCode::FORBIDDEN, failure)
            }
        };
        Self::Failed(status, failure)
    }
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        tracing::warn!(%fault, "Graph does not say who has signed in");
        match fault.kind {
            _ if not_in_cloud(&fault) => Self::Failed(StatusCode::FORBIDDEN, SignInFailure::NotInTheCloud),
            // Whatever else is wrong there: with this account there is no mailbox to be had.
            FaultKind::Rejected | FaultKind::NotFound => {
                Self::Failed(StatusCode::FORBIDDEN, SignInFailure::NotInTheCloud)
            }
            FaultKind::SignInEnded => Self::Failed(StatusCode::FORBIDDEN, SignInFailure::ConditionalAccess),
            _ => Self::Failed(StatusCode::BAD_GATEWAY, SignInFailure::MicrosoftUnavailable),
        }
    }
}

async fn begin(
    app: &App,
    microsoft: &MicrosoftApp,
    nonce_hash: [u8; 32],
    params: StartParams,
) -> Result<Response, End> {
    let hint = params
        .hint
        .filter(|hint| hint.len() <= HINT_MAX && hint.contains('@') && !hint.contains(char::is_control));
    let claims = params.claims.filter(|claims| {
        claims.len() <= CLAIMS_MAX
            && serde_json::from_str::<serde_json::Value>(claims).is_ok_and(|claims| claims.is_object())
    });
    let started = microsoft.authorize(&Ask {
        login_hint: hint,
        prompt: Prompt::SelectAccount,
        claims,
    })?;
    let (binding, binding_hash) = session::new_token(app);
    let now = app.clock.now();
    let flow = FlowRow {
        binding_hash,
        nonce_hash,
        pkce_verifier: started.verifier,
        purpose: PURPOSE.into(),
        login_host: microsoft.authority.to_string(),
        id_nonce: Some(started.nonce.expose_secret().to_owned()),
        user_id: None,
        created: now,
        expires: now.plus_seconds(FLOW_SECONDS),
    };
    app.store
        .put_flow(&session::hash(started.state.as_bytes()), &flow)
        .await?;
    let mut response = redirect(&started.url);
    if let Some(value) = flow_cookie(MICROSOFT_COOKIE, &binding) {
        response.headers_mut().insert(SET_COOKIE, value);
    }
    Ok(response)
}

#[derive(Deserialize)]
pub(crate) struct CallbackParams {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
    claims: Option<String>,
    /// An administrator has agreed. It proves nothing, and nothing follows from it: the next sign-in shows.
    admin_consent: Option<String>,
}

pub(crate) async fn callback(
    State(app): State<App>,
    params: Result<Query<CallbackParams>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let Some((microsoft, config)) = app.microsoft.as_ref().zip(app.config.microsoft.as_ref()) else {
        return notice::page(&app, StatusCode::NOT_FOUND, SignInFailure::MicrosoftOff);
    };
    let Ok(Query(params)) = params else {
        return notice::page(&app, StatusCode::BAD_REQUEST, SignInFailure::Expired);
    };
    if params.admin_consent.is_some() && params.code.is_none() {
        return consent_answer(&app, &params);
    }
    match finish(&app, microsoft, config, params, &headers).await {
        Ok(response) => response,
        Err(End::Failed(status, failure)) => notice::page(&app, status, failure),
        Err(End::Consent) => consent_page(&app, microsoft),
    }
}

async fn finish(
    app: &App,
    microsoft: &MicrosoftApp,
    config: &MicrosoftConfig,
    params: CallbackParams,
    headers: &HeaderMap,
) -> Result<Response, End> {
    let state = params.state.ok_or_else(End::expired)?;
    let now = app.clock.now();
    // Taken before anything else is looked at: a state works once, whatever came with it.
    let flow = app
        .store
        .take_flow(&session::hash(state.as_bytes()), now)
        .await?
        .filter(|flow| flow.purpose == PURPOSE)
        .ok_or_else(End::expired)?;
    let binding = session::cookie(headers, MICROSOFT_COOKIE)
        .map(|token| session::hash(token.as_bytes()))
        .ok_or_else(End::expired)?;
    if !bool::from(binding.ct_eq(&flow.binding_hash)) {
        return Err(End::expired());
    }
    if let Some(error) = params.error {
        let (description, claims) = (params.error_description.as_deref(), params.claims.as_deref());
        return Err(SignInError::from_callback(&error, description, claims).into());
    }
    let code = params.code.ok_or_else(End::expired)?;
    let nonce = SecretString::from(flow.id_nonce.clone().ok_or_else(End::expired)?);
    let signed_in = microsoft
        .exchange_code(
            &app.net,
            &SecretString::from(code),
            &flow.pkce_verifier,
            &nonce,
            now,
        )
        .await?;
    let who = whoami(&app.net, &config.graph_v1(), &signed_in.tokens.access).await?;
    let waiting = WaitingSignIn {
        grant: GrantSecret {
            access_token: signed_in.tokens.access,
            refresh_token: signed_in.refresh,
            instance_url: String::new(),
            owner: owner_text(&signed_in.identity.owner),
            issued_at: now,
            expires: Some(signed_in.tokens.expires_at),
            previous_refresh: None,
        },
        address: who.address,
        addresses: who.addresses,
        session: None,
    };
    hand_over(app, &flow.nonce_hash, &waiting).await
}

async fn hand_over(app: &App, nonce_hash: &[u8; 32], waiting: &WaitingSignIn) -> Result<Response, End> {
    let (code, _) = session::new_token(app);
    let digits = six_digits(&app.random_32());
    let now = app.clock.now();
    app.store
        .put_sign_in(
            nonce_hash,
            (&code_hash(&code, nonce_hash), now.plus_seconds(CODE_SECONDS)),
            (&code_hash(&digits, nonce_hash), now.plus_seconds(TYPED_SECONDS)),
            waiting,
            now,
        )
        .await?;
    Ok(notice::hand_over(app, Handover::Office, &code, &digits))
}

/// With the link that an administrator opens. Its state binds to nothing, as nothing follows from its answer.
fn consent_page(app: &App, microsoft: &MicrosoftApp) -> Response {
    let (state, _) = session::new_token(app);
    match microsoft.admin_consent_url(&state) {
        Ok(url) => notice::consent(app, url.as_str()),
        Err(error) => {
            tracing::error!(%error, "no address for an administrator's consent");
            notice::page(app, StatusCode::BAD_GATEWAY, SignInFailure::MicrosoftRefused)
        }
    }
}

fn consent_answer(app: &App, params: &CallbackParams) -> Response {
    let given = params.error.is_none()
        && params
            .admin_consent
            .as_deref()
            .is_some_and(|given| given.eq_ignore_ascii_case("true"));
    let words = if given {
        tandem_app::text::CONSENT_GIVEN
    } else {
        tandem_app::text::CONSENT_NOT_GIVEN
    };
    notice::said(app, StatusCode::OK, lang::say(|| words.get()))
}
