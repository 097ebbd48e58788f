//! Single writes that the user orders in the pane.

use std::fmt;

use http::Method;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use tandem_sync::Fault;
use tandem_types::{PersonDraft, PersonKind, RecordRef};

use super::shape::{CONTACT, LEAD, Shown};
use super::{card_of_id, is_id};
use crate::client::Effect;
use crate::problem::Failure;
use crate::salesforce::Salesforce;
use crate::words::COMPLETED;

/// Why Salesforce did not do it.
#[derive(Clone, PartialEq, Eq)]
pub enum PanelRefusal {
    /// The form is wrong before anything is sent.
    Invalid,
    NoPermission,
    /// Its own words.
    Duplicate(String),
    /// Its own words.
    Refused(String),
}

impl fmt::Debug for PanelRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalid => "Invalid",
            Self::NoPermission => "NoPermission",
            Self::Duplicate(_) => "Duplicate(..)",
            Self::Refused(_) => "Refused(..)",
        })
    }
}

/// A call that was made, or a task that is to be done.
#[derive(Clone, PartialEq, Eq)]
pub enum Activity {
    Call {
        subject: String,
        text: String,
    },
    Task {
        subject: String,
        /// `YYYY-MM-DD`.
        due: Option<String>,
    },
}

impl fmt::Debug for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Call { .. } => "Call(..)",
            Self::Task { .. } => "Task(..)",
        })
    }
}

type Done<T> = Result<Result<T, PanelRefusal>, Fault>;

/// A refusal in Salesforce's own words, or a fault that is not about this request.
fn refused<T>(failure: Failure) -> Done<T> {
    let words = failure
        .errors
        .iter()
        .map(|error| error.message.trim())
        .filter(|text| !text.is_empty())
        .collect::<Vec<_>>()
        .join("; ");
    let words: String = words.chars().take(1_000).collect();
    match failure.code.as_str() {
        "DUPLICATES_DETECTED" => Ok(Err(PanelRefusal::Duplicate(words))),
        "INSUFFICIENT_ACCESS_OR_READONLY"
        | "INSUFFICIENT_ACCESS"
        | "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"
        | "INVALID_FIELD_FOR_INSERT_UPDATE"
        | "INVALID_TYPE" => Ok(Err(PanelRefusal::NoPermission)),
        "REQUIRED_FIELD_MISSING"
        | "FIELD_CUSTOM_VALIDATION_EXCEPTION"
        | "STRING_TOO_LONG"
        | "INVALID_EMAIL_ADDRESS"
        | "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
        | "INVALID_CROSS_REFERENCE_KEY"
        | "FIELD_INTEGRITY_EXCEPTION"
        | "DUPLICATE_VALUE"
        | "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
        | "JSON_PARSER_ERROR"
        | "NUMBER_OUTSIDE_VALID_RANGE"
        | "MALFORMED_ID"
        | "ENTITY_IS_DELETED"
        | "NOT_FOUND"
        | "ENTITY_IS_LOCKED"
        | "INVALID_STATUS"
        | "STORAGE_LIMIT_EXCEEDED" => Ok(Err(PanelRefusal::Refused(words))),
        _ => Err(failure.fault),
    }
}

impl Salesforce {
    /// Creates a lead or a contact that the user owns.
    pub async fn create_person(&self, draft: &PersonDraft) -> Done<RecordRef> {
        let card = match draft.kind {
            PersonKind::Lead => &LEAD,
            PersonKind::Contact => &CONTACT,
        };
        let desk = self.desk().await?;
        let Some(shape) = desk.shapes.of(card.object).filter(|shape| shape.create) else {
            return Ok(Err(PanelRefusal::NoPermission));
        };
        if draft.last_name.is_empty() || (draft.kind == PersonKind::Lead && draft.company.is_empty()) {
            return Ok(Err(PanelRefusal::Invalid));
        }
        let mut body = Map::new();
        let account = draft.account.as_ref().map(|account| account.id.as_str());
        let fields = [
            ("FirstName", draft.first_name.as_str()),
            ("LastName", &draft.last_name),
            ("Email", &draft.email),
            ("Phone", &draft.phone),
            ("Title", &draft.title),
            match draft.kind {
                PersonKind::Lead => ("Company", draft.company.as_str()),
                PersonKind::Contact => ("AccountId", account.unwrap_or_default()),
            },
        ];
        for (api, value) in fields {
            let Some(shown) = shape.field(api).filter(|_| !value.is_empty()) else {
                continue;
            };
            if api == "AccountId" && !(is_id(value) && value.starts_with("001")) {
                return Ok(Err(PanelRefusal::Invalid));
            }
            if shown.length > 0 && value.chars().count() > shown.length {
                return Ok(Err(PanelRefusal::Invalid));
            }
            if shown.create {
                body.insert(api.to_owned(), json!(value));
            }
        }
        let name = format!("{} {}", draft.first_name, draft.last_name);
        self.post(&desk, card.object, body, name.trim()).await
    }

    async fn post(
        &self,
        desk: &super::Desk,
        object: &str,
        body: Map<String, Value>,
        name: &str,
    ) -> Done<RecordRef> {
        let path = format!("{}/sobjects/{object}", desk.base);
        let answer = self
            .rest
            .call(Method::POST, &path, Some(&Value::Object(body)), Effect::Writes)
            .await;
        match answer {
            Ok(answer) => match answer
                .body
                .get("id")
                .and_then(Value::as_str)
                .and_then(crate::ids::id18)
            {
                Some(id) => Ok(Ok(desk.record(object, id, name.to_owned()))),
                None => Err(Failure::malformed("a record without its id").into()),
            },
            Err(failure) => refused(failure),
        }
    }

