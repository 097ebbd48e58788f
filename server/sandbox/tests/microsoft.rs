//! Microsoft's sign-in, asked over plain HTTP as a browser and an application would.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeMap;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use rustls_pki_types::alg_id;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tandem_sandbox::{Options, Sandbox, UserInfo};

const CALLBACK: &str = "http://localhost:9999/auth/microsoft/callback";
const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters-0123456789";
const SCOPES: &str = "openid profile offline_access User.Read Mail.ReadWrite";

struct Got {
    status: u16,
    headers: http::HeaderMap,
    text: String,
}

impl Got {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
    }

    fn location(&self) -> String {
        self.header("location").to_owned()
    }

    /// One pair of the redirect's query.
    #[track_caller]
    fn back(&self, name: &str) -> String {
        assert_eq!(self.status, 302, "{}", self.text);
        let url = url::Url::parse(&self.location()).unwrap();
        assert!(self.location().starts_with(CALLBACK), "{url}");
        let pair = url.query_pairs().find(|(n, _)| n == name);
        pair.map(|(_, v)| v.into_owned()).unwrap_or_default()
    }

    /// The first value of an attribute, as a form of the page holds it.
    #[track_caller]
    fn hidden(&self, name: &str) -> String {
        let at = self.text.split(&format!("name=\"{name}\" value=\"")).nth(1);
        let value = at.unwrap_or_else(|| panic!("no {name}: {}", self.text));
        value.split('"').next().unwrap().to_owned()
    }

    /// `AADSTS` number of a page, a redirect's description or a JSON answer.
    #[track_caller]
    fn number(&self) -> u64 {
        let text = if self.status == 302 {
            self.back("error_description")
        } else {
            self.text.clone()
        };
        let after = text.split("AADSTS").nth(1);
        let after = after.unwrap_or_else(|| panic!("no number: {} {text}", self.status));
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    }
}

/// A sandbox and one browser.
struct World {
    sandbox: Sandbox,
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    cookies: Mutex<BTreeMap<String, String>>,
}

fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

impl World {
    async fn start() -> Self {
        let sandbox = Sandbox::start(Options::default()).await.unwrap();
        let base = sandbox.info().microsoft.http.clone();
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        Self {
            sandbox,
            client,
            base,
            cookies: Mutex::default(),
        }
    }

    fn user(&self, n: usize) -> UserInfo {
        self.sandbox.info().users[n].clone()
    }

    fn new_browser(&self) {
        self.cookies.lock().unwrap().clear();
    }

