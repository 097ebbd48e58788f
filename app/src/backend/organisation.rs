use async_trait::async_trait;
use tandem_types::{ApiError, OrgAct, OrgDenied, OrgUserView, OrgView, PaneView, SessionId, UserId, Verdict};

/// Whom a page of the organisation's users shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrgPick {
    pub verdict: Option<Verdict>,
    /// A part of a name or user name; empty: everybody.
    pub search: String,
}

/// Whom an order is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrgTarget {
    Users(Vec<UserId>),
    All(OrgPick),
}

/// What administrators see and order in their own organisation. Whoever is none, by Salesforce's word of the last 15
/// minutes, gets [`ApiError::NotAdministrator`] for each order.
#[async_trait]
pub trait OrganisationBackend: Send + Sync {
    /// Whether the way there is shown: never waits for Salesforce, and gives no right.
    async fn seems_administrator(&self) -> Result<bool, ApiError>;

    /// A page of the users, after the user `after`.
    async fn organisation(
        &self,
        pick: OrgPick,
        after: Option<UserId>,
    ) -> Result<Result<OrgView, OrgDenied>, ApiError>;

    /// One user of the organisation; `None`: there is none of that id. Each look is audited.
    async fn org_user(&self, user: UserId) -> Result<Result<Option<OrgUserView>, OrgDenied>, ApiError>;

    /// Begins an order for many; it is carried out in waves.
    ///
    /// # Errors
    /// [`ApiError::WrongState`]: another one is under way.
    async fn org_act(&self, act: OrgAct, target: OrgTarget) -> Result<PaneView, ApiError>;

    /// Stops an order.
    async fn org_halt(&self, run: SessionId) -> Result<PaneView, ApiError>;

    /// Does the rest of an order that has stopped.
    async fn org_go_on(&self, run: SessionId) -> Result<PaneView, ApiError>;

    /// Lets administrators see subjects and addresses, or ends that.
    async fn org_support(&self, on: bool) -> Result<PaneView, ApiError>;

    /// Disconnects the integration user: its grant is shredded, and each mailbox asks for itself again.
    ///
    /// # Errors
    /// [`ApiError::WrongState`]: none is connected.
    async fn org_disconnect(&self) -> Result<PaneView, ApiError>;
}
