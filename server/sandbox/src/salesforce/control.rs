//! The Salesforce half of the control API: rows, the organisation's settings, users.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Bytes;
use axum::extract::{Path, Query, State as Extract};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Salesforce;
use super::access::{Access, Choice, Full, Rule, Sharing};
use super::error::ApiError;
use super::ids::Id;
use super::query::View;
use super::rows::{Fields, Writer};
use super::schema::{DEMANDED, FieldSet, Kind, Object, Schema};
use super::setup::ACTIVITIES;
use super::soql::Chars;
use super::state::{KEYED, State};
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
        .route("/secrets", get(secrets))
        .route("/records/{object}", get(list).post(create))
        .route("/records/{object}/{id}", get(one).patch(update).delete(delete))
        .route("/records/{object}/{id}/{action}", post(act))
        .route("/leads/{id}/convert", post(convert_lead))
        .route("/listviews", post(add_list_view))
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
    let mut keys = None;
    let mut capture = None;
    for (name, value) in &body {
        match name.as_str() {
            "tandem_key" => keys = Some(key_switches(value)?),
            "enhanced_email" => knobs.enhanced_email = flag(name, value)?,
            "shared_activities" => knobs.shared_activities = flag(name, value)?,
            "record_types" => knobs.record_types = flag(name, value)?,
            "activity_capture" => capture = Some(flag(name, value)?),
            "required_custom_field" => knobs.demanding = demanding(&state.schema, value)?,
            "picklists" => knobs.picklists = picklists(&state.schema, value)?,
            "storage_full" => knobs.full = full(value)?,
            "file_size_limit" => {
                knobs.file_limit = usize::try_from(number(name, value)?).map_err(|e| bad(e.to_string()))?;
            }
            "duplicate_rule" => knobs.duplicate_rule = flag(name, value)?,
            "validation_rule" => knobs.rules = rules(&state.schema, value)?,
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
    for (object, on, exact) in keys.unwrap_or_default() {
        state.set_key(object, on, true, exact);
    }
    let now_ms = s.now_ms();
    if body.contains_key("picklists") {
        state.list_choices(now_ms);
    }
    if let Some(on) = capture {
        state.set_activity_capture(on, now_ms);
    }
    Ok(Json(state.knobs.to_json()).into_response())
}

/// Object, whether it has the key, whether case counts there.
type KeySwitch = (&'static str, bool, bool);

/// `true`, `false`, or `{"Contact": true, "Activity": false, "EmailMessage": true}`.
fn key_switches(value: &Value) -> Result<Vec<KeySwitch>, (StatusCode, String)> {
    if let Some(on) = value.as_bool() {
        return Ok(KEYED.map(|(object, exact)| (object, on, exact)).to_vec());
    }
    let wrong = || bad("tandem_key is true, false, or an object of Contact, Activity and EmailMessage");
    let mut out = Vec::new();
    for (name, on) in value.as_object().ok_or_else(wrong)? {
        let on = on.as_bool().ok_or_else(wrong)?;
        let named: Vec<_> = KEYED
            .into_iter()
            .filter(|(object, _)| object == name || (name == "Activity" && ACTIVITIES.contains(object)))
            .collect();
        // Events and tasks have one field together.
        if named.is_empty() || ACTIVITIES.contains(&name.as_str()) {
            return Err(wrong());
        }
        out.extend(named.into_iter().map(|(object, exact)| (object, on, exact)));
    }
    Ok(out)
}

/// `["Event"]`
fn demanding(schema: &Schema, value: &Value) -> Result<BTreeSet<&'static str>, (StatusCode, String)> {
    let names = value
        .as_array()
        .ok_or_else(|| bad("required_custom_field is an array of objects"))?;
    names
        .iter()
        .map(|name| {
            schema
                .object(name.as_str().unwrap_or_default())
                .filter(|o| o.field(DEMANDED).is_some())
                .map(|o| o.name)
                .ok_or_else(|| bad(format!("{name} cannot have the field {DEMANDED}")))
        })
        .collect()
}

/// `{"Task.Status": ["Open", {"value": "Done", "closed": true, "default": false}]}`
fn picklists(schema: &Schema, value: &Value) -> Result<BTreeMap<String, Vec<Choice>>, (StatusCode, String)> {
    let lists = value.as_object().ok_or_else(|| bad("picklists is an object"))?;
    lists
        .iter()
        .map(|(name, values)| {
            name.split_once('.')
                .and_then(|(object, field)| schema.object(object)?.field(field))
                .filter(|f| matches!(f.kind, Kind::Picklist(_)))
                .ok_or_else(|| bad(format!("there is no picklist {name}")))?;
            let values = values
                .as_array()
                .filter(|v| !v.is_empty())
                .ok_or_else(|| bad(format!("{name}: the values are an array, not empty")))?;
            let choices = values.iter().map(choice).collect::<Result<_, _>>()?;
            Ok((name.to_lowercase(), choices))
        })
        .collect()
}

fn choice(value: &Value) -> Result<Choice, (StatusCode, String)> {
    let is = |name: &str| value.get(name).and_then(Value::as_bool);
    let text = value
        .as_str()
        .or_else(|| value.get("value")?.as_str())
        .ok_or_else(|| bad(format!("not a value of a picklist: {value}")))?;
    Ok(Choice {
        value: text.to_owned(),
        closed: is("closed").unwrap_or(text == "Completed"),
        default: is("default").unwrap_or(false),
    })
}

/// `true`, `false`, `"data"` or `"files"`
fn full(value: &Value) -> Result<Full, (StatusCode, String)> {
    match (value.as_bool(), value.as_str()) {
        (Some(is), _) => Ok(Full { data: is, files: is }),
        (_, Some("data")) => Ok(Full {
            data: true,
            files: false,
        }),
        (_, Some("files")) => Ok(Full {
            data: false,
            files: true,
        }),
        _ => Err(bad("storage_full is true, false, \"data\" or \"files\"")),
    }
}

/// One rule, several in an array, or null.
fn rules(schema: &Schema, value: &Value) -> Result<Vec<Rule>, (StatusCode, String)> {
    match value {
        Value::Array(several) => several
            .iter()
            .map(|one| rule(schema, one).and_then(|r| r.ok_or_else(|| bad("a rule is an object"))))
            .collect(),
        one => Ok(rule(schema, one)?.into_iter().collect()),
    }
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
        "admin": user.admin,
        "view_all": user.view_all,
        "hidden_fields": user.hidden,
        "read_only_fields": user.read_only,
        "grants": grants,
        "access_tokens": state.auth.tokens_of(at),
    })
}

