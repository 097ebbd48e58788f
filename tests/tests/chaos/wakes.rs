//! What a user orders at one replica begins at once at another, which was idle.

use std::time::Duration;

use anyhow::{Result, ensure};
use tandem_tests::clockwork::Clockwork;
use tandem_tests::replicas::beside;
use tandem_tests::stage::Stage;

use super::{FEW, options};

const ORDERS: usize = 6;
/// Who only looks every four to six seconds does not begin six times within this.
const AT_ONCE: Duration = Duration::from_millis(1500);

#[tokio::test(flavor = "multi_thread")]
async fn postgres_wakes_an_idle_replica_at_once() -> Result<()> {
    let Some(database) = tandem_store::testing::postgres().await else {
        return Ok(());
    };
    let options = options(&database.url);
    let mut stage = Stage::synced(&FEW, &options).await?;
    // The replica that users reach syncs nothing from now on.
    stage.tandem.stop().await?;
    let mut pages = options.clone();
    pages
        .variables
        .push(("TANDEM_WORKER_SESSIONS".into(), "0".into()));
    let mut only_pages = beside(&stage.tandem, &stage.sandbox, &pages)?;
    only_pages.start_again().await?;
    let mut worker = beside(&stage.tandem, &stage.sandbox, &options)?;
    worker.start_again().await?;
    let nina = stage.nina.at(&only_pages);
    let clock = Clockwork::of(&database.url);
    let mut waits = Vec::new();
    for _ in 0..ORDERS {
        clock.until_at_rest().await?;
        nina.order("pause", &[]).await?;
        let ordered = clock.now().await?;
        nina.order("start", &[]).await?;
        let begun =
            format!("SELECT COALESCE(MAX(started_at), 0) FROM sessions WHERE started_at >= {ordered}");
        clock.until("a session", &begun, |at| at > 0).await?;
        let wait = clock.numbers(&begun).await?[0] - ordered;
        waits.push(Duration::from_micros(u64::try_from(wait)?));
    }
    println!("from the order to the session's start: {waits:?}");
    ensure!(waits.iter().all(|wait| *wait < AT_ONCE), "{waits:?}");
    ensure!(
        !only_pages.log().contains("session ended"),
        "it was to sync nothing"
    );
    Ok(())
}
