//! OAuth2: the web-server flow with PKCE, refresh with rotation, revocation, and who is who.
//!
//! <https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_web_server_flow.htm>

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use http::header::{AUTHORIZATION, COOKIE};
use http::request::Parts;
use http::{HeaderMap, Method};
use rand_chacha::ChaCha8Rng;
use rand_core::RngCore as _;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::access::Login;
use super::state::State;
use crate::faults::{Faults, Kind};
use crate::pages::{self, escape};

pub(crate) use crate::pages::Form;

/// A code must be exchanged within this time.
const CODE_MS: i64 = 10 * 60 * 1000;
/// A refresh token that nobody uses ends after this time.
const IDLE_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// Live refresh tokens of one user and app.
const GRANTS: usize = 5;

const SCOPES: &[&str] = &[
    "api",
    "refresh_token",
    "offline_access",
    "full",
    "openid",
    "id",
    "profile",
    "email",
    "web",
    "address",
    "phone",
    "chatter_api",
    "custom_permissions",
    "lightning",
    "content",
    "visualforce",
];

#[derive(Clone)]
struct Code {
    user: usize,
    redirect: String,
    challenge: Option<String>,
    scopes: Vec<String>,
    nonce: Option<String>,
    at_ms: i64,
}

/// An access token.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) user: usize,
    pub(crate) scopes: Vec<String>,
    grant: Option<u64>,
    issued_ms: i64,
}

impl Token {
    pub(crate) fn has(&self, scope: &str) -> bool {
        self.scopes.iter().any(|s| s == scope || s == "full")
    }
}

/// A live refresh token and what belongs to it.
#[derive(Clone)]
pub(crate) struct Grant {
    number: u64,
    pub(crate) user: usize,
    refresh: String,
    scopes: Vec<String>,
    pub(crate) issued_ms: i64,
    pub(crate) used_ms: i64,
}

/// Codes, tokens, grants.
pub(crate) struct Auth {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    rng: ChaCha8Rng,
    codes: BTreeMap<String, Code>,
    tokens: BTreeMap<String, Token>,
    grants: Vec<Grant>,
    /// Rotated refresh tokens, and the grant that each belonged to.
    dead: BTreeMap<String, u64>,
    /// Browsers that are logged in, by their cookie `sid`, and the user.
    browsers: BTreeMap<String, usize>,
    last_grant: u64,
    /// The random part of every code, token and session ever issued, and every verifier that was shown.
    secrets: Vec<String>,
    /// Counters for the control API.
    pub(crate) refreshes: u64,
    pub(crate) logins: u64,
    pub(crate) failed_logins: u64,
}

