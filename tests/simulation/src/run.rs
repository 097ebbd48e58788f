//! Plays a story.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use futures::FutureExt;
use tandem_store::{MemoryConnection, MemoryStore};
use tandem_sync::model::LinkKey;
use tandem_sync::order::{Order, Ordered};
use tandem_sync::ports::{Backfill, Closing, Commit, IssueKey, Lease, Observer, Pick, Store, StoreError};
use tandem_sync::session::{Context, Limits, Report};
use tandem_types::{
    ConnectionId, IssueCode, IssueCure, ItemKind, MailboxAccount, MailboxServer, Progress, SessionId,
    SessionOutcome, Side, StateReason, SyncState,
};

use crate::counters::Counters;
use crate::dice::{Dice, EngineDice};
use crate::end::End;
use crate::oracle::Final;
use crate::steps::{Step, Story};
use crate::store::SimStore;
use crate::truth::{Home, WORD};
use crate::world::{DAY, Run, Shared, Violation, Virtual, World, address, user_id};

/// So many turns, and a session hangs.
const TURNS_MAX: u32 = 200_000;
/// So many rounds without faults, and it never comes to rest.
const ROUNDS_MAX: usize = 40;
/// And so many more for each session's reading of all items: a series that changed has its side listed anew, and that
/// is told again.
const READINGS_MAX: usize = 4;

/// So many days, each with its full compare.
const COMPARES_MAX: usize = 4;

/// What came of a story.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub seed: u64,
    pub violations: Vec<Violation>,
    pub counters: Counters,
    /// A hash of everything that happened, in order.
    pub trace: u64,
    pub events: u64,
    pub edits: u32,
    pub sessions: u32,
    pub diary: Vec<String>,
    /// Every item and every pair as it is at the end.
    pub end: Vec<String>,
}

struct Quiet;

impl Observer for Quiet {
    fn progress(&self, _: Progress) {}

    fn should_stop(&self) -> bool {
        false
    }
}

type Going = Pin<Box<dyn Future<Output = Result<Report, StoreError>> + Send>>;

struct Task {
    run: usize,
    conn: usize,
    /// What was ordered while it ran is done at its end.
    is_session: bool,
    lease: Option<Lease>,
    going: Going,
}

/// What a lease is taken for.
enum Deed {
    Session,
    /// What the user ordered about single items.
    Orders,
    Undo(SessionId),
}

/// An order that comes to no end in so many sessions is given up.
const TRIES: u32 = 5;

/// Carries out what is ordered, as the worker does.
async fn ordered(
    cx: &Context<'_>,
    lease: Lease,
    store: &SimStore,
    row: Option<tandem_store::ConnectionRow>,
) -> Result<Report, StoreError> {
    let id = lease.connection.clone();
    let rows = store.inner.orders(&id);
    let orders = rows
        .iter()
        .map(|row| {
            let order = Order {
                at: Some(row.at),
                ..row.order.clone()
            };
            (row.item.clone(), order)
        })
        .collect();
    let report = tandem_sync::order::carry_out(cx, lease.clone(), &orders).await?;
    for row in &rows {
        let later = matches!(report.orders.get(&row.item), None | Some(Ordered::Later));
        if later && row.tries + 1 < TRIES {
            store.inner.order_tried(&id, &row.item, row.at)?;
        } else {
            store.inner.end_order(&id, &row.item, row.at)?;
        }
    }
    let mut closing = report.closing;
    if let (SessionOutcome::Done, Some(row)) = (closing.outcome, &row) {
        closing.next_due = row.next_due;
    }
    if let Some(row) = row {
        (closing.preview, closing.brake) = (row.preview, row.brake);
    }
    {
        let mut world = store.shared.lock();
        world.note(|| format!("orders came to {:?}", report.orders));
        for row in rows.iter().filter(|row| row.order.out) {
            let done = matches!(report.orders.get(&row.item), Some(Ordered::Done(_)));
            if let Some(index) = world.find_ever(Home::Box(store.conn), &row.item).filter(|_| done) {
                let seq = world.tick();
                world.out_since.insert((store.conn, index), seq);
            }
        }
        for ordered in report.orders.values() {
            let word = match ordered {
                Ordered::Done(_) => "order done",
                Ordered::NotSaved(_) => "order not saved",
                Ordered::Refused => "order refused",
                Ordered::Gone => "order of what is gone",
                Ordered::Later => "order stands",
            };
            world.counters.count("world", word);
        }
    }
    store.close(&lease, closing.clone()).await?;
    Ok(Report {
        closing,
        issues: 0,
        lines: Vec::new(),
        whole_org: None,
    })
}

