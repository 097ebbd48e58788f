//! The item that is open in Outlook: what Outlook says of it, and what is shown beside it.

use serde::{Deserialize, Serialize};

use crate::{IssueView, ItemKind, NotSaved, SaveRule, Timestamp};

/// How the item is open. Of an appointment, its organizer composes it and its attendees read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenMode {
    #[default]
    Read,
    Compose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonRole {
    From,
    To,
    Cc,
    Bcc,
    Organizer,
    Required,
    Optional,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OpenPerson {
    /// SMTP address, as it is written.
    pub address: String,
    #[serde(default)]
    pub name: String,
    pub role: PersonRole,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OpenAttachment {
    /// As Office.js gives it; another one than the mail server's.
    pub id: String,
    pub name: String,
    /// In bytes.
    #[serde(default)]
    pub size: u64,
    /// A picture of the text.
    #[serde(default)]
    pub inline: bool,
}

/// What Outlook says of the item that is open; JSON in the form field `item`. Whatever it says is checked: it comes from
/// the browser, and names only what the viewer's own mailbox and Salesforce account may show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenItem {
    /// [`ItemKind::Email`] or [`ItemKind::Event`].
    pub kind: ItemKind,
    #[serde(default)]
    pub mode: OpenMode,
    /// EWS id as [Office.js](https://learn.microsoft.com/javascript/api/outlook/office.messageread#outlook-office-messageread-itemid-member)
    /// gives it; `None`: composed and never saved.
    #[serde(default)]
    pub id: Option<String>,
    /// Office's `convertToRestId(…, v2_0)`, where the host has it.
    #[serde(default)]
    pub rest_id: Option<String>,
    /// `internetMessageId`.
    #[serde(default)]
    pub message_id: Option<String>,
    #[serde(default)]
    pub conversation: Option<String>,
    /// `userProfile.emailAddress`.
    pub mailbox: String,
    /// Shared mailbox or delegate: whose item it is.
    #[serde(default)]
    pub owner: Option<String>,
    #[serde(default)]
    pub subject: String,
    #[serde(default)]
    pub people: Vec<OpenPerson>,
    #[serde(default)]
    pub start: Option<Timestamp>,
    #[serde(default)]
    pub end: Option<Timestamp>,
    #[serde(default)]
    pub series: bool,
    #[serde(default)]
    pub attachments: Vec<OpenAttachment>,
    /// It carries the category by which it is saved, a draft as soon as it is sent.
    #[serde(default)]
    pub marked: bool,
    /// The last 2,000 characters of the body's text; only sent to prefill a new lead or contact from its signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl OpenItem {
    /// Its JSON is at most so long, in bytes.
    pub const JSON_MAX: usize = 40 * 1024;
    pub const PEOPLE_MAX: usize = 200;
    pub const ATTACHMENTS_MAX: usize = 100;
    /// Characters of [`Self::text`].
    pub const TEXT_MAX: usize = 2_000;

    /// Every field has a size that Outlook could have given it.
    #[must_use]
    pub fn is_sane(&self) -> bool {
        let short = |text: &str, most: usize| text.len() <= most && !text.contains('\0');
        let id = |id: &Option<String>| {
            id.as_deref()
                .is_none_or(|id| short(id, 1_024) && !id.is_empty() && !id.chars().any(char::is_control))
        };
        let address = |text: &str| short(text, 320) && !text.chars().any(char::is_control);
        matches!(self.kind, ItemKind::Email | ItemKind::Event)
            && [&self.id, &self.rest_id, &self.message_id, &self.conversation]
                .into_iter()
                .all(id)
            && address(&self.mailbox)
            && self.owner.as_deref().is_none_or(address)
            && short(&self.subject, 4_096)
            && self.people.len() <= Self::PEOPLE_MAX
            && self
                .people
                .iter()
                .all(|person| address(&person.address) && short(&person.name, 512))
            && self.attachments.len() <= Self::ATTACHMENTS_MAX
            && self
                .attachments
                .iter()
                .all(|file| short(&file.id, 1_024) && short(&file.name, 1_024))
            && self
                .text
                .as_deref()
                .is_none_or(|text| text.chars().count() <= Self::TEXT_MAX)
    }
}

/// A record of Salesforce.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RecordRef {
    /// 18 characters.
    pub id: String,
    /// Its type there: `Contact`, `Opportunity`.
    pub object: String,
    pub name: String,
    /// Where Salesforce shows it.
    pub url: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FieldView {
    /// `Phone`.
    pub api: String,
    /// As the organisation calls it, in the user's language.
    pub label: String,
    pub value: String,
    pub editable: bool,
}

/// A record as a card shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RecordView {
    pub rec: RecordRef,
    /// Title · account, stage · amount, status; may be empty.
    pub line: String,
    /// At most four.
    pub fields: Vec<FieldView>,
}

