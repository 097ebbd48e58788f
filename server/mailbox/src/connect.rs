//! *Connect to Exchange*: from what was typed to a mailbox that works.

use std::fmt;

use http::StatusCode;
use secrecy::SecretString;
use tandem_net::{Net, Request, Response, redact_url};
use tandem_sync::FaultKind;
use tandem_types::ActivationFailure;
use url::Url;

use crate::auth::{Credentials, Offer, Scheme};
use crate::client::{read_response, soap_request};
use crate::discover::{EwsPolicy, check_target, locate, location};
use crate::error::CallError;
use crate::ews::folders::Folder;
use crate::ews::{Answer, FolderRef, folders, resolve_names};
use crate::xml::XmlError;

/// Addresses that are tried for being the mailbox's.
const CANDIDATES: usize = 10;
/// Redirects from one address of the server to another.
const HOPS: usize = 4;
/// Of an answer while connecting.
const MAX_ANSWER: usize = 4 << 20;

/// A mailbox that was opened with the login and password given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activated {
    /// The mailbox's primary SMTP address, as the server says it.
    pub address: String,
    pub ews_url: Url,
    /// `15.1.2507.6`; empty where the server does not say.
    pub server_version: String,
}

/// Why there is no connection. `Display` is for the log: no credential, no content.
#[derive(Debug)]
pub struct ActivationError {
    /// What the user is told.
    pub cause: ActivationFailure,
    detail: String,
    /// Redirects that never end.
    pub(crate) circle: bool,
    /// The password was sent to a server, which may have counted a failed logon.
    pub password_was_tried: bool,
}

impl ActivationError {
    pub(crate) fn new(cause: ActivationFailure, detail: impl Into<String>) -> Self {
        Self {
            cause,
            detail: detail.into(),
            circle: false,
            password_was_tried: false,
        }
    }
}

impl fmt::Display for ActivationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.cause, self.detail)
    }
}

impl std::error::Error for ActivationError {}

/// One click: the password goes out at most once before a server has accepted it.
pub(crate) struct Attempt<'a> {
    pub(crate) net: &'a Net,
    pub(crate) policy: &'a EwsPolicy,
    pub(crate) login: &'a str,
    password: &'a SecretString,
    pub(crate) password_was_tried: bool,
    /// A server has answered a request with the password.
    pub(crate) accepted: bool,
}

impl Attempt<'_> {
    /// Sends a request with the password. A refusal ends the attempt.
    pub(crate) async fn send(
        &mut self,
        scheme: Scheme,
        request: Request,
    ) -> Result<Response, ActivationError> {
        if self.password_was_tried && !self.accepted {
            return Err(ActivationError::new(
                ActivationFailure::Login,
                "the password was tried already",
            ));
        }
        let credentials = Credentials {
            login: self.login.to_owned(),
            password: self.password.clone(),
            scheme,
        };
        self.password_was_tried = true;
        let response = self.net.send(credentials.apply(request)).await?;
        match response.status {
            StatusCode::UNAUTHORIZED => {
                return Err(ActivationError::new(
                    ActivationFailure::Login,
                    "login or password refused",
                ));
            }
            StatusCode::OK => self.accepted = true,
            _ => {}
        }
        Ok(response)
    }

    async fn soap<T: Default>(
        &mut self,
        scheme: Scheme,
        url: &Url,
        operation: &str,
        body: Vec<u8>,
        payload: impl FnMut(&mut crate::xml::Reader<'_>, &crate::xml::Element, &mut T) -> Result<(), XmlError>,
    ) -> Result<Answer<T>, ActivationError> {
        let request = soap_request(url, self.login, body)
            .timeout(self.policy.timeout)
            .max_bytes(MAX_ANSWER);
        let response = self.send(scheme, request).await?;
        read_response(&response, operation, payload).map_err(|error| explain(&error))
    }
}

/// Finds the server, tries the login once, and opens the mailbox. Nothing is stored.
///
/// `url`: as pasted by the user. At most one request carries the password before a server has answered one with 200.
///
/// # Errors
/// The cause for the user, the detail for the log, and whether a failed logon may have been counted.
pub async fn activate(
    net: &Net,
    policy: &EwsPolicy,
    login: &str,
    password: &SecretString,
    url: Option<&str>,
) -> Result<Activated, ActivationError> {
    let mut attempt = Attempt {
        net,
        policy,
        login: login.trim(),
        password,
        password_was_tried: false,
        accepted: false,
    };
    let result = attempt_all(&mut attempt, url).await;
    result.map_err(|mut error| {
        error.password_was_tried = attempt.password_was_tried;
        error
    })
}

async fn attempt_all(attempt: &mut Attempt<'_>, url: Option<&str>) -> Result<Activated, ActivationError> {
    // Basic cannot carry a colon in the login (RFC 7617), and no server has such a one.
    if attempt.login.is_empty() || attempt.login.contains(|c: char| c == ':' || c.is_control()) {
        return Err(ActivationError::new(
            ActivationFailure::Login,
            "the login cannot be one",
        ));
    }
    let found = locate(attempt, url).await?;
    let (url, scheme) = probe(attempt, found.url).await?;
    let own = [FolderRef::Distinguished("msgfolderroot")];
    let answer = attempt
        .soap(scheme, &url, folders::GET, folders::get(&own), folders::payload)
        .await?;
    let root = match answer.messages.into_iter().next() {
        Some(Ok(found)) => found.into_iter().next().map(|folder: Folder| folder.id),
        Some(Err(error)) => return Err(explain(&CallError::Response(error))),
        None => None,
    };
    let root =
        root.ok_or_else(|| ActivationError::new(ActivationFailure::NotExchange, "GetFolder gave no folder"))?;
    let address = address(attempt, scheme, &url, &root, found.address).await?;
    Ok(Activated {
        address,
        ews_url: url,
        server_version: answer.version,
    })
}

