use leptos::prelude::*;
use tandem_types::ConnectionView;

use super::fields::guarded_card;
use crate::text::settings as words;

/// How records are found: the rules, and what the administrator has told about the company.
pub(super) fn cards(c: &ConnectionView) -> impl IntoView + use<> {
    let domains = &c.settings.own_domains;
    let domains = if domains.is_empty() {
        words::OWN_DOMAINS_NONE.get().to_owned()
    } else {
        domains.join(", ")
    };
    view! {
        <section class="card" id="linking" aria-labelledby="linking-title">
            <h2 id="linking-title">{words::LINKING.get()}</h2>
            <p>{words::LINKING_LEAD.get()}</p>
            <ul class="plain">
                {words::LINKING_RULES.into_iter().map(|rule| view! { <li>{rule.get()}</li> }).collect_view()}
            </ul>
        </section>
        {guarded_card(vec![(words::OWN_DOMAINS.get(), domains)])}
    }
}
