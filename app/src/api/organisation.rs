//! The server functions of the organisation's page.

use leptos::prelude::*;
use tandem_types::{ApiError, InvalidField, OrgAct, PaneView, SessionId, UserId, Verdict};

use super::{Answer, refuse, view};
use crate::backend::{OrgPick, OrgTarget, backend};

/// Users that one form may name: those of a page.
const USERS_AT_ONCE: usize = 100;

/// `all`: everybody whom the page's search and filter find, on all pages.
fn target(users: Vec<UserId>, all: Option<&str>, verdict: &str, q: String) -> Result<OrgTarget, ApiError> {
    if all.is_some_and(|ticked| !ticked.is_empty()) {
        return Ok(OrgTarget::All(OrgPick {
            verdict: Verdict::parse(verdict),
            search: q,
        }));
    }
    match users.len() {
        0 => Err(ApiError::Invalid(InvalidField::Chosen)),
        1..=USERS_AT_ONCE => Ok(OrgTarget::Users(users)),
        _ => Err(ApiError::Forbidden),
    }
}

async fn order(act: OrgAct, target: Result<OrgTarget, ApiError>) -> Answer<PaneView> {
    match target {
        Ok(target) => view(backend().org_act(act, target).await),
        Err(error) => refuse(error),
    }
}

#[server(prefix = "/api", endpoint = "org_pause")]
async fn org_pause(
    #[server(default)] users: Vec<UserId>,
    #[server(default)] all: Option<String>,
    #[server(default)] verdict: String,
    #[server(default)] q: String,
) -> Answer<PaneView> {
    order(OrgAct::Pause, target(users, all.as_deref(), &verdict, q)).await
}

#[server(prefix = "/api", endpoint = "org_resume")]
async fn org_resume(
    #[server(default)] users: Vec<UserId>,
    #[server(default)] all: Option<String>,
    #[server(default)] verdict: String,
    #[server(default)] q: String,
) -> Answer<PaneView> {
    order(OrgAct::Resume, target(users, all.as_deref(), &verdict, q)).await
}

#[server(prefix = "/api", endpoint = "org_sync_now")]
async fn org_sync_now(
    #[server(default)] users: Vec<UserId>,
    #[server(default)] all: Option<String>,
    #[server(default)] verdict: String,
    #[server(default)] q: String,
) -> Answer<PaneView> {
    order(OrgAct::SyncNow, target(users, all.as_deref(), &verdict, q)).await
}

#[server(prefix = "/api", endpoint = "org_deactivate")]
async fn org_deactivate(
    #[server(default)] users: Vec<UserId>,
    #[server(default)] all: Option<String>,
    #[server(default)] verdict: String,
    #[server(default)] q: String,
    #[server(default)] sure: Option<String>,
) -> Answer<PaneView> {
    let target = target(users, all.as_deref(), &verdict, q);
    if target.is_ok() && sure.is_none_or(|ticked| ticked.is_empty()) {
        return refuse(ApiError::Invalid(InvalidField::Sure));
    }
    order(OrgAct::Deactivate, target).await
}

#[server(prefix = "/api", endpoint = "org_halt")]
async fn org_halt(run: SessionId) -> Answer<PaneView> {
    view(backend().org_halt(run).await)
}

#[server(prefix = "/api", endpoint = "org_go_on")]
async fn org_go_on(run: SessionId) -> Answer<PaneView> {
    view(backend().org_go_on(run).await)
}

#[server(prefix = "/api", endpoint = "org_support")]
async fn org_support(#[server(default)] on: Option<String>) -> Answer<PaneView> {
    view(backend().org_support(on.is_some_and(|on| !on.is_empty())).await)
}

#[server(prefix = "/api", endpoint = "org_disconnect")]
async fn org_disconnect() -> Answer<PaneView> {
    view(backend().org_disconnect().await)
}
