//! Response headers that every page and answer carries.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::header::{CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};

use crate::config::Config;

/// What a page may load and who may frame it.
pub(crate) struct Policy<'a> {
    /// For the inline scripts that Leptos writes; `None`: none are allowed.
    pub nonce: Option<&'a str>,
    /// The pane: framed by Outlook, and it may load Office.js.
    pub in_outlook: bool,
}

impl Policy<'_> {
    pub(crate) fn value(&self, config: &Config) -> HeaderValue {
        let mut scripts = String::from("'self' 'wasm-unsafe-eval'");
        if let Some(nonce) = self.nonce {
            scripts.push_str(&format!(" 'nonce-{nonce}'"));
        }
        let mut ancestors = String::from("'none'");
        if self.in_outlook {
            if let Some(office) = &config.outlook.office_js {
                scripts.push_str(&format!(" {}", office.origin().ascii_serialization()));
            }
            ancestors = String::from("'self'");
            for host in &config.outlook.frame_ancestors {
                ancestors.push(' ');
                ancestors.push_str(host.trim_end_matches('/'));
            }
        }
        let text = format!(
            "default-src 'none'; script-src {scripts}; style-src 'self'; img-src 'self' data:; font-src 'self'; \
             connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors {ancestors}"
        );
        // Every part was checked when the configuration was read.
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
    }
}

/// Headers that are the same everywhere. A page that sets its own policy keeps it.
pub(crate) async fn common(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    );
    if !headers.contains_key(CONTENT_SECURITY_POLICY) {
        headers.insert(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
        );
    }
    response
}
