//! The sidebar: pages, components, the text catalogue, and the door to the server.
//!
//! The server renders a [`Page`] to HTML (feature `ssr`, [`render`]), the browser's wasm takes it over (feature
//! `hydrate`, `hydrate`). Both build the same components from the same [`PageData`], which travels as JSON in the
//! page's head. There is no client router, and no call that waits while the page paints.

#[cfg(feature = "ssr")]
mod api;
#[cfg(feature = "ssr")]
mod backend;
#[cfg(feature = "hydrate")]
mod browser;
#[cfg(all(feature = "ssr", not(feature = "hydrate")))]
#[path = "browser_absent.rs"]
mod browser;
mod call;
#[cfg(feature = "ssr")]
mod handover;
#[cfg(any(feature = "ssr", feature = "hydrate"))]
mod page;
#[cfg(feature = "ssr")]
mod shell;
pub mod text;
#[cfg(any(feature = "ssr", feature = "hydrate"))]
mod ui;

pub use call::Call;
#[cfg(any(feature = "ssr", feature = "hydrate"))]
pub use page::{Estimate, Page, PageData, Told, Undone};

#[cfg(feature = "ssr")]
pub use api::Refusal;
#[cfg(feature = "ssr")]
pub use backend::{Backend, backend};
#[cfg(feature = "hydrate")]
pub use browser::hydrate;
#[cfg(feature = "ssr")]
pub use handover::{Handover, consent_page, handover_failed_page, handover_page, handover_said_page};
#[cfg(feature = "ssr")]
pub use shell::{OfficeScript, load, render, shell};
