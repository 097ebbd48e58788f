//! sObject collections: up to 200 rows in one call, each with its own outcome.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections.htm>

use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::ids::Id;
use super::query::View;
use super::rest::{Ask, Call, Reply, key_field, named_fields, writer};
use super::rows::Rows;
use super::state::State;

const ROWS: usize = 200;
const IDS: usize = 2000;

/// A row's outcome: its id, and for upserts whether it is new.
type Outcome = Result<(Id, Option<bool>), (Option<Id>, ApiError)>;

fn too_many(count: usize, limit: usize) -> Result<(), ApiError> {
    if count <= limit {
        return Ok(());
    }
    Err(ApiError::call(
        400,
        "EXCEEDED_ID_LIMIT",
        format!("record limit reached. cannot submit more than {limit} records into this call"),
    ))
}

type Given<'a> = (bool, Vec<&'a Map<String, Value>>);

/// `allOrNone` and `records` of a body.
fn records<'a>(ask: &'a Ask<'_>) -> Result<Given<'a>, ApiError> {
    let body = ask.object()?;
    if let Some(unknown) = body
        .keys()
        .find(|k| !matches!(k.as_str(), "allOrNone" | "records"))
    {
        return Err(ApiError::json(format!(
            "Unrecognized field \"{unknown}\" at [line:1, column:1]"
        )));
    }
    let all_or_none = match body.get("allOrNone") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(b)) => *b,
        Some(_) => return Err(ApiError::json("Cannot deserialize allOrNone: not a boolean")),
    };
    let Some(Value::Array(rows)) = body.get("records") else {
        return Err(ApiError::json("Cannot deserialize records: not an array"));
    };
    too_many(rows.len(), ROWS)?;
    let rows = rows
        .iter()
        .map(|r| {
            r.as_object()
                .ok_or_else(|| ApiError::json("Cannot deserialize a record: not an object"))
        })
        .collect::<Result<_, _>>()?;
    Ok((all_or_none, rows))
}

fn type_of(row: &Map<String, Value>) -> Result<&str, ApiError> {
    row.get("attributes")
        .and_then(|a| a.get("type"))
        .and_then(Value::as_str)
        .ok_or_else(|| {
            ApiError::call(
                400,
                "INVALID_INPUT",
                "Each record must have an attributes map with the type of the object",
            )
        })
}

/// Takes back everything if one row failed and the caller wants all or none.
fn finish(rows: &mut Rows, before: Option<Rows>, mut outcomes: Vec<Outcome>, insert: bool) -> Reply {
    if let Some(before) = before
        && outcomes.iter().any(Result::is_err)
    {
        rows.roll_back(before);
        for outcome in &mut outcomes {
            if let Ok((id, created)) = outcome {
                // What was inserted is gone, and its id with it.
                let id = (!insert && *created != Some(true)).then(|| id.clone());
                *outcome = Err((
                    id,
                    ApiError::row(
                        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
                        "Record rolled back because not all records were valid and the request was using AllOrNone \
                         header",
                        &[],
                    ),
                ));
            }
        }
    }
    let body: Vec<Value> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Ok((id, created)) => {
                let mut row = json!({ "id": id.as_str(), "success": true, "errors": [] });
                if let Some(created) = created {
                    row["created"] = json!(created);
                }
                row
            }
            Err((id, error)) => error.to_row(id.as_ref().map(Id::as_str)),
        })
        .collect();
    Reply::ok(json!(body))
}

/// In a list, an id that leads nowhere is a bad reference, not a missing resource.
fn in_list(error: ApiError) -> ApiError {
    if error.code == "NOT_FOUND" {
        ApiError::row("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", &[])
    } else {
        error
    }
}

/// `POST /composite/sobjects`
pub(crate) fn create(state: &mut State, call: &Call<'_>, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let (all_or_none, records) = records(ask)?;
    let types: Vec<&str> = records.iter().map(|r| type_of(r)).collect::<Result<_, _>>()?;
    let before = all_or_none.then(|| state.rows.clone());
    let writer = writer!(state, call, ask);
    let mut outcomes = Vec::with_capacity(records.len());
    for (row, name) in records.iter().zip(types) {
        let outcome = call.locked("collections_create").and_then(|()| {
            let object = writer.access.object(name).ok_or_else(|| unknown_type(name))?;
            state.rows.create(&writer, object, row)
        });
        outcomes.push(outcome.map(|id| (id, None)).map_err(|error| (None, error)));
    }
    Ok(finish(&mut state.rows, before, outcomes, true))
}

