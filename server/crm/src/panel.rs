//! What the pane shows and orders beside the open item: people's records, searches, details, single writes. Everything by
//! the user's own grant: he sees and changes only what Salesforce lets him.

mod detail;
mod email;
mod people;
mod search;
mod shape;
mod write;

use std::collections::BTreeMap;

use serde_json::Value;
use tandem_sync::Fault;
use tandem_types::{FieldView, RecordRef, RecordView};
use url::Url;

use crate::map::{self, Row};
use crate::problem::Failure;
use crate::salesforce::{Salesforce, read_fault};
use crate::soql;

pub use people::PersonRecords;
pub(crate) use shape::Shapes;
use shape::{CARDS, Card};
pub use write::{Activity, PanelRefusal};

/// Ids or addresses in one question.
const ASK_MAX: usize = 100;

/// What is needed to show rows.
struct Desk {
    base: String,
    instance: Url,
    shapes: std::sync::Arc<Shapes>,
}

impl Desk {
    /// The card of an object, if this user may see it.
    fn card(&self, object: &str) -> Option<&'static Card> {
        let card = CARDS.iter().find(|card| card.object == object)?;
        self.shapes.of(card.object).map(|_| card)
    }

    /// A record of ours to look at, by its id.
    fn record(&self, object: &str, id: String, name: String) -> RecordRef {
        let mut url = self.instance.clone();
        url.set_path(&id);
        RecordRef {
            id,
            object: object.to_owned(),
            name,
            url: url.into(),
        }
    }

    /// A row that was selected by [`Shapes::select`].
    fn show(&self, card: &Card, row: &Row) -> Option<RecordView> {
        let id = map::reference(row, "Id")?;
        let shape = self.shapes.of(card.object)?;
        let texts =
            |paths: &[&str]| -> Vec<String> { paths.iter().filter_map(|path| value_at(row, path)).collect() };
        let name = texts(card.names).into_iter().next().unwrap_or_else(|| id.clone());
        let fields = card
            .fields
            .iter()
            .filter_map(|api| {
                let shown = shape.field(api)?;
                Some(FieldView {
                    api: (*api).to_owned(),
                    label: shown.label.clone(),
                    value: value_at(row, api).unwrap_or_default(),
                    editable: shape.update && shown.is_editable(),
                })
            })
            .take(4)
            .collect();
        Some(RecordView {
            rec: self.record(card.object, id, name),
            line: texts(card.line).join(" · "),
            fields,
        })
    }
}

/// A field's value as it is read, over a parent where the path has one; `None`: empty, or not to be seen.
fn value_at(row: &Row, path: &str) -> Option<String> {
    let value = match path.split_once('.') {
        Some((parent, field)) => row.get(parent)?.get(field)?,
        None => row.get(path)?,
    };
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        // `40000.0` is an amount of 40000.
        Value::Number(number) => match number.as_f64() {
            Some(n) if n.fract() == 0.0 && n.abs() < 1e15 => format!("{n:.0}"),
            _ => number.to_string(),
        },
        Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.is_empty()).then_some(text)
}

impl Salesforce {
    async fn desk(&self) -> Result<Desk, Failure> {
        Ok(Desk {
            base: self.base().await?,
            instance: self.rest.instance().await?,
            shapes: self.shapes().await?,
        })
    }

    /// What these questions are answered, one list each. An object or a field that the user may not see answers nothing.
    async fn answers_to(&self, desk: &Desk, questions: Vec<String>) -> Result<Vec<Vec<Row>>, Failure> {
        let queries: Vec<(bool, String)> = questions.into_iter().map(|soql| (false, soql)).collect();
        let mut out = Vec::with_capacity(queries.len());
        for answer in self.rest.queries(&desk.base, &queries).await? {
            out.push(match answer {
                Ok(rows) => rows,
                Err(failure) if failure.is_about_fields() => Vec::new(),
                Err(failure) => return Err(failure),
            });
        }
        Ok(out)
    }

    /// The cards of records, by id; those that the user does not see, or that have no cards, are missing.
    pub async fn record_cards(&self, ids: &[String]) -> Result<BTreeMap<String, RecordView>, Fault> {
        self.cards_of(ids).await.map_err(read_fault)
    }

    async fn cards_of(&self, ids: &[String]) -> Result<BTreeMap<String, RecordView>, Failure> {
        let desk = self.desk().await?;
        let mut cards = Vec::new();
        let mut questions = Vec::new();
        for card in &CARDS {
            let of_it = ids
                .iter()
                .filter(|id| id.starts_with(card.prefix) && is_id(id))
                .map(String::as_str)
                .take(ASK_MAX);
            if let (Some(list), Some(select)) =
                (soql::in_lists(of_it, ASK_MAX).pop(), desk.shapes.select(card))
            {
                cards.push(card);
                questions.push(format!(
                    "SELECT {select} FROM {} WHERE Id IN ({list})",
                    card.object
                ));
            }
        }
        let answers = self.answers_to(&desk, questions).await?;
        Ok(cards
            .into_iter()
            .zip(answers)
            .flat_map(|(card, rows)| {
                rows.iter()
                    .filter_map(|row| desk.show(card, row))
                    .collect::<Vec<_>>()
            })
            .map(|view| (view.rec.id.clone(), view))
            .collect())
    }
}

/// An id of 18 characters.
fn is_id(id: &str) -> bool {
    id.len() == 18 && id.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// The object of an id that a card can be drawn of.
fn card_of_id(id: &str) -> Option<&'static Card> {
    let card = CARDS.iter().find(|card| id.starts_with(card.prefix))?;
    is_id(id).then_some(card)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_shown_as_it_is_read() {
        let row = json!({
            "Name": " Ada ", "Amount": 40000.0, "Rate": 0.5, "Account": {"Name": "Northwind"}, "Empty": "",
            "Parent": null, "Flag": true,
        });
        let row = row.as_object().unwrap();
        for (path, value) in [
            ("Name", Some("Ada")),
            ("Amount", Some("40000")),
            ("Rate", Some("0.5")),
            ("Account.Name", Some("Northwind")),
            ("Parent.Name", None),
            ("Empty", None),
            ("Flag", None),
            ("Nothing", None),
        ] {
            assert_eq!(value_at(row, path).as_deref(), value, "{path}");
        }
    }

    #[test]
    fn only_whole_ids_of_what_has_cards_are_looked_at() {
        let object = |id| card_of_id(id).map(|card| card.object);
        assert_eq!(object("003000000000001AAA"), Some("Contact"));
        assert_eq!(object("500000000000001AAA"), Some("Case"));
        assert_eq!(object("005000000000001AAA"), None);
        assert_eq!(object("003000000000001"), None);
        assert_eq!(object("003' OR Id != 'AAA"), None);
    }
}
