//! What whole-system tests share: the real binary beside its sandbox, a browser, a host page of another site.
//!
//! Everything listens on loopback, on ports that the operating system picks. Every child keeps its output in a
//! file, which is shown when the test that owns the child fails.

pub mod axe;
pub mod browser;
pub mod clockwork;
pub mod desk;
pub mod foreign;
pub mod frame;
pub mod gallery;
pub mod http;
pub mod keys;
pub mod ledger;
pub mod manifest;
pub mod office;
pub mod pane;
pub mod person;
pub mod places;
pub mod process;
pub mod proxy;
pub mod replicas;
pub mod sandbox;
pub mod server;
pub mod shop;
pub mod stage;
pub mod usage;

pub use browser::Chrome;
pub use frame::FrameHost;
pub use pane::Pane;
pub use person::Person;
pub use sandbox::SandboxProc;
pub use server::Tandem;