struct Play {
    shared: Shared,
    store: Arc<MemoryStore>,
    conns: [ConnectionId; 2],
    /// Another of the same organisation, which only deletes.
    other: ConnectionId,
    tasks: Vec<Task>,
    sessions: u32,
    names: u64,
    seed: u64,
    undone: [bool; 2],
}

/// Of so many seeds, one is told a second time with every answer turned round.
const TURNED_EVERY: u64 = 8;

/// Plays a story to its end, and judges it.
///
/// S12: some are told twice, the second time with all that the sides answer once the faults have stopped in the opposite
/// order: whatever order a batch comes in, the same is done.
pub fn tell(story: &Story, with_diary: bool) -> Verdict {
    let mut verdict = play(story, with_diary, false);
    if !verdict.violations.is_empty() || !story.seed.is_multiple_of(TURNED_EVERY) {
        return verdict;
    }
    let turned = play(story, with_diary, true);
    let apart = (verdict.end.iter().zip(&turned.end)).find(|(this, other)| this != other);
    let text = match apart {
        _ if !turned.violations.is_empty() => Some(format!(
            "with every batch turned round, {} is violated: {}",
            turned.violations[0].invariant, turned.violations[0].text
        )),
        Some((this, other)) => Some(format!(
            "with every batch turned round, it ends otherwise: {this}, and {other}"
        )),
        None if verdict.end.len() != turned.end.len() => {
            Some("with every batch turned round, there are more items at its end, or fewer".to_owned())
        }
        None => None,
    };
    if let Some(text) = text {
        verdict.violations.push(Violation {
            invariant: "S12",
            text,
        });
        if with_diary {
            verdict
                .diary
                .push("# the same with every batch turned round".to_owned());
            verdict.diary.extend(turned.diary);
        }
    }
    verdict
}

/// `turned`: once the faults have stopped, all that the sides answer comes in the opposite order.
fn play(story: &Story, with_diary: bool, turned: bool) -> Verdict {
    let mut play = Play::new(story, with_diary);
    play.shared.lock().turned = turned;
    for step in &story.steps {
        play.step(step);
        if !play.shared.lock().violations.is_empty() {
            return play.verdict();
        }
    }
    play.finale();
    play.verdict()
}

impl Play {
    fn new(story: &Story, with_diary: bool) -> Self {
        let store = Arc::new(MemoryStore::new());
        let org: tandem_types::OrgId = "00D000000000001AAA"
            .parse()
            .unwrap_or_else(|_| unreachable!("it has the form of one"));
        let conns: [ConnectionId; 2] = [own_id(1), own_id(2)];
        let world = World::new(
            story.config.clone(),
            [
                tandem_types::Settings::default(),
                tandem_types::Settings::default(),
            ],
            story.seed,
        );
        let now = world.now();
        let shared = Shared::new(world);
        if with_diary {
            shared.lock().diary = Some(Vec::new());
        }
        let other: ConnectionId = own_id(3);
        for (conn, id) in conns.iter().chain([&other]).enumerate() {
            let user = user_id(conn)
                .0
                .parse()
                .unwrap_or_else(|_| unreachable!("it has the form of one"));
            let about = MemoryConnection::new(id.clone(), org.clone(), user);
            let added = store.add_connection(about, now);
            let activated = store.activate(id, account(conn, story.config.cloud), now);
            if added.is_err() || activated.is_err() {
                shared
                    .lock()
                    .violate("set-up", format!("{added:?} {activated:?}"));
            }
        }
        let mut play = Self {
            shared,
            store,
            conns,
            other,
            tasks: Vec::new(),
            sessions: 0,
            names: 0,
            seed: story.seed,
            undone: [false; 2],
        };
        for conn in 0..2 {
            play.set(conn, &story.overrides[conn]);
        }
        play
    }

