//! Salesforce: login page, OAuth2, the REST API, some of the Tooling API and of SOAP, for one organisation.

mod access;
mod activity;
mod collections;
mod composite;
mod control;
mod describe;
mod email;
mod error;
mod ids;
mod lifecycle;
mod listview;
mod oauth;
mod query;
mod rest;
mod rows;
mod schema;
mod seed;
mod setup;
mod soap;
mod soql;
mod state;
mod tooling;
mod value;
mod window;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State as Extract};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, header};
use serde_json::{Value, json};

use crate::company::Company;
use crate::faults::{Faults, Kind};
use crate::log::Log;
use crate::serve::{Service, Via};
use crate::{Now, Options};
use error::ApiError;
use oauth::{Answer, Form};
use rest::{Ask, Reply, VERSIONS};
use state::State;

/// A URI longer than this is refused, as Salesforce does: long queries belong into composite requests.
const LONGEST_URI: usize = 16_384;

/// The service; clones share one organisation.
#[derive(Clone)]
pub(crate) struct Salesforce(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    faults: Arc<Faults>,
    log: Arc<Log>,
    now: Now,
}

impl Salesforce {
    /// The organisation of that company.
    pub(crate) fn new(
        company: &Company,
        options: &Options,
        faults: Arc<Faults>,
        log: Arc<Log>,
        now: Now,
    ) -> Self {
        let state = Mutex::new(State::new(company, options, now().div_euclid(1000)));
        Self(Arc::new(Inner {
            state,
            faults,
            log,
            now,
        }))
    }

    /// All addresses of the service.
    pub(crate) fn router(&self) -> Router {
        Router::new().fallback(handle).with_state(self.clone())
    }

