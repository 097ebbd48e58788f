//! The stream of events: progress, and the news that there is news.

use leptos::ev;
use leptos::leptos_dom::helpers::window_event_listener;
use leptos::task::spawn_local;
use leptos::wasm_bindgen::JsCast as _;
use leptos::wasm_bindgen::closure::Closure;
use std::cell::{Cell, RefCell};
use tandem_types::Progress;
use web_sys::{Event, EventSource, MessageEvent};

use super::{dom, islands, refresh, request, sleep};

/// An open stream, and what hears it.
struct Stream {
    source: EventSource,
    _heard: Closure<dyn Fn(MessageEvent)>,
    _broken: Closure<dyn Fn(Event)>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.source.close();
        self.source.set_onmessage(None);
        self.source.set_onerror(None);
    }
}

thread_local! {
    /// Counts the sign-ins: the stream of an older one ends.
    static GENERATION: Cell<u32> = const { Cell::new(0) };
    static STREAM: RefCell<Option<Stream>> = const { RefCell::new(None) };
    /// Seconds to wait before a broken stream is opened again.
    static WAIT: Cell<i32> = const { Cell::new(1) };
}

/// Closes the stream while the page is left: a browser keeps left pages for *back*, with their connections, and has
/// only six of them for a host.
pub(super) fn close_when_left() {
    let hide = window_event_listener(ev::pagehide, |_| stop());
    let show = window_event_listener(ev::pageshow, |event| {
        if event.persisted() {
            refresh();
            follow();
        }
    });
    // For as long as the page lives.
    std::mem::forget((hide, show));
}

/// Ends the stream, and what would open it again.
pub(super) fn stop() {
    GENERATION.set(GENERATION.get() + 1);
    STREAM.take();
}

/// Follows the events until the sign-in ends. A broken stream is opened again after 1, 2, 4 … 30 seconds, and the
/// page fetched, since something may have happened meanwhile.
pub(super) fn follow() {
    stop();
    WAIT.set(1);
    open(false);
}

fn open(missed: bool) {
    let generation = GENERATION.get();
    spawn_local(async move {
        let answer = request::ticket().await;
        if GENERATION.get() != generation {
            return;
        }
        match answer {
            Ok(Some(ticket)) => {
                if missed {
                    refresh();
                }
                if listen(&ticket).is_none() {
                    again();
                }
            }
            // The page says so.
            Ok(None) => refresh(),
            Err(()) => again(),
        }
    });
}

fn again() {
    let generation = GENERATION.get();
    let wait = WAIT.get();
    WAIT.set((wait * 2).min(30));
    spawn_local(async move {
        sleep(wait * 1000).await;
        if GENERATION.get() == generation {
            open(true);
        }
    });
}

fn listen(ticket: &str) -> Option<()> {
    let url = format!("/events?ticket={}", js_sys::encode_uri_component(ticket));
    let source = EventSource::new(&url).ok()?;
    let heard = Closure::<dyn Fn(MessageEvent)>::new(|message: MessageEvent| {
        WAIT.set(1);
        match progress(&message.data().as_string().unwrap_or_default()) {
            Some(progress) => islands::progressed(progress),
            // Also for a kind of event that this page is too old to know.
            None => refresh(),
        }
    });
    // A ticket opens one stream only: the browser's own second try would be refused.
    let broken = Closure::<dyn Fn(Event)>::new(|_| {
        spawn_local(async {
            if STREAM.take().is_some() {
                again();
            }
        });
    });
    source.set_onmessage(Some(heard.as_ref().unchecked_ref()));
    source.set_onerror(Some(broken.as_ref().unchecked_ref()));
    STREAM.set(Some(Stream {
        source,
        _heard: heard,
        _broken: broken,
    }));
    Some(())
}

/// A step of a session, of a `PaneEvent`.
fn progress(event: &str) -> Option<Progress> {
    let event = dom::json(event);
    if dom::field(&event, "event").as_string()? != "progress" {
        return None;
    }
    let data = dom::field(&event, "data");
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast to an integer saturates"
    )]
    let count = |name| dom::field(&data, name).as_f64().map(|n| n as u32);
    Some(Progress {
        phase: islands::phase(&dom::field(&data, "phase").as_string()?)?,
        done: count("done")?,
        total: count("total")?,
    })
}
