//! The router by itself: who is let in, what every answer carries. No socket, no other server.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test that cannot go on fails the test"
)]

#[path = "http/organisation.rs"]
mod organisation;
#[path = "http/tenancy.rs"]
mod tenancy;

use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use futures::future::join_all;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HeaderMap,
    LOCATION, RETRY_AFTER, SET_COOKIE, VARY,
};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tandem_server::app::App;
use tandem_server::config;
use tandem_store::{GrantSecret, MailboxSecret, NewUser, Provider, WaitingSignIn, WebSessionNew};
use tandem_sync::cure::{Candidate, candidates_to_detail};
use tandem_sync::model::ItemId;
use tandem_sync::ports::{Closing, Commit, Issue, IssueKey, Pick, Store as _};
use tandem_types::{
    ConnectionId, IssueCode, IssueCure, ItemKind, MailboxAccount, MailboxServer, SessionOutcome, Side,
    StateReason, SyncState, Timestamp, UserId,
};
use tower::ServiceExt as _;

const OWN: &str = "https://tandem.example.com";
const USER: &str = "005000000000001AAA";
const CONNECTION: &str = "0123456789abcdef0123456789abcdef";
const TTL: Duration = Duration::from_mins(5);

/// A server whose database and files lie in a folder of its own, and whose way out leads nowhere.
struct Server {
    _folder: tempfile::TempDir,
    app: App,
    router: Router,
}

type Headers<'a> = Vec<(&'a str, &'a str)>;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn header(&self, name: impl http::header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

fn site(folder: &Path) {
    let pkg = folder.join("pkg");
    std::fs::create_dir_all(&pkg).unwrap();
    for (path, text) in [
        ("hash.txt", "js: AAAA\nwasm: BBBB\ncss: CCCC\n"),
        ("icon-64.png", "png"),
        ("pkg/pane.AAAA.js", "plain"),
        ("pkg/pane.AAAA.js.br", "brotli"),
    ] {
        std::fs::write(folder.join(path), text).unwrap();
    }
}

impl Server {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With more keys of the configuration.
    async fn start_with(more: &[(&str, &str)]) -> Self {
        // Another test of this process may have been first.
        let _ = any_spawner::Executor::init_tokio();
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        site(&folder.path().join("site"));
        let variables = [
            ("PUBLIC_URL", OWN.to_owned()),
            ("DATABASE", format!("sqlite:{}", at("tandem.db"))),
            ("MASTER_KEY_FILE", at("tandem.key")),
            ("SITE_ROOT", at("site")),
            ("SALESFORCE_CLIENT_ID", "client".to_owned()),
            ("SALESFORCE_ALLOWED_ORGS", "00D000000000001AAA".to_owned()),
            ("NET_RESOLVE", "login.salesforce.com=127.0.0.1:9".to_owned()),
            ("MICROSOFT_CLIENT_ID", "client at microsoft".to_owned()),
            ("MICROSOFT_CLIENT_SECRET", "secret".to_owned()),
            ("EWS_ALLOWED_DOMAINS", "contoso.example".to_owned()),
            (
                "OUTLOOK_FRAME_ANCESTORS",
                "https://outlook.office.com,https://owa.contoso.example".to_owned(),
            ),
        ];
        let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let variables = variables
            .into_iter()
            .chain(more)
            .map(|(name, value)| (format!("TANDEM_{name}"), value));
        let (config, _) = config::load(None, variables).unwrap();
        let app = App::start(config).await.unwrap();
        let router = tandem_server::http::router(&app);
        Self {
            _folder: folder,
            app,
            router,
        }
    }

    /// Signs the user in without Salesforce; answers the cookie.
    async fn sign_in(&self, token: &str) -> String {
        let now = self.app.clock.now();
        let user: UserId = USER.parse().unwrap();
        let org = "00D000000000001AAA";
        let new = NewUser {
            org_id: org.parse().unwrap(),
            user_id: user.clone(),
            username: "nina@contoso.example".into(),
            name: "Nina Berg".into(),
            email: "nina@contoso.example".into(),
            org_name: "Contoso".into(),
            instance_url: "https://contoso.my.salesforce.com".into(),
        };
        self.app.store.upsert_user(&new, now).await.unwrap();
        self.app
            .store
            .ensure_connection(&user, CONNECTION.parse().unwrap(), now)
            .await
            .unwrap();
        let session = WebSessionNew {
            token_hash: hash(token),
            user_id: user,
            org_id: org.parse().unwrap(),
            expires: now.plus_seconds(3600),
        };
        self.app.store.create_web_session(&session, now).await.unwrap();
        format!("__Host-tandem={token}")
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(request("GET", path, headers, "")).await
    }

    /// As our own script does it.
    async fn call(&self, path: &str, more: &[(&str, &str)], body: &str) -> Answer {
        let mut headers = vec![
            ("origin", OWN),
            ("sec-fetch-site", "same-origin"),
            ("tandem-request", "1"),
            ("accept", "application/json"),
        ];
        if !more.iter().any(|(name, _)| *name == "content-type") {
            headers.push(("content-type", "application/x-www-form-urlencoded"));
        }
        headers.extend(more);
        self.ask(request("POST", path, &headers, body)).await
    }

    async fn bearer(&self, cookie: &str) -> String {
        let renewed = self.call("/api/renew", &[("cookie", cookie)], "").await;
        assert_eq!(renewed.status, StatusCode::OK, "{}", renewed.text());
        format!("Bearer {}", renewed.json()["bearer"].as_str().unwrap())
    }

    /// Connects a mailbox whose password no server will see.
    async fn activate(&self) -> ConnectionId {
        let id: ConnectionId = CONNECTION.parse().unwrap();
        self.connect(&id, "nina@contoso.example").await;
        id
    }

    async fn connect(&self, id: &ConnectionId, address: &str) {
        let account = MailboxAccount {
            address: address.to_owned(),
            server: MailboxServer::Exchange,
            host: "mail.contoso.example".into(),
        };
        let secret = MailboxSecret {
            login: "nina".into(),
            password: "secret".to_owned().into(),
            ews_url: "https://mail.contoso.example/EWS/Exchange.asmx".into(),
            extra: String::new(),
        };
        let now = self.app.clock.now();
        self.app.store.activate(id, account, secret, now).await.unwrap();
    }
}

