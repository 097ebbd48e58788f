//! Neutral records: what both sides' items are turned into before anything is decided.

mod activity;
mod kinds;
mod relations;
mod when;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use tandem_types::{ItemKind, Timestamp};

pub use activity::{
    Address, Attendee, AttendeeRole, EventFacts, Extra, File, MailFacts, MailPlace, Message, Part,
    SeriesPart, TaskFacts,
};
pub use kinds::{Kinds, Want, Window};
pub use relations::{Answer, Clue, Known, KnownKind, Relations};
pub use when::{When, instant, parse_instant};

/// What one side holds in one field.
///
/// `Unknown` (not selected, not readable, not representable there, missing from a partial answer) changes nothing.
/// `Debug` shows no content.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum FieldValue {
    Known(String),
    Empty,
    #[default]
    Unknown,
}

impl FieldValue {
    /// Empty text is [`FieldValue::Empty`].
    pub fn from_text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() {
            Self::Empty
        } else {
            Self::Known(text)
        }
    }

    pub fn known(&self) -> Option<&str> {
        match self {
            Self::Known(text) => Some(text),
            _ => None,
        }
    }

    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}

impl fmt::Debug for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(text) => write!(f, "Known({} chars)", text.chars().count()),
            Self::Empty => f.write_str("Empty"),
            Self::Unknown => f.write_str("Unknown"),
        }
    }
}

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// A field of a neutral record. Text, unless said otherwise.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Field {
            $($(#[$doc])* $name,)*
        }

        impl Field {
            /// Every field of every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word kept in the store.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$name),)* _ => None }
            }
        }
    };
}

fields! {
    GivenName = "given_name",
    MiddleName = "middle_name",
    /// Required by Salesforce.
    Surname = "surname",
    JobTitle = "job_title",
    Department = "department",
    /// The first e-mail address.
    Email = "email",
    BusinessPhone = "business_phone",
    MobilePhone = "mobile_phone",
    HomePhone = "home_phone",
    OtherPhone = "other_phone",
    BusinessFax = "business_fax",
    AssistantName = "assistant_name",
    AssistantPhone = "assistant_phone",
    BusinessStreet = "business_street",
    BusinessCity = "business_city",
    BusinessState = "business_state",
    BusinessPostalCode = "business_postal_code",
    BusinessCountry = "business_country",
    OtherStreet = "other_street",
    OtherCity = "other_city",
    OtherState = "other_state",
    OtherPostalCode = "other_postal_code",
    OtherCountry = "other_country",
    /// A date, `YYYY-MM-DD`, without a zone.
    Birthday = "birthday",
    /// Plain text, lines separated by `\n`. Contacts, events, tasks, emails.
    Body = "body",
    /// The company's name. In Salesforce the account's: written at creation only.
    Company = "company",
    /// Events, tasks, emails. One line.
    Subject = "subject",
    Location = "location",
    /// From when to when an event lasts, and whether it takes whole days: one value, so that no merge can put the start
    /// of one side before the end of the other. See [`When`].
    When = "when",
    /// Whole minutes before an event's start; empty: none.
    Reminder = "reminder",
    /// `free`, `tentative`, `busy`, `out_of_office`, `elsewhere`.
    ShowAs = "show_as",
    /// `yes` or `no`.
    Private = "private",
    /// What the user answered to an invitation. See [`Answer`]. Empty: not invited.
    Answer = "answer",
    /// The records that an activity belongs to, and who was invited. See [`Relations`]. In the mailbox it is what the
    /// linker found ([`crate::linker`]); a connector of a mailbox never sets it.
    Relations = "relations",
    /// A task's date, `YYYY-MM-DD`, without a zone.
    Due = "due",
    /// A task's: `not_started`, `in_progress`, `waiting`, `deferred`, `completed`.
    Status = "status",
    /// A task's: `low`, `normal`, `high`.
    Priority = "priority",
    /// When a task reminds: an instant, `YYYY-MM-DDTHH:MM:SSZ`; empty: never.
    RemindAt = "remind_at",
    /// An email's body as HTML, cleaned. Never compared.
    Html = "html",
    /// `name <address>` or an address.
    FromAddress = "from_address",
    /// As [`Field::FromAddress`], separated by `; `.
    ToAddresses = "to_addresses",
    CcAddresses = "cc_addresses",
    /// An instant, `YYYY-MM-DDTHH:MM:SSZ`.
    SentAt = "sent_at",
    /// `yes` or `no`.
    Incoming = "incoming",
    /// The Internet Message-ID, without angle brackets.
    MessageId = "message_id",
    Thread = "thread",
}

