//! Tandem beside a sandbox, on this machine alone.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal};
use serde::Deserialize;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::layout::{Layout, SELECTION};
use crate::run::{group_of, remove_folder, run, signal_group};
use crate::steps::{Steps, now};
use crate::{wasm, web};

/// How long each of the two may take to answer.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long each may take to end what it is doing.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// What the sandbox says about itself, in its first line.
#[derive(Deserialize)]
struct Sandbox {
    exchange: Origin,
    ews_url: String,
    autodiscover_domain: String,
    salesforce: Origin,
    microsoft: Origin,
    graph: Origin,
    preview: Origin,
    control: String,
    ca_pem: PathBuf,
    client: Client,
    microsoft_client: Client,
    org_id: String,
    users: Vec<User>,
}

#[derive(Deserialize)]
struct Origin {
    http: String,
    https: String,
}

#[derive(Deserialize)]
struct Client {
    id: String,
    secret: String,
}

#[derive(Deserialize)]
struct User {
    name: String,
    salesforce_username: String,
    salesforce_password: String,
    exchange_login: String,
    exchange_password: String,
    microsoft_username: String,
    microsoft_password: String,
}

/// Builds, starts, prints, and waits for Ctrl-C.
pub(crate) fn demo(
    layout: &Layout,
    steps: &mut Steps,
    port: u16,
    seed: u64,
    choice: wasm::Choice,
) -> Result<()> {
    web(layout, steps, choice)?;
    steps.run("build the server", || {
        run(layout
            .cargo()
            .arg("build")
            .args(SELECTION)
            .args(["--bin", "tandem"]))
    })?;
    let port = free_port(port)?;
    let scratch = layout.target.join("demo").join(port.to_string());
    // The sandbox forgets everything when it ends: an older database would speak of people who are gone.
    remove_folder(&scratch)?;
    fs::create_dir_all(&scratch)?;

    let mut children = Children::listening()?;
    let started = start(layout, steps, port, seed, &scratch, &mut children);
    let outcome = match started {
        Ok(sandbox) => {
            print_welcome(port, &sandbox, &scratch);
            children.wait()
        }
        Err(error) => Err(error),
    };
    children.stop();
    outcome
}

fn start(
    layout: &Layout,
    steps: &mut Steps,
    port: u16,
    seed: u64,
    scratch: &Path,
    children: &mut Children,
) -> Result<Sandbox> {
    let sandbox = steps.run("start the sandbox", || {
        let mut command = Command::new(layout.tandem());
        command
            .args(["sandbox", "--seed", &seed.to_string()])
            .args(["--pane", &format!("http://localhost:{port}/")])
            .stdout(Stdio::piped());
        let line = children.start("sandbox", command, scratch, true)?;
        serde_json::from_str::<Sandbox>(&line)
            .with_context(|| format!("the sandbox's first line is not what it should be: {line}"))
    })?;
    steps.run("start the server", || {
        let config = scratch.join("tandem.toml");
        fs::write(&config, configuration(port, &sandbox, layout, scratch)?)?;
        let mut command = Command::new(layout.tandem());
        command
            .args(["serve", "--config"])
            .arg(&config)
            .stdout(Stdio::null());
        // A variable of the developer's own would win over the file.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TANDEM_") {
                command.env_remove(name);
            }
        }
        children.start("server", command, scratch, false)?;
        children.until_healthy(port)
    })?;
    Ok(sandbox)
}

/// The configuration of a server that knows only the sandbox. Every key that the demo sets is set here.
fn configuration(port: u16, sandbox: &Sandbox, layout: &Layout, scratch: &Path) -> Result<String> {
    // A JSON string, or list of strings, is one of TOML, too.
    let text = |value: &str| serde_json::to_string(value);
    let domain = &sandbox.autodiscover_domain;
    let exchange = format!("127.0.0.1:{}", port_of(&sandbox.exchange.https)?);
    let resolve: Vec<String> = ["", "autodiscover.", "mail."]
        .iter()
        .map(|prefix| format!("{prefix}{domain}={exchange}"))
        .collect();
    let mut out = String::new();
    writeln!(out, "public_url = \"http://localhost:{port}\"")?;
    writeln!(out, "listen = \"127.0.0.1:{port}\"")?;
    writeln!(
        out,
        "database = {}",
        text(&format!("sqlite:{}", scratch.join("tandem.db").display()))?
    )?;
    writeln!(
        out,
        "master_key_file = {}",
        text(&scratch.join("tandem.key").to_string_lossy())?
    )?;
    writeln!(out, "site_root = {}", text(&layout.site.to_string_lossy())?)?;
    writeln!(out, "\n[salesforce]")?;
    writeln!(out, "client_id = {}", text(&sandbox.client.id)?)?;
    writeln!(out, "client_secret = {}", text(&sandbox.client.secret)?)?;
    // Plain http: the browser does not know the sandbox's certificate authority.
    writeln!(out, "login_hosts = [{}]", text(&sandbox.salesforce.http)?)?;
    writeln!(out, "allowed_orgs = [{}]", text(&sandbox.org_id)?)?;
    writeln!(out, "\n[microsoft]")?;
    writeln!(out, "authority = {}", text(&sandbox.microsoft.http)?)?;
    writeln!(out, "client_id = {}", text(&sandbox.microsoft_client.id)?)?;
    writeln!(out, "client_secret = {}", text(&sandbox.microsoft_client.secret)?)?;
    writeln!(out, "graph = {}", text(&sandbox.graph.http)?)?;
    writeln!(out, "\n[ews]")?;
    writeln!(
        out,
        "allowed_hosts = {}",
        serde_json::to_string(&["localhost", &format!("mail.{domain}")])?
    )?;
    writeln!(out, "allowed_domains = [{}]", text(domain)?)?;
    writeln!(out, "\n[net]\nallow_loopback = true")?;
    writeln!(
        out,
        "extra_roots = [{}]",
        text(&sandbox.ca_pem.to_string_lossy())?
    )?;
    writeln!(out, "resolve = {}", serde_json::to_string(&resolve)?)?;
    // Its Office.js, and it may show the pane.
    writeln!(out, "\n[outlook]\npreview = {}", text(&sandbox.preview.http)?)?;
    Ok(out)
}

