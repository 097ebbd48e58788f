//! `/composite`: up to 25 requests in one call, each of which may use what those before it answered.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_composite.htm>

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::oauth::Form;
use super::rest::{self, Ask, Call, Reply, VERSIONS};
use super::state::State;

const PARTS: usize = 25;
/// How many of them may be queries or collections.
const HEAVY: usize = 5;

struct Part<'a> {
    method: Method,
    url: &'a str,
    reference: &'a str,
    body: Option<&'a Value>,
    headers: HeaderMap,
}

fn read(part: &Value) -> Result<Part<'_>, ApiError> {
    let Value::Object(map) = part else {
        return Err(ApiError::json("Cannot deserialize a subrequest: not an object"));
    };
    let known = ["method", "url", "referenceId", "body", "httpHeaders"];
    if let Some(unknown) = map.keys().find(|k| !known.contains(&k.as_str())) {
        return Err(ApiError::json(format!(
            "Unrecognized field \"{unknown}\" at [line:1, column:1]"
        )));
    }
    let text = |name: &str| {
        map.get(name).and_then(Value::as_str).ok_or_else(|| {
            ApiError::json(format!(
                "Cannot deserialize a subrequest: {name} is missing or not a text"
            ))
        })
    };
    let mut headers = HeaderMap::new();
    for (name, value) in map
        .get("httpHeaders")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = value.as_str().and_then(|v| HeaderValue::from_str(v).ok());
        match (name, value) {
            (Ok(name), Some(value)) => headers.insert(name, value),
            _ => {
                return Err(ApiError::json(
                    "Cannot deserialize httpHeaders: not a map of texts",
                ));
            }
        };
    }
    let reference = text("referenceId")?;
    let well_formed = reference.starts_with(|c: char| c.is_ascii_alphabetic())
        && reference.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !well_formed {
        return Err(ApiError::call(
            400,
            "INVALID_INPUT",
            format!(
                "Provided referenceId ('{reference}') must start with a letter and hold letters, digits and _ only"
            ),
        ));
    }
    let method = text("method")?;
    let method = ["GET", "POST", "PATCH", "DELETE", "PUT"]
        .contains(&method)
        .then(|| Method::from_bytes(method.as_bytes()).ok())
        .flatten()
        .ok_or_else(|| ApiError::call(400, "INVALID_INPUT", format!("unknown method '{method}'")))?;
    Ok(Part {
        method,
        url: text("url")?,
        reference,
        body: map.get("body").filter(|b| !b.is_null()),
        headers,
    })
}

/// The whole request is refused with one part's answer, as Salesforce does.
fn limit(message: &str) -> Reply {
    Reply::ok(json!({ "compositeResponse": [{
        "body": [{ "errorCode": "LIMIT_EXCEEDED", "message": message }],
        "httpHeaders": {},
        "httpStatusCode": 400,
        "referenceId": null,
    }]}))
}

/// Answers `POST /composite`.
pub(crate) fn answer(state: &mut State, call: &Call<'_>, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let body = ask.object()?;
    let known = ["allOrNone", "collateSubrequests", "compositeRequest"];
    if let Some(unknown) = body.keys().find(|k| !known.contains(&k.as_str())) {
        return Err(ApiError::json(format!(
            "Unrecognized field \"{unknown}\" at [line:1, column:1]"
        )));
    }
    let all_or_none = body.get("allOrNone").and_then(Value::as_bool).unwrap_or(false);
    let Some(Value::Array(given)) = body.get("compositeRequest") else {
        return Err(ApiError::json(
            "Cannot deserialize compositeRequest: not an array",
        ));
    };
    if given.len() > PARTS {
        return Ok(limit("The request can’t contain more than 25 operations."));
    }
    let parts: Vec<Part<'_>> = given.iter().map(read).collect::<Result<_, _>>()?;
    for (i, part) in parts.iter().enumerate() {
        if parts[..i].iter().any(|p| p.reference == part.reference) {
            return Err(ApiError::call(
                400,
                "INVALID_INPUT",
                format!("Duplicate referenceId '{}' is not allowed", part.reference),
            ));
        }
    }
    let heavy = parts
        .iter()
        .filter(|p| {
            let (segments, _) = split(p.url);
            matches!(segments.get(3).map(String::as_str), Some("query" | "queryAll"))
                || matches!((segments.get(3), segments.get(4)), (Some(a), Some(b)) if a == "composite" && b == "sobjects")
        })
        .count();
    if heavy > HEAVY {
        return Ok(limit(
            "The request can’t contain more than 5 query or sObject collections operations.",
        ));
    }

    let before = all_or_none.then(|| state.rows.clone());
    let mut answers: BTreeMap<&str, Reply> = BTreeMap::new();
    let mut failed = None;
    for part in &parts {
        let reply = if all_or_none && failed.is_some() {
            halted("The transaction was rolled back since another operation in the same transaction failed.")
        } else {
            run(state, call, part, &answers)
        };
        if reply.status >= 400 && failed.is_none() {
            failed = Some(part.reference);
        }
        answers.insert(part.reference, reply);
    }
    if let (Some(before), Some(failed)) = (before, failed) {
        state.rows.roll_back(before);
        for (reference, reply) in &mut answers {
            if *reference != failed && reply.status < 400 {
                *reply = halted(
                    "The transaction was rolled back since another operation in the same transaction failed.",
                );
            }
        }
    }
    let responses: Vec<Value> = parts
        .iter()
        .filter_map(|part| {
            let reply = answers.get(part.reference)?;
            let headers: Map<String, Value> = reply
                .headers
                .iter()
                .map(|(n, v)| ((*n).to_owned(), json!(v)))
                .collect();
            Some(json!({
                "body": reply.body,
                "httpHeaders": headers,
                "httpStatusCode": reply.status,
                "referenceId": part.reference,
            }))
        })
        .collect();
    Ok(Reply::ok(json!({ "compositeResponse": responses })))
}

