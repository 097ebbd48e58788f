use leptos::prelude::*;
use tandem_types::{ActivationFailure, ApiError, InvalidField, MailboxServer};

use super::office::{kinds, office_part};
use super::parts::{form_token, refused_bar};
use crate::call::Call;
use crate::page::PageData;
use crate::text;

/// Login, password and, under *More*, the address of the server; or the way to Office 365.
pub(crate) fn activation_dialog(p: &PageData, loaded: bool) -> impl IntoView + use<> {
    let error = p.refused_in_dialog(MailboxServer::Exchange);
    let wrong = |field: InvalidField| (error.and_then(concerned) == Some(field)).then_some("true");
    let steps = (!p.search.is_empty()).then(|| {
        let lines: Vec<_> = p
            .search
            .iter()
            .map(|step| view! { <li>{format!("{}: {}", step.asked, step.answer)}</li> })
            .collect();
        view! {
            <p id="search-title" class="hint">{text::SEARCHED.get()}</p>
            <ol id="search" class="search hint" aria-labelledby="search-title">{lines}</ol>
        }
    });
    let title = if p.again() {
        text::ACTIVATION_TITLE_AGAIN.get()
    } else {
        text::ACTIVATION_TITLE.get()
    };
    let lead = match (p.microsoft_ended(), p.again()) {
        (true, _) => text::NEEDS_MICROSOFT_LEAD.get(),
        (false, true) if p.in_the_cloud() => text::ACTIVATION_LEAD_CLOUD.get(),
        (false, true) => text::ACTIVATION_LEAD_AGAIN.get(),
        (false, false) => text::ACTIVATION_LEAD.get(),
    };
    let first = !p.microsoft_ended() && !p.again();
    let partner = p.view.viewer.as_ref().map(|viewer| {
        view! {
            <p class="partner">
                <span class="hint">{text::SYNCS_WITH.get()}</span>
                <strong>{viewer.crm.username.clone()}</strong>
                <span class="hint">{text::crm_host(&viewer.crm)}</span>
            </p>
        }
    });
    // The account of another kind of server is no login here.
    let known = p
        .connection()
        .and_then(|c| c.mailbox.as_ref())
        .filter(|mailbox| mailbox.server == MailboxServer::Exchange)
        .map(|mailbox| mailbox.address.clone());
    let skip = if p.skips() {
        text::SKIP.get()
    } else {
        text::CANCEL.get()
    };
    view! {
        <dialog
            id="activation"
            // For browsers without script; the script makes it modal.
            open=loaded && p.opens()
            data-asks=p.asks().then_some("")
            aria-labelledby="activation-title"
            aria-describedby="activation-lead"
        >
            <h2 id="activation-title">{title}</h2>
            // The first is about logins; Office 365 has words of its own.
            <p id="activation-lead" class=first.then_some("for-exchange")>{lead}</p>
            {partner}
            {kinds(p)}
            <form id="activation-form" class="for-exchange" method="post" action=Call::ConnectExchange.path()>
                {form_token(p)}
                <div class="field">
                    <label for="login">{text::LOGIN.get()}</label>
                    <input
                        id="login"
                        name="login"
                        value=known
                        autocomplete="username"
                        autocapitalize="none"
                        spellcheck="false"
                        required
                        aria-describedby="login-hint activation-error"
                        aria-invalid=wrong(InvalidField::Login)
                    />
                    <span id="login-hint" class="hint">{text::LOGIN_HINT.get()}</span>
                </div>
                <div class="field">
                    <label for="password">{text::PASSWORD.get()}</label>
                    <input
                        id="password"
                        name="password"
                        type="password"
                        autocomplete="current-password"
                        required
                        aria-describedby="activation-error"
                        aria-invalid=wrong(InvalidField::Password)
                    />
                </div>
                <details id="more" class="more" open=wrong(InvalidField::EwsUrl).is_some()>
                    <summary>{text::MORE.get()}</summary>
                    <div class="field">
                        <label for="ews-url">{text::EWS_URL.get()}</label>
                        <input
                            id="ews-url"
                            name="ews_url"
                            type="url"
                            placeholder=text::EWS_URL_EXAMPLE
                            autocomplete="off"
                            spellcheck="false"
                            aria-describedby="ews-url-hint activation-error"
                            aria-invalid=wrong(InvalidField::EwsUrl)
                        />
                        <span id="ews-url-hint" class="hint">{text::EWS_URL_HINT.get()}</span>
                    </div>
                    {steps}
                </details>
                <div id="activation-error" role="alert" data-stays="">
                    {refused_bar(error)}
                </div>
                <div aria-live="polite">
                    <div class="when-busy" hidden>
                        <p class="hint">{text::CONNECTING.get()}</p>
                        <progress aria-label=text::CONNECT.get()></progress>
                    </div>
                </div>
                <div class="buttons">
                    <button id="connect" type="submit" class="button primary">
                        {text::CONNECT.get()}
                    </button>
                    <button id="skip" type="submit" class="button" form="skip-form">
                        {skip}
                    </button>
                </div>
            </form>
            {office_part(p)}
            <form id="skip-form" method="post" action=Call::SkipActivation.path()>
                {form_token(p)}
            </form>
        </dialog>
    }
}

/// The field that the user has to look at.
const fn concerned(error: ApiError) -> Option<InvalidField> {
    match error {
        ApiError::Invalid(field) => Some(field),
        ApiError::Activation(failure) => match failure {
            ActivationFailure::Login | ActivationFailure::LoginOrProtection => Some(InvalidField::Password),
            ActivationFailure::Address
            | ActivationFailure::UseOffice365
            | ActivationFailure::NoMailbox
            | ActivationFailure::MailboxTaken => Some(InvalidField::Login),
            ActivationFailure::Certificate
            | ActivationFailure::NotExchange
            | ActivationFailure::NotAllowed => Some(InvalidField::EwsUrl),
            ActivationFailure::TooManyTrials
            | ActivationFailure::Unavailable
            | ActivationFailure::NoCommonSignIn
            | ActivationFailure::ProxyBetween
            | ActivationFailure::OtherAccount
            | ActivationFailure::OfficeOff => None,
        },
        ApiError::SignedOut
        | ApiError::Forbidden
        | ApiError::WrongState
        | ApiError::NotAdministrator
        | ApiError::TooOften(_)
        | ApiError::Unavailable => None,
    }
}
