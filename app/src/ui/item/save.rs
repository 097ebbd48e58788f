//! *Save*: with whom, about what, and which attachments. One click saves it as the linker would.

use leptos::either::Either;
use leptos::prelude::*;
use tandem_types::{Found, ItemKind, ItemView, LinkTo, OpenAttachment, RecordView};

use super::super::parts::{Look, form_token};
use crate::call::Call;
use crate::page::PageData;
use crate::text::item as words;

/// What the button is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    First,
    Now,
    AllTheSame,
    WhenSent,
    /// Takes that back.
    NotWhenSent,
    /// Saved already: with other links.
    Again,
}

impl Offer {
    fn label(self) -> &'static str {
        match self {
            Self::First => words::SAVE.get(),
            Self::Now => words::SAVE_NOW.get(),
            Self::AllTheSame => words::SAVE_ALL_THE_SAME.get(),
            Self::WhenSent => words::SAVE_WHEN_SENT.get(),
            Self::NotWhenSent => words::DO_NOT_SAVE.get(),
            Self::Again => words::SAVE_CHANGES.get(),
        }
    }
}

/// Where *Save* stands; empty where it is not offered. Not said while the links are not known: then it stays.
pub(super) fn save(p: &PageData, view: &ItemView, offer: Option<Offer>) -> impl IntoView + use<> {
    let form = match offer {
        Some(Offer::WhenSent) => Some(Either::Left(mark(p, Offer::WhenSent, "addAsync"))),
        Some(Offer::NotWhenSent) => Some(Either::Left(mark(p, Offer::NotWhenSent, "removeAsync"))),
        Some(offer) if view.whole => Some(Either::Right(form(p, view, offer))),
        _ => None,
    };
    let gone = (view.whole && form.is_none()).then(|| view! { <span hidden></span> });
    view! {
        <div id="item-save" data-stays="">
            {form}
            {gone}
        </div>
    }
}

/// A draft is no item of the sync's: Outlook marks it, and what is sent is saved for its mark.
fn mark(p: &PageData, offer: Offer, method: &'static str) -> impl IntoView + use<> {
    let look = if offer == Offer::WhenSent {
        Look::Primary
    } else {
        Look::Plain
    };
    view! {
        <form
            id="mark-form"
            method="post"
            action=Call::ItemWhole.path()
            data-marks=method
            data-unmarked=words::UNMARKED.get()
        >
            {form_token(p)}
            <button type="submit" class=look.class()>{offer.label()}</button>
        </form>
    }
}

fn form(p: &PageData, view: &ItemView, offer: Offer) -> impl IntoView + use<> {
    let button = |look: Look| {
        view! {
            <button type="submit" form="save-form" class=look.class() data-doing=words::SAVE_DOING.get()>
                {offer.label()}
            </button>
        }
    };
    // One click saves it; who chooses first finds the button where the choices end.
    let again = offer == Offer::Again;
    let at_once =
        (!again).then(|| view! { <div class="buttons" id="save-at-once">{button(Look::Primary)}</div> });
    let later =
        view! { <div class="buttons">{button(if again { Look::Plain } else { Look::Primary })}</div> };
    let thread = (view.item.kind == ItemKind::Email).then(|| {
        view! {
            <label class="tick">
                <input type="checkbox" name="thread" value="1" checked=view.chosen.thread/>
                <span>{words::THREAD.get()}</span>
            </label>
        }
    });
    view! {
        {at_once}
        {search_form(p, "find-who", "who")}
        {search_form(p, "find-what", "what")}
        <form
            id="save-form"
            method="post"
            action=Call::SaveItem.path()
            data-edits=""
        >
            {form_token(p)}
            <details class="more" id="save-links" open=view.found.is_some()>
                <summary>{summary(view, offer)}</summary>
                <div class="stack">
                    {who(view)}
                    {what(view)}
                    {attachments(view)}
                    {thread}
                    {later}
                </div>
            </details>
        </form>
    }
}

/// Whom and what it is saved with, in a few words.
fn summary(view: &ItemView, offer: Offer) -> String {
    let links = &view.chosen;
    let names: Vec<&str> = links
        .who
        .iter()
        .chain(&links.what)
        .map(|record| record.rec.name.as_str())
        .collect();
    let names = if names.is_empty() {
        words::LINKS_NONE.get().to_owned()
    } else {
        names.join(", ")
    };
    let label = if offer == Offer::Again {
        words::LINKS_SAVED
    } else {
        words::LINKS
    };
    words::named(label.get(), &names)
}

/// Its fields stand in the form of *Save*; a form cannot stand in another.
fn search_form(p: &PageData, id: &'static str, to: &'static str) -> impl IntoView + use<> {
    view! {
        <form id=id method="post" action=Call::ItemSearch.path()>
            {form_token(p)}
            <input type="hidden" name="to" value=to/>
        </form>
    }
}

/// What the records have in common, each once, in order.
fn once<'a>(records: impl IntoIterator<Item = &'a RecordView>) -> Vec<&'a RecordView> {
    let mut all: Vec<&RecordView> = Vec::new();
    for record in records {
        if !all.iter().any(|one| one.rec.id == record.rec.id) {
            all.push(record);
        }
    }
    all
}

