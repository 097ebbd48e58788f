//! The sign-in in a window of its own, and how its result comes here.
//!
//! The pane may be a frame of another site, where the window's cookie is not ours. So the window gets a one-time code
//! from the server and hands it over by a message; the pane posts it with a nonce that only the pane knows.

use js_sys::{Reflect, Uint8Array};
use leptos::ev;
use leptos::leptos_dom::helpers::{window_event_listener, window_event_listener_untyped};
use leptos::task::spawn_local;
use leptos::wasm_bindgen::{JsCast as _, JsValue};
use std::cell::RefCell;
use tandem_types::InvalidField;
use wasm_bindgen_futures::JsFuture;
use web_sys::{HtmlElement, HtmlInputElement};

use super::{dialogs, dom, islands, post, refresh, request};
use crate::call::{Call, office_url};
use crate::live::{Door, Step};
use crate::text;

fn wrong_code() -> &'static str {
    text::invalid_field(InvalidField::Code)
}

/// What only the pane knows.
#[derive(Clone)]
enum Nonce {
    /// `wanted`: the door was pressed meanwhile.
    Making {
        wanted: bool,
    },
    /// The text, and its SHA-256, which alone leaves the page before the code is there.
    Made(String, String),
    Impossible,
}

thread_local! {
    /// Of each door: both windows may be open.
    static NONCES: RefCell<[Nonce; 2]> =
        const { RefCell::new([Nonce::Making { wanted: false }, Nonce::Making { wanted: false }]) };
}

const fn place(door: Door) -> usize {
    match door {
        Door::Salesforce => 0,
        Door::Office => 1,
    }
}

fn set(door: Door, nonce: Nonce) -> Nonce {
    NONCES.with_borrow_mut(|nonces| std::mem::replace(&mut nonces[place(door)], nonce))
}

/// The nonce, and its SHA-256.
fn nonce(door: Door) -> Option<(String, String)> {
    NONCES.with_borrow(|nonces| match &nonces[place(door)] {
        Nonce::Made(nonce, challenge) => Some((nonce.clone(), challenge.clone())),
        Nonce::Making { .. } | Nonce::Impossible => None,
    })
}

pub(super) fn start() {
    prepare(Door::Salesforce);
    prepare(Door::Office);
    listen();
    // Outlook may be ready later than we are. For as long as the page lives.
    std::mem::forget(window_event_listener_untyped("tandem-outlook", |_| aim()));
}

/// Makes a nonce before anything is clicked: a window may only be opened directly by a click.
fn prepare(door: Door) {
    set(door, Nonce::Making { wanted: false });
    spawn_local(async move {
        let made = match make().await {
            Some((nonce, challenge)) => Nonce::Made(nonce, challenge),
            None => Nonce::Impossible,
        };
        let before = set(door, made);
        aim();
        if matches!(before, Nonce::Making { wanted: true }) {
            open(door);
        }
    });
}

/// Signed out: each sign-in begins anew.
pub(super) fn forget() {
    islands::step(Door::Salesforce, Step::Idle);
    islands::step(Door::Office, Step::Idle);
}

/// Says where the windows start, by what the page and Outlook know.
pub(super) fn aim() {
    let outlook = outlook();
    if let Some((_, challenge)) = nonce(Door::Salesforce) {
        islands::set_url(Door::Salesforce, format!("/auth/start?challenge={challenge}"));
    }
    let office = dom::here("[data-live=office]").into_iter().next();
    if let (Some((_, challenge)), Some(office)) = (nonce(Door::Office), office) {
        let address = outlook.as_ref().map(|outlook| outlook.address.clone());
        let hint = address.or_else(|| office.get_attribute("data-hint"));
        let claims = office.get_attribute("data-claims");
        let url = office_url(&challenge, hint.as_deref(), claims.as_deref());
        islands::set_url(Door::Office, url);
    }
    // Where Outlook says what kind of mailbox it shows, that kind is offered first; unless one is connected.
    let free = dom::here(".kinds[data-free]").into_iter().next();
    if let (Some(free), Some(outlook)) = (free, outlook) {
        let kind = match outlook.account_type.as_str() {
            "office365" => "kind-office",
            "enterprise" => "kind-exchange",
            _ => return,
        };
        if let Some(radio) = dom::typed::<HtmlInputElement>(kind) {
            radio.set_checked(true);
        }
        // Once: what the user chooses then stays.
        let _ = free.remove_attribute("data-free");
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
pub(crate) fn open(door: Door) -> bool {
    dom::empty("alerts");
    dom::empty("office-error");
    if nonce(door).is_none() {
        if let Nonce::Impossible = set(door, Nonce::Making { wanted: true }) {
            set(door, Nonce::Impossible);
            islands::step(door, Step::Insecure);
        }
        return true;
    }
    let url = islands::url(door);
    let name = match door {
        Door::Salesforce => "tandem-sign-in",
        Door::Office => "tandem-office",
    };
    let opened = open_office_dialog(&url) || open_window(&url, name);
    islands::step(door, if opened { Step::Waiting } else { Step::Blocked });
    true
}

/// A code that was typed.
pub(super) fn send(door: Door, mut fields: Vec<(String, String)>, by: Option<HtmlElement>) {
    let mut code = String::new();
    for (name, value) in &mut fields {
        if name == "code" {
            value.retain(|c| c.is_ascii_digit());
            code.clone_from(value);
        }
    }
    match door {
        _ if code.len() != 6 => dialogs::refuse(wrong_code()),
        Door::Salesforce => trade(code),
        Door::Office => connect(fields, by),
    }
}

fn connect(mut fields: Vec<(String, String)>, by: Option<HtmlElement>) {
    let Some((nonce, _)) = nonce(Door::Office) else {
        return;
    };
    // The one in the form is for pages without script.
    fields.retain(|(name, _)| name != "nonce");
    let outlook = outlook().map(|outlook| outlook.address).unwrap_or_default();
    fields.push(("nonce".to_owned(), nonce));
    fields.push(("outlook".to_owned(), outlook));
    dom::empty("office-error");
    post(Call::ConnectOffice.path().to_owned(), fields, by);
}

/// What became of the code.
pub(super) fn answered(done: bool) {
    islands::step(Door::Office, Step::Idle);
    if done {
        // Each sign-in has its own.
        prepare(Door::Office);
    }
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
fn listen() {
    let handle = window_event_listener(ev::message, move |event| {
        let own = web_sys::window().and_then(|window| window.location().origin().ok());
        if own.is_none_or(|own| own != event.origin()) {
            return;
        }
        let data = event.data();
        let field = |name: &str| dom::field(&data, name).as_string();
        if data.is_object()
            && field("tandem").as_deref() == Some("handover")
            && let Some(code) = field("code")
        {
            acknowledge(&event);
            if field("what").as_deref() == Some("office") {
                connect(vec![("code".to_owned(), code)], None);
            } else {
                trade(code);
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

fn trade(code: String) {
    let Some((nonce, _)) = nonce(Door::Salesforce) else {
        return;
    };
    dom::empty("alerts");
    spawn_local(async move {
        match request::hand_over(&code, &nonce).await {
            Ok(()) => {
                islands::step(Door::Salesforce, Step::Idle);
                // Each sign-in has its own.
                prepare(Door::Salesforce);
                refresh();
            }
            // The window stays open, and a typed code can be corrected.
            Err(true) => dialogs::refuse(wrong_code()),
            Err(false) => dialogs::unavailable(),
        }
    });
}
