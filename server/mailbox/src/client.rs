//! One request to the server and its answer.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::StatusCode;
use secrecy::SecretString;
use tandem_net::{Net, Request, Response, Retry, Schemes};
use tandem_sync::{Fault, FaultKind};
use tokio::sync::Mutex;
use url::{Host, Url};

use crate::auth::{Credentials, Scheme};
use crate::error::{CallError, ResponseError};
use crate::ews::{Answer, read_with};
use crate::xml::{Element, Limits, Reader, XmlError};

/// The mailbox of one connection, and the way into it. `Debug` shows no credential.
#[derive(Clone)]
pub struct EwsAccount {
    /// As [`crate::activate`] found it: `https://…/EWS/Exchange.asmx`.
    pub url: Url,
    /// As it was typed and accepted.
    pub login: String,
    pub password: SecretString,
    /// The primary SMTP address.
    pub address: String,
}

impl fmt::Debug for EwsAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EwsAccount")
            .field("host", &self.url.host_str())
            .finish_non_exhaustive()
    }
}

/// What one call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EwsLimits {
    /// Bytes of a decoded answer.
    pub max_response: usize,
    /// Bytes of a decoded answer that holds whole mails.
    pub max_mail_response: usize,
    /// Of one call that reads, further tries included.
    pub read_timeout: Duration,
    /// Of one call that writes a batch.
    pub write_timeout: Duration,
}

impl Default for EwsLimits {
    fn default() -> Self {
        Self {
            max_response: 32 << 20,
            max_mail_response: 80 << 20,
            read_timeout: Duration::from_mins(1),
            write_timeout: Duration::from_mins(2),
        }
    }
}

/// What a call does, as far as sending it again is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Reads,
    /// Whole mails: larger, and slower.
    ReadsMails,
    Writes,
}

