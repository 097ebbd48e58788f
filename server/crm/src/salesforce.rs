use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use http::Method;
use jiff::tz::TimeZone;
use serde_json::Value;
use tandem_net::Net;
use tandem_sync::model::{
    Candidate, Changes, Clue, Cursor, Fate, File, ItemId, Known, LinkKey, MatchKey, Outcome, Profiles,
    Refusal, Relations, Rival, Snapshot, Trace, Want, Write,
};
use tandem_sync::ports::{Clock, Crm, Endpoint};
use tandem_sync::{Fault, FaultKind};
use tandem_types::{ContactScope, ItemKind, OrgId, Settings, Timestamp, UserId};

use crate::answer::{SubAnswer, SubRequest};
use crate::client::{ApiConfig, Effect, Rest};
use crate::describe::{DescribeCache, Described, OBJECTS};
use crate::grants::Grants;
use crate::map::ties::Ties;
use crate::map::{self, Reach, Reading, Row};
use crate::meter::{ApiUsage, Meters};
use crate::problem::Failure;
use crate::soql;
use crate::told::Told;
use crate::words::Tables;

/// What all connections of a server share.
#[derive(Clone)]
pub struct Platform {
    pub net: Net,
    pub clock: Arc<dyn Clock>,
    pub cache: Arc<DescribeCache>,
    pub config: ApiConfig,
    pub meters: Arc<Meters>,
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform")
            .field("config", &self.config)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

/// For whom it acts, and by which settings: whose contacts are in scope, what the words of tasks are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub org: OrgId,
    pub user: UserId,
    pub settings: Settings,
}

