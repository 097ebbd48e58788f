use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use leptos::config::LeptosOptions;
use leptos::nonce::use_nonce;
use leptos::prelude::*;
use leptos::server_fn::error::ServerFnUrlError;
use tandem_types::{ApiError, PaneView, ProbeFault, ProbeStep, ProbeView, Side, Timestamp, UndoView};

use crate::api::Refusal;
use crate::backend::{Backend, OrgPick};
use crate::page::{Estimate, Page, PageData, SettingsPage, Told, Undone, app};
use crate::place::{Part, Place, side_word};
use crate::text::{self, Lang};

/// The address of office.js, in Outlook; by context. Absent in the browser preview.
#[derive(Clone, PartialEq, Eq)]
pub struct OfficeScript(pub Arc<str>);

impl fmt::Debug for OfficeScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OfficeScript").field(&self.0).finish()
    }
}

/// What a page is made of: the view as the backend has it now, and what the query says.
///
/// `query` is the request's raw query. A backend that fails gives the signed-out view with the error told.
pub async fn load(page: Page, backend: &dyn Backend, query: Option<&str>) -> PageData {
    let query = query.unwrap_or_default();
    let value = |name: &str| value(query, name);
    let refused = value("__err").map(|err| {
        // Base64 in a query has its padding escaped.
        let told = ServerFnUrlError::<Refusal>::decode_err(&err.replace("%3D", "=").replace("%3d", "="));
        told.0.error
    });
    let (view, failed) = match backend.pane().await {
        Ok(view) => (view, None),
        Err(error) => (
            nobody(),
            Some(error).filter(|error| *error != ApiError::SignedOut),
        ),
    };
    PageData {
        refused: refused.or(failed),
        activate: value("activate").is_some(),
        told: told(value),
        ..PageData::new(page, view)
    }
}

/// What stands at a place of the settings, and why it could not be had. Nothing for who is signed out.
pub(crate) async fn fetch(
    place: Option<Place>,
    backend: &dyn Backend,
    view: &PaneView,
) -> (Option<Box<SettingsPage>>, Option<ApiError>) {
    let Some(place) = place else {
        return (None, None);
    };
    let mut page = SettingsPage {
        place,
        ..SettingsPage::default()
    };
    let failed = if view.viewer.is_some() {
        fill(&mut page, backend).await.err()
    } else {
        None
    };
    (Some(Box::new(page)), failed)
}

async fn fill(page: &mut SettingsPage, backend: &dyn Backend) -> Result<(), ApiError> {
    let place = &page.place;
    match place.part {
        Part::General => {
            page.settings = Some(backend.settings().await?);
            page.history = Some(backend.history(place.before.clone()).await?);
        }
        Part::Issues => page.issues = Some(backend.issue_page(place.kind, place.code, place.skip).await?),
        Part::Sync | Part::Conflicts | Part::Linking | Part::Blocklist => {
            page.settings = Some(backend.settings().await?);
        }
        Part::Mapping => page.mapping = Some(backend.mapping().await?),
        Part::Organisation => {
            if let Some(user) = &place.user {
                page.org_user = Some(backend.org_user(user.clone()).await?);
            } else {
                let pick = OrgPick {
                    verdict: place.verdict,
                    search: place.search.clone(),
                };
                page.organisation = Some(backend.organisation(pick, place.after.clone()).await?);
            }
        }
        Part::Connectivity | Part::Deactivate => {}
    }
    // The organisation's own page says it in its place, and who allowed it.
    if page.place.part != Part::Organisation {
        page.seen = backend.seen_by_administrators().await?;
    }
    let shown = matches!(
        (&page.organisation, &page.org_user),
        (Some(Ok(_)), _) | (_, Some(Ok(_)))
    );
    page.administrator = shown || backend.seems_administrator().await?;
    Ok(())
}

/// What `api` put into the query for a page without script. Whoever writes a link can write this too: only numbers,
/// days and words of ours are taken.
fn told<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Option<Told> {
    let number = |name| value(name)?.parse().ok();
    let day = |name| {
        let text = value(name)?;
        let is_day = text.len() == 10
            && text.bytes().enumerate().all(|(at, b)| {
                if matches!(at, 4 | 7) {
                    b == b'-'
                } else {
                    b.is_ascii_digit()
                }
            });
        is_day.then(|| text.to_owned())
    };
    if let (Some(from), Some(to), Some(mails)) = (day("from"), day("to"), number("mails")) {
        return Some(Told::Estimate(Estimate { from, to, mails }));
    }
    match value("done") {
        Some("saved") => return Some(Told::Saved),
        Some("reset") => return Some(Told::Reset),
        _ => {}
    }
    if let Some(side) = [Side::Mailbox, Side::Crm]
        .into_iter()
        .find(|side| value("probed") == Some(side_word(*side)))
    {
        let step = value("step").and_then(ProbeStep::parse);
        let fault = value("fault").and_then(ProbeFault::parse);
        let failed = step.zip(fault);
        return Some(Told::Probed(ProbeView { side, failed }));
    }
    let view = UndoView {
        undone: number("undone")?,
        left: Vec::new(),
    };
    let left = number("left")?;
    Some(Told::Undone(Undone { view, left }))
}

