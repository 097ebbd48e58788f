//! Listeners and the one layer that every request of every service passes: it logs, and applies transport faults.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use http::request::Parts;
use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tower::ServiceExt as _;

use crate::Now;
use crate::exchange::sign_in::{self, Signed};
use crate::faults::{Faults, Kind};
use crate::log::Log;
use crate::record::Recorder;

/// A request larger than this is answered 413.
const BODY_LIMIT: usize = 36 << 20;

/// What the generic layer must know about a service.
pub(crate) trait Service: Send + Sync + 'static {
    /// `exchange`, `autodiscover`, `salesforce`, `login`, `microsoft` or `graph`: the name in rules and log.
    fn service(&self, parts: &Parts) -> &'static str;
    /// The operation as the protocol names it.
    fn operation(&self, parts: &Parts, body: &[u8]) -> String;
    /// Who asks, as far as the request says (nothing is checked here): a mailbox address or a user name.
    fn user(&self, parts: &Parts, body: &[u8]) -> Option<String>;
    /// What it counts beyond the log, a JSON object; merged into `/counters`.
    fn counters(&self) -> Value;
    /// Sets these to zero.
    fn reset_counters(&self);
}

/// Where the services of this sandbox listen. In the extensions of every request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins {
    pub(crate) exchange_http: String,
    pub(crate) exchange_https: String,
    pub(crate) salesforce_http: String,
    pub(crate) salesforce_https: String,
    pub(crate) microsoft_http: String,
    pub(crate) microsoft_https: String,
    pub(crate) graph_http: String,
    pub(crate) graph_https: String,
    /// The browser preview, on another host than the rest: in it the pane is a page of another site.
    pub(crate) preview_http: String,
    pub(crate) preview_https: String,
}

/// How a request came in. In the extensions of every request.
#[derive(Debug, Clone)]
pub(crate) struct Via {
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    pub(crate) origins: Arc<Origins>,
}

/// Who sits at the other end of a connection: NTLM signs in connections. In the extensions of every request.
#[derive(Debug, Clone)]
pub(crate) struct Seat(pub(crate) Arc<Mutex<Signed>>);

/// A service with its routes and the shared machinery.
#[derive(Clone)]
pub(crate) struct Front {
    pub(crate) router: Router,
    pub(crate) service: Arc<dyn Service>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) log: Arc<Log>,
    pub(crate) now: Now,
    pub(crate) origins: Arc<Origins>,
    pub(crate) recorder: Recorder,
}

/// Ends the connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox closes the connection on purpose")]
struct Hangup;

/// Accepts connections until the returned task is aborted, which also ends the connections.
pub(crate) fn spawn(listener: TcpListener, tls: Option<Arc<ServerConfig>>, front: Front) -> JoinHandle<()> {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let acceptor = tls.map(tokio_rustls::TlsAcceptor::from);
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let stream = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "accept failed");
                        continue;
                    }
                },
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            };
            let _ = stream.set_nodelay(true);
            let front = front.clone();
            let acceptor = acceptor.clone();
            connections.spawn(async move {
                let seat = sign_in::seat();
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let (front, seat) = (front.clone(), seat.clone());
                    async move { front.answer(request, scheme, seat).await }
                });
                let server = auto::Builder::new(TokioExecutor::new()).http1_only();
                // Errors here are the client's, or wanted by a fault.
                match acceptor {
                    None => drop(server.serve_connection(TokioIo::new(stream), service).await),
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => drop(server.serve_connection(TokioIo::new(stream), service).await),
                        Err(error) => tracing::debug!(%error, "TLS handshake failed"),
                    },
                }
            });
        }
    })
}

/// As [`spawn`], for a router without faults and log.
pub(crate) fn spawn_plain(listener: TcpListener, router: Router) -> JoinHandle<()> {
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::warn!(%error, "the control server ended");
        }
    })
}

