//! The sign-in in a window of its own, and how its result comes here.
//!
//! The pane may be a frame of another site, where the window's cookie is not ours. So the window gets a one-time code
//! from the server and hands it over by a message; the pane posts it with a nonce that only the pane knows.

use js_sys::Reflect;
use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_bindgen::{JsCast as _, JsValue};
use sha2::{Digest as _, Sha256};
use std::cell::RefCell;
use tandem_types::{ApiError, InvalidField, MailboxServer, OfficeAnswer};

use super::{refresh, request};
use crate::call::Call;
use crate::page::{OfficeStep, SignIn, Ui, office_url};

thread_local! {
    /// The text of the nonce; only its SHA-256 has left the page.
    static NONCE: RefCell<Option<String>> = const { RefCell::new(None) };
    /// The same, for Microsoft's window: both may be open.
    static OFFICE_NONCE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Makes the nonces before anything is clicked, so that the links lead somewhere too: a window may only be opened directly
/// by a click.
pub(super) fn prepare(ui: Ui) {
    if let Some((nonce, challenge)) = make() {
        NONCE.set(Some(nonce));
        ui.sign_in_url.set(format!("/auth/start?challenge={challenge}"));
    }
}

/// As [`prepare`], where a mailbox of Office 365 can be connected.
pub(super) fn prepare_office(ui: Ui) {
    let Some(office) = ui
        .view
        .with_untracked(|view| view.connection.as_ref().and_then(|c| c.office.clone()))
    else {
        return;
    };
    if matches!(
        ui.office.get_untracked(),
        OfficeStep::Waiting | OfficeStep::Other { .. }
    ) {
        // A window is open with the nonce that there is.
        return;
    }
    if let Some((nonce, challenge)) = make() {
        OFFICE_NONCE.set(Some(nonce));
        let hint = outlook().map(|outlook| outlook.address).or(office.hint);
        ui.office_url
            .set(office_url(&challenge, hint.as_deref(), office.claims.as_deref()));
    }
}

/// The mailbox that Outlook shows.
struct Outlook {
    address: String,
    /// `office365`, `enterprise` (a server of the company's own) …; empty where Outlook is too old to say.
    account_type: String,
}

/// `office-dialog.js` tells it where the page runs in Outlook.
fn outlook() -> Option<Outlook> {
    let window = web_sys::window()?;
    let ask = Reflect::get(&window, &"tandemOutlook".into()).ok()?;
    let told = ask.dyn_ref::<js_sys::Function>()?.call0(&JsValue::NULL).ok()?;
    let field = |name: &str| Reflect::get(&told, &name.into()).ok().and_then(|v| v.as_string());
    Some(Outlook {
        address: field("address").filter(|address| !address.is_empty())?,
        account_type: field("accountType").unwrap_or_default(),
    })
}

/// Where Outlook says what kind of mailbox it shows, that kind is offered first; unless one is connected.
pub(super) fn offer(ui: Ui) {
    let open = ui.view.with_untracked(|view| {
        let connection = view.connection.as_ref();
        connection.is_some_and(|c| c.mailbox.is_none() && c.office.is_some())
    });
    if let (true, Some(outlook)) = (open, outlook()) {
        match outlook.account_type.as_str() {
            "office365" => ui.kind.set(MailboxServer::Office365),
            "enterprise" => ui.kind.set(MailboxServer::Exchange),
            _ => {}
        }
    }
}

/// A nonce and its SHA-256, both hexadecimal; `None` where the page is not secure: there no cookie of ours would be kept.
fn make() -> Option<(String, String)> {
    let window = web_sys::window().filter(web_sys::Window::is_secure_context)?;
    let mut random = [0_u8; 32];
    let crypto = window.crypto().ok()?;
    crypto.get_random_values_with_u8_array(&mut random).ok()?;
    let nonce = hex(&random);
    // Not by `crypto.subtle`, which answers later: a click may be sooner.
    let challenge = hex(&Sha256::digest(nonce.as_bytes()));
    Some((nonce, challenge))
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
        prepare(ui);
    }
    if NONCE.with_borrow(Option::is_none) {
        ui.sign_in.set(SignIn::Insecure);
        return true;
    }
    let url = ui.sign_in_url.get_untracked();
    let opened = open_office_dialog(&url) || open_window(&url, "tandem-sign-in");
    ui.refused.set(None);
    ui.sign_in
        .set(if opened { SignIn::Waiting } else { SignIn::Blocked });
    true
}

/// Opens Microsoft's window. `false`: let the link do it.
pub(crate) fn connect_office(ui: Ui) -> bool {
    if OFFICE_NONCE.with_borrow(Option::is_none) {
        prepare_office(ui);
    }
    if OFFICE_NONCE.with_borrow(Option::is_none) {
        ui.office.set(OfficeStep::Insecure);
        return true;
    }
    let url = ui.office_url.get_untracked();
    let opened = open_office_dialog(&url) || open_window(&url, "tandem-office");
    ui.refused.set(None);
    ui.office.set(if opened {
        OfficeStep::Waiting
    } else {
        OfficeStep::Blocked
    });
    true
}

/// A code that was typed.
pub(crate) fn send_office_code(ui: Ui, code: &str) {
    let code: String = code.chars().filter(char::is_ascii_digit).collect();
    if code.len() == 6 {
        connect(ui, code, false);
    } else {
        ui.refused.set(Some(ApiError::Invalid(InvalidField::Code)));
    }
}

/// The user means the other mailbox.
pub(crate) fn confirm_office(ui: Ui) {
    if let OfficeStep::Other { code, .. } = ui.office.get_untracked() {
        connect(ui, code, true);
    }
}

fn connect(ui: Ui, code: String, confirmed: bool) {
    let Some(nonce) = OFFICE_NONCE.with_borrow(Clone::clone) else {
        return;
    };
    let mut fields = vec![
        ("code", code.clone()),
        ("nonce", nonce),
        ("outlook", outlook().map(|o| o.address).unwrap_or_default()),
    ];
    if confirmed {
        fields.push(("confirmed", "1".to_owned()));
    }
    super::ask(ui, Call::ConnectOffice, fields, move |answer: OfficeAnswer| {
        match answer {
            OfficeAnswer::Connected(view) => {
                ui.office.set(OfficeStep::Idle);
                ui.dialog.set(None);
                super::take(ui, *view);
                // Each sign-in has its own.
                OFFICE_NONCE.set(None);
                prepare_office(ui);
            }
            OfficeAnswer::OtherMailbox { account, expected } => ui.office.set(OfficeStep::Other {
                account,
                expected,
                code,
            }),
        }
    });
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

fn open_window(url: &str, name: &str) -> bool {
    let window = web_sys::window();
    let opened = window
        .map(|window| window.open_with_url_and_target_and_features(url, name, "popup,width=520,height=720"));
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
            if field("what").as_deref() == Some("office") {
                connect(ui, code, false);
            } else {
                trade(ui, code);
            }
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
