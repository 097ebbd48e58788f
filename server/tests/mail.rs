//! What a user is told by mail when his sync breaks, as the operator's SMTP server gets it.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test that cannot go on fails the test"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tandem_server::app::App;
use tandem_server::{config, worker};
use tandem_store::{MailboxSecret, NewUser};
use tandem_types::{ConnectionId, MailboxAccount, MailboxServer, StateReason, SyncState, UserId};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWrite, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const USER: &str = "005000000000001AAA";
const CONNECTION: &str = "0123456789abcdef0123456789abcdef";
/// Nothing here takes so long that goes well.
const PATIENCE: Duration = Duration::from_mins(1);

/// One mail, and how it came.
#[derive(Debug)]
struct Arrived {
    to: String,
    signed_in: bool,
    secret: bool,
    text: String,
}

/// A mail server that takes everything, or refuses everything for now.
struct Smtp {
    port: u16,
    mails: mpsc::UnboundedReceiver<Arrived>,
    refused: mpsc::UnboundedReceiver<()>,
}

#[derive(Clone)]
struct Manner {
    tls: Option<Arc<rustls::ServerConfig>>,
    refuses: bool,
    arrived: mpsc::UnboundedSender<Arrived>,
    refused: mpsc::UnboundedSender<()>,
}

impl Smtp {
    async fn start(tls: Option<Arc<rustls::ServerConfig>>, refuses: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (arrived, mails) = mpsc::unbounded_channel();
        let (no, refused) = mpsc::unbounded_channel();
        let manner = Manner {
            tls,
            refuses,
            arrived,
            refused: no,
        };
        tokio::spawn(async move {
            while let Ok((line, _)) = listener.accept().await {
                tokio::spawn(greet(line, manner.clone()));
            }
        });
        Self { port, mails, refused }
    }

    async fn next(&mut self) -> Arrived {
        tokio::time::timeout(PATIENCE, self.mails.recv())
            .await
            .expect("a mail")
            .unwrap()
    }
}

async fn greet(line: TcpStream, manner: Manner) {
    let mut line = BufStream::new(line);
    say(&mut line, "220 here").await;
    if !talk(&mut line, &manner, false).await {
        return;
    }
    let tls = manner.tls.clone().expect("it was offered");
    let acceptor = tokio_rustls::TlsAcceptor::from(tls);
    // A client that does not trust us goes away here.
    let Ok(safe) = acceptor.accept(line.into_inner()).await else {
        let _ = manner.refused.send(());
        return;
    };
    talk(&mut BufStream::new(safe), &manner, true).await;
}

async fn say(line: &mut (impl AsyncWrite + Unpin), text: &str) {
    let _ = line.write_all(format!("{text}\r\n").as_bytes()).await;
    let _ = line.flush().await;
}

/// Until the end, or until the client wants TLS: then true.
async fn talk(line: &mut (impl AsyncBufRead + AsyncWrite + Unpin), manner: &Manner, secret: bool) -> bool {
    let mut to = String::new();
    let mut signed_in = false;
    let mut order = String::new();
    loop {
        order.clear();
        if line.read_line(&mut order).await.unwrap_or(0) == 0 {
            return false;
        }
        let verb = order.trim_end().to_uppercase();
        if verb.starts_with("EHLO") {
            let offer = if manner.tls.is_some() && !secret {
                "250-here\r\n250 STARTTLS"
            } else {
                "250-here\r\n250 AUTH PLAIN LOGIN"
            };
            say(line, offer).await;
        } else if verb == "STARTTLS" {
            say(line, "220 go").await;
            return true;
        } else if verb.starts_with("AUTH PLAIN") {
            // NUL tandem NUL geheim
            signed_in = order.trim_end().ends_with("AHRhbmRlbQBnZWhlaW0=");
            say(line, if signed_in { "235 in" } else { "535 no" }).await;
        } else if verb.starts_with("MAIL") && manner.refuses {
            say(line, "451 not now").await;
            let _ = manner.refused.send(());
        } else if verb.starts_with("RCPT") {
            order.trim_end().clone_into(&mut to);
            say(line, "250 ok").await;
        } else if verb == "DATA" {
            say(line, "354 go").await;
            let mut text = String::new();
            while !text.ends_with("\r\n.\r\n") {
                if line.read_line(&mut text).await.unwrap_or(0) == 0 {
                    return false;
                }
            }
            say(line, "250 taken").await;
            let mail = Arrived {
                to: to.clone(),
                signed_in,
                secret,
                text,
            };
            let _ = manner.arrived.send(mail);
        } else if verb == "QUIT" {
            say(line, "221 bye").await;
            return false;
        } else {
            say(line, "250 ok").await;
        }
    }
}

