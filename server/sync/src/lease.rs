//! When a session prolongs its right to run.

use std::time::Duration;

use tandem_types::Timestamp;

use crate::ports::Lease;

/// For how long a connection is taken. Longer than the longest single call of a side.
pub const TTL: Duration = Duration::from_mins(5);

/// Whether less than half of the time is left.
#[must_use]
pub fn renewal_due(lease: &Lease, now: Timestamp, ttl: Duration) -> bool {
    let left = i128::from(lease.until.micros()) - i128::from(now.micros());
    left * 2 < i128::try_from(ttl.as_micros()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_half_time() {
        let lease = Lease {
            connection: "0".repeat(32).parse().unwrap(),
            session: "1".repeat(32).parse().unwrap(),
            org: "00D000000000001AAA".parse().unwrap(),
            user: "005000000000001AAA".parse().unwrap(),
            fence: 1,
            until: Timestamp::from_seconds(300),
        };
        assert!(!renewal_due(&lease, Timestamp::from_seconds(0), TTL));
        assert!(!renewal_due(&lease, Timestamp::from_seconds(150), TTL));
        assert!(renewal_due(&lease, Timestamp::from_seconds(151), TTL));
        assert!(
            renewal_due(&lease, Timestamp::from_seconds(999), TTL),
            "over already"
        );
        assert!(renewal_due(&lease, Timestamp(i64::MAX), TTL));
    }
}
