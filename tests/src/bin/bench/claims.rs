//! What it costs to find and take the next connection that is due, among 10,000, by eight workers at once; and how long a
//! user waits after *Sync now*.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use secrecy::SecretSlice;
use tandem_store::{Store, Vault, VaultError, WrappedKey, testing};
use tandem_tests::stage::Stage;
use tandem_types::Timestamp;

use crate::database::{Fresh, Kind, Line};
use crate::start::{IDLE, copies};
use crate::{Figures, median, rounded};

const WORKERS: usize = 8;
const CLAIMS_EACH: usize = 250;
/// Later than anything that the server has written.
const NOW: Timestamp = Timestamp::from_seconds(4_000_000_000);
/// A minute allows six sessions to one connection; it has had its first ones.
const CLICKS: usize = 3;

/// A claim opens nothing.
struct Closed;

impl Vault for Closed {
    fn new_data_key(&self, _: &str) -> Result<WrappedKey, VaultError> {
        Err(VaultError::Failed)
    }

    fn rewrap(&self, _: &WrappedKey, _: &str) -> Result<Option<WrappedKey>, VaultError> {
        Err(VaultError::Failed)
    }

    fn seal(&self, _: &WrappedKey, _: &str, _: &str, _: &[u8]) -> Result<Vec<u8>, VaultError> {
        Err(VaultError::Failed)
    }

    fn open(&self, _: &WrappedKey, _: &str, _: &str, _: &[u8]) -> Result<SecretSlice<u8>, VaultError> {
        Err(VaultError::Failed)
    }

    fn derive(&self, _: &WrappedKey, _: &str, _: &str) -> Result<[u8; 32], VaultError> {
        Err(VaultError::Failed)
    }
}

#[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
fn now() -> Instant {
    Instant::now()
}

pub(crate) async fn measure(kind: Kind, figures: &mut Figures) -> Result<()> {
    let fresh = Fresh::new(kind).await?;
    let arguments = ["--contacts", "20", "--mailbox-contacts", "5"];
    let mut stage = Stage::synced(&arguments, &fresh.options).await?;
    let mut line = Line::open(&stage.tandem, &fresh).await?;
    let mut waited = Vec::new();
    for _ in 0..CLICKS {
        waited.push(click_ms(&stage, &mut line).await?);
    }
    figures.note("sync_now_ms", kind, rounded(median(waited)?));

    line.run(&copies()).await?;
    stage.tandem.stop().await?;
    line.run("UPDATE connections SET due_at = 1 WHERE state = 'active'")
        .await?;
    let url = match &fresh.options.database {
        Some(url) => url.clone(),
        None => format!("sqlite:{}", stage.tandem.folder().join("tandem.db").display()),
    };
    let store = Arc::new(Store::connect(&url, Arc::new(Closed)).await?);
    let began = now();
    let workers = (0..WORKERS).map(|worker| tokio::spawn(work(Arc::clone(&store), worker)));
    let taken: Vec<Result<Vec<String>>> = try_join_all(workers).await?;
    let seconds = began.elapsed().as_secs_f64();
    let mut taken: Vec<String> = taken.into_iter().collect::<Result<Vec<_>>>()?.concat();
    let all = taken.len();
    taken.sort_unstable();
    taken.dedup();
    ensure!(
        taken.len() == all && all == WORKERS * CLAIMS_EACH,
        "one was taken twice"
    );
    ensure!(IDLE > all, "nothing would be due");
    let each = Duration::from_secs_f64(seconds) / u32::try_from(all)?;
    figures.note("claim_us_8_workers", kind, rounded(each.as_secs_f64() * 1e6));
    store.disconnect().await;
    Ok(())
}

/// From the click until the session that it asked for has ended.
async fn click_ms(stage: &Stage, line: &mut Line) -> Result<f64> {
    let [before] = line
        .numbers("SELECT COUNT(*) FROM sessions WHERE ended_at IS NOT NULL")
        .await?;
    let began = now();
    stage.nina.order("sync_now", &[]).await?;
    let ended = async {
        let mut every = tokio::time::interval(Duration::from_millis(2));
        loop {
            every.tick().await;
            let [n] = line
                .numbers("SELECT COUNT(*) FROM sessions WHERE ended_at IS NOT NULL")
                .await?;
            if n > before {
                return anyhow::Ok(());
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), ended)
        .await
        .context("the session did not end")??;
    Ok(began.elapsed().as_secs_f64() * 1000.0)
}

/// Takes what is due and gives it back, due in an hour.
async fn work(store: Arc<Store>, worker: usize) -> Result<Vec<String>> {
    let mut taken = Vec::new();
    let name = format!("worker {worker}");
    while taken.len() < CLAIMS_EACH {
        let session = format!("{:032x}", (worker << 32) + taken.len() + 1);
        let session = session.parse().ok().context("no session's id")?;
        taken.extend(testing::turn(&store, &name, session, NOW).await?);
    }
    Ok(taken)
}
