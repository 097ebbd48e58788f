use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Characters that stand for themselves in the query of a URL.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b',');

/// Salesforce refuses URLs of more than 16,384 bytes; what stands before and after a list needs room too.
const LIST_BYTES: usize = 11_000;

/// A string literal, quotes included.
///
/// <https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_quotedstringescapes.htm>
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        match c {
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// The literal of a `LIKE` that finds the text itself, whatever stands in it, between two patterns. `\\%` and `\\_` are
/// escapes of the literal: what was quoted as a whole would look for the backslash.
pub(crate) fn quote_like(before: &str, text: &str, after: &str) -> String {
    let quoted = quote(text).replace('%', "\\%").replace('_', "\\_");
    let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default();
    format!("'{before}{inner}{after}'")
}

/// For the `q` parameter.
pub(crate) fn encode(soql: &str) -> String {
    utf8_percent_encode(soql, PLAIN).to_string().replace("%20", "+")
}

/// Joins already quoted pieces by `separator` into lists of at most `most` pieces that fit a URL. Each list comes with
/// the number of its pieces.
pub(crate) fn lists(pieces: &[String], separator: &str, most: usize) -> Vec<(String, usize)> {
    let mut out = Vec::new();
    let mut list = String::new();
    let mut count = 0;
    let mut bytes = 0;
    for piece in pieces {
        let size = encode(piece).len() + encode(separator).len();
        if count > 0 && (count == most || bytes + size > LIST_BYTES) {
            out.push((std::mem::take(&mut list), count));
            count = 0;
            bytes = 0;
        }
        if count > 0 {
            list.push_str(separator);
        }
        list.push_str(piece);
        count += 1;
        bytes += size;
    }
    if count > 0 {
        out.push((list, count));
    }
    out
}

/// Like [`lists`], for the values of an `IN (…)`.
pub(crate) fn in_lists<'v>(values: impl IntoIterator<Item = &'v str>, most: usize) -> Vec<String> {
    let quoted: Vec<String> = values.into_iter().map(quote).collect();
    lists(&quoted, ",", most)
        .into_iter()
        .map(|(list, _)| list)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_a_literal() {
        for (text, literal) in [
            ("O'Brien", r"'O\'Brien'"),
            (r"a\", r"'a\\'"),
            (r"\' OR Name != \'", r"'\\\' OR Name != \\\''"),
            ("line\nbreak\r\ttab", r"'line\nbreak\r\ttab'"),
            ("\u{8}\u{c}\u{0}\u{1b}\u{85}", r"'\b\f\u0000\u001B\u0085'"),
            (
                "Jürgen \"Ü\" 山田 🦊 e\u{301}",
                "'Jürgen \\\"Ü\\\" 山田 🦊 e\u{301}'",
            ),
            ("100% _x_", "'100% _x_'"),
            ("", "''"),
        ] {
            assert_eq!(quote(text), literal);
        }
        assert_eq!(quote_like("%", r"50% O'Brien_\", "%"), r"'%50\% O\'Brien\_\\%'");
    }

    #[test]
    fn a_url_carries_any_query() {
        assert_eq!(
            encode("SELECT Id FROM Contact WHERE Email = 'a+b&c=d@x.example' AND Name > 'ü'"),
            "SELECT+Id+FROM+Contact+WHERE+Email+%3D+'a%2Bb%26c%3Dd%40x.example'+AND+Name+%3E+'%C3%BC'"
        );
    }

    #[test]
    fn lists_are_cut_by_count_and_by_size() {
        let ids: Vec<String> = (0..450).map(|n| format!("{n:018}")).collect();
        let cut = in_lists(ids.iter().map(String::as_str), 200);
        assert_eq!(cut.len(), 3);
        assert_eq!(cut.iter().map(|l| l.matches(',').count() + 1).sum::<usize>(), 450);
        let long: Vec<String> = (0..20).map(|n| format!("{n}{}", "山".repeat(200))).collect();
        let cut = in_lists(long.iter().map(String::as_str), 200);
        assert!(cut.len() > 2);
        assert!(cut.iter().all(|l| encode(l).len() <= LIST_BYTES));
        assert!(in_lists(std::iter::empty(), 200).is_empty());
        let huge = "x".repeat(LIST_BYTES * 2);
        assert_eq!(in_lists([huge.as_str(), "y"], 200).len(), 2);
    }
}
