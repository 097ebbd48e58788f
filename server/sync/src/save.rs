//! Which mailbox items are saved in the CRM, and by which rule.
//!
//! Contacts and tasks only by their scope. Events and emails also by themselves: a meeting with somebody outside who is
//! known, a mail with somebody who is known. What the user asks for (a category, a folder of ours) is saved, private or
//! not; what is confidential, internal, blocked or made by a machine is never saved by itself.

use tandem_types::{IssueCode, ItemKind, Timestamp};

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
}

/// Whether an item is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saving {
    Yes(Rule),
    /// It depends on who is known: [`linker::clues`] must be asked first.
    Ask,
    No(NotSaved),
}

/// Why an item is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// It carries the category, or lies in a folder of ours.
    Marked,
    /// It lies in a folder that the user chose.
    Folder,
    /// Its conversation was saved.
    Thread,
    MeetingWithMatch,
    Appointment,
    MailWithMatch,
    /// It is linked already.
    Linked,
}

/// Why an item is not saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NotSaved {
    OutOfWindow,
    Private,
    InternalOnly,
    Unanswered,
    Declined,
    Cancelled,
    NoMatch,
    Blocklisted,
    Service,
    Confidential,
    Encrypted,
    Draft,
    TooOld,
    /// This kind is not synced to the CRM.
    Off,
    Unsync,
    AutoSaveOff,
    OutOfScope,
    /// A mail without a Message-ID could be saved twice: only on purpose.
    NoMessageId,
    /// Another item of the mailbox stands for the same meeting already.
    Double,
}

impl Rule {
    pub const ALL: [Self; 7] = [
        Self::Marked,
        Self::Folder,
        Self::Thread,
        Self::MeetingWithMatch,
        Self::Appointment,
        Self::MailWithMatch,
        Self::Linked,
    ];

    /// The rule, for the user.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Marked => "it has the category Salesforce, or lies in a Salesforce folder",
            Self::Folder => "it lies in a folder that you chose",
            Self::Thread => "its conversation was saved before",
            Self::MeetingWithMatch => "a meeting with somebody outside who is known in Salesforce",
            Self::Appointment => "appointments are saved by themselves",
            Self::MailWithMatch => "a mail with somebody who is known in Salesforce",
            Self::Linked => "it is linked already",
        }
    }
}

impl NotSaved {
    pub const ALL: [Self; 19] = [
        Self::OutOfWindow,
        Self::Private,
        Self::InternalOnly,
        Self::Unanswered,
        Self::Declined,
        Self::Cancelled,
        Self::NoMatch,
        Self::Blocklisted,
        Self::Service,
        Self::Confidential,
        Self::Encrypted,
        Self::Draft,
        Self::TooOld,
        Self::Off,
        Self::Unsync,
        Self::AutoSaveOff,
        Self::OutOfScope,
        Self::NoMessageId,
        Self::Double,
    ];

    /// The reason, for the user.
    pub const fn text(self) -> &'static str {
        match self {
            Self::OutOfWindow => "it is outside of the days that are synced",
            Self::Private => "it is private, and was not saved on purpose",
            Self::InternalOnly => "only your own company takes part",
            Self::Unanswered => "you have not answered the invitation",
            Self::Declined => "you declined the invitation",
            Self::Cancelled => "the meeting was cancelled",
            Self::NoMatch => "nobody in Salesforce has any of its addresses",
            Self::Blocklisted => "its addresses are on the blocklist",
            Self::Service => "it was made by a machine: an automatic reply, a report, a mailing list",
            Self::Confidential => "it is marked private, personal or confidential",
            Self::Encrypted => "it is encrypted or rights-protected: nobody but you can read it",
            Self::Draft => "it is a draft",
            Self::TooOld => "it is older than the mail that is saved by itself; a back-fill saves older mail",
            Self::Off => "the settings do not sync items of this kind to Salesforce",
            Self::Unsync => "it has the category Salesforce Unsync",
            Self::AutoSaveOff => "the settings do not save such items by themselves",
            Self::OutOfScope => "it has no category Salesforce and lies in no folder that is synced",
            Self::NoMessageId => {
                "it has no Message-ID, so it could be saved twice: save it with the category Salesforce"
            }
            Self::Double => "another event of the mailbox is linked to the record of this meeting already",
        }
    }

    /// The issue that it becomes. Only what the user asked for (`marked`: by category or folder) becomes one; the rest is
    /// told by whoever asks why.
    #[must_use]
    pub const fn issue(self, marked: bool) -> Option<IssueCode> {
        if !marked {
            return None;
        }
        match self {
            Self::Encrypted => Some(IssueCode::Encrypted),
            Self::Confidential => Some(IssueCode::Confidential),
            Self::Blocklisted | Self::NoMatch => Some(IssueCode::NoMatch),
            Self::Double => Some(IssueCode::SeveralMatches),
            Self::OutOfWindow
            | Self::Private
            | Self::InternalOnly
            | Self::Unanswered
            | Self::Declined
            | Self::Cancelled
            | Self::Service
            | Self::Draft
            | Self::TooOld
            | Self::Off
            | Self::Unsync
            | Self::AutoSaveOff
            | Self::OutOfScope
            | Self::NoMessageId => None,
        }
    }
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
    let asked = item.scope == Scope::In;
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
    if item.marked || mail.place == MailPlace::Ours {
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
