//! What organisations have used of their API calls: the quota is the organisation's, whoever asks.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tandem_types::OrgId;

/// The organisation's API calls in the last 24 hours, as the latest answer said.
/// <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_api_usage.htm>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiUsage {
    pub used: u64,
    pub limit: u64,
}

impl ApiUsage {
    /// From `Sforce-Limit-Info: api-usage=18/5000; per-app-api-usage=…`.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let (used, limit) = header
            .split([';', ','])
            .find_map(|part| part.trim().strip_prefix("api-usage="))?
            .split_once('/')?;
        Some(Self {
            used: used.trim().parse().ok()?,
            limit: limit.trim().parse().ok()?,
        })
    }

    /// Whether less than `percent` of the quota is left. Without a quota nothing ends.
    #[must_use]
    pub const fn below(self, percent: u64) -> bool {
        let left = self.limit.saturating_sub(self.used);
        self.limit > 0 && left.saturating_mul(100) < self.limit.saturating_mul(percent)
    }
}

/// The latest word on every organisation that this process has asked lately.
#[derive(Debug, Default)]
pub struct Meters(Mutex<Words>);

#[derive(Debug, Default)]
struct Words {
    latest: BTreeMap<OrgId, (ApiUsage, u64)>,
    /// Answers so far, of all organisations: a number never stands for two, even where the first is forgotten.
    answers: u64,
    /// How many they were when the silent were forgotten last.
    swept: u64,
}

impl Meters {
    /// With the number of the answer that said so, counted from one over all organisations.
    pub fn latest(&self, org: &OrgId) -> Option<(ApiUsage, u64)> {
        self.words().latest.get(org).copied()
    }

    /// Forgets those of whom nothing was heard since this was called last: nobody asks for them any more.
    pub fn forget_silent(&self) {
        let mut words = self.words();
        let swept = words.swept;
        words.latest.retain(|_, (_, number)| *number > swept);
        words.swept = words.answers;
    }

    pub(crate) fn note(&self, org: &OrgId, usage: ApiUsage) {
        let mut words = self.words();
        words.answers = words.answers.saturating_add(1);
        let number = words.answers;
        words.latest.insert(org.clone(), (usage, number));
    }

    fn words(&self) -> MutexGuard<'_, Words> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_from_the_header() {
        let usage = |h| ApiUsage::parse(h).map(|u| (u.used, u.limit));
        assert_eq!(usage("api-usage=18/5000"), Some((18, 5000)));
        assert_eq!(
            usage("per-app-api-usage=17/250(appName=x); api-usage=25/15000"),
            Some((25, 15000))
        );
        assert_eq!(usage("api-usage=many/5000"), None);
        assert_eq!(usage(""), None);
    }

    #[test]
    fn who_is_silent_between_two_sweeps_is_forgotten() {
        let meters = Meters::default();
        let [one, two] = ["00D000000000001AAA", "00D000000000002AAA"].map(|id| id.parse().unwrap());
        let usage = ApiUsage { used: 1, limit: 10 };
        meters.note(&one, usage);
        meters.note(&two, usage);
        meters.forget_silent();
        assert!(meters.latest(&one).is_some() && meters.latest(&two).is_some());
        meters.note(&two, usage);
        meters.forget_silent();
        assert_eq!(meters.latest(&one), None);
        assert_eq!(meters.latest(&two), Some((usage, 3)));
        // Heard again, it is another answer than before.
        meters.note(&one, usage);
        assert_eq!(meters.latest(&one), Some((usage, 4)));
    }

    #[test]
    fn a_reserve_is_a_share_of_the_quota() {
        let used = |used| ApiUsage { used, limit: 1000 };
        assert!(!used(900).below(10));
        assert!(used(901).below(10));
        assert!(used(5000).below(10));
        assert!(!used(1000).below(0));
        assert!(!ApiUsage { used: 7, limit: 0 }.below(50));
    }
}
