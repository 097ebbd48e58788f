//! The client against small servers that misbehave.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{any, get};
use secrecy::SecretString;
use tandem_net::{Net, NetConfig, NetErrorKind, Request, Retry, Schemes};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use url::Url;

fn net() -> Net {
    Net::new(&NetConfig {
        allow_loopback: true,
        connect_timeout: Duration::from_secs(2),
        ..NetConfig::default()
    })
    .unwrap()
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

/// Reads a request, writes `answer` as it stands, closes. Counts the connections.
async fn serve_raw(answer: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            seen.fetch_add(1, Ordering::SeqCst);
            let mut buffer = [0; 4096];
            let _ = socket.read(&mut buffer).await;
            let _ = socket.write_all(answer).await;
            let _ = socket.shutdown().await;
        }
    });
    (address, count)
}

fn request(address: SocketAddr, path: &str) -> Request {
    Request::get(Url::parse(&format!("http://{address}{path}")).unwrap())
        .schemes(Schemes::HttpToo)
        .timeout(Duration::from_secs(5))
}

#[tokio::test]
async fn any_status_is_an_answer_and_headers_arrive() {
    let echo = |headers: HeaderMap, body: String| async move {
        let auth = headers[header::AUTHORIZATION].to_str().unwrap().to_owned();
        let agent = headers[header::USER_AGENT].to_str().unwrap().to_owned();
        (StatusCode::NOT_FOUND, format!("{auth}|{agent}|{body}"))
    };
    let address = serve(Router::new().route("/", any(echo))).await;
    let url = Url::parse(&format!("http://{address}/")).unwrap();
    let net = net();
    let answer = net
        .send(
            Request::post(url, "grüß")
                .schemes(Schemes::HttpToo)
                .basic("nina", &SecretString::from("pass:wörd")),
        )
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let agent = concat!("Tandem/", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        String::from_utf8(answer.body).unwrap(),
        format!("Basic bmluYTpwYXNzOnfDtnJk|{agent}|grüß")
    );
    let counters = net.counters();
    assert_eq!(
        (counters.requests, counters.retries, counters.failures),
        (1, 0, 0)
    );
    assert_eq!(counters.bytes_sent, "grüß".len() as u64);
}

#[tokio::test]
async fn the_time_out_covers_the_whole_exchange() {
    let slow = || async {
        // A header at once, then a body that never ends.
        Body::from_stream(futures::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Some((Ok::<_, std::convert::Infallible>("x"), ()))
        }))
    };
    let address = serve(Router::new().route("/", get(slow))).await;
    let error = net()
        .send(
            request(address, "/")
                .timeout(Duration::from_millis(150))
                .retry(Retry::Idempotent),
        )
        .await
        .unwrap_err();
    assert_eq!(error.kind, NetErrorKind::Timeout);
    assert!(error.may_have_taken_effect());
}

#[tokio::test]
async fn an_answer_over_the_limit_is_refused() {
    let address = serve(Router::new().route("/", get(|| async { "x".repeat(2000) }))).await;
    let net = net();
    let error = net.send(request(address, "/").max_bytes(1999)).await.unwrap_err();
    assert_eq!(error.kind, NetErrorKind::TooLarge);
    assert!(error.may_have_taken_effect());
    assert_eq!(
        net.send(request(address, "/").max_bytes(2000))
            .await
            .unwrap()
            .body
            .len(),
        2000
    );
}

#[tokio::test]
async fn a_compressed_bomb_counts_decoded() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        encoder.write_all(&vec![0_u8; 1 << 20]).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 1 << 17, "the bomb itself is small: {}", bomb.len());
    let answer = move || {
        let bomb = bomb.clone();
        async move { ([(header::CONTENT_ENCODING, "gzip")], bomb) }
    };
    let address = serve(Router::new().route("/", get(answer))).await;
    let error = net()
        .send(request(address, "/").max_bytes(1 << 18))
        .await
        .unwrap_err();
    assert_eq!(error.kind, NetErrorKind::TooLarge);
}

