//! What strangers send to a server of Tandem, thrown at its readers: what they may not do is said in `fuzzing` of the crates
//! that read, and here.
//!
//! `cargo xtask fuzz [--minutes M] [TARGET…]` runs the fuzzer ([cargo-fuzz](https://rust-fuzz.github.io/book/cargo-fuzz.html)).
//! What it has found stands in `found/TARGET`, and is replayed by every run of the tests, as are the seeds in `seeds/TARGET`.

use std::str;

/// A target takes any bytes.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: [(&str, Target); 7] = [
    ("ews", ews),
    ("autodiscover", autodiscover),
    ("graph", graph),
    ("mail", mail),
    ("page", page),
    ("zone", zone),
    ("soql", soql),
];

/// The first byte says which operation is answered.
pub fn ews(data: &[u8]) {
    if let Some((&operation, answer)) = data.split_first() {
        tandem_mailbox::fuzzing::ews(operation, answer);
    }
}

/// See [`tandem_mailbox::fuzzing::autodiscover`].
pub fn autodiscover(data: &[u8]) {
    tandem_mailbox::fuzzing::autodiscover(data);
}

/// The first byte says of which kind the item is.
pub fn graph(data: &[u8]) {
    if let Some((&kind, json)) = data.split_first() {
        tandem_mailbox::fuzzing::graph(kind, json);
    }
}

/// See [`tandem_mailbox::fuzzing::mail`].
pub fn mail(data: &[u8]) {
    tandem_mailbox::fuzzing::mail(data);
}

/// See [`tandem_mailbox::fuzzing::page`].
pub fn page(data: &[u8]) {
    if let Ok(html) = str::from_utf8(data) {
        tandem_mailbox::fuzzing::page(html);
    }
}

/// See [`tandem_mailbox::fuzzing::zone`].
pub fn zone(data: &[u8]) {
    tandem_mailbox::fuzzing::zone(data);
}

/// Whatever somebody is called, a query looks for just that.
pub fn soql(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let (literal, like) = tandem_crm::fuzzing::quoted(text);
    assert_eq!(read_literal(&literal, false).as_deref(), Some(text), "{literal}");
    assert_eq!(read_literal(&like, true).as_deref(), Some(text), "{like}");
}

/// Reads a whole literal as Salesforce does; `None` where it ends early, or holds what it may not.
/// `like`: the text of a pattern; `None` where anything in it is a wildcard.
/// <https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_quotedstringescapes.htm>
fn read_literal(literal: &str, like: bool) -> Option<String> {
    let mut chars = literal.strip_prefix('\'')?.strip_suffix('\'')?.chars();
    let mut text = String::new();
    while let Some(c) = chars.next() {
        let read = match c {
            '\'' => return None,
            '%' | '_' if like => return None,
            '\\' => match chars.next()? {
                'n' | 'N' => '\n',
                'r' | 'R' => '\r',
                't' | 'T' => '\t',
                'b' | 'B' => '\u{8}',
                'f' | 'F' => '\u{c}',
                c @ ('"' | '\'' | '\\') => c,
                c @ ('%' | '_') if like => c,
                'u' => {
                    let digits: String = chars.by_ref().take(4).collect();
                    char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
                }
                _ => return None,
            },
            c => c,
        };
        text.push(read);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_was_found_stays_mended() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut replayed = 0;
        for folder in ["seeds", "found"] {
            for (name, target) in TARGETS {
                let Ok(files) = std::fs::read_dir(here.join(folder).join(name)) else {
                    continue;
                };
                for file in files {
                    let path = file.unwrap().path();
                    println!("{}", path.display());
                    target(&std::fs::read(path).unwrap());
                    replayed += 1;
                }
            }
        }
        assert!(replayed >= TARGETS.len(), "only {replayed} files");
    }

    #[test]
    fn every_target_has_seeds_and_a_program() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (name, _) in TARGETS {
            let seeds = std::fs::read_dir(here.join("seeds").join(name)).unwrap();
            assert!(seeds.count() > 0, "{name}");
            assert!(
                here.join("src/bin").join(name).with_extension("rs").is_file(),
                "{name}"
            );
        }
    }

    #[test]
    fn a_literal_is_read_as_salesforce_does() {
        for (literal, text) in [
            ("'a'", Some("a")),
            ("'a' OR Name = 'b'", None),
            (r"'a\'", None),
            (r"'a\\'", Some(r"a\")),
            (r"'\u0041\'\n'", Some("A'\n")),
            ("a", None),
        ] {
            assert_eq!(read_literal(literal, false).as_deref(), text, "{literal}");
        }
        assert_eq!(read_literal("'50%'", true), None);
        assert_eq!(read_literal(r"'50\%'", true).as_deref(), Some("50%"));
    }
}
