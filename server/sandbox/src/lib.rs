//! Exchange, Salesforce, Microsoft's sign-in and Graph, played over their real protocols, with faults on demand.
//!
//! [`Sandbox::start`] opens loopback servers (http and https, an authority of its own) and a control API. All
//! content follows from the seed. What the sandbox does not know, it refuses, and says what it was.

mod company;
mod control;
mod exchange;
mod faults;
mod graph;
mod hurry;
mod log;
mod microsoft;
mod pages;
mod preview;
mod record;
mod salesforce;
mod serve;
mod tls;

pub use hurry::Hurry;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Request, header};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use crate::company::Company;
use crate::faults::Faults;
use crate::log::Log;
use crate::serve::{Front, Origins};

/// The time as the services are told it: microseconds since 1970.
pub(crate) type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The ports to listen on; 0 lets the operating system pick.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ports {
    /// EWS and Autodiscover without TLS.
    pub exchange_http: u16,
    /// EWS and Autodiscover.
    pub exchange_https: u16,
    /// Salesforce without TLS.
    pub salesforce_http: u16,
    /// Salesforce.
    pub salesforce_https: u16,
    /// Microsoft's sign-in without TLS.
    pub microsoft_http: u16,
    /// Microsoft's sign-in.
    pub microsoft_https: u16,
    /// Microsoft Graph without TLS.
    pub graph_http: u16,
    /// Microsoft Graph.
    pub graph_https: u16,
    /// The control API.
    pub control: u16,
    /// The browser preview without TLS.
    pub preview_http: u16,
    /// The browser preview.
    pub preview_https: u16,
}

/// How a sandbox is made.
#[derive(Debug, Clone)]
pub struct Options {
    /// All content follows from it.
    pub seed: u64,
    /// Where to listen.
    pub ports: Ports,
    /// `ca.pem` is written there; else into a folder that goes away with the sandbox.
    pub ca_dir: Option<PathBuf>,
    /// How many Salesforce contacts the first user owns; colleagues own some more.
    pub contacts: usize,
    /// How many contacts each mailbox holds at the start; every other one is also in Salesforce.
    pub mailbox_contacts: usize,
    /// How many Salesforce events each user owns.
    pub crm_events: usize,
    /// How many Salesforce tasks each user owns.
    pub crm_tasks: usize,
    /// How many events each mailbox makes at the start; invitations to colleagues come on top.
    pub events: usize,
    /// How many tasks each mailbox holds at the start.
    pub tasks: usize,
    /// How many messages each mailbox holds at the start.
    pub messages: usize,
    /// Whether the organisation has the external id `Tandem_Key__c`.
    pub tandem_key: bool,
    /// How many work there besides those who have names, each with a mailbox and a Salesforce user.
    pub agents: usize,
    /// How many Salesforce contacts each of those owns.
    pub agent_contacts: usize,
    /// The mail domain of the company.
    pub domain: String,
    /// Where every EWS request and reply is kept: `NNNNNN.request.xml`, `NNNNNN.response.xml`.
    pub record: Option<PathBuf>,
    /// Where the browser preview shows Tandem from: an address of this machine. A browser may be told another.
    pub pane: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            ports: Ports::default(),
            ca_dir: None,
            contacts: 60,
            mailbox_contacts: 12,
            crm_events: 0,
            crm_tasks: 0,
            events: 0,
            tasks: 0,
            messages: 0,
            tandem_key: true,
            agents: 0,
            agent_contacts: 80,
            domain: "contoso.example".to_owned(),
            record: None,
            pane: None,
        }
    }
}

/// Where one service listens, as `http://localhost:1234`.
#[derive(Debug, Clone, Serialize)]
pub struct Origin {
    /// Without TLS.
    pub http: String,
    /// With a certificate of the sandbox's authority.
    pub https: String,
}

/// The OAuth client that the organisation knows.
#[derive(Debug, Clone, Serialize)]
pub struct ClientInfo {
    /// The consumer key.
    pub id: String,
    /// The consumer secret: worth nothing outside of this sandbox.
    pub secret: String,
}