fn halted(message: &str) -> Reply {
    ApiError::call(400, "PROCESSING_HALTED", message).into()
}

/// Path segments, decoded, and the query.
pub(crate) fn split(url: &str) -> (Vec<String>, Form) {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let segments = path
        .split('/')
        .filter(|s| !s.is_empty())
        .map(|s| {
            percent_encoding::percent_decode_str(s)
                .decode_utf8_lossy()
                .into_owned()
        })
        .collect();
    (segments, Form::parse(query.as_bytes()))
}

/// `v67.0` as a version that is played.
pub(crate) fn version(segment: &str) -> Option<u32> {
    let (major, minor) = segment.strip_prefix('v')?.split_once('.')?;
    (minor == "0").then(|| major.parse().ok()).flatten()
}

fn run(state: &mut State, call: &Call<'_>, part: &Part<'_>, answers: &BTreeMap<&str, Reply>) -> Reply {
    let resolved = fill_text(part.url, answers).and_then(|url| {
        part.body
            .map(|b| fill(b, answers))
            .transpose()
            .map(|body| (url, body))
    });
    let (url, body) = match resolved {
        Ok(resolved) => resolved,
        Err(message) => return halted(&message),
    };
    let (segments, query) = split(&url);
    let Some((["services", "data", version_segment], rest)) = segments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .split_at_checked(3)
        .and_then(|(head, rest)| {
            let head: [&str; 3] = head.try_into().ok()?;
            Some((head, rest.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()))
        })
    else {
        return ApiError::call(
            400,
            "INVALID_INPUT",
            format!("The url of a subrequest must start with /services/data/vXX.0/: {url}"),
        )
        .into();
    };
    let Some(number) = version(version_segment).filter(|v| VERSIONS.contains(v)) else {
        return ApiError::not_found().into();
    };
    if !matches!(
        rest.first().map(String::as_str),
        Some("sobjects" | "query" | "queryAll" | "composite")
    ) {
        return ApiError::call(
            400,
            "INVALID_INPUT",
            format!("The url of a subrequest names a resource that composite does not support: {url}"),
        )
        .into();
    }
    let names: Vec<&str> = rest.iter().map(String::as_str).collect();
    let operation = rest::operation(part.method.as_str(), &names);
    *state.sub_operations.entry(operation.to_owned()).or_default() += 1;
    let ask = Ask {
        method: part.method.clone(),
        segments: rest,
        query,
        headers: &part.headers,
        body,
        nested: true,
    };
    // A part may have given the user a field that the next one writes.
    state.refresh_permissions();
    let call = Call {
        base: format!("/services/data/v{number}.0"),
        ..call.clone()
    };
    rest::answer(state, &call, &ask)
}

/// Replaces `@{ref.path}` everywhere in a body.
fn fill(value: &Value, answers: &BTreeMap<&str, Reply>) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => match whole_reference(text) {
            Some(reference) => look_up(reference, answers)?,
            None => json!(fill_text(text, answers)?),
        },
        Value::Array(items) => {
            Value::Array(items.iter().map(|i| fill(i, answers)).collect::<Result<_, _>>()?)
        }
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(k, v)| Ok((k.clone(), fill(v, answers)?)))
                .collect::<Result<_, String>>()?,
        ),
        other => other.clone(),
    })
}

fn whole_reference(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("@{")?.strip_suffix('}')?;
    (!inner.contains("@{") && !inner.contains('}')).then_some(inner)
}

fn fill_text(text: &str, answers: &BTreeMap<&str, Reply>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("@{") {
        let Some((reference, tail)) = after.split_once('}') else {
            break;
        };
        out.push_str(before);
        match look_up(reference, answers)? {
            Value::String(text) => out.push_str(&text),
            other => out.push_str(&other.to_string()),
        }
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

/// `ref.field`, `ref.records[0].Id`, `ref[0].id`.
fn look_up(reference: &str, answers: &BTreeMap<&str, Reply>) -> Result<Value, String> {
    let end = reference.find(['.', '[']).unwrap_or(reference.len());
    let (name, mut path) = reference.split_at(end);
    let missing = || format!("Invalid reference specified. No value for {reference} found in {name}");
    let reply = answers.get(name).ok_or_else(|| {
        format!("Invalid reference specified. No value for {reference} found: there is no earlier subrequest {name}")
    })?;
    if reply.status >= 400 {
        return Err(missing());
    }
    let mut at = reply.body.as_ref().ok_or_else(missing)?;
    while !path.is_empty() {
        if let Some(rest) = path.strip_prefix('[') {
            let (index, rest) = rest.split_once(']').ok_or_else(missing)?;
            at = index
                .parse::<usize>()
                .ok()
                .and_then(|i| at.get(i))
                .ok_or_else(missing)?;
            path = rest;
        } else {
            let rest = path.strip_prefix('.').ok_or_else(missing)?;
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            at = at.get(&rest[..end]).ok_or_else(missing)?;
            path = &rest[end..];
        }
    }
    if at.is_null() {
        Err(missing())
    } else {
        Ok(at.clone())
    }
}
