//! The REST API under `/services/data`.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_list.htm>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method};
use serde_json::{Map, Value, json};

use super::access::Access;
use super::error::ApiError;
use super::ids::Id;
use super::oauth::Form;
use super::query::View;
use super::rows::Writer;
use super::schema::{Field, Object};
use super::soql;
use super::state::State;
use super::value::{Val, read_stamp, stamp};
use super::{collections, composite, describe, listview, tooling};
use crate::faults::{Faults, Kind};

/// The versions that are played.
pub(crate) const VERSIONS: std::ops::RangeInclusive<u32> = 31..=67;
const PAGE: usize = 2000;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const MINUTE_MS: i64 = 60 * 1000;

/// A request or a part of a composite one.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    /// After `/services/data/v67.0`, decoded, without empty ones.
    pub(crate) segments: Vec<String>,
    pub(crate) query: Form,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: Option<Value>,
    /// Whether it came inside of a composite request.
    pub(crate) nested: bool,
}

impl Ask<'_> {
    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, which must be an object.
    pub(crate) fn object(&self) -> Result<&Map<String, Value>, ApiError> {
        match &self.body {
            Some(Value::Object(map)) => Ok(map),
            Some(_) => Err(ApiError::json(
                "Unexpected type: the body must be a JSON object at [line:1, column:1]",
            )),
            None => Err(ApiError::json("No content to map to Object due to end of input")),
        }
    }
}

/// Who asks, and in which world.
#[derive(Clone)]
pub(crate) struct Call<'a> {
    pub(crate) user: usize,
    pub(crate) username: String,
    pub(crate) now_ms: i64,
    /// Where the request log is.
    pub(crate) n: u64,
    pub(crate) faults: &'a Faults,
    /// `/services/data/v67.0`.
    pub(crate) base: String,
}

impl Call<'_> {
    /// A fault of the service's own kinds that is due now.
    pub(crate) fn fault(&self, operation: &str, wanted: impl Fn(&Kind) -> bool) -> Option<Kind> {
        self.faults
            .take("salesforce", operation, Some(&self.username), wanted)
    }

    /// `UNABLE_TO_LOCK_ROW`, if a rule wants it now.
    pub(crate) fn locked(&self, operation: &str) -> Result<(), ApiError> {
        match self.fault(operation, |k| *k == Kind::LockRow) {
            None => Ok(()),
            Some(_) => Err(ApiError::row(
                "UNABLE_TO_LOCK_ROW",
                "unable to obtain exclusive access to this record",
                &[],
            )),
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<Value>,
    /// A file's content instead of JSON.
    pub(crate) file: Option<Vec<u8>>,
}

impl Reply {
    pub(crate) fn ok(body: Value) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: Some(body),
            file: None,
        }
    }

    pub(crate) fn created(location: String, body: Value) -> Self {
        Self {
            status: 201,
            headers: vec![("Location", location)],
            body: Some(body),
            file: None,
        }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: None,
            file: None,
        }
    }
}

impl From<ApiError> for Reply {
    fn from(error: ApiError) -> Self {
        Self {
            status: error.status,
            headers: Vec::new(),
            body: Some(json!([error.to_json()])),
            file: None,
        }
    }
}

/// The disjoint parts of the state that a write needs.
macro_rules! writer {
    ($state:expr, $call:expr, $ask:expr) => {
        $crate::salesforce::rows::Writer {
            access: $crate::salesforce::access::Access {
                schema: &$state.schema,
                knobs: &$state.knobs,
                user: &$state.users[$call.user],
                all: false,
            },
            now_ms: $call.now_ms,
            allow_duplicates: $crate::salesforce::rest::allows_duplicates($ask.headers),
            base: &$call.base,
        }
    };
}
pub(crate) use writer;

/// `Sforce-Duplicate-Rule-Header: allowSave=true; includeRecordDetails=…; runAsCurrentUser=…`
pub(crate) fn allows_duplicates(headers: &HeaderMap) -> bool {
    headers
        .get("Sforce-Duplicate-Rule-Header")
        .and_then(|v| v.to_str().ok())
        .is_some_and(|text| {
            text.split([';', ','])
                .any(|part| part.replace(' ', "").eq_ignore_ascii_case("allowSave=true"))
        })
}

