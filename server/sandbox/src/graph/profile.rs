//! The user, the mailbox's settings, and the list of categories.
//!
//! <https://learn.microsoft.com/graph/api/resources/outlookcategory>

use serde_json::{Value, json};

use super::answer::{Answer, Outcome, Refused};
use super::call::{Call, zone_named};
use super::folders::well_known;
use super::values::text;
use crate::exchange::store::Configuration;
use crate::exchange::xml::{escape, parse};

const LIST: &str = "CategoryList";

/// `GET /me`.
pub(super) fn user(call: &Call<'_>, username: &str, object_id: &str) -> Outcome {
    call.query().only(&["$select"])?;
    let user = &call.mailbox().user;
    let mut object = json!({
        "businessPhones": [], "displayName": user.name(), "givenName": user.given, "jobTitle": user.title,
        "mail": user.address, "mobilePhone": null, "officeLocation": null, "preferredLanguage": null,
        "surname": user.surname, "userPrincipalName": username, "id": object_id,
    });
    // Only on demand, as everything beyond the default set.
    if call.query().select.iter().any(|s| s == "proxyAddresses") {
        object["proxyAddresses"] = json!([format!("SMTP:{}", user.address)]);
    }
    Ok(call.entity(200, "", object))
}

/// `/me/mailboxSettings`.
pub(super) fn settings(call: &mut Call<'_>) -> Outcome {
    if call.request.method == "PATCH" {
        let body = call.request.object()?;
        if let Some(other) = body.keys().find(|k| *k != "timeZone") {
            return Err(Refused::unknown(&format!("how to change the setting '{other}'")));
        }
        let name = text("timeZone", body.get("timeZone").unwrap_or(&Value::Null))?;
        call.mailbox_mut().zone = zone_named(&name)?;
    } else if call.request.method != "GET" {
        return Err(Refused::unknown(&call.request.operation));
    }
    call.query().only(&["$select"])?;
    let mailbox = call.mailbox();
    let object = json!({
        "archiveFolder": mailbox.folder_named("Archive").map(|n| call.folder_id(n)),
        "timeZone": mailbox.zone.id, "dateFormat": "dd.MM.yyyy", "timeFormat": "HH:mm",
        "delegateMeetingMessageDeliveryOptions": "sendToDelegateOnly",
        "language": { "locale": "en-US", "displayName": "English (United States)" },
        "userPurpose": "user",
        "workingHours": {
            "daysOfWeek": ["monday", "tuesday", "wednesday", "thursday", "friday"],
            "startTime": "08:00:00.0000000", "endTime": "17:00:00.0000000", "timeZone": { "name": mailbox.zone.id },
        },
    });
    Ok(call.entity(200, "mailboxSettings", object))
}

/// One category: all attributes of its element.
#[derive(Debug, Clone)]
struct Category(Vec<(String, String)>);

impl Category {
    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }

    fn id(&self) -> String {
        self.get("guid").trim_matches(['{', '}']).to_lowercase()
    }

    fn write(&self) -> Value {
        let colour = match self.get("color").parse::<i32>() {
            Ok(n) if n >= 0 => format!("preset{n}"),
            _ => "none".to_owned(),
        };
        json!({ "id": self.id(), "displayName": self.get("name"), "color": colour })
    }

    fn set(&mut self, name: &str, value: String) {
        match self.0.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }
}

fn read(call: &Call<'_>) -> Result<Vec<Category>, Refused> {
    let mailbox = call.mailbox();
    let calendar = well_known(call, "calendar")?;
    let xml = mailbox
        .configuration(calendar, LIST)
        .and_then(|c| c.xml.clone())
        .unwrap_or_default();
    Ok(parse(&xml)
        .map(|tree| {
            tree.children
                .iter()
                .filter(|c| c.name == "category")
                .map(|c| Category(c.attrs.clone()))
                .collect()
        })
        .unwrap_or_default())
}

