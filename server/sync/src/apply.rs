//! Carries a plan out: in batches, each of them durable before the next.

use std::collections::{BTreeMap, BTreeSet};

use tandem_types::{Counts, IssueCode, IssueCure, IssueId, ItemKind, ProgressPhase, Side};

use crate::facts::Seen;
use crate::link::{Intent, Link, LinkState};
use crate::merge::Both;
use crate::model::{Field, FieldValue, ItemId, Outcome, Record, Refusal, Snapshot, Write};
use crate::normalise::normalise;
use crate::plan::{
    Draft, Job, Plan, REFUSALS, Step, Update, linked, name_of, on_side, own_id, park, parse_own, set_item,
    title,
};
use crate::ports::{Commit, Issue, IssueKey, JournalAct, JournalEntry};
use crate::round::{Halt, Round};
use crate::session::{no_counts, progress};
use crate::survey::Look;

/// Links in one commit that writes to neither side.
const NOTES_MAX: usize = 500;

/// What has been done so far.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) counts: Counts,
    pub(crate) issues: u32,
    /// Something was sent, and it is not known what became of it.
    pub(crate) in_doubt: bool,
    total: usize,
    done: usize,
}

impl Applied {
    /// `planned`: what the plan skips is skipped, whatever becomes of the rest.
    pub(crate) fn new(planned: Counts) -> Self {
        let mut counts = no_counts();
        counts.mailbox.skipped = planned.mailbox.skipped;
        counts.crm.skipped = planned.crm.skipped;
        Self {
            counts,
            issues: 0,
            in_doubt: false,
            total: 0,
            done: 0,
        }
    }
}

/// A job on its way.
struct Work {
    job: Job,
    /// Values that are still to be carried to this side.
    open: Both<bool>,
    failed: bool,
}

type Sent = BTreeMap<Field, FieldValue>;

