use secrecy::SecretString;
use serde_json::{Value, json};
use tandem_mailbox::{Activated, ActivationError, EwsPolicy, activate};
use tandem_net::{Net, NetConfig};
use tandem_types::ActivationFailure as Cause;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{World, config, policy};

impl World {
    pub(crate) async fn connect(
        &self,
        login: &str,
        password: &str,
        url: Option<&str>,
    ) -> Result<Activated, ActivationError> {
        self.connect_by(&policy(self), login, password, url).await
    }

    async fn connect_by(
        &self,
        policy: &EwsPolicy,
        login: &str,
        password: &str,
        url: Option<&str>,
    ) -> Result<Activated, ActivationError> {
        let result = activate(&self.net, policy, login, &SecretString::from(password), url).await;
        if let Err(error) = &result {
            let text = format!("{error} {error:?}");
            assert!(!text.contains(password), "{text}");
        }
        result
    }

    fn ews_url(&self) -> &str {
        &self.sandbox.info().ews_url
    }

    pub(crate) async fn autodiscover(&self, settings: Value) {
        self.control("PUT", "/exchange/autodiscover", settings).await;
    }

    async fn logons(&self) -> u64 {
        self.failed_logons().await
    }
}

#[tokio::test]
async fn a_pasted_url_connects() {
    let world = World::new().await;
    let (login, password) = (
        world.user.exchange_login.clone(),
        world.user.exchange_password.clone(),
    );
    let origin = world.sandbox.info().exchange.https.clone();
    for url in [
        world.ews_url().to_owned(),
        origin.clone(),
        format!(" {origin}/ews/ "),
        origin.replace("https://", ""),
    ] {
        let done = world.connect(&login, &password, Some(&url)).await.unwrap();
        assert_eq!(done.address, world.user.mailbox);
        assert_eq!(done.ews_url.path(), "/EWS/Exchange.asmx");
        assert!(done.server_version.starts_with("15."), "{}", done.server_version);
    }
    // Other forms of the login: the address is what the server says.
    let alias = login.split('@').next().unwrap();
    let short = format!("CONTOSO\\{alias}");
    let done = world.connect(&short, &password, Some(&origin)).await.unwrap();
    assert_eq!(done.address, world.user.mailbox);
    assert_eq!(world.logons().await, 0);
}

#[tokio::test]
async fn autodiscover_finds_the_server() {
    let world = World::new().await;
    let (login, password) = (
        world.user.exchange_login.clone(),
        world.user.exchange_password.clone(),
    );
    for mode in ["v2", "pox", "redirect_url"] {
        world.autodiscover(json!({ "mode": mode })).await;
        let done = world.connect(&login, &password, None).await.unwrap();
        assert_eq!(
            (done.address, done.ews_url.as_str()),
            (world.user.mailbox.clone(), world.ews_url()),
            "{mode}"
        );
    }
    world.autodiscover(json!({ "mode": "redirect_addr" })).await;
    let mut wide = policy(&world);
    let error = world.connect(&login, &password, None).await.unwrap_err();
    assert_eq!(
        error.cause,
        Cause::NotAllowed,
        "another mail domain is not believed by itself"
    );
    wide.mail_domains.push("exchange.contoso.example".to_owned());
    let done = world.connect_by(&wide, &login, &password, None).await.unwrap();
    assert_eq!(done.address, world.user.mailbox);
    assert_eq!(world.logons().await, 0);
}

#[tokio::test]
async fn a_wrong_password_is_tried_once() {
    let world = World::new().await;
    let login = world.user.exchange_login.clone();
    let url = world.ews_url().to_owned();
    let ways: [(&str, Option<&str>); 3] = [("v2", Some(&url)), ("v2", None), ("pox", None)];
    for (n, (mode, url)) in (1..).zip(ways) {
        world.autodiscover(json!({ "mode": mode })).await;
        let error = world.connect(&login, "wrong-password", url).await.unwrap_err();
        assert_eq!(error.cause, Cause::Login, "{mode} {error}");
        assert!(error.password_was_tried);
        assert_eq!(world.logons().await, n, "{mode}");
    }
    // Nothing that could be a login reaches a server.
    for login in ["", "a:b", "a\nb"] {
        let error = world
            .connect(login, "wrong-password", Some(&url))
            .await
            .unwrap_err();
        assert_eq!((error.cause, error.password_was_tried), (Cause::Login, false));
    }
    assert_eq!(world.logons().await, 3);
}

