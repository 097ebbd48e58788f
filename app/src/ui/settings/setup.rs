use leptos::prelude::*;
use tandem_types::{ConnectionView, SyncState, Timestamp, ViewerView};

use super::facts::{facts, last_accepted};
use crate::page::PageData;
use crate::text;
use crate::ui::cards::{progress_card, state_card};
use crate::ui::parts::{Look, open_activation, when};

/// `/setup`: who is signed in, and how the mail server stands.
pub(crate) fn setup_cards(p: &PageData, c: &ConnectionView) -> impl IntoView + use<> {
    // The card below offers the same.
    let told = matches!(c.state, SyncState::NotActivated);
    let salesforce = p.view.viewer.as_ref().map(salesforce_card);
    view! {
        <h2 class="page-title">{text::SETUP_TITLE.get()}</h2>
        {salesforce}
        {(!told).then(|| state_card(p, c))}
        {progress_card(c)}
        {mail_server_card(p, c)}
    }
}

/// The mailbox's account, how it stands, and *Change*.
pub(super) fn mail_server_card(p: &PageData, c: &ConnectionView) -> impl IntoView + use<> {
    let (label, look) = if c.mailbox.is_some() {
        (text::CHANGE.get(), Look::Plain)
    } else {
        (text::SET_UP_SYNC.get(), Look::Primary)
    };
    view! {
        <section class="card" id="mail-server" aria-labelledby="mail-server-title">
            <h2 id="mail-server-title">{text::MAIL_SERVER.get()}</h2>
            {facts(mail_server_facts(c))}
            {c.activated.filter(|_| c.mailbox.is_some()).map(|since| connected_since(p, since))}
            {last_accepted(p, c)}
            <div class="buttons">{open_activation(label, look)}</div>
        </section>
    }
}

/// The Salesforce account, *Refresh* and *Change*.
pub(super) fn salesforce_card(viewer: &ViewerView) -> impl IntoView + use<> {
    view! {
        <section class="card" id="salesforce" aria-labelledby="salesforce-title">
            <h2 id="salesforce-title">{text::SALESFORCE.get()}</h2>
            {facts(signed_in_facts(viewer))}
            <p class="hint">{text::CHANGE_SALESFORCE_HINT.get()}</p>
            // Plain links, in this window: the answer comes back to this page.
            <div class="buttons">
                <a class="button" id="refresh-salesforce" href="/auth/start?to=setup&as=refresh">
                    {text::REFRESH.get()}
                </a>
                <a
                    class="button"
                    id="change-salesforce"
                    href="/auth/start?to=setup&as=change"
                    aria-label=text::CHANGE_SALESFORCE.get()
                >
                    {text::CHANGE.get()}
                </a>
            </div>
        </section>
    }
}

fn signed_in_facts(viewer: &ViewerView) -> Vec<(&'static str, String)> {
    vec![
        (text::SIGNED_IN_AS.get(), viewer.name.clone()),
        (text::USER.get(), viewer.crm.username.clone()),
        (text::ORGANISATION.get(), viewer.crm.org_name.clone()),
        (text::HOST.get(), viewer.crm.host.clone()),
    ]
}

fn mail_server_facts(c: &ConnectionView) -> Vec<(&'static str, String)> {
    let mut rows = match &c.mailbox {
        Some(account) => vec![
            (text::ACCOUNT.get(), account.address.clone()),
            (text::KIND.get(), text::mailbox_server(account.server).to_owned()),
            (text::HOST.get(), account.host.clone()),
        ],
        None => vec![(text::ACCOUNT.get(), text::MAILBOX_NONE.get().to_owned())],
    };
    if c.mailbox.is_some() {
        rows.push((text::REFUSALS.get(), text::number(c.rejections)));
    }
    rows
}

fn connected_since(p: &PageData, since: Timestamp) -> impl IntoView + use<> {
    view! {
        <dl class="facts">
            <div>
                <dt>{text::CONNECTED_SINCE.get()}</dt>
                <dd>{when(p, since)}</dd>
            </div>
        </dl>
    }
}