#[tokio::test]
async fn a_body_cut_half_way_is_no_answer() {
    let plain = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".as_slice();
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10\r\nhalf".as_slice();
    for raw in [plain, chunked] {
        let (address, count) = serve_raw(raw).await;
        let error = net().send(request(address, "/")).await.unwrap_err();
        assert_eq!(error.kind, NetErrorKind::Cut, "{error}");
        assert!(error.may_have_taken_effect());
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_gzip_stream_cut_half_way_is_no_answer() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    encoder.write_all(b"the whole text").unwrap();
    let mut half = encoder.finish().unwrap();
    half.truncate(half.len() - 10);
    let answer = move || {
        let half = half.clone();
        async move { ([(header::CONTENT_ENCODING, "gzip")], half) }
    };
    let address = serve(Router::new().route("/", get(answer))).await;
    let error = net().send(request(address, "/")).await.unwrap_err();
    assert_eq!(error.kind, NetErrorKind::Cut, "{error}");
}

#[tokio::test]
async fn a_reset_is_in_doubt_and_sent_again_only_when_that_is_harmless() {
    let (address, count) = serve_raw(b"").await;
    let net = net();
    let error = net.send(request(address, "/")).await.unwrap_err();
    assert_eq!(error.kind, NetErrorKind::Reset, "{error}");
    assert!(error.may_have_taken_effect());
    assert_eq!(count.load(Ordering::SeqCst), 1);

    let error = net
        .send(request(address, "/").retry(Retry::Idempotent))
        .await
        .unwrap_err();
    assert_eq!(error.kind, NetErrorKind::Reset);
    assert!(error.may_have_taken_effect());
    assert_eq!(count.load(Ordering::SeqCst), 4);
    assert_eq!(net.counters().retries, 2);
    assert_eq!(net.counters().failures, 4);
}

#[tokio::test]
async fn what_is_not_http_is_a_protocol_error() {
    let (address, _) = serve_raw(b"220 mail.contoso.example ESMTP\r\n").await;
    let error = net().send(request(address, "/")).await.unwrap_err();
    assert_eq!(error.kind, NetErrorKind::Protocol, "{error}");
}

#[tokio::test]
async fn nobody_listening_took_no_effect() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = net().send(request(address, "/")).await.unwrap_err();
    assert_eq!(error.kind, NetErrorKind::Connect, "{error}");
    assert!(!error.may_have_taken_effect());
}

#[tokio::test]
async fn busy_servers_are_asked_again_as_they_wish() {
    async fn flaky(State(count): State<Arc<AtomicUsize>>, headers: HeaderMap) -> impl IntoResponse {
        let wait = headers["x-wait"].to_str().unwrap().to_owned();
        let n = count.fetch_add(1, Ordering::SeqCst);
        if n % 2 == 0 {
            let mut answer = StatusCode::SERVICE_UNAVAILABLE.into_response();
            if wait != "none" {
                answer
                    .headers_mut()
                    .insert(header::RETRY_AFTER, wait.parse().unwrap());
            }
            answer
        } else {
            "fine".into_response()
        }
    }
    let count = Arc::new(AtomicUsize::new(0));
    let address = serve(
        Router::new()
            .route("/", any(flaky))
            .with_state(Arc::clone(&count)),
    )
    .await;
    let net = net();
    for (wait, retry, expected) in [
        ("none", Retry::Idempotent, StatusCode::OK),
        ("0", Retry::Idempotent, StatusCode::OK),
        ("6", Retry::Idempotent, StatusCode::SERVICE_UNAVAILABLE),
        ("none", Retry::Never, StatusCode::SERVICE_UNAVAILABLE),
    ] {
        count.store(0, Ordering::SeqCst);
        let answer = net
            .send(request(address, "/").header("x-wait", wait).retry(retry))
            .await
            .unwrap();
        assert_eq!(answer.status, expected, "{wait} {retry:?}");
        let tries = if expected == StatusCode::OK { 2 } else { 1 };
        assert_eq!(count.load(Ordering::SeqCst), tries, "{wait} {retry:?}");
    }
}

#[tokio::test]
async fn redirects_are_answers() {
    let router = Router::new()
        .route(
            "/",
            get(|| async { (StatusCode::FOUND, [(header::LOCATION, "/elsewhere")]) }),
        )
        .route("/elsewhere", get(|| async { "followed" }));
    let address = serve(router).await;
    let answer = net().send(request(address, "/")).await.unwrap();
    assert_eq!(answer.status, StatusCode::FOUND);
    assert_eq!(answer.header("location"), Some("/elsewhere"));
}

#[tokio::test]
async fn loopback_is_refused_unless_the_configuration_allows_it() {
    let served = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&served);
    let router = Router::new().route(
        "/",
        get(move || {
            seen.fetch_add(1, Ordering::SeqCst);
            async { "reached" }
        }),
    );
    let address = serve(router).await;
    let port = address.port();
    let strict = Net::new(&NetConfig {
        resolve: vec![("mail.contoso.example".to_owned(), address)],
        ..NetConfig::default()
    })
    .unwrap();
    for host in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "mail.contoso.example",
    ] {
        let url = Url::parse(&format!("http://{host}:{port}/?secret=1")).unwrap();
        let error = strict
            .send(Request::get(url).schemes(Schemes::HttpToo))
            .await
            .unwrap_err();
        assert_eq!(error.kind, NetErrorKind::NotAllowed, "{host}: {error}");
        assert!(!error.may_have_taken_effect());
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
    assert_eq!(served.load(Ordering::SeqCst), 0);
}

