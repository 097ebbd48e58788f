//! What a session's end means for the connection: its state, its reason, its counts.

use std::time::Duration;

use tandem_types::{SessionOutcome, Side, StateReason, SyncState};

use crate::{Fault, FaultKind};

/// So many refused sessions in a row, and the user has to activate again.
pub const REJECTIONS_MAX: u32 = 6;

/// Where a connection stood before a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub state: SyncState,
    pub reason: Option<StateReason>,
    pub rejections: u32,
    pub failures: u32,
}

/// What follows from a session that a fault ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub outcome: SessionOutcome,
    pub standing: Standing,
    pub next: Next,
}

/// When to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    AfterRejection,
    AfterFailure(Option<Duration>),
    /// Not by itself: the user has to sign in.
    Never,
}

/// A session that both servers accepted. A paused connection stays paused: someone ran one session by hand.
#[must_use]
pub fn accepted(before: Standing) -> Standing {
    Standing {
        state: match before.state {
            SyncState::Activating | SyncState::NeedsActivation => SyncState::Active,
            other => other,
        },
        reason: None,
        rejections: 0,
        failures: 0,
    }
}

/// A session that a fault of one side ended. `mailbox_accepted`: the mail server had answered before.
#[must_use]
pub fn faulted(before: Standing, side: Side, fault: &Fault, mailbox_accepted: bool) -> Verdict {
    let rejections = if mailbox_accepted { 0 } else { before.rejections };
    match (fault.kind, side) {
        (FaultKind::Rejected, Side::Mailbox) => rejected(before),
        (FaultKind::SignInEnded, side) => {
            let reason = match side {
                Side::Mailbox => StateReason::MicrosoftSignInEnded,
                Side::Crm => StateReason::SalesforceSignInEnded,
            };
            sign_in_ended(before, rejections, reason)
        }
        // Salesforce has nothing to refuse but the grant, or the right to use the API with it.
        (FaultKind::Rejected, Side::Crm) => {
            sign_in_ended(before, rejections, StateReason::SalesforceSignInEnded)
        }
        (kind, _) => {
            let reason = match kind {
                FaultKind::RateLimited { whole_org: true, .. } => Some(StateReason::Quota),
                // A refusal or a stop that stands is still true when the network fails after it.
                _ if mailbox_accepted && before.reason == Some(StateReason::MailServerRefused) => None,
                _ if before.reason == Some(StateReason::Quota) => None,
                _ => before.reason,
            };
            Verdict {
                outcome: SessionOutcome::Failed,
                standing: Standing {
                    state: before.state,
                    reason,
                    rejections,
                    failures: before.failures.saturating_add(1),
                },
                next: Next::AfterFailure(fault.retry_after()),
            }
        }
    }
}

fn rejected(before: Standing) -> Verdict {
    let rejections = before.rejections.saturating_add(1);
    let over = rejections >= REJECTIONS_MAX;
    Verdict {
        outcome: SessionOutcome::Rejected,
        standing: Standing {
            state: if over {
                SyncState::NeedsActivation
            } else {
                before.state
            },
            reason: Some(StateReason::MailServerRefused),
            rejections,
            failures: before.failures,
        },
        next: if over { Next::Never } else { Next::AfterRejection },
    }
}

fn sign_in_ended(before: Standing, rejections: u32, reason: StateReason) -> Verdict {
    Verdict {
        outcome: SessionOutcome::SignInEnded,
        standing: Standing {
            state: SyncState::NeedsActivation,
            reason: Some(reason),
            rejections,
            failures: before.failures,
        },
        next: Next::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIVE: Standing = Standing {
        state: SyncState::Active,
        reason: None,
        rejections: 0,
        failures: 0,
    };

    fn refused() -> Fault {
        Fault::new(FaultKind::Rejected, "401")
    }

    #[test]
    fn the_sixth_refusal_asks_for_activation() {
        let mut standing = ACTIVE;
        for n in 1..=5 {
            let verdict = faulted(standing, Side::Mailbox, &refused(), false);
            standing = verdict.standing;
            assert_eq!(standing.rejections, n);
            assert_eq!(standing.state, SyncState::Active);
            assert_eq!(
                standing.reason,
                Some(StateReason::MailServerRefused),
                "told from the first on"
            );
            assert_eq!(verdict.next, Next::AfterRejection);
            assert_eq!(verdict.outcome, SessionOutcome::Rejected);
        }
        let verdict = faulted(standing, Side::Mailbox, &refused(), false);
        assert_eq!(verdict.standing.state, SyncState::NeedsActivation);
        assert_eq!(verdict.standing.rejections, 6);
        assert_eq!(verdict.next, Next::Never);
    }

    #[test]
    fn only_a_refusal_counts_and_an_accepted_call_sets_it_to_zero() {
        let five = Standing {
            rejections: 5,
            reason: Some(StateReason::MailServerRefused),
            ..ACTIVE
        };
        let network = faulted(five, Side::Mailbox, &Fault::transient("503"), false);
        assert_eq!(network.standing.rejections, 5);
        assert_eq!(network.standing.reason, Some(StateReason::MailServerRefused));
        assert_eq!(network.outcome, SessionOutcome::Failed);
        let crm = faulted(five, Side::Crm, &Fault::transient("503"), true);
        assert_eq!((crm.standing.rejections, crm.standing.reason), (0, None));
        assert_eq!(accepted(five), ACTIVE);
    }

    #[test]
    fn the_end_of_a_grant_is_certain_at_once() {
        for (side, kind, reason) in [
            (
                Side::Crm,
                FaultKind::SignInEnded,
                StateReason::SalesforceSignInEnded,
            ),
            (Side::Crm, FaultKind::Rejected, StateReason::SalesforceSignInEnded),
            (
                Side::Mailbox,
                FaultKind::SignInEnded,
                StateReason::MicrosoftSignInEnded,
            ),
        ] {
            let verdict = faulted(ACTIVE, side, &Fault::new(kind, "ended"), false);
            assert_eq!(verdict.standing.state, SyncState::NeedsActivation);
            assert_eq!(verdict.standing.reason, Some(reason));
            assert_eq!(verdict.standing.rejections, 0);
            assert_eq!(verdict.next, Next::Never);
            assert_eq!(verdict.outcome, SessionOutcome::SignInEnded);
        }
    }

    #[test]
    fn who_ran_it_by_hand_does_not_unpause() {
        let paused = Standing {
            state: SyncState::Paused,
            ..ACTIVE
        };
        assert_eq!(accepted(paused).state, SyncState::Paused);
        let first = Standing {
            state: SyncState::Activating,
            ..ACTIVE
        };
        assert_eq!(accepted(first).state, SyncState::Active);
    }

    #[test]
    fn an_exhausted_quota_is_a_reason_of_its_own_and_ends_with_the_next_answer() {
        let kind = FaultKind::RateLimited {
            retry_after: Some(Duration::from_mins(10)),
            whole_org: true,
        };
        let verdict = faulted(ACTIVE, Side::Crm, &Fault::new(kind, "limit"), true);
        assert_eq!(verdict.standing.reason, Some(StateReason::Quota));
        assert_eq!(verdict.next, Next::AfterFailure(Some(Duration::from_mins(10))));
        let later = faulted(verdict.standing, Side::Mailbox, &Fault::transient("reset"), false);
        assert_eq!(later.standing.reason, None);
    }
}
