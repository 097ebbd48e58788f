//! What sessions learn of their organisation's API calls, told to all replicas; and the pause when only the reserve is left.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tandem_crm::{ApiUsage, Meters};
use tandem_store::Quota;
use tandem_sync::ports::{Lease, StoreError};
use tandem_types::{OrgId, Timestamp};

use crate::app::App;

/// For an organisation whose quota is used up, where Salesforce does not say how long.
const PAUSE_SECONDS: i64 = 15 * 60;
/// A change by less than one in so many of the quota is told to the others only after [`OLD_SECONDS`].
const STEPS: u64 = 100;
const OLD_SECONDS: i64 = 600;

/// What this process has made of the latest word on each organisation.
#[derive(Debug, Default)]
pub(crate) struct Quotas(Mutex<BTreeMap<OrgId, Known>>);

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// The number of the answer of Salesforce that was looked at last.
    heard: u64,
    /// What stands in the database by this process, and since when.
    told: Option<(ApiUsage, Timestamp)>,
}

impl Quotas {
    fn of(&self, org: &OrgId) -> Known {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(org).copied().unwrap_or_default()
    }

    fn set(&self, org: &OrgId, known: Known) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(org.clone(), known);
    }

    /// Forgets whatever is no longer heard of.
    fn keep(&self, meters: &Meters) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|org, _| meters.latest(org).is_some());
    }
}

/// Whether the others are to be told: an idle session costs no statement for it.
fn is_news(told: Option<(ApiUsage, Timestamp)>, usage: ApiUsage, percent: u64, now: Timestamp) -> bool {
    told.is_none_or(|(told, at)| {
        told.limit != usage.limit
            || told.below(percent) != usage.below(percent)
            || told.used.abs_diff(usage.used).saturating_mul(STEPS) >= usage.limit
            || now.seconds_since(at) >= OLD_SECONDS
    })
}

/// Whether what the administrator leaves to others of the organisation's quota is reached, as this process heard it last.
pub(super) fn is_low(app: &App, org: &OrgId) -> bool {
    let latest = app.platform.meters.latest(org);
    latest.is_some_and(|(usage, _)| usage.below(app.config.salesforce.api_reserve_percent.into()))
}

/// Forgets the organisations that nobody has asked since this was called last.
pub(super) fn forget_silent(app: &App) {
    app.platform.meters.forget_silent();
    app.quotas.keep(&app.platform.meters);
}

/// Tells the others what a session learned; where the reserve is reached, all the organisation's connections wait.
/// `pause`: until when they waited as the session began, if nothing was refused to it: what was ordered by hand has shown
/// that they need not.
pub(super) async fn after_session(
    app: &App,
    lease: &Lease,
    pause: Option<Timestamp>,
) -> Result<(), StoreError> {
    let org = &lease.org;
    let mut known = app.quotas.of(org);
    let Some((usage, heard)) = app.platform.meters.latest(org) else {
        return Ok(());
    };
    // What was said to another session is that one's to tell; and a session that asked nothing knows nothing new.
    if heard == known.heard {
        return Ok(());
    }
    let percent = app.config.salesforce.api_reserve_percent.into();
    let now = app.clock.now();
    if is_news(known.told, usage, percent, now) {
        let quota = Quota {
            used: usage.used,
            limit: usage.limit,
            at: now,
        };
        app.store.note_quota(org, quota).await?;
        known.told = Some((usage, now));
    }
    known.heard = heard;
    app.quotas.set(org, known);
    if !usage.below(percent) {
        return match pause.filter(|until| *until > now) {
            Some(until) => app.store.let_org_go(org, until).await,
            None => Ok(()),
        };
    }
    tracing::warn!(
        %org,
        used = usage.used,
        limit = usage.limit,
        "the organisation's API calls are nearly used up: its connections wait"
    );
    hold(app, lease, None).await
}

/// The quota is the organisation's: its other connections would only be refused too. `wait`: if it was said how long.
pub(super) async fn hold(app: &App, lease: &Lease, wait: Option<Duration>) -> Result<(), StoreError> {
    let seconds = wait.map_or(PAUSE_SECONDS, whole_seconds);
    let until = app.clock.now().plus_seconds(seconds);
    app.store.hold_org(&lease.org, until).await.map(drop)
}

/// Rounded up: not a moment too early.
fn whole_seconds(wait: Duration) -> i64 {
    i64::try_from(wait.as_secs())
        .unwrap_or(i64::MAX)
        .saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn the_others_are_told_what_matters_and_else_now_and_then() {
        let used = |used| ApiUsage { used, limit: 100_000 };
        let news = |usage, seconds| is_news(Some((used(50_000), T0)), usage, 10, T0.plus_seconds(seconds));
        assert!(is_news(None, used(1), 10, T0));
        assert!(!news(used(50_000), 0));
        assert!(!news(used(50_999), 599));
        assert!(news(used(51_000), 1), "a hundredth");
        assert!(news(used(49_000), 1), "the day's first calls are forgotten");
        assert!(news(used(50_001), 600), "old");
        assert!(
            news(
                ApiUsage {
                    used: 50_000,
                    limit: 1000
                },
                1
            ),
            "another quota"
        );
        let before = Some((used(89_999), T0));
        assert!(is_news(before, used(90_001), 10, T0), "the reserve is reached");
    }

    #[test]
    fn what_is_no_longer_heard_of_is_forgotten() {
        let quotas = Quotas::default();
        let org: OrgId = "00D000000000001AAA".parse().unwrap();
        let known = Known {
            heard: 7,
            ..Known::default()
        };
        quotas.set(&org, known);
        quotas.keep(&Meters::default());
        assert_eq!(quotas.of(&org).heard, 0);
    }
}
