use std::fmt;
use std::time::Duration;

use oauth2::basic::{BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, ExtraTokenFields, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, Scope,
    StandardRevocableToken, StandardTokenResponse, TokenResponse as _, TokenUrl,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tandem_net::{Net, OAuthHttp, Request, Retry, Schemes};
use tandem_types::Timestamp;
use url::Url;

use super::id_token::{self, Expected, Identity, Owner};
use super::scopes::{SCOPES, missing};
use super::tenant::{Guid, Tenant};
use super::trouble::{Refused, Remedy, SignInError};

/// The login service of the world-wide cloud.
pub const AUTHORITY: &str = "https://login.microsoftonline.com";

/// Before a token's end, so that none ends on its way. A quarter of its life where that is less.
const MARGIN_S: i64 = 300;
/// A token without `expires_in` is taken to live so long: Microsoft always tells.
const LIFE_S: i64 = 3600;

/// The registration of this server as an app of Microsoft Entra, and who may sign in.
#[derive(Clone)]
pub struct MicrosoftApp {
    /// [`AUTHORITY`], or the login service of a national cloud, or the sandbox. An origin: a path is not used.
    pub authority: Url,
    pub tenant: Tenant,
    /// Organisations that may use this server. Empty: those that `tenant` lets in.
    pub allowed_tenants: Vec<Guid>,
    pub client_id: String,
    pub client_secret: Option<SecretString>,
    pub redirect_uri: Url,
    /// Plain HTTP is for the sandbox only.
    pub schemes: Schemes,
    /// Of one request.
    pub timeout: Duration,
}

impl fmt::Debug for MicrosoftApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MicrosoftApp")
            .field("authority", &self.authority.as_str())
            .field("tenant", &self.tenant)
            .field("allowed_tenants", &self.allowed_tenants)
            .field("client_id", &self.client_id)
            .field("redirect_uri", &self.redirect_uri.as_str())
            .finish_non_exhaustive()
    }
}

/// How much the user is asked.
///
/// <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow#request-an-authorization-code>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prompt {
    /// As little as possible: somebody who is signed in, in this browser, goes straight through.
    #[default]
    AsNeeded,
    /// Which account? After a sign-in with the wrong one.
    SelectAccount,
}

/// What differs between sign-ins.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// The address of the mailbox that Outlook shows. It suggests an account and binds nobody to it.
    pub login_hint: Option<String>,
    pub prompt: Prompt,
    /// [`SignInError::claims`] of the refusal before.
    pub claims: Option<String>,
}

/// A sign-in that was begun: the callback needs all but the address. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Started {
    /// Where the browser goes.
    pub url: Url,
    pub state: String,
    /// Comes back in the id token.
    pub nonce: SecretString,
    pub verifier: SecretString,
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").finish_non_exhaustive()
    }
}

/// What a token endpoint gave. `Debug` shows no token.
#[derive(Clone, Debug)]
pub struct TokenSet {
    pub access: SecretString,
    /// Takes the place of the one before, which stays good for its own 90 days: a lost answer loses nothing.
    pub refresh: Option<SecretString>,
    pub expires_at: Timestamp,
    /// From here on it is time for a new one.
    pub refresh_at: Timestamp,
    pub scope: Vec<String>,
}

/// A sign-in that came to its end.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub tokens: TokenSet,
    pub refresh: SecretString,
    pub identity: Identity,
}

/// What Microsoft adds to a token answer.
///
/// <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow#successful-response-2>
#[derive(Clone, Deserialize, Serialize)]
struct Extra {
    #[serde(default)]
    id_token: Option<String>,
}

impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extra").finish_non_exhaustive()
    }
}

impl ExtraTokenFields for Extra {}

type Tokens = StandardTokenResponse<Extra, BasicTokenType>;
type OAuth = Client<
    Refused,
    Tokens,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

impl MicrosoftApp {
    /// Where the browser goes to sign in, and what its coming back is measured by.
    ///
    /// # Errors
    /// [`Remedy::Administrator`]: the configured authority is no web address.
    pub fn authorize(&self, ask: &Ask) -> Result<Started, SignInError> {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let nonce = CsrfToken::new_random().into_secret();
        let client = self.client()?;
        let mut request = client
            .authorize_url(CsrfToken::new_random)
            .set_pkce_challenge(challenge)
            .add_scopes(scopes())
            .add_extra_param("response_mode", "query")
            .add_extra_param("nonce", nonce.as_str());
        if let Some(hint) = &ask.login_hint {
            request = request.add_extra_param("login_hint", hint.as_str());
        }
        if ask.prompt == Prompt::SelectAccount {
            request = request.add_extra_param("prompt", "select_account");
        }
        if let Some(claims) = &ask.claims {
            request = request.add_extra_param("claims", claims.as_str());
        }
        let (url, state) = request.url();
        Ok(Started {
            url,
            state: state.into_secret(),
            nonce: SecretString::from(nonce),
            verifier: SecretString::from(verifier.into_secret()),
        })
    }

