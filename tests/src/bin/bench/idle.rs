//! What a session costs that finds nothing to do, and how many of them a server runs when all are due at once.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;
use tandem_tests::desk::bare;
use tandem_tests::{Person, SandboxProc, Tandem, usage};

use crate::database::{Fresh, Kind, Line};
use crate::{Figures, median, rounded};

/// Connections, each of its own mailbox.
const MANY: usize = 60;
const ROUNDS: usize = 12;
/// The first rounds read again what the last one wrote.
const WARM: usize = 2;

pub(crate) async fn measure(kind: Kind, figures: &mut Figures) -> Result<()> {
    company(kind, false, figures).await?;
    company(kind, true, figures).await
}

/// `tls`: to Exchange; else all is plain HTTP.
async fn company(kind: Kind, tls: bool, figures: &mut Figures) -> Result<()> {
    let agents = (MANY - 4).to_string();
    let arguments = [&["--agents", agents.as_str()], bare("20", "12").as_slice()].concat();
    let fresh = Fresh::new(kind).await?;
    let sandbox = SandboxProc::start(&arguments).await?;
    let tandem = Tandem::start(&sandbox, &fresh.options).await?;
    ensure!(
        sandbox.info.users.len() == MANY,
        "{} users",
        sandbox.info.users.len()
    );
    let ews = format!("{}/EWS/Exchange.asmx", sandbox.info.exchange.http);
    for user in sandbox.info.users.clone() {
        let person = Person::sign_in(&tandem, &sandbox, &user).await?;
        let url = if tls { "" } else { ews.as_str() };
        let answer = person.connect(&user.exchange_password, url).await?;
        ensure!(
            answer.status.is_success(),
            "connect: {} {}",
            answer.status,
            answer.text()
        );
        person.first_sync().await?;
    }
    let mut line = Line::open(&tandem, &fresh).await?;
    let (mut rates, mut cpu) = (Vec::new(), 0.0);
    let mut asked = [0, 0];
    for round in 0..WARM + ROUNDS {
        let before = (usage::cpu_seconds(&tandem)?, requests(&sandbox).await?);
        let seconds = once(&mut line).await?;
        let after = (usage::cpu_seconds(&tandem)?, requests(&sandbox).await?);
        if round >= WARM {
            rates.push(as_f64(MANY) / seconds);
            cpu += after.0 - before.0;
            asked = [0, 1].map(|at| asked[at] + after.1[at] - before.1[at]);
        }
    }
    let sessions = as_f64(MANY * ROUNDS);
    let cpu_ms = rounded(cpu * 1000.0 / sessions);
    if tls {
        figures.note("idle_session_cpu_ms_tls", kind, cpu_ms);
        return Ok(());
    }
    figures.note("idle_session_cpu_ms", kind, cpu_ms);
    let per_session = |n: usize| rounded(as_f64(n) / sessions);
    let [mailbox, salesforce] = [usize::try_from(asked[0])?, usize::try_from(asked[1])?];
    figures.note("idle_session_requests_mailbox", kind, per_session(mailbox));
    figures.note("idle_session_requests_salesforce", kind, per_session(salesforce));
    figures.note("idle_session_requests", kind, per_session(mailbox + salesforce));
    figures.note("sessions_per_s", kind, rounded(median(rates)?));
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
const fn as_f64(n: usize) -> f64 {
    n as f64
}

/// Makes all due at once and waits for their ends; the seconds from the first start to the last end.
async fn once(line: &mut Line) -> Result<f64> {
    let [before] = line.numbers("SELECT COUNT(*) FROM sessions").await?;
    let [last] = line.numbers("SELECT MAX(started_at) FROM sessions").await?;
    line.run("UPDATE connections SET due_at = 1 WHERE state = 'active'")
        .await?;
    let wanted = before + i64::try_from(MANY)?;
    let ended = format!("SELECT COUNT(*) FROM sessions WHERE ended_at IS NOT NULL AND started_at > {last}");
    let all = async {
        let mut every = tokio::time::interval(Duration::from_millis(50));
        loop {
            every.tick().await;
            let [n] = line.numbers(&ended).await?;
            if before + n >= wanted {
                return anyhow::Ok(());
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(2), all).await??;
    let span = format!(
        "SELECT CAST(MAX(ended_at) - MIN(started_at) AS BIGINT), \
         CAST(SUM(CASE WHEN outcome = 'done' THEN 0 ELSE 1 END) AS BIGINT) FROM sessions WHERE started_at > {last}"
    );
    let [micros, bad] = line.numbers(&span).await?;
    ensure!(bad == 0, "{bad} sessions did not end well");
    Ok(Duration::from_micros(u64::try_from(micros)?).as_secs_f64())
}

/// Requests to the mailboxes and to Salesforce so far.
pub(crate) async fn requests(sandbox: &SandboxProc) -> Result<[u64; 2]> {
    let counters = sandbox.get("/counters").await?;
    let all = |service: &str| {
        counters[service]["requests"]
            .as_u64()
            .or_else(|| sum(&counters[service]["by_operation"]))
    };
    Ok([all("exchange").unwrap_or(0), all("salesforce").unwrap_or(0)])
}

fn sum(counts: &Value) -> Option<u64> {
    Some(counts.as_object()?.values().filter_map(Value::as_u64).sum())
}
