//! What the runtime's threads tell those who ask and the one who stops the server.

use std::panic::{AssertUnwindSafe, catch_unwind};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::admin::Spread;
use crate::runtime::Failure;

/// Figures and the first failure.
#[derive(Debug)]
pub(super) struct Reports {
    figures: Mutex<Figures>,
    failures: mpsc::Sender<Failure>,
}

/// What is measured on the way of writes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Figures {
    /// Milliseconds of each sync.
    pub(super) syncs: Spread,
    /// Transactions of each sync.
    pub(super) batches: Spread,
    /// Milliseconds of each snapshot.
    pub(super) snapshots: Spread,
    /// Milliseconds it took to bring the data back.
    pub(super) start: Spread,
    /// Transactions replayed then.
    pub(super) replayed: Spread,
}

impl Reports {
    /// The other end gets the first failure.
    pub(super) fn new() -> (Self, mpsc::Receiver<Failure>) {
        let (failures, receiver) = mpsc::channel(1);
        let reports = Self {
            figures: Mutex::new(Figures::default()),
            failures,
        };
        (reports, receiver)
    }

    /// The server cannot go on. Only the first reason is the process's last word: the others
    /// follow from it.
    pub(super) fn fail(&self, failure: Failure) {
        if let Err(further) = self.failures.try_send(failure) {
            tracing::warn!("and then: {}", further.into_inner().explained());
        }
    }

    /// Runs the work of a thread that the server cannot be without.
    pub(super) fn guard(&self, thread: &'static str, work: impl FnOnce() -> Result<(), Failure>) {
        // What a panic leaves half done is not looked at again: the process stops.
        let outcome = catch_unwind(AssertUnwindSafe(work));
        if let Err(failure) = outcome.unwrap_or(Err(Failure::Panicked(thread))) {
            self.fail(failure);
        }
    }

    pub(super) fn count_sync(&self, took_ms: u64, transactions: usize) {
        let mut figures = self.figures.lock();
        add(&mut figures.syncs, took_ms);
        add(&mut figures.batches, transactions as u64);
    }

    pub(super) fn count_snapshot(&self, took_ms: u64) {
        add(&mut self.figures.lock().snapshots, took_ms);
    }

    pub(super) fn count_start(&self, took_ms: u64, replayed: u64) {
        let mut figures = self.figures.lock();
        add(&mut figures.start, took_ms);
        add(&mut figures.replayed, replayed);
    }

    pub(super) fn figures(&self) -> Figures {
        *self.figures.lock()
    }

    /// As `srst` does it.
    pub(super) fn reset(&self) {
        *self.figures.lock() = Figures::default();
    }
}

fn add(spread: &mut Spread, value: u64) {
    spread.min = if spread.count == 0 {
        value
    } else {
        spread.min.min(value)
    };
    spread.max = spread.max.max(value);
    spread.sum += value;
    spread.count += 1;
}
