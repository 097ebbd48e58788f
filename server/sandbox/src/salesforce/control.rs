//! The Salesforce half of the control API: rows, the organisation's settings, users.

use axum::body::Bytes;
use axum::extract::{Path, Query, State as Extract};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Salesforce;
use super::access::{Access, Rule, Sharing};
use super::error::ApiError;
use super::ids::Id;
use super::query::View;
use super::rows::{Fields, Writer};
use super::schema::{FieldSet, Object, Schema};
use super::soql::Chars;
use super::state::State;
use super::value::Val;
use crate::control::refused;

type Answer = Result<Response, (StatusCode, String)>;

/// The routes, to be nested under `/salesforce`.
pub(crate) fn router(salesforce: Salesforce) -> Router {
    Router::new()
        .route("/org", get(org).put(set_org))
        .route("/users/{username}", get(user).put(set_user))
        .route("/users/{username}/revoke_all", post(revoke_all))
        .route("/users/{username}/expire_access", post(expire_access))
        .route("/records/{object}", get(list).post(create))
        .route("/records/{object}/{id}", get(one).patch(update).delete(delete))
        .route("/records/{object}/{id}/{action}", post(act))
        .route("/seed", post(seed))
        .fallback(async || refused(StatusCode::NOT_FOUND, "no such control address of Salesforce"))
        .with_state(salesforce)
}

fn bad(text: impl Into<String>) -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, text.into())
}

fn missing(text: impl Into<String>) -> (StatusCode, String) {
    (StatusCode::NOT_FOUND, text.into())
}

fn failed(error: ApiError) -> (StatusCode, String) {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, format!("{}: {}", error.code, error.message))
}

fn finish(answer: Answer) -> Response {
    answer.unwrap_or_else(|(status, text)| refused(status, text))
}

/// A body is JSON whatever its content type says; none is an empty object.
fn body(bytes: &Bytes) -> Result<Map<String, Value>, (StatusCode, String)> {
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(bad("the body is not a JSON object")),
        Err(error) => Err(bad(format!("the body is not JSON: {error}"))),
    }
}

fn flag(name: &str, value: &Value) -> Result<bool, (StatusCode, String)> {
    value
        .as_bool()
        .ok_or_else(|| bad(format!("{name} is neither true nor false")))
}

fn number(name: &str, value: &Value) -> Result<u64, (StatusCode, String)> {
    value
        .as_u64()
        .ok_or_else(|| bad(format!("{name} is not a whole number")))
}

/// `["Contact.Phone"]` as keys; a field that does not exist is refused.
fn field_set(schema: &Schema, value: &Value) -> Result<FieldSet, (StatusCode, String)> {
    let names = value
        .as_array()
        .ok_or_else(|| bad("a list of fields is an array of texts"))?;
    names
        .iter()
        .map(|name| {
            let name = name.as_str().unwrap_or_default();
            let known = name
                .split_once('.')
                .and_then(|(object, field)| schema.object(object)?.field(field))
                .is_some();
            if known {
                Ok(name.to_lowercase())
            } else {
                Err(bad(format!("there is no field {name}")))
            }
        })
        .collect()
}

async fn org(Extract(s): Extract<Salesforce>) -> Json<Value> {
    let state = s.lock();
    let mut out = state.knobs.to_json();
    out["api_used"] = json!(state.api_used);
    out["org_id"] = json!(state.org_id.as_str());
    Json(out)
}

async fn set_org(Extract(s): Extract<Salesforce>, bytes: Bytes) -> Response {
    finish(change_org(&s, &bytes))
}

fn change_org(s: &Salesforce, bytes: &Bytes) -> Answer {
    let body = body(bytes)?;
    let mut state = s.lock();
    // All or nothing: what is wrong is found before anything is set.
    let mut knobs = state.knobs.clone();
    let mut api_used = state.api_used;
    for (name, value) in &body {
        match name.as_str() {
            "tandem_key" => knobs.tandem_key = flag(name, value)?,
            "duplicate_rule" => knobs.duplicate_rule = flag(name, value)?,
            "validation_rule" => knobs.rule = rule(&state.schema, value)?,
            "hidden_fields" => knobs.hidden = field_set(&state.schema, value)?,
            "read_only_fields" => knobs.read_only = field_set(&state.schema, value)?,
            "api_disabled" => knobs.api_disabled = flag(name, value)?,
            "api_limit" => knobs.api_limit = number(name, value)?,
            "api_used" => api_used = number(name, value)?,
            "rotation" => knobs.rotation = flag(name, value)?,
            "reuse_ends_grant" => knobs.reuse_ends_grant = flag(name, value)?,
            "require_pkce" => knobs.require_pkce = flag(name, value)?,
            "whole_second_stamps" => knobs.whole_seconds = flag(name, value)?,
            "sharing" => {
                let modes = value.as_object().ok_or_else(|| bad("sharing is an object"))?;
                knobs.sharing.clear();
                for (object, mode) in modes {
                    let object = state
                        .schema
                        .object(object)
                        .filter(|o| o.is_owned())
                        .ok_or_else(|| bad(format!("{object} has no owner")))?;
                    let mode: Sharing =
                        serde_json::from_value(mode.clone()).map_err(|e| bad(e.to_string()))?;
                    knobs.sharing.insert(object.name, mode);
                }
            }
            "public" => {
                let ids = value.as_array().ok_or_else(|| bad("public is an array of ids"))?;
                knobs.public = ids
                    .iter()
                    .map(|i| {
                        i.as_str()
                            .and_then(Id::parse)
                            .ok_or_else(|| bad(format!("no id: {i}")))
                    })
                    .collect::<Result<_, _>>()?;
            }
            _ => return Err(bad(format!("the organisation has no setting {name}"))),
        }
    }
    state.knobs = knobs;
    state.api_used = api_used;
    Ok(Json(state.knobs.to_json()).into_response())
}

