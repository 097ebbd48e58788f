//! The contract of `tandem_sync::ports::Store`. Each case gets an empty store.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tandem_store::StoreError;
use tandem_sync::model::ItemId;
use tandem_sync::ports::{Closing, Commit, Lease, LinkAsk, Pick};
use tandem_sync::{EndReason, Intent, Link, LinkState};
use tandem_types::{
    BrakeView, ConnectionId, Counts, ItemKind, OpCounts, PreviewView, SessionOutcome, Settings, Side,
    StateReason, SyncState, Timestamp,
};

use crate::common::{
    Desk, T0, TTL, at, cid, claimed, cursor, done, entry, issue, issue_id, link, link_id, links, new_session,
    org, user,
};

type D = Arc<dyn Desk>;

async fn due(desk: &D, now: Timestamp) -> Option<Lease> {
    desk.port()
        .claim(&Pick::Due, "w", new_session(), now, TTL)
        .await
        .unwrap()
}

async fn this(desk: &D, id: &ConnectionId, now: Timestamp) -> Option<Lease> {
    desk.port()
        .claim(&Pick::This(id.clone()), "w", new_session(), now, TTL)
        .await
        .unwrap()
}

async fn all(desk: &D, lease: &Lease) -> Vec<Link> {
    desk.port().links(lease, &LinkAsk::All).await.unwrap()
}

fn lost<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::LeaseLost)), "{result:?}");
}

pub(crate) async fn only_an_active_connection_comes_due(desk: D) {
    desk.add_in(1, 1, T0).await;
    assert!(due(&desk, at(10)).await.is_none());
    assert!(this(&desk, &cid(1), at(10)).await.is_none());
    assert!(this(&desk, &cid(99), at(10)).await.is_none());
    assert!(desk.row(&cid(1)).await.ask_activation);

    let id = desk.active(2, at(100)).await;
    let row = desk.row(&id).await;
    assert_eq!((row.state, row.reason), (SyncState::Active, None));
    assert!(!row.ask_activation);
    assert!(due(&desk, at(99)).await.is_none(), "not due yet");

    assert!(
        desk.set_state(&id, &[SyncState::Active], SyncState::Paused, None, Some(at(100)))
            .await
    );
    assert!(due(&desk, at(200)).await.is_none(), "paused");
    assert!(
        !desk
            .set_state(&id, &[SyncState::Active], SyncState::Paused, None, None)
            .await
    );
    let lease = this(&desk, &id, at(200))
        .await
        .expect("asked for by name, a paused one runs");
    desk.port()
        .close(
            &lease,
            Closing {
                state: SyncState::Paused,
                ..done(at(201), None)
            },
        )
        .await
        .unwrap();

    desk.set_state(&id, &[SyncState::Paused], SyncState::Active, None, None)
        .await;
    assert!(due(&desk, at(300)).await.is_none(), "never due");
    desk.set_state(
        &id,
        &[SyncState::Active],
        SyncState::NeedsActivation,
        None,
        Some(at(100)),
    )
    .await;
    assert!(due(&desk, at(300)).await.is_none());
    assert!(desk.row(&id).await.ask_activation);
    desk.deactivate(&id, at(301)).await;
    assert!(this(&desk, &id, at(302)).await.is_none());
    assert!(!desk.wake(&id, at(303)).await);
    assert!(!desk.release(&id, at(303)).await);
    assert_eq!(desk.row(&id).await.next_due, None);
}

pub(crate) async fn longest_overdue_is_first(desk: D) {
    for (n, since) in [(1, 50), (2, 10), (3, 30)] {
        desk.active(n, at(since)).await;
    }
    let mut order = Vec::new();
    for _ in 0..3 {
        order.extend(due(&desk, at(40)).await.map(|lease| lease.connection));
    }
    assert_eq!(order, [cid(2), cid(3)]);
}