/// A name with a public and an inner address: the second is what an attacker's name server answers later, or beside the
/// first. Only what was resolved for this connection, and passed, is ever dialled.
#[tokio::test]
async fn a_name_that_turns_to_an_inner_address_gains_nothing() {
    let served = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&served);
    let inner = serve(Router::new().route(
        "/",
        get(move || {
            seen.fetch_add(1, Ordering::SeqCst);
            async { "reached" }
        }),
    ))
    .await;
    // Nobody answers there, and the policy has no objection to it.
    let public: SocketAddr = "[2606:4700::1111]:9".parse().unwrap();
    let name = "mail.contoso.example";
    let net = Net::new(&NetConfig {
        resolve: vec![(name.to_owned(), public), (name.to_owned(), inner)],
        connect_timeout: Duration::from_millis(300),
        ..NetConfig::default()
    })
    .unwrap();
    let url = Url::parse(&format!("http://{name}:{}/", inner.port())).unwrap();
    let error = net
        .send(
            Request::get(url.clone())
                .schemes(Schemes::HttpToo)
                .timeout(Duration::from_secs(2)),
        )
        .await
        .unwrap_err();
    assert!(!error.may_have_taken_effect(), "{error}");
    assert_eq!(served.load(Ordering::SeqCst), 0, "the inner server was asked");
    // And where a connection of one's own is opened.
    let line = net.line(&url, Schemes::HttpToo, Duration::from_secs(2)).await;
    assert!(line.is_err());
    assert_eq!(served.load(Ordering::SeqCst), 0);
    // The network named by the administrator: the same names lead there.
    let net = Net::new(&NetConfig {
        resolve: vec![(name.to_owned(), inner)],
        allow_networks: vec!["127.0.0.0/8".parse().unwrap()],
        ..NetConfig::default()
    })
    .unwrap();
    let answer = net
        .send(Request::get(url).schemes(Schemes::HttpToo))
        .await
        .unwrap();
    assert_eq!(answer.body, b"reached");
}

#[tokio::test]
async fn fixed_addresses_lead_to_their_port() {
    let address = serve(Router::new().route("/", get(|| async { "here" }))).await;
    let net = Net::new(&NetConfig {
        allow_loopback: true,
        resolve: vec![("Mail.Contoso.example".to_owned(), address)],
        ..NetConfig::default()
    })
    .unwrap();
    let url = Url::parse("http://mail.contoso.example/").unwrap();
    let answer = net
        .send(Request::get(url).schemes(Schemes::HttpToo))
        .await
        .unwrap();
    assert_eq!(answer.body, b"here");
}

#[tokio::test]
async fn an_unknown_host_is_told_apart() {
    let url = Url::parse("https://no-such-host.invalid/").unwrap();
    let error = net().send(Request::get(url)).await.unwrap_err();
    assert_eq!(error.kind, NetErrorKind::UnknownHost, "{error}");
    assert!(!error.may_have_taken_effect());
}

#[tokio::test]
async fn plain_http_needs_to_be_asked_for() {
    let address = serve(Router::new().route("/", get(|| async { "reached" }))).await;
    let error = net()
        .send(request(address, "/").schemes(Schemes::HttpsOnly))
        .await
        .unwrap_err();
    assert_eq!(error.kind, NetErrorKind::NotAllowed);
    let file = Url::parse("ftp://127.0.0.1/x").unwrap();
    let error = net()
        .send(Request::get(file).schemes(Schemes::HttpToo))
        .await
        .unwrap_err();
    assert_eq!(error.kind, NetErrorKind::NotAllowed);
}

