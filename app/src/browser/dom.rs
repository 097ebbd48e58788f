//! Small words for the document.

use leptos::wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{Document, Element, HtmlElement, HtmlTemplateElement};

pub(super) fn document() -> Document {
    leptos::prelude::document()
}

pub(super) fn by_id(id: &str) -> Option<Element> {
    document().get_element_by_id(id)
}

/// As another type; `None` also where the element is of another kind.
pub(super) fn typed<T: leptos::wasm_bindgen::JsCast>(id: &str) -> Option<T> {
    by_id(id)?.dyn_into().ok()
}

/// The changing part of the page.
pub(super) fn page() -> Option<Element> {
    by_id("tandem")?.first_element_child()
}

/// All elements below `root` that a selector finds.
pub(super) fn all(root: &Element, selector: &str) -> Vec<Element> {
    let Ok(found) = root.query_selector_all(selector) else {
        return Vec::new();
    };
    (0..found.length())
        .filter_map(|at| found.item(at)?.dyn_into().ok())
        .collect()
}

/// All elements of the page that a selector finds.
pub(super) fn here(selector: &str) -> Vec<Element> {
    page().map_or_else(Vec::new, |page| all(&page, selector))
}

/// The first element of some HTML, outside of the document.
pub(super) fn parse(html: &str) -> Option<Element> {
    let template: HtmlTemplateElement = document().create_element("template").ok()?.dyn_into().ok()?;
    template.set_inner_html(html);
    template.content().first_element_child()
}

pub(super) fn set(element: &Element, name: &str, value: &str) {
    // Fails only for names that no attribute can have.
    let _ = element.set_attribute(name, value);
}

pub(super) fn flag(element: &Element, name: &str, on: bool) {
    let _ = element.toggle_attribute_with_force(name, on);
}

/// An attribute that is a number.
pub(super) fn number(element: &Element, name: &str) -> Option<i64> {
    element.get_attribute(name)?.parse().ok()
}

pub(super) fn empty(id: &str) {
    if let Some(element) = by_id(id) {
        element.set_text_content(None);
    }
}

pub(super) fn focus(element: &Element) {
    if let Some(element) = element.dyn_ref::<HtmlElement>() {
        let _ = element.focus();
    }
}

/// A field of a JavaScript object; undefined where there is none.
pub(super) fn field(object: &JsValue, name: &str) -> JsValue {
    js_sys::Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

pub(super) fn json(text: &str) -> JsValue {
    js_sys::JSON::parse(text).unwrap_or(JsValue::UNDEFINED)
}
