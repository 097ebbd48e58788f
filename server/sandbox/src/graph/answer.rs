//! What Graph answers: a status, some headers, and JSON or bytes.
//!
//! <https://learn.microsoft.com/graph/errors>

use axum::body::{Body as HttpBody, Bytes};
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::exchange::Fail;
use crate::exchange::props::write_time;

/// The text of an answer.
#[derive(Debug, Clone)]
pub(super) enum Body {
    /// 204 and its like.
    Empty,
    Json(Value),
    Bytes {
        media: String,
        bytes: Bytes,
    },
}

/// An answer that says yes.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Body,
}

impl Answer {
    /// JSON with that status.
    pub(super) fn json(status: u16, value: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body::Json(value),
        }
    }

    /// 204.
    pub(super) fn nothing() -> Self {
        Self {
            status: 204,
            headers: Vec::new(),
            body: Body::Empty,
        }
    }

    /// Bytes of that media type.
    pub(super) fn bytes(media: &str, bytes: impl Into<Bytes>) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: Body::Bytes {
                media: media.to_owned(),
                bytes: bytes.into(),
            },
        }
    }

    /// With a header more.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// An answer that says no, in Graph's words.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Refused {
    /// A refusal with that status and code.
    pub(super) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
            headers: Vec::new(),
        }
    }

    /// With a header more.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The item is not there, or no longer under that id.
    pub(super) fn not_found() -> Self {
        Self::new(
            404,
            "ErrorItemNotFound",
            "The specified object was not found in the store.",
        )
    }

    /// An id that was never one.
    pub(super) fn malformed_id() -> Self {
        Self::new(400, "ErrorInvalidIdMalformed", "Id is malformed.")
    }

    /// Somebody else's, or a scope is missing.
    pub(super) fn denied() -> Self {
        Self::new(
            403,
            "ErrorAccessDenied",
            "Access is denied. Check credentials and try again.",
        )
    }

    /// The item is no longer what `If-Match` or `changeKey` names.
    pub(super) fn conflict(status: u16) -> Self {
        Self::new(
            status,
            "ErrorIrresolvableConflict",
            "The send or update operation could not be performed because the change key passed in the request does not \
match the current change key for the item.",
        )
    }

    /// A value that cannot be.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "ErrorInvalidRequest", message)
    }

    /// A name that the type does not have.
    pub(super) fn no_property(name: &str, ty: &str) -> Self {
        Self::new(
            400,
            "RequestBodyRead",
            format!(
                "The property '{name}' does not exist on type 'microsoft.graph.{ty}'. Make sure to only use property names \
that are defined by the type or mark the type as open type."
            ),
        )
    }

    /// A query option that cannot be used there; names it.
    pub(super) fn bad_query(message: impl Into<String>) -> Self {
        Self::new(400, "ErrorInvalidUrlQuery", message)
    }

    /// Something that Graph may know and the sandbox does not.
    pub(super) fn unknown(what: &str) -> Self {
        Self::new(400, "BadRequest", format!("The sandbox does not know {what}."))
    }

    /// Too much; `seconds` is what `Retry-After` says.
    pub(super) fn throttled(message: &str, seconds: u64) -> Self {
        Self::new(429, "ApplicationThrottled", message).with("retry-after", seconds.to_string())
    }

    /// `{"error": {…}}`
    pub(super) fn json(&self, request: &str, now: i64) -> Value {
        json!({ "error": {
            "code": self.code,
            "message": self.message,
            "innerError": {
                "date": write_time(now).trim_end_matches('Z'),
                "request-id": request,
                "client-request-id": request,
            },
        }})
    }
}

impl From<Fail> for Refused {
    fn from(fail: Fail) -> Self {
        let status = match fail.code {
            "ErrorItemNotFound"
            | "ErrorFolderNotFound"
            | "ErrorCalendarOccurrenceIsDeletedFromRecurrence" => 404,
            "ErrorAccessDenied" => 403,
            "ErrorFolderExists" => 409,
            "ErrorQuotaExceeded" => 507,
            "ErrorMessageSizeExceeded" => 413,
            "ErrorInternalServerError" | "ErrorInternalServerTransientError" => 500,
            "ErrorMailboxStoreUnavailable" | "ErrorTimeoutExpired" => 503,
            _ => 400,
        };
        Self::new(status, fail.code, fail.text)
    }
}

/// The outcome of one request.
pub(super) type Outcome = Result<Answer, Refused>;

/// Status, headers and body of an outcome, as a response or as one entry of a batch.
pub(super) fn parts(outcome: Outcome, request: &str, now: i64) -> (u16, Vec<(&'static str, String)>, Body) {
    match outcome {
        Ok(answer) => (answer.status, answer.headers, answer.body),
        Err(refused) => {
            tracing::debug!(
                status = refused.status,
                code = refused.code,
                text = refused.message,
                "refused"
            );
            let body = Body::Json(refused.json(request, now));
            (refused.status, refused.headers, body)
        }
    }
}

/// The HTTP response.
pub(super) fn response(outcome: Outcome, request: &str, now: i64) -> Response {
    let (status, headers, body) = parts(outcome, request, now);
    let (media, bytes) = match body {
        Body::Empty => (None, Bytes::new()),
        Body::Json(value) => (
            Some("application/json; odata.metadata=minimal; odata.streaming=true; IEEE754Compatible=false; charset=utf-8".to_owned()),
            Bytes::from(value.to_string()),
        ),
        Body::Bytes { media, bytes } => (Some(media), bytes),
    };
    let mut response = Response::new(HttpBody::from(bytes));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let out = response.headers_mut();
    if let Some(media) = media.and_then(|m| HeaderValue::from_str(&m).ok()) {
        out.insert(header::CONTENT_TYPE, media);
    }
    if let Ok(id) = HeaderValue::from_str(request) {
        out.insert("request-id", id.clone());
        out.insert("client-request-id", id);
    }
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
    out.insert("odata-version", HeaderValue::from_static("4.0"));
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            out.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// One entry of a batch's `responses`.
pub(super) fn entry(id: &str, outcome: Outcome, request: &str, now: i64) -> Value {
    use base64::Engine as _;
    let (status, headers, body) = parts(outcome, request, now);
    let mut all = Map::new();
    for (name, value) in headers {
        // As Graph writes the names of these headers.
        let name = match name {
            "retry-after" => "Retry-After",
            "location" => "Location",
            other => other,
        };
        all.insert(name.to_owned(), json!(value));
    }
    let mut out = Map::new();
    out.insert("id".to_owned(), json!(id));
    out.insert("status".to_owned(), json!(status));
    match body {
        Body::Empty => {}
        Body::Json(value) => {
            all.insert("Content-Type".to_owned(), json!("application/json"));
            out.insert("body".to_owned(), value);
        }
        Body::Bytes { media, bytes } => {
            all.insert("Content-Type".to_owned(), json!(media));
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            out.insert("body".to_owned(), json!(text));
        }
    }
    out.insert("headers".to_owned(), Value::Object(all));
    Value::Object(out)
}
