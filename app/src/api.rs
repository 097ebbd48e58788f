//! The server functions: what the browser may call, each handed to the request's [`Backend`](crate::Backend).
//!
//! They take plain forms (`application/x-www-form-urlencoded`) and answer JSON; a form that a browser without wasm
//! posts is answered by a redirect back, with the error in the query; our own script is answered by the page as it is
//! afterwards ([`call_page`]). The field `form_token` is checked by the server before a function is reached, and ignored
//! here.

mod item;
mod organisation;
mod settings;

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use leptos::prelude::*;
use leptos::server_fn::codec::JsonEncoding;
use leptos::server_fn::error::{FromServerFnError, ServerFnErrorErr};
use serde::{Deserialize, Serialize};
use tandem_types::{
    ActivateExchange, ActivationFailure, ApiError, ConnectOffice, IssueCure, IssueId, ItemView, OfficeAnswer,
    PaneView, Refused, SessionId, Ticket, UndoView,
};

use crate::backend::{Backend, backend};
use crate::call::{Call, form};
use crate::page::{Estimate, OtherMailbox, Page, PageData, Told, Undone};
use crate::place::{Part, Place};
use crate::shell::{draw, fetch, language, nobody};

/// Names the page ([`Page::as_str`]) that our script wants as the answer; in the answer, the page that it is.
pub const PAGE_HEADER: HeaderName = HeaderName::from_static("tandem-page");

/// [`Refused`] as the error of a server function; the same JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Refusal(pub Refused);

impl FromServerFnError for Refusal {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        let error = match error {
            // A form that our own page did not write.
            ServerFnErrorErr::Args(_)
            | ServerFnErrorErr::MissingArg(_)
            | ServerFnErrorErr::Deserialization(_) => ApiError::Forbidden,
            _ => ApiError::Unavailable,
        };
        Self(error.into())
    }
}

type Answer<T> = Result<T, Refusal>;

/// A browser without script has sent it, and wants a page.
fn plain_form() -> bool {
    use_context::<http::request::Parts>().is_some_and(|parts| {
        let accept = parts.headers.get(http::header::ACCEPT);
        accept
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.contains("text/html"))
    })
}

/// Leads a plain form to the place of the settings page that says the answer.
fn tell<'a>(part: Part, fields: impl IntoIterator<Item = (&'a str, &'a str)>, place: &str) {
    if plain_form() {
        let page = Place::of(part).url();
        leptos_axum::redirect(&format!("{page}?{}#{place}", form(fields)));
    }
}

/// What the function that was called had to say, for the page that answers it.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Option<Saying>>>);

enum Saying {
    View(Box<PaneView>),
    Told(Told),
    Item(Box<ItemView>),
    Refused(Refused),
}

fn say(saying: impl FnOnce() -> Saying) {
    if let Some(Said(said)) = use_context::<Said>()
        && let Ok(mut said) = said.lock()
    {
        *said = Some(saying());
    }
}

/// Calls a function, and draws `page` as it is afterwards: with what was told, or refused.
///
/// The status is the function's: 401 signed out, 403 a request that no page of ours makes, 409 not now, 422 a wrong
/// field, 429 too often, 503 unavailable. A call that has no page (a ticket) is answered as ever.
pub async fn call_page(page: Page, backend: Arc<dyn Backend>, request: Request) -> Response<Body> {
    let by = Call::of(request.uri().path()).filter(|call| *call != Call::Ticket);
    let place = settings_place(page, request.headers());
    let lang = language(None, request.headers());
    let said = Said::default();
    let context = {
        let (backend, said) = (backend.clone(), said.clone());
        move || {
            provide_context(backend.clone());
            provide_context(said.clone());
        }
    };
    let response = leptos_axum::handle_server_fns_with_context(context, request)
        .await
        .into_response();
    let Some(by) = by else {
        return response;
    };
    let saying = said.0.lock().ok().and_then(|mut said| said.take());
    let (mut view, mut told, mut item, mut refused) = (None, None, None, None);
    match saying {
        Some(Saying::View(said)) => view = Some(*said),
        Some(Saying::Told(said)) => told = Some(said),
        Some(Saying::Item(said)) => item = Some(*said),
        Some(Saying::Refused(said)) => refused = Some(said),
        // The form was not understood.
        None => refused = Some(ApiError::Forbidden.into()),
    }
    let view = match view {
        Some(view) => view,
        None => backend.pane().await.unwrap_or_else(|_| nobody()),
    };
    let (refused, search) = match refused {
        Some(Refused { error, search }) => (Some(error), search),
        None => (None, Vec::new()),
    };
    let (settings, failed) = fetch(place, &*backend, &view).await;
    let html = draw(&PageData {
        refused: refused.or(failed),
        settings,
        search,
        lang,
        by: Some(by),
        told,
        item,
        ..PageData::new(page, view)
    });
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    let html_type = HeaderValue::from_static("text/html; charset=utf-8");
    parts.headers.insert(CONTENT_TYPE, html_type);
    parts
        .headers
        .insert(PAGE_HEADER, HeaderValue::from_static(page.as_str()));
    Response::from_parts(parts, Body::from(html))
}

