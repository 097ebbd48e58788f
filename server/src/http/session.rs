//! Who is asking: the partitioned cookie, or the short-lived bearer where cookies are blocked.

use axum::Json;
use axum::extract::FromRequestParts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use http::StatusCode;
use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue};
use http::request::Parts;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tandem_store::WebSession;
use tandem_types::{ApiError, Timestamp};

use super::App;

/// `Partitioned` gives the pane a cookie of its own inside Outlook's frame, the only kind that arrives there.
pub(crate) const COOKIE_NAME: &str = "__Host-tandem";
/// A web session ends so many seconds after it was last renewed.
pub(crate) const SESSION_SECONDS: i64 = 12 * 3600;
pub(crate) const BEARER_SECONDS: i64 = 600;

/// What a request shows; not yet looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proof {
    pub token_hash: [u8; 32],
    pub by: By,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Cookie,
    Bearer,
}

/// A request's web session, if it has one.
#[derive(Clone, Debug)]
pub(crate) struct Viewer {
    pub token_hash: [u8; 32],
    pub by: By,
    pub session: WebSession,
}

pub(crate) fn hash(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// A new cookie value and what the store keeps of it.
pub(crate) fn new_token(app: &App) -> (String, [u8; 32]) {
    let token = BASE64.encode(app.random_32());
    let hashed = hash(token.as_bytes());
    (token, hashed)
}

/// The value of a `Set-Cookie` header.
pub(crate) fn set_cookie(token: &str) -> HeaderValue {
    let text = format!(
        "{COOKIE_NAME}={token}; Path=/; Secure; HttpOnly; SameSite=None; Partitioned; Max-Age={SESSION_SECONDS}"
    );
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

pub(crate) fn clear_cookie() -> HeaderValue {
    HeaderValue::from_static(
        "__Host-tandem=; Path=/; Secure; HttpOnly; SameSite=None; Partitioned; Max-Age=0",
    )
}

pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

pub(crate) fn cookie_proof(headers: &HeaderMap) -> Option<Proof> {
    cookie(headers, COOKIE_NAME).map(|token| Proof {
        token_hash: hash(token.as_bytes()),
        by: By::Cookie,
    })
}

/// `BASE64(token hash, expiry) . BASE64(MAC)`: it opens nothing once the web session behind it has ended.
pub(crate) fn make_bearer(app: &App, token_hash: &[u8; 32], now: Timestamp) -> String {
    let mut body = token_hash.to_vec();
    body.extend_from_slice(&now.plus_seconds(BEARER_SECONDS).micros().to_be_bytes());
    let body = BASE64.encode(body);
    let seal = BASE64.encode(app.sign("bearer", &body));
    format!("{body}.{seal}")
}

/// The session that a bearer of ours names, and when the bearer ends. `None`: not made here.
fn read_bearer(app: &App, given: &str) -> Option<([u8; 32], Timestamp)> {
    let (body, seal) = given.split_once('.')?;
    let seal = BASE64.decode(seal).ok()?;
    if !bool::from(seal.as_slice().ct_eq(&app.sign("bearer", body))) {
        return None;
    }
    let body = BASE64.decode(body).ok()?;
    let (token_hash, expiry) = body.split_at_checked(32)?;
    let expiry = Timestamp(i64::from_be_bytes(expiry.try_into().ok()?));
    Some((token_hash.try_into().ok()?, expiry))
}

fn proof(app: &App, headers: &HeaderMap, now: Timestamp) -> Option<Proof> {
    let cookie = cookie_proof(headers);
    let given = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let Some(given) = given else { return cookie };
    // A script that sends a bearer means it: the cookie may be another user's by now. After a night's sleep the cookie
    // of the same session stands in for the bearer that has ended.
    let (token_hash, expiry) = read_bearer(app, given)?;
    if expiry > now {
        return Some(Proof {
            token_hash,
            by: By::Bearer,
        });
    }
    cookie.filter(|proof| proof.token_hash == token_hash)
}

/// The viewer of a request, if any. A database that does not answer is an error, not a signed-out user.
pub(crate) async fn viewer(
    app: &App,
    headers: &HeaderMap,
) -> Result<Option<Viewer>, tandem_sync::ports::StoreError> {
    let now = app.clock.now();
    let Some(proof) = proof(app, headers, now) else {
        return Ok(None);
    };
    let Some(session) = app.store.web_session(&proof.token_hash, now).await? else {
        return Ok(None);
    };
    Ok(Some(Viewer {
        token_hash: proof.token_hash,
        by: proof.by,
        session,
    }))
}

/// As an extractor: `None` for strangers, 503 where the database does not answer.
pub(crate) struct MaybeViewer(pub Option<Viewer>);

impl FromRequestParts<App> for MaybeViewer {
    type Rejection = (StatusCode, Json<ApiError>);

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        match viewer(app, &parts.headers).await {
            Ok(viewer) => Ok(Self(viewer)),
            Err(error) => {
                tracing::error!(%error, "web session not read");
                Err((StatusCode::SERVICE_UNAVAILABLE, Json(ApiError::Unavailable)))
            }
        }
    }
}
