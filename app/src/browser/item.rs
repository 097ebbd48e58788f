//! The panel of the item that is open in Outlook. It follows Outlook, unless something is typed in it that would be lost.

use leptos::task::spawn_local;
use leptos::wasm_bindgen::JsCast as _;
use std::cell::{Cell, RefCell};
use web_sys::{Element, HtmlDetailsElement, HtmlElement, HtmlFormElement};

use super::{busy, clicks, dialogs, dom, lay, refresh, request, send, take};
use crate::call::{Call, form};
use crate::office::{self, Open};
use crate::text::{self, Lang};

const PANEL: &str = "item";
const ASK: &str = "item-changed";

thread_local! {
    /// What the panel is about.
    static SHOWN: RefCell<Option<Open>> = const { RefCell::new(None) };
    /// Counts what was shown: an answer about an earlier item is dropped.
    static SHOWING: Cell<u32> = const { Cell::new(0) };
    /// Counts the questions to Outlook: only the last one's answer counts.
    static ASKED: Cell<u32> = const { Cell::new(0) };
    /// Outlook shows another item; the user stays with this one.
    static HELD: Cell<bool> = const { Cell::new(false) };
    /// Of which count the rest is being fetched.
    static LOADING: Cell<u32> = const { Cell::new(0) };
}

/// Follows Outlook, where the page runs in it and has the panel.
pub(super) fn start() {
    spawn_local(async {
        if !office::in_outlook().await {
            return;
        }
        looks();
        language();
        // The other pages are opened from here, and are about no item.
        if dom::page().is_some_and(|page| page.get_attribute("data-page").as_deref() == Some("pane")) {
            // There may be none then.
            office::listen("ItemChanged", false, || changed(false));
            office::listen("OfficeThemeChanged", false, looks);
            changed(false);
        }
    });
}

/// Dark as Outlook is, whatever the system around it is.
fn looks() {
    if let (Some(html), Some(dark)) = (dom::document().document_element(), office::is_dark()) {
        dom::set(&html, "data-theme", if dark { "dark" } else { "light" });
    }
}

/// The browser's language was a guess.
fn language() {
    let lang = Lang::parse(&office::language());
    if let (Some(html), Some(lang)) = (dom::document().document_element(), lang)
        && lang != text::spoken()
    {
        text::speak(lang);
        dom::set(&html, "lang", lang.as_str());
        refresh();
    }
}

/// Outlook shows another item, or (`same`) the same one is no longer as it was.
fn changed(same: bool) {
    ask_outlook(move |open| {
        let again = SHOWN.with_borrow(|shown| match (shown, &open) {
            (Some(shown), Some(open)) => shown.is(open) || same && shown.composed && open.composed,
            (None, None) => true,
            _ => false,
        });
        if again && open.is_none() {
            // Nothing was open, and nothing is.
        } else if again {
            // Also where the user comes back to what he stayed with.
            if !same {
                hold(false);
            }
            if !HELD.get() {
                SHOWN.set(open);
                refresh();
            }
        } else if edited().is_empty() {
            show(open);
        } else if !HELD.get() {
            // Whatever closes the dialog without an answer means *Stay*.
            hold(true);
            dialogs::open(ASK);
        }
    });
}

fn ask_outlook(then: impl FnOnce(Option<Open>) + 'static) {
    let asked = ASKED.get() + 1;
    ASKED.set(asked);
    spawn_local(async move {
        let open = office::read().await;
        if ASKED.get() == asked {
            then(open);
        }
    });
}

fn show(open: Option<Open>) {
    SHOWING.set(SHOWING.get() + 1);
    if open.as_ref().is_some_and(|open| open.composed) {
        // From requirement set 1.7 on.
        office::listen("RecipientsChanged", true, || changed(true));
    }
    hold(false);
    if let Some(panel) = dom::by_id(PANEL) {
        panel.set_text_content(None);
        // The style sheet shows that something is to come.
        dom::flag(&panel, "data-awaits", open.is_some());
    }
    SHOWN.set(open);
    refresh();
}

/// Says whether the panel is about another item than Outlook shows.
fn hold(held: bool) {
    HELD.set(held);
    if let Some(line) = dom::by_id("item-held") {
        dom::flag(&line, "hidden", !held);
    }
}

/// Somebody has signed in: the page that came does not know of the item.
pub(super) fn signed_in() {
    if SHOWN.with_borrow(Option::is_some) {
        refresh();
    }
}

/// What asks for the page again: with the open item, where there is one, and somebody to whom it may be shown.
pub(super) fn question() -> (&'static str, String) {
    SHOWN.with_borrow(|shown| match shown {
        Some(open) if dom::by_id(PANEL).is_some() => {
            (Call::Item.path(), form([("item", open.json().as_str())]))
        }
        _ => (Call::Pane.path(), String::new()),
    })
}

/// To be compared with when the answer is there.
pub(super) fn showing() -> u32 {
    SHOWING.get()
}

/// Takes out of an answer what it says about an item that is no longer shown.
pub(super) fn sift(new: &Element, asked: u32) {
    if asked != SHOWING.get()
        && let Ok(Some(panel)) = new.query_selector("#item")
    {
        panel.set_text_content(None);
    }
}