    fn set(&mut self, conn: usize, overrides: &serde_json::Value) {
        let set = self.store.set_settings(&self.conns[conn], overrides);
        let mut world = self.shared.lock();
        match set {
            Ok(settings) => {
                for (kind, what) in [
                    (ItemKind::Contact, settings.contact_deleted_in_mailbox),
                    (ItemKind::Task, settings.task_deleted_in_mailbox),
                ] {
                    if what == tandem_types::DeletedInMailbox::Recreate {
                        world.ever_recreate.insert((conn, kind));
                    }
                }
                for kind in ItemKind::ALL {
                    if settings.direction(kind) != tandem_types::Direction::TwoWay {
                        world.one_way.insert((conn, kind));
                    }
                }
                world.settings[conn] = settings;
            }
            Err(fault) => world.violate("set-up", format!("settings: {fault:?}")),
        }
    }

    fn step(&mut self, step: &Step) {
        self.shared.lock().note(|| format!("# {step:?}"));
        match step {
            Step::User { act, dice } => {
                self.shared.lock().act(*act, &mut Dice::new(*dice));
            }
            Step::Trouble { conn, trouble } => self.shared.lock().troubles[*conn].push(*trouble),
            Step::Session { conn, turns, dice } => {
                let mut dice = Dice::new(*dice);
                if self.begin(*conn, &mut dice) {
                    let last = self.tasks.len() - 1;
                    self.drive(last, *turns);
                } else if let Some(task) = self.tasks.iter().position(|task| task.conn == *conn) {
                    self.drive(task, *turns);
                }
            }
            Step::Both { dice } => {
                let mut dice = Dice::new(*dice);
                for conn in 0..2 {
                    self.begin(conn, &mut dice);
                }
                let mut turns = 0;
                while !self.tasks.is_empty() && turns < TURNS_MAX {
                    let task = dice.below(self.tasks.len());
                    self.drive(task, 1 + u32::try_from(dice.below(3)).unwrap_or(0));
                    turns += 1;
                }
            }
            Step::Resume { turns, dice } => {
                if !self.tasks.is_empty() {
                    let task = Dice::new(*dice).below(self.tasks.len());
                    self.drive(task, *turns);
                }
            }
            Step::Crash => self.crash(),
            Step::Minutes(minutes) => self.shared.lock().hands.turn(minutes * 60_000_000),
            Step::Jump(seconds) => {
                let mut world = self.shared.lock();
                world.hands.turn(seconds * 1_000_000);
                world.counters.count("world", "clock jumped");
            }
            Step::Settings { conn, overrides } => {
                self.set(*conn, overrides);
                self.shared.lock().counters.count("world", "settings changed");
            }
            Step::Cure { conn, dice } => self.cure(*conn, &mut Dice::new(*dice)),
            Step::Undo { conn, dice } => self.undo(*conn, &mut Dice::new(*dice)),
            Step::Order { conn, dice } => self.order(*conn, &mut Dice::new(*dice)),
            Step::Backfill { conn } => {
                let mut world = self.shared.lock();
                let now = world.now();
                let backfill = Backfill {
                    from: now.plus_seconds(-60 * DAY),
                    to: now,
                    started: now,
                    cursor: None,
                    done: 0,
                    total: 0,
                    saved: 0,
                    finished: false,
                };
                if self
                    .store
                    .start_backfill(&self.conns[*conn], &backfill, now)
                    .is_ok()
                {
                    world.backfilling[*conn] = true;
                    world.counters.count("world", "back-fill");
                }
            }
            Step::Others { deletes } => self.others_delete(*deletes),
            Step::Pause { conn } => {
                let id = &self.conns[*conn];
                let now = self.shared.lock().now();
                let paused = self
                    .store
                    .set_state(id, &[SyncState::Active], SyncState::Paused, None, None);
                if !paused {
                    self.store
                        .set_state(id, &[SyncState::Paused], SyncState::Active, None, Some(now));
                }
            }
        }
    }