pub(crate) async fn a_claim_has_one_holder(desk: D) {
    const CONNECTIONS: u64 = 6;
    for n in 1..=CONNECTIONS {
        desk.active(n, T0).await;
    }
    let other = desk.second().await;
    for round in 0..4 {
        let now = at(1000 * (round + 1));
        let claims = (0..24).map(|n| {
            let desk = if n % 2 == 0 { desk.clone() } else { other.clone() };
            tokio::spawn(async move {
                if n % 6 == 0 {
                    this(&desk, &cid(1), now).await
                } else {
                    due(&desk, now).await
                }
            })
        });
        let mut leases = Vec::new();
        for claim in futures::future::join_all(claims).await {
            leases.extend(claim.unwrap());
        }
        let held: BTreeSet<_> = leases.iter().map(|l| l.connection.clone()).collect();
        assert_eq!(held.len(), leases.len(), "one connection, two holders");
        // Whoever was passed over finds the rest now.
        for _ in 0..CONNECTIONS {
            let Some(lease) = due(&desk, now).await else { break };
            assert!(!held.contains(&lease.connection));
            leases.push(lease);
        }
        assert_eq!(leases.len(), usize::try_from(CONNECTIONS).unwrap());
        for lease in &leases {
            assert_eq!(
                (&lease.org, lease.until),
                (&org(1), Timestamp(now.0 + 60_000_000))
            );
            desk.port().close(lease, done(now, Some(now))).await.unwrap();
        }
    }
    // Four rounds after the fence that the activation drew.
    for n in 1..=CONNECTIONS {
        assert_eq!(claimed(&desk, n, at(9000)).await.fence, 1 + 4 + 1);
        assert_eq!(desk.sessions(&cid(n)).await.len(), 5);
    }
}

pub(crate) async fn a_stale_fence_changes_no_row(desk: D) {
    let id = desk.active(1, T0).await;
    let old = due(&desk, at(1)).await.unwrap();
    desk.port().commit(&old, at(2), links([1])).await.unwrap();
    let new = due(&desk, at(100)).await.expect("the lease ran out");
    assert!(new.fence > old.fence);

    let before = (desk.row(&id).await, desk.sessions(&id).await);
    let mut forged = vec![old];
    for n in 0..4 {
        let mut lease = new.clone();
        match n {
            0 => lease.fence -= 1,
            1 => lease.session = new_session(),
            2 => lease.org = org(2),
            _ => lease.user = user(2),
        }
        forged.push(lease);
    }
    forged.push(Lease {
        connection: cid(77),
        ..new.clone()
    });
    for lease in forged {
        lost(desk.port().renew(&lease, at(101), TTL).await);
        lost(desk.port().open(&lease).await.map(|_| ()));
        lost(desk.port().links(&lease, &LinkAsk::All).await);
        let commit = Commit {
            links: vec![link(1), link(2)],
            journal: vec![entry(1)],
            issues: vec![issue(1, "a", "Ana")],
            mailbox_cursor: cursor("stale"),
            crm_cursor: cursor("stale"),
            first_round_done: true,
            ..Commit::default()
        };
        lost(desk.port().commit(&lease, at(102), commit.clone()).await);
        lost(desk.port().close(&lease, done(at(103), None)).await);
        lost(
            desk.port()
                .finish(&lease, at(103), commit, done(at(103), None))
                .await,
        );
    }
    assert_eq!((desk.row(&id).await, desk.sessions(&id).await), before);
    assert_eq!(all(&desk, &new).await, [link(1)]);
    assert_eq!(desk.port().open(&new).await.unwrap().mailbox_cursor, None);
    assert!(desk.issues(&id).await.is_empty());
    assert!(desk.journal(&id, &new.session).await.is_empty());
    let last = Commit {
        links: vec![link(2)],
        journal: vec![entry(1)],
        mailbox_cursor: cursor("last"),
        ..Commit::default()
    };
    desk.port()
        .finish(&new, at(104), last.clone(), done(at(104), None))
        .await
        .unwrap();
    assert_eq!(desk.journal(&id, &new.session).await.len(), 1, "with its end");
    lost(desk.port().close(&new, done(at(105), None)).await);
    lost(desk.port().finish(&new, at(105), last, done(at(105), None)).await);
    assert_eq!(desk.journal(&id, &new.session).await.len(), 1);
}

pub(crate) async fn a_crash_is_taken_over(desk: D) {
    let id = desk.active(1, T0).await;
    let dead = due(&desk, at(0)).await.unwrap();
    desk.port().commit(&dead, at(1), links([1, 2])).await.unwrap();
    assert!(due(&desk, at(59)).await.is_none(), "the lease lives");
    assert!(this(&desk, &id, at(59)).await.is_none());
    let renewed = desk.port().renew(&dead, at(50), TTL).await.unwrap();
    assert_eq!((renewed.until, renewed.fence), (at(110), dead.fence));
    assert!(due(&desk, at(109)).await.is_none());
    assert_eq!(desk.row(&id).await.running_at(at(109)), Some(&dead.session));
    assert_eq!(desk.row(&id).await.running_at(at(110)), None);

    let heir = due(&desk, at(110)).await.expect("taken over");
    assert_eq!(all(&desk, &heir).await, [link(1), link(2)]);
    let sessions = desk.sessions(&id).await;
    assert_eq!(sessions.len(), 2);
    assert_eq!(
        (sessions[0].id.clone(), sessions[0].ended),
        (heir.session.clone(), None)
    );
    assert_eq!(sessions[1].ended, Some(at(110)));
    assert_eq!(sessions[1].outcome, Some(SessionOutcome::Failed));
    assert!(desk.note(&id, &dead.session).await.contains("lease ran out"));

    let again = desk
        .port()
        .claim(&Pick::Due, "w", heir.session.clone(), at(500), TTL)
        .await;
    assert!(matches!(again, Err(StoreError::Taken("session"))), "{again:?}");
}