impl Round<'_> {
    /// True: all of it was done. False: stopped at a safe point; the next session goes on.
    pub(crate) async fn apply(&mut self, plan: Plan, applied: &mut Applied) -> Result<bool, Halt> {
        if !self.pass(plan, applied).await? {
            return Ok(false);
        }
        if !self.again.is_empty() {
            // What moved under our hands is looked at once more, and only that.
            self.look = Look::Again;
            self.find_out().await?;
            let plan = self.plan();
            self.again.clear();
            if !self.pass(plan, applied).await? {
                return Ok(false);
            }
        }
        let mut commit = Commit::default();
        for id in std::mem::take(&mut self.again) {
            if let Some(link) = self.links.get(&id) {
                let side = if link.crm_id.is_some() {
                    Side::Crm
                } else {
                    Side::Mailbox
                };
                commit.links.push(owed(link, side, self.cx.clock.now()));
            }
        }
        if !commit.links.is_empty() {
            self.commit(commit).await?;
        }
        Ok(true)
    }

    async fn pass(&mut self, plan: Plan, applied: &mut Applied) -> Result<bool, Halt> {
        let (notes, writes): (Vec<Job>, Vec<Job>) = plan
            .jobs
            .into_iter()
            .partition(|job| matches!(job.step, Step::Note));
        applied.total += writes.len();
        if !self.notes(notes, plan.issues, plan.solved, applied).await? {
            return Ok(false);
        }
        let mut works: Vec<Work> = writes
            .into_iter()
            .map(|job| Work {
                open: match &job.step {
                    Step::Update(updates) => {
                        Both::new(carries(updates.mailbox.as_ref()), carries(updates.crm.as_ref()))
                    }
                    _ => Both::default(),
                },
                job,
                failed: false,
            })
            .collect();
        for side in [Side::Crm, Side::Mailbox] {
            if !self.makes(side, &mut works, applied).await? {
                return Ok(false);
            }
        }
        for side in [Side::Crm, Side::Mailbox] {
            if !self.updates(side, &mut works, applied).await? {
                return Ok(false);
            }
        }
        for side in [Side::Mailbox, Side::Crm] {
            if !self.removes(side, &mut works, applied).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the next batch may start.
    async fn safe_point(&mut self, applied: &Applied) -> Result<bool, Halt> {
        progress(&self.cx, ProgressPhase::Writing, applied.done, applied.total);
        if self.cx.observer.should_stop() || self.written >= self.cx.limits.writes {
            return Ok(false);
        }
        let spent = self.cx.clock.now().seconds_since(self.started);
        if u64::try_from(spent).is_ok_and(|spent| spent >= self.cx.limits.time.as_secs()) {
            return Ok(false);
        }
        self.keeper.keep().await?;
        Ok(true)
    }

    async fn notes(
        &mut self,
        jobs: Vec<Job>,
        issues: Vec<Draft>,
        solved: Vec<IssueKey>,
        applied: &mut Applied,
    ) -> Result<bool, Halt> {
        let mut jobs = jobs.into_iter().peekable();
        let mut issues = issues.into_iter().peekable();
        let mut solved = solved.into_iter().peekable();
        while jobs.peek().is_some() || issues.peek().is_some() || solved.peek().is_some() {
            if !self.safe_point(applied).await? {
                return Ok(false);
            }
            let mut commit = Commit::default();
            for job in jobs.by_ref().take(NOTES_MAX) {
                applied.counts.adopted += u32::from(job.adopted);
                commit.journal.extend(job.journal);
                self.links.put(job.link.clone());
                commit.links.push(job.link);
            }
            for draft in issues.by_ref().take(NOTES_MAX) {
                commit.issues.push(self.issue(draft));
            }
            commit.solved.extend(solved.by_ref().take(NOTES_MAX * 4));
            self.commit(commit).await?;
        }
        Ok(true)
    }

    async fn send(&mut self, side: Side, writes: &[Write]) -> Result<Vec<Outcome>, Halt> {
        self.written += writes.len();
        let outcomes = self
            .cx
            .side(side)
            .write(writes)
            .await
            .map_err(|fault| Halt::Fault(side, fault))?;
        if outcomes.len() == writes.len() {
            Ok(outcomes)
        } else {
            let text = format!("{} writes, {} outcomes", writes.len(), outcomes.len());
            Err(Halt::Fault(side, crate::Fault::fatal(text)))
        }
    }

    async fn makes(&mut self, side: Side, works: &mut [Work], applied: &mut Applied) -> Result<bool, Halt> {
        let batch = self.cx.side(side).batch().max(1);
        let mut todo: Vec<&mut Work> = works
            .iter_mut()
            .filter(|work| matches!(&work.job.step, Step::Make { on, .. } if *on == side))
            .collect();
        for chunk in todo.chunks_mut(batch) {
            if !self.safe_point(applied).await? {
                return Ok(false);
            }
            let now = self.cx.clock.now();
            let mut intents = Commit::default();
            let mut writes = Vec::with_capacity(chunk.len());
            for work in chunk.iter_mut() {
                let link = &mut work.job.link;
                link.intent = Some(Intent { side, at: now });
                let Step::Make { record, .. } = &work.job.step else {
                    continue;
                };
                writes.push(Write::Create {
                    key: link.key.clone(),
                    record: record.clone(),
                });
                intents.links.push(link.clone());
            }
            // The intent is durable before the request leaves: whatever happens to the answer, it is not sent twice.
            self.commit(intents).await?;
            let outcomes = self.send(side, &writes).await?;
            let mut commit = Commit::default();
            for (work, outcome) in chunk.iter_mut().zip(outcomes) {
                self.made(side, work, outcome, &mut commit, applied);
                applied.done += 1;
            }
            self.commit(commit).await?;
        }
        Ok(true)
    }

    fn made(
        &mut self,
        side: Side,
        work: &mut Work,
        outcome: Outcome,
        commit: &mut Commit,
        applied: &mut Applied,
    ) {
        let job = &mut work.job;
        let Step::Make { record, tag, .. } = &job.step else {
            return;
        };
        let tag = *tag;
        match outcome {
            Outcome::Written { now, .. } => {
                let source = job.saw.on(side.other()).as_deref();
                if self.settle_made(&mut job.link, side, source, record, &now) {
                    self.again.insert(job.link.id.clone());
                }
                set_item(&mut job.link, side, Some(&now));
                job.link.intent = None;
                commit.journal.push(JournalEntry {
                    link: job.link.id.clone(),
                    kind: job.link.kind,
                    side,
                    item: now.id.clone(),
                    act: JournalAct::Created,
                });
                commit.journal.append(&mut job.journal);
                if let Some(source) = source {
                    self.solve(side.other(), &source.id, commit);
                }
                on_side(&mut applied.counts, side).created += 1;
                self.saw(side, &now);
                *job.saw.on_mut(side) = Some(now);
                self.keep(&job.link, commit);
                if tag {
                    let mut update = Update::default();
                    if let Some(item) = job.saw.mailbox.as_deref() {
                        let holds_key = self.profiles.as_ref().is_some_and(|both| both.mailbox.holds_key);
                        update.key = holds_key && item.key.as_ref() != Some(&job.link.key);
                        update.mark = !item.marked;
                    }
                    job.step = Step::Update(Both::new(Some(update), None));
                }
            }
            Outcome::Refused(refusal) => {
                work.failed = true;
                let source = job.saw.on(side.other()).as_deref();
                let retry = refusal.retry;
                if let Some(source) = source {
                    let draft = refused(side.other(), &source.id, title(&source.record), refusal);
                    self.raise(draft, commit, applied);
                    if !retry {
                        park(&mut job.link, side.other(), source);
                    }
                }
                self.keep(&job.link, commit);
            }
            // The intent stays, and the next session looks for what it may have made.
            Outcome::InDoubt | Outcome::Conflict(_) | Outcome::Missing | Outcome::Deleted => {
                applied.in_doubt = true;
                work.failed = true;
            }
        }
    }

    /// Moves the bases of a link whose item was made. True: the server added something by itself.
    fn settle_made(
        &self,
        link: &mut Link,
        side: Side,
        source: Option<&Snapshot>,
        sent: &Record,
        now: &Snapshot,
    ) -> bool {
        let mut added = false;
        for &field in Field::CONTACT {
            let held = now.record.get(field);
            let Some(hash) = self.hasher.of(field, held) else {
                continue;
            };
            let from = source.map_or(&FieldValue::Unknown, |source| source.record.get(field));
            if !sent.get(field).is_unknown() || from.is_unknown() {
                link.base.on_mut(side).insert(field, hash);
            } else if normalise(field, from) == normalise(field, held) {
                link.base.on_mut(side).insert(field, hash);
                link.base.on_mut(side.other()).insert(field, hash);
            } else {
                added = true;
            }
        }
        added
    }

    async fn updates(&mut self, side: Side, works: &mut [Work], applied: &mut Applied) -> Result<bool, Halt> {
        let batch = self.cx.side(side).batch().max(1);
        let mut todo: Vec<&mut Work> = works
            .iter_mut()
            .filter(|work| !work.failed)
            .filter(|work| matches!(&work.job.step, Step::Update(updates) if updates.on(side).is_some()))
            .collect();
        for chunk in todo.chunks_mut(batch) {
            if !self.safe_point(applied).await? {
                return Ok(false);
            }
            let mut writes = Vec::with_capacity(chunk.len());
            let mut lost = Commit::default();
            for work in chunk.iter() {
                let (Step::Update(updates), Some(saw)) = (&work.job.step, work.job.saw.on(side)) else {
                    continue;
                };
                let Some(update) = updates.on(side) else { continue };
                lost.journal
                    .extend(lost_to_conflict(side, &work.job, update, saw));
                let set = update
                    .set
                    .iter()
                    .map(|(f, carried)| (*f, carried.value.clone()))
                    .collect();
                writes.push(Write::Update {
                    id: saw.id.clone(),
                    version: saw.version.clone(),
                    set,
                    key: update.key.then(|| work.job.link.key.clone()),
                    mark: update.mark.then_some(true),
                });
            }
            // A value that a conflict rule did not choose is in the journal before it is overwritten: nobody else has it.
            if !lost.journal.is_empty() {
                self.commit(lost).await?;
            }
            let outcomes = self.send(side, &writes).await?;
            let mut commit = Commit::default();
            let mut rest = Vec::new();
            for ((work, write), outcome) in chunk.iter_mut().zip(writes).zip(outcomes) {
                let taken = without_refused(write, &outcome);
                self.updated(side, work, outcome, &mut commit, applied);
                applied.done += 1;
                if let Some(write) = taken {
                    work.failed = false;
                    rest.push((work, write));
                }
            }
            // One field that is not taken does not keep the others back.
            let mut sent = Ok(());
            if !rest.is_empty() {
                let writes: Vec<Write> = rest.iter().map(|(_, write)| write.clone()).collect();
                match self.send(side, &writes).await {
                    Ok(outcomes) => {
                        for ((work, write), outcome) in rest.into_iter().zip(outcomes) {
                            narrow(&mut work.job.step, side, &write);
                            self.updated(side, work, outcome, &mut commit, applied);
                        }
                    }
                    Err(halt) => sent = Err(halt),
                }
            }
            // What the first request did is noted, whatever became of the second.
            self.commit(commit).await?;
            sent?;
        }
        Ok(true)
    }

    fn updated(
        &mut self,
        side: Side,
        work: &mut Work,
        outcome: Outcome,
        commit: &mut Commit,
        applied: &mut Applied,
    ) {
        let Work { job, open, failed } = work;
        let Step::Update(updates) = &job.step else { return };
        let Some(update) = updates.on(side) else { return };
        let Some(saw) = job.saw.on(side).clone() else {
            return;
        };
        match outcome {
            Outcome::Written { now, replaced } => {
                self.journal_update(side, job, update, &saw, &now, &replaced, commit, applied);
                for (field, carried) in &update.set {
                    let held = match now.record.get(*field) {
                        FieldValue::Unknown => &carried.value,
                        held => held,
                    };
                    if let Some(hash) = self.hasher.of(*field, held) {
                        job.link.base.on_mut(side).insert(*field, hash);
                    }
                    if let Some(hash) = carried.source {
                        job.link.base.on_mut(side.other()).insert(*field, hash);
                    }
                }
                if update.is_seen() {
                    on_side(&mut applied.counts, side).changed += 1;
                }
                if moved_unseen(&saw, &now, &update.set) {
                    self.again.insert(job.link.id.clone());
                }
                self.solve(side, &now.id, commit);
                self.saw(side, &now);
                *open.on_mut(side) = false;
                match side {
                    Side::Mailbox => job.link.mailbox_id = Some(now.id.clone()),
                    Side::Crm => job.link.crm_id = Some(now.id.clone()),
                }
                *job.saw.on_mut(side) = Some(now);
                // A side's version is noted when nothing of it waits to be carried to the other.
                for noted in Side::BOTH {
                    if let (Some(item), false) = (job.saw.on(noted).clone(), *open.on(noted.other())) {
                        set_item(&mut job.link, noted, Some(&item));
                    }
                }
                if job.adopted {
                    applied.counts.adopted += 1;
                    job.adopted = false;
                }
                commit.journal.append(&mut job.journal);
                self.keep(&job.link, commit);
            }
            Outcome::Conflict(fresh) => {
                *failed = true;
                self.saw(side, &fresh);
                self.links.put(job.link.clone());
                self.again.insert(job.link.id.clone());
            }
            Outcome::Refused(refusal) => {
                *failed = true;
                let retry = refusal.retry;
                let (named, item) = name_of(&job.link);
                self.raise(
                    refused(named, &item, title(&saw.record), refusal),
                    commit,
                    applied,
                );
                if retry {
                    self.owe(&job.link, side, commit);
                } else if job.dirty {
                    commit.journal.append(&mut job.journal);
                    self.keep(&job.link, commit);
                }
            }
            Outcome::InDoubt | Outcome::Missing | Outcome::Deleted => {
                applied.in_doubt = true;
                *failed = true;
                self.owe(&job.link, side, commit);
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one entry of the journal needs all that is known of one write"
    )]
    fn journal_update(
        &mut self,
        side: Side,
        job: &Job,
        update: &Update,
        saw: &Snapshot,
        now: &Snapshot,
        replaced: &Sent,
        commit: &mut Commit,
        applied: &mut Applied,
    ) {
        let entry = |act| JournalEntry {
            link: job.link.id.clone(),
            kind: job.link.kind,
            side,
            item: now.id.clone(),
            act,
        };
        let held = |field: &Field| match replaced.get(field) {
            None | Some(FieldValue::Unknown) => saw.record.get(*field).clone(),
            Some(value) => value.clone(),
        };
        let old: Vec<(Field, FieldValue)> = update.set.keys().map(|field| (*field, held(field))).collect();
        if !old.is_empty() {
            commit.journal.push(entry(JournalAct::Changed { old }));
        }
        let unseen: Vec<&str> = update
            .set
            .iter()
            .filter(|(field, carried)| {
                replaced.get(*field).is_some_and(|was| {
                    let was = normalise(**field, was);
                    !was.is_unknown()
                        && was != normalise(**field, &carried.held)
                        && was != normalise(**field, &carried.value)
                })
            })
            .map(|(field, _)| field.as_str())
            .collect();
        if !unseen.is_empty() {
            let (named, item) = name_of(&job.link);
            let key = IssueKey {
                kind: ItemKind::Contact,
                side: named,
                item,
                code: IssueCode::ReplacedUnseen,
            };
            let draft = Draft {
                key,
                title: title(&saw.record),
                detail: unseen.join(", "),
                cures: vec![IssueCure::Ignore],
            };
            self.raise(draft, commit, applied);
        }
    }

    async fn removes(&mut self, side: Side, works: &mut [Work], applied: &mut Applied) -> Result<bool, Halt> {
        let batch = self.cx.side(side).batch().max(1);
        let mut todo: Vec<&mut Work> = works
            .iter_mut()
            .filter(|work| matches!(&work.job.step, Step::Remove { on, .. } if *on == side))
            .collect();
        for chunk in todo.chunks_mut(batch) {
            if !self.safe_point(applied).await? {
                return Ok(false);
            }
            let ids: Vec<ItemId> = chunk
                .iter()
                .filter_map(|work| work.job.saw.on(side).as_ref().map(|saw| saw.id.clone()))
                .collect();
            let found = self
                .cx
                .side(side)
                .read(&ids)
                .await
                .map_err(|fault| Halt::Fault(side, fault))?;
            let mut commit = Commit::default();
            let mut sure: Vec<&mut Work> = Vec::new();
            let mut writes = Vec::new();
            for (work, found) in chunk.iter_mut().zip(found) {
                let Some(saw) = work.job.saw.on(side).as_deref() else {
                    continue;
                };
                match found {
                    Some(now) if now.version == saw.version => {
                        writes.push(Write::Delete {
                            id: now.id,
                            version: now.version,
                        });
                        sure.push(work);
                    }
                    // An edit that came meanwhile may beat the delete: it is decided anew.
                    Some(now) => {
                        self.saw(side, &now);
                        self.again.insert(work.job.link.id.clone());
                    }
                    None => {
                        let link = owed(&work.job.link, side, self.cx.clock.now());
                        self.keep(&link, &mut commit);
                    }
                }
            }
            let outcomes = if writes.is_empty() {
                Vec::new()
            } else {
                self.send(side, &writes).await?
            };
            for (work, outcome) in sure.into_iter().zip(outcomes) {
                self.removed(side, work, outcome, &mut commit, applied);
                applied.done += 1;
            }
            if !commit.links.is_empty() || !commit.journal.is_empty() || !commit.issues.is_empty() {
                self.commit(commit).await?;
            }
        }
        Ok(true)
    }

    fn removed(
        &mut self,
        side: Side,
        work: &mut Work,
        outcome: Outcome,
        commit: &mut Commit,
        applied: &mut Applied,
    ) {
        let job = &mut work.job;
        let Step::Remove { then, .. } = job.step else {
            return;
        };
        let Some(saw) = job.saw.on(side).as_deref() else {
            return;
        };
        match outcome {
            Outcome::Deleted | Outcome::Written { .. } => {
                let old = saw
                    .record
                    .fields
                    .iter()
                    .filter(|(_, value)| value.known().is_some())
                    .map(|(field, value)| (*field, value.clone()))
                    .collect();
                commit.journal.push(JournalEntry {
                    link: job.link.id.clone(),
                    kind: job.link.kind,
                    side,
                    item: saw.id.clone(),
                    act: JournalAct::Deleted { old },
                });
                job.link.state = then;
                job.link.intent = None;
                job.link.changed = self.cx.clock.now();
                let ended = matches!(then, LinkState::Ended(_));
                commit
                    .journal
                    .push(linked(&job.link, if ended { "ended" } else { "slept" }));
                self.solve(side, &saw.id, commit);
                commit.solved.push(IssueKey {
                    kind: ItemKind::Contact,
                    side,
                    item: saw.id.clone(),
                    code: IssueCode::DeletedInMailbox,
                });
                if !ended {
                    set_item(&mut job.link, side, None);
                }
                on_side(&mut applied.counts, side).deleted += 1;
                self.facts
                    .sides
                    .on_mut(side)
                    .seen
                    .insert(saw.id.clone(), Seen::Deleted { merged_into: None });
                self.keep(&job.link, commit);
            }
            Outcome::Conflict(fresh) => {
                self.saw(side, &fresh);
                self.again.insert(job.link.id.clone());
            }
            Outcome::Refused(refusal) => {
                let retry = refusal.retry;
                let (named, item) = name_of(&job.link);
                self.raise(
                    refused(named, &item, title(&saw.record), refusal),
                    commit,
                    applied,
                );
                if retry {
                    self.owe(&job.link, side, commit);
                }
            }
            Outcome::InDoubt | Outcome::Missing => {
                applied.in_doubt = true;
                self.owe(&job.link, side, commit);
            }
        }
    }

    fn saw(&mut self, side: Side, now: &Snapshot) {
        let facts = self.facts.sides.on_mut(side);
        facts
            .seen
            .insert(now.id.clone(), Seen::Here(Box::new(now.clone())));
    }

    fn keep(&mut self, link: &Link, commit: &mut Commit) {
        self.links.put(link.clone());
        commit.links.push(link.clone());
    }

    /// Both items are to be looked at again in the next session.
    fn owe(&mut self, link: &Link, side: Side, commit: &mut Commit) {
        let link = owed(link, side, self.cx.clock.now());
        self.keep(&link, commit);
    }

    fn issue(&self, draft: Draft) -> Issue {
        let id: IssueId = parse_own(&own_id(self.cx.rng));
        Issue {
            id,
            key: draft.key,
            title: draft.title,
            detail: draft.detail,
            cures: draft.cures,
        }
    }

    fn raise(&mut self, draft: Draft, commit: &mut Commit, applied: &mut Applied) {
        applied.issues += 1;
        on_side(&mut applied.counts, draft.key.side).skipped += 1;
        commit.issues.push(self.issue(draft));
    }

    fn solve(&self, side: Side, item: &ItemId, commit: &mut Commit) {
        if !self.opening.first_round_done && self.opening.live_links == 0 {
            return;
        }
        let known: BTreeSet<&IssueKey> = commit.issues.iter().map(|issue| &issue.key).collect();
        let keys: Vec<IssueKey> = REFUSALS
            .into_iter()
            .map(|code| IssueKey {
                kind: ItemKind::Contact,
                side,
                item: item.clone(),
                code,
            })
            .filter(|key| !known.contains(key))
            .collect();
        commit.solved.extend(keys);
    }
}

fn lost_to_conflict(side: Side, job: &Job, update: &Update, saw: &Snapshot) -> Option<JournalEntry> {
    let lost: Vec<(Field, FieldValue)> = update
        .set
        .iter()
        .filter(|(_, carried)| carried.lost)
        .map(|(field, carried)| (*field, carried.held.clone()))
        .collect();
    (!lost.is_empty()).then(|| JournalEntry {
        link: job.link.id.clone(),
        kind: job.link.kind,
        side,
        item: saw.id.clone(),
        act: JournalAct::LostToConflict { lost },
    })
}

/// Whether the item holds something else than the plan saw, in a field that was not written.
fn moved_unseen(saw: &Snapshot, now: &Snapshot, set: &BTreeMap<Field, crate::merge::Carried>) -> bool {
    Field::CONTACT
        .iter()
        .filter(|field| !set.contains_key(field))
        .any(|&field| {
            let (before, after) = (saw.record.get(field), now.record.get(field));
            !before.is_unknown() && !after.is_unknown() && normalise(field, before) != normalise(field, after)
        })
}

fn carries(update: Option<&Update>) -> bool {
    update.is_some_and(|update| !update.set.is_empty())
}

/// A link of which something is owed on `side`: the next session looks at both its items, whatever is reported.
fn owed(link: &Link, side: Side, now: tandem_types::Timestamp) -> Link {
    let mut link = link.clone();
    link.intent = Some(Intent { side, at: now });
    link.changed = now;
    link
}

fn refused(side: Side, item: &ItemId, title: String, refusal: Refusal) -> Draft {
    let fields: Vec<&str> = refusal.fields.iter().map(|field| field.as_str()).collect();
    let detail = match (refusal.message.is_empty(), fields.is_empty()) {
        (_, true) => refusal.message,
        (true, false) => fields.join(", "),
        (false, false) => format!("{} ({})", refusal.message, fields.join(", ")),
    };
    Draft {
        key: IssueKey {
            kind: ItemKind::Contact,
            side,
            item: item.clone(),
            code: refusal.code,
        },
        title: if title.is_empty() { item.0.clone() } else { title },
        detail,
        cures: vec![IssueCure::Retry, IssueCure::Ignore],
    }
}

/// What is left of an update whose refusal names some of its fields: the others. `None`: nothing, or none was named.
fn without_refused(write: Write, outcome: &Outcome) -> Option<Write> {
    let Outcome::Refused(refusal) = outcome else {
        return None;
    };
    let Write::Update {
        id,
        version,
        mut set,
        key,
        mark,
    } = write
    else {
        return None;
    };
    let before = set.len();
    set.retain(|field, _| !refusal.fields.contains(field));
    let fewer = set.len() < before && !set.is_empty();
    (fewer && !refusal.retry).then_some(Write::Update {
        id,
        version,
        set,
        key,
        mark,
    })
}

/// The step as it was sent the second time.
fn narrow(step: &mut Step, side: Side, write: &Write) {
    let (Step::Update(updates), Write::Update { set, .. }) = (step, write) else {
        return;
    };
    if let Some(update) = updates.on_mut(side) {
        update.set.retain(|field, _| set.contains_key(field));
    }
}
