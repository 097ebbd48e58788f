use std::fmt;

use oauth2::basic::{
    BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse,
    BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken,
    EndpointNotSet, EndpointSet, ExtraTokenFields, HttpRequest, HttpResponse, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope, StandardRevocableToken,
    StandardTokenResponse, TokenResponse as _, TokenUrl,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tandem_net::{Net, NetError, OAuthHttp, Request, Retry, Schemes};
use tandem_sync::{Fault, FaultKind};
use tandem_types::{OrgId, Timestamp, UserId};
use url::Url;

use crate::client::{SERVICE, query_path};
use crate::ids::id18;
use crate::problem::Failure;

/// The registration of this server as an app of Salesforce, and where users may sign in.
#[derive(Clone)]
pub struct SalesforceApp {
    pub client_id: String,
    pub client_secret: Option<SecretString>,
    /// Origins that a sign-in may go to: `https://login.salesforce.com`, `https://test.salesforce.com`, My Domains.
    /// The token goes to these and to Salesforce's own hosts only.
    pub login_hosts: Vec<Url>,
    pub redirect_uri: Url,
    /// Organisations that may use this server. Empty: none.
    pub allowed_orgs: Vec<OrgId>,
    /// Plain HTTP is for the sandbox only.
    pub schemes: Schemes,
}

impl fmt::Debug for SalesforceApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SalesforceApp")
            .field("client_id", &self.client_id)
            .field(
                "login_hosts",
                &self.login_hosts.iter().map(Url::as_str).collect::<Vec<_>>(),
            )
            .field("redirect_uri", &self.redirect_uri.as_str())
            .field("allowed_orgs", &self.allowed_orgs)
            .finish_non_exhaustive()
    }
}

/// What a sign-in is for. At most five refresh tokens live per user and app, so only the sync asks for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Who is it? `openid`.
    SignIn,
    /// The grant that the sync works with. `api refresh_token openid`.
    Sync,
}

impl Purpose {
    const fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::SignIn => &["openid"],
            Self::Sync => &["api", "refresh_token", "openid"],
        }
    }
}

/// What a token endpoint gave. `Debug` shows no token.
#[derive(Clone, Debug)]
pub struct TokenSet {
    pub access: SecretString,
    /// The new one where tokens rotate: the one that was used is dead. `None`: not asked for, or the old one stays.
    pub refresh: Option<SecretString>,
    pub instance_url: Url,
    pub id_url: Url,
    pub issued_at: Timestamp,
    pub scope: Vec<String>,
}

/// Who has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub org_id: OrgId,
    pub user_id: UserId,
    pub username: String,
    pub display_name: String,
    pub email: String,
    /// Needs the scope `api`.
    pub org_name: Option<String>,
    pub instance_url: Url,
}

/// What Salesforce adds to a token answer.
///
/// <https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_web_server_flow.htm>
#[derive(Clone, Deserialize, Serialize)]
struct Extra {
    instance_url: String,
    id: String,
    /// Milliseconds.
    #[serde(default)]
    issued_at: String,
}

impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extra").finish_non_exhaustive()
    }
}

impl ExtraTokenFields for Extra {}

type Tokens = StandardTokenResponse<Extra, BasicTokenType>;
type OAuth = Client<
    BasicErrorResponse,
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

impl SalesforceApp {
    pub fn allows(&self, org: &OrgId) -> bool {
        self.allowed_orgs.contains(org)
    }

    /// Where the browser goes to sign in; with it the state and the PKCE verifier that the callback needs.
    ///
    /// # Errors
    /// A host that the configuration does not name.
    pub fn authorize_url(&self, host: &Url, purpose: Purpose) -> Result<(Url, String, SecretString), Fault> {
        self.check_login_host(host)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let client = self.client(host)?;
        let mut request = client
            .authorize_url(CsrfToken::new_random)
            .set_pkce_challenge(challenge);
        for scope in purpose.scopes() {
            request = request.add_scope(Scope::new((*scope).to_owned()));
        }
        let (url, state) = request.url();
        Ok((
            url,
            state.into_secret(),
            SecretString::from(verifier.into_secret()),
        ))
    }

