//! `tandem sandbox` as a process, and its control API.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use url::Url;

use crate::process::Process;
use crate::{http as client, places};

/// EWS calls that change something there.
const EWS_WRITES: [&str; 8] = [
    "CreateItem",
    "SendItem",
    "UpdateItem",
    "DeleteItem",
    "MoveItem",
    "CreateFolder",
    "CreateUserConfiguration",
    "UpdateUserConfiguration",
];
/// Parts of Salesforce calls that change something there.
const CRM_WRITES: [&str; 9] = [
    "create",
    "update",
    "upsert",
    "delete",
    "collections_create",
    "collections_update",
    "collections_upsert",
    "collections_delete",
    "merge",
];

/// What the sandbox says in its first line.
#[derive(Clone, Debug, Deserialize)]
pub struct Info {
    pub exchange: Origin,
    /// https on localhost.
    pub ews_url: String,
    pub autodiscover_domain: String,
    pub salesforce: Origin,
    pub microsoft: Origin,
    pub graph: Origin,
    /// Outlook as a page, on 127.0.0.1.
    pub preview: Origin,
    /// http.
    pub control: String,
    pub ca_pem: PathBuf,
    /// Exchange with a certificate that nobody trusts.
    pub untrusted_https: String,
    pub client: ClientInfo,
    /// The app registration at Microsoft.
    pub microsoft_client: ClientInfo,
    /// The company's directory there.
    pub tenant_id: String,
    /// A user of another directory.
    pub stranger: Outsider,
    pub org_id: String,
    pub users: Vec<User>,
}

/// Where one service listens.
#[derive(Clone, Debug, Deserialize)]
pub struct Origin {
    pub http: String,
    pub https: String,
}

/// The OAuth client that the organisation knows.
#[derive(Clone, Debug, Deserialize)]
pub struct ClientInfo {
    pub id: String,
    pub secret: String,
}

/// One employee: a Salesforce user and a mailbox.
#[derive(Clone, Debug, Deserialize)]
pub struct User {
    pub name: String,
    pub salesforce_username: String,
    pub salesforce_password: String,
    pub salesforce_user_id: String,
    pub exchange_login: String,
    pub exchange_password: String,
    pub mailbox: String,
    pub microsoft_username: String,
    pub microsoft_password: String,
}

/// Whom Microsoft's directory knows, and who has no mailbox here.
#[derive(Clone, Debug, Deserialize)]
pub struct Outsider {
    pub username: String,
    pub password: String,
    pub tenant_id: String,
}

/// A running sandbox.
#[derive(Debug)]
pub struct SandboxProc {
    pub info: Info,
    control: Url,
    process: Process,
    folder: TempDir,
}

impl SandboxProc {
    /// Starts one, with more arguments of `tandem sandbox` if wanted.
    pub async fn start(arguments: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(places::tandem()?);
        command.arg("sandbox").args(arguments);
        let mut process = Process::start("sandbox", command, folder.path(), true)?;
        let line = process
            .first_line(Duration::from_mins(1), |line| Some(line.to_owned()))
            .await?;
        let info: Info = serde_json::from_str(&line).with_context(|| format!("the first line: {line}"))?;
        let control = Url::parse(&info.control)?;
        Ok(Self {
            info,
            control,
            process,
            folder,
        })
    }

    /// The first employee, Nina Berg.
    pub fn nina(&self) -> &User {
        &self.info.users[0]
    }

    /// Where this sandbox keeps its logs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it wrote to its log.
    pub fn log_text(&self) -> String {
        self.process.log()
    }

    /// Calls the control API; anything but 2xx is an error.
    pub async fn control(&self, method: Method, path_and_query: &str, body: &Value) -> Result<Value> {
        let url = self.control.join(path_and_query)?;
        let answer = client::call(method.clone(), &url, &[], body).await?;
        anyhow::ensure!(
            answer.status.is_success(),
            "{method} {url}: {} {}",
            answer.status,
            answer.text()
        );
        answer.json()
    }

