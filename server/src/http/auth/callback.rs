//! `GET /auth/callback`: Salesforce sends the sign-in window back with a code.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use tandem_app::Handover;
use tandem_app::text::SignInFailure;
use tandem_crm::{Identity, Purpose, TokenSet};
use tandem_store::{CodeRow, FlowRow, GrantSecret, NewUser, Provider};
use tandem_sync::FaultKind;
use tandem_sync::ports::StoreError;
use tandem_types::{ConnectionId, StateReason, SyncState};

use super::goal::Goal;
use super::start::Begin;
use super::{
    CODE_SECONDS, FLOW_COOKIE, code_hash, integration_user, notice, salesforce_account, six_digits, start,
};
use crate::clock::new_id;
use crate::http::{App, session};
use crate::patience;

#[derive(Deserialize)]
pub(crate) struct Params {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
}

/// Why the sign-in ends here: the page's status and text.
pub(super) struct Refused(pub(super) StatusCode, pub(super) SignInFailure);

impl Refused {
    pub(super) const fn expired() -> Self {
        Self(StatusCode::BAD_REQUEST, SignInFailure::Expired)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "sign-in not stored");
        Self(StatusCode::SERVICE_UNAVAILABLE, SignInFailure::Unavailable)
    }
}

impl From<tandem_sync::Fault> for Refused {
    fn from(fault: tandem_sync::Fault) -> Self {
        tracing::warn!(%fault, "sign-in with Salesforce failed");
        match fault.kind {
            FaultKind::Rejected | FaultKind::SignInEnded => {
                Self(StatusCode::FORBIDDEN, SignInFailure::Cancelled)
            }
            _ => Self(StatusCode::BAD_GATEWAY, SignInFailure::Unavailable),
        }
    }
}

pub(crate) async fn get(
    State(app): State<App>,
    params: Result<Query<Params>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let Ok(Query(params)) = params else {
        return notice::page(&app, StatusCode::BAD_REQUEST, SignInFailure::Expired);
    };
    let this = app.clone();
    // A task of its own: a window that is closed meanwhile must not leave a grant behind that nobody knows.
    let finished = tokio::spawn(async move { finish(&this, params, &headers).await });
    let finished = finished.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a sign-in broke off");
        Err(Refused(
            StatusCode::INTERNAL_SERVER_ERROR,
            SignInFailure::Unavailable,
        ))
    });
    match finished {
        Ok(response) => response,
        Err(Refused(status, text)) => notice::page(&app, status, text),
    }
}

async fn finish(app: &App, params: Params, headers: &HeaderMap) -> Result<Response, Refused> {
    let bad = Refused::expired;
    let state = params.state.ok_or_else(bad)?;
    // Taken before anything else is looked at: a state works once, whatever came with it.
    let flow = app
        .store
        .take_flow(&session::hash(state.as_bytes()), app.clock.now())
        .await?
        .ok_or_else(bad)?;
    let binding = session::cookie(headers, FLOW_COOKIE)
        .map(|t| session::hash(t.as_bytes()))
        .ok_or_else(bad)?;
    if !bool::from(binding.ct_eq(&flow.binding_hash)) {
        return Err(bad());
    }
    // A flow that went to Microsoft does not come back from Salesforce.
    let goal = Goal::parse(&flow.purpose).ok_or_else(bad)?;
    if let Some(error) = params.error {
        let word = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
        tracing::info!(error = %error.chars().filter(word).take(64).collect::<String>(), "sign-in ended at Salesforce");
        return Err(Refused(StatusCode::FORBIDDEN, SignInFailure::Cancelled));
    }
    let code = params.code.ok_or_else(bad)?;
    let host = flow.login_host.parse().map_err(|_| bad())?;
    let tokens = app
        .salesforce
        .exchange_code(&app.net, &host, &SecretString::from(code), &flow.pkce_verifier)
        .await?;
    let identity = app.salesforce.identity(&app.net, &tokens).await?;
    if !app.salesforce.allows(&identity.org_id) {
        tracing::warn!(org = %identity.org_id, "sign-in from an organisation that is not allowed");
        discard(app, &host, &tokens).await;
        return Err(Refused(StatusCode::FORBIDDEN, SignInFailure::OrgNotAllowed));
    }
    if goal.purpose() == Purpose::Sync && identity.org_name.is_none() {
        // The grant has the scope, and even the organisation's name could not be read with it.
        tracing::warn!(user = %identity.user_id, "the user cannot use Salesforce's API");
        discard(app, &host, &tokens).await;
        return Err(Refused(StatusCode::FORBIDDEN, SignInFailure::ApiNotAllowed));
    }
    if goal == Goal::Integration {
        return integration_user::finish(app, &flow, &host, tokens, &identity).await;
    }
    if matches!(goal, Goal::Refresh | Goal::Change) {
        return salesforce_account::finish(app, &flow, goal, &host, tokens, &identity).await;
    }
    let connection = note_user(app, &identity).await?;
    if goal.purpose() == Purpose::Sync {
        keep_grant(app, &connection, &host, tokens, &identity).await?;
    } else if needs_grant(app, &connection).await? {
        // The first sign-in is the one that the sync uses: Salesforce knows the user now, and asks for consent only.
        let begin = Begin {
            goal: goal.with_grant(),
            nonce_hash: flow.nonce_hash,
            binding_hash: flow.binding_hash,
            user: None,
        };
        return start::send_on(app, begin)
            .await
            .map_err(|_| Refused(StatusCode::SERVICE_UNAVAILABLE, SignInFailure::Unavailable));
    }
    match goal {
        Goal::Page(_) => salesforce_account::enter(app, &identity).await,
        _ => hand_over(app, &flow, &identity).await,
    }
}

