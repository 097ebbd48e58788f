use leptos::prelude::*;
use tandem_types::{ConnectionView, SyncState, Timestamp, ViewerView};

use super::backfill::backfill_card;
use super::cards::{accounts_card, progress_card, state_card};
use super::deactivation::what_happens;
use super::issues::issues_card;
use super::parts::{Look, act, form_token, open_activation, time, when};
use super::sessions::sessions_card;
use crate::call::Call;
use crate::page::PageData;
use crate::text::{self, Moment};

/// `/setup`: who is signed in, and how the mail server stands.
pub(crate) fn setup_cards(p: &PageData, c: &ConnectionView) -> impl IntoView + use<> {
    let (label, look) = if c.mailbox.is_some() {
        (text::CHANGE.get(), Look::Plain)
    } else {
        (text::SET_UP_SYNC.get(), Look::Primary)
    };
    // The card below offers the same.
    let told = matches!(c.state, SyncState::NotActivated);
    let salesforce = p.view.viewer.as_ref().map(salesforce_card);
    view! {
        <h2 class="page-title">{text::SETUP_TITLE.get()}</h2>
        {salesforce}
        {(!told).then(|| state_card(p, c))}
        {progress_card(c)}
        <section class="card" id="mail-server" aria-labelledby="mail-server-title">
            <h2 id="mail-server-title">{text::MAIL_SERVER.get()}</h2>
            {facts(mail_server_facts(c))}
            {c.activated.filter(|_| c.mailbox.is_some()).map(|since| connected_since(p, since))}
            {last_accepted(p, c)}
            <div class="buttons">{open_activation(label, look)}</div>
        </section>
    }
}

fn salesforce_card(viewer: &ViewerView) -> impl IntoView + use<> {
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

/// `/settings`: state, accounts, settings, history, issues, and the way out.
pub(crate) fn settings_cards(p: &PageData, c: &ConnectionView) -> impl IntoView + use<> {
    let active = (c.state == SyncState::Active).then(|| {
        view! {
            {act(p, Call::SyncNow, text::SYNC_NOW.get(), Look::Primary, None, Vec::new())}
            {act(p, Call::Pause, text::PAUSE.get(), Look::Plain, None, Vec::new())}
        }
    });
    let off = matches!(c.state, SyncState::NotActivated | SyncState::Deactivated);
    view! {
        <h2 class="page-title">{text::SETTINGS_TITLE.get()}</h2>
        {state_card(p, c)}
        {progress_card(c)}
        <section class="card" id="general" aria-labelledby="general-title">
            <h2 id="general-title">{text::STATE.get()}</h2>
            {last_accepted(p, c)}
            {facts(vec![(text::LINKED.get(), text::number(c.links))])}
            <div class="buttons">{active}</div>
        </section>
        {accounts_card(&c.crm, c.mailbox.as_ref())}
        {issues_card(p, c, usize::MAX, true)}
        {sessions_card(p, c, usize::MAX, true)}
        {backfill_card(p, c)}
        {settings_table(c)}
        {(!off).then(|| deactivate_card(p))}
    }
}

fn deactivate_card(p: &PageData) -> impl IntoView + use<> {
    view! {
        <section class="card" id="deactivate" aria-labelledby="deactivate-title">
            <h2 id="deactivate-title">{text::DEACTIVATE.get()}</h2>
            {what_happens(p)}
            <div class="buttons">
                // A plain form under the words that say what happens; with script the dialog asks once more.
                <form method="post" action=Call::Deactivate.path() data-opens="deactivation">
                    {form_token(p)}
                    <button type="submit" class=Look::Danger.class()>{text::DEACTIVATE.get()}</button>
                </form>
            </div>
        </section>
    }
}

fn settings_table(c: &ConnectionView) -> impl IntoView + use<> {
    view! {
        <section class="card" id="what-syncs" aria-labelledby="what-syncs-title">
            <h2 id="what-syncs-title">{text::WHAT_SYNCS.get()}</h2>
            <p class="hint">{text::WHAT_SYNCS_NOTE.get()}</p>
            <table class="pairs">
                <caption class="unseen">{text::WHAT_SYNCS.get()}</caption>
                <thead class="unseen">
                    <tr>
                        <th scope="col">{text::SETTING.get()}</th>
                        <th scope="col">{text::VALUE.get()}</th>
                    </tr>
                </thead>
                <tbody>
                    {text::settings_rows(&c.settings)
                        .into_iter()
                        .map(|(name, value)| {
                            view! {
                                <tr>
                                    <th scope="row">{name}</th>
                                    <td>{value}</td>
                                </tr>
                            }
                        })
                        .collect_view()}
                </tbody>
            </table>
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

fn facts(rows: Vec<(&'static str, String)>) -> impl IntoView {
    view! {
        <dl class="facts">
            {rows
                .into_iter()
                .map(|(name, value)| {
                    view! {
                        <div>
                            <dt>{name}</dt>
                            <dd>{value}</dd>
                        </div>
                    }
                })
                .collect_view()}
        </dl>
    }
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

/// The last accepted session, and the next that is due.
fn last_accepted(p: &PageData, c: &ConnectionView) -> impl IntoView + use<> {
    let success = c.last_success;
    let due = c.next_due;
    view! {
        <dl class="facts">
            <div>
                <dt>{text::LAST_ACCEPTED.get()}</dt>
                <dd>
                    {match success {
                        Some(at) => leptos::either::Either::Left(when(p, at)),
                        None => leptos::either::Either::Right(text::NEVER.get()),
                    }}
                </dd>
            </div>
            {due
                .map(|due| {
                    view! {
                        <div>
                            <dt>{text::NEXT_SYNC.get()}</dt>
                            <dd>{time(p, Moment::Until, due)}</dd>
                        </div>
                    }
                })}
        </dl>
    }
}
