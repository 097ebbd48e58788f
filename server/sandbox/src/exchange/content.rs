//! An item as the store holds it: reading it out of requests, writing it into replies, and what a server
//! changes on its own. What only events, tasks or messages have is in the modules of these names.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::Fail;
use super::props::{
    ADDRESS_KEYS, ADDRESS_PARTS, ANSWERS, EMAIL_KEYS, IM_KEYS, INDEXED_URIS, Key, Kind, Of, PHONE_KEYS, Path,
    Prop, base64, date_time_in, fits, prop_named, rows, write_time,
};
use super::recur::Recurrence;
use super::store::Mailbox;
use super::xml::{Element, escape, tag, wrap};
use super::zones::Zone;

/// `Meeting` among the named sets, and `InternetHeaders`.
const MEETING_SET: &str = "6ed8da90-450b-101b-98da-00aa003f1305";
const HEADER_SET: &str = "00020386-0000-0000-c000-000000000046";

/// No text is longer: Exchange refuses what does not fit into a row of its table.
const TEXT_LIMIT: usize = 32 << 10;
const BODY_LIMIT: usize = 8 << 20;

/// A MAPI property's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MapiValue {
    pub(crate) ty: &'static str,
    pub(crate) values: Vec<String>,
}

/// The four kinds of items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Class {
    #[default]
    Contact,
    Event,
    Task,
    Message,
}

impl Class {
    /// Which rows of the table it has.
    pub(crate) fn of(self) -> Of {
        match self {
            Self::Contact => Of::Contact,
            Self::Event => Of::Event,
            Self::Task => Of::Task,
            Self::Message => Of::Message,
        }
    }

    /// The kind that an element such as `t:CalendarItem` holds.
    pub(crate) fn of_element(name: &str) -> Option<Self> {
        Some(match name {
            "Contact" => Self::Contact,
            "CalendarItem" => Self::Event,
            "Task" => Self::Task,
            "Message" => Self::Message,
            _ => return None,
        })
    }

    fn item_class(self) -> &'static str {
        match self {
            Self::Contact => "IPM.Contact",
            Self::Event => "IPM.Appointment",
            Self::Task => "IPM.Task",
            Self::Message => "IPM.Note",
        }
    }
}

/// Somebody in a header or a list of attendees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) name: String,
    /// Empty where a client forgot it.
    pub(crate) address: String,
    /// An attendee's answer.
    pub(crate) response: Option<&'static str>,
    pub(crate) answered: Option<i64>,
}

impl Person {
    /// Somebody without an answer.
    pub(crate) fn new(name: &str, address: &str) -> Self {
        Self {
            name: name.to_owned(),
            address: address.to_owned(),
            ..Self::default()
        }
    }

    /// Whether that is the address.
    pub(crate) fn is(&self, address: &str) -> bool {
        !address.is_empty() && self.address.eq_ignore_ascii_case(address)
    }
}

/// A file or an item in an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attachment {
    /// Counts within the item.
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) content_id: String,
    pub(crate) inline: bool,
    pub(crate) modified: i64,
    pub(crate) content: Arc<Vec<u8>>,
    /// For an attached item.
    pub(crate) item: Option<Box<Content>>,
}

/// What reading a request needs to know beside the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ctx<'a> {
    pub(crate) now: i64,
    /// For times without an offset, and events without a zone.
    pub(crate) zone: &'a Zone,
}

/// What a user or a client wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) class: Class,
    /// By element name.
    pub(crate) texts: BTreeMap<&'static str, String>,
    /// By element name; categories among them.
    pub(crate) lists: BTreeMap<&'static str, Vec<String>>,
    /// By field address and index.
    pub(crate) entries: BTreeMap<(&'static str, &'static str), String>,
    /// Text or HTML.
    pub(crate) body: String,
    pub(crate) body_is_html: bool,
    pub(crate) extended: BTreeMap<Key, MapiValue>,
    /// Senders, recipients, attendees by element name.
    pub(crate) people: BTreeMap<&'static str, Vec<Person>>,
    pub(crate) zones: BTreeMap<&'static str, Zone>,
    pub(crate) recurrence: Option<Recurrence>,
    /// Occurrences that differ, by original start; None was deleted.
    pub(crate) exceptions: BTreeMap<i64, Option<Box<Content>>>,
    pub(crate) attachments: Vec<Attachment>,
    /// A message as it came; built from the fields when it was changed since.
    pub(crate) mime: Option<Arc<Vec<u8>>>,
    pub(crate) headers: Vec<(String, String)>,
    /// What all messages of a thread share.
    pub(crate) conversation: String,
}

/// What else a reply says about an item.
#[derive(Debug)]
pub(crate) struct Around<'a> {
    pub(crate) mailbox: &'a Mailbox,
    pub(crate) number: u64,
    pub(crate) moves: u64,
    pub(crate) seq: u64,
    /// The original start, for an occurrence of a series.
    pub(crate) at: Option<i64>,
    /// Whether that occurrence differs from its series.
    pub(crate) exception: bool,
    pub(crate) id: &'a str,
    pub(crate) change_key: &'a str,
    pub(crate) folder_id: &'a str,
    pub(crate) folder_change_key: &'a str,
    pub(crate) created: i64,
    pub(crate) modified: i64,
    pub(crate) modified_by: &'a str,
    pub(crate) me: &'a Person,
}

/// How bodies are to be returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyType {
    Best,
    Html,
    Text,
}

/// An `t:ItemShape`.
#[derive(Debug)]
pub(crate) struct Shape {
    base: Base,
    extra: Vec<Path>,
    body: BodyType,
    source: Source,
    /// Whether `IncludeMimeContent` was set.
    pub(crate) mime: bool,
    /// Whether `item:MimeContent` was named.
    mime_named: bool,
}

/// Where an operation reads from: tables of folders have no bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// GetItem.
    Item,
    /// FindItem: refuses to return bodies.
    Table,
    /// SyncFolderItems: leaves them out.
    Changes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    IdOnly,
    Default,
    All,
}

