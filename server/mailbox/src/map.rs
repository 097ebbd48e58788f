//! How a contact's fields are called in EWS, and what its values mean.

use jiff::civil::{Date, Time};
use jiff::{SignedDuration, Timestamp as Instant};
use tandem_sync::model::{Extra, Field, FieldValue, ItemId, LinkKey, Record, Scope, Snapshot, Version};
use tandem_types::{ItemKind, Timestamp};

use crate::places::Places;

/// The category that puts an item into scope.
pub(crate) const CATEGORY: &str = "Salesforce";
/// The category of what could not be synced.
pub(crate) const FAILED: &str = "Sync Error";
/// The category by which a user takes an item out of the sync.
pub(crate) const UNSYNC: &str = "Salesforce Unsync";
/// The folders that are made for contacts, tasks and mails.
pub(crate) const FOLDER: &str = "Salesforce Contacts";
pub(crate) const TASKS_FOLDER: &str = "Salesforce Tasks";
pub(crate) const MAILS_FOLDER: &str = "Salesforce Emails";

/// The property set of our one named property. Never changed: links would be lost.
pub(crate) const KEY_SET: &str = "8f1b6c52-3d07-4e9a-a4f6-5b2c90d7e813";
/// The named string property that carries a link's key.
pub(crate) const KEY_NAME: &str = "TandemLinkKey";

/// `PidLidBirthdayLocal`, in the property set `Address`: the birthday's midnight, without a zone.
/// <https://learn.microsoft.com/openspecs/exchange_server_protocols/ms-oxprops/>
pub(crate) const BIRTHDAY_LOCAL_ID: &str = "32990";

/// Where a field stands in an EWS contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Property {
    /// `contacts:NAME`, in an element of that name.
    Text(&'static str),
    /// An entry of `EmailAddresses`.
    Email(&'static str),
    /// An entry of `PhoneNumbers`.
    Phone(&'static str),
    /// An element of an entry of `PhysicalAddresses`.
    Address {
        key: &'static str,
        part: &'static str,
    },
    Birthday,
    Body,
    /// A contact does not have it.
    None,
}

pub(crate) const fn property(field: Field) -> Property {
    use Property::{Address, Email, Phone, Text};
    match field {
        Field::GivenName => Text("GivenName"),
        Field::MiddleName => Text("MiddleName"),
        Field::Surname => Text("Surname"),
        Field::JobTitle => Text("JobTitle"),
        Field::Department => Text("Department"),
        Field::Company => Text("CompanyName"),
        Field::AssistantName => Text("AssistantName"),
        Field::Email => Email("EmailAddress1"),
        Field::BusinessPhone => Phone("BusinessPhone"),
        Field::MobilePhone => Phone("MobilePhone"),
        Field::HomePhone => Phone("HomePhone"),
        Field::OtherPhone => Phone("OtherTelephone"),
        Field::BusinessFax => Phone("BusinessFax"),
        Field::AssistantPhone => Phone("AssistantPhone"),
        Field::BusinessStreet => Address {
            key: "Business",
            part: "Street",
        },
        Field::BusinessCity => Address {
            key: "Business",
            part: "City",
        },
        Field::BusinessState => Address {
            key: "Business",
            part: "State",
        },
        Field::BusinessPostalCode => Address {
            key: "Business",
            part: "PostalCode",
        },
        Field::BusinessCountry => Address {
            key: "Business",
            part: "CountryOrRegion",
        },
        Field::OtherStreet => Address {
            key: "Other",
            part: "Street",
        },
        Field::OtherCity => Address {
            key: "Other",
            part: "City",
        },
        Field::OtherState => Address {
            key: "Other",
            part: "State",
        },
        Field::OtherPostalCode => Address {
            key: "Other",
            part: "PostalCode",
        },
        Field::OtherCountry => Address {
            key: "Other",
            part: "CountryOrRegion",
        },
        Field::Birthday => Property::Birthday,
        Field::Body => Property::Body,
        _ => Property::None,
    }
}

/// The plain text field whose element is called so.
pub(crate) fn text_field(element: &str) -> Option<Field> {
    find(|p| matches!(p, Property::Text(name) if name == element))
}

pub(crate) fn phone_field(entry: &str) -> Option<Field> {
    find(|p| matches!(p, Property::Phone(key) if key == entry))
}

pub(crate) fn address_field(entry: &str, element: &str) -> Option<Field> {
    find(|p| matches!(p, Property::Address { key, part } if key == entry && part == element))
}

fn find(is: impl Fn(Property) -> bool) -> Option<Field> {
    Field::CONTACT.iter().copied().find(|field| is(property(*field)))
}

/// A contact as the server gave it. No `Debug`: it is content.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Contact {
    pub(crate) id: String,
    pub(crate) change_key: String,
    pub(crate) folder: String,
    pub(crate) sensitivity: String,
    pub(crate) categories: Vec<String>,
    pub(crate) created: String,
    pub(crate) modified: String,
    pub(crate) display_name: String,
    pub(crate) key: Option<String>,
    /// Plain elements, entries and parts.
    pub(crate) texts: Vec<(Field, String)>,
    pub(crate) emails: Vec<Email>,
    pub(crate) birthday: String,
    pub(crate) birthday_local: String,
    pub(crate) body: String,
    pub(crate) body_cut: bool,
    /// Asked for in its best form, it came as HTML.
    pub(crate) body_html: bool,
}

/// One of a contact's e-mail addresses, as the server gave it.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Email {
    /// `EmailAddress1` to `EmailAddress3`.
    pub(crate) index: String,
    pub(crate) text: String,
    pub(crate) name: String,
    pub(crate) routing: String,
}

