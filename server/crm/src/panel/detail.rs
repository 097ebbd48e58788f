//! What stands behind *More* on a card: related records, files, what was done and is to be done.

use tandem_sync::Fault;
use tandem_types::{FileView, ItemKind, RecordDetail, RelatedKind, RelatedList, TimelineEntry, Timestamp};

use super::shape::{ACCOUNT, CASE, CONTACT, Card, OPPORTUNITY};
use super::{Desk, card_of_id};
use crate::map::{self, Row};
use crate::problem::Failure;
use crate::salesforce::{Salesforce, read_fault};
use crate::{soql, times};

/// Records of one list, and files.
const LISTED: usize = 10;
/// Entries of the timeline.
const ENTRIES: usize = 25;

impl Salesforce {
    /// `None`: no record of ours, or none that the user may see. Three API calls.
    pub async fn detail_of(&self, id: &str) -> Result<Option<RecordDetail>, Fault> {
        self.find_detail(id).await.map_err(read_fault)
    }

    async fn find_detail(&self, id: &str) -> Result<Option<RecordDetail>, Failure> {
        let Some(card) = card_of_id(id) else {
            return Ok(None);
        };
        let desk = self.desk().await?;
        let Some(select) = desk.shapes.select(card) else {
            return Ok(None);
        };
        let quoted = soql::quote(id);
        let person = matches!(card.object, "Contact" | "Lead");
        let tie = if person { "WhoId" } else { "WhatId" };
        let emails = if person {
            format!("Id IN (SELECT EmailMessageId FROM EmailMessageRelation WHERE RelationId = {quoted})")
        } else {
            let field = if card.object == "Case" {
                "ParentId"
            } else {
                "RelatedToId"
            };
            format!("{field} = {quoted}")
        };
        let mut answers = self
            .answers_to(
                &desk,
                vec![
                    format!("SELECT {select} FROM {} WHERE Id = {quoted}", card.object),
                    format!(
                        "SELECT Id,Subject,ActivityDate,IsClosed FROM Task WHERE {tie} = {quoted} ORDER BY IsClosed, \
                         ActivityDate DESC NULLS LAST, Id LIMIT {ENTRIES}"
                    ),
                    format!(
                        "SELECT Id,Subject,StartDateTime,ActivityDate FROM Event WHERE {tie} = {quoted} ORDER BY \
                         StartDateTime DESC, Id LIMIT {ENTRIES}"
                    ),
                    format!(
                        "SELECT Id,Subject,MessageDate FROM EmailMessage WHERE {emails} ORDER BY MessageDate DESC, Id \
                         LIMIT {ENTRIES}"
                    ),
                    format!(
                        "SELECT ContentDocumentId,ContentDocument.Title,ContentDocument.FileExtension,\
                         ContentDocument.ContentSize,ContentDocument.LastModifiedDate FROM ContentDocumentLink WHERE \
                         LinkedEntityId = {quoted} LIMIT {LISTED}"
                    ),
                ],
            )
            .await?
            .into_iter();
        let mut next = || answers.next().unwrap_or_default();
        let (own, tasks, events, mails, files) = (next(), next(), next(), next(), next());
        let Some(row) = own.first() else {
            return Ok(None);
        };
        let Some(view) = desk.show(card, row) else {
            return Ok(None);
        };
        let now = self.clock.now();
        let mut timeline: Vec<TimelineEntry> = Vec::new();
        for row in &tasks {
            let open = row.get("IsClosed").and_then(serde_json::Value::as_bool) == Some(false);
            timeline.extend(entry(&desk, ItemKind::Task, row, day(row), open));
        }
        for row in &events {
            let at = map::time(row, "StartDateTime").or_else(|| day(row));
            let open = at.is_some_and(|at| at > now);
            timeline.extend(entry(&desk, ItemKind::Event, row, at, open));
        }
        for row in &mails {
            let at = map::time(row, "MessageDate");
            timeline.extend(entry(&desk, ItemKind::Email, row, at, false));
        }
        in_order(&mut timeline);
        timeline.truncate(ENTRIES);
        Ok(Some(RecordDetail {
            related: self.related(&desk, card, row).await?,
            files: files
                .iter()
                .filter_map(|row| file(&desk, row))
                .take(LISTED)
                .collect(),
            rec: view.rec,
            timeline,
        }))
    }

