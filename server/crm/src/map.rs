//! The neutral contact and Salesforce's `Contact`.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_contact.htm>

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tandem_sync::model::{
    Access, Field, FieldValue, ItemId, LinkKey, Profile, Record, Scope, Snapshot, Version,
};
use tandem_types::{ItemKind, Timestamp};

use crate::ids::id18;
use crate::times;

pub(crate) type Row = Map<String, Value>;

/// Every field but the company, which is the account's name.
pub(crate) const FIELDS: [(Field, &str); 25] = [
    (Field::GivenName, "FirstName"),
    (Field::MiddleName, "MiddleName"),
    (Field::Surname, "LastName"),
    (Field::JobTitle, "Title"),
    (Field::Department, "Department"),
    (Field::Email, "Email"),
    (Field::BusinessPhone, "Phone"),
    (Field::MobilePhone, "MobilePhone"),
    (Field::HomePhone, "HomePhone"),
    (Field::OtherPhone, "OtherPhone"),
    (Field::BusinessFax, "Fax"),
    (Field::AssistantName, "AssistantName"),
    (Field::AssistantPhone, "AssistantPhone"),
    (Field::BusinessStreet, "MailingStreet"),
    (Field::BusinessCity, "MailingCity"),
    (Field::BusinessState, "MailingState"),
    (Field::BusinessPostalCode, "MailingPostalCode"),
    (Field::BusinessCountry, "MailingCountry"),
    (Field::OtherStreet, "OtherStreet"),
    (Field::OtherCity, "OtherCity"),
    (Field::OtherState, "OtherState"),
    (Field::OtherPostalCode, "OtherPostalCode"),
    (Field::OtherCountry, "OtherCountry"),
    (Field::Birthday, "Birthdate"),
    (Field::Body, "Description"),
];

/// What every row is read with, beside the mapped fields.
pub(crate) const SYSTEM_FIELDS: &str =
    "Id,IsDeleted,MasterRecordId,OwnerId,CreatedDate,LastModifiedDate,SystemModstamp";

pub(crate) fn api_name(field: Field) -> Option<&'static str> {
    FIELDS.iter().find(|(f, _)| *f == field).map(|(_, name)| *name)
}

/// The neutral field behind an API name in an error.
pub(crate) fn field_of(name: &str) -> Option<Field> {
    if name == "AccountId" {
        return Some(Field::Company);
    }
    FIELDS.iter().find(|(_, n)| *n == name).map(|(f, _)| *f)
}

/// How rows are read for one user.
pub(crate) struct Reading<'r> {
    pub(crate) profile: &'r Profile,
    /// The custom field with the link's key, where it is readable.
    pub(crate) key_field: Option<&'r str>,
    /// `Some`: only this user's records are in scope.
    pub(crate) owner: Option<&'r str>,
}

/// A row that lacks what every row has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl Reading<'_> {
    pub(crate) fn snapshot(&self, row: &Row) -> Result<Snapshot, Malformed> {
        let stamp = time(row, "SystemModstamp").ok_or(Malformed("a record without SystemModstamp"))?;
        let in_scope = match (self.owner, text(row, "OwnerId").and_then(id18)) {
            (None, _) => true,
            (Some(me), Some(owner)) => me == owner,
            (Some(_), None) => return Err(Malformed("a record without OwnerId")),
        };
        Ok(Snapshot {
            id: id_of(row)?,
            version: version(stamp),
            key: self.key_field.and_then(|f| text(row, f)).and_then(key),
            scope: if in_scope { Scope::In } else { Scope::Out },
            record: self.record(row),
            modified: time(row, "LastModifiedDate").unwrap_or(stamp),
            created: time(row, "CreatedDate").unwrap_or(stamp),
            marked: true,
        })
    }

    /// The mapped fields; one that the user may not read, or that the row does not have, stays unknown.
    pub(crate) fn record(&self, row: &Row) -> Record {
        let mut record = Record::new(ItemKind::Contact);
        let readable = |field| {
            self.profile
                .fields
                .get(&field)
                .is_some_and(|r| r.access != Access::None)
        };
        for (field, name) in FIELDS {
            if readable(field) {
                record.set(field, value(row.get(name)));
            }
        }
        if readable(Field::Company) {
            let company = match row.get("Account") {
                Some(Value::Object(account)) => value(account.get("Name")),
                // The contact has an account that this user may not see.
                Some(Value::Null) if text(row, "AccountId").is_some() => FieldValue::Unknown,
                Some(Value::Null) => FieldValue::Empty,
                _ => FieldValue::Unknown,
            };
            record.set(Field::Company, company);
        }
        record
    }
}

