//! `simulate`: plays seeds, on every processor, until there are enough of them or time is up.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use clap::Parser;
use tandem_simulation::counters::Counters;
use tandem_simulation::run::{Verdict, tell};
use tandem_simulation::shrink::shrink;
use tandem_simulation::steps::{Cast, Story};
use tandem_simulation::world::Violation;
use tandem_sync::mutant::{Mutant, hits, switch};

/// A run of so many seeds must reach everything that is counted.
const EVERYTHING_FROM: u64 = 10_000;

#[derive(Clone, Debug, Parser)]
#[command(about = "Plays seeded worlds against the whole engine")]
struct Cli {
    /// So many seeds, from `--seed` on.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first seed; alone, only this one, with everything that happened.
    #[arg(long)]
    seed: Option<u64>,
    /// Stops after so many minutes, however many seeds are left.
    #[arg(long)]
    minutes: Option<u64>,
    /// Switches on one deliberate bug after the other: each must be caught.
    #[arg(long)]
    mutants: bool,
    /// Only this deliberate bug.
    #[arg(long)]
    mutant: Option<String>,
    /// Kinds that take part beside contacts: `e`vents, `t`asks, e`m`ails.
    #[arg(long, default_value = "etm")]
    cast: String,
    /// Goes on after a violation, and says each as soon as it is found.
    #[arg(long)]
    all: bool,
    /// Prints what was counted.
    #[arg(long)]
    counters: bool,
    /// Seeds that are known to violate something: they are played, and must do so still.
    #[arg(long, value_delimiter = ',')]
    known: Vec<u64>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    std::panic::set_hook(Box::new(|_| {}));
    let cast = Cast {
        events: cli.cast.contains('e'),
        tasks: cli.cast.contains('t'),
        emails: cli.cast.contains('m'),
    };
    let good = if cli.mutants || cli.mutant.is_some() {
        mutants(&cli, cast)
    } else if let (Some(seed), None) = (cli.seed, cli.minutes)
        && !std::env::args().any(|arg| arg.starts_with("--seeds"))
    {
        one(seed, cast)
    } else {
        many(&cli, cast)
    };
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Plays a story; a panic is a violation too.
fn play(story: &Story, diary: bool) -> Verdict {
    std::panic::catch_unwind(|| tell(story, diary)).unwrap_or_else(|panic| Verdict {
        seed: story.seed,
        violations: vec![Violation {
            invariant: "panic",
            text: panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                .unwrap_or_default(),
        }],
        counters: Counters::default(),
        trace: 0,
        events: 0,
        edits: 0,
        sessions: 0,
        diary: Vec::new(),
        end: Vec::new(),
    })
}

fn one(seed: u64, cast: Cast) -> bool {
    let story = Story::new(seed, cast);
    let verdict = play(&story, false);
    println!(
        "seed {seed}: {} events, {} edits, {} sessions, trace {:016x}",
        verdict.events, verdict.edits, verdict.sessions, verdict.trace
    );
    if verdict.violations.is_empty() {
        println!("1 seeds, 0 violations");
        return true;
    }
    show(&story, &verdict);
    println!("1 seeds, {} violations", verdict.violations.len());
    false
}

fn show(story: &Story, verdict: &Verdict) {
    let Some(first) = verdict.violations.first() else {
        return;
    };
    for violation in &verdict.violations {
        println!(
            "  seed {} violates {}: {}",
            verdict.seed, violation.invariant, violation.text
        );
    }
    let small = shrink(story, first, 600);
    println!(
        "  shrunk to {} of {} steps:",
        small.steps.len(),
        story.steps.len()
    );
    println!("  {:?}", small.config);
    for overrides in &small.overrides {
        println!("  {overrides}");
    }
    let again = play(&small, true);
    for line in &again.diary {
        println!("    {line}");
    }
    for violation in &again.violations {
        println!(
            "  shrunk, it violates {}: {}",
            violation.invariant, violation.text
        );
    }
}

#[derive(Default)]
struct Tally {
    counters: Counters,
    seeds: u64,
    events: u64,
    edits: u64,
    least_edits: Option<u32>,
    least_sessions: Option<u32>,
    sessions: u64,
    failed: Vec<Verdict>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a run takes is measured, nothing depends on it"
)]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[expect(clippy::cast_precision_loss, reason = "a rate for reading")]
fn per_second(n: u64, seconds: f64) -> f64 {
    n as f64 / seconds.max(0.001)
}