/// The name in log, rules and counters.
pub(crate) fn operation(method: &str, segments: &[&str]) -> &'static str {
    match (segments, method) {
        ([] | ["query" | "queryAll"], m) if m != "GET" => "unknown",
        ([], _) => "resources",
        (["limits"], _) => "limits",
        (["sobjects"], _) => "sobjects",
        (["sobjects", _], "POST") => "create",
        (["sobjects", _], _) => "sobject",
        (["sobjects", _, "describe"], _) => "describe",
        (["sobjects", _, "updated"], _) => "updated",
        (["sobjects", _, "deleted"], _) => "deleted",
        (["sobjects", _, "listviews"], _) => "listviews",
        (["sobjects", _, "listviews", _], _) => "listview",
        (["sobjects", _, "listviews", _, "describe"], _) => "listview_describe",
        (["sobjects", _, "listviews", _, "results"], _) => "listview_results",
        (["sobjects", "ContentVersion", _, "VersionData"], "GET") => "content",
        (["tooling", "query"], "GET") => "tooling_query",
        (["tooling", "sobjects", "CustomField"], "POST") => "tooling_create",
        (["tooling", "sobjects", "CustomField", _], "DELETE") => "tooling_delete",
        (["sobjects", _, _], "PATCH") => "update",
        (["sobjects", _, _] | ["sobjects", _, _, _], "DELETE") => "delete",
        (["sobjects", _, _] | ["sobjects", _, _, _], "GET") => "retrieve",
        (["sobjects", _, _, _], "PATCH") => "upsert",
        (["query"], _) => "query",
        (["queryAll"], _) => "queryAll",
        (["query" | "queryAll", _], _) => "queryMore",
        (["composite"], _) => "composite",
        (["composite", "sobjects"], "POST") => "collections_create",
        (["composite", "sobjects"], "PATCH") => "collections_update",
        (["composite", "sobjects"], "DELETE") => "collections_delete",
        (["composite", "sobjects", _], _) => "collections_retrieve",
        (["composite", "sobjects", _, _], "PATCH") => "collections_upsert",
        _ => "unknown",
    }
}

pub(crate) fn only(ask: &Ask<'_>, allowed: &[&str]) -> Result<(), ApiError> {
    if allowed.contains(&ask.method.as_str()) {
        return Ok(());
    }
    let names = allowed.join(",");
    Err(ApiError::call(
        405,
        "METHOD_NOT_ALLOWED",
        format!("HTTP Method '{}' not allowed. Allowed are {names}", ask.method),
    ))
}

/// Answers one request.
pub(crate) fn answer(state: &mut State, call: &Call<'_>, ask: &Ask<'_>) -> Reply {
    dispatch(state, call, ask).unwrap_or_else(Reply::from)
}

fn dispatch(state: &mut State, call: &Call<'_>, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let segments: Vec<&str> = ask.segments.iter().map(String::as_str).collect();
    let access = Access {
        schema: &state.schema,
        knobs: &state.knobs,
        user: &state.users[call.user],
        all: false,
    };
    let base = call.base.as_str();
    let known = |name: &str| access.object(name).ok_or_else(ApiError::not_found);
    match segments.as_slice() {
        [] => {
            only(ask, &["GET"])?;
            Ok(Reply::ok(json!({
                "sobjects": format!("{base}/sobjects"),
                "query": format!("{base}/query"),
                "queryAll": format!("{base}/queryAll"),
                "limits": format!("{base}/limits"),
                "composite": format!("{base}/composite"),
                "tooling": format!("{base}/tooling"),
            })))
        }
        ["limits"] => {
            only(ask, &["GET"])?;
            Ok(Reply::ok(limits(state)))
        }
        ["sobjects"] => {
            only(ask, &["GET"])?;
            Ok(Reply::ok(describe::global(access, base)))
        }
        ["sobjects", name] => {
            known(name)?;
            only(ask, &["GET", "POST"])?;
            if ask.method == Method::POST {
                create(state, call, ask, name)
            } else {
                brief(state, call, name)
            }
        }
        ["sobjects", name, "describe"] => {
            let object = known(name)?;
            only(ask, &["GET"])?;
            Ok(Reply::ok(describe::whole(access, &state.rows, object, base)))
        }
        ["sobjects", name, which @ ("updated" | "deleted")] => {
            known(name)?;
            only(ask, &["GET"])?;
            changes(state, call, ask, name, *which == "deleted")
        }
        ["sobjects", name, "listviews", rest @ ..] => {
            let object = known(name)?;
            only(ask, &["GET"])?;
            listview::answer(&view(state, call), ask, object, rest)
        }
        ["sobjects", "ContentVersion", id, "VersionData"] => {
            only(ask, &["GET"])?;
            content(state, call, ask, id)
        }
        ["tooling", rest @ ..] if !ask.nested => tooling::answer(state, call, ask, rest),
        ["sobjects", name, id] => {
            known(name)?;
            only(ask, &["GET", "PATCH", "DELETE"])?;
            let Some(id) = Id::parse(id) else {
                return Err(ApiError::row(
                    "MALFORMED_ID",
                    format!("malformed id {id}"),
                    &["Id"],
                ));
            };
            one_row(state, call, ask, name, &id)
        }
        ["sobjects", name, field, value] => {
            known(name)?;
            only(ask, &["GET", "PATCH", "DELETE"])?;
            by_external_id(state, call, ask, name, field, value)
        }
        [which @ ("query" | "queryAll")] => {
            only(ask, &["GET"])?;
            query(state, call, ask, *which == "queryAll")
        }
        ["query" | "queryAll", locator] => {
            only(ask, &["GET"])?;
            query_more(state, call, ask, locator)
        }
        ["composite"] if !ask.nested => {
            only(ask, &["POST"])?;
            composite::answer(state, call, ask)
        }
        ["composite", "sobjects"] => {
            only(ask, &["POST", "PATCH", "DELETE"])?;
            match ask.method.as_str() {
                "POST" => collections::create(state, call, ask),
                "PATCH" => collections::update(state, call, ask),
                _ => collections::delete(state, call, ask),
            }
        }
        ["composite", "sobjects", name] => {
            known(name)?;
            only(ask, &["GET", "POST"])?;
            collections::retrieve(state, call, ask, name)
        }
        ["composite", "sobjects", name, field] => {
            known(name)?;
            only(ask, &["PATCH"])?;
            collections::upsert(state, call, ask, name, field)
        }
        _ => {
            tracing::warn!(
                path = ask.segments.join("/"),
                "the sandbox does not play this resource"
            );
            Err(ApiError::not_found())
        }
    }
}

