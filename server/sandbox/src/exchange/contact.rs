//! A contact as the store holds it: reading it out of requests, writing it into replies, and what a server
//! changes on its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Fail;
use super::props::{
    ADDRESS_KEYS, ADDRESS_PARTS, EMAIL_KEYS, IM_KEYS, INDEXED_URIS, Key, Kind, PHONE_KEYS, PROPS, Path, Prop,
    date_time, fits, prop_named, write_time,
};
use super::xml::{Element, escape, tag, wrap};

/// No text is longer: Exchange refuses what does not fit into a row of its table.
const TEXT_LIMIT: usize = 32 << 10;
const BODY_LIMIT: usize = 8 << 20;

/// A MAPI property's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MapiValue {
    pub(super) ty: &'static str,
    pub(super) values: Vec<String>,
}

/// What a user or a client wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Contact {
    /// By element name.
    pub(super) texts: BTreeMap<&'static str, String>,
    /// By element name; categories among them.
    pub(super) lists: BTreeMap<&'static str, Vec<String>>,
    /// By field address and index.
    pub(super) entries: BTreeMap<(&'static str, &'static str), String>,
    /// Text or HTML.
    pub(super) body: String,
    pub(super) body_is_html: bool,
    pub(super) extended: BTreeMap<Key, MapiValue>,
}

/// What else a reply says about an item.
#[derive(Debug)]
pub(super) struct Around<'a> {
    pub(super) id: &'a str,
    pub(super) change_key: &'a str,
    pub(super) folder_id: &'a str,
    pub(super) folder_change_key: &'a str,
    pub(super) created: i64,
    pub(super) modified: i64,
    pub(super) modified_by: &'a str,
}

/// How bodies are to be returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyType {
    Best,
    Html,
    Text,
}

/// An `t:ItemShape`.
#[derive(Debug)]
pub(super) struct Shape {
    base: Base,
    extra: Vec<Path>,
    body: BodyType,
    source: Source,
}

/// Where an operation reads from: tables of folders have no bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
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
];

impl Shape {
    /// Reads the element.
    pub(super) fn parse(element: &Element, source: Source) -> Result<Self, Fail> {
        if element
            .child_text("IncludeMimeContent")
            .is_some_and(|t| matches!(t.trim(), "true" | "1"))
        {
            return Err(Fail::new(
                "ErrorUnsupportedMimeConversion",
                "The sandbox has no MIME content.",
            ));
        }
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
        Ok(Self {
            base,
            extra,
            body,
            source,
        })
    }

    fn wants(&self, prop: &Prop) -> bool {
        let base = match self.base {
            Base::IdOnly => prop.name == "ItemId",
            Base::Default => DEFAULT_PROPS.contains(&prop.name),
            Base::All => true,
        };
        if prop.kind == Kind::Body && self.source != Source::Item {
            return false;
        }
        base || self
            .extra
            .iter()
            .any(|p| matches!(p, Path::Field(asked) if std::ptr::eq(*asked, prop)))
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

fn static_of(list: &'static [&'static str], value: &str) -> Option<&'static str> {
    list.iter().find(|v| **v == value).copied()
}

impl Contact {
    /// A new contact from `t:Contact`.
    pub(super) fn create(element: &Element) -> Result<Self, Fail> {
        let mut contact = Self::default();
        for child in &element.children {
            contact.set(child)?;
        }
        contact.finish(&Self::default());
        Ok(contact)
    }

    /// Applies `t:Updates`; on failure the contact is as before only in the caller's copy.
    pub(super) fn update(&mut self, updates: &Element) -> Result<(), Fail> {
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
                    self.set_at(&path, child)?;
                }
                _ => {
                    let child = the_property(update, &path)?;
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
        self.finish(&before);
        Ok(())
    }

