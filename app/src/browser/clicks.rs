//! What is pressed and sent, wherever in the page: the elements come and go, these listeners stay.

use leptos::ev;
use leptos::leptos_dom::helpers::window_event_listener;
use leptos::wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, Event, FormData, HtmlDetailsElement, HtmlElement, HtmlFormElement, Node};

use super::{busy, dialogs, dom, item, send, sign_in};
use crate::call::Call;
use crate::live::Door;

pub(super) fn listen() {
    // For as long as the page lives.
    std::mem::forget((
        window_event_listener(ev::submit, |event| submit(&event)),
        window_event_listener(ev::click, |event| click(&event)),
        window_event_listener(ev::keydown, |event| key(&event)),
        window_event_listener(ev::focusout, |event| {
            let into = event.related_target().and_then(|to| to.dyn_into::<Node>().ok());
            if let (Some(menu), Some(into)) = (around(&event, "#menu"), into)
                && !menu.contains(Some(&into))
            {
                shut(&menu);
            }
        }),
    ));
    // By the browser's own gestures; it does not bubble.
    for dialog in dom::here("dialog") {
        let listener = leptos::wasm_bindgen::closure::Closure::<dyn Fn(Event)>::new(|event: Event| {
            event.prevent_default();
            dialogs::leave(true);
        });
        let _ = dialog.add_event_listener_with_callback("cancel", listener.as_ref().unchecked_ref());
        listener.forget();
    }
}

/// The element that an event happened in, or one around it.
fn around(event: &Event, selector: &str) -> Option<Element> {
    event
        .target()?
        .dyn_into::<Element>()
        .ok()?
        .closest(selector)
        .ok()?
}

fn shut(menu: &Element) {
    if let Some(menu) = menu.dyn_ref::<HtmlDetailsElement>() {
        menu.set_open(false);
    }
}

fn click(event: &Event) {
    if let Some(menu) = around(event, "#menu .item").and_then(|item| item.closest("#menu").ok().flatten()) {
        shut(&menu);
    }
    if let Some(opener) = around(event, "a[data-opens]") {
        event.prevent_default();
        dialogs::open(&opener.get_attribute("data-opens").unwrap_or_default());
    } else if let Some(closer) = around(event, "[data-closes]") {
        if let Ok(Some(place)) = closer.closest("[data-stays]") {
            place.set_text_content(None);
        } else {
            dialogs::leave(false);
        }
    } else if let Some(door) = around(event, "button[data-door]") {
        let door = door.get_attribute("data-door");
        if let Some(door) = door.and_then(|door| Door::parse(&door)) {
            sign_in::open(door);
        }
    } else if let Some(decision) = around(event, "button[data-decides]") {
        item::decide(&decision.get_attribute("data-decides").unwrap_or_default());
    }
}

fn key(event: &web_sys::KeyboardEvent) {
    match event.key().as_str() {
        "Escape" => {
            if let Some(menu) = around(event, "#menu") {
                shut(&menu);
                if let Ok(Some(summary)) = menu.query_selector("summary") {
                    dom::focus(&summary);
                }
            } else if around(event, "dialog").is_some() {
                event.prevent_default();
                dialogs::leave(true);
            }
        }
        // A link that is a button is pressed by the space bar too.
        " " => {
            if let Some(opener) = around(event, "a[data-opens]") {
                event.prevent_default();
                dialogs::open(&opener.get_attribute("data-opens").unwrap_or_default());
            }
        }
        _ => {}
    }
}

fn submit(event: &web_sys::SubmitEvent) {
    let Some(form) = event
        .target()
        .and_then(|target| target.dyn_into::<HtmlFormElement>().ok())
    else {
        return;
    };
    // It only asks for another page.
    if form.get_attribute("method").as_deref() == Some("get") {
        return;
    }
    event.prevent_default();
    if let Some(id) = form.get_attribute("data-opens") {
        dialogs::open(&id);
        return;
    }
    if form.id() == "skip-form" {
        dialogs::leave(false);
        return;
    }
    let by = event.submitter();
    let fields = fields(&form);
    if let Some(door) = form
        .get_attribute("data-code")
        .and_then(|word| Door::parse(&word))
    {
        sign_in::send(door, fields, by);
        return;
    }
    let formaction = by.as_ref().and_then(|by| by.get_attribute("formaction"));
    if let Some(path) = formaction.or_else(|| form.get_attribute("action")) {
        if busy() {
            return;
        }
        // What is told of the last one is over.
        if path == Call::UndoSession.path() {
            dom::empty("undo-told");
        }
        if path == Call::Probe.path() {
            dom::empty("probe");
        }
        if path == Call::EstimateBackfill.path() {
            dom::empty("estimate");
        }
        if path == Call::ConnectExchange.path() {
            dom::empty("activation-error");
        }
        leptos::task::spawn_local(async {
            send(path, fields, Some(form), by).await;
        });
    }
}

/// What a form holds.
pub(super) fn fields(form: &HtmlFormElement) -> Vec<(String, String)> {
    let Ok(data) = FormData::new_with_form(form) else {
        return Vec::new();
    };
    js_sys::Array::from(data.as_ref() as &JsValue)
        .iter()
        .filter_map(|pair| {
            let pair = pair.dyn_into::<js_sys::Array>().ok()?;
            Some((pair.get(0).as_string()?, pair.get(1).as_string()?))
        })
        .collect()
}

/// What is to be put back when a call has ended.
pub(super) struct Pressed {
    waits: Vec<Element>,
    label: Option<(HtmlElement, String)>,
}

/// Shows that a call is under way: `by` was pressed.
pub(super) fn press(by: Option<&HtmlElement>) -> Pressed {
    for button in dom::here("button[type=submit]") {
        dom::set(&button, "aria-disabled", "true");
    }
    let mut waits = Vec::new();
    let mut label = None;
    if let Some(by) = by {
        dom::set(by, "aria-busy", "true");
        if let Some(doing) = by.get_attribute("data-doing") {
            label = Some((by.clone(), by.text_content().unwrap_or_default()));
            by.set_text_content(Some(&doing));
        }
    }
    // Where the dialog says what it waits for.
    if let Some(dialog) = dialogs::current() {
        for wait in dom::all(&dialog, ".when-busy") {
            dom::flag(&wait, "hidden", false);
            waits.push(wait);
        }
    }
    Pressed { waits, label }
}

pub(super) fn release(pressed: Pressed) {
    for button in dom::here("[aria-busy], [aria-disabled]") {
        let _ = button.remove_attribute("aria-busy");
        let _ = button.remove_attribute("aria-disabled");
    }
    for wait in pressed.waits {
        dom::flag(&wait, "hidden", true);
    }
    if let Some((button, label)) = pressed.label {
        button.set_text_content(Some(&label));
    }
}
