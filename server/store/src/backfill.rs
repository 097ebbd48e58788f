//! Saving of older mails, as the user orders it.

use tandem_sync::ports::Backfill;
use tandem_types::{ConnectionId, Timestamp};

use crate::db::{json, vals};
use crate::{Store, StoreError};

impl Store {
    /// Begins a back-fill: the next session does its first part, and is due now.
    ///
    /// # Errors
    /// [`StoreError::Taken`]: one is under way. [`StoreError::NotFound`]: there is no such connection, or no mailbox.
    pub async fn start_backfill(
        &self,
        id: &ConnectionId,
        backfill: &Backfill,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let select = "SELECT backfill FROM connections \
             WHERE id = $1 AND state NOT IN ('deactivated', 'not_activated')";
        let row = tx.row(format!("{select}{}", tx.for_update()), vals![id]).await?;
        let row = row.ok_or(StoreError::NotFound("connection"))?;
        let stored: Option<Backfill> = row.opt_json("backfill")?;
        if stored.is_some_and(|stored| !stored.finished) {
            return Err(StoreError::Taken("back-fill"));
        }
        // A password that was refused is not sent again for this: what waits for its time goes on waiting.
        tx.exec(
            "UPDATE connections SET backfill = $2, \
             due_at = CASE WHEN state = 'active' AND reason IS NULL AND rejections = 0 THEN $3 ELSE due_at END, \
             woken = CASE WHEN lease_session IS NOT NULL AND state = 'active' AND reason IS NULL \
             AND rejections = 0 THEN 1 ELSE woken END, updated_at = $3 WHERE id = $1",
            vals![id, json(backfill)?, now],
        )
        .await?;
        tx.commit().await
    }

    /// Ends it after what a running session has in hand; what is saved stays. False: none is under way.
    pub async fn cancel_backfill(&self, id: &ConnectionId, now: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let select = "SELECT backfill FROM connections WHERE id = $1";
        let row = tx.row(format!("{select}{}", tx.for_update()), vals![id]).await?;
        let row = row.ok_or(StoreError::NotFound("connection"))?;
        let stored: Option<Backfill> = row.opt_json("backfill")?;
        if stored.is_none_or(|stored| stored.finished) {
            return Ok(false);
        }
        tx.exec(
            "UPDATE connections SET backfill = NULL, updated_at = $2 WHERE id = $1",
            vals![id, now],
        )
        .await?;
        tx.commit().await?;
        Ok(true)
    }
}
