//! Creates: the intent first, and for what exists once per organisation the claim before it.

use tandem_types::{ItemKind, Side};

use super::{Applied, Work, refused, tries};
use crate::link::{Intent, Link, LinkState};
use crate::meeting;
use crate::merge::Both;
use crate::model::{Field, FieldValue, LinkKey, Outcome, Record, Snapshot, Write};
use crate::mutant::{self, Mutant};
use crate::normalise::normalise;
use crate::plan::{Step, failed_mark, own_id, park, set_item, title};
use crate::ports::{Claim, Commit, JournalAct, JournalEntry, StoreError, Wish};
use crate::roles;
use crate::round::{Halt, Round};

impl Round<'_> {
    pub(super) async fn makes(
        &mut self,
        side: Side,
        works: &mut [Work],
        applied: &mut Applied,
    ) -> Result<bool, Halt> {
        let (mut mails, mut others): (Vec<&mut Work>, Vec<&mut Work>) = works
            .iter_mut()
            .filter(|work| matches!(&work.job.step, Step::Make { on, .. } if *on == side))
            .partition(|work| work.job.link.kind == ItemKind::Email);
        let batch = self.cx.side(side).batch().max(1);
        for chunk in tries::chunks(&mut others, batch) {
            if !self.safe_point(applied).await? {
                return Ok(false);
            }
            self.make_chunk(side, chunk, applied).await?;
        }
        self.make_mails(&mut mails, batch, applied).await
    }

    /// Makes these items, at most a batch: claims, intents, request, and what came of it.
    pub(super) async fn make_chunk(
        &mut self,
        side: Side,
        chunk: &mut [&mut Work],
        applied: &mut Applied,
    ) -> Result<(), Halt> {
        self.claim(chunk, applied).await?;
        let mut chunk: Vec<&mut Work> = chunk
            .iter_mut()
            .map(|work| &mut **work)
            .filter(|work| !work.failed && matches!(work.job.step, Step::Make { .. }))
            .collect();
        if chunk.is_empty() {
            return Ok(());
        }
        let now = self.cx.clock.now();
        let mut intents = Commit::default();
        let mut writes = Vec::with_capacity(chunk.len());
        for work in &mut chunk {
            let link = &mut work.job.link;
            link.intent = Some(Intent { side, at: now });
            link.traits.unmade = false;
            let Step::Make { record, .. } = &work.job.step else {
                continue;
            };
            let key = if mutant::on(Mutant::ForgetKey) {
                LinkKey(own_id(self.cx.rng))
            } else {
                link.key.clone()
            };
            writes.push(Write::Create {
                key,
                record: record.clone(),
                notify: self.notify(side, None),
            });
            intents.links.push(work.job.announced());
        }
        // The intent is durable before the request leaves: whatever happens to the answer, it is not sent twice.
        if !mutant::on(Mutant::SkipIntent) {
            self.commit(intents).await?;
        }
        if self.cx.clock.now() > self.keeper.lease().until {
            // The process stood still for so long that what it has claimed may be another's: the next session looks.
            return Err(Halt::Store(StoreError::LeaseLost));
        }
        let outcomes = match self.send(side, &writes).await {
            Ok(outcomes) => outcomes,
            Err(halt) => self.spoilt(side, &mut chunk, halt, applied).await?,
        };
        let mut commit = Commit::default();
        for (work, outcome) in chunk.iter_mut().zip(outcomes) {
            self.made(side, work, outcome, &mut commit, applied);
            applied.done += 1;
        }
        self.commit(commit).await?;
        Ok(())
    }

    /// Claims what exists once per organisation. What another is making is left to it, and looked at again later.
    async fn claim(&mut self, chunk: &mut [&mut Work], applied: &mut Applied) -> Result<(), Halt> {
        let wish = |work: &Work| {
            let makes = !work.failed && matches!(work.job.step, Step::Make { .. });
            Some(Wish {
                kind: work.job.link.kind,
                hash: work
                    .job
                    .claim
                    .filter(|_| makes && !mutant::on(Mutant::SkipClaim))?,
                key: work.job.link.key.clone(),
                gone: work.job.gone.clone(),
            })
        };
        let wishes: Vec<Wish> = chunk.iter().filter_map(|work| wish(work)).collect();
        if wishes.is_empty() {
            return Ok(());
        }
        let now = self.cx.clock.now();
        let lease = self.keeper.lease();
        let stale = meeting::stale_before(now, self.opening.settings.interval_minutes);
        let claims = self.cx.store.claims(&lease, now, &wishes, stale).await?;
        let mut commit = Commit::default();
        let claimants = chunk
            .iter_mut()
            .map(|work| &mut **work)
            .filter(|work| wish(work).is_some());
        for (work, claim) in claimants.zip(claims) {
            let link = &mut work.job.link;
            let ours = claim.holder == lease.connection && claim.crm_id.is_none();
            let before = self.facts.claims.get(&claim.hash).and_then(Option::as_ref);
            let between = before.is_some_and(|before| before.holder != lease.connection);
            if ours && claim.key == link.key && !(between && link.traits.unmade) {
                continue;
            }
            work.failed = true;
            if ours {
                // Whoever took it before may have made it: that is looked for before it is made.
                applied.doubt(tries::wait(0));
                link.key = claim.key;
                link.traits.unmade = false;
                link.intent = Some(Intent {
                    side: Side::Crm,
                    at: claim.since,
                });
                link.state = LinkState::Live;
            } else if let Some(source) = work.job.saw.mailbox.as_deref() {
                park(link, Side::Mailbox, source);
                link.traits.waits_since = Some(now);
            }
            self.keep(&work.job.link, &mut commit);
        }
        if !commit.links.is_empty() {
            self.commit(commit).await?;
        }
        Ok(())
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
        let kind = job.link.kind;
        let Step::Make { record, tag, .. } = &job.step else {
            return;
        };
        let tag = *tag;
        match outcome {
            Outcome::Written { now, left, .. } => {
                let source = job.saw.on(side.other()).as_deref();
                if self.settle_made(&mut job.link, side, source, record, &now) {
                    self.again.insert(job.link.id.clone());
                }
                set_item(&mut job.link, side, Some(&now));
                job.link.intent = None;
                for field in left.iter().flat_map(|left| &left.fields) {
                    if kind != ItemKind::Email {
                        self.stays(&mut job.link, side, *field, &now);
                    }
                }
                if left.is_none() {
                    tries::succeeded(&mut job.link);
                }
                commit.journal.push(JournalEntry {
                    link: job.link.id.clone(),
                    kind,
                    side,
                    item: now.id.clone(),
                    act: JournalAct::Created {
                        wrote: self.hashed(now.record.fields.iter()),
                    },
                });
                commit.journal.append(&mut job.journal);
                if let Some(source) = source {
                    self.solve(kind, side.other(), &source.id, commit);
                }
                if let Some(draft) = job.once_made.take() {
                    self.raise(draft, commit, applied);
                }
                self.remember(job, commit);
                if let Some(hash) = job.claim {
                    job.link.traits.claimed = true;
                    let lease = self.keeper.lease();
                    commit.claims.push(Claim {
                        kind,
                        hash,
                        holder: lease.connection,
                        key: job.link.key.clone(),
                        crm_id: Some(now.id.clone()),
                        since: self.cx.clock.now(),
                    });
                }
                applied.on(kind, side).created += 1;
                applied.moved = true;
                commit.moved = true;
                self.saw(side, &now);
                *job.saw.on_mut(side) = Some(now);
                match left {
                    Some(left) => self.left(side, job, *left, commit, applied),
                    None => self.keep(&job.link, commit),
                }
                if tag {
                    let holds_key = self.holds_key(Side::Mailbox, kind);
                    let mut update = crate::plan::Update::default();
                    if let Some(item) = job.saw.mailbox.as_deref() {
                        update.key = holds_key && item.key.as_ref() != Some(&job.link.key);
                        let marked = item.marked && (kind == ItemKind::Contact || !item.extra.failed);
                        update.mark = (!marked).then_some(crate::model::Mark::Synced);
                    }
                    work.then(Both::new(Some(update), None));
                }
            }
            Outcome::Refused(refusal) => {
                let source = job.saw.on(side.other()).as_deref();
                let retry = refusal.retry;
                let mut told = None;
                if let Some(source) = source {
                    told = failed_mark(source).filter(|_| !retry);
                    let draft = refused(kind, (side.other(), &source.id), title(&source.record), refusal);
                    self.raise(draft, commit, applied);
                    if !retry {
                        park(&mut job.link, side.other(), source);
                    }
                }
                job.link.traits.unmade = retry;
                // Another may try his luck.
                commit
                    .unclaimed
                    .extend(job.claim.filter(|_| !retry).map(|hash| (kind, hash)));
                self.keep(&job.link, commit);
                work.failed = told.is_none();
                if let Some(update) = told {
                    work.then(Both::new(Some(update), None));
                }
            }
            Outcome::InDoubt if mutant::on(Mutant::DoubtIsRepeated) => {
                park(
                    &mut job.link,
                    side.other(),
                    &job.saw.on(side.other()).clone().unwrap_or_else(|| unreachable!()),
                );
                self.keep(&job.link, commit);
                work.failed = true;
            }
            // The intent stays, and the next session looks for what it may have made.
            Outcome::InDoubt | Outcome::Conflict(_) | Outcome::Missing | Outcome::Deleted => {
                self.in_vain(job, commit, applied);
                job.link = job.announced();
                self.keep(&job.link, commit);
                work.failed = true;
            }
        }
    }

    /// Moves the bases of a link whose item was made. True: the server added something by itself, or what was made private is
    /// still shown.
    fn settle_made(
        &self,
        link: &mut Link,
        side: Side,
        source: Option<&Snapshot>,
        sent: &Record,
        now: &Snapshot,
    ) -> bool {
        let hidden = side == Side::Mailbox && roles::masked(link, now);
        let owed = if hidden {
            roles::unmasked(self.hasher, &link.base)
        } else {
            Vec::new()
        };
        let mut added = false;
        for &field in Field::of(link.kind) {
            let held = now.record.get(field);
            let Some(hash) = self.hasher.of(field, held) else {
                // Whoever may not see it any more may not have written it either: nothing was agreed on.
                link.base.on_mut(side).remove(&field);
                continue;
            };
            let from = source.map_or(&FieldValue::Unknown, |source| source.record.get(field));
            let agreed = link.base.on(side.other()).contains_key(&field);
            if !sent.get(field).is_unknown() || from.is_unknown() && !agreed {
                link.base.on_mut(side).insert(field, hash);
            } else if normalise(field, from) == normalise(field, held) {
                link.base.on_mut(side).insert(field, hash);
                link.base.on_mut(side.other()).insert(field, hash);
            } else {
                added = true;
            }
        }
        if hidden {
            roles::agree_on_mask(self.hasher, &mut link.base, &owed);
        }
        (added || !owed.is_empty()) && link.kind != ItemKind::Email
    }
}
