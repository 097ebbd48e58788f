//! How a session ends that only looked, or only took something back: what waits for the user waits on.

use tandem_types::{Counts, SessionOutcome, Side, SyncState};

use crate::due;
use crate::fault::Fault;
use crate::ports::{Closing, Opening};
use crate::rejection::{Next, Standing, accepted, faulted};
use crate::session::Context;

fn before(opening: &Opening) -> Standing {
    Standing {
        state: opening.state,
        reason: opening.reason,
        rejections: opening.rejections,
        failures: opening.failures,
    }
}

/// An end without a fault. A preview or a stop of the brake is looked at again by a session that is due at once, for it
/// may look different now.
pub(crate) fn closed(
    cx: &Context<'_>,
    opening: &Opening,
    outcome: SessionOutcome,
    counts: Vec<Counts>,
    note: String,
) -> Closing {
    let now = cx.clock.now();
    let standing = match opening.reason {
        None => accepted(before(opening)),
        Some(_) => before(opening),
    };
    let next_due = match (standing.state, standing.reason) {
        (SyncState::Active, None) => Some(due::after_success(now, &opening.settings, cx.rng)),
        (SyncState::Active, Some(_)) => Some(now),
        _ => None,
    };
    Closing {
        outcome,
        counts,
        state: standing.state,
        reason: standing.reason,
        rejections: standing.rejections,
        failures: standing.failures,
        next_due,
        ended: now,
        preview: None,
        brake: None,
        release_used: false,
        stop_org: false,
        note,
    }
}

/// An end by a side's fault.
pub(crate) fn broken(
    cx: &Context<'_>,
    opening: &Opening,
    (side, fault): (Side, &Fault),
    mailbox_accepted: bool,
    counts: Vec<Counts>,
    note: &str,
) -> Closing {
    let now = cx.clock.now();
    let verdict = faulted(before(opening), side, fault, mailbox_accepted);
    let standing = verdict.standing;
    Closing {
        state: standing.state,
        reason: standing.reason,
        rejections: standing.rejections,
        failures: standing.failures,
        next_due: match verdict.next {
            Next::Never => None,
            Next::AfterRejection => Some(due::after_rejection(now, standing.rejections)),
            Next::AfterFailure(wait) => Some(due::after_failure(now, standing.failures, wait, cx.rng)),
        },
        ..closed(
            cx,
            opening,
            verdict.outcome,
            counts,
            format!("{note}: {}: {fault}", side.as_str()),
        )
    }
}
