//! The organisation's page against a Salesforce that says who administers: the right comes, and goes within 15 minutes;
//! what is ordered there happens to others.

use anyhow::{Result, ensure};
use serde_json::json;
use sqlx::{Connection as _, Executor as _, SqliteConnection};
use tandem_tests::Person;
use tandem_tests::server::Options;
use tandem_tests::shop::BARE;
use tandem_tests::stage::Stage;

const PAGE: &str = "settings/organisation";

/// Whether the page shows people; else it says why it does not.
async fn sees(person: &Person) -> Result<bool> {
    let page = person.page(PAGE).await?;
    let (shows, denied) = (
        page.text().contains("id=\"org-users\""),
        page.text().contains("id=\"denied\""),
    );
    ensure!(shows != denied, "{}", page.text());
    Ok(shows)
}

/// Time passes for what Salesforce said.
async fn minutes_pass(stage: &Stage, minutes: i64) -> Result<()> {
    let config = std::fs::read_to_string(stage.tandem.folder().join("tandem.toml"))?;
    let url = config.lines().find_map(|line| line.strip_prefix("database = "));
    let url: String = serde_json::from_str(url.unwrap_or_default())?;
    let mut database = SqliteConnection::connect(&url).await?;
    let micros = minutes * 60 * 1_000_000;
    let set = format!("UPDATE users SET asked_at = asked_at - {micros}");
    database.execute(sqlx::AssertSqlSafe(set)).await?;
    Ok(database.close().await?)
}

#[tokio::test]
async fn an_administrators_right_comes_from_salesforce_and_goes_with_it() -> Result<()> {
    let stage = Stage::synced(&BARE, &Options::default()).await?;
    let nina = &stage.nina;
    let colleague = stage.sandbox.info.users[1].clone();
    let otto = Person::sign_in(&stage.tandem, &stage.sandbox, &colleague).await?;
    // The sandbox's first user is a system administrator; a colleague is not.
    ensure!(sees(nina).await?);
    ensure!(!sees(&otto).await?);
    let all = [("all", "on")];
    let refused = otto.call_by_page("org_pause", &all).await?;
    ensure!(refused.status == 403, "{}", refused.text());
    ensure!(nina.connection().await?["state"] == "active");

    // Both stand there, and what is ordered happens.
    let page = nina.page(PAGE).await?;
    let (hers, his) = (&nina.user.salesforce_username, &colleague.salesforce_username);
    ensure!(page.text().contains(hers.as_str()) && page.text().contains(his.as_str()));
    ensure!(
        page.text().contains("API calls"),
        "the meter of what the session used"
    );
    let paused = nina.call_by_page("org_pause", &all).await?;
    ensure!(paused.status == 200, "{}", paused.text());
    nina.until("paused", |c| c["state"] == "paused").await?;
    let resumed = nina.call_by_page("org_resume", &all).await?;
    ensure!(resumed.status == 200, "{}", resumed.text());
    nina.until("syncing again", |c| c["state"] == "active").await?;

    // Withdrawn there, it counts here for so long and no longer.
    let path = format!("/salesforce/users/{hers}");
    stage.sandbox.put(&path, &json!({ "admin": false })).await?;
    ensure!(sees(nina).await?, "not asked again yet");
    minutes_pass(&stage, 15).await?;
    ensure!(!sees(nina).await?);
    let refused = nina.call_by_page("org_pause", &all).await?;
    ensure!(refused.status == 403, "{}", refused.text());
    ensure!(nina.connection().await?["state"] == "active");

    // And given to somebody else; where Salesforce is away, to nobody.
    stage
        .sandbox
        .put(&format!("/salesforce/users/{his}"), &json!({ "admin": true }))
        .await?;
    minutes_pass(&stage, 15).await?;
    ensure!(sees(&otto).await?);
    stage
        .sandbox
        .put("/salesforce/org", &json!({ "api_disabled": true }))
        .await?;
    minutes_pass(&stage, 15).await?;
    ensure!(!sees(&otto).await?);
    Ok(())
}
