//! The sidebar: pages, components, the text catalogue, and the door to the server.

#[cfg(feature = "ssr")]
mod backend;

#[cfg(feature = "ssr")]
pub use backend::{Backend, backend};
