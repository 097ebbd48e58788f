//! The panel of the item that is open in Outlook: how it stands with it, and who takes part.
//!
//! The panel is only drawn where the page knows of an item; a page that does not leaves it as it is. What was answered
//! to one click (a search, a form that was filled in, what stands behind *More*) stays beside it until the next answer
//! to such a click (`data-stays`). The field `item` of the forms is the script's: without it Outlook says of no item.

mod people;
mod records;
mod save;
mod state;

use leptos::either::Either;
use leptos::prelude::*;
use tandem_types::{ItemTrouble, ItemView, RecordRef};

use super::parts::{close, form_token};
use crate::call::Call;
use crate::page::PageData;
use crate::text::{self, item as words};

/// The panel, under the header of the pane.
pub(crate) fn item_panel(p: &PageData) -> impl IntoView + use<> {
    view! {
        <section id="item" data-stays="" aria-label=words::PANEL.get()>
            {p.item.as_ref().map(|view| panel(p, view))}
        </section>
    }
}

fn panel(p: &PageData, view: &ItemView) -> impl IntoView + use<> {
    view! {
        <div id="item-held" class="bar attention" role="status" hidden>
            <p>{words::held(words::subject(&view.item.subject))}</p>
            <button type="button" class="button subtle" data-decides="show">
                {words::HELD_SHOW.get()}
            </button>
        </div>
        {told(p, view)}
        {state::card(p, view)}
        {people::list(p, view)}
        {(!view.whole && view.trouble.is_none()).then(|| rest(p))}
    }
}

/// Asks for the rest as soon as the page is painted.
fn rest(p: &PageData) -> impl IntoView + use<> {
    view! {
        <form id="item-rest" class="card" method="post" action=Call::ItemWhole.path() data-loads="">
            {form_token(p)}
            <p class="hint" role="status">{words::LOADING.get()}</p>
            <div class="shimmer" aria-hidden="true"><i></i><i></i><i></i></div>
            <button type="submit" class="button subtle">{words::LOAD.get()}</button>
        </form>
    }
}

/// What was done, and what was not.
fn told(p: &PageData, view: &ItemView) -> impl IntoView + use<> {
    let trouble = view.trouble.as_ref().map(|trouble| {
        let again = matches!(trouble, ItemTrouble::SalesforceSlow | ItemTrouble::MailboxSlow).then(|| {
            view! {
                <form method="post" action=Call::ItemWhole.path()>
                    {form_token(p)}
                    <button type="submit" class="button subtle">{words::LOAD.get()}</button>
                </form>
            }
        });
        let tone = if matches!(trouble, ItemTrouble::Busy) {
            "bar"
        } else {
            "bar attention"
        };
        view! {
            <div class=tone>
                <p>{words::trouble(trouble)}</p>
                <div class="buttons">{again} {close()}</div>
            </div>
        }
    });
    let created = view.created.as_ref().map(|created| {
        view! {
            <div class="bar">
                <p>{words::created(&created.object, &created.name)}</p>
                <div class="buttons">{open(created)} {close()}</div>
            </div>
        }
    });
    view! {
        <div id="item-told" role="status" data-stays="">
            {trouble}
            {created}
        </div>
    }
}

/// Whatever else it is, it would not be the organisation's page.
fn address(rec: &RecordRef) -> Option<String> {
    Some(rec.url.clone()).filter(|url| url.starts_with("https://"))
}

fn link_name(rec: &RecordRef) -> String {
    let name = words::named(words::OPEN.get(), &rec.name);
    format!("{name}, {}", text::OPENS_IN_TAB.get())
}

/// *Open in Salesforce*.
pub(super) fn open(rec: &RecordRef) -> Option<impl IntoView + use<>> {
    let name = link_name(rec);
    address(rec).map(|url| {
        view! {
            <a class="button subtle" href=url target="_blank" rel="noopener" aria-label=name>
                {words::OPEN.get()}
                <span class="away" aria-hidden="true">"↗"</span>
            </a>
        }
    })
}

/// The record's name, as the link to it.
pub(super) fn link(rec: &RecordRef) -> impl IntoView + use<> {
    let label = link_name(rec);
    let name = rec.name.clone();
    match address(rec) {
        Some(url) => Either::Left(view! {
            <a class="to" href=url target="_blank" rel="noopener" aria-label=label title=words::OPEN.get()>
                {name}
                <span class="away" aria-hidden="true">" ↗"</span>
            </a>
        }),
        None => Either::Right(name),
    }
}

/// Asks what is to become of what was typed, when Outlook shows another item.
pub(crate) fn changed_dialog() -> impl IntoView {
    let button = |look: &'static str, decides: &'static str, label: &'static str| {
        view! {
            <button type="button" class=look data-decides=decides>
                {label}
            </button>
        }
    };
    view! {
        <dialog id="item-changed" aria-labelledby="item-changed-title" aria-describedby="item-changed-lead">
            <h2 id="item-changed-title">{words::CHANGED_TITLE.get()}</h2>
            <p id="item-changed-lead">{words::CHANGED_LEAD.get()}</p>
            <div class="buttons">
                {button("button primary", "save", words::CHANGED_SAVE.get())}
                {button("button", "discard", words::CHANGED_DISCARD.get())}
                <button type="button" class="button" data-closes="">
                    {words::CHANGED_STAY.get()}
                </button>
            </div>
        </dialog>
    }
}