const DEFAULT_PROPS: &[&str] = &[
    "ItemId",
    "Subject",
    "HasAttachments",
    "Culture",
    "FileAs",
    "DisplayName",
    "CompleteName",
    "CompanyName",
    "EmailAddresses",
    "PhysicalAddresses",
    "PhoneNumbers",
    "ImAddresses",
    "JobTitle",
    "Start",
    "End",
    "LegacyFreeBusyStatus",
    "Location",
    "CalendarItemType",
    "Organizer",
    "RequiredAttendees",
    "OptionalAttendees",
    "Resources",
    "DueDate",
    "PercentComplete",
    "StartDate",
    "Status",
    "Sender",
    "ToRecipients",
    "CcRecipients",
    "From",
    "InternetMessageId",
    "IsRead",
    "Size",
    "DateTimeSent",
    "DateTimeCreated",
    "Sensitivity",
];

/// Rows of all items that only messages have in their default shape.
const MESSAGE_DEFAULTS: &[&str] = &["Size", "DateTimeSent", "DateTimeCreated", "Sensitivity"];

impl Shape {
    /// Reads the element.
    pub(crate) fn parse(element: &Element, source: Source) -> Result<Self, Fail> {
        let mime = element
            .child_text("IncludeMimeContent")
            .is_some_and(|t| matches!(t.trim(), "true" | "1"));
        let extra: Vec<Path> = element
            .list("AdditionalProperties")
            .iter()
            .map(Path::parse)
            .collect::<Result<_, _>>()?;
        for path in &extra {
            let refused = match path {
                Path::Field(prop) => {
                    source == Source::Table
                        && matches!(
                            prop.name,
                            "Body" | "MimeContent" | "UniqueBody" | "Attachments" | "NormalizedBody"
                        )
                }
                Path::Foreign(uri) => uri.starts_with("folder:"),
                _ => false,
            };
            if refused {
                return Err(Fail::new(
                    "ErrorInvalidPropertyRequest",
                    "The property can not be used with this type of request.",
                )
                .at(path));
            }
        }
        let base = match element.child_text("BaseShape") {
            Some("AllProperties") => Base::All,
            Some("Default") => Base::Default,
            _ => Base::IdOnly,
        };
        let body = match element.child_text("BodyType") {
            Some("Text") => BodyType::Text,
            Some("HTML") => BodyType::Html,
            _ => BodyType::Best,
        };
        let named = extra
            .iter()
            .any(|p| matches!(p, Path::Field(prop) if prop.kind == Kind::Mime));
        Ok(Self {
            base,
            extra,
            body,
            source,
            mime,
            mime_named: named,
        })
    }

    fn wants(&self, prop: &Prop, class: Class) -> bool {
        let late = matches!(prop.kind, Kind::LateBool);
        let base = match self.base {
            Base::IdOnly => prop.name == "ItemId",
            Base::Default => {
                DEFAULT_PROPS.contains(&prop.name)
                    && (class == Class::Message || !MESSAGE_DEFAULTS.contains(&prop.name))
            }
            Base::All => !late,
        };
        if matches!(prop.kind, Kind::Body | Kind::Attachments | Kind::Headers) && self.source != Source::Item
        {
            return false;
        }
        if prop.kind == Kind::Mime {
            return (self.mime || self.mime_named) && self.source == Source::Item;
        }
        // Lists of people are for GetItem, but for the sender.
        if matches!(
            prop.kind,
            Kind::People | Kind::Attendees | Kind::Recurrence | Kind::Occurrence | Kind::Occurrences
        ) && self.source == Source::Table
        {
            return false;
        }
        base || self
            .extra
            .iter()
            .any(|p| matches!(p, Path::Field(asked) if std::ptr::eq(*asked, prop)))
    }

    /// The headers that are asked for by name.
    fn wanted_headers(&self) -> impl Iterator<Item = &str> {
        self.extra.iter().filter_map(|p| match p {
            Path::Header(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether one entry of a dictionary is asked for by itself.
    fn wants_entry(&self, uri: &str, key: &str) -> bool {
        self.extra
            .iter()
            .any(|p| matches!(p, Path::Indexed(u, k) if *u == uri && *k == key))
    }
}

/// The dictionary that an index of it belongs to, by element name.
fn dictionary_of(uri: &str) -> &'static str {
    match uri {
        "contacts:EmailAddress" => "EmailAddresses",
        "contacts:ImAddress" => "ImAddresses",
        "contacts:PhoneNumber" => "PhoneNumbers",
        _ => "PhysicalAddresses",
    }
}

fn address_uri(part: &str) -> &'static str {
    INDEXED_URIS
        .iter()
        .find(|u| u.strip_prefix("contacts:PhysicalAddress:") == Some(part))
        .unwrap_or(&INDEXED_URIS[3])
}

pub(crate) fn static_of(list: &'static [&'static str], value: &str) -> Option<&'static str> {
    list.iter().find(|v| **v == value).copied()
}

impl Content {
    /// A new item from its element.
    pub(crate) fn create(class: Class, element: &Element, ctx: Ctx<'_>) -> Result<Self, Fail> {
        let mut content = Self {
            class,
            ..Self::default()
        };
        for child in &element.children {
            content.set(child, ctx)?;
        }
        content.settle(&Self::default(), ctx)?;
        Ok(content)
    }

    /// What the server fills in and checks after a write.
    pub(crate) fn settle(&mut self, before: &Self, ctx: Ctx<'_>) -> Result<(), Fail> {
        match self.class {
            Class::Contact => self.finish(before),
            Class::Event => self.settle_event(before, ctx)?,
            Class::Task => self.settle_task(before, ctx),
            Class::Message => self.settle_message(before),
        }
        self.texts
            .entry("ItemClass")
            .or_insert_with(|| self.class.item_class().to_owned());
        Ok(())
    }