#[tokio::test]
async fn causes_are_told_apart_and_the_password_stays_here() {
    let world = World::new().await;
    let (login, password) = (
        world.user.exchange_login.clone(),
        world.user.exchange_password.clone(),
    );
    let info = world.sandbox.info().clone();
    let mut wide = policy(&world);
    wide.allowed_hosts.push("*.invalid".to_owned());
    let port = info.exchange.https.rsplit(':').next().unwrap().to_owned();
    let cases: [(&str, String, Cause); 10] = [
        ("no such host", "https://mail.invalid".to_owned(), Cause::Address),
        ("nobody listens", "https://localhost:1".to_owned(), Cause::Address),
        ("not a URL", "https://".to_owned(), Cause::Address),
        ("not trusted", info.untrusted_https.clone(), Cause::Certificate),
        (
            "not this name",
            format!("https://mail.contoso.example.invalid:{port}"),
            Cause::Address,
        ),
        (
            "another service",
            format!("{}/services/data", info.salesforce.https),
            Cause::NotExchange,
        ),
        (
            "another page",
            format!("{}/nothing/here", info.exchange.https),
            Cause::NotExchange,
        ),
        (
            "Office 365",
            "https://outlook.office365.com/EWS/Exchange.asmx".to_owned(),
            Cause::UseOffice365,
        ),
        (
            "elsewhere",
            "https://mail.fabrikam.example".to_owned(),
            Cause::NotAllowed,
        ),
        (
            "plain",
            format!("{}/EWS/Exchange.asmx", info.exchange.http),
            Cause::NotAllowed,
        ),
    ];
    for (name, url, cause) in cases {
        let error = world
            .connect_by(&wide, &login, &password, Some(&url))
            .await
            .unwrap_err();
        assert_eq!(error.cause, cause, "{name}: {error}");
        assert!(!error.password_was_tried, "{name}");
    }
    // On this machine plain HTTP is allowed where the configuration says so.
    wide.http_on_loopback = true;
    let plain = format!("{}/EWS/Exchange.asmx", info.exchange.http);
    world
        .connect_by(&wide, &login, &password, Some(&plain))
        .await
        .unwrap();
    // An address that the network policy forbids.
    let strict = Net::new(&NetConfig {
        allow_loopback: false,
        ..config(&world.sandbox)
    })
    .unwrap();
    let result = activate(
        &strict,
        &wide,
        &login,
        &SecretString::from("p"),
        Some(world.ews_url()),
    )
    .await;
    assert_eq!(result.unwrap_err().cause, Cause::NotAllowed);
    assert_eq!(world.logons().await, 0);
}

#[tokio::test]
async fn autodiscover_that_leads_nowhere() {
    let world = World::new().await;
    let (login, password) = (
        world.user.exchange_login.clone(),
        world.user.exchange_password.clone(),
    );
    let cases = [
        (json!({ "mode": "circle" }), Cause::Address),
        (json!({ "mode": "off" }), Cause::Address),
        (json!({ "mode": "office365" }), Cause::UseOffice365),
        (
            json!({ "mode": "v2", "ews_url": "http://mail.contoso.example/EWS/Exchange.asmx" }),
            Cause::NotAllowed,
        ),
        (
            json!({ "mode": "v2", "ews_url": "https://outlook.office365.com/EWS/Exchange.asmx" }),
            Cause::UseOffice365,
        ),
    ];
    for (settings, cause) in cases {
        world.autodiscover(settings.clone()).await;
        let error = world.connect(&login, &password, None).await.unwrap_err();
        assert_eq!(error.cause, cause, "{settings}: {error}");
        assert!(!error.password_was_tried, "{settings}");
    }
    world.autodiscover(json!({ "mode": "circle" })).await;
    let error = world.connect(&login, &password, None).await.unwrap_err();
    assert!(error.to_string().contains("circle"), "{error}");
    // A domain that nobody allowed, and no domain at all.
    let narrow = EwsPolicy::default();
    let before = world.net.counters().requests;
    let error = world
        .connect_by(&narrow, &login, &password, None)
        .await
        .unwrap_err();
    assert_eq!(error.cause, Cause::NotAllowed);
    let error = world
        .connect_by(&narrow, "CONTOSO\\nina", &password, None)
        .await
        .unwrap_err();
    assert_eq!(error.cause, Cause::Address);
    let error = world
        .connect_by(&narrow, &login, &password, Some(world.ews_url()))
        .await
        .unwrap_err();
    assert_eq!(error.cause, Cause::NotAllowed);
    assert_eq!(world.net.counters().requests, before, "not a byte was sent");
    assert_eq!(world.logons().await, 0);
}

#[tokio::test]
async fn a_host_that_autodiscover_names_needs_no_other_leave() {
    let world = World::new().await;
    let (login, password) = (
        world.user.exchange_login.clone(),
        world.user.exchange_password.clone(),
    );
    let only_domain = EwsPolicy {
        allowed_hosts: vec![],
        ..policy(&world)
    };
    world
        .connect_by(&only_domain, &login, &password, Some(world.ews_url()))
        .await
        .unwrap();
    world
        .autodiscover(json!({ "mode": "v2", "ews_url": "https://mail.contoso.example/EWS/Exchange.asmx" }))
        .await;
    let error = world
        .connect_by(&only_domain, &login, &password, Some(world.ews_url()))
        .await
        .unwrap_err();
    assert_eq!(
        (error.cause, error.password_was_tried),
        (Cause::NotAllowed, false)
    );
    let found = world
        .connect_by(&only_domain, &login, &password, None)
        .await
        .unwrap();
    assert_eq!(found.ews_url.host_str(), Some("mail.contoso.example"));
}

