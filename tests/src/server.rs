//! `tandem serve` as a process, configured for a sandbox.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output};
use std::time::Duration;

use anyhow::{Context as _, Result};
use http::StatusCode;
use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;
use url::Url;

use crate::process::Process;
use crate::sandbox::SandboxProc;
use crate::{http as client, places};

/// How a server differs from the usual one of the tests.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `postgres://…`; else SQLite in the server's own folder.
    pub database: Option<String>,
    /// Origins that may show the pane in a frame.
    pub frame_ancestors: Vec<String>,
    /// The sandbox's browser preview may show the pane, and brings its Office.js.
    pub preview: bool,
    /// More variables, for example `("TANDEM_LOG", "debug")`. They win over the file.
    pub variables: Vec<(String, String)>,
    /// More arguments of `tandem serve`.
    pub serve_with: Vec<String>,
    /// A program that becomes `tandem serve`, whose command line is its last arguments: `["nice"]`.
    pub launcher: Vec<String>,
    /// Another binary than the one under test.
    pub binary: Option<PathBuf>,
    /// The organisation has an integration user from the first sync on ([`crate::Stage::synced`]).
    pub integration: bool,
}

impl Options {
    /// By what browsers reach it: it ends the encryption itself if it is told so.
    fn scheme(&self) -> &'static str {
        if self
            .serve_with
            .iter()
            .any(|argument| argument.starts_with("--tls"))
        {
            "https"
        } else {
            "http"
        }
    }
}

/// A server that can be ended and started again, with the same configuration and data.
#[derive(Debug)]
pub struct Tandem {
    /// The pane, `http://localhost:PORT/`.
    pub url: Url,
    process: Option<Process>,
    variables: Vec<(String, String)>,
    serve_with: Vec<String>,
    launcher: Vec<String>,
    binary: Option<PathBuf>,
    folder: TempDir,
}

impl Tandem {
    /// Starts a server that knows only this sandbox, and waits until it is well.
    pub async fn start(sandbox: &SandboxProc, options: &Options) -> Result<Self> {
        let mut tandem = Self::prepare(sandbox, options)?;
        tandem.start_again().await?;
        Ok(tandem)
    }

    /// Configures a server without starting it.
    pub fn prepare(sandbox: &SandboxProc, options: &Options) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let config = configuration(sandbox, options, port, folder.path())?;
        std::fs::write(folder.path().join("tandem.toml"), config)?;
        let scheme = options.scheme();
        let url = Url::parse(&format!("{scheme}://localhost:{port}/"))?;
        Ok(Self {
            url,
            process: None,
            variables: options.variables.clone(),
            serve_with: options.serve_with.clone(),
            launcher: options.launcher.clone(),
            binary: options.binary.clone(),
            folder,
        })
    }

    /// Starts it on the data that is there, and does not wait for it.
    pub fn spawn(&mut self) -> Result<()> {
        anyhow::ensure!(self.process.is_none(), "the server runs already");
        let mut command = self.command(&self.launcher, &["serve"])?;
        command.args(&self.serve_with);
        self.process = Some(Process::start("server", command, self.folder.path(), false)?);
        Ok(())
    }

    /// Starts it on the data that is there, and waits until it is well.
    pub async fn start_again(&mut self) -> Result<()> {
        self.spawn()?;
        let mut process = self.process.take().context("it has just been started")?;
        let health = self.url.join("healthz")?;
        let asked = || async {
            if health.scheme() == "http" {
                return client::get(&health).await.is_ok_and(|a| a.status.is_success());
            }
            let mut arguments = vec!["healthcheck"];
            arguments.extend(self.serve_with.iter().map(String::as_str));
            self.run(&arguments)
                .await
                .is_ok_and(|ended| ended.status.success())
        };
        process
            .until(Duration::from_mins(1), "good answer from /healthz", asked)
            .await?;
        self.process = Some(process);
        Ok(())
    }

    /// From its next start another binary; `None`: the one under test.
    pub fn becomes(&mut self, binary: Option<PathBuf>) {
        self.binary = binary;
    }

    /// From its next start with these arguments.
    pub fn serve_with(&mut self, arguments: &[&str]) {
        self.serve_with = arguments.iter().map(|&argument| argument.to_owned()).collect();
    }

    /// Ends it as an operator does.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        let mut process = self.process.take().context("the server does not run")?;
        process.terminate(Duration::from_secs(30)).await
    }

    /// Ends it as a power cut does.
    pub async fn kill(&mut self) -> Result<()> {
        self.process
            .take()
            .context("the server does not run")?
            .kill()
            .await
    }

    /// Runs another sub-command on the same configuration, for example `["connection", "list"]`.
    pub async fn run(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self.command(&[], arguments)?.kill_on_drop(true).output().await?)
    }

    /// As [`Tandem::run`]; its standard output, if it succeeded.
    pub async fn read(&self, arguments: &[&str]) -> Result<String> {
        let output = self.run(arguments).await?;
        anyhow::ensure!(
            output.status.success(),
            "tandem {}: {}\n{}{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Sends the server a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.process
            .as_ref()
            .context("the server does not run")?
            .signal(signal)
    }

    /// What a probe is told: status and text of `/readyz`.
    pub async fn readiness(&self) -> Result<(StatusCode, String)> {
        let answer = client::get(&self.url.join("readyz")?).await?;
        Ok((answer.status, answer.text()))
    }

    /// Waits until a probe is told so.
    pub async fn until_ready(&self, what: &str, wanted: impl Fn(StatusCode, &str) -> bool) -> Result<()> {
        let mut last = String::new();
        let look = async {
            let mut every = tokio::time::interval(Duration::from_millis(100));
            loop {
                every.tick().await;
                let (status, text) = self.readiness().await?;
                if wanted(status, &text) {
                    return Ok(());
                }
                last = format!("{status} {text}");
            }
        };
        match tokio::time::timeout(Duration::from_secs(30), look).await {
            Ok(done) => done,
            Err(_) => anyhow::bail!("/readyz does not say {what}, but {last}"),
        }
    }

    /// The process's number, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().and_then(Process::id)
    }

    /// What the server wrote to its log, over all its lives.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    /// Where it keeps its configuration, key, log and (with SQLite) data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, launcher: &[String], arguments: &[&str]) -> Result<Command> {
        let binary = match &self.binary {
            Some(binary) => binary.clone(),
            None => places::tandem()?,
        };
        let mut command = match launcher.split_first() {
            None => Command::new(binary),
            Some((program, rest)) => {
                let mut command = Command::new(program);
                command.args(rest).arg(binary);
                command
            }
        };
        // What the developer set for a server of their own must not reach this one.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TANDEM_") {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .arg("--config")
            .arg(self.folder.path().join("tandem.toml"));
        command.envs(self.variables.iter().cloned());
        Ok(command)
    }
}

