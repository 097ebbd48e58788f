//! The store that a session sees: the one in memory, with a crash or an outage at any of its calls, under the eye of
//! the judge.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tandem_store::MemoryStore;
use tandem_sync::model::Field;
use tandem_sync::ports::{
    Claim, Closing, Commit, JournalEntry, Lease, LinkAsk, Opening, Pick, Store, StoreError, Wish,
};
use tandem_sync::{BaseHash, Link};
use tandem_types::{ItemKind, SessionId, Side, StateReason, Timestamp};

use crate::faults::Op;
use crate::truth::{Home, WORD};
use crate::world::{Shared, World, turn};

#[derive(Clone, Debug)]
pub struct SimStore {
    pub inner: Arc<MemoryStore>,
    pub shared: Shared,
    pub conn: usize,
    pub run: usize,
}

impl SimStore {
    async fn call(&self, op: Op) -> Result<(), StoreError> {
        turn().await;
        let mut world = self.shared.lock();
        let run = self.run;
        world.note(|| format!("run {run} store {}", op.as_str()));
        match world.strike(run, None, op) {
            Some(_) => Err(StoreError::Unavailable("as ordered".to_owned())),
            None => Ok(()),
        }
    }
}

impl World {
    /// What a commit that succeeded has made durable.
    pub fn noted(&mut self, run: usize, links: Vec<Link>, journal: Vec<JournalEntry>) {
        let conn = self.runs[run].conn;
        let seq = self.tick();
        self.runs[run].unnoted.clear();
        for link in links {
            let id = link.id.clone();
            self.remark(|_| {
                let name = |id: &Option<tandem_sync::model::ItemId>| {
                    id.as_ref().map_or("-".to_owned(), |id| id.0.clone())
                };
                format!(
                    "  link {} {:?} {} {} owes {:?} made on {:?} key {} {:?}",
                    &id.as_str()[..6],
                    link.state,
                    name(&link.mailbox_id),
                    name(&link.crm_id),
                    link.intent.map(|intent| intent.side),
                    link.made_on,
                    &link.key.0[..6],
                    link.traits,
                )
            });
            for (side, home) in [(Side::Mailbox, Home::Box(conn)), (Side::Crm, Home::Org)] {
                if let Some(item) = link.id_on(side) {
                    self.noted_ids.insert((conn, home, item.clone()));
                }
            }
            if let (Some(mailbox), Some(record)) = (&link.mailbox_id, &link.crm_id) {
                self.ever_paired.insert((conn, mailbox.clone(), record.clone()));
            }
            let whole = |link: &Link| link.mailbox_id.is_some() && link.crm_id.is_some();
            // Saved while it was private, or private when it came down: judged when it is first going to be made, not
            // when it is found later.
            let new = self.links[conn].get(&id).is_none_or(|old| {
                !self.paired.contains_key(&(conn, id.clone()))
                    && (old.mailbox_id.is_none() || !whole(old) && old.intent.is_none())
            });
            // And what is made again of its record is as private as it was.
            let kept = whole(&link) && self.on_purpose.contains(&(conn, id.clone()));
            // Hidden while this session ran, it was read before or after: the engine knows which.
            let told = |world: &Self, index: usize| {
                let held = world.item(Home::Box(conn), index).held.get(&Field::Private);
                let late = held.is_some_and(|edit| world.truth.edits[*edit].seq >= world.runs[run].seq);
                !late || kept || link.traits.private_on_purpose
            };
            if (new || kept)
                && let Some(index) = link
                    .mailbox_id
                    .as_ref()
                    .and_then(|item| self.find_ever(Home::Box(conn), item))
                && self.item(Home::Box(conn), index).text(Field::Private) == "yes"
                // What came down and was hidden before that was noted, was saved as it had been.
                && (kept || !self.hidden_since(Home::Box(conn), index))
                && told(self, index)
            {
                // What carries the key of another pair, nobody has marked since it became private.
                let old = self.item(Home::Box(conn), index).key.as_ref();
                if kept || old.is_none_or(|old| *old == link.key) {
                    self.private_on_purpose.insert((conn, index));
                    self.on_purpose.insert((conn, id.clone()));
                } else {
                    self.private_on_purpose.remove(&(conn, index));
                }
            }
            if whole(&link) {
                if link.intent.is_some() {
                    self.owed.insert((conn, id.clone()));
                } else {
                    self.owed.remove(&(conn, id.clone()));
                }
                self.paired.entry((conn, id.clone())).or_insert(seq);
            }
            self.keys.insert((conn, link.key.clone()), id.clone());
            let noted = self.link_seq.entry(id.clone()).or_default();
            if noted.run != run {
                noted.before = noted.at;
                noted.before_run = noted.run;
                noted.run = run;
            }
            noted.at = seq;
            self.links[conn].insert(id, link);
        }
        for entry in &journal {
            self.remark(|_| format!("  journal {} {} {:?}", entry.side.as_str(), entry.item, entry.act));
        }
        self.journal.extend(journal.into_iter().map(|entry| (run, entry)));
    }

    fn judge_commit(&mut self, run: usize) {
        let (conn, fence) = (self.runs[run].conn, self.runs[run].fence);
        if self
            .runs
            .iter()
            .any(|other| other.conn == conn && other.fence > fence)
        {
            self.violate(
                "S8",
                format!("run {run} commits under a lease that another has taken over"),
            );
        }
    }

