//! Exchange as a [`Mailbox`].

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tandem_net::Net;
use tandem_sync::Fault;
use tandem_sync::model::{
    Access, Candidate, Changes, Cursor, Fate, Field, FieldRule, ItemId, LinkKey, MatchKey, Message, Outcome,
    Profile, Profiles, Refusal, Rival, Snapshot, Trace, Want, Window, Write,
};
use tandem_sync::ports::{Endpoint, Mailbox};
use tandem_types::{AttachmentRules, ItemKind, Timestamp};

use crate::client::{Client, Effect, EwsAccount, EwsLimits};
use crate::cursor::{Pull, State};
use crate::ews::notifications;
use crate::folders::Tree;
use crate::places::Places;
use crate::rivals;
use crate::writing::SENT_AT_ONCE;
use crate::zones::Written;

/// Writes in one call of [`Endpoint::write`]: three requests that write, and one that reads back what they have written.
const BATCH: usize = 3 * SENT_AT_ONCE;
/// Outlook's limit for one line of text.
const LINE: u32 = 255;

/// One Exchange mailbox, for one session, over Exchange Web Services.
///
/// Calls go out one after the other. Once the server has refused the password, nothing more is sent.
pub struct Ews {
    pub(crate) client: Client,
    /// The mailbox's own address, lower case.
    pub(crate) address: String,
    /// Where items are, as far as this session knows.
    known: Mutex<Known>,
}

/// What a session has learnt.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) places: Option<Places>,
    pub(crate) tree: Option<Arc<Tree>>,
    /// The chosen folders of mail, as the settings name them.
    pub(crate) paths: Vec<String>,
    pub(crate) kinds: HashMap<String, ItemKind>,
    /// How large the mails are that this session has read, those that can be read.
    pub(crate) sizes: HashMap<String, u64>,
    /// What the events of this round told, folder by folder.
    pub(crate) told: BTreeMap<String, Vec<Vec<String>>>,
    pub(crate) window: Option<Window>,
    pub(crate) tasks_since: Option<Timestamp>,
    /// The user's zone, from his own events; the default one: looked for, and not found.
    pub(crate) home: Option<Written>,
    unreadable: Vec<(ItemKind, ItemId, Refusal)>,
}

impl fmt::Debug for Ews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ews")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl Ews {
    pub fn new(net: Net, account: EwsAccount) -> Self {
        Self::with_limits(net, account, EwsLimits::default())
    }

    pub fn with_limits(net: Net, account: EwsAccount, limits: EwsLimits) -> Self {
        Self {
            address: account.address.trim().to_lowercase(),
            client: Client::new(net, account, limits),
            known: Mutex::new(Known::default()),
        }
    }

    /// Ends the subscription that a cursor holds. For a connection that is deactivated; the server forgets it by itself
    /// after a day.
    pub async fn unsubscribe(&self, cursor: &Cursor) -> Result<(), Fault> {
        let Some(pull) = State::parse(cursor).ok().and_then(|state| state.pull) else {
            return Ok(());
        };
        self.end_subscription(&pull).await
    }

    pub(crate) async fn end_subscription(&self, pull: &Pull) -> Result<(), Fault> {
        self.client
            .call_one(
                notifications::UNSUBSCRIBE,
                Effect::Writes,
                notifications::unsubscribe(&pull.id),
                |_, _, (): &mut ()| Ok(()),
            )
            .await
            .map_err(|error| error.into_fault(notifications::UNSUBSCRIBE, false))
    }

    pub(crate) fn note_unreadable(&self, kind: ItemKind, id: &str, refusal: Refusal) {
        self.with_known(|known| known.unreadable.push((kind, ItemId(id.to_owned()), refusal)));
    }

    /// Runs `change` on what is known about folders. Never held across an await.
    pub(crate) fn with_known<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        change(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What Exchange holds of a kind.
pub(crate) fn profile(kind: ItemKind) -> Profile {
    let rule = |field: &Field| {
        let rule = FieldRule {
            access: match (kind, field) {
                // An answer is sent by the user, and mails are what they are.
                (ItemKind::Email, _) | (_, Field::Answer) => Access::ReadOnly,
                _ => Access::ReadWrite,
            },
            max_chars: match field {
                Field::Subject | Field::Location => Some(LINE),
                _ if kind == ItemKind::Contact && *field != Field::Body => Some(LINE),
                _ => None,
            },
            required: matches!(field, Field::When),
            words: match field {
                Field::ShowAs => &["busy", "free", "tentative", "out_of_office", "elsewhere"],
                Field::Private | Field::Incoming => &["no", "yes"],
                Field::Status => &["not_started", "in_progress", "waiting", "deferred", "completed"],
                Field::Priority => &["normal", "low", "high"],
                _ => &[],
            },
        };
        (*field, rule)
    };
    Profile {
        fields: Field::of(kind)
            .iter()
            .filter(|field| **field != Field::Relations)
            .map(rule)
            .collect(),
        holds_key: true,
        people_max: u32::MAX,
    }
}

#[async_trait]
impl Endpoint for Ews {
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
impl Mailbox for Ews {
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

    async fn history(&self, window: Window, want: &Want, after: Option<&Cursor>) -> Result<Changes, Fault> {
        self.list_history(window, want, after).await
    }

    async fn estimate(&self, window: Window, want: &Want) -> Result<u32, Fault> {
        self.count_history(window, want).await
    }
}
