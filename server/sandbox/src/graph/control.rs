//! The control API below `/graph`: how the service behaves. What a user does in the mailbox is below `/exchange`,
//! for it is the same mailbox.
//!
//! | request | does |
//! | --- | --- |
//! | `GET /knobs` | all of [`Knobs`] |
//! | `PUT /knobs` | sets those that are named |
//! | `POST /mailboxes/{address}/expire` | forgets all delta tokens of the mailbox |
//! | `GET /counters` | requests by kind: of HTTP, and of steps in batches |

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Graph;
use crate::control::refused;
use crate::serve::Service as _;

/// What can be turned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Knobs {
    /// How many requests to one mailbox may be under way at once.
    pub(super) at_once: usize,
    /// How many requests to one mailbox are answered in ten minutes; each step of a batch counts.
    pub(super) per_ten_minutes: u64,
    /// How long a request takes, beyond what it needs.
    pub(super) work_ms: u64,
    /// How many pages without anything come before the first with something, in every delta that tells something.
    pub(super) empty_pages: usize,
    /// Seconds until a delta token expires; 0: never.
    pub(super) token_life_s: i64,
    /// Whether whole days are shown at midnight of whatever zone the client asks for, instead of being shifted.
    pub(super) all_day_floats: bool,
    /// Whether a recurring task that was completed stays as it is, and the next one is a new task.
    pub(super) next_task_gets_new_id: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            at_once: 4,
            per_ten_minutes: 10_000,
            work_ms: 0,
            empty_pages: 0,
            token_life_s: 0,
            all_day_floats: false,
            next_task_gets_new_id: false,
        }
    }
}

/// The routes.
pub(super) fn router(graph: Graph) -> Router {
    Router::new()
        .route("/knobs", get(read).put(write))
        .route(
            "/counters",
            get(async |State(g): State<Graph>| Json(g.counters())),
        )
        .route("/mailboxes/{address}/expire", post(expire))
        .with_state(graph)
}

async fn read(State(graph): State<Graph>) -> Json<Value> {
    Json(json!(graph.knobs()))
}

async fn write(State(graph): State<Graph>, Json(given): Json<Map<String, Value>>) -> Response {
    let mut all = json!(graph.knobs());
    for (name, value) in given {
        all[name] = value;
    }
    match serde_json::from_value::<Knobs>(all) {
        Ok(knobs) => {
            let answer = json!(knobs);
            graph.set_knobs(knobs);
            Json(answer).into_response()
        }
        Err(error) => refused(StatusCode::BAD_REQUEST, error.to_string()),
    }
}

async fn expire(State(graph): State<Graph>, Path(address): Path<String>) -> Response {
    if graph.expire(&address) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        refused(StatusCode::NOT_FOUND, format!("there is no mailbox {address}"))
    }
}
