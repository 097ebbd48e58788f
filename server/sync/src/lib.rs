//! The engine: what is synced, paired, merged, deleted and told.
//!
//! Pure: no IO, no clock, no random numbers. What it needs from outside stands in [`ports`].

mod fault;
mod link;
pub mod model;
pub mod ports;

pub use fault::{Fault, FaultKind};
pub use link::{Base, BaseHash, EndReason, Intent, Link, LinkState};
