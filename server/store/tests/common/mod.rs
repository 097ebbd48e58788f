//! What the cases stand on: a vault, ids, records, and one face for all three stores.

mod desk;
mod vault;

pub(crate) use desk::{Desk, MemoryDesk, SqlDesk};
pub(crate) use vault::TestVault;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use secrecy::SecretString;
use tandem_store::{GrantSecret, MailboxSecret, NewUser, Store};
use tandem_sync::model::{Cursor, Field, FieldValue, ItemId, LinkKey, Version};
use tandem_sync::ports::{Closing, Commit, Issue, IssueKey, JournalAct, JournalEntry, Lease, Pick};
use tandem_sync::{Base, BaseHash, Link, LinkState, Traits};
use tandem_types::{
    ConnectionId, IssueCode, IssueCure, IssueId, ItemKind, LinkId, MailboxAccount, MailboxServer, OrgId,
    SessionId, SessionOutcome, Side, SyncState, Timestamp, UserId,
};

pub(crate) const T0: Timestamp = Timestamp::from_seconds(1_800_000_000);
pub(crate) const TTL: Duration = Duration::from_mins(1);

pub(crate) fn at(seconds: i64) -> Timestamp {
    T0.plus_seconds(seconds)
}

fn own<T: std::str::FromStr<Err: std::fmt::Debug>>(n: u64) -> T {
    format!("{n:032x}").parse().unwrap()
}

pub(crate) fn cid(n: u64) -> ConnectionId {
    own(n)
}

pub(crate) fn link_id(n: u64) -> LinkId {
    own(n)
}

pub(crate) fn issue_id(n: u64) -> IssueId {
    own(n)
}

/// A session id that no other call gets.
pub(crate) fn new_session() -> SessionId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    own(NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn org(n: u64) -> OrgId {
    format!("00D{n:012}AAA").parse().unwrap()
}

pub(crate) fn user(n: u64) -> UserId {
    format!("005{n:012}AAA").parse().unwrap()
}

pub(crate) fn new_user(org_n: u64, n: u64) -> NewUser {
    NewUser {
        org_id: org(org_n),
        user_id: user(n),
        username: format!("user{n}@example.com"),
        name: "Ana Müller 李".to_owned(),
        email: format!("user{n}@example.com"),
        org_name: "Acme".to_owned(),
        instance_url: "https://acme.my.salesforce.com".to_owned(),
    }
}

pub(crate) fn mailbox(address: &str) -> MailboxAccount {
    MailboxAccount {
        address: address.to_owned(),
        server: MailboxServer::Exchange,
        host: "mail.example.com".to_owned(),
    }
}

pub(crate) fn secret(password: &str) -> MailboxSecret {
    MailboxSecret {
        login: "EXAMPLE\\ana".to_owned(),
        password: SecretString::from(password.to_owned()),
        ews_url: "https://mail.example.com/EWS/Exchange.asmx".to_owned(),
        extra: "v=15".to_owned(),
    }
}

pub(crate) fn grant(n: u64, previous: Option<u64>) -> GrantSecret {
    GrantSecret {
        access_token: SecretString::from(format!("access-token-{n}")),
        refresh_token: SecretString::from(format!("refresh-token-{n}")),
        instance_url: "https://acme.my.salesforce.com".to_owned(),
        owner: String::new(),
        issued_at: T0,
        expires: None,
        previous_refresh: previous.map(|n| SecretString::from(format!("refresh-token-{n}"))),
    }
}

/// A link with everything in it.
pub(crate) fn link(n: u64) -> Link {
    let hash = |side: u64| BaseHash((u128::from(n) << 64 | u128::from(side)).to_be_bytes());
    Link {
        id: link_id(n),
        kind: ItemKind::Contact,
        state: LinkState::Live,
        key: LinkKey(format!("{:032x}", n + 1_000_000)),
        mailbox_id: Some(ItemId(format!("AAMk'{n}\"é%_"))),
        mailbox_version: Some(Version(format!("EQAA{n}"))),
        crm_id: Some(ItemId(format!("003{n:012}AAA"))),
        crm_version: Some(Version(format!("2026-11-22T10:00:{n}.000+0000"))),
        base: Base {
            normaliser: 1,
            mailbox: BTreeMap::from([(Field::Surname, hash(1)), (Field::Email, hash(2))]),
            crm: BTreeMap::from([(Field::Surname, hash(3))]),
        },
        made_on: Some(Side::Crm),
        touched: n.is_multiple_of(2),
        intent: None,
        changed: at(i64::try_from(n).unwrap()),
        traits: Traits {
            follower: n.is_multiple_of(3),
            prefer: Some(Side::Crm),
            claim: Some(hash(4)),
            ..Traits::default()
        },
    }
}

pub(crate) fn entry(n: u64) -> JournalEntry {
    JournalEntry {
        link: link_id(n),
        kind: ItemKind::Contact,
        side: Side::Crm,
        item: ItemId(format!("003{n:012}AAA")),
        act: JournalAct::Changed {
            old: vec![
                (
                    Field::Surname,
                    FieldValue::Known("Ñandú\u{1F426} O'Neil".to_owned()),
                ),
                (Field::Email, FieldValue::Empty),
                (Field::Body, FieldValue::Unknown),
            ],
            wrote: vec![
                (Field::Surname, BaseHash([7; 16])),
                (Field::Email, BaseHash([8; 16])),
            ],
        },
    }
}

pub(crate) fn issue(n: u64, item: &str, title: &str) -> Issue {
    Issue {
        id: issue_id(n),
        key: IssueKey {
            kind: ItemKind::Contact,
            side: Side::Mailbox,
            item: ItemId(item.to_owned()),
            code: IssueCode::LastNameMissing,
        },
        title: title.to_owned(),
        detail: format!("{title}: no last name"),
        cures: vec![IssueCure::Retry, IssueCure::Ignore],
    }
}

pub(crate) fn links(which: impl IntoIterator<Item = u64>) -> Commit {
    Commit {
        links: which.into_iter().map(link).collect(),
        ..Commit::default()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as it stands in a commit and an opening")]
pub(crate) fn cursor(text: &str) -> Option<Cursor> {
    Some(Cursor(text.to_owned()))
}

/// A session that went well.
pub(crate) fn done(ended: Timestamp, next: Option<Timestamp>) -> Closing {
    Closing {
        outcome: SessionOutcome::Done,
        counts: Vec::new(),
        state: SyncState::Active,
        reason: None,
        rejections: 0,
        failures: 0,
        next_due: next,
        ended,
        preview: None,
        brake: None,
        release_used: false,
        stop_org: false,
        note: "ok".to_owned(),
    }
}

/// A due connection claimed.
pub(crate) async fn claimed(desk: &Arc<dyn Desk>, n: u64, now: Timestamp) -> Lease {
    desk.port()
        .claim(&Pick::This(cid(n)), "w", new_session(), now, TTL)
        .await
        .unwrap()
        .expect("it can be claimed")
}

/// A store on a fresh SQLite file, migrated. The directory goes with the guard.
pub(crate) async fn sqlite() -> (Store, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::connect(&sqlite_url(&dir), TestVault::new(1))
        .await
        .unwrap();
    store.migrate().await.unwrap();
    (store, dir)
}

pub(crate) fn sqlite_url(dir: &tempfile::TempDir) -> String {
    format!("sqlite:{}", dir.path().join("tandem.db").display())
}
