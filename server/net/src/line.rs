//! A connection that is its owner's alone.
//!
//! NTLM signs a connection in, not a request: the answer to a challenge has to travel on the connection that gave the
//! challenge, and whoever sends on it later is that user. A pool can promise neither. The certificate is there too: a
//! sign-in may be bound to it (RFC 5929).

use std::fmt;
use std::io::{self, Read as _};
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use url::{Host, Origin, Url};

use crate::client::{IDLE, Net};
use crate::error::{NetError, NetErrorKind, Stage};
use crate::request::{Request, Response};
use crate::resolver::Resolver;

/// Opens connections.
pub(crate) struct Dialler {
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) resolver: Resolver,
    pub(crate) user_agent: String,
    pub(crate) connect_timeout: Duration,
}

/// An open connection, as [`Dialler::dial`] hands it out.
pub(crate) struct Wire {
    origin: Origin,
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    certificate: Option<Vec<u8>>,
}

impl Dialler {
    pub(crate) async fn dial(&self, url: &Url) -> Result<Wire, NetError> {
        let failed = |error: io::Error| NetError::on_line(url, Stage::Connecting, false, error);
        let tcp = match tokio::time::timeout(self.connect_timeout, self.connect(url)).await {
            Ok(tcp) => tcp.map_err(failed)?,
            Err(_) => {
                return Err(NetError::new(
                    NetErrorKind::Timeout,
                    url,
                    "while connecting",
                    false,
                ));
            }
        };
        // A request is written at once.
        tcp.set_nodelay(true).map_err(failed)?;
        if url.scheme() == "http" {
            return wire(url, tcp, None).await;
        }
        let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let name = ServerName::try_from(name.to_owned())
            .map_err(|e| NetError::on_line(url, Stage::Connecting, false, e))?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector.connect(name, tcp).await.map_err(failed)?;
        let certificate = stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(|chain| chain.first())
            .map(|leaf| leaf.to_vec());
        wire(url, stream, certificate).await
    }

    async fn connect(&self, url: &Url) -> io::Result<TcpStream> {
        let own = url.port_or_known_default().unwrap_or(443);
        let addresses = match url.host() {
            // Literal addresses were checked with the request.
            Some(Host::Ipv4(ip)) => vec![(ip, own).into()],
            Some(Host::Ipv6(ip)) => vec![(ip, own).into()],
            Some(Host::Domain(name)) => self
                .resolver
                .addresses(name)
                .await
                .map_err(io::Error::other)?
                .into_iter()
                .map(|mut address| {
                    // As the resolver's own client does it: a port in the URL counts before one of the address.
                    if url.port().is_some() || address.port() == 0 {
                        address.set_port(own);
                    }
                    address
                })
                .collect(),
            None => Vec::new(),
        };
        let mut last = io::Error::other("no address");
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(tcp) => return Ok(tcp),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

async fn wire<S>(url: &Url, stream: S, certificate: Option<Vec<u8>>) -> Result<Wire, NetError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| NetError::on_line(url, Stage::Connecting, false, e))?;
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended");
        }
    });
    Ok(Wire {
        origin: url.origin(),
        sender,
        driver,
        certificate,
    })
}

/// One HTTP/1.1 connection, used by one request after the other. It is closed when this is dropped.
pub struct Line {
    net: Net,
    wire: Wire,
    used: Instant,
    /// An exchange was not read to its end: what comes next on the connection would be its rest. Or the server closes.
    broken: bool,
}

impl Line {
    pub(crate) fn new(net: Net, wire: Wire) -> Self {
        Self {
            net,
            wire,
            used: Instant::now(),
            broken: false,
        }
    }

    /// The server's certificate as it was sent (DER). `None` over plain HTTP.
    pub fn certificate(&self) -> Option<&[u8]> {
        self.wire.certificate.as_deref()
    }

    /// Whether another request for `url` may be sent here: same scheme, host and port, open, not idle for long.
    pub fn is_good_for(&self, url: &Url) -> bool {
        !self.broken
            && !self.wire.sender.is_closed()
            && self.used.elapsed() < IDLE
            && self.wire.origin == url.origin()
    }

