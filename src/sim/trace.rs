//! The run as a list of facts: one line for each transition, kept for the last so many.
//!
//! What is kept are the facts themselves; they become text only when somebody wants to read them. A
//! running hash over all of them tells whether two runs were the same.

use std::collections::VecDeque;
use std::fmt::Display;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::sim::world::Micros;

/// See the module.
#[derive(Debug)]
pub struct Trace<F> {
    lines: VecDeque<(Micros, F)>,
    lines_max: usize,
    hasher: DefaultHasher,
    count: u64,
}

impl<F: Display + Hash> Trace<F> {
    /// Keeps the last `lines_max` facts.
    pub fn new(lines_max: usize) -> Self {
        Self {
            lines: VecDeque::new(),
            lines_max,
            hasher: DefaultHasher::new(),
            count: 0,
        }
    }

    pub fn record(&mut self, at: Micros, fact: F) {
        at.hash(&mut self.hasher);
        fact.hash(&mut self.hasher);
        self.count += 1;
        self.lines.push_back((at, fact));
        if self.lines.len() > self.lines_max {
            self.lines.pop_front();
        }
    }

    /// What stands for the whole run so far.
    pub fn fingerprint(&self) -> u64 {
        self.hasher.finish()
    }

    /// How many facts there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The facts that are kept, one on each line.
    pub fn text(&self) -> String {
        let lines = self.lines.iter();
        lines.map(|(at, fact)| format!("{at} {fact}\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_all_of_them_count() {
        let mut trace = Trace::new(2);
        let mut other = Trace::new(2);
        other.record(Micros(9), "other");
        for (at, fact) in [(1, "one"), (2_000_000, "two"), (3_500_000, "three")] {
            trace.record(Micros(at), fact);
            other.record(Micros(at), fact);
        }
        assert_eq!(trace.text(), "     2.000000 two\n     3.500000 three\n");
        assert_eq!(trace.text(), other.text());
        assert_ne!(trace.fingerprint(), other.fingerprint());
        assert_eq!(trace.count(), 3);
    }
}