    /// The end of a sign-in. Whether the callback's state is that of a sign-in which this browser began is the caller's
    /// to know, before this is called.
    ///
    /// # Errors
    /// [`Remedy::SignIn`]: the code is no good (any more), the token is of another sign-in or organisation, or nobody has
    /// consented. [`Remedy::Administrator`]: the app's registration.
    pub async fn exchange_code(
        &self,
        net: &Net,
        code: &SecretString,
        verifier: &SecretString,
        nonce: &SecretString,
        now: Timestamp,
    ) -> Result<SignedIn, SignInError> {
        // First, as it may fail and the code is good for one use.
        let resolved = self.resolve(net).await?;
        let http = self.http(net);
        let answer = self
            .client()?
            .exchange_code(AuthorizationCode::new(code.expose_secret().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose_secret().to_owned()))
            .request_async(&http)
            .await
            .map_err(|error| SignInError::from_token(error, &http))?;
        let token = answer
            .extra_fields()
            .id_token
            .as_deref()
            .ok_or_else(no_id_token)?;
        let nonce = Some(nonce.expose_secret());
        let identity = id_token::read(token, &self.expected(resolved.as_ref(), nonce, now))?;
        let tokens = token_set(&answer, now)?;
        // Without one the sync would end with the first access token.
        let refresh = tokens.refresh.clone().ok_or_else(|| {
            SignInError::new(
                Remedy::Administrator,
                "no_refresh_token",
                "Microsoft gave no refresh token: the permission offline_access is not granted",
            )
        })?;
        Ok(SignedIn {
            tokens,
            refresh,
            identity,
        })
    }

    /// New tokens of a grant that belongs to `owner`. One at a time is the caller's; two would do no harm.
    ///
    /// # Errors
    /// [`Remedy::SignIn`]: the grant is over, or the answer is of another account.
    pub async fn refresh(
        &self,
        net: &Net,
        token: &SecretString,
        owner: &Owner,
        now: Timestamp,
    ) -> Result<TokenSet, SignInError> {
        let http = self.http(net);
        let answer = self
            .client()?
            .exchange_refresh_token(&RefreshToken::new(token.expose_secret().to_owned()))
            .add_scopes(scopes())
            .request_async(&http)
            .await
            .map_err(|error| SignInError::from_token(error, &http))?;
        // OpenID Connect lets a refresh bring none; where there is one, it is of the same account.
        if let Some(token) = answer.extra_fields().id_token.as_deref() {
            let expected = self.expected(Some(&owner.tenant), None, now);
            let identity = id_token::read(token, &expected)?;
            if identity.owner != *owner {
                return Err(SignInError::new(
                    Remedy::SignIn,
                    "wrong_token",
                    "Microsoft answers a refresh with tokens of another account",
                ));
            }
        }
        token_set(&answer, now)
    }

    /// Where an administrator agrees for the whole organisation. The answer comes to the same callback, with
    /// `admin_consent` and `tenant` in its query: the state binds it to who began it, and it proves nothing else. A
    /// sign-in afterwards does.
    ///
    /// <https://learn.microsoft.com/entra/identity-platform/v2-admin-consent>
    pub fn admin_consent_url(&self, state: &str) -> Result<Url, SignInError> {
        // Consent is an organisation's: personal accounts have none to give.
        let tenant = match &self.tenant {
            Tenant::Common => Tenant::Organizations.as_str(),
            tenant => tenant.as_str(),
        };
        let mut url = self.at(&format!("/{tenant}/v2.0/adminconsent"))?;
        let names: Vec<&str> = SCOPES.iter().map(|(name, _)| *name).collect();
        url.query_pairs_mut()
            .append_pair("client_id", &self.client_id)
            .append_pair("scope", &names.join(" "))
            .append_pair("redirect_uri", self.redirect_uri.as_str())
            .append_pair("state", state);
        Ok(url)
    }

