//! Microsoft Graph v1.0, as far as mailboxes go: the same mailboxes that EWS shows, under Graph's names.
//!
//! <https://learn.microsoft.com/graph/api/overview>. What the sandbox does not know, it refuses, and says what it was.

mod answer;
mod attach;
mod batch;
mod call;
mod contact;
mod control;
mod delta;
mod event;
mod extended;
mod folders;
mod message;
mod profile;
mod query;
mod recurrence;
mod task;
mod translate;
mod values;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request as HttpRequest, State as Shared};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, Method, header};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use self::answer::{Outcome, Refused, response};
use self::batch::Step;
use self::call::{Call, Prefer, Request};
use self::control::Knobs;
use self::query::Query;
use crate::Now;
use crate::exchange::Exchange;
use crate::exchange::store::{Home, hex};
use crate::faults::{Faults, Kind};
use crate::log::Log;
use crate::microsoft::{Directory, Granted, Refused as NoToken};
use crate::serve::{Service, Via};

/// A window of throttling, in microseconds.
const WINDOW: i64 = 600 * 1_000_000;
/// A batch runs so many of its steps at once.
const SIDE_BY_SIDE: usize = 4;

/// Segments that are no ids.
const WORDS: &[&str] = &[
    "$batch",
    "$value",
    "accept",
    "attachments",
    "calendar",
    "calendarView",
    "calendars",
    "cancel",
    "checklistItems",
    "childFolders",
    "contactFolders",
    "contacts",
    "copy",
    "createUploadSession",
    "decline",
    "delta",
    "events",
    "extensions",
    "instances",
    "linkedResources",
    "lists",
    "mailFolders",
    "mailboxSettings",
    "masterCategories",
    "me",
    "messages",
    "move",
    "outlook",
    "permanentDelete",
    "send",
    "tasks",
    "tentativelyAccept",
    "todo",
    "translateExchangeIds",
    "upload",
];

/// What is remembered between requests, beside the mailboxes.
#[derive(Debug, Default)]
pub(super) struct State {
    /// By mailbox.
    tokens: HashMap<usize, delta::Tokens>,
    uploads: HashMap<String, attach::Upload>,
    uploads_made: u64,
    /// How often a token was said to be unknown.
    resyncs: u64,
    /// Requests under way by mailbox.
    under_way: HashMap<usize, usize>,
    /// Begin of the window and requests in it, by mailbox.
    windows: HashMap<usize, (i64, u64)>,
    /// Steps of batches by kind.
    steps: BTreeMap<String, u64>,
    /// Answers with status 429, alone and in batches.
    throttled: u64,
    most_at_once: usize,
}

struct Inner {
    exchange: Exchange,
    directory: Directory,
    state: Mutex<State>,
    knobs: Mutex<Knobs>,
    faults: Arc<Faults>,
    log: Arc<Log>,
    now: Now,
}

/// The service.
#[derive(Clone)]
pub(crate) struct Graph(Arc<Inner>);

/// Why Outlook could not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Told {
    pub(crate) fn new(status: u16, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
        }
    }
}

/// A request under way, until it is dropped.
struct UnderWay<'a> {
    graph: &'a Graph,
    me: usize,
    weight: usize,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(n) = self.graph.state().under_way.get_mut(&self.me) {
            *n = n.saturating_sub(self.weight);
        }
    }
}

/// Who asks, and with what rights.
struct Asking {
    granted: Granted,
    /// None: there is no mailbox that Graph would show.
    me: Option<usize>,
}

impl Graph {
    pub(crate) fn new(
        exchange: Exchange,
        directory: Directory,
        faults: Arc<Faults>,
        log: Arc<Log>,
        now: Now,
    ) -> Self {
        Self(Arc::new(Inner {
            exchange,
            directory,
            state: Mutex::default(),
            knobs: Mutex::default(),
            faults,
            log,
            now,
        }))
    }

    /// All of `/v1.0`, and the addresses of upload sessions.
    pub(crate) fn router(&self) -> Router {
        Router::new().fallback(serve).with_state(self.clone())
    }

