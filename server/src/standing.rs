//! A connection as the command line and administrators are shown it. Whether it syncs is decided where it is read
//! (`server/store/src/standing.rs`), the words are the catalogue's (`app/src/text/organisation.rs`).

use tandem_store::Standing;
use tandem_types::{OrgUser, StateReason, Timestamp, Verdict};

/// `addresses`: the mailbox's address may be told.
pub(crate) fn user(of: &Standing, addresses: bool, now: Timestamp) -> OrgUser {
    OrgUser {
        user: of.user_id.clone(),
        name: of.name.clone(),
        username: of.username.clone(),
        server: of.mailbox.as_ref().map(|mailbox| mailbox.server),
        address: of
            .mailbox
            .as_ref()
            .filter(|_| addresses)
            .map(|mailbox| mailbox.address.clone()),
        verdict: of.verdict,
        state: of.state,
        reason: of.reason_at(now),
        skipped: of.skipped,
        rejections: of.rejections,
        failures: of.failures,
        running: of.lease_until.is_some_and(|until| until > now),
        last: of.last.as_ref().map(|(outcome, _, ended)| (*outcome, *ended)),
        last_success: of.last_success,
        overdue: of.next_due.filter(|_| of.verdict == Verdict::Overdue),
        issues: of.issues,
    }
}

/// Why it stands so, for somebody at the command line. Contains nothing of the mailbox.
pub(crate) fn explain(of: &Standing, now: Timestamp) -> String {
    let why = tandem_app::text::organisation::why(&user(of, false, now), now);
    match (of.reason_at(now), &of.last) {
        (Some(StateReason::OrgBrake), _) => format!("{why} `tandem org release {}`", of.org_id),
        (None, Some((_, note, _))) if of.verdict == Verdict::Failing => format!("{why} The latest: {note}"),
        _ => why,
    }
}

#[cfg(test)]
mod tests {
    use tandem_types::{SessionOutcome, SyncState};

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

    fn standing(state: SyncState, reason: Option<StateReason>, verdict: Verdict) -> Standing {
        Standing {
            id: "a".repeat(32).parse().unwrap(),
            org_id: "00D000000000001EAA".parse().unwrap(),
            org_name: "Contoso".into(),
            user_id: "005000000000001EAA".parse().unwrap(),
            name: "Nina Berg".into(),
            username: "nina@contoso.example".into(),
            mailbox: None,
            verdict,
            state,
            reason,
            skipped: false,
            rejections: 0,
            failures: 0,
            next_due: None,
            lease_until: None,
            last_success: None,
            org_held: None,
            issues: 0,
            last: Some((SessionOutcome::Done, String::new(), NOW)),
        }
    }

    #[test]
    fn what_fails_says_how_often_and_why() {
        let mut failing = standing(SyncState::Active, None, Verdict::Failing);
        failing.failures = 3;
        failing.last = Some((SessionOutcome::Failed, "Salesforce does not answer".into(), NOW));
        let why = explain(&failing, NOW);
        assert!(
            why.contains('3') && why.contains("Salesforce does not answer"),
            "{why}"
        );
    }

    #[test]
    fn who_can_release_an_organisation_is_told_how() {
        let stopped = standing(SyncState::Active, Some(StateReason::OrgBrake), Verdict::Stopped);
        assert!(explain(&stopped, NOW).contains("tandem org release 00D000000000001EAA"));
    }

    #[test]
    fn since_when_somebody_waits_is_told_of_the_overdue_alone() {
        let due = Some(NOW.plus_seconds(-600));
        let mut late = standing(SyncState::Active, None, Verdict::Overdue);
        late.next_due = due;
        assert_eq!(user(&late, false, NOW).overdue, due);
        assert!(
            explain(&late, NOW).contains("10 minutes"),
            "{}",
            explain(&late, NOW)
        );
        late.verdict = Verdict::Syncing;
        late.lease_until = Some(NOW.plus_seconds(1));
        let running = user(&late, false, NOW);
        assert!(running.overdue.is_none() && running.running);
    }
}
