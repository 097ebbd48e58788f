//! HTTP: one file per route, and what every route shares.

mod api;
mod auth;
mod backend;
mod events;
mod guard;
mod headers;
mod health;
mod manifest;
mod pages;
mod session;

use std::time::Duration;

use axum::Router;
use axum::routing::{any, get, post};
use http::header::{CACHE_CONTROL, HeaderValue, VARY};
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

pub use crate::app::App;

/// A request that takes longer than this is ended; streams of events are not counted.
const REQUEST_SECONDS: u64 = 90;

/// All routes.
pub fn router(app: &App) -> Router {
    // Names that carry a hash never change their content; the rest is asked for again.
    let hashed = ServeDir::new(app.config.site_root.join("pkg")).precompressed_br().precompressed_gzip();
    let public = ServeDir::new(&app.config.site_root).precompressed_br().precompressed_gzip();
    let files = Router::new()
        .nest_service(
            "/pkg",
            tower::ServiceBuilder::new()
                .layer(SetResponseHeaderLayer::overriding(
                    CACHE_CONTROL,
                    HeaderValue::from_static("public, max-age=31536000, immutable"),
                ))
                .service(hashed),
        )
        .fallback_service(
            tower::ServiceBuilder::new()
                .layer(SetResponseHeaderLayer::overriding(
                    CACHE_CONTROL,
                    HeaderValue::from_static("public, max-age=3600"),
                ))
                .service(public),
        )
        .layer(SetResponseHeaderLayer::overriding(VARY, HeaderValue::from_static("Accept-Encoding")));

    let api = Router::new()
        .route("/api/handover", post(auth::handover::post))
        .route("/api/renew", post(auth::renew::post))
        .route("/api/{*function}", any(api::any))
        .layer(axum::middleware::from_fn_with_state(app.clone(), guard::own_pages_only));

    let quick = Router::new()
        .route("/", get(pages::pane))
        .route("/setup", get(pages::setup))
        .route("/settings", get(pages::settings))
        .route("/auth/start", get(auth::start::get))
        .route("/auth/callback", get(auth::callback::get))
        .route("/manifest.xml", get(manifest::get))
        .route("/healthz", get(health::get))
        .merge(api)
        .layer(tower_http::timeout::TimeoutLayer::with_status_code(
            http::StatusCode::GATEWAY_TIMEOUT,
            Duration::from_secs(REQUEST_SECONDS),
        ));

    Router::new()
        .merge(quick)
        .route("/events", get(events::get))
        .fallback_service(files)
        .layer(axum::middleware::from_fn(headers::common))
        .with_state(app.clone())
}
