//! The control API of Exchange: what a user does in Outlook, and what an administrator does.
//!
//! Contacts, folders and the mailbox itself are here; events, tasks and messages in the module `control_items`.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Exchange;
use super::autodiscover::Settings;
use super::content::{Class, Content, crlf};
use super::items::dispose;
use super::props::{
    ADDRESS_KEYS, ADDRESS_PARTS, EMAIL_KEYS, IM_KEYS, INDEXED_URIS, Key, Kind, Of, PHONE_KEYS, date_time,
    rows, write_time,
};
use super::store::{Home, LOCK_AFTER, Mailbox, contact_of, string_type};
use super::xml::allowed;
use crate::control::refused;

pub(super) type Answer = Result<Response, Refused>;

/// An answer that says no.
pub(super) struct Refused(Box<Response>);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// The routes below `/exchange`.
pub(super) fn router(exchange: Exchange) -> Router {
    Router::new()
        .route("/autodiscover", put(set_autodiscover).get(get_autodiscover))
        .route("/sign-in", put(set_sign_in))
        .route("/mailboxes/{address}", get(mailbox).put(change_mailbox))
        .route("/mailboxes/{address}/home", post(set_home))
        .route("/mailboxes/{address}/seed", post(seed))
        .route(
            "/mailboxes/{address}/folders",
            delete(remove_folder).post(add_folder).patch(change_folder),
        )
        .route(
            "/mailboxes/{address}/contacts",
            get(list).post(add).patch(change).delete(remove),
        )
        .route("/mailboxes/{address}/contacts/all", delete(remove_all))
        .route("/mailboxes/{address}/contacts/move", post(shift))
        .merge(super::control_items::router())
        // A mail of 60 MB must fit.
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(exchange)
}

pub(super) fn no(status: StatusCode, text: impl Into<String>) -> Refused {
    Refused(Box::new(refused(status, text)))
}

fn within<T>(
    exchange: &Exchange,
    address: &str,
    then: impl FnOnce(&mut Mailbox, i64) -> Result<T, Refused>,
) -> Result<T, Refused> {
    let now = exchange.now();
    let mut store = exchange.store();
    let at = store
        .find(address, "")
        .ok_or_else(|| no(StatusCode::NOT_FOUND, format!("there is no mailbox {address}")))?;
    then(&mut store.mailboxes[at], now)
}

async fn set_autodiscover(State(exchange): State<Exchange>, Json(settings): Json<Settings>) -> Json<Value> {
    let mut current = exchange
        .0
        .autodiscover
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    *current = settings;
    Json(json!(*current))
}

async fn get_autodiscover(State(exchange): State<Exchange>) -> Json<Value> {
    Json(json!(
        *exchange
            .0
            .autodiscover
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    ))
}

async fn set_sign_in(
    State(exchange): State<Exchange>,
    Json(settings): Json<super::sign_in::Settings>,
) -> Json<Value> {
    let current = exchange.0.sign_in.lock();
    let mut current = current.unwrap_or_else(std::sync::PoisonError::into_inner);
    *current = settings;
    Json(json!(*current))
}

