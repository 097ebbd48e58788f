//! Autodiscover: POX, v2 JSON, and the plain http redirect.
//!
//! <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/autodiscover-for-exchange>

use std::sync::PoisonError;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::xml::{tag, wrap};
use super::{Exchange, xml};
use crate::serve::Via;

const REQUEST: &str = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006";
const RESPONSE: &str = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";
const SETTINGS: &str = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";

/// How Autodiscover behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    /// Both protocols answer.
    #[default]
    V2,
    /// POX only, as before Exchange 2016.
    Pox,
    /// POX says `RedirectAddr`: ask again for an address in `exchange.<domain>`, which then is answered.
    RedirectAddr,
    /// POX says `RedirectUrl` to another path of this host, which then answers.
    RedirectUrl,
    /// Redirects that never end, in both protocols.
    Circle,
    /// 404 to everything.
    Off,
    /// The mailbox is in Exchange Online.
    Office365,
}

/// What the control API sets.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) mode: Mode,
    /// Answered instead of the sandbox's own EWS address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ews_url: Option<String>,
}

/// The name in log and rules.
pub(super) fn operation(parts: &Parts) -> &'static str {
    let path = parts.uri.path().to_ascii_lowercase();
    if path.starts_with("/autodiscover/autodiscover.json") {
        "AutodiscoverV2"
    } else if path.ends_with("/autodiscover.xml") {
        if parts.method == Method::POST {
            "Autodiscover"
        } else {
            "AutodiscoverRedirect"
        }
    } else {
        "other"
    }
}

pub(super) fn serve(exchange: &Exchange, parts: &Parts, body: &[u8]) -> Response {
    let settings = exchange
        .0
        .autodiscover
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let Some(via) = parts.extensions.get::<Via>() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    if settings.mode == Mode::Off {
        return StatusCode::NOT_FOUND.into_response();
    }
    match operation(parts) {
        "AutodiscoverV2" => v2(exchange, &settings, parts, via),
        "Autodiscover" => pox(exchange, &settings, parts, via, body),
        "AutodiscoverRedirect" if via.scheme == "http" => redirect(&format!(
            "{}/autodiscover/autodiscover.xml",
            via.origins.exchange_https
        )),
        "AutodiscoverRedirect" => match exchange.log_on("autodiscover", "AutodiscoverRedirect", parts) {
            Ok(_) => StatusCode::METHOD_NOT_ALLOWED.into_response(),
            Err(refused) => *refused,
        },
        _ => {
            tracing::warn!(
                path = parts.uri.path(),
                "the sandbox's Exchange has nothing at this address"
            );
            StatusCode::NOT_FOUND.into_response()
        }
    }
}

fn redirect(to: &str) -> Response {
    let mut response = StatusCode::FOUND.into_response();
    if let Ok(value) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

fn ews_url(settings: &Settings, via: &Via) -> String {
    match (&settings.ews_url, settings.mode) {
        (Some(url), _) => url.clone(),
        (None, Mode::Office365) => "https://outlook.office365.com/EWS/Exchange.asmx".to_owned(),
        (None, _) => format!("{}/EWS/Exchange.asmx", via.origins.exchange_https),
    }
}

/// `/autodiscover/autodiscover.json?Email=..&Protocol=EWS` and `/autodiscover/autodiscover.json/v1.0/{email}?..`
fn v2(exchange: &Exchange, settings: &Settings, parts: &Parts, via: &Via) -> Response {
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let ask = |name: &str| {
        query
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.clone())
            .unwrap_or_default()
    };
    let path = percent_encoding::percent_decode_str(parts.uri.path())
        .decode_utf8_lossy()
        .into_owned();
    let in_path = path
        .to_ascii_lowercase()
        .find("/v1.0/")
        .map(|at| path[at + 6..].to_owned());
    let email = in_path.unwrap_or_else(|| ask("Email"));
    match settings.mode {
        Mode::Pox | Mode::RedirectAddr | Mode::RedirectUrl => return StatusCode::NOT_FOUND.into_response(),
        Mode::Circle => {
            let round = ask("RedirectCount").parse::<u32>().unwrap_or(0) + 1;
            let origin = &via.origins.exchange_https;
            return redirect(&format!(
                "{origin}/autodiscover/autodiscover.json/v1.0/{email}?Protocol=EWS&RedirectCount={round}"
            ));
        }
        Mode::V2 | Mode::Office365 | Mode::Off => {}
    }
    let protocol = ask("Protocol");
    let refused = |code: &str, text: String| {
        (
            StatusCode::BAD_REQUEST,
            Json(json!({ "ErrorCode": code, "ErrorMessage": text })),
        )
            .into_response()
    };
    match protocol.to_ascii_lowercase().as_str() {
        "" => {
            return refused(
                "MandatoryParameterMissing",
                "A valid value must be provided for the parameter 'Protocol'".to_owned(),
            );
        }
        "ews" => {}
        "autodiscoverv1" => {
            let url = format!("{}/autodiscover/autodiscover.xml", via.origins.exchange_https);
            return Json(json!({ "Protocol": "AutodiscoverV1", "Url": url })).into_response();
        }
        _ => {
            return refused(
                "InvalidProtocol",
                format!(
                    "The given protocol value '{protocol}' is invalid. Supported values are 'AutodiscoverV1,Ews'"
                ),
            );
        }
    }
    if !email.contains('@') {
        return refused(
            "MandatoryParameterMissing",
            "A valid smtp address must be provided".to_owned(),
        );
    }
    let known = exchange.store().find(&email, "").is_some();
    if !known && settings.mode != Mode::Office365 {
        return (
            StatusCode::NOT_FOUND,
            Json(json!({ "ErrorCode": "UserNotFound", "ErrorMessage": format!("The given user {email} is not found") })),
        )
            .into_response();
    }
    Json(json!({ "Protocol": "EWS", "Url": ews_url(settings, via) })).into_response()
}

