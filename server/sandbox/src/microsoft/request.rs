//! The authorization request: read once, carried through the pages, bound to the code.
//!
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow#request-an-authorization-code>

use serde_json::Value;
use url::Url;

use super::error::Trouble;
use super::scopes;
use super::state::State;
use crate::pages::Form;

/// Which accounts the address lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Work and school accounts of any directory; `common` would add personal ones, of which there are none here.
    Any,
    /// Personal accounts only.
    Personal,
    Tenant(usize),
}

impl Audience {
    /// The first segment of an address.
    pub(crate) fn of(state: &State, segment: &str) -> Result<Self, Trouble> {
        match segment.to_ascii_lowercase().as_str() {
            "organizations" | "common" => Ok(Self::Any),
            "consumers" => Ok(Self::Personal),
            name => state
                .tenants
                .iter()
                .position(|t| t.id == name || t.domain.eq_ignore_ascii_case(name))
                .map(Self::Tenant)
                .ok_or_else(|| {
                    Trouble::request(
                        90_002,
                        format!(
                            "Tenant '{segment}' not found. Check to make sure you have the correct tenant ID and are \
                             signing into the correct cloud. Check with your subscription administrator, this may \
                             happen if there are no active subscriptions for the tenant."
                        ),
                    )
                }),
        }
    }

    pub(crate) fn takes(self, tenant: usize) -> bool {
        match self {
            Self::Any => true,
            Self::Personal => false,
            Self::Tenant(own) => own == tenant,
        }
    }
}

/// How much the user is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prompt {
    AsNeeded,
    None,
    Login,
    Consent,
    SelectAccount,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    pub(crate) text: String,
    /// By S256, else plain.
    pub(crate) hashed: bool,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) audience: Audience,
    /// The address's first segment, for the pages' own addresses.
    pub(crate) segment: String,
    pub(crate) redirect: Url,
    /// As given, to the letter: the token request must repeat it.
    pub(crate) redirect_text: String,
    pub(crate) state: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) challenge: Option<Challenge>,
    pub(crate) prompt: Prompt,
    pub(crate) login_hint: Option<String>,
    pub(crate) claims: Option<Value>,
}

/// A request that cannot be granted.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// Where to send the user is not certain: a page.
    Page(Trouble),
    /// Back to the application.
    Back(Box<Back>),
}

/// What the application is told.
#[derive(Debug)]
pub(crate) struct Back {
    pub(crate) redirect: Url,
    pub(crate) state: Option<String>,
    pub(crate) trouble: Trouble,
}

/// A callback may be on this machine only, whatever its port and path.
pub(crate) fn registered(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    (matches!(url.scheme(), "http" | "https")
        && matches!(url.host_str(), Some("localhost" | "127.0.0.1"))
        && url.fragment().is_none()
        && url.username().is_empty())
    .then_some(url)
}

