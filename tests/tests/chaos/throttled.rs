//! Both providers refuse everybody for a while: that makes no storm, and afterwards everybody is in step.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use serde_json::json;
use tandem_tests::clockwork::Clockwork;
use tandem_tests::ledger::Ledger;
use tandem_tests::server::Options;
use tandem_tests::{Person, SandboxProc, Tandem};

use super::{FEW, dice, options, quiet};

/// A session that is refused asks each side so often at most, whatever it would have done.
const ASKED_AT_MOST: usize = 6;

/// How long they ask us to wait, in seconds, and how long everybody waits at least: within a session; much longer.
const SOON: (u32, i64) = (1, 2 * 60);
const LATER: (u32, i64) = (900, 900);

async fn everybody_is_refused(
    options: &Options,
    rounds: &[(u32, i64)],
    clock: impl Fn(&Tandem) -> Clockwork,
) -> Result<()> {
    let sandbox = SandboxProc::start(&FEW).await?;
    let tandem = Tandem::start(&sandbox, options).await?;
    let clock = clock(&tandem);
    let (mut rng, mut people) = (dice(), Vec::new());
    for (user, prefix) in sandbox.info.users.iter().zip(["Ada ", "Bea ", "Cem "]) {
        let person = Person::sign_in(&tandem, &sandbox, user).await?;
        person.connect_well().await?;
        person.first_sync().await?;
        people.push((person, Ledger::of(prefix)));
    }
    for (retry_after, at_least) in rounds {
        for (person, ledger) in &mut people {
            for _ in 0..3 {
                ledger.edit(&(&sandbox, &person.user), &mut rng).await?;
            }
        }
        for service in ["exchange", "salesforce"] {
            let busy = json!({ "kind": "status", "code": 503, "retry_after_s": retry_after });
            sandbox.fault(service, &busy).await?;
        }
        let (since, before) = (sandbox.mark().await?, clock.now().await?);
        clock.all_due().await?;
        clock.until_at_rest().await?;
        let asked = sandbox.requests_since(since).await?;
        ensure!(
            asked.len() >= people.len() && asked.iter().all(|request| request["status"] == 503),
            "{asked:#?}"
        );
        ensure!(
            asked.len() <= people.len() * ASKED_AT_MOST,
            "a storm of {} requests: {asked:#?}",
            asked.len()
        );
        // Nobody comes back before he was told to, and not all at once.
        let mut dues = BTreeSet::new();
        for n in 0..people.len() {
            let due = format!(
                "SELECT due_at FROM connections WHERE state = 'active' ORDER BY id LIMIT 1 OFFSET {n}"
            );
            let due = clock.numbers(&due).await?[0];
            ensure!(
                due - before >= at_least * 1_000_000,
                "again after {} us",
                due - before
            );
            dues.insert(due);
        }
        ensure!(
            dues.len() == people.len(),
            "all come back at the same moment: {dues:?}"
        );
        println!(
            "Retry-After {retry_after}: {} requests of three people",
            asked.len()
        );
        sandbox.heal().await?;
        quiet(&sandbox, &clock).await?;
        for (person, ledger) in &people {
            ledger.check(&(&sandbox, &person.user)).await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_everybody_is_refused_for_a_while() -> Result<()> {
    let options = Options {
        database: None,
        ..options("")
    };
    everybody_is_refused(&options, &[SOON], |tandem| {
        Clockwork::of(&format!("sqlite:{}", tandem.folder().join("tandem.db").display()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_everybody_is_refused_for_a_while() -> Result<()> {
    let Some(database) = tandem_store::testing::postgres().await else {
        return Ok(());
    };
    everybody_is_refused(&options(&database.url), &[SOON, LATER], |_| {
        Clockwork::of(&database.url)
    })
    .await
}
