use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tandem_store::{
    Budgets, ConnectionRow, MemoryConnection, MemoryStore, OrderRow, OrgRow, Quota, SettingsFault, Store,
    StoreError,
};
use tandem_sync::model::ItemId;
use tandem_sync::order::Order;
use tandem_sync::ports::{self, Backfill, HashKey, JournalEntry, Lease, Pick, Store as _};
use tandem_types::{
    ConnectionId, IssueId, IssueView, MailboxAccount, OrgId, SessionId, SessionView, Settings, StateReason,
    SyncState, Timestamp,
};

use super::{TTL, cid, mailbox, new_session, new_user, org, secret, user};

/// What the server and the user do to a store beside the sessions: the same on a database and in memory.
#[async_trait]
pub(crate) trait Desk: Send + Sync {
    fn port(&self) -> &dyn ports::Store;
    /// Another process on the same data.
    async fn second(&self) -> Arc<dyn Desk>;
    /// User and connection `n` of organisation `org_n`, not activated.
    async fn add_in(&self, org_n: u64, n: u64, now: Timestamp);
    async fn activate(&self, id: &ConnectionId, address: &str, now: Timestamp) -> Result<(), StoreError> {
        self.activate_at(id, mailbox(address), now).await
    }
    async fn activate_at(
        &self,
        id: &ConnectionId,
        mailbox: MailboxAccount,
        now: Timestamp,
    ) -> Result<(), StoreError>;
    /// The next one that is due, as a process with these budgets gets it.
    async fn claim_within(&self, budgets: Budgets, now: Timestamp) -> Option<Lease>;
    async fn hold_org(&self, org: &OrgId, until: Timestamp) -> bool;
    async fn note_quota(&self, org: &OrgId, quota: Quota);
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
    async fn set_settings(&self, id: &ConnectionId, overrides: &Value) -> Result<Settings, SettingsFault>;
    async fn settings_overrides(&self, id: &ConnectionId) -> Value;
    async fn set_org_settings(&self, org: &OrgId, overrides: &Value) -> Result<(), SettingsFault>;
    async fn org_settings(&self, org: &OrgId) -> Value;
    async fn release_org(&self, org: &OrgId, now: Timestamp) -> bool;
    async fn org(&self, org: &OrgId, now: Timestamp) -> OrgRow;
    async fn start_backfill(
        &self,
        id: &ConnectionId,
        backfill: &Backfill,
        now: Timestamp,
    ) -> Result<(), StoreError>;
    async fn cancel_backfill(&self, id: &ConnectionId, now: Timestamp) -> Result<bool, StoreError>;
    async fn put_order(
        &self,
        id: &ConnectionId,
        item: &ItemId,
        order: &Order,
        now: Timestamp,
    ) -> Result<(), StoreError>;
    async fn orders(&self, id: &ConnectionId) -> Vec<OrderRow>;
    async fn end_order(&self, id: &ConnectionId, item: &ItemId, at: Timestamp);
    async fn order_tried(&self, id: &ConnectionId, item: &ItemId, at: Timestamp);
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

    async fn activate_at(
        &self,
        id: &ConnectionId,
        mailbox: MailboxAccount,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.store.activate(id, mailbox, secret("hunter2"), now).await
    }

    async fn claim_within(&self, budgets: Budgets, now: Timestamp) -> Option<Lease> {
        let store = self.store.clone().with_budgets(budgets);
        let claimed = store.claim(&Pick::Due, "w", new_session(), now, TTL).await;
        claimed.unwrap()
    }

    async fn hold_org(&self, org: &OrgId, until: Timestamp) -> bool {
        self.store.hold_org(org, until).await.unwrap()
    }

