//! The server: command line, configuration, HTTP, worker, vault, and the wiring between them.

mod administrators;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
mod deactivation;
mod grants;
mod history;
pub mod http;
pub mod hub;
mod integration;
mod mail;
mod metrics;
mod organisation;
mod panel;
mod patience;
mod settings_form;
mod signature;
mod site;
mod standing;
mod steering;
mod tls;
mod trials;
pub mod vault;
mod watch;
pub mod worker;
