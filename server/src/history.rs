//! What the sessions of the last days came to, day by day.

use tandem_types::{DayView, SessionOutcome, SessionView, Timestamp};

const DAY_SECONDS: i64 = 86_400;
/// Days that are told, today included.
const DAYS: i64 = 30;

fn day_of(at: Timestamp) -> i64 {
    at.seconds().div_euclid(DAY_SECONDS)
}

/// The first moment of the first day that is told, by UTC.
pub(crate) fn first_day(now: Timestamp) -> Timestamp {
    Timestamp::from_seconds((day_of(now) - DAYS + 1) * DAY_SECONDS)
}

/// Oldest first, without gaps. A session counts on the day on which it began; one that runs counts for nothing yet.
pub(crate) fn days(sessions: &[SessionView], now: Timestamp) -> Vec<DayView> {
    let first = day_of(first_day(now));
    (first..first + DAYS)
        .map(|number| {
            let mut day = DayView {
                day: Timestamp::from_seconds(number * DAY_SECONDS),
                ..DayView::default()
            };
            let mut took = Vec::new();
            for session in sessions
                .iter()
                .filter(|session| day_of(session.started) == number)
            {
                let (Some(ended), Some(outcome)) = (session.ended, session.outcome) else {
                    continue;
                };
                match outcome {
                    SessionOutcome::Done | SessionOutcome::Partial | SessionOutcome::Preview => day.well += 1,
                    SessionOutcome::Rejected
                    | SessionOutcome::Failed
                    | SessionOutcome::StoppedByBrake
                    | SessionOutcome::SignInEnded => day.badly += 1,
                }
                if outcome != SessionOutcome::Preview {
                    day.written = day.written.saturating_add(DayView::written(&session.counts));
                }
                let micros = ended.micros().saturating_sub(session.started.micros());
                took.push(u32::try_from(micros / 1_000).unwrap_or(0));
            }
            took.sort_unstable();
            day.took = took.get(took.len() / 2).copied().unwrap_or(0);
            day
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use tandem_types::{Counts, ItemKind, OpCounts};

    use super::*;

    fn session(started: i64, seconds: Option<i64>, outcome: SessionOutcome) -> SessionView {
        let started = Timestamp::from_seconds(started);
        let ops = OpCounts {
            created: 2,
            changed: 1,
            deleted: 1,
            skipped: 9,
        };
        SessionView {
            id: "1".repeat(32).parse().unwrap(),
            started,
            ended: seconds.map(|seconds| started.plus_seconds(seconds)),
            outcome: seconds.map(|_| outcome),
            counts: vec![Counts {
                kind: ItemKind::Task,
                mailbox: ops,
                crm: OpCounts::default(),
                adopted: 3,
            }],
            issues: 0,
        }
    }

    #[test]
    fn each_day_has_its_sessions_and_days_without_any_stand_too() {
        let now = Timestamp::from_seconds(100 * DAY_SECONDS + 5);
        assert_eq!(first_day(now), Timestamp::from_seconds(71 * DAY_SECONDS));
        let today = 100 * DAY_SECONDS;
        let all = [
            session(today, Some(1), SessionOutcome::Done),
            session(today + 1, Some(9), SessionOutcome::Partial),
            session(today + 2, Some(4), SessionOutcome::Failed),
            session(today + 3, None, SessionOutcome::Done),
            session(today - 1, Some(2), SessionOutcome::Preview),
            session(70 * DAY_SECONDS, Some(2), SessionOutcome::Done),
        ];
        let days = days(&all, now);
        assert_eq!(days.len(), 30);
        let last = days.last().unwrap();
        assert_eq!(
            (last.well, last.badly, last.written, last.took),
            (2, 1, 12, 4_000)
        );
        // A look writes nothing.
        assert_eq!((days[28].well, days[28].written, days[28].took), (1, 0, 2_000));
        assert_eq!(days[0].well, 0, "what is older is not counted");
        assert_eq!(days[0].day, first_day(now));
    }
}
