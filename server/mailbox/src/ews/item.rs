//! What all items but contacts have in common: reading it, and naming properties.

use crate::map::{Email, KEY_NAME, KEY_SET};
use crate::xml::{Element, Reader, Xml, XmlError};

/// A body as the server gave it.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) text: String,
    pub(crate) html: bool,
    /// The server gave the beginning only.
    pub(crate) cut: bool,
}

/// The properties of every kind. No `Debug`: it is content.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) id: String,
    pub(crate) change_key: String,
    pub(crate) folder: String,
    pub(crate) class: String,
    pub(crate) subject: String,
    pub(crate) sensitivity: String,
    pub(crate) body: Body,
    pub(crate) categories: Vec<String>,
    pub(crate) created: String,
    pub(crate) modified: String,
    pub(crate) key: Option<String>,
    /// Other extended properties: the name or number, and the value.
    pub(crate) extended: Vec<(String, String)>,
}

impl Head {
    /// Takes the element if it is one of these.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>, child: &Element) -> Result<bool, XmlError> {
        let attribute = |name| child.attribute(name).unwrap_or_default().to_owned();
        match child.name.as_str() {
            "ItemId" => {
                self.id = attribute("Id");
                self.change_key = attribute("ChangeKey");
            }
            "ParentFolderId" => self.folder = attribute("Id"),
            "ItemClass" => self.class = reader.text()?,
            "Subject" => self.subject = reader.text()?,
            "Sensitivity" => self.sensitivity = reader.text()?,
            "Body" => {
                self.body = Body {
                    html: child.attribute("BodyType") == Some("HTML"),
                    cut: child.attribute("IsTruncated") == Some("true"),
                    text: reader.text()?,
                };
            }
            "Categories" => reader.each(|reader, _| {
                self.categories.push(reader.text()?);
                Ok(())
            })?,
            "DateTimeCreated" => self.created = reader.text()?,
            "LastModifiedTime" => self.modified = reader.text()?,
            "ExtendedProperty" => self.read_extended(reader)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn read_extended(&mut self, reader: &mut Reader<'_>) -> Result<(), XmlError> {
        let (mut name, mut is_key) = (String::new(), false);
        let mut value = None;
        reader.each(|reader, child| {
            match child.name.as_str() {
                "ExtendedFieldURI" => {
                    let attribute = |name| child.attribute(name);
                    is_key = attribute("PropertyName") == Some(KEY_NAME)
                        && attribute("PropertySetId").is_some_and(|set| set.eq_ignore_ascii_case(KEY_SET));
                    attribute("PropertyName")
                        .or(attribute("PropertyId"))
                        .or(attribute("PropertyTag"))
                        .unwrap_or_default()
                        .clone_into(&mut name);
                }
                "Value" => value = Some(reader.text()?),
                _ => {}
            }
            Ok(())
        })?;
        match value {
            Some(key) if is_key => self.key = Some(key),
            Some(value) => self.extended.push((name, value)),
            None => {}
        }
        Ok(())
    }

    pub(crate) fn extended(&self, name: &str) -> &str {
        self.extended
            .iter()
            .find(|(n, _)| n == name)
            .map_or("", |(_, value)| value.as_str())
    }

    /// An item without an id cannot be used.
    pub(crate) fn check(&self) -> Result<(), XmlError> {
        if self.id.is_empty() {
            return Err(XmlError::Unexpected("an item without an id"));
        }
        Ok(())
    }
}

/// `Mailbox`, inside of the element that was entered last.
pub(crate) fn read_mailbox(reader: &mut Reader<'_>) -> Result<Email, XmlError> {
    let mut found = Email::default();
    reader.each(|reader, child| {
        match child.name.as_str() {
            "Name" => found.name = reader.text()?,
            "EmailAddress" => found.text = reader.text()?,
            "RoutingType" => found.routing = reader.text()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(found)
}

/// An element that holds one `Mailbox`.
pub(crate) fn read_person(reader: &mut Reader<'_>) -> Result<Email, XmlError> {
    let mut person = Email::default();
    reader.each(|reader, child| {
        if child.is("Mailbox") {
            person = read_mailbox(reader)?;
        }
        Ok(())
    })?;
    Ok(person)
}

pub(crate) fn field(xml: &mut Xml, uri: &str) {
    xml.empty("t:FieldURI", &[("FieldURI", uri)]);
}

/// A named property of one of Exchange's own sets, by its number.
pub(crate) fn distinguished(xml: &mut Xml, set: &str, id: &str, kind: &str) {
    xml.empty(
        "t:ExtendedFieldURI",
        &[
            ("DistinguishedPropertySetId", set),
            ("PropertyId", id),
            ("PropertyType", kind),
        ],
    );
}

/// A named property with a name, of the public set.
pub(crate) fn public_string(xml: &mut Xml, name: &str) {
    xml.empty(
        "t:ExtendedFieldURI",
        &[
            ("DistinguishedPropertySetId", "PublicStrings"),
            ("PropertyName", name),
            ("PropertyType", "String"),
        ],
    );
}

pub(crate) fn flag(text: &str) -> bool {
    matches!(text.trim(), "true" | "1")
}