    /// # Errors
    /// [`FaultKind::SignInEnded`]: the code is no good (any more). [`FaultKind::Fatal`]: the app's registration.
    pub async fn exchange_code(
        &self,
        net: &Net,
        host: &Url,
        code: &SecretString,
        verifier: &SecretString,
    ) -> Result<TokenSet, Fault> {
        self.check_login_host(host)?;
        let http = Watched::new(net, self.schemes);
        let answer = self
            .client(host)?
            .exchange_code(AuthorizationCode::new(code.expose_secret().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose_secret().to_owned()))
            .request_async(&http)
            .await;
        self.tokens(answer.map_err(|e| token_fault(e, &http))?)
    }

    /// Uses up a refresh token. Where tokens rotate, the answer's refresh token replaces it, and must be durable before
    /// anything else is done.
    ///
    /// # Errors
    /// [`FaultKind::SignInEnded`]: the grant is over. `in_doubt`: the token may have been used up although no answer came.
    pub async fn refresh(&self, net: &Net, host: &Url, token: &SecretString) -> Result<TokenSet, Fault> {
        self.check_trusted(host)?;
        let http = Watched::new(net, self.schemes);
        let answer = self
            .client(host)?
            .exchange_refresh_token(&RefreshToken::new(token.expose_secret().to_owned()))
            .request_async(&http)
            .await;
        self.tokens(answer.map_err(|e| token_fault(e, &http))?)
    }