/// An answer of this module.
#[derive(Debug)]
pub(crate) enum Answer {
    Json(u16, Value),
    /// A page, HTML.
    Page(u16, String),
    /// CSS.
    Style(&'static str),
    Redirect(String),
    /// A redirect that leaves the browser logged in, with this `sid`.
    LoggedIn(String, String),
    Text(u16, &'static str),
    Empty(u16),
}

fn refuse(error: &str, description: &str) -> Answer {
    Answer::Json(400, json!({ "error": error, "error_description": description }))
}

impl Auth {
    pub(crate) fn new(client_id: &str, client_secret: &str, rng: ChaCha8Rng) -> Self {
        Self {
            client_id: client_id.to_owned(),
            client_secret: client_secret.to_owned(),
            rng,
            codes: BTreeMap::new(),
            tokens: BTreeMap::new(),
            grants: Vec::new(),
            dead: BTreeMap::new(),
            browsers: BTreeMap::new(),
            last_grant: 0,
            secrets: Vec::new(),
            refreshes: 0,
            logins: 0,
            failed_logins: 0,
        }
    }

    fn random(&mut self, length: usize) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";
        let secret: String = (0..length)
            .map(|_| char::from(ALPHABET[usize::try_from(self.rng.next_u32() % 64).unwrap_or_default()]))
            .collect();
        self.secrets.push(secret.clone());
        secret
    }

    pub(crate) fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// The live access token of a request's `Authorization`.
    pub(crate) fn token(&self, headers: &HeaderMap) -> Option<&Token> {
        self.tokens.get(bearer(headers)?)
    }

    pub(crate) fn grants_of(&self, user: usize) -> impl Iterator<Item = &Grant> {
        self.grants.iter().filter(move |g| g.user == user)
    }

    pub(crate) fn tokens_of(&self, user: usize) -> usize {
        self.tokens.values().filter(|t| t.user == user).count()
    }

    pub(crate) fn live_grants(&self) -> usize {
        self.grants.len()
    }

    pub(crate) fn issued_grants(&self) -> u64 {
        self.last_grant
    }

    /// Ends the access tokens of a user; the refresh tokens stay.
    pub(crate) fn expire_access(&mut self, user: usize) -> usize {
        let before = self.tokens.len();
        self.tokens.retain(|_, t| t.user != user);
        before - self.tokens.len()
    }

    /// Ends everything that a user has granted.
    pub(crate) fn revoke_all(&mut self, user: usize) -> usize {
        let before = self.grants.len();
        self.grants.retain(|g| g.user != user);
        self.codes.retain(|_, c| c.user != user);
        self.expire_access(user);
        before - self.grants.len()
    }

    fn end_grant(&mut self, number: u64) {
        self.grants.retain(|g| g.number != number);
        self.tokens.retain(|_, t| t.grant != Some(number));
    }

    fn new_grant(&mut self, user: usize, scopes: &[String], now_ms: i64) -> Grant {
        let live: Vec<u64> = self.grants_of(user).map(|g| g.number).collect();
        if live.len() >= GRANTS {
            self.end_grant(live[0]);
        }
        self.last_grant += 1;
        let refresh = format!("5Aep861{}", self.random(80));
        let grant = Grant {
            number: self.last_grant,
            user,
            refresh,
            scopes: scopes.to_vec(),
            issued_ms: now_ms,
            used_ms: now_ms,
        };
        self.grants.push(grant.clone());
        grant
    }

    /// Whose token, code or refresh token a form of the token endpoint holds.
    pub(crate) fn user_of_form(&self, form: &Form) -> Option<usize> {
        if let Some(code) = form.get("code") {
            return self.codes.get(code).map(|c| c.user);
        }
        let refresh = form.get("refresh_token").or_else(|| form.get("token"))?;
        let grant = self.grants.iter().find(|g| g.refresh == refresh).map(|g| g.user);
        grant.or_else(|| self.tokens.get(refresh).map(|t| t.user))
    }
}

/// The cookie of a browser that is logged in.
fn sid(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get(COOKIE)?.to_str().ok()?;
    cookies
        .split(';')
        .find_map(|pair| pair.trim().strip_prefix("sid="))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth")).then(|| token.trim())
}

/// What is needed besides the state.
pub(crate) struct Call<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) body: &'a [u8],
    pub(crate) now_ms: i64,
    /// `https://localhost:1234`, as the request came in.
    pub(crate) origin: &'a str,
    pub(crate) faults: &'a Faults,
}

impl Call<'_> {
    fn query(&self) -> Form {
        Form::parse(self.parts.uri.query().unwrap_or_default().as_bytes())
    }

    fn is_post(&self) -> bool {
        self.parts.method == Method::POST
    }

    fn refuses_credentials(&self, operation: &str, user: &str) -> bool {
        self.faults
            .take("login", operation, Some(user), |k| *k == Kind::CredentialsWrong)
            .is_some()
    }
}

/// `/services/oauth2/{operation}`.
pub(crate) fn answer(state: &mut State, call: &Call<'_>, operation: &str) -> Answer {
    match (operation, call.parts.method.as_str()) {
        ("authorize", "GET" | "POST") => authorize(state, call),
        ("token", "POST") => token(state, call),
        ("revoke", "GET" | "POST") => revoke(state, call),
        ("introspect", "POST") => introspect(state, call),
        ("userinfo", "GET" | "POST") => userinfo(state, call),
        ("token" | "introspect", _) => refuse("invalid_request", "must use HTTP POST"),
        _ => {
            tracing::warn!(operation, "unknown OAuth address");
            Answer::Text(404, "unknown OAuth address")
        }
    }
}