/// Answers a query of the Tooling API: it sees what others do not.
pub(crate) fn tooling_query(state: &State, call: &Call<'_>, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let text = ask.query.get("q").unwrap_or_default();
    let soql = soql::parse(text)?;
    if !soql.from.eq_ignore_ascii_case("CustomField") {
        return Err(ApiError::call(
            400,
            "INVALID_TYPE",
            format!(
                "sObject type '{}' is not supported: the sandbox's Tooling API plays CustomField",
                soql.from
            ),
        ));
    }
    let mut view = view(state, call);
    let plain = view.access;
    // As one who sees the objects of the Tooling API.
    view.access = Access { all: true, ..plain };
    let found = view.run(text, &soql, false)?;
    Ok(Reply::ok(json!({
        "size": found.total,
        "totalSize": found.total,
        "done": true,
        "queryLocator": null,
        "entityTypeName": "CustomField",
        "records": found.records,
    })))
}

fn limits(state: &State) -> Value {
    let left = state.knobs.api_limit.saturating_sub(state.api_used);
    let full = state.knobs.full;
    json!({
        "DailyApiRequests": { "Max": state.knobs.api_limit, "Remaining": left },
        "DailyBulkApiBatches": { "Max": 15000, "Remaining": 15000 },
        "DailyBulkV2QueryJobs": { "Max": 10000, "Remaining": 10000 },
        "DataStorageMB": { "Max": 1024, "Remaining": if full.data { 0 } else { 1019 } },
        "FileStorageMB": { "Max": 1024, "Remaining": if full.data || full.files { 0 } else { 1024 } },
        "SingleEmail": { "Max": 5000, "Remaining": 5000 },
    })
}

fn view<'a>(state: &'a State, call: &'a Call<'_>) -> View<'a> {
    let access = Access {
        schema: &state.schema,
        knobs: &state.knobs,
        user: &state.users[call.user],
        all: false,
    };
    View {
        access,
        rows: &state.rows,
        n: call.n,
        base: &call.base,
    }
}

fn brief(state: &State, call: &Call<'_>, name: &str) -> Result<Reply, ApiError> {
    let access = view(state, call).access;
    let object = access.object(name).ok_or_else(ApiError::not_found)?;
    Ok(Reply::ok(
        json!({ "objectDescribe": describe::brief(access, object, &call.base), "recentItems": [] }),
    ))
}

