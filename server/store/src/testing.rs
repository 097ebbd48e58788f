//! For tests and benches. A private PostgreSQL: own directory, a socket instead of a port, gone with its last user.
//!
//! The binaries are looked for as Debian installs them, then on the `PATH`. PostgreSQL refuses to run as root: root
//! runs it as the user `postgres`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use tandem_sync::ports::{Closing, Pick, Store as _, StoreError};
use tandem_types::{SessionId, SessionOutcome, SyncState, Timestamp};
use tempfile::TempDir;

use crate::Store;

/// Set to `1` to let tests pass without PostgreSQL.
const SKIP: &str = "TANDEM_TEST_SKIP_POSTGRES";

/// Names a socket in our own directory; nothing listens on it.
const PORT: u16 = 5432;

/// A PostgreSQL server of one's own. Stopped, and its data deleted, when dropped.
#[derive(Debug)]
pub struct Cluster {
    dir: TempDir,
    bin: PathBuf,
    root: bool,
    server: Mutex<Option<JoinHandle<()>>>,
    databases: AtomicU32,
}

/// A database of one's own. Its server runs as long as one of these is held.
#[derive(Debug)]
pub struct Database {
    pub url: String,
    pub cluster: Arc<Cluster>,
}

/// A fresh database on the server that the tests of this process share; `None` if PostgreSQL may be left out.
///
/// # Panics
/// If PostgreSQL is not installed or does not start, with the reason.
pub async fn postgres() -> Option<Database> {
    if may_skip() {
        return None;
    }
    let cluster = tokio::task::spawn_blocking(Cluster::shared).await;
    Some(
        on(cluster
            .expect("the starting task ends")
            .unwrap_or_else(|e| panic!("{e}")))
        .await,
    )
}

/// As [`postgres`], on a server of its own, which may be stopped and started.
///
/// # Panics
/// As [`postgres`].
pub async fn private_postgres() -> Option<Database> {
    if may_skip() {
        return None;
    }
    let cluster = tokio::task::spawn_blocking(Cluster::start_new).await;
    let cluster = cluster
        .expect("the starting task ends")
        .unwrap_or_else(|e| panic!("{e}"));
    Some(on(Arc::new(cluster)).await)
}

fn may_skip() -> bool {
    let skip = std::env::var(SKIP).is_ok_and(|v| v == "1");
    if skip {
        eprintln!("skipped on PostgreSQL: {SKIP}=1");
    }
    skip
}

async fn on(cluster: Arc<Cluster>) -> Database {
    let url = cluster.new_database().await.unwrap_or_else(|e| panic!("{e}"));
    Database { url, cluster }
}

impl Database {
    /// What `pg_dump` writes of it.
    ///
    /// # Errors
    /// `pg_dump` does not start, or fails; what it said.
    pub fn dump(&self) -> Result<Vec<u8>, String> {
        let dumped = self
            .cluster
            .command("pg_dump")
            .arg(&self.url)
            .output()
            .map_err(|e| format!("pg_dump: {e}"))?;
        if !dumped.status.success() {
            return Err(String::from_utf8_lossy(&dumped.stderr).into_owned());
        }
        Ok(dumped.stdout)
    }
}

