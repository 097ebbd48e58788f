use std::sync::Arc;

use async_trait::async_trait;
use tandem_store::{ConnectionRow, MemoryConnection, MemoryStore, Store, StoreError};
use tandem_sync::ports::{self, HashKey, JournalEntry};
use tandem_types::{
    ConnectionId, IssueId, IssueView, SessionId, SessionView, Settings, StateReason, SyncState, Timestamp,
};

use super::{cid, mailbox, new_user, org, secret, user};

/// What the server and the user do to a store beside the sessions: the same on a database and in memory.
#[async_trait]
pub(crate) trait Desk: Send + Sync {
    fn port(&self) -> &dyn ports::Store;
    /// Another process on the same data.
    async fn second(&self) -> Arc<dyn Desk>;
    /// User and connection `n` of organisation `org_n`, not activated.
    async fn add_in(&self, org_n: u64, n: u64, now: Timestamp);
    async fn activate(&self, id: &ConnectionId, address: &str, now: Timestamp) -> Result<(), StoreError>;
    async fn deactivate(&self, id: &ConnectionId, now: Timestamp);
    async fn set_state(
        &self,
        id: &ConnectionId,
        from: &[SyncState],
        to: SyncState,
        reason: Option<StateReason>,
        due: Option<Timestamp>,
    ) -> bool;
    async fn release(&self, id: &ConnectionId, now: Timestamp) -> bool;
    async fn wake(&self, id: &ConnectionId, now: Timestamp) -> bool;
    async fn update_settings(&self, id: &ConnectionId, settings: &Settings);
    async fn row(&self, id: &ConnectionId) -> ConnectionRow;
    async fn sessions(&self, id: &ConnectionId) -> Vec<SessionView>;
    async fn note(&self, id: &ConnectionId, session: &SessionId) -> String;
    async fn issues(&self, id: &ConnectionId) -> Vec<IssueView>;
    async fn solve_issue(&self, id: &ConnectionId, issue: &IssueId, now: Timestamp) -> bool;
    async fn ignore_issue(&self, id: &ConnectionId, issue: &IssueId, now: Timestamp) -> bool;
    async fn journal(&self, id: &ConnectionId, session: &SessionId) -> Vec<JournalEntry>;

    /// Connection `n`, active and due since `now`.
    async fn active(&self, n: u64, now: Timestamp) -> ConnectionId {
        self.add_in(1, n, now).await;
        self.activate(&cid(n), &format!("user{n}@example.com"), now)
            .await
            .unwrap();
        cid(n)
    }
}

pub(crate) struct SqlDesk {
    pub(crate) store: Store,
    pub(crate) reconnect: Box<dyn Fn() -> futures::future::BoxFuture<'static, Store> + Send + Sync>,
}

#[async_trait]
impl Desk for SqlDesk {
    fn port(&self) -> &dyn ports::Store {
        &self.store
    }

    async fn second(&self) -> Arc<dyn Desk> {
        let store = (self.reconnect)().await;
        Arc::new(Self {
            store,
            reconnect: Box::new(|| unreachable!("two are enough")),
        })
    }

    async fn add_in(&self, org_n: u64, n: u64, now: Timestamp) {
        self.store.upsert_user(&new_user(org_n, n), now).await.unwrap();
        self.store.ensure_connection(&user(n), cid(n), now).await.unwrap();
    }

    async fn activate(&self, id: &ConnectionId, address: &str, now: Timestamp) -> Result<(), StoreError> {
        self.store
            .activate(id, mailbox(address), secret("hunter2"), now)
            .await
    }

    async fn deactivate(&self, id: &ConnectionId, now: Timestamp) {
        self.store.deactivate(id, now).await.unwrap();
    }

    async fn set_state(
        &self,
        id: &ConnectionId,
        from: &[SyncState],
        to: SyncState,
        reason: Option<StateReason>,
        due: Option<Timestamp>,
    ) -> bool {
        self.store
            .set_state(id, from, to, reason, due, super::T0)
            .await
            .unwrap()
    }

    async fn release(&self, id: &ConnectionId, now: Timestamp) -> bool {
        self.store.release(id, now).await.unwrap()
    }

    async fn wake(&self, id: &ConnectionId, now: Timestamp) -> bool {
        self.store.wake(id, now).await.unwrap()
    }

