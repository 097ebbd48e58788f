//! Connections of browsers, or of the proxy in front. Each has so much time, and none keeps the server from ending.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::App;
use super::limit::Peer;

/// For the head of a request, and between two requests. Longer than proxies keep an idle connection (60 seconds, mostly):
/// they and not we should end it, else a request crosses the end on its way.
const HEAD: Duration = Duration::from_secs(75);
/// For agreeing on the encryption.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The process may have no file left; that passes.
const PAUSE: Duration = Duration::from_millis(500);

/// Serves until the server stops, then `grace` long what is under way. Without `tls` plain HTTP.
pub(crate) async fn serve(
    app: &App,
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    grace: Duration,
) {
    let tls = tls.map(TlsAcceptor::from);
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = app.stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, from)) => {
                let peer = Peer(from.ip());
                connections.spawn(one(app.clone(), stream, peer, tls.clone(), router.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                app.clock.sleep(PAUSE).await;
            }
        }
    }
    connections.close();
    if tokio::time::timeout(grace, connections.wait()).await.is_err() {
        tracing::warn!(
            open = connections.len(),
            "connections that did not end in time are cut"
        );
    }
}

async fn one(app: App, stream: TcpStream, peer: Peer, tls: Option<TlsAcceptor>, router: Router) {
    // Events are small, and should arrive now.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection without TCP_NODELAY");
    }
    let Some(tls) = tls else {
        return speak(&app, stream, peer, router).await;
    };
    let agreed = tokio::select! {
        () = app.stop.cancelled() => return,
        agreed = tokio::time::timeout(HANDSHAKE, tls.accept(stream)) => agreed,
    };
    match agreed {
        Ok(Ok(stream)) => speak(&app, stream, peer, router).await,
        Ok(Err(error)) => tracing::debug!(%error, "no encryption was agreed on"),
        Err(_) => tracing::debug!("agreeing on the encryption took too long"),
    }
}

/// HTTP on a connection, until it ends or the server does.
async fn speak(app: &App, stream: impl AsyncRead + AsyncWrite + Unpin, peer: Peer, router: Router) {
    let router = router.map_request(move |mut request: http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        request
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut served = pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = app.stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}
