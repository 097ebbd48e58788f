//! The pages, rendered on the server and hydrated in the browser.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue};
use leptos::prelude::{provide_context, use_context};
use tandem_app::{Backend, OfficeScript, Page};
use tandem_types::{ApiError, UserId};

use super::App;
use super::backend::RequestBackend;
use super::headers::Policy;
use super::session::{By, MaybeViewer};

type Asking = Result<MaybeViewer, (StatusCode, Json<ApiError>)>;

pub(crate) async fn pane(State(app): State<App>, viewer: Asking, request: Request) -> Response {
    render(app, viewer, Page::Pane, request).await
}

pub(crate) async fn setup(State(app): State<App>, viewer: Asking, request: Request) -> Response {
    render(app, viewer, Page::Setup, request).await
}

pub(crate) async fn to_setup() -> Redirect {
    Redirect::permanent("/setup")
}

/// The sandbox's browser preview, with this pane in it; it is on another origin, as Outlook is. What the query says of
/// who sits there goes with it.
pub(crate) async fn preview(State(app): State<App>, request: Request) -> Response {
    let Some(mut url) = app.config.outlook.preview.clone() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    url.set_query(request.uri().query());
    url.query_pairs_mut()
        .append_pair("pane", app.config.public_url.as_str());
    Redirect::to(url.as_str()).into_response()
}

pub(crate) async fn settings(State(app): State<App>, viewer: Asking, request: Request) -> Response {
    // The bearer is the pane's emergency exit; it never opens this page.
    let by_bearer = |viewer: &MaybeViewer| viewer.0.as_ref().is_some_and(|v| v.by == By::Bearer);
    if viewer.as_ref().is_ok_and(by_bearer) {
        return StatusCode::FORBIDDEN.into_response();
    }
    render(app, viewer, Page::Settings, request).await
}

async fn render(app: App, viewer: Asking, page: Page, request: Request) -> Response {
    let in_outlook = matches!(page, Page::Pane);
    if let Ok(MaybeViewer(Some(viewer))) = &viewer {
        note_language(&app, viewer.session.user_id.clone(), &request);
    }
    // A page that says what is the matter beats the browser's own empty one.
    let status = viewer.as_ref().err().map(|(status, _)| *status);
    let backend: Arc<dyn Backend> = Arc::new(match viewer {
        Ok(MaybeViewer(viewer)) => RequestBackend::new(app.clone(), viewer),
        Err((_, Json(error))) => RequestBackend::failing(app.clone(), error),
    });
    let office = app
        .config
        .outlook
        .office_js
        .as_ref()
        .filter(|_| in_outlook)
        .map(|url| OfficeScript(url.as_str().into()));
    let options = app.leptos.clone();
    let context = move || {
        if let Some(office) = office.clone() {
            provide_context(office);
        }
        if let Some(response) = use_context::<leptos_axum::ResponseOptions>() {
            let nonce = leptos::nonce::use_nonce();
            let policy = Policy {
                nonce: nonce.as_deref(),
                office: in_outlook,
                framed: in_outlook,
            };
            response.insert_header(CONTENT_SECURITY_POLICY, policy.value(&app.config));
            response.insert_header(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            if let Some(status) = status {
                response.set_status(status);
            }
        }
    };
    tandem_app::render(options, page, backend, context, request).await
}

/// For the mails that are written while nobody is there. Nobody waits for it.
fn note_language(app: &App, user: UserId, request: &Request) {
    let lang = tandem_app::language(request.uri().query(), request.headers());
    let app = app.clone();
    tokio::spawn(async move {
        if let Err(error) = app.store.set_language(&user, lang.as_str()).await {
            tracing::debug!(%error, "the user's language was not noted");
        }
    });
}
