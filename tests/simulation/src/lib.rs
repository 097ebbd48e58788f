//! The whole engine in a box: two mailboxes and an organisation that are hostile wherever their contracts let them be,
//! people who change everything all day, crashes, lost answers, second workers, clocks that jump, and a judge that knows
//! what the people did and nothing of how the engine decides.
//!
//! One seed is one world ([`steps::Story`]); [`run::tell`] plays it. The same seed always gives the same trace.

pub mod cloud;
pub mod counters;
pub mod dice;
pub mod end;
pub mod faults;
pub mod oracle;
pub mod run;
pub mod shrink;
pub mod steps;
pub mod store;
pub mod truth;
pub mod users;
pub mod world;
