//! What users ordered about single items, until a session has carried it out.

use tandem_sync::model::ItemId;
use tandem_sync::order::Order;
use tandem_types::{ConnectionId, Timestamp};

use crate::db::{from_json, json, vals};
use crate::seal::DataKey;
use crate::{Store, StoreError};

/// Of one connection: more than a person clicks while one session runs.
pub(crate) const ORDERS_MAX: u32 = 200;

/// An order that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRow {
    pub item: ItemId,
    pub order: Order,
    /// When it was given: a later one for the same item is another order.
    pub at: Timestamp,
    /// Sessions that came to no end with it.
    pub tries: u32,
}

fn aad(id: &ConnectionId, item: &str) -> String {
    format!("orders/{id}/{item}")
}

impl Store {
    /// Keeps an order; a later one for the same item replaces an earlier one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: there is no such connection, or no mailbox. [`StoreError::Taken`]: too many wait.
    pub async fn put_order(
        &self,
        id: &ConnectionId,
        item: &ItemId,
        order: &Order,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let select = "SELECT journal_key FROM connections WHERE id = $1 AND pair IS NOT NULL \
             AND state NOT IN ('deactivated', 'not_activated')";
        let row = tx.row(format!("{select}{}", tx.for_update()), vals![id]).await?;
        let row = row.ok_or(StoreError::NotFound("connection"))?;
        let key = DataKey::journal(id, row.blob("journal_key")?);
        let waiting = tx
            .row(
                "SELECT COUNT(*) AS n FROM orders o JOIN connections c ON c.id = o.connection_id \
                 AND c.pair = o.pair WHERE o.connection_id = $1 AND o.item <> $2",
                vals![id, &item.0],
            )
            .await?
            .ok_or(StoreError::NotFound("row"))?
            .count("n")?;
        if waiting >= ORDERS_MAX {
            return Err(StoreError::Taken("order"));
        }
        let sealed = self.seal(&key, &aad(id, &item.0), json(order)?.as_bytes())?;
        tx.exec(
            "INSERT INTO orders (connection_id, pair, org_id, user_id, item, sealed, at, tries) \
             SELECT id, pair, org_id, user_id, $2, $3, $4, 0 FROM connections WHERE id = $1 \
             ON CONFLICT (connection_id, pair, item) DO UPDATE SET sealed = excluded.sealed, at = excluded.at, \
             tries = 0",
            vals![id, &item.0, sealed, now],
        )
        .await?;
        tx.commit().await
    }

    /// The orders of the present pair, the oldest first.
    pub async fn orders(&self, id: &ConnectionId) -> Result<Vec<OrderRow>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT o.item, o.sealed, o.at, o.tries, c.journal_key FROM orders o JOIN connections c \
                 ON c.id = o.connection_id AND c.pair = o.pair AND c.org_id = o.org_id AND c.user_id = o.user_id \
                 WHERE o.connection_id = $1 ORDER BY o.at, o.item",
                vals![id],
            )
            .await?;
        rows.iter()
            .map(|row| {
                let item = row.text("item")?;
                let key = DataKey::journal(id, row.blob("journal_key")?);
                let text = self.unseal_text(&key, &aad(id, &item), &row.blob("sealed")?)?;
                Ok(OrderRow {
                    order: from_json(&text, "an order")?,
                    item: ItemId(item),
                    at: row.time("at")?,
                    tries: row.count("tries")?,
                })
            })
            .collect()
    }

    /// The order is done, or nothing can come of it; not one that was given since.
    pub async fn end_order(&self, id: &ConnectionId, item: &ItemId, at: Timestamp) -> Result<(), StoreError> {
        self.db
            .exec(
                "DELETE FROM orders WHERE connection_id = $1 AND item = $2 AND at = $3",
                vals![id, &item.0, at],
            )
            .await
            .map(|_| ())
    }

    /// A session came to no end with it.
    pub async fn order_tried(
        &self,
        id: &ConnectionId,
        item: &ItemId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.db
            .exec(
                "UPDATE orders SET tries = tries + 1 WHERE connection_id = $1 AND item = $2 AND at = $3",
                vals![id, &item.0, at],
            )
            .await
            .map(|_| ())
    }
}