/// An employee: one mailbox and one Salesforce user. The passwords are worth nothing outside of this sandbox.
#[derive(Debug, Clone, Serialize)]
pub struct UserInfo {
    /// Given name and surname.
    pub name: String,
    /// The name at the Salesforce login page.
    pub salesforce_username: String,
    /// The password there.
    pub salesforce_password: String,
    /// The User record's id, 18 characters.
    pub salesforce_user_id: String,
    /// The login at Exchange; `CONTOSO\nina.berg` works as well.
    pub exchange_login: String,
    /// The password there.
    pub exchange_password: String,
    /// The mailbox's address.
    pub mailbox: String,
    /// The name at Microsoft's login page: the user principal name.
    pub microsoft_username: String,
    /// The password there.
    pub microsoft_password: String,
}

/// Somebody whom Microsoft's directory knows and who has no mailbox here. The password is worth nothing outside of
/// this sandbox.
#[derive(Debug, Clone, Serialize)]
pub struct Outsider {
    /// Given name and surname.
    pub name: String,
    /// The name at Microsoft's login page.
    pub username: String,
    /// The password there.
    pub password: String,
    /// The directory that they belong to.
    pub tenant_id: String,
}

/// What a client must know.
#[derive(Debug, Clone, Serialize)]
pub struct Info {
    /// The seed it was started with.
    pub seed: u64,
    /// EWS and Autodiscover.
    pub exchange: Origin,
    /// The EWS address, https on localhost.
    pub ews_url: String,
    /// The domain whose Autodiscover the exchange origins serve.
    pub autodiscover_domain: String,
    /// Login, OAuth and REST.
    pub salesforce: Origin,
    /// Microsoft's sign-in: the authority of OAuth and OpenID Connect.
    pub microsoft: Origin,
    /// Microsoft Graph.
    pub graph: Origin,
    /// The control API, http.
    pub control: String,
    /// Outlook as a page, with the pane beside it; its `office.js` is what the pane needs there. On 127.0.0.1, so that
    /// a pane on `localhost` is of another site.
    pub preview: Origin,
    /// The authority's certificate.
    pub ca_pem: PathBuf,
    /// Exchange again, with a certificate that the authority did not sign.
    pub untrusted_https: String,
    /// The OAuth client at Salesforce.
    pub client: ClientInfo,
    /// The OAuth client at Microsoft.
    pub microsoft_client: ClientInfo,
    /// The company's directory at Microsoft.
    pub tenant_id: String,
    /// The directory's administrator, without a mailbox.
    pub administrator: Outsider,
    /// A user of another organisation.
    pub stranger: Outsider,
    /// The organisation's id, 18 characters.
    pub org_id: String,
    /// The employees; Nina Berg comes first.
    pub users: Vec<UserInfo>,
}

/// The running servers. They end when this is dropped.
#[derive(Debug)]
pub struct Sandbox {
    info: Info,
    control: Router,
    tasks: Vec<JoinHandle<()>>,
    /// Removes the folder of `ca.pem` at the end.
    _scratch: Option<tempfile::TempDir>,
}

/// The sandbox's clock: the machine's, plus what the control API added; it never goes back.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    hurry: OnceLock<Hurry>,
    ahead: AtomicI64,
    last: AtomicI64,
}