    /// Somebody chooses a cure for one of the pairs that have one.
    fn cure(&mut self, conn: usize, dice: &mut Dice) {
        if self.tasks.iter().any(|task| task.conn == conn) {
            return;
        }
        // What an issue offers, and nothing else.
        let issues: Vec<IssueKey> = self
            .store
            .issue_keys(&self.conns[conn])
            .into_iter()
            .filter(|key| key.kind != ItemKind::Email)
            .collect();
        if issues.is_empty() {
            return;
        }
        let issue = dice.pick(&issues).clone();
        let offered: &[IssueCure] = match issue.code {
            IssueCode::DeletedInMailbox => &[IssueCure::BringBack, IssueCure::DeleteThere],
            IssueCode::Conflict | IssueCode::Differences => &[IssueCure::KeepMine, IssueCure::KeepTheirs],
            _ => &[IssueCure::Retry],
        };
        let wanted = *dice.pick(offered);
        let now = self.shared.lock().now();
        let key = LinkKey(format!("{:032x}", u128::from(dice.roll())));
        let cured: Vec<_> = self.shared.lock().links[conn]
            .values()
            .filter(|link| link.id_on(issue.side) == Some(&issue.item))
            .filter_map(|link| tandem_sync::cure::cure(link, wanted, now, key.clone()))
            .collect();
        if cured.is_empty() {
            return;
        }
        let link = dice.pick(&cured).clone();
        let id = link.id.clone();
        if !self.begin_now(conn, dice) {
            return;
        }
        // The session that follows takes the same lease: what was chosen is noted first.
        let last = self.tasks.len() - 1;
        let Some(lease) = self.tasks[last].lease.clone() else {
            return;
        };
        let before: Vec<_> = self.shared.lock().links[conn]
            .get(&id)
            .cloned()
            .into_iter()
            .collect();
        let commit = Commit {
            unclaimed: tandem_sync::cure::let_go(&before, std::slice::from_ref(&link)),
            links: vec![link],
            solved: vec![issue],
            ..Commit::default()
        };
        let noted = self.store.commit(&lease, now, commit.clone()).now_or_never();
        if matches!(noted, Some(Ok(()))) {
            let run = self.tasks[last].run;
            let mut world = self.shared.lock();
            world.cured.entry(id).or_default().push(wanted);
            let soul_of = |world: &World, link: &tandem_sync::Link| {
                let id = link
                    .mailbox_id
                    .as_ref()
                    .and_then(|id| world.find_ever(Home::Box(conn), id));
                id.map(|index| world.item(Home::Box(conn), index).soul)
            };
            // Who only tries again chooses nothing.
            if let Some(soul) = soul_of(&world, &commit.links[0]).filter(|_| wanted != IssueCure::Retry) {
                world.blurred.insert(soul);
                world.doubted.insert(soul);
                world.emptied.insert(soul);
            }
            world.noted(run, commit.links, Vec::new());
            world.counters.count("cure", format!("{wanted:?}"));
        }
        self.drive(last, u32::MAX);
    }

    /// Somebody takes back one of the last sessions.
    fn undo(&mut self, conn: usize, dice: &mut Dice) {
        if self.tasks.iter().any(|task| task.conn == conn) {
            return;
        }
        let sessions: Vec<SessionId> = self
            .store
            .sessions(&self.conns[conn])
            .into_iter()
            .filter(|session| session.ended.is_some() && !session.counts.is_empty())
            .take(5)
            .map(|session| session.id)
            .collect();
        if sessions.is_empty() {
            return;
        }
        let session = dice.pick(&sessions).clone();
        if dice.percent(50) {
            self.shared.lock().edit_after(&session, dice);
        }
        self.undone[conn] = true;
        if self.begin_with(conn, dice, Deed::Undo(session)) {
            let last = self.tasks.len() - 1;
            self.shared.lock().counters.count("world", "undone");
            self.drive(last, u32::MAX);
        }
    }

    /// Somebody orders something about one item. A session of its own does it at once; while another runs, at its end.
    fn order(&mut self, conn: usize, dice: &mut Dice) {
        let id = self.conns[conn].clone();
        if !self.may_order(conn) {
            return;
        }
        let drawn = self.shared.lock().draw_order(conn, dice);
        let Some((item, order)) = drawn else { return };
        let now = self.shared.lock().now();
        let out = order.out;
        if let Err(error) = self.store.put_order(&id, &item, &order, now) {
            self.shared
                .lock()
                .violate("set-up", format!("an order: {error:?}"));
            return;
        }
        {
            let mut world = self.shared.lock();
            world.note(|| format!("orders {item}, out {out}"));
            world
                .counters
                .count("world", if out { "ordered out" } else { "ordered" });
        }
        self.carry_out(conn, dice);
    }

    /// As the pane offers it.
    fn may_order(&self, conn: usize) -> bool {
        self.store.connection(&self.conns[conn]).is_some_and(|row| {
            row.first_round_done
                && row.state == SyncState::Active
                && row.rejections == 0
                && !matches!(
                    row.reason,
                    Some(StateReason::StoppedByBrake | StateReason::OrgBrake)
                )
        })
    }