/// Salesforce for one connection and one session.
pub struct Salesforce {
    pub(crate) rest: Rest,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cache: Arc<DescribeCache>,
    pub(crate) account: Account,
    pub(crate) tables: Tables,
    pub(crate) told: Option<Arc<dyn Told>>,
    key_field: String,
    /// Of the list view that is synced, once it was asked for.
    members: tokio::sync::Mutex<Option<Arc<HashSet<String>>>>,
    unreadable: Mutex<Vec<(ItemKind, ItemId, Refusal)>>,
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
            rest: Rest::new(platform.net.clone(), platform.config.clone(), grants)
                .metered(&platform.meters, &account.org),
            clock: Arc::clone(&platform.clock),
            cache: Arc::clone(&platform.cache),
            tables: Tables::of(&account.settings),
            account,
            told: None,
            key_field: platform.config.key_field.clone(),
            members: tokio::sync::Mutex::new(None),
            unreadable: Mutex::default(),
        }
    }

    /// Does not ask what the organisation's integration user has answered for it already.
    #[must_use]
    pub fn told_by(mut self, told: Arc<dyn Told>) -> Self {
        self.told = Some(told);
        self
    }

    /// The organisation's API calls, as the latest answer of this session told them.
    pub fn usage(&self) -> Option<ApiUsage> {
        self.rest.usage()
    }

    pub(crate) fn me(&self) -> &str {
        self.account.user.as_str()
    }

    pub(crate) async fn base(&self) -> Result<String, Failure> {
        self.rest.base(&self.cache).await
    }

    /// What this user sees, from the cache where it is young enough; else one request for all of it.
    pub(crate) async fn described(&self) -> Result<Arc<Described>, Failure> {
        let Account { org, user, .. } = &self.account;
        if let Some(known) = self.cache.get(org, user, self.clock.now()) {
            return Ok(known);
        }
        let base = self.base().await?;
        let mut requests = describes();
        let zone = format!(
            "SELECT TimeZoneSidKey FROM User WHERE Id = {}",
            soql::quote(self.me())
        );
        requests.push(SubRequest::query("zone", false, &zone));
        let (mut answers, _) = self.rest.composite(&base, &requests, Effect::None).await?;
        let zone = answers.pop().and_then(|answer| answer.page().ok());
        let zone = zone
            .and_then(|page| map::text(page.rows.first()?, "TimeZoneSidKey").map(str::to_owned))
            .and_then(|name| TimeZone::get(&name).ok())
            .unwrap_or(TimeZone::UTC);
        let described = self.parse_describes(answers, zone)?;
        Ok(self.cache.put(org, user, described))
    }

    /// From the answers to [`describes`]. An object that the user may not see is none; anything else that is amiss is
    /// the failure of all.
    pub(crate) fn parse_describes(
        &self,
        answers: Vec<SubAnswer>,
        zone: TimeZone,
    ) -> Result<Described, Failure> {
        let mut bodies: Vec<Option<Value>> = Vec::with_capacity(answers.len());
        for answer in answers {
            if answer.is_ok() {
                bodies.push(Some(answer.body));
                continue;
            }
            let failure = answer.failure();
            let hidden = matches!(failure.fault.kind, FaultKind::NotFound) || failure.is_about_fields();
            // Without contacts it is no user of ours, whatever else he sees.
            if !hidden || bodies.is_empty() {
                return Err(failure);
            }
            bodies.push(None);
        }
        Described::parse(&bodies, &self.key_field, zone, self.clock.now())
            .ok_or_else(|| Failure::malformed("not a description of Contact"))
    }

    /// After an answer that says a field or an object is not what the description told: reads it anew, and if nothing
    /// has changed, does without the account's name (the one field that a description cannot vouch for).
    pub(crate) async fn described_anew(&self, before: &Described) -> Result<Arc<Described>, Failure> {
        let Account { org, user, .. } = &self.account;
        self.cache.forget(org, user);
        let described = self.described().await?;
        if described.asks_as(before) {
            return Ok(self.cache.put(org, user, described.without_account()));
        }
        Ok(described)
    }

    pub(crate) fn remember(&self, described: Described) -> Arc<Described> {
        self.cache.put(&self.account.org, &self.account.user, described)
    }

    /// Whose contacts are in scope. A list view's members are asked for once in a session.
    pub(crate) async fn reach(&self) -> Result<Reach, Failure> {
        Ok(match self.account.settings.contact_scope {
            ContactScope::Mine => Reach::Mine,
            ContactScope::AllVisible => Reach::All,
            ContactScope::ListView => {
                let mut held = self.members.lock().await;
                if let Some(members) = &*held {
                    return Ok(Reach::List(Arc::clone(members)));
                }
                // Where the list view is gone, nothing moves until another is chosen.
                let Some(members) = self.list_members().await? else {
                    return Ok(Reach::All);
                };
                Reach::List(Arc::clone(held.insert(Arc::new(members))))
            }
        })
    }

    pub(crate) async fn learn_members(&self, members: HashSet<String>) -> Arc<HashSet<String>> {
        let members = Arc::new(members);
        *self.members.lock().await = Some(Arc::clone(&members));
        members
    }

    pub(crate) fn reading<'r>(&'r self, described: &'r Described, reach: &'r Reach) -> Reading<'r> {
        Reading {
            described,
            me: self.me(),
            reach,
            tables: &self.tables,
        }
    }

    pub(crate) async fn snapshots(
        &self,
        described: &Described,
        rows: &[Row],
    ) -> Result<Vec<Snapshot>, Failure> {
        let reach = self.reach_for(rows).await?;
        let ties = self.ties(described, rows).await?;
        let reading = self.reading(described, &reach);
        rows.iter().map(|row| Ok(reading.snapshot(row, &ties)?)).collect()
    }

    /// As [`Salesforce::reach`]; the list view is not asked for where no contact is among the rows.
    pub(crate) async fn reach_for(&self, rows: &[Row]) -> Result<Reach, Failure> {
        let contacts = rows
            .iter()
            .any(|row| map::id_of(row).is_ok_and(|id| map::kind_of_id(&id.0) == Some(ItemKind::Contact)));
        if contacts {
            self.reach().await
        } else {
            Ok(Reach::Mine)
        }
    }

    /// The rows that tie people to these activities, where there can be any: one request for 2,000 activities.
    pub(crate) async fn ties(&self, described: &Described, rows: &[Row]) -> Result<Ties, Failure> {
        let mut ties = Ties::default();
        let (events, tasks) = map::ties::tied(described, rows);
        if events.is_empty() && tasks.is_empty() {
            return Ok(ties);
        }
        let mut queries = Vec::new();
        let per_query = 200;
        for list in soql::in_lists(events.iter().map(String::as_str), per_query) {
            let select = &described.relations.select;
            queries.push((
                false,
                format!("SELECT {select} FROM EventRelation WHERE EventId IN ({list})"),
            ));
        }
        let first_task = queries.len();
        for list in soql::in_lists(tasks.iter().map(String::as_str), per_query) {
            let select = "Id,TaskId,RelationId,IsWhat,SystemModstamp";
            queries.push((
                false,
                format!("SELECT {select} FROM TaskRelation WHERE TaskId IN ({list})"),
            ));
        }
        let base = self.base().await?;
        for (n, answer) in self.rest.queries(&base, &queries).await?.into_iter().enumerate() {
            for row in answer? {
                let tie = if n < first_task {
                    map::ties::Tie::of_event(&row)
                } else {
                    map::ties::Tie::of_task(&row)
                };
                if let Some((activity, tie)) = tie {
                    ties.add(activity, tie);
                }
            }
        }
        Ok(ties)
    }

    pub(crate) fn cannot_read(&self, kind: ItemKind, id: ItemId, refusal: Refusal) {
        self.unreadable
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((kind, id, refusal));
    }
}

