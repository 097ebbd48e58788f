//! The pages, rendered on the server and hydrated in the browser.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue};
use leptos::prelude::{provide_context, use_context};
use tandem_app::{Backend, OfficeScript, Page};

use super::App;
use super::backend::RequestBackend;
use super::headers::Policy;
use super::session::{By, MaybeViewer};

pub(crate) async fn pane(state: State<App>, viewer: MaybeViewer, request: Request) -> Response {
    render(state, viewer, Page::Pane, request).await
}

pub(crate) async fn setup(state: State<App>, viewer: MaybeViewer, request: Request) -> Response {
    render(state, viewer, Page::Setup, request).await
}

pub(crate) async fn settings(state: State<App>, viewer: MaybeViewer, request: Request) -> Response {
    // The bearer is the pane's emergency exit; it never opens this page.
    if viewer.0.as_ref().is_some_and(|v| v.by == By::Bearer) {
        return StatusCode::FORBIDDEN.into_response();
    }
    render(state, viewer, Page::Settings, request).await
}

async fn render(State(app): State<App>, MaybeViewer(viewer): MaybeViewer, page: Page, request: Request) -> Response {
    let in_outlook = matches!(page, Page::Pane);
    let backend: Arc<dyn Backend> = Arc::new(RequestBackend::new(app.clone(), viewer));
    let office = app.config.outlook.office_js.as_ref().filter(|_| in_outlook).map(|url| OfficeScript(url.as_str().into()));
    let options = app.leptos.clone();
    let context = move || {
        if let Some(office) = office.clone() {
            provide_context(office);
        }
        if let Some(response) = use_context::<leptos_axum::ResponseOptions>() {
            let nonce = leptos::nonce::use_nonce();
            let policy = Policy { nonce: nonce.as_deref(), in_outlook };
            response.insert_header(CONTENT_SECURITY_POLICY, policy.value(&app.config));
            response.insert_header(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    };
    tandem_app::render(options, page, backend, context, request).await
}
