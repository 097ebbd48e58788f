//! `GET /metrics` for Prometheus, on an address of its own: what browsers reach shows nothing of a company's numbers.
//!
//! What this process has done is counted here; how all connections stand is asked of the database at each reading, and is
//! the same whichever replica answers.

use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Router, response::IntoResponse};
use http::{StatusCode, header};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tandem_store::{OrgQuota, Overview};
use tandem_types::{SessionOutcome, Timestamp};

use crate::app::App;

/// <https://prometheus.io/docs/specs/om/open_metrics_spec/#overall-structure>
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Upper bounds in seconds: an idle session takes less than the first, a first sync more than the last.
const BOUNDS: [f64; 8] = [0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0];

type Label = (&'static str, &'static str);

/// What this process has done.
pub(crate) struct Metrics {
    sessions: Family<[Label; 1], Counter>,
    seconds: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            sessions: Family::default(),
            seconds: Histogram::new(BOUNDS),
        }
    }
}

impl Metrics {
    pub(crate) fn session_ended(&self, outcome: SessionOutcome, took: Duration) {
        self.sessions
            .get_or_create(&[("outcome", outcome.as_str())])
            .inc();
        self.seconds.observe(took.as_secs_f64());
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "tandem_sessions",
            "Sessions that ended, by outcome",
            self.sessions.clone(),
        );
        registry.register(
            "tandem_session_seconds",
            "From the start of a session to its end",
            self.seconds.clone(),
        );
    }
}

pub(crate) fn router(app: &App) -> Router {
    Router::new().route("/metrics", get(read)).with_state(app.clone())
}

async fn read(State(app): State<App>) -> impl IntoResponse {
    let now = app.clock.now();
    let asked = futures::future::try_join(app.store.overview(now), app.store.quotas()).await;
    let (overview, quotas) = match asked {
        Ok(both) => both,
        Err(error) => {
            tracing::warn!(%error, "the metrics could not be read");
            return (
                StatusCode::SERVICE_UNAVAILABLE,
                [(header::CONTENT_TYPE, "text/plain")],
                "the database does not answer\n".to_owned(),
            );
        }
    };
    let mut registry = Registry::default();
    app.net.register(&mut registry);
    app.metrics.register(&mut registry);
    stand(&overview, &mut registry);
    budget(&quotas, now, &mut registry);
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = encode(&mut text, &registry);
    (StatusCode::OK, [(header::CONTENT_TYPE, CONTENT_TYPE)], text)
}

/// How all connections stand.
fn stand(overview: &Overview, registry: &mut Registry) {
    let one = |value: u32| {
        let gauge = Gauge::<i64>::default();
        gauge.set(value.into());
        gauge
    };
    let states = Family::<[Label; 2], Gauge>::default();
    for count in &overview.states {
        let reason = count.reason.map_or("", tandem_types::StateReason::as_str);
        states
            .get_or_create(&[("state", count.state.as_str()), ("reason", reason)])
            .set(count.connections.into());
    }
    registry.register(
        "tandem_connections",
        "Connections by state and its reason",
        states,
    );
    let issues = Family::<[Label; 1], Gauge>::default();
    for (code, open) in &overview.issues {
        issues
            .get_or_create(&[("code", code.as_str())])
            .set((*open).into());
    }
    registry.register("tandem_issues", "Open issues by reason", issues);
    registry.register(
        "tandem_connections_overdue",
        "Active, due for more than five minutes, and nobody runs them",
        one(overview.overdue),
    );
    registry.register(
        "tandem_connections_due",
        "Due, and nobody runs them yet",
        one(overview.due),
    );
    registry.register(
        "tandem_queue_age_seconds",
        "For how long the oldest of them has been due",
        one(overview.queue_seconds),
    );
    registry.register(
        "tandem_sessions_running",
        "In all replicas",
        one(overview.running),
    );
    registry.register("tandem_users", "Who have signed in", one(overview.users));
}

/// What is used of the organisations' quotas, as Salesforce said it last to any replica.
fn budget(quotas: &[OrgQuota], now: Timestamp, registry: &mut Registry) {
    let used = Family::<[(&str, String); 1], Gauge>::default();
    let limit = Family::<[(&str, String); 1], Gauge>::default();
    let held = Family::<[(&str, String); 1], Gauge>::default();
    for of in quotas {
        let label = [("org", of.org.to_string())];
        let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        if let Some(quota) = of.quota {
            used.get_or_create(&label).set(whole(quota.used));
            limit.get_or_create(&label).set(whole(quota.limit));
        }
        let waits = of.held.is_some_and(|until| until > now);
        held.get_or_create(&label).set(waits.into());
    }
    registry.register(
        "tandem_salesforce_api_used",
        "API calls of the organisation within 24 hours, everybody's",
        used,
    );
    registry.register(
        "tandem_salesforce_api_limit",
        "API calls that it may make within 24 hours",
        limit,
    );
    registry.register(
        "tandem_salesforce_api_waits",
        "1 while the organisation's connections wait, because its calls are used up or the reserve is reached",
        held,
    );
}
