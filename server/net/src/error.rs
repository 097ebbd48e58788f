use std::error::Error as StdError;
use std::fmt;
use std::io;

use url::Url;

use crate::redact::redact_url;
use crate::resolver::ResolveError;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NetErrorKind {
    /// The address policy, the scheme, or a header that cannot be sent. Nothing has left the machine.
    NotAllowed,
    UnknownHost,
    /// No connection: refused, unreachable, no TLS spoken there.
    Connect,
    /// The server's certificate is not trusted, over, or not for this name.
    Certificate,
    Timeout,
    /// The connection was closed before the answer began.
    Reset,
    /// The decoded answer passes the request's limit.
    TooLarge,
    /// The answer ended before its end.
    Cut,
    /// Not HTTP, or a body that cannot be decoded.
    Protocol,
}

impl NetErrorKind {
    /// Whether the same request may go through later, with nothing changed here.
    #[must_use]
    pub const fn may_pass(self) -> bool {
        match self {
            Self::NotAllowed | Self::TooLarge => false,
            Self::UnknownHost
            | Self::Connect
            | Self::Certificate
            | Self::Timeout
            | Self::Reset
            | Self::Cut
            | Self::Protocol => true,
        }
    }
}

impl NetErrorKind {
    /// In the metrics.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::NotAllowed => "not_allowed",
            Self::UnknownHost => "unknown_host",
            Self::Connect => "connect",
            Self::Certificate => "certificate",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::TooLarge => "too_large",
            Self::Cut => "cut",
            Self::Protocol => "protocol",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::NotAllowed => "not allowed",
            Self::UnknownHost => "unknown host",
            Self::Connect => "no connection",
            Self::Certificate => "certificate not trusted",
            Self::Timeout => "timed out",
            Self::Reset => "connection reset",
            Self::TooLarge => "answer too large",
            Self::Cut => "answer cut short",
            Self::Protocol => "not a valid HTTP answer",
        }
    }
}

/// A request without an answer. `Display` and `Debug` show no query, no header and no body.
#[derive(Debug)]
pub struct NetError {
    pub kind: NetErrorKind,
    place: String,
    detail: String,
    reached: bool,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl NetError {
    pub(crate) fn new(kind: NetErrorKind, url: &Url, detail: impl Into<String>, reached: bool) -> Self {
        Self {
            kind,
            place: redact_url(url),
            detail: detail.into(),
            reached,
            source: None,
        }
    }

    /// A configuration that makes no client.
    pub(crate) fn setup(kind: NetErrorKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            place: "the network configuration".to_owned(),
            detail: detail.into(),
            reached: false,
            source: None,
        }
    }

    /// A question to the name servers.
    pub(crate) fn naming(kind: NetErrorKind, name: &str, detail: impl Into<String>) -> Self {
        Self {
            kind,
            place: name.to_owned(),
            detail: detail.into(),
            reached: false,
            source: None,
        }
    }

    pub(crate) fn from_reqwest(url: &Url, error: reqwest::Error, answered: bool) -> Self {
        let stage = if answered {
            Stage::Answering
        } else if error.is_connect() {
            Stage::Connecting
        } else {
            Stage::Asking
        };
        let kind = match classify(&error, stage) {
            Some(kind) => kind,
            None if error.is_timeout() => NetErrorKind::Timeout,
            None if stage == Stage::Connecting => NetErrorKind::Connect,
            None if error.is_builder() => NetErrorKind::NotAllowed,
            None => by_hyper(&error, answered),
        };
        let reached = answered || !(error.is_connect() || error.is_builder());
        Self::caused(kind, url, reached, error.without_url())
    }

    /// An error of a connection that is ours alone. `reached`: a byte of the request may have left.
    pub(crate) fn on_line<E>(url: &Url, stage: Stage, reached: bool, error: E) -> Self
    where
        E: StdError + Send + Sync + 'static,
    {
        let kind = match classify(&error, stage) {
            Some(kind) => kind,
            None if stage == Stage::Connecting => NetErrorKind::Connect,
            None => by_hyper(&error, stage == Stage::Answering),
        };
        Self::caused(kind, url, reached, error)
    }

    fn caused<E>(kind: NetErrorKind, url: &Url, reached: bool, error: E) -> Self
    where
        E: StdError + Send + Sync + 'static,
    {
        Self {
            kind,
            place: redact_url(url),
            detail: innermost(&error),
            reached,
            source: Some(Box::new(error)),
        }
    }

    /// An earlier try of the same request may have got through.
    pub(crate) fn mark_reached(&mut self, earlier: bool) {
        self.reached |= earlier;
    }

    /// The error of something that was sent ahead of the request that counts: of that, nothing was sent.
    #[must_use]
    pub fn ahead(mut self) -> Self {
        self.reached = false;
        self
    }

    /// False only if no byte of the request can have reached the server.
    pub fn may_have_taken_effect(&self) -> bool {
        self.reached
    }
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.kind.text(), self.place)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        f.write_str(")")
    }
}

impl StdError for NetError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|s| s as _)
    }
}

/// Every error of the chain; `io::Error::source` skips the error that it wraps, so that one is visited by hand.
fn chain<'e>(error: &'e (dyn StdError + 'static), visit: &mut dyn FnMut(&'e (dyn StdError + 'static))) {
    visit(error);
    if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        chain(inner, visit);
    } else if let Some(source) = error.source() {
        chain(source, visit);
    }
}

fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut text = String::new();
    chain(error, &mut |e| text = e.to_string());
    text
}

/// How far an exchange had come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Connecting,
    Asking,
    Answering,
}

fn classify(error: &(dyn StdError + 'static), stage: Stage) -> Option<NetErrorKind> {
    let answered = stage == Stage::Answering;
    let mut found = None;
    chain(error, &mut |e| {
        let kind = if let Some(e) = e.downcast_ref::<ResolveError>() {
            Some(match e {
                ResolveError::NotAllowed => NetErrorKind::NotAllowed,
                ResolveError::Unknown(_) => NetErrorKind::UnknownHost,
            })
        } else if let Some(e) = e.downcast_ref::<rustls::Error>() {
            Some(match e {
                rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
                    NetErrorKind::Certificate
                }
                _ if answered => NetErrorKind::Cut,
                _ => NetErrorKind::Connect,
            })
        } else {
            e.downcast_ref::<io::Error>().and_then(|e| match e.kind() {
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::NotConnected => Some(if answered {
                    NetErrorKind::Cut
                } else {
                    NetErrorKind::Reset
                }),
                _ => None,
            })
        };
        found = found.or(kind);
    });
    match found {
        // A reset while connecting is no connection: nothing of the request was sent.
        Some(NetErrorKind::Reset) if stage == Stage::Connecting => Some(NetErrorKind::Connect),
        found => found,
    }
}

/// What hyper says of a connection that ended. Its error type is not ours to name, its texts are stable.
fn by_hyper(error: &(dyn StdError + 'static), answered: bool) -> NetErrorKind {
    let mut kind = NetErrorKind::Protocol;
    chain(error, &mut |e| {
        let text = e.to_string();
        if text.contains("connection closed before message completed")
            || text.contains("connection was not ready")
            || text.contains("operation was canceled")
        {
            kind = if answered {
                NetErrorKind::Cut
            } else {
                NetErrorKind::Reset
            };
        } else if text.contains("end of file before message length reached")
            || text.contains("unexpected EOF during chunk")
        {
            kind = NetErrorKind::Cut;
        }
    });
    kind
}
