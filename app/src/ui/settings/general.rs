use leptos::either::Either;
use leptos::prelude::*;
use tandem_types::{ConnectionView, HistoryView, SettingKey, SyncState};

use super::charts::charts_card;
use super::facts::{facts, last_accepted};
use super::fields::Form;
use crate::call::Call;
use crate::page::{PageData, SettingsPage};
use crate::place::{Part, Place};
use crate::text::{self, settings as words};
use crate::ui::cards::counts_table;
use crate::ui::issues::issue_row;
use crate::ui::parts::{Look, act, when};
use crate::ui::sessions::{session_rows, undo_told};

/// How it stands, how often it runs, and what it did.
pub(super) fn cards(p: &PageData, c: &ConnectionView, s: &SettingsPage) -> impl IntoView + use<> {
    // One type for all of it would be too deep for the compiler.
    vec![
        state(p, c).into_any(),
        interval(p, c, s).into_any(),
        s.history
            .as_ref()
            .map(|history| charts_card(&history.days))
            .into_any(),
        s.history
            .as_ref()
            .map(|history| history_card(p, c, s, history))
            .into_any(),
    ]
}

fn state(p: &PageData, c: &ConnectionView) -> impl IntoView + use<> {
    // Whatever else the state offers stands in its own card.
    let ways = (c.state == SyncState::Active).then(|| {
        view! {
            {act(p, Call::SyncNow, text::SYNC_NOW.get(), Look::Primary, None, Vec::new())}
            {act(p, Call::Pause, text::PAUSE.get(), Look::Plain, None, Vec::new())}
        }
    });
    let last = c
        .sessions
        .iter()
        .find(|session| session.ended.is_some())
        .map(|last| {
            view! {
                <h3>{words::SESSION_LAST.get()}</h3>
                <p>{when(p, last.started)} " · " {last.outcome.map(text::outcome)}</p>
                {counts_table(words::SESSION_LAST.get(), &last.counts)}
            }
        });
    view! {
        <section class="card" id="general" aria-labelledby="general-title">
            <h2 id="general-title">{text::STATE.get()}</h2>
            {last_accepted(p, c)}
            {facts(vec![(text::LINKED.get(), text::number(c.links))])}
            {last}
            <div class="buttons">{ways}</div>
        </section>
    }
}

fn interval(p: &PageData, c: &ConnectionView, s: &SettingsPage) -> Option<impl IntoView + use<>> {
    let form = Form::of(p, c, s)?;
    let field = form.number(
        SettingKey::Interval,
        words::INTERVAL.get(),
        Some(words::INTERVAL_HINT.get()),
        (5, 1440),
        c.settings.interval_minutes.into(),
        form.s.inherited.interval_minutes.into(),
    );
    Some(view! {
        <section class="card" id="interval" aria-labelledby="interval-title">
            <h2 id="interval-title">{words::INTERVAL_TITLE.get()}</h2>
            {form.form(Part::General, &[SettingKey::Interval], &[], field)}
        </section>
    })
}

fn history_card(
    p: &PageData,
    c: &ConnectionView,
    s: &SettingsPage,
    history: &HistoryView,
) -> impl IntoView + use<> {
    let open = s.place.unresolved;
    let tab = |unresolved: bool, label: &'static str| {
        let place = Place {
            unresolved,
            ..Place::default()
        };
        let current = (open == unresolved).then_some("true");
        view! {
            <li>
                <a href=format!("{}#sessions", place.url()) aria-current=current>
                    {label}
                </a>
            </li>
        }
    };
    let rows = if open {
        unresolved(p, c).into_any()
    } else if history.sessions.is_empty() {
        view! { <p class="hint">{text::SESSIONS_EMPTY.get()}</p> }.into_any()
    } else {
        view! {
            {session_rows(p, c, &history.sessions)}
            {pages(s, history)}
        }
        .into_any()
    };
    view! {
        <section class="card" id="sessions" aria-labelledby="sessions-title">
            <h2 id="sessions-title">{words::HISTORY.get()}</h2>
            <p class="hint">{words::sessions_total(history.total)} ". " {words::history_note(history.kept_for, history.undone_for)}</p>
            <nav class="tabs" aria-label=words::HISTORY_TABS.get()>
                <ul>{tab(false, words::HISTORY_ALL.get())} {tab(true, words::HISTORY_OPEN.get())}</ul>
            </nav>
            {undo_told(p)}
            {rows}
        </section>
    }
}

/// What the sessions left open.
fn unresolved(p: &PageData, c: &ConnectionView) -> impl IntoView + use<> {
    if c.issues.is_empty() {
        return Either::Left(view! { <p class="hint">{words::HISTORY_OPEN_EMPTY.get()}</p> });
    }
    let more = text::issues_more(c.issues.len(), c.issues_total)
        .map(|more| view! { <p><a href=Place::of(Part::Issues).url()>{more}</a></p> });
    Either::Right(view! {
        <ul class="rows">{c.issues.iter().map(|issue| issue_row(p, c, issue)).collect_view()}</ul>
        {more}
    })
}

fn pages(s: &SettingsPage, history: &HistoryView) -> impl IntoView + use<> {
    let link = |place: Place, label: &'static str| {
        view! { <a href=format!("{}#sessions", place.url())>{label}</a> }
    };
    let newest = s
        .place
        .before
        .is_some()
        .then(|| link(Place::default(), words::NEWEST.get()));
    let older = history.sessions.last().filter(|_| history.more).map(|last| {
        let place = Place {
            before: Some(last.id.clone()),
            ..Place::default()
        };
        link(place, words::OLDER.get())
    });
    view! { <p class="pages">{newest} {older}</p> }
}
