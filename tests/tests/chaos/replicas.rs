//! Three replicas on one PostgreSQL, one of which is always dying; and one that stands still for longer than its lease,
//! and goes on as if nothing had happened.

use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::process::Signal;
use tandem_tests::clockwork::Clockwork;
use tandem_tests::ledger::Ledger;
use tandem_tests::replicas::beside;
use tandem_tests::stage::Stage;
use tandem_tests::{Person, SandboxProc, Tandem};

use super::{FEW, below, dice, in_session, options, quiet};

const KILLS: u32 = 10;
/// Requests into its session at which a process stands still.
const STANDSTILLS: [u32; 3] = [2, 4, 6];
/// How a session ends that was not its process's any more: by the fence; or, before it came to that, by a time limit that
/// passed while it stood still.
const OVERTAKEN: [&str; 2] = [
    "another worker has taken the connection over",
    "the session broke off",
];

/// Three colleagues, signed in and through their first round, and what each has.
async fn colleagues(tandem: &Tandem, sandbox: &SandboxProc) -> Result<Vec<(Person, Ledger)>> {
    let mut all = Vec::new();
    for (user, prefix) in sandbox.info.users.iter().zip(["Ada ", "Bea ", "Cem "]) {
        let person = Person::sign_in(tandem, sandbox, user).await?;
        person.connect_well().await?;
        person.first_sync().await?;
        all.push((person, Ledger::of(prefix)));
    }
    Ok(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_has_three_replicas_and_one_is_always_dying() -> Result<()> {
    let Some(database) = tandem_store::testing::postgres().await else {
        return Ok(());
    };
    let options = options(&database.url);
    let sandbox = SandboxProc::start(&FEW).await?;
    let mut replicas = vec![Tandem::start(&sandbox, &options).await?];
    for _ in 0..2 {
        let mut replica = beside(&replicas[0], &sandbox, &options)?;
        replica.start_again().await?;
        replicas.push(replica);
    }
    let mut people = colleagues(&replicas[0], &sandbox).await?;
    let clock = Clockwork::of(&database.url);
    clock.watch().await?;
    let mut rng = dice();
    for kill in 0..KILLS {
        for (person, ledger) in &mut people {
            for _ in 0..=below(&mut rng, 2) {
                ledger.edit(&(&sandbox, &person.user), &mut rng).await?;
            }
        }
        let since = sandbox.mark().await?;
        clock.all_due().await?;
        in_session(&sandbox, since, below(&mut rng, 30)).await?;
        let victim = &mut replicas[kill as usize % 3];
        victim.kill().await?;
        // The others go on, and so do the users.
        let (person, ledger) = &mut people[kill as usize % 3];
        ledger.edit(&(&sandbox, &person.user), &mut rng).await?;
        victim.start_again().await?;
    }
    quiet(&sandbox, &clock).await?;
    let mut edits = 0;
    for (person, ledger) in &people {
        ledger.check(&(&sandbox, &person.user)).await?;
        edits += ledger.edits();
    }
    let seen = clock.seen().await?;
    // Each start is a worker of its own.
    ensure!(seen.workers > 3, "{seen:?}");
    let cut = clock
        .numbers("SELECT COUNT(*) FROM sessions WHERE outcome = 'failed'")
        .await?;
    ensure!(cut[0] > 0, "no kill met a session");
    println!(
        "{KILLS} kills, {} of them in a session, {edits} edits, {seen:?}",
        cut[0]
    );
    Ok(())
}

/// How often the server has found that its session was not its own any more.
fn overtaken(tandem: &Tandem) -> usize {
    let log = tandem.log();
    OVERTAKEN.iter().map(|said| log.matches(said).count()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_out_a_replica_that_stood_still() -> Result<()> {
    let Some(database) = tandem_store::testing::postgres().await else {
        return Ok(());
    };
    let options = options(&database.url);
    let stage = Stage::synced(&FEW, &options).await?;
    let mut heir = beside(&stage.tandem, &stage.sandbox, &options)?;
    let clock = Clockwork::of(&database.url);
    clock.watch().await?;
    let (mut rng, mut ledger) = (dice(), Ledger::default());
    let leases = "SELECT COUNT(*) FROM witness";
    // As whoever takes over writes it down.
    let taken_over = "SELECT COUNT(*) FROM sessions WHERE outcome = 'failed'";
    let mut met = 0;
    for (round, moment) in STANDSTILLS.into_iter().enumerate() {
        for _ in 0..6 {
            ledger.edit(&stage, &mut rng).await?;
        }
        let since = stage.mark().await?;
        clock.all_due().await?;
        in_session(&stage.sandbox, since, moment).await?;
        stage.tandem.signal(Signal::STOP)?;
        let (taken, before) = (clock.numbers(leases).await?[0], overtaken(&stage.tandem));
        let failed = clock.numbers(taken_over).await?[0];
        heir.start_again().await?;
        clock.until("the heir", leases, |now| now > taken).await?;
        if round > 0 {
            clock.until_at_rest().await?;
        }
        // The first time both are at work at once.
        stage.tandem.signal(Signal::CONT)?;
        let found_out = async {
            let mut every = tokio::time::interval(Duration::from_millis(50));
            while overtaken(&stage.tandem) == before {
                every.tick().await;
            }
        };
        // It may have stood still just after its session's end.
        if clock.numbers(taken_over).await?[0] > failed {
            met += 1;
            ensure!(
                tokio::time::timeout(Duration::from_secs(30), found_out)
                    .await
                    .is_ok(),
                "who stood still never found out: {}",
                stage.tandem.log()
            );
        }
        clock.until_at_rest().await?;
        heir.stop().await?;
    }
    quiet(&stage.sandbox, &clock).await?;
    ledger.check(&stage).await?;
    let seen = clock.seen().await?;
    ensure!(met > 0, "it never stood still in a session");
    println!(
        "{} standstills, {met} of them in a session, {} edits, {seen:?}",
        STANDSTILLS.len(),
        ledger.edits()
    );
    Ok(())
}