fn create(state: &mut State, call: &Call<'_>, ask: &Ask<'_>, name: &str) -> Result<Reply, ApiError> {
    call.locked("create")?;
    let writer = writer!(state, call, ask);
    let Some(object) = writer.access.object(name) else {
        return Err(ApiError::not_found());
    };
    let id = state.rows.create(&writer, object, ask.object()?)?;
    let location = format!("{}/sobjects/{}/{id}", call.base, object.name);
    Ok(Reply::created(
        location,
        json!({ "id": id.as_str(), "success": true, "errors": [] }),
    ))
}

/// A file's bytes.
///
/// <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_blob_retrieve.htm>
fn content(state: &State, call: &Call<'_>, ask: &Ask<'_>, id: &str) -> Result<Reply, ApiError> {
    let writer = writer!(state, call, ask);
    let object = writer
        .access
        .object("ContentVersion")
        .ok_or_else(ApiError::not_found)?;
    let id = Id::parse(id).ok_or_else(ApiError::not_found)?;
    let row = state.rows.find(&writer, object, &id)?;
    let text = row.get("VersionData").as_text().unwrap_or_default();
    let bytes = STANDARD.decode(text).map_err(|_| ApiError::not_found())?;
    Ok(Reply {
        status: 200,
        headers: Vec::new(),
        body: None,
        file: Some(bytes),
    })
}

/// The fields that `?fields=` names.
pub(crate) fn named_fields<'a>(
    access: Access<'_>,
    object: &'a Object,
    names: impl Iterator<Item = impl AsRef<str>>,
) -> Result<Vec<&'a Field>, ApiError> {
    names
        .map(|n| {
            let name = n.as_ref().trim();
            access
                .field(object, name)
                .ok_or_else(|| ApiError::no_column(name, object.name))
        })
        .collect()
}

fn one_row(
    state: &mut State,
    call: &Call<'_>,
    ask: &Ask<'_>,
    name: &str,
    id: &Id,
) -> Result<Reply, ApiError> {
    let writer = writer!(state, call, ask);
    let Some(object) = writer.access.object(name) else {
        return Err(ApiError::not_found());
    };
    match ask.method.as_str() {
        "PATCH" => {
            call.locked("update")?;
            conditions(state, call, ask, &writer, object, id)?;
            state.rows.update(&writer, object, id, ask.object()?)?;
            Ok(Reply::empty(204))
        }
        "DELETE" => {
            call.locked("delete")?;
            state.rows.delete(&writer, object, id)?;
            Ok(Reply::empty(204))
        }
        _ => {
            let row = state.rows.find(&writer, object, id).map_err(|error| {
                // Reading tells deleted rows no differently from those that never were.
                if error.code == "ENTITY_IS_DELETED" {
                    ApiError::not_found()
                } else {
                    error
                }
            })?;
            let names = ask.query.get("fields").filter(|f| !f.trim().is_empty());
            let fields = names
                .map(|n| named_fields(writer.access, object, n.split(',')))
                .transpose()?;
            Ok(Reply::ok(view(state, call).whole(object, row, fields.as_deref())))
        }
    }
}

/// `If-Unmodified-Since`, with whole seconds as HTTP has them.
///
/// <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/intro_rest_conditional_requests.htm>
fn conditions(
    state: &State,
    call: &Call<'_>,
    ask: &Ask<'_>,
    writer: &Writer<'_>,
    object: &Object,
    id: &Id,
) -> Result<(), ApiError> {
    let failed = || {
        ApiError::call(
            412,
            "PRECONDITION_FAILED",
            "one or more of the request's preconditions are not satisfied",
        )
    };
    if call.fault("update", |k| *k == Kind::StaleVersion).is_some() {
        return Err(failed());
    }
    let Some(text) = ask.header("If-Unmodified-Since") else {
        return Ok(());
    };
    let limit = jiff::fmt::rfc2822::parse(text).map_err(|_| {
        ApiError::call(
            400,
            "INVALID_REQUEST",
            format!("If-Unmodified-Since: not a date: {text}"),
        )
    })?;
    let row = state.rows.find(writer, object, id)?;
    if row.stamp().div_euclid(1000) > limit.timestamp().as_second() {
        Err(failed())
    } else {
        Ok(())
    }
}

/// A field that rows can be addressed by.
pub(crate) fn key_field<'a>(
    access: Access<'_>,
    object: &'a Object,
    name: &str,
) -> Result<&'a Field, ApiError> {
    access.field(object, name).filter(|f| f.lookup).ok_or_else(|| {
        ApiError::call(
            404,
            "NOT_FOUND",
            format!("Provided external ID field does not exist or is not accessible: {name}"),
        )
    })
}

