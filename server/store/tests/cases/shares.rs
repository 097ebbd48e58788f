//! Whose turn it is, and how much runs at once: over organisations, mail servers, and all who share the database.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use tandem_store::{Budgets, Quota, Store, testing};
use tandem_sync::ports::{Lease, Pick, Store as _};
use tandem_types::{ConnectionId, MailboxAccount, MailboxServer, StateReason, Timestamp};

use crate::common::{
    Desk, T0, TTL, at, cid, claimed, done, mailbox, new_session, new_user, org, secret, user,
};

type D = Arc<dyn Desk>;

const WIDE: Budgets = Budgets {
    org_sessions: 1000,
    mail_host_sessions: 1000,
    api_reserve_percent: 10,
};

async fn next(desk: &D, budgets: Budgets, now: Timestamp) -> Option<Lease> {
    desk.claim_within(budgets, now).await
}

async fn who(desk: &D, budgets: Budgets, now: Timestamp) -> Option<ConnectionId> {
    next(desk, budgets, now).await.map(|lease| lease.connection)
}

/// Connection `n` of organisation `org_n`, on that mail server, due since `now`.
async fn active_on(desk: &D, org_n: u64, n: u64, host: &str, now: Timestamp) {
    let account = MailboxAccount {
        host: host.to_owned(),
        ..mailbox(&format!("user{n}@example.com"))
    };
    desk.add_in(org_n, n, now).await;
    desk.activate_at(&cid(n), account, now).await.unwrap();
}

pub(crate) async fn a_small_organisation_does_not_wait_behind_a_large_one(desk: D) {
    for n in 1..=40 {
        active_on(&desk, 1, n, "mail.example.com", T0).await;
    }
    // Due long after all of the other's.
    for n in 101..=103 {
        active_on(&desk, 2, n, "mail.example.com", at(900)).await;
    }
    let small = |id: &ConnectionId| (101..=103).any(|n| *id == cid(n));
    // Many slots: one of each in turn.
    let mut leases = Vec::new();
    for second in 0..6 {
        leases.push(next(&desk, WIDE, at(1000 + second)).await.unwrap());
    }
    let served = leases.iter().filter(|lease| small(&lease.connection)).count();
    assert_eq!(served, 3, "{leases:?}");
    for lease in leases {
        desk.port()
            .close(&lease, done(at(1010), Some(at(1010))))
            .await
            .unwrap();
    }
    // One slot: nothing runs when the next is chosen, and whoever was served last waits.
    let mut turns = Vec::new();
    for second in 0..8 {
        let now = at(1020 + second);
        let lease = next(&desk, WIDE, now).await.unwrap();
        desk.port()
            .close(&lease, done(now, Some(at(9000))))
            .await
            .unwrap();
        turns.push(lease.connection);
    }
    let first: Vec<bool> = turns.iter().take(6).map(small).collect();
    assert_eq!(first.iter().filter(|small| **small).count(), 3, "{turns:?}");
    assert!(first.chunks(2).all(|two| two[0] != two[1]), "in turn: {turns:?}");
    assert!(!turns.iter().skip(6).any(small), "it has no more: {turns:?}");
    let oldest: BTreeSet<_> = turns.iter().filter(|id| !small(id)).collect();
    assert_eq!(oldest.len(), 5, "each once");
}

pub(crate) async fn so_many_of_an_organisation_run_at_once(desk: D) {
    let two = Budgets {
        org_sessions: 2,
        ..WIDE
    };
    for n in 1..=4 {
        desk.active(n, T0).await;
    }
    active_on(&desk, 2, 9, "mail.example.com", at(5)).await;
    let first = next(&desk, two, at(10)).await.unwrap();
    let other = next(&desk, two, at(11)).await.unwrap();
    assert_eq!(other.connection, cid(9));
    let second = next(&desk, two, at(12)).await.unwrap();
    assert_eq!(
        (&first.connection, &second.connection),
        (&cid(1), &cid(2)),
        "the oldest of the organisation first"
    );
    assert_eq!(who(&desk, two, at(13)).await, None, "two run");
    // What the user orders waits for nothing, and counts.
    let ordered = claimed(&desk, 3, at(14)).await;
    desk.port()
        .close(&first, done(at(15), Some(at(9000))))
        .await
        .unwrap();
    assert_eq!(who(&desk, two, at(16)).await, None, "two run still");
    desk.port()
        .close(&ordered, done(at(17), Some(at(9000))))
        .await
        .unwrap();
    let third = next(&desk, two, at(18)).await.unwrap();
    assert_eq!(third.connection, cid(4));
    desk.port()
        .close(&other, done(at(18), Some(at(9000))))
        .await
        .unwrap();
    // A lease that ran out is nobody's; its connection is due still, and the oldest.
    assert_eq!(who(&desk, two, at(19)).await, None);
    assert_eq!(who(&desk, two, at(12 + 61)).await, Some(cid(2)));
}

