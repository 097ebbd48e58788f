//! The real binary ends the encryption itself; a real client of TLS talks to it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tandem_net::{Net, NetConfig, Request, Schemes};
use tandem_tests::server::Options;
use tandem_tests::{SandboxProc, Tandem, http as client};

fn serving(arguments: &[&str]) -> Options {
    Options {
        serve_with: arguments.iter().map(|&a| a.to_owned()).collect(),
        ..Options::default()
    }
}

/// Asks for the manifest; trusts the operating system's authorities and these.
async fn manifest(tandem: &Tandem, trusted: &[PathBuf]) -> Result<String> {
    let mut extra_roots_pem = Vec::new();
    for path in trusted {
        extra_roots_pem.push(std::fs::read(path)?);
    }
    let net = Net::new(&NetConfig {
        extra_roots_pem,
        allow_loopback: true,
        ..NetConfig::default()
    })?;
    let request = Request::get(tandem.url.join("manifest.xml")?)
        .schemes(Schemes::HttpsOnly)
        .timeout(Duration::from_secs(10))
        .max_bytes(1 << 20);
    let answer = net
        .send(request)
        .await
        .map_err(|error| anyhow::anyhow!("{error:?}"))?;
    anyhow::ensure!(answer.status.is_success(), "{}", answer.status);
    Ok(std::str::from_utf8(&answer.body)?.to_owned())
}

fn fingerprints(log: &str) -> Vec<String> {
    log.lines()
        .filter(|line| line.contains("the certificate that visitors are shown"))
        .filter_map(|line| line.split("sha256=").nth(1)?.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn a_certificate_of_its_own_is_made_once_and_can_be_trusted() -> Result<()> {
    let sandbox = SandboxProc::start(&[]).await?;
    let mut tandem = Tandem::start(&sandbox, &serving(&["--tls-self-signed"])).await?;
    let certificate = tandem.folder().join("tandem-tls-localhost.crt");
    let key = tandem.folder().join("tandem-tls-localhost.key");
    let read = manifest(&tandem, std::slice::from_ref(&certificate)).await?;
    assert!(
        read.contains(tandem.url.as_str()),
        "the manifest does not name this server"
    );
    let refused = manifest(&tandem, &[]).await;
    assert!(
        refused.is_err(),
        "nobody said that this certificate is to be trusted"
    );
    let mut plain = tandem.url.clone();
    plain.set_scheme("http").ok().context("a scheme")?;
    assert!(
        client::get(&plain).await.is_err(),
        "it answers without encryption"
    );
    assert_eq!(std::fs::metadata(&key)?.permissions().mode() & 0o777, 0o600);
    assert!(!std::fs::read_to_string(&certificate)?.contains("PRIVATE"));

    let first = std::fs::read(&certificate)?;
    tandem.stop().await?;
    tandem.start_again().await?;
    assert_eq!(
        std::fs::read(&certificate)?,
        first,
        "who trusted it must do so again"
    );
    manifest(&tandem, std::slice::from_ref(&certificate)).await?;
    let told = fingerprints(&tandem.log());
    assert_eq!(told.len(), 2, "{}", tandem.log());
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0].split(':').count(), 32, "{}", told[0]);
    tandem.stop().await?;

    // Near its end it is made anew.
    let kept = std::fs::read_to_string(&key)?;
    let end = kept.lines().next().context("a first line")?;
    std::fs::write(&key, kept.replace(end, "not after: 1000000000"))?;
    tandem.start_again().await?;
    assert_ne!(std::fs::read(&certificate)?, first);
    manifest(&tandem, std::slice::from_ref(&certificate)).await?;
    assert_ne!(fingerprints(&tandem.log())[2], told[0]);
    Ok(())
}

#[tokio::test]
async fn a_certificate_from_files_is_shown() -> Result<()> {
    let sandbox = SandboxProc::start(&[]).await?;
    let mut maker = Tandem::start(&sandbox, &serving(&["--tls-self-signed"])).await?;
    maker.stop().await?;
    let certificate = maker.folder().join("tandem-tls-localhost.crt");
    let key = maker.folder().join("tandem-tls-localhost.key");
    let (certificate_text, key_text) = (certificate.to_string_lossy(), key.to_string_lossy());
    let options = serving(&["--tls-cert", &certificate_text, "--tls-key", &key_text]);
    let tandem = Tandem::start(&sandbox, &options).await?;
    manifest(&tandem, std::slice::from_ref(&certificate)).await?;
    assert!(!tandem.folder().join("tandem-tls-localhost.key").exists());

    let alone = tandem.run(&["serve", "--tls-cert", &certificate_text]).await?;
    assert!(!alone.status.success());
    let said = String::from_utf8_lossy(&alone.stderr).into_owned();
    assert!(said.contains("needs its key"), "{said}");
    Ok(())
}
