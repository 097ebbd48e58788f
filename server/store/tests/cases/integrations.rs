//! The integration users of organisations.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use tandem_store::{IntegrationNew, Retention, Store, StoreError};
use tandem_sync::fan_in::{Answer, Told, Touch};
use tandem_sync::model::ItemId;
use tandem_sync::ports::{Pick, Store as _};
use tandem_types::{IntegrationTrouble, ItemKind, StateReason, SyncState, Timestamp};

use super::repos::connected;
use crate::common::{T0, TTL, at, cid, done, grant, new_session, new_user, org, user};

const TURN: Duration = Duration::from_mins(10);

fn new(n: u64) -> IntegrationNew {
    IntegrationNew {
        org: org(1),
        user: user(n),
        username: format!("integration{n}@example.com"),
        by: user(1),
    }
}

fn answer(number: i64, asked: Timestamp) -> Answer {
    let touch = Touch {
        kind: ItemKind::Contact,
        id: ItemId("003000000000001AAA".to_owned()),
        who: user(1).to_string(),
        stamp: asked.plus_seconds(-60),
    };
    let told = Told {
        number,
        asked,
        from: asked.plus_seconds(-3600),
        until: asked,
        touched: Some(vec![touch]),
    };
    Answer::after(None, told)
}

pub(crate) async fn an_integration_user_is_connected_and_shredded(store: Store) {
    let unknown = store.put_integration(&new(9), &grant(1, None), T0).await;
    assert!(
        matches!(unknown, Err(StoreError::NotFound("organisation"))),
        "{unknown:?}"
    );
    store.upsert_user(&new_user(1, 1), T0).await.unwrap();
    store.upsert_user(&new_user(2, 2), T0).await.unwrap();
    assert_eq!(store.integration(&org(1)).await.unwrap(), None);
    store.put_integration(&new(9), &grant(1, None), T0).await.unwrap();
    let row = store.integration(&org(1)).await.unwrap().unwrap();
    assert_eq!(
        (row.user, row.username.as_str(), row.by, row.by_name.as_str()),
        (
            user(9),
            "integration9@example.com",
            Some(user(1)),
            "Ana Müller 李"
        )
    );
    assert_eq!((row.connected, row.asked, row.trouble), (T0, None, None));
    assert_eq!(store.integration(&org(2)).await.unwrap(), None, "another's");
    for (n, expected) in [(1, true), (2, false)] {
        let row = store.ensure_connection(&user(n), cid(n), T0).await.unwrap();
        assert_eq!(row.integrated, expected, "{n}");
    }
    let (stored, version) = store.integration_grant(&org(1)).await.unwrap().unwrap();
    assert_eq!(stored.refresh_token.expose_secret(), "refresh-token-1");

    // A refresh replaces the grant that it was made with, and no other.
    let renewed = store
        .renew_integration(&org(1), version, &grant(2, Some(1)), at(5))
        .await
        .unwrap();
    let late = store
        .renew_integration(&org(1), version, &grant(3, Some(1)), at(6))
        .await;
    assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
    let (stored, now) = store.integration_grant(&org(1)).await.unwrap().unwrap();
    assert_eq!(
        (stored.access_token.expose_secret(), now),
        ("access-token-2", renewed)
    );

    // Another user takes the place: nothing of the one before is left.
    let number = store.begin_tick(&org(1), at(7), TURN).await.unwrap().unwrap();
    let told = answer(number, at(7));
    store.end_tick(&org(1), number, Ok(&told), at(8)).await.unwrap();
    store
        .put_integration(&new(8), &grant(4, None), at(9))
        .await
        .unwrap();
    let late = store
        .renew_integration(&org(1), renewed, &grant(5, Some(2)), at(9))
        .await;
    assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
    let (row, told) = store.told(&org(1)).await.unwrap().unwrap();
    assert_eq!((row.user, row.asked, told), (user(8), None, None));

    // What was stored elsewhere does not open here: it is bound to its organisation.
    store
        .execute_raw(&format!("UPDATE integrations SET org_id = '{}'", org(2)))
        .await
        .unwrap();
    let moved = store.integration_grant(&org(2)).await;
    assert!(matches!(moved, Err(StoreError::Corrupt(_))), "{moved:?}");
    store
        .execute_raw(&format!("UPDATE integrations SET org_id = '{}'", org(1)))
        .await
        .unwrap();

    assert!(store.drop_integration(&org(1)).await.unwrap());
    assert!(!store.drop_integration(&org(1)).await.unwrap());
    assert!(!store.connection(&cid(1)).await.unwrap().unwrap().integrated);
    assert!(store.integration_grant(&org(1)).await.unwrap().is_none());
    let gone = store.renew_integration(&org(1), 1, &grant(6, None), at(10)).await;
    assert!(matches!(gone, Err(StoreError::NotFound(_))), "{gone:?}");
    assert!(store.integrations().await.unwrap().is_empty());
}

