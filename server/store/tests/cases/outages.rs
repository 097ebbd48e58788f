//! A full disk, a database that goes away and comes back, two processes on one file.

use std::os::unix::fs::PermissionsExt as _;

use crate::common::{
    T0, TTL, TestVault, at, cid, claimed, done, entry, grant, issue, links, mailbox, new_session, new_user,
    secret, user,
};
use tandem_store::{Provider, Store, StoreError, testing};
use tandem_sync::ports::{Commit, LinkAsk, Pick, Store as _};

async fn connected(store: &Store) {
    store.upsert_user(&new_user(1, 1), T0).await.unwrap();
    store.ensure_connection(&user(1), cid(1), T0).await.unwrap();
    store
        .activate(&cid(1), mailbox("user1@example.com"), secret("pa55-word"), T0)
        .await
        .unwrap();
}

fn unavailable<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
}

#[tokio::test]
async fn a_full_disk_loses_nothing() {
    let (store, _dir) = crate::common::sqlite().await;
    connected(&store).await;
    let lease = store
        .claim(&Pick::Due, "w", new_session(), T0, TTL)
        .await
        .unwrap()
        .unwrap();
    store.commit(&lease, T0, links(0..10)).await.unwrap();
    // SQLite answers as on a full disk when the file may not grow.
    store.execute_raw("PRAGMA max_page_count = 1").await.unwrap();
    let mut committed = 10;
    let mut n = 0;
    let full = loop {
        n += 1;
        match store.commit(&lease, T0, links(100 * n..100 * n + 50)).await {
            Ok(()) => committed += 50,
            Err(error) => break error,
        }
        assert!(n < 100, "the disk is never full");
    };
    assert!(
        matches!(&full, StoreError::Full(text) if text.contains("full")),
        "{full:?}"
    );
    assert_eq!(
        store.links(&lease, &LinkAsk::All).await.unwrap().len(),
        committed,
        "whole steps only"
    );
    store.health().await.unwrap();

    store
        .execute_raw("PRAGMA max_page_count = 1000000")
        .await
        .unwrap();
    store
        .commit(&lease, T0, links(100 * n..100 * n + 50))
        .await
        .unwrap();
    assert_eq!(
        store.links(&lease, &LinkAsk::All).await.unwrap().len(),
        committed + 50
    );
    store.close(&lease, done(at(1), None)).await.unwrap();
}

