//! Microsoft's sign-in against the sandbox's, with a browser of a few lines.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tandem_mailbox::microsoft::{
    Ask, Guid, MicrosoftApp, Prompt, Remedy, SignInError, SignedIn, Started, Tenant, TokenSet, claims_of,
};
use tandem_net::{Net, NetConfig, Request, Response, Schemes};
use tandem_sync::{Fault, FaultKind};
use tandem_types::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::Url;

use crate::support::World;

const OTHER: &str = "11111111-2222-4333-8444-555555555555";

/// Cookies, and forms that are filled in.
struct Browser {
    net: Net,
    cookies: BTreeMap<String, String>,
}

/// What a step of the browser came to.
enum Shown {
    Page(Url, String),
    /// Back at the application.
    Callback(BTreeMap<String, String>),
}

impl Shown {
    #[track_caller]
    fn callback(self) -> BTreeMap<String, String> {
        match self {
            Self::Callback(query) => query,
            Self::Page(_, text) => panic!("still a page: {text}"),
        }
    }
}

impl Browser {
    fn new(world: &World) -> Self {
        Self {
            net: world.net.clone(),
            cookies: BTreeMap::new(),
        }
    }

    async fn send(&mut self, mut request: Request) -> Shown {
        let cookies: Vec<String> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        if !cookies.is_empty() {
            request = request.header("cookie", &cookies.join("; "));
        }
        let answer: Response = self.net.send(request).await.unwrap();
        for cookie in answer.headers.get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        match answer.header("location") {
            Some(location) => {
                let url = Url::parse(location).unwrap();
                assert_eq!(url.path(), "/auth/microsoft/callback");
                Shown::Callback(url.query_pairs().into_owned().collect())
            }
            None => Shown::Page(answer.url, String::from_utf8(answer.body).unwrap()),
        }
    }

    async fn open(&mut self, url: &Url) -> Shown {
        self.send(Request::get(url.clone())).await
    }

    async fn submit(&mut self, page: Shown, fields: &[(&str, &str)]) -> Shown {
        let Shown::Page(url, text) = page else {
            panic!("no page");
        };
        let value = |name: &str| {
            let after = text
                .split(name)
                .nth(1)
                .unwrap_or_else(|| panic!("no {name}: {text}"));
            after.split('"').next().unwrap().to_owned()
        };
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("ctx", &value("name=\"ctx\" value=\""))
            .extend_pairs(fields)
            .finish();
        let request = Request::post(url.join(&value("action=\"")).unwrap(), body)
            .header("content-type", "application/x-www-form-urlencoded");
        self.send(request).await
    }

    /// Logs in where that is asked for, and agrees where that is asked for.
    async fn walk(&mut self, url: &Url, username: &str, password: &str) -> BTreeMap<String, String> {
        let mut shown = self.open(url).await;
        for _ in 0..5 {
            let fields: &[(&str, &str)] = match &shown {
                Shown::Callback(_) => break,
                Shown::Page(_, text) if text.contains("loginfmt") => {
                    &[("loginfmt", username), ("passwd", password)]
                }
                Shown::Page(_, text) if text.contains("value=\"Return\"") => &[("ucaccept", "Return")],
                Shown::Page(_, text) if text.contains("ucaccept") => &[("ucaccept", "Yes")],
                Shown::Page(_, text) if text.contains("ProcessAuth") => &[],
                Shown::Page(_, text) => panic!("what is this page? {text}"),
            };
            shown = self.submit(shown, fields).await;
        }
        shown.callback()
    }
}

fn app(world: &World) -> MicrosoftApp {
    let info = world.sandbox.info();
    MicrosoftApp {
        authority: info.microsoft.https.parse().unwrap(),
        tenant: Tenant::Organizations,
        allowed_tenants: Vec::new(),
        client_id: info.microsoft_client.id.clone(),
        client_secret: Some(SecretString::from(info.microsoft_client.secret.as_str())),
        redirect_uri: "http://localhost:9999/auth/microsoft/callback".parse().unwrap(),
        schemes: Schemes::HttpsOnly,
        timeout: Duration::from_secs(5),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the sandbox lives in the machine's time"
)]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp(i64::try_from(since.unwrap().as_micros()).unwrap())
}

