use leptos::either::Either;
use leptos::prelude::*;
use tandem_types::{ApiError, CrmAccount, MailboxAccount, Timestamp};

use crate::call::Call;
use crate::page::PageData;
use crate::text::{self, Moment, Part, Sentence};

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

/// The field that shows that the form is of our own page.
pub(crate) fn form_token(p: &PageData) -> impl IntoView + use<> {
    view! { <input type="hidden" name="form_token" value=p.view.form_token.clone()/> }
}

/// One button that makes one call: a plain form, sent by script where there is script.
pub(crate) fn act(
    p: &PageData,
    call: Call,
    label: &'static str,
    look: Look,
    name: Option<String>,
    fields: Vec<(&'static str, String)>,
) -> impl IntoView + use<> {
    view! {
        <form method="post" action=call.path()>
            {form_token(p)}
            {fields
                .into_iter()
                .map(|(field, value)| view! { <input type="hidden" name=field value=value/> })
                .collect_view()}
            <button type="submit" class=look.class() aria-label=name>
                {label}
            </button>
        </form>
    }
}

/// Opens a dialog; without script a link to the page that shows the same.
pub(crate) fn dialog_link(
    dialog: &'static str,
    href: &'static str,
    label: &'static str,
    look: Look,
) -> impl IntoView {
    view! {
        <a class=look.class() href=href role="button" aria-haspopup="dialog" data-opens=dialog>
            {label}
        </a>
    }
}

/// Opens the activation dialog.
pub(crate) fn open_activation(label: &'static str, look: Look) -> impl IntoView {
    dialog_link("activation", "/setup?activate=1", label, look)
}

/// Empties what stays.
pub(crate) fn close() -> impl IntoView {
    view! {
        <button type="button" class="button subtle scripted" aria-label=text::CLOSE.get() data-closes="">
            "✕"
        </button>
    }
}

/// The error of the last call, for as long as it is the last.
pub(crate) fn refused(p: &PageData) -> impl IntoView + use<> {
    view! {
        <div class="alerts" role="alert" id="alerts" data-stays="">
            {p
                .refused_above()
                .map(|error| {
                    view! {
                        <div class="bar attention" id="refused">
                            <p>{text::api_error(error)}</p>
                            {close()}
                        </div>
                    }
                })}
        </div>
    }
}

/// The error of the activation dialog.
pub(crate) fn refused_bar(error: Option<ApiError>) -> Option<impl IntoView> {
    error.map(|error| {
        view! {
            <div class="bar attention">
                <p>{text::api_error(error)}</p>
            </div>
        }
    })
}

/// A point in time, told relative to now; the browser keeps it true.
pub(crate) fn time(p: &PageData, moment: Moment, at: Timestamp) -> impl IntoView + use<> {
    view! {
        <time datetime=text::iso(at) title=text::date_and_time(at) data-at=at.seconds().to_string() data-moment=moment.as_str()>
            {moment.say(at, p.view.now)}
        </time>
    }
}

pub(crate) fn when(p: &PageData, at: Timestamp) -> impl IntoView + use<> {
    time(p, Moment::Ago, at)
}

/// Words and points in time.
pub(crate) fn sentence(p: &PageData, sentence: Sentence) -> impl IntoView + use<> {
    let parts = sentence.0.into_iter().map(|part| match part {
        Part::Words(words) => Either::Left(words),
        Part::Time(moment, at) => Either::Right(time(p, moment, at)),
    });
    parts.collect_view()
}

/// A list of lines; nothing where there is none.
pub(crate) fn lines(class: &'static str, lines: Vec<String>) -> Option<impl IntoView> {
    (!lines.is_empty()).then(|| {
        view! {
            <ul class=class>
                {lines.into_iter().map(|line| view! { <li>{line}</li> }).collect_view()}
            </ul>
        }
    })
}

/// Both accounts, one under the other.
pub(crate) fn accounts(crm: &CrmAccount, mailbox: Option<&MailboxAccount>) -> impl IntoView + use<> {
    let (address, host) = match mailbox {
        Some(account) => (account.address.clone(), Some(text::mailbox_host(account))),
        None => (text::MAILBOX_NONE.get().to_owned(), None),
    };
    view! {
        <dl class="accounts">
            <div class="account">
                <dt>{text::MAILBOX.get()}</dt>
                <dd><strong>{address}</strong>{host.map(|host| view! { <span class="hint">{host}</span> })}</dd>
            </div>
            <div class="account">
                <dt>{text::SALESFORCE.get()}</dt>
                <dd><strong>{crm.username.clone()}</strong><span class="hint">{text::crm_host(crm)}</span></dd>
            </div>
        </dl>
    }
}