    pub async fn get(&self, path_and_query: &str) -> Result<Value> {
        self.control(Method::GET, path_and_query, &Value::Null).await
    }

    pub async fn post(&self, path_and_query: &str, body: &Value) -> Result<Value> {
        self.control(Method::POST, path_and_query, body).await
    }

    pub async fn put(&self, path_and_query: &str, body: &Value) -> Result<Value> {
        self.control(Method::PUT, path_and_query, body).await
    }

    pub async fn patch(&self, path_and_query: &str, body: &Value) -> Result<Value> {
        self.control(Method::PATCH, path_and_query, body).await
    }

    pub async fn delete(&self, path_and_query: &str) -> Result<Value> {
        self.control(Method::DELETE, path_and_query, &Value::Null).await
    }

    /// Makes something go wrong from now on: `fault("exchange", &json!({"kind": "status", "code": 503}))`.
    pub async fn fault(&self, service: &str, kind: &Value) -> Result<()> {
        let mut rule = kind.clone();
        rule["service"] = json!(service);
        self.post("/faults", &rule).await.map(drop)
    }

    /// All is well again.
    pub async fn heal(&self) -> Result<()> {
        self.delete("/faults").await.map(drop)
    }

    /// The number of requests that a service has logged, by `/log` since entry `since`; and the newest entry's number.
    pub async fn requests_since(&self, since: u64) -> Result<Vec<Value>> {
        let log = self.get(&format!("/log?since={since}")).await?;
        let entries = log
            .as_array()
            .or_else(|| log.get("requests").and_then(Value::as_array));
        Ok(entries.context("the log is no list")?.clone())
    }

    /// The newest request's number.
    pub async fn mark(&self) -> Result<u64> {
        let all = self.requests_since(0).await?;
        Ok(all.last().map_or(0, |e| e["n"].as_u64().unwrap_or(0)))
    }

    /// How many writes the services have seen so far, by their own count.
    pub async fn writes(&self) -> Result<u64> {
        let counters = self.get("/counters").await?;
        let sum = |counts: &Value, names: &[&str]| -> u64 {
            names.iter().filter_map(|n| counts[*n].as_u64()).sum()
        };
        Ok(graph_writes(&counters["graph"]["by_operation"])
            + graph_writes(&counters["graph"]["steps_by_operation"])
            + sum(&counters["exchange"]["by_operation"], &EWS_WRITES)
            + sum(&counters["salesforce"]["by_operation"], &CRM_WRITES)
            + sum(&counters["salesforce"]["sub_operations"], &CRM_WRITES))
    }

    /// A person's contacts in the mailbox.
    pub async fn mailbox_contacts(&self, user: &User) -> Result<Vec<Value>> {
        let list = self
            .get(&format!("/exchange/mailboxes/{}/contacts", user.mailbox))
            .await?;
        Ok(list.as_array().context("the contacts are no list")?.clone())
    }

    /// Rows of Salesforce as a user sees them.
    pub async fn records(&self, object: &str, user: &User) -> Result<Vec<Value>> {
        let list = self
            .get(&format!(
                "/salesforce/records/{object}?as={}",
                user.salesforce_username
            ))
            .await?;
        Ok(list.as_array().context("the records are no list")?.clone())
    }

    /// Ends it as an operator does.
    pub async fn stop(mut self) -> Result<()> {
        self.process.terminate(Duration::from_secs(10)).await.map(drop)
    }
}

/// Requests of Graph that change something, alone or as parts of a batch. A batch is no write by itself.
fn graph_writes(counts: &Value) -> u64 {
    let all = counts.as_object().into_iter().flatten();
    all.filter(|(operation, _)| !operation.starts_with("GET ") && *operation != "POST $batch")
        .filter_map(|(_, count)| count.as_u64())
        .sum()
}