#[tokio::test]
async fn a_header_that_http_cannot_carry_is_refused_before_anything_is_sent() {
    let (address, count) = serve_raw(b"").await;
    let smuggled = SecretString::from("x\r\nx-admin: yes");
    let error = net()
        .send(request(address, "/").bearer(&smuggled))
        .await
        .unwrap_err();
    assert_eq!(error.kind, NetErrorKind::NotAllowed);
    assert!(!error.may_have_taken_effect());
    assert!(!error.to_string().contains("x-admin"));
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[test]
fn debug_shows_no_secret() {
    let url = Url::parse("https://u:geheim@a.example/p?token=geheim").unwrap();
    let request = Request::post(url, "geheim")
        .bearer(&SecretString::from("geheim"))
        .header("x-note", "geheim");
    assert!(!format!("{request:?}").contains("geheim"));
}

struct TlsServer {
    address: SocketAddr,
    ca_pem: String,
}

/// An HTTPS server whose leaf, for `localhost`, is signed by an authority of its own.
async fn serve_tls() -> TlsServer {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_cert = ca.self_signed(&ca_key).unwrap();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            rustls_pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut socket) = acceptor.accept(socket).await else {
                    return;
                };
                let mut buffer = [0; 4096];
                let _ = socket.read(&mut buffer).await;
                let _ = socket
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nsecure")
                    .await;
                let _ = socket.shutdown().await;
            });
        }
    });
    TlsServer {
        address,
        ca_pem: ca_cert.pem(),
    }
}

#[tokio::test]
async fn certificates_must_be_trusted_and_for_the_name() {
    let server = serve_tls().await;
    let port = server.address.port();
    let by_name = Url::parse(&format!("https://localhost:{port}/")).unwrap();
    let by_address = Url::parse(&format!("https://127.0.0.1:{port}/")).unwrap();

    let error = net()
        .send(Request::get(by_name.clone()).retry(Retry::Idempotent))
        .await
        .unwrap_err();
    assert_eq!(error.kind, NetErrorKind::Certificate, "{error}");
    assert!(!error.may_have_taken_effect());

    let trusting = Net::new(&NetConfig {
        allow_loopback: true,
        extra_roots_pem: vec![server.ca_pem.into_bytes()],
        ..NetConfig::default()
    })
    .unwrap();
    assert_eq!(
        trusting.send(Request::get(by_name)).await.unwrap().body,
        b"secure"
    );
    let error = trusting.send(Request::get(by_address)).await.unwrap_err();
    assert_eq!(error.kind, NetErrorKind::Certificate, "{error}");
}

