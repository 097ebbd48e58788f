//! The stream of events: progress, and the news that there is news.

use futures::StreamExt as _;
use gloo_net::eventsource::futures::EventSource;
use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::cell::{Cell, RefCell};
use tandem_types::{ApiError, PaneEvent, Ticket};

use super::{refresh, request, sleep};
use crate::call::Call;
use crate::page::Ui;

thread_local! {
    /// Counts the sign-ins: the stream of an older one ends.
    static GENERATION: Cell<u32> = const { Cell::new(0) };
    /// The open stream.
    static SOURCE: RefCell<Option<EventSource>> = const { RefCell::new(None) };
}

/// Closes the stream while the page is left: a browser keeps left pages for *back*, with their connections, and has
/// only six of them for a host.
pub(super) fn close_when_left(ui: Ui) {
    let hide = window_event_listener(ev::pagehide, |_| stop());
    let show = window_event_listener(ev::pageshow, move |event| {
        if event.persisted() {
            refresh(ui);
            follow(ui);
        }
    });
    // For as long as the page lives.
    std::mem::forget((hide, show));
}

/// Ends the stream, and what would open it again.
pub(super) fn stop() {
    GENERATION.set(GENERATION.get() + 1);
    SOURCE.take();
}

/// Follows the events until the sign-in ends. A broken stream is opened again after 1, 2, 4 … 30 seconds, and the
/// view fetched, since something may have happened meanwhile.
pub(super) fn follow(ui: Ui) {
    stop();
    let generation = GENERATION.get();
    spawn_local(async move {
        let mut wait = 1;
        let mut missed = false;
        while GENERATION.get() == generation && ui.view.with_untracked(|view| view.viewer.is_some()) {
            match request::call::<Ticket>(Call::Ticket, String::new()).await {
                Ok(Ticket { ticket }) => {
                    if missed {
                        refresh(ui);
                    }
                    if listen(ui, &ticket, generation).await {
                        wait = 1;
                    }
                }
                Err(ApiError::SignedOut) => {
                    super::signed_out(ui);
                    return;
                }
                Err(_) => {}
            }
            missed = true;
            sleep(wait * 1000).await;
            wait = (wait * 2).min(30);
        }
    });
}

/// Until the stream breaks. Whether anything came.
async fn listen(ui: Ui, ticket: &str, generation: u32) -> bool {
    let url = format!("/events?ticket={}", js_sys::encode_uri_component(ticket));
    let Ok(mut source) = EventSource::new(&url) else {
        return false;
    };
    let Ok(mut messages) = source.subscribe("message") else {
        return false;
    };
    SOURCE.set(Some(source));
    let mut heard = false;
    while let Some(Ok((_, message))) = messages.next().await {
        if GENERATION.get() != generation {
            break;
        }
        heard = true;
        let event = message
            .data()
            .as_string()
            .and_then(|json| serde_json::from_str(&json).ok());
        match event {
            Some(PaneEvent::Progress(progress)) => ui.progress.set(Some(progress)),
            // Also for a kind of event that this page is too old to know.
            Some(PaneEvent::Changed) | None => refresh(ui),
        }
    }
    heard
}