impl Front {
    async fn answer(
        &self,
        request: Request<Incoming>,
        scheme: &'static str,
        seat: Seat,
    ) -> Result<Response, Hangup> {
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(seat);
        parts.extensions.insert(Via {
            scheme,
            origins: Arc::clone(&self.origins),
        });
        let Ok(body) = to_bytes(Body::new(body), BODY_LIMIT).await else {
            return Ok(StatusCode::PAYLOAD_TOO_LARGE.into_response());
        };
        let service = self.service.service(&parts);
        let operation = self.service.operation(&parts, &body);
        let user = self.service.user(&parts, &body);
        let n = self
            .log
            .asked(service, operation.clone(), user.clone(), (self.now)() / 1000);
        let fault = self
            .faults
            .take(service, &operation, user.as_deref(), Kind::is_transport);
        let name = fault.as_ref().map(Kind::name);
        let hang_up = |status: u16| {
            self.log.answered(n, status, name);
            Hangup
        };
        match fault {
            Some(Kind::Reset) => return Err(hang_up(0)),
            Some(Kind::TimeoutBefore { ms }) => {
                let hangup = hang_up(0);
                tokio::time::sleep(Duration::from_millis(ms)).await;
                return Err(hangup);
            }
            Some(Kind::Status { code, retry_after_s }) => {
                self.log.answered(n, code, name);
                return Ok(plain_status(service, code, retry_after_s));
            }
            _ => {}
        }
        self.recorder.keep(service, n, "request", &body);
        let mut response = self.call(parts, body).await;
        if self.recorder.keeps(service) {
            response = rewrite(response, |whole| {
                self.recorder.keep(service, n, "response", &whole);
                Body::from(whole)
            })
            .await;
        }
        let status = response.status().as_u16();
        self.log.answered(n, status, name);
        match fault {
            Some(Kind::TimeoutAfter { ms }) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Err(Hangup)
            }
            Some(Kind::StatusAfter { code }) => {
                self.log.answered(n, code, name);
                Ok(plain_status(service, code, None))
            }
            Some(Kind::CutBody) => Ok(rewrite(response, cut).await),
            Some(Kind::Malformed) => Ok(rewrite(response, |b| Body::from(malform(&b))).await),
            Some(Kind::SlowBody { ms_per_chunk }) => {
                Ok(rewrite(response, |b| slow(b, Duration::from_millis(ms_per_chunk))).await)
            }
            _ => Ok(response),
        }
    }

    async fn call(&self, parts: Parts, body: Bytes) -> Response {
        let request = Request::from_parts(parts, Body::from(body));
        let answer: Result<Response, Infallible> = self.router.clone().oneshot(request).await;
        match answer {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

fn plain_status(service: &str, code: u16, retry_after_s: Option<u32>) -> Response {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, format!("sandbox fault: status {code}\n")).into_response();
    if let Some(seconds) = retry_after_s {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if code == 401 {
        let scheme = HeaderValue::from_static(match service {
            "exchange" | "autodiscover" => "Basic realm=\"sandbox\"",
            "graph" => "Bearer realm=\"\"",
            _ => "Token",
        });
        response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    }
    response
}

async fn rewrite(response: Response, change: impl FnOnce(Bytes) -> Body) -> Response {
    let (mut parts, body) = response.into_parts();
    let whole = to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::TRANSFER_ENCODING);
    let length = whole.len();
    let body = change(whole);
    // A stream has no size of its own: the header announces the whole, whatever will come.
    if hyper::body::Body::size_hint(&body).exact().is_none() {
        parts
            .headers
            .insert(header::CONTENT_LENGTH, HeaderValue::from(length.max(2)));
    }
    Response::from_parts(parts, body)
}

fn cut(whole: Bytes) -> Body {
    let half = whole.slice(..whole.len() / 2);
    let start = futures::stream::iter([Ok(half)]);
    // An error at once would also take away what is still in hyper's buffer: it writes while the body pauses.
    Body::from_stream(start.chain(futures::stream::once(async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(Hangup)
    })))
}

fn slow(whole: Bytes, pause: Duration) -> Body {
    let size = (whole.len() / 16).max(1);
    let chunks: Vec<Bytes> = (0..whole.len())
        .step_by(size)
        .map(|at| whole.slice(at..whole.len().min(at + size)))
        .collect();
    Body::from_stream(futures::stream::iter(chunks).then(move |chunk| async move {
        tokio::time::sleep(pause).await;
        Ok::<_, Infallible>(chunk)
    }))
}

/// Half of the text, then something that neither XML nor JSON allows there.
fn malform(whole: &[u8]) -> Vec<u8> {
    let mut broken = whole[..whole.len() / 2].to_vec();
    broken.extend_from_slice(b"<&]}\x01");
    broken
}
