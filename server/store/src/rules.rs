//! The rules that the databases and the memory share.

use tandem_sync::ports::Closing;
use tandem_types::{SessionOutcome, StateReason, SyncState, Timestamp};

/// What stands in the connection's row when its session closes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) state: SyncState,
    pub(crate) reason: Option<StateReason>,
    pub(crate) due: Option<Timestamp>,
    /// Woken since the claim.
    pub(crate) woken: bool,
    /// The state at the claim.
    pub(crate) at_claim: SyncState,
}

impl Standing {
    /// State, reason and due time after the session. What the user did meanwhile is stronger than what the session
    /// concludes.
    pub(crate) fn settle(&self, closing: &Closing) -> (SyncState, Option<StateReason>, Option<Timestamp>) {
        if self.state != self.at_claim {
            return (self.state, self.reason, self.due);
        }
        let due = if self.woken { self.due } else { closing.next_due };
        (closing.state, closing.reason, due)
    }
}

/// Whether both servers took part to the end.
pub(crate) fn succeeded(outcome: SessionOutcome) -> bool {
    matches!(outcome, SessionOutcome::Done | SessionOutcome::Partial)
}

/// How mailbox addresses are compared.
pub(crate) fn pair_of(address: &str) -> String {
    address.trim().to_lowercase()
}

/// The note of a session whose worker was not heard of again.
pub(crate) const NOTE_EXPIRED: &str = "the lease ran out: its worker was not heard of again";
/// The note of a session that the user's own step ended.
pub(crate) const NOTE_CUT: &str = "ended by an activation or a deactivation";
