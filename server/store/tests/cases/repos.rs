//! The server's repositories, on a migrated, empty database.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tandem_store::{
    CodeRow, FlowRow, GrantSecret, IssuePick, NewUser, Provider, RefreshTurn, Retention, Store, StoreError,
    Trouble, WaitingSignIn, WebSession, WebSessionNew,
};
use tandem_sync::BaseHash;
use tandem_sync::model::{ItemId, LinkKey};
use tandem_sync::order::Order;
use tandem_sync::ports::{Claim, Commit, Issue, IssueKey, JournalAct, LinkAsk, Pick, Store as _, Wish};
use tandem_types::{
    IssueCode, ItemKind, MailboxAccount, MailboxServer, SessionOutcome, Settings, Side, StateReason,
    SyncState, Timestamp, Verdict,
};

use crate::common::{
    T0, TTL, at, cid, cursor, done, entry, grant, issue, issue_id, links, mailbox, new_session, new_user,
    org, secret, user,
};

/// As the list of the contract finds them.
pub(crate) use super::integrations::{
    an_integration_user_is_connected_and_shredded, one_question_at_a_time_and_none_after_a_change,
    those_concerned_are_made_due, with_the_last_connection_goes_the_integration_user,
};
pub(crate) use super::keys::{
    a_forgotten_connection_begins_anew, an_audit_entry_is_changed_or_taken_away,
    audit_is_a_chain_while_many_write, audit_is_swept_from_its_beginning, tokens_have_one_key,
};

pub(crate) async fn connected(store: &Store, n: u64) {
    store.upsert_user(&new_user(1, n), T0).await.unwrap();
    store.ensure_connection(&user(n), cid(n), T0).await.unwrap();
    store
        .activate(
            &cid(n),
            mailbox(&format!("user{n}@example.com")),
            secret(&format!("password {n}")),
            T0,
        )
        .await
        .unwrap();
}

pub(crate) fn corrupt<T>(result: Result<T, StoreError>) {
    match result {
        Err(StoreError::Corrupt(_)) => {}
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it opened"),
    }
}

fn access(grant: &GrantSecret) -> &str {
    grant.access_token.expose_secret()
}

pub(crate) async fn users(store: Store) {
    assert_eq!(store.user(&user(1)).await.unwrap(), None);
    store.upsert_user(&new_user(1, 1), T0).await.unwrap();
    let changed = NewUser {
        name: "O'Neil \u{1F426}".to_owned(),
        org_name: "Acme & Söhne".to_owned(),
        ..new_user(1, 1)
    };
    store.upsert_user(&changed, at(5)).await.unwrap();
    store.upsert_user(&new_user(1, 2), at(6)).await.unwrap();
    let row = store.user(&user(1)).await.unwrap().unwrap();
    assert_eq!(
        (row.name.as_str(), row.org_name.as_str(), row.created),
        ("O'Neil \u{1F426}", "Acme", T0)
    );
    assert_eq!(
        (row.org_id, row.instance_url),
        (org(1), "https://acme.my.salesforce.com".to_owned())
    );
    let moved = store.upsert_user(&new_user(2, 1), at(7)).await;
    assert!(matches!(moved, Err(StoreError::Taken("user"))), "{moved:?}");
    assert_eq!(store.user(&user(1)).await.unwrap().unwrap().org_id, org(1));
}

pub(crate) async fn one_connection_per_user(store: Store) {
    let nobody = store.ensure_connection(&user(1), cid(1), T0).await;
    assert!(matches!(nobody, Err(StoreError::NotFound("user"))), "{nobody:?}");
    store.upsert_user(&new_user(1, 1), T0).await.unwrap();
    let calls = (1..=8).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { store.ensure_connection(&user(1), cid(n), T0).await.unwrap() })
    });
    let rows: Vec<_> = futures::future::join_all(calls)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert!(rows.iter().all(|row| *row == rows[0]), "all got the same one");
    assert_eq!(
        store.connection_of(&user(1)).await.unwrap().as_ref(),
        Some(&rows[0])
    );
    assert_eq!(
        store.connection(&rows[0].id).await.unwrap().as_ref(),
        Some(&rows[0])
    );
    assert_eq!(store.connection(&cid(99)).await.unwrap(), None);
    let row = &rows[0];
    assert_eq!(
        (row.state, row.ask_activation, row.skipped),
        (SyncState::NotActivated, true, false)
    );
    assert_eq!((&row.settings, row.created), (&Settings::default(), T0));

    store.upsert_user(&new_user(2, 2), T0).await.unwrap();
    store.ensure_connection(&user(2), cid(20), at(1)).await.unwrap();
    let ids = |rows: Vec<tandem_store::ConnectionRow>| rows.into_iter().map(|r| r.id).collect::<Vec<_>>();
    assert_eq!(
        ids(store.connections(None, 10).await.unwrap()),
        [row.id.clone(), cid(20)]
    );
    assert_eq!(
        ids(store.connections(None, 1).await.unwrap()),
        std::slice::from_ref(&row.id)
    );
    assert_eq!(
        ids(store.connections(Some(&org(2)), 10).await.unwrap()),
        [cid(20)]
    );
    assert_eq!(ids(store.connections(Some(&org(3)), 10).await.unwrap()), []);

    store.skip_activation(&cid(20), at(2)).await.unwrap();
    let skipped = store.connection(&cid(20)).await.unwrap().unwrap();
    assert_eq!((skipped.ask_activation, skipped.skipped), (false, true));
    for missing in [
        store.skip_activation(&cid(99), T0).await,
        store.deactivate(&cid(99), T0).await,
        store.activate(&cid(99), mailbox("a@b.c"), secret("x"), T0).await,
        store
            .put_grant(&cid(99), Provider::Salesforce, grant(1, None), T0)
            .await
            .map(|_| ()),
    ] {
        assert!(
            matches!(missing, Err(StoreError::NotFound("connection"))),
            "{missing:?}"
        );
    }
    assert!(
        !store
            .set_state(&cid(20), &[], SyncState::Active, None, None, T0)
            .await
            .unwrap()
    );
}

pub(crate) async fn secrets_are_kept_and_shredded(store: Store) {
    connected(&store, 1).await;
    let read = store.mailbox_secret(&cid(1)).await.unwrap().unwrap();
    let wrote = secret("password 1");
    assert_eq!(read.password.expose_secret(), "password 1");
    assert_eq!(
        (read.login, read.ews_url, read.extra),
        (wrote.login, wrote.ews_url, wrote.extra)
    );
    assert!(!format!("{:?} {:?}", secret("password 1"), grant(1, None)).contains("password 1"));
    store
        .put_grant(&cid(1), Provider::Salesforce, grant(1, None), T0)
        .await
        .unwrap();

    store.deactivate(&cid(1), at(1)).await.unwrap();
    assert!(store.mailbox_secret(&cid(1)).await.unwrap().is_none());
    assert!(
        store
            .grant(&cid(1), Provider::Salesforce)
            .await
            .unwrap()
            .is_none()
    );
    let left =
        "SELECT COUNT(*) FROM connections WHERE credentials IS NOT NULL OR credentials_key IS NOT NULL";
    assert_eq!(store.query_raw(left).await.unwrap(), [Some("0".to_owned())]);
    assert_eq!(
        store.query_raw("SELECT COUNT(*) FROM grants").await.unwrap(),
        [Some("0".to_owned())]
    );

    // A new sign-in makes a new key, and the activation uses it.
    store
        .put_grant(&cid(1), Provider::Salesforce, grant(2, None), at(2))
        .await
        .unwrap();
    store
        .activate(&cid(1), mailbox("user1@example.com"), secret("new"), at(3))
        .await
        .unwrap();
    let (again, _) = store.grant(&cid(1), Provider::Salesforce).await.unwrap().unwrap();
    assert_eq!(access(&again), "access-token-2");
    let read = store.mailbox_secret(&cid(1)).await.unwrap().unwrap();
    assert_eq!(read.password.expose_secret(), "new");
    assert!(store.mailbox_secret(&cid(99)).await.unwrap().is_none());
}

pub(crate) async fn what_is_sealed_opens_in_its_row_only(store: Store) {
    for n in 1..=2 {
        connected(&store, n).await;
        store
            .put_grant(&cid(n), Provider::Salesforce, grant(n, None), T0)
            .await
            .unwrap();
    }
    let mut sessions = Vec::new();
    for n in 1..=2 {
        let lease = store
            .claim(&Pick::This(cid(n)), "w", new_session(), T0, TTL)
            .await
            .unwrap()
            .unwrap();
        let commit = Commit {
            journal: vec![entry(n), entry(n + 10)],
            issues: vec![issue(n, "a", "Ana"), issue(n + 10, "b", "Bob")],
            ..Commit::default()
        };
        store.commit(&lease, T0, commit).await.unwrap();
        sessions.push(lease.session);
    }
    let (one, two) = (cid(1), cid(2));
    // Within one connection, under the same key: title to detail, row to row.
    store
        .execute_raw(&format!(
            "UPDATE issues SET title = detail WHERE id = '{}'",
            issue_id(1)
        ))
        .await
        .unwrap();
    corrupt(store.issues(&one, 10).await);
    let session = &sessions[0];
    store
        .execute_raw(&format!(
            "UPDATE journal SET sealed = (SELECT sealed FROM journal WHERE session_id = '{session}' AND seq = 1) \
             WHERE session_id = '{session}' AND seq = 0"
        ))
        .await
        .unwrap();
    corrupt(store.journal_of(session).await);
    // From another connection, with the key that belongs to it.
    store
        .execute_raw(&format!(
            "UPDATE connections SET credentials = (SELECT credentials FROM connections WHERE id = '{two}'), \
             credentials_key = (SELECT credentials_key FROM connections WHERE id = '{two}') WHERE id = '{one}'"
        ))
        .await
        .unwrap();
    corrupt(store.mailbox_secret(&one).await);
    corrupt(store.grant(&one, Provider::Salesforce).await);
    store
        .execute_raw(&format!(
            "UPDATE connections SET journal_key = (SELECT journal_key FROM connections WHERE id = '{two}') \
             WHERE id = '{one}'"
        ))
        .await
        .unwrap();
    let lease = store
        .claim(&Pick::This(one.clone()), "w", new_session(), at(100), TTL)
        .await
        .unwrap()
        .unwrap();
    corrupt(store.open(&lease).await);
    // The other one is untouched, and whole.
    assert_eq!(store.issues(&two, 10).await.unwrap().1, 2);
    assert_eq!(store.journal_of(&sessions[1]).await.unwrap().unwrap().1.len(), 2);
    assert!(store.mailbox_secret(&two).await.unwrap().is_some());
}

