//! HTTP: one file per route, and what every route shares.

mod api;
mod auth;
mod backend;
mod events;
mod export;
mod guard;
mod headers;
mod health;
mod help;
mod lang;
mod limit;
pub(crate) mod listen;
mod manifest;
mod pages;
mod session;

use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use axum::routing::{any, get, post};
use http::header::{CACHE_CONTROL, HeaderValue, VARY};
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

pub use crate::app::App;
pub(crate) use health::Readiness;

/// A request that takes longer than this is ended; streams of events are not counted.
const REQUEST_SECONDS: u64 = 90;

/// All routes.
pub fn router(app: &App) -> Router {
    let files = Router::new()
        // Names that carry a hash never change their content.
        .nest_service(
            "/pkg",
            files(
                &app.site.root().join("pkg"),
                "public, max-age=31536000, immutable",
            ),
        )
        .fallback_service(files(app.site.root(), "public, max-age=3600"));

    let windows = Router::new()
        .route("/auth/start", get(auth::start::get))
        .route("/auth/callback", get(auth::callback::get))
        .route("/auth/microsoft/start", get(auth::microsoft::start))
        .route("/auth/microsoft/callback", get(auth::microsoft::callback));
    let own_pages_only = axum::middleware::from_fn_with_state(app.clone(), guard::own_pages_only);
    let codes = Router::new()
        .route("/api/handover", post(auth::handover::post))
        .layer(own_pages_only.clone());
    let limited = limit::limited(app, windows, codes);

    let api = Router::new()
        .route("/api/renew", post(auth::renew::post))
        .route("/api/{*function}", any(api::any))
        .layer(own_pages_only);

    let quick = Router::new()
        .route("/", get(pages::pane))
        .route("/setup", get(pages::setup))
        .route("/settings", get(pages::settings))
        .route("/preview", get(pages::preview))
        .route("/settings/{part}", get(pages::settings))
        .route("/settings/organisation.csv", get(export::get))
        .merge(limited)
        // The address of the product that many of our users come from.
        .route("/ui", get(pages::to_setup))
        .route("/ui/", get(pages::to_setup))
        .route("/manifest.xml", get(manifest::get))
        .route("/help", get(help::get))
        .route("/healthz", get(health::get))
        .route("/readyz", get(health::ready))
        .merge(api)
        .layer(tower_http::timeout::TimeoutLayer::with_status_code(
            http::StatusCode::GATEWAY_TIMEOUT,
            Duration::from_secs(REQUEST_SECONDS),
        ));

    Router::new()
        .merge(quick)
        .route("/events", get(events::get))
        .fallback_service(files)
        .layer(axum::middleware::from_fn(lang::of_request))
        .layer(axum::middleware::from_fn(headers::common))
        .with_state(app.clone())
}

/// The files of a folder, which browsers may keep as `kept` says.
fn files(folder: &Path, kept: &'static str) -> Router {
    let served = ServeDir::new(folder)
        .append_index_html_on_directories(false)
        .precompressed_br()
        .precompressed_gzip();
    Router::new()
        .fallback_service(served)
        .layer(SetResponseHeaderLayer::overriding(
            CACHE_CONTROL,
            // A file that is missing now may come with the next version: that answer is not kept.
            move |response: &Response| {
                let there =
                    response.status().is_success() || response.status() == http::StatusCode::NOT_MODIFIED;
                there.then_some(HeaderValue::from_static(kept))
            },
        ))
        .layer(SetResponseHeaderLayer::overriding(
            VARY,
            HeaderValue::from_static("Accept-Encoding"),
        ))
}
