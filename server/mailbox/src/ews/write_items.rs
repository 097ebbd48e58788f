//! `CreateItem`, `UpdateItem`, `DeleteItem`, `MoveItem`. None of them lets a server send a mail, but for meetings that the
//! user organises, where the user wants that.

use std::collections::BTreeMap;

use tandem_sync::model::{Field, FieldValue, Record};
use tandem_types::ItemKind;

use super::calendar::{self, NewEvent};
use super::get_item::{birthday_local_path, key_path, path};
use super::item::field;
use super::soap::envelope;
use super::task::{self, NewTask};
use super::{FolderRef, item_id};
use crate::map::{self, CATEGORY, Property};
use crate::xml::{Element, Reader, Xml, XmlError};
use crate::zones::Written;

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

/// An item to be made.
pub(crate) enum New<'a> {
    Contact(NewContact<'a>),
    Event(NewEvent<'a>),
    Task(NewTask<'a>),
}

/// An item to be changed.
pub(crate) enum Update<'a> {
    Contact(ContactUpdate<'a>),
    Item(ItemUpdate<'a>),
}

/// A change of an event, a task or a mail.
pub(crate) struct ItemUpdate<'a> {
    pub(crate) kind: ItemKind,
    pub(crate) id: &'a str,
    /// The version that must still hold. `None`: whatever it is now.
    pub(crate) change_key: Option<&'a str>,
    pub(crate) changes: Vec<Change>,
    pub(crate) key: Option<&'a str>,
    /// The whole list, where it is to change.
    pub(crate) categories: Option<Vec<String>>,
}

/// A property, by its field address, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Set(&'static str, Value),
    Delete(&'static str),
    /// As plain text.
    Body(String),
}

/// A value with the element that it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(&'static str, String),
    Zone(&'static str, Written),
}

impl Update<'_> {
    /// There is nothing to send.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Contact(contact) => contact.is_empty(),
            Self::Item(item) => item.changes.is_empty() && item.key.is_none() && item.categories.is_none(),
        }
    }
}

/// What is sent to attendees: nothing, or what a user's own meeting needs.
const fn invitations(notify: bool) -> &'static str {
    if notify {
        "SendToAllAndSaveCopy"
    } else {
        "SendToNone"
    }
}

