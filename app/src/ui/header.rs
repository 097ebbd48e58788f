use leptos::either::Either;
use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast;
use tandem_types::SyncState;

use super::parts::{Look, act, dialog_link, open_activation};
use crate::call::Call;
use crate::page::{Dialog, Page, Ui};
use crate::text::{self, Tone};

pub(crate) const fn tone_class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Busy => "busy",
        Tone::Attention => "attention",
        Tone::Quiet => "quiet",
    }
}

/// Product, the one true status line, and the menu.
pub(crate) fn header(ui: Ui) -> impl IntoView {
    let status = Memo::new(move |_| {
        let now = ui.now();
        let progress = ui.progress.get();
        ui.view.with(|view| match (&view.viewer, &view.connection) {
            (Some(_), Some(connection)) => text::status(connection, progress, now),
            _ => text::signed_out_status(),
        })
    });
    let choices = Memo::new(move |_| {
        ui.view.with(|view| {
            let connection = view.connection.as_ref().filter(|_| view.viewer.is_some())?;
            let before = match connection.state {
                SyncState::NotActivated | SyncState::Deactivated => true,
                SyncState::NeedsActivation => connection.mailbox.is_none(),
                SyncState::Activating | SyncState::Active | SyncState::Paused => false,
            };
            Some(Choices {
                state: connection.state,
                before,
                token: view.form_token.clone(),
            })
        })
    });
    view! {
        <header class="top">
            <img class="mark" src="/tandem.svg" alt="" width="28" height="28"/>
            <div class="heads">
                <h1>{text::PRODUCT}</h1>
                <p
                    id="status"
                    role="status"
                    // The progress card speaks while there is one.
                    aria-live=move || if ui.progress.with(Option::is_some) { "off" } else { "polite" }
                    class=move || status.with(|s| format!("status {}", tone_class(s.tone)))
                >
                    {move || status.with(|s| s.text.clone())}
                </p>
            </div>
            {move || choices.get().map(|choices| menu(ui, choices))}
        </header>
    }
}

/// What decides about the menu's entries: it is made anew only when one of these changes.
#[derive(Clone, PartialEq)]
struct Choices {
    state: SyncState,
    /// Nothing is set up yet.
    before: bool,
    /// In the hidden fields of the forms.
    token: Option<String>,
}

/// A disclosure: opens without script; closes by Escape, by leaving it, and by choosing.
fn menu(ui: Ui, choices: Choices) -> impl IntoView {
    let details = NodeRef::<leptos::html::Details>::new();
    let close = move || {
        if let Some(details) = details.get_untracked() {
            details.set_open(false);
        }
    };
    let Choices { state, before, .. } = choices;
    view! {
        <details
            id="menu"
            class="menu"
            node_ref=details
            on:keydown=move |event| {
                if event.key() == "Escape" {
                    close();
                    if let Some(details) = details.get_untracked()
                        && let Ok(Some(summary)) = details.query_selector("summary")
                    {
                        let _ = summary.unchecked_into::<leptos::web_sys::HtmlElement>().focus();
                    }
                }
            }
            on:focusout=move |event| {
                let into = event.related_target().map(JsCast::unchecked_into::<leptos::web_sys::Node>);
                let inside = details
                    .get_untracked()
                    .is_some_and(|details| into.as_ref().is_some_and(|node| details.contains(Some(node))));
                if into.is_some() && !inside {
                    close();
                }
            }
            on:click=move |event| {
                let chosen = event
                    .target()
                    .and_then(|target| target.dyn_into::<leptos::web_sys::Element>().ok())
                    .is_some_and(|element| matches!(element.closest(".item"), Ok(Some(_))));
                if chosen {
                    close();
                }
            }
        >
            <summary class="button" aria-label=text::MENU>
                <span aria-hidden="true" class="dots">"⋯"</span>
                <span class="word">{text::MENU}</span>
            </summary>
            <nav class="sheet" aria-label=text::MENU>
                {if before {
                    Either::Left(open_activation(ui, text::SET_UP_SYNC, Look::Item))
                } else {
                    Either::Right(
                        (ui.page != Page::Settings)
                            .then(|| {
                                view! {
                                    <a class="item" href="/settings" target="_blank" rel="noopener">
                                        {text::SYNC_SETTINGS}
                                        <span class="away" role="img" aria-label=text::OPENS_IN_TAB>"↗"</span>
                                    </a>
                                }
                            }),
                    )
                }}
                {(state == SyncState::Active)
                    .then(|| act(ui, Call::SyncNow, text::SYNC_NOW, Look::Item, None, Vec::new()))}
                {match state {
                    SyncState::Active => Some((Call::Pause, text::PAUSE)),
                    SyncState::Paused => Some((Call::Start, text::START)),
                    _ => None,
                }
                    .map(|(call, label)| act(ui, call, label, Look::Item, None, Vec::new()))}
                {(!matches!(state, SyncState::NotActivated | SyncState::Deactivated))
                    .then(|| deactivate_link(ui, Look::Item))}
                <hr/>
                {act(ui, Call::SignOut, text::SIGN_OUT, Look::Item, None, Vec::new())}
            </nav>
        </details>
    }
}

/// Opens the dialog that asks; without script the page that says the same above a plain form.
fn deactivate_link(ui: Ui, look: Look) -> impl IntoView {
    dialog_link(
        ui,
        Dialog::Deactivation,
        "/settings#deactivate",
        text::DEACTIVATE,
        look,
    )
}
