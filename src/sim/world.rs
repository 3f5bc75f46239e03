//! Virtual time, and what is still to happen in it.
//!
//! Two things that fall on the same moment happen in the order in which they were asked for, so one
//! seed gives one run.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fmt;

/// A moment, or a span, of virtual time in microseconds; runs begin at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Micros(pub u64);

impl Micros {
    pub fn from_millis(millis: u64) -> Self {
        Self(millis * 1000)
    }

    #[must_use]
    pub fn after(self, span: Self) -> Self {
        Self(self.0 + span.0)
    }

    /// The span from `earlier` to this, nothing if it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    pub fn as_millis(self) -> u64 {
        self.0 / 1000
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>6}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// The clock and the queue of what is still to happen.
#[derive(Debug)]
pub struct Timeline<E> {
    now: Micros,
    queue: BinaryHeap<Scheduled<E>>,
    scheduled: u64,
}

#[derive(Debug)]
struct Scheduled<E> {
    at: Micros,
    number: u64,
    event: E,
}

impl<E> Default for Timeline<E> {
    fn default() -> Self {
        Self {
            now: Micros::default(),
            queue: BinaryHeap::new(),
            scheduled: 0,
        }
    }
}

impl<E> Timeline<E> {
    pub fn now(&self) -> Micros {
        self.now
    }

    /// Lets `event` happen at a moment, now if that is past.
    pub fn at(&mut self, at: Micros, event: impl Into<E>) {
        let number = self.scheduled;
        self.scheduled += 1;
        self.queue.push(Scheduled {
            at: at.max(self.now),
            number,
            event: event.into(),
        });
    }

    /// Lets `event` happen some time from now.
    pub fn after(&mut self, span: Micros, event: impl Into<E>) {
        self.at(self.now.after(span), event);
    }

    /// The next event, to whose moment the clock goes, if there is one until `end`; else the clock
    /// goes to `end`.
    pub fn next_until(&mut self, end: Micros) -> Option<E> {
        if self.queue.peek().is_none_or(|next| next.at > end) {
            self.now = self.now.max(end);
            return None;
        }
        let next = self.queue.pop()?;
        assert!(next.at >= self.now, "time does not go back");
        self.now = next.at;
        Some(next.event)
    }
}

impl<E> PartialEq for Scheduled<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E> Eq for Scheduled<E> {}

impl<E> PartialOrd for Scheduled<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The earliest is the greatest, as the heap gives the greatest first.
impl<E> Ord for Scheduled<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_in_the_order_they_were_asked_for() {
        let mut timeline: Timeline<&str> = Timeline::default();
        timeline.at(Micros(20), "c");
        timeline.at(Micros(10), "a");
        timeline.at(Micros(10), "b");
        assert_eq!(timeline.next_until(Micros(5)), None);
        assert_eq!(timeline.now(), Micros(5));
        assert_eq!(timeline.next_until(Micros(30)), Some("a"));
        timeline.at(Micros(1), "late");
        assert_eq!(timeline.next_until(Micros(30)), Some("b"));
        assert_eq!(timeline.next_until(Micros(30)), Some("late"));
        assert_eq!(timeline.next_until(Micros(30)), Some("c"));
        assert_eq!(timeline.now(), Micros(20));
        assert_eq!(timeline.next_until(Micros(30)), None);
        assert_eq!(timeline.now(), Micros(30));
    }
}
