//! Cases and records that the text of an item names.

use crate::model::{Clue, Field, ItemId, Snapshot};

/// So many are taken from one text.
const MENTIONS_MAX: usize = 20;
/// A year or a house number behind the word is no case.
const CASE_DIGITS: std::ops::RangeInclusive<usize> = 5..=12;
/// Hosts of the vendor: there a bare id is a record.
const HOSTS: [&str; 4] = [
    ".salesforce.com",
    ".force.com",
    ".salesforce.mil",
    ".cloudforce.com",
];
/// What an activity cannot belong to: users, groups, organisations, other activities, reports, dashboards, files.
const NOT_RECORDS: [&str; 9] = ["005", "00G", "00D", "00T", "00U", "02s", "00O", "01Z", "069"];

/// What the subject and the body name, in the order in which it stands there, the subject first; nothing twice.
pub(super) fn mentions(item: &Snapshot) -> Vec<Clue> {
    let mut out = Vec::new();
    let mut take = |clue: Clue| {
        if out.len() < MENTIONS_MAX && !out.contains(&clue) {
            out.push(clue);
        }
    };
    if let Some(subject) = item.record.get(Field::Subject).known() {
        case_numbers(subject).for_each(&mut take);
        threads(subject).for_each(&mut take);
        links(subject).for_each(&mut take);
    }
    if let Some(body) = item.record.get(Field::Body).known() {
        threads(body).for_each(&mut take);
        links(body).for_each(&mut take);
    }
    out
}

/// `Case 00001234`, `[case #00001234]`, `Case: 00001234`, `Case No. 00001234`.
fn case_numbers(text: &str) -> impl Iterator<Item = Clue> {
    let lower = text.to_ascii_lowercase();
    let starts: Vec<usize> = lower.match_indices("case").map(|(at, _)| at).collect();
    starts.into_iter().filter_map(move |at| {
        if lower[..at].chars().next_back().is_some_and(char::is_alphanumeric) {
            return None;
        }
        let rest = lower[at + 4..].trim_start();
        let rest = ["number", "nr", "no"]
            .iter()
            .find_map(|word| rest.strip_prefix(word))
            .unwrap_or(rest);
        let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '#' | ':' | '.' | '-'));
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let ends = !rest[digits..].starts_with(|c: char| c.is_alphanumeric());
        (ends && CASE_DIGITS.contains(&digits)).then(|| Clue::CaseNumber(rest[..digits].to_owned()))
    })
}

/// `ref:_00D…._500…:ref`, by which the CRM knows the replies to a case. The id in it has lost the zeros of its middle.
fn threads(text: &str) -> impl Iterator<Item = Clue> {
    text.match_indices("ref:_").filter_map(|(at, found)| {
        let rest = &text[at + found.len()..];
        let (org, rest) = rest.split_once("._")?;
        let (case, _) = rest.split_once(":ref")?;
        let sane = |part: &str| part.len() <= 18 && part.bytes().all(|b| b.is_ascii_alphanumeric());
        if !sane(org) || !sane(case) || !case.starts_with("500") {
            return None;
        }
        let full = match case.len() {
            15 | 18 => case.to_owned(),
            10..=14 => {
                let (head, rest) = case.split_at(5);
                let (middle, tail) = rest.split_at(rest.len() - 5);
                format!("{head}{middle:0>5}{tail}")
            }
            _ => return None,
        };
        related_id(&full).map(Clue::Record)
    })
}

/// `https://…/lightning/r/Contact/003…/view` on any host, `https://…/003…` on the vendor's.
fn links(text: &str) -> impl Iterator<Item = Clue> {
    text.match_indices("https://").filter_map(|(at, found)| {
        let rest = &text[at + found.len()..];
        let end = rest
            .find(|c: char| c.is_whitespace() || c.is_control() || "<>\"'()[]{}|\\^`".contains(c))
            .unwrap_or(rest.len());
        let url = &rest[..end];
        let (authority, path) = url.split_once('/')?;
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host)
            .split(':')
            .next()?
            .to_ascii_lowercase();
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let path = path.trim_end_matches(['.', ',', ';', '!', '/']);
        let parts: Vec<&str> = path.split('/').collect();
        let id = match parts[..] {
            ["lightning", "r", id, ..] if related_id(id).is_some() => id,
            ["lightning", "r", _, id, ..] => id,
            [id] if HOSTS.iter().any(|vendor| host.ends_with(vendor)) => id,
            _ => return None,
        };
        related_id(id).map(Clue::Record)
    })
}

