use leptos::prelude::*;
use tandem_types::{ConnectionView, ContactScope, Direction, ItemKind, SettingKey};

use super::fields::{Form, guarded_card};
use crate::page::{PageData, SettingsPage};
use crate::place::Part;
use crate::text::settings as words;
use crate::ui::backfill::backfill_card;

const CONTACTS: [SettingKey; 4] = [
    SettingKey::Contacts,
    SettingKey::ContactScope,
    SettingKey::ContactList,
    SettingKey::ContactLimit,
];
const EVENT_BOXES: [SettingKey; 3] = [
    SettingKey::SaveMeetings,
    SettingKey::SaveAppointments,
    SettingKey::SendInvitations,
];
const EVENTS: [SettingKey; 6] = [
    SettingKey::Events,
    SettingKey::EventDaysBack,
    SettingKey::EventDaysAhead,
    SettingKey::SaveMeetings,
    SettingKey::SaveAppointments,
    SettingKey::SendInvitations,
];
const EMAIL_BOXES: [SettingKey; 3] = [
    SettingKey::SaveEmails,
    SettingKey::SaveThreads,
    SettingKey::Attachments,
];
const EMAILS: [SettingKey; 8] = [
    SettingKey::Emails,
    SettingKey::SaveEmails,
    SettingKey::SaveThreads,
    SettingKey::EmailDaysBack,
    SettingKey::EmailFolders,
    SettingKey::Attachments,
    SettingKey::AttachmentBytes,
    SettingKey::AttachmentEndings,
];
const MEGABYTE: u64 = 1024 * 1024;

/// Directions, scopes, windows, and older e-mails.
pub(super) fn cards(p: &PageData, c: &ConnectionView, s: &SettingsPage) -> impl IntoView + use<> {
    let forms = Form::of(p, c, s).map(|form| {
        view! {
            <p class="hint">{words::WHEN.get()}</p>
            {card("sync-contacts", ItemKind::Contact, contacts(form))}
            {card("sync-events", ItemKind::Event, events(form))}
            {card("sync-tasks", ItemKind::Task, tasks(form))}
            {card("sync-emails", ItemKind::Email, emails(form))}
        }
    });
    view! {
        {forms.into_any()}
        {backfill_card(p, c).into_any()}
        {guarded_card(words::guarded(&c.settings))}
    }
}

fn card(id: &'static str, kind: ItemKind, form: impl IntoView + 'static) -> impl IntoView {
    let title = format!("{id}-title");
    let named = title.clone();
    view! {
        <section class="card" id=id aria-labelledby=named>
            <h2 id=title>{words::kinds(kind)}</h2>
            {form}
        </section>
    }
}

/// Directions that a kind can have.
fn directions(kind: ItemKind) -> Vec<(&'static str, &'static str)> {
    Direction::ALL
        .into_iter()
        .filter(|direction| kind != ItemKind::Email || matches!(direction, Direction::ToCrm | Direction::Off))
        .map(|direction| (direction.as_str(), words::direction(direction)))
        .collect()
}

fn direction(form: Form<'_>, key: SettingKey, kind: ItemKind) -> impl IntoView + use<> {
    let (now, inherited) = (form.c.settings.direction(kind), form.s.inherited.direction(kind));
    form.choice(
        key,
        words::DIRECTION.get(),
        directions(kind),
        now.as_str(),
        inherited.as_str(),
    )
}

fn contacts(form: Form<'_>) -> impl IntoView + use<> {
    let (now, org) = (&form.c.settings, &form.s.inherited);
    let scopes = ContactScope::ALL.map(|scope| (scope.as_str(), words::scope(scope)));
    let fields = view! {
        {direction(form, SettingKey::Contacts, ItemKind::Contact)}
        {form
            .choice(
                SettingKey::ContactScope,
                words::SCOPE.get(),
                scopes.to_vec(),
                now.contact_scope.as_str(),
                org.contact_scope.as_str(),
            )}
        {form
            .text(
                SettingKey::ContactList,
                words::LIST_VIEW.get(),
                words::LIST_VIEW_HINT.get(),
                now.contact_list.clone().unwrap_or_default(),
                words::listed(org.contact_list.as_slice()),
            )}
        {form
            .number(
                SettingKey::ContactLimit,
                words::CONTACT_LIMIT.get(),
                None,
                (1, 100_000),
                now.contact_limit.into(),
                org.contact_limit.into(),
            )}
    };
    form.form(Part::Sync, &CONTACTS, &[], fields)
}

