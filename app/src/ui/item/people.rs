//! Who takes part, as cards.

use leptos::either::Either;
use leptos::prelude::*;
use tandem_types::{ItemView, OpenMode, PersonDraft, PersonKind, PersonView, RecordView};

use super::super::parts::{Look, act, form_token};
use super::{link, records};
use crate::call::Call;
use crate::page::PageData;
use crate::text::{self, item as words};

/// Not said while they are not known: then those that are shown stay.
pub(super) fn list(p: &PageData, view: &ItemView) -> impl IntoView + use<> {
    let (inside, outside): (Vec<_>, Vec<_>) = view.people.iter().partition(|person| person.internal);
    let nobody = (view.whole && view.people.is_empty()).then(|| {
        let words = if view.item.mode == OpenMode::Compose {
            words::PEOPLE_NONE_YET
        } else {
            words::PEOPLE_NONE
        };
        view! { <p class="hint quiet">{words.get()}</p> }
    });
    let outside: Vec<_> = outside.into_iter().map(|one| card(p, view, one)).collect();
    let inside: Vec<_> = inside.into_iter().map(|one| card(p, view, one)).collect();
    let inside = (!inside.is_empty()).then(|| {
        view! {
            <details class="more" id="item-inside">
                <summary>{words::INTERNAL_MORE.get()} " (" {inside.len().to_string()} ")"</summary>
                <div class="stack">{inside}</div>
            </details>
        }
    });
    view! {
        <div id="item-people" class="stack" data-stays="">
            {(!outside.is_empty()).then(|| view! { <h2 class="unseen">{words::PEOPLE.get()}</h2> })}
            {outside}
            {inside}
            {nobody}
        </div>
    }
}

/// What the person is called.
fn name(person: &PersonView) -> &str {
    match person.person.name.trim() {
        "" => &person.person.address,
        name => name,
    }
}

fn card(p: &PageData, view: &ItemView, person: &PersonView) -> impl IntoView + use<> {
    let address = person.person.address.clone();
    let hint = [
        words::role(person.person.role).get(),
        if person.internal {
            words::INTERNAL.get()
        } else {
            ""
        },
    ];
    let hint: Vec<_> = hint.into_iter().filter(|part| !part.is_empty()).collect();
    let under = (name(person) != address).then(|| view! { <p class="hint">{address.clone()}</p> });
    let known = !person.records.is_empty();
    let absent = (!known && !person.internal).then(|| absent(p, person));
    view! {
        <article class="card person" data-key=format!("person {address}") tabindex="-1" aria-label=name(person).to_owned()>
            <div class="line">
                <h3>{name(person).to_owned()}</h3>
                <span class="hint">{hint.join(" · ")}</span>
            </div>
            {under}
            {blocked(p, person)}
            {absent}
            {draft(p, view, person)}
            {person.records.iter().map(|record| records::record(p, view, record)).collect_view()}
            {person.account.as_ref().map(|account| records::record(p, view, account))}
            {related(words::OPPORTUNITIES.get(), &person.opportunities)}
            {related(words::CASES.get(), &person.cases)}
            {block(p, person)}
        </article>
    }
}

/// A list of records in a line each.
pub(super) fn related(title: &'static str, all: &[RecordView]) -> Option<impl IntoView + use<>> {
    (!all.is_empty()).then(|| {
        let rows = all.iter().map(|record| {
            view! {
                <li data-key=record.rec.id.clone()>
                    {link(&record.rec)}
                    <span class="hint">{record.line.clone()}</span>
                </li>
            }
        });
        view! {
            <div class="related">
                <h4>{title}</h4>
                <ul class="records">{rows.collect_view()}</ul>
            </div>
        }
    })
}

fn absent(p: &PageData, person: &PersonView) -> impl IntoView + use<> {
    let button = |kind| draft_button(p, person, kind);
    view! {
        <p class="hint">{words::NOT_THERE.get()}</p>
        <div class="buttons">{button(PersonKind::Contact)} {button(PersonKind::Lead)}</div>
    }
}

const fn kind_word(kind: PersonKind) -> &'static str {
    match kind {
        PersonKind::Lead => "lead",
        PersonKind::Contact => "contact",
    }
}

/// Opens the form, filled in from the signature, which the script sends along.
fn draft_button(p: &PageData, person: &PersonView, kind: PersonKind) -> impl IntoView + use<> {
    view! {
        <form method="post" action=Call::DraftPerson.path() data-text="">
            {form_token(p)}
            <input type="hidden" name="address" value=person.person.address.clone()/>
            <input type="hidden" name="kind" value=kind_word(kind)/>
            <button type="submit" class="button" aria-label=words::named(words::create(kind), name(person))>
                {words::create(kind)}
            </button>
        </form>
    }
}