/// A replica: several may share a folder.
async fn replica(folder: &Path, mail: &[(&str, String)]) -> App {
    let at = |name: &str| folder.join(name).display().to_string();
    let mut variables = vec![
        ("PUBLIC_URL", "https://tandem.example.com".to_owned()),
        ("DATABASE", format!("sqlite:{}", at("tandem.db"))),
        ("MASTER_KEY_FILE", at("tandem.key")),
        ("SITE_ROOT", at("site")),
        ("SALESFORCE_CLIENT_ID", "client".to_owned()),
        ("EWS_ALLOWED_DOMAINS", "contoso.example".to_owned()),
        ("MAIL_FROM", "Tandem <tandem@example.com>".to_owned()),
    ];
    variables.extend(mail.iter().map(|(name, value)| (*name, value.clone())));
    let variables = variables
        .into_iter()
        .map(|(name, value)| (format!("TANDEM_{name}"), value));
    let (config, _) = config::load(None, variables).unwrap();
    App::start(config).await.unwrap()
}

fn plain(smtp: &Smtp) -> Vec<(&'static str, String)> {
    vec![
        ("MAIL_SERVER", "127.0.0.1".to_owned()),
        ("MAIL_PORT", smtp.port.to_string()),
        ("MAIL_TLS", "never".to_owned()),
    ]
}

/// A user who reads German, and whose mailbox is connected.
async fn connected(app: &App) -> ConnectionId {
    let now = app.clock.now();
    let (user, id): (UserId, ConnectionId) = (USER.parse().unwrap(), CONNECTION.parse().unwrap());
    let new = NewUser {
        org_id: "00D000000000001AAA".parse().unwrap(),
        user_id: user.clone(),
        username: "nina@contoso.example".into(),
        name: "Nina Bergström".into(),
        email: "nina@contoso.example".into(),
        org_name: "Contoso".into(),
        instance_url: "https://contoso.my.salesforce.com".into(),
    };
    app.store.upsert_user(&new, now).await.unwrap();
    app.store.ensure_connection(&user, id.clone(), now).await.unwrap();
    let account = MailboxAccount {
        address: "nina@contoso.example".into(),
        server: MailboxServer::Exchange,
        host: "mail.contoso.example".into(),
    };
    let secret = MailboxSecret {
        login: "nina".into(),
        password: "secret".to_owned().into(),
        ews_url: "https://mail.contoso.example/EWS/Exchange.asmx".into(),
        extra: String::new(),
    };
    app.store.activate(&id, account, secret, now).await.unwrap();
    app.store.set_language(&user, "de").await.unwrap();
    id
}

async fn broken(app: &App, id: &ConnectionId, to: SyncState, reason: StateReason) {
    let from = [
        SyncState::Active,
        SyncState::Activating,
        SyncState::NeedsActivation,
    ];
    let now = app.clock.now();
    let moved = app.store.set_state(id, &from, to, Some(reason), None, now).await;
    assert!(moved.unwrap());
}