    async fn update_settings(&self, id: &ConnectionId, settings: &Settings) {
        self.store.update_settings(id, settings, super::T0).await.unwrap();
    }

    async fn row(&self, id: &ConnectionId) -> ConnectionRow {
        let row = self.store.connection(id).await.unwrap().unwrap();
        assert_eq!(row.links, self.store.live_links(id).await.unwrap());
        row
    }

    async fn sessions(&self, id: &ConnectionId) -> Vec<SessionView> {
        self.store.sessions(id, 1000).await.unwrap()
    }

    async fn note(&self, id: &ConnectionId, session: &SessionId) -> String {
        self.store.session_note(id, session).await.unwrap().unwrap()
    }

    async fn issues(&self, id: &ConnectionId) -> Vec<IssueView> {
        let (views, total) = self.store.issues(id, 1000).await.unwrap();
        assert_eq!(u32::try_from(views.len()).unwrap(), total);
        views
    }

    async fn solve_issue(&self, id: &ConnectionId, issue: &IssueId, now: Timestamp) -> bool {
        self.store.solve_issue(id, issue, now).await.unwrap()
    }

    async fn ignore_issue(&self, id: &ConnectionId, issue: &IssueId, now: Timestamp) -> bool {
        self.store.ignore_issue(id, issue, now).await.unwrap()
    }

    async fn journal(&self, id: &ConnectionId, session: &SessionId) -> Vec<JournalEntry> {
        self.store.journal(id, session).await.unwrap()
    }
}

#[derive(Default)]
pub(crate) struct MemoryDesk {
    pub(crate) store: Arc<MemoryStore>,
}

#[async_trait]
impl Desk for MemoryDesk {
    fn port(&self) -> &dyn ports::Store {
        &*self.store
    }

    async fn second(&self) -> Arc<dyn Desk> {
        Arc::new(Self {
            store: self.store.clone(),
        })
    }

    async fn add_in(&self, org_n: u64, n: u64, now: Timestamp) {
        let connection = MemoryConnection {
            id: cid(n),
            org_id: org(org_n),
            user_id: user(n),
            settings: Settings::default(),
            hash_key: HashKey([u8::try_from(n % 256).unwrap(); 32]),
        };
        self.store.add(connection, now).unwrap();
    }

    async fn activate(&self, id: &ConnectionId, address: &str, now: Timestamp) -> Result<(), StoreError> {
        self.store.activate(id, mailbox(address), now)
    }

    async fn deactivate(&self, id: &ConnectionId, now: Timestamp) {
        self.store.deactivate(id, now).unwrap();
    }

    async fn set_state(
        &self,
        id: &ConnectionId,
        from: &[SyncState],
        to: SyncState,
        reason: Option<StateReason>,
        due: Option<Timestamp>,
    ) -> bool {
        self.store.set_state(id, from, to, reason, due)
    }

    async fn release(&self, id: &ConnectionId, now: Timestamp) -> bool {
        self.store.release(id, now)
    }

    async fn wake(&self, id: &ConnectionId, now: Timestamp) -> bool {
        self.store.wake(id, now)
    }

    async fn update_settings(&self, id: &ConnectionId, settings: &Settings) {
        self.store.update_settings(id, settings).unwrap();
    }

    async fn row(&self, id: &ConnectionId) -> ConnectionRow {
        self.store.connection(id).unwrap()
    }

    async fn sessions(&self, id: &ConnectionId) -> Vec<SessionView> {
        self.store.sessions(id)
    }

    async fn note(&self, id: &ConnectionId, session: &SessionId) -> String {
        self.store.session_note(id, session).unwrap()
    }

    async fn issues(&self, id: &ConnectionId) -> Vec<IssueView> {
        self.store.issues(id)
    }

    async fn solve_issue(&self, id: &ConnectionId, issue: &IssueId, _now: Timestamp) -> bool {
        self.store.solve_issue(id, issue)
    }

    async fn ignore_issue(&self, id: &ConnectionId, issue: &IssueId, _now: Timestamp) -> bool {
        self.store.ignore_issue(id, issue)
    }

    async fn journal(&self, id: &ConnectionId, session: &SessionId) -> Vec<JournalEntry> {
        let all = self.store.journal(id).into_iter();
        all.filter(|(s, ..)| s == session)
            .map(|(.., entry)| entry)
            .collect()
    }
}
