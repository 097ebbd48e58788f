//! The kinds of mailbox, and the part of the activation dialog for Office 365.
//!
//! Which part is shown follows from the radio alone, by the style sheet: it works without script.

use leptos::either::{Either, EitherOf4};
use leptos::html::Input;
use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast as _;
use tandem_types::MailboxServer;

use crate::call::Call;
use crate::page::{Dialog, OfficeStep, Ui};
use crate::{browser, text};

/// The link that opens Microsoft's window.
const LINK: &str = "connect-office";

/// Where is your mailbox?
pub(super) fn kinds(ui: Ui) -> impl IntoView {
    let there = Memo::new(move |_| {
        ui.view
            .with(|view| view.connection.as_ref().is_some_and(|c| c.office.is_some()))
    });
    view! {
        <fieldset class="kinds">
            <legend>{text::KIND_LEGEND}</legend>
            <label class="kind">
                <input
                    type="radio"
                    id="kind-exchange"
                    name="kind"
                    value="exchange"
                    checked=move || ui.kind.get() == MailboxServer::Exchange
                    prop:checked=move || ui.kind.get() == MailboxServer::Exchange
                    on:change=move |_| choose(ui, MailboxServer::Exchange)
                />
                <span>{text::KIND_EXCHANGE}<span class="hint">{text::KIND_EXCHANGE_HINT}</span></span>
            </label>
            <label class="kind">
                <input
                    type="radio"
                    id="kind-office"
                    name="kind"
                    value="office365"
                    checked=move || ui.kind.get() == MailboxServer::Office365
                    prop:checked=move || ui.kind.get() == MailboxServer::Office365
                    disabled=move || !there.get()
                    on:change=move |_| choose(ui, MailboxServer::Office365)
                />
                <span>
                    {text::KIND_OFFICE}
                    <span class="hint">
                        {move || if there.get() { text::KIND_OFFICE_HINT } else { text::KIND_OFFICE_OFF }}
                    </span>
                </span>
            </label>
        </fieldset>
    }
}

fn choose(ui: Ui, kind: MailboxServer) {
    ui.refused.set(None);
    ui.kind.set(kind);
}

/// Puts the focus on the link, when the dialog opens with it.
pub(super) fn focus() {
    let link = document().get_element_by_id(LINK);
    if let Some(link) = link.and_then(|link| link.dyn_into::<leptos::web_sys::HtmlElement>().ok()) {
        let _ = link.focus();
    }
}

/// The window, its state, the code to type, and what is said when another mailbox came of it.
pub(super) fn office_part(ui: Ui, skips: Memo<bool>) -> impl IntoView {
    let connecting = move || ui.busy.get() == Some(Call::ConnectOffice);
    let error = move || {
        let shown = ui.dialog.get() == Some(Dialog::Activation)
            && ui.kind.get() == MailboxServer::Office365
            && !connecting();
        ui.refused.get().filter(|_| shown)
    };
    view! {
        <div class="for-office" id="office">
            <p>{text::OFFICE_LEAD}</p>
            <div class="sign-in">
                <a
                    id=LINK
                    class="button primary"
                    href=move || ui.office_url.get()
                    target="_blank"
                    rel="opener"
                    on:click=move |event| {
                        // Where no window can be opened by script the link itself does it.
                        if browser::connect_office(ui) {
                            event.prevent_default();
                        }
                    }
                >
                    {text::CONNECT_OFFICE}
                </a>
            </div>
            <div aria-live="polite">
                {move || {
                    if connecting() {
                        return Some(
                            Either::Left(
                                view! {
                                    <p class="hint">{text::CONNECTING_OFFICE}</p>
                                    <progress aria-label=text::CONNECT_OFFICE></progress>
                                },
                            ),
                        );
                    }
                    match ui.office.get() {
                        OfficeStep::Idle => None,
                        OfficeStep::Insecure => {
                            Some(Either::Right(EitherOf4::A(view! { <p class="bar attention">{text::SIGN_IN_INSECURE}</p> })))
                        }
                        OfficeStep::Waiting => {
                            Some(Either::Right(EitherOf4::B(view! { <p class="bar">{text::OFFICE_WAITING}</p> })))
                        }
                        OfficeStep::Blocked => {
                            Some(
                                Either::Right(
                                    EitherOf4::C(
                                        view! {
                                            <p class="bar attention" id="office-blocked">
                                                {text::SIGN_IN_BLOCKED} " "
                                                <a href=move || ui.office_url.get() target="_blank" rel="opener">
                                                    {text::SIGN_IN_LINK}
                                                </a>
                                            </p>
                                        },
                                    ),
                                ),
                            )
                        }
                        OfficeStep::Other { account, expected, .. } => {
                            Some(Either::Right(EitherOf4::D(other_mailbox(ui, &account, &expected))))
                        }
                    }
                }}
            </div>
            <div id="office-error" role="alert">
                {move || {
                    error()
                        .map(|error| {
                            view! {
                                <div class="bar attention">
                                    <p>{text::api_error(error)}</p>
                                </div>
                            }
                        })
                }}
            </div>
            {code_form(ui)}
            <div class="buttons">
                <button type="submit" class="button" form="skip-form" disabled=connecting>
                    {move || if skips.get() { text::SKIP } else { text::CANCEL }}
                </button>
            </div>
        </div>
    }
}

