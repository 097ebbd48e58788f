//! The judge. It knows what users did and what the servers hold, and nothing of how the engine decides.

mod end;
mod private;
mod scope;
mod writes;

pub use end::{Final, journalled};
