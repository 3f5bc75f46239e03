//! Latencies as a histogram with bounded relative error, and medians over rounds.
//!
//! In: one duration per request. Out: percentiles. Recording is an index and an add, so that it doesn't weigh on the
//! generator's core.

use std::time::Duration;

/// Each power of two is split into this many buckets, so a percentile is at most 1/64 above the true value.
const BUCKETS_PER_OCTAVE: usize = 64;
const OCTAVE_BITS: u32 = BUCKETS_PER_OCTAVE.ilog2();
/// 2^40 ns are 18 minutes; what takes longer is counted in the last bucket.
const OCTAVES: usize = 40;

/// Counts per latency, in nanoseconds.
#[derive(Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self {
            counts: vec![0; (OCTAVES + 1) * BUCKETS_PER_OCTAVE],
            total: 0,
        }
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        let bucket = bucket_of(nanos).min(self.counts.len() - 1);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.total += 1;
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The latency that `percent` of the requests did not exceed; zero if nothing was recorded.
    pub(crate) fn percentile(&self, percent: u64) -> Duration {
        let rank = (self.total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(upper_bound_of(bucket));
            }
        }
        Duration::ZERO
    }
}

/// Values below one octave's buckets have a bucket each; above, the exponent picks the octave and the bits below it
/// the bucket.
fn bucket_of(nanos: u64) -> usize {
    let shift = (u64::BITS - nanos.leading_zeros()).saturating_sub(OCTAVE_BITS + 1);
    let bucket = u64::from(shift) * BUCKETS_PER_OCTAVE as u64 + (nanos >> shift);
    usize::try_from(bucket).unwrap_or(usize::MAX)
}

fn upper_bound_of(bucket: usize) -> u64 {
    let shift = (bucket / BUCKETS_PER_OCTAVE).saturating_sub(1);
    let past_the_end = (bucket - shift * BUCKETS_PER_OCTAVE + 1) as u64;
    (past_the_end << shift) - 1
}

/// The middle value; of an even number of values the mean of the middle two. Zero for none.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
    if values.len() % 2 == 1 {
        at(middle)
    } else {
        f64::midpoint(at(middle.saturating_sub(1)), at(middle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_a_bucket_that_is_narrow_enough() {
        let mut last = 0;
        for nanos in (0..5_000).chain((0..300).map(|step| 6_000 + step * 7_919_317)) {
            let upper = upper_bound_of(bucket_of(nanos));
            assert!(upper >= nanos, "{nanos} above its bucket's bound {upper}");
            assert!(upper - nanos <= nanos / 64, "{nanos} too far below {upper}");
            assert!(upper >= last, "buckets out of order at {nanos}");
            last = upper;
        }
    }

    #[test]
    fn percentiles_of_known_values() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.percentile(50), Duration::ZERO);
        for micros in 1..=100 {
            histogram.record(Duration::from_micros(micros));
        }
        for percent in [1, 50, 99, 100] {
            let got = histogram.percentile(percent).as_nanos() as f64;
            let want = percent as f64 * 1000.0;
            assert!((want..=want * 1.02).contains(&got), "p{percent} is {got}");
        }
        assert_eq!(histogram.total(), 100);
    }

    #[test]
    fn the_longest_wait_still_counts() {
        let mut histogram = Histogram::new();
        histogram.record(Duration::MAX);
        assert!(histogram.percentile(99) > Duration::from_secs(1000));
    }

    #[test]
    fn medians() {
        assert_eq!(median([]), 0.0);
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