impl Email {
    /// The SMTP address. `Unknown` where the server keeps it in a form of its own (`EX`) and shows no address beside it.
    pub(crate) fn value(&self) -> FieldValue {
        let text = self.text.trim();
        if text.is_empty() {
            return FieldValue::Empty;
        }
        let bare = strip_scheme(text);
        if is_address(bare) {
            return FieldValue::Known(bare.to_owned());
        }
        if let Some(found) = address_within(text).or_else(|| address_within(&self.name)) {
            return FieldValue::Known(found.to_owned());
        }
        if self.routing.eq_ignore_ascii_case("EX") || text.to_ascii_lowercase().starts_with("/o=") {
            return FieldValue::Unknown;
        }
        FieldValue::Known(text.to_owned())
    }
}

fn strip_scheme(text: &str) -> &str {
    for scheme in ["smtp:", "mailto:"] {
        if text
            .get(..scheme.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(scheme))
        {
            return text[scheme.len()..].trim();
        }
    }
    text
}

fn is_address(text: &str) -> bool {
    text.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.is_empty()
            && !domain.contains('@')
            && !text
                .chars()
                .any(|c| c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | ',' | ';' | '"'))
    })
}

/// `Nina Berg (nina@contoso.example)`, `"Berg" <nina@contoso.example>`.
fn address_within(text: &str) -> Option<&str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | '"' | '\'' | '[' | ']'))
        .map(strip_scheme)
        .find(|word| is_address(word))
}

impl Contact {
    pub(crate) fn marked(&self) -> bool {
        has(&self.categories, CATEGORY)
    }

    pub(crate) fn text(&self, field: Field) -> &str {
        self.texts
            .iter()
            .find(|(f, _)| *f == field)
            .map_or("", |(_, text)| text.as_str())
    }

    pub(crate) fn email(&self, index: &str) -> FieldValue {
        self.emails
            .iter()
            .find(|e| e.index == index)
            .map_or(FieldValue::Empty, Email::value)
    }

    pub(crate) fn value(&self, field: Field) -> FieldValue {
        match property(field) {
            Property::Email(index) => self.email(index),
            Property::Birthday => self.birthday(),
            Property::Body if self.body_cut || self.body_html => FieldValue::Unknown,
            Property::None => FieldValue::Unknown,
            Property::Body => FieldValue::from_text(plain(&self.body).trim_end_matches('\n')),
            Property::Text(_) | Property::Phone(_) | Property::Address { .. } => {
                FieldValue::from_text(plain(self.text(field)).trim())
            }
        }
    }

