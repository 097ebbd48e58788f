//! Leaves out of a story whatever its failure does not need.

use crate::run::tell;
use crate::steps::Story;
use crate::world::Violation;

/// A story that still violates the same invariant in the same way, with as few steps as were found in `tries` tellings.
pub fn shrink(story: &Story, violation: &Violation, tries: usize) -> Story {
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
            if fails(&fewer, violation) {
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

fn fails(story: &Story, wanted: &Violation) -> bool {
    std::panic::catch_unwind(|| tell(story, false)).map_or(wanted.invariant == "panic", |verdict| {
        verdict.violations.first().is_some_and(|violation| {
            violation.invariant == wanted.invariant && gist(&violation.text) == gist(&wanted.text)
        })
    })
}

/// The words of a violation, without ids, numbers and values.
fn gist(text: &str) -> String {
    let plain = |word: &&str| !word.contains(|c: char| c.is_ascii_digit() || matches!(c, '"' | '(' | '['));
    text.split_whitespace()
        .filter(plain)
        .take(8)
        .collect::<Vec<_>>()
        .join(" ")
}