    /// Ends a grant, by its refresh or access token. A token that is no longer known is ended already.
    pub async fn revoke(&self, net: &Net, host: &Url, token: &SecretString) -> Result<(), Fault> {
        self.check_trusted(host)?;
        let url = endpoint(host, "revoke")?;
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token.expose_secret())
            .finish();
        let request = Request::post(url, form)
            .service(SERVICE)
            .header("content-type", "application/x-www-form-urlencoded")
            .max_bytes(64 * 1024)
            .schemes(self.schemes)
            .retry(Retry::Idempotent);
        let answer = net.send(request).await.map_err(Failure::from_net)?;
        match answer.status.as_u16() {
            200..300 => Ok(()),
            400 => {
                let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                match body.get("error").and_then(Value::as_str) {
                    Some("invalid_token" | "unsupported_token_type" | "invalid_grant") => Ok(()),
                    _ => Err(Fault::fatal("Salesforce did not revoke the token")),
                }
            }
            500.. => Err(Fault::transient("Salesforce could not revoke the token now")),
            status => Err(Fault::fatal(format!(
                "Salesforce did not revoke the token (HTTP {status})"
            ))),
        }
    }

    /// Who the tokens belong to, asked of Salesforce itself.
    ///
    /// <https://help.salesforce.com/s/articleView?id=sf.remoteaccess_using_userinfo_endpoint.htm>
    pub async fn identity(&self, net: &Net, tokens: &TokenSet) -> Result<Identity, Fault> {
        self.check_trusted(&tokens.instance_url)?;
        self.check_trusted(&tokens.id_url)?;
        let (org_id, user_id) = ids_of(&tokens.id_url)?;
        let info = self
            .get(net, endpoint(&tokens.instance_url, "userinfo")?, &tokens.access)
            .await?;
        let text = |name: &str| info.get(name).and_then(Value::as_str).unwrap_or_default();
        let same = id18(text("organization_id")).as_deref() == Some(org_id.as_str())
            && id18(text("user_id")).as_deref() == Some(user_id.as_str());
        if !same {
            return Err(Fault::fatal("Salesforce tells two different users for one token"));
        }
        let org_name = if tokens.scope.iter().any(|s| s == "api" || s == "full") {
            self.org_name(net, tokens).await
        } else {
            None
        };
        Ok(Identity {
            org_id,
            user_id,
            username: text("preferred_username").to_owned(),
            display_name: text("name").to_owned(),
            email: text("email").to_owned(),
            org_name,
            instance_url: tokens.instance_url.clone(),
        })
    }

    /// For showing only: without it the organisation's id stands there.
    async fn org_name(&self, net: &Net, tokens: &TokenSet) -> Option<String> {
        // Any version will do, and every organisation has this one.
        let path = format!(
            "/services/data/v60.0/{}",
            query_path(false, "SELECT Name FROM Organization")
        );
        let url = tokens.instance_url.join(&path).ok()?;
        let found = self.get(net, url, &tokens.access).await.ok()?;
        let name = found.get("records")?.get(0)?.get("Name")?.as_str()?;
        Some(name.to_owned())
    }

    async fn get(&self, net: &Net, url: Url, token: &SecretString) -> Result<Value, Fault> {
        let request = Request::get(url)
            .service(SERVICE)
            .bearer(token)
            .header("accept", "application/json")
            .max_bytes(256 * 1024)
            .schemes(self.schemes)
            .retry(Retry::Idempotent);
        let answer = net.send(request).await.map_err(Failure::from_net)?;
        match answer.status.as_u16() {
            200..300 => serde_json::from_slice(&answer.body)
                .map_err(|_| Fault::transient("Salesforce's answer about the user is not JSON")),
            status => {
                // Salesforce says "Bad_OAuth_Token" and the like as plain text.
                let kind = match status {
                    401 | 403 => FaultKind::SignInEnded,
                    429 => FaultKind::RateLimited {
                        retry_after: answer.retry_after(),
                        whole_org: false,
                    },
                    500.. => FaultKind::Transient {
                        retry_after: answer.retry_after(),
                    },
                    _ => FaultKind::Fatal,
                };
                Err(Fault::new(
                    kind,
                    format!("Salesforce does not say who has signed in (HTTP {status})"),
                ))
            }
        }
    }

    fn client(&self, host: &Url) -> Result<OAuth, Fault> {
        let redirect = RedirectUrl::from_url(self.redirect_uri.clone());
        let client = Client::new(ClientId::new(self.client_id.clone()))
            .set_auth_uri(AuthUrl::from_url(endpoint(host, "authorize")?))
            .set_token_uri(TokenUrl::from_url(endpoint(host, "token")?))
            .set_redirect_uri(redirect)
            .set_auth_type(AuthType::RequestBody);
        Ok(match &self.client_secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned())),
            None => client,
        })
    }

    fn tokens(&self, answer: Tokens) -> Result<TokenSet, Fault> {
        let extra = answer.extra_fields();
        let url = |text: &str| {
            Url::parse(text).map_err(|_| Fault::fatal("Salesforce's token answer holds a URL that is none"))
        };
        let tokens = TokenSet {
            access: SecretString::from(answer.access_token().secret().as_str()),
            refresh: answer
                .refresh_token()
                .map(|t| SecretString::from(t.secret().as_str())),
            instance_url: url(&extra.instance_url)?,
            id_url: url(&extra.id)?,
            issued_at: Timestamp(extra.issued_at.parse::<i64>().unwrap_or(0).saturating_mul(1000)),
            scope: answer
                .scopes()
                .into_iter()
                .flatten()
                .map(|s| s.as_str().to_owned())
                .collect(),
        };
        self.check_trusted(&tokens.instance_url)?;
        Ok(tokens)
    }

    fn is_login_host(&self, url: &Url) -> bool {
        self.login_hosts.iter().any(|host| host.origin() == url.origin())
    }

    fn check_login_host(&self, host: &Url) -> Result<(), Fault> {
        if self.is_login_host(host) {
            Ok(())
        } else {
            Err(Fault::fatal(
                "the configuration does not name this Salesforce login host",
            ))
        }
    }

    /// Tokens go to the configured login hosts and to Salesforce, nowhere else.
    fn check_trusted(&self, url: &Url) -> Result<(), Fault> {
        let salesforce = url.scheme() == "https"
            && url.port().is_none()
            && url.domain().is_some_and(|host| {
                [".salesforce.com", ".salesforce.mil", ".sfcrmproducts.cn"]
                    .iter()
                    .any(|end| host.ends_with(end))
            });
        if salesforce || self.is_login_host(url) {
            Ok(())
        } else {
            Err(Fault::fatal(
                "a host that is neither Salesforce's nor configured would get the token",
            ))
        }
    }
}

fn endpoint(host: &Url, name: &str) -> Result<Url, Fault> {
    host.join(&format!("/services/oauth2/{name}"))
        .map_err(|_| Fault::fatal("the Salesforce login host is no web address"))
}