fn rule(schema: &Schema, value: &Value) -> Result<Option<Rule>, (StatusCode, String)> {
    if value.is_null() {
        return Ok(None);
    }
    let map = value
        .as_object()
        .ok_or_else(|| bad("validation_rule is an object or null"))?;
    let text = |name: &str| map.get(name).and_then(Value::as_str);
    let known = ["object", "field", "pattern", "contains", "message"];
    if let Some(unknown) = map.keys().find(|k| !known.contains(&k.as_str())) {
        return Err(bad(format!("a validation rule has no {unknown}")));
    }
    let object = schema
        .object(text("object").unwrap_or("Contact"))
        .ok_or_else(|| bad("unknown object"))?;
    let field = text("field")
        .and_then(|f| object.field(f))
        .ok_or_else(|| bad("unknown field"))?;
    let pattern: Chars = match (text("pattern"), text("contains")) {
        // As in LIKE.
        (Some(pattern), None) => pattern.chars().map(|c| (c, false)).collect(),
        (None, Some(part)) => std::iter::once(('%', false))
            .chain(part.chars().map(|c| (c, true)))
            .chain([('%', false)])
            .collect(),
        _ => return Err(bad("a validation rule needs either pattern or contains")),
    };
    let message = text("message")
        .ok_or_else(|| bad("a validation rule needs a message"))?
        .to_owned();
    Ok(Some(Rule {
        object: object.name,
        field: field.name,
        pattern,
        message,
    }))
}

fn find_user(state: &State, username: &str) -> Result<usize, (StatusCode, String)> {
    state
        .user(username)
        .ok_or_else(|| missing(format!("no user {username}")))
}

fn user_json(state: &State, at: usize) -> Value {
    let user = &state.users[at];
    let grants: Vec<Value> = state
        .auth
        .grants_of(at)
        .map(|g| json!({ "issued_ms": g.issued_ms, "used_ms": g.used_ms }))
        .collect();
    json!({
        "username": user.username,
        "id": user.id.as_str(),
        "active": user.active,
        "api_enabled": user.api,
        "hidden_fields": user.hidden,
        "read_only_fields": user.read_only,
        "grants": grants,
        "access_tokens": state.auth.tokens_of(at),
    })
}

async fn user(Extract(s): Extract<Salesforce>, Path(username): Path<String>) -> Response {
    let state = s.lock();
    finish(find_user(&state, &username).map(|at| Json(user_json(&state, at)).into_response()))
}

async fn set_user(Extract(s): Extract<Salesforce>, Path(username): Path<String>, bytes: Bytes) -> Response {
    finish(change_user(&s, &username, &bytes))
}

fn change_user(s: &Salesforce, username: &str, bytes: &Bytes) -> Answer {
    let body = body(bytes)?;
    let now_ms = s.now_ms();
    let mut state = s.lock();
    let at = find_user(&state, username)?;
    let mut user = state.users[at].clone();
    for (name, value) in &body {
        match name.as_str() {
            "api_enabled" => user.api = flag(name, value)?,
            "active" => user.active = flag(name, value)?,
            "hidden_fields" => user.hidden = field_set(&state.schema, value)?,
            "read_only_fields" => user.read_only = field_set(&state.schema, value)?,
            "password" => {
                value
                    .as_str()
                    .ok_or_else(|| bad("password is not a text"))?
                    .clone_into(&mut user.password);
            }
            _ => return Err(bad(format!("a user has no setting {name}"))),
        }
    }
    if !user.active {
        // Sessions end with the user; the refresh tokens answer for themselves.
        state.auth.expire_access(at);
    }
    let (id, active) = (user.id.clone(), user.active);
    state.users[at] = user;
    let state = &mut *state;
    if let Some(object) = state.schema.object("User") {
        let access = Access {
            schema: &state.schema,
            knobs: &state.knobs,
            user: &state.users[at],
            all: true,
        };
        let writer = Writer {
            access,
            now_ms,
            allow_duplicates: true,
            base: "",
        };
        state.rows.force(
            &writer,
            object,
            &id,
            Fields::from([("IsActive", Val::Bool(active))]),
        );
    }
    Ok(Json(user_json(state, at)).into_response())
}

