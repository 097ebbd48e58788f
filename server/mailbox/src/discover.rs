//! From a login to the URL of Exchange Web Services: a pasted URL, else Autodiscover.
//! <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/autodiscover-for-exchange>

use std::collections::HashSet;
use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use tandem_net::{NetError, NetErrorKind, Request, Response, Schemes, redact_url};
use tandem_types::ActivationFailure;
use url::Url;

use crate::auth::Offer;
use crate::client::{is_loopback, schemes};
use crate::connect::{ActivationError, Attempt, no_common_way};
use crate::xml::{Limits, Reader, Xml, XmlError};

/// Where passwords may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EwsPolicy {
    /// `mail.contoso.example`, `mail.contoso.example:8443` (that port only) or `*.contoso.example` (any host below it).
    pub allowed_hosts: Vec<String>,
    /// Domains of e-mail addresses for which Autodiscover is believed.
    pub mail_domains: Vec<String>,
    /// The sandbox may be used over plain HTTP, on this machine only.
    pub http_on_loopback: bool,
    /// Of one request while connecting.
    pub timeout: Duration,
}

impl Default for EwsPolicy {
    fn default() -> Self {
        Self {
            allowed_hosts: Vec::new(),
            mail_domains: Vec::new(),
            http_on_loopback: false,
            timeout: Duration::from_secs(20),
        }
    }
}

impl EwsPolicy {
    /// Whether the administrator has named this URL's host.
    pub fn allows(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let with_port = url.port_or_known_default().map(|port| format!("{host}:{port}"));
        self.allowed_hosts.iter().any(|allowed| {
            let allowed = allowed.trim().to_ascii_lowercase();
            match allowed.strip_prefix("*.") {
                Some(domain) => host
                    .strip_suffix(domain)
                    .is_some_and(|head| head.len() > 1 && head.ends_with('.')),
                None => allowed == host || Some(&allowed) == with_port.as_ref(),
            }
        })
    }

    /// Whether Autodiscover is believed for addresses of this domain.
    pub fn allows_domain(&self, domain: &str) -> bool {
        self.mail_domains
            .iter()
            .any(|allowed| allowed.trim().eq_ignore_ascii_case(domain))
    }

    /// The one server that there is, where the administrator has named exactly one.
    fn only_server(&self) -> Option<Url> {
        match self.allowed_hosts.as_slice() {
            [host] if !host.contains('*') => Url::parse(&format!("https://{}{EWS_PATH}", host.trim())).ok(),
            _ => None,
        }
    }

    fn scheme_allowed(&self, url: &Url) -> bool {
        url.scheme() == "https" || (self.http_on_loopback && url.scheme() == "http" && is_loopback(url))
    }
}

/// In the metrics.
const SERVICE: &str = "autodiscover";
const EWS_PATH: &str = "/EWS/Exchange.asmx";
/// Redirects in one search.
const HOPS: usize = 8;
/// The last resort of a search that somebody waits for.
const DNS_TIMEOUT: Duration = Duration::from_secs(5);
/// Of an Autodiscover answer.
const MAX_ANSWER: usize = 1 << 20;

/// Mailboxes there are not reached with a password.
pub(crate) fn is_office365(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    [
        "office365.com",
        "outlook.com",
        "office.com",
        "office365.us",
        "outlook.cn",
        "outlook.cloud.microsoft",
    ]
    .iter()
    .any(|domain| host == *domain || host.strip_suffix(domain).is_some_and(|head| head.ends_with('.')))
}

/// The URL that somebody pasted, in its full form. `None`: it is none.
pub(crate) fn normalise(pasted: &str) -> Option<Url> {
    let pasted = pasted.trim();
    let with_scheme = if pasted.contains("://") {
        pasted.to_owned()
    } else {
        format!("https://{pasted}")
    };
    let mut url = Url::parse(&with_scheme).ok()?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none_or(str::is_empty) {
        return None;
    }
    if !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/').to_ascii_lowercase();
    if ["", "/ews", "/owa", "/ecp"].contains(&path.as_str()) {
        url.set_path(EWS_PATH);
    }
    Some(url)
}

