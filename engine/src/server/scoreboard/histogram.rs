//! Durations in buckets: since the start, and second by second for the last eight minutes, so that a report can
//! say how late a loop was between two moments. One writer (the loop), any number of readers, no allocation.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64, fence};

use protocol::time::Instant;

use super::cell::Counter;
use crate::runtime::sys::shared_memory::plain_atomics;

/// Upper bounds of the buckets in microseconds, inclusive. What is above the last counts in the last.
pub const BUCKET_BOUNDS_US: [u64; BUCKETS] = [
    1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1_000, 1_500, 2_000,
    3_000, 5_000, 7_000, 10_000, 15_000, 20_000, 30_000, 50_000, 100_000, 300_000, 1_000_000,
    10_000_000,
];
/// How many buckets there are.
pub const BUCKETS: usize = 32;
/// How many seconds the ring remembers: the longest test (300 s) and its report's delay.
pub const RING_SECONDS: usize = 512;

plain_atomics! {
    /// A histogram of microseconds since the segment was made.
    #[derive(Debug)]
    pub struct Histogram {
        cumulative: [Counter; BUCKETS],
        sum_us: Counter,
    }
}

plain_atomics! {
    /// A histogram of microseconds with its recent past.
    #[derive(Debug)]
    pub struct TimedHistogram {
        all: Histogram,
        ring: [Second; RING_SECONDS],
    }
}

plain_atomics! {
    #[derive(Debug)]
    struct Second {
        /// 1 + the monotonic second it counts; 0 while it is being cleared.
        stamp: AtomicU64,
        counts: [AtomicU32; BUCKETS],
    }
}

/// The counts of some histograms, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// One for each of [`BUCKET_BOUNDS_US`].
    pub buckets: [u64; BUCKETS],
}

impl Histogram {
    /// Counts one duration. Only the owner calls this.
    pub fn record_us(&self, us: u64) {
        self.cumulative[bucket_of(us)].add(1);
        self.sum_us.add(us);
    }

    /// Everything since the segment was made.
    #[must_use]
    pub fn total(&self) -> Counts {
        Counts {
            buckets: std::array::from_fn(|bucket| self.cumulative[bucket].value()),
        }
    }

    /// Sum of all durations in microseconds, for metrics.
    #[must_use]
    pub fn sum_us(&self) -> u64 {
        self.sum_us.value()
    }
}

impl TimedHistogram {
    /// Counts one duration. Only the owner calls this.
    pub fn record_us(&self, now: Instant, us: u64) {
        self.all.record_us(us);
        let bucket = bucket_of(us);
        let second = second_of(now);
        let slot = &self.ring[ring_index(second)];
        if slot.stamp.load(Relaxed) != second + 1 {
            slot.restart(second);
        }
        let count = &slot.counts[bucket];
        count.store(count.load(Relaxed).saturating_add(1), Relaxed);
    }

    /// Everything since the segment was made.
    #[must_use]
    pub fn all(&self) -> &Histogram {
        &self.all
    }

    /// Adds what was recorded in the monotonic seconds `from_s..=to_s` to `counts`.
    pub fn add_seconds(&self, from_s: u64, to_s: u64, counts: &mut Counts) {
        let from_s = from_s.max(to_s.saturating_sub(RING_SECONDS as u64 - 1));
        for second in from_s..=to_s {
            self.ring[ring_index(second)].add_to(second, counts);
        }
    }
}

impl Second {
    fn restart(&self, second: u64) {
        self.stamp.store(0, Relaxed);
        fence(Release);
        for count in &self.counts {
            count.store(0, Relaxed);
        }
        self.stamp.store(second + 1, Release);
    }

    fn add_to(&self, second: u64, counts: &mut Counts) {
        if self.stamp.load(Acquire) != second + 1 {
            return;
        }
        let read: [u32; BUCKETS] = std::array::from_fn(|bucket| self.counts[bucket].load(Relaxed));
        fence(Acquire);
        // The second may have been reused for a later one while it was read.
        if self.stamp.load(Relaxed) != second + 1 {
            return;
        }
        for (sum, count) in counts.buckets.iter_mut().zip(read) {
            *sum += u64::from(count);
        }
    }
}

