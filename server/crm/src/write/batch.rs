//! The jobs of one composite.

use std::collections::{BTreeMap, HashMap};

use http::Method;
use serde_json::{Value, json};
use tandem_sync::model::{Field, ItemId, Outcome};
use tandem_types::ItemKind;

use super::{Job, Planned, Said, Written};
use crate::answer::{RowResult, SubAnswer, SubRequest};
use crate::describe::{Described, View};
use crate::ids::id18;
use crate::map::ties::Ties;
use crate::map::{self, Row};
use crate::problem::{ApiError, Failure, RowProblem, of_row};
use crate::soql;

/// The jobs of one composite, of one kind, sorted by what is done.
pub(super) struct Batch<'b, 'w> {
    kind: ItemKind,
    view: &'b View,
    jobs: &'b [Planned<'w>],
    /// Positions in `jobs`.
    creates: Vec<usize>,
    updates: Vec<usize>,
    deletes: Vec<usize>,
}

impl<'b, 'w> Batch<'b, 'w> {
    /// `None`: the user does not have this kind.
    pub(super) fn new(described: &'b Described, kind: ItemKind, jobs: &'b [Planned<'w>]) -> Option<Self> {
        let mut batch = Self {
            kind,
            view: described.view(kind)?,
            jobs,
            creates: Vec::new(),
            updates: Vec::new(),
            deletes: Vec::new(),
        };
        for (at, planned) in jobs.iter().enumerate() {
            match &planned.job {
                Job::Create { .. } => batch.creates.push(at),
                Job::Update { .. } => batch.updates.push(at),
                Job::Delete { .. } => batch.deletes.push(at),
            }
        }
        Some(batch)
    }

    /// An upsert writes every field again. What a saved email holds can be written once: it is inserted, and the unique
    /// key says where that was done before.
    fn upsert_field(&self) -> Option<&'b str> {
        self.view.key().filter(|_| self.kind != ItemKind::Email)
    }

    /// Updates that write something; one whose every field turned unwritable is only read.
    fn real_updates(&self) -> impl Iterator<Item = (usize, &'w ItemId, &Row)> {
        self.updates.iter().filter_map(|at| match &self.jobs[*at].job {
            Job::Update { id, body, .. } if !body.is_empty() => Some((*at, *id, body)),
            _ => None,
        })
    }

    pub(super) fn requests(&self) -> Vec<SubRequest> {
        let mut requests = Vec::new();
        // Old activities are archived: only this shows them. Deleted rows are left out when they are read.
        let all = matches!(self.kind, ItemKind::Event | ItemKind::Task);
        let updated: Vec<&str> = self
            .updates
            .iter()
            .filter_map(|at| match &self.jobs[*at].job {
                Job::Update { id, .. } => Some(id.0.as_str()),
                _ => None,
            })
            .collect();
        let quoted = |values: &[&str]| {
            values
                .iter()
                .map(|v| soql::quote(v))
                .collect::<Vec<_>>()
                .join(",")
        };
        let (select, object) = (&self.view.select, self.view.object);
        let query = |condition: &str| format!("SELECT {select} FROM {object} WHERE {condition}");
        let by_id = format!("Id IN ({})", quoted(&updated));
        if !updated.is_empty() {
            requests.push(SubRequest::query("before", all, &query(&by_id)));
        }
        let updates: Vec<Value> = self
            .real_updates()
            .map(|(_, id, body)| record(object, body, Some(id)))
            .collect();
        if !updates.is_empty() {
            requests.push(collection("update", Method::PATCH, "composite/sobjects", updates));
        }
        let mut keys = Vec::new();
        if !self.creates.is_empty() {
            let mut creates = Vec::new();
            for at in &self.creates {
                if let Job::Create { key, body } = &self.jobs[*at].job {
                    let mut row = record(object, body, None);
                    if let Some(field) = self.view.key() {
                        row[field] = Value::from(key.0.as_str());
                        keys.push(key.0.as_str());
                    }
                    creates.push(row);
                }
            }
            requests.push(match self.upsert_field() {
                Some(field) => {
                    let path = format!("composite/sobjects/{object}/{field}");
                    collection("create", Method::PATCH, &path, creates)
                }
                None => collection("create", Method::POST, "composite/sobjects", creates),
            });
        }
        if !self.deletes.is_empty() {
            let ids: Vec<&str> = self
                .deletes
                .iter()
                .filter_map(|at| match &self.jobs[*at].job {
                    Job::Delete { id } => Some(id.0.as_str()),
                    _ => None,
                })
                .collect();
            let path = format!("composite/sobjects?ids={}&allOrNone=false", ids.join(","));
            requests.push(SubRequest::new("delete", Method::DELETE, path, None));
        }
        let mut written = Vec::new();
        if !updated.is_empty() {
            written.push(by_id);
        }
        if let Some(field) = self.view.key().filter(|_| !keys.is_empty()) {
            written.push(format!("{field} IN ({})", quoted(&keys)));
        }
        if !written.is_empty() {
            requests.push(SubRequest::query("after", all, &query(&written.join(" OR "))));
        }
        requests
    }

