//! Neutral records: what both sides' items are turned into before anything is decided.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use tandem_types::{ItemKind, Timestamp};

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
            pub const CONTACT: &'static [Self] = &[$(Self::$name,)*];

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
    /// Plain text, lines separated by `\n`.
    Body = "body",
    /// The company's name. In Salesforce the account's: written at creation only.
    Company = "company",
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
    /// Readable for pairing, but never a source of a create: no category and in no synced folder; another's record.
    Out,
    /// Marked private: never read into the other side by itself.
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
    /// The mailbox item carries the category *Salesforce*. Always true for CRM records.
    pub marked: bool,
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
    /// The pages up to the one with `more == false` list **every** item: a live link without its item is absent.
    pub full: bool,
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

/// A write on one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Idempotent where the side can hold the key. In the mailbox the item is made in *Salesforce Contacts* with the
    /// category *Salesforce*.
    Create { key: LinkKey, record: Record },
    /// Only `set` is written (an [`FieldValue::Empty`] clears; `Unknown` never stands here), if the version still holds.
    Update {
        id: ItemId,
        version: Version,
        set: BTreeMap<Field, FieldValue>,
        key: Option<LinkKey>,
        mark: Option<bool>,
    },
    /// Mailbox: moved to Deleted Items. Salesforce: deleted (to its recycle bin).
    Delete { id: ItemId, version: Version },
}

/// What became of one [`Write`], in the order of the writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done; as read back afterwards. `replaced`: what the written fields held just before, where it was read.
    Written {
        now: Box<Snapshot>,
        replaced: BTreeMap<Field, FieldValue>,
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
}

impl Default for FieldRule {
    fn default() -> Self {
        Self {
            access: Access::ReadWrite,
            max_chars: None,
            required: false,
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
}
