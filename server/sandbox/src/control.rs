//! The control API: JSON over HTTP on an origin of its own, for tests and for the person at the demo.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Clock;
use crate::faults::{Faults, Rule};
use crate::log::Log;
use crate::serve::Service;

/// What the handlers need.
#[derive(Clone)]
pub(crate) struct Control {
    pub(crate) info: Value,
    pub(crate) log: Arc<Log>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) exchange: Arc<dyn Service>,
    pub(crate) salesforce: Arc<dyn Service>,
    pub(crate) microsoft: Arc<dyn Service>,
    pub(crate) graph: Arc<dyn Service>,
}

/// An answer that says what is wrong with a request.
pub(crate) fn refused(status: StatusCode, text: impl Into<String>) -> Response {
    let text = text.into();
    tracing::warn!(%status, text, "control request refused");
    (status, Json(json!({ "error": text }))).into_response()
}

/// The routes of this module; the services' own are nested by the caller.
pub(crate) fn router(control: Control) -> Router {
    Router::new()
        .route("/info", get(async |State(c): State<Control>| Json(c.info)))
        .route("/log", get(log))
        .route("/counters", get(counters))
        .route("/counters/reset", post(reset))
        .route("/clock", post(clock))
        .route("/faults", get(list).post(add).delete(clear))
        .route("/faults/{id}", delete(remove))
        .fallback(async || refused(StatusCode::NOT_FOUND, "no such control address"))
        .with_state(control)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Since {
    #[serde(default)]
    since: u64,
}

async fn log(State(c): State<Control>, Query(q): Query<Since>) -> Json<Value> {
    Json(json!(c.log.since(q.since)))
}

async fn counters(State(c): State<Control>) -> Json<Value> {
    let mut all = serde_json::Map::new();
    for (name, service) in [
        ("exchange", Some(&c.exchange)),
        ("autodiscover", None),
        ("salesforce", Some(&c.salesforce)),
        ("login", None),
        ("microsoft", Some(&c.microsoft)),
        ("graph", Some(&c.graph)),
    ] {
        let by_operation = c.log.counts(name);
        let requests: u64 = by_operation.values().sum();
        let mut one = json!({ "requests": requests, "by_operation": by_operation });
        if let (Some(Value::Object(own)), Some(one)) = (service.map(|s| s.counters()), one.as_object_mut()) {
            // A service may count requests in its own way, as Salesforce does with API calls.
            one.extend(own);
        }
        all.insert(name.to_owned(), one);
    }
    Json(Value::Object(all))
}

async fn reset(State(c): State<Control>) -> StatusCode {
    c.log.reset_counts();
    c.exchange.reset_counters();
    c.salesforce.reset_counters();
    c.microsoft.reset_counters();
    c.graph.reset_counters();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    #[serde(default)]
    advance_s: i64,
    /// `100@SECONDS`: a hundred times as fast since that second of 1970; once.
    hurry: Option<String>,
}

/// Moves the sandbox's clock; it never moves back by itself.
async fn clock(State(c): State<Control>, Json(by): Json<Advance>) -> Response {
    if let Some(text) = by.hurry {
        match text.parse() {
            Ok(hurry) if c.clock.hurry(hurry) => {}
            Ok(_) => return (StatusCode::CONFLICT, "it hurries already").into_response(),
            Err(error) => return (StatusCode::BAD_REQUEST, error).into_response(),
        }
    }
    c.clock.advance(by.advance_s.saturating_mul(1_000_000));
    Json(json!({ "now_ms": c.clock.now() / 1000 })).into_response()
}

async fn list(State(c): State<Control>) -> Json<Value> {
    Json(json!(c.faults.list()))
}

async fn add(State(c): State<Control>, Json(body): Json<Value>) -> Response {
    let given = match body {
        Value::Array(rules) => rules,
        one => vec![one],
    };
    let rules: Result<Vec<Rule>, String> = given.iter().map(Rule::parse).collect();
    match rules {
        Err(text) => refused(StatusCode::BAD_REQUEST, text),
        Ok(rules) => {
            let ids: Vec<u64> = rules.into_iter().map(|r| c.faults.add(r)).collect();
            (StatusCode::CREATED, Json(json!({ "ids": ids }))).into_response()
        }
    }
}

async fn clear(State(c): State<Control>) -> StatusCode {
    c.faults.clear();
    StatusCode::NO_CONTENT
}

async fn remove(State(c): State<Control>, Path(id): Path<u64>) -> Response {
    if c.faults.remove(id) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        refused(StatusCode::NOT_FOUND, format!("no rule {id}"))
    }
}
