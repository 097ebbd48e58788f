use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse};
use url::Url;

use crate::Net;
use crate::error::{NetError, NetErrorKind};
use crate::request::{Request, Schemes};

/// [`Net`] as the HTTP client of the `oauth2` crate: 20 seconds, 64 KiB, never sent twice (a code and a rotated refresh
/// token are good for one use).
///
/// It owns its client: with a borrowed one the future of a token request cannot be shown to change threads.
#[derive(Clone, Debug)]
pub struct OAuthHttp {
    net: Net,
    schemes: Schemes,
    service: &'static str,
    timeout: Duration,
    heard: Arc<Mutex<Heard>>,
}

/// What the `oauth2` crate does not tell of an answer.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    status: Option<u16>,
    retry_after: Option<Duration>,
}

impl Net {
    /// For token endpoints over HTTPS.
    pub fn oauth(&self) -> OAuthHttp {
        OAuthHttp {
            net: self.clone(),
            schemes: Schemes::HttpsOnly,
            service: "other",
            timeout: Duration::from_secs(20),
            heard: Arc::default(),
        }
    }
}

impl OAuthHttp {
    /// Plain HTTP too: for the sandbox only.
    #[must_use]
    pub fn schemes(mut self, schemes: Schemes) -> Self {
        self.schemes = schemes;
        self
    }

    /// What answers, for the metrics.
    #[must_use]
    pub fn service(mut self, service: &'static str) -> Self {
        self.service = service;
        self
    }

    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The status of the latest answer; the crate drops it where the body is not what it wants.
    pub fn status(&self) -> Option<u16> {
        self.heard().status
    }

    /// `Retry-After` of the latest answer.
    pub fn retry_after(&self) -> Option<Duration> {
        self.heard().retry_after
    }

    fn heard(&self) -> Heard {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, NetError> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string())
            .map_err(|_| NetError::setup(NetErrorKind::NotAllowed, "the token endpoint is not a URL"))?;
        let mut out = Request::new(parts.method, url)
            .body(body)
            .timeout(self.timeout)
            .max_bytes(64 * 1024)
            .schemes(self.schemes)
            .service(self.service);
        out.headers = parts.headers;
        for (name, value) in &mut out.headers {
            value.set_sensitive(name == http::header::AUTHORIZATION);
        }
        let answer = self.net.send(out).await?;
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Heard {
            status: Some(answer.status.as_u16()),
            retry_after: answer.retry_after(),
        };
        let mut response = HttpResponse::new(answer.body);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}

impl<'c> AsyncHttpClient<'c> for OAuthHttp {
    type Error = NetError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, NetError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.exchange(request))
    }
}
