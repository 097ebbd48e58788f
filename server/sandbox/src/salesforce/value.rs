//! What a field holds, and the two ways the wire writes times.

use std::cmp::Ordering;

use jiff::{Timestamp, civil::Date};
use serde_json::{Value, json};

/// A stored value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Val {
    Null,
    Text(String),
    Bool(bool),
    Number(f64),
    Int(i64),
    /// The ids of a junction list.
    List(Vec<String>),
    Date(Date),
    /// Milliseconds since 1970, UTC.
    Time(i64),
}

impl Val {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() {
            Self::Null
        } else {
            Self::Text(text)
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn is_true(&self) -> bool {
        matches!(self, Self::Bool(true))
    }

    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Text(text) => json!(text),
            Self::Bool(b) => json!(b),
            Self::Number(n) => json!(n),
            Self::Int(n) => json!(n),
            Self::List(ids) => json!(ids),
            Self::Date(d) => json!(d.to_string()),
            Self::Time(ms) => json!(stamp(*ms)),
        }
    }

    /// The order of two values of one field; text without regard to case, except in ids.
    pub(crate) fn order(&self, other: &Self, exact: bool) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) if exact => Some(a.cmp(b)),
            (Self::Text(a), Self::Text(b)) => Some(a.to_lowercase().cmp(&b.to_lowercase())),
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Number(a), Self::Number(b)) => a.partial_cmp(b),
            (Self::Date(a), Self::Date(b)) => Some(a.cmp(b)),
            (Self::Time(a), Self::Time(b)) | (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

/// `2026-11-22T18:00:00.000+0000`.
pub(crate) fn stamp(ms: i64) -> String {
    Timestamp::from_millisecond(ms)
        .map(|t| t.strftime("%Y-%m-%dT%H:%M:%S.").to_string() + &format!("{:03}+0000", ms.rem_euclid(1000)))
        .unwrap_or_default()
}

/// Reads `…Z`, `…+00:00` and `…+0000`, with or without milliseconds.
pub(crate) fn read_stamp(text: &str) -> Option<i64> {
    if !text.contains('T') {
        return None;
    }
    let bytes = text.as_bytes();
    let zone = bytes.len().checked_sub(5)?;
    let bare = matches!(bytes[zone], b'+' | b'-') && bytes[zone + 1..].iter().all(u8::is_ascii_digit);
    let parsed = if bare {
        format!("{}:{}", &text[..zone + 3], &text[zone + 3..]).parse::<Timestamp>()
    } else {
        text.parse::<Timestamp>()
    };
    parsed.ok().map(Timestamp::as_millisecond)
}

/// `YYYY-MM-DD`, years 1700 to 4000 as in Salesforce.
pub(crate) fn read_date(text: &str) -> Option<Date> {
    let shape = text.len() == 10
        && text.bytes().enumerate().all(|(i, b)| {
            if i == 4 || i == 7 {
                b == b'-'
            } else {
                b.is_ascii_digit()
            }
        });
    shape
        .then(|| text.parse::<Date>().ok())
        .flatten()
        .filter(|d| (1700..=4000).contains(&d.year()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_written() {
        assert_eq!(stamp(1_795_370_400_123), "2026-11-22T18:00:00.123+0000");
        for text in [
            "2026-11-22T18:00:00.123+0000",
            "2026-11-22T18:00:00.123Z",
            "2026-11-22T19:00:00.123+01:00",
            "2026-11-22T10:00:00.123-08:00",
        ] {
            assert_eq!(read_stamp(text), Some(1_795_370_400_123), "{text}");
        }
        assert_eq!(read_stamp("2026-11-22"), None);
        assert_eq!(read_stamp("2026-11-22T25:00:00Z"), None);
        assert_eq!(read_stamp("T"), None);
    }

    #[test]
    fn dates_are_real_days() {
        assert!(read_date("2024-02-29").is_some());
        for bad in [
            "2023-02-29",
            "1699-12-31",
            "4001-01-01",
            "2024-2-9",
            "2024-02-29T00:00:00Z",
            "20240229",
        ] {
            assert_eq!(read_date(bad), None, "{bad}");
        }
    }
}