    fn expected<'a>(
        &'a self,
        resolved: Option<&'a Guid>,
        nonce: Option<&'a str>,
        now: Timestamp,
    ) -> Expected<'a> {
        Expected {
            authority: &self.authority,
            client_id: &self.client_id,
            tenant: &self.tenant,
            resolved,
            allowed: &self.allowed_tenants,
            nonce,
            now,
        }
    }

    /// The id of the tenant whose domain is configured: tokens name nothing else.
    ///
    /// <https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc#fetch-the-openid-configuration-document>
    async fn resolve(&self, net: &Net) -> Result<Option<Guid>, SignInError> {
        #[derive(Deserialize)]
        struct Document {
            issuer: String,
        }
        let Tenant::Domain(domain) = &self.tenant else {
            return Ok(None);
        };
        let url = self.at(&format!("/{domain}/v2.0/.well-known/openid-configuration"))?;
        let request = Request::get(url)
            .service("microsoft")
            .header("accept", "application/json")
            .timeout(self.timeout)
            .max_bytes(64 * 1024)
            .schemes(self.schemes)
            .retry(Retry::Idempotent);
        let answer = net.send(request).await.map_err(SignInError::from_net)?;
        let status = answer.status.as_u16();
        let failed = |remedy, what: &str| {
            SignInError::new(
                remedy,
                "no_tenant",
                format!("Microsoft does not tell the id of the configured tenant: {what} (HTTP {status})"),
            )
        };
        let later = Remedy::Later {
            retry_after: answer.retry_after(),
        };
        match status {
            200 => {}
            429 | 500.. => return Err(failed(later, "busy")),
            _ => return Err(failed(Remedy::Administrator, "it is unknown")),
        }
        let document: Document =
            serde_json::from_slice(&answer.body).map_err(|_| failed(later, "not JSON"))?;
        let id = Url::parse(&document.issuer)
            .ok()
            .filter(|issuer| issuer.origin() == self.authority.origin())
            .and_then(|issuer| issuer.path_segments()?.next()?.parse().ok());
        id.map(Some)
            .ok_or_else(|| failed(Remedy::Administrator, "another issuer"))
    }

    fn http(&self, net: &Net) -> OAuthHttp {
        net.oauth()
            .schemes(self.schemes)
            .service("microsoft")
            .timeout(self.timeout)
    }

    fn client(&self) -> Result<OAuth, SignInError> {
        let endpoint = |name: &str| self.at(&format!("/{}/oauth2/v2.0/{name}", self.tenant));
        let client = Client::new(ClientId::new(self.client_id.clone()))
            .set_auth_uri(AuthUrl::from_url(endpoint("authorize")?))
            .set_token_uri(TokenUrl::from_url(endpoint("token")?))
            .set_redirect_uri(RedirectUrl::from_url(self.redirect_uri.clone()))
            .set_auth_type(AuthType::RequestBody);
        Ok(match &self.client_secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned())),
            None => client,
        })
    }

    fn at(&self, path: &str) -> Result<Url, SignInError> {
        self.authority.join(path).map_err(|_| {
            SignInError::new(
                Remedy::Administrator,
                "no_authority",
                "the configured authority of Microsoft's sign-in is no web address",
            )
        })
    }
}

fn scopes() -> impl Iterator<Item = Scope> {
    SCOPES.iter().map(|(name, _)| Scope::new((*name).to_owned()))
}

fn no_id_token() -> SignInError {
    SignInError::new(
        Remedy::SignIn,
        "wrong_token",
        "Microsoft's answer says not who has signed in: it has no id token",
    )
}