/// The domain of a login that is an e-mail address.
pub(crate) fn domain_of(login: &str) -> Option<&str> {
    let (local, domain) = login.rsplit_once('@')?;
    let valid = !local.is_empty()
        && domain.contains('.')
        && domain
            .split('.')
            .all(|label| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-'));
    valid.then_some(domain)
}

/// What Autodiscover found.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) url: Url,
    /// `AutoDiscoverSMTPAddress`.
    pub(crate) address: Option<String>,
}

/// The answers of several places, of which the most telling failure is kept.
struct Misses(ActivationError);

impl Misses {
    fn new() -> Self {
        Self(ActivationError::new(
            ActivationFailure::Address,
            "Autodiscover found no server",
        ))
    }

    fn note(&mut self, error: ActivationError) {
        let weight = |cause| match cause {
            ActivationFailure::Certificate => 3,
            ActivationFailure::NotAllowed => 2,
            ActivationFailure::Unavailable => 1,
            _ => 0,
        };
        tracing::debug!(%error, "Autodiscover: nothing here");
        if weight(error.cause) > weight(self.0.cause) {
            self.0 = error;
        }
    }
}

/// The URL of the server for this login.
pub(crate) async fn locate(
    attempt: &mut Attempt<'_>,
    pasted: Option<&str>,
) -> Result<Found, ActivationError> {
    let login = attempt.login.to_owned();
    let domain = domain_of(&login);
    if let Some(pasted) = pasted.filter(|text| !text.trim().is_empty()) {
        let url = normalise(pasted)
            .ok_or_else(|| ActivationError::new(ActivationFailure::Address, "what was pasted is no URL"))?;
        check_target(attempt.policy, &url)?;
        if attempt.policy.allows(&url) {
            return Ok(Found { url, address: None });
        }
        // Not named by the administrator: only what Autodiscover says for an allowed domain.
        let refused = || {
            let text = format!("the host of {} is not allowed", redact_url(&url));
            ActivationError::new(ActivationFailure::NotAllowed, text)
        };
        let domain = domain
            .filter(|domain| attempt.policy.allows_domain(domain))
            .ok_or_else(refused)?;
        return match json(attempt, &login, domain, &mut Misses::new()).await? {
            Some(found) if found.url.origin() == url.origin() => Ok(Found { url, address: None }),
            _ => Err(refused()),
        };
    }
    match domain {
        Some(domain) if attempt.policy.allows_domain(domain) => discover(attempt, &login).await,
        _ => match attempt.policy.only_server() {
            Some(url) => {
                check_target(attempt.policy, &url)?;
                Ok(Found { url, address: None })
            }
            None if domain.is_some() => Err(ActivationError::new(
                ActivationFailure::NotAllowed,
                "the domain of the login is none of the allowed mail domains",
            )),
            None => Err(ActivationError::new(
                ActivationFailure::Address,
                "the login is no e-mail address, and no URL was given",
            )),
        },
    }
}

/// What no password may ever go to.
pub(crate) fn check_target(policy: &EwsPolicy, url: &Url) -> Result<(), ActivationError> {
    if is_office365(url.host_str().unwrap_or_default()) {
        let text = format!("{} is Office 365", redact_url(url));
        return Err(ActivationError::new(ActivationFailure::UseOffice365, text));
    }
    if !policy.scheme_allowed(url) {
        return Err(ActivationError::new(ActivationFailure::NotAllowed, "https only"));
    }
    Ok(())
}

/// The whole search: v2 JSON first, which needs no password, then POX, which does.
async fn discover(attempt: &mut Attempt<'_>, login: &str) -> Result<Found, ActivationError> {
    let mut address = login.to_owned();
    let mut seen = HashSet::new();
    loop {
        let domain = domain_of(&address)
            .filter(|domain| attempt.policy.allows_domain(domain))
            .ok_or_else(|| {
                ActivationError::new(
                    ActivationFailure::NotAllowed,
                    "Autodiscover leads to a mail domain that is not allowed",
                )
            })?
            .to_owned();
        if !seen.insert(address.to_lowercase()) || seen.len() > HOPS {
            return Err(circle());
        }
        let mut misses = Misses::new();
        if let Some(found) = json(attempt, &address, &domain, &mut misses).await? {
            return Ok(found);
        }
        match pox(attempt, &address, &domain, &mut misses).await? {
            Some(Pox::Settings(found)) => return Ok(found),
            Some(Pox::Address(other)) => address = other,
            Some(Pox::Url(_) | Pox::Nothing(_)) | None => return Err(misses.0),
        }
    }
}