    async fn note_quota(&self, org: &OrgId, quota: Quota) {
        self.store.note_quota(org, quota).await.unwrap();
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

    async fn set_settings(&self, id: &ConnectionId, overrides: &Value) -> Result<Settings, SettingsFault> {
        self.store.set_settings(id, overrides, super::T0).await
    }

    async fn settings_overrides(&self, id: &ConnectionId) -> Value {
        self.store.settings_overrides(id).await.unwrap()
    }

    async fn set_org_settings(&self, org: &OrgId, overrides: &Value) -> Result<(), SettingsFault> {
        self.store.set_org_settings(org, overrides, super::T0).await
    }

    async fn org_settings(&self, org: &OrgId) -> Value {
        self.store.org_settings(org).await.unwrap()
    }

    async fn release_org(&self, org: &OrgId, now: Timestamp) -> bool {
        self.store.release_org(org, now).await.unwrap()
    }

    async fn org(&self, org: &OrgId, now: Timestamp) -> OrgRow {
        self.store.org(org, now).await.unwrap().unwrap()
    }

    async fn start_backfill(
        &self,
        id: &ConnectionId,
        backfill: &Backfill,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.store.start_backfill(id, backfill, now).await
    }

    async fn cancel_backfill(&self, id: &ConnectionId, now: Timestamp) -> Result<bool, StoreError> {
        self.store.cancel_backfill(id, now).await
    }

    async fn put_order(
        &self,
        id: &ConnectionId,
        item: &ItemId,
        order: &Order,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.store.put_order(id, item, order, now).await
    }

    async fn orders(&self, id: &ConnectionId) -> Vec<OrderRow> {
        self.store.orders(id).await.unwrap()
    }

    async fn end_order(&self, id: &ConnectionId, item: &ItemId, at: Timestamp) {
        self.store.end_order(id, item, at).await.unwrap();
    }

    async fn order_tried(&self, id: &ConnectionId, item: &ItemId, at: Timestamp) {
        self.store.order_tried(id, item, at).await.unwrap();
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
        match self.store.journal_of(session).await.unwrap() {
            Some((whose, entries)) if whose == *id => entries,
            _ => Vec::new(),
        }
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
        let mut connection = MemoryConnection::new(cid(n), org(org_n), user(n));
        connection.hash_key = HashKey([u8::try_from(n % 256).unwrap(); 32]);
        self.store.add_connection(connection, now).unwrap();
    }

    async fn activate_at(
        &self,
        id: &ConnectionId,
        mailbox: MailboxAccount,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.store.activate(id, mailbox, now)
    }

    async fn claim_within(&self, budgets: Budgets, now: Timestamp) -> Option<Lease> {
        self.store.set_budgets(budgets);
        let claimed = self.port().claim(&Pick::Due, "w", new_session(), now, TTL).await;
        claimed.unwrap()
    }

    async fn hold_org(&self, org: &OrgId, until: Timestamp) -> bool {
        self.store.hold_org(org, until)
    }

    async fn note_quota(&self, org: &OrgId, quota: Quota) {
        self.store.note_quota(org, quota);
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

    async fn set_settings(&self, id: &ConnectionId, overrides: &Value) -> Result<Settings, SettingsFault> {
        self.store.set_settings(id, overrides)
    }

    async fn settings_overrides(&self, id: &ConnectionId) -> Value {
        self.store.settings_overrides(id).unwrap()
    }

    async fn set_org_settings(&self, org: &OrgId, overrides: &Value) -> Result<(), SettingsFault> {
        self.store.set_org_settings(org, overrides)
    }

    async fn org_settings(&self, org: &OrgId) -> Value {
        self.store.org_settings(org).unwrap()
    }

    async fn release_org(&self, org: &OrgId, now: Timestamp) -> bool {
        self.store.release_org(org, now)
    }

    async fn org(&self, org: &OrgId, now: Timestamp) -> OrgRow {
        self.store.org(org, now).unwrap()
    }

    async fn start_backfill(
        &self,
        id: &ConnectionId,
        backfill: &Backfill,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.store.start_backfill(id, backfill, now)
    }

    async fn cancel_backfill(&self, id: &ConnectionId, _now: Timestamp) -> Result<bool, StoreError> {
        self.store.cancel_backfill(id)
    }

    async fn put_order(
        &self,
        id: &ConnectionId,
        item: &ItemId,
        order: &Order,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.store.put_order(id, item, order, now)
    }

    async fn orders(&self, id: &ConnectionId) -> Vec<OrderRow> {
        self.store.orders(id)
    }

    async fn end_order(&self, id: &ConnectionId, item: &ItemId, at: Timestamp) {
        self.store.end_order(id, item, at).unwrap();
    }

    async fn order_tried(&self, id: &ConnectionId, item: &ItemId, at: Timestamp) {
        self.store.order_tried(id, item, at).unwrap();
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
        let all = self.store.journal_of(id).into_iter();
        all.filter(|(s, ..)| s == session)
            .map(|(.., entry)| entry)
            .collect()
    }
}