fn many(cli: &Cli, cast: Cast) -> bool {
    let first = cli.seed.unwrap_or(0);
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let tally = Mutex::new(Tally::default());
    let start = now();
    let limit = cli
        .minutes
        .map(|minutes| std::time::Duration::from_secs(minutes * 60));
    std::thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let late = limit.is_some_and(|limit| start.elapsed() > limit);
                    if late || limit.is_none() && n >= cli.seeds {
                        return;
                    }
                    let verdict = play(&Story::new(first + n, cast), false);
                    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                    tally.seeds += 1;
                    tally.events += verdict.events;
                    tally.edits += u64::from(verdict.edits);
                    tally.sessions += u64::from(verdict.sessions);
                    tally.counters.add(&verdict.counters);
                    let least = |known: Option<u32>, n: u32| Some(known.map_or(n, |known| known.min(n)));
                    if verdict.violations.is_empty() {
                        tally.least_edits = least(tally.least_edits, verdict.edits);
                        tally.least_sessions = least(tally.least_sessions, verdict.sessions);
                    } else {
                        if !cli.all && !cli.known.contains(&verdict.seed) {
                            stop.store(true, Ordering::Relaxed);
                        }
                        if let Some(first) = verdict.violations.first().filter(|_| cli.all) {
                            println!("seed {}: {}: {}", verdict.seed, first.invariant, first.text);
                        }
                        tally.failed.push(verdict);
                    }
                }
            });
        }
    });
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    let seconds = start.elapsed().as_secs_f64();
    tally.failed.sort_by_key(|verdict| verdict.seed);
    if cli.counters || tally.failed.is_empty() {
        for ((family, what), n) in &tally.counters.0 {
            println!("{family:>12}  {what:<48} {n:>12}");
        }
    }
    let mut kinds: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for verdict in &tally.failed {
        let Some(first) = verdict.violations.first() else {
            continue;
        };
        let entry = kinds.entry(first.invariant).or_insert((0, verdict.seed));
        entry.0 += 1;
    }
    for (invariant, (n, seed)) in kinds {
        println!("{invariant}: {n} seeds, the first is {seed}");
    }
    let unknown = |verdict: &&Verdict| !cli.known.contains(&verdict.seed);
    if let Some(verdict) = tally.failed.iter().find(unknown).filter(|_| !cli.all) {
        show(&Story::new(verdict.seed, cast), verdict);
    }
    println!(
        "{:.0} s, {:.1} seeds/s, {:.0} events/s; {} events, {} edits (at least {}), {} sessions (at least {})",
        seconds,
        per_second(tally.seeds, seconds),
        per_second(tally.events, seconds),
        tally.events,
        tally.edits,
        tally.least_edits.unwrap_or(0),
        tally.sessions,
        tally.least_sessions.unwrap_or(0),
    );
    let required = tally.seeds >= EVERYTHING_FROM;
    let mut missing = Vec::new();
    if required || cli.counters {
        missing = tally.counters.missing();
    }
    for what in &missing {
        println!("never reached: {what}");
    }
    let failed = |seed: &u64| tally.failed.iter().any(|verdict| verdict.seed == *seed);
    let mended: Vec<u64> = cli.known.iter().copied().filter(|seed| !failed(seed)).collect();
    for seed in &mended {
        println!("seed {seed} was known to violate something, and does not: take it off the list");
    }
    println!("{} seeds, {} violations", tally.seeds, tally.failed.len());
    !tally.failed.iter().any(|verdict| unknown(&verdict))
        && mended.is_empty()
        && (missing.is_empty() || !required)
}

fn mutants(cli: &Cli, cast: Cast) -> bool {
    let list: Vec<Mutant> = Mutant::ALL
        .iter()
        .copied()
        .filter(|mutant| cli.mutant.as_ref().is_none_or(|name| mutant.as_str() == name))
        .collect();
    let next = AtomicU64::new(0);
    let caught = AtomicU64::new(0);
    let told = Mutex::new(BTreeMap::new());
    let start = now();
    std::thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(|| {
                loop {
                    let n = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap_or(usize::MAX);
                    let Some(mutant) = list.get(n).copied() else {
                        return;
                    };
                    match hunt(cli, cast, mutant, &told) {
                        Ok(line) => {
                            caught.fetch_add(1, Ordering::Relaxed);
                            println!("{:<22} caught by {line}", mutant.as_str());
                        }
                        Err(reached) => println!(
                            "{:<22} SURVIVED {} seeds, its place was reached {reached} times",
                            mutant.as_str(),
                            cli.seeds
                        ),
                    }
                }
            });
        }
    });
    let caught = caught.load(Ordering::Relaxed);
    println!("{:.0} s", start.elapsed().as_secs_f64());
    println!("{caught} of {} mutants caught", list.len());
    caught == u64::try_from(list.len()).unwrap_or(0)
}

/// The first seed that passes without the bug and fails with it, and what it says; else how often the bug's place was
/// reached. `told`: whether the true engine passes a seed, as far as that was asked.
fn hunt(cli: &Cli, cast: Cast, mutant: Mutant, told: &Mutex<BTreeMap<u64, bool>>) -> Result<String, u64> {
    let first = cli.seed.unwrap_or(0);
    let mut reached = 0;
    for seed in first..first + cli.seeds {
        switch(Some(mutant));
        let verdict = play(&Story::new(seed, cast), false);
        reached += hits();
        switch(None);
        let Some(violation) = verdict.violations.first() else {
            continue;
        };
        let known = told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&seed)
            .copied();
        let sound = known.unwrap_or_else(|| play(&Story::new(seed, cast), false).violations.is_empty());
        told.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(seed, sound);
        // Only what the bug itself breaks counts.
        if sound {
            return Ok(format!(
                "seed {seed}: {}: {}",
                violation.invariant, violation.text
            ));
        }
    }
    Err(reached)
}
