//! What a session reads and finds out before it decides.

mod asking;
mod relations;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tandem_types::{Direction, IssueCode, IssueCure, ItemKind, LinkId, ProgressPhase, Side, Timestamp};

use crate::facts::{Facts, Links};
use crate::hash::Hasher;
use crate::link::LinkState;
use crate::merge::Both;
use crate::model::{Change, Cursor, ItemId, Kinds, Profiles, Want, Window};
use crate::mutant::{self, Mutant};
use crate::plan::{Draft, Plan, Setting, plan};
use crate::ports::{Commit, IssueKey, Lease, LinkAsk, Opening, StoreError};
use crate::session::{Context, progress};
use crate::survey::{Frame, Look, View};
use crate::{Fault, FaultKind, due, lease};

/// A task that was completed longer ago than this is history.
const TASK_DAYS: u32 = 14;
/// A full listing shows mails again that came or were marked so long before the last one, in seconds.
const MAILS_AGAIN_SECONDS: i64 = 7 * 24 * 3600;

/// Why a session cannot go on.
#[derive(Debug)]
pub(crate) enum Halt {
    Store(StoreError),
    Fault(Side, Fault),
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Keeps the lease alive while the session waits for others.
pub(crate) struct Keeper<'a> {
    cx: Context<'a>,
    lease: Mutex<Lease>,
}

impl<'a> Keeper<'a> {
    pub(crate) fn new(cx: Context<'a>, lease: Lease) -> Self {
        Self {
            cx,
            lease: Mutex::new(lease),
        }
    }

    pub(crate) fn lease(&self) -> Lease {
        // A lease is replaced as a whole: a panic elsewhere cannot have left half of one.
        self.lease
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    pub(crate) async fn keep(&self) -> Result<(), StoreError> {
        let lease = self.lease();
        let now = self.cx.clock.now();
        let ttl = self.cx.limits.lease;
        if lease::renewal_due(&lease, now, ttl) {
            let renewed = self.cx.store.renew(&lease, now, ttl).await?;
            *self
                .lease
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner) = renewed;
        }
        Ok(())
    }
}

/// What one side reported.
struct Reading {
    items: Vec<Change>,
    cursor: Cursor,
    full: Kinds,
    truncated: bool,
    /// Everything was asked for.
    anew: bool,
}

/// What a session knows.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Round<'a> {
    pub(crate) cx: Context<'a>,
    pub(crate) keeper: &'a Keeper<'a>,
    pub(crate) opening: &'a Opening,
    pub(crate) hasher: &'a Hasher,
    /// Under the organisation's key.
    pub(crate) org: &'a Hasher,
    pub(crate) frame: Frame,
    pub(crate) links: Links,
    pub(crate) facts: Facts,
    pub(crate) again: BTreeSet<LinkId>,
    pub(crate) look: Look,
    pub(crate) profiles: Option<Both<Profiles>>,
    pub(crate) started: Timestamp,
    pub(crate) written: usize,
    /// The organisation's storage is full: no more attachments in this session.
    pub(crate) storage_full: bool,
    /// What was found out beside the items.
    drafts: Vec<Draft>,
    /// Something could not be found out: the cursors stay where they are.
    unknown: bool,
    cursors: Both<Option<Cursor>>,
    truncated: bool,
    anew: Both<bool>,
    mailbox_accepted: bool,
}

impl<'a> Round<'a> {
    pub(crate) fn new(
        cx: Context<'a>,
        keeper: &'a Keeper<'a>,
        opening: &'a Opening,
        hasher: &'a Hasher,
        org: &'a Hasher,
    ) -> Self {
        Self {
            cx,
            keeper,
            opening,
            hasher,
            org,
            frame: frame(&cx, keeper, opening),
            links: Links::default(),
            facts: Facts::default(),
            again: BTreeSet::new(),
            look: Look::Everything,
            profiles: None,
            started: cx.clock.now(),
            written: 0,
            storage_full: false,
            drafts: Vec::new(),
            unknown: false,
            cursors: Both::default(),
            truncated: false,
            anew: Both::default(),
            mailbox_accepted: false,
        }
    }

    pub(crate) fn mailbox_accepted(&self) -> bool {
        self.mailbox_accepted
    }

    pub(crate) fn truncated(&self) -> bool {
        self.truncated
    }

    /// Something could not be found out.
    pub(crate) fn unknown(&self) -> bool {
        self.unknown
    }

