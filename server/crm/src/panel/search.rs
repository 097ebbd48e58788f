//! A search for records to link an item to.

use tandem_sync::Fault;
use tandem_types::{LinkTo, RecordView};

use super::shape::{ACCOUNT, CASE, CONTACT, Card, LEAD, OPPORTUNITY};
use crate::problem::Failure;
use crate::salesforce::{Salesforce, read_fault};
use crate::soql;

/// Of each object.
const SHOWN: usize = 8;

impl Salesforce {
    /// Records whose name has this text in it; whether there are more. One API call.
    pub async fn search_records(&self, text: &str, to: LinkTo) -> Result<(Vec<RecordView>, bool), Fault> {
        self.find_records(text, to).await.map_err(read_fault)
    }

    async fn find_records(&self, text: &str, to: LinkTo) -> Result<(Vec<RecordView>, bool), Failure> {
        let desk = self.desk().await?;
        let inside = soql::quote_like("%", text, "%");
        let begins = soql::quote_like("", text, "%");
        let who: [(&Card, String); 2] = [
            (&CONTACT, format!("Name LIKE {inside} OR Email LIKE {begins}")),
            (
                &LEAD,
                format!(
                    "IsConverted = false AND (Name LIKE {inside} OR Company LIKE {begins} OR Email LIKE {begins})"
                ),
            ),
        ];
        let what: [(&Card, String); 3] = [
            (&ACCOUNT, format!("Name LIKE {inside}")),
            (&OPPORTUNITY, format!("Name LIKE {inside}")),
            (
                &CASE,
                format!("CaseNumber LIKE {inside} OR Subject LIKE {inside}"),
            ),
        ];
        let wanted: Vec<&(&Card, String)> = match to {
            LinkTo::Who => who.iter().collect(),
            LinkTo::What => what.iter().collect(),
        };
        let mut cards = Vec::new();
        let mut questions = Vec::new();
        for (card, filter) in wanted {
            if let Some(select) = desk.shapes.select(card) {
                cards.push(*card);
                questions.push(format!(
                    "SELECT {select} FROM {} WHERE {filter} ORDER BY LastModifiedDate DESC, Id LIMIT {}",
                    card.object,
                    SHOWN + 1
                ));
            }
        }
        let mut more = false;
        let mut found = Vec::new();
        for (card, rows) in cards.into_iter().zip(self.answers_to(&desk, questions).await?) {
            more |= rows.len() > SHOWN;
            found.extend(rows.iter().take(SHOWN).filter_map(|row| desk.show(card, row)));
        }
        Ok((found, more))
    }
}
