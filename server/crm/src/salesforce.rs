use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tandem_net::Net;
use tandem_sync::model::{
    Candidate, Changes, Cursor, Fate, ItemId, LinkKey, MatchKey, Outcome, Profile, Snapshot, Write,
};
use tandem_sync::ports::{Clock, Crm, Endpoint};
use tandem_sync::{Fault, FaultKind};
use tandem_types::{ContactScope, OrgId, Timestamp, UserId};

use crate::client::{ApiConfig, ApiUsage, Rest};
use crate::describe::{DescribeCache, Described};
use crate::grants::Grants;
use crate::map::Reading;
use crate::problem::Failure;

/// What all connections of a server share.
#[derive(Clone)]
pub struct Platform {
    pub net: Net,
    pub clock: Arc<dyn Clock>,
    pub cache: Arc<DescribeCache>,
    pub config: ApiConfig,
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform")
            .field("config", &self.config)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

/// Whose contacts are synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub org: OrgId,
    pub user: UserId,
    pub scope: ContactScope,
}

/// Salesforce for one connection and one session.
pub struct Salesforce {
    pub(crate) rest: Rest,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cache: Arc<DescribeCache>,
    pub(crate) account: Account,
    key_field: String,
}

impl fmt::Debug for Salesforce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Salesforce")
            .field("account", &self.account)
            .field("usage", &self.usage())
            .finish_non_exhaustive()
    }
}

impl Salesforce {
    /// Nothing is sent before the first call of the [`Endpoint`].
    pub fn new(platform: &Platform, grants: Arc<dyn Grants>, account: Account) -> Self {
        Self {
            rest: Rest::new(platform.net.clone(), platform.config.clone(), grants),
            clock: Arc::clone(&platform.clock),
            cache: Arc::clone(&platform.cache),
            account,
            key_field: platform.config.key_field.clone(),
        }
    }

    /// The organisation's API calls, as the latest answer of this session told them.
    pub fn usage(&self) -> Option<ApiUsage> {
        self.rest.usage()
    }

    pub(crate) async fn base(&self) -> Result<String, Failure> {
        self.rest.base(&self.cache).await
    }

    /// The description of `Contact`, from the cache where it is young enough.
    pub(crate) async fn described(&self) -> Result<Arc<Described>, Failure> {
        let Account { org, user, .. } = &self.account;
        if let Some(known) = self.cache.get(org, user, self.clock.now()) {
            return Ok(known);
        }
        let path = format!("{}/{}", self.base().await?, DESCRIBE);
        let body = self.rest.get(&path).await?.body;
        let described = self
            .parse_describe(&body)
            .ok_or_else(|| Failure::malformed("not a description of Contact"))?;
        Ok(self.cache.put(org, user, described))
    }

    pub(crate) fn parse_describe(&self, body: &serde_json::Value) -> Option<Described> {
        Described::parse(body, &self.key_field, self.clock.now())
    }

    /// After an answer that says a field or an object is not what the description told: reads it anew, and if nothing
    /// has changed, does without the account's name (the one field that a description cannot vouch for).
    pub(crate) async fn described_anew(&self, before: &Described) -> Result<Arc<Described>, Failure> {
        let Account { org, user, .. } = &self.account;
        self.cache.forget(org, user);
        let described = self.described().await?;
        if described.select == before.select {
            return Ok(self.cache.put(org, user, described.without_account()));
        }
        Ok(described)
    }

    pub(crate) fn remember(&self, described: Described) -> Arc<Described> {
        self.cache.put(&self.account.org, &self.account.user, described)
    }

    pub(crate) fn reading<'r>(&'r self, described: &'r Described) -> Reading<'r> {
        Reading {
            profile: &described.profile,
            key_field: described.key_field.as_deref(),
            owner: match self.account.scope {
                ContactScope::Mine => Some(self.account.user.as_str()),
                ContactScope::AllVisible => None,
            },
        }
    }

    pub(crate) fn snapshots(
        &self,
        described: &Described,
        rows: &[crate::map::Row],
    ) -> Result<Vec<Snapshot>, Failure> {
        let reading = self.reading(described);
        rows.iter().map(|row| Ok(reading.snapshot(row)?)).collect()
    }
}

pub(crate) const DESCRIBE: &str = "sobjects/Contact/describe";
/// Salesforce's limit for collections.
const BATCH: usize = 200;

/// Reads leave nothing behind, whatever became of their answer.
fn read_fault(failure: Failure) -> Fault {
    let mut fault = Fault::from(failure);
    fault.in_doubt = false;
    fault
}

#[async_trait]
impl Endpoint for Salesforce {
    async fn profile(&self) -> Result<Profile, Fault> {
        let described = self.described().await.map_err(read_fault)?;
        Ok(described.profile.clone())
    }

    async fn changes(&self, since: Option<&Cursor>) -> Result<Changes, Fault> {
        self.list_changes(since).await.map_err(read_fault)
    }

    async fn read(&self, ids: &[ItemId]) -> Result<Vec<Option<Snapshot>>, Fault> {
        self.read_items(ids).await.map_err(read_fault)
    }

    async fn fates(&self, asked: &[(ItemId, LinkKey)]) -> Result<Vec<Fate>, Fault> {
        self.find_fates(asked).await.map_err(read_fault)
    }

    async fn candidates(&self, keys: &[MatchKey]) -> Result<Vec<Vec<Candidate>>, Fault> {
        self.find_candidates(keys).await.map_err(read_fault)
    }

    async fn created(&self, keys: &[LinkKey], since: Timestamp) -> Result<Vec<Snapshot>, Fault> {
        self.find_created(keys, since).await.map_err(read_fault)
    }

    fn batch(&self) -> usize {
        BATCH
    }

    async fn write(&self, writes: &[Write]) -> Result<Vec<Outcome>, Fault> {
        if writes.len() > BATCH {
            return Err(Fault::new(FaultKind::Fatal, "more writes than one batch takes"));
        }
        self.write_batch(writes).await.map_err(Fault::from)
    }
}

impl Crm for Salesforce {
    fn user(&self) -> UserId {
        self.account.user.clone()
    }
}
