//! The first round: shown before it is done.

use tandem_types::{StateReason, Timestamp};

use crate::ports::Opening;

/// For how long the preview is shown before the round goes on by itself.
pub const SHOWN_SECONDS: i64 = 120;

/// What a session may do after it has its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Go,
    /// Show the plan; go on by itself then, or (`None`) only with *Start*.
    Show {
        starts_at: Option<Timestamp>,
    },
    /// Stopped by the brake: show it, and wait.
    Stop,
}

/// Decides, before the first write. `past_limits`: the brake would stop this plan. `writes`: it has any.
#[must_use]
pub fn gate(opening: &Opening, now: Timestamp, past_limits: bool, writes: bool) -> Gate {
    if opening.released {
        return Gate::Go;
    }
    if opening.first_round_done {
        return if past_limits { Gate::Stop } else { Gate::Go };
    }
    if past_limits {
        return Gate::Show { starts_at: None };
    }
    // With links, the round was let through already and ended early; without writes there is nothing to ask about.
    let shown = opening.reason == Some(StateReason::WaitingForPreview);
    if shown || opening.live_links > 0 || !writes {
        return Gate::Go;
    }
    Gate::Show {
        starts_at: Some(now.plus_seconds(SHOWN_SECONDS)),
    }
}

#[cfg(test)]
mod tests {
    use tandem_types::{Settings, SyncState};

    use super::*;
    use crate::ports::HashKey;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn first() -> Opening {
        Opening {
            state: SyncState::Activating,
            reason: None,
            settings: Settings::default(),
            mailbox_cursor: None,
            crm_cursor: None,
            hash_key: HashKey([0; 32]),
            live_links: 0,
            rejections: 0,
            failures: 0,
            first_round_done: false,
            released: false,
            last_full: None,
            org_key: HashKey([0; 32]),
            org_deletes: 0,
            org_stopped: false,
            org_released: false,
            last_moved: None,
            backfill: None,
            activated: NOW,
            address: String::new(),
        }
    }

    #[test]
    fn shown_once_then_it_goes_on() {
        let two_minutes = Gate::Show {
            starts_at: Some(NOW.plus_seconds(120)),
        };
        assert_eq!(gate(&first(), NOW, false, true), two_minutes);
        assert_eq!(gate(&first(), NOW, false, false), Gate::Go);
        let waiting = Opening {
            reason: Some(StateReason::WaitingForPreview),
            ..first()
        };
        assert_eq!(gate(&waiting, NOW, false, true), Gate::Go);
        let interrupted = Opening {
            live_links: 3,
            ..first()
        };
        assert_eq!(gate(&interrupted, NOW, false, true), Gate::Go);
    }

    #[test]
    fn past_the_limits_only_start_helps() {
        for reason in [None, Some(StateReason::WaitingForPreview)] {
            let opening = Opening { reason, ..first() };
            assert_eq!(gate(&opening, NOW, true, true), Gate::Show { starts_at: None });
            let released = Opening {
                released: true,
                ..opening
            };
            assert_eq!(gate(&released, NOW, true, true), Gate::Go);
        }
    }

    #[test]
    fn later_rounds_know_only_the_brake() {
        let later = Opening {
            first_round_done: true,
            live_links: 100,
            ..first()
        };
        assert_eq!(gate(&later, NOW, false, true), Gate::Go);
        assert_eq!(gate(&later, NOW, true, true), Gate::Stop);
        assert_eq!(
            gate(
                &Opening {
                    released: true,
                    ..later
                },
                NOW,
                true,
                true
            ),
            Gate::Go
        );
    }
}
