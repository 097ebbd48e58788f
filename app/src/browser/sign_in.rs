//! The sign-in in a window of its own, and how its result comes here.
//!
//! The pane may be a frame of another site, where the window's cookie is not ours. So the window gets a one-time code
//! from the server and hands it over by a message; the pane posts it with a nonce that only the pane knows.

use js_sys::{Reflect, Uint8Array};
use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_bindgen::{JsCast as _, JsValue};
use std::cell::RefCell;
use tandem_types::{ApiError, InvalidField};
use wasm_bindgen_futures::JsFuture;

use super::{refresh, request};
use crate::page::{SignIn, Ui};

thread_local! {
    /// The text of the nonce; only its SHA-256 has left the page.
    static NONCE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Makes the nonce before anything is clicked: a window may only be opened directly by a click.
pub(super) fn prepare(ui: Ui) {
    spawn_local(async move {
        if let Some((nonce, challenge)) = make().await {
            NONCE.set(Some(nonce));
            ui.sign_in_url.set(format!("/auth/start?challenge={challenge}"));
        }
    });
}

async fn make() -> Option<(String, String)> {
    let crypto = web_sys::window()?.crypto().ok()?;
    let mut random = [0_u8; 32];
    crypto.get_random_values_with_u8_array(&mut random).ok()?;
    let nonce = hex(&random);
    // Undefined outside of a secure context, whatever the type says.
    let subtle = Reflect::get(&crypto, &"subtle".into())
        .ok()
        .filter(|subtle| !subtle.is_undefined())?;
    let subtle = subtle.unchecked_into::<web_sys::SubtleCrypto>();
    let text = nonce.clone().into_bytes();
    let digest = JsFuture::from(subtle.digest_with_str_and_u8_array("SHA-256", &text).ok()?)
        .await
        .ok()?;
    Some((nonce, hex(&Uint8Array::new(&digest).to_vec())))
}

fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// Opens the window. `false`: let the link do it.
pub(crate) fn sign_in(ui: Ui) -> bool {
    if NONCE.with_borrow(Option::is_none) {
        ui.sign_in.set(SignIn::Insecure);
        return true;
    }
    let url = ui.sign_in_url.get_untracked();
    let opened = open_office_dialog(&url) || open_window(&url);
    ui.refused.set(None);
    ui.sign_in
        .set(if opened { SignIn::Waiting } else { SignIn::Blocked });
    true
}

/// `office-dialog.js` offers it where the page runs in Outlook; its message comes to [`listen`] too.
fn open_office_dialog(url: &str) -> bool {
    let Some(window) = web_sys::window() else {
        return false;
    };
    let Ok(open) = Reflect::get(&window, &"tandemOfficeDialog".into()) else {
        return false;
    };
    let Some(open) = open.dyn_ref::<js_sys::Function>() else {
        return false;
    };
    open.call1(&JsValue::NULL, &url.into())
        .is_ok_and(|opened| opened.is_truthy())
}

fn open_window(url: &str) -> bool {
    let window = web_sys::window();
    let opened = window.map(|window| {
        window.open_with_url_and_target_and_features(url, "tandem-sign-in", "popup,width=520,height=720")
    });
    matches!(opened, Some(Ok(Some(_))))
}

/// Waits for the window's message: from our own origin, in our own form.
pub(super) fn listen(ui: Ui) {
    let handle = window_event_listener(ev::message, move |event| {
        let own = web_sys::window().and_then(|window| window.location().origin().ok());
        if own.is_none_or(|own| own != event.origin()) {
            return;
        }
        let data = event.data();
        let field = |name: &str| {
            Reflect::get(&data, &name.into())
                .ok()
                .and_then(|value| value.as_string())
        };
        if data.is_object()
            && field("tandem").as_deref() == Some("handover")
            && let Some(code) = field("code")
        {
            acknowledge(&event);
            trade(ui, code);
        }
    });
    // For as long as the page lives.
    std::mem::forget(handle);
}

/// Tells the window that it can close.
fn acknowledge(event: &web_sys::MessageEvent) {
    if let Some(source) = event.source() {
        // Of another realm, so that `instanceof Window` would say no.
        let window = source.unchecked_into::<web_sys::Window>();
        let answer = js_sys::Object::new();
        let _ = Reflect::set(&answer, &"tandem".into(), &"received".into());
        let _ = window.post_message(&answer, &event.origin());
    }
}

/// A code that was typed.
pub(crate) fn send_code(ui: Ui, code: String) {
    let code: String = code.chars().filter(char::is_ascii_digit).collect();
    if code.len() == 6 {
        trade(ui, code);
    } else {
        ui.refused.set(Some(ApiError::Invalid(InvalidField::Code)));
    }
}

fn trade(ui: Ui, code: String) {
    let Some(nonce) = NONCE.with_borrow(Clone::clone) else {
        return;
    };
    ui.refused.set(None);
    spawn_local(async move {
        match request::hand_over(code, nonce).await {
            Ok(()) => {
                ui.sign_in.set(SignIn::Idle);
                // Each sign-in has its own.
                NONCE.set(None);
                prepare(ui);
                refresh(ui);
            }
            // The window stays open, and a typed code can be corrected.
            Err(error) => ui.refused.set(Some(error)),
        }
    });
}
