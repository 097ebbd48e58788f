//! `CreateItem`, `UpdateItem`, `DeleteItem`, `MoveItem`. None of them lets a server send a mail.

use std::collections::BTreeMap;

use tandem_sync::model::{Field, FieldValue, Record};

use super::get_item::{birthday_local_path, key_path, path};
use super::soap::envelope;
use super::{FolderRef, item_id};
use crate::map::{self, CATEGORY, Property};
use crate::xml::{Element, Reader, Xml, XmlError};

pub(crate) const CREATE: &str = "CreateItem";
pub(crate) const UPDATE: &str = "UpdateItem";
pub(crate) const DELETE: &str = "DeleteItem";
pub(crate) const MOVE: &str = "MoveItem";

/// A contact to be made.
pub(crate) struct NewContact<'a> {
    pub(crate) key: &'a str,
    pub(crate) record: &'a Record,
}

/// A contact to be changed, if `change_key` still holds.
pub(crate) struct ContactUpdate<'a> {
    pub(crate) id: &'a str,
    pub(crate) change_key: &'a str,
    pub(crate) set: &'a BTreeMap<Field, FieldValue>,
    pub(crate) key: Option<&'a str>,
    /// The whole list, where it is to change.
    pub(crate) categories: Option<Vec<String>>,
    /// The name shown, where it follows the name's parts.
    pub(crate) display_name: Option<String>,
}

impl ContactUpdate<'_> {
    /// There is nothing to send.
    pub(crate) fn is_empty(&self) -> bool {
        self.set.values().all(FieldValue::is_unknown)
            && self.key.is_none()
            && self.categories.is_none()
            && self.display_name.is_none()
    }
}

/// A value that Exchange cannot hold. The field.
pub(crate) fn unwritable(set: &BTreeMap<Field, FieldValue>) -> Option<Field> {
    let birthday = set.get(&Field::Birthday)?.known()?;
    map::birthday_times(birthday).is_none().then_some(Field::Birthday)
}

pub(crate) fn create(folder: &str, contacts: &[NewContact<'_>]) -> Vec<u8> {
    // `SaveOnly` is for messages, `SendToNone` for meetings: a contact needs neither, and says them all the same.
    let attributes = [
        ("MessageDisposition", "SaveOnly"),
        ("SendMeetingInvitations", "SendToNone"),
    ];
    envelope(CREATE, &attributes, |xml| {
        xml.element("m:SavedItemFolderId", &[], |xml| FolderRef::Id(folder).write(xml));
        xml.element("m:Items", &[], |xml| {
            for contact in contacts {
                new_contact(xml, contact);
            }
        });
    })
}

fn new_contact(xml: &mut Xml, contact: &NewContact<'_>) {
    let known = |field| contact.record.get(field).known().filter(|text| !text.is_empty());
    let text = |xml: &mut Xml, field: Field| {
        if let (Property::Text(element), Some(value)) = (map::property(field), known(field)) {
            xml.text(&format!("t:{element}"), &[], value);
        }
    };
    let times = known(Field::Birthday).and_then(map::birthday_times);
    xml.element("t:Contact", &[], |xml| {
        if let Some(body) = known(Field::Body) {
            xml.text("t:Body", &[("BodyType", "Text")], body);
        }
        xml.element("t:Categories", &[], |xml| xml.text("t:String", &[], CATEGORY));
        extended(xml, key_path, contact.key);
        if let Some((_, midnight)) = &times {
            extended(xml, birthday_local_path, midnight);
        }
        let name = |field| known(field).unwrap_or_default();
        let person = [Field::GivenName, Field::MiddleName, Field::Surname]
            .iter()
            .any(|f| known(*f).is_some());
        xml.text(
            "t:FileAsMapping",
            &[],
            if person { "LastCommaFirst" } else { "Company" },
        );
        let shown = map::display_name(
            name(Field::GivenName),
            name(Field::MiddleName),
            name(Field::Surname),
            name(Field::Company),
        );
        if !shown.is_empty() {
            xml.text("t:DisplayName", &[], &shown);
        }
        text(xml, Field::GivenName);
        text(xml, Field::MiddleName);
        text(xml, Field::Company);
        if let Some(email) = known(Field::Email) {
            xml.element("t:EmailAddresses", &[], |xml| {
                xml.text("t:Entry", &[("Key", "EmailAddress1")], email);
            });
        }
        addresses(xml, &known);
        phones(xml, &known);
        text(xml, Field::AssistantName);
        if let Some((noon, _)) = &times {
            xml.text("t:Birthday", &[], noon);
        }
        text(xml, Field::Department);
        text(xml, Field::JobTitle);
        text(xml, Field::Surname);
    });
}

/// The parts in the schema's order, which is not the fields'.
const PARTS: [&str; 5] = ["Street", "City", "State", "CountryOrRegion", "PostalCode"];

fn addresses<'a>(xml: &mut Xml, known: &impl Fn(Field) -> Option<&'a str>) {
    let entries: Vec<(&str, Vec<(&str, &str)>)> = ["Business", "Other"]
        .into_iter()
        .map(|key| {
            let parts = PARTS
                .into_iter()
                .filter_map(|part| Some((part, known(map::address_field(key, part)?)?)));
            (key, parts.collect())
        })
        .filter(|(_, parts): &(_, Vec<_>)| !parts.is_empty())
        .collect();
    if entries.is_empty() {
        return;
    }
    xml.element("t:PhysicalAddresses", &[], |xml| {
        for (key, parts) in entries {
            xml.element("t:Entry", &[("Key", key)], |xml| {
                for (part, value) in parts {
                    xml.text(&format!("t:{part}"), &[], value);
                }
            });
        }
    });
}

