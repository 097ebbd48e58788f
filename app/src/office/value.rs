//! Objects of Office.js, of which nothing is certain: what is not there, or throws, is undefined.

use js_sys::{Array, Function, Promise, Reflect};
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

/// A text that is not empty.
pub(super) fn string(object: &JsValue, path: &str) -> Option<String> {
    get(object, path).as_string().filter(|text| !text.is_empty())
}

pub(super) fn has(object: &JsValue, method: &str) -> bool {
    get(object, method).is_function()
}

/// What the method returns; `None` where there is none, or it throws.
pub(super) fn call(object: &JsValue, method: &str, arguments: &[JsValue]) -> Option<JsValue> {
    let function = get(object, method).dyn_into::<Function>().ok()?;
    let arguments: Array = arguments.iter().collect();
    function.apply(object, &arguments).ok()
}

/// What a promise gives; undefined where it is refused.
pub(super) async fn promised(promise: JsValue) -> JsValue {
    match promise.dyn_into::<Promise>() {
        Ok(promise) => JsFuture::from(promise).await.unwrap_or(JsValue::UNDEFINED),
        Err(value) => value,
    }
}

/// Calls a method whose last argument hears an
/// [`AsyncResult`](https://learn.microsoft.com/javascript/api/office/office.asyncresult): its value, if it succeeded.
pub(super) async fn ask(object: &JsValue, method: &str, arguments: &[JsValue]) -> Option<JsValue> {
    if !has(object, method) {
        return None;
    }
    let result = Promise::new(&mut |resolve, _| {
        // Only the first that resolves it counts.
        if let Some(window) = web_sys::window() {
            let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, PATIENCE);
        }
        let mut arguments = arguments.to_vec();
        arguments.push(resolve.clone().into());
        if call(object, method, &arguments).is_none() {
            let _ = resolve.call0(&JsValue::NULL);
        }
    });
    let result = promised(result.into()).await;
    (string(&result, "status").as_deref() == Some("succeeded")).then(|| get(&result, "value"))
}

/// A property that has its value while an item is read, and a method for it while it is composed.
pub(super) async fn value(object: &JsValue, name: &str) -> JsValue {
    let property = get(object, name);
    if has(&property, "getAsync") {
        ask(&property, "getAsync", &[]).await.unwrap_or(JsValue::UNDEFINED)
    } else {
        property
    }
}

/// Hears an event for as long as the page lives.
pub(super) fn handler(heard: impl Fn() + 'static) -> JsValue {
    Closure::<dyn Fn()>::new(heard).into_js_value()
}
