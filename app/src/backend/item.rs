use async_trait::async_trait;
use tandem_types::{ApiError, ItemView, LinkTo, OpenItem, PersonDraft, PersonKind, SaveOrder};

/// What the pane asks and orders about the item that is open in Outlook.
///
/// Each answers with the panel as it is afterwards. What a provider refuses or does not answer in time is told in the
/// view ([`ItemView::trouble`]), which then has what is known without it; an error is only what no panel can tell.
#[async_trait]
pub trait ItemBackend {
    /// What is known at once: never waits for a provider.
    async fn item(&self, item: OpenItem) -> Result<ItemView, ApiError>;

    /// All of it, from the mail server and Salesforce.
    async fn item_whole(&self, item: OpenItem) -> Result<ItemView, ApiError>;

    /// Looks for records to link it to.
    async fn item_search(&self, item: OpenItem, query: String, to: LinkTo) -> Result<ItemView, ApiError>;

    /// Saves it with these links; where it is saved already, links it anew.
    async fn save_item(&self, item: OpenItem, order: SaveOrder) -> Result<ItemView, ApiError>;

    /// Takes a saved event out of Salesforce again, as the category *Salesforce Unsync* does. A saved mail stands.
    async fn unsave_item(&self, item: OpenItem) -> Result<ItemView, ApiError>;

    /// Puts an address, or `@` and a domain, on the user's own blocklist.
    async fn block_address(&self, item: OpenItem, blocked: String) -> Result<ItemView, ApiError>;

    /// Takes it off again.
    async fn unblock_address(&self, item: OpenItem, blocked: String) -> Result<ItemView, ApiError>;

    /// Fills the form for a new lead or contact: by the name, the address, and the signature in [`OpenItem::text`].
    async fn draft_person(
        &self,
        item: OpenItem,
        address: String,
        kind: PersonKind,
    ) -> Result<ItemView, ApiError>;

    /// Creates it in Salesforce. Of `draft.account` only the id counts.
    async fn create_person(&self, item: OpenItem, draft: PersonDraft) -> Result<ItemView, ApiError>;

    /// Writes one field of a record.
    async fn edit_record(
        &self,
        item: OpenItem,
        record: String,
        field: String,
        value: String,
    ) -> Result<ItemView, ApiError>;

    /// A call with whom this record is, that has just been made.
    async fn log_call(
        &self,
        item: OpenItem,
        record: String,
        subject: String,
        text: String,
    ) -> Result<ItemView, ApiError>;

    /// A task about this record. `due`: `YYYY-MM-DD`.
    async fn add_task(
        &self,
        item: OpenItem,
        record: String,
        subject: String,
        due: Option<String>,
    ) -> Result<ItemView, ApiError>;

    /// What stands behind *More* on a record's card.
    async fn record_detail(&self, item: OpenItem, record: String) -> Result<ItemView, ApiError>;
}
