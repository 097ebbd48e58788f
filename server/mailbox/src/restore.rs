//! Taking deletes back: from Deleted Items to the folder of the kind.

use std::collections::HashMap;

use tandem_sync::Fault;
use tandem_sync::model::{Outcome, Refusal, Trace};
use tandem_types::ItemKind;

use crate::client::Effect;
use crate::error::ResponseError;
use crate::ews::find_item::Wanted;
use crate::ews::get_item::Shape;
use crate::ews::write_items;
use crate::held::Held;
use crate::mailbox::Ews;
use crate::reading::Got;
use crate::writing::told;

impl Ews {
    pub(crate) async fn bring_back(&self, gone: &[Trace]) -> Result<Vec<Outcome>, Fault> {
        if gone.is_empty() {
            return Ok(Vec::new());
        }
        let tree = self.tree().await?;
        // Gone for good is what no id and no key leads to; of one that cannot be read or looked for nothing is said.
        let mut outcomes: Vec<Outcome> = gone.iter().map(|_| Outcome::Missing).collect();
        let mut found: Vec<Option<Held>> = self.by_ids(gone, &mut outcomes).await?;
        self.by_keys(gone, &mut found, &mut outcomes).await?;
        for kind in ItemKind::ALL {
            let mut asked: Vec<(usize, &str)> = Vec::new();
            for (at, held) in found.iter().enumerate() {
                match held {
                    Some(held) if gone[at].kind != kind || held.kind() != kind => {}
                    Some(held) if tree.is_deleted(held.folder()) => asked.push((at, held.id())),
                    // It is back already, or was never gone.
                    Some(held) => outcomes[at] = written(held, &tree.places),
                    None => {}
                }
            }
            if asked.is_empty() {
                continue;
            }
            let folder = match (kind, tree.places.ours(kind)) {
                (ItemKind::Email, _) => tree.places.inbox.clone(),
                (_, Some(folder)) => folder.to_owned(),
                (_, None) => self.ensure_folder(kind).await?,
            };
            self.move_back(kind, &folder, &asked, &mut outcomes).await?;
        }
        Ok(outcomes)
    }

    async fn by_ids(&self, gone: &[Trace], outcomes: &mut [Outcome]) -> Result<Vec<Option<Held>>, Fault> {
        let ids: Vec<String> = gone.iter().map(|trace| trace.id.0.clone()).collect();
        let shapes: Vec<Shape> = gone.iter().map(|trace| Shape::Of(trace.kind)).collect();
        let mut found = Vec::with_capacity(gone.len());
        for (outcome, got) in outcomes.iter_mut().zip(self.get_shaped(&ids, &shapes).await?) {
            found.push(match got {
                Got::Item(held) => Some(held),
                Got::Unreadable(refusal) if refusal.retry => {
                    *outcome = Outcome::Refused(refusal);
                    None
                }
                Got::Unreadable(_) | Got::Missing | Got::Other => None,
            });
        }
        Ok(found)
    }

    /// A move to Deleted Items gives an item another id: there it is found by its key.
    async fn by_keys(
        &self,
        gone: &[Trace],
        found: &mut [Option<Held>],
        outcomes: &mut [Outcome],
    ) -> Result<(), Fault> {
        let tree = self.tree().await?;
        for kind in ItemKind::ALL {
            let open: Vec<&str> = gone
                .iter()
                .zip(found.iter())
                .filter(|(trace, held)| trace.kind == kind && held.is_none() && !trace.key.0.is_empty())
                .map(|(trace, _)| trace.key.0.as_str())
                .collect();
            if open.is_empty() {
                continue;
            }
            let wanted: Vec<Wanted<'_>> = open.into_iter().map(Wanted::Key).collect();
            let (likely, _) = tree.likely_and_others(kind);
            let search = self.search(&likely, &wanted).await?;
            let mut by_key: HashMap<String, Held> = HashMap::new();
            let mut unreadable: HashMap<String, Refusal> = HashMap::new();
            let ids = search.ids();
            for ((_, row), got) in search.found.iter().zip(self.get(&ids, Shape::Of(kind)).await?) {
                let Some(key) = row.key().map(str::to_owned) else {
                    continue;
                };
                match got {
                    // One that is alive outweighs one that is deleted.
                    Got::Item(held) => {
                        let better = by_key
                            .get(&key)
                            .is_none_or(|other| tree.is_deleted(other.folder()));
                        if better {
                            by_key.insert(key, held);
                        }
                    }
                    Got::Unreadable(refusal) => {
                        unreadable.insert(key, refusal);
                    }
                    Got::Missing | Got::Other => {}
                }
            }
            for (at, trace) in gone.iter().enumerate() {
                if trace.kind != kind || found[at].is_some() {
                    continue;
                }
                found[at] = by_key.get(&trace.key.0).cloned();
                if let Some(refusal) = unreadable.get(&trace.key.0) {
                    outcomes[at] = Outcome::Refused(refusal.clone());
                } else if search.failed > 0 && !trace.key.0.is_empty() && outcomes[at] == Outcome::Missing {
                    outcomes[at] = Outcome::InDoubt;
                }
            }
        }
        Ok(())
    }

    async fn move_back(
        &self,
        kind: ItemKind,
        folder: &str,
        asked: &[(usize, &str)],
        outcomes: &mut [Outcome],
    ) -> Result<(), Fault> {
        let refs: Vec<&str> = asked.iter().map(|(_, id)| *id).collect();
        let messages: Vec<Result<String, ResponseError>> = self
            .client
            .call(
                write_items::MOVE,
                Effect::Writes,
                write_items::move_to(folder, &refs),
                write_items::payload,
            )
            .await
            .map_err(|error| error.into_fault(write_items::MOVE, true))?;
        let mut moved: Vec<(usize, String)> = Vec::new();
        for ((at, _), message) in asked.iter().zip(messages) {
            match message {
                Ok(id) if !id.is_empty() => moved.push((*at, id)),
                Ok(_) => outcomes[*at] = Outcome::InDoubt,
                Err(error) => outcomes[*at] = told(error),
            }
        }
        let ids: Vec<String> = moved.iter().map(|(_, id)| id.clone()).collect();
        let places = self.places().await?;
        // They are back, whether they can be read now or not.
        let got = match self.get(&ids, Shape::Of(kind)).await {
            Ok(got) => got,
            Err(fault) => {
                tracing::warn!(%fault, "what was brought back cannot be read");
                Vec::new()
            }
        };
        let mut got = got.into_iter();
        for (at, _) in moved {
            outcomes[at] = match got.next() {
                Some(Got::Item(held)) => written(&held, &places),
                _ => Outcome::InDoubt,
            };
        }
        Ok(())
    }
}

fn written(held: &Held, places: &crate::places::Places) -> Outcome {
    Outcome::Written {
        now: Box::new(held.snapshot(places)),
        replaced: std::collections::BTreeMap::new(),
        left: None,
    }
}