    async fn send(&self, method: &str, path: &str, body: String) -> Got {
        let cookies: Vec<String> = self
            .cookies
            .lock()
            .unwrap()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        if method == "POST" {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let response = self.client.request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = body.collect().await.unwrap().to_bytes();
        for cookie in parts.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.contains("HttpOnly"));
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies
                .lock()
                .unwrap()
                .insert(name.to_owned(), value.to_owned());
        }
        Got {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(text.to_vec()).unwrap(),
        }
    }

    async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, value) = self.sandbox.control(method, path, body).await;
        assert!(status < 300, "{method} {path}: {status} {value}");
        value
    }

    async fn settings(&self, change: Value) {
        self.control("PUT", "/microsoft/settings", change).await;
    }

    async fn set_user(&self, n: usize, change: Value) -> Value {
        let path = format!("/microsoft/users/{}", self.user(n).microsoft_username);
        self.control("PUT", &path, change).await
    }

    /// The authorization request, with changes: an empty value takes a pair away.
    fn query(&self, change: &[(&str, &str)]) -> String {
        let challenge = challenge();
        let mut pairs: Vec<(&str, &str)> = vec![
            ("client_id", &self.sandbox.info().microsoft_client.id),
            ("response_type", "code"),
            ("redirect_uri", CALLBACK),
            ("scope", SCOPES),
            ("state", "s&t"),
            ("nonce", "once"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        pairs.retain(|(name, _)| !change.iter().any(|(n, _)| n == name));
        pairs.extend(change.iter().filter(|(_, v)| !v.is_empty()));
        form(&pairs)
    }

    async fn authorize_at(&self, tenant: &str, change: &[(&str, &str)]) -> Got {
        let query = self.query(change);
        self.send(
            "GET",
            &format!("/{tenant}/oauth2/v2.0/authorize?{query}"),
            String::new(),
        )
        .await
    }

    async fn authorize(&self, change: &[(&str, &str)]) -> Got {
        self.authorize_at("organizations", change).await
    }

    /// Posts a form of a page; the context and the address come from it.
    async fn post(&self, page: &Got, pairs: &[(&str, &str)]) -> Got {
        let action = page
            .text
            .split("action=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        let context = page.hidden("ctx");
        let mut all = vec![("ctx", context.as_str())];
        all.extend(pairs);
        self.send("POST", action, form(&all)).await
    }

    async fn log_in(&self, page: &Got, username: &str, password: &str) -> Got {
        self.post(page, &[("loginfmt", username), ("passwd", password)])
            .await
    }

    async fn accept(&self, page: &Got) -> Got {
        assert!(page.text.contains("Permissions requested"), "{}", page.text);
        self.post(page, &[("ucaccept", "Yes")]).await
    }

    /// A whole first sign-in: the code.
    async fn code(&self, n: usize) -> String {
        self.new_browser();
        let user = self.user(n);
        let page = self.authorize(&[]).await;
        let mut next = self
            .log_in(&page, &user.microsoft_username, &user.microsoft_password)
            .await;
        if next.status == 200 {
            next = self.accept(&next).await;
        }
        let code = next.back("code");
        assert!(!code.is_empty(), "{}", next.location());
        code
    }

    /// The token request of a code, with changes.
    async fn redeem_at(&self, tenant: &str, code: &str, change: &[(&str, &str)]) -> Got {
        let client = &self.sandbox.info().microsoft_client;
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("client_id", client.id.as_str()),
            ("client_secret", client.secret.as_str()),
            ("redirect_uri", CALLBACK),
            ("code", code),
            ("code_verifier", VERIFIER),
        ];
        pairs.retain(|(name, _)| !change.iter().any(|(n, _)| n == name));
        pairs.extend(change.iter().filter(|(_, v)| !v.is_empty()));
        self.send("POST", &format!("/{tenant}/oauth2/v2.0/token"), form(&pairs))
            .await
    }

    async fn redeem(&self, code: &str, change: &[(&str, &str)]) -> Got {
        self.redeem_at("organizations", code, change).await
    }

    async fn tokens(&self, n: usize) -> Value {
        let got = self.redeem(&self.code(n).await, &[]).await;
        assert_eq!(got.status, 200, "{}", got.text);
        got.json()
    }

    async fn refresh(&self, token: &str, change: &[(&str, &str)]) -> Got {
        let mut all = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("redirect_uri", ""),
            ("code", ""),
            ("code_verifier", ""),
        ];
        all.extend(change);
        self.redeem("", &all).await
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name}: {value}"))
        .to_owned()
}

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Status, `error` and the number of a token endpoint's refusal, whose shape is checked.
#[track_caller]
fn refusal(got: &Got) -> (u16, String, u64) {
    let body = got.json();
    let description = text(&body, "error_description");
    let number = body["error_codes"][0].as_u64().unwrap();
    assert!(
        description.starts_with(&format!("AADSTS{number}: ")),
        "{description}"
    );
    for (name, label) in [
        ("trace_id", "Trace ID: "),
        ("correlation_id", "Correlation ID: "),
        ("timestamp", "Timestamp: "),
    ] {
        assert!(
            description.contains(&format!("{label}{}", text(&body, name))),
            "{body}"
        );
    }
    assert!(got.header("cache-control").contains("no-store"));
    (got.status, text(&body, "error"), number)
}

