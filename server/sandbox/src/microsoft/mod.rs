//! Microsoft's sign-in: OAuth2 and OpenID Connect of the identity platform, for two directories.
//!
//! The company's directory holds the staff and an administrator without a mailbox; another organisation's holds a
//! stranger. One application is registered for both.

mod admin;
mod answer;
mod bearer;
mod control;
mod error;
mod jwt;
mod request;
mod scopes;
mod sign_in;
mod state;
mod token;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State as Extract};
use axum::response::Response;
use http::request::Parts;
use http::{Method, header};
use serde_json::{Value, json};

use crate::company::Company;
use crate::faults::Faults;
use crate::pages::Form;
use crate::serve::{Service, Via};
use crate::{ClientInfo, Now, Outsider};
use answer::{Answer, Call};
pub(crate) use bearer::{Granted, Refused};
use error::{Ids, Trouble};
use request::Audience;
use state::{ADMINISTRATOR, SECOND, STRANGER, State};

/// The service; clones share the directories.
#[derive(Clone)]
pub(crate) struct Directory(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    faults: Arc<Faults>,
    now: Now,
}

impl Directory {
    pub(crate) fn new(company: &Company, seed: u64, faults: Arc<Faults>, now: Now) -> anyhow::Result<Self> {
        let state = Mutex::new(State::new(company, seed)?);
        Ok(Self(Arc::new(Inner { state, faults, now })))
    }

    /// All addresses of the service.
    pub(crate) fn router(&self) -> Router {
        Router::new().fallback(handle).with_state(self.clone())
    }

    /// The control API, to be nested under `/microsoft`.
    pub(crate) fn control(&self) -> Router {
        control::router(self.clone())
    }

    /// Who shows this access token; `now` in microseconds.
    pub(crate) fn bearer(&self, token: &str, now: i64) -> Result<Granted, Refused> {
        self.lock().bearer(token, now)
    }

    /// Whose token it is, good or not: for the log.
    pub(crate) fn whose(&self, token: &str) -> Option<String> {
        let state = self.lock();
        let account = state.owner(token)?;
        Some(state.accounts[account].mail.clone())
    }

    pub(crate) fn client(&self) -> ClientInfo {
        let state = self.lock();
        ClientInfo {
            id: state.client_id.clone(),
            secret: state.client_secret.clone(),
        }
    }

    /// The company's directory.
    pub(crate) fn tenant_id(&self) -> String {
        self.lock().tenants[0].id.clone()
    }

    pub(crate) fn administrator(&self) -> Outsider {
        self.outsider(ADMINISTRATOR)
    }

    pub(crate) fn stranger(&self) -> Outsider {
        self.outsider(STRANGER)
    }