/// Somebody who takes part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonView {
    pub person: OpenPerson,
    /// Of the user's own company.
    pub internal: bool,
    /// On the blocklist: by which entry. `by_user`: the user can take it off.
    pub blocked: Option<Blocked>,
    /// Contacts, then leads; the one that the linker means first.
    pub records: Vec<RecordView>,
    pub account: Option<RecordView>,
    /// Open ones of the account, the user's own first; at most five.
    pub opportunities: Vec<RecordView>,
    /// Open ones of the contact or the account; at most five.
    pub cases: Vec<RecordView>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    pub entry: String,
    pub by_user: bool,
}

/// What *Save* says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaveOrder {
    /// Ids of contacts, or of one lead.
    pub who: Vec<String>,
    /// Of an account, an opportunity, a case, …
    pub what: Option<String>,
    /// Ids of the attachments ([`OpenAttachment::id`]) that are saved with it; the others are left out.
    pub attachments: Vec<String>,
    /// Later mails of the conversation are saved, too.
    pub thread: bool,
}

/// Who and what the item is linked to, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemLinks {
    /// Contacts, or one lead.
    pub who: Vec<RecordView>,
    pub what: Option<RecordView>,
    /// Ids of the attachments that are left out.
    pub without: Vec<String>,
    /// Later mails of the conversation are saved, too.
    pub thread: bool,
    /// The user has chosen them; else the linker.
    pub by_user: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkTo {
    /// Contacts and leads.
    Who,
    /// Accounts, opportunities, cases.
    What,
}

/// The answer to a search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    pub query: String,
    pub to: LinkTo,
    pub records: Vec<RecordView>,
    /// There are more than are shown.
    pub more: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonKind {
    Lead,
    Contact,
}

/// A lead or contact that is to be created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonDraft {
    /// Field `as` of the form.
    pub kind: PersonKind,
    pub first_name: String,
    pub last_name: String,
    /// Of a lead its company; of a contact what is searched for an account.
    pub company: String,
    /// Of a contact.
    pub account: Option<RecordRef>,
    pub email: String,
    pub phone: String,
    pub title: String,
}

