//! Whom and what a saved email belongs to. Its people are rows of their own, which the sync never reads back.

use http::Method;
use serde_json::json;
use tandem_sync::model::{ItemId, Refusal, Relations};
use tandem_types::ItemKind;

use super::is_id;
use crate::answer::SubRequest;
use crate::client::Effect;
use crate::map;
use crate::problem::{Failure, RowProblem, of_row, refusal};
use crate::salesforce::Salesforce;
use crate::soql;

impl Salesforce {
    /// `None`: it is not to be seen.
    pub(crate) async fn read_email_links(&self, id: &ItemId) -> Result<Option<Relations>, Failure> {
        if !is_id(&id.0) {
            return Ok(None);
        }
        let base = self.base().await?;
        let quoted = soql::quote(&id.0);
        let is_task = id.0.starts_with("00T");
        let questions = if is_task {
            // Where the organisation keeps emails as completed tasks.
            vec![(true, format!("SELECT WhoId,WhatId FROM Task WHERE Id = {quoted}"))]
        } else {
            vec![
                (
                    false,
                    format!("SELECT RelatedToId FROM EmailMessage WHERE Id = {quoted}"),
                ),
                (
                    false,
                    format!(
                        "SELECT RelationId FROM EmailMessageRelation WHERE EmailMessageId = {quoted} ORDER BY Id LIMIT \
                         200"
                    ),
                ),
            ]
        };
        let mut answers = self.rest.queries(&base, &questions).await?.into_iter();
        let rows = match answers.next() {
            Some(Ok(rows)) => rows,
            Some(Err(failure)) if failure.is_about_fields() => return Ok(None),
            Some(Err(failure)) => return Err(failure),
            None => return Ok(None),
        };
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let what = map::reference(row, if is_task { "WhatId" } else { "RelatedToId" });
        let mut who: Vec<ItemId> = map::reference(row, "WhoId").map(ItemId).into_iter().collect();
        for row in answers.next().transpose()?.into_iter().flatten() {
            // Colleagues are tied to it, too.
            let person = map::reference(&row, "RelationId")
                .filter(|id| id.starts_with("003") || id.starts_with("00Q"));
            if let Some(person) = person.map(ItemId)
                && !who.contains(&person)
            {
                who.push(person);
            }
        }
        Ok(Some(Relations {
            who,
            what: what.map(ItemId),
            ..Relations::default()
        }))
    }

    /// In one call; the first that is refused says why.
    pub(crate) async fn tie_people(
        &self,
        id: &ItemId,
        people: &[ItemId],
    ) -> Result<Result<(), Refusal>, Failure> {
        let base = self.base().await?;
        for some in people.chunks(20) {
            let requests: Vec<SubRequest> = some
                .iter()
                .enumerate()
                .map(|(n, person)| {
                    let body = json!({
                        "EmailMessageId": id.0, "RelationId": person.0, "RelationType": "OtherAddress",
                    });
                    let path = "sobjects/EmailMessageRelation";
                    SubRequest::new(format!("tie{n}"), Method::POST, path, Some(body))
                })
                .collect();
            let (answers, _) = self.rest.composite(&base, &requests, Effect::Writes).await?;
            for answer in answers.into_iter().filter(|answer| !answer.is_ok()) {
                let failure = answer.failure();
                match failure.code.as_str() {
                    // It is tied already: another was quicker, or the answer was lost before.
                    "DUPLICATE_VALUE" => {}
                    "" | "UNABLE_TO_LOCK_ROW" => return Err(failure),
                    _ => {
                        return Ok(Err(match of_row(ItemKind::Email, &failure.errors, Some(true)) {
                            RowProblem::Final(tandem_sync::model::Outcome::Refused(refusal)) => refusal,
                            _ => refusal(
                                ItemKind::Email,
                                tandem_types::IssueCode::Refused,
                                &failure.errors,
                                false,
                            ),
                        }));
                    }
                }
            }
        }
        Ok(Ok(()))
    }
}
