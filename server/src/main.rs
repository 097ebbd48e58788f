//! `tandem`: two-way sync between Microsoft mailboxes and Salesforce.

use std::process::ExitCode;

fn main() -> ExitCode {
    tandem_server::cli::main()
}
