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
    /// `fsync.warningthresholdms`: a sync that takes longer is slow.
    slow_sync_ms: u64,
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
    /// Milliseconds of each restore.
    pub(super) restores: Spread,
    /// Commands for a snapshot, or to restore one, that failed, and those that came too soon.
    pub(super) snapshot_errors: u64,
    pub(super) snapshots_limited: u64,
    pub(super) restore_errors: u64,
    pub(super) restores_limited: u64,
    /// Connections to the AdminServer without TLS where they could have had it.
    pub(super) plain_admin: u64,
    /// Since the start, also beyond a reset.
    pub(super) slow_syncs: u64,
}

impl Reports {
    /// The other end gets the first failure.
    pub(super) fn new(slow_sync_ms: u64) -> (Self, mpsc::Receiver<Failure>) {
        let (failures, receiver) = mpsc::channel(1);
        let reports = Self {
            figures: Mutex::new(Figures::default()),
            slow_sync_ms,
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
        figures.slow_syncs += u64::from(took_ms > self.slow_sync_ms);
        add(&mut figures.syncs, took_ms);
        add(&mut figures.batches, transactions as u64);
    }

    pub(super) fn count_snapshot(&self, took_ms: u64) {
        add(&mut self.figures.lock().snapshots, took_ms);
    }

    /// Counts what becomes of a command.
    pub(super) fn count(&self, counter: impl FnOnce(&mut Figures) -> &mut u64) {
        *counter(&mut self.figures.lock()) += 1;
    }

    pub(super) fn count_restore(&self, took_ms: u64) {
        add(&mut self.figures.lock().restores, took_ms);
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
        let mut figures = self.figures.lock();
        *figures = Figures {
            slow_syncs: figures.slow_syncs,
            ..Figures::default()
        };
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