pub(crate) async fn one_refreshes(store: Store) {
    connected(&store, 1).await;
    let id = cid(1);
    assert!(store.grant(&id, Provider::Salesforce).await.unwrap().is_none());
    let ttl = Duration::from_secs(30);
    let none = store
        .begin_refresh(&id, Provider::Salesforce, 1, "a", T0, ttl)
        .await;
    assert!(matches!(none, Err(StoreError::NotFound("grant"))), "{none:?}");
    assert_eq!(
        store
            .put_grant(&id, Provider::Salesforce, grant(1, None), T0)
            .await
            .unwrap(),
        1
    );

    let turns = (0..12).map(|n| {
        let (store, id) = (store.clone(), id.clone());
        tokio::spawn(async move {
            store
                .begin_refresh(&id, Provider::Salesforce, 1, &format!("holder {n}"), at(1), ttl)
                .await
                .unwrap()
        })
    });
    let turns: Vec<_> = futures::future::join_all(turns)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let mine: Vec<_> = (0..12)
        .filter(|&n| matches!(turns[n], RefreshTurn::Mine))
        .collect();
    assert_eq!(mine.len(), 1, "{turns:?}");
    assert!(turns.iter().all(|t| !matches!(t, RefreshTurn::AlreadyDone(..))));
    let holder = format!("holder {}", mine[0]);
    assert!(matches!(
        store
            .begin_refresh(&id, Provider::Salesforce, 1, &holder, at(2), ttl)
            .await
            .unwrap(),
        RefreshTurn::Mine
    ));

    assert_eq!(
        store
            .finish_refresh(&id, Provider::Salesforce, &holder, grant(2, Some(1)), at(3))
            .await
            .unwrap(),
        2
    );
    let late = store
        .begin_refresh(&id, Provider::Salesforce, 1, "late", at(4), ttl)
        .await
        .unwrap();
    let RefreshTurn::AlreadyDone(now, 2) = late else {
        panic!("{late:?}")
    };
    assert_eq!(access(&now), "access-token-2");
    assert_eq!(now.previous_refresh.unwrap().expose_secret(), "refresh-token-1");

    // Given up, the next may.
    assert!(matches!(
        store
            .begin_refresh(&id, Provider::Salesforce, 2, "a", at(5), ttl)
            .await
            .unwrap(),
        RefreshTurn::Mine
    ));
    store
        .abandon_refresh(&id, Provider::Salesforce, "not mine")
        .await
        .unwrap();
    assert!(matches!(
        store
            .begin_refresh(&id, Provider::Salesforce, 2, "b", at(5), ttl)
            .await
            .unwrap(),
        RefreshTurn::Wait
    ));
    store
        .abandon_refresh(&id, Provider::Salesforce, "a")
        .await
        .unwrap();
    assert!(matches!(
        store
            .begin_refresh(&id, Provider::Salesforce, 2, "b", at(5), ttl)
            .await
            .unwrap(),
        RefreshTurn::Mine
    ));

    // Its turn ran out and "c" has it; but the token that "b" got is the only one that lives.
    assert!(matches!(
        store
            .begin_refresh(&id, Provider::Salesforce, 2, "c", at(34), ttl)
            .await
            .unwrap(),
        RefreshTurn::Wait
    ));
    assert!(matches!(
        store
            .begin_refresh(&id, Provider::Salesforce, 2, "c", at(35), ttl)
            .await
            .unwrap(),
        RefreshTurn::Mine
    ));
    assert_eq!(
        store
            .finish_refresh(&id, Provider::Salesforce, "b", grant(3, Some(2)), at(36))
            .await
            .unwrap(),
        3
    );
    // What "c" brings now comes from a grant that is past.
    let stale = store
        .finish_refresh(&id, Provider::Salesforce, "c", grant(4, Some(2)), at(37))
        .await;
    assert!(matches!(stale, Err(StoreError::LeaseLost)), "{stale:?}");
    let stale = store
        .finish_refresh(&id, Provider::Salesforce, "c", grant(4, None), at(37))
        .await;
    assert!(matches!(stale, Err(StoreError::LeaseLost)), "{stale:?}");

    // A new sign-in overtakes a refresh.
    assert!(matches!(
        store
            .begin_refresh(&id, Provider::Salesforce, 3, "d", at(40), ttl)
            .await
            .unwrap(),
        RefreshTurn::Mine
    ));
    assert_eq!(
        store
            .put_grant(&id, Provider::Salesforce, grant(9, None), at(41))
            .await
            .unwrap(),
        4
    );
    let stale = store
        .finish_refresh(&id, Provider::Salesforce, "d", grant(5, Some(3)), at(42))
        .await;
    assert!(matches!(stale, Err(StoreError::LeaseLost)), "{stale:?}");
    let (now, version) = store.grant(&id, Provider::Salesforce).await.unwrap().unwrap();
    assert_eq!((access(&now), version), ("access-token-9", 4));
    store.delete_grant(&id, Provider::Salesforce).await.unwrap();
    let gone = store
        .finish_refresh(&id, Provider::Salesforce, "d", grant(5, Some(9)), at(43))
        .await;
    assert!(matches!(gone, Err(StoreError::NotFound("grant"))), "{gone:?}");
}

pub(crate) async fn locks_are_taken_in_one_order(store: Store) {
    connected(&store, 1).await;
    store
        .put_grant(&cid(1), Provider::Salesforce, grant(1, None), T0)
        .await
        .unwrap();
    let work = (0..60_u64).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let id = cid(1);
            match n % 5 {
                0 => drop(
                    store
                        .put_grant(&id, Provider::Salesforce, grant(n, None), T0)
                        .await
                        .unwrap(),
                ),
                1 => {
                    drop(
                        store
                            .begin_refresh(&id, Provider::Salesforce, 1, &n.to_string(), T0, TTL)
                            .await
                            .unwrap(),
                    );
                    match store
                        .finish_refresh(&id, Provider::Salesforce, &n.to_string(), grant(n, None), T0)
                        .await
                    {
                        Ok(_) | Err(StoreError::LeaseLost) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
                2 => assert!(store.wake(&id, at(1)).await.unwrap()),
                3 => store
                    .activate(&id, mailbox("user1@example.com"), secret("x"), T0)
                    .await
                    .unwrap(),
                _ => {
                    let lease = store
                        .claim(&Pick::This(id), "w", new_session(), T0, TTL)
                        .await
                        .unwrap();
                    let Some(lease) = lease else { return };
                    match store.commit(&lease, T0, links([n])).await {
                        Ok(()) | Err(StoreError::LeaseLost) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        })
    });
    for done in futures::future::join_all(work).await {
        done.unwrap();
    }
}

pub(crate) async fn trials(store: Store) {
    let login = "Ana@Example.com";
    assert_eq!(store.trials(login, T0).await.unwrap(), 0);
    let tries = (0..6).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.record_trial("ana@example.COM ", T0).await.unwrap() })
    });
    let mut numbers: Vec<_> = futures::future::join_all(tries)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6], "each has its own number");
    assert_eq!(store.record_trial("bob@example.com", T0).await.unwrap(), 1);
    assert_eq!(store.record_trial(login, at(899)).await.unwrap(), 7);
    assert_eq!(
        store.trials(login, at(900)).await.unwrap(),
        1,
        "15 minutes later the first six are past"
    );
    assert_eq!(store.record_trial(login, at(900)).await.unwrap(), 2);
    store.clear_trials(login).await.unwrap();
    assert_eq!(store.trials(login, at(900)).await.unwrap(), 0);
    assert_eq!(store.trials("bob@example.com", at(1)).await.unwrap(), 1);
}

pub(crate) async fn web_sessions(store: Store) {
    store.upsert_user(&new_user(1, 1), T0).await.unwrap();
    let new = |n: u8, expires| WebSessionNew {
        token_hash: [n; 32],
        user_id: user(1),
        org_id: org(1),
        expires,
    };
    for n in 1..=3 {
        store
            .create_web_session(&new(n, at(100)), at(i64::from(n)))
            .await
            .unwrap();
    }
    let taken = store.create_web_session(&new(1, at(900)), T0).await;
    assert!(matches!(taken, Err(StoreError::Taken(_))), "{taken:?}");
    let expected = WebSession {
        user_id: user(1),
        org_id: org(1),
        expires: at(100),
        created: at(1),
    };
    assert_eq!(store.web_session(&[1; 32], at(99)).await.unwrap(), Some(expected));
    assert_eq!(store.web_session(&[1; 32], at(100)).await.unwrap(), None, "over");
    assert_eq!(store.web_session(&[9; 32], T0).await.unwrap(), None);
    assert!(store.touch_web_session(&[1; 32], at(200), at(99)).await.unwrap());
    assert_eq!(
        store
            .web_session(&[1; 32], at(199))
            .await
            .unwrap()
            .unwrap()
            .expires,
        at(200)
    );
    assert!(
        !store.touch_web_session(&[2; 32], at(300), at(100)).await.unwrap(),
        "what is over stays over"
    );
    store.delete_web_session(&[1; 32]).await.unwrap();
    assert_eq!(store.web_session(&[1; 32], T0).await.unwrap(), None);
    store.delete_web_sessions_of(&user(1)).await.unwrap();
    assert_eq!(store.web_session(&[3; 32], T0).await.unwrap(), None);
    // A session of a user in another organisation cannot be made.
    let wrong = WebSessionNew {
        org_id: org(2),
        ..new(7, at(100))
    };
    assert!(store.create_web_session(&wrong, T0).await.is_err());
}

pub(crate) async fn flows_are_used_once(store: Store) {
    let flow = FlowRow {
        binding_hash: [1; 32],
        nonce_hash: [2; 32],
        pkce_verifier: SecretString::from("verifier-0123456789"),
        purpose: "salesforce".to_owned(),
        login_host: "login.salesforce.com".to_owned(),
        id_nonce: Some("a nonce".to_owned()),
        user_id: Some(user(7)),
        created: T0,
        expires: at(600),
    };
    store.put_flow(&[7; 32], &flow).await.unwrap();
    assert!(store.take_flow(&[8; 32], T0).await.unwrap().is_none());
    let takes = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.take_flow(&[7; 32], at(1)).await.unwrap() })
    });
    let mut got: Vec<_> = futures::future::join_all(takes)
        .await
        .into_iter()
        .filter_map(Result::unwrap)
        .collect();
    assert_eq!(got.len(), 1, "one caller has it");
    let read = got.remove(0);
    assert_eq!(read.pkce_verifier.expose_secret(), "verifier-0123456789");
    assert_eq!((read.binding_hash, read.nonce_hash), ([1; 32], [2; 32]));
    assert_eq!(
        (read.purpose, read.login_host),
        (flow.purpose.clone(), flow.login_host.clone())
    );
    assert!(!format!("{flow:?}").contains("0123456789"));

    store.put_flow(&[7; 32], &flow).await.unwrap();
    assert!(
        store.take_flow(&[7; 32], at(600)).await.unwrap().is_none(),
        "over"
    );
    assert!(
        store.take_flow(&[7; 32], T0).await.unwrap().is_none(),
        "and used up"
    );
    // The verifier is bound to its flow.
    store.put_flow(&[3; 32], &flow).await.unwrap();
    store.put_flow(&[4; 32], &flow).await.unwrap();
    let smallest = "(SELECT MIN(created_at) FROM flows)";
    store
        .execute_raw(&format!(
            "UPDATE flows SET verifier = (SELECT f.verifier FROM flows f WHERE f.state_hash <> flows.state_hash \
             AND f.created_at = {smallest} LIMIT 1)"
        ))
        .await
        .unwrap();
    corrupt(store.take_flow(&[3; 32], T0).await);
}

pub(crate) async fn codes_and_tickets_are_used_once(store: Store) {
    connected(&store, 1).await;
    store.upsert_user(&new_user(1, 2), T0).await.unwrap();
    let code = CodeRow {
        user_id: user(1),
        org_id: org(1),
        nonce_hash: [5; 32],
        expires: at(60),
    };
    store.put_code(&[1; 32], &code).await.unwrap();
    for _ in 0..4 {
        assert_eq!(
            store.take_code(&[1; 32], &[6; 32], T0).await.unwrap(),
            None,
            "not this pane's"
        );
    }
    let takes = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.take_code(&[1; 32], &[5; 32], at(59)).await.unwrap() })
    });
    let got: Vec<_> = futures::future::join_all(takes)
        .await
        .into_iter()
        .filter_map(Result::unwrap)
        .collect();
    assert_eq!(got, std::slice::from_ref(&code));

    store.put_code(&[2; 32], &code).await.unwrap();
    for _ in 0..5 {
        assert_eq!(store.take_code(&[2; 32], &[6; 32], T0).await.unwrap(), None);
    }
    assert_eq!(
        store.take_code(&[2; 32], &[5; 32], T0).await.unwrap(),
        None,
        "five wrong nonces burn it"
    );
    store.put_code(&[3; 32], &code).await.unwrap();
    assert_eq!(
        store.take_code(&[3; 32], &[5; 32], at(60)).await.unwrap(),
        None,
        "over"
    );
    assert_eq!(
        store.take_code(&[3; 32], &[5; 32], T0).await.unwrap(),
        None,
        "and used up"
    );

    store
        .put_ticket(&[1; 32], &user(1), &cid(1), at(30))
        .await
        .unwrap();
    assert_eq!(
        store.take_ticket(&[1; 32], at(29)).await.unwrap(),
        Some((user(1), cid(1)))
    );
    assert_eq!(store.take_ticket(&[1; 32], at(29)).await.unwrap(), None);
    store
        .put_ticket(&[2; 32], &user(1), &cid(1), at(30))
        .await
        .unwrap();
    assert_eq!(store.take_ticket(&[2; 32], at(30)).await.unwrap(), None);
    let foreign = store.put_ticket(&[3; 32], &user(2), &cid(1), at(30)).await;
    assert!(
        matches!(foreign, Err(StoreError::NotFound("connection"))),
        "{foreign:?}"
    );
}

