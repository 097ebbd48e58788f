use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::time::Instant;
use url::{Host, Url};

use crate::addresses::{AddressPolicy, is_allowed};
use crate::config::NetConfig;
use crate::error::{NetError, NetErrorKind};
use crate::line::{Dialler, Line};
use crate::metrics::{self, Metrics};
use crate::redact::redact_url;
use crate::request::{Request, Response, Retry, Schemes};
use crate::resolver::Resolver;
use crate::services::Services;

/// Further tries of an idempotent request.
const MORE_TRIES: u32 = 2;
/// A server that asks for more patience than this gets it from the caller.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Below the idle time-outs of the servers we talk to.
pub(crate) const IDLE: Duration = Duration::from_secs(50);
const FIRST_BACKOFF: Duration = Duration::from_millis(200);

/// The client for everything that leaves this server: one connection pool, cheap to clone.
#[derive(Clone)]
pub struct Net(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    lines: Dialler,
    services: Services,
    policy: AddressPolicy,
    counters: Counters,
    metrics: Metrics,
}

#[derive(Default)]
struct Counters {
    requests: AtomicU64,
    retries: AtomicU64,
    failures: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
}

/// What a [`Net`] has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountersSnapshot {
    /// Requests sent, further tries included.
    pub requests: u64,
    pub retries: u64,
    /// Requests without an answer.
    pub failures: u64,
    /// Of bodies.
    pub bytes_sent: u64,
    /// Of decoded bodies.
    pub bytes_received: u64,
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net")
            .field("policy", &self.0.policy)
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

impl Net {
    /// # Errors
    /// A root certificate that cannot be read.
    pub fn new(config: &NetConfig) -> Result<Self, NetError> {
        #[expect(clippy::disallowed_methods, reason = "this is the place that makes clients")]
        let builder = reqwest::Client::builder();
        let tls = tls(config)?;
        let resolver = Resolver::new(config);
        let lines = Dialler {
            tls: Arc::new(tls.clone()),
            resolver: resolver.clone(),
            user_agent: config.user_agent.clone(),
            connect_timeout: config.connect_timeout,
        };
        let http = builder
            .tls_backend_preconfigured(tls)
            .dns_resolver(Arc::new(resolver))
            .user_agent(&config.user_agent)
            .connect_timeout(config.connect_timeout)
            // A connection that the server is about to close would turn a write into a doubtful one.
            .pool_idle_timeout(IDLE)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .no_proxy()
            .gzip(true)
            .http1_only()
            .build()
            .map_err(|e| NetError::setup(NetErrorKind::Protocol, e.to_string()))?;
        Ok(Self(Arc::new(Inner {
            http,
            lines,
            services: Services::new(config),
            policy: config.policy(),
            counters: Counters::default(),
            metrics: Metrics::default(),
        })))
    }

    /// Sends a request and reads the whole answer. Any status is `Ok`.
    ///
    /// # Errors
    /// No answer, or none that was read to its end within the request's limits. Ask
    /// [`NetError::may_have_taken_effect`] before the same write is sent again.
    pub async fn send(&self, request: Request) -> Result<Response, NetError> {
        self.check(&request)?;
        let deadline = Instant::now() + request.timeout;
        let mut reached = false;
        for tried in 0.. {
            if tried > 0 {
                self.0.counters.retries.fetch_add(1, Ordering::Relaxed);
            }
            let result = self.once(&request, deadline).await;
            match request.retry.pause(&result, tried) {
                Some(wait) if Instant::now() + wait < deadline => {
                    reached |= result
                        .as_ref()
                        .map_or_else(NetError::may_have_taken_effect, |_| true);
                    tokio::time::sleep(wait).await;
                }
                _ => {
                    return result.map_err(|mut e| {
                        e.mark_reached(reached);
                        e
                    });
                }
            }
        }
        unreachable!("the last try returns")
    }

