//! What an operator decides: a TOML file and `TANDEM_…` variables (the variable wins). Unknown keys are refused.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use tandem_mailbox::microsoft::Tenant;
use tandem_store::{Budgets, Retention};
use url::Url;

use crate::vault::MasterKeySource;

/// A key of the configuration: where it stands in the file, and how its variable is read.
struct Key {
    section: &'static str,
    name: &'static str,
    shape: Shape,
}

#[derive(Clone, Copy)]
enum Shape {
    Text,
    Number,
    Switch,
    /// In a variable: separated by commas.
    List,
}

const fn key(section: &'static str, name: &'static str, shape: Shape) -> Key {
    Key { section, name, shape }
}

/// Every key there is. A test holds it against [`Raw`].
const KEYS: &[Key] = &[
    key("", "public_url", Shape::Text),
    key("", "listen", Shape::Text),
    key("", "database", Shape::Text),
    key("", "master_key_file", Shape::Text),
    key("", "master_key", Shape::Text),
    key("", "master_key_command", Shape::Text),
    key("", "site_root", Shape::Text),
    key("", "log", Shape::Text),
    key("", "log_format", Shape::Text),
    key("", "metrics_listen", Shape::Text),
    key("", "trusted_proxies", Shape::List),
    key("salesforce", "client_id", Shape::Text),
    key("salesforce", "client_secret", Shape::Text),
    key("salesforce", "login_hosts", Shape::List),
    key("salesforce", "allowed_orgs", Shape::List),
    key("salesforce", "key_field", Shape::Text),
    key("salesforce", "api_reserve_percent", Shape::Number),
    key("salesforce", "admin_permission_set", Shape::Text),
    key("microsoft", "authority", Shape::Text),
    key("microsoft", "tenant", Shape::Text),
    key("microsoft", "client_id", Shape::Text),
    key("microsoft", "client_secret", Shape::Text),
    key("microsoft", "graph", Shape::Text),
    key("ews", "allowed_hosts", Shape::List),
    key("ews", "allowed_domains", Shape::List),
    key("net", "allow_loopback", Shape::Switch),
    key("net", "allow_private", Shape::Switch),
    key("net", "allow_networks", Shape::List),
    key("net", "extra_roots", Shape::List),
    key("net", "resolve", Shape::List),
    key("outlook", "frame_ancestors", Shape::List),
    key("outlook", "office_js", Shape::Text),
    key("outlook", "preview", Shape::Text),
    key("mail", "server", Shape::Text),
    key("mail", "port", Shape::Number),
    key("mail", "tls", Shape::Text),
    key("mail", "user", Shape::Text),
    key("mail", "password", Shape::Text),
    key("mail", "password_file", Shape::Text),
    key("mail", "from", Shape::Text),
    key("tls", "certificate", Shape::Text),
    key("tls", "key", Shape::Text),
    key("tls", "self_signed", Shape::Switch),
    key("worker", "sessions", Shape::Number),
    key("worker", "lease_seconds", Shape::Number),
    key("worker", "org_sessions", Shape::Number),
    key("worker", "mail_host_sessions", Shape::Number),
    key("retention", "journal_days", Shape::Number),
    key("retention", "sessions_days", Shape::Number),
    key("retention", "audit_days", Shape::Number),
    key("retention", "deactivated_days", Shape::Number),
    key("retention", "unused_days", Shape::Number),
];

/// Variables of the same prefix that are not keys.
const OTHER_VARIABLES: &[&str] = &["TANDEM_CONFIG"];
/// Read by the tests and the tools, never by the server.
const FOREIGN_PREFIXES: &[&str] = &["TANDEM_TEST_", "TANDEM_BIN", "TANDEM_SANDBOX_"];

impl Key {
    fn path(&self) -> String {
        if self.section.is_empty() {
            self.name.to_owned()
        } else {
            format!("{}.{}", self.section, self.name)
        }
    }