    /// Reads both sides' changes, both at once.
    pub(crate) async fn read(&mut self) -> Result<(), Halt> {
        let full = self.opening.last_full.is_some() && due::full_due(self.opening.last_full, self.started);
        let since = |cursor: &Option<Cursor>| if full { None } else { cursor.clone() };
        let count = AtomicUsize::new(0);
        progress(&self.cx, ProgressPhase::Reading, 0, 0);
        let (mailbox, crm) = futures::join!(
            self.read_side(Side::Mailbox, since(&self.opening.mailbox_cursor), &count),
            self.read_side(Side::Crm, since(&self.opening.crm_cursor), &count),
        );
        self.mailbox_accepted = mailbox.is_ok();
        let (mailbox, crm) = both(mailbox, crm)?;
        for (side, reading) in [(Side::Mailbox, mailbox), (Side::Crm, crm)] {
            self.truncated |= reading.truncated;
            let old = match side {
                Side::Mailbox => &self.opening.mailbox_cursor,
                Side::Crm => &self.opening.crm_cursor,
            };
            if old.as_ref() != Some(&reading.cursor) {
                *self.cursors.on_mut(side) = Some(reading.cursor);
            }
            let facts = self.facts.sides.on_mut(side);
            facts.full = if reading.truncated {
                Kinds::NONE
            } else {
                reading.full
            };
            facts.whole = if reading.anew { facts.full } else { Kinds::NONE };
            // Also of a listing that takes several sessions: each compares what it was shown. But not where the side
            // lists one kind by its own wish, as events whenever a series has changed: that happens all day.
            let whole = self.frame.kinds.without(ItemKind::Email);
            let compares = reading.anew || reading.full.and(whole) == whole;
            facts.compare = if compares { reading.full } else { Kinds::NONE };
            if reading.anew {
                // A mail that was refused is offered again, too.
                facts.compare = facts.compare.with(ItemKind::Email);
            }
            *self.anew.on_mut(side) = reading.anew;
            for change in reading.items {
                facts.report(change);
            }
        }
        self.told_by_sides().await?;
        self.first_links().await
    }

    /// What the sides would not show, and with every full compare whether another tool is at work.
    async fn told_by_sides(&mut self) -> Result<(), Halt> {
        self.unreadable();
        if !(self.anew.mailbox && self.anew.crm) {
            return Ok(());
        }
        for side in Side::BOTH {
            match self.cx.side(side).rivals().await {
                Ok(rivals) => {
                    for rival in rivals {
                        self.drafts.push(Draft {
                            key: IssueKey {
                                kind: ItemKind::Contact,
                                side,
                                item: ItemId(rival.name.clone()),
                                code: IssueCode::OtherSyncTool,
                            },
                            title: rival.name,
                            detail: rival.sign,
                            cures: vec![IssueCure::Ignore],
                        });
                    }
                }
                // Who asks to wait, or refuses, means every call.
                Err(fault)
                    if fault.retry_after().is_some()
                        || matches!(fault.kind, FaultKind::SignInEnded | FaultKind::Rejected) =>
                {
                    return Err(Halt::Fault(side, fault));
                }
                // Only a warning hangs on it: what is wrong with the side, its next call will say.
                Err(fault) => {
                    tracing::debug!(side = side.as_str(), %fault, "other tools were not looked for");
                }
            }
        }
        Ok(())
    }

    fn unreadable(&mut self) {
        for side in Side::BOTH {
            for (kind, item, refusal) in self.cx.side(side).unreadable() {
                if self.frame.kinds.has(kind) {
                    self.drafts.push(Draft {
                        title: item.0.clone(),
                        key: IssueKey {
                            kind,
                            side,
                            item,
                            code: IssueCode::Unreadable,
                        },
                        detail: refusal.message,
                        cures: vec![IssueCure::Retry, IssueCure::Ignore],
                    });
                }
            }
        }
    }

