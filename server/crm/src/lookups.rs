//! Reads by id and by key.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tandem_sync::model::{Fate, ItemId, LinkKey, Snapshot, Trace};
use tandem_types::{ItemKind, Timestamp};

use crate::changes::{plain_event, plain_task};
use crate::describe::Described;
use crate::map::{self, Row, task};
use crate::problem::Failure;
use crate::salesforce::Salesforce;
use crate::{soql, times};

/// Ids of one query: five such fit a composite, and one API call reads 2,000 records.
const IDS_PER_QUERY: usize = 400;
/// Keys of one query.
const VALUES_PER_QUERY: usize = 200;
/// How far our clock may be ahead of Salesforce's.
const CLOCK_SKEW_SECONDS: i64 = 300;

/// A query: with deleted rows or not, and its text.
pub(crate) type Query = (bool, String);

impl Salesforce {
    /// Runs queries that `make` builds from the description; if a field turns out to be hidden, describes anew and tries
    /// again.
    pub(crate) async fn rows_by(
        &self,
        make: impl Fn(&Described) -> Vec<Query> + Send + Sync,
    ) -> Result<(Arc<Described>, Vec<Row>), Failure> {
        let base = self.base().await?;
        let mut described = self.described().await?;
        for _ in 0..2 {
            match self.rows(&base, &make(&described)).await {
                Err(failure) if failure.is_about_fields() => {
                    described = self.described_anew(&described).await?;
                }
                result => return Ok((described, result?)),
            }
        }
        let rows = self.rows(&base, &make(&described)).await?;
        Ok((described, rows))
    }

    async fn rows(&self, base: &str, queries: &[Query]) -> Result<Vec<Row>, Failure> {
        let mut rows = Vec::new();
        for answer in self.rest.queries(base, queries).await? {
            rows.append(&mut answer?);
        }
        Ok(rows)
    }

    /// Items by id, of any kind, deleted ones too if `all`. An id of no kind of ours finds nothing.
    pub(crate) async fn by_ids(
        &self,
        ids: &BTreeSet<&str>,
        all: bool,
    ) -> Result<(Arc<Described>, Vec<Row>), Failure> {
        let mut by_kind: BTreeMap<ItemKind, Vec<&str>> = BTreeMap::new();
        for id in ids {
            if let Some(kind) = map::kind_of_id(id) {
                by_kind.entry(kind).or_default().push(id);
            }
        }
        let lists: Vec<(ItemKind, String)> = by_kind
            .into_iter()
            .flat_map(|(kind, ids)| {
                soql::in_lists(ids, IDS_PER_QUERY)
                    .into_iter()
                    .map(move |list| (kind, list))
            })
            .collect();
        let (described, mut rows) = self
            .rows_by(|described| {
                lists
                    .iter()
                    .filter_map(|(kind, list)| {
                        let (object, select) = shape(described, *kind)?;
                        // Old activities are archived: only this shows them, with what was deleted.
                        let archive = matches!(kind, ItemKind::Event | ItemKind::Task);
                        let soql = format!("SELECT {select} FROM {object} WHERE Id IN ({list})");
                        Some((all || archive, soql))
                    })
                    .collect()
            })
            .await?;
        if !all {
            rows.retain(|row| !map::is_deleted(row));
        }
        Ok((described, rows))
    }

