//! Whether a connection syncs, and if not, why not and who can do something: decided here for the command line and for
//! administrators.

use tandem_store::Standing;
use tandem_types::{SessionOutcome, StateReason, SyncState, Timestamp};

/// So long after it was due a connection without a session is overdue, in seconds.
const OVERDUE_SECONDS: i64 = 300;

/// In the order in which an operator wants to see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// It should sync and does not, and will not by itself.
    Stopped,
    /// It should sync, and what it tries fails; it goes on trying.
    Failing,
    /// It should have begun minutes ago: the server does not run, or has too much to do.
    Overdue,
    /// It waits for its user, as it should: the first preview, a quota.
    Waiting,
    /// The user wants it so.
    Off,
    Syncing,
}

impl Verdict {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Failing => "failing",
            Self::Overdue => "overdue",
            Self::Waiting => "waiting",
            Self::Off => "off",
            Self::Syncing => "syncing",
        }
    }

    /// Whether an operator has to do something.
    pub(crate) const fn is_trouble(self) -> bool {
        matches!(self, Self::Stopped | Self::Failing | Self::Overdue)
    }
}

/// The verdict and the sentence that explains it. Contains nothing of the mailbox.
pub(crate) fn judge(of: &Standing, now: Timestamp) -> (Verdict, String) {
    let said = |verdict, why: &str| (verdict, why.to_owned());
    match (of.state, of.reason) {
        (SyncState::NotActivated, _) if of.skipped => said(Verdict::Off, "the user skipped the activation"),
        (SyncState::NotActivated, _) => said(Verdict::Off, "signed in, no mailbox connected yet"),
        (SyncState::Deactivated, _) => said(Verdict::Off, "deactivated"),
        (SyncState::Paused, None) => said(Verdict::Off, "paused by the user"),
        (_, Some(StateReason::SalesforceSignInEnded)) => said(
            Verdict::Stopped,
            "the Salesforce sign-in has ended: the user signs in again in the pane",
        ),
        (_, Some(StateReason::MicrosoftSignInEnded)) => said(
            Verdict::Stopped,
            "the Microsoft sign-in has ended: the user signs in again in the pane",
        ),
        (_, Some(StateReason::MailServerRefused)) => (
            if of.state == SyncState::Active {
                Verdict::Failing
            } else {
                Verdict::Stopped
            },
            format!(
                "the mail server refused the login, times in a row: {}: the user connects again in the pane",
                of.rejections
            ),
        ),
        (_, Some(StateReason::StoppedByBrake)) => said(
            Verdict::Stopped,
            "the brake stopped it: the user looks at the pane and lets it go on",
        ),
        (_, Some(StateReason::OrgBrake)) => (
            Verdict::Stopped,
            format!(
                "the organisation's brake stopped it: `tandem org release {}`",
                of.org_id
            ),
        ),
        (_, Some(StateReason::WaitingForPreview)) => {
            said(Verdict::Waiting, "the user has not yet started the first sync")
        }
        (_, Some(StateReason::Quota)) => said(
            Verdict::Waiting,
            "the organisation's API calls or storage are used up",
        ),
        (SyncState::NeedsActivation, None) => said(
            Verdict::Stopped,
            "the user connects the mailbox again in the pane",
        ),
        (SyncState::Active | SyncState::Activating, None) => active(of, now),
    }
}

fn active(of: &Standing, now: Timestamp) -> (Verdict, String) {
    let running = of.lease_until.is_some_and(|until| until > now);
    let late = of.next_due.map_or(0, |due| now.seconds_since(due));
    if !running && late > OVERDUE_SECONDS {
        return (
            Verdict::Overdue,
            format!("due for {} minutes, and no server runs it", late / 60),
        );
    }
    if of.failures > 0 {
        let note = of.last.as_ref().map_or("", |(_, note)| note.as_str());
        return (
            Verdict::Failing,
            format!("failed, times in a row: {}; the latest: {note}", of.failures),
        );
    }
    let words = match &of.last {
        _ if running => "a session runs",
        None => "the first session is due",
        Some((SessionOutcome::Partial, _)) => "goes on with the next session",
        Some(_) => "in step",
    };
    (Verdict::Syncing, words.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(state: SyncState, reason: Option<StateReason>) -> Standing {
        Standing {
            id: "a".repeat(32).parse().unwrap(),
            org_id: "00D000000000001EAA".parse().unwrap(),
            org_name: "Contoso".into(),
            username: "nina@contoso.example".into(),
            mailbox: None,
            state,
            reason,
            skipped: false,
            rejections: 0,
            failures: 0,
            next_due: None,
            lease_until: None,
            last_success: None,
            issues: 0,
            last: Some((SessionOutcome::Done, String::new())),
        }
    }

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

    fn verdict(of: &Standing) -> Verdict {
        judge(of, NOW).0
    }

    #[test]
    fn what_the_user_wants_is_no_trouble() {
        for state in [SyncState::NotActivated, SyncState::Paused, SyncState::Deactivated] {
            assert_eq!(verdict(&standing(state, None)), Verdict::Off, "{state:?}");
        }
        assert_eq!(verdict(&standing(SyncState::Active, None)), Verdict::Syncing);
        assert!(!Verdict::Off.is_trouble() && !Verdict::Waiting.is_trouble());
    }

    #[test]
    fn what_ended_a_sign_in_stops_it_and_a_refusal_is_first_tried_again() {
        let refused = Some(StateReason::MailServerRefused);
        assert_eq!(verdict(&standing(SyncState::Active, refused)), Verdict::Failing);
        assert_eq!(
            verdict(&standing(SyncState::NeedsActivation, refused)),
            Verdict::Stopped
        );
        for reason in [
            StateReason::SalesforceSignInEnded,
            StateReason::MicrosoftSignInEnded,
            StateReason::StoppedByBrake,
            StateReason::OrgBrake,
        ] {
            assert_eq!(
                verdict(&standing(SyncState::Active, Some(reason))),
                Verdict::Stopped,
                "{reason:?}"
            );
        }
    }

    #[test]
    fn a_connection_that_nobody_runs_is_overdue_and_one_that_runs_is_not() {
        let mut late = standing(SyncState::Active, None);
        late.next_due = Some(NOW.plus_seconds(-OVERDUE_SECONDS));
        assert_eq!(verdict(&late), Verdict::Syncing);
        late.next_due = Some(NOW.plus_seconds(-OVERDUE_SECONDS - 1));
        assert_eq!(verdict(&late), Verdict::Overdue);
        late.lease_until = Some(NOW.plus_seconds(1));
        assert_eq!(verdict(&late), Verdict::Syncing);
        late.lease_until = Some(NOW);
        assert_eq!(verdict(&late), Verdict::Overdue);
    }

    #[test]
    fn what_fails_says_how_often_and_why() {
        let mut failing = standing(SyncState::Active, None);
        failing.failures = 3;
        failing.last = Some((SessionOutcome::Failed, "Salesforce does not answer".into()));
        let (verdict, why) = judge(&failing, NOW);
        assert_eq!(verdict, Verdict::Failing);
        assert!(
            why.contains('3') && why.contains("Salesforce does not answer"),
            "{why}"
        );
    }
}
