use std::fmt;

use tandem_types::Timestamp;

use super::{Answer, Relations};

/// An e-mail address with the name beside it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// Lower case. Never empty.
    pub address: String,
    /// May be empty.
    pub name: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(..)")
    }
}

/// What decides about an item beside its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// Carries the category *Salesforce Unsync*.
    pub unsync: bool,
    /// Carries the category *Sync Error*.
    pub failed: bool,
    /// Neither a category nor a key can be written to it without changing what it is: an occurrence would become an
    /// exception of its series.
    pub untaggable: bool,
    pub event: Option<Box<EventFacts>>,
    pub task: Option<TaskFacts>,
    pub mail: Option<Box<MailFacts>>,
}

/// What the user is in an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Mailbox: an appointment without attendees, or a meeting that the user organises. CRM: the user owns it.
    #[default]
    Organizer,
    /// Mailbox: invited. CRM: an invitee (`EventRelation`), not the owner.
    Attendee,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SeriesPart {
    #[default]
    Single,
    /// One of a series, as it was planned or changed by itself.
    Occurrence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttendeeRole {
    Required,
    Optional,
    Resource,
}

/// Somebody who is invited, the organizer left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attendee {
    pub who: Address,
    pub role: AttendeeRole,
    pub answer: Answer,
}

/// What decides about an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct EventFacts {
    /// The same on every attendee's copy; the same for a whole series. `None` in the CRM.
    pub uid: Option<String>,
    pub series: SeriesPart,
    /// Of an occurrence: the start that the series planned for it, as [`super::When::start_text`] writes it.
    pub original_start: Option<String>,
    pub part: Part,
    /// The user's own answer; the organizer has none.
    pub answer: Answer,
    pub organizer: Option<Address>,
    /// Without those that have no address. CRM: left empty, see [`super::Field::Relations`].
    pub attendees: Vec<Attendee>,
    /// The organizer has cancelled the meeting.
    pub cancelled: bool,
    /// An online meeting: its body is never written.
    pub online: bool,
    /// The body has pictures, tables or links: plain text must not overwrite it.
    pub rich_body: bool,
    /// CRM: born as part of a Salesforce series; its occurrences come down, and never go up as new.
    pub crm_series: bool,
    /// A problem that the connector saw and the engine must tell: a zone that nobody knows.
    pub broken_zone: bool,
}

/// What decides about a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskFacts {
    pub recurring: bool,
    /// Completed then, or `None`.
    pub completed: Option<Timestamp>,
}

/// In which folder a mail lies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MailPlace {
    Inbox,
    Sent,
    /// *Salesforce Emails*: saved by folder.
    Ours,
    /// A folder that the user chose: saved by folder.
    Chosen,
    #[default]
    Other,
}

/// What decides about a mail. Its fields are those of the headers; [`super::Field::Body`] and [`super::Field::Html`] are
/// unknown until [`crate::ports::Mailbox::messages`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct MailFacts {
    pub place: MailPlace,
    /// Without angle brackets. `None`: it has none and can only be saved on purpose.
    pub message_id: Option<String>,
    /// The server's conversation.
    pub thread: Option<String>,
    pub from: Option<Address>,
    pub to: Vec<Address>,
    pub cc: Vec<Address>,
    pub sent: Timestamp,
    pub incoming: bool,
    pub draft: bool,
    /// S/MIME-encrypted or rights-protected: nobody but the user may read it.
    pub encrypted: bool,
    /// Marked private, personal or confidential.
    pub confidential: bool,
    /// Made by a machine: automatic replies, delivery reports, meeting requests, mailing lists.
    pub service: bool,
    pub has_attachments: bool,
    /// In bytes, with all attachments.
    pub size: u64,
}

/// A mail's content, read when it is saved. `Debug` shows none of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Message {
    pub text: String,
    /// Cleaned of everything that runs or is fetched.
    pub html: Option<String>,
    pub files: Vec<File>,
    /// Attachments that were left out, with the reason in the user's words.
    pub left_out: Vec<(String, String)>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({} files)", self.files.len())
    }
}

/// An attachment.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    pub name: String,
    /// A MIME type.
    pub content_type: String,
    pub bytes: Vec<u8>,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "File({} bytes)", self.bytes.len())
    }
}

impl EventFacts {
    /// Somebody else takes part.
    pub fn is_meeting(&self) -> bool {
        !self.attendees.is_empty() || self.part == Part::Attendee
    }
}

impl MailFacts {
    /// Everybody whom it names, sender first.
    pub fn everybody(&self) -> impl Iterator<Item = &Address> {
        self.from.iter().chain(&self.to).chain(&self.cc)
    }
}

/// What the linker found is one field of the record.
impl Relations {
    pub fn to_value(&self) -> super::FieldValue {
        super::FieldValue::from_text(self.clone().canonical().to_string())
    }
}
