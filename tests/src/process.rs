//! A child process with its output kept, ended by name of its id.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How much of a log is shown when a test fails.
const SHOWN_LINES: usize = 120;

/// A child that is killed when this is dropped, and whose log is shown when that is because of a panic.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; its standard error goes to `folder/NAME.log`, its standard output too unless it is piped
    /// (see [`Process::first_line`]).
    pub fn start(name: &str, mut command: Command, folder: &Path, pipe_output: bool) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        // A process that is started again goes on in the same log.
        let file = File::options().create(true).append(true).open(&log)?;
        let output = if pipe_output {
            Stdio::piped()
        } else {
            Stdio::from(file.try_clone()?)
        };
        command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(file)
            .kill_on_drop(true);
        let child = command.spawn().with_context(|| {
            format!(
                "{} does not start",
                command.as_std().get_program().to_string_lossy()
            )
        })?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
        })
    }

    /// The first line of standard output that `wanted` takes. The rest of the output is read on, into nothing: a
    /// full pipe would stop the child.
    pub async fn first_line<T>(
        &mut self,
        limit: Duration,
        mut wanted: impl FnMut(&str) -> Option<T>,
    ) -> Result<T> {
        let output = self
            .child
            .stdout
            .take()
            .context("the output is not piped, or was read before")?;
        let mut lines = BufReader::new(output).lines();
        let search = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(found) = wanted(&line) {
                    return Ok(found);
                }
            }
            bail!("{} ended, or closed its output{}", self.name, tail(&self.log))
        };
        let found = match timeout(limit, search).await {
            Ok(found) => found?,
            Err(_) => bail!("{} did not say what was awaited{}", self.name, tail(&self.log)),
        };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(found)
    }

    /// Waits until `ready` says yes; fails when the child ends before that, or after `limit`.
    pub async fn until<F>(&mut self, limit: Duration, what: &str, mut ready: impl FnMut() -> F) -> Result<()>
    where
        F: Future<Output = bool>,
    {
        let polling = async {
            let mut every = tokio::time::interval(Duration::from_millis(50));
            loop {
                every.tick().await;
                if ready().await {
                    return;
                }
            }
        };
        tokio::select! {
            () = polling => Ok(()),
            status = self.child.wait() => {
                bail!("{} ended before {what}: {}{}", self.name, status?, tail(&self.log))
            }
            () = tokio::time::sleep(limit) => {
                bail!("{}: no {what} within {} s{}", self.name, limit.as_secs(), tail(&self.log))
            }
        }
    }

    /// Asks it to end, as an operator does, and waits for it.
    pub async fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        match timeout(limit, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => bail!(
                "{} did not end within {} s of SIGTERM{}",
                self.name,
                limit.as_secs(),
                tail(&self.log)
            ),
        }
    }

    /// Ends it as a power cut does.
    pub async fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.child.wait().await?;
        Ok(())
    }

    /// Sends a signal; one that has ended already gets none.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        if let Some(id) = id {
            rustix::process::kill_process(id, signal)?;
        }
        Ok(())
    }

    /// Its number, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// All that it wrote, so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- {}{}", self.name, tail(&self.log));
        }
    }
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n");
    format!("\n(the end of {})\n{shown}\n", log.display())
}