pub(crate) async fn the_pane_reads(store: Store) {
    connected(&store, 1).await;
    let id = cid(1);
    let mut last = None;
    for n in 0..12_u64 {
        let now = at(i64::try_from(n).unwrap());
        let lease = store
            .claim(&Pick::This(id.clone()), "w", new_session(), now, TTL)
            .await
            .unwrap()
            .unwrap();
        let commit = Commit {
            links: links([n]).links,
            issues: vec![issue(n + 1, &format!("item {n}"), &format!("Contact {n}"))],
            journal: vec![entry(n)],
            ..Commit::default()
        };
        store.commit(&lease, now, commit).await.unwrap();
        store.close(&lease, done(now, None)).await.unwrap();
        last = Some(lease);
    }
    let last = last.unwrap();
    let sessions = store.sessions(&id, 10).await.unwrap();
    assert_eq!(
        (sessions.len(), &sessions[0].id, sessions[0].issues),
        (10, &last.session, 1)
    );
    let (views, total) = store.issues(&id, 5).await.unwrap();
    assert_eq!(
        (views.len(), total, views[0].title.as_str()),
        (5, 12, "Contact 0")
    );
    assert_eq!(store.live_links(&id).await.unwrap(), 12);
    let (view, key) = store.issue(&id, &issue_id(3)).await.unwrap().unwrap();
    assert_eq!(
        (view.title.as_str(), key.item.0.as_str()),
        ("Contact 2", "item 2")
    );
    assert_eq!(key.code, IssueCode::LastNameMissing);
    assert!(store.solve_issue(&id, &issue_id(3), at(20)).await.unwrap());
    assert_eq!(store.issue(&id, &issue_id(3)).await.unwrap(), None);
    assert_eq!(store.issue(&cid(2), &issue_id(4)).await.unwrap(), None);
    let (whose, journal) = store.journal_of(&last.session).await.unwrap().unwrap();
    assert_eq!((whose, journal.len()), (id.clone(), 1));
    assert!(store.journal_of(&new_session()).await.unwrap().is_none());

    // Every kind of entry comes back.
    let lease = store
        .claim(&Pick::This(id.clone()), "w", new_session(), at(30), TTL)
        .await
        .unwrap()
        .unwrap();
    let JournalAct::Changed { old, wrote } = entry(1).act else {
        unreachable!()
    };
    let acts = [
        JournalAct::Created { wrote },
        JournalAct::Deleted { old: old.clone() },
        JournalAct::LostToConflict { lost: old },
        JournalAct::Linked("woken"),
    ];
    let commit = Commit {
        journal: acts
            .iter()
            .map(|act| {
                let mut entry = entry(1);
                entry.act = act.clone();
                entry
            })
            .collect(),
        ..Commit::default()
    };
    let written = format!("{:?}", commit.journal);
    store.commit(&lease, at(31), commit).await.unwrap();
    assert_eq!(
        format!("{:?}", store.journal_of(&lease.session).await.unwrap().unwrap().1),
        written
    );
    store
        .audit(&org(1), &user(1), "deactivate", "by the user", at(40))
        .await
        .unwrap();
    assert_eq!(
        store.query_raw("SELECT action FROM audit").await.unwrap(),
        [Some("deactivate".to_owned())]
    );
}

pub(crate) async fn a_sweep_takes_what_is_over(store: Store) {
    const DAY: i64 = 86_400;
    connected(&store, 1).await;
    let (now, id) = (at(100 * DAY), cid(1));
    for day in [5, 11, 69, 71, 100] {
        let then = at(day * DAY - 5);
        let lease = store
            .claim(&Pick::This(id.clone()), "w", new_session(), then, TTL)
            .await
            .unwrap()
            .unwrap();
        let commit = Commit {
            journal: vec![entry(1)],
            ..links([1])
        };
        store.commit(&lease, then, commit).await.unwrap();
        if day != 100 {
            store.close(&lease, done(then, None)).await.unwrap();
        }
    }
    let flow = FlowRow {
        binding_hash: [1; 32],
        nonce_hash: [2; 32],
        pkce_verifier: SecretString::from("v"),
        purpose: "p".to_owned(),
        login_host: "h".to_owned(),
        id_nonce: None,
        user_id: None,
        created: T0,
        expires: now,
    };
    let code = |expires| CodeRow {
        user_id: user(1),
        org_id: org(1),
        nonce_hash: [5; 32],
        expires,
    };
    let web = |n: u8, expires| WebSessionNew {
        token_hash: [n; 32],
        user_id: user(1),
        org_id: org(1),
        expires,
    };
    let later = now.plus_seconds(1);
    store.put_flow(&[1; 32], &flow).await.unwrap();
    store
        .put_flow(
            &[2; 32],
            &FlowRow {
                expires: later,
                ..flow
            },
        )
        .await
        .unwrap();
    store.put_code(&[1; 32], &code(now)).await.unwrap();
    store.put_code(&[2; 32], &code(later)).await.unwrap();
    store.put_ticket(&[1; 32], &user(1), &id, now).await.unwrap();
    store.put_ticket(&[2; 32], &user(1), &id, later).await.unwrap();
    store.create_web_session(&web(1, now), T0).await.unwrap();
    store.create_web_session(&web(2, later), T0).await.unwrap();
    store.record_trial("old", now.plus_seconds(-900)).await.unwrap();
    store.record_trial("new", now.plus_seconds(-899)).await.unwrap();

    let swept = store.sweep(&Retention::default(), now).await.unwrap();
    assert_eq!((swept.expired, swept.sessions, swept.journal), (5, 1, 3));
    assert_eq!(
        store.sweep(&Retention::default(), now).await.unwrap(),
        tandem_store::Swept::default(),
        "nothing is left to take"
    );
    assert_eq!(store.sessions(&id, 100).await.unwrap().len(), 4);
    assert!(store.take_flow(&[2; 32], now).await.unwrap().is_some());
    assert!(store.take_code(&[2; 32], &[5; 32], now).await.unwrap().is_some());
    assert!(store.take_ticket(&[2; 32], now).await.unwrap().is_some());
    assert!(store.web_session(&[2; 32], now).await.unwrap().is_some());
    assert_eq!(store.trials("new", now).await.unwrap(), 1);
    assert_eq!(store.live_links(&id).await.unwrap(), 1, "links are never swept");
}

pub(crate) async fn overview(store: Store) {
    for n in 1..=4 {
        connected(&store, n).await;
    }
    store.upsert_user(&new_user(1, 5), T0).await.unwrap();
    store.ensure_connection(&user(5), cid(5), T0).await.unwrap();
    let stop = [SyncState::Active];
    let reason = Some(StateReason::SalesforceSignInEnded);
    assert!(
        store
            .set_state(&cid(1), &stop, SyncState::Active, reason, None, T0)
            .await
            .unwrap()
    );
    assert!(
        store
            .set_state(&cid(2), &stop, SyncState::Paused, None, None, T0)
            .await
            .unwrap()
    );
    store
        .claim(&Pick::This(cid(3)), "w", new_session(), at(400), TTL)
        .await
        .unwrap()
        .unwrap();
    let overview = store.overview(at(401)).await.unwrap();
    assert_eq!((overview.overdue, overview.running, overview.users), (1, 1, 5));
    let count = |state, reason| {
        let found = overview
            .states
            .iter()
            .find(|c| (c.state, c.reason) == (state, reason));
        found.map_or(0, |c| c.connections)
    };
    assert_eq!(count(SyncState::Active, reason), 1);
    assert_eq!(count(SyncState::Active, None), 2);
    assert_eq!(count(SyncState::Paused, None), 1);
    assert_eq!(count(SyncState::NotActivated, None), 1);
    assert_eq!(
        store.overview(at(300)).await.unwrap().overdue,
        0,
        "five minutes are no delay"
    );
    assert_eq!(
        store.overview(at(461)).await.unwrap().overdue,
        2,
        "a lease that ran out runs nothing"
    );
}

pub(crate) async fn an_organisation_waits_and_lists_again(store: Store) {
    connected(&store, 1).await;
    connected(&store, 2).await;
    store.upsert_user(&new_user(2, 3), T0).await.unwrap();
    store.ensure_connection(&user(3), cid(3), T0).await.unwrap();
    store
        .activate(&cid(3), mailbox("user3@example.com"), secret("p"), T0)
        .await
        .unwrap();
    store
        .set_state(&cid(2), &[SyncState::Active], SyncState::Paused, None, None, T0)
        .await
        .unwrap();
    let seen = async |now| {
        let seen = store.overview(now).await.unwrap();
        let quota = seen.states.iter().find(|c| c.reason == Some(StateReason::Quota));
        (seen.due, seen.overdue, quota.map_or(0, |c| c.connections))
    };
    assert_eq!(seen(at(400)).await, (2, 2, 0));
    assert!(store.hold_org(&org(1), at(900)).await.unwrap());
    assert_eq!(seen(at(400)).await, (1, 1, 1), "the paused one waits for nothing");
    assert_eq!(seen(at(901)).await, (2, 2, 0));
    store.let_org_go(&org(1), at(899)).await.unwrap();
    assert_eq!(seen(at(400)).await, (1, 1, 1), "another pause was meant");
    store.let_org_go(&org(1), at(900)).await.unwrap();
    assert_eq!(seen(at(400)).await, (2, 2, 0));
    assert!(store.hold_org(&org(1), at(900)).await.unwrap());
    let standings = store.standings(Some(&org(1)), 10, at(400)).await.unwrap();
    let one = standings.iter().find(|of| of.id == cid(1)).unwrap();
    assert_eq!(one.verdict, Verdict::Waiting);
    let standings = store.standings(Some(&org(1)), 10, at(901)).await.unwrap();
    let later = standings.iter().find(|of| of.id == cid(1)).unwrap();
    assert_eq!(
        later.verdict,
        Verdict::Overdue,
        "the pause is over, and nobody came"
    );
    assert_eq!(
        (one.reason_at(at(400)), one.due_at(at(400))),
        (Some(StateReason::Quota), Some(at(900)))
    );
    let quota = tandem_store::Quota {
        used: 18,
        limit: 5000,
        at: at(7),
    };
    store.note_quota(&org(2), quota).await.unwrap();
    let quotas: Vec<_> = store
        .quotas()
        .await
        .unwrap()
        .into_iter()
        .map(|of| (of.quota, of.held))
        .collect();
    assert_eq!(quotas, [(None, Some(at(900))), (Some(quota), None)]);

    let lease = store
        .claim(&Pick::This(cid(1)), "w", new_session(), at(1), TTL)
        .await
        .unwrap()
        .unwrap();
    let commit = Commit {
        last_full: Some(at(1)),
        ..Commit::default()
    };
    store.commit(&lease, at(1), commit).await.unwrap();
    assert_eq!(store.open(&lease).await.unwrap().last_full, Some(at(1)));
    store.request_full_round(&cid(1), at(2)).await.unwrap();
    assert_eq!(
        store.open(&lease).await.unwrap().last_full,
        Some(tandem_types::Timestamp(0)),
        "due"
    );
    assert!(matches!(
        store.request_full_round(&cid(99), at(2)).await,
        Err(StoreError::NotFound("connection"))
    ));
}

