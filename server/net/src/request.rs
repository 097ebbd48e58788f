use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::redact::redact_url;

/// Whether [`Net::send`](crate::Net::send) may send a request again by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retry {
    #[default]
    Never,
    /// The request may be done twice: up to two more tries, with a jittered back-off, on connection errors, resets, cut
    /// answers, and 502, 503, 504 without a `Retry-After` of more than 5 seconds.
    Idempotent,
}

/// Which URLs a request may go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Schemes {
    #[default]
    HttpsOnly,
    /// Plain HTTP too: the unauthenticated step of Autodiscover, the sandbox. No credential may travel so.
    HttpToo,
}

impl Schemes {
    /// For an address of the configuration, which takes plain HTTP for hosts on this machine only.
    pub fn of(url: &Url) -> Self {
        if url.scheme() == "http" {
            Self::HttpToo
        } else {
            Self::HttpsOnly
        }
    }
}

/// One request. `Debug` shows neither headers nor body nor query.
#[derive(Clone)]
pub struct Request {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// For the whole exchange, further tries included.
    pub timeout: Duration,
    /// Of the decoded answer.
    pub max_bytes: usize,
    pub retry: Retry,
    pub schemes: Schemes,
    /// What answers, for the metrics: `salesforce`, `exchange`, …
    pub service: &'static str,
    /// A header was given that HTTP cannot carry; told when it is sent.
    pub(crate) bad_header: Option<String>,
}

impl Request {
    /// 30 seconds, 1 MiB, no second try, HTTPS only.
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Vec::new(),
            timeout: Duration::from_secs(30),
            max_bytes: 1 << 20,
            retry: Retry::Never,
            schemes: Schemes::HttpsOnly,
            service: "other",
            bad_header: None,
        }
    }

    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    pub fn post(url: Url, body: impl Into<Vec<u8>>) -> Self {
        Self::new(Method::POST, url).body(body)
    }

    pub fn patch(url: Url, body: impl Into<Vec<u8>>) -> Self {
        Self::new(Method::PATCH, url).body(body)
    }

    pub fn put(url: Url, body: impl Into<Vec<u8>>) -> Self {
        Self::new(Method::PUT, url).body(body)
    }

    pub fn delete(url: Url) -> Self {
        Self::new(Method::DELETE, url)
    }

    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets a header. A name or value that HTTP cannot carry makes the request fail when it is sent.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.set(name, value, false)
    }

    /// Like [`Request::header`], for a value that nothing may show.
    #[must_use]
    pub fn secret_header(self, name: &str, value: &SecretString) -> Self {
        self.set(name, value.expose_secret(), true)
    }

    /// `Authorization: Bearer …` (RFC 6750).
    #[must_use]
    pub fn bearer(self, token: &SecretString) -> Self {
        let value = format!("Bearer {}", token.expose_secret());
        self.set(AUTHORIZATION.as_str(), &value, true)
    }

    /// `Authorization: Basic …` (RFC 7617), in UTF-8.
    #[must_use]
    pub fn basic(self, user: &str, password: &SecretString) -> Self {
        let pair = format!("{user}:{}", password.expose_secret());
        let value = format!("Basic {}", STANDARD.encode(pair));
        self.set(AUTHORIZATION.as_str(), &value, true)
    }

    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    #[must_use]
    pub fn service(mut self, service: &'static str) -> Self {
        self.service = service;
        self
    }

    #[must_use]
    pub fn max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    #[must_use]
    pub fn schemes(mut self, schemes: Schemes) -> Self {
        self.schemes = schemes;
        self
    }

    fn set(mut self, name: &str, value: &str, secret: bool) -> Self {
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .ok()
            .zip(HeaderValue::from_bytes(value.as_bytes()).ok());
        if let Some((parsed_name, mut parsed_value)) = parsed {
            parsed_value.set_sensitive(secret);
            self.headers.insert(parsed_name, parsed_value);
        } else {
            self.bad_header = Some(name.escape_debug().to_string());
        }
        self
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &redact_url(&self.url))
            .field("body", &format_args!("{} bytes", self.body.len()))
            .field("timeout", &self.timeout)
            .field("max_bytes", &self.max_bytes)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

/// An answer, whatever its status. Redirects are answers too: nothing follows them. `Debug` shows no header and no body.
#[derive(Clone)]
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Decoded.
    pub body: Vec<u8>,
    pub url: Url,
}

impl Response {
    /// A header's value, if it is there and is visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// `Retry-After` in its form with seconds.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.header("retry-after")?.trim().parse::<u64>().ok()?;
        Some(Duration::from_secs(seconds))
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("url", &redact_url(&self.url))
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish_non_exhaustive()
    }
}
