//! Writes, kind by kind, each batch in one composite.

mod batch;
mod prepare;
mod relate;

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use tandem_sync::model::{Field, FieldValue, ItemId, LinkKey, Outcome, Refusal, Write};
use tandem_types::{IssueCode, ItemKind};

use crate::client::Effect;
use crate::describe::Described;
use crate::map::ties::Ties;
use crate::map::{self, Row};
use crate::problem::{ApiError, Failure, refused};
use crate::salesforce::Salesforce;
use batch::Batch;
use relate::Work;

/// How often rows that another transaction holds are tried again.
const LOCK_RETRIES: u32 = 2;
const LOCK_PAUSE: Duration = Duration::from_millis(400);

/// Of the rows in one request, about. Two hundred emails with the longest texts would be 50 MB.
const REQUEST_BYTES: usize = 6 << 20;

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

/// A write's position in the batch, what is sent first, and what is left to do on rows of other objects.
struct Planned<'w> {
    index: usize,
    job: Job<'w>,
    work: Work,
    /// What the write replaces, where more was read than its own row shows.
    replaced: BTreeMap<Field, FieldValue>,
}

/// What a composite said of one job.
enum Said {
    Done(Outcome),
    Written(Written),
    /// To be tried again in a moment.
    Locked(Vec<ApiError>),
    /// To be tried again with a new description.
    Stale(Vec<ApiError>),
}

/// A row that was written. Without `row` it is still to be read back.
struct Written {
    id: ItemId,
    /// It was not there before.
    new: bool,
    /// Its own row was written, not only others that are about it.
    touched: bool,
    row: Option<Row>,
    replaced: BTreeMap<Field, FieldValue>,
    /// What was not written beside it.
    left: Option<Box<Refusal>>,
}

/// Whether it is refused for a word that a picklist of the organisation lacks.
fn lacks_word(outcome: Option<&Outcome>) -> bool {
    matches!(outcome, Some(Outcome::Refused(refusal)) if refusal.code == IssueCode::UnknownValue)
}

/// The state of one call.
struct Progress {
    outcomes: Vec<Option<Outcome>>,
    /// Something was sent that may have been done: from here on nothing is a fault of the whole batch.
    wrote: bool,
    written: Vec<(usize, Written)>,
}

