//! The engine against a small world: the decision table, the laws of merging, sessions, and everything that can go
//! wrong in between.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a failure is the test's failure"
)]
#![expect(
    clippy::option_option,
    reason = "deleted or not, and merged into another or not"
)]

mod aside;
mod found;
mod laws;
mod migration;
mod orders;
mod perturb;
mod planner;
mod sessions;
mod sessions_emails;
mod sessions_events;
mod sessions_tasks;
mod table;
mod world;
