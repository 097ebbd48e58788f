//! *Connect to Exchange*: from what was typed to a mailbox that works.

use std::fmt;

use http::StatusCode;
use secrecy::SecretString;
use tandem_net::{Net, Request, Response, redact_url};
use tandem_sync::FaultKind;
use tandem_types::ActivationFailure;
use url::Url;

use crate::auth::{Credentials, Door, DoorError, Offer, SignIn};
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
    /// How the server takes the password.
    pub sign_in: SignIn,
    /// `15.1.2507.6`; empty where the server does not say.
    pub server_version: String,
}

/// One question of the search for the server, and what came of it, in words for the user. No credential is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// A URL without its query, or the name of a DNS record.
    pub asked: String,
    pub answer: String,
}

/// Why there is no connection. `Display` is for the log: no credential, no content.
#[derive(Debug)]
pub struct ActivationError {
    /// What the user is told.
    pub cause: ActivationFailure,
    detail: String,
    /// How the server was searched for, where it was.
    pub trace: Vec<Step>,
    /// Redirects that never end.
    pub(crate) circle: bool,
    /// No answer at all.
    pub(crate) net: Option<tandem_net::NetErrorKind>,
    /// The password was sent to a server, which may have counted a failed logon.
    pub password_was_tried: bool,
}

impl ActivationError {
    pub(crate) fn new(cause: ActivationFailure, detail: impl Into<String>) -> Self {
        Self {
            cause,
            detail: detail.into(),
            trace: Vec::new(),
            circle: false,
            net: None,
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
    door: Door,
    pub(crate) password_was_tried: bool,
    /// A server has answered a request with the password.
    pub(crate) accepted: bool,
    pub(crate) trace: Vec<Step>,
}

/// Steps of one search that are told; no search that ends has more.
const STEPS: usize = 40;

impl Attempt<'_> {
    /// Notes what was asked and what came of it.
    pub(crate) fn tell(&mut self, asked: impl fmt::Display, answer: impl Into<String>) {
        if self.trace.len() < STEPS {
            self.trace.push(Step {
                asked: asked.to_string(),
                answer: answer.into(),
            });
        }
    }

    /// Sends a request with the password, in the first of these ways that turns out to be there; the others are taken off
    /// the list. A refusal ends the attempt.
    pub(crate) async fn send(
        &mut self,
        ways: &mut Vec<SignIn>,
        request: Request,
    ) -> Result<Response, ActivationError> {
        loop {
            if self.password_was_tried && !self.accepted {
                return Err(ActivationError::new(
                    ActivationFailure::Login,
                    "the password was tried already",
                ));
            }
            let Some(way) = ways.first().copied() else {
                return Err(no_common_way(&request.url, "nothing else"));
            };
            let mut shown = false;
            let result = self.door.send(way, request.clone(), &mut shown).await;
            self.password_was_tried |= shown;
            let response = match result {
                Ok(response) => response,
                Err(DoorError::NotOffered(offer)) => {
                    tracing::debug!(?way, %offer, "not taken");
                    ways.remove(0);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            match response.status {
                StatusCode::UNAUTHORIZED => return Err(refused(way, &request.url)),
                StatusCode::OK => self.accepted = true,
                _ => {}
            }
            return Ok(response);
        }
    }

    async fn soap<T: Default>(
        &mut self,
        ways: &mut Vec<SignIn>,
        url: &Url,
        operation: &str,
        body: Vec<u8>,
        payload: impl FnMut(&mut crate::xml::Reader<'_>, &crate::xml::Element, &mut T) -> Result<(), XmlError>,
    ) -> Result<Answer<T>, ActivationError> {
        let request = soap_request(url, self.login, body)
            .timeout(self.policy.timeout)
            .max_bytes(MAX_ANSWER);
        let response = self.send(ways, request).await?;
        read_response(&response, operation, payload).map_err(|error| explain(&error))
    }
}

/// A bound sign-in that is refused may be one over a certificate that is not Exchange's: the server does not say which.
fn refused(way: SignIn, url: &Url) -> ActivationError {
    let cause = match way {
        SignIn::Ntlm | SignIn::Negotiate if url.scheme() == "https" => ActivationFailure::LoginOrProtection,
        SignIn::Basic | SignIn::Ntlm | SignIn::Negotiate => ActivationFailure::Login,
    };
    ActivationError::new(cause, format!("login or password refused ({})", way.as_str()))
}

pub(crate) fn no_common_way(url: &Url, offer: impl fmt::Display) -> ActivationError {
    let text = format!(
        "{} offers {offer}: neither NTLM nor Basic (Kerberos and OAuth are not there)",
        redact_url(url)
    );
    ActivationError::new(ActivationFailure::NoCommonSignIn, text)
}

impl From<DoorError> for ActivationError {
    fn from(error: DoorError) -> Self {
        let cause = match error {
            DoorError::Net(error) => return error.into(),
            DoorError::NotOffered(_) => ActivationFailure::NoCommonSignIn,
            DoorError::NotKept => ActivationFailure::ProxyBetween,
            DoorError::Challenge(_) => ActivationFailure::NotExchange,
        };
        Self::new(cause, error.to_string())
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
    let login = login.trim();
    let credentials = Credentials {
        login: login.to_owned(),
        password: password.clone(),
    };
    let mut attempt = Attempt {
        net,
        policy,
        login,
        door: Door::new(net.clone(), credentials),
        password_was_tried: false,
        accepted: false,
        trace: Vec::new(),
    };
    let result = attempt_all(&mut attempt, url).await;
    result.map_err(|mut error| {
        error.password_was_tried = attempt.password_was_tried;
        error.trace = std::mem::take(&mut attempt.trace);
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
    let (url, mut ways) = probe(attempt, found.url).await?;
    let own = [FolderRef::Distinguished("msgfolderroot")];
    let answer = attempt
        .soap(
            &mut ways,
            &url,
            folders::GET,
            folders::get(&own),
            folders::payload,
        )
        .await?;
    let root = match answer.messages.into_iter().next() {
        Some(Ok(found)) => found.into_iter().next().map(|folder: Folder| folder.id),
        Some(Err(error)) => return Err(explain(&CallError::Response(error))),
        None => None,
    };
    let root =
        root.ok_or_else(|| ActivationError::new(ActivationFailure::NotExchange, "GetFolder gave no folder"))?;
    let address = address(attempt, &mut ways, &url, &root, found.address).await?;
    Ok(Activated {
        address,
        ews_url: url,
        // What worked; the way that was tried last stands first.
        sign_in: ways.first().copied().unwrap_or_default(),
        server_version: answer.version,
    })
}

/// Asks without credentials: a server of ours answers 401 and ways that we speak.
async fn probe(attempt: &Attempt<'_>, start: Url) -> Result<(Url, Vec<SignIn>), ActivationError> {
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
                let ways = offer.choices();
                if ways.is_empty() {
                    return Err(no_common_way(&url, offer));
                }
                Ok((url, ways))
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
    ways: &mut Vec<SignIn>,
    url: &Url,
    root: &str,
    hint: Option<String>,
) -> Result<String, ActivationError> {
    let login = attempt.login.to_owned();
    // `DOMAIN\user` is known to the directory as `user`.
    let entry = login.rsplit('\\').next().unwrap_or(&login);
    let answer: Answer<Vec<String>> = attempt
        .soap(
            ways,
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
        .soap(ways, url, folders::GET, folders::get(&roots), folders::payload)
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
        CallError::SignIn(_) => ActivationFailure::NoCommonSignIn,
    };
    ActivationError::new(cause, error.to_string())
}
