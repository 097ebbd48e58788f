//! Salesforce as a CRM: sign-in, and the REST API as [`tandem_sync::ports::Crm`].

mod answer;
mod auth;
mod changes;
mod client;
mod describe;
mod grants;
mod ids;
mod lookups;
mod map;
mod problem;
mod salesforce;
mod soql;
mod times;
mod write;

pub use auth::{Identity, Purpose, SalesforceApp, TokenSet};
pub use client::{ApiConfig, ApiUsage};
pub use describe::DescribeCache;
pub use grants::{Access, Grants};
pub use salesforce::{Account, Platform, Salesforce};