#[tokio::test]
async fn a_closed_database_is_unavailable() {
    let (store, dir) = crate::common::sqlite().await;
    connected(&store).await;
    let clone = store.clone();
    store.disconnect().await;
    unavailable(clone.health().await);
    unavailable(clone.connection(&cid(1)).await);
    unavailable(clone.wake(&cid(1), T0).await);
    unavailable(clone.claim(&Pick::Due, "w", new_session(), T0, TTL).await);
    let again = Store::connect(&crate::common::sqlite_url(&dir), TestVault::new(1))
        .await
        .unwrap();
    assert!(
        again
            .claim(&Pick::Due, "w", new_session(), T0, TTL)
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_told() {
    let dir = tempfile::tempdir().unwrap();
    for url in [
        "mysql://root@localhost/x".to_owned(),
        "sqlite:".to_owned(),
        "sqlite::memory:".to_owned(),
        format!("sqlite:{}", dir.path().join("no/such/folder/x.db").display()),
        format!("postgres://u:s3cret@localhost:1/x?host={}", dir.path().display()),
        "postgres://u:s3cret@[broken".to_owned(),
    ] {
        let error = Store::connect(&url, TestVault::new(1)).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{url}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
    let path = dir.path().join("text.db");
    std::fs::write(
        &path,
        "this is no database, it is a text of some length".repeat(100),
    )
    .unwrap();
    let url = format!("sqlite:{}", path.display());
    match Store::connect(&url, TestVault::new(1)).await {
        Ok(store) => unavailable(store.migrate().await),
        Err(error) => unavailable::<()>(Err(error)),
    }
}

#[tokio::test]
async fn an_empty_database_says_what_it_needs() {
    let dir = tempfile::tempdir().unwrap();
    let url = crate::common::sqlite_url(&dir);
    let store = Store::connect(&url, TestVault::new(1)).await.unwrap();
    assert_eq!(
        store.migrations().await.unwrap().pending,
        [
            "0001 first",
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
    unavailable(store.health().await);
    // Several processes start at once.
    let starts = (0..4).map(|_| {
        let url = url.clone();
        tokio::spawn(async move {
            let store = Store::connect(&url, TestVault::new(1)).await.unwrap();
            store.migrate().await
        })
    });
    for start in futures::future::join_all(starts).await {
        start.unwrap().unwrap();
    }
    store.health().await.unwrap();
    for name in ["tandem.db", "tandem.db-wal", "tandem.db-shm"] {
        let mode = std::fs::metadata(dir.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_a_file() {
    let (one, dir) = crate::common::sqlite().await;
    let two = Store::connect(&crate::common::sqlite_url(&dir), TestVault::new(1))
        .await
        .unwrap();
    for n in 1..=4 {
        one.upsert_user(&new_user(1, n), T0).await.unwrap();
        two.ensure_connection(&user(n), cid(n), T0).await.unwrap();
        let address = mailbox(&format!("user{n}@example.com"));
        one.activate(&cid(n), address, secret("x"), T0).await.unwrap();
    }
    // Both write all the time; nobody is told "database is locked".
    let work = [one.clone(), two.clone()].into_iter().flat_map(|store| {
        (0..2).map(move |_| {
            let store = store.clone();
            tokio::spawn(async move {
                let lease = store
                    .claim(&Pick::Due, "w", new_session(), T0, TTL)
                    .await
                    .unwrap()
                    .unwrap();
                for n in 0..15 {
                    store
                        .commit(&lease, T0, links(50 * n..50 * n + 50))
                        .await
                        .unwrap();
                }
                store.close(&lease, done(at(1), None)).await.unwrap();
            })
        })
    });
    for done in futures::future::join_all(work).await {
        done.unwrap();
    }
    for n in 1..=4 {
        assert_eq!(one.live_links(&cid(n)).await.unwrap(), 750);
    }
    // A secret that one stored opens for the other.
    two.put_grant(&cid(1), Provider::Salesforce, grant(1, None), T0)
        .await
        .unwrap();
    assert!(one.grant(&cid(1), Provider::Salesforce).await.unwrap().is_some());
}

#[tokio::test]
async fn no_secret_and_no_content_lies_open_on_the_disk() {
    let (store, dir) = crate::common::sqlite().await;
    connected(&store).await;
    store
        .put_grant(&cid(1), Provider::Salesforce, grant(4711, None), T0)
        .await
        .unwrap();
    let desk: std::sync::Arc<dyn crate::common::Desk> = std::sync::Arc::new(crate::common::SqlDesk {
        store: store.clone(),
        reconnect: Box::new(|| unreachable!()),
    });
    let lease = claimed(&desk, 1, T0).await;
    let commit = Commit {
        journal: vec![entry(1)],
        issues: vec![issue(1, "a", "Wilhelmina Geheim")],
        ..links([1])
    };
    store.commit(&lease, T0, commit).await.unwrap();
    store.disconnect().await;
    let mut disk = Vec::new();
    for file in std::fs::read_dir(dir.path()).unwrap() {
        disk.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let shown = |text: &str| disk.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(shown("user1@example.com"), "the file was looked at");
    for text in [
        "pa55-word",
        "EXAMPLE\\\\ana",
        "access-token-4711",
        "refresh-token-4711",
        "Wilhelmina",
        "O'Neil",
    ] {
        assert!(!shown(text), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_goes_away_and_comes_back() {
    let Some(database) = testing::private_postgres().await else {
        return;
    };
    let store = Store::connect(&database.url, TestVault::new(1)).await.unwrap();
    assert_eq!(
        store.migrations().await.unwrap().pending,
        [
            "0001 first",
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
    store.migrate().await.unwrap();
    connected(&store).await;
    let lease = store
        .claim(&Pick::Due, "w", new_session(), T0, TTL)
        .await
        .unwrap()
        .unwrap();
    store.commit(&lease, T0, links(0..10)).await.unwrap();

    database.cluster.stop();
    unavailable(store.health().await);
    unavailable(store.commit(&lease, T0, links(10..20)).await);
    unavailable(store.claim(&Pick::Due, "w", new_session(), at(100), TTL).await);
    unavailable(store.wake(&cid(1), T0).await);
    unavailable(Store::connect(&database.url, TestVault::new(1)).await);

    database.cluster.start().unwrap();
    store.health().await.unwrap();
    assert_eq!(
        store.links(&lease, &LinkAsk::All).await.unwrap().len(),
        10,
        "what was committed is there"
    );
    store.commit(&lease, T0, links(10..20)).await.unwrap();
    store.close(&lease, done(at(1), None)).await.unwrap();
    assert_eq!(store.live_links(&cid(1)).await.unwrap(), 20);
}