    async fn read_side(
        &self,
        side: Side,
        since: Option<Cursor>,
        count: &AtomicUsize,
    ) -> Result<Reading, Halt> {
        let fault = |fault| Halt::Fault(side, fault);
        let endpoint = self.cx.side(side);
        let mut want = self.want();
        let mut since = since;
        let mut anew = since.is_none();
        let recent = self
            .opening
            .last_full
            .map(|last| last.plus_seconds(-MAILS_AGAIN_SECONDS));
        self.start(side, anew).await?;
        let mut reading: Option<Reading> = None;
        loop {
            if let (true, Some(recent)) = (anew, recent) {
                // What came long before the last full listing was told then.
                want.mails_since = want.mails_since.max(recent);
            }
            let page = match endpoint.changes(since.as_ref(), &want).await {
                Err(error) if error.kind == FaultKind::CursorExpired && !anew => {
                    anew = true;
                    since = None;
                    reading = None;
                    self.start(side, anew).await?;
                    continue;
                }
                Err(error) if error.kind == FaultKind::CursorExpired => {
                    return Err(fault(
                        Fault::transient("a fresh cursor has expired already").caused_by(error),
                    ));
                }
                page => page.map_err(fault)?,
            };
            let read = count.fetch_add(page.items.len(), Ordering::Relaxed) + page.items.len();
            progress(&self.cx, ProgressPhase::Reading, read, 0);
            let so_far = reading.get_or_insert_with(|| Reading {
                items: Vec::new(),
                cursor: page.cursor.clone(),
                full: Kinds::ALL,
                truncated: false,
                anew,
            });
            so_far.items.extend(page.items);
            so_far.full = so_far.full.and(page.full);
            if page.more && since.as_ref() == Some(&page.cursor) {
                return Err(fault(Fault::transient(
                    "the cursor does not move although more is said to wait",
                )));
            }
            so_far.cursor = page.cursor;
            if page.more && (so_far.items.len() >= self.cx.limits.items || self.cx.observer.should_stop()) {
                so_far.truncated = true;
            }
            so_far.truncated &= !mutant::on(Mutant::TruncatedIsDone);
            so_far.anew = anew;
            if let Some(done) = reading.take_if(|reading| !page.more || reading.truncated) {
                return Ok(done);
            }
            since = reading.as_ref().map(|reading| reading.cursor.clone());
            self.keeper.keep().await?;
        }
    }

    pub(crate) fn want(&self) -> Want {
        let settings = &self.opening.settings;
        Want {
            kinds: self.frame.kinds,
            events: self.frame.window,
            tasks_since: self.frame.tasks_since,
            mails_since: self.frame.mails_since,
            mail_folders: settings.email_folders.clone(),
            contact_scope: settings.contact_scope,
            contact_list: settings.contact_list.clone(),
        }
    }

    /// Folders and categories that were removed come back whenever the mailbox is listed anew.
    async fn start(&self, side: Side, anew: bool) -> Result<(), Halt> {
        if anew && side == Side::Mailbox && !self.cx.dry_run {
            self.cx
                .mailbox
                .prepare()
                .await
                .map_err(|fault| Halt::Fault(Side::Mailbox, fault))?;
        }
        Ok(())
    }

    /// Loads the links that the reports concern, and finds what a full listing leaves out.
    async fn first_links(&mut self) -> Result<(), Halt> {
        // Emails are never listed in full, and nothing follows from one that is not listed.
        let of_interest = self.frame.kinds.without(ItemKind::Email);
        let listed = |round: &Self, side: Side| round.facts.sides.on(side).full.and(of_interest);
        let full = Side::BOTH.into_iter().any(|side| !listed(self, side).is_empty());
        let ask = if full { LinkAsk::All } else { LinkAsk::Pending };
        for link in self.cx.store.links(&self.keeper.lease(), &ask).await? {
            self.links.put(link);
        }
        self.links.complete = full;
        if self.anew.mailbox {
            // Mails are never listed in full: whether those that could not be saved still lie there is asked.
            let waiting = self.links.iter().filter(|link| {
                link.kind == ItemKind::Email
                    && !matches!(link.state, LinkState::Ended(_))
                    && link.crm_id.is_none()
            });
            let ids: Vec<ItemId> = waiting.filter_map(|link| link.mailbox_id.clone()).collect();
            self.facts.sides.mailbox.news.extend(ids);
        }
        for side in Side::BOTH {
            let listed = listed(self, side);
            let facts = self.facts.sides.on(side);
            let unlisted: Vec<ItemId> = self
                .links
                .iter()
                .filter(|link| link.state == LinkState::Live && listed.has(link.kind))
                .filter_map(|link| link.id_on(side))
                .filter(|id| !facts.news.contains(*id))
                .cloned()
                .collect();
            let facts = self.facts.sides.on_mut(side);
            facts.unlisted.extend(unlisted.iter().cloned());
            for id in unlisted {
                facts.report(if mutant::on(Mutant::AbsentIsDeleted) {
                    Change::Deleted {
                        id,
                        merged_into: None,
                    }
                } else {
                    Change::Absent(id)
                });
            }
        }
        Ok(())
    }

