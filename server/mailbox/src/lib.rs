//! Exchange as a mailbox: on-premises by Exchange Web Services, found by Autodiscover; in the cloud by Microsoft Graph.
//!
//! [`activate`] turns what a user typed into a mailbox that works; [`Ews`] is that mailbox for one session
//! ([`tandem_sync::ports::Mailbox`]). [`microsoft`] signs a user in, and [`Graph`] is his mailbox. None of them knows
//! Salesforce or the database, and none lets a server send a mail that the user did not ask for.

mod auth;
mod candidates;
mod categories;
mod changes;
mod client;
mod connect;
mod cursor;
mod discover;
mod error;
mod event;
mod ews;
mod folders;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod graph;
mod held;
mod history;
mod html;
mod mail;
mod mailbox;
mod map;
mod messages;
pub mod microsoft;
mod mime;
mod places;
mod reading;
mod restore;
mod rivals;
mod task;
mod writing;
mod xml;
mod zones;

pub use auth::SignIn;
pub use client::{EwsAccount, EwsLimits};
pub use connect::{Activated, ActivationError, Step, activate};
pub use discover::EwsPolicy;
pub use graph::{Graph, GraphAccount, GraphLimits};
pub use mailbox::Ews;
