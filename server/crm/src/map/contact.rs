//! The neutral contact and Salesforce's `Contact`.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_contact.htm>

use std::collections::BTreeMap;

use serde_json::Value;
use tandem_sync::model::{Field, FieldValue, ItemId, Profile, Scope};

use super::{Malformed, Reach, Reading, Row, reference, text, texts};

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

pub(super) fn field_of(name: &str) -> Option<Field> {
    if name == "AccountId" {
        return Some(Field::Company);
    }
    FIELDS.iter().find(|(_, n)| *n == name).map(|(f, _)| *f)
}

pub(super) fn scope(reading: &Reading<'_>, row: &Row, id: &ItemId) -> Result<Scope, Malformed> {
    let inside = match reading.reach {
        Reach::All => true,
        Reach::List(members) => members.contains(&id.0),
        Reach::Mine => {
            let owner = reference(row, "OwnerId").ok_or(Malformed("a record without OwnerId"))?;
            owner == reading.me
        }
    };
    Ok(if inside { Scope::In } else { Scope::Out })
}

pub(super) fn value(field: Field, row: &Row) -> FieldValue {
    if field != Field::Company {
        return super::value(api_name(field).and_then(|name| row.get(name)));
    }
    match row.get("Account") {
        Some(Value::Object(account)) => super::value(account.get("Name")),
        // The contact has an account that this user may not see.
        Some(Value::Null) if text(row, "AccountId").is_some() => FieldValue::Unknown,
        Some(Value::Null) => FieldValue::Empty,
        _ => FieldValue::Unknown,
    }
}

/// The members of a write's body.
pub(crate) fn body(profile: &Profile, fields: &BTreeMap<Field, FieldValue>, creating: bool) -> Row {
    texts(profile, &FIELDS, fields, creating)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use std::collections::HashSet;
    use std::sync::Arc;

    use tandem_sync::model::{Access, FieldRule, LinkKey, Snapshot, Version};
    use tandem_types::{Settings, Timestamp};

    use super::super::ties::Ties;
    use super::*;
    use crate::describe::Described;
    use crate::words::Tables;

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

    /// Everything is visible but these fields.
    fn described(hidden: &[&str]) -> Described {
        let mut fields: Vec<Value> = FIELDS
            .iter()
            .map(|(_, name)| *name)
            .chain(["AccountId", "Tandem_Key__c"])
            .filter(|name| !hidden.contains(name))
            .map(|name| json!({"name": name, "createable": true, "updateable": true}))
            .collect();
        fields.sort_by_key(Value::to_string);
        let zone = jiff::tz::TimeZone::UTC;
        Described::parse(
            &[Some(json!({"fields": fields}))],
            "Tandem_Key__c",
            zone,
            Timestamp::default(),
        )
        .unwrap()
    }

    fn read(described: &Described, reach: &Reach, row: &Row) -> Result<Snapshot, Malformed> {
        let reading = Reading {
            described,
            me: ME,
            reach,
            tables: &Tables::of(&Settings::default()),
        };
        reading.snapshot(row, &Ties::default())
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
        let described = described(&["HomePhone"]);
        let snapshot = read(
            &described,
            &Reach::Mine,
            &row(json!({
                "FirstName": "Nina", "LastName": "", "Title": null, "HomePhone": "1", "Phone": 7,
                "MailingStreet": "Weg 1\r\nHof", "Account": null, "AccountId": null,
                "Tandem_Key__c": "0123456789ABCDEF0123456789abcdef",
            })),
        )
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
        let described = described(&[]);
        let company = |extra| {
            let snapshot = read(&described, &Reach::All, &row(extra)).unwrap();
            snapshot.record.get(Field::Company).clone()
        };
        let hidden = company(json!({"Account": null, "AccountId": "001000000000001AAA"}));
        assert_eq!(hidden, FieldValue::Unknown);
        let seen = company(json!({"Account": {"Name": "Contoso"}, "AccountId": "001000000000001AAA"}));
        assert_eq!(seen, FieldValue::Known("Contoso".to_owned()));
        assert_eq!(company(json!({})), FieldValue::Unknown);
    }

    #[test]
    fn rows_without_what_every_row_has_are_refused() {
        let described = described(&[]);
        for missing in ["Id", "OwnerId", "SystemModstamp"] {
            let mut row = row(json!({}));
            row.remove(missing);
            assert!(read(&described, &Reach::Mine, &row).is_err(), "{missing}");
        }
        let theirs = row(json!({"OwnerId": "005000000000002AAA"}));
        let scope = |reach: &Reach| read(&described, reach, &theirs).unwrap().scope;
        assert_eq!(scope(&Reach::Mine), Scope::Out);
        assert_eq!(scope(&Reach::All), Scope::In);
        let list = |ids: &[&str]| {
            let members: HashSet<String> = ids.iter().map(|id| (*id).to_owned()).collect();
            Reach::List(Arc::new(members))
        };
        assert_eq!(scope(&list(&["003000000000001AAA"])), Scope::In);
        assert_eq!(scope(&list(&["003000000000002AAA"])), Scope::Out);
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