/// The end of a session after which all is well, and the next is due in ten minutes.
fn ended(outcome: SessionOutcome, now: Timestamp) -> Closing {
    Closing {
        outcome,
        counts: Vec::new(),
        state: SyncState::Active,
        reason: None,
        rejections: 0,
        failures: 0,
        next_due: Some(now.plus_seconds(600)),
        ended: now,
        preview: None,
        brake: None,
        release_used: false,
        stop_org: false,
        note: String::new(),
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

fn has_attribute(cookie: &str, attribute: &str) -> bool {
    cookie.split(';').any(|part| part.trim() == attribute)
}

fn directive<'a>(policy: &'a str, name: &str) -> &'a str {
    policy
        .split(';')
        .find_map(|part| part.trim().strip_prefix(name))
        .unwrap_or_else(|| panic!("{name} is missing: {policy}"))
        .trim()
}

#[tokio::test]
async fn only_our_own_pages_give_orders() {
    let server = Server::start().await;
    let cookie = server.sign_in("one").await;
    let token = server.app.form_token(&hash("one"));
    let others = server.app.form_token(&hash("two"));
    let form = "application/x-www-form-urlencoded";
    let good_form = format!("form_token={token}");
    let wrong_form = format!("form_token={others}");
    let own = [("origin", OWN), ("sec-fetch-site", "same-origin")];
    let script = ("tandem-request", "1");
    let plain = ("content-type", form);
    let with = |more: &[(&'static str, &'static str)]| [&own[..], more].concat();
    let cases: Vec<(Headers<'_>, &str, bool)> = vec![
        (with(&[script, plain]), "", true),
        (with(&[plain]), good_form.as_str(), true),
        // Each mark by itself is not enough.
        (vec![], "", false),
        (vec![script, plain], "", false),
        (vec![("origin", OWN), script, plain], "", false),
        (vec![("sec-fetch-site", "same-origin"), script, plain], "", false),
        (with(&[plain]), "", false),
        (with(&[plain]), wrong_form.as_str(), false),
        (with(&[("content-type", "text/plain")]), good_form.as_str(), false),
        (with(&[("tandem-request", "0"), plain]), "", false),
        // Of another page.
        (
            vec![("origin", "https://evil.example"), own[1], script, plain],
            "",
            false,
        ),
        (vec![("origin", "null"), own[1], script, plain], "", false),
        (
            vec![
                ("origin", "https://tandem.example.com.evil"),
                own[1],
                script,
                plain,
            ],
            "",
            false,
        ),
        (
            vec![own[0], ("sec-fetch-site", "same-site"), script, plain],
            "",
            false,
        ),
        (vec![own[0], ("sec-fetch-site", "none"), script, plain], "", false),
    ];
    for (headers, body, allowed) in cases {
        for path in ["/api/pane", "/api/pause", "/api/renew", "/api/handover"] {
            let mut headers = headers.clone();
            headers.push(("cookie", cookie.as_str()));
            let answer = server.ask(request("POST", path, &headers, body)).await;
            let refused =
                answer.status == StatusCode::FORBIDDEN && answer.json() == json!({ "error": "forbidden" });
            assert_eq!(refused, !allowed, "{path} {headers:?} {body}: {}", answer.status);
        }
    }
    let renewed = server.call("/api/renew", &[], "").await;
    assert_eq!(renewed.status, StatusCode::UNAUTHORIZED, "a stranger");
    // Reading needs no mark, and gives nothing.
    let read = server.get("/api/pane", &[("cookie", &cookie)]).await;
    assert!(
        !read.status.is_success() && !read.text().contains("Nina"),
        "{}",
        read.status
    );
}

#[tokio::test]
async fn nothing_large_is_taken() {
    let server = Server::start().await;
    let cookie = server.sign_in("one").await;
    for (size, status) in [
        (60 * 1024, StatusCode::OK),
        (65 * 1024, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let body = format!("x={}", "y".repeat(size));
        let answer = server.call("/api/pane", &[("cookie", &cookie)], &body).await;
        assert_eq!(answer.status, status, "{size}");
    }
}

#[tokio::test]
async fn cookies_are_for_this_host_only_and_for_no_script() {
    let server = Server::start().await;
    let cookie = server.sign_in("one").await;
    let renewed = server.call("/api/renew", &[("cookie", &cookie)], "").await;
    let set = renewed.header(SET_COOKIE);
    assert!(set.starts_with("__Host-tandem=one;"), "{set}");
    for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=None", "Partitioned"] {
        assert!(has_attribute(set, attribute), "{attribute}: {set}");
    }
    assert!(!set.contains("Domain"), "{set}");
    assert_eq!(renewed.header(CACHE_CONTROL), "no-store");
    // Only who came with the cookie gets it again.
    let bearer = server.bearer(&cookie).await;
    let by_bearer = server.call("/api/renew", &[("authorization", &bearer)], "").await;
    assert_eq!(by_bearer.status, StatusCode::OK);
    assert!(!by_bearer.headers.contains_key(SET_COOKIE));

    let started = server
        .get(&format!("/auth/start?challenge={}", "0a".repeat(32)), &[])
        .await;
    assert_eq!(started.status, StatusCode::SEE_OTHER);
    let to = started.header(LOCATION);
    assert!(
        to.starts_with("https://login.salesforce.com/services/oauth2/authorize?"),
        "{to}"
    );
    for part in ["code_challenge_method=S256", "state=", "scope=openid"] {
        assert!(to.contains(part), "{to}");
    }
    let set = started.header(SET_COOKIE);
    assert!(set.starts_with("__Host-tandem-flow="), "{set}");
    for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(has_attribute(set, attribute), "{attribute}: {set}");
    }

    let out = server.call("/api/sign_out", &[("cookie", &cookie)], "").await;
    let set = out.header(SET_COOKIE);
    assert!(
        set.starts_with("__Host-tandem=;") && has_attribute(set, "Max-Age=0"),
        "{set}"
    );
    assert!(has_attribute(set, "Partitioned"), "{set}");
}

