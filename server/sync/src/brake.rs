//! Stops a plan that would do too much at once.

use tandem_types::{BrakeLimits, BrakeView, Counts};

use crate::mutant::{self, Mutant};

/// A side with fewer links than this is not "suddenly" empty.
const FEW: u32 = 3;

/// What a plan would do, as the brake sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    pub creates: u32,
    pub deletes: u32,
    /// Fields that would be emptied, or hold another value than now.
    pub overwritten: u32,
    /// Of these, fields that would be emptied.
    pub clears: u32,
    /// A side was listed in full and holds nothing, or all its linked items went at once.
    pub side_empty: bool,
}

/// Whether so many of one kind are too many. `links`: live links before.
#[must_use]
pub fn too_many(limits: BrakeLimits, n: u32, links: u32) -> bool {
    let share = u64::from(n) * 100 > u64::from(limits.percent) * u64::from(links);
    (n > limits.count && share) || n > limits.hard
}

/// More deletes and emptied fields than this within an hour stop every connection of an organisation.
pub const ORG_DELETES_MAX: u32 = 1_000;

/// Whether a plan goes past what an organisation deletes within an hour. `before`: what it has deleted already.
#[must_use]
pub fn stops_org(load: &Load, before: u32) -> bool {
    let planned = load.deletes.saturating_add(load.clears);
    planned > 0 && planned.saturating_add(before) > ORG_DELETES_MAX && !mutant::on(Mutant::NoBrake)
}

/// `Some`: stop, and show this.
#[must_use]
pub fn brake(limits: BrakeLimits, load: &Load, links: u32, counts: &[Counts]) -> Option<BrakeView> {
    let side_empty = load.side_empty && links >= FEW;
    let stop = side_empty
        || [load.creates, load.deletes, load.overwritten]
            .into_iter()
            .any(|n| too_many(limits, n, links));
    let stop = stop && !mutant::on(Mutant::NoBrake);
    stop.then(|| BrakeView {
        counts: counts.to_vec(),
        overwritten: load.overwritten,
        side_empty,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BrakeLimits = BrakeLimits {
        count: 25,
        percent: 20,
        hard: 200,
    };

    #[test]
    fn both_limits_or_the_hard_one() {
        assert!(!too_many(LIMITS, 25, 0));
        assert!(too_many(LIMITS, 26, 0));
        assert!(too_many(LIMITS, 26, 129));
        assert!(!too_many(LIMITS, 26, 130), "exactly 20 % is not more than 20 %");
        assert!(!too_many(LIMITS, 200, 1_000));
        assert!(too_many(LIMITS, 201, 1_000_000));
        assert!(too_many(LIMITS, u32::MAX, u32::MAX));
    }

    #[test]
    fn each_kind_counts_by_itself() {
        let load = Load {
            creates: 20,
            deletes: 20,
            overwritten: 20,
            ..Load::default()
        };
        assert_eq!(brake(LIMITS, &load, 10, &[]), None);
        for load in [
            Load {
                creates: 26,
                ..Load::default()
            },
            Load {
                deletes: 26,
                ..Load::default()
            },
            Load {
                overwritten: 26,
                ..Load::default()
            },
        ] {
            assert!(brake(LIMITS, &load, 10, &[]).is_some(), "{load:?}");
        }
    }

    #[test]
    fn an_organisation_deletes_so_much_in_an_hour() {
        let load = |deletes, clears| Load {
            deletes,
            clears,
            ..Load::default()
        };
        assert!(!stops_org(&load(600, 400), 0));
        assert!(stops_org(&load(600, 401), 0));
        assert!(stops_org(&load(1, 0), 1_000));
        assert!(!stops_org(&load(0, 0), 5_000), "who deletes nothing goes on");
        assert!(stops_org(&load(u32::MAX, u32::MAX), u32::MAX));
    }

    #[test]
    fn an_empty_side_stops_whatever_the_numbers() {
        let load = Load {
            side_empty: true,
            ..Load::default()
        };
        assert!(brake(LIMITS, &load, 3, &[]).is_some_and(|view| view.side_empty));
        assert_eq!(brake(LIMITS, &load, 2, &[]), None);
    }
}
