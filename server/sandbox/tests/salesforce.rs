//! The Salesforce half of the sandbox, asked over plain HTTP as any client would.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tandem_sandbox::{Options, Sandbox};

const API: &str = "/services/data/v67.0";
const CALLBACK: &str = "http://localhost:9999/oauth/callback";
const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters-0123456789";

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

    /// Status and code of the first error of an array.
    #[track_caller]
    fn error(&self) -> (u16, String) {
        (
            self.status,
            self.json()[0]["errorCode"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        )
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
    }
}

struct World {
    sandbox: Sandbox,
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    token: String,
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
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        let sandbox = Sandbox::start(options).await.unwrap();
        let base = sandbox.info().salesforce.http.clone();
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        let world = Self {
            sandbox,
            client,
            base,
            token: String::new(),
        };
        let token = text(&world.sign_in(0, "api openid").await, "access_token");
        Self { token, ..world }
    }

    async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<Got, String> {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.base)
        };
        let mut request = http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let response = self.client.request(request).await.map_err(|e| e.to_string())?;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.map_err(|e| e.to_string())?.to_bytes();
        let text = String::from_utf8(bytes.to_vec()).map_err(|e| e.to_string())?;
        Ok(Got {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text,
        })
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: String) -> Got {
        self.try_send(method, path, headers, body).await.unwrap()
    }

    /// With the world's token; the path is below the version.
    async fn api(&self, method: &str, path: &str, body: Value) -> Got {
        self.api_as(&self.token, method, path, body, &[]).await
    }

    async fn api_as(&self, token: &str, method: &str, path: &str, body: Value, more: &[(&str, &str)]) -> Got {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(more);
        let text = if body.is_null() {
            String::new()
        } else {
            headers.push(("content-type", "application/json"));
            body.to_string()
        };
        let path = if path.starts_with("/services") {
            path.to_owned()
        } else {
            format!("{API}{path}")
        };
        self.send(method, &path, &headers, text).await
    }

    async fn get(&self, path: &str) -> Got {
        self.api("GET", path, Value::Null).await
    }

    async fn query(&self, soql: &str) -> Got {
        self.get(&format!("/query?{}", form(&[("q", soql)]))).await
    }

    /// The values of one field of a query's records.
    async fn column(&self, soql: &str, field: &str) -> Vec<Value> {
        let got = self.query(soql).await;
        assert_eq!(got.status, 200, "{soql}: {}", got.text);
        got.json()["records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r[field].clone())
            .collect()
    }

    async fn create(&self, fields: Value) -> String {
        let got = self.api("POST", "/sobjects/Contact", fields).await;
        assert_eq!(got.status, 201, "{}", got.text);
        got.json()["id"].as_str().unwrap().to_owned()
    }

    async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, value) = self.sandbox.control(method, path, body).await;
        assert!(status < 300, "{method} {path}: {status} {value}");
        value
    }

    async fn org(&self, knobs: Value) {
        self.control("PUT", "/salesforce/org", knobs).await;
    }

    async fn fault(&self, rule: Value) {
        self.control("POST", "/faults", rule).await;
    }

    fn username(&self, user: usize) -> String {
        self.sandbox.info().users[user].salesforce_username.clone()
    }

    /// The query of the authorization request.
    fn authorization(&self, scope: &str) -> Vec<(&'static str, String)> {
        vec![
            ("response_type", "code".to_owned()),
            ("client_id", self.sandbox.info().client.id.clone()),
            ("redirect_uri", CALLBACK.to_owned()),
            ("state", "s&t".to_owned()),
            ("scope", scope.to_owned()),
            ("code_challenge", challenge()),
            ("code_challenge_method", "S256".to_owned()),
        ]
    }

    async fn log_in(&self, request: &[(&str, String)], username: &str, password: &str) -> Got {
        let mut pairs: Vec<(&str, &str)> = request.iter().map(|(n, v)| (*n, v.as_str())).collect();
        pairs.extend([("username", username), ("password", password)]);
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.send("POST", "/services/oauth2/authorize", &headers, form(&pairs))
            .await
    }

    async fn code(&self, user: usize, scope: &str) -> String {
        let info = self.sandbox.info().users[user].clone();
        let got = self
            .log_in(
                &self.authorization(scope),
                &info.salesforce_username,
                &info.salesforce_password,
            )
            .await;
        assert_eq!(got.status, 302, "{}", got.text);
        let to = url::Url::parse(got.header("location")).unwrap();
        assert!(to.as_str().starts_with(CALLBACK));
        let pairs: Vec<(String, String)> = to.query_pairs().into_owned().collect();
        assert!(pairs.contains(&("state".to_owned(), "s&t".to_owned())));
        pairs.into_iter().find(|(n, _)| n == "code").unwrap().1
    }

    async fn token_call(&self, pairs: &[(&str, &str)]) -> Got {
        let client = self.sandbox.info().client.clone();
        let mut all = vec![
            ("client_id", client.id.as_str()),
            ("client_secret", client.secret.as_str()),
        ];
        all.extend(pairs);
        self.raw_token_call(&all, &[]).await
    }

    async fn raw_token_call(&self, pairs: &[(&str, &str)], more: &[(&str, &str)]) -> Got {
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        headers.extend(more);
        self.send("POST", "/services/oauth2/token", &headers, form(pairs))
            .await
    }

    async fn exchange(&self, code: &str) -> Got {
        self.token_call(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ])
        .await
    }

    async fn refresh(&self, token: &str) -> Got {
        self.token_call(&[("grant_type", "refresh_token"), ("refresh_token", token)])
            .await
    }

    async fn sign_in(&self, user: usize, scope: &str) -> Value {
        let code = self.code(user, scope).await;
        let got = self.exchange(&code).await;
        assert_eq!(got.status, 200, "{}", got.text);
        got.json()
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
        .to_owned()
}

fn oauth_error(got: &Got) -> (u16, String) {
    (got.status, text(&got.json(), "error"))
}

// ---- OAuth

#[tokio::test]
async fn the_login_page_carries_the_request_and_says_what_is_wrong() {
    let world = World::start().await;
    let request = world.authorization("api refresh_token");
    let pairs: Vec<(&str, &str)> = request.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let page = world
        .send(
            "GET",
            &format!("/services/oauth2/authorize?{}", form(&pairs)),
            &[],
            String::new(),
        )
        .await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    for part in [
        "id=\"username\"",
        "id=\"password\"",
        "id=\"Login\"",
        "name=\"state\" value=\"s&amp;t\"",
    ] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    assert!(!page.text.contains("id=\"error\""));
    for (name, password) in [
        (world.username(0), "wrong"),
        (world.username(0), ""),
        ("nobody@x.example".into(), "x"),
    ] {
        let again = world.log_in(&request, &name, password).await;
        assert_eq!(again.status, 200);
        assert!(
            again.text.contains("id=\"error\"") && again.text.contains("check your username and password")
        );
        assert!(!again.text.contains("wrong"), "the password must not come back");
    }
    let counters = world.control("GET", "/counters", Value::Null).await;
    assert_eq!(counters["salesforce"]["failed_logins"], 3);
    world
        .fault(json!({"service":"login","operation":"authorize","kind":"credentials_wrong","times":1}))
        .await;
    let info = world.sandbox.info().users[0].clone();
    let refused = world
        .log_in(&request, &info.salesforce_username, &info.salesforce_password)
        .await;
    assert_eq!(refused.status, 200);
    assert!(refused.text.contains("check your username"));
    // User names have no case.
    let right = world
        .log_in(
            &request,
            &info.salesforce_username.to_uppercase(),
            &info.salesforce_password,
        )
        .await;
    assert_eq!(right.status, 302);
}