impl Cluster {
    /// The server that this process has running, or a new one.
    fn shared() -> Result<Arc<Self>, String> {
        static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Ok(running);
        }
        let new = Arc::new(Self::start_new()?);
        *shared = Arc::downgrade(&new);
        Ok(new)
    }

    fn start_new() -> Result<Self, String> {
        let bin = binaries().ok_or_else(|| {
            format!(
                "PostgreSQL is not installed (`apt-get install postgresql`), and these tests need it. \
                 {SKIP}=1 leaves them out"
            )
        })?;
        let root = output(Command::new("id").arg("-u"))?.trim() == "0";
        let dir = TempDir::with_prefix("tandem-pg-").map_err(|e| format!("no temporary directory: {e}"))?;
        if root {
            output(Command::new("chown").arg("postgres:postgres").arg(dir.path()))?;
        }
        let cluster = Self {
            dir,
            bin,
            root,
            server: Mutex::new(None),
            databases: AtomicU32::new(0),
        };
        output(
            cluster
                .command("initdb")
                .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"])
                .args(["--no-sync", "--no-instructions", "-D"])
                .arg(cluster.data()),
        )?;
        cluster.start()?;
        Ok(cluster)
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A program of PostgreSQL, as a user that it accepts.
    fn command(&self, program: &str) -> Command {
        let path = self.bin.join(program);
        let mut command = if self.root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
            // A test that is killed takes its server with it.
            if program == "postgres" {
                command.args(["--pdeathsig", "QUIT"]);
            }
            command.arg(path);
            command
        } else {
            Command::new(path)
        };
        command.current_dir("/").env("LC_ALL", "C").stdin(Stdio::null());
        command
    }

    /// Starts the server again after [`Cluster::stop`]; returns when it takes connections.
    ///
    /// # Errors
    /// Its last words.
    pub fn start(&self) -> Result<(), String> {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        if server.is_some() {
            return Ok(());
        }
        let mut command = self.command("postgres");
        command
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(self.dir.path())
            .args([
                "-p",
                &PORT.to_string(),
                "-c",
                "listen_addresses=",
                "-c",
                "fsync=off",
            ])
            .args(["-c", "max_connections=60", "-c", "logging_collector=off"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let (ready, is_ready) = mpsc::channel();
        // The thread that starts the server stays with it: the signal at the parent's death is its thread's.
        let thread = std::thread::spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(e) => return drop(ready.send(Err(format!("postgres does not start: {e}")))),
            };
            let mut said = Vec::new();
            let mut waiting = true;
            let lines = child
                .stderr
                .take()
                .map(BufReader::new)
                .into_iter()
                .flat_map(BufRead::lines);
            for line in lines.map_while(Result::ok) {
                if waiting && line.contains("database system is ready to accept connections") {
                    waiting = false;
                    // Nobody listens any more only if the test has given up.
                    let _ = ready.send(Ok(()));
                } else if waiting {
                    said.push(line);
                }
            }
            let end = child.wait();
            if waiting {
                let _ = ready.send(Err(format!("postgres ended ({end:?}):\n{}", said.join("\n"))));
            }
        });
        is_ready
            .recv()
            .map_err(|_| "the server's thread ended".to_owned())??;
        *server = Some(thread);
        Ok(())
    }

    /// Stops the server at once, as a crash would.
    pub fn stop(&self) {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(thread) = server.take() else { return };
        let stopped = output(
            self.command("pg_ctl")
                .args(["-m", "immediate", "-w", "stop", "-D"])
                .arg(self.data()),
        );
        match stopped {
            Ok(_) => drop(thread.join()),
            Err(e) => eprintln!("{e}"),
        }
    }

    async fn new_database(&self) -> Result<String, String> {
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let url = |name: &str| {
            format!(
                "postgres://postgres@localhost:{PORT}/{name}?host={}",
                self.dir.path().display()
            )
        };
        let run = async {
            let options: sqlx::postgres::PgConnectOptions = url("postgres").parse()?;
            let mut connection = options.connect().await?;
            connection
                .execute(AssertSqlSafe(format!("CREATE DATABASE {name}")))
                .await?;
            connection.close().await
        };
        run.await
            .map_err(|e: sqlx::Error| format!("no test database: {e}"))?;
        Ok(url(&name))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs to the end; what it printed, or what went wrong.
fn output(command: &mut Command) -> Result<String, String> {
    let done = command
        .output()
        .map_err(|e| format!("{}: {e}", command.get_program().display()))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    Err(format!(
        "{} failed:\n{}",
        command.get_program().display(),
        String::from_utf8_lossy(&done.stderr)
    ))
}

/// The newest installed version's programs.
fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let newest = versions
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, bin)| complete(bin))
        .max();
    if let Some((_, bin)) = newest {
        return Some(bin);
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).find(|dir| complete(dir))
}

fn complete(bin: &Path) -> bool {
    ["initdb", "postgres", "pg_ctl"]
        .iter()
        .all(|program| bin.join(program).is_file())
}

/// What a worker does around a session: takes what is due, and gives it back, due an hour after `now`. Whose turn it was.
///
/// # Errors
/// The store's.
pub async fn turn(
    store: &Store,
    worker: &str,
    session: SessionId,
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    let Some(lease) = store
        .claim(&Pick::Due, worker, session, now, Duration::from_mins(5))
        .await?
    else {
        return Ok(None);
    };
    let closing = Closing {
        outcome: SessionOutcome::Done,
        counts: Vec::new(),
        state: SyncState::Active,
        reason: None,
        rejections: 0,
        failures: 0,
        next_due: Some(now.plus_seconds(3600)),
        ended: now,
        preview: None,
        brake: None,
        release_used: false,
        stop_org: false,
        note: String::new(),
    };
    store.close(&lease, closing).await?;
    Ok(Some(lease.connection.to_string()))
}