    /// As [`Net::send`], on this connection, and once: `request.retry` is not looked at.
    ///
    /// # Errors
    /// As [`Net::send`]. The connection is of no more use then.
    pub async fn send(&mut self, request: &Request) -> Result<Response, NetError> {
        self.net.check(request)?;
        if !self.is_good_for(&request.url) {
            return Err(NetError::new(
                NetErrorKind::Reset,
                &request.url,
                "the connection is no longer open",
                false,
            ));
        }
        // Until the answer was read to its end; also where the future is dropped half-way.
        self.broken = true;
        let deadline = Instant::now() + request.timeout;
        let net = self.net.clone();
        let answer = net.counted(request, deadline, self.exchange(request)).await?;
        // hyper notices it a moment later.
        self.broken = says_close(&answer.headers);
        self.used = Instant::now();
        Ok(answer)
    }

    async fn exchange(&mut self, request: &Request) -> Result<Response, NetError> {
        let url = &request.url;
        let sender = &mut self.wire.sender;
        let ready = sender.ready().await;
        ready.map_err(|e| NetError::on_line(url, Stage::Asking, false, e))?;
        let sent = sender
            .try_send_request(message(request, self.net.user_agent())?)
            .await;
        let answer = sent.map_err(|mut unsent| {
            // hyper gives a message back of which nothing was written.
            let reached = unsent.take_message().is_none();
            NetError::on_line(url, Stage::Asking, reached, unsent.into_error())
        })?;
        let too_large = || {
            let limit = format!("more than {} bytes", request.max_bytes);
            NetError::new(NetErrorKind::TooLarge, url, limit, true)
        };
        let (mut head, mut stream) = answer.into_parts();
        let mut body = Vec::new();
        while let Some(frame) = stream.frame().await {
            let frame = frame.map_err(|e| NetError::on_line(url, Stage::Answering, true, e))?;
            if let Ok(chunk) = frame.into_data() {
                if body.len() + chunk.len() > request.max_bytes {
                    return Err(too_large());
                }
                body.extend_from_slice(&chunk);
            }
        }
        if is_gzip(&head.headers) {
            body = match unpack(&body, request.max_bytes) {
                Ok(Some(whole)) => whole,
                Ok(None) => return Err(too_large()),
                Err(e) => return Err(NetError::on_line(url, Stage::Answering, true, e)),
            };
            head.headers.remove(CONTENT_ENCODING);
            head.headers.remove(CONTENT_LENGTH);
        }
        Ok(Response {
            status: head.status,
            headers: head.headers,
            body,
            url: url.clone(),
        })
    }
}

fn message(request: &Request, user_agent: &str) -> Result<http::Request<Full<Bytes>>, NetError> {
    let url = &request.url;
    let cannot = |e: http::Error| NetError::new(NetErrorKind::NotAllowed, url, e.to_string(), false);
    let mut message = http::Request::builder()
        .method(request.method.clone())
        .uri(&url[url::Position::BeforePath..url::Position::AfterQuery])
        .body(Full::new(Bytes::from(request.body.clone())))
        .map_err(cannot)?;
    *message.headers_mut() = request.headers.clone();
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    let value = |text: &str| HeaderValue::from_str(text).map_err(|e| cannot(e.into()));
    message.headers_mut().insert(HOST, value(&host)?);
    if !message.headers().contains_key(USER_AGENT) {
        message.headers_mut().insert(USER_AGENT, value(user_agent)?);
    }
    message
        .headers_mut()
        .insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    Ok(message)
}

fn says_close(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|word| word.trim().eq_ignore_ascii_case("close"))
}

fn is_gzip(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_ENCODING)
        .is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"gzip"))
}

/// `None`: larger than `most`.
fn unpack(packed: &[u8], most: usize) -> io::Result<Option<Vec<u8>>> {
    let mut whole = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    flate2::read::MultiGzDecoder::new(packed)
        .take(limit)
        .read_to_end(&mut whole)?;
    Ok((whole.len() <= most).then_some(whole))
}

impl Drop for Line {
    fn drop(&mut self) {
        self.wire.driver.abort();
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line")
            .field("origin", &self.wire.origin.ascii_serialization())
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}
