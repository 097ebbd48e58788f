//! Mails of a range of dates, for a back-fill.

use serde::{Deserialize, Serialize};
use tandem_sync::model::{Change, Changes, Cursor, Kinds, Want, Window, instant as write_instant};
use tandem_sync::{Fault, FaultKind};
use tandem_types::ItemKind;

use crate::changes::STEP_BACK;
use crate::client::{Effect, grave};
use crate::ews::find_item::{self, ItemPage};
use crate::ews::get_item::Shape;
use crate::ews::message::{self, Older, Range};
use crate::held::Held;
use crate::mailbox::Ews;
use crate::places::Places;
use crate::reading::Got;

/// Where a reading goes on.
#[derive(Serialize, Deserialize)]
struct At {
    /// The folders that are left; the first one is under way.
    folders: Vec<String>,
    offset: u32,
    /// The last mails of the page before: the next one begins a little earlier, and none is listed twice.
    #[serde(default)]
    last: Vec<String>,
}

impl Ews {
    pub(crate) async fn list_history(
        &self,
        window: Window,
        want: &Want,
        after: Option<&Cursor>,
    ) -> Result<Changes, Fault> {
        let places = self.history_places(want).await?;
        let mut at = match after {
            None => At {
                folders: places
                    .of(ItemKind::Email)
                    .into_iter()
                    .map(str::to_owned)
                    .collect(),
                offset: 0,
                last: Vec::new(),
            },
            Some(cursor) => serde_json::from_str(&cursor.0).map_err(|_| {
                Fault::new(
                    FaultKind::CursorExpired,
                    "the cursor of the back-fill cannot be read",
                )
            })?,
        };
        let mut items = Vec::new();
        if let Some(folder) = at.folders.first().cloned() {
            let (mut ids, next) = self.mail_page(&folder, &range(window), at.offset).await?;
            let last = std::mem::take(&mut at.last);
            at.offset = next.unwrap_or_default();
            if next.is_none() {
                at.folders.remove(0);
            } else {
                let again = ids.len().saturating_sub(STEP_BACK as usize);
                at.last = ids[again..].to_vec();
            }
            ids.retain(|id| !last.contains(id));
            for (id, got) in ids.iter().zip(self.get(&ids, Shape::Of(ItemKind::Email)).await?) {
                match got {
                    Got::Item(Held::Mail(mail)) if mail.at() >= window.from && mail.at() < window.to => {
                        items.push(Change::Present(Box::new(mail.snapshot(&places))));
                    }
                    Got::Unreadable(refusal) => self.note_unreadable(ItemKind::Email, id, refusal),
                    _ => {}
                }
            }
        }
        let more = !at.folders.is_empty();
        let cursor = serde_json::to_string(&at).map_err(|_| Fault::fatal("the cursor cannot be written"))?;
        Ok(Changes {
            items,
            cursor: Cursor(cursor),
            more,
            full: Kinds::NONE,
        })
    }

    /// One request, however many folders.
    pub(crate) async fn count_history(&self, window: Window, want: &Want) -> Result<u32, Fault> {
        let places = self.history_places(want).await?;
        let folders = places.of(ItemKind::Email);
        if folders.is_empty() {
            return Ok(0);
        }
        let messages: Vec<Result<ItemPage, _>> = self
            .client
            .call(
                find_item::NAME,
                Effect::Reads,
                message::find(&folders, &range(window), 0, 1),
                find_item::payload,
            )
            .await
            .map_err(|error| error.into_fault(find_item::NAME, false))?;
        grave(find_item::NAME, &messages)?;
        // A folder that cannot be counted is left out: this is an estimate.
        Ok(messages
            .into_iter()
            .filter_map(Result::ok)
            .fold(0, |sum, page| sum.saturating_add(page.total)))
    }

    async fn history_places(&self, want: &Want) -> Result<Places, Fault> {
        let known = self.with_known(|known| {
            let same = known.paths == want.mail_folders;
            known.paths.clone_from(&want.mail_folders);
            known.places.clone().filter(|_| same)
        });
        match known {
            Some(places) => Ok(places),
            None => Ok(self.fresh_tree().await?.places.clone()),
        }
    }
}

fn range(window: Window) -> Range {
    Range {
        from: write_instant(window.from),
        to: Some(write_instant(window.to)),
        modified: None,
        older: Older::None,
    }
}
