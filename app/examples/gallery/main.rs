//! Shows every state of the pane without a server: `cargo run -p tandem-app --features ssr --example gallery -- PORT
//! [SITE]`, then open `/state/<name>`, `/state/<name>/settings` or `/state/<name>/setup`. With the folder of a built
//! site (`hash.txt` beside `pkg/`) the pages hydrate, and clicks move the fake connection from state to state.

mod item;
mod states;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{any, get, post};
use leptos::config::LeptosOptions;
use leptos::nonce::use_nonce;
use leptos::prelude::{provide_context, use_context};
use tandem_app::{
    Backend, Handover, PAGE_HEADER, Page, Part, call_page, handover_page, help_page, language, render, text,
};
use tower_http::services::ServeDir;

#[derive(Clone)]
struct Shown {
    backend: Arc<Mutex<Arc<states::Fake>>>,
    options: LeptosOptions,
    /// Moves whenever another state is shown.
    moved: tokio::sync::watch::Sender<()>,
}

impl Shown {
    fn backend(&self) -> Arc<dyn Backend> {
        self.backend.lock().expect("no panic while locked").clone()
    }

    async fn page(&self, page: Page, request: Request) -> Response<Body> {
        render(self.options.clone(), page, self.backend(), policy, request).await
    }
}

/// As strict as the real server's, so that a violation shows here.
fn policy() {
    let nonce = use_nonce().map(|nonce| nonce.to_string()).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; \
         connect-src 'self'; form-action 'self'; base-uri 'none'"
    );
    if let (Some(response), Ok(policy)) = (
        use_context::<leptos_axum::ResponseOptions>(),
        HeaderValue::from_str(&policy),
    ) {
        response.insert_header(header::CONTENT_SECURITY_POLICY, policy);
    }
}

async fn state(State(shown): State<Shown>, Path(path): Path<String>, request: Request) -> Response<Body> {
    let (name, page) = path.split_once('/').unwrap_or((&path, ""));
    *shown.backend.lock().expect("no panic while locked") = Arc::new(states::Fake::new(name));
    shown.moved.send_replace(());
    // `settings/sync`: a part of the settings.
    let page = Page::parse(page).unwrap_or(Page::Pane);
    shown.page(page, request).await
}

async fn index() -> Html<String> {
    let links = states::NAMES.map(|name| {
        format!(
            "<li>{name}: <a href=\"/state/{name}\">pane</a> <a href=\"/state/{name}/setup\">setup</a> \
             <a href=\"/state/{name}/settings\">settings</a></li>"
        )
    });
    let parts = Part::ALL.map(|part| {
        let part = part.as_str();
        format!("<a href=\"/state/issues/settings/{part}\">{part}</a> ")
    });
    let organisation =
        states::organisation::PAGES.map(|page| format!("<a href=\"/state/{page}\">{page}</a> "));
    Html(format!(
        "<!DOCTYPE html><title>Gallery</title><ul>{}<li>settings: {}</li><li>organisation: {}</li>\
         <li><a href=\"/help\">help</a></li></ul>",
        links.concat(),
        parts.concat(),
        organisation.concat()
    ))
}

async fn call(State(shown): State<Shown>, request: Request) -> Response<Body> {
    let backend = shown.backend();
    let page = request.headers().get(PAGE_HEADER).and_then(|v| v.to_str().ok());
    if let Some(page) = page.and_then(Page::parse) {
        return call_page(page, backend, request).await;
    }
    leptos_axum::handle_server_fns_with_context(move || provide_context(backend.clone()), request)
        .await
        .into_response()
}

async fn help(request: Request) -> Html<String> {
    let lang = language(request.uri().query(), request.headers());
    Html(text::speaking(lang, || {
        help_page("https://tandem.example.com/manifest.xml")
    }))
}

/// Stands in for the whole sign-in.
async fn auth() -> Html<String> {
    Html(handover_page(
        Handover::Salesforce,
        "gallery-code",
        "123456",
        "",
        None,
    ))
}

async fn hand_over(State(shown): State<Shown>) -> Response<Body> {
    *shown.backend.lock().expect("no panic while locked") = Arc::new(states::Fake::new("first-start"));
    let reply = "{\"bearer\":\"gallery\",\"expires_in\":600}";
    ([(header::CONTENT_TYPE, "application/json")], reply).into_response()
}

/// Tells the progress of a session that never moves on, and when another state is shown.
async fn events(State(shown): State<Shown>) -> Response<Body> {
    use futures::StreamExt as _;
    let working = shown
        .backend()
        .pane()
        .await
        .is_ok_and(|view| view.connection.is_some_and(|c| c.progress.is_some()));
    let first = working.then_some(
        "data: {\"event\":\"progress\",\"data\":{\"phase\":\"writing\",\"done\":56,\"total\":120}}\n\n",
    );
    let later = futures::stream::unfold(shown.moved.subscribe(), |mut moved| async move {
        moved.changed().await.ok()?;
        Some(("data: {\"event\":\"changed\"}\n\n", moved))
    });
    let stream = futures::stream::iter(first)
        .chain(later)
        .map(Ok::<_, std::io::Error>);
    (
        [(header::CONTENT_TYPE, "text/event-stream")],
        Body::from_stream(stream),
    )
        .into_response()
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    // A second initialisation is the only error, and there is none here.
    let _ = any_spawner::Executor::init_tokio();
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().and_then(|port| port.parse().ok()).unwrap_or(0);
    let site = arguments
        .next()
        .map_or_else(|| PathBuf::from("target/site"), PathBuf::from);
    let options = LeptosOptions::builder()
        .output_name("pane")
        .site_root(site.to_string_lossy())
        .hash_files(site.join("hash.txt").is_file())
        .hash_file(
            std::path::absolute(site.join("hash.txt"))?
                .to_string_lossy()
                .into(),
        )
        .build();
    let shown = Shown {
        backend: Arc::new(Mutex::new(Arc::new(states::Fake::new("in-step")))),
        options,
        moved: tokio::sync::watch::Sender::new(()),
    };
    let page = |page| {
        get(
            move |State(shown): State<Shown>, request: Request| async move { shown.page(page, request).await },
        )
    };
    let router = Router::new()
        .route("/", page(Page::Pane))
        .route("/setup", page(Page::Setup))
        .route("/settings", page(Page::Settings))
        .route("/gallery", get(index))
        .route("/help", get(help))
        .route("/state/{*path}", get(state))
        .route("/api/handover", post(hand_over))
        .route("/api/{*name}", any(call))
        .route("/auth/start", get(auth))
        .route("/events", get(events))
        .nest_service("/pkg", ServeDir::new(site.join("pkg")))
        .fallback_service(ServeDir::new("public"))
        .with_state(shown);
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("http://{}/gallery", listener.local_addr()?);
    axum::serve(listener, router).await
}
