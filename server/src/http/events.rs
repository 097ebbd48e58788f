//! `GET /events?ticket=…`: what happens, as it happens. An `EventSource` sends no header, so a ticket opens it, once.
//! The stream ends with the web session that asked for the ticket.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use futures::{Stream, StreamExt as _};
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use tandem_types::PaneEvent;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::App;
use super::session;

/// A sign-out in another process ends a stream after so long.
const LOOK: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
pub(crate) struct Params {
    ticket: String,
}

/// A new ticket for a web session, and what the store keeps of it.
///
/// The session's hash travels in the ticket: the store knows tickets by the hash of the whole text only, so that it
/// cannot be exchanged.
pub(crate) fn new_ticket(app: &App, token_hash: &[u8; 32]) -> (String, [u8; 32]) {
    let (random, _) = session::new_token(app);
    let ticket = format!("{random}.{}", BASE64.encode(token_hash));
    let hash = session::hash(ticket.as_bytes());
    (ticket, hash)
}

fn session_of(ticket: &str) -> Option<[u8; 32]> {
    let (_, token_hash) = ticket.split_once('.')?;
    BASE64.decode(token_hash).ok()?.try_into().ok()
}

pub(crate) async fn get(State(app): State<App>, params: Result<Query<Params>, QueryRejection>) -> Response {
    let Some((ticket, token_hash)) = params
        .ok()
        .and_then(|Query(params)| session_of(&params.ticket).map(|hash| (params.ticket, hash)))
    else {
        return StatusCode::FORBIDDEN.into_response();
    };
    let taken = app
        .store
        .take_ticket(&session::hash(ticket.as_bytes()), app.clock.now())
        .await;
    let connection = match taken {
        Ok(Some((_, connection))) => connection,
        Ok(None) => return StatusCode::FORBIDDEN.into_response(),
        Err(error) => {
            tracing::error!(%error, "ticket not read");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    if signed_out(&app, &token_hash).await {
        return StatusCode::FORBIDDEN.into_response();
    }
    let Some(receiver) = app.hub.subscribe(&connection) else {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    };
    // The view may have changed between its rendering and this stream.
    let stream = futures::stream::iter([PaneEvent::Changed])
        .chain(news(app.clone(), receiver, token_hash))
        .map(|event| Event::default().json_data(event).unwrap_or_default())
        .map(Ok::<_, Infallible>)
        .take_until(app.stop.clone().cancelled_owned());
    let mut response = Sse::new(stream)
        .keep_alive(KeepAlive::new().interval(Duration::from_secs(20)))
        .into_response();
    // Else a proxy in front collects what should arrive at once.
    response.headers_mut().insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    response
}

fn news(app: App, receiver: Receiver<PaneEvent>, token_hash: [u8; 32]) -> impl Stream<Item = PaneEvent> {
    futures::stream::unfold((app, receiver), move |(app, mut receiver)| async move {
        loop {
            let event = tokio::select! {
                heard = receiver.recv() => match heard {
                    Ok(event) => Some(event),
                    // Too slow for every step of a progress: the whole view is asked for again.
                    Err(RecvError::Lagged(_)) => Some(PaneEvent::Changed),
                    Err(RecvError::Closed) => return None,
                },
                () = app.clock.sleep(LOOK) => None,
            };
            // Steps of a progress come thick and fast, and a sign-out is never one of them.
            if !matches!(event, Some(PaneEvent::Progress(_))) && signed_out(&app, &token_hash).await {
                return None;
            }
            if let Some(event) = event {
                return Some((event, (app, receiver)));
            }
        }
    })
}

/// A database that does not answer signs nobody out.
async fn signed_out(app: &App, token_hash: &[u8; 32]) -> bool {
    matches!(app.store.web_session(token_hash, app.clock.now()).await, Ok(None))
}
