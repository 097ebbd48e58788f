//! One run of the sync for one connection: read, find out, plan, ask, write, note.

use std::time::Duration;

use tandem_types::{
    BrakeView, Counts, Direction, ItemKind, OpCounts, PreviewView, Progress, ProgressPhase, SessionOutcome,
    Side, StateReason, Timestamp,
};

use crate::apply::Applied;
use crate::brake::brake;
use crate::hash::Hasher;
use crate::plan::Plan;
use crate::ports::{
    Clock, Closing, Commit, Crm, Endpoint, Lease, Mailbox, Observer, Opening, Rng, Store, StoreError,
};
use crate::preview::{Gate, SHOWN_SECONDS, gate};
use crate::rejection::{Next, Standing, accepted, faulted};
use crate::round::{Halt, Keeper, Round};
use crate::{Fault, FaultKind, due, lease};

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

/// When a session looks what became of writes whose answers never came.
const IN_DOUBT_SECONDS: i64 = 120;

/// How a round ended, if no fault ended it.
enum End {
    Done,
    Partial,
    /// Through, but for answers that never came.
    InDoubt,
    Preview {
        view: PreviewView,
    },
    Stopped {
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
    let mut round = Round::new(*cx, &keeper, &opening, &hasher);
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
        cx.store.close(&keeper.lease(), closing.clone()).await?;
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
    if opening.settings.contacts == Direction::Off {
        return Ok(if cx.dry_run {
            looked(cx, opening, &Plan::default())
        } else {
            End::Done
        });
    }
    round.read().await?;
    round.find_out().await?;
    let plan = round.plan();
    told.lines = plan.lines();
    told.issues = u32::try_from(plan.issues.len()).unwrap_or(u32::MAX);
    let planned = plan.counts();
    if cx.dry_run {
        told.counts = counts_of(planned);
        return Ok(looked(cx, opening, &plan));
    }
    if let Some(end) = held_back(cx, opening, &plan, planned) {
        told.counts = counts_of(planned);
        return Ok(end);
    }
    let mut applied = Applied::new(plan.counts());
    let result = round.apply(plan, &mut applied).await;
    told.counts = counts_of(applied.counts);
    told.issues += applied.issues;
    if !result? {
        return Ok(End::Partial);
    }
    let commit = round.last_commit();
    if !is_nothing(&commit) {
        round.commit(commit).await?;
    }
    Ok(if round.truncated() {
        End::Partial
    } else if applied.in_doubt {
        End::InDoubt
    } else {
        End::Done
    })
}

fn looked(cx: &Context<'_>, opening: &Opening, plan: &Plan) -> End {
    let counts = counts_of(plan.counts());
    let stop = brake(opening.settings.brake, &plan.load, opening.live_links, &counts);
    let soon = cx.clock.now().plus_seconds(SHOWN_SECONDS);
    let view = PreviewView {
        counts,
        possible_duplicates: plan.possible_duplicates,
        starts_at: stop.is_none().then_some(soon),
    };
    End::Looked { view, stop }
}

/// The preview and the brake, before the first write.
fn held_back(cx: &Context<'_>, opening: &Opening, plan: &Plan, planned: Counts) -> Option<End> {
    let stop = brake(
        opening.settings.brake,
        &plan.load,
        opening.live_links,
        &counts_of(planned),
    );
    match gate(opening, cx.clock.now(), stop.is_some(), plan.writes()) {
        Gate::Go => None,
        Gate::Show { starts_at } => Some(End::Preview {
            view: PreviewView {
                counts: counts_of(planned),
                possible_duplicates: plan.possible_duplicates,
                starts_at,
            },
        }),
        Gate::Stop => stop.map(|view| End::Stopped { view }),
    }
}

fn counts_of(counts: Counts) -> Vec<Counts> {
    if counts.mailbox.is_zero() && counts.crm.is_zero() && counts.adopted == 0 {
        Vec::new()
    } else {
        vec![counts]
    }
}

fn is_nothing(commit: &Commit) -> bool {
    commit.links.is_empty()
        && commit.journal.is_empty()
        && commit.issues.is_empty()
        && commit.solved.is_empty()
        && commit.mailbox_cursor.is_none()
        && commit.crm_cursor.is_none()
        && commit.last_full.is_none()
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
        note: String::new(),
    };
    match end {
        End::Done => closing.release_used = opening.released,
        End::Partial => {
            closing.outcome = SessionOutcome::Partial;
            closing.next_due = Some(now);
        }
        End::InDoubt => {
            closing.outcome = SessionOutcome::Partial;
            closing.release_used = opening.released;
            // Soon, but not at once: what broke an answer off may last a moment.
            closing.next_due = Some(now.plus_seconds(IN_DOUBT_SECONDS));
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

pub(crate) fn no_counts() -> Counts {
    Counts {
        kind: ItemKind::Contact,
        mailbox: OpCounts::default(),
        crm: OpCounts::default(),
        adopted: 0,
    }
}