    /// A session for what is ordered, if anything is, and nobody else holds the connection.
    fn carry_out(&mut self, conn: usize, dice: &mut Dice) {
        let waits = !self.store.orders(&self.conns[conn]).is_empty();
        if waits && self.may_order(conn) && self.begin_with(conn, dice, Deed::Orders) {
            self.drive(self.tasks.len() - 1, u32::MAX);
        }
    }

    /// Another connection of the organisation deletes so much.
    fn others_delete(&mut self, deletes: u32) {
        self.names += 1;
        let session: SessionId = own_id(0x5e55_0000 + self.names);
        let now = self.shared.lock().now();
        let ttl = Limits::default().lease;
        let pick = Pick::This(self.other.clone());
        let claim = self.store.claim(&pick, "sim", session, now, ttl);
        // Not while the organisation is stopped.
        let Some(Ok(Some(lease))) = claim.now_or_never() else {
            return;
        };
        let commit = Commit {
            deletes,
            moved: true,
            ..Commit::default()
        };
        let closing = Closing {
            outcome: SessionOutcome::Done,
            counts: Vec::new(),
            state: SyncState::Active,
            reason: None,
            rejections: 0,
            failures: 0,
            next_due: None,
            ended: now,
            preview: None,
            brake: None,
            release_used: true,
            stop_org: false,
            note: String::new(),
        };
        let noted = self.store.commit(&lease, now, commit).now_or_never();
        let closed = self.store.close(&lease, closing).now_or_never();
        let mut world = self.shared.lock();
        if !matches!((&noted, &closed), (Some(Ok(())), Some(Ok(())))) {
            world.violate("set-up", format!("others delete: {noted:?} {closed:?}"));
        }
        let seq = world.tick();
        world.others_deleted.push((seq, now, deletes));
        world.counters.count("world", "others delete");
    }

    fn crash(&mut self) {
        let mut world = self.shared.lock();
        for task in self.tasks.drain(..) {
            world.cut(task.run);
            world.counters.count("world", "crashed in a session");
        }
    }

    /// What the user does about a connection that waits for him; then its next session is due.
    fn mend(&mut self, conn: usize, dice: &mut Dice, surely: bool) {
        let id = self.conns[conn].clone();
        let Some(row) = self.store.connection(&id) else {
            return;
        };
        let now = self.shared.lock().now();
        let willing = surely || dice.percent(80);
        let stopped = matches!(
            row.reason,
            Some(StateReason::StoppedByBrake | StateReason::WaitingForPreview)
        );
        if stopped && willing {
            self.store.release(&id, now);
        }
        if row.reason == Some(StateReason::OrgBrake) && willing && self.store.release_org(&row.org_id, now) {
            let mut world = self.shared.lock();
            world.org_released = Some(now);
            world.counters.count("world", "organisation let go on");
        }
        match row.state {
            SyncState::NeedsActivation if willing => {
                let cloud = self.shared.lock().config.cloud;
                if let Err(error) = self.store.activate(&id, account(conn, cloud), now) {
                    self.shared.lock().violate("set-up", error.to_string());
                }
            }
            SyncState::Paused if willing => {
                self.store
                    .set_state(&id, &[SyncState::Paused], SyncState::Active, None, Some(now));
            }
            _ => {}
        }
        let due = self.store.connection(&id).and_then(|row| row.next_due);
        match due {
            Some(due) if due > now => {
                let wait = due.micros() - now.micros();
                if surely || wait < 3 * 3600 * 1_000_000 {
                    self.shared.lock().hands.turn(wait);
                } else {
                    self.store.wake(&id, now);
                }
            }
            Some(_) => {}
            None => {
                if willing {
                    self.store.wake(&id, now);
                }
            }
        }
    }

    /// Takes the lease and begins a session. False: it is not to be had.
    fn begin(&mut self, conn: usize, dice: &mut Dice) -> bool {
        if !self.tasks.iter().any(|task| task.conn == conn) {
            self.mend(conn, dice, false);
        }
        self.begin_now(conn, dice)
    }

    fn begin_now(&mut self, conn: usize, dice: &mut Dice) -> bool {
        self.begin_with(conn, dice, Deed::Session)
    }

