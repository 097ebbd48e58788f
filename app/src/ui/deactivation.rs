use leptos::prelude::*;

use super::parts::{Look, act};
use crate::call::Call;
use crate::page::PageData;
use crate::text;

/// Asks once more, and says in words what happens.
pub(crate) fn deactivation_dialog(p: &PageData) -> impl IntoView + use<> {
    view! {
        <dialog id="deactivation" aria-labelledby="deactivation-title">
            <h2 id="deactivation-title">{text::DEACTIVATE_TITLE.get()}</h2>
            {what_happens(p)}
            <div class="buttons">
                <button type="button" class="button" data-closes="">
                    {text::KEEP_SYNC.get()}
                </button>
                {act(p, Call::Deactivate, text::DEACTIVATE.get(), Look::Danger, None, Vec::new())}
            </div>
        </dialog>
    }
}

/// Also stands on the settings page, above the plain form.
pub(crate) fn what_happens(p: &PageData) -> impl IntoView + use<> {
    let consent = p.in_the_cloud().then(|| {
        view! {
            <p>
                {text::CONSENT_PAGE_HINT.get()} " "
                <a href=text::CONSENT_PAGE target="_blank" rel="noreferrer">{text::CONSENT_PAGE_LINK.get()}</a>
            </p>
        }
    });
    view! {
        <p>{text::DEACTIVATE_LEAD.get()}</p>
        <ul class="plain">
            {text::DEACTIVATE_LIST.into_iter().map(|line| view! { <li>{line.get()}</li> }).collect_view()}
        </ul>
        {consent}
        <p>{text::DEACTIVATE_AFTER.get()}</p>
    }
}