    /// Applies `t:Updates`; on failure the contact is as before only in the caller's copy.
    pub(crate) fn update(&mut self, updates: &Element, ctx: Ctx<'_>) -> Result<(), Fail> {
        let before = self.clone();
        for update in &updates.children {
            let Some(path_element) = update.children.first() else {
                continue;
            };
            let path = Path::parse(path_element)?;
            match update.name.as_str() {
                "DeleteItemField" => self.delete(&path)?,
                "SetItemField" => {
                    let child = the_property(update, &path)?;
                    self.set_at(&path, child, ctx)?;
                }
                _ => {
                    let child = the_property(update, &path)?;
                    if let Path::Field(prop) = &path
                        && matches!(prop.kind, Kind::People | Kind::Attendees)
                        && prop.of == self.class.of()
                    {
                        let mut all = self.people.get(prop.name).cloned().unwrap_or_default();
                        self.set_at(&path, child, ctx)?;
                        all.extend(self.people.remove(prop.name).unwrap_or_default());
                        self.people.insert(prop.name, all);
                        continue;
                    }
                    if !matches!(&path, Path::Field(prop) if prop.kind == Kind::Body) {
                        return Err(Fail::new(
                            "ErrorInvalidPropertyAppend",
                            "Append action is invalid for property.",
                        )
                        .at(&path));
                    }
                    self.body.push_str(&crlf(&child.text));
                }
            }
        }
        self.settle(&before, ctx)
    }

    fn set_at(&mut self, path: &Path, child: &Element, ctx: Ctx<'_>) -> Result<(), Fail> {
        match path {
            Path::Field(prop) if prop.of != Of::Item && prop.of != self.class.of() => {
                Err(Fail::new("ErrorInvalidPropertySet", "Set action is invalid for property.").at(path))
            }
            // A message that is there keeps its text.
            Path::Field(prop) if prop.kind == Kind::Mime => {
                Err(Fail::new("ErrorInvalidPropertySet", "Set action is invalid for property.").at(path))
            }
            Path::Field(prop)
                if matches!(
                    prop.kind,
                    Kind::Emails | Kind::Phones | Kind::Ims | Kind::Addresses
                ) =>
            {
                // Only single entries of a dictionary can be set.
                Err(Fail::new("ErrorInvalidPropertySet", "Set action is invalid for property.").at(path))
            }
            Path::Field(_) | Path::Indexed(..) | Path::Extended { .. } => {
                self.set(child, ctx).map_err(|f| f.at(path))
            }
            Path::Foreign(_) | Path::Header(_) => {
                Err(Fail::new("ErrorInvalidPropertySet", "Set action is invalid for property.").at(path))
            }
        }
    }

    /// Sets one property from its element.
    fn set(&mut self, child: &Element, ctx: Ctx<'_>) -> Result<(), Fail> {
        let Some(prop) = prop_named(self.class.of(), &child.name) else {
            return Err(Fail::new(
                "ErrorInvalidPropertySet",
                format!("There is no property '{}'.", child.name),
            ));
        };
        if !prop.writable {
            return Err(
                Fail::new("ErrorInvalidPropertySet", "Set action is invalid for property.")
                    .at(&Path::Field(prop)),
            );
        }
        let limit = match prop.kind {
            Kind::Body => BODY_LIMIT,
            Kind::Mime => usize::MAX,
            _ => TEXT_LIMIT,
        };
        if child.text.len() > limit {
            return Err(
                Fail::new("ErrorDataSizeLimitExceeded", "The data is too large.").at(&Path::Field(prop))
            );
        }
        match prop.kind {
            Kind::Text | Kind::OneOf(_) => self.set_text(prop.name, &child.text),
            Kind::Date => {
                let micros = date_time_in(&child.text, ctx.zone).ok_or_else(|| {
                    Fail::new("ErrorInvalidValueForProperty", "The date is invalid.").at(&Path::Field(prop))
                })?;
                let micros = if self.class == Class::Task && prop.name != "ReminderDueBy" {
                    super::task::day_of(micros, ctx.zone)
                } else {
                    micros
                };
                self.texts.insert(prop.name, write_time(micros));
            }
            Kind::Double => {
                let number = child.text.trim().parse::<f64>().ok();
                let number = number.filter(|n| (0.0..=100.0).contains(n)).ok_or_else(|| {
                    Fail::new(
                        "ErrorInvalidPercentCompleteValue",
                        "The percentage is not between 0 and 100.",
                    )
                    .at(&Path::Field(prop))
                })?;
                self.texts.insert(prop.name, number.to_string());
            }
            Kind::Mime => {
                let bytes = base64(&child.text).ok_or_else(|| {
                    Fail::new(
                        "ErrorMimeContentInvalidBase64String",
                        "The MIME content is no base64.",
                    )
                })?;
                if self.class != Class::Message {
                    return Err(Fail::new(
                        "ErrorUnsupportedMimeConversion",
                        "The sandbox makes messages out of MIME content, and nothing else.",
                    ));
                }
                self.read_mime(bytes, ctx.now);
            }
            Kind::Person | Kind::People | Kind::Attendees => {
                let mut all = Vec::new();
                for one in &child.children {
                    all.push(read_person(one).map_err(|f| f.at(&Path::Field(prop)))?);
                }
                self.set_people(prop.name, all);
            }
            Kind::Zone => {
                let zone = Zone::parse(child).map_err(|f| f.at(&Path::Field(prop)))?;
                self.zones.insert(prop.name, zone);
            }
            Kind::Recurrence | Kind::TaskRecurrence => {
                self.recurrence = Some(Recurrence::parse(child).map_err(|f| f.at(&Path::Field(prop)))?);
            }
            Kind::Strings => {
                let mut values: Vec<String> = Vec::new();
                for value in child.children.iter().map(|s| s.text.trim().to_owned()) {
                    if !value.is_empty() && !values.contains(&value) {
                        values.push(value);
                    }
                }
                if values.is_empty() {
                    self.lists.remove(prop.name);
                } else {
                    self.lists.insert(prop.name, values);
                }
            }
            Kind::Body => {
                self.body_is_html = child.attr("BodyType") == Some("HTML");
                self.body = crlf(&child.text);
            }
            Kind::Emails => self.set_entries(child, "contacts:EmailAddress", EMAIL_KEYS),
            Kind::Phones => self.set_entries(child, "contacts:PhoneNumber", PHONE_KEYS),
            Kind::Ims => self.set_entries(child, "contacts:ImAddress", IM_KEYS),
            Kind::Addresses => {
                for entry in &child.children {
                    let key = static_of(ADDRESS_KEYS, entry.attr("Key").unwrap_or_default());
                    for part in &entry.children {
                        if let Some(key) = key {
                            self.set_entry(address_uri(&part.name), key, &part.text);
                        }
                    }
                }
            }
            Kind::Extended => self.set_extended(child)?,
            Kind::Bool => {
                let yes = matches!(child.text.trim(), "true" | "1");
                self.texts.insert(prop.name, yes.to_string());
            }
            Kind::Int => self.set_text(prop.name, child.text.trim()),
            // None of these is writable.
            Kind::CompleteName
            | Kind::Id
            | Kind::Rights
            | Kind::Absent
            | Kind::Base64
            | Kind::Attachments
            | Kind::Headers
            | Kind::Conversation
            | Kind::Occurrence
            | Kind::Occurrences
            | Kind::LateBool => {}
        }
        Ok(())
    }