fn phones<'a>(xml: &mut Xml, known: &impl Fn(Field) -> Option<&'a str>) {
    let entries: Vec<(&str, &str)> = Field::CONTACT
        .iter()
        .filter_map(|field| match map::property(*field) {
            Property::Phone(key) => Some((key, known(*field)?)),
            _ => None,
        })
        .collect();
    if entries.is_empty() {
        return;
    }
    xml.element("t:PhoneNumbers", &[], |xml| {
        for (key, value) in entries {
            xml.text("t:Entry", &[("Key", key)], value);
        }
    });
}

fn extended(xml: &mut Xml, path: impl FnOnce(&mut Xml), value: &str) {
    xml.element("t:ExtendedProperty", &[], |xml| {
        path(xml);
        xml.text("t:Value", &[], value);
    });
}

pub(crate) fn update(updates: &[ContactUpdate<'_>]) -> Vec<u8> {
    let attributes = [
        // A ChangeKey that is no longer the item's is an error, and nothing is written.
        ("ConflictResolution", "NeverOverwrite"),
        ("MessageDisposition", "SaveOnly"),
        ("SendMeetingInvitationsOrCancellations", "SendToNone"),
    ];
    envelope(UPDATE, &attributes, |xml| {
        xml.element("m:ItemChanges", &[], |xml| {
            for update in updates {
                xml.element("t:ItemChange", &[], |xml| {
                    item_id(xml, update.id, Some(update.change_key));
                    xml.element("t:Updates", &[], |xml| changes(xml, update));
                });
            }
        });
    })
}

fn changes(xml: &mut Xml, update: &ContactUpdate<'_>) {
    for (field, value) in update.set {
        match value {
            FieldValue::Unknown => {}
            FieldValue::Known(text) => set_field(xml, *field, text),
            // A body is emptied, not removed: not every server lets it be removed.
            FieldValue::Empty if *field == Field::Body => set_field(xml, *field, ""),
            FieldValue::Empty => {
                xml.element("t:DeleteItemField", &[], |xml| path(xml, *field));
                if *field == Field::Birthday {
                    xml.element("t:DeleteItemField", &[], birthday_local_path);
                }
            }
        }
    }
    if let Some(name) = &update.display_name {
        set(
            xml,
            |xml| xml.empty("t:FieldURI", &[("FieldURI", "contacts:FileAsMapping")]),
            |xml| xml.text("t:FileAsMapping", &[], "LastCommaFirst"),
        );
        set(
            xml,
            |xml| xml.empty("t:FieldURI", &[("FieldURI", "contacts:DisplayName")]),
            |xml| xml.text("t:DisplayName", &[], name),
        );
    }
    if let Some(key) = update.key {
        set(xml, key_path, |xml| extended(xml, key_path, key));
    }
    if let Some(categories) = &update.categories {
        let uri = |xml: &mut Xml| xml.empty("t:FieldURI", &[("FieldURI", "item:Categories")]);
        if categories.is_empty() {
            xml.element("t:DeleteItemField", &[], uri);
        } else {
            set(xml, uri, |xml| {
                xml.element("t:Categories", &[], |xml| {
                    for category in categories {
                        xml.text("t:String", &[], category);
                    }
                });
            });
        }
    }
}

fn set_field(xml: &mut Xml, field: Field, value: &str) {
    let value_of = |xml: &mut Xml| match map::property(field) {
        Property::Text(element) => xml.text(&format!("t:{element}"), &[], value),
        Property::Body => xml.text("t:Body", &[("BodyType", "Text")], value),
        Property::Email(key) => {
            xml.element("t:EmailAddresses", &[], |xml| {
                xml.text("t:Entry", &[("Key", key)], value);
            });
        }
        Property::Phone(key) => {
            xml.element("t:PhoneNumbers", &[], |xml| {
                xml.text("t:Entry", &[("Key", key)], value);
            });
        }
        Property::Address { key, part } => xml.element("t:PhysicalAddresses", &[], |xml| {
            xml.element("t:Entry", &[("Key", key)], |xml| {
                xml.text(&format!("t:{part}"), &[], value);
            });
        }),
        Property::Birthday => {}
    };
    if map::property(field) == Property::Birthday {
        if let Some((noon, midnight)) = map::birthday_times(value) {
            set(
                xml,
                |xml| path(xml, field),
                |xml| xml.text("t:Birthday", &[], &noon),
            );
            set(xml, birthday_local_path, |xml| {
                extended(xml, birthday_local_path, &midnight);
            });
        }
    } else {
        set(xml, |xml| path(xml, field), value_of);
    }
}

fn set(xml: &mut Xml, path: impl FnOnce(&mut Xml), value: impl FnOnce(&mut Xml)) {
    xml.element("t:SetItemField", &[], |xml| {
        path(xml);
        xml.element("t:Contact", &[], value);
    });
}

/// To Deleted Items.
pub(crate) fn delete(ids: &[&str]) -> Vec<u8> {
    let attributes = [
        ("DeleteType", "MoveToDeletedItems"),
        ("SendMeetingCancellations", "SendToNone"),
    ];
    envelope(DELETE, &attributes, |xml| {
        xml.element("m:ItemIds", &[], |xml| {
            for id in ids {
                item_id(xml, id, None);
            }
        });
    })
}

pub(crate) fn move_to(folder: &str, ids: &[&str]) -> Vec<u8> {
    envelope(MOVE, &[], |xml| {
        xml.element("m:ToFolderId", &[], |xml| FolderRef::Id(folder).write(xml));
        xml.element("m:ItemIds", &[], |xml| {
            for id in ids {
                item_id(xml, id, None);
            }
        });
    })
}

/// The id of the item that a create, update or move has left behind; empty after a delete.
pub(crate) fn payload(reader: &mut Reader<'_>, child: &Element, id: &mut String) -> Result<(), XmlError> {
    if !child.is("Items") {
        return Ok(());
    }
    reader.each(|reader, _item| {
        reader.each(|_, child| {
            if child.is("ItemId") {
                child.attribute("Id").unwrap_or_default().clone_into(id);
            }
            Ok(())
        })
    })
}