/// A callback may be on this machine only, whatever its port and path.
fn is_registered(redirect: &Url) -> bool {
    matches!(redirect.scheme(), "http" | "https")
        && matches!(redirect.host_str(), Some("localhost" | "127.0.0.1"))
        && redirect.fragment().is_none()
        && redirect.username().is_empty()
}

fn with_query(redirect: &Url, pairs: &[(&str, &str)]) -> Answer {
    let mut url = redirect.clone();
    for (name, value) in pairs.iter().filter(|(_, v)| !v.is_empty()) {
        url.query_pairs_mut().append_pair(name, value);
    }
    Answer::Redirect(url.into())
}

fn authorize(state: &mut State, call: &Call<'_>) -> Answer {
    let form = if call.is_post() {
        Form::parse(call.body)
    } else {
        call.query()
    };
    let wrong = |error: &str, description: &str| {
        Answer::Page(
            400,
            page(
                "Error",
                &format!("<p>error={error}&amp;error_description={description}</p>"),
            ),
        )
    };
    let Some(client) = form.get("client_id") else {
        return wrong("invalid_request", "missing required parameter: client_id");
    };
    if client != state.auth.client_id {
        return wrong("invalid_client_id", "client identifier invalid");
    }
    let redirect = match form.get("redirect_uri").map(Url::parse) {
        Some(Ok(url)) if is_registered(&url) => url,
        Some(_) => return wrong("redirect_uri_mismatch", "redirect_uri must match configuration"),
        None => return wrong("redirect_uri_missing", "redirect_uri not provided"),
    };
    let echo = form.get("state").unwrap_or_default().to_owned();
    let back = |error: &str, description: &str| {
        with_query(
            &redirect,
            &[
                ("error", error),
                ("error_description", description),
                ("state", &echo),
            ],
        )
    };
    if form.get("response_type") != Some("code") {
        return back("unsupported_response_type", "response type not supported");
    }
    let challenge = form.get("code_challenge").filter(|c| !c.is_empty());
    if challenge.is_none() && state.knobs.require_pkce {
        return back("invalid_request", "missing required code challenge");
    }
    if challenge.is_some_and(|c| c.len() != 43) {
        return back("invalid_request", "invalid code challenge");
    }
    if form.get("code_challenge_method").is_some_and(|m| m != "S256") {
        return back("invalid_request", "invalid code challenge method");
    }
    let scopes = match form.get("scope").map(str::trim).filter(|s| !s.is_empty()) {
        // Without a scope the app gets all that are assigned to it.
        None => ["api", "refresh_token", "openid", "id"]
            .map(str::to_owned)
            .to_vec(),
        Some(text) => {
            let scopes: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            if let Some(unknown) = scopes.iter().find(|s| !SCOPES.contains(&s.as_str())) {
                tracing::warn!(unknown, "unknown OAuth scope");
                return back(
                    "invalid_scope",
                    "the requested scope is invalid, unknown, or malformed",
                );
            }
            scopes
        }
    };
    let code_for = |state: &mut State, user: usize| {
        let code = format!("aPrx{}", state.auth.random(56));
        state.auth.codes.insert(
            code.clone(),
            Code {
                user,
                redirect: form.get("redirect_uri").unwrap_or_default().to_owned(),
                challenge: challenge.map(str::to_owned),
                scopes: scopes.clone(),
                nonce: form.get("nonce").map(str::to_owned),
                at_ms: call.now_ms,
            },
        );
        with_query(&redirect, &[("code", &code), ("state", &echo)])
    };
    if !call.is_post() {
        // Who is logged in is not asked again, unless the app wants it so.
        let known = sid(&call.parts.headers)
            .and_then(|sid| state.auth.browsers.get(sid))
            .copied();
        return match known.filter(|user| state.users[*user].active) {
            Some(user) if form.get("prompt") != Some("login") => code_for(state, user),
            _ => Answer::Page(200, login_page(&form, None)),
        };
    }
    let name = form.get("username").unwrap_or_default().trim();
    let password = form.get("password").unwrap_or_default();
    let user = state.users.iter().position(|u| {
        u.username.eq_ignore_ascii_case(name) && u.password == password && u.active && !password.is_empty()
    });
    match user {
        Some(user) if !call.refuses_credentials("authorize", &state.users[user].username) => {
            state.auth.logins += 1;
            let sid = state.auth.random(40);
            state.auth.browsers.insert(sid.clone(), user);
            match code_for(state, user) {
                Answer::Redirect(to) => Answer::LoggedIn(to, sid),
                other => other,
            }
        }
        _ => {
            state.auth.failed_logins += 1;
            let text = "Please check your username and password. If you still can't log in, contact your Salesforce \
                        administrator.";
            Answer::Page(200, login_page(&form, Some(text)))
        }
    }
}