    /// Replaces a list of people; who was in it before keeps the answer.
    pub(crate) fn set_people(&mut self, name: &'static str, mut all: Vec<Person>) {
        let before = self.people.remove(name).unwrap_or_default();
        for person in &mut all {
            if let Some(old) = before.iter().find(|old| old.is(&person.address))
                && person.response.is_none()
            {
                person.response = old.response;
                person.answered = old.answered;
            }
        }
        if !all.is_empty() {
            self.people.insert(name, all);
        }
    }

    /// The first of a list of people.
    pub(crate) fn person(&self, name: &str) -> Option<&Person> {
        self.people.get(name).and_then(|p| p.first())
    }

    fn alias(&self, key: &Key) -> Option<&'static str> {
        key.alias()
            .filter(|name| self.class == Class::Contact || matches!(*name, "Subject" | "ItemClass"))
    }

    fn set_entries(&mut self, dictionary: &Element, uri: &'static str, keys: &'static [&'static str]) {
        for entry in &dictionary.children {
            if let Some(key) = static_of(keys, entry.attr("Key").unwrap_or_default()) {
                self.set_entry(uri, key, &entry.text);
            }
        }
    }

    /// Sets a text; nothing but white space removes it.
    pub(crate) fn set_text(&mut self, name: &'static str, value: &str) {
        let value = value.trim_end();
        if value.is_empty() {
            self.texts.remove(name);
        } else {
            self.texts.insert(name, value.to_owned());
        }
    }

    /// Sets an entry of a dictionary; nothing but white space removes it.
    pub(crate) fn set_entry(&mut self, uri: &'static str, key: &'static str, value: &str) {
        let value = crlf(value.trim_end());
        if value.is_empty() {
            self.entries.remove(&(uri, key));
        } else {
            self.entries.insert((uri, key), value);
        }
    }

    fn set_extended(&mut self, child: &Element) -> Result<(), Fail> {
        let Some(uri) = child.child("ExtendedFieldURI") else {
            return Ok(());
        };
        let path = Path::parse(uri)?;
        let Path::Extended { key, ty, .. } = &path else {
            return Ok(());
        };
        let array = ty.ends_with("Array");
        let values: Vec<String> = match (child.child("Values"), child.child_text("Value")) {
            (Some(values), None) if array => values.children.iter().map(|v| v.text.clone()).collect(),
            (None, Some(value)) if !array => vec![value.to_owned()],
            _ => {
                return Err(Fail::new(
                    "ErrorInvalidExtendedPropertyValue",
                    "The extended property's value does not go with its type.",
                )
                .at(&path));
            }
        };
        if let Some(bad) = values.iter().find(|v| !fits(ty, v)) {
            return Err(Fail::new(
                "ErrorInvalidExtendedPropertyValue",
                format!(
                    "'{}' is no value of the type {ty}.",
                    bad.chars().take(40).collect::<String>()
                ),
            )
            .at(&path));
        }
        self.set_mapi(key.clone(), ty, values);
        Ok(())
    }

    /// Sets a MAPI property, under its field address if it has one.
    pub(crate) fn set_mapi(&mut self, key: Key, ty: &'static str, values: Vec<String>) {
        match self.alias(&key) {
            Some(name) => {
                let value = values.into_iter().next().unwrap_or_default();
                match static_of(PHONE_KEYS, name) {
                    Some(phone) => self.set_entry("contacts:PhoneNumber", phone, &value),
                    None => self.set_text(name, &value),
                }
            }
            None => {
                self.extended.insert(key, MapiValue { ty, values });
            }
        }
    }

    /// Removes a property.
    pub(crate) fn delete(&mut self, path: &Path) -> Result<(), Fail> {
        match path {
            Path::Field(prop)
                if prop.writable
                    && (prop.of == Of::Item || prop.of == self.class.of())
                    && !matches!(
                        prop.kind,
                        Kind::Emails
                            | Kind::Phones
                            | Kind::Ims
                            | Kind::Addresses
                            | Kind::Extended
                            | Kind::Zone
                            | Kind::Mime
                    )
                    && !matches!(prop.name, "ItemClass" | "Start" | "End" | "UID") =>
            {
                if prop.kind == Kind::Body {
                    self.body.clear();
                } else if matches!(prop.kind, Kind::Recurrence | Kind::TaskRecurrence) {
                    self.recurrence = None;
                } else {
                    self.people.remove(prop.name);
                    self.texts.remove(prop.name);
                    self.lists.remove(prop.name);
                }
                Ok(())
            }
            Path::Indexed(uri, key) => {
                self.entries.remove(&(*uri, *key));
                Ok(())
            }
            Path::Extended { key, .. } => {
                match self.alias(key) {
                    Some(name) => {
                        self.texts.remove(name);
                        if let Some(phone) = static_of(PHONE_KEYS, name) {
                            self.entries.remove(&("contacts:PhoneNumber", phone));
                        }
                    }
                    None => drop(self.extended.remove(key)),
                }
                Ok(())
            }
            Path::Field(_) | Path::Foreign(_) | Path::Header(_) => Err(Fail::new(
                "ErrorInvalidPropertyDelete",
                "Delete action is invalid for property.",
            )
            .at(path)),
        }
    }

    /// What the server fills in by itself after a write.
    pub(crate) fn finish(&mut self, before: &Self) {
        // A display name that follows the name parts goes on following them.
        let follows = self.texts.get("DisplayName").is_none_or(|shown| {
            !shown.is_empty()
                && before.texts.get("DisplayName") == Some(shown)
                && *shown == before.derived_name()
        });
        let derived = self.derived_name();
        if follows && !derived.is_empty() {
            self.texts.insert("DisplayName", derived);
        }
        if let Some(mapping) = self.texts.get("FileAsMapping").cloned()
            && let Some(file_as) = self.file_as(&mapping)
        {
            self.set_text("FileAs", &file_as);
        }
        let subject_follows = self.texts.get("Subject").is_none_or(|subject| {
            before.texts.get("Subject") == Some(subject) && before.texts.get("DisplayName") == Some(subject)
        });
        if subject_follows && let Some(shown) = self.texts.get("DisplayName").cloned() {
            self.texts.insert("Subject", shown);
        }
        self.texts
            .entry("ItemClass")
            .or_insert_with(|| "IPM.Contact".to_owned());
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.texts.get(name).map_or("", String::as_str)
    }

    fn derived_name(&self) -> String {
        let parts = ["GivenName", "MiddleName", "Surname", "Generation"].map(|n| self.text(n));
        parts
            .into_iter()
            .filter(|p| !p.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn file_as(&self, mapping: &str) -> Option<String> {
        let (first, middle) = (self.text("GivenName"), self.text("MiddleName"));
        let (last, company) = (self.text("Surname"), self.text("CompanyName"));
        let given = if middle.is_empty() {
            first.to_owned()
        } else {
            format!("{first} {middle}")
        };
        let join = |a: &str, between: &str, b: &str| match (a.is_empty(), b.is_empty()) {
            (true, _) => b.to_owned(),
            (_, true) => a.to_owned(),
            _ => format!("{a}{between}{b}"),
        };
        let last_comma_first = join(last, ", ", &given);
        let last_space_first = join(last, " ", &given);
        Some(match mapping {
            "LastCommaFirst" => last_comma_first,
            "FirstSpaceLast" => join(&given, " ", last),
            "Company" => company.to_owned(),
            "LastCommaFirstCompany" => join(&last_comma_first, "\r\n", company),
            "CompanyLastCommaFirst" => join(company, "\r\n", &last_comma_first),
            "LastSpaceFirst" | "LastFirst" => last_space_first,
            "LastSpaceFirstCompany" | "LastFirstCompany" => join(&last_space_first, "\r\n", company),
            "CompanyLastSpaceFirst" | "CompanyLastFirst" => join(company, "\r\n", &last_space_first),
            "DisplayName" => self.text("DisplayName").to_owned(),
            "FirstName" => first.to_owned(),
            "LastName" => last.to_owned(),
            "LastFirstSuffix" | "LastFirstMiddleSuffix" => {
                join(&last_comma_first, " ", self.text("Generation"))
            }
            "Empty" => String::new(),
            _ => return None,
        })
    }

    /// All values of a path, for restrictions and sorting.
    pub(crate) fn values(&self, path: &Path, around: &Around<'_>) -> Vec<String> {
        match path {
            Path::Foreign(_) => Vec::new(),
            Path::Header(name) => self.header(name).into_iter().collect(),
            Path::Indexed(uri, key) => self.entries.get(&(*uri, *key)).cloned().into_iter().collect(),
            Path::Extended { key, ty, .. } => self.mapi(key, ty, around),
            Path::Field(prop) => match prop.kind {
                Kind::Body => (!self.body.is_empty())
                    .then(|| self.body.clone())
                    .into_iter()
                    .collect(),
                Kind::Strings => self.lists.get(prop.name).cloned().unwrap_or_default(),
                Kind::Emails | Kind::Phones | Kind::Ims | Kind::Addresses => self
                    .entries
                    .iter()
                    .filter(|((uri, _), _)| dictionary_of(uri) == prop.name)
                    .map(|(_, v)| v.clone())
                    .collect(),
                Kind::Person | Kind::People | Kind::Attendees => self
                    .people
                    .get(prop.name)
                    .iter()
                    .flat_map(|all| all.iter())
                    .flat_map(|p| [p.name.clone(), p.address.clone()])
                    .collect(),
                Kind::Conversation => vec![around.mailbox.conversation_id(&self.conversation)],
                Kind::Id if prop.name == "ParentFolderId" => vec![around.folder_id.to_owned()],
                Kind::Id => vec![around.id.to_owned()],
                _ => self.simple(prop, around).into_iter().collect(),
            },
        }
    }

    /// The value of a property that is one text.
    fn simple(&self, prop: &Prop, around: &Around<'_>) -> Option<String> {
        let no = || Some("false".to_owned());
        let own = match self.class {
            Class::Contact => None,
            Class::Event => self.simple_event(prop.name, around),
            Class::Task => self.simple_task(prop.name, around),
            Class::Message => self.simple_message(prop.name, around),
        };
        if own.is_some() {
            return own;
        }
        match prop.name {
            "HasAttachments" => Some(self.attachments.iter().any(|a| !a.inline).to_string()),
            "DateTimeReceived" | "DateTimeSent" | "DateTimeCreated" => Some(write_time(around.created)),
            "LastModifiedTime" => Some(write_time(around.modified)),
            "LastModifiedName" => Some(around.modified_by.to_owned()),
            "Sensitivity" | "Importance" => Some(
                self.texts
                    .get(prop.name)
                    .map_or("Normal", String::as_str)
                    .to_owned(),
            ),
            "Culture" => Some(
                self.texts
                    .get("Culture")
                    .map_or("en-US", String::as_str)
                    .to_owned(),
            ),
            "Size" => Some(
                (600 + self.body.len()
                    + self.texts.values().map(String::len).sum::<usize>()
                    + self.attachments.iter().map(|a| a.content.len()).sum::<usize>())
                .to_string(),
            ),
            "IsSubmitted" | "IsDraft" | "IsFromMe" | "IsResend" | "IsUnmodified" | "IsAssociated"
            | "HasPicture" => no(),
            "ReminderIsSet" => self.texts.get(prop.name).cloned().or_else(no),
            "ReminderMinutesBeforeStart" => {
                Some(self.texts.get(prop.name).map_or("0", String::as_str).to_owned())
            }
            _ => self.texts.get(prop.name).cloned(),
        }
    }

    /// How large it is, in bytes, as a number's text.
    pub(crate) fn size(&self, around: &Around<'_>) -> Option<String> {
        self.simple(prop_named(self.class.of(), "Size")?, around)
    }

    /// The values of a MAPI property.
    pub(crate) fn mapi(&self, key: &Key, ty: &str, around: &Around<'_>) -> Vec<String> {
        let one = |v: Option<String>| v.into_iter().collect::<Vec<String>>();
        match (key, ty) {
            (Key::Tag(0x3007), "SystemTime") => return one(Some(write_time(around.created))),
            (Key::Tag(0x3008), "SystemTime") => return one(Some(write_time(around.modified))),
            (Key::Id(set, 0x0003 | 0x0023), "Binary")
                if set == MEETING_SET && self.class == Class::Event && !self.extended.contains_key(key) =>
            {
                return one(self.global_id());
            }
            (Key::Tag(0x1035), "String") if self.class == Class::Message => {
                return one(self.texts.get("InternetMessageId").cloned());
            }
            (Key::Name(set, name), "String") if set == HEADER_SET && self.class == Class::Message => {
                return one(self.header(name));
            }
            (Key::Tag(0x1000), "String") if !self.body_is_html && !self.body.is_empty() => {
                return one(Some(self.body.clone()));
            }
            _ => {}
        }
        if let Some(name) = self.alias(key) {
            if ty != "String" {
                return Vec::new();
            }
            let phone = static_of(PHONE_KEYS, name)
                .and_then(|phone| self.entries.get(&("contacts:PhoneNumber", phone)).cloned());
            return one(phone.or_else(|| self.texts.get(name).cloned()));
        }
        self.extended
            .get(key)
            .filter(|v| v.ty == ty)
            .map(|v| v.values.clone())
            .unwrap_or_default()
    }

    /// The element that the item is written as.
    pub(crate) fn element(&self) -> &'static str {
        match self.class {
            Class::Contact => "t:Contact",
            Class::Event => "t:CalendarItem",
            Class::Task => "t:Task",
            Class::Message => match self.text("ItemClass") {
                "IPM.Schedule.Meeting.Request" => "t:MeetingRequest",
                "IPM.Schedule.Meeting.Canceled" => "t:MeetingCancellation",
                c if c.starts_with("IPM.Schedule.Meeting.Resp.") => "t:MeetingResponse",
                _ => "t:Message",
            },
        }
    }

    /// Writes the item with what the shape asks for.
    pub(crate) fn write(&self, out: &mut String, shape: &Shape, around: &Around<'_>) {
        let mut inner = String::new();
        self.write_inner(&mut inner, shape, around);
        wrap(out, self.element(), &[], &inner);
    }

    fn write_inner(&self, out: &mut String, shape: &Shape, around: &Around<'_>) {
        for prop in rows(self.class.of()) {
            let whole = shape.wants(prop, self.class);
            match prop.kind {
                Kind::Headers if whole || shape.wanted_headers().next().is_some() => {
                    self.write_headers(out, shape, whole);
                }
                Kind::Extended => self.write_extended(out, shape, around),
                Kind::Emails => {
                    self.write_dictionary(out, shape, whole, prop, "contacts:EmailAddress", EMAIL_KEYS);
                }
                Kind::Phones => {
                    self.write_dictionary(out, shape, whole, prop, "contacts:PhoneNumber", PHONE_KEYS);
                }
                Kind::Ims => self.write_dictionary(out, shape, whole, prop, "contacts:ImAddress", IM_KEYS),
                Kind::Addresses => self.write_addresses(out, shape, whole),
                _ if !whole => {}
                Kind::Id if prop.name == "ItemId" => {
                    wrap(
                        out,
                        "t:ItemId",
                        &[("Id", around.id), ("ChangeKey", around.change_key)],
                        "",
                    );
                }
                Kind::Id => {
                    let attrs = [("Id", around.folder_id), ("ChangeKey", around.folder_change_key)];
                    wrap(out, "t:ParentFolderId", &attrs, "");
                }
                Kind::Body => self.write_body(out, shape.body),
                Kind::Strings => {
                    if let Some(values) = self.lists.get(prop.name) {
                        let mut inner = String::new();
                        for value in values {
                            tag(&mut inner, "t:String", value);
                        }
                        wrap(out, &format!("t:{}", prop.name), &[], &inner);
                    }
                }
                Kind::CompleteName => self.write_complete_name(out),
                Kind::Rights => out.push_str(RIGHTS),
                Kind::Absent | Kind::Headers => {}
                Kind::Mime => {
                    if self.class == Class::Message {
                        let text = super::store::encode(&self.mime_bytes(around.me));
                        wrap(out, "t:MimeContent", &[("CharacterSet", "UTF-8")], &text);
                    }
                }
                Kind::Attachments => self.write_attachments(out, around),
                Kind::Conversation => {
                    if self.class == Class::Message {
                        let id = around.mailbox.conversation_id(&self.conversation);
                        wrap(out, "t:ConversationId", &[("Id", &id)], "");
                    }
                }
                Kind::Person => {
                    let organizer = (prop.name == "Organizer").then_some(around.me);
                    if let Some(person) = self.person(prop.name).or(organizer) {
                        let mut inner = String::new();
                        write_mailbox(&mut inner, person);
                        wrap(out, &format!("t:{}", prop.name), &[], &inner);
                    }
                }
                Kind::People => {
                    if let Some(all) = self.people.get(prop.name) {
                        let mut inner = String::new();
                        for person in all {
                            write_mailbox(&mut inner, person);
                        }
                        wrap(out, &format!("t:{}", prop.name), &[], &inner);
                    }
                }
                Kind::Attendees => self.write_attendees(out, prop.name),
                Kind::Recurrence | Kind::TaskRecurrence => {
                    if let Some(recurrence) = &self.recurrence {
                        recurrence.write(out);
                    }
                }
                Kind::Zone => {
                    if let Some(zone) = self.zones.get(prop.name) {
                        zone.write(out, &format!("t:{}", prop.name));
                    }
                }
                Kind::Occurrence | Kind::Occurrences => self.write_occurrences(out, prop.name, around),
                Kind::Double
                | Kind::Base64
                | Kind::LateBool
                | Kind::Text
                | Kind::Bool
                | Kind::Int
                | Kind::Date
                | Kind::OneOf(_) => {
                    if let Some(value) = self.simple(prop, around) {
                        tag(out, &format!("t:{}", prop.name), &value);
                    }
                }
            }
        }
    }

    /// Writes what an attached item shows: it has no id, no folder, and nothing attached that one could ask for.
    pub(crate) fn write_attached(&self, out: &mut String, shape: &Shape, around: &Around<'_>) {
        let bare = Self {
            attachments: Vec::new(),
            ..self.clone()
        };
        let mut inner = String::new();
        bare.write_inner(&mut inner, shape, around);
        for element in ["<t:ItemId ", "<t:ParentFolderId "] {
            if let Some(at) = inner.find(element)
                && let Some(end) = inner[at..].find("/>")
            {
                inner.replace_range(at..at + end + 2, "");
            }
        }
        wrap(out, self.element(), &[], &inner);
    }

    fn write_attachments(&self, out: &mut String, around: &Around<'_>) {
        if self.attachments.is_empty() {
            return;
        }
        let mut inner = String::new();
        for attachment in &self.attachments {
            attachment.write(&mut inner, around, None);
        }
        wrap(out, "t:Attachments", &[], &inner);
    }

    fn write_headers(&self, out: &mut String, shape: &Shape, whole: bool) {
        let wanted: Vec<&str> = shape.wanted_headers().collect();
        let mut inner = String::new();
        for (name, value) in &self.headers {
            if whole || wanted.iter().any(|w| w.eq_ignore_ascii_case(name)) {
                let value = super::mime::decode_words(value);
                wrap(
                    &mut inner,
                    "t:InternetMessageHeader",
                    &[("HeaderName", name)],
                    &escape(&value),
                );
            }
        }
        if !inner.is_empty() {
            wrap(out, "t:InternetMessageHeaders", &[], &inner);
        }
    }

    fn write_attendees(&self, out: &mut String, name: &str) {
        let Some(all) = self.people.get(name) else { return };
        let mut inner = String::new();
        for person in all {
            let mut attendee = String::new();
            write_mailbox(&mut attendee, person);
            tag(
                &mut attendee,
                "t:ResponseType",
                person.response.unwrap_or("Unknown"),
            );
            if let Some(at) = person.answered {
                tag(&mut attendee, "t:LastResponseTime", &write_time(at));
            }
            wrap(&mut inner, "t:Attendee", &[], &attendee);
        }
        wrap(out, &format!("t:{name}"), &[], &inner);
    }

    fn write_body(&self, out: &mut String, wanted: BodyType) {
        let html = match wanted {
            BodyType::Best => self.body_is_html,
            BodyType::Html => true,
            BodyType::Text => false,
        };
        let text = match (self.body_is_html, html) {
            (false, true) if !self.body.is_empty() => html_of(&self.body),
            (true, false) => text_of(&self.body),
            _ => self.body.clone(),
        };
        wrap(
            out,
            "t:Body",
            &[("BodyType", if html { "HTML" } else { "Text" })],
            &escape(&text),
        );
    }

    fn write_complete_name(&self, out: &mut String) {
        let mut inner = String::new();
        let prefix = self
            .extended
            .get(&Key::Tag(0x3A45))
            .and_then(|v| v.values.first())
            .map_or("", String::as_str);
        for (name, value) in [
            ("Title", prefix),
            ("FirstName", self.text("GivenName")),
            ("MiddleName", self.text("MiddleName")),
            ("LastName", self.text("Surname")),
            ("Suffix", self.text("Generation")),
            ("Initials", self.text("Initials")),
            ("FullName", self.text("DisplayName")),
            ("Nickname", self.text("Nickname")),
        ] {
            if !value.is_empty() {
                tag(&mut inner, &format!("t:{name}"), value);
            }
        }
        if !inner.is_empty() {
            wrap(out, "t:CompleteName", &[], &inner);
        }
    }

    fn write_dictionary(
        &self,
        out: &mut String,
        shape: &Shape,
        whole: bool,
        prop: &Prop,
        uri: &'static str,
        keys: &'static [&'static str],
    ) {
        let mut inner = String::new();
        for key in keys {
            let Some(value) = self.entries.get(&(uri, *key)) else {
                continue;
            };
            if !whole && !shape.wants_entry(uri, key) {
                continue;
            }
            let name = format!("{} ({value})", self.text("DisplayName"));
            let email = [
                ("Key", *key),
                ("Name", name.trim()),
                ("RoutingType", "SMTP"),
                ("MailboxType", "Contact"),
            ];
            let attrs = if prop.kind == Kind::Emails {
                &email[..]
            } else {
                &email[..1]
            };
            wrap(&mut inner, "t:Entry", attrs, &escape(value));
        }
        if !inner.is_empty() {
            wrap(out, &format!("t:{}", prop.name), &[], &inner);
        }
    }

    fn write_addresses(&self, out: &mut String, shape: &Shape, whole: bool) {
        let mut inner = String::new();
        for key in ADDRESS_KEYS {
            let mut parts = String::new();
            for part in ADDRESS_PARTS {
                let uri = address_uri(part);
                if !whole && !shape.wants_entry(uri, key) {
                    continue;
                }
                if let Some(value) = self.entries.get(&(uri, *key)) {
                    tag(&mut parts, &format!("t:{part}"), value);
                }
            }
            if !parts.is_empty() {
                wrap(&mut inner, "t:Entry", &[("Key", key)], &parts);
            }
        }
        if !inner.is_empty() {
            wrap(out, "t:PhysicalAddresses", &[], &inner);
        }
    }

    fn write_extended(&self, out: &mut String, shape: &Shape, around: &Around<'_>) {
        for path in &shape.extra {
            let Path::Extended { key, ty, .. } = path else {
                continue;
            };
            let values = self.mapi(key, ty, around);
            if values.is_empty() {
                continue;
            }
            let mut inner = String::new();
            path.write(&mut inner);
            if ty.ends_with("Array") {
                let mut all = String::new();
                for value in &values {
                    tag(&mut all, "t:Value", value);
                }
                wrap(&mut inner, "t:Values", &[], &all);
            } else {
                tag(&mut inner, "t:Value", &values[0]);
            }
            wrap(out, "t:ExtendedProperty", &[], &inner);
        }
    }
}