pub(crate) async fn a_commit_that_fails_half_way_leaves_nothing(store: Store) {
    connected(&store, 1).await;
    let lease = store
        .claim(&Pick::Due, "w", new_session(), T0, TTL)
        .await
        .unwrap()
        .unwrap();
    let step = || Commit {
        journal: vec![entry(1)],
        issues: vec![issue(1, "a", "Ana")],
        mailbox_cursor: crate::common::cursor("m"),
        first_round_done: true,
        unclaimed: vec![(ItemKind::Event, BaseHash([1; 16]))],
        ..links(0..100)
    };
    store
        .claims(
            &lease,
            T0,
            &[Wish {
                kind: ItemKind::Event,
                hash: BaseHash([1; 16]),
                key: LinkKey("k".to_owned()),
                gone: None,
            }],
            T0,
        )
        .await
        .unwrap();
    for table in ["claims", "issues", "journal", "links"] {
        store
            .execute_raw(&format!("ALTER TABLE {table} RENAME TO away"))
            .await
            .unwrap();
        let failed = store.commit(&lease, T0, step()).await;
        assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
        store
            .execute_raw(&format!("ALTER TABLE away RENAME TO {table}"))
            .await
            .unwrap();
        assert_eq!(
            store.links(&lease, &LinkAsk::All).await.unwrap(),
            [],
            "without {table}"
        );
        let opening = store.open(&lease).await.unwrap();
        assert_eq!((opening.mailbox_cursor, opening.first_round_done), (None, false));
        assert!(
            store
                .journal_of(&lease.session)
                .await
                .unwrap()
                .unwrap()
                .1
                .is_empty()
        );
        assert_eq!(store.issues(&cid(1), 9).await.unwrap().1, 0);
    }
    store.commit(&lease, T0, step()).await.unwrap();
    assert_eq!(store.links(&lease, &LinkAsk::All).await.unwrap().len(), 100);
    assert_eq!(
        store.journal_of(&lease.session).await.unwrap().unwrap().1.len(),
        1
    );
    assert_eq!(store.sessions(&cid(1), 1).await.unwrap()[0].issues, 1);
}

pub(crate) async fn rows_that_make_no_sense_are_told(store: Store) {
    connected(&store, 1).await;
    let lease = store
        .claim(&Pick::Due, "w", new_session(), T0, TTL)
        .await
        .unwrap()
        .unwrap();
    store.commit(&lease, T0, links([1])).await.unwrap();
    for (bad, good) in [
        (
            "UPDATE links SET base = '{'",
            "UPDATE links SET base = '{\"normaliser\":0,\"mailbox\":{},\"crm\":{}}'",
        ),
        (
            "UPDATE links SET state = 'ended'",
            "UPDATE links SET state = 'live'",
        ),
        (
            "UPDATE links SET made_on = 'moon'",
            "UPDATE links SET made_on = NULL",
        ),
        (
            "UPDATE links SET traits = '{\"prefer\": \"moon\"}'",
            "UPDATE links SET traits = '{}'",
        ),
        ("UPDATE links SET kind = ''", "UPDATE links SET kind = 'contact'"),
    ] {
        store.execute_raw(bad).await.unwrap();
        corrupt(store.links(&lease, &LinkAsk::All).await);
        store.execute_raw(good).await.unwrap();
        assert_eq!(store.links(&lease, &LinkAsk::All).await.unwrap().len(), 1);
    }
    for bad in [
        "UPDATE connections SET settings = '{\"of_a_newer_version\": true}'",
        "UPDATE connections SET settings = '{}', rejections = -1",
        "UPDATE connections SET rejections = 0, state = 'dancing'",
    ] {
        store.execute_raw(bad).await.unwrap();
        corrupt(store.connection(&cid(1)).await);
        corrupt(store.open(&lease).await);
    }
    let text = store.connection(&cid(1)).await.unwrap_err().to_string();
    assert!(
        !text.contains("dancing"),
        "an error shows no stored value: {text}"
    );
}

pub(crate) async fn migrations_run_once(store: Store, other: Store) {
    assert_eq!(store.migrations().await.unwrap().pending, Vec::<String>::new());
    connected(&store, 1).await;
    let runs = (0..4).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.migrate().await })
    });
    for run in futures::future::join_all(runs).await {
        run.unwrap().unwrap();
    }
    assert!(
        store.connection(&cid(1)).await.unwrap().is_some(),
        "nothing was lost"
    );
    store.health().await.unwrap();
    let changed = "UPDATE _sqlx_migrations SET checksum = \
                   (SELECT checksum FROM _sqlx_migrations WHERE version = 2) WHERE version = 1";
    store.execute_raw(changed).await.unwrap();
    corrupt(store.migrate().await);
    // The failed run keeps no lock that would stop the next process.
    corrupt(other.migrate().await);
}

/// While replicas are replaced one after the other, the old ones go on beside the new.
pub(crate) async fn a_newer_version_may_have_been_here(store: Store) {
    connected(&store, 1).await;
    store
        .execute_raw(
            "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time) \
             SELECT 9001, 'more', installed_on, success, checksum, 0 FROM _sqlx_migrations WHERE version = 1",
        )
        .await
        .unwrap();
    store
        .execute_raw("ALTER TABLE connections ADD COLUMN more TEXT")
        .await
        .unwrap();
    store.migrate().await.unwrap();
    let migrations = store.migrations().await.unwrap();
    assert_eq!(migrations.pending, Vec::<String>::new());
    assert_eq!(migrations.newer, ["9001 more"]);
    connected(&store, 2).await;
    assert!(store.connection(&cid(2)).await.unwrap().is_some());

    store
        .execute_raw("UPDATE _sqlx_migrations SET description = 'less_needs_9000' WHERE version = 9001")
        .await
        .unwrap();
    corrupt(store.migrate().await);
    corrupt(store.migrations().await);
}

/// On PostgreSQL: SQLite tells nobody.
pub(crate) async fn what_is_due_is_announced(store: Store, other: Store) {
    let mut heard = other.announcements().await.unwrap().expect("PostgreSQL tells");
    let mut own = store.announcements().await.unwrap().expect("PostgreSQL tells");
    for _ in 0..3 {
        store.announce_due().await.unwrap();
        let patience = std::time::Duration::from_secs(20);
        tokio::time::timeout(patience, heard.next())
            .await
            .unwrap()
            .unwrap();
        tokio::time::timeout(patience, own.next()).await.unwrap().unwrap();
    }
    let more = tokio::time::timeout(std::time::Duration::from_millis(50), heard.next()).await;
    assert!(more.is_err(), "nothing more was announced");
}

pub(crate) async fn the_masters_key_is_needed(store: Store, stranger: Store) {
    connected(&store, 1).await;
    store
        .put_grant(&cid(1), Provider::Salesforce, grant(1, None), T0)
        .await
        .unwrap();
    corrupt(stranger.mailbox_secret(&cid(1)).await);
    corrupt(stranger.grant(&cid(1), Provider::Salesforce).await);
    let lease = stranger
        .claim(&Pick::Due, "w", new_session(), T0, TTL)
        .await
        .unwrap()
        .unwrap();
    corrupt(stranger.open(&lease).await);
    let step = Commit {
        issues: vec![issue(1, "a", "Ana")],
        ..links([1])
    };
    corrupt(stranger.commit(&lease, T0, step).await);
    assert_eq!(store.links(&lease, &LinkAsk::All).await.unwrap(), []);
}

pub(crate) async fn pages_and_picks(store: Store) {
    connected(&store, 1).await;
    let id = cid(1);
    let mut ran = Vec::new();
    for n in 0..7_u64 {
        // Two of them begin in the same moment.
        let now = at(i64::try_from(n / 2).unwrap());
        let lease = store
            .claim(&Pick::This(id.clone()), "w", new_session(), now, TTL)
            .await
            .unwrap()
            .unwrap();
        let events = Issue {
            key: IssueKey {
                kind: ItemKind::Event,
                side: Side::Crm,
                item: ItemId(format!("item {n}")),
                code: IssueCode::EventTooLong,
            },
            ..issue(n + 101, "", &format!("Event {n}"))
        };
        let commit = Commit {
            issues: vec![
                issue(n + 1, &format!("item {n}"), &format!("Contact {n}")),
                events,
            ],
            ..Commit::default()
        };
        store.commit(&lease, now, commit).await.unwrap();
        store.close(&lease, done(now, None)).await.unwrap();
        ran.insert(0, lease.session);
    }
    assert_eq!(store.session_count(&id).await.unwrap(), 7);
    let mut paged: Vec<_> = store.sessions(&id, 3).await.unwrap();
    while let Some(last) = paged.last() {
        let next = store.sessions_before(&id, &last.id.clone(), 3).await.unwrap();
        if next.is_empty() {
            break;
        }
        paged.extend(next);
    }
    assert_eq!(paged.iter().map(|s| s.id.clone()).collect::<Vec<_>>(), ran);
    assert_eq!(store.sessions_before(&cid(2), &ran[0], 3).await.unwrap(), []);
    let third = paged[2].started;
    let since = store.sessions_since(&id, third).await.unwrap();
    assert!(!since.is_empty() && since.iter().all(|session| session.started >= third));
    assert_eq!(since, paged[..since.len()]);
    assert_eq!(store.sessions_since(&cid(2), T0).await.unwrap(), []);
    assert_eq!(store.sessions_before(&id, &new_session(), 3).await.unwrap(), []);

    let all = IssuePick::default();
    let events = IssuePick {
        kind: Some(ItemKind::Event),
        code: None,
    };
    let nameless = IssuePick {
        kind: None,
        code: Some(IssueCode::LastNameMissing),
    };
    let neither = IssuePick {
        kind: Some(ItemKind::Event),
        code: Some(IssueCode::LastNameMissing),
    };
    let page = async |pick: &IssuePick, skip, limit| {
        let (views, total) = store.issue_page(&id, pick, skip, limit).await.unwrap();
        (views.into_iter().map(|v| v.title).collect::<Vec<_>>(), total)
    };
    assert_eq!(page(&all, 0, 100).await.0.len(), 14);
    assert_eq!(
        page(&events, 5, 4).await,
        (vec!["Event 5".to_owned(), "Event 6".to_owned()], 7)
    );
    assert_eq!(page(&nameless, 0, 1).await, (vec!["Contact 0".to_owned()], 7));
    assert_eq!(page(&neither, 0, 9).await, (Vec::new(), 0));
    assert_eq!(page(&all, 14, 9).await, (Vec::new(), 14));

    let of_item = async || {
        store
            .issues_of_item(&id, &ItemId("item 3".to_owned()))
            .await
            .unwrap()
    };
    assert_eq!(of_item().await.len(), 2);
    assert!(store.ignore_issue(&id, &issue_id(4), at(90)).await.unwrap());
    assert_eq!(store.solve_issues(&id, &events, at(91)).await.unwrap(), 7);
    assert_eq!(store.solve_issues(&id, &events, at(91)).await.unwrap(), 0);
    let left = of_item().await;
    assert_eq!(left.len(), 1);
    assert_eq!(
        (left[0].ignored, left[0].view.title.as_str(), left[0].key.side),
        (true, "Contact 3", Side::Mailbox)
    );
    assert_eq!(store.ignore_issues(&cid(2), &all, at(92)).await.unwrap(), 0);
    assert_eq!(store.ignore_issues(&id, &all, at(92)).await.unwrap(), 6);
    assert_eq!(page(&all, 0, 9).await.1, 0);

    // Those of another mailbox are not touched.
    store
        .activate(&id, mailbox("other@example.com"), secret("p"), at(95))
        .await
        .unwrap();
    assert_eq!(
        store
            .issues_of_item(&id, &ItemId("item 3".to_owned()))
            .await
            .unwrap(),
        []
    );
}