impl Field {
    pub const CONTACT: &'static [Self] = &[
        Self::GivenName,
        Self::MiddleName,
        Self::Surname,
        Self::JobTitle,
        Self::Department,
        Self::Email,
        Self::BusinessPhone,
        Self::MobilePhone,
        Self::HomePhone,
        Self::OtherPhone,
        Self::BusinessFax,
        Self::AssistantName,
        Self::AssistantPhone,
        Self::BusinessStreet,
        Self::BusinessCity,
        Self::BusinessState,
        Self::BusinessPostalCode,
        Self::BusinessCountry,
        Self::OtherStreet,
        Self::OtherCity,
        Self::OtherState,
        Self::OtherPostalCode,
        Self::OtherCountry,
        Self::Birthday,
        Self::Body,
        Self::Company,
    ];
    pub const EVENT: &'static [Self] = &[
        Self::Subject,
        Self::Body,
        Self::Location,
        Self::When,
        Self::Reminder,
        Self::ShowAs,
        Self::Private,
        Self::Answer,
        Self::Relations,
    ];
    pub const TASK: &'static [Self] = &[
        Self::Subject,
        Self::Body,
        Self::Due,
        Self::Status,
        Self::Priority,
        Self::RemindAt,
        Self::Relations,
    ];
    pub const EMAIL: &'static [Self] = &[
        Self::Subject,
        Self::Body,
        Self::Html,
        Self::FromAddress,
        Self::ToAddresses,
        Self::CcAddresses,
        Self::SentAt,
        Self::Incoming,
        Self::MessageId,
        Self::Thread,
        Self::Relations,
    ];

    /// The fields of one kind.
    pub const fn of(kind: ItemKind) -> &'static [Self] {
        match kind {
            ItemKind::Contact => Self::CONTACT,
            ItemKind::Event => Self::EVENT,
            ItemKind::Task => Self::TASK,
            ItemKind::Email => Self::EMAIL,
        }
    }
}

/// A neutral record. A field that is not in the map is [`FieldValue::Unknown`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub kind: ItemKind,
    pub fields: BTreeMap<Field, FieldValue>,
}

impl Record {
    pub fn new(kind: ItemKind) -> Self {
        Self {
            kind,
            fields: BTreeMap::new(),
        }
    }

    pub fn get(&self, field: Field) -> &FieldValue {
        self.fields.get(&field).unwrap_or(&FieldValue::Unknown)
    }

    pub fn set(&mut self, field: Field, value: FieldValue) {
        self.fields.insert(field, value);
    }

    #[must_use]
    pub fn with(mut self, field: Field, text: &str) -> Self {
        self.set(field, FieldValue::from_text(text));
        self
    }
}

/// An item's id on its side, as that side writes it (case-sensitive). An EWS `ItemId`, an 18-character Salesforce id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemId(pub String);

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An item's version on its side: an EWS `ChangeKey`, a Salesforce `SystemModstamp`. Compared for equality only.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub String);

/// The random key that a link carries on both items where they can hold it. 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkKey(pub String);

/// Where a side's reading goes on. Opaque to the engine, made and read by the connector only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

/// Whether an item is one that the connection syncs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    In,
    /// Readable for pairing, but not by itself a source of a create: no category and in no synced folder; another's
    /// record. What [`crate::save`] says of such an item may save it all the same.
    Out,
    /// Flagged private and not marked for the sync: never read into the other side by itself. One that is marked is
    /// [`Scope::In`], with [`Field::Private`] `yes`.
    Private,
}

