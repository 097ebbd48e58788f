//! What has to be known before a batch is sent, and the bodies of its rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;
use tandem_sync::model::{
    Access, Field, FieldValue, ItemId, LinkKey, Outcome, Record, Refusal, Snapshot, Version, Write,
};
use tandem_types::{IssueCode, ItemKind};

use super::relate::{Reply, Work};
use super::{Job, Planned};
use crate::describe::{Described, View};
use crate::map::event::Before;
use crate::map::ties::{Tie, Ties};
use crate::map::{self, Row, contact, email, event, task};
use crate::problem::Failure;
use crate::salesforce::Salesforce;
use crate::soql;

/// What was read for a batch.
#[derive(Default)]
struct Known {
    /// Of new contacts: their companies' accounts.
    accounts: HashMap<String, String>,
    /// Of new emails: whom Salesforce knows.
    people: email::People,
    present: HashMap<ItemId, Snapshot>,
    ties: Ties,
}

impl Salesforce {
    /// Looks up what the bodies need, and re-reads what is to be deleted: Salesforce's delete knows no version.
    pub(super) async fn prepare<'w>(
        &self,
        described: &Arc<Described>,
        kind: ItemKind,
        writes: &'w [Write],
        indexes: &[usize],
        outcomes: &mut [Option<Outcome>],
    ) -> Result<Vec<Planned<'w>>, Failure> {
        let Some(view) = described.view(kind) else {
            for index in indexes {
                outcomes[*index] = Some(Outcome::Refused(unavailable(kind)));
            }
            return Ok(Vec::new());
        };
        let wanted: Vec<&Write> = indexes.iter().map(|index| &writes[*index]).collect();
        let known = self.known_before(view, kind, &wanted).await?;
        let mut jobs = Vec::with_capacity(indexes.len());
        for index in indexes.iter().copied() {
            let planned = match &writes[index] {
                Write::Create { key, record, .. } => self.create(described, view, kind, key, record, &known),
                Write::Update { id, set, key, .. } => {
                    if needs_look(kind, set) && !known.present.contains_key(id) {
                        outcomes[index] = Some(Outcome::Missing);
                        continue;
                    }
                    self.update(described, view, kind, id, set, key.as_ref(), &known)
                }
                Write::Delete { id, version, .. } => match known.present.get(id) {
                    None => {
                        outcomes[index] = Some(Outcome::Missing);
                        continue;
                    }
                    Some(now) if !same(&now.version, version) => {
                        outcomes[index] = Some(Outcome::Conflict(Box::new(now.clone())));
                        continue;
                    }
                    Some(_) => Ok((Job::Delete { id }, Work::None, BTreeMap::new())),
                },
            };
            match planned {
                Ok((job, work, replaced)) => jobs.push(Planned {
                    index,
                    job,
                    work,
                    replaced,
                }),
                Err(refusal) => outcomes[index] = Some(Outcome::Refused(refusal)),
            }
        }
        // Rows of one account or record beside each other: fewer locks are waited for.
        jobs.sort_by(|a, b| parent_of(&a.job).cmp(&parent_of(&b.job)));
        Ok(jobs)
    }

    async fn known_before(&self, view: &View, kind: ItemKind, writes: &[&Write]) -> Result<Known, Failure> {
        let mut known = Known::default();
        match kind {
            ItemKind::Contact => known.accounts = self.accounts(view, writes).await?,
            ItemKind::Email if view.object == "EmailMessage" => {
                let records = writes.iter().filter_map(|write| match write {
                    Write::Create { record, .. } => Some(record),
                    _ => None,
                });
                let mut who = BTreeSet::new();
                let mut addresses = BTreeSet::new();
                for record in records {
                    let relations = map::wanted_relations(&record.fields).unwrap_or_default();
                    if !relations.who.is_empty() {
                        who.extend(relations.who.into_iter().map(|id| id.0));
                        addresses.extend(email::named(record));
                    }
                }
                known.people = self.people_of(&who, &addresses).await?;
            }
            _ => {}
        }
        let looked_at: Vec<ItemId> = writes
            .iter()
            .filter_map(|write| match write {
                Write::Delete { id, .. } => Some(id.clone()),
                Write::Update { id, set, .. } => needs_look(kind, set).then(|| id.clone()),
                Write::Create { .. } => None,
            })
            .collect();
        if looked_at.is_empty() {
            return Ok(known);
        }
        let (described, rows) = self.by_ids(&crate::lookups::valid_ids(&looked_at), false).await?;
        known.ties = self.ties(&described, &rows).await?;
        let reach = self.reach_for(&rows).await?;
        let reading = self.reading(&described, &reach);
        for row in &rows {
            let snapshot = reading.snapshot(row, &known.ties)?;
            known.present.insert(snapshot.id.clone(), snapshot);
        }
        Ok(known)
    }

    fn create<'w>(
        &self,
        described: &Described,
        view: &View,
        kind: ItemKind,
        key: &'w LinkKey,
        record: &Record,
        known: &Known,
    ) -> Made<'w> {
        let profile = &view.profile;
        let mut work = Work::None;
        let body = match kind {
            ItemKind::Contact => {
                let mut body = contact::body(profile, &record.fields, true);
                let company = record.get(Field::Company).known().map(str::trim);
                if let Some(account) = company.and_then(|name| known.accounts.get(name)) {
                    body.insert("AccountId".to_owned(), Value::from(account.as_str()));
                }
                body
            }
            ItemKind::Event => {
                let relations = map::wanted_relations(&record.fields).unwrap_or_default();
                if described.relations.writable && !relations.invited.is_empty() {
                    work = Work::Invite {
                        invited: Some(relations.invited),
                        answer: Reply::Keep,
                        now: None,
                    };
                }
                let zone = &described.zone;
                event::body(
                    profile,
                    &record.fields,
                    Before::default(),
                    view.shared,
                    zone,
                    true,
                )?
            }
            ItemKind::Task => task::body(
                profile,
                &record.fields,
                &self.tables,
                lists(described),
                view.shared,
                true,
            )?,
            ItemKind::Email if view.object == "EmailMessage" => {
                let senders = email::senders(record, &known.people);
                if !senders.is_empty() {
                    work = Work::Senders(senders);
                }
                email::message_body(view, record, &known.people)
            }
            ItemKind::Email => {
                email::task_body(view, record, &self.tables, &described.statuses, view.shared)?
            }
        };
        Ok((Job::Create { key, body }, work, BTreeMap::new()))
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one update")]
    fn update<'w>(
        &self,
        described: &Described,
        view: &View,
        kind: ItemKind,
        id: &'w ItemId,
        set: &'w BTreeMap<Field, FieldValue>,
        key: Option<&LinkKey>,
        known: &Known,
    ) -> Made<'w> {
        let profile = &view.profile;
        let mut work = Work::None;
        let mut replaced = BTreeMap::new();
        let now = known.present.get(id);
        let mut body = match kind {
            ItemKind::Contact => contact::body(profile, set, false),
            ItemKind::Event => {
                let before = now.map(|now| Before::of(&now.record)).unwrap_or_default();
                let body = event::body(profile, set, before, view.shared, &described.zone, false)?;
                if described.relations.writable {
                    work = invitations(self.me(), set, now, known.ties.of(&id.0), &body);
                }
                for field in [Field::Relations, Field::Answer] {
                    if let (true, Some(now)) = (set.contains_key(&field), now) {
                        let value = now.record.get(field).clone();
                        if !value.is_unknown() {
                            replaced.insert(field, value);
                        }
                    }
                }
                body
            }
            ItemKind::Task => task::body(profile, set, &self.tables, lists(described), view.shared, false)?,
            ItemKind::Email => email::update_body(view, set),
        };
        if let (Some(key), Some(field)) = (key, view.key()) {
            body.insert(field.to_owned(), Value::from(key.0.as_str()));
        }
        Ok((Job::Update { id, set, body }, work, replaced))
    }

    /// The account of each company's exact name; the oldest where several have it.
    async fn accounts(&self, view: &View, writes: &[&Write]) -> Result<HashMap<String, String>, Failure> {
        let writable = view
            .profile
            .fields
            .get(&Field::Company)
            .is_some_and(|r| r.access == Access::CreateOnly);
        let names: BTreeSet<&str> = writes
            .iter()
            .filter_map(|w| match w {
                Write::Create { record, .. } => record.get(Field::Company).known(),
                _ => None,
            })
            .map(str::trim)
            .filter(|name| writable && !name.is_empty())
            .collect();
        let mut found = HashMap::new();
        if names.is_empty() {
            return Ok(found);
        }
        let queries: Vec<(bool, String)> = soql::in_lists(names.iter().copied(), 100)
            .into_iter()
            .map(|list| {
                let soql =
                    format!("SELECT Id,Name FROM Account WHERE Name IN ({list}) ORDER BY CreatedDate, Id");
                (false, soql)
            })
            .collect();
        for answer in self.rest.queries(&self.base().await?, &queries).await? {
            let rows = match answer {
                Ok(rows) => rows,
                // A user who may not see accounts makes contacts without one.
                Err(failure) if failure.is_about_fields() => continue,
                Err(failure) => return Err(failure),
            };
            for row in &rows {
                if let (Some(name), Some(id)) = (map::text(row, "Name"), map::text(row, "Id")) {
                    found
                        .entry(name.trim().to_owned())
                        .or_insert_with(|| id.to_owned());
                }
            }
        }
        Ok(found)
    }
}

