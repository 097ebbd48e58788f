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
#[derive(Clone)]
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

impl Resolver {
    /// The addresses of a host that may be connected to; at least one. A port of 0 stands for the scheme's own.
    pub(crate) async fn addresses(&self, name: &str) -> Result<Vec<SocketAddr>, ResolveError> {
        let all = match self.fixed.get(&name.to_ascii_lowercase()) {
            Some(addresses) => addresses.clone(),
            None => tokio::net::lookup_host((name, 0))
                .await
                .map_err(|e| ResolveError::Unknown(e.to_string()))?
                .collect(),
        };
        self.allowed(all)
    }

    /// Those of an answer that may be connected to. Asked of the very addresses that are connected to next: between a
    /// check and a connection there is no second answer that could be another.
    fn allowed(&self, all: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, ResolveError> {
        if all.is_empty() {
            return Err(ResolveError::Unknown("the answer is empty".to_owned()));
        }
        let allowed: Vec<SocketAddr> = all
            .into_iter()
            .filter(|a| is_allowed(a.ip(), &self.policy))
            .collect();
        if allowed.is_empty() {
            return Err(ResolveError::NotAllowed);
        }
        Ok(allowed)
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let addresses = resolver.addresses(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
