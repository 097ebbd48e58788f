//! What the browser draws on by itself: the server draws it first, the browser takes it over.
//!
//! Each of these is the content of an element with `data-live`. A newer page from the server only changes that element's
//! attributes; what is inside belongs to the signals that drive it.

use leptos::either::Either;
use leptos::prelude::*;
use tandem_types::Progress;

use crate::{browser, text};

/// A window in which somebody signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Salesforce,
    Office,
}

impl Door {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Salesforce => "salesforce",
            Self::Office => "office",
        }
    }

    #[cfg(feature = "hydrate")]
    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Salesforce, Self::Office]
            .into_iter()
            .find(|door| door.as_str() == word)
    }

    /// The id of the bar that says that no window could be opened.
    const fn blocked_id(self) -> &'static str {
        match self {
            Self::Salesforce => "sign-in-blocked",
            Self::Office => "office-blocked",
        }
    }

    /// The id of its link.
    const fn id(self) -> &'static str {
        match self {
            Self::Salesforce => "sign-in",
            Self::Office => "connect-office",
        }
    }
}

/// Where a sign-in is.
#[cfg_attr(
    not(feature = "hydrate"),
    expect(dead_code, reason = "only a browser gets beyond the first")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Idle,
    /// No window could be opened: a link does it.
    Blocked,
    /// A window is open; its message, or a typed code, goes on.
    Waiting,
    /// The browser offers no cryptography here: no secure context.
    Insecure,
}

/// The link that opens a sign-in window, and where that is.
pub(crate) fn door(
    door: Door,
    label: String,
    url: impl Fn() -> String + Drives,
    step: impl Fn() -> Step + Drives,
) -> impl IntoView {
    let again = url.clone();
    view! {
        <a
            id=door.id()
            class="button primary"
            href=url
            target="_blank"
            rel="opener"
            on:click=move |event| {
                // Where no window can be opened by script the link itself does it.
                if browser::open(door) {
                    event.prevent_default();
                }
            }
        >
            {label}
        </a>
        <div aria-live="polite">
            {move || match step() {
                Step::Idle => None,
                Step::Insecure => {
                    Some(Either::Left(view! { <p class="bar attention">{text::SIGN_IN_INSECURE.get()}</p> }))
                }
                step => Some(Either::Right(opened(door, again.clone(), step == Step::Blocked))),
            }}
        </div>
    }
}

fn opened(door: Door, url: impl Fn() -> String + Drives, blocked: bool) -> impl IntoView {
    let said = if blocked {
        Either::Left(view! {
            <p>
                {text::SIGN_IN_BLOCKED.get()} " "
                <a href=url target="_blank" rel="opener">
                    {text::SIGN_IN_LINK.get()}
                </a>
            </p>
        })
    } else {
        Either::Right(view! { <p>{text::SIGN_IN_WAITING.get()}</p> })
    };
    // Office's form stands in the page already, for browsers without script.
    let code = (door == Door::Salesforce).then(code_form);
    let class = if blocked { "bar attention" } else { "bar" };
    view! { <div class=class id=blocked.then_some(door.blocked_id())>{said} {code}</div> }
}

fn code_form() -> impl IntoView {
    view! {
        <form class="code" data-code=Door::Salesforce.as_str()>
            <label for="code">{text::CODE_LABEL.get()}</label>
            <span class="hint" id="code-hint">{text::SIGN_IN_CODE_HINT.get()}</span>
            <div class="row">
                <input
                    id="code"
                    name="code"
                    inputmode="numeric"
                    autocomplete="one-time-code"
                    maxlength="6"
                    pattern="[0-9]{6}"
                    required
                    aria-describedby="code-hint"
                />
                <button type="submit" class="button">{text::CODE_SEND.get()}</button>
            </div>
        </form>
    }
}

/// How far a session is; nothing while there is none.
pub(crate) fn progress(progress: impl Fn() -> Option<Progress> + Drives) -> impl IntoView {
    move || {
        progress().map(|progress| {
            let known = progress.total > 0;
            view! {
                <section class="card">
                    <p>{text::progress_line(progress)}</p>
                    <progress
                        max=known.then_some(progress.total)
                        value=known.then_some(progress.done.min(progress.total))
                        aria-label=text::SYNC_NOW.get()
                    ></progress>
                </section>
            }
        })
    }
}

/// What a view's closure has to be.
pub(crate) trait Drives: Clone + Send + Sync + 'static {}
impl<T: Clone + Send + Sync + 'static> Drives for T {}
