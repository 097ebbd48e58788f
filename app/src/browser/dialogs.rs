//! The two dialogs: opened by a press or because the server asks, closed only when nothing is lost.

use leptos::prelude::request_animation_frame;
use leptos::wasm_bindgen::JsCast as _;
use std::cell::Cell;
use web_sys::{Element, HtmlDetailsElement, HtmlDialogElement, HtmlFormElement, HtmlInputElement};

use super::{busy, dom, islands, post};
use crate::call::Call;
use crate::live::{Door, Step};
use crate::text;

const ACTIVATION: &str = "activation";

thread_local! {
    /// Closed by the user while the server still asks for it.
    static DISMISSED: Cell<bool> = const { Cell::new(false) };
    /// Once for each page that was loaded.
    static LOADED: Cell<bool> = const { Cell::new(false) };
}

fn is_modal(dialog: &HtmlDialogElement) -> bool {
    dialog.open() && dialog.matches(":modal").unwrap_or_default()
}

/// The dialog that is open.
pub(super) fn current() -> Option<HtmlDialogElement> {
    let open = dom::here("dialog[open]").into_iter().next()?;
    open.dyn_into().ok()
}

pub(super) fn open(id: &str) {
    let Some(dialog) = dom::typed::<HtmlDialogElement>(id).filter(|dialog| !is_modal(dialog)) else {
        return;
    };
    // Drawn open for browsers without script: then it is not modal yet.
    dialog.set_open(false);
    dom::empty("alerts");
    if dialog.show_modal().is_ok() && id == ACTIVATION {
        focus_first();
    }
}

/// Not by `autofocus`: browsers block, and report, that in a frame of another site.
fn focus_first() {
    let office = dom::typed::<HtmlInputElement>("kind-office").is_some_and(|radio| radio.checked());
    let login = dom::typed::<HtmlInputElement>("login").is_some_and(|login| login.value().is_empty());
    let first = match (office, login) {
        (true, _) => "connect-office",
        (false, true) => "login",
        (false, false) => "password",
    };
    if let Some(first) = dom::by_id(first) {
        dom::focus(&first);
    }
}

/// Opens the activation dialog when the server asks for it, but never over something that the user is typing: then it
/// waits. Each tick of the clock looks again.
pub(super) fn open_by_itself() {
    let Some(dialog) = dom::by_id(ACTIVATION) else {
        return;
    };
    // Asked for by a plain link.
    if !LOADED.replace(true) && dialog.has_attribute("open") {
        open(ACTIVATION);
        return;
    }
    if !dialog.has_attribute("data-asks") {
        DISMISSED.set(false);
    } else if !DISMISSED.get() && current().is_none() && !busy() && !typing_elsewhere() {
        open(ACTIVATION);
    }
}

/// The focus is in a field, outside of our dialogs, that holds something.
fn typing_elsewhere() -> bool {
    let focused = dom::document().active_element();
    focused
        .and_then(|element| element.dyn_into::<HtmlInputElement>().ok())
        .is_some_and(|input| !input.value().is_empty() && !matches!(input.closest("dialog"), Ok(Some(_))))
}

/// Closes a dialog, and forgets what was typed and told in it.
pub(super) fn close(dialog: &HtmlDialogElement) {
    dialog.close();
    for form in dom::all(dialog, "form") {
        if let Some(form) = form.dyn_ref::<HtmlFormElement>() {
            form.reset();
        }
    }
    for details in dom::all(dialog, "details") {
        if let Some(details) = details.dyn_ref::<HtmlDetailsElement>() {
            details.set_open(false);
        }
    }
    for told in dom::all(dialog, "[data-stays]") {
        told.set_text_content(None);
    }
    for wrong in dom::all(dialog, "[aria-invalid]") {
        let _ = wrong.remove_attribute("aria-invalid");
    }
    if dialog.id() == ACTIVATION {
        islands::step(Door::Office, Step::Idle);
    }
}

/// *Skip*, *Cancel* or Escape: skips where the server waits for an answer, else only closes. `by_key`: not while
/// something is typed.
pub(super) fn leave(by_key: bool) {
    let Some(dialog) = current() else {
        return;
    };
    if dialog.id() != ACTIVATION {
        close(&dialog);
        return;
    }
    let typed = || {
        dom::all(&dialog, "#activation-form input").iter().any(|input| {
            let input = input.dyn_ref::<HtmlInputElement>();
            input.is_some_and(|input| input.value() != input.default_value())
        })
    };
    if busy() || by_key && typed() {
        return;
    }
    let asks = dialog.has_attribute("data-asks");
    DISMISSED.set(asks);
    close(&dialog);
    if asks {
        post(Call::SkipActivation.path().to_owned(), Vec::new(), None);
    }
}

/// A call was done: the dialog that it was made in has nothing more to say.
pub(super) fn done(path: &str) {
    let over = [
        Call::ConnectExchange,
        Call::ConnectOffice,
        Call::Deactivate,
        Call::SignOut,
    ]
    .iter()
    .any(|call| call.path() == path);
    if over && let Some(dialog) = current() {
        close(&dialog);
    }
}

/// What was refused gets the focus.
pub(super) fn point() {
    let Some(dialog) = current() else {
        return;
    };
    if dialog.id() != ACTIVATION {
        // Its page says what was refused.
        close(&dialog);
        return;
    }
    // After the paint: what was hidden cannot take the focus.
    request_animation_frame(move || {
        let wrong = dom::all(&dialog, "[aria-invalid]").into_iter().next();
        if let Some(input) = wrong.and_then(|wrong| wrong.dyn_into::<HtmlInputElement>().ok()) {
            let _ = input.focus();
            input.select();
        }
    });
}

/// No page of ours came back.
pub(super) fn unavailable() {
    refuse(text::UNAVAILABLE.get());
}

/// Says why something was not done, where refusals are told.
pub(super) fn refuse(words: &str) {
    let place = current().and_then(|dialog| {
        let office = dom::typed::<HtmlInputElement>("kind-office").is_some_and(|radio| radio.checked());
        match (dialog.id() == ACTIVATION, office) {
            (true, true) => dom::by_id("office-error"),
            (true, false) => dom::by_id("activation-error"),
            (false, _) => {
                close(&dialog);
                None
            }
        }
    });
    if let Some(place) = place.or_else(|| dom::by_id("alerts")) {
        tell(&place, words);
    }
}

fn tell(place: &Element, words: &str) {
    place.set_text_content(None);
    let document = dom::document();
    if let (Ok(bar), Ok(line)) = (document.create_element("div"), document.create_element("p")) {
        bar.set_class_name("bar attention");
        line.set_text_content(Some(words));
        let _ = bar.append_child(&line);
        let _ = place.append_child(&bar);
    }
}
