//! Contacts. <https://learn.microsoft.com/graph/api/resources/contact>

use serde_json::{Map, Value, json};

use super::answer::{Answer, Outcome, Refused};
use super::call::{Call, Target};
use super::extended;
use super::folders;
use super::query::Wanted;
use super::values::{self, categories, mismatch, object, set_common, text, texts};
use crate::exchange::content::{Class, Content, crlf};
use crate::exchange::items::dispose;
use crate::exchange::props::{EMAIL_KEYS, IM_KEYS, Key, date_time, write_time};

const EMAILS: &str = "contacts:EmailAddress";
const PHONES: &str = "contacts:PhoneNumber";
const IMS: &str = "contacts:ImAddress";
/// `PidTagDisplayNamePrefix`.
const PREFIX: Key = Key::Tag(0x3A45);

/// What can be filtered and sorted by.
const FILTERS: &[&str] = &[
    "displayName",
    "givenName",
    "surname",
    "fileAs",
    "companyName",
    "emailAddresses",
    "categories",
    "createdDateTime",
    "lastModifiedDateTime",
    "parentFolderId",
    "singleValueExtendedProperties",
];

/// Names that are one text: Graph's, then the store's.
const TEXTS: &[(&str, &str)] = &[
    ("assistantName", "AssistantName"),
    ("businessHomePage", "BusinessHomePage"),
    ("companyName", "CompanyName"),
    ("department", "Department"),
    ("displayName", "DisplayName"),
    ("fileAs", "FileAs"),
    ("generation", "Generation"),
    ("givenName", "GivenName"),
    ("initials", "Initials"),
    ("jobTitle", "JobTitle"),
    ("manager", "Manager"),
    ("middleName", "MiddleName"),
    ("nickName", "Nickname"),
    ("officeLocation", "OfficeLocation"),
    ("profession", "Profession"),
    ("spouseName", "SpouseName"),
    ("surname", "Surname"),
    ("yomiGivenName", "PhoneticFirstName"),
    ("yomiSurname", "PhoneticLastName"),
];
const ADDRESSES: &[(&str, &str)] = &[
    ("homeAddress", "Home"),
    ("businessAddress", "Business"),
    ("otherAddress", "Other"),
];
const PARTS: &[(&str, &str)] = &[
    ("street", "contacts:PhysicalAddress:Street"),
    ("city", "contacts:PhysicalAddress:City"),
    ("state", "contacts:PhysicalAddress:State"),
    ("countryOrRegion", "contacts:PhysicalAddress:CountryOrRegion"),
    ("postalCode", "contacts:PhysicalAddress:PostalCode"),
];
const NUMBERS: &[(&str, [&str; 2])] = &[
    ("businessPhones", ["BusinessPhone", "BusinessPhone2"]),
    ("homePhones", ["HomePhone", "HomePhone2"]),
];

/// The whole contact.
pub(super) fn write(call: &Call<'_>, number: u64, wanted: &[Wanted]) -> Result<Value, Refused> {
    let item = call.item(number)?;
    let content = &item.content;
    let target = Target::item(number);
    let key = call.change_key(target);
    let entries = |uri: &'static str, keys: &[&'static str]| -> Vec<String> {
        keys.iter()
            .filter_map(|k| content.entries.get(&(uri, *k)).cloned())
            .collect()
    };
    let mut out = Map::new();
    out.insert("@odata.etag".into(), json!(format!("W/\"{key}\"")));
    out.insert("id".into(), json!(call.id(target)));
    out.insert("createdDateTime".into(), json!(write_time(item.created)));
    out.insert("lastModifiedDateTime".into(), json!(write_time(item.modified)));
    out.insert("changeKey".into(), json!(key));
    out.insert("categories".into(), categories(content));
    out.insert("parentFolderId".into(), json!(call.folder_id(item.folder)));
    // Outlook keeps birthdays at the last minute before noon, whatever was given.
    let birthday = content
        .texts
        .get("Birthday")
        .and_then(|t| t.get(..10))
        .map(|d| format!("{d}T11:59:00Z"));
    out.insert("birthday".into(), json!(birthday));
    for (theirs, ours) in TEXTS {
        out.insert((*theirs).to_owned(), values::or_null(content, ours));
    }
    let title = content.extended.get(&PREFIX).and_then(|v| v.values.first());
    out.insert("title".into(), json!(title));
    out.insert("yomiCompanyName".into(), Value::Null);
    out.insert("imAddresses".into(), json!(entries(IMS, IM_KEYS)));
    for (theirs, keys) in NUMBERS {
        out.insert((*theirs).to_owned(), json!(entries(PHONES, keys)));
    }
    out.insert(
        "mobilePhone".into(),
        json!(content.entries.get(&(PHONES, "MobilePhone"))),
    );
    out.insert(
        "children".into(),
        json!(content.lists.get("Children").cloned().unwrap_or_default()),
    );
    out.insert("personalNotes".into(), json!(content.plain_body()));
    let name = content.text("DisplayName");
    let email =
        |address: &String| json!({ "name": format!("{name} ({address})").trim(), "address": address });
    let emails = EMAIL_KEYS
        .iter()
        .filter_map(|k| content.entries.get(&(EMAILS, *k)));
    out.insert("emailAddresses".into(), emails.map(email).collect());
    for (theirs, key) in [
        "primaryEmailAddress",
        "secondaryEmailAddress",
        "tertiaryEmailAddress",
    ]
    .iter()
    .zip(EMAIL_KEYS)
    {
        let one = content.entries.get(&(EMAILS, *key)).map(email);
        out.insert((*theirs).to_owned(), json!(one));
    }
    for (theirs, key) in ADDRESSES {
        let parts: Map<String, Value> = PARTS
            .iter()
            .filter_map(|(part, uri)| {
                content
                    .entries
                    .get(&(*uri, *key))
                    .map(|v| ((*part).to_owned(), json!(v)))
            })
            .collect();
        out.insert((*theirs).to_owned(), Value::Object(parts));
    }
    let extended = call
        .mailbox()
        .around(number, item, |around| extended::write(content, wanted, around));
    if let Some(list) = extended {
        out.insert("singleValueExtendedProperties".into(), list);
    }
    Ok(Value::Object(out))
}

