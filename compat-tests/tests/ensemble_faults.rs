//! Rounds of `kill -9` and of SIGSTOP and SIGCONT on members picked at random, under load, with the
//! history checked at the end (row QP-150). `GAMEKEEPER_ROUNDS` makes it longer, `GAMEKEEPER_SEED`
//! another story.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::env;

use compat_tests::{
    ensemble::{ENSEMBLE_PATIENCE, Ensemble, EnsembleOptions, can_run_or_skip, rounds},
    history::Rules,
    load::{Load, LoadOptions},
    maven::announce,
    scenarios::tell,
    server::{
        Kind,
        Kind::{Apache, Ours},
    },
};

/// While something is wrong, and again when it is right.
const WRITES: u64 = 50;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Kill,
    Pause,
}

fn faults(test: &str, kinds: &[Kind], faults: &[Fault], quick_rounds: usize) {
    if !can_run_or_skip(test, kinds) {
        return;
    }
    let mut random = Random::new(test);
    let mut ensemble = Ensemble::start_at_once(kinds, &EnsembleOptions::new());
    let addresses = ensemble.addresses();
    let load = Load::start(&addresses, LoadOptions::default());
    for _ in 0..rounds(quick_rounds) {
        let fault = faults[random.below(faults.len())];
        let members = random.some(kinds.len(), kinds.len() - ensemble.quorum());
        for member in &members {
            match fault {
                Fault::Kill => ensemble.kill(*member),
                Fault::Pause => ensemble.pause(*member),
            }
        }
        load.await_writes(WRITES, ENSEMBLE_PATIENCE);
        for member in &members {
            match fault {
                Fault::Kill => ensemble.restart(*member),
                Fault::Pause => ensemble.resume(*member),
            }
        }
        // Sometimes the next fault meets members that are still coming back.
        if random.below(3) > 0 {
            ensemble.await_all();
        }
        load.await_writes(WRITES, ENSEMBLE_PATIENCE);
    }
    ensemble.await_all();
    let rules = if faults.contains(&Fault::Pause) {
        Rules::LENIENT
    } else {
        Rules {
            sync_is_fresh: true,
            ..Rules::LENIENT
        }
    };
    tell(test, &load.finish(&addresses).expect(rules));
}

/// A xorshift generator; the seed is said on the terminal.
struct Random(u64);

impl Random {
    fn new(test: &str) -> Self {
        let seed = env::var("GAMEKEEPER_SEED")
            .map_or(1, |seed| seed.parse().expect("GAMEKEEPER_SEED is a number"));
        announce(&format!("{test}: GAMEKEEPER_SEED={seed}"));
        Self(seed ^ 0x9E37_79B9_7F4A_7C15)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }

    /// From one to `count_max` of the first `bound` numbers.
    fn some(&mut self, bound: usize, count_max: usize) -> Vec<usize> {
        let (first, count) = (self.below(bound), 1 + self.below(count_max));
        (0..count).map(|step| (first + step) % bound).collect()
    }
}

compat_tests::cases! {
    kills_of_three_apache: faults(&[Apache; 3], &[Fault::Kill], 4);
    kills_and_pauses_of_three_apache: faults(&[Apache; 3], &[Fault::Kill, Fault::Pause], 6);
    kills_of_three_ours: faults(&[Ours; 3], &[Fault::Kill], 10);
    kills_and_pauses_of_three_ours: faults(&[Ours; 3], &[Fault::Kill, Fault::Pause], 6);
    kills_and_pauses_of_five_ours: faults(&[Ours; 5], &[Fault::Kill, Fault::Pause], 6);
    kills_and_pauses_of_a_mixture: faults(
        &[Apache, Ours, Apache, Ours, Ours],
        &[Fault::Kill, Fault::Pause],
        6,
    );
}