    fn outsider(&self, from_the_end: usize) -> Outsider {
        let state = self.lock();
        let account = state.accounts.len() - 1 - from_the_end;
        let user = &state.accounts[account];
        Outsider {
            name: user.name.clone(),
            username: user.username.clone(),
            password: user.password.clone(),
            tenant_id: state.tenant_of(account).id.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> i64 {
        (self.0.now)()
    }

    fn answer(&self, parts: &Parts, body: &[u8]) -> Answer {
        let now = self.now();
        let mut state = self.lock();
        let sent = parts
            .headers
            .get("client-request-id")
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned);
        let ids = Ids {
            origin: origin(parts),
            trace: state.guid(),
            correlation: sent.unwrap_or_else(|| state.guid()),
            timestamp: timestamp(now),
        };
        let call = Call {
            parts,
            body,
            now,
            ids,
            faults: &self.0.faults,
        };
        let (path, method) = (segments(parts), parts.method.as_str());
        match (path.as_slice(), method) {
            ([segment, "oauth2", "v2.0", "authorize"], "GET" | "POST") => {
                sign_in::authorize(&mut state, &call, segment)
            }
            ([_, "login"], "POST") => sign_in::login(&mut state, &call),
            ([_, "SAS", "ProcessAuth"], "POST") => sign_in::verify(&mut state, &call),
            ([_, "Consent", "Set"], "POST") => sign_in::consent(&mut state, &call),
            ([_, "oauth2", "v2.0", "logout"], "GET" | "POST") => sign_in::logout(&mut state, &call),
            ([segment, "oauth2", "v2.0", "token"], "POST") => token::answer(&mut state, &call, segment),
            ([segment, "adminconsent"], "GET" | "POST") => admin::answer(&mut state, &call, segment, false),
            ([segment, "v2.0", "adminconsent"], "GET" | "POST") => {
                admin::answer(&mut state, &call, segment, true)
            }
            ([segment, "v2.0", ".well-known", "openid-configuration"], "GET") => {
                configuration(&state, &call, segment)
            }
            (["discovery" | "common", "v2.0", "keys"] | [_, "discovery", "v2.0", "keys"], "GET") => {
                Answer::json(200, &state.signer.document())
            }
            ([_, "oauth2", "v2.0", "token"], _) => {
                let trouble = Trouble::request(
                    900_561,
                    format!("The endpoint only accepts POST requests. Received a {method} request."),
                );
                Answer::json(400, &trouble.to_json(&call.ids))
            }
            _ => {
                tracing::warn!(path = parts.uri.path(), method, "unknown Microsoft address");
                let trouble = Trouble::request(
                    900_023,
                    format!("The sandbox does not know {method} {}.", parts.uri.path()),
                );
                Answer::json(404, &trouble.to_json(&call.ids))
            }
        }
    }
}

fn segments(parts: &Parts) -> Vec<&str> {
    parts.uri.path().split('/').skip(1).collect()
}

/// `2026-11-02 02:02:12Z`
fn timestamp(now: i64) -> String {
    jiff::Timestamp::from_second(now.div_euclid(SECOND))
        .map(|t| t.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
        .unwrap_or_default()
}

/// <https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata>
fn configuration(state: &State, call: &Call<'_>, segment: &str) -> Answer {
    let issuer = match Audience::of(state, segment) {
        Ok(Audience::Tenant(n)) => state.tenants[n].id.clone(),
        // Who signs in decides.
        Ok(Audience::Any | Audience::Personal) => "{tenantid}".to_owned(),
        Err(trouble) => return Answer::json(400, &trouble.to_json(&call.ids)),
    };
    let origin = call.origin();
    Answer::json(
        200,
        &json!({
            "issuer": format!("{origin}/{issuer}/v2.0"),
            "authorization_endpoint": format!("{origin}/{segment}/oauth2/v2.0/authorize"),
            "token_endpoint": format!("{origin}/{segment}/oauth2/v2.0/token"),
            "end_session_endpoint": format!("{origin}/{segment}/oauth2/v2.0/logout"),
            "jwks_uri": format!("{origin}/{segment}/discovery/v2.0/keys"),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "response_modes_supported": ["query"],
            "response_types_supported": ["code"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "claims_supported": [
                "sub", "iss", "aud", "exp", "iat", "nonce", "preferred_username", "name", "tid", "ver", "email",
            ],
            "request_uri_parameter_supported": false,
        }),
    )
}

/// The address under which the client came in.
fn origin(parts: &Parts) -> String {
    if let Some(via) = parts.extensions.get::<Via>() {
        let origins = &via.origins;
        let origin = if via.scheme == "https" {
            &origins.microsoft_https
        } else {
            &origins.microsoft_http
        };
        return origin.clone();
    }
    let host = parts.headers.get(header::HOST).and_then(|h| h.to_str().ok());
    format!("http://{}", host.unwrap_or("localhost"))
}

async fn handle(Extract(directory): Extract<Directory>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // The layer in front has limited its size.
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    directory.answer(&parts, &bytes).into_response()
}

impl Service for Directory {
    fn service(&self, _parts: &Parts) -> &'static str {
        "microsoft"
    }

    fn operation(&self, parts: &Parts, body: &[u8]) -> String {
        match segments(parts).as_slice() {
            [_, "oauth2", "v2.0", "authorize"] => "authorize",
            [_, "oauth2", "v2.0", "logout"] => "logout",
            [_, "oauth2", "v2.0", "token"] => token::operation(&Form::parse(body)),
            [_, "login"] => "login",
            [_, "SAS", "ProcessAuth"] => "verify",
            [_, "Consent", "Set"] => "consent",
            [_, "adminconsent"] | [_, "v2.0", "adminconsent"] => "adminconsent",
            [_, "v2.0", ".well-known", "openid-configuration"] => "configuration",
            [.., "v2.0", "keys"] => "keys",
            _ => "unknown",
        }
        .to_owned()
    }

    fn user(&self, parts: &Parts, body: &[u8]) -> Option<String> {
        if parts.method != Method::POST {
            return None;
        }
        let form = Form::parse(body);
        if let Some(name) = form.get("loginfmt") {
            return Some(name.trim().to_owned());
        }
        let state = self.lock();
        let account = token::owner(&state, &form)
            .or_else(|| state.flows.get(form.get("ctx")?).and_then(|flow| flow.account))?;
        Some(state.accounts[account].username.clone())
    }

    fn counters(&self) -> Value {
        let state = self.lock();
        let grants: usize = (0..state.accounts.len())
            .map(|a| state.grants_of(a).count())
            .sum();
        json!({
            "logins": state.counters.logins,
            "failed_logins": state.counters.failed_logins,
            "redeemed": state.counters.redeemed,
            "refreshes": state.counters.refreshes,
            "grants": grants,
        })
    }

    fn reset_counters(&self) {
        self.lock().counters = state::Counters::default();
    }
}
