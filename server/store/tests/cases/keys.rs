//! Keys, what they protect once they are gone, and the audit log.

use std::future::Future;

use secrecy::ExposeSecret as _;
use tandem_store::{AuditFault, AuditHead, IntegrationNew, Provider, Retention, Rewrapped, Store};
use tandem_sync::ports::{Commit, LinkAsk, Pick, Store as _};
use tandem_types::SyncState;

use super::repos::{connected, corrupt};
use crate::common::{
    T0, TTL, at, cid, done, entry, grant, issue, links, mailbox, new_session, org, secret, user,
};

const DAY: i64 = 86_400;

/// A session that has written a link, a journal entry and an issue.
async fn worked(store: &Store, n: u64) -> tandem_types::SessionId {
    let lease = store
        .claim(&Pick::This(cid(n)), "w", new_session(), T0, TTL)
        .await
        .unwrap()
        .unwrap();
    let step = Commit {
        journal: vec![entry(n)],
        issues: vec![issue(n, "item", "Geheimer Titel")],
        ..links([n])
    };
    store.commit(&lease, T0, step).await.unwrap();
    store.close(&lease, done(T0, None)).await.unwrap();
    lease.session
}

pub(crate) async fn data_keys_are_wrapped_anew(old: Store, both: Store, new: Store) {
    for n in 1..=3 {
        connected(&old, n).await;
        old.put_grant(&cid(n), Provider::Salesforce, grant(n, None), T0)
            .await
            .unwrap();
    }
    let session = worked(&old, 1).await;
    old.deactivate(&cid(3), T0).await.unwrap();
    let token = old.token_key(&[9; 32], T0).await.unwrap();
    old.audit(&org(1), &user(1), "activated", "", T0).await.unwrap();
    let hashes = async |store: &Store, t: i64| {
        let lease = store
            .claim(&Pick::This(cid(2)), "w", new_session(), at(t), TTL)
            .await
            .unwrap()
            .unwrap();
        let opening = store.open(&lease).await.unwrap();
        store.close(&lease, done(at(t), None)).await.unwrap();
        (opening.hash_key.0, opening.org_key.0)
    };
    let before = hashes(&old, 10).await;

    let integration = IntegrationNew {
        org: org(1),
        user: user(9),
        username: "integration@example.com".to_owned(),
        by: user(1),
    };
    old.put_integration(&integration, &grant(9, None), T0)
        .await
        .unwrap();

    // Two of credentials, three of journals, one organisation and its integration user, the server.
    let due = Rewrapped {
        keys: 8,
        rewrapped: 8,
        lost: 0,
    };
    assert_eq!(both.count_keys().await.unwrap(), due);
    assert_eq!(both.rewrap_keys().await.unwrap(), due);
    assert_eq!(
        both.rewrap_keys().await.unwrap(),
        Rewrapped { rewrapped: 0, ..due }
    );

    // Nothing but the new key is needed, and nothing that it opens is another.
    assert_eq!(hashes(&new, 20).await, before, "the hashes are the same");
    assert_eq!(new.token_key(&[1; 32], T0).await.unwrap(), token);
    let login = new.mailbox_secret(&cid(1)).await.unwrap().unwrap();
    assert_eq!(login.password.expose_secret(), "password 1");
    let (granted, _) = new.grant(&cid(2), Provider::Salesforce).await.unwrap().unwrap();
    assert_eq!(granted.access_token.expose_secret(), "access-token-2");
    let (granted, _) = new.integration_grant(&org(1)).await.unwrap().unwrap();
    assert_eq!(granted.access_token.expose_secret(), "access-token-9");
    assert_eq!(new.journal_of(&session).await.unwrap().unwrap().1.len(), 1);
    assert_eq!(new.issues(&cid(1), 9).await.unwrap().1, 1);
    new.audit(&org(1), &user(1), "paused", "", at(1)).await.unwrap();
    assert_eq!(new.verify_audit(&[], T0).await.unwrap().unwrap().entries, 2);
    // A server that was not started anew goes on; one that has the old key alone cannot.
    assert!(both.mailbox_secret(&cid(1)).await.unwrap().is_some());
    corrupt(old.mailbox_secret(&cid(1)).await);
    assert_eq!(
        old.count_keys().await.unwrap(),
        Rewrapped {
            keys: 8,
            rewrapped: 0,
            lost: 8
        }
    );
}

