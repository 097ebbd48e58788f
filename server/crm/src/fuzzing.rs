//! What is written into queries, as the fuzzer calls it (feature `fuzzing`).

use crate::soql;

/// The literal of a text, and that of a pattern that finds the text alone.
pub fn quoted(text: &str) -> (String, String) {
    (soql::quote(text), soql::quote_like("", text, ""))
}
