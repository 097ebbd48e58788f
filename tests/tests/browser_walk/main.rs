//! The whole way of a person, from the first sight of the pane to the last, in a real browser: the pane stands in a
//! frame of another site, whose cookies the browser blocks.

mod exchange;
mod flows;
mod house;
mod item;
mod office;
mod organisation;
mod parts;
mod preview;
mod setup;