fn circle() -> ActivationError {
    let mut error = ActivationError::new(ActivationFailure::Address, "Autodiscover redirects in a circle");
    error.circle = true;
    error
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonAnswer {
    url: Option<String>,
}

/// `/autodiscover/autodiscover.json`, without a password.
async fn json(
    attempt: &mut Attempt<'_>,
    address: &str,
    domain: &str,
    misses: &mut Misses,
) -> Result<Option<Found>, ActivationError> {
    for host in [domain.to_owned(), format!("autodiscover.{domain}")] {
        let Ok(mut url) = Url::parse(&format!("https://{host}/autodiscover/autodiscover.json/v1.0")) else {
            continue;
        };
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push(address);
        }
        url.query_pairs_mut().append_pair("Protocol", "EWS");
        let asked = format!("https://{host}/autodiscover/autodiscover.json");
        match get_following(attempt, url).await {
            Ok(response) if response.status == StatusCode::OK => {
                let answer: Option<JsonAnswer> = serde_json::from_slice(&response.body).ok();
                let found = answer.and_then(|a| a.url).and_then(|text| Url::parse(&text).ok());
                if let Some(url) = found {
                    attempt.tell(asked, format!("names {}", redact_url(&url)));
                    check_target(attempt.policy, &url)?;
                    return Ok(Some(Found { url, address: None }));
                }
                attempt.tell(asked, "answers, and names no server");
            }
            Ok(response) => {
                attempt.tell(asked, status_words(response.status));
                if response.status.is_server_error() {
                    misses.note(ActivationError::new(
                        ActivationFailure::Unavailable,
                        format!("Autodiscover answered {}", response.status),
                    ));
                }
            }
            Err(error) => {
                attempt.tell(asked, error.words());
                // Not worth a password: whoever answers so has no better answer for one.
                if error.cause == ActivationFailure::UseOffice365 || error.circle {
                    return Err(error);
                }
                misses.note(error);
            }
        }
    }
    Ok(None)
}

fn status_words(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("answers {} ({reason})", status.as_u16()),
        None => format!("answers {}", status.as_u16()),
    }
}

/// A GET without credentials that follows redirects: to https only.
async fn get_following(attempt: &Attempt<'_>, start: Url) -> Result<Response, ActivationError> {
    let mut url = start;
    let mut seen = HashSet::new();
    loop {
        check_target(attempt.policy, &url)?;
        if !seen.insert(url.clone()) || seen.len() > HOPS {
            return Err(circle());
        }
        let request = Request::get(url.clone())
            .service(SERVICE)
            .header("Accept", "application/json")
            .timeout(attempt.policy.timeout)
            .max_bytes(MAX_ANSWER)
            .schemes(schemes(&url));
        let response = attempt.net.send(request).await.map_err(ActivationError::from)?;
        match location(&response) {
            Some(next) => url = next,
            None => return Ok(response),
        }
    }
}

/// Where a redirect leads.
pub(crate) fn location(response: &Response) -> Option<Url> {
    if !response.status.is_redirection() {
        return None;
    }
    response
        .header("location")
        .and_then(|to| response.url.join(to).ok())
}

/// What a POX answer says.
pub(crate) enum Pox {
    Settings(Found),
    Address(String),
    Url(Url),
    /// Nothing of use, with this status.
    Nothing(StatusCode),
}

