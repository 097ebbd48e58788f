//! Which mailbox items are saved in the CRM, and by which rule.
//!
//! Contacts and tasks only by their scope. Events and emails also by themselves: a meeting with somebody outside who is
//! known, a mail with somebody who is known. What the user asks for (a category, a folder of ours) is saved, private or
//! not; what is confidential, internal, blocked or made by a machine is never saved by itself.

use tandem_types::{ItemKind, Timestamp};
pub use tandem_types::{NotSaved, SaveRule as Rule};

use crate::linker::{self, KnownMap, LinkerContext, People, people};
use crate::model::{Answer, EventFacts, Field, MailFacts, MailPlace, Part, Scope, Snapshot, When, Window};
use crate::mutant::{self, Mutant};

/// For whom, and when.
#[derive(Clone, Copy, Debug)]
pub struct SaveContext<'a> {
    pub linker: LinkerContext<'a>,
    pub now: Timestamp,
    /// Which events.
    pub window: Window,
    /// Mail that is older is not saved by itself.
    pub mails_since: Timestamp,
    /// The conversation of this mail was saved before; `None`: not known, taken for no.
    pub thread_saved: Option<bool>,
    /// The user has just ordered it to be saved.
    pub ordered: bool,
}

/// Whether an item is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saving {
    Yes(Rule),
    /// It depends on who is known: [`linker::clues`] must be asked first.
    Ask,
    No(NotSaved),
}

/// The rule that decides about a mailbox item that is not linked.
#[must_use]
pub fn saving(item: &Snapshot, ctx: &SaveContext<'_>, known: &KnownMap) -> Saving {
    let kind = item.record.kind;
    if !ctx.linker.settings.direction(kind).writes_crm() {
        return Saving::No(NotSaved::Off);
    }
    if item.extra.unsync && !mutant::on(Mutant::IgnoreUnsync) {
        return Saving::No(NotSaved::Unsync);
    }
    let verdict = match kind {
        ItemKind::Contact | ItemKind::Task => scoped(item),
        ItemKind::Event => event(item, ctx, known),
        ItemKind::Email => email(item, ctx, known),
    };
    match verdict {
        Ok(rule) => Saving::Yes(rule),
        Err(Some(reason)) => Saving::No(reason),
        Err(None) => Saving::Ask,
    }
}

/// `Err(None)`: not known yet.
type Verdict = Result<Rule, Option<NotSaved>>;

const fn no(reason: NotSaved) -> Verdict {
    Err(Some(reason))
}

fn scoped(item: &Snapshot) -> Verdict {
    match item.scope {
        Scope::In => Ok(Rule::Marked),
        Scope::Private => no(NotSaved::Private),
        Scope::Out => no(NotSaved::OutOfScope),
    }
}

fn event(item: &Snapshot, ctx: &SaveContext<'_>, known: &KnownMap) -> Verdict {
    let facts = item.extra.event.as_deref();
    if facts.is_some_and(|event| event.cancelled) {
        return no(NotSaved::Cancelled);
    }
    let asked = item.scope == Scope::In || ctx.ordered;
    if !in_window(item, ctx.window, asked) && !mutant::on(Mutant::IgnoreWindow) {
        return no(NotSaved::OutOfWindow);
    }
    if asked {
        return Ok(Rule::Marked);
    }
    if item.scope == Scope::Private || item.record.get(Field::Private).known() == Some("yes") {
        return no(NotSaved::Private);
    }
    let settings = ctx.linker.settings;
    match facts.filter(|event| event.is_meeting()) {
        None if settings.save_appointments => Ok(Rule::Appointment),
        None => no(NotSaved::AutoSaveOff),
        Some(_) if !settings.save_meetings => no(NotSaved::AutoSaveOff),
        Some(meeting) => {
            answered(meeting)?;
            somebody_outside(item, ctx, known)?;
            Ok(Rule::MeetingWithMatch)
        }
    }
}

/// A time that cannot be told (its zone is known to nobody) is the connector's to report, where the user asked for it.
fn in_window(item: &Snapshot, window: Window, asked: bool) -> bool {
    item.record
        .get(Field::When)
        .known()
        .and_then(|when| when.parse::<When>().ok())
        .map_or(asked, |when| when.is_in(window))
}

fn answered(meeting: &EventFacts) -> Result<(), Option<NotSaved>> {
    match (meeting.part, meeting.answer) {
        (Part::Organizer, _) | (Part::Attendee, Answer::Accepted | Answer::Tentative) => Ok(()),
        (Part::Attendee, Answer::None) => Err(Some(NotSaved::Unanswered)),
        (Part::Attendee, Answer::Declined) => Err(Some(NotSaved::Declined)),
    }
}

fn email(item: &Snapshot, ctx: &SaveContext<'_>, known: &KnownMap) -> Verdict {
    let Some(mail) = item.extra.mail.as_deref() else {
        return no(NotSaved::OutOfScope);
    };
    if mail.draft {
        return no(NotSaved::Draft);
    }
    if mail.encrypted {
        return no(NotSaved::Encrypted);
    }
    let people = people::people(item, &ctx.linker);
    // What the company does not want saved is not saved on purpose either.
    if is_blocked(mail, &people) {
        return no(NotSaved::Blocklisted);
    }
    // Who moves a mail to a folder of ours, or gives it the category, means this one; a folder that was chosen once
    // fills by itself.
    if item.marked || ctx.ordered || mail.place == MailPlace::Ours {
        return Ok(Rule::Marked);
    }
    let chosen = mail.place == MailPlace::Chosen;
    if mail.confidential {
        return no(NotSaved::Confidential);
    }
    if mail.message_id.is_none() {
        return no(NotSaved::NoMessageId);
    }
    if mail.sent < ctx.mails_since {
        return no(NotSaved::TooOld);
    }
    if chosen {
        return Ok(Rule::Folder);
    }
    if !matches!(mail.place, MailPlace::Inbox | MailPlace::Sent) {
        return no(NotSaved::OutOfScope);
    }
    if mail.service {
        return no(NotSaved::Service);
    }
    if people.list.is_empty() {
        return no(NotSaved::InternalOnly);
    }
    let settings = ctx.linker.settings;
    if settings.save_threads && ctx.thread_saved == Some(true) {
        return Ok(Rule::Thread);
    }
    if !settings.save_emails {
        return no(NotSaved::AutoSaveOff);
    }
    somebody_outside(item, ctx, known)?;
    Ok(Rule::MailWithMatch)
}

/// Its sender is blocked, or everybody outside is.
fn is_blocked(mail: &MailFacts, people: &People) -> bool {
    (mail.incoming && people.sender_blocked) || (people.blocked && people.list.is_empty())
}

/// Somebody from outside takes part who is known.
fn somebody_outside(
    item: &Snapshot,
    ctx: &SaveContext<'_>,
    known: &KnownMap,
) -> Result<(), Option<NotSaved>> {
    let people = people::people(item, &ctx.linker);
    if people.list.is_empty() {
        return Err(Some(if people.blocked {
            NotSaved::Blocklisted
        } else {
            NotSaved::InternalOnly
        }));
    }
    match linker::somebody_known(item, &ctx.linker, known) {
        Some(true) => Ok(()),
        Some(false) => Err(Some(NotSaved::NoMatch)),
        None => Err(None),
    }
}