/// Signed out.
pub(crate) const fn nobody() -> PaneView {
    PaneView {
        now: Timestamp(0),
        viewer: None,
        connection: None,
        form_token: None,
    }
}

/// Renders a page and answers the request.
///
/// `context` runs in the render: it can provide [`OfficeScript`], and set headers by `leptos_axum::ResponseOptions`
/// (the CSP with [`use_nonce`]). The [`Backend`] is asked once, before.
pub async fn render(
    options: LeptosOptions,
    page: Page,
    backend: Arc<dyn Backend>,
    context: impl Fn() + Clone + Send + Sync + 'static,
    request: Request,
) -> Response<Body> {
    let uri = request.uri();
    let data = load(page, &*backend, uri.query()).await;
    let place = (page == Page::Settings).then(|| Place::parse(uri.path(), uri.query()));
    let (settings, failed) = fetch(place, &*backend, &data.view).await;
    let data = PageData {
        lang: language(uri.query(), request.headers()),
        refused: data.refused.or(failed),
        settings,
        ..data
    };
    let respond =
        leptos_axum::render_app_async_with_context(context, move || shell(options.clone(), data.clone()));
    respond(request).await
}

/// The changing part alone, to be laid over the page that is shown.
pub fn draw(data: &PageData) -> String {
    drawn(data, false)
}

fn drawn(data: &PageData, loaded: bool) -> String {
    text::speaking(data.lang, || app(data, loaded).to_html())
}

/// The language of a request: as it was asked for (`?lang=de`), else Office's own, else the browser's.
pub fn language(query: Option<&str>, headers: &http::HeaderMap) -> Lang {
    let value = |name| value(query.unwrap_or_default(), name);
    let accepted = || {
        let header = headers.get(http::header::ACCEPT_LANGUAGE);
        Lang::accepted(header.and_then(|value| value.to_str().ok()).unwrap_or_default())
    };
    value("lang")
        .and_then(Lang::parse)
        .or_else(|| Lang::of_host_info(&value("_host_Info")?.replace("%24", "$").replace("%7C", "|")))
        .unwrap_or_else(accepted)
}

fn value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')))
}

/// The whole document.
pub fn shell(options: LeptosOptions, data: PageData) -> impl IntoView {
    let nonce = use_nonce().map(|nonce| nonce.to_string());
    let office = use_context::<OfficeScript>().map(|OfficeScript(url)| {
        view! {
            <script src="/office-guard.js" nonce=nonce.clone()></script>
            <script src=url.to_string() nonce=nonce.clone()></script>
            <script src="/office-dialog.js" nonce=nonce.clone()></script>
        }
    });
    let style = stylesheet(&options);
    view! {
        <!DOCTYPE html>
        <html lang=data.lang.as_str()>
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                <meta name="referrer" content="same-origin"/>
                <title>{text::speaking(data.lang, || data.page.title())}</title>
                <link rel="icon" type="image/svg+xml" href="/tandem.svg"/>
                <link rel="stylesheet" href=style/>
                {office}
                <HydrationScripts options=options/>
            </head>
            <body>
                <div id="tandem" inner_html=drawn(&data, true)></div>
            </body>
        </html>
    }
}

/// With the hash of its content in its name where the site is built, so that it can be kept for ever.
fn stylesheet(options: &LeptosOptions) -> String {
    let hash = options
        .hash_files
        .then(|| std::fs::read_to_string(options.hash_file.as_ref()).ok())
        .flatten();
    hash.as_deref()
        .and_then(|lines| lines.lines().find_map(|line| line.trim().strip_prefix("css:")))
        .map_or_else(
            || "/tandem.css".to_owned(),
            |hash| {
                format!(
                    "/{}/{}.{}.css",
                    options.site_pkg_dir,
                    options.output_name,
                    hash.trim()
                )
            },
        )
}
