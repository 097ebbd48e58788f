//! Exchange as a mailbox: Exchange Web Services over SOAP, found by Autodiscover.
//!
//! [`activate`] turns what a user typed into a mailbox that works; [`Ews`] is that mailbox for one session
//! ([`tandem_sync::ports::Mailbox`]). Neither knows Salesforce or the database, and neither lets a server send a mail.

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
mod held;
mod history;
mod html;
mod mail;
mod mailbox;
mod map;
mod messages;
mod mime;
mod places;
mod reading;
mod restore;
mod rivals;
mod task;
mod writing;
mod xml;
mod zones;

pub use client::{EwsAccount, EwsLimits};
pub use connect::{Activated, ActivationError, activate};
pub use discover::EwsPolicy;
pub use mailbox::Ews;
