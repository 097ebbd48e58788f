use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use oauth2::{ErrorResponse, RequestTokenError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tandem_net::{NetError, OAuthHttp};
use tandem_sync::{Fault, FaultKind};

/// A challenge longer than this is not passed on: it has to fit into an address.
const LONGEST_CLAIMS: usize = 4096;

/// Who can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The user: sign in again, with what [`SignInError::claims`] asks for.
    SignIn,
    /// The administrator of this server or of the organisation: the app's registration, its secret, consent.
    Administrator,
    /// Time.
    Later { retry_after: Option<Duration> },
}

/// A sign-in or a refresh that failed. `Display` is for the log: the error's code, Microsoft's numbers and what its
/// support finds the request by; no token, no address, nothing of the description.
#[derive(Debug)]
pub struct SignInError {
    pub remedy: Remedy,
    /// The error of OAuth (`invalid_grant`), or what of ours was not met.
    pub code: String,
    /// What conditional access asks of the next sign-in, to be handed to [`Ask::claims`](super::Ask) as it is.
    pub claims: Option<String>,
    /// Something may have been done although no answer came. A code is used up then; a refresh token is not.
    pub in_doubt: bool,
    detail: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl SignInError {
    pub(crate) fn new(remedy: Remedy, code: &str, detail: impl Into<String>) -> Self {
        Self {
            remedy,
            code: code.to_owned(),
            claims: None,
            in_doubt: false,
            detail: detail.into(),
            source: None,
        }
    }

    /// Whether somebody has to agree first: show the administrator's link beside the user's.
    pub fn lacks_consent(&self) -> bool {
        self.code == "consent_required"
    }

    /// The error that the browser brought back to the callback. Everything in it is the sender's: it is matched, never
    /// shown.
    ///
    /// <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow#error-response>
    pub fn from_callback(error: &str, description: Option<&str>, claims: Option<&str>) -> Self {
        let described = |name: &str| {
            let after = description?.split_once(name)?.1.trim_start();
            after.split_whitespace().next().map(str::to_owned)
        };
        Refused {
            error: error.to_owned(),
            error_codes: Vec::new(),
            trace_id: described("Trace ID:").unwrap_or_default(),
            correlation_id: described("Correlation ID:").unwrap_or_default(),
            claims: claims.map(str::to_owned),
        }
        .judged(None)
    }

    pub(crate) fn from_net(error: NetError) -> Self {
        let remedy = if error.kind.may_pass() {
            Remedy::Later { retry_after: None }
        } else {
            Remedy::Administrator
        };
        let mut trouble = Self::new(remedy, "no_answer", format!("Microsoft did not answer: {error}"));
        trouble.in_doubt = error.may_have_taken_effect();
        trouble.source = Some(Box::new(error));
        trouble
    }

    pub(crate) fn from_token(error: RequestTokenError<NetError, Refused>, http: &OAuthHttp) -> Self {
        let (status, retry_after) = (http.status().unwrap_or_default(), http.retry_after());
        let later = Remedy::Later { retry_after };
        match error {
            RequestTokenError::Request(error) => Self::from_net(error),
            _ if status == 429 => Self::new(
                later,
                "too_many_requests",
                "too many sign-ins at Microsoft (HTTP 429)",
            ),
            RequestTokenError::ServerResponse(refused) => refused.judged(retry_after),
            // Neither may be kept: the body may hold tokens.
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                let mut trouble = Self::new(
                    later,
                    "unreadable",
                    format!("Microsoft's token answer cannot be read (HTTP {status})"),
                );
                trouble.in_doubt = true;
                trouble
            }
        }
    }
}

impl fmt::Display for SignInError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl StdError for SignInError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|s| s as _)
    }
}

impl From<SignInError> for Fault {
    fn from(error: SignInError) -> Self {
        let kind = match error.remedy {
            Remedy::SignIn => FaultKind::SignInEnded,
            Remedy::Administrator => FaultKind::Fatal,
            Remedy::Later { retry_after } => FaultKind::Transient { retry_after },
        };
        let fault = Self::new(kind, error.detail.clone());
        let fault = if error.in_doubt { fault.in_doubt() } else { fault };
        fault.caused_by(error)
    }
}

/// Graph refuses a token that is still good until the user has signed in with more.
///
/// <https://learn.microsoft.com/entra/identity-platform/claims-challenge>
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the organisation's conditional access asks for a new sign-in")]
pub struct ClaimsChallenge {
    /// JSON.
    pub claims: String,
}

