//! `GET /help`: how the add-in comes into Outlook, with this deployment's own address.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::auth::notice;
use super::{App, lang};

pub(crate) async fn get(State(app): State<App>) -> Response {
    let mut manifest = app.config.public_url.clone();
    manifest.set_path("/manifest.xml");
    let page = lang::say(|| tandem_app::help_page(manifest.as_str()));
    notice::html(&app, StatusCode::OK, page, None)
}
