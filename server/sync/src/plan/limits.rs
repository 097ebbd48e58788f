//! What Salesforce takes of an event: seen before it is sent.

use tandem_types::IssueCode;

use crate::model::{FieldValue, When};

/// Longer ones Salesforce refuses.
const EVENT_MAX_SECONDS: i64 = 14 * 24 * 3600;

/// Why these times are not sent, if so.
pub(super) fn wrong_times(value: &FieldValue) -> Option<IssueCode> {
    match value {
        FieldValue::Known(text) => match text.parse::<When>() {
            Ok(when) if when.is_backwards() => Some(IssueCode::EndBeforeStart),
            Ok(when) if when.seconds() > EVENT_MAX_SECONDS => Some(IssueCode::EventTooLong),
            Ok(_) => None,
            Err(_) => Some(IssueCode::ZoneUnknown),
        },
        FieldValue::Empty | FieldValue::Unknown => Some(IssueCode::ZoneUnknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_weeks_at_most_and_forwards() {
        let of = |text: &str| wrong_times(&FieldValue::from_text(text));
        assert_eq!(of("2026-03-01T00:00:00Z/2026-03-15T00:00:00Z"), None);
        assert_eq!(
            of("2026-03-01T00:00:00Z/2026-03-15T00:00:01Z"),
            Some(IssueCode::EventTooLong)
        );
        assert_eq!(of("2026-03-01/2026-03-15"), None);
        assert_eq!(of("2026-03-01/2026-03-16"), Some(IssueCode::EventTooLong));
        assert_eq!(of("2026-03-01/2026-03-01"), Some(IssueCode::EndBeforeStart));
        assert_eq!(
            of("2026-03-01T01:00:00Z/2026-03-01T00:00:00Z"),
            Some(IssueCode::EndBeforeStart)
        );
        assert_eq!(of("2026-03-01T01:00:00Z/2026-03-01T01:00:00Z"), None);
        assert_eq!(of("some day"), Some(IssueCode::ZoneUnknown));
        assert_eq!(of(""), Some(IssueCode::ZoneUnknown));
    }
}
