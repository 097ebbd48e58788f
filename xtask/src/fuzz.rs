//! `cargo xtask fuzz`: the targets of `tests/fuzz`, one after the other, each on all cores.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::install;
use crate::layout::Layout;
use crate::run::run;
use crate::steps::Steps;

/// <https://rust-fuzz.github.io/book/cargo-fuzz.html>
const TOOL: (&str, &str) = ("cargo-fuzz", "0.13.2");
/// Longer than anything that a target may take; what takes longer is a find.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes. Longer input repeats what shorter input shows.
const LONGEST: usize = 6000;
/// Where the words stand that the readers know: a fuzzer that is told them gets past the first line.
const WORDS: [&str; 1] = ["server/mailbox/src"];

/// What is fuzzed, and for how long.
#[derive(clap::Args)]
pub(crate) struct Choice {
    /// For each target.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// The programs in `tests/fuzz/src/bin`; all of them without a name.
    targets: Vec<String>,
}

/// Ends with an error on the first find: its file is told, and belongs in `tests/fuzz/found/TARGET`.
pub(crate) fn fuzz(layout: &Layout, steps: &mut Steps, choice: &Choice) -> Result<()> {
    let folder = layout.root.join("tests").join("fuzz");
    let all = targets(&folder)?;
    for wanted in &choice.targets {
        ensure!(all.contains(wanted), "there is {all:?}, and no {wanted}");
    }
    let tool = steps.run("get the fuzzer", || install::cargo_tool(layout, TOOL))?;
    let work = layout.target.join("fuzz");
    std::fs::create_dir_all(&work)?;
    let dictionary = work.join("words");
    std::fs::write(&dictionary, dictionary_of(&layout.root)?)?;
    for target in all {
        if !choice.targets.is_empty() && !choice.targets.contains(&target) {
            continue;
        }
        let corpus = work.join("corpus").join(&target);
        std::fs::create_dir_all(&corpus)?;
        let named = |place: &str| Some(folder.join(place).join(&target)).filter(|path| path.is_dir());
        steps.run(&format!("fuzz {target}"), || {
            let mut command = Command::new(&tool);
            command
                .current_dir(&layout.root)
                // A release is linked for speed as a whole: here that only takes time.
                .env("CARGO_PROFILE_RELEASE_LTO", "off")
                .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
                // Nothing of ours is unsafe, so there is nothing to sanitise; and no nightly compiler is needed.
                .args([
                    "fuzz",
                    "run",
                    "--sanitizer",
                    "none",
                    "--features",
                    "fuzzer",
                    "--fuzz-dir",
                ])
                .arg(&folder)
                .arg("--target-dir")
                .arg(&work)
                .arg(&target)
                .arg(&corpus)
                .args(named("seeds"))
                .args(named("found"))
                .arg("--")
                .arg(format!("-max_total_time={}", seconds(choice.minutes)))
                .arg(format!("-timeout={}", PATIENCE.as_secs()))
                .arg(format!("-max_len={LONGEST}"))
                .arg(format!("-dict={}", dictionary.display()))
                .arg(format!("-artifact_prefix={}/found-{target}-", work.display()))
                .args(["-print_final_stats=1", "-verbosity=0"]);
            run(&mut command)
        })?;
    }
    Ok(())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "minutes that somebody waits"
)]
fn seconds(minutes: f64) -> u64 {
    (minutes * 60.0).ceil() as u64
}

fn targets(folder: &Path) -> Result<BTreeSet<String>> {
    let bins = folder.join("src").join("bin");
    let files = std::fs::read_dir(&bins).with_context(|| bins.display().to_string())?;
    files
        .map(|file| {
            let path = file?.path();
            let name = path.file_stem().context("a file without a name")?;
            Ok(name.to_string_lossy().into_owned())
        })
        .collect()
}

/// The short string literals of the readers, as libFuzzer takes them.
/// <https://llvm.org/docs/LibFuzzer.html#dictionaries>
fn dictionary_of(root: &Path) -> Result<String> {
    let mut words = BTreeSet::new();
    let mut folders: Vec<PathBuf> = WORDS.iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                words.extend(literals(&std::fs::read_to_string(&path)?));
            }
        }
    }
    Ok(words.iter().flat_map(|word| ["\"", word, "\"\n"]).collect())
}

fn literals(source: &str) -> impl Iterator<Item = String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || " _-.:@/#+".contains(c);
    source
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(move |word| (2..=40).contains(&word.len()) && word.chars().all(plain))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readers_words_are_known() {
        let root = Layout::find().unwrap().root;
        let words = dictionary_of(&root).unwrap();
        for word in ["CalendarItem", "changeKey", "message/rfc822"] {
            assert!(words.contains(&format!("\"{word}\"\n")), "{word}");
        }
    }

    #[test]
    fn every_target_is_found() {
        let folder = Layout::find().unwrap().root.join("tests").join("fuzz");
        let all = targets(&folder).unwrap();
        assert!(all.contains("ews") && all.contains("soql"), "{all:?}");
    }
}
