//! SRV records. The operating system's resolver, which finds addresses here, cannot be asked for them.

use std::collections::HashMap;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::RData;
use tokio::sync::OnceCell;

use crate::NetConfig;
use crate::error::{NetError, NetErrorKind};

/// Of one name; more are no help.
const MOST: usize = 4;

pub(crate) struct Services {
    fixed: HashMap<String, Vec<(String, u16)>>,
    /// Made when it is first needed: most servers never are in want of it.
    resolver: OnceCell<TokioResolver>,
}

impl Services {
    pub(crate) fn new(config: &NetConfig) -> Self {
        let mut fixed: HashMap<String, Vec<(String, u16)>> = HashMap::new();
        for (name, host, port) in &config.services {
            let known = fixed.entry(name.to_ascii_lowercase()).or_default();
            known.push((host.clone(), *port));
        }
        Self {
            fixed,
            resolver: OnceCell::new(),
        }
    }

    pub(crate) async fn look_up(
        &self,
        name: &str,
        timeout: Duration,
    ) -> Result<Vec<(String, u16)>, NetError> {
        if let Some(known) = self.fixed.get(&name.to_ascii_lowercase()) {
            return Ok(known.clone());
        }
        let failed = |error: hickory_resolver::net::NetError| {
            NetError::naming(NetErrorKind::UnknownHost, name, error.to_string())
        };
        let resolver = self
            .resolver
            .get_or_try_init(|| async { TokioResolver::builder_tokio()?.build() })
            .await
            .map_err(failed)?;
        // With a dot at its end no search domain is put behind it.
        let asked = resolver.srv_lookup(format!("{}.", name.trim_end_matches('.')));
        let found = match tokio::time::timeout(timeout, asked).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) if error.is_no_records_found() || error.is_nx_domain() => return Ok(Vec::new()),
            Ok(Err(error)) => return Err(failed(error)),
            Err(_) => {
                return Err(NetError::naming(
                    NetErrorKind::Timeout,
                    name,
                    "no name server answered",
                ));
            }
        };
        let mut records: Vec<_> = found
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::SRV(service) => Some(service),
                _ => None,
            })
            .collect();
        records.sort_by_key(|service| (service.priority, u16::MAX - service.weight));
        Ok(records
            .into_iter()
            // A lone dot: decidedly not there.
            .filter(|service| !service.target.is_root())
            .take(MOST)
            .map(|service| {
                let host = service.target.to_utf8();
                (host.trim_end_matches('.').to_ascii_lowercase(), service.port)
            })
            .collect())
    }
}