pub(super) async fn note_user(app: &App, identity: &Identity) -> Result<ConnectionId, StoreError> {
    let now = app.clock.now();
    let user = NewUser {
        org_id: identity.org_id.clone(),
        user_id: identity.user_id.clone(),
        username: identity.username.clone(),
        name: identity.display_name.clone(),
        email: identity.email.clone(),
        // A sign-in without the scope `api` does not tell it.
        org_name: match (&identity.org_name, app.store.user(&identity.user_id).await?) {
            (Some(name), _) => name.clone(),
            (None, Some(known)) => known.org_name,
            (None, None) => String::new(),
        },
        instance_url: identity.instance_url.to_string(),
    };
    app.store.upsert_user(&user, now).await?;
    let row = app
        .store
        .ensure_connection(&identity.user_id, new_id(app.rng.as_ref()), now)
        .await?;
    app.store
        .audit(&identity.org_id, &identity.user_id, "sign_in", "", now)
        .await?;
    Ok(row.id)
}

/// At most five refresh tokens live per user and app: a sign-in to the pane asks for none while one is stored.
async fn needs_grant(app: &App, connection: &ConnectionId) -> Result<bool, StoreError> {
    if app.store.grant(connection, Provider::Salesforce).await?.is_none() {
        return Ok(true);
    }
    let row = app.store.connection(connection).await?;
    Ok(row.is_some_and(|r| r.reason == Some(StateReason::SalesforceSignInEnded)))
}

pub(super) async fn keep_grant(
    app: &App,
    connection: &ConnectionId,
    host: &url::Url,
    tokens: TokenSet,
    identity: &Identity,
) -> Result<(), Refused> {
    let Some(refresh_token) = tokens.refresh.clone() else {
        tracing::error!("Salesforce gave no refresh token: the app lacks the scope refresh_token");
        return Err(Refused(StatusCode::BAD_GATEWAY, SignInFailure::Unavailable));
    };
    let now = app.clock.now();
    let old = app.store.grant(connection, Provider::Salesforce).await?;
    let grant = GrantSecret {
        access_token: tokens.access.clone(),
        refresh_token,
        instance_url: tokens.instance_url.to_string(),
        owner: String::new(),
        issued_at: now,
        expires: None,
        previous_refresh: None,
    };
    app.store
        .put_grant(connection, Provider::Salesforce, grant, now)
        .await?;
    if let Some((old, _)) = old {
        // The new one is durable; that the old one lives on for a while harms nothing.
        if let Err(fault) = app.salesforce.revoke(&app.net, host, &old.refresh_token).await {
            tracing::warn!(%fault, "the replaced grant was not revoked");
        }
    }
    app.store
        .audit(&identity.org_id, &identity.user_id, "grant_stored", "", now)
        .await?;
    if let Some(row) = app.store.connection(connection).await?
        && row.state == SyncState::NeedsActivation
        && row.reason == Some(StateReason::SalesforceSignInEnded)
    {
        let to = if row.mailbox.is_some() {
            SyncState::Active
        } else {
            SyncState::NotActivated
        };
        let due = match to {
            SyncState::Active => Some(patience::next_start(app, &row, now).await?),
            _ => None,
        };
        let reason = patience::reason(&row);
        app.store
            .set_state(connection, &[SyncState::NeedsActivation], to, reason, due, now)
            .await?;
        app.hub.wake_worker();
    }
    app.hub.changed(connection);
    Ok(())
}

/// A grant that nobody will use is not left lying about.
pub(super) async fn discard(app: &App, host: &url::Url, tokens: &TokenSet) {
    let token = tokens.refresh.as_ref().unwrap_or(&tokens.access);
    if let Err(fault) = app.salesforce.revoke(&app.net, host, token).await {
        tracing::warn!(%fault, "a refused sign-in's grant was not revoked");
    }
}

async fn hand_over(app: &App, flow: &FlowRow, identity: &Identity) -> Result<Response, Refused> {
    let (code, _) = session::new_token(app);
    let digits = six_digits(&app.random_32());
    let expires = app.clock.now().plus_seconds(CODE_SECONDS);
    for text in [&code, &digits] {
        let row = CodeRow {
            user_id: identity.user_id.clone(),
            org_id: identity.org_id.clone(),
            nonce_hash: flow.nonce_hash,
            expires,
        };
        app.store
            .put_code(&code_hash(text, &flow.nonce_hash), &row)
            .await?;
    }
    Ok(notice::hand_over(app, Handover::Salesforce, &code, &digits))
}
