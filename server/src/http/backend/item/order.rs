//! *Save*: an order that a session of its own carries out at once.

use std::collections::BTreeSet;
use std::time::Duration;

use tandem_sync::model::ItemId;
use tandem_sync::order::{Order, Ordered};
use tandem_sync::ports::StoreError;
use tandem_types::{
    ApiError, InvalidField, ItemKind, ItemState, ItemTrouble, ItemView, NotSaved, OpenItem, SaveOrder,
};

use super::super::{Known, RequestBackend};
use super::store;
use crate::worker::{cure, endpoints, order};

/// A pane waits so long for its order; it goes on without.
const WAIT: Duration = Duration::from_secs(15);
/// Salesforce takes so many people of one activity.
const WHO_MAX: usize = 50;

/// The ids that were chosen, if such links can be.
fn chosen(kind: ItemKind, order: &SaveOrder) -> Option<(Vec<ItemId>, Option<ItemId>)> {
    let is_id = |id: &str| id.len() == 18 && id.bytes().all(|b| b.is_ascii_alphanumeric());
    let mut who: Vec<ItemId> = Vec::new();
    for id in &order.who {
        if !is_id(id) || !(id.starts_with("003") || id.starts_with("00Q")) {
            return None;
        }
        if who.iter().all(|held| held.0 != *id) {
            who.push(ItemId(id.clone()));
        }
    }
    let lead = who.iter().any(|id| id.0.starts_with("00Q"));
    if who.len() > WHO_MAX || lead && who.len() > 1 {
        return None;
    }
    let what = match order.what.as_deref() {
        Some(id) if !is_id(id) || matches!(id.get(..3), Some("003" | "00Q" | "005")) => return None,
        // Salesforce keeps no *related to* beside an event's lead.
        Some(_) if lead && kind == ItemKind::Event => return None,
        what => what.map(|id| ItemId(id.to_owned())),
    };
    Some((who, what))
}

impl RequestBackend {
    pub(super) async fn save(
        &self,
        known: &Known,
        item: OpenItem,
        order: SaveOrder,
    ) -> Result<ItemView, ApiError> {
        let (who, what) = chosen(item.kind, &order).ok_or(ApiError::Invalid(InvalidField::Record))?;
        let row = &known.row;
        let view = self.at_once(known, item).await?;
        match view.state {
            ItemState::SyncOff | ItemState::OtherMailbox { .. } => return Err(ApiError::WrongState),
            ItemState::NotSaved(NotSaved::Off) => return Ok(view),
            _ => {}
        }
        if !cure::may_run(row) || !row.first_round_done {
            return Err(ApiError::WrongState);
        }
        let item = view.item;
        let id = match self.known_id(known, &item) {
            Some(id) => id,
            None => match self.named(known, &item).await? {
                Ok(Some(id)) => id,
                Ok(None) => return Err(ApiError::Invalid(InvalidField::Item)),
                Err(trouble) => {
                    let mut view = self.shown(known, item).await?;
                    view.trouble = Some(trouble);
                    return Ok(view);
                }
            },
        };
        let without: BTreeSet<String> = item
            .attachments
            .iter()
            .filter(|file| !file.inline && !order.attachments.contains(&file.id))
            .map(|file| file.name.clone())
            .collect();
        let ordered = Order {
            who,
            what,
            without,
            thread: order.thread,
            ..Order::default()
        };
        self.order(known, item, &id, ordered).await
    }

    /// Only what is kept in step can be taken out: a saved mail stands.
    pub(super) async fn unsave(&self, known: &Known, item: OpenItem) -> Result<ItemView, ApiError> {
        let view = self.at_once(known, item).await?;
        let saved = matches!(view.state, ItemState::Saved { .. });
        if view.item.kind != ItemKind::Event || !saved || !cure::may_run(&known.row) {
            return Err(ApiError::WrongState);
        }
        let id = self.known_id(known, &view.item).ok_or(ApiError::WrongState)?;
        let order = Order {
            out: true,
            ..Order::default()
        };
        self.order(known, view.item, &id, order).await
    }