    fn variable(&self) -> String {
        let path = self.path().replace('.', "_");
        format!("TANDEM_{}", path.to_ascii_uppercase())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Raw {
    public_url: Option<String>,
    listen: Option<String>,
    database: Option<String>,
    master_key_file: Option<PathBuf>,
    master_key: Option<SecretString>,
    master_key_command: Option<String>,
    site_root: Option<PathBuf>,
    log: Option<String>,
    log_format: Option<String>,
    metrics_listen: Option<String>,
    trusted_proxies: Option<Vec<String>>,
    salesforce: RawSalesforce,
    microsoft: RawMicrosoft,
    ews: RawEws,
    net: RawNet,
    outlook: RawOutlook,
    mail: RawMail,
    tls: RawTls,
    worker: RawWorker,
    retention: RawRetention,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawSalesforce {
    client_id: Option<String>,
    client_secret: Option<SecretString>,
    login_hosts: Option<Vec<String>>,
    allowed_orgs: Option<Vec<String>>,
    key_field: Option<String>,
    api_reserve_percent: Option<u32>,
    admin_permission_set: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawMicrosoft {
    authority: Option<String>,
    tenant: Option<String>,
    client_id: Option<String>,
    client_secret: Option<SecretString>,
    graph: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawEws {
    allowed_hosts: Option<Vec<String>>,
    allowed_domains: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawNet {
    allow_loopback: Option<bool>,
    allow_private: Option<bool>,
    allow_networks: Option<Vec<String>>,
    extra_roots: Option<Vec<PathBuf>>,
    resolve: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawOutlook {
    frame_ancestors: Option<Vec<String>>,
    office_js: Option<String>,
    preview: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawMail {
    server: Option<String>,
    port: Option<u16>,
    tls: Option<String>,
    user: Option<String>,
    password: Option<SecretString>,
    password_file: Option<PathBuf>,
    from: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawTls {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    self_signed: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawWorker {
    sessions: Option<u32>,
    lease_seconds: Option<u32>,
    org_sessions: Option<u32>,
    mail_host_sessions: Option<u32>,
}

/// How the log is written to the standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A line per event, for people.
    #[default]
    Text,
    /// A JSON object per line, for collectors: `timestamp`, `level`, `message`, `target`, and the event's fields.
    Json,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawRetention {
    #[serde(rename = "journal_days")]
    journal: Option<u32>,
    #[serde(rename = "sessions_days")]
    sessions: Option<u32>,
    #[serde(rename = "audit_days")]
    audit: Option<u32>,
    #[serde(rename = "deactivated_days")]
    deactivated: Option<u32>,
    #[serde(rename = "unused_days")]
    unused: Option<u32>,
}

/// The configuration, parsed. See the README for what each key means.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where browsers reach this server: scheme, host, port; no path.
    pub public_url: Url,
    pub listen: SocketAddr,
    /// `sqlite:PATH` or `postgres://…`, which may hold a password.
    pub database: SecretString,
    /// What opens the vault.
    pub master_key: MasterKeySource,
    /// Where files of this server's own making are kept.
    pub state_folder: PathBuf,
    /// The folder that the web build wrote; `None`: what is inside of the binary, or the build's own folder.
    pub site_root: Option<PathBuf>,
    /// A filter as of the `tracing` crate's `EnvFilter`.
    pub log: String,
    pub log_format: LogFormat,
    /// Where Prometheus reads `/metrics`, apart from the address that browsers reach; `None`: nowhere.
    pub metrics_listen: Option<SocketAddr>,
    /// Whose word on the client's address counts (`X-Forwarded-For`).
    pub trusted_proxies: Vec<tandem_net::Network>,
    pub salesforce: SalesforceConfig,
    /// `None`: no mailbox of Office 365 can be connected.
    pub microsoft: Option<MicrosoftConfig>,
    pub ews: EwsConfig,
    pub net: NetSettings,
    pub outlook: OutlookConfig,
    /// `None`: nobody is told by mail that something broke.
    pub mail: Option<MailConfig>,
    pub tls: TlsSettings,
    /// Sessions at the same time; 0: this process serves pages, and leaves the sync to others.
    pub worker_sessions: usize,
    /// How long a connection is taken at a time; so long it waits after its process has died.
    pub worker_lease: Duration,
    /// What may run at once, over all processes.
    pub budgets: Budgets,
    pub retention: Retention,
}

#[derive(Clone, Debug)]
pub struct SalesforceConfig {
    pub client_id: String,
    pub client_secret: Option<SecretString>,
    /// Origins, for example `https://login.salesforce.com`. The first is the one offered.
    pub login_hosts: Vec<Url>,
    /// 18-character organisation ids. Empty: nobody may sign in.
    pub allowed_orgs: Vec<tandem_types::OrgId>,
    /// API name of the external id field that makes creates idempotent.
    pub key_field: String,
    /// The share of the organisation's API calls that is left to others: below it the sync waits. 0 to 90.
    pub api_reserve_percent: u32,
    /// API name of the permission set whose users administer the organisation's sync, beside those who may *Modify All
    /// Data*.
    pub admin_permission_set: String,
}

#[derive(Clone, Debug)]
pub struct MicrosoftConfig {
    /// The sign-in's origin, `https://login.microsoftonline.com`.
    pub authority: Url,
    /// Whose accounts may sign in.
    pub tenant: Tenant,
    /// The app registration's application id.
    pub client_id: String,
    pub client_secret: Option<SecretString>,
    /// Microsoft Graph's origin, `https://graph.microsoft.com`.
    pub graph: Url,
}

impl MicrosoftConfig {
    /// Microsoft Graph's version that is used: `https://graph.microsoft.com/v1.0`.
    pub fn graph_v1(&self) -> Url {
        let mut url = self.graph.clone();
        url.set_path("/v1.0");
        url
    }
}

#[derive(Clone, Debug)]
pub struct EwsConfig {
    pub allowed_hosts: Vec<String>,
    /// Mail domains whose Autodiscover is believed.
    pub allowed_domains: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct NetSettings {
    pub allow_loopback: bool,
    pub allow_private: bool,
    /// Single networks, where not all private ones are allowed.
    pub allow_networks: Vec<tandem_net::Network>,
    pub extra_roots: Vec<PathBuf>,
    pub resolve: Vec<(String, SocketAddr)>,
}

#[derive(Clone, Debug)]
pub struct OutlookConfig {
    /// Who may show the pane in a frame: origins.
    pub frame_ancestors: Vec<String>,
    /// Where the pane takes Office.js from; `None`: it runs without Outlook.
    pub office_js: Option<Url>,
    /// The sandbox's browser preview, on this machine: `/preview` leads there, and it may show the pane.
    pub preview: Option<Url>,
}

/// The server that takes mails for users.
#[derive(Clone, Debug)]
pub struct MailConfig {
    pub server: String,
    pub port: u16,
    pub tls: MailTls,
    /// Both or neither.
    pub sign_in: Option<(String, SecretString)>,
    /// `Tandem <tandem@example.com>`
    pub from: lettre::message::Mailbox,
}

/// How a mail's way is kept secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// From the first byte; port 465.
    Always,
    /// By STARTTLS, or nothing is sent; port 587.
    StartTls,
    /// Not at all: for a server on this machine.
    Never,
}

/// Who ends the encryption of browsers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TlsSettings {
    /// A proxy in front: this server speaks plain HTTP.
    #[default]
    Off,
    /// This server, with a certificate that it makes for itself once and keeps beside the master key.
    SelfSigned,
    /// This server, with these PEM files: the certificate with its chain, and its key.
    Files { certificate: PathBuf, key: PathBuf },
}

impl TlsSettings {
    /// # Errors
    /// Only one of the files, or files and a certificate of its own: what to say of it.
    pub fn of(
        certificate: Option<PathBuf>,
        key: Option<PathBuf>,
        self_signed: bool,
    ) -> Result<Self, &'static str> {
        match (certificate, key, self_signed) {
            (None, None, false) => Ok(Self::Off),
            (None, None, true) => Ok(Self::SelfSigned),
            (Some(certificate), Some(key), false) => Ok(Self::Files { certificate, key }),
            (_, _, true) => Err("is of no use beside files with a certificate: choose one"),
            (Some(_), None, false) | (None, Some(_), false) => {
                Err("a certificate needs its key, and a key its certificate: give both files")
            }
        }
    }
}

/// One thing that is missing or wrong, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub key: String,
    pub what: String,
    /// The server does not start with it.
    pub fatal: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.what)
    }
}

/// The configuration cannot be used; all that is wrong with it, at once.
#[derive(Debug)]
pub struct ConfigError(pub Vec<Problem>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used:")?;
        for problem in &self.0 {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Reads the file (if any) and the variables.
///
/// # Errors
/// Everything that keeps the server from starting, each with its key. What only limits it is returned beside the
/// configuration.
pub fn load(
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<(Config, Vec<Problem>), ConfigError> {
    let one = |key: &str, what: String| {
        ConfigError(vec![Problem {
            key: key.into(),
            what,
            fatal: true,
        }])
    };
    let mut table = match file {
        None => toml::Table::new(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|e| one("--config", format!("{} cannot be read: {e}", path.display())))?;
            text.parse::<toml::Table>().map_err(|e| {
                one(
                    "--config",
                    format!("{} is not valid TOML: {}", path.display(), e.message()),
                )
            })?
        }
    };
    overlay(&mut table, variables).map_err(ConfigError)?;
    let raw: Raw = table
        .try_into()
        .map_err(|e: toml::de::Error| one("configuration", e.message().to_owned()))?;
    check(raw)
}

fn overlay(
    table: &mut toml::Table,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    for (variable, text) in variables {
        if !variable.starts_with("TANDEM_")
            || OTHER_VARIABLES.contains(&variable.as_str())
            || FOREIGN_PREFIXES.iter().any(|p| variable.starts_with(p))
        {
            continue;
        }
        let mut wrong = |what: String| {
            problems.push(Problem {
                key: variable.clone(),
                what,
                fatal: true,
            });
        };
        let Some(key) = KEYS.iter().find(|k| k.variable() == variable) else {
            wrong("there is no such setting".into());
            continue;
        };
        let value = match key.shape {
            Shape::Text => toml::Value::String(text),
            Shape::Number => {
                let Ok(number) = text.trim().parse() else {
                    wrong("must be a whole number".into());
                    continue;
                };
                toml::Value::Integer(number)
            }
            Shape::Switch => match text.trim() {
                "true" | "1" => toml::Value::Boolean(true),
                "false" | "0" => toml::Value::Boolean(false),
                _ => {
                    wrong("must be true or false".into());
                    continue;
                }
            },
            Shape::List => toml::Value::Array(
                text.split(',')
                    .map(str::trim)
                    .filter(|s| !s.is_empty())
                    .map(|s| toml::Value::String(s.into()))
                    .collect(),
            ),
        };
        if key.section.is_empty() {
            table.insert(key.name.into(), value);
        } else {
            let section = table
                .entry(key.section)
                .or_insert_with(|| toml::Value::Table(toml::Table::new()));
            match section.as_table_mut() {
                Some(section) => {
                    section.insert(key.name.into(), value);
                }
                None => wrong(format!("[{}] in the file is not a section", key.section)),
            }
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

/// Collects what is wrong, so that an operator reads all of it at once.
#[derive(Default)]
struct Findings(Vec<Problem>);

impl Findings {
    fn fatal(&mut self, key: &str, what: impl Into<String>) {
        self.0.push(Problem {
            key: key.into(),
            what: what.into(),
            fatal: true,
        });
    }

    fn limit(&mut self, key: &str, what: impl Into<String>) {
        self.0.push(Problem {
            key: key.into(),
            what: what.into(),
            fatal: false,
        });
    }
}

fn check(raw: Raw) -> Result<(Config, Vec<Problem>), ConfigError> {
    let mut found = Findings::default();
    let public_url = public_url(raw.public_url.as_deref(), &mut found);
    let listen = raw.listen.as_deref().unwrap_or("127.0.0.1:7433").parse().ok();
    if listen.is_none() {
        found.fatal("listen", "must be ADDRESS:PORT, for example 127.0.0.1:7433");
    }
    let log_format = match raw.log_format.as_deref() {
        None | Some("text") => LogFormat::Text,
        Some("json") => LogFormat::Json,
        Some(_) => {
            found.fatal("log_format", "must be text or json");
            LogFormat::Text
        }
    };
    let metrics_listen = raw.metrics_listen.as_deref().and_then(|text| {
        let address = text.parse().ok();
        if address.is_none() {
            found.fatal(
                "metrics_listen",
                "must be ADDRESS:PORT, for example 127.0.0.1:9433",
            );
        }
        address
    });
    let mut trusted_proxies = Vec::new();
    for text in raw.trusted_proxies.unwrap_or_default() {
        match text.parse() {
            Ok(network) => trusted_proxies.push(network),
            Err(what) => found.fatal("trusted_proxies", format!("\"{text}\" {what}")),
        }
    }
    let database = raw.database.unwrap_or_else(|| "sqlite:tandem.db".into());
    if !["sqlite:", "postgres://", "postgresql://"]
        .iter()
        .any(|p| database.starts_with(p))
    {
        found.fatal("database", "must begin with sqlite: or postgres://");
    }
    let salesforce = salesforce(raw.salesforce, &mut found);
    let microsoft = microsoft(raw.microsoft, &mut found);
    let ews = ews(raw.ews, &mut found);
    let net = net(raw.net, &mut found);
    let outlook = outlook(raw.outlook, &mut found);
    let mail = mail(raw.mail, &mut found);
    let tls = TlsSettings::of(
        raw.tls.certificate,
        raw.tls.key,
        raw.tls.self_signed.unwrap_or_default(),
    )
    .unwrap_or_else(|what| {
        found.fatal("tls", what);
        TlsSettings::Off
    });
    let sessions = raw.worker.sessions.unwrap_or(8);
    if sessions > 512 {
        found.fatal("worker.sessions", "must be between 0 and 512");
    }
    let lease = raw.worker.lease_seconds.unwrap_or(300);
    if !(5..=3600).contains(&lease) {
        found.fatal("worker.lease_seconds", "must be between 5 and 3600");
    }
    let budgets = budgets(&raw.worker, &salesforce, &mut found);
    let retention = retention(&raw.retention, &mut found);
    // Beside the master key's file even where the key comes from elsewhere.
    let key_file = raw.master_key_file.clone().unwrap_or_else(|| "tandem.key".into());
    let master_key = master_key(
        raw.master_key_file,
        raw.master_key,
        raw.master_key_command,
        &mut found,
    );
    let Findings(problems) = found;
    match (public_url, listen, net, outlook) {
        (Some(public_url), Some(listen), Some(net), Some(outlook)) if problems.iter().all(|p| !p.fatal) => {
            let config = Config {
                public_url,
                listen,
                database: database.into(),
                master_key,
                state_folder: key_file.parent().map(Path::to_owned).unwrap_or_default(),
                site_root: raw.site_root,
                log: raw.log.unwrap_or_else(|| "info".into()),
                log_format,
                metrics_listen,
                trusted_proxies,
                salesforce,
                microsoft,
                ews,
                net,
                outlook,
                mail,
                tls,
                worker_sessions: sessions as usize,
                worker_lease: Duration::from_secs(lease.into()),
                budgets,
                retention,
            };
            Ok((config, problems))
        }
        _ => Err(ConfigError(problems)),
    }
}

fn master_key(
    file: Option<PathBuf>,
    given: Option<SecretString>,
    command: Option<String>,
    found: &mut Findings,
) -> MasterKeySource {
    let sources = [file.is_some(), given.is_some(), command.is_some()];
    if sources.into_iter().filter(|said| *said).count() > 1 {
        found.fatal(
            "master_key",
            "has several sources: give one of master_key_file, master_key, master_key_command",
        );
    }
    match (given, command) {
        (Some(text), _) => MasterKeySource::Given(text),
        (None, Some(line)) => MasterKeySource::Command(line),
        (None, None) => MasterKeySource::File(file.unwrap_or_else(|| "tandem.key".into())),
    }
}

fn retention(raw: &RawRetention, found: &mut Findings) -> Retention {
    let usual = Retention::default();
    let mut days = |key: &str, given: Option<u32>, usual: u32| {
        let days = given.unwrap_or(usual);
        if !(1..=3650).contains(&days) {
            found.fatal(key, "must be between 1 and 3650 days");
        }
        days
    };
    let kept = Retention {
        journal: days("retention.journal_days", raw.journal, usual.journal),
        sessions: days("retention.sessions_days", raw.sessions, usual.sessions),
        audit: days("retention.audit_days", raw.audit, usual.audit),
        deactivated: days("retention.deactivated_days", raw.deactivated, usual.deactivated),
        unused: days("retention.unused_days", raw.unused, usual.unused),
    };
    if kept.journal > kept.sessions {
        found.fatal(
            "retention.journal_days",
            "must not be more than retention.sessions_days: nobody could find what to undo",
        );
    }
    kept
}

fn public_url(text: Option<&str>, found: &mut Findings) -> Option<Url> {
    let Some(text) = text else {
        found.fatal("public_url", "is missing: the address at which browsers reach this server, for example https://tandem.example.com");
        return None;
    };
    let Ok(url) = Url::parse(text) else {
        found.fatal("public_url", "is not a URL");
        return None;
    };
    let local = is_local(&url);
    if url.scheme() != "https" && !(url.scheme() == "http" && local) {
        found.fatal(
            "public_url",
            "must be https (http only on localhost): Outlook opens nothing else",
        );
        return None;
    }
    if url.path() != "/"
        || url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        found.fatal("public_url", "must be scheme, host and port only");
        return None;
    }
    Some(url)
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(url::Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}

fn origin(key: &str, text: &str, found: &mut Findings) -> Option<Url> {
    match Url::parse(text) {
        Ok(url)
            if url.path() == "/"
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
                && url.host_str().is_some() =>
        {
            if url.scheme() == "https" || (url.scheme() == "http" && is_local(&url)) {
                return Some(url);
            }
            found.fatal(key, format!("{text} must be https"));
            None
        }
        _ => {
            found.fatal(
                key,
                format!("{text} is not an origin such as https://login.salesforce.com"),
            );
            None
        }
    }
}

fn salesforce(raw: RawSalesforce, found: &mut Findings) -> SalesforceConfig {
    let client_id = raw.client_id.unwrap_or_default();
    if client_id.is_empty() {
        found.fatal(
            "salesforce.client_id",
            "is missing: the consumer key of your external client app (Setup, External Client App Manager)",
        );
    }
    if raw.client_secret.is_none() {
        found.limit(
            "salesforce.client_secret",
            "is not set: the app must allow the flow with PKCE alone",
        );
    }
    let hosts = raw
        .login_hosts
        .unwrap_or_else(|| vec!["https://login.salesforce.com".into()]);
    if hosts.is_empty() {
        found.fatal("salesforce.login_hosts", "is empty: nobody can sign in");
    }
    let login_hosts = hosts
        .iter()
        .filter_map(|h| origin("salesforce.login_hosts", h, found))
        .collect();
    let orgs = raw.allowed_orgs.unwrap_or_default();
    if orgs.is_empty() {
        found.limit(
            "salesforce.allowed_orgs",
            "is empty: nobody may sign in. List the 18-character ids of your organisations (Setup, Company Information)",
        );
    }
    let mut allowed_orgs = Vec::new();
    for org in orgs {
        match org.parse() {
            Ok(id) => allowed_orgs.push(id),
            Err(_) => {
                found.fatal(
                    "salesforce.allowed_orgs",
                    format!("{org} is not an 18-character organisation id (00D…)"),
                );
            }
        }
    }
    let key_field = raw.key_field.unwrap_or_else(|| "Tandem_Key__c".into());
    if !key_field.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') || key_field.is_empty() {
        found.fatal("salesforce.key_field", "is not the API name of a field");
    }
    let reserve = raw.api_reserve_percent.unwrap_or(10);
    if reserve > 90 {
        found.fatal("salesforce.api_reserve_percent", "must be between 0 and 90");
    }
    let admin_permission_set = raw.admin_permission_set.unwrap_or_else(|| "Tandem_Admin".into());
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if !admin_permission_set.bytes().all(is_name) || admin_permission_set.is_empty() {
        found.fatal(
            "salesforce.admin_permission_set",
            "is not the API name of a permission set",
        );
    }
    SalesforceConfig {
        client_id,
        client_secret: raw.client_secret,
        login_hosts,
        allowed_orgs,
        key_field,
        api_reserve_percent: reserve,
        admin_permission_set,
    }
}

fn budgets(raw: &RawWorker, salesforce: &SalesforceConfig, found: &mut Findings) -> Budgets {
    let plain = Budgets::default();
    let mut most = |key, set: Option<u32>, plain: u32| {
        let n = set.unwrap_or(plain);
        if !(1..=10_000).contains(&n) {
            found.fatal(key, "must be between 1 and 10000");
        }
        n
    };
    Budgets {
        org_sessions: most("worker.org_sessions", raw.org_sessions, plain.org_sessions),
        mail_host_sessions: most(
            "worker.mail_host_sessions",
            raw.mail_host_sessions,
            plain.mail_host_sessions,
        ),
        api_reserve_percent: salesforce.api_reserve_percent,
    }
}

fn microsoft(raw: RawMicrosoft, found: &mut Findings) -> Option<MicrosoftConfig> {
    let Some(client_id) = raw.client_id.filter(|id| !id.is_empty()) else {
        let said = raw.client_secret.is_some() || raw.tenant.is_some() || raw.authority.is_some();
        if said || raw.graph.is_some() {
            found.fatal(
                "microsoft.client_id",
                "is missing: the application (client) id of your app registration",
            );
        }
        return None;
    };
    if raw.client_secret.is_none() {
        found.limit(
            "microsoft.client_secret",
            "is not set: the app registration must allow public client flows",
        );
    }
    let tenant = raw.tenant.as_deref().unwrap_or("organizations");
    let tenant = match tenant.parse::<Tenant>() {
        Ok(tenant) => Some(tenant),
        Err(error) => {
            found.fatal("microsoft.tenant", error.to_string());
            None
        }
    };
    let authority = raw
        .authority
        .unwrap_or_else(|| "https://login.microsoftonline.com".into());
    let graph = raw.graph.unwrap_or_else(|| "https://graph.microsoft.com".into());
    Some(MicrosoftConfig {
        authority: origin("microsoft.authority", &authority, found)?,
        tenant: tenant?,
        client_id,
        client_secret: raw.client_secret,
        graph: origin("microsoft.graph", &graph, found)?,
    })
}

fn ews(raw: RawEws, found: &mut Findings) -> EwsConfig {
    let lower = |list: Option<Vec<String>>| -> Vec<String> {
        list.unwrap_or_default()
            .iter()
            .map(|s| s.trim().to_ascii_lowercase())
            .collect()
    };
    let config = EwsConfig {
        allowed_hosts: lower(raw.allowed_hosts),
        allowed_domains: lower(raw.allowed_domains),
    };
    if config.allowed_hosts.is_empty() && config.allowed_domains.is_empty() {
        found.limit(
            "ews",
            "neither allowed_hosts nor allowed_domains is set: no Exchange can be connected",
        );
    }
    for (key, names) in [
        ("ews.allowed_hosts", &config.allowed_hosts),
        ("ews.allowed_domains", &config.allowed_domains),
    ] {
        for name in names {
            if name.contains("://") || name.contains('/') || name.contains('@') || name.is_empty() {
                found.fatal(
                    key,
                    format!("\"{name}\" must be a name alone, for example mail.example.com"),
                );
            }
        }
    }
    config
}

fn net(raw: RawNet, found: &mut Findings) -> Option<NetSettings> {
    let mut resolve = Vec::new();
    let mut whole = true;
    for entry in raw.resolve.unwrap_or_default() {
        let parsed = entry.split_once('=').and_then(|(host, addr)| {
            addr.parse()
                .ok()
                .map(|addr: SocketAddr| (host.trim().to_ascii_lowercase(), addr))
        });
        if let Some(pair) = parsed {
            resolve.push(pair);
        } else {
            found.fatal("net.resolve", format!("\"{entry}\" must be host=address:port"));
            whole = false;
        }
    }
    let extra_roots = raw.extra_roots.unwrap_or_default();
    for path in &extra_roots {
        if let Err(e) = std::fs::metadata(path) {
            found.fatal(
                "net.extra_roots",
                format!("{} cannot be read: {e}", path.display()),
            );
            whole = false;
        }
    }
    if raw.allow_loopback == Some(true) {
        found.limit("net.allow_loopback", "is on: meant for development, anyone who may name a mail server reaches this machine's own services");
    }
    let mut allow_networks = Vec::new();
    for text in raw.allow_networks.unwrap_or_default() {
        match text.parse() {
            Ok(network) => allow_networks.push(network),
            Err(what) => {
                found.fatal("net.allow_networks", format!("\"{text}\" {what}"));
                whole = false;
            }
        }
    }
    whole.then(|| NetSettings {
        allow_loopback: raw.allow_loopback.unwrap_or(false),
        allow_private: raw.allow_private.unwrap_or(false),
        allow_networks,
        extra_roots,
        resolve,
    })
}

fn outlook(raw: RawOutlook, found: &mut Findings) -> Option<OutlookConfig> {
    let frame_ancestors = raw.frame_ancestors.unwrap_or_else(|| {
        [
            "https://outlook.office.com",
            "https://outlook.office365.com",
            "https://outlook.cloud.microsoft",
            "https://outlook.live.com",
        ]
        .map(String::from)
        .to_vec()
    });
    let preview = match raw.preview.as_deref().map(Url::parse) {
        None => None,
        // It is believed to be Outlook: nothing from elsewhere is.
        Some(Ok(url)) if is_local(&url) && matches!(url.scheme(), "http" | "https") => Some(url),
        Some(_) => {
            found.fatal("outlook.preview", "is no address of this machine");
            return None;
        }
    };
    // As they were parsed, not as they were written: they become a part of a header.
    let mut frame_ancestors = frame_ancestors
        .iter()
        .map(|text| origin("outlook.frame_ancestors", text, found))
        .map(|url| url.map(|url| url.origin().ascii_serialization()))
        .collect::<Option<Vec<String>>>()?;
    frame_ancestors.extend(preview.as_ref().map(|url| url.origin().ascii_serialization()));
    let own = preview.as_ref().and_then(|url| url.join("/office.js").ok());
    let script = raw
        .office_js
        .or_else(|| own.map(String::from))
        .unwrap_or_else(|| "https://appsforoffice.microsoft.com/lib/1/hosted/office.js".into());
    let office_js = if script.is_empty() {
        None
    } else {
        match Url::parse(&script) {
            Ok(url) if url.scheme() == "https" || (url.scheme() == "http" && is_local(&url)) => Some(url),
            _ => {
                found.fatal("outlook.office_js", "is not an https URL");
                return None;
            }
        }
    };
    Some(OutlookConfig {
        frame_ancestors,
        office_js,
        preview,
    })
}

fn mail(raw: RawMail, found: &mut Findings) -> Option<MailConfig> {
    let Some(server) = raw
        .server
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
    else {
        if raw.from.is_some() || raw.user.is_some() || raw.password.is_some() || raw.password_file.is_some() {
            found.fatal("mail.server", "is missing: the SMTP server that takes our mails");
        }
        return None;
    };
    if server.contains([':', '/', '@']) || server.contains(char::is_whitespace) {
        found.fatal(
            "mail.server",
            "must be a name alone, for example smtp.example.com",
        );
    }
    let tls = match raw.tls.as_deref().unwrap_or("starttls") {
        "always" => MailTls::Always,
        "starttls" => MailTls::StartTls,
        "never" => {
            // A password, and the addresses of users, would be read on the way.
            let here = server == "localhost" || server.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
            if !here {
                found.fatal("mail.tls", "may be never for a server on this machine only");
            }
            MailTls::Never
        }
        _ => {
            found.fatal("mail.tls", "must be starttls, always or never");
            return None;
        }
    };
    let password = match (raw.password, raw.password_file) {
        (Some(_), Some(_)) => {
            found.fatal(
                "mail.password",
                "is given, and mail.password_file too: one of them",
            );
            None
        }
        (password, None) => password,
        (None, Some(path)) => match std::fs::read_to_string(&path) {
            Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned().into()),
            Err(error) => {
                found.fatal(
                    "mail.password_file",
                    format!("{} cannot be read: {error}", path.display()),
                );
                None
            }
        },
    };
    let sign_in = match (raw.user.filter(|user| !user.is_empty()), password) {
        (Some(user), Some(password)) => Some((user, password)),
        (None, None) => None,
        (Some(_), None) => {
            found.fatal("mail.password", "is missing, where mail.user is given");
            None
        }
        (None, Some(_)) => {
            found.fatal("mail.user", "is missing, where a password is given");
            None
        }
    };
    let from = raw.from.unwrap_or_default();
    let Ok(from) = from.parse() else {
        found.fatal(
            "mail.from",
            "must be the address that our mails come from, for example Tandem <tandem@example.com>",
        );
        return None;
    };
    Some(MailConfig {
        server,
        port: raw.port.unwrap_or(match tls {
            MailTls::Always => 465,
            MailTls::StartTls => 587,
            MailTls::Never => 25,
        }),
        tls,
        sign_in,
        from,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        public_url = "https://tandem.example.com"
        [salesforce]
        client_id = "id"
        client_secret = "secret"
        allowed_orgs = ["00D000000000001AAA"]
        [ews]
        allowed_domains = ["Example.com"]
    "#;

    fn load_text(text: &str, vars: &[(&str, &str)]) -> Result<(Config, Vec<Problem>), ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tandem.toml");
        std::fs::write(&path, text).unwrap();
        load(
            Some(&path),
            vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())),
        )
    }

    fn fatal(text: &str, vars: &[(&str, &str)]) -> String {
        load_text(text, vars).unwrap_err().to_string()
    }

    #[test]
    fn a_good_file_loads_and_variables_win() {
        let (config, problems) =
            load_text(GOOD, &[("TANDEM_LISTEN", "127.0.0.1:9"), ("OTHER", "x")]).unwrap();
        assert_eq!(config.listen.port(), 9);
        assert_eq!(config.ews.allowed_domains, ["example.com"]);
        assert_eq!(problems, []);
    }

    #[test]
    fn every_key_of_the_table_is_a_key_of_the_file() {
        for key in KEYS {
            let value = match key.shape {
                Shape::Text => "\"x\"",
                Shape::Number => "1",
                Shape::Switch => "true",
                Shape::List => "[]",
            };
            let text = if key.section.is_empty() {
                format!("{} = {value}", key.name)
            } else {
                format!("[{}]\n{} = {value}", key.section, key.name)
            };
            let table: toml::Table = text.parse().unwrap();
            table
                .try_into::<Raw>()
                .unwrap_or_else(|e| panic!("{}: {e}", key.path()));
        }
    }

    #[test]
    fn unknown_keys_and_variables_are_refused() {
        assert!(fatal(&format!("{GOOD}\nallowed_domain = 1"), &[]).contains("allowed_domain"));
        assert!(fatal("publik_url = 'x'", &[]).contains("publik_url"));
        assert!(fatal(GOOD, &[("TANDEM_LISTN", "x")]).contains("TANDEM_LISTN: there is no such setting"));
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let text = fatal(
            "listen = 'nowhere'\ndatabase = 'mysql://x'\nlog_format = 'xml'\nmetrics_listen = '9433'\ntrusted_proxies = ['10.0.0.0/99']",
            &[],
        );
        for part in [
            "public_url",
            "listen",
            "database",
            "salesforce.client_id",
            "log_format",
            "metrics_listen",
            "trusted_proxies",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn plain_http_is_for_localhost_only() {
        let at = |url: &str| load_text(GOOD, &[("TANDEM_PUBLIC_URL", url)]);
        assert!(at("http://localhost:7433").is_ok());
        assert!(at("http://tandem.example.com").is_err());
        assert!(at("https://tandem.example.com/x").is_err());
    }

    #[test]
    fn what_becomes_a_header_is_an_origin() {
        let framed_by = |list: &str| load_text(GOOD, &[("TANDEM_OUTLOOK_FRAME_ANCESTORS", list)]);
        let (config, _) = framed_by("https://OWA.example.com/, https://*.contoso.example").unwrap();
        assert_eq!(
            config.outlook.frame_ancestors,
            ["https://owa.example.com", "https://*.contoso.example"]
        );
        for wrong in [
            "*",
            "https://a.example/x",
            "http://a.example",
            "https://u:p@a.example",
            "https://a.example; script-src *",
        ] {
            assert!(framed_by(wrong).is_err(), "{wrong}");
        }
        assert!(load_text(GOOD, &[("TANDEM_OUTLOOK_OFFICE_JS", "data:text/javascript,1")]).is_err());
    }

    #[test]
    fn a_preview_is_of_this_machine_and_brings_its_own_office_js() {
        let preview = ("TANDEM_OUTLOOK_PREVIEW", "http://127.0.0.1:7001/");
        let (config, problems) = load_text(GOOD, &[preview]).unwrap();
        assert_eq!(problems, []);
        let outlook = config.outlook;
        let script = outlook.office_js.unwrap();
        assert_eq!(script.as_str(), "http://127.0.0.1:7001/office.js");
        assert!(
            outlook
                .frame_ancestors
                .contains(&"http://127.0.0.1:7001".to_owned())
        );
        // What is said is meant.
        let (config, _) = load_text(GOOD, &[preview, ("TANDEM_OUTLOOK_OFFICE_JS", "")]).unwrap();
        assert_eq!(config.outlook.office_js, None);
        for wrong in [
            "https://evil.example/",
            "http://192.0.2.1:7001/",
            "file:///tmp",
            "x",
        ] {
            assert!(
                load_text(GOOD, &[("TANDEM_OUTLOOK_PREVIEW", wrong)]).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn networks_are_allowed_by_name() {
        let of = |list| load_text(GOOD, &[("TANDEM_NET_ALLOW_NETWORKS", list)]);
        let (config, _) = of("10.1.0.0/16, fd12:3456::/32").unwrap();
        assert_eq!(config.net.allow_networks.len(), 2);
        for wrong in ["10.1.0.0/40", "0.0.0.0/0", "mail.example.com"] {
            let said = of(wrong).unwrap_err().to_string();
            assert!(said.contains("net.allow_networks"), "{said}");
        }
    }

    #[test]
    fn nobody_may_sign_in_is_said() {
        let (_, problems) = load_text(GOOD, &[("TANDEM_SALESFORCE_ALLOWED_ORGS", "")]).unwrap();
        assert!(
            problems
                .iter()
                .any(|p| p.key == "salesforce.allowed_orgs" && !p.fatal)
        );
    }

    #[test]
    fn without_a_registration_there_is_no_office_365() {
        let (config, _) = load_text(GOOD, &[]).unwrap();
        assert!(config.microsoft.is_none());
        let id = (
            "TANDEM_MICROSOFT_CLIENT_ID",
            "11111111-2222-3333-4444-555555555555",
        );
        let secret = ("TANDEM_MICROSOFT_CLIENT_SECRET", "geheim");
        let (config, problems) = load_text(GOOD, &[id, secret]).unwrap();
        assert_eq!(problems, []);
        assert!(!format!("{config:?}").contains("geheim"));
        let microsoft = config.microsoft.unwrap();
        assert_eq!(microsoft.authority.as_str(), "https://login.microsoftonline.com/");
        assert_eq!(microsoft.graph.as_str(), "https://graph.microsoft.com/");
        assert_eq!(microsoft.tenant, Tenant::Organizations);
        let (_, problems) = load_text(GOOD, &[id]).unwrap();
        assert_eq!(problems[0].key, "microsoft.client_secret");
        // Half a registration is a mistake, no wish.
        assert!(fatal(GOOD, &[secret]).contains("microsoft.client_id"));
        for (key, wrong) in [
            ("TANDEM_MICROSOFT_TENANT", "consumers"),
            ("TANDEM_MICROSOFT_AUTHORITY", "http://login.example.com"),
            ("TANDEM_MICROSOFT_GRAPH", "https://graph.microsoft.com/v1.0"),
        ] {
            assert!(load_text(GOOD, &[id, secret, (key, wrong)]).is_err(), "{key}");
        }
    }

    #[test]
    fn mails_go_by_a_safe_way_or_none() {
        let (config, _) = load_text(GOOD, &[]).unwrap();
        assert!(config.mail.is_none());
        let server = ("TANDEM_MAIL_SERVER", "smtp.example.com");
        let from = ("TANDEM_MAIL_FROM", "Tandem <tandem@example.com>");
        let (config, problems) = load_text(GOOD, &[server, from]).unwrap();
        assert_eq!(problems, []);
        let mail = config.mail.unwrap();
        assert_eq!((mail.port, mail.tls), (587, MailTls::StartTls));
        assert!(mail.sign_in.is_none());
        let always = ("TANDEM_MAIL_TLS", "always");
        let (user, password) = (("TANDEM_MAIL_USER", "u"), ("TANDEM_MAIL_PASSWORD", "geheim"));
        let (config, _) = load_text(GOOD, &[server, from, always, user, password]).unwrap();
        assert!(!format!("{config:?}").contains("geheim"));
        let mail = config.mail.unwrap();
        assert_eq!(
            (mail.port, mail.tls, mail.sign_in.is_some()),
            (465, MailTls::Always, true)
        );
        let never = ("TANDEM_MAIL_TLS", "never");
        for wrong in [
            vec![from],
            vec![server],
            vec![server, from, never],
            vec![server, from, ("TANDEM_MAIL_TLS", "perhaps")],
            vec![server, from, user],
            vec![server, from, password],
            vec![server, ("TANDEM_MAIL_FROM", "nobody")],
            vec![("TANDEM_MAIL_SERVER", "smtp.example.com:25"), from],
            vec![
                server,
                from,
                user,
                ("TANDEM_MAIL_PASSWORD_FILE", "nowhere.at.all"),
            ],
        ] {
            assert!(load_text(GOOD, &wrong).is_err(), "{wrong:?}");
        }
        let here = [
            ("TANDEM_MAIL_SERVER", "127.0.0.1"),
            from,
            never,
            ("TANDEM_MAIL_PORT", "2525"),
        ];
        assert_eq!(load_text(GOOD, &here).unwrap().0.mail.unwrap().port, 2525);
    }

    #[test]
    fn the_master_key_has_one_source() {
        let of = |vars: &[(&str, &str)]| load_text(GOOD, vars).unwrap().0;
        let (file, given, command) = (
            ("TANDEM_MASTER_KEY_FILE", "/var/lib/tandem/key"),
            ("TANDEM_MASTER_KEY", "geheim"),
            ("TANDEM_MASTER_KEY_COMMAND", "kms decrypt"),
        );
        assert!(matches!(of(&[]).master_key, MasterKeySource::File(path) if path == Path::new("tandem.key")));
        let config = of(&[file]);
        assert_eq!(config.state_folder, Path::new("/var/lib/tandem"));
        assert!(matches!(config.master_key, MasterKeySource::File(_)));
        let config = of(&[given]);
        assert!(!format!("{config:?}").contains("geheim"));
        assert!(matches!(config.master_key, MasterKeySource::Given(_)));
        assert!(matches!(of(&[command]).master_key, MasterKeySource::Command(line) if line == "kms decrypt"));
        for two in [[file, given], [given, command], [file, command]] {
            assert!(fatal(GOOD, &two).contains("master_key"), "{two:?}");
        }
    }

    #[test]
    fn what_is_kept_is_kept_for_days() {
        let (config, _) = load_text(GOOD, &[("TANDEM_RETENTION_AUDIT_DAYS", "3")]).unwrap();
        assert_eq!(
            config.retention,
            Retention {
                audit: 3,
                ..Retention::default()
            }
        );
        for (key, wrong) in [
            ("TANDEM_RETENTION_AUDIT_DAYS", "0"),
            ("TANDEM_RETENTION_DEACTIVATED_DAYS", "4000"),
            ("TANDEM_RETENTION_JOURNAL_DAYS", "91"),
        ] {
            assert!(fatal(GOOD, &[(key, wrong)]).contains("retention."), "{key}");
        }
    }

    #[test]
    fn the_secret_is_not_shown() {
        let (config, _) = load_text(GOOD, &[]).unwrap();
        assert!(!format!("{config:?}").contains("\"secret\""));
        let with_password = [("TANDEM_DATABASE", "postgres://tandem:hunter2@db/tandem")];
        let (config, _) = load_text(GOOD, &with_password).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
