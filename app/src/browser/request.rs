//! One small request helper: our header, the bearer, and pages for answers.

use gloo_net::http::{Request, Response};
use leptos::task::spawn_local;
use std::cell::{Cell, RefCell};
use web_sys::Element;

use super::dom;
use crate::call::Call;
use crate::text;

thread_local! {
    /// In memory only: for hosts whose browser keeps no cookie of ours.
    static BEARER: RefCell<Option<String>> = const { RefCell::new(None) };
    /// Counts the bearers: the renewal of an older one ends.
    static GENERATION: Cell<u32> = const { Cell::new(0) };
}

pub(super) fn forget() {
    BEARER.set(None);
    GENERATION.set(GENERATION.get() + 1);
}

/// Calls a server function, for the page as it is afterwards, and whether it was done. An error: no answer, or none of
/// ours.
pub(super) async fn page(path: &str, page: &str, body: String) -> Result<(Element, bool), ()> {
    let form = "application/x-www-form-urlencoded";
    let response = send(path, form, Some(page), body).await?;
    // A proxy in between answers with a page of its own.
    response.headers().get("tandem-page").ok_or(())?;
    let ok = response.ok();
    let html = response.text().await.map_err(drop)?;
    Ok((dom::parse(&html).ok_or(())?, ok))
}

/// A ticket for the stream of events. `Ok(None)`: signed out.
pub(super) async fn ticket() -> Result<Option<String>, ()> {
    let response = send(
        Call::Ticket.path(),
        "application/x-www-form-urlencoded",
        None,
        String::new(),
    )
    .await?;
    if response.status() == 401 {
        return Ok(None);
    }
    let text = response.text().await.map_err(drop)?;
    dom::field(&dom::json(&text), "ticket")
        .as_string()
        .map(Some)
        .ok_or(())
}

/// Trades the one-time code for a web session. `Err(true)`: the code was refused.
pub(super) async fn hand_over(code: &str, nonce: &str) -> Result<(), bool> {
    // Digits, and hexadecimal of our own: nothing to escape.
    let body = format!("{{\"code\":\"{code}\",\"nonce\":\"{nonce}\"}}");
    let response = send("/api/handover", "application/json", None, body)
        .await
        .map_err(|()| false)?;
    if !response.ok() {
        return Err(response.status() < 500);
    }
    keep(&response.text().await.map_err(|_| false)?);
    Ok(())
}

/// Keeps the bearer (a `HandoverReply`), and renews it a minute before it ends (sooner where it lives for less than two).
fn keep(reply: &str) {
    forget();
    let reply = dom::json(reply);
    BEARER.set(dom::field(&reply, "bearer").as_string());
    let seconds = dom::field(&reply, "expires_in").as_f64().unwrap_or(600.0);
    let generation = GENERATION.get();
    #[expect(clippy::cast_possible_truncation, reason = "a cast to an integer saturates")]
    let wait = ((seconds - 60.0).max(seconds / 2.0) * 1000.0) as i32;
    spawn_local(async move {
        super::sleep(wait).await;
        for pause in [5_000, 15_000, 0] {
            if GENERATION.get() != generation {
                return;
            }
            match send("/api/renew", "application/json", None, String::new()).await {
                Ok(response) if GENERATION.get() == generation && response.ok() => {
                    if let Ok(text) = response.text().await {
                        return keep(&text);
                    }
                }
                Ok(response) if response.status() < 500 => return,
                _ => {}
            }
            super::sleep(pause).await;
        }
    });
}

async fn send(path: &str, content_type: &str, page: Option<&str>, body: String) -> Result<Response, ()> {
    let mut request = Request::post(path)
        .header("accept", "application/json")
        .header("content-type", content_type)
        .header("tandem-request", "1")
        .header("accept-language", text::spoken().as_str())
        .credentials(web_sys::RequestCredentials::Include);
    if let Some(page) = page {
        request = request.header("tandem-page", page);
    }
    if let Some(bearer) = BEARER.with_borrow(Clone::clone) {
        request = request.header("authorization", &format!("Bearer {bearer}"));
    }
    request.body(body).map_err(drop)?.send().await.map_err(drop)
}
