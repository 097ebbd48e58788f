use leptos::prelude::*;
use tandem_types::{SessionView, SyncState};

use super::header::tone_class;
use super::parts::{Look, when};
use crate::call::Call;
use crate::page::{Ui, Undone};
use crate::{browser, text};

/// What the last sessions did, and the way back. `tell_empty`: says so where there was none.
///
/// It follows the view by itself, as the issues do: an open confirmation stays with its session.
pub(crate) fn sessions_card(
    ui: Ui,
    shown: usize,
    tell_empty: impl Fn() -> bool + Send + Sync + 'static,
) -> impl IntoView {
    let sessions = Memo::new(move |_| {
        ui.view.with(|view| {
            let connection = view.connection.as_ref();
            connection.map_or(Vec::new(), |c| c.sessions.clone())
        })
    });
    let there = Memo::new(move |_| sessions.with(|sessions| !sessions.is_empty()) || tell_empty());
    move || there.get().then(|| card(ui, sessions, shown))
}

fn card(ui: Ui, sessions: Memo<Vec<SessionView>>, shown: usize) -> impl IntoView {
    let here = move || sessions.with(|sessions| sessions.iter().take(shown).cloned().collect::<Vec<_>>());
    // An undo is a session: it needs both sign-ins, and no other one may run.
    let open = Memo::new(move |_| {
        ui.view.with(|view| {
            view.connection
                .as_ref()
                .is_some_and(|c| c.state == SyncState::Active && c.rejections == 0)
        })
    });
    view! {
        <section class="card" id="sessions" aria-labelledby="sessions-title">
            <h2 id="sessions-title">{text::SESSIONS_TITLE}</h2>
            <div class="alerts" aria-live="polite">
                {move || ui.undone.get().map(|undone| undone_bar(ui, undone))}
            </div>
            {move || {
                sessions
                    .with(Vec::is_empty)
                    .then(|| view! { <p class="hint">{text::SESSIONS_EMPTY}</p> })
            }}
            <ul class="rows">
                <For each=here key=Clone::clone children=move |session| session_row(ui, &session, open)/>
            </ul>
        </section>
    }
}

/// What was undone, and what was left and why.
fn undone_bar(ui: Ui, Undone { view, left }: Undone) -> impl IntoView {
    let lines = text::undo_left_lines(&view.left);
    let again = view
        .left
        .iter()
        .any(|item| item.reason == tandem_types::UndoReason::NotReached);
    let class = if left > 0 { "bar attention" } else { "bar" };
    view! {
        <div class=class id="undone">
            <div class="told">
                <p><strong>{text::UNDONE_TITLE}</strong></p>
                <p>{text::undone(view.undone)}</p>
                {text::undo_left(left).map(|said| view! { <p>{said}</p> })}
                <ul class="plain">{lines.into_iter().map(|line| view! { <li>{line}</li> }).collect_view()}</ul>
                {again.then(|| view! { <p>{text::UNDONE_AGAIN}</p> })}
            </div>
            <button
                type="button"
                class="button subtle"
                aria-label=text::CLOSE
                on:click=move |_| ui.undone.set(None)
            >
                "✕"
            </button>
        </div>
    }
}

fn session_row(ui: Ui, session: &SessionView, open: Memo<bool>) -> impl IntoView + use<> {
    let tone = tone_class(text::outcome_tone(session.outcome));
    let took = session.ended.map(|ended| text::took(session.started, ended));
    let lines = text::session_lines(session);
    let wrote = text::wrote(session).then(|| session.clone());
    view! {
        <li>
            <div class="line">
                <strong>{when(ui, session.started)}</strong>
                <span class="hint">{took}</span>
                <span class=format!("outcome {tone}")>{session.outcome.map_or(text::RUNNING, text::outcome)}</span>
            </div>
            {(!lines.is_empty())
                .then(|| {
                    view! {
                        <ul class="plain hint">
                            {lines.into_iter().map(|line| view! { <li>{line}</li> }).collect_view()}
                        </ul>
                    }
                })}
            {wrote.map(|session| move || open.get().then(|| undo_form(ui, &session)))}
        </li>
    }
}

/// Says in words what will happen before it does; opens, and undoes, without script too.
fn undo_form(ui: Ui, session: &SessionView) -> impl IntoView + use<> {
    let token = ui.view.with_untracked(|view| view.form_token.clone());
    let id = session.id.to_string();
    let sent = id.clone();
    let lines = text::undo_lines(session);
    view! {
        <details class="more">
            <summary aria-label=text::undo_name(session.started)>{text::UNDO}</summary>
            <form
                class="choose"
                method="post"
                action=Call::UndoSession.path()
                on:submit=move |event| {
                    event.prevent_default();
                    browser::undo(ui, sent.clone());
                }
            >
                <input type="hidden" name="form_token" value=token/>
                <input type="hidden" name="session" value=id/>
                <p>{text::UNDO_LEAD}</p>
                <ul class="plain">{lines.into_iter().map(|line| view! { <li>{line}</li> }).collect_view()}</ul>
                <p>{text::UNDO_NOTE}</p>
                <div class="buttons">
                    <button
                        type="submit"
                        class=Look::Danger.class()
                        aria-disabled=move || ui.busy.with(Option::is_some).then_some("true")
                    >
                        {move || {
                            if ui.busy.get() == Some(Call::UndoSession) {
                                text::UNDO_DOING
                            } else {
                                text::UNDO_DO
                            }
                        }}
                    </button>
                </div>
            </form>
        </details>
    }
}
