//! How soon a server answers, and what 10,000 connections that wait cost it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tandem_tests::server::Options;
use tandem_tests::stage::Stage;
use tandem_tests::{Tandem, http, usage};

use crate::database::{Fresh, Kind, Line};
use crate::{Figures, median, rounded};

const STARTS: usize = 9;
pub(crate) const IDLE: usize = 10_000;
/// After so long at rest its memory is told.
const REST: Duration = Duration::from_secs(10);

/// From the start of the process to its first good answer.
async fn start_ms(tandem: &mut Tandem) -> Result<f64> {
    let began = now();
    tandem.spawn()?;
    let health = tandem.url.join("healthz")?;
    let mut every = tokio::time::interval(Duration::from_millis(1));
    loop {
        every.tick().await;
        if http::get(&health)
            .await
            .is_ok_and(|answer| answer.status.is_success())
        {
            return Ok(began.elapsed().as_secs_f64() * 1000.0);
        }
        ensure!(began.elapsed() < Duration::from_mins(1), "it does not start");
    }
}

#[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
fn now() -> Instant {
    Instant::now()
}

pub(crate) async fn measure(kind: Kind, figures: &mut Figures) -> Result<()> {
    let fresh = Fresh::new(kind).await?;
    let arguments = ["--contacts", "5", "--mailbox-contacts", "0"];
    let options: &Options = &fresh.options;
    let mut stage = Stage::synced(&arguments, options).await?;
    let mut line = Line::open(&stage.tandem, &fresh).await?;
    line.run(&copies()).await?;
    let [there] = line.numbers("SELECT COUNT(*) FROM connections").await?;
    ensure!(usize::try_from(there)? == IDLE, "{there} connections");
    drop(line);
    stage.tandem.stop().await?;
    let mut took = Vec::new();
    for _ in 0..STARTS {
        took.push(start_ms(&mut stage.tandem).await?);
        stage.tandem.stop().await?;
    }
    figures.note("start_ms", kind, rounded(median(took)?));
    stage.tandem.start_again().await?;
    // The pane is drawn and the worker has looked around: nothing is measured before it was used once.
    stage.nina.view().await?;
    tokio::time::sleep(REST).await;
    figures.note(
        "rss_mb_10k_idle",
        kind,
        rounded(usage::resident_mb(&stage.tandem)?),
    );
    Ok(())
}

/// Makes 10,000 of the one connection, each with its user; none is due.
pub(crate) fn copies() -> String {
    let numbers = format!(
        "(WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {}) SELECT n FROM c) AS c",
        IDLE - 1
    );
    let id = "'00000000000000000000000000' || CAST(100000 + c.n AS TEXT)";
    let user = "'005000000000' || CAST(100000 + c.n AS TEXT)";
    let same = "org_id, state, ask_activation, skipped, rejections, failures, settings, mailbox, pair, woken, fence, mailbox_cursor, \
         crm_cursor, last_full, first_round_done, released, last_success, credentials_key, journal_key, credentials, \
         created_at, updated_at, activated_at, mail_host";
    let due = "due_at + 86400000000";
    format!(
        "UPDATE connections SET due_at = {due}; \
         INSERT INTO users (id, org_id, username, name, email, created_at, updated_at) \
         SELECT {user}, org_id, username, name, email, created_at, updated_at FROM users, {numbers}; \
         INSERT INTO connections (id, user_id, due_at, {same}) SELECT {id}, {user}, due_at, {same} FROM connections, {numbers};"
    )
}
