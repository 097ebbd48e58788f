//! The engine against a small world: the decision table, the laws of merging, sessions, and everything that can go
//! wrong in between.

mod laws;
mod perturb;
mod sessions;
mod table;
mod world;
