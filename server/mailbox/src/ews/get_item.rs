//! `GetItem`: items with everything that is synced.

use tandem_sync::model::Field;
use tandem_types::ItemKind;

use super::soap::envelope;
use super::{calendar, message, task};
use crate::event::Event;
use crate::mail::Mail;
use crate::map::{
    self, BIRTHDAY_LOCAL_ID, Contact, Email, KEY_NAME, KEY_SET, Property, address_field, phone_field,
    text_field,
};
use crate::task::Task;
use crate::xml::{Element, Reader, Xml, XmlError};

pub(crate) const NAME: &str = "GetItem";

/// What one message of the answer holds.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) enum Item {
    Contact(Box<Contact>),
    Event(Box<Event>),
    Task(Box<Task>),
    Mail(Box<Mail>),
    /// A distribution list or something stranger.
    Other,
    #[default]
    Nothing,
}

/// Which properties are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Of(ItemKind),
    /// Of items of which only the id is known. A server leaves out what an item does not have.
    Any,
}

pub(crate) fn request(ids: &[&str], shape: Shape) -> Vec<u8> {
    // The best body of an event or a task is HTML only where it is more than plain text: so one reading tells the text
    // and whether plain text may replace it. A contact's is asked for as text, and looked at again before it is written.
    // <https://learn.microsoft.com/exchange/client-developer/web-service-reference/bodytype>
    let body = match shape {
        Shape::Of(ItemKind::Contact) => Some("Text"),
        Shape::Of(ItemKind::Event | ItemKind::Task) | Shape::Any => Some("Best"),
        Shape::Of(ItemKind::Email) => None,
    };
    super::soap::envelope(NAME, &[], |xml| {
        xml.element("m:ItemShape", &[], |xml| {
            xml.text("t:BaseShape", &[], "IdOnly");
            if let Some(body) = body {
                xml.text("t:BodyType", &[], body);
            }
            xml.element("t:AdditionalProperties", &[], |xml| match shape {
                Shape::Of(ItemKind::Contact) => properties(xml),
                Shape::Of(ItemKind::Event) => calendar::properties(xml),
                Shape::Of(ItemKind::Task) => task::properties(xml),
                Shape::Of(ItemKind::Email) => message::properties(xml),
                Shape::Any => {
                    properties(xml);
                    for uri in ANY {
                        xml.empty("t:FieldURI", &[("FieldURI", uri)]);
                    }
                    calendar::own_properties(xml);
                    task::own_properties(xml);
                    message::own_properties(xml);
                }
            });
        });
        xml.element("m:ItemIds", &[], |xml| {
            for id in ids {
                super::item_id(xml, id, None);
            }
        });
    })
}

/// The body as HTML, to see whether plain text can replace it.
pub(crate) fn request_html(ids: &[&str]) -> Vec<u8> {
    envelope(NAME, &[], |xml| {
        xml.element("m:ItemShape", &[], |xml| {
            xml.text("t:BaseShape", &[], "IdOnly");
            xml.text("t:BodyType", &[], "HTML");
            xml.element("t:AdditionalProperties", &[], |xml| {
                xml.empty("t:FieldURI", &[("FieldURI", "item:Body")]);
            });
        });
        xml.element("m:ItemIds", &[], |xml| {
            for id in ids {
                super::item_id(xml, id, None);
            }
        });
    })
}

/// What events, tasks and mails have of `item:` and contacts have not.
const ANY: [&str; 5] = [
    "item:Subject",
    "item:Importance",
    "item:ReminderDueBy",
    "item:ReminderIsSet",
    "item:ReminderMinutesBeforeStart",
];

fn properties(xml: &mut Xml) {
    let plain = [
        "item:ParentFolderId",
        "item:ItemClass",
        "item:Sensitivity",
        "item:Body",
        "item:Categories",
        "item:DateTimeCreated",
        "item:LastModifiedTime",
        "contacts:DisplayName",
    ];
    for uri in plain {
        xml.empty("t:FieldURI", &[("FieldURI", uri)]);
    }
    for field in Field::CONTACT {
        if *field != Field::Body {
            path(xml, *field);
        }
    }
    for index in ["EmailAddress2", "EmailAddress3"] {
        xml.empty(
            "t:IndexedFieldURI",
            &[("FieldURI", "contacts:EmailAddress"), ("FieldIndex", index)],
        );
    }
    key_path(xml);
    birthday_local_path(xml);
}

/// The path of a field, as shapes, updates and restrictions name it.
pub(crate) fn path(xml: &mut Xml, field: Field) {
    let indexed = |xml: &mut Xml, uri: &str, index: &str| {
        xml.empty("t:IndexedFieldURI", &[("FieldURI", uri), ("FieldIndex", index)]);
    };
    match map::property(field) {
        Property::Text(name) => xml.empty("t:FieldURI", &[("FieldURI", &format!("contacts:{name}"))]),
        Property::Birthday => xml.empty("t:FieldURI", &[("FieldURI", "contacts:Birthday")]),
        Property::Body => xml.empty("t:FieldURI", &[("FieldURI", "item:Body")]),
        Property::Email(index) => indexed(xml, "contacts:EmailAddress", index),
        Property::Phone(key) => indexed(xml, "contacts:PhoneNumber", key),
        Property::Address { key, part } => indexed(xml, &format!("contacts:PhysicalAddress:{part}"), key),
        Property::None => {}
    }
}