impl ClaimsChallenge {
    /// The challenge of a 401: `Bearer …, error="insufficient_claims", claims="<base64>"`.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        headers.get_all(WWW_AUTHENTICATE).iter().find_map(|value| {
            let text = value.to_str().ok()?;
            // Not a part of another parameter's name.
            let encoded = text
                .match_indices("claims=\"")
                .find(|(at, _)| text[..*at].ends_with([' ', ',']))
                .and_then(|(at, found)| text[at + found.len()..].split('"').next())?;
            let bytes = STANDARD
                .decode(encoded)
                .or_else(|_| URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('=')))
                .ok()?;
            let claims = usable(String::from_utf8(bytes).ok()?)?;
            Some(Self { claims })
        })
    }
}

impl From<ClaimsChallenge> for Fault {
    fn from(challenge: ClaimsChallenge) -> Self {
        Self::new(FaultKind::SignInEnded, challenge.to_string()).caused_by(challenge)
    }
}

/// What the next sign-in must bring along, if that is why the sign-in ended.
pub fn claims_of(fault: &Fault) -> Option<&str> {
    let source = StdError::source(fault)?;
    if let Some(error) = source.downcast_ref::<SignInError>() {
        return error.claims.as_deref();
    }
    source
        .downcast_ref::<ClaimsChallenge>()
        .map(|challenge| challenge.claims.as_str())
}

/// It goes into an address: a JSON object of some length, nothing else.
fn usable(claims: String) -> Option<String> {
    let fits = claims.len() <= LONGEST_CLAIMS
        && serde_json::from_str::<Value>(&claims).is_ok_and(|claims| claims.is_object());
    fits.then_some(claims)
}

/// An error answer of the token endpoint. `Debug` and `Display` show what [`SignInError`] may show.
///
/// <https://learn.microsoft.com/entra/identity-platform/reference-error-codes#handling-error-codes-in-your-application>
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Refused {
    error: String,
    /// They change at any time, so nothing is decided by them.
    #[serde(default)]
    error_codes: Vec<u32>,
    #[serde(default)]
    trace_id: String,
    #[serde(default)]
    correlation_id: String,
    #[serde(default)]
    claims: Option<String>,
}

impl ErrorResponse for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())?;
        for number in &self.error_codes {
            write!(f, " AADSTS{number}")?;
        }
        write!(
            f,
            ", trace {}, correlation {}",
            id(&self.trace_id),
            id(&self.correlation_id)
        )
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Of the shape that Microsoft's ids have, or nothing: who answers could write anything there.
fn id(text: &str) -> &str {
    let fits = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    if fits { text } else { "-" }
}

impl Refused {
    fn code(&self) -> &str {
        let code = self.error.as_str();
        let fits =
            (1..=60).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        if fits { code } else { "unreadable" }
    }

