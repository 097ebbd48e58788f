//! The master key is exchanged under a running server, and the audit log keeps who did what.

use anyhow::{Result, ensure};
use serde_json::Value;
use sqlx::{Connection as _, Executor as _, SqliteConnection};
use tandem_tests::server::Options;
use tandem_tests::stage::Stage;

async fn sql(stage: &Stage, statement: &str) -> Result<u64> {
    let path = stage.tandem.folder().join("tandem.db");
    let mut connection = SqliteConnection::connect(&format!("sqlite:{}", path.display())).await?;
    let done = connection
        .execute(sqlx::AssertSqlSafe(statement.to_owned()))
        .await?;
    connection.close().await?;
    Ok(done.rows_affected())
}

/// A session of the server itself, by *Sync now*; how often it wrote.
async fn session_of_the_server(stage: &Stage) -> Result<u64> {
    let newest = |connection: &Value| connection["sessions"][0]["id"].clone();
    let (last, before) = (newest(&stage.nina.connection().await?), stage.writes().await?);
    stage.nina.order("sync_now", &[]).await?;
    stage
        .nina
        .until("a session of the server", |c| {
            newest(c) != last && c["progress"].is_null() && c["sessions"][0]["outcome"] == "done"
        })
        .await?;
    Ok(stage.writes().await? - before)
}

#[tokio::test]
async fn a_new_master_key_changes_nothing_that_is_synced() -> Result<()> {
    let arguments = ["--contacts", "8", "--mailbox-contacts", "6"];
    let mut stage = Stage::synced(&arguments, &Options::default()).await?;
    stage.rests().await?;
    let path = stage.tandem.folder().join("tandem.key");
    let old = std::fs::read_to_string(&path)?;

    let said = stage.tandem.read(&["keys", "rotate"]).await?;
    ensure!(said.contains("wrapped anew: "), "{said}");
    let both = std::fs::read_to_string(&path)?;
    ensure!(
        both.lines().count() == 2 && both.ends_with(&old),
        "the new one in front of the old one"
    );
    let shown = stage.tandem.read(&["keys", "show"]).await?;
    ensure!(
        shown.contains("by an older master key: 0, by none of these: 0"),
        "{shown}"
    );
    // In a process of its own, which knows both keys.
    stage.idle().await?;

    let said = stage
        .tandem
        .read(&["keys", "rotate", "--only-rewrap", "--drop-old"])
        .await?;
    ensure!(said.contains("wrapped anew: 0"), "{said}");
    let new = std::fs::read_to_string(&path)?;
    ensure!(
        both.starts_with(&new) && new.lines().count() == 1,
        "the new one alone"
    );
    // The server has run all the while, and its key is in no file any more. Nobody was signed out, and hashes are the same.
    ensure!(
        session_of_the_server(&stage).await? == 0,
        "the server's next session wrote"
    );
    stage.tandem.stop().await?;
    stage.tandem.start_again().await?;
    ensure!(stage.nina.connection().await?["state"] == "active", "signed out");
    stage.idle().await?;

    // With the old key, which a thief may have, nothing opens.
    stage.tandem.stop().await?;
    std::fs::write(&path, &old)?;
    let refused = stage.tandem.run(&["keys", "show"]).await?;
    ensure!(!refused.status.success(), "the old key opens");
    Ok(())
}

#[tokio::test]
async fn who_edits_the_audit_log_is_found_out() -> Result<()> {
    let arguments = ["--contacts", "2", "--mailbox-contacts", "0"];
    let stage = Stage::synced(&arguments, &Options::default()).await?;
    stage.nina.order("pause", &[]).await?;
    stage.nina.order("start", &[]).await?;
    let whole = stage.tandem.read(&["audit", "verify"]).await?;
    let head = whole
        .lines()
        .find_map(|line| line.strip_prefix("head: "))
        .unwrap_or_default()
        .to_owned();
    stage.tandem.read(&["audit", "verify", "--head", &head]).await?;
    let listed = stage.tandem.read(&["audit", "list"]).await?;
    for action in ["sign_in", "activated", "released", "paused", "started"] {
        ensure!(listed.contains(action), "{action} is missing:\n{listed}");
    }

    // What somebody with the database could do.
    ensure!(
        sql(
            &stage,
            "UPDATE audit SET action = 'started' WHERE action = 'paused'"
        )
        .await?
            == 1
    );
    let output = stage.tandem.run(&["audit", "verify"]).await?;
    ensure!(!output.status.success(), "it was not found out");
    let said = String::from_utf8(output.stdout)?;
    ensure!(said.contains("is not as it was written"), "{said}");
    ensure!(
        sql(
            &stage,
            "UPDATE audit SET action = 'paused' WHERE seq = (SELECT MAX(seq) - 1 FROM audit)"
        )
        .await?
            == 1
    );
    stage.tandem.read(&["audit", "verify", "--head", &head]).await?;
    ensure!(sql(&stage, "DELETE FROM audit WHERE action = 'activated'").await? == 1);
    let output = stage.tandem.run(&["audit", "verify"]).await?;
    let said = String::from_utf8(output.stdout)?;
    ensure!(
        !output.status.success() && said.contains("is missing"),
        "it was not found out: {said}"
    );
    Ok(())
}
