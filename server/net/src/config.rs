use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::{AddressPolicy, Network};

/// How the server reaches the outside.
#[derive(Clone)]
pub struct NetConfig {
    /// Sent with every request that does not set its own.
    pub user_agent: String,
    /// Certificate authorities trusted beside the operating system's; each entry may hold several PEM certificates.
    pub extra_roots_pem: Vec<Vec<u8>>,
    /// Development and tests: the sandbox listens there.
    pub allow_loopback: bool,
    /// Exchange often stands in the site's own network.
    pub allow_private: bool,
    /// Single networks of the site's own, where not all private ones are allowed.
    pub allow_networks: Vec<Network>,
    /// Host names with a fixed address, for development and tests. The address policy holds for them too. The port
    /// counts where the URL names none; 0 stands for the scheme's own.
    pub resolve: Vec<(String, SocketAddr)>,
    /// Names with fixed SRV records (host and port), for development and tests.
    pub services: Vec<(String, String, u16)>,
    pub connect_timeout: Duration,
}

impl NetConfig {
    pub fn policy(&self) -> AddressPolicy {
        AddressPolicy {
            loopback: self.allow_loopback,
            private: self.allow_private,
            networks: self.allow_networks.clone(),
        }
    }
}

impl Default for NetConfig {
    fn default() -> Self {
        Self {
            user_agent: concat!("Tandem/", env!("CARGO_PKG_VERSION")).to_owned(),
            extra_roots_pem: Vec::new(),
            allow_loopback: false,
            allow_private: false,
            allow_networks: Vec::new(),
            resolve: Vec::new(),
            services: Vec::new(),
            connect_timeout: Duration::from_secs(10),
        }
    }
}

impl fmt::Debug for NetConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetConfig")
            .field("user_agent", &self.user_agent)
            .field("extra_roots_pem", &self.extra_roots_pem.len())
            .field("allow_loopback", &self.allow_loopback)
            .field("allow_private", &self.allow_private)
            .field("allow_networks", &self.allow_networks)
            .field("resolve", &self.resolve)
            .field("services", &self.services)
            .field("connect_timeout", &self.connect_timeout)
            .finish()
    }
}