#[tokio::test]
async fn a_sign_in_that_was_not_begun_here_ends_with_a_page() {
    let server = Server::start().await;
    for path in [
        "/auth/start",
        "/auth/start?challenge=x",
        "/auth/callback",
        "/auth/callback?code=c",
        "/auth/callback?state=s&code=c",
        "/auth/callback?state=s&state=t",
        "/auth/callback?state=s&error=access_denied",
    ] {
        let answer = server.get(path, &[("cookie", "__Host-tandem-flow=x")]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(answer.header(CONTENT_TYPE).starts_with("text/html"), "{path}");
        let policy = answer.header(CONTENT_SECURITY_POLICY);
        assert_eq!(directive(policy, "frame-ancestors"), "'none'", "{path}");
        assert_eq!(answer.header(CACHE_CONTROL), "no-store", "{path}");
    }
}

#[tokio::test]
async fn the_preview_shows_the_pane_where_there_is_one() {
    let server = Server::start().await;
    assert_eq!(server.get("/preview", &[]).await.status, StatusCode::NOT_FOUND);

    let server = Server::start_with(&[("OUTLOOK_PREVIEW", "http://127.0.0.1:7001/")]).await;
    let answer = server.get("/preview?user=nina%40contoso.example", &[]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(
        answer.header(LOCATION),
        "http://127.0.0.1:7001/?user=nina%40contoso.example&pane=https%3A%2F%2Ftandem.example.com%2F"
    );
    let pane = server.get("/", &[]).await;
    assert!(pane.text().contains("src=\"http://127.0.0.1:7001/office.js\""));
    let policy = pane.header(CONTENT_SECURITY_POLICY);
    for name in ["frame-ancestors", "script-src"] {
        assert!(
            directive(policy, name).contains("http://127.0.0.1:7001"),
            "{name}: {policy}"
        );
    }
}

#[tokio::test]
async fn the_pane_alone_may_be_framed() {
    let server = Server::start().await;
    let pane = server.get("/", &[]).await;
    assert_eq!(pane.status, StatusCode::OK);
    let policy = pane.header(CONTENT_SECURITY_POLICY).to_owned();
    assert_eq!(
        directive(&policy, "frame-ancestors"),
        "'self' https://outlook.office.com https://owa.contoso.example"
    );
    let scripts = directive(&policy, "script-src");
    assert!(
        scripts.contains("https://appsforoffice.microsoft.com"),
        "{scripts}"
    );
    assert!(
        !scripts.contains("unsafe-inline") && !scripts.contains("'unsafe-eval'"),
        "{scripts}"
    );
    let nonce = scripts
        .split('\'')
        .find_map(|part| part.strip_prefix("nonce-"))
        .unwrap();
    assert!(pane.text().contains(&format!("nonce=\"{nonce}\"")));
    let again = server.get("/", &[]).await;
    assert!(
        !again.header(CONTENT_SECURITY_POLICY).contains(nonce),
        "a nonce is for once"
    );
    assert_eq!(pane.header(CACHE_CONTROL), "no-store");

    for path in [
        "/setup",
        "/settings",
        "/manifest.xml",
        "/healthz",
        "/nothing",
        "/api/nothing",
    ] {
        let answer = server.get(path, &[]).await;
        let policy = answer.header(CONTENT_SECURITY_POLICY);
        assert_eq!(directive(policy, "frame-ancestors"), "'none'", "{path}");
        assert!(!policy.contains("microsoft"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "", "{path}");
        assert_eq!(answer.header(CACHE_CONTROL), "no-store", "{path}");
    }
}

#[tokio::test]
async fn a_bearer_serves_the_pane_and_never_the_settings() {
    let server = Server::start().await;
    let cookie = server.sign_in("one").await;
    let bearer = server.bearer(&cookie).await;
    let by_bearer = [(AUTHORIZATION.as_str(), bearer.as_str())];
    let pane = server.call("/api/pane", &by_bearer, "").await;
    assert_eq!(pane.json()["viewer"]["name"], "Nina Berg");
    assert_eq!(pane.json()["form_token"], Value::Null);
    assert_eq!(
        server.get("/settings", &by_bearer).await.status,
        StatusCode::FORBIDDEN
    );
    let both = [by_bearer[0], (COOKIE.as_str(), cookie.as_str())];
    assert_eq!(server.get("/settings", &both).await.status, StatusCode::FORBIDDEN);
    let by_cookie = server.get("/settings", &both[1..]).await;
    assert_eq!(by_cookie.status, StatusCode::OK);
    assert!(
        by_cookie
            .text()
            .contains(tandem_app::text::settings::NAVIGATION.get())
    );
    // Nor as the answer to a call.
    let asking = |page: &'static str| [by_bearer[0], ("tandem-page", page)];
    for page in ["settings", "settings/blocklist", "settings?show=unresolved"] {
        let answer = server.call("/api/pane", &asking(page), "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{page}");
    }
    let part = server.get("/settings/blocklist", &both).await;
    assert_eq!(part.status, StatusCode::FORBIDDEN);
    let answer = server.call("/api/pane", &asking("pane"), "").await;
    assert_eq!(
        (answer.status, answer.header(CONTENT_TYPE)),
        (StatusCode::OK, "text/html; charset=utf-8")
    );
    assert_eq!(answer.header(CACHE_CONTROL), "no-store");
    assert!(answer.text().contains("data-signed"));

    // A bearer that is not ours proves nothing, and hides no cookie behind itself.
    let mut bent = bearer.clone().into_bytes();
    bent[10] = if bent[10] == b'A' { b'B' } else { b'A' };
    let bent = String::from_utf8(bent).unwrap();
    for wrong in [bent.as_str(), "Bearer ", "Bearer .", "Bearer x.y"] {
        let headers = [("authorization", wrong), ("cookie", cookie.as_str())];
        let pane = server.call("/api/pane", &headers, "").await;
        assert_eq!(pane.json()["viewer"], Value::Null, "{wrong}");
    }
    // What a proxy in front says is not meant for us.
    let headers = [("authorization", "Basic eDp5"), ("cookie", cookie.as_str())];
    let pane = server.call("/api/pane", &headers, "").await;
    assert_eq!(pane.json()["viewer"]["name"], "Nina Berg");
}

#[tokio::test]
async fn a_user_changes_what_is_his_and_keeps_only_what_differs() {
    let server = Server::start().await;
    let cookie = server.sign_in("one").await;
    let id = server.activate().await;
    let store = &server.app.store;
    let org = "00D000000000001AAA".parse().unwrap();
    let now = server.app.clock.now();
    let theirs = json!({"interval_minutes": 60, "blocklist": ["rival.example"], "tasks": "off"});
    store.set_org_settings(&org, &theirs, now).await.unwrap();
    let by = [("cookie", cookie.as_str())];
    let save = |fields: &'static str| server.call("/api/save_settings", &by, fields);

    let answer = save(
        "part=sync&set%5Binterval_minutes%5D=15&set%5Btasks%5D=off&set%5Bcontacts%5D=to_crm\
         &boxes=save_emails+save_threads&set%5Bsave_threads%5D=on\
         &set%5Bblocklist%5D=rival.example%0D%0Agran%40home.example",
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let settings = &answer.json()["connection"]["settings"];
    assert_eq!(
        settings["blocklist"],
        json!(["rival.example", "gran@home.example"])
    );
    assert_eq!(
        store.settings_overrides(&id).await.unwrap(),
        json!({"interval_minutes": 15, "contacts": "to_crm", "save_emails": false,
            "blocklist": ["gran@home.example"]})
    );
    let blocked = server.get("/settings/blocklist", &by).await;
    assert!(
        blocked.text().contains("<li>rival.example</li>") && blocked.text().contains("gran@home.example")
    );

    // Nothing of a form is stored where one field is wrong, and the field is named.
    for (fields, key) in [
        ("set%5Binterval_minutes%5D=4&set%5Bcontacts%5D=off", "interval"),
        ("set%5Binterval_minutes%5D=soon&set%5Bcontacts%5D=off", "interval"),
        ("set%5Bemails%5D=two_way&set%5Bcontacts%5D=off", "emails"),
        (
            "set%5Bcontact_scope%5D=list_view&set%5Bcontacts%5D=off",
            "contact_list",
        ),
    ] {
        let answer = save(fields).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{fields}");
        assert_eq!(
            answer.json(),
            json!({"error": "invalid", "cause": {"setting": key}}),
            "{fields}"
        );
    }
    // What guards the organisation is not the user's.
    for fields in ["set%5Bbrake.hard%5D=100000", "set%5Bown_domains%5D=x"] {
        let answer = save(fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{fields}");
    }
    let reset = server.call(
        "/api/reset_settings",
        &by,
        "part=sync&keys=contacts+interval_minutes+tasks",
    );
    assert_eq!(reset.await.status, StatusCode::OK);
    assert_eq!(
        store.settings_overrides(&id).await.unwrap(),
        json!({"save_emails": false, "blocklist": ["gran@home.example"]})
    );
    let row = store.connection(&id).await.unwrap().unwrap();
    assert_eq!(row.settings.interval_minutes, 60);
    assert_eq!(
        server.call("/api/save_settings", &[], "").await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_sign_out_ends_cookie_bearer_and_stream() {
    let server = Server::start().await;
    let cookie = server.sign_in("one").await;
    let bearer = server.bearer(&cookie).await;
    let ticket = |answer: &Answer| answer.json()["ticket"].as_str().unwrap().to_owned();
    let first = ticket(&server.call("/api/ticket", &[("cookie", &cookie)], "").await);
    let unused = ticket(&server.call("/api/ticket", &[("cookie", &cookie)], "").await);
    let open = |ticket: &str| {
        let request = request("GET", &format!("/events?ticket={ticket}"), &[], "");
        server.router.clone().oneshot(request)
    };
    let stream = open(&first).await.unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
    let mut stream = stream.into_body();
    stream.frame().await.unwrap().unwrap();
    for used in [first.as_str(), "", "x", "x.y"] {
        assert_eq!(
            open(used).await.unwrap().status(),
            StatusCode::FORBIDDEN,
            "{used}"
        );
    }

    let out = server.call("/api/sign_out", &[("cookie", &cookie)], "").await;
    assert_eq!(out.status, StatusCode::OK);
    let ended = tokio::time::timeout(Duration::from_secs(10), stream.collect()).await;
    assert!(ended.is_ok(), "the stream goes on");
    for headers in [
        [("cookie", cookie.as_str())],
        [("authorization", bearer.as_str())],
    ] {
        let pane = server.call("/api/pane", &headers, "").await;
        assert_eq!(pane.json()["viewer"], Value::Null, "{headers:?}");
        let renewed = server.call("/api/renew", &headers, "").await;
        assert_eq!(renewed.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(open(&unused).await.unwrap().status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn one_address_begins_so_many_sign_ins_and_no_more() {
    let proxy = ("TRUSTED_PROXIES", "0.0.0.0");
    let server = Server::start_with(&[proxy]).await;
    let start = format!("/auth/start?challenge={}", "0a".repeat(32));
    let from = |address| [("x-forwarded-for", address)];
    let mut tried = 0;
    let refused = loop {
        let answer = server.get(&start, &from("198.51.100.1")).await;
        if answer.status != StatusCode::SEE_OTHER {
            break answer;
        }
        tried += 1;
        assert!(tried < 300, "there is no limit");
    };
    assert!(tried >= 100, "a company may come from one address: {tried}");
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.header(RETRY_AFTER).parse::<u32>().unwrap() >= 1);
    assert!(
        refused.text().contains("Very many sign-ins"),
        "{}",
        refused.text()
    );
    // A code is guessed from the same allowance, and the script is told in its own words.
    let guess = [
        ("x-forwarded-for", "198.51.100.1"),
        ("content-type", "application/json"),
    ];
    let body = json!({ "code": "000000", "nonce": "n" }).to_string();
    let mut guesses = 0;
    let answer = loop {
        // What has come free meanwhile is used up first.
        let answer = server.call("/api/handover", &guess, &body).await;
        guesses += 1;
        if answer.headers.contains_key(RETRY_AFTER) || guesses == 20 {
            break answer;
        }
    };
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(
        answer.json()["cause"]
            .as_u64()
            .is_some_and(|seconds| seconds < 10),
        "{}",
        answer.text()
    );
    // Nobody else is held up, and neither is what is no sign-in.
    let other = server.get(&start, &from("198.51.100.2")).await;
    assert_eq!(other.status, StatusCode::SEE_OTHER);
    assert_eq!(
        server.get("/", &from("198.51.100.1")).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_code_that_is_typed_has_five_tries_even_all_at_once() {
    let server = Server::start().await;
    let nonce = "1b".repeat(32);
    let headers = [("content-type", "application/json")];
    let bodies: Vec<String> = (0..20)
        .map(|n| json!({ "code": format!("{n:06}"), "nonce": nonce }).to_string())
        .collect();
    let answers = join_all(
        bodies
            .iter()
            .map(|body| server.call("/api/handover", &headers, body)),
    )
    .await;
    let looked_at = answers
        .iter()
        .filter(|a| a.status == StatusCode::FORBIDDEN)
        .count();
    assert!((1..=5).contains(&looked_at), "{looked_at}");
    assert!(
        answers
            .iter()
            .all(|a| [StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS].contains(&a.status))
    );
}

#[tokio::test]
async fn without_a_database_every_page_says_so() {
    let server = Server::start().await;
    let cookie = server.sign_in("one").await;
    for probe in ["/healthz", "/readyz"] {
        assert_eq!(server.get(probe, &[]).await.status, StatusCode::OK, "{probe}");
    }
    server.app.store.disconnect().await;
    // Whoever starts anew what is not alive would make it no better.
    assert_eq!(server.get("/healthz", &[]).await.status, StatusCode::OK);
    let ready = || async { server.get("/readyz", &[]).await.status };
    let silent = async {
        let mut every = tokio::time::interval(Duration::from_millis(100));
        while ready().await != StatusCode::SERVICE_UNAVAILABLE {
            every.tick().await;
        }
    };
    // What was found out before is good for two seconds.
    tokio::time::timeout(Duration::from_secs(10), silent)
        .await
        .unwrap();
    for path in ["/", "/setup", "/settings"] {
        let page = server.get(path, &[("cookie", &cookie)]).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(page.text().contains("</html>"), "{path}: {}", page.text());
        assert!(
            page.text().contains(tandem_app::text::UNAVAILABLE.get()),
            "{path}"
        );
        assert!(page.header(CONTENT_SECURITY_POLICY).contains("'nonce-"), "{path}");
        // Nobody is looked up who shows nothing.
        assert_eq!(server.get(path, &[]).await.status, StatusCode::OK, "{path}");
    }
    let answer = server.call("/api/pane", &[("cookie", &cookie)], "").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json(), json!({ "error": "unavailable" }));
    let started = server
        .get(&format!("/auth/start?challenge={}", "0a".repeat(32)), &[])
        .await;
    assert_eq!(started.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn files_are_kept_for_as_long_as_their_names_allow() {
    let server = Server::start().await;
    let forever = "public, max-age=31536000, immutable";
    let script = server.get("/pkg/pane.AAAA.js", &[]).await;
    assert_eq!((script.status, script.text()), (StatusCode::OK, "plain"));
    assert_eq!(script.header(CACHE_CONTROL), forever);
    assert_eq!(script.header(VARY), "Accept-Encoding");
    let packed = server
        .get("/pkg/pane.AAAA.js", &[("accept-encoding", "br")])
        .await;
    assert_eq!((packed.text(), packed.header(CONTENT_ENCODING)), ("brotli", "br"));
    assert_eq!(packed.header(VARY), "Accept-Encoding");
    assert!(packed.header(CONTENT_TYPE).starts_with("text/javascript"));
    let icon = server.get("/icon-64.png", &[]).await;
    assert_eq!(icon.header(CONTENT_TYPE), "image/png");
    // Outlook shows no icon that must not be kept.
    assert_eq!(icon.header(CACHE_CONTROL), "public, max-age=3600");
    let since = script.header("last-modified");
    let same = server
        .get("/pkg/pane.AAAA.js", &[("if-modified-since", since)])
        .await;
    assert_eq!(
        (same.status, same.header(CACHE_CONTROL)),
        (StatusCode::NOT_MODIFIED, forever)
    );

    // The file of another version may be here in a minute.
    for path in [
        "/pkg/pane.BBBB.js",
        "/pkg",
        "/pkg/",
        "/nothing",
        "/setup/x",
        "/../Cargo.toml",
        "/%2e%2e/tandem.key",
        "/pkg/..%2f..%2ftandem.key",
        "//evil.example/%2e%2e",
    ] {
        let missing = server.get(path, &[]).await;
        assert_eq!(missing.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(missing.header(CACHE_CONTROL), "no-store", "{path}");
        assert_eq!(missing.header(LOCATION), "", "{path}");
    }
    assert_eq!(
        server.ask(request("POST", "/nothing", &[], "")).await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test]
async fn the_manifest_names_this_deployment() {
    let server = Server::start().await;
    let manifest = server.get("/manifest.xml", &[]).await;
    assert_eq!(manifest.status, StatusCode::OK);
    assert!(manifest.header(CONTENT_TYPE).starts_with("text/xml"));
    assert!(manifest.text().contains(&format!("{OWN}/")));
    assert!(!manifest.text().contains("https://tandem.invalid"));
    assert!(manifest.body.len() < 256 * 1024);
    // The tests of the manifest itself read the file: nothing else may differ.
    let file = include_str!("../../manifest.xml");
    assert_eq!(manifest.text(), file.replace("https://tandem.invalid", OWN));
}

#[tokio::test]
async fn outlook_may_keep_the_icons() {
    let server = Server::start().await;
    let icon = server.get("/icon-64.png", &[]).await;
    assert_eq!(icon.status, StatusCode::OK);
    assert_eq!(icon.header(CONTENT_TYPE), "image/png");
    let kept = icon.header(CACHE_CONTROL);
    assert!(kept.contains("max-age"), "{kept}");
    assert!(!kept.contains("no-cache") && !kept.contains("no-store"), "{kept}");
}

#[tokio::test]
async fn help_is_there_for_everybody_in_their_language() {
    let server = Server::start().await;
    for (path, accepted, lang, word) in [
        ("/help", "de-DE,de", "de", "Klassisches Outlook"),
        ("/help", "fr", "en", "Classic Outlook"),
        ("/help?lang=de", "en", "de", "Klassisches Outlook"),
    ] {
        let help = server.get(path, &[("accept-language", accepted)]).await;
        assert_eq!(help.status, StatusCode::OK, "{path}");
        assert!(help.text().contains(&format!("<html lang=\"{lang}\">")), "{path}");
        assert!(help.text().contains(word), "{path}");
        assert!(help.text().contains(&format!("value=\"{OWN}/manifest.xml\"")));
        let policy = help.header(CONTENT_SECURITY_POLICY);
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    }
}

#[tokio::test]
async fn the_sign_in_window_speaks_its_readers_language() {
    let server = Server::start().await;
    for (accepted, word) in [("de", "Nicht angemeldet"), ("en", "Not signed in")] {
        let failed = server
            .get("/auth/callback", &[("accept-language", accepted)])
            .await;
        assert_eq!(failed.status, StatusCode::BAD_REQUEST);
        assert!(failed.text().contains(word), "{}", failed.text());
    }
    let consent = server
        .get(
            "/auth/microsoft/callback?admin_consent=True&tenant=x",
            &[("accept-language", "de")],
        )
        .await;
    assert!(!consent.text().contains("Not "), "{}", consent.text());
}

#[tokio::test]
async fn a_session_of_another_process_is_shown() {
    let server = Server::start().await;
    let cookie = server.sign_in("one").await;
    let id = server.activate().await;
    let view = server.call("/api/pane", &[("cookie", &cookie)], "").await;
    assert_eq!(view.json()["connection"]["progress"], Value::Null);
    let now = server.app.clock.now();
    server
        .app
        .store
        .claim(
            &Pick::This(id),
            "another",
            "a".repeat(32).parse().unwrap(),
            now,
            TTL,
        )
        .await
        .unwrap()
        .unwrap();
    let view = server.call("/api/pane", &[("cookie", &cookie)], "").await;
    assert_eq!(view.json()["connection"]["progress"]["total"], 0);
}

/// Each of these sends the stored password to a server that has just refused it.
#[tokio::test]
async fn no_click_sends_a_refused_password_again() {
    let server = Server::start().await;
    let cookie = server.sign_in("one").await;
    let signed_in = [("cookie", cookie.as_str())];
    let id = server.activate().await;
    let store = &server.app.store;
    let now = server.app.clock.now();
    let lease = store
        .claim(
            &Pick::This(id.clone()),
            "worker",
            "a".repeat(32).parse().unwrap(),
            now,
            TTL,
        )
        .await
        .unwrap()
        .unwrap();
    let later = now.plus_seconds(30 * 60);
    let refused = Closing {
        reason: Some(StateReason::MailServerRefused),
        rejections: 1,
        next_due: Some(later),
        ..ended(SessionOutcome::Rejected, now)
    };
    store.close(&lease, refused).await.unwrap();

    let asked = server.call("/api/sync_now", &signed_in, "").await;
    assert_eq!(asked.json()["connection"]["ask_activation"], true);
    assert_eq!(
        server.call("/api/pause", &signed_in, "").await.status,
        StatusCode::OK
    );
    let started = server.call("/api/start", &signed_in, "").await;
    assert_eq!(started.json()["connection"]["state"], "active");
    assert_eq!(started.json()["connection"]["reason"], "mail_server_refused");
    let row = store.connection(&id).await.unwrap().unwrap();
    assert_eq!(row.next_due, Some(later));
    let claimed = store
        .claim(
            &Pick::Due,
            "worker",
            "b".repeat(32).parse().unwrap(),
            now.plus_seconds(60),
            TTL,
        )
        .await
        .unwrap();
    assert!(claimed.is_none());
}

#[tokio::test]
async fn no_click_moves_an_organisation_that_is_stopped() {
    let server = Server::start().await;
    let cookie = server.sign_in("one").await;
    let signed_in = [("cookie", cookie.as_str())];
    let id = server.activate().await;
    let store = &server.app.store;
    let now = server.app.clock.now();
    let claim = async |session: &str, pick| {
        store
            .claim(
                &pick,
                "worker",
                session.repeat(32).parse().unwrap(),
                now.plus_seconds(60),
                TTL,
            )
            .await
            .unwrap()
    };
    let lease = claim("a", Pick::This(id.clone())).await.unwrap();
    let issue = Issue {
        id: "e".repeat(32).parse().unwrap(),
        key: IssueKey {
            kind: ItemKind::Contact,
            side: Side::Mailbox,
            item: ItemId("AAA".into()),
            code: IssueCode::SeveralMatches,
        },
        title: "Ana".into(),
        detail: String::new(),
        cures: vec![IssueCure::PickMatch, IssueCure::OpenInOutlook],
    };
    let commit = Commit {
        issues: vec![issue],
        ..Commit::default()
    };
    store.commit(&lease, now, commit).await.unwrap();
    let stopped = Closing {
        reason: Some(StateReason::OrgBrake),
        next_due: None,
        stop_org: true,
        ..ended(SessionOutcome::StoppedByBrake, now)
    };
    store.close(&lease, stopped).await.unwrap();

    let cure = format!("issue={}&cure=pick_match", "e".repeat(32));
    let with_choice = format!("{cure}&choice=003000000000001AAA");
    let opened = format!("issue={}&cure=open_in_outlook", "e".repeat(32));
    for (path, body) in [
        ("/api/sync_now", ""),
        ("/api/release", ""),
        ("/api/cure", cure.as_str()),
        ("/api/cure", with_choice.as_str()),
        ("/api/cure", opened.as_str()),
    ] {
        let answer = server.call(path, &signed_in, body).await;
        assert_eq!(
            answer.status,
            StatusCode::CONFLICT,
            "{path} {body}: {}",
            answer.text()
        );
    }
    for path in ["/api/pause", "/api/start"] {
        assert_eq!(server.call(path, &signed_in, "").await.status, StatusCode::OK);
    }
    let view = server.call("/api/pane", &signed_in, "").await;
    assert_eq!(view.json()["connection"]["reason"], "org_brake");
    assert!(claim("b", Pick::Due).await.is_none());

    // The administrator has looked. What needs a choice is not done without one, and takes nothing but an id.
    let org = "00D000000000001AAA".parse().unwrap();
    assert!(store.release_org(&org, now).await.unwrap());
    let unchosen = server.call("/api/cure", &signed_in, &cure).await;
    assert_eq!(unchosen.status, StatusCode::CONFLICT, "{}", unchosen.text());
    let empty = server
        .call("/api/cure", &signed_in, &format!("{cure}&choice="))
        .await;
    assert_eq!(empty.status, StatusCode::CONFLICT, "{}", empty.text());
    assert!(claim("c", Pick::Due).await.is_some(), "it is due again");
}

#[tokio::test]
async fn an_issue_offers_its_candidates_and_its_record() {
    let server = Server::start().await;
    let cookie = server.sign_in("one").await;
    let signed_in = [("cookie", cookie.as_str())];
    let id = server.activate().await;
    let now = server.app.clock.now();
    let lease = server
        .app
        .store
        .claim(
            &Pick::This(id),
            "worker",
            "a".repeat(32).parse().unwrap(),
            now.plus_seconds(60),
            TTL,
        )
        .await
        .unwrap()
        .unwrap();
    let issue = |n: &str, side, item: &str, code, detail: String, cures| Issue {
        id: n.repeat(32).parse().unwrap(),
        key: IssueKey {
            kind: ItemKind::Contact,
            side,
            item: ItemId(item.into()),
            code,
        },
        title: "Ana".into(),
        detail,
        cures,
    };
    let candidate = |side, id: &str, title: &str| Candidate {
        side,
        id: ItemId(id.into()),
        title: title.into(),
    };
    let detail = candidates_to_detail(&[
        candidate(Side::Crm, "003000000000001AAA", "Ana Ruiz"),
        candidate(Side::Mailbox, "BBB", "Ana R."),
        candidate(Side::Crm, "003000000000002AAA", ""),
    ]);
    let (mailbox, crm) = (Side::Mailbox, Side::Crm);
    let commit = Commit {
        issues: vec![
            issue(
                "d",
                mailbox,
                "AAA",
                IssueCode::SeveralMatches,
                detail,
                vec![IssueCure::PickMatch],
            ),
            issue(
                "e",
                crm,
                "003000000000009AAA",
                IssueCode::NoMatch,
                "as it is".into(),
                vec![IssueCure::LinkTo],
            ),
        ],
        ..Commit::default()
    };
    server.app.store.commit(&lease, now, commit).await.unwrap();

    let view = server.call("/api/pane", &signed_in, "").await.json();
    let issues = &view["connection"]["issues"];
    assert_eq!(
        issues[0]["choices"],
        json!([
            { "id": "003000000000001AAA", "side": "crm", "label": "Ana Ruiz" },
            { "id": "003000000000002AAA", "side": "crm", "label": "" },
        ])
    );
    assert_eq!(issues[0]["detail"], "Ana R.", "its double on its own side");
    assert_eq!(issues[0]["record"], Value::Null);
    assert_eq!(issues[1]["choices"], json!([]));
    assert_eq!(issues[1]["detail"], "as it is");
    assert_eq!(issues[1]["record"], "003000000000009AAA");

    // What is typed is a record, or is told to be none; this session still holds the connection.
    let link = format!("issue={}&cure=link_to&choice=", "e".repeat(32));
    for (typed, status) in [
        ("Ana", StatusCode::UNPROCESSABLE_ENTITY),
        (
            "https%3A%2F%2Facme.lightning.force.com%2F",
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        ("", StatusCode::CONFLICT),
        ("003000000000001AAA", StatusCode::CONFLICT),
        (
            "https%3A%2F%2Facme.lightning.force.com%2Flightning%2Fr%2FContact%2F003000000000001AAA%2Fview",
            StatusCode::CONFLICT,
        ),
    ] {
        let answer = server
            .call("/api/cure", &signed_in, &format!("{link}{typed}"))
            .await;
        assert_eq!(answer.status, status, "{typed}: {}", answer.text());
    }

    // Nobody undoes what is not his, or asks for days that are none.
    let foreign = format!("session={}", "f".repeat(32));
    for (path, body, status) in [
        ("/api/undo_session", foreign.as_str(), StatusCode::CONFLICT),
        ("/api/undo_session", "session=nonsense", StatusCode::BAD_REQUEST),
        (
            "/api/estimate_backfill",
            "from=2026-02-30&to=2026-03-01",
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            "/api/start_backfill",
            "from=2026-03-02&to=2026-03-01",
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        ("/api/cancel_backfill", "", StatusCode::CONFLICT),
    ] {
        let answer = server.call(path, &signed_in, body).await;
        if status == StatusCode::BAD_REQUEST {
            assert!(!answer.status.is_success(), "{path} {body}");
        } else {
            assert_eq!(answer.status, status, "{path} {body}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn microsofts_window_is_sent_to_microsoft_and_nowhere_else() {
    let server = Server::start().await;
    let begin = format!(
        "/auth/microsoft/start?n={}&hint=nina%40contoso.example&redirect_uri=https%3A%2F%2Fevil.example&claims=%7B%7D",
        "0a".repeat(32)
    );
    let sent = server.get(&begin, &[]).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text());
    let location = url::Url::parse(sent.header(LOCATION)).unwrap();
    assert_eq!(
        (location.origin().ascii_serialization().as_str(), location.path()),
        (
            "https://login.microsoftonline.com",
            "/organizations/oauth2/v2.0/authorize"
        )
    );
    let value = |name: &str| {
        let found = location.query_pairs().find(|(key, _)| key == name);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    assert_eq!(value("redirect_uri"), format!("{OWN}/auth/microsoft/callback"));
    assert_eq!(
        (value("code_challenge_method"), value("prompt")),
        ("S256".into(), "select_account".into())
    );
    assert_eq!(
        (value("login_hint"), value("claims")),
        ("nina@contoso.example".into(), "{}".into())
    );
    assert!(value("state").len() >= 16 && value("nonce").len() >= 16 && value("state") != value("nonce"));
    let cookie = sent.header(SET_COOKIE).to_owned();
    assert!(cookie.starts_with("__Host-tandem-flow-ms="), "{cookie}");
    for attribute in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(has_attribute(&cookie, attribute), "{cookie}");
    }
    assert_eq!(sent.header(CACHE_CONTROL), "no-store");

    for path in [
        "/auth/microsoft/start",
        "/auth/microsoft/start?n=x",
        "/auth/microsoft/start?challenge=0a",
        "/auth/microsoft/callback",
        "/auth/microsoft/callback?code=c",
        "/auth/microsoft/callback?state=s&code=c",
        "/auth/microsoft/callback?state=s&state=t",
        "/auth/microsoft/callback?state=s&error=access_denied",
    ] {
        let answer = server.get(path, &[]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(
            answer.text().contains("started too long ago"),
            "{path}: {}",
            answer.text()
        );
    }
    // The state is right; the browser is another, or none, and that uses it up.
    let back = format!("/auth/microsoft/callback?code=c&state={}", value("state"));
    let pair = cookie.split(';').next().unwrap();
    let other = format!("{pair}x");
    assert_eq!(
        server.get(&back, &[("cookie", &other)]).await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        server.get(&back, &[("cookie", pair)]).await.status,
        StatusCode::BAD_REQUEST
    );
    // Nor does Microsoft's state open Salesforce's door.
    let sent = server.get(&begin, &[]).await;
    let location = url::Url::parse(sent.header(LOCATION)).unwrap();
    let (_, state) = location.query_pairs().find(|(key, _)| key == "state").unwrap();
    let pair = sent.header(SET_COOKIE).split(';').next().unwrap().to_owned();
    let both = format!("{pair}; {}", pair.replace("-flow-ms=", "-flow="));
    let wrong = format!("/auth/callback?code=c&state={state}");
    assert_eq!(
        server.get(&wrong, &[("cookie", &both)]).await.status,
        StatusCode::BAD_REQUEST
    );
    // The user's refusal is told as such.
    let sent = server.get(&begin, &[]).await;
    let location = url::Url::parse(sent.header(LOCATION)).unwrap();
    let (_, state) = location.query_pairs().find(|(key, _)| key == "state").unwrap();
    let pair = sent.header(SET_COOKIE).split(';').next().unwrap().to_owned();
    let no = format!("/auth/microsoft/callback?error=access_denied&state={state}");
    let answer = server.get(&no, &[("cookie", &pair)]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.text().contains("did not agree"), "{}", answer.text());
}

/// A sign-in with Microsoft that waits for the pane with this nonce, under the code `c0de` and the digits `123456`.
async fn waits(server: &Server, nonce: &str, address: &str) {
    let nonce_hash = hash(nonce);
    let code = |code: &str| {
        let mut text = code.as_bytes().to_vec();
        text.push(0);
        text.extend_from_slice(&nonce_hash);
        <[u8; 32]>::from(Sha256::digest(text))
    };
    let now = server.app.clock.now();
    let waiting = WaitingSignIn {
        grant: GrantSecret {
            access_token: "access".to_owned().into(),
            refresh_token: "refresh".to_owned().into(),
            instance_url: String::new(),
            owner: "t/u".into(),
            issued_at: now,
            expires: Some(now.plus_seconds(3600)),
            previous_refresh: None,
        },
        address: address.into(),
        addresses: vec![address.to_lowercase(), "alias@contoso.example".into()],
        session: None,
    };
    let until = now.plus_seconds(60);
    server
        .app
        .store
        .put_sign_in(
            &nonce_hash,
            (&code("c0de"), until),
            (&code("123456"), until),
            &waiting,
            now,
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn a_sign_in_with_microsoft_is_connected_by_its_own_pane_alone() {
    let server = Server::start().await;
    let cookie = server.sign_in("one").await;
    let own = [("cookie", cookie.as_str())];
    let hand = async |form: &str| server.call("/api/connect_office", &own, form).await;
    let invalid = json!({ "error": "invalid", "cause": "code" });

    waits(&server, "a nonce", "Nina@contoso.example").await;
    let nobody = server
        .call("/api/connect_office", &[], "code=c0de&nonce=a+nonce")
        .await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
    for form in [
        "code=c0de&nonce=another",
        "code=c0dex&nonce=a+nonce",
        "code=&nonce=",
    ] {
        let answer = hand(form).await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{form}: {}",
            answer.text()
        );
        assert_eq!(answer.json(), invalid);
    }

    // Another mailbox than Outlook's: nothing is stored, and from then on no other session gets it.
    let told = hand("code=c0de&nonce=a+nonce&outlook=tomas%40contoso.example").await;
    assert_eq!(
        told.json()["other_mailbox"],
        json!({ "account": "Nina@contoso.example", "expected": "tomas@contoso.example" })
    );
    let id: ConnectionId = CONNECTION.parse().unwrap();
    assert!(
        server
            .app
            .store
            .grant(&id, Provider::Microsoft)
            .await
            .unwrap()
            .is_none()
    );
    let second = server.sign_in("two").await;
    let theirs = server
        .call(
            "/api/connect_office",
            &[("cookie", &second)],
            "code=c0de&nonce=a+nonce&confirmed=1",
        )
        .await;
    assert_eq!(theirs.json(), invalid);

    // Confirmed, once; an alias is no other mailbox.
    for form in [
        "code=123456&nonce=n1&outlook=ALIAS%40contoso.example",
        "code=c0de&nonce=n2&outlook=tomas%40contoso.example&confirmed=1",
        "code=c0de&nonce=n3",
    ] {
        let nonce = form.split("nonce=").nth(1).unwrap().split('&').next().unwrap();
        waits(&server, nonce, "Nina@contoso.example").await;
        let answer = hand(form).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let mailbox = &answer.json()["connected"]["connection"]["mailbox"];
        assert_eq!(
            *mailbox,
            json!({ "address": "Nina@contoso.example", "server": "office365", "host": "graph.microsoft.com" })
        );
        assert!(!answer.text().contains("refresh\""), "no token leaves the server");
        assert_eq!(hand(form).await.json(), invalid, "used once");
    }
    let (grant, _) = server
        .app
        .store
        .grant(&id, Provider::Microsoft)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(grant.owner, "t/u");

    // Guessing ends after five.
    waits(&server, "n4", "Nina@contoso.example").await;
    for n in 0..5 {
        assert_eq!(hand(&format!("code=00000{n}&nonce=n4")).await.json(), invalid);
    }
    assert_eq!(
        hand("code=123456&nonce=n4").await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
}

#[tokio::test]
async fn the_setup_page_changes_salesforce_by_its_own_links_alone() {
    let server = Server::start().await;
    let cookie = server.sign_in("one").await;
    for path in ["/ui", "/ui/"] {
        let answer = server.get(path, &[]).await;
        assert_eq!(
            (answer.status, answer.header(LOCATION)),
            (StatusCode::PERMANENT_REDIRECT, "/setup")
        );
    }
    for act in ["refresh", "change"] {
        let path = format!("/auth/start?to=setup&as={act}");
        for headers in [
            vec![],
            vec![("cookie", cookie.as_str()), ("sec-fetch-site", "cross-site")],
            vec![("cookie", cookie.as_str()), ("sec-fetch-site", "none")],
        ] {
            let answer = server.get(&path, &headers).await;
            assert_eq!(
                (answer.status, answer.header(LOCATION)),
                (StatusCode::SEE_OTHER, "/setup"),
                "{headers:?}"
            );
        }
        let own = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
        let answer = server.get(&path, &own).await;
        let location = answer.header(LOCATION);
        assert!(
            location.starts_with("https://login.salesforce.com/"),
            "{location}"
        );
        assert!(
            location.contains("refresh_token"),
            "a grant is asked for: {location}"
        );
        assert_eq!(location.contains("prompt=login"), act == "change", "{location}");
    }
    let plain = server.get("/auth/start?to=setup", &[]).await;
    assert!(
        plain
            .header(LOCATION)
            .starts_with("https://login.salesforce.com/")
    );
    for wrong in [
        "/auth/start?to=elsewhere",
        "/auth/start?to=setup&as=x",
        "/auth/start?as=change",
    ] {
        assert_eq!(
            server.get(wrong, &[]).await.status,
            StatusCode::BAD_REQUEST,
            "{wrong}"
        );
    }
    let page = server.get("/setup", &[("cookie", &cookie)]).await;
    assert!(
        page.text().contains("id=\"connect-office\"") && page.text().contains("/auth/microsoft/start?n=")
    );
}
