//! `tandem healthcheck`: for a container's probe.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use crate::config::Config;

pub(super) async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let mut address = config.listen;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let net = tandem_net::Net::new(&tandem_net::NetConfig {
        user_agent: "tandem-healthcheck".into(),
        allow_loopback: true,
        allow_private: true,
        ..tandem_net::NetConfig::default()
    })?;
    let url = format!("http://{address}/healthz")
        .parse()
        .context("no address to ask")?;
    let request = tandem_net::Request::get(url)
        .schemes(tandem_net::Schemes::HttpToo)
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