/// What a mail says, its transfer encoding taken off.
fn body(mail: &Arrived) -> String {
    let (head, body) = mail.text.split_once("\r\n\r\n").unwrap();
    if !head.contains("quoted-printable") {
        return body.to_owned();
    }
    let mut bytes = Vec::new();
    let joined = body.replace("=\r\n", "");
    let mut rest = joined.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'=' {
            let hex = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_tell_a_user_once_in_his_language() {
    let folder = tempfile::tempdir().unwrap();
    let mut smtp = Smtp::start(None, false).await;
    let one = replica(folder.path(), &plain(&smtp)).await;
    let two = replica(folder.path(), &plain(&smtp)).await;
    let id = connected(&one).await;
    broken(
        &one,
        &id,
        SyncState::NeedsActivation,
        StateReason::MicrosoftSignInEnded,
    )
    .await;
    let runs = [one.clone(), two.clone()].map(|app| tokio::spawn(worker::run(app)));

    let mail = smtp.next().await;
    assert!(mail.to.contains("<nina@contoso.example>"), "{}", mail.to);
    for part in [
        "From: Tandem <tandem@example.com>",
        "Auto-Submitted: auto-generated",
        "Message-ID: <0123456789abcdef0123456789abcdef.needs_sign_in.",
        "Subject: Tandem braucht Ihre Anmeldung",
    ] {
        assert!(mail.text.contains(part), "{part}: {}", mail.text);
    }
    let said = body(&mail);
    assert!(said.contains("Guten Tag Nina Bergström"), "{said}");
    assert!(
        said.contains("\nhttps://tandem.example.com/setup?activate=1\r\n"),
        "{said}"
    );
    assert!(!said.contains("secret"));

    // Another trouble is another mail; the first is not told again, by neither.
    broken(&one, &id, SyncState::Active, StateReason::StoppedByBrake).await;
    let next = smtp.next().await;
    assert!(next.text.contains(".brake."), "{}", next.text);
    for app in [&one, &two] {
        app.stop.cancel();
    }
    for run in runs {
        run.await.unwrap();
    }
    assert!(smtp.mails.try_recv().is_err(), "nothing was told twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_tried_again_later() {
    let folder = tempfile::tempdir().unwrap();
    let mut smtp = Smtp::start(None, true).await;
    let app = replica(folder.path(), &plain(&smtp)).await;
    let id = connected(&app).await;
    broken(&app, &id, SyncState::Active, StateReason::StoppedByBrake).await;
    let run = tokio::spawn(worker::run(app.clone()));
    tokio::time::timeout(PATIENCE, smtp.refused.recv())
        .await
        .expect("a try")
        .unwrap();
    app.stop.cancel();
    run.await.unwrap();
    let now = app.clock.now();
    let soon = now.plus_seconds(200);
    let later = now.plus_seconds(310);
    assert_eq!(app.store.claim_mail(soon, later).await.unwrap(), None);
    let again = app.store.claim_mail(later, later).await.unwrap().unwrap();
    assert_eq!((again.connection, again.tries), (id, 2));
}

/// An authority for this name, as PEM, and a server's configuration by it.
fn certified(name: &str) -> (String, Arc<rustls::ServerConfig>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec![name.to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    (certificate.pem(), Arc::new(config))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_and_its_password_go_by_tls_or_not_at_all() {
    for trusted in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let (pem, tls) = certified("localhost");
        let roots = folder.path().join("roots.pem");
        std::fs::write(&roots, if trusted { pem } else { certified("localhost").0 }).unwrap();
        let mut smtp = Smtp::start(Some(tls), false).await;
        let mail = [
            ("MAIL_SERVER", "localhost".to_owned()),
            ("MAIL_PORT", smtp.port.to_string()),
            ("MAIL_USER", "tandem".to_owned()),
            ("MAIL_PASSWORD", "geheim".to_owned()),
            ("NET_EXTRA_ROOTS", roots.display().to_string()),
        ];
        let app = replica(folder.path(), &mail).await;
        let id = connected(&app).await;
        broken(
            &app,
            &id,
            SyncState::NeedsActivation,
            StateReason::MailServerRefused,
        )
        .await;
        let run = tokio::spawn(worker::run(app.clone()));
        if trusted {
            let mail = smtp.next().await;
            assert!(mail.secret && mail.signed_in, "{mail:?}");
        } else {
            tokio::time::timeout(PATIENCE, smtp.refused.recv())
                .await
                .expect("a try")
                .unwrap();
        }
        app.stop.cancel();
        run.await.unwrap();
        assert!(smtp.mails.try_recv().is_err());
    }
}