/// One item as its side holds it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub id: ItemId,
    pub version: Version,
    /// The link's key, where the item carries one and the side can read it.
    pub key: Option<LinkKey>,
    pub scope: Scope,
    pub record: Record,
    /// Last change there, by anyone.
    pub modified: Timestamp,
    pub created: Timestamp,
    /// The mailbox item carries the category *Salesforce* (an occurrence: its series does), or lies in a folder of ours
    /// whose items need none. Always true for CRM records.
    pub marked: bool,
    /// What else decides; see there.
    pub extra: Extra,
}

impl Snapshot {
    /// Nobody has changed it since it was made, as its server's clock says. Servers that stamp an item once more while
    /// they make it never say so.
    #[must_use]
    pub fn is_as_made(&self) -> bool {
        self.modified <= self.created
    }
}

/// One change since a cursor. Items may repeat, in any order; the last one wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Present(Box<Snapshot>),
    /// No longer listed. It may be deleted, moved, or no longer shared: nothing is believed before [`Fate`] is known.
    Absent(ItemId),
    /// Proved by the side itself (`IsDeleted`).
    Deleted {
        id: ItemId,
        merged_into: Option<ItemId>,
    },
    /// It exists, and has left the scope (another owner).
    Left(ItemId),
}

/// A page of changes.
#[derive(Clone, Debug)]
pub struct Changes {
    pub items: Vec<Change>,
    /// Where the next page, or the next session, goes on.
    pub cursor: Cursor,
    /// More pages wait: call again with `cursor`.
    pub more: bool,
    /// Of these kinds, the pages up to the one with `more == false` list **every** item (events: every one in the
    /// window): a live link without its item is absent. The same on every page. Never emails.
    pub full: Kinds,
}

/// An item that is looked for where it may be now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trace {
    pub kind: ItemKind,
    pub id: ItemId,
    /// Finds one that was moved or copied, where the side holds keys.
    pub key: LinkKey,
    /// The item was last seen carrying the key. Of one that never did, the key proves nothing.
    pub carried: bool,
    /// By which an event is found that carries no key.
    pub meeting: Option<MeetingId>,
}

impl Trace {
    /// Of an item that carries its key.
    pub fn new(kind: ItemKind, id: ItemId, key: LinkKey) -> Self {
        Self {
            kind,
            id,
            key,
            carried: true,
            meeting: None,
        }
    }
}

/// What every calendar knows an event by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct MeetingId {
    /// Of an occurrence, its series'.
    pub uid: String,
    /// The start that the series planned, as [`EventFacts::original_start`]; `None`: not of a series.
    pub original_start: Option<String>,
}

/// What has become of an item that is no longer listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is there, perhaps under another id and in another folder.
    Here(Box<Snapshot>),
    /// Proved: gone when asked for by its id and by its key, or it lies in Deleted Items / the recycle bin.
    Deleted { merged_into: Option<ItemId> },
    /// It may exist where we cannot see it.
    Unproved,
}

/// How a possible match is looked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MatchKey {
    /// Any of the contact's e-mail addresses, compared without case.
    Email(String),
    /// Exact names, compared without case.
    Name { given: String, surname: String },
    /// An event with this subject (compared without case) that starts then: the start of a [`When`].
    Event { subject: String, start: String },
    /// The user's copy of a meeting, or of one occurrence of a series. Asked of the mailbox only.
    Meeting {
        uid: String,
        original_start: Option<String>,
    },
    /// A task of the user's with this subject (compared without case) and date (empty: none).
    Task { subject: String, due: String },
    /// An email by its Message-ID. Asked of the CRM: [`Candidate::Same`] where it is saved already, by whomever.
    Message(String),
}

impl MatchKey {
    pub const fn kind(&self) -> ItemKind {
        match self {
            Self::Email(_) | Self::Name { .. } => ItemKind::Contact,
            Self::Event { .. } | Self::Meeting { .. } => ItemKind::Event,
            Self::Task { .. } => ItemKind::Task,
            Self::Message(_) => ItemKind::Email,
        }
    }
}

