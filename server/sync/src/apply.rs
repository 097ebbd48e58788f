//! Carries a plan out: in batches, each of them durable before the next.

mod mail;
mod make;
mod remove;
mod tries;
mod update;

use std::collections::{BTreeMap, BTreeSet};

use tandem_types::{IssueCure, IssueId, ItemKind, ProgressPhase, Side};

use crate::brake::{Load, stops_org, too_many};
use crate::facts::Seen;
use crate::link::{BaseHash, Intent, Link, LinkState};
use crate::meeting;
use crate::merge::Both;
use crate::model::{Field, FieldValue, ItemId, LinkKey, Outcome, Part, Refusal, Snapshot, Write};
use crate::mutant::{self, Mutant};
use crate::normalise::normalise;
use crate::plan::{Draft, Job, Plan, REFUSALS, Step, Tally, Update, on_side, own_id, parse_own};
use crate::ports::{Claim, Commit, Issue, IssueKey, Opening, Wish};
use crate::round::{Halt, Round};
use crate::session::progress;
use crate::survey::Look;

/// Links in one commit that writes to neither side.
const NOTES_MAX: usize = 500;

/// What has been done so far.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) counts: Tally,
    pub(crate) issues: u32,
    /// Something was sent, and it is not known what became of it.
    pub(crate) in_doubt: bool,
    /// How long what is in doubt waits for the next session, in seconds.
    pub(crate) wait: Option<i64>,
    /// Something was carried over.
    pub(crate) moved: bool,
    /// Faults that were taken for a single item's.
    own_faults: u8,
    /// It ended because the organisation has deleted too much: all its connections are to stop.
    pub(crate) stops_org: bool,
    total: usize,
    done: usize,
}

impl Applied {
    /// What the plan skips is skipped, whatever becomes of the rest.
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut counts = Tally::default();
        for planned in plan.counts() {
            let of = counts.of(planned.kind);
            of.mailbox.skipped = planned.mailbox.skipped;
            of.crm.skipped = planned.crm.skipped;
        }
        Self {
            counts,
            issues: 0,
            in_doubt: false,
            wait: None,
            moved: false,
            own_faults: 0,
            stops_org: false,
            total: 0,
            done: 0,
        }
    }

    /// The next session comes after so many seconds to look what became of a write.
    fn doubt(&mut self, seconds: i64) {
        self.in_doubt = true;
        self.wait = Some(self.wait.map_or(seconds, |wait| wait.min(seconds)));
    }

    fn on(&mut self, kind: ItemKind, side: Side) -> &mut tandem_types::OpCounts {
        on_side(self.counts.of(kind), side)
    }
}

/// What a plan tells, and what is over.
struct Told {
    issues: Vec<Draft>,
    solved: Vec<IssueKey>,
    gone: Vec<(Side, ItemId)>,
}

/// A job on its way.
struct Work {
    job: Job,
    /// Values that are still to be carried to this side.
    open: Both<bool>,
    /// Writes that are still to be sent to this side.
    due: Both<bool>,
    failed: bool,
}

impl Work {
    fn new(job: Job) -> Self {
        let mut work = Self {
            open: Both::default(),
            due: Both::default(),
            job,
            failed: false,
        };
        work.count();
        work
    }

    /// Goes on with these writes.
    fn then(&mut self, updates: Both<Option<Update>>) {
        self.job.step = Step::Update(updates);
        self.failed = false;
        self.count();
    }

    /// What the step still has to do.
    fn count(&mut self) {
        if let Step::Update(updates) = &self.job.step {
            self.open = Both::new(carries(updates.mailbox.as_ref()), carries(updates.crm.as_ref()));
            self.due = Both::new(updates.mailbox.is_some(), updates.crm.is_some());
        }
    }
}

type Sent = BTreeMap<Field, FieldValue>;