/// Both addresses, before anything is stored.
fn other_mailbox(ui: Ui, account: &str, expected: &str) -> impl IntoView + use<> {
    let said = text::other_mailbox(account, expected);
    view! {
        <div class="bar attention" id="office-other" role="alert">
            <p>
                <strong>{text::OFFICE_OTHER_TITLE}</strong>
            </p>
            <p>{said}</p>
            <div class="buttons">
                <button type="button" class="button" id="office-anyway" on:click=move |_| browser::confirm_office(ui)>
                    {text::OFFICE_ANYWAY}
                </button>
                <button
                    type="button"
                    class="button"
                    id="office-again"
                    on:click=move |_| {
                        browser::connect_office(ui);
                    }
                >
                    {text::OFFICE_OTHER_ACCOUNT}
                </button>
            </div>
        </div>
    }
}

/// For a window whose message does not arrive; without script all there is.
fn code_form(ui: Ui) -> impl IntoView {
    let code = NodeRef::<Input>::new();
    let token = Memo::new(move |_| ui.view.with(|view| view.form_token.clone()));
    let with_office = move |read: fn(&tandem_types::OfficeView) -> Option<String>| {
        ui.view.with(|view| {
            view.connection
                .as_ref()
                .and_then(|c| c.office.as_ref())
                .and_then(read)
        })
    };
    let nonce =
        Memo::new(move |_| with_office(|office| office.nonce.as_ref().map(|(nonce, _)| nonce.clone())));
    let before = Memo::new(move |_| with_office(|office| office.hint.clone()).is_some());
    view! {
        <details class="more">
            <summary>{text::SIGN_IN_CODE_HINT}</summary>
            <form
                id="office-form"
                class="code"
                method="post"
                action=Call::ConnectOffice.path()
                on:submit=move |event| {
                    event.prevent_default();
                    if let Some(input) = code.get_untracked() {
                        browser::send_office_code(ui, &input.value());
                    }
                }
            >
                <input type="hidden" name="form_token" value=move || token.get()/>
                <input type="hidden" name="nonce" value=move || nonce.get()/>
                <label for="office-code">{text::OFFICE_CODE}</label>
                <div class="row">
                    <input
                        id="office-code"
                        name="code"
                        node_ref=code
                        inputmode="numeric"
                        autocomplete="one-time-code"
                        maxlength="6"
                        pattern="[0-9]{6}"
                        required
                    />
                    <button type="submit" class="button">{text::CODE_SEND}</button>
                </div>
                {move || {
                    before
                        .get()
                        .then(|| {
                            view! {
                                <label class="plain-only" for="office-confirmed">
                                    <input id="office-confirmed" type="checkbox" name="confirmed" value="1"/>
                                    {text::OFFICE_OTHER_BOX}
                                </label>
                            }
                        })
                }}
            </form>
        </details>
    }
}
