//! How a password is shown to an Exchange server: NTLM where the server takes it, else Basic over TLS.
//!
//! Kerberos and modern authentication (OAuth, *hybrid modern authentication*) are not there: a server that takes
//! nothing else is named so.

mod binding;
mod door;
mod ntlm;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use secrecy::SecretString;
use tandem_net::Request;

pub(crate) use door::{Door, DoorError};

/// How the password is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignIn {
    /// RFC 7617, over TLS only.
    #[default]
    Basic,
    /// [MS-NTHT](https://learn.microsoft.com/openspecs/windows_protocols/ms-ntht/), header `NTLM`.
    Ntlm,
    /// The same messages in the header `Negotiate`, for a server that offers no other.
    Negotiate,
}

impl SignIn {
    /// As it is stored beside the login.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Ntlm => "ntlm",
            Self::Negotiate => "negotiate",
        }
    }

    /// What [`SignIn::as_str`] gave; anything else is Basic, as before there was a choice.
    pub fn stored(text: &str) -> Self {
        match text {
            "ntlm" => Self::Ntlm,
            "negotiate" => Self::Negotiate,
            _ => Self::Basic,
        }
    }

    const fn header(self) -> &'static str {
        match self {
            Self::Basic => "Basic",
            Self::Ntlm => "NTLM",
            Self::Negotiate => "Negotiate",
        }
    }
}

/// What a server offers in its `WWW-Authenticate` headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Lower-case scheme names, in the server's order.
    schemes: Vec<String>,
}

impl Offer {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut schemes = Vec::new();
        for value in headers.get_all(WWW_AUTHENTICATE) {
            // One header may hold several challenges; parameters have a `=` in their first word.
            for part in value.to_str().unwrap_or_default().split(',') {
                let word = part
                    .split_whitespace()
                    .next()
                    .unwrap_or_default()
                    .to_ascii_lowercase();
                if !word.is_empty() && !word.contains('=') {
                    schemes.push(word);
                }
            }
        }
        Self { schemes }
    }

    /// The schemes that both ends speak, the best one first: NTLM does not hand the password over, and `Negotiate` may
    /// turn out to be Kerberos alone.
    pub(crate) fn choices(&self) -> Vec<SignIn> {
        let offered = |scheme: &SignIn| {
            let name = scheme.header().to_ascii_lowercase();
            self.schemes.contains(&name)
        };
        [SignIn::Ntlm, SignIn::Negotiate, SignIn::Basic]
            .into_iter()
            .filter(offered)
            .collect()
    }
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.schemes.is_empty() {
            return f.write_str("nothing");
        }
        // A server may put anything there; names of schemes are short.
        let named: Vec<String> = self
            .schemes
            .iter()
            .take(8)
            .map(|scheme| scheme.chars().take(20).filter(char::is_ascii_graphic).collect())
            .collect();
        f.write_str(&named.join(", "))
    }
}

/// The server's message in a challenge of that scheme.
fn token(headers: &HeaderMap, scheme: SignIn) -> Option<Vec<u8>> {
    headers.get_all(WWW_AUTHENTICATE).iter().find_map(|value| {
        let (name, token) = value.to_str().ok()?.trim().split_once(' ')?;
        if !name.eq_ignore_ascii_case(scheme.header()) {
            return None;
        }
        STANDARD.decode(token.trim()).ok()
    })
}

/// A login and its password. `Debug` shows none of it.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) login: String,
    pub(crate) password: SecretString,
}

impl Credentials {
    /// The request with a Basic header.
    pub(crate) fn basic(&self, request: Request) -> Request {
        request.basic(&self.login, &self.password)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn offer(values: &[&'static str]) -> Offer {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(value));
        }
        Offer::of(&headers)
    }

    #[test]
    fn challenges_are_told_apart() {
        use SignIn::{Basic, Negotiate, Ntlm};
        let cases: [(&[&str], &[SignIn]); 7] = [
            (
                &["Negotiate", "NTLM", "Basic realm=\"mail, x\""],
                &[Ntlm, Negotiate, Basic],
            ),
            (&["NTLM, bAsIc realm=\"a\", charset=\"UTF-8\""], &[Ntlm, Basic]),
            (&["Basic realm=\"x\"", "Negotiate"], &[Negotiate, Basic]),
            (&["Negotiate", "NTLM"], &[Ntlm, Negotiate]),
            (&["Bearer authorization_uri=\"https://x\""], &[]),
            (&[], &[]),
            // A realm that is called so is no offer.
            (&["Digest realm=\"basic\""], &[]),
        ];
        for (values, choices) in cases {
            assert_eq!(offer(values).choices(), choices, "{values:?}");
        }
        assert_eq!(offer(&["Negotiate", "NTLM"]).to_string(), "negotiate, ntlm");
        for scheme in [Basic, Ntlm, Negotiate] {
            assert_eq!(SignIn::stored(scheme.as_str()), scheme);
        }
        assert_eq!(SignIn::stored(""), Basic);
    }
}