    pub(crate) async fn read_items(&self, ids: &[ItemId]) -> Result<Vec<Option<Snapshot>>, Failure> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let (described, rows) = self.by_ids(&valid_ids(ids), false).await?;
        let found: HashMap<ItemId, Snapshot> = self
            .snapshots(&described, &rows)
            .await?
            .into_iter()
            .map(|s| (s.id.clone(), s))
            .collect();
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    pub(crate) async fn find_fates(&self, asked: &[Trace]) -> Result<Vec<Fate>, Failure> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<ItemId> = asked.iter().map(|trace| trace.id.clone()).collect();
        let (described, rows) = self.by_ids(&valid_ids(&ids), true).await?;
        let (gone, here): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(map::is_deleted);
        let mut fates: HashMap<ItemId, Fate> = HashMap::new();
        for row in &gone {
            let merged_into = map::merged_into(row);
            fates.insert(map::id_of(row)?, Fate::Deleted { merged_into });
        }
        for snapshot in self.snapshots(&described, &here).await? {
            fates.insert(snapshot.id.clone(), Fate::Here(Box::new(snapshot)));
        }
        let mut lost: BTreeMap<ItemKind, Vec<&LinkKey>> = BTreeMap::new();
        for trace in asked.iter().filter(|trace| !fates.contains_key(&trace.id)) {
            lost.entry(trace.kind).or_default().push(&trace.key);
        }
        let by_key: HashMap<LinkKey, Snapshot> = self
            .by_keys(&lost)
            .await?
            .into_iter()
            .filter_map(|s| Some((s.key.clone()?, s)))
            .collect();
        Ok(asked
            .iter()
            .map(|trace| match (fates.get(&trace.id), by_key.get(&trace.key)) {
                (Some(fate), _) => fate.clone(),
                (None, Some(snapshot)) => Fate::Here(Box::new(snapshot.clone())),
                // Purged from the recycle bin, or no longer shared: the answer is the same.
                (None, None) => Fate::Unproved,
            })
            .collect())
    }

    /// Items that carry one of the keys; none where the organisation has no field for them.
    async fn by_keys(&self, keys: &BTreeMap<ItemKind, Vec<&LinkKey>>) -> Result<Vec<Snapshot>, Failure> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let lists: Vec<(ItemKind, String)> = keys
            .iter()
            .flat_map(|(kind, keys)| {
                soql::in_lists(keys.iter().map(|key| key.0.as_str()), VALUES_PER_QUERY)
                    .into_iter()
                    .map(|list| (*kind, list))
            })
            .collect();
        let make = |described: &Described| -> Vec<Query> {
            lists
                .iter()
                .filter_map(|(kind, list)| {
                    let view = described.view(*kind)?;
                    let (field, select) = (view.key_field.as_ref()?, &view.select);
                    let mut conditions = vec![format!("{field} IN ({list})")];
                    conditions.extend(plain(described, *kind));
                    let filter = conditions.join(" AND ");
                    Some((
                        false,
                        format!("SELECT {select} FROM {} WHERE {filter}", view.object),
                    ))
                })
                .collect()
        };
        if make(&*self.described().await?).is_empty() {
            return Ok(Vec::new());
        }
        let (described, rows) = self.rows_by(make).await?;
        self.snapshots(&described, &rows).await
    }

    pub(crate) async fn find_created(
        &self,
        kind: ItemKind,
        keys: &[LinkKey],
        since: Timestamp,
    ) -> Result<Vec<Snapshot>, Failure> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let described = self.described().await?;
        let Some(view) = described.view(kind) else {
            return Ok(Vec::new());
        };
        if view.key().is_some() {
            return self.by_keys(&[(kind, keys.iter().collect())].into()).await;
        }
        let me = soql::quote(self.me());
        let since = times::literal(since.plus_seconds(-CLOCK_SKEW_SECONDS));
        let (described, rows) = self
            .rows_by(|described| {
                let Some(view) = described.view(kind) else {
                    return Vec::new();
                };
                let mut conditions = vec![format!("CreatedById = {me}"), format!("CreatedDate >= {since}")];
                conditions.extend(plain(described, kind));
                let soql = format!(
                    "SELECT {} FROM {} WHERE {} ORDER BY CreatedDate, Id",
                    view.select,
                    view.object,
                    conditions.join(" AND ")
                );
                vec![(false, soql)]
            })
            .await?;
        self.snapshots(&described, &rows).await
    }
}

/// The object and the fields of a read by id. Where emails are tasks, whatever is asked for of a task is read.
fn shape(described: &Described, kind: ItemKind) -> Option<(&'static str, String)> {
    let view = described.view(kind)?;
    Some((view.object, view.select.clone()))
}

/// What tells the rows of a kind from others of the same object.
pub(crate) fn plain(described: &Described, kind: ItemKind) -> Vec<String> {
    match kind {
        ItemKind::Event => plain_event(described),
        ItemKind::Task => plain_task(described),
        ItemKind::Email if described.emails_are_tasks() => {
            vec![format!("TaskSubtype = {}", soql::quote(task::EMAIL_SUBTYPE))]
        }
        ItemKind::Contact | ItemKind::Email => Vec::new(),
    }
}

/// Ids that can be one: whatever else the engine holds cannot be found, and must not make a query fail.
pub(crate) fn valid_ids(ids: &[ItemId]) -> BTreeSet<&str> {
    ids.iter()
        .map(|id| id.0.as_str())
        .filter(|id| id.len() == 18 && id.bytes().all(|b| b.is_ascii_alphanumeric()))
        .collect()
}
