//! One run of the sync for one connection: read, find out, plan, ask, write, note.

use std::time::Duration;

use tandem_types::{
    BrakeView, Counts, IssueCode, IssueCure, ItemKind, PreviewView, Progress, ProgressPhase, SessionOutcome,
    Side, StateReason, Timestamp,
};

use crate::apply::Applied;
use crate::brake::{Load, brake, stops_org};
use crate::hash::Hasher;
use crate::model::ItemId;
use crate::mutant::{self, Mutant};
use crate::plan::{Plan, own_id, parse_own};
use crate::ports::{
    Clock, Closing, Commit, Crm, Endpoint, Issue, IssueKey, Lease, Mailbox, Observer, Opening, Rng, Store,
    StoreError,
};
use crate::preview::{Gate, SHOWN_SECONDS, gate};
use crate::rejection::{Next, Standing, accepted, faulted};
use crate::round::{Halt, Keeper, Round};
use crate::{Fault, FaultKind, backfill, due, lease};

/// How much one session does before it leaves the rest to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Items read from one side.
    pub items: usize,
    /// Writes sent to both sides.
    pub writes: usize,
    /// How long it writes before it stops at the next batch.
    pub time: Duration,
    /// For how long the connection is taken, each time.
    pub lease: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            items: 100_000,
            writes: 20_000,
            time: Duration::from_mins(20),
            lease: lease::TTL,
        }
    }
}

/// What a session runs with.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub mailbox: &'a dyn Mailbox,
    pub crm: &'a dyn Crm,
    pub store: &'a dyn Store,
    pub clock: &'a dyn Clock,
    pub rng: &'a dyn Rng,
    pub observer: &'a dyn Observer,
    /// Only look: nothing is written, to neither side nor to the store. The session is not closed either: the caller
    /// gives the lease back with [`Report::closing`].
    pub dry_run: bool,
    pub limits: Limits,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("dry_run", &self.dry_run)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl<'a> Context<'a> {
    pub(crate) fn side(&self, side: Side) -> &'a dyn Endpoint {
        match side {
            Side::Mailbox => self.mailbox,
            Side::Crm => self.crm,
        }
    }
}

/// What a session did, or (a dry run) would do.
#[derive(Clone, Debug)]
pub struct Report {
    /// As it was closed; a dry run is not.
    pub closing: Closing,
    /// Issues that were raised or are still there.
    pub issues: u32,
    /// The plan, line by line, for a terminal: ids and field names, no content.
    pub lines: Vec<String>,
    /// Every connection of the organisation must wait, so long if it was said.
    pub whole_org: Option<Option<Duration>>,
}

impl Report {
    pub fn outcome(&self) -> SessionOutcome {
        self.closing.outcome
    }
}

/// A connection that has moved nothing for so long, although both sides have changed, is told.
const STILL_SECONDS: i64 = 24 * 3600;
/// When a session looks what became of writes whose answers never came.
const IN_DOUBT_SECONDS: i64 = 120;

/// How a round ended, if no fault ended it.
enum End {
    Done,
    /// A back-fill goes on: the next session is due at once.
    More,
    Partial,
    /// Something could not be found out: the next session meets the same questions.
    Unknown,
    /// Through, but for answers that never came.
    InDoubt {
        /// In seconds.
        wait: i64,
    },
    Preview {
        view: PreviewView,
    },
    Stopped {
        view: BrakeView,
    },
    /// The organisation has deleted too much in an hour: all its connections stop.
    StoppedOrg {
        view: BrakeView,
    },
    /// A dry run. What the user is being shown meanwhile is still shown afterwards.
    Looked {
        view: PreviewView,
        stop: Option<BrakeView>,
    },
}

/// What a round has to show at its end.
#[derive(Default)]
struct Told {
    counts: Vec<Counts>,
    issues: u32,
    lines: Vec<String>,
    /// What is still to be committed, with its end.
    last: Option<Commit>,
}

/// Runs one session under `lease` and closes it.
///
/// # Errors
/// The store's. [`StoreError::LeaseLost`]: another worker holds the connection; nothing more was written. In both cases
/// the session is not closed: whoever takes the connection next goes on where the last commit left it.
pub async fn run(cx: &Context<'_>, lease: Lease) -> Result<Report, StoreError> {
    let opening = cx.store.open(&lease).await?;
    let keeper = Keeper::new(*cx, lease);
    let hasher = Hasher::new(&opening.hash_key);
    let org = Hasher::new(&opening.org_key);
    let mut round = Round::new(*cx, &keeper, &opening, &hasher, &org);
    let mut told = Told::default();
    let end = go(cx, &opening, &mut round, &mut told).await;
    let mailbox_accepted = round.mailbox_accepted();
    let now = cx.clock.now();
    let before = Standing {
        state: opening.state,
        reason: opening.reason,
        rejections: opening.rejections,
        failures: opening.failures,
    };
    let (closing, whole_org) = match end {
        Ok(end) => (closed(cx, &opening, before, now, end, told.counts.clone()), None),
        Err(Halt::Store(error)) => return Err(error),
        Err(Halt::Fault(side, fault)) => {
            tracing::info!(side = side.as_str(), fault = %fault, "session ended by a fault");
            let whole_org = match fault.kind {
                FaultKind::RateLimited {
                    retry_after,
                    whole_org: true,
                } => Some(retry_after),
                _ => None,
            };
            let closing = broken(
                cx,
                before,
                now,
                side,
                &fault,
                mailbox_accepted,
                told.counts.clone(),
            );
            (closing, whole_org)
        }
    };
    tracing::debug!(outcome = closing.outcome.as_str(), "session over");
    if !cx.dry_run {
        let lease = keeper.lease();
        match told.last {
            Some(last) => cx.store.finish(&lease, now, last, closing.clone()).await?,
            None => cx.store.close(&lease, closing.clone()).await?,
        }
    }
    Ok(Report {
        closing,
        issues: told.issues,
        lines: told.lines,
        whole_org,
    })
}