    pub(crate) fn view(&self) -> View<'_> {
        View {
            hasher: self.hasher,
            links: &self.links,
            facts: &self.facts,
            settings: &self.opening.settings,
            org: self.org,
            frame: &self.frame,
            again: &self.again,
            look: self.look,
        }
    }

    pub(crate) fn plan(&self) -> Plan {
        let none = Profiles::default();
        let profiles = match &self.profiles {
            Some(both) => Both::new(&both.mailbox, &both.crm),
            None => Both::new(&none, &none),
        };
        let view = self.view();
        let mut plan = plan(
            view,
            &view.survey(),
            Setting {
                profiles,
                now: self.cx.clock.now(),
                rng: self.cx.rng,
                live_links: self.opening.live_links,
                fresh: !self.opening.first_round_done && self.opening.live_links == 0,
            },
        );
        if self.look == Look::Everything {
            for draft in &self.drafts {
                plan.solved.retain(|key| *key != draft.key);
                if !plan.issues.iter().any(|issue| issue.key == draft.key) {
                    plan.issues.push(draft.clone());
                }
            }
        }
        plan
    }

    pub(crate) async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        let now = self.cx.clock.now();
        let commit = self.counted(commit);
        self.cx.store.commit(&self.keeper.lease(), now, commit).await
    }

    /// A commit as it counts for the organisation.
    pub(crate) fn counted(&self, mut commit: Commit) -> Commit {
        if self.opening.org_released {
            // An administrator has seen them: they stop nobody else.
            commit.deletes = 0;
        }
        commit
    }

    /// The round's last commit: the cursors move now that everything that they pass is durable.
    pub(crate) fn last_commit(&mut self) -> Commit {
        let mut commit = Commit::default();
        if self.unknown {
            return commit;
        }
        commit.mailbox_cursor = self.cursors.mailbox.take();
        commit.crm_cursor = self.cursors.crm.take();
        let full = self.anew.mailbox && self.anew.crm;
        if full && self.opening.last_full.is_some() {
            // One that is longer than a session goes on from its cursors: begun anew each time, it would never end.
            commit.last_full = Some(self.started);
        }
        if !self.truncated {
            // A first round that was read in several sessions has listed everything too.
            if full || self.opening.last_full.is_none() {
                commit.last_full = Some(self.started);
            }
            commit.first_round_done = !self.opening.first_round_done;
        }
        commit
    }

    pub(crate) fn holds_key(&self, side: Side, kind: ItemKind) -> bool {
        self.profiles
            .as_ref()
            .and_then(|both| both.on(side).of(kind))
            .is_some_and(|profile| profile.holds_key)
    }
}

fn frame(cx: &Context<'_>, keeper: &Keeper<'_>, opening: &Opening) -> Frame {
    let settings = &opening.settings;
    let now = cx.clock.now();
    let days = |n: u32| i64::from(n) * 24 * 3600;
    Frame {
        now,
        kinds: ItemKind::ALL
            .into_iter()
            .filter(|kind| settings.direction(*kind) != Direction::Off || mutant::on(Mutant::OffDeletes))
            .collect(),
        window: Window {
            from: now.plus_seconds(-days(settings.event_days_back)),
            to: now.plus_seconds(days(settings.event_days_ahead)),
        },
        tasks_since: now.plus_seconds(-days(TASK_DAYS)),
        mails_since: opening.activated.plus_seconds(-days(settings.email_days_back)),
        address: opening.address.clone(),
        user: cx.crm.user(),
        connection: keeper.lease().connection,
        backfilled: BTreeSet::new(),
        ordered: BTreeMap::new(),
    }
}

/// Two answers that were waited for together.
fn both<M, C>(mailbox: Result<M, Halt>, crm: Result<C, Halt>) -> Result<(M, C), Halt> {
    match (mailbox, crm) {
        (Ok(mailbox), Ok(crm)) => Ok((mailbox, crm)),
        (Err(mailbox), Err(crm)) => Err(graver(mailbox, crm)),
        (Err(halt), Ok(_)) | (Ok(_), Err(halt)) => Err(halt),
    }
}

/// Of two faults the one that says more. A grant that has ended is certain, a refused logon is counted, and who asks to
/// wait is not asked again sooner; everything else may pass.
fn graver(mailbox: Halt, crm: Halt) -> Halt {
    let weight = |halt: &Halt| match halt {
        Halt::Store(_) => (4, None),
        Halt::Fault(_, fault) => match fault.kind {
            FaultKind::SignInEnded => (3, None),
            FaultKind::Rejected => (2, None),
            FaultKind::RateLimited { whole_org: true, .. } => (1, fault.retry_after()),
            _ => (0, fault.retry_after()),
        },
    };
    if weight(&crm) > weight(&mailbox) {
        crm
    } else {
        mailbox
    }
}
