//! The server: command line, configuration, HTTP, worker, vault, and the wiring between them.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
mod grants;
pub mod http;
pub mod hub;
mod panel;
mod patience;
mod signature;
pub mod vault;
mod watch;
pub mod worker;