async fn go(
    cx: &Context<'_>,
    opening: &Opening,
    round: &mut Round<'_>,
    told: &mut Told,
) -> Result<End, Halt> {
    if round.frame.kinds.is_empty() {
        return Ok(if cx.dry_run {
            looked(cx, opening, &Plan::default())
        } else {
            End::Done
        });
    }
    round.read().await?;
    let chunk = backfill::read(round).await?;
    round.find_out().await?;
    let plan = round.plan();
    told.lines = plan.lines();
    told.issues = u32::try_from(plan.issues.len()).unwrap_or(u32::MAX);
    let planned = plan.counts();
    if cx.dry_run {
        told.counts = planned;
        return Ok(looked(cx, opening, &plan));
    }
    if let Some(end) = held_back(cx, opening, &plan, &planned) {
        told.counts = planned;
        return Ok(end);
    }
    let mut applied = Applied::new(&plan);
    let both_wanted = plan.both_sides_moved;
    let load = plan.load.clone();
    if mutant::on(Mutant::CursorFirst) {
        let cursors = round.last_commit();
        round.commit(cursors).await?;
    }
    let result = round.apply(plan, &mut applied).await;
    told.counts = applied.counts.list();
    told.issues += applied.issues;
    if !result? {
        return Ok(if applied.stops_org {
            End::StoppedOrg {
                view: org_view(&load, &planned),
            }
        } else {
            End::Partial
        });
    }
    let mut commit = round.last_commit();
    told.issues += nothing_moves(cx, opening, both_wanted, applied.moved, &mut commit);
    let more = chunk.is_some_and(|chunk| chunk.note(round, &mut commit));
    told.last = (!is_nothing(&commit)).then(|| round.counted(commit));
    Ok(if round.unknown() {
        End::Unknown
    } else if round.truncated() {
        End::Partial
    } else if applied.in_doubt {
        End::InDoubt {
            wait: applied.wait.unwrap_or(IN_DOUBT_SECONDS),
        }
    } else if more {
        End::More
    } else {
        End::Done
    })
}

fn looked(cx: &Context<'_>, opening: &Opening, plan: &Plan) -> End {
    let counts = plan.counts();
    let stop = brake(opening.settings.brake, &plan.load, opening.live_links, &counts);
    let soon = cx.clock.now().plus_seconds(SHOWN_SECONDS);
    let view = PreviewView {
        counts,
        possible_duplicates: plan.possible_duplicates,
        starts_at: stop.is_none().then_some(soon),
    };
    End::Looked { view, stop }
}

fn org_view(load: &Load, planned: &[Counts]) -> BrakeView {
    BrakeView {
        counts: planned.to_vec(),
        overwritten: load.overwritten,
        side_empty: load.side_empty,
    }
}

/// The preview and the brake, before the first write.
fn held_back(cx: &Context<'_>, opening: &Opening, plan: &Plan, planned: &[Counts]) -> Option<End> {
    // What the user lets through is his own: only an administrator answers for the organisation.
    if !opening.org_released && stops_org(&plan.load, opening.org_deletes) {
        return Some(End::StoppedOrg {
            view: org_view(&plan.load, planned),
        });
    }
    let stop = brake(opening.settings.brake, &plan.load, opening.live_links, planned);
    match gate(opening, cx.clock.now(), stop.is_some(), plan.writes()) {
        Gate::Go => None,
        Gate::Show { starts_at } => Some(End::Preview {
            view: PreviewView {
                counts: planned.to_vec(),
                possible_duplicates: plan.possible_duplicates,
                starts_at,
            },
        }),
        Gate::Stop => stop.map(|view| End::Stopped { view }),
    }
}