    fn begin_with(&mut self, conn: usize, dice: &mut Dice, deed: Deed) -> bool {
        self.names += 1;
        let session: SessionId = own_id(0x5e55_0000 + self.names);
        let ttl = Limits::default().lease;
        let now = self.shared.lock().now();
        let claim = self
            .store
            .claim(&Pick::This(self.conns[conn].clone()), "sim", session, now, ttl)
            .now_or_never();
        let lease = match claim {
            Some(Ok(Some(lease))) => lease,
            Some(Ok(None)) => return false,
            other => {
                self.shared.lock().violate("set-up", format!("claim: {other:?}"));
                return false;
            }
        };
        let mut world = self.shared.lock();
        // An older one has lost it already.
        let held = world
            .runs
            .iter()
            .rfind(|run| run.conn == conn)
            .is_some_and(|run| !run.closed && !run.cut && run.until > now);
        if held {
            world.violate("S8", "two leases at once".to_owned());
        }
        let run = world.runs.len();
        let seq = world.tick();
        let settings = world.settings[conn].clone();
        // What one that still hangs has written, nobody has noted.
        for other in 0..run {
            if world.runs[other].conn == conn && !world.runs[other].closed {
                let unnoted = world.runs[other].unnoted.clone();
                world.doubted.extend(unnoted);
            }
        }
        world.runs.push(Run {
            conn,
            seq,
            session: lease.session.clone(),
            started: now,
            fence: lease.fence,
            until: lease.until,
            opened: false,
            live_links: 0,
            released: false,
            org_released: false,
            first: false,
            creates: 0,
            deletes: 0,
            writes: 0,
            event_writes: 0,
            calls: [Vec::new(), Vec::new()],
            cut: false,
            closed: false,
            undo: matches!(deed, Deed::Undo(_)),
            undoes: match &deed {
                Deed::Undo(session) => Some(session.clone()),
                Deed::Session | Deed::Orders => None,
            },
            settings,
            lost_lease: false,
            struck: false,
            unnoted: Vec::new(),
            asked_to_wait: None,
        });
        let limits = Limits {
            items: world.config.limit_items,
            writes: world.config.limit_writes,
            ..Limits::default()
        };
        world.note(|| format!("run {run} of connection {conn} begins"));
        let clock = Virtual(world.hands.clone());
        drop(world);
        let end = |side| End {
            shared: self.shared.clone(),
            conn,
            run,
            side,
        };
        let (mailbox, crm) = (end(Side::Mailbox), end(Side::Crm));
        let store = SimStore {
            inner: self.store.clone(),
            shared: self.shared.clone(),
            conn,
            run,
        };
        let rng = EngineDice::new(dice.roll() ^ self.seed);
        let held_lease = Some(lease.clone());
        let is_session = matches!(deed, Deed::Session);
        let row = self.store.connection(&self.conns[conn]);
        let going = async move {
            let cx = Context {
                mailbox: &mailbox,
                crm: &crm,
                store: &store,
                clock: &clock,
                rng: &rng,
                observer: &Quiet,
                dry_run: false,
                limits,
            };
            match deed {
                Deed::Session => tandem_sync::session::run(&cx, lease).await,
                Deed::Orders => ordered(&cx, lease, &store, row).await,
                Deed::Undo(session) => {
                    let report = tandem_sync::undo::undo(&cx, lease, &session).await?;
                    Ok(Report {
                        closing: report.closing,
                        issues: 0,
                        lines: Vec::new(),
                        whole_org: report.whole_org,
                    })
                }
            }
        };
        self.tasks.push(Task {
            run,
            conn,
            is_session,
            lease: held_lease,
            going: Box::pin(going),
        });
        self.sessions += 1;
        true
    }

    /// Lets a session go on for so many turns. True: it is over.
    fn drive(&mut self, task: usize, turns: u32) -> bool {
        let mut cx = TaskContext::from_waker(Waker::noop());
        let run = self.tasks[task].run;
        for _ in 0..turns.min(TURNS_MAX) {
            if let Poll::Ready(result) = self.tasks[task].going.as_mut().poll(&mut cx) {
                let done = self.tasks.remove(task);
                let (conn, is_session) = (done.conn, done.is_session);
                drop(done);
                self.over(run, result);
                if is_session {
                    let seed = self.seed ^ self.names;
                    self.carry_out(conn, &mut Dice::new(seed));
                }
                return true;
            }
        }
        if turns >= TURNS_MAX {
            drop(self.tasks.remove(task));
            self.shared.lock().violate("L1", "a session hangs".to_owned());
            return true;
        }
        false
    }