/// `read`: all that a thief of the database has.
pub(crate) async fn a_backup_is_useless_without_the_master_key<R: Future<Output = Vec<u8>>>(
    store: Store,
    stranger: Store,
    read: impl Fn() -> R,
) {
    connected(&store, 1).await;
    store
        .put_grant(&cid(1), Provider::Salesforce, grant(1, None), T0)
        .await
        .unwrap();
    let session = worked(&store, 1).await;
    store.token_key(&[9; 32], T0).await.unwrap();
    let backup = read().await;
    let holds = |needle: &str| {
        // A dump has what is binary in hexadecimal.
        let hex = needle
            .bytes()
            .flat_map(|b| [b >> 4, b & 15])
            .filter_map(|nibble| char::from_digit(nibble.into(), 16))
            .collect::<String>();
        let within = |n: &[u8]| backup.windows(n.len()).any(|w| w == n);
        within(needle.as_bytes()) || within(hex.as_bytes())
    };
    assert!(holds("user1@example.com"), "the file is read at all");
    for secret in [
        "password 1",
        "EXAMPLE\\ana",
        "access-token-1",
        "refresh-token-1",
        "Ñandú\u{1F426} O'Neil",
        "O'Neil",
        "Geheimer Titel",
    ] {
        assert!(!holds(secret), "{secret}");
    }
    corrupt(stranger.mailbox_secret(&cid(1)).await);
    corrupt(stranger.grant(&cid(1), Provider::Salesforce).await);
    corrupt(stranger.journal_of(&session).await);
    corrupt(stranger.issues(&cid(1), 9).await);
    corrupt(stranger.token_key(&[1; 32], T0).await);
    corrupt(stranger.audit(&org(1), &user(1), "x", "", T0).await);
    assert_eq!(
        stranger.rewrap_keys().await.unwrap().lost,
        stranger.count_keys().await.unwrap().keys
    );
}