    /// What became of each job, in the order of the jobs.
    pub(super) fn read(
        &self,
        reading: &map::Reading<'_>,
        answers: Vec<SubAnswer>,
    ) -> Result<Vec<Said>, Failure> {
        let mut answers = answers.into_iter();
        let mut take = |wanted: bool| if wanted { answers.next() } else { None };
        let writes_updates = self.real_updates().next().is_some();
        let keyed = self.view.key().is_some() && !self.creates.is_empty();
        let before = take(!self.updates.is_empty());
        let update = take(writes_updates);
        let create = take(!self.creates.is_empty());
        let delete = take(!self.deletes.is_empty());
        let after = take(!self.updates.is_empty() || keyed);

        let writes = [&update, &create, &delete];
        // Everything was refused for a reason that is no row's fault.
        if let Some(first) = writes.iter().copied().flatten().next()
            && writes.iter().copied().flatten().all(|a| !a.is_ok())
        {
            let failure = first.failure();
            let problem = of_row(self.kind, &ApiError::all_of(&first.body), None);
            let rowwise = matches!(problem, RowProblem::Locked) || failure.is_about_fields();
            if !failure.fault.in_doubt && !rowwise {
                return Err(failure);
            }
        }
        let before = rows_by_id(before);
        let after = rows_by_id(after).unwrap_or_default();
        let mut said: Vec<Option<Said>> = self.jobs.iter().map(|_| None).collect();
        self.read_updates(reading, update, before.as_ref(), &after, &mut said);
        for (at, result) in results(create, &self.creates) {
            said[at] = Some(self.created(at, result, &after));
        }
        for (at, result) in results(delete, &self.deletes) {
            said[at] = Some(match result {
                RowSaid::InDoubt => Said::Done(Outcome::InDoubt),
                RowSaid::Failed(errors) => self.failed(&errors, None),
                RowSaid::Ok { .. } => Said::Done(Outcome::Deleted),
            });
        }
        Ok(said
            .into_iter()
            .map(|s| s.unwrap_or(Said::Done(Outcome::InDoubt)))
            .collect())
    }

    fn read_updates(
        &self,
        reading: &map::Reading<'_>,
        update: Option<SubAnswer>,
        before: Option<&HashMap<String, Row>>,
        after: &HashMap<String, Row>,
        said: &mut [Option<Said>],
    ) {
        let none = Ties::default();
        let updated: Vec<usize> = self.real_updates().map(|(at, _, _)| at).collect();
        for (at, result) in results(update, &updated) {
            let Job::Update { id, set, .. } = &self.jobs[at].job else {
                continue;
            };
            let was = before.map(|rows| rows.get(id.0.as_str()));
            said[at] = Some(match result {
                RowSaid::InDoubt => Said::Done(Outcome::InDoubt),
                RowSaid::Failed(errors) => self.failed(&errors, was.map(|w| w.is_some())),
                RowSaid::Ok { .. } => {
                    let was = was.flatten().map(|row| reading.record(self.kind, row, &none));
                    let replaced = set
                        .keys()
                        // Their rows are others: they were read before.
                        .filter(|f| !matches!(f, Field::Relations | Field::Answer) || !self.is_event())
                        .filter_map(|f| Some((*f, was.as_ref()?.get(*f).clone())))
                        .filter(|(_, value)| !value.is_unknown())
                        .collect();
                    written((*id).clone(), after, replaced)
                }
            });
        }
        for at in &self.updates {
            if let (None, Job::Update { id, .. }) = (&said[*at], &self.jobs[*at].job) {
                let there = before.is_none_or(|rows| rows.contains_key(id.0.as_str()));
                said[*at] = Some(if there {
                    written((*id).clone(), after, BTreeMap::new())
                } else {
                    Said::Done(Outcome::Missing)
                });
            }
        }
    }