/// A port that nobody listens on. The server must know it before it starts: it stands in its public URL.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn configuration(sandbox: &SandboxProc, options: &Options, port: u16, folder: &Path) -> Result<String> {
    let info = &sandbox.info;
    let domain = &info.autodiscover_domain;
    let exchange = Url::parse(&info.exchange.https)?
        .port()
        .context("Exchange has no port")?;
    let resolve: Vec<String> = ["", "autodiscover.", "mail."]
        .iter()
        .map(|prefix| format!("{prefix}{domain}=127.0.0.1:{exchange}"))
        .collect();
    let database = options
        .database
        .clone()
        .unwrap_or_else(|| format!("sqlite:{}", folder.join("tandem.db").display()));
    let mut out = String::new();
    // A JSON string, or list of strings, is one of TOML, too.
    writeln!(
        out,
        "public_url = {}",
        json!(format!("{}://localhost:{port}", options.scheme()))
    )?;
    writeln!(out, "listen = {}", json!(format!("127.0.0.1:{port}")))?;
    writeln!(out, "database = {}", json!(database))?;
    writeln!(out, "master_key_file = {}", json!(folder.join("tandem.key")))?;
    writeln!(out, "site_root = {}", json!(places::site()?))?;
    writeln!(out, "[salesforce]")?;
    writeln!(out, "client_id = {}", json!(info.client.id))?;
    writeln!(out, "client_secret = {}", json!(info.client.secret))?;
    // Plain http: the browser does not know the sandbox's certificate authority.
    writeln!(out, "login_hosts = {}", json!([info.salesforce.http]))?;
    writeln!(out, "allowed_orgs = {}", json!([info.org_id]))?;
    writeln!(out, "[microsoft]")?;
    writeln!(out, "authority = {}", json!(info.microsoft.http))?;
    writeln!(out, "client_id = {}", json!(info.microsoft_client.id))?;
    writeln!(out, "client_secret = {}", json!(info.microsoft_client.secret))?;
    writeln!(out, "graph = {}", json!(info.graph.http))?;
    writeln!(out, "[ews]")?;
    writeln!(
        out,
        "allowed_hosts = {}",
        json!(["localhost", format!("mail.{domain}")])
    )?;
    writeln!(out, "allowed_domains = {}", json!([domain]))?;
    writeln!(out, "[net]\nallow_loopback = true")?;
    writeln!(out, "extra_roots = {}", json!([info.ca_pem]))?;
    writeln!(out, "resolve = {}", json!(resolve))?;
    if options.preview {
        writeln!(out, "[outlook]\npreview = {}", json!(info.preview.http))?;
    } else {
        writeln!(out, "[outlook]\noffice_js = \"\"")?;
    }
    writeln!(out, "frame_ancestors = {}", json!(options.frame_ancestors))?;
    Ok(out)
}