    /// By `error` alone.
    fn judged(self, retry_after: Option<Duration>) -> SignInError {
        let (remedy, said) = match self.code() {
            "invalid_grant"
            | "interaction_required"
            | "consent_required"
            | "login_required"
            | "account_selection_required"
            | "access_denied" => (Remedy::SignIn, "Microsoft wants a new sign-in"),
            "temporarily_unavailable" | "server_error" | "slow_down" => (
                Remedy::Later { retry_after },
                "Microsoft's sign-in has a problem of its own",
            ),
            "invalid_client" | "unauthorized_client" => (
                Remedy::Administrator,
                "Microsoft does not accept this app: the administrator must check client id and secret",
            ),
            _ => (
                Remedy::Administrator,
                "Microsoft refuses the request: the administrator must check tenant, redirect URI and permissions",
            ),
        };
        let mut trouble = SignInError::new(remedy, self.code(), format!("{said} ({self})"));
        trouble.claims = self.claims.and_then(usable);
        trouble
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn refused(value: Value) -> SignInError {
        serde_json::from_value::<Refused>(value).unwrap().judged(None)
    }

    #[test]
    fn the_error_decides_and_nothing_else() {
        for (error, remedy) in [
            ("invalid_grant", Remedy::SignIn),
            ("interaction_required", Remedy::SignIn),
            ("consent_required", Remedy::SignIn),
            ("login_required", Remedy::SignIn),
            ("access_denied", Remedy::SignIn),
            ("invalid_client", Remedy::Administrator),
            ("unauthorized_client", Remedy::Administrator),
            ("invalid_request", Remedy::Administrator),
            ("invalid_scope", Remedy::Administrator),
            ("temporarily_unavailable", Remedy::Later { retry_after: None }),
            ("server_error", Remedy::Later { retry_after: None }),
            ("something_new", Remedy::Administrator),
        ] {
            // The number says something else each time.
            let found = refused(json!({ "error": error, "error_codes": [50076], "suberror": "bad_token" }));
            assert_eq!(found.remedy, remedy, "{error}");
        }
    }

    #[test]
    fn support_finds_it_and_nothing_private_is_shown() {
        let error = refused(json!({
            "error": "invalid_grant",
            "error_description": "AADSTS50057: nina.berg@contoso.example is disabled.",
            "error_codes": [50057],
            "trace_id": "255d1aef-8c98-452f-ac51-23d051240864",
            "correlation_id": "fb3d2015-bc17-4bb9-bb85-30c5cf1aaaa7",
        }));
        let text = format!("{error} {error:?}");
        assert!(text.contains("255d1aef-8c98-452f-ac51-23d051240864"), "{text}");
        assert!(text.contains("fb3d2015-bc17-4bb9-bb85-30c5cf1aaaa7") && text.contains("AADSTS50057"));
        assert!(!text.contains("nina.berg"), "{text}");

        let odd =
            refused(json!({ "error": "Token=geheim", "trace_id": "geheim", "correlation_id": "geheim\n" }));
        assert!(!format!("{odd} {odd:?}").contains("geheim"));
    }

    #[test]
    fn a_callback_is_matched_and_not_shown() {
        let error = SignInError::from_callback(
            "access_denied",
            Some(
                "AADSTS65004: nina declined. Trace ID: 255d1aef-8c98 Correlation ID: fb3d2015-bc17 Timestamp: x",
            ),
            None,
        );
        assert_eq!(
            (error.remedy, error.code.as_str()),
            (Remedy::SignIn, "access_denied")
        );
        let text = error.to_string();
        assert!(
            text.contains("255d1aef-8c98") && text.contains("fb3d2015-bc17"),
            "{text}"
        );
        assert!(!text.contains("nina"));

        let nasty = SignInError::from_callback("<script>alert(1)</script>", Some("<b>"), Some("[1]"));
        assert!(!format!("{nasty:?}").contains('<'));
        assert_eq!((nasty.remedy, nasty.claims), (Remedy::Administrator, None));
    }

    #[test]
    fn claims_are_passed_on_through_a_fault() {
        let wanted = r#"{"access_token":{"capolids":{"essential":true,"values":["x"]}}}"#;
        let fault = Fault::from(refused(
            json!({ "error": "interaction_required", "claims": wanted }),
        ));
        assert_eq!(
            (fault.kind, claims_of(&fault)),
            (FaultKind::SignInEnded, Some(wanted))
        );
        // Confidential clients are told the same under another name.
        let fault = Fault::from(refused(json!({ "error": "invalid_grant", "claims": wanted })));
        assert_eq!(claims_of(&fault), Some(wanted));

        let mut headers = HeaderMap::new();
        let header = |claims: &str| {
            let text = format!(
                "Bearer realm=\"\", authorization_uri=\"https://x/authorize\", client_claims=\"bm8=\", \
                 error=\"insufficient_claims\", claims=\"{}\"",
                STANDARD.encode(claims)
            );
            HeaderValue::from_str(&text).unwrap()
        };
        assert_eq!(ClaimsChallenge::of(&headers), None);
        headers.insert(WWW_AUTHENTICATE, header(wanted));
        let fault = Fault::from(ClaimsChallenge::of(&headers).unwrap());
        assert_eq!(
            (fault.kind, claims_of(&fault)),
            (FaultKind::SignInEnded, Some(wanted))
        );
        for nonsense in [
            "[]",
            "no json",
            &format!("{{\"a\":\"{}\"}}", "x".repeat(LONGEST_CLAIMS)),
        ] {
            headers.insert(WWW_AUTHENTICATE, header(nonsense));
            assert_eq!(ClaimsChallenge::of(&headers), None);
        }
        assert_eq!(claims_of(&Fault::fatal("x")), None);
    }
}