    /// The account of a person or a deal, and who and what else belongs to it.
    async fn related(&self, desk: &Desk, card: &Card, row: &Row) -> Result<Vec<RelatedList>, Failure> {
        let id = map::reference(row, "Id").unwrap_or_default();
        let account = if card.object == ACCOUNT.object {
            Some(id.clone())
        } else {
            map::reference(row, "AccountId")
        };
        let Some(account) = account else {
            return Ok(Vec::new());
        };
        let (account, own) = (soql::quote(&account), soql::quote(&id));
        let lists: [(RelatedKind, &Card, String); 4] = [
            (RelatedKind::Accounts, &ACCOUNT, format!("Id = {account}")),
            (RelatedKind::Contacts, &CONTACT, format!("AccountId = {account}")),
            (
                RelatedKind::Opportunities,
                &OPPORTUNITY,
                format!("AccountId = {account}"),
            ),
            (RelatedKind::Cases, &CASE, format!("AccountId = {account}")),
        ];
        let mut asked = Vec::new();
        let mut questions = Vec::new();
        for (kind, card, filter) in lists {
            if let Some(select) = desk.shapes.select(card) {
                asked.push((kind, card));
                questions.push(format!(
                    "SELECT {select} FROM {} WHERE {filter} AND Id != {own} ORDER BY LastModifiedDate DESC, Id LIMIT \
                     {LISTED}",
                    card.object
                ));
            }
        }
        let answers = self.answers_to(desk, questions).await?;
        Ok(asked
            .into_iter()
            .zip(answers)
            .map(|((kind, card), rows)| RelatedList {
                kind,
                records: rows.iter().filter_map(|row| desk.show(card, row)).collect(),
            })
            .filter(|list| !list.records.is_empty())
            .collect())
    }
}

/// A day without a time, as its midnight in UTC.
fn day(row: &Row) -> Option<Timestamp> {
    let day = map::text(row, "ActivityDate")?;
    times::parse(&format!("{day}T00:00:00Z"))
}

fn entry(desk: &Desk, kind: ItemKind, row: &Row, at: Option<Timestamp>, open: bool) -> Option<TimelineEntry> {
    let object = match kind {
        ItemKind::Task => "Task",
        ItemKind::Event => "Event",
        ItemKind::Email => "EmailMessage",
        ItemKind::Contact => return None,
    };
    let name = map::text(row, "Subject").unwrap_or_default().to_owned();
    Some(TimelineEntry {
        kind,
        rec: desk.record(object, map::reference(row, "Id")?, name),
        at,
        open,
    })
}

/// What is open first, the next one first; then the newest first.
fn in_order(timeline: &mut [TimelineEntry]) {
    timeline.sort_by(|a, b| {
        b.open
            .cmp(&a.open)
            .then_with(|| {
                let (a, b) = (
                    a.at.unwrap_or(Timestamp(i64::MAX)),
                    b.at.unwrap_or(Timestamp(i64::MAX)),
                );
                a.cmp(&b)
            })
            .then_with(|| a.rec.id.cmp(&b.rec.id))
    });
    let open = timeline.iter().take_while(|entry| entry.open).count();
    timeline[open..].sort_by(|a, b| (b.at, &b.rec.id).cmp(&(a.at, &a.rec.id)));
}

fn file(desk: &Desk, row: &Row) -> Option<FileView> {
    let document = row.get("ContentDocument")?.as_object()?;
    Some(FileView {
        rec: desk.record(
            "ContentDocument",
            map::reference(row, "ContentDocumentId")?,
            map::text(document, "Title").unwrap_or_default().to_owned(),
        ),
        ending: map::text(document, "FileExtension")
            .unwrap_or_default()
            .to_owned(),
        size: document
            .get("ContentSize")
            .and_then(serde_json::Value::as_u64)
            .unwrap_or(0),
        changed: map::time(document, "LastModifiedDate"),
    })
}

#[cfg(test)]
mod tests {
    use tandem_types::RecordRef;

    use super::*;

    #[test]
    fn what_is_next_comes_first_and_then_what_was_last() {
        let entry = |id: &str, at: Option<i64>, open| TimelineEntry {
            kind: ItemKind::Task,
            rec: RecordRef {
                id: id.to_owned(),
                object: "Task".to_owned(),
                name: String::new(),
                url: String::new(),
            },
            at: at.map(Timestamp::from_seconds),
            open,
        };
        let mut timeline = [
            entry("old", Some(1), false),
            entry("later", Some(9), true),
            entry("someday", None, true),
            entry("new", Some(5), false),
            entry("next", Some(7), true),
            entry("never", None, false),
        ];
        in_order(&mut timeline);
        let ids: Vec<&str> = timeline.iter().map(|entry| entry.rec.id.as_str()).collect();
        assert_eq!(ids, ["next", "later", "someday", "new", "old", "never"]);
    }
}
