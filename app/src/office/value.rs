//! Objects of Office.js, of which nothing is certain: what is not there, or throws, is undefined.

use js_sys::{Array, Function, Object, Promise, Reflect};
use leptos::wasm_bindgen::closure::Closure;
use leptos::wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;

/// How long Outlook may take to answer, in milliseconds; it is known not to answer at all when an item goes meanwhile.
const PATIENCE: i32 = 5_000;

/// The property at this path, `a.b.c`.
pub(super) fn get(object: &JsValue, path: &str) -> JsValue {
    path.split('.').fold(object.clone(), |object, name| {
        Reflect::get(&object, &name.into()).unwrap_or(JsValue::UNDEFINED)
    })
}

/// A text; empty where there is none.
pub(super) fn string(object: &JsValue, path: &str) -> String {
    get(object, path).as_string().unwrap_or_default()
}

pub(super) fn put(object: &Object, name: &str, value: &JsValue) {
    // Fails only for frozen objects.
    let _ = Reflect::set(object, &name.into(), value);
}

/// The text; nothing where it is empty: for the server that is none, or the empty text. Null would be no text at all.
pub(super) fn put_text(object: &Object, name: &str, text: &str) {
    if !text.is_empty() {
        put(object, name, &text.into());
    }
}

/// What the method returns; undefined where there is none, or it throws.
pub(super) fn call(object: &JsValue, method: &str, arguments: &Array) -> JsValue {
    match get(object, method).dyn_ref::<Function>() {
        Some(function) => function.apply(object, arguments).unwrap_or(JsValue::UNDEFINED),
        None => JsValue::UNDEFINED,
    }
}

/// What a promise gives; undefined where it is refused.
pub(super) async fn settled(promise: Promise) -> JsValue {
    JsFuture::from(promise).await.unwrap_or(JsValue::UNDEFINED)
}

/// Calls a method whose last argument hears an
/// [`AsyncResult`](https://learn.microsoft.com/javascript/api/office/office.asyncresult): a promise of that; of undefined
/// where there is no such method, or no answer.
pub(super) fn ask(object: &JsValue, method: &str, arguments: &Array) -> JsValue {
    if !get(object, method).is_function() {
        return JsValue::UNDEFINED;
    }
    let asked = Promise::new(&mut |resolve, _| {
        // Only the first that resolves it counts.
        if let Some(window) = web_sys::window() {
            let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, PATIENCE);
        }
        arguments.push(&resolve);
        call(object, method, arguments);
    });
    asked.into()
}

/// The value of an answer, if it succeeded; what is no answer is its own value.
pub(super) fn answered(answer: &JsValue) -> JsValue {
    match string(answer, "status").as_str() {
        "" => answer.clone(),
        "succeeded" => get(answer, "value"),
        _ => JsValue::UNDEFINED,
    }
}

/// Hears an event for as long as the page lives.
pub(super) fn handler(heard: impl Fn() + 'static) -> JsValue {
    Closure::<dyn Fn()>::new(heard).into_js_value()
}