fn port_of(origin: &str) -> Result<u16> {
    let port = origin
        .trim_end_matches('/')
        .rsplit(':')
        .next()
        .unwrap_or_default();
    port.parse()
        .with_context(|| format!("the sandbox's origin {origin} has no port"))
}

/// The port asked for, or one that is free now.
fn free_port(port: u16) -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("port {port} is taken; choose another with --port, or --port 0 for any"))?;
    Ok(listener.local_addr()?.port())
}

fn print_welcome(port: u16, sandbox: &Sandbox, scratch: &Path) {
    println!(
        "\n  See it beside a mailbox:  {}/\n  Tandem alone:             http://localhost:{port}/\n",
        sandbox.preview.http
    );
    println!(
        "  Sign in with Salesforce, then connect Exchange or Office 365, as one of these people of the sandbox:\n"
    );
    for user in &sandbox.users {
        println!("    {}", user.name);
        println!(
            "      Salesforce  {}   password  {}",
            user.salesforce_username, user.salesforce_password
        );
        println!(
            "      Exchange    {}   password  {}",
            user.exchange_login, user.exchange_password
        );
        println!(
            "      Office 365  {}   password  {}",
            user.microsoft_username, user.microsoft_password
        );
    }
    println!(
        "\n  Exchange's own address, if you are asked for it:  {}",
        sandbox.ews_url
    );
    println!(
        "  Its Salesforce, as pages:                         {}/",
        sandbox.salesforce.http
    );
    println!(
        "  What the sandbox holds and how to break it:       {}/info",
        sandbox.control
    );
    println!(
        "  Logs:                                             {}",
        scratch.display()
    );
    println!("\n  Ctrl-C ends it.");
}

/// What a child, or the person before the terminal, did.
enum Event {
    Line(String),
    Ended {
        name: &'static str,
        status: std::io::Result<ExitStatus>,
    },
    Interrupted,
}

/// The two processes. Each is the leader of a group of its own: Ctrl-C reaches us alone, and we end them in order.
struct Children {
    events: Receiver<Event>,
    sender: Sender<Event>,
    running: Vec<Running>,
}

struct Running {
    name: &'static str,
    group: Option<Pid>,
    log: PathBuf,
}