#[tokio::test]
async fn a_first_sign_in_from_page_to_page() {
    let world = World::start().await;
    let user = world.user(0);
    let page = world.authorize(&[("login_hint", &user.microsoft_username)]).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("<h1>Sign in</h1>") && !page.text.contains("<script"));
    assert_eq!(
        page.hidden("loginfmt\" type=\"email\" autocomplete=\"username"),
        user.microsoft_username
    );
    assert!(
        page.header("content-security-policy")
            .contains("frame-ancestors 'none'")
    );
    assert!(
        page.header("content-security-policy")
            .contains("default-src 'none'")
    );

    let wrong = world.log_in(&page, &user.microsoft_username, "nonsense").await;
    assert!(wrong.text.contains("id=\"error\"") && wrong.header("set-cookie").is_empty());
    let consent = world
        .log_in(&wrong, &user.microsoft_username, &user.microsoft_password)
        .await;
    assert!(
        consent.text.contains("Read and write access to your mail"),
        "{}",
        consent.text
    );
    assert!(
        consent
            .text
            .contains("Maintain access to data you have given it access to")
    );
    assert!(!consent.text.contains("calendars"));
    let end = world.accept(&consent).await;
    assert_eq!(end.back("state"), "s&t");

    let got = world.redeem(&end.back("code"), &[]).await;
    let tokens = got.json();
    assert_eq!(text(&tokens, "token_type"), "Bearer");
    assert_eq!(text(&tokens, "scope"), "openid profile User.Read Mail.ReadWrite");
    assert_eq!(tokens["expires_in"], 4500);
    let id = claims(&text(&tokens, "id_token"));
    let info = world.sandbox.info();
    assert_eq!(id["aud"], json!(info.microsoft_client.id));
    assert_eq!(
        id["iss"],
        json!(format!("{}/{}/v2.0", info.microsoft.http, info.tenant_id))
    );
    assert_eq!(id["tid"], json!(info.tenant_id));
    assert_eq!(id["nonce"], "once");
    assert_eq!(id["preferred_username"], json!(user.microsoft_username));
    assert_eq!(id["name"], json!(user.name));

    // The browser is signed in and has consented: nothing is asked a second time, unless it is wanted so.
    let again = world.authorize(&[]).await;
    assert!(!again.back("code").is_empty() && again.back("code") != end.back("code"));
    assert!(
        !world
            .authorize(&[("prompt", "none")])
            .await
            .back("code")
            .is_empty()
    );
    let more = world.authorize(&[("scope", "openid Contacts.ReadWrite")]).await;
    assert!(more.text.contains("Permissions requested"), "{}", more.text);
    let consent = world.authorize(&[("prompt", "consent")]).await;
    assert!(!world.accept(&consent).await.back("code").is_empty());
    assert!(
        world
            .authorize(&[("prompt", "login")])
            .await
            .text
            .contains("Sign in")
    );

    let counters = world.control("GET", "/counters", Value::Null).await;
    assert_eq!(counters["microsoft"]["logins"], 1);
    assert_eq!(counters["microsoft"]["failed_logins"], 1);
    assert_eq!(counters["microsoft"]["redeemed"], 1);
    assert_eq!(counters["microsoft"]["by_operation"]["token"], 1);
    let log = world.control("GET", "/log", Value::Null).await;
    let login = log.as_array().unwrap().iter().find(|e| e["operation"] == "login");
    assert_eq!(login.unwrap()["user"], json!(user.microsoft_username));
    assert_eq!(login.unwrap()["service"], "microsoft");
}

#[tokio::test]
async fn several_accounts_in_one_browser() {
    let world = World::start().await;
    let (nina, other) = (world.user(0), world.user(1));
    world.code(0).await;
    // A hint of somebody else leads to the login page, and binds nobody to it.
    let page = world
        .authorize(&[("login_hint", &other.microsoft_username)])
        .await;
    assert!(page.text.contains("Sign in"));
    let consent = world
        .log_in(&page, &other.microsoft_username, &other.microsoft_password)
        .await;
    let tokens = world
        .redeem(&world.accept(&consent).await.back("code"), &[])
        .await
        .json();
    let id = claims(&text(&tokens, "id_token"));
    assert_eq!(id["preferred_username"], json!(other.microsoft_username));

    let picker = world.authorize(&[]).await;
    assert!(picker.text.contains("Pick an account") && picker.text.contains(&nina.microsoft_username));
    let none = world.authorize(&[("prompt", "none")]).await;
    assert_eq!(
        (none.back("error").as_str(), none.number()),
        ("interaction_required", 16_000)
    );
    let code = world
        .post(&picker, &[("account", &nina.microsoft_username)])
        .await
        .back("code");
    let id = claims(&text(&world.redeem(&code, &[]).await.json(), "id_token"));
    assert_eq!(id["preferred_username"], json!(nina.microsoft_username));
    let hinted = world.authorize(&[("login_hint", &nina.microsoft_username)]).await;
    assert!(!hinted.back("code").is_empty());
    let picker = world.authorize(&[("prompt", "select_account")]).await;
    let page = world.post(&picker, &[("other", "1")]).await;
    assert!(page.text.contains("Sign in"));
    // An account that this browser has not proved is not had by its name.
    let third = world.user(2).microsoft_username;
    let picker = world.authorize(&[]).await;
    assert!(
        world
            .post(&picker, &[("account", &third)])
            .await
            .text
            .contains("Sign in")
    );

    world
        .send("GET", "/organizations/oauth2/v2.0/logout", String::new())
        .await;
    assert_eq!(world.authorize(&[("prompt", "none")]).await.number(), 50_058);
}

#[tokio::test]
async fn consent_can_be_refused_and_belongs_to_the_browser() {
    let world = World::start().await;
    let user = world.user(0);
    let page = world.authorize(&[]).await;
    let consent = world
        .log_in(&page, &user.microsoft_username, &user.microsoft_password)
        .await;
    // Another browser with the form's content has proved nothing.
    let cookies = std::mem::take(&mut *world.cookies.lock().unwrap());
    let stolen = world.post(&consent, &[("ucaccept", "Yes")]).await;
    assert_eq!((stolen.status, stolen.number()), (400, 90_014));
    *world.cookies.lock().unwrap() = cookies;

    let no = world.post(&consent, &[("ucaccept", "No")]).await;
    assert_eq!(no.back("error"), "access_denied");
    assert_eq!(no.back("error_subcode"), "cancel");
    assert_eq!(no.back("state"), "s&t");
    assert_eq!(no.number(), 65_004);
    // That sign-in is over.
    assert_eq!(
        world.post(&consent, &[("ucaccept", "Yes")]).await.number(),
        90_014
    );
    let none = world.authorize(&[("prompt", "none")]).await;
    assert_eq!(
        (none.back("error").as_str(), none.number()),
        ("consent_required", 65_001)
    );
}