pub(crate) async fn an_old_lease_that_nobody_took_still_commits(desk: D) {
    desk.active(1, T0).await;
    let lease = due(&desk, at(0)).await.unwrap();
    desk.port().commit(&lease, at(500), links([1])).await.unwrap();
    let lease = desk.port().renew(&lease, at(501), TTL).await.unwrap();
    assert!(due(&desk, at(502)).await.is_none());
    desk.port().close(&lease, done(at(503), None)).await.unwrap();
}

pub(crate) async fn a_commit_is_kept(desk: D) {
    let id = desk.active(1, T0).await;
    let lease = due(&desk, at(0)).await.unwrap();
    let opening = desk.port().open(&lease).await.unwrap();
    assert_eq!(
        (opening.live_links, opening.first_round_done, opening.last_full),
        (0, false, None)
    );
    assert_eq!(opening.settings, Settings::default());
    let hash_key = opening.hash_key;

    let mut odd = link(3);
    odd.state = LinkState::Ended(EndReason::DeletedOnBoth);
    odd.mailbox_id = None;
    odd.mailbox_version = None;
    odd.made_on = None;
    odd.intent = Some(Intent {
        side: Side::Mailbox,
        at: at(7),
    });
    let mut asleep = link(4);
    asleep.state = LinkState::Dormant;
    asleep.made_on = Some(Side::Mailbox);
    let first = Commit {
        links: vec![link(1), link(2), odd.clone(), asleep.clone()],
        journal: vec![entry(1), entry(2)],
        mailbox_cursor: cursor("H4sIAAA="),
        ..Commit::default()
    };
    desk.port().commit(&lease, at(1), first).await.unwrap();
    assert_eq!(
        all(&desk, &lease).await,
        [link(1), link(2), odd.clone(), asleep.clone()]
    );

    let mut changed = link(2);
    changed.crm_version = None;
    changed.base = tandem_sync::Base::default();
    let mut twice = link(1);
    twice.state = LinkState::Ended(EndReason::Unsynced);
    let second = Commit {
        links: vec![link(1), changed.clone(), twice.clone()],
        journal: vec![entry(3)],
        crm_cursor: cursor("2026-11-22T10:00:00Z"),
        last_full: Some(at(2)),
        first_round_done: true,
        ..Commit::default()
    };
    desk.port().commit(&lease, at(2), second).await.unwrap();
    // Nothing said, nothing changed.
    desk.port()
        .commit(&lease, at(3), Commit::default())
        .await
        .unwrap();

    assert_eq!(
        all(&desk, &lease).await,
        [twice, changed, odd, asleep],
        "the last of the same id counts"
    );
    let opening = desk.port().open(&lease).await.unwrap();
    assert_eq!(opening.mailbox_cursor, cursor("H4sIAAA="));
    assert_eq!(opening.crm_cursor, cursor("2026-11-22T10:00:00Z"));
    assert_eq!((opening.last_full, opening.first_round_done), (Some(at(2)), true));
    assert_eq!(opening.live_links, 1);
    assert!(
        opening.hash_key == hash_key,
        "the key of the base hashes never changes"
    );
    let journal = desk.journal(&id, &lease.session).await;
    assert_eq!(
        format!("{journal:?}"),
        format!("{:?}", [entry(1), entry(2), entry(3)])
    );
    for (read, written) in journal.iter().zip([entry(1), entry(2), entry(3)]) {
        use tandem_sync::ports::JournalAct::Changed;
        let (Changed { old: a, wrote: x }, Changed { old: b, wrote: y }) = (&read.act, &written.act) else {
            panic!()
        };
        assert!(
            (a, x) == (b, y),
            "the values themselves, which Debug does not show"
        );
    }
}