fn who(view: &ItemView) -> impl IntoView + use<> {
    let people = view.people.iter().flat_map(|person| &person.records);
    let all = once(view.chosen.who.iter().chain(people));
    let rows = all.iter().map(|record| {
        let on = view.chosen.who.iter().any(|who| who.rec.id == record.rec.id);
        pick(record, "checkbox", "who[]", on)
    });
    view! {
        <fieldset class="choices">
            <legend>{words::WHO.get()}</legend>
            <ul class="picks" data-keeps="">{rows.collect_view()}</ul>
            {found(view, LinkTo::Who, &all)}
            {search_box(LinkTo::Who, view.found.as_ref())}
        </fieldset>
    }
}

fn what(view: &ItemView) -> impl IntoView + use<> {
    let known = view.people.iter().flat_map(|person| {
        let account = person.account.iter();
        account.chain(&person.opportunities).chain(&person.cases)
    });
    let all = once(view.chosen.what.iter().chain(known));
    let chosen = view.chosen.what.as_ref().map(|what| what.rec.id.as_str());
    let rows = all
        .iter()
        .map(|record| pick(record, "radio", "what", chosen == Some(record.rec.id.as_str())));
    view! {
        <fieldset class="choices">
            <legend>{words::WHAT.get()}</legend>
            <ul class="picks" data-keeps="">
                <li data-key="nothing">
                    <label class="tick">
                        <input type="radio" name="what" value="" checked=chosen.is_none()/>
                        <span>{words::NOTHING.get()}</span>
                    </label>
                </li>
                {rows.collect_view()}
            </ul>
            {found(view, LinkTo::What, &all)}
            {search_box(LinkTo::What, view.found.as_ref())}
        </fieldset>
    }
}

/// A record that can be chosen.
fn pick(record: &RecordView, kind: &'static str, name: &'static str, on: bool) -> impl IntoView + use<> {
    let line = [words::object(&record.rec.object), record.line.as_str()];
    let line = line
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>();
    view! {
        <li data-key=record.rec.id.clone()>
            <label class="tick">
                <input type=kind name=name value=record.rec.id.clone() checked=on/>
                <span>
                    {record.rec.name.clone()}
                    <span class="hint">{line.join(" · ")}</span>
                </span>
            </label>
        </li>
    }
}

const fn place(to: LinkTo) -> (&'static str, &'static str, &'static str) {
    match to {
        LinkTo::Who => ("find-who", "found-who", "query-who"),
        LinkTo::What => ("find-what", "found-what", "query-what"),
    }
}

/// What a search found, as far as it is not offered already. It stays until the next search; what is ticked in it stays
/// until it is saved.
fn found(view: &ItemView, to: LinkTo, offered: &[&RecordView]) -> impl IntoView + use<> {
    let answer = view.found.as_ref().filter(|found| found.to == to);
    let said = answer.map(|found| {
        let (kind, name) = match to {
            LinkTo::Who => ("checkbox", "who[]"),
            LinkTo::What => ("radio", "what"),
        };
        let new = found
            .records
            .iter()
            .filter(|record| !offered.iter().any(|one| one.rec.id == record.rec.id))
            .map(|record| pick(record, kind, name, false));
        let words = if found.records.is_empty() {
            Some(words::found_nothing(&found.query))
        } else {
            found.more.then(|| words::FOUND_MORE.get().to_owned())
        };
        view! {
            {new.collect_view()}
            <li data-key="told" class="hint">{words}</li>
        }
    });
    // Saved: what was found and chosen is offered above now.
    let over = (answer.is_none() && view.chosen.by_user).then(|| view! { <li hidden></li> });
    view! {
        <ul class="picks" id=place(to).1 aria-live="polite" data-stays="" data-keeps="">
            {said}
            {over}
        </ul>
    }
}

fn search_box(to: LinkTo, found: Option<&Found>) -> impl IntoView + use<> {
    let (form, _, id) = place(to);
    let query = found
        .filter(|found| found.to == to)
        .map(|found| found.query.clone());
    view! {
        <div class="row">
            <input
                id=id
                form=form
                name="query"
                type="search"
                value=query
                aria-label=words::search_label(to)
                placeholder=words::SEARCH_HINT.get()
                autocomplete="off"
                maxlength="100"
                required
            />
            <button type="submit" form=form class="button" aria-label=words::search_label(to)>
                {words::SEARCH.get()}
            </button>
        </div>
    }
}

fn attachments(view: &ItemView) -> Option<impl IntoView + use<>> {
    // Pictures of the text belong to it.
    let (inside, files): (Vec<_>, Vec<_>) = view.item.attachments.iter().partition(|file| file.inline);
    let row = |file: &OpenAttachment| {
        let on = !view.chosen.without.contains(&file.id);
        view! {
            <li data-key=file.id.clone()>
                <label class="tick">
                    <input type="checkbox" name="attachments[]" value=file.id.clone() checked=on/>
                    <span>
                        {file.name.clone()}
                        <span class="hint">{words::size(file.size)}</span>
                    </span>
                </label>
            </li>
        }
    };
    let rows: Vec<_> = files.into_iter().map(row).collect();
    let inside: Vec<_> = inside
        .into_iter()
        .map(|file| view! { <input type="hidden" name="attachments[]" value=file.id.clone()/> })
        .collect();
    (!rows.is_empty() || !inside.is_empty()).then(|| {
        let shown = (!rows.is_empty()).then(|| {
            view! {
                <legend>{words::ATTACHMENTS.get()}</legend>
                <ul class="picks">{rows}</ul>
            }
        });
        view! {
            <fieldset class="choices">
                {inside}
                {shown}
            </fieldset>
        }
    })
}
