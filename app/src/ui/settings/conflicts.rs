use leptos::prelude::*;
use tandem_types::{ConflictPolicy, ConnectionView, DeletedInMailbox, ItemKind, SettingKey};

use super::fields::Form;
use crate::page::{PageData, SettingsPage};
use crate::place::Part;
use crate::text::settings as words;

const KEYS: [SettingKey; 6] = [
    SettingKey::ContactConflicts,
    SettingKey::ContactDeleted,
    SettingKey::EventConflicts,
    SettingKey::TaskConflicts,
    SettingKey::TaskDeleted,
    SettingKey::KeepHistory,
];

/// Who wins, and what a delete means.
pub(super) fn cards(p: &PageData, c: &ConnectionView, s: &SettingsPage) -> Option<impl IntoView + use<>> {
    let form = Form::of(p, c, s)?;
    let (now, org) = (&c.settings, &form.s.inherited);
    let fields = view! {
        <fieldset class="choices">
            <legend>{words::kinds(ItemKind::Contact)}</legend>
            {policy(form, SettingKey::ContactConflicts, ItemKind::Contact)}
            {deleted(
                form,
                SettingKey::ContactDeleted,
                now.contact_deleted_in_mailbox,
                org.contact_deleted_in_mailbox,
            )}
        </fieldset>
        <fieldset class="choices">
            <legend>{words::kinds(ItemKind::Event)}</legend>
            {policy(form, SettingKey::EventConflicts, ItemKind::Event)}
        </fieldset>
        <fieldset class="choices">
            <legend>{words::kinds(ItemKind::Task)}</legend>
            {policy(form, SettingKey::TaskConflicts, ItemKind::Task)}
            {deleted(
                form,
                SettingKey::TaskDeleted,
                now.task_deleted_in_mailbox,
                org.task_deleted_in_mailbox,
            )}
        </fieldset>
        {form.tick(SettingKey::KeepHistory, words::KEEP_HISTORY.get(), now.keep_history, org.keep_history)}
    };
    Some(view! {
        <section class="card" id="conflicts" aria-labelledby="conflicts-title">
            <h2 id="conflicts-title">{words::CONFLICTS.get()}</h2>
            <p>{words::CONFLICTS_LEAD.get()}</p>
            <p class="hint">{words::WHEN.get()}</p>
            {form.form(Part::Conflicts, &KEYS, &[SettingKey::KeepHistory], fields)}
        </section>
    })
}

fn policy(form: Form<'_>, key: SettingKey, kind: ItemKind) -> impl IntoView + use<> {
    form.choice(
        key,
        words::BOTH_CHANGED.get(),
        ConflictPolicy::ALL
            .map(|policy| (policy.as_str(), words::conflicts(policy)))
            .to_vec(),
        form.c.settings.conflicts(kind).as_str(),
        form.s.inherited.conflicts(kind).as_str(),
    )
}

fn deleted(
    form: Form<'_>,
    key: SettingKey,
    now: DeletedInMailbox,
    org: DeletedInMailbox,
) -> impl IntoView + use<> {
    let ways = DeletedInMailbox::ALL.map(|way| (way.as_str(), words::deleted(way)));
    form.choice(
        key,
        words::DELETED.get(),
        ways.to_vec(),
        now.as_str(),
        org.as_str(),
    )
}