/// One request for each object; they count as one API call inside of a composite, and are no queries.
pub(crate) fn describes() -> Vec<SubRequest> {
    OBJECTS
        .iter()
        .map(|object| {
            let path = format!("sobjects/{object}/describe");
            SubRequest::new(format!("describe{object}"), Method::GET, path, None)
        })
        .collect()
}

/// Salesforce's limit for collections.
pub(crate) const BATCH: usize = 200;

/// Reads leave nothing behind, whatever became of their answer.
pub(crate) fn read_fault(failure: Failure) -> Fault {
    let mut fault = Fault::from(failure);
    fault.in_doubt = false;
    fault
}

#[async_trait]
impl Endpoint for Salesforce {
    async fn profile(&self) -> Result<Profiles, Fault> {
        let described = self.described().await.map_err(read_fault)?;
        Ok(described.profiles())
    }

    async fn changes(&self, since: Option<&Cursor>, want: &Want) -> Result<Changes, Fault> {
        self.list_changes(since, want).await.map_err(read_fault)
    }

    fn unreadable(&self) -> Vec<(ItemKind, ItemId, Refusal)> {
        std::mem::take(&mut *self.unreadable.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn read(&self, ids: &[ItemId]) -> Result<Vec<Option<Snapshot>>, Fault> {
        self.read_items(ids).await.map_err(read_fault)
    }

    async fn fates(&self, asked: &[Trace]) -> Result<Vec<Fate>, Fault> {
        self.find_fates(asked).await.map_err(read_fault)
    }

    async fn candidates(&self, keys: &[MatchKey]) -> Result<Vec<Vec<Candidate>>, Fault> {
        self.find_candidates(keys).await.map_err(read_fault)
    }

    async fn created(
        &self,
        kind: ItemKind,
        keys: &[LinkKey],
        since: Timestamp,
    ) -> Result<Vec<Snapshot>, Fault> {
        self.find_created(kind, keys, since).await.map_err(read_fault)
    }

    async fn restore(&self, gone: &[Trace]) -> Result<Vec<Outcome>, Fault> {
        self.undelete(gone).await.map_err(Fault::from)
    }

    async fn rivals(&self) -> Result<Vec<Rival>, Fault> {
        self.find_rivals().await.map_err(read_fault)
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

#[async_trait]
impl Crm for Salesforce {
    fn user(&self) -> UserId {
        self.account.user.clone()
    }

    async fn known(&self, clues: &[Clue]) -> Result<Vec<Vec<Known>>, Fault> {
        self.find_known(clues).await.map_err(read_fault)
    }

    async fn email_links(&self, email: &ItemId) -> Result<Option<Relations>, Fault> {
        self.read_email_links(email).await.map_err(read_fault)
    }

    async fn tie_to_email(&self, email: &ItemId, people: &[ItemId]) -> Result<Result<(), Refusal>, Fault> {
        self.tie_people(email, people).await.map_err(Fault::from)
    }

    async fn attach(&self, to: &ItemId, files: &[File]) -> Result<Vec<Result<(), Refusal>>, Fault> {
        self.attach_files(to, files).await.map_err(Fault::from)
    }
}
