//! Deletes: each after another look.

use std::borrow::Cow;

use tandem_types::{IssueCode, Side};

use super::{Applied, Work, owed, refused, tries};
use crate::facts::Seen;
use crate::link::{Link, LinkState};
use crate::merge::{holds_more, unread};
use crate::model::{ItemId, Outcome, Record, Snapshot, Write};
use crate::mutant::{self, Mutant};
use crate::plan::{Step, linked, name_of, set_item, title};
use crate::ports::{Commit, IssueKey, JournalAct, JournalEntry};
use crate::roles;
use crate::round::{Halt, Round};

impl Round<'_> {
    pub(super) async fn removes(
        &mut self,
        side: Side,
        works: &mut [Work],
        applied: &mut Applied,
    ) -> Result<bool, Halt> {
        let batch = self.cx.side(side).batch().max(1);
        let mut todo: Vec<&mut Work> = works
            .iter_mut()
            .filter(|work| matches!(&work.job.step, Step::Remove { on, .. } if *on == side))
            .collect();
        for chunk in tries::chunks(&mut todo, batch) {
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
                let kind = work.job.link.kind;
                let untold = found.as_ref().is_some_and(|now| {
                    now.version == saw.version && self.is_untold(side, &work.job.link, saw, now)
                }) && !mutant::on(Mutant::DeleteUnseen);
                match found {
                    // What was not told before may be an edit, which beats the delete.
                    Some(now)
                        if untold
                            && holds_more(
                                self.hasher,
                                &work.job.link.base,
                                side,
                                &shown(side, &work.job.link, &now),
                            ) =>
                    {
                        self.saw(side, &now);
                        self.again.insert(work.job.link.id.clone());
                    }
                    Some(_) if untold => {
                        let link = owed(&work.job.link, side, self.cx.clock.now());
                        self.keep(&link, &mut commit);
                    }
                    Some(now) if now.version == saw.version || mutant::on(Mutant::DeleteUnseen) => {
                        writes.push(Write::Delete {
                            kind,
                            notify: self.notify(side, Some(&now)),
                            id: now.id.clone(),
                            version: now.version.clone(),
                        });
                        *work.job.saw.on_mut(side) = Some(Box::new(now));
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
            let deletes = u32::try_from(writes.len()).unwrap_or(u32::MAX);
            if !self.may_delete(deletes, applied).await? {
                return Ok(false);
            }
            let outcomes = if writes.is_empty() {
                Vec::new()
            } else {
                match self.send(side, &writes).await {
                    Ok(outcomes) => outcomes,
                    Err(halt) => self.spoilt(side, &mut sure, halt, applied).await?,
                }
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

    /// The plan took the item for unchanged where a part of it had not been told, and that part differs or is not told
    /// now either.
    fn is_untold(&self, side: Side, link: &Link, saw: &Snapshot, now: &Snapshot) -> bool {
        let Some(profile) = self
            .profiles
            .as_ref()
            .and_then(|both| both.on(side).of(link.kind))
        else {
            return false;
        };
        let now = shown(side, link, now);
        !holds_more(self.hasher, &link.base, side, &saw.record)
            && unread(&link.base, side, &saw.record, profile)
            && (holds_more(self.hasher, &link.base, side, &now) || unread(&link.base, side, &now, profile))
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
        let kind = job.link.kind;
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
                tries::succeeded(&mut job.link);
                job.link.changed = self.cx.clock.now();
                let ended = matches!(then, LinkState::Ended(_));
                commit
                    .journal
                    .push(linked(&job.link, if ended { "ended" } else { "slept" }));
                self.solve(kind, side, &saw.id, commit);
                commit.solved.push(IssueKey {
                    kind,
                    side,
                    item: saw.id.clone(),
                    code: IssueCode::DeletedInMailbox,
                });
                if !ended {
                    set_item(&mut job.link, side, None);
                }
                applied.on(kind, side).deleted += 1;
                applied.moved = true;
                commit.moved = true;
                commit.deletes += 1;
                let gone = Seen::Deleted { merged_into: None };
                self.facts.sides.on_mut(side).put(saw.id.clone(), gone);
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
                    refused(kind, (named, &item), title(&saw.record), refusal),
                    commit,
                    applied,
                );
                if retry {
                    self.owe(&job.link, side, commit);
                } else {
                    job.link.traits.refused = true;
                    self.keep(&job.link, commit);
                }
            }
            Outcome::InDoubt | Outcome::Missing => {
                self.in_vain(job, commit, applied);
                self.owe(&job.link, side, commit);
            }
        }
    }
}

/// What of an item counts: not what was hidden from the plan. In the CRM nothing is hidden: what stands there beside a mask,
/// somebody wrote there.
fn shown<'a>(side: Side, link: &Link, now: &'a Snapshot) -> Cow<'a, Record> {
    if side == Side::Mailbox && roles::masked(link, now) {
        Cow::Owned(roles::mask(&now.record))
    } else {
        Cow::Borrowed(&now.record)
    }
}