fn unknown_type(name: &str) -> ApiError {
    ApiError::row(
        "INVALID_TYPE",
        format!("sObject type '{name}' is not supported."),
        &[],
    )
}

/// `PATCH /composite/sobjects`
pub(crate) fn update(state: &mut State, call: &Call<'_>, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let (all_or_none, records) = records(ask)?;
    let types: Vec<&str> = records.iter().map(|r| type_of(r)).collect::<Result<_, _>>()?;
    let before = all_or_none.then(|| state.rows.clone());
    let writer = writer!(state, call, ask);
    let mut seen = Vec::new();
    let mut outcomes = Vec::with_capacity(records.len());
    for (row, name) in records.iter().zip(types) {
        let mut fields = Map::new();
        let mut given = None;
        for (key, value) in *row {
            if key.eq_ignore_ascii_case("id") {
                given = value.as_str();
            } else {
                fields.insert(key.clone(), value.clone());
            }
        }
        let id = given.and_then(Id::parse);
        let outcome = call.locked("collections_update").and_then(|()| {
            let object = writer.access.object(name).ok_or_else(|| unknown_type(name))?;
            let id = match (given, &id) {
                (None, _) => {
                    return Err(ApiError::row(
                        "MISSING_ARGUMENT",
                        "Id not specified in an update call",
                        &[],
                    ));
                }
                (Some(text), None) => {
                    return Err(ApiError::row(
                        "MALFORMED_ID",
                        format!("malformed id {text}"),
                        &["Id"],
                    ));
                }
                (Some(_), Some(id)) => id.clone(),
            };
            if seen.contains(&id) {
                return Err(ApiError::row(
                    "DUPLICATE_VALUE",
                    format!("duplicate id specified: {}", id.short()),
                    &["Id"],
                ));
            }
            seen.push(id.clone());
            state
                .rows
                .update(&writer, object, &id, &fields)
                .map(|()| id)
                .map_err(in_list)
        });
        outcomes.push(outcome.map(|id| (id, None)).map_err(|error| (id, error)));
    }
    Ok(finish(&mut state.rows, before, outcomes, false))
}

/// `DELETE /composite/sobjects?ids=a,b&allOrNone=false`
pub(crate) fn delete(state: &mut State, call: &Call<'_>, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let all_or_none = match ask.query.get("allOrNone") {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => {
            return Err(ApiError::call(
                400,
                "INVALID_INPUT",
                format!("allOrNone: not a boolean: {other}"),
            ));
        }
    };
    let ids: Vec<&str> = ask
        .query
        .get("ids")
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .collect();
    if ids == [""] {
        return Err(ApiError::call(
            400,
            "MISSING_ARGUMENT",
            "ids not specified in a delete call",
        ));
    }
    too_many(ids.len(), ROWS)?;
    let before = all_or_none.then(|| state.rows.clone());
    let writer = writer!(state, call, ask);
    let mut outcomes = Vec::with_capacity(ids.len());
    for text in ids {
        let id = Id::parse(text);
        let outcome = call.locked("collections_delete").and_then(|()| {
            let Some(id) = id.clone() else {
                return Err(ApiError::row("MALFORMED_ID", format!("malformed id {text}"), &[]));
            };
            let object = writer.access.by_prefix(id.prefix()).ok_or_else(|| {
                ApiError::row("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", &[])
            })?;
            state
                .rows
                .delete(&writer, object, &id)
                .map(|()| id)
                .map_err(in_list)
        });
        outcomes.push(outcome.map(|id| (id, None)).map_err(|error| (id, error)));
    }
    Ok(finish(&mut state.rows, before, outcomes, false))
}

