use std::fmt;

use serde::{Deserialize, Serialize};

/// *Connect to Exchange*. `Debug` shows no password.
#[derive(Clone, Serialize, Deserialize)]
pub struct ActivateExchange {
    /// `user@domain`, `DOMAIN\user` or a bare name.
    pub login: String,
    pub password: String,
    /// Under *More v*. Empty: Autodiscover finds it.
    #[serde(default)]
    pub ews_url: String,
}

impl fmt::Debug for ActivateExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivateExchange")
            .field("ews_url", &self.ews_url)
            .finish_non_exhaustive()
    }
}

/// *Connect to Office 365*: the sign-in's window is through, and this is its code.
#[derive(Clone, Serialize, Deserialize)]
pub struct ConnectOffice {
    pub code: String,
    /// Made by the pane before it opened the window; only its SHA-256 has left it so far. 32 bytes, hexadecimal.
    pub nonce: String,
    /// The mailbox that Outlook shows; empty where there is none.
    #[serde(default)]
    pub outlook: String,
    /// Another mailbox than that is meant.
    #[serde(default)]
    pub confirmed: bool,
}

impl fmt::Debug for ConnectOffice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectOffice(..)")
    }
}

/// What the pane posts when the sign-in window has handed it a one-time code.
#[derive(Clone, Serialize, Deserialize)]
pub struct HandoverRequest {
    pub code: String,
    /// Made by the pane before it opened the window; only its SHA-256 has left it so far. 32 bytes, hexadecimal.
    pub nonce: String,
}

impl fmt::Debug for HandoverRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandoverRequest(..)")
    }
}

/// The answer: the cookie is set beside it; the bearer is the fallback where cookies are blocked.
#[derive(Clone, Serialize, Deserialize)]
pub struct HandoverReply {
    pub bearer: String,
    /// Lifetime in seconds; renewed in memory before it ends.
    pub expires_in: u32,
}

impl fmt::Debug for HandoverReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandoverReply")
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

/// Opens one stream of events, once, within 30 seconds (an `EventSource` cannot send a bearer).
#[derive(Clone, Serialize, Deserialize)]
pub struct Ticket {
    pub ticket: String,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(..)")
    }
}
