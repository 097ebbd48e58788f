//! `tandem`: two-way sync between Microsoft mailboxes and Salesforce.

use std::process::ExitCode;

/// A session makes and forgets many small texts on several threads: a fifth of its time went into the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tandem_server::cli::main()
}