/// After a page has been laid: what follows from it for the panel.
pub(super) fn settle() {
    let Some(panel) = dom::by_id(PANEL) else {
        return;
    };
    if panel.child_element_count() > 0 {
        dom::flag(&panel, "data-awaits", false);
    }
    hold(HELD.get());
    let showing = SHOWING.get();
    let loads = dom::all(&panel, "form[data-loads]").into_iter().next();
    if let Some(form) = loads.and_then(|form| form.dyn_into::<HtmlFormElement>().ok())
        && LOADING.get() != showing
    {
        LOADING.set(showing);
        spawn_local(async move {
            load(&form, showing).await;
            if LOADING.get() == showing {
                LOADING.set(0);
            }
        });
    }
}

/// Fetches what takes longer than a paint may wait.
async fn load(loads: &HtmlFormElement, showing: u32) {
    let path = loads.get_attribute("action").unwrap_or_default();
    let mut fields = clicks::fields(loads);
    fields.extend(about());
    let page = dom::page().and_then(|page| page.get_attribute("data-page"));
    let body = form(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let answer = request::page(&path, page.as_deref().unwrap_or_default(), body).await;
    if SHOWING.get() != showing {
        return;
    }
    // Asked once; what is left of it is a button.
    let _ = loads.remove_attribute("data-loads");
    let Ok((new, _)) = answer else {
        return;
    };
    let panel = new.query_selector("#item").ok().flatten();
    match (
        dom::by_id(PANEL),
        panel.filter(|panel| panel.child_element_count() > 0),
    ) {
        // The rest of the page may be newer already.
        (Some(shown), Some(panel)) => {
            lay::lay(&shown, &panel, false);
            settle();
        }
        _ => take(&new, false),
    }
}

/// The field that says which item is meant.
fn about() -> Option<(String, String)> {
    SHOWN.with_borrow(|shown| shown.as_ref().map(|open| ("item".to_owned(), open.json())))
}

/// The fields of a form of the panel, with what Outlook adds to them. `of`: the form. An error: why it cannot be sent.
pub(super) async fn complete(of: &HtmlFormElement, fields: &mut Vec<(String, String)>) -> Result<(), String> {
    if !matches!(of.closest("#item"), Ok(Some(_))) {
        return Ok(());
    }
    dom::empty("item-told");
    if !HELD.get() {
        // The signature, to read a name and a telephone number from.
        if of.has_attribute("data-text") {
            put_text(&office::text().await);
        }
        if let Some(method) = of.get_attribute("data-marks") {
            if !office::mark(&method).await {
                return Err(of.get_attribute("data-unmarked").unwrap_or_default());
            }
            SHOWN.set(office::read().await);
        }
    }
    fields.extend(about());
    put_text("");
    Ok(())
}

fn put_text(text: &str) {
    SHOWN.with_borrow(|shown| {
        if let Some(open) = shown {
            open.put_text(text);
        }
    });
}

/// A form of the panel was done: what it was in closes, and what was typed in it is no longer unsaved.
pub(super) fn done(of: &HtmlFormElement) {
    if of.has_attribute("data-edits") {
        of.reset();
    }
    if let Ok(Some(around)) = of.closest("details[data-shuts]")
        && let Some(around) = around.dyn_ref::<HtmlDetailsElement>()
    {
        around.set_open(false);
        if let Ok(Some(summary)) = around.query_selector("summary") {
            dom::focus(&summary);
        }
    }
}

/// The forms of the panel that hold something that was not sent.
fn edited() -> Vec<HtmlFormElement> {
    dom::here("#item form[data-edits]")
        .into_iter()
        .filter(|form| {
            dom::all(form, "input:not([form]), textarea, option")
                .iter()
                .any(is_edited)
        })
        .filter_map(|form| form.dyn_into().ok())
        .collect()
}

fn is_edited(field: &Element) -> bool {
    [
        ("value", "defaultValue"),
        ("checked", "defaultChecked"),
        ("selected", "defaultSelected"),
    ]
    .into_iter()
    .any(|(now, before)| {
        let before = dom::field(field, before);
        !before.is_undefined() && dom::field(field, now) != before
    })
}

/// A button about the item that Outlook shows while the panel is about another one.
pub(super) fn decide(what: &str) {
    match what {
        "save" => spawn_local(save()),
        "show" if !edited().is_empty() => dialogs::open(ASK),
        // *Discard*.
        _ => {
            dialogs::leave(false);
            ask_outlook(show);
        }
    }
}

/// Sends what was typed, and goes on where nothing was refused.
async fn save() {
    dialogs::leave(false);
    for form in edited() {
        if busy() || !form.report_validity() {
            return;
        }
        let path = form.get_attribute("action").unwrap_or_default();
        let by = form.query_selector("button[type=submit]").ok().flatten();
        let by = by.and_then(|by| by.dyn_into::<HtmlElement>().ok());
        if !send(path, clicks::fields(&form), Some(form), by).await {
            return;
        }
    }
    ask_outlook(show);
}