/// Asks without credentials: a server of ours answers 401 and a scheme that we speak.
async fn probe(attempt: &Attempt<'_>, start: Url) -> Result<(Url, Scheme), ActivationError> {
    let mut url = start;
    for _ in 0..HOPS {
        check_target(attempt.policy, &url)?;
        let body = folders::get(&[FolderRef::Distinguished("msgfolderroot")]);
        let request = soap_request(&url, attempt.login, body)
            .timeout(attempt.policy.timeout)
            .max_bytes(MAX_ANSWER);
        let response = attempt.net.send(request).await?;
        let place = redact_url(&url);
        let other = |text: String| Err(ActivationError::new(ActivationFailure::NotExchange, text));
        if let Some(next) = location(&response) {
            let services = next.path().to_ascii_lowercase().ends_with("/exchange.asmx");
            let known = next.host_str() == url.host_str() || attempt.policy.allows(&next);
            check_target(attempt.policy, &next)?;
            if !services || !known {
                return other(format!("{place} sends us on to {}", redact_url(&next)));
            }
            url = next;
            continue;
        }
        return match response.status {
            StatusCode::UNAUTHORIZED => {
                let offer = Offer::of(&response.headers);
                match offer.choose() {
                    Some(scheme) => Ok((url, scheme)),
                    None => other(format!("{place} offers {offer}: no scheme that is supported yet")),
                }
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                let text = format!("{place} answered {status}");
                Err(ActivationError::new(ActivationFailure::Unavailable, text))
            }
            status => other(format!("{place} answered {status} without a login")),
        };
    }
    Err(ActivationError::new(
        ActivationFailure::NotExchange,
        "the server sends us on and on",
    ))
}

/// The mailbox's primary address: one that the directory knows for the login, and that opens the same mailbox as the
/// login does by itself.
async fn address(
    attempt: &mut Attempt<'_>,
    scheme: Scheme,
    url: &Url,
    root: &str,
    hint: Option<String>,
) -> Result<String, ActivationError> {
    let login = attempt.login.to_owned();
    // `DOMAIN\user` is known to the directory as `user`.
    let entry = login.rsplit('\\').next().unwrap_or(&login);
    let answer: Answer<Vec<String>> = attempt
        .soap(
            scheme,
            url,
            resolve_names::NAME,
            resolve_names::request(entry),
            resolve_names::payload,
        )
        .await?;
    let mut candidates: Vec<String> = Vec::new();
    for message in answer.messages {
        match message {
            Ok(found) => candidates.extend(found),
            Err(error)
                if matches!(
                    error.kind(),
                    FaultKind::RateLimited { .. } | FaultKind::Transient { .. }
                ) =>
            {
                return Err(explain(&CallError::Response(error)));
            }
            // Nobody of that name, or a directory that is closed to us.
            Err(_) => {}
        }
    }
    candidates.extend(hint);
    if login.contains('@') {
        candidates.push(login.clone());
    }
    let mut seen = std::collections::HashSet::new();
    candidates.retain(|candidate| seen.insert(candidate.to_lowercase()));
    candidates.truncate(CANDIDATES);
    let nobody = || {
        ActivationError::new(
            ActivationFailure::NoMailbox,
            "the server does not tell the address of the mailbox",
        )
    };
    if candidates.is_empty() {
        return Err(nobody());
    }
    let roots: Vec<FolderRef<'_>> = candidates
        .iter()
        .map(|mailbox| FolderRef::In {
            folder: "msgfolderroot",
            mailbox,
        })
        .collect();
    let answer: Answer<Vec<Folder>> = attempt
        .soap(scheme, url, folders::GET, folders::get(&roots), folders::payload)
        .await?;
    let opened: Vec<(&String, &str)> = candidates
        .iter()
        .zip(&answer.messages)
        .filter_map(|(candidate, message)| {
            let folder = message.as_ref().ok()?.first()?;
            Some((candidate, folder.id.as_str()))
        })
        .collect();
    let same = opened.iter().find(|(_, id)| *id == root);
    // A server may write the id of the same folder in two forms; then only the login's own address is beyond doubt.
    let own = || {
        opened
            .iter()
            .find(|(candidate, _)| candidate.eq_ignore_ascii_case(&login))
    };
    same.or_else(own)
        .map(|(candidate, _)| (*candidate).clone())
        .ok_or_else(nobody)
}

/// What an answer means for the person who waits for it.
fn explain(error: &CallError) -> ActivationError {
    let cause = match error {
        CallError::Status { status, .. } => match status.as_u16() {
            401 => ActivationFailure::Login,
            // Exchange Web Services are switched off for this user.
            403 => ActivationFailure::NoMailbox,
            408 | 429 | 500..=599 => ActivationFailure::Unavailable,
            _ => ActivationFailure::NotExchange,
        },
        CallError::Xml(XmlError::Cut) | CallError::Net(_) => ActivationFailure::Unavailable,
        CallError::Xml(_) | CallError::NotExchange => ActivationFailure::NotExchange,
        CallError::Response(error) => match error.kind() {
            FaultKind::RateLimited { .. } | FaultKind::Transient { .. } => ActivationFailure::Unavailable,
            FaultKind::Fatal => ActivationFailure::NotExchange,
            _ => ActivationFailure::NoMailbox,
        },
        CallError::AlreadyRefused => ActivationFailure::Login,
    };
    ActivationError::new(cause, error.to_string())
}