pub(crate) fn create(folder: &str, items: &[New<'_>], notify: bool) -> Vec<u8> {
    // `SaveOnly` is for messages, `SendToNone` for meetings: what needs neither says them all the same.
    let attributes = [
        ("MessageDisposition", "SaveOnly"),
        ("SendMeetingInvitations", invitations(notify)),
    ];
    envelope(CREATE, &attributes, |xml| {
        xml.element("m:SavedItemFolderId", &[], |xml| FolderRef::Id(folder).write(xml));
        xml.element("m:Items", &[], |xml| {
            for item in items {
                match item {
                    New::Contact(contact) => new_contact(xml, contact),
                    New::Event(event) => calendar::new_event(xml, event),
                    New::Task(task) => task::new_task(xml, task),
                }
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

pub(super) fn extended(xml: &mut Xml, path: impl FnOnce(&mut Xml), value: &str) {
    xml.element("t:ExtendedProperty", &[], |xml| {
        path(xml);
        xml.text("t:Value", &[], value);
    });
}

pub(crate) fn update(updates: &[Update<'_>], notify: bool) -> Vec<u8> {
    let versioned = |update: &Update<'_>| match update {
        Update::Contact(_) => true,
        Update::Item(item) => item.change_key.is_some(),
    };
    let attributes = [
        // A ChangeKey that is no longer the item's is an error, and nothing is written.
        (
            "ConflictResolution",
            if updates.iter().all(versioned) {
                "NeverOverwrite"
            } else {
                "AlwaysOverwrite"
            },
        ),
        ("MessageDisposition", "SaveOnly"),
        (
            "SendMeetingInvitationsOrCancellations",
            // To all: `SendToChanged…` tells those who were added or removed, and nobody of a new time.
            invitations(notify),
        ),
    ];
    envelope(UPDATE, &attributes, |xml| {
        xml.element("m:ItemChanges", &[], |xml| {
            for update in updates {
                xml.element("t:ItemChange", &[], |xml| match update {
                    Update::Contact(contact) => {
                        item_id(xml, contact.id, Some(contact.change_key));
                        xml.element("t:Updates", &[], |xml| changes(xml, contact));
                    }
                    Update::Item(item) => {
                        item_id(xml, item.id, item.change_key);
                        xml.element("t:Updates", &[], |xml| item_changes(xml, item));
                    }
                });
            }
        });
    })
}

/// The element that an item of that kind is.
const fn element(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Contact => "t:Contact",
        ItemKind::Event => "t:CalendarItem",
        ItemKind::Task => "t:Task",
        ItemKind::Email => "t:Message",
    }
}

fn item_changes(xml: &mut Xml, update: &ItemUpdate<'_>) {
    let element = element(update.kind);
    for change in &update.changes {
        match change {
            Change::Delete(uri) => xml.element("t:DeleteItemField", &[], |xml| field(xml, uri)),
            Change::Body(text) => set(
                xml,
                element,
                |xml| field(xml, "item:Body"),
                |xml| xml.text("t:Body", &[("BodyType", "Text")], text),
            ),
            Change::Set(uri, value) => set(
                xml,
                element,
                |xml| field(xml, uri),
                |xml| match value {
                    Value::Text(name, text) => xml.text(name, &[], text),
                    Value::Zone(name, zone) => calendar::zone(xml, name, zone),
                },
            ),
        }
    }
    marks(xml, element, update.key, update.categories.as_deref());
}

/// The link's key and the categories.
fn marks(xml: &mut Xml, element: &str, key: Option<&str>, categories: Option<&[String]>) {
    if let Some(key) = key {
        set(xml, element, key_path, |xml| extended(xml, key_path, key));
    }
    let Some(categories) = categories else { return };
    let uri = |xml: &mut Xml| field(xml, "item:Categories");
    if categories.is_empty() {
        return xml.element("t:DeleteItemField", &[], uri);
    }
    set(xml, element, uri, |xml| {
        xml.element("t:Categories", &[], |xml| {
            for category in categories {
                xml.text("t:String", &[], category);
            }
        });
    });
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
            CONTACT,
            |xml| xml.empty("t:FieldURI", &[("FieldURI", "contacts:FileAsMapping")]),
            |xml| xml.text("t:FileAsMapping", &[], "LastCommaFirst"),
        );
        set(
            xml,
            CONTACT,
            |xml| xml.empty("t:FieldURI", &[("FieldURI", "contacts:DisplayName")]),
            |xml| xml.text("t:DisplayName", &[], name),
        );
    }
    marks(xml, CONTACT, update.key, update.categories.as_deref());
}

const CONTACT: &str = element(ItemKind::Contact);

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
        Property::Birthday | Property::None => {}
    };
    if map::property(field) == Property::Birthday {
        if let Some((noon, midnight)) = map::birthday_times(value) {
            set(
                xml,
                CONTACT,
                |xml| path(xml, field),
                |xml| xml.text("t:Birthday", &[], &noon),
            );
            set(xml, CONTACT, birthday_local_path, |xml| {
                extended(xml, birthday_local_path, &midnight);
            });
        }
    } else if map::property(field) != Property::None {
        set(xml, CONTACT, |xml| path(xml, field), value_of);
    }
}

fn set(xml: &mut Xml, element: &str, path: impl FnOnce(&mut Xml), value: impl FnOnce(&mut Xml)) {
    xml.element("t:SetItemField", &[], |xml| {
        path(xml);
        xml.element(element, &[], value);
    });
}

/// To Deleted Items.
pub(crate) fn delete(ids: &[&str], notify: bool) -> Vec<u8> {
    let attributes = [
        ("DeleteType", "MoveToDeletedItems"),
        ("SendMeetingCancellations", invitations(notify)),
        // For tasks it must be said. Of a recurring one, the one that is open now is ours, and no other.
        ("AffectedTaskOccurrences", "SpecifiedOccurrenceOnly"),
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
