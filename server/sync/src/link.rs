use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tandem_types::{ItemKind, LinkId, Side, Timestamp};

use crate::model::{Field, ItemId, LinkKey, MeetingId, Snapshot, Trace, Version};

/// The pairing of one mailbox item with one Salesforce record. Never forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub id: LinkId,
    pub kind: ItemKind,
    pub state: LinkState,
    pub key: LinkKey,
    pub mailbox_id: Option<ItemId>,
    pub mailbox_version: Option<Version>,
    pub crm_id: Option<ItemId>,
    pub crm_version: Option<Version>,
    pub base: Base,
    /// The side on which Tandem made the item; `None`: it was on both sides before.
    pub made_on: Option<Side>,
    /// A user has changed the item that Tandem made.
    pub touched: bool,
    /// Something is owed. A create was sent, or is about to be, and its answer is not noted yet; or, where the link has
    /// items already, see [`crate::cure`] and `apply`: a write whose outcome is not known, or a delete that was asked for.
    pub intent: Option<Intent>,
    pub changed: Timestamp,
    pub traits: Traits,
}

/// What else a link remembers. Kept as JSON; what is at its default is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Traits {
    /// A meeting that another connection of the organisation writes: only the user's own answer is ours.
    #[serde(skip_serializing_if = "is_default")]
    pub follower: bool,
    /// Saved while it was private: it keeps its flag and its content. Else one that becomes private is masked.
    #[serde(skip_serializing_if = "is_default")]
    pub private_on_purpose: bool,
    /// The user chose this side in a conflict or in differences: it wins the next merge, once.
    #[serde(skip_serializing_if = "is_default")]
    pub prefer: Option<Side>,
    /// Attachments of a saved email that are still to be carried over.
    #[serde(skip_serializing_if = "is_default")]
    pub files_owed: bool,
    /// Under which hash the email or meeting is claimed for the organisation. See [`crate::ports::Claim`].
    #[serde(skip_serializing_if = "is_default")]
    pub claim: Option<BaseHash>,
    /// The claim names this link's record: whoever has a copy of the meeting finds it.
    #[serde(skip_serializing_if = "is_default")]
    pub claimed: bool,
    /// An invitation that waits until the organizer's own connection has saved the meeting: since when.
    #[serde(skip_serializing_if = "is_default")]
    pub waits_since: Option<Timestamp>,
    /// The mailbox item is an invitation: somebody else organises it.
    #[serde(skip_serializing_if = "is_default")]
    pub invited: bool,
    /// Saved with the links that the user chose: the linker does not move them.
    #[serde(skip_serializing_if = "is_default")]
    pub links_chosen: bool,
    /// When the order was given that it was saved or linked by.
    #[serde(skip_serializing_if = "is_default")]
    pub ordered: Option<Timestamp>,
    /// Attachments that the user left out when he had it saved: hashes of their names.
    #[serde(skip_serializing_if = "is_default")]
    pub without: BTreeSet<BaseHash>,
    /// Writes of it, or of its attachments, that came to nothing, or of which nobody knows, in a row. See `apply::tries`.
    #[serde(skip_serializing_if = "is_default")]
    pub attempts: u8,
    /// The last create was refused, and is to be tried again: nothing came of it that could be looked for.
    #[serde(skip_serializing_if = "is_default")]
    pub unmade: bool,
    /// A side has refused a value, and the user was told: that stands until both items were compared, and nothing is owed.
    #[serde(skip_serializing_if = "is_default")]
    pub refused: bool,
    /// Nothing is sent for it before then.
    #[serde(skip_serializing_if = "is_default")]
    pub not_before: Option<Timestamp>,
    /// The mailbox item was last seen without this link's key: not finding the key proves nothing.
    #[serde(skip_serializing_if = "is_default")]
    pub keyless: bool,
    /// The mailbox item was seen without its mark: marked once more, the user asks for it again.
    #[serde(skip_serializing_if = "is_default")]
    pub unmarked: bool,
    /// The user ordered it to be taken out, and its mark still stands: only one that is set anew asks for it again.
    #[serde(skip_serializing_if = "is_default")]
    pub taken_out: bool,
    /// How a calendar finds the mailbox item when its id is gone.
    #[serde(skip_serializing_if = "is_default")]
    pub meeting: Option<MeetingId>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Link {
    pub fn id_on(&self, side: Side) -> Option<&ItemId> {
        match side {
            Side::Mailbox => self.mailbox_id.as_ref(),
            Side::Crm => self.crm_id.as_ref(),
        }
    }

    /// How its item is looked for that was known as `id`.
    pub fn trace(&self, id: &ItemId) -> Trace {
        Trace {
            carried: !self.traits.keyless,
            meeting: self.traits.meeting.clone(),
            ..Trace::new(self.kind, id.clone(), self.key.clone())
        }
    }

    /// Whether its item was made is not known.
    pub(crate) fn is_in_doubt(&self) -> bool {
        let missing = self
            .intent
            .is_some_and(|intent| self.id_on(intent.side).is_none());
        missing && !self.traits.unmade
    }

    /// By what the mailbox item, as it is now, will be found again.
    pub(crate) fn note_marks(&mut self, item: &Snapshot) {
        self.traits.keyless = item.key.as_ref() != Some(&self.key);
        let event = item.extra.event.as_deref();
        self.traits.meeting = event.and_then(|event| {
            Some(MeetingId {
                uid: event.uid.clone()?,
                original_start: event.original_start.clone(),
            })
        });
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    Live,
    /// Left the scope or the window; wakes when it comes back.
    Dormant,
    /// Nothing is created again by itself.
    Ended(EndReason),
}

/// Why a link ended. The words are kept in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    DeletedInMailbox,
    DeletedInCrm,
    DeletedOnBoth,
    /// *Salesforce Unsync*.
    Unsynced,
    /// The record was merged into another.
    Merged,
    /// The session that made the pair was undone.
    Undone,
    /// The organizer cancelled the meeting.
    Cancelled,
}

/// A create that must not be done twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Where the item is to be made.
    pub side: Side,
    /// When it was noted, before the request was sent.
    pub at: Timestamp,
}

/// Per field and side, a keyed hash of the normalised value that the side held after our last write was read back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Version of the normaliser that made the hashes; 0: no base.
    pub normaliser: u16,
    pub mailbox: BTreeMap<Field, BaseHash>,
    pub crm: BTreeMap<Field, BaseHash>,
}

impl Base {
    pub fn on(&self, side: Side) -> &BTreeMap<Field, BaseHash> {
        match side {
            Side::Mailbox => &self.mailbox,
            Side::Crm => &self.crm,
        }
    }

    pub fn on_mut(&mut self, side: Side) -> &mut BTreeMap<Field, BaseHash> {
        match side {
            Side::Mailbox => &mut self.mailbox,
            Side::Crm => &mut self.crm,
        }
    }
}

/// HMAC-SHA-256 of a normalised value under the connection's journal key, cut to 128 bits; hexadecimal in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BaseHash(pub [u8; 16]);

impl Serialize for BaseHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A link has dozens of them: formatting was a twentieth of a first sync.
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        serializer.serialize_str(std::str::from_utf8(&text).map_err(serde::ser::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for BaseHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        if text.len() != 32 {
            return Err(serde::de::Error::custom("a base hash has 32 hexadecimal digits"));
        }
        u128::from_str_radix(&text, 16)
            .map(|n| Self(n.to_be_bytes()))
            .map_err(serde::de::Error::custom)
    }
}
