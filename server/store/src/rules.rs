//! The rules that the databases and the memory share.

use tandem_sync::Link;
use tandem_sync::ports::{Backfill, Claim, Closing};
use tandem_types::{MailboxAccount, MailboxServer, SessionOutcome, StateReason, SyncState, Timestamp};

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
    /// What the organisation's brake took the place of, before the session or while it ran.
    pub(crate) held_reason: Option<StateReason>,
    pub(crate) held_due: Option<Timestamp>,
}

/// What follows from a session for its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) state: SyncState,
    pub(crate) reason: Option<StateReason>,
    pub(crate) due: Option<Timestamp>,
    /// Comes back when the organisation is let go on.
    pub(crate) held_reason: Option<StateReason>,
    pub(crate) held_due: Option<Timestamp>,
    /// The user is asked what the session asks; not one who has paused meanwhile: nobody could answer it.
    pub(crate) asks: bool,
}

impl Standing {
    /// State, reason and due time after the session. What the user did meanwhile is stronger than what the session
    /// concludes, and the organisation's brake stronger than both.
    pub(crate) fn settle(&self, closing: &Closing, org_stopped: bool) -> Settled {
        if closing.reason == Some(StateReason::OrgBrake)
            && !closing.stop_org
            && closing.state == SyncState::Active
            && self.state == SyncState::Active
        {
            return self.aside(closing, org_stopped);
        }
        let standing = self.due.or(self.held_due);
        let asks = self.state == self.at_claim;
        let (state, reason, due) = if asks {
            let due = if self.woken { standing } else { closing.next_due };
            (closing.state, closing.reason, due)
        } else {
            (self.state, self.reason, standing)
        };
        if !org_stopped || state != SyncState::Active {
            return Settled {
                state,
                reason,
                due,
                held_reason: None,
                held_due: None,
                asks,
            };
        }
        let own = reason.filter(|r| *r != StateReason::OrgBrake);
        // One that is stopped by the organisation alone is due again once that is over.
        let back = due.or(own.is_none().then_some(closing.ended));
        Settled {
            state,
            reason: Some(StateReason::OrgBrake),
            due: None,
            held_reason: own,
            held_due: back,
            asks,
        }
    }

    /// After a look, or an undo, in a stopped organisation: what the stop took the place of is still to come back, or
    /// has come back meanwhile.
    fn aside(&self, closing: &Closing, org_stopped: bool) -> Settled {
        if org_stopped {
            return Settled {
                state: self.state,
                reason: Some(StateReason::OrgBrake),
                due: None,
                held_reason: self.held_reason,
                held_due: self.due.or(self.held_due).or(closing.next_due),
                asks: true,
            };
        }
        Settled {
            state: self.state,
            reason: self.reason,
            due: self.due,
            held_reason: None,
            held_due: None,
            asks: true,
        }
    }
}

/// When a connection is due again after the organisation's brake. `due`: set meanwhile, by a wake-up or a start.
pub(crate) fn due_after_release(
    due: Option<Timestamp>,
    held: Option<Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    due.or(held.map(|held| held.max(now)))
}

/// Deletes that are newer than this count for the organisation's brake, for a session that began at `started`.
pub(crate) fn deletes_since(started: Timestamp, released: Option<Timestamp>) -> Timestamp {
    const HOUR: i64 = 3600;
    let hour = started.plus_seconds(-HOUR);
    released.map_or(hour, |released| released.max(hour))
}

/// Whether every session asks for the link.
pub(crate) fn pending(link: &Link) -> bool {
    link.intent.is_some() || link.traits.waits_since.is_some() || link.traits.files_owed
}

/// Since when a claim stands that its holder gave up: whoever wants it takes it over, with its key.
pub(crate) const GIVEN_UP: Timestamp = Timestamp(0);

/// Whether another connection may take the claim over.
pub(crate) fn stale(claim: &Claim, before: Timestamp) -> bool {
    claim.crm_id.is_none() && claim.since < before
}

/// Whether a session's back-fill is the one that is still wanted.
pub(crate) fn goes_on(stored: Option<&Backfill>, new: &Backfill) -> bool {
    stored.is_some_and(|stored| (stored.from, stored.to, stored.started) == (new.from, new.to, new.started))
}

/// Whether both servers took part to the end.
pub(crate) fn succeeded(outcome: SessionOutcome) -> bool {
    matches!(outcome, SessionOutcome::Done | SessionOutcome::Partial)
}

/// The mail server whose load a session of the mailbox adds to: empty for Office 365, which counts for each mailbox.
pub(crate) fn mail_host(mailbox: &MailboxAccount) -> String {
    match mailbox.server {
        MailboxServer::Exchange => mailbox.host.to_lowercase(),
        MailboxServer::Office365 => String::new(),
    }
}

/// How mailbox addresses are compared.
pub(crate) fn pair_of(address: &str) -> String {
    address.trim().to_lowercase()
}

/// The note of a session whose worker was not heard of again.
pub(crate) const NOTE_EXPIRED: &str = "the lease ran out: its worker was not heard of again";
/// The note of a session that the user's own step ended.
pub(crate) const NOTE_CUT: &str = "ended by an activation or a deactivation";