pub(crate) async fn one_question_at_a_time_and_none_after_a_change(store: Store) {
    store.upsert_user(&new_user(1, 1), T0).await.unwrap();
    let begin = async |t: i64| store.begin_tick(&org(1), at(t), TURN).await.unwrap();
    assert_eq!(begin(0).await, None, "nobody could ask");
    store.put_integration(&new(9), &grant(1, None), T0).await.unwrap();

    // Of many at once, in whatever process, one.
    let all = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.begin_tick(&org(1), at(1), TURN).await.unwrap() })
    });
    let all = futures::future::join_all(all).await;
    let begun: Vec<i64> = all.into_iter().filter_map(Result::unwrap).collect();
    let [first] = begun[..] else {
        panic!("{begun:?} ask at once")
    };
    let told = answer(first, at(1));
    store.end_tick(&org(1), first, Ok(&told), at(2)).await.unwrap();
    let (row, stored) = store.told(&org(1)).await.unwrap().unwrap();
    assert_eq!((row.asked, row.trouble), (Some(at(1)), None));
    assert_eq!(stored.as_ref(), Some(&told));

    // Whoever has taken too long has lost the turn; its answer is not stored.
    let slow = begin(3).await.unwrap();
    assert!(slow > first);
    assert_eq!(begin(4).await, None);
    let next = begin(3 + 600).await.unwrap();
    let late = store
        .end_tick(&org(1), slow, Ok(&answer(slow, at(3))), at(700))
        .await;
    assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");

    // A failure is told since when it is, keeps what was known, and lets nobody try before.
    let trouble = |again| Err((IntegrationTrouble::NoAnswer, at(again)));
    store
        .end_tick(&org(1), next, trouble(1_000), at(700))
        .await
        .unwrap();
    assert_eq!(begin(999).await, None);
    let again = begin(1_000).await.unwrap();
    store
        .end_tick(&org(1), again, trouble(1_500), at(1_001))
        .await
        .unwrap();
    let (row, stored) = store.told(&org(1)).await.unwrap().unwrap();
    assert_eq!(row.trouble, Some((IntegrationTrouble::NoAnswer, at(700))));
    assert_eq!((row.asked, stored), (Some(at(1)), Some(told)));
    let other = begin(1_500).await.unwrap();
    store
        .end_tick(
            &org(1),
            other,
            Err((IntegrationTrouble::SignInEnded, at(1_600))),
            at(1_501),
        )
        .await
        .unwrap();
    let row = store.integration(&org(1)).await.unwrap().unwrap();
    assert_eq!(row.trouble, Some((IntegrationTrouble::SignInEnded, at(1_501))));

    // Connected anew it is tried at once, and what the one before was asked is not stored.
    store
        .put_integration(&new(8), &grant(2, None), at(1_510))
        .await
        .unwrap();
    let late = store
        .end_tick(&org(1), other, Ok(&answer(other, at(1_500))), at(1_511))
        .await;
    assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
    let fresh = begin(1_512).await.unwrap();
    let told = answer(fresh, at(1_512));
    store
        .end_tick(&org(1), fresh, Ok(&told), at(1_513))
        .await
        .unwrap();
    let row = store.integration(&org(1)).await.unwrap().unwrap();
    assert_eq!((row.asked, row.trouble), (Some(at(1_512)), None));

    // Numbers are never the same again, not even after a disconnection.
    store.drop_integration(&org(1)).await.unwrap();
    store
        .put_integration(&new(8), &grant(3, None), at(1_600))
        .await
        .unwrap();
    assert!(begin(1_601).await.unwrap() > fresh);
}

