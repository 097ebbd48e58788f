use leptos::prelude::*;
use tandem_types::{ConnectionView, SessionView, SyncState, UndoReason};

use super::header::tone_class;
use super::parts::{Look, close, form_token, lines, when};
use crate::call::Call;
use crate::page::{PageData, Told, Undone};
use crate::text;

/// What the last sessions did, and the way back. `tell_empty`: says so where there was none.
pub(crate) fn sessions_card(
    p: &PageData,
    c: &ConnectionView,
    shown: usize,
    tell_empty: bool,
) -> Option<impl IntoView + use<>> {
    (tell_empty || !c.sessions.is_empty()).then(|| {
        view! {
            <section class="card" id="sessions" aria-labelledby="sessions-title">
                <h2 id="sessions-title">{text::SESSIONS_TITLE.get()}</h2>
                {undo_told(p)}
                {c.sessions.is_empty().then(|| view! { <p class="hint">{text::SESSIONS_EMPTY.get()}</p> })}
                {session_rows(p, c, c.sessions.get(..shown).unwrap_or(&c.sessions))}
            </section>
        }
    })
}

/// What the last undo came to; stays until the next.
pub(crate) fn undo_told(p: &PageData) -> impl IntoView + use<> {
    let undone = match &p.told {
        Some(Told::Undone(undone)) => Some(undone_bar(undone)),
        _ => None,
    };
    view! {
        <div class="alerts" aria-live="polite" id="undo-told" data-stays="">
            {undone}
        </div>
    }
}

/// One row for each session.
pub(crate) fn session_rows(
    p: &PageData,
    c: &ConnectionView,
    sessions: &[SessionView],
) -> impl IntoView + use<> {
    // An undo is a session: it needs both sign-ins, and no other one may run.
    let open = c.state == SyncState::Active && c.rejections == 0;
    let rows = sessions
        .iter()
        .map(|session| session_row(p, session, open))
        .collect_view();
    view! { <ul class="rows">{rows}</ul> }
}

/// What was undone, and what was left and why.
fn undone_bar(Undone { view, left }: &Undone) -> impl IntoView + use<> {
    let again = view.left.iter().any(|item| item.reason == UndoReason::NotReached);
    let class = if *left > 0 { "bar attention" } else { "bar" };
    view! {
        <div class=class id="undone">
            <div class="told">
                <p><strong>{text::UNDONE_TITLE.get()}</strong></p>
                <p>{text::undone(view.undone)}</p>
                {text::undo_left(*left).map(|said| view! { <p>{said}</p> })}
                {lines("plain", text::undo_left_lines(&view.left))}
                {again.then(|| view! { <p>{text::UNDONE_AGAIN.get()}</p> })}
            </div>
            {close()}
        </div>
    }
}

fn session_row(p: &PageData, session: &SessionView, open: bool) -> impl IntoView + use<> {
    let tone = tone_class(text::outcome_tone(session.outcome));
    let took = session.ended.map(|ended| text::took(session.started, ended));
    view! {
        <li data-key=session.id.to_string()>
            <div class="line">
                <strong>{when(p, session.started)}</strong>
                <span class="hint">{took}</span>
                <span class=format!("outcome {tone}")>{session.outcome.map_or(text::RUNNING.get(), text::outcome)}</span>
            </div>
            {lines("plain hint", text::session_lines(session))}
            {(open && text::wrote(session)).then(|| undo_form(p, session))}
        </li>
    }
}

/// Says in words what will happen before it does; opens, and undoes, without script too.
fn undo_form(p: &PageData, session: &SessionView) -> impl IntoView + use<> {
    view! {
        <details class="more">
            <summary aria-label=text::undo_name(session.started)>{text::UNDO.get()}</summary>
            <form class="choose" method="post" action=Call::UndoSession.path()>
                {form_token(p)}
                <input type="hidden" name="session" value=session.id.to_string()/>
                <p>{text::UNDO_LEAD.get()}</p>
                {lines("plain", text::undo_lines(session))}
                <p>{text::UNDO_NOTE.get()}</p>
                <div class="buttons">
                    <button type="submit" class=Look::Danger.class() data-doing=text::UNDO_DOING.get()>
                        {text::UNDO_DO.get()}
                    </button>
                </div>
            </form>
        </details>
    }
}