impl Clock {
    /// Microseconds since 1970; each call gives a larger number than the one before.
    pub(crate) fn now(&self) -> i64 {
        #[expect(
            clippy::disallowed_methods,
            reason = "the edge of the sandbox: everything below gets it as a parameter"
        )]
        let real = jiff::Timestamp::now().as_microsecond();
        let real = self.hurry.get().map_or(real, |hurry| hurry.at(real));
        let now = real.saturating_add(self.ahead.load(Ordering::Relaxed));
        let before = self
            .last
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |last| Some(now.max(last + 1)));
        before.map_or(now, |last| now.max(last + 1))
    }

    /// Runs faster from now on. False: it does already.
    pub(crate) fn hurry(&self, hurry: Hurry) -> bool {
        self.hurry.set(hurry).is_ok()
    }

    /// Adds to the machine's time, in microseconds.
    pub(crate) fn advance(&self, micros: i64) {
        self.ahead.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Sandbox {
    /// Builds the company and opens all servers on 127.0.0.1.
    ///
    /// # Errors
    /// A port is taken, or `ca_dir` cannot be written.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let mut scratch = None;
        let folder = match &options.ca_dir {
            Some(folder) => folder.clone(),
            None => scratch
                .insert(tempfile::tempdir().context("no temporary folder")?)
                .path()
                .to_owned(),
        };
        let tls = tls::make(&folder, &options.domain)?;
        let company = Company::new(
            options.seed,
            &options.domain,
            options.contacts,
            (options.agents, options.agent_contacts),
        );

        let ports = options.ports;
        let exchange_http = listen(ports.exchange_http).await?;
        let exchange_https = listen(ports.exchange_https).await?;
        let untrusted = listen(0).await?;
        let salesforce_http = listen(ports.salesforce_http).await?;
        let salesforce_https = listen(ports.salesforce_https).await?;
        let microsoft_http = listen(ports.microsoft_http).await?;
        let microsoft_https = listen(ports.microsoft_https).await?;
        let graph_http = listen(ports.graph_http).await?;
        let graph_https = listen(ports.graph_https).await?;
        let control_port = listen(ports.control).await?;
        let preview_http = listen(ports.preview_http).await?;
        let preview_https = listen(ports.preview_https).await?;
        let origins = Arc::new(Origins {
            exchange_http: origin("http", &exchange_http)?,
            exchange_https: origin("https", &exchange_https)?,
            salesforce_http: origin("http", &salesforce_http)?,
            salesforce_https: origin("https", &salesforce_https)?,
            microsoft_http: origin("http", &microsoft_http)?,
            microsoft_https: origin("https", &microsoft_https)?,
            graph_http: origin("http", &graph_http)?,
            graph_https: origin("https", &graph_https)?,
            preview_http: apart("http", &preview_http)?,
            preview_https: apart("https", &preview_https)?,
        });

        let clock = Arc::new(Clock::default());
        let now: Now = {
            let clock = Arc::clone(&clock);
            Arc::new(move || clock.now())
        };
        let (faults, log) = (Arc::new(Faults::default()), Arc::new(Log::default()));
        let exchange = exchange::Exchange::new(
            &company,
            &options,
            tls.leaf.clone(),
            Arc::clone(&faults),
            Arc::clone(&log),
            Arc::clone(&now),
        );
        let salesforce = salesforce::Salesforce::new(
            &company,
            &options,
            Arc::clone(&faults),
            Arc::clone(&log),
            Arc::clone(&now),
        );
        let directory =
            microsoft::Directory::new(&company, options.seed, Arc::clone(&faults), Arc::clone(&now))?;
        let info = info(
            &company,
            &options,
            &origins,
            &tls,
            &untrusted,
            &control_port,
            &directory,
        )?;

        let graph = graph::Graph::new(
            exchange.clone(),
            directory.clone(),
            Arc::clone(&faults),
            Arc::clone(&log),
            Arc::clone(&now),
        );
        // What a person does in the preview is neither counted nor broken by faults: it is no client of ours.
        let outlook = graph::Graph::new(
            exchange.clone(),
            directory.clone(),
            Arc::default(),
            Arc::default(),
            Arc::clone(&now),
        );
        let preview = preview::Preview::new(
            outlook,
            exchange.clone(),
            Arc::clone(&now),
            options.pane.as_deref(),
        );
        let front = Front {
            router: exchange.router(),
            service: Arc::new(exchange.clone()),
            faults: Arc::clone(&faults),
            log: Arc::clone(&log),
            now,
            origins,
            recorder: record::Recorder::new(options.record.clone())?,
        };
        let control = control::router(control::Control {
            info: json!(info),
            log,
            faults,
            clock,
            exchange: Arc::new(exchange.clone()),
            salesforce: Arc::new(salesforce.clone()),
            microsoft: Arc::new(directory.clone()),
            graph: Arc::new(graph.clone()),
        })
        .nest("/exchange", exchange.control())
        .nest("/salesforce", salesforce.control())
        .nest("/microsoft", directory.control())
        .nest("/graph", graph.control());
        let back = Front {
            router: salesforce.router(),
            service: Arc::new(salesforce.clone()),
            ..front.clone()
        };
        let gate = Front {
            router: directory.router(),
            service: Arc::new(directory.clone()),
            ..front.clone()
        };
        let cloud = Front {
            router: graph.router(),
            service: Arc::new(graph.clone()),
            ..front.clone()
        };

        let window = Front {
            router: preview.router(),
            service: Arc::new(preview),
            faults: Arc::default(),
            log: Arc::default(),
            ..front.clone()
        };

        let tasks = vec![
            serve::spawn(exchange_http, None, front.clone()),
            serve::spawn(exchange_https, Some(Arc::clone(&tls.trusted)), front.clone()),
            serve::spawn(untrusted, Some(tls.untrusted), front.clone()),
            serve::spawn(salesforce_http, None, back.clone()),
            serve::spawn(salesforce_https, Some(Arc::clone(&tls.trusted)), back),
            serve::spawn(microsoft_http, None, gate.clone()),
            serve::spawn(microsoft_https, Some(Arc::clone(&tls.trusted)), gate),
            serve::spawn(graph_http, None, cloud.clone()),
            serve::spawn(graph_https, Some(Arc::clone(&tls.trusted)), cloud),
            serve::spawn(preview_http, None, window.clone()),
            serve::spawn(preview_https, Some(tls.trusted), window),
            serve::spawn_plain(control_port, control.clone()),
        ];
        Ok(Self {
            info,
            control,
            tasks,
            _scratch: scratch,
        })
    }

    /// Addresses, logins, the authority's certificate.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Calls the control API without a socket: status and JSON (null where there is no body). A body of null is
    /// not sent.
    pub async fn control(&self, method: &str, path_and_query: &str, body: Value) -> (u16, Value) {
        let mut request = Request::builder().method(method).uri(path_and_query);
        let content = if body.is_null() {
            Body::empty()
        } else {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Body::from(body.to_string())
        };
        let request = match request.body(content) {
            Ok(request) => request,
            Err(error) => return (400, json!({ "error": error.to_string() })),
        };
        let response = match self.control.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), usize::MAX)
            .await
            .unwrap_or_default();
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        let value = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).unwrap_or_else(|_| text())
        };
        (status, value)
    }

    /// Ends all servers and waits until their ports are free.
    pub async fn stop(mut self) {
        for task in std::mem::take(&mut self.tasks) {
            task.abort();
            let _ = task.await;
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .with_context(|| format!("cannot listen on port {port}"))
}

/// As [`origin`], on another host.
fn apart(scheme: &str, listener: &TcpListener) -> anyhow::Result<String> {
    Ok(format!("{scheme}://127.0.0.1:{}", listener.local_addr()?.port()))
}

fn origin(scheme: &str, listener: &TcpListener) -> anyhow::Result<String> {
    Ok(format!("{scheme}://localhost:{}", listener.local_addr()?.port()))
}

fn info(
    company: &Company,
    options: &Options,
    origins: &Origins,
    tls: &tls::Tls,
    untrusted: &TcpListener,
    control: &TcpListener,
    directory: &microsoft::Directory,
) -> anyhow::Result<Info> {
    let users = company.users.iter().map(|user| UserInfo {
        name: user.name(),
        salesforce_username: user.salesforce_username.clone(),
        salesforce_password: user.salesforce_password.clone(),
        salesforce_user_id: user.salesforce_user_id.clone(),
        exchange_login: user.address.clone(),
        exchange_password: user.exchange_password.clone(),
        mailbox: user.address.clone(),
        microsoft_username: user.address.clone(),
        microsoft_password: user.exchange_password.clone(),
    });
    Ok(Info {
        seed: options.seed,
        exchange: Origin {
            http: origins.exchange_http.clone(),
            https: origins.exchange_https.clone(),
        },
        ews_url: format!("{}/EWS/Exchange.asmx", origins.exchange_https),
        autodiscover_domain: company.domain.clone(),
        salesforce: Origin {
            http: origins.salesforce_http.clone(),
            https: origins.salesforce_https.clone(),
        },
        microsoft: Origin {
            http: origins.microsoft_http.clone(),
            https: origins.microsoft_https.clone(),
        },
        graph: Origin {
            http: origins.graph_http.clone(),
            https: origins.graph_https.clone(),
        },
        control: origin("http", control)?,
        preview: Origin {
            http: origins.preview_http.clone(),
            https: origins.preview_https.clone(),
        },
        ca_pem: tls.ca_pem.clone(),
        untrusted_https: origin("https", untrusted)?,
        client: ClientInfo {
            id: company.client_id.clone(),
            secret: company.client_secret.clone(),
        },
        microsoft_client: directory.client(),
        tenant_id: directory.tenant_id(),
        administrator: directory.administrator(),
        stranger: directory.stranger(),
        org_id: company.org_id.clone(),
        users: users.collect(),
    })
}
