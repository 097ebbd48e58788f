//! `GET /manifest.xml`: the Outlook add-in's manifest with this deployment's own address.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

use super::App;

/// Stands in the manifest for the deployment's own address.
const PLACEHOLDER: &str = "https://tandem.invalid";
const MANIFEST: &str = include_str!("../../../manifest.xml");

pub(crate) async fn get(State(app): State<App>) -> Response {
    let own = app.config.public_url.origin().ascii_serialization();
    (
        [(CONTENT_TYPE, "text/xml; charset=utf-8")],
        MANIFEST.replace(PLACEHOLDER, &own),
    )
        .into_response()
}