/// Reads `t:Mailbox` or `t:Attendee`.
fn read_person(element: &Element) -> Result<Person, Fail> {
    let mailbox = element.child("Mailbox").unwrap_or(element);
    let text = |name: &str| mailbox.child_text(name).unwrap_or_default().trim().to_owned();
    let address = text("EmailAddress");
    if address.is_empty() {
        return Err(Fail::new(
            "ErrorMissingInformationEmailAddress",
            "The required e-mail address is missing.",
        ));
    }
    let name = Some(text("Name"))
        .filter(|n| !n.is_empty())
        .unwrap_or_else(|| address.clone());
    Ok(Person {
        name,
        address,
        response: element
            .child_text("ResponseType")
            .and_then(|r| static_of(ANSWERS, r.trim())),
        answered: None,
    })
}

/// Writes `t:Mailbox`.
pub(crate) fn write_mailbox(out: &mut String, person: &Person) {
    let mut inner = String::new();
    tag(&mut inner, "t:Name", &person.name);
    if !person.address.is_empty() {
        tag(&mut inner, "t:EmailAddress", &person.address);
        tag(&mut inner, "t:RoutingType", "SMTP");
        tag(&mut inner, "t:MailboxType", "Mailbox");
    }
    wrap(out, "t:Mailbox", &[], &inner);
}