/// Sets a list of at most so many entries; those behind its end are removed.
fn set_entries(
    content: &mut Content,
    uri: &'static str,
    keys: &[&'static str],
    name: &str,
    all: &[String],
) -> Result<(), Refused> {
    if all.len() > keys.len() {
        return Err(Refused::invalid(format!(
            "'{name}' holds more than {} entries.",
            keys.len()
        )));
    }
    for (n, key) in keys.iter().enumerate() {
        content.set_entry(uri, key, all.get(n).map_or("", String::as_str));
    }
    Ok(())
}

fn set_address(content: &mut Content, key: &'static str, value: &Value) -> Result<(), Refused> {
    let empty = Value::Object(Map::new());
    let value = if value.is_null() { &empty } else { value };
    let names: Vec<&str> = PARTS.iter().map(|(n, _)| *n).collect();
    let map = object("physicalAddress", value, &names)?;
    // A complex value is replaced as a whole.
    for (part, uri) in PARTS {
        content.set_entry(uri, key, &text(part, map.get(*part).unwrap_or(&Value::Null))?);
    }
    Ok(())
}

fn set(content: &mut Content, name: &str, value: &Value) -> Result<(), Refused> {
    if set_common(content, name, value)? {
        return Ok(());
    }
    if let Some((_, ours)) = TEXTS.iter().find(|(t, _)| *t == name) {
        let text = text(name, value)?;
        if *ours == "FileAs" {
            content.texts.remove("FileAsMapping");
        }
        if *ours == "DisplayName" && text.is_empty() {
            content.texts.remove("DisplayName");
        } else {
            content.set_text(ours, &text);
        }
        return Ok(());
    }
    if let Some((_, key)) = ADDRESSES.iter().find(|(t, _)| *t == name) {
        return set_address(content, key, value);
    }
    if let Some((_, keys)) = NUMBERS.iter().find(|(t, _)| *t == name) {
        return set_entries(content, PHONES, keys, name, &texts(name, value)?);
    }
    match name {
        "imAddresses" => set_entries(content, IMS, IM_KEYS, name, &texts(name, value)?),
        "mobilePhone" => {
            content.set_entry(PHONES, "MobilePhone", &text(name, value)?);
            Ok(())
        }
        "children" => {
            let all = texts(name, value)?;
            content.lists.remove("Children");
            if !all.is_empty() {
                content.lists.insert("Children", all);
            }
            Ok(())
        }
        "personalNotes" => {
            content.body = crlf(&text(name, value)?);
            content.body_is_html = false;
            Ok(())
        }
        "title" => {
            let text = text(name, value)?;
            if text.is_empty() {
                content.extended.remove(&PREFIX);
            } else {
                content.set_mapi(PREFIX, crate::exchange::store::string_type(), vec![text]);
            }
            Ok(())
        }
        "birthday" => {
            match value {
                Value::Null => drop(content.texts.remove("Birthday")),
                Value::String(given) => {
                    let micros = date_time(given).ok_or_else(|| mismatch(name, "Edm.DateTimeOffset"))?;
                    let day = write_time(micros).get(..10).unwrap_or_default().to_owned();
                    content.texts.insert("Birthday", format!("{day}T00:00:00Z"));
                }
                _ => return Err(mismatch(name, "Edm.DateTimeOffset")),
            }
            Ok(())
        }
        "emailAddresses" => {
            let all = match value {
                Value::Null => Vec::new(),
                Value::Array(all) => all.clone(),
                _ => return Err(mismatch(name, "Collection(microsoft.graph.emailAddress)")),
            };
            let mut addresses = Vec::new();
            for one in &all {
                let map = object("emailAddress", one, &["name", "address"])?;
                addresses.push(text("address", map.get("address").unwrap_or(&Value::Null))?);
            }
            set_entries(content, EMAILS, EMAIL_KEYS, name, &addresses)
        }
        // Read only; clients that send whole objects back are not stopped by it.
        "parentFolderId" | "createdDateTime" | "lastModifiedDateTime" => Ok(()),
        _ => Err(Refused::no_property(name, "contact")),
    }
}

/// Answers what is below `contacts`, in a folder or without one.
pub(super) fn serve(call: &mut Call<'_>, folder: Option<&str>, rest: &[&str]) -> Outcome {
    let folder = match folder {
        Some(id) => Some(folders::find(call, id, folders::Sort::Contacts)?),
        None => None,
    };
    match (call.request.method.as_str(), rest) {
        ("GET", []) => list(call, folder),
        ("POST", []) => create(call, folder),
        ("GET", ["delta"]) => {
            let folder = match folder {
                Some(folder) => folder,
                None => folders::well_known(call, "contacts")?,
            };
            super::delta::contacts(call, folder)
        }
        (_, [id, rest @ ..]) => {
            let number = call.resolve(id, Class::Contact)?.number;
            if let Some(folder) = folder
                && call.item(number)?.folder != folder
            {
                return Err(Refused::not_found());
            }
            one(call, number, rest)
        }
        _ => Err(Refused::unknown(&call.request.operation)),
    }
}

fn list(call: &Call<'_>, folder: Option<u64>) -> Outcome {
    call.query().only(&[
        "$select", "$top", "$skip", "$orderby", "$filter", "$expand", "$count",
    ])?;
    let folder = match folder {
        Some(folder) => folder,
        None => folders::well_known(call, "contacts")?,
    };
    let wanted = call.wanted_properties()?;
    let numbers: Vec<u64> = call
        .mailbox()
        .items_in(folder)
        .filter(|(_, i)| i.content.class == Class::Contact)
        .map(|(n, _)| n)
        .collect();
    let all: Result<Vec<Value>, Refused> = numbers.into_iter().map(|n| write(call, n, &wanted)).collect();
    call.list("contacts", all?, FILTERS, 10)
}

fn create(call: &mut Call<'_>, folder: Option<u64>) -> Outcome {
    let folder = match folder {
        Some(folder) => folder,
        None => folders::well_known(call, "contacts")?,
    };
    let body = call.request.object()?;
    call.check_quota()?;
    let mut content = Content {
        class: Class::Contact,
        ..Content::default()
    };
    content.texts.insert("FileAsMapping", "LastCommaFirst".to_owned());
    for (name, value) in &body {
        set(&mut content, name, value)?;
    }
    let zone = call.mailbox().zone.clone();
    content.settle(&Content::default(), call.ctx(&zone))?;
    let now = call.now;
    let number = call.mailbox_mut().create(folder, content, now, now);
    respond(call, 201, number)
}

fn respond(call: &Call<'_>, status: u16, number: u64) -> Outcome {
    let wanted = call.wanted_properties()?;
    let object = write(call, number, &wanted)?;
    let etag = object["@odata.etag"].as_str().unwrap_or_default().to_owned();
    Ok(call.entity(status, "contacts", object).with("etag", etag))
}

fn one(call: &mut Call<'_>, number: u64, rest: &[&str]) -> Outcome {
    let target = Target::item(number);
    match (call.request.method.as_str(), rest) {
        ("GET", []) => {
            call.query().only(&["$select", "$expand"])?;
            respond(call, 200, number)
        }
        ("PATCH", []) => {
            let body = call.request.object()?;
            call.check_version(target, Some(&body))?;
            let before = call.item(number)?.content.clone();
            let mut after = before.clone();
            for (name, value) in &body {
                set(&mut after, name, value)?;
            }
            let zone = call.mailbox().zone.clone();
            after.settle(&before, call.ctx(&zone))?;
            let now = call.now;
            call.mailbox_mut().change(number, after, now);
            respond(call, 200, number)
        }
        ("DELETE", []) => {
            call.check_version(target, None)?;
            let now = call.now;
            dispose(Some(call.mailbox_mut()), number, "MoveToDeletedItems", now);
            Ok(Answer::nothing())
        }
        ("POST", ["permanentDelete"]) => {
            let now = call.now;
            call.mailbox_mut().remove(number, now);
            Ok(Answer::nothing())
        }
        _ => Err(Refused::unknown(&call.request.operation)),
    }
}