/// The browser's part of a sign-in.
async fn begun(world: &World, app: &MicrosoftApp, ask: &Ask) -> (Started, SecretString) {
    let started = app.authorize(ask).unwrap();
    let user = &world.user;
    let query = Browser::new(world)
        .walk(&started.url, &user.microsoft_username, &user.microsoft_password)
        .await;
    assert_eq!(query["state"], started.state);
    (started, SecretString::from(query["code"].as_str()))
}

async fn finish(
    world: &World,
    app: &MicrosoftApp,
    started: &Started,
    code: &SecretString,
) -> Result<SignedIn, SignInError> {
    app.exchange_code(&world.net, code, &started.verifier, &started.nonce, now())
        .await
}

async fn sign_in(world: &World, app: &MicrosoftApp) -> Result<SignedIn, SignInError> {
    let (started, code) = begun(world, app, &Ask::default()).await;
    finish(world, app, &started, &code).await
}

async fn refresh(world: &World, app: &MicrosoftApp, signed: &SignedIn) -> Result<TokenSet, SignInError> {
    app.refresh(&world.net, &signed.refresh, &signed.identity.owner, now())
        .await
}

async fn set_user(world: &World, change: Value) {
    let path = format!("/microsoft/users/{}", world.user.mailbox);
    world.control("PUT", &path, change).await;
}

async fn settings(world: &World, change: Value) {
    world.control("PUT", "/microsoft/settings", change).await;
}

async fn forge(world: &World, claims: Value) {
    world.control("POST", "/microsoft/forge", claims).await;
}

async fn rule(world: &World, rule: Value) {
    let mut rule = rule;
    rule["service"] = json!("microsoft");
    world.control("POST", "/faults", rule).await;
}

#[tokio::test]
async fn from_the_first_page_to_the_third_token() {
    let world = World::new().await;
    let app = app(&world);
    settings(&world, json!({ "token_life_s": 600 })).await;
    let before = now();
    let ask = Ask {
        login_hint: Some(world.user.mailbox.clone()),
        ..Ask::default()
    };
    let (started, code) = begun(&world, &app, &ask).await;
    let signed = finish(&world, &app, &started, &code).await.unwrap();
    assert_eq!(signed.identity.username, world.user.mailbox);
    assert_eq!(signed.identity.display_name, world.user.name);
    assert_eq!(
        signed.identity.owner.tenant.as_str(),
        world.sandbox.info().tenant_id
    );
    let life = signed.tokens.expires_at.seconds_since(before);
    assert!((600..630).contains(&life), "{life}");
    assert_eq!(
        signed.tokens.expires_at.seconds_since(signed.tokens.refresh_at),
        150
    );
    assert!(signed.tokens.scope.contains(&"Tasks.ReadWrite".to_owned()));

    let second = refresh(&world, &app, &signed).await.unwrap();
    let new = second.refresh.clone().unwrap();
    assert_ne!(new.expose_secret(), signed.refresh.expose_secret());
    assert_ne!(
        second.access.expose_secret(),
        signed.tokens.access.expose_secret()
    );
    // The answer to the last one was lost: the token before it still serves.
    let third = refresh(&world, &app, &signed).await.unwrap();
    assert_ne!(third.access.expose_secret(), second.access.expose_secret());

    // Who signs in elsewhere can choose another account.
    let ask = Ask {
        prompt: Prompt::SelectAccount,
        ..Ask::default()
    };
    let (started, code) = begun(&world, &app, &ask).await;
    finish(&world, &app, &started, &code).await.unwrap();
}