/// Everything is allowed to the owner.
pub(crate) const RIGHTS: &str = "<t:EffectiveRights><t:CreateAssociated>true</t:CreateAssociated>\
<t:CreateContents>true</t:CreateContents><t:CreateHierarchy>true</t:CreateHierarchy><t:Delete>true</t:Delete>\
<t:Modify>true</t:Modify><t:Read>true</t:Read><t:ViewPrivateItems>true</t:ViewPrivateItems></t:EffectiveRights>";

/// The one property that `t:SetItemField` and `t:AppendToItemField` carry, checked against the path.
fn the_property<'a>(update: &'a Element, path: &Path) -> Result<&'a Element, Fail> {
    let item = update.children.get(1);
    let children = item.map_or(&[][..], |i| &i.children);
    let [child] = children else {
        return Err(Fail::new(
            "ErrorIncorrectUpdatePropertyCount",
            "An object within a change description must contain one and only one property to modify.",
        )
        .at(path));
    };
    let matches = match path {
        Path::Field(prop) => child.name == prop.name,
        Path::Foreign(_) | Path::Header(_) => false,
        Path::Indexed(uri, key) => {
            child.name == dictionary_of(uri)
                && matches!(&child.children[..], [entry] if entry.attr("Key") == Some(key)
                    && uri.strip_prefix("contacts:PhysicalAddress:")
                        .is_none_or(|part| matches!(&entry.children[..], [only] if only.name == part)))
        }
        Path::Extended { key, ty, .. } => child.child("ExtendedFieldURI").is_some_and(
            |uri| matches!(Path::parse(uri), Ok(Path::Extended { key: k, ty: t, .. }) if k == *key && t == *ty),
        ),
    };
    if matches {
        Ok(child)
    } else {
        Err(Fail::new(
            "ErrorUpdatePropertyMismatch",
            "There was an error while updating: the path and the property do not match.",
        )
        .at(path))
    }
}

