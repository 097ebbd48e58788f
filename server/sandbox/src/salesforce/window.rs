//! Salesforce as a person sees it: lists of records, one record with what belongs to it, and a form to change it.
//!
//! The addresses are Lightning's: `/lightning/o/Contact/list`, `/lightning/r/Contact/{id}/view`, and `/{id}`. Whoever
//! opens them sees everything, as by the control API; what is written is written by the record's owner, whom no rule
//! binds.

use std::fmt::Write as _;

use http::request::Parts;
use http::{Method, header};
use serde_json::{Map, Value, json};

use super::access::Access;
use super::ids::Id;
use super::oauth::{Answer, Form};
use super::rows::{Row, Rows, Writer};
use super::schema::{Field, Kind, Object};
use super::state::State;
use super::value::Val;
use crate::pages::escape;

const STYLE: &str = include_str!("window.css");
/// As many records of one kind are listed, and as many that belong to one.
const LISTED: usize = 200;
const RELATED: usize = 25;
/// What the head of each page leads to.
const TABS: [&str; 7] = [
    "Account",
    "Contact",
    "Lead",
    "Opportunity",
    "Case",
    "Event",
    "Task",
];
/// What a list shows of each record beside its name.
const COLUMNS: [&str; 12] = [
    "Title",
    "Company",
    "AccountId",
    "Email",
    "Phone",
    "StageName",
    "Amount",
    "Status",
    "StartDateTime",
    "ActivityDate",
    "WhoId",
    "WhatId",
];
/// Activities come before other related records.
const FIRST: [&str; 3] = ["Event", "Task", "EmailMessage"];

/// Whether the address is one of these pages.
pub(super) fn is_page(path: &str) -> bool {
    path == "/" || path == "/window.css" || path.starts_with("/lightning/") || short(path).is_some()
}

/// `/{id}`.
fn short(path: &str) -> Option<Id> {
    let id = path.strip_prefix('/')?;
    (matches!(id.len(), 15 | 18) && id.chars().all(|c| c.is_ascii_alphanumeric())).then(|| Id::parse(id))?
}

fn address(object: &Object, id: &Id) -> String {
    format!("/lightning/r/{}/{id}/view", object.name)
}

fn list_address(object: &Object) -> String {
    format!("/lightning/o/{}/list", object.name)
}

/// What a record is called: its name, its subject, or its id.
fn name(object: &Object, row: &Row) -> String {
    let named = object.name_field().map(|field| row.get(field.name));
    let said = named
        .filter(|v| v.as_text().is_some())
        .unwrap_or_else(|| row.get("Subject"));
    said.as_text()
        .map_or_else(|| row.id.as_str().to_owned(), str::to_owned)
}

struct Window<'a> {
    state: &'a State,
    access: Access<'a>,
}

impl<'a> Window<'a> {
    fn new(state: &'a State) -> Self {
        let access = Access {
            schema: &state.schema,
            knobs: &state.knobs,
            user: &state.users[0],
            all: true,
        };
        Self { state, access }
    }