#[tokio::test]
async fn a_stolen_or_second_hand_answer_is_worth_nothing() {
    let world = World::new().await;
    let app = app(&world);
    let (started, code) = begun(&world, &app, &Ask::default()).await;
    let (other, second) = begun(&world, &app, &Ask::default()).await;
    assert!(started.state != other.state);

    // A code of somebody else's sign-in in mine: my verifier does not fit, and it stays unused.
    let error = finish(&world, &app, &started, &second).await.unwrap_err();
    assert_eq!(
        (error.remedy, error.code.as_str()),
        (Remedy::SignIn, "invalid_grant")
    );
    // The right verifier, the nonce of another browser.
    let mixed = Started {
        nonce: started.nonce.clone(),
        ..other.clone()
    };
    let error = finish(&world, &app, &mixed, &second).await.unwrap_err();
    assert_eq!(
        (error.remedy, error.code.as_str()),
        (Remedy::SignIn, "wrong_token")
    );
    assert!(error.to_string().contains("another sign-in"), "{error}");

    finish(&world, &app, &started, &code).await.unwrap();
    let error = finish(&world, &app, &started, &code).await.unwrap_err();
    assert_eq!(
        (error.remedy, error.code.as_str()),
        (Remedy::SignIn, "invalid_grant")
    );
    assert!(error.to_string().contains("AADSTS54005"), "{error}");

    // Another callback than the one that the sign-in was begun for.
    let (started, code) = begun(&world, &app, &Ask::default()).await;
    let moved = MicrosoftApp {
        redirect_uri: "http://localhost:9998/auth/microsoft/callback".parse().unwrap(),
        ..app.clone()
    };
    let error = finish(&world, &moved, &started, &code).await.unwrap_err();
    assert_eq!(error.remedy, Remedy::Administrator);
}

#[tokio::test]
async fn tokens_of_others_are_refused() {
    let world = World::new().await;
    let app = app(&world);
    for claims in [
        json!({ "aud": OTHER }),
        json!({ "iss": "https://evil.example/v2.0" }),
        // A directory that the issuer does not name, and one that it names although it is not the configured one.
        json!({ "tid": OTHER }),
        json!({ "nonce": "of-another-sign-in" }),
        json!({ "nonce": null }),
        json!({ "exp": 1_000_000 }),
        json!({ "oid": null }),
        json!({ "id_token": "e30.e30.e30" }),
        json!({ "id_token": "nonsense" }),
    ] {
        let (started, code) = begun(&world, &app, &Ask::default()).await;
        forge(&world, claims.clone()).await;
        let error = finish(&world, &app, &started, &code).await.unwrap_err();
        assert_eq!(error.code, "wrong_token", "{claims}");
    }

    let signed = sign_in(&world, &app).await.unwrap();
    let authority = &world.sandbox.info().microsoft.https;
    for claims in [
        json!({ "oid": OTHER }),
        json!({ "tid": OTHER, "iss": format!("{authority}/{OTHER}/v2.0") }),
        json!({ "aud": OTHER }),
    ] {
        forge(&world, claims.clone()).await;
        let error = refresh(&world, &app, &signed).await.unwrap_err();
        assert_eq!(
            (error.remedy, error.code.as_str()),
            (Remedy::SignIn, "wrong_token"),
            "{claims}"
        );
    }
    assert!(refresh(&world, &app, &signed).await.is_ok());
}