impl Children {
    /// From now on Ctrl-C is an event.
    fn listening() -> Result<Self> {
        let (sender, events) = mpsc::channel();
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("signals cannot be handled")?;
        let interrupted = sender.clone();
        thread::spawn(move || {
            for _ in signals.forever() {
                if interrupted.send(Event::Interrupted).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            events,
            sender,
            running: Vec::new(),
        })
    }

    /// Starts one, its log in `scratch`. Waits for its first line where it has something to say.
    fn start(
        &mut self,
        name: &'static str,
        mut command: Command,
        scratch: &Path,
        speaks: bool,
    ) -> Result<String> {
        let log = scratch.join(format!("{name}.log"));
        command
            .stdin(Stdio::null())
            .stderr(File::create(&log)?)
            .process_group(0);
        let mut child = command
            .spawn()
            .with_context(|| format!("the {name} does not start"))?;
        self.running.push(Running {
            name,
            group: group_of(&child),
            log,
        });
        if let Some(output) = child.stdout.take() {
            let lines = self.sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    // Also after the first: a full pipe would stop the child.
                    let _ = lines.send(Event::Line(line));
                }
            });
        }
        self.watch(name, child);
        if !speaks {
            return Ok(String::new());
        }
        match self.events.recv_timeout(START_LIMIT) {
            Ok(Event::Line(line)) => Ok(line),
            Ok(event) => Err(self.over(event)),
            Err(_) => bail!("the {name} said nothing for {} s", START_LIMIT.as_secs()),
        }
    }

    fn watch(&self, name: &'static str, mut child: Child) {
        let sender = self.sender.clone();
        thread::spawn(move || {
            let status = child.wait();
            let _ = sender.send(Event::Ended { name, status });
        });
    }

    /// Asks the server again and again, while watching for everything else that may happen.
    fn until_healthy(&mut self, port: u16) -> Result<()> {
        let start = now();
        while start.elapsed() < START_LIMIT {
            if is_healthy(port) {
                return Ok(());
            }
            match self.events.recv_timeout(Duration::from_millis(100)) {
                Ok(Event::Line(_)) | Err(_) => {}
                Ok(event) => return Err(self.over(event)),
            }
        }
        bail!(
            "the server did not answer within {} s{}",
            START_LIMIT.as_secs(),
            self.tail("server")
        )
    }

    /// Until Ctrl-C (which is how it should end), or until one of them ends by itself.
    fn wait(&mut self) -> Result<()> {
        loop {
            match self.events.recv() {
                Ok(Event::Line(_)) => {}
                Ok(Event::Interrupted) | Err(_) => return Ok(()),
                Ok(event) => return Err(self.over(event)),
            }
        }
    }

    fn over(&mut self, event: Event) -> anyhow::Error {
        match event {
            Event::Ended { name, status } => {
                let tail = self.tail(name);
                self.running.retain(|r| r.name != name);
                let how = status.map_or_else(|e| e.to_string(), |s| s.to_string());
                anyhow::anyhow!("the {name} ended by itself ({how}){tail}")
            }
            Event::Interrupted => anyhow::anyhow!("interrupted"),
            Event::Line(line) => anyhow::anyhow!("unexpected: {line}"),
        }
    }

    /// The end of a child's log, for an error.
    fn tail(&self, name: &str) -> String {
        let Some(running) = self.running.iter().find(|r| r.name == name) else {
            return String::new();
        };
        let log = fs::read_to_string(&running.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(20)..].join("\n    ");
        format!("\n  the end of {}:\n    {last}", running.log.display())
    }

    /// Ends them all, the server first; those that do not end are killed.
    fn stop(&mut self) {
        while let Some(running) = self.running.pop() {
            println!("    ending the {}", running.name);
            signal_group(running.group, Signal::TERM);
            let start = now();
            loop {
                let left = STOP_LIMIT.saturating_sub(start.elapsed());
                match self.events.recv_timeout(left) {
                    Ok(Event::Ended { name, .. }) if name == running.name => break,
                    Ok(Event::Ended { name, .. }) => self.running.retain(|r| r.name != name),
                    Ok(Event::Line(_)) => {}
                    // Ctrl-C again: no patience.
                    Ok(Event::Interrupted) | Err(RecvTimeoutError::Timeout) => {
                        signal_group(running.group, Signal::KILL);
                        break;
                    }
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        }
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for running in &self.running {
            signal_group(running.group, Signal::KILL);
        }
    }
}

/// Does the server say that it is well?
fn is_healthy(port: u16) -> bool {
    let limit = Duration::from_secs(2);
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), limit)?;
        stream.set_read_timeout(Some(limit))?;
        // In one piece: who answers before he has heard all resets the line.
        let request = format!("GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut head = [0; 16];
        stream.read_exact(&mut head)?;
        Ok(head.to_vec())
    };
    ask().is_ok_and(|head| head.starts_with(b"HTTP/1.1 200"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_read_off_an_origin() {
        assert_eq!(port_of("https://localhost:8443").unwrap(), 8443);
        assert_eq!(port_of("https://localhost:8443/").unwrap(), 8443);
        assert!(port_of("https://localhost").is_err());
    }

    #[test]
    fn a_taken_port_is_said_to_be() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert!(free_port(port).unwrap_err().to_string().contains("--port 0"));
        assert_ne!(free_port(0).unwrap(), 0);
    }

    #[test]
    fn a_server_that_is_unwell_is_not_healthy() {
        let answers = |head: &'static str| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            let server = thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 512];
                let _ = stream.read(&mut request).unwrap();
                stream
                    .write_all(format!("{head}\r\nContent-Length: 0\r\n\r\n").as_bytes())
                    .unwrap();
            });
            let healthy = is_healthy(port);
            server.join().unwrap();
            healthy
        };
        assert!(answers("HTTP/1.1 200 OK"));
        assert!(!answers("HTTP/1.1 503 Service Unavailable"));
    }

    #[test]
    fn children_end_when_told_and_are_named_when_they_end_by_themselves() {
        let scratch = std::env::temp_dir().join(format!("tandem-demo-test-{}", std::process::id()));
        fs::create_dir_all(&scratch).unwrap();
        let (sender, events) = mpsc::channel();
        let mut children = Children {
            events,
            sender,
            running: Vec::new(),
        };
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]).stdout(Stdio::piped());
            command
        };
        let line = children
            .start("sandbox", shell("echo ready; sleep 600"), &scratch, true)
            .unwrap();
        assert_eq!(line, "ready");
        let start = now();
        children.stop();
        assert!(start.elapsed() < STOP_LIMIT && children.running.is_empty());

        let error = children
            .start("server", shell("echo 'no disk' >&2; exit 7"), &scratch, true)
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("the server ended by itself") && text.contains("no disk"),
            "{text}"
        );
        remove_folder(&scratch).unwrap();
    }
}