    fn judge_close(&mut self, run: usize, closing: &Closing) {
        let about = self.runs[run].clone();
        self.runs[run].closed = true;
        self.counters.count("outcome", closing.outcome.as_str());
        if let Some(reason) = closing.reason {
            self.counters.count("reason", reason.as_str());
        }
        if closing.note.contains(WORD) {
            self.violate("S11", "the operator's note holds somebody's words".to_owned());
        }
        let limits = about.settings.brake;
        let too_many = |n: u32| {
            let share = u64::from(n) * 100 > u64::from(limits.percent) * u64::from(about.live_links);
            n > limits.count && share || n > limits.hard
        };
        if (too_many(about.creates) || too_many(about.deletes)) && !about.released && !about.undo {
            let text = format!(
                "{} creates and {} deletes beside {} links, and nobody was asked",
                about.creates, about.deletes, about.live_links
            );
            self.violate("S9", text);
        }
        if let (Some(wait), Some(due)) = (about.asked_to_wait, closing.next_due) {
            let early = due.seconds_since(closing.ended) < i64::try_from(wait.as_secs()).unwrap_or(0);
            let failed = closing.outcome == tandem_types::SessionOutcome::Failed;
            if early && failed && closing.reason != Some(StateReason::MailServerRefused) {
                self.violate(
                    "L3",
                    format!("asked to wait {} s, and comes back sooner", wait.as_secs()),
                );
            }
        }
        self.note(|| {
            format!(
                "run {run} closes: {} {:?} due {:?} {}",
                closing.outcome.as_str(),
                closing.reason,
                closing.next_due.map(|due| due.seconds_since(closing.ended)),
                closing.note
            )
        });
    }
}

#[async_trait]
impl Store for SimStore {
    async fn claim(
        &self,
        pick: &Pick,
        worker: &str,
        session: SessionId,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        self.inner.claim(pick, worker, session, now, ttl).await
    }

    async fn renew(&self, lease: &Lease, now: Timestamp, ttl: Duration) -> Result<Lease, StoreError> {
        turn().await;
        let renewed = self.inner.renew(lease, now, ttl).await?;
        let mut world = self.shared.lock();
        world.counters.count("world", "lease renewed");
        world.runs[self.run].until = renewed.until;
        Ok(renewed)
    }

    async fn open(&self, lease: &Lease) -> Result<Opening, StoreError> {
        turn().await;
        let opening = self.inner.open(lease).await?;
        let mut world = self.shared.lock();
        let run = self.run;
        let about = &mut world.runs[run];
        // Before it deletes, a session looks again whether the organisation was stopped.
        if !about.opened {
            about.opened = true;
            about.live_links = opening.live_links;
            about.released = opening.released;
            about.org_released = opening.org_released;
            about.first = !opening.first_round_done;
            about.settings = opening.settings.clone();
        }
        Ok(opening)
    }

    async fn links(&self, lease: &Lease, ask: &LinkAsk) -> Result<Vec<Link>, StoreError> {
        self.call(Op::Links).await?;
        self.inner.links(lease, ask).await
    }

    async fn commit(&self, lease: &Lease, now: Timestamp, commit: Commit) -> Result<(), StoreError> {
        self.call(Op::Commit).await?;
        let (links, journal) = (commit.links.clone(), commit.journal.clone());
        {
            let mut world = self.shared.lock();
            for issue in &commit.issues {
                world.remark(|_| format!("  issue {:?}", issue.key));
            }
            for key in &commit.solved {
                world.remark(|_| format!("  solved {key:?}"));
            }
        }
        self.inner.commit(lease, now, commit).await?;
        {
            let mut world = self.shared.lock();
            world.judge_commit(self.run);
            let (run, count) = (self.run, links.len());
            world.noted(run, links, journal);
            world.note(|| format!("run {run} committed {count} links"));
        }
        // A crash here is one after the commit and before whatever follows.
        turn().await;
        Ok(())
    }

    async fn claims(
        &self,
        lease: &Lease,
        now: Timestamp,
        wishes: &[Wish],
        stale_before: Timestamp,
    ) -> Result<Vec<Claim>, StoreError> {
        self.call(Op::Links).await?;
        self.inner.claims(lease, now, wishes, stale_before).await
    }

    async fn claimed(
        &self,
        lease: &Lease,
        hashes: &[(ItemKind, BaseHash)],
    ) -> Result<Vec<Option<Claim>>, StoreError> {
        self.call(Op::Links).await?;
        self.inner.claimed(lease, hashes).await
    }

    async fn colleagues(&self, lease: &Lease, addresses: &[String]) -> Result<Vec<bool>, StoreError> {
        self.call(Op::Links).await?;
        self.inner.colleagues(lease, addresses).await
    }

    async fn journal(&self, lease: &Lease, session: &SessionId) -> Result<Vec<JournalEntry>, StoreError> {
        self.call(Op::Links).await?;
        self.inner.journal(lease, session).await
    }

    async fn close(&self, lease: &Lease, closing: Closing) -> Result<(), StoreError> {
        turn().await;
        self.inner.close(lease, closing.clone()).await?;
        let mut world = self.shared.lock();
        world.judge_close(self.run, &closing);
        Ok(())
    }
}
