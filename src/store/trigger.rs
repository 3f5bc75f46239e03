//! When to take a snapshot: after a number of records or of log bytes since the last time, each
//! drawn anew between half of the limit and the limit, so that servers do not all write snapshots
//! at once.

/// Counts what was appended to the log.
#[derive(Debug)]
pub struct SnapshotTrigger {
    options: TriggerOptions,
    random: u64,
    records: u64,
    bytes: u64,
    /// What may pass before it is time.
    records_max: u64,
    bytes_max: Option<u64>,
}

/// What the trigger can be told by the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TriggerOptions {
    /// `zookeeper.snapCount`; below 2 counts as 2.
    pub records: u64,
    /// `zookeeper.snapSizeLimitInKb`, in bytes; 0 or less: bytes do not count. (With 0 Apache's
    /// server divides by zero and stops.)
    pub log_bytes: i64,
}

impl Default for TriggerOptions {
    fn default() -> Self {
        Self {
            records: 100_000,
            log_bytes: 4_194_304 * 1024,
        }
    }
}

impl SnapshotTrigger {
    /// `seed` should differ between servers and starts.
    pub fn new(options: TriggerOptions, seed: u64) -> Self {
        let mut trigger = Self {
            options,
            random: seed,
            records: 0,
            bytes: 0,
            records_max: 0,
            bytes_max: None,
        };
        trigger.draw();
        trigger
    }

    /// Counts a record and gives whether it is time: then the log is to be rolled behind it, and a
    /// snapshot taken unless one is being written. The count starts again in either case.
    pub fn count(&mut self, record_bytes: u64) -> bool {
        self.records += 1;
        self.bytes += record_bytes;
        let is_due = self.records > self.records_max
            || self
                .bytes_max
                .is_some_and(|bytes_max| self.bytes > bytes_max);
        if is_due {
            self.draw();
        }
        is_due
    }

    fn draw(&mut self) {
        self.records = 0;
        self.bytes = 0;
        self.records_max = self.between_half_and(self.options.records.max(2));
        let log_bytes = u64::try_from(self.options.log_bytes).ok();
        let log_bytes = log_bytes.filter(|bytes| *bytes > 0);
        self.bytes_max = log_bytes.map(|log_bytes| self.between_half_and(log_bytes));
    }

    /// `limit/2` and something below `limit/2`, by the generator SplitMix64.
    fn between_half_and(&mut self, limit: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let half = limit / 2;
        half + mixed.checked_rem(half).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(options: TriggerOptions, seed: u64, bytes: u64) -> Vec<u64> {
        let mut trigger = SnapshotTrigger::new(options, seed);
        let mut until = |_| (1..).find(|_| trigger.count(bytes)).unwrap();
        (0..200).map(&mut until).collect()
    }

    #[test]
    fn sf_101_it_is_time_between_half_of_the_limit_and_the_limit() {
        let by_records = TriggerOptions {
            records: 1000,
            ..TriggerOptions::default()
        };
        let by_bytes = TriggerOptions {
            log_bytes: 1000 * 64,
            ..TriggerOptions::default()
        };
        for options in [by_records, by_bytes] {
            let one = counts(options, 1, 64);
            assert!(
                one.iter().all(|count| (501..=1000).contains(count)),
                "{one:?}"
            );
            let (least, most) = (one.iter().min().unwrap(), one.iter().max().unwrap());
            assert!(
                *least < 520 && *most > 980,
                "drawn from all of the range: {one:?}"
            );
            assert_ne!(one, counts(options, 2, 64), "servers differ");
        }
    }

    #[test]
    fn sf_103_no_limit_in_bytes_counts_records_only() {
        for log_bytes in [0, -1024, i64::MIN] {
            let options = TriggerOptions {
                records: 100,
                log_bytes,
            };
            let counts = counts(options, 1, u64::MAX / 1000);
            assert!(counts.iter().all(|count| (51..=100).contains(count)));
        }
    }

    #[test]
    fn a_count_below_two_is_two() {
        for records in 0..=2 {
            let options = TriggerOptions {
                records,
                log_bytes: 0,
            };
            assert!(counts(options, 1, 0).iter().all(|count| *count == 2));
        }
    }
}
