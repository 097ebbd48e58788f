use leptos::html::{Dialog as DialogElement, Form, Input};
use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast;
use tandem_types::{ActivationFailure, ApiError, InvalidField, MailboxServer, StateReason, SyncState};

use super::office::{self, kinds, office_part};
use crate::call::Call;
use crate::page::{Dialog, OfficeStep, Ui};
use crate::{browser, text};

/// Login, password and, under *More*, the address of the server.
pub(crate) fn activation_dialog(ui: Ui) -> impl IntoView {
    let dialog = NodeRef::<DialogElement>::new();
    let form = NodeRef::<Form>::new();
    let login = NodeRef::<Input>::new();
    let password = NodeRef::<Input>::new();
    let ews_url = NodeRef::<Input>::new();
    let more = RwSignal::new(false);
    // Closed by the user while the server still asks for it.
    let dismissed = StoredValue::new(false);

    let ask = Memo::new(move |_| {
        ui.view
            .with(|view| view.connection.as_ref().is_some_and(|c| c.ask_activation))
    });
    let asking = move || ask.get_untracked();
    let connecting = move || ui.busy.get() == Some(Call::ConnectExchange);
    let exchange = move || ui.kind.get() == MailboxServer::Exchange;
    let error = move || {
        ui.refused
            .get()
            .filter(|_| ui.dialog.get() == Some(Dialog::Activation) && exchange())
    };
    let wrong = move |field: InvalidField| error().is_some_and(|error| concerned(error) == Some(field));

    open_by_itself(ui, ask, dismissed);
    Effect::new(move |before: Option<bool>| {
        let open = ui.dialog.get() == Some(Dialog::Activation);
        if let Some(dialog) = dialog.get() {
            if open && before != Some(true) {
                // Rendered open for browsers without script: then it is not modal yet.
                dialog.set_open(false);
                let _ = dialog.show_modal();
                // Not by `autofocus`: browsers block, and report, that in a frame of another site.
                if ui.kind.get_untracked() == MailboxServer::Office365 {
                    office::focus();
                } else if let (Some(login), Some(password)) = (login.get(), password.get()) {
                    let first = if login.value().is_empty() { login } else { password };
                    let _ = first.focus();
                }
            } else if !open && before == Some(true) {
                dialog.close();
                if let Some(form) = form.get() {
                    form.reset();
                }
                more.set(false);
                ui.office.set(OfficeStep::Idle);
            }
        }
        open
    });
    // What was refused gets the focus, when the answer is there.
    Effect::new(move |_| {
        let Some(field) = error().and_then(concerned) else {
            return;
        };
        if connecting() {
            return;
        }
        let input = match field {
            InvalidField::Login | InvalidField::Code | InvalidField::Dates | InvalidField::Record => login,
            InvalidField::Password => password,
            InvalidField::EwsUrl => {
                more.set(true);
                ews_url
            }
        };
        // After the paint: what was hidden cannot take the focus.
        request_animation_frame(move || {
            if let Some(input) = input.get_untracked() {
                let _ = input.focus();
                input.select();
            }
        });
    });

    let typed = move || {
        [login, password, ews_url]
            .into_iter()
            .filter_map(|input| input.get_untracked())
            .any(|input| input.value() != input.default_value())
    };
    // Skips where the server waits for an answer, else only closes.
    let leave = move || {
        let busy = ui.busy.get_untracked();
        if matches!(busy, Some(Call::ConnectExchange | Call::ConnectOffice)) {
            return;
        }
        dismissed.set_value(asking());
        ui.refused.set(None);
        ui.dialog.set(None);
        if asking() {
            browser::post(ui, Call::SkipActivation, Vec::new());
        }
    };
    let again = Memo::new(move |_| {
        ui.view.with(|view| {
            view.connection
                .as_ref()
                .is_some_and(|c| c.state == SyncState::NeedsActivation || c.rejections > 0)
        })
    });
    let cloud = Memo::new(move |_| {
        ui.view.with(|view| {
            let mailbox = view.connection.as_ref().and_then(|c| c.mailbox.as_ref());
            mailbox.is_some_and(|m| m.server == MailboxServer::Office365)
        })
    });
    let ended = Memo::new(move |_| {
        ui.view.with(|view| {
            let reason = view.connection.as_ref().and_then(|c| c.reason);
            reason == Some(StateReason::MicrosoftSignInEnded)
        })
    });
    let known = Memo::new(move |_| {
        // The account of another kind of server is no login here.
        let account = |c: &tandem_types::ConnectionView| {
            let exchange = c.mailbox.as_ref().filter(|m| m.server == MailboxServer::Exchange);
            exchange.map(|m| m.address.clone())
        };
        ui.view.with(|view| view.connection.as_ref().and_then(account))
    });
    let partner = Memo::new(move |_| {
        ui.view.with(|view| {
            view.viewer
                .as_ref()
                .map(|viewer| (viewer.crm.username.clone(), text::crm_host(&viewer.crm)))
        })
    });
    let skips = Memo::new(move |_| {
        ask.get()
            || ui.view.with(|view| {
                view.connection
                    .as_ref()
                    .is_none_or(|c| c.state == SyncState::NotActivated && !c.skipped)
            })
    });
    let token = Memo::new(move |_| ui.view.with(|view| view.form_token.clone()));
    let at_first = ui.dialog.get_untracked() == Some(Dialog::Activation);

    view! {
        <dialog
            id="activation"
            node_ref=dialog
            open=at_first
            aria-labelledby="activation-title"
            aria-describedby="activation-lead"
            on:keydown=move |event| {
                if event.key() == "Escape" {
                    event.prevent_default();
                    if !typed() {
                        leave();
                    }
                }
            }
            on:cancel=move |event: leptos::web_sys::Event| {
                event.prevent_default();
                if !typed() {
                    leave();
                }
            }
        >
            <h2 id="activation-title">
                {move || if again.get() { text::ACTIVATION_TITLE_AGAIN } else { text::ACTIVATION_TITLE }}
            </h2>
            // The first is about logins; Office 365 has words of its own.
            <p id="activation-lead" class:for-exchange=move || !ended.get() && !again.get()>
                {move || match (ended.get(), again.get()) {
                    (true, _) => text::NEEDS_MICROSOFT_LEAD,
                    (false, true) if cloud.get() => text::ACTIVATION_LEAD_CLOUD,
                    (false, true) => text::ACTIVATION_LEAD_AGAIN,
                    (false, false) => text::ACTIVATION_LEAD,
                }}
            </p>
            {move || {
                partner
                    .get()
                    .map(|(user, organisation)| {
                        view! {
                            <p class="partner">
                                <span class="hint">{text::SYNCS_WITH}</span>
                                <strong>{user}</strong>
                                <span class="hint">{organisation}</span>
                            </p>
                        }
                    })
            }}
            {kinds(ui)}
            <form
                id="activation-form"
                class="for-exchange"
                node_ref=form
                method="post"
                action=Call::ConnectExchange.path()
                on:submit=move |event| {
                    event.prevent_default();
                    let value = |input: NodeRef<Input>| {
                        input.get_untracked().map(|input| input.value()).unwrap_or_default()
                    };
                    browser::post(
                        ui,
                        Call::ConnectExchange,
                        vec![
                            ("login", value(login)),
                            ("password", value(password)),
                            ("ews_url", value(ews_url)),
                        ],
                    );
                }
            >
                <input type="hidden" name="form_token" value=move || token.get()/>
                <div class="field">
                    <label for="login">{text::LOGIN}</label>
                    <input
                        id="login"
                        name="login"
                        node_ref=login
                        value=move || known.get()
                        autocomplete="username"
                        autocapitalize="none"
                        spellcheck="false"
                        required
                        aria-describedby="login-hint activation-error"
                        aria-invalid=move || wrong(InvalidField::Login).then_some("true")
                    />
                    <span id="login-hint" class="hint">{text::LOGIN_HINT}</span>
                </div>
                <div class="field">
                    <label for="password">{text::PASSWORD}</label>
                    <input
                        id="password"
                        name="password"
                        type="password"
                        node_ref=password
                        autocomplete="current-password"
                        required
                        aria-describedby="activation-error"
                        aria-invalid=move || wrong(InvalidField::Password).then_some("true")
                    />
                </div>
                <details
                    id="more"
                    class="more"
                    prop:open=move || more.get()
                    on:toggle=move |event| {
                        let details = event
                            .target()
                            .and_then(|target| target.dyn_into::<leptos::web_sys::HtmlDetailsElement>().ok());
                        if let Some(details) = details {
                            more.set(details.open());
                        }
                    }
                >
                    <summary>{text::MORE}</summary>
                    <div class="field">
                        <label for="ews-url">{text::EWS_URL}</label>
                        <input
                            id="ews-url"
                            name="ews_url"
                            type="url"
                            node_ref=ews_url
                            placeholder=text::EWS_URL_EXAMPLE
                            autocomplete="off"
                            spellcheck="false"
                            aria-describedby="ews-url-hint activation-error"
                            aria-invalid=move || wrong(InvalidField::EwsUrl).then_some("true")
                        />
                        <span id="ews-url-hint" class="hint">{text::EWS_URL_HINT}</span>
                    </div>
                </details>
                <div id="activation-error" role="alert">
                    {move || {
                        error()
                            .filter(|_| !connecting())
                            .map(|error| {
                                view! {
                                    <div class="bar attention">
                                        <p>{text::api_error(error)}</p>
                                    </div>
                                }
                            })
                    }}
                </div>
                <div aria-live="polite">
                    {move || {
                        connecting()
                            .then(|| {
                                view! {
                                    <p class="hint">{text::CONNECTING}</p>
                                    <progress aria-label=text::CONNECT></progress>
                                }
                            })
                    }}
                </div>
                <div class="buttons">
                    <button id="connect" type="submit" class="button primary" disabled=connecting>
                        {text::CONNECT}
                    </button>
                    <button id="skip" type="submit" class="button" form="skip-form" disabled=connecting>
                        {move || if skips.get() { text::SKIP } else { text::CANCEL }}
                    </button>
                </div>
            </form>
            {office_part(ui, skips)}
            <form
                id="skip-form"
                method="post"
                action=Call::SkipActivation.path()
                on:submit=move |event| {
                    event.prevent_default();
                    leave();
                }
            >
                <input type="hidden" name="form_token" value=move || token.get()/>
            </form>
        </dialog>
    }
}

