//! `GET /events?ticket=…`: what happens, as it happens. An `EventSource` sends no header, so a ticket opens it, once.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use http::StatusCode;
use serde::Deserialize;
use tandem_types::PaneEvent;
use tokio::sync::broadcast::error::RecvError;

use super::App;
use super::session;

#[derive(Deserialize)]
pub(crate) struct Params {
    ticket: String,
}

pub(crate) async fn get(State(app): State<App>, Query(params): Query<Params>) -> Response {
    let now = app.clock.now();
    let connection = match app.store.take_ticket(&session::hash(params.ticket.as_bytes()), now).await {
        Ok(Some((_, connection))) => connection,
        Ok(None) => return StatusCode::FORBIDDEN.into_response(),
        Err(error) => {
            tracing::error!(%error, "ticket not read");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    let receiver = app.hub.subscribe(&connection);
    let news = futures::stream::unfold(receiver, |mut receiver| async move {
        let event = match receiver.recv().await {
            Ok(event) => event,
            // Too slow for every step of a progress: the whole view is asked for again.
            Err(RecvError::Lagged(_)) => PaneEvent::Changed,
            Err(RecvError::Closed) => return None,
        };
        Some((event, receiver))
    });
    // The view may have changed between its rendering and this stream.
    let stream = futures::stream::iter([PaneEvent::Changed])
        .chain(news)
        .map(|event| Event::default().json_data(event).unwrap_or_default())
        .map(Ok::<_, Infallible>)
        .take_until(app.stop.clone().cancelled_owned());
    Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(20))).into_response()
}
