//! Updates, and what follows them.

use tandem_types::{IssueCode, IssueCure, ItemKind, Side};

use std::collections::BTreeMap;

use super::{Applied, Sent, Work, emptied, owed, refused, tries};
use crate::link::{Base, BaseHash, Link, LinkState};
use crate::model::{Field, FieldValue, ItemId, Mark, Outcome, Record, Refusal, Snapshot, Write};
use crate::mutant::{self, Mutant};
use crate::normalise::normalise;
use crate::plan::{After, Draft, Job, Step, Update, linked, name_of, set_item, title};
use crate::ports::{Commit, IssueKey, JournalAct, JournalEntry};
use crate::roles;
use crate::round::{Halt, Round};

impl Round<'_> {
    pub(super) async fn updates(
        &mut self,
        side: Side,
        works: &mut [Work],
        applied: &mut Applied,
    ) -> Result<bool, Halt> {
        let batch = self.cx.side(side).batch().max(1);
        let mut todo: Vec<&mut Work> = works
            .iter_mut()
            .filter(|work| !work.failed)
            .filter(|work| matches!(&work.job.step, Step::Update(updates) if updates.on(side).is_some()))
            .collect();
        for chunk in tries::chunks(&mut todo, batch) {
            if !self.safe_point(applied).await? {
                return Ok(false);
            }
            let mut writes = Vec::with_capacity(chunk.len());
            let mut lost = Commit::default();
            let mut clears = 0_u32;
            for work in chunk.iter() {
                let (Step::Update(updates), Some(saw)) = (&work.job.step, work.job.saw.on(side)) else {
                    continue;
                };
                let Some(update) = updates.on(side) else { continue };
                clears = clears.saturating_add(emptied(&update.set));
                lost.journal
                    .extend(lost_to_conflict(side, &work.job, update, saw));
                let set: Sent = update
                    .set
                    .iter()
                    .map(|(f, carried)| (*f, carried.value.clone()))
                    .collect();
                let notify = self.notify(side, Some(saw)) && is_news(&set);
                writes.push(Write::Update {
                    kind: work.job.link.kind,
                    id: saw.id.clone(),
                    version: saw.version.clone(),
                    set,
                    key: update.key.then(|| work.job.link.key.clone()),
                    mark: update.mark,
                    notify,
                });
            }
            if !self.may_delete(clears, applied).await? {
                return Ok(false);
            }
            // A value that a conflict rule did not choose is in the journal before it is overwritten: nobody else has it.
            if !lost.journal.is_empty() && !mutant::on(Mutant::ForgetJournal) {
                self.commit(lost).await?;
            }
            let outcomes = match self.send(side, &writes).await {
                Ok(outcomes) => outcomes,
                Err(halt) => self.spoilt(side, chunk, halt, applied).await?,
            };
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
            // What the first request did is noted, whatever becomes of a second, and a lease that is lost is lost before it.
            let told: Vec<IssueKey> = commit.issues.iter().map(|issue| issue.key.clone()).collect();
            self.commit(commit).await?;
            if rest.is_empty() {
                continue;
            }
            // One field that is not taken does not keep the others back.
            let writes: Vec<Write> = rest.iter().map(|(_, write)| write.clone()).collect();
            let outcomes = self.send(side, &writes).await?;
            let mut commit = Commit::default();
            for ((work, write), outcome) in rest.into_iter().zip(outcomes) {
                narrow(&mut work.job.step, side, &write);
                self.updated(side, work, outcome, &mut commit, applied);
            }
            // What was refused is told, also where the rest was taken.
            commit.solved.retain(|key| !told.contains(key));
            self.commit(commit).await?;
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
        let Work {
            job,
            open,
            due,
            failed,
        } = work;
        let kind = job.link.kind;
        let Step::Update(updates) = &job.step else { return };
        let Some(update) = updates.on(side).clone() else {
            return;
        };
        let Some(saw) = job.saw.on(side).clone() else {
            return;
        };
        match outcome {
            Outcome::Written { now, replaced, left } => {
                let whole = left.is_none();
                *due.on_mut(side) = !whole;
                if job.prefer.is_some() {
                    job.link.traits.prefer = job.prefer.filter(|_| due.mailbox || due.crm);
                }
                if whole && !tries::owes_files(&job.link) {
                    tries::succeeded(&mut job.link);
                }
                self.remember(job, commit);
                self.journal_update(side, job, &update, &saw, &now, &replaced, commit, applied);
                for (field, carried) in &update.set {
                    if mutant::on(Mutant::BaseStays) {
                        continue;
                    }
                    if is_left(left.as_deref(), *field) {
                        self.stays(&mut job.link, side, *field, &now);
                        continue;
                    }
                    let held = match now.record.get(*field) {
                        // Whoever may not see it any more may not have written it either: nothing was agreed on.
                        FieldValue::Unknown => continue,
                        _ if mutant::on(Mutant::BaseIsSent) => &carried.value,
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
                    applied.on(kind, side).changed += 1;
                }
                if !update.set.is_empty() {
                    applied.moved = true;
                    commit.moved = true;
                    commit.deletes += emptied(&update.set);
                }
                // What was hidden from the plan is no news.
                let hidden = side == Side::Mailbox && roles::masked(&job.link, &now);
                let held = if hidden {
                    roles::mask(&now.record)
                } else {
                    now.record.clone()
                };
                if moved_unseen(&saw.record, &held, &update.set) {
                    self.again.insert(job.link.id.clone());
                }
                // The mark that says so is no sign that the refusal is over.
                if whole && update.mark != Some(Mark::Failed) {
                    self.solve(kind, side, &now.id, commit);
                }
                self.saw(side, &now);
                *open.on_mut(side) = !whole;
                match side {
                    Side::Mailbox => {
                        job.link.mailbox_id = Some(now.id.clone());
                        job.link.note_marks(&now);
                    }
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
                    applied.counts.of(kind).adopted += 1;
                    job.adopted = false;
                }
                if !due.mailbox && !due.crm {
                    match job.after {
                        Some(After::Rest(state)) => {
                            job.link.state = state;
                            job.link.intent = None;
                            job.link.changed = self.cx.clock.now();
                            let ended = matches!(state, LinkState::Ended(_));
                            job.journal
                                .push(linked(&job.link, if ended { "ended" } else { "slept" }));
                            self.again.remove(&job.link.id);
                        }
                        Some(After::Remove { on, then }) => {
                            job.step = Step::Remove { on, then };
                        }
                        None => {}
                    }
                }
                commit.journal.append(&mut job.journal);
                if let Some(left) = left {
                    self.left(side, job, *left, commit, applied);
                } else {
                    self.keep(&job.link, commit);
                }
            }
            Outcome::Conflict(fresh) => {
                *failed = true;
                self.saw(side, &fresh);
                job.choose_again();
                let mut link = job.link.clone();
                if job.adopted {
                    // Nothing is agreed yet: what was left apart is looked at as if for the first time.
                    link.base = Base::default();
                }
                self.links.put(link);
                self.again.insert(job.link.id.clone());
            }
            Outcome::Refused(refusal) => {
                *failed = true;
                let retry = refusal.retry;
                let (named, item) = name_of(&job.link);
                self.raise(
                    refused(kind, (named, &item), title(&saw.record), refusal),
                    commit,
                    applied,
                );
                if retry {
                    job.choose_again();
                    self.owe(&job.link, side, commit);
                } else {
                    job.link.traits.refused = kind != ItemKind::Email;
                    // What the user chose was tried, and he is told: chosen for ever, the other side would be written anew
                    // with every session. From now on it is an edit of his that is not taken.
                    if job.link.traits.prefer.take().or(job.prefer).is_some() {
                        for field in update.set.keys() {
                            self.stays(&mut job.link, side, *field, &saw);
                        }
                    }
                    commit.journal.append(&mut job.journal);
                    self.keep(&job.link, commit);
                }
            }
            Outcome::InDoubt if mutant::on(Mutant::DoubtIsDone) => {
                for (field, carried) in &update.set {
                    if let (Some(hash), Some(source)) =
                        (self.hasher.of(*field, &carried.value), carried.source)
                    {
                        job.link.base.on_mut(side).insert(*field, hash);
                        job.link.base.on_mut(side.other()).insert(*field, source);
                    }
                }
                self.keep(&job.link, commit);
            }
            Outcome::InDoubt | Outcome::Missing | Outcome::Deleted => {
                if matches!(outcome, Outcome::InDoubt) {
                    // If it was done, nobody else has what it replaced: the next session finds only what we wrote.
                    let sent = update.set.iter().map(|(field, carried)| (field, &carried.value));
                    let held = |field: Field| saw.record.get(field).clone();
                    commit
                        .journal
                        .extend(changed((side, &saw.id), job, &update, held, self.hashed(sent)));
                }
                job.choose_again();
                self.in_vain(job, commit, applied);
                *failed = true;
                self.owe(&job.link, side, commit);
            }
        }
    }

    /// Of this field, nothing was agreed but what stands: what the other side holds is still to be carried over.
    pub(super) fn stays(&self, link: &mut Link, side: Side, field: Field, now: &Snapshot) {
        if let Some(hash) = self.hasher.of(field, now.record.get(field)) {
            for side in [side, side.other()] {
                link.base.on_mut(side).insert(field, hash);
            }
        }
    }

    /// The item was written, but for some fields: they are owed, or told.
    pub(super) fn left(
        &mut self,
        side: Side,
        job: &mut Job,
        left: Refusal,
        commit: &mut Commit,
        applied: &mut Applied,
    ) {
        if left.retry && job.link.kind != ItemKind::Email {
            self.in_vain(job, commit, applied);
            job.link = owed(&job.link, side, self.cx.clock.now());
        } else {
            job.link.traits.refused = job.link.kind != ItemKind::Email;
            let (named, item) = name_of(&job.link);
            let name = Side::BOTH
                .into_iter()
                .find_map(|side| job.saw.on(side).as_deref())
                .map(|item| title(&item.record))
                .unwrap_or_default();
            self.raise(
                refused(job.link.kind, (named, &item), name, left),
                commit,
                applied,
            );
        }
        self.keep(&job.link, commit);
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
        let held = |field: Field| match replaced.get(&field) {
            None | Some(FieldValue::Unknown) => saw.record.get(field).clone(),
            Some(value) => value.clone(),
        };
        let wrote = update.set.keys().map(|field| (field, now.record.get(*field)));
        commit
            .journal
            .extend(changed((side, &now.id), job, update, held, self.hashed(wrote)));
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
                kind: job.link.kind,
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
}

/// What the journal says of an update; nothing of one that wrote no field. `held`: what each field held before.
fn changed(
    (side, item): (Side, &ItemId),
    job: &Job,
    update: &Update,
    held: impl Fn(Field) -> FieldValue,
    wrote: Vec<(Field, BaseHash)>,
) -> Option<JournalEntry> {
    let old: Vec<_> = update.set.keys().map(|field| (*field, held(*field))).collect();
    (!old.is_empty()).then(|| JournalEntry {
        link: job.link.id.clone(),
        kind: job.link.kind,
        side,
        item: item.clone(),
        act: JournalAct::Changed { old, wrote },
    })
}

/// Whether a write has left this field as it was.
pub(super) fn is_left(left: Option<&Refusal>, field: Field) -> bool {
    left.is_some_and(|left| left.fields.contains(&field))
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
fn moved_unseen(saw: &Record, now: &Record, set: &BTreeMap<Field, crate::merge::Carried>) -> bool {
    Field::of(saw.kind)
        .iter()
        .filter(|field| !set.contains_key(field))
        .any(|&field| {
            let (before, after) = (saw.get(field), now.get(field));
            !before.is_unknown() && !after.is_unknown() && normalise(field, before) != normalise(field, after)
        })
}

/// Whether attendees are told of such a change: not of categories, keys, reminders and the user's own state.
fn is_news(set: &Sent) -> bool {
    let news = [Field::Subject, Field::When, Field::Location, Field::Body];
    mutant::on(Mutant::SendInvitation) || news.iter().any(|field| set.contains_key(field))
}

/// What is left of an update whose refusal names some of its fields: the others. `None`: nothing, or none was named.
fn without_refused(write: Write, outcome: &Outcome) -> Option<Write> {
    let Outcome::Refused(refusal) = outcome else {
        return None;
    };
    let Write::Update {
        kind,
        id,
        version,
        mut set,
        key,
        mark,
        notify,
    } = write
    else {
        return None;
    };
    let before = set.len();
    set.retain(|field, _| !refusal.fields.contains(field));
    let fewer = set.len() < before && !set.is_empty();
    let notify = notify && is_news(&set);
    (fewer && !refusal.retry).then_some(Write::Update {
        kind,
        id,
        version,
        set,
        key,
        mark,
        notify,
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
