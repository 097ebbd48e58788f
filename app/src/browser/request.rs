//! One small request helper: our header, the bearer, the shared types.

use gloo_net::http::Request;
use leptos::task::spawn_local;
use serde::de::DeserializeOwned;
use std::cell::{Cell, RefCell};
use tandem_types::{ApiError, HandoverReply, HandoverRequest};

use crate::call::Call;

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

/// Calls a server function.
pub(super) async fn call<T: DeserializeOwned>(call: Call, body: String) -> Result<T, ApiError> {
    parse(&send(call.path(), "application/x-www-form-urlencoded", body).await?)
}

/// Trades the one-time code for a web session.
pub(super) async fn hand_over(code: String, nonce: String) -> Result<(), ApiError> {
    let body = serde_json::to_string(&HandoverRequest { code, nonce }).map_err(|_| ApiError::Unavailable)?;
    keep(parse(&send("/api/handover", "application/json", body).await?)?);
    Ok(())
}

/// Keeps the bearer, and renews it a minute before it ends (sooner where it lives for less than two).
fn keep(reply: HandoverReply) {
    forget();
    BEARER.set(Some(reply.bearer));
    let generation = GENERATION.get();
    let seconds = reply.expires_in.saturating_sub(60).max(reply.expires_in / 2);
    spawn_local(async move {
        super::sleep(i32::try_from(seconds).unwrap_or(600).saturating_mul(1000)).await;
        for pause in [5_000, 15_000, 0] {
            if GENERATION.get() != generation {
                return;
            }
            let renewed = send("/api/renew", "application/json", String::new()).await;
            match renewed.and_then(|text| parse(&text)) {
                Ok(reply) if GENERATION.get() == generation => return keep(reply),
                Ok(_) | Err(ApiError::SignedOut) => return,
                Err(_) => super::sleep(pause).await,
            }
        }
    });
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, ApiError> {
    serde_json::from_str(text).map_err(|_| ApiError::Unavailable)
}

async fn send(path: &str, content_type: &str, body: String) -> Result<String, ApiError> {
    let mut request = Request::post(path)
        .header("accept", "application/json")
        .header("content-type", content_type)
        .header("tandem-request", "1")
        .credentials(web_sys::RequestCredentials::Include);
    if let Some(bearer) = BEARER.with_borrow(Clone::clone) {
        request = request.header("authorization", &format!("Bearer {bearer}"));
    }
    let response = request.body(body).map_err(|_| ApiError::Unavailable)?;
    let response = response.send().await.map_err(|_| ApiError::Unavailable)?;
    let text = response.text().await.map_err(|_| ApiError::Unavailable)?;
    if response.ok() {
        return Ok(text);
    }
    // A proxy in between answers with a page of its own.
    Err(serde_json::from_str(&text).unwrap_or(match response.status() {
        401 => ApiError::SignedOut,
        403 => ApiError::Forbidden,
        _ => ApiError::Unavailable,
    }))
}