pub(crate) async fn what_is_shredded_leaves_the_file<R: Future<Output = Vec<u8>>>(
    store: Store,
    read: impl Fn() -> R,
) {
    connected(&store, 1).await;
    worked(&store, 1).await;
    let keep = Retention::default();
    let wrapped = async |column: &str| {
        let sql = format!("SELECT hex({column}) FROM connections");
        let hex = store.query_raw(&sql).await.unwrap().remove(0).unwrap();
        (0..hex.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
            .collect::<Vec<u8>>()
    };
    let credentials = wrapped("credentials_key").await;
    let journal = wrapped("journal_key").await;
    let has = |file: &[u8], key: &[u8]| file.windows(key.len()).any(|w| w == key);
    let file = read().await;
    assert!(
        has(&file, &credentials) && has(&file, &journal),
        "as long as they are used"
    );

    store.deactivate(&cid(1), at(1)).await.unwrap();
    store.sweep(&keep, at(2)).await.unwrap();
    let file = read().await;
    assert!(!has(&file, &credentials), "a deactivation shreds the credentials");
    assert!(has(&file, &journal), "and keeps what an undo needs");

    store.sweep(&keep, at(31 * DAY)).await.unwrap();
    let file = read().await;
    assert!(!has(&file, &journal), "the end of the retention shreds the rest");
}

pub(crate) async fn a_forgotten_connection_begins_anew(store: Store) {
    for n in 1..=3 {
        connected(&store, n).await;
        worked(&store, n).await;
    }
    let hex = if store.database() == "SQLite" {
        "hex(journal_key)"
    } else {
        "encode(journal_key, 'hex')"
    };
    let key = format!("SELECT {hex} FROM connections ORDER BY id");
    let before = store.query_raw(&key).await.unwrap();
    store.deactivate(&cid(1), at(10)).await.unwrap();
    store.deactivate(&cid(2), at(20 * DAY)).await.unwrap();
    let keep = Retention::default();
    assert_eq!(
        store.sweep(&keep, at(30 * DAY)).await.unwrap().forgotten,
        0,
        "not yet"
    );
    assert_eq!(store.live_links(&cid(1)).await.unwrap(), 1);
    let swept = store.sweep(&keep, at(30 * DAY + 11)).await.unwrap();
    assert_eq!(swept.forgotten, 1, "the first one's days are over");
    assert_eq!(
        store.sweep(&keep, at(30 * DAY + 12)).await.unwrap().forgotten,
        0,
        "once"
    );
    let after = store.query_raw(&key).await.unwrap();
    assert!(
        before[0] != after[0] && before[1..] == after[1..],
        "its key and no other"
    );
    for table in ["links", "journal", "issues", "orders", "mailboxes"] {
        let left = format!("SELECT COUNT(*) FROM {table} WHERE connection_id = '{}'", cid(1));
        assert_eq!(
            store.query_raw(&left).await.unwrap(),
            [Some("0".to_owned())],
            "{table}"
        );
    }
    assert_eq!(store.live_links(&cid(2)).await.unwrap(), 1);
    assert_eq!(store.issues(&cid(3), 9).await.unwrap().1, 1);

    let again = at(40 * DAY);
    store
        .activate(&cid(1), mailbox("user1@example.com"), secret("new"), again)
        .await
        .unwrap();
    let row = store.connection(&cid(1)).await.unwrap().unwrap();
    assert_eq!((row.state, row.first_round_done), (SyncState::Active, false));
    let lease = store
        .claim(&Pick::This(cid(1)), "w", new_session(), again, TTL)
        .await
        .unwrap()
        .unwrap();
    let opening = store.open(&lease).await.unwrap();
    assert!(opening.mailbox_cursor.is_none() && opening.crm_cursor.is_none());
    assert_eq!(store.links(&lease, &LinkAsk::All).await.unwrap(), []);
    let step = Commit {
        journal: vec![entry(1)],
        ..links([1])
    };
    store.commit(&lease, again, step).await.unwrap();
    assert_eq!(
        store.journal_of(&lease.session).await.unwrap().unwrap().1.len(),
        1
    );
}

async fn note(store: &Store, n: i64) {
    let (who, detail) = (user(n.unsigned_abs() % 3), format!("detail {n}"));
    store
        .audit(&org(1), &who, "tested", &detail, at(n))
        .await
        .unwrap();
}

async fn whole(store: &Store, heads: &[AuditHead]) -> tandem_store::Audited {
    store.verify_audit(heads, T0).await.unwrap().unwrap()
}

async fn fault(store: &Store, heads: &[AuditHead]) -> AuditFault {
    store.verify_audit(heads, T0).await.unwrap().unwrap_err()
}

pub(crate) async fn audit_is_a_chain_while_many_write(store: Store) {
    assert_eq!(whole(&store, &[]).await.entries, 0);
    let writes = (0..24).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { note(&store, n).await })
    });
    for written in futures::future::join_all(writes).await {
        written.unwrap();
    }
    let audited = whole(&store, &[]).await;
    assert_eq!(
        (audited.entries, audited.swept, audited.older, audited.unchained),
        (24, 0, 0, 0)
    );
    let head = store.audit_head_of_the_day(at(100)).await.unwrap().unwrap();
    assert_eq!((head.seq, &head), (24, &audited.head));
    assert_eq!(
        store.audit_head_of_the_day(at(DAY)).await.unwrap(),
        None,
        "once a day"
    );
    note(&store, 25).await;
    let text = head.to_string();
    assert_eq!(whole(&store, &[text.parse().unwrap()]).await.entries, 25);
    assert_eq!(
        store
            .audit_head_of_the_day(at(100 + DAY))
            .await
            .unwrap()
            .unwrap()
            .seq,
        25
    );
    assert!("24:00".parse::<AuditHead>().is_err() && "x".parse::<AuditHead>().is_err());
    let entries = store.audit_entries(2).await.unwrap();
    assert_eq!(
        (entries.len(), entries[0].seq, entries[0].detail.as_str()),
        (2, Some(25), "detail 25")
    );
}

