//! The real binary as an operator runs it: starts, ends, restarts, refuses.

use std::time::Duration;

use anyhow::Result;
use tandem_tests::server::Options;
use tandem_tests::{SandboxProc, Tandem, http as client};
use tokio::process::Command;

#[tokio::test]
async fn the_sandbox_says_where_it_is_and_ends_when_told() -> Result<()> {
    let sandbox = SandboxProc::start(&["--seed", "3"]).await?;
    assert!(sandbox.info.users.len() >= 3, "{:?}", sandbox.info.users.len());
    assert!(sandbox.nina().name.starts_with("Nina"));
    assert!(sandbox.info.ca_pem.is_file());
    let info = sandbox.get("/info").await?;
    assert_eq!(info["org_id"], sandbox.info.org_id);
    assert!(!sandbox.mailbox_contacts(sandbox.nina()).await?.is_empty());
    assert!(!sandbox.records("Contact", sandbox.nina()).await?.is_empty());
    let folder = sandbox.info.ca_pem.clone();
    sandbox.stop().await?;
    assert!(!folder.exists(), "the scratch folder is left");
    Ok(())
}

#[tokio::test]
async fn the_same_seed_makes_the_same_company() -> Result<()> {
    let mut companies = Vec::new();
    for seed in ["5", "5", "6"] {
        let sandbox = SandboxProc::start(&["--seed", seed]).await?;
        let mut people: Vec<_> = sandbox.records("Contact", sandbox.nina()).await?;
        // When a record was made is the time of the start.
        for person in &mut people {
            let Some(fields) = person.as_object_mut() else {
                continue;
            };
            fields.retain(|name, _| !name.ends_with("Date") && name != "SystemModstamp");
        }
        companies.push(people);
        sandbox.stop().await?;
    }
    assert_eq!(companies[0], companies[1]);
    assert_ne!(companies[0], companies[2]);
    Ok(())
}

#[tokio::test]
async fn the_server_starts_answers_ends_and_starts_again() -> Result<()> {
    let sandbox = SandboxProc::start(&[]).await?;
    let mut tandem = Tandem::start(&sandbox, &Options::default()).await?;
    let page = client::get(&tandem.url).await?;
    assert!(page.status.is_success(), "{} {}", page.status, page.text());
    let manifest = client::get(&tandem.url.join("manifest.xml")?).await?;
    assert!(manifest.status.is_success(), "{}", manifest.status);
    assert!(
        manifest.text().contains(tandem.url.as_str()),
        "the manifest does not name this server"
    );
    let key = tandem.folder().join("tandem.key");
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(
            std::fs::metadata(&key)?.permissions().mode() & 0o777,
            0o600,
            "others may read the key"
        );
    }
    let first_key = std::fs::read(&key)?;
    assert!(tandem.run(&["healthcheck"]).await?.status.success());

    let status = tandem.stop().await?;
    assert!(status.success(), "{status}\n{}", tandem.log());
    assert!(
        !tandem.run(&["healthcheck"]).await?.status.success(),
        "a dead server is called well"
    );

    tandem.start_again().await?;
    tandem.kill().await?;
    tandem.start_again().await?;
    assert_eq!(std::fs::read(&key)?, first_key, "the key was made anew");
    let secret = &sandbox.info.client.secret;
    assert!(
        !tandem.log().contains(secret.as_str()),
        "the client secret is in the log"
    );
    Ok(())
}

/// A new key beside old data opens nothing of them, and looks to the operator like the one that is missing.
#[tokio::test]
async fn a_key_that_is_lost_is_asked_for_and_not_made_anew() -> Result<()> {
    let sandbox = SandboxProc::start(&[]).await?;
    let mut tandem = Tandem::start(&sandbox, &Options::default()).await?;
    tandem.stop().await?;
    let key = tandem.folder().join("tandem.key");
    let elsewhere = tandem.folder().join("moved");
    std::fs::rename(&key, &elsewhere)?;
    for command in ["serve", "status", "doctor"] {
        let output = tokio::time::timeout(Duration::from_secs(20), tandem.run(&[command])).await??;
        let said =
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success(), "{command}: {} {said}", output.status);
        assert!(said.contains("tandem.key"), "{command}: {said}");
        assert!(!key.exists(), "{command} has made a key");
    }
    std::fs::rename(&elsewhere, &key)?;
    tandem.start_again().await
}

#[tokio::test]
async fn a_setting_that_is_not_one_is_named_and_refused() -> Result<()> {
    let sandbox = SandboxProc::start(&[]).await?;
    let variables = vec![("TANDEM_LISTEM".to_owned(), "127.0.0.1:1".to_owned())];
    let tandem = Tandem::prepare(
        &sandbox,
        &Options {
            variables,
            ..Options::default()
        },
    )?;
    let output = tokio::time::timeout(Duration::from_secs(20), tandem.run(&["serve"])).await??;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("TANDEM_LISTEM"),
        "{} {said}",
        output.status
    );
    Ok(())
}

#[tokio::test]
async fn doctor_explains_what_is_missing() -> Result<()> {
    let mut command = Command::new(tandem_tests::places::tandem()?);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TANDEM_") {
            command.env_remove(name);
        }
    }
    let folder = tempfile::tempdir()?;
    let output = command
        .arg("doctor")
        .current_dir(folder.path())
        .kill_on_drop(true)
        .output()
        .await?;
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    for part in ["public_url", "salesforce.client_id"] {
        assert!(said.contains(part), "{part} is not mentioned:\n{said}");
    }
    Ok(())
}
