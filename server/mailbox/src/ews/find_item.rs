//! `FindItem`: contacts by e-mail address and by name, tasks by subject, meetings by their id, everything by the link's
//! key, in several folders at once.

use tandem_sync::model::Field;

use super::FolderRef;
use super::calendar::CLEAN_OBJECT_ID;
use super::folders::next_offset;
use super::get_item::{key_path, path, read_item};
use super::item::{distinguished, field};
use super::soap::envelope;
use crate::held::Held;
use crate::xml::{Element, Reader, Xml, XmlError};

pub(crate) const NAME: &str = "FindItem";

/// What is looked for; several are alternatives.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Wanted<'a> {
    /// In any of the three addresses, whatever the case.
    Email(&'a str),
    /// Whatever the case; empty ones are not compared.
    Name {
        given: &'a str,
        surname: &'a str,
    },
    Key(&'a str),
    /// Whatever the case.
    Subject(&'a str),
    /// `PidLidCleanGlobalObjectId`, in base64.
    Meeting(&'a str),
}

/// A page of one folder. The items hold what was asked for only.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct ItemPage {
    pub(crate) items: Vec<Held>,
    /// Where the next page begins; `None`: this was the last.
    pub(crate) next: Option<u32>,
    /// The server says that it has more than it shows.
    pub(crate) cut: bool,
    /// So many match, on all pages.
    pub(crate) total: u32,
}

/// Ids and keys of what matches one of `wanted`; everything, with names and addresses, where that is empty.
pub(crate) fn request(folders: &[&str], wanted: &[Wanted<'_>], offset: u32, page: u32) -> Vec<u8> {
    envelope(NAME, &[("Traversal", "Shallow")], |xml| {
        xml.element("m:ItemShape", &[], |xml| {
            xml.text("t:BaseShape", &[], "IdOnly");
            xml.element("t:AdditionalProperties", &[], |xml| {
                if wanted.is_empty() {
                    path(xml, Field::GivenName);
                    path(xml, Field::Surname);
                    for index in EMAILS {
                        email_path(xml, index);
                    }
                } else {
                    key_path(xml);
                }
            });
        });
        let (page, offset) = (page.to_string(), offset.to_string());
        xml.empty(
            "m:IndexedPageItemView",
            &[
                ("MaxEntriesReturned", &page),
                ("Offset", &offset),
                ("BasePoint", "Beginning"),
            ],
        );
        if !wanted.is_empty() {
            xml.element("m:Restriction", &[], |xml| restriction(xml, wanted));
        }
        xml.element("m:ParentFolderIds", &[], |xml| {
            for folder in folders {
                FolderRef::Id(folder).write(xml);
            }
        });
    })
}

const EMAILS: [&str; 3] = ["EmailAddress1", "EmailAddress2", "EmailAddress3"];

fn restriction(xml: &mut Xml, wanted: &[Wanted<'_>]) {
    match wanted {
        [only @ (Wanted::Name { .. } | Wanted::Key(_) | Wanted::Subject(_) | Wanted::Meeting(_))] => {
            alternatives(xml, only);
        }
        // An address alone is three alternatives already.
        _ => xml.element("t:Or", &[], |xml| {
            for one in wanted {
                alternatives(xml, one);
            }
        }),
    }
}

fn alternatives(xml: &mut Xml, wanted: &Wanted<'_>) {
    match wanted {
        Wanted::Email(address) => {
            for index in EMAILS {
                same(xml, |xml| email_path(xml, index), address);
            }
        }
        Wanted::Name { given, surname } => name(xml, given, surname),
        Wanted::Key(key) => equal(xml, key_path, key),
        Wanted::Subject(subject) => same(xml, |xml| field(xml, "item:Subject"), subject),
        Wanted::Meeting(id) => equal(
            xml,
            |xml| distinguished(xml, "Meeting", CLEAN_OBJECT_ID, "Binary"),
            id,
        ),
    }
}

fn equal(xml: &mut Xml, path: impl FnOnce(&mut Xml), value: &str) {
    xml.element("t:IsEqualTo", &[], |xml| {
        path(xml);
        xml.element("t:FieldURIOrConstant", &[], |xml| {
            xml.empty("t:Constant", &[("Value", value)]);
        });
    });
}

fn name(xml: &mut Xml, given: &str, surname: &str) {
    match (given.is_empty(), surname.is_empty()) {
        (false, false) => xml.element("t:And", &[], |xml| {
            same(xml, |xml| path(xml, Field::GivenName), given);
            same(xml, |xml| path(xml, Field::Surname), surname);
        }),
        (false, true) => same(xml, |xml| path(xml, Field::GivenName), given),
        _ => same(xml, |xml| path(xml, Field::Surname), surname),
    }
}

/// Equal, whatever the case.
fn same(xml: &mut Xml, path: impl FnOnce(&mut Xml), value: &str) {
    let how = [
        ("ContainmentMode", "FullString"),
        ("ContainmentComparison", "IgnoreCase"),
    ];
    xml.element("t:Contains", &how, |xml| {
        path(xml);
        xml.empty("t:Constant", &[("Value", value)]);
    });
}

fn email_path(xml: &mut Xml, index: &str) {
    xml.empty(
        "t:IndexedFieldURI",
        &[("FieldURI", "contacts:EmailAddress"), ("FieldIndex", index)],
    );
}

pub(crate) fn payload(reader: &mut Reader<'_>, child: &Element, page: &mut ItemPage) -> Result<(), XmlError> {
    if !child.is("RootFolder") {
        return Ok(());
    }
    page.cut = child.attribute("IncludesLastItemInRange") == Some("false");
    page.total = child
        .attribute("TotalItemsInView")
        .and_then(|n| n.parse().ok())
        .unwrap_or_default();
    // A view of a calendar has no offset.
    page.next = next_offset(child).unwrap_or_default();
    reader.each(|reader, child| {
        if child.is("Items") {
            reader.each(|reader, found| {
                page.items.extend(Held::of(read_item(reader, found)?));
                Ok(())
            })?;
        }
        Ok(())
    })
}
