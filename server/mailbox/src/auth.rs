//! How a password is shown to an Exchange server. Basic; the place for NTLM is beside it, in a file of its own.

use std::fmt;

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use secrecy::SecretString;
use tandem_net::Request;

/// An authentication scheme that this connector speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// RFC 7617, over TLS only.
    Basic,
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

    /// The best scheme that both ends speak.
    pub(crate) fn choose(&self) -> Option<Scheme> {
        self.schemes.iter().any(|s| s == "basic").then_some(Scheme::Basic)
    }
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.schemes.is_empty() {
            return f.write_str("nothing");
        }
        f.write_str(&self.schemes.join(", "))
    }
}

/// A login, its password and the way to show them. `Debug` shows none of it.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) login: String,
    pub(crate) password: SecretString,
    pub(crate) scheme: Scheme,
}

impl Credentials {
    pub(crate) fn apply(&self, request: Request) -> Request {
        match self.scheme {
            Scheme::Basic => request.basic(&self.login, &self.password),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
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
        assert_eq!(
            offer(&["Negotiate", "NTLM", "Basic realm=\"mail, x\""]).choose(),
            Some(Scheme::Basic)
        );
        assert_eq!(
            offer(&["NTLM, bAsIc realm=\"a\", charset=\"UTF-8\""]).choose(),
            Some(Scheme::Basic)
        );
        assert_eq!(offer(&["Negotiate", "NTLM"]).choose(), None);
        assert_eq!(offer(&[]).choose(), None);
        assert_eq!(offer(&["Negotiate", "NTLM"]).to_string(), "negotiate, ntlm");
        // A realm that is called so is no offer.
        assert_eq!(offer(&["Digest realm=\"basic\""]).choose(), None);
    }
}
