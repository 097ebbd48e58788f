//! Worlds with mailboxes in Office 365: which they are, and that they leave all others as they were.

use tandem_simulation::cloud::{FIRST_SEED, MIXED_FROM, draw};
use tandem_simulation::run::tell;
use tandem_simulation::steps::{Cast, Story};

#[test]
fn the_first_seeds_are_on_premises_and_both_kinds_stand_side_by_side_in_others() {
    assert!((0..2_000).all(|seed| draw(seed) == [false; 2]));
    let later: Vec<[bool; 2]> = (FIRST_SEED..FIRST_SEED + 60).map(draw).collect();
    for kind in [[true, false], [false, true], [true, true]] {
        assert!(later.contains(&kind), "{kind:?}");
    }
    assert!(!later.contains(&[false; 2]));
    let mixed: Vec<[bool; 2]> = (MIXED_FROM..MIXED_FROM + 60).map(draw).collect();
    for kind in [[true, false], [false, true], [true, true], [false, false]] {
        assert!(mixed.contains(&kind), "{kind:?}");
    }
}

/// What is drawn for the cloud is drawn by itself: the same steps, another server.
#[test]
fn where_a_mailbox_is_changes_what_its_server_does_and_nothing_else() {
    let seed = FIRST_SEED + 1;
    let story = Story::new(seed, Cast::ALL);
    let mut home = story.clone();
    home.config.cloud = [false; 2];
    let (there, here) = (tell(&story, false), tell(&home, false));
    assert_ne!(there.trace, here.trace);
    let counted = |verdict: &tandem_simulation::run::Verdict| {
        verdict.counters.0.keys().any(|(family, _)| *family == "cloud")
    };
    assert!(counted(&there) && !counted(&here));
}

/// Everything in which such a mailbox differs happens in a few seeds.
#[test]
fn every_difference_is_met() {
    let mut met = std::collections::BTreeSet::new();
    for seed in FIRST_SEED..FIRST_SEED + 24 {
        let verdict = tell(&Story::new(seed, Cast::ALL), false);
        let keys = verdict.counters.0.into_keys();
        met.extend(
            keys.filter(|(family, _)| *family == "cloud")
                .map(|(_, what)| what),
        );
    }
    for what in [
        "deleted, as its key proves",
        "event outside of the delta's window",
        "fate not to be proved",
        "moved under its id",
        "refused: others would be told",
        "the delta of contacts ran out",
        "the delta of emails ran out",
        "the delta of events ran out",
        "the delta of tasks ran out",
    ] {
        assert!(met.contains(what), "{what}: {met:?}");
    }
}
