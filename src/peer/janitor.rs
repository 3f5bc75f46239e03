//! When containers and TTL nodes are looked for and deleted, as `ContainerManager`.

use std::collections::VecDeque;

use crate::base::{Monotonic, Now};
use crate::tree::Tree;

/// The settings `znode.container.*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JanitorOptions {
    /// Between two looks, and before the first. Not 0.
    pub check_interval_ms: u64,
    /// Deletions are spaced so that there are no more. Not 0.
    pub deletions_per_minute_max: u64,
    /// How long a container is kept that never had a child; 0 for ever.
    pub never_used_ms: i64,
}

impl Default for JanitorOptions {
    fn default() -> Self {
        Self {
            check_interval_ms: 60_000,
            deletions_per_minute_max: 10_000,
            never_used_ms: 0,
        }
    }
}

/// What one look may find; the rest is found by the next.
const CANDIDATES_MAX: usize = 100_000;

/// Says which node to try to delete, and when.
#[derive(Debug)]
pub(super) struct Janitor {
    options: JanitorOptions,
    next_check: Monotonic,
    /// Found and not yet tried.
    candidates: VecDeque<Box<str>>,
    next_deletion: Monotonic,
}

impl Janitor {
    pub(super) fn new(options: JanitorOptions, now: Now) -> Self {
        assert!(options.check_interval_ms > 0, "time passes between looks");
        Self {
            options,
            next_check: now.monotonic.after(options.check_interval_ms),
            candidates: VecDeque::new(),
            next_deletion: now.monotonic,
        }
    }

    pub(super) fn deadline(&self) -> Monotonic {
        if self.candidates.is_empty() {
            self.next_check
        } else {
            self.next_deletion
        }
    }

    /// A node to try to delete now.
    pub(super) fn next_candidate(&mut self, now: Now, tree: &Tree) -> Option<Box<str>> {
        if self.candidates.is_empty() && self.next_check <= now.monotonic {
            let never_used_ms = self.options.never_used_ms;
            let found = tree.deletion_candidates(now.wall, never_used_ms, CANDIDATES_MAX);
            self.candidates = found.into();
            // At a fixed rate, but looks that were missed are not made up for.
            let interval = self.options.check_interval_ms;
            let missed = now.monotonic.since(self.next_check) / interval;
            self.next_check = self.next_check.after((missed + 1).saturating_mul(interval));
        }
        if self.next_deletion > now.monotonic {
            return None;
        }
        let candidate = self.candidates.pop_front()?;
        let spacing = 60_000 / self.options.deletions_per_minute_max.max(1);
        self.next_deletion = now.monotonic.after(spacing);
        Some(candidate)
    }
}
