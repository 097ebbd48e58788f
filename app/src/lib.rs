//! The sidebar: pages, components, the text catalogue, and the door to the server.
//!
//! The server draws every [`Page`] (feature `ssr`, [`render`]), also the answer to each call: a form goes in, a page comes
//! out. The browser's wasm (feature `hydrate`, `hydrate`) sends the forms, lays the page that comes back over the one that
//! is shown (so that focus, open parts and what is typed stay), follows the stream of events, and draws by itself only
//! what cannot wait for the server (`live`). So what a page holds costs the browser no code, and all of it works without
//! script.

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
mod document;
#[cfg(feature = "ssr")]
mod handover;
#[cfg(feature = "ssr")]
mod help;
#[cfg(any(feature = "ssr", feature = "hydrate"))]
mod live;
#[cfg(feature = "hydrate")]
mod office;
#[cfg(feature = "ssr")]
mod page;
#[cfg(feature = "ssr")]
mod place;
#[cfg(feature = "ssr")]
mod shell;
pub mod text;
#[cfg(feature = "ssr")]
mod ui;

pub use call::Call;

#[cfg(feature = "ssr")]
pub use api::{PAGE_HEADER, Refusal, call_page};
#[cfg(feature = "ssr")]
pub use backend::{Backend, ItemBackend, OrgPick, OrgTarget, OrganisationBackend, SettingsBackend, backend};
#[cfg(feature = "hydrate")]
pub use browser::hydrate;
#[cfg(feature = "ssr")]
pub use handover::{Handover, consent_page, handover_failed_page, handover_page, handover_said_page};
#[cfg(feature = "ssr")]
pub use help::help_page;
#[cfg(feature = "ssr")]
pub use page::{Estimate, OtherMailbox, Page, PageData, SettingsPage, Told, Undone};
#[cfg(feature = "ssr")]
pub use place::{Part, Place};
#[cfg(feature = "ssr")]
pub use shell::{OfficeScript, draw, language, load, render, shell};
