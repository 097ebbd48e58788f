use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::{Value, json};
use tandem_mailbox::graph::{Graph, GraphAccount, GraphLimits};
use tandem_mailbox::microsoft::{Bearer, Tokens};
use tandem_sandbox::Options;
use tandem_sync::Fault;
use tandem_sync::model::{Cursor, Field, ItemId, Kinds, Snapshot};
use tandem_sync::ports::Mailbox as _;

use crate::support::{Listed, World, round, want};

/// A token and the next one, as the store would give them.
pub(crate) struct TwoTokens {
    first: SecretString,
    second: SecretString,
    pub(crate) refreshed: AtomicI64,
}

#[async_trait]
impl Tokens for TwoTokens {
    async fn access(&self) -> Result<Bearer, Fault> {
        Ok(Bearer {
            token: self.first.clone(),
            version: 1,
        })
    }

    async fn refreshed(&self, stale_version: i64) -> Result<Bearer, Fault> {
        assert_eq!(stale_version, 1);
        self.refreshed.fetch_add(1, Ordering::SeqCst);
        Ok(Bearer {
            token: self.second.clone(),
            version: 2,
        })
    }
}

/// A mailbox in the cloud.
pub(crate) struct Cloud {
    pub(crate) world: World,
    token: SecretString,
}

impl std::ops::Deref for Cloud {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Cloud {
    pub(crate) async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let world = World::with(options).await;
        let token = issue(&world).await;
        Self { world, token }
    }

    pub(crate) fn account(&self) -> GraphAccount {
        GraphAccount {
            url: format!("{}/v1.0", self.sandbox.info().graph.https)
                .parse()
                .unwrap(),
            address: self.user.mailbox.clone(),
        }
    }

    pub(crate) fn limits() -> GraphLimits {
        GraphLimits {
            read_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(5),
            patience: Duration::from_secs(6),
            ..GraphLimits::default()
        }
    }

    pub(crate) fn graph(&self) -> Graph {
        self.graph_with(self.tokens(&self.token), Self::limits())
    }

    pub(crate) fn tokens(&self, first: &SecretString) -> Arc<TwoTokens> {
        Arc::new(TwoTokens {
            first: first.clone(),
            second: self.token.clone(),
            refreshed: AtomicI64::new(0),
        })
    }

    pub(crate) fn token(&self) -> &SecretString {
        &self.token
    }

    pub(crate) fn graph_with(&self, tokens: Arc<TwoTokens>, limits: GraphLimits) -> Graph {
        Graph::new(self.net.clone(), self.account(), tokens, limits)
    }

    /// Folders and categories made, everything of these kinds listed once: the cursor.
    pub(crate) async fn ready(&self, kinds: Kinds) -> Cursor {
        let graph = self.graph();
        graph.prepare().await.unwrap();
        round(&graph, None, &want(kinds)).await.1
    }

    /// A round of these kinds, in a session of its own.
    pub(crate) async fn next(&self, since: &Cursor, kinds: Kinds) -> (Listed, Cursor, Kinds) {
        round(&self.graph(), Some(since), &want(kinds)).await
    }

    /// Requests over HTTP since the counters were reset, and how often each.
    pub(crate) async fn graph_operations(&self) -> BTreeMap<String, u64> {
        let counters = self.control("GET", "/counters", Value::Null).await;
        serde_json::from_value(counters["graph"]["by_operation"].clone()).unwrap()
    }

    pub(crate) async fn graph_requests(&self) -> u64 {
        self.graph_operations().await.values().sum()
    }

    pub(crate) async fn graph_fault(&self, operation: Option<&str>, kind: Value) {
        let mut rule = kind;
        rule["service"] = json!("graph");
        if let Some(operation) = operation {
            rule["operation"] = json!(operation);
        }
        self.control("POST", "/faults", rule).await;
    }

    pub(crate) async fn knob(&self, change: Value) {
        self.control("PUT", "/graph/knobs", change).await;
    }

    /// As the user's Outlook knows the item: `contacts` by last name, the others by subject.
    pub(crate) async fn theirs(&self, kind: &str, name: &str) -> ItemId {
        let list = if kind == "contacts" {
            self.contacts().await
        } else {
            self.items(kind).await
        };
        let found = list
            .iter()
            .find(|item| item["subject"] == name || item["fields"]["Surname"] == name)
            .unwrap_or_else(|| panic!("no {name} among {}", list.len()));
        ItemId(found["id"].as_str().unwrap().to_owned())
    }

    /// The item as the user's Outlook shows it.
    pub(crate) async fn shown(&self, kind: &str, name: &str) -> Value {
        let id = self.theirs(kind, name).await;
        if kind == "contacts" {
            let all = self.contacts().await;
            return all.into_iter().find(|item| item["id"] == id.0.as_str()).unwrap();
        }
        self.item(kind, &id).await
    }
}

async fn issue(world: &World) -> SecretString {
    let body = json!({ "user": world.user.mailbox });
    let answer = world.control("POST", "/microsoft/issue", body).await;
    SecretString::from(answer["access_token"].as_str().unwrap())
}

/// What was listed under this name: a subject, or a last name.
pub(crate) fn named<'a>(listed: &'a Listed, name: &str) -> &'a Snapshot {
    find(listed, name).unwrap_or_else(|| panic!("{name} is not listed among {}", listed.present.len()))
}

pub(crate) fn find<'a>(listed: &'a Listed, name: &str) -> Option<&'a Snapshot> {
    listed.present.values().find(|snapshot| {
        [Field::Subject, Field::Surname]
            .iter()
            .any(|field| snapshot.record.get(*field).known() == Some(name))
    })
}

pub(crate) fn text(of: &Snapshot, field: Field) -> String {
    of.record.get(field).known().unwrap_or_default().to_owned()
}
