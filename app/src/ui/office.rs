//! The kinds of mailbox, and the part of the activation dialog for Office 365.
//!
//! Which part is shown follows from the radio alone, by the style sheet: it works without script.

use leptos::prelude::*;
use tandem_types::MailboxServer;

use super::parts::{form_token, refused_bar};
use crate::call::{Call, office_url};
use crate::live::{Door, Step, door};
use crate::page::{OtherMailbox, PageData, Told};
use crate::text;

/// Where is your mailbox?
pub(super) fn kinds(p: &PageData) -> impl IntoView + use<> {
    let there = p.connection().is_some_and(|c| c.office.is_some());
    let first = p.first_kind();
    // Nothing is connected: Outlook may say which kind it shows.
    let free = there && p.connection().is_some_and(|c| c.mailbox.is_none());
    let hint = if there {
        text::KIND_OFFICE_HINT.get()
    } else {
        text::KIND_OFFICE_OFF.get()
    };
    view! {
        <fieldset class="kinds" data-free=free.then_some("")>
            <legend>{text::KIND_LEGEND.get()}</legend>
            <label class="kind">
                <input
                    type="radio"
                    id="kind-exchange"
                    name="kind"
                    value="exchange"
                    checked=first == MailboxServer::Exchange
                />
                <span>{text::KIND_EXCHANGE.get()}<span class="hint">{text::KIND_EXCHANGE_HINT.get()}</span></span>
            </label>
            <label class="kind">
                <input
                    type="radio"
                    id="kind-office"
                    name="kind"
                    value="office365"
                    checked=first == MailboxServer::Office365
                    disabled=!there
                />
                <span>
                    {text::KIND_OFFICE.get()}
                    <span class="hint">{hint}</span>
                </span>
            </label>
        </fieldset>
    }
}

/// The window, its state, the code to type, and what is said when another mailbox came of it.
pub(super) fn office_part(p: &PageData) -> impl IntoView + use<> {
    let office = p.connection().and_then(|c| c.office.clone()).unwrap_or_default();
    let challenge = office
        .nonce
        .as_ref()
        .map_or("", |(_, challenge)| challenge.as_str());
    let url = office_url(challenge, office.hint.as_deref(), office.claims.as_deref());
    let skip = if p.skips() {
        text::SKIP.get()
    } else {
        text::CANCEL.get()
    };
    let other = match &p.told {
        Some(Told::OtherMailbox(other)) => Some(other_mailbox(p, other)),
        _ => None,
    };
    view! {
        <div class="for-office" id="office">
            <p>{text::OFFICE_LEAD.get()}</p>
            <div
                class="sign-in"
                data-live=Door::Office.as_str()
                data-label=text::CONNECT_OFFICE.get()
                data-hint=office.hint.clone()
                data-claims=office.claims.clone()
            >
                {door(Door::Office, text::CONNECT_OFFICE.get().to_owned(), move || url.clone(), || Step::Idle)}
            </div>
            <div aria-live="polite">
                <div class="when-busy" hidden>
                    <p class="hint">{text::CONNECTING_OFFICE.get()}</p>
                    <progress aria-label=text::CONNECT_OFFICE.get()></progress>
                </div>
            </div>
            <div role="alert" id="office-error" data-stays="">
                {refused_bar(p.refused_in_dialog(MailboxServer::Office365))}
                {other}
            </div>
            {code_form(p)}
            <div class="buttons">
                <button type="submit" class="button" form="skip-form">
                    {skip}
                </button>
            </div>
        </div>
    }
}

/// Both addresses, before anything is stored.
fn other_mailbox(p: &PageData, other: &OtherMailbox) -> impl IntoView + use<> {
    view! {
        <div class="bar attention" id="office-other">
            <p>
                <strong>{text::OFFICE_OTHER_TITLE.get()}</strong>
            </p>
            <p>{text::other_mailbox(&other.account, &other.expected)}</p>
            <div class="buttons">
                // Only a page with script gets here: the nonce is in its memory.
                <form method="post" action=Call::ConnectOffice.path() data-code=Door::Office.as_str()>
                    {form_token(p)}
                    <input type="hidden" name="code" value=other.code.clone()/>
                    <input type="hidden" name="confirmed" value="1"/>
                    <button type="submit" class="button" id="office-anyway">
                        {text::OFFICE_ANYWAY.get()}
                    </button>
                </form>
                <button type="button" class="button" id="office-again" data-door=Door::Office.as_str()>
                    {text::OFFICE_OTHER_ACCOUNT.get()}
                </button>
            </div>
        </div>
    }
}

/// For a window whose message does not arrive; without script all there is.
fn code_form(p: &PageData) -> impl IntoView + use<> {
    let office = p.connection().and_then(|c| c.office.as_ref());
    let nonce = office
        .and_then(|office| office.nonce.as_ref())
        .map(|(nonce, _)| nonce.clone());
    let before = office.is_some_and(|office| office.hint.is_some());
    view! {
        <details class="more">
            <summary>{text::SIGN_IN_CODE_HINT.get()}</summary>
            <form
                id="office-form"
                class="code"
                method="post"
                action=Call::ConnectOffice.path()
                data-code=Door::Office.as_str()
            >
                {form_token(p)}
                <input type="hidden" name="nonce" value=nonce/>
                <label for="office-code">{text::OFFICE_CODE.get()}</label>
                <div class="row">
                    <input
                        id="office-code"
                        name="code"
                        inputmode="numeric"
                        autocomplete="one-time-code"
                        maxlength="6"
                        pattern="[0-9]{6}"
                        required
                    />
                    <button type="submit" class="button">{text::CODE_SEND.get()}</button>
                </div>
                {before
                    .then(|| {
                        view! {
                            <label class="plain-only" for="office-confirmed">
                                <input id="office-confirmed" type="checkbox" name="confirmed" value="1"/>
                                {text::OFFICE_OTHER_BOX.get()}
                            </label>
                        }
                    })}
            </form>
        </details>
    }
}