    /// Writes one field of a record that has a card.
    pub async fn edit_field(&self, id: &str, field: &str, value: &str) -> Done<()> {
        let Some(card) = card_of_id(id) else {
            return Ok(Err(PanelRefusal::Invalid));
        };
        let desk = self.desk().await?;
        let Some(shape) = desk.shapes.of(card.object) else {
            return Ok(Err(PanelRefusal::NoPermission));
        };
        // Only what the card shows.
        let Some(shown) = shape.field(field).filter(|_| card.fields.contains(&field)) else {
            return Ok(Err(PanelRefusal::Invalid));
        };
        if !shape.update || !shown.is_editable() {
            return Ok(Err(PanelRefusal::NoPermission));
        }
        let Some(value) = typed(shown, value.trim()) else {
            return Ok(Err(PanelRefusal::Invalid));
        };
        let path = format!("{}/sobjects/{}/{id}", desk.base, card.object);
        let body = json!({ field: value });
        match self
            .rest
            .call(Method::PATCH, &path, Some(&body), Effect::Writes)
            .await
        {
            Ok(_) => Ok(Ok(())),
            Err(failure) => refused(failure),
        }
    }

    /// Adds an activity of the user's to a record that has a card.
    pub async fn add_activity(&self, id: &str, activity: &Activity) -> Done<RecordRef> {
        let Some(card) = card_of_id(id) else {
            return Ok(Err(PanelRefusal::Invalid));
        };
        let desk = self.desk().await?;
        let described = self.described().await?;
        let Some(view) = described.view(tandem_types::ItemKind::Task) else {
            return Ok(Err(PanelRefusal::NoPermission));
        };
        let (subject, word) = match activity {
            Activity::Call { subject, .. } => (subject, COMPLETED),
            Activity::Task { subject, .. } => (subject, "not_started"),
        };
        if subject.is_empty() || subject.chars().count() > view.length("Subject") {
            return Ok(Err(PanelRefusal::Invalid));
        }
        let status = match self.tables.status_there(word, &described.statuses) {
            Ok(status) => status,
            Err(word) => return Ok(Err(PanelRefusal::Refused(word))),
        };
        let mut body = Map::new();
        let mut set = |api: &str, value: Value| {
            if view.may_create(api) {
                body.insert(api.to_owned(), value);
            }
        };
        set("Subject", json!(subject));
        set("Status", json!(status));
        let tie = match card.object {
            "Contact" | "Lead" => "WhoId",
            _ => "WhatId",
        };
        set(tie, json!(id));
        match activity {
            Activity::Call { text, .. } => {
                let today = jiff::Timestamp::from_microsecond(self.clock.now().micros())
                    .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
                    .to_zoned(described.zone.clone())
                    .date();
                set("ActivityDate", json!(today.to_string()));
                set("TaskSubtype", json!("Call"));
                if !text.is_empty() {
                    let text: String = text.chars().take(view.length("Description")).collect();
                    set("Description", json!(text));
                }
            }
            Activity::Task { due: Some(due), .. } => {
                if !is_day(due) {
                    return Ok(Err(PanelRefusal::Invalid));
                }
                set("ActivityDate", json!(due));
            }
            Activity::Task { due: None, .. } => {}
        }
        self.post(&desk, "Task", body, subject).await
    }
}

/// A day of the calendar, `YYYY-MM-DD`.
fn is_day(text: &str) -> bool {
    text.len() == 10
        && text
            .parse::<jiff::civil::Date>()
            .is_ok_and(|day| day.to_zoned(TimeZone::UTC).is_ok())
}

/// What was typed, as the field's type wants it; `None`: it cannot be that.
fn typed(shown: &Shown, value: &str) -> Option<Value> {
    if value.is_empty() {
        return Some(Value::Null);
    }
    match shown.kind.as_str() {
        "double" | "currency" | "percent" | "int" => {
            let number: f64 = value.parse().ok()?;
            let whole = shown.kind != "int" || number.fract() == 0.0;
            (number.is_finite() && whole).then(|| json!(number))
        }
        "date" => is_day(value).then(|| json!(value)),
        _ => {
            let fits = shown.length == 0 || value.chars().count() <= shown.length;
            let one_line = shown.kind == "textarea" || !value.chars().any(char::is_control);
            (fits && one_line).then(|| json!(value))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_what_the_field_holds() {
        let field = |kind: &str| Shown {
            label: String::new(),
            kind: kind.to_owned(),
            length: 5,
            create: true,
            update: true,
        };
        for (kind, typed_in, value) in [
            ("string", "", Some(Value::Null)),
            ("string", "abcde", Some(json!("abcde"))),
            ("string", "abcdef", None),
            ("phone", "a\nb", None),
            ("textarea", "a\nb", Some(json!("a\nb"))),
            ("currency", "12.5", Some(json!(12.5))),
            ("currency", "much", None),
            ("currency", "inf", None),
            ("int", "1.5", None),
            ("date", "2026-02-29", None),
            ("date", "2028-02-29", Some(json!("2028-02-29"))),
            ("date", "tomorrow", None),
        ] {
            assert_eq!(typed(&field(kind), typed_in), value, "{kind} {typed_in}");
        }
        assert!(!field("reference").is_editable());
        assert!(
            !Shown {
                update: false,
                ..field("string")
            }
            .is_editable()
        );
    }
}
