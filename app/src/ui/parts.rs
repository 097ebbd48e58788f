use leptos::prelude::*;
use tandem_types::{CrmAccount, MailboxAccount, Timestamp};

use crate::call::Call;
use crate::page::{Dialog, Ui};
use crate::{browser, text};

/// How a button looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Look {
    Primary,
    #[default]
    Plain,
    /// An entry of the menu.
    Item,
    Danger,
    /// Small, without a frame.
    Subtle,
}

impl Look {
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Primary => "button primary",
            Self::Plain => "button",
            Self::Item => "item",
            Self::Danger => "button danger",
            Self::Subtle => "button subtle",
        }
    }
}

/// One button that makes one call: a plain form, sent by script where there is script.
pub(crate) fn act(
    ui: Ui,
    call: Call,
    label: &'static str,
    look: Look,
    name: Option<String>,
    fields: Vec<(&'static str, String)>,
) -> impl IntoView {
    let token = ui.view.with_untracked(|view| view.form_token.clone());
    let sent = fields.clone();
    view! {
        <form
            method="post"
            action=call.path()
            on:submit=move |event| {
                event.prevent_default();
                browser::post(ui, call, sent.clone());
            }
        >
            <input type="hidden" name="form_token" value=token/>
            {fields
                .into_iter()
                .map(|(field, value)| view! { <input type="hidden" name=field value=value/> })
                .collect_view()}
            <button
                type="submit"
                class=look.class()
                aria-label=name
                aria-disabled=move || ui.busy.with(Option::is_some).then_some("true")
                aria-busy=move || (ui.busy.get() == Some(call)).then_some("true")
            >
                {label}
            </button>
        </form>
    }
}

/// Opens a dialog; without script a link to the page that shows the same.
pub(crate) fn dialog_link(
    ui: Ui,
    dialog: Dialog,
    href: &'static str,
    label: &'static str,
    look: Look,
) -> impl IntoView {
    view! {
        <a
            class=look.class()
            href=href
            role="button"
            aria-haspopup="dialog"
            on:click=move |event| {
                event.prevent_default();
                ui.dialog.set(Some(dialog));
            }
            on:keydown=move |event| {
                if event.key() == " " {
                    event.prevent_default();
                    ui.dialog.set(Some(dialog));
                }
            }
        >
            {label}
        </a>
    }
}

/// Opens the activation dialog.
pub(crate) fn open_activation(ui: Ui, label: &'static str, look: Look) -> impl IntoView {
    dialog_link(ui, Dialog::Activation, "/setup?activate=1", label, look)
}

/// The error of the last call, for as long as it is the last.
pub(crate) fn refused(ui: Ui) -> impl IntoView {
    view! {
        <div class="alerts" role="alert">
            {move || {
                // The activation dialog tells its own.
                let hidden = ui.dialog.get().is_some();
                ui.refused.get().filter(|_| !hidden).map(|error| {
                    view! {
                        <div class="bar attention" id="refused">
                            <p>{text::api_error(error)}</p>
                            <button
                                type="button"
                                class="button subtle"
                                aria-label=text::CLOSE
                                on:click=move |_| ui.refused.set(None)
                            >
                                "✕"
                            </button>
                        </div>
                    }
                })
            }}
        </div>
    }
}

/// A point in time, told relative to now.
pub(crate) fn when(ui: Ui, at: Timestamp) -> impl IntoView {
    view! { <time datetime=text::iso(at) title=text::iso(at)>{move || text::ago(at, ui.now())}</time> }
}

/// Both accounts, one under the other.
pub(crate) fn accounts(crm: &CrmAccount, mailbox: Option<&MailboxAccount>) -> impl IntoView + use<> {
    let (address, host) = match mailbox {
        Some(account) => (account.address.clone(), Some(text::mailbox_host(account))),
        None => (text::MAILBOX_NONE.to_owned(), None),
    };
    view! {
        <dl class="accounts">
            <div class="account">
                <dt>{text::MAILBOX}</dt>
                <dd><strong>{address}</strong>{host.map(|host| view! { <span class="hint">{host}</span> })}</dd>
            </div>
            <div class="account">
                <dt>{text::SALESFORCE}</dt>
                <dd><strong>{crm.username.clone()}</strong><span class="hint">{text::crm_host(crm)}</span></dd>
            </div>
        </dl>
    }
}