pub(crate) async fn two_connections_do_not_mix(desk: D) {
    desk.active(1, T0).await;
    desk.active(2, T0).await;
    let (one, two) = (claimed(&desk, 1, T0).await, claimed(&desk, 2, T0).await);
    let keys = [
        desk.port().open(&one).await.unwrap().hash_key,
        desk.port().open(&two).await.unwrap().hash_key,
    ];
    assert!(keys[0] != keys[1]);
    desk.port().commit(&one, T0, links([1])).await.unwrap();
    // The same id in another connection is another link.
    let mut theirs = link(1);
    theirs.crm_version = None;
    let commit = Commit {
        links: vec![theirs.clone()],
        issues: vec![issue(1, "a", "Ana")],
        ..Commit::default()
    };
    desk.port().commit(&two, T0, commit).await.unwrap();
    assert_eq!(all(&desk, &one).await, [link(1)]);
    assert_eq!(all(&desk, &two).await, [theirs]);
    assert!(desk.issues(&cid(1)).await.is_empty());
    assert!(!desk.ignore_issue(&cid(1), &issue_id(1), T0).await);
    assert_eq!(desk.issues(&cid(2)).await.len(), 1);
    assert!(desk.journal(&cid(1), &two.session).await.is_empty());
}

pub(crate) async fn links_by_ask(desk: D) {
    desk.active(1, T0).await;
    let lease = due(&desk, T0).await.unwrap();
    let mut stored: Vec<Link> = (0..1500).map(link).collect();
    stored[7].state = LinkState::Ended(EndReason::Merged);
    stored[8].intent = Some(Intent {
        side: Side::Crm,
        at: T0,
    });
    stored[8].crm_id = None;
    let commit = Commit {
        links: stored.clone(),
        ..Commit::default()
    };
    desk.port().commit(&lease, T0, commit).await.unwrap();

    let none = LinkAsk::Of {
        mailbox: Vec::new(),
        crm: Vec::new(),
        keys: Vec::new(),
    };
    assert_eq!(desk.port().links(&lease, &none).await.unwrap(), []);
    assert_eq!(
        desk.port().links(&lease, &LinkAsk::Pending).await.unwrap(),
        [stored[8].clone()]
    );
    assert_eq!(all(&desk, &lease).await, stored);

    let ask = LinkAsk::Of {
        mailbox: vec![
            stored[7].mailbox_id.clone().unwrap(),
            ItemId("unknown".to_owned()),
        ],
        crm: vec![
            stored[7].crm_id.clone().unwrap(),
            stored[9].crm_id.clone().unwrap(),
        ],
        keys: vec![stored[8].key.clone()],
    };
    assert_eq!(desk.port().links(&lease, &ask).await.unwrap(), stored[7..=9]);

    // An id of the wrong side is nobody's; ids are case-sensitive.
    let crossed = LinkAsk::Of {
        mailbox: vec![
            stored[1].crm_id.clone().unwrap(),
            ItemId(stored[1].mailbox_id.clone().unwrap().0.to_uppercase()),
        ],
        crm: vec![stored[1].mailbox_id.clone().unwrap()],
        keys: Vec::new(),
    };
    assert_eq!(desk.port().links(&lease, &crossed).await.unwrap(), []);

    // More than any database takes in one statement, with repeats.
    let wanted = |n: usize| stored[n % 1500].mailbox_id.clone().unwrap();
    let many = LinkAsk::Of {
        mailbox: (0..40_000).map(wanted).collect(),
        crm: (0..40_000).map(|n| ItemId(format!("none {n}"))).collect(),
        keys: stored.iter().map(|l| l.key.clone()).collect(),
    };
    assert_eq!(desk.port().links(&lease, &many).await.unwrap(), stored);
}

pub(crate) async fn a_wake_up_in_mid_session_stands(desk: D) {
    let id = desk.active(1, T0).await;
    let lease = due(&desk, at(0)).await.unwrap();
    assert!(desk.wake(&id, at(5)).await);
    assert!(due(&desk, at(6)).await.is_none(), "the lease holds");
    desk.port()
        .close(&lease, done(at(7), Some(at(1807))))
        .await
        .unwrap();
    assert_eq!(desk.row(&id).await.next_due, Some(at(5)));
    let lease = due(&desk, at(8)).await.expect("due at once again");
    desk.port()
        .close(&lease, done(at(9), Some(at(1809))))
        .await
        .unwrap();
    assert_eq!(desk.row(&id).await.next_due, Some(at(1809)), "once");
    // A wake-up between two sessions is used up by the next.
    desk.wake(&id, at(10)).await;
    let lease = due(&desk, at(10)).await.unwrap();
    desk.port()
        .close(&lease, done(at(11), Some(at(1811))))
        .await
        .unwrap();
    assert_eq!(desk.row(&id).await.next_due, Some(at(1811)));
}

