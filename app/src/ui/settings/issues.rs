use leptos::prelude::*;
use tandem_types::{ConnectionView, IssueCode, IssueCure, IssuePage, ItemKind};

use crate::call::Call;
use crate::page::{PageData, SettingsPage};
use crate::place::{Part, Place};
use crate::text::{self, settings as words};
use crate::ui::issues::{cure_word, issue_row};
use crate::ui::parts::{Look, form_token};

/// So many stand on one page; as the server gives them.
const SHOWN: u32 = 50;

/// All that is not in step: filter, page by page, and one cure for several.
pub(super) fn cards(p: &PageData, c: &ConnectionView, s: &SettingsPage) -> Option<impl IntoView + use<>> {
    let page = s.issues.as_ref()?;
    let filtered = s.place.kind.is_some() || s.place.code.is_some();
    let empty = page.issues.is_empty().then(|| {
        let said = if filtered {
            words::ISSUES_NONE_PICKED.get()
        } else {
            text::ISSUES_EMPTY.get()
        };
        view! { <p class="hint">{said}</p> }
    });
    Some(view! {
        <section class="card" id="issues" aria-labelledby="issues-title">
            <h2 id="issues-title">
                {text::ISSUES_TITLE.get()}
                {(page.total > 0).then(|| view! { <span class="badge">{text::number(page.total)}</span> })}
            </h2>
            {(filtered || c.issues_total > 0).then(|| filter(&s.place).into_any())}
            {empty}
            {bulk(p, page).into_any()}
            <ul class="rows">
                {page.issues.iter().map(|issue| issue_row(p, c, issue).into_any()).collect_view()}
            </ul>
            {pages(&s.place, page)}
        </section>
    })
}

/// A form that only asks for another page.
fn filter(place: &Place) -> impl IntoView + use<> {
    let (kind, code) = (place.kind, place.code);
    view! {
        // Without a word of our script: it would answer with this page.
        <nav class="filter" aria-label=words::FILTER.get()>
            <ul class="chips">
                {chip(place, None, code, words::ALL_KINDS.get().to_owned(), kind.is_none())}
                {ItemKind::ALL
                    .map(|one| chip(place, Some(one), code, words::kinds(one).to_owned(), kind == Some(one)))
                    .into_iter()
                    .collect_view()}
            </ul>
            <details class="more" open=code.is_some()>
                <summary>{words::CAUSE.get()}</summary>
                <ul class="plain">
                    {chip(place, kind, None, words::ALL_CAUSES.get().to_owned(), code.is_none())}
                    {IssueCode::ALL
                        .map(|one| chip(place, kind, Some(one), text::issue(one).to_owned(), code == Some(one)))
                        .into_iter()
                        .collect_view()}
                </ul>
            </details>
        </nav>
    }
}

fn chip(
    place: &Place,
    kind: Option<ItemKind>,
    code: Option<IssueCode>,
    label: String,
    current: bool,
) -> impl IntoView + use<> {
    let place = Place {
        kind,
        code,
        skip: 0,
        ..place.clone()
    };
    view! {
        <li>
            <a href=place.url() aria-current=current.then_some("true")>
                {label}
            </a>
        </li>
    }
}

/// What is done with those that are ticked: the boxes are the rows' titles, so that the list of cures stays one of its own.
fn bulk(p: &PageData, page: &IssuePage) -> Option<impl IntoView + use<>> {
    let can = |cure| {
        page.issues
            .iter()
            .filter(move |issue| issue.cures.contains(&cure))
            .count()
    };
    let (retry, ignore) = (can(IssueCure::Retry), can(IssueCure::Ignore));
    (retry + ignore > 1).then(|| {
        let boxes = page
            .issues
            .iter()
            .filter(|issue| {
                issue.cures.contains(&IssueCure::Retry) || issue.cures.contains(&IssueCure::Ignore)
            })
            .zip(0_u32..)
            .map(|(issue, at)| {
                view! {
                    <li data-key=issue.id.to_string()>
                        <label class="kind">
                            <input
                                type="checkbox"
                                name=format!("issues[{at}]")
                                value=issue.id.to_string()
                                checked
                            />
                            <span>{issue.title.clone()} ": " {text::issue(issue.code)}</span>
                        </label>
                    </li>
                }
            })
            .collect_view();
        let way = |cure| {
            view! {
                <label class="kind">
                    <input type="radio" name="cure" value=cure_word(cure) required/>
                    <span>{text::cure(cure)}</span>
                </label>
            }
        };
        view! {
            <details class="more" id="bulk">
                <summary>{words::BULK.get()}</summary>
                <form class="choose" method="post" action=Call::CureIssues.path()>
                    {form_token(p)}
                    <fieldset class="choices">
                        <legend>{words::BULK_WHICH.get()}</legend>
                        <ul class="stack">{boxes}</ul>
                    </fieldset>
                    <fieldset class="choices">
                        <legend>{words::BULK_WHAT.get()}</legend>
                        {(retry > 0).then(|| way(IssueCure::Retry))}
                        {(ignore > 0).then(|| way(IssueCure::Ignore))}
                    </fieldset>
                    <div class="buttons">
                        <button type="submit" class=Look::Plain.class()>
                            {words::BULK_DO.get()}
                        </button>
                    </div>
                </form>
            </details>
        }
    })
}

fn pages(place: &Place, page: &IssuePage) -> impl IntoView + use<> {
    let link = |skip: u32, label: &'static str| {
        let place = Place {
            skip,
            part: Part::Issues,
            ..place.clone()
        };
        view! { <a href=place.url()>{label}</a> }
    };
    let before = (place.skip > 0).then(|| link(place.skip.saturating_sub(SHOWN), words::BEFORE.get()));
    let after = (place.skip.saturating_add(SHOWN) < page.total)
        .then(|| link(place.skip.saturating_add(SHOWN), words::AFTER.get()));
    view! { <p class="pages">{before} {after}</p> }
}
