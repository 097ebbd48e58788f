//! What every part of the server shares.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use leptos::config::LeptosOptions;
use secrecy::ExposeSecret as _;
use tandem_crm::{ApiConfig, Platform, SalesforceApp};
use tandem_mailbox::EwsPolicy;
use tandem_mailbox::microsoft::MicrosoftApp;
use tandem_net::{Net, Schemes};
use tandem_store::Store;
use tandem_sync::ports::{Clock, Rng, StoreError};
use tokio_util::sync::CancellationToken;

use crate::clock::{SystemClock, SystemRng, random_32};
use crate::config::Config;
use crate::http::Readiness;
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::panel::Panels;
use crate::site::Site;
use crate::vault::{self, Vault};
use crate::worker::fan_in::Turns;
use crate::worker::quota::Quotas;

/// For one answer of Microsoft's sign-in: somebody waits for it.
const SIGN_IN_TIMEOUT: Duration = Duration::from_secs(20);

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct App(Arc<Shared>);

/// See [`App`].
pub struct Shared {
    pub config: Config,
    pub store: Store,
    pub net: Net,
    pub salesforce: SalesforceApp,
    pub platform: Platform,
    /// `None`: Office 365 is off.
    pub microsoft: Option<MicrosoftApp>,
    pub ews: EwsPolicy,
    pub hub: Arc<Hub>,
    pub(crate) metrics: Metrics,
    pub(crate) readiness: Readiness,
    pub(crate) quotas: Quotas,
    pub(crate) turns: Turns,
    /// What panes were shown of items that are open in Outlook.
    pub(crate) panels: Arc<Panels>,
    pub clock: Arc<dyn Clock>,
    pub rng: Arc<dyn Rng>,
    pub leptos: LeptosOptions,
    pub(crate) site: Site,
    /// Cancelled when the server is to end.
    pub stop: CancellationToken,
    /// This process, among all that share the database.
    pub worker: String,
    vault: Arc<Vault>,
    token_key: [u8; 32],
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("worker", &self.worker)
            .finish_non_exhaustive()
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// Why the server cannot start. For the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the master key: {0}")]
    MasterKey(#[from] vault::MasterKeyError),
    #[error("the database: {0}")]
    Store(#[from] StoreError),
    #[error("the network client: {0}")]
    Net(#[from] tandem_net::NetError),
    #[error("net.extra_roots: {path}: {source}")]
    Roots { path: String, source: std::io::Error },
    #[error("the web files cannot be unpacked: {0}")]
    Site(#[source] std::io::Error),
    #[error(
        "{0} is missing, and what is in the database was sealed by the key that was in it: restore it from your backup. \
         No new key was made"
    )]
    KeyLost(String),
}

impl App {
    /// Opens the vault and the database, and brings the database up to date.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_at(config, Arc::new(SystemClock)).await
    }

    /// As [`App::start`], by another clock.
    pub async fn start_at(config: Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let vault = Arc::new(Vault::open_or_create(config.master_key.clone())?);
        let store = Store::connect(config.database.expose_secret(), vault.clone())
            .await?
            .with_budgets(config.budgets);
        store.migrate().await?;
        let token_key = store.token_key(&vault.first_token_key(), clock.now()).await;
        let token_key = match token_key {
            Err(StoreError::Corrupt(_)) if vault.is_new() => {
                // Left there, it would look like the one that is missing.
                vault.take_back()?;
                return Err(StartError::KeyLost(config.master_key.to_string()));
            }
            token_key => token_key?,
        };
        Self::with(config, vault, store, token_key, clock)
    }

    /// As [`App::start`], without touching the database or making a key: it serves nobody.
    pub async fn connect(config: Config) -> Result<Self, StartError> {
        let vault = Arc::new(Vault::open_or_pretend(config.master_key.clone())?);
        let store = Store::connect(config.database.expose_secret(), vault.clone())
            .await?
            .with_budgets(config.budgets);
        let token_key = vault.first_token_key();
        Self::with(config, vault, store, token_key, Arc::new(SystemClock))
    }

    fn with(
        config: Config,
        vault: Arc<Vault>,
        store: Store,
        token_key: [u8; 32],
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let net = Net::new(&net_config(&config)?)?;
        // The configuration takes plain HTTP for hosts on this machine only.
        let plain = config
            .salesforce
            .login_hosts
            .iter()
            .any(|host| host.scheme() == "http");
        let schemes = if plain {
            Schemes::HttpToo
        } else {
            Schemes::HttpsOnly
        };
        let salesforce = SalesforceApp {
            client_id: config.salesforce.client_id.clone(),
            client_secret: config.salesforce.client_secret.clone(),
            login_hosts: config.salesforce.login_hosts.clone(),
            redirect_uri: own_url(&config, "/auth/callback"),
            allowed_orgs: config.salesforce.allowed_orgs.clone(),
            schemes,
        };
        let microsoft = config.microsoft.as_ref().map(|microsoft| MicrosoftApp {
            authority: microsoft.authority.clone(),
            tenant: microsoft.tenant.clone(),
            allowed_tenants: Vec::new(),
            client_id: microsoft.client_id.clone(),
            client_secret: microsoft.client_secret.clone(),
            redirect_uri: own_url(&config, "/auth/microsoft/callback"),
            timeout: SIGN_IN_TIMEOUT,
            schemes: Schemes::of(&microsoft.authority),
        });
        let ews = EwsPolicy {
            allowed_hosts: config.ews.allowed_hosts.clone(),
            mail_domains: config.ews.allowed_domains.clone(),
            http_on_loopback: config.net.allow_loopback,
            ..EwsPolicy::default()
        };
        let rng: Arc<dyn Rng> = Arc::new(SystemRng);
        let platform = Platform {
            net: net.clone(),
            clock: Arc::clone(&clock),
            cache: Arc::default(),
            config: ApiConfig {
                key_field: config.salesforce.key_field.clone(),
                schemes,
                ..ApiConfig::default()
            },
            meters: Arc::default(),
        };
        let worker = format!(
            "{}-{}",
            std::process::id(),
            BASE64.encode(&random_32(rng.as_ref())[..6])
        );
        let site = Site::find(config.site_root.as_deref()).map_err(StartError::Site)?;
        let leptos = LeptosOptions::builder()
            .output_name("pane")
            .site_root(site.root().display().to_string())
            .site_pkg_dir("pkg")
            .site_addr(config.listen)
            .hash_files(true)
            .hash_file(absolute(&site.root().join("hash.txt")))
            .build();
        Ok(Self(Arc::new(Shared {
            store,
            net,
            salesforce,
            platform,
            microsoft,
            ews,
            hub: Arc::default(),
            metrics: Metrics::default(),
            readiness: Readiness::default(),
            quotas: Quotas::default(),
            turns: Turns::default(),
            panels: Arc::default(),
            clock,
            rng,
            leptos,
            site,
            stop: CancellationToken::new(),
            worker,
            vault,
            token_key,
            config,
        })))
    }

    /// 32 random bytes.
    pub fn random_32(&self) -> [u8; 32] {
        random_32(self.rng.as_ref())
    }

    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// A MAC under this deployment's own key.
    pub fn sign(&self, purpose: &str, text: &str) -> [u8; 32] {
        vault::mac(&self.token_key, &[purpose, text])
    }

    /// What plain forms send back, bound to the web session.
    pub fn form_token(&self, token_hash: &[u8; 32]) -> String {
        BASE64.encode(self.sign("form", &BASE64.encode(token_hash)))
    }

    /// An address of this deployment. `path` begins with a slash.
    pub fn url(&self, path: &str) -> String {
        own_url(&self.config, path).to_string()
    }
}

fn own_url(config: &Config, path: &str) -> url::Url {
    let mut url = config.public_url.clone();
    url.set_path(path);
    url
}

/// Leptos looks for a relative name beside the executable.
fn absolute(path: &std::path::Path) -> std::sync::Arc<str> {
    std::path::absolute(path)
        .unwrap_or_else(|_| path.to_owned())
        .display()
        .to_string()
        .into()
}

fn net_config(config: &Config) -> Result<tandem_net::NetConfig, StartError> {
    let mut roots = Vec::new();
    for path in &config.net.extra_roots {
        roots.push(std::fs::read(path).map_err(|source| StartError::Roots {
            path: path.display().to_string(),
            source,
        })?);
    }
    Ok(tandem_net::NetConfig {
        user_agent: format!("Tandem/{}", env!("CARGO_PKG_VERSION")),
        extra_roots_pem: roots,
        allow_loopback: config.net.allow_loopback,
        allow_private: config.net.allow_private,
        allow_networks: config.net.allow_networks.clone(),
        resolve: config.net.resolve.clone(),
        ..tandem_net::NetConfig::default()
    })
}
