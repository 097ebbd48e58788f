//! The simulation proves the engine; these prove the simulation: it repeats itself, it is busy enough, and a deliberate
//! bug does not pass.

use tandem_simulation::run::tell;
use tandem_simulation::shrink::shrink;
use tandem_simulation::steps::{Cast, Story};
use tandem_sync::mutant::{Mutant, hits, switch};

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let story = Story::new(7, Cast::ALL);
    let (first, second) = (tell(&story, false), tell(&story, true));
    assert_eq!(
        first.trace, second.trace,
        "whether anybody reads the diary or not"
    );
    assert_eq!(first.events, second.events);
    assert!(!second.diary.is_empty());
    assert_ne!(first.trace, tell(&Story::new(8, Cast::ALL), false).trace);
}

#[test]
fn every_story_is_a_busy_one() {
    for seed in 0..8 {
        let verdict = tell(&Story::new(seed, Cast::ALL), false);
        if verdict.violations.is_empty() {
            assert!(verdict.edits >= 200, "seed {seed}: {} edits", verdict.edits);
            assert!(
                verdict.sessions >= 20,
                "seed {seed}: {} sessions",
                verdict.sessions
            );
        }
    }
}

/// The first seed that passes without the bug and fails with it, and the invariant.
fn caught(mutant: Mutant, seeds: u64) -> Option<(u64, &'static str)> {
    (0..seeds).find_map(|seed| {
        let story = Story::new(seed, Cast::ALL);
        switch(Some(mutant));
        let verdict = tell(&story, false);
        let reached = hits();
        switch(None);
        let violation = verdict.violations.first()?;
        assert!(reached > 0, "{} is blamed and was never reached", mutant.as_str());
        let sound = tell(&story, false).violations.is_empty();
        sound.then_some((seed, violation.invariant))
    })
}

#[test]
fn deliberate_bugs_are_caught_by_the_invariant_that_they_break() {
    for (mutant, invariant) in [
        (Mutant::SkipFence, "S8"),
        (Mutant::SendInvitation, "S13"),
        (Mutant::SkipIntent, "S3"),
        (Mutant::IgnoreWindow, "S6"),
        (Mutant::ShiftAllDay, "S2"),
    ] {
        let (_, broken) = caught(mutant, 60).unwrap_or_else(|| panic!("{} survived", mutant.as_str()));
        assert_eq!(broken, invariant, "{}", mutant.as_str());
    }
}

#[test]
fn a_failing_story_is_shortened_and_still_fails() {
    switch(Some(Mutant::SendInvitation));
    let (story, verdict) = (0..20)
        .map(|seed| Story::new(seed, Cast::ALL))
        .map(|story| (story.clone(), tell(&story, false)))
        .find(|(_, verdict)| verdict.violations.first().is_some_and(|v| v.invariant == "S13"))
        .expect("a meeting is saved in one of twenty seeds");
    let small = shrink(&story, &verdict.violations[0], 150);
    assert!(small.steps.len() < story.steps.len() / 2);
    assert_eq!(
        tell(&small, false).violations[0].invariant,
        verdict.violations[0].invariant
    );
    switch(None);
}
