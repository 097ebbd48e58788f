//! `SyncFolderItems`.

use tandem_types::ItemKind;

use super::FolderRef;
use super::item::{field, flag};
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
    /// Items of the folder's kind, and those of a kind that only `GetItem` tells.
    pub(crate) changed: Vec<Listed>,
    pub(crate) deleted: Vec<String>,
    /// Items of other kinds.
    pub(crate) others: Vec<String>,
}

/// What a page says of an item, without reading it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) id: String,
    /// `Single`, `RecurringMaster`.
    pub(crate) item_type: String,
    pub(crate) start: String,
    pub(crate) end: String,
    pub(crate) complete: bool,
    pub(crate) due: String,
    pub(crate) modified: String,
}

/// `kind`: what the folder is read for.
pub(crate) fn request(folder: &str, state: Option<&str>, kind: ItemKind) -> Vec<u8> {
    // What decides whether an item is read at all, so that years of old appointments and done tasks are not.
    let more: &[&str] = match kind {
        ItemKind::Event => &["calendar:Start", "calendar:End", "calendar:CalendarItemType"],
        ItemKind::Task => &["item:LastModifiedTime", "task:DueDate", "task:IsComplete"],
        ItemKind::Contact | ItemKind::Email => &[],
    };
    envelope(NAME, &[], |xml| {
        xml.element("m:ItemShape", &[], |xml| {
            xml.text("t:BaseShape", &[], "IdOnly");
            if !more.is_empty() {
                xml.element("t:AdditionalProperties", &[], |xml| {
                    for uri in more {
                        field(xml, uri);
                    }
                });
            }
        });
        xml.element("m:SyncFolderId", &[], |xml| FolderRef::Id(folder).write(xml));
        if let Some(state) = state {
            xml.text("m:SyncState", &[], state);
        }
        xml.text("m:MaxChangesReturned", &[], PAGE);
    })
}

/// Reads a page of a folder of `kind`.
pub(crate) fn payload(
    kind: ItemKind,
) -> impl FnMut(&mut Reader<'_>, &Element, &mut SyncPage) -> Result<(), XmlError> {
    let element = match kind {
        ItemKind::Contact => "Contact",
        ItemKind::Event => "CalendarItem",
        ItemKind::Task => "Task",
        ItemKind::Email => "Message",
    };
    move |reader, child, page| read_page(reader, child, page, element)
}

fn read_page(
    reader: &mut Reader<'_>,
    child: &Element,
    page: &mut SyncPage,
    element: &str,
) -> Result<(), XmlError> {
    match child.name.as_str() {
        "SyncState" => page.state = reader.text()?,
        "IncludesLastItemInRange" => page.last = reader.text()?.trim() == "true",
        "Changes" => reader.each(|reader, change| {
            match change.name.as_str() {
                "Create" | "Update" => reader.each(|reader, item| {
                    // Distribution lists live in the same folders as contacts, and are nobody's contact.
                    let ours = item.is(element) || item.is("Item");
                    let listed = read_listed(reader)?;
                    if listed.id.is_empty() {
                        return Ok(());
                    }
                    if ours {
                        page.changed.push(listed);
                    } else {
                        page.others.push(listed.id);
                    }
                    Ok(())
                })?,
                "Delete" => reader.each(|_, id| {
                    page.deleted.extend(id.attribute("Id").map(str::to_owned));
                    Ok(())
                })?,
                // What is read or unread changes nothing.
                _ => {}
            }
            Ok(())
        })?,
        _ => {}
    }
    Ok(())
}

fn read_listed(reader: &mut Reader<'_>) -> Result<Listed, XmlError> {
    let mut listed = Listed::default();
    reader.each(|reader, child| {
        match child.name.as_str() {
            "ItemId" => child
                .attribute("Id")
                .unwrap_or_default()
                .clone_into(&mut listed.id),
            "CalendarItemType" => listed.item_type = reader.text()?,
            "Start" => listed.start = reader.text()?,
            "End" => listed.end = reader.text()?,
            "IsComplete" => listed.complete = flag(&reader.text()?),
            "DueDate" => listed.due = reader.text()?,
            "LastModifiedTime" => listed.modified = reader.text()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(listed)
}