impl Round<'_> {
    /// True: all of it was done. False: stopped at a safe point; the next session goes on.
    pub(crate) async fn apply(&mut self, plan: Plan, applied: &mut Applied) -> Result<bool, Halt> {
        let first = plan.load.clone();
        if !self.pass(plan, applied).await? {
            return Ok(false);
        }
        if !self.again.is_empty() {
            // What moved under our hands is looked at once more, and only that.
            self.look = Look::Again;
            self.find_out().await?;
            let plan = self.plan();
            // More than one session may do is left to the next one, which asks if need be.
            if self.opening.released || !past_brake(self.opening, &first, &plan.load) {
                self.again.clear();
                if !self.pass(plan, applied).await? {
                    return Ok(false);
                }
            }
        }
        let mut commit = Commit::default();
        for id in std::mem::take(&mut self.again) {
            if let Some(link) = self.links.get(&id)
                && !matches!(link.state, LinkState::Ended(_))
                && link.kind != ItemKind::Email
            {
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
        let now = self.cx.clock.now();
        let (mut notes, mut writes): (Vec<Job>, Vec<Job>) = plan
            .jobs
            .into_iter()
            .partition(|job| matches!(job.step, Step::Note));
        // What is owed stays owed: a later session comes to it.
        writes.retain(|job| !tries::is_held(job, now));
        for job in &mut notes {
            if job.link.intent.is_none() && !tries::owes_files(&job.link) {
                tries::succeeded(&mut job.link);
            }
        }
        applied.total += writes.len();
        self.register(notes.iter_mut().chain(&mut writes).collect())
            .await?;
        let told = Told {
            issues: plan.issues,
            solved: plan.solved,
            gone: plan.gone,
        };
        if !self.notes(notes, told, applied).await? {
            return Ok(false);
        }
        // Mails come last: their contents are large and of all sorts, and nothing else waits for them.
        let (mut mails, mut others): (Vec<Work>, Vec<Work>) = writes
            .into_iter()
            .map(Work::new)
            .partition(|work| work.job.link.kind == ItemKind::Email);
        if !self.carry(&mut others, applied).await? || !self.carry(&mut mails, applied).await? {
            return Ok(false);
        }
        self.attachments(&mut mails, applied).await
    }

    async fn carry(&mut self, works: &mut [Work], applied: &mut Applied) -> Result<bool, Halt> {
        for side in [Side::Crm, Side::Mailbox] {
            if !self.makes(side, works, applied).await? {
                return Ok(false);
            }
        }
        for side in [Side::Crm, Side::Mailbox] {
            if !self.updates(side, works, applied).await? {
                return Ok(false);
            }
        }
        for side in [Side::Mailbox, Side::Crm] {
            if !self.removes(side, works, applied).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Names the records of pairs for the organisation: whoever has a copy of the meeting finds them.
    async fn register(&mut self, jobs: Vec<&mut Job>) -> Result<(), Halt> {
        let mut named: Vec<(ItemKind, BaseHash, LinkKey, ItemId, &mut Job)> = jobs
            .into_iter()
            .filter_map(|job| {
                let link = &job.link;
                let (key, record) = (link.key.clone(), link.crm_id.clone()?);
                Some((link.kind, job.register?, key, record, job))
            })
            .collect();
        for chunk in named.chunks_mut(NOTES_MAX) {
            let now = self.cx.clock.now();
            let lease = self.keeper.lease();
            let wishes: Vec<Wish> = chunk
                .iter()
                .map(|(kind, hash, key, ..)| Wish {
                    kind: *kind,
                    hash: *hash,
                    key: key.clone(),
                    gone: None,
                })
                .collect();
            let stale = meeting::stale_before(now, self.opening.settings.interval_minutes);
            let claims = self.cx.store.claims(&lease, now, &wishes, stale).await?;
            let mut commit = Commit::default();
            for (claim, (.., record, job)) in claims.into_iter().zip(chunk) {
                // Another is making it: whether he finds this one is asked again.
                job.link.traits.claimed = claim.crm_id.is_some() || claim.holder == lease.connection;
                if claim.holder == lease.connection && claim.crm_id.is_none() {
                    commit.claims.push(Claim {
                        crm_id: Some(record.clone()),
                        ..claim
                    });
                }
            }
            if !commit.claims.is_empty() {
                self.commit(commit).await?;
            }
        }
        Ok(())
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

    /// Whether the next batch may delete, or empty, so much. Others of the organisation delete at the same time, and
    /// none of them sees the others' plans.
    async fn may_delete(&self, n: u32, applied: &mut Applied) -> Result<bool, Halt> {
        if n == 0 {
            return Ok(true);
        }
        let now = self.cx.store.open(&self.keeper.lease()).await?;
        if now.org_stopped {
            return Ok(mutant::on(Mutant::NoBrake));
        }
        let load = Load {
            deletes: n,
            ..Load::default()
        };
        applied.stops_org = !self.opening.org_released && stops_org(&load, now.org_deletes);
        Ok(!applied.stops_org)
    }

    async fn notes(&mut self, jobs: Vec<Job>, told: Told, applied: &mut Applied) -> Result<bool, Halt> {
        let mut jobs = jobs.into_iter().peekable();
        let mut issues = told.issues.into_iter().peekable();
        let mut solved = told.solved.into_iter().peekable();
        let mut gone = told.gone.into_iter().peekable();
        while jobs.peek().is_some()
            || issues.peek().is_some()
            || solved.peek().is_some()
            || gone.peek().is_some()
        {
            if !self.safe_point(applied).await? {
                return Ok(false);
            }
            let mut commit = Commit::default();
            for mut job in jobs.by_ref().take(NOTES_MAX) {
                self.remember(&mut job, &mut commit);
                applied.counts.of(job.link.kind).adopted += u32::from(job.adopted);
                commit.journal.extend(job.journal);
                self.links.put(job.link.clone());
                commit.links.push(job.link);
            }
            for draft in issues.by_ref().take(NOTES_MAX) {
                commit.issues.push(self.issue(draft));
            }
            commit.solved.extend(solved.by_ref().take(NOTES_MAX * 4));
            commit.gone.extend(gone.by_ref().take(NOTES_MAX));
            self.commit(commit).await?;
        }
        Ok(true)
    }

    /// Of a saved mail, its conversation is remembered in the same step.
    fn remember(&self, job: &mut Job, commit: &mut Commit) {
        if let (Some(hash), Some(_)) = (job.thread, &job.link.crm_id) {
            job.thread = None;
            commit.claims.push(Claim {
                kind: job.link.kind,
                hash,
                holder: self.keeper.lease().connection,
                key: LinkKey(own_id(self.cx.rng)),
                crm_id: None,
                since: self.cx.clock.now(),
            });
        }
    }

    fn hashed<'f>(
        &self,
        values: impl Iterator<Item = (&'f Field, &'f FieldValue)>,
    ) -> Vec<(Field, BaseHash)> {
        values
            .filter_map(|(field, value)| Some((*field, self.hasher.of(*field, value)?)))
            .collect()
    }

    async fn send(&mut self, side: Side, writes: &[Write]) -> Result<Vec<Outcome>, Halt> {
        self.written += writes.len();
        let outcomes = self
            .cx
            .side(side)
            .write(writes)
            .await
            .map_err(|fault| Halt::Fault(side, fault))?;
        if mutant::on(Mutant::PoisonEnds)
            && outcomes
                .iter()
                .any(|outcome| matches!(outcome, Outcome::Refused(_)))
        {
            return Err(Halt::Fault(side, crate::Fault::fatal("an item is refused")));
        }
        if outcomes.len() == writes.len() {
            Ok(outcomes)
        } else {
            let text = format!("{} writes, {} outcomes", writes.len(), outcomes.len());
            Err(Halt::Fault(side, crate::Fault::fatal(text)))
        }
    }

    fn saw(&mut self, side: Side, now: &Snapshot) {
        let facts = self.facts.sides.on_mut(side);
        facts.put(now.id.clone(), Seen::Here(Box::new(now.clone())));
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
        applied.on(draft.key.kind, draft.key.side).skipped += 1;
        commit.issues.push(self.issue(draft));
    }

    fn solve(&self, kind: ItemKind, side: Side, item: &ItemId, commit: &mut Commit) {
        if !self.opening.first_round_done && self.opening.live_links == 0 {
            return;
        }
        let known: BTreeSet<&IssueKey> = commit.issues.iter().map(|issue| &issue.key).collect();
        let keys: Vec<IssueKey> = REFUSALS
            .into_iter()
            .map(|code| IssueKey {
                kind,
                side,
                item: item.clone(),
                code,
            })
            .filter(|key| !known.contains(key))
            .collect();
        commit.solved.extend(keys);
    }

    /// Whether a server may send mail for this write: only for the user's own meetings, and only if he wants it.
    fn notify(&self, side: Side, item: Option<&Snapshot>) -> bool {
        let own = |item: &Snapshot| {
            item.extra
                .event
                .as_deref()
                .is_some_and(|event| event.part == Part::Organizer && event.is_meeting())
        };
        mutant::on(Mutant::SendInvitation)
            || (side == Side::Mailbox && self.opening.settings.send_invitations && item.is_some_and(own))
    }
}

fn carries(update: Option<&Update>) -> bool {
    update.is_some_and(|update| !update.set.is_empty())
}

/// Fields that this write empties: counted for the organisation.
fn emptied(set: &BTreeMap<Field, crate::merge::Carried>) -> u32 {
    let emptied = set.iter().filter(|(field, carried)| {
        matches!(normalise(**field, &carried.held), FieldValue::Known(_))
            && normalise(**field, &carried.value) == FieldValue::Empty
    });
    u32::try_from(emptied.count()).unwrap_or(u32::MAX)
}

/// Whether two plans of one session do more together than the brake allows.
fn past_brake(opening: &Opening, first: &Load, second: &Load) -> bool {
    let over =
        |a: u32, b: u32| b > 0 && too_many(opening.settings.brake, a.saturating_add(b), opening.live_links);
    (over(first.creates, second.creates) || over(first.deletes, second.deletes))
        && !mutant::on(Mutant::NoBrake)
}

/// A link of which something is owed on `side`: the next session looks at both its items, whatever is reported.
fn owed(link: &Link, side: Side, now: tandem_types::Timestamp) -> Link {
    let mut link = link.clone();
    link.intent = Some(Intent { side, at: now });
    link.changed = now;
    link
}

fn refused(kind: ItemKind, (side, item): (Side, &ItemId), title: String, refusal: Refusal) -> Draft {
    let fields: Vec<&str> = refusal.fields.iter().map(|field| field.as_str()).collect();
    let detail = match (refusal.message.is_empty(), fields.is_empty()) {
        (_, true) => refusal.message,
        (true, false) => fields.join(", "),
        (false, false) => format!("{} ({})", refusal.message, fields.join(", ")),
    };
    Draft {
        key: IssueKey {
            kind,
            side,
            item: item.clone(),
            code: refusal.code,
        },
        title: if title.is_empty() { item.0.clone() } else { title },
        detail,
        cures: vec![IssueCure::Retry, IssueCure::Ignore],
    }
}