/// The path of the link's key.
pub(crate) fn key_path(xml: &mut Xml) {
    xml.empty(
        "t:ExtendedFieldURI",
        &[
            ("PropertySetId", KEY_SET),
            ("PropertyName", KEY_NAME),
            ("PropertyType", "String"),
        ],
    );
}

pub(crate) fn birthday_local_path(xml: &mut Xml) {
    xml.empty(
        "t:ExtendedFieldURI",
        &[
            ("DistinguishedPropertySetId", "Address"),
            ("PropertyId", BIRTHDAY_LOCAL_ID),
            ("PropertyType", "SystemTime"),
        ],
    );
}

pub(crate) fn payload(reader: &mut Reader<'_>, child: &Element, item: &mut Item) -> Result<(), XmlError> {
    if child.is("Items") {
        reader.each(|reader, found| {
            *item = read_item(reader, found)?;
            Ok(())
        })?;
    }
    Ok(())
}

/// One item of any list of items.
pub(super) fn read_item(reader: &mut Reader<'_>, element: &Element) -> Result<Item, XmlError> {
    match element.name.as_str() {
        // Contacts of a class of somebody's own may come as plain items.
        "Contact" | "Item" => {}
        "CalendarItem" => return Ok(Item::Event(Box::new(calendar::read(reader)?))),
        "Task" => return Ok(Item::Task(Box::new(task::read(reader)?))),
        "Message" | "MeetingMessage" | "MeetingRequest" | "MeetingResponse" | "MeetingCancellation" => {
            return Ok(Item::Mail(Box::new(message::read(reader, element)?)));
        }
        _ => return Ok(Item::Other),
    }
    let mut contact = Contact::default();
    let mut class = String::new();
    reader.each(|reader, child| {
        match child.name.as_str() {
            "ItemId" => {
                child
                    .attribute("Id")
                    .unwrap_or_default()
                    .clone_into(&mut contact.id);
                child
                    .attribute("ChangeKey")
                    .unwrap_or_default()
                    .clone_into(&mut contact.change_key);
            }
            "ParentFolderId" => child
                .attribute("Id")
                .unwrap_or_default()
                .clone_into(&mut contact.folder),
            "ItemClass" => class = reader.text()?,
            "Sensitivity" => contact.sensitivity = reader.text()?,
            "Body" => {
                contact.body_cut = child.attribute("IsTruncated") == Some("true");
                contact.body_html = child.attribute("BodyType") == Some("HTML");
                contact.body = reader.text()?;
            }
            "Categories" => reader.each(|reader, _| {
                contact.categories.push(reader.text()?);
                Ok(())
            })?,
            "DateTimeCreated" => contact.created = reader.text()?,
            "LastModifiedTime" => contact.modified = reader.text()?,
            "DisplayName" => contact.display_name = reader.text()?,
            "Birthday" => contact.birthday = reader.text()?,
            "EmailAddresses" => reader.each(|reader, entry| {
                let attribute = |name| entry.attribute(name).unwrap_or_default().to_owned();
                contact.emails.push(Email {
                    index: attribute("Key"),
                    name: attribute("Name"),
                    routing: attribute("RoutingType"),
                    text: reader.text()?,
                });
                Ok(())
            })?,
            "PhoneNumbers" => reader.each(|reader, entry| {
                if let Some(field) = entry.attribute("Key").and_then(phone_field) {
                    contact.texts.push((field, reader.text()?));
                }
                Ok(())
            })?,
            "PhysicalAddresses" => reader.each(|reader, entry| {
                let key = entry.attribute("Key").unwrap_or_default();
                reader.each(|reader, part| {
                    if let Some(field) = address_field(key, &part.name) {
                        contact.texts.push((field, reader.text()?));
                    }
                    Ok(())
                })
            })?,
            "ExtendedProperty" => read_extended(reader, &mut contact)?,
            name => {
                if let Some(field) = text_field(name) {
                    contact.texts.push((field, reader.text()?));
                }
            }
        }
        Ok(())
    })?;
    if contact.id.is_empty() {
        return Err(XmlError::Unexpected("an item without an id"));
    }
    let is_contact = element.is("Contact") || class.starts_with("IPM.Contact");
    Ok(if is_contact {
        Item::Contact(Box::new(contact))
    } else {
        Item::Other
    })
}

fn read_extended(reader: &mut Reader<'_>, contact: &mut Contact) -> Result<(), XmlError> {
    let (mut is_key, mut is_birthday) = (false, false);
    let mut value = None;
    reader.each(|reader, child| {
        match child.name.as_str() {
            "ExtendedFieldURI" => {
                is_key = child.attribute("PropertyName") == Some(KEY_NAME)
                    && child
                        .attribute("PropertySetId")
                        .is_some_and(|set| set.eq_ignore_ascii_case(KEY_SET));
                is_birthday = child.attribute("PropertyId") == Some(BIRTHDAY_LOCAL_ID)
                    && child.attribute("DistinguishedPropertySetId") == Some("Address");
            }
            "Value" => value = Some(reader.text()?),
            _ => {}
        }
        Ok(())
    })?;
    if is_key {
        contact.key = value;
    } else if is_birthday {
        contact.birthday_local = value.unwrap_or_default();
    }
    Ok(())
}