#[tokio::test]
async fn a_server_without_tls_is_no_connection() {
    let (address, _) = serve_raw(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    let url = Url::parse(&format!("https://{address}/")).unwrap();
    let error = net().send(Request::get(url)).await.unwrap_err();
    assert_eq!(error.kind, NetErrorKind::Connect, "{error}");
    assert!(!error.may_have_taken_effect());
}

#[test]
fn roots_that_are_none_are_refused() {
    for bytes in [
        b"".as_slice(),
        b"no certificate",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let config = NetConfig {
            extra_roots_pem: vec![bytes.to_vec()],
            ..NetConfig::default()
        };
        assert_eq!(Net::new(&config).unwrap_err().kind, NetErrorKind::Certificate);
    }
}

#[tokio::test]
async fn the_oauth_adapter_passes_status_and_body() {
    use oauth2::AsyncHttpClient as _;
    let router = Router::new().route(
        "/token",
        any(|headers: HeaderMap, body: String| async move {
            assert_eq!(headers[header::AUTHORIZATION], "Basic eDp5");
            (
                StatusCode::BAD_REQUEST,
                [(header::CONTENT_TYPE, "application/json")],
                body,
            )
        }),
    );
    let address = serve(router).await;
    let net = net();
    let request = |scheme: &str| {
        oauth2::http::Request::post(format!("{scheme}://{address}/token"))
            .header("authorization", "Basic eDp5")
            .body(b"{}".to_vec())
            .unwrap()
    };
    let http = net.oauth().schemes(Schemes::HttpToo);
    let answer = http.call(request("http")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(answer.body(), b"{}");
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/json");
    let error = net.oauth().call(request("http")).await.unwrap_err();
    assert_eq!(error.kind, NetErrorKind::NotAllowed);
}

/// Answers with the number of the connection and of the request on it; `/gzip` packs a lot, `/close` closes.
async fn numbered() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for connection in 1.. {
            let (mut socket, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                for asked in 1.. {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let mut byte = [0];
                        if socket.read(&mut byte).await.unwrap_or(0) == 0 {
                            return;
                        }
                        head.push(byte[0]);
                    }
                    let mut more = "";
                    let mut body = format!("{connection}.{asked}").into_bytes();
                    if head.starts_with(b"GET /gzip") {
                        let mut packer =
                            flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
                        packer.write_all(&"x".repeat(50_000).into_bytes()).unwrap();
                        body = packer.finish().unwrap();
                        more = "Content-Encoding: gzip\r\n";
                    } else if head.starts_with(b"GET /close") {
                        more = "Connection: close\r\n";
                    }
                    let length = if head.starts_with(b"GET /cut") {
                        90
                    } else {
                        body.len()
                    };
                    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{more}\r\n");
                    socket.write_all(answer.as_bytes()).await.unwrap();
                    socket.write_all(&body).await.unwrap();
                    if !more.starts_with("Content") && !more.is_empty() || length == 90 {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_line_is_one_connection_and_nobody_else_s() {
    let address = numbered().await;
    let net = net();
    let url = request(address, "/").url;
    let open = || net.line(&url, Schemes::HttpToo, Duration::from_secs(5));
    let (mut one, mut other) = (open().await.unwrap(), open().await.unwrap());
    for asked in 1..4 {
        let said = one.send(&request(address, "/")).await.unwrap();
        assert_eq!(said.body, format!("1.{asked}").into_bytes());
        net.send(request(address, "/")).await.unwrap();
    }
    assert_eq!(other.send(&request(address, "/")).await.unwrap().body, b"2.1");
    assert!(one.certificate().is_none() && one.is_good_for(&url));
    let elsewhere = Url::parse("http://127.0.0.2/").unwrap();
    assert!(!one.is_good_for(&elsewhere));

    // Packed answers are unpacked, and count unpacked.
    let error = one
        .send(&request(address, "/gzip").max_bytes(49_999))
        .await
        .unwrap_err();
    assert_eq!(error.kind, NetErrorKind::TooLarge);
    assert!(
        !one.is_good_for(&url),
        "what is left of an answer is nobody's answer"
    );
    let said = other.send(&request(address, "/gzip").max_bytes(50_000)).await;
    assert_eq!(said.unwrap().body.len(), 50_000);

    let error = other.send(&request(address, "/cut")).await.unwrap_err();
    assert_eq!(error.kind, NetErrorKind::Cut);
    assert!(error.may_have_taken_effect());
    let error = other.send(&request(address, "/")).await.unwrap_err();
    assert!(!error.may_have_taken_effect(), "it was closed: nothing was sent");

    // Said before: the next request goes elsewhere, and is not lost.
    let mut last = open().await.unwrap();
    last.send(&request(address, "/close")).await.unwrap();
    assert!(!last.is_good_for(&url));
    assert!(
        !last
            .send(&request(address, "/"))
            .await
            .unwrap_err()
            .may_have_taken_effect()
    );
}

#[tokio::test]
async fn a_line_keeps_the_rules_of_the_house() {
    let timeout = Duration::from_secs(5);
    let strict = Net::new(&NetConfig::default()).unwrap();
    let url = Url::parse("https://127.0.0.1/").unwrap();
    let error = strict.line(&url, Schemes::HttpsOnly, timeout).await.unwrap_err();
    assert_eq!(error.kind, NetErrorKind::NotAllowed);
    let name = Url::parse("https://localhost/").unwrap();
    let error = strict.line(&name, Schemes::HttpsOnly, timeout).await.unwrap_err();
    assert_eq!(error.kind, NetErrorKind::NotAllowed);
    let plain = Url::parse("http://127.0.0.1/").unwrap();
    let error = net().line(&plain, Schemes::HttpsOnly, timeout).await.unwrap_err();
    assert_eq!(error.kind, NetErrorKind::NotAllowed);
    let nowhere = Url::parse("https://nowhere.invalid/").unwrap();
    let error = net()
        .line(&nowhere, Schemes::HttpsOnly, timeout)
        .await
        .unwrap_err();
    assert_eq!(error.kind, NetErrorKind::UnknownHost);
}

#[tokio::test]
async fn a_line_knows_the_certificate_and_wants_it_trusted() {
    let server = serve_tls().await;
    let trusting = Net::new(&NetConfig {
        allow_loopback: true,
        extra_roots_pem: vec![server.ca_pem.clone().into_bytes()],
        ..NetConfig::default()
    })
    .unwrap();
    let url = Url::parse(&format!("https://localhost:{}/", server.address.port())).unwrap();
    let timeout = Duration::from_secs(5);
    let mut line = trusting.line(&url, Schemes::HttpsOnly, timeout).await.unwrap();
    assert!(line.certificate().is_some_and(|der| der.starts_with(&[0x30])));
    line.send(&Request::get(url.clone())).await.unwrap();
    let error = net().line(&url, Schemes::HttpsOnly, timeout).await.unwrap_err();
    assert_eq!(error.kind, NetErrorKind::Certificate);
    assert!(!error.may_have_taken_effect());
}
