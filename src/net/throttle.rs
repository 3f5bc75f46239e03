//! The token bucket for new sessions, which may refuse at random before it is empty, as
//! `BlueThrottle`; and the budget of large requests.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::base::Monotonic;
use crate::config::{ConnectionThrottle, LargeRequests};

/// Decides whether one more session may be opened now.
#[derive(Debug)]
pub(super) struct SessionThrottle {
    options: ConnectionThrottle,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: u64,
    filled: Monotonic,
    /// The chance of refusing, from 0 to 1.
    drop: f64,
    adapted: Monotonic,
    /// Never 0.
    random: u64,
}

impl SessionThrottle {
    pub(super) fn new(options: ConnectionThrottle, now: Monotonic, seed: u64) -> Self {
        let bucket = Bucket {
            tokens: options.tokens_max,
            filled: now,
            drop: 0.0,
            adapted: now,
            random: seed | 1,
        };
        Self {
            options,
            bucket: Mutex::new(bucket),
        }
    }

    /// Whether a session, new or coming back, may be opened. Takes its tokens.
    pub(super) fn lets_in(&self, renewed: bool, now: Monotonic) -> bool {
        let weights = self.options.weights;
        let cost = u64::from(if renewed {
            weights.renewed
        } else {
            weights.global
        });
        let mut bucket = self.bucket.lock();
        bucket.refill(&self.options, now);
        if let Some(freeze_ms) = self.options.freeze_time_ms {
            bucket.maybe_adapt(&self.options, freeze_ms, now);
            if bucket.next_random() < bucket.drop {
                return false;
            }
        }
        match bucket.tokens.checked_sub(cost) {
            Some(left) => {
                bucket.tokens = left;
                true
            }
            None => false,
        }
    }

    /// The chance of refusing.
    pub(super) fn drop_chance(&self) -> f64 {
        self.bucket.lock().drop
    }
}

impl Bucket {
    fn refill(&mut self, options: &ConnectionThrottle, now: Monotonic) {
        let passed = now.since(self.filled);
        if passed > options.fill_time_ms {
            let back = passed.saturating_mul(options.fill_tokens) / options.fill_time_ms.max(1);
            self.tokens = self.tokens.saturating_add(back).min(options.tokens_max);
            self.filled = now;
        }
    }

    fn maybe_adapt(&mut self, options: &ConnectionThrottle, freeze_ms: u64, now: Monotonic) {
        if now.since(self.adapted) <= freeze_ms {
            return;
        }
        self.adapted = now;
        let missing = options.tokens_max - self.tokens;
        if self.tokens == 0 {
            self.drop = (self.drop + options.drop_increase).min(1.0);
        } else if missing as f64 <= (options.tokens_max as f64 * options.decrease_ratio).round() {
            self.drop = (self.drop - options.drop_decrease).max(0.0);
        }
    }

    /// From 0 up to 1, by xorshift: fairness between clients needs no better.
    fn next_random(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Bytes of large requests in flight on the whole server.
#[derive(Debug)]
pub(super) struct LargeRequestBudget {
    options: Option<LargeRequests>,
    in_flight: AtomicUsize,
}

impl LargeRequestBudget {
    pub(super) fn new(options: Option<LargeRequests>) -> Self {
        Self {
            options,
            in_flight: AtomicUsize::new(0),
        }
    }

    /// What a request of `length` bytes takes from the budget: 0 when it is not large.
    pub(super) fn share_of(&self, length: usize) -> usize {
        match self.options {
            Some(options) if length > options.threshold_bytes as usize => length,
            _ => 0,
        }
    }

    /// Takes `share` from the budget, if it is there.
    pub(super) fn take(&self, share: usize) -> bool {
        let Some(options) = self.options.filter(|_| share > 0) else {
            return true;
        };
        let before = self.in_flight.fetch_add(share, Relaxed);
        let fits = before + share <= options.in_flight_bytes_max as usize;
        if !fits {
            self.give_back(share);
        }
        fits
    }

    pub(super) fn give_back(&self, share: usize) {
        if share > 0 {
            self.in_flight.fetch_sub(share, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::SessionWeights;

    use super::*;

    fn options() -> ConnectionThrottle {
        ConnectionThrottle {
            tokens_max: 4,
            fill_time_ms: 100,
            fill_tokens: 2,
            freeze_time_ms: None,
            drop_increase: 0.5,
            drop_decrease: 0.25,
            decrease_ratio: 0.5,
            weights: SessionWeights {
                global: 2,
                local: 1,
                renewed: 1,
            },
        }
    }

    #[test]
    fn tokens_run_out_and_come_back() {
        let throttle = SessionThrottle::new(options(), Monotonic(0), 7);
        assert!(throttle.lets_in(false, Monotonic(0)) && throttle.lets_in(true, Monotonic(0)));
        assert!(!throttle.lets_in(false, Monotonic(100)), "one token left");
        assert!(throttle.lets_in(false, Monotonic(101)), "two came back");
    }

    #[test]
    fn shortage_makes_refusals_likely_and_plenty_takes_it_back() {
        let options = ConnectionThrottle {
            freeze_time_ms: Some(10),
            ..options()
        };
        let throttle = SessionThrottle::new(options, Monotonic(0), 7);
        assert!(throttle.lets_in(false, Monotonic(0)) && throttle.lets_in(false, Monotonic(0)));
        throttle.lets_in(false, Monotonic(11));
        throttle.lets_in(false, Monotonic(22));
        assert!((throttle.drop_chance() - 1.0).abs() < 1e-9);
        assert!(!throttle.lets_in(false, Monotonic(1000)));
        assert!((throttle.drop_chance() - 0.75).abs() < 1e-9);
    }

    #[test]
    fn large_requests_share_a_budget() {
        let budget = LargeRequestBudget::new(Some(LargeRequests {
            threshold_bytes: 10,
            in_flight_bytes_max: 30,
        }));
        assert_eq!((budget.share_of(10), budget.share_of(11)), (0, 11));
        assert!(budget.take(20) && !budget.take(11) && budget.take(0));
        budget.give_back(20);
        assert!(budget.take(30));
    }
}