fn token_set(answer: &Tokens, now: Timestamp) -> Result<TokenSet, SignInError> {
    let scope: Vec<String> = answer
        .scopes()
        .into_iter()
        .flatten()
        .map(|scope| scope.as_str().to_owned())
        .collect();
    let missing = missing(&scope);
    if !missing.is_empty() {
        return Err(SignInError::new(
            Remedy::SignIn,
            "consent_required",
            format!(
                "Microsoft did not grant all permissions; missing: {}",
                missing.join(", ")
            ),
        ));
    }
    let life = answer
        .expires_in()
        .and_then(|life| i64::try_from(life.as_secs()).ok())
        .unwrap_or(LIFE_S);
    Ok(TokenSet {
        access: SecretString::from(answer.access_token().secret().as_str()),
        refresh: answer
            .refresh_token()
            .map(|token| SecretString::from(token.secret().as_str())),
        expires_at: now.plus_seconds(life),
        refresh_at: now.plus_seconds(life - MARGIN_S.min(life / 4)),
        scope,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(tenant: &str) -> MicrosoftApp {
        MicrosoftApp {
            authority: Url::parse(AUTHORITY).unwrap(),
            tenant: tenant.parse().unwrap(),
            allowed_tenants: Vec::new(),
            client_id: "client".to_owned(),
            client_secret: Some(SecretString::from("geheim")),
            redirect_uri: Url::parse("https://tandem.example/auth/microsoft/callback").unwrap(),
            schemes: Schemes::HttpsOnly,
            timeout: Duration::from_secs(20),
        }
    }

    fn get(url: &Url, name: &str) -> String {
        let pair = url.query_pairs().find(|(n, _)| n == name);
        pair.map(|(_, v)| v.into_owned()).unwrap_or_default()
    }

    #[test]
    fn the_browser_is_sent_with_code_pkce_state_and_nonce() {
        let ask = Ask {
            login_hint: Some("nina.berg@contoso.example".to_owned()),
            prompt: Prompt::SelectAccount,
            claims: Some("{\"a\":1}".to_owned()),
        };
        let one = app("organizations").authorize(&ask).unwrap();
        let url = &one.url;
        assert_eq!(url.origin(), Url::parse(AUTHORITY).unwrap().origin());
        assert_eq!(url.path(), "/organizations/oauth2/v2.0/authorize");
        for (name, value) in [
            ("response_type", "code"),
            ("response_mode", "query"),
            ("client_id", "client"),
            ("redirect_uri", "https://tandem.example/auth/microsoft/callback"),
            (
                "scope",
                "openid profile offline_access User.Read Mail.ReadWrite Calendars.ReadWrite Contacts.ReadWrite \
                 Tasks.ReadWrite MailboxSettings.ReadWrite",
            ),
            ("state", one.state.as_str()),
            ("nonce", one.nonce.expose_secret()),
            ("code_challenge_method", "S256"),
            ("login_hint", "nina.berg@contoso.example"),
            ("prompt", "select_account"),
            ("claims", "{\"a\":1}"),
        ] {
            assert_eq!(get(url, name), value, "{name}");
        }
        assert_eq!(get(url, "code_challenge").len(), 43);
        assert!(!url.as_str().contains(one.verifier.expose_secret()) && !url.as_str().contains("geheim"));

        let two = app("contoso.example").authorize(&Ask::default()).unwrap();
        assert_eq!(two.url.path(), "/contoso.example/oauth2/v2.0/authorize");
        assert_eq!(get(&two.url, "prompt"), "");
        assert!(one.state != two.state && one.state.len() >= 22);
        assert!(one.nonce.expose_secret() != two.nonce.expose_secret());
        assert!(one.state != one.nonce.expose_secret());
    }

    #[test]
    fn the_administrators_link() {
        let url = app("common").admin_consent_url("s&t").unwrap();
        assert_eq!(url.path(), "/organizations/v2.0/adminconsent");
        assert_eq!(get(&url, "state"), "s&t");
        assert_eq!(get(&url, "client_id"), "client");
        assert!(get(&url, "scope").contains("Calendars.ReadWrite"));
        assert!(!url.as_str().contains("geheim"));
    }

    #[test]
    fn nothing_secret_is_shown() {
        let started = app("common").authorize(&Ask::default()).unwrap();
        let text = format!("{:?}", app("common"));
        assert!(!text.contains("geheim"), "{text}");
        let text = format!("{started:?}");
        for secret in [
            started.verifier.expose_secret(),
            started.nonce.expose_secret(),
            &started.state,
        ] {
            assert!(!text.contains(secret), "{text}");
        }
        let tokens = TokenSet {
            access: SecretString::from("geheim"),
            refresh: Some(SecretString::from("geheim")),
            expires_at: Timestamp(0),
            refresh_at: Timestamp(0),
            scope: Vec::new(),
        };
        assert!(!format!("{tokens:?}").contains("geheim"));
    }

    #[test]
    fn a_part_of_the_permissions_is_none() {
        let text = "{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"scope\":\"openid User.Read\"}";
        let answer: Tokens = serde_json::from_str(text).unwrap();
        let error = token_set(&answer, Timestamp(0)).unwrap_err();
        assert!(error.lacks_consent() && error.remedy == Remedy::SignIn);
        assert!(error.to_string().contains("Calendars.ReadWrite"), "{error}");
    }

    #[test]
    fn a_token_is_renewed_before_its_end() {
        let answer = |life: i64| {
            let text = format!("{{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":{life}}}");
            serde_json::from_str::<Tokens>(&text).unwrap()
        };
        let now = Timestamp::from_seconds(1000);
        for (life, left) in [(4500, 300), (600, 150), (8, 2), (0, 0)] {
            let tokens = token_set(&answer(life), now).unwrap();
            assert_eq!(tokens.expires_at.seconds_since(now), life);
            assert_eq!(tokens.expires_at.seconds_since(tokens.refresh_at), left);
        }
    }
}