    /// One request of a user who sits at the mailbox, as Outlook itself makes them: no token, nothing counted. The path
    /// and query come without the version: `/me/messages?$top=1`. The answer is JSON, null where there is none.
    ///
    /// # Errors
    /// What Graph would say: status, code, text.
    pub(crate) fn inside(&self, at: usize, method: Method, path: &str, body: &Value) -> Result<Value, Told> {
        let (address, name) = {
            let store = self.0.exchange.store();
            let Some(mailbox) = store.mailboxes.get(at) else {
                return Err(Told::new(404, "there is no such mailbox"));
            };
            (mailbox.me.address.clone(), mailbox.me.name.clone())
        };
        let areas = ["Mail", "Contacts", "Calendars", "Tasks", "MailboxSettings"];
        let asking = Asking {
            granted: Granted {
                username: address.clone(),
                address,
                object_id: String::new(),
                name,
                scopes: areas
                    .iter()
                    .flat_map(|area| [format!("{area}.Read"), format!("{area}.ReadWrite")])
                    .collect(),
                tenant: String::new(),
            },
            me: Some(at),
        };
        let via = Via {
            scheme: "https",
            origins: Arc::default(),
        };
        let headers = [
            ("content-type".to_owned(), "application/json".to_owned()),
            (
                "prefer".to_owned(),
                "outlook.body-content-type=\"text\"".to_owned(),
            ),
        ];
        let content = if body.is_null() {
            Bytes::new()
        } else {
            Bytes::from(body.to_string())
        };
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let now = (self.0.now)();
        match self.run(&method, path, query, &headers, content, &asking, &via, 0, now) {
            Ok(answer) => Ok(match answer.body {
                answer::Body::Json(value) => value,
                answer::Body::Empty | answer::Body::Bytes { .. } => Value::Null,
            }),
            Err(refused) => Err(Told::new(refused.status, refused.message)),
        }
    }

