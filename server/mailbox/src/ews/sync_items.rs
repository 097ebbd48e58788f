//! `SyncFolderItems`.

use super::FolderRef;
use super::soap::envelope;
use crate::xml::{Element, Reader, XmlError};

pub(crate) const NAME: &str = "SyncFolderItems";
/// The schema's maximum.
const PAGE: &str = "512";

/// One page of a folder's changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SyncPage {
    pub(crate) state: String,
    pub(crate) last: bool,
    /// Contacts, and items of a kind that only `GetItem` tells.
    pub(crate) changed: Vec<String>,
    pub(crate) deleted: Vec<String>,
    /// Items that are nobody's contact.
    pub(crate) others: Vec<String>,
}

pub(crate) fn request(folder: &str, state: Option<&str>) -> Vec<u8> {
    envelope(NAME, &[], |xml| {
        xml.element("m:ItemShape", &[], |xml| xml.text("t:BaseShape", &[], "IdOnly"));
        xml.element("m:SyncFolderId", &[], |xml| FolderRef::Id(folder).write(xml));
        if let Some(state) = state {
            xml.text("m:SyncState", &[], state);
        }
        xml.text("m:MaxChangesReturned", &[], PAGE);
    })
}

pub(crate) fn payload(reader: &mut Reader<'_>, child: &Element, page: &mut SyncPage) -> Result<(), XmlError> {
    match child.name.as_str() {
        "SyncState" => page.state = reader.text()?,
        "IncludesLastItemInRange" => page.last = reader.text()?.trim() == "true",
        "Changes" => reader.each(|reader, change| {
            match change.name.as_str() {
                "Create" | "Update" => reader.each(|reader, item| {
                    // Distribution lists live in the same folders, and are nobody's contact.
                    let contact = item.is("Contact") || item.is("Item");
                    let id = read_id(reader)?;
                    if contact {
                        page.changed.extend(id);
                    } else {
                        page.others.extend(id);
                    }
                    Ok(())
                })?,
                "Delete" => reader.each(|_, id| {
                    page.deleted.extend(id.attribute("Id").map(str::to_owned));
                    Ok(())
                })?,
                // Contacts are not read or unread.
                _ => {}
            }
            Ok(())
        })?,
        _ => {}
    }
    Ok(())
}

fn read_id(reader: &mut Reader<'_>) -> Result<Option<String>, XmlError> {
    let mut id = None;
    reader.each(|_, child| {
        if child.is("ItemId") {
            id = child.attribute("Id").map(str::to_owned);
        }
        Ok(())
    })?;
    Ok(id)
}
