//! The Tooling API, as far as the external id of the package needs it.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_tooling.meta/api_tooling/tooling_api_objects_customfield.htm>

use serde_json::{Value, json};

use super::error::ApiError;
use super::ids::Id;
use super::rest::{self, Ask, Call, Reply, only};
use super::schema::TANDEM_KEY;
use super::setup::ACTIVITIES;
use super::state::State;

/// Characters of the external id.
const LENGTH: u64 = 64;

/// Answers what is below `/tooling`.
pub(crate) fn answer(
    state: &mut State,
    call: &Call<'_>,
    ask: &Ask<'_>,
    rest: &[&str],
) -> Result<Reply, ApiError> {
    if !matches!(rest, ["query"] | ["sobjects", "CustomField", ..]) {
        tracing::warn!(
            path = rest.join("/"),
            "the sandbox does not play this part of the Tooling API"
        );
        return Err(ApiError::not_found());
    }
    if !state.users[call.user].admin {
        return Err(ApiError::call(
            403,
            "INSUFFICIENT_ACCESS",
            "You do not have the level of access necessary to perform the operation you requested.",
        ));
    }
    match rest {
        ["query"] => {
            only(ask, &["GET"])?;
            rest::tooling_query(state, call, ask)
        }
        ["sobjects", "CustomField"] => {
            only(ask, &["POST"])?;
            create(state, call, ask)
        }
        ["sobjects", "CustomField", id] => {
            only(ask, &["DELETE"])?;
            delete(state, id)
        }
        _ => Err(ApiError::not_found()),
    }
}

fn integrity(message: impl Into<String>, field: &str) -> ApiError {
    ApiError::row("FIELD_INTEGRITY_EXCEPTION", message, &[field])
}

/// The objects for which a full name stands.
fn objects_of(state: &State, object: &str) -> Option<Vec<&'static str>> {
    if object == "Activity" {
        return Some(ACTIVITIES.to_vec());
    }
    // Events and tasks have no custom fields of their own.
    let found = state.schema.objects.iter().find(|o| o.name == object)?;
    let can = found.field(TANDEM_KEY).is_some() && !found.is_activity();
    can.then(|| vec![found.name])
}

fn create(state: &mut State, call: &Call<'_>, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let body = ask.object()?;
    if let Some(unknown) = body
        .keys()
        .find(|k| !matches!(k.as_str(), "FullName" | "Metadata"))
    {
        return Err(ApiError::no_column(unknown, "CustomField"));
    }
    let full_name = body.get("FullName").and_then(Value::as_str).unwrap_or_default();
    let Some((object, name)) = full_name.split_once('.') else {
        return Err(integrity(
            "FullName: the object's name, a dot, and the field's name",
            "FullName",
        ));
    };
    let Some(Value::Object(metadata)) = body.get("Metadata") else {
        return Err(ApiError::row(
            "REQUIRED_FIELD_MISSING",
            "Required fields are missing: [Metadata]",
            &["Metadata"],
        ));
    };
    let Some(objects) = objects_of(state, object).filter(|_| name == TANDEM_KEY) else {
        return Err(integrity(
            format!(
                "{full_name}: the sandbox knows the custom field {TANDEM_KEY} on Contact, Activity and EmailMessage only"
            ),
            "FullName",
        ));
    };
    if objects.iter().any(|o| state.knobs.keys.contains_key(o)) {
        return Err(ApiError::row(
            "DUPLICATE_DEVELOPER_NAME",
            format!(
                "There is already a field named {} on {object}.",
                TANDEM_KEY.trim_end_matches("__c")
            ),
            &["DeveloperName"],
        ));
    }
    let known = [
        "label",
        "type",
        "length",
        "externalId",
        "unique",
        "caseSensitive",
        "required",
        "description",
        "inlineHelpText",
    ];
    if let Some(unknown) = metadata.keys().find(|k| !known.contains(&k.as_str())) {
        return Err(ApiError::json(format!(
            "No such column '{unknown}' in the metadata of a custom field that the sandbox knows"
        )));
    }
    let flag = |name: &str| metadata.get(name).and_then(Value::as_bool).unwrap_or(false);
    if metadata
        .get("label")
        .and_then(Value::as_str)
        .is_none_or(str::is_empty)
    {
        return Err(integrity("Required field is missing: label", "Metadata"));
    }
    if metadata.get("type").and_then(Value::as_str) != Some("Text")
        || metadata.get("length").and_then(Value::as_u64) != Some(LENGTH)
    {
        return Err(integrity(
            format!("{TANDEM_KEY} is a Text of {LENGTH} characters, or the sandbox does not know it"),
            "Metadata",
        ));
    }
    if !flag("externalId") || !flag("unique") || flag("required") {
        return Err(integrity(
            format!(
                "{TANDEM_KEY} is an external id, unique and not required, or the sandbox does not know it"
            ),
            "Metadata",
        ));
    }
    for object in &objects {
        state.set_key(object, true, false, flag("caseSensitive"));
    }
    let id = objects
        .first()
        .and_then(|o| state.knobs.keys.get(o))
        .map(|k| k.id.clone());
    let id = id.ok_or_else(ApiError::not_found)?;
    Ok(Reply::created(
        format!("{}/tooling/sobjects/CustomField/{id}", call.base),
        json!({ "id": id.as_str(), "success": true, "errors": [], "warnings": [], "infos": [] }),
    ))
}

fn delete(state: &mut State, id: &str) -> Result<Reply, ApiError> {
    let id = Id::parse(id).ok_or_else(ApiError::not_found)?;
    let objects: Vec<&'static str> = state
        .knobs
        .keys
        .iter()
        .filter(|(_, key)| key.id == id)
        .map(|(object, _)| *object)
        .collect();
    if objects.is_empty() {
        return Err(ApiError::not_found());
    }
    for object in objects {
        state.set_key(object, false, false, false);
    }
    Ok(Reply::empty(204))
}