/// Opens the dialog when the server asks for it, but never over something that the user is typing: then it waits.
fn open_by_itself(ui: Ui, ask: Memo<bool>, dismissed: StoredValue<bool>) {
    Effect::new(move |_| {
        if !ask.get() {
            dismissed.set_value(false);
            return;
        }
        // Each tick of the clock looks again.
        ui.elapsed.track();
        if ui.dialog.get().is_none() && !dismissed.get_value() && !browser::typing_elsewhere() {
            ui.refused.set(None);
            ui.dialog.set(Some(Dialog::Activation));
        }
    });
}

/// The field that the user has to look at.
const fn concerned(error: ApiError) -> Option<InvalidField> {
    match error {
        ApiError::Invalid(field) => Some(field),
        ApiError::Activation(failure) => match failure {
            ActivationFailure::Login => Some(InvalidField::Password),
            ActivationFailure::Address
            | ActivationFailure::UseOffice365
            | ActivationFailure::NoMailbox
            | ActivationFailure::MailboxTaken => Some(InvalidField::Login),
            ActivationFailure::Certificate
            | ActivationFailure::NotExchange
            | ActivationFailure::NotAllowed => Some(InvalidField::EwsUrl),
            ActivationFailure::TooManyTrials
            | ActivationFailure::Unavailable
            | ActivationFailure::OtherAccount
            | ActivationFailure::OfficeOff => None,
        },
        ApiError::SignedOut
        | ApiError::Forbidden
        | ApiError::WrongState
        | ApiError::TooOften(_)
        | ApiError::Unavailable => None,
    }
}