/// `/autodiscover/autodiscover.xml`. Needs the password: sent to hosts of the domain, or to those that the
/// administrator has named, and only once until it was accepted.
async fn pox(
    attempt: &mut Attempt<'_>,
    address: &str,
    domain: &str,
    misses: &mut Misses,
) -> Result<Option<Pox>, ActivationError> {
    let own_hosts = [
        domain.to_lowercase(),
        format!("autodiscover.{}", domain.to_lowercase()),
    ];
    let mut starts: Vec<Url> = own_hosts
        .iter()
        .filter_map(|host| Url::parse(&format!("https://{host}/autodiscover/autodiscover.xml")).ok())
        .collect();
    starts.reverse();
    let mut further = [Further::Plain, Further::Dns].into_iter();
    loop {
        let Some(start) = starts.pop() else {
            match further.next() {
                Some(Further::Plain) => starts.extend(plain_redirect(attempt, domain).await),
                Some(Further::Dns) => starts.extend(services(attempt, domain).await),
                None => return Ok(None),
            }
            continue;
        };
        let mut url = start;
        let mut seen = HashSet::new();
        loop {
            let target = check_target(attempt.policy, &url);
            if let Err(error) = target {
                attempt.tell(redact_url(&url), error.words());
                return Err(error);
            }
            let own = url
                .host_str()
                .is_some_and(|host| own_hosts.iter().any(|own| own == host));
            if !own && !attempt.policy.allows(&url) {
                let text = format!("Autodiscover leads to {}, which is not allowed", redact_url(&url));
                attempt.tell(
                    redact_url(&url),
                    "not asked: your administrator has not named this server",
                );
                misses.note(ActivationError::new(ActivationFailure::NotAllowed, text));
                break;
            }
            if !seen.insert(url.clone()) || seen.len() > HOPS {
                attempt.tell(redact_url(&url), circle().words());
                return Err(circle());
            }
            let answer = pox_once(attempt, &url, address).await;
            attempt.tell(redact_url(&url), pox_words(&answer));
            match answer {
                Ok(Pox::Url(next)) => url = next,
                Ok(Pox::Nothing(_)) => break,
                Ok(other) => {
                    if let Pox::Settings(found) = &other {
                        check_target(attempt.policy, &found.url)?;
                    }
                    return Ok(Some(other));
                }
                Err(error) if attempt.password_was_tried && !attempt.accepted => return Err(error),
                Err(error) => {
                    misses.note(error);
                    break;
                }
            }
        }
    }
}

/// Where to ask when the domain's own hosts do not answer. Neither is authenticated: what they say has to be allowed for
/// other reasons. Nobody is asked whether a server may have his password whose name he cannot judge; the administrator has
/// named those that may.
enum Further {
    Plain,
    Dns,
}

fn pox_words(answer: &Result<Pox, ActivationError>) -> String {
    match answer {
        Ok(Pox::Settings(found)) => format!("names {}", redact_url(&found.url)),
        Ok(Pox::Address(other)) => match domain_of(other) {
            Some(domain) => format!("sends on to the mail domain {domain}"),
            None => "sends on to an address that is none".to_owned(),
        },
        Ok(Pox::Url(next)) => format!("sends on to {}", redact_url(next)),
        Ok(Pox::Nothing(StatusCode::OK)) => "answers, and names no server".to_owned(),
        Ok(Pox::Nothing(status)) => status_words(*status),
        Err(error) => error.words(),
    }
}

/// `http://autodiscover.DOMAIN` says where to go, unauthenticated.
async fn plain_redirect(attempt: &mut Attempt<'_>, domain: &str) -> Option<Url> {
    let text = format!("http://autodiscover.{domain}/autodiscover/autodiscover.xml");
    let url = Url::parse(&text).ok()?;
    let request = Request::get(url)
        .service(SERVICE)
        .timeout(attempt.policy.timeout)
        .max_bytes(MAX_ANSWER)
        .schemes(Schemes::HttpToo);
    match attempt.net.send(request).await {
        Ok(response) => {
            let next = location(&response);
            let words = match &next {
                Some(next) => format!("sends on to {}", redact_url(next)),
                None => status_words(response.status),
            };
            attempt.tell(text, words);
            next
        }
        Err(error) => {
            attempt.tell(text, ActivationError::from(error).words());
            None
        }
    }
}