pub(crate) async fn a_wake_up_survives_a_crash(desk: D) {
    let id = desk.active(1, T0).await;
    let dead = due(&desk, at(0)).await.unwrap();
    desk.port()
        .close(&dead, done(at(1), Some(at(9000))))
        .await
        .unwrap();
    let dead = this(&desk, &id, at(2)).await.unwrap();
    desk.wake(&id, at(3)).await;
    let heir = due(&desk, at(62)).await.expect("due since the wake-up");
    assert!(heir.fence > dead.fence);
    desk.port()
        .close(&heir, done(at(63), Some(at(1863))))
        .await
        .unwrap();
    assert_eq!(
        desk.row(&id).await.next_due,
        Some(at(1863)),
        "the heir has answered it"
    );
}

pub(crate) async fn what_the_user_did_meanwhile_stands(desk: D) {
    let id = desk.active(1, T0).await;
    let lease = due(&desk, at(0)).await.unwrap();
    assert!(
        desk.set_state(&id, &[SyncState::Active], SyncState::Paused, None, None)
            .await
    );
    assert_eq!(desk.port().open(&lease).await.unwrap().state, SyncState::Paused);
    desk.port()
        .close(&lease, done(at(5), Some(at(10))))
        .await
        .unwrap();
    let row = desk.row(&id).await;
    assert_eq!(
        (row.state, row.reason, row.next_due),
        (SyncState::Paused, None, None)
    );
    assert_eq!(row.last_success, Some(at(5)), "the session counts all the same");
    assert_eq!(row.running, None);

    // Paused and started again: due as the user said.
    desk.set_state(&id, &[SyncState::Paused], SyncState::Active, None, Some(at(20)))
        .await;
    let lease = due(&desk, at(20)).await.unwrap();
    desk.set_state(&id, &[SyncState::Active], SyncState::Paused, None, None)
        .await;
    desk.set_state(&id, &[SyncState::Paused], SyncState::Active, None, Some(at(21)))
        .await;
    desk.port()
        .close(&lease, done(at(22), Some(at(4000))))
        .await
        .unwrap();
    assert_eq!(desk.row(&id).await.next_due, Some(at(21)));

    // The sixth refusal loses against a pause.
    let lease = due(&desk, at(30)).await.unwrap();
    desk.set_state(&id, &[SyncState::Active], SyncState::Paused, None, None)
        .await;
    let closing = Closing {
        outcome: SessionOutcome::Rejected,
        state: SyncState::NeedsActivation,
        reason: Some(StateReason::MailServerRefused),
        rejections: 6,
        ..done(at(31), None)
    };
    desk.port().close(&lease, closing).await.unwrap();
    let row = desk.row(&id).await;
    assert_eq!(
        (row.state, row.rejections, row.ask_activation),
        (SyncState::Paused, 6, false)
    );
}

pub(crate) async fn deactivation_fences_off(desk: D) {
    let id = desk.active(1, T0).await;
    let lease = due(&desk, at(0)).await.unwrap();
    desk.port().commit(&lease, at(1), links([1])).await.unwrap();
    desk.deactivate(&id, at(2)).await;
    lost(desk.port().commit(&lease, at(3), links([2])).await);
    lost(desk.port().close(&lease, done(at(3), Some(at(4)))).await);
    let row = desk.row(&id).await;
    assert_eq!(
        (row.state, row.next_due, row.mailbox, row.links),
        (SyncState::Deactivated, None, None, 1)
    );
    let sessions = desk.sessions(&id).await;
    assert_eq!(
        (sessions[0].ended, sessions[0].outcome),
        (Some(at(2)), Some(SessionOutcome::Partial))
    );

    desk.activate(&id, "user1@example.com", at(10)).await.unwrap();
    let again = due(&desk, at(10)).await.unwrap();
    assert!(again.fence > lease.fence);
    assert_eq!(all(&desk, &again).await, [link(1)], "links are never forgotten");
    lost(desk.port().commit(&lease, at(11), links([2])).await);
}

