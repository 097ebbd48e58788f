//! Response headers that every page and answer carries.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};

use crate::config::Config;

/// What a page may load and who may frame it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Policy<'a> {
    /// For the inline scripts that Leptos writes; `None`: none are allowed.
    pub nonce: Option<&'a str>,
    /// It talks to Outlook: it may load Office.js.
    pub office: bool,
    /// Outlook shows it in a frame.
    pub framed: bool,
}

impl Policy<'_> {
    pub(crate) fn value(&self, config: &Config) -> HeaderValue {
        let mut scripts = String::from("'self' 'wasm-unsafe-eval'");
        if let Some(nonce) = self.nonce {
            scripts.push_str(" 'nonce-");
            scripts.push_str(nonce);
            scripts.push('\'');
        }
        if let (true, Some(office)) = (self.office, &config.outlook.office_js) {
            scripts.push(' ');
            scripts.push_str(&office.origin().ascii_serialization());
        }
        let mut ancestors = String::from("'none'");
        if self.framed {
            ancestors = String::from("'self'");
            for host in &config.outlook.frame_ancestors {
                ancestors.push(' ');
                ancestors.push_str(host);
            }
        }
        let text = format!(
            "default-src 'none'; script-src {scripts}; style-src 'self'; img-src 'self' data:; font-src 'self'; \
             connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors {ancestors}"
        );
        // Every part was checked when the configuration was read.
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(NOTHING))
    }
}

/// For everything that is no page.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Headers that are the same everywhere. What an answer says itself of its policy and its keeping stands.
pub(crate) async fn common(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    );
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(NOTHING));
    // What may be kept says so itself; an error never may.
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}