#[tokio::test]
async fn only_the_configured_organisation_gets_in() {
    let world = World::new().await;
    let info = world.sandbox.info();
    let (own, other): (Guid, Guid) = (
        info.tenant_id.parse().unwrap(),
        info.stranger.tenant_id.parse().unwrap(),
    );
    for tenant in [
        Tenant::Id(own.clone()),
        info.autodiscover_domain.parse().unwrap(),
        Tenant::Common,
    ] {
        let app = MicrosoftApp {
            tenant,
            ..app(&world)
        };
        let signed = sign_in(&world, &app).await.unwrap();
        assert!(refresh(&world, &app, &signed).await.is_ok());
    }

    // A stranger at `organizations`: Microsoft lets in, the list does not.
    let open = app(&world);
    let closed = MicrosoftApp {
        allowed_tenants: vec![own.clone()],
        ..app(&world)
    };
    for (app, gets_in) in [(&open, true), (&closed, false)] {
        let started = app.authorize(&Ask::default()).unwrap();
        let query = Browser::new(&world)
            .walk(&started.url, &info.stranger.username, &info.stranger.password)
            .await;
        let code = SecretString::from(query["code"].as_str());
        match finish(&world, app, &started, &code).await {
            Ok(signed) => assert!(gets_in && signed.identity.owner.tenant == other),
            Err(error) => assert!(!gets_in && error.code == "wrong_tenant", "{error}"),
        }
    }
    // A token of elsewhere at the one organisation that is configured by its domain.
    let app_of_domain = MicrosoftApp {
        tenant: info.autodiscover_domain.parse().unwrap(),
        ..app(&world)
    };
    let (started, code) = begun(&world, &app_of_domain, &Ask::default()).await;
    let authority = &info.microsoft.https;
    forge(
        &world,
        json!({ "tid": OTHER, "iss": format!("{authority}/{OTHER}/v2.0") }),
    )
    .await;
    let error = finish(&world, &app_of_domain, &started, &code).await.unwrap_err();
    assert_eq!(
        (error.remedy, error.code.as_str()),
        (Remedy::SignIn, "wrong_tenant")
    );

    let nowhere = MicrosoftApp {
        tenant: "elsewhere.example".parse().unwrap(),
        ..app(&world)
    };
    let error = finish(&world, &nowhere, &started, &code).await.unwrap_err();
    assert_eq!(
        (error.remedy, error.code.as_str()),
        (Remedy::Administrator, "no_tenant")
    );
}

#[tokio::test]
async fn each_end_of_a_grant_has_its_remedy() {
    let world = World::new().await;
    let app = app(&world);
    let user = format!("/microsoft/users/{}", world.user.mailbox);
    let signed = sign_in(&world, &app).await.unwrap();

    set_user(&world, json!({ "blocked": true })).await;
    let error = refresh(&world, &app, &signed).await.unwrap_err();
    assert_eq!(
        (error.remedy, error.code.as_str()),
        (Remedy::SignIn, "invalid_grant")
    );
    set_user(&world, json!({ "blocked": false })).await;

    world
        .control("POST", &format!("{user}/forget_consent"), Value::Null)
        .await;
    let error = refresh(&world, &app, &signed).await.unwrap_err();
    assert_eq!(
        (error.remedy, error.code.as_str()),
        (Remedy::SignIn, "invalid_grant")
    );

    let signed = sign_in(&world, &app).await.unwrap();
    world
        .control("POST", &format!("{user}/revoke_all"), Value::Null)
        .await;
    let error = refresh(&world, &app, &signed).await.unwrap_err();
    assert_eq!(error.remedy, Remedy::SignIn);
    // What Microsoft's support asks for is there, the user is not.
    let text = format!("{error} {error:?}");
    assert!(
        text.contains("AADSTS50173") && text.contains("trace ") && text.contains("correlation "),
        "{text}"
    );
    assert!(
        !text.contains("trace -") && !text.contains(&world.user.mailbox),
        "{text}"
    );
    assert_eq!(Fault::from(error).kind, FaultKind::SignInEnded);

    let signed = sign_in(&world, &app).await.unwrap();
    world
        .control("POST", "/clock", json!({ "advance_s": 91 * 24 * 3600 }))
        .await;
    let error = refresh(&world, &app, &signed).await.unwrap_err();
    assert_eq!(
        (error.remedy, error.code.as_str()),
        (Remedy::SignIn, "invalid_grant")
    );
}