    /// A birthday is a point in time in EWS: midnight where it was typed in, or about noon as we write it. The date is
    /// that of the nearest midnight, or that of `PidLidBirthdayLocal` where both can mean the same day.
    fn birthday(&self) -> FieldValue {
        if self.birthday.trim().is_empty() {
            return FieldValue::Empty;
        }
        let Some(point) = instant(&self.birthday) else {
            return FieldValue::Unknown;
        };
        if let Some(local) = instant(&self.birthday_local) {
            let behind = point.duration_since(local);
            // Zones reach from -12 to +14; the ends are left out, where the day before or after is as likely.
            if behind < SignedDuration::from_hours(12) && behind > SignedDuration::from_hours(-14) {
                return date_value(local);
            }
        }
        match point.checked_add(SignedDuration::from_hours(12)) {
            Ok(rounded) => date_value(rounded),
            Err(_) => FieldValue::Unknown,
        }
    }

    pub(crate) fn snapshot(&self, places: &Places) -> Snapshot {
        let mut record = Record::new(ItemKind::Contact);
        for field in Field::CONTACT {
            record.set(*field, self.value(*field));
        }
        let private = ["Private", "Confidential"].contains(&self.sensitivity.as_str());
        let kept = self.marked() || places.salesforce.as_ref() == Some(&self.folder);
        let scope = if private {
            Scope::Private
        } else if kept && self.folder != places.deleted {
            Scope::In
        } else {
            Scope::Out
        };
        Snapshot {
            id: ItemId(self.id.clone()),
            version: Version(self.change_key.clone()),
            key: link_key(self.key.as_deref()),
            scope,
            record,
            modified: timestamp(&self.modified),
            created: timestamp(&self.created),
            marked: self.marked(),
            extra: Extra {
                unsync: has(&self.categories, UNSYNC),
                failed: has(&self.categories, FAILED),
                ..Extra::default()
            },
        }
    }
}

/// The link's key as an item carries it.
pub(crate) fn link_key(key: Option<&str>) -> Option<LinkKey> {
    let key = key.map(str::trim).filter(|key| !key.is_empty())?;
    Some(LinkKey(key.to_owned()))
}

/// Whether a category is among them: Outlook compares without case.
pub(crate) fn has(categories: &[String], category: &str) -> bool {
    categories.iter().any(|c| c.eq_ignore_ascii_case(category))
}

