//! The sandbox's Microsoft Graph on the wire, and how it goes with EWS and with the control API.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may fail as the tests do")]

mod batch;
mod calendar;
mod contacts;
mod delta;
mod mail;
mod meetings;
mod service;
mod support;
mod tasks;