/// Where in the settings the page is that our script stands in.
fn settings_place(page: Page, headers: &http::HeaderMap) -> Option<Place> {
    let word = headers.get(PAGE_HEADER).and_then(|value| value.to_str().ok());
    (page == Page::Settings).then(|| word.map(Place::of_word).unwrap_or_default())
}

/// As [`answer`], where nothing else is to be said.
fn refuse<T>(error: ApiError) -> Answer<T> {
    answer(Err(error))
}

/// As [`answer`], where the page is the answer.
fn view(result: Result<PaneView, impl Into<Refused>>) -> Answer<PaneView> {
    if let Ok(view) = &result {
        say(|| Saying::View(Box::new(view.clone())));
    }
    answer(result)
}

/// Gives an error its HTTP status, unless a plain form is to be redirected.
fn answer<T>(result: Result<T, impl Into<Refused>>) -> Answer<T> {
    result.map_err(|refused| {
        let mut refused = refused.into();
        say(|| Saying::Refused(refused.clone()));
        if plain_form() {
            // It would travel in the query, which anybody can write.
            refused.search = Vec::new();
        } else if let Some(response) = use_context::<leptos_axum::ResponseOptions>() {
            response.set_status(status(refused.error));
        }
        Refusal(refused)
    })
}

const fn status(error: ApiError) -> http::StatusCode {
    match error {
        ApiError::SignedOut => http::StatusCode::UNAUTHORIZED,
        ApiError::Forbidden | ApiError::NotAdministrator => http::StatusCode::FORBIDDEN,
        ApiError::Invalid(_) | ApiError::Activation(_) => http::StatusCode::UNPROCESSABLE_ENTITY,
        ApiError::WrongState => http::StatusCode::CONFLICT,
        ApiError::TooOften(_) => http::StatusCode::TOO_MANY_REQUESTS,
        ApiError::Unavailable => http::StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[server(prefix = "/api", endpoint = "pane")]
async fn pane() -> Answer<PaneView> {
    view(backend().pane().await)
}

#[server(prefix = "/api", endpoint = "connect_exchange")]
async fn connect_exchange(
    login: String,
    password: String,
    #[server(default)] ews_url: String,
) -> Answer<PaneView> {
    view(
        backend()
            .connect_exchange(ActivateExchange {
                login,
                password,
                ews_url,
            })
            .await,
    )
}

#[server(name = ConnectOfficeMailbox, prefix = "/api", endpoint = "connect_office")]
async fn connect_office(
    code: String,
    nonce: String,
    #[server(default)] outlook: String,
    #[server(default)] confirmed: Option<String>,
) -> Answer<OfficeAnswer> {
    let form = ConnectOffice {
        code,
        nonce,
        outlook,
        // A box that is not ticked is not sent.
        confirmed: confirmed.is_some_and(|text| !text.is_empty()),
    };
    let code = form.code.clone();
    let answered = answer(backend().connect_office(form).await)?;
    say(|| match &answered {
        OfficeAnswer::Connected(view) => Saying::View(view.clone()),
        OfficeAnswer::OtherMailbox { account, expected } => Saying::Told(Told::OtherMailbox(OtherMailbox {
            account: account.clone(),
            expected: expected.clone(),
            code,
        })),
    });
    if plain_form() && matches!(answered, OfficeAnswer::OtherMailbox { .. }) {
        // A page without script has a box for it, and no addresses in its own.
        return Err(Refusal(
            ApiError::Activation(ActivationFailure::OtherAccount).into(),
        ));
    }
    Ok(answered)
}

#[server(prefix = "/api", endpoint = "skip_activation")]
async fn skip_activation() -> Answer<PaneView> {
    view(backend().skip_activation().await)
}

#[server(prefix = "/api", endpoint = "release")]
async fn release() -> Answer<PaneView> {
    view(backend().release().await)
}

#[server(prefix = "/api", endpoint = "hold")]
async fn hold() -> Answer<PaneView> {
    view(backend().hold().await)
}

#[server(prefix = "/api", endpoint = "sync_now")]
async fn sync_now() -> Answer<PaneView> {
    view(backend().sync_now().await)
}

#[server(prefix = "/api", endpoint = "pause")]
async fn pause() -> Answer<PaneView> {
    view(backend().pause().await)
}

#[server(prefix = "/api", endpoint = "start")]
async fn start() -> Answer<PaneView> {
    view(backend().start().await)
}

#[server(prefix = "/api", endpoint = "deactivate")]
async fn deactivate(#[server(default)] remove_items: Option<String>) -> Answer<PaneView> {
    // A box that is not ticked is not sent.
    let remove_items = remove_items.is_some_and(|ticked| !ticked.is_empty());
    view(backend().deactivate(remove_items).await)
}

#[server(prefix = "/api", endpoint = "keep_sync")]
async fn keep_sync() -> Answer<PaneView> {
    view(backend().keep_sync().await)
}

#[server(name = CureIssue, prefix = "/api", endpoint = "cure")]
async fn cure(
    issue: IssueId,
    cure: IssueCure,
    #[server(default)] choice: Option<String>,
) -> Answer<PaneView> {
    // A plain form sends what was not chosen as an empty field.
    let choice = choice.filter(|choice| !choice.is_empty());
    view(backend().cure(issue, cure, choice).await)
}

#[server(prefix = "/api", endpoint = "undo_session")]
async fn undo_session(session: SessionId) -> Answer<UndoView> {
    let undone = answer(backend().undo_session(session).await)?;
    say(|| {
        Saying::Told(Told::Undone(Undone {
            left: u32::try_from(undone.left.len()).unwrap_or(u32::MAX),
            view: undone.clone(),
        }))
    });
    let (done, left) = (undone.undone.to_string(), undone.left.len().to_string());
    tell(
        Part::General,
        [("undone", done.as_str()), ("left", left.as_str())],
        "sessions",
    );
    Ok(undone)
}

#[server(prefix = "/api", endpoint = "estimate_backfill")]
async fn estimate_backfill(from: String, to: String) -> Answer<u32> {
    let mails = answer(backend().estimate_backfill(from.clone(), to.clone()).await)?;
    say(|| {
        Saying::Told(Told::Estimate(Estimate {
            from: from.trim().to_owned(),
            to: to.trim().to_owned(),
            mails,
        }))
    });
    let days = [("from", from.trim()), ("to", to.trim())];
    tell(
        Part::Sync,
        days.into_iter().chain([("mails", mails.to_string().as_str())]),
        "backfill",
    );
    Ok(mails)
}

#[server(prefix = "/api", endpoint = "start_backfill")]
async fn start_backfill(from: String, to: String) -> Answer<PaneView> {
    view(backend().start_backfill(from, to).await)
}

#[server(prefix = "/api", endpoint = "cancel_backfill")]
async fn cancel_backfill() -> Answer<PaneView> {
    view(backend().cancel_backfill().await)
}

#[server(prefix = "/api", endpoint = "sign_out")]
async fn sign_out() -> Answer<PaneView> {
    view(backend().sign_out().await)
}

#[server(name = IssueTicket, prefix = "/api", endpoint = "ticket")]
async fn ticket() -> Answer<Ticket> {
    answer(backend().ticket().await)
}
