//! The operations of Exchange Web Services that are used here: how each is asked, and how its answer is read.
//!
//! Every operation has `NAME`, a function that makes the request and one that reads the payload of a response message.
//! Elements stand in the order of the schema.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/ews-operations-in-exchange>

pub(crate) mod calendar;
pub(crate) mod configuration;
pub(crate) mod find_item;
pub(crate) mod folders;
pub(crate) mod get_item;
pub(crate) mod item;
pub(crate) mod message;
pub(crate) mod notifications;
pub(crate) mod resolve_names;
mod soap;
pub(crate) mod sync_items;
pub(crate) mod task;
pub(crate) mod write_items;

#[cfg(test)]
mod tests;

#[cfg(test)]
use soap::read;
pub(crate) use soap::{Answer, read_with};

use crate::xml::Xml;

/// An item's id as a request names it.
pub(crate) fn item_id(xml: &mut Xml, id: &str, change_key: Option<&str>) {
    let mut attributes = vec![("Id", id)];
    attributes.extend(change_key.map(|key| ("ChangeKey", key)));
    xml.empty("t:ItemId", &attributes);
}

/// A folder as a request names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FolderRef<'a> {
    Id(&'a str),
    /// In the mailbox of the login.
    Distinguished(&'a str),
    /// In the mailbox with this address.
    In {
        folder: &'a str,
        mailbox: &'a str,
    },
}

impl FolderRef<'_> {
    fn write(self, xml: &mut Xml) {
        match self {
            Self::Id(id) => xml.empty("t:FolderId", &[("Id", id)]),
            Self::Distinguished(name) => xml.empty("t:DistinguishedFolderId", &[("Id", name)]),
            Self::In { folder, mailbox } => {
                xml.element("t:DistinguishedFolderId", &[("Id", folder)], |xml| {
                    xml.element("t:Mailbox", &[], |xml| xml.text("t:EmailAddress", &[], mailbox));
                });
            }
        }
    }
}
