//! Mails of a range of dates, for a back-fill.

use serde::{Deserialize, Serialize};
use tandem_sync::model::{Change, Changes, Cursor, Kinds, Want, Window, instant as write_instant};
use tandem_sync::{Fault, FaultKind};
use tandem_types::ItemKind;

use super::Graph;
use super::ask::{Ask, escaped, with_query};
use super::error::CallError;
use super::ground::Ground;
use super::item::{self, Got, text};
use crate::held::Held;

const NAME: &str = "reading older mails";

/// Where a reading goes on.
#[derive(Serialize, Deserialize)]
struct At {
    /// The folders that are left; the first one is under way.
    folders: Vec<String>,
    next: Option<String>,
}

impl Graph {
    pub(crate) async fn list_history(
        &self,
        window: Window,
        want: &Want,
        after: Option<&Cursor>,
    ) -> Result<Changes, Fault> {
        let ground = self.history_ground(want).await?;
        let mut at = match after {
            None => At {
                folders: folders(&ground),
                next: None,
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
            let url = at.next.take().unwrap_or_else(|| {
                item::full(
                    ItemKind::Email,
                    &mails(&folder),
                    &[
                        ("$filter", &range(window)),
                        ("$orderby", "receivedDateTime"),
                        ("$top", "100"),
                    ],
                )
            });
            match self.client.page(&Ask::get(url)).await {
                Ok(page) => {
                    at.next = page.next;
                    for json in page.items {
                        let id = text(&json, "id").to_owned();
                        let got = item::read(ItemKind::Email, json, "", &ground);
                        self.remember(ItemKind::Email, &id, &got);
                        match got {
                            Got::Item(item) => {
                                if let Held::Mail(mail) = &item.held
                                    && mail.at() >= window.from
                                    && mail.at() < window.to
                                {
                                    items.push(Change::Present(Box::new(mail.snapshot(&ground.places))));
                                }
                            }
                            Got::Unreadable(refusal) => self.note_unreadable(ItemKind::Email, &id, refusal),
                            Got::Missing => {}
                        }
                    }
                }
                // A chosen folder may be taken away at any time: its mails are not looked at any more.
                Err(CallError::Answered(problem)) if problem.is_missing() => {}
                Err(error) => return Err(error.into_fault(NAME, false)),
            }
            if at.next.is_none() {
                at.folders.remove(0);
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

    /// One request for up to twenty folders.
    pub(crate) async fn count_history(&self, window: Window, want: &Want) -> Result<u32, Fault> {
        let ground = self.history_ground(want).await?;
        let asks: Vec<Ask> = folders(&ground)
            .iter()
            .map(|folder| {
                Ask::get(with_query(
                    &mails(folder),
                    &[
                        ("$filter", &range(window)),
                        ("$count", "true"),
                        ("$top", "1"),
                        ("$select", "id"),
                    ],
                ))
            })
            .collect();
        let mut sum = 0_u32;
        for part in self.parts(&asks).await? {
            // A folder that cannot be counted is left out: this is an estimate.
            let count = part.ok().and_then(|body| body["@odata.count"].as_u64());
            sum = sum.saturating_add(u32::try_from(count.unwrap_or_default()).unwrap_or(u32::MAX));
        }
        Ok(sum)
    }

    async fn history_ground(&self, want: &Want) -> Result<Ground, Fault> {
        let same = self.with_known(|known| {
            let same = known.paths == want.mail_folders && known.ground.is_some();
            known.paths.clone_from(&want.mail_folders);
            same
        });
        if !same {
            self.fresh_tree().await?;
        }
        self.ground().await
    }
}

fn folders(ground: &Ground) -> Vec<String> {
    let places = ground.places.of(ItemKind::Email);
    places.into_iter().map(str::to_owned).collect()
}

fn mails(folder: &str) -> String {
    format!("/me/mailFolders/{}/messages", escaped(folder))
}

fn range(window: Window) -> String {
    format!(
        "receivedDateTime ge {} and receivedDateTime lt {}",
        write_instant(window.from),
        write_instant(window.to)
    )
}
