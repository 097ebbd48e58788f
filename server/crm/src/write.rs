//! Writes, in batches of one composite each.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tandem_sync::model::{Field, FieldValue, ItemId, LinkKey, Outcome, Record, Snapshot, Version, Write};
use tandem_types::IssueCode;

use crate::answer::{RowResult, SubAnswer, SubRequest};
use crate::client::Effect;
use crate::describe::Described;
use crate::ids::id18;
use crate::map::{self, Row};
use crate::problem::{ApiError, Failure, RowProblem, of_row, refused};
use crate::salesforce::Salesforce;
use crate::soql;

/// How often rows that another transaction holds are tried again.
const LOCK_RETRIES: u32 = 2;
const LOCK_PAUSE: Duration = Duration::from_millis(400);

/// One write, prepared.
enum Job<'w> {
    Create {
        key: &'w LinkKey,
        body: Row,
    },
    Update {
        id: &'w ItemId,
        set: &'w BTreeMap<Field, FieldValue>,
        body: Row,
    },
    Delete {
        id: &'w ItemId,
    },
}

/// What a composite said of one job.
enum Said {
    Done(Outcome),
    /// Written; the record is still to be read back.
    Read {
        id: ItemId,
        replaced: BTreeMap<Field, FieldValue>,
    },
    /// To be tried again in a moment.
    Locked(Vec<ApiError>),
    /// To be tried again with a new description.
    Stale(Vec<ApiError>),
}

