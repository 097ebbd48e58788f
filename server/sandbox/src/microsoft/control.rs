//! The control API of Microsoft's sign-in: settings, accounts, everything issued.

use std::collections::BTreeSet;

use axum::body::Bytes;
use axum::extract::{Path, State as Extract};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::Directory;
use super::scopes;
use super::state::State;
use crate::control::refused;

type Refusal = (StatusCode, String);
type Answer = Result<Value, Refusal>;

/// The routes, to be nested under `/microsoft`.
pub(crate) fn router(directory: Directory) -> Router {
    Router::new()
        .route("/settings", get(settings).put(set_settings))
        .route("/users", get(users))
        .route("/users/{name}", get(user).put(set_user))
        .route("/users/{name}/revoke_all", post(revoke_all))
        .route("/users/{name}/expire_access", post(expire_access))
        .route("/users/{name}/forget_consent", post(forget_consent))
        .route("/tokens", get(tokens))
        .route("/issue", post(issue))
        .route("/forge", post(forge))
        .fallback(async || {
            refused(
                StatusCode::NOT_FOUND,
                "no such control address of Microsoft's sign-in",
            )
        })
        .with_state(directory)
}

fn bad(text: impl Into<String>) -> Refusal {
    (StatusCode::BAD_REQUEST, text.into())
}

fn finish(answer: Answer) -> Response {
    match answer {
        Ok(value) => Json(value).into_response(),
        Err((status, text)) => refused(status, text),
    }
}

/// A body is JSON whatever its content type says; none is an empty object.
fn body(bytes: &Bytes) -> Result<Map<String, Value>, Refusal> {
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(bad("the body is not a JSON object")),
        Err(error) => Err(bad(format!("the body is not JSON: {error}"))),
    }
}

fn flag(name: &str, value: &Value) -> Result<bool, Refusal> {
    value
        .as_bool()
        .ok_or_else(|| bad(format!("{name} is neither true nor false")))
}

fn text(name: &str, value: &Value) -> Result<String, Refusal> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| bad(format!("{name} is not a text")))
}

fn seconds(name: &str, value: &Value) -> Result<i64, Refusal> {
    value
        .as_i64()
        .filter(|n| (0..=100_000_000).contains(n))
        .ok_or_else(|| bad(format!("{name} is not a number of seconds")))
}

/// Texts as scopes; one that does not exist is refused.
fn scope_list(value: &Value) -> Result<Vec<String>, Refusal> {
    let names: Option<Vec<&str>> = value
        .as_array()
        .and_then(|list| list.iter().map(Value::as_str).collect());
    let names = names.ok_or_else(|| bad("scopes are an array of texts"))?;
    scopes::parse(&names.join(" ")).map_err(|unknown| bad(format!("there is no scope {unknown}")))
}

fn account(state: &State, name: &str) -> Result<usize, Refusal> {
    state
        .find(name)
        .ok_or_else(|| (StatusCode::NOT_FOUND, format!("the directory knows no {name}")))
}

fn settings_json(state: &State) -> Value {
    let tenants: Vec<Value> = state
        .tenants
        .iter()
        .map(|t| json!({ "id": t.id, "domain": t.domain, "consented": t.consented }))
        .collect();
    json!({
        "admin_consent": state.knobs.admin_consent,
        "require_s256": state.knobs.require_s256,
        "token_life_s": state.knobs.token_life_s,
        "code_life_s": state.knobs.code_life_s,
        "secret_expired": state.knobs.secret_expired,
        "demand_error": state.knobs.demand_error,
        "tenants": tenants,
    })
}

async fn settings(Extract(d): Extract<Directory>) -> Json<Value> {
    Json(settings_json(&d.lock()))
}

async fn set_settings(Extract(d): Extract<Directory>, bytes: Bytes) -> Response {
    finish(change_settings(&d, &bytes))
}

fn change_settings(d: &Directory, bytes: &Bytes) -> Answer {
    let body = body(bytes)?;
    let mut state = d.lock();
    // All or nothing: what is wrong is found before anything is set.
    let mut knobs = state.knobs.clone();
    let mut tenant_consent = None;
    for (name, value) in &body {
        match name.as_str() {
            "admin_consent" => knobs.admin_consent = flag(name, value)?,
            "require_s256" => knobs.require_s256 = flag(name, value)?,
            "token_life_s" => knobs.token_life_s = seconds(name, value)?,
            "code_life_s" => knobs.code_life_s = seconds(name, value)?,
            "secret_expired" => knobs.secret_expired = flag(name, value)?,
            "demand_error" => {
                knobs.demand_error = match value.as_str() {
                    Some("interaction_required") => "interaction_required",
                    Some("invalid_grant") => "invalid_grant",
                    _ => return Err(bad("demand_error is interaction_required or invalid_grant")),
                }
            }
            // What the company's administrator has agreed to.
            "consented" => tenant_consent = Some(scope_list(value)?),
            _ => return Err(bad(format!("there is no setting {name:?}"))),
        }
    }
    state.knobs = knobs;
    if let Some(scopes) = tenant_consent {
        state.tenants[0].consented = scopes.into_iter().collect();
    }
    Ok(settings_json(&state))
}

