//! One request to the server and its answer.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::StatusCode;
use secrecy::SecretString;
use tandem_net::{Net, Request, Response, Retry, Schemes};
use tandem_sync::{Fault, FaultKind};
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::{Host, Url};

use crate::auth::{Credentials, Door, DoorError, Offer, SignIn};
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
    /// As [`crate::activate`] found that the server takes it.
    pub sign_in: SignIn,
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
        .service("exchange")
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
    /// How the server has accepted the password in this session.
    proven: OnceLock<SignIn>,
    refused: AtomicBool,
    /// Held by the one call that may go out before the password is proven, and by each where a connection is signed in.
    gate: Mutex<Gate>,
}

struct Gate {
    door: Door,
    sign_in: SignIn,
    /// The server takes the password in another way than it did when the mailbox was connected: found out once.
    switched: bool,
}

impl Gate {
    /// The way that a server with this offer takes instead, unless another was tried already.
    fn switch(&mut self, offer: &Offer) -> bool {
        let other = offer.choices().into_iter().find(|choice| *choice != self.sign_in);
        match other {
            Some(other) if !self.switched && !offer.choices().contains(&self.sign_in) => {
                self.switched = true;
                self.sign_in = other;
                true
            }
            _ => false,
        }
    }

    /// Sends a request once; the second try is for a server that did not look at the password.
    async fn send(&mut self, request: Request) -> Result<Response, DoorError> {
        loop {
            let mut shown = false;
            match self.door.send(self.sign_in, request.clone(), &mut shown).await {
                Ok(answer)
                    if answer.status == StatusCode::UNAUTHORIZED
                        && self.sign_in == SignIn::Basic
                        && self.switch(&Offer::of(&answer.headers)) => {}
                // What is not on offer was not looked at, `Negotiate` without NTLM among it.
                Err(DoorError::NotOffered(offer)) => {
                    let basic = !self.switched && offer.choices().contains(&SignIn::Basic);
                    if !basic {
                        return Err(DoorError::NotOffered(offer));
                    }
                    self.switched = true;
                    self.sign_in = SignIn::Basic;
                }
                other => return other,
            }
        }
    }
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
        let credentials = Credentials {
            login: account.login,
            password: account.password,
        };
        let gate = Gate {
            door: Door::new(net.clone(), credentials.clone()),
            sign_in: account.sign_in,
            switched: false,
        };
        Self {
            net,
            credentials,
            url: account.url,
            anchor: account.address,
            limits,
            proven: OnceLock::new(),
            refused: AtomicBool::new(false),
            gate: Mutex::new(gate),
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
        let retry = match effect {
            Effect::Reads | Effect::ReadsMails => Retry::Idempotent,
            Effect::Writes => Retry::Never,
        };
        self.check()?;
        if self.proven.get() == Some(&SignIn::Basic) {
            let request = self.credentials.basic(request.retry(retry));
            return Ok(self.judge(self.net.send(request).await?, SignIn::Basic));
        }
        // One call at a time, and each once, until the server has taken the password: several refusals lock accounts.
        let mut gate = self.gate.lock().await;
        let deadline = Instant::now() + request.timeout;
        for tried in 0.. {
            self.check()?;
            let left = deadline.saturating_duration_since(Instant::now());
            let result = match gate.send(request.clone().timeout(left)).await {
                Ok(answer) => Ok(self.judge(answer, gate.sign_in)),
                Err(DoorError::Net(error)) => Err(error),
                Err(other) => return Err(other.into()),
            };
            let pause = match self.proven.get() {
                Some(_) => retry.pause(&result, tried),
                None => None,
            };
            match pause {
                Some(pause) if Instant::now() + pause < deadline => tokio::time::sleep(pause).await,
                _ => return Ok(result?),
            }
        }
        unreachable!("the last try returns")
    }

    fn judge(&self, response: Response, sign_in: SignIn) -> Response {
        match response.status {
            StatusCode::UNAUTHORIZED => self.refused.store(true, Ordering::Release),
            StatusCode::OK => {
                let _ = self.proven.set(sign_in);
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_name_the_mailbox_where_an_address_is_known() {
        let url = Url::parse("https://mail.contoso.example/EWS/Exchange.asmx").unwrap();
        let anchor = |login: &str| {
            let request = soap_request(&url, login, Vec::new());
            let value = request.headers.get("X-AnchorMailbox")?;
            Some(value.to_str().unwrap().to_owned())
        };
        for address in ["nina.berg@contoso.example", "nberg@corp.example"] {
            assert_eq!(anchor(address).as_deref(), Some(address));
        }
        assert_eq!(anchor("CONTOSO\\nberg"), None);
        assert_eq!(anchor("nberg"), None);
    }
}
