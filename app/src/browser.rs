//! What the browser does beside showing: requests, the sign-in window, the stream of events, the clock.

mod events;
mod request;
mod sign_in;

use leptos::ev::SubmitEvent;
use leptos::leptos_dom::helpers::{set_interval, window_event_listener_untyped};
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_bindgen::JsCast as _;
use serde::de::DeserializeOwned;
use std::cell::Cell;
use std::time::Duration;
use tandem_types::{ApiError, PaneView, UndoView};

use crate::call::{Call, form};
use crate::page::{Estimate, PageData, SignIn, Ui, Undone, app};

pub(crate) use sign_in::{confirm_office, connect_office, send_code, send_office_code, sign_in};

/// Takes over the page that the server has rendered.
///
/// Does nothing if the page carries no data: then it is not one of ours, and stays as it is.
pub fn hydrate() {
    let Some(document) = web_sys::window().and_then(|window| window.document()) else {
        return;
    };
    let data = document
        .get_element_by_id("tandem-data")
        .and_then(|element| element.text_content())
        .and_then(|json| serde_json::from_str::<PageData>(&json).ok());
    let root = document
        .get_element_by_id("tandem")
        .and_then(|element| element.dyn_into().ok());
    if let (Some(data), Some(root)) = (data, root) {
        leptos::mount::hydrate_from(root, move || app(data)).forget();
        if let Some(html) = document.document_element() {
            // The browser tests wait for it, and the style sheet hides what only works without script.
            let _ = html.set_attribute("data-hydrated", "");
        }
    }
}

thread_local! {
    /// When the view that is shown arrived, in milliseconds of the browser's clock.
    static ARRIVED: Cell<f64> = const { Cell::new(0.0) };
    /// A view is being fetched; another was asked for meanwhile.
    static FETCHING: Cell<(bool, bool)> = const { Cell::new((false, false)) };
}

pub(crate) fn start(ui: Ui) {
    ARRIVED.set(js_sys::Date::now());
    set_interval(
        move || {
            let elapsed = elapsed();
            // A count-down moves each second, ages do not.
            let counting = ui
                .view
                .with_untracked(|v| v.connection.as_ref().is_some_and(|c| c.preview.is_some()));
            if counting || elapsed.abs_diff(ui.elapsed.get_untracked()) >= 5 {
                ui.elapsed.set(elapsed);
            }
        },
        Duration::from_secs(1),
    );
    // Not sooner: what is set while the page is taken over does not arrive in it.
    Effect::new(move |_| sign_in::prepare(ui));
    sign_in::listen(ui);
    events::close_when_left(ui);
    let signed_in = Memo::new(move |_| ui.signed_in());
    Effect::new(move |_| {
        if signed_in.get() {
            events::follow(ui);
        }
    });
    let office = Memo::new(move |_| {
        ui.view
            .with(|view| view.connection.as_ref().and_then(|c| c.office.clone()))
    });
    Effect::new(move |_| {
        // Read, not only tracked: a memo that nobody has read follows nothing.
        office.with(|_| ());
        sign_in::offer(ui);
        sign_in::prepare_office(ui);
    });
    // Outlook may be ready later than we are.
    let ready = window_event_listener_untyped("tandem-outlook", move |_| {
        sign_in::offer(ui);
        sign_in::prepare_office(ui);
    });
    // For as long as the page lives.
    std::mem::forget(ready);
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "seconds since the page was loaded fit"
)]
fn elapsed() -> i64 {
    ((js_sys::Date::now() - ARRIVED.get()) / 1000.0) as i64
}

/// Shows a view, unless a newer one is shown already.
fn take(ui: Ui, view: PaneView) {
    if ui.view.with_untracked(|shown| shown.now > view.now) {
        return;
    }
    ARRIVED.set(js_sys::Date::now());
    ui.elapsed.set(0);
    ui.progress.set(view.connection.as_ref().and_then(|c| c.progress));
    ui.view.set(view);
}

/// Signed out, by us or by time.
fn signed_out(ui: Ui) {
    request::forget();
    events::stop();
    ui.dialog.set(None);
    ui.sign_in.set(SignIn::Idle);
    ui.progress.set(None);
    ui.view.update(|view| {
        view.viewer = None;
        view.connection = None;
        view.form_token = None;
    });
}