/// Line ends as the store keeps them.
pub(crate) fn crlf(text: &str) -> String {
    text.replace("\r\n", "\n")
        .replace('\r', "\n")
        .replace('\n', "\r\n")
}

pub(crate) fn html_of(text: &str) -> String {
    let mut inner = String::new();
    for line in text.split("\r\n") {
        let _ = write!(inner, "{}<br>\r\n", escape(line).replace("&quot;", "\""));
    }
    format!(
        "<html>\r\n<head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">\r\n\
<meta name=\"Generator\" content=\"Microsoft Exchange Server\">\r\n<!-- converted from text -->\r\n</head>\r\n<body>\r\n\
<font size=\"2\"><span style=\"font-size:11pt;\"><div class=\"PlainText\">{inner}</div></span></font>\r\n</body>\r\n</html>\r\n"
    )
}

/// Tags out, breaks kept: what a plain reader sees of an HTML body.
pub(crate) fn text_of(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    let mut hidden: Option<&str> = None;
    while let Some(at) = rest.find('<') {
        if hidden.is_none() {
            out.push_str(&rest[..at].replace("\r\n", ""));
        }
        let Some(end) = rest[at..].find('>') else { break };
        let name: String = rest[at + 1..at + end]
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '/')
            .collect();
        let name = name.to_ascii_lowercase();
        match (hidden, name.as_str()) {
            (Some(h), n) if n.strip_prefix('/') == Some(h) => hidden = None,
            (None, "head") => hidden = Some("head"),
            (None, "style") => hidden = Some("style"),
            (None, "script") => hidden = Some("script"),
            (None, "br" | "br/" | "/p" | "/div" | "/li" | "/tr") => out.push_str("\r\n"),
            _ => {}
        }
        rest = &rest[at + end + 1..];
    }
    if hidden.is_none() {
        out.push_str(rest.trim_end());
    }
    let text = out
        .replace("&nbsp;", " ")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"");
    text.replace("&amp;", "&").trim_end().to_owned()
}