impl Ask {
    pub(crate) fn read(state: &State, segment: &str, form: &Form) -> Result<Self, Wrong> {
        let given = |name: &str| form.get(name).filter(|v| !v.is_empty()).map(str::to_owned);
        let audience = Audience::of(state, segment).map_err(Wrong::Page)?;
        let client = given("client_id").ok_or_else(|| Wrong::Page(Trouble::without("client_id")))?;
        if client != state.client_id {
            return Err(Wrong::Page(unknown_client(&client)));
        }
        let redirect_text =
            given("redirect_uri").ok_or_else(|| Wrong::Page(Trouble::without("redirect_uri")))?;
        let redirect = registered(&redirect_text).ok_or_else(|| {
            Wrong::Page(Trouble::request(
                50_011,
                format!(
                    "The redirect URI '{redirect_text}' specified in the request does not match the redirect URIs \
                     configured for the application '{client}'. Make sure the redirect URI sent in the request matches \
                     one added to your application in the Azure portal."
                ),
            ))
        })?;
        let echo = given("state");
        let back = |trouble: Trouble| {
            Wrong::Back(Box::new(Back {
                redirect: redirect.clone(),
                state: echo.clone(),
                trouble,
            }))
        };
        match given("response_type").as_deref() {
            Some("code") => {}
            None => return Err(back(Trouble::without("response_type"))),
            Some(_) => {
                return Err(back(Trouble::new(
                    "unsupported_response_type",
                    700_054,
                    "response_type 'id_token' is not enabled for the application.",
                )));
            }
        }
        if let Some(mode) = given("response_mode").filter(|mode| mode != "query") {
            tracing::warn!(mode, "response_mode is not played");
            return Err(Wrong::Page(Trouble::request(
                9_002_313,
                format!("The sandbox does not know response_mode '{mode}'."),
            )));
        }
        let scopes = match given("scope").as_deref().map(scopes::parse) {
            None => return Err(back(Trouble::without("scope"))),
            Some(Ok(scopes)) => scopes,
            Some(Err(unknown)) => {
                let trouble = Trouble::new(
                    "invalid_client",
                    650_053,
                    format!(
                        "The application 'Tandem' asked for scope '{unknown}' that doesn't exist on the resource \
                         '00000003-0000-0000-c000-000000000000'. Contact the app vendor."
                    ),
                );
                return Err(back(trouble));
            }
        };
        let prompt = match given("prompt").as_deref() {
            None => Prompt::AsNeeded,
            Some("none") => Prompt::None,
            Some("login") => Prompt::Login,
            Some("consent") => Prompt::Consent,
            Some("select_account") => Prompt::SelectAccount,
            Some(_) => {
                return Err(back(Trouble::request(
                    90_023,
                    "Unsupported 'prompt' value. Supported values are: 'none', 'login', 'consent', 'select_account'.",
                )));
            }
        };
        let claims = match given("claims").map(|text| serde_json::from_str::<Value>(&text)) {
            None => None,
            Some(Ok(claims)) if claims.is_object() => Some(claims),
            Some(_) => {
                return Err(back(Trouble::request(
                    9_002_313,
                    "Invalid request. The 'claims' parameter is not a JSON object.",
                )));
            }
        };
        Ok(Self {
            audience,
            segment: segment.to_owned(),
            challenge: challenge(state, form).map_err(back)?,
            redirect: redirect.clone(),
            redirect_text,
            state: echo.clone(),
            scopes,
            nonce: given("nonce"),
            prompt,
            login_hint: given("login_hint"),
            claims,
        })
    }

    /// The conditional-access policy whose challenge the application passes on.
    pub(crate) fn proof(&self) -> Option<&str> {
        self.claims
            .as_ref()?
            .pointer("/access_token/capolids/values/0")?
            .as_str()
    }
}

pub(crate) fn unknown_client(client: &str) -> Trouble {
    Trouble::new(
        "unauthorized_client",
        700_016,
        format!(
            "Application with identifier '{client}' was not found in the directory. This can happen if the application \
             has not been installed by the administrator of the tenant or consented to by any user in the tenant. You \
             may have sent your authentication request to the wrong tenant."
        ),
    )
}

fn challenge(state: &State, form: &Form) -> Result<Option<Challenge>, Trouble> {
    let Some(text) = form.get("code_challenge").filter(|c| !c.is_empty()) else {
        if state.knobs.require_s256 {
            return Err(Trouble::request(
                9_002_325,
                "Proof Key for Code Exchange is required for cross-origin authorization code redemption.",
            ));
        }
        return Ok(None);
    };
    let hashed = match form.get("code_challenge_method") {
        Some("S256") => true,
        // Without a method it is plain (RFC 7636).
        Some("plain") | None if !state.knobs.require_s256 => false,
        _ => {
            return Err(Trouble::request(
                50_149,
                "Invalid Code_Challenge_method parameter.",
            ));
        }
    };
    if !(43..=128).contains(&text.len()) {
        return Err(Trouble::request(
            501_491,
            "Invalid size of Code_Challenge parameter.",
        ));
    }
    Ok(Some(Challenge {
        text: text.to_owned(),
        hashed,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callbacks_are_on_this_machine() {
        assert!(registered("http://localhost:1234/auth/microsoft/callback").is_some());
        assert!(registered("https://127.0.0.1/cb").is_some());
        for bad in [
            "http://localhost.evil.example/cb",
            "http://localhost@evil.example/",
            "http://x@localhost/",
            "ftp://localhost/",
            "http://localhost/#x",
            "javascript:alert(1)",
            "localhost",
        ] {
            assert!(registered(bad).is_none(), "{bad}");
        }
    }
}