    pub fn counters(&self) -> CountersSnapshot {
        let c = &self.0.counters;
        CountersSnapshot {
            requests: c.requests.load(Ordering::Relaxed),
            retries: c.retries.load(Ordering::Relaxed),
            failures: c.failures.load(Ordering::Relaxed),
            bytes_sent: c.bytes_sent.load(Ordering::Relaxed),
            bytes_received: c.bytes_received.load(Ordering::Relaxed),
        }
    }

    /// Opens a connection that is the caller's alone, for a sign-in that belongs to the connection (NTLM). `url`: whose
    /// scheme, host and port are meant.
    ///
    /// # Errors
    /// As [`Net::send`]; nothing of a request was sent.
    pub async fn line(&self, url: &Url, schemes: Schemes, timeout: Duration) -> Result<Line, NetError> {
        self.check(&Request::get(url.clone()).schemes(schemes))?;
        match tokio::time::timeout(timeout, self.0.lines.dial(url)).await {
            Ok(Ok(wire)) => Ok(Line::new(self.clone(), wire)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(NetError::new(
                NetErrorKind::Timeout,
                url,
                "while connecting",
                false,
            )),
        }
    }

    /// Where a service is, by its SRV records (RFC 2782): `_autodiscover._tcp.contoso.example`. Hosts and ports, the best
    /// first; empty where there are none. Whether they may be connected to is asked when that is done.
    ///
    /// # Errors
    /// No answer of the name servers.
    pub async fn services(&self, name: &str, timeout: Duration) -> Result<Vec<(String, u16)>, NetError> {
        self.0.services.look_up(name, timeout).await
    }

    /// Offers what is counted here to Prometheus.
    pub fn register(&self, registry: &mut prometheus_client::registry::Registry) {
        self.0.metrics.register(registry);
    }

    pub(crate) fn user_agent(&self) -> &str {
        &self.0.lines.user_agent
    }

    pub(crate) fn check(&self, request: &Request) -> Result<(), NetError> {
        let refuse = |why: String| Err(NetError::new(NetErrorKind::NotAllowed, &request.url, why, false));
        match (request.url.scheme(), request.schemes) {
            ("https", _) | ("http", Schemes::HttpToo) => {}
            ("http", Schemes::HttpsOnly) => return refuse("https only".to_owned()),
            _ => return refuse("neither http nor https".to_owned()),
        }
        if let Some(name) = &request.bad_header {
            return refuse(format!("the header {name} cannot be sent"));
        }
        // Names are checked by the resolver, at every connection; literal addresses never come to it.
        let literal = match request.url.host() {
            Some(Host::Ipv4(ip)) => Some(ip.into()),
            Some(Host::Ipv6(ip)) => Some(ip.into()),
            Some(Host::Domain(_)) => None,
            None => return refuse("no host".to_owned()),
        };
        match literal {
            Some(ip) if !is_allowed(ip, &self.0.policy) => {
                refuse("the address is not public, and the configuration does not allow it".to_owned())
            }
            _ => Ok(()),
        }
    }

    async fn once(&self, request: &Request, deadline: Instant) -> Result<Response, NetError> {
        self.counted(request, deadline, self.exchange(request)).await
    }

    /// Runs one exchange: counted, in time, and told to the log.
    pub(crate) async fn counted(
        &self,
        request: &Request,
        deadline: Instant,
        exchange: impl Future<Output = Result<Response, NetError>>,
    ) -> Result<Response, NetError> {
        let counters = &self.0.counters;
        counters.requests.fetch_add(1, Ordering::Relaxed);
        counters
            .bytes_sent
            .fetch_add(request.body.len() as u64, Ordering::Relaxed);
        let started = Instant::now();
        let result = match tokio::time::timeout_at(deadline, exchange).await {
            Ok(result) => result,
            Err(_) => Err(NetError::new(
                NetErrorKind::Timeout,
                &request.url,
                format!("after {} ms", started.elapsed().as_millis()),
                true,
            )),
        };
        let result_word = result
            .as_ref()
            .map_or_else(|error| error.kind.word(), |answer| metrics::class(answer.status));
        self.0
            .metrics
            .heard(request.service, result_word, started.elapsed());
        match &result {
            Ok(answer) => {
                counters
                    .bytes_received
                    .fetch_add(answer.body.len() as u64, Ordering::Relaxed);
                tracing::debug!(
                    method = %request.method,
                    url = redact_url(&request.url),
                    status = answer.status.as_u16(),
                    bytes = answer.body.len(),
                    ms = started.elapsed().as_millis(),
                    "answer"
                );
            }
            Err(error) => {
                counters.failures.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(method = %request.method, kind = ?error.kind, %error, "no answer");
            }
        }
        result
    }

    async fn exchange(&self, request: &Request) -> Result<Response, NetError> {
        let url = &request.url;
        let mut answer = self
            .0
            .http
            .request(request.method.clone(), url.clone())
            .headers(request.headers.clone())
            .body(request.body.clone())
            .send()
            .await
            .map_err(|e| NetError::from_reqwest(url, e, false))?;
        let too_large = || {
            let limit = format!("more than {} bytes", request.max_bytes);
            NetError::new(NetErrorKind::TooLarge, url, limit, true)
        };
        if answer
            .content_length()
            .is_some_and(|n| n > request.max_bytes as u64)
        {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer
            .chunk()
            .await
            .map_err(|e| NetError::from_reqwest(url, e, true))?
        {
            if body.len() + chunk.len() > request.max_bytes {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response {
            status: answer.status(),
            headers: std::mem::take(answer.headers_mut()),
            body,
            url: Url::clone(url),
        })
    }
}

impl Retry {
    /// The pause before the next try, or `None` where another is not wanted or of no use. `tried`: how many tries were
    /// made before the one that gave `result`.
    #[must_use]
    pub fn pause(self, result: &Result<Response, NetError>, tried: u32) -> Option<Duration> {
        match self {
            Self::Idempotent if tried < MORE_TRIES => wait_before_next(result, tried),
            Self::Idempotent | Self::Never => None,
        }
    }
}

fn wait_before_next(result: &Result<Response, NetError>, tried: u32) -> Option<Duration> {
    let backoff = jittered(FIRST_BACKOFF * 4_u32.pow(tried));
    match result {
        Ok(answer) => match answer.status {
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                if answer.headers.contains_key(http::header::RETRY_AFTER) {
                    // A date instead of seconds is left to the caller.
                    answer.retry_after().filter(|wait| *wait <= LONGEST_WAIT)
                } else {
                    Some(backoff)
                }
            }
            _ => None,
        },
        Err(error) => match error.kind {
            // A time-out here is the connection's own; the exchange's leaves no time for another try.
            NetErrorKind::Connect | NetErrorKind::Timeout | NetErrorKind::Reset | NetErrorKind::Cut => {
                Some(backoff)
            }
            NetErrorKind::NotAllowed
            | NetErrorKind::UnknownHost
            | NetErrorKind::Certificate
            | NetErrorKind::TooLarge
            | NetErrorKind::Protocol => None,
        },
    }
}

/// Between half of `full` and `full`. The standard library's random hash seed is enough to spread servers that fail
/// together; nothing that is tested or secret depends on it.
fn jittered(full: Duration) -> Duration {
    let share = u32::try_from(RandomState::new().hash_one(0_u8) % 1000).unwrap_or(0);
    full / 2 + full / 2 * share / 1000
}

fn tls(config: &NetConfig) -> Result<ClientConfig, NetError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "a root certificate of the operating system cannot be read");
    }
    roots.add_parsable_certificates(native.certs);
    let broken = |why: String| NetError::setup(NetErrorKind::Certificate, why);
    for pem in &config.extra_roots_pem {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|e| broken(format!("an extra root is not PEM: {e}")))?;
            roots
                .add(certificate)
                .map_err(|e| broken(format!("an extra root is not a certificate: {e}")))?;
        }
        if roots.len() == before {
            return Err(broken("an extra root holds no certificate".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| broken(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}