impl Salesforce {
    pub(crate) async fn write_batch(&self, writes: &[Write]) -> Result<Vec<Outcome>, Failure> {
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let mut described = self.described().await.map_err(harmless)?;
        let base = self.base().await.map_err(harmless)?;
        let mut outcomes: Vec<Option<Outcome>> = vec![None; writes.len()];
        let every: Vec<usize> = (0..writes.len()).collect();
        let mut jobs = self
            .prepare(&described, writes, &every, &mut outcomes)
            .await
            .map_err(harmless)?;
        let mut to_read: Vec<(usize, ItemId, BTreeMap<Field, FieldValue>)> = Vec::new();
        let mut wrote = false;
        let mut described_anew = false;
        let mut waited = 0;
        while !jobs.is_empty() {
            let said = match self.composite_of(&base, &described, &jobs).await {
                Ok(said) => said,
                Err(failure) if failure.fault.in_doubt => {
                    tracing::warn!(fault = %failure.fault, writes = jobs.len(), "a batch of writes is in doubt");
                    jobs.iter().map(|_| Said::Done(Outcome::InDoubt)).collect()
                }
                Err(failure) if wrote => {
                    tracing::warn!(fault = %failure.fault, "some rows were not tried again");
                    jobs.iter()
                        .map(|_| Said::Done(refused(IssueCode::Refused, &[], true)))
                        .collect()
                }
                Err(failure) => return Err(failure),
            };
            wrote = true;
            let mut locked = Vec::new();
            let mut stale = Vec::new();
            for ((index, job), said) in jobs.into_iter().zip(said) {
                match said {
                    Said::Done(outcome) => outcomes[index] = Some(outcome),
                    Said::Read { id, replaced } => to_read.push((index, id, replaced)),
                    Said::Locked(_) if waited < LOCK_RETRIES => locked.push((index, job)),
                    Said::Locked(errors) => {
                        outcomes[index] = Some(refused(IssueCode::Refused, &errors, true));
                    }
                    Said::Stale(errors) => {
                        outcomes[index] = Some(refused(IssueCode::NoPermission, &errors, false));
                        stale.push(index);
                    }
                }
            }
            if !locked.is_empty() {
                waited += 1;
                self.clock.sleep(pause(&locked, waited)).await;
            }
            jobs = locked;
            if !stale.is_empty() && !described_anew {
                described_anew = true;
                // Without the field that may not be written any more, the rows may pass.
                match self.prepare_anew(writes, &stale, &mut outcomes).await {
                    Ok((anew, again)) => {
                        described = anew;
                        jobs.extend(again);
                    }
                    Err(failure) => {
                        tracing::warn!(fault = %failure.fault, "contacts cannot be described anew");
                    }
                }
            }
        }
        self.read_back(to_read, &mut outcomes).await;
        Ok(outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or(Outcome::InDoubt))
            .collect())
    }

    async fn prepare_anew<'w>(
        &self,
        writes: &'w [Write],
        indexes: &[usize],
        outcomes: &mut [Option<Outcome>],
    ) -> Result<(Arc<Described>, Vec<(usize, Job<'w>)>), Failure> {
        self.cache.forget(&self.account.org, &self.account.user);
        let described = self.described().await?;
        let jobs = self.prepare(&described, writes, indexes, outcomes).await?;
        Ok((described, jobs))
    }

    /// Looks up the accounts of new contacts, and re-reads what is to be deleted: Salesforce's delete knows no version.
    async fn prepare<'w>(
        &self,
        described: &Arc<Described>,
        writes: &'w [Write],
        indexes: &[usize],
        outcomes: &mut [Option<Outcome>],
    ) -> Result<Vec<(usize, Job<'w>)>, Failure> {
        let wanted = || indexes.iter().map(|index| &writes[*index]);
        let accounts = self.accounts(described, wanted()).await?;
        let doomed: Vec<ItemId> = wanted()
            .filter_map(|w| match w {
                Write::Delete { id, .. } => Some(id.clone()),
                _ => None,
            })
            .collect();
        let mut present: HashMap<ItemId, Snapshot> = HashMap::new();
        for (id, snapshot) in doomed.iter().zip(self.read_items(&doomed).await?) {
            present.extend(snapshot.map(|s| (id.clone(), s)));
        }
        let mut jobs = Vec::with_capacity(indexes.len());
        for index in indexes.iter().copied() {
            match &writes[index] {
                Write::Create { key, record } => {
                    jobs.push((index, create(described, key, record, &accounts)));
                }
                Write::Update { id, set, key, .. } => {
                    let mut body = map::body(&described.profile, set, false);
                    if let (Some(key), Some(field)) = (key, described.key()) {
                        body.insert(field.to_owned(), Value::from(key.0.as_str()));
                    }
                    jobs.push((index, Job::Update { id, set, body }));
                }
                Write::Delete { id, version } => match present.remove(id) {
                    None => outcomes[index] = Some(Outcome::Missing),
                    Some(now) if !same(&now.version, version) => {
                        outcomes[index] = Some(Outcome::Conflict(Box::new(now)));
                    }
                    Some(_) => jobs.push((index, Job::Delete { id })),
                },
            }
        }
        // Rows of one account beside each other: fewer locks are waited for.
        jobs.sort_by(|(_, a), (_, b)| account_of(a).cmp(&account_of(b)));
        Ok(jobs)
    }

    /// The account of each company's exact name; the oldest where several have it.
    async fn accounts(
        &self,
        described: &Described,
        writes: impl Iterator<Item = &Write>,
    ) -> Result<HashMap<String, String>, Failure> {
        let writable = described
            .profile
            .fields
            .get(&Field::Company)
            .is_some_and(|r| r.access == tandem_sync::model::Access::CreateOnly);
        let names: BTreeSet<&str> = writes
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

    /// One composite: re-read, write, read back, in this order.
    async fn composite_of(
        &self,
        base: &str,
        described: &Described,
        jobs: &[(usize, Job<'_>)],
    ) -> Result<Vec<Said>, Failure> {
        let batch = Batch::new(described, jobs);
        let (answers, _) = self
            .rest
            .composite(base, &batch.requests(), Effect::Writes)
            .await?;
        let said = batch.read(&self.reading(described), answers)?;
        Ok(said)
    }

    /// Reads what was written and did not come back with the write itself.
    async fn read_back(
        &self,
        to_read: Vec<(usize, ItemId, BTreeMap<Field, FieldValue>)>,
        outcomes: &mut [Option<Outcome>],
    ) {
        if to_read.is_empty() {
            return;
        }
        let ids: Vec<ItemId> = to_read.iter().map(|(_, id, _)| id.clone()).collect();
        let found = match self.read_items(&ids).await {
            Ok(found) => found,
            Err(failure) => {
                tracing::warn!(fault = %failure.fault, rows = ids.len(), "what was written cannot be read back");
                vec![None; ids.len()]
            }
        };
        for ((index, _, replaced), now) in to_read.into_iter().zip(found) {
            outcomes[index] = Some(match now {
                Some(now) => Outcome::Written {
                    now: Box::new(now),
                    replaced,
                },
                None => Outcome::InDoubt,
            });
        }
    }
}

/// Nothing was written yet: whatever happened to the request, it is no doubt.
fn harmless(mut failure: Failure) -> Failure {
    failure.fault.in_doubt = false;
    failure
}

fn create<'w>(
    described: &Described,
    key: &'w LinkKey,
    record: &Record,
    accounts: &HashMap<String, String>,
) -> Job<'w> {
    let mut body = map::body(&described.profile, &record.fields, true);
    let company = record.get(Field::Company).known().map(str::trim);
    if let Some(account) = company.and_then(|name| accounts.get(name)) {
        body.insert("AccountId".to_owned(), Value::from(account.as_str()));
    }
    Job::Create { key, body }
}

