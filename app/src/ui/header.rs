use leptos::either::Either;
use leptos::prelude::*;
use tandem_types::{ConnectionView, SyncState};

use super::parts::{Look, act, dialog_link, open_activation, sentence};
use crate::call::Call;
use crate::page::{Page, PageData};
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
pub(crate) fn header(p: &PageData) -> impl IntoView + use<> {
    let c = p.connection();
    let status = match c {
        Some(c) => text::status(c, c.progress, p.view.now),
        None => text::signed_out_status(),
    };
    // Each step of a progress is its line then; a pause says something else.
    let follows = c.is_some_and(|c| matches!(c.state, SyncState::Activating | SyncState::Active));
    // The progress card speaks while there is one.
    let live = if c.is_some_and(|c| c.progress.is_some()) {
        "off"
    } else {
        "polite"
    };
    view! {
        <header class="top">
            <img class="mark" src="/tandem.svg" alt="" width="28" height="28"/>
            <div class="heads">
                <h1>{text::PRODUCT}</h1>
                <p
                    id="status"
                    role="status"
                    aria-live=live
                    class=format!("status {}", tone_class(status.tone))
                    data-follows=follows.then_some("")
                >
                    {sentence(p, status.text)}
                </p>
            </div>
            {c.map(|c| menu(p, c))}
        </header>
    }
}

/// A disclosure: opens without script; the script closes it by Escape, by leaving it, and by choosing.
fn menu(p: &PageData, c: &ConnectionView) -> impl IntoView + use<> {
    // Nothing is set up yet.
    let before = match c.state {
        SyncState::NotActivated | SyncState::Deactivated => true,
        SyncState::NeedsActivation => c.mailbox.is_none(),
        SyncState::Activating | SyncState::Active | SyncState::Paused => false,
    };
    let settings = (p.page != Page::Settings).then(|| {
        view! {
            <a class="item" href="/settings" target="_blank" rel="noopener">
                {text::SYNC_SETTINGS.get()}
                <span class="away" role="img" aria-label=text::OPENS_IN_TAB.get()>"↗"</span>
            </a>
        }
    });
    let item = |call, label| act(p, call, label, Look::Item, None, Vec::new());
    let pause = match c.state {
        SyncState::Active => Some(item(Call::Pause, text::PAUSE.get())),
        SyncState::Paused => Some(item(Call::Start, text::START.get())),
        _ => None,
    };
    let off = matches!(c.state, SyncState::NotActivated | SyncState::Deactivated);
    view! {
        <details id="menu" class="menu">
            <summary class="button" aria-label=text::MENU.get()>
                <span aria-hidden="true" class="dots">"⋯"</span>
                <span class="word">{text::MENU.get()}</span>
            </summary>
            <nav class="sheet" aria-label=text::MENU.get()>
                {if before {
                    Either::Left(open_activation(text::SET_UP_SYNC.get(), Look::Item))
                } else {
                    Either::Right(settings)
                }}
                {(c.state == SyncState::Active).then(|| item(Call::SyncNow, text::SYNC_NOW.get()))}
                {pause}
                {(!off)
                    .then(|| {
                        dialog_link("deactivation", "/settings/deactivate", text::DEACTIVATE.get(), Look::Item)
                    })}
                <a class="item" href=format!("/help?lang={}", p.lang.as_str()) target="_blank" rel="noopener">
                    {text::HELP.get()}
                    <span class="away" role="img" aria-label=text::OPENS_IN_TAB.get()>"↗"</span>
                </a>
                <hr/>
                {item(Call::SignOut, text::SIGN_OUT.get())}
            </nav>
        </details>
    }
}