/// `PATCH /composite/sobjects/{X}/{ExtField}`
pub(crate) fn upsert(
    state: &mut State,
    call: &Call<'_>,
    ask: &Ask<'_>,
    name: &str,
    field: &str,
) -> Result<Reply, ApiError> {
    let (all_or_none, records) = records(ask)?;
    let writer = writer!(state, call, ask);
    let Some(object) = writer.access.object(name) else {
        return Err(ApiError::not_found());
    };
    let field = key_field(writer.access, object, field)?;
    for row in &records {
        if !type_of(row)?.eq_ignore_ascii_case(object.name) {
            return Err(ApiError::call(
                400,
                "INVALID_INPUT",
                format!("all records of this call must be of type {}", object.name),
            ));
        }
    }
    let before = all_or_none.then(|| state.rows.clone());
    let mut seen = Vec::new();
    let mut outcomes = Vec::with_capacity(records.len());
    for row in records {
        let outcome = call.locked("collections_upsert").and_then(|()| {
            let value = row
                .iter()
                .find(|(k, _)| k.eq_ignore_ascii_case(field.name))
                .and_then(|(_, v)| v.as_str());
            let Some(value) = value.map(str::trim).filter(|v| !v.is_empty()) else {
                return Err(ApiError::row(
                    "MISSING_ARGUMENT",
                    format!("{} not specified", field.name),
                    &[field.name],
                ));
            };
            let seen_as = if writer.access.is_exact(object, field) {
                value.to_owned()
            } else {
                value.to_lowercase()
            };
            if seen.contains(&seen_as) {
                return Err(ApiError::row(
                    "DUPLICATE_VALUE",
                    format!("Duplicate external id specified: {value}"),
                    &[field.name],
                ));
            }
            seen.push(seen_as);
            match state
                .rows
                .matches(&writer.access, object, field, value)
                .as_slice()
            {
                [] => state.rows.create(&writer, object, row).map(|id| (id, Some(true))),
                [id] => {
                    let mut changes = row.clone();
                    changes.retain(|k, _| !k.eq_ignore_ascii_case(field.name));
                    let id = id.clone();
                    state
                        .rows
                        .update(&writer, object, &id, &changes)
                        .map(|()| (id, Some(false)))
                }
                _ => Err(ApiError::row(
                    "DUPLICATE_EXTERNAL_ID",
                    format!("more than one record found for external id field: {}", field.name),
                    &[],
                )),
            }
        });
        outcomes.push(outcome.map_err(|error| (None, error)));
    }
    Ok(finish(&mut state.rows, before, outcomes, false))
}

/// `GET /composite/sobjects/{X}?ids=&fields=` and `POST` with a body: null for what cannot be read.
pub(crate) fn retrieve(state: &State, call: &Call<'_>, ask: &Ask<'_>, name: &str) -> Result<Reply, ApiError> {
    let writer = writer!(state, call, ask);
    let Some(object) = writer.access.object(name) else {
        return Err(ApiError::not_found());
    };
    let (ids, names): (Vec<String>, Vec<String>) = if ask.method == http::Method::POST {
        let body = ask.object()?;
        if let Some(unknown) = body.keys().find(|k| !matches!(k.as_str(), "ids" | "fields")) {
            return Err(ApiError::json(format!(
                "Unrecognized field \"{unknown}\" at [line:1, column:1]"
            )));
        }
        let list = |name: &str| -> Result<Vec<String>, ApiError> {
            let values = body.get(name).and_then(Value::as_array);
            let texts = values.map(|v| {
                v.iter()
                    .map(|t| t.as_str().map(str::to_owned))
                    .collect::<Option<Vec<_>>>()
            });
            texts
                .flatten()
                .ok_or_else(|| ApiError::json(format!("Cannot deserialize {name}: not an array of texts")))
        };
        (list("ids")?, list("fields")?)
    } else {
        let list = |name: &str| -> Vec<String> {
            ask.query
                .get(name)
                .unwrap_or_default()
                .split(',')
                .map(|t| t.trim().to_owned())
                .collect()
        };
        (list("ids"), list("fields"))
    };
    for (what, list) in [("ids", &ids), ("fields", &names)] {
        if list.is_empty() || list.iter().any(String::is_empty) {
            return Err(ApiError::call(
                400,
                "MISSING_ARGUMENT",
                format!("{what} not specified in a retrieve call"),
            ));
        }
    }
    too_many(ids.len(), IDS)?;
    let fields = named_fields(writer.access, object, names.iter())?;
    let view = View {
        access: writer.access,
        rows: &state.rows,
        n: call.n,
        base: &call.base,
    };
    let mut out = Vec::with_capacity(ids.len());
    for text in &ids {
        let Some(id) = Id::parse(text) else {
            return Err(ApiError::row("MALFORMED_ID", format!("malformed id {text}"), &[]));
        };
        out.push(match state.rows.find(&writer, object, &id) {
            Ok(row) => {
                let mut found = view.whole(object, row, Some(&fields));
                // The id comes along, asked for or not.
                found["Id"] = json!(id.as_str());
                found
            }
            Err(_) => Value::Null,
        });
    }
    Ok(Reply::ok(json!(out)))
}