fn page(title: &str, content: &str) -> String {
    pages::page("Salesforce", title, content)
}

/// The login page; it carries the authorization request through the form.
fn login_page(form: &Form, error: Option<&str>) -> String {
    let mut content = String::new();
    if let Some(error) = error {
        let _ = write!(content, "<p id=\"error\" role=\"alert\">{}</p>", escape(error));
    }
    content.push_str("<form method=\"post\" action=\"/services/oauth2/authorize\">");
    for (name, value) in form.pairs().filter(|(n, _)| *n != "username" && *n != "password") {
        let _ = write!(
            content,
            "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
            escape(name),
            escape(value)
        );
    }
    let username = escape(
        form.get("username")
            .or_else(|| form.get("login_hint"))
            .unwrap_or_default(),
    );
    let _ = write!(
        content,
        "<label for=\"username\">Username</label>\
         <input id=\"username\" name=\"username\" type=\"text\" autocomplete=\"username\" value=\"{username}\">\
         <label for=\"password\">Password</label>\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\">\
         <button id=\"Login\" type=\"submit\">Log In</button></form>"
    );
    page("Login", &content)
}

/// The client of a token request, from the form or from `Authorization: Basic`.
fn check_client(state: &State, call: &Call<'_>, form: &Form) -> Result<(), Answer> {
    let basic = call
        .parts
        .headers
        .get(AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| {
            let text = STANDARD.decode(v.strip_prefix("Basic ")?.trim()).ok()?;
            let text = String::from_utf8(text).ok()?;
            let (id, secret) = text.split_once(':')?;
            let plain = |t: &str| {
                percent_encoding::percent_decode_str(&t.replace('+', " "))
                    .decode_utf8_lossy()
                    .into_owned()
            };
            Some((plain(id), plain(secret)))
        });
    let (id, secret) = basic.unwrap_or_else(|| {
        let part = |name: &str| form.get(name).unwrap_or_default().to_owned();
        (part("client_id"), part("client_secret"))
    });
    if id != state.auth.client_id {
        return Err(refuse("invalid_client_id", "client identifier invalid"));
    }
    if secret != state.auth.client_secret {
        return Err(refuse("invalid_client", "invalid client credentials"));
    }
    Ok(())
}

fn token(state: &mut State, call: &Call<'_>) -> Answer {
    let form = Form::parse(call.body);
    let kind = form.get("grant_type");
    if !matches!(kind, Some("authorization_code" | "refresh_token")) {
        return refuse("unsupported_grant_type", "grant type not supported");
    }
    if let Err(answer) = check_client(state, call, &form) {
        return answer;
    }
    if let Some(user) = state.auth.user_of_form(&form)
        && call.refuses_credentials("token", &state.users[user].username.clone())
    {
        return refuse("invalid_grant", "expired access/refresh token");
    }
    let result = if kind == Some("refresh_token") {
        by_refresh(state, call, &form)
    } else {
        by_code(state, call, &form)
    };
    result.unwrap_or_else(|answer| answer)
}