fn account_of<'j>(job: &'j Job<'_>) -> Option<&'j str> {
    match job {
        Job::Create { body, .. } => body.get("AccountId").and_then(Value::as_str),
        _ => None,
    }
}

/// The same moment, whoever spelled it.
fn same(now: &Version, expected: &Version) -> bool {
    let time = |v: &Version| crate::times::parse(&v.0);
    now == expected || (time(now).is_some() && time(now) == time(expected))
}

/// Grows, and differs between workers that wait for the same rows: their batches differ.
fn pause(jobs: &[(usize, Job<'_>)], attempt: u32) -> Duration {
    let mut hasher = DefaultHasher::new();
    for (_, job) in jobs {
        match job {
            Job::Create { key, .. } => key.0.hash(&mut hasher),
            Job::Update { id, .. } | Job::Delete { id } => id.0.hash(&mut hasher),
        }
    }
    let jitter = u32::try_from(hasher.finish() % 500).unwrap_or(0);
    LOCK_PAUSE * attempt + LOCK_PAUSE * jitter / 500
}

/// The jobs of one composite, sorted by what is done.
struct Batch<'b, 'w> {
    described: &'b Described,
    jobs: &'b [(usize, Job<'w>)],
    /// Positions in `jobs`.
    creates: Vec<usize>,
    updates: Vec<usize>,
    deletes: Vec<usize>,
}

