//! The connector against the sandbox's Microsoft Graph, over TLS: the contract of
//! [`tandem_sync::ports::Mailbox`], in the same mailboxes that the tests of Exchange Web Services use.

#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

#[expect(
    dead_code,
    reason = "shared with the table of Exchange Web Services, which uses all of it"
)]
#[path = "../sandbox/cells.rs"]
mod cells;
mod contacts;
mod events;
mod faults;
mod mails;
mod matrix;
#[expect(
    dead_code,
    reason = "shared with the tests of Exchange Web Services, which use all of it"
)]
#[path = "../sandbox/support.rs"]
mod support;
mod tasks;
mod world;
