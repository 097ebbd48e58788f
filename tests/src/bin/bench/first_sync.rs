//! The first sync of a mailbox: 10,000 contacts and 2,000 events come down from Salesforce.

use std::time::Duration;

use anyhow::{Result, ensure};
use tandem_tests::desk::bare;
use tandem_tests::stage::Stage;
use tandem_tests::usage;

use crate::database::{Fresh, Kind, Line};
use crate::idle::requests;
use crate::{Figures, rounded};

const CONTACTS: usize = 10_000;
const EVENTS: usize = 2_000;
const LIMIT: Duration = Duration::from_mins(10);

/// The least that can be asked, with 100 items in a CreateItem and 300 in a GetItem that reads back what the server made
/// of them, 60 contacts looked for at once and all events in one view, 2,000 rows in a page of a query.
const fn lower_bound() -> usize {
    let made = CONTACTS.div_ceil(100) + EVENTS.div_ceil(100);
    let read_back = CONTACTS.div_ceil(300) + EVENTS.div_ceil(300);
    let pages = CONTACTS.div_ceil(2000) + EVENTS.div_ceil(2000);
    made + read_back + pages
}

pub(crate) async fn measure(kind: Kind, figures: &mut Figures) -> Result<()> {
    let (contacts, events) = (CONTACTS.to_string(), EVENTS.to_string());
    let mut arguments = bare(&contacts, "0");
    for pair in arguments
        .chunks_exact_mut(2)
        .filter(|pair| pair[0] == "--crm-events")
    {
        pair[1] = &events;
    }
    let fresh = Fresh::new(kind).await?;
    let stage = Stage::set(&arguments, &fresh.options).await?;
    for (key, value) in [
        ("contact_limit", "100000"),
        ("event_days_back", "365"),
        ("event_days_ahead", "365"),
    ] {
        stage
            .tandem
            .read(&["settings", "set", "--connection", &stage.connection, key, value])
            .await?;
    }
    let ews = format!("{}/EWS/Exchange.asmx", stage.sandbox.info.exchange.http);
    let answer = stage
        .nina
        .connect(&stage.nina.user.exchange_password, &ews)
        .await?;
    ensure!(
        answer.status.is_success(),
        "connect: {} {}",
        answer.status,
        answer.text()
    );
    stage
        .nina
        .until("the preview", |c| !c["preview"].is_null())
        .await?;
    let mut line = Line::open(&stage.tandem, &fresh).await?;
    let [previewed] = line.numbers("SELECT MAX(started_at) FROM sessions").await?;
    let (asked, cpu) = (
        requests(&stage.sandbox).await?,
        usage::cpu_seconds(&stage.tandem)?,
    );
    stage.nina.order("release", &[]).await?;
    let done = format!("SELECT COUNT(*) FROM sessions WHERE started_at > {previewed} AND outcome = 'done'");
    let end = async {
        let mut every = tokio::time::interval(Duration::from_millis(50));
        loop {
            every.tick().await;
            let [n] = line.numbers(&done).await?;
            if n > 0 {
                return anyhow::Ok(());
            }
        }
    };
    tokio::time::timeout(LIMIT, end).await??;
    let cpu = usage::cpu_seconds(&stage.tandem)? - cpu;
    // The sessions themselves: between two of them nothing is done.
    let took = format!(
        "SELECT CAST(SUM(ended_at - started_at) AS BIGINT), COUNT(*) FROM sessions WHERE started_at > {previewed} AND ended_at IS NOT NULL"
    );
    let [micros, sessions] = line.numbers(&took).await?;
    let [links] = line
        .numbers("SELECT COUNT(*) FROM links WHERE state = 'live'")
        .await?;
    let items = u32::try_from(links)?;
    ensure!(items as usize >= CONTACTS + EVENTS, "only {items} came");
    let now_asked = requests(&stage.sandbox).await?;
    let asked: u64 = (0..2).map(|at| now_asked[at] - asked[at]).sum();
    let counters = stage.sandbox.get("/counters").await?;
    for service in ["exchange", "salesforce"] {
        // With those of the preview before it.
        eprintln!("{service}: {}", counters[service]["by_operation"]);
    }
    let seconds = Duration::from_micros(u64::try_from(micros)?).as_secs_f64();
    figures.note("first_sync_items", kind, items);
    figures.note("first_sync_sessions", kind, sessions);
    figures.note(
        "first_sync_items_per_s",
        kind,
        rounded(f64::from(items) / seconds),
    );
    figures.note(
        "first_sync_cpu_us_per_item",
        kind,
        rounded(cpu * 1e6 / f64::from(items)),
    );
    figures.note("first_sync_requests", kind, asked);
    figures.note("first_sync_requests_lower_bound", kind, lower_bound());
    Ok(())
}
