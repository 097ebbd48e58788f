//! SQLite's disk is full in the middle of a session, and has room again.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use rustix::process::{Pid, Resource, Rlimit, getuid, prlimit};
use tandem_tests::clockwork::Clockwork;
use tandem_tests::ledger::Ledger;
use tandem_tests::server::Options;
use tandem_tests::stage::Stage;
use tokio::process::Command;

use super::{FEW, dice, in_session, options, quiet};

/// A few writes; the server's own log is shorter.
const FILES_UP_TO: u64 = 24 << 10;
const DISK_BYTES: usize = 16 << 20;
/// Says to a test that it has one, and where.
const OWN_DISK: &str = "TANDEM_TEST_DISK";

/// What keeps the database from growing.
enum Disk {
    /// No file of the process may become longer: what a quota is like.
    Quota,
    /// A small disk of its own, in this folder.
    Small(PathBuf),
}

impl Disk {
    fn options(&self) -> Options {
        match self {
            Self::Quota => Options {
                // The signal that would come first ends a process that does not know it.
                launcher: ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"]
                    .map(str::to_owned)
                    .to_vec(),
                database: None,
                ..options("")
            },
            Self::Small(folder) => options(&format!("sqlite:{}", folder.join("tandem.db").display())),
        }
    }

    /// The folder with the database.
    fn folder<'a>(&'a self, stage: &'a Stage) -> &'a Path {
        match self {
            Self::Quota => stage.tandem.folder(),
            Self::Small(folder) => folder,
        }
    }

    fn fill(&self, stage: &Stage) -> Result<()> {
        match self {
            Self::Quota => limit(stage, Some(FILES_UP_TO)),
            Self::Small(folder) => {
                let mut ballast = fs::File::create(folder.join("ballast"))?;
                let full = loop {
                    if let Err(error) = ballast.write_all(&[1; 4096]) {
                        break error;
                    }
                };
                ensure!(full.kind() == std::io::ErrorKind::StorageFull, "{full}");
                Ok(())
            }
        }
    }

    fn make_room(&self, stage: &Stage) -> Result<()> {
        match self {
            Self::Quota => limit(stage, None),
            Self::Small(folder) => Ok(fs::remove_file(folder.join("ballast"))?),
        }
    }

    /// What `/readyz` says, and what the log says.
    fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::Quota => ("the database cannot be written", "disk I/O error"),
            Self::Small(_) => ("the database's disk is full", "database or disk is full"),
        }
    }
}

fn limit(stage: &Stage, bytes: Option<u64>) -> Result<()> {
    let id = stage.tandem.id().and_then(|id| i32::try_from(id).ok());
    let new = Rlimit {
        current: bytes,
        maximum: None,
    };
    prlimit(id.and_then(Pid::from_raw), Resource::Fsize, new)?;
    Ok(())
}

/// `moments`: requests into a session at which there is no room any more.
async fn full_and_not_full_any_more(disk: Disk, moments: &[u32]) -> Result<()> {
    let stage = Stage::synced(&FEW, &disk.options()).await?;
    let database = disk.folder(&stage).join("tandem.db");
    let clock = Clockwork::of(&format!("sqlite:{}", database.display()));
    let (mut rng, mut ledger) = (dice(), Ledger::default());
    for moment in moments {
        for _ in 0..8 {
            ledger.edit(&stage, &mut rng).await?;
        }
        let since = stage.mark().await?;
        clock.all_due().await?;
        in_session(&stage.sandbox, since, *moment).await?;
        // Else there would be room for a while in a write-ahead log that was longer before.
        clock
            .until("a short log", "PRAGMA wal_checkpoint(TRUNCATE)", |busy| busy == 0)
            .await?;
        disk.fill(&stage)?;
        for _ in 0..2 {
            ledger.edit(&stage, &mut rng).await?;
        }
        let (said, _) = disk.words();
        stage
            .tandem
            .until_ready(said, |status, text| status == 503 && text.contains(said))
            .await?;
        // It lives, and shows what it has.
        ensure!(stage.nina.connection().await?["state"] == "active");
        disk.make_room(&stage)?;
        stage
            .tandem
            .until_ready("that there is room", |status, _| status == 200)
            .await?;
        // The session that was cut off is taken up again by itself.
        clock.until_at_rest().await?;
    }
    let (_, logged) = disk.words();
    let log = stage.tandem.log();
    ensure!(
        log.contains("the session broke off"),
        "the disk was not full in a session"
    );
    ensure!(log.contains(logged), "the log does not say why");
    quiet(&stage.sandbox, &clock).await?;
    ledger.check(&stage).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_may_not_grow_for_a_while() -> Result<()> {
    full_and_not_full_any_more(Disk::Quota, &[4]).await
}

/// In a name space of its own, with a disk that nobody else sees and that is gone with this process.
#[tokio::test(flavor = "multi_thread")]
async fn sqlite_fills_its_disk() -> Result<()> {
    if let Some(folder) = std::env::var_os(OWN_DISK) {
        return full_and_not_full_any_more(Disk::Small(folder.into()), &[0, 6]).await;
    }
    let folder = tempfile::tempdir()?;
    let run = |what: &[&OsStr]| {
        let mut command = Command::new("unshare");
        command.arg("--mount").env(OWN_DISK, folder.path());
        if !getuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        let script =
            format!("mount -t tmpfs -o size={DISK_BYTES},mode=700 tandem \"${OWN_DISK}\" && exec \"$@\"");
        command.args(["sh", "-c", &script, "sh"]).args(what);
        command.kill_on_drop(true);
        command
    };
    // A container may refuse it. Then the quota is what is tested.
    let tried = run(&[OsStr::new("true")]).output().await?;
    if !tried.status.success() {
        println!("no disk of one's own here: {tried:?}");
        return Ok(());
    }
    let this = std::env::current_exe()?;
    let status = run(&[
        this.as_os_str(),
        OsStr::new("disk::sqlite_fills_its_disk"),
        OsStr::new("--exact"),
        OsStr::new("--nocapture"),
    ])
    .status()
    .await?;
    ensure!(status.success(), "on its own disk: {status}");
    Ok(())
}
