//! What all items have in common, and one item of any kind as Graph gave it.

use serde_json::{Value, json};
use tandem_sync::model::Refusal;
use tandem_types::{IssueCode, ItemKind};

use super::ask::{escaped, with_query};
use super::error::Problem;
use super::ground::Ground;
use super::{contact, event, mail, property, task};
use crate::held::Held;

/// As Graph gave it: in neutral words, and its JSON for what is written whole.
#[derive(Clone)]
pub(crate) struct Item {
    pub(crate) held: Held,
    pub(crate) json: Value,
}

/// One item asked for by its id.
pub(crate) enum Got {
    Item(Box<Item>),
    /// The server says that there is none.
    Missing,
    /// It may be there: this one cannot be read.
    Unreadable(Refusal),
}

impl Got {
    pub(crate) fn item(self) -> Option<Item> {
        match self {
            Self::Item(item) => Some(*item),
            _ => None,
        }
    }
}

/// What an item's JSON says. `list`: of a task, the list that it was read from.
pub(crate) fn read(kind: ItemKind, json: Value, list: &str, ground: &Ground) -> Got {
    let held = match kind {
        ItemKind::Contact => contact::read(&json).map(|contact| Held::Contact(Box::new(contact))),
        ItemKind::Event => event::read(&json, ground).map(|event| Held::Event(Box::new(event))),
        ItemKind::Task => task::read(&json, list).map(|task| Held::Task(Box::new(task))),
        ItemKind::Email => mail::read(&json).map(|mail| Held::Mail(Box::new(mail))),
    };
    match held {
        Some(held) => Got::Item(Box::new(Item { held, json })),
        None => Got::Unreadable(Refusal {
            code: IssueCode::Unreadable,
            message: "Microsoft Graph showed a part of this item only.".to_owned(),
            fields: vec![],
            retry: true,
        }),
    }
}

/// What is said of one that the server does not show.
pub(crate) fn unreadable(problem: &Problem) -> Got {
    if problem.is_missing() {
        return Got::Missing;
    }
    let code = match problem.status {
        413 => IssueCode::TooLarge,
        403 => IssueCode::NoPermission,
        _ => IssueCode::Unreadable,
    };
    Got::Unreadable(Refusal {
        code,
        message: if code == IssueCode::TooLarge {
            "The item is too large to be read.".to_owned()
        } else {
            problem.told()
        },
        fields: vec![],
        retry: code == IssueCode::Unreadable,
    })
}

/// The path of an item. A task is known by its list and its own id, joined by a slash, which no id contains.
pub(crate) fn path(kind: ItemKind, id: &str) -> String {
    match kind {
        ItemKind::Contact => format!("/me/contacts/{}", escaped(id)),
        ItemKind::Event => format!("/me/events/{}", escaped(id)),
        ItemKind::Email => format!("/me/messages/{}", escaped(id)),
        ItemKind::Task => {
            let (list, task) = id.split_once('/').unwrap_or(("unknown", id));
            format!("/me/todo/lists/{}/tasks/{}", escaped(list), escaped(task))
        }
    }
}

/// The path with everything that is synced.
pub(crate) fn full(kind: ItemKind, path: &str, more: &[(&str, &str)]) -> String {
    let expand = match kind {
        ItemKind::Contact => property::expand(&contact::EXPAND),
        ItemKind::Event => property::expand(&event::EXPAND),
        ItemKind::Email => property::expand(&mail::EXPAND),
        ItemKind::Task => "extensions".to_owned(),
    };
    let select = match kind {
        ItemKind::Contact => Some(contact::SELECT),
        ItemKind::Event => Some(event::SELECT),
        ItemKind::Email => Some(mail::SELECT),
        // To Do takes no selection.
        ItemKind::Task => None,
    };
    let mut query = more.to_vec();
    query.extend(select.map(|select| ("$select", select)));
    query.push(("$expand", &expand));
    with_query(path, &query)
}

/// An item's text; empty where it has none.
pub(crate) fn text<'a>(json: &'a Value, name: &str) -> &'a str {
    json[name].as_str().unwrap_or_default()
}

pub(crate) fn id(json: &Value) -> Option<String> {
    Some(text(json, "id").to_owned()).filter(|id| !id.is_empty())
}

/// The change key; of a task, which has none, what its tag says.
pub(crate) fn version(json: &Value) -> Option<String> {
    if let Some(key) = json["changeKey"].as_str().filter(|key| !key.is_empty()) {
        return Some(key.to_owned());
    }
    let tag = json["@odata.etag"].as_str()?.trim();
    let tag = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
    (!tag.is_empty()).then(|| tag.to_owned())
}

pub(crate) fn categories(json: &Value) -> Vec<String> {
    let list = json["categories"].as_array();
    list.into_iter()
        .flatten()
        .filter_map(|category| category.as_str().map(str::to_owned))
        .collect()
}

/// `PidTagSensitivity`, in the words of [`crate::ews::item::Head::sensitivity`].
pub(crate) fn sensitivity_of(number: Option<&str>) -> String {
    match number.map(str::trim) {
        None | Some("" | "0") => "Normal",
        Some("1") => "Personal",
        Some("2") => "Private",
        Some(_) => "Confidential",
    }
    .to_owned()
}

/// A body as plain text.
pub(crate) fn plain_body(text: &str) -> Value {
    json!({ "contentType": "text", "content": text })
}