/// A connection on which nothing moves although both sides want to has something wrong with it. How many issues that
/// makes.
fn nothing_moves(
    cx: &Context<'_>,
    opening: &Opening,
    both_wanted: bool,
    moved: bool,
    commit: &mut Commit,
) -> u32 {
    let still = opening
        .last_moved
        .is_some_and(|last| cx.clock.now().seconds_since(last) >= STILL_SECONDS);
    if !still || !opening.first_round_done {
        return 0;
    }
    let key = IssueKey {
        kind: ItemKind::Contact,
        side: Side::Mailbox,
        item: ItemId("connection".to_owned()),
        code: IssueCode::NothingMoved,
    };
    if moved {
        commit.solved.push(key);
    } else if both_wanted {
        commit.issues.push(Issue {
            id: parse_own(&own_id(cx.rng)),
            title: opening.address.clone(),
            key,
            detail: String::new(),
            cures: vec![IssueCure::Ignore],
        });
        return 1;
    }
    0
}

fn is_nothing(commit: &Commit) -> bool {
    commit.links.is_empty()
        && commit.journal.is_empty()
        && commit.issues.is_empty()
        && commit.solved.is_empty()
        && commit.gone.is_empty()
        && commit.mailbox_cursor.is_none()
        && commit.crm_cursor.is_none()
        && commit.last_full.is_none()
        && commit.claims.is_empty()
        && commit.unclaimed.is_empty()
        && commit.backfill.is_none()
        && !commit.first_round_done
}

fn closed(
    cx: &Context<'_>,
    opening: &Opening,
    before: Standing,
    now: Timestamp,
    end: End,
    counts: Vec<Counts>,
) -> Closing {
    let usual = due::after_success(now, &opening.settings, cx.rng);
    let standing = accepted(before);
    let let_through = opening.released || opening.org_released;
    let mut closing = Closing {
        outcome: SessionOutcome::Done,
        counts,
        state: standing.state,
        reason: None,
        rejections: 0,
        failures: 0,
        next_due: Some(usual),
        ended: now,
        preview: None,
        brake: None,
        release_used: false,
        stop_org: false,
        note: String::new(),
    };
    match end {
        End::Done => closing.release_used = let_through,
        End::More => {
            closing.release_used = let_through;
            closing.next_due = Some(now);
        }
        End::Partial => {
            closing.outcome = SessionOutcome::Partial;
            closing.next_due = Some(now);
        }
        End::Unknown => {
            closing.outcome = SessionOutcome::Partial;
            closing.failures = before.failures.saturating_add(1);
            closing.next_due = Some(due::after_failure(now, closing.failures, None, cx.rng));
        }
        End::InDoubt { wait } => {
            closing.outcome = SessionOutcome::Partial;
            closing.release_used = let_through;
            // Soon, but not at once: what broke an answer off may last a moment.
            // What fails again and again hurries nobody.
            let soon = now.plus_seconds(IN_DOUBT_SECONDS);
            closing.next_due = Some(usual.min(now.plus_seconds(wait)).max(soon));
        }
        End::Preview { view } => {
            closing.outcome = SessionOutcome::Preview;
            closing.reason = Some(StateReason::WaitingForPreview);
            closing.next_due = view.starts_at;
            closing.preview = Some(view);
        }
        End::Stopped { view } => {
            closing.outcome = SessionOutcome::StoppedByBrake;
            closing.reason = Some(StateReason::StoppedByBrake);
            closing.next_due = None;
            closing.brake = Some(view);
        }
        End::StoppedOrg { view } => {
            closing.outcome = SessionOutcome::StoppedByBrake;
            closing.reason = Some(StateReason::OrgBrake);
            closing.next_due = None;
            closing.brake = Some(view);
            closing.stop_org = true;
        }
        End::Looked { view, stop } => {
            closing.outcome = SessionOutcome::Preview;
            match before.reason {
                Some(StateReason::WaitingForPreview) => {
                    closing.next_due = view.starts_at;
                    closing.preview = Some(view);
                }
                Some(StateReason::StoppedByBrake) if stop.is_some() => {
                    closing.next_due = None;
                    closing.brake = stop;
                }
                _ => {}
            }
            closing.state = before.state;
            closing.reason = before.reason;
            closing.rejections = before.rejections;
            closing.failures = before.failures;
        }
    }
    closing
}

fn broken(
    cx: &Context<'_>,
    before: Standing,
    now: Timestamp,
    side: Side,
    fault: &Fault,
    mailbox_accepted: bool,
    counts: Vec<Counts>,
) -> Closing {
    let verdict = faulted(before, side, fault, mailbox_accepted);
    let standing = verdict.standing;
    Closing {
        outcome: verdict.outcome,
        counts,
        state: standing.state,
        reason: standing.reason,
        rejections: standing.rejections,
        failures: standing.failures,
        next_due: match verdict.next {
            Next::Never => None,
            Next::AfterRejection => Some(due::after_rejection(now, standing.rejections)),
            Next::AfterFailure(wait) => Some(due::after_failure(now, standing.failures, wait, cx.rng)),
        },
        ended: now,
        preview: None,
        brake: None,
        release_used: false,
        stop_org: false,
        note: format!("{}: {fault}", side.as_str()),
    }
}

pub(crate) fn progress(cx: &Context<'_>, phase: ProgressPhase, done: usize, total: usize) {
    let n = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    cx.observer.progress(Progress {
        phase,
        done: n(done),
        total: n(total),
    });
}
