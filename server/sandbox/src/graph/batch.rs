//! `$batch`: up to twenty requests in one. <https://learn.microsoft.com/graph/json-batching>

use std::collections::HashMap;

use axum::body::Bytes;
use serde_json::{Value, json};

use super::answer::{Answer, Outcome, Refused, entry};

/// No batch has more steps.
pub(super) const MOST: usize = 20;

/// One step as the request has it.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) id: String,
    pub(super) method: String,
    /// Without origin and version: `/me/messages`.
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
    depends_on: Vec<String>,
}

fn bad(text: impl Into<String>) -> Refused {
    Refused::new(400, "BadRequest", text)
}

/// Reads the body of a batch.
pub(super) fn read(body: &[u8]) -> Result<Vec<Step>, Refused> {
    let whole: Value =
        serde_json::from_slice(body).map_err(|e| bad(format!("Unable to read JSON request payload: {e}")))?;
    let Some(requests) = whole.get("requests").and_then(Value::as_array) else {
        return Err(bad("Invalid batch payload format: 'requests' is missing."));
    };
    if requests.is_empty() {
        return Err(bad("Invalid batch payload format: there is no request."));
    }
    if requests.len() > MOST {
        return Err(Refused::new(
            400,
            "MaximumValueExceeded",
            format!("Number of batch request steps exceeds the maximum value of {MOST}."),
        ));
    }
    let mut steps: Vec<Step> = Vec::new();
    for request in requests {
        let step = step(request)?;
        if steps.iter().any(|s| s.id == step.id) {
            return Err(bad(format!(
                "Request id has to be unique in a batch: '{}'.",
                step.id
            )));
        }
        // A step can only wait for one that comes before it.
        if let Some(unknown) = step
            .depends_on
            .iter()
            .find(|d| !steps.iter().any(|s| s.id == **d))
        {
            return Err(bad(format!(
                "Unknown dependsOn '{unknown}' of the request '{}'.",
                step.id
            )));
        }
        steps.push(step);
    }
    Ok(steps)
}

fn step(request: &Value) -> Result<Step, Refused> {
    let Some(map) = request.as_object() else {
        return Err(bad("Invalid batch payload format: a request is no object."));
    };
    let known = ["id", "method", "url", "headers", "body", "dependsOn"];
    if let Some(unknown) = map.keys().find(|k| !known.contains(&k.as_str())) {
        return Err(bad(format!("A request of a batch has no '{unknown}'.")));
    }
    let get = |name: &str| {
        map.get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (id, method, url) = (get("id"), get("method").to_ascii_uppercase(), get("url"));
    if id.is_empty() || method.is_empty() || url.is_empty() {
        return Err(bad("A request of a batch needs id, method and url, as texts."));
    }
    if url.contains("://") || url.trim_start_matches('/').starts_with("v1.0/") {
        return Err(bad(format!(
            "The url of the request '{id}' must be relative, and without a version."
        )));
    }
    let headers: Vec<(String, String)> = map
        .get("headers")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(n, v)| (n.to_ascii_lowercase(), v.as_str().unwrap_or_default().to_owned()))
        .collect();
    let body = match map.get("body") {
        None | Some(Value::Null) => Bytes::new(),
        Some(_) if !headers.iter().any(|(n, _)| n == "content-type") => {
            return Err(bad(format!("The request '{id}' has a body and no Content-Type.")));
        }
        Some(Value::String(text)) => Bytes::from(text.clone()),
        Some(value) => Bytes::from(value.to_string()),
    };
    let depends_on = map
        .get("dependsOn")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|d| d.as_str().map(str::to_owned));
    Ok(Step {
        id,
        method,
        url,
        headers,
        body,
        depends_on: depends_on.collect(),
    })
}

/// Runs all steps and puts the answers together, in another order than the requests.
pub(super) fn run(
    steps: &[Step],
    request: &str,
    now: i64,
    mut run_one: impl FnMut(&Step) -> Outcome,
) -> Answer {
    let mut failed: HashMap<&str, bool> = HashMap::new();
    let mut responses = Vec::new();
    for step in steps {
        let outcome = if step
            .depends_on
            .iter()
            .any(|d| failed.get(d.as_str()) == Some(&true))
        {
            Err(Refused::new(
                424,
                "FailedDependency",
                "A request that this one depends on has failed.",
            ))
        } else {
            run_one(step)
        };
        failed.insert(&step.id, outcome.is_err());
        responses.push(entry(&step.id, outcome, request, now));
    }
    // Steps run side by side: who is done first is first.
    responses.reverse();
    let middle = responses.len() / 2;
    responses.rotate_left(middle);
    Answer::json(200, json!({ "responses": responses }))
}