impl Salesforce {
    pub(crate) async fn write_batch(&self, writes: &[Write]) -> Result<Vec<Outcome>, Failure> {
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let described = self.described().await.map_err(harmless)?;
        let base = self.base().await.map_err(harmless)?;
        let mut progress = Progress {
            outcomes: vec![None; writes.len()],
            wrote: false,
            written: Vec::new(),
        };
        let mut by_kind: BTreeMap<ItemKind, Vec<usize>> = BTreeMap::new();
        for (index, write) in writes.iter().enumerate() {
            by_kind.entry(kind_of(write)).or_default().push(index);
        }
        for (kind, indexes) in by_kind {
            let done = self
                .write_kind(&base, &described, kind, writes, &indexes, &mut progress)
                .await;
            match done {
                Ok(()) => {}
                Err(failure) if progress.wrote => {
                    tracing::warn!(fault = %failure.fault, kind = kind.as_str(), "the rest of a batch was not written");
                    for index in indexes {
                        progress.outcomes[index]
                            .get_or_insert_with(|| refused(kind, IssueCode::Refused, &[], true));
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        self.tell(&mut progress).await;
        Ok(progress
            .outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or(Outcome::InDoubt))
            .collect())
    }

    /// The writes of one kind, through retries of locked and of stale rows.
    async fn write_kind(
        &self,
        base: &str,
        described: &Arc<Described>,
        kind: ItemKind,
        writes: &[Write],
        indexes: &[usize],
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let mut described = Arc::clone(described);
        let mut jobs = self
            .prepare(&described, kind, writes, indexes, &mut progress.outcomes)
            .await
            .map_err(harmless)?;
        let mut to_relate: Vec<(usize, Written, Work)> = Vec::new();
        let mut described_anew = false;
        let mut waited = 0;
        // A word that the organisation lacks by an old description: it may have been added since.
        let lacking: Vec<usize> = indexes
            .iter()
            .copied()
            .filter(|&index| lacks_word(progress.outcomes[index].as_ref()))
            .collect();
        if !lacking.is_empty() {
            described_anew = true;
            let (anew, again) = self
                .prepare_anew(kind, writes, &lacking, &mut progress.outcomes)
                .await
                .map_err(harmless)?;
            described = anew;
            jobs.extend(again);
        }
        while !jobs.is_empty() {
            // What is all relations needs no write of its own row.
            let (bare, mut sent): (Vec<_>, Vec<_>) = jobs.into_iter().partition(Planned::is_bare);
            for planned in bare {
                if let Job::Update { id, .. } = planned.job {
                    let written = Written {
                        id: id.clone(),
                        new: false,
                        touched: false,
                        row: None,
                        replaced: planned.replaced,
                        left: None,
                    };
                    to_relate.push((planned.index, written, planned.work));
                }
            }
            let mut said = Vec::with_capacity(sent.len());
            for part in by_size(&sent) {
                match self.composite_of(base, &described, kind, part).await {
                    Ok(some) => said.extend(some),
                    Err(failure) if failure.fault.in_doubt => {
                        tracing::warn!(fault = %failure.fault, writes = part.len(), "a batch of writes is in doubt");
                        said.extend(part.iter().map(|_| Said::Done(Outcome::InDoubt)));
                    }
                    Err(failure) if progress.wrote => {
                        tracing::warn!(fault = %failure.fault, "some rows were not tried again");
                        let refused = |_| Said::Done(refused(kind, IssueCode::Refused, &[], true));
                        said.extend(part.iter().map(refused));
                    }
                    Err(failure) => return Err(failure),
                }
                progress.wrote = true;
            }
            let mut locked = Vec::new();
            let mut stale = Vec::new();
            for (mut planned, said) in sent.drain(..).zip(said) {
                let index = planned.index;
                match said {
                    Said::Done(outcome) => {
                        // The description that it was prepared by is old: a new one tells which word is missing.
                        if lacks_word(Some(&outcome)) {
                            stale.push(index);
                        }
                        progress.outcomes[index] = Some(outcome);
                    }
                    Said::Written(mut written) => {
                        written.replaced.append(&mut planned.replaced);
                        if planned.work.is_none() {
                            progress.written.push((index, written));
                        } else {
                            to_relate.push((index, written, planned.work));
                        }
                    }
                    Said::Locked(_) if waited < LOCK_RETRIES => locked.push(planned),
                    Said::Locked(errors) => {
                        progress.outcomes[index] = Some(refused(kind, IssueCode::Refused, &errors, true));
                    }
                    Said::Stale(errors) => {
                        progress.outcomes[index] =
                            Some(refused(kind, IssueCode::NoPermission, &errors, false));
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
                match self
                    .prepare_anew(kind, writes, &stale, &mut progress.outcomes)
                    .await
                {
                    Ok((anew, again)) => {
                        described = anew;
                        jobs.extend(again);
                    }
                    Err(failure) => {
                        tracing::warn!(fault = %failure.fault, "what may be written cannot be described anew");
                    }
                }
            }
        }
        if !to_relate.is_empty() {
            self.relate(base, &described, kind, to_relate, progress).await?;
        }
        Ok(())
    }

    async fn prepare_anew<'w>(
        &self,
        kind: ItemKind,
        writes: &'w [Write],
        indexes: &[usize],
        outcomes: &mut [Option<Outcome>],
    ) -> Result<(Arc<Described>, Vec<Planned<'w>>), Failure> {
        self.cache.forget(&self.account.org, &self.account.user);
        let described = self.described().await?;
        let jobs = self.prepare(&described, kind, writes, indexes, outcomes).await?;
        Ok((described, jobs))
    }

    /// One composite: re-read, write, read back, in this order.
    async fn composite_of(
        &self,
        base: &str,
        described: &Described,
        kind: ItemKind,
        jobs: &[Planned<'_>],
    ) -> Result<Vec<Said>, Failure> {
        let Some(batch) = Batch::new(described, kind, jobs).filter(|_| !jobs.is_empty()) else {
            return Ok(Vec::new());
        };
        let (answers, _) = self
            .rest
            .composite(base, &batch.requests(), Effect::Writes)
            .await?;
        let reach = map::Reach::Mine;
        batch.read(&self.reading(described, &reach), answers)
    }

    /// Turns what was written into outcomes: reads what did not come back with the write itself, and what the rows are
    /// tied to.
    async fn tell(&self, progress: &mut Progress) {
        let written = std::mem::take(&mut progress.written);
        if written.is_empty() {
            return;
        }
        let missing: Vec<ItemId> = written
            .iter()
            .filter(|(_, written)| written.row.is_none())
            .map(|(_, written)| written.id.clone())
            .collect();
        let told = async {
            let described = self.described().await?;
            let mut rows: HashMap<String, Row> = HashMap::new();
            if !missing.is_empty() {
                let (_, read) = self.by_ids(&crate::lookups::valid_ids(&missing), false).await?;
                for row in read {
                    rows.insert(map::id_of(&row)?.0, row);
                }
            }
            for (_, written) in &written {
                if let Some(row) = &written.row {
                    rows.insert(written.id.0.clone(), row.clone());
                }
            }
            let all: Vec<Row> = rows.values().cloned().collect();
            let ties = self.ties(&described, &all).await?;
            let reach = self.reach_for(&all).await?;
            Ok::<_, Failure>((described, rows, ties, reach))
        };
        let (described, rows, ties, reach) = match told.await {
            Ok(told) => told,
            Err(failure) => {
                tracing::warn!(fault = %failure.fault, rows = written.len(), "what was written cannot be read back");
                for (index, _) in written {
                    progress.outcomes[index] = Some(Outcome::InDoubt);
                }
                return;
            }
        };
        let reading = self.reading(&described, &reach);
        let none = Ties::default();
        for (index, written) in written {
            let now = rows.get(&written.id.0).map(|row| {
                let tied = if map::kind_of_id(&written.id.0) == Some(ItemKind::Contact) {
                    &none
                } else {
                    &ties
                };
                reading.snapshot(row, tied)
            });
            progress.outcomes[index] = Some(match now {
                Some(Ok(now)) => Outcome::Written {
                    now: Box::new(now),
                    replaced: written.replaced,
                    left: written.left,
                },
                _ => Outcome::InDoubt,
            });
        }
    }
}

impl Planned<'_> {
    /// An update whose own row stays as it is, with work on others.
    fn is_bare(&self) -> bool {
        matches!(&self.job, Job::Update { body, .. } if body.is_empty()) && !self.work.is_none()
    }
}

/// Rows that go out together: a request that is too large is refused before any row of it is looked at.
fn by_size<'p, 'w>(jobs: &'p [Planned<'w>]) -> Vec<&'p [Planned<'w>]> {
    let mut parts = Vec::new();
    let mut rest = jobs;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest
            .iter()
            .take_while(|planned| {
                bytes += weight(&planned.job);
                bytes <= REQUEST_BYTES
            })
            .count();
        let (part, later) = rest.split_at(fits.max(1));
        parts.push(part);
        rest = later;
    }
    parts
}

/// About so many bytes of a request.
fn weight(job: &Job<'_>) -> usize {
    match job {
        Job::Create { body, .. } | Job::Update { body, .. } => body
            .iter()
            .map(|(name, value)| name.len() + value.as_str().map_or(8, str::len))
            .sum(),
        Job::Delete { .. } => 0,
    }
}

fn kind_of(write: &Write) -> ItemKind {
    match write {
        Write::Create { record, .. } => record.kind,
        Write::Update { kind, .. } | Write::Delete { kind, .. } => *kind,
    }
}

/// Nothing was written yet: whatever happened to the request, it is no doubt.
fn harmless(mut failure: Failure) -> Failure {
    failure.fault.in_doubt = false;
    failure
}

/// Grows, and differs between workers that wait for the same rows: their batches differ.
fn pause(jobs: &[Planned<'_>], attempt: u32) -> Duration {
    let mut hasher = DefaultHasher::new();
    for planned in jobs {
        match &planned.job {
            Job::Create { key, .. } => key.0.hash(&mut hasher),
            Job::Update { id, .. } | Job::Delete { id } => id.0.hash(&mut hasher),
        }
    }
    let jitter = u32::try_from(hasher.finish() % 500).unwrap_or(0);
    LOCK_PAUSE * attempt + LOCK_PAUSE * jitter / 500
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sent_together_up_to_a_size_and_never_none() {
        const MB: usize = 1 << 20;
        let key = LinkKey("k".to_owned());
        let of = |sizes: &[usize]| -> Vec<Planned<'_>> {
            let jobs = sizes.iter().enumerate().map(|(index, size)| Planned {
                index,
                job: Job::Create {
                    key: &key,
                    body: Row::from_iter([("T".to_owned(), "x".repeat(*size).into())]),
                },
                work: Work::None,
                replaced: BTreeMap::new(),
            });
            jobs.collect()
        };
        let cut =
            |sizes: &[usize]| -> Vec<usize> { by_size(&of(sizes)).into_iter().map(<[_]>::len).collect() };
        assert_eq!(cut(&[]), Vec::<usize>::new());
        assert_eq!(cut(&[10; 200]), [200]);
        assert_eq!(cut(&[2 * MB; 5]), [2, 2, 1]);
        assert_eq!(cut(&[9 * MB, 1, 9 * MB]), [1, 1, 1]);
    }
}