    fn is_event(&self) -> bool {
        self.kind == ItemKind::Event
    }

    fn created(&self, at: usize, result: RowSaid, after: &HashMap<String, Row>) -> Said {
        match result {
            RowSaid::InDoubt | RowSaid::Ok { id: None, .. } => Said::Done(Outcome::InDoubt),
            RowSaid::Failed(errors) => match self.made_before(at, &errors, after) {
                Some(id) => written(ItemId(id), after, BTreeMap::new()),
                None => self.failed(&errors, None),
            },
            RowSaid::Ok { id: Some(id), new } => match written(ItemId(id), after, BTreeMap::new()) {
                Said::Written(written) => Said::Written(Written { new, ..written }),
                said => said,
            },
        }
    }

    /// An insert that the unique key refuses was done before: the record that carries it is the one.
    fn made_before(&self, at: usize, errors: &[ApiError], after: &HashMap<String, Row>) -> Option<String> {
        let Job::Create { key, .. } = &self.jobs[at].job else {
            return None;
        };
        let field = self.view.key()?;
        if errors.first()?.code != "DUPLICATE_VALUE" {
            return None;
        }
        let carries = |row: &Row| map::text(row, field).is_some_and(|text| text.eq_ignore_ascii_case(&key.0));
        after
            .iter()
            .find(|(_, row)| carries(row))
            .map(|(id, _)| id.clone())
    }

    fn failed(&self, errors: &[ApiError], known: Option<bool>) -> Said {
        match of_row(self.kind, errors, known) {
            RowProblem::Locked => Said::Locked(errors.to_vec()),
            RowProblem::Stale => Said::Stale(errors.to_vec()),
            RowProblem::Final(outcome) => Said::Done(outcome),
        }
    }
}

/// What one row of a collection's answer says.
pub(super) enum RowSaid {
    Ok { id: Option<String>, new: bool },
    Failed(Vec<ApiError>),
    InDoubt,
}

/// The rows of one collection's answer, beside the positions that they stand for.
pub(super) fn results(answer: Option<SubAnswer>, positions: &[usize]) -> Vec<(usize, RowSaid)> {
    let Some(answer) = answer else { return Vec::new() };
    if !answer.is_ok() {
        let errors = ApiError::all_of(&answer.body);
        let in_doubt = answer.failure().fault.in_doubt;
        return positions
            .iter()
            .map(|at| {
                let said = if in_doubt {
                    RowSaid::InDoubt
                } else {
                    RowSaid::Failed(errors.clone())
                };
                (*at, said)
            })
            .collect();
    }
    match RowResult::all_of(&answer.body) {
        Some(rows) if rows.len() == positions.len() => positions
            .iter()
            .zip(rows)
            .map(|(at, row)| {
                let said = if row.success {
                    RowSaid::Ok {
                        id: row.id.as_deref().and_then(id18),
                        new: row.created != Some(false),
                    }
                } else {
                    RowSaid::Failed(row.errors)
                };
                (*at, said)
            })
            .collect(),
        // Which row is which cannot be told.
        _ => positions.iter().map(|at| (*at, RowSaid::InDoubt)).collect(),
    }
}

fn written(
    id: ItemId,
    after: &HashMap<String, Row>,
    replaced: BTreeMap<Field, tandem_sync::model::FieldValue>,
) -> Said {
    let row = after.get(id.0.as_str()).cloned();
    Said::Written(Written {
        id,
        new: false,
        touched: true,
        row,
        replaced,
        left: None,
    })
}

/// `None`: they could not be read. Deleted ones are not there.
fn rows_by_id(answer: Option<SubAnswer>) -> Option<HashMap<String, Row>> {
    let page = answer?.page().ok()?;
    Some(
        page.rows
            .into_iter()
            .filter(|row| !map::is_deleted(row))
            .filter_map(|row| Some((map::id_of(&row).ok()?.0, row)))
            .collect(),
    )
}

pub(super) fn collection(id: &str, method: Method, path: &str, records: Vec<Value>) -> SubRequest {
    let body = json!({ "allOrNone": false, "records": records });
    SubRequest::new(id, method, path, Some(body))
}

pub(super) fn record(object: &str, body: &Row, id: Option<&ItemId>) -> Value {
    let mut row = body.clone();
    row.insert("attributes".to_owned(), json!({ "type": object }));
    if let Some(id) = id {
        row.insert("id".to_owned(), Value::from(id.0.as_str()));
    }
    Value::Object(row)
}