/// Makes a call whose answer is the view as it is afterwards. One at a time.
pub(crate) fn post(ui: Ui, call: Call, fields: Vec<(&'static str, String)>) {
    ask(ui, call, fields, move |view| {
        if matches!(call, Call::ConnectExchange | Call::Deactivate) {
            ui.dialog.set(None);
        }
        if call == Call::SignOut {
            signed_out(ui);
        }
        take(ui, view);
    });
}

/// As [`post`], with what a form holds under these names.
pub(crate) fn submit(ui: Ui, call: Call, event: &SubmitEvent, names: &[&'static str]) {
    let data = event
        .target()
        .and_then(|target| target.dyn_into::<web_sys::HtmlFormElement>().ok())
        .and_then(|form| web_sys::FormData::new_with_form(&form).ok());
    let value = |name: &str| data.as_ref().and_then(|data| data.get(name).as_string());
    let fields = names
        .iter()
        .filter_map(|&name| Some((name, value(name)?)))
        .collect();
    post(ui, call, fields);
}

/// Takes a session back, and says what became of it.
pub(crate) fn undo(ui: Ui, session: String) {
    ui.undone.set(None);
    ask(
        ui,
        Call::UndoSession,
        vec![("session", session)],
        move |view: UndoView| {
            let left = u32::try_from(view.left.len()).unwrap_or(u32::MAX);
            ui.undone.set(Some(Undone { view, left }));
            refresh(ui);
        },
    );
}

/// Asks how many mails there are from a day to a day.
pub(crate) fn estimate(ui: Ui, from: String, to: String) {
    ui.estimate.set(None);
    let fields = vec![("from", from.clone()), ("to", to.clone())];
    ask(ui, Call::EstimateBackfill, fields, move |mails| {
        ui.estimate.set(Some(Estimate { from, to, mails }));
    });
}

fn ask<T: DeserializeOwned + 'static>(
    ui: Ui,
    call: Call,
    fields: Vec<(&'static str, String)>,
    then: impl FnOnce(T) + 'static,
) {
    if ui.busy.get_untracked().is_some() {
        return;
    }
    ui.busy.set(Some(call));
    ui.refused.set(None);
    spawn_local(async move {
        let body = form(fields.iter().map(|(name, value)| (*name, value.as_str())));
        match request::call::<T>(call, body).await {
            Ok(answer) => then(answer),
            Err(error) => {
                if call == Call::Deactivate {
                    ui.dialog.set(None);
                }
                if error == ApiError::SignedOut {
                    signed_out(ui);
                }
                ui.refused.set(Some(error));
            }
        }
        ui.busy.set(None);
    });
}

/// Fetches the view again; asked for while it is under way, once more after that.
fn refresh(ui: Ui) {
    let (fetching, _) = FETCHING.get();
    FETCHING.set((true, fetching));
    if fetching {
        return;
    }
    spawn_local(async move {
        loop {
            match request::call::<PaneView>(Call::Pane, String::new()).await {
                Ok(view) => take(ui, view),
                Err(ApiError::SignedOut) => signed_out(ui),
                // The stream tells again when there is something new.
                Err(_) => {}
            }
            if !FETCHING.replace((true, false)).1 {
                break;
            }
        }
        FETCHING.set((false, false));
    });
}

/// The focus is in a field, outside of our dialogs, that holds something.
pub(crate) fn typing_elsewhere() -> bool {
    let focused = web_sys::window()
        .and_then(|w| w.document())
        .and_then(|d| d.active_element());
    focused
        .and_then(|element| element.dyn_into::<web_sys::HtmlInputElement>().ok())
        .is_some_and(|input| !input.value().is_empty() && !matches!(input.closest("dialog"), Ok(Some(_))))
}

/// Waits; the timer is the browser's.
async fn sleep(milliseconds: i32) {
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        if let Some(window) = web_sys::window() {
            let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds);
        }
    });
    let _ = wasm_bindgen_futures::JsFuture::from(promise).await;
}
