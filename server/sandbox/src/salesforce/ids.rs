//! Record ids: 15 case-sensitive characters and the 3 that make them safe where case is lost.

use std::fmt;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CHECK: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// An id of 18 characters. Ids of one object sort in the order of their creation.
///
/// <https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/field_types.htm#i1435616>
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id(String);

impl Id {
    /// Key prefix (3 characters), the organisation's instance (2), a running number.
    pub(crate) fn make(prefix: &str, instance: &str, number: u64) -> Self {
        let mut digits = [b'0'; 9];
        let mut rest = number;
        for place in digits.iter_mut().rev() {
            *place = DIGITS[usize::try_from(rest % 62).unwrap_or_default()];
            rest /= 62;
        }
        let mut text = format!("{prefix}{instance}0");
        text.extend(digits.iter().map(|d| char::from(*d)));
        let check = checksum(&text);
        text.push_str(&check);
        Self(text)
    }

    /// Takes 15 or 18 characters; a wrong check of the 18 is no id.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return None;
        }
        match text.len() {
            15 => Some(Self(format!("{text}{}", checksum(text)))),
            18 if checksum(&text[..15]) == text[15..] => Some(Self(text.to_owned())),
            _ => None,
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.0[..3]
    }

    /// The 15 characters that tokens and old clients use.
    pub(crate) fn short(&self) -> &str {
        &self.0[..15]
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One character for each five: its bits say which of them are capitals, the first in the lowest bit.
fn checksum(short: &str) -> String {
    short
        .as_bytes()
        .chunks(5)
        .map(|five| {
            let bits = five.iter().enumerate().fold(0_usize, |bits, (i, b)| {
                bits | (usize::from(b.is_ascii_uppercase()) << i)
            });
            char::from(CHECK[bits])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_tells_the_capitals() {
        for (short, long) in [
            ("001D000000IqhSL", "001D000000IqhSLIAZ"),
            ("005D0000001KyEI", "005D0000001KyEIIA0"),
        ] {
            assert_eq!(Id::parse(short).map(|i| i.to_string()).as_deref(), Some(long));
            assert_eq!(Id::parse(long).map(|i| i.to_string()).as_deref(), Some(long));
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in [
            "",
            "003",
            "003D0000001KyEI!",
            "001D000000IqhSLIAA",
            "00éD000000Iqh",
            "001D000000IqhSLI",
        ] {
            assert_eq!(Id::parse(text), None, "{text}");
        }
    }

    #[test]
    fn made_ids_sort_by_number() {
        let ids: Vec<Id> = [0, 9, 10, 35, 36, 61, 62, 3843, 3844]
            .map(|n| Id::make("003", "gK", n))
            .to_vec();
        assert!(ids.windows(2).all(|w| w[0] < w[1]));
        assert!(ids.iter().all(|i| Id::parse(i.as_str()).as_ref() == Some(i)));
    }
}
