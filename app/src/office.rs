//! Outlook, by Office.js: which item is open, when another is, how Outlook looks and what it speaks.
//!
//! Nothing is taken for granted: the page may run outside of Outlook, the host may know an older set of functions
//! ([requirement sets](https://learn.microsoft.com/javascript/api/requirement-sets/outlook/outlook-api-requirement-sets)),
//! no item may be open, and a function may throw or never answer. Whatever is not there is `None`.

mod item;
mod value;

use leptos::wasm_bindgen::JsValue;

pub(crate) use item::{Open, mark, read, text};
use value::{call, get, handler, promised, string};

/// `Office`, as the script has left it in the window.
fn office() -> JsValue {
    web_sys::window().map_or(JsValue::UNDEFINED, |window| get(&window, "Office"))
}

fn mailbox() -> JsValue {
    get(&office(), "context.mailbox")
}

/// Whether the page runs in Outlook; waits until Office.js knows.
pub(crate) async fn in_outlook() -> bool {
    let Some(ready) = call(&office(), "onReady", &[]) else {
        return false;
    };
    // In a browser tab it is ready too, and the host null.
    let told = promised(ready).await;
    string(&told, "host").is_some() && mailbox().is_object()
}

/// The language that Outlook shows itself in, as a tag.
pub(crate) fn language() -> Option<String> {
    string(&office(), "context.displayLanguage")
}

/// Whether Outlook is dark; `None`: it does not say.
pub(crate) fn is_dark() -> Option<bool> {
    let theme = get(&office(), "context.officeTheme");
    if let Some(dark) = get(&theme, "isDarkTheme").as_bool() {
        return Some(dark);
    }
    let colour = string(&theme, "bodyBackgroundColor")?;
    // Of `#rrggbb`; a first digit below 8 in green, which weighs most, is a dark colour.
    let green = colour.strip_prefix('#')?.get(2..3)?;
    Some(u8::from_str_radix(green, 16).ok()? < 8)
}

/// Calls `heard` whenever a pinned pane is to follow another item (there may be none), and when Outlook's looks change.
pub(crate) fn listen(item: impl Fn() + 'static, looks: impl Fn() + 'static) {
    for (event, heard) in [
        ("EventType.ItemChanged", handler(item)),
        ("EventType.OfficeThemeChanged", handler(looks)),
    ] {
        let event = get(&office(), event);
        if event.is_string() {
            call(&mailbox(), "addHandlerAsync", &[event, heard]);
        }
    }
}

/// Calls `heard` when the people of the composed item change, for as long as it is open. From requirement set 1.7 on.
pub(crate) fn listen_to_people(heard: impl Fn() + 'static) {
    let event = get(&office(), "EventType.RecipientsChanged");
    if event.is_string() {
        call(&get(&mailbox(), "item"), "addHandlerAsync", &[event, handler(heard)]);
    }
}
