//! How an operator sees whether everyone syncs: `tandem status`, `/metrics`, the log as JSON.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tandem_tests::http as client;
use tandem_tests::server::Options;
use tandem_tests::stage::Stage;
use url::Url;

const FEW: [&str; 4] = ["--contacts", "3", "--mailbox-contacts", "2"];

/// Lines of the log, each of which has to be a JSON object.
fn events(log: &str) -> Result<Vec<Value>> {
    log.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}")))
        .collect()
}

/// The value of the first sample whose name and labels begin so.
fn sample(metrics: &str, beginning: &str) -> Option<f64> {
    let line = metrics.lines().find(|line| line.starts_with(beginning))?;
    line.rsplit(' ').next()?.parse().ok()
}

async fn status(stage: &Stage, arguments: &[&str]) -> Result<(bool, String)> {
    let arguments = [&["status"], arguments].concat();
    let output = stage.tandem.run(&arguments).await?;
    let said = String::from_utf8(output.stdout)?;
    ensure!(!said.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok((output.status.success(), said))
}

/// The names of metrics in a text of ours for Prometheus or Grafana.
fn names(text: &str) -> Vec<&str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("tandem_"))
        .collect()
}

/// Every name in the example files is one that the server says.
fn examples_are_true(metrics: &str) -> Result<()> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operate");
    for file in ["alerts.yml", "dashboard.json"] {
        let text = std::fs::read_to_string(folder.join(file))?;
        let names = names(&text);
        ensure!(names.len() > 5, "{file}: {names:?}");
        for name in names {
            ensure!(
                metrics.lines().any(|line| line
                    .strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with(['{', ' ']))),
                "{file} has {name}, and the server does not say it"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn who_does_not_sync_is_seen_at_once() -> Result<()> {
    let options = Options {
        variables: vec![
            ("TANDEM_LOG_FORMAT".into(), "json".into()),
            ("TANDEM_METRICS_LISTEN".into(), "127.0.0.1:0".into()),
        ],
        ..Options::default()
    };
    let stage = Stage::synced(&FEW, &options).await?;
    // Something is not synced: that is the item's fault, and no trouble of the connection.
    let nameless = json!({ "folder": "Salesforce Contacts", "fields": {
        "GivenName": "Cher", "EmailAddress1": "cher@example.org" } });
    stage.sandbox.post(&stage.contacts_path(), &nameless).await?;
    stage.session().await?;
    let (well, said) = status(&stage, &[]).await?;
    ensure!(well && said.starts_with("1 connections: 1 sync, 0 off"), "{said}");

    let address = events(&stage.tandem.log())?
        .iter()
        .find(|event| event["message"] == "metrics")
        .and_then(|event| event["address"].as_str().map(str::to_owned))
        .context("where the metrics are")?;
    let url = Url::parse(&format!("http://{address}/metrics"))?;
    let read = client::get(&url).await?;
    ensure!(
        read.headers["content-type"]
            .to_str()?
            .starts_with("application/openmetrics-text"),
        "{:?}",
        read.headers
    );
    let metrics = read.text();
    ensure!(metrics.ends_with("# EOF\n"), "{metrics}");
    for (beginning, least) in [
        ("tandem_connections{state=\"active\",reason=\"\"}", 1.0),
        ("tandem_sessions_total{outcome=\"done\"}", 1.0),
        ("tandem_session_seconds_count", 1.0),
        (
            "tandem_provider_requests_total{service=\"exchange\",result=\"ok\"}",
            5.0,
        ),
        (
            "tandem_provider_requests_total{service=\"salesforce\",result=\"ok\"}",
            3.0,
        ),
        (
            "tandem_provider_request_seconds_count{service=\"salesforce\"}",
            3.0,
        ),
        ("tandem_salesforce_api_used{", 1.0),
        ("tandem_salesforce_api_limit{", 1.0),
        ("tandem_issues{code=\"last_name_missing\"}", 1.0),
        ("tandem_users", 1.0),
        ("tandem_connections_overdue", 0.0),
        ("tandem_queue_age_seconds", 0.0),
    ] {
        let value = sample(&metrics, beginning).with_context(|| format!("{beginning}\n{metrics}"))?;
        ensure!(value >= least, "{beginning}: {value}");
    }
    examples_are_true(&metrics)?;
    ensure!(
        !metrics.contains(&stage.nina.user.mailbox),
        "whose mailbox it is, is nobody's business here"
    );
    let mut public = stage.tandem.url.clone();
    public.set_path("metrics");
    ensure!(
        client::get(&public).await?.status == http::StatusCode::NOT_FOUND,
        "browsers reach the metrics"
    );
    public.set_path("readyz");
    ensure!(client::get(&public).await?.status.is_success(), "not ready");

    let of_user = format!("/salesforce/users/{}", stage.nina.user.salesforce_username);
    stage
        .sandbox
        .post(&format!("{of_user}/revoke_all"), &json!({}))
        .await?;
    stage.nina.order("sync_now", &[]).await?;
    stage
        .nina
        .until("the end of the sign-in", |c| c["state"] == "needs_activation")
        .await?;
    let (well, said) = status(&stage, &[]).await?;
    ensure!(!well, "{said}");
    let line = said
        .lines()
        .find(|line| line.starts_with("stopped"))
        .context("nobody is named")?;
    ensure!(
        line.contains(&stage.nina.user.mailbox) && line.contains("Salesforce sign-in has ended"),
        "{line}"
    );
    let (_, said) = status(&stage, &["--json"]).await?;
    let said: Value = serde_json::from_str(&said)?;
    ensure!(
        said["counts"]["stopped"] == 1 && said["counts"]["syncing"] == 0,
        "{said:#}"
    );
    ensure!(
        said["connections"][0]["reason"] == "salesforce_sign_in_ended",
        "{said:#}"
    );
    let metrics = client::get(&url).await?.text();
    ensure!(
        sample(
            &metrics,
            "tandem_connections{state=\"needs_activation\",reason=\"salesforce_sign_in_ended\"}"
        ) == Some(1.0),
        "{metrics}"
    );
    let ended = events(&stage.tandem.log())?;
    let ended = ended
        .iter()
        .filter(|event| event["message"] == "session ended")
        .collect::<Vec<_>>();
    ensure!(
        ended
            .iter()
            .all(|event| event["connection"] == stage.connection.as_str() && event["session"].is_string())
            && ended.iter().any(|event| event["outcome"] == "sign_in_ended"),
        "{ended:#?}"
    );
    Ok(())
}