#[tokio::test]
async fn what_the_administrator_must_mend() {
    let world = World::new().await;
    let right = app(&world);
    let signed = sign_in(&world, &right).await.unwrap();
    for (wrong, code) in [
        (
            MicrosoftApp {
                client_secret: Some(SecretString::from("wrong")),
                ..right.clone()
            },
            "invalid_client",
        ),
        (
            MicrosoftApp {
                client_secret: None,
                ..right.clone()
            },
            "invalid_client",
        ),
        (
            MicrosoftApp {
                client_id: OTHER.to_owned(),
                ..right.clone()
            },
            "unauthorized_client",
        ),
        (
            MicrosoftApp {
                tenant: "elsewhere.example".parse().unwrap(),
                ..right.clone()
            },
            "invalid_request",
        ),
    ] {
        let error = refresh(&world, &wrong, &signed).await.unwrap_err();
        assert_eq!((error.remedy, error.code.as_str()), (Remedy::Administrator, code));
        assert_eq!(Fault::from(error).kind, FaultKind::Fatal);
    }
    settings(&world, json!({ "secret_expired": true })).await;
    let error = refresh(&world, &right, &signed).await.unwrap_err();
    assert_eq!(error.remedy, Remedy::Administrator);
    settings(&world, json!({ "secret_expired": false })).await;
    assert!(refresh(&world, &right, &signed).await.is_ok());
}

#[tokio::test]
async fn consent_is_refused_or_an_administrators() {
    let world = World::new().await;
    let app = app(&world);
    let (name, password) = (&world.user.microsoft_username, &world.user.microsoft_password);
    let from = |query: &BTreeMap<String, String>| {
        let get = |name: &str| query.get(name).map(String::as_str);
        SignInError::from_callback(get("error").unwrap(), get("error_description"), get("claims"))
    };
    let mut browser = Browser::new(&world);
    let page = browser.open(&app.authorize(&Ask::default()).unwrap().url).await;
    let page = browser
        .submit(page, &[("loginfmt", name), ("passwd", password)])
        .await;
    let error = from(&browser.submit(page, &[("ucaccept", "No")]).await.callback());
    assert_eq!(
        (error.remedy, error.code.as_str()),
        (Remedy::SignIn, "access_denied")
    );
    assert!(
        !error.lacks_consent() && !error.to_string().contains("trace -"),
        "{error}"
    );

    settings(&world, json!({ "admin_consent": true })).await;
    let started = app.authorize(&Ask::default()).unwrap();
    let error = from(&Browser::new(&world).walk(&started.url, name, password).await);
    assert_eq!((error.remedy, error.lacks_consent()), (Remedy::SignIn, true));

    // The administrator follows the link; everybody gets in.
    let admin = &world.sandbox.info().administrator;
    let mut url = app.admin_consent_url("s&t").unwrap();
    assert!(matches!(browser.open(&url).await, Shown::Page(_, text) if text.contains("loginfmt")));
    let body = url::form_urlencoded::Serializer::new(url.query().unwrap().to_owned())
        .append_pair("loginfmt", &admin.username)
        .append_pair("passwd", &admin.password)
        .finish();
    url.set_query(None);
    let query = browser.send(Request::post(url, body)).await.callback();
    assert_eq!(
        (query["admin_consent"].as_str(), query["state"].as_str()),
        ("True", "s&t")
    );
    sign_in(&world, &app).await.unwrap();

    // The administrator takes it back, and the user has agreed to a part only.
    let issue =
        json!({ "user": world.user.mailbox, "scopes": ["openid", "profile", "offline_access", "User.Read"] });
    let issued = world.control("POST", "/microsoft/issue", issue).await;
    let owner = sign_in(&world, &app).await.unwrap().identity.owner;
    settings(&world, json!({ "consented": [] })).await;
    let token = SecretString::from(issued["refresh_token"].as_str().unwrap());
    let error = app.refresh(&world.net, &token, &owner, now()).await.unwrap_err();
    assert_eq!(error.remedy, Remedy::SignIn);
}