/// The random part of every code, token and session ever issued, and every verifier: what may stand in no log.
async fn secrets(Extract(s): Extract<Salesforce>) -> Json<Value> {
    Json(json!(s.lock().auth.secrets()))
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
            "admin" => user.admin = flag(name, value)?,
            "view_all" => user.view_all = flag(name, value)?,
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
    state.list_profiles();
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
            .all(object.table)
            .filter(|row| state.rows.reads(&access, object, &row.id, &row.fields))
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
            "convert" if object.name == "Lead" => {
                let into = Conversion {
                    contact: text("contact").map(str::to_owned),
                    ..Conversion::default()
                };
                convert(rows, writer, object, &id, &into)
            }
            _ => Err(missing(format!("{name} has no action {action}"))),
        }
    }))
}

/// What a lead becomes; what is not named is made.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Conversion {
    contact: Option<String>,
    account: Option<String>,
    /// Whether the lead becomes an account, too: a new one, or the one that has its company's name.
    with_account: bool,
    /// The name of an opportunity to make.
    opportunity: Option<String>,
}

async fn convert_lead(
    Extract(s): Extract<Salesforce>,
    Path(id): Path<String>,
    Query(by): Query<As>,
    bytes: Bytes,
) -> Response {
    finish(write(&s, "Lead", &by, |rows, writer, lead| {
        let body = body(&bytes)?;
        let with_account = !body.contains_key("with_account");
        let mut into: Conversion =
            serde_json::from_value(Value::Object(body)).map_err(|e| bad(e.to_string()))?;
        into.with_account |= with_account;
        convert(rows, writer, lead, &find_id(&id)?, &into)
    }))
}

