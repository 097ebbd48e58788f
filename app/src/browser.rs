//! What the browser does: it sends forms, lays the answered page over the one that is shown, follows the stream of events,
//! opens sign-in windows and dialogs, and keeps ages true.

mod clicks;
mod clock;
mod dialogs;
mod dom;
mod events;
mod islands;
mod item;
mod lay;
mod request;
mod sign_in;

use leptos::task::spawn_local;
use std::cell::Cell;
use web_sys::{Element, HtmlElement, HtmlFormElement};

use crate::call::{Call, form};
use crate::text::{self, Lang};

pub(crate) use sign_in::open;

/// Takes over the page that the server has drawn.
///
/// Does nothing if the page is none of ours.
pub fn hydrate() {
    if dom::page().is_none() {
        return;
    }
    let lang = dom::document()
        .document_element()
        .and_then(|html| html.get_attribute("lang"));
    text::speak(lang.and_then(|lang| Lang::parse(&lang)).unwrap_or_default());
    islands::hydrate();
    clicks::listen();
    sign_in::start();
    events::close_when_left();
    clock::start();
    settle();
    item::start();
    // The browser tests wait for it, and the style sheet hides what only works without script.
    if let Some(html) = dom::document().document_element() {
        dom::set(&html, "data-hydrated", "");
    }
}

thread_local! {
    /// A call is under way.
    static BUSY: Cell<bool> = const { Cell::new(false) };
    /// A page is being fetched; another was asked for meanwhile.
    static FETCHING: Cell<(bool, bool)> = const { Cell::new((false, false)) };
    /// Somebody is signed in, and the stream is followed.
    static FOLLOWED: Cell<bool> = const { Cell::new(false) };
}

fn busy() -> bool {
    BUSY.get()
}

/// After a page has been loaded or laid: what follows from it.
fn settle() {
    let signed = dom::page().is_some_and(|page| page.has_attribute("data-signed"));
    let before = FOLLOWED.replace(signed);
    if signed && !before {
        events::follow();
        item::signed_in();
    } else if !signed && before {
        // Signed out, by us or by time.
        request::forget();
        events::stop();
        sign_in::forget();
    }
    clock::arrived();
    item::settle();
    sign_in::aim();
    dialogs::open_by_itself();
}

/// Lays a page over the shown one, unless a newer one is shown already. `answer`: to a call, which is never too old.
fn take(new: &Element, answer: bool) {
    let Some(shown) = dom::page() else {
        return;
    };
    if !answer && dom::number(new, "data-now") < dom::number(&shown, "data-now") {
        return;
    }
    lay::lay(&shown, new, answer);
    islands::hydrate();
    settle();
}

/// Makes a call whose answer is the page as it is afterwards. One at a time. `by`: what was pressed.
fn post(path: String, fields: Vec<(String, String)>, by: Option<HtmlElement>) {
    if !busy() {
        spawn_local(async {
            send(path, fields, None, by).await;
        });
    }
}

/// [`post`], and whether it was done. `of`: the form that is sent.
async fn send(
    path: String,
    mut fields: Vec<(String, String)>,
    of: Option<HtmlFormElement>,
    by: Option<HtmlElement>,
) -> bool {
    if BUSY.replace(true) {
        return false;
    }
    dom::empty("alerts");
    dom::empty("saved");
    let pressed = clicks::press(by.as_ref());
    let page = dom::page().and_then(|page| page.get_attribute("data-page"));
    let showing = item::showing();
    if let Some(of) = &of
        && let Err(why) = item::complete(of, &mut fields).await
    {
        BUSY.set(false);
        clicks::release(pressed);
        dialogs::refuse(&why);
        return false;
    }
    let body = form(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let answer = request::page(&path, page.as_deref().unwrap_or_default(), body).await;
    BUSY.set(false);
    clicks::release(pressed);
    let mut done = false;
    match answer {
        Ok((new, ok)) => {
            // Another mailbox than the one that is shown: asked about first. What Salesforce refuses is no error of ours.
            let told = new.query_selector("#office-other, #item-told > .attention");
            done = ok && !matches!(told, Ok(Some(_)));
            if done {
                dialogs::done(&path);
                // What was typed has arrived: the page that comes says how it is now.
                if let Some(of) = &of {
                    item::done(of);
                }
            }
            if path == Call::ConnectOffice.path() {
                sign_in::answered(done);
            }
            item::sift(&new, showing);
            take(&new, true);
            if !done {
                dialogs::point();
            }
        }
        Err(()) => dialogs::unavailable(),
    }
    if FETCHING.replace((false, false)).1 {
        refresh();
    }
    done
}

/// Fetches the page again; asked for while something is under way, once more after that.
fn refresh() {
    let (fetching, _) = FETCHING.get();
    if fetching || busy() {
        FETCHING.set((fetching, true));
        return;
    }
    FETCHING.set((true, false));
    spawn_local(async move {
        loop {
            let page = dom::page().and_then(|page| page.get_attribute("data-page"));
            let showing = item::showing();
            let (path, body) = item::question();
            let answer = request::page(path, page.as_deref().unwrap_or_default(), body).await;
            if busy() {
                // The call's answer is newer.
                FETCHING.set((false, true));
                return;
            }
            // The stream tells again when there is something new.
            if let Ok((new, _)) = answer {
                item::sift(&new, showing);
                take(&new, false);
            }
            if !FETCHING.replace((true, false)).1 {
                break;
            }
        }
        FETCHING.set((false, false));
    });
}

/// Waits; the timer is the browser's.
async fn sleep(milliseconds: i32) {
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        if let Some(window) = web_sys::window() {
            let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds);
        }
    });
    let _ = wasm_bindgen_futures::JsFuture::from(promise).await;
}
