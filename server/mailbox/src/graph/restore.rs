//! Taking deletes back.
//!
//! Graph moves mails, and nothing else: a contact or an event stays in Deleted Items until the user takes it out there. A
//! To Do task that was deleted is not shown at all.
//! <https://learn.microsoft.com/graph/api/message-move>

use std::collections::BTreeMap;

use serde_json::json;
use tandem_sync::Fault;
use tandem_sync::model::{Outcome, Refusal, Trace};
use tandem_types::{IssueCode, ItemKind};

use super::Graph;
use super::ask::Ask;
use super::client::PARTS;
use super::item::{Got, Item, path};
use super::reading::is_deleted;
use super::writing::told;
use crate::client::Effect;
use crate::held::Held;
use crate::places::Places;

impl Graph {
    pub(crate) async fn bring_back(&self, gone: &[Trace]) -> Result<Vec<Outcome>, Fault> {
        if gone.is_empty() {
            return Ok(Vec::new());
        }
        let tree = self.tree().await?;
        // Gone for good is what no id and no key leads to; of one that cannot be read or looked for nothing is said.
        let mut outcomes: Vec<Outcome> = gone.iter().map(|_| Outcome::Missing).collect();
        let mut found: Vec<Option<Item>> = Vec::with_capacity(gone.len());
        let asked: Vec<(ItemKind, String)> = gone
            .iter()
            .map(|trace| (trace.kind, trace.id.0.clone()))
            .collect();
        for (outcome, got) in outcomes.iter_mut().zip(self.get(&asked).await?) {
            found.push(match got {
                Got::Item(item) => Some(*item),
                Got::Missing => None,
                Got::Unreadable(refusal) => {
                    *outcome = Outcome::Refused(refusal);
                    None
                }
            });
        }
        for kind in ItemKind::ALL {
            let open: Vec<&str> = gone
                .iter()
                .zip(&found)
                .filter(|(trace, item)| trace.kind == kind && item.is_none())
                .map(|(trace, _)| trace.key.0.as_str())
                .collect();
            let search = self.by_keys(kind, &open).await?;
            for (at, trace) in gone.iter().enumerate() {
                if trace.kind != kind || found[at].is_some() || trace.key.0.is_empty() {
                    continue;
                }
                // One that is alive outweighs one that is deleted.
                found[at] = search
                    .found
                    .iter()
                    .filter(|item| item.held.key() == Some(trace.key.0.as_str()))
                    .min_by_key(|item| is_deleted(&tree, &item.held))
                    .cloned();
                if search.failed > 0 && outcomes[at] == Outcome::Missing {
                    outcomes[at] = Outcome::InDoubt;
                }
            }
        }
        let mut moves: Vec<(usize, Ask)> = Vec::new();
        for (at, item) in found.iter().enumerate() {
            let Some(Item { held, .. }) = item else {
                // Of these Graph shows none that was deleted: nobody can tell whether it is gone for good.
                if matches!(gone[at].kind, ItemKind::Event | ItemKind::Task)
                    && outcomes[at] == Outcome::Missing
                {
                    outcomes[at] =
                        by_the_user("If it still lies in Deleted Items, restore it there in Outlook.");
                }
                continue;
            };
            outcomes[at] = if !is_deleted(&tree, held) {
                // It is back already, or was never gone.
                written(held, &tree.places)
            } else if held.kind() == ItemKind::Email {
                let path = format!("{}/move", path(ItemKind::Email, held.id()));
                moves.push((at, Ask::post(path, json!({ "destinationId": tree.places.inbox }))));
                Outcome::InDoubt
            } else {
                by_the_user("It lies in Deleted Items: restore it there in Outlook.")
            };
        }
        for lot in moves.chunks(PARTS) {
            let asks: Vec<Ask> = lot.iter().map(|(_, ask)| ask.clone()).collect();
            let parts = self
                .client
                .batch(&asks, Effect::Writes)
                .await
                .map_err(|error| error.into_fault("moving mails back", true))?;
            let mut moved = Vec::new();
            for ((at, _), part) in lot.iter().zip(parts) {
                match part {
                    Ok(body) => moved.push((*at, body["id"].as_str().unwrap_or_default().to_owned())),
                    Err(problem) => outcomes[*at] = told(&problem),
                }
            }
            let asked: Vec<(ItemKind, String)> = moved
                .iter()
                .map(|(_, id)| (ItemKind::Email, id.clone()))
                .collect();
            // They are back, whether they can be read now or not.
            let got = match self.get(&asked).await {
                Ok(got) => got,
                Err(fault) => {
                    tracing::warn!(%fault, "what was brought back cannot be read");
                    continue;
                }
            };
            for ((at, _), got) in moved.into_iter().zip(got) {
                if let Got::Item(item) = got {
                    outcomes[at] = written(&item.held, &tree.places);
                }
            }
        }
        Ok(outcomes)
    }
}

/// Microsoft lets nobody else do it.
fn by_the_user(how: &str) -> Outcome {
    Outcome::Refused(Refusal {
        code: IssueCode::ChangeInOutlook,
        message: how.to_owned(),
        fields: vec![],
        retry: false,
    })
}

fn written(held: &Held, places: &Places) -> Outcome {
    Outcome::Written {
        now: Box::new(held.snapshot(places)),
        replaced: BTreeMap::new(),
        left: None,
    }
}
