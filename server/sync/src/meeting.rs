//! Meetings and emails exist once per organisation: what they are claimed by, and who waits for whom.

use tandem_types::{ConnectionId, ItemKind, Timestamp};

use crate::hash::Hasher;
use crate::link::BaseHash;
use crate::model::{EventFacts, Field, FieldValue, MailFacts, Part, Snapshot};
use crate::ports::Claim;

/// A claim that was not used for so many intervals is taken over.
const STALE_INTERVALS: i64 = 3;

/// What an event or an email is known by in the whole organisation. Under the organisation's key.
pub(crate) fn identity(org: &Hasher, item: &Snapshot) -> Option<BaseHash> {
    match item.record.kind {
        ItemKind::Event => event_identity(org, item.extra.event.as_deref()?),
        ItemKind::Email => mail_identity(org, item.extra.mail.as_deref()?),
        ItemKind::Contact | ItemKind::Task => None,
    }
}

fn event_identity(org: &Hasher, event: &EventFacts) -> Option<BaseHash> {
    let uid = event.uid.as_deref().filter(|uid| !uid.is_empty())?;
    let start = event.original_start.as_deref().unwrap_or_default();
    hash(org, format!("meeting\n{uid}\n{start}"))
}

fn mail_identity(org: &Hasher, mail: &MailFacts) -> Option<BaseHash> {
    let id = mail.message_id.as_deref().filter(|id| !id.is_empty())?;
    mail_hash(org, id)
}

/// Of a Message-ID without its angle brackets.
pub(crate) fn mail_hash(org: &Hasher, id: &str) -> Option<BaseHash> {
    hash(org, format!("mail\n{id}"))
}

/// What a conversation of one mailbox is remembered by.
pub(crate) fn thread(org: &Hasher, connection: &ConnectionId, item: &Snapshot) -> Option<BaseHash> {
    let thread = item.extra.mail.as_deref()?.thread.as_deref()?;
    hash(org, format!("thread\n{connection}\n{thread}"))
}

fn hash(org: &Hasher, text: String) -> Option<BaseHash> {
    // A form that is compared to the letter.
    org.of(Field::MessageId, &FieldValue::Known(text))
}

/// Only what several mailboxes can hold is claimed.
pub(crate) fn is_shared(item: &Snapshot) -> bool {
    match item.record.kind {
        ItemKind::Event => item.extra.event.as_deref().is_some_and(EventFacts::is_meeting),
        ItemKind::Email => true,
        ItemKind::Contact | ItemKind::Task => false,
    }
}

/// The organizer of a meeting to which the user is only invited.
pub(crate) fn organizer(item: &Snapshot) -> Option<&str> {
    let event = item.extra.event.as_deref()?;
    if event.part != Part::Attendee {
        return None;
    }
    event.organizer.as_ref().map(|who| who.address.as_str())
}

/// Before when a claim that was never used must have been made to be taken over.
pub(crate) fn stale_before(now: Timestamp, interval_minutes: u32) -> Timestamp {
    now.plus_seconds(-STALE_INTERVALS * i64::from(interval_minutes) * 60)
}

/// Another holds the claim, and may still use it.
pub(crate) fn is_held(claim: &Claim, by: &ConnectionId, stale_before: Timestamp) -> bool {
    claim.holder != *by && claim.crm_id.is_none() && claim.since >= stale_before
}

/// Whether an invitation has waited for the organizer's own connection for an interval. Sessions come up to a tenth
/// early.
pub(crate) fn has_waited(since: Timestamp, now: Timestamp, interval_minutes: u32) -> bool {
    let interval = i64::from(interval_minutes) * 60;
    now.seconds_since(since) >= interval - interval / 5
}