pub(crate) async fn links_are_found_without_a_lease(store: Store) {
    connected(&store, 1).await;
    let id = cid(1);
    let lease = store
        .claim(&Pick::This(id.clone()), "w", new_session(), T0, TTL)
        .await
        .unwrap()
        .unwrap();
    store.commit(&lease, T0, links(0..5)).await.unwrap();
    let stored = links(0..5).links;
    assert_eq!(store.links_of(&id, &LinkAsk::All).await.unwrap(), stored);
    let ask = LinkAsk::Of {
        mailbox: vec![stored[1].mailbox_id.clone().unwrap()],
        crm: vec![stored[2].crm_id.clone().unwrap()],
        keys: vec![stored[3].key.clone()],
    };
    assert_eq!(store.links_of(&id, &ask).await.unwrap(), stored[1..=3]);
    assert_eq!(store.links_of(&id, &LinkAsk::Pending).await.unwrap(), []);
    assert_eq!(
        store.link(&id, &stored[4].id).await.unwrap().as_ref(),
        Some(&stored[4])
    );
    assert_eq!(store.link(&cid(2), &stored[4].id).await.unwrap(), None);
    assert!(matches!(
        store.links_of(&cid(2), &LinkAsk::All).await,
        Err(StoreError::NotFound("connection"))
    ));
    // Claims too: many at once, none twice.
    let wishes: Vec<_> = (0..300_u16)
        .map(|n| {
            let [a, b] = n.to_be_bytes();
            let mut hash = [0; 16];
            hash[..2].copy_from_slice(&[a, b]);
            Wish {
                kind: ItemKind::Email,
                hash: BaseHash(hash),
                key: LinkKey(format!("k{n}")),
                gone: None,
            }
        })
        .collect();
    let made = store.claims(&lease, T0, &wishes, T0).await.unwrap();
    let keys: Vec<_> = made.iter().map(|c| c.key.clone()).collect();
    assert_eq!(keys, wishes.iter().map(|w| w.key.clone()).collect::<Vec<_>>());
    let hashes: Vec<_> = wishes.iter().rev().map(|w| (w.kind, w.hash)).collect();
    let found = store.claims_of(&org(1), &hashes).await.unwrap();
    let found: Vec<Claim> = found.into_iter().rev().map(Option::unwrap).collect();
    assert_eq!(found, made);
    assert!(store.org_key(&org(1)).await.unwrap() == store.open(&lease).await.unwrap().org_key);
    assert!(matches!(
        store.org_key(&org(7)).await,
        Err(StoreError::NotFound("organisation"))
    ));
    store
        .execute_raw("UPDATE claims SET hash = 'zz' WHERE link_key = 'k0'")
        .await
        .unwrap();
    store
        .execute_raw("UPDATE orgs SET claims_key = (SELECT journal_key FROM connections)")
        .await
        .unwrap();
    corrupt(store.org_key(&org(1)).await);
    corrupt(store.open(&lease).await);
}

pub(crate) async fn organisations_are_listed(store: Store) {
    assert_eq!(store.orgs(T0).await.unwrap(), []);
    connected(&store, 1).await;
    connected(&store, 2).await;
    let other = NewUser {
        org_name: "Äbc".to_owned(),
        ..new_user(2, 3)
    };
    store.upsert_user(&other, T0).await.unwrap();
    store.deactivate(&cid(2), T0).await.unwrap();
    let orgs = store.orgs(T0).await.unwrap();
    let told: Vec<_> = orgs
        .iter()
        .map(|o| {
            (
                o.id.clone(),
                o.name.as_str(),
                o.connections,
                o.active,
                o.stopped,
                o.deletes,
            )
        })
        .collect();
    assert_eq!(
        told,
        [(org(1), "Acme", 2, 1, None, 0), (org(2), "Äbc", 0, 0, None, 0)]
    );
    assert_eq!(store.org(&org(1), T0).await.unwrap().as_ref(), Some(&orgs[0]));
    assert_eq!(store.org(&org(9), T0).await.unwrap(), None);
}

/// `store`: empty, not migrated.
pub(crate) async fn an_older_database_is_brought_up(store: Store) {
    store.migrate_to(1).await.unwrap();
    let (c, u, o) = (cid(1), user(1), org(1));
    let whole = "{\"contacts\":\"two_way\",\"contact_scope\":\"mine\",\"contact_limit\":10000,\
         \"contact_conflicts\":\"newest\",\"contact_deleted_in_mailbox\":\"ask\",\
         \"brake\":{\"count\":25,\"percent\":20,\"hard\":200},\"interval_minutes\":30}";
    let blob = |n: u8| {
        if store.database() == "SQLite" {
            format!("X'0{n}'")
        } else {
            format!("'\\x0{n}'::bytea")
        }
    };
    store
        .execute_raw(&format!(
            "INSERT INTO orgs VALUES ('{o}', 'Acme', 'https://acme.my.salesforce.com', 1, 1)"
        ))
        .await
        .unwrap();
    for n in 1..=2_u64 {
        let (c, u) = (cid(n), user(n));
        let settings = if n == 1 {
            whole.to_owned()
        } else {
            whole.replace("10000", "17")
        };
        store
            .execute_raw(&format!(
                "INSERT INTO users VALUES ('{u}', '{o}', 'u', 'n', 'e', 1, 1)"
            ))
            .await
            .unwrap();
        store
            .execute_raw(&format!(
                "INSERT INTO connections (id, org_id, user_id, state, ask_activation, skipped, rejections, failures, \
                 settings, pair, woken, fence, first_round_done, released, journal_key, created_at, updated_at) \
                 VALUES ('{c}', '{o}', '{u}', 'active', 0, 0, 0, 0, '{settings}', 'ana@example.com', 0, 0, 1, 0, {}, \
                 77, 77)",
                blob(1)
            ))
            .await
            .unwrap();
    }
    for (n, intent) in [(1_u64, "NULL"), (2, "'crm'")] {
        store
            .execute_raw(&format!(
                "INSERT INTO links VALUES ('{c}', '{}', '{o}', '{u}', 'ana@example.com', 'contact', 'live', NULL, \
                 'k{n}', 'm{n}', NULL, 'c{n}', NULL, '{{\"normaliser\":0,\"mailbox\":{{}},\"crm\":{{}}}}', NULL, 0, \
                 {intent}, 5, 5)",
                crate::common::link_id(n)
            ))
            .await
            .unwrap();
    }
    assert_eq!(
        store.migrations().await.unwrap().pending,
        [
            "0002 activities",
            "0003 org_pass",
            "0004 microsoft",
            "0005 mail",
            "0006 orders",
            "0007 audit",
            "0008 clearing",
            "0009 shares",
            "0010 organisation",
            "0011 integrations",
        ]
    );
    let sealed = blob(9);
    store
        .execute_raw(&format!(
            "INSERT INTO grants VALUES ('{c}', '{o}', '{u}', {sealed}, 3, NULL, NULL, 5)"
        ))
        .await
        .unwrap();
    store.migrate().await.unwrap();
    assert_eq!(
        store
            .query_raw("SELECT provider || version FROM grants")
            .await
            .unwrap(),
        [Some("salesforce3".to_owned())]
    );

    let row = store.connection(&c).await.unwrap().unwrap();
    assert_eq!((row.settings, row.links), (Settings::default(), 2));
    assert_eq!(row.activated.map(|t| t.0), Some(77));
    assert_eq!(store.settings_overrides(&c).await.unwrap(), serde_json::json!({}));
    let other = store.connection(&cid(2)).await.unwrap().unwrap();
    assert_eq!(other.settings.contact_limit, 17, "what was set stays set");
    let pending = store.links_of(&c, &LinkAsk::Pending).await.unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!(
        (pending[0].key.0.as_str(), &pending[0].traits),
        ("k2", &tandem_sync::Traits::default())
    );
}

/// What breaks is told once, by one process, and again only after it was well.
pub(crate) async fn troubles_are_told_once(store: Store) {
    let day = 86_400;
    for n in 1..=4 {
        connected(&store, n).await;
    }
    let state = async |n, to, reason, now| {
        let from = [
            SyncState::Active,
            SyncState::Activating,
            SyncState::NeedsActivation,
        ];
        assert!(
            store
                .set_state(&cid(n), &from, to, reason, Some(at(now)), at(now))
                .await
                .unwrap()
        );
    };
    let ended = Some(StateReason::MicrosoftSignInEnded);
    state(1, SyncState::NeedsActivation, ended, 10).await;
    state(2, SyncState::Active, Some(StateReason::StoppedByBrake), 10).await;
    for n in [3, 4] {
        state(n, SyncState::Active, None, 10).await;
    }
    store.set_language(&user(1), "de").await.unwrap();
    let claim = async |now: i64| store.claim_mail(at(now), at(now + 60)).await.unwrap();
    assert_eq!(claim(20).await, None, "nothing is noted yet");
    store.note_troubles(at(20)).await.unwrap();
    store.note_troubles(at(21)).await.unwrap();
    let first = claim(22).await.unwrap();
    let second = claim(22).await.unwrap();
    assert_eq!(claim(22).await, None, "both are taken");
    assert_eq!(
        (first.connection.clone(), first.trouble, first.since, first.tries),
        (cid(1), Trouble::NeedsSignIn, at(20), 1)
    );
    assert_eq!((first.reason, first.language.as_deref()), (ended, Some("de")));
    assert_eq!(first.to, new_user(1, 1).email);
    assert_eq!(
        (second.connection.clone(), second.trouble),
        (cid(2), Trouble::Brake)
    );
    assert_eq!(second.language, None);
    store.mail_sent(&first, at(23)).await.unwrap();
    store.mail_failed(&second, Some(at(300))).await.unwrap();
    assert_eq!(claim(100).await, None, "not before its time");
    let again = claim(300).await.unwrap();
    assert_eq!((again.trouble, again.tries), (Trouble::Brake, 2));
    // Whoever took it died: the next one takes it when its time is over.
    assert_eq!(claim(359).await, None);
    assert_eq!(claim(360).await.unwrap().tries, 3);
    store.mail_failed(&second, None).await.unwrap();
    assert_eq!(claim(day).await, None, "given up");

    // Of those that run: only who fails, and only after a day.
    let failed = async |n, now| {
        let lease = store
            .claim(&Pick::This(cid(n)), "w", new_session(), at(now), TTL)
            .await
            .unwrap()
            .unwrap();
        let mut closing = done(at(now), None);
        closing.outcome = SessionOutcome::Failed;
        closing.failures = 3;
        store.close(&lease, closing).await.unwrap();
    };
    failed(3, day - 10).await;
    store.note_troubles(at(day - 5)).await.unwrap();
    assert_eq!(claim(day).await, None);
    failed(3, 2 * day).await;
    store.note_troubles(at(2 * day)).await.unwrap();
    let failing = claim(2 * day).await.unwrap();
    assert_eq!(
        (failing.connection.clone(), failing.trouble),
        (cid(3), Trouble::Failing)
    );
    store.mail_sent(&failing, at(2 * day)).await.unwrap();

    // Signed in again, and broken before anything went well: it was told.
    state(1, SyncState::Active, None, 2 * day).await;
    store.note_troubles(at(2 * day)).await.unwrap();
    state(1, SyncState::NeedsActivation, ended, 2 * day).await;
    store.note_troubles(at(2 * day)).await.unwrap();
    assert_eq!(claim(2 * day + 1).await, None);
    // Well, and broken again: told again.
    state(1, SyncState::Active, None, 2 * day + 2).await;
    let lease = store
        .claim(&Pick::This(cid(1)), "w", new_session(), at(2 * day + 2), TTL)
        .await
        .unwrap()
        .unwrap();
    store.close(&lease, done(at(2 * day + 3), None)).await.unwrap();
    store.note_troubles(at(2 * day + 4)).await.unwrap();
    state(1, SyncState::NeedsActivation, ended, 2 * day + 5).await;
    store.note_troubles(at(2 * day + 6)).await.unwrap();
    assert_eq!(claim(2 * day + 7).await.unwrap().since, at(2 * day + 6));
    // Over before it was told: nobody is told of it.
    state(4, SyncState::NeedsActivation, ended, 2 * day + 8).await;
    store.note_troubles(at(2 * day + 9)).await.unwrap();
    state(4, SyncState::Active, None, 2 * day + 10).await;
    assert_eq!(claim(2 * day + 11).await, None);
    store.deactivate(&cid(4), at(2 * day + 12)).await.unwrap();
    store.note_troubles(at(2 * day + 13)).await.unwrap();
}

