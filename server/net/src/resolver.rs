use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::NetConfig;
use crate::addresses::{AddressPolicy, is_allowed};

/// Why a name leads nowhere.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    #[error("the host's addresses are not public, and the configuration allows no others")]
    NotAllowed,
    #[error("no address for this host: {0}")]
    Unknown(String),
}

/// Resolves names by the operating system, and drops every address that the policy does not allow. It runs at each new
/// connection, so a name that changes its address later (DNS rebinding) gains nothing.
pub(crate) struct Resolver {
    policy: AddressPolicy,
    fixed: Arc<HashMap<String, Vec<SocketAddr>>>,
}

impl Resolver {
    pub(crate) fn new(config: &NetConfig) -> Self {
        let mut fixed: HashMap<String, Vec<SocketAddr>> = HashMap::new();
        for (host, address) in &config.resolve {
            fixed.entry(host.to_ascii_lowercase()).or_default().push(*address);
        }
        Self {
            policy: config.policy(),
            fixed: Arc::new(fixed),
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.policy;
        let fixed = self.fixed.get(&name.as_str().to_ascii_lowercase()).cloned();
        Box::pin(async move {
            let all = match fixed {
                Some(addresses) => addresses,
                None => tokio::net::lookup_host((name.as_str(), 0))
                    .await
                    .map_err(|e| ResolveError::Unknown(e.to_string()))?
                    .collect(),
            };
            if all.is_empty() {
                return Err(ResolveError::Unknown("the answer is empty".to_owned()).into());
            }
            let allowed: Vec<SocketAddr> = all.into_iter().filter(|a| is_allowed(a.ip(), &policy)).collect();
            if allowed.is_empty() {
                return Err(ResolveError::NotAllowed.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}
