//! What has to be known of a mailbox before its items can be read.

use serde::{Deserialize, Serialize};

use crate::places::Places;

/// Stands in [`Places::contacts`]: the default folder of contacts, which Graph names by no id.
pub(crate) const CONTACTS: &str = "contacts";
/// Stands in [`Places::calendar`]: the default calendar.
pub(crate) const CALENDAR: &str = "calendar";

/// Where items lie.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ground {
    pub(crate) places: Places,
    /// `PidTagEntryId` of Deleted Items, in base64; empty where the server does not tell.
    pub(crate) deleted_entry: String,
}