fn microsoft(n: u64) -> GrantSecret {
    GrantSecret {
        instance_url: String::new(),
        owner: "a tenant/a user".to_owned(),
        expires: Some(at(3600)),
        ..grant(n, None)
    }
}

fn in_the_cloud(address: &str) -> MailboxAccount {
    MailboxAccount {
        server: MailboxServer::Office365,
        host: "graph.microsoft.com".to_owned(),
        ..mailbox(address)
    }
}

pub(crate) async fn two_providers_grant(store: Store) {
    connected(&store, 1).await;
    let id = cid(1);
    let (crm, cloud) = (Provider::Salesforce, Provider::Microsoft);
    store.put_grant(&id, crm, grant(1, None), T0).await.unwrap();
    let address = "user1@example.com";
    let connect = store.activate(&id, in_the_cloud(address), microsoft(2), at(1));
    connect.await.unwrap();
    // The password that is no longer needed is not kept.
    assert!(store.mailbox_secret(&id).await.unwrap().is_none());
    let (read, version) = store.grant(&id, cloud).await.unwrap().unwrap();
    assert_eq!((access(&read), version), ("access-token-2", 1));
    assert_eq!(read.expires, Some(at(3600)));
    let (other, _) = store.grant(&id, crm).await.unwrap().unwrap();
    assert_eq!((access(&other), other.expires), ("access-token-1", None));

    // One refresh at a time, of each.
    let mine = |turn: RefreshTurn| matches!(turn, RefreshTurn::Mine);
    for provider in [crm, cloud] {
        let turn = store.begin_refresh(&id, provider, 1, "a", at(2), TTL).await;
        assert!(mine(turn.unwrap()));
        let turn = store.begin_refresh(&id, provider, 1, "b", at(2), TTL).await;
        assert!(!mine(turn.unwrap()), "{provider:?}");
    }
    let done = store.finish_refresh(&id, cloud, "a", microsoft(3), at(3)).await;
    assert_eq!(done.unwrap(), 2);
    let (other, version) = store.grant(&id, crm).await.unwrap().unwrap();
    assert_eq!((access(&other), version), ("access-token-1", 1));
    store.abandon_refresh(&id, crm, "a").await.unwrap();

    // What the next sign-in must bring along is forgotten with it.
    assert_eq!(store.demand(&id, cloud).await.unwrap(), None);
    store.set_demand(&id, cloud, "{\"a\":1}").await.unwrap();
    assert_eq!(
        store.demand(&id, cloud).await.unwrap().as_deref(),
        Some("{\"a\":1}")
    );
    assert_eq!(store.demand(&id, crm).await.unwrap(), None);
    let again = store.activate(&id, in_the_cloud(address), microsoft(4), at(4));
    again.await.unwrap();
    assert_eq!(store.demand(&id, cloud).await.unwrap(), None);

    // A sealed grant of one does not open as the other's.
    store
        .execute_raw("DELETE FROM grants WHERE provider = 'salesforce'")
        .await
        .unwrap();
    store
        .execute_raw("UPDATE grants SET provider = 'salesforce'")
        .await
        .unwrap();
    corrupt(store.grant(&id, crm).await);
    store
        .execute_raw("UPDATE grants SET provider = 'microsoft'")
        .await
        .unwrap();
    assert!(store.grant(&id, cloud).await.unwrap().is_some());

    // Back to a password: the grant is not kept.
    let back = store.activate(&id, mailbox(address), secret("new"), at(5));
    back.await.unwrap();
    assert!(store.grant(&id, cloud).await.unwrap().is_none());
    assert!(store.mailbox_secret(&id).await.unwrap().is_some());
}

pub(crate) async fn idle_grants_are_found(store: Store) {
    for n in 1..=4 {
        connected(&store, n).await;
        let now = at(i64::try_from(n).unwrap() * 10);
        store
            .put_grant(&cid(n), Provider::Salesforce, grant(n, None), now)
            .await
            .unwrap();
    }
    store
        .activate(&cid(2), in_the_cloud("user2@example.com"), microsoft(9), at(5))
        .await
        .unwrap();
    let ended = Some(StateReason::SalesforceSignInEnded);
    let active = [SyncState::Active];
    store
        .set_state(&cid(1), &active, SyncState::NeedsActivation, ended, None, T0)
        .await
        .unwrap();
    store
        .set_state(&cid(3), &active, SyncState::Paused, None, None, T0)
        .await
        .unwrap();
    let found = store.idle_grants(at(40), 10).await.unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|idle| (&idle.connection, idle.provider, idle.version))
        .collect();
    // The first is over, as is known; the fourth is young.
    assert_eq!(
        found,
        [
            (&cid(2), Provider::Microsoft, 1),
            (&cid(2), Provider::Salesforce, 1),
            (&cid(3), Provider::Salesforce, 1)
        ]
    );
    assert_eq!(store.idle_grants(at(40), 1).await.unwrap().len(), 1);
}

pub(crate) async fn a_sign_in_waits_for_its_pane(store: Store) {
    let waiting = WaitingSignIn {
        grant: microsoft(1),
        address: "Ana@example.com".to_owned(),
        addresses: vec!["ana@example.com".to_owned(), "a@example.com".to_owned()],
        session: Some([3; 32]),
    };
    let (nonce, code, digits) = ([1; 32], [2; 32], [4; 32]);
    let put = |until: i64| {
        let (store, waiting) = (store.clone(), waiting.clone());
        async move {
            let (code, digits) = ((&code, at(until)), (&digits, at(until * 2)));
            store
                .put_sign_in(&nonce, code, digits, &waiting, T0)
                .await
                .unwrap();
        }
    };
    put(60).await;
    let sealed = store
        .query_raw(if store.database() == "SQLite" {
            "SELECT hex(sealed) FROM sign_ins"
        } else {
            "SELECT encode(sealed, 'escape') FROM sign_ins"
        })
        .await
        .unwrap();
    assert!(!sealed[0].as_deref().unwrap().contains("token"));
    for (nonce, code) in [([9; 32], code), (nonce, [9; 32]), (code, nonce)] {
        assert!(store.take_sign_in(&nonce, &code, T0).await.unwrap().is_none());
    }
    let takes = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.take_sign_in(&nonce, &code, at(59)).await.unwrap() })
    });
    let taken: Vec<_> = futures::future::join_all(takes)
        .await
        .into_iter()
        .filter_map(Result::unwrap)
        .collect();
    assert_eq!(taken.len(), 1, "once");
    assert_eq!(access(&taken[0].grant), "access-token-1");
    assert_eq!(taken[0].addresses, waiting.addresses);
    assert_eq!(taken[0].grant.owner, "a tenant/a user");
    assert_eq!(
        (taken[0].session, taken[0].grant.expires),
        (Some([3; 32]), Some(at(3600)))
    );
    assert!(!format!("{:?}", taken[0]).contains("token"));

    // Typing takes longer than a message.
    put(60).await;
    assert!(store.take_sign_in(&nonce, &code, at(60)).await.unwrap().is_none());
    assert!(
        store
            .take_sign_in(&nonce, &digits, at(119))
            .await
            .unwrap()
            .is_some()
    );
    put(60).await;
    assert!(
        store
            .take_sign_in(&nonce, &digits, at(120))
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(
        store.sweep(&Retention::default(), at(120)).await.unwrap().expired,
        1
    );
    // The later one is meant.
    put(10).await;
    put(60).await;
    assert!(store.take_sign_in(&nonce, &code, at(20)).await.unwrap().is_some());
}

/// A lease on connection `n`.
async fn leased(store: &Store, n: u64, now: tandem_types::Timestamp) -> tandem_sync::ports::Lease {
    store
        .claim(&Pick::This(cid(n)), "w", new_session(), now, TTL)
        .await
        .unwrap()
        .unwrap()
}

pub(crate) async fn a_mailbox_moves_to_another_server(store: Store) {
    connected(&store, 1).await;
    let id = cid(1);
    let lease = leased(&store, 1, T0).await;
    let step = Commit {
        mailbox_cursor: cursor("ews"),
        crm_cursor: cursor("crm"),
        last_full: Some(T0),
        first_round_done: true,
        ..links([1, 2])
    };
    store.commit(&lease, T0, step).await.unwrap();
    store.close(&lease, done(at(1), Some(at(9)))).await.unwrap();
    let address = "User1@Example.com";

    // The same kind again: nothing begins anew.
    let same = store.activate(&id, mailbox(address), secret("new"), at(2));
    same.await.unwrap();
    let lease = leased(&store, 1, at(3)).await;
    let opening = store.open(&lease).await.unwrap();
    assert_eq!(
        (opening.mailbox_cursor, opening.last_full),
        (cursor("ews"), Some(T0))
    );
    assert!(
        store
            .links(&lease, &LinkAsk::All)
            .await
            .unwrap()
            .iter()
            .all(|l| !l.traits.keyless)
    );

    let cloud = store.activate(&id, in_the_cloud(address), microsoft(1), at(4));
    cloud.await.unwrap();
    let lease = leased(&store, 1, at(5)).await;
    let opening = store.open(&lease).await.unwrap();
    // Both sides are listed in full; no delete follows from what is not found; the first round is through.
    assert_eq!(opening.mailbox_cursor, None);
    assert_eq!(opening.crm_cursor, cursor("crm"));
    assert_eq!(opening.last_full, Some(tandem_types::Timestamp(0)));
    assert!(opening.first_round_done);
    assert_eq!(opening.live_links, 2);
    let found = store.links(&lease, &LinkAsk::All).await.unwrap();
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|link| link.traits.keyless));
    assert_eq!(found[0].mailbox_id, crate::common::link(1).mailbox_id);
    assert_eq!(found[0].traits.claim, crate::common::link(1).traits.claim);

    // Found again, and known by its key.
    let step = Commit {
        mailbox_cursor: cursor("graph"),
        ..links([1, 2])
    };
    store.commit(&lease, at(5), step).await.unwrap();
    store.close(&lease, done(at(6), Some(at(9)))).await.unwrap();
    let keyless = async |store: &Store| {
        let links = store.links_of(&cid(1), &LinkAsk::All).await.unwrap();
        links.iter().filter(|link| link.traits.keyless).count()
    };
    // Another mailbox meanwhile, on Exchange: this one's ids are still those of Office 365.
    let other = store.activate(&id, mailbox("other@example.com"), secret("x"), at(7));
    other.await.unwrap();
    let back = store.activate(&id, in_the_cloud(address), microsoft(2), at(8));
    back.await.unwrap();
    assert_eq!(keyless(&store).await, 0);
    let home = store.activate(&id, mailbox(address), secret("y"), at(9));
    home.await.unwrap();
    assert_eq!(keyless(&store).await, 2);
}