    fn over(&mut self, run: usize, result: Result<Report, StoreError>) {
        let mut world = self.shared.lock();
        let conn = world.runs[run].conn;
        world.troubles[conn]
            .retain(|trouble| trouble.after > 0 && !matches!(trouble.woe, crate::faults::Woe::Meddle));
        match result {
            Ok(report) => {
                if report.lines.iter().any(|line| line.contains(WORD)) {
                    world.violate("S11", "a line of the plan holds somebody's words".to_owned());
                }
                if report.outcome() == SessionOutcome::Failed && !world.runs[run].struck {
                    let note = report.closing.note;
                    world.violate("L4", format!("a session fails without a fault: {note}"));
                }
            }
            Err(StoreError::LeaseLost) => {
                world.cut(run);
                world.counters.count("world", "lease lost");
                let fence = world.runs[run].fence;
                if !world
                    .runs
                    .iter()
                    .any(|other| other.conn == conn && other.fence > fence)
                {
                    // Activating again takes a lease away too.
                    world.counters.count("world", "lease taken away");
                }
            }
            Err(StoreError::Unavailable(_)) => world.cut(run),
            Err(error) => world.violate("L4", format!("the store: {error}")),
        }
    }

    /// The faults stop. All must come to rest, and agree.
    fn finale(&mut self) {
        {
            let mut world = self.shared.lock();
            world.note(|| "# the faults stop".to_owned());
            world.calm = true;
            (world.files_full, world.storage_full) = (world.activated, world.activated);
            world.troubles = [Vec::new(), Vec::new()];
            world.denied.clear();
            for home in [crate::truth::Home::Box(0), crate::truth::Home::Box(1)] {
                for index in 0..world.shelf(home).items.len() {
                    if world.item(home, index).unreadable {
                        world.item_mut(home, index).unreadable = false;
                        world.touch(home, index);
                    }
                }
            }
        }
        let mut dice = Dice::new(self.seed ^ 0xf1a1);
        while !self.tasks.is_empty() {
            self.drive(0, TURNS_MAX);
        }
        if !self.settle(&mut dice, "once the faults have stopped") {
            return;
        }
        // Where a compare finds out that something is gone, what that stood in the way of is offered again by the next.
        for _ in 0..COMPARES_MAX {
            let over = self.shared.lock().over();
            self.shared.lock().hands.turn(25 * 3600 * 1_000_000);
            if !self.settle(&mut dice, "after a full compare") {
                return;
            }
            if self.shared.lock().over() == over {
                break;
            }
        }
        let told = self.told();
        self.shared.lock().judge_end(&told);
        if !self.shared.lock().violations.is_empty() {
            return;
        }
        // An idle session: one request to each side.
        for conn in 0..2 {
            if let Some(run) = self.whole(conn, &mut dice) {
                let mut world = self.shared.lock();
                // What is in doubt, or waits, is asked about.
                if world.links[conn].values().any(|link| {
                    link.intent.is_some() || link.traits.waits_since.is_some() || link.traits.files_owed
                }) {
                    continue;
                }
                for calls in world.runs[run].calls.clone() {
                    let settings = &world.settings[conn];
                    let off = ItemKind::ALL
                        .into_iter()
                        .all(|kind| settings.direction(kind) == tandem_types::Direction::Off);
                    if calls != ["changes"] && !off {
                        world.violate("L2", format!("an idle session asks {calls:?}"));
                    }
                }
            }
        }
        // A full compare after all is said finds nothing to repair.
        self.shared.lock().hands.turn(DAY * 1_000_000 + 3_600_000_000);
        for conn in 0..2 {
            if let Some(run) = self.whole(conn, &mut dice) {
                let mut world = self.shared.lock();
                let wrote = world.runs[run].writes - world.runs[run].event_writes;
                if wrote > 0 {
                    world.violate("L5", format!("a full compare repairs {wrote} items"));
                }
            }
        }
    }

