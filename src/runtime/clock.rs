//! The only place that reads clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::base::{Monotonic, Now, WallMillis};
use crate::net::Clock;

/// This machine's clocks.
///
/// The monotonic one starts at the wall clock's reading when the process starts, so that session
/// ids, which begin with it, differ from those of earlier runs.
#[derive(Debug)]
pub(super) struct SystemClock {
    started: Instant,
    started_wall_ms: u64,
}

impl SystemClock {
    pub(super) fn start() -> Self {
        Self {
            started: Instant::now(),
            started_wall_ms: u64::try_from(wall_ms()).unwrap_or_default(),
        }
    }

    pub(super) fn monotonic(&self) -> Monotonic {
        let passed_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Monotonic(self.started_wall_ms.saturating_add(passed_ms))
    }

    /// The wall clock's reading at a monotonic time, as far as it can be told now.
    pub(super) fn wall_at(&self, at: Monotonic) -> WallMillis {
        let now = self.now();
        let ahead = i128::from(at.0) - i128::from(now.monotonic.0);
        WallMillis(now.wall.0 + i64::try_from(ahead).unwrap_or(0))
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now {
            monotonic: self.monotonic(),
            wall: WallMillis(wall_ms()),
        }
    }
}

fn wall_ms() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since_1970.map_or(0, |passed| passed.as_millis());
    i64::try_from(millis).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::IdGenerator;

    /// QP-109: ids of a process that comes later lie behind all that an earlier one can have given.
    #[test]
    fn session_ids_begin_with_the_time_of_day() {
        let before = u64::try_from(wall_ms()).unwrap();
        let clock = SystemClock::start();
        assert!(clock.monotonic().0 >= before);
        let earlier = IdGenerator::new(3, Monotonic(before - 1)).next_id();
        let later = IdGenerator::new(3, clock.monotonic()).next_id();
        assert_eq!(later.0 >> 56, 3);
        assert!(later.0 - earlier.0 >= 1 << 16, "a millisecond is 65536 ids");
    }
}