fn by_external_id(
    state: &mut State,
    call: &Call<'_>,
    ask: &Ask<'_>,
    name: &str,
    field: &str,
    value: &str,
) -> Result<Reply, ApiError> {
    let writer = writer!(state, call, ask);
    let Some(object) = writer.access.object(name) else {
        return Err(ApiError::not_found());
    };
    let field = key_field(writer.access, object, field)?;
    let found = if field.name == "Id" {
        Id::parse(value)
            .into_iter()
            .filter(|i| state.rows.find(&writer, object, i).is_ok())
            .collect()
    } else {
        state.rows.matches(&writer.access, object, field, value)
    };
    match found.as_slice() {
        [] if ask.method == Method::PATCH && field.name != "Id" => {
            call.locked("upsert")?;
            let mut body = keyless(ask.object()?, field)?;
            body.insert(field.name.to_owned(), json!(value));
            let id = state.rows.create(&writer, object, &body)?;
            let location = format!("{}/sobjects/{}/{id}", call.base, object.name);
            let body = json!({ "id": id.as_str(), "success": true, "errors": [], "created": true });
            Ok(Reply::created(location, body))
        }
        [] => Err(ApiError::not_found()),
        [id] if ask.method == Method::PATCH => {
            call.locked("upsert")?;
            let body = keyless(ask.object()?, field)?;
            state.rows.update(&writer, object, id, &body)?;
            Ok(Reply::ok(
                json!({ "id": id.as_str(), "success": true, "errors": [], "created": false }),
            ))
        }
        [id] => one_row(state, call, ask, name, &id.clone()),
        several => {
            let urls: Vec<String> = several
                .iter()
                .map(|id| format!("{}/sobjects/{}/{id}", call.base, object.name))
                .collect();
            Ok(Reply {
                status: 300,
                headers: Vec::new(),
                body: Some(json!(urls)),
                file: None,
            })
        }
    }
}

fn keyless(body: &Map<String, Value>, field: &Field) -> Result<Map<String, Value>, ApiError> {
    if body.keys().any(|k| k.eq_ignore_ascii_case(field.name)) {
        return Err(ApiError::call(
            400,
            "INVALID_FIELD",
            format!(
                "The {} field should not be specified in the sobject data.",
                field.name
            ),
        ));
    }
    Ok(body.clone())
}

fn batch_size(ask: &Ask<'_>) -> Option<usize> {
    let text = ask.header("Sforce-Query-Options")?;
    let (name, value) = text.split_once('=')?;
    let size: usize = value.trim().parse().ok()?;
    name.trim()
        .eq_ignore_ascii_case("batchSize")
        .then(|| size.clamp(200, PAGE))
}

fn query(state: &mut State, call: &Call<'_>, ask: &Ask<'_>, with_deleted: bool) -> Result<Reply, ApiError> {
    let operation = if with_deleted { "queryAll" } else { "query" };
    let Some(text) = ask.query.get("q").filter(|q| !q.trim().is_empty()) else {
        return Err(ApiError::call(
            400,
            "MALFORMED_QUERY",
            "A query string has to be specified",
        ));
    };
    let soql = soql::parse(text)?;
    listing(state, call, operation);
    let mut found = view(state, call).run(text, &soql, with_deleted)?;
    if call.fault(operation, |k| *k == Kind::Empty).is_some() {
        found.total = 0;
        found.records.clear();
    }
    if call.fault(operation, |k| *k == Kind::DuplicateChanges).is_some() {
        let again: Vec<Value> = found.records.iter().take(3).cloned().collect();
        found.records.extend(again);
        found.total = found.records.len();
    }
    let batch = batch_size(ask).unwrap_or(PAGE);
    if found.records.len() <= batch {
        return Ok(Reply::ok(
            json!({ "totalSize": found.total, "done": true, "records": found.records }),
        ));
    }
    let first: Vec<Value> = found.records.iter().take(batch).cloned().collect();
    let total = found.total;
    let locator = state.keep(call.user, found.records, batch, call.now_ms);
    Ok(Reply::ok(json!({
        "totalSize": total,
        "done": false,
        "nextRecordsUrl": format!("{}/query/{locator}-{batch}", call.base),
        "records": first,
    })))
}