fn user_json(state: &State, account: usize) -> Value {
    let user = &state.accounts[account];
    json!({
        "username": user.username,
        "mail": user.mail,
        "name": user.name,
        "object_id": user.object_id,
        "tenant": state.tenant_of(account).id,
        "administrator": user.administrator,
        "blocked": user.blocked,
        "conditional_access": user.demand,
        "consented": user.consented,
        "grants": state.grants_of(account).count(),
    })
}

async fn users(Extract(d): Extract<Directory>) -> Json<Value> {
    let state = d.lock();
    let all: Vec<Value> = (0..state.accounts.len()).map(|a| user_json(&state, a)).collect();
    Json(json!(all))
}

async fn user(Extract(d): Extract<Directory>, Path(name): Path<String>) -> Response {
    let state = d.lock();
    finish(account(&state, &name).map(|a| user_json(&state, a)))
}

async fn set_user(Extract(d): Extract<Directory>, Path(name): Path<String>, bytes: Bytes) -> Response {
    finish(change_user(&d, &name, &bytes))
}

fn change_user(d: &Directory, name: &str, bytes: &Bytes) -> Answer {
    let body = body(bytes)?;
    let now = d.now();
    let mut state = d.lock();
    let account = account(&state, name)?;
    let mut user = state.accounts[account].clone();
    let mut new_password = false;
    for (name, value) in &body {
        match name.as_str() {
            "blocked" => user.blocked = flag(name, value)?,
            "administrator" => user.administrator = flag(name, value)?,
            "username" => user.username = text(name, value)?,
            "mail" => user.mail = text(name, value)?,
            "consented" => user.consented = scope_list(value)?.into_iter().collect(),
            // A new password ends what was granted under the old one.
            "password" => {
                user.password = text(name, value)?;
                new_password = true;
            }
            // On: a policy that no session has met so far.
            "conditional_access" => {
                user.demand = if flag(name, value)? {
                    Some(state.guid())
                } else {
                    None
                };
            }
            _ => return Err(bad(format!("a user has no setting {name:?}"))),
        }
    }
    let taken = |wanted: &str| {
        let mut others = state.accounts.iter().enumerate().filter(|(n, _)| *n != account);
        others.any(|(_, a)| a.username.eq_ignore_ascii_case(wanted))
    };
    if taken(&user.username) {
        return Err(bad(format!("the user name {} is taken", user.username)));
    }
    state.accounts[account] = user;
    if new_password {
        state.revoke_all(account, now);
    }
    Ok(user_json(&state, account))
}

async fn revoke_all(Extract(d): Extract<Directory>, Path(name): Path<String>) -> Response {
    let now = d.now();
    let mut state = d.lock();
    finish(account(&state, &name).map(|a| json!({ "revoked": state.revoke_all(a, now) })))
}

async fn expire_access(Extract(d): Extract<Directory>, Path(name): Path<String>) -> Response {
    let mut state = d.lock();
    finish(account(&state, &name).map(|a| json!({ "expired": state.expire_access(a) })))
}

/// As the user does on the page of their applications.
async fn forget_consent(Extract(d): Extract<Directory>, Path(name): Path<String>) -> Response {
    let mut state = d.lock();
    finish(account(&state, &name).map(|a| {
        state.accounts[a].consented = BTreeSet::new();
        user_json(&state, a)
    }))
}

/// Every secret that was ever issued, oldest first, good or not: a log must hold none of them.
async fn tokens(Extract(d): Extract<Directory>) -> Json<Value> {
    let state = d.lock();
    let all: Vec<Value> = state
        .issued
        .iter()
        .map(|one| {
            json!({
                "kind": one.kind,
                "user": state.accounts[one.account].username,
                "value": one.value,
                "at_ms": one.at / 1000,
            })
        })
        .collect();
    Json(json!(all))
}

async fn issue(Extract(d): Extract<Directory>, bytes: Bytes) -> Response {
    finish(issue_tokens(&d, &bytes))
}

/// Tokens without a browser, and the consent that belongs to them.
fn issue_tokens(d: &Directory, bytes: &Bytes) -> Answer {
    let body = body(bytes)?;
    let now = d.now();
    let mut state = d.lock();
    let (mut user, mut scopes, mut life) = (None, scopes::all(), state.knobs.token_life_s);
    for (name, value) in &body {
        match name.as_str() {
            "user" => user = Some(account(&state, &text(name, value)?)?),
            "scopes" => scopes = scope_list(value)?,
            "life_s" => life = seconds(name, value)?,
            _ => return Err(bad(format!("tokens have no {name:?}"))),
        }
    }
    let account = user.ok_or_else(|| bad("user is missing"))?;
    state.accounts[account].consented.extend(scopes.iter().cloned());
    let proof = state.accounts[account].demand.clone();
    let access = state
        .new_access(account, &scopes, proof.clone(), life, now)
        .map_err(|trouble| (StatusCode::INTERNAL_SERVER_ERROR, trouble.text))?;
    let refresh = state.new_refresh(account, &scopes, proof, now);
    Ok(json!({ "access_token": access, "refresh_token": refresh, "expires_in": life }))
}

/// Claims of the next id token, true or not; null takes one away; `id_token` replaces the whole.
async fn forge(Extract(d): Extract<Directory>, bytes: Bytes) -> Response {
    finish(body(&bytes).map(|claims| {
        d.lock().forged = Some(claims);
        Value::Null
    }))
}