type Made<'w> = Result<(Job<'w>, Work, BTreeMap<Field, FieldValue>), Refusal>;

fn lists(described: &Described) -> task::Picklists<'_> {
    task::Picklists {
        status: &described.statuses,
        priority: &described.priorities,
    }
}

/// Whether an update can only be made with what the event holds now.
fn needs_look(kind: ItemKind, set: &BTreeMap<Field, FieldValue>) -> bool {
    kind == ItemKind::Event
        && (event::needs_before(set)
            || [Field::Relations, Field::Answer]
                .iter()
                .any(|field| set.get(field).is_some_and(|value| !value.is_unknown())))
}

/// Who is to be invited from here on, and what the user answers.
fn invitations(
    me: &str,
    set: &BTreeMap<Field, FieldValue>,
    now: Option<&Snapshot>,
    ties: &[Tie],
    body: &Row,
) -> Work {
    let invited = map::wanted_relations(set).map(|relations| relations.invited);
    let own = now
        .and_then(|now| now.extra.event.as_ref())
        .is_some_and(|facts| facts.part == tandem_sync::model::Part::Organizer);
    let answer = match set.get(&Field::Answer) {
        // Who owns an event is not invited to it.
        _ if own => Reply::Keep,
        Some(FieldValue::Known(word)) => {
            tandem_sync::model::Answer::parse(word).map_or(Reply::Keep, Reply::Give)
        }
        Some(FieldValue::Empty) => Reply::Withdraw,
        _ => Reply::Keep,
    };
    let nobody = invited.as_ref().is_none_or(BTreeMap::is_empty)
        && !ties.iter().any(|tie| tie.invitee && tie.to != me);
    if answer == Reply::Keep && (invited.is_none() || nobody) {
        return Work::None;
    }
    // Whom the event is about moves with its row, and the ties with it.
    let moved = body.contains_key("WhoId");
    Work::Invite {
        invited,
        answer,
        now: (!moved).then(|| ties.to_vec()),
    }
}

fn unavailable(kind: ItemKind) -> Refusal {
    let (code, message) = match kind {
        ItemKind::Email => (
            IssueCode::EmailsUnavailable,
            "This organisation has no way to keep emails, or this user may not use it.",
        ),
        _ => (
            IssueCode::NoPermission,
            "This Salesforce user may not see such records.",
        ),
    };
    Refusal {
        code,
        message: message.to_owned(),
        fields: Vec::new(),
        retry: false,
    }
}

fn parent_of<'j>(job: &'j Job<'_>) -> Option<&'j str> {
    match job {
        Job::Create { body, .. } => ["AccountId", "WhatId", "RelatedToId", "WhoId"]
            .iter()
            .find_map(|name| map::text(body, name)),
        _ => None,
    }
}

/// The same moment, whoever spelled it, with the same relations.
fn same(now: &Version, expected: &Version) -> bool {
    let parts = |version: &Version| -> (Option<tandem_types::Timestamp>, String) {
        let (stamp, mark) = version.0.split_once(';').unwrap_or((&version.0, ""));
        (crate::times::parse(stamp), mark.to_owned())
    };
    now == expected || (parts(now).0.is_some() && parts(now) == parts(expected))
}
