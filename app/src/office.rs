//! Outlook, by Office.js: which item is open, when another is, how Outlook looks and what it speaks.
//!
//! Nothing is taken for granted: the page may run outside of Outlook, the host may know an older set of functions
//! ([requirement sets](https://learn.microsoft.com/javascript/api/requirement-sets/outlook/outlook-api-requirement-sets)),
//! no item may be open, and a function may throw or never answer. Whatever is not there is `None`.

mod item;
mod value;

use leptos::wasm_bindgen::JsValue;

pub(crate) use item::{Open, mark, read, text};
use js_sys::{Array, Promise};
use value::{call, get, handler, settled, string};

/// `Office`, as the script has left it in the window.
fn office() -> JsValue {
    web_sys::window().map_or(JsValue::UNDEFINED, |window| get(&window, "Office"))
}

fn mailbox() -> JsValue {
    get(&office(), "context.mailbox")
}

/// Whether the page runs in Outlook; waits until Office.js knows.
pub(crate) async fn in_outlook() -> bool {
    let ready = call(&office(), "onReady", &Array::new());
    // In a browser tab it is ready too, and the host null.
    let told = settled(Promise::resolve(&ready)).await;
    !string(&told, "host").is_empty() && mailbox().is_object()
}

/// The language that Outlook shows itself in, as a tag; empty where it does not say.
pub(crate) fn language() -> String {
    string(&office(), "context.displayLanguage")
}

/// Whether Outlook is dark; `None`: it does not say.
pub(crate) fn is_dark() -> Option<bool> {
    // `#rrggbb`: green weighs most.
    let colour = string(&office(), "context.officeTheme.bodyBackgroundColor");
    Some(*colour.as_bytes().get(3)? < b'8')
}

/// Calls `heard` at this event of the mailbox, or (`of_item`) of the open item; never where Outlook does not know it.
pub(crate) fn listen(event: &str, of_item: bool, heard: impl Fn() + 'static) {
    let event = get(&office(), &format!("EventType.{event}"));
    let source = if of_item {
        get(&mailbox(), "item")
    } else {
        mailbox()
    };
    if event.is_string() {
        call(&source, "addHandlerAsync", &Array::of2(&event, &handler(heard)));
    }
}