pub(crate) async fn a_closing_is_kept(desk: D) {
    let id = desk.active(1, T0).await;
    let counts = vec![Counts {
        kind: ItemKind::Contact,
        mailbox: OpCounts {
            created: 3,
            changed: 2,
            deleted: 1,
            skipped: 4,
        },
        crm: OpCounts::default(),
        adopted: 5,
    }];
    let preview = PreviewView {
        counts: counts.clone(),
        possible_duplicates: 2,
        starts_at: Some(at(120)),
    };
    let lease = due(&desk, at(0)).await.unwrap();
    let closing = Closing {
        outcome: SessionOutcome::Preview,
        counts: counts.clone(),
        reason: Some(StateReason::WaitingForPreview),
        preview: Some(preview.clone()),
        ..done(at(1), Some(at(120)))
    };
    desk.port().close(&lease, closing).await.unwrap();
    let row = desk.row(&id).await;
    assert_eq!(
        (row.preview, row.last_success, row.released),
        (Some(preview), None, false)
    );
    let session = &desk.sessions(&id).await[0];
    assert_eq!((session.started, session.ended), (at(0), Some(at(1))));
    assert_eq!(
        (session.outcome, &session.counts),
        (Some(SessionOutcome::Preview), &counts)
    );

    // Nobody answers: it goes on by itself.
    assert!(due(&desk, at(119)).await.is_none());
    let lease = due(&desk, at(120))
        .await
        .expect("waiting for the preview ends at its time");
    let brake = BrakeView {
        counts,
        overwritten: 30,
        side_empty: true,
    };
    let stopped = |now| Closing {
        outcome: SessionOutcome::StoppedByBrake,
        reason: Some(StateReason::StoppedByBrake),
        brake: Some(brake.clone()),
        failures: 2,
        ..done(now, None)
    };
    desk.port().close(&lease, stopped(at(121))).await.unwrap();
    let row = desk.row(&id).await;
    assert_eq!(
        (row.brake, row.preview, row.failures),
        (Some(brake.clone()), None, 2)
    );
    assert_eq!(row.reason, Some(StateReason::StoppedByBrake));
    assert!(due(&desk, at(99_999)).await.is_none());

    // *Cancel* pauses: then nothing is asked, and after a start nothing either, until a session has looked again.
    let (active, paused) = ([SyncState::Active], [SyncState::Paused]);
    assert!(desk.set_state(&id, &active, SyncState::Paused, None, None).await);
    assert_eq!(desk.row(&id).await.brake, None);
    assert!(
        desk.set_state(&id, &paused, SyncState::Active, None, Some(at(130)))
            .await
    );
    let row = desk.row(&id).await;
    assert_eq!((row.reason, row.brake), (None, None));
    // Nor does a session ask that ends in a pause.
    let lease = due(&desk, at(130)).await.unwrap();
    assert!(desk.set_state(&id, &active, SyncState::Paused, None, None).await);
    desk.port().close(&lease, stopped(at(131))).await.unwrap();
    let row = desk.row(&id).await;
    assert_eq!((row.state, row.brake), (SyncState::Paused, None));
    desk.set_state(&id, &paused, SyncState::Active, None, Some(at(140)))
        .await;
    let lease = due(&desk, at(140)).await.unwrap();
    desk.port().close(&lease, stopped(at(141))).await.unwrap();
    assert_eq!(desk.row(&id).await.brake, Some(brake.clone()));

    // *Go on*.
    assert!(desk.release(&id, at(200)).await);
    let row = desk.row(&id).await;
    assert_eq!((row.reason, row.brake, row.released), (None, None, true));
    let lease = due(&desk, at(200)).await.unwrap();
    let opening = desk.port().open(&lease).await.unwrap();
    assert!(opening.released);
    assert_eq!((opening.failures, opening.rejections), (2, 0));
    desk.port()
        .close(&lease, done(at(201), Some(at(300))))
        .await
        .unwrap();
    assert!(desk.row(&id).await.released, "kept until a round used it");
    let lease = due(&desk, at(300)).await.unwrap();
    let closing = Closing {
        release_used: true,
        ..done(at(301), Some(at(400)))
    };
    desk.port().close(&lease, closing).await.unwrap();
    assert!(!desk.row(&id).await.released);

    // The sixth refusal.
    let lease = due(&desk, at(400)).await.unwrap();
    let closing = Closing {
        outcome: SessionOutcome::Rejected,
        state: SyncState::NeedsActivation,
        reason: Some(StateReason::MailServerRefused),
        rejections: 6,
        ..done(at(401), None)
    };
    desk.port().close(&lease, closing).await.unwrap();
    let row = desk.row(&id).await;
    assert!(row.ask_activation);
    assert_eq!((row.state, row.rejections), (SyncState::NeedsActivation, 6));
    assert_eq!(row.last_success, Some(at(301)));
    desk.activate(&id, "user1@example.com", at(500)).await.unwrap();
    let row = desk.row(&id).await;
    assert_eq!(
        (row.state, row.rejections, row.failures),
        (SyncState::Active, 0, 0)
    );
    assert!(!row.ask_activation);
}