/// The members of a write's body. What the profile does not let be written is left out.
pub(crate) fn body(profile: &Profile, fields: &BTreeMap<Field, FieldValue>, creating: bool) -> Row {
    let mut row = Row::new();
    for (field, value) in fields {
        let writable = profile.fields.get(field).is_some_and(|r| match r.access {
            Access::ReadWrite => true,
            Access::CreateOnly => creating,
            Access::ReadOnly | Access::None => false,
        });
        let Some(name) = api_name(*field).filter(|_| writable) else {
            continue;
        };
        match value {
            FieldValue::Known(text) => row.insert(name.to_owned(), Value::from(text.as_str())),
            // A new record is empty anyway.
            FieldValue::Empty if !creating => row.insert(name.to_owned(), Value::Null),
            FieldValue::Empty | FieldValue::Unknown => None,
        };
    }
    row
}

pub(crate) fn id_of(row: &Row) -> Result<ItemId, Malformed> {
    text(row, "Id")
        .and_then(id18)
        .map(ItemId)
        .ok_or(Malformed("a record without Id"))
}

pub(crate) fn text<'v>(row: &'v Row, name: &str) -> Option<&'v str> {
    row.get(name)?.as_str()
}

pub(crate) fn time(row: &Row, name: &str) -> Option<Timestamp> {
    text(row, name).and_then(times::parse)
}

pub(crate) fn is_deleted(row: &Row) -> bool {
    row.get("IsDeleted").and_then(Value::as_bool).unwrap_or(false)
}

/// The winner of a merge that this row lost.
pub(crate) fn merged_into(row: &Row) -> Option<ItemId> {
    text(row, "MasterRecordId").and_then(id18).map(ItemId)
}

/// One spelling, whichever endpoint the row came from.
pub(crate) fn version(stamp: Timestamp) -> Version {
    Version(times::literal(stamp))
}

fn value(value: Option<&Value>) -> FieldValue {
    match value {
        Some(Value::String(text)) => FieldValue::from_text(text.replace("\r\n", "\n").replace('\r', "\n")),
        Some(Value::Null) => FieldValue::Empty,
        _ => FieldValue::Unknown,
    }
}

