//! `/api/…`: the server functions that the pane calls.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue};
use leptos::prelude::provide_context;
use tandem_app::{Backend, PAGE_HEADER, Page};

use super::App;
use super::backend::RequestBackend;
use super::session::{By, MaybeViewer};

pub(crate) async fn any(
    State(app): State<App>,
    MaybeViewer(viewer): MaybeViewer,
    request: Request,
) -> Response {
    let page = page(request.headers());
    // The bearer is the pane's emergency exit; it never opens this page.
    let by_bearer = viewer.as_ref().is_some_and(|viewer| viewer.by == By::Bearer);
    if page == Some(Page::Settings) && by_bearer {
        return StatusCode::FORBIDDEN.into_response();
    }
    let backend: Arc<dyn Backend> = Arc::new(RequestBackend::new(app, viewer));
    let mut response = match page {
        Some(page) => tandem_app::call_page(page, backend, request).await,
        None => {
            leptos_axum::handle_server_fns_with_context(move || provide_context(backend.clone()), request)
                .await
                .into_response()
        }
    };
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The page that our script wants for an answer.
fn page(headers: &HeaderMap) -> Option<Page> {
    Page::parse(headers.get(PAGE_HEADER)?.to_str().ok()?)
}