fn pox(exchange: &Exchange, settings: &Settings, parts: &Parts, via: &Via, body: &[u8]) -> Response {
    if let Err(refused) = exchange.log_on("autodiscover", "Autodiscover", parts) {
        return *refused;
    }
    let request = match xml::parse(body) {
        Ok(tree) => tree,
        Err(text) => {
            tracing::warn!(text, "Autodiscover request refused");
            return answer(&error("600", "Invalid Request"));
        }
    };
    let schema_is_right = std::str::from_utf8(body).is_ok_and(|b| b.contains(REQUEST));
    let asked = request.child("Request");
    let email = asked
        .and_then(|r| r.child_text("EMailAddress"))
        .unwrap_or_default()
        .trim()
        .to_owned();
    let accepted = asked
        .and_then(|r| r.child_text("AcceptableResponseSchema"))
        .unwrap_or_default()
        .trim();
    if request.name != "Autodiscover" || !schema_is_right || email.is_empty() {
        return answer(&error("600", "Invalid Request"));
    }
    if accepted != SETTINGS {
        return answer(&error("601", "Provider is not available"));
    }
    let domain = &exchange.0.company.domain;
    let (alias, at) = email.split_once('@').unwrap_or((&email, ""));
    let elsewhere = format!("exchange.{domain}");
    let redirected = |action: &str, element: &str, to: &str| {
        let mut account = String::new();
        tag(&mut account, "Action", action);
        tag(&mut account, element, to);
        answer(&outlook("", &account))
    };
    match settings.mode {
        Mode::Circle => {
            let next = if at.eq_ignore_ascii_case(domain) {
                &elsewhere
            } else {
                domain
            };
            return redirected("redirectAddr", "RedirectAddr", &format!("{alias}@{next}"));
        }
        Mode::RedirectAddr if at.eq_ignore_ascii_case(domain) => {
            return redirected("redirectAddr", "RedirectAddr", &format!("{alias}@{elsewhere}"));
        }
        Mode::RedirectUrl if !parts.uri.path().starts_with("/other/") => {
            let to = format!("{}/other/autodiscover.xml", via.origins.exchange_https);
            return redirected("redirectUrl", "RedirectUrl", &to);
        }
        _ => {}
    }
    let store = exchange.store();
    let address = if at.eq_ignore_ascii_case(&elsewhere) {
        format!("{alias}@{domain}")
    } else {
        email.clone()
    };
    let Some(found) = store.find(&address, "") else {
        return answer(&error("500", "The e-mail address cannot be found."));
    };
    // Others' settings are told as well, as Exchange does: they are no secret.
    let name = store.mailboxes[found].user.name();
    drop(store);
    let mut user = String::new();
    tag(&mut user, "DisplayName", &name);
    tag(
        &mut user,
        "LegacyDN",
        &format!("/o=Contoso/ou=Exchange Administrative Group/cn=Recipients/cn={alias}"),
    );
    tag(&mut user, "AutoDiscoverSMTPAddress", &address);
    let url = ews_url(settings, via);
    let mut account = String::new();
    tag(&mut account, "AccountType", "email");
    tag(&mut account, "Action", "settings");
    for kind in ["EXCH", "EXPR"] {
        let mut protocol = String::new();
        tag(&mut protocol, "Type", kind);
        tag(&mut protocol, "Server", &format!("mail.{domain}"));
        tag(&mut protocol, "SSL", "On");
        tag(&mut protocol, "AuthPackage", "Basic");
        tag(&mut protocol, "ASUrl", &url);
        tag(&mut protocol, "EwsUrl", &url);
        wrap(&mut account, "Protocol", &[], &protocol);
    }
    answer(&outlook(&user, &account))
}

fn outlook(user: &str, account: &str) -> String {
    let mut inner = String::new();
    if !user.is_empty() {
        wrap(&mut inner, "User", &[], user);
    }
    wrap(&mut inner, "Account", &[], account);
    let mut out = String::new();
    wrap(&mut out, "Response", &[("xmlns", SETTINGS)], &inner);
    out
}

fn error(code: &str, text: &str) -> String {
    let mut inner = String::new();
    tag(&mut inner, "ErrorCode", code);
    tag(&mut inner, "Message", text);
    tag(&mut inner, "DebugData", "");
    let mut error = String::new();
    wrap(
        &mut error,
        "Error",
        &[("Time", "08:01:27.1234567"), ("Id", "2477272013")],
        &inner,
    );
    let mut out = String::new();
    wrap(&mut out, "Response", &[], &error);
    out
}

fn answer(content: &str) -> Response {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>");
    wrap(&mut out, "Autodiscover", &[("xmlns", RESPONSE)], content);
    let mut response = (StatusCode::OK, out).into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/xml; charset=utf-8"),
    );
    response
}
