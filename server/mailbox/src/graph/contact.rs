//! A contact in Graph's words. <https://learn.microsoft.com/graph/api/resources/contact>

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tandem_sync::model::{Field, FieldValue};

use super::item::{self, text};
use super::property::{self, ASSISTANT_PHONE, BIRTHDAY_LOCAL, FAX, KEY, OTHER_PHONE, SENSITIVITY};
use crate::map::{Contact, Email, birthday_times};

pub(crate) const SELECT: &str = "id,changeKey,parentFolderId,categories,createdDateTime,lastModifiedDateTime,displayName,\
     givenName,middleName,surname,jobTitle,department,companyName,assistantName,emailAddresses,businessPhones,\
     mobilePhone,homePhones,businessAddress,otherAddress,birthday,personalNotes";

pub(crate) const EXPAND: [&str; 6] = [
    KEY,
    SENSITIVITY,
    FAX,
    OTHER_PHONE,
    ASSISTANT_PHONE,
    BIRTHDAY_LOCAL,
];

/// Where a field stands.
enum Place {
    Text(&'static str),
    /// The first of a list.
    First(&'static str),
    Address(&'static str, &'static str),
    Property(&'static str),
    Email,
    Birthday,
    None,
}

const fn place(field: Field) -> Place {
    use Place::{Address, First, Property, Text};
    match field {
        Field::GivenName => Text("givenName"),
        Field::MiddleName => Text("middleName"),
        Field::Surname => Text("surname"),
        Field::JobTitle => Text("jobTitle"),
        Field::Department => Text("department"),
        Field::Company => Text("companyName"),
        Field::AssistantName => Text("assistantName"),
        Field::MobilePhone => Text("mobilePhone"),
        Field::Body => Text("personalNotes"),
        Field::BusinessPhone => First("businessPhones"),
        Field::HomePhone => First("homePhones"),
        Field::OtherPhone => Property(OTHER_PHONE),
        Field::BusinessFax => Property(FAX),
        Field::AssistantPhone => Property(ASSISTANT_PHONE),
        Field::BusinessStreet => Address("businessAddress", "street"),
        Field::BusinessCity => Address("businessAddress", "city"),
        Field::BusinessState => Address("businessAddress", "state"),
        Field::BusinessPostalCode => Address("businessAddress", "postalCode"),
        Field::BusinessCountry => Address("businessAddress", "countryOrRegion"),
        Field::OtherStreet => Address("otherAddress", "street"),
        Field::OtherCity => Address("otherAddress", "city"),
        Field::OtherState => Address("otherAddress", "state"),
        Field::OtherPostalCode => Address("otherAddress", "postalCode"),
        Field::OtherCountry => Address("otherAddress", "countryOrRegion"),
        Field::Email => Place::Email,
        Field::Birthday => Place::Birthday,
        _ => Place::None,
    }
}

/// `None`: it lacks what every contact has.
pub(crate) fn read(json: &Value) -> Option<Contact> {
    let emails = json["emailAddresses"].as_array()?;
    let mut contact = Contact {
        id: item::id(json)?,
        change_key: item::version(json)?,
        folder: text(json, "parentFolderId").to_owned(),
        sensitivity: item::sensitivity_of(property::value(json, SENSITIVITY)),
        categories: item::categories(json),
        created: text(json, "createdDateTime").to_owned(),
        modified: text(json, "lastModifiedDateTime").to_owned(),
        display_name: text(json, "displayName").to_owned(),
        key: property::value(json, KEY).map(str::to_owned),
        birthday: text(json, "birthday").to_owned(),
        birthday_local: property::value(json, BIRTHDAY_LOCAL)
            .unwrap_or_default()
            .to_owned(),
        body: text(json, "personalNotes").to_owned(),
        ..Contact::default()
    };
    for field in Field::CONTACT {
        let value = match place(*field) {
            Place::Text(name) => text(json, name),
            Place::First(name) => json[name][0].as_str().unwrap_or_default(),
            Place::Address(address, part) => text(&json[address], part),
            Place::Property(id) => property::value(json, id).unwrap_or_default(),
            Place::Email | Place::Birthday | Place::None => continue,
        };
        contact.texts.push((*field, value.to_owned()));
    }
    contact.emails = emails
        .iter()
        .enumerate()
        .map(|(at, email)| Email {
            index: format!("EmailAddress{}", at + 1),
            text: text(email, "address").to_owned(),
            name: text(email, "name").to_owned(),
            routing: String::new(),
        })
        .collect();
    Some(contact)
}

/// What is said so that a contact holds `set`. `before`: as it is, for lists and addresses, which are written whole.
///
/// # Errors
/// A value that a mailbox cannot hold: the field.
pub(crate) fn write(
    set: &BTreeMap<Field, FieldValue>,
    before: Option<&Value>,
) -> Result<(Map<String, Value>, Vec<Value>), Field> {
    let mut body = Map::new();
    let mut properties = Vec::new();
    let now = before.unwrap_or(&Value::Null);
    for (field, value) in set {
        let known = match value {
            FieldValue::Known(text) => Some(text.as_str()),
            FieldValue::Empty => None,
            FieldValue::Unknown => continue,
        };
        match place(*field) {
            Place::Text(name) => {
                body.insert(name.to_owned(), json!(known));
            }
            Place::First(name) => {
                let rest = now[name].as_array().into_iter().flatten().skip(1).cloned();
                let list = known.map(|text| json!(text)).into_iter().chain(rest).collect();
                body.insert(name.to_owned(), Value::Array(list));
            }
            Place::Address(address, part) => {
                let whole = body
                    .entry(address)
                    .or_insert_with(|| now[address].as_object().map_or_else(|| json!({}), |a| json!(a)));
                whole[part] = json!(known);
            }
            Place::Property(id) => properties.push(property::entry(id, known.unwrap_or_default())),
            Place::Email => {
                body.insert("emailAddresses".to_owned(), emails(now, known));
            }
            Place::Birthday => match known {
                Some(date) => {
                    let (noon, midnight) = birthday_times(date).ok_or(Field::Birthday)?;
                    body.insert("birthday".to_owned(), json!(noon));
                    properties.push(property::entry(BIRTHDAY_LOCAL, &midnight));
                }
                None => {
                    body.insert("birthday".to_owned(), Value::Null);
                }
            },
            Place::None => {}
        }
    }
    Ok((body, properties))
}

/// The list of addresses with another first one.
fn emails(now: &Value, first: Option<&str>) -> Value {
    let first = first.map(|address| json!({ "address": address, "name": address }));
    // Graph knows no empty place in the list: where the first one goes, the others move up.
    let rest = now["emailAddresses"]
        .as_array()
        .into_iter()
        .flatten()
        .skip(1)
        .cloned();
    Value::Array(first.into_iter().chain(rest).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After the example of the documentation.
    fn example() -> Value {
        json!({
            "@odata.etag": "W/\"EQAAABYAAACd9nJ/tVysQos2hTfspaWRAAADTIKz\"",
            "id": "AAMkAGI2THk0AAA=",
            "createdDateTime": "2014-10-19T23:08:24Z",
            "lastModifiedDateTime": "2014-10-19T23:08:24Z",
            "changeKey": "EQAAABYAAACd9nJ/tVysQos2hTfspaWRAAADTIKz",
            "categories": ["Friends", "Salesforce"],
            "parentFolderId": "AAMkAGI2AAEOAAA=",
            "birthday": "1974-07-22T11:59:00Z",
            "displayName": "Garth Fort",
            "givenName": "Garth",
            "middleName": null,
            "surname": "Fort",
            "jobTitle": "Web Marketing Manager",
            "companyName": "Contoso, Inc.",
            "department": "Sales & Marketing",
            "mobilePhone": null,
            "businessPhones": ["+1 918 555 0101", "+1 918 555 0102"],
            "homePhones": [],
            "personalNotes": "line one\r\nline two",
            "emailAddresses": [{"name": "Garth", "address": "garth@contoso.example"}, {"name": "G", "address": "g@x.example"}],
            "businessAddress": {"street": "10 Fake Street", "city": "Tulsa", "state": "OK", "countryOrRegion": "USA", "postalCode": "74133"},
            "otherAddress": {},
            "singleValueExtendedProperties": [
                {"id": "String 0x3a24", "value": "+1 918 555 0109"},
                {"id": "Integer 0x36", "value": "2"},
            ],
        })
    }

    #[test]
    fn a_contact_in_full() {
        let contact = read(&example()).unwrap();
        let text = |field| contact.value(field);
        let known = |text: &str| FieldValue::Known(text.to_owned());
        assert_eq!(text(Field::GivenName), known("Garth"));
        assert_eq!(text(Field::MiddleName), FieldValue::Empty);
        assert_eq!(text(Field::Email), known("garth@contoso.example"));
        assert_eq!(text(Field::BusinessPhone), known("+1 918 555 0101"));
        assert_eq!(text(Field::BusinessFax), known("+1 918 555 0109"));
        assert_eq!(text(Field::BusinessCountry), known("USA"));
        assert_eq!(text(Field::OtherCity), FieldValue::Empty);
        assert_eq!(text(Field::Birthday), known("1974-07-22"));
        assert_eq!(text(Field::Body), known("line one\nline two"));
        assert_eq!(contact.sensitivity, "Private");
        assert!(contact.marked());
        let mut cut = example();
        cut.as_object_mut().unwrap().remove("emailAddresses");
        assert!(
            read(&cut).is_none(),
            "a partial answer is no contact without addresses"
        );
    }

    #[test]
    fn what_is_written_keeps_what_was_not_meant() {
        let known = |text: &str| FieldValue::Known(text.to_owned());
        let set = BTreeMap::from([
            (Field::Email, known("new@contoso.example")),
            (Field::BusinessPhone, FieldValue::Empty),
            (Field::BusinessCity, known("Oslo")),
            (Field::AssistantPhone, FieldValue::Empty),
            (Field::Birthday, known("1980-05-05")),
            (Field::Surname, FieldValue::Unknown),
        ]);
        let (body, properties) = write(&set, Some(&example())).unwrap();
        assert_eq!(body["emailAddresses"][0]["address"], "new@contoso.example");
        assert_eq!(body["emailAddresses"][1]["address"], "g@x.example");
        assert_eq!(body["businessPhones"], json!(["+1 918 555 0102"]));
        assert_eq!(body["businessAddress"]["city"], "Oslo");
        assert_eq!(body["businessAddress"]["street"], "10 Fake Street");
        assert_eq!(body["birthday"], "1980-05-05T11:59:00Z");
        assert!(!body.contains_key("surname"));
        assert_eq!(
            properties,
            [
                property::entry(ASSISTANT_PHONE, ""),
                property::entry(BIRTHDAY_LOCAL, "1980-05-05T00:00:00Z"),
            ]
        );
        let bad = BTreeMap::from([(Field::Birthday, known("1980-02-30"))]);
        assert_eq!(write(&bad, None).unwrap_err(), Field::Birthday);
    }
}