fn by_code(state: &mut State, call: &Call<'_>, form: &Form) -> Result<Answer, Answer> {
    let Some(given) = form.get("code") else {
        return Err(refuse("invalid_request", "missing required parameter: code"));
    };
    // Taken out whatever comes: a code is good for one try.
    let Some(code) = state.auth.codes.remove(given) else {
        return Err(refuse("invalid_grant", "invalid authorization code"));
    };
    if call.now_ms - code.at_ms > CODE_MS {
        return Err(refuse("invalid_grant", "expired authorization code"));
    }
    if form.get("redirect_uri") != Some(code.redirect.as_str()) {
        return Err(refuse(
            "redirect_uri_mismatch",
            "redirect_uri must match configuration",
        ));
    }
    if let Some(challenge) = &code.challenge {
        let Some(verifier) = form.get("code_verifier").filter(|v| !v.is_empty()) else {
            return Err(refuse("invalid_request", "missing required code verifier"));
        };
        let fits = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())) == *challenge;
        if !fits || !(43..=128).contains(&verifier.len()) {
            return Err(refuse("invalid_grant", "invalid code verifier"));
        }
        state.auth.secrets.push(verifier.to_owned());
    }
    check_active(state, code.user)?;
    let offline = code
        .scopes
        .iter()
        .any(|s| s == "refresh_token" || s == "offline_access");
    let grant = offline.then(|| state.auth.new_grant(code.user, &code.scopes, call.now_ms));
    let refresh = grant.as_ref().map(|g| g.refresh.clone());
    Ok(issue(
        state,
        call,
        code.user,
        &code.scopes,
        grant.map(|g| g.number),
        refresh,
        code.nonce.as_deref(),
    ))
}

fn check_active(state: &State, user: usize) -> Result<(), Answer> {
    if state.users[user].active {
        Ok(())
    } else {
        Err(refuse("inactive_user", "user is inactive"))
    }
}

fn by_refresh(state: &mut State, call: &Call<'_>, form: &Form) -> Result<Answer, Answer> {
    let expired = || refuse("invalid_grant", "expired access/refresh token");
    let Some(given) = form.get("refresh_token") else {
        return Err(refuse(
            "invalid_request",
            "missing required parameter: refresh_token",
        ));
    };
    let Some(at) = state.auth.grants.iter().position(|g| g.refresh == given) else {
        // Somebody else may hold the token that replaced it: nobody shall go on.
        if let Some(number) = state.auth.dead.get(given).copied()
            && state.knobs.reuse_ends_grant
        {
            state.auth.end_grant(number);
        }
        return Err(expired());
    };
    let grant = state.auth.grants[at].clone();
    check_active(state, grant.user)?;
    if call.now_ms - grant.used_ms > IDLE_MS {
        state.auth.end_grant(grant.number);
        return Err(expired());
    }
    state.auth.refreshes += 1;
    state.auth.grants[at].used_ms = call.now_ms;
    let mut refresh = None;
    if state.knobs.rotation {
        let new = format!("5Aep861{}", state.auth.random(80));
        state.auth.dead.insert(grant.refresh.clone(), grant.number);
        state.auth.grants[at].refresh.clone_from(&new);
        refresh = Some(new);
    }
    Ok(issue(
        state,
        call,
        grant.user,
        &grant.scopes,
        Some(grant.number),
        refresh,
        None,
    ))
}

fn identity_url(state: &State, call: &Call<'_>, user: usize) -> String {
    format!("{}/id/{}/{}", call.origin, state.org_id, state.users[user].id)
}

fn hmac(secret: &str, text: &str) -> Vec<u8> {
    // A key of any length is taken.
    Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .map(|mut mac| {
            mac.update(text.as_bytes());
            mac.finalize().into_bytes().to_vec()
        })
        .unwrap_or_default()
}

fn issue(
    state: &mut State,
    call: &Call<'_>,
    user: usize,
    scopes: &[String],
    grant: Option<u64>,
    refresh: Option<String>,
    nonce: Option<&str>,
) -> Answer {
    let access = format!("{}!AQ{}", state.org_id.short(), state.auth.random(92));
    state.auth.tokens.insert(
        access.clone(),
        Token {
            user,
            scopes: scopes.to_vec(),
            grant,
            issued_ms: call.now_ms,
        },
    );
    let id = identity_url(state, call, user);
    let issued_at = call.now_ms.to_string();
    let signature = STANDARD.encode(hmac(&state.auth.client_secret, &format!("{id}{issued_at}")));
    let mut out = Map::new();
    let mut put = |name: &str, value: &str| out.insert(name.to_owned(), json!(value));
    put("access_token", &access);
    put("instance_url", call.origin);
    put("id", &id);
    put("issued_at", &issued_at);
    put("signature", &signature);
    put("scope", &scopes.join(" "));
    put("token_type", "Bearer");
    if let Some(refresh) = refresh {
        put("refresh_token", &refresh);
    }
    if scopes.iter().any(|s| s == "openid") {
        put("id_token", &id_token(state, call, &id, nonce));
    }
    Answer::Json(200, Value::Object(out))
}