/// `…/id/<org>/<user>`
fn ids_of(id_url: &Url) -> Result<(OrgId, UserId), Fault> {
    let mut segments: Vec<&str> = id_url.path_segments().into_iter().flatten().collect();
    let user = segments.pop().and_then(id18).and_then(|id| id.parse().ok());
    let org = segments.pop().and_then(id18).and_then(|id| id.parse().ok());
    match (segments.pop(), org, user) {
        (Some("id"), Some(org), Some(user)) => Ok((org, user)),
        _ => Err(Fault::fatal(
            "Salesforce's identity URL does not name an organisation and a user",
        )),
    }
}

/// Answers 5xx itself: their bodies are pages.
struct Watched {
    http: OAuthHttp,
}

impl Watched {
    fn new(net: &Net, schemes: Schemes) -> Self {
        Self {
            http: net.oauth().schemes(schemes).service(SERVICE),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum TokenHttpError {
    #[error(transparent)]
    Net(NetError),
    #[error("HTTP {0}")]
    Status(u16),
}

impl<'c> AsyncHttpClient<'c> for Watched {
    type Error = TokenHttpError;
    type Future = futures::future::BoxFuture<'c, Result<HttpResponse, TokenHttpError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = self.http.call(request).await.map_err(TokenHttpError::Net)?;
            let status = answer.status().as_u16();
            if status >= 500 || status == 429 {
                return Err(TokenHttpError::Status(status));
            }
            Ok(answer)
        })
    }
}

fn token_fault(error: RequestTokenError<TokenHttpError, BasicErrorResponse>, http: &Watched) -> Fault {
    match error {
        RequestTokenError::ServerResponse(answer) => {
            let said = answer.error_description().map(String::as_str).unwrap_or_default();
            // Told under the code of a grant that is over, which it is not.
            if said.contains("rate exceeded") {
                too_often()
            } else {
                refusal(answer.error())
            }
        }
        RequestTokenError::Request(TokenHttpError::Net(error)) => Failure::from_net(error).fault,
        RequestTokenError::Request(TokenHttpError::Status(429)) => too_often(),
        RequestTokenError::Request(TokenHttpError::Status(status)) => Fault::transient(format!(
            "Salesforce's token endpoint has a problem of its own (HTTP {status})"
        ))
        .in_doubt(),
        // Neither holds the body: it may hold tokens.
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            let status = http.http.status().unwrap_or_default();
            Fault::transient(format!(
                "Salesforce's token answer cannot be read (HTTP {status})"
            ))
            .in_doubt()
        }
    }
}

fn too_often() -> Fault {
    Fault::new(
        FaultKind::RateLimited {
            retry_after: None,
            whole_org: false,
        },
        "too many sign-ins of this user",
    )
}