    /// The control API below `/graph`.
    pub(crate) fn control(&self) -> Router {
        control::router(self.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn knobs(&self) -> Knobs {
        self.0
            .knobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set_knobs(&self, knobs: Knobs) {
        *self.0.knobs.lock().unwrap_or_else(PoisonError::into_inner) = knobs;
    }

    /// Forgets the delta tokens of a mailbox; false if there is none of that address.
    fn expire(&self, address: &str) -> bool {
        let Some(at) = self.0.exchange.store().find(address, "") else {
            return false;
        };
        if let Some(tokens) = self.state().tokens.get_mut(&at) {
            tokens.expire();
        }
        true
    }

    /// Whose token it is, or the 401.
    fn who(&self, headers: &HeaderMap, via: &Via, operation: &str, now: i64) -> Result<Asking, Refused> {
        let no = |code: &str, message: &str, more: &str| {
            Err(Refused::new(401, code, message).with(
                "www-authenticate",
                format!(
                    "Bearer realm=\"\", authorization_uri=\"{}/common/oauth2/authorize\", \
client_id=\"00000003-0000-0000-c000-000000000000\"{more}",
                    via.origins.microsoft_https
                ),
            ))
        };
        let Some(token) = bearer(headers) else {
            return no("InvalidAuthenticationToken", "Access token is empty.", "");
        };
        let granted = match self.0.directory.bearer(token, now) {
            Ok(granted) => granted,
            Err(NoToken::Unknown) => {
                return no(
                    "InvalidAuthenticationToken",
                    "IDX14100: JWT is not well formed.",
                    "",
                );
            }
            Err(NoToken::Expired) => {
                return no(
                    "InvalidAuthenticationToken",
                    "Lifetime validation failed, the token is expired.",
                    "",
                );
            }
            Err(NoToken::Revoked) => {
                return no(
                    "InvalidAuthenticationToken",
                    "Continuous access evaluation resulted in challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp",
                    "",
                );
            }
            Err(NoToken::Claims(claims)) => {
                use base64::Engine as _;
                let claims = base64::engine::general_purpose::STANDARD.encode(claims);
                return no(
                    "InvalidAuthenticationToken",
                    "Continuous access evaluation resulted in challenge with result: InteractionRequired.",
                    &format!(", error=\"insufficient_claims\", claims=\"{claims}\""),
                );
            }
        };
        if self
            .0
            .faults
            .take("graph", operation, Some(&granted.address), |k| {
                *k == Kind::CredentialsWrong
            })
            .is_some()
        {
            return no(
                "InvalidAuthenticationToken",
                "Lifetime validation failed, the token is expired.",
                "",
            );
        }
        let store = self.0.exchange.store();
        let me = store.find(&granted.address, "").filter(|at| {
            let mailbox = &store.mailboxes[*at];
            mailbox.home != Home::OnPremises && !mailbox.logon_only
        });
        Ok(Asking { granted, me })
    }

    /// Counts a request to a mailbox; None where there are too many.
    fn enter(&self, me: usize, weight: usize, requests: usize, now: i64) -> Result<UnderWay<'_>, Refused> {
        let knobs = self.knobs();
        let mut state = self.state();
        let window = state.windows.entry(me).or_insert((now, 0));
        if now - window.0 > WINDOW {
            *window = (now, 0);
        }
        window.1 += u64::try_from(requests).unwrap_or_default();
        if window.1 > knobs.per_ten_minutes {
            let seconds = u64::try_from((window.0 + WINDOW - now) / 1_000_000 + 1).unwrap_or(1);
            state.throttled += 1;
            return Err(Refused::throttled(
                "Application is over its MailboxRequests limit.",
                seconds,
            ));
        }
        let under_way = state.under_way.entry(me).or_default();
        if *under_way + weight > knobs.at_once.max(weight) {
            state.throttled += 1;
            return Err(Refused::throttled(
                "Application is over its MailboxConcurrency limit.",
                1,
            ));
        }
        *under_way += weight;
        let now_at_once = *under_way;
        state.most_at_once = state.most_at_once.max(now_at_once);
        Ok(UnderWay {
            graph: self,
            me,
            weight,
        })
    }

    async fn work(&self) {
        let ms = self.knobs().work_ms;
        if ms > 0 {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
    }

    async fn single(&self, parts: &Parts, body: Bytes, via: &Via, n: u64, now: i64) -> Outcome {
        let headers: Vec<(String, String)> = parts
            .headers
            .iter()
            .map(|(name, value)| {
                (
                    name.as_str().to_owned(),
                    value.to_str().unwrap_or_default().to_owned(),
                )
            })
            .collect();
        let operation = operation_of(&parts.method, parts.uri.path());
        let asking = self.who(&parts.headers, via, &operation, now)?;
        let path = parts.uri.path().strip_prefix("/v1.0").unwrap_or_default();
        if path == "/$batch" {
            return self.batch(&parts.method, &body, &asking, via, n, now).await;
        }
        let Some(me) = asking.me else {
            return Self::without_mailbox(path, &asking);
        };
        let query = parts.uri.query().unwrap_or_default();
        let guard = self.enter(me, 1, 1, now)?;
        self.work().await;
        let outcome = self.run(&parts.method, path, query, &headers, body, &asking, via, n, now);
        drop(guard);
        outcome
    }

    fn without_mailbox(path: &str, asking: &Asking) -> Outcome {
        // The account is not the mailbox's: it is there all the same.
        if path != "/me" {
            return Err(Refused::new(
                404,
                "MailboxNotEnabledForRESTAPI",
                "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
            ));
        }
        if !asking.granted.has("User.Read") {
            return Err(Refused::new(
                403,
                "Authorization_RequestDenied",
                "Insufficient privileges to complete the operation.",
            ));
        }
        let granted = &asking.granted;
        let (given, surname) = granted.name.split_once(' ').unwrap_or((&granted.name, ""));
        Ok(answer::Answer::json(
            200,
            json!({
                "businessPhones": [], "displayName": granted.name, "givenName": given, "jobTitle": null,
                "mail": Some(&granted.address).filter(|a| !a.is_empty()), "mobilePhone": null, "officeLocation": null,
                "preferredLanguage": null, "surname": surname, "userPrincipalName": granted.username,
                "id": granted.object_id,
                "proxyAddresses": if granted.address.is_empty() { json!([]) } else { json!([format!("SMTP:{}", granted.address)]) },
            }),
        ))
    }

    async fn batch(
        &self,
        method: &Method,
        body: &[u8],
        asking: &Asking,
        via: &Via,
        n: u64,
        now: i64,
    ) -> Outcome {
        if method != Method::POST {
            return Err(Refused::unknown("a $batch that is not a POST"));
        }
        let steps = batch::read(body)?;
        let weight = steps.len().min(SIDE_BY_SIDE);
        let guard = asking.me.map(|me| self.enter(me, weight, steps.len(), now));
        self.work().await;
        let mut counter = 0;
        let answer = batch::run(&steps, &request_id(n), now, |step| {
            counter += 1;
            let path = step.url.split('?').next().unwrap_or_default();
            let path = format!("/{}", path.trim_start_matches('/'));
            let operation = step
                .method
                .parse::<Method>()
                .map(|m| operation_of(&m, &format!("/v1.0{path}")))
                .map_err(|_| Refused::unknown(&format!("the method {}", step.method)))?;
            *self.state().steps.entry(operation.clone()).or_default() += 1;
            // Over the limit, some of the steps still get through.
            if let Some(Err(refused)) = &guard
                && counter % 2 == 0
            {
                return Err(refused.clone());
            }
            self.step(step, &path, &operation, asking, via, n, now)
        });
        drop(guard);
        Ok(answer)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "all of one step; a struct would be taken apart again at once"
    )]
    fn step(
        &self,
        step: &Step,
        path: &str,
        operation: &str,
        asking: &Asking,
        via: &Via,
        n: u64,
        now: i64,
    ) -> Outcome {
        let user = asking.granted.address.as_str();
        let fault = self.0.faults.take("graph", operation, Some(user), |k| {
            matches!(k, Kind::Status { .. })
        });
        if let Some(Kind::Status { code, retry_after_s }) = fault {
            let refused = Refused::new(code, "UnknownError", "The sandbox was told to fail.");
            return Err(match retry_after_s {
                Some(seconds) => refused.with("retry-after", seconds.to_string()),
                None => refused,
            });
        }
        if asking.me.is_none() {
            return Self::without_mailbox(path, asking);
        }
        let method = step
            .method
            .parse::<Method>()
            .map_err(|_| Refused::unknown(&step.method))?;
        let query = step.url.split_once('?').map_or("", |(_, q)| q);
        self.run(
            &method,
            path,
            query,
            &step.headers,
            step.body.clone(),
            asking,
            via,
            n,
            now,
        )
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "all of one request; a struct would be taken apart again at once"
    )]
    fn run(
        &self,
        method: &Method,
        path: &str,
        query: &str,
        headers: &[(String, String)],
        body: Bytes,
        asking: &Asking,
        via: &Via,
        n: u64,
        now: i64,
    ) -> Outcome {
        let header = |name: &str| {
            headers
                .iter()
                .find(|(h, _)| h.eq_ignore_ascii_case(name))
                .map(|(_, v)| v.clone())
        };
        let mut segments = segments(path);
        let mut base = format!("{}/v1.0/me", origin(via));
        let Some(me) = asking.me else {
            return Self::without_mailbox(path, asking);
        };
        match segments.first().map(String::as_str) {
            Some("me") => drop(segments.remove(0)),
            Some("users") if segments.len() > 1 => {
                let user = segments.remove(1);
                segments.remove(0);
                self.check_user(&user, asking)?;
                base = format!("{}/v1.0/users/{user}", origin(via));
            }
            other => {
                return Err(Refused::unknown(&format!(
                    "the resource '{}'",
                    other.unwrap_or_default()
                )));
            }
        }
        let request = Request {
            method: method.clone(),
            base,
            origin: origin(via).to_owned(),
            query: Query::parse(query)?,
            prefer: Prefer::parse(
                headers
                    .iter()
                    .filter(|(h, _)| h.eq_ignore_ascii_case("prefer"))
                    .map(|(_, v)| v.as_str()),
            )?,
            if_match: header("if-match"),
            content_type: header("content-type").unwrap_or_default(),
            range: header("range"),
            body,
            operation: operation_of(method, &format!("/v1.0{path}")),
            path: segments,
        };
        let knobs = self.knobs();
        let mut store = self.0.exchange.store();
        let mut state = self.state();
        let mut call = Call {
            store: &mut store,
            state: &mut state,
            knobs: &knobs,
            faults: &self.0.faults,
            me,
            now,
            n,
            request: &request,
        };
        if let Some(Kind::Throttle { ms }) = call.take(|k| matches!(k, Kind::Throttle { .. })) {
            call.state.throttled += 1;
            return Err(Refused::throttled(
                "Application is over its MailboxConcurrency limit.",
                ms.div_ceil(1000),
            ));
        }
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        allow(&asking.granted, method, &path)?;
        route(&mut call, &path, asking)
    }

    /// Delegated rights reach the own mailbox only.
    fn check_user(&self, user: &str, asking: &Asking) -> Result<(), Refused> {
        let granted = &asking.granted;
        if [&granted.address, &granted.username, &granted.object_id]
            .iter()
            .any(|own| own.eq_ignore_ascii_case(user))
        {
            return Ok(());
        }
        if self.0.exchange.store().find(user, "").is_some() {
            return Err(Refused::denied());
        }
        Err(Refused::new(
            404,
            "ErrorInvalidUser",
            format!("The requested user '{user}' is invalid."),
        ))
    }

    /// A piece of a file, at an upload session's own address.
    async fn upload(&self, parts: &Parts, body: Bytes, via: &Via, n: u64, now: i64) -> Outcome {
        let token = parts.uri.path().split('\'').nth(1).unwrap_or_default().to_owned();
        let secret = parts.uri.query().unwrap_or_default();
        if parts.headers.contains_key(header::AUTHORIZATION) {
            return Err(Refused::new(
                401,
                "InvalidAudienceForResource",
                "The audience claim value is invalid for current resource.",
            ));
        }
        if secret != format!("authtoken={}", token.replace('-', "")) {
            return Err(Refused::new(
                401,
                "InvalidAuthenticationToken",
                "The authtoken is missing or wrong.",
            ));
        }
        self.work().await;
        let request = Request {
            method: parts.method.clone(),
            base: format!("{}/v1.0/me", origin(via)),
            origin: origin(via).to_owned(),
            query: Query::default(),
            prefer: Prefer::parse(std::iter::empty())?,
            if_match: None,
            content_type: String::new(),
            range: None,
            body,
            operation: operation_of(&parts.method, parts.uri.path()),
            path: Vec::new(),
        };
        let knobs = self.knobs();
        let mut store = self.0.exchange.store();
        let mut state = self.state();
        let mut call = Call {
            store: &mut store,
            state: &mut state,
            knobs: &knobs,
            faults: &self.0.faults,
            me: 0,
            now,
            n,
            request: &request,
        };
        let range = parts
            .headers
            .get(header::CONTENT_RANGE)
            .and_then(|v| v.to_str().ok());
        attach::upload(&mut call, &token, range)
    }
}

fn origin(via: &Via) -> &str {
    if via.scheme == "https" {
        &via.origins.graph_https
    } else {
        &via.origins.graph_http
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What the answer's `request-id` says.
fn request_id(n: u64) -> String {
    let digits = hex(&n.to_be_bytes());
    format!("5a4d0b0c-0000-4000-{}-{}", &digits[..4], &digits[4..])
}

/// The decoded segments of a path. Functions may have parentheses, and ids may stand in them.
fn segments(path: &str) -> Vec<String> {
    let mut out = Vec::new();
    for raw in path.split('/').filter(|s| !s.is_empty()) {
        let segment = percent_decode_str(raw).decode_utf8_lossy().into_owned();
        let segment = segment
            .strip_prefix("microsoft.graph.")
            .map(str::to_owned)
            .unwrap_or(segment);
        if let Some(name) = segment.strip_suffix("()") {
            out.push(name.to_owned());
        } else if let Some((name, id)) = segment.strip_suffix("')").and_then(|s| s.split_once("('")) {
            out.push(name.to_owned());
            out.push(id.to_owned());
        } else {
            out.push(segment);
        }
    }
    out
}

/// What log and rules call a request: `GET mailFolders/{id}/messages/delta`.
fn operation_of(method: &Method, path: &str) -> String {
    let Some(path) = path.strip_prefix("/v1.0") else {
        return if path.starts_with("/api/v2.0/AttachmentSessions") {
            format!("{method} upload")
        } else {
            format!("{method} unknown")
        };
    };
    let mut all = segments(path);
    match all.first().map(String::as_str) {
        Some("me") if all.len() > 1 => drop(all.remove(0)),
        Some("users") if all.len() > 1 => {
            all.drain(..2);
            if all.is_empty() {
                all.push("me".to_owned());
            }
        }
        _ => {}
    }
    let words: Vec<&str> = all
        .iter()
        .map(|s| {
            if WORDS.contains(&s.as_str()) {
                s.as_str()
            } else {
                "{id}"
            }
        })
        .collect();
    format!("{method} {}", words.join("/"))
}

/// Refuses what no granted scope covers. <https://learn.microsoft.com/graph/permissions-reference>
fn allow(granted: &Granted, method: &Method, path: &[&str]) -> Result<(), Refused> {
    let area = match path {
        [] => {
            return if granted.has("User.Read") {
                Ok(())
            } else {
                Err(Refused::denied())
            };
        }
        ["translateExchangeIds"] => {
            return allow(granted, &Method::GET, &[]);
        }
        ["messages" | "mailFolders", ..] => "Mail",
        ["contacts" | "contactFolders", ..] => "Contacts",
        ["todo", ..] => "Tasks",
        ["mailboxSettings" | "outlook", ..] => "MailboxSettings",
        _ => "Calendars",
    };
    let right = if method == Method::GET {
        "Read"
    } else {
        "ReadWrite"
    };
    if granted.has(&format!("{area}.{right}")) {
        Ok(())
    } else {
        Err(Refused::denied())
    }
}

fn route(call: &mut Call<'_>, path: &[&str], asking: &Asking) -> Outcome {
    use folders::Sort;
    let method = call.request.method.clone();
    let many = |call: &mut Call<'_>, sort: Sort, parent: Option<u64>| match method.as_str() {
        "GET" => folders::list(call, sort, parent),
        "POST" => folders::create(call, sort, parent),
        _ => Err(Refused::unknown(&call.request.operation)),
    };
    match path {
        [] if method == Method::GET => {
            profile::user(call, &asking.granted.username, &asking.granted.object_id)
        }
        ["mailboxSettings"] => profile::settings(call),
        ["translateExchangeIds"] => translate::translate(call),
        ["outlook", "masterCategories", rest @ ..] => profile::categories(call, rest),
        ["messages", rest @ ..] => message::serve(call, None, rest),
        ["mailFolders"] => many(call, Sort::Mail, None),
        ["mailFolders", id, rest @ ..] => {
            let folder = folders::find(call, id, Sort::Mail)?;
            match rest {
                [] => folders::one(call, Sort::Mail, folder),
                ["childFolders"] => many(call, Sort::Mail, Some(folder)),
                ["messages", rest @ ..] => message::serve(call, Some(folder), rest),
                _ => Err(Refused::unknown(&call.request.operation)),
            }
        }
        ["contacts", rest @ ..] => contact::serve(call, None, rest),
        ["contactFolders"] => many(call, Sort::Contacts, None),
        ["contactFolders", id, rest @ ..] => {
            let folder = folders::find(call, id, Sort::Contacts)?;
            match rest {
                [] => folders::one(call, Sort::Contacts, folder),
                ["childFolders"] => many(call, Sort::Contacts, Some(folder)),
                ["contacts", rest @ ..] => contact::serve(call, Some(id), rest),
                _ => Err(Refused::unknown(&call.request.operation)),
            }
        }
        ["calendars"] => many(call, Sort::Calendars, None),
        ["calendars", id, rest @ ..] => {
            let folder = folders::find(call, id, Sort::Calendars)?;
            calendar(call, folder, rest)
        }
        ["calendar", rest @ ..] => {
            let folder = folders::well_known(call, "calendar")?;
            calendar(call, folder, rest)
        }
        ["events", rest @ ..] => event::serve(call, None, rest),
        ["calendarView", rest @ ..] if method == Method::GET => {
            let folder = folders::well_known(call, "calendar")?;
            event::view(call, folder, rest)
        }
        ["todo", "lists", rest @ ..] => task::lists(call, rest),
        _ => Err(Refused::unknown(&format!("the resource '{}'", path.join("/")))),
    }
}

fn calendar(call: &mut Call<'_>, folder: u64, rest: &[&str]) -> Outcome {
    match rest {
        [] => folders::one(call, folders::Sort::Calendars, folder),
        ["events", rest @ ..] => event::serve(call, Some(folder), rest),
        ["calendarView", rest @ ..] if call.request.method == Method::GET => event::view(call, folder, rest),
        _ => Err(Refused::unknown(&call.request.operation)),
    }
}

async fn serve(Shared(graph): Shared<Graph>, request: HttpRequest) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let (n, now) = (graph.0.log.last(), (graph.0.now)());
    let outcome = match parts.extensions.get::<Via>().cloned() {
        None => Err(Refused::unknown("a request without an origin")),
        Some(via) if parts.uri.path().starts_with("/api/v2.0/AttachmentSessions('") => {
            graph.upload(&parts, body, &via, n, now).await
        }
        Some(via) if parts.uri.path().starts_with("/v1.0/") => graph.single(&parts, body, &via, n, now).await,
        Some(_) => Err(Refused::unknown(&format!("the address '{}'", parts.uri.path()))),
    };
    response(outcome, &request_id(n), now)
}

impl Service for Graph {
    fn service(&self, _: &Parts) -> &'static str {
        "graph"
    }