/// What stands behind *More* on a card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordDetail {
    pub rec: RecordRef,
    pub related: Vec<RelatedList>,
    pub files: Vec<FileView>,
    /// What is open first, then newest first.
    pub timeline: Vec<TimelineEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelatedList {
    pub kind: RelatedKind,
    pub records: Vec<RecordView>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelatedKind {
    Accounts,
    Contacts,
    Opportunities,
    Cases,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileView {
    pub rec: RecordRef,
    /// `pdf`.
    pub ending: String,
    /// In bytes.
    pub size: u64,
    pub changed: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// [`ItemKind::Task`], [`ItemKind::Event`] or [`ItemKind::Email`].
    pub kind: ItemKind,
    pub rec: RecordRef,
    /// When it was or is due; a task's day is its midnight in UTC.
    pub at: Option<Timestamp>,
    /// Not done yet.
    pub open: bool,
}

/// How it stands with the open item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemState {
    Saved {
        record: RecordRef,
        /// When it was first linked.
        since: Option<Timestamp>,
    },
    /// Ordered: a session is about to save it.
    Saving,
    WillBeSaved(SaveRule),
    /// [`NotSaved::by_hand`] says whether *Save* can.
    NotSaved(NotSaved),
    /// It cannot be saved, because …
    Issue(Box<IssueView>),
    /// Not known yet, or never seen by the sync.
    Unknown,
    /// No mailbox is connected, or the sync is not active.
    SyncOff,
    /// An item of a mailbox that is not the connected one.
    OtherMailbox {
        owner: String,
    },
}

/// Why an answer has less than was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemTrouble {
    /// Salesforce did not answer in time, or is busy.
    SalesforceSlow,
    /// The sign-in with Salesforce has ended.
    SalesforceSignIn,
    /// The mail server did not answer in time, or is busy.
    MailboxSlow,
    /// The mail server refuses the stored access.
    MailboxSignIn,
    /// Salesforce refused what was to be written; its own words.
    Refused(String),
    /// The user may not do that in Salesforce.
    NoPermission,
    /// It exists already (a duplicate rule); its own words.
    Duplicate(String),
    /// A session is running: the order is kept, and done by the next one.
    Busy,
}

/// The panel of the open item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemView {
    /// As it was sent, without its text: forms carry it on, so that every answer can be drawn for the same item.
    pub item: OpenItem,
    pub state: ItemState,
    /// Without the user himself; those of his own company last.
    pub people: Vec<PersonView>,
    /// `false`: only what the store knows; [`Self::trouble`] or a call of the whole item has more.
    pub whole: bool,
    pub chosen: ItemLinks,
    pub found: Option<Found>,
    /// The lead, contact, call or task that was just created.
    pub created: Option<RecordRef>,
    pub detail: Option<RecordDetail>,
    pub draft: Option<PersonDraft>,
    pub trouble: Option<ItemTrouble>,
}

impl ItemView {
    #[must_use]
    pub fn new(item: OpenItem, state: ItemState) -> Self {
        Self {
            item: OpenItem { text: None, ..item },
            state,
            people: Vec::new(),
            whole: false,
            chosen: ItemLinks::default(),
            found: None,
            created: None,
            detail: None,
            draft: None,
            trouble: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> OpenItem {
        serde_json::from_str(r#"{"kind":"email","mailbox":"nina@contoso.example"}"#).unwrap()
    }

    #[test]
    fn what_outlook_does_not_say_may_be_left_out() {
        let item = open();
        assert_eq!(item.mode, OpenMode::Read);
        assert!(item.is_sane());
    }

    #[test]
    fn nothing_is_longer_than_outlook_could_make_it() {
        let insane = [
            OpenItem {
                kind: ItemKind::Contact,
                ..open()
            },
            OpenItem {
                id: Some("x".repeat(1_025)),
                ..open()
            },
            OpenItem {
                id: Some(String::new()),
                ..open()
            },
            OpenItem {
                message_id: Some("<a\r\nb>".to_owned()),
                ..open()
            },
            OpenItem {
                mailbox: "x".repeat(321),
                ..open()
            },
            OpenItem {
                owner: Some("a\nb".to_owned()),
                ..open()
            },
            OpenItem {
                subject: "x".repeat(4_097),
                ..open()
            },
            OpenItem {
                subject: "\0".to_owned(),
                ..open()
            },
            OpenItem {
                text: Some("ü".repeat(2_001)),
                ..open()
            },
            OpenItem {
                people: vec![
                    OpenPerson {
                        address: "a@b".to_owned(),
                        name: String::new(),
                        role: PersonRole::To
                    };
                    201
                ],
                ..open()
            },
            OpenItem {
                attachments: vec![OpenAttachment {
                    id: "x".repeat(1_025),
                    name: String::new(),
                    size: 0,
                    inline: false,
                }],
                ..open()
            },
        ];
        for item in insane {
            assert!(!item.is_sane(), "{item:?}");
        }
        assert!(
            OpenItem {
                text: Some("ü".repeat(2_000)),
                ..open()
            }
            .is_sane()
        );
    }
}