/// A lead becomes a contact, perhaps with an account and an opportunity; its activities go with it.
fn convert(
    rows: &mut super::rows::Rows,
    writer: &Writer<'_>,
    lead: &Object,
    id: &Id,
    into: &Conversion,
) -> Answer {
    let schema = writer.access.schema;
    let object = find_object(schema, "Contact")?;
    let fields = rows.find(writer, lead, id).map_err(failed)?.fields.clone();
    if fields.get("IsConverted").is_some_and(Val::is_true) {
        return Err(bad("the lead is converted already"));
    }
    let given = |text: &Option<String>| text.as_deref().map(find_id).transpose();
    let (contact, mut account) = (given(&into.contact)?, given(&into.account)?);
    if let Some(contact) = &contact {
        rows.find(writer, object, contact).map_err(failed)?;
    }
    let accounts = find_object(schema, "Account")?;
    if let Some(account) = &account {
        rows.find(writer, accounts, account).map_err(failed)?;
    } else if into.with_account {
        let company = fields.get("Company").and_then(Val::as_text).unwrap_or_default();
        let name = accounts
            .field("Name")
            .ok_or_else(|| bad("an account has no name"))?;
        let found = rows.matches(&writer.access, accounts, name, company);
        account = if let Some(found) = found.into_iter().next() {
            Some(found)
        } else {
            let body = Map::from_iter([("Name".to_owned(), json!(company))]);
            Some(rows.create(writer, accounts, &body).map_err(failed)?)
        };
    }
    let contact = if let Some(contact) = contact {
        contact
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
        let mut body: Map<String, Value> = names
            .iter()
            .filter_map(|n| fields.get(n).map(|v| ((*n).to_owned(), v.to_json())))
            .collect();
        if let Some(account) = &account {
            body.insert("AccountId".to_owned(), json!(account.as_str()));
        }
        rows.create(writer, object, &body).map_err(failed)?
    };
    let now = jiff::Timestamp::from_millisecond(writer.now_ms).map_err(|e| bad(e.to_string()))?;
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let opportunity = if let Some(name) = &into.opportunity {
        let body = json!({
            "Name": name, "StageName": "Prospecting", "CloseDate": today.to_string(),
            "AccountId": account.as_ref().map(Id::as_str), "OwnerId": fields.get("OwnerId").map(Val::to_json),
        });
        let body = body.as_object().cloned().unwrap_or_default();
        Some(
            rows.create(writer, find_object(schema, "Opportunity")?, &body)
                .map_err(failed)?,
        )
    } else {
        None
    };
    let as_val = |id: &Option<Id>| id.as_ref().map_or(Val::Null, |i| Val::Text(i.to_string()));
    rows.force(
        writer,
        lead,
        id,
        Fields::from([
            ("IsConverted", Val::Bool(true)),
            ("ConvertedContactId", Val::Text(contact.to_string())),
            ("ConvertedAccountId", as_val(&account)),
            ("ConvertedOpportunityId", as_val(&opportunity)),
            ("ConvertedDate", Val::Date(today)),
            ("Status", Val::text("Closed - Converted")),
        ]),
    );
    for (name, field) in [
        ("Event", "WhoId"),
        ("Task", "WhoId"),
        ("EventRelation", "RelationId"),
        ("TaskRelation", "RelationId"),
        ("EmailMessageRelation", "RelationId"),
    ] {
        let of = find_object(schema, name)?;
        for row in rows.pointing(name, field, id) {
            rows.force(
                writer,
                of,
                &row,
                Fields::from([(field, Val::Text(contact.to_string()))]),
            );
        }
    }
    Ok(Json(json!({
        "contact": contact.as_str(),
        "account": account.as_ref().map(Id::as_str),
        "opportunity": opportunity.as_ref().map(Id::as_str),
    }))
    .into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewListView {
    object: String,
    label: String,
    /// `everything` (the default) or `mine`.
    scope: Option<String>,
    /// SOQL without `WHERE`.
    #[serde(rename = "where")]
    condition: Option<String>,
}

async fn add_list_view(Extract(s): Extract<Salesforce>, bytes: Bytes) -> Response {
    let now_ms = s.now_ms();
    finish((|| {
        let view: NewListView = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
        let mut state = s.lock();
        let object = find_object(&state.schema, &view.object)?.name;
        let scope = view.scope.as_deref().unwrap_or("everything");
        if !matches!(scope, "everything" | "mine") {
            return Err(bad(format!("a list view has no scope {scope}")));
        }
        if let Some(condition) = &view.condition {
            super::soql::parse(&format!("SELECT Id FROM {object} WHERE {condition}")).map_err(failed)?;
        }
        let id = state.add_list_view(object, &view.label, scope, view.condition.as_deref(), now_ms);
        Ok((StatusCode::CREATED, Json(json!({ "id": id.as_str() }))).into_response())
    })())
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
