use tandem_types::Timestamp;

/// A Salesforce `dateTime` (`2026-11-21T16:22:14.000+0000`), or any other RFC 3339 spelling.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>()
        .or_else(|_| jiff::Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text))
        .ok()
        .map(|t| Timestamp(t.as_microsecond()))
}

/// A `dateTime` literal of SOQL, in UTC with milliseconds (what is finer is cut off).
pub(crate) fn literal(at: Timestamp) -> String {
    let millis = at.micros().div_euclid(1000);
    let at = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}

/// The `Date` header of an answer.
pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()
        .map(|t| Timestamp(t.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_the_same_moment() {
        let at = Timestamp(1_795_278_134_000_000);
        for text in [
            "2026-11-21T16:22:14.000+0000",
            "2026-11-21T16:22:14.000Z",
            "2026-11-21T16:22:14Z",
            "2026-11-21T17:22:14+01:00",
            "2026-11-21T16:22:14+0000",
        ] {
            assert_eq!(parse(text), Some(at), "{text}");
        }
        assert_eq!(http_date("Sat, 21 Nov 2026 16:22:14 GMT"), Some(at));
        assert_eq!(literal(at), "2026-11-21T16:22:14.000Z");
        assert_eq!(literal(Timestamp(at.0 + 12_345)), "2026-11-21T16:22:14.012Z");
        assert_eq!(literal(Timestamp(-1)), "1969-12-31T23:59:59.999Z");
        assert_eq!(parse("2026-11-21"), None);
        assert_eq!(parse("yesterday"), None);
        assert_eq!(http_date("yesterday"), None);
    }
}
