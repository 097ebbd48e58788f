//! What breaks around the server, while both sides go on changing: the network to its database, its disk, its replicas,
//! the providers. Whatever it is, nothing is lost, nothing is doubled, and it goes on by itself.
//!
//! A clock that jumps is not here: the operating system's clock is no replica's own. The simulation turns it back and
//! forth in every world (`tests/simulation`), and `server/sync/src/due.rs` has its own tests of it.

mod cut;
mod disk;
mod replicas;
mod shares;
mod throttled;
mod upgrade;
mod wakes;

use std::time::Duration;

use anyhow::{Result, bail};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use tandem_tests::SandboxProc;
use tandem_tests::clockwork::Clockwork;
use tandem_tests::server::Options;

/// Few things, quickly synced.
const FEW: [&str; 4] = ["--contacts", "3", "--mailbox-contacts", "2"];

/// On that database, with leases as short as they may be.
fn options(database: &str) -> Options {
    Options {
        database: Some(database.to_owned()),
        variables: vec![("TANDEM_WORKER_LEASE_SECONDS".into(), "5".into())],
        ..Options::default()
    }
}

fn dice() -> ChaCha8Rng {
    let seed = std::env::var("TANDEM_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    ChaCha8Rng::seed_from_u64(seed.unwrap_or(1))
}

/// A number below `limit`.
fn below(rng: &mut ChaCha8Rng, limit: u32) -> u32 {
    rng.next_u32() % limit
}

/// Waits until the providers have been asked more than `moment` times since entry `since`; no longer than a session of
/// so few changes can take to begin.
async fn in_session(sandbox: &SandboxProc, since: u64, moment: u32) -> Result<bool> {
    let look = async {
        let mut every = tokio::time::interval(Duration::from_millis(3));
        loop {
            every.tick().await;
            if sandbox.requests_since(since).await?.len() > moment as usize {
                return anyhow::Ok(());
            }
        }
    };
    match tokio::time::timeout(Duration::from_secs(8), look).await {
        Ok(reached) => reached.map(|()| true),
        Err(_) => Ok(false),
    }
}

/// Sessions of everybody until they write nothing more.
async fn quiet(sandbox: &SandboxProc, clock: &Clockwork) -> Result<()> {
    for _ in 0..12 {
        let before = sandbox.writes().await?;
        clock.all_due().await?;
        clock.until_at_rest().await?;
        if clock.all_went_well().await? && sandbox.writes().await? == before {
            return Ok(());
        }
    }
    bail!("it does not come to rest")
}
