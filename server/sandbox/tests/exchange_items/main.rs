//! Calendars, tasks and mail of the Exchange half, with SOAP written by hand: nothing of ours but the sandbox takes
//! part.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may fail as the tests do")]

mod calendar;
mod mail;
mod meetings;
mod support;
mod tasks;
