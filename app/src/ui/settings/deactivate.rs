use leptos::either::Either;
use leptos::prelude::*;
use tandem_types::{ConnectionView, SyncState};

use crate::call::Call;
use crate::page::PageData;
use crate::text;
use crate::ui::deactivation::{remove_box, what_happens};
use crate::ui::parts::{Look, form_token, open_activation};

/// What will happen, and the way out.
pub(super) fn cards(p: &PageData, c: &ConnectionView) -> impl IntoView + use<> {
    let off = matches!(c.state, SyncState::NotActivated | SyncState::Deactivated);
    let way = if off {
        Either::Left(view! {
            <p>{text::WITHOUT_SYNC.get()}</p>
            <div class="buttons">{open_activation(text::SET_UP_SYNC.get(), Look::Primary)}</div>
        })
    } else {
        Either::Right(view! {
            {what_happens(p, c)}
            // A plain form under the words that say what happens; with script the dialog asks once more.
            <form method="post" action=Call::Deactivate.path() data-opens="deactivation">
                {form_token(p)}
                <div class="plain-only">{remove_box(c, "remove-items")}</div>
                <div class="buttons">
                    <button type="submit" class=Look::Danger.class()>
                        {text::DEACTIVATE.get()}
                    </button>
                </div>
            </form>
        })
    };
    view! {
        <section class="card" id="deactivate" aria-labelledby="deactivate-title">
            <h2 id="deactivate-title">{text::DEACTIVATE.get()}</h2>
            {way}
        </section>
    }
}
