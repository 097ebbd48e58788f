//! The text catalogue: every word that a user reads stands here, and nowhere else, in every language.
//!
//! Constants for what never changes, functions for what depends on a state, a reason or a number. The functions
//! match exhaustively: a new state without words does not compile.

mod activation;
mod backfill;
mod help;
mod issues;
pub mod item;
mod lang;
#[cfg(feature = "ssr")]
pub mod mail;
mod menu;
#[cfg(feature = "ssr")]
pub mod organisation;
mod sessions;
#[cfg(feature = "ssr")]
pub mod settings;
mod setup;
mod sign_in;
mod states;
mod status;
mod time;

pub use activation::*;
pub use backfill::*;
pub use help::*;
pub use issues::*;
#[cfg(feature = "hydrate")]
pub(crate) use lang::speak;
pub use lang::{Lang, Words, say, speaking, spoken};
pub use menu::*;
pub use sessions::*;
pub use setup::*;
pub use sign_in::*;
pub use states::*;
pub use status::*;
pub use time::*;

#[cfg(test)]
mod tests;