/// Plain HTTP is for the sandbox on this machine; the address policy of `tandem-net` has the last word there too.
pub(crate) fn schemes(url: &Url) -> Schemes {
    if url.scheme() == "http" && is_loopback(url) {
        Schemes::HttpToo
    } else {
        Schemes::HttpsOnly
    }
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// A SOAP request without credentials.
pub(crate) fn soap_request(url: &Url, anchor: &str, body: Vec<u8>) -> Request {
    let request = Request::post(url.clone(), body)
        .header("Content-Type", "text/xml; charset=utf-8")
        .header("Accept", "text/xml")
        .schemes(schemes(url));
    if anchor.contains('@') {
        request.header("X-AnchorMailbox", anchor)
    } else {
        request
    }
}

/// What an answer says, from its status and its body.
pub(crate) fn read_response<T: Default>(
    response: &Response,
    operation: &str,
    payload: impl FnMut(&mut Reader<'_>, &Element, &mut T) -> Result<(), XmlError>,
) -> Result<Answer<T>, CallError> {
    read_limited(response, operation, Limits::default(), payload)
}

fn read_limited<T: Default>(
    response: &Response,
    operation: &str,
    limits: Limits,
    payload: impl FnMut(&mut Reader<'_>, &Element, &mut T) -> Result<(), XmlError>,
) -> Result<Answer<T>, CallError> {
    let status = response.status;
    match status {
        StatusCode::OK => read_with(&response.body, operation, limits, payload),
        // A SOAP fault comes with 500; without one the status speaks for itself.
        StatusCode::INTERNAL_SERVER_ERROR => match read_with(&response.body, operation, limits, payload) {
            Err(CallError::Response(fault)) => Err(CallError::Response(fault)),
            _ => Err(CallError::Status {
                status,
                retry_after: response.retry_after(),
            }),
        },
        _ => Err(CallError::Status {
            status,
            retry_after: response.retry_after(),
        }),
    }
}

/// The calls of one session: the password is shown until it is refused, and not again.
pub(crate) struct Client {
    net: Net,
    url: Url,
    anchor: String,
    credentials: Credentials,
    limits: EwsLimits,
    /// The server has accepted the password in this session.
    proven: AtomicBool,
    refused: AtomicBool,
    /// Held by the one call that may go out before the password is proven.
    first: Mutex<()>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("host", &self.url.host_str())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Client {
    pub(crate) fn new(net: Net, account: EwsAccount, limits: EwsLimits) -> Self {
        Self {
            net,
            url: account.url,
            anchor: account.address,
            credentials: Credentials {
                login: account.login,
                password: account.password,
                scheme: Scheme::Basic,
            },
            limits,
            proven: AtomicBool::new(false),
            refused: AtomicBool::new(false),
            first: Mutex::new(()),
        }
    }

    /// Sends a request, and reads its answer message by message.
    pub(crate) async fn call<T: Default>(
        &self,
        operation: &str,
        effect: Effect,
        body: Vec<u8>,
        payload: impl FnMut(&mut Reader<'_>, &Element, &mut T) -> Result<(), XmlError>,
    ) -> Result<Vec<Result<T, ResponseError>>, CallError> {
        let response = self.send(effect, body).await?;
        let limits = match effect {
            Effect::ReadsMails => Limits {
                text: self.limits.max_mail_response,
                ..Limits::default()
            },
            Effect::Reads | Effect::Writes => Limits::default(),
        };
        let answer = read_limited(&response, operation, limits, payload)?;
        // Said once for all where it is said for each.
        if let Some(Err(first)) = answer.messages.first()
            && answer
                .messages
                .iter()
                .all(|m| m.as_ref().is_err_and(|e| e.code == first.code))
            && !matches!(
                first.kind(),
                FaultKind::Invalid | FaultKind::NotFound | FaultKind::Conflict | FaultKind::Rejected
            )
        {
            return Err(CallError::Response(first.clone()));
        }
        Ok(answer.messages)
    }

    /// Like [`Client::call`], for what is asked of one thing.
    pub(crate) async fn call_one<T: Default>(
        &self,
        operation: &str,
        effect: Effect,
        body: Vec<u8>,
        payload: impl FnMut(&mut Reader<'_>, &Element, &mut T) -> Result<(), XmlError>,
    ) -> Result<T, CallError> {
        let messages = self.call(operation, effect, body, payload).await?;
        match messages.into_iter().next() {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => Err(CallError::Response(error)),
            None => Err(XmlError::Unexpected("no response message").into()),
        }
    }

    async fn send(&self, effect: Effect, body: Vec<u8>) -> Result<Response, CallError> {
        let most = match effect {
            Effect::ReadsMails => self.limits.max_mail_response,
            Effect::Reads | Effect::Writes => self.limits.max_response,
        };
        let request = soap_request(&self.url, &self.anchor, body).max_bytes(most);
        let request = match effect {
            Effect::Reads => request.timeout(self.limits.read_timeout),
            Effect::ReadsMails => request.timeout(self.limits.read_timeout * 3),
            Effect::Writes => request.timeout(self.limits.write_timeout),
        };
        let request = self.credentials.apply(request);
        self.check()?;
        if self.proven.load(Ordering::Acquire) {
            let retry = match effect {
                Effect::Reads | Effect::ReadsMails => Retry::Idempotent,
                Effect::Writes => Retry::Never,
            };
            return Ok(self.judge(self.net.send(request.retry(retry)).await?));
        }
        // One call at a time, and each once, until the server has taken the password: several refusals lock accounts.
        let _first = self.first.lock().await;
        self.check()?;
        Ok(self.judge(self.net.send(request.retry(Retry::Never)).await?))
    }

    fn judge(&self, response: Response) -> Response {
        match response.status {
            StatusCode::UNAUTHORIZED => self.refused.store(true, Ordering::Release),
            StatusCode::OK => self.proven.store(true, Ordering::Release),
            _ => {}
        }
        response
    }

    /// # Errors
    /// The password was refused before.
    fn check(&self) -> Result<(), CallError> {
        if self.refused.load(Ordering::Acquire) {
            return Err(CallError::AlreadyRefused);
        }
        Ok(())
    }
}

/// The first message that says more than one thing's trouble: it ends the session.
pub(crate) fn grave<T>(operation: &str, messages: &[Result<T, ResponseError>]) -> Result<(), Fault> {
    for error in messages.iter().filter_map(|m| m.as_ref().err()) {
        let kind = error.kind();
        if matches!(
            kind,
            FaultKind::RateLimited { .. } | FaultKind::Transient { .. } | FaultKind::Fatal
        ) {
            return Err(error.clone().into_fault(operation));
        }
    }
    Ok(())
}
