use leptos::either::Either;
use leptos::prelude::*;

use crate::page::{SignIn, Ui};
use crate::{browser, text};

/// The page without a web session.
pub(crate) fn sign_in_page(ui: Ui) -> impl IntoView {
    view! {
        <section class="calm" aria-labelledby="sign-in-title">
            <img src="/tandem.svg" alt="" width="72" height="72"/>
            <h2 id="sign-in-title">{text::PRODUCT_LINE}</h2>
            <p>{text::SIGN_IN_LEAD}</p>
            {sign_in_button(ui, text::SIGN_IN)}
            <p class="hint">{text::SIGN_IN_NOTE}</p>
        </section>
    }
}

/// Starts the sign-in, and shows where it is.
pub(crate) fn sign_in_button(ui: Ui, label: &'static str) -> impl IntoView {
    let code = NodeRef::<leptos::html::Input>::new();
    view! {
        <div class="sign-in">
            <a
                id="sign-in"
                class="button primary"
                href=move || ui.sign_in_url.get()
                target="_blank"
                rel="opener"
                on:click=move |event| {
                    // Where no window can be opened by script the link itself does it.
                    if browser::sign_in(ui) {
                        event.prevent_default();
                    }
                }
            >
                {label}
            </a>
            <div aria-live="polite">
                {move || match ui.sign_in.get() {
                    SignIn::Idle => None,
                    SignIn::Insecure => {
                        Some(Either::Left(view! { <p class="bar attention">{text::SIGN_IN_INSECURE}</p> }))
                    }
                    waiting => {
                        Some(
                            Either::Right(
                                view! {
                                    <div class="bar">
                                        {match waiting {
                                            SignIn::Blocked => {
                                                Either::Left(
                                                    view! {
                                                        <p>
                                                            {text::SIGN_IN_BLOCKED} " "
                                                            <a
                                                                href=move || ui.sign_in_url.get()
                                                                target="_blank"
                                                                rel="opener"
                                                            >
                                                                {text::SIGN_IN_LINK}
                                                            </a>
                                                        </p>
                                                    },
                                                )
                                            }
                                            _ => Either::Right(view! { <p>{text::SIGN_IN_WAITING}</p> }),
                                        }}
                                        <form
                                            class="code"
                                            on:submit=move |event| {
                                                event.prevent_default();
                                                if let Some(input) = code.get_untracked() {
                                                    browser::send_code(ui, input.value());
                                                }
                                            }
                                        >
                                            <label for="code">{text::CODE_LABEL}</label>
                                            <span class="hint" id="code-hint">{text::SIGN_IN_CODE_HINT}</span>
                                            <div class="row">
                                                <input
                                                    id="code"
                                                    node_ref=code
                                                    inputmode="numeric"
                                                    autocomplete="one-time-code"
                                                    maxlength="6"
                                                    pattern="[0-9]{6}"
                                                    required
                                                    aria-describedby="code-hint"
                                                />
                                                <button type="submit" class="button">{text::CODE_SEND}</button>
                                            </div>
                                        </form>
                                    </div>
                                },
                            ),
                        )
                    }
                }}
            </div>
        </div>
    }
}