    fn row(&self, object: &Object, id: &Id) -> Option<&'a Row> {
        self.state.rows.get(object.table, id)
    }

    /// A link to the record of that id, by its name.
    fn link(&self, id: &Id) -> String {
        let found = self.access.by_prefix(id.prefix()).and_then(|object| {
            let row = self.row(object, id)?;
            Some((object, row))
        });
        match found {
            Some((object, row)) => format!(
                "<a href=\"{}\"{}>{}</a>",
                address(object, id),
                if row.is_deleted() {
                    " class=\"deleted\""
                } else {
                    ""
                },
                escape(&name(object, row))
            ),
            None => escape(id.as_str()),
        }
    }

    fn shown(&self, field: &Field, value: &Val) -> String {
        match value {
            Val::Null => String::new(),
            Val::Text(text) => match (&field.kind, Id::parse(text)) {
                (Kind::Reference(..), Some(id)) => self.link(&id),
                _ => escape(text).replace('\n', "<br>"),
            },
            Val::Bool(yes) => if *yes { "✓" } else { "" }.to_owned(),
            Val::List(ids) => {
                let all: Vec<String> = ids
                    .iter()
                    .filter_map(|id| Id::parse(id))
                    .map(|id| self.link(&id))
                    .collect();
                all.join(", ")
            }
            Val::Time(ms) => jiff::Timestamp::from_millisecond(*ms).map_or_else(
                |_| String::new(),
                |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
            ),
            other => {
                let json = other.to_json();
                escape(&json.as_str().map_or_else(|| json.to_string(), str::to_owned))
            }
        }
    }

    /// The fields of that object that this organisation has.
    fn fields(&self, object: &'a Object) -> impl Iterator<Item = &'a Field> {
        let access = self.access;
        object
            .fields
            .iter()
            .filter(move |field| access.exists(object, field))
    }

    fn table(&self, object: &'a Object, rows: &[&Row]) -> String {
        let columns: Vec<&Field> = self
            .fields(object)
            .filter(|field| COLUMNS.contains(&field.name))
            .take(4)
            .collect();
        let mut out = format!("<table><thead><tr><th scope=\"col\">{}</th>", "Name");
        for field in &columns {
            let label = field.label.trim_end_matches(" ID");
            let _ = write!(out, "<th scope=\"col\">{}</th>", escape(label));
        }
        out.push_str("</tr></thead><tbody>");
        for row in rows {
            let _ = write!(out, "<tr><td>{}</td>", self.link(&row.id));
            for field in &columns {
                let _ = write!(out, "<td>{}</td>", self.shown(field, row.get(field.name)));
            }
            out.push_str("</tr>");
        }
        out.push_str("</tbody></table>");
        out
    }

    fn page(&self, current: &str, title: &str, main: &str) -> String {
        let mut tabs = String::new();
        for object in TABS.iter().filter_map(|name| self.access.object(name)) {
            let _ = write!(
                tabs,
                "<a href=\"{}\"{}>{}</a>",
                list_address(object),
                if object.name == current {
                    " aria-current=\"page\""
                } else {
                    ""
                },
                escape(object.plural)
            );
        }
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title} | Salesforce sandbox</title>\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><link rel=\"stylesheet\" href=\"/window.css\"></head>\
             <body><header><p class=\"brand\">Salesforce <span>sandbox</span></p><nav aria-label=\"Objects\">{tabs}</nav></header>\
             <main>{main}</main></body></html>\n",
            title = escape(title)
        )
    }

    fn list(&self, object: &'a Object) -> String {
        let mut rows: Vec<&Row> = self
            .state
            .rows
            .all(object.table)
            .filter(|row| !row.is_deleted())
            .collect();
        let many = rows.len();
        // The newest change first.
        rows.sort_by_key(|row| std::cmp::Reverse(row.stamp()));
        rows.truncate(LISTED);
        let bin = self
            .state
            .rows
            .all(object.table)
            .filter(|row| row.is_deleted())
            .collect::<Vec<_>>();
        let mut main = format!(
            "<div class=\"head\"><div><p>{}</p><h1>{many} {}</h1></div></div><section class=\"card\">{}</section>",
            "Recently changed",
            escape(if many == 1 { object.label } else { object.plural }),
            self.table(object, &rows)
        );
        if !bin.is_empty() {
            let _ = write!(
                main,
                "<details class=\"card\"><summary>Recycle bin ({})</summary>{}</details>",
                bin.len(),
                self.table(object, &bin)
            );
        }
        self.page(object.name, object.plural, &main)
    }

    fn record(&self, object: &'a Object, row: &Row, said: Option<&str>) -> String {
        let title = name(object, row);
        let mut values = String::new();
        let mut inputs = String::new();
        for field in self.fields(object) {
            let value = row.get(field.name);
            let shown = self.shown(field, value);
            if !shown.is_empty() && field.name != "IsDeleted" {
                let _ = write!(
                    values,
                    "<div><dt>{}</dt><dd>{shown}</dd></div>",
                    // What is shown is the name behind the id.
                    escape(field.label.trim_end_matches(" ID"))
                );
            }
            if field.update && object.is_updatable() {
                inputs.push_str(&input(field, value));
            }
        }
        let verb = |action: &str, label: &str| {
            format!("<form method=\"post\"><button name=\"do\" value=\"{action}\">{label}</button></form>")
        };
        let deeds = if row.is_deleted() {
            verb("undelete", "Undelete")
        } else {
            verb("delete", "Delete")
        };
        let edit = if inputs.is_empty() || row.is_deleted() {
            String::new()
        } else {
            format!(
                "<details class=\"card\" id=\"edit\"><summary>Edit</summary><form method=\"post\" class=\"edit\">{inputs}\
                 <button name=\"do\" value=\"save\" class=\"primary\">Save</button></form></details>"
            )
        };
        let main = format!(
            "{}<div class=\"head\"><div><p>{}{}</p><h1>{}</h1></div>{}</div><div class=\"columns\"><div>\
             <section class=\"card\"><h2>Details</h2><dl>{values}</dl></section>{edit}</div><div>{}</div></div>",
            said.map_or_else(String::new, |said| format!(
                "<p class=\"said\" role=\"alert\">{}</p>",
                escape(said)
            )),
            escape(object.label),
            if row.is_deleted() {
                " · in the recycle bin"
            } else {
                ""
            },
            escape(&title),
            if object.is_writable() {
                deeds
            } else {
                String::new()
            },
            self.related(&row.id)
        );
        self.page(object.name, &title, &main)
    }

    /// All that points to a record.
    fn related(&self, id: &Id) -> String {
        let mut objects: Vec<&Object> = self
            .state
            .schema
            .objects
            .iter()
            .filter(|object| object.table == object.name && self.access.has(object.needs))
            .collect();
        objects.sort_by_key(|object| {
            FIRST
                .iter()
                .position(|first| *first == object.name)
                .unwrap_or(FIRST.len())
        });
        let mut out = String::new();
        for object in objects {
            let references: Vec<&Field> = self
                .fields(object)
                .filter(|field| matches!(field.kind, Kind::Reference(..)))
                .filter(|field| !matches!(field.name, "OwnerId" | "CreatedById" | "LastModifiedById"))
                .collect();
            let mut rows: Vec<&Row> = self
                .state
                .rows
                .all(object.table)
                .filter(|row| !row.is_deleted() && row.id != *id)
                .filter(|row| {
                    references
                        .iter()
                        .any(|field| row.get(field.name).as_text().and_then(Id::parse).as_ref() == Some(id))
                })
                .collect();
            if rows.is_empty() {
                continue;
            }
            let many = rows.len();
            rows.sort_by_key(|row| std::cmp::Reverse(row.stamp()));
            rows.truncate(RELATED);
            let _ = write!(
                out,
                "<section class=\"card\"><h2>{} ({many})</h2>{}</section>",
                escape(object.plural),
                self.table(object, &rows)
            );
        }
        if out.is_empty() {
            out.push_str(
                "<section class=\"card\"><h2>Related</h2><p>Nothing is related to this record.</p></section>",
            );
        }
        out
    }
}

