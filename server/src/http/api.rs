//! `/api/…`: the server functions that the pane calls.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, HeaderValue};
use leptos::prelude::provide_context;
use tandem_app::Backend;

use super::App;
use super::backend::RequestBackend;
use super::session::MaybeViewer;

pub(crate) async fn any(
    State(app): State<App>,
    MaybeViewer(viewer): MaybeViewer,
    request: Request,
) -> Response {
    let backend: Arc<dyn Backend> = Arc::new(RequestBackend::new(app, viewer));
    let mut response =
        leptos_axum::handle_server_fns_with_context(move || provide_context(backend.clone()), request)
            .await
            .into_response();
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
