//! The simulator of ensembles: runs seeds, and says which of them break what must always hold.
//!
//! ```text
//! sim --seeds 1000 --first 1 --jobs 2    many runs, a summary, and for each failure the command
//!                                        that replays it
//! sim --seed 42 --trace                  one run, with all that happened
//! ```

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;

use gamekeeper::sim::mutation::Mutation;
use gamekeeper::sim::options::Options;
use gamekeeper::sim::{Outcome, Summary, run};

/// Runs ensembles on virtual time, one for each seed.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// How many to run at a time.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Runs this seed alone.
    #[arg(long)]
    seed: Option<u64>,
    /// Shows all that happened, not only the end of it.
    #[arg(long)]
    trace: bool,
    /// Shows what the server logs.
    #[arg(long)]
    log: bool,
    /// Plants a bug, to see whether it is found.
    #[arg(long)]
    mutation: Option<String>,
    /// Stops after so many failures.
    #[arg(long, default_value_t = 10)]
    failures_max: usize,
}

/// Lines of a trace that are shown where not all are wanted.
const LINES_SHOWN: usize = 60;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.log {
        tracing_subscriber::fmt().without_time().init();
    }
    let mutation = match arguments.mutation.as_deref().map(Mutation::parse) {
        Some(None) => {
            say(&format!("the bugs to plant: {:?}", Mutation::ALL));
            return ExitCode::FAILURE;
        }
        mutation => mutation.flatten(),
    };
    match arguments.seed {
        Some(seed) => one(seed, mutation, arguments.trace),
        None => many(&arguments, mutation),
    }
}

fn one(seed: u64, mutation: Option<Mutation>, shows_all: bool) -> ExitCode {
    say(&format!("{:#?}", Options::new(seed)));
    let lines = if shows_all { usize::MAX } else { LINES_SHOWN };
    let started = Instant::now();
    let outcome = run(seed, mutation, lines);
    say(&outcome.trace);
    say(&format!("fingerprint {:016x}", outcome.fingerprint));
    report(&outcome.summary, started.elapsed());
    end_of(&outcome, mutation)
}

fn many(arguments: &Arguments, mutation: Option<Mutation>) -> ExitCode {
    // A failing run says what it has to say itself.
    std::panic::set_hook(Box::new(|_| {}));
    let started = Instant::now();
    let next = AtomicU64::new(0);
    let total = Mutex::new((Summary::default(), Vec::new()));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= arguments.seeds {
                return;
            }
            let outcome = run(arguments.first + number, mutation, LINES_SHOWN);
            let mut total = total
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            total.0.add(&outcome.summary);
            if outcome.violation.is_some() {
                end_of(&outcome, mutation);
                total.1.push(outcome);
                if total.1.len() >= arguments.failures_max {
                    next.store(arguments.seeds, Ordering::Relaxed);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.max(1) {
            scope.spawn(work);
        }
    });
    let (summary, failures) = total
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    report(&summary, started.elapsed());
    if failures.is_empty() {
        say("no violation");
        return ExitCode::SUCCESS;
    }
    say(&format!("{} failures", failures.len()));
    ExitCode::FAILURE
}

fn end_of(outcome: &Outcome, mutation: Option<Mutation>) -> ExitCode {
    let Some(violation) = &outcome.violation else {
        say("no violation");
        return ExitCode::SUCCESS;
    };
    let planted = mutation.map(|mutation| format!(" --mutation {mutation:?}"));
    say(&format!(
        "seed {} fails: {violation}\n  replay: cargo run --release --bin sim -- --seed {} --trace{}",
        outcome.seed,
        outcome.seed,
        planted.unwrap_or_default()
    ));
    ExitCode::FAILURE
}

fn report(summary: &Summary, took: Duration) {
    let servers = summary.servers;
    say(&format!(
        "{} seeds in {:.1} s, {:.2} virtual hours: {} commits, {} replies, {} watch events\n\
         {} terms led, {} truncations, {} snapshots sent, {} log ranges sent ({} behind another \
         stream), {} states installed, {} reloads, {} snapshots taken\n\
         {} facts in {} steps; faults: {:?}",
        summary.runs,
        took.as_secs_f64(),
        summary.virtual_ms as f64 / 3_600_000.0,
        summary.commits,
        summary.replies,
        summary.events,
        servers.terms,
        servers.truncations,
        servers.snapshots_sent,
        servers.ranges_sent,
        servers.ranges_fed,
        servers.installs,
        servers.reloads,
        servers.snapshots_taken,
        summary.facts,
        summary.steps,
        summary.faults
    ));
}

#[expect(clippy::print_stdout, reason = "this is what the program is for")]
fn say(text: &str) {
    println!("{text}");
}
