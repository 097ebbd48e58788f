//! Events, tasks, emails and the package in the sandbox's Salesforce.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod email;
mod events;
mod install;
mod organisation;
mod rig;
mod soap;
mod tasks;
