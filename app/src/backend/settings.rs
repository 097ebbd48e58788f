use std::collections::BTreeMap;

use async_trait::async_trait;
use tandem_types::{
    ApiError, HistoryView, IssueCode, IssueCure, IssueId, IssuePage, ItemKind, MappingRow, PaneView,
    ProbeView, SessionId, SettingKey, SettingsView, Side, Timestamp,
};

/// What the settings page asks for and orders, beside what the pane does.
#[async_trait]
pub trait SettingsBackend: Send + Sync {
    /// What the forms start from.
    async fn settings(&self) -> Result<SettingsView, ApiError>;

    /// Takes a form's fields, by the words of [`SettingKey`]: what is as the organisation has it is no choice of the
    /// user's own. Takes effect with the next session.
    ///
    /// # Errors
    /// [`tandem_types::InvalidField::Setting`]: nothing is written then.
    async fn save_settings(&self, fields: BTreeMap<String, String>) -> Result<PaneView, ApiError>;

    /// Takes the user's own choices back.
    async fn reset_settings(&self, keys: Vec<SettingKey>) -> Result<PaneView, ApiError>;

    /// A page of the sessions that are kept, newest first, from the one after `before`.
    async fn history(&self, before: Option<SessionId>) -> Result<HistoryView, ApiError>;

    /// A page of the open issues that are picked, from the `skip`-th.
    async fn issue_page(
        &self,
        kind: Option<ItemKind>,
        code: Option<IssueCode>,
        skip: u32,
    ) -> Result<IssuePage, ApiError>;

    /// [`IssueCure::Retry`] or [`IssueCure::Ignore`] for several issues at once. Those that are no longer open are passed
    /// over.
    async fn cure_issues(&self, issues: Vec<IssueId>, cure: IssueCure) -> Result<PaneView, ApiError>;

    /// Tries what a session would, step by step, and writes nothing. A password that was refused is not sent again.
    async fn probe(&self, side: Side) -> Result<ProbeView, ApiError>;

    /// Since when the organisation's administrators may see the user's mailbox address and subjects; `None`: they may not.
    async fn seen_by_administrators(&self) -> Result<Option<Timestamp>, ApiError>;

    /// Which field of Salesforce holds what of the mailbox.
    async fn mapping(&self) -> Result<Vec<MappingRow>, ApiError>;
}