fn query_more(state: &State, call: &Call<'_>, ask: &Ask<'_>, given: &str) -> Result<Reply, ApiError> {
    let invalid = || ApiError::call(400, "INVALID_QUERY_LOCATOR", "invalid query locator");
    if call.fault("queryMore", |k| *k == Kind::ExpiredCursor).is_some() {
        return Err(invalid());
    }
    let (locator, at) = given.rsplit_once('-').ok_or_else(invalid)?;
    let at: usize = at.parse().map_err(|_| invalid())?;
    let cursor = state
        .cursor(locator, call.user, call.now_ms)
        .ok_or_else(invalid)?;
    if at >= cursor.records.len() {
        return Err(invalid());
    }
    let end = at
        .saturating_add(batch_size(ask).unwrap_or(cursor.batch))
        .min(cursor.records.len());
    let repeat = if call
        .fault("queryMore", |k| *k == Kind::DuplicateChanges)
        .is_some()
    {
        at.min(3)
    } else {
        0
    };
    let mut body = json!({
        "totalSize": cursor.records.len(),
        "done": end == cursor.records.len(),
        "records": cursor.records[at - repeat..end],
    });
    if end < cursor.records.len() {
        body["nextRecordsUrl"] = json!(format!("{}/query/{locator}-{end}", call.base));
    }
    Ok(Reply::ok(body))
}

/// Notes that changes are listed; a rule may hold the newest back.
fn listing(state: &mut State, call: &Call<'_>, operation: &str) {
    let hold = match call.fault(operation, |k| matches!(k, Kind::LateChanges { .. })) {
        Some(Kind::LateChanges { n }) => Some(call.n + n),
        _ => None,
    };
    state.rows.listing(hold);
}

/// `/updated` and `/deleted`.
///
/// <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_getupdated.htm>
fn changes(
    state: &mut State,
    call: &Call<'_>,
    ask: &Ask<'_>,
    name: &str,
    deleted: bool,
) -> Result<Reply, ApiError> {
    let operation = if deleted { "deleted" } else { "updated" };
    let refuse = |text: &str| Err(ApiError::call(400, "INVALID_REPLICATION_DATE", text));
    let time = |name: &str| -> Result<i64, ApiError> {
        let Some(text) = ask.query.get(name) else {
            return Err(ApiError::call(
                400,
                "MISSING_ARGUMENT",
                format!("{name} parameter is missing"),
            ));
        };
        // A plus that was not encoded arrives as a space.
        let ms = read_stamp(&text.trim().replace(' ', "+")).ok_or_else(|| {
            ApiError::call(
                400,
                "INVALID_REPLICATION_DATE",
                format!("{name}: not a date and time: {text}"),
            )
        })?;
        // Seconds are ignored.
        Ok(ms.div_euclid(MINUTE_MS) * MINUTE_MS)
    };
    let (start, end) = (time("start")?, time("end")?);
    if end <= start {
        return refuse("endDate must be at least one minute greater than the startDate");
    }
    let back = if deleted { 15 } else { 30 };
    let earliest = call.now_ms - back * DAY_MS;
    if start < earliest || call.fault(operation, |k| *k == Kind::ExpiredCursor).is_some() {
        return refuse(&format!("startDate cannot be more than {back} days ago"));
    }
    listing(state, call, operation);
    let view = view(state, call);
    let object = view.access.object(name).ok_or_else(ApiError::not_found)?;
    let is_empty = call.fault(operation, |k| *k == Kind::Empty).is_some();
    let hits: Vec<(&str, i64)> = state
        .rows
        .all(object.table)
        .filter_map(|row| row.listed(call.n).map(|fields| (row, fields)))
        .filter(|(row, fields)| !is_empty && state.rows.reads(&view.access, object, &row.id, fields))
        .filter(|(_, fields)| fields.get("IsDeleted").is_some_and(Val::is_true) == deleted)
        .filter_map(|(row, fields)| match fields.get("SystemModstamp") {
            Some(Val::Time(at)) if (start..end).contains(at) => Some((row.id.as_str(), *at)),
            _ => None,
        })
        .collect();
    let covered = stamp(end.min(call.now_ms.div_euclid(MINUTE_MS) * MINUTE_MS));
    Ok(Reply::ok(if deleted {
        let records: Vec<Value> = hits
            .iter()
            .map(|(id, at)| json!({ "id": id, "deletedDate": stamp(*at) }))
            .collect();
        json!({
            "deletedRecords": records,
            "earliestDateAvailable": stamp(earliest),
            "latestDateCovered": covered,
        })
    } else {
        let ids: Vec<&str> = hits.iter().map(|(id, _)| *id).collect();
        json!({ "ids": ids, "latestDateCovered": covered })
    }))
}