/// The form for a new lead or contact. It stays until it is done or closed.
fn draft(p: &PageData, view: &ItemView, person: &PersonView) -> impl IntoView + use<> {
    let address = &person.person.address;
    let mine = view
        .draft
        .as_ref()
        .filter(|draft| draft.email.eq_ignore_ascii_case(address));
    let form = mine.map(|draft| create_form(p, draft));
    // Created: there is a record now.
    let over = (mine.is_none() && !person.records.is_empty()).then(|| view! { <span hidden></span> });
    view! {
        <div data-key=format!("draft {address}") data-stays="">
            {form}
            {over}
        </div>
    }
}

fn create_form(p: &PageData, draft: &PersonDraft) -> impl IntoView + use<> {
    let kind = draft.kind;
    let base = format!(
        "draft-{}",
        draft.email.replace(|c: char| !c.is_ascii_alphanumeric(), "-")
    );
    let field = |label: &'static str,
                 field: &'static str,
                 kind: &'static str,
                 value: &str,
                 required: bool| {
        let id = format!("{base}-{field}");
        view! {
            <div class="field">
                <label for=id.clone()>{label}</label>
                <input id=id name=field type=kind value=value.to_owned() required=required maxlength="255" autocomplete="off"/>
            </div>
        }
    };
    let company = match kind {
        PersonKind::Lead => words::COMPANY.get(),
        PersonKind::Contact => words::ACCOUNT.get(),
    };
    let account = draft
        .account
        .as_ref()
        .map(|account| view! { <input type="hidden" name="account" value=account.id.clone()/> });
    view! {
        <form class="stack sunken" method="post" action=Call::CreatePerson.path() data-edits="" aria-label=words::create(kind)>
            {form_token(p)}
            <input type="hidden" name="kind" value=kind_word(kind)/>
            {account}
            <p class="hint">{words::DRAFT_HINT.get()}</p>
            {field(words::FIRST_NAME.get(), "first_name", "text", &draft.first_name, false)}
            {field(words::LAST_NAME.get(), "last_name", "text", &draft.last_name, true)}
            {field(company, "company", "text", &draft.company, kind == PersonKind::Lead)}
            {field(words::TITLE.get(), "title", "text", &draft.title, false)}
            {field(words::PHONE.get(), "phone", "tel", &draft.phone, false)}
            {field(words::EMAIL.get(), "email", "email", &draft.email, false)}
            <div class="buttons">
                <button type="submit" class="button primary">{words::create(kind)}</button>
                <button type="button" class="button scripted" data-closes="">{text::CANCEL.get()}</button>
            </div>
        </form>
    }
}

/// Says that the person is blocked, and takes it back where the user may.
fn blocked(p: &PageData, person: &PersonView) -> Option<impl IntoView + use<>> {
    person.blocked.as_ref().map(|blocked| {
        let entry = blocked.entry.clone();
        let cure = if blocked.by_user {
            Either::Left(act(
                p,
                Call::UnblockAddress,
                words::UNBLOCK.get(),
                Look::Subtle,
                Some(words::named(words::UNBLOCK.get(), &entry)),
                vec![("blocked", entry.clone())],
            ))
        } else {
            Either::Right(view! { <p class="hint">{words::BLOCKED_BY_ORG.get()}</p> })
        };
        view! {
            <div class="bar">
                <p>{words::blocked(&entry)}</p>
                {cure}
            </div>
        }
    })
}

/// *Do not sync*: the address, or all of its domain.
fn block(p: &PageData, person: &PersonView) -> Option<impl IntoView + use<>> {
    if person.internal || person.blocked.is_some() {
        return None;
    }
    let address = person.person.address.clone();
    let domain = address.rsplit_once('@').map(|(_, domain)| format!("@{domain}"));
    let entries = std::iter::once(address).chain(domain);
    let buttons = entries.map(|entry| {
        view! {
            <form method="post" action=Call::BlockAddress.path()>
                {form_token(p)}
                <input type="hidden" name="blocked" value=entry.clone()/>
                <button
                    type="submit"
                    class="button"
                    aria-label=words::named(words::BLOCK.get(), &words::block(&entry))
                >
                    {words::block(&entry)}
                </button>
            </form>
        }
    });
    Some(view! {
        <details class="more" data-shuts="">
            <summary>{words::BLOCK.get()} " …"</summary>
            <div class="stack">
                <p class="hint">{words::BLOCK_LEAD.get()}</p>
                <div class="buttons">{buttons.collect_view()}</div>
            </div>
        </details>
    })
}