fn events(form: Form<'_>) -> impl IntoView + use<> {
    let (now, org) = (&form.c.settings, &form.s.inherited);
    let fields = view! {
        {direction(form, SettingKey::Events, ItemKind::Event)}
        <div class="days">
            {form
                .number(
                    SettingKey::EventDaysBack,
                    words::DAYS_BACK.get(),
                    None,
                    (0, 366),
                    now.event_days_back.into(),
                    org.event_days_back.into(),
                )}
            {form
                .number(
                    SettingKey::EventDaysAhead,
                    words::DAYS_AHEAD.get(),
                    None,
                    (1, 730),
                    now.event_days_ahead.into(),
                    org.event_days_ahead.into(),
                )}
        </div>
        {form.tick(SettingKey::SaveMeetings, words::SAVE_MEETINGS.get(), now.save_meetings, org.save_meetings)}
        {form
            .tick(
                SettingKey::SaveAppointments,
                words::SAVE_APPOINTMENTS.get(),
                now.save_appointments,
                org.save_appointments,
            )}
        {form
            .tick(
                SettingKey::SendInvitations,
                words::SEND_INVITATIONS.get(),
                now.send_invitations,
                org.send_invitations,
            )}
    };
    form.form(Part::Sync, &EVENTS, &EVENT_BOXES, fields)
}

fn tasks(form: Form<'_>) -> impl IntoView + use<> {
    let fields = direction(form, SettingKey::Tasks, ItemKind::Task);
    form.form(Part::Sync, &[SettingKey::Tasks], &[], fields)
}

fn emails(form: Form<'_>) -> impl IntoView + use<> {
    let (now, org) = (&form.c.settings, &form.s.inherited);
    let megabytes = |bytes: u64| bytes.div_ceil(MEGABYTE);
    let fields = view! {
        {direction(form, SettingKey::Emails, ItemKind::Email)}
        {form.tick(SettingKey::SaveEmails, words::SAVE_EMAILS.get(), now.save_emails, org.save_emails)}
        {form.tick(SettingKey::SaveThreads, words::SAVE_THREADS.get(), now.save_threads, org.save_threads)}
        {form
            .number(
                SettingKey::EmailDaysBack,
                words::EMAIL_DAYS.get(),
                Some(words::EMAIL_DAYS_HINT.get()),
                (0, 366),
                now.email_days_back.into(),
                org.email_days_back.into(),
            )}
        {form
            .lines(
                SettingKey::EmailFolders,
                words::EMAIL_FOLDERS.get(),
                words::EMAIL_FOLDERS_HINT.get(),
                &now.email_folders,
                words::listed(&org.email_folders),
            )}
        {form
            .tick(
                SettingKey::Attachments,
                words::ATTACHMENTS.get(),
                now.attachments.save,
                org.attachments.save,
            )}
        {form
            .number(
                SettingKey::AttachmentBytes,
                words::ATTACHMENT_SIZE.get(),
                None,
                (1, 50),
                megabytes(now.attachments.max_bytes),
                megabytes(org.attachments.max_bytes),
            )}
        {form
            .text(
                SettingKey::AttachmentEndings,
                words::ATTACHMENT_ENDINGS.get(),
                words::ATTACHMENT_ENDINGS_HINT.get(),
                now.attachments.endings.join(" "),
                words::listed(&org.attachments.endings),
            )}
    };
    form.form(Part::Sync, &EMAILS, &EMAIL_BOXES, fields)
}
