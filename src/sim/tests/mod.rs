//! A fixed set of seeds, the same in every run of the tests; that one seed is one run; and that every
//! planted bug is found.

use crate::sim::mutation::Mutation;
use crate::sim::options::{FaultOptions, Options};
use crate::sim::{Outcome, run, run_with};

/// Seeds that are run always; those that once failed join them.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=24;

/// How many seeds a planted bug may survive.
const SEEDS_TO_FIND: u64 = 60;

#[track_caller]
fn passes(outcome: &Outcome) {
    assert!(
        outcome.violation.is_none(),
        "seed {}: {}\n{}",
        outcome.seed,
        outcome.violation.as_ref().unwrap(),
        outcome.trace
    );
}

/// QP-150.
#[test]
fn the_fixed_seeds_pass() {
    for seed in SEEDS {
        let mut options = Options::new(seed);
        options.make_small();
        passes(&run_with(options, None, 60));
    }
}

#[test]
fn an_ensemble_without_faults_serves_and_becomes_equal() {
    for voters in [1, 3, 5] {
        let mut options = Options::new(7);
        options.make_small();
        options.voters = voters;
        options.observers = 2 * u32::from(voters > 1);
        options.faults = FaultOptions::none();
        let outcome = run_with(options, None, 60);
        passes(&outcome);
        assert!(outcome.summary.commits > 50, "{:?}", outcome.summary);
        let terms = u64::from(voters > 1);
        assert_eq!(outcome.summary.servers.terms, terms, "nobody else led");
    }
}

#[test]
fn observers_behind_followers_miss_nothing() {
    for seed in 1..=6 {
        let mut options = Options::new(seed);
        options.make_small();
        options.voters = 3;
        options.observers = 2;
        options.server.observer_masters = true;
        passes(&run_with(options, None, 60));
    }
}

/// Streams that take long while much is written, to learners of leaders and of followers that come and
/// go: nobody misses anything, and some are fed on from the log.
#[test]
fn learners_are_fed_while_writes_go_on() {
    let mut fed = 0;
    for seed in 1..=6 {
        let mut options = Options::new(seed);
        options.make_small();
        options.voters = 3;
        options.observers = 2;
        options.clients.servers = 5;
        options.server.observer_masters = seed % 2 == 0;
        options.server.force_snapshot_sync = true;
        options.server.recent_bytes_max = 1000;
        options.server.slice_mean_us = 20_000;
        options.server.tick_ms = 200;
        options.clients.count = 5;
        options.clients.think_mean_ms = 5;
        options.clients.burst_max = 10;
        options.clients.requests_max = 1000;
        options.faults.reset_mean_ms = Some(500);
        let outcome = run_with(options, None, 60);
        passes(&outcome);
        fed += outcome.summary.servers.ranges_fed;
    }
    assert!(fed > 10, "{fed} ranges of the log behind another stream");
}

/// Their views are the ones of all others in the end.
#[test]
fn observers_behind_followers_hear_of_other_members() {
    for seed in 1..=6 {
        let mut options = Options::new(seed);
        options.make_small();
        options.voters = 3;
        options.observers = 2;
        options.clients.servers = 5;
        options.server.observer_masters = true;
        options.changes_members = true;
        let weights = &mut options.clients.weights;
        *weights.last_mut().expect("one for changes of the members") = 1;
        passes(&run_with(options, None, 60));
    }
}

#[test]
fn one_seed_gives_one_run() {
    for seed in [3, 4] {
        let (first, again) = (run(seed, None, 10), run(seed, None, 10));
        passes(&first);
        assert_eq!(first.fingerprint, again.fingerprint);
        assert_eq!(first.trace, again.trace);
        assert_eq!(first.summary, again.summary);
    }
}

/// Runs seeds with a planted bug until it is found.
#[track_caller]
fn is_found(mutation: Mutation, by: &[&str], shape: impl Fn(&mut Options)) {
    for seed in 1..=SEEDS_TO_FIND {
        let mut options = Options::new(seed);
        options.make_small();
        shape(&mut options);
        let outcome = run_with(options, Some(mutation), 60);
        if let Some(violation) = outcome.violation {
            assert!(
                by.contains(&violation.checker),
                "seed {seed}: {violation}\n{}",
                outcome.trace
            );
            return;
        }
    }
    panic!("{mutation:?} is not found");
}

/// Three servers that are often killed.
fn unsteady(options: &mut Options) {
    options.voters = 3;
    options.faults.crash_mean_ms = Some(1000);
    options.faults.power_loss_per_mille = 700;
    options.faults.blackout_mean_ms = Some(3000);
}

/// Five servers, some of which are often behind the others, and clients that seldom stay.
fn scattered(options: &mut Options) {
    options.voters = 5;
    options.server.tick_ms = 100;
    options.faults = FaultOptions::none();
    options.faults.partition_mean_ms = Some(500);
    options.faults.partition_length_ms = 300;
    options.faults.one_way_per_mille = 300;
    options.faults.clog_mean_ms = Some(50);
    options.faults.clog_length_ms = 100;
    options.clients.count = 5;
    options.clients.session_timeout_ms = 2000;
    options.clients.move_mean_ms = Some(50);
}

#[test]
fn a_sync_that_is_dropped_is_found() {
    is_found(Mutation::DropSync, &["logs"], unsteady);
}

#[test]
fn an_acknowledgement_before_the_disk_is_found() {
    is_found(Mutation::AckBeforeDisk, &["logs"], unsteady);
}

#[test]
fn a_forgotten_promise_is_found() {
    is_found(Mutation::ForgetEpoch, &["logs"], unsteady);
}

#[test]
fn a_forgotten_truncation_is_found() {
    is_found(Mutation::ForgetTruncation, &["logs"], unsteady);
}

#[test]
fn a_commit_that_comes_early_is_found() {
    is_found(
        Mutation::CommitEarly,
        &["logs", "sessions", "writes"],
        |options| {
            scattered(options);
            options.faults.crash_mean_ms = Some(1000);
            options.faults.down_mean_ms = 500;
        },
    );
}

#[test]
fn commits_that_are_swapped_are_found() {
    is_found(Mutation::SwapProposals, &["logs"], scattered);
}

#[test]
fn a_lost_event_is_found() {
    is_found(Mutation::DropEvent, &["watches"], |_| {});
}

#[test]
fn a_doubled_event_is_found() {
    is_found(Mutation::DoubleEvent, &["watches"], |_| {});
}

#[test]
fn an_event_behind_the_reply_that_shows_the_change_is_found() {
    is_found(Mutation::LateEvents, &["watches"], |_| {});
}

#[test]
fn sessions_that_end_too_early_are_found() {
    is_found(Mutation::FastClock, &["sessions"], scattered);
}

#[test]
fn a_session_that_goes_back_is_found() {
    is_found(Mutation::ForgetSeen, &["views"], scattered);
}

#[test]
fn a_read_that_overtakes_a_write_is_found() {
    is_found(Mutation::EarlyReads, &["views"], |_| {});
}