    /// The control API, to be nested under `/salesforce`.
    pub(crate) fn control(&self) -> Router {
        control::router(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> i64 {
        (self.0.now)().div_euclid(1000)
    }

    fn answer(&self, parts: &Parts, body: &[u8]) -> Response {
        let (segments, _) = composite::split(parts.uri.path());
        let names: Vec<&str> = segments.iter().map(String::as_str).collect();
        match names.as_slice() {
            ["services", "oauth2", operation] => {
                self.login(parts, body, |s, c| oauth::answer(s, c, operation))
            }
            ["id", org, user] => self.login(parts, body, |s, c| oauth::identity(s, c, org, user)),
            ["services", "data"] => {
                if parts.method == Method::GET {
                    json_response(200, &[], Some(&versions()))
                } else {
                    let error = ApiError::call(
                        405,
                        "METHOD_NOT_ALLOWED",
                        format!("HTTP Method '{}' not allowed. Allowed are GET", parts.method),
                    );
                    json_response(405, &[], Some(&json!([error.to_json()])))
                }
            }
            ["services", "data", version, rest @ ..] => self.rest(parts, body, version, rest),
            ["services", "Soap", "u", version, ..] => self.soap(parts, body, version),
            _ if window::is_page(parts.uri.path()) => {
                self.login(parts, body, |s, c| window::answer(s, c.parts, c.body, c.now_ms))
            }
            _ => {
                tracing::warn!(path = parts.uri.path(), "unknown Salesforce address");
                let error = ApiError::not_found();
                json_response(404, &[], Some(&json!([error.to_json()])))
            }
        }
    }

    fn login(
        &self,
        parts: &Parts,
        body: &[u8],
        work: impl FnOnce(&mut State, &oauth::Call<'_>) -> Answer,
    ) -> Response {
        let origin = origin(parts);
        let call = oauth::Call {
            parts,
            body,
            now_ms: self.now_ms(),
            origin: &origin,
            faults: &self.0.faults,
        };
        let answer = work(&mut self.lock(), &call);
        match answer {
            Answer::Json(status, value) => json_response(status, &[], Some(&value)),
            Answer::Page(status, html) => {
                respond(status, &[("content-type", "text/html; charset=UTF-8")], html)
            }
            Answer::Style(text) => respond(200, &[("content-type", "text/css; charset=UTF-8")], text),
            Answer::Redirect(to) => respond(302, &[("location", &to)], String::new()),
            Answer::LoggedIn(to, sid) => {
                let cookie = format!("sid={sid}; Path=/; HttpOnly; SameSite=Lax");
                respond(302, &[("location", &to), ("set-cookie", &cookie)], String::new())
            }
            Answer::Text(status, text) => respond(
                status,
                &[("content-type", "text/plain; charset=UTF-8")],
                text.to_owned(),
            ),
            Answer::Empty(status) => respond(status, &[], String::new()),
        }
    }

    fn rest(&self, parts: &Parts, body: &[u8], version: &str, rest: &[&str]) -> Response {
        let mut state = self.lock();
        match self.checked(&mut state, parts, body, version, rest) {
            Ok(reply) => {
                let info = format!("api-usage={}/{}", state.api_used, state.knobs.api_limit);
                let mut headers: Vec<(&str, &str)> = vec![("sforce-limit-info", &info)];
                headers.extend(reply.headers.iter().map(|(n, v)| (*n, v.as_str())));
                match reply.file {
                    Some(bytes) => {
                        headers.push(("content-type", "application/octetstream"));
                        respond(reply.status, &headers, bytes)
                    }
                    None => json_response(reply.status, &headers, reply.body.as_ref()),
                }
            }
            Err(error) => json_response(error.status, &[], Some(&json!([error.to_json()]))),
        }
    }

    /// Whose session it is, and whether the organisation answers it now; counts the call.
    fn admit<'s>(
        &'s self,
        state: &mut State,
        headers: &http::HeaderMap,
        operation: &str,
        version: u32,
    ) -> Result<rest::Call<'s>, ApiError> {
        let expired = || ApiError::call(401, "INVALID_SESSION_ID", "Session expired or invalid");
        let token = state.auth.token(headers).ok_or_else(expired)?;
        if !token.has("api") {
            return Err(ApiError::call(
                401,
                "INVALID_SESSION_ID",
                "This session is not valid for use with the REST API",
            ));
        }
        let user = token.user;
        state.refresh_permissions();
        let login = &state.users[user];
        let call = rest::Call {
            user,
            username: login.username.clone(),
            now_ms: self.now_ms(),
            n: self.0.log.last(),
            faults: &self.0.faults,
            base: format!("/services/data/v{version}.0"),
        };
        if !login.active || call.fault(operation, |k| *k == Kind::CredentialsWrong).is_some() {
            return Err(expired());
        }
        if state.knobs.api_disabled || !login.api {
            return Err(ApiError::call(
                403,
                "API_DISABLED_FOR_ORG",
                "The REST API is not enabled for this Organization.",
            ));
        }
        if state.api_used >= state.knobs.api_limit
            || call
                .fault(operation, |k| matches!(k, Kind::Throttle { .. }))
                .is_some()
        {
            return Err(ApiError::call(
                403,
                "REQUEST_LIMIT_EXCEEDED",
                "TotalRequests Limit exceeded.",
            ));
        }
        state.api_used += 1;
        state.requests += 1;
        Ok(call)
    }

    /// The SOAP API, of which one operation is played.
    fn soap(&self, parts: &Parts, body: &[u8], version: &str) -> Response {
        let mut state = self.lock();
        let known = composite::version(&format!("v{version}")).filter(|v| VERSIONS.contains(v));
        let answer = soap::read(parts, body).and_then(|request| {
            let number = known.ok_or_else(|| soap::Fault::version(version))?;
            let call = self.admit(&mut state, &request.headers, "undelete", number)?;
            soap::undelete(&mut state, &call, &request.ids)
        });
        let (status, text) = match answer {
            Ok(text) => (200, text),
            Err(fault) => (500, fault.to_xml()),
        };
        respond(status, &[("content-type", "text/xml;charset=UTF-8")], text)
    }

    /// What comes before any resource: version, session, permissions, limits.
    fn checked(
        &self,
        state: &mut State,
        parts: &Parts,
        body: &[u8],
        version: &str,
        rest: &[&str],
    ) -> Result<Reply, ApiError> {
        if parts
            .uri
            .path_and_query()
            .is_some_and(|p| p.as_str().len() > LONGEST_URI)
        {
            return Err(ApiError::call(
                414,
                "URI_TOO_LONG",
                "The URI is longer than 16384 bytes",
            ));
        }
        let number = match composite::version(version) {
            Some(number) if VERSIONS.contains(&number) => number,
            Some(number) if number < *VERSIONS.start() => {
                return Err(ApiError::call(
                    410,
                    "UNSUPPORTED_API_VERSION",
                    format!("API version {number}.0 is retired"),
                ));
            }
            _ => return Err(ApiError::not_found()),
        };
        let operation = rest::operation(parts.method.as_str(), rest);
        let call = self.admit(state, &parts.headers, operation, number)?;
        let ask = Ask {
            method: parts.method.clone(),
            segments: rest.iter().map(|s| (*s).to_owned()).collect(),
            query: Form::parse(parts.uri.query().unwrap_or_default().as_bytes()),
            headers: &parts.headers,
            body: json_body(parts, body)?,
            nested: false,
        };
        Ok(rest::answer(state, &call, &ask))
    }
}

async fn handle(Extract(salesforce): Extract<Salesforce>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // The layer in front has limited its size.
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    salesforce.answer(&parts, &bytes)
}

/// The address under which the client came in.
fn origin(parts: &Parts) -> String {
    if let Some(via) = parts.extensions.get::<Via>() {
        let origins = &via.origins;
        let origin = if via.scheme == "https" {
            &origins.salesforce_https
        } else {
            &origins.salesforce_http
        };
        return origin.clone();
    }
    let host = parts
        .headers
        .get(header::HOST)
        .and_then(|h| h.to_str().ok())
        .unwrap_or("localhost");
    format!("http://{host}")
}

fn json_body(parts: &Parts, body: &[u8]) -> Result<Option<Value>, ApiError> {
    if body.is_empty() || matches!(parts.method, Method::GET | Method::DELETE) {
        return Ok(None);
    }
    let kind = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    if !kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .eq_ignore_ascii_case("application/json")
    {
        return Err(ApiError::call(
            415,
            "UNSUPPORTED_MEDIA_TYPE",
            format!("Content type '{kind}' is not supported for this resource."),
        ));
    }
    serde_json::from_slice(body)
        .map(Some)
        .map_err(|error| ApiError::json(format!("Unexpected input: {error}")))
}

/// <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_versions.htm>
fn versions() -> Value {
    let list: Vec<Value> = VERSIONS
        .map(|v| {
            // Three releases a year; 65 is Winter '26.
            let season = ["Spring", "Summer", "Winter"][usize::try_from(v % 3).unwrap_or_default()];
            let year = 26 + (i64::from(v) - 65).div_euclid(3);
            json!({
                "label": format!("{season} '{year}"),
                "url": format!("/services/data/v{v}.0"),
                "version": format!("{v}.0"),
            })
        })
        .collect();
    json!(list)
}

fn json_response(status: u16, headers: &[(&str, &str)], body: Option<&Value>) -> Response {
    let mut all: Vec<(&str, &str)> = vec![(
        "cache-control",
        "no-cache,must-revalidate,max-age=0,no-store,private",
    )];
    if body.is_some() {
        all.push(("content-type", "application/json;charset=UTF-8"));
    }
    all.extend(headers);
    respond(status, &all, body.map(Value::to_string).unwrap_or_default())
}

fn respond(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

impl Service for Salesforce {
    fn service(&self, parts: &Parts) -> &'static str {
        let path = parts.uri.path();
        if path.starts_with("/services/oauth2") || path.starts_with("/id/") {
            "login"
        } else if window::is_page(path) {
            // What a person looks at is no request of a client's.
            "window"
        } else {
            "salesforce"
        }
    }

    fn operation(&self, parts: &Parts, body: &[u8]) -> String {
        let (segments, _) = composite::split(parts.uri.path());
        let names: Vec<&str> = segments.iter().map(String::as_str).collect();
        match names.as_slice() {
            // The page and the logon are told apart: only the latter sends a password.
            ["services", "oauth2", "authorize"] if parts.method == Method::GET => "login_page",
            ["services", "oauth2", operation] => operation,
            ["id", ..] => "identity",
            ["services", "data"] => "versions",
            ["services", "data", _, rest @ ..] => rest::operation(parts.method.as_str(), rest),
            ["services", "Soap", "u", ..] => soap::operation(parts, body),
            _ if window::is_page(parts.uri.path()) => "page",
            _ => "unknown",
        }
        .to_owned()
    }

    fn user(&self, parts: &Parts, body: &[u8]) -> Option<String> {
        let state = self.lock();
        let session = soap::session_of(parts, body);
        let headers = session.as_ref().unwrap_or(&parts.headers);
        let user = if let Some(token) = state.auth.token(headers) {
            token.user
        } else {
            let form = Form::parse(body);
            if let Some(name) = form.get("username") {
                return Some(name.trim().to_owned());
            }
            state.auth.user_of_form(&form)?
        };
        Some(state.users[user].username.clone())
    }

    fn counters(&self) -> Value {
        let state = self.lock();
        json!({
            "requests": state.requests,
            "sub_operations": state.sub_operations,
            "grants": state.auth.live_grants(),
            "grants_issued": state.auth.issued_grants(),
            "refreshes": state.auth.refreshes,
            "logins": state.auth.logins,
            "failed_logins": state.auth.failed_logins,
            "api_usage": state.api_used,
        })
    }

    fn reset_counters(&self) {
        let mut state = self.lock();
        state.requests = 0;
        state.sub_operations.clear();
        state.auth.refreshes = 0;
        state.auth.logins = 0;
        state.auth.failed_logins = 0;
    }
}
