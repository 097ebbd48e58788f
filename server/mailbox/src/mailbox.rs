//! Exchange as a [`Mailbox`].

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tandem_net::Net;
use tandem_sync::Fault;
use tandem_sync::model::{
    Access, Candidate, Changes, Cursor, Fate, Field, FieldRule, ItemId, LinkKey, MatchKey, Outcome, Profile,
    Snapshot, Write,
};
use tandem_sync::ports::{Endpoint, Mailbox};
use tandem_types::Timestamp;

use crate::client::{Client, Effect, EwsAccount, EwsLimits};
use crate::cursor::State;
use crate::ews::notifications;
use crate::folders::Tree;
use crate::map::Places;

/// Writes in one call of [`Endpoint::write`].
const BATCH: usize = 100;
/// Outlook's limit for one line of text.
const LINE: u32 = 255;

/// One Exchange mailbox, for one session: contacts over Exchange Web Services.
///
/// Calls go out one after the other. Once the server has refused the password, nothing more is sent.
pub struct Ews {
    pub(crate) client: Client,
    /// Where items are, as far as this session knows.
    pub(crate) known: Mutex<Known>,
}

#[derive(Clone, Default)]
pub(crate) struct Known {
    pub(crate) places: Option<Places>,
    pub(crate) tree: Option<Arc<Tree>>,
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

    /// Runs `change` on what is known about folders. Never held across an await.
    pub(crate) fn with_known<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        change(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Endpoint for Ews {
    async fn profile(&self) -> Result<Profile, Fault> {
        let rule = |field: &Field| {
            let max_chars = match field {
                Field::Body => None,
                _ => Some(LINE),
            };
            let rule = FieldRule {
                access: Access::ReadWrite,
                max_chars,
                required: false,
            };
            (*field, rule)
        };
        Ok(Profile {
            fields: Field::CONTACT.iter().map(rule).collect(),
            holds_key: true,
        })
    }

    async fn changes(&self, since: Option<&Cursor>) -> Result<Changes, Fault> {
        self.read_changes(since).await
    }

    async fn read(&self, ids: &[ItemId]) -> Result<Vec<Option<Snapshot>>, Fault> {
        self.read_items(ids).await
    }

    async fn fates(&self, asked: &[(ItemId, LinkKey)]) -> Result<Vec<Fate>, Fault> {
        self.find_fates(asked).await
    }

    async fn candidates(&self, keys: &[MatchKey]) -> Result<Vec<Vec<Candidate>>, Fault> {
        self.find_candidates(keys).await
    }

    async fn created(&self, keys: &[LinkKey], _since: Timestamp) -> Result<Vec<Snapshot>, Fault> {
        self.find_created(keys).await
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
        self.ensure_folder().await?;
        self.ensure_categories().await
    }
}
