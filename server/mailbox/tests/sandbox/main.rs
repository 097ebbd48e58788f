//! The connector against the sandbox's Exchange, over TLS.

#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod activation;
mod cells;
mod discovery;
mod events;
mod faults;
mod limits;
mod mails;
mod matrix;
mod microsoft;
mod ntlm;
mod reading;
mod support;
mod tasks;
mod writing;