#[tokio::test]
async fn an_administrator_may_have_to_agree() {
    let world = World::start().await;
    let user = world.user(0);
    let admin = world.sandbox.info().administrator.clone();
    world.settings(json!({ "admin_consent": true })).await;
    let page = world.authorize(&[]).await;
    let approval = world
        .log_in(&page, &user.microsoft_username, &user.microsoft_password)
        .await;
    assert!(approval.text.contains("Need admin approval"), "{}", approval.text);
    // The page's answer is not a way around it.
    assert!(
        world
            .post(&approval, &[("ucaccept", "Yes")])
            .await
            .text
            .contains("Need admin approval")
    );
    let back = world.post(&approval, &[("ucaccept", "Return")]).await;
    assert_eq!(
        (back.back("error").as_str(), back.number()),
        ("consent_required", 90_094)
    );

    let scope = format!("https://graph.microsoft.com/Mail.ReadWrite {SCOPES}");
    let asked = form(&[
        ("client_id", &world.sandbox.info().microsoft_client.id),
        ("redirect_uri", CALLBACK),
        ("scope", &scope),
        ("state", "s&t"),
    ]);
    let path = "/organizations/v2.0/adminconsent";
    let page = world.send("GET", &format!("{path}?{asked}"), String::new()).await;
    assert!(
        page.text.contains("for everybody in your organization"),
        "{}",
        page.text
    );
    assert_eq!(page.hidden("scope"), scope);
    let post =
        async |more: &[(&str, &str)]| world.send("POST", path, format!("{asked}&{}", form(more))).await;
    let refused = post(&[
        ("loginfmt", &user.microsoft_username),
        ("passwd", &user.microsoft_password),
    ])
    .await;
    assert_eq!((refused.status, refused.number()), (200, 90_094));
    let done = post(&[("loginfmt", &admin.username), ("passwd", &admin.password)]).await;
    assert_eq!(done.back("admin_consent"), "True");
    assert_eq!(done.back("tenant"), world.sandbox.info().tenant_id);
    assert_eq!(done.back("state"), "s&t");
    let cancel = post(&[("cancel", "1")]).await;
    assert_eq!(cancel.back("error"), "permission_denied");
    // Nobody is asked any more.
    assert!(!world.authorize(&[]).await.back("code").is_empty());

    // A permission that only administrators can give needs one without any setting.
    world.settings(json!({ "admin_consent": false })).await;
    let page = world.authorize(&[("scope", "openid User.Read.All")]).await;
    assert!(page.text.contains("Need admin approval"), "{}", page.text);
    let login = world.post(&page, &[("ucaccept", "Other")]).await;
    let page = world.log_in(&login, &admin.username, &admin.password).await;
    let end = world
        .post(&page, &[("ucaccept", "Yes"), ("everybody", "1")])
        .await;
    assert!(!end.back("code").is_empty());
    let picker = world.authorize(&[("scope", "openid User.Read.All")]).await;
    assert!(
        !world
            .post(&picker, &[("account", &user.microsoft_username)])
            .await
            .back("code")
            .is_empty()
    );
}

#[tokio::test]
async fn authorization_requests_are_checked() {
    let world = World::start().await;
    // Where the user would go is not certain: a page, never a redirect.
    for (change, number) in [
        (("client_id", ""), 900_144),
        (("client_id", "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"), 700_016),
        (("redirect_uri", ""), 900_144),
        (("redirect_uri", "https://evil.example/cb"), 50_011),
        (("response_mode", "form_post"), 9_002_313),
    ] {
        let got = world.authorize(&[change]).await;
        assert_eq!((got.status, got.number()), (400, number), "{change:?}");
        assert!(got.location().is_empty());
    }
    for (change, error, number) in [
        (("response_type", ""), "invalid_request", 900_144),
        (
            ("response_type", "id_token"),
            "unsupported_response_type",
            700_054,
        ),
        (("scope", ""), "invalid_request", 900_144),
        (("scope", "openid Mail.Nonsense"), "invalid_client", 650_053),
        (("prompt", "nonsense"), "invalid_request", 90_023),
        (("claims", "[1]"), "invalid_request", 9_002_313),
        (("code_challenge", ""), "invalid_request", 9_002_325),
        (("code_challenge", "short"), "invalid_request", 501_491),
        (("code_challenge_method", ""), "invalid_request", 50_149),
        (("code_challenge_method", "plain"), "invalid_request", 50_149),
        (("prompt", "none"), "login_required", 50_058),
    ] {
        let got = world.authorize(&[change]).await;
        assert_eq!(
            (got.back("error").as_str(), got.number()),
            (error, number),
            "{change:?}"
        );
        assert_eq!(got.back("state"), "s&t");
    }
    let hostile = world
        .authorize(&[("login_hint", "\"><script>alert(1)</script>")])
        .await;
    assert!(hostile.status == 200 && !hostile.text.contains("<script"));
}

