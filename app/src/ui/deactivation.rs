use leptos::prelude::*;
use tandem_types::MailboxServer;

use super::parts::{Look, act};
use crate::call::Call;
use crate::page::{Dialog, Ui};
use crate::text;

/// Asks once more, and says in words what happens.
pub(crate) fn deactivation_dialog(ui: Ui) -> impl IntoView {
    let dialog = NodeRef::<leptos::html::Dialog>::new();
    Effect::new(move |_| {
        let open = ui.dialog.get() == Some(Dialog::Deactivation);
        if let Some(dialog) = dialog.get() {
            if open && !dialog.open() {
                let _ = dialog.show_modal();
            } else if !open {
                dialog.close();
            }
        }
    });
    let token = Memo::new(move |_| ui.view.with(|view| view.form_token.clone()));
    let leave = move || {
        if ui.dialog.get_untracked() == Some(Dialog::Deactivation) {
            ui.dialog.set(None);
        }
    };
    view! {
        <dialog
            id="deactivation"
            node_ref=dialog
            aria-labelledby="deactivation-title"
            on:close=move |_| leave()
        >
            <h2 id="deactivation-title">{text::DEACTIVATE_TITLE}</h2>
            {what_happens(ui)}
            <div class="buttons">
                <button type="button" class="button" on:click=move |_| leave()>
                    {text::KEEP_SYNC}
                </button>
                {move || {
                    // In the hidden field of the form. Read, not only tracked: a memo that nobody has read follows nothing.
                    token.with(|_| ());
                    act(ui, Call::Deactivate, text::DEACTIVATE, Look::Danger, None, Vec::new())
                }}
            </div>
        </dialog>
    }
}

/// Also stands on the settings page, above the plain form.
pub(crate) fn what_happens(ui: Ui) -> impl IntoView {
    let cloud = Memo::new(move |_| {
        ui.view.with(|view| {
            let mailbox = view.connection.as_ref().and_then(|c| c.mailbox.as_ref());
            mailbox.is_some_and(|m| m.server == MailboxServer::Office365)
        })
    });
    view! {
        <p>{text::DEACTIVATE_LEAD}</p>
        <ul class="plain">
            {text::DEACTIVATE_LIST.into_iter().map(|line| view! { <li>{line}</li> }).collect_view()}
        </ul>
        {move || {
            cloud
                .get()
                .then(|| {
                    view! {
                        <p>
                            {text::CONSENT_PAGE_HINT} " "
                            <a href=text::CONSENT_PAGE target="_blank" rel="noreferrer">{text::CONSENT_PAGE_LINK}</a>
                        </p>
                    }
                })
        }}
        <p>{text::DEACTIVATE_AFTER}</p>
    }
}
