//! The rules that stand on their own: to which records something belongs, what is saved, what a pair may carry.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a failure is the test's failure"
)]

mod clear;
mod cure;
mod items;
mod linker;
mod roles;
mod save;
mod undo;
mod world;
