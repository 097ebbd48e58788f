//! The only place that sends.
//!
//! Every request that leaves the server goes through [`Net`]: it has a time-out for the whole exchange, a limit on the
//! size of the (decoded) answer, a policy on which addresses may be connected to, no redirects, and texts without
//! secrets. It knows no provider.

mod addresses;
mod client;
mod config;
mod error;
mod line;
mod metrics;
mod oauth;
mod redact;
mod request;
mod resolver;
mod services;

pub use addresses::{AddressPolicy, Network, is_allowed};
pub use client::{CountersSnapshot, Net};
pub use config::NetConfig;
pub use error::{NetError, NetErrorKind};
pub use line::Line;
pub use oauth::OAuthHttp;
pub use redact::redact_url;
pub use request::{Request, Response, Retry, Schemes};