async fn revoke_all(Extract(s): Extract<Salesforce>, Path(username): Path<String>) -> Response {
    let mut state = s.lock();
    let answer = find_user(&state, &username)
        .map(|at| Json(json!({ "revoked": state.auth.revoke_all(at) })).into_response());
    finish(answer)
}

async fn expire_access(Extract(s): Extract<Salesforce>, Path(username): Path<String>) -> Response {
    let mut state = s.lock();
    let answer = find_user(&state, &username)
        .map(|at| Json(json!({ "expired": state.auth.expire_access(at) })).into_response());
    finish(answer)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct As {
    /// Whose eyes or hands; without it everything is seen, and the first user writes.
    #[serde(rename = "as")]
    user: Option<String>,
    /// Deletes without the bin.
    #[serde(default)]
    hard: bool,
}

fn find_object<'a>(schema: &'a Schema, name: &str) -> Result<&'a Object, (StatusCode, String)> {
    schema
        .object(name)
        .ok_or_else(|| missing(format!("no object {name}")))
}

fn find_id(text: &str) -> Result<Id, (StatusCode, String)> {
    Id::parse(text).ok_or_else(|| bad(format!("no id: {text}")))
}

fn eyes<'a>(state: &'a State, as_user: Option<&str>) -> Result<Access<'a>, (StatusCode, String)> {
    let at = as_user.map(|u| find_user(state, u)).transpose()?;
    Ok(Access {
        schema: &state.schema,
        knobs: &state.knobs,
        user: &state.users[at.unwrap_or_default()],
        all: at.is_none(),
    })
}

fn shown(view: &View<'_>, object: &Object, row: &super::rows::Row) -> Value {
    let mut value = view.whole(object, row, None);
    if let Value::Object(map) = &mut value {
        map.remove("attributes");
    }
    value
}

async fn list(Extract(s): Extract<Salesforce>, Path(name): Path<String>, Query(by): Query<As>) -> Response {
    let state = s.lock();
    finish((|| {
        let object = find_object(&state.schema, &name)?;
        let access = eyes(&state, by.user.as_deref())?;
        let view = View {
            access,
            rows: &state.rows,
            n: u64::MAX,
            base: "",
        };
        let rows: Vec<Value> = state
            .rows
            .all(object.name)
            .filter(|row| access.reads_row(object, &row.id, &row.fields))
            .map(|row| shown(&view, object, row))
            .collect();
        Ok(Json(rows).into_response())
    })())
}

async fn one(
    Extract(s): Extract<Salesforce>,
    Path((name, id)): Path<(String, String)>,
    Query(by): Query<As>,
) -> Response {
    let state = s.lock();
    finish((|| {
        let object = find_object(&state.schema, &name)?;
        let access = eyes(&state, by.user.as_deref())?;
        let id = find_id(&id)?;
        let row = state
            .rows
            .get(object.name, &id)
            .ok_or_else(|| missing(format!("no {name} {id}")))?;
        let view = View {
            access,
            rows: &state.rows,
            n: u64::MAX,
            base: "",
        };
        Ok(Json(shown(&view, object, row)).into_response())
    })())
}

