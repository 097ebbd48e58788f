//! The engine: what is synced, paired, merged, deleted and told.
//!
//! Pure: no IO, no clock, no random numbers. What it needs from outside stands in [`ports`].
//!
//! A session is read from [`session::run`] downwards: [`survey`] says where each pair stands and what must still be
//! asked, [`decide`] what follows, [`plan`] what is written; `apply` carries it out.

mod apply;
mod aside;
pub mod backfill;
pub mod brake;
pub mod cure;
pub mod decide;
pub mod due;
pub mod facts;
pub mod fan_in;
mod fault;
pub mod glance;
pub mod hash;
pub mod lease;
mod link;
pub mod linker;
mod meeting;
pub mod merge;
pub mod model;
pub mod mutant;
pub mod normalise;
pub mod order;
pub mod pair;
pub mod plan;
pub mod ports;
pub mod preview;
pub mod rejection;
mod relate;
pub mod roles;
mod round;
pub mod save;
pub mod session;
pub mod survey;
pub mod undo;
pub mod why;

pub use fault::{Fault, FaultKind};
pub use link::{Base, BaseHash, EndReason, Intent, Link, LinkState, Traits};
