//! Leaves out of a story whatever its failure does not need.

use crate::run::tell;
use crate::steps::Story;

/// A story that still violates the same invariant, with as few steps as were found in `tries` tellings.
pub fn shrink(story: &Story, invariant: &str, tries: usize) -> Story {
    let mut best = story.clone();
    let mut left = tries;
    let mut size = best.steps.len() / 2;
    while size > 0 && left > 0 {
        let mut at = 0;
        let mut shorter = false;
        while at < best.steps.len() && left > 0 {
            let mut fewer = best.clone();
            let end = (at + size).min(fewer.steps.len());
            fewer.steps.drain(at..end);
            left -= 1;
            if fails(&fewer, invariant) {
                best = fewer;
                shorter = true;
            } else {
                at += size;
            }
        }
        if !shorter || size > 1 {
            size /= 2;
        }
    }
    best
}

fn fails(story: &Story, invariant: &str) -> bool {
    std::panic::catch_unwind(|| tell(story, false)).map_or(invariant == "panic", |verdict| {
        verdict
            .violations
            .first()
            .is_some_and(|violation| violation.invariant == invariant)
    })
}