    /// Keeps the order, begins with it, and shows what came of it in a moment.
    async fn order(
        &self,
        known: &Known,
        item: OpenItem,
        id: &ItemId,
        ordered: Order,
    ) -> Result<ItemView, ApiError> {
        let row = &known.row;
        let now = self.app.clock.now();
        match self.app.store.put_order(&row.id, id, &ordered, now).await {
            Ok(()) => {}
            Err(StoreError::NotFound(_) | StoreError::Taken(_)) => return Err(ApiError::WrongState),
            Err(error) => return Err(store(error)),
        }
        self.audit(known, "item_ordered", item.kind.as_str()).await?;
        let running = order::begin(&self.app, &row.id).await.map_err(store)?;
        let mut trouble = None;
        let mut reason = None;
        match running {
            None => trouble = Some(ItemTrouble::Busy),
            Some(running) => match tokio::time::timeout(WAIT, running).await {
                Ok(Ok(ended)) => match ended.get(id) {
                    Some(Ordered::NotSaved(said)) => reason = Some(*said),
                    Some(Ordered::Later) | None => trouble = Some(ItemTrouble::Busy),
                    Some(Ordered::Done(_) | Ordered::Refused | Ordered::Gone) => {}
                },
                Ok(Err(error)) => {
                    tracing::error!(%error, "an order broke off");
                    return Err(ApiError::Unavailable);
                }
                Err(_) => trouble = Some(ItemTrouble::Busy),
            },
        }
        let mut view = self.look_at(known, item).await?;
        view.trouble = view.trouble.or(trouble);
        let told = matches!(view.state, ItemState::Saved { .. } | ItemState::Issue(_));
        if let (Some(reason), false) = (reason, told) {
            view.state = ItemState::NotSaved(reason);
        }
        Ok(view)
    }

    /// The mailbox's own id of an item that was not looked at yet.
    async fn named(
        &self,
        known: &Known,
        item: &OpenItem,
    ) -> Result<Result<Option<ItemId>, ItemTrouble>, ApiError> {
        let Some(outlook) = item.id.as_deref() else {
            return Ok(Ok(None));
        };
        let mailbox = endpoints::mailbox(&self.app, &known.row).await.map_err(store)?;
        Ok(
            match tokio::time::timeout(WAIT, mailbox.named_by_outlook(outlook)).await {
                Ok(Ok(id)) => {
                    if let Some(id) = &id {
                        self.app.panels.note_id(&known.row.id, outlook, id.clone());
                    }
                    Ok(id)
                }
                Ok(Err(_)) | Err(_) => Err(ItemTrouble::MailboxSlow),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: &str = "003000000000001AAA";
    const LEAD: &str = "00Q000000000001AAA";
    const DEAL: &str = "006000000000001AAA";

    #[test]
    fn only_links_that_salesforce_can_hold_are_ordered() {
        let order = |who: &[&str], what: Option<&str>| SaveOrder {
            who: who.iter().map(|id| (*id).to_owned()).collect(),
            what: what.map(str::to_owned),
            ..SaveOrder::default()
        };
        let ok = |kind, who: &[&str], what| chosen(kind, &order(who, what)).is_some();
        assert!(ok(ItemKind::Email, &[], None));
        assert!(ok(ItemKind::Email, &[ADA, "003000000000002AAA"], Some(DEAL)));
        assert!(ok(ItemKind::Email, &[LEAD], Some(DEAL)));
        assert!(!ok(ItemKind::Event, &[LEAD], Some(DEAL)));
        assert!(!ok(ItemKind::Event, &[LEAD, ADA], None));
        assert!(!ok(ItemKind::Event, &[DEAL], None));
        assert!(!ok(ItemKind::Event, &[ADA], Some(ADA)));
        assert!(!ok(ItemKind::Event, &["003' OR Id != 'AA"], None));
        assert!(!ok(ItemKind::Event, &[], Some("x")));
        let (who, _) = chosen(ItemKind::Email, &order(&[ADA, ADA], None)).unwrap();
        assert_eq!(who.len(), 1);
    }
}