pub(crate) async fn so_many_run_at_once_on_a_mail_server(desk: D) {
    let one = Budgets {
        mail_host_sessions: 1,
        ..WIDE
    };
    for n in 1..=3 {
        active_on(&desk, 1, n, "Mail.Example.com", T0).await;
    }
    active_on(&desk, 2, 4, "mail.example.com", T0).await;
    active_on(&desk, 1, 5, "other.example.com", at(5)).await;
    for n in 6..=7 {
        let office = MailboxAccount {
            server: MailboxServer::Office365,
            ..mailbox(&format!("user{n}@example.com"))
        };
        desk.add_in(1, n, T0).await;
        desk.activate_at(&cid(n), office, at(6)).await.unwrap();
    }
    let first = next(&desk, one, at(10)).await.unwrap();
    assert_eq!(first.connection, cid(1));
    assert_eq!(desk.row(&cid(1)).await.mail_host, "mail.example.com");
    // The other organisation has nothing but what is on the same server.
    assert_eq!(
        who(&desk, one, at(11)).await,
        Some(cid(5)),
        "behind those that wait"
    );
    assert_eq!(who(&desk, one, at(12)).await, Some(cid(6)));
    assert_eq!(
        who(&desk, one, at(13)).await,
        Some(cid(7)),
        "each mailbox counts for itself"
    );
    assert_eq!(who(&desk, one, at(14)).await, None);
    desk.port()
        .close(&first, done(at(15), Some(at(9000))))
        .await
        .unwrap();
    assert_eq!(
        who(&desk, one, at(16)).await,
        Some(cid(4)),
        "of the one that has less"
    );
    assert_eq!(who(&desk, one, at(17)).await, None);
}

pub(crate) async fn an_organisation_waits_for_its_quota(desk: D) {
    for n in 1..=3 {
        desk.active(n, T0).await;
    }
    active_on(&desk, 2, 9, "mail.example.com", T0).await;
    desk.set_state(
        &cid(3),
        &[tandem_types::SyncState::Active],
        tandem_types::SyncState::Paused,
        None,
        None,
    )
    .await;
    let quota = |used, seconds| Quota {
        used,
        limit: 1000,
        at: at(seconds),
    };
    desk.note_quota(&org(1), quota(950, 10)).await;
    desk.note_quota(&org(1), quota(5, 9)).await;
    let row = desk.org(&org(1), at(10)).await;
    assert_eq!(
        (row.quota, row.held),
        (Some(quota(950, 10)), None),
        "the newest word"
    );
    assert!(desk.hold_org(&org(1), at(900)).await);
    assert!(!desk.hold_org(&org(1), at(60)).await, "never earlier");
    assert!(!desk.hold_org(&org(7), at(60)).await);
    assert_eq!(desk.org(&org(1), at(11)).await.held, Some(at(900)));

    let other = next(&desk, WIDE, at(20)).await.unwrap();
    assert_eq!(other.connection, cid(9), "the other organisation goes on");
    desk.port()
        .close(&other, done(at(20), Some(at(9000))))
        .await
        .unwrap();
    assert_eq!(who(&desk, WIDE, at(20)).await, None);
    assert!(desk.wake(&cid(1), at(21)).await);
    assert_eq!(who(&desk, WIDE, at(22)).await, None, "nor when it is woken");
    let row = desk.row(&cid(1)).await;
    assert_eq!((row.reason, row.next_due), (None, Some(at(21))));
    assert_eq!(
        (row.reason_at(at(22)), row.due_at(at(22))),
        (Some(StateReason::Quota), Some(at(900)))
    );
    assert_eq!(
        (row.reason_at(at(900)), row.due_at(at(900))),
        (None, Some(at(21)))
    );
    let paused = desk.row(&cid(3)).await;
    assert_eq!((paused.reason_at(at(22)), paused.due_at(at(22))), (None, None));

    // It goes on by itself: while the last word is that little is left, one at a time.
    let probe = next(&desk, WIDE, at(900)).await.unwrap();
    assert_eq!(probe.org, org(1));
    assert_eq!(who(&desk, WIDE, at(901)).await, None);
    desk.note_quota(&org(1), quota(901, 902)).await;
    assert_eq!(who(&desk, WIDE, at(902)).await, None);
    desk.note_quota(&org(1), quota(900, 903)).await;
    assert!(who(&desk, WIDE, at(903)).await.is_some(), "a tenth is left");
}

