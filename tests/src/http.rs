//! A small client for plain http on loopback: one connection per request, any status is an answer.

use anyhow::{Context as _, Result};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use url::Url;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; null where there is none.
    pub fn json(&self) -> Result<Value> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What a request carries.
#[derive(Clone, Debug)]
pub enum Body {
    None,
    /// As text.
    Json(String),
    /// `application/x-www-form-urlencoded`.
    Form(String),
}

/// Sends one request. A JSON body if it is not null.
pub async fn call(method: Method, url: &Url, headers: &[(&str, &str)], body: &Value) -> Result<Answer> {
    let body = if body.is_null() {
        Body::None
    } else {
        Body::Json(body.to_string())
    };
    call_with(method, url, headers, body).await
}

/// Sends one request.
pub async fn call_with(method: Method, url: &Url, headers: &[(&str, &str)], body: Body) -> Result<Answer> {
    let host = url.host_str().context("a URL without a host")?;
    let port = url.port_or_known_default().context("a URL without a port")?;
    anyhow::ensure!(url.scheme() == "http", "{url} is not plain http");
    let stream = TcpStream::connect((host, port))
        .await
        .with_context(|| format!("nobody listens at {url}"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the request; its errors show at the sender.
    tokio::spawn(connection);

    let mut request = Request::builder()
        .method(method)
        .uri(&url[url::Position::BeforePath..url::Position::AfterQuery])
        .header(header::HOST, format!("{host}:{port}"))
        .header(header::CONNECTION, "close");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (kind, bytes) = match body {
        Body::None => (None, Bytes::new()),
        Body::Json(text) => (Some("application/json"), Bytes::from(text)),
        Body::Form(text) => (Some("application/x-www-form-urlencoded"), Bytes::from(text)),
    };
    if let Some(kind) = kind {
        request = request.header(header::CONTENT_TYPE, kind);
    }
    let response = sender.send_request(request.body(Full::new(bytes))?).await?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    })
}

/// Gets a page.
pub async fn get(url: &Url) -> Result<Answer> {
    call(Method::GET, url, &[], &Value::Null).await
}