/// Does something to the rows with the hands of a user whom no rule binds.
fn write(
    s: &Salesforce,
    name: &str,
    by: &As,
    work: impl FnOnce(&mut super::rows::Rows, &Writer<'_>, &Object) -> Result<Response, (StatusCode, String)>,
) -> Answer {
    let now_ms = s.now_ms();
    let mut state = s.lock();
    let at = by
        .user
        .as_deref()
        .map(|u| find_user(&state, u))
        .transpose()?
        .unwrap_or_default();
    let state = &mut *state;
    let object = find_object(&state.schema, name)?;
    let access = Access {
        schema: &state.schema,
        knobs: &state.knobs,
        user: &state.users[at],
        all: true,
    };
    let writer = Writer {
        access,
        now_ms,
        allow_duplicates: true,
        base: "",
    };
    work(&mut state.rows, &writer, object)
}

/// `{"fields": {...}}` or the fields themselves.
fn given_fields(bytes: &Bytes) -> Result<Map<String, Value>, (StatusCode, String)> {
    let mut body = body(bytes)?;
    match body.remove("fields") {
        Some(Value::Object(fields)) if body.is_empty() => Ok(fields),
        Some(_) => Err(bad("fields is the only key and an object")),
        None => Ok(body),
    }
}

async fn create(
    Extract(s): Extract<Salesforce>,
    Path(name): Path<String>,
    Query(by): Query<As>,
    bytes: Bytes,
) -> Response {
    finish(write(&s, &name, &by, |rows, writer, object| {
        let id = rows
            .create(writer, object, &given_fields(&bytes)?)
            .map_err(failed)?;
        Ok((StatusCode::CREATED, Json(json!({ "id": id.as_str() }))).into_response())
    }))
}

async fn update(
    Extract(s): Extract<Salesforce>,
    Path((name, id)): Path<(String, String)>,
    Query(by): Query<As>,
    bytes: Bytes,
) -> Response {
    finish(write(&s, &name, &by, |rows, writer, object| {
        rows.update(writer, object, &find_id(&id)?, &given_fields(&bytes)?)
            .map_err(failed)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    }))
}

async fn delete(
    Extract(s): Extract<Salesforce>,
    Path((name, id)): Path<(String, String)>,
    Query(by): Query<As>,
) -> Response {
    finish(write(&s, &name, &by, |rows, writer, object| {
        let id = find_id(&id)?;
        if by.hard {
            if !rows.purge(object, &id) {
                return Err(missing(format!("no {name} {id}")));
            }
        } else {
            rows.delete(writer, object, &id).map_err(failed)?;
        }
        Ok(StatusCode::NO_CONTENT.into_response())
    }))
}

/// `merge {loser}`, `undelete`, `convert {contact?}`.
async fn act(
    Extract(s): Extract<Salesforce>,
    Path((name, id, action)): Path<(String, String, String)>,
    Query(by): Query<As>,
    bytes: Bytes,
) -> Response {
    finish(write(&s, &name, &by, |rows, writer, object| {
        let id = find_id(&id)?;
        let body = body(&bytes)?;
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        match action.as_str() {
            "merge" => {
                let loser = find_id(text("loser").unwrap_or_default())?;
                rows.merge(writer, object, &id, &loser).map_err(failed)?;
                Ok(StatusCode::NO_CONTENT.into_response())
            }
            "undelete" => {
                rows.undelete(writer, object, &id).map_err(failed)?;
                Ok(StatusCode::NO_CONTENT.into_response())
            }
            "convert" if object.name == "Lead" => convert(rows, writer, object, &id, text("contact")),
            _ => Err(missing(format!("{name} has no action {action}"))),
        }
    }))
}

/// A lead becomes a contact: the one that is named, or a new one.
fn convert(
    rows: &mut super::rows::Rows,
    writer: &Writer<'_>,
    lead: &Object,
    id: &Id,
    contact: Option<&str>,
) -> Answer {
    let object = find_object(writer.access.schema, "Contact")?;
    let fields = rows.find(writer, lead, id).map_err(failed)?.fields.clone();
    let contact = if let Some(given) = contact {
        let given = find_id(given)?;
        rows.find(writer, object, &given).map_err(failed)?;
        given
    } else {
        let names = [
            "FirstName",
            "LastName",
            "Email",
            "Title",
            "Phone",
            "MobilePhone",
            "OwnerId",
        ];
        let body: Map<String, Value> = names
            .iter()
            .filter_map(|n| fields.get(n).map(|v| ((*n).to_owned(), v.to_json())))
            .collect();
        rows.create(writer, object, &body).map_err(failed)?
    };
    let now = jiff::Timestamp::from_millisecond(writer.now_ms).map_err(|e| bad(e.to_string()))?;
    rows.force(
        writer,
        lead,
        id,
        Fields::from([
            ("IsConverted", Val::Bool(true)),
            ("ConvertedContactId", Val::Text(contact.to_string())),
            (
                "ConvertedDate",
                Val::Date(now.to_zoned(jiff::tz::TimeZone::UTC).date()),
            ),
            ("Status", Val::text("Closed - Converted")),
        ]),
    );
    Ok(Json(json!({ "contact": contact.as_str() })).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seed {
    count: usize,
    owner: Option<String>,
}

/// Adds people of the company as contacts of a user.
async fn seed(Extract(s): Extract<Salesforce>, bytes: Bytes) -> Response {
    let now_ms = s.now_ms();
    finish((|| {
        let seed: Seed = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
        let mut state = s.lock();
        let owner = seed
            .owner
            .map(|o| find_user(&state, &o))
            .transpose()?
            .unwrap_or_default();
        let ids = state.seed(owner, seed.count, now_ms);
        let ids: Vec<&str> = ids.iter().map(Id::as_str).collect();
        Ok((StatusCode::CREATED, Json(json!({ "ids": ids }))).into_response())
    })())
}