pub(crate) async fn an_issue_is_raised_once(desk: D) {
    let id = desk.active(1, T0).await;
    let lease = due(&desk, at(0)).await.unwrap();
    let raise = |now, issues| {
        let (desk, lease) = (&desk, &lease);
        async move {
            let commit = Commit {
                issues,
                ..Commit::default()
            };
            desk.port().commit(lease, at(now), commit).await.unwrap();
        }
    };
    let hostile = "'); DROP TABLE issues; -- \u{202e}Ñ\u{1F426}\0";
    raise(1, vec![issue(1, "a", hostile), issue(2, "b", "Bob")]).await;
    raise(2, vec![issue(3, "a", "Ana")]).await;
    let views = desk.issues(&id).await;
    assert_eq!(views.len(), 2);
    assert_eq!(
        (&views[0].id, views[0].since),
        (&issue_id(1), at(1)),
        "the first id and time stay"
    );
    assert_eq!(
        (views[0].title.as_str(), views[0].detail.as_str()),
        ("Ana", "Ana: no last name")
    );
    assert_eq!(views[0].cures, issue(1, "a", "x").cures);
    raise(2, vec![issue(4, "c", hostile)]).await;
    assert_eq!(desk.issues(&id).await[2].title, hostile);

    // Solved by a session, then again.
    let commit = Commit {
        solved: vec![issue(0, "a", "").key, issue(0, "never", "").key],
        ..Commit::default()
    };
    desk.port().commit(&lease, at(3), commit).await.unwrap();
    assert_eq!(desk.issues(&id).await.len(), 2);
    assert!(!desk.solve_issue(&id, &issue_id(1), at(4)).await, "over already");
    raise(5, vec![issue(5, "a", "Ana again")]).await;
    let views = desk.issues(&id).await;
    assert_eq!(
        (&views[2].id, views[2].since),
        (&issue_id(1), at(5)),
        "the same id, a new time"
    );

    // Solved by the user: raised again. Ignored: never again.
    assert!(desk.solve_issue(&id, &issue_id(2), at(6)).await);
    raise(7, vec![issue(6, "b", "Bob")]).await;
    assert!(desk.ignore_issue(&id, &issue_id(1), at(8)).await);
    raise(9, vec![issue(7, "a", "Ana")]).await;
    let titles: Vec<_> = desk
        .issues(&id)
        .await
        .into_iter()
        .map(|v| (v.id, v.since))
        .collect();
    assert_eq!(titles, [(issue_id(4), at(2)), (issue_id(2), at(7))]);

    // An item that is gone takes all that was told of it along, and nothing of its namesake on the other side.
    let mut more = issue(8, "c", "Cy");
    more.key.code = tandem_types::IssueCode::Refused;
    let mut there = issue(9, "c", "Cy");
    there.key.side = there.key.side.other();
    raise(10, vec![more, there]).await;
    assert_eq!(desk.issues(&id).await.len(), 4);
    let side = issue(0, "c", "").key.side;
    let commit = Commit {
        gone: vec![(side, ItemId("c".into())), (side, ItemId("never".into()))],
        ..Commit::default()
    };
    desk.port().commit(&lease, at(10), commit).await.unwrap();
    let left: Vec<_> = desk.issues(&id).await.into_iter().map(|v| v.id).collect();
    assert_eq!(left, [issue_id(2), issue_id(9)]);
    desk.port().close(&lease, done(at(10), None)).await.unwrap();
    assert_eq!(desk.sessions(&id).await[0].issues, 7, "raised or raised again");
}

