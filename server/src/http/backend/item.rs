//! The item that is open in Outlook.

use async_trait::async_trait;
use tandem_app::ItemBackend;
use tandem_types::{ApiError, ItemState, ItemView, OpenItem, SyncState};

use super::RequestBackend;

#[async_trait]
impl ItemBackend for RequestBackend {
    async fn item(&self, item: OpenItem) -> Result<ItemView, ApiError> {
        let known = self.need().await?;
        let off = known.row.mailbox.is_none() || known.row.state != SyncState::Active;
        Ok(ItemView::new(
            item,
            if off {
                ItemState::SyncOff
            } else {
                ItemState::Unknown
            },
        ))
    }
}