    fn operation(&self, parts: &Parts, _: &[u8]) -> String {
        operation_of(&parts.method, parts.uri.path())
    }

    fn user(&self, parts: &Parts, _: &[u8]) -> Option<String> {
        self.0.directory.whose(bearer(&parts.headers)?)
    }

    fn counters(&self) -> Value {
        let state = self.state();
        let steps: u64 = state.steps.values().sum();
        json!({
            "steps": steps, "steps_by_operation": state.steps, "throttled": state.throttled,
            "most_at_once": state.most_at_once,
        })
    }

    fn reset_counters(&self) {
        let mut state = self.state();
        state.steps.clear();
        state.throttled = 0;
        state.most_at_once = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_have_no_ids_in_them() {
        for (method, path, operation) in [
            (Method::GET, "/v1.0/me", "GET me"),
            (Method::GET, "/v1.0/users/nina@x.example", "GET me"),
            (Method::POST, "/v1.0/$batch", "POST $batch"),
            (
                Method::GET,
                "/v1.0/me/mailFolders/inbox/messages/delta()",
                "GET mailFolders/{id}/messages/delta",
            ),
            (
                Method::GET,
                "/v1.0/users/nina%40x.example/mailFolders('AA%3D')/messages/microsoft.graph.delta",
                "GET mailFolders/{id}/messages/delta",
            ),
            (Method::PATCH, "/v1.0/me/events/AAMk-_%3D", "PATCH events/{id}"),
            (Method::PUT, "/api/v2.0/AttachmentSessions('x')", "PUT upload"),
        ] {
            assert_eq!(operation_of(&method, path), operation);
        }
    }
}
