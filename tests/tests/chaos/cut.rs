//! The network between a server and its PostgreSQL breaks in the middle of a session, and is there again.

use anyhow::{Result, ensure};
use serde_json::json;
use tandem_tests::clockwork::Clockwork;
use tandem_tests::ledger::Ledger;
use tandem_tests::proxy::Proxy;
use tandem_tests::stage::Stage;

use super::{FEW, below, dice, in_session, options, quiet};

const CUTS: u32 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_cut_off_and_comes_back() -> Result<()> {
    let Some(database) = tandem_store::testing::postgres().await else {
        return Ok(());
    };
    let proxy = Proxy::before(&database.url).await?;
    let stage = Stage::synced(&FEW, &options(&proxy.url(&database.url)?)).await?;
    let clock = Clockwork::of(&database.url);
    clock.watch().await?;
    let (mut rng, mut ledger) = (dice(), Ledger::default());
    for _ in 0..CUTS {
        for _ in 0..6 {
            ledger.edit(&stage, &mut rng).await?;
        }
        // A refresh token that was used up is kept in memory until the database is back.
        let path = format!(
            "/salesforce/users/{}/expire_access",
            stage.nina.user.salesforce_username
        );
        stage.sandbox.post(&path, &json!({})).await?;
        let since = stage.mark().await?;
        clock.all_due().await?;
        in_session(&stage.sandbox, since, below(&mut rng, 12)).await?;
        proxy.cut();
        for _ in 0..2 {
            ledger.edit(&stage, &mut rng).await?;
        }
        // Meanwhile the interval passes.
        clock.all_due().await?;
        stage
            .tandem
            .until_ready("that the database is away", |status, text| {
                status == 503 && text.contains("the database does not answer")
            })
            .await?;

        let restored = clock.now().await?;
        proxy.restore();
        stage
            .tandem
            .until_ready("that it is back", |status, _| status == 200)
            .await?;
        // Nobody asks for it.
        let done =
            format!("SELECT COUNT(*) FROM sessions WHERE outcome = 'done' AND started_at > {restored}");
        clock
            .until("a session after the cut", &done, |done| done > 0)
            .await?;
        let connection = stage.nina.connection().await?;
        ensure!(
            connection["state"] == "active" && connection["reason"].is_null(),
            "{connection:#}"
        );
    }
    quiet(&stage.sandbox, &clock).await?;
    ledger.check(&stage).await?;
    let seen = clock.seen().await?;
    ensure!(seen.workers == 1, "the server has ended in between: {seen:?}");
    ensure!(
        stage.tandem.log().contains("the session broke off"),
        "no cut met a session"
    );
    println!("{CUTS} cuts, {} edits, {} leases", ledger.edits(), seen.leases);
    Ok(())
}