/// Signed with the client secret, which OpenID Connect allows for confidential clients; Salesforce uses RS256.
fn id_token(state: &State, call: &Call<'_>, subject: &str, nonce: Option<&str>) -> String {
    let seconds = call.now_ms.div_euclid(1000);
    let mut claims = json!({
        "iss": call.origin,
        "sub": subject,
        "aud": state.auth.client_id,
        "iat": seconds,
        "exp": seconds + 120,
    });
    if let (Some(nonce), Value::Object(claims)) = (nonce, &mut claims) {
        claims.insert("nonce".into(), json!(nonce));
    }
    let head = json!({ "alg": "HS256", "typ": "JWT" });
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(head.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let signature = URL_SAFE_NO_PAD.encode(hmac(&state.auth.client_secret, &signed));
    format!("{signed}.{signature}")
}

fn revoke(state: &mut State, call: &Call<'_>) -> Answer {
    let form = if call.is_post() {
        Form::parse(call.body)
    } else {
        call.query()
    };
    let Some(given) = form.get("token") else {
        return refuse("invalid_request", "missing required parameter: token");
    };
    if let Some(number) = state
        .auth
        .grants
        .iter()
        .find(|g| g.refresh == given)
        .map(|g| g.number)
    {
        state.auth.end_grant(number);
    } else if let Some(token) = state.auth.tokens.remove(given) {
        // The access token stands for its authorization: the refresh token goes with it.
        if let Some(number) = token.grant {
            state.auth.end_grant(number);
        }
    } else {
        return refuse("invalid_token", "token invalid or already revoked");
    }
    Answer::Empty(200)
}

fn introspect(state: &State, call: &Call<'_>) -> Answer {
    let form = Form::parse(call.body);
    if let Err(answer) = check_client(state, call, &form) {
        return answer;
    }
    let given = form.get("token").unwrap_or_default();
    let access = state.auth.tokens.get(given);
    let grant = state.auth.grants.iter().find(|g| g.refresh == given);
    let (user, scopes, issued, kind) = match (access, grant) {
        (Some(t), _) => (t.user, &t.scopes, t.issued_ms, "access_token"),
        (None, Some(g)) => (g.user, &g.scopes, g.issued_ms, "refresh_token"),
        (None, None) => return Answer::Json(200, json!({ "active": false })),
    };
    Answer::Json(
        200,
        json!({
            "active": true,
            "scope": scopes.join(" "),
            "client_id": state.auth.client_id,
            "username": state.users[user].username,
            "sub": identity_url(state, call, user),
            "token_type": kind,
            "iat": issued.div_euclid(1000),
            "nbf": issued.div_euclid(1000),
        }),
    )
}

/// The access token of the request, if it may tell who its user is.
fn identity_token<'a>(state: &'a State, call: &Call<'_>, form: &Form) -> Option<&'a Token> {
    let token = match state.auth.token(&call.parts.headers) {
        Some(token) => token,
        None => state
            .auth
            .tokens
            .get(form.get("access_token").or_else(|| form.get("oauth_token"))?)?,
    };
    let may = ["openid", "id", "profile", "api"].iter().any(|s| token.has(s));
    (may && state.users[token.user].active).then_some(token)
}

fn urls(state: &State, call: &Call<'_>, user: &Login) -> Value {
    let origin = call.origin;
    json!({
        "enterprise": format!("{origin}/services/Soap/c/{{version}}/{}", state.org_id.short()),
        "metadata": format!("{origin}/services/Soap/m/{{version}}/{}", state.org_id.short()),
        "partner": format!("{origin}/services/Soap/u/{{version}}/{}", state.org_id.short()),
        "rest": format!("{origin}/services/data/v{{version}}/"),
        "sobjects": format!("{origin}/services/data/v{{version}}/sobjects/"),
        "search": format!("{origin}/services/data/v{{version}}/search/"),
        "query": format!("{origin}/services/data/v{{version}}/query/"),
        "recent": format!("{origin}/services/data/v{{version}}/recent/"),
        "profile": format!("{origin}/{}", user.id),
    })
}

/// <https://help.salesforce.com/s/articleView?id=sf.remoteaccess_using_userinfo_endpoint.htm>
fn userinfo(state: &State, call: &Call<'_>) -> Answer {
    let form = if call.is_post() {
        Form::parse(call.body)
    } else {
        call.query()
    };
    let Some(token) = identity_token(state, call, &form) else {
        return Answer::Text(403, "Bad_OAuth_Token");
    };
    let user = &state.users[token.user];
    Answer::Json(
        200,
        json!({
            "sub": identity_url(state, call, token.user),
            "user_id": user.id.as_str(),
            "organization_id": state.org_id.as_str(),
            "preferred_username": user.username,
            "nickname": user.given,
            "name": user.name(),
            "email": user.email,
            "email_verified": true,
            "given_name": user.given,
            "family_name": user.surname,
            "zoneinfo": "Europe/Berlin",
            "locale": "en_US",
            "language": "en_US",
            "utcOffset": 3_600_000,
            "user_type": "STANDARD",
            "active": user.active,
            "is_app_installed": true,
            "urls": urls(state, call, user),
        }),
    )
}

/// `/id/{org}/{user}`: <https://help.salesforce.com/s/articleView?id=sf.remoteaccess_using_openid.htm>
pub(crate) fn identity(state: &State, call: &Call<'_>, org: &str, user_id: &str) -> Answer {
    let Some(token) = identity_token(state, call, &call.query()) else {
        return Answer::Text(403, "Bad_OAuth_Token");
    };
    if super::ids::Id::parse(org).as_ref() != Some(&state.org_id) {
        return Answer::Text(403, "Wrong_Org");
    }
    let user = &state.users[token.user];
    if super::ids::Id::parse(user_id).as_ref() != Some(&user.id) {
        return Answer::Text(404, "Bad_Id");
    }
    Answer::Json(
        200,
        json!({
            "id": identity_url(state, call, token.user),
            "asserted_user": true,
            "user_id": user.id.as_str(),
            "organization_id": state.org_id.as_str(),
            "username": user.username,
            "nick_name": user.given,
            "display_name": user.name(),
            "email": user.email,
            "email_verified": true,
            "first_name": user.given,
            "last_name": user.surname,
            "timezone": "Europe/Berlin",
            "active": user.active,
            "user_type": "STANDARD",
            "language": "en_US",
            "locale": "en_US",
            "utcOffset": 3_600_000,
            "is_app_installed": true,
            "urls": urls(state, call, user),
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callbacks_are_on_this_machine() {
        let is = |text: &str| Url::parse(text).is_ok_and(|u| is_registered(&u));
        assert!(is("http://localhost:1234/oauth/salesforce/callback"));
        assert!(is("https://127.0.0.1/cb"));
        for bad in [
            "http://localhost.evil.example/cb",
            "http://localhost@evil.example/",
            "http://x@localhost/",
            "ftp://localhost/",
            "http://localhost/#x",
            "javascript:alert(1)",
            "localhost",
        ] {
            assert!(!is(bad), "{bad}");
        }
    }

    #[test]
    fn the_login_page_quotes_what_it_was_given() {
        let form = Form::parse(b"state=%22%3E%3Cscript%3E&username=a%22b");
        let page = login_page(&form, Some("<no>"));
        assert!(page.contains("value=\"&quot;&gt;&lt;script&gt;\""));
        assert!(
            page.contains("value=\"a&quot;b\"") && page.contains("&lt;no&gt;") && !page.contains("<script")
        );
    }
}