#[tokio::test]
async fn tenants_let_in_their_own() {
    let world = World::start().await;
    let info = world.sandbox.info().clone();
    let stranger = &info.stranger;
    let unknown = world.authorize_at("elsewhere.example", &[]).await;
    assert_eq!((unknown.status, unknown.number()), (400, 90_002));
    let code = world.code(0).await;
    let got = world.redeem_at("elsewhere.example", &code, &[]).await;
    assert_eq!(refusal(&got), (400, "invalid_request".to_owned(), 90_002));
    let got = world.redeem_at(&stranger.tenant_id, &code, &[]).await;
    assert_eq!(refusal(&got), (400, "invalid_grant".to_owned(), 700_005));
    assert_eq!(
        world
            .redeem_at(&info.autodiscover_domain, &code, &[])
            .await
            .status,
        200
    );

    for tenant in [info.tenant_id.as_str(), &info.autodiscover_domain, "consumers"] {
        world.new_browser();
        let page = world.authorize_at(tenant, &[]).await;
        let got = world.log_in(&page, &stranger.username, &stranger.password).await;
        assert_eq!((got.status, got.number()), (400, 50_020), "{tenant}");
    }
    world.new_browser();
    let page = world.authorize_at("common", &[]).await;
    let consent = world.log_in(&page, &stranger.username, &stranger.password).await;
    let tokens = world
        .redeem_at("common", &world.accept(&consent).await.back("code"), &[])
        .await
        .json();
    let id = claims(&text(&tokens, "id_token"));
    assert_eq!(id["tid"], json!(stranger.tenant_id));

    let document = |tenant: &str| format!("/{tenant}/v2.0/.well-known/openid-configuration");
    let own = world
        .send("GET", &document(&info.autodiscover_domain), String::new())
        .await
        .json();
    assert_eq!(
        text(&own, "issuer"),
        format!("{}/{}/v2.0", world.base, info.tenant_id)
    );
    let any = world
        .send("GET", &document("organizations"), String::new())
        .await
        .json();
    assert_eq!(text(&any, "issuer"), format!("{}/{{tenantid}}/v2.0", world.base));
    assert_eq!(
        world
            .send("GET", &document("nowhere.example"), String::new())
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn id_tokens_are_signed_by_the_published_key() {
    let world = World::start().await;
    let tokens = world.tokens(0).await;
    let id = text(&tokens, "id_token");
    let document = world
        .send(
            "GET",
            "/common/v2.0/.well-known/openid-configuration",
            String::new(),
        )
        .await
        .json();
    let keys = text(&document, "jwks_uri");
    let path = keys.strip_prefix(&world.base).unwrap();
    let keys = world.send("GET", path, String::new()).await.json();
    let key = &keys["keys"][0];
    let (signed, signature) = id.rsplit_once('.').unwrap();
    let header = id.split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    assert_eq!(header["kid"], key["kid"]);
    assert_eq!(header["alg"], "RS256");

    // RSAPublicKey of RFC 8017, from the numbers of the document.
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(key, name)).unwrap();
    let integer = |mut digits: Vec<u8>| {
        if digits[0] >= 0x80 {
            digits.insert(0, 0);
        }
        element(0x02, &digits)
    };
    let public = element(0x30, &[integer(bytes("n")), integer(bytes("e"))].concat());
    let provider = rustls::crypto::ring::default_provider();
    let algorithm = provider
        .signature_verification_algorithms
        .all
        .iter()
        .find(|a| {
            a.public_key_alg_id() == alg_id::RSA_ENCRYPTION
                && a.signature_alg_id() == alg_id::RSA_PKCS1_SHA256
        })
        .unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    assert!(
        algorithm
            .verify_signature(&public, signed.as_bytes(), &signature)
            .is_ok()
    );
    let other = format!("{signed}x");
    assert!(
        algorithm
            .verify_signature(&public, other.as_bytes(), &signature)
            .is_err()
    );
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    if let Ok(short @ 0..=0x7f) = u8::try_from(length) {
        out.push(short);
    } else {
        let [high, low] = u16::try_from(length).unwrap().to_be_bytes();
        out.extend([0x82, high, low]);
    }
    out.extend(content);
    out
}

#[tokio::test]
async fn a_code_is_good_once_for_its_client_its_callback_and_its_verifier() {
    let world = World::start().await;
    let code = world.code(0).await;
    for (change, status, error, number) in [
        (("grant_type", ""), 400, "invalid_request", 900_144),
        (("grant_type", "password"), 400, "unsupported_grant_type", 70_003),
        (("client_id", ""), 400, "invalid_request", 900_144),
        (
            ("client_id", "11111111-2222-4333-8444-555555555555"),
            400,
            "unauthorized_client",
            700_016,
        ),
        (("client_secret", ""), 401, "invalid_client", 7_000_218),
        (("client_secret", "wrong"), 401, "invalid_client", 7_000_215),
        (
            ("redirect_uri", "http://localhost:9999/elsewhere"),
            401,
            "invalid_client",
            500_112,
        ),
        (("redirect_uri", ""), 400, "invalid_request", 900_144),
        (("code", "1.nonsense"), 400, "invalid_grant", 9_002_313),
        (("code", ""), 400, "invalid_request", 900_144),
        (("code_verifier", ""), 400, "invalid_grant", 50_148),
        (
            (
                "code_verifier",
                "another-verifier-of-at-least-forty-three-characters",
            ),
            400,
            "invalid_grant",
            501_481,
        ),
        (("code_verifier", &challenge()), 400, "invalid_grant", 501_481),
    ] {
        let got = world.redeem(&code, &[change]).await;
        assert_eq!(refusal(&got), (status, error.to_owned(), number), "{change:?}");
    }
    let get = world
        .send("GET", "/organizations/oauth2/v2.0/token", String::new())
        .await;
    assert_eq!(refusal(&get).2, 900_561);
    world.settings(json!({ "secret_expired": true })).await;
    assert_eq!(refusal(&world.redeem(&code, &[]).await).2, 7_000_222);
    world.settings(json!({ "secret_expired": false })).await;

    assert_eq!(world.redeem(&code, &[]).await.status, 200);
    let again = world.redeem(&code, &[]).await;
    assert_eq!(refusal(&again), (400, "invalid_grant".to_owned(), 54_005));

    let late = world.code(0).await;
    world.control("POST", "/clock", json!({ "advance_s": 601 })).await;
    assert_eq!(refusal(&world.redeem(&late, &[]).await).2, 70_008);

    // As Microsoft itself is: neither S256 nor a challenge is asked of a client with a secret.
    world.settings(json!({ "require_s256": false })).await;
    let page = world
        .authorize(&[("code_challenge", VERIFIER), ("code_challenge_method", "")])
        .await;
    assert_eq!(world.redeem(&page.back("code"), &[]).await.status, 200);
    let page = world
        .authorize(&[("code_challenge", ""), ("code_challenge_method", "")])
        .await;
    assert_eq!(
        world
            .redeem(&page.back("code"), &[("code_verifier", "")])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn each_refresh_brings_a_new_token_and_the_old_ones_stay() {
    let world = World::start().await;
    let first = world.tokens(0).await;
    let old = text(&first, "refresh_token");
    let second = world.refresh(&old, &[]).await.json();
    let new = text(&second, "refresh_token");
    assert!(new != old && text(&second, "access_token") != text(&first, "access_token"));
    // No nonce: it belongs to a sign-in.
    assert_eq!(claims(&text(&second, "id_token"))["nonce"], Value::Null);
    assert_eq!(world.refresh(&old, &[]).await.status, 200);
    assert_eq!(world.refresh(&new, &[]).await.status, 200);

    let some = world.refresh(&new, &[("scope", "User.Read")]).await.json();
    assert_eq!(text(&some, "scope"), "User.Read");
    assert!(some.get("id_token").is_none() && some.get("refresh_token").is_none());
    let more = world.refresh(&new, &[("scope", "Contacts.ReadWrite")]).await;
    assert_eq!(refusal(&more), (400, "invalid_grant".to_owned(), 65_001));
    let odd = world.refresh(&new, &[("scope", "Mail.Nonsense")]).await;
    assert_eq!(refusal(&odd), (400, "invalid_scope".to_owned(), 70_011));
    assert_eq!(refusal(&world.refresh("1.nonsense", &[]).await).2, 9_002_313);

    // Ninety days without use.
    let fresh = text(&world.refresh(&new, &[]).await.json(), "refresh_token");
    world
        .control("POST", "/clock", json!({ "advance_s": 89 * 24 * 3600 }))
        .await;
    let last = text(&world.refresh(&fresh, &[]).await.json(), "refresh_token");
    world
        .control("POST", "/clock", json!({ "advance_s": 2 * 24 * 3600 }))
        .await;
    let over = world.refresh(&fresh, &[]).await;
    assert_eq!(refusal(&over), (400, "invalid_grant".to_owned(), 700_082));
    assert_eq!(world.refresh(&last, &[]).await.status, 200);
}

#[tokio::test]
async fn a_grant_ends_in_every_way() {
    let world = World::start().await;
    let user = world.user(0).microsoft_username;
    let path = |what: &str| format!("/microsoft/users/{user}/{what}");
    let token = async || text(&world.tokens(0).await, "refresh_token");

    let one = token().await;
    let ended = world.control("POST", &path("revoke_all"), Value::Null).await;
    assert_eq!(ended["revoked"], 1);
    assert_eq!(
        refusal(&world.refresh(&one, &[]).await),
        (400, "invalid_grant".to_owned(), 50_173)
    );
    // The browser as well.
    assert_eq!(world.authorize(&[("prompt", "none")]).await.number(), 50_058);

    let two = token().await;
    world.control("POST", &path("forget_consent"), Value::Null).await;
    let got = world.refresh(&two, &[]).await;
    assert_eq!(refusal(&got), (400, "invalid_grant".to_owned(), 65_001));
    assert_eq!(got.json()["suberror"], "consent_required");

    let three = token().await;
    world.set_user(0, json!({ "blocked": true })).await;
    assert_eq!(
        refusal(&world.refresh(&three, &[]).await),
        (400, "invalid_grant".to_owned(), 50_057)
    );
    assert_eq!(world.authorize(&[("prompt", "none")]).await.number(), 50_058);
    let page = world.authorize(&[]).await;
    let page = world
        .log_in(&page, &user, &world.user(0).microsoft_password)
        .await;
    assert!(
        page.text.contains("Your account has been locked"),
        "{}",
        page.text
    );
    world.set_user(0, json!({ "blocked": false })).await;
    assert_eq!(world.refresh(&three, &[]).await.status, 200);

    world.set_user(0, json!({ "password": "New-Password-1" })).await;
    assert_eq!(refusal(&world.refresh(&three, &[]).await).2, 50_173);
    world.new_browser();
    let page = world.authorize(&[]).await;
    let page = world
        .log_in(&page, &user, &world.user(0).microsoft_password)
        .await;
    assert!(page.text.contains("password is incorrect"), "{}", page.text);
    assert!(
        !world
            .log_in(&page, &user, "New-Password-1")
            .await
            .back("code")
            .is_empty()
    );
}

#[tokio::test]
async fn conditional_access_asks_for_more() {
    let world = World::start().await;
    let tokens = world.tokens(0).await;
    let refresh = text(&tokens, "refresh_token");
    world.set_user(0, json!({ "conditional_access": true })).await;
    let got = world.refresh(&refresh, &[]).await;
    assert_eq!(refusal(&got), (400, "interaction_required".to_owned(), 50_076));
    assert_eq!(got.json()["suberror"], "basic_action");
    let wanted = text(&got.json(), "claims");
    assert!(wanted.contains("capolids"), "{wanted}");
    world.settings(json!({ "demand_error": "invalid_grant" })).await;
    let got = world.refresh(&refresh, &[]).await;
    assert_eq!(refusal(&got), (400, "invalid_grant".to_owned(), 50_076));
    assert_eq!(text(&got.json(), "claims"), wanted);

    // A sign-in that does not pass the claims on gains nothing.
    let code = world.authorize(&[]).await.back("code");
    assert_eq!(refusal(&world.redeem(&code, &[]).await).2, 50_076);
    let silent = world.authorize(&[("claims", &wanted), ("prompt", "none")]).await;
    assert_eq!(
        (silent.back("error").as_str(), silent.number()),
        ("interaction_required", 50_076)
    );
    assert_eq!(silent.back("claims"), wanted);
    let page = world.authorize(&[("claims", &wanted)]).await;
    assert!(page.text.contains("Approve sign in request"), "{}", page.text);
    let code = world.post(&page, &[]).await.back("code");
    let tokens = world.redeem(&code, &[]).await.json();
    let refresh = text(&tokens, "refresh_token");
    assert_eq!(world.refresh(&refresh, &[]).await.status, 200);
    // The next policy is another one.
    world.set_user(0, json!({ "conditional_access": true })).await;
    assert_eq!(refusal(&world.refresh(&refresh, &[]).await).2, 50_076);
    world.set_user(0, json!({ "conditional_access": false })).await;
    assert_eq!(world.refresh(&refresh, &[]).await.status, 200);
}

#[tokio::test]
async fn faults_and_forgeries() {
    let world = World::start().await;
    let user = world.user(0);
    let refresh = text(&world.tokens(0).await, "refresh_token");
    world
        .control(
            "POST",
            "/faults",
            json!({ "service": "microsoft", "operation": "refresh", "user": user.microsoft_username,
                    "kind": "throttle", "ms": 4200, "times": 1 }),
        )
        .await;
    let busy = world.refresh(&refresh, &[]).await;
    assert_eq!(
        refusal(&busy),
        (503, "temporarily_unavailable".to_owned(), 90_006)
    );
    assert_eq!(busy.header("retry-after"), "5");
    assert_eq!(world.refresh(&refresh, &[]).await.status, 200);

    world
        .control(
            "POST",
            "/faults",
            json!({ "service": "microsoft", "operation": "login", "kind": "credentials_wrong", "times": 1 }),
        )
        .await;
    world.new_browser();
    let page = world.authorize(&[]).await;
    let page = world
        .log_in(&page, &user.microsoft_username, &user.microsoft_password)
        .await;
    assert!(page.text.contains("password is incorrect"));

    let forged = json!({ "nonce": null, "tid": "11111111-2222-4333-8444-555555555555", "aud": "somebody" });
    world.control("POST", "/microsoft/forge", forged).await;
    let id = claims(&text(&world.refresh(&refresh, &[]).await.json(), "id_token"));
    assert_eq!(id["tid"], "11111111-2222-4333-8444-555555555555");
    assert_eq!(id["aud"], "somebody");
    let id = claims(&text(&world.refresh(&refresh, &[]).await.json(), "id_token"));
    assert_eq!(id["tid"], json!(world.sandbox.info().tenant_id));
}

#[tokio::test]
async fn everything_issued_is_listed() {
    let world = World::start().await;
    let code = world.code(0).await;
    let tokens = world.redeem(&code, &[]).await.json();
    let again = world.refresh(&text(&tokens, "refresh_token"), &[]).await.json();
    let issued = world
        .control(
            "POST",
            "/microsoft/issue",
            json!({ "user": world.user(1).mailbox, "life_s": 60 }),
        )
        .await;
    let listed = world.control("GET", "/microsoft/tokens", Value::Null).await;
    let has = |kind: &str, value: &str| {
        let found = listed
            .as_array()
            .unwrap()
            .iter()
            .any(|t| t["kind"] == kind && t["value"] == value);
        assert!(found, "{kind}");
    };
    has("code", &code);
    for answer in [&tokens, &again, &issued] {
        has("access_token", &text(answer, "access_token"));
        has("refresh_token", &text(answer, "refresh_token"));
    }
    has("id_token", &text(&tokens, "id_token"));
    has("session", &world.cookies.lock().unwrap()["ESTSAUTH"]);
    assert_eq!(
        world.refresh(&text(&issued, "refresh_token"), &[]).await.status,
        200
    );
}

#[tokio::test]
async fn control_refuses_what_it_does_not_know() {
    let world = World::start().await;
    let user = world.user(0).microsoft_username;
    let path = format!("/microsoft/users/{user}");
    for (method, path, body, status) in [
        ("PUT", "/microsoft/settings", json!({ "nonsense": 1 }), 400),
        ("PUT", "/microsoft/settings", json!({ "token_life_s": -1 }), 400),
        ("PUT", "/microsoft/settings", json!({ "demand_error": "x" }), 400),
        ("PUT", path.as_str(), json!({ "nonsense": 1 }), 400),
        ("PUT", path.as_str(), json!({ "blocked": "yes" }), 400),
        (
            "PUT",
            path.as_str(),
            json!({ "username": world.user(1).microsoft_username }),
            400,
        ),
        (
            "PUT",
            path.as_str(),
            json!({ "consented": ["Mail.Nonsense"] }),
            400,
        ),
        ("GET", "/microsoft/users/nobody@contoso.example", Value::Null, 404),
        ("POST", "/microsoft/issue", json!({}), 400),
        ("GET", "/microsoft/nonsense", Value::Null, 404),
    ] {
        let (got, value) = world.sandbox.control(method, path, body.clone()).await;
        assert_eq!(got, status, "{method} {path} {body}: {value}");
    }
    // The name at the login page need not be the mail address.
    world
        .set_user(0, json!({ "username": "nberg@contoso.example" }))
        .await;
    let shown = world
        .control("GET", "/microsoft/users/nberg@contoso.example", Value::Null)
        .await;
    assert_eq!(shown["mail"], json!(user));
    assert_eq!(world.send("GET", "/nonsense", String::new()).await.status, 404);
}
