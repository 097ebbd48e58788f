use leptos::prelude::*;
use tandem_types::{ConnectionView, ProbeStep, ProbeView, Side};

use super::setup::{mail_server_card, salesforce_card};
use crate::call::Call;
use crate::page::{PageData, Told};
use crate::place::side_word;
use crate::text::settings as words;
use crate::ui::parts::{Look, close, form_token};

/// Both accounts: refresh, change, test.
pub(super) fn cards(p: &PageData, c: &ConnectionView) -> impl IntoView + use<> {
    let told = match &p.told {
        Some(Told::Probed(probed)) => Some(probed_bar(*probed)),
        _ => None,
    };
    view! {
        {p.view.viewer.as_ref().map(salesforce_card)}
        {mail_server_card(p, c)}
        <section class="card" id="test" aria-labelledby="test-title">
            <h2 id="test-title">{words::PROBE_TITLE.get()}</h2>
            <p class="hint">{words::PROBE_LEAD.get()}</p>
            <div class="alerts" aria-live="polite" id="probe" data-stays="">
                {told}
            </div>
            <div class="buttons">
                {test(p, Side::Crm)}
                {c.mailbox.is_some().then(|| test(p, Side::Mailbox))}
            </div>
        </section>
    }
}

fn test(p: &PageData, side: Side) -> impl IntoView + use<> {
    view! {
        <form method="post" action=Call::Probe.path()>
            {form_token(p)}
            <input type="hidden" name="side" value=side_word(side)/>
            <button type="submit" class=Look::Plain.class() data-doing=words::PROBING.get()>
                {words::probe(side)}
            </button>
        </form>
    }
}

/// Step by step, as far as it came.
fn probed_bar(probed: ProbeView) -> impl IntoView {
    let failed = probed.failed;
    let class = if failed.is_some() { "bar attention" } else { "bar" };
    // Until the one that failed, and it.
    let mut over = false;
    let steps = ProbeStep::ALL
        .into_iter()
        .map(|step| {
            let (mark, said) = match failed {
                Some((at, fault)) if at == step => {
                    over = true;
                    ("✕", words::fault(fault))
                }
                _ if over => ("–", words::PROBE_NOT_TRIED.get()),
                _ => ("✓", words::PROBE_WELL.get()),
            };
            view! {
                <li>
                    <span aria-hidden="true">{mark} " "</span>
                    {words::step(step, probed.side)}
                    ": "
                    {said}
                </li>
            }
        })
        .collect_view();
    view! {
        <div class=class id="probed">
            <div class="told">
                <p><strong>{words::probed(probed.side, failed.is_none())}</strong></p>
                <ul>{steps}</ul>
            </div>
            {close()}
        </div>
    }
}
