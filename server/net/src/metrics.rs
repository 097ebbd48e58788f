//! What is counted of requests that leave the server, for Prometheus.

use std::time::Duration;

use http::StatusCode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds of the answer times, in seconds; the longest time-out of a request is above the last.
const BOUNDS: [f64; 8] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0];

type Service = [(&'static str, &'static str); 1];
type ServiceAndResult = [(&'static str, &'static str); 2];

pub(crate) struct Metrics {
    requests: Family<ServiceAndResult, Counter>,
    seconds: Family<Service, Histogram, fn() -> Histogram>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BOUNDS)),
        }
    }
}

impl Metrics {
    pub(crate) fn heard(&self, service: &'static str, result: &'static str, took: Duration) {
        let service = ("service", service);
        self.requests.get_or_create(&[service, ("result", result)]).inc();
        self.seconds.get_or_create(&[service]).observe(took.as_secs_f64());
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "tandem_provider_requests",
            "Requests to mail servers, Salesforce and sign-ins, by how they ended (a refusal within a good HTTP answer is ok)",
            self.requests.clone(),
        );
        registry.register(
            "tandem_provider_request_seconds",
            "From the request to the end of its answer",
            self.seconds.clone(),
        );
    }
}

/// What an operator wants to tell apart.
pub(crate) fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        ..400 => "ok",
        401 | 403 => "refused",
        429 => "throttled",
        400..500 => "client_error",
        500.. => "server_error",
    }
}
