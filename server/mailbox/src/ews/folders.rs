//! `GetFolder`, `FindFolder`, `CreateFolder`.

use super::FolderRef;
use super::soap::envelope;
use crate::xml::{Element, Reader, Xml, XmlError};

pub(crate) const GET: &str = "GetFolder";
pub(crate) const FIND: &str = "FindFolder";
pub(crate) const CREATE: &str = "CreateFolder";

/// The class of folders that hold contacts. Folders that Exchange keeps for itself have longer ones.
pub(crate) const CONTACTS_CLASS: &str = "IPF.Contact";
/// The classes of folders that hold events, tasks, mails.
pub(crate) const CALENDAR_CLASS: &str = "IPF.Appointment";
pub(crate) const TASKS_CLASS: &str = "IPF.Task";
pub(crate) const MAILS_CLASS: &str = "IPF.Note";

/// What is asked of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Folder {
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) class: String,
    pub(crate) name: String,
}

/// A page of a search for folders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FolderPage {
    pub(crate) folders: Vec<Folder>,
    /// Where the next page begins; `None`: this was the last.
    pub(crate) next: Option<u32>,
}

pub(crate) fn get(folders: &[FolderRef<'_>]) -> Vec<u8> {
    envelope(GET, &[], |xml| {
        shape(xml);
        xml.element("m:FolderIds", &[], |xml| {
            for folder in folders {
                folder.write(xml);
            }
        });
    })
}

/// Every folder below `root`, from `offset` on.
pub(crate) fn find(root: FolderRef<'_>, offset: u32, page: u32) -> Vec<u8> {
    envelope(FIND, &[("Traversal", "Deep")], |xml| {
        shape(xml);
        let (page, offset) = (page.to_string(), offset.to_string());
        xml.empty(
            "m:IndexedPageFolderView",
            &[
                ("MaxEntriesReturned", &page),
                ("Offset", &offset),
                ("BasePoint", "Beginning"),
            ],
        );
        xml.element("m:ParentFolderIds", &[], |xml| root.write(xml));
    })
}

/// A folder below `parent`, for items of `class`.
pub(crate) fn create(parent: FolderRef<'_>, name: &str, class: &str) -> Vec<u8> {
    let element = match class {
        CONTACTS_CLASS => "t:ContactsFolder",
        TASKS_CLASS => "t:TasksFolder",
        _ => "t:Folder",
    };
    envelope(CREATE, &[], |xml| {
        xml.element("m:ParentFolderId", &[], |xml| parent.write(xml));
        xml.element("m:Folders", &[], |xml| {
            xml.element(element, &[], |xml| {
                xml.text("t:FolderClass", &[], class);
                xml.text("t:DisplayName", &[], name);
            });
        });
    })
}

fn shape(xml: &mut Xml) {
    xml.element("m:FolderShape", &[], |xml| {
        xml.text("t:BaseShape", &[], "IdOnly");
        xml.element("t:AdditionalProperties", &[], |xml| {
            for property in [
                "folder:ParentFolderId",
                "folder:FolderClass",
                "folder:DisplayName",
            ] {
                xml.empty("t:FieldURI", &[("FieldURI", property)]);
            }
        });
    });
}

/// Of `GetFolder` and `CreateFolder`.
pub(crate) fn payload(
    reader: &mut Reader<'_>,
    child: &Element,
    folders: &mut Vec<Folder>,
) -> Result<(), XmlError> {
    if child.is("Folders") {
        read_folders(reader, folders)?;
    }
    Ok(())
}

/// Of `FindFolder`.
pub(crate) fn page_payload(
    reader: &mut Reader<'_>,
    child: &Element,
    page: &mut FolderPage,
) -> Result<(), XmlError> {
    if child.is("RootFolder") {
        page.next = next_offset(child)?;
        reader.each(|reader, child| {
            if child.is("Folders") {
                read_folders(reader, &mut page.folders)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Where the next page of a search begins, from the attributes of its `RootFolder`.
pub(super) fn next_offset(root: &Element) -> Result<Option<u32>, XmlError> {
    if root.attribute("IncludesLastItemInRange") != Some("false") {
        return Ok(None);
    }
    let offset = root
        .attribute("IndexedPagingOffset")
        .and_then(|text| text.parse().ok());
    offset
        .map(Some)
        .ok_or(XmlError::Unexpected("a page without an offset"))
}

fn read_folders(reader: &mut Reader<'_>, folders: &mut Vec<Folder>) -> Result<(), XmlError> {
    reader.each(|reader, _kind| {
        let mut folder = Folder::default();
        reader.each(|reader, child| {
            match child.name.as_str() {
                "FolderId" => child
                    .attribute("Id")
                    .unwrap_or_default()
                    .clone_into(&mut folder.id),
                "ParentFolderId" => child
                    .attribute("Id")
                    .unwrap_or_default()
                    .clone_into(&mut folder.parent),
                "FolderClass" => folder.class = reader.text()?,
                "DisplayName" => folder.name = reader.text()?,
                _ => {}
            }
            Ok(())
        })?;
        if folder.id.is_empty() {
            return Err(XmlError::Unexpected("a folder without an id"));
        }
        folders.push(folder);
        Ok(())
    })
}