    fn set_at(&mut self, path: &Path, child: &Element) -> Result<(), Fail> {
        match path {
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
                self.set(child).map_err(|f| f.at(path))
            }
            Path::Foreign(_) => {
                Err(Fail::new("ErrorInvalidPropertySet", "Set action is invalid for property.").at(path))
            }
        }
    }

    /// Sets one property from its element.
    fn set(&mut self, child: &Element) -> Result<(), Fail> {
        let Some(prop) = prop_named(&child.name) else {
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
        let limit = if prop.kind == Kind::Body {
            BODY_LIMIT
        } else {
            TEXT_LIMIT
        };
        if child.text.len() > limit {
            return Err(
                Fail::new("ErrorDataSizeLimitExceeded", "The data is too large.").at(&Path::Field(prop))
            );
        }
        match prop.kind {
            Kind::Text | Kind::OneOf(_) => self.set_text(prop.name, &child.text),
            Kind::Date => {
                let micros = date_time(&child.text).ok_or_else(|| {
                    Fail::new("ErrorInvalidValueForProperty", "The date is invalid.").at(&Path::Field(prop))
                })?;
                self.texts.insert(prop.name, write_time(micros));
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
            Kind::CompleteName | Kind::Id | Kind::Rights | Kind::Absent => {}
        }
        Ok(())
    }

    fn set_entries(&mut self, dictionary: &Element, uri: &'static str, keys: &'static [&'static str]) {
        for entry in &dictionary.children {
            if let Some(key) = static_of(keys, entry.attr("Key").unwrap_or_default()) {
                self.set_entry(uri, key, &entry.text);
            }
        }
    }

    /// Sets a text; nothing but white space removes it.
    pub(super) fn set_text(&mut self, name: &'static str, value: &str) {
        let value = value.trim_end();
        if value.is_empty() {
            self.texts.remove(name);
        } else {
            self.texts.insert(name, value.to_owned());
        }
    }

    /// Sets an entry of a dictionary; nothing but white space removes it.
    pub(super) fn set_entry(&mut self, uri: &'static str, key: &'static str, value: &str) {
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
    pub(super) fn set_mapi(&mut self, key: Key, ty: &'static str, values: Vec<String>) {
        match key.alias() {
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
    pub(super) fn delete(&mut self, path: &Path) -> Result<(), Fail> {
        match path {
            Path::Field(prop)
                if prop.writable
                    && !matches!(
                        prop.kind,
                        Kind::Emails | Kind::Phones | Kind::Ims | Kind::Addresses | Kind::Extended
                    )
                    && prop.name != "ItemClass" =>
            {
                if prop.kind == Kind::Body {
                    self.body.clear();
                } else {
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
                match key.alias() {
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
            Path::Field(_) | Path::Foreign(_) => Err(Fail::new(
                "ErrorInvalidPropertyDelete",
                "Delete action is invalid for property.",
            )
            .at(path)),
        }
    }

    /// What the server fills in by itself after a write.
    pub(super) fn finish(&mut self, before: &Self) {
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

    fn text(&self, name: &str) -> &str {
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
    pub(super) fn values(&self, path: &Path, around: &Around<'_>) -> Vec<String> {
        match path {
            Path::Foreign(_) => Vec::new(),
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
                _ => self.simple(prop, around).into_iter().collect(),
            },
        }
    }

    /// The value of a property that is one text.
    fn simple(&self, prop: &Prop, around: &Around<'_>) -> Option<String> {
        let no = || Some("false".to_owned());
        match prop.name {
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
                (600 + self.body.len() + self.texts.values().map(String::len).sum::<usize>()).to_string(),
            ),
            "IsSubmitted" | "IsDraft" | "IsFromMe" | "IsResend" | "IsUnmodified" | "HasAttachments"
            | "IsAssociated" | "HasPicture" => no(),
            "ReminderIsSet" => self.texts.get(prop.name).cloned().or_else(no),
            "ReminderMinutesBeforeStart" => {
                Some(self.texts.get(prop.name).map_or("0", String::as_str).to_owned())
            }
            _ => self.texts.get(prop.name).cloned(),
        }
    }

    fn mapi(&self, key: &Key, ty: &str, around: &Around<'_>) -> Vec<String> {
        let one = |v: Option<String>| v.into_iter().collect::<Vec<String>>();
        match (key, ty) {
            (Key::Tag(0x3007), "SystemTime") => return one(Some(write_time(around.created))),
            (Key::Tag(0x3008), "SystemTime") => return one(Some(write_time(around.modified))),
            (Key::Tag(0x1000), "String") if !self.body_is_html && !self.body.is_empty() => {
                return one(Some(self.body.clone()));
            }
            _ => {}
        }
        if let Some(name) = key.alias() {
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

    /// Writes `t:Contact` with what the shape asks for.
    pub(super) fn write(&self, out: &mut String, shape: &Shape, around: &Around<'_>) {
        out.push_str("<t:Contact>");
        for prop in PROPS {
            let whole = shape.wants(prop);
            match prop.kind {
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
                Kind::Absent => {}
                Kind::Text | Kind::Bool | Kind::Int | Kind::Date | Kind::OneOf(_) => {
                    if let Some(value) = self.simple(prop, around) {
                        tag(out, &format!("t:{}", prop.name), &value);
                    }
                }
            }
        }
        out.push_str("</t:Contact>");
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

/// Everything is allowed to the owner.
pub(super) const RIGHTS: &str = "<t:EffectiveRights><t:CreateAssociated>true</t:CreateAssociated>\
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
        Path::Foreign(_) => false,
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
pub(super) fn crlf(text: &str) -> String {
    text.replace("\r\n", "\n")
        .replace('\r', "\n")
        .replace('\n', "\r\n")
}

fn html_of(text: &str) -> String {
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
fn text_of(html: &str) -> String {
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