/// Only what can be one of our keys: someone else may have filled the field.
fn key(text: &str) -> Option<LinkKey> {
    let ours = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    ours.then(|| LinkKey(text.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tandem_sync::model::FieldRule;

    use super::*;

    const ME: &str = "005000000000001AAA";

    fn profile() -> Profile {
        let mut profile = Profile::default();
        for (field, _) in FIELDS {
            profile.fields.insert(field, FieldRule::default());
        }
        let create_only = FieldRule {
            access: Access::CreateOnly,
            ..FieldRule::default()
        };
        profile.fields.insert(Field::Company, create_only);
        profile
    }

    fn row(mut extra: Value) -> Row {
        let mut row = json!({
            "attributes": {"type": "Contact"}, "Id": "003000000000001AAA", "IsDeleted": false,
            "OwnerId": ME, "SystemModstamp": "2026-11-21T16:22:14.000+0000",
        });
        row.as_object_mut()
            .unwrap()
            .append(extra.as_object_mut().unwrap());
        row.as_object().unwrap().clone()
    }

    #[test]
    fn every_contact_field_is_mapped_once() {
        for field in Field::CONTACT {
            let mapped = FIELDS.iter().filter(|(f, _)| f == field).count();
            assert_eq!(mapped, usize::from(*field != Field::Company), "{field:?}");
        }
        for (field, name) in FIELDS {
            assert_eq!(field_of(name), Some(field));
            assert_eq!(api_name(field), Some(name));
        }
    }

    #[test]
    fn value_empty_and_unknown_are_three_things() {
        let mut profile = profile();
        profile.fields.get_mut(&Field::HomePhone).unwrap().access = Access::None;
        let reading = Reading {
            profile: &profile,
            key_field: Some("Tandem_Key__c"),
            owner: Some(ME),
        };
        let snapshot = reading
            .snapshot(&row(json!({
                "FirstName": "Nina", "LastName": "", "Title": null, "HomePhone": "1", "Phone": 7,
                "MailingStreet": "Weg 1\r\nHof", "Account": null, "AccountId": null,
                "Tandem_Key__c": "0123456789ABCDEF0123456789abcdef",
            })))
            .unwrap();
        let get = |field| snapshot.record.get(field).clone();
        assert_eq!(get(Field::GivenName), FieldValue::Known("Nina".to_owned()));
        assert_eq!(get(Field::Surname), FieldValue::Empty);
        assert_eq!(get(Field::JobTitle), FieldValue::Empty);
        assert_eq!(get(Field::HomePhone), FieldValue::Unknown);
        assert_eq!(get(Field::BusinessPhone), FieldValue::Unknown);
        assert_eq!(get(Field::Email), FieldValue::Unknown);
        assert_eq!(
            get(Field::BusinessStreet),
            FieldValue::Known("Weg 1\nHof".to_owned())
        );
        assert_eq!(get(Field::Company), FieldValue::Empty);
        assert_eq!(
            snapshot.key,
            Some(LinkKey("0123456789abcdef0123456789abcdef".to_owned()))
        );
        assert_eq!(snapshot.version, Version("2026-11-21T16:22:14.000Z".to_owned()));
        assert_eq!(snapshot.scope, Scope::In);
    }

    #[test]
    fn an_account_that_is_hidden_is_no_empty_company() {
        let profile = profile();
        let reading = Reading {
            profile: &profile,
            key_field: None,
            owner: None,
        };
        let company = |extra| reading.record(&row(extra)).get(Field::Company).clone();
        let hidden = company(json!({"Account": null, "AccountId": "001000000000001AAA"}));
        assert_eq!(hidden, FieldValue::Unknown);
        let seen = company(json!({"Account": {"Name": "Contoso"}, "AccountId": "001000000000001AAA"}));
        assert_eq!(seen, FieldValue::Known("Contoso".to_owned()));
        assert_eq!(company(json!({})), FieldValue::Unknown);
    }

    #[test]
    fn rows_without_what_every_row_has_are_refused() {
        let profile = profile();
        let reading = Reading {
            profile: &profile,
            key_field: None,
            owner: Some(ME),
        };
        for missing in ["Id", "OwnerId", "SystemModstamp"] {
            let mut row = row(json!({}));
            row.remove(missing);
            assert!(reading.snapshot(&row).is_err(), "{missing}");
        }
        let theirs = row(json!({"OwnerId": "005000000000002AAA"}));
        assert_eq!(reading.snapshot(&theirs).unwrap().scope, Scope::Out);
        let foreign = row(json!({"OwnerId": "005000000000002AAA"}));
        let all = Reading {
            owner: None,
            ..reading
        };
        assert_eq!(all.snapshot(&foreign).unwrap().scope, Scope::In);
    }

    #[test]
    fn only_what_may_be_written_is_written() {
        let mut profile = profile();
        profile.fields.get_mut(&Field::Email).unwrap().access = Access::ReadOnly;
        profile.fields.get_mut(&Field::Department).unwrap().access = Access::CreateOnly;
        let fields: BTreeMap<Field, FieldValue> = [
            (Field::GivenName, FieldValue::Known("N".to_owned())),
            (Field::JobTitle, FieldValue::Empty),
            (Field::Email, FieldValue::Known("e".to_owned())),
            (Field::Department, FieldValue::Known("d".to_owned())),
            (Field::Company, FieldValue::Known("c".to_owned())),
            (Field::HomePhone, FieldValue::Unknown),
        ]
        .into();
        let update = Value::Object(body(&profile, &fields, false));
        assert_eq!(update, json!({"FirstName": "N", "Title": null}));
        let create = Value::Object(body(&profile, &fields, true));
        assert_eq!(create, json!({"FirstName": "N", "Department": "d"}));
    }
}
