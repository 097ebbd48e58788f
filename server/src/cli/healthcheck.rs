//! `tandem healthcheck`: for a container's probe.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use crate::config::Config;
use crate::tls;

pub(super) async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let mut address = config.listen;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let mut net = tandem_net::NetConfig {
        user_agent: "tandem-healthcheck".into(),
        allow_loopback: true,
        allow_private: true,
        ..tandem_net::NetConfig::default()
    };
    let (url, schemes) = match tls::certificate(&config) {
        None => (format!("http://{address}/healthz"), tandem_net::Schemes::HttpToo),
        Some(certificate) => {
            // By its own name, though on this machine: the certificate says no other.
            let pem = std::fs::read(&certificate)
                .with_context(|| format!("{} cannot be read", certificate.display()))?;
            net.extra_roots_pem.push(pem);
            let host = config.public_url.host_str().unwrap_or("localhost");
            net.resolve.push((host.to_owned(), address));
            let url = format!("https://{host}:{}/healthz", address.port());
            (url, tandem_net::Schemes::HttpsOnly)
        }
    };
    let net = tandem_net::Net::new(&net)?;
    let url = url.parse().context("no address to ask")?;
    let request = tandem_net::Request::get(url)
        .schemes(schemes)
        .timeout(Duration::from_secs(5))
        .max_bytes(1024);
    match net.send(request).await {
        Ok(response) if response.status.is_success() => {
            println!("ok");
            Ok(ExitCode::SUCCESS)
        }
        Ok(response) => {
            println!(
                "{}: {}",
                response.status,
                String::from_utf8_lossy(&response.body).trim()
            );
            Ok(ExitCode::FAILURE)
        }
        Err(error) => {
            println!("no answer from {address}: {error}");
            Ok(ExitCode::FAILURE)
        }
    }
}