/// The SRV record `_autodiscover._tcp`; the best one comes last, for it is taken first.
async fn services(attempt: &mut Attempt<'_>, domain: &str) -> Vec<Url> {
    let name = format!("_autodiscover._tcp.{domain}");
    let patience = attempt.policy.timeout.min(DNS_TIMEOUT);
    let found = attempt.net.services(&name, patience).await;
    let asked = format!("DNS record {name}");
    match found {
        Ok(places) if places.is_empty() => {
            attempt.tell(asked, "is not there");
            Vec::new()
        }
        Ok(places) => {
            let named: Vec<String> = places
                .iter()
                .map(|(host, port)| format!("{host}:{port}"))
                .collect();
            attempt.tell(asked, format!("names {}", named.join(", ")));
            let url = |(host, port): &(String, u16)| {
                Url::parse(&format!("https://{host}:{port}/autodiscover/autodiscover.xml")).ok()
            };
            places.iter().rev().filter_map(url).collect()
        }
        Err(error) => {
            attempt.tell(asked, format!("cannot be looked up: {}", kind_words(error.kind)));
            Vec::new()
        }
    }
}

const fn kind_words(kind: NetErrorKind) -> &'static str {
    match kind {
        NetErrorKind::NotAllowed => "not an address that Tandem may connect to",
        NetErrorKind::UnknownHost => "no such host",
        NetErrorKind::Connect => "no connection",
        NetErrorKind::Certificate => "its certificate is not trusted",
        NetErrorKind::Timeout => "no answer in time",
        NetErrorKind::Reset | NetErrorKind::Cut => "the connection broke off",
        NetErrorKind::TooLarge => "the answer is too large",
        NetErrorKind::Protocol => "no valid answer",
    }
}

/// One place: asked without the password first, and with it only where it is asked for by a scheme that we speak.
async fn pox_once(attempt: &mut Attempt<'_>, url: &Url, address: &str) -> Result<Pox, ActivationError> {
    let request = || {
        Request::post(url.clone(), pox_request(address))
            .service(SERVICE)
            .header("Content-Type", "text/xml; charset=utf-8")
            .timeout(attempt.policy.timeout)
            .max_bytes(MAX_ANSWER)
            .schemes(schemes(url))
    };
    let open = request();
    let response = attempt
        .net
        .send(open.clone())
        .await
        .map_err(ActivationError::from)?;
    if let Some(next) = location(&response) {
        return Ok(Pox::Url(next));
    }
    let response = match response.status {
        StatusCode::OK => response,
        StatusCode::UNAUTHORIZED => {
            let offer = Offer::of(&response.headers);
            let mut ways = offer.choices();
            if ways.is_empty() {
                return Err(no_common_way(url, offer));
            }
            let response = attempt.send(&mut ways, open).await?;
            if let Some(next) = location(&response) {
                return Ok(Pox::Url(next));
            }
            response
        }
        status if status.is_server_error() => {
            let text = format!("Autodiscover answered {status}");
            return Err(ActivationError::new(ActivationFailure::Unavailable, text));
        }
        status => return Ok(Pox::Nothing(status)),
    };
    if response.status != StatusCode::OK {
        return Ok(Pox::Nothing(response.status));
    }
    let read = read_pox(&response.body);
    read.map(|found| found.unwrap_or(Pox::Nothing(StatusCode::OK)))
        .map_err(|error| {
            ActivationError::new(
                ActivationFailure::NotExchange,
                format!("Autodiscover's answer cannot be read: {error}"),
            )
        })
}

/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/pox-autodiscover-request-for-exchange>
fn pox_request(address: &str) -> Vec<u8> {
    let base = "http://schemas.microsoft.com/exchange/autodiscover/outlook";
    let mut xml = Xml::document();
    let request_schema = format!("{base}/requestschema/2006");
    xml.element("Autodiscover", &[("xmlns", request_schema.as_str())], |xml| {
        xml.element("Request", &[], |xml| {
            xml.text("EMailAddress", &[], address);
            xml.text(
                "AcceptableResponseSchema",
                &[],
                &format!("{base}/responseschema/2006a"),
            );
        });
    });
    xml.finish()
}