async fn mailbox(State(exchange): State<Exchange>, Path(address): Path<String>) -> Answer {
    let failed = exchange.store().failed_logons.clone();
    within(&exchange, &address, |m, _| {
        let folders: Vec<Value> = m
            .folders
            .iter()
            .map(|(n, f)| {
                json!({
                    "id": m.folder_id(*n), "name": f.name, "class": f.class,
                    "distinguished": f.distinguished, "count": m.items_in(*n).count(),
                })
            })
            .collect();
        let categories: Vec<Value> = m
            .categories()
            .into_iter()
            .map(|(name, color)| json!({ "name": name, "color": color }))
            .collect();
        Ok(Json(json!({
            "address": m.user.address,
            "folders": folders,
            "categories": categories,
            "locked": m.failed_in_row >= LOCK_AFTER,
            "failed_logons": failed.get(&m.user.address).copied().unwrap_or(0),
            "disabled": m.disabled,
            "no_mailbox": m.logon_only,
            "watermark_support": m.watermarks,
            "zone": m.zone.id,
            "quota_items": m.quota,
            "home": m.home,
        }))
        .into_response())
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MailboxChange {
    password: Option<String>,
    disabled: Option<bool>,
    no_mailbox: Option<bool>,
    watermark_support: Option<bool>,
    /// Only `false`: unlocks.
    locked: Option<bool>,
    /// How many items fit in; 0 is no limit.
    quota_items: Option<usize>,
    /// Further names of the account.
    logins: Option<Vec<String>>,
}

async fn change_mailbox(
    State(exchange): State<Exchange>,
    Path(address): Path<String>,
    Json(change): Json<MailboxChange>,
) -> Answer {
    within(&exchange, &address, |m, _| {
        if let Some(password) = change.password {
            m.password = password;
            m.failed_in_row = 0;
        }
        if let Some(locked) = change.locked {
            m.failed_in_row = if locked { LOCK_AFTER } else { 0 };
        }
        m.disabled = change.disabled.unwrap_or(m.disabled);
        m.logon_only = change.no_mailbox.unwrap_or(m.logon_only);
        if let Some(quota) = change.quota_items {
            m.quota = Some(quota).filter(|q| *q > 0);
        }
        if let Some(logins) = change.logins {
            m.logins = logins;
        }
        m.watermarks = change.watermark_support.unwrap_or(m.watermarks);
        Ok(StatusCode::NO_CONTENT.into_response())
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewHome {
    home: Home,
}

/// The mailbox migrates: what is in it stays, and another protocol shows it.
async fn set_home(
    State(exchange): State<Exchange>,
    Path(address): Path<String>,
    Json(change): Json<NewHome>,
) -> Answer {
    within(&exchange, &address, |m, _| {
        m.home = change.home;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seed {
    count: usize,
    folder: Option<String>,
    #[serde(default)]
    categories: Vec<String>,
}

/// Adds the user's next Salesforce contacts, so that the same person is on both sides.
async fn seed(
    State(exchange): State<Exchange>,
    Path(address): Path<String>,
    Json(seed): Json<Seed>,
) -> Answer {
    let company = exchange.0.company.clone();
    within(&exchange, &address, |m, now| {
        let folder = folder_of(m, seed.folder.as_deref())?;
        let owner = company
            .users
            .iter()
            .position(|u| u.address == m.user.address)
            .unwrap_or_default();
        let mut ids = Vec::new();
        for _ in 0..seed.count {
            let person = company.contact_of(owner, m.seeded);
            m.seeded += 1;
            let mut contact = contact_of(&company, &person);
            if !seed.categories.is_empty() {
                contact.lists.insert("Categories", seed.categories.clone());
            }
            let number = m.create(folder, contact, now, now);
            ids.push(m.item_id(number, 0));
        }
        Ok((StatusCode::CREATED, Json(json!({ "ids": ids }))).into_response())
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FolderName {
    name: String,
    parent: Option<String>,
    /// `IPF.Contact` if nothing else is said.
    class: Option<String>,
    /// For an edit.
    new_name: Option<String>,
}

/// The user removes a folder for good, with all that is in it.
async fn remove_folder(
    State(exchange): State<Exchange>,
    Path(address): Path<String>,
    Query(folder): Query<FolderName>,
) -> Answer {
    within(&exchange, &address, |m, now| {
        let number = folder_of(m, Some(&folder.name))?;
        if m.folders.get(&number).is_some_and(|f| f.distinguished.is_some()) {
            return Err(no(
                StatusCode::CONFLICT,
                "a folder of the system cannot be removed",
            ));
        }
        m.remove_folder(number, None, now);
        Ok(StatusCode::NO_CONTENT.into_response())
    })
}

/// The user renames a folder, or moves it below another one.
async fn change_folder(
    State(exchange): State<Exchange>,
    Path(address): Path<String>,
    Json(folder): Json<FolderName>,
) -> Answer {
    within(&exchange, &address, |m, now| {
        let number = folder_of(m, Some(&folder.name))?;
        let old = m.folders.get(&number).map_or(0, |f| f.parent);
        let parent = match &folder.parent {
            Some(parent) => folder_of(m, Some(parent))?,
            None => old,
        };
        if parent == number || m.is_below(parent, number) {
            return Err(no(StatusCode::CONFLICT, "a folder cannot be below itself"));
        }
        let name = folder.new_name.as_deref().unwrap_or(&folder.name);
        m.change_folder(number, parent, name, now);
        Ok(StatusCode::NO_CONTENT.into_response())
    })
}

/// The user makes a folder: one for contacts below *Contacts*, others at the top, if nothing else is said.
async fn add_folder(
    State(exchange): State<Exchange>,
    Path(address): Path<String>,
    Json(folder): Json<FolderName>,
) -> Answer {
    within(&exchange, &address, |m, now| {
        let class = folder.class.as_deref().unwrap_or("IPF.Contact");
        let default = if class.starts_with("IPF.Contact") {
            "contacts"
        } else {
            "msgfolderroot"
        };
        let parent = folder_of(m, Some(folder.parent.as_deref().unwrap_or(default)))?;
        let number = m.create_folder(parent, class, &folder.name, now);
        Ok((StatusCode::CREATED, Json(json!({ "id": m.folder_id(number) }))).into_response())
    })
}

fn folder_of(mailbox: &Mailbox, name: Option<&str>) -> Result<u64, Refused> {
    let name = name.unwrap_or("Contacts");
    mailbox
        .folder_named(name)
        .ok_or_else(|| no(StatusCode::NOT_FOUND, format!("there is no folder {name:?}")))
}

async fn list(State(exchange): State<Exchange>, Path(address): Path<String>) -> Answer {
    within(&exchange, &address, |m, _| {
        let all: Vec<Value> = m.items.keys().filter_map(|n| describe(m, *n)).collect();
        Ok(Json(all).into_response())
    })
}

/// The flattened name of an address part: `BusinessStreet`.
fn address_field(name: &str) -> Option<(&'static str, &'static str)> {
    let key = ADDRESS_KEYS.iter().find(|k| name.starts_with(**k))?;
    let part = ADDRESS_PARTS
        .iter()
        .find(|p| name.strip_prefix(key) == Some(**p))?;
    let uri = INDEXED_URIS
        .iter()
        .find(|u| u.strip_prefix("contacts:PhysicalAddress:") == Some(part))?;
    Some((uri, key))
}

fn describe(m: &Mailbox, number: u64) -> Option<Value> {
    let item = m
        .items
        .get(&number)
        .filter(|i| i.content.class == Class::Contact)?;
    let contact = &item.content;
    let mut fields = Map::new();
    for (name, value) in &contact.texts {
        fields.insert((*name).to_owned(), json!(value));
    }
    for ((uri, key), value) in &contact.entries {
        let name = match uri.strip_prefix("contacts:PhysicalAddress:") {
            Some(part) => format!("{key}{part}"),
            None => (*key).to_owned(),
        };
        fields.insert(name, json!(value));
    }
    for (name, values) in &contact.lists {
        if *name != "Categories" {
            fields.insert((*name).to_owned(), json!(values));
        }
    }
    if !contact.body.is_empty() {
        fields.insert("Body".to_owned(), json!(contact.body));
    }
    Some(json!({
        "id": m.item_id(number, item.moves),
        "change_key": m.change_key(number, item.seq),
        "folder": m.folders.get(&item.folder).map(|f| f.name.as_str()),
        "categories": contact.lists.get("Categories").cloned().unwrap_or_default(),
        "private": contact.texts.get("Sensitivity").is_some_and(|s| s == "Private"),
        "created": write_time(item.created),
        "modified": write_time(item.modified),
        "fields": fields,
        "properties": properties_of(contact),
    }))
}

/// All MAPI properties by name.
pub(super) fn properties_of(content: &Content) -> Value {
    let all: Map<String, Value> = content
        .extended
        .iter()
        .map(|(key, value)| {
            let value = if value.ty.ends_with("Array") {
                json!(value.values)
            } else {
                json!(value.values.first())
            };
            (key.to_string(), value)
        })
        .collect();
    Value::Object(all)
}

/// Sets texts under MAPI names; null removes.
pub(super) fn set_properties(content: &mut Content, properties: &Value) -> Result<(), String> {
    let all = properties.as_object().ok_or("properties must be an object")?;
    for (name, value) in all {
        let key = Key::parse(name).ok_or_else(|| format!("{name:?} is no name of a MAPI property"))?;
        match value {
            Value::Null => {
                content.extended.remove(&key);
            }
            Value::String(text) => content.set_mapi(key, string_type(), vec![text.clone()]),
            _ => return Err(format!("the property {name} must be a text")),
        }
    }
    Ok(())
}

/// What a user enters; null removes.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Entry {
    folder: Option<String>,
    categories: Option<Vec<String>>,
    #[serde(default)]
    fields: Map<String, Value>,
    #[serde(default)]
    properties: Map<String, Value>,
    private: Option<bool>,
    count: Option<usize>,
}

impl Entry {
    fn apply(&self, contact: &mut Content) -> Result<(), String> {
        let before = contact.clone();
        if let Some(categories) = &self.categories {
            contact.lists.remove("Categories");
            if !categories.is_empty() {
                contact.lists.insert("Categories", categories.clone());
            }
        }
        if let Some(private) = self.private {
            contact.texts.insert(
                "Sensitivity",
                if private { "Private" } else { "Normal" }.to_owned(),
            );
        }
        for (name, value) in &self.fields {
            set_field(contact, name, value)?;
        }
        set_properties(contact, &Value::Object(self.properties.clone()))?;
        contact.finish(&before);
        Ok(())
    }
}

fn set_field(contact: &mut Content, name: &str, value: &Value) -> Result<(), String> {
    let text = match value {
        Value::Null => "",
        Value::String(text) => text,
        Value::Array(values) => {
            let prop = rows(Of::Contact).find(|p| p.name == name && p.kind == Kind::Strings);
            let prop = prop.ok_or_else(|| format!("the field {name} is no list"))?;
            let values = values
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect();
            contact.lists.insert(prop.name, values);
            return Ok(());
        }
        _ => return Err(format!("the field {name} must be a text")),
    };
    if let Some(c) = text.chars().find(|c| !allowed(*c)) {
        return Err(format!(
            "the field {name} holds U+{:04X}, which XML cannot carry",
            u32::from(c)
        ));
    }
    for (uri, keys) in [
        ("contacts:EmailAddress", EMAIL_KEYS),
        ("contacts:PhoneNumber", PHONE_KEYS),
        ("contacts:ImAddress", IM_KEYS),
    ] {
        if let Some(key) = keys.iter().find(|k| **k == name) {
            contact.set_entry(uri, key, text);
            return Ok(());
        }
    }
    if let Some((uri, key)) = address_field(name) {
        contact.set_entry(uri, key, text);
        return Ok(());
    }
    let prop = rows(Of::Contact).find(|p| p.name == name && p.writable);
    let prop = prop.ok_or_else(|| format!("there is no field {name:?} that a user could write"))?;
    match prop.kind {
        Kind::Text | Kind::OneOf(_) => contact.set_text(prop.name, text),
        Kind::Body => {
            contact.body_is_html = false;
            contact.body = crlf(text);
        }
        Kind::Date if text.is_empty() => contact.set_text(prop.name, ""),
        Kind::Date => {
            let full = if text.len() == 10 {
                format!("{text}T00:00:00Z")
            } else {
                text.to_owned()
            };
            let micros = date_time(&full).ok_or_else(|| format!("{text:?} is no date"))?;
            contact.set_text(prop.name, &write_time(micros));
        }
        _ => return Err(format!("the field {name} cannot be written as a text")),
    }
    Ok(())
}

async fn add(
    State(exchange): State<Exchange>,
    Path(address): Path<String>,
    Json(entry): Json<Entry>,
) -> Answer {
    within(&exchange, &address, |m, now| {
        let folder = folder_of(m, entry.folder.as_deref())?;
        let mut made = Vec::new();
        for n in 0..entry.count.unwrap_or(1) {
            let mut contact = Content::default();
            entry
                .apply(&mut contact)
                .map_err(|text| no(StatusCode::BAD_REQUEST, text))?;
            if entry.count.is_some_and(|c| c > 1) {
                // Many at once are many people, not one person many times.
                let surname = contact.texts.get("Surname").cloned().unwrap_or_default();
                let before = contact.clone();
                contact.set_text("Surname", format!("{surname} {}", n + 1).trim());
                if let Some(email) = contact
                    .entries
                    .get_mut(&("contacts:EmailAddress", "EmailAddress1"))
                {
                    *email = format!("{}.{email}", n + 1);
                }
                contact.finish(&before);
            }
            let number = m.create(folder, contact, now, now);
            made.push(number);
        }
        let made: Vec<Value> = made.into_iter().filter_map(|n| describe(m, n)).collect();
        let body = if entry.count.is_none() {
            made.into_iter().next().unwrap_or_default()
        } else {
            json!(made)
        };
        Ok((StatusCode::CREATED, Json(body)).into_response())
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    id: String,
    #[serde(default)]
    hard: bool,
    folder: Option<String>,
}

fn item_of(m: &Mailbox, which: &Which) -> Result<u64, Refused> {
    // In a query, an unescaped plus has become a space.
    m.item_of(&which.id)
        .or_else(|| m.item_of(&which.id.replace(' ', "+")))
        .filter(|n| m.items.get(n).is_some_and(|i| i.content.class == Class::Contact))
        .ok_or_else(|| no(StatusCode::NOT_FOUND, "there is no contact of that id"))
}

async fn change(
    State(exchange): State<Exchange>,
    Path(address): Path<String>,
    Query(which): Query<Which>,
    Json(entry): Json<Entry>,
) -> Answer {
    within(&exchange, &address, |m, now| {
        let number = item_of(m, &which)?;
        let Some(item) = m.items.get(&number) else {
            return Err(no(StatusCode::NOT_FOUND, "gone"));
        };
        let mut contact = item.content.clone();
        entry
            .apply(&mut contact)
            .map_err(|text| no(StatusCode::BAD_REQUEST, text))?;
        m.change(number, contact, now);
        Ok(Json(describe(m, number).unwrap_or_default()).into_response())
    })
}

async fn remove(
    State(exchange): State<Exchange>,
    Path(address): Path<String>,
    Query(which): Query<Which>,
) -> Answer {
    within(&exchange, &address, |m, now| {
        let number = item_of(m, &which)?;
        dispose(
            Some(m),
            number,
            if which.hard {
                "HardDelete"
            } else {
                "MoveToDeletedItems"
            },
            now,
        );
        Ok(StatusCode::NO_CONTENT.into_response())
    })
}

async fn remove_all(State(exchange): State<Exchange>, Path(address): Path<String>) -> Answer {
    within(&exchange, &address, |m, now| {
        let all: Vec<u64> = m
            .items
            .iter()
            .filter(|(_, i)| i.content.class == Class::Contact)
            .map(|(n, _)| *n)
            .collect();
        for number in all {
            m.remove(number, now);
        }
        Ok(StatusCode::NO_CONTENT.into_response())
    })
}

async fn shift(
    State(exchange): State<Exchange>,
    Path(address): Path<String>,
    Query(which): Query<Which>,
) -> Answer {
    within(&exchange, &address, |m, now| {
        let number = item_of(m, &which)?;
        let to = folder_of(m, which.folder.as_deref())?;
        m.shift(number, to, now);
        Ok(Json(describe(m, number).unwrap_or_default()).into_response())
    })
}
