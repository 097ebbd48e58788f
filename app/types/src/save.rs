//! Why a mailbox item is saved in Salesforce, or is not.

use serde::{Deserialize, Serialize};

use crate::IssueCode;

/// Why an item is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SaveRule {
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// It was saved, and the user took it out of the CRM again.
    TakenOut,
    /// It was saved, and somebody deleted it in the CRM.
    DeletedThere,
}

impl SaveRule {
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
    pub const ALL: [Self; 21] = [
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
        Self::TakenOut,
        Self::DeletedThere,
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
            Self::TakenOut => "you have taken it out of Salesforce",
            Self::DeletedThere => "it was saved, and its record was deleted in Salesforce",
            Self::Double => "another event of the mailbox is linked to the record of this meeting already",
        }
    }

    /// *Save* saves it all the same.
    #[must_use]
    pub const fn by_hand(self) -> bool {
        match self {
            Self::Private
            | Self::InternalOnly
            | Self::Unanswered
            | Self::Declined
            | Self::NoMatch
            | Self::Service
            | Self::Confidential
            | Self::TooOld
            | Self::AutoSaveOff
            | Self::OutOfScope
            | Self::NoMessageId
            | Self::TakenOut
            | Self::DeletedThere => true,
            Self::OutOfWindow
            | Self::Cancelled
            | Self::Blocklisted
            | Self::Encrypted
            | Self::Draft
            | Self::Off
            // The next session would take it out again: the category comes off first.
            | Self::Unsync
            | Self::Double => false,
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
            | Self::NoMessageId
            | Self::TakenOut
            | Self::DeletedThere => None,
        }
    }
}