#[tokio::test]
async fn authorization_requests_are_checked() {
    let world = World::start().await;
    let ask = async |change: &[(&'static str, &str)]| {
        let mut request = world.authorization("api");
        for (name, value) in change {
            request.retain(|(n, _)| n != name);
            if !value.is_empty() {
                request.push((*name, (*value).to_owned()));
            }
        }
        let pairs: Vec<(&str, &str)> = request.iter().map(|(n, v)| (*n, v.as_str())).collect();
        world
            .send(
                "GET",
                &format!("/services/oauth2/authorize?{}", form(&pairs)),
                &[],
                String::new(),
            )
            .await
    };
    // What concerns client and callback must not be sent to the callback.
    for (change, error) in [
        (("client_id", "nobody"), "invalid_client_id"),
        (("client_id", ""), "client_id"),
        (
            ("redirect_uri", "https://evil.example/cb"),
            "redirect_uri_mismatch",
        ),
        (
            ("redirect_uri", "http://localhost.evil.example/"),
            "redirect_uri_mismatch",
        ),
        (("redirect_uri", ""), "redirect_uri_missing"),
    ] {
        let got = ask(&[change]).await;
        assert_eq!(got.status, 400, "{change:?}");
        assert!(got.text.contains(error), "{change:?}: {}", got.text);
    }
    for (change, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("scope", "api everything"), "invalid_scope"),
    ] {
        let got = ask(&[change]).await;
        assert_eq!(got.status, 302, "{change:?}: {}", got.text);
        assert!(
            got.header("location").contains(&format!("error={error}")),
            "{change:?}"
        );
        assert!(got.header("location").contains("state=s%26t"));
    }
    assert_eq!(
        ask(&[("redirect_uri", "https://127.0.0.1:1/x")]).await.status,
        200
    );
    assert_eq!(ask(&[("code_challenge_method", "")]).await.status, 200);
    world.org(json!({"require_pkce": false})).await;
    assert_eq!(
        ask(&[("code_challenge", ""), ("code_challenge_method", "")])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_code_is_good_once_for_ten_minutes_with_its_verifier() {
    let world = World::start().await;
    let code = world.code(0, "api refresh_token openid").await;
    let got = world.exchange(&code).await;
    assert_eq!(got.status, 200);
    let token = got.json();
    let info = world.sandbox.info();
    assert_eq!(token["instance_url"], info.salesforce.http);
    assert_eq!(
        token["id"],
        format!(
            "{}/id/{}/{}",
            info.salesforce.http, info.org_id, info.users[0].salesforce_user_id
        )
    );
    assert_eq!(token["token_type"], "Bearer");
    assert_eq!(token["scope"], "api refresh_token openid");
    assert!(text(&token, "issued_at").parse::<u64>().unwrap() > 1_700_000_000_000);
    assert!(text(&token, "access_token").starts_with(&format!("{}!", &info.org_id[..15])));
    assert!(!text(&token, "signature").is_empty());
    assert_eq!(text(&token, "id_token").split('.').count(), 3);
    assert_eq!(token.get("expires_in"), None);
    assert_eq!(
        oauth_error(&world.exchange(&code).await),
        (400, "invalid_grant".into())
    );

    for (name, value, error) in [
        (
            "code_verifier",
            "another-verifier-of-at-least-forty-three-characters",
            "invalid_grant",
        ),
        ("code_verifier", "", "invalid_request"),
        (
            "redirect_uri",
            "http://localhost:9999/other",
            "redirect_uri_mismatch",
        ),
        ("client_secret", "wrong", "invalid_client"),
        ("client_id", "wrong", "invalid_client_id"),
        ("grant_type", "password", "unsupported_grant_type"),
        ("code", "aPrxnothing", "invalid_grant"),
    ] {
        let code = world.code(0, "api").await;
        let mut pairs = vec![
            ("client_id", info.client.id.as_str()),
            ("client_secret", info.client.secret.as_str()),
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        pairs.retain(|(n, _)| *n != name);
        pairs.push((name, value));
        let got = world.raw_token_call(&pairs, &[]).await;
        assert_eq!(oauth_error(&got), (400, error.into()), "{name}={value}");
        assert!(got.json()["error_description"].is_string());
    }
    let late = world.code(0, "api").await;
    world.control("POST", "/clock", json!({"advance_s": 601})).await;
    assert_eq!(
        oauth_error(&world.exchange(&late).await),
        (400, "invalid_grant".into())
    );

    // The client may say who it is in a header instead.
    let code = world.code(0, "api").await;
    let basic = format!(
        "Basic {}",
        STANDARD.encode(format!("{}:{}", info.client.id, info.client.secret))
    );
    let pairs = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let got = world.raw_token_call(&pairs, &[("authorization", &basic)]).await;
    assert_eq!(got.status, 200);
    // No refresh scope, no refresh token; `full` is none either.
    assert_eq!(got.json().get("refresh_token"), None);
    assert_eq!(got.json().get("id_token"), None);
    assert_eq!(world.sign_in(0, "full").await.get("refresh_token"), None);
}

#[tokio::test]
async fn a_refresh_token_is_dead_after_use_and_its_reuse_ends_the_grant() {
    let world = World::start().await;
    let first = world.sign_in(0, "api refresh_token").await;
    let second = world.refresh(&text(&first, "refresh_token")).await.json();
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_ne!(first["access_token"], second["access_token"]);
    // A verifier that comes along is ignored.
    let third = world
        .token_call(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", &text(&second, "refresh_token")),
            ("code_verifier", "whatever"),
        ])
        .await
        .json();
    let newest = text(&third, "access_token");
    assert_eq!(
        world
            .api_as(&newest, "GET", "/limits", Value::Null, &[])
            .await
            .status,
        200
    );
    let reuse = world.refresh(&text(&first, "refresh_token")).await;
    assert_eq!(oauth_error(&reuse), (400, "invalid_grant".into()));
    assert_eq!(
        text(&reuse.json(), "error_description"),
        "expired access/refresh token"
    );
    // The one who had the good token is out as well.
    assert_eq!(
        oauth_error(&world.refresh(&text(&third, "refresh_token")).await).1,
        "invalid_grant"
    );
    assert_eq!(
        world
            .api_as(&newest, "GET", "/limits", Value::Null, &[])
            .await
            .error(),
        (401, "INVALID_SESSION_ID".into())
    );

    world.org(json!({"reuse_ends_grant": false})).await;
    let first = world.sign_in(0, "api refresh_token").await;
    let second = world.refresh(&text(&first, "refresh_token")).await.json();
    assert_eq!(world.refresh(&text(&first, "refresh_token")).await.status, 400);
    assert_eq!(world.refresh(&text(&second, "refresh_token")).await.status, 200);

    world.org(json!({"rotation": false})).await;
    let first = world.sign_in(0, "api refresh_token").await;
    let got = world.refresh(&text(&first, "refresh_token")).await.json();
    assert_eq!(got.get("refresh_token"), None);
    assert_eq!(world.refresh(&text(&first, "refresh_token")).await.status, 200);
    // Thirty days without use end it.
    world
        .control("POST", "/clock", json!({"advance_s": 31 * 86_400}))
        .await;
    assert_eq!(
        oauth_error(&world.refresh(&text(&first, "refresh_token")).await).1,
        "invalid_grant"
    );
}

#[tokio::test]
async fn the_sixth_grant_ends_the_oldest() {
    let world = World::start().await;
    let mut tokens = Vec::new();
    for _ in 0..6 {
        tokens.push(world.sign_in(0, "api refresh_token").await);
    }
    let other = world.sign_in(1, "api refresh_token").await;
    // Sign-ins without the refresh scope do not count.
    for _ in 0..10 {
        world.sign_in(0, "openid").await;
    }
    let user = world
        .control(
            "GET",
            &format!("/salesforce/users/{}", world.username(0)),
            Value::Null,
        )
        .await;
    assert_eq!(user["grants"].as_array().unwrap().len(), 5);
    assert_eq!(
        oauth_error(&world.refresh(&text(&tokens[0], "refresh_token")).await).1,
        "invalid_grant"
    );
    let oldest = text(&tokens[0], "access_token");
    assert_eq!(
        world
            .api_as(&oldest, "GET", "/limits", Value::Null, &[])
            .await
            .status,
        401
    );
    for token in tokens[1..].iter().chain([&other]) {
        assert_eq!(world.refresh(&text(token, "refresh_token")).await.status, 200);
    }
    let counters = world.control("GET", "/counters", Value::Null).await;
    assert_eq!(counters["salesforce"]["grants"], 6);
    assert_eq!(counters["salesforce"]["grants_issued"], 7);
}

#[tokio::test]
async fn revoke_introspect_userinfo_identity() {
    let world = World::start().await;
    let token = world.sign_in(1, "api refresh_token id").await;
    let access = text(&token, "access_token");
    let bearer = format!("Bearer {access}");
    let auth = [("authorization", bearer.as_str())];
    let info = world.sandbox.info().users[1].clone();

    let who = world
        .send("GET", "/services/oauth2/userinfo", &auth, String::new())
        .await
        .json();
    assert_eq!(who["user_id"], info.salesforce_user_id);
    assert_eq!(who["organization_id"], world.sandbox.info().org_id);
    assert_eq!(who["preferred_username"], info.salesforce_username);
    assert_eq!(who["email"], info.mailbox);
    let id = world
        .send("GET", &text(&token, "id"), &auth, String::new())
        .await
        .json();
    assert_eq!(id["username"], info.salesforce_username);
    assert_eq!(id["active"], true);
    let stranger = format!(
        "/id/{}/{}",
        world.sandbox.info().org_id,
        world.sandbox.info().users[0].salesforce_user_id
    );
    assert_eq!(
        world.send("GET", &stranger, &auth, String::new()).await.status,
        404
    );
    let bad = [("authorization", "Bearer nothing")];
    let refused = world
        .send("GET", "/services/oauth2/userinfo", &bad, String::new())
        .await;
    assert_eq!((refused.status, refused.text.as_str()), (403, "Bad_OAuth_Token"));

    let client = world.sandbox.info().client.clone();
    let introspect = async |token: &str| {
        let pairs = [
            ("token", token),
            ("client_id", client.id.as_str()),
            ("client_secret", client.secret.as_str()),
        ];
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        world
            .send("POST", "/services/oauth2/introspect", &headers, form(&pairs))
            .await
            .json()
    };
    let active = introspect(&access).await;
    assert_eq!(
        (active["active"].clone(), active["username"].clone()),
        (json!(true), json!(info.salesforce_username))
    );
    assert_eq!(introspect("nothing").await, json!({"active": false}));

    let revoke = async |token: &str| {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        world
            .send(
                "POST",
                "/services/oauth2/revoke",
                &headers,
                form(&[("token", token)]),
            )
            .await
            .status
    };
    assert_eq!(revoke(&text(&token, "refresh_token")).await, 200);
    assert_eq!(revoke(&text(&token, "refresh_token")).await, 400);
    assert_eq!(introspect(&access).await["active"], false);
    assert_eq!(
        oauth_error(&world.refresh(&text(&token, "refresh_token")).await).1,
        "invalid_grant"
    );

    // A sign-in for the identity only cannot use the API.
    let pane = text(&world.sign_in(1, "openid").await, "access_token");
    assert_eq!(
        world
            .api_as(&pane, "GET", "/limits", Value::Null, &[])
            .await
            .error(),
        (401, "INVALID_SESSION_ID".into())
    );
}

#[tokio::test]
async fn users_can_be_stopped_and_sessions_expire() {
    let world = World::start().await;
    let name = world.username(1);
    let token = world.sign_in(1, "api refresh_token").await;
    let access = text(&token, "access_token");
    let limits = async |token: &str| world.api_as(token, "GET", "/limits", Value::Null, &[]).await;
    assert_eq!(limits(&access).await.status, 200);

    let expired = world
        .control(
            "POST",
            &format!("/salesforce/users/{name}/expire_access"),
            Value::Null,
        )
        .await;
    assert_eq!(expired["expired"], 1);
    assert_eq!(limits(&access).await.error(), (401, "INVALID_SESSION_ID".into()));
    let token = world.refresh(&text(&token, "refresh_token")).await.json();
    let access = text(&token, "access_token");
    assert_eq!(limits(&access).await.status, 200);

    world
        .control(
            "PUT",
            &format!("/salesforce/users/{name}"),
            json!({"api_enabled": false}),
        )
        .await;
    assert_eq!(
        limits(&access).await.error(),
        (403, "API_DISABLED_FOR_ORG".into())
    );
    assert_eq!(limits(&world.token).await.status, 200);
    world
        .control(
            "PUT",
            &format!("/salesforce/users/{name}"),
            json!({"api_enabled": true, "active": false}),
        )
        .await;
    assert_eq!(limits(&access).await.status, 401);
    assert_eq!(
        oauth_error(&world.refresh(&text(&token, "refresh_token")).await),
        (400, "inactive_user".into())
    );
    assert_eq!(
        world
            .column(
                &format!("SELECT IsActive FROM User WHERE Username = '{name}'"),
                "IsActive"
            )
            .await,
        [json!(false)]
    );

    let (status, _) = world
        .sandbox
        .control("PUT", "/salesforce/users/nobody", json!({}))
        .await;
    assert_eq!(status, 404);
    let (status, answer) = world
        .sandbox
        .control("PUT", &format!("/salesforce/users/{name}"), json!({"colour": 1}))
        .await;
    assert_eq!(status, 400, "{answer}");

    let revoked = world
        .control(
            "POST",
            &format!("/salesforce/users/{}/revoke_all", world.username(0)),
            Value::Null,
        )
        .await;
    assert_eq!(revoked["revoked"], 0);
    assert_eq!(limits(&world.token).await.status, 401);
}

// ---- resources

#[tokio::test]
async fn what_there_is_and_what_not() {
    let world = World::start().await;
    let versions = world
        .send("GET", "/services/data/", &[], String::new())
        .await
        .json();
    let versions = versions.as_array().unwrap();
    assert_eq!(
        versions.last().unwrap(),
        &json!({"label": "Summer '26", "url": "/services/data/v67.0", "version": "67.0"})
    );
    assert_eq!(versions[0]["label"], "Summer '14");

    for path in [
        "",
        "/",
        "/limits",
        "/limits/",
        "/sobjects",
        "/sobjects/",
        "/sobjects/Contact/",
        "/sobjects/contact/describe/",
    ] {
        let got = world.get(path).await;
        assert_eq!(got.status, 200, "{path}: {}", got.text);
        assert!(
            got.header("sforce-limit-info").starts_with("api-usage="),
            "{path}"
        );
        assert_eq!(got.header("content-type"), "application/json;charset=UTF-8");
    }
    for (method, path, status, code) in [
        ("GET", "/nothing", 404, "NOT_FOUND"),
        ("GET", "/sobjects/Nothing", 404, "NOT_FOUND"),
        ("GET", "/sobjects/Nothing/describe", 404, "NOT_FOUND"),
        ("GET", "/jobs/query", 404, "NOT_FOUND"),
        ("PUT", "/sobjects/Contact", 405, "METHOD_NOT_ALLOWED"),
        ("PATCH", "/sobjects/Contact", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/query", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/services/data/v68.0/limits", 404, "NOT_FOUND"),
        (
            "GET",
            "/services/data/v20.0/limits",
            410,
            "UNSUPPORTED_API_VERSION",
        ),
        ("GET", "/services/data/67/limits", 404, "NOT_FOUND"),
        ("GET", "/services/apexrest/x", 404, "NOT_FOUND"),
        ("GET", "/sobjects/Contact/xyz", 400, "MALFORMED_ID"),
        ("GET", "/sobjects/Contact/001000000000000AAA", 400, "MALFORMED_ID"),
        ("GET", "/sobjects/Contact/003000000000000AAA", 404, "NOT_FOUND"),
        ("GET", "/query", 400, "MALFORMED_QUERY"),
    ] {
        let got = world
            .api(
                method,
                path,
                if method == "GET" { Value::Null } else { json!({}) },
            )
            .await;
        assert_eq!(got.error(), (status, code.into()), "{method} {path}");
    }
    assert_eq!(
        world
            .send("GET", &format!("{API}/limits"), &[], String::new())
            .await
            .error()
            .0,
        401
    );
    let bearer = format!("OAuth {}", world.token);
    let old_style = [("authorization", bearer.as_str())];
    assert_eq!(
        world
            .send("GET", &format!("{API}/limits"), &old_style, String::new())
            .await
            .status,
        200
    );
    let xml = [("authorization", bearer.as_str()), ("content-type", "text/xml")];
    let got = world
        .send("POST", &format!("{API}/sobjects/Contact"), &xml, "<a/>".into())
        .await;
    assert_eq!(got.error(), (415, "UNSUPPORTED_MEDIA_TYPE".into()));
    let broken = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    for body in ["{", "[]", "\"x\"", ""] {
        let got = world
            .send("POST", &format!("{API}/sobjects/Contact"), &broken, body.into())
            .await;
        assert_eq!(got.error(), (400, "JSON_PARSER_ERROR".into()), "{body}");
    }
    let long = format!("SELECT Id FROM Contact WHERE Email = '{}'", "x".repeat(17_000));
    assert_eq!(world.query(&long).await.status, 414);
}

#[tokio::test]
async fn api_calls_are_counted_and_limited() {
    let world = World::start().await;
    world.control("POST", "/counters/reset", Value::Null).await;
    let usage = async || -> u64 {
        let got = world.get("/limits").await;
        let info = got.header("sforce-limit-info").to_owned();
        info.strip_prefix("api-usage=")
            .unwrap()
            .split_once('/')
            .unwrap()
            .0
            .parse()
            .unwrap()
    };
    let before = usage().await;
    let parts: Vec<Value> = (0..5)
        .map(|n| json!({"method": "GET", "url": format!("{API}/query?q=SELECT+COUNT()+FROM+Contact"), "referenceId": format!("q{n}")}))
        .collect();
    let got = world
        .api("POST", "/composite", json!({"compositeRequest": parts}))
        .await;
    assert_eq!(got.status, 200);
    assert_eq!(usage().await, before + 2);
    let counters = world.control("GET", "/counters", Value::Null).await;
    assert_eq!(counters["salesforce"]["requests"], 3);
    assert_eq!(counters["salesforce"]["sub_operations"]["query"], 5);
    assert_eq!(counters["salesforce"]["by_operation"]["composite"], 1);

    world.org(json!({"api_limit": before + 3})).await;
    assert_eq!(world.get("/limits").await.status, 200);
    assert_eq!(
        world.get("/limits").await.error(),
        (403, "REQUEST_LIMIT_EXCEEDED".into())
    );
    world.org(json!({"api_used": 0})).await;
    assert_eq!(
        world.get("/limits").await.json()["DailyApiRequests"]["Remaining"],
        before + 2
    );
    world.org(json!({"api_disabled": true})).await;
    assert_eq!(
        world.get("/limits").await.error(),
        (403, "API_DISABLED_FOR_ORG".into())
    );
}

#[tokio::test]
async fn describe_tells_the_truth() {
    let world = World::start().await;
    let field = async |name: &str| {
        let described = world.get("/sobjects/Contact/describe").await.json();
        described["fields"]
            .as_array()
            .unwrap()
            .iter()
            .find(|f| f["name"] == name)
            .cloned()
    };
    let last = field("LastName").await.unwrap();
    assert_eq!(
        (
            last["length"].clone(),
            last["nillable"].clone(),
            last["type"].clone()
        ),
        (json!(80), json!(false), json!("string"))
    );
    assert_eq!(
        (last["createable"].clone(), last["updateable"].clone()),
        (json!(true), json!(true))
    );
    assert_eq!(last["compoundFieldName"], "Name");
    let key = field("Tandem_Key__c").await.unwrap();
    for property in [
        "externalId",
        "unique",
        "idLookup",
        "custom",
        "createable",
        "filterable",
    ] {
        assert_eq!(key[property], true, "{property}");
    }
    let description = field("Description").await.unwrap();
    assert_eq!(
        (description["length"].clone(), description["filterable"].clone()),
        (json!(32_000), json!(false))
    );
    let account = field("AccountId").await.unwrap();
    assert_eq!(
        (
            account["referenceTo"].clone(),
            account["relationshipName"].clone()
        ),
        (json!(["Account"]), json!("Account"))
    );
    let stamp = field("SystemModstamp").await.unwrap();
    assert_eq!(
        (stamp["createable"].clone(), stamp["type"].clone()),
        (json!(false), json!("datetime"))
    );
    assert_eq!(
        field("Salutation").await.unwrap()["picklistValues"][0]["value"],
        "Mr."
    );

    world.org(json!({"tandem_key": false, "hidden_fields": ["Contact.Fax"], "read_only_fields": ["Contact.Title"]})).await;
    let name = world.username(0);
    world
        .control(
            "PUT",
            &format!("/salesforce/users/{name}"),
            json!({"hidden_fields": ["contact.phone"]}),
        )
        .await;
    for hidden in ["Tandem_Key__c", "Fax", "Phone"] {
        assert_eq!(field(hidden).await, None, "{hidden}");
        assert_eq!(
            world
                .query(&format!("SELECT {hidden} FROM Contact"))
                .await
                .error(),
            (400, "INVALID_FIELD".into())
        );
        assert_eq!(
            world
                .query(&format!("SELECT Id FROM Contact WHERE {hidden} = 'x'"))
                .await
                .error()
                .1,
            "INVALID_FIELD"
        );
        let got = world
            .api("POST", "/sobjects/Contact", json!({"LastName": "x", hidden: "1"}))
            .await;
        assert_eq!(got.error(), (400, "INVALID_FIELD".into()));
        assert!(
            got.text
                .contains(&format!("No such column '{hidden}' on sobject of type Contact"))
        );
    }
    assert_eq!(field("Title").await.unwrap()["updateable"], false);
    let got = world
        .api(
            "POST",
            "/sobjects/Contact",
            json!({"LastName": "x", "Title": "1"}),
        )
        .await;
    assert_eq!(got.error(), (400, "INVALID_FIELD_FOR_INSERT_UPDATE".into()));
    let id = world.create(json!({"LastName": "x"})).await;
    let whole = world.get(&format!("/sobjects/Contact/{id}")).await.json();
    assert_eq!(whole.get("Phone"), None);
    assert_eq!(whole["MobilePhone"], Value::Null);
    assert_eq!(
        world
            .api(
                "PATCH",
                "/sobjects/Contact/Tandem_Key__c/k",
                json!({"LastName": "x"})
            )
            .await
            .error()
            .0,
        404
    );
    // Another user still sees what is hidden from the first.
    let other = text(&world.sign_in(1, "api").await, "access_token");
    let got = world
        .api_as(
            &other,
            "GET",
            &format!("/sobjects/Contact/{id}?fields=Phone"),
            Value::Null,
            &[],
        )
        .await;
    assert_eq!((got.status, got.json()["Phone"].clone()), (200, Value::Null));

    let (status, _) = world
        .sandbox
        .control(
            "PUT",
            "/salesforce/org",
            json!({"hidden_fields": ["Contact.Nope"]}),
        )
        .await;
    assert_eq!(status, 400);
}

// ---- rows

#[tokio::test]
async fn a_row_lives_and_dies() {
    let world = World::start().await;
    let created = world
        .api("POST", "/sobjects/Contact/", json!({"LastName": "  Ünal ", "firstname": "Zoë", "Email": "z@example.com", "Birthdate": "1980-02-29", "Title": ""}))
        .await;
    assert_eq!(created.status, 201);
    let body = created.json();
    assert_eq!(
        (body["success"].clone(), body["errors"].clone()),
        (json!(true), json!([]))
    );
    let id = text(&body, "id");
    assert_eq!(id.len(), 18);
    assert!(id.starts_with("003"));
    assert_eq!(created.header("location"), format!("{API}/sobjects/Contact/{id}"));

    let row = world
        .get(&format!("/sobjects/Contact/{}/", &id[..15]))
        .await
        .json();
    assert_eq!(row["Name"], "Zoë Ünal");
    assert_eq!(row["LastName"], "Ünal");
    assert_eq!(row["Title"], Value::Null);
    assert_eq!(row["Birthdate"], "1980-02-29");
    assert_eq!(row["OwnerId"], world.sandbox.info().users[0].salesforce_user_id);
    assert_eq!(
        row["attributes"],
        json!({"type": "Contact", "url": format!("{API}/sobjects/Contact/{id}")})
    );
    let stamp = text(&row, "SystemModstamp");
    assert!(
        stamp.len() == 28 && stamp.ends_with("+0000") && stamp.as_bytes()[10] == b'T',
        "{stamp}"
    );
    assert_eq!(row["CreatedDate"], row["SystemModstamp"]);

    let patched = world
        .api(
            "PATCH",
            &format!("/sobjects/Contact/{id}"),
            json!({"MailingCity": "Köln", "MailingStreet": "a\nb"}),
        )
        .await;
    assert_eq!((patched.status, patched.text.as_str()), (204, ""));
    let row = world
        .get(&format!(
            "/sobjects/Contact/{id}?fields=MailingAddress,SystemModstamp,MailingStreet"
        ))
        .await
        .json();
    assert_eq!(row["MailingAddress"]["city"], "Köln");
    assert_eq!(row["MailingStreet"], "a\nb");
    assert_eq!(row.get("LastName"), None);
    assert!(text(&row, "SystemModstamp") > stamp);

    let path = format!("/sobjects/Contact/{id}");
    assert_eq!(world.api("DELETE", &path, Value::Null).await.status, 204);
    assert_eq!(world.get(&path).await.error(), (404, "NOT_FOUND".into()));
    assert_eq!(
        world.api("DELETE", &path, Value::Null).await.error(),
        (404, "ENTITY_IS_DELETED".into())
    );
    assert_eq!(
        world.api("PATCH", &path, json!({"Title": "x"})).await.error(),
        (404, "ENTITY_IS_DELETED".into())
    );
    let soql = format!("SELECT Id, IsDeleted FROM Contact WHERE Id = '{id}'");
    assert_eq!(world.query(&soql).await.json()["totalSize"], 0);
    let all = world
        .get(&format!("/queryAll/?{}", form(&[("q", &soql)])))
        .await
        .json();
    assert_eq!(all["records"][0]["IsDeleted"], true);
    world
        .control(
            "POST",
            &format!("/salesforce/records/Contact/{id}/undelete"),
            Value::Null,
        )
        .await;
    assert_eq!(world.get(&path).await.status, 200);
    world
        .control(
            "DELETE",
            &format!("/salesforce/records/Contact/{id}?hard=true"),
            Value::Null,
        )
        .await;
    assert_eq!(
        world.api("DELETE", &path, Value::Null).await.error(),
        (404, "NOT_FOUND".into())
    );
}

#[tokio::test]
async fn bad_rows_are_refused_as_salesforce_does() {
    let world = World::start().await;
    let long = |n: usize| "ü".repeat(n);
    let account = world.column("SELECT Id FROM Account LIMIT 1", "Id").await[0]
        .as_str()
        .unwrap()
        .to_owned();
    for (body, code, fields) in [
        (json!({}), "REQUIRED_FIELD_MISSING", json!(["LastName"])),
        (
            json!({"LastName": "   "}),
            "REQUIRED_FIELD_MISSING",
            json!(["LastName"]),
        ),
        (
            json!({"LastName": long(81)}),
            "STRING_TOO_LONG",
            json!(["LastName"]),
        ),
        (
            json!({"LastName": "x", "FirstName": long(41)}),
            "STRING_TOO_LONG",
            json!(["FirstName"]),
        ),
        (
            json!({"LastName": "x", "Description": long(32_001)}),
            "STRING_TOO_LONG",
            json!(["Description"]),
        ),
        (
            json!({"LastName": "x", "Email": "no"}),
            "INVALID_EMAIL_ADDRESS",
            json!(["Email"]),
        ),
        (json!({"LastName": "x", "Nope": 1}), "INVALID_FIELD", Value::Null),
        (json!({"LastName": 5}), "JSON_PARSER_ERROR", Value::Null),
        (json!({"LastName": {"a": 1}}), "JSON_PARSER_ERROR", Value::Null),
        (
            json!({"LastName": "x", "Birthdate": "2023-02-29"}),
            "JSON_PARSER_ERROR",
            Value::Null,
        ),
        (
            json!({"LastName": "x", "DoNotCall": "yes"}),
            "JSON_PARSER_ERROR",
            Value::Null,
        ),
        (
            json!({"LastName": "x", "DoNotCall": null}),
            "INVALID_TYPE_ON_FIELD_IN_RECORD",
            json!(["DoNotCall"]),
        ),
        (
            json!({"LastName": "x", "Name": "x"}),
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            json!(["Name"]),
        ),
        (
            json!({"LastName": "x", "CreatedDate": "2026-01-01T00:00:00Z"}),
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            json!(["CreatedDate"]),
        ),
        (
            json!({"LastName": "x", "Id": "003000000000000AAA"}),
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            json!(["Id"]),
        ),
        (
            json!({"LastName": "x", "AccountId": "nonsense"}),
            "MALFORMED_ID",
            json!(["AccountId"]),
        ),
        (
            json!({"LastName": "x", "AccountId": "003000000000000AAA"}),
            "MALFORMED_ID",
            json!(["AccountId"]),
        ),
        (
            json!({"LastName": "x", "AccountId": "001000000000000AAA"}),
            "INVALID_CROSS_REFERENCE_KEY",
            json!(["AccountId"]),
        ),
    ] {
        let got = world.api("POST", "/sobjects/Contact", body.clone()).await;
        assert_eq!(got.error(), (400, code.into()), "{body:.80}");
        assert_eq!(
            got.json()[0].get("fields").cloned().unwrap_or(Value::Null),
            fields,
            "{body:.80}"
        );
    }
    let id = world
        .create(json!({"LastName": long(80), "AccountId": &account[..15], "Email": "a.b+c'd@example.com"}))
        .await;
    let row = world
        .get(&format!("/sobjects/Contact/{id}?fields=AccountId"))
        .await
        .json();
    assert_eq!(row["AccountId"], account);
    let path = format!("/sobjects/Contact/{id}");
    assert_eq!(
        world
            .api("PATCH", &path, json!({"LastName": null}))
            .await
            .error()
            .1,
        "REQUIRED_FIELD_MISSING"
    );
    assert_eq!(
        world.api("PATCH", &path, json!({"LastName": ""})).await.error().1,
        "REQUIRED_FIELD_MISSING"
    );
    assert_eq!(world.api("PATCH", &path, json!({})).await.status, 204);
    for object in ["User", "Organization"] {
        let got = world
            .api("POST", &format!("/sobjects/{object}"), json!({"Name": "x"}))
            .await;
        assert_eq!(got.error(), (400, "INVALID_TYPE_FOR_OPERATION".into()));
    }
    assert_eq!(
        world
            .api("POST", "/sobjects/Lead", json!({"LastName": "x"}))
            .await
            .json()[0]["fields"],
        json!(["Company"])
    );
    // Deleting an account deletes its contacts.
    let mine = world
        .api("POST", "/sobjects/Account", json!({"Name": "Mine"}))
        .await
        .json();
    let child = world
        .create(json!({"LastName": "child", "AccountId": mine["id"]}))
        .await;
    assert_eq!(
        world
            .api(
                "DELETE",
                &format!("/sobjects/Account/{}", text(&mine, "id")),
                Value::Null
            )
            .await
            .status,
        204
    );
    assert_eq!(world.get(&format!("/sobjects/Contact/{child}")).await.status, 404);
}

#[tokio::test]
async fn the_organisations_own_rules() {
    let world = World::start().await;
    let first = world
        .create(json!({"LastName": "a", "Email": "Same@example.com"}))
        .await;
    world.org(json!({
        "duplicate_rule": true,
        "validation_rule": {"object": "Contact", "field": "Phone", "contains": "000", "message": "No joke numbers"},
    })).await;
    let twin = json!({"LastName": "b", "Email": "same@EXAMPLE.com"});
    let got = world.api("POST", "/sobjects/Contact", twin.clone()).await;
    assert_eq!(got.error(), (400, "DUPLICATES_DETECTED".into()));
    let matched = &got.json()[0]["duplicateResult"]["matchResults"][0]["matchRecords"][0]["record"]["Id"];
    assert_eq!(matched, &json!(first));
    let rows = json!({"records": [{"attributes": {"type": "Contact"}, "LastName": "b", "Email": "same@example.com"}]});
    let row = world
        .api("POST", "/composite/sobjects", rows.clone())
        .await
        .json();
    assert_eq!(row[0]["errors"][0]["statusCode"], "DUPLICATES_DETECTED");
    let allow = [("Sforce-Duplicate-Rule-Header", "allowSave=true")];
    let got = world
        .api_as(&world.token, "POST", "/sobjects/Contact", twin.clone(), &allow)
        .await;
    assert_eq!(got.status, 201);
    let deny = [(
        "Sforce-Duplicate-Rule-Header",
        "allowSave=false; includeRecordDetails=true",
    )];
    assert_eq!(
        world
            .api_as(&world.token, "POST", "/sobjects/Contact", twin, &deny)
            .await
            .status,
        400
    );
    // Its own address is no duplicate of itself, unless another has it.
    let other = world
        .create(json!({"LastName": "c", "Email": "c@example.com"}))
        .await;
    let path = format!("/sobjects/Contact/{other}");
    assert_eq!(
        world
            .api("PATCH", &path, json!({"Email": "c@example.com"}))
            .await
            .status,
        204
    );
    assert_eq!(
        world
            .api("PATCH", &path, json!({"Email": "same@example.com"}))
            .await
            .error()
            .1,
        "DUPLICATES_DETECTED"
    );

    let got = world.api("PATCH", &path, json!({"Phone": "+49 000"})).await;
    assert_eq!(got.error(), (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION".into()));
    assert_eq!(got.json()[0]["message"], "No joke numbers");
    assert_eq!(got.json()[0]["fields"], json!(["Phone"]));
    world.org(json!({"validation_rule": null})).await;
    assert_eq!(
        world
            .api("PATCH", &path, json!({"Phone": "+49 000"}))
            .await
            .status,
        204
    );

    let (status, _) = world
        .sandbox
        .control("PUT", "/salesforce/org", json!({"duplicate_rule": 5}))
        .await;
    assert_eq!(status, 400);
    let (status, _) = world
        .sandbox
        .control("PUT", "/salesforce/org", json!({"colour": "blue"}))
        .await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn sharing_hides_and_protects() {
    let world = World::start().await;
    let other = text(&world.sign_in(1, "api").await, "access_token");
    let mine = world.create(json!({"LastName": "mine"})).await;
    let path = format!("/sobjects/Contact/{mine}");
    let as_other =
        async |method: &str, path: &str, body: Value| world.api_as(&other, method, path, body, &[]).await;
    // All may edit; only the owner deletes.
    assert_eq!(as_other("PATCH", &path, json!({"Title": "x"})).await.status, 204);
    assert_eq!(
        as_other("DELETE", &path, Value::Null).await.error(),
        (403, "INSUFFICIENT_ACCESS_OR_READONLY".into())
    );
    world.org(json!({"sharing": {"Contact": "read"}})).await;
    assert_eq!(as_other("GET", &path, Value::Null).await.status, 200);
    assert_eq!(
        as_other("PATCH", &path, json!({"Title": "y"})).await.error(),
        (403, "INSUFFICIENT_ACCESS_OR_READONLY".into())
    );
    world.org(json!({"sharing": {"Contact": "private"}})).await;
    assert_eq!(
        as_other("GET", &path, Value::Null).await.error(),
        (404, "NOT_FOUND".into())
    );
    assert_eq!(
        as_other("PATCH", &path, json!({"Title": "y"})).await.error(),
        (404, "NOT_FOUND".into())
    );
    let seen = as_other(
        "GET",
        &format!("/query?{}", form(&[("q", "SELECT OwnerId FROM Contact")])),
        Value::Null,
    )
    .await
    .json();
    let owner = world.sandbox.info().users[1].salesforce_user_id.clone();
    let owners = seen["records"].as_array().unwrap();
    assert!(!owners.is_empty() && owners.iter().all(|r| r["OwnerId"] == owner));
    world.org(json!({"public": [mine]})).await;
    assert_eq!(as_other("PATCH", &path, json!({"Title": "y"})).await.status, 204);
    // The row follows its owner.
    world.org(json!({"public": []})).await;
    assert_eq!(
        world.api("PATCH", &path, json!({"OwnerId": owner})).await.status,
        204
    );
    assert_eq!(world.get(&path).await.status, 404);
    assert_eq!(as_other("GET", &path, Value::Null).await.status, 200);
    let rows = world
        .control(
            "GET",
            &format!("/salesforce/records/Contact?as={}", world.username(0)),
            Value::Null,
        )
        .await;
    assert!(rows.as_array().unwrap().iter().all(|r| r["Id"] != mine));
    let rows = world
        .control("GET", "/salesforce/records/Contact", Value::Null)
        .await;
    assert!(rows.as_array().unwrap().iter().any(|r| r["Id"] == mine));
}

#[tokio::test]
async fn upsert_by_external_id() {
    let world = World::start().await;
    let path = "/sobjects/Contact/Tandem_Key__c/key%2F1";
    let got = world.api("PATCH", path, json!({"LastName": "new"})).await;
    assert_eq!((got.status, got.json()["created"].clone()), (201, json!(true)));
    let id = text(&got.json(), "id");
    let got = world.api("PATCH", path, json!({"LastName": "newer"})).await;
    assert_eq!(
        (got.status, got.json()["created"].clone(), text(&got.json(), "id")),
        (200, json!(false), id.clone())
    );
    let row = world.get(path).await.json();
    assert_eq!(
        (row["LastName"].clone(), row["Tandem_Key__c"].clone()),
        (json!("newer"), json!("key/1"))
    );
    assert_eq!(
        world
            .api("PATCH", path, json!({"LastName": "x", "Tandem_Key__c": "key/1"}))
            .await
            .error(),
        (400, "INVALID_FIELD".into())
    );
    assert_eq!(
        world
            .api("PATCH", "/sobjects/Contact/Title/x", json!({"LastName": "x"}))
            .await
            .error(),
        (404, "NOT_FOUND".into())
    );
    assert_eq!(
        world.get("/sobjects/Contact/Tandem_Key__c/none").await.status,
        404
    );
    // Unique without regard to case; a deleted row frees the key.
    let got = world
        .api(
            "POST",
            "/sobjects/Contact",
            json!({"LastName": "x", "Tandem_Key__c": "KEY/1"}),
        )
        .await;
    assert_eq!(got.error(), (400, "DUPLICATE_VALUE".into()));
    assert!(got.text.contains(&id[..15]));
    assert_eq!(world.api("DELETE", path, Value::Null).await.status, 204);
    assert_eq!(
        world
            .api("PATCH", path, json!({"LastName": "again"}))
            .await
            .status,
        201
    );
    // Several rows with one value.
    for _ in 0..2 {
        world
            .create(json!({"LastName": "twin", "Email": "twin@example.com"}))
            .await;
    }
    let got = world
        .api(
            "PATCH",
            "/sobjects/Contact/Email/twin@example.com",
            json!({"Title": "x"}),
        )
        .await;
    assert_eq!((got.status, got.json().as_array().unwrap().len()), (300, 2));
}

// ---- collections and composite

#[tokio::test]
async fn collections_answer_row_by_row() {
    let world = World::start().await;
    let row = |name: &str| json!({"attributes": {"type": "Contact"}, "LastName": name});
    let created = world.api("POST", "/composite/sobjects/", json!({"allOrNone": false, "records": [row("a"), row(""), {"attributes": {"type": "Nope"}}, row("b")]})).await;
    assert_eq!(created.status, 200);
    let created = created.json();
    assert_eq!(created[0]["success"], true);
    assert_eq!(
        created[1],
        json!({"success": false, "errors": [{"statusCode": "REQUIRED_FIELD_MISSING", "message": "Required fields are missing: [LastName]", "fields": ["LastName"]}]})
    );
    assert_eq!(created[2]["errors"][0]["statusCode"], "INVALID_TYPE");
    let (a, b) = (text(&created[0], "id"), text(&created[3], "id"));

    let gone = world.create(json!({"LastName": "gone"})).await;
    world
        .api("DELETE", &format!("/sobjects/Contact/{gone}"), Value::Null)
        .await;
    let change = |id: &str, title: &str| json!({"attributes": {"type": "Contact"}, "id": id, "Title": title});
    let updated = world.api("PATCH", "/composite/sobjects", json!({"records": [
        change(&a, "1"), change(&gone, "2"), change("003000000000000AAA", "3"), change("junk", "4"),
        {"attributes": {"type": "Contact"}, "Title": "5"}, change(&a, "6"), change(&b, &"x".repeat(129)),
    ]})).await.json();
    let codes: Vec<Value> = updated
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["errors"][0]["statusCode"].clone())
        .collect();
    assert_eq!(
        codes,
        [
            Value::Null,
            json!("ENTITY_IS_DELETED"),
            json!("INVALID_CROSS_REFERENCE_KEY"),
            json!("MALFORMED_ID"),
            json!("MISSING_ARGUMENT"),
            json!("DUPLICATE_VALUE"),
            json!("STRING_TOO_LONG"),
        ]
    );
    assert_eq!(updated[0], json!({"id": a, "success": true, "errors": []}));
    assert_eq!(updated[1]["id"], gone);

    // All or none: the good row is taken back.
    let refused = world
        .api(
            "PATCH",
            "/composite/sobjects",
            json!({"allOrNone": true, "records": [change(&a, "kept?"), change(&b, &"x".repeat(129))]}),
        )
        .await
        .json();
    assert_eq!(
        refused[0]["errors"][0]["statusCode"],
        "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    );
    assert_eq!(refused[1]["errors"][0]["statusCode"], "STRING_TOO_LONG");
    assert_eq!(
        world
            .get(&format!("/sobjects/Contact/{a}?fields=Title"))
            .await
            .json()["Title"],
        "1"
    );
    let refused = world
        .api(
            "POST",
            "/composite/sobjects",
            json!({"allOrNone": true, "records": [row("ghost"), row("")]}),
        )
        .await
        .json();
    assert_eq!(refused[0].get("id"), None);
    assert_eq!(
        world
            .column("SELECT Id FROM Contact WHERE LastName = 'ghost'", "Id")
            .await
            .len(),
        0
    );

    // Retrieve, both ways; what is not there is null.
    let got = world
        .get(&format!(
            "/composite/sobjects/Contact?ids={a},{gone},003000000000000AAA&fields=LastName,Title"
        ))
        .await
        .json();
    assert_eq!(
        got[0],
        json!({"attributes": {"type": "Contact", "url": format!("{API}/sobjects/Contact/{a}")}, "Id": a, "LastName": "a", "Title": "1"})
    );
    assert_eq!((got[1].clone(), got[2].clone()), (Value::Null, Value::Null));
    let post = world
        .api(
            "POST",
            "/composite/sobjects/Contact",
            json!({"ids": [b], "fields": ["LastName"]}),
        )
        .await
        .json();
    assert_eq!(post[0]["LastName"], "b");
    assert_eq!(
        world
            .get(&format!("/composite/sobjects/Contact?ids={a}&fields=Nope"))
            .await
            .error(),
        (400, "INVALID_FIELD".into())
    );
    assert_eq!(
        world
            .get(&format!("/composite/sobjects/Contact?ids={a}"))
            .await
            .error(),
        (400, "MISSING_ARGUMENT".into())
    );

    // Upsert.
    let keyed = |key: &str, name: &str| json!({"attributes": {"type": "Contact"}, "Tandem_Key__c": key, "LastName": name});
    let up = world
        .api(
            "PATCH",
            "/composite/sobjects/Contact/Tandem_Key__c",
            json!({"records": [keyed("k1", "x"), keyed("k2", ""), keyed("", "y"), keyed("K1", "z")]}),
        )
        .await
        .json();
    assert_eq!(up[0]["created"], true);
    assert_eq!(up[1]["errors"][0]["statusCode"], "REQUIRED_FIELD_MISSING");
    assert_eq!(up[2]["errors"][0]["statusCode"], "MISSING_ARGUMENT");
    assert_eq!(up[3]["errors"][0]["statusCode"], "DUPLICATE_VALUE");
    let up = world
        .api(
            "PATCH",
            "/composite/sobjects/Contact/Tandem_Key__c",
            json!({"records": [keyed("k1", "xx")]}),
        )
        .await
        .json();
    assert_eq!(
        up[0],
        json!({"id": up[0]["id"], "success": true, "errors": [], "created": false})
    );
    let wrong = json!({"records": [{"attributes": {"type": "Account"}, "Tandem_Key__c": "k"}]});
    assert_eq!(
        world
            .api("PATCH", "/composite/sobjects/Contact/Tandem_Key__c", wrong)
            .await
            .status,
        400
    );

    // Delete.
    let deleted = world
        .api(
            "DELETE",
            &format!("/composite/sobjects?ids={a},{gone},junk,{b}&allOrNone=false"),
            Value::Null,
        )
        .await
        .json();
    let ok: Vec<Value> = deleted
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["success"].clone())
        .collect();
    assert_eq!(ok, [json!(true), json!(false), json!(false), json!(true)]);
    assert_eq!(world.get(&format!("/sobjects/Contact/{b}")).await.status, 404);

    let many: Vec<Value> = (0..201).map(|n| row(&format!("n{n}"))).collect();
    assert_eq!(
        world
            .api("POST", "/composite/sobjects", json!({"records": many}))
            .await
            .error(),
        (400, "EXCEEDED_ID_LIMIT".into())
    );
    assert_eq!(
        world
            .api("POST", "/composite/sobjects", json!({"records": many[..200]}))
            .await
            .json()
            .as_array()
            .unwrap()
            .len(),
        200
    );
    for bad in [
        json!({}),
        json!({"records": {}}),
        json!({"records": [1]}),
        json!({"records": [], "x": 1}),
    ] {
        assert_eq!(
            world.api("POST", "/composite/sobjects", bad).await.error(),
            (400, "JSON_PARSER_ERROR".into())
        );
    }
    assert_eq!(
        world
            .api(
                "POST",
                "/composite/sobjects",
                json!({"records": [{"LastName": "x"}]})
            )
            .await
            .error(),
        (400, "INVALID_INPUT".into())
    );
}

fn part(method: &str, path: &str, reference: &str, body: Value) -> Value {
    let mut part = json!({"method": method, "url": format!("{API}{path}"), "referenceId": reference});
    if !body.is_null() {
        part["body"] = body;
    }
    part
}

#[tokio::test]
async fn composite_uses_earlier_answers() {
    let world = World::start().await;
    let request = json!({"allOrNone": false, "compositeRequest": [
        part("POST", "/sobjects/Account", "acc", json!({"Name": "Fresh"})),
        part("POST", "/sobjects/Contact", "con", json!({"LastName": "L", "AccountId": "@{acc.id}", "Title": "of @{acc.id}"})),
        part("GET", "/sobjects/Contact/@{con.id}?fields=AccountId,Title", "read", Value::Null),
        part("GET", "/query/?q=SELECT+Id+FROM+Contact+WHERE+AccountId+=+'@{acc.id}'", "list", Value::Null),
        part("PATCH", "/sobjects/Contact/@{list.records[0].Id}", "upd", json!({"FirstName": "F"})),
        part("POST", "/sobjects/Contact", "bad", json!({})),
        part("GET", "/sobjects/Contact/@{bad.id}", "halt", Value::Null),
        part("GET", "/sobjects/Contact/@{nobody.id}", "halt2", Value::Null),
        part("DELETE", "/sobjects/Contact/@{con.id}", "del", Value::Null),
        part("GET", "/limits", "limits", Value::Null),
        json!({"method": "GET", "url": "/somewhere", "referenceId": "else"}),
    ]});
    let got = world.api("POST", "/composite/", request).await;
    assert_eq!(got.status, 200, "{}", got.text);
    let parts = got.json()["compositeResponse"].as_array().unwrap().clone();
    let status: Vec<u64> = parts
        .iter()
        .map(|p| p["httpStatusCode"].as_u64().unwrap())
        .collect();
    assert_eq!(
        status,
        [201, 201, 200, 200, 204, 400, 400, 400, 204, 400, 400],
        "{}",
        got.text
    );
    let account = text(&parts[0]["body"], "id");
    assert_eq!(
        parts[0]["httpHeaders"]["Location"],
        format!("{API}/sobjects/Account/{account}")
    );
    assert_eq!(parts[2]["body"]["AccountId"], account);
    assert_eq!(parts[2]["body"]["Title"], format!("of {account}"));
    assert_eq!(parts[4]["body"], Value::Null);
    assert_eq!(parts[5]["body"][0]["errorCode"], "REQUIRED_FIELD_MISSING");
    assert_eq!(parts[6]["body"][0]["errorCode"], "PROCESSING_HALTED");
    assert_eq!(parts[7]["body"][0]["errorCode"], "PROCESSING_HALTED");
    assert_eq!(parts[8]["referenceId"], "del");
}

#[tokio::test]
async fn composite_all_or_none_and_limits() {
    let world = World::start().await;
    let request = json!({"allOrNone": true, "compositeRequest": [
        part("POST", "/sobjects/Contact", "one", json!({"LastName": "rolledback"})),
        part("POST", "/sobjects/Contact", "two", json!({})),
        part("POST", "/sobjects/Contact", "three", json!({"LastName": "rolledback"})),
    ]});
    let got = world.api("POST", "/composite", request).await.json();
    let codes: Vec<&Value> = got["compositeResponse"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| &p["body"][0]["errorCode"])
        .collect();
    assert_eq!(
        codes,
        ["PROCESSING_HALTED", "REQUIRED_FIELD_MISSING", "PROCESSING_HALTED"]
    );
    assert_eq!(
        world
            .column("SELECT Id FROM Contact WHERE LastName = 'rolledback'", "Id")
            .await
            .len(),
        0
    );

    let parts = |count: usize, path: &str| -> Value {
        let parts: Vec<Value> = (0..count)
            .map(|n| part("GET", path, &format!("r{n}"), Value::Null))
            .collect();
        json!({"compositeRequest": parts})
    };
    let describe = "/sobjects/Account/describe";
    let full = world.api("POST", "/composite", parts(25, describe)).await.json();
    assert_eq!(full["compositeResponse"].as_array().unwrap().len(), 25);
    for (count, path) in [
        (26, describe),
        (6, "/query?q=SELECT+Id+FROM+Lead"),
        (6, "/composite/sobjects/Contact?ids=x&fields=Id"),
    ] {
        let got = world.api("POST", "/composite", parts(count, path)).await;
        let only = got.json()["compositeResponse"][0].clone();
        assert_eq!(
            (
                only["httpStatusCode"].clone(),
                only["body"][0]["errorCode"].clone()
            ),
            (json!(400), json!("LIMIT_EXCEEDED")),
            "{path}"
        );
        assert_eq!(got.json()["compositeResponse"].as_array().unwrap().len(), 1);
    }
    let twice = json!({"compositeRequest": [part("GET", describe, "a", Value::Null), part("GET", describe, "a", Value::Null)]});
    assert_eq!(
        world.api("POST", "/composite", twice).await.error(),
        (400, "INVALID_INPUT".into())
    );
    for bad in [
        json!({}),
        json!({"compositeRequest": [1]}),
        json!({"compositeRequest": [{"method": "GET", "url": "/x"}]}),
        json!({"compositeRequest": [], "other": 1}),
        json!({"compositeRequest": [{"method": "GET", "url": "/x", "referenceId": "a", "oops": 1}]}),
    ] {
        assert_eq!(
            world.api("POST", "/composite", bad.clone()).await.error(),
            (400, "JSON_PARSER_ERROR".into()),
            "{bad}"
        );
    }
    let name = json!({"compositeRequest": [part("GET", describe, "1-a", Value::Null)]});
    assert_eq!(
        world.api("POST", "/composite", name).await.error(),
        (400, "INVALID_INPUT".into())
    );
    let nested =
        json!({"compositeRequest": [part("POST", "/composite", "a", json!({"compositeRequest": []}))]});
    let got = world.api("POST", "/composite", nested).await.json();
    assert_eq!(got["compositeResponse"][0]["httpStatusCode"], 404);
    // A duplicate rule's header counts for its part only.
    world.org(json!({"duplicate_rule": true})).await;
    world
        .create(json!({"LastName": "d", "Email": "d@example.com"}))
        .await;
    let mut allowed = part(
        "POST",
        "/sobjects/Contact",
        "b",
        json!({"LastName": "d", "Email": "d@example.com"}),
    );
    allowed["httpHeaders"] = json!({"Sforce-Duplicate-Rule-Header": "allowSave=true"});
    let plain = part(
        "POST",
        "/sobjects/Contact",
        "a",
        json!({"LastName": "d", "Email": "d@example.com"}),
    );
    let got = world
        .api(
            "POST",
            "/composite",
            json!({"compositeRequest": [plain, allowed]}),
        )
        .await
        .json();
    let status: Vec<&Value> = got["compositeResponse"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| &p["httpStatusCode"])
        .collect();
    assert_eq!(status, [400, 201]);
}

// ---- SOQL

#[tokio::test]
async fn soql_finds_the_right_rows() {
    let world = World::start().await;
    let account = world
        .api("POST", "/sobjects/Account", json!({"Name": "Äpfel & Co"}))
        .await
        .json();
    let owner = world.sandbox.info().users[1].salesforce_user_id.clone();
    let rows = [
        json!({"LastName": "Soql", "FirstName": "Ann", "Title": "alpha", "AccountId": account["id"], "Birthdate": "1990-05-01", "DoNotCall": true}),
        json!({"LastName": "Soql", "FirstName": "bob", "Title": "Beta", "Birthdate": "1980-05-01", "MailingLatitude": 1.5}),
        json!({"LastName": "Soql", "FirstName": "Cid", "OwnerId": owner, "MailingLatitude": -3}),
        json!({"LastName": "Soql", "FirstName": "O'Dan\\", "Title": "100%_x"}),
    ];
    for row in rows {
        world.create(row).await;
    }
    let id = world
        .column(
            "SELECT Id FROM Contact WHERE FirstName = 'Ann' AND LastName = 'Soql'",
            "Id",
        )
        .await[0]
        .as_str()
        .unwrap()
        .to_owned();
    let table: &[(&str, &[&str])] = &[
        ("FirstName = 'ANN'", &["Ann"]),
        ("FirstName != 'ann'", &["bob", "Cid", "O'Dan\\"]),
        ("FirstName <> 'ann' AND Title != null", &["bob", "O'Dan\\"]),
        ("FirstName = 'o\\'dan\\\\'", &["O'Dan\\"]),
        ("FirstName = '\\u0041nn'", &["Ann"]),
        ("FirstName LIKE '%n%'", &["Ann", "O'Dan\\"]),
        ("FirstName LIKE '_ob'", &["bob"]),
        ("Title LIKE '100\\%\\_%'", &["O'Dan\\"]),
        ("(NOT FirstName LIKE 'a%')", &["bob", "Cid", "O'Dan\\"]),
        ("Title = null", &["Cid"]),
        ("Title = ''", &["Cid"]),
        ("FirstName IN ('bob', 'CID')", &["bob", "Cid"]),
        ("FirstName NOT IN ('bob', 'CID', 'Ann')", &["O'Dan\\"]),
        ("Title != 'alpha'", &["bob", "Cid", "O'Dan\\"]),
        ("FirstName > 'b' AND FirstName <= 'cid'", &["bob", "Cid"]),
        ("Birthdate > 1985-01-01", &["Ann"]),
        ("Birthdate <= 1980-05-01", &["bob"]),
        ("Birthdate = null", &["Cid", "O'Dan\\"]),
        (
            "CreatedDate > 2026-01-01T00:00:00Z AND DoNotCall = TRUE",
            &["Ann"],
        ),
        ("CreatedDate < 2020-01-01T00:00:00+02:00", &[]),
        ("MailingLatitude >= -3 AND MailingLatitude < 1.5", &["Cid"]),
        ("Account.Name = 'ÄPFEL & CO'", &["Ann"]),
        ("Account.Name = null", &["bob", "Cid", "O'Dan\\"]),
        ("Account.Owner.Username != null", &["Ann"]),
        ("Contact.FirstName = 'bob'", &["bob"]),
        (
            "(FirstName = 'Ann' OR FirstName = 'bob') AND Title = 'beta'",
            &["bob"],
        ),
        ("IsDeleted = true", &[]),
    ];
    for (filter, wanted) in table {
        let soql =
            format!("SELECT FirstName FROM Contact WHERE LastName = 'soql' AND ({filter}) ORDER BY Id");
        let found = world.column(&soql, "FirstName").await;
        assert_eq!(
            found,
            wanted.iter().map(|n| json!(n)).collect::<Vec<_>>(),
            "{filter}"
        );
    }
    for (filter, count) in [
        (format!("Id = '{id}'"), 1),
        (format!("Id = '{}'", &id[..15]), 1),
        (format!("Id IN ('{id}', '003000000000000AAA')"), 1),
        (format!("OwnerId = '{owner}' AND LastName = 'Soql'"), 1),
        (format!("Id > '{id}' AND LastName = 'Soql'"), 3),
    ] {
        let got = world
            .query(&format!("SELECT COUNT() FROM Contact WHERE {filter}"))
            .await
            .json();
        assert_eq!(
            got,
            json!({"totalSize": count, "done": true, "records": []}),
            "{filter}"
        );
    }
    for (order, wanted) in [
        ("FirstName", ["Ann", "bob", "Cid", "O'Dan\\"]),
        ("FirstName DESC", ["O'Dan\\", "Cid", "bob", "Ann"]),
        (
            "Title ASC NULLS LAST, FirstName",
            ["O'Dan\\", "Ann", "bob", "Cid"],
        ),
        ("Title, FirstName", ["Cid", "O'Dan\\", "Ann", "bob"]),
        (
            "Account.Name DESC NULLS LAST, FirstName DESC",
            ["Ann", "O'Dan\\", "Cid", "bob"],
        ),
        ("SystemModstamp, Id", ["Ann", "bob", "Cid", "O'Dan\\"]),
    ] {
        let soql = format!("select FirstName from Contact where LastName = 'Soql' order by {order}");
        assert_eq!(
            world.column(&soql, "FirstName").await,
            wanted.map(|n| json!(n)),
            "{order}"
        );
    }
    let paged = world
        .column(
            "SELECT FirstName FROM Contact WHERE LastName='Soql' ORDER BY FirstName LIMIT 2 OFFSET 1",
            "FirstName",
        )
        .await;
    assert_eq!(paged, ["bob", "Cid"]);

    let got = world.query(&format!("SELECT firstname, account.name, Account.Id, Owner.Name, MailingAddress FROM Contact WHERE Id = '{id}'")).await.json();
    let row = &got["records"][0];
    assert_eq!(row["FirstName"], "Ann");
    assert_eq!(row["Account"]["Name"], "Äpfel & Co");
    assert_eq!(row["Account"]["attributes"]["type"], "Account");
    assert_eq!(row["Account"]["Id"], account["id"]);
    assert_eq!(row["Owner"]["Name"], world.sandbox.info().users[0].name);
    assert_eq!(row["MailingAddress"], Value::Null);
    let none = world
        .query("SELECT Account.Name FROM Contact WHERE FirstName = 'bob' AND LastName = 'Soql'")
        .await
        .json();
    assert_eq!(none["records"][0]["Account"], Value::Null);
    let org = world.query("SELECT Id, Name FROM Organization").await.json();
    assert_eq!(org["records"][0]["Id"], world.sandbox.info().org_id);
}

#[tokio::test]
async fn soql_refuses_what_salesforce_refuses() {
    let world = World::start().await;
    for (soql, code) in [
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
        ("SELECT Nope FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Nope = 1", "INVALID_FIELD"),
        ("SELECT Id FROM Contact ORDER BY Nope", "INVALID_FIELD"),
        ("SELECT Boss.Name FROM Contact", "INVALID_FIELD"),
        ("SELECT Account.Nope FROM Contact", "INVALID_FIELD"),
        ("SELECT Email.Name FROM Contact", "INVALID_FIELD"),
        (
            "SELECT Id FROM Contact WHERE Birthdate = '1990-01-01'",
            "INVALID_FIELD",
        ),
        (
            "SELECT Id FROM Contact WHERE Birthdate > 1990-01-01T00:00:00Z",
            "INVALID_FIELD",
        ),
        (
            "SELECT Id FROM Contact WHERE CreatedDate > 1990-01-01",
            "INVALID_FIELD",
        ),
        ("SELECT Id FROM Contact WHERE Title = 5", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Title = true", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE DoNotCall = 'true'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE DoNotCall > true", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Title > null", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Description = 'x'", "INVALID_FIELD"),
        (
            "SELECT Id FROM Contact WHERE MailingAddress != null",
            "INVALID_FIELD",
        ),
        ("SELECT Id FROM Contact WHERE Id LIKE '003%'", "INVALID_FIELD"),
        (
            "SELECT Id FROM Contact WHERE Id = 'abc'",
            "INVALID_QUERY_FILTER_OPERATOR",
        ),
        (
            "SELECT Id FROM Contact WHERE OwnerId IN ('abc')",
            "INVALID_QUERY_FILTER_OPERATOR",
        ),
        ("SELECT Id FROM Contact ORDER BY Description", "MALFORMED_QUERY"),
        (
            "SELECT Id FROM Contact WHERE Title = 'a' AND Title = 'b' OR Title = 'c'",
            "MALFORMED_QUERY",
        ),
        (
            "SELECT Id FROM Contact WHERE Title = 'o'brien'",
            "MALFORMED_QUERY",
        ),
        ("SELECT Id, Id FROM Contact", "MALFORMED_QUERY"),
        ("SELECT COUNT(Id) FROM Contact", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact GROUP BY Id", "MALFORMED_QUERY"),
        (
            "SELECT Id FROM Contact LIMIT 1 OFFSET 2001",
            "NUMBER_OUTSIDE_VALID_RANGE",
        ),
        ("DELETE FROM Contact", "MALFORMED_QUERY"),
    ] {
        let got = world.query(soql).await;
        assert_eq!(got.error(), (400, code.into()), "{soql}: {}", got.text);
    }
    let got = world.query("SELECT Id, Nope FROM Contact").await.json();
    let message = text(&got[0], "message");
    assert!(
        message.contains("ERROR at Row:1:Column:12")
            && message.contains("No such column 'Nope' on entity 'Contact'"),
        "{message}"
    );
}

#[tokio::test]
async fn long_results_come_in_pages() {
    let world = World::with(Options {
        contacts: 2200,
        ..Options::default()
    })
    .await;
    let soql = format!(
        "SELECT Id FROM Contact WHERE OwnerId = '{}'",
        world.sandbox.info().users[0].salesforce_user_id
    );
    let first = world.query(&soql).await.json();
    assert_eq!(
        (first["totalSize"].clone(), first["done"].clone()),
        (json!(2200), json!(false))
    );
    assert_eq!(first["records"].as_array().unwrap().len(), 2000);
    let next = text(&first, "nextRecordsUrl");
    assert!(
        next.starts_with(&format!("{API}/query/01g")) && next.ends_with("-2000"),
        "{next}"
    );
    let last = world.get(&next).await.json();
    assert_eq!(
        (last["done"].clone(), last["records"].as_array().unwrap().len()),
        (json!(true), 200)
    );
    assert_eq!(last.get("nextRecordsUrl"), None);

    let path = format!("/query?{}", form(&[("q", &soql)]));
    for (size, pages) in [("500", 5), ("50", 11), ("9999", 2)] {
        let option = format!("batchSize={size}");
        let mut page = world
            .api_as(
                &world.token,
                "GET",
                &path,
                Value::Null,
                &[("Sforce-Query-Options", &option)],
            )
            .await
            .json();
        let mut seen = std::collections::BTreeSet::new();
        let mut count = 1;
        loop {
            for row in page["records"].as_array().unwrap() {
                assert!(seen.insert(text(row, "Id")));
            }
            let Some(next) = page["nextRecordsUrl"].as_str() else {
                break;
            };
            page = world.get(next).await.json();
            count += 1;
        }
        assert_eq!((seen.len(), count), (2200, pages), "{size}");
    }
    // Cursors belong to their user, and are not guessed.
    let other = text(&world.sign_in(1, "api").await, "access_token");
    assert_eq!(
        world.api_as(&other, "GET", &next, Value::Null, &[]).await.error(),
        (400, "INVALID_QUERY_LOCATOR".into())
    );
    for bad in ["/query/nonsense", "/query/01g000000000000AAA-2000", "/query/x-y"] {
        assert_eq!(
            world.get(bad).await.error(),
            (400, "INVALID_QUERY_LOCATOR".into())
        );
    }
    world
        .fault(json!({"service":"salesforce","operation":"queryMore","kind":"duplicate_changes","times":1}))
        .await;
    assert_eq!(
        world.get(&next).await.json()["records"].as_array().unwrap().len(),
        203
    );
    world
        .fault(json!({"service":"salesforce","operation":"queryMore","kind":"expired_cursor","times":1}))
        .await;
    assert_eq!(
        world.get(&next).await.error(),
        (400, "INVALID_QUERY_LOCATOR".into())
    );
    assert_eq!(world.get(&next).await.status, 200);
    world
        .control("POST", "/clock", json!({"advance_s": 3 * 86_400}))
        .await;
    assert_eq!(
        world.get(&next).await.error(),
        (400, "INVALID_QUERY_LOCATOR".into())
    );
}

// ---- changes

#[tokio::test]
async fn updated_and_deleted_list_what_changed() {
    let world = World::start().await;
    let kept = world.create(json!({"LastName": "kept"})).await;
    let gone = world.create(json!({"LastName": "gone"})).await;
    world
        .api("DELETE", &format!("/sobjects/Contact/{gone}"), Value::Null)
        .await;
    let row = world
        .get(&format!("/sobjects/Contact/{kept}?fields=CreatedDate"))
        .await
        .json();
    let created = text(&row, "CreatedDate");
    let minutes = |n: i64| {
        let at: jiff::Timestamp = created.replace("+0000", "Z").parse().unwrap();
        (at + jiff::SignedDuration::from_mins(n))
            .to_string()
            .replace('Z', "+00:00")
    };
    let list = async |which: &str, start: i64, end: i64| {
        let query = form(&[("start", &minutes(start)), ("end", &minutes(end))]);
        world.get(&format!("/sobjects/Contact/{which}/?{query}")).await
    };
    let updated = list("updated", -2, 2).await.json();
    assert_eq!(updated["ids"], json!([kept]));
    assert!(text(&updated, "latestDateCovered").ends_with(":00.000+0000"));
    let deleted = list("deleted", -2, 2).await.json();
    assert_eq!(deleted["deletedRecords"][0]["id"], gone);
    assert_eq!(deleted["deletedRecords"].as_array().unwrap().len(), 1);
    assert!(text(&deleted["deletedRecords"][0], "deletedDate") > created);
    assert!(text(&deleted, "earliestDateAvailable") < created);
    assert_eq!(
        list("updated", -1, -1).await.error(),
        (400, "INVALID_REPLICATION_DATE".into())
    );
    assert_eq!(
        list("updated", -31 * 1440, 1).await.error(),
        (400, "INVALID_REPLICATION_DATE".into())
    );
    assert_eq!(
        list("deleted", -16 * 1440, 1).await.error(),
        (400, "INVALID_REPLICATION_DATE".into())
    );
    assert_eq!(list("deleted", -14 * 1440, 1).await.status, 200);
    assert_eq!(
        world.get("/sobjects/Contact/updated?start=x&end=y").await.status,
        400
    );
    assert_eq!(
        world.get("/sobjects/Contact/updated").await.error(),
        (400, "MISSING_ARGUMENT".into())
    );
    // A plus that was sent bare.
    let bare = format!(
        "/sobjects/Contact/updated?start={}&end={}",
        minutes(-2),
        minutes(2)
    );
    assert_eq!(world.get(&bare).await.json()["ids"], json!([kept]));
}

#[tokio::test]
async fn merge_and_conversion_leave_their_traces() {
    let world = World::start().await;
    let (winner, loser) = (
        world.create(json!({"LastName": "w"})).await,
        world.create(json!({"LastName": "l"})).await,
    );
    let before = world
        .column(
            &format!("SELECT SystemModstamp FROM Contact WHERE Id = '{winner}'"),
            "SystemModstamp",
        )
        .await;
    world
        .control(
            "POST",
            &format!("/salesforce/records/Contact/{winner}/merge"),
            json!({"loser": loser}),
        )
        .await;
    let soql = format!("SELECT Id, IsDeleted, MasterRecordId FROM Contact WHERE Id = '{loser}'");
    let all = world
        .get(&format!("/queryAll?{}", form(&[("q", &soql)])))
        .await
        .json();
    assert_eq!(
        (
            all["records"][0]["IsDeleted"].clone(),
            all["records"][0]["MasterRecordId"].clone()
        ),
        (json!(true), json!(winner))
    );
    let after = world
        .column(
            &format!("SELECT SystemModstamp FROM Contact WHERE Id = '{winner}'"),
            "SystemModstamp",
        )
        .await;
    assert!(after[0].as_str() > before[0].as_str());
    let (status, _) = world
        .sandbox
        .control(
            "POST",
            &format!("/salesforce/records/Contact/{winner}/merge"),
            json!({"loser": loser}),
        )
        .await;
    assert_eq!(status, 404);

    let lead = world
        .column("SELECT Id FROM Lead WHERE IsConverted = false LIMIT 1", "Id")
        .await[0]
        .as_str()
        .unwrap()
        .to_owned();
    let done = world
        .control(
            "POST",
            &format!("/salesforce/records/Lead/{lead}/convert"),
            json!({}),
        )
        .await;
    let row = world.get(&format!("/sobjects/Lead/{lead}")).await.json();
    assert_eq!(
        (row["IsConverted"].clone(), row["ConvertedContactId"].clone()),
        (json!(true), done["contact"].clone())
    );
    assert_eq!(
        world
            .get(&format!("/sobjects/Contact/{}", text(&done, "contact")))
            .await
            .json()["Email"],
        row["Email"]
    );
    let (status, _) = world
        .sandbox
        .control(
            "POST",
            &format!("/salesforce/records/Contact/{winner}/explode"),
            json!({}),
        )
        .await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn control_writes_as_somebody_and_seeds() {
    let world = World::start().await;
    let made = world
        .control(
            "POST",
            &format!("/salesforce/records/Contact?as={}", world.username(1)),
            json!({"fields": {"LastName": "c"}}),
        )
        .await;
    let id = text(&made, "id");
    let row = world.get(&format!("/sobjects/Contact/{id}")).await.json();
    assert_eq!(
        row["CreatedById"],
        world.sandbox.info().users[1].salesforce_user_id
    );
    world
        .control(
            "PATCH",
            &format!("/salesforce/records/Contact/{id}"),
            json!({"fields": {"Title": "t"}}),
        )
        .await;
    world
        .control(
            "PATCH",
            &format!("/salesforce/records/Contact/{id}"),
            json!({"Department": "d"}),
        )
        .await;
    let row = world
        .control("GET", &format!("/salesforce/records/Contact/{id}"), Value::Null)
        .await;
    assert_eq!(
        (
            row["Title"].clone(),
            row["Department"].clone(),
            row["IsDeleted"].clone()
        ),
        (json!("t"), json!("d"), json!(false))
    );
    world
        .control(
            "DELETE",
            &format!("/salesforce/records/Contact/{id}"),
            Value::Null,
        )
        .await;
    let row = world
        .control("GET", &format!("/salesforce/records/Contact/{id}"), Value::Null)
        .await;
    assert_eq!(row["IsDeleted"], true);

    let owner = format!(
        "SELECT COUNT() FROM Contact WHERE OwnerId = '{}'",
        world.sandbox.info().users[0].salesforce_user_id
    );
    let before = world.query(&owner).await.json()["totalSize"].as_u64().unwrap();
    assert_eq!(before, 60);
    let seeded = world
        .control(
            "POST",
            "/salesforce/seed",
            json!({"count": 5, "owner": world.username(0)}),
        )
        .await;
    assert_eq!(seeded["ids"].as_array().unwrap().len(), 5);
    assert_eq!(world.query(&owner).await.json()["totalSize"], before + 5);
    let emails = world.column("SELECT Email FROM Contact", "Email").await;
    let unique: std::collections::BTreeSet<&str> = emails.iter().filter_map(Value::as_str).collect();
    assert_eq!(unique.len(), emails.len());
    assert!(emails.len() > 200);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_organisation() {
    let (a, b) = (World::start().await, World::start().await);
    let c = World::with(Options {
        seed: 2,
        tandem_key: false,
        ..Options::default()
    })
    .await;
    let rows = async |world: &World| {
        world
            .query("SELECT Id, Name, Email, Account.Name FROM Contact")
            .await
            .json()
    };
    assert_eq!(rows(&a).await, rows(&b).await);
    assert_ne!(rows(&a).await, rows(&c).await);
    assert_eq!(a.sandbox.info().client.id, b.sandbox.info().client.id);
    assert_eq!(
        c.query("SELECT Tandem_Key__c FROM Contact").await.error(),
        (400, "INVALID_FIELD".into())
    );
    let stamps = a
        .column(
            "SELECT SystemModstamp FROM Contact ORDER BY SystemModstamp",
            "SystemModstamp",
        )
        .await;
    assert!(stamps.windows(2).all(|w| w[0].as_str() < w[1].as_str()));
    a.org(json!({"whole_second_stamps": true})).await;
    let rows: Vec<Value> = (0..20)
        .map(|n| json!({"attributes": {"type": "Contact"}, "LastName": format!("ws{n}")}))
        .collect();
    a.api("POST", "/composite/sobjects", json!({"records": rows}))
        .await;
    let stamps = a
        .column(
            "SELECT SystemModstamp FROM Contact WHERE LastName LIKE 'ws%'",
            "SystemModstamp",
        )
        .await;
    assert!(stamps.iter().all(|s| s.as_str().unwrap().ends_with(".000+0000")));
    assert!(stamps.windows(2).any(|w| w[0] == w[1]));
}

// ---- faults

#[tokio::test]
async fn faults_of_the_service() {
    let world = World::start().await;
    let count = "SELECT Id FROM Contact";
    let fault = async |kind: Value| {
        let mut rule = json!({"service": "salesforce", "times": 1});
        for (name, value) in kind.as_object().unwrap() {
            rule[name] = value.clone();
        }
        world.fault(rule).await;
    };
    fault(json!({"kind": "throttle", "ms": 10})).await;
    assert_eq!(
        world.query(count).await.error(),
        (403, "REQUEST_LIMIT_EXCEEDED".into())
    );
    fault(json!({"kind": "credentials_wrong"})).await;
    assert_eq!(
        world.query(count).await.error(),
        (401, "INVALID_SESSION_ID".into())
    );
    fault(json!({"kind": "empty", "operation": "query"})).await;
    assert_eq!(world.query(count).await.json()["totalSize"], 0);
    let whole = world.query(count).await.json()["totalSize"].as_u64().unwrap();
    assert!(whole > 0);
    fault(json!({"kind": "duplicate_changes", "operation": "query"})).await;
    assert_eq!(
        world.query(count).await.json()["records"]
            .as_array()
            .unwrap()
            .len() as u64,
        whole + 3
    );

    let id = world.create(json!({"LastName": "x"})).await;
    fault(json!({"kind": "lock_row", "operation": "update"})).await;
    let path = format!("/sobjects/Contact/{id}");
    assert_eq!(
        world.api("PATCH", &path, json!({"Title": "a"})).await.error(),
        (400, "UNABLE_TO_LOCK_ROW".into())
    );
    assert_eq!(world.api("PATCH", &path, json!({"Title": "a"})).await.status, 204);
    world.fault(json!({"service": "salesforce", "operation": "collections_create", "kind": "lock_row", "skip": 1, "times": 1})).await;
    let row = |name: &str| json!({"attributes": {"type": "Contact"}, "LastName": name});
    let rows = world
        .api(
            "POST",
            "/composite/sobjects",
            json!({"records": [row("r1"), row("r2"), row("r3")]}),
        )
        .await
        .json();
    let ok: Vec<bool> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["success"] == true)
        .collect();
    assert_eq!(ok, [true, false, true]);
    assert_eq!(rows[1]["errors"][0]["statusCode"], "UNABLE_TO_LOCK_ROW");

    fault(json!({"kind": "stale_version", "operation": "update"})).await;
    assert_eq!(
        world.api("PATCH", &path, json!({"Title": "b"})).await.error(),
        (412, "PRECONDITION_FAILED".into())
    );
    let old = [("If-Unmodified-Since", "Mon, 30 Nov 2020 08:34:54 GMT")];
    assert_eq!(
        world
            .api_as(&world.token, "PATCH", &path, json!({"Title": "b"}), &old)
            .await
            .status,
        412
    );
    let new = [("If-Unmodified-Since", "Sat, 30 Nov 2199 08:34:54 GMT")];
    assert_eq!(
        world
            .api_as(&world.token, "PATCH", &path, json!({"Title": "b"}), &new)
            .await
            .status,
        204
    );
    // Faults reach the parts of a composite request.
    fault(json!({"kind": "empty", "operation": "queryAll"})).await;
    let request =
        json!({"compositeRequest": [part("GET", "/queryAll?q=SELECT+Id+FROM+Lead", "a", Value::Null)]});
    let got = world.api("POST", "/composite", request).await.json();
    assert_eq!(got["compositeResponse"][0]["body"]["totalSize"], 0);
}

#[tokio::test]
async fn faults_of_the_line() {
    let world = World::start().await;
    world.fault(json!({"service": "salesforce", "operation": "create", "kind": "timeout_after", "ms": 5, "times": 1})).await;
    let bearer = format!("Bearer {}", world.token);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let path = format!("{API}/sobjects/Contact");
    let body = json!({"LastName": "Afterall"}).to_string();
    assert!(
        world
            .try_send("POST", &path, &headers, body.clone())
            .await
            .is_err()
    );
    let found = "SELECT Id FROM Contact WHERE LastName = 'Afterall'";
    assert_eq!(world.column(found, "Id").await.len(), 1);
    world.fault(json!({"service": "salesforce", "operation": "create", "kind": "timeout_before", "ms": 5, "times": 1})).await;
    assert!(world.try_send("POST", &path, &headers, body).await.is_err());
    assert_eq!(world.column(found, "Id").await.len(), 1);
    world.fault(json!({"service": "salesforce", "operation": "query", "user": world.username(0), "kind": "status", "code": 503, "times": 1})).await;
    let other = text(&world.sign_in(1, "api").await, "access_token");
    let query = format!("/query?{}", form(&[("q", found)]));
    assert_eq!(
        world.api_as(&other, "GET", &query, Value::Null, &[]).await.status,
        200
    );
    assert_eq!(world.query(found).await.status, 503);
    world
        .fault(json!({"service": "salesforce", "operation": "query", "kind": "malformed", "times": 1}))
        .await;
    let got = world.query(found).await;
    assert!(serde_json::from_str::<Value>(&got.text).is_err());
    world
        .fault(json!({"service": "login", "operation": "token", "kind": "status", "code": 500, "times": 1}))
        .await;
    assert_eq!(world.refresh("x").await.status, 500);
    assert_eq!(world.refresh("x").await.status, 400);
    world.fault(json!({"service": "login", "operation": "token", "user": world.username(1), "kind": "credentials_wrong", "times": 1})).await;
    let refresh = text(&world.sign_in(0, "api refresh_token").await, "refresh_token");
    assert_eq!(world.refresh(&refresh).await.status, 200);

    let log = world.control("GET", "/log", Value::Null).await;
    let last = log
        .as_array()
        .unwrap()
        .iter()
        .rfind(|e| e["operation"] == "query")
        .unwrap()
        .clone();
    assert_eq!(
        (last["service"].clone(), last["user"].clone()),
        (json!("salesforce"), json!(world.username(0)))
    );
    assert!(!log.to_string().contains("Afterall") && !log.to_string().contains(&world.token));
}

#[tokio::test]
async fn a_late_change_is_listed_later() {
    let world = World::start().await;
    let names = async || {
        let soql = "SELECT LastName FROM Contact WHERE FirstName = 'Late' ORDER BY SystemModstamp";
        world.column(soql, "LastName").await
    };
    let id = world
        .create(json!({"FirstName": "Late", "LastName": "one"}))
        .await;
    assert_eq!(names().await, ["one"]);
    let path = format!("/sobjects/Contact/{id}");
    world.api("PATCH", &path, json!({"LastName": "changed"})).await;
    world
        .create(json!({"FirstName": "Late", "LastName": "two"}))
        .await;
    world.fault(json!({"service": "salesforce", "operation": "query", "kind": "late_changes", "n": 3, "times": 1})).await;
    assert_eq!(names().await, ["one"]);
    // Whoever asks by id sees what is stored.
    assert_eq!(world.get(&path).await.json()["LastName"], "changed");
    assert_eq!(names().await, ["one"]);
    assert_eq!(names().await, ["changed", "two"]);
    // A change after the fault is not late.
    world
        .create(json!({"FirstName": "Late", "LastName": "three"}))
        .await;
    assert_eq!(names().await, ["changed", "two", "three"]);
}
