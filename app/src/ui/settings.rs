use leptos::prelude::*;
use tandem_types::{ConnectionView, PaneView, SyncState, Timestamp, ViewerView};

use super::backfill::backfill_card;
use super::cards::{accounts_card, progress_card, state_card};
use super::deactivation::what_happens;
use super::issues::issues_card;
use super::parts::{Look, act, open_activation, when};
use super::sessions::sessions_card;
use crate::call::Call;
use crate::page::{Dialog, Ui};
use crate::text;

/// `/setup`: who is signed in, and how the mail server stands.
pub(crate) fn setup_cards(ui: Ui) -> impl IntoView {
    move || {
        let PaneView {
            viewer, connection, ..
        } = ui.view.get();
        viewer.zip(connection).map(|(viewer, c)| {
            let label = if c.mailbox.is_some() {
                text::CHANGE
            } else {
                text::SET_UP_SYNC
            };
            let look = if c.mailbox.is_some() {
                Look::Plain
            } else {
                Look::Primary
            };
            // The card below offers the same.
            let told = matches!(c.state, SyncState::NotActivated);
            view! {
                <h2 class="page-title">{text::SETUP_TITLE}</h2>
                <section class="card" id="salesforce" aria-labelledby="salesforce-title">
                    <h2 id="salesforce-title">{text::SALESFORCE}</h2>
                    {facts(signed_in_facts(&viewer))}
                    <p class="hint">{text::CHANGE_SALESFORCE_HINT}</p>
                    // Plain links, in this window: the answer comes back to this page.
                    <div class="buttons">
                        <a class="button" id="refresh-salesforce" href="/auth/start?to=setup&as=refresh">
                            {text::REFRESH}
                        </a>
                        <a
                            class="button"
                            id="change-salesforce"
                            href="/auth/start?to=setup&as=change"
                            aria-label=text::CHANGE_SALESFORCE
                        >
                            {text::CHANGE}
                        </a>
                    </div>
                </section>
                {(!told).then(|| state_card(ui, &c))}
                {progress_card(ui)}
                <section class="card" id="mail-server" aria-labelledby="mail-server-title">
                    <h2 id="mail-server-title">{text::MAIL_SERVER}</h2>
                    {facts(mail_server_facts(&c))}
                    {c.activated.filter(|_| c.mailbox.is_some()).map(|since| connected_since(ui, since))}
                    {last_accepted(ui, &c)}
                    <div class="buttons">{open_activation(ui, label, look)}</div>
                </section>
            }
        })
    }
}

/// `/settings`: state, accounts, settings, history, issues, and the way out.
pub(crate) fn settings_cards(ui: Ui) -> impl IntoView {
    let upper = move || {
        let PaneView { connection, .. } = ui.view.get();
        connection.map(|c| {
            view! {
                <h2 class="page-title">{text::SETTINGS_TITLE}</h2>
                {state_card(ui, &c)}
                {progress_card(ui)}
                <section class="card" id="general" aria-labelledby="general-title">
                    <h2 id="general-title">{text::STATE}</h2>
                    {last_accepted(ui, &c)}
                    {facts(vec![(text::LINKED, text::number(c.links))])}
                    <div class="buttons">
                        {(c.state == SyncState::Active)
                            .then(|| {
                                view! {
                                    {act(ui, Call::SyncNow, text::SYNC_NOW, Look::Primary, None, Vec::new())}
                                    {act(ui, Call::Pause, text::PAUSE, Look::Plain, None, Vec::new())}
                                }
                            })}
                    </div>
                </section>
                {accounts_card(&c.crm, c.mailbox.as_ref())}
            }
        })
    };
    let lower = move || {
        let PaneView { connection, .. } = ui.view.get();
        connection.map(|c| {
            let off = matches!(c.state, SyncState::NotActivated | SyncState::Deactivated);
            view! {
                {settings_table(&c)}
                {(!off)
                    .then(|| {
                        view! {
                            <section class="card" id="deactivate" aria-labelledby="deactivate-title">
                                <h2 id="deactivate-title">{text::DEACTIVATE}</h2>
                                {what_happens(ui)}
                                <div class="buttons">
                                    {deactivate_form(ui)}
                                </div>
                            </section>
                        }
                    })}
            }
        })
    };
    view! {
        {upper}
        {issues_card(ui, usize::MAX, || true)}
        {sessions_card(ui, usize::MAX, || true)}
        {backfill_card(ui)}
        {lower}
    }
}

/// A plain form under the words that say what happens; with script the dialog asks once more.
fn deactivate_form(ui: Ui) -> impl IntoView {
    view! {
        <form
            method="post"
            action=Call::Deactivate.path()
            on:submit=move |event| {
                event.prevent_default();
                ui.dialog.set(Some(Dialog::Deactivation));
            }
        >
            <input type="hidden" name="form_token" value=ui.view.with_untracked(|v| v.form_token.clone())/>
            <button type="submit" class=Look::Danger.class()>{text::DEACTIVATE}</button>
        </form>
    }
}

fn settings_table(c: &ConnectionView) -> impl IntoView + use<> {
    view! {
        <section class="card" id="what-syncs" aria-labelledby="what-syncs-title">
            <h2 id="what-syncs-title">{text::WHAT_SYNCS}</h2>
            <p class="hint">{text::WHAT_SYNCS_NOTE}</p>
            <table class="pairs">
                <caption class="unseen">{text::WHAT_SYNCS}</caption>
                <thead class="unseen">
                    <tr>
                        <th scope="col">{text::SETTING}</th>
                        <th scope="col">{text::VALUE}</th>
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
        (text::SIGNED_IN_AS, viewer.name.clone()),
        (text::USER, viewer.crm.username.clone()),
        (text::ORGANISATION, viewer.crm.org_name.clone()),
        (text::HOST, viewer.crm.host.clone()),
    ]
}

fn mail_server_facts(c: &ConnectionView) -> Vec<(&'static str, String)> {
    let mut rows = match &c.mailbox {
        Some(account) => vec![
            (text::ACCOUNT, account.address.clone()),
            (text::KIND, text::mailbox_server(account.server).to_owned()),
            (text::HOST, account.host.clone()),
        ],
        None => vec![(text::ACCOUNT, text::MAILBOX_NONE.to_owned())],
    };
    if c.mailbox.is_some() {
        rows.push((text::REFUSALS, text::number(c.rejections)));
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

fn connected_since(ui: Ui, since: Timestamp) -> impl IntoView + use<> {
    view! {
        <dl class="facts">
            <div>
                <dt>{text::CONNECTED_SINCE}</dt>
                <dd>{when(ui, since)}</dd>
            </div>
        </dl>
    }
}

/// The last accepted session, and the next that is due.
fn last_accepted(ui: Ui, c: &ConnectionView) -> impl IntoView + use<> {
    let success = c.last_success;
    let due = c.next_due;
    view! {
        <dl class="facts">
            <div>
                <dt>{text::LAST_ACCEPTED}</dt>
                <dd>
                    {match success {
                        Some(at) => leptos::either::Either::Left(when(ui, at)),
                        None => leptos::either::Either::Right(text::NEVER),
                    }}
                </dd>
            </div>
            {due
                .map(|due| {
                    view! {
                        <div>
                            <dt>{text::NEXT_SYNC}</dt>
                            <dd>{move || text::until(due, ui.now())}</dd>
                        </div>
                    }
                })}
        </dl>
    }
}