/// A point in time as EWS writes it.
pub(crate) fn instant(text: &str) -> Option<Instant> {
    let text = text.trim();
    text.parse().ok().or_else(|| {
        // A server may leave the zone out: UTC, as all of EWS without a time zone context.
        let naive: jiff::civil::DateTime = text.parse().ok()?;
        Some(naive.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    })
}

pub(crate) fn timestamp(text: &str) -> Timestamp {
    instant(text).map_or(Timestamp::default(), |at| Timestamp(at.as_microsecond()))
}

pub(crate) fn date_value(at: Instant) -> FieldValue {
    let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
    // Outlook's word for no date is 4501-01-01.
    if date.year() >= 4500 {
        FieldValue::Empty
    } else {
        FieldValue::Known(date.to_string())
    }
}

/// What is written for a birthday: a minute before noon UTC is the same date from twelve hours behind to twelve ahead
/// of UTC. And the midnight for `PidLidBirthdayLocal`. `None`: not a date that Exchange can hold.
pub(crate) fn birthday_times(date: &str) -> Option<(String, String)> {
    let date: Date = date.parse().ok()?;
    if !(1601..4500).contains(&date.year()) {
        return None;
    }
    let noon = date.to_datetime(Time::constant(11, 59, 0, 0));
    let midnight = date.to_datetime(Time::midnight());
    Some((format!("{noon}Z"), format!("{midnight}Z")))
}

/// Line ends as the engine wants them.
pub(crate) fn plain(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// The name that Outlook shows: given, middle and last name.
pub(crate) fn display_name(given: &str, middle: &str, surname: &str, company: &str) -> String {
    let full = [given, middle, surname]
        .iter()
        .map(|n| n.trim())
        .filter(|n| !n.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    if full.is_empty() {
        company.trim().to_owned()
    } else {
        full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(text: &str, name: &str, routing: &str) -> FieldValue {
        Email {
            index: "EmailAddress1".to_owned(),
            text: text.to_owned(),
            name: name.to_owned(),
            routing: routing.to_owned(),
        }
        .value()
    }

    #[test]
    fn addresses_are_found_in_what_servers_write() {
        let nina = FieldValue::Known("nina@contoso.example".to_owned());
        assert_eq!(email(" nina@contoso.example ", "", "SMTP"), nina);
        assert_eq!(email("SMTP:nina@contoso.example", "", ""), nina);
        assert_eq!(email("mailto:nina@contoso.example", "", ""), nina);
        assert_eq!(email("Nina Berg (nina@contoso.example)", "", ""), nina);
        assert_eq!(email("\"Berg, Nina\" <nina@contoso.example>", "", ""), nina);
        assert_eq!(
            email("/O=ORG/OU=X/CN=NINA", "Nina Berg (nina@contoso.example)", "EX"),
            nina
        );
        assert_eq!(
            email("/o=org/ou=x/cn=nina", "Nina Berg", "EX"),
            FieldValue::Unknown
        );
        assert_eq!(email("", "", ""), FieldValue::Empty);
        assert_eq!(
            email("ask her", "", "SMTP"),
            FieldValue::Known("ask her".to_owned())
        );
        assert_eq!(
            email("ü@x.example", "", "SMTP"),
            FieldValue::Known("ü@x.example".to_owned())
        );
    }

    fn born(birthday: &str, local: &str) -> FieldValue {
        Contact {
            birthday: birthday.to_owned(),
            birthday_local: local.to_owned(),
            ..Contact::default()
        }
        .birthday()
    }

    #[test]
    fn a_birthday_is_the_same_date_from_every_zone() {
        let fifth = FieldValue::Known("1980-05-05".to_owned());
        for written in [
            "1980-05-05T11:59:00Z",
            "1980-05-05T00:00:00Z",
            "1980-05-04T23:00:00Z",
            "1980-05-04T22:00:00Z",
            "1980-05-05T08:00:00Z",
            "1980-05-05T00:00:00+02:00",
            "1980-05-05T00:00:00-08:00",
            "1980-05-04T12:00:00Z",
            "1980-05-05T00:00:00",
        ] {
            assert_eq!(born(written, ""), fifth, "{written}");
        }
        // New Zealand's summer is more than 12 hours ahead: only the local property knows.
        assert_eq!(born("1980-05-04T11:00:00Z", "1980-05-05T00:00:00Z"), fifth);
        // Changed by someone who writes only one of the two.
        assert_eq!(born("1980-05-05T11:59:00Z", "1979-01-01T00:00:00Z"), fifth);
        assert_eq!(born("1980-05-05T11:59:00Z", "1980-05-04T00:00:00Z"), fifth);
        assert_eq!(born("", "1980-05-05T00:00:00Z"), FieldValue::Empty);
        assert_eq!(born("4501-01-01T00:00:00Z", ""), FieldValue::Empty);
        assert_eq!(born("yesterday", ""), FieldValue::Unknown);
        let (noon, midnight) = birthday_times("1980-05-05").unwrap();
        assert_eq!(
            (noon.as_str(), midnight.as_str()),
            ("1980-05-05T11:59:00Z", "1980-05-05T00:00:00Z")
        );
        assert_eq!(born(&noon, &midnight), fifth);
        assert_eq!(birthday_times("1980-02-30"), None);
        assert_eq!(birthday_times("0001-01-01"), None);
    }

    #[test]
    fn names_shown() {
        assert_eq!(display_name("Nina", "", "Berg", "Contoso"), "Nina Berg");
        assert_eq!(display_name(" ", "", "", "Contoso"), "Contoso");
    }

    #[test]
    fn contacts_in_other_places() {
        let places = Places {
            contacts: "c".to_owned(),
            deleted: "d".to_owned(),
            salesforce: Some("s".to_owned()),
            ..Places::default()
        };
        let scope = |folder: &str, category: &str, sensitivity: &str| {
            let contact = Contact {
                folder: folder.to_owned(),
                categories: vec![category.to_owned()],
                sensitivity: sensitivity.to_owned(),
                ..Contact::default()
            };
            contact.snapshot(&places).scope
        };
        assert_eq!(scope("s", "", "Normal"), Scope::In);
        assert_eq!(scope("c", "", ""), Scope::Out);
        assert_eq!(scope("x", "salesforce", "Personal"), Scope::In);
        assert_eq!(scope("d", "Salesforce", ""), Scope::Out);
        assert_eq!(scope("s", "Salesforce", "Private"), Scope::Private);
        assert_eq!(scope("c", "", "Confidential"), Scope::Private);
    }
}