#[tokio::test]
async fn mailboxes_that_cannot_be_opened_and_servers_that_are_busy() {
    let world = World::new().await;
    let (login, password) = (
        world.user.exchange_login.clone(),
        world.user.exchange_password.clone(),
    );
    let url = world.ews_url().to_owned();
    world.set_mailbox(json!({ "no_mailbox": true })).await;
    let error = world.connect(&login, &password, Some(&url)).await.unwrap_err();
    assert_eq!((error.cause, error.password_was_tried), (Cause::NoMailbox, true));
    world.set_mailbox(json!({ "no_mailbox": false })).await;
    for kind in [
        json!({ "kind": "status", "code": 503 }),
        json!({ "kind": "throttle", "ms": 100 }),
        json!({ "kind": "throttle", "ms": 100 }),
        json!({ "kind": "cut_body" }),
        json!({ "kind": "reset" }),
        json!({ "kind": "timeout_before", "ms": 5000 }),
    ] {
        world.no_faults().await;
        world.fault(None, kind.clone()).await;
        let error = world.connect(&login, &password, Some(&url)).await.unwrap_err();
        assert_eq!(error.cause, Cause::Unavailable, "{kind}: {error}");
    }
    world.no_faults().await;
    world
        .fault(Some("GetFolder"), json!({ "kind": "malformed", "skip": 1 }))
        .await;
    let error = world.connect(&login, &password, Some(&url)).await.unwrap_err();
    // The sandbox's broken XML ends too early.
    assert_eq!(error.cause, Cause::Unavailable, "{error}");
    world.no_faults().await;
    world.set_mailbox(json!({ "disabled": true })).await;
    let error = world.connect(&login, &password, Some(&url)).await.unwrap_err();
    assert_eq!(error.cause, Cause::Login);
}

/// A server that answers one request after the other with these heads and bodies, each on a connection of its own.
async fn scripted(answers: Vec<(&'static str, &'static str)>) -> String {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        for (head, body) in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            // The envelope's end is the request's.
            while !request.ends_with(b"</s:Envelope>") {
                let mut piece = [0; 4096];
                let n = stream.read(&mut piece).await.unwrap();
                assert!(n > 0, "the request ends too early");
                request.extend_from_slice(&piece[..n]);
            }
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    format!("http://localhost:{port}/EWS/Exchange.asmx")
}

#[tokio::test]
async fn servers_that_are_something_else() {
    let world = World::new().await;
    let policy = EwsPolicy {
        http_on_loopback: true,
        ..policy(&world)
    };
    let basic = "401 Unauthorized\r\nWWW-Authenticate: Digest\r\nWWW-Authenticate: Basic realm=\"x\"";
    let page = (
        "200 OK\r\nContent-Type: text/html",
        "<!DOCTYPE html><html><body>Sign in</body></html>",
    );
    let cases = [
        (
            vec![("401 Unauthorized\r\nWWW-Authenticate: Bearer", "")],
            Cause::NoCommonSignIn,
            false,
        ),
        (vec![("401 Unauthorized", "")], Cause::NoCommonSignIn, false),
        (vec![page], Cause::NotExchange, false),
        (
            vec![("302 Found\r\nLocation: /owa/", "")],
            Cause::NotExchange,
            false,
        ),
        (
            vec![(
                "302 Found\r\nLocation: https://outlook.office365.com/EWS/Exchange.asmx",
                "",
            )],
            Cause::UseOffice365,
            false,
        ),
        (
            vec![(
                "302 Found\r\nLocation: https://elsewhere.example/EWS/Exchange.asmx",
                "",
            )],
            Cause::NotExchange,
            false,
        ),
        (vec![(basic, ""), page], Cause::NotExchange, true),
        (
            vec![(basic, ""), ("302 Found\r\nLocation: /owa/", "")],
            Cause::NotExchange,
            true,
        ),
        (vec![(basic, ""), ("403 Forbidden", "")], Cause::NoMailbox, true),
        (
            vec![(basic, ""), ("502 Bad Gateway", "<html>")],
            Cause::Unavailable,
            true,
        ),
        (vec![(basic, ""), (basic, "")], Cause::Login, true),
    ];
    for (n, (answers, cause, tried)) in cases.into_iter().enumerate() {
        let url = scripted(answers).await;
        let error = world
            .connect_by(&policy, "nina@x.example", "secret-password", Some(&url))
            .await
            .unwrap_err();
        assert_eq!(
            (error.cause, error.password_was_tried),
            (cause, tried),
            "{n}: {error}"
        );
    }
}
