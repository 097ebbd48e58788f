//! Exchange Online as a mailbox: Microsoft Graph, version 1.0.
//! <https://learn.microsoft.com/graph/api/overview>
//!
//! Items are turned into the same neutral words as those of Exchange Web Services ([`crate::held`]), so that a mailbox that
//! moves to the cloud holds what it held. What differs:
//!
//! - Ids are immutable: a move within the mailbox keeps them.
//! - What changed comes from a delta of each folder, and all of them are asked for in one batch.
//! - Graph has no switch against mail to attendees: what would send one is not done (see [`writing`]).

mod ask;
mod candidates;
mod changes;
mod client;
mod contact;
mod cursor;
mod error;
mod event;
mod folders;
mod ground;
mod history;
mod item;
mod mail;
mod messages;
mod property;
mod reading;
mod restore;
mod task;
mod times;
mod who;
mod writing;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tandem_net::Net;
use tandem_sync::Fault;
use tandem_sync::model::{
    Candidate, Changes, Cursor, Fate, ItemId, LinkKey, MatchKey, Message, Outcome, Profiles, Refusal, Rival,
    Snapshot, Trace, Want, Window, Write,
};
use tandem_sync::ports::{Endpoint, Mailbox};
use tandem_types::{AttachmentRules, ItemKind, Timestamp};

pub use client::{GraphAccount, GraphLimits};
pub use error::not_in_cloud;
pub use who::{WhoAmI, whoami};

use crate::folders::Tree;
use crate::mailbox::profile;
use crate::microsoft::Tokens;
use crate::rivals;
use crate::zones::Written;
use client::Client;
use ground::Ground;

/// Writes in one call of [`Endpoint::write`]: four batches.
const BATCH: usize = 4 * client::PARTS;

/// One mailbox in Exchange Online, for one session, over Microsoft Graph.
pub struct Graph {
    client: Client,
    /// The mailbox's own address, lower case.
    address: String,
    known: Mutex<Known>,
}

/// What a session has learnt.
#[derive(Default)]
struct Known {
    ground: Option<Ground>,
    tree: Option<Arc<Tree>>,
    /// The chosen folders of mail, as the settings name them.
    paths: Vec<String>,
    kinds: HashMap<String, ItemKind>,
    window: Option<Window>,
    tasks_since: Option<Timestamp>,
    /// The user's zone; the default one: looked for, and not found.
    home: Option<Written>,
    /// All calendars but the default one.
    calendars: Option<Vec<String>>,
    unreadable: Vec<(ItemKind, ItemId, Refusal)>,
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// As the engine would see an item of which this is the JSON; `None` where it is passed over.
#[cfg(feature = "fuzzing")]
pub(crate) fn shown(kind: ItemKind, json: serde_json::Value) -> Option<Snapshot> {
    let item = item::read(kind, json, "list", &Ground::default()).item()?;
    Some(item.held.snapshot(&Ground::default().places))
}

impl Graph {
    pub fn new(net: Net, account: GraphAccount, tokens: Arc<dyn Tokens>, limits: GraphLimits) -> Self {
        Self {
            address: account.address.trim().to_lowercase(),
            client: Client::new(net, account.url, tokens, limits),
            known: Mutex::new(Known::default()),
        }
    }

    fn note_unreadable(&self, kind: ItemKind, id: &str, refusal: Refusal) {
        tracing::warn!(?kind, "an item cannot be read, and is passed over");
        self.with_known(|known| known.unreadable.push((kind, ItemId(id.to_owned()), refusal)));
    }

    /// Runs `change` on what is known. Never held across an await.
    fn with_known<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        change(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Endpoint for Graph {
    async fn profile(&self) -> Result<Profiles, Fault> {
        Ok(Profiles(
            ItemKind::ALL
                .into_iter()
                .map(|kind| (kind, profile(kind)))
                .collect(),
        ))
    }

    async fn changes(&self, since: Option<&Cursor>, want: &Want) -> Result<Changes, Fault> {
        self.read_changes(since, want).await
    }

    fn unreadable(&self) -> Vec<(ItemKind, ItemId, Refusal)> {
        self.with_known(|known| std::mem::take(&mut known.unreadable))
    }

    async fn read(&self, ids: &[ItemId]) -> Result<Vec<Option<Snapshot>>, Fault> {
        self.read_items(ids).await
    }

    async fn fates(&self, asked: &[Trace]) -> Result<Vec<Fate>, Fault> {
        self.find_fates(asked).await
    }

    async fn candidates(&self, keys: &[MatchKey]) -> Result<Vec<Vec<Candidate>>, Fault> {
        self.find_candidates(keys).await
    }

    async fn created(
        &self,
        kind: ItemKind,
        keys: &[LinkKey],
        _since: Timestamp,
    ) -> Result<Vec<Snapshot>, Fault> {
        self.find_created(kind, keys).await
    }

    async fn restore(&self, gone: &[Trace]) -> Result<Vec<Outcome>, Fault> {
        self.bring_back(gone).await
    }

    async fn rivals(&self) -> Result<Vec<Rival>, Fault> {
        Ok(rivals::among(&self.tree().await?.folders))
    }

    fn batch(&self) -> usize {
        BATCH
    }

    async fn write(&self, writes: &[Write]) -> Result<Vec<Outcome>, Fault> {
        self.write_batch(writes).await
    }
}

#[async_trait]
impl Mailbox for Graph {
    async fn prepare(&self) -> Result<(), Fault> {
        self.ensure_folders().await?;
        self.ensure_categories().await
    }

    async fn messages(
        &self,
        ids: &[ItemId],
        files: &AttachmentRules,
    ) -> Result<Vec<Result<Message, Refusal>>, Fault> {
        self.read_messages(ids, files).await
    }

    async fn named_by_outlook(&self, id: &str) -> Result<Option<ItemId>, Fault> {
        self.immutable_id(id).await
    }

    async fn history(&self, window: Window, want: &Want, after: Option<&Cursor>) -> Result<Changes, Fault> {
        self.list_history(window, want, after).await
    }

    async fn estimate(&self, window: Window, want: &Want) -> Result<u32, Fault> {
        self.count_history(window, want).await
    }
}