impl<'b, 'w> Batch<'b, 'w> {
    fn new(described: &'b Described, jobs: &'b [(usize, Job<'w>)]) -> Self {
        let mut batch = Self {
            described,
            jobs,
            creates: Vec::new(),
            updates: Vec::new(),
            deletes: Vec::new(),
        };
        for (at, (_, job)) in jobs.iter().enumerate() {
            match job {
                Job::Create { .. } => batch.creates.push(at),
                Job::Update { .. } => batch.updates.push(at),
                Job::Delete { .. } => batch.deletes.push(at),
            }
        }
        batch
    }

    /// Updates that write something; one whose every field turned unwritable is only read.
    fn real_updates(&self) -> impl Iterator<Item = (usize, &'w ItemId, &Row)> {
        self.updates.iter().filter_map(|at| match &self.jobs[*at].1 {
            Job::Update { id, body, .. } if !body.is_empty() => Some((*at, *id, body)),
            _ => None,
        })
    }

    fn requests(&self) -> Vec<SubRequest> {
        let mut requests = Vec::new();
        let updated: Vec<&str> = self
            .updates
            .iter()
            .filter_map(|at| match &self.jobs[*at].1 {
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
        let select =
            |condition: &str| format!("SELECT {} FROM Contact WHERE {condition}", self.described.select);
        let by_id = format!("Id IN ({})", quoted(&updated));
        if !updated.is_empty() {
            requests.push(SubRequest::query("before", false, &select(&by_id)));
        }
        let updates: Vec<Value> = self
            .real_updates()
            .map(|(_, id, body)| record(body, Some(id)))
            .collect();
        if !updates.is_empty() {
            requests.push(collection("update", Method::PATCH, "composite/sobjects", updates));
        }
        let mut keys = Vec::new();
        if !self.creates.is_empty() {
            let mut creates = Vec::new();
            for at in &self.creates {
                if let Job::Create { key, body } = &self.jobs[*at].1 {
                    let mut row = record(body, None);
                    if let Some(field) = self.described.key() {
                        row[field] = Value::from(key.0.as_str());
                        keys.push(key.0.as_str());
                    }
                    creates.push(row);
                }
            }
            requests.push(match self.described.key() {
                Some(field) => {
                    let path = format!("composite/sobjects/Contact/{field}");
                    collection("create", Method::PATCH, &path, creates)
                }
                None => collection("create", Method::POST, "composite/sobjects", creates),
            });
        }
        if !self.deletes.is_empty() {
            let ids: Vec<&str> = self
                .deletes
                .iter()
                .filter_map(|at| match &self.jobs[*at].1 {
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
        if let Some(field) = self.described.key().filter(|_| !keys.is_empty()) {
            written.push(format!("{field} IN ({})", quoted(&keys)));
        }
        if !written.is_empty() {
            requests.push(SubRequest::query("after", false, &select(&written.join(" OR "))));
        }
        requests
    }

    /// What became of each job, in the order of the jobs.
    fn read(&self, reading: &map::Reading<'_>, answers: Vec<SubAnswer>) -> Result<Vec<Said>, Failure> {
        let mut answers = answers.into_iter();
        let mut take = |wanted: bool| if wanted { answers.next() } else { None };
        let writes_updates = self.real_updates().next().is_some();
        let keyed = self.described.key().is_some() && !self.creates.is_empty();
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
            let rowwise = matches!(of_row(&ApiError::all_of(&first.body), None), RowProblem::Locked)
                || failure.is_about_fields();
            if !failure.fault.in_doubt && !rowwise {
                return Err(failure);
            }
        }
        let before = rows_by_id(before);
        let after = rows_by_id(after).unwrap_or_default();
        let mut said: Vec<Option<Said>> = self.jobs.iter().map(|_| None).collect();

        let updated: Vec<usize> = self.real_updates().map(|(at, _, _)| at).collect();
        for (at, result) in results(update, &updated) {
            let Job::Update { id, set, .. } = &self.jobs[at].1 else {
                continue;
            };
            let was = before.as_ref().map(|rows| rows.get(id.0.as_str()));
            said[at] = Some(match result {
                RowSaid::InDoubt => Said::Done(Outcome::InDoubt),
                RowSaid::Failed(errors) => failed(&errors, was.map(|w| w.is_some())),
                RowSaid::Ok(_) => {
                    let was = was.flatten().map(|row| reading.record(row));
                    let replaced = set
                        .keys()
                        .filter_map(|f| Some((*f, was.as_ref()?.get(*f).clone())))
                        .filter(|(_, value)| !value.is_unknown())
                        .collect();
                    written((*id).clone(), after.get(id.0.as_str()), reading, replaced)
                }
            });
        }
        for at in &self.updates {
            if let (None, Job::Update { id, .. }) = (&said[*at], &self.jobs[*at].1) {
                let there = before
                    .as_ref()
                    .is_none_or(|rows| rows.contains_key(id.0.as_str()));
                said[*at] = Some(if there {
                    written((*id).clone(), after.get(id.0.as_str()), reading, BTreeMap::new())
                } else {
                    Said::Done(Outcome::Missing)
                });
            }
        }
        for (at, result) in results(create, &self.creates) {
            said[at] = Some(match result {
                RowSaid::InDoubt | RowSaid::Ok(None) => Said::Done(Outcome::InDoubt),
                RowSaid::Failed(errors) => failed(&errors, None),
                RowSaid::Ok(Some(id)) => {
                    let row = after.get(id.as_str());
                    written(ItemId(id), row, reading, BTreeMap::new())
                }
            });
        }
        for (at, result) in results(delete, &self.deletes) {
            said[at] = Some(match result {
                RowSaid::InDoubt => Said::Done(Outcome::InDoubt),
                RowSaid::Failed(errors) => failed(&errors, None),
                RowSaid::Ok(_) => Said::Done(Outcome::Deleted),
            });
        }
        Ok(said
            .into_iter()
            .map(|s| s.unwrap_or(Said::Done(Outcome::InDoubt)))
            .collect())
    }
}

enum RowSaid {
    Ok(Option<String>),
    Failed(Vec<ApiError>),
    InDoubt,
}

/// The rows of one collection's answer, beside the positions that they stand for.
fn results(answer: Option<SubAnswer>, positions: &[usize]) -> Vec<(usize, RowSaid)> {
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
                    RowSaid::Ok(row.id.as_deref().and_then(id18))
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

fn failed(errors: &[ApiError], known: Option<bool>) -> Said {
    match of_row(errors, known) {
        RowProblem::Locked => Said::Locked(errors.to_vec()),
        RowProblem::Stale => Said::Stale(errors.to_vec()),
        RowProblem::Final(outcome) => Said::Done(outcome),
    }
}

fn written(
    id: ItemId,
    row: Option<&Row>,
    reading: &map::Reading<'_>,
    replaced: BTreeMap<Field, FieldValue>,
) -> Said {
    match row.map(|row| reading.snapshot(row)) {
        Some(Ok(now)) => Said::Done(Outcome::Written {
            now: Box::new(now),
            replaced,
        }),
        _ => Said::Read { id, replaced },
    }
}

/// `None`: they could not be read.
fn rows_by_id(answer: Option<SubAnswer>) -> Option<HashMap<String, Row>> {
    let page = answer?.page().ok()?;
    Some(
        page.rows
            .into_iter()
            .filter_map(|row| Some((map::id_of(&row).ok()?.0, row)))
            .collect(),
    )
}

fn collection(id: &str, method: Method, path: &str, records: Vec<Value>) -> SubRequest {
    let body = json!({ "allOrNone": false, "records": records });
    SubRequest::new(id, method, path, Some(body))
}

fn record(body: &Row, id: Option<&ItemId>) -> Value {
    let mut row = body.clone();
    row.insert("attributes".to_owned(), json!({ "type": "Contact" }));
    if let Some(id) = id {
        row.insert("id".to_owned(), Value::from(id.0.as_str()));
    }
    Value::Object(row)
}
