use leptos::prelude::*;

use crate::live::{Door, Step, door};
use crate::page::{Page, PageData};
use crate::text;

/// The page without a web session.
pub(crate) fn sign_in_page(p: &PageData) -> impl IntoView + use<> {
    view! {
        <section class="calm" aria-labelledby="sign-in-title">
            <img src="/tandem.svg" alt="" width="72" height="72"/>
            <h2 id="sign-in-title">{text::PRODUCT_LINE.get()}</h2>
            <p>{text::SIGN_IN_LEAD.get()}</p>
            {sign_in_button(p, text::SIGN_IN.get())}
            <p class="hint">{text::SIGN_IN_NOTE.get()}</p>
            {(p.page == Page::Setup)
                .then(|| {
                    let help = format!("/help?lang={}", p.lang.as_str());
                    view! { <p><a href=help>{text::HELP_TITLE.get()}</a></p> }
                })}
        </section>
    }
}

/// Starts the sign-in, and shows where it is.
pub(crate) fn sign_in_button(p: &PageData, label: &'static str) -> impl IntoView + use<> {
    let url = match p.page {
        Page::Setup => "/auth/start?to=setup",
        Page::Pane | Page::Settings => "/auth/start",
    };
    view! {
        <div class="sign-in" data-live=Door::Salesforce.as_str() data-label=label>
            {door(Door::Salesforce, label.to_owned(), || url.to_owned(), || Step::Idle)}
        </div>
    }
}
