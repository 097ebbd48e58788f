//! Salesforce as a CRM: sign-in, and the REST API as [`tandem_sync::ports::Crm`].

mod administrators;
mod answer;
mod auth;
mod candidates;
mod changes;
mod client;
mod describe;
mod fan_in;
mod files;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod grants;
mod ids;
mod install;
mod known;
mod lookups;
mod map;
mod meter;
mod panel;
mod problem;
mod rivals;
mod salesforce;
mod soql;
mod times;
mod told;
mod undelete;
mod words;
mod write;

pub use auth::{Identity, Purpose, SalesforceApp, TokenSet};
pub use client::ApiConfig;
pub use describe::DescribeCache;
pub use fan_in::Glance;
pub use grants::{Access, Grants};
pub use install::{InstallError, Step, install};
pub use map::mapping;
pub use meter::{ApiUsage, Meters};
pub use panel::{Activity, PanelRefusal, PersonRecords};
pub use salesforce::{Account, Platform, Salesforce};
pub use told::Told;