fn refusal(error: &BasicErrorResponseType) -> Fault {
    let code = error.as_ref();
    let safe = code.len() <= 60 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let shown = if safe { code } else { "an unreadable error" };
    match code {
        "invalid_grant"
        | "inactive_user"
        | "inactive_org"
        | "invalid_token"
        | "access_denied"
        | "immediate_unsuccessful" => Fault::new(
            FaultKind::SignInEnded,
            format!("Salesforce's grant is over ({shown}): sign in again"),
        ),
        "rate_limit_exceeded" | "slow_down" => too_often(),
        "temporarily_unavailable" | "server_error" | "unknown_error" => {
            Fault::transient(format!("Salesforce's sign-in is busy ({shown})"))
        }
        "invalid_client"
        | "invalid_client_id"
        | "invalid_client_credentials"
        | "unauthorized_client"
        | "redirect_uri_mismatch"
        | "invalid_scope"
        | "unsupported_grant_type" => Fault::fatal(format!(
            "Salesforce does not accept this app ({shown}): the administrator must check client id, secret, redirect \
             URI and scopes"
        )),
        _ => Fault::fatal(format!("Salesforce refuses the sign-in ({shown})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> SalesforceApp {
        SalesforceApp {
            client_id: "client".to_owned(),
            client_secret: Some(SecretString::from("geheim")),
            login_hosts: vec![Url::parse("https://login.salesforce.com").unwrap()],
            redirect_uri: Url::parse("https://tandem.example/auth/salesforce/callback").unwrap(),
            allowed_orgs: vec!["00D000000000001AAA".parse().unwrap()],
            schemes: Schemes::HttpsOnly,
        }
    }

    #[test]
    fn the_browser_is_sent_with_code_pkce_and_state() {
        let host = Url::parse("https://login.salesforce.com/").unwrap();
        for (purpose, scope) in [
            (Purpose::SignIn, "openid"),
            (Purpose::Sync, "api refresh_token openid"),
        ] {
            let (url, state, verifier) = app().authorize_url(&host, purpose).unwrap();
            assert_eq!(url.path(), "/services/oauth2/authorize");
            let get = |name: &str| {
                let pair = url.query_pairs().find(|(n, _)| n == name);
                pair.map(|(_, v)| v.into_owned()).unwrap_or_default()
            };
            assert_eq!(get("response_type"), "code");
            assert_eq!(get("scope"), scope);
            assert_eq!(get("state"), state);
            assert_eq!(get("code_challenge_method"), "S256");
            assert_eq!(
                get("redirect_uri"),
                "https://tandem.example/auth/salesforce/callback"
            );
            assert_eq!(get("client_id"), "client");
            assert!(verifier.expose_secret().len() >= 43);
            assert!(!url.as_str().contains("geheim"));
            assert!(!url.as_str().contains(verifier.expose_secret()));
        }
    }

    #[test]
    fn other_hosts_get_nothing() {
        let app = app();
        for host in [
            "https://login.salesforce.com.evil.example/",
            "http://login.salesforce.com/",
            "https://login.salesforce.com:8443/",
            "https://evil.example/",
        ] {
            let host = Url::parse(host).unwrap();
            assert!(app.authorize_url(&host, Purpose::SignIn).is_err(), "{host}");
        }
        for (url, trusted) in [
            ("https://acme.my.salesforce.com", true),
            ("https://acme--dev.sandbox.my.salesforce.com/x", true),
            ("https://login.salesforce.com/id/x", true),
            ("https://salesforce.com.evil.example", false),
            ("https://evilsalesforce.com", false),
            ("http://acme.my.salesforce.com", false),
            ("https://acme.my.salesforce.com:8443", false),
            ("https://user@evil.example/.salesforce.com", false),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(app.check_trusted(&url).is_ok(), trusted, "{url}");
        }
    }

    #[test]
    fn the_identity_url_names_org_and_user() {
        let ids = |text: &str| ids_of(&Url::parse(text).unwrap()).ok();
        let (org, user) = ids("https://login.salesforce.com/id/00D000000000001/005000000000001").unwrap();
        assert_eq!(
            (org.as_str(), user.as_str()),
            ("00D000000000001EAA", "005000000000001AAA")
        );
        for wrong in [
            "https://login.salesforce.com/id/005000000000001/00D000000000001",
            "https://login.salesforce.com/x/00D000000000001/005000000000001",
            "https://login.salesforce.com/",
        ] {
            assert!(ids(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn errors_have_their_kinds() {
        let kind = |code: &str| refusal(&BasicErrorResponseType::Extension(code.to_owned())).kind;
        assert_eq!(
            refusal(&BasicErrorResponseType::InvalidGrant).kind,
            FaultKind::SignInEnded
        );
        assert_eq!(kind("inactive_user"), FaultKind::SignInEnded);
        assert_eq!(kind("inactive_org"), FaultKind::SignInEnded);
        assert_eq!(
            refusal(&BasicErrorResponseType::InvalidClient).kind,
            FaultKind::Fatal
        );
        assert_eq!(kind("invalid_client_id"), FaultKind::Fatal);
        assert!(matches!(
            kind("rate_limit_exceeded"),
            FaultKind::RateLimited { .. }
        ));
        let odd = refusal(&BasicErrorResponseType::Extension("Token=secret".to_owned()));
        assert!(!odd.to_string().contains("secret"));
    }

    #[test]
    fn nothing_secret_is_shown() {
        let tokens = TokenSet {
            access: SecretString::from("geheim"),
            refresh: Some(SecretString::from("geheim")),
            instance_url: Url::parse("https://a.my.salesforce.com").unwrap(),
            id_url: Url::parse("https://a.my.salesforce.com/id/x/y").unwrap(),
            issued_at: Timestamp::default(),
            scope: Vec::new(),
        };
        assert!(!format!("{tokens:?} {:?}", app()).contains("geheim"));
    }
}