/// The id with 18 characters; `None`: it is none, or of nothing that an activity can belong to.
fn related_id(text: &str) -> Option<ItemId> {
    record_id(text).filter(|id| !NOT_RECORDS.contains(&&id.0[..3]))
}

/// The id with 18 characters; `None`: it is none.
pub(crate) fn record_id(text: &str) -> Option<ItemId> {
    if !matches!(text.len(), 15 | 18) || !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let (id, given) = text.split_at(15);
    if !id.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    let sum = checksum(id);
    // In a link that somebody typed or lower-cased the case of letters is lost, and with it which record is meant.
    if !given.is_empty() && given != sum {
        return None;
    }
    Some(ItemId(format!("{id}{sum}")))
}

/// The last three characters: each stands for which of five are capitals.
fn checksum(id: &str) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    id.as_bytes()
        .chunks(5)
        .map(|five| {
            let bits = five
                .iter()
                .enumerate()
                .filter(|(_, b)| b.is_ascii_uppercase())
                .fold(0_usize, |bits, (n, _)| bits | 1 << n);
            char::from(DIGITS[bits % DIGITS.len()])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str) -> Clue {
        Clue::Record(ItemId(id.to_owned()))
    }

    #[test]
    fn case_numbers_are_found_where_somebody_meant_one() {
        let of = |text: &str| -> Vec<String> {
            case_numbers(text)
                .map(|clue| match clue {
                    Clue::CaseNumber(number) => number,
                    _ => unreachable!("only numbers come from here"),
                })
                .collect()
        };
        for text in [
            "Case 00001234",
            "RE: [case #00001234] broken",
            "CASE: 00001234.",
            "Case No. 00001234",
            "case number 00001234",
            "case-00001234",
        ] {
            assert_eq!(of(text), ["00001234"], "{text}");
        }
        for text in [
            "",
            "case",
            "Case 2026",
            "Case of 00001234",
            "showcase 00001234",
            "Case 00001234x",
            "Case 1234567890123",
            "Fälle 00001234",
            "in any case: we meet",
        ] {
            assert!(of(text).is_empty(), "{text}");
        }
        assert_eq!(of("Case 00001234 and case 00005678"), ["00001234", "00005678"]);
    }

    #[test]
    fn the_reference_of_a_case_gets_its_zeros_back() {
        let of = |text: &str| threads(text).collect::<Vec<_>>();
        let id = record_id("500d0000001abcd").unwrap();
        let whole = vec![Clue::Record(id)];
        assert_eq!(of("[ ref:_00Dd0ABCD._500d01abcd:ref ]"), whole);
        assert_eq!(of("x ref:_00Dd0ABCD._500d0000001abcd:ref y"), whole);
        for text in [
            "ref:_00D._500:ref",
            "ref:_00Dd0ABCD._003d01abcd:ref",
            "ref:_00Dd0ABCD._500d01ab",
            "ref:_._:ref",
            "ref:_00Dd0ABCD._500d0\u{e4}1abcd:ref",
        ] {
            assert!(of(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn links_lead_to_records_and_to_nothing_else() {
        let of = |text: &str| links(text).collect::<Vec<_>>();
        let id = record_id("003d000000ABCDE").unwrap();
        assert_eq!(id.0.len(), 18);
        let link = vec![record(&id.0)];
        for text in [
            "https://acme.lightning.force.com/lightning/r/Contact/003d000000ABCDE/view".to_owned(),
            format!(
                "see <https://acme.lightning.force.com/lightning/r/{}/view?x=1>.",
                id.0
            ),
            "https://acme.my.salesforce.com/003d000000ABCDE.".to_owned(),
            "(https://na1.salesforce.com/003d000000ABCDE)".to_owned(),
            format!(
                "https://crm.example.com:8443/lightning/r/Contact/{}/related/x/view",
                id.0
            ),
        ] {
            assert_eq!(of(&text), link, "{text}");
        }
        for text in [
            "https://",
            "https://x",
            "https://evil.example.com/003d000000ABCDE",
            "https://notsalesforce.com/003d000000ABCDE",
            "https://acme.my.salesforce.com/005d000000ABCDE",
            "https://acme.my.salesforce.com/003d000000ABCDEAAA",
            "https://acme.my.salesforce.com/003d000000ABCD",
            "https://acme.my.salesforce.com/start/home.jsp",
            "http://acme.my.salesforce.com/003d000000ABCDE",
            "https://acme.my.salesforce.com/lightning/r/Contact/new",
        ] {
            assert!(of(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn the_checksum_is_the_vendors() {
        // Published examples of both forms.
        assert_eq!(checksum("001A0000006Vm9r"), "IAC");
        assert_eq!(checksum("000000000000001"), "AAA");
    }
}