pub(crate) async fn a_mailbox_changes_its_salesforce_user(store: Store) {
    connected(&store, 1).await;
    let (one, two) = (cid(1), cid(2));
    store.upsert_user(&new_user(1, 2), T0).await.unwrap();
    store.ensure_connection(&user(2), cid(2), T0).await.unwrap();
    store
        .put_grant(&two, Provider::Salesforce, grant(2, None), T0)
        .await
        .unwrap();
    let lease = leased(&store, 1, T0).await;
    store.commit(&lease, T0, links([1])).await.unwrap();

    let moved = store.move_mailbox(&one, &two, at(1)).await.unwrap().unwrap();
    assert_eq!(moved.address, "user1@example.com");
    let left = store.connection(&one).await.unwrap().unwrap();
    assert_eq!((left.state, left.mailbox), (SyncState::Deactivated, None));
    assert!(store.mailbox_secret(&one).await.unwrap().is_none());
    let row = store.connection(&two).await.unwrap().unwrap();
    assert_eq!((row.state, row.links), (SyncState::Active, 0), "links stay apart");
    let read = store.mailbox_secret(&two).await.unwrap().unwrap();
    assert_eq!(read.password.expose_secret(), "password 1");
    let stale = store.commit(&lease, at(1), links([2])).await;
    assert!(matches!(stale, Err(StoreError::LeaseLost)), "{stale:?}");

    // And back, from Office 365: the old links are there again.
    let cloud = store.activate(&two, in_the_cloud("user1@example.com"), microsoft(3), at(2));
    cloud.await.unwrap();
    store.move_mailbox(&two, &one, at(3)).await.unwrap().unwrap();
    let row = store.connection(&one).await.unwrap().unwrap();
    assert_eq!((row.state, row.links), (SyncState::Active, 1));
    let (grant, _) = store.grant(&one, Provider::Microsoft).await.unwrap().unwrap();
    assert_eq!(access(&grant), "access-token-3");
    assert!(store.grant(&two, Provider::Salesforce).await.unwrap().is_none());

    assert_eq!(store.move_mailbox(&two, &one, at(4)).await.unwrap(), None);
    connected(&store, 2).await;
    let taken = store.move_mailbox(&one, &two, at(5)).await;
    assert!(matches!(taken, Err(StoreError::Taken(_))), "{taken:?}");
    let row = store.connection(&one).await.unwrap().unwrap();
    assert_eq!(row.state, SyncState::Active, "nothing was done");
}

pub(crate) async fn an_order_is_kept_for_a_week(store: Store) {
    connected(&store, 1).await;
    let id = cid(1);
    let item = ItemId("item 1".to_owned());
    store
        .put_order(&id, &item, &Order::default(), at(6))
        .await
        .unwrap();
    store.sweep(&Retention::default(), at(6 * 86_400)).await.unwrap();
    assert_eq!(store.orders(&id).await.unwrap().len(), 1);
    store.sweep(&Retention::default(), at(8 * 86_400)).await.unwrap();
    assert_eq!(store.orders(&id).await.unwrap(), []);
}

pub(crate) async fn a_mailbox_is_cleared_before_the_end(store: Store) {
    connected(&store, 1).await;
    let row = async || store.connection(&cid(1)).await.unwrap().unwrap();
    let listed = async |at| {
        let lease = store
            .claim(&Pick::This(cid(1)), "w", new_session(), at, TTL)
            .await
            .unwrap()
            .unwrap();
        let commit = Commit {
            last_full: Some(at),
            first_round_done: true,
            ..Commit::default()
        };
        store.commit(&lease, at, commit).await.unwrap();
        store.close(&lease, done(at, None)).await.unwrap();
    };
    listed(at(1)).await;
    assert!(
        !store.end_clearing(&cid(1), at(2)).await.unwrap(),
        "nothing to take back"
    );
    store
        .set_state(
            &cid(1),
            &[SyncState::Active],
            SyncState::Paused,
            None,
            None,
            at(2),
        )
        .await
        .unwrap();
    assert!(store.ask_clearing(&cid(1), at(3)).await.unwrap());
    let now = row().await;
    assert_eq!(
        (now.clearing, now.state, now.next_due),
        (true, SyncState::Active, Some(at(3))),
        "a pause does not hold it up"
    );
    assert!(
        store
            .claim(&Pick::Due, "w", new_session(), at(3), TTL)
            .await
            .unwrap()
            .is_some()
    );
    // What was taken out meanwhile comes back at once, not with the next daily look at everything.
    assert!(store.end_clearing(&cid(1), at(4)).await.unwrap());
    let again = async |at| {
        let lease = store
            .claim(&Pick::This(cid(1)), "w", new_session(), at, TTL)
            .await
            .unwrap()
            .unwrap();
        let opening = store.open(&lease).await.unwrap();
        store.close(&lease, done(at, None)).await.unwrap();
        opening.last_full
    };
    let far = at(10_000);
    assert!(!row().await.clearing);
    assert_eq!(again(far).await, Some(Timestamp(0)));
    // And so it does with a later activation.
    listed(far).await;
    assert!(store.ask_clearing(&cid(1), far).await.unwrap());
    store.deactivate(&cid(1), far).await.unwrap();
    assert!(!row().await.clearing);
    assert!(
        !store.ask_clearing(&cid(1), far).await.unwrap(),
        "nothing could do it"
    );
    store
        .activate(&cid(1), mailbox("user1@example.com"), secret("new"), far)
        .await
        .unwrap();
    assert_eq!(again(far).await, Some(Timestamp(0)));
    // Without it nothing is looked through for nothing.
    listed(far).await;
    store.deactivate(&cid(1), far).await.unwrap();
    store
        .activate(&cid(1), mailbox("user1@example.com"), secret("new"), far)
        .await
        .unwrap();
    assert_eq!(again(far).await, Some(far));
}

pub(crate) async fn one_user_is_handed_out_and_erased(store: Store) {
    for n in [1, 2] {
        connected(&store, n).await;
        let session = WebSessionNew {
            token_hash: [u8::try_from(n).unwrap(); 32],
            user_id: user(n),
            org_id: org(1),
            expires: at(9_000),
        };
        store.create_web_session(&session, T0).await.unwrap();
        store
            .put_grant(&cid(n), Provider::Salesforce, grant(n, None), T0)
            .await
            .unwrap();
        let order = Order::default();
        store
            .put_order(&cid(n), &ItemId("m9".to_owned()), &order, T0)
            .await
            .unwrap();
        let lease = store
            .claim(&Pick::This(cid(n)), "w", new_session(), at(1), TTL)
            .await
            .unwrap()
            .unwrap();
        let commit = Commit {
            journal: vec![entry(1)],
            issues: vec![issue(n, "a", "Ana Ruiz")],
            ..links(1..=2)
        };
        store.commit(&lease, at(1), commit).await.unwrap();
        store.close(&lease, done(at(2), Some(at(100)))).await.unwrap();
        store
            .audit(&org(1), &user(n), "activated", "", at(3))
            .await
            .unwrap();
    }
    assert_eq!(store.export_user(&user(9)).await.unwrap(), None);
    let all = store.export_user(&user(1)).await.unwrap().unwrap();
    assert_eq!(all["user"]["username"], "user1@example.com");
    assert_eq!(all["issues"][0]["title"], "Ana Ruiz");
    assert_eq!(all["links"].as_array().unwrap().len(), 2);
    assert_eq!(all["sessions"][0]["changes"].as_array().unwrap().len(), 1);
    assert_eq!(all["orders"][0]["item"], "m9");
    assert_eq!(all["audit"][0]["action"], "activated");
    assert_eq!(all["signed_in"].as_array().unwrap().len(), 1);
    assert_eq!(all["connection"]["stored"]["mailbox_login"], true);
    let text = all.to_string();
    for secret in ["password 1", "access-token-1", "refresh"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }

    assert!(
        matches!(
            store.erase_user(&user(1), at(4)).await,
            Err(StoreError::Taken("connection"))
        ),
        "not under a running sync"
    );
    assert!(matches!(
        store.erase_user(&user(9), at(4)).await,
        Err(StoreError::NotFound("user"))
    ));
    assert_eq!(
        store.export_user(&user(1)).await.unwrap().unwrap(),
        all,
        "nothing was half done"
    );
    store.deactivate(&cid(1), at(5)).await.unwrap();
    store.erase_user(&user(1), at(6)).await.unwrap();
    let left = store.export_user(&user(1)).await.unwrap().unwrap();
    for empty in ["issues", "links", "sessions", "orders", "signed_in"] {
        assert_eq!(left[empty], serde_json::json!([]), "{empty}");
    }
    assert_eq!(left["audit"], all["audit"], "whose chain would break");
    let text = left.to_string();
    for gone in ["user1@", "Ana", "example.com"] {
        assert!(!text.contains(gone), "{gone}: {text}");
    }
    let other = store.export_user(&user(2)).await.unwrap().unwrap();
    assert_eq!(other["issues"][0]["title"], "Ana Ruiz");
    assert_eq!(other["links"].as_array().unwrap().len(), 2);
    // He may come back, as somebody new.
    connected(&store, 1).await;
    assert_eq!(store.connection(&cid(1)).await.unwrap().unwrap().links, 0);
}

pub(crate) async fn an_administrator_who_is_erased_leaves_nothing_that_names_him(store: Store) {
    use tandem_store::{IntegrationNew, OrgRunRow, StandingPick};
    use tandem_types::{OrgAct, OrgFault, OrgRunState};
    for n in [1, 2, 3] {
        store.upsert_user(&new_user(1, n), T0).await.unwrap();
        store.set_admin_right(&user(n), true, T0).await.unwrap();
    }
    let order = |by: u64| OrgRunRow {
        id: new_session(),
        org_id: org(1),
        user_id: user(by),
        name: String::new(),
        act: OrgAct::Pause,
        target: StandingPick::default(),
        after: None,
        state: OrgRunState::Running,
        turn: 1,
        total: 3,
        done: 0,
        passed: 0,
        failed: 0,
        faults: Vec::new(),
        started: T0,
        updated: T0,
    };
    let integration = |of: u64, by: u64| IntegrationNew {
        org: org(1),
        user: user(of),
        username: format!("user{of}@example.com"),
        by: user(by),
    };
    let left = async || {
        let mut text = String::new();
        for (table, columns) in [
            (
                "org_runs",
                "user_id || ' ' || COALESCE(after_user, '') || target || faults",
            ),
            ("orgs", "COALESCE(support_by, '')"),
            (
                "integrations",
                "user_id || ' ' || connected_by || ' ' || username",
            ),
            (
                "users",
                "username || name || email || administers || COALESCE(asked_at, 0) || ' '",
            ),
        ] {
            let rows = store
                .query_raw(&format!("SELECT {columns} AS r FROM {table}"))
                .await
                .unwrap();
            text.extend(rows.into_iter().flatten());
        }
        text
    };
    store
        .set_support_access(&org(1), Some(&user(1)), at(1))
        .await
        .unwrap();
    store
        .put_integration(&integration(3, 1), &grant(1, None), T0)
        .await
        .unwrap();
    assert!(store.begin_org_run(&order(1), at(1)).await.unwrap());
    store.erase_user(&user(1), at(2)).await.unwrap();
    assert!(!left().await.contains(user(1).as_str()), "{}", left().await);
    assert_eq!(store.admin_right(&user(1)).await.unwrap(), None);
    // What he allowed and connected for all stays as it was, by nobody.
    let support = store.support_access(&org(1)).await.unwrap().unwrap();
    assert_eq!(
        (support.by, support.name.as_str(), support.since),
        (None, "", at(1))
    );
    let row = store.integration(&org(1)).await.unwrap().unwrap();
    assert_eq!((row.user, row.by, row.by_name.as_str()), (user(3), None, ""));

    // An order of somebody else that names him, in any place; one that does not stays.
    let mut named = [order(2), order(2), order(2), order(2)];
    named[0].target.users = vec![user(2), user(3)];
    named[1].after = Some(user(3));
    named[2].faults = vec![("Ana Müller 李".to_owned(), OrgFault::Failed)];
    for (n, order) in (10..).zip(&named) {
        store.upsert_user(&new_user(1, 3), T0).await.unwrap();
        assert!(store.begin_org_run(order, at(n * 1_000)).await.unwrap(), "{n}");
        assert!(store.note_org_run(order, at(n * 1_000)).await.unwrap(), "{n}");
        store.erase_user(&user(3), at(n * 1_000 + 1)).await.unwrap();
        let stays = store.org_run(&org(1), at(n * 1_000 + 2)).await.unwrap().is_some();
        assert_eq!(stays, n == 13, "{n}");
        assert!(!left().await.contains(user(3).as_str()), "{n}: {}", left().await);
    }
    // And the grant by which he told for all.
    assert_eq!(store.integration(&org(1)).await.unwrap(), None);
    assert!(left().await.contains(user(2).as_str()), "somebody else's is told");
}

