//! What comes in and what goes out.

use axum::body::Body;
use axum::response::Response;
use http::header::{AUTHORIZATION, COOKIE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};
use serde_json::Value;
use url::Url;

use super::error::{Ids, Trouble};
use crate::faults::{Faults, Kind};
use crate::pages::{self, Form, escape};

/// No script, nothing from elsewhere, in no frame: as the real pages, which refuse to be framed.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";
/// The browser's sign-in.
const COOKIE_NAME: &str = "ESTSAUTH";

/// One request and what is needed to answer it.
pub(crate) struct Call<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) body: &'a [u8],
    /// Microseconds.
    pub(crate) now: i64,
    /// `https://localhost:1234`, as the request came in.
    pub(crate) ids: Ids,
    pub(crate) faults: &'a Faults,
}

impl Call<'_> {
    /// The query of a GET, the body of a POST.
    pub(crate) fn form(&self) -> Form {
        if self.parts.method == Method::POST {
            Form::parse(self.body)
        } else {
            Form::parse(self.parts.uri.query().unwrap_or_default().as_bytes())
        }
    }

    pub(crate) fn origin(&self) -> &str {
        &self.ids.origin
    }

    /// The cookie of a browser that is signed in.
    pub(crate) fn session(&self) -> Option<&str> {
        let cookies = self.parts.headers.get(COOKIE)?.to_str().ok()?;
        cookies
            .split(';')
            .find_map(|pair| pair.trim().strip_prefix(COOKIE_NAME)?.strip_prefix('='))
    }

    pub(crate) fn basic(&self) -> Option<&str> {
        self.parts
            .headers
            .get(AUTHORIZATION)?
            .to_str()
            .ok()?
            .strip_prefix("Basic ")
    }

    pub(crate) fn fault(
        &self,
        operation: &str,
        user: Option<&str>,
        wanted: impl Fn(&Kind) -> bool,
    ) -> Option<Kind> {
        self.faults.take("microsoft", operation, user, wanted)
    }
}

/// An answer of this service.
#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Answer {
    pub(crate) fn json(status: u16, value: &Value) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json; charset=utf-8".to_owned())],
            body: value.to_string(),
        }
    }

    /// `title` and `content` are HTML.
    pub(crate) fn page(status: u16, title: &str, content: &str) -> Self {
        Self {
            status,
            headers: vec![
                ("content-type", "text/html; charset=utf-8".to_owned()),
                ("content-security-policy", POLICY.to_owned()),
                ("x-frame-options", "DENY".to_owned()),
            ],
            body: pages::page("Microsoft", title, content),
        }
    }

    pub(crate) fn redirect(to: &Url) -> Self {
        Self {
            status: 302,
            headers: vec![("location", to.to_string())],
            body: String::new(),
        }
    }

    /// A page that says what is wrong, where nothing is certain enough to send the user back.
    pub(crate) fn trouble(trouble: &Trouble, ids: &Ids) -> Self {
        let content = format!(
            "<p id=\"error\" role=\"alert\">{}</p>",
            escape(&trouble.description(ids))
        );
        Self::page(
            400,
            "Sorry, but we&#8217;re having trouble signing you in.",
            &content,
        )
    }

    /// Leaves the browser signed in.
    pub(crate) fn signed_in(mut self, session: &str) -> Self {
        self.headers.push((
            "set-cookie",
            format!("{COOKIE_NAME}={session}; Path=/; HttpOnly; SameSite=Lax"),
        ));
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = http::StatusCode::from_u16(self.status).unwrap_or_default();
        let all = self.headers.iter().map(|(n, v)| (*n, v.as_str()));
        for (name, value) in all.chain([("cache-control", "no-store, no-cache"), ("pragma", "no-cache")]) {
            if let Ok(value) = HeaderValue::from_str(value) {
                response
                    .headers_mut()
                    .append(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// The callback's address with more in its query; empty values are left out.
pub(crate) fn with_query(redirect: &Url, pairs: &[(&str, &str)]) -> Answer {
    let mut url = redirect.clone();
    for (name, value) in pairs.iter().filter(|(_, v)| !v.is_empty()) {
        url.query_pairs_mut().append_pair(name, value);
    }
    Answer::redirect(&url)
}