pub(crate) fn read_pox(body: &[u8]) -> Result<Option<Pox>, XmlError> {
    let mut reader = Reader::new(body, Limits::default())?;
    if !reader.root()?.is("Autodiscover") {
        return Err(XmlError::Unexpected("not an Autodiscover answer"));
    }
    let mut smtp = None;
    let mut redirect_address = None;
    let mut redirect_url = None;
    let mut urls: Vec<(String, String)> = Vec::new();
    reader.each(|reader, response| {
        if !response.is("Response") {
            return Ok(());
        }
        reader.each(|reader, part| match part.name.as_str() {
            "User" => reader.each(|reader, child| {
                if child.is("AutoDiscoverSMTPAddress") {
                    smtp = Some(reader.text()?.trim().to_owned());
                }
                Ok(())
            }),
            "Account" => reader.each(|reader, child| {
                match child.name.as_str() {
                    "RedirectAddr" => redirect_address = Some(reader.text()?.trim().to_owned()),
                    "RedirectUrl" | "RedirectURL" => redirect_url = Some(reader.text()?.trim().to_owned()),
                    "Protocol" => {
                        let mut kind = child.attribute("Type").unwrap_or_default().to_owned();
                        let mut url = String::new();
                        reader.each(|reader, child| {
                            match child.name.as_str() {
                                "Type" => reader.text()?.trim().clone_into(&mut kind),
                                "EwsUrl" => reader.text()?.trim().clone_into(&mut url),
                                "ASUrl" if url.is_empty() => reader.text()?.trim().clone_into(&mut url),
                                _ => {}
                            }
                            Ok(())
                        })?;
                        urls.push((kind, url));
                    }
                    _ => {}
                }
                Ok(())
            }),
            _ => Ok(()),
        })
    })?;
    reader.end()?;
    if let Some(address) = redirect_address.filter(|a| !a.is_empty()) {
        return Ok(Some(Pox::Address(address)));
    }
    if let Some(url) = redirect_url.and_then(|text| Url::parse(&text).ok()) {
        return Ok(Some(Pox::Url(url)));
    }
    // The addresses for clients outside come first: we may be outside.
    let url = ["EXHTTP", "EXPR", "EXCH"].iter().find_map(|wanted| {
        let (_, url) = urls
            .iter()
            .find(|(kind, url)| kind == wanted && !url.is_empty())?;
        Url::parse(url).ok()
    });
    Ok(url.map(|url| {
        Pox::Settings(Found {
            url,
            address: smtp.clone().filter(|a| a.contains('@')),
        })
    }))
}

impl From<NetError> for ActivationError {
    fn from(error: NetError) -> Self {
        let cause = match error.kind {
            NetErrorKind::NotAllowed => ActivationFailure::NotAllowed,
            NetErrorKind::UnknownHost | NetErrorKind::Connect => ActivationFailure::Address,
            NetErrorKind::Certificate => ActivationFailure::Certificate,
            NetErrorKind::Timeout | NetErrorKind::Reset | NetErrorKind::Cut => ActivationFailure::Unavailable,
            NetErrorKind::TooLarge | NetErrorKind::Protocol => ActivationFailure::NotExchange,
        };
        let mut made = Self::new(cause, error.to_string());
        made.net = Some(error.kind);
        made
    }
}