pub(crate) async fn who_claims_at_once_keeps_within_the_budgets(desk: D) {
    let budgets = Budgets {
        org_sessions: 5,
        mail_host_sessions: 8,
        ..WIDE
    };
    for n in 1..=12 {
        active_on(&desk, 1, n, "mail.example.com", T0).await;
    }
    for n in 21..=32 {
        active_on(&desk, 2, n, "mail.example.com", T0).await;
    }
    let others = [desk.clone(), desk.second().await, desk.second().await];
    let all = (0..24).map(|n| {
        let desk = others[n % 3].clone();
        tokio::spawn(async move { next(&desk, budgets, at(10)).await })
    });
    let leases: Vec<Lease> = join_all(all)
        .await
        .into_iter()
        .filter_map(Result::unwrap)
        .collect();
    let of = |n| leases.iter().filter(|lease| lease.org == org(n)).count();
    assert_eq!(leases.len(), 8, "of the mail server: {} and {}", of(1), of(2));
    assert!(
        of(1) <= 5 && of(2) <= 5,
        "of each organisation: {} and {}",
        of(1),
        of(2)
    );
    let different: BTreeSet<_> = leases.iter().map(|lease| &lease.connection).collect();
    assert_eq!(different.len(), 8);
}

/// 2,000 are due in one organisation, three in another: on a database, where a scan of all would show.
pub(crate) async fn a_large_organisation_is_not_read_through(store: Store) {
    store.upsert_user(&new_user(1, 1), T0).await.unwrap();
    store.ensure_connection(&user(1), cid(1), T0).await.unwrap();
    store
        .activate(&cid(1), mailbox("user1@example.com"), secret("p"), T0)
        .await
        .unwrap();
    store.execute_raw(&copies_of_users(1999)).await.unwrap();
    store.execute_raw(&copies_of_connections(1999)).await.unwrap();
    for n in 1..=3 {
        let n = 5_000_000 + n;
        store.upsert_user(&new_user(2, n), T0).await.unwrap();
        store.ensure_connection(&user(n), cid(n), T0).await.unwrap();
        store
            .activate(
                &cid(n),
                mailbox(&format!("user{n}@example.com")),
                secret("p"),
                at(500),
            )
            .await
            .unwrap();
    }
    let count = "SELECT COUNT(*) FROM connections WHERE due_at IS NOT NULL";
    assert_eq!(store.query_raw(count).await.unwrap(), [Some("2003".to_owned())]);
    let mut taken = Vec::new();
    for n in 0..8 {
        taken.extend(
            testing::turn(&store, "w", new_session(), at(1000 + n))
                .await
                .unwrap(),
        );
    }
    let small: Vec<usize> = (1..=3)
        .map(|n| {
            let id = cid(5_000_000 + n).to_string();
            taken.iter().position(|taken| *taken == id).unwrap_or(usize::MAX)
        })
        .collect();
    assert!(small.iter().all(|turn| *turn < 6), "{small:?}");
}

fn numbers(n: u32) -> String {
    format!(
        "(WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {n}) SELECT n FROM c) AS c"
    )
}

fn copies_of_users(n: u32) -> String {
    format!(
        "INSERT INTO users (id, org_id, username, name, email, created_at, updated_at) \
         SELECT '005000000000' || CAST(100000 + c.n AS TEXT), org_id, username, name, email, created_at, updated_at \
         FROM users, {}",
        numbers(n)
    )
}

fn copies_of_connections(n: u32) -> String {
    let same = "org_id, state, ask_activation, skipped, rejections, failures, settings, pair, woken, fence, \
         first_round_done, released, journal_key, created_at, updated_at, mail_host, due_at";
    format!(
        "INSERT INTO connections (id, user_id, {same}) SELECT '00000000000000000000000000' || \
         CAST(100000 + c.n AS TEXT), '005000000000' || CAST(100000 + c.n AS TEXT), {same} FROM connections, {}",
        numbers(n)
    )
}

/// A connection of an older server's making: where its mailbox is follows with the next session.
pub(crate) async fn a_mail_server_is_noted_later(store: Store) {
    store.upsert_user(&new_user(1, 1), T0).await.unwrap();
    store.ensure_connection(&user(1), cid(1), T0).await.unwrap();
    store
        .activate(&cid(1), mailbox("user1@example.com"), secret("p"), T0)
        .await
        .unwrap();
    store
        .execute_raw("UPDATE connections SET mail_host = ''")
        .await
        .unwrap();
    let lease = store
        .claim(&Pick::Due, "w", new_session(), T0, TTL)
        .await
        .unwrap();
    assert!(lease.is_some());
    let row = store.connection(&cid(1)).await.unwrap().unwrap();
    assert_eq!(row.mail_host, "");
    store.note_mail_host(&row).await.unwrap();
    let row = store.connection(&cid(1)).await.unwrap().unwrap();
    assert_eq!(row.mail_host, "mail.example.com");
}
