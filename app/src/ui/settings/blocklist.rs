use leptos::either::Either;
use leptos::prelude::*;
use tandem_types::{ConnectionView, SettingKey};

use super::fields::Form;
use crate::page::{PageData, SettingsPage};
use crate::place::Part;
use crate::text::settings as words;
use crate::ui::parts::lines;

/// Who is never matched: the user's own entries, and the organisation's.
pub(super) fn cards(p: &PageData, c: &ConnectionView, s: &SettingsPage) -> Option<impl IntoView + use<>> {
    let form = Form::of(p, c, s)?;
    let org = &form.s.inherited.blocklist;
    let field = form.lines(
        SettingKey::Blocklist,
        words::BLOCKLIST_OWN.get(),
        words::BLOCKLIST_HINT.get(),
        &form.s.blocklist,
        words::listed(org),
    );
    let there = if org.is_empty() {
        Either::Left(view! { <p class="hint">{words::BLOCKLIST_ORG_EMPTY.get()}</p> })
    } else {
        Either::Right(view! {
            <p class="hint">{words::BLOCKLIST_ORG_HINT.get()}</p>
            {lines("plain", org.clone())}
        })
    };
    Some(view! {
        <section class="card" id="blocklist" aria-labelledby="blocklist-title">
            <h2 id="blocklist-title">{words::BLOCKLIST.get()}</h2>
            <p>{words::BLOCKLIST_LEAD.get()}</p>
            {form.form(Part::Blocklist, &[SettingKey::Blocklist], &[], field)}
        </section>
        <section class="card" id="blocklist-org" aria-labelledby="blocklist-org-title">
            <h2 id="blocklist-org-title">{words::BLOCKLIST_ORG.get()}</h2>
            {there}
        </section>
    })
}