fn save(call: &mut Call<'_>, all: &[Category]) -> Result<(), Refused> {
    use std::fmt::Write as _;
    let mut xml = String::from(
        "<?xml version=\"1.0\"?>\r\n<categories default=\"Red category\" lastSavedSession=\"6\" \
lastSavedTime=\"2026-01-12T08:01:27.123\" xmlns=\"CategoryList.xsd\">",
    );
    for category in all {
        xml.push_str("\r\n  <category");
        for (name, value) in &category.0 {
            let _ = write!(xml, " {name}=\"{}\"", escape(value));
        }
        xml.push_str("/>");
    }
    xml.push_str("\r\n</categories>");
    let calendar = well_known(call, "calendar")?;
    let old = call
        .mailbox()
        .configuration(calendar, LIST)
        .cloned()
        .unwrap_or_default();
    let new = Configuration {
        xml: Some(xml.into_bytes()),
        ..old
    };
    call.mailbox_mut().put_configuration(calendar, LIST, new);
    Ok(())
}

/// The number of a `categoryColor`; -1 for none.
fn colour(value: &Value) -> Result<String, Refused> {
    let given = value.as_str().unwrap_or_default();
    let number = match given {
        "none" => Some(-1),
        other => other
            .strip_prefix("preset")
            .and_then(|n| n.parse::<i32>().ok())
            .filter(|n| (0..25).contains(n)),
    };
    number.map(|n| n.to_string()).ok_or_else(|| {
        Refused::new(
            400,
            "RequestBodyRead",
            format!("Requested value '{given}' of 'color' was not found."),
        )
    })
}

/// `/me/outlook/masterCategories`.
pub(super) fn categories(call: &mut Call<'_>, rest: &[&str]) -> Outcome {
    let mut all = read(call)?;
    let not_there = || Refused::new(404, "ErrorItemNotFound", "The specified category was not found.");
    match (call.request.method.as_str(), rest) {
        ("GET", []) => call.list(
            "outlook/masterCategories",
            all.iter().map(Category::write).collect(),
            &[],
            1000,
        ),
        ("POST", []) => {
            let body = call.request.object()?;
            if let Some(other) = body
                .keys()
                .find(|k| !matches!(k.as_str(), "displayName" | "color"))
            {
                return Err(Refused::no_property(other, "outlookCategory"));
            }
            let name = text("displayName", body.get("displayName").unwrap_or(&Value::Null))?
                .trim()
                .to_owned();
            if name.is_empty() || name.contains([',', ';']) {
                return Err(Refused::new(
                    400,
                    "ErrorInvalidRequest",
                    "The name of the category is not valid.",
                ));
            }
            if all.iter().any(|c| c.get("name").eq_ignore_ascii_case(&name)) {
                return Err(Refused::new(
                    409,
                    "CategoryNameDuplicate",
                    "A category with the specified name already exists.",
                ));
            }
            let colour = colour(body.get("color").unwrap_or(&json!("none")))?;
            let mailbox = call.mailbox();
            let guid = mailbox.ids.guid("graph category", &[mailbox.index, mailbox.seq]);
            let made = Category(
                [
                    ("name", name),
                    ("color", colour),
                    ("keyboardShortcut", "0".to_owned()),
                    ("guid", format!("{{{guid}}}")),
                ]
                .into_iter()
                .map(|(n, v)| (n.to_owned(), v))
                .collect(),
            );
            let object = made.write();
            all.push(made);
            save(call, &all)?;
            Ok(call.entity(201, "outlook/masterCategories", object))
        }
        ("GET", [id]) => {
            let one = all
                .iter()
                .find(|c| c.id().eq_ignore_ascii_case(id))
                .ok_or_else(not_there)?;
            Ok(call.entity(200, "outlook/masterCategories", one.write()))
        }
        ("PATCH", [id]) => {
            let body = call.request.object()?;
            let one = all
                .iter_mut()
                .find(|c| c.id().eq_ignore_ascii_case(id))
                .ok_or_else(not_there)?;
            for (name, value) in &body {
                match name.as_str() {
                    "color" => one.set("color", colour(value)?),
                    "displayName" => {
                        return Err(Refused::new(
                            400,
                            "ErrorInvalidRequest",
                            "A category cannot be renamed.",
                        ));
                    }
                    other => return Err(Refused::no_property(other, "outlookCategory")),
                }
            }
            let object = one.write();
            save(call, &all)?;
            Ok(call.entity(200, "outlook/masterCategories", object))
        }
        ("DELETE", [id]) => {
            let before = all.len();
            all.retain(|c| !c.id().eq_ignore_ascii_case(id));
            if all.len() == before {
                return Err(not_there());
            }
            save(call, &all)?;
            Ok(Answer::nothing())
        }
        _ => Err(Refused::unknown(&call.request.operation)),
    }
}