pub(crate) async fn those_concerned_are_made_due(store: Store) {
    for n in 1..=5 {
        connected(&store, n).await;
        let pick = Pick::This(cid(n));
        let lease = store.claim(&pick, "w", new_session(), at(10), TTL).await;
        let lease = lease.unwrap().unwrap();
        store.close(&lease, done(at(20), Some(at(1_800)))).await.unwrap();
    }
    let due = async |n: u64| store.connection(&cid(n)).await.unwrap().unwrap().next_due;
    // The second has had a session since; the third is stopped, the fourth paused; the fifth is nobody of theirs.
    store
        .execute_raw(&format!(
            "UPDATE connections SET reason = '{}' WHERE user_id = '{}'",
            StateReason::StoppedByBrake.as_str(),
            user(3)
        ))
        .await
        .unwrap();
    let (from, to) = ([SyncState::Active], SyncState::Paused);
    let paused = store.set_state(&cid(4), &from, to, None, None, at(30)).await;
    assert!(paused.unwrap());
    let concerned = [
        (user(1), at(25)),
        (user(2), at(20)),
        (user(3), at(25)),
        (user(4), at(25)),
        (user(77), at(25)),
    ];
    assert_eq!(
        store.wake_concerned(&org(1), &concerned, at(40)).await.unwrap(),
        1
    );
    assert_eq!(due(1).await, Some(at(40)));
    for n in [2, 3, 5] {
        assert_eq!(due(n).await, Some(at(1_800)), "{n}");
    }
    assert_eq!(due(4).await, None);
    // Never later than they would be due anyway, and of no other organisation.
    assert_eq!(
        store.wake_concerned(&org(1), &concerned, at(50)).await.unwrap(),
        0
    );
    assert_eq!(
        store.wake_concerned(&org(2), &concerned, at(30)).await.unwrap(),
        0
    );
    assert_eq!(due(1).await, Some(at(40)));
}

pub(crate) async fn with_the_last_connection_goes_the_integration_user(store: Store) {
    for n in 1..=2 {
        connected(&store, n).await;
    }
    // Signed in, no mailbox: nobody who asks.
    store.upsert_user(&new_user(1, 3), T0).await.unwrap();
    store.ensure_connection(&user(3), cid(3), T0).await.unwrap();
    store.put_integration(&new(9), &grant(1, None), T0).await.unwrap();
    let number = store.begin_tick(&org(1), T0, TURN).await.unwrap().unwrap();
    store.deactivate(&cid(1), at(1)).await.unwrap();
    assert!(store.integration(&org(1)).await.unwrap().is_some());
    // A mailbox that goes over to another account is not the end of anything.
    store
        .move_mailbox(&cid(2), &cid(3), at(2))
        .await
        .unwrap()
        .unwrap();
    assert!(store.integration(&org(1)).await.unwrap().is_some());
    store.deactivate(&cid(3), at(3)).await.unwrap();
    assert!(store.integration(&org(1)).await.unwrap().is_none());
    let late = store
        .end_tick(&org(1), number, Ok(&answer(number, T0)), at(4))
        .await;
    assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");

    // Nor does it outlive those who leave without a word.
    connected(&store, 1).await;
    store
        .put_integration(&new(9), &grant(2, None), at(5))
        .await
        .unwrap();
    let (from, to) = ([SyncState::Active], SyncState::NeedsActivation);
    let ended = Some(StateReason::SalesforceSignInEnded);
    let moved = store.set_state(&cid(1), &from, to, ended, None, at(6)).await;
    assert!(moved.unwrap());
    let month = at(40 * 86_400);
    let swept = store.sweep(&Retention::default(), month).await.unwrap();
    assert_eq!(swept.left, 1);
    assert!(store.integration(&org(1)).await.unwrap().is_none());
}