pub(crate) async fn another_mailbox_starts_anew(desk: D) {
    let id = desk.active(1, T0).await;
    let lease = due(&desk, at(0)).await.unwrap();
    let key = desk.port().open(&lease).await.unwrap().hash_key;
    let commit = Commit {
        links: vec![link(1), link(2)],
        issues: vec![issue(1, "a", "Ana")],
        mailbox_cursor: cursor("m"),
        crm_cursor: cursor("c"),
        last_full: Some(at(1)),
        first_round_done: true,
        ..Commit::default()
    };
    desk.port().commit(&lease, at(1), commit).await.unwrap();
    desk.port()
        .close(&lease, done(at(1), Some(at(1800))))
        .await
        .unwrap();

    // The same mailbox, spelt otherwise: all stays.
    desk.activate(&id, "User1@EXAMPLE.com", at(2)).await.unwrap();
    let row = desk.row(&id).await;
    assert_eq!((row.reason, row.links, row.first_round_done), (None, 2, true));
    assert_eq!(row.last_success, Some(at(1)));

    let lease = due(&desk, at(2)).await.unwrap();
    desk.activate(&id, "other@example.com", at(3)).await.unwrap();
    lost(desk.port().commit(&lease, at(3), links([3])).await);
    let row = desk.row(&id).await;
    assert_eq!(
        (row.links, row.first_round_done, row.last_success),
        (0, false, None)
    );
    assert_eq!(row.reason, None);
    assert!(desk.issues(&id).await.is_empty());
    let lease = due(&desk, at(3)).await.unwrap();
    let opening = desk.port().open(&lease).await.unwrap();
    assert_eq!(
        (opening.mailbox_cursor, opening.crm_cursor, opening.last_full),
        (None, None, None)
    );
    assert_eq!((opening.live_links, opening.first_round_done), (0, false));
    assert!(opening.hash_key == key);
    let of_old = LinkAsk::Of {
        mailbox: vec![link(1).mailbox_id.unwrap()],
        crm: vec![link(1).crm_id.unwrap()],
        keys: vec![link(1).key],
    };
    for ask in [LinkAsk::All, LinkAsk::Pending, of_old] {
        assert_eq!(desk.port().links(&lease, &ask).await.unwrap(), []);
    }
    let commit = Commit {
        links: vec![link(5)],
        issues: vec![issue(5, "a", "Ana there")],
        ..Commit::default()
    };
    desk.port().commit(&lease, at(4), commit).await.unwrap();
    assert_eq!(desk.issues(&id).await[0].title, "Ana there");

    desk.activate(&id, "user1@example.com", at(5)).await.unwrap();
    let lease = due(&desk, at(5)).await.unwrap();
    assert_eq!(
        all(&desk, &lease).await,
        [link(1), link(2)],
        "the old pair comes back with its mailbox"
    );
    let opening = desk.port().open(&lease).await.unwrap();
    assert_eq!((opening.mailbox_cursor, opening.first_round_done), (None, false));
    assert_eq!(desk.issues(&id).await[0].title, "Ana");
    assert_eq!(all(&desk, &lease).await[0].id, link_id(1));
}

pub(crate) async fn a_mailbox_has_one_connection(desk: D) {
    desk.active(1, T0).await;
    desk.add_in(1, 2, T0).await;
    desk.add_in(2, 3, T0).await;
    let taken = desk.activate(&cid(2), " USER1@example.COM", T0).await;
    assert!(matches!(taken, Err(StoreError::Taken("mailbox"))), "{taken:?}");
    assert_eq!(
        desk.row(&cid(2)).await.state,
        SyncState::NotActivated,
        "nothing was written"
    );
    desk.activate(&cid(3), "user1@example.com", T0)
        .await
        .expect("another organisation's is another");
    desk.activate(&cid(1), "user1@example.com", at(1))
        .await
        .expect("one's own again");
    desk.deactivate(&cid(1), at(2)).await;
    desk.activate(&cid(2), "user1@example.com", at(3))
        .await
        .expect("free again");
    let back = desk.activate(&cid(1), "user1@example.com", at(4)).await;
    assert!(matches!(back, Err(StoreError::Taken("mailbox"))), "{back:?}");
    assert!(matches!(
        desk.activate(&cid(9), "x@example.com", T0).await,
        Err(StoreError::NotFound(_))
    ));
}

pub(crate) async fn a_step_is_whole_or_not_at_all(desk: D) {
    // A task that is dropped in mid-commit (a worker that shuts down) leaves all of the step or nothing.
    let id = desk.active(1, T0).await;
    let lease = desk
        .port()
        .claim(&Pick::Due, "w", new_session(), T0, Duration::from_secs(9999))
        .await
        .unwrap()
        .unwrap();
    let mut kept = 0;
    for n in 0..60_u64 {
        let commit = Commit {
            links: (0..20).map(|k| link(1000 * n + k)).collect(),
            journal: (0..20).map(entry).collect(),
            issues: vec![issue(n + 1, &format!("item {n}"), "Ana")],
            mailbox_cursor: cursor(&n.to_string()),
            ..Commit::default()
        };
        let mut step = Box::pin(desk.port().commit(&lease, at(1), commit));
        for _ in 0..=n {
            if futures::poll!(&mut step).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(step);
        // The database may be at it still: the connection's row is had when it is through with it.
        desk.port()
            .renew(&lease, at(1), Duration::from_secs(9999))
            .await
            .unwrap();
        let links = all(&desk, &lease).await.len();
        let entries = desk.journal(&id, &lease.session).await.len();
        let issues = desk.issues(&id).await.len();
        let at_cursor = desk.port().open(&lease).await.unwrap().mailbox_cursor;
        assert_eq!((links % 20, links), (0, entries), "after poll {n}");
        assert_eq!(issues * 20, links, "after poll {n}");
        let moved = at_cursor == cursor(&n.to_string());
        assert_eq!(moved, links > kept, "the cursor moves with its effects");
        kept = links;
    }
    // And the store goes on working.
    desk.port().commit(&lease, at(2), links([999_999])).await.unwrap();
}