#[tokio::test]
async fn conditional_access_is_met_by_passing_the_claims_on() {
    let world = World::new().await;
    let app = app(&world);
    let signed = sign_in(&world, &app).await.unwrap();
    set_user(&world, json!({ "conditional_access": true })).await;
    for error in ["interaction_required", "invalid_grant"] {
        settings(&world, json!({ "demand_error": error })).await;
        let refused = refresh(&world, &app, &signed).await.unwrap_err();
        assert_eq!((refused.remedy, refused.code.as_str()), (Remedy::SignIn, error));
        assert!(refused.claims.is_some());
    }
    let fault = Fault::from(refresh(&world, &app, &signed).await.unwrap_err());
    let claims = claims_of(&fault).unwrap().to_owned();
    // Without them it goes round in circles.
    assert!(sign_in(&world, &app).await.unwrap_err().claims.is_some());
    let ask = Ask {
        claims: Some(claims),
        ..Ask::default()
    };
    let (started, code) = begun(&world, &app, &ask).await;
    let signed = finish(&world, &app, &started, &code).await.unwrap();
    refresh(&world, &app, &signed).await.unwrap();
}

#[tokio::test]
async fn answers_that_are_none() {
    let world = World::new().await;
    let app = MicrosoftApp {
        timeout: Duration::from_secs(1),
        ..app(&world)
    };
    let signed = sign_in(&world, &app).await.unwrap();
    for (kind, retry_after, in_doubt) in [
        (json!({ "kind": "throttle", "ms": 7000 }), Some(7), false),
        (
            json!({ "kind": "status", "code": 503, "retry_after_s": 9 }),
            Some(9),
            true,
        ),
        (
            json!({ "kind": "status", "code": 429, "retry_after_s": 3 }),
            Some(3),
            false,
        ),
        // Plain text, once with the right status.
        (json!({ "kind": "status", "code": 502 }), None, true),
        (json!({ "kind": "status", "code": 200 }), None, true),
        (json!({ "kind": "malformed" }), None, true),
        (json!({ "kind": "cut_body" }), None, true),
        (json!({ "kind": "reset" }), None, true),
        (json!({ "kind": "slow_body", "ms_per_chunk": 300 }), None, true),
        (json!({ "kind": "timeout_before", "ms": 1500 }), None, true),
    ] {
        let mut once = kind.clone();
        once["operation"] = json!("refresh");
        once["times"] = json!(1);
        rule(&world, once).await;
        let error = refresh(&world, &app, &signed).await.unwrap_err();
        let later = Remedy::Later {
            retry_after: retry_after.map(Duration::from_secs),
        };
        assert_eq!(
            (error.remedy, error.in_doubt),
            (later, in_doubt),
            "{kind}: {error}"
        );
        assert!(matches!(Fault::from(error).kind, FaultKind::Transient { .. }));
    }
    // None of it has cost the grant.
    refresh(&world, &app, &signed).await.unwrap();
}

/// Answers every connection with the same bytes.
async fn stub(answer: Vec<u8>) -> Url {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut seen = Vec::new();
            let mut piece = [0; 4096];
            // The whole request, as its head announces it: closing on unread bytes would reset the connection.
            loop {
                let read = stream.read(&mut piece).await.unwrap_or_default();
                seen.extend_from_slice(&piece[..read]);
                let text = String::from_utf8_lossy(&seen);
                let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                    let length = head.lines().find_map(|line| {
                        let (name, value) = line.split_once(':')?;
                        name.eq_ignore_ascii_case("content-length")
                            .then(|| value.trim().parse::<usize>().unwrap())
                    });
                    body.len() >= length.unwrap_or_default()
                });
                if read == 0 || whole {
                    break;
                }
            }
            let _ = stream.write_all(&answer).await;
        }
    });
    url
}