impl Counts {
    /// How many durations there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        for (sum, count) in self.buckets.iter_mut().zip(other.buckets) {
            *sum += count;
        }
    }

    /// The upper bound of the bucket in which the quantile `q` (0 to 1) lies: the true value is at most this.
    /// `None` when nothing was recorded.
    #[must_use]
    pub fn quantile_us(&self, q: f64) -> Option<u64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank of at most 2^52 between 1 and count"
        )]
        let rank = ((count as f64 * q.clamp(0.0, 1.0)).ceil() as u64).clamp(1, count);
        let mut seen = 0;
        for (bucket, in_bucket) in self.buckets.iter().enumerate() {
            seen += in_bucket;
            if seen >= rank {
                return Some(BUCKET_BOUNDS_US[bucket]);
            }
        }
        Some(BUCKET_BOUNDS_US[BUCKETS - 1])
    }
}

/// The monotonic second that `now` lies in.
#[must_use]
pub fn second_of(now: Instant) -> u64 {
    now.as_nanos() / 1_000_000_000
}

fn ring_index(second: u64) -> usize {
    // The remainder is below RING_SECONDS.
    (second % RING_SECONDS as u64) as usize
}

fn bucket_of(us: u64) -> usize {
    BUCKET_BOUNDS_US
        .partition_point(|bound| *bound < us)
        .min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::runtime::sys::shared_memory::SharedMapping;

    fn at(second: u64) -> Instant {
        Instant::from_nanos(second * 1_000_000_000 + 5)
    }

    #[test]
    fn a_duration_on_a_bound_counts_below_it() {
        assert_eq!(BUCKET_BOUNDS_US[bucket_of(2_000)], 2_000);
        assert_eq!(BUCKET_BOUNDS_US[bucket_of(2_001)], 3_000);
        assert_eq!(bucket_of(0), 0);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn only_the_seconds_asked_for_count() {
        let histogram = SharedMapping::<TimedHistogram>::create().unwrap();
        histogram.record_us(at(10), 100);
        histogram.record_us(at(11), 900);
        histogram.record_us(at(12), 40_000);
        let mut counts = Counts::default();
        histogram.add_seconds(11, 11, &mut counts);
        assert_eq!(counts.count(), 1);
        assert_eq!(counts.quantile_us(0.99), Some(1_000));
        assert_eq!(histogram.all().total().count(), 3);
        assert_eq!(histogram.all().sum_us(), 41_000);
    }

    #[test]
    fn a_second_that_the_ring_has_overwritten_is_gone() {
        let histogram = SharedMapping::<TimedHistogram>::create().unwrap();
        histogram.record_us(at(3), 100);
        histogram.record_us(at(3 + RING_SECONDS as u64), 7);
        let mut counts = Counts::default();
        histogram.add_seconds(0, 3 + RING_SECONDS as u64, &mut counts);
        assert_eq!(counts.count(), 1);
        assert_eq!(counts.quantile_us(1.0), Some(7));
    }

    #[test]
    fn nothing_recorded_has_no_quantile() {
        assert_eq!(Counts::default().quantile_us(0.5), None);
    }

    proptest! {
        #[test]
        fn a_quantile_is_the_first_bound_at_or_above_the_exact_one(
            mut values in proptest::collection::vec(1_u64..9_000_000, 1..300),
            q in 0.0_f64..=1.0,
        ) {
            let histogram = SharedMapping::<TimedHistogram>::create().unwrap();
            for us in &values {
                histogram.record_us(at(1), *us);
            }
            values.sort_unstable();
            let rank = ((values.len() as f64 * q).ceil() as usize).clamp(1, values.len());
            let exact = values[rank - 1];
            prop_assert_eq!(
                histogram.all().total().quantile_us(q),
                Some(BUCKET_BOUNDS_US[bucket_of(exact)])
            );
        }
    }
}
