//! What a process has used, as the kernel counts it.
//! <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>

use crate::Tandem;
use anyhow::{Context as _, Result};

/// Clock ticks a second, of user space.
const TICKS: f64 = 100.0;

fn file(tandem: &Tandem, name: &str) -> Result<String> {
    let id = tandem.id().context("the server does not run")?;
    Ok(std::fs::read_to_string(format!("/proc/{id}/{name}"))?)
}

/// Seconds on a processor, of all threads, ended ones too.
pub fn cpu_seconds(tandem: &Tandem) -> Result<f64> {
    let stat = file(tandem, "stat")?;
    // The name in brackets may hold blanks.
    let (_, rest) = stat.rsplit_once(')').context("no name")?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || -> Result<f64> { Ok(fields.next().context("too few fields")?.parse()?) };
    Ok((ticks()? + ticks()?) / TICKS)
}

/// Resident memory, in MB of a million bytes.
pub fn resident_mb(tandem: &Tandem) -> Result<f64> {
    let status = file(tandem, "status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB"));
    let kib: f64 = kib.context("no VmRSS")?.trim().parse()?;
    Ok(kib * 1024.0 / 1e6)
}