pub(crate) async fn who_has_left_is_deactivated(store: Store) {
    let day = 86_400;
    for n in [1, 2, 3] {
        connected(&store, n).await;
        store
            .put_grant(&cid(n), Provider::Salesforce, grant(n, None), T0)
            .await
            .unwrap();
        let lease = store
            .claim(&Pick::This(cid(n)), "w", new_session(), at(1), TTL)
            .await
            .unwrap()
            .unwrap();
        store.commit(&lease, at(1), links(1..=2)).await.unwrap();
        let mut closing = done(at(2), None);
        if n != 2 {
            // The second one goes on, however long nothing is to be done.
            closing.state = SyncState::NeedsActivation;
            closing.reason = Some(StateReason::SalesforceSignInEnded);
        }
        store.close(&lease, closing).await.unwrap();
    }
    let keep = Retention::default();
    assert_eq!(store.sweep(&keep, at(30 * day)).await.unwrap().left, 0, "not yet");
    // The third one has come back.
    store
        .activate(&cid(3), mailbox("user3@example.com"), secret("new"), at(30 * day))
        .await
        .unwrap();
    assert_eq!(store.sweep(&keep, at(30 * day + 3)).await.unwrap().left, 1);
    let state = async |n| store.connection(&cid(n)).await.unwrap().unwrap().state;
    assert_eq!(
        (state(1).await, state(2).await, state(3).await),
        (SyncState::Deactivated, SyncState::Active, SyncState::Active)
    );
    assert!(store.mailbox_secret(&cid(1)).await.unwrap().is_none());
    assert!(
        store
            .grant(&cid(1), Provider::Salesforce)
            .await
            .unwrap()
            .is_none()
    );
    assert!(store.mailbox_secret(&cid(2)).await.unwrap().is_some());
    assert_eq!(store.sweep(&keep, at(30 * day + 4)).await.unwrap().left, 0);
    // Back after all, the pairs are found.
    store
        .activate(&cid(1), mailbox("user1@example.com"), secret("new"), at(31 * day))
        .await
        .unwrap();
    assert_eq!(store.connection(&cid(1)).await.unwrap().unwrap().links, 2);
}

pub(crate) async fn each_connection_has_one_verdict(store: Store) {
    use tandem_types::Verdict::{Failing, Off, Overdue, Stopped, Syncing, Waiting};
    use tandem_types::{StateReason as Why, SyncState as State};
    // What is due at 60 is overdue from 361 on.
    let (now, due) = (at(361), at(60));
    let cases = [
        (State::NotActivated, None, Off),
        (State::Deactivated, None, Off),
        (State::Paused, None, Off),
        (State::Active, None, Overdue),
        (State::Active, Some(Why::MailServerRefused), Failing),
        (State::NeedsActivation, Some(Why::MailServerRefused), Stopped),
        (State::NeedsActivation, None, Stopped),
        (State::Active, Some(Why::SalesforceSignInEnded), Stopped),
        (State::Active, Some(Why::MicrosoftSignInEnded), Stopped),
        (State::Active, Some(Why::StoppedByBrake), Stopped),
        (State::Active, Some(Why::OrgBrake), Stopped),
        (State::Activating, Some(Why::WaitingForPreview), Waiting),
        (State::Active, Some(Why::Quota), Waiting),
        (State::Paused, Some(Why::OrgBrake), Stopped),
    ];
    for (n, (state, reason, _)) in (1..).zip(cases) {
        connected(&store, n).await;
        let active = [SyncState::Active];
        let id = cid(n);
        let moved = store.set_state(&id, &active, state, reason, Some(due), T0);
        assert!(moved.await.unwrap());
    }
    let of =
        |n: u64, rows: &[tandem_store::Standing]| rows.iter().find(|row| row.id == cid(n)).unwrap().verdict;
    let rows = store.standings(None, 100, now).await.unwrap();
    for (n, (state, reason, verdict)) in (1..).zip(cases) {
        assert_eq!(of(n, &rows), verdict, "{state:?} {reason:?}");
    }
    // Five minutes are no delay, and one that runs is not late.
    let early = store.standings(Some(&org(1)), 100, at(360)).await.unwrap();
    assert_eq!(of(4, &early), Syncing);
    let pick = Pick::This(cid(4));
    let lease = store
        .claim(&pick, "w", new_session(), now, TTL)
        .await
        .unwrap()
        .unwrap();
    let rows = store.standings(Some(&org(1)), 100, now).await.unwrap();
    assert_eq!(of(4, &rows), Syncing);
    let mut closing = done(now, Some(at(1_000)));
    closing.outcome = SessionOutcome::Failed;
    closing.failures = 2;
    store.close(&lease, closing).await.unwrap();
    let rows = store.standings(Some(&org(1)), 100, now).await.unwrap();
    assert_eq!(of(4, &rows), Failing);
    assert!(store.standings(Some(&org(2)), 100, now).await.unwrap().is_empty());

    // The counts are those of the rows, and so is each page.
    let all = tandem_store::StandingPick::default();
    let counts = store.standing_counts(&org(1), &all, now).await.unwrap();
    assert!(
        counts.is_sorted_by_key(|count| count.verdict),
        "the worst first: {counts:?}"
    );
    for verdict in tandem_types::Verdict::ALL {
        let counted: u32 = counts
            .iter()
            .filter(|c| c.verdict == verdict)
            .map(|c| c.users)
            .sum();
        let expected = rows.iter().filter(|row| row.verdict == verdict).count();
        let pick = tandem_store::StandingPick {
            verdict: Some(verdict),
            ..all.clone()
        };
        let mut listed: Vec<tandem_store::Standing> = Vec::new();
        loop {
            let after = listed.last().map(|row| row.user_id.clone());
            let page = store
                .standing_page(&org(1), &pick, after.as_ref(), 2, now)
                .await
                .unwrap();
            if page.is_empty() {
                break;
            }
            listed.extend(page);
        }
        assert_eq!(
            (listed.len(), usize::try_from(counted).unwrap()),
            (expected, expected),
            "{verdict:?}"
        );
        assert!(
            listed.iter().all(|row| row.verdict == verdict)
                && listed.is_sorted_by_key(|row| row.username.clone())
        );
    }
    let other = store.standing_page(&org(2), &all, None, 10, now).await.unwrap();
    assert!(
        other.is_empty()
            && store
                .standing_counts(&org(2), &all, now)
                .await
                .unwrap()
                .is_empty()
    );
    let named = tandem_store::StandingPick {
        users: vec![user(2), user(3), user(99)],
        ..all
    };
    assert_eq!(
        store
            .standing_page(&org(1), &named, None, 10, now)
            .await
            .unwrap()
            .len(),
        2
    );
}

pub(crate) async fn administrators_order_one_thing_at_a_time(store: Store) {
    use tandem_types::{OrgAct, OrgFault, OrgRunState};
    store.upsert_user(&new_user(1, 1), T0).await.unwrap();
    store.upsert_user(&new_user(2, 2), T0).await.unwrap();
    assert_eq!(store.admin_right(&user(1)).await.unwrap(), None);
    store.set_admin_right(&user(1), true, at(5)).await.unwrap();
    let right = store.admin_right(&user(1)).await.unwrap().unwrap();
    assert_eq!((right.administers, right.asked), (true, at(5)));
    // A sign-in says nothing of it.
    store.upsert_user(&new_user(1, 1), at(6)).await.unwrap();
    assert!(store.admin_right(&user(1)).await.unwrap().is_some());

    assert_eq!(store.support_access(&org(1)).await.unwrap(), None);
    assert!(
        store
            .set_support_access(&org(1), Some(&user(1)), at(7))
            .await
            .unwrap()
    );
    assert!(
        !store
            .set_support_access(&org(1), Some(&user(1)), at(8))
            .await
            .unwrap()
    );
    let support = store.support_access(&org(1)).await.unwrap().unwrap();
    assert_eq!((support.by, support.since), (Some(user(1)), at(7)));
    assert_eq!(store.support_access(&org(2)).await.unwrap(), None);
    assert!(store.set_support_access(&org(1), None, at(9)).await.unwrap());
    assert_eq!(store.support_access(&org(1)).await.unwrap(), None);

    let run = |id: char, of: u64| tandem_store::OrgRunRow {
        id: id.to_string().repeat(32).parse().unwrap(),
        org_id: org(of),
        user_id: user(of),
        name: String::new(),
        act: OrgAct::Pause,
        target: tandem_store::StandingPick {
            users: vec![user(1)],
            ..Default::default()
        },
        after: None,
        state: OrgRunState::Running,
        turn: 1,
        total: 3,
        done: 0,
        passed: 0,
        failed: 0,
        faults: Vec::new(),
        started: T0,
        updated: T0,
    };
    let mut first = run('a', 1);
    // Of several at once, one begins; another organisation's is its own.
    let begun = (0..6).map(|n| {
        let (store, run) = (store.clone(), run(['a', 'b', 'c', 'd', 'e', 'f'][n], 1));
        async move { store.begin_org_run(&run, T0).await.unwrap() }
    });
    let begun: Vec<bool> = futures::future::join_all(begun).await;
    assert_eq!(begun.iter().filter(|begun| **begun).count(), 1);
    assert!(store.begin_org_run(&run('9', 2), T0).await.unwrap());
    first.id = store.org_run(&org(1), T0).await.unwrap().unwrap().id;
    first.after = Some(user(1));
    first.failed = 1;
    first.faults = vec![("Ö".to_owned(), OrgFault::Refused)];
    assert!(store.note_org_run(&first, at(10)).await.unwrap());
    let stored = store.org_run(&org(1), at(11)).await.unwrap().unwrap();
    assert_eq!(
        (&stored.faults, &stored.target, &stored.after),
        (&first.faults, &first.target, &first.after)
    );
    // It cannot be gone on with while it runs; halted, whoever carried it out writes no more.
    assert_eq!(
        store
            .resume_org_run(&org(1), &first.id, &user(2), at(12))
            .await
            .unwrap(),
        None
    );
    assert!(!store.halt_org_run(&org(2), &first.id, at(12)).await.unwrap());
    assert!(store.halt_org_run(&org(1), &first.id, at(12)).await.unwrap());
    assert!(!store.note_org_run(&first, at(13)).await.unwrap());
    let resumed = store
        .resume_org_run(&org(1), &first.id, &user(2), at(14))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (resumed.turn, resumed.failed, resumed.state),
        (2, 1, OrgRunState::Running)
    );
    assert_eq!((&first.user_id, &resumed.user_id), (&user(1), &user(2)));
    assert!(!store.note_org_run(&first, at(15)).await.unwrap(), "a zombie");
    assert!(store.note_org_run(&resumed, at(15)).await.unwrap());
    // A server that died is told by its silence, and somebody else may take over.
    let silent = at(15 + 301);
    assert_eq!(
        store.org_run(&org(1), silent).await.unwrap().unwrap().state,
        OrgRunState::BrokenOff
    );
    assert!(
        store
            .resume_org_run(&org(1), &first.id, &user(1), silent)
            .await
            .unwrap()
            .is_some()
    );
}