pub(crate) async fn an_audit_entry_is_changed_or_taken_away(store: Store) {
    for n in 1..=6 {
        note(&store, n).await;
    }
    let head = store.audit_head_of_the_day(at(1)).await.unwrap().unwrap();
    let run = async |sql: &str| assert!(store.execute_raw(sql).await.unwrap() > 0, "{sql}");
    let heads = std::slice::from_ref(&head);
    for (damage, repair) in [
        ("detail = 'x'", "detail = 'detail 3'"),
        ("action = 'x'", "action = 'tested'"),
        ("user_id = 'x'", &*format!("user_id = '{}'", user(0))),
        ("org_id = 'x'", &*format!("org_id = '{}'", org(1))),
        ("at = at + 1", "at = at - 1"),
    ] {
        run(&format!("UPDATE audit SET {damage} WHERE seq = 3")).await;
        assert_eq!(fault(&store, &[]).await, AuditFault::Changed(3), "{damage}");
        run(&format!("UPDATE audit SET {repair} WHERE seq = 3")).await;
        assert_eq!(whole(&store, heads).await.entries, 6, "{repair}");
    }
    // Two that change their places.
    for (from, to) in [(3, 99), (4, 3), (99, 4)] {
        run(&format!("UPDATE audit SET seq = {to} WHERE seq = {from}")).await;
    }
    assert_eq!(fault(&store, &[]).await, AuditFault::Changed(3));
    for (from, to) in [(3, 99), (4, 3), (99, 4)] {
        run(&format!("UPDATE audit SET seq = {to} WHERE seq = {from}")).await;
    }
    assert_eq!(whole(&store, &[]).await.unchained, 0);
    // One that was put in.
    run("INSERT INTO audit (at, org_id, user_id, action, detail) SELECT at + 1, org_id, user_id, 'forged', '' FROM audit WHERE seq = 6").await;
    assert_eq!(whole(&store, &[]).await.unchained, 1);
    run("DELETE FROM audit WHERE action = 'forged'").await;
    // The last, with the head that said so: only the log's own copy shows it.
    run("UPDATE audit_chain SET seq = 5, mac = (SELECT mac FROM audit WHERE seq = 5)").await;
    run("DELETE FROM audit WHERE seq = 6").await;
    assert_eq!(whole(&store, &[]).await.entries, 5);
    assert_eq!(fault(&store, heads).await, AuditFault::Cut(6));
    note(&store, 7).await;
    assert_eq!(fault(&store, heads).await, AuditFault::Replaced(6));
    // The last alone, one of the middle, the first as if it had been swept.
    run("DELETE FROM audit WHERE seq = 6").await;
    assert_eq!(fault(&store, &[]).await, AuditFault::Missing(6));
    run("DELETE FROM audit WHERE seq = 2").await;
    assert_eq!(fault(&store, &[]).await, AuditFault::Missing(2));
    run("UPDATE audit_chain SET swept_seq = 2, swept_mac = (SELECT mac FROM audit WHERE seq = 3)").await;
    assert_eq!(fault(&store, &[]).await, AuditFault::Head);
}

pub(crate) async fn audit_is_swept_from_its_beginning(store: Store) {
    // As an earlier version wrote it.
    store
        .execute_raw(&format!(
            "INSERT INTO audit (at, org_id, user_id, action, detail) VALUES ({}, '{}', '{}', 'old', '')",
            at(0).micros(),
            org(1),
            user(1)
        ))
        .await
        .unwrap();
    for n in 1..=6 {
        note(&store, n * DAY).await;
    }
    let audited = whole(&store, &[]).await;
    assert_eq!((audited.entries, audited.older, audited.unchained), (6, 1, 0));
    let head = audited.head;
    let keep = Retention {
        audit: 10,
        ..Retention::default()
    };
    let swept = store.sweep(&keep, at(14 * DAY - 1)).await.unwrap();
    assert_eq!(swept.audit, 4, "three, and the old one");
    let audited = whole(&store, std::slice::from_ref(&head)).await;
    assert_eq!((audited.entries, audited.swept, audited.older), (3, 3, 0));
    assert_eq!(store.sweep(&keep, at(100 * DAY)).await.unwrap().audit, 3);
    note(&store, 100 * DAY).await;
    let audited = whole(&store, &[head]).await;
    assert_eq!((audited.entries, audited.swept, audited.head.seq), (1, 6, 7));
}

pub(crate) async fn tokens_have_one_key(store: Store) {
    let calls = (1..=6).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { store.token_key(&[n; 32], T0).await.unwrap() })
    });
    let keys: Vec<_> = futures::future::join_all(calls)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert!(keys.iter().all(|key| *key == keys[0]) && keys[0] != [0; 32]);
    assert_eq!(store.token_key(&[77; 32], T0).await.unwrap(), keys[0]);
}