    fn told(&self) -> Final {
        // What a create that is in doubt may have made is told at the item that it was made of.
        let named = |conn: usize| {
            let details = self.store.issue_details(&self.conns[conn]);
            let doubts = details
                .into_iter()
                .filter(|(key, _)| key.code == IssueCode::CreateInDoubt);
            doubts
                .flat_map(|(_, detail)| tandem_sync::cure::candidates_of_detail(&detail))
                .map(|candidate| candidate.id)
                .collect()
        };
        Final {
            issues: [
                self.store.issue_keys(&self.conns[0]),
                self.store.issue_keys(&self.conns[1]),
            ],
            named: [named(0), named(1)],
            undone: self.undone,
        }
    }

    /// One session of a connection, from its due time to its end.
    fn whole(&mut self, conn: usize, dice: &mut Dice) -> Option<usize> {
        self.mend(conn, dice, true);
        for _ in 0..3 {
            if self.begin_now(conn, dice) {
                let last = self.tasks.len() - 1;
                let run = self.tasks[last].run;
                self.drive(last, TURNS_MAX);
                return Some(run);
            }
            // The lease of a process that died runs out, later if the clock was set back since.
            let ttl = i64::try_from(Limits::default().lease.as_micros()).unwrap_or(0);
            let world = self.shared.lock();
            let held = world.runs.iter().rfind(|run| run.conn == conn);
            let left = held.map_or(0, |run| run.until.micros() - world.now().micros());
            world.hands.turn(left.max(ttl) + 1_000_000);
            drop(world);
            self.mend(conn, dice, true);
        }
        self.shared
            .lock()
            .violate("L3", format!("connection {conn} gets no session any more"));
        None
    }

    fn settle(&mut self, dice: &mut Dice, when: &str) -> bool {
        let mut quiet = 0;
        let readings = {
            let world = self.shared.lock();
            let items: usize = World::homes()
                .iter()
                .map(|home| world.shelf(*home).items.len())
                .sum();
            items / world.config.limit_items.max(1)
        };
        for _ in 0..ROUNDS_MAX + READINGS_MAX * readings {
            let mut wrote = 0;
            let mut partial = false;
            for conn in 0..2 {
                let Some(run) = self.whole(conn, dice) else {
                    return false;
                };
                let world = self.shared.lock();
                if !world.violations.is_empty() {
                    return false;
                }
                wrote += world.runs[run].writes;
                let outcome = self
                    .store
                    .sessions(&self.conns[conn])
                    .first()
                    .and_then(|session| session.outcome);
                partial |= outcome != Some(SessionOutcome::Done);
                let ordered = world.runs.last().map_or(0, |last| last.writes);
                wrote += ordered;
                partial |= !self.store.orders(&self.conns[conn]).is_empty();
            }
            quiet = if wrote == 0 && !partial { quiet + 1 } else { 0 };
            if quiet == 2 {
                return true;
            }
        }
        self.shared
            .lock()
            .violate("L1", format!("it never comes to rest {when}"));
        false
    }

    fn verdict(self) -> Verdict {
        let mut world = self.shared.lock();
        for (what, n) in tandem_sync::mutant::counted() {
            let key = match what.strip_prefix("policy ") {
                Some(policy) => ("policy", policy.to_owned()),
                None => ("decision", what),
            };
            *world.counters.0.entry(key).or_default() += n;
        }
        Verdict {
            seed: self.seed,
            violations: std::mem::take(&mut world.violations),
            counters: std::mem::take(&mut world.counters),
            trace: world.trace,
            events: world.events,
            edits: world.edits,
            sessions: self.sessions,
            diary: world.diary.take().unwrap_or_default(),
            end: world.state(),
        }
    }
}

fn account(conn: usize, cloud: [bool; 2]) -> MailboxAccount {
    let in_cloud = cloud.get(conn).is_some_and(|cloud| *cloud);
    MailboxAccount {
        address: address(conn),
        server: if in_cloud {
            MailboxServer::Office365
        } else {
            MailboxServer::Exchange
        },
        host: "mail.corp.example".to_owned(),
    }
}

fn own_id<T: std::str::FromStr>(n: u64) -> T
where
    T::Err: std::fmt::Debug,
{
    format!("{n:032x}")
        .parse()
        .unwrap_or_else(|_| unreachable!("32 hexadecimal digits are an id"))
}

/// Kept for those who time a whole run.
pub const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

/// What was violated, with how often.
pub fn summary(violations: &[Violation]) -> BTreeMap<&'static str, usize> {
    let mut out = BTreeMap::new();
    for violation in violations {
        *out.entry(violation.invariant).or_default() += 1;
    }
    out
}
