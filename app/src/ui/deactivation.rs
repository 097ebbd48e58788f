use leptos::prelude::*;
use tandem_types::{ConnectionView, SyncState};

use super::parts::{Look, form_token};
use crate::call::Call;
use crate::page::PageData;
use crate::text;

/// Asks once more, and says in words what happens.
pub(crate) fn deactivation_dialog(p: &PageData, c: &ConnectionView) -> impl IntoView + use<> {
    view! {
        <dialog id="deactivation" aria-labelledby="deactivation-title">
            <h2 id="deactivation-title">{text::DEACTIVATE_TITLE.get()}</h2>
            {what_happens(p, c)}
            <form method="post" action=Call::Deactivate.path()>
                {form_token(p)} {remove_box(c, "dialog-remove-items")}
                <div class="buttons">
                    <button type="button" class="button" data-closes="">
                        {text::KEEP_SYNC.get()}
                    </button>
                    <button type="submit" class=Look::Danger.class()>
                        {text::DEACTIVATE.get()}
                    </button>
                </div>
            </form>
        </dialog>
    }
}

/// The box to remove items, too, off: where a session can do it.
pub(crate) fn remove_box(c: &ConnectionView, id: &'static str) -> Option<impl IntoView + use<>> {
    let hint = format!("{id}-hint");
    can_remove(c).then(|| {
        view! {
            <div class="tick">
                <input id=id type="checkbox" name="remove_items" value="1" aria-describedby=hint.clone()/>
                <div>
                    <label for=id>{text::DEACTIVATE_REMOVE.get()}</label>
                    <p class="hint" id=hint>{text::DEACTIVATE_REMOVE_HINT.get()}</p>
                </div>
            </div>
        }
    })
}

fn can_remove(c: &ConnectionView) -> bool {
    matches!(c.state, SyncState::Active | SyncState::Paused) && c.rejections == 0 && !c.clearing
}

/// Also stands on the settings page, above the plain form.
pub(crate) fn what_happens(p: &PageData, c: &ConnectionView) -> impl IntoView + use<> {
    let consent = p.in_the_cloud().then(|| {
        view! {
            <p>
                {text::CONSENT_PAGE_HINT.get()} " "
                <a href=text::CONSENT_PAGE target="_blank" rel="noreferrer">{text::CONSENT_PAGE_LINK.get()}</a>
            </p>
        }
    });
    let items = if can_remove(c) {
        text::DEACTIVATE_KEEPS_UNLESS
    } else {
        text::DEACTIVATE_KEEPS
    };
    view! {
        <p>{text::DEACTIVATE_LEAD.get()}</p>
        <ul class="plain">
            {text::DEACTIVATE_LIST
                .into_iter()
                .chain([items])
                .map(|line| view! { <li>{line.get()}</li> })
                .collect_view()}
        </ul>
        {consent}
        <p>{text::DEACTIVATE_AFTER.get()}</p>
    }
}