impl ActivationError {
    /// What a step of the search says of it.
    pub(crate) fn words(&self) -> String {
        if self.circle {
            return "sends on in a circle".to_owned();
        }
        if let Some(kind) = self.net {
            return kind_words(kind).to_owned();
        }
        match self.cause {
            ActivationFailure::UseOffice365 => "leads to Office 365",
            ActivationFailure::NotAllowed => "leads to a place that is not allowed",
            ActivationFailure::Login | ActivationFailure::LoginOrProtection => "login or password refused",
            ActivationFailure::NoCommonSignIn => "takes neither NTLM nor Basic",
            ActivationFailure::ProxyBetween => "something on the way breaks the sign-in",
            ActivationFailure::Unavailable => "is busy",
            _ => "the answer cannot be used",
        }
        .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_urls() {
        let full = |text: &str| normalise(text).map(String::from);
        for short in [
            "https://mail.x.example",
            "mail.x.example",
            " https://mail.x.example/ ",
            "https://mail.x.example/ews/",
            "https://mail.x.example/owa/?a=b#c",
            "https://MAIL.x.example/EWS",
        ] {
            assert_eq!(
                full(short).as_deref(),
                Some("https://mail.x.example/EWS/Exchange.asmx"),
                "{short}"
            );
        }
        assert_eq!(
            full("https://x.example/p/ews/exchange.asmx").as_deref(),
            Some("https://x.example/p/ews/exchange.asmx")
        );
        assert_eq!(
            full("http://localhost:81").as_deref(),
            Some("http://localhost:81/EWS/Exchange.asmx")
        );
        for wrong in [
            "",
            "https://",
            "ftp://x.example",
            "javascript://x",
            "https://u:p@x.example",
            "not a url",
            "https://",
        ] {
            assert_eq!(full(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn hosts() {
        let policy = EwsPolicy {
            allowed_hosts: vec![
                "Mail.x.example".to_owned(),
                "*.y.example".to_owned(),
                "z.example:444".to_owned(),
            ],
            ..EwsPolicy::default()
        };
        let allows = |text: &str| policy.allows(&Url::parse(text).unwrap());
        assert!(
            allows("https://mail.x.example/")
                && allows("https://a.y.example")
                && allows("https://z.example:444")
        );
        for other in [
            "https://x.example",
            "https://y.example",
            "https://ay.example",
            "https://z.example",
            "https://mail.x.example.evil.example",
        ] {
            assert!(!allows(other), "{other}");
        }
        assert!(!EwsPolicy::default().allows_domain("") && policy.only_server().is_none());
        for host in [
            "outlook.office365.com",
            "OUTLOOK.office.com",
            "autodiscover-s.outlook.com",
            "outlook.com.",
        ] {
            assert!(is_office365(host), "{host}");
        }
        assert!(!is_office365("myoutlook.com") && !is_office365("mail.contoso.example"));
    }

    #[test]
    fn logins() {
        assert_eq!(domain_of("nina.berg@contoso.example"), Some("contoso.example"));
        for none in [
            "CONTOSO\\nina",
            "nina",
            "@x.example",
            "a@b",
            "a@x..y",
            "a@x.example/../y",
            "a@x.example:1",
            "a@",
        ] {
            assert_eq!(domain_of(none), None, "{none}");
        }
    }

    #[test]
    fn pox_answers() {
        let answer = |inside: &str| {
            let xml = format!(
                "<?xml version=\"1.0\"?><Autodiscover xmlns=\"urn:a\"><Response xmlns=\"urn:b\"><User><AutoDiscoverSMTPAddress>n@x.example</AutoDiscoverSMTPAddress></User><Account>{inside}</Account></Response></Autodiscover>"
            );
            read_pox(xml.as_bytes())
        };
        let both = "<Action>settings</Action><Protocol><Type>EXCH</Type><EwsUrl>https://in.x.example/EWS/Exchange.asmx</EwsUrl></Protocol><Protocol><Type>EXPR</Type><EwsUrl>https://out.x.example/EWS/Exchange.asmx</EwsUrl></Protocol>";
        let Ok(Some(Pox::Settings(found))) = answer(both) else {
            panic!("no settings")
        };
        assert_eq!(found.url.host_str(), Some("out.x.example"));
        assert_eq!(found.address.as_deref(), Some("n@x.example"));
        assert!(
            matches!(answer("<Action>redirectAddr</Action><RedirectAddr>n@y.example</RedirectAddr>"), Ok(Some(Pox::Address(a))) if a == "n@y.example")
        );
        assert!(matches!(
            answer("<RedirectUrl>https://y.example/a.xml</RedirectUrl>"),
            Ok(Some(Pox::Url(_)))
        ));
        assert!(matches!(
            answer("<Protocol><Type>WEB</Type></Protocol>"),
            Ok(None)
        ));
        assert!(read_pox(b"<html></html>").is_err() && read_pox(b"<Autodiscover>").is_err());
        insta::assert_snapshot!(String::from_utf8(pox_request("n&b@x.example")).unwrap());
    }
}