fn http(status: &str, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

#[tokio::test]
async fn a_token_endpoint_that_is_somebody_else() {
    let net = Net::new(&NetConfig {
        allow_loopback: true,
        ..NetConfig::default()
    })
    .unwrap();
    let login = "<html>Sign in to the hotel's network, password geheim</html>";
    let huge = format!("{{\"access_token\":\"{}\"}}", "geheim".repeat(20_000));
    let tokens = "{\"access_token\":\"geheim\",\"token_type\":\"Bearer\",\"expires_in\":3600}";
    let json = "application/json; charset=utf-8";
    for (answer, code) in [
        (http("200 OK", "text/html", login), "unreadable"),
        (http("403 Forbidden", "text/html", login), "unreadable"),
        (
            http("302 Found\r\nlocation: http://evil.example/", json, ""),
            "unreadable",
        ),
        (http("200 OK", json, ""), "unreadable"),
        (
            http("200 OK", json, "{\"access_token\":\"geheim\"}"),
            "unreadable",
        ),
        (
            http("400 Bad Request", json, "{\"error\":[\"geheim\"]}"),
            "unreadable",
        ),
        (
            http("400 Bad Request", json, "{\"error\":\"Geheim geheim\"}"),
            "unreadable",
        ),
        (http("200 OK", json, &huge), "no_answer"),
        (http("200 OK", json, tokens), "wrong_token"),
    ] {
        let app = MicrosoftApp {
            authority: stub(answer).await,
            tenant: Tenant::Organizations,
            allowed_tenants: Vec::new(),
            client_id: OTHER.to_owned(),
            client_secret: Some(SecretString::from("hidden")),
            redirect_uri: "http://localhost:9999/auth/microsoft/callback".parse().unwrap(),
            schemes: Schemes::HttpToo,
            timeout: Duration::from_secs(5),
        };
        let started = app.authorize(&Ask::default()).unwrap();
        let code_text = SecretString::from("hidden");
        let error = app
            .exchange_code(&net, &code_text, &started.verifier, &started.nonce, Timestamp(0))
            .await
            .unwrap_err();
        assert_eq!(error.code, code, "{error}");
        let shown = format!("{error} {error:?}");
        let text = format!("{shown} {:?}", Fault::from(error)).to_lowercase();
        assert!(!text.contains("geheim") && !text.contains("hidden"), "{text}");
    }
}

#[tokio::test]
async fn plain_http_gets_no_secret() {
    let world = World::new().await;
    let app = MicrosoftApp {
        authority: world.sandbox.info().microsoft.http.parse().unwrap(),
        ..app(&world)
    };
    let started = app.authorize(&Ask::default()).unwrap();
    let error = finish(&world, &app, &started, &SecretString::from("x"))
        .await
        .unwrap_err();
    assert_eq!((error.remedy, error.in_doubt), (Remedy::Administrator, false));
    let counters = world.control("GET", "/counters", Value::Null).await;
    assert_eq!(counters["microsoft"]["requests"], 0);
}

#[tokio::test]
async fn no_text_holds_a_token() {
    let world = World::new().await;
    let app = app(&world);
    let (started, code) = begun(&world, &app, &Ask::default()).await;
    let signed = finish(&world, &app, &started, &code).await.unwrap();
    let mut texts = vec![format!("{started:?} {signed:?} {app:?}")];
    texts.push(format!("{:?}", refresh(&world, &app, &signed).await.unwrap()));
    texts.push(format!(
        "{:?}",
        finish(&world, &app, &started, &code).await.unwrap_err()
    ));
    for fault in ["malformed", "cut_body", "reset"] {
        rule(
            &world,
            json!({ "kind": fault, "operation": "refresh", "times": 1 }),
        )
        .await;
        let error = refresh(&world, &app, &signed).await.unwrap_err();
        texts.push(format!("{error} {error:?}"));
    }
    let texts = texts.concat();
    let issued = world.control("GET", "/microsoft/tokens", Value::Null).await;
    let issued = issued.as_array().unwrap();
    assert!(issued.len() > 8);
    for one in issued {
        assert!(!texts.contains(one["value"].as_str().unwrap()), "{}", one["kind"]);
    }
}
