mod item;
mod organisation;
mod settings;

use std::sync::Arc;

pub use organisation::{OrgPick, OrgTarget, OrganisationBackend};
pub use settings::SettingsBackend;

use async_trait::async_trait;
use tandem_types::{
    ActivateExchange, ApiError, ConnectOffice, IssueCure, IssueId, OfficeAnswer, PaneView, Refused,
    SessionId, Ticket, UndoView,
};

pub use item::ItemBackend;

/// The only door from the user interface to the server.
///
/// One value per request, bound to the web session that the request proved; the server provides it by context. All
/// calls but [`Backend::pane`] answer [`ApiError::SignedOut`] without such a session, and all that change something
/// return the view as it is afterwards.
#[async_trait]
pub trait Backend: ItemBackend + SettingsBackend + OrganisationBackend + Send + Sync {
    /// What the pane shows. Without a web session: the signed-out view, never an error for that reason.
    async fn pane(&self) -> Result<PaneView, ApiError>;

    /// Tries the login once, stores it if it was accepted, and makes the first session due.
    async fn connect_exchange(&self, form: ActivateExchange) -> Result<PaneView, Refused>;

    /// Connects the mailbox of the account that has just signed in with Microsoft, for this session's user and no other.
    async fn connect_office(&self, form: ConnectOffice) -> Result<OfficeAnswer, ApiError>;

    /// The activation dialog does not open by itself again until the sixth refusal.
    async fn skip_activation(&self) -> Result<PaneView, ApiError>;

    /// *Start* on the preview, *Go on* at the brake: lets this round through.
    async fn release(&self) -> Result<PaneView, ApiError>;

    /// *Cancel* at the brake: nothing is written; the connection pauses.
    async fn hold(&self) -> Result<PaneView, ApiError>;

    /// Makes a session due now.
    async fn sync_now(&self) -> Result<PaneView, ApiError>;

    async fn pause(&self) -> Result<PaneView, ApiError>;

    /// Ends a pause.
    async fn start(&self) -> Result<PaneView, ApiError>;

    /// Revokes and shreds the credentials; keeps every item on both sides. `remove_items`: what Tandem made in the mailbox
    /// goes to its Deleted Items before, in a session of its own.
    async fn deactivate(&self, remove_items: bool) -> Result<PaneView, ApiError>;

    /// Takes a deactivation back that is still removing items.
    async fn keep_sync(&self) -> Result<PaneView, ApiError>;

    /// Does what the user chose about an issue. `choice`: the id that [`IssueCure::PickMatch`] and [`IssueCure::LinkTo`]
    /// need; the others take none.
    async fn cure(
        &self,
        issue: IssueId,
        cure: IssueCure,
        choice: Option<String>,
    ) -> Result<PaneView, ApiError>;

    /// Takes back what a session of the viewer's wrote, where nobody has changed it since. Waits until it is done.
    async fn undo_session(&self, session: SessionId) -> Result<UndoView, ApiError>;

    /// About how many mails a back-fill of these days would look at. `from`, `to`: `YYYY-MM-DD`, both included.
    async fn estimate_backfill(&self, from: String, to: String) -> Result<u32, ApiError>;

    /// Begins a back-fill of these days; the next sessions do it part by part.
    async fn start_backfill(&self, from: String, to: String) -> Result<PaneView, ApiError>;

    /// Ends a back-fill; what is saved stays.
    async fn cancel_backfill(&self) -> Result<PaneView, ApiError>;

    /// Ends the web session, not the sync.
    async fn sign_out(&self) -> Result<PaneView, ApiError>;

    /// A ticket for one stream of events.
    async fn ticket(&self) -> Result<Ticket, ApiError>;
}

/// The request's [`Backend`], as the server provided it.
///
/// # Panics
/// If the server provided none: a wiring fault that the first request of any test shows.
pub fn backend() -> Arc<dyn Backend> {
    leptos::prelude::expect_context::<Arc<dyn Backend>>()
}
