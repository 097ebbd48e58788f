//! Requests with the password, by whichever scheme the server takes.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::AUTHORIZATION;
use secrecy::SecretString;
use tandem_net::{Line, Net, NetError, Request, Response};
use tokio::time::Instant;

use super::binding::end_point;
use super::ntlm::{self, BadChallenge, Handshake};
use super::{Credentials, Offer, SignIn, token};

/// Why a request with the password has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DoorError {
    #[error(transparent)]
    Net(#[from] NetError),
    /// No challenge came for the scheme that was offered: `Negotiate` that is Kerberos alone, or an offer that is no
    /// longer there. The password was not shown.
    #[error("the server gives no NTLM challenge; it offers {0}")]
    NotOffered(Offer),
    /// The connection was closed between the challenge and its answer: something on the way does not keep connections
    /// apart, and NTLM cannot work through it. The password was not shown.
    #[error("the connection does not stay open for the sign-in")]
    NotKept,
    #[error(transparent)]
    Challenge(#[from] BadChallenge),
}

/// One login at one server.
///
/// NTLM signs a connection in: one is kept, and later requests go on it without the password.
pub(crate) struct Door {
    net: Net,
    credentials: Credentials,
    line: Option<Line>,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").finish_non_exhaustive()
    }
}

impl Door {
    pub(crate) fn new(net: Net, credentials: Credentials) -> Self {
        Self {
            net,
            credentials,
            line: None,
        }
    }

    /// Sends a request once. `shown` becomes true as soon as the password may have been shown: then a 401 is its refusal.
    ///
    /// A write is sent where the sign-in is complete, not before: a challenge never leaves it in doubt.
    pub(crate) async fn send(
        &mut self,
        scheme: SignIn,
        request: Request,
        shown: &mut bool,
    ) -> Result<Response, DoorError> {
        if scheme == SignIn::Basic {
            *shown = true;
            return Ok(self.net.send(self.credentials.basic(request)).await?);
        }
        let deadline = Instant::now() + request.timeout;
        let within = |request: &Request| {
            let left = deadline.saturating_duration_since(Instant::now());
            request.clone().timeout(left)
        };
        let mut line = self.line.take().filter(|line| line.is_good_for(&request.url));
        if let Some(open) = &mut line {
            match open.send(&within(&request)).await {
                // The server wants each request signed in, or has forgotten: nothing was done, and nothing refused.
                Ok(answer) if answer.status == StatusCode::UNAUTHORIZED => {}
                Ok(answer) => {
                    self.line = line;
                    return Ok(answer);
                }
                // It was closed while nobody looked.
                Err(error) if !error.may_have_taken_effect() => line = None,
                Err(error) => return Err(error.into()),
            }
        }
        let mut line = match line.filter(|line| line.is_good_for(&request.url)) {
            Some(line) => line,
            None => {
                self.net
                    .line(&request.url, request.schemes, within(&request).timeout)
                    .await?
            }
        };
        let binding = line.certificate().and_then(end_point);
        let mut handshake = Handshake::new(&self.credentials, binding.as_deref());
        let hello = within(&request).body(Vec::new());
        let hello = with_token(hello, scheme, &handshake.open()?);
        let answer = line.send(&hello).await.map_err(NetError::ahead)?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let challenge = token(&answer.headers, scheme).filter(|token| ntlm::is_message(token));
        let Some(challenge) = challenge else {
            return Err(DoorError::NotOffered(Offer::of(&answer.headers)));
        };
        if !line.is_good_for(&request.url) {
            return Err(DoorError::NotKept);
        }
        let proof = handshake.answer(&challenge)?;
        *shown = true;
        let answer = line.send(&with_token(within(&request), scheme, &proof)).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            self.line = Some(line);
        }
        Ok(answer)
    }
}

fn with_token(request: Request, scheme: SignIn, token: &[u8]) -> Request {
    let value = format!("{} {}", scheme.header(), STANDARD.encode(token));
    request.secret_header(AUTHORIZATION.as_str(), &SecretString::from(value))
}
