//! How often a costly command may run: `RateLimiter` with one permit.

use crate::base::Monotonic;

/// One permit for each interval, which a failed call uses up as well.
#[derive(Debug)]
pub struct RateLimiter {
    interval_ms: u64,
    /// When the interval began that counts.
    since: Monotonic,
    is_used: bool,
}

impl RateLimiter {
    /// The first permit is there at once.
    pub fn new(interval_ms: u64, now: Monotonic) -> Self {
        Self {
            interval_ms,
            since: now,
            is_used: false,
        }
    }

    /// Takes the permit, if it is there. With an interval of 0 it always is: Apache's server would
    /// refuse a second call within one millisecond, in which it never gets to one.
    pub fn allows(&mut self, now: Monotonic) -> bool {
        if self.interval_ms == 0 {
            return true;
        }
        if now.since(self.since) > self.interval_ms {
            self.since = now;
            self.is_used = false;
        }
        !std::mem::replace(&mut self.is_used, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_permit_for_each_interval() {
        let mut limiter = RateLimiter::new(300, Monotonic(1000));
        assert!(limiter.allows(Monotonic(1200)));
        assert!(!limiter.allows(Monotonic(1300)), "the interval is not over");
        assert!(limiter.allows(Monotonic(1301)));
        assert!(!limiter.allows(Monotonic(1601)));
        assert!(limiter.allows(Monotonic(1602)));
    }

    #[test]
    fn no_interval_limits_nothing() {
        let now = Monotonic(1000);
        let mut limiter = RateLimiter::new(0, now);
        assert!(limiter.allows(now));
        assert!(limiter.allows(now), "within the same millisecond");
    }
}