/// A possible match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidate {
    Same(Box<Snapshot>),
    /// An unconverted lead with that e-mail address.
    Lead {
        id: ItemId,
        email: String,
    },
}

/// The categories that a mailbox item gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// *Salesforce* on, *Sync Error* off.
    Synced,
    /// *Sync Error* on; the others as they are.
    Failed,
    /// *Salesforce* and *Sync Error* off.
    None,
}

/// A write on one side. Nothing but `notify` ever makes a server send mail to anyone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Idempotent where the side can hold the key. In the mailbox the item is made in *Salesforce Contacts*, *Salesforce
    /// Tasks* or the calendar, with the category *Salesforce*. The record's kind says what is made.
    Create {
        key: LinkKey,
        record: Record,
        notify: bool,
    },
    /// Only `set` is written (an [`FieldValue::Empty`] clears; `Unknown` never stands here), if the version still holds.
    /// [`Field::Answer`] in the CRM: the user's own EventRelation; empty removes it. [`Field::Relations`] replaces who,
    /// what and the invited as a whole, but for the user's own answer.
    Update {
        kind: ItemKind,
        id: ItemId,
        version: Version,
        set: BTreeMap<Field, FieldValue>,
        key: Option<LinkKey>,
        mark: Option<Mark>,
        notify: bool,
    },
    /// Mailbox: moved to Deleted Items. Salesforce: deleted (to its recycle bin).
    Delete {
        kind: ItemKind,
        id: ItemId,
        version: Version,
        notify: bool,
    },
}

/// What became of one [`Write`], in the order of the writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done; as read back afterwards. `replaced`: what the written fields held just before, where it was read. `left`:
    /// its fields were not written, or not wholly, and all others were; a sender of an email is
    /// [`Field::FromAddress`].
    Written {
        now: Box<Snapshot>,
        replaced: BTreeMap<Field, FieldValue>,
        left: Option<Box<Refusal>>,
    },
    Deleted,
    /// Not written: the version moved. As it is now.
    Conflict(Box<Snapshot>),
    /// Not written: there is no such item (any more, or for us). Fate must be asked for.
    Missing,
    /// Not written: this item cannot be taken.
    Refused(Refusal),
    /// Not known whether it was written. A create is looked for by its key; an update is read again.
    InDoubt,
}

/// Why a side does not take an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: tandem_types::IssueCode,
    /// The provider's own message, for the user. May name values: sealed in the store.
    pub message: String,
    pub fields: Vec<Field>,
    /// May work later by itself (row lock, busy).
    pub retry: bool,
}

/// What a side can hold in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldRule {
    pub access: Access,
    /// In characters; longer text is cut, and the base holds the cut image.
    pub max_chars: Option<u32>,
    pub required: bool,
    /// The only values that it holds, if any are listed; every other one becomes the first.
    pub words: &'static [&'static str],
}

impl Default for FieldRule {
    fn default() -> Self {
        Self {
            access: Access::ReadWrite,
            max_chars: None,
            required: false,
            words: &[],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    ReadWrite,
    ReadOnly,
    /// Taken at creation only.
    CreateOnly,
    /// Neither readable nor writable: always [`FieldValue::Unknown`].
    None,
}

/// What a side can hold, field by field. A field that is not listed is [`Access::None`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    pub fields: BTreeMap<Field, FieldRule>,
    /// Items can carry the link's key, so that creates are idempotent.
    pub holds_key: bool,
    /// To so many people one activity can belong (Salesforce: 1, or 50 contacts with Shared Activities).
    pub people_max: u32,
}

/// What a side can hold, kind by kind. A kind that is not listed is not to be had there (an organisation without a way
/// to keep emails).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profiles(pub BTreeMap<ItemKind, Profile>);

impl Profiles {
    pub fn of(&self, kind: ItemKind) -> Option<&Profile> {
        self.0.get(&kind)
    }
}

/// A second tool that syncs the same mailbox or user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Its name, for the user: `Einstein Activity Capture`.
    pub name: String,
    /// What gives it away, for the user: a folder's name, a kind of rows.
    pub sign: String,
}