fn input(field: &Field, value: &Val) -> String {
    let json = value.to_json();
    let text = match &json {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let (id, label, shown) = (field.name, escape(field.label), escape(&text));
    let control = match field.kind {
        Kind::Area | Kind::Long => {
            format!("<textarea id=\"i-{id}\" name=\"{id}\" rows=\"3\">\n{shown}</textarea>")
        }
        Kind::Bool => format!(
            "<select id=\"i-{id}\" name=\"{id}\"><option value=\"false\">No</option><option value=\"true\"{}>Yes</option></select>",
            if value.is_true() { " selected" } else { "" }
        ),
        Kind::Picklist(values) => {
            let mut options = String::new();
            for value in values {
                let _ = write!(options, "<option>{}</option>", escape(value));
            }
            format!(
                "<input id=\"i-{id}\" name=\"{id}\" value=\"{shown}\" list=\"l-{id}\"><datalist id=\"l-{id}\">{options}</datalist>"
            )
        }
        Kind::Date => format!("<input id=\"i-{id}\" name=\"{id}\" type=\"date\" value=\"{shown}\">"),
        Kind::Address(_) | Kind::Blob | Kind::Junction(_) | Kind::Id => return String::new(),
        _ => format!("<input id=\"i-{id}\" name=\"{id}\" value=\"{shown}\">"),
    };
    format!("<p><label for=\"i-{id}\">{label}</label>{control}</p>")
}

/// What a form says, as the API would be told; only what is not so already.
fn changes(object: &Object, row: &Row, form: &Form) -> Map<String, Value> {
    let mut out = Map::new();
    for (name, text) in form.pairs() {
        let Some(field) = object.field(name).filter(|f| f.update) else {
            continue;
        };
        // Browsers send line breaks as two characters.
        let text = text.replace("\r\n", "\n");
        let value = match field.kind {
            Kind::Bool => json!(text == "true"),
            _ if text.is_empty() => Value::Null,
            Kind::Double => text.parse::<f64>().map_or(json!(text), |n| json!(n)),
            Kind::Int => text.parse::<i64>().map_or(json!(text), |n| json!(n)),
            _ => json!(text),
        };
        let before = match row.get(field.name) {
            Val::Null if field.kind == Kind::Bool => json!(false),
            other => other.to_json(),
        };
        let same = match (&value, &before) {
            (Value::String(a), Value::String(b)) => *a == b.replace("\r\n", "\n"),
            (a, b) => a == b,
        };
        if !same {
            out.insert(field.name.to_owned(), value);
        }
    }
    out
}

/// Which user of ours owns the record.
fn owner(state: &State, row: &Row) -> usize {
    let owner = row.get("OwnerId").as_text().and_then(Id::parse);
    owner
        .and_then(|id| state.users.iter().position(|user| user.id == id))
        .unwrap_or_default()
}

/// Does what a form asks for; the refusal in Salesforce's words.
fn act(state: &mut State, now_ms: i64, object: &str, id: &Id, form: &Form) -> Result<(), String> {
    let schema = state.schema.clone();
    let object = schema.object(object).ok_or("There is no such object.")?;
    let row = state
        .rows
        .get(object.table, id)
        .ok_or("There is no such record.")?
        .clone();
    let user = owner(state, &row);
    let writer = Writer {
        access: Access {
            schema: &state.schema,
            knobs: &state.knobs,
            user: &state.users[user],
            all: true,
        },
        now_ms,
        allow_duplicates: true,
        base: "",
    };
    let rows: &mut Rows = &mut state.rows;
    match form.get("do") {
        Some("delete") => rows.delete(&writer, object, id),
        Some("undelete") => rows.undelete(&writer, object, id),
        _ => {
            let changes = changes(object, &row, form);
            if changes.is_empty() {
                return Ok(());
            }
            rows.update(&writer, object, id, &changes)
        }
    }
    .map_err(|error| error.message)
}

/// The page at that address, or what its form does.
pub(super) fn answer(state: &mut State, parts: &Parts, body: &[u8], now_ms: i64) -> Answer {
    let path = parts.uri.path().to_owned();
    if path == "/window.css" {
        return Answer::Style(STYLE);
    }
    if path == "/" {
        return Answer::Redirect("/lightning/o/Contact/list".to_owned());
    }
    let names: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    let missing = |state: &State| {
        let window = Window::new(state);
        Answer::Page(
            404,
            window.page(
                "",
                "Not found",
                "<section class=\"card\"><h1>There is no such page</h1></section>",
            ),
        )
    };
    let (object, id) = match names.as_slice() {
        ["lightning", "o", object, ..] => (*object, None),
        ["lightning", "r", object, id, ..] => (*object, Id::parse(id)),
        ["lightning", "r", id] | [id] => ("", Id::parse(id)),
        _ => return missing(state),
    };
    let Some(id) = id else {
        let window = Window::new(state);
        return match window.access.object(object) {
            Some(object) if names[1] == "o" => Answer::Page(200, window.list(object)),
            _ => missing(state),
        };
    };
    // The id says what it is.
    let Some(object) = state.schema.by_prefix(id.prefix()).map(|object| object.name) else {
        return missing(state);
    };
    let mut said = None;
    if parts.method == Method::POST {
        let head = |name| parts.headers.get(name).and_then(|v| v.to_str().ok());
        let foreign = head(header::ORIGIN)
            .is_some_and(|origin| origin.split_once("://").map(|(_, host)| host) != head(header::HOST));
        if foreign {
            return Answer::Text(403, "this page is of another origin");
        }
        match act(state, now_ms, object, &id, &Form::parse(body)) {
            Ok(()) => return Answer::Redirect(format!("/lightning/r/{object}/{id}/view")),
            Err(text) => said = Some(text),
        }
    }
    let window = Window::new(state);
    let found = window
        .access
        .object(object)
        .and_then(|object| Some((object, window.row(object, &id)?)));
    match found {
        Some((object, row)) => Answer::Page(
            if said.is_some() { 400 } else { 200 },
            window.record(object, row, said.as_deref()),
        ),
        None => missing(state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_alone_is_a_page_and_the_api_is_none() {
        let id = Id::make("003", "5g", 7);
        let (long, short) = (format!("/{id}"), format!("/{}", id.short()));
        for page in ["/", &long, &short, "/lightning/o/Contact/list"] {
            assert!(is_page(page), "{page}");
        }
        for other in [
            "/services/data",
            "/services/oauth2/token",
            "/id/1/2",
            "/favicon.ico",
        ] {
            assert!(!is_page(other), "{other}");
        }
    }
}
